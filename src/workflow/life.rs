//! A study's life: activated, paused, resumed, purged. Each act is one entry in its chain. How it is amended: [`super::amending`]; how it
//! ends: [`super::ending`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::kit_import::new_kit;
use super::{Failure, amendment, known_places, names, wording};
use crate::definition::Bundle;
use crate::domain::chain::Sha256Digest;
use crate::domain::election::phase::Step;
use crate::domain::kit::{Order, State as KitState};
use crate::domain::kit_shuffle;
use crate::domain::study::{Kit, Stage, Study};
use crate::domain::text;
use crate::domain::time::{Dice, Instant};
use crate::limits;
use crate::store::bundle::BundleRow;
use crate::store::calendar::Mark;
use crate::store::kit::NewKit;
use crate::store::study::{NewStudy, State, StudyRow, StudySecret};
use crate::store::{Store, Tx, audit, bundle, calendar, cohort, election, kit, planned, study, word};

/// Who acts, when, and why: what every entry of a study's life says.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// Who: the operator's own name, as the system knows it.
    pub actor: &'a str,
    /// When.
    pub at: Instant,
    /// Why, in their words; may be empty where nobody needs a reason.
    pub reason: &'a str,
}

/// What an activation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activated {
    /// Stage it now runs in.
    pub stage: Stage,
    /// Version of the bundle.
    pub version: i64,
    /// Digest of the bundle.
    pub bundle_digest: String,
    /// SHA-256 of the secret that all draws come from; published now, so that the secret can be proved later.
    pub secret_digest: String,
}

