//! The studies this process holds in memory: definitions, stationery, allocation states.
//!
//! Only those that mails asked for lately: an installation may have thousands. Everything here can be rebuilt from the
//! database and is: a definition when its version changes, a state when the journal has moved on. Nothing here is ever
//! the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Failure;
use super::versions::{self, Doubt, Why};
use crate::definition::{self, Bundle};
use crate::domain::allocation::State;
use crate::domain::chain::Sha256Digest;
use crate::domain::seal::{NoKey, Unopened};
use crate::domain::study::{Stage, Study};
use crate::letters::Stationery;
use crate::limits;
use crate::store::study::{StudyRow, StudySecret};
use crate::store::word::Told;
use crate::store::{Store, bundle, study, study_key, study_name, word};

/// A study with the row it belongs to.
#[derive(Clone)]
pub struct ShelvedStudy {
    /// Its row.
    pub id: i64,
    /// Development or production.
    pub stage: Stage,
    /// Version of the bundle in force.
    pub version: i64,
    /// SHA-256 of that bundle, in lower-case hexadecimal digits.
    pub digest: String,
    /// Its definition.
    pub study: Arc<Study>,
    /// Its letters.
    pub stationery: Arc<Stationery>,
    /// Why nothing of it can be decided now, where a key is missing.
    pub locked: Option<Locked>,
}

/// Which key is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locked {
    /// Any: there is no key file.
    NoKey,
    /// That one, with which something of the study was sealed. Without it somebody on file would not be known again.
    Lost(String),
}

impl ShelvedStudy {
    /// Refuses what would be decided without a key that the study needs.
    ///
    /// # Errors
    /// A failure that passes when the key file is mended.
    pub fn unlocked(&self) -> Result<(), Failure> {
        match &self.locked {
            None => Ok(()),
            Some(Locked::NoKey) => Err(NoKey.into()),
            Some(Locked::Lost(name)) => {
                Err(Failure::Unopened { slug: self.study.slug.clone(), why: Unopened::NoKey(name.clone()) })
            }
        }
    }
}

/// What is kept of one study.
struct Place {
    /// When it was last asked for, as the shelf counts.
    used: u64,
    study: Option<Arc<ShelvedStudy>>,
    states: Option<KeptStates>,
    cohorts: Option<(StudySecret, CohortsAt, Vec<u64>)>,
}

/// Where the counts of cohorts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CohortsAt {
    /// Version of the bundle whose cohorts they are.
    pub version: i64,
    /// Number of the last subject in them.
    pub subjects: i64,
}

/// Where the states of a study stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateAt {
    /// Version of the bundle by whose scheme it counts.
    pub version: i64,
    /// Number of the last allocation in it.
    pub allocations: i64,
    /// Number of the last fact it knows of.
    pub facts: i64,
}

/// The states of a study's allocations, by their ids.
pub type States = BTreeMap<String, State>;

/// The secret that states were drawn with, where they stand, and the states.
type KeptStates = (StudySecret, StateAt, States);

/// The shelf.
pub struct Shelf {
    store: Store,
    places: Mutex<Places>,
    common: Mutex<Option<Arc<Stationery>>>,
}

#[derive(Default)]
struct Places {
    by_id: BTreeMap<i64, Place>,
    asked: u64,
}

impl Places {
    /// The place of a study, which counts as used now. If that makes too many, the one unused for longest goes.
    fn at(&mut self, id: i64) -> &mut Place {
        self.asked += 1;
        if self.by_id.len() >= limits::SHELVED_STUDIES && !self.by_id.contains_key(&id) {
            let oldest = self.by_id.iter().min_by_key(|(_, place)| place.used).map(|(id, _)| *id);
            oldest.map(|id| self.by_id.remove(&id));
        }
        let place = self.by_id.entry(id).or_insert(Place { used: 0, study: None, states: None, cohorts: None });
        place.used = self.asked;
        place
    }
}

/// Studies by the words that tell them; those that cannot be read are named apart.
#[derive(Default)]
pub struct Candidates {
    by_word: BTreeMap<String, Vec<Arc<ShelvedStudy>>>,
    unreadable: BTreeSet<String>,
}

