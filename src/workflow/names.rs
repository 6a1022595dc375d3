//! The names by which mails find a study. Each is that of one study of the installation alone, so that no mail and no subject number
//! can be meant for two.

use std::collections::BTreeSet;

use super::life::{LifeError, Refusal};
use crate::domain::study::{Stage, Study};
use crate::domain::text;
use crate::store::{Tx, study_name};

/// Takes the names of a version that comes into force in the place of `old`; all names of the study from then on. In production a tag that
/// is written no more stays the study's: it stands in letters and on papers. Whoever takes a name at the same moment is waited for.
///
/// # Errors
/// A [`Refusal`] that names the study which has one of them already, or the database.
pub(super) async fn claim(
    tx: &mut Tx,
    stage: Stage,
    old: Option<&Study>,
    new: &Study,
) -> Result<BTreeSet<String>, LifeError> {
    let names = [("slug", &new.slug), ("tag", &new.tag)].map(|(key, word)| (text::fold(word), key, word));
    let mut own: BTreeSet<String> = names.iter().map(|(name, ..)| name.clone()).collect();
    // In order, so that two who take the same names never wait for each other.
    for name in &own {
        let owner = study_name::take(tx, name, &new.slug).await?;
        // What it is called already, from a time when nobody looked, it may go on with: mails that two studies claim are held.
        let taken = names.iter().find(|(taken, ..)| owner != new.slug && taken == name);
        if let Some((_, key, word)) = taken.filter(|_| old.is_none_or(|old| !old.is_named(name))) {
            return Err(Refusal::Named { key, word: (*word).clone(), other: owner }.into());
        }
    }
    if let Some(old) = old.filter(|old| stage == Stage::Production && old.tag != new.tag) {
        study_name::leave(tx, &text::fold(&old.tag), &new.slug).await?;
    }
    for former in study_name::list(&mut *tx, &new.slug).await? {
        if stage == Stage::Production && old.is_some() {
            own.insert(former);
        } else if !own.contains(&former) {
            study_name::give_back(tx, &former, &new.slug).await?;
        }
    }
    Ok(own)
}
