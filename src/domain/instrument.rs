//! A form as defined: its items, their kinds, choices and limits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use super::expression::Expression;
use super::file::FileRule;
use super::language::{Language, Text};
use super::number::Rational;
use super::study::Study;

pub mod pipe;

/// A form: items in the order they are asked.
#[derive(Clone, Debug)]
pub struct Instrument {
    /// Name of the file without `.toml`; unique in the study.
    pub id: String,
    /// Heading of the form.
    pub title: Text,
    /// At least one; ids unique.
    pub items: Vec<Item>,
    /// What must hold between its answers.
    pub checks: Vec<Check>,
    /// What a mail's keys mean; see [`keys`](super::answer::keys).
    pub keys: Keys,
}

/// The items that a mail's keys mean, by folded key: folded once, when first asked for, because every mail asks. The
/// items must not change after that.
#[derive(Clone, Debug, Default)]
pub struct Keys(pub(super) OnceLock<BTreeMap<String, String>>);

impl Instrument {
    /// The form of a study in which there is nothing to fill in, without an id.
    pub fn empty() -> Instrument {
        let (id, title, keys) = (String::new(), Text::default(), Keys::default());
        Instrument { id, title, items: Vec::new(), checks: Vec::new(), keys }
    }

    /// The item of that id.
    pub fn find(&self, id: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.id == id)
    }

    /// Its pages in their order, none of them empty: each begins with a heading that says so, the first with the first item.
    pub fn pages(&self) -> Vec<&[Item]> {
        let mut pages = Vec::new();
        let mut from = 0;
        for at in (1..self.items.len()).filter(|at| self.items[*at].begins_page) {
            pages.push(&self.items[from..at]);
            from = at;
        }
        pages.push(&self.items[from..]);
        pages
    }

    /// These items, and those whose answers can follow from theirs: what is calculated from them, what is asked because of them, and
    /// the choice that a text beside it makes.
    pub fn following(&self, mut ids: BTreeSet<String>) -> BTreeSet<String> {
        loop {
            let follows = |item: &&Item| {
                let calculated =
                    if let ItemKind::Calculation(expression) = &item.kind { Some(expression) } else { None };
                let mut named = calculated.into_iter().chain(&item.when).flat_map(Expression::names);
                let beside = item.kind.other().is_some() && ids.contains(&other_id(&item.id));
                !ids.contains(&item.id) && (beside || named.any(|name| ids.contains(name)))
            };
            let more: Vec<String> = self.items.iter().filter(follows).map(|item| item.id.clone()).collect();
            if more.is_empty() {
                return ids;
            }
            ids.extend(more);
        }
    }

    /// The items whose answers can tell something that has no item here: those that follow from its name, and those that checks which
    /// name it are about.
    pub fn telling(&self, name: &str) -> BTreeSet<String> {
        let mut ids = self.following(BTreeSet::from([name.to_string()]));
        ids.remove(name);
        let checks = self.checks.iter().filter(|check| check.rule.names().any(|named| named == name));
        ids.extend(checks.flat_map(|check| check.items.iter().cloned()));
        ids
    }

    /// The item that asks what is meant by the choice of `item` that lets people write something else, if it has one.
    pub fn other_text(&self, item: &Item) -> Option<&Item> {
        item.kind.other()?;
        self.find(&other_id(&item.id))
    }
}

/// Id of the text beside the choice of an item that lets people write something else.
pub fn other_id(item: &str) -> String {
    format!("{item}_other")
}

/// Something that must hold between answers.
#[derive(Clone, Debug)]
pub struct Check {
    /// Lower-case letters, digits and `_`; unique in the instrument.
    pub id: String,
    /// What must hold; what cannot be told because something is blank holds.
    pub rule: Expression,
    /// Whether answers are refused where it does not hold; else the sender is asked whether they are sure.
    pub hard: bool,
    /// What people read where it does not hold.
    pub message: Text,
    /// Ids of the items concerned, in the order of the items; at least one.
    pub items: Vec<String>,
}

/// One question (or a heading or note that asks nothing).
#[derive(Clone, Debug)]
pub struct Item {
    /// Lower-case letters, digits and `_`; the key in answers, expressions and exports.
    pub id: String,
    /// What kind of answer it takes.
    pub kind: ItemKind,
    /// What people read.
    pub label: Text,
    /// A sentence of help under the label.
    pub help: Option<Text>,
    /// Further mail keys that mean this item, as written in the bundle (matched after folding).
    pub aliases: Vec<String>,
    /// Whether an answer is needed whenever the item is asked.
    pub required: bool,
    /// Asked only when true; names items asked earlier.
    pub when: Option<Expression>,
    /// Unit shown behind the answer.
    pub unit: Option<Text>,
    /// Identifies a person: left out of letters and de-identified exports.
    pub personal: bool,
    /// Outside of it an answer is refused.
    pub hard: Limits,
    /// Outside of it the sender is asked whether they are sure.
    pub soft: Limits,
    /// A heading that begins a new page.
    pub begins_page: bool,
    /// Name of the matrix that it is a row of, with those of the same name beside it.
    pub matrix: Option<String>,
    /// What people read for the values of a calculation; other kinds have none.
    pub values: Vec<NamedValue>,
}

