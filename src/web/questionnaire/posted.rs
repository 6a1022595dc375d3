//! A posted page: which button was pressed, and what was typed on this page and those before.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::answer::{FaultCode, Line};
use crate::domain::file::FileAnswer;
use crate::domain::instrument::{Instrument, Item, ItemKind};
use crate::domain::language::Language;
use crate::domain::survey::Mark;
use crate::limits;

/// Names of fields that are none of the items': an item's id begins with a letter.
const MARK: &str = "_mark";
const STEP: &str = "_step";
const LANGUAGE: &str = "_lang";
pub(super) const GUARD: &str = "_guard";
const WHOSE: &str = "_whose";
const PAGE: &str = "_page";
const SEEN: &str = "_seen";
const MEND: &str = "_mend";
const FIRST: &str = "_first";
const REASON: &str = "_reason";
const BASE: &str = "_base";
const DRAFT: &str = "_draft";
const PROOF: &str = "_proof";
const DROP: &str = "_drop";
const LINK: &str = "_link";

/// What a button of the page asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Step {
    /// This page is complete: on to the next, or to the end.
    Answer,
    /// To the page before.
    Back,
    /// From the review to a page, by its place from 0.
    Change(usize),
    /// Send what was shown.
    Send,
    /// Keep what was typed, to go on another time.
    Keep,
    /// Forget what was kept.
    Forget,
    /// The same page in another language.
    Speak(Language),
    /// The same page with what follows from what was typed so far, for the script on it.
    Look,
}

/// Where the posted page stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Place {
    /// A page of the instrument, by its place from 0.
    Page(usize),
    /// All answers, shown once more.
    Review,
    /// It does not say: then it holds everything.
    Whole,
}

/// Fields as the browser sent them.
#[derive(Clone, Debug)]
pub(in crate::web) struct Posted {
    fields: Vec<(String, String)>,
    /// What is wrong with the files that were sent for items, and how they were called.
    faulty: BTreeMap<String, (FaultCode, String)>,
}

impl Posted {
    pub(in crate::web) fn new(mut fields: Vec<(String, String)>) -> Posted {
        fields.truncate(limits::FORM_FIELDS);
        Posted { fields, faulty: BTreeMap::new() }
    }

