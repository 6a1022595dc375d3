//! Mailings: many letters that are one act, of a rule of the schedule or of commands, on one day by the study's clock. They are listed with
//! what became of their letters, held, let go, and stopped for good.
//!
//! A mailing is known by the letters that belong to it, so nothing has to be begun or ended: whoever takes a list in again after a crash
//! goes on with the same one, for each of its people has one letter. What a person does about it is done page by page, each with its
//! entry in the chain; done again, it takes up where it stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::NaiveDate;
use serde_json::json;

use super::entry::append;
use super::ledger::Ledger;
use super::life;
use super::schedule;
use super::shelf::{Shelf, ShelvedStudy};
use super::{Failure, Means};
use crate::domain::time::{Instant, Zone};
use crate::limits;
use crate::store::mailing::{self, Which};
use crate::store::outbox::State;
use crate::store::{StoreError, Tx};

/// What stands for a rule in the name of a mailing by commands; no id of a rule has this sign.
const BY_COMMAND: &str = "+command";

/// What a mailing is called: `SLUG/2026-12-01/RULE`, or `SLUG/2026-12-01/+command`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// The study.
    pub slug: String,
    /// The day, by the study's clock.
    pub day: NaiveDate,
    /// Id of the rule of the schedule; none for commands.
    pub rule: Option<String>,
}

impl Name {
    /// The name that somebody wrote.
    pub fn find(written: &str) -> Option<Name> {
        let mut parts = written.split('/');
        let (slug, day, rule) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        if slug.is_empty() || rule.is_empty() || parts.next().is_some() {
            return None;
        }
        Some(Name { slug: slug.to_string(), day, rule: (rule != BY_COMMAND).then(|| rule.to_string()) })
    }

    /// From when on, and before when, the times of its letters lie.
    fn span(&self, zone: Zone) -> (Instant, Instant) {
        let begins = |day: NaiveDate| zone.resolve(day.and_time(chrono::NaiveTime::MIN));
        (begins(self.day), self.day.succ_opt().map_or(Instant(i64::MAX), begins))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.slug, self.day, self.rule.as_deref().unwrap_or(BY_COMMAND))
    }
}

/// A mailing, and how far its letters have come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailing {
    /// Names of its letters' templates.
    pub kinds: BTreeSet<String>,
    /// Who had it written, where that were commands.
    pub actors: BTreeSet<String>,
    /// How many letters were written, in each state.
    pub letters: BTreeMap<State, u64>,
    /// How many are yet to be written.
    pub planned: u64,
    /// How many of these are held.
    pub planned_held: u64,
}

/// The mailings of a study of which letters were written, were due to be, or are held, by day. Looks at every letter.
///
/// # Errors
/// The database.
pub async fn list(shelf: &Shelf, shelved: &ShelvedStudy, now: Instant) -> Result<BTreeMap<Name, Mailing>, StoreError> {
    let (store, id, study) = (shelf.store(), shelved.id, &shelved.study);
    let name = |rule: Option<String>, at: Instant| Name { slug: study.slug.clone(), day: at.day_in(study.zone), rule };
    let mut found: BTreeMap<Name, Mailing> = BTreeMap::new();
    for one in mailing::written(store, id).await? {
        let own = found.entry(name(one.rule, one.at)).or_default();
        own.kinds.insert(one.kind);
        *own.letters.entry(one.state).or_default() += one.letters.unsigned_abs();
    }
    for one in mailing::planned(store, id).await? {
        let due = one.at <= now || one.held;
        let key = name(Some(one.rule), one.at);
        // What is to come some other day is the schedule's to list.
        if !due && !found.contains_key(&key) {
            continue;
        }
        let own = found.entry(key).or_default();
        own.kinds.insert(one.kind);
        own.planned += one.letters.unsigned_abs();
        own.planned_held += if one.held { one.letters.unsigned_abs() } else { 0 };
    }
    for (actor, at) in mailing::actors(store, id).await? {
        if let Some(own) = found.get_mut(&name(None, at)) {
            own.actors.insert(actor);
        }
    }
    Ok(found)
}

/// What is done about a mailing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steering {
    /// Its letters that have not left wait until they are let go, those yet to be written among them.
    Hold,
    /// Those that are held go out.
    Resume,
    /// Those that have not left never leave.
    Stop,
}

