//! A study's audit trail, to be read while the study goes on: who did what, when, about which subject.
//!
//! In charge of what is shown of an entry. In a blinded study, to whoever must not know arms, these are the particulars that are listed
//! here and nothing else: what a later program puts into entries stays hidden until somebody lists it. An arm that was given by hand looks
//! like one that was drawn there, as it does in letters.

use serde_json::{Map, Value};

use super::Failure;
use super::entry::SALT;
use crate::domain::chain::Sha256Digest;
use crate::domain::time::Instant;
use crate::limits;
use crate::store::Store;
use crate::store::audit::{self, Unlinked};

/// Particulars that tell no arm, however they are put together. Reasons in somebody's own words are not among them, nor answers, counts,
/// levels and kits.
const TELLS_NO_ARM: [&str; 21] = [
    "subject",
    "site",
    "by",
    "what",
    "kind",
    "fact",
    "of",
    "takes_back",
    "randomization",
    "rescreens",
    "participant",
    "bundle",
    "version",
    "planned",
    "on",
    "base",
    "items",
    "reasons",
    "person",
    "inbox",
    "deidentified",
];
/// Of decisions these are not shown either: only who gives an arm by hand is named beside, and no mail asks for it.
const TELLS_THE_HAND: [&str; 2] = ["person", "inbox"];
/// Entries of decisions.
const DECISIONS: [&str; 2] = ["enroll", "randomize"];

/// One entry as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Place in the chain.
    pub seq: i64,
    /// When.
    pub at: Instant,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// Number of the subject that it is about, if it is about one.
    pub subject: Option<i64>,
    /// What else may be shown, by key; texts that name people stay sealed.
    pub particulars: Map<String, Value>,
    /// Digest of the entry.
    pub digest: Sha256Digest,
}

impl Line {
    /// What of an entry is shown; `concealed` to whoever must not know arms.
    ///
    /// # Errors
    /// An entry that no program of ours can have written.
    pub fn of(entry: Unlinked, concealed: bool) -> Result<Line, Failure> {
        let Unlinked { seq, at, actor, action, body, digest } = entry;
        let broken = |error| Failure::Contradiction(format!("entry {seq} of the chain: {error}"));
        let mut particulars: Map<String, Value> = serde_json::from_str(&body).map_err(broken)?;
        // With these bits anybody could try which body gives the digest in a receipt.
        particulars.remove(SALT);
        let mut actor = actor;
        if concealed {
            let decides = DECISIONS.contains(&action.as_str());
            if let (true, Some(Value::String(person))) = (decides, particulars.get("person")) {
                actor.clone_from(person);
            }
            particulars.retain(|key, _| {
                TELLS_NO_ARM.contains(&key.as_str()) && !(decides && TELLS_THE_HAND.contains(&key.as_str()))
            });
        }
        let subject = particulars.remove("subject");
        let number = subject.as_ref().and_then(Value::as_i64);
        if let (Some(other), None) = (subject, number) {
            particulars.insert("subject".to_string(), other);
        }
        Ok(Line { seq, at, actor, action, subject: number, particulars, digest })
    }
}

/// Entries of a chain behind `after`, as they are shown, and the place of the last that was looked at; none where the chain ends.
///
/// # Errors
/// The database; an entry that no program of ours can have written.
pub async fn page(
    store: &Store,
    study_id: i64,
    after: i64,
    concealed: bool,
) -> Result<Option<(Vec<Line>, i64)>, Failure> {
    let entries = audit::list_unlinked(store, study_id, after, limits::PAGE_ROWS).await?;
    let Some(last) = entries.last().map(|entry| entry.seq) else { return Ok(None) };
    let lines = entries.into_iter().map(|entry| Line::of(entry, concealed)).collect::<Result<Vec<Line>, Failure>>()?;
    Ok(Some((lines, last)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(actor: &str, action: &str, body: &Value, concealed: bool) -> Line {
        let at = Instant(0);
        let (actor, action, body) = (actor.to_string(), action.to_string(), body.to_string());
        Line::of(Unlinked { seq: 1, at, actor, action, body, digest: [0; 32] }, concealed).expect("an object")
    }

    #[test]
    fn what_is_not_listed_stays_hidden_and_a_hand_looks_like_a_draw() {
        let allocation = json!({ "number": 3, "arm": "H", "kit": "X", "forced": { "by": "pharmacy" } });
        let by_hand = json!({ "subject": 3, "site": "101", "inbox": null, "allocation": allocation, "person": "mori", "salt": "00", "new": "H" });
        let drawn = json!({ "subject": 3, "site": "101", "inbox": 7, "allocation": { "arm": "P" }, "salt": "01" });
        let shown = line("operator:x", "enroll", &by_hand, true);
        assert_eq!(shown, line("mori", "enroll", &drawn, true));
        assert_eq!((shown.subject, Value::Object(shown.particulars)), (Some(3), json!({ "site": "101" })));
        let whole = line("operator:x", "enroll", &by_hand, false);
        assert_eq!((whole.actor.as_str(), &whole.particulars["allocation"]), ("operator:x", &allocation));
        assert!(!whole.particulars.contains_key("salt"));
        let fact = json!({ "subject": 3, "kind": "withdrawn", "person": "mori", "reason": "felt it was H", "changes": {}, "inbox": 8 });
        let shown = line("mori", "fact", &fact, true);
        assert_eq!(Value::Object(shown.particulars), json!({ "kind": "withdrawn", "person": "mori", "inbox": 8 }));
    }
}
