//! What arms are called and what levels' words mean, from one version of a study to the next: letters and records of before rest on it.

use std::collections::BTreeMap;

use super::Failure;
use super::life::{LifeError, Refusal};
use super::shelf::definition_of;
use crate::domain::allocation::SITE;
use crate::domain::chain::Sha256Digest;
use crate::domain::instrument::{Choices, ItemKind};
use crate::domain::language::{Language, Text};
use crate::domain::level;
use crate::domain::study::{Arm, FIRST, Rules, Study};
use crate::domain::text::fold_tight;
use crate::store::study::StudyRow;
use crate::store::{Tx, bundle};

/// What one level of an item is called, and other words that people write for it.
struct Level {
    item: String,
    code: String,
    label: Text,
    aliases: Vec<String>,
}

/// A word that means another level than it did.
pub(super) struct Moved {
    /// Id of the item.
    pub(super) item: String,
    /// The word, folded.
    word: String,
    /// Code of the level that it meant.
    before: String,
    /// Code of the level that it means now.
    now: String,
}

impl std::fmt::Display for Moved {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Moved { item, word, before, now } = self;
        write!(out, "the word \"{word}\" of `{item}` means {now} instead of {before}")
    }
}

/// With subjects on file no arm gets a name that another one had, and no word means another level while counts go on.
///
/// # Errors
/// A [`Refusal`] that names each; the database, and stored versions that cannot be read.
pub(super) async fn check(tx: &mut Tx, row: &StudyRow, old: &Study, new: &Study) -> Result<(), LifeError> {
    if !arms(new).any(|(id, arm)| is_renamed(old, id, arm))
        && !new.allocations().any(|now| has_new_words(old, new, now))
    {
        return Ok(());
    }
    let mut faults: Vec<String> = Vec::new();
    for (earlier, version) in versions(tx, row).await?.iter().zip(1..) {
        let lines = taken(earlier, old, new).into_iter().map(|(arm, name, other)| {
            format!(
                "study.toml: arm {arm} would be called \"{name}\", and so was arm {other} in version {version}: what was told and recorded of \
                 either would name the wrong one. Call arm {arm} what no other arm was ever called, or put its name back"
            )
        });
        faults.extend(lines.filter(|line| !faults.contains(line)).collect::<Vec<String>>());
        for now in new.allocations() {
            let file = if now.id == FIRST { "allocation.toml".to_string() } else { format!("allocation {}", now.id) };
            let lines = moved_since(earlier, old, new, now).into_iter().map(|one| {
                format!(
                    "{file}: since version {version} {one}, while those allocated before count by what it meant; raise `epoch` by one to \
                     begin the counts anew, or put the word back"
                )
            });
            faults.extend(lines.collect::<Vec<String>>());
        }
        // The first version that has it is enough to find it.
        if !faults.is_empty() {
            return Err(Refusal::Scheme(faults).into());
        }
    }
    Ok(())
}

/// The definitions of all versions, the first one first.
async fn versions(tx: &mut Tx, row: &StudyRow) -> Result<Vec<Study>, Failure> {
    let stored = bundle::files(&mut *tx, row.id).await?;
    let read = |((digest, files), version): (&(Sha256Digest, String), i64)| {
        let row = StudyRow { bundle_version: version, ..row.clone() };
        definition_of(&row, digest, files)
    };
    stored.iter().zip(1..).map(read).collect()
}

/// Every arm with the id of its allocation.
fn arms(study: &Study) -> impl Iterator<Item = (&str, &Arm)> {
    let further = study.randomizations.iter().flat_map(|own| own.arms.iter().map(|arm| (own.id.as_str(), arm)));
    study.arms.iter().map(|arm| (FIRST, arm)).chain(further)
}

fn has_name(arm: &Arm, name: &str) -> bool {
    arm.name.wordings().any(|(_, own)| fold_tight(own) == fold_tight(name))
}

fn known<'s>(study: &'s Study, id: &str, code: &str) -> Option<&'s Arm> {
    arms(study).find(|(own, arm)| *own == id && arm.code == code).map(|(_, arm)| arm)
}

/// Whether an arm has a name that it did not have.
fn is_renamed(old: &Study, id: &str, arm: &Arm) -> bool {
    let before = known(old, id, &arm.code);
    arm.name.wordings().any(|(_, name)| before.is_none_or(|before| !has_name(before, name)))
}

/// Arms of the new version by a new name that another arm had in the earlier one: its code, the name, and the other's code. An arm that
/// is new itself is held against those of its own allocation.
fn taken(earlier: &Study, old: &Study, new: &Study) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for (id, arm) in arms(new) {
        let before = known(old, id, &arm.code);
        for (_, name) in arm.name.wordings() {
            if before.is_some_and(|before| has_name(before, name)) {
                continue;
            }
            let mut others = arms(earlier).filter(|(own, _)| before.is_some() || *own == id);
            if let Some((_, other)) = others.find(|(_, other)| other.code != arm.code && has_name(other, name)) {
                found.push((arm.code.clone(), name.to_string(), other.code.clone()));
            }
        }
    }
    found
}

