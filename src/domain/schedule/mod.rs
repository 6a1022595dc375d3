//! The schedule of a study: which letter goes to whom, when, how often, and what ends it.
//!
//! In charge of the language of `schedule.toml` and of its one decision, [`decide()`], which the rehearsal asks as the real run does.
//! Times are those of wall clocks. A day is a day of the calendar and never 24 hours; only [`Offset::Hours`] and [`Every::Hours`] are
//! time that passes. Where clocks skip a time, it comes as much later as they skip; where they show it twice, the first is meant, once
//! ([`Zone::resolve`](super::time::Zone::resolve)). Knows no database and asks no clock: who is there, what happened and what time it is comes in as [`Facts`].
//!
//! To add a letter: a variant of [`Letter`], with its audiences; to add something to count from: a variant of [`Anchor`].

mod cron;
mod days;
mod decide;
pub mod holidays;
pub mod rehearsal;

pub use cron::{Cron, CronError};
pub use days::{Days, Forbidden, Quiet, Span, Weekdays};
pub use decide::{Decision, Facts, Mark, Past, Planned, Reason, decide, escalation, stopped};

use std::fmt;

use chrono::{NaiveDateTime, NaiveTime};

use super::expression::Expression;
use super::study::Role;

/// What a study's `schedule.toml` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Whose clock its times are read from.
    pub clock: ClockOf,
    /// When letters may go out.
    pub days: Days,
    /// Its rules, in the order of the file; ids unique.
    pub rules: Vec<Rule>,
}

impl Schedule {
    /// The rule of that id.
    pub fn find(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == id)
    }
}

/// Whose clock and calendar the times of a schedule are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockOf {
    /// The study's zone.
    Study,
    /// The zone of whoever gets the letter, where it is known; else the study's.
    Person,
}

/// One rule: an audience, a letter, a time and what ends it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Lower-case name, unique in the schedule.
    pub id: String,
    /// Who gets the letter.
    pub audience: Audience,
    /// Which letter.
    pub letter: Letter,
    /// When it goes out first.
    pub moment: Moment,
    /// How it is repeated; of a rule with a cron line, only how often.
    pub repeat: Option<Repeat>,
    /// So many days after the planned day it may still go out; without end if none.
    pub window: Option<u32>,
    /// What must hold when it leaves; looked at then, and not when it is planned.
    pub when: Option<Expression>,
    /// Whether an answer ends it. What else ends a letter ([`Stop`]) always does.
    pub until_response: bool,
    /// Where a letter goes whose time falls on a day or an hour at which none may.
    pub shift: Shift,
    /// What becomes of a letter whose time went by while nothing could be sent.
    pub late: Late,
    /// Whom to tell when nobody answers, or a letter does not arrive.
    pub escalations: Vec<Escalation>,
}

/// Who gets a rule's letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Participants who hold a credential.
    Participants,
    /// Members, who answer with an account of their own.
    Members,
    /// Staff of that role, for the subjects of the sites they act for.
    SiteStaff(Role),
    /// Everybody of that role.
    Role(Role),
    /// People by their ids.
    People(Vec<String>),
}

impl Audience {
    /// Whether they answer about themselves.
    pub const fn answers(&self) -> bool {
        matches!(self, Audience::Participants | Audience::Members)
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Audience::Participants => f.write_str("participants"),
            Audience::Members => f.write_str("members"),
            Audience::SiteStaff(role) => write!(f, "each {} of the subject's site", role.key()),
            Audience::Role(role) => write!(f, "each {}", role.key()),
            Audience::People(ids) => f.write_str(&ids.join(", ")),
        }
    }
}

/// What a rule's letters are about, each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetKind {
    /// A participant or member.
    Participant,
    /// A subject.
    Subject,
    /// A person of the study.
    Person,
}

impl TargetKind {
    /// Every kind.
    pub const ALL: [TargetKind; 3] = [TargetKind::Participant, TargetKind::Subject, TargetKind::Person];

    /// Name in tables.
    pub const fn key(self) -> &'static str {
        match self {
            TargetKind::Participant => "participant",
            TargetKind::Subject => "subject",
            TargetKind::Person => "person",
        }
    }

    /// The kind of that name.
    pub fn find(key: &str) -> Option<TargetKind> {
        TargetKind::ALL.into_iter().find(|kind| kind.key() == key)
    }
}

/// What letters are about: a participant or a subject by the number in the database, a person by their id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// What it is.
    pub kind: TargetKind,
    /// Which.
    pub id: String,
}

impl Target {
    /// The participant of that number in the database.
    pub fn participant(id: i64) -> Target {
        Target { kind: TargetKind::Participant, id: id.to_string() }
    }

    /// Its number in the database; none of a person.
    pub fn number(&self) -> Option<i64> {
        self.id.parse().ok().filter(|_| self.kind != TargetKind::Person)
    }
}