/// Why an act on a study is refused. The texts are for the operator's terminal.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No such study.
    #[error("no study {0} is active here; `hagaki study list` shows those that are")]
    Unknown(String),
    /// It runs in production already.
    #[error("study {0} is in production; change it with `hagaki study amend`")]
    InProduction(String),
    /// It was in production, and that is over.
    #[error(
        "study {0} was in production and is closed: it is neither begun anew nor changed; a study that comes after it has a name of its \
         own (`slug` in study.toml)"
    )]
    Over(String),
    /// It was closed.
    #[error("study {0} is closed; a closed study is not changed")]
    Closed(String),
    /// The amendment would change how later subjects are allocated, or which of them are one.
    #[error("{what} of study {slug} cannot change after the first enrollment; everything else in the bundle can")]
    SchemeChanged {
        /// Which study.
        slug: String,
        /// What differs.
        what: &'static str,
    },
    /// The amendment would break what participants were told.
    #[error("{what} of study {slug} cannot change any more: participants were asked on that promise")]
    Promised {
        /// Which study.
        slug: String,
        /// What differs.
        what: &'static str,
    },
    /// An answer without a name would tell by which version of its form it was given, and so when.
    #[error(
        "instruments/{instrument}.toml: {} cannot change any more. Answers stand without names, and one would tell whether it was given \
         before or after, and so perhaps by whom. Labels, help, titles and messages may change. Put the rest back; or end this survey \
         with a day in `closes`, and begin a study with another slug by the new form",
        .what.join("; ")
    )]
    TellsApart {
        /// Id of the form.
        instrument: String,
        /// What differs.
        what: Vec<String>,
    },
    /// The amendment leaves open what the next decision counts: one line for each.
    #[error("{}", .0.join("\n"))]
    Scheme(Vec<String>),
    /// A scheme leaves nothing to chance, and does not say why.
    #[error(
        "{}: p is 1, or all arms but one are closed, so the next allocation can be foreseen. Write p below 1, such as p = \"4/5\"; or, if \
         it is meant so, why, above the first line in brackets: deterministic_reason = \"…\". A rehearsal needs no reason",
        .0.join(", ")
    )]
    Deterministic(Vec<String>),
    /// The list of kits contradicts the kits there are: one line for each.
    #[error("{}", .0.join("\n"))]
    Kits(Vec<String>),
    /// Nothing differs.
    #[error("nothing would change: it is so already")]
    Unchanged,
    /// The rules of its election were frozen with the roll.
    #[error(
        "the rules of the election {0} are frozen: everybody cites their digest, so election.toml stays as it is, to the byte, and so do the \
         candidates' pictures and time_zone, by which its moments are read; everything else in the bundle can change"
    )]
    Frozen(String),
    /// Ballots of its election are in the urn.
    #[error(
        "there are ballots in the urn of {0}, and nobody could open it any more: `hagaki election close {0}` opens it when voting is over, \
         and `hagaki study pause {0}` stops the voting at once"
    )]
    Ballots(String),
    /// Only development data can be purged.
    #[error("study {0} has no development data")]
    NothingToPurge(String),
    /// Its secret is out: whoever has it knows the next arm.
    #[error("the secret of the rehearsal {0} was revealed; `hagaki study purge {0}` begins it anew")]
    Revealed(String),
    /// Its slug or its tag is a name of another study here.
    #[error(
        "study.toml: {key} = \"{word}\" is a name of the study {other} here (its slug, its tag, or a tag it had), so nobody could tell \
         whose a mail or a number with it is; write another {key}"
    )]
    Named {
        /// `slug` or `tag`.
        key: &'static str,
        /// The name.
        word: String,
        /// Slug of the study whose it is.
        other: String,
    },
    /// Its subjects or members are called by its tag already.
    #[error(
        "study.toml: the tag cannot change any more: letters, receipts and papers call people by it ({tag}-0001), and nobody would be \
         found by these numbers; write tag = \"{tag}\" again{}", .purge.as_deref().map(|slug| format!(", or begin the rehearsal anew with `hagaki study purge {slug}`")).unwrap_or_default()
    )]
    Tagged {
        /// The tag in force.
        tag: String,
        /// Slug of the study if it is rehearsed.
        purge: Option<String>,
    },
    /// What only a closed study gives away.
    #[error("study {0} is not closed; its secret is revealed after `hagaki study close` and never before")]
    NotClosed(String),
    /// The arms of a blinded study that goes on.
    #[error(
        "study {0} is blinded and not closed: this would tell every arm; one subject's arm is told by `hagaki unblind`, all of \
         them after `hagaki study close`"
    )]
    Blinded(String),
    /// What leaves a study that goes on leaves with a name and a reason.
    #[error(
        "study {0} is in production: say for whom with --by PERSON, and why with --reason; both stand in the audit chain"
    )]
    Unaccounted(String),
    /// No such person, or one who may not know.
    #[error("{0}")]
    Person(String),
    /// A history can only come before everything else.
    #[error("study {0} has subjects already; a history is imported before the first enrollment")]
    NotEmpty(String),
    /// A planned amendment lies ahead.
    #[error("--on must lie in the future; without it the amendment comes into force at once")]
    Past,
    /// What it was checked against is in force no more.
    #[error(
        "it was checked against version {base}, and version {now} came into force since: what changed there would be undone. Plan it \
         anew, from the bundle that is in force with these changes in it"
    )]
    Outdated {
        /// The version that was in force when it was planned.
        base: i64,
        /// The version in force.
        now: i64,
    },
    /// Its text is another one by now.
    #[error("its files are not those that were planned: their digest is not the one that the audit chain holds")]
    PlanChanged,
    /// No planned amendment of that number waits.
    #[error("study {0} has no planned amendment No. {1} that waits; `hagaki study show {0}` lists them")]
    NotPlanned(String, i64),
    /// An act in production needs its reason.
    #[error("say why, with --reason: it stands in the audit chain")]
    NoReason,
    /// What is decided in production is somebody's decision.
    #[error(
        "study {0} is in production: say who decided it with --by PERSON, an id of [[people]] in study.toml; it stands in the audit chain \
         and in the letters to the staff"
    )]
    Undecided(String),
}

/// An act's failure: refused, or failed.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// We say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// We could not.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<crate::store::StoreError> for LifeError {
    fn from(error: crate::store::StoreError) -> LifeError {
        LifeError::Failed(Failure::Store(error))
    }
}