impl Steering {
    /// Its name in the chain.
    const fn action(self) -> &'static str {
        match self {
            Steering::Hold => "hold-mailing",
            Steering::Resume => "resume-mailing",
            Steering::Stop => "stop-mailing",
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steered {
    /// Letters that were written.
    pub letters: u64,
    /// Letters that were yet to be.
    pub planned: u64,
    /// Of a mailing that is stopped: letters that were under way. They have left, or are held and can be stopped in a moment.
    pub under_way: u64,
}

/// Holds a mailing, lets it go on, or stops it, a page in each transaction; `told` hears of each.
///
/// # Errors
/// The database; what was done before stays done.
pub async fn steer(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: life::Act<'_>,
    (name, what): (&Name, Steering),
    mut told: impl FnMut(u64),
) -> Result<Steered, Failure> {
    let span = name.span(shelved.study.zone);
    let which = Which { study_id: shelved.id, rule: name.rule.as_deref(), from: span.0, to: span.1 };
    let mut done = Steered::default();
    // What is yet to be written comes first, or it would be written behind us.
    if let Some(rule) = &name.rule {
        done.planned = match what {
            Steering::Stop => schedule::skip_between(shelf, shelved, means, act, (rule, span)).await?,
            Steering::Hold | Steering::Resume => planned(shelf, shelved, means, act, (name, which, what)).await?,
        };
        told(done.planned);
    }
    let work = Work { shelf, shelved, means, act, name, which };
    done.letters = work.pages(what, &mut told).await?;
    if what == Steering::Stop {
        done.under_way = work.pages(Steering::Hold, &mut told).await?;
    }
    Ok(done)
}

/// Letters of a rule that are yet to be written.
async fn planned(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: life::Act<'_>,
    (name, which, what): (&Name, Which<'_>, Steering),
) -> Result<u64, Failure> {
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page) = ledger.lock(shelved).await?;
    let letters = match what {
        Steering::Resume => mailing::resume_planned(tx, which).await?,
        Steering::Hold | Steering::Stop => mailing::hold_planned(tx, which).await?,
    };
    if letters > 0 {
        let body = json!({ "mailing": name.to_string(), "planned": letters, "reason": act.reason });
        append(tx, page, means, act.actor, what.action(), &body).await?;
        ledger.commit().await?;
    }
    Ok(letters)
}

/// What pages of letters are steered with.
struct Work<'a> {
    shelf: &'a Shelf,
    shelved: &'a ShelvedStudy,
    means: Means<'a>,
    act: life::Act<'a>,
    name: &'a Name,
    which: Which<'a>,
}

impl Work<'_> {
    async fn pages(&self, what: Steering, told: &mut impl FnMut(u64)) -> Result<u64, Failure> {
        let (mut letters, mut after) = (0, 0);
        loop {
            let mut ledger = Ledger::begin(self.shelf).await?;
            let (tx, page) = ledger.lock(self.shelved).await?;
            let done = self.page(tx, what, after).await?;
            let Some(last) = done.last() else { return Ok(letters) };
            after = last.id;
            let many = done.len() as u64;
            let body = json!({ "mailing": self.name.to_string(), "letters": many, "reason": self.act.reason });
            append(tx, page, self.means, self.act.actor, what.action(), &body).await?;
            ledger.commit().await?;
            letters += many;
            told(many);
        }
    }

    async fn page(&self, tx: &mut Tx, what: Steering, after: i64) -> Result<Vec<mailing::Letter>, StoreError> {
        let (which, now, most) = (self.which, self.means.now, limits::MAILING_PAGE);
        match what {
            Steering::Hold => mailing::hold(tx, which, after, most).await,
            Steering::Resume => mailing::resume(tx, which, now, after, most).await,
            Steering::Stop => mailing::stop(tx, which, (now, self.act.reason), after, most).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailing_is_named_as_it_is_listed() {
        let tokyo = Zone::find("Asia/Tokyo").unwrap();
        for written in ["wellbeing/2026-12-01/remind", "wellbeing/2026-12-01/+command"] {
            let name = Name::find(written).unwrap();
            assert_eq!(name.to_string(), written);
            let (from, to) = name.span(tokyo);
            assert_eq!((from.utc(), to.utc()), ("2026-11-30T15:00:00Z".to_owned(), "2026-12-01T15:00:00Z".to_owned()));
        }
        for written in
            ["", "wellbeing", "wellbeing/2026-12-01", "wellbeing/soon/remind", "/2026-12-01/a", "a/2026-12-01/b/c"]
        {
            assert_eq!(Name::find(written), None, "{written}");
        }
    }
}
