//! `hagaki credentials`: temporary credentials for participants: issued, looked at, prolonged, called back, issued anew.

mod changing;
pub(super) mod list;
pub(super) mod passed;
mod sheet;
pub(super) mod whose;
mod written;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use chrono::NaiveDate;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::installation::Opened;
use super::progress::Bar;
use super::{End, Installation, Output, Refused, counted};
use crate::daemon::run::{desk_address, keys};
use crate::definition::csv_file::Charset;
use crate::definition::participants_file;
use crate::domain::participant::Candidate;
use crate::domain::study::Study;
use crate::domain::survey::{Access, Privacy, Responses};
use crate::domain::time::{Instant, Zone};
use crate::limits;
use crate::workflow::credentials::{self, Form, Terms};
use crate::workflow::life::Act;
use crate::workflow::recognize::{self, PassedOver};
use crate::workflow::shelf::{Shelf, ShelvedStudy};
use crate::workflow::{DeskAddress, Keys, Means, schedule};
use changing::SeveralArgs;
use list::Shape;
use written::{Paper, Written};

/// Commands on credentials.
#[derive(Debug, Subcommand)]
pub enum CredentialsCommand {
    /// Issue credentials to so many, or to everybody on a list.
    Issue(IssueArgs),
    /// Participants, where each stands and until when their credentials are good; never a secret, for none is kept. In a fully
    /// anonymous survey counts alone.
    List {
        /// The study.
        slug: String,
        /// As CSV, for a spreadsheet.
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// Call credentials back: nothing opens any more.
    Revoke(SeveralArgs),
    /// Give credentials another end.
    Extend {
        /// Whose.
        #[command(flatten)]
        several: SeveralArgs,
        /// Day (to its end) or moment until which they are good, by the study's clock; without it for good.
        #[arg(long)]
        until: Option<String>,
    },
    /// Issue credentials anew: those before open nothing any more. Beginning and end stay.
    Reissue {
        /// Whose.
        #[command(flatten)]
        several: SeveralArgs,
        /// Let in again whose credential was called back.
        #[arg(long)]
        revoked: bool,
        /// On paper.
        #[command(flatten)]
        paper: Paper,
    },
}

/// Arguments of `hagaki credentials issue`.
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// The study.
    slug: String,
    /// How many, for people who are not on a list.
    #[arg(long, required_unless_present = "csv", conflicts_with = "csv")]
    count: Option<u32>,
    /// List of participants as LimeSurvey has it: a column email and any of firstname, lastname, token, language, validfrom,
    /// validuntil, attribute_1 <name>; and timezone, for schedules that go by each person's own.
    #[arg(long)]
    csv: Option<PathBuf>,
    /// Charset of the list.
    #[arg(long, value_enum, default_value_t = ListCharset::Auto, requires = "csv")]
    charset: ListCharset,
    /// Pass over rows of the list that cannot be used, or of which it cannot be told if they are on file, instead of issuing nothing.
    #[arg(long, requires = "csv")]
    skip: bool,
    /// People who share an address with somebody on file, where a name is missing to tell them apart, are other people.
    #[arg(long, requires = "csv", conflicts_with = "skip")]
    as_others: bool,
    /// A link, an ID with a password, or both.
    #[arg(long, value_enum, default_value_t = Kind::Link)]
    kind: Kind,
    /// Day (from its beginning) or moment from which they are good, by the study's clock; without it at once. Invitations say so.
    #[arg(long, conflicts_with = "from_sending")]
    from: Option<String>,
    /// How often each may be used; without it as often as the survey lets.
    #[arg(long, value_enum)]
    uses: Option<Uses>,
    /// How many days from now (or from --from) they are good for; without it until the survey closes.
    #[arg(long, conflicts_with = "until")]
    days: Option<u32>,
    /// Count --days from the moment that a mail server takes each letter, instead of from now.
    #[arg(long, requires = "days", conflicts_with_all = ["no_mail", "out", "sheet"])]
    from_sending: bool,
    /// Day (to its end) or moment until which they are good, by the study's clock.
    #[arg(long)]
    until: Option<String>,
    /// On paper.
    #[command(flatten)]
    paper: Paper,
    /// Do not mail them now: write them to --out or --sheet, or without a file have them wait for the invitation by the schedule, whose
    /// letters bring a link each. Whoever is mailed now is left out by a rule of the schedule that invites once.
    #[arg(long)]
    no_mail: bool,
    /// Say who would get one, and issue nothing.
    #[arg(long)]
    dry_run: bool,
    /// Why; stands in the audit chain.
    #[arg(long, default_value = "")]
    reason: String,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

/// What a credential is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A link.
    Link,
    /// An ID with a password.
    Password,
    /// Both; either opens the form.
    Both,
}

