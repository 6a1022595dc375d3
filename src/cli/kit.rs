//! `hagaki kit`: where each kit lies and what became of it; lists added, shipments, quarantine, another kit for a subject.
//!
//! Nothing here shows the arm of a kit that a subject was given: no command unblinds all. Arms, lots and expiries of kits that
//! nobody was given are shown on demand, to whoever keeps the stock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::installation::Opened;
use super::{End, Installation, Output, Refused, counted};
use crate::daemon::run::{desk_address, keys};
use crate::domain::kit::{Day, State};
use crate::domain::study::Stage;
use crate::domain::time::Instant;
use crate::limits;
use crate::store::kit::{self, KitRow};
use crate::store::subject::{self, SubjectRow};
use crate::store::{allocation, audit};
use crate::workflow::kit_import::{self, Imported};
use crate::workflow::kits::{self, Asker, KitError, Order, Replaced};
use crate::workflow::ledger::Ledger;
use crate::workflow::life::Act;
use crate::workflow::shelf::{Shelf, ShelvedStudy};
use crate::workflow::shipment::{self, Load, Shipped};
use crate::workflow::{Means, disclosure, stock};

/// The word for the central stock.
const CENTRAL: &str = "central";

/// Commands on kits.
#[derive(Debug, Subcommand)]
pub enum KitCommand {
    /// Every kit of a study: where it lies, what became of it.
    List {
        /// The study.
        slug: String,
        /// Only those of this site, or "central".
        #[arg(long)]
        site: Option<String>,
        /// Only those in this state, or "expired".
        #[arg(long, value_parser = wanted)]
        state: Option<Wanted>,
        /// Show arm, lot and expiry of kits that no subject was given: for whoever keeps the stock and may know arms.
        #[arg(long)]
        unblinded: bool,
        /// Who keeps the stock: id of a person of the study; with --unblinded, while the study goes on.
        #[arg(long, default_value = "", requires = "unblinded")]
        by: String,
        /// Why; stands in the audit chain.
        #[arg(long, default_value = "", requires = "unblinded")]
        reason: String,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// One kit, and what happened to it.
    Show {
        /// The study.
        slug: String,
        /// The kit.
        code: String,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// Add a list of kits to a study in force: all of it, or nothing.
    Import {
        /// The study.
        slug: String,
        /// CSV with the columns code,arm and any of site,expires,lot.
        file: PathBuf,
        /// Say what would be added, and add nothing; the audit chain tells that it was tried.
        #[arg(long)]
        dry_run: bool,
        /// Why, and where.
        #[command(flatten)]
        why: Why,
    },
    /// Ship kits to a site, or back to the central stock.
    Move {
        /// The study.
        slug: String,
        /// Codes, parted by commas.
        #[arg(long, value_delimiter = ',', required_unless_present = "from", conflicts_with = "from")]
        codes: Vec<String>,
        /// All kits that lie at this site, or "central".
        #[arg(long)]
        from: Option<String>,
        /// Only so many of each arm, of the same days as far as possible, those that expire first.
        #[arg(long, requires = "from")]
        per_arm: Option<u32>,
        /// Site, or "central".
        #[arg(long)]
        to: String,
        /// Why, and where.
        #[command(flatten)]
        why: Why,
    },
    /// Keep kits back: they are not handed out until they are released.
    Quarantine(Codes),
    /// Let kits out of quarantine.
    Release(Codes),
    /// Write off kits that are damaged, lost or returned.
    Mark {
        /// What became of them: damaged, lost or returned.
        #[arg(long = "as", value_parser = written_off)]
        state: State,
        /// Which.
        #[command(flatten)]
        codes: Codes,
    },
    /// Give a subject another kit of its arm, and tell the site by letter.
    Replace {
        /// The study.
        slug: String,
        /// Code of the kit it has; or name the subject.
        #[arg(required_unless_present = "subject", conflicts_with = "subject")]
        code: Option<String>,
        /// The subject's number, such as BOREALIS-0007 or 7.
        #[arg(long)]
        subject: Option<String>,
        /// Why, and where.
        #[command(flatten)]
        why: Why,
    },
}

/// Why, where, and how to tell it.
#[derive(Debug, Args)]
pub struct Why {
    /// Why: stands in the audit chain. Needed in production.
    #[arg(long, default_value = "")]
    reason: String,
    /// Id of the person of the study who decided it: stands in the audit chain beside whoever ran this. Needed in production.
    #[arg(long, value_name = "PERSON")]
    by: Option<String>,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

/// Kits by their codes.
#[derive(Debug, Args)]
pub struct Codes {
    /// The study.
    slug: String,
    /// The kits.
    #[arg(required = true)]
    codes: Vec<String>,
    /// Why, and where.
    #[command(flatten)]
    why: Why,
}

/// Which kits a list shows.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    /// Those in a state.
    State(State),
    /// Those that could be handed out but for their last day.
    Expired,
}

fn wanted(word: &str) -> Result<Wanted, String> {
    match State::find(word) {
        Some(state) => Ok(Wanted::State(state)),
        None if word == EXPIRED => Ok(Wanted::Expired),
        None => Err(format!("no state; there are {}, {EXPIRED}", State::ALL.map(State::key).join(", "))),
    }
}

const EXPIRED: &str = "expired";

fn written_off(word: &str) -> Result<State, String> {
    let state = State::find(word).filter(|state| matches!(state, State::Damaged | State::Lost | State::Returned));
    state.ok_or_else(|| "write damaged, lost or returned".to_string())
}

pub(super) fn run(command: KitCommand) -> anyhow::Result<End> {
    match command {
        KitCommand::List { slug, site, state, unblinded, by, reason, installation, output } => {
            let site = site.map(place);
            let told = unblinded.then_some((by.as_str(), reason.as_str()));
            list(&slug, site.as_deref(), state, told, &installation, output)
        }
        KitCommand::Show { slug, code, installation, output } => show(&slug, &code, &installation, output),
        KitCommand::Import { slug, file, dry_run, why } => import(&slug, &file, dry_run, &why),
        KitCommand::Move { slug, codes, from, per_arm, to, why } => {
            let (from, to) = (from.map(place), place(to));
            let load = match (&from, per_arm) {
                (Some(from), Some(most)) => Load::PerArm(from, most),
                (Some(from), None) => Load::All(from),
                (None, _) => Load::Codes(&codes),
            };
            ship(&slug, load, &to, &why)
        }
        KitCommand::Quarantine(codes) => change(&codes, State::Quarantined),
        KitCommand::Release(codes) => change(&codes, State::Available),
        KitCommand::Mark { state, codes } => change(&codes, state),
        KitCommand::Replace { slug, code, subject, why } => replace(&slug, code, subject, &why),
    }
}

/// A place as the store writes it.
fn place(word: String) -> String {
    if word == CENTRAL { String::new() } else { word }
}

fn place_word(site: &str) -> &str {
    if site.is_empty() { CENTRAL } else { site }
}

/// What a list calls a kit: its state, or that it expired.
fn state_word(kit: &KitRow, today: Day) -> &'static str {
    if kit.state == State::Available && kit.expires_on < today { EXPIRED } else { kit.state.key() }
}

fn list(
    slug: &str,
    site: Option<&str>,
    state: Option<Wanted>,
    unblinded: Option<(&str, &str)>,
    installation: &Installation,
    output: Output,
) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let shelved = opened.study(slug)?;
    let now = opened.now();
    if let Some((by, reason)) = unblinded {
        let act = Act { actor: &opened.actor, at: now, reason };
        let wish = disclosure::Wish { what: "kits", by };
        let permitted = disclosure::permit_unblinded(&opened.store, &shelved, wish, act);
        super::study::judged(opened.runtime.block_on(permitted))?;
    }
    let (kits, subjects, short) = opened.runtime.block_on(async {
        let kits = kit::list(&opened.store, shelved.id).await?;
        let subjects = subjects_of(&opened, &shelved, &kits).await?;
        let short = stock::shortages(&opened.store, shelved.id, &shelved.study, now).await?;
        anyhow::Ok((kits, subjects, short))
    })?;
    let today = Day::of(now.day_in(shelved.study.zone));
    let least = shelved.study.stock.least_expiry(now.day_in(shelved.study.zone));
    let asked = |kit: &&KitRow| {
        site.is_none_or(|site| kit.site == site)
            && match state {
                None => true,
                Some(Wanted::Expired) => state_word(kit, today) == EXPIRED,
                Some(Wanted::State(wanted)) => kit.state == wanted && state_word(kit, today) != EXPIRED,
            }
    };
    let mut shown: Vec<&KitRow> = kits.iter().filter(asked).collect();
    if unblinded.is_some() {
        tell_shuffled(&shelved);
    }
    // By code: the order of the list could tell what the codes do not.
    shown.sort_by(|one, other| one.code.cmp(&other.code));
    for kit in &shown {
        let subject = kit.allocation_number.and_then(|number| subjects.get(&number)).map(String::as_str);
        let usable = kit.state == State::Available && kit.expires_on >= least;
        let told = unblinded.is_some() && kit.allocation_number.is_none();
        if output.json {
            let mut line = json!({ "code": kit.code, "site": kit.site, "state": state_word(kit, today),
                                   "usable": usable, "subject": subject });
            if told {
                line["arm"] = json!(kit.arm);
                line["lot"] = json!(kit.lot);
                line["expires"] = json!(kit.expires_on.date().map(|date| date.to_string()));
            }
            println!("{line}");
        } else {
            let expires = kit.expires_on.date().map(|date| date.to_string()).unwrap_or_default();
            let more = if told { format!("{}  {expires}  {}", kit.arm, kit.lot) } else { subject.unwrap_or("").into() };
            let line = format!("{:<16} {:<12} {:<12} {more}", kit.code, place_word(&kit.site), state_word(kit, today));
            println!("{}", line.trim_end());
        }
    }
    if !output.json {
        let usable = shown.iter().filter(|kit| kit.state == State::Available && kit.expires_on >= least).count();
        println!("{}, {usable} can be handed out", counted(shown.len() as u64, "kit"));
        let told = short.iter().filter(|stock| unblinded.is_some() || shelved.study.is_open_arm(&stock.arm));
        let places: BTreeSet<&str> = told.map(|stock| place_word(&stock.site)).collect();
        if !places.is_empty() {
            println!("short of kits: {}", places.into_iter().collect::<Vec<_>>().join(", "));
        }
    }
    Ok(End::Done)
}

