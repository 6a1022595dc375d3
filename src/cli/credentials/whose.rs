//! The one participant whom a command is about.

use super::Office;
use crate::cli::Refused;
use crate::domain::survey::Privacy;
use crate::domain::text;
use crate::limits;
use crate::store::participant::{self, ParticipantRow, State};

/// The participant of that reference, number or address; refused where nobody may know whose credential is whose, and where several
/// share the address.
pub(super) fn find(office: &Office, wanted: &str) -> anyhow::Result<ParticipantRow> {
    if office.shelved.study.survey.as_ref().is_some_and(|survey| survey.privacy == Privacy::FullyAnonymous) {
        let why = "the survey is fully anonymous: nobody can tell whose credential is whose";
        return Err(Refused(why.to_string()).into());
    }
    let (store, id) = (&office.opened.store, office.shelved.id);
    let most = i64::try_from(limits::PEOPLE_NAMED).unwrap_or(i64::MAX).saturating_add(1);
    let found = office.opened.runtime.block_on(async {
        if let Some(known) = participant::find_by_reference(store, id, wanted).await? {
            return Ok(vec![known]);
        }
        if let Ok(number) = wanted.parse() {
            return Ok(participant::find_by_number(store, id, number).await?.into_iter().collect());
        }
        // As the list's addresses are folded.
        let address = text::fold_width(wanted.trim()).to_lowercase();
        match address.contains('@') {
            true => participant::list_alike(store, id, ("", &address), most).await,
            false => Ok(Vec::new()),
        }
    })?;
    match <[ParticipantRow; 1]>::try_from(found) {
        Ok([only]) => Ok(only),
        Err(none) if none.is_empty() => {
            let why = format!("there is no participant {wanted}; `hagaki credentials list` shows them");
            Err(Refused(why).into())
        }
        Err(several) => Err(shared(wanted, &several).into()),
    }
}

/// Who shares an address, with what tells them apart.
fn shared(wanted: &str, several: &[ParticipantRow]) -> Refused {
    let line = |one: &ParticipantRow| {
        let said = |text: &str, none: &str| if text.is_empty() { none.to_string() } else { text.to_string() };
        let withdrew = if one.state == State::Withdrawn { "  (withdrew)" } else { "" };
        let (reference, name) = (said(&one.reference, "-"), said(&one.name, "(no name)"));
        format!("  {:>6}  {reference:<12} {name}{withdrew}", one.number)
    };
    let mut lines: Vec<String> = several.iter().take(limits::PEOPLE_NAMED).map(line).collect();
    if several.len() > limits::PEOPLE_NAMED {
        lines.push("  and more".to_string());
    }
    Refused(format!(
        "several participants share {wanted}, and nothing was changed; name one by number or token:\n{}",
        lines.join("\n")
    ))
}
