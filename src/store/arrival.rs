//! Somebody at the door of a survey: their credential with its study and whose it is, in one statement. Pages are asked for far more
//! often than anything else, and each statement costs a change of threads.

use super::credential::{self, CredentialRow};
use super::participant::{self, ParticipantRow};
use super::sql::{Row, binds, statements};
use super::study::{self, StudyRow};
use super::{Reader, StoreError};
use crate::domain::chain::Sha256Digest;
use crate::domain::seal::KeyRing;
use crate::domain::survey::Mark;

/// A credential, its study, and whose it is.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// What opens the door.
    pub credential: CredentialRow,
    /// The study that it is of.
    pub study: StudyRow,
    /// Whose it is; none where nobody may know.
    pub participant: Option<ParticipantRow>,
}

// The columns of each table in the order of its own module, which reads them.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT credential.id, credential.study_id, credential.participant_id, credential.link_digest, credential.login, \
             credential.password_digest, credential.state, credential.uses, credential.valid_from, credential.expires_at, \
             credential.issued_at, study.id, study.slug, study.stage, study.state, study.enrollment_ended_at, study.bundle_version, \
             study.clear_secret, study.sealed_secret, study.secret_digest, study.subjects, study.allocations, study.facts, study.facts_bound, \
             study.participants, study.responses, study.chain_length, study.chain_head, study.activated_at, study.changed_at, \
             participant.id, participant.study_id, participant.number, participant.reference, participant.name, \
             participant.address, participant.language, participant.attributes, participant.state, participant.created_at, \
             participant.refusals, participant.refused_code, participant.receipt \
             FROM credential JOIN study ON study.id = credential.study_id \
             LEFT JOIN participant ON participant.id = credential.participant_id ",
            $rest
        )
    };
}

statements! { "arrival":
    BY_LINK = same select!(
        "WHERE credential.id = COALESCE((SELECT id FROM credential WHERE link_digest = $1), \
         (SELECT credential_id FROM credential_link WHERE digest = $1))"
    );
    BY_CREDENTIAL = same select!("WHERE credential.id = $1");
}

fn read(mut row: Row, ring: &KeyRing) -> Result<Arrival, StoreError> {
    let credential = credential::read_from(&mut row)?;
    let study = study::read_from(&mut row, ring)?;
    Ok(Arrival { credential, study, participant: participant::read_from(&mut row)? })
}

/// Who comes by that link; none if no credential has it.
///
/// # Errors
/// Those of the database.
pub async fn by_link<'a>(from: impl Into<Reader<'a>>, digest: &Sha256Digest) -> Result<Option<Arrival>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.find(&BY_LINK, binds![digest]).await?.map(|row| read(row, &ring)).transpose()
}

/// Who comes by the credential of that name; none if there is none.
///
/// # Errors
/// Those of the database.
pub async fn by_credential<'a>(from: impl Into<Reader<'a>>, id: &Mark) -> Result<Option<Arrival>, StoreError> {
    let mut from = from.into();
    let ring = from.ring();
    from.find(&BY_CREDENTIAL, binds![id]).await?.map(|row| read(row, &ring)).transpose()
}
