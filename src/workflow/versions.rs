//! The versions of a study's bundle beside what the audit chain tells of them: a text that was changed in the database decides nothing.
//!
//! In charge of which version is in force, by the chain, and whether a stored text is the one that came into force then. Whether the
//! chain is whole is [`crate::store::audit::verify`]'s to say.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Failure;
use super::shelf::bundle_of;
use crate::domain::time::Instant;
use crate::store::audit::Unlinked;
use crate::store::bundle::{self, BundleRow};
use crate::store::study::StudyRow;
use crate::store::{Reader, Store, StoreError, audit};

/// Why a version is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The chain tells of it, but it is not on file.
    Absent,
    /// Its files are not those of the digest beside them.
    Files,
    /// Its digest is not the one that the chain tells.
    Digest,
    /// It is on file, but the chain does not tell of it.
    Entry,
    /// It is the one in force by the study's row, but not by the chain.
    InForce,
    /// When, by whom or why it came into force is not as the chain tells it.
    Circumstances,
}

impl Why {
    /// Name in reports for programs.
    pub const fn key(self) -> &'static str {
        match self {
            Why::Absent => "absent",
            Why::Files => "files",
            Why::Digest => "digest",
            Why::Entry => "entry",
            Why::InForce => "in-force",
            Why::Circumstances => "circumstances",
        }
    }
}

/// A version that is not as the chain tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Its number.
    pub version: i64,
    /// What is wrong with it.
    pub why: Why,
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let version = self.version;
        match self.why {
            Why::Absent => write!(out, "the audit chain tells of bundle version {version}, which is not on file"),
            Why::Files => {
                write!(out, "the files of bundle version {version} are not those of the digest stored beside them")
            }
            Why::Digest => {
                write!(out, "the files of bundle version {version} are not those whose digest the audit chain holds")
            }
            Why::Entry => write!(out, "bundle version {version} is on file, but the audit chain does not tell of it"),
            Why::Circumstances => write!(
                out,
                "when, by whom or why bundle version {version} came into force is not as the audit chain tells it"
            ),
            Why::InForce => write!(out, "bundle version {version} is in force, but by the audit chain another one is"),
        }
    }
}

/// What an entry tells of a version.
#[derive(Debug, Deserialize)]
struct Told {
    version: i64,
    /// In lower-case hexadecimal; the entry of a purge held none once.
    bundle: Option<String>,
    /// Whether a purge tells of it: what came before, no entry tells any more.
    #[serde(skip)]
    purged: bool,
    /// Why it came into force.
    reason: Option<String>,
    /// Who put it into force.
    #[serde(skip)]
    actor: String,
    /// When; none of an entry that no program of ours wrote.
    #[serde(skip)]
    at: Option<Instant>,
}

/// What an entry tells of an amendment that is to come.
#[derive(Debug, Deserialize)]
struct Planned {
    planned: i64,
    bundle: String,
    #[serde(default)]
    by: Option<String>,
}

fn read<'e, T: Deserialize<'e>>(entry: &'e Unlinked) -> Result<T, Failure> {
    let broken = |error| Failure::Contradiction(format!("entry {} of the audit chain: {error}", entry.seq));
    serde_json::from_str(&entry.body).map_err(broken)
}

/// The versions that the chain tells of, up to the head in `row`, in order. A purge begins a chain anew.
async fn told<'a>(from: impl Into<Reader<'a>>, row: &StudyRow) -> Result<Vec<Told>, Failure> {
    let entries = audit::list_versions(from, row.id, row.chain.length).await?;
    let entries = entries.iter().filter(|entry| entry.action != PLAN);
    entries
        .map(|entry| {
            let (purged, actor, at) = (entry.action == "purge", entry.actor.clone(), Some(entry.at));
            Ok(Told { purged, actor, at, ..read(entry)? })
        })
        .collect()
}

/// The action of the entry that an amendment for a day leaves.
pub(super) const PLAN: &str = "plan-amendment";

