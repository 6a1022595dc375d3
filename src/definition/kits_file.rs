//! `kits.csv`, and lists of kits that come later: one line for each kit. The order of the lines means nothing; see
//! [`crate::domain::kit::Order`].

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::document::{Report, quoted};
use super::kit_leaks::{self, Arms, Desk, Seen};
use super::problem::{Problem, Weight};
use super::study_file::did_you_mean;
use crate::domain::kit::StockRules;
use crate::domain::study::{Kit, Site, Study};
use crate::domain::text;
use crate::limits;

/// Columns, the first two of which must be there.
const COLUMNS: [&str; 5] = ["code", "arm", "site", "expires", "lot"];

/// What a list is read against.
pub(super) struct Listing<'a> {
    /// Name of the file, in problems.
    pub file: &'a str,
    /// Codes of the study's arms and sites; nothing where the list was held against them before.
    pub known: Option<Known<'a>>,
    /// Codes of kits that the study has already, folded.
    pub taken: &'a BTreeSet<String>,
}

/// Codes of a study's arms and sites.
pub(super) struct Known<'a> {
    pub arms: Vec<&'a str>,
    pub sites: Vec<&'a str>,
}

/// Reads a list of kits that are added to a study, which has kits of the codes `taken` (folded) already.
///
/// # Errors
/// Every problem of the list that makes it unusable.
pub fn read_more_kits(
    file: &str,
    content: &str,
    study: &Study,
    taken: &BTreeSet<String>,
) -> Result<Vec<Kit>, Vec<Problem>> {
    let report = Report::default();
    let known = Known {
        arms: study.every_arm().map(|arm| arm.code.as_str()).collect(),
        sites: study.sites.iter().map(|site| site.code.as_str()).collect(),
    };
    let listing = Listing { file, known: Some(known), taken };
    let read = listing.read(content, &report);
    // Where every line is faulty, that has been told.
    if read.is_some() && content.lines().nth(1).is_none() {
        report.file(file, "lists no kit", "write one line for each kit below the first line");
    }
    let kits = read.unwrap_or_default();
    if taken.len() + kits.len() > limits::KITS {
        report.file(file, format!("makes more than {} kits", limits::KITS), "");
    }
    let problems = sorted(report);
    if problems.iter().any(|problem| problem.weight == Weight::Error) { Err(problems) } else { Ok(kits) }
}

fn sorted(report: Report) -> Vec<Problem> {
    let mut problems = report.into_problems();
    problems.sort();
    problems
}

/// What a list tells of arms together with the kits on file (`on_file`), and which of its kits are of no use on that day: warnings.
pub fn judge_more_kits(
    file: &str,
    study: &Study,
    listed: &[Kit],
    on_file: &[Seen<'_>],
    today: NaiveDate,
) -> Vec<Problem> {
    let report = Report::default();
    let desk = Desk { file, report: &report };
    let seen: Vec<Seen<'_>> = on_file.iter().copied().chain(listed.iter().map(Seen::listed)).collect();
    kit_leaks::check_list(desk, &kit_leaks::arms_of(study), &seen);
    kit_leaks::check_age(desk, study.stock, today, listed, false);
    kit_leaks::check_end(desk, study.stock, study.sites.iter(), &seen);
    sorted(report)
}

/// What a stock tells of arms after a shipment, of which the new kits are; `left` are the places where they lay: warnings.
pub fn judge_shipped(study: &Study, seen: &[Seen<'_>], left: &BTreeSet<&str>) -> Vec<Problem> {
    let report = Report::default();
    let desk = Desk { file: "kits", report: &report };
    kit_leaks::check_places(desk, &kit_leaks::arms_of(study), seen, left);
    sorted(report)
}

/// Whether all kits that a bundle lists are of no use any more on that day: a warning.
pub(super) fn judge_age(file: &str, study: &Study, today: NaiveDate) -> Vec<Problem> {
    let report = Report::default();
    kit_leaks::check_age(Desk { file, report: &report }, study.stock, today, &study.kits, true);
    report.into_problems()
}

/// Reads a list that was added before, by the arms and sites of its day.
pub fn read_kept_kits(content: &str) -> Option<Vec<Kit>> {
    let report = Report::default();
    let kits = Listing { file: "", known: None, taken: &BTreeSet::new() }.read(content, &report);
    kits.filter(|_| report.into_problems().is_empty())
}

/// Where each column stands in a line.
struct Columns([Option<usize>; COLUMNS.len()]);

impl Columns {
    fn read(header: &csv::StringRecord) -> Option<Columns> {
        let mut places = [None; COLUMNS.len()];
        for (place, name) in header.iter().enumerate() {
            let known = COLUMNS.iter().position(|column| *column == name)?;
            if places[known].replace(place).is_some() {
                return None;
            }
        }
        (places[0].is_some() && places[1].is_some()).then_some(Columns(places))
    }

    /// The text in a column that is there and not blank.
    fn get<'r>(&self, column: usize, record: &'r csv::StringRecord) -> Option<&'r str> {
        record.get(self.0[column]?).filter(|text| !text.is_empty())
    }
}

/// Codes in their order, each once: two allocations may name the same arm, which is told elsewhere.
fn each_once<'a>(codes: &[&'a str]) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    codes.iter().copied().filter(|code| seen.insert(*code)).collect()
}