/// How often a credential may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Uses {
    /// For one response.
    Once,
    /// As often as wanted, where the survey takes more than one response of a person.
    Many,
}

/// Charset of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ListCharset {
    /// The one that fits.
    Auto,
    /// UTF-8.
    #[value(name = "utf-8")]
    Utf8,
    /// What Excel in Japan writes.
    Cp932,
    /// EUC-JP.
    EucJp,
}

impl ListCharset {
    pub(super) const fn charset(self) -> Charset {
        match self {
            ListCharset::Auto => Charset::Guessed,
            ListCharset::Utf8 => Charset::Utf8,
            ListCharset::Cp932 => Charset::Cp932,
            ListCharset::EucJp => Charset::EucJp,
        }
    }
}

pub(super) fn run(command: CredentialsCommand) -> anyhow::Result<End> {
    match command {
        CredentialsCommand::Issue(args) => issue(&args),
        CredentialsCommand::List { slug, csv, installation, output } => {
            list::list(&slug, &installation, Shape::new(output.json, csv))
        }
        CredentialsCommand::Revoke(several) => changing::revoke(&several),
        CredentialsCommand::Extend { several, until } => changing::extend(&several, until.as_deref()),
        CredentialsCommand::Reissue { several, revoked, paper } => changing::reissue(&several, revoked, &paper),
    }
}

/// An installation with a study that asks participants.
pub(super) struct Office {
    pub(super) opened: Opened,
    pub(super) shelf: Shelf,
    pub(super) shelved: ShelvedStudy,
    keys: Keys,
    desk: DeskAddress,
}

impl Office {
    pub(super) fn open(slug: &str, installation: &Installation) -> anyhow::Result<Office> {
        let office = Office::of_any(slug, installation)?;
        if office.shelved.study.survey.is_none() {
            return Err(Refused(format!("study {slug} asks nobody: there is no [survey] in its study.toml")).into());
        }
        Ok(office)
    }

    /// The same of a study that may ask nobody.
    pub(super) fn of_any(slug: &str, installation: &Installation) -> anyhow::Result<Office> {
        let opened = Opened::open(installation)?;
        let shelved = opened.study(slug)?;
        let keys = opened.runtime.block_on(keys(&opened.store, &*opened.dice))?;
        let mailbox = opened.settings.mailboxes.first().ok_or_else(|| anyhow!("no mailbox is configured"))?;
        let desk = desk_address(mailbox, &opened.settings.web);
        let shelf = Shelf::new(opened.store.clone());
        Ok(Office { opened, shelf, shelved, keys, desk })
    }

    pub(super) fn means(&self) -> Means<'_> {
        Means { now: self.opened.now(), dice: &*self.opened.dice, keys: &self.keys, desk: &self.desk }
    }

    pub(super) fn act<'a>(&'a self, reason: &'a str) -> Act<'a> {
        Act { actor: &self.opened.actor, at: self.opened.now(), reason }
    }

    /// Whether those who answer sign in with accounts.
    pub(super) fn is_of_members(&self) -> bool {
        self.shelved.study.survey.as_ref().is_some_and(|survey| survey.access == Access::Members)
    }
}

