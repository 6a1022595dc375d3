//! `--report`: one page with plots, their numbers as tables, and the inputs, for a protocol's appendix.

use std::collections::BTreeMap;

use handlebars::Handlebars;
use serde_json::{Value, json};

use super::chart::{self, Row, Series};
use super::people::{Note, short};
use super::{Frame, Simulated};
use crate::domain::language::Language;
use crate::domain::simulation::{ArmSummary, Summary};
use crate::domain::study::FIRST;

/// Most bars of a histogram.
const BARS: u64 = 40;
/// Steps of the probability plot that are all drawn; of later ones every few.
const EARLY_STEPS: usize = 60;
/// Rows of a table about the course of a trial, about.
const COURSE_ROWS: usize = 12;

type Words = BTreeMap<String, String>;

/// The page.
///
/// # Errors
/// A file of ours is broken.
pub(super) fn render(frame: &Frame, done: &[Simulated], language: Language, day: &str) -> anyhow::Result<String> {
    let (template, words) = match language {
        Language::En => (
            include_str!("../../../templates/pages/en/simulation.hbs"),
            include_str!("../../../templates/pages/en/simulation.toml"),
        ),
        Language::Ja => (
            include_str!("../../../templates/pages/ja/simulation.hbs"),
            include_str!("../../../templates/pages/ja/simulation.toml"),
        ),
    };
    let words: Words = toml::from_str(words)?;
    let mut pages = Handlebars::new();
    pages.set_strict_mode(true);
    pages.register_template_string("page", template)?;
    Ok(pages.render("page", &facts(frame, done, &words, day))?)
}

fn facts(frame: &Frame, done: &[Simulated], words: &Words, day: &str) -> Value {
    let scales = Scales::of(done);
    let schemes: Vec<Value> = done
        .iter()
        .enumerate()
        .map(|(at, one)| scheme(&Drawing { one, letter: letter(at), words, scales: &scales }))
        .collect();
    let factors: Vec<Value> = frame
        .described
        .iter()
        .map(|own| {
            let levels = own.levels.iter().map(|(level, share)| json!({ "level": level, "share": percent(*share) }));
            let key = format!("from_{}", own.origin.key());
            let from = word(words, &key);
            json!({ "id": own.id, "from": from, "levels": levels.collect::<Vec<Value>>() })
        })
        .collect();
    let any = |has: &dyn Fn(&Summary) -> bool| done.iter().any(|one| has(&one.summary));
    json!({
        "style": include_str!("../../../templates/pages/simulation.css"),
        "day": day,
        "version": env!("HAGAKI_VERSION"),
        "subjects": frame.subjects,
        "trials": frame.trials,
        "seed": frame.seed,
        "population": frame.population,
        "command": command(frame),
        "several": done.len() > 1,
        "two_arms": any(&|summary| summary.difference.is_some()),
        "has_site": any(&|summary| summary.right_by_site.is_some()),
        "has_strata": any(&|summary| summary.right_by_stratum.is_some()),
        "turned_away": any(&|summary| summary.turned_away_mean > 0.0),
        "ended": any(&|summary| summary.ended.trials > 0),
        "further": done.iter().any(|one| one.given.allocation != FIRST),
        "has_factors": !factors.is_empty(),
        "factors": factors,
        "schemes": schemes,
    })
}

/// The line that gives the same figures again.
fn command(frame: &Frame) -> String {
    let quoted = |text: &str| {
        let plain = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_./:,=@".contains(c));
        if plain { text.to_string() } else { format!("'{}'", text.replace('\'', "'\\''")) }
    };
    let files: Vec<String> = frame.files.iter().map(|file| format!("--file {}", quoted(file))).collect();
    let population =
        frame.population.as_deref().map(|text| format!(" --population {}", quoted(text))).unwrap_or_default();
    let (files, seed) = (files.join(" "), quoted(&frame.seed));
    let (subjects, trials) = (frame.subjects, frame.trials);
    format!("hagaki allocation simulate {files} --subjects {subjects} --trials {trials}{population} --seed {seed}")
}

/// A, B, C …
fn letter(at: usize) -> String {
    u8::try_from(at % 26).map_or_else(|_| at.to_string(), |at| char::from(b'A' + at).to_string())
}

fn word<'a>(words: &'a Words, key: &'a str) -> &'a str {
    words.get(key).map_or(key, String::as_str)
}

/// `62.5 %`, which is not parted at the end of a line.
fn percent(share: f64) -> String {
    format!("{:.1}\u{a0}%", 100.0 * share)
}

/// Greatest values over all schemes, so that plots side by side can be compared.
struct Scales {
    imbalance: f64,
    balance: f64,
    fewest: f64,
    most: f64,
}