impl Item {
    /// The codes that its answers can hold and that the form itself gives a name, with what people read for each.
    pub fn names(&self) -> impl Iterator<Item = (&str, &Text)> {
        let listed: &[Choice] = match &self.kind {
            ItemKind::Choice(Choices::Listed(listed)) | ItemKind::Choices(Choices::Listed(listed)) => listed,
            _ => &[],
        };
        let listed = listed.iter().map(|choice| (choice.code.as_str(), &choice.label));
        listed.chain(self.values.iter().map(|value| (value.code.as_str(), &value.label)))
    }

    /// What people read for a code in its answer: a choice's, a site's, or that of a calculated value; none if it has no name.
    pub fn name_of<'i>(&'i self, study: &'i Study, code: &str, language: Language) -> Option<&'i str> {
        let name = match &self.kind {
            ItemKind::Choice(Choices::Sites) | ItemKind::Choices(Choices::Sites) => {
                study.find_site(code).map(|site| &site.name)
            }
            _ => self.names().find(|(own, _)| *own == code).map(|(_, name)| name),
        };
        name.map(|name| name.in_language(language)).filter(|name| !name.is_empty())
    }
}

/// A value that a calculation gives, and its name.
#[derive(Clone, Debug)]
pub struct NamedValue {
    /// The value as answers are kept.
    pub code: String,
    /// What people read for it.
    pub label: Text,
}

/// What kind of answer an item takes.
#[derive(Clone, Debug)]
pub enum ItemKind {
    /// One line of text.
    Text {
        /// What the whole normalized text must match.
        pattern: Option<Pattern>,
    },
    /// Several lines of text.
    Note,
    /// A whole number.
    Integer,
    /// A number with at most `places` digits behind the point.
    Decimal {
        /// Digits kept behind the point.
        places: u32,
    },
    /// A calendar day.
    Date,
    /// A time of day.
    Time,
    /// A calendar day with a time of day.
    DateTime,
    /// Yes or no.
    YesNo,
    /// Exactly one of the choices.
    Choice(Choices),
    /// Any number of the choices.
    Choices(Choices),
    /// A whole number from `low` to `high`, shown as a scale.
    Scale {
        /// Leftmost step.
        low: i64,
        /// Rightmost step.
        high: i64,
    },
    /// A file.
    File(FileRule),
    /// Text that asks nothing.
    Heading,
    /// Computed from other answers; never typed.
    Calculation(Expression),
}

impl ItemKind {
    /// Its word in bundles and templates.
    pub const fn key(&self) -> &'static str {
        match self {
            ItemKind::Text { .. } => "text",
            ItemKind::Note => "note",
            ItemKind::Integer => "integer",
            ItemKind::Decimal { .. } => "decimal",
            ItemKind::Date => "date",
            ItemKind::Time => "time",
            ItemKind::DateTime => "datetime",
            ItemKind::YesNo => "yesno",
            ItemKind::Choice(_) => "choice",
            ItemKind::Choices(_) => "choices",
            ItemKind::Scale { .. } => "scale",
            ItemKind::File(_) => "file",
            ItemKind::Heading => "heading",
            ItemKind::Calculation(_) => "calculation",
        }
    }

    /// Whether people are asked for an answer.
    pub const fn asks(&self) -> bool {
        !matches!(self, ItemKind::Heading | ItemKind::Calculation(_))
    }

    /// The choice that lets people write something else, if there is one.
    pub fn other(&self) -> Option<&Choice> {
        match self {
            ItemKind::Choice(Choices::Listed(listed)) | ItemKind::Choices(Choices::Listed(listed)) => {
                listed.iter().find(|choice| choice.other)
            }
            _ => None,
        }
    }
}

/// What an item offers to choose from.
#[derive(Clone, Debug)]
pub enum Choices {
    /// The study's sites, by their codes.
    Sites,
    /// The choices written in the instrument.
    Listed(Vec<Choice>),
}

/// One answer offered.
#[derive(Clone, Debug)]
pub struct Choice {
    /// What is stored and what factors' levels name.
    pub code: String,
    /// What people read; typing it also chooses it.
    pub label: Text,
    /// Other things people type for it.
    pub aliases: Vec<String>,
    /// Whether people write what they mean beside it; then they must, and it is the answer of an item of its own.
    pub other: bool,
}

/// A regular expression that a whole text must match, compiled once.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As written in the bundle.
    pub source: String,
    /// Anchored at both ends.
    pub compiled: regex::Regex,
}

/// Bounds of a value; which of them apply depends on the item's kind.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Least number, inclusive.
    pub min: Option<Rational>,
    /// Greatest number, inclusive.
    pub max: Option<Rational>,
    /// Earliest day, inclusive.
    pub earliest: Option<DayBound>,
    /// Latest day, inclusive.
    pub latest: Option<DayBound>,
}

/// A bound of a day: fixed, or relative to the day of reading in the study's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayBound {
    /// That very day.
    On(chrono::NaiveDate),
    /// So many days after (before, if negative) the day of reading; `today` is 0.
    Today(i64),
}