fn issue(args: &IssueArgs) -> anyhow::Result<End> {
    let office = Office::open(&args.slug, &args.installation)?;
    let study = &office.shelved.study;
    if office.is_of_members() {
        return Err(Refused(format!(
            "members of {} sign in with their accounts and get no credentials: `hagaki members import {} --csv LIST`",
            args.slug, args.slug
        ))
        .into());
    }
    let mut finished = 0;
    let candidates = match (&args.csv, args.count) {
        (Some(path), _) => {
            let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            let name = path.display().to_string();
            let listed = participants_file::read(&name, &bytes, args.charset.charset(), study.zone, &study.languages);
            listed.problems.iter().for_each(|problem| eprintln!("{problem}"));
            if listed.is_broken() && !args.skip {
                let why = "nothing was issued: mend these rows, or pass over them with --skip";
                return Err(Refused(why.to_string()).into());
            }
            finished = listed.finished;
            listed.candidates
        }
        (None, count) => vec![Candidate::default(); count.unwrap_or(0) as usize],
    };
    let on_paper = args.paper.is_there();
    let scheduled = args.no_mail && !on_paper && schedule::invites(&office.shelved);
    if !on_paper && candidates.iter().any(|candidate| candidate.address.is_empty()) {
        let why = match args.from_sending {
            true => "some have no address, so that nothing is sent to them: leave out --from-sending, or them",
            false => "some have no address: name a file for their credentials with --out or --sheet",
        };
        return Err(Refused(why.to_string()).into());
    }
    if !on_paper && args.no_mail && !scheduled {
        let why = "they would go nowhere: name a file for them with --out or --sheet, or have the schedule invite them by a rule with \
                   letter = \"invitation\" in schedule.toml";
        return Err(Refused(why.to_string()).into());
    }
    if scheduled && args.kind != Kind::Link {
        let why = "letters of the schedule bring a link, for no password is kept: leave out --kind, or name a file with --out or --sheet";
        return Err(Refused(why.to_string()).into());
    }
    let survey = study.survey.as_ref();
    let nobodys = survey.is_some_and(|survey| survey.privacy == Privacy::FullyAnonymous);
    if nobodys && args.csv.is_some() {
        fits_nobodys(args, &candidates)?;
    }
    if nobodys && !scheduled && args.csv.is_some() && schedule::invites(&office.shelved) {
        let why = "the survey is fully anonymous and its schedule invites them: this would bring each a second access; write --no-mail";
        return Err(Refused(why.to_string()).into());
    }
    if nobodys && args.from_sending {
        let why = "the survey is fully anonymous: which letter left when would tell whose credential is whose; leave out --from-sending";
        return Err(Refused(why.to_string()).into());
    }
    if nobodys && scheduled && (args.from.is_some() || args.until.is_some() || args.days.is_some()) {
        let why = "the survey is fully anonymous: access is made when the letters of the schedule leave, and is good until the survey \
                   closes; leave out --from, --until and --days";
        return Err(Refused(why.to_string()).into());
    }
    let mut terms = terms(args, study, office.opened.now())?;
    if scheduled {
        terms.form = Form::Scheduled;
    }
    // Of a time of their own the beginning may have come from --from alone.
    let over = |one: &&Candidate| one.until.is_some_and(|until| until <= one.from.unwrap_or(terms.from));
    if let Some(one) = candidates.iter().find(over).filter(|_| args.from.is_some()) {
        let line = one.line.unwrap_or_default();
        return Err(Refused(format!("line {line}: validuntil does not lie after --from; mend one of the two")).into());
    }
    let on_file = match args.csv {
        Some(_) => {
            office.opened.runtime.block_on(recognize::known(&office.opened.store, office.shelved.id, &candidates))?
        }
        None => Vec::new(),
    };
    let unclear: Vec<&PassedOver> = on_file.iter().filter(|one| one.is_unclear() && !terms.admits_unclear).collect();
    if !unclear.is_empty() && !args.skip {
        return Err(passed::unclear(&args.slug, passed::Kind::of(&office), &unclear).into());
    }
    let passed: Vec<PassedOver> =
        on_file.into_iter().filter(|one| !(one.is_unclear() && terms.admits_unclear)).collect();
    if args.dry_run {
        let lines: BTreeSet<Option<usize>> = passed.iter().map(|one| one.line).collect();
        let new = candidates.iter().filter(|one| one.line.is_none() || !lines.contains(&one.line));
        let mailed = new.filter(|one| terms.mailed && !one.address.is_empty()).count();
        if args.output.json {
            let (people, told) = (candidates.len(), passed::json(&passed));
            println!(
                "{}",
                json!({ "candidates": people, "with_address": mailed, "finished": finished, "passed_over": told })
            );
        } else {
            println!(
                "{} on the list, {mailed} of them would be written to",
                counted(candidates.len() as u64, "person")
            );
            passed::tell(&args.slug, passed::Kind::of(&office), &passed);
        }
        return Ok(End::Done);
    }
    let mut unreached = 0;
    let mut written = Written::begin(&office, &args.paper, candidates.iter())?;
    let bar = Bar::new("credentials", candidates.len() as u64);
    let (mut issued, mut mailed, mut unsubscribed, mut passed) = (0, 0, 0, Vec::new());
    // Parts of about one size: a small one at the end could be told from the others.
    let parts = candidates.len().div_ceil(limits::CREDENTIAL_BATCH).max(1);
    for run in candidates.chunks(candidates.len().div_ceil(parts).max(1)) {
        let issuing =
            credentials::issue(&office.shelf, &office.shelved, office.means(), office.act(&args.reason), run, terms);
        let batch = office.opened.runtime.block_on(issuing)?;
        if batch.too_few > 0 {
            let least = survey.map_or(0, |survey| survey.batch);
            return Err(Refused(format!(
                "{issued} were issued, and no more: the survey is fully anonymous, and of {} at once ({} are known already) it could be \
                 told whose is whose; issue {least} or more together",
                counted(batch.too_few as u64, "credential"), batch.passed.len()
            ))
            .into());
        }
        written.add(&office, &batch.issued)?;
        unreached += batch.unreached;
        issued += batch.issued.len();
        mailed += batch.issued.iter().filter(|one| one.mailed).count();
        unsubscribed += batch.unsubscribed;
        passed.extend(batch.passed);
        bar.advance(run.len() as u64);
    }
    bar.clear();
    written.end()?;
    if args.output.json {
        let (known, told) = (passed.len(), passed::json(&passed));
        println!(
            "{}",
            json!({ "issued": issued, "mailed": mailed, "unsubscribed": unsubscribed, "unreached": unreached, "known": known,
                    "finished": finished, "passed_over": told })
        );
        return Ok(End::Done);
    }
    match scheduled {
        true => {
            println!(
                "{} taken in; the schedule invites them: `hagaki schedule list {}`",
                counted(issued as u64, "participant"),
                args.slug
            );
        }
        false => println!("{} issued, {mailed} of them go out by mail", counted(issued as u64, "credential")),
    }
    passed::unsubscribed(unsubscribed);
    passed::tell(&args.slug, passed::Kind::of(&office), &passed);
    passed::unreached(&args.slug, unreached);
    if finished > 0 {
        println!("{finished} on the list have answered, or may not any more, and got none");
    }
    for path in args.paper.out.iter().chain(&args.paper.sheet) {
        println!("{}: keep it safe; the database holds only digests", path.display());
    }
    Ok(End::Done)
}

