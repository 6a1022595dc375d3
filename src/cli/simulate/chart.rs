//! Plots as SVG: lines over bands, bars, and histograms, drawn without scripts and with a title and a description.
//!
//! Colors and fonts stand in `templates/pages/simulation.css`; here are classes only. Series differ by dashes as well as by color.

use std::fmt::Write;

const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 44.0;
/// Height of one bar or histogram with its room.
const ROW: f64 = 64.0;
/// How many colors and dashes there are.
pub(super) const STYLES: usize = 7;

/// What every plot says of itself.
pub(super) struct Words<'a> {
    /// Short name, for those who do not see it.
    pub(super) title: &'a str,
    /// What can be seen.
    pub(super) description: &'a str,
    /// Name and unit of the horizontal axis.
    pub(super) across: &'a str,
    /// Name and unit of the vertical axis.
    pub(super) up: &'a str,
}

/// A line, or the borders of a band.
pub(super) struct Series {
    /// Class.
    pub(super) class: String,
    /// Points from left to right.
    pub(super) points: Vec<(f64, f64)>,
    /// Lower border, if it is a band.
    pub(super) lower: Option<Vec<f64>>,
}

/// A histogram or a bar of its own scale, beside others.
pub(super) struct Row {
    /// What it is of.
    pub(super) label: String,
    /// Bars: from, to, height as a share of the tallest.
    pub(super) bars: Vec<(f64, f64, f64)>,
    /// A line across, such as the target.
    pub(super) mark: Option<f64>,
}

