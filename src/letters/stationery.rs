//! Templates, compiled once: a [`Letter`] goes in, worded subject, text and HTML come out.
//!
//! In charge of finding, checking and rendering templates. Everything is strict: a name that a letter's facts do not
//! have is an error, found by [`Stationery::load`], because every letter is rendered with its sample then.
//! Compiled templates are not small: what a daemon keeps compiles a letter when it is first written
//! ([`Stationery::lean`]), and studies without wording of their own should share one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, PoisonError, RwLock, RwLockReadGuard};

use handlebars::{Context, Handlebars, no_escape};
use include_dir::{Dir, include_dir};
use serde_json::{Map, Value};

use super::facts::Letter;
use super::kind::Kind;
use super::picture::{self, Picture};
use super::pieces::Pieces;
use super::{clean, fields, mailto, samples};
use crate::definition::problem::{Problem, Weight};
use crate::domain::language::Language;
use crate::limits;

static TEMPLATES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// What is in each of them, by its path: the folders themselves are searched from their first file on, whatever is looked up.
static FILES: LazyLock<BTreeMap<&'static str, &'static str>> = LazyLock::new(|| {
    let mut files = BTreeMap::new();
    gather(&TEMPLATES, &mut files);
    files
});

fn gather(folder: &Dir<'static>, files: &mut BTreeMap<&'static str, &'static str>) {
    files.extend(folder.files().filter_map(|file| Some((file.path().to_str()?, file.contents_utf8()?))));
    folder.dirs().for_each(|inner| gather(inner, files));
}

/// A worded letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    /// Its kind.
    pub kind: Kind,
    /// Its language.
    pub language: Language,
    /// Subject, one line.
    pub subject: String,
    /// Text, complete in itself, lines parted by `\n`.
    pub text: String,
    /// The same as HTML, where the kind has it.
    pub html: Option<String>,
    /// Pictures that the HTML shows.
    pub pictures: Vec<Picture>,
    /// Page on which its reader stops letters like it, where they can.
    pub unsubscribe: Option<String>,
}

impl Composed {
    /// The HTML with its pictures in it, for whoever looks at it outside of a mail.
    pub fn shown(&self) -> Option<String> {
        let with = |html: String, one: &Picture| picture::shown_in(&html, &one.cid, &one.png);
        self.html.clone().map(|html| self.pictures.iter().fold(html, with))
    }
}

/// A template that cannot state a letter's facts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template {template} cannot be rendered{}: {reason}", .line.map_or(String::new(), |line| format!(" (line {line})")))]
pub struct ComposeFault {
    /// Name of the template, such as `ja/refusal/text`.
    pub template: String,
    /// Line, from 1, where known.
    pub line: Option<usize>,
    /// What the template engine says.
    pub reason: String,
}

/// Templates of every letter in every language.
pub struct Stationery {
    sheets: BTreeMap<Language, RwLock<Sheet>>,
}

/// Templates of one language. Names: `<letter>/<part>`, `frame/<part>`, and bare names of shared pieces.
struct Sheet {
    language: Language,
    text: Handlebars<'static>,
    html: Handlebars<'static>,
    /// Kinds whose templates are compiled.
    compiled: BTreeSet<Kind>,
    /// Kinds that have an HTML part, of those.
    with_html: BTreeSet<Kind>,
}

/// A study's own templates by language and name, with the path each lies at.
type Own = BTreeMap<(Language, String), (String, String)>;

impl Stationery {
    /// Compiles all built-in templates, shadowed by a study's own, and tries every letter.
    ///
    /// `overrides` maps paths in the bundle, `letters/<language>/<letter>/{subject,text,html}.hbs`, to contents. A
    /// study that words a letter's text but not its HTML sends it as text only, so that the two never contradict.
    ///
    /// # Errors
    /// Every problem at once: templates that are absent, do not compile, name facts their letter does not have, put an
    /// arm or an answer into a subject, or lie at a path that is no letter's.
    pub fn load(overrides: &BTreeMap<String, String>) -> Result<Stationery, Vec<Problem>> {
        let (stationery, own, mut problems) = Stationery::with_kinds(overrides, |_, _, _| true);
        problems.extend(stationery.render_samples(&own));
        if problems.is_empty() { Ok(stationery) } else { Err(problems) }
    }

