//! Schedules: what `schedule.toml` says, which times it means, what is decided of each letter, and a rehearsal of it all.

mod command;
mod cron;
mod decide;
mod files;
mod rehearsal;

use chrono::NaiveDateTime;
use hagaki::definition::{self, Bundle, samples};
use hagaki::domain::schedule::Schedule;
use hagaki::domain::study::Study;
use hagaki::domain::time::{Instant, Zone};

/// Name of the file.
const SCHEDULE: &str = "schedule.toml";

/// The weekly diary with that schedule in place of its own.
fn diary_with(schedule: &str) -> Bundle {
    with(&samples::wellbeing(), schedule)
}

/// A bundle without its schedule, for tests that change what it must agree with.
pub(crate) fn unscheduled(bundle: &Bundle) -> Bundle {
    let mut files = bundle.files().clone();
    files.remove(SCHEDULE);
    Bundle::from_files(files)
}

fn with(bundle: &Bundle, schedule: &str) -> Bundle {
    let mut files = bundle.files().clone();
    files.insert(SCHEDULE.to_owned(), schedule.to_owned());
    Bundle::from_files(files)
}

fn study_of(bundle: &Bundle) -> Study {
    definition::load(bundle).unwrap_or_else(|problems| panic!("{problems:#?}")).0
}

fn schedule(text: &str) -> Schedule {
    study_of(&diary_with(text)).schedule.unwrap()
}

fn zone(name: &str) -> Zone {
    Zone::find(name).unwrap()
}

/// The moment at which a clock of the zone shows that.
fn at(zone: Zone, shown: &str) -> Instant {
    let shown: NaiveDateTime = NaiveDateTime::parse_from_str(shown, "%Y-%m-%d %H:%M").unwrap();
    zone.resolve(shown)
}

/// What a clock of the zone shows, with the weekday.
fn shown(zone: Zone, at: Instant) -> String {
    at.clock_in(zone).format("%a %Y-%m-%d %H:%M").to_string()
}