impl Listing<'_> {
    /// Reads the list; faulty lines are reported and left out. Nothing if not even the columns can be told.
    pub(super) fn read(&self, content: &str, report: &Report) -> Option<Vec<Kit>> {
        let content = content.strip_prefix('\u{feff}').unwrap_or(content);
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(content.as_bytes());
        let unreadable = |error: csv::Error| report.file(self.file, format!("cannot be read ({error})"), "");
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(error) => {
                unreadable(error);
                return None;
            }
        };
        let Some(columns) = Columns::read(&header) else {
            report.at(
                self.file,
                Some(1),
                "",
                "the first line does not name the columns",
                "write code,arm and behind them any of site,expires,lot, without quotes or blanks",
            );
            return None;
        };
        let mut kits = Vec::new();
        let mut lines: BTreeMap<String, usize> = BTreeMap::new();
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    unreadable(error);
                    return Some(kits);
                }
            };
            let line = record.position().map_or(0, csv::Position::line);
            let line = usize::try_from(line).unwrap_or(usize::MAX);
            if record.len() != header.len() {
                let wrong = format!("has {} columns, the first line has {}", record.len(), header.len());
                self.at(report, line, "", wrong, "");
                continue;
            }
            let kit = self.read_kit(&columns, &record, line, &mut lines, report);
            kits.extend(kit);
            if kits.len() > limits::KITS {
                report.file(self.file, format!("lists more than {} kits", limits::KITS), "");
                return Some(kits);
            }
        }
        Some(kits)
    }

    fn at(&self, report: &Report, line: usize, key: &str, wrong: String, right: impl Into<String>) {
        report.at(self.file, Some(line), key, wrong, right);
    }

    /// One line; everything that is wrong with it is reported.
    fn read_kit(
        &self,
        columns: &Columns,
        record: &csv::StringRecord,
        line: usize,
        lines: &mut BTreeMap<String, usize>,
        report: &Report,
    ) -> Option<Kit> {
        let mut sound = true;
        let mut wrong = |key: &str, wrong: String, right: String| {
            sound = false;
            self.at(report, line, key, wrong, right);
        };
        let code = columns.get(0, record).unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if code.is_empty() || code.len() > 40 || !code.chars().all(plain) {
            wrong("code", format!("\"{code}\" is no code"), "use at most 40 plain letters, digits, - and _".into());
        } else if let Some(first) = lines.get(&text::fold_tight(code)) {
            // The kit counts all the same: its arm is not one without kits.
            let doubled = format!("kit \"{code}\" stands on line {first} already");
            self.at(report, line, "code", doubled, "list each kit once");
        } else {
            lines.insert(text::fold_tight(code), line);
            if self.taken.contains(&text::fold_tight(code)) {
                wrong("code", format!("kit \"{code}\" is in the study already"), "a code is used once".into());
            }
        }
        let arm = columns.get(1, record).unwrap_or_default();
        let site = columns.get(2, record);
        if let Some(Known { arms, sites, .. }) = &self.known {
            if !arms.contains(&arm) {
                wrong(
                    "arm",
                    format!("there is no arm \"{arm}\""),
                    format!("write one of {}", quoted(&each_once(arms))),
                );
            }
            if let Some(site) = site.filter(|site| !sites.contains(site)) {
                wrong("site", format!("there is no site \"{site}\""), did_you_mean(site, sites));
            }
        }
        let written = columns.get(3, record);
        let expires = written.and_then(read_day);
        if let Some(written) = written.filter(|_| expires.is_none()) {
            wrong("expires", format!("\"{written}\" is no date"), "write year-month-day, such as 2028-03-31".into());
        }
        let lot = columns.get(4, record).unwrap_or_default();
        if lot.chars().count() > 40 || text::has_control(lot) || text::has_bidi(lot) {
            wrong("lot", "is too long or holds an invisible character".into(), "use at most 40 characters".into());
        }
        sound.then(|| Kit {
            code: code.to_string(),
            arm: arm.to_string(),
            site: site.map(str::to_string),
            expires,
            lot: lot.to_string(),
        })
    }

    /// Every arm has kits wherever subjects are enrolled, as long as they are, and nothing of them tells the arm.
    pub(super) fn check_stock<'s>(
        &self,
        kits: &[Kit],
        allocations: &[Arms<'_>],
        rules: StockRules,
        sites: impl Iterator<Item = &'s Site>,
        report: &Report,
    ) {
        let stocked: BTreeSet<(&str, Option<&str>)> =
            kits.iter().map(|kit| (kit.arm.as_str(), kit.site.as_deref())).collect();
        let arms: BTreeSet<&str> = stocked.iter().map(|(arm, _)| *arm).collect();
        let Some(known) = &self.known else { return };
        for arm in &each_once(&known.arms) {
            if !arms.contains(arm) {
                report.file(self.file, format!("there is no kit for arm \"{arm}\""), "list the kits of every arm");
                continue;
            }
            if stocked.contains(&(*arm, None)) {
                continue;
            }
            for site in known.sites.iter().filter(|site| !stocked.contains(&(*arm, Some(**site)))) {
                // Kits can be sent there, or added, while the study runs.
                report.warn(
                    self.file,
                    None,
                    "",
                    format!("site \"{site}\" has no kit for arm \"{arm}\" and can enroll nobody until some are sent"),
                    "give it some, or leave the site of some kits blank",
                );
            }
        }
        // What a list without its faulty lines tells is not what the whole one will.
        if !report.is_sound(self.file) {
            return;
        }
        let seen: Vec<Seen<'_>> = kits.iter().map(Seen::listed).collect();
        let desk = Desk { file: self.file, report };
        kit_leaks::check_list(desk, allocations, &seen);
        kit_leaks::check_end(desk, rules, sites, &seen);
    }
}

/// A day as ISO 8601 writes it, and nothing else; its year has four digits.
fn read_day(written: &str) -> Option<NaiveDate> {
    let shaped = written.len() == 10
        && written.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    written.parse().ok().filter(|_| shaped)
}