/// SHA-256 of a text file set, as bytes.
pub(super) fn digest_bytes(hexadecimal: &str) -> Result<Sha256Digest, Failure> {
    let mut digest = Sha256Digest::default();
    let bytes = data_encoding::HEXLOWER.decode(hexadecimal.as_bytes()).unwrap_or_default();
    if bytes.len() != digest.len() {
        return Err(Failure::Contradiction("a bundle's digest is not SHA-256".to_string()));
    }
    digest.copy_from_slice(&bytes);
    Ok(digest)
}

fn fresh_secret(dice: &dyn Dice) -> (StudySecret, Sha256Digest) {
    let mut secret = [0; 32];
    dice.fill(&mut secret);
    let digest = Sha256::digest(secret).into();
    (StudySecret::new(secret), digest)
}

/// Puts a checked bundle into force: a new study, a study in development replaced by its next version, or the step from
/// development into production.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn activate(
    store: &Store,
    bundle: &Bundle,
    defined: &Study,
    stage: Stage,
    act: Act<'_>,
    dice: &dyn Dice,
) -> Result<Activated, LifeError> {
    let slug = &defined.slug;
    if stage == Stage::Production {
        amendment::check_chance(bundle, defined)?;
    }
    let mut tx = store.begin().await?;
    if let Some(row) = study::find(&mut tx, slug, Stage::Production).await? {
        let refusal = if row.state == State::Closed { Refusal::Over } else { Refusal::InProduction };
        return Err(refusal(slug.clone()).into());
    }
    let rehearsal = study::find(&mut tx, slug, Stage::Development).await?;
    let mut kits = Relisted { added: defined.kits.len(), withdrawn: Vec::new() };
    let row = match (stage, rehearsal) {
        (Stage::Development, Some(old)) => {
            let mut row = study::lock(&mut tx, old.id).await?;
            if audit::has(&mut tx, row.id, REVEAL).await? {
                return Err(Refusal::Revealed(slug.clone()).into());
            }
            (row.bundle_version, kits) = replace(&mut tx, &row, bundle, defined, act).await?;
            if row.state == State::Closed {
                study::set_state(&mut tx, row.id, State::Open, act.at).await?;
                study::set_enrollment(&mut tx, row.id, None, act.at).await?;
            }
            row
        }
        (_, rehearsal) => {
            if let Some(old) = rehearsal {
                let old = study::lock(&mut tx, old.id).await?;
                known_places::remember(&mut tx, &old).await?;
                study::set_state(&mut tx, old.id, State::Closed, act.at).await?;
                planned::withdraw_all(&mut tx, old.id, act.at, "the study went into production").await?;
                // Mails are for the study in production from now on.
                word::replace(&mut tx, old.id, &BTreeSet::new()).await?;
            }
            if stage == Stage::Production {
                known_places::check_rehearsed(&mut tx, None, defined).await?;
            }
            begin(&mut tx, bundle, defined, stage, act, dice).await?
        }
    };
    let activated = Activated {
        stage,
        version: row.bundle_version,
        bundle_digest: bundle.digest(),
        secret_digest: data_encoding::HEXLOWER.encode(&row.secret_digest),
    };
    let body = json!({ "slug": slug, "stage": stage.key(), "version": row.bundle_version, "reason": act.reason,
                       "bundle": activated.bundle_digest, "secret": activated.secret_digest, "kits": kits,
                       "deterministic": amendment::deterministic(defined) });
    log(&mut tx, row, act, "activate", &body).await?;
    tx.commit().await?;
    Ok(activated)
}

/// Rules that were frozen with the roll stay as they are, and so do the pictures of those who stand and the clocks by which the moments of
/// the rules are read.
async fn check_frozen(
    tx: &mut Tx,
    row: &StudyRow,
    stored: &BundleRow,
    bundle: &Bundle,
    (old, defined): (&Study, &Study),
) -> Result<(), LifeError> {
    let before = super::shelf::bundle_of(row, &stored.digest, &stored.files)?;
    let same = before.election() == bundle.election() && before.pictures() == bundle.pictures();
    if same && old.zone == defined.zone {
        return Ok(());
    }
    let taken = election::taken(&election::steps(&mut *tx, row.id).await?);
    if taken.contains(&Step::Open) { Err(Refusal::Frozen(row.slug.clone()).into()) } else { Ok(()) }
}

