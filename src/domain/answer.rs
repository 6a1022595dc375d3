//! An item's answer: what was typed, what it means, or what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use super::file::FileAnswer;

mod course;
mod form;
mod number;
mod value;

pub use course::pages_asked;
pub use form::{BODY, Known, Uploads, find_named, keys, read_form, read_knowing, read_page, unmet};
pub use value::{exact, of_canonical, read_one};

/// One `key: value` line of a mail, as typed; continuation lines are part of the value, parted by `\n`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What stands before the separator.
    pub key: String,
    /// What stands behind it.
    pub value: String,
    /// Line of the text, counted from 1.
    pub number: usize,
}

/// One accepted answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// As typed, unchanged but for control characters.
    pub typed: String,
    /// What it means.
    pub value: Value,
}

/// What an answer means; one variant per kind of value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text; lines parted by `\n`.
    Text(String),
    /// Whole number (integer and scale items).
    Integer(i64),
    /// Decimal number in canonical digits, e.g. `12.50` stays exact as `12.5`.
    Decimal(String),
    /// Day.
    Date(chrono::NaiveDate),
    /// Time of day.
    Time(chrono::NaiveTime),
    /// Day and time of day in the study's zone.
    DateTime(chrono::NaiveDateTime),
    /// Yes or no.
    YesNo(bool),
    /// Code of the one choice.
    Choice(String),
    /// Codes of the choices, in the order of the item.
    Choices(Vec<String>),
    /// A file.
    File(FileAnswer),
}

impl Value {
    /// The stored and compared form: `65`, `2026-11-01`, `F`, `a;c`, `yes`.
    pub fn canonical(&self) -> String {
        match self {
            Value::Text(text) | Value::Decimal(text) | Value::Choice(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Date(day) => day.format("%Y-%m-%d").to_string(),
            Value::Time(time) => time.format("%H:%M").to_string(),
            Value::DateTime(at) => at.format("%Y-%m-%dT%H:%M").to_string(),
            Value::YesNo(yes) => (if *yes { "yes" } else { "no" }).to_string(),
            Value::Choices(codes) => codes.join(";"),
            Value::File(file) => file.canonical(),
        }
    }
}

/// What is wrong with an item's answer. The code is a key for templates and `--json`, never a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Item's id, or `body` for the mail as a whole.
    pub item: String,
    /// What kind of fault.
    pub code: FaultCode,
    /// What was typed; empty where nothing was.
    pub typed: String,
    /// What would be right, as a fact for the template: a range `20..99`, a pattern, or the codes offered.
    pub expected: String,
}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultCode {
    /// A required answer is absent.
    Missing,
    /// Outside of the hard limits.
    Range,
    /// None of the choices.
    Code,
    /// Not a number, time or yes/no where one is needed.
    Type,
    /// Text that does not match the item's pattern.
    Pattern,
    /// A site's reference of a subject that reads as one of our own numbers.
    OurNumber,
    /// No such day.
    Date,
    /// A site or subject we do not know.
    Unknown,
    /// The same item answered twice, differently.
    Conflict,
    /// Bytes in no charset we can tell.
    Charset,
    /// Control characters, bidirectional overrides in coded values, NUL.
    Control,
    /// Nothing to read.
    Empty,
    /// Lines of the form stand in what the mail quotes alone, where they may be anybody's.
    Quoted,
    /// It does not go with other answers; [`Fault::expected`] is the id of the check.
    Check,
    /// A file of a type that the item does not take, whatever it is called.
    FileType,
    /// A file that is too large.
    FileSize,
    /// A file without anything in it.
    FileEmpty,
    /// A file that was sent and is not there any more.
    FileGone,
    /// There is no room for more files that nobody sent off.
    FileRoom,
    /// There is no room for more files of this person, who did not send off those that they sent before.
    FileWaiting,
}

impl FaultCode {
    /// Key in `--json` and templates.
    pub const fn key(self) -> &'static str {
        match self {
            FaultCode::Missing => "missing",
            FaultCode::Range => "range",
            FaultCode::Code => "code",
            FaultCode::Type => "type",
            FaultCode::Pattern => "pattern",
            FaultCode::OurNumber => "our-number",
            FaultCode::Date => "date",
            FaultCode::Unknown => "unknown",
            FaultCode::Conflict => "conflict",
            FaultCode::Charset => "charset",
            FaultCode::Control => "control",
            FaultCode::Empty => "empty",
            FaultCode::Quoted => "quoted",
            FaultCode::Check => "check",
            FaultCode::FileType => "file-type",
            FaultCode::FileSize => "file-size",
            FaultCode::FileEmpty => "file-empty",
            FaultCode::FileGone => "file-gone",
            FaultCode::FileRoom => "file-room",
            FaultCode::FileWaiting => "file-waiting",
        }
    }
}

/// A registration form as somebody filled it in: answers accepted, faults found, and every line as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Accepted answers by item id.
    pub answers: BTreeMap<String, Answer>,
    /// Faults, in the order of the items, `body` first, those between answers last.
    pub faults: Vec<Fault>,
    /// Answers outside the soft limits: (item id, expected), to be confirmed by the sender.
    pub doubts: Vec<Fault>,
    /// What was typed for each item, faulty or not, to fill the form in again.
    pub typed: BTreeMap<String, String>,
    /// Items that are not asked, or of which it cannot be told yet whether they are.
    pub unasked: BTreeSet<String>,
    /// Keys that match no item, with their values: reported, no fault.
    pub unknown: Vec<(String, String)>,
    /// The earlier subject that is screened again, as typed.
    pub rescreens: Option<String>,
}

impl Form {
    /// The canonical value of an item, if it was accepted.
    pub fn value(&self, item: &str) -> Option<String> {
        self.answers.get(item).map(|answer| answer.value.canonical())
    }

    /// Canonical values by item id: what is stored, compared and shown by `hagaki read`.
    pub fn canonical(&self) -> BTreeMap<String, String> {
        self.answers.iter().map(|(item, answer)| (item.clone(), answer.value.canonical())).collect()
    }
}
