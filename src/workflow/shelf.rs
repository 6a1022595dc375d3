//! The studies this process holds in memory: definitions, stationery, allocation states.
//!
//! Everything here can be rebuilt from the database and is: a definition when its version changes, a state when the
//! journal has moved on. Nothing here is ever the truth.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::Failure;
use crate::definition::{self, Bundle};
use crate::domain::allocation::State;
use crate::domain::study::Study;
use crate::letters::Stationery;
use crate::store::study::{Stage, StudyHead};
use crate::store::{Store, bundle, study};

/// A study with the row it belongs to.
#[derive(Clone, Debug)]
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
type StateAt = (Vec<u8>, i64, State);

/// The shelf.
pub struct Shelf {
    store: Store,
    studies: RwLock<BTreeMap<String, Arc<ShelvedStudy>>>,
    states: Mutex<BTreeMap<i64, StateAt>>,
}

impl Shelf {
    /// An empty shelf over a store.
    pub fn new(store: Store) -> Shelf {
        Shelf { store, studies: RwLock::default(), states: Mutex::default() }
    }

    /// The store below.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Loads what was activated or amended since the last time; one cheap statement if nothing was.
    ///
    /// # Errors
    /// The database; a stored bundle this version cannot read.
    pub async fn refresh(&self) -> Result<(), Failure> {
        let heads = study::list_current(&self.store).await?;
        let known: BTreeMap<String, (i64, i64)> =
            self.read().iter().map(|(slug, shelved)| (slug.clone(), (shelved.id, shelved.version))).collect();
        for head in &heads {
            if known.get(&head.slug) != Some(&(head.id, head.bundle_version)) {
                let shelved = load(&self.store, head).await?;
                self.write().insert(head.slug.clone(), Arc::new(shelved));
            }
        }
        if heads.len() < known.len() || heads.iter().any(|head| !known.contains_key(&head.slug)) {
            self.write().retain(|slug, _| heads.iter().any(|head| head.slug == *slug));
        }
        Ok(())
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
    pub fn state_of(&self, id: i64, secret: &[u8]) -> Option<(i64, State)> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.get(&id).filter(|(own, _, _)| own == secret).map(|(_, number, state)| (*number, state.clone()))
    }

    /// Keeps a state whose journal is known to be durable.
    pub fn keep_state(&self, id: i64, secret: &[u8], number: i64, state: State) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.insert(id, (secret.to_vec(), number, state));
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

/// Reads a stored study.
///
/// # Errors
/// The database; a stored bundle this version cannot read.
pub async fn load(store: &Store, head: &StudyHead) -> Result<ShelvedStudy, Failure> {
    let stored = bundle::load(store, head.id, head.bundle_version).await?;
    let unreadable = |why: String| Failure::Bundle { slug: head.slug.clone(), version: head.bundle_version, why };
    let bundle = Bundle::from_stored(&stored.files).map_err(unreadable)?;
    let first = |problems: Vec<definition::problem::Problem>| {
        unreadable(problems.first().map(ToString::to_string).unwrap_or_default())
    };
    let (study, _) = definition::load(&bundle).map_err(first)?;
    let stationery = Stationery::load(&bundle.letters()).map_err(first)?;
    Ok(ShelvedStudy {
        id: head.id,
        stage: head.stage,
        version: head.bundle_version,
        study: Arc::new(study),
        stationery: Arc::new(stationery),
    })
}
