//! What a count is told beside the ballots: the roll's numbers, the seed of lots, who declined, what was decided.

use super::document::{Report, Section, Source};
use super::problem::{Problem, Weight};
use super::study_file::did_you_mean;
use crate::domain::election::{Contest, Election, Facts, Who};
use crate::domain::text;
use crate::limits;

/// Reads the facts of an election.
///
/// # Errors
/// Every problem of the file.
pub fn read(file: &str, content: &str, election: &Election) -> Result<Facts, Vec<Problem>> {
    let report = Report::default();
    let source = Source::new(file, content);
    let facts = source.parse(&report).map(|table| {
        let root = Section::whole(&source, &report, &table);
        let facts = read_facts(&root, election);
        root.close();
        facts
    });
    let mut problems = report.into_problems();
    problems.sort();
    match facts {
        Some(facts) if problems.iter().all(|problem| problem.weight == Weight::Warning) => Ok(facts),
        _ => Err(problems),
    }
}

/// What is wrong with a seed; nothing if nothing is.
pub fn seed_fault(seed: &str) -> Option<String> {
    if seed.trim() != seed || seed.is_empty() {
        return Some("begins or ends with a blank, or is empty".to_string());
    }
    if seed.chars().count() > limits::LOT_SEED_CHARS {
        return Some(format!("is longer than {} characters", limits::LOT_SEED_CHARS));
    }
    let unseen = |c: char| c.is_control() || text::is_bidi(c) || text::is_invisible(c);
    seed.chars()
        .any(unseen)
        .then(|| "holds an invisible character, so that nobody could draw the lots again".to_string())
}

fn read_facts(root: &Section, election: &Election) -> Facts {
    let mut facts = Facts { seed: root.text("seed", "2027-02-01 12 5 33 40 7 18"), ..Facts::default() };
    if let Some(wrong) = facts.seed.as_deref().and_then(seed_fault) {
        root.wrong("seed", wrong, "write the value as it was published");
    }
    read_roll(root, election, &mut facts);
    for section in root.sections("declined") {
        let (found, written) = (contest(&section, election), section.need_text("candidate", "c01"));
        let who = found.filter(|_| !written.is_empty()).and_then(|own| who(&section, "candidate", &written, own));
        facts.declined.extend(found.zip(who).map(|(contest, who)| (contest.id.clone(), who)));
        section.close();
    }
    for section in root.sections("decided") {
        let found = contest(&section, election);
        let order =
            if section.need("order", "[\"c01\", \"c02\"]") { section.texts("order", "c01") } else { Vec::new() };
        if let Some(contest) = found {
            let order: Vec<Who> = order.iter().filter_map(|written| who(&section, "order", written, contest)).collect();
            let twice = order.iter().enumerate().any(|(at, who)| order.iter().skip(at + 1).any(|other| other == who));
            if twice {
                section.wrong("order", "names somebody twice", "name each once");
            }
            if facts.decided.insert(contest.id.clone(), order).is_some() {
                let wrong = format!("\"{}\" is decided already", contest.id);
                section.wrong("contest", wrong, "write one order of everybody who is equal");
            }
        }
        section.close();
    }
    for section in root.sections("written") {
        read_written(&section, election, &mut facts);
        section.close();
    }
    check_written(root, election, &facts);
    facts
}

/// `roll = 412`, or `{ east = 200, west = 212 }`.
fn read_roll(root: &Section, election: &Election, facts: &mut Facts) {
    if !root.is_section("roll") {
        let number = root.count("roll");
        if number.is_some() && !election.districts.is_empty() {
            root.wrong("roll", "does not tell the districts apart", "write roll = { east = 200, west = 212 }");
        }
        facts.roll.extend(number.map(|number| (None, u64::from(number))));
        return;
    }
    let known: Vec<&str> = election.districts.iter().map(|own| own.id.as_str()).collect();
    let Some(section) = root.section("roll") else { return };
    for (id, number, _) in section.counts() {
        if !known.contains(&id.as_str()) {
            let right = match known.is_empty() {
                true => "write roll = 412: the election has no districts".to_string(),
                false => did_you_mean(&id, &known),
            };
            section.wrong(&id, "there is no such district", right);
        }
        facts.roll.insert(Some(id), number.into());
    }
    for id in known {
        if !section.has(id) {
            root.wrong("roll", format!("has no number for \"{id}\""), "write the voters of each district");
        }
    }
}