/// Whoever looks at kits of a rehearsal is not to take their arms for those of the list.
fn tell_shuffled(shelved: &ShelvedStudy) {
    if shelved.stage == Stage::Development {
        eprintln!(
            "note: this is a rehearsal, so the arms of kits are shuffled among the codes; production has them as they are listed"
        );
    }
}

/// The subjects' numbers by those of their allocations, for the kits that were handed out.
async fn subjects_of(
    opened: &Opened,
    shelved: &ShelvedStudy,
    kits: &[KitRow],
) -> anyhow::Result<BTreeMap<i64, String>> {
    let mut subjects = BTreeMap::new();
    if kits.iter().any(|kit| kit.allocation_number.is_some()) {
        let mut by_id = BTreeMap::new();
        let mut after = 0;
        loop {
            let page = subject::list(&opened.store, shelved.id, after, limits::PAGE_ROWS).await?;
            let Some(last) = page.last() else { break };
            after = last.number;
            by_id.extend(page.iter().map(|row| (row.id, row.number)));
        }
        for given in allocation::journal(&opened.store, shelved.id, 0).await? {
            let number = by_id.get(&given.subject_id).copied().unwrap_or_default();
            subjects.insert(given.number, shelved.study.subject_number(number));
        }
    }
    Ok(subjects)
}