impl Scales {
    fn of(done: &[Simulated]) -> Scales {
        let summaries = || done.iter().map(|one| &one.summary);
        let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0f64, f64::max);
        let counts =
            || summaries().flat_map(|summary| &summary.arms).flat_map(|arm| &arm.spread).map(|(count, _)| *count);
        Scales {
            imbalance: most(&mut summaries().flat_map(|summary| &summary.moments).map(|moment| moment.quantiles[4]))
                .max(1.0)
                * 1.05,
            balance: most(&mut summaries().flat_map(|summary| &summary.balances).map(|own| own.max_abs)).max(1.0)
                * 1.02,
            fewest: counts().min().unwrap_or(0) as f64,
            most: counts().max().unwrap_or(1) as f64 + 1.0,
        }
    }
}

/// One scheme to be drawn.
struct Drawing<'a> {
    one: &'a Simulated,
    letter: String,
    words: &'a Words,
    scales: &'a Scales,
}

impl Drawing<'_> {
    fn words<'w>(&'w self, key: &'w str, title: &'w str, description: &'w str) -> chart::Words<'w> {
        let (across, up) = match key {
            "arms" => ("axis_count", ""),
            "balance" => ("axis_imbalance", ""),
            "imbalance" => ("axis_subjects", "axis_imbalance"),
            "guessing" => ("axis_subjects", "axis_share"),
            _ => ("axis_step", "axis_probability"),
        };
        chart::Words { title, description, across: word(self.words, across), up: word(self.words, up) }
    }

    fn title(&self, key: &str) -> String {
        let key = format!("title_{key}");
        format!("{} – {} ({})", word(self.words, &key), self.letter, self.one.given.name())
    }

    fn plot(&self, key: &str, draw: impl Fn(&chart::Words<'_>) -> String) -> String {
        let (title, about) = (self.title(key), format!("about_{key}"));
        draw(&self.words(key, &title, word(self.words, &about)))
    }

    fn imbalance(&self) -> String {
        let summary = &self.one.summary;
        let course = |quantile: usize| -> Vec<(f64, f64)> {
            let start = std::iter::once((0.0, 0.0));
            let moments = summary.moments.iter();
            start.chain(moments.map(|at| (at.subjects as f64, at.quantiles[quantile]))).collect()
        };
        let heights = |quantile: usize| Some(course(quantile).into_iter().map(|(_, y)| y).collect());
        let mean = std::iter::once((0.0, 0.0)).chain(summary.moments.iter().map(|at| (at.subjects as f64, at.mean)));
        let series = [
            Series { class: "band wide".into(), points: course(4), lower: heights(0) },
            Series { class: "band close".into(), points: course(3), lower: heights(1) },
            Series { class: "line mean".into(), points: mean.collect(), lower: None },
        ];
        let most = (summary.subjects as f64, self.scales.imbalance);
        self.plot("imbalance", |words| chart::lines(words, most, None, &series))
    }

    fn guessing(&self) -> String {
        let summary = &self.one.summary;
        let line = |class: &str, of: fn(&crate::domain::simulation::Moment) -> f64| Series {
            class: class.into(),
            points: summary.moments.iter().map(|at| (at.subjects as f64, of(at))).collect(),
            lower: None,
        };
        let series = [line("line s0", |at| at.right), line("line s1", |at| at.deterministic)];
        let most = (summary.subjects as f64, 1.0);
        self.plot("guessing", |words| chart::lines(words, most, Some(summary.largest_share()), &series))
    }

    fn probability(&self) -> String {
        let summary = &self.one.summary;
        let steps = summary.probability_by_step.len();
        let stride = steps.div_ceil(200).max(1);
        let drawn = |step: &usize| *step < EARLY_STEPS || step.is_multiple_of(stride);
        let series: Vec<Series> = (0..summary.arms.len())
            .map(|arm| Series {
                class: format!("line s{}", arm % chart::STYLES),
                points: (0..steps)
                    .filter(drawn)
                    .filter_map(|step| Some((step as f64 + 1.0, *summary.probability_by_step.get(step)?.get(arm)?)))
                    .collect(),
                lower: None,
            })
            .collect();
        let most = (summary.subjects as f64, 1.0);
        self.plot("probability", |words| chart::lines(words, most, None, &series))
    }

    fn arms(&self) -> String {
        let summary = &self.one.summary;
        let sum: u64 = summary.arms.iter().map(|arm| arm.ratio).sum::<u64>().max(1);
        let placed: f64 = summary.allocated_mean;
        let rows: Vec<Row> = summary
            .arms
            .iter()
            .map(|arm| Row {
                label: arm.code.clone(),
                bars: self.histogram(arm),
                // The middle of the bar that stands for that number.
                mark: Some(placed * arm.ratio as f64 / sum as f64 + 0.5),
            })
            .collect();
        self.plot("arms", |words| chart::rows(words, self.scales.fewest, self.scales.most, &rows))
    }

    fn histogram(&self, arm: &ArmSummary) -> Vec<(f64, f64, f64)> {
        let fewest = self.scales.fewest as u64;
        let width = ((self.scales.most - self.scales.fewest) as u64).div_ceil(BARS).max(1);
        let mut bins: BTreeMap<u64, u64> = BTreeMap::new();
        for (count, times) in &arm.spread {
            *bins.entry((count - fewest) / width).or_default() += times;
        }
        let tallest = bins.values().copied().max().unwrap_or(1) as f64;
        let place = |bin: u64| (fewest + bin * width) as f64;
        bins.iter().map(|(bin, times)| (place(*bin), place(bin + 1), *times as f64 / tallest)).collect()
    }

    fn balance(&self) -> String {
        let rows: Vec<Row> = self
            .one
            .summary
            .balances
            .iter()
            .map(|own| Row { label: own.id.clone(), bars: vec![(0.0, own.mean_abs, 0.5)], mark: Some(own.max_abs) })
            .collect();
        self.plot("balance", |words| chart::rows(words, 0.0, self.scales.balance, &rows))
    }
}

