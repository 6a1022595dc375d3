//! The studies this process holds in memory: definitions, stationery, allocation states.
//!
//! Everything here can be rebuilt from the database and is: a definition when its version changes, a state when the
//! journal has moved on. Nothing here is ever the truth.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::Failure;
use crate::definition::{self, Bundle};
use crate::domain::allocation::State;
use crate::domain::study::{Stage, Study};
use crate::letters::Stationery;
use crate::store::study::{Fingerprint, StudyRow, StudySecret};
use crate::store::{Store, bundle, study};

/// A study with the row it belongs to.
#[derive(Clone)]
pub struct ShelvedStudy {
    /// Its row.
    pub id: i64,
    /// Development or production.
    pub stage: Stage,
    /// Version of the bundle in force.
    pub version: i64,
    /// Its definition.
    pub study: Arc<Study>,
    /// Its letters.
    pub stationery: Arc<Stationery>,
}

/// The secret a state was drawn with, and the allocation number it stands at.
type StateAt = (StudySecret, i64, State);

/// The shelf.
pub struct Shelf {
    store: Store,
    studies: RwLock<BTreeMap<String, Arc<ShelvedStudy>>>,
    states: Mutex<BTreeMap<i64, StateAt>>,
    seen: Mutex<Option<Fingerprint>>,
    common: Mutex<Option<Arc<Stationery>>>,
}

impl Shelf {
    /// An empty shelf over a store.
    pub fn new(store: Store) -> Shelf {
        Shelf {
            store,
            studies: RwLock::default(),
            states: Mutex::default(),
            seen: Mutex::default(),
            common: Mutex::default(),
        }
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

    /// Whether anything was activated or amended since the last refresh; one cheap statement.
    async fn is_current(&self) -> Result<bool, Failure> {
        let now = study::fingerprint(&self.store).await?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let current = *seen == Some(now);
        *seen = Some(now);
        Ok(current)
    }

    /// Loads what was activated or amended since the last time; one cheap statement if nothing was.
    ///
    /// # Errors
    /// The database; a stored bundle this version cannot read.
    pub async fn refresh(&self) -> Result<(), Failure> {
        if self.is_current().await? {
            return Ok(());
        }
        let result = self.reload().await;
        if result.is_err() {
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        result
    }

    async fn reload(&self) -> Result<(), Failure> {
        // In the order of slug and stage: production comes last and so wins.
        let rows = study::list(&self.store).await?;
        let heads: BTreeMap<String, StudyRow> = rows.into_iter().map(|row| (row.slug.clone(), row)).collect();
        let known: BTreeMap<String, (i64, i64)> =
            self.read().iter().map(|(slug, shelved)| (slug.clone(), (shelved.id, shelved.version))).collect();
        for head in heads.values() {
            if known.get(&head.slug) != Some(&(head.id, head.bundle_version)) {
                let shelved = self.load(head).await?;
                self.write().insert(head.slug.clone(), Arc::new(shelved));
            }
        }
        self.write().retain(|slug, _| heads.contains_key(slug));
        Ok(())
    }

    /// Reads a stored study. Studies without letters of their own share one stationery: compiled templates are not small.
    ///
    /// # Errors
    /// The database; a stored bundle this version cannot read.
    pub async fn load(&self, row: &StudyRow) -> Result<ShelvedStudy, Failure> {
        let stored = bundle::load(&self.store, row.id, row.bundle_version).await?;
        let (study, bundle) = read(row, &stored.files)?;
        let own = bundle.letters();
        let stationery = if own.is_empty() { self.common()? } else { Arc::new(stationery(row, &own)?) };
        Ok(ShelvedStudy {
            id: row.id,
            stage: row.stage,
            version: row.bundle_version,
            study: Arc::new(study),
            stationery,
        })
    }

    /// The stationery of everybody who has no letters of their own.
    ///
    /// # Errors
    /// A template of ours is broken.
    pub fn common(&self) -> Result<Arc<Stationery>, Failure> {
        let mut common = self.common.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stationery) = &*common {
            return Ok(Arc::clone(stationery));
        }
        let stationery = Stationery::load(&BTreeMap::new()).map_err(|problems| Failure::Letter(first(&problems)))?;
        Ok(Arc::clone(common.insert(Arc::new(stationery))))
    }

    /// The study of that slug, if it is active.
    pub fn find(&self, slug: &str) -> Option<Arc<ShelvedStudy>> {
        self.read().get(slug).cloned()
    }

    /// The study of that row.
    pub fn find_by_id(&self, id: i64) -> Option<Arc<ShelvedStudy>> {
        self.read().values().find(|shelved| shelved.id == id).cloned()
    }

    /// Every active study, by slug.
    pub fn list(&self) -> Vec<Arc<ShelvedStudy>> {
        self.read().values().cloned().collect()
    }

    /// The allocation state kept for a study, with the number it stands at, if it was made with this secret.
    pub fn state_of(&self, id: i64, secret: &StudySecret) -> Option<(i64, State)> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.get(&id).filter(|(own, _, _)| own == secret).map(|(_, number, state)| (*number, state.clone()))
    }

    /// Keeps a state whose journal is known to be durable.
    pub fn keep_state(&self, id: i64, secret: &StudySecret, number: i64, state: State) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.insert(id, (secret.clone(), number, state));
    }

    /// Forgets a state, so that the next transaction reads the journal.
    pub fn forget_state(&self, id: i64) {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Arc<ShelvedStudy>>> {
        self.studies.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Arc<ShelvedStudy>>> {
        self.studies.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The definition in a stored bundle.
///
/// # Errors
/// A stored bundle this version cannot read.
pub fn definition_of(row: &StudyRow, files: &str) -> Result<Study, Failure> {
    read(row, files).map(|(study, _)| study)
}

fn read(row: &StudyRow, files: &str) -> Result<(Study, Bundle), Failure> {
    let unreadable = |why: String| Failure::Bundle { slug: row.slug.clone(), version: row.bundle_version, why };
    let files = serde_json::from_str(files).map_err(|error| unreadable(error.to_string()))?;
    let bundle = Bundle::from_files(files);
    let (study, _) = definition::load(&bundle).map_err(|problems| unreadable(first(&problems)))?;
    Ok((study, bundle))
}

fn stationery(row: &StudyRow, own: &BTreeMap<String, String>) -> Result<Stationery, Failure> {
    Stationery::load(own).map_err(|problems| Failure::Bundle {
        slug: row.slug.clone(),
        version: row.bundle_version,
        why: first(&problems),
    })
}

fn first(problems: &[definition::Problem]) -> String {
    problems.first().map(ToString::to_string).unwrap_or_default()
}