fn show(slug: &str, code: &str, installation: &Installation, output: Output) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let shelved = opened.study(slug)?;
    let (kit, subject, story) = opened.runtime.block_on(async {
        let found = kit::find_by_code(&opened.store, shelved.id, code).await?;
        let kit = found.ok_or_else(|| Refused(format!("study {slug} has no kit {code}")))?;
        let subject = subjects_of(&opened, &shelved, std::slice::from_ref(&kit)).await?;
        let subject = kit.allocation_number.and_then(|number| subject.get(&number).cloned());
        anyhow::Ok((kit, subject, story(&opened, &shelved, code).await?))
    })?;
    tell_shuffled(&shelved);
    let today = Day::of(opened.now().day_in(shelved.study.zone));
    if output.json {
        let story: Vec<Value> = story
            .iter()
            .map(|step| json!({ "at": step.at.utc(), "actor": step.actor, "action": step.action, "says": step.says }))
            .collect();
        println!(
            "{}",
            json!({ "code": kit.code, "site": kit.site, "state": state_word(&kit, today), "subject": subject,
                    "story": story })
        );
        return Ok(End::Done);
    }
    println!("{}  {}  {}", kit.code, place_word(&kit.site), state_word(&kit, today));
    if let Some(subject) = subject {
        println!("given to  {subject}");
    }
    for step in story {
        println!("{}  {:<15} {:<20} {}", step.at.local(shelved.study.zone), step.action, step.actor, step.says);
    }
    Ok(End::Done)
}

