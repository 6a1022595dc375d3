//! A posted ballot: what is marked in each contest, and what of it cannot be read.
//!
//! Names of fields are made from the codes of contest and candidate, which hold no colon, so that no two contests share one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::PAGES;
use crate::domain::election::paper::{self, PaperFault};
use crate::domain::election::slate::{Marking, Sheet};
use crate::domain::election::{Ballot, Candidate, Choice, Contest, Election, Mark, Who};
use crate::domain::language::Language;
use crate::domain::text;
use crate::limits;
use crate::web::questionnaire::posted::Posted;

/// The field of candidates that are chosen, by their codes.
pub(super) fn chosen_field(contest: &Contest) -> String {
    format!("mark:{}", contest.id)
}

/// The field of a mark for one candidate.
pub(super) fn mark_field(contest: &Contest, candidate: &Candidate) -> String {
    format!("mark:{}:{}", contest.id, candidate.id)
}

/// The field of a candidate's place.
pub(super) fn place_field(contest: &Contest, candidate: &Candidate) -> String {
    format!("place:{}:{}", contest.id, candidate.id)
}

/// The field of names that are written in.
pub(super) fn name_field(contest: &Contest) -> String {
    format!("name:{}", contest.id)
}

/// The field by which somebody takes no part in a contest.
pub(super) fn none_field(contest: &Contest) -> String {
    format!("none:{}", contest.id)
}

/// Whether a field is one of a ballot.
pub(super) fn is_of_ballot(name: &str) -> bool {
    !name.starts_with('_') && name.contains(':')
}

/// What stands in the way of a ballot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Slip {
    /// What was typed as a candidate's place is none; by their code.
    Place(String),
    /// Somebody is marked, and the voter takes no part.
    Both,
    /// A name that is written in cannot be kept.
    Written,
}

/// What is marked in one contest.
#[derive(Clone, Debug)]
pub(super) struct Marked<'s, 'e> {
    pub(super) sheet: &'s Sheet<'e>,
    pub(super) choice: Choice,
    /// Whether they hand in no ballot.
    pub(super) abstains: bool,
    pub(super) slips: Vec<Slip>,
}

impl Marked<'_, '_> {
    /// Whether nothing is marked where something would be.
    pub(super) fn is_empty(&self) -> bool {
        match &self.choice {
            Choice::Names(names) => names.is_empty(),
            Choice::Marks(marks) => marks.is_empty() && self.sheet.marking != Marking::Reject,
            Choice::Ranking(places) => places.is_empty(),
            Choice::Spoiled => false,
        }
    }
}

/// What is marked in each contest.
pub(super) fn read<'s, 'e>(sheets: &'s [Sheet<'e>], posted: &Posted) -> Vec<Marked<'s, 'e>> {
    sheets.iter().map(|sheet| read_sheet(sheet, posted)).collect()
}

fn read_sheet<'s, 'e>(sheet: &'s Sheet<'e>, posted: &Posted) -> Marked<'s, 'e> {
    let contest = sheet.contest;
    let mut slips = Vec::new();
    let chosen = || posted.all(&chosen_field(contest)).map(str::to_string).collect::<Vec<String>>();
    let choice = match sheet.marking {
        Marking::One | Marking::Several => {
            let listed = chosen().into_iter().map(Who::Listed);
            Choice::Names(listed.chain(written(contest, posted).into_iter().map(Who::Written)).collect())
        }
        Marking::Reject => Choice::Marks(chosen().into_iter().map(|id| (id, Mark::No)).collect()),
        Marking::YesNo => Choice::Marks(sheet.candidates.iter().flat_map(|own| marks(contest, own, posted)).collect()),
        Marking::Places => Choice::Ranking(places(sheet, posted, &mut slips)),
    };
    let abstains = posted.find(&none_field(contest)).is_some();
    let rejects = matches!(&choice, Choice::Marks(marks) if !marks.is_empty());
    let mut marked = Marked { sheet, choice, abstains, slips };
    let anything = rejects || (sheet.marking != Marking::Reject && !marked.is_empty());
    if abstains && anything {
        marked.slips.push(Slip::Both);
    }
    marked
}

