//! The walk of a rehearsal: each row is a request through the real workflow, one transaction each.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use super::columns::{Asked, is_of_further};
use crate::cli::progress::Bar;
use crate::cli::simulate::population::Row;
use crate::daemon::machine::SystemDice;
use crate::daemon::run::keys;
use crate::definition::Bundle;
use crate::domain::allocation::Levels;
use crate::domain::answer::{self, Line};
use crate::domain::request::{Act, Randomize, Request};
use crate::domain::seal::KeyRing;
use crate::domain::study::{FIRST, Person, Randomization, Stage, Study};
use crate::domain::time::{Dice, Instant};
use crate::letters::{Kind, opened};
use crate::store::inbox::{self, NewItem};
use crate::store::{Store, allocation, outbox, study, subject};
use crate::workflow::ledger::Ledger;
use crate::workflow::shelf::{Shelf, ShelvedStudy};
use crate::workflow::{Arrival, DeskAddress, Keys, Means, Settled, accept, enroll, life, proof};

/// Where the rehearsal's mails would lie.
const MAILBOX: &str = "rehearsal";

/// What came of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// Enrolled, and allocated where the study randomizes.
    Enrolled,
    /// Randomized again.
    Randomized,
    /// The same subject with the same data came before.
    Duplicate,
    /// The same subject came before with other data.
    Conflict,
    /// Refused.
    Refused,
}

impl Came {
    /// Name in reports.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Came::Enrolled => "enrolled",
            Came::Randomized => "randomized",
            Came::Duplicate => "duplicate",
            Came::Conflict => "conflict",
            Came::Refused => "refused",
        }
    }
}

/// One row and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) line: u64,
    /// Which of the study's allocations was asked for; the first comes with enrolling.
    pub(super) allocation: String,
    pub(super) came: Came,
    /// Keys of why, as an inbox row has them.
    pub(super) reason: String,
    pub(super) site: String,
    pub(super) subject: Option<i64>,
    pub(super) arm: Option<String>,
    pub(super) kit: Option<String>,
    pub(super) levels: Levels,
    /// Letters written.
    pub(super) letters: usize,
}

/// A rehearsal.
#[derive(Debug)]
pub(super) struct Rehearsed {
    pub(super) steps: Vec<Step>,
    /// Further allocations, with the lines whose time for them lay before those that came before: they came later.
    pub(super) moved: Vec<(String, u64)>,
    pub(super) secret_digest: String,
    pub(super) bundle_digest: String,
    /// Whether every allocation follows from the secret and the journal.
    pub(super) proved: bool,
}

impl Rehearsed {
    /// Of how many rows that came of it in one of the study's allocations.
    pub(super) fn many(&self, allocation: &str, came: Came) -> usize {
        self.steps.iter().filter(|step| step.allocation == allocation && step.came == came).count()
    }

    /// The lines that came later than they say in a further allocation.
    pub(super) fn moved_in(&self, allocation: &str) -> Vec<u64> {
        self.moved.iter().filter(|(own, _)| own == allocation).map(|(_, line)| *line).collect()
    }
}

/// Dice that fall the same for the same seed.
struct SeededDice(Mutex<ChaCha20Rng>);

impl SeededDice {
    fn new(seed: &str) -> SeededDice {
        let key: [u8; 32] = Sha256::new().chain_update("hagaki rehearsal\0").chain_update(seed).finalize().into();
        SeededDice(Mutex::new(ChaCha20Rng::from_seed(key)))
    }
}

impl Dice for SeededDice {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(buffer);
    }
}

/// A folder among the temporary files that goes with the rehearsal.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> anyhow::Result<Scratch> {
        let mut bytes = [0; 8];
        SystemDice.fill(&mut bytes);
        let folder = std::env::temp_dir().join(format!("hagaki-rehearsal-{}", data_encoding::HEXLOWER.encode(&bytes)));
        std::fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Scratch(folder))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning of temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What stays the same from row to row.
