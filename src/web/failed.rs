//! What was sent to a page and could not be taken, because something of ours failed.

use crate::workflow::Failure;

/// Why something that was sent could not be taken.
#[derive(Debug)]
pub(super) struct Failed {
    /// What failed.
    pub(super) failure: Failure,
    /// Whether it may be on file all the same: it failed while it was being recorded.
    pub(super) unsure: bool,
}

impl Failed {
    /// One of something that may be on file.
    pub(super) const fn unsure(failure: Failure) -> Failed {
        Failed { failure, unsure: true }
    }
}

impl<E: Into<Failure>> From<E> for Failed {
    fn from(error: E) -> Failed {
        Failed { failure: error.into(), unsure: false }
    }
}