    /// The same templates, of which only the letters that a study words itself are compiled now, the others when they are
    /// first written; nothing is tried. For what a bundle's activation, or a test of ours, has tried.
    ///
    /// # Errors
    /// As [`Stationery::load`], of the study's own templates alone.
    pub fn lean(overrides: &BTreeMap<String, String>) -> Result<Stationery, Vec<Problem>> {
        let (stationery, _, problems) = Stationery::with_kinds(overrides, |own, language, kind| {
            ["subject", "text", "html"]
                .iter()
                .any(|part| own.contains_key(&(language, format!("{}/{part}", kind.key()))))
        });
        if problems.is_empty() { Ok(stationery) } else { Err(problems) }
    }

    fn with_kinds(
        overrides: &BTreeMap<String, String>,
        wanted: impl Fn(&Own, Language, Kind) -> bool,
    ) -> (Stationery, Own, Vec<Problem>) {
        let mut problems = Vec::new();
        let own = own_templates(overrides, &mut problems);
        let mut sheets = BTreeMap::new();
        for language in Language::ALL {
            let mut sheet = Sheet::new(language, &mut problems);
            sheet.compile(Kind::ALL.into_iter().filter(|kind| wanted(&own, language, *kind)), &own, &mut problems);
            sheets.insert(language, RwLock::new(sheet));
        }
        (Stationery { sheets }, own, problems)
    }

    /// The sheet of a language, with the templates of a kind compiled.
    fn sheet(&self, language: Language, kind: Kind) -> Result<RwLockReadGuard<'_, Sheet>, ComposeFault> {
        let lock = self.sheets.get(&language).expect("there is a sheet of every language");
        let sheet = lock.read().unwrap_or_else(PoisonError::into_inner);
        if sheet.compiled.contains(&kind) {
            return Ok(sheet);
        }
        drop(sheet);
        let mut problems = Vec::new();
        lock.write().unwrap_or_else(PoisonError::into_inner).compile([kind], &Own::new(), &mut problems);
        match problems.into_iter().next() {
            None => Ok(lock.read().unwrap_or_else(PoisonError::into_inner)),
            Some(Problem { file, line, wrong, .. }) => Err(ComposeFault { template: file, line, reason: wrong }),
        }
    }

    /// Words a letter.
    ///
    /// # Errors
    /// A template that names what the facts do not have; [`Stationery::load`] has tried each with its sample.
    pub fn compose(&self, letter: &Letter) -> Result<Composed, ComposeFault> {
        let kind = letter.kind();
        let sheet = self.sheet(letter.language, kind)?;
        let fault = |error: handlebars::RenderError| compose_fault(letter.language, kind, &error);
        let mut pictures = picture::of(&letter.facts);
        let mut context = sheet.context(letter, &pictures).map_err(fault)?;

        let subject = sheet.text.render_with_context(&format!("{}/subject", kind.key()), &context).map_err(fault)?;
        put(&mut context, "subject_line", clean::line(&subject, limits::HEADER_VALUE_CHARS));
        let subject = sheet.text.render_with_context("frame/subject", &context).map_err(fault)?;
        let subject = clean::line(&subject, limits::HEADER_VALUE_CHARS);
        put(&mut context, "subject_line", subject.clone());

        let body = sheet.text.render_with_context(&format!("{}/text", kind.key()), &context).map_err(fault)?;
        put(&mut context, "body", body.trim_end().to_string());
        let text = sheet.text.render_with_context("frame/text", &context).map_err(fault)?;
        let text = format!("{}\n", text.trim_end());

        let html = if sheet.with_html.contains(&kind) {
            let body = sheet.html.render_with_context(&format!("{}/html", kind.key()), &context).map_err(fault)?;
            put(&mut context, "body", body);
            Some(sheet.html.render_with_context("frame/html", &context).map_err(fault)?)
        } else {
            None
        };
        // A study's own HTML may do without.
        pictures.retain(|picture| html.as_ref().is_some_and(|html| html.contains(&picture.cid)));
        let unsubscribe = letter.facts.unsubscribe().map(str::to_string);
        Ok(Composed { kind, language: letter.language, subject, text, html, pictures, unsubscribe })
    }

    /// What the templates of a letter can name, as JSON: its facts and what rendering adds (`hagaki preview --fields`).
    ///
    /// # Errors
    /// As [`Stationery::compose`].
    pub fn fields(&self, letter: &Letter) -> Result<Value, ComposeFault> {
        let sheet = self.sheet(letter.language, letter.kind())?;
        let pictures = picture::of(&letter.facts);
        let mut context =
            sheet.context(letter, &pictures).map_err(|error| compose_fault(letter.language, letter.kind(), &error))?;
        Ok(context.data_mut().take())
    }

    /// Renders every letter in every language with its sample, strictly; names the study's `own` files as such.
    fn render_samples(&self, own: &Own) -> Vec<Problem> {
        let mut problems = Vec::new();
        for language in Language::ALL {
            for kind in Kind::ALL {
                for letter in samples::variants(kind, language) {
                    let Err(fault) = self.compose(&letter) else { continue };
                    let name = fault.template.split_once('/').map_or("", |(_, name)| name).to_string();
                    let file = match own.get(&(language, name)) {
                        Some((path, _)) => path.clone(),
                        None => format!("templates/{}.hbs", fault.template),
                    };
                    problems.push(Problem {
                        file,
                        line: fault.line,
                        key: String::new(),
                        wrong: format!("the letter {} cannot be rendered: {}", kind.key(), fault.reason),
                        right: format!("`hagaki preview SLUG {} --fields` lists what it can name", kind.key()),
                        weight: Weight::Error,
                    });
                }
            }
        }
        problems.sort();
        problems.dedup();
        problems
    }
}

