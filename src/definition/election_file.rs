//! `election.toml`: the rules of an election.
//!
//! Here the file is read as a whole, with its terms, districts and classes; contests are read in `contests`, what must hold between the
//! parts is looked at in `checks`. The file stands for itself, so that a count needs nothing else.

mod candidates;
mod checks;
mod contests;
mod letters;
mod shares;

use std::collections::BTreeMap;

use super::bundle::{ALLOCATION, Bundle, SCHEDULE, STUDY};
use super::document::{Report, Section, Source};
use super::pictures;
use super::problem::{Problem, Weight};
use super::study_file::{Codes, Located, StudyFile};
use crate::domain::election::{Class, Contest, District, Election, Terms};
use crate::domain::language::Language;
use crate::domain::time::{Instant, Zone};
use crate::limits;

/// Name of the file.
pub(super) const ELECTION: &str = "election.toml";

/// What an election is read against; without a study its languages are not known, nor the zone of its clocks.
pub(super) struct Around<'a> {
    pub languages: &'a [Language],
    pub zone: Zone,
    pub report: &'a Report,
}

/// What contests are read against.
pub(super) struct Ground<'a> {
    pub languages: &'a [Language],
    pub districts: &'a [District],
    pub has_classes: bool,
}

/// Reads an election that stands in a file by itself.
///
/// # Errors
/// Every problem of the file that makes it unusable, and warnings among them.
pub fn read(file: &str, content: &str) -> Result<(Election, Vec<Problem>), Vec<Problem>> {
    let report = Report::default();
    let around = Around { languages: &[], zone: Zone::UTC, report: &report };
    let election = build(file, content, &around);
    if election.is_none() {
        report.file(file, "holds no election", "write [terms] and at least one section [[contests]]");
    }
    let sound = report.is_sound(file);
    let mut problems = report.into_problems();
    problems.sort();
    match election {
        Some(election) if sound => Ok((election, problems)),
        _ => Err(problems.into_iter().filter(|problem| problem.weight == Weight::Error).collect()),
    }
}

/// Reads the election of a study, in which there is nothing else: who votes and who is registered or asked are kept in different ways.
pub(super) fn of_study(content: &str, study: &StudyFile, bundle: &Bundle, report: &Report) -> Option<Election> {
    let around = Around { languages: &study.languages, zone: study.zone, report };
    let election = build(ELECTION, content, &around);
    let right = "make a study of its own for the election, and give each its own slug and tag";
    let others = [
        ("survey", study.survey.is_some(), "the study asks participants or members"),
        ("registration", study.registers, "the study registers subjects"),
    ];
    for (key, there, wrong) in others {
        if there {
            report.at(STUDY, None, key, format!("{wrong}, and holds an election"), right);
        }
    }
    for file in [ALLOCATION, SCHEDULE].into_iter().filter(|file| bundle.file(file).is_some_and(says_something)) {
        report.file(file, "the study holds an election, and this is for other studies", "remove the file");
    }
    if election.as_ref().is_some_and(|election| election.terms.revote) {
        // Why: `Terms::revote`.
        let wrong = "a vote that was cast here cannot be taken back: nobody could find it in the urn without knowing whose it is";
        report.at(ELECTION, None, "terms.revote", wrong, "write revote = false, or leave it out");
    }
    election.map(|election| Election { pictures: pictures::read(bundle, &election, report), ..election })
}

/// Whether a file says anything: one in which everything is a comment is no election.
pub(super) fn says_something(content: &str) -> bool {
    content.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
}

/// Reads the election; `None` if there is none that could be used.
pub(super) fn build(file: &str, content: &str, around: &Around<'_>) -> Option<Election> {
    let source = Source::new(file, content);
    let table = source.parse(around.report)?;
    if table.get_ref().is_empty() {
        return None;
    }
    let root = Section::whole(&source, around.report, &table);
    let terms = read_terms(&root, around);
    let letters = letters::read(&root, &terms, around.zone);
    let districts = read_districts(&root, around);
    let classes = read_classes(&root);
    let ground = Ground { languages: around.languages, districts: &districts, has_classes: !classes.is_empty() };
    let mut ids = Codes::default();
    let mut contests: Vec<Located<Contest>> = Vec::new();
    for section in root.sections("contests") {
        let contest = contests::read(&section, &ground);
        ids.add_key(&section, "id", &contest.id);
        checks::check(&section, &contest, &ground);
        contests.push(Located { value: contest, line: section.line, key: section.key("") });
        section.close();
    }
    if contests.is_empty() && !root.has("contests") {
        root.wrong("contests", "there is no contest", "write a section [[contests]] for each");
    }
    if contests.len() > limits::CONTESTS {
        root.wrong("contests", format!("there are more than {}", limits::CONTESTS), "");
    }
    checks::check_together(&root, &contests, &districts, terms.seed.is_some());
    root.close();
    let contests = contests.into_iter().map(|own| own.value).collect();
    Some(Election { terms, districts, classes, contests, letters, pictures: BTreeMap::new() })
}

