//! A study's life: activated, amended, paused, resumed, closed, purged. Each act is one entry in its chain.

use serde_json::json;

use super::Failure;
use crate::definition::Bundle;
use crate::domain::chain;
use crate::domain::study::{Stage, Study};
use crate::domain::time::{Dice, Instant};
use crate::store::study::{NewStudy, StudyHead, StudyRow, StudyState};
use crate::store::{Store, Tx, audit, bundle, kit, study};

/// Who acts, when, and why: what every entry of a study's life says.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// Who: the operator's own name, as the machine knows it.
    pub actor: &'a str,
    /// When.
    pub at: Instant,
    /// Why, in their words; may be empty where nobody needs a reason.
    pub reason: &'a str,
}

/// What an activation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activated {
    /// Stage it now runs in.
    pub stage: Stage,
    /// Version of the bundle.
    pub version: i64,
    /// Digest of the bundle.
    pub bundle_digest: String,
    /// SHA-256 of the secret that all draws come from; published now, so that the secret can be proved later.
    pub secret_digest: String,
}

/// Why an act on a study is refused. The texts are for the operator's terminal.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No such study.
    #[error("no study {0} is active here; `hagaki study list` shows those that are")]
    Unknown(String),
    /// It runs in production already.
    #[error("study {0} is in production; change it with `hagaki study amend`")]
    InProduction(String),
    /// It was closed.
    #[error("study {0} is closed; a closed study is not changed")]
    Closed(String),
    /// The amendment would change how later subjects are allocated.
    #[error("{what} of study {slug} cannot change after the first allocation; everything else in the bundle can")]
    SchemeChanged {
        /// Which study.
        slug: String,
        /// What differs.
        what: &'static str,
    },
    /// Kits that were listed before are missing or changed.
    #[error("kit {0} was listed before and must stay as it was; kits can only be added")]
    KitChanged(String),
    /// Nothing differs.
    #[error("this is the bundle in force already")]
    Unchanged,
    /// Only development data can be purged.
    #[error("study {0} has no development data")]
    NothingToPurge(String),
    /// An act in production needs its reason.
    #[error("say why, with --reason: it stands in the audit chain")]
    NoReason,
}

/// An act's failure: refused, or failed.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// We say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// We could not.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<crate::store::StoreError> for LifeError {
    fn from(error: crate::store::StoreError) -> LifeError {
        LifeError::Failed(Failure::Store(error))
    }
}