/// One entry of the chain that names a kit.
struct Step {
    at: Instant,
    actor: String,
    action: String,
    says: String,
}

/// What the chain tells of a kit beyond the list it came in.
async fn story(opened: &Opened, shelved: &ShelvedStudy, code: &str) -> anyhow::Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut seq = 0;
    loop {
        let page = audit::list(&opened.store, shelved.id, seq, limits::PAGE_ROWS).await?;
        let Some(last) = page.last() else { return Ok(steps) };
        seq = last.seq;
        for entry in page {
            let body: Value = serde_json::from_str(&entry.body).unwrap_or_default();
            let is = |value: &Value| value.as_str() == Some(code);
            let named = is(&body["allocation"]["kit"])
                || is(&body["from"])
                || is(&body["to"])
                || body["codes"].as_array().is_some_and(|codes| codes.iter().any(is))
                || body["kits"]["withdrawn"].as_array().is_some_and(|codes| codes.iter().any(is));
            if named {
                let to = body["to"].as_str().filter(|_| entry.action == "kit-move").map(place_word);
                let by = body["by"].as_str().map(|by| format!("for {by}"));
                let words = [to, body["state"].as_str(), by.as_deref(), body["reason"].as_str()];
                let says = words.into_iter().flatten().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(": ");
                steps.push(Step { at: entry.at, actor: entry.actor, action: entry.action, says });
            }
        }
    }
}

/// A refusal on its way up, or a failure.
fn judged<T>(result: Result<T, KitError>) -> anyhow::Result<T> {
    match result {
        Ok(done) => Ok(done),
        Err(KitError::Refused(refusal)) => Err(Refused(refusal.to_string()).into()),
        Err(KitError::Failed(failure)) => Err(failure.into()),
    }
}

/// What an act needs beside its transaction.
struct Acting {
    opened: Opened,
    shelf: Shelf,
    shelved: ShelvedStudy,
    keys: crate::workflow::Keys,
    desk: crate::workflow::DeskAddress,
}