/// A study of its own stage: own secret, own numbers, own chain.
async fn begin(
    tx: &mut Tx,
    bundle: &Bundle,
    defined: &Study,
    stage: Stage,
    act: Act<'_>,
    dice: &dyn Dice,
) -> Result<StudyRow, LifeError> {
    let (secret, secret_digest) = fresh_secret(dice);
    let new = NewStudy { slug: &defined.slug, stage, secret: &secret, secret_digest: &secret_digest, at: act.at };
    let id = study::insert(tx, &new).await?;
    store_version(tx, id, 1, bundle, act).await?;
    let names = names::claim(tx, stage, None, defined).await?;
    word::replace(tx, id, &words_of(names, defined)).await?;
    list_kits(tx, id, (stage, &secret), defined.kits.iter()).await?;
    Ok(study::lock(tx, id).await?)
}

async fn list_kits(
    tx: &mut Tx,
    id: i64,
    (stage, secret): (Stage, &StudySecret),
    kits: impl Iterator<Item = &Kit>,
) -> Result<(), LifeError> {
    let listed: Vec<Kit> = kits.cloned().collect();
    if listed.is_empty() {
        return Ok(());
    }
    let secret = secret.bytes()?;
    let on_file = kit_shuffle::on_file(stage, secret, listed);
    let new: Vec<NewKit<'_>> = on_file.iter().map(new_kit).collect();
    Ok(kit::insert_many(tx, id, &Order::of(secret), &new).await?)
}

/// What a mail's words are compared with to find its study: its names, and the addresses of its people.
fn words_of(names: BTreeSet<String>, study: &Study) -> BTreeSet<String> {
    names.into_iter().chain(study.people.iter().flat_map(|person| person.addresses.iter().cloned())).collect()
}

async fn store_version(tx: &mut Tx, id: i64, version: i64, bundle: &Bundle, act: Act<'_>) -> Result<(), LifeError> {
    let row = BundleRow {
        study_id: id,
        version,
        digest: digest_bytes(&bundle.digest())?,
        files: serde_json::to_string(bundle.files()).expect("a map of texts is JSON"),
        activated_at: act.at,
        actor: act.actor.to_string(),
        reason: act.reason.to_string(),
    };
    Ok(bundle::insert(tx, &row).await?)
}

/// What a new version of the bundle did to the list of kits.
#[derive(Debug, Default, serde::Serialize)]
pub(super) struct Relisted {
    /// How many kits came.
    added: usize,
    /// Codes of the kits that are taken off the list.
    withdrawn: Vec<String>,
}

impl Relisted {
    /// In words for a terminal, if anything became of it.
    pub(super) fn told(&self) -> Option<String> {
        let Relisted { added, withdrawn } = self;
        let any = *added > 0 || !withdrawn.is_empty();
        any.then(|| format!("kits: {added} added, {} withdrawn", withdrawn.len()))
    }
}

/// Puts the next version of a locked study's bundle into force; its number, and what became of the list of kits.
pub(super) async fn replace(
    tx: &mut Tx,
    row: &StudyRow,
    bundle: &Bundle,
    defined: &Study,
    act: Act<'_>,
) -> Result<(i64, Relisted), LifeError> {
    let stored = bundle::load(&mut *tx, row.id, row.bundle_version).await?;
    if stored.digest == digest_bytes(&bundle.digest())? {
        return Err(Refusal::Unchanged.into());
    }
    if row.stage == Stage::Production {
        amendment::check_chance(bundle, defined)?;
    }
    let old = super::shelf::definition_of(row, &stored.digest, &stored.files)?;
    check_frozen(tx, row, &stored, bundle, (&old, defined)).await?;
    if old.tag != defined.tag && (row.subjects > 0 || row.participants > 0) {
        let purge = (row.stage == Stage::Development).then(|| row.slug.clone());
        return Err(Refusal::Tagged { tag: old.tag, purge }.into());
    }
    if row.stage == Stage::Production {
        known_places::check_rehearsed(tx, Some(&old), defined).await?;
    }
    if row.subjects > 0 {
        amendment::check(&row.slug, &old, defined)?;
        known_places::check_epoch(tx, row, &old, defined).await?;
        wording::check(tx, row, &old, defined).await?;
    }
    if row.participants > 0 && row.stage == Stage::Production {
        amendment::check_promises(&row.slug, &old, defined)?;
    }
    let version = row.bundle_version + 1;
    store_version(tx, row.id, version, bundle, act).await?;
    study::set_bundle(tx, row.id, version, act.at).await?;
    let names = names::claim(tx, row.stage, Some(&old), defined).await?;
    word::replace(tx, row.id, &words_of(names, defined)).await?;
    let relisted = relist(tx, row, &old, defined).await?;
    // Another time of day for the digest counts from now on.
    if (old.digest.minute, old.zone) != (defined.digest.minute, defined.zone)
        && let Some(mark) = calendar::find(&mut *tx, row.id).await?
    {
        let next_at = defined.zone.next_at(defined.digest.minute, act.at);
        calendar::save(tx, row.id, Mark { next_at, ..mark }).await?;
    }
    // A cohort that is another one now is told of anew.
    for known in old.cohorts.iter().filter(|known| !defined.cohorts.contains(known)) {
        cohort::forget(tx, row.id, &known.id).await?;
    }
    // What comes back to the list may end a shortage.
    super::stock::forget_over(tx, row.id, defined, act.at).await?;
    Ok((version, relisted))
}