/// The levels that these rules rest on and that people choose or read by words, in the order of the forms; sites last.
fn levels(study: &Study, rules: Rules<'_>) -> Vec<Level> {
    let forms = study.forms_of(rules.id);
    let mut levels: Vec<Level> = Vec::new();
    let mut sites = false;
    for need in rules.scheme.needs() {
        sites |= need == SITE;
        for item in level::grounds(&forms, need) {
            if levels.iter().any(|known| known.item == item.id) {
                continue;
            }
            match &item.kind {
                ItemKind::Choice(Choices::Listed(listed)) | ItemKind::Choices(Choices::Listed(listed)) => {
                    levels.extend(listed.iter().map(|choice| Level {
                        item: item.id.clone(),
                        code: choice.code.clone(),
                        label: choice.label.clone(),
                        aliases: choice.aliases.clone(),
                    }));
                }
                ItemKind::Choice(Choices::Sites) | ItemKind::Choices(Choices::Sites) => sites = true,
                // Nobody writes these, but letters and tables of before tell the level by them.
                ItemKind::Calculation(_) => levels.extend(item.values.iter().map(|value| Level {
                    item: item.id.clone(),
                    code: value.code.clone(),
                    label: value.label.clone(),
                    aliases: Vec::new(),
                })),
                _ => {}
            }
        }
    }
    if sites {
        levels.extend(study.sites.iter().map(|site| Level {
            item: SITE.to_string(),
            code: site.code.clone(),
            label: site.name.clone(),
            aliases: Vec::new(),
        }));
    }
    levels
}

/// Which code each word of an item means.
fn words(levels: &[Level]) -> BTreeMap<(String, String), String> {
    let mut words = BTreeMap::new();
    for level in levels {
        let labels = level.label.wordings().map(|(_, label)| label);
        for word in labels.chain(level.aliases.iter().map(String::as_str)).chain([level.code.as_str()]) {
            words.entry((level.item.clone(), fold_tight(word))).or_insert_with(|| level.code.clone());
        }
    }
    words
}

/// Whether any word of these rules' levels is new for what it means.
fn has_new_words(old: &Study, new: &Study, now: Rules<'_>) -> bool {
    let Some(before) = old.find_rules(now.id) else { return false };
    let known = words(&levels(old, before));
    words(&levels(new, now)).iter().any(|(word, code)| known.get(word) != Some(code))
}

/// Words that mean another level in the new version than in an earlier one of the same epoch, and than in the one in force.
fn moved_since(earlier: &Study, old: &Study, new: &Study, now: Rules<'_>) -> Vec<Moved> {
    let (Some(first), Some(before)) = (earlier.find_rules(now.id), old.find_rules(now.id)) else { return Vec::new() };
    if now.scheme.epoch() > first.scheme.epoch() {
        return Vec::new();
    }
    let in_force = words(&levels(old, before));
    let mut moved = moved(earlier, new, first, now);
    moved.retain(|one| in_force.get(&(one.item.clone(), one.word.clone())) != Some(&one.now));
    moved
}

/// Words that mean another level by the later rules than by the earlier.
pub(super) fn moved(old: &Study, new: &Study, before: Rules<'_>, now: Rules<'_>) -> Vec<Moved> {
    let known = words(&levels(old, before));
    let all = words(&levels(new, now)).into_iter();
    let moved = all.filter_map(|((item, word), now)| {
        let before = known.get(&(item.clone(), word.clone())).filter(|before| **before != now)?.clone();
        Some(Moved { item, word, before, now })
    });
    moved.collect()
}

/// Each arm and level that is called otherwise, in words for a terminal.
pub(super) fn renamed(old: &Study, new: &Study) -> Vec<String> {
    let mut all = Vec::new();
    for now in new.allocations() {
        let Some(before) = old.find_rules(now.id) else { continue };
        let mut lines = Vec::new();
        arm_changes(before, now, &mut lines);
        level_changes(old, new, before, now, &mut lines);
        let place = if now.id == FIRST { String::new() } else { format!("allocation {}: ", now.id) };
        all.extend(lines.into_iter().map(|line| format!("{place}{line}")));
    }
    all
}

/// Each arm whose name differs, in words for a terminal.
pub(super) fn arm_changes(before: Rules<'_>, now: Rules<'_>, lines: &mut Vec<String>) {
    for arm in now.arms {
        if let Some(known) = before.arms.iter().find(|known| known.code == arm.code) {
            text_changes(&format!("arm {}: called", arm.code), &known.name, &arm.name, lines);
        }
    }
}

/// Each level of these rules whose label differs, and each word that means another one; sites are told of as sites.
pub(super) fn level_changes(old: &Study, new: &Study, before: Rules<'_>, now: Rules<'_>, lines: &mut Vec<String>) {
    let known = levels(old, before);
    for level in levels(new, now).iter().filter(|level| level.item != SITE) {
        if let Some(before) = known.iter().find(|known| (&known.item, &known.code) == (&level.item, &level.code)) {
            let what = format!("level {} of {}: called", level.code, level.item);
            text_changes(&what, &before.label, &level.label, lines);
        }
    }
    lines.extend(moved(old, new, before, now).iter().map(|one| format!("levels: {one}")));
}

/// A text that differs, in each language: `arm STD: called "…" instead of "…" (ja)`.
pub(super) fn text_changes(what: &str, before: &Text, now: &Text, lines: &mut Vec<String>) {
    for language in Language::ALL {
        let of = |text: &Text| {
            let own = text.wordings().find(|(own, _)| *own == language);
            own.map_or_else(|| "nothing".to_string(), |(_, wording)| format!("\"{wording}\""))
        };
        let (before, now) = (of(before), of(now));
        if before != now {
            lines.push(format!("{what} {now} instead of {before} ({language})"));
        }
    }
}
