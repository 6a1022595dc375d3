//! What subjects are known by, held against the audit chain: the reference with which each was enrolled, or what corrections bind.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::binding::BIND;
use super::enroll::key_of;
use super::told::{Discrepancy, Enrollment, What};
use crate::domain::fact::FactKind;
use crate::domain::kept::without_screening;
use crate::domain::study::Study;
use crate::store::audit::Unlinked;
use crate::store::fact::FactRow;
use crate::store::study::StudyRow;
use crate::store::subject::OnFile;
use crate::store::subject_reference::{self, State};
use crate::store::{Store, StoreError};

/// What the entry of a correction tells, or that by which one of an earlier version binds.
#[derive(Deserialize)]
struct Told {
    subject: i64,
    fact: i64,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    changes: BTreeMap<String, Value>,
    binds: Option<Binds>,
    taken: Option<Taken>,
}

/// What a subject is known by from then on.
#[derive(Deserialize)]
struct Binds {
    reference: String,
    site: Option<String>,
}

/// A right reference that was another subject's.
#[derive(Deserialize)]
struct Taken {
    reference: String,
}

/// What a subject is known by: its key, and its site where that was corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    key: String,
    site: String,
}

/// The subjects of a study as far as corrections may have changed what they are known by.
pub(super) struct References<'s> {
    study: &'s Study,
    /// Numbers in the database of subjects with corrections.
    corrected: BTreeSet<i64>,
    /// Which screening of a person each subject that was screened again is.
    screenings: BTreeMap<i64, usize>,
    /// Subjects with corrections, and those that are not known by what they were enrolled with, by their numbers in the study: what the
    /// chain tells of them at first, and what is on file.
    seen: BTreeMap<i64, (Known, Known)>,
}

impl<'s> References<'s> {
    /// For a study in which these facts are on file.
    pub(super) fn new(study: &'s Study, known: &[FactRow]) -> References<'s> {
        let corrects = |fact: &&FactRow| matches!(fact.kind, FactKind::WrongStratum | FactKind::Corrected);
        let corrected = known.iter().filter(corrects).map(|fact| fact.subject_id).collect();
        References { study, corrected, screenings: BTreeMap::new(), seen: BTreeMap::new() }
    }

    /// Whether an entry tells what its subject is known by. What is on file is compared at the end, with what corrections changed.
    pub(super) fn is_told(&mut self, told: &Enrollment<'_>, row: &OnFile) -> bool {
        let screening = told.rescreens.map(|earlier| self.screenings.get(&earlier).copied().unwrap_or(1) + 1);
        self.screenings.extend(screening.map(|number| (told.subject, number)));
        let clear = told.answers.get(&self.study.registration.subject_item);
        let own = clear.filter(|_| told.participant.is_none()).map(|text| key_of(self.study, &told.site, &text));
        let key = match (&told.reference, own) {
            (Some(told), Some(own)) if without_screening(told) != own => return false,
            (Some(told), _) => told.clone().into_owned(),
            (None, None) => return false,
            // Once the entry did not tell whether there is a number behind it.
            (None, Some(own)) => match screening.map(|number| format!("{own} {number}")) {
                Some(again) if again == row.reference_key => again,
                _ => own,
            },
        };
        let at_first = Known { key, site: String::new() };
        let now = Known { key: row.reference_key.clone(), site: row.site_corrected.clone() };
        if self.corrected.contains(&row.id) || at_first != now {
            self.seen.insert(row.number, (at_first, now));
        }
        true
    }

    /// The first subject that is not known by what corrections bind; `entries` are those of facts and of what binds, in order.
    ///
    /// # Errors
    /// The database.
    pub(super) async fn first_discrepancy(
        &self,
        store: &Store,
        head: &StudyRow,
        entries: &[Unlinked],
    ) -> Result<Option<Discrepancy>, StoreError> {
        let rules = &self.study.registration;
        let touches = |told: &Told| {
            let corrects = [FactKind::WrongStratum, FactKind::Corrected].iter().any(|kind| kind.key() == told.kind);
            corrects
                && [Some(&rules.subject_item), rules.site_item.as_ref()]
                    .into_iter()
                    .flatten()
                    .any(|item| told.changes.contains_key(item))
        };
        // What may be on file: what is known by the head, and what came while the rows were read.
        let mut known: BTreeMap<i64, Vec<Known>> =
            self.seen.iter().map(|(number, (at_first, _))| (*number, vec![at_first.clone()])).collect();
        let mut beside: BTreeMap<(i64, String), (i64, State)> = BTreeMap::new();
        let (mut unbound, mut late) = (BTreeMap::new(), BTreeSet::new());
        for entry in entries {
            let Ok(told) = serde_json::from_str::<Told>(&entry.body) else { continue };
            if entry.seq > head.chain.length {
                late.insert(told.subject);
            }
            if entry.action != BIND && touches(&told) && !self.study.enrolls_itself() {
                unbound.insert(told.fact, told.subject);
            }
            if told.binds.is_some() || told.taken.is_some() {
                unbound.remove(&told.fact);
            }
            let states = known.entry(told.subject).or_default();
            if let Some(Binds { reference, site }) = told.binds {
                let now = Known { key: reference, site: site.unwrap_or_default() };
                let own = without_screening(&now.key).to_string();
                beside.retain(|(subject, key), (_, state)| {
                    *subject != told.subject || *key != own && *state != State::Taken
                });
                if let Some(before) = states.last().filter(|before| before.key != now.key) {
                    let key = without_screening(&before.key).to_string();
                    beside.insert((told.subject, key), (told.fact, State::Earlier));
                }
                if !late.contains(&told.subject) {
                    states.clear();
                }
                states.push(now);
            }
            if let Some(Taken { reference }) = told.taken {
                beside.insert((told.subject, reference), (told.fact, State::Taken));
            }
        }
        let differs = |number: i64| Discrepancy { number, what: What::Reference };
        let unknown =
            self.seen.iter().find(|(number, (_, now))| known.get(number).is_none_or(|known| !known.contains(now)));
        let unbound = unbound.into_iter().filter(|(fact, _)| *fact <= head.facts_bound).map(|(_, subject)| subject);
        let mut on_file: BTreeMap<(i64, String), (i64, State)> = BTreeMap::new();
        for own in subject_reference::list(store, head.id).await? {
            on_file.insert((own.subject, own.reference_key), (own.fact, own.state));
        }
        let strange =
            beside.iter().filter(|(key, own)| on_file.get(*key) != Some(*own)).map(|((subject, _), _)| *subject);
        let missed = on_file.keys().filter(|key| !beside.contains_key(*key)).map(|(subject, _)| *subject);
        let beside = strange.chain(missed).filter(|subject| !late.contains(subject));
        let all = unknown.map(|(number, _)| *number).into_iter().chain(unbound).chain(beside);
        Ok(all.min().map(differs))
    }
}