pub(super) struct Walk<'a> {
    pub(super) study: &'a Study,
    pub(super) shelf: &'a Shelf,
    pub(super) shelved: Arc<ShelvedStudy>,
    pub(super) dice: &'a dyn Dice,
    pub(super) keys: &'a Keys,
    pub(super) desk: &'a DeskAddress,
}

/// What is walked through.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) seed: &'a str,
    /// When the first subject comes; each next one comes a second later.
    pub(super) begin: Instant,
    pub(super) columns: &'a [String],
    /// Rows with their lines.
    pub(super) rows: &'a [Row],
    /// What each row asks for in each further allocation of the study.
    pub(super) asked: &'a [Vec<Option<Asked>>],
}

/// Activates the bundle in a scratch database and enrolls row by row.
pub(super) async fn walk(bundle: &Bundle, study: &Study, given: Given<'_>) -> anyhow::Result<Rehearsed> {
    let Given { seed, begin, columns, rows, asked } = given;
    let scratch = Scratch::new()?;
    let store = Store::open(&format!("sqlite://{}", scratch.path().join("rehearsal.db").display())).await?;
    // What is personal is sealed as in the study itself; the key goes with the scratch database.
    let ring = KeyRing::parse(&KeyRing::fresh_line(&SystemDice)).unwrap_or_default();
    let store = store.with_ring(ring);
    let dice = SeededDice::new(seed);
    let act = life::Act { actor: "rehearsal", at: begin, reason: "rehearsal" };
    let activated = life::activate(&store, bundle, study, Stage::Development, act, &dice).await?;
    let keys = keys(&store, &dice).await?;
    let row = study::find_current(&store, &study.slug).await?.ok_or_else(|| anyhow!("the study was just activated"))?;
    let shelf = Shelf::new(store.clone());
    let post = study.post.as_ref();
    let desk = DeskAddress {
        mailbox: MAILBOX.to_string(),
        address: post.map_or_else(|| "reg@example.jp".to_string(), |post| post.address.clone()),
        display: String::new(),
        message_id_domain: post.map_or_else(|| "example.jp".to_string(), |post| post.message_id_domain.clone()),
        public_url: "https://hagaki.example.jp".to_string(),
        openpgp: None,
    };
    let shelved = shelf.find_by_id(row.id).await?;
    let walk = Walk { study, shelf: &shelf, shelved, dice: &dice, keys: &keys, desk: &desk };
    let bar = Bar::new("rehearsal", rows.len() as u64);
    let mut steps = Vec::with_capacity(rows.len());
    for (at, (line, record)) in rows.iter().enumerate() {
        let now = begin.plus_seconds(i64::try_from(at).unwrap_or(0));
        steps.push(walk.step(*line, columns, record, now).await.with_context(|| format!("line {line}"))?);
        bar.advance(1);
    }
    let mut now = begin.plus_seconds(i64::try_from(rows.len()).unwrap_or(0));
    let mut moved = Vec::new();
    for (own, asked) in study.randomizations.iter().zip(asked) {
        let there = asked.iter().zip(&steps).filter(|(_, step)| step.came == Came::Enrolled);
        let mut asked: Vec<(&Asked, Step)> =
            there.filter_map(|(asked, step)| Some((asked.as_ref()?, step.clone()))).collect();
        let early = asked.iter().filter(|(asked, _)| asked.at.is_some_and(|at| at < now));
        moved.extend(early.map(|(_, step)| (own.id.clone(), step.line)));
        // In the order in which they come; those of one time, and of none, in the order of the file.
        asked.sort_by_key(|(asked, _)| asked.at.unwrap_or(now).max(now));
        for (asked, first) in asked {
            now = asked.at.unwrap_or(now).max(now).plus_seconds(1);
            steps.push(
                walk.again(own, &first, &asked.lines, now).await.with_context(|| format!("line {}", first.line))?,
            );
        }
    }
    bar.clear();
    let verdict = proof::verify(&store, &walk.shelved).await?;
    let proved = matches!(verdict, proof::Verdict::Proved(_) | proof::Verdict::NoScheme);
    store.close().await;
    let life::Activated { secret_digest, bundle_digest, .. } = activated;
    Ok(Rehearsed { steps, moved, secret_digest, bundle_digest, proved })
}