/// Kits that are new in the list are added, those that are gone from it are withdrawn if they are still free; a kit that
/// was handed out stays listed, and what was said of a kit stays as it was.
async fn relist(tx: &mut Tx, study: &StudyRow, old: &Study, new: &Study) -> Result<Relisted, LifeError> {
    let id = study.id;
    let before: BTreeMap<&str, &Kit> = old.kits.iter().map(|kit| (kit.code.as_str(), kit)).collect();
    let after: BTreeMap<&str, &Kit> = new.kits.iter().map(|kit| (kit.code.as_str(), kit)).collect();
    let added: Vec<&Kit> = new.kits.iter().filter(|kit| !before.contains_key(kit.code.as_str())).collect();
    let gone: Vec<&str> = before.keys().copied().filter(|code| !after.contains_key(code)).collect();
    let mut faults: Vec<String> = before
        .iter()
        .filter(|(code, kit)| after.get(*code).is_some_and(|now| now != *kit))
        .map(|(code, _)| {
            format!("kits.csv: kit {code} is listed otherwise than before; leave its line as it was (kits are shipped with `hagaki kit move`)")
        })
        .collect();
    if !added.is_empty() {
        let known: BTreeSet<String> =
            kit::codes(&mut *tx, id).await?.iter().map(|code| text::fold_tight(code)).collect();
        let doubled = added.iter().filter(|kit| known.contains(&text::fold_tight(&kit.code)));
        faults.extend(doubled.map(|kit| {
            format!("kits.csv: kit {} is in the study already; remove its line (a code is used once)", kit.code)
        }));
    }
    let mut relisted = Relisted { added: added.len(), withdrawn: Vec::new() };
    for code in gone {
        let row = kit::find_by_code(&mut *tx, id, code).await?;
        let Some(row) = row else { continue };
        if row.allocation_number.is_some() {
            faults.push(format!("kits.csv: kit {code} was handed out; put its line back"));
        } else if row.state.may_become(KitState::Withdrawn) {
            kit::record_state(tx, &row, KitState::Withdrawn).await?;
            relisted.withdrawn.push(code.to_string());
        }
    }
    if !faults.is_empty() {
        faults.truncate(limits::PROBLEMS);
        return Err(Refusal::Kits(faults).into());
    }
    list_kits(tx, id, (study.stage, &study.secret), added.into_iter()).await?;
    Ok(relisted)
}

/// The action of the entry that a revealed secret leaves.
pub(super) const REVEAL: &str = "reveal";

