//! The package of a closed study: everything from which somebody else can recompute its allocations.
//!
//! In charge of what files there are and what stands in them; `deploy/verify/README.md` describes the format, and the verifier
//! beside it reads no other version than [`FORMAT`].

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::shelf::ShelvedStudy;
use super::{Failure, journal};
use crate::definition::{self, Bundle};
use crate::domain::allocation::{Amendment, Counts};
use crate::limits;
use crate::store::study::StudyRow;
use crate::store::{Store, audit, bundle};

/// Name and version of the format.
pub const FORMAT: &str = "hagaki allocation package 1";

/// A package.
#[derive(Clone, Debug)]
pub struct Package {
    /// What it is, and the secret: the content of `package.json`.
    pub manifest: Value,
    /// The other files, path → text.
    pub files: BTreeMap<String, String>,
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// The package of a revealed study; `row` is that of the revealing. With the chain come the bundles whole: together they hold what
/// was answered about the subjects and the addresses of the staff.
///
/// # Errors
/// The database; records that contradict each other.
pub async fn pack(store: &Store, shelved: &ShelvedStudy, row: &StudyRow, with_chain: bool) -> Result<Package, Failure> {
    let mut files = BTreeMap::new();
    let mut bundles = Vec::new();
    for listed in bundle::list(store, row.id).await? {
        let version = listed.version;
        let stored = bundle::load(store, row.id, version).await?;
        let broken = |error: serde_json::Error| Failure::Contradiction(format!("bundle {version}: {error}"));
        let texts: BTreeMap<String, String> = serde_json::from_str(&stored.files).map_err(broken)?;
        let schemes = definition::allocation_files(&Bundle::from_files(texts.clone()));
        let is_scheme = |path: &str| schemes.iter().any(|(_, file)| file == path);
        let is_list = |path: &str| path.starts_with("list") && path.ends_with(".csv");
        for (path, text) in texts.iter().filter(|(path, _)| is_scheme(path) || is_list(path)) {
            files.insert(format!("bundle-{version}/{path}"), text.clone());
        }
        // A version by which nobody was allocated may have been that of a registry.
        let rules = texts.contains_key("allocation.toml").then(|| format!("bundle-{version}/allocation.toml"));
        let mut entry = json!({ "version": version, "digest": hex(&stored.digest), "at": stored.activated_at.utc(),
                                "allocation": rules });
        if let (Some(entry), true) = (entry.as_object_mut(), schemes.len() > 1) {
            let further =
                schemes.iter().skip(1).map(|(id, file)| (id.clone(), json!(format!("bundle-{version}/{file}"))));
            entry.insert("further".to_owned(), Value::Object(further.collect()));
        }
        if let Some(entry) = entry.as_object_mut().filter(|_| with_chain) {
            let name = format!("bundle-{version}.json");
            entry.insert("files".to_owned(), json!(name));
            files.insert(name, stored.files);
        }
        bundles.push(entry);
    }
    let mut lines = String::new();
    for line in journal::lines(store, row.id).await? {
        lines.push_str(&format!("{}\n", line.to_proof()));
    }
    files.insert("journal.jsonl".to_owned(), lines);
    let mut recounts = Vec::new();
    for rules in shelved.study.allocations() {
        let own = journal::amendments(store, shelved, rules).await?;
        recounts.extend(own.into_iter().map(|recount| (recount.after, rules.id, recount)));
    }
    // In the order in which they became known; what became known between the same two allocations by the ids of what it changes.
    recounts.sort_by_key(|(after, id, _)| (*after, *id));
    files.insert("recounts.jsonl".to_owned(), recounts.iter().map(|(_, _, own)| recount(own)).collect());
    if with_chain {
        files.insert("chain.jsonl".to_owned(), chain(store, row).await?);
    }
    let manifest = json!({
        "format": FORMAT,
        "program": env!("HAGAKI_VERSION"),
        "study": row.slug,
        "study_id": row.id,
        "stage": row.stage.key(),
        "secret": hex(row.secret.bytes()?),
        "secret_digest": hex(&row.secret_digest),
        "allocations": row.allocations,
        "chain": { "length": row.chain.length, "head": hex(&row.chain.digest) },
        "bundles": bundles,
    });
    Ok(Package { manifest, files })
}

/// A line that says from where on an allocation counts otherwise; levels null where it counts no more, and `again` where that was
/// in error.
fn recount(amendment: &Amendment) -> String {
    let mut line = json!({ "after": amendment.after, "allocation": amendment.allocation });
    match &amendment.counts {
        Counts::At(levels) => line["levels"] = json!(levels),
        Counts::Nowhere => line["levels"] = Value::Null,
        Counts::Again => line["again"] = json!(true),
    }
    format!("{line}\n")
}

/// The chain up to the entry of the revealing.
async fn chain(store: &Store, row: &StudyRow) -> Result<String, Failure> {
    let mut text = String::new();
    let mut last = 0;
    while last < row.chain.length {
        let page = audit::list(store, row.id, last, limits::PAGE_ROWS).await?;
        let Some(end) = page.last() else {
            return Err(Failure::Contradiction(format!("the audit chain ends at {last} of {}", row.chain.length)));
        };
        last = end.seq;
        for entry in page.iter().filter(|entry| entry.seq <= row.chain.length) {
            let line = json!({ "seq": entry.seq, "at": entry.at.0, "actor": entry.actor, "action": entry.action,
                               "body": entry.body, "digest": hex(&entry.digest) });
            text.push_str(&format!("{line}\n"));
        }
    }
    Ok(text)
}