impl Sheet {
    /// A sheet with the frame of letters and the pieces that are entered while rendering.
    fn new(language: Language, problems: &mut Vec<Problem>) -> Sheet {
        let (mut text, mut html) = (registry(), registry());
        text.register_escape_fn(no_escape);
        let (text_pieces, html_pieces) = Pieces::load(folder(language));
        for (registry, pieces) in [(&mut text, &text_pieces), (&mut html, &html_pieces)] {
            for (name, file, source) in pieces.entered() {
                register(registry, name, file, &pieces.put_into(source), problems);
            }
        }
        for part in ["subject", "text"] {
            built_in(&mut text, language, &format!("frame/{part}"), &text_pieces, problems);
        }
        built_in(&mut html, language, "frame/html", &html_pieces, problems);
        Sheet { language, text, html, compiled: BTreeSet::new(), with_html: BTreeSet::new() }
    }

    /// Compiles the templates of these kinds.
    fn compile(&mut self, kinds: impl IntoIterator<Item = Kind>, own: &Own, problems: &mut Vec<Problem>) {
        let language = self.language;
        let (text, html) = Pieces::load(folder(language));
        for kind in kinds {
            if !self.compiled.insert(kind) {
                continue;
            }
            let own = |part: &str| own.get(&(language, format!("{}/{part}", kind.key())));
            for part in ["subject", "text", "html"] {
                let (registry, pieces) = if part == "html" { (&mut self.html, &html) } else { (&mut self.text, &text) };
                let name = format!("{}/{part}", kind.key());
                if let Some((path, source)) = own(part)
                    && register(registry, &name, path, source, problems)
                {
                    continue;
                }
                // Also in place of an own one that cannot be read, so that the rest can still be tried.
                if part != "html" || built_in_file(language, &format!("{name}.hbs")).is_some() {
                    built_in(registry, language, &name, pieces, problems);
                }
            }
            let contradicts = own("text").is_some() && own("html").is_none();
            if self.html.has_template(&format!("{}/html", kind.key())) && !contradicts {
                self.with_html.insert(kind);
            }
        }
    }