/// Puts an entry on the study's chain and its digest on the installation's, so that a whole chain cannot be replaced.
pub(super) async fn log(
    tx: &mut Tx,
    mut row: StudyRow,
    act: Act<'_>,
    action: &str,
    body: &serde_json::Value,
) -> Result<(), LifeError> {
    let digest = audit::append(tx, &mut row, act.at, act.actor, action, &body.to_string()).await?;
    study::save_counters(tx, &row).await?;
    let own = json!({ "study": row.id, "slug": row.slug, "stage": row.stage.key(),
                      "entry": row.chain.length, "digest": data_encoding::HEXLOWER.encode(&digest) });
    audit::append_own(tx, act.at, act.actor, &format!("study-{action}"), &own.to_string()).await?;
    Ok(())
}

/// The current row of a study, locked.
pub(super) async fn locked(tx: &mut Tx, slug: &str) -> Result<StudyRow, LifeError> {
    let found = study::find_current(&mut *tx, slug).await?;
    let row = found.ok_or_else(|| Refusal::Unknown(slug.to_string()))?;
    Ok(study::lock(tx, row.id).await?)
}

/// A locked study that was not closed, upon which somebody acts who says why where that counts.
pub(super) async fn not_closed(tx: &mut Tx, slug: &str, act: Act<'_>) -> Result<StudyRow, LifeError> {
    let row = locked(tx, slug).await?;
    if row.state == State::Closed {
        return Err(Refusal::Closed(row.slug).into());
    }
    if row.stage == Stage::Production && act.reason.trim().is_empty() {
        return Err(Refusal::NoReason.into());
    }
    Ok(row)
}

/// Pauses a study, or (`paused` is false) lets it go on.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn set_paused(store: &Store, slug: &str, paused: bool, act: Act<'_>) -> Result<Stage, LifeError> {
    let mut tx = store.begin().await?;
    let row = not_closed(&mut tx, slug, act).await?;
    let (state, action) = if paused { (State::Paused, "pause") } else { (State::Open, "resume") };
    if row.state == state {
        return Err(Refusal::Unchanged.into());
    }
    let stage = row.stage;
    study::set_state(&mut tx, row.id, state, act.at).await?;
    log(&mut tx, row, act, action, &json!({ "reason": act.reason })).await?;
    tx.commit().await?;
    Ok(stage)
}

/// Forgets everything a rehearsal brought; production is never purged. The act stands in the installation's own chain, and
/// begins the study's new one with the digest of its new secret, as an activation does.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn purge(store: &Store, slug: &str, act: Act<'_>, dice: &dyn Dice) -> Result<i64, LifeError> {
    let mut tx = store.begin().await?;
    let found = study::find(&mut tx, slug, Stage::Development).await?;
    let row = found.ok_or_else(|| Refusal::NothingToPurge(slug.to_string()))?;
    let row = study::lock(&mut tx, row.id).await?;
    known_places::remember(&mut tx, &row).await?;
    let (secret, secret_digest) = fresh_secret(dice);
    study::purge(&mut tx, row.id, &secret, &secret_digest, act.at).await?;
    planned::withdraw_all(&mut tx, row.id, act.at, "the study was purged").await?;
    // The rehearsal begins anew, and with it enrollment.
    study::set_enrollment(&mut tx, row.id, None, act.at).await?;
    let stored = bundle::load(&mut tx, row.id, row.bundle_version).await?;
    let defined = super::shelf::definition_of(&row, &stored.digest, &stored.files)?;
    list_kits(&mut tx, row.id, (row.stage, &secret), defined.kits.iter()).await?;
    let mut emptied = study::lock(&mut tx, row.id).await?;
    let body = json!({ "reason": act.reason, "version": row.bundle_version,
                       "bundle": data_encoding::HEXLOWER.encode(&stored.digest),
                       "secret": data_encoding::HEXLOWER.encode(&secret_digest) });
    let digest = audit::append(&mut tx, &mut emptied, act.at, act.actor, "purge", &body.to_string()).await?;
    study::save_counters(&mut tx, &emptied).await?;
    let own = json!({ "study": row.id, "slug": slug, "subjects": row.subjects, "reason": act.reason,
                      "head": data_encoding::HEXLOWER.encode(&row.chain.digest),
                      "digest": data_encoding::HEXLOWER.encode(&digest) });
    audit::append_own(&mut tx, act.at, act.actor, "study-purge", &own.to_string()).await?;
    tx.commit().await?;
    Ok(row.subjects)
}
