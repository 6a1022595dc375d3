//! The steps of the committee: one person asks for a step, another confirms it, and by that it is taken.
//!
//! Both speak of the same thing: where rules and roll (or an outcome) are another by the time of the confirmation, the second only asks
//! anew. Who they are the command line is told; the chain holds it beside the operator's own name.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::count::{self, Opened};
use super::{ElectionError, Floor, Refusal, enter, freeze, hex, recorded, rule};
use crate::definition::ballots_file;
use crate::domain::chain::Sha256Digest;
use crate::domain::election::phase::Step;
use crate::domain::study::Role;
use crate::domain::time::Instant;
use crate::limits;
use crate::store::election::{self as kept, StepRow};
use crate::store::voter::{self, VoterRow};
use crate::store::{Tx, audit};
use crate::workflow::Means;
use crate::workflow::entry::append;
use crate::workflow::ledger::{Ledger, Page};
use crate::workflow::life::Act;
use crate::workflow::shelf::{Shelf, ShelvedStudy};

/// Files that may be published beside an outcome. The roll is none of them.
const PUBLISHED: [&str; 2] = [BALLOTS, "facts.toml"];
/// The one of them that can tell how somebody voted.
const BALLOTS: &str = "ballots.csv";

/// A step that somebody wants.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Which.
    pub step: Step,
    /// Id of the person of the study who wants it.
    pub by: &'a str,
    /// The outcome, where one is put on record.
    pub outcome: Option<Outcome<'a>>,
    /// The operator, the moment and the reason.
    pub act: Act<'a>,
}

/// An outcome that is put on record.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// As the count printed it.
    pub text: &'a str,
    /// Names and contents of the files beside it that everybody may have once the result stands.
    pub published: &'a [(String, String)],
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It waits for another person until then.
    Asked {
        /// The last moment.
        until: Instant,
        /// Whether somebody had asked before, for something else or too long ago.
        lapsed: bool,
    },
    /// It is taken.
    Done {
        /// Id of the person who had asked for it.
        first: String,
        /// What it is about: rules and roll, or the outcome.
        about: Option<Sha256Digest>,
        /// What came out of the urn, where it was opened.
        opened: Option<Opened>,
    },
}

/// Asks for a step, or confirms what another person asked for.
///
/// # Errors
/// A [`Refusal`]; the database; a key that is missing. Then nothing was changed.
pub async fn take(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    wish: Wish<'_>,
) -> Result<Taken, ElectionError> {
    let Wish { step, by, act, .. } = wish;
    let person = shelved.study.people.iter().find(|person| person.id == by);
    let person = person.ok_or_else(|| Refusal::Person(by.to_string()))?;
    if !person.has(Role::Manager) {
        return Err(Refusal::Role(by.to_string()).into());
    }
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page, floor) = enter(&mut ledger, shelved, means.now).await?;
    let turnout = voter::turnout(&mut *tx, shelved.id).await?;
    floor.standing().may(step, turnout).map_err(|why| floor.refusal(why))?;
    let about = about(tx, page, &floor, wish).await?;
    let asked = floor.steps.iter().find(|own| own.step == step);
    let until = |from: Instant| from.plus_seconds(limits::ELECTION_STEP_HOURS * 3600);
    let first = asked.filter(|own| means.now < until(own.first_at) && own.about == about);
    let Some(first) = first else {
        let lapsed = asked.is_some();
        let row = StepRow { step, about, first_by: by.to_string(), first_at: means.now, second: None };
        kept::ask(tx, shelved.id, &row).await?;
        let body = json!({ "step": step.key(), "by": by, "about": about.as_ref().map(hex), "reason": act.reason });
        append(tx, page, means, act.actor, "ask-election-step", &body).await?;
        ledger.commit().await?;
        return Ok(Taken::Asked { until: until(means.now), lapsed });
    };
    if first.first_by == by {
        return Err(Refusal::Same(by.to_string()).into());
    }
    kept::confirm(tx, shelved.id, step, by, means.now).await?;
    let opened = match step {
        Step::Close => Some(count::open(tx, &floor, means).await?),
        _ => None,
    };
    if let (Step::Record, Some(outcome)) = (step, wish.outcome) {
        kept::save_outcome(tx, shelved.id, outcome.text).await?;
        for (name, content) in outcome.published {
            kept::publish(tx, shelved.id, name, content).await?;
        }
    }
    let mut body = json!({ "step": step.key(), "first": first.first_by, "second": by, "about": about.as_ref().map(hex),
                           "voters": turnout.voters, "reason": act.reason });
    if let Some(outcome) = wish.outcome {
        body["published"] = json!(outcome.published.iter().map(|(name, _)| name).collect::<Vec<&String>>());
    }
    if let Some(opened) = &opened {
        body["papers"] = json!(opened.papers);
        body["ballots"] = json!(opened.ballots);
        // Whoever has the chain sees that it is as after its last change.
        body["roll"] = json!(hex(&freeze(tx, page, floor.shelved).await?.0.roll));
    }
    append(tx, page, means, act.actor, "take-election-step", &body).await?;
    let done = Taken::Done { first: first.first_by.clone(), about, opened };
    ledger.commit().await?;
    if step == Step::Close
        && let Err(error) = shelf.store().wipe_traces().await
    {
        tracing::warn!(%error, "what was taken out of the urn could not be wiped yet");
    }
    Ok(done)
}

