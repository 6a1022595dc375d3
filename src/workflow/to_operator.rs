//! Letters to whoever runs the installation, which concern no study.

use super::compose::{Outgoing, fresh_message_id};
use super::{Failure, Means, Operator};
use crate::domain::time::Zone;
use crate::letters::{self, Envelope, Facts, Head, Letter, Stationery};

/// A letter to the operator that concerns no study.
///
/// # Errors
/// An address that cannot stand in a mail.
pub(super) fn to_operator(
    stationery: &Stationery,
    means: Means<'_>,
    operator: &Operator,
    facts: Facts,
) -> Result<Outgoing, Failure> {
    let head = Head::of_installation(&means.desk.display, &means.desk.address, means.now);
    let composed = stationery
        .compose(&Letter::new(operator.language, head, facts))
        .map_err(|fault| Failure::Letter(fault.to_string()))?;
    let message_id = fresh_message_id(means);
    let envelope = Envelope {
        study: "hagaki",
        from: &means.desk.address,
        from_name: &means.desk.display,
        to: &operator.address,
        to_name: "",
        unsubscribe: None,
        reply_to: None,
        message_id: &message_id,
        in_reply_to: None,
        references: &[],
        at: means.now,
        zone: Zone::UTC,
    };
    let finished = letters::finish(&composed, &envelope).map_err(|fault| Failure::Letter(fault.to_string()))?;
    Ok(Outgoing::of(finished))
}
