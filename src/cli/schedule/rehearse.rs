//! `hagaki schedule rehearse SLUG|FOLDER`: a schedule gone through day by day, before anybody gets a letter.

use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::NaiveDate;
use clap::Args;

use super::invented::Plan;
use super::known::Known;
use super::told::Told;
use super::{compare, invented, known, page};
use crate::cli::installation::Opened;
use crate::cli::simulate::{language, seed};
use crate::cli::{End, Installation, Output, Refused};
use crate::daemon::machine::SystemClock;
use crate::daemon::run::keys;
use crate::definition::{self, Bundle};
use crate::domain::language::Language;
use crate::domain::schedule::Schedule;
use crate::domain::schedule::rehearsal::{Assumed, Rehearsed, Somebody, Stretch, rehearse};
use crate::domain::study::Study;
use crate::domain::time::{Clock, Instant, Zone};
use crate::limits;
use crate::store::bundle;
use crate::workflow::changes::file_changes;

/// Arguments of `hagaki schedule rehearse`.
#[derive(Debug, Args)]
pub struct RehearseArgs {
    /// Slug of an active study, whose people are then those on file, or a bundle's folder.
    study: String,
    /// First day, such as 2026-12-01; today without it.
    #[arg(long)]
    from: Option<NaiveDate>,
    /// Days.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::REHEARSED_DAYS)))]
    days: u32,
    /// Invent so many participants and subjects, also for a study that has its own.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::REHEARSED_PEOPLE)))]
    people: Option<u32>,
    /// Of a hundred letters that ask, so many are answered.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=100))]
    answering: u32,
    /// How long an answer takes on average: 36h or 2d.
    #[arg(long, default_value = "2d", value_parser = delay)]
    delay: i64,
    /// Zones of invented participants, in turn, such as Asia/Tokyo,Europe/Berlin; used where the schedule's zone is "person".
    #[arg(long, value_delimiter = ',', value_parser = zone)]
    zones: Vec<Zone>,
    /// What the invented answers follow from; without one a new one is made and told.
    #[arg(long)]
    seed: Option<String>,
    /// Compare with the schedule and letters of that folder: what it would add, take away, move and reword.
    #[arg(long)]
    against: Option<PathBuf>,
    /// Print a table as CSV, a line for each letter.
    #[arg(long, conflicts_with_all = ["html", "json", "against"])]
    csv: bool,
    /// Print a page, such as for those who decide on the study.
    #[arg(long, conflicts_with_all = ["json", "against"])]
    html: bool,
    /// Language of the page: ja or en.
    #[arg(long, value_parser = language, default_value = "en")]
    language: Language,
    /// Show names of participants, not only numbers.
    #[arg(long)]
    names: bool,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

fn zone(name: &str) -> Result<Zone, String> {
    Zone::find(name).ok_or_else(|| "no zone of the IANA list; write such as Asia/Tokyo".to_string())
}

/// Seconds.
fn delay(text: &str) -> Result<i64, String> {
    let (digits, unit) = text.char_indices().next_back().map_or((text, ""), |(at, _)| text.split_at(at));
    let seconds = match unit {
        "h" => 3600,
        "d" => 24 * 3600,
        _ => 0,
    };
    let number = digits.parse::<u16>().ok().filter(|number| *number > 0 && seconds > 0);
    number
        .map(|number| i64::from(number) * seconds)
        .ok_or_else(|| "no time; write hours or days, such as 36h or 2d".to_string())
}

/// A study with its files and, unless they are invented, its people.
struct Source {
    study: Study,
    bundle: Bundle,
    known: Option<Vec<Known>>,
}

pub(super) fn run(args: &RehearseArgs) -> anyhow::Result<End> {
    let other = match &args.against {
        Some(folder) => {
            let bundle = Bundle::read(folder);
            Some((definition_of(&bundle)?, bundle))
        }
        None => None,
    };
    let theirs = match &other {
        Some((study, _)) => Some((study, scheduled(study, "--against")?)),
        None => None,
    };
    let source = read(args, theirs.map(|(_, schedule)| schedule))?;
    let study = &source.study;
    let schedule = scheduled(study, &args.study)?;
    let first = args.from.unwrap_or_else(|| SystemClock::default().now().day_in(study.zone));
    let stretch = stretch(first, args.days, study)?;
    let assumed = Assumed { percent: args.answering, delay_seconds: args.delay, seed: seed(args.seed.as_deref())? };
    let many = args.people.unwrap_or(invented::USUAL);
    let plan = Plan { stretch, zones: &args.zones, many, assumed: &assumed };
    let people = everybody(study, schedule, source.known.as_deref(), &plan);
    let report = report(schedule, &people, &assumed, stretch)?;
    let invented = source.known.is_none();
    let told = Told { study, schedule, people: &people, report: &report, stretch, assumed: &assumed, invented };
    if let (Some((other, bundle)), Some((_, theirs))) = (&other, theirs) {
        let people = everybody(other, theirs, source.known.as_deref(), &plan);
        let report = self::report(theirs, &people, &assumed, Stretch { opens: opens(other), ..stretch })?;
        let now = Told { study: other, schedule: theirs, people: &people, report: &report, ..told };
        let files = file_changes(&source.bundle.letters(), &bundle.letters());
        compare::print(&told, &now, &files, args.output);
        return Ok(End::Done);
    }
    if args.csv {
        told.write_csv(std::io::stdout().lock())?;
    } else if args.html {
        print!("{}", page::render(&told, args.language)?);
    } else if args.output.json {
        println!("{}", told.json());
    } else {
        print!("{}", told.text());
    }
    Ok(End::Done)
}

/// Those on file, or invented ones, and the staff.
fn everybody(study: &Study, schedule: &Schedule, known: Option<&[Known]>, plan: &Plan<'_>) -> Vec<Somebody> {
    let mut people = match known {
        Some(known) => known::by_rules(known, schedule),
        None => invented::people(study, schedule, plan),
    };
    people.extend(invented::staff(study, schedule));
    people
}

fn report(schedule: &Schedule, people: &[Somebody], assumed: &Assumed, stretch: Stretch) -> anyhow::Result<Rehearsed> {
    let rehearsed = rehearse(schedule, people, assumed, stretch, limits::REHEARSED_LETTERS);
    rehearsed.ok_or_else(|| {
        let most = limits::REHEARSED_LETTERS;
        Refused(format!("more than {most} letters would go out; rehearse fewer people or days")).into()
    })
}

/// The moment from which a survey takes answers.
fn opens(study: &Study) -> Option<Instant> {
    study.survey.as_ref()?.opens.map(|day| study.zone.resolve(day.into()))
}

fn stretch(first: NaiveDate, days: u32, study: &Study) -> Result<Stretch, Refused> {
    let zone = study.zone;
    let behind = first.checked_add_days(chrono::Days::new(days.into()));
    let until = behind.map(|behind| zone.resolve(behind.into()).plus_seconds(-1));
    let until = until.ok_or_else(|| Refused("--from: lies too far in the future".to_string()))?;
    Ok(Stretch { from: zone.resolve(first.into()), until, zone, opens: opens(study) })
}

fn scheduled<'s>(study: &'s Study, named: &str) -> Result<&'s Schedule, Refused> {
    study.schedule.as_ref().ok_or_else(|| {
        Refused(format!("{named}: has no schedule; write schedule.toml beside study.toml, as `hagaki init` shows it"))
    })
}