impl Acting {
    fn open(slug: &str, why: &Why) -> anyhow::Result<Acting> {
        let opened = Opened::open(&why.installation)?;
        let shelved = opened.study(slug)?;
        let keys = opened.runtime.block_on(keys(&opened.store, &*opened.dice))?;
        let mailbox = opened.settings.mailboxes.first().ok_or_else(|| anyhow!("no mailbox is configured"))?;
        let desk = desk_address(mailbox, &opened.settings.web);
        let shelf = Shelf::new(opened.store.clone());
        Ok(Acting { opened, shelf, shelved, keys, desk })
    }

    fn means(&self) -> Means<'_> {
        Means { now: self.opened.now(), dice: &*self.opened.dice, keys: &self.keys, desk: &self.desk }
    }

    fn order<'a>(&'a self, why: &'a Why) -> Order<'a> {
        Order { actor: &self.opened.actor, by: why.by.as_deref(), reason: &why.reason, inbox_id: None }
    }
}

fn change(codes: &Codes, next: State) -> anyhow::Result<End> {
    let acting = Acting::open(&codes.slug, &codes.why)?;
    let done = acting.opened.runtime.block_on(async {
        let mut ledger = Ledger::begin(&acting.shelf).await?;
        let order = acting.order(&codes.why);
        let kits =
            kits::change(&mut ledger, &acting.shelved, acting.means(), order, Asker::Operator, &codes.codes, next)
                .await?;
        ledger.commit().await?;
        Ok(kits)
    });
    let kits = judged(done)?;
    if codes.why.output.json {
        println!("{}", json!({ "study": codes.slug, "state": next.key(), "codes": codes.codes }));
    } else {
        println!("{} now {}", counted(kits.len() as u64, "kit"), next.key());
    }
    Ok(End::Done)
}

fn ship(slug: &str, load: Load<'_>, to: &str, why: &Why) -> anyhow::Result<End> {
    let acting = Acting::open(slug, why)?;
    let done = acting.opened.runtime.block_on(async {
        let mut ledger = Ledger::begin(&acting.shelf).await?;
        let shipped = shipment::ship(&mut ledger, &acting.shelved, acting.means(), acting.order(why), load, to).await?;
        ledger.commit().await?;
        Ok(shipped)
    });
    let Shipped { codes, warnings } = judged(done)?;
    warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    if why.output.json {
        println!("{}", json!({ "study": slug, "to": to, "codes": codes }));
    } else {
        println!("{} to {}: {}", counted(codes.len() as u64, "kit"), place_word(to), codes.join(", "));
    }
    Ok(End::Done)
}

fn import(slug: &str, file: &Path, dry_run: bool, why: &Why) -> anyhow::Result<End> {
    let name = file.display().to_string();
    let size = std::fs::metadata(file).with_context(|| format!("{name} cannot be read"))?.len();
    if size > limits::BUNDLE_FILE_BYTES as u64 {
        return Err(Refused(format!("{name} is larger than {} bytes", limits::BUNDLE_FILE_BYTES)).into());
    }
    let bytes = std::fs::read(file).with_context(|| format!("{name} cannot be read"))?;
    let Ok(content) = String::from_utf8(bytes) else {
        return Err(Refused(format!("{name} is not UTF-8; save it as CSV UTF-8")).into());
    };
    let acting = Acting::open(slug, why)?;
    let done = acting.opened.runtime.block_on(async {
        let mut ledger = Ledger::begin(&acting.shelf).await?;
        let order = acting.order(why);
        let (shelved, means) = (&acting.shelved, acting.means());
        let imported = if dry_run {
            kit_import::try_import(&mut ledger, shelved, means, order, &name, &content).await?
        } else {
            kit_import::import(&mut ledger, shelved, means, order, &name, &content).await?
        };
        ledger.commit().await?;
        Ok(imported)
    });
    let imported = judged(done)?;
    tell_unshuffled(&acting.shelved, &imported);
    tell_import(slug, &imported, dry_run, why.output);
    Ok(End::Done)
}

