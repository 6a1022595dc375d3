//! When an allocation was made that was recorded later: elsewhere, or by hand.

use chrono::NaiveDate;
use serde_json::Value;

use crate::domain::study::Study;
use crate::domain::time::{Instant, Zone};

/// A moment, as exactly as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A day in the study's zone.
    Day(NaiveDate),
    /// A moment.
    Moment(Instant),
}

impl When {
    /// `2026-11-20`, or a moment as [`Zone::parse_moment`] takes it.
    pub(super) fn read(study: &Study, text: &str) -> Option<When> {
        let moment = || study.zone.parse_moment(text).map(When::Moment);
        text.parse().ok().map(When::Day).or_else(moment)
    }

    /// What the record of an allocation tells of it, if it was imported or given by hand and the time is known.
    pub(super) fn of_record(record: &str) -> Option<When> {
        let record: Value = serde_json::from_str(record).ok()?;
        let told = record.get("imported").or_else(|| record.get("forced"))?;
        let text = told.get("at")?.as_str()?;
        let moment = || Zone::UTC.parse_moment(text).map(When::Moment);
        text.parse().ok().map(When::Day).or_else(moment)
    }

    /// The day as a calendar in that zone shows it.
    pub fn day(self, zone: Zone) -> NaiveDate {
        match self {
            When::Day(day) => day,
            When::Moment(at) => at.day_in(zone),
        }
    }

    /// Whether it is surely earlier than the other.
    pub(super) fn is_before(self, other: When, study: &Study) -> bool {
        match (self, other) {
            (When::Moment(own), When::Moment(other)) => own < other,
            _ => self.day(study.zone) < other.day(study.zone),
        }
    }

    /// As a record keeps it.
    pub(super) fn kept(self) -> String {
        match self {
            When::Day(day) => day.to_string(),
            When::Moment(at) => at.utc(),
        }
    }

    /// As people read it: `2026-11-20`, or `2026-11-20 09:05 +09:00`.
    pub fn local(self, zone: Zone) -> String {
        match self {
            When::Day(day) => day.to_string(),
            When::Moment(at) => at.local(zone),
        }
    }
}
