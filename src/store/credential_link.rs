//! Further links of credentials. Of a secret only a digest is kept, so each letter that brings a link brings one of its own; the links
//! before go on opening, and all of them open no more than their credential does.

use super::sql::{Bind, Rows, binds, chunks, statements};
use super::tx::Expect;
use super::{StoreError, Tx};
use crate::domain::chain::Sha256Digest;
use crate::domain::survey::Mark;

statements! { "credential link":
    INSERT = rows Rows {
        head: "INSERT INTO credential_link (digest, credential_id) VALUES",
        first: 1,
        columns: 2,
        tail: "",
    };
    FORGET = same "DELETE FROM credential_link WHERE digest = $1";
}

/// Stores links: SHA-256 of the secret in each, and the credential that it opens.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn insert(tx: &mut Tx, links: &[(Sha256Digest, Mark)]) -> Result<(), StoreError> {
    for run in chunks(links) {
        let binds: Vec<Bind<'_>> =
            run.iter().flat_map(|(digest, credential)| [Bind::from(digest), credential.into()]).collect();
        tx.later_rows(&INSERT, run.len(), &binds, Expect::Any).await?;
    }
    Ok(())
}

/// Forgets a link, which opens nothing any more; one that is not known is none of its business.
///
/// # Errors
/// Those of the database; they may come from a later call.
pub async fn forget(tx: &mut Tx, digest: &Sha256Digest) -> Result<(), StoreError> {
    tx.later(&FORGET, binds![digest], Expect::Any).await
}