impl Candidates {
    /// The studies that any of these words tells, by slug.
    pub fn of<'a>(&self, words: impl IntoIterator<Item = &'a String>) -> BTreeMap<String, Arc<ShelvedStudy>> {
        let told = words.into_iter().filter_map(|word| self.by_word.get(word)).flatten();
        told.map(|shelved| (shelved.study.slug.clone(), Arc::clone(shelved))).collect()
    }

    /// Whether one of these words tells a study that this version cannot read.
    pub fn is_unreadable<'a>(&self, words: impl IntoIterator<Item = &'a String>) -> bool {
        words.into_iter().any(|word| self.unreadable.contains(word))
    }
}

impl Shelf {
    /// An empty shelf over a store.
    pub fn new(store: Store) -> Shelf {
        Shelf { store, places: Mutex::default(), common: Mutex::default() }
    }

    /// The same shelf with the built-in letters at hand: compiling them takes a while.
    #[must_use]
    pub fn with_letters(self, common: Arc<Stationery>) -> Shelf {
        Shelf { common: Mutex::new(Some(common)), ..self }
    }

    /// The store below.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The studies that words tell, in the version that is in force now; one cheap statement for some dozens of words.
    /// Of each word at most `most` studies are looked at.
    ///
    /// # Errors
    /// The database. A stored bundle that this version cannot read is logged and named in the answer.
    pub async fn candidates(&self, words: &BTreeSet<String>, most: usize) -> Result<Candidates, Failure> {
        let mut candidates = Candidates::default();
        for told in word::told(&self.store, words).await? {
            self.add(&mut candidates, told, most).await?;
        }
        Ok(candidates)
    }

    /// The only study there is, under the empty word, if there is only one.
    ///
    /// # Errors
    /// As [`Shelf::candidates`].
    pub async fn only(&self) -> Result<Candidates, Failure> {
        let mut candidates = Candidates::default();
        if let Some(told) = word::only(&self.store).await? {
            self.add(&mut candidates, told, 1).await?;
        }
        Ok(candidates)
    }

    /// The study of that id, told by that word.
    ///
    /// # Errors
    /// The database.
    pub async fn told_by(&self, word: &str, id: i64) -> Result<Candidates, Failure> {
        let row = study::load(&self.store, id).await?;
        let mut candidates = Candidates::default();
        let told = Told {
            word: word.to_string(),
            study_id: row.id,
            slug: row.slug,
            stage: row.stage,
            bundle_version: row.bundle_version,
        };
        self.add(&mut candidates, told, 1).await?;
        Ok(candidates)
    }