/// `[terms]`: when, and how.
fn read_terms(root: &Section, around: &Around<'_>) -> Terms {
    let mut terms = Terms {
        opens: Instant(0),
        closes: Instant(0),
        objections_until: None,
        additions_until: None,
        revote: false,
        shuffled: false,
        seed: None,
        deleted_after_days: None,
        least_ballots: limits::LEAST_BALLOTS,
    };
    if !root.has("terms") {
        root.wrong("terms", "is missing", "write a section [terms] with opens and closes");
    }
    let Some(section) = root.section("terms") else { return terms };
    let need = |key: &'static str, example: &str| {
        section.need(key, &format!("\"{example}\"")).then(|| moment(&section, key, example, around.zone)).flatten()
    };
    let (opens, closes) = (need("opens", "2027-01-12 09:00"), need("closes", "2027-01-31 17:00"));
    if let (Some(opens), Some(closes)) = (opens, closes)
        && closes <= opens
    {
        section.wrong("closes", "does not lie after opens", "write the moment from which no vote is taken");
    }
    terms.opens = opens.unwrap_or(terms.opens);
    terms.closes = closes.unwrap_or(terms.closes);
    terms.objections_until = moment(&section, "objections_until", "2026-12-25 17:00", around.zone);
    if terms.objections_until.zip(opens).is_some_and(|(until, opens)| until > opens) {
        let right = "write a moment before it: the roll is settled when voting opens";
        section.wrong("objections_until", "lies after opens", right);
    }
    terms.additions_until = moment(&section, "additions_until", "2027-01-24 17:00", around.zone);
    if terms.additions_until.zip(closes).is_some_and(|(until, closes)| until > closes) {
        section.wrong("additions_until", "lies after closes", "write a moment at which there is still time to vote");
    }
    terms.revote = section.flag("revote").unwrap_or(false);
    terms.shuffled = section.word("order", &[("file", false), ("random", true)]).unwrap_or(false);
    terms.seed = section.wording("seed", around.languages);
    terms.deleted_after_days = section.count("delete_after_days");
    if terms.deleted_after_days.is_some_and(|days| days > limits::ELECTION_KEPT_DAYS) {
        let wrong = format!("is more than {} days", limits::ELECTION_KEPT_DAYS);
        section.wrong("delete_after_days", wrong, "write fewer");
    }
    read_least(&section, &mut terms);
    section.close();
    terms
}

/// Fewest ballots of a district of which more is told than who is elected; another number than ours has its reason.
fn read_least(section: &Section, terms: &mut Terms) {
    let (least, reason) = (section.count("least_ballots"), section.text("least_ballots_reason", "…"));
    match (least, reason) {
        (Some(_), None) if !section.has("least_ballots_reason") => {
            let right =
                format!("write least_ballots_reason = \"…\" beside it, or leave it out, for {}", limits::LEAST_BALLOTS);
            section.wrong("least_ballots", "has no reason", right);
        }
        (None, Some(_)) => {
            section.wrong("least_ballots_reason", "is the reason of nothing", "write least_ballots = 3 beside it")
        }
        _ => {}
    }
    terms.least_ballots = least.unwrap_or(terms.least_ballots);
}

/// A moment as clocks of the study's zone show it.
fn moment(section: &Section, key: &'static str, example: &str, zone: Zone) -> Option<Instant> {
    let text = section.text(key, example)?;
    // A day alone would leave open which of its moments is meant.
    let moment = zone.parse_moment(&text).filter(|_| text.contains(':'));
    if moment.is_none() {
        section.wrong(key, format!("\"{text}\" is no moment"), format!("write day and time, such as \"{example}\""));
    }
    moment
}

fn read_districts(root: &Section, around: &Around<'_>) -> Vec<District> {
    let mut ids = Codes::default();
    let mut districts = Vec::new();
    for section in root.sections("districts") {
        let id = section.need_code("id", "east");
        let name = section.need_wording("name", around.languages);
        ids.add_key(&section, "id", &id);
        districts.push(District { id, name });
        section.close();
    }
    if districts.len() > limits::DISTRICTS {
        root.wrong("districts", format!("there are more than {}", limits::DISTRICTS), "");
    }
    if districts.len() == 1 {
        root.wrong("districts", "there is one alone", "write another section [[districts]], or remove it");
    }
    districts
}

fn read_classes(root: &Section) -> Vec<Class> {
    let mut ids = Codes::default();
    let mut classes: Vec<Class> = Vec::new();
    for section in root.sections("classes") {
        let id = section.need_code("id", "full");
        let weight = if section.need("weight", "1") { section.count("weight") } else { None };
        if weight.is_some_and(|weight| weight > limits::VOTE_WEIGHT) {
            let right = format!("write a whole number from 1 to {}", limits::VOTE_WEIGHT);
            section.wrong("weight", "is too large", right);
        }
        ids.add_key(&section, "id", &id);
        classes.push(Class { id, weight: weight.unwrap_or(1) });
        section.close();
    }
    if classes.len() > limits::VOTER_CLASSES {
        root.wrong("classes", format!("there are more than {}", limits::VOTER_CLASSES), "");
    }
    let first = classes.first().map(|class| class.weight);
    if !classes.is_empty() && classes.iter().all(|class| Some(class.weight) == first) {
        let wrong = "all votes weigh the same, and whoever knows a voter's class knows more of their ballot";
        root.warn("classes", wrong, "remove the classes");
    }
    classes
}
