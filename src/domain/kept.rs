//! Answers and texts as they are kept: what identifies a person is sealed before it reaches the database.
//!
//! In charge of the form of what is kept, and the only place that makes it: [`Kept`] and [`KeptReference`] have no other way in, and
//! the store takes nothing else for a column or an entry that holds answers. So nobody can forget to seal. Answers are a JSON object,
//! item → text; of a personal item, item → `{"sealed": "1.…"}`, so that what was written before there was a seal reads as what it is.
//! The same sealed text stands in the row and in its entry of the audit chain, which therefore is compared without a key.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::instrument::Instrument;
use super::seal::{self, KeyRing, NoKey, Unopened};

/// What these seals are for.
const PURPOSE: &str = "hagaki personal";
/// The key under which something sealed stands.
const SEALED: &str = "sealed";
/// Which form of sealing it is, before the letters.
const VERSION: &str = "1.";
/// Texts are filled up to multiples of so many bytes before they are sealed, so that their length tells little.
const STEP: usize = 32;
/// What stands before the code of a reference; no folded reference holds a blank.
const CODED: &str = "= ";

/// Where something is kept: a seal opens there and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Number of the study in the database.
    pub study: i64,
    /// Which column.
    pub column: Column,
    /// Which row of it.
    pub key: &'a str,
}

impl Place<'_> {
    fn of(&self, item: &str) -> Vec<u8> {
        format!("{} {:?} {} {item}", self.study, self.column, self.key).into_bytes()
    }
}

/// A column that may hold what is personal. Their names are bound to what is sealed in them, and must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// `subject.answers`, by the subject's number in the study.
    SubjectAnswers,
    /// `subject.typed`, likewise.
    SubjectTyped,
    /// `randomization.answers`, by the allocation's number.
    RandomizationAnswers,
    /// `randomization.typed`, likewise.
    RandomizationTyped,
    /// `response.answers`, by the response's name.
    ResponseAnswers,
    /// `response.typed`, likewise.
    ResponseTyped,
    /// `subject_fact.changes`, by the fact's number.
    FactChanges,
    /// `pending.body`, by the token's digest.
    PendingBody,
    /// `inbox.reading`, by the mail's number.
    InboxReading,
}

/// A JSON text to be kept, what is personal in it sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept(String);

impl Kept {
    /// Answers to an instrument, by item id; an item that the instrument does not have is kept as one that is not personal.
    ///
    /// # Errors
    /// Something is personal, and there is no key.
    pub fn answers(
        ring: &KeyRing,
        place: Place<'_>,
        instrument: &Instrument,
        answers: &BTreeMap<String, String>,
    ) -> Result<Kept, NoKey> {
        let personal = |id: &str| instrument.find(id).is_some_and(|item| item.personal);
        if !answers.keys().any(|id| personal(id)) {
            return Ok(Kept(serde_json::to_string(answers).expect("a map of texts is JSON")));
        }
        let mut kept = Map::new();
        for (id, text) in answers {
            let value = if personal(id) { sealed(ring, &place.of(id), text)? } else { json!(text) };
            kept.insert(id.clone(), value);
        }
        Ok(Kept(Value::Object(kept).to_string()))
    }

    /// Any JSON text, sealed as a whole if it may hold what is personal.
    ///
    /// # Errors
    /// It may, and there is no key.
    pub fn whole(ring: &KeyRing, place: Place<'_>, personal: bool, text: &str) -> Result<Kept, NoKey> {
        Ok(Kept(if personal { sealed(ring, &place.of(""), text)?.to_string() } else { text.to_string() }))
    }

    /// What the database keeps.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The same as a part of another JSON text.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.0).expect("it was made from JSON")
    }
}

/// A form to be kept: its answers, and what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptForm {
    /// Canonical answers.
    pub answers: Kept,
    /// What was typed.
    pub typed: Kept,
}

impl KeptForm {
    /// The answers to an instrument and what was typed, in the columns of the row `key`.
    ///
    /// # Errors
    /// Something is personal, and there is no key.
    pub fn new(
        ring: &KeyRing,
        (study, columns, key): (i64, [Column; 2], &str),
        instrument: &Instrument,
        answers: &BTreeMap<String, String>,
        typed: &BTreeMap<String, String>,
    ) -> Result<KeptForm, NoKey> {
        let [own, beside] = columns.map(|column| Place { study, column, key });
        let answers = Kept::answers(ring, own, instrument, answers)?;
        Ok(KeptForm { answers, typed: Kept::answers(ring, beside, instrument, typed)? })
    }
}

fn sealed(ring: &KeyRing, place: &[u8], text: &str) -> Result<Value, NoKey> {
    let size = (text.len() + seal::LENGTH_BYTES).next_multiple_of(STEP);
    let padded = seal::pad(text.as_bytes(), size).ok_or(NoKey)?;
    let letters = data_encoding::BASE64URL_NOPAD.encode(&ring.keep(PURPOSE, place, &padded)?);
    Ok(json!({ SEALED: format!("{VERSION}{letters}") }))
}

