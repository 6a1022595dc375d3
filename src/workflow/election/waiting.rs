//! Letters to voters that wait in the outbox are looked at once more before they leave: whoever voted meanwhile is not reminded.
//!
//! Such a letter is taken away as if it had never been written. Had it only been dropped, it would tell that its reader voted between two
//! moments, and the roll is to tell no more of that than a day.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::chain::Sha256Digest;
use crate::domain::credential::Secret;
use crate::domain::election::letters::Occasion;
use crate::letters::{Kind, opened};
use crate::limits;
use crate::store::credential_link;
use crate::store::outbox::{self, OutboxItem};
use crate::store::voter_letter::{self, WaitingLetter};
use crate::workflow::schedule::Looked;
use crate::workflow::shelf::Shelf;
use crate::workflow::{Failure, Means};

/// Whether a claimed letter is one to a voter that may not be wanted any more: a reminder at any time, what brings a link after a while.
pub fn is_doubtful(letter: &OutboxItem, means: Means<'_>) -> bool {
    let waited = means.now.seconds_since(letter.created_at) > limits::SCHEDULE_FRESH_SECONDS;
    match Kind::find(&letter.kind) {
        Some(Kind::ElectionReminder) => true,
        Some(Kind::ElectionNotice | Kind::ElectionCredential | Kind::ElectionRenewed) => waited,
        _ => false,
    }
}

/// Takes those letters out of the outbox that are not wanted any more: of a voter who voted, votes by post or is not on the roll, of a link that
/// another took the place of, or after the close. Their links go with them: a link without a letter would tell that one was taken away.
///
/// # Errors
/// The database.
pub async fn erase_unwanted(shelf: &Shelf, means: Means<'_>, claimed: &[&OutboxItem]) -> Result<Looked, Failure> {
    let ids: BTreeMap<&str, i64> = claimed.iter().map(|own| (own.message_id.as_str(), own.id)).collect();
    let messages: Vec<&str> = ids.keys().copied().collect();
    let mut tx = shelf.store().begin().await?;
    let found = voter_letter::list_of_messages(&mut tx, &messages).await?;
    let mut looked = Looked::default();
    let mut over: BTreeMap<i64, Option<bool>> = BTreeMap::new();
    for study_id in found.iter().map(|own| own.study_id).collect::<BTreeSet<i64>>() {
        let shelved = shelf.find_by_id(study_id).await;
        let closes = match &shelved {
            Ok(shelved) => shelved.study.election.as_ref().map(|own| own.terms.closes),
            Err(error) => {
                tracing::warn!(study = study_id, %error, "whether letters to voters are still wanted cannot be told; they wait");
                None
            }
        };
        over.insert(study_id, closes.map(|closes| means.now >= closes));
    }
    let known: BTreeMap<&str, &WaitingLetter> = found.iter().map(|own| (own.message_id.as_str(), own)).collect();
    for message_id in &messages {
        match known.get(message_id).map(|own| (own, over.get(&own.study_id).copied().flatten())) {
            Some((_, None)) => drop(looked.undecided.insert((*message_id).to_string())),
            Some((own, Some(over))) if is_wanted(own, over) => {}
            Some(_) | None => drop(looked.ended.insert((*message_id).to_string())),
        }
    }
    if looked.ended.is_empty() {
        return Ok(looked);
    }
    let gone: Vec<i64> = looked.ended.iter().filter_map(|own| ids.get(own.as_str()).copied()).collect();
    let ended: Vec<&str> = looked.ended.iter().map(String::as_str).collect();
    let links: Vec<Sha256Digest> =
        claimed.iter().filter(|own| looked.ended.contains(&own.message_id)).filter_map(|own| link_in(own)).collect();
    for link in &links {
        credential_link::forget(&mut tx, link).await?;
    }
    voter_letter::forget(&mut tx, &ended).await?;
    outbox::erase(&mut tx, &gone).await?;
    tx.commit().await?;
    Ok(looked)
}

/// What is kept of the link in a letter that has not left yet.
fn link_in(letter: &OutboxItem) -> Option<Sha256Digest> {
    let text = opened::open(letter.raw.as_ref().ok()?).text;
    let typed = |rest: &str| rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
    text.split("/v/").skip(1).find_map(|rest| Secret::parse(&typed(rest))).map(|secret| secret.link_digest())
}

fn is_wanted(letter: &WaitingLetter, over: bool) -> bool {
    match letter.occasion {
        Occasion::Reminder(_) => !over && !letter.voted && !letter.postal,
        Occasion::Credential | Occasion::Renewed => !over && !letter.postal,
        Occasion::Notice => !over,
        Occasion::Receipt | Occasion::Result => true,
    }
}
