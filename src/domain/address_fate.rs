//! The fate of an address: whether letters to it arrive, as far as reports and refusals tell.
//!
//! The rule is Mailman's (GNU Mailman manual, "Bounce processing"): a failure for good counts 1, one that may pass a half, a delay nothing;
//! at most one failure a day counts; a score that nothing was added to for long is forgotten; at a limit invitations and reminders stop. The numbers are ours
//! ([`limits::BOUNCE_LIMIT_TENTHS`], [`limits::BOUNCE_STALE_DAYS`]): a study writes more seldom than a list.

use chrono::NaiveDate;

use super::time::Instant;
use crate::limits;

/// How a letter failed, where that says something of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounce {
    /// There is no such mailbox, and there will be none.
    Hard,
    /// The mailbox is full.
    Full,
    /// It may pass.
    Soft,
}

impl Bounce {
    /// What the status of a report on a letter that did not arrive says (RFC 3463); none where it says nothing of the address: a letter
    /// that is too large, badly made, or unwelcome because of who sends it, would have failed at any address.
    pub fn of_report(status: &str) -> Option<Bounce> {
        let mut parts = status.split('.').map(|part| part.parse::<u16>().ok());
        let (class, subject, detail) = match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten()) {
            (Some(class), Some(subject), Some(detail)) => (class, subject, detail),
            // A report that says that it failed, and no more.
            _ => (5, 0, 0),
        };
        let for_good = match class {
            4 => false,
            5 => true,
            _ => return None,
        };
        match (subject, detail) {
            // The sender's address (1.7, 1.8), the size (2.3, 3.4), the protocol, the content, policy and security.
            (1, 7 | 8) | (2, 3) | (3, 4) | (5..=7, _) => None,
            (2, 2) => Some(Bounce::Full),
            // No such mailbox (1), it is disabled (2.1), no way leads there (4.4), or nothing more is said (0).
            (0 | 1, _) | (2, 1) | (4, 4) if for_good => Some(Bounce::Hard),
            _ => Some(Bounce::Soft),
        }
    }

    /// What a refusal says when a letter was handed over: that of the mailbox alone, for the server that we hand letters to refuses also
    /// for reasons that are between it and us. An address that it does not name (1.0) may be ours: Postfix refuses an unknown sender so.
    pub fn of_refusal(status: &str) -> Option<Bounce> {
        let parts: Vec<&str> = status.split('.').collect();
        let names_mailbox = match parts.as_slice() {
            [_, "1", detail] => *detail != "0",
            [_, "2", _] => true,
            _ => false,
        };
        Bounce::of_report(status).filter(|_| names_mailbox)
    }

    /// What it counts, in tenths.
    pub const fn tenths(self) -> u32 {
        match self {
            Bounce::Hard => 10,
            Bounce::Full | Bounce::Soft => 5,
        }
    }
}

/// What came back of letters to an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressFate {
    /// Score, in tenths.
    pub score: u32,
    /// Day of the last failure that counted.
    pub bounced_on: Option<NaiveDate>,
    /// Status of the last failure, such as `5.1.1`; empty before one.
    pub status: String,
    /// Since when invitations and reminders pass it over; none while they go out.
    pub stopped_at: Option<Instant>,
    /// Last day of an absence that an automatic answer told.
    pub away_until: Option<NaiveDate>,
}

impl AddressFate {
    /// Whether invitations and reminders pass it over.
    pub const fn is_stopped(&self) -> bool {
        self.stopped_at.is_some()
    }

    /// The score as it stands on a day.
    pub fn score_on(&self, day: NaiveDate) -> u32 {
        let fresh = |last: NaiveDate| day.signed_duration_since(last).num_days() < limits::BOUNCE_STALE_DAYS;
        if self.bounced_on.is_some_and(fresh) { self.score } else { 0 }
    }