    /// What the templates of a letter can name: its facts, and what must be rendered or encoded before them.
    fn context(&self, letter: &Letter, pictures: &[Picture]) -> Result<Context, handlebars::RenderError> {
        let mut data = object(serde_json::to_value(&letter.head));
        // Facts serialize as one entry, named by their kind, that holds them.
        for (_, facts) in object(serde_json::to_value(&letter.facts)) {
            data.extend(object(Ok(facts)));
        }
        data.entry("receipt").or_insert(Value::Null);
        data.insert("letter".into(), Value::String(letter.kind().key().into()));
        data.insert("mailto".into(), Value::Null);
        if !pictures.is_empty() {
            let named = pictures.iter().map(|one| (one.name.to_string(), Value::String(one.cid.clone())));
            data.insert("pictures".into(), Value::Object(named.collect()));
        }
        let has_form = data.get("form").is_some_and(Value::is_object);
        let reply_to = data.get("reply_to").and_then(Value::as_str).map(str::to_string);
        // Set, not wrapped: wrapping would copy it.
        let mut context = Context::null();
        *context.data_mut() = Value::Object(data);
        if has_form {
            let text = self.text.render_with_context("form", &context)?.trim_end().to_string();
            let subject = self.text.render_with_context("form-subject", &context)?;
            // If the marks make it too long, better a link without them than none.
            let bare = || text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
            let service = letter.head.service.as_str();
            let link = mailto::link(service, &subject, &text).or_else(|| mailto::link(service, &subject, &bare()));
            put(&mut context, "form_text", text);
            if let Some(link) = link {
                put(&mut context, "mailto", link);
            }
        } else if let Some(reply_to) = reply_to {
            let subject = self.text.render_with_context("confirm-subject", &context)?;
            let body = self.text.render_with_context("confirm-body", &context)?;
            if let Some(link) = mailto::link(&reply_to, &subject, &body) {
                put(&mut context, "mailto", link);
            }
        }
        Ok(context)
    }
}

/// A registry with the pieces of a language that word faults and what is expected, as HTML, for pages that do so as letters do.
///
/// # Errors
/// A piece of ours that cannot be read.
pub fn pieces_for_pages(language: Language) -> Result<Handlebars<'static>, String> {
    let (_, html) = Pieces::load(folder(language));
    saying(registry(), &html)
}

/// The same as plain text, for terminals.
///
/// # Errors
/// A piece of ours that cannot be read.
pub fn pieces_for_texts(language: Language) -> Result<Handlebars<'static>, String> {
    let (text, _) = Pieces::load(folder(language));
    let mut registry = registry();
    registry.register_escape_fn(no_escape);
    saying(registry, &text)
}

/// A registry with the pieces that word faults, reasons and what is expected.
fn saying(mut registry: Handlebars<'static>, pieces: &Pieces) -> Result<Handlebars<'static>, String> {
    let mut problems = Vec::new();
    // No others: compiled templates are not small.
    let needed =
        |name: &str| ["fault-", "doubt-", "expected", "reason-", "fact-"].iter().any(|start| name.starts_with(start));
    for (name, file, source) in pieces.entered().filter(|(name, ..)| needed(name)) {
        register(&mut registry, name, file, &pieces.put_into(source), &mut problems);
    }
    match problems.first() {
        Some(problem) => Err(problem.to_string()),
        None => Ok(registry),
    }
}

fn registry() -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.set_prevent_indent(true);
    fields::strict_conditions(&mut registry);
    registry
}

fn folder(language: Language) -> &'static Dir<'static> {
    TEMPLATES.get_dir(language.code()).expect("the templates of every language are built in")
}

/// A built-in file of a language.
pub(super) fn built_in_file(language: Language, name: &str) -> Option<&'static str> {
    FILES.get(format!("{}/{name}", language.code()).as_str()).copied()
}