/// Names that were written in, one a line.
fn written(contest: &Contest, posted: &Posted) -> Vec<String> {
    if contest.write_in == 0 {
        return Vec::new();
    }
    let lines = posted.find(&name_field(contest)).unwrap_or_default().lines();
    lines.map(text::squeeze).filter(|name| !name.is_empty()).collect()
}

/// Yes or no to a candidate; both, if somebody sends both.
fn marks(contest: &Contest, candidate: &Candidate, posted: &Posted) -> Vec<(String, Mark)> {
    let field = mark_field(contest, candidate);
    let marks = posted.all(&field).filter_map(|value| match value {
        "yes" => Some(Mark::Yes),
        "no" => Some(Mark::No),
        _ => None,
    });
    marks.map(|mark| (candidate.id.clone(), mark)).collect()
}

/// Candidates by the places that were written beside them, whichever numbers those are.
fn places(sheet: &Sheet<'_>, posted: &Posted, slips: &mut Vec<Slip>) -> Vec<Vec<String>> {
    let mut placed: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for candidate in &sheet.candidates {
        let typed = text::fold_width(posted.find(&place_field(sheet.contest, candidate)).unwrap_or_default());
        match typed.trim() {
            "" => {}
            typed => match typed.parse::<u32>() {
                Ok(place) if place > 0 && typed.len() <= limits::PLACE_CHARS => {
                    placed.entry(place).or_default().push(candidate.id.clone());
                }
                _ => slips.push(Slip::Place(candidate.id.clone())),
            },
        }
    }
    placed.into_values().collect()
}

/// A paper as it can be handed in, or the page's words that say why not; slips are told contest by contest.
pub(super) fn paper(
    election: &Election,
    own: (Option<&str>, Option<&str>),
    marked: &mut [Marked<'_, '_>],
) -> Result<Vec<Ballot>, Option<&'static str>> {
    if marked.iter().any(|own| !own.slips.is_empty()) {
        return Err(None);
    }
    paper::read(election, own, &choices(marked)).map_err(|fault| match fault {
        PaperFault::Empty => Some("slip_empty"),
        PaperFault::TooLong => Some("slip_long"),
        PaperFault::Written(id) => {
            let own = marked.iter_mut().filter(|own| own.sheet.contest.id == id);
            own.for_each(|own| own.slips.push(Slip::Written));
            None
        }
        PaperFault::Twice(_) | PaperFault::Ballot(..) | PaperFault::Unreadable => Some("slip_unread"),
    })
}

/// What is handed in.
pub(super) fn choices(marked: &[Marked<'_, '_>]) -> Vec<(String, Choice)> {
    let cast = marked.iter().filter(|own| !own.abstains);
    cast.map(|own| (own.sheet.contest.id.clone(), own.choice.clone())).collect()
}

/// The posted marks, as a form carries them unseen.
pub(super) fn carried(posted: &Posted) -> Value {
    let own = posted.without_session().filter(|(name, value)| is_of_ballot(name) && !value.is_empty());
    json!(own.map(|(name, value)| json!({ "name": name, "value": value })).collect::<Vec<Value>>())
}

/// A slip in words.
pub(super) fn told(slip: &Slip, sheet: &Sheet<'_>, posted: &Posted, language: Language) -> String {
    let title = sheet.contest.title.in_language(language);
    match slip {
        Slip::Place(id) => {
            let candidate = sheet.candidates.iter().find(|own| own.id == *id);
            let name = candidate.map_or("", |own| own.name.in_language(language));
            let typed = candidate.and_then(|own| posted.find(&place_field(sheet.contest, own))).unwrap_or_default();
            PAGES.word(language, "slip_place", &[("name", name), ("typed", &text::clean(typed, limits::PLACE_CHARS))])
        }
        Slip::Both => PAGES.word(language, "slip_both", &[("title", title)]),
        Slip::Written => {
            let most = limits::WRITE_IN_CHARS.to_string();
            PAGES.word(language, "slip_written", &[("title", title), ("most", &most)])
        }
    }
}
