//! Invitations that commands wrote and that waited in the outbox are looked at once more before they leave: whoever was taken out meanwhile,
//! wants no more or is out of reach is not written to. What rules wrote is the schedule's to look at.

use std::collections::{BTreeMap, BTreeSet};

use super::addresses::Fates;
use super::{Means, opt_out};
use crate::store::outbox::{self, OutboxItem};
use crate::store::participant::{self, ParticipantRow, State};
use crate::store::{Store, StoreError};

/// Drops those of these letters, claimed by `owner`, that are not to leave any more, and gives their Message-IDs. Where several people share
/// an address, none of them may be written to.
///
/// # Errors
/// Those of the database.
pub async fn drop_unwanted(
    store: &Store,
    means: Means<'_>,
    owner: &str,
    waited: &[&OutboxItem],
) -> Result<BTreeSet<String>, StoreError> {
    let (mut ended, key) = (BTreeSet::new(), &means.keys.address);
    let mut by_study: BTreeMap<i64, Vec<&OutboxItem>> = BTreeMap::new();
    for letter in waited {
        if let Some(study_id) = letter.study_id {
            by_study.entry(study_id).or_default().push(*letter);
        }
    }
    for (study_id, letters) in by_study {
        let addresses: BTreeSet<&str> = letters.iter().map(|letter| letter.recipient.as_str()).collect();
        let addresses: Vec<&str> = addresses.into_iter().collect();
        let mut tx = store.begin().await?;
        let people = participant::list_at(&mut tx, study_id, &addresses).await?;
        let ids: Vec<(i64, &str)> = people.iter().map(|one| (one.id, one.address.as_str())).collect();
        let silent: BTreeSet<i64> = opt_out::among(&mut tx, key, &ids).await?.into_keys().collect();
        let fates = Fates::read(&mut tx, key, &addresses).await?;
        let mut by_address: BTreeMap<&str, Vec<&ParticipantRow>> = BTreeMap::new();
        for one in &people {
            by_address.entry(one.address.as_str()).or_default().push(one);
        }
        for letter in letters {
            let own = by_address.get(letter.recipient.as_str()).map(Vec::as_slice).unwrap_or_default();
            let whys: Option<Vec<&str>> = own.iter().map(|one| why(one, letter, &silent, &fates)).collect();
            let Some(why) = whys.and_then(|whys| whys.first().copied()) else { continue };
            if outbox::drop_unwanted(&mut tx, letter.id, owner, why).await? {
                ended.insert(letter.message_id.clone());
            }
        }
        tx.commit().await?;
    }
    Ok(ended)
}

/// Why a letter is not to go to one of those at its address; none if it may.
fn why(one: &ParticipantRow, letter: &OutboxItem, silent: &BTreeSet<i64>, fates: &Fates) -> Option<&'static str> {
    if one.state == State::Withdrawn {
        return Some("they take part no more");
    }
    // What was written later somebody had sent to them alone, and knew what stands against it.
    if one.created_at != letter.created_at {
        return None;
    }
    let stopped = fates.is_stopped(&one.address).then_some("letters to the address come back");
    silent.contains(&one.id).then_some("they want no more letters").or(stopped)
}