/// That no written name means two things, be it by way of another: what one of them counts for would follow from their order.
fn check_written(root: &Section, election: &Election, facts: &Facts) {
    for ((contest, folded), meant) in &facts.same {
        let key = |name: &str| (contest.clone(), text::fold_tight(name));
        let stands = |name: &str| {
            let candidates = election.find(contest).into_iter().flat_map(|own| &own.candidates);
            candidates
                .flat_map(|one| one.name.wordings())
                .any(|(_, own)| text::fold_tight(own) == text::fold_tight(name))
        };
        let crossed = match meant {
            Who::Written(name) => {
                let other = facts.same.get(&key(name)).is_some_and(|other| other != meant);
                other || stands(name) || facts.void.contains(&key(name))
            }
            Who::Listed(_) => false,
        };
        if crossed || facts.void.contains(&(contest.clone(), folded.clone())) {
            let right = "let each name mean one candidate by id, one name that nobody stands under, or nobody";
            root.wrong("written", format!("what \"{folded}\" means is said in two ways"), right);
        }
    }
}

/// Names that were written in: whom they mean, or that they count for nobody.
fn read_written(section: &Section, election: &Election, facts: &mut Facts) {
    let found = contest(section, election);
    let names = if section.need("names", "[\"…\"]") { section.texts("names", "…") } else { Vec::new() };
    let (means, void) = (section.text("means", "c01"), section.flag("void").unwrap_or(false));
    if means.is_some() == void {
        let right = "write means = \"c01\", means = \"+Name\", or void = true";
        section.wrong("means", "does not say in one way what the names mean", right);
    }
    let Some(contest) = found else { return };
    if contest.write_in == 0 {
        section.wrong("contest", "no name is written in there", "name another contest");
    }
    let meant = means.and_then(|written| who(section, "means", &written, contest));
    for name in names {
        let key = (contest.id.clone(), text::fold_tight(&name));
        if void {
            facts.void.insert(key);
        } else if let Some(meant) = &meant
            && facts.same.insert(key, meant.clone()).is_some_and(|other| other != *meant)
        {
            section.wrong("names", format!("\"{name}\" means somebody else already"), "write each name once");
        }
    }
}

fn contest<'e>(section: &Section, election: &'e Election) -> Option<&'e Contest> {
    let id = section.need_text("contest", "council");
    let found = election.find(&id);
    if found.is_none() && !id.is_empty() {
        let known: Vec<&str> = election.contests.iter().map(|own| own.id.as_str()).collect();
        section.wrong("contest", format!("there is no contest \"{id}\""), did_you_mean(&id, &known));
    }
    found
}

/// A candidate's id, or `+Name` of one that was written in.
fn who(section: &Section, key: &'static str, written: &str, contest: &Contest) -> Option<Who> {
    if let Some(name) = written.strip_prefix('+') {
        let allowed = contest.write_in > 0;
        if !allowed {
            section.wrong(key, "no name is written in in this contest", "write a candidate's id");
        }
        return allowed.then(|| Who::Written(text::squeeze(name)));
    }
    let known: Vec<&str> = contest.candidates.iter().map(|own| own.id.as_str()).collect();
    if contest.find(written).is_none() {
        let wrong = format!("there is no candidate \"{written}\" in \"{}\"", contest.id);
        section.wrong(key, wrong, did_you_mean(written, &known));
        return None;
    }
    Some(Who::Listed(written.to_string()))
}
