//! The page with the ballots: each contest with its candidates, empty or as it was marked.

use serde_json::{Value, json};

use super::marked::{self, Marked, Slip};
use super::voter::{Voter, picture};
use super::{PAGES, put};
use crate::domain::election::slate::{Marking, Sheet};
use crate::domain::election::{Candidate, Election, Method};
use crate::domain::language::Language;
use crate::domain::survey::Mark;
use crate::limits;
use crate::web::questionnaire::posted::Posted;

/// Most lines that a field for names shows at once.
const ROWS: u32 = 8;

/// What the page states; `general` is the key of what is wrong with all of it.
pub(super) fn facts(
    voter: &Voter,
    marked: &[Marked<'_, '_>],
    posted: &Posted,
    mark: &Mark,
    language: Language,
    general: Option<&str>,
) -> Value {
    let mut facts = voter.head("ballot", language);
    voter.carry(&mut facts, mark);
    let contests: Vec<Value> =
        (1..).zip(marked).map(|(at, own)| contest(voter, own, posted, &format!("c{at}"), language)).collect();
    let mut wrong: Vec<Value> =
        general.iter().map(|key| json!({ "place": Value::Null, "said": PAGES.word(language, key, &[]) })).collect();
    for (at, own) in (1..).zip(marked) {
        for slip in &own.slips {
            let said = marked::told(slip, own.sheet, posted, language);
            wrong.push(json!({ "place": place(slip, own.sheet, at), "said": said }));
        }
    }
    let until = voter.election().terms.closes.local(voter.shelved.study.zone);
    put(&mut facts, "contests", json!(contests));
    put(&mut facts, "wrong", json!(wrong));
    put(&mut facts, "faults", json!(wrong));
    put(&mut facts, "until", json!(PAGES.word(language, "until", &[("at", &until)])));
    put(&mut facts, "place_chars", json!(limits::PLACE_CHARS));
    facts
}

/// Where on the page something is wrong.
fn place(slip: &Slip, sheet: &Sheet<'_>, contest: usize) -> String {
    match slip {
        Slip::Place(id) => {
            let at = sheet.candidates.iter().position(|own| own.id == *id).unwrap_or(0);
            format!("c{contest}-{}-in", at + 1)
        }
        Slip::Both => format!("c{contest}-none"),
        Slip::Written => format!("c{contest}-name-in"),
    }
}

fn contest(voter: &Voter, own: &Marked<'_, '_>, posted: &Posted, id: &str, language: Language) -> Value {
    let (sheet, election) = (own.sheet, voter.election());
    let contest = sheet.contest;
    let name = marked::chosen_field(contest);
    let chosen: Vec<&str> = posted.all(&name).collect();
    let candidates: Vec<Value> = (1..)
        .zip(&sheet.candidates)
        .map(|(at, candidate)| {
            let (mark, place) = (marked::mark_field(contest, candidate), marked::place_field(contest, candidate));
            let marks: Vec<&str> = posted.all(&mark).collect();
            let slip = Slip::Place(candidate.id.clone());
            let fault = own.slips.contains(&slip).then(|| marked::told(&slip, sheet, posted, language));
            let mut shown = shown(election, candidate, &voter.shelved.study.slug, language);
            for (key, value) in [
                ("id", json!(format!("{id}-{at}"))),
                ("code", json!(candidate.id)),
                ("field", json!(if sheet.marking == Marking::Places { &place } else { &mark })),
                ("typed", json!(posted.find(&place).unwrap_or_default())),
                ("fault", json!(fault)),
                ("chosen", json!(chosen.contains(&candidate.id.as_str()))),
                ("yes", json!(marks.contains(&"yes"))),
                ("no", json!(marks.contains(&"no"))),
                ("unmarked", json!(marks.is_empty())),
            ] {
                put(&mut shown, key, value);
            }
            shown
        })
        .collect();
    let settled: Vec<&str> = sheet.settled.iter().map(|candidate| candidate.name.in_language(language)).collect();
    let both = own.slips.iter().filter(|slip| **slip == Slip::Both);
    let faults: Vec<String> = both.map(|slip| marked::told(slip, sheet, posted, language)).collect();
    json!({
        "id": id, "title": contest.title.in_language(language), "how": how(sheet, language), "faults": faults,
        "settled": settled.join(&PAGES.word(language, "list_comma", &[])), "name": name, "candidates": candidates,
        "yes_no": sheet.marking == Marking::YesNo, "places": sheet.marking == Marking::Places,
        "one": sheet.marking == Marking::One, "reject": sheet.marking == Marking::Reject, "nobody": chosen.is_empty(),
        "write": write(own, posted, id, language),
        "none": { "id": format!("{id}-none"), "name": marked::none_field(contest), "chosen": own.abstains },
    })
}

