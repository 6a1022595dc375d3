//! The participants whom a command is about: one, several, or all.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::Office;
use crate::cli::Refused;
use crate::definition::csv_file::{self, Charset};
use crate::domain::survey::Privacy;
use crate::domain::text;
use crate::limits;
use crate::store::participant::{self, ParticipantRow, State};

/// Whose.
#[derive(Debug, Args)]
pub(in crate::cli) struct Whose {
    /// Participants: the number of each, what the list calls them, or their address.
    #[arg(required_unless_present_any = ["all", "list"], conflicts_with = "all", num_args = 0..)]
    participants: Vec<String>,
    /// File with participants in the same way, one a line.
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    list: Option<PathBuf>,
    /// All participants who did not withdraw.
    #[arg(long)]
    all: bool,
}

impl Whose {
    /// Them, each once, by number. Where one of them cannot be told, nobody.
    pub(super) fn find(&self, office: &Office) -> anyhow::Result<Vec<ParticipantRow>> {
        nobodys(office)?;
        if self.all {
            return everybody(office);
        }
        let mut wanted = self.participants.clone();
        if let Some(path) = &self.list {
            let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            let text = csv_file::decode(&bytes, Charset::Guessed)
                .map_err(|undecided| Refused(format!("{}: {}; save it as UTF-8", path.display(), undecided.wrong())))?;
            let lines = text.lines().map(str::trim);
            wanted.extend(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_string));
        }
        let (mut found, mut wrong) = (BTreeMap::new(), Vec::new());
        for one in &wanted {
            match find(office, one) {
                Ok(row) => drop(found.insert(row.number, row)),
                Err(error) if error.is::<Refused>() => wrong.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        if wrong.is_empty() {
            return Ok(found.into_values().collect());
        }
        let more = wrong.len().saturating_sub(limits::PEOPLE_NAMED);
        wrong.truncate(limits::PEOPLE_NAMED);
        if more > 0 {
            wrong.push(format!("and {more} more"));
        }
        Err(Refused(format!("nothing was changed:\n{}", wrong.join("\n"))).into())
    }
}

/// Everybody who did not withdraw.
fn everybody(office: &Office) -> anyhow::Result<Vec<ParticipantRow>> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = participant::list(&office.opened.store, office.shelved.id, after, limits::ROSTER_ROWS);
        let page = office.opened.runtime.block_on(page)?;
        let Some(last) = page.last() else { return Ok(all) };
        after = last.number;
        all.extend(page.into_iter().filter(|one| one.state == State::Active));
    }
}

/// Refuses where nobody may know whose credential is whose.
fn nobodys(office: &Office) -> anyhow::Result<()> {
    if office.shelved.study.survey.as_ref().is_some_and(|survey| survey.privacy == Privacy::FullyAnonymous) {
        let why = "the survey is fully anonymous: nobody can tell whose credential is whose";
        return Err(Refused(why.to_string()).into());
    }
    Ok(())
}

/// The participant of that reference, number or address; refused where nobody may know whose credential is whose, and where several
/// share the address.
pub(in crate::cli) fn find(office: &Office, wanted: &str) -> anyhow::Result<ParticipantRow> {
    nobodys(office)?;
    let wanted = wanted.trim();
    if wanted.is_empty() {
        return Err(Refused("an empty text names no participant".to_string()).into());
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
        let address = text::fold_width(wanted).to_lowercase();
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
