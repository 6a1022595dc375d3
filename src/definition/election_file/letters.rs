//! `[letters]` of an election: which letters go to voters by themselves, and when.

use chrono::{Days, NaiveTime};

use crate::definition::document::Section;
use crate::domain::election::{Letters, Terms};
use crate::domain::time::Zone;
use crate::limits;

/// When whoever has not voted is reminded, where nothing is said.
const REMIND_AT: &str = "09:00";

/// Reads the section; without it no letter goes by itself.
pub(super) fn read(root: &Section, terms: &Terms, zone: Zone) -> Letters {
    let Some(section) = root.section("letters") else { return Letters::default() };
    let flag = |key: &'static str| section.flag(key).unwrap_or(false);
    let (notice, credentials) = (flag("notice"), flag("credentials"));
    let (receipts, result) = (flag("receipts"), flag("result"));
    let at = section.text("remind_at", REMIND_AT).unwrap_or_else(|| REMIND_AT.to_string());
    let remind_at = NaiveTime::parse_from_str(&at, "%H:%M").unwrap_or_else(|_| {
        section.wrong("remind_at", format!("\"{at}\" is no time of day"), format!("write one such as \"{REMIND_AT}\""));
        NaiveTime::default()
    });
    let remind_days_before = section.whole_numbers("remind_days_before");
    let mut days = Vec::new();
    if remind_days_before.len() > limits::ELECTION_REMINDERS {
        let wrong = format!("names more than {} days", limits::ELECTION_REMINDERS);
        section.wrong("remind_days_before", wrong, "write fewer: nobody likes to be urged");
    }
    for before in remind_days_before {
        let day = terms.closes.day_in(zone).checked_sub_days(Days::new(u64::from(before)));
        let is_in_time = day.is_some_and(|day| {
            let at = zone.resolve(day.and_time(remind_at));
            terms.opens <= at && at < terms.closes
        });
        // Terms that are wrong themselves are told of.
        if !is_in_time && terms.opens < terms.closes {
            let wrong = format!("{before} days before the close, at {at}, no votes are taken");
            section.wrong("remind_days_before", wrong, "write a number of days that lies behind opens");
        }
        if days.contains(&before) {
            section.wrong("remind_days_before", format!("names {before} twice"), "write each once");
        }
        days.push(before);
    }
    section.close();
    Letters { notice, credentials, remind_days_before: days, remind_at, receipts, result }
}