    /// The fate behind a failure on a day, at a moment of it.
    pub fn bounced(&self, bounce: Bounce, status: &str, (day, at): (NaiveDate, Instant)) -> AddressFate {
        // A clock that went back makes no second failure of the day.
        let counted = self.bounced_on.is_some_and(|last| last >= day);
        let score = if counted { self.score } else { self.score_on(day).saturating_add(bounce.tenths()) };
        let stops = score >= limits::BOUNCE_LIMIT_TENTHS;
        AddressFate {
            score,
            bounced_on: if counted { self.bounced_on } else { Some(day) },
            status: status.to_string(),
            stopped_at: self.stopped_at.or(stops.then_some(at)),
            away_until: self.away_until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> (NaiveDate, Instant) {
        (text.parse().unwrap(), Instant::parse_rfc3339(&format!("{text}T12:00:00Z")).unwrap())
    }

    fn after(failures: &[(&str, Bounce)]) -> AddressFate {
        let fate = AddressFate::default();
        failures.iter().fold(fate, |fate, (on, bounce)| fate.bounced(*bounce, "5.1.1", day(on)))
    }

    #[test]
    fn what_a_status_says_of_an_address() {
        for (status, said) in [
            ("5.1.1", Some(Bounce::Hard)),
            ("5.1.10", Some(Bounce::Hard)),
            ("5.1.0", Some(Bounce::Hard)),
            ("5.2.1", Some(Bounce::Hard)),
            ("5.4.4", Some(Bounce::Hard)),
            ("5.0.0", Some(Bounce::Hard)),
            ("", Some(Bounce::Hard)),
            ("5.2.2", Some(Bounce::Full)),
            ("4.2.2", Some(Bounce::Full)),
            ("4.4.7", Some(Bounce::Soft)),
            ("5.4.1", Some(Bounce::Soft)),
            ("4.1.1", Some(Bounce::Soft)),
            ("5.1.8", None),
            ("5.2.3", None),
            ("5.3.4", None),
            ("5.5.4", None),
            ("5.6.0", None),
            ("5.7.1", None),
            ("2.0.0", None),
        ] {
            assert_eq!(Bounce::of_report(status), said, "{status}");
        }
        for (status, said) in [
            ("5.1.1", Some(Bounce::Hard)),
            ("5.1.10", Some(Bounce::Hard)),
            ("5.2.2", Some(Bounce::Full)),
            ("5.1.0", None),
            ("5.1.8", None),
            ("5.0.0", None),
            ("4.4.1", None),
            ("5.7.1", None),
            ("550", None),
            ("0", None),
        ] {
            assert_eq!(Bounce::of_refusal(status), said, "{status}");
        }
    }

    #[test]
    fn three_days_of_failures_for_good_stop_an_address() {
        let fate = after(&[("2026-12-01", Bounce::Hard), ("2026-12-02", Bounce::Hard)]);
        assert_eq!((fate.score, fate.is_stopped()), (20, false));
        let fate = fate.bounced(Bounce::Hard, "5.1.1", day("2026-12-09"));
        assert_eq!((fate.score, fate.stopped_at), (30, Some(day("2026-12-09").1)));
        // It stays so since then, however long nothing is heard.
        let later = fate.bounced(Bounce::Soft, "4.4.7", day("2027-12-09"));
        assert_eq!((later.score, later.stopped_at, later.status.as_str()), (5, fate.stopped_at, "4.4.7"));
    }

    #[test]
    fn what_may_pass_counts_half() {
        let days = ["2026-12-01", "2026-12-02", "2026-12-03", "2026-12-04", "2026-12-05", "2026-12-06"];
        let soft: Vec<(&str, Bounce)> = days.iter().map(|on| (*on, Bounce::Full)).collect();
        assert!(!after(&soft[..5]).is_stopped());
        assert!(after(&soft).is_stopped());
    }

    #[test]
    fn a_day_counts_once() {
        let fate = after(&[("2026-12-01", Bounce::Soft), ("2026-12-01", Bounce::Hard), ("2026-11-30", Bounce::Hard)]);
        assert_eq!((fate.score, fate.bounced_on), (5, Some(day("2026-12-01").0)));
    }

    #[test]
    fn an_old_score_is_forgotten() {
        let fate = after(&[("2026-12-01", Bounce::Hard), ("2026-12-02", Bounce::Hard)]);
        let last_day = day("2027-03-01").0;
        assert_eq!((fate.score_on(last_day), fate.score_on(last_day.succ_opt().unwrap())), (20, 0));
        assert_eq!(fate.bounced(Bounce::Hard, "5.1.1", day("2027-06-01")).score, 10);
    }
}
