//! HTML to the lines a person would see: for mails that have no plain text, and to compare twins.
//!
//! Blocks and `<br>` end lines, a table row of two cells becomes `label: value`, a quotation gets `> ` in front. What is
//! not shown is not read: script, style, comments, templates, hidden elements.

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};

/// Deepest nesting of elements and tables that is followed; deeper ones are read as if they were flat.
const DEPTH: usize = 200;

/// The text of an HTML document.
pub fn to_text(html: &str) -> String {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut page = Page::default();
    for token in Tokenizer::new_with_emitter(html, emitter) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => page.start(&tag),
            Token::EndTag(tag) => page.end(&String::from_utf8_lossy(&tag.name)),
            Token::String(text) => page.text(&String::from_utf8_lossy(&text)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    page.finish()
}

/// What is written so far: of the document, or of one table cell.
#[derive(Default)]
struct Buffer {
    lines: Vec<String>,
    line: String,
    /// Whether a table was laid out in it: then it is no label and no value.
    holds_table: bool,
    /// Quotations that are open in it.
    quotes: usize,
}

impl Buffer {
    fn text(&mut self, text: &str, preformatted: bool) {
        for c in text.chars() {
            match c {
                '\n' if preformatted => self.hard_break(),
                ' ' | '\n' | '\r' | '\t' | '\u{c}' => {
                    if !self.line.is_empty() && !self.line.ends_with(' ') || preformatted && c == ' ' {
                        self.line.push(' ');
                    }
                }
                other => self.line.push(other),
            }
        }
    }

    /// Ends the line if there is anything on it.
    fn soft_break(&mut self) {
        if !self.line.trim().is_empty() {
            self.hard_break();
        } else {
            self.line.clear();
        }
    }

    /// Ends the line.
    fn hard_break(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.push(line.trim_end_matches(' '));
    }

    fn push(&mut self, line: &str) {
        let mark = "> ".repeat(self.quotes.min(10));
        self.lines.push(format!("{mark}{line}"));
    }

    fn close(mut self) -> Vec<String> {
        self.soft_break();
        self.lines
    }
}

/// A table that is open.
#[derive(Default)]
struct Table {
    cells: Vec<Buffer>,
    cell: Option<Buffer>,
}

#[derive(Default)]
struct Page {
    root: Buffer,
    tables: Vec<Table>,
    /// Open elements: name, and whether it is the outermost hidden one.
    open: Vec<(String, bool)>,
    hidden: usize,
    preformatted: usize,
}

impl Page {
    fn buffer(&mut self) -> &mut Buffer {
        match self.tables.iter_mut().rev().find_map(|table| table.cell.as_mut()) {
            Some(cell) => cell,
            None => &mut self.root,
        }
    }

    fn text(&mut self, text: &str) {
        if self.hidden == 0 {
            let preformatted = self.preformatted > 0;
            self.buffer().text(text, preformatted);
        }
    }

    fn start(&mut self, tag: &StartTag<()>) {
        let name = String::from_utf8_lossy(&tag.name).into_owned();
        if is_void(&name) {
            if self.hidden == 0 && name == "br" {
                self.buffer().hard_break();
            } else if self.hidden == 0 && name == "hr" {
                self.buffer().soft_break();
            }
            return;
        }
        let hides = is_unseen(&name) || is_hidden(tag);
        if self.open.len() < DEPTH {
            self.hidden += usize::from(hides);
            self.open.push((name.clone(), hides));
        }
        if self.hidden > 0 {
            return;
        }
        match name.as_str() {
            "table" if self.tables.len() < DEPTH => {
                self.buffer().soft_break();
                self.buffer().holds_table = true;
                self.tables.push(Table::default());
            }
            "tr" => self.end_row(),
            "td" | "th" => {
                self.end_cell();
                if let Some(table) = self.tables.last_mut() {
                    table.cell = Some(Buffer::default());
                }
            }
            "blockquote" => {
                self.buffer().soft_break();
                self.buffer().quotes += 1;
            }
            "pre" => {
                self.buffer().soft_break();
                self.preformatted += 1;
            }
            _ if is_block(&name) => self.buffer().soft_break(),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if name == "br" {
            return;
        }
        if name == "p" && self.hidden == 0 {
            self.buffer().soft_break();
        }
        let Some(at) = self.open.iter().rposition(|(own, _)| own == name) else { return };
        for (closed, hides) in self.open.split_off(at).into_iter().rev() {
            if self.hidden == 0 {
                self.close(&closed);
            }
            self.hidden -= usize::from(hides);
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "td" | "th" => self.end_cell(),
            "tr" => self.end_row(),
            "table" => {
                self.end_row();
                self.tables.pop();
                self.buffer().soft_break();
            }
            "blockquote" => {
                let buffer = self.buffer();
                buffer.soft_break();
                buffer.quotes = buffer.quotes.saturating_sub(1);
            }
            "pre" => {
                self.buffer().soft_break();
                self.preformatted = self.preformatted.saturating_sub(1);
            }
            _ if is_block(name) => self.buffer().soft_break(),
            _ => {}
        }
    }

    fn end_cell(&mut self) {
        if let Some(table) = self.tables.last_mut()
            && let Some(cell) = table.cell.take()
        {
            table.cells.push(cell);
        }
    }

    /// Two or more cells of one row are a label and its value, unless they only lay out the page.
    fn end_row(&mut self) {
        self.end_cell();
        let Some(table) = self.tables.last_mut() else { return };
        let cells = std::mem::take(&mut table.cells);
        let laid_out = cells.iter().any(|cell| cell.holds_table);
        let cells: Vec<Vec<String>> = cells
            .into_iter()
            .map(|cell| cell.close().into_iter().filter(|line| !line.trim().is_empty()).collect())
            .filter(|lines: &Vec<String>| !lines.is_empty())
            .collect();
        let buffer = self.buffer();
        match cells.split_first() {
            Some((label, values)) if !laid_out && label.len() == 1 && !values.is_empty() => {
                let label = label.first().map_or("", |line| line.trim());
                let value: Vec<String> = values.iter().map(|lines| lines.join("\n  ")).collect();
                let parted = label.ends_with([':', '：', '=', '＝']);
                let line = format!("{label}{}{}", if parted { " " } else { ": " }, value.join(" "));
                line.split('\n').for_each(|line| buffer.push(line));
            }
            _ => cells.iter().flatten().for_each(|line| buffer.push(line)),
        }
    }

    fn finish(mut self) -> String {
        while !self.tables.is_empty() {
            self.end_row();
            self.tables.pop();
        }
        let lines = self.root.close();
        let mut text = String::new();
        let mut blank = false;
        for line in lines {
            if line.trim().is_empty() {
                blank = !text.is_empty();
                continue;
            }
            if std::mem::take(&mut blank) {
                text.push('\n');
            }
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}

/// Elements without content and end tag.
fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "source"
            | "track"
            | "wbr"
    )
}

/// Elements of which nothing is shown as text.
fn is_unseen(name: &str) -> bool {
    matches!(
        name,
        "script"
            | "style"
            | "head"
            | "title"
            | "template"
            | "noscript"
            | "object"
            | "svg"
            | "math"
            | "select"
            | "textarea"
            | "iframe"
            | "audio"
            | "video"
            | "canvas"
            | "datalist"
            | "noframes"
            | "xml"
    )
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "div"
            | "li"
            | "ul"
            | "ol"
            | "dl"
            | "dt"
            | "dd"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "section"
            | "article"
            | "header"
            | "footer"
            | "main"
            | "aside"
            | "nav"
            | "address"
            | "form"
            | "fieldset"
            | "figure"
            | "figcaption"
            | "details"
            | "summary"
            | "center"
            | "body"
            | "caption"
            | "thead"
            | "tbody"
            | "tfoot"
    )
}

/// Whether an element says of itself that it is not shown.
fn is_hidden(tag: &StartTag<()>) -> bool {
    if tag.attributes.contains_key(b"hidden".as_slice()) {
        return true;
    }
    let Some(style) = tag.attributes.get(b"style".as_slice()) else { return false };
    let style: String =
        String::from_utf8_lossy(style).chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    style.split(';').any(|declaration| {
        let declaration = declaration.trim_end_matches("!important");
        matches!(
            declaration,
            "display:none"
                | "visibility:hidden"
                | "mso-hide:all"
                | "opacity:0"
                | "font-size:0"
                | "font-size:0px"
                | "max-height:0"
                | "max-height:0px"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_breaks_end_lines() {
        assert_eq!(
            to_text("<div>a&nbsp;：&#12288;1</div><p>b: 2<br>c: 3</p>d: <b>4</b>\n5"),
            "a\u{a0}：\u{3000}1\nb: 2\nc: 3\nd: 4 5\n"
        );
        assert_eq!(to_text("<div>a<br></div><div><br></div><div>b</div>"), "a\n\nb\n");
        assert_eq!(to_text("<pre>a: 1\n  b</pre>"), "a: 1\n  b\n");
    }

    #[test]
    fn rows_of_a_table_become_lines() {
        let table = "<table><tr><td>Age</td><td>65</td></tr><tr><th><p>Sex：</p></th><td><p>F</p></td></tr>\
                     <tr><td>Remarks<td>one<br>two<tr><td>alone</table>";
        assert_eq!(to_text(table), "Age: 65\nSex： F\nRemarks: one\n  two\nalone\n");
    }

    #[test]
    fn tables_that_lay_out_the_page_are_flat() {
        let table = "<table><tr><td>Menu</td><td><table><tr><td>Age</td><td>65</td></tr></table></td></tr></table>";
        assert_eq!(to_text(table), "Menu\nAge: 65\n");
    }

    #[test]
    fn what_is_not_shown_is_not_read() {
        let page = "<html><head><title>t: 1</title><style>p{a:b}</style><script>x=\"Age: 99\"</script></head><body>\
                    <!-- Age: 98 --><p style=\"Display : none\">Age: 97<b>x</b></p><p hidden>Age: 96</p>\
                    <span style='color:red; visibility:hidden !important'>Age: 95</span><p>Age: 65</p></body>";
        assert_eq!(to_text(page), "Age: 65\n");
    }

    #[test]
    fn quotations_are_marked() {
        assert_eq!(to_text("a<blockquote>b<br><blockquote>c</blockquote></blockquote>d"), "a\n> b\n> > c\nd\n");
        assert_eq!(to_text("<blockquote><table><tr><td>Age</td><td>9</td></tr></table></blockquote>"), "> Age: 9\n");
    }

    #[test]
    fn tag_soup_is_survived() {
        to_text(&"<table><tr><td>".repeat(5_000));
        to_text(&"<blockquote>".repeat(5_000));
        to_text("</td></tr></table></b><td>x</div><tr>");
        to_text(&"<b hidden>".repeat(5_000));
    }
}
