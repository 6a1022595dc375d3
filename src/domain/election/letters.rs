//! Letters to voters: what each is written for, which rounds over the roll there are, and when one is due by the rules.
//!
//! Nothing here knows who has voted; whoever writes a reminder asks that of the roll, when it is written and once more before it leaves.

use chrono::{Days, NaiveDate, NaiveTime};

use super::Terms;
use super::phase::{Phase, Standing, Step, Unlawful};
use crate::domain::time::{Instant, Zone};
use crate::limits;

/// Which letters go to voters by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    /// A notice to everybody, once the roll is laid open; where it never is, once it is frozen.
    pub notice: bool,
    /// To everybody on the web the link by which they vote, when voting opens.
    pub credentials: bool,
    /// So many days before the day of the close whoever has not voted is reminded.
    pub remind_days_before: Vec<u32>,
    /// At which time of those days.
    pub remind_at: NaiveTime,
    /// To everybody who has voted a receipt, after the day on which they did.
    pub receipts: bool,
    /// The result to everybody, when it stands.
    pub result: bool,
}

/// What a letter to a voter is written for: each gets one letter for each, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Occasion {
    /// The election, and the roll.
    Notice,
    /// The link by which they vote.
    Credential,
    /// Another one in its place; the last that was written.
    Renewed,
    /// They have not voted by that day.
    Reminder(NaiveDate),
    /// They have voted.
    Receipt,
    /// The result stands.
    Result,
}

/// Key of a reminder, before its day.
const REMINDER: &str = "reminder:";
/// Key of a round of receipts, before its day.
const RECEIPTS: &str = "receipts:";

fn day_of(key: &str, before: &str) -> Option<NaiveDate> {
    key.strip_prefix(before)?.parse().ok()
}

impl Occasion {
    /// Name in tables.
    pub fn key(self) -> String {
        match self {
            Occasion::Notice => "notice".to_string(),
            Occasion::Credential => "credential".to_string(),
            Occasion::Renewed => "renewed".to_string(),
            Occasion::Reminder(day) => format!("{REMINDER}{day}"),
            Occasion::Receipt => "receipt".to_string(),
            Occasion::Result => "result".to_string(),
        }
    }

    /// The occasion of that name.
    pub fn find(key: &str) -> Option<Occasion> {
        let plain = [Occasion::Notice, Occasion::Credential, Occasion::Renewed, Occasion::Receipt, Occasion::Result];
        let found = plain.into_iter().find(|own| own.key() == key);
        found.or_else(|| day_of(key, REMINDER).map(Occasion::Reminder))
    }
}

/// A round over everybody on the roll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Round {
    /// Notices.
    Notice,
    /// Links.
    Credentials,
    /// Reminders of a day: there is one round a day, so that it tells nothing more of when somebody voted than the roll does.
    Reminder(NaiveDate),
    /// Receipts of all votes before that day.
    Receipts(NaiveDate),
    /// The result.
    Result,
    /// What is known of voters is deleted.
    Deletion,
}

impl Round {
    /// Name in tables, reports and the chain.
    pub fn key(self) -> String {
        match self {
            Round::Notice => "notice".to_string(),
            Round::Credentials => "credentials".to_string(),
            Round::Reminder(day) => format!("{REMINDER}{day}"),
            Round::Receipts(day) => format!("{RECEIPTS}{day}"),
            Round::Result => "result".to_string(),
            Round::Deletion => "deletion".to_string(),
        }
    }

    /// The round of that name.
    pub fn find(key: &str) -> Option<Round> {
        let plain = [Round::Notice, Round::Credentials, Round::Result, Round::Deletion];
        let found = plain.into_iter().find(|own| own.key() == key);
        let reminder = || day_of(key, REMINDER).map(Round::Reminder);
        found.or_else(reminder).or_else(|| day_of(key, RECEIPTS).map(Round::Receipts))
    }

    /// What its letters are written for; none where there are none.
    pub const fn occasion(self) -> Option<Occasion> {
        Some(match self {
            Round::Notice => Occasion::Notice,
            Round::Credentials => Occasion::Credential,
            Round::Reminder(day) => Occasion::Reminder(day),
            Round::Receipts(_) => Occasion::Receipt,
            Round::Result => Occasion::Result,
            Round::Deletion => return None,
        })
    }