/// A candidate as every page shows them.
pub(super) fn shown(election: &Election, candidate: &Candidate, slug: &str, language: Language) -> Value {
    let named = |id: &str| {
        election.districts.iter().find(|own| own.id == id).map(|own| own.name.in_language(language).to_string())
    };
    let notes = [
        candidate.district.as_deref().and_then(named),
        candidate.group.as_ref().map(|group| PAGES.word(language, "group", &[("group", group)])),
        candidate.incumbent.then(|| PAGES.word(language, "incumbent", &[])),
    ];
    let note: Vec<String> = notes.into_iter().flatten().collect();
    let own = candidate.picture.as_ref().and_then(|name| election.pictures.get(name));
    json!({
        "name": candidate.name.in_language(language), "note": note.join(&PAGES.word(language, "list_comma", &[])),
        "statement": candidate.statement.as_ref().map(|statement| statement.in_language(language)),
        "picture": own.map(|own| picture(slug, own)),
    })
}

/// The field for names that stand not among the candidates.
fn write(own: &Marked<'_, '_>, posted: &Posted, id: &str, language: Language) -> Value {
    let contest = own.sheet.contest;
    if contest.write_in == 0 || !matches!(own.sheet.marking, Marking::One | Marking::Several) {
        return Value::Null;
    }
    let several = contest.write_in > 1;
    let form = if several { "several" } else { "one" };
    let most = contest.write_in.to_string();
    let fault = own.slips.contains(&Slip::Written).then(|| marked::told(&Slip::Written, own.sheet, posted, language));
    let name = marked::name_field(contest);
    json!({
        "id": format!("{id}-name"), "label": PAGES.word(language, &format!("write_{form}"), &[]),
        "hint": PAGES.word(language, &format!("write_hint_{form}"), &[("most", &most)]),
        "several": several, "rows": contest.write_in.min(ROWS), "value": posted.find(&name).unwrap_or_default(), "name": name,
        "fault": fault,
    })
}

/// What is to be done with the ballot, shortly; the rules as a whole stand on the election's own page.
fn how(sheet: &Sheet<'_>, language: Language) -> Vec<String> {
    let word = |key: &str, fill: &[(&str, &str)]| PAGES.word(language, key, fill);
    let naming = || sheet.contest.naming();
    match sheet.marking {
        Marking::One => vec![word("how_one", &[])],
        Marking::YesNo => vec![word("how_yes_no", &[])],
        Marking::Reject => vec![word("how_reject", &[])],
        Marking::Several => {
            let (least, most) = naming().map_or((1, None), |own| (own.least, own.most));
            let (key, most) = match most {
                None => ("how_any", String::new()),
                Some(most) if least > 1 => ("how_several", most.to_string()),
                Some(most) => ("how_up_to", most.to_string()),
            };
            let own = vec![word(key, &[("least", &least.to_string()), ("most", &most)])];
            own.into_iter().chain(super::rules::quotas(sheet.contest, language)).collect()
        }
        Marking::Places => {
            let equal = match &sheet.contest.method {
                Method::Schulze(ranking) | Method::Stv(ranking, _) => ranking.equal,
                _ => false,
            };
            let both = [Some(word("how_places", &[])), equal.then(|| word("how_equal", &[]))];
            both.into_iter().flatten().collect()
        }
    }
}
