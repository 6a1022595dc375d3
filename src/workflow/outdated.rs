//! Letters that waited in the outbox are looked at once more before they leave: what was sealed for a key that is not on file any more, or is
//! good no more, and what stands in the clear and would be sealed by now, gives way to a letter that says nothing of the case.

use std::collections::BTreeMap;

use super::compose::{self, Addressing, Outgoing};
use super::schedule::Looked;
use super::sealing;
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means};
use crate::domain::text::fold_address;
use crate::domain::time::Instant;
use crate::letters::{Kind, sealed};
use crate::limits;
use crate::store::outbox::{self, OutboxItem};

/// Whether a claimed letter is one that may not be allowed to leave as it is any more.
pub fn is_doubtful(letter: &OutboxItem, now: Instant) -> bool {
    let waited = now.seconds_since(letter.created_at) > limits::SCHEDULE_FRESH_SECONDS;
    let kind = Kind::find(&letter.kind).filter(|kind| !kind.is_participants());
    let of_case = |kind: Kind| kind.tells_of_case() || letter.raw.as_deref().is_ok_and(sealed::is_sealed);
    waited && letter.study_id.is_some() && kind.is_some_and(of_case)
}

/// Puts those of these letters, claimed by `owner`, aside that may not leave as they are, and writes others in their place.
///
/// A study that cannot be looked into keeps its own letters waiting and no other's.
///
/// # Errors
/// Those of the database.
pub async fn replace(shelf: &Shelf, means: Means<'_>, owner: &str, waited: &[&OutboxItem]) -> Result<Looked, Failure> {
    let (mut looked, mut outdated) = (Looked::default(), Vec::new());
    let mut by_study: BTreeMap<i64, Vec<&OutboxItem>> = BTreeMap::new();
    for letter in waited {
        if let Some(study_id) = letter.study_id {
            by_study.entry(study_id).or_default().push(*letter);
        }
    }
    for (study_id, letters) in by_study {
        let shelved = shelf.find_by_id(study_id).await;
        for letter in letters {
            let instead = match &shelved {
                Ok(shelved) => in_place_of(shelved, means, letter).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match instead {
                Ok(Some((slug, instead))) => outdated.push((study_id, slug, letter, instead)),
                Ok(None) => {}
                Err(why) => {
                    tracing::warn!(
                        letter = letter.id,
                        why,
                        "whether a letter may still leave cannot be told; it waits"
                    );
                    looked.undecided.insert(letter.message_id.clone());
                }
            }
        }
    }
    if outdated.is_empty() {
        return Ok(looked);
    }
    let mut tx = shelf.store().begin().await?;
    for (study_id, slug, letter, instead) in outdated {
        // Whoever has it now looks at it anew.
        if outbox::drop_unwanted(&mut tx, letter.id, owner, "its reader's OpenPGP key is another one by now").await? {
            compose::post(&mut tx, Some(study_id), means, letter.inbox_id, std::slice::from_ref(&instead)).await?;
            tracing::warn!(
                letter = letter.id,
                "a letter with case data is withheld: its reader's key is another one by now"
            );
            metrics::counter!("hagaki_letters_withheld_total", "study" => slug).increment(1);
        }
        looked.ended.insert(letter.message_id.clone());
    }
    tx.commit().await?;
    Ok(looked)
}

/// The letter that is sent in the place of one that may not leave, with its study's slug; none if it may.
fn in_place_of(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    letter: &OutboxItem,
) -> Result<Option<(String, Outgoing)>, Failure> {
    let study = &shelved.study;
    let (Some(kind), Ok(raw)) = (Kind::find(&letter.kind), &letter.raw) else { return Ok(None) };
    let Some(person) = study.find_person_by_address(&fold_address(&letter.recipient)) else { return Ok(None) };
    if sealing::stale(study, person, means.now, (kind, raw)).is_none() {
        return Ok(None);
    }
    let to = Addressing {
        address: Some(&letter.recipient),
        subject_id: letter.subject_id,
        ..Addressing::unasked(study, person)
    };
    let instead = compose::compose(shelved, means, to, sealing::in_place_of(study, means, person, kind))?;
    Ok(Some((study.slug.clone(), instead)))
}
