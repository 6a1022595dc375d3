//! An installation with a study that holds an election, for the commands that work on it.

use crate::cli::installation::{Opened, Pen};
use crate::cli::{Installation, Refused};
use crate::domain::election::Election;
use crate::domain::election::roll::Frozen;
use crate::workflow::Means;
use crate::workflow::election::{self, ElectionError};
use crate::workflow::life::Act;
use crate::workflow::shelf::{Shelf, ShelvedStudy};

/// The installation, the study, and what acts are done with.
pub(super) struct Hall {
    pub opened: Opened,
    pub shelf: Shelf,
    pub shelved: ShelvedStudy,
    pen: Pen,
}

impl Hall {
    pub(super) fn open(slug: &str, installation: &Installation) -> anyhow::Result<Hall> {
        let opened = Opened::open(installation)?;
        let shelved = opened.study(slug)?;
        election::of(&shelved).map_err(|refusal| Refused(refusal.to_string()))?;
        let pen = opened.pen()?;
        let shelf = Shelf::new(opened.store.clone());
        Ok(Hall { opened, shelf, shelved, pen })
    }

    pub(super) fn election(&self) -> anyhow::Result<&Election> {
        Ok(election::of(&self.shelved).map_err(|refusal| Refused(refusal.to_string()))?)
    }

    pub(super) fn means(&self) -> Means<'_> {
        self.pen.means(&self.opened)
    }

    pub(super) fn act<'a>(&'a self, reason: &'a str) -> Act<'a> {
        Act { actor: &self.opened.actor, at: self.opened.now(), reason }
    }

    /// Does something on the runtime; a refusal ends the command with 1.
    pub(super) fn done<T>(&self, doing: impl Future<Output = Result<T, ElectionError>>) -> anyhow::Result<T> {
        match self.opened.runtime.block_on(doing) {
            Ok(done) => Ok(done),
            Err(ElectionError::Refused(refusal)) => Err(Refused(format!("nothing was changed: {refusal}")).into()),
            Err(ElectionError::Failed(failure)) => Err(failure.into()),
        }
    }
}

/// The digests as people compare them.
pub(super) fn digests(frozen: &Frozen) -> String {
    let hex = |digest: &[u8; 32]| data_encoding::HEXLOWER.encode(digest);
    format!(
        "rules         {}\nroll          {}\nrules + roll  {}\n",
        hex(&frozen.rule),
        hex(&frozen.roll),
        hex(&frozen.whole)
    )
}

/// The same for programs.
pub(super) fn digests_json(frozen: &Frozen) -> serde_json::Value {
    let hex = |digest: &[u8; 32]| data_encoding::HEXLOWER.encode(digest);
    serde_json::json!({ "rule": hex(&frozen.rule), "roll": hex(&frozen.roll), "whole": hex(&frozen.whole) })
}