impl Rule {
    /// Whether it sends one letter to each, however it is counted.
    pub fn is_once(&self) -> bool {
        match (&self.moment, self.repeat) {
            (_, Some(Repeat { times: Some(1), .. })) => true,
            (Moment::Cron(_), _) => false,
            (_, repeat) => repeat.is_none_or(|repeat| repeat.every.is_none()),
        }
    }

    /// What its letters are about: of a rule for staff, a subject where it counts from something that happened to one, and else
    /// everything together.
    pub fn target(&self) -> TargetKind {
        match (&self.audience, &self.moment) {
            (Audience::Participants | Audience::Members, _) => TargetKind::Participant,
            (_, Moment::After(After { .. })) => TargetKind::Subject,
            _ => TargetKind::Person,
        }
    }
}

/// The letters that a schedule can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Letter {
    /// Somebody is asked to answer, with their own way in.
    Invitation,
    /// The same once more, to somebody who has not answered.
    Reminder,
    /// What of subjects' courses is due, to their site.
    FollowUpDue,
    /// Somebody has not answered, however often they were reminded; or a letter to them failed.
    Unanswered,
    /// How a study stands, once a week.
    WeeklyReport,
}

impl Letter {
    /// Every letter.
    pub const ALL: [Letter; 5] =
        [Letter::Invitation, Letter::Reminder, Letter::FollowUpDue, Letter::Unanswered, Letter::WeeklyReport];

    /// Name in `schedule.toml`, of the templates' folder and in tables.
    pub const fn key(self) -> &'static str {
        match self {
            Letter::Invitation => "invitation",
            Letter::Reminder => "reminder",
            Letter::FollowUpDue => "follow-up-due",
            Letter::Unanswered => "unanswered",
            Letter::WeeklyReport => "weekly-report",
        }
    }

    /// The letter of that name.
    pub fn find(key: &str) -> Option<Letter> {
        Letter::ALL.into_iter().find(|letter| letter.key() == key)
    }

    /// Whether that audience may get it by a rule.
    pub const fn may_go_to(self, audience: &Audience) -> bool {
        match self {
            Letter::Invitation | Letter::Reminder => audience.answers(),
            Letter::FollowUpDue => matches!(audience, Audience::SiteStaff(_)),
            Letter::WeeklyReport => matches!(audience, Audience::Role(_) | Audience::People(_)),
            // It is written by an escalation alone.
            Letter::Unanswered => false,
        }
    }

    /// Whether it asks for an answer.
    pub const fn asks(self) -> bool {
        matches!(self, Letter::Invitation | Letter::Reminder | Letter::FollowUpDue)
    }
}

/// When a rule's letter goes out first.
#[derive(Clone, Debug, PartialEq)]
pub enum Moment {
    /// At that time of the clock.
    At(NaiveDateTime),
    /// Whenever the line says.
    Cron(Cron),
    /// So long after something that happened.
    After(After),
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::At(shown) => write!(f, "{}", shown.format("%Y-%m-%d %H:%M")),
            Moment::Cron(cron) => write!(f, "cron {}", cron.source()),
            Moment::After(After { anchor, offset: Offset::Hours(hours) }) => write!(f, "{hours} hours after {anchor}"),
            Moment::After(After { anchor, offset: Offset::Days { days, at } }) => {
                let at = at.format("%H:%M");
                match days {
                    0 => write!(f, "day of {anchor}, {at}"),
                    1.. => write!(f, "{days} days after {anchor}, {at}"),
                    _ => write!(f, "{} days before {anchor}, {at}", days.unsigned_abs()),
                }
            }
        }
    }
}

/// A time that is counted from something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// What happened.
    pub anchor: Anchor,
    /// How long after it.
    pub offset: Offset,
}

/// What a time is counted from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anchor {
    /// The day of enrolling.
    Enrolled,
    /// The allocation of that id, the first or a further one.
    Randomized(String),
    /// The day on which the event of that id took place.
    Event(String),
    /// The day on which the event of that id is planned; its last day is that of its tolerance.
    Due(String),
    /// The last invitation that was sent.
    Invitation,
    /// The last response.
    LastResponse,
    /// The day that was answered to an item of an instrument, last time.
    Item {
        /// Instrument.
        instrument: String,
        /// Item of kind date.
        item: String,
    },
}

impl Anchor {
    /// Whether its moment is known, and not only its day.
    pub const fn has_time(&self) -> bool {
        matches!(self, Anchor::Invitation | Anchor::LastResponse | Anchor::Randomized(_) | Anchor::Enrolled)
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Anchor::Enrolled => f.write_str("the enrollment"),
            Anchor::Randomized(id) => write!(f, "the allocation {id}"),
            Anchor::Event(id) => write!(f, "{id}"),
            Anchor::Due(id) => write!(f, "the planned day of {id}"),
            Anchor::Invitation => f.write_str("the invitation"),
            Anchor::LastResponse => f.write_str("the last response"),
            Anchor::Item { instrument, item } => write!(f, "the answer to {instrument}.{item}"),
        }
    }
}