/// The terms that were asked for.
fn terms(args: &IssueArgs, study: &Study, now: Instant) -> anyhow::Result<Terms> {
    let refused = |why: String| Err(Refused(why).into());
    let from = args.from.as_deref().map(|written| beginning(written, study.zone)).transpose()?.unwrap_or(now).max(now);
    let until = match (&args.until, args.days) {
        (Some(written), _) => Some(moment(written, study.zone)?),
        (None, _) if args.from_sending => None,
        (None, days) => days.map(|days| from.plus_seconds(i64::from(days) * 24 * 3600)),
    };
    if until.is_some_and(|until| until <= now) {
        return refused("--until is over already".to_string());
    }
    if until.is_some_and(|until| until <= from) {
        return refused("--until does not lie after --from".to_string());
    }
    let survey = study.survey.as_ref();
    if let Some(closes) = survey.and_then(|survey| survey.closes).filter(|closes| from.day_in(study.zone) > *closes) {
        return refused(format!("--from lies after {closes}, the last day on which the survey takes answers"));
    }
    let repeats = survey.is_some_and(|survey| survey.responses == Responses::Repeated);
    if args.uses == Some(Uses::Many) && !repeats {
        let why = "the survey takes one response of each person, so that a credential cannot be used more often; a diary says responses = \"repeat\" in its study.toml";
        return refused(why.to_string());
    }
    Ok(Terms {
        form: form(args.kind),
        from,
        until,
        days_from_sending: args.days.filter(|_| args.from_sending),
        mailed: !args.no_mail,
        once: args.uses == Some(Uses::Once) && repeats,
        admits_unclear: args.as_others,
    })
}

/// Whether nothing asked for would tell whose credential is whose.
fn fits_nobodys(args: &IssueArgs, candidates: &[Candidate]) -> anyhow::Result<()> {
    if args.paper.is_there() {
        let why = "the survey is fully anonymous: a file with people and their credentials would tell who answered; have them \
                   mailed, or issue sheets for nobody in particular with --count";
        return Err(Refused(why.to_string()).into());
    }
    if candidates.iter().any(|one| one.from.is_some() || one.until.is_some()) {
        let why = "the survey is fully anonymous: times of their own would tell whose credential is whose; remove the columns \
                   validfrom and validuntil, and use --until for all";
        return Err(Refused(why.to_string()).into());
    }
    Ok(())
}

const fn form(kind: Kind) -> Form {
    match kind {
        Kind::Link => Form::Link,
        Kind::Password => Form::Password,
        Kind::Both => Form::Both,
    }
}

/// A day, of which the beginning is meant, or a moment.
fn beginning(written: &str, zone: Zone) -> anyhow::Result<Instant> {
    Ok(zone.parse_moment(written).ok_or_else(|| no_moment(written))?)
}

fn no_moment(written: &str) -> Refused {
    Refused(format!("\"{written}\" is no moment: write it as 2026-12-31 or \"2026-12-31 18:00\""))
}

/// A day, of which the end is meant, or a moment.
fn moment(written: &str, zone: Zone) -> anyhow::Result<Instant> {
    // Of a day its end is meant.
    let next = written.parse::<NaiveDate>().ok().and_then(|day| day.succ_opt());
    let written_so = next.map_or_else(|| written.to_string(), |day| day.to_string());
    Ok(zone.parse_moment(&written_so).ok_or_else(|| no_moment(written))?)
}