    /// Whether its letters may be written now.
    ///
    /// # Errors
    /// Why not.
    pub fn may_go(self, standing: &Standing<'_>) -> Result<(), Unlawful> {
        let (phase, terms) = (standing.phase(), standing.terms);
        let over = Err(Unlawful::Over(terms.closes));
        match self {
            Round::Notice => match phase {
                Phase::Setup if terms.objections_until.is_some() => Err(Unlawful::Before(Step::Objection)),
                Phase::Setup => Err(Unlawful::Before(Step::Open)),
                Phase::Objection | Phase::Frozen | Phase::Open => Ok(()),
                Phase::Closed | Phase::Tallied | Phase::Certified => over,
            },
            Round::Credentials => match phase {
                Phase::Setup | Phase::Objection => Err(Unlawful::Before(Step::Open)),
                Phase::Frozen | Phase::Open => Ok(()),
                Phase::Closed | Phase::Tallied | Phase::Certified => over,
            },
            Round::Reminder(_) => match phase {
                Phase::Setup | Phase::Objection => Err(Unlawful::Before(Step::Open)),
                Phase::Frozen => Err(Unlawful::NotOpen(terms.opens)),
                Phase::Open => Ok(()),
                Phase::Closed | Phase::Tallied | Phase::Certified => over,
            },
            Round::Receipts(_) if phase >= Phase::Open => Ok(()),
            Round::Receipts(_) => Err(Unlawful::NotOpen(terms.opens)),
            Round::Result | Round::Deletion if phase == Phase::Certified => Ok(()),
            Round::Result | Round::Deletion => Err(Unlawful::Before(Step::Certify)),
        }
    }
}

/// When what is known of voters is deleted; never where the rules do not say. A result that stands since `certified` is told to everybody
/// before, and leaves them time to find their receipt.
pub fn deleted_at(terms: &Terms, certified: Option<Instant>) -> Option<Instant> {
    let after = |from: Instant, days: u32| from.plus_seconds(i64::from(days) * 24 * 3600);
    let by_rules = after(terms.closes, terms.deleted_after_days?);
    Some(certified.map_or(by_rules, |certified| by_rules.max(after(certified, limits::RESULT_READ_DAYS))))
}

impl Letters {
    /// The rounds that are due by the rules and were not begun, by the clock of the study. Of several days on which whoever has not voted
    /// was to be reminded the last alone counts: nobody is to get two letters because a daemon was away.
    pub fn due(&self, standing: &Standing<'_>, zone: Zone, begun: &[Round]) -> Vec<Round> {
        let (terms, now) = (standing.terms, standing.now);
        let wanted = [
            (self.notice, Some(Round::Notice)),
            (self.credentials && standing.phase() == Phase::Open, Some(Round::Credentials)),
            (true, self.reminder(terms, now, zone).map(Round::Reminder)),
            (self.receipts, receipts(terms, now, zone).map(Round::Receipts)),
            (self.result, Some(Round::Result)),
            (deleted_at(terms, None).is_some_and(|at| now >= at), Some(Round::Deletion)),
        ];
        let due = wanted.into_iter().filter(|(wanted, _)| *wanted).filter_map(|(_, round)| round);
        due.filter(|round| !begun.contains(round) && round.may_go(standing).is_ok()).collect()
    }

    /// The last day, of those on which whoever has not voted is reminded, whose time has come since voting began.
    fn reminder(&self, terms: &Terms, now: Instant, zone: Zone) -> Option<NaiveDate> {
        let closes = terms.closes.day_in(zone);
        let days = self.remind_days_before.iter();
        let days = days.filter_map(|before| closes.checked_sub_days(Days::new(u64::from(*before))));
        days.filter(|day| {
            let at = zone.resolve(day.and_time(self.remind_at));
            terms.opens <= at && at <= now
        })
        .max()
    }
}

/// The day before which all votes get their receipts: today, and at the latest the day behind that of the close.
fn receipts(terms: &Terms, now: Instant, zone: Zone) -> Option<NaiveDate> {
    let last = terms.closes.day_in(zone).checked_add_days(Days::new(1))?;
    let day = now.day_in(zone).min(last);
    (day > terms.opens.day_in(zone)).then_some(day)
}
