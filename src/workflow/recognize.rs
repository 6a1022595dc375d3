//! Who on a list of participants is on file already: whoever is known is not asked twice, and nobody is taken for another.

use std::collections::BTreeSet;

use crate::domain::participant::{Candidate, Likeness, Seen, Sign, Trait, strongest};
use crate::limits;
use crate::store::participant::{self, ParticipantRow, State};
use crate::store::{Reader, Store, StoreError, Tx, account};

/// Somebody on a list who gets no credential, because they are known, or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Line of the list, if it has lines.
    pub line: Option<usize>,
    /// Number of the participant on file; none of somebody who stands above them on the same list.
    pub number: Option<i64>,
    /// By what they are known, or that it cannot be told.
    pub likeness: Likeness,
    /// Whether the participant withdrew.
    pub withdrew: bool,
}

impl PassedOver {
    fn of(candidate: &Candidate, row: &ParticipantRow, likeness: Likeness) -> PassedOver {
        let withdrew = row.state == State::Withdrawn;
        PassedOver { line: candidate.line, number: Some(row.number), likeness, withdrew }
    }

    /// Whether it cannot be told if they are the participant.
    pub fn is_unclear(&self) -> bool {
        self.likeness == Likeness::Unclear
    }
}

/// Whom of the participants on file somebody on a list is, or may be.
async fn on_file<'a>(
    from: impl Into<Reader<'a>>,
    study_id: i64,
    candidate: &Candidate,
) -> Result<Option<PassedOver>, StoreError> {
    let most = i64::try_from(limits::PEOPLE_OF_AN_ADDRESS).unwrap_or(i64::MAX);
    let alike =
        participant::list_alike(from, study_id, (&candidate.reference, &candidate.address), most.saturating_add(1))
            .await?;
    if alike.len() > limits::PEOPLE_OF_AN_ADDRESS {
        return Ok(alike.first().map(|row| PassedOver::of(candidate, row, Likeness::Unclear)));
    }
    let sign = candidate.sign();
    let found = alike.iter().map(|row| (row, sign.compare(&Sign::new(&row.reference, &row.name, &row.address))));
    Ok(strongest(found).map(|(row, likeness)| PassedOver::of(candidate, row, likeness)))
}

/// Those of a list who are on file, or may be.
///
/// # Errors
/// The database.
pub async fn known(store: &Store, study_id: i64, candidates: &[Candidate]) -> Result<Vec<PassedOver>, StoreError> {
    let mut known = Vec::new();
    for candidate in candidates {
        known.extend(on_file(store, study_id, candidate).await?);
    }
    Ok(known)
}

/// The candidates who are not known, and the others; `admits` those of whom it cannot be told.
pub(super) async fn unknown(
    tx: &mut Tx,
    study_id: i64,
    candidates: &[Candidate],
    admits: bool,
) -> Result<(Vec<Candidate>, Vec<PassedOver>), StoreError> {
    let (mut new, mut passed) = (Vec::with_capacity(candidates.len()), Vec::new());
    let mut seen = Seen::default();
    for (at, candidate) in candidates.iter().enumerate() {
        let sign = candidate.sign();
        let bare = sign == Sign::new("", "", "");
        // Of people of whom nothing is known there are as many as are asked for.
        let above = seen.find(&sign).filter(|_| !bare).map(|(_, likeness)| PassedOver {
            line: candidate.line,
            number: None,
            likeness,
            withdrew: false,
        });
        let found = match above {
            Some(above) if !above.is_unclear() => Some(above),
            unclear => on_file(&mut *tx, study_id, candidate).await?.or(unclear),
        };
        match found {
            Some(found) if !(admits && found.is_unclear()) => passed.push(found),
            _ => {
                seen.put(sign, at);
                new.push(candidate.clone());
            }
        }
    }
    Ok((new, passed))
}

/// The candidates whose account does not stand on the roll, and the others; of two with one address the first is taken.
pub(super) async fn off_the_roll(
    tx: &mut Tx,
    study_id: i64,
    candidates: &[Candidate],
) -> Result<(Vec<Candidate>, Vec<PassedOver>), StoreError> {
    let (mut new, mut passed) = (Vec::with_capacity(candidates.len()), Vec::new());
    let mut seen = BTreeSet::new();
    for candidate in candidates {
        let known = match account::find_by_address(&mut *tx, &candidate.address).await? {
            Some(account) => participant::find_by_account(&mut *tx, study_id, &account.id).await?,
            None => None,
        };
        let likeness = Likeness::Same(Trait::Address);
        match known {
            Some(row) => passed.push(PassedOver::of(candidate, &row, likeness)),
            None if !seen.insert(&candidate.address) => {
                passed.push(PassedOver { line: candidate.line, number: None, likeness, withdrew: false });
            }
            None => new.push(candidate.clone()),
        }
    }
    Ok((new, passed))
}
