//! What delivery reports say of letters.

use super::super::sql::{binds, statements};
use super::super::{StoreError, Tx};
use crate::domain::time::Instant;

statements! { "outbox":
    DELIVERED = same "UPDATE outbox SET state = 'delivered', report_status = $2, reported_at = $3 \
        WHERE id = $1 AND state = 'sent'";
    // It stays sent: the other server goes on trying.
    DELAYED = same "UPDATE outbox SET report_status = $2, reported_at = $3 WHERE id = $1 AND state = 'sent'";
    // Of a letter under way, too: the report may be read before it is on file that the letter left.
    BOUNCED = same "UPDATE outbox SET state = 'bounced', report_status = $2, reported_at = $3, lease_until = 0, lease_owner = '' \
        WHERE id = $1 AND (state IN ('sent', 'delivered') OR (state IN ('waiting', 'held') AND lease_until > $3))";
}

/// What a delivery report says (RFC 3464 section 2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The letter arrived.
    Delivered,
    /// It is on its way still: the other server goes on trying.
    Delayed,
    /// It did not.
    Bounced,
}

/// Writes what a delivery report said of a letter that was sent; false if it tells nothing new. A bounce outweighs an
/// arrival that was reported before, and what is recorded afterwards of the sending; a delay is told until an end is.
///
/// # Errors
/// Those of the database.
pub async fn record_report(
    tx: &mut Tx,
    id: i64,
    report: Report,
    status: &str,
    at: Instant,
) -> Result<bool, StoreError> {
    let statement = match report {
        Report::Delivered => &DELIVERED,
        Report::Delayed => &DELAYED,
        Report::Bounced => &BOUNCED,
    };
    Ok(tx.execute(statement, binds![id, status, at]).await? == 1)
}