fn scheme(drawing: &Drawing<'_>) -> Value {
    let one = drawing.one;
    let summary = &one.summary;
    let share = |right: f64| json!({ "count": format!("{right:.2}"), "share": percent(right / summary.allocated_mean.max(f64::MIN_POSITIVE)) });
    let arms: Vec<Value> = (summary.arms.iter().enumerate())
        .map(|(at, arm)| {
            json!({ "code": arm.code, "ratio": arm.ratio, "mean": format!("{:.2}", arm.mean), "sd": format!("{:.2}", arm.sd),
                    "fewest": arm.spread.first().map_or(0, |(count, _)| *count),
                    "most": arm.spread.last().map_or(0, |(count, _)| *count), "class": format!("s{}", at % chart::STYLES) })
        })
        .collect();
    let balances: Vec<Value> = (summary.balances.iter())
        .map(|own| json!({ "id": own.id, "mean": short(own.mean_abs), "most": short(own.max_abs) }))
        .collect();
    json!({
        "letter": drawing.letter,
        "file": one.given.name(),
        "method": one.setup.scheme.method().key(),
        "digest": one.given.digest(),
        "text": one.given.text,
        "warnings": one.given.warnings.iter().map(ToString::to_string).collect::<Vec<String>>(),
        "arms": arms,
        "difference": summary.difference.map(|found| json!({ "zero": percent(found.p_zero), "mean": short(found.mean_abs),
            "variance": short(found.variance), "most": short(found.max_abs),
            "asked": short(summary.asked_difference().unwrap_or(0.0)) })),
        "right": share(summary.right_mean),
        "right_by_site": summary.right_by_site.map(share),
        "right_by_stratum": summary.right_by_stratum.map(share),
        "right_at_best": share(summary.right_at_best),
        "right_by_largest": share(summary.largest_share() * summary.allocated_mean),
        "deterministic": share(summary.deterministic_mean),
        "turned_away": format!("{:.2}", summary.turned_away_mean),
        "came": format!("{:.2}", summary.came_mean),
        "notes": one.notes.iter().map(note).collect::<Vec<Value>>(),
        "allocation": one.given.allocation,
        "ended": summary.ended.allocated_mean.map(|allocated| json!({
            "trials": summary.ended.trials, "share": percent(summary.ended.trials as f64 / summary.trials.max(1) as f64),
            "allocated": format!("{allocated:.2}"), "by_total": summary.ended.by_total, "by_arm": summary.ended.by_arm,
            "by_list": summary.ended.by_list })),
        "balances": balances,
        "has_balances": !summary.balances.is_empty(),
        "course": course(summary),
        "steps": steps(summary),
        "plot_imbalance": drawing.imbalance(),
        "plot_guessing": drawing.guessing(),
        "plot_balance": drawing.balance(),
        "plot_arms": drawing.arms(),
        "plot_probability": drawing.probability(),
    })
}

fn note(note: &Note) -> Value {
    match note {
        Note::TakenAsMet { allocation, names } => json!({ "met": names, "allocation": allocation, "cohort": null }),
        Note::CohortLeftOut { cohort, names } => json!({ "met": null, "names": names, "cohort": cohort }),
    }
}

/// Some moments of the course, the last among them.
fn course(summary: &Summary) -> Vec<Value> {
    let stride = summary.moments.len().div_ceil(COURSE_ROWS).max(1);
    let last = summary.moments.len().saturating_sub(1);
    let rows = summary.moments.iter().enumerate().filter(|(at, _)| *at == last || at % stride == stride - 1);
    rows.map(|(_, at)| {
        json!({ "subjects": at.subjects, "mean": short(at.mean), "quantiles": at.quantiles.map(short), "right": percent(at.right),
                "deterministic": percent(at.deterministic) })
    })
    .collect()
}

/// The first steps and some later ones, with the probability of each arm.
fn steps(summary: &Summary) -> Vec<Value> {
    let all = &summary.probability_by_step;
    let stride = all.len().div_ceil(COURSE_ROWS).max(1);
    let rows = all.iter().enumerate().filter(|(at, _)| *at < 4 || at + 1 == all.len() || at % stride == stride - 1);
    rows.map(|(at, shares)| {
        let shares: Vec<String> = shares.iter().map(|share| format!("{share:.4}")).collect();
        json!({ "step": at + 1, "shares": shares })
    })
    .collect()
}
