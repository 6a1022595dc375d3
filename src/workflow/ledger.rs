//! One open transaction with the studies it has locked, their counters and their allocation states.
//!
//! The state each allocation of a study needs is a pure function of the journal up to a number. The process keeps it in memory; the
//! locked study row tells the number it must be at. What a transaction changes is a working copy, which the
//! [`Shelf`] gets back only after the commit is known to have happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::amendment::Schemes;
use super::compose::Draft;
use super::shelf::{CohortsAt, Shelf, ShelvedStudy, StateAt, States};
use super::{Arrival, Failure, Means};
use crate::domain::allocation::State;
use crate::domain::seal::Coded;
use crate::domain::survey::Mark;
use crate::domain::time::Instant;
use crate::store::inbox::{self, FirstSight};
use crate::store::study::StudyRow;
use crate::store::{StoreError, Tx, allocation, arrival, outbox, study, subject};

/// An open write transaction.
pub struct Ledger<'a> {
    /// The transaction, for statements that concern no study's counters.
    pub tx: Tx,
    shelf: &'a Shelf,
    pages: BTreeMap<i64, Page>,
    /// Messages known not to have been seen, by one look for a whole batch.
    unseen: BTreeSet<String>,
    /// Letters that are still to be worded and stored.
    drafts: Vec<Posting>,
}

/// A letter that will be worded and stored with others.
struct Posting {
    draft: Draft,
    mailbox: String,
    study_id: i64,
    inbox_id: Option<i64>,
    at: Instant,
}

/// A locked study: its row as it will be saved, and its allocation state.
#[derive(Debug)]
pub struct Page {
    /// Counters and chain head; saved at commit.
    pub row: StudyRow,
    /// Of each of the study's allocations, by id, at allocation number `row.allocations`; none for a registry.
    pub states: States,
    /// Subjects of each cohort at subject number `row.subjects`, cohorts as in the study.
    pub cohorts: Vec<u64>,
    changed: bool,
    /// References of subjects known not to be on file, by one look for a whole batch.
    unknown: BTreeSet<String>,
}

impl Page {
    /// Says that the row or the state was changed and must be saved.
    pub fn touch(&mut self) {
        self.changed = true;
    }

    /// The state of one of the study's allocations.
    ///
    /// # Errors
    /// A contradiction where the study has none of that id.
    pub fn state(&self, id: &str) -> Result<&State, Failure> {
        self.states.get(id).ok_or_else(|| stateless(id))
    }

    /// The same, to be changed.
    ///
    /// # Errors
    /// As [`Page::state`].
    pub fn state_mut(&mut self, id: &str) -> Result<&mut State, Failure> {
        self.states.get_mut(id).ok_or_else(|| stateless(id))
    }

    /// Whether a subject is known not to be on file; told once, because whoever hears it may enroll it.
    pub fn take_unknown(&mut self, reference_key: &str) -> bool {
        self.unknown.remove(reference_key)
    }
}

/// Whether a message's key is made from what it says: for want of a Message-ID, or because it is signed.
fn is_digest(message_key: &str) -> bool {
    message_key.starts_with("digest:") || is_signed(message_key)
}

/// Whether a message is known by what its sender signed.
fn is_signed(message_key: &str) -> bool {
    message_key.starts_with("signed:")
}

fn stateless(id: &str) -> Failure {
    Failure::Contradiction(format!("the study has no allocation \"{id}\""))
}