/// Lines and bands from 0 to `most.0` across and to `most.1` up; `level` is a thin line for comparison.
pub(super) fn lines(words: &Words<'_>, most: (f64, f64), level: Option<f64>, series: &[Series]) -> String {
    let mut svg = open(words, HEIGHT);
    let (across, up) = (Scale::new(most.0, LEFT, WIDTH - RIGHT), Scale::new(most.1, HEIGHT - BOTTOM, TOP));
    up.ticks(5).into_iter().for_each(|tick| {
        let y = up.at(tick);
        let _ = write!(svg, r#"<line class="grid" x1="{LEFT}" x2="{}" y1="{y:.1}" y2="{y:.1}"/>"#, WIDTH - RIGHT);
        let _ = write!(svg, r#"<text x="{}" y="{:.1}" text-anchor="end">{}</text>"#, LEFT - 5.0, y + 4.0, shown(tick));
    });
    axis_across(&mut svg, &across, HEIGHT - BOTTOM, words.across);
    let middle = (TOP + HEIGHT - BOTTOM) / 2.0;
    let _ = write!(
        svg,
        r#"<text class="name" x="13" y="{middle:.1}" text-anchor="middle" transform="rotate(-90 13 {middle:.1})">{}</text>"#,
        escaped(words.up)
    );
    if let Some(level) = level {
        let y = up.at(level);
        let _ = write!(svg, r#"<line class="level" x1="{LEFT}" x2="{}" y1="{y:.1}" y2="{y:.1}"/>"#, WIDTH - RIGHT);
    }
    for own in series {
        let point = |(x, y): (f64, f64)| format!("{:.1},{:.1}", across.at(x), up.at(y));
        let upper = own.points.iter().map(|at| point(*at));
        match &own.lower {
            None => {
                let points: Vec<String> = upper.collect();
                let _ = write!(svg, r#"<polyline class="{}" points="{}"/>"#, own.class, points.join(" "));
            }
            Some(lower) => {
                let back = own.points.iter().zip(lower).rev().map(|((x, _), y)| point((*x, *y)));
                let points: Vec<String> = upper.chain(back).collect();
                let _ = write!(svg, r#"<polygon class="{}" points="{}"/>"#, own.class, points.join(" "));
            }
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Rows of bars over one common axis from `from` to `most`.
pub(super) fn rows(words: &Words<'_>, from: f64, most: f64, rows: &[Row]) -> String {
    let height = TOP + ROW * rows.len() as f64 + BOTTOM;
    let mut svg = open(words, height);
    let left = 14.0;
    let across = Scale { from, most, low: left, high: WIDTH - RIGHT };
    let base_of = |at: usize| TOP + ROW * (at as f64 + 1.0);
    for (at, row) in rows.iter().enumerate() {
        let base = base_of(at);
        let _ =
            write!(svg, r#"<text class="name" x="{left}" y="{:.1}">{}</text>"#, base - ROW + 14.0, escaped(&row.label));
        for (from, to, share) in &row.bars {
            let (x, end) = (across.at(*from), across.at(*to));
            let tall = (ROW - 22.0) * share;
            let wide = (end - x - 0.5).max(0.8);
            let _ = write!(
                svg,
                r#"<rect class="bar s{}" x="{x:.1}" y="{:.1}" width="{wide:.1}" height="{tall:.1}"/>"#,
                at % STYLES,
                base - tall
            );
        }
        let _ = write!(svg, r#"<line class="axis" x1="{left}" x2="{}" y1="{base:.1}" y2="{base:.1}"/>"#, WIDTH - RIGHT);
        if let Some(mark) = row.mark {
            let x = across.at(mark);
            let _ = write!(
                svg,
                r#"<line class="mark" x1="{x:.1}" x2="{x:.1}" y1="{:.1}" y2="{base:.1}"/>"#,
                base - ROW + 18.0
            );
        }
    }
    axis_across(&mut svg, &across, base_of(rows.len().saturating_sub(1)), words.across);
    svg.push_str("</svg>");
    svg
}

fn open(words: &Words<'_>, height: f64) -> String {
    format!(
        r#"<svg role="img" viewBox="0 0 {WIDTH} {height}" xmlns="http://www.w3.org/2000/svg"><title>{}</title><desc>{}</desc>"#,
        escaped(words.title),
        escaped(words.description)
    )
}

fn axis_across(svg: &mut String, across: &Scale, base: f64, name: &str) {
    let _ = write!(
        svg,
        r#"<line class="axis" x1="{:.1}" x2="{:.1}" y1="{base:.1}" y2="{base:.1}"/>"#,
        across.low, across.high
    );
    for tick in across.ticks(5) {
        let x = across.at(tick);
        let _ = write!(svg, r#"<line class="axis" x1="{x:.1}" x2="{x:.1}" y1="{base:.1}" y2="{:.1}"/>"#, base + 4.0);
        let anchor = if across.high - x < 12.0 { "end" } else { "middle" };
        let _ = write!(svg, r#"<text x="{x:.1}" y="{:.1}" text-anchor="{anchor}">{}</text>"#, base + 17.0, shown(tick));
    }
    let middle = (across.low + across.high) / 2.0;
    let _ = write!(
        svg,
        r#"<text class="name" x="{middle:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
        base + 36.0,
        escaped(name)
    );
}

/// From numbers to places.
struct Scale {
    from: f64,
    most: f64,
    low: f64,
    high: f64,
}

impl Scale {
    fn new(most: f64, low: f64, high: f64) -> Scale {
        Scale { from: 0.0, most, low, high }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value - self.from) / (self.most - self.from).max(1e-9);
        self.low + share * (self.high - self.low)
    }

    /// About so many round numbers.
    fn ticks(&self, about: usize) -> Vec<f64> {
        let rough = (self.most - self.from).max(1e-9) / about as f64;
        let unit = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * unit).into_iter().find(|step| *step >= rough * 0.999);
        let step = step.unwrap_or(rough);
        let first = (self.from / step).ceil();
        (0..).map(|count| (first + f64::from(count)) * step).take_while(|tick| *tick <= self.most * 1.0001).collect()
    }
}

/// A number of a tick, with the places it needs.
fn shown(value: f64) -> String {
    super::people::short(value)
}

/// Text that can stand between tags and in quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(Scale::new(500.0, 0.0, 1.0).ticks(5), [0.0, 100.0, 200.0, 300.0, 400.0, 500.0]);
        let shares: Vec<String> = Scale::new(1.0, 0.0, 1.0).ticks(5).into_iter().map(shown).collect();
        assert_eq!(shares, ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(Scale { from: 93.0, most: 107.0, low: 0.0, high: 1.0 }.ticks(5), [95.0, 100.0, 105.0]);
    }

    #[test]
    fn names_cannot_break_out() {
        let words = Words { title: "<b>\"&", description: "", across: "x", up: "y" };
        let svg = lines(&words, (1.0, 1.0), None, &[]);
        assert!(svg.contains("<title>&lt;b&gt;&quot;&amp;</title>"), "{svg}");
    }
}