/// Arms are shuffled among the kits of one list, so that a list of one arm alone is given in a rehearsal as it is.
fn tell_unshuffled(shelved: &ShelvedStudy, imported: &Imported) {
    let mut arms = imported.counts.iter().map(|line| &line.arm);
    let first = arms.next();
    if shelved.stage == Stage::Development && arms.all(|arm| Some(arm) == first) {
        eprintln!(
            "warning: all kits of this list are of one arm, so that this rehearsal cannot shuffle the arms among them: what it shows of their \
             codes would hold in production, too. Rehearse with a list of all arms, or with made-up codes"
        );
    }
}

fn tell_import(slug: &str, imported: &Imported, dry_run: bool, output: Output) {
    for warning in &imported.warnings {
        eprintln!("warning: {warning}");
    }
    if output.json {
        println!(
            "{}",
            json!({ "study": slug, "dry_run": dry_run, "list": Some(imported.list).filter(|_| !dry_run), "digest": imported.digest,
                    "kits": imported.kits, "counts": imported.counts })
        );
        return;
    }
    for line in &imported.counts {
        let lot = if line.lot.is_empty() { String::new() } else { format!("  lot {}", line.lot) };
        println!("arm {:<8} {:<12} {:>6}{lot}", line.arm, place_word(&line.site), line.kits);
    }
    println!("digest of the list (SHA-256): {}", imported.digest);
    let kits = counted(imported.kits as u64, "kit");
    if dry_run {
        println!("{kits} would be added; nothing was changed, and the audit chain tells of the trial");
    } else {
        println!("{kits} added to {slug}");
    }
}

fn replace(slug: &str, code: Option<String>, subject: Option<String>, why: &Why) -> anyhow::Result<End> {
    let acting = Acting::open(slug, why)?;
    let done = acting.opened.runtime.block_on(async {
        let subject = match meant(&acting, code.as_deref(), subject.as_deref()).await {
            Ok(subject) => subject,
            Err(error) => return Ok(Err(error)),
        };
        let mut ledger = Ledger::begin(&acting.shelf).await?;
        let order = acting.order(why);
        let replaced = kits::replace(
            &mut ledger,
            &acting.shelved,
            acting.means(),
            order,
            &subject,
            code.as_deref(),
            Asker::Operator,
        )
        .await?;
        ledger.commit().await?;
        Ok(Ok(replaced))
    });
    let done = judged(done)?;
    let Replaced { subject, old, new } = done?;
    if why.output.json {
        println!("{}", json!({ "study": slug, "subject": subject, "old": old, "new": new }));
    } else {
        println!("{subject}: kit {new} in place of {old}; the letters are on their way");
    }
    Ok(End::Done)
}

/// The subject of that number, or the one that has that kit.
async fn meant(acting: &Acting, code: Option<&str>, subject: Option<&str>) -> anyhow::Result<SubjectRow> {
    let Acting { opened, shelved, .. } = acting;
    let (store, study) = (&opened.store, &shelved.study);
    if let Some(written) = subject {
        let number = study.parse_subject_number(written).or_else(|| written.parse().ok());
        let found = match number {
            Some(number) => subject::find_by_number(store, shelved.id, number).await?,
            None => None,
        };
        return found.ok_or_else(|| Refused(format!("study {} has no subject {written}", study.slug)).into());
    }
    let code = code.unwrap_or_default();
    let kit = kit::find_by_code(store, shelved.id, code).await?;
    let kit = kit.ok_or_else(|| Refused(format!("study {} has no kit {code}", study.slug)))?;
    let number = kit.allocation_number.ok_or_else(|| Refused(format!("no subject was given kit {code}")))?;
    if kit.state == State::Replaced {
        return Err(Refused(format!("kit {code} was replaced already; name the kit the subject has now")).into());
    }
    let given = allocation::find(store, shelved.id, number).await?;
    let given = given.with_context(|| format!("allocation {number} is not on file"))?;
    Ok(subject::load(store, given.subject_id).await?)
}