    /// The first field of that name.
    pub(in crate::web) fn find(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Takes what came for an item that asks for a file: how the form carries it from now on, or what is wrong with it; then what the form
    /// carried before stays.
    pub(in crate::web) fn put_file(&mut self, item: String, came: Result<String, (FaultCode, String)>) {
        match came {
            Ok(token) => {
                // What is chosen anew is meant, whatever was ticked before.
                self.fields.retain(|(name, value)| *name != item && !(name == DROP && *value == item));
                self.fields.push((item, token));
            }
            Err(fault) => {
                self.faulty.insert(item, fault);
            }
        }
    }

    /// What is wrong with the file that was sent for an item.
    pub(in crate::web) fn file_fault(&self, item: &str) -> Option<&(FaultCode, String)> {
        self.faulty.get(item)
    }

    /// Leaves out the files that were ticked to be taken away.
    pub(in crate::web) fn without_dropped(mut self, instrument: &Instrument) -> Posted {
        let is_file = |name: &str| instrument.find(name).is_some_and(|item| matches!(item.kind, ItemKind::File(_)));
        let dropped = self.fields.iter().filter(|(name, value)| name == DROP && is_file(value));
        let dropped: Vec<String> = dropped.map(|(_, value)| value.clone()).collect();
        self.fields.retain(|(name, _)| !dropped.contains(name));
        self
    }

    /// The same with each file that is on file as a form carries it.
    pub(in crate::web) fn with_tokens(
        mut self,
        instrument: &Instrument,
        token: impl Fn(&str, &FileAnswer) -> String,
    ) -> Posted {
        for (name, value) in &mut self.fields {
            let is_file = instrument.find(name).is_some_and(|item| matches!(item.kind, ItemKind::File(_)));
            if let Some(answer) = FileAnswer::parse(value).filter(|_| is_file) {
                *value = token(name, &answer);
            }
        }
        self
    }

    /// What was typed or ticked for an item, without blanks.
    pub(in crate::web) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let own = self.fields.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str());
        own.filter(|value| !value.is_empty())
    }

    pub(in crate::web) fn mark(&self) -> Option<Mark> {
        self.find(MARK).and_then(Mark::parse)
    }

    pub(in crate::web) fn language(&self) -> Option<&str> {
        self.find(LANGUAGE)
    }

    pub(in crate::web) fn guard(&self) -> Option<&str> {
        self.find(GUARD)
    }

    /// Whose page it was, in the words of [`whose`](super::whose::whose).
    pub(in crate::web) fn whose(&self) -> Option<&str> {
        self.find(WHOSE)
    }

    pub(in crate::web) fn step(&self) -> Step {
        let step = self.find(STEP).unwrap_or_default();
        let numbered = step.strip_prefix("page-").and_then(|number| number.parse().ok()).map(Step::Change);
        let spoken = step.strip_prefix("lang-").and_then(Language::find).map(Step::Speak);
        match step {
            "send" => Step::Send,
            "back" => Step::Back,
            "keep" => Step::Keep,
            "forget" => Step::Forget,
            "look" => Step::Look,
            "change" => Step::Change(0),
            _ => numbered.or(spoken).unwrap_or(Step::Answer),
        }
    }

    pub(in crate::web) fn place(&self) -> Place {
        match self.find(PAGE) {
            Some("review") => Place::Review,
            Some(number) => number.parse().map_or(Place::Whole, Place::Page),
            None => Place::Whole,
        }
    }

    /// Why something on file is corrected, as typed.
    pub(in crate::web) fn reason(&self) -> &str {
        self.find(REASON).unwrap_or_default()
    }

    /// The version that was on file when its correction was begun.
    pub(in crate::web) fn base(&self) -> &str {
        self.find(BASE).unwrap_or_default()
    }

    /// The same, begun from a version that is on file.
    pub(in crate::web) fn based_on(mut self, version: String) -> Posted {
        self.fields.retain(|(name, _)| name != BASE);
        self.fields.push((BASE.to_string(), version));
        self
    }

    /// The version of what was kept when the page was made, empty where nothing was; none from a page that does not say.
    pub(in crate::web) fn draft(&self) -> Option<&str> {
        self.find(DRAFT)
    }

    /// The same, on a page that knows of that version of what was kept.
    pub(in crate::web) fn knowing(mut self, version: &str) -> Posted {
        self.fields.retain(|(name, _)| name != DRAFT);
        self.fields.push((DRAFT.to_string(), version.to_string()));
        self
    }

    /// The link that was pasted in place of the one that the form came by.
    pub(in crate::web) fn other_link(&self) -> Option<&str> {
        self.find(LINK).filter(|link| !link.trim().is_empty())
    }

    /// What was typed to show once more who sends it.
    pub(in crate::web) fn proof(&self) -> Option<&str> {
        self.find(PROOF)
    }

    /// Every field but that one, to be sent again.
    pub(in crate::web) fn without_proof(&self) -> impl Iterator<Item = &(String, String)> {
        self.fields.iter().filter(|(name, _)| name != PROOF)
    }

    /// Every field but those that a session gave it and what was typed to prove who sends it: to be looked at again by the same person in
    /// a session of theirs, whom it still names. Without a guard nothing of it is recorded.
    pub(in crate::web) fn without_session(&self) -> impl Iterator<Item = &(String, String)> {
        self.without_proof().filter(|(name, _)| name != GUARD && name != STEP)
    }

    /// Whether it is only to be looked at again, which needs no guard.
    pub(in crate::web) fn only_looks(&self) -> bool {
        self.guard().is_none() && self.step() == Step::Look
    }

    /// Whether answers that were sent are mended.
    pub(in crate::web) fn mends(&self) -> bool {
        self.find(MEND) == Some("1")
    }

    /// Whether it is the form by which somebody enrolls themself.
    pub(in crate::web) fn enrolls(&self) -> bool {
        self.find(FIRST) == Some("1")
    }

    /// The answers of an instrument's items, the page they were typed on and its language, as text to be kept; with the mark by which
    /// the form is known once it is sent, where it is to stay the same form.
    pub(in crate::web) fn to_keep(&self, instrument: &Instrument, mark: Option<&Mark>) -> Vec<u8> {
        let mark = mark.map(Mark::text);
        let items = instrument.items.iter().flat_map(|item| self.all(&item.id).map(|value| (item.id.as_str(), value)));
        let page = [PAGE, LANGUAGE].into_iter().filter_map(|name| Some((name, self.find(name)?)));
        let mark = mark.iter().map(|mark| (MARK, mark.as_str()));
        let fields: Vec<(&str, &str)> = mark.chain(page).chain(items).collect();
        serde_json::to_vec(&fields).expect("pairs of texts are JSON")
    }

    /// What was kept.
    pub(in crate::web) fn of_kept(text: &[u8]) -> Option<Posted> {
        serde_json::from_slice(text).ok().map(Posted::new)
    }

    /// Answers that were sent, as they would be typed again.
    pub(in crate::web) fn of_answers(instrument: &Instrument, answers: &BTreeMap<String, String>) -> Posted {
        let fields = instrument.items.iter().filter_map(|item| Some((item, answers.get(&item.id)?)));
        let each = |(item, value): (&Item, &String)| -> Vec<(String, String)> {
            let values = match item.kind {
                ItemKind::Choices(_) => value.split(';').map(str::to_string).collect(),
                _ => vec![value.clone()],
            };
            values.into_iter().map(|value| (item.id.clone(), value)).collect()
        };
        Posted::new(fields.flat_map(each).collect())
    }

    /// Items that stood on the posted page; none if it does not say.
    pub(in crate::web) fn seen(&self) -> Option<BTreeSet<&str>> {
        self.find(SEEN).map(|list| list.split(' ').collect())
    }

    /// What was typed for an item; of several boxes ticked, their codes in a row.
    pub(in crate::web) fn typed(&self, item: &Item) -> String {
        self.all(&item.id).collect::<Vec<_>>().join(";")
    }

    /// The fields as the lines of a mail would be, so that both are read by the same rules.
    pub(in crate::web) fn lines(&self, instrument: &Instrument) -> Vec<Line> {
        let line = |(at, item): (usize, &Item)| Line {
            key: item.id.clone(),
            // A browser ends lines by CR LF (HTML, "constructing entry lists").
            value: self.typed(item).replace("\r\n", "\n"),
            number: at + 1,
        };
        instrument.items.iter().enumerate().map(line).collect()
    }
}
