//! The page that shows once more what was marked, before it is cast: with what of it counts for nobody, and that nothing is cast yet.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::marked::{self, Marked};
use super::voter::Voter;
use super::{PAGES, put};
use crate::domain::election::judge::{Judge, Judged, Votes};
use crate::domain::election::slate::{Marking, Sheet};
use crate::domain::election::{Ballot, Choice, Mark as Sign, Who};
use crate::domain::language::Language;
use crate::domain::survey::Mark;
use crate::web::questionnaire::posted::Posted;

/// What the page states. `unasked`: somebody wanted to cast it without saying that they know what of it counts for nobody.
pub(super) fn facts(
    voter: &Voter,
    (marked, ballots): (&[Marked<'_, '_>], &[Ballot]),
    posted: &Posted,
    mark: &Mark,
    language: Language,
    unasked: bool,
) -> Value {
    let mut facts = voter.head("check", language);
    voter.carry(&mut facts, mark);
    put(&mut facts, "fields", marked::carried(posted));
    put(&mut facts, "contests", contests(marked, ballots, language));
    put(&mut facts, "warnings", json!(warnings(marked, ballots, language)));
    put(&mut facts, "unasked", json!(unasked));
    facts
}

/// Whether something is handed in that counts for nobody, or is empty: of which the voter is to say that they want it so.
pub(super) fn must_know(marked: &[Marked<'_, '_>], ballots: &[Ballot]) -> bool {
    !warnings(marked, ballots, Language::En).is_empty()
}

/// Every contest with what is marked in it; without ballots where they could not be read.
pub(super) fn contests(marked: &[Marked<'_, '_>], ballots: &[Ballot], language: Language) -> Value {
    json!(marked.iter().map(|own| contest(own, ballot_of(own, ballots), language)).collect::<Vec<Value>>())
}

fn ballot_of<'b>(own: &Marked<'_, '_>, ballots: &'b [Ballot]) -> Option<&'b Ballot> {
    ballots.iter().find(|ballot| ballot.contest == own.sheet.contest.id)
}

fn judged(own: &Marked<'_, '_>, ballot: &Ballot) -> Judged {
    Judge::new(own.sheet.contest, ballot.district.as_deref(), BTreeSet::new()).judge(ballot)
}

fn contest(own: &Marked<'_, '_>, ballot: Option<&Ballot>, language: Language) -> Value {
    let word = |key: &str| PAGES.word(language, key, &[]);
    let sheet = own.sheet;
    let shown = if own.abstains { Vec::new() } else { shown(sheet, &own.choice, language) };
    let judged = ballot.map(|ballot| judged(own, ballot));
    let (said, warned) = match judged {
        _ if own.abstains => (word("said_abstain"), false),
        Some(Judged::Invalid(_)) => (word("said_invalid"), true),
        Some(Judged::Valid(Votes::Names { void, .. })) if void > 0 => (word("said_void"), true),
        Some(_) if own.is_empty() => (word("said_blank"), true),
        Some(_) if sheet.marking == Marking::Reject && shown.is_empty() => (word("said_reject_none"), false),
        _ => (String::new(), false),
    };
    let most = sheet.contest.naming().and_then(|naming| naming.most).filter(|_| sheet.marking == Marking::Several);
    let room = most
        .filter(|_| !shown.is_empty())
        .map(|most| PAGES.word(language, "room", &[("marked", &shown.len().to_string()), ("most", &most.to_string())]));
    json!({
        "title": sheet.contest.title.in_language(language), "said": said, "warned": warned, "shown": shown,
        "ranked": sheet.marking == Marking::Places && !own.abstains, "room": room,
    })
}

/// Somebody's name on a ballot.
fn name(sheet: &Sheet<'_>, who: &Who, language: Language) -> String {
    match who {
        Who::Listed(id) => {
            sheet.contest.find(id).map_or_else(String::new, |own| own.name.in_language(language).to_string())
        }
        Who::Written(name) => PAGES.word(language, "written_in", &[("name", name)]),
    }
}

fn shown(sheet: &Sheet<'_>, choice: &Choice, language: Language) -> Vec<String> {
    let listed = |id: &String| name(sheet, &Who::Listed(id.clone()), language);
    match choice {
        Choice::Names(names) => names.iter().map(|who| name(sheet, who, language)).collect(),
        Choice::Marks(marks) if sheet.marking == Marking::Reject => {
            let said = |(id, _): &(String, Sign)| PAGES.word(language, "mark_no", &[("name", &listed(id))]);
            marks.iter().map(said).collect()
        }
        Choice::Marks(marks) if marks.is_empty() => Vec::new(),
        Choice::Marks(marks) => {
            let said = |id: &String| {
                let own = marks.iter().filter(|(marked, _)| marked == id).map(|(_, sign)| match sign {
                    Sign::Yes => "mark_yes",
                    Sign::No => "mark_no",
                });
                let signs: Vec<&str> = own.collect();
                let signs = if signs.is_empty() { vec!["mark_none"] } else { signs };
                signs
                    .into_iter()
                    .map(|key| PAGES.word(language, key, &[("name", &listed(id))]))
                    .collect::<Vec<String>>()
            };
            sheet.candidates.iter().flat_map(|own| said(&own.id)).collect()
        }
        Choice::Ranking(places) => {
            let comma = PAGES.word(language, "list_comma", &[]);
            places.iter().map(|place| place.iter().map(listed).collect::<Vec<String>>().join(&comma)).collect()
        }
        Choice::Spoiled => Vec::new(),
    }
}

/// What the voter is to know before they cast it.
fn warnings(marked: &[Marked<'_, '_>], ballots: &[Ballot], language: Language) -> Vec<Value> {
    let warned = marked.iter().filter(|own| !own.abstains).filter_map(|own| {
        let ballot = ballot_of(own, ballots)?;
        let most = own.sheet.contest.write_in.to_string();
        let said = match judged(own, ballot) {
            Judged::Blank => PAGES.word(language, "warn_blank", &[]),
            Judged::Invalid(reason) => PAGES.word(language, &format!("invalid_{}", reason.key()), &[("most", &most)]),
            Judged::Valid(Votes::Names { names, void, .. }) if void > 0 => {
                let names: Vec<String> = names.iter().map(|who| name(own.sheet, who, language)).collect();
                let names = names.join(&PAGES.word(language, "list_comma", &[]));
                PAGES.word(language, "warn_void", &[("names", &names)])
            }
            Judged::Valid(_) => return None,
        };
        Some(json!({ "title": own.sheet.contest.title.in_language(language), "said": said }))
    });
    warned.collect()
}
