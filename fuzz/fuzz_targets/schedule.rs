//! Schedules and calendars in the place of a sample's: whatever is written, it is refused with a reason, or every rule of it decides.
#![no_main]

use std::collections::BTreeMap;

use hagaki::definition::{self, Bundle, samples};
use hagaki::domain::schedule::rehearsal::{Assumed, Somebody, Stretch, rehearse};
use hagaki::domain::time::Zone;
use libfuzzer_sys::fuzz_target;

/// The calendar stands behind a line of this.
const APART: &str = "\n%%%%\n";

fuzz_target!(|raw: &[u8]| {
    let Ok(text) = std::str::from_utf8(raw) else { return };
    let (schedule, calendar) = text.split_once(APART).unwrap_or((text, ""));
    let mut files: BTreeMap<String, String> = samples::wellbeing().files().clone();
    files.insert("schedule.toml".to_owned(), schedule.to_owned());
    if !calendar.is_empty() {
        files.insert("holidays/own.ics".to_owned(), calendar.to_owned());
    }
    match definition::load(&Bundle::from_files(files)) {
        Ok((study, _)) => {
            let Some(schedule) = study.schedule else { return };
            let rules = (0..schedule.rules.len()).collect();
            let somebody = Somebody { name: "one".to_owned(), rules, ..Somebody::default() };
            let zone = Zone::find("Europe/Berlin").expect("a zone");
            let from = zone.resolve(chrono::NaiveDateTime::default()).plus_seconds(56 * 365 * 24 * 3600);
            let stretch = Stretch { from, until: from.plus_seconds(30 * 24 * 3600), zone };
            let assumed = Assumed { percent: 50, delay_seconds: 86_400, seed: "fuzz".to_owned() };
            rehearse(&schedule, &[somebody], &assumed, stretch, 100_000);
        }
        Err(problems) => assert!(!problems.is_empty(), "refused without a reason"),
    }
});
