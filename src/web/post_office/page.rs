//! What the page states: mails in and out as plain facts for its template.

use serde_json::{Value, json};

use super::PostOffice;
use super::words::Words;
use crate::domain::instrument::{Instrument, Item};
use crate::domain::language::Language;
use crate::letters::{opened, words as pieces};
use crate::limits;
use crate::store::StoreError;
use crate::store::inbox::{self, InboxRow};
use crate::store::outbox::{self, OutboxRow};

/// The mails in and out, newest first; those behind the number `since` are marked new.
pub(super) async fn exchanges(
    office: &PostOffice,
    language: Language,
    since: Option<i64>,
) -> Result<Vec<Value>, StoreError> {
    let store = &office.rooms.store;
    let mut exchanges = Vec::new();
    let mails = inbox::list(store, inbox::Which::All, None, limits::POST_OFFICE_MAILS).await?;
    for (place, mail) in mails.into_iter().enumerate() {
        let mut letters = Vec::new();
        for letter in outbox::find_by_inbox(store, mail.id).await? {
            let raw = outbox::find_raw(store, letter.id).await?.unwrap_or_default();
            letters.push(letter_facts(&office.words, language, &letter, &opened::open(&raw)));
        }
        let fresh = since.is_some_and(|since| mail.id > since);
        let mut facts = mail_facts(office, language, &mail).await;
        if let Value::Object(facts) = &mut facts {
            facts.insert("fresh".into(), json!(fresh));
            facts.insert("open".into(), json!(fresh || place == 0));
            facts.insert("letters".into(), Value::Array(letters));
        }
        exchanges.push(facts);
    }
    Ok(exchanges)
}

async fn mail_facts(office: &PostOffice, language: Language, mail: &InboxRow) -> Value {
    let words = &office.words;
    let read: Value = mail.reading.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let text = |key: &str| read.get(key).and_then(Value::as_str).unwrap_or_default();
    // A study that cannot be read leaves its items' ids instead of their labels.
    let shelved = match mail.study_id {
        Some(id) => office.rooms.shelf.find_by_id(id).await.ok(),
        None => None,
    };
    let instrument = shelved.as_ref().map(|shelved| shelved.study.registration_instrument());
    let keys: Vec<&str> = mail.reason.split(' ').filter(|key| !key.is_empty()).collect();
    let hints: Vec<&str> = keys.iter().filter_map(|key| words.find(language, "hint", key)).collect();
    // Faults are listed with their lines; said twice they only make the page longer.
    let faulty = |key: &&&str| words.find(language, "fault", key.split(':').next().unwrap_or_default()).is_none();
    let reasons: Vec<String> = keys.iter().filter(faulty).map(|key| words.reason(language, key)).collect();
    json!({
        "id": mail.id,
        "subject": text("subject"),
        "sender": text("sender"),
        "text": text("text"),
        "text_lang": language_of(text("text")),
        "cut": text("text").chars().count() >= limits::SUMMARY_CHARS,
        "received": mail.received_at.local(office.rooms.zone),
        "decided": mail.state != inbox::State::New,
        "disposition": mail.disposition,
        "decision": words.word(language, "disposition", &mail.disposition),
        "keys": mail.reason,
        "reasons": reasons,
        "hints": hints,
        "guess": text("charset_guess"),
        "fields": fields(&read, instrument, language),
        "faults": faults(&read, instrument, words, language),
    })
}

fn label(instrument: Option<&Instrument>, id: &str, language: Language) -> String {
    let item: Option<&Item> = instrument.and_then(|instrument| instrument.find(id));
    item.map_or(id, |item| item.label.in_language(language)).to_string()
}

/// What was read, in the order of the form.
fn fields(read: &Value, instrument: Option<&Instrument>, language: Language) -> Vec<Value> {
    let Some(fields) = read.get("fields").and_then(Value::as_object) else { return Vec::new() };
    let place = |id: &str| instrument.and_then(|instrument| instrument.items.iter().position(|item| item.id == id));
    let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
    fields.sort_by_key(|(id, _)| place(id));
    let shown = fields.into_iter().map(|(id, value)| {
        let value = pieces::yes_no(language, value.as_str().unwrap_or_default());
        json!({ "item": label(instrument, id, language), "value": value })
    });
    shown.collect()
}

fn faults(read: &Value, instrument: Option<&Instrument>, words: &Words, language: Language) -> Vec<Value> {
    let listed = read.get("faults").and_then(Value::as_array).into_iter().flatten();
    let shown = listed.map(|fault| {
        let text = |key: &str| fault.get(key).and_then(Value::as_str).unwrap_or_default();
        let item = match text("item") {
            "" => words.word(language, "fault", "whole"),
            id => label(instrument, id, language),
        };
        json!({ "item": item, "wrong": words.word(language, "fault", text("code")), "typed": text("typed") })
    });
    shown.collect()
}

fn letter_facts(words: &Words, language: Language, letter: &OutboxRow, open: &opened::Opened) -> Value {
    json!({
        "id": letter.id,
        "recipient": letter.recipient,
        "kind": words.word(language, "kind", &letter.kind),
        "state": words.word(language, "state", letter.state.key()),
        "subject": open.subject,
        "text": open.text,
        "text_lang": language_of(&open.text),
        "html": open.html.is_some(),
        "asks": letter.kind == "confirm",
    })
}

/// The language a text is read aloud in: Japanese if it holds kana or kanji.
fn language_of(text: &str) -> &'static str {
    let japanese = text.chars().any(|c| matches!(c, '\u{3040}'..='\u{30FF}' | '\u{4E00}'..='\u{9FFF}'));
    if japanese { Language::Ja.code() } else { Language::En.code() }
}