/// What a step is about: both people speak of the same.
async fn about(
    tx: &mut Tx,
    page: &Page,
    floor: &Floor<'_>,
    wish: Wish<'_>,
) -> Result<Option<Sha256Digest>, ElectionError> {
    match wish.step {
        Step::Objection | Step::Open => {
            let (frozen, roll) = freeze(tx, page, floor.shelved).await?;
            // The rules may be others than those by which the roll was brought, and whoever does not fit them could not vote.
            for VoterRow { entry, .. } in &roll {
                entry.check(floor.election).map_err(|fault| Refusal::Misfit { number: entry.number.clone(), fault })?;
            }
            Ok(Some(frozen.whole))
        }
        Step::Close => {
            check_roll(tx, page, floor).await?;
            Ok(None)
        }
        Step::Certify => Ok(None),
        Step::Record => {
            let outcome = wish.outcome.ok_or(Refusal::NoOutcome)?;
            let rule = Sha256::digest(rule(tx, page, floor.shelved).await?).into();
            let recorded = recorded::read(outcome.text, &rule).map_err(Refusal::Outcome)?;
            let cast = count::opened(tx, floor).await?;
            if let Some(lack) = recorded::lack(&cast, &recorded) {
                return Err(Refusal::Lack(lack).into());
            }
            let is_counted = |(name, content): &&(String, String)| {
                PUBLISHED.contains(&name.as_str()) && recorded.counts(&hex(&Sha256::digest(content).into()))
            };
            if let Some((name, _)) = outcome.published.iter().find(|file| !is_counted(file)) {
                return Err(Refusal::Unpublished(name.clone()).into());
            }
            let least = floor.election.terms.least_ballots;
            for (name, content) in outcome.published.iter().filter(|(name, _)| name == BALLOTS) {
                let read = ballots_file::read(name, content.as_bytes(), floor.election);
                if read.map_or(true, |ballots| recorded::tells_of_few(&ballots, &recorded, least)) {
                    return Err(Refusal::Telling(least).into());
                }
            }
            Ok(Some(Sha256::digest(outcome.text).into()))
        }
    }
}

/// That the roll is as its last act on record left it: every act writes its digest into the chain.
async fn check_roll(tx: &mut Tx, page: &Page, floor: &Floor<'_>) -> Result<(), ElectionError> {
    let found = hex(&freeze(tx, page, floor.shelved).await?.0.roll);
    let last = audit::last_of_roll(&mut *tx, floor.shelved.id).await?;
    let body = last.and_then(|entry| serde_json::from_str::<serde_json::Value>(&entry.body).ok());
    let recorded = body.and_then(|body| Some(body.get("roll")?.as_str()?.to_string())).unwrap_or_default();
    match recorded == found {
        true => Ok(()),
        false => Err(Refusal::RollDiffers { recorded, found }.into()),
    }
}
