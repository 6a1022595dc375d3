//! `kits.csv`: the kits of a blinded study, in the order they are handed out.

use std::collections::{BTreeMap, BTreeSet};

use super::bundle::KITS;
use super::document::{Report, quoted};
use super::study_file::{StudyFile, did_you_mean};
use crate::domain::study::Kit;
use crate::domain::text;
use crate::limits;

/// Kits of one arm from which on their codes are looked at for a pattern.
const PATTERN_FROM: usize = 4;

/// Reads the list; faulty lines are reported and left out.
pub(super) fn read(content: &str, study: &StudyFile, report: &Report) -> Vec<Kit> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(content.as_bytes());
    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_string).collect(),
        Err(error) => {
            report.file(KITS, format!("cannot be read ({error})"), "");
            return Vec::new();
        }
    };
    if header != ["code", "arm"] && header != ["code", "arm", "site"] {
        report.at(
            KITS,
            Some(1),
            "",
            "the first line is not code,arm or code,arm,site",
            "write one of the two, without quotes or blanks",
        );
        return Vec::new();
    }
    let mut kits = Vec::new();
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                report.file(KITS, format!("cannot be read ({error})"), "");
                return kits;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        if let Some(kit) = read_kit(&record, header.len(), line, study, report) {
            if let Some(first) = lines.insert(text::fold_tight(&kit.code), line) {
                at(
                    report,
                    line,
                    "code",
                    format!("kit \"{}\" stands on line {first} already", kit.code),
                    "list each kit once",
                );
            }
            kits.push(kit);
        }
        if kits.len() > limits::KITS {
            report.file(KITS, format!("lists more than {} kits", limits::KITS), "");
            return kits;
        }
    }
    check_stock(study, &kits, report);
    kits
}

fn at(report: &Report, line: u64, key: &str, wrong: String, right: impl Into<String>) {
    report.at(KITS, usize::try_from(line).ok(), key, wrong, right);
}

fn read_kit(record: &csv::StringRecord, columns: usize, line: u64, study: &StudyFile, report: &Report) -> Option<Kit> {
    if record.len() != columns {
        at(report, line, "", format!("has {} columns, the first line has {columns}", record.len()), "");
        return None;
    }
    let (code, arm) = (record.get(0)?, record.get(1)?);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if code.is_empty() || code.len() > 40 || !code.chars().all(plain) {
        at(report, line, "code", format!("\"{code}\" is no code"), "use at most 40 plain letters, digits, - and _");
        return None;
    }
    let arms: Vec<&str> = study.arms.iter().map(|arm| arm.value.code.as_str()).collect();
    if !arms.contains(&arm) {
        at(report, line, "arm", format!("there is no arm \"{arm}\""), format!("write one of {}", quoted(&arms)));
        return None;
    }
    let site = record.get(2).filter(|site| !site.is_empty());
    if let Some(site) = site {
        let sites: Vec<&str> = study.sites.iter().map(|site| site.value.code.as_str()).collect();
        if !sites.contains(&site) {
            at(report, line, "site", format!("there is no site \"{site}\""), did_you_mean(site, &sites));
            return None;
        }
    }
    Some(Kit { code: code.to_string(), arm: arm.to_string(), site: site.map(str::to_string) })
}

/// Every arm has kits wherever subjects are enrolled, and codes tell nothing.
fn check_stock(study: &StudyFile, kits: &[Kit], report: &Report) {
    let stocked: BTreeSet<&str> = kits.iter().map(|kit| kit.arm.as_str()).collect();
    let central: BTreeSet<&str> = kits.iter().filter(|kit| kit.site.is_none()).map(|kit| kit.arm.as_str()).collect();
    let local: BTreeSet<(&str, &str)> =
        kits.iter().filter_map(|kit| Some((kit.site.as_deref()?, kit.arm.as_str()))).collect();
    for arm in study.arms.iter().map(|arm| arm.value.code.as_str()) {
        if !stocked.contains(arm) {
            report.file(KITS, format!("there is no kit for arm \"{arm}\""), "list the kits of every arm");
            continue;
        }
        for site in study.sites.iter().map(|site| site.value.code.as_str()) {
            if !central.contains(arm) && !local.contains(&(site, arm)) {
                report.file(
                    KITS,
                    format!("site \"{site}\" has no kit for arm \"{arm}\""),
                    "give it some, or leave the site of some kits blank",
                );
            }
        }
    }
    if show_arms(kits) {
        report.warn(KITS, None, "", "the codes in their order show the arm", "number the kits at random over all arms");
    }
}

/// Whether all kits of each arm lie side by side once sorted by code.
fn show_arms(kits: &[Kit]) -> bool {
    let mut sorted: Vec<(&str, &str)> = kits.iter().map(|kit| (kit.code.as_str(), kit.arm.as_str())).collect();
    sorted.sort_unstable();
    let arms: BTreeSet<&str> = sorted.iter().map(|(_, arm)| *arm).collect();
    let changes = sorted.windows(2).filter(|pair| matches!(pair, [(_, one), (_, other)] if one != other)).count();
    arms.len() > 1 && kits.len() >= PATTERN_FROM * arms.len() && changes + 1 == arms.len()
}