    async fn add(&self, candidates: &mut Candidates, told: Told, most: usize) -> Result<(), Failure> {
        if candidates.by_word.get(&told.word).is_some_and(|there| there.len() >= most) {
            return Ok(());
        }
        match self.current(told.study_id, told.bundle_version).await {
            Ok(shelved) => match shelved.unlocked() {
                Ok(()) => candidates.by_word.entry(told.word).or_default().push(shelved),
                Err(error) => {
                    tracing::error!(study = told.slug, %error, "a key is missing; the study's mails wait");
                    candidates.unreadable.insert(told.word);
                }
            },
            Err(error @ (Failure::Bundle { .. } | Failure::Letter(_))) => {
                tracing::error!(study = told.slug, %error, "a study cannot be read; its mails wait");
                candidates.unreadable.insert(told.word);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The study of that row in that version, which must be the one in force.
    ///
    /// # Errors
    /// As [`Shelf::load`].
    pub async fn current(&self, id: i64, version: i64) -> Result<Arc<ShelvedStudy>, Failure> {
        if let Some(known) = self.places().at(id).study.clone().filter(|known| known.version == version) {
            return Ok(known);
        }
        let row = study::load(&self.store, id).await?;
        let shelved = Arc::new(self.load(&row).await?);
        self.places().at(id).study = Some(Arc::clone(&shelved));
        Ok(shelved)
    }

    /// The study of that row, in the version that is in force now.
    ///
    /// # Errors
    /// The database; a stored bundle this version cannot read.
    pub async fn find_by_id(&self, id: i64) -> Result<Arc<ShelvedStudy>, Failure> {
        let row = study::load(&self.store, id).await?;
        self.current(id, row.bundle_version).await
    }

    /// Reads a stored study, if its version is the one that the chain tells. Studies without letters of their own share one stationery: compiled templates are not small.
    ///
    /// # Errors
    /// The database; a stored bundle this version cannot read.
    pub async fn load(&self, row: &StudyRow) -> Result<ShelvedStudy, Failure> {
        let stored = bundle::load(&self.store, row.id, row.bundle_version).await?;
        versions::believe(&self.store, row, &stored).await?;
        let (mut study, bundle, unread) = read(row, &stored.digest, &stored.files)?;
        if let Some(why) = unread {
            tracing::warn!(
                study = row.slug,
                why,
                "schedule.toml cannot be read by this version; until it is mended by an amendment, no letter of the schedule goes out"
            );
        }
        study.former_tags = study_name::list_former(&self.store, &row.slug).await?;
        let own = bundle.letters();
        let locked = self.locked(row.id, &study).await?;
        let own = if own.is_empty() { own } else { usable(row, own)? };
        let stationery = if own.is_empty() { self.common()? } else { Arc::new(lean(row, &own)?) };
        Ok(ShelvedStudy {
            id: row.id,
            stage: row.stage,
            version: row.bundle_version,
            digest: data_encoding::HEXLOWER.encode(&stored.digest),
            study: Arc::new(study),
            stationery,
            locked,
        })
    }

    /// A version that comes into force in a transaction that is not over: nobody else sees it yet.
    ///
    /// # Errors
    /// Letters of its own that cannot be used.
    pub(super) fn hold(&self, row: &StudyRow, bundle: &Bundle, study: &Study) -> Result<ShelvedStudy, Failure> {
        let own = bundle.letters();
        Ok(ShelvedStudy {
            id: row.id,
            stage: row.stage,
            version: row.bundle_version,
            digest: bundle.digest(),
            study: Arc::new(study.clone()),
            stationery: if own.is_empty() { self.common()? } else { Arc::new(tried(row, &own)?) },
            locked: None,
        })
    }

    /// Which key of a study is missing, if one is; notes the one that will seal, before anything is sealed with it.
    async fn locked(&self, id: i64, study: &Study) -> Result<Option<Locked>, Failure> {
        let names = self.store.ring().names();
        let used = study_key::names(&self.store, id).await?;
        match (study.asks_personal(), names.first()) {
            (true, None) => return Ok(Some(Locked::NoKey)),
            // With one missing nothing is sealed: a wrong key file leaves no trace.
            _ if used.iter().any(|name| !names.contains(name)) => {}
            (true, Some(first)) if !used.contains(first) => study_key::note(&self.store, id, first).await?,
            _ => {}
        }
        Ok(used.into_iter().find(|name| !names.contains(name)).map(Locked::Lost))
    }

    /// The built-in letters, in no study's own words.
    ///
    /// # Errors
    /// This program's own templates are broken.
    pub fn common(&self) -> Result<Arc<Stationery>, Failure> {
        let mut common = self.common.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stationery) = &*common {
            return Ok(Arc::clone(stationery));
        }
        let stationery = Stationery::lean(&BTreeMap::new()).map_err(|problems| Failure::Letter(first(&problems)))?;
        Ok(Arc::clone(common.insert(Arc::new(stationery))))
    }

    /// The same study with the built-in letters, for what must leave though the study's own words cannot be written.
    ///
    /// # Errors
    /// As [`Shelf::common`].
    pub fn plain(&self, shelved: &ShelvedStudy, why: &str) -> Result<ShelvedStudy, Failure> {
        tracing::error!(
            study = shelved.study.slug,
            why,
            "a letter of the study's own cannot be written; the built-in one goes"
        );
        Ok(ShelvedStudy { stationery: self.common()?, ..shelved.clone() })
    }

    /// Writes what somebody must hear of: in the study's own words, else in the built-in ones.
    ///
    /// # Errors
    /// Those of writing in the built-in words.
    pub fn write_surely<T>(
        &self,
        shelved: &ShelvedStudy,
        write: impl Fn(&ShelvedStudy) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match write(shelved) {
            Err(Failure::Letter(why)) => write(&self.plain(shelved, &why)?),
            written => written,
        }
    }

    /// The allocation states kept for a study, with where they stand, if they were made with this secret.
    pub fn states_of(&self, id: i64, secret: &StudySecret) -> Option<(StateAt, States)> {
        let places = self.places();
        let kept = places.by_id.get(&id)?.states.as_ref();
        kept.filter(|(own, _, _)| own == secret).map(|(_, at, states)| (*at, states.clone()))
    }

    /// Keeps states whose journal is known to be durable.
    pub fn keep_states(&self, id: i64, secret: &StudySecret, at: StateAt, states: States) {
        self.places().at(id).states = Some((secret.clone(), at, states));
    }

    /// Forgets states and counts, so that the next transaction reads the journal.
    pub fn forget_states(&self, id: i64) {
        if let Some(place) = self.places().by_id.get_mut(&id) {
            (place.states, place.cohorts) = (None, None);
        }
    }

    /// The counts of cohorts kept for a study, with where they stand, if they are of this secret's subjects.
    pub fn cohorts_of(&self, id: i64, secret: &StudySecret) -> Option<(CohortsAt, Vec<u64>)> {
        let places = self.places();
        let kept = places.by_id.get(&id)?.cohorts.as_ref();
        kept.filter(|(own, _, _)| own == secret).map(|(_, at, counts)| (*at, counts.clone()))
    }

    /// Keeps counts of subjects that are known to be durable.
    pub fn keep_cohorts(&self, id: i64, secret: &StudySecret, at: CohortsAt, counts: Vec<u64>) {
        self.places().at(id).cohorts = Some((secret.clone(), at, counts));
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The definition in a stored bundle.
///
/// # Errors
/// A stored bundle this version cannot read.
pub fn definition_of(row: &StudyRow, digest: &Sha256Digest, files: &str) -> Result<Study, Failure> {
    read(row, digest, files).map(|(study, ..)| study)
}

/// A stored bundle.
///
/// # Errors
/// Files that no version of ours can have stored, or that are not those of the digest beside them.
pub fn bundle_of(row: &StudyRow, digest: &Sha256Digest, files: &str) -> Result<Bundle, Failure> {
    let files = serde_json::from_str(files).map_err(|error| unreadable(row, error.to_string()))?;
    let bundle = Bundle::from_files(files);
    if bundle.digest() != data_encoding::HEXLOWER.encode(digest) {
        let doubt = Doubt { version: row.bundle_version, why: Why::Files };
        return Err(unreadable(row, doubt.to_string()));
    }
    Ok(bundle)
}

fn unreadable(row: &StudyRow, why: String) -> Failure {
    Failure::Bundle { slug: row.slug.clone(), version: row.bundle_version, why }
}

/// Study and bundle, and what is wrong with the schedule where it was left out.
fn read(row: &StudyRow, digest: &Sha256Digest, files: &str) -> Result<(Study, Bundle, Option<String>), Failure> {
    let bundle = bundle_of(row, digest, files)?;
    let problems = match definition::load_in_force(&bundle) {
        Ok((study, _)) => return Ok((study, bundle, None)),
        Err(problems) => first(&problems),
    };
    match definition::load_in_force(&without_schedule(&bundle)) {
        Ok((study, _)) => Ok((study, bundle, Some(problems))),
        Err(_) => Err(unreadable(row, problems)),
    }
}

/// Earlier versions of the program took `schedule.toml` into a bundle without reading it. What is wrong in it keeps no study that runs
/// from its patients; a bundle that is to come into force is read whole.
fn without_schedule(bundle: &Bundle) -> Bundle {
    let kept = |name: &String| name != "schedule.toml" && !name.starts_with("holidays/");
    Bundle::from_files(
        bundle.files().iter().filter(|(name, _)| kept(name)).map(|(name, text)| (name.clone(), text.clone())).collect(),
    )
}

/// The letters of a version that comes into force: each is tried.
fn tried(row: &StudyRow, own: &BTreeMap<String, String>) -> Result<Stationery, Failure> {
    Stationery::load(own).map_err(|problems| unreadable(row, first(&problems)))?;
    lean(row, own)
}

fn lean(row: &StudyRow, own: &BTreeMap<String, String>) -> Result<Stationery, Failure> {
    Stationery::lean(own).map_err(|problems| unreadable(row, first(&problems)))
}

/// Those of a stored study's own letters that can be written. They were tried when it was activated, but perhaps by another version, whose
/// letters had other facts: what cannot be written any more gives way to the built-in letter, whole, for a text of ours beside a subject
/// of theirs may contradict it. So no study that runs is kept from its patients by a wording.
fn usable(row: &StudyRow, mut own: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Failure> {
    while let Err(problems) = Stationery::load(&own) {
        if own.is_empty() {
            return Err(unreadable(row, first(&problems)));
        }
        for problem in &problems {
            let (file, why) = (&problem.file, problem.to_string());
            tracing::warn!(
                study = row.slug,
                file,
                why,
                "a letter of the study's own cannot be written by this version; the built-in one goes until it is mended by an amendment"
            );
        }
        let broken: BTreeSet<&str> =
            problems.iter().filter(|one| own.contains_key(&one.file)).map(|one| letter_of(&one.file)).collect();
        // Where nothing tells which letter it is, none is trusted.
        own.retain(|path, _| !broken.is_empty() && !broken.contains(letter_of(path)));
    }
    Ok(own)
}

/// The folder of a letter's parts.
fn letter_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(folder, _)| folder)
}

fn first(problems: &[definition::Problem]) -> String {
    problems.first().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;
    use crate::definition::samples;
    use crate::domain::time::{Dice, Instant};
    use crate::workflow::amending::{self, Version};
    use crate::workflow::ending::Decision;
    use crate::workflow::life::{self, Act};
    use crate::workflow::{DeskAddress, Keys, Means};

    struct Ones;

    impl Dice for Ones {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(1);
        }
    }

    /// Each time other bytes, as every letter needs a Message-ID of its own.
    struct Counting(AtomicU8);

    impl Dice for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0.fetch_add(1, Ordering::SeqCst));
        }
    }

    const ACT: Act<'static> = Act { actor: "test", at: Instant(1_795_000_000_000_000), reason: "test" };

    /// `aurora` under another slug and tag; its people stay the same.
    fn aurora(slug: &str) -> (Bundle, Study) {
        let mut files = samples::aurora().files().clone();
        let text = files.get_mut("study.toml").unwrap();
        *text = text.replace("slug = \"aurora\"", &format!("slug = \"{slug}\""));
        *text = text.replace("tag = \"AURORA\"", &format!("tag = \"{}\"", slug.to_uppercase()));
        let bundle = Bundle::from_files(files);
        let study = definition::load(&bundle).unwrap().0;
        (bundle, study)
    }

    async fn activate(store: &Store, slug: &str, stage: Stage) {
        let (bundle, study) = aurora(slug);
        life::activate(store, &bundle, &study, stage, ACT, &Ones).await.unwrap();
    }

    async fn told(shelf: &Shelf, word: &str) -> Vec<(String, Stage, i64)> {
        let words = BTreeSet::from([word.to_owned()]);
        let candidates = shelf.candidates(&words, 100).await.unwrap();
        candidates.of(&words).into_values().map(|one| (one.study.slug.clone(), one.stage, one.version)).collect()
    }

    #[tokio::test]
    async fn words_tell_the_study_in_force() {
        let scratch = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite://{}/a.db", scratch.path().display())).await.unwrap();
        let shelf = Shelf::new(store.clone());
        assert!(shelf.only().await.unwrap().by_word.is_empty());
        activate(&store, "one", Stage::Development).await;
        activate(&store, "one", Stage::Production).await;
        let only = shelf.only().await.unwrap();
        assert_eq!(
            only.of([&String::new()]).into_values().map(|one| one.stage).collect::<Vec<_>>(),
            [Stage::Production]
        );
        assert_eq!(told(&shelf, "one").await, [("one".to_owned(), Stage::Production, 1)]);

        let (mut bundle, study) = aurora("one");
        let mut files = bundle.files().clone();
        files.get_mut("study.toml").unwrap().push_str("\n# Another version.\n");
        bundle = Bundle::from_files(files);
        let keys = Keys::derive(&[1; 32]);
        let desk = DeskAddress {
            mailbox: "reg".to_owned(),
            address: "reg@example.jp".to_owned(),
            display: "Registration".to_owned(),
            message_id_domain: "example.jp".to_owned(),
            public_url: "https://example.jp".to_owned(),
            openpgp: None,
        };
        let means = Means { now: ACT.at, dice: &Counting(AtomicU8::new(2)), keys: &keys, desk: &desk };
        let new = Version { bundle: &bundle, study: &study };
        Box::pin(amending::amend(&shelf, new, means, Decision { by: Some("center"), act: ACT })).await.unwrap();
        assert_eq!(told(&shelf, "one").await, [("one".to_owned(), Stage::Production, 2)]);

        activate(&store, "two", Stage::Development).await;
        assert!(shelf.only().await.unwrap().by_word.is_empty());
        assert_eq!(told(&shelf, "yamada@example.jp").await.len(), 2);
        assert!(told(&shelf, "nobody@example.jp").await.is_empty());
    }

    #[test]
    fn what_was_not_asked_for_longest_goes() {
        let mut places = Places::default();
        let most = limits::SHELVED_STUDIES as i64;
        for id in 0..most {
            places.at(id);
        }
        places.at(0);
        places.at(most);
        assert_eq!(places.by_id.len(), limits::SHELVED_STUDIES);
        assert!(places.by_id.contains_key(&0) && !places.by_id.contains_key(&1));
    }
}
