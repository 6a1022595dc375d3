//! What leaves when the term of an election is over: its roll, marks, credentials, letters, mails and ballots, a page at a time. What was
//! decided stays: steps, outcome and audit chain.

use super::sql::{Sql, binds, statements};
use super::{StoreError, Tx};

statements! { "leaving":
    VOTES = same "DELETE FROM voted WHERE voter_id IN (SELECT id FROM voter WHERE study_id = $1 ORDER BY id LIMIT $2)";
    LETTERS_OF = same "DELETE FROM voter_letter WHERE voter_id IN (SELECT id FROM voter WHERE study_id = $1 ORDER BY id LIMIT $2)";
    CREDENTIALS_OF = same "DELETE FROM voter_credential WHERE voter_id IN (SELECT id FROM voter WHERE study_id = $1 ORDER BY id LIMIT $2)";
    VOTERS = same "DELETE FROM voter WHERE id IN (SELECT id FROM voter WHERE study_id = $1 ORDER BY id LIMIT $2)";
    LINKS = same "DELETE FROM credential_link WHERE credential_id IN \
        (SELECT id FROM credential WHERE study_id = $1 ORDER BY id LIMIT $2)";
    SESSIONS = same "DELETE FROM session WHERE credential_id IN (SELECT id FROM credential WHERE study_id = $1 ORDER BY id LIMIT $2)";
    CREDENTIALS = same "DELETE FROM credential WHERE id IN (SELECT id FROM credential WHERE study_id = $1 ORDER BY id LIMIT $2)";
    ATTEMPTS = same "DELETE FROM outbox_attempt WHERE outbox_id IN (SELECT id FROM outbox WHERE study_id = $1 ORDER BY id LIMIT $2)";
    RAW = same "DELETE FROM outbox_raw WHERE outbox_id IN (SELECT id FROM outbox WHERE study_id = $1 ORDER BY id LIMIT $2)";
    LETTERS = same "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE study_id = $1 ORDER BY id LIMIT $2)";
    // That a mail came stays, so that it is not taken in again.
    MAILS = same "DELETE FROM inbox_raw WHERE inbox_id IN (SELECT inbox_id FROM inbox_raw JOIN inbox ON inbox.id = inbox_id \
        WHERE inbox.study_id = $1 ORDER BY inbox_id LIMIT $2)";
    WRITERS = same "UPDATE inbox SET person = NULL, reading = NULL WHERE study_id = $1 AND (person IS NOT NULL OR reading IS NOT NULL)";
    PENDING = same "DELETE FROM pending WHERE study_id = $1";
    URN = same "DELETE FROM urn WHERE study_id = $1";
    BALLOTS = same "DELETE FROM opened_ballots WHERE study_id = $1";
    ROUNDS = same "DELETE FROM election_round WHERE study_id = $1 AND round <> 'deletion'";
}

/// Takes away a page of what is known of voters, at most `most` rows of a kind; whether there may be more.
///
/// # Errors
/// Those of the database.
pub async fn take_page(tx: &mut Tx, study_id: i64, most: i64) -> Result<bool, StoreError> {
    // What names another goes before it.
    let kinds: [&[&Sql]; 4] = [
        &[&VOTES, &LETTERS_OF, &CREDENTIALS_OF, &VOTERS],
        &[&LINKS, &SESSIONS, &CREDENTIALS],
        &[&ATTEMPTS, &RAW, &LETTERS],
        &[&MAILS],
    ];
    tx.leaves_traces();
    for statements in kinds {
        let mut gone = 0;
        for statement in statements {
            gone = tx.execute(statement, binds![study_id, most]).await?;
        }
        if gone > 0 {
            return Ok(true);
        }
    }
    for statement in [&WRITERS, &PENDING, &URN, &BALLOTS, &ROUNDS] {
        tx.execute(statement, binds![study_id]).await?;
    }
    Ok(false)
}