/// An amendment for a day as the chain tells it.
pub(super) struct Plan {
    /// The version that was in force when it was planned, which it was checked against.
    pub(super) base: i64,
    /// SHA-256 of its files, in lower-case hexadecimal.
    pub(super) digest: String,
    /// Id of the person of the study who decided it; none where the operator did.
    pub(super) by: Option<String>,
}

/// The amendments for a day by their numbers, as the chain up to the head in `row` tells them.
///
/// # Errors
/// The database; an entry that no program of ours can have written.
pub(super) async fn plans<'a>(from: impl Into<Reader<'a>>, row: &StudyRow) -> Result<BTreeMap<i64, Plan>, Failure> {
    let (mut base, mut plans) = (0, BTreeMap::new());
    for entry in audit::list_versions(from, row.id, row.chain.length).await? {
        if entry.action == PLAN {
            let told: Planned = read(&entry)?;
            plans.insert(told.planned, Plan { base, digest: told.bundle, by: told.by });
        } else {
            base = read::<Told>(&entry)?.version;
        }
    }
    Ok(plans)
}

fn doubt_of(told: Option<&Told>, stored: &BundleRow) -> Option<Why> {
    let digest = data_encoding::HEXLOWER.encode(&stored.digest);
    match told {
        None => Some(Why::Entry),
        Some(Told { bundle: Some(told), .. }) if *told != digest => Some(Why::Digest),
        Some(_) => None,
    }
}

/// Whether a version came into force when, by whom and why its entry tells; that of a purge tells of the purge.
fn is_as_told(told: &Told, stored: &BundleRow) -> bool {
    told.purged
        || told.reason.as_ref().is_none_or(|reason| *reason == stored.reason)
            && told.actor == stored.actor
            && told.at == Some(stored.activated_at)
}

/// That the version in force is the one that came into force by the chain, before anything is decided by it; `row` was read at once
/// with its head.
///
/// # Errors
/// [`Failure::Bundle`] if it is not.
pub(super) async fn believe(store: &Store, row: &StudyRow, stored: &BundleRow) -> Result<(), Failure> {
    let told = told(store, row).await?;
    let last = told.last();
    let other = last.is_some_and(|last| last.version != row.bundle_version);
    let why = if other { Some(Why::InForce) } else { doubt_of(last, stored) };
    let version = row.bundle_version;
    let bundle = |why| Failure::Bundle { slug: row.slug.clone(), version, why: Doubt { version, why }.to_string() };
    why.map_or(Ok(()), |why| Err(bundle(why)))
}

/// The first version of a study that is not as its chain tells it; `row` was read at once with the chain's head.
///
/// # Errors
/// The database; an entry that no program of ours can have written.
pub async fn check(store: &Store, row: &StudyRow) -> Result<Option<Doubt>, Failure> {
    let told = told(store, row).await?;
    // What came before a purge no entry tells any more.
    let untold = told.first().filter(|first| first.purged).map_or(0, |first| first.version);
    for version in 1..=row.bundle_version {
        let stored = match bundle::load(store, row.id, version).await {
            Ok(stored) => stored,
            Err(StoreError::Missing { .. }) => return Ok(Some(Doubt { version, why: Why::Absent })),
            Err(error) => return Err(error.into()),
        };
        let entry = told.iter().rev().find(|entry| entry.version == version);
        let why = match bundle_of(row, &stored.digest, &stored.files) {
            Err(_) => Some(Why::Files),
            Ok(_) if entry.is_none() && version <= untold => None,
            Ok(_) => doubt_of(entry, &stored)
                .or_else(|| entry.filter(|entry| !is_as_told(entry, &stored)).map(|_| Why::Circumstances)),
        };
        if let Some(why) = why {
            return Ok(Some(Doubt { version, why }));
        }
    }
    let last = told.last().map(|last| last.version);
    let version = row.bundle_version;
    Ok((last != Some(version)).then_some(Doubt { version, why: Why::InForce }))
}