/// Compiles a built-in template; its absence is a problem.
fn built_in(
    registry: &mut Handlebars<'static>,
    language: Language,
    name: &str,
    pieces: &Pieces,
    problems: &mut Vec<Problem>,
) {
    let file = format!("templates/{}/{name}.hbs", language.code());
    match built_in_file(language, &format!("{name}.hbs")) {
        Some(source) => {
            register(registry, name, &file, &pieces.put_into(source), problems);
        }
        None => problems.push(problem(file, None, "the template is absent", "every letter needs it")),
    }
}

/// Compiles a template under a name; says whether that went well.
fn register(
    sheet: &mut Handlebars<'static>,
    name: &str,
    file: &str,
    source: &str,
    problems: &mut Vec<Problem>,
) -> bool {
    if name.ends_with("/subject") && name != "frame/subject" {
        for field in fields::named(source).iter().filter(|field| !fields::fit_for_subject(field)) {
            problems.push(problem(
                file.to_string(),
                None,
                &format!("a subject line names `{field}`"),
                "arms, codes, answers and what somebody typed stay in the text (subjects are seen by everybody)",
            ));
        }
    }
    let Err(error) = sheet.register_template_string(name, source) else { return true };
    let line = error.pos().map(|(line, _)| line);
    problems.push(problem(file.to_string(), line, &format!("the template cannot be read: {}", error.reason()), ""));
    false
}

/// The study's own templates; what is wrong with paths and contents.
fn own_templates(overrides: &BTreeMap<String, String>, problems: &mut Vec<Problem>) -> Own {
    let mut own = Own::new();
    for (path, source) in overrides {
        let mut fault = |wrong: &str, right: &str| problems.push(problem(path.clone(), None, wrong, right));
        let pieces: Vec<&str> = path.split('/').collect();
        let ["letters", language, letter, part] = pieces.as_slice() else {
            fault("this is no letter's place", "letters/<language>/<letter>/{subject,text,html}.hbs");
            continue;
        };
        let Some(language) = Language::find(language) else {
            fault("there are no letters in this language", "en or ja");
            continue;
        };
        let Some(kind) = Kind::find(letter) else {
            fault("there is no such letter", &format!("did you mean {}?", nearest_letter(letter)));
            continue;
        };
        let Some(part) = part.strip_suffix(".hbs").filter(|part| matches!(*part, "subject" | "text" | "html")) else {
            fault("a letter has no such part", "subject.hbs, text.hbs or html.hbs");
            continue;
        };
        if source.len() > limits::LETTER_TEMPLATE_BYTES {
            fault("the template is too long", &format!("at most {} bytes", limits::LETTER_TEMPLATE_BYTES));
            continue;
        }
        if part == "html" && (source.contains("{{{") || source.contains("{{&")) {
            fault("HTML is put in unescaped", "two braces, `{{name}}`: what somebody typed must not become HTML");
            continue;
        }
        own.insert((language, format!("{}/{part}", kind.key())), (path.clone(), source.clone()));
    }
    own
}

fn nearest_letter(typed: &str) -> &'static str {
    let nearest = Kind::ALL.into_iter().min_by_key(|kind| strsim::damerau_levenshtein(kind.key(), typed));
    nearest.map_or("", Kind::key)
}

fn problem(file: String, line: Option<usize>, wrong: &str, right: &str) -> Problem {
    Problem { file, line, key: String::new(), wrong: wrong.into(), right: right.into(), weight: Weight::Error }
}

fn compose_fault(language: Language, kind: Kind, error: &handlebars::RenderError) -> ComposeFault {
    let name = error.template_name.clone().unwrap_or_else(|| kind.key().to_string());
    ComposeFault {
        template: format!("{}/{name}", language.code()),
        line: error.line_no,
        reason: error.reason().to_string(),
    }
}

fn put(context: &mut Context, key: &str, value: String) {
    if let Value::Object(data) = context.data_mut() {
        data.insert(key.to_string(), Value::String(value));
    }
}

fn object(value: serde_json::Result<Value>) -> Map<String, Value> {
    match value.expect("facts are plain structs with text keys, which always serialize") {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
