//! Instants, zones and their printed forms; the one file of `domain` that knows the date crate's clocks and zones.

use chrono::{DateTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

/// A moment, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

impl Instant {
    /// The instant `seconds` later (earlier if negative).
    pub const fn plus_seconds(self, seconds: i64) -> Instant {
        Instant(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// Whole seconds from `earlier` to this instant, negative if `earlier` is later.
    pub const fn seconds_since(self, earlier: Instant) -> i64 {
        (self.0 - earlier.0) / 1_000_000
    }

    /// `2026-11-20T00:05:00Z` (RFC 3339), to the second.
    pub fn utc(self) -> String {
        self.date_time().format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// `2026-11-20 09:05 +09:00` as a clock in `zone` shows it.
    pub fn local(self, zone: Zone) -> String {
        zone.0.from_utc_datetime(&self.date_time().naive_utc()).format("%Y-%m-%d %H:%M %:z").to_string()
    }

    /// Day and time of day as a clock in `zone` shows them, to the second.
    pub fn clock_in(self, zone: Zone) -> chrono::NaiveDateTime {
        let shown = zone.0.from_utc_datetime(&self.date_time().naive_utc()).naive_local();
        shown.with_nanosecond(0).unwrap_or(shown)
    }

    /// The calendar day in `zone`: year, month 1-12, day 1-31.
    pub fn day_in(self, zone: Zone) -> chrono::NaiveDate {
        zone.0.from_utc_datetime(&self.date_time().naive_utc()).date_naive()
    }

    /// `Fri, 20 Nov 2026 09:05:00 +0900`, the form of a `Date` header (RFC 5322 section 3.3).
    pub fn rfc5322(self, zone: Zone) -> String {
        zone.0.from_utc_datetime(&self.date_time().naive_utc()).format("%a, %d %b %Y %H:%M:%S %z").to_string()
    }

    /// The instant of an RFC 3339 text such as `2026-11-20T09:05:00+09:00`.
    pub fn parse_rfc3339(text: &str) -> Option<Instant> {
        DateTime::parse_from_rfc3339(text).ok().map(|at| Instant(at.timestamp_micros()))
    }

    /// The instant of a `Date` header (RFC 5322 section 3.3), old forms, comments, `JST` and wrong weekdays tolerated.
    pub fn parse_rfc5322(text: &str) -> Option<Instant> {
        let without_comment = text.split('(').next().unwrap_or_default().trim();
        let behind_weekday = without_comment.split_once(',').map_or(without_comment, |(_, rest)| rest).trim();
        let zoned = match behind_weekday.strip_suffix("JST") {
            Some(stem) => format!("{stem}+0900"),
            None => behind_weekday.to_string(),
        };
        DateTime::parse_from_rfc2822(&zoned).ok().map(|at| Instant(at.timestamp_micros()))
    }

    fn date_time(self) -> DateTime<Utc> {
        Utc.timestamp_micros(self.0).single().unwrap_or_default()
    }
}

/// A time zone by its IANA name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Tz);

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Zone = Zone(Tz::UTC);

    /// The zone of an IANA name such as `Asia/Tokyo`.
    pub fn find(name: &str) -> Option<Zone> {
        name.parse().ok().map(Zone)
    }

    /// Its IANA name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The moment at which clocks of the zone show that time. Where they show it twice, the first; where they skip it, as much later as
    /// they skip (RFC 5545 section 3.3.5): half past two on the night in which Berlin goes from two to three is half past three.
    pub fn resolve(self, shown: chrono::NaiveDateTime) -> Instant {
        let moment = |at: DateTime<Tz>| Instant(at.with_timezone(&Utc).timestamp_micros());
        if let Some(at) = self.0.from_local_datetime(&shown).earliest() {
            return moment(at);
        }
        // Clocks skip at most a day, and every offset is a multiple of a quarter of an hour but in the distant past.
        let quarter = 15 * 60;
        let before = (1..=2 * 24 * 4).find_map(|quarters| {
            let earlier = shown.checked_sub_signed(chrono::TimeDelta::seconds(quarters * quarter))?;
            Some(moment(self.0.from_local_datetime(&earlier).latest()?).plus_seconds(quarters * quarter))
        });
        before.unwrap_or_else(|| Instant(shown.and_utc().timestamp_micros()))
    }

    /// The first moment after `after` at which clocks of the zone show that minute of the day (from 0), see [`Zone::resolve`].
    pub fn next_at(self, minute: u32, after: Instant) -> Instant {
        let today = after.day_in(self);
        let shown = |days: u64| {
            let day = today.checked_add_days(chrono::Days::new(days))?;
            Some(self.resolve(day.and_hms_opt(minute / 60, minute % 60, 0)?))
        };
        let found = (0..=2).filter_map(shown).find(|at| *at > after);
        found.unwrap_or_else(|| after.plus_seconds(24 * 60 * 60))
    }

    /// The moment that people of the zone write as `2027-01-15T09:05`, `2027-01-15 09:05` or `2027-01-15` (its first moment), or that
    /// is written with its offset (RFC 3339). Where clocks skip the time or show it twice, see [`Zone::resolve`].
    pub fn parse_moment(self, text: &str) -> Option<Instant> {
        if let Some(at) = Instant::parse_rfc3339(text) {
            return Some(at);
        }
        let (day, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
        let day: chrono::NaiveDate = day.parse().ok()?;
        let forms = ["%H:%M", "%H:%M:%S"];
        let time = forms.iter().find_map(|form| chrono::NaiveTime::parse_from_str(time, form).ok())?;
        Some(self.resolve(day.and_time(time)))
    }

    /// Seconds east of Greenwich at `instant`.
    pub fn offset_seconds(self, instant: Instant) -> i32 {
        self.0.offset_from_utc_datetime(&instant.date_time().naive_utc()).fix().local_minus_utc()
    }
}

/// Tells the time: the machine's clock, or one that a test winds by hand.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Instant;
}

/// Gives unpredictable bytes: the operating system's, or a seeded sequence in a test.
///
/// Tokens, Message-IDs and study secrets come from here; draws do not (they are a function of the study's secret).
pub trait Dice: Send + Sync {
    /// Fills `buffer` with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_of_day() {
        let at = |text: &str| Instant::parse_rfc3339(text).unwrap();
        let tokyo = Zone::find("Asia/Tokyo").unwrap();
        let berlin = Zone::find("Europe/Berlin").unwrap();
        for (zone, minute, after, next) in [
            (tokyo, 420, "2026-11-20T06:59:59+09:00", "2026-11-20T07:00:00+09:00"),
            (tokyo, 420, "2026-11-20T07:00:00+09:00", "2026-11-21T07:00:00+09:00"),
            // Berlin skips 02:30 on this day, and shows it twice on the other.
            (berlin, 150, "2026-03-28T12:00:00+01:00", "2026-03-29T03:30:00+02:00"),
            (berlin, 150, "2026-10-24T12:00:00+02:00", "2026-10-25T02:30:00+02:00"),
        ] {
            assert_eq!(zone.next_at(minute, at(after)), at(next), "{after}");
        }
    }

    #[test]
    fn times_that_clocks_skip_or_show_twice() {
        let at = |text: &str| Instant::parse_rfc3339(text).unwrap();
        for (zone, shown, meant) in [
            ("Europe/Berlin", "2026-03-29T01:59:00", "2026-03-29T01:59:00+01:00"),
            ("Europe/Berlin", "2026-03-29T02:00:00", "2026-03-29T03:00:00+02:00"),
            ("Europe/Berlin", "2026-03-29T02:30:00", "2026-03-29T03:30:00+02:00"),
            ("Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00"),
            ("Europe/Berlin", "2026-10-25T03:00:00", "2026-10-25T03:00:00+01:00"),
            ("America/New_York", "2026-03-08T02:15:00", "2026-03-08T03:15:00-04:00"),
            ("America/New_York", "2026-11-01T01:30:00", "2026-11-01T01:30:00-04:00"),
            // Lord Howe goes half an hour.
            ("Australia/Lord_Howe", "2026-10-04T02:10:00", "2026-10-04T02:40:00+11:00"),
            ("Australia/Lord_Howe", "2026-04-05T01:45:00", "2026-04-05T01:45:00+11:00"),
            // Samoa left a whole day out.
            ("Pacific/Apia", "2011-12-30T09:00:00", "2011-12-31T09:00:00+14:00"),
            ("Pacific/Apia", "2011-12-29T23:59:00", "2011-12-29T23:59:00-10:00"),
            ("Asia/Tokyo", "2026-05-06T09:00:00", "2026-05-06T09:00:00+09:00"),
        ] {
            assert_eq!(Zone::find(zone).unwrap().resolve(shown.parse().unwrap()), at(meant), "{zone} {shown}");
        }
    }

    #[test]
    fn moments_as_people_write_them() {
        let at = |text: &str| Instant::parse_rfc3339(text);
        let tokyo = Zone::find("Asia/Tokyo").unwrap();
        let berlin = Zone::find("Europe/Berlin").unwrap();
        for (zone, text, expected) in [
            (tokyo, "2027-01-15", at("2027-01-15T00:00:00+09:00")),
            (tokyo, "2027-01-15T09:05", at("2027-01-15T09:05:00+09:00")),
            (tokyo, "2027-01-15 09:05", at("2027-01-15T09:05:00+09:00")),
            (tokyo, "2027-01-15 09:05:00", at("2027-01-15T09:05:00+09:00")),
            (tokyo, "2027-01-15T09:05:00Z", at("2027-01-15T18:05:00+09:00")),
            // Berlin skips the one and shows the other twice.
            (berlin, "2026-03-29T02:30", at("2026-03-29T03:30:00+02:00")),
            (berlin, "2026-10-25T02:30", at("2026-10-25T02:30:00+02:00")),
            (tokyo, "2027-02-29", None),
            (tokyo, "tomorrow", None),
            (tokyo, "2027-01-15T25:00", None),
        ] {
            assert_eq!(zone.parse_moment(text), expected, "{text}");
        }
    }

    #[test]
    fn dates_of_mails() {
        let expected = Instant::parse_rfc3339("2026-11-20T09:00:00+09:00");
        for text in [
            "Fri, 20 Nov 2026 09:00:00 +0900",
            "20 Nov 2026 09:00:00 +0900",
            "Mon, 20 Nov 2026 09:00:00 +0900 (JST)",
            "Fri, 20 Nov 2026 09:00:00 JST",
            "Fri, 20 Nov 2026 00:00:00 GMT",
            " Fri,  20 Nov 26 09:00 +0900",
        ] {
            assert_eq!(Instant::parse_rfc5322(text), expected, "{text}");
        }
        for text in ["", "yesterday", "20 Foo 2026 09:00:00 +0900", "Fri, 32 Nov 2026 09:00:00 +0900"] {
            assert_eq!(Instant::parse_rfc5322(text), None, "{text}");
        }
    }
}