impl Walk<'_> {
    async fn step(
        &self,
        line: u64,
        columns: &[String],
        record: &csv::StringRecord,
        now: Instant,
    ) -> anyhow::Result<Step> {
        let today = now.day_in(self.study.zone);
        let lines: Vec<Line> = columns
            .iter()
            .zip(record)
            .enumerate()
            .filter(|(_, (key, value))| !value.is_empty() && !is_of_further(self.study, key))
            .map(|(at, (key, value))| Line { key: key.clone(), value: value.to_string(), number: at + 1 })
            .collect();
        let form = answer::read_form(self.study, self.study.registration_instrument(), &lines, today);
        let site = enroll::site_of(self.study, &form).unwrap_or_default();
        let refused = Step {
            line,
            allocation: FIRST.to_string(),
            came: Came::Refused,
            reason: "nobody-enrolls-there".to_string(),
            site,
            subject: None,
            arm: None,
            kit: None,
            levels: Levels::new(),
            letters: 0,
        };
        if self.study.enrolls_itself() {
            return self.enroll_themself(refused, &form, now).await;
        }
        self.ask(refused, &lines, Act::Enroll(form), now).await
    }

    /// Asks for a further allocation of somebody who was enrolled.
    async fn again(&self, own: &Randomization, first: &Step, lines: &[Line], now: Instant) -> anyhow::Result<Step> {
        let instrument = self.study.find_instrument(&own.instrument).ok_or_else(|| anyhow!("its form is absent"))?;
        let wanted = Randomize {
            randomization: Some(own.id.clone()),
            subject: first.subject.map(|number| self.study.subject_number(number)).unwrap_or_default(),
            form: answer::read_form(self.study, instrument, lines, now.day_in(self.study.zone)),
            ..Randomize::default()
        };
        let refused = Step {
            allocation: own.id.clone(),
            came: Came::Refused,
            arm: None,
            kit: None,
            levels: Levels::new(),
            letters: 0,
            ..first.clone()
        };
        self.ask(refused, lines, Act::Randomize(wanted), now).await
    }

    /// Sends what is asked through the workflow, and confirms it where that is asked for; `refused` is what comes of it if nobody
    /// could ask.
    async fn ask(&self, refused: Step, lines: &[Line], act: Act, now: Instant) -> anyhow::Result<Step> {
        let site = refused.site.clone();
        let Some(person) = enroller(self.study, &site) else { return Ok(refused) };
        let text: String = lines.iter().map(|line| format!("{}: {}\n", line.key, line.value)).collect();
        let key = format!("line-{}-{}", refused.line, refused.allocation);
        let first = Mail { key: key.clone(), text, site: &site, person };
        let (mut settled, mut inbox) = self.accept(&first, act, now).await?;
        let mut letters = outbox::find_by_inbox(self.shelf.store(), inbox).await?;
        if settled.reason == "to-confirm" {
            // Whoever rehearses stands by what they typed.
            let token = self.token(&letters).await?;
            let reply = Mail { key: format!("{key}-confirmed"), text: "OK\n".to_string(), site: &site, person };
            (settled, inbox) = self.accept(&reply, Act::Confirm(token), now).await?;
            letters.extend(outbox::find_by_inbox(self.shelf.store(), inbox).await?);
        }
        let came = match (settled.disposition, settled.reason.as_str()) {
            ("register", "randomized") => Came::Randomized,
            ("register", _) => Came::Enrolled,
            ("reply_duplicate", _) => Came::Duplicate,
            (_, "conflict") => Came::Conflict,
            _ => Came::Refused,
        };
        let mut step = Step { came, letters: letters.len(), reason: settled.reason.clone(), ..refused };
        if let Some(id) = settled.subject_id {
            step.subject = Some(subject::load(self.shelf.store(), id).await?.number);
            self.read_allocation(&mut step, id).await?;
        }
        Ok(step)
    }

    /// What the subject was allocated, if that came of the row.
    pub(super) async fn read_allocation(&self, step: &mut Step, subject_id: i64) -> anyhow::Result<()> {
        let given = allocation::list_by_subject(self.shelf.store(), subject_id).await?;
        let own = given.into_iter().find(|given| given.randomization == step.allocation);
        if let (Some(row), Came::Enrolled | Came::Randomized | Came::Duplicate) = (own, step.came) {
            step.levels = serde_json::from_str(&row.levels).context("the levels of an allocation are JSON")?;
            (step.arm, step.kit) = (Some(row.arm), row.kit);
        }
        Ok(())
    }

    /// One mail through the workflow, in a transaction of its own; what came of it, and the mail's number.
    async fn accept(&self, mail: &Mail<'_>, act: Act, now: Instant) -> anyhow::Result<(Settled, i64)> {
        let digest = Sha256::digest(&mail.text).into();
        let mut ledger = Ledger::begin(self.shelf).await?;
        let item = NewItem {
            mailbox: MAILBOX,
            item_key: &mail.key,
            raw_digest: digest,
            raw: mail.text.as_bytes(),
            size: i64::try_from(mail.text.len()).unwrap_or(i64::MAX),
            received_at: now,
        };
        let ids = inbox::insert_many(&mut ledger.tx, &[item]).await?;
        let inbox_id = ids.first().copied().ok_or_else(|| anyhow!("the mail {} came twice", mail.key))?;
        // An address for each line: answers to one sender have a budget, and a rehearsal comes all at once.
        let sender = format!("{}@rehearsal.invalid", mail.key);
        let arrival = Arrival {
            inbox_id,
            sender: &sender,
            message_id: None,
            references: &[],
            message_key: &mail.key,
            content_digest: &digest,
            released: false,
            site_token: Some(mail.site),
            encrypted: false,
        };
        let language = self.study.language_of(mail.person);
        let request = Request { study: self.study.slug.clone(), person: mail.person.id.clone(), language, act };
        let means = Means { now, dice: self.dice, keys: self.keys, desk: self.desk };
        let settled = accept::accept(&mut ledger, &self.shelved, means, arrival, &request).await?;
        ledger.commit().await?;
        Ok((settled, inbox_id))
    }

    /// The one-time token in the letter that asks to confirm.
    async fn token(&self, letters: &[outbox::OutboxRow]) -> anyhow::Result<String> {
        let asked = letters
            .iter()
            .find(|letter| [Kind::Confirm, Kind::RandomizationConfirm].iter().any(|kind| letter.kind == kind.key()));
        let asked = asked.ok_or_else(|| anyhow!("no letter asks for the confirmation"))?;
        let raw = outbox::find_raw(self.shelf.store(), asked.id).await?.unwrap_or_default();
        let address = opened::open(&raw).reply_to.unwrap_or_default();
        let token =
            address.split_once("+c.").and_then(|(_, rest)| rest.split_once('@')).map(|(token, _)| token.to_string());
        token.ok_or_else(|| anyhow!("the letter that asks for the confirmation has no token"))
    }
}

/// A mail that somebody could have written.
struct Mail<'a> {
    key: String,
    text: String,
    site: &'a str,
    person: &'a Person,
}

/// Who would enroll at that site: somebody of the site, else somebody of all; anybody for a site that is none.
fn enroller<'s>(study: &'s Study, site: &str) -> Option<&'s Person> {
    let enrolls = || study.people.iter().filter(|person| person.roles.iter().any(|role| role.enrolls()));
    if study.find_site(site).is_none() {
        return enrolls().next();
    }
    enrolls().filter(|person| person.acts_for(site)).min_by_key(|person| person.sites.is_empty())
}