/// How long after an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offset {
    /// So many days of the calendar later (earlier if negative), at that time of the day.
    Days {
        /// Days.
        days: i32,
        /// Time of the day.
        at: NaiveTime,
    },
    /// So many hours later, whatever clocks do meanwhile.
    Hours(u32),
}

/// How a letter is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// Time from one to the next; none where a cron line says when.
    pub every: Option<Every>,
    /// How many letters in all, the first among them; until it is ended if none.
    pub times: Option<u32>,
}

/// Time from one letter to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Days of the calendar.
    Days(u32),
    /// Hours, whatever clocks do meanwhile.
    Hours(u32),
}

/// What ends a rule for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stop {
    /// They answered what the letter asks for.
    Response,
    /// They withdrew, or their subject left the study.
    Withdrawal,
    /// They died.
    Death,
    /// They want no more letters.
    Unsubscribe,
    /// Their credential expired or was revoked.
    Expiry,
    /// The survey or the study is closed.
    Close,
}

impl Stop {
    /// Every stop.
    pub const ALL: [Stop; 6] =
        [Stop::Response, Stop::Withdrawal, Stop::Death, Stop::Unsubscribe, Stop::Expiry, Stop::Close];

    /// Name in `schedule.toml` and in tables.
    pub const fn key(self) -> &'static str {
        match self {
            Stop::Response => "response",
            Stop::Withdrawal => "withdrawal",
            Stop::Death => "death",
            Stop::Unsubscribe => "unsubscribe",
            Stop::Expiry => "expiry",
            Stop::Close => "close",
        }
    }

    /// The stop of that name.
    pub fn find(key: &str) -> Option<Stop> {
        Stop::ALL.into_iter().find(|stop| stop.key() == key)
    }
}

/// Where a letter goes whose time falls on a day or an hour at which none may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// To the next day and hour at which one may.
    Next,
    /// To the one before; to the next where that is over.
    Before,
    /// Nowhere: it is left out.
    Drop,
    /// It goes out all the same.
    Stay,
}

impl Shift {
    /// Name in `schedule.toml`.
    pub const fn key(self) -> &'static str {
        match self {
            Shift::Next => "next",
            Shift::Before => "before",
            Shift::Drop => "drop",
            Shift::Stay => "stay",
        }
    }

    /// Every shift.
    pub const ALL: [Shift; 4] = [Shift::Next, Shift::Before, Shift::Drop, Shift::Stay];
}

/// What becomes of a letter whose time went by. Of several repeats that went by only the last goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// It is sent, however late.
    Send,
    /// It is sent so many seconds late at most.
    Within(i64),
    /// It is dropped.
    Drop,
}

/// Whom to tell that a rule's letters lead to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// When.
    pub on: On,
    /// Who is told: those of that role; where the letters are about a subject, those of its site.
    pub to: Role,
}

/// When somebody is told that a rule's letters lead to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// So many letters went out, the time to the next one passed, and there is no answer.
    Unanswered {
        /// Letters.
        after: u32,
    },
    /// A letter could not be delivered.
    Failed,
}

/// Which of a rule's letters to one target: each comes once, whatever is planned anew.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Occasion {
    /// What it is counted from: a day, or the rule itself.
    pub series: Series,
    /// Number in the series, from 1.
    pub number: u32,
}

/// What the letters of a rule are counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Series {
    /// The rule: it says its times itself.
    Rule,
    /// The day of what happened, in the zone of the times.
    Day(chrono::NaiveDate),
}

impl Occasion {
    /// Its name in tables: `2026-11-20/2`, or `rule/12`.
    pub fn key(&self) -> String {
        match self.series {
            Series::Rule => format!("rule/{}", self.number),
            Series::Day(day) => format!("{day}/{}", self.number),
        }
    }

    /// The one of that name.
    pub fn find(key: &str) -> Option<Occasion> {
        let (series, number) = key.split_once('/')?;
        let series = match series {
            "rule" => Series::Rule,
            day => Series::Day(day.parse().ok()?),
        };
        Some(Occasion { series, number: number.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for letter in Letter::ALL {
            assert_eq!(Letter::find(letter.key()), Some(letter));
        }
        for stop in Stop::ALL {
            assert_eq!(Stop::find(stop.key()), Some(stop));
        }
        for kind in TargetKind::ALL {
            assert_eq!(TargetKind::find(kind.key()), Some(kind));
        }
        let day = chrono::NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
        for series in [Series::Rule, Series::Day(day)] {
            let occasion = Occasion { series, number: 12 };
            assert_eq!(Occasion::find(&occasion.key()), Some(occasion));
        }
        assert_eq!(Occasion::find("rule"), None);
    }
}