impl<'a> Ledger<'a> {
    /// Begins a transaction.
    ///
    /// # Errors
    /// The database.
    pub async fn begin(shelf: &'a Shelf) -> Result<Ledger<'a>, Failure> {
        Ok(Ledger {
            tx: shelf.store().begin().await?,
            shelf,
            pages: BTreeMap::new(),
            unseen: BTreeSet::new(),
            drafts: Vec::new(),
        })
    }

    /// Locks a study (once per transaction) and brings its allocation state up to the journal.
    ///
    /// # Errors
    /// The database; [`StoreError::Busy`] if the study was amended since it was read, or corrections of an earlier version are not
    /// bound yet ([`bind_all`](super::binding::bind_all)); a journal that its own scheme cannot
    /// have made; a key that the study needs is missing.
    pub async fn lock(&mut self, study: &ShelvedStudy) -> Result<(&mut Tx, &mut Page), Failure> {
        study.unlocked()?;
        if !self.pages.contains_key(&study.id) {
            let row = study::lock(&mut self.tx, study.id).await?;
            self.open(study, row).await?;
        }
        Ok(self.page(study))
    }

    /// The same, and whom a credential lets in, read together.
    ///
    /// # Errors
    /// As [`Ledger::lock`]; [`StoreError::Missing`] if the study has no such credential.
    pub async fn lock_with(
        &mut self,
        study: &ShelvedStudy,
        credential: &Mark,
    ) -> Result<(&mut Tx, &mut Page, arrival::Arrival), Failure> {
        study.unlocked()?;
        let arrival = arrival::lock(&mut self.tx, study.id, credential).await?;
        if !self.pages.contains_key(&study.id) {
            self.open(study, arrival.study.clone()).await?;
        }
        let (tx, page) = self.page(study);
        Ok((tx, page, arrival))
    }

    fn page(&mut self, study: &ShelvedStudy) -> (&mut Tx, &mut Page) {
        let page = self.pages.get_mut(&study.id).expect("whoever asks has opened it");
        (&mut self.tx, page)
    }

    /// Takes a row that was locked, and brings the allocation states up to the journal.
    async fn open(&mut self, study: &ShelvedStudy, row: StudyRow) -> Result<(), Failure> {
        if row.bundle_version != study.version {
            // What was read by the old rules must not be decided after the new ones came into force.
            let moment = format!("study {} was amended a moment ago", row.slug);
            return Err(Failure::Store(StoreError::Busy(moment)));
        }
        if row.facts_bound < row.facts {
            // Somebody could be on file under a reference that nobody would find them by.
            let moment = format!("corrections of study {} that an earlier version recorded are to be bound", row.slug);
            return Err(Failure::Store(StoreError::Busy(moment)));
        }
        let mut states = States::new();
        if study.study.allocations().next().is_some() {
            // What is ahead of the row comes of a commit that did not happen after all; a fact that this process
            // has not seen may change what was counted before it, and so may an amendment. All are rare: start over.
            let kept = self.shelf.states_of(study.id, &row.secret);
            let kept = kept.filter(|(at, _)| {
                at.version == row.bundle_version && at.allocations <= row.allocations && at.facts == row.facts
            });
            states = match kept {
                Some((at, mut states)) => {
                    if at.allocations < row.allocations {
                        for fact in allocation::journal(&mut self.tx, study.id, at.allocations).await? {
                            super::proof::catch_up(&study.study, &mut states, &fact)?;
                        }
                    }
                    states
                }
                None => {
                    let journal = match row.allocations {
                        0 => Vec::new(),
                        _ => allocation::journal(&mut self.tx, study.id, 0).await?,
                    };
                    let facts = match row.facts {
                        0 => Vec::new(),
                        _ => super::proof::all_facts(&mut self.tx, study.id).await?,
                    };
                    let schemes = Schemes::load(&mut self.tx, &row, &study.study).await?;
                    let mut states = States::new();
                    for rules in study.study.allocations() {
                        let own = schemes.of(rules.id)?;
                        states.insert(rules.id.to_string(), own.state(rules, &journal, &facts)?);
                    }
                    states
                }
            };
        }
        let cohorts = match study.study.cohorts.is_empty() {
            true => Vec::new(),
            false => {
                let kept = self.shelf.cohorts_of(study.id, &row.secret);
                let kept = kept.filter(|(at, _)| at.version == row.bundle_version && at.subjects <= row.subjects);
                let (after, counts) = kept.map_or((0, Vec::new()), |(at, counts)| (at.subjects, counts));
                match after < row.subjects {
                    true => super::cohorts::count_on(&mut self.tx, study.id, &study.study, after, counts).await?,
                    false => super::cohorts::sized(&study.study, counts),
                }
            }
        };
        self.pages.insert(study.id, Page { row, states, cohorts, changed: false, unknown: BTreeSet::new() });
        Ok(())
    }

    /// Looks up at once what a batch of requests to one study will ask for one by one; only what is new is remembered.
    /// The study is locked first, so that none of it changes before it is asked for.
    ///
    /// # Errors
    /// As [`Ledger::lock`].
    pub async fn foresee(
        &mut self,
        study: &ShelvedStudy,
        message_keys: &BTreeSet<String>,
        reference_keys: &BTreeSet<String>,
    ) -> Result<(), Failure> {
        self.lock(study).await?;
        // One that is made from what a mail says is looked up apart.
        let keys =
            message_keys.iter().filter(|key| !is_digest(key)).map(|key| inbox::message_key(study.id, key)).collect();
        self.unseen = inbox::unseen(&mut self.tx, &keys).await?;
        let unknown = subject::unknown(&mut self.tx, study.id, reference_keys).await?;
        subject::reserve(&mut self.tx, i64::try_from(unknown.len()).unwrap_or(i64::MAX)).await?;
        if let Some(page) = self.pages.get_mut(&study.id) {
            page.unknown = unknown;
        }
        Ok(())
    }

    /// Notes that a mail brings this message to a study; whether it is the first.
    ///
    /// What a person released from quarantine is a message of its own where its Message-ID was used for another before, and
    /// stands for the message where the first that brought it still waits.
    ///
    /// What was signed is one message in all studies: whoever got hold of it could else bring it to another study of its sender's, which the
    /// signature need not name.
    ///
    /// # Errors
    /// The database.
    pub async fn first_sight(
        &mut self,
        study_id: i64,
        arrival: Arrival<'_>,
        now: Instant,
    ) -> Result<FirstSight, Failure> {
        let Arrival { content_digest, inbox_id, released, .. } = arrival;
        let (of_study, signed) = (inbox::message_key(study_id, arrival.message_key), is_signed(arrival.message_key));
        let mut key = if signed { arrival.message_key.to_string() } else { of_study.clone() };
        if is_digest(arrival.message_key) {
            key = self.find_coded(key).await?;
        }
        if self.unseen.remove(&key) {
            inbox::note_first_sight(&mut self.tx, &key, content_digest, inbox_id, now).await?;
            return Ok(FirstSight::New);
        }
        let mut sight = inbox::first_sight(&mut self.tx, &key, content_digest, inbox_id, now).await?;
        if let (FirstSight::Same(first) | FirstSight::Different(first), true) = (sight, signed)
            && first != inbox_id
            && self.was_elsewhere(first, study_id).await?
        {
            if !released {
                return Ok(FirstSight::Elsewhere);
            }
            key = self.find_coded(of_study).await?;
            sight = inbox::first_sight(&mut self.tx, &key, content_digest, inbox_id, now).await?;
        }
        if let (FirstSight::Different(_), true) = (&sight, released) {
            let key_of = format!("{key} {}", data_encoding::HEXLOWER.encode(content_digest));
            key = self.find_coded(key_of).await?;
            sight = inbox::first_sight(&mut self.tx, &key, content_digest, inbox_id, now).await?;
        }
        if let (FirstSight::Same(first), true) = (&sight, released)
            && *first != inbox_id
            && inbox::find(&mut self.tx, *first).await?.is_none_or(|mail| mail.state != inbox::State::Done)
        {
            inbox::move_first_sight(&mut self.tx, &key, inbox_id).await?;
            return Ok(FirstSight::New);
        }
        Ok(sight)
    }

    /// Whether that mail was for another study.
    async fn was_elsewhere(&mut self, inbox_id: i64, study_id: i64) -> Result<bool, Failure> {
        let first = inbox::find(&mut self.tx, inbox_id).await?;
        Ok(first.and_then(|mail| mail.study_id).is_some_and(|first| first != study_id))
    }

    /// The key of a message that is known by what it says: a code of that, for from a digest alone that could be guessed. The one
    /// under which it was seen before, in whatever key's code or as a digest; else the one that is written now.
    async fn find_coded(&mut self, digest: String) -> Result<String, Failure> {
        let ring = Arc::clone(self.tx.ring());
        let coded = |one: Coded| format!("code:{} {}", one.key, data_encoding::HEXLOWER.encode(&one.code));
        let mut keys: Vec<String> = ring.codes("hagaki message", digest.as_bytes()).map(coded).collect();
        keys.push(digest);
        let unseen = inbox::unseen(&mut self.tx, &keys.iter().cloned().collect()).await?;
        let seen = keys.iter().position(|key| !unseen.contains(key)).unwrap_or_default();
        Ok(keys.swap_remove(seen))
    }

    /// Puts the letters of an enrollment aside: those of a whole batch are worded together, on every core, and stored with
    /// one statement for many. At the latest at the commit; before, by [`Ledger::write_letters`], where the outbox is read.
    pub fn put_aside(&mut self, study_id: i64, means: Means<'_>, inbox_id: Option<i64>, drafts: Vec<Draft>) {
        let posting = |draft| Posting { draft, mailbox: means.desk.mailbox.clone(), study_id, inbox_id, at: means.now };
        self.drafts.extend(drafts.into_iter().map(posting));
    }

    /// Words and stores the letters that were put aside, in their order.
    ///
    /// # Errors
    /// The database; a template that cannot state a letter's facts.
    pub async fn write_letters(&mut self) -> Result<(), Failure> {
        if self.drafts.is_empty() {
            return Ok(());
        }
        let postings = std::mem::take(&mut self.drafts);
        let letters = postings.iter().map(|posting| posting.draft.write()).collect::<Result<Vec<_>, Failure>>()?;
        let placed = letters.iter().zip(&postings);
        let rows: Vec<_> = placed
            .map(|(letter, posting)| letter.row(&posting.mailbox, Some(posting.study_id), posting.inbox_id, posting.at))
            .collect();
        outbox::insert_many(&mut self.tx, &rows).await?;
        Ok(())
    }

    /// The transaction, for a look at the outbox: whatever was put aside is in it.
    ///
    /// # Errors
    /// As [`Ledger::write_letters`].
    pub async fn outbox(&mut self) -> Result<&mut Tx, Failure> {
        self.write_letters().await?;
        Ok(&mut self.tx)
    }

    /// The studies behind this transaction.
    pub fn shelf(&self) -> &'a Shelf {
        self.shelf
    }

    /// Saves the counters of changed studies and commits; then, and only then, the shelf learns the new states.
    ///
    /// # Errors
    /// The database. The commit may have happened all the same: the shelf forgets the states it can no longer vouch for.
    pub async fn commit(mut self) -> Result<(), Failure> {
        self.write_letters().await?;
        for page in self.pages.values().filter(|page| page.changed) {
            study::save_counters(&mut self.tx, &page.row).await?;
        }
        for id in self.pages.keys() {
            self.shelf.forget_states(*id);
        }
        self.tx.commit().await?;
        for (id, page) in self.pages {
            if !page.cohorts.is_empty() {
                let at = CohortsAt { version: page.row.bundle_version, subjects: page.row.subjects };
                self.shelf.keep_cohorts(id, &page.row.secret, at, page.cohorts);
            }
            if !page.states.is_empty() {
                let StudyRow { allocations, facts, bundle_version: version, .. } = page.row;
                let at = StateAt { version, allocations, facts };
                self.shelf.keep_states(id, &page.row.secret, at, page.states);
            }
        }
        Ok(())
    }
}