fn definition_of(bundle: &Bundle) -> anyhow::Result<Study> {
    let (study, _) = definition::load(bundle).map_err(|problems| Refused::bundle(&problems))?;
    Ok(study)
}

fn read(args: &RehearseArgs, other: Option<&Schedule>) -> anyhow::Result<Source> {
    let folder = Path::new(&args.study);
    if folder.join("study.toml").is_file() {
        let bundle = Bundle::read(folder);
        return Ok(Source { study: definition_of(&bundle)?, bundle, known: None });
    }
    let opened = Opened::open(&args.installation)?;
    let shelved = opened.study(&args.study)?;
    let row = opened.runtime.block_on(bundle::load(&opened.store, shelved.id, shelved.version))?;
    let files = serde_json::from_str(&row.files).context("the stored bundle is not whole")?;
    let bundle = Bundle::from_files(files);
    let (study, _) = definition::load_in_force(&bundle).map_err(|problems| Refused::bundle(&problems))?;
    let schedules: Vec<&Schedule> = study.schedule.iter().chain(other).collect();
    let known = match args.people {
        Some(_) => None,
        None => {
            let key = opened.runtime.block_on(keys(&opened.store, &*opened.dice))?.address;
            let people = known::people(&opened.store, &key, &shelved, &schedules, args.names);
            Some(opened.runtime.block_on(people)?)
        }
    };
    Ok(Source { study, bundle, known })
}