fn opened(ring: &KeyRing, place: &[u8], letters: &str) -> Result<String, Unopened> {
    let letters = letters.strip_prefix(VERSION).ok_or(Unopened::Damaged)?;
    let sealed = data_encoding::BASE64URL_NOPAD.decode(letters.as_bytes()).map_err(|_| Unopened::Damaged)?;
    let padded = ring.open(PURPOSE, place, &sealed)?;
    let plain = seal::unpad(&padded).ok_or(Unopened::Damaged)?;
    String::from_utf8(plain.to_vec()).map_err(|_| Unopened::Damaged)
}

/// The letters of something sealed, if a value is that.
fn letters(value: &Value) -> Option<&str> {
    value.as_object().filter(|facts| facts.len() == 1)?.get(SEALED)?.as_str()
}

/// Whether something in a kept JSON text may be sealed. A text of somebody's holds no quotation mark without a backslash before it.
fn may_be_sealed(kept: &str) -> bool {
    kept.contains("{\"sealed\":")
}

/// Answers as they were given, from what [`Kept::answers`] made: JSON, item to text. What was kept in the clear stays as it is.
///
/// # Errors
/// A key that is not in the ring; what was changed, or moved from another place.
pub fn open_answers(ring: &KeyRing, place: Place<'_>, kept: String) -> Result<String, Unopened> {
    if !may_be_sealed(&kept) {
        return Ok(kept);
    }
    let Ok(answers) = serde_json::from_str::<BTreeMap<String, Value>>(&kept) else { return Err(Unopened::Damaged) };
    let mut plain: BTreeMap<&str, String> = BTreeMap::new();
    for (id, value) in &answers {
        let text = match (letters(value), value.as_str()) {
            (Some(letters), _) => opened(ring, &place.of(id), letters)?,
            (None, Some(text)) => text.to_string(),
            (None, None) => return Err(Unopened::Damaged),
        };
        plain.insert(id, text);
    }
    Ok(serde_json::to_string(&plain).expect("a map of texts is JSON"))
}

/// The text that [`Kept::whole`] kept.
///
/// # Errors
/// As [`open_answers`].
pub fn open_whole(ring: &KeyRing, place: Place<'_>, kept: String) -> Result<String, Unopened> {
    let value = may_be_sealed(&kept).then(|| serde_json::from_str::<Value>(&kept).ok()).flatten();
    match value.as_ref().and_then(letters) {
        Some(letters) => opened(ring, &place.of(""), letters),
        None => Ok(kept),
    }
}

/// A subject's reference as it is kept: of a personal one its code, by which the same is found again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptReference(String);

impl KeptReference {
    /// A reference; what stands behind a blank in it, the number of a screening, stays as it is.
    ///
    /// # Errors
    /// It is personal, and there is no key.
    pub fn new(ring: &KeyRing, study: i64, personal: bool, reference: &str) -> Result<KeptReference, NoKey> {
        if !personal {
            return Ok(KeptReference(reference.to_string()));
        }
        let (own, screening) = parted(reference);
        let coded = coded(ring, study, own).next().ok_or(NoKey)?;
        Ok(KeptReference(format!("{coded}{screening}")))
    }

    /// What the database keeps.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// Every text under which a reference can be on file: its codes, and itself. What stands behind a blank in it stays as it is.
pub fn references(ring: &KeyRing, study: i64, reference: &str) -> Vec<String> {
    let (own, screening) = parted(reference);
    coded(ring, study, own).map(|code| format!("{code}{screening}")).chain([reference.to_string()]).collect()
}

/// A reference as it is kept, without the number of a screening.
pub fn without_screening(kept: &str) -> &str {
    parted(kept).0
}

/// A reference, in the clear or as it is kept, and what stands behind it: a blank and the number of a screening, or nothing. No folded
/// reference holds a blank, and the code behind the last one of a coded reference is longer than any number.
fn parted(reference: &str) -> (&str, &str) {
    const DIGITS: usize = 20;
    let counts = |count: &str| count.len() < DIGITS && count.bytes().all(|byte| byte.is_ascii_digit());
    match reference.rsplit_once(' ') {
        Some((own, count)) if counts(count) => (own, reference.strip_prefix(own).unwrap_or_default()),
        _ => (reference, ""),
    }
}

fn coded(ring: &KeyRing, study: i64, reference: &str) -> impl Iterator<Item = String> {
    let text = format!("{study} {reference}");
    let codes: Vec<seal::Coded> = ring.codes("hagaki reference", text.as_bytes()).collect();
    codes.into_iter().map(|one| format!("{CODED}{} {}", one.key, data_encoding::HEXLOWER.encode(&one.code)))
}
