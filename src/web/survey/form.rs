//! A posted page: which button was pressed, and what was typed on this page and those before.

use std::collections::BTreeSet;

use crate::domain::answer::Line;
use crate::domain::instrument::{Instrument, Item};
use crate::domain::language::Language;
use crate::domain::survey::Mark;
use crate::limits;

/// Names of fields that are none of the items': an item's id begins with a letter.
const MARK: &str = "_mark";
const STEP: &str = "_step";
const LANGUAGE: &str = "_lang";
const GUARD: &str = "_guard";
const PAGE: &str = "_page";
const SEEN: &str = "_seen";

/// What a button of the page asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// This page is complete: on to the next, or to the end.
    Answer,
    /// To the page before.
    Back,
    /// From the review to a page, by its place from 0.
    Change(usize),
    /// Send what was shown.
    Send,
    /// The same page in another language.
    Speak(Language),
}

/// Where the posted page stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A page of the instrument, by its place from 0.
    Page(usize),
    /// All answers, shown once more.
    Review,
    /// It does not say: then it holds everything.
    Whole,
}

/// Fields as the browser sent them.
#[derive(Debug)]
pub(super) struct Posted(Vec<(String, String)>);

impl Posted {
    pub(super) fn new(mut fields: Vec<(String, String)>) -> Posted {
        fields.truncate(limits::FORM_FIELDS);
        Posted(fields)
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// What was typed or ticked for an item, without blanks.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let own = self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str());
        own.filter(|value| !value.is_empty())
    }

    pub(super) fn mark(&self) -> Option<Mark> {
        self.find(MARK).and_then(Mark::parse)
    }

    pub(super) fn language(&self) -> Option<&str> {
        self.find(LANGUAGE)
    }

    pub(super) fn guard(&self) -> Option<&str> {
        self.find(GUARD)
    }

    pub(super) fn step(&self) -> Step {
        let step = self.find(STEP).unwrap_or_default();
        let numbered = step.strip_prefix("page-").and_then(|number| number.parse().ok()).map(Step::Change);
        let spoken = step.strip_prefix("lang-").and_then(Language::find).map(Step::Speak);
        match step {
            "send" => Step::Send,
            "back" => Step::Back,
            "change" => Step::Change(0),
            _ => numbered.or(spoken).unwrap_or(Step::Answer),
        }
    }

    pub(super) fn place(&self) -> Place {
        match self.find(PAGE) {
            Some("review") => Place::Review,
            Some(number) => number.parse().map_or(Place::Whole, Place::Page),
            None => Place::Whole,
        }
    }

    /// Items that stood on the posted page; none if it does not say.
    pub(super) fn seen(&self) -> Option<BTreeSet<&str>> {
        self.find(SEEN).map(|list| list.split(' ').collect())
    }

    /// What was typed for an item; of several boxes ticked, their codes in a row.
    pub(super) fn typed(&self, item: &Item) -> String {
        self.all(&item.id).collect::<Vec<_>>().join(";")
    }

    /// The fields as the lines of a mail would be, so that both are read by the same rules.
    pub(super) fn lines(&self, instrument: &Instrument) -> Vec<Line> {
        let line = |(at, item): (usize, &Item)| Line {
            key: item.id.clone(),
            // A browser ends lines by CR LF (HTML, "constructing entry lists").
            value: self.typed(item).replace("\r\n", "\n"),
            number: at + 1,
        };
        instrument.items.iter().enumerate().map(line).collect()
    }
}
