//! The one decision of a schedule: which letter of a rule comes next for one target, and when, or why none does.
//!
//! Whoever asks keeps what became of each letter and asks again: when a letter is planned, when its time has come (a second time, just
//! before it leaves), and whenever something happened that [`Facts`] tell. So an answer between planning and sending ends a rule, and an
//! amendment reaches what waits.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{Days as Count, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::{
    Anchor, Days, Escalation, Every, Forbidden, Late, Moment, Occasion, Offset, On, Rule, Series, Shift, Stop,
};
use crate::domain::expression::Scope;
use crate::domain::time::{Instant, Zone};
use crate::limits;

/// What is known of one target of a rule.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// Zone of the times: the study's, or that of whoever gets the letter.
    pub zone: Zone,
    /// When letters may go out.
    pub days: &'a Days,
    /// Since when there is the rule, and the survey takes answers: letters of a time before it are not made up for.
    pub begins: Instant,
    /// What happened, the last time it did.
    pub happened: &'a BTreeMap<Anchor, Mark>,
    /// When what the letter asks for was answered last.
    pub answered: Option<Instant>,
    /// From when on letters end, past or to come, [`Stop::Response`] aside.
    pub stops: &'a BTreeMap<Stop, Instant>,
    /// The last day of an absence that was told.
    pub away_until: Option<NaiveDate>,
    /// The last letter of the rule for this target.
    pub past: Option<Past>,
    /// What the rule's condition can name; none where it is not looked at, and taken as met.
    pub scope: Option<&'a Scope>,
}

/// When something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Day, in the zone of the times.
    pub day: NaiveDate,
    /// Moment, where it is known ([`Anchor::has_time`]).
    pub at: Option<Instant>,
    /// The last day on which letters counted from it are of use, if there is one.
    pub closes: Option<NaiveDate>,
}

/// A letter of a rule that was sent, or that was left out for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Which.
    pub occasion: Occasion,
    /// Its time by the rule.
    pub wished: Instant,
}

/// A letter that will go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Which.
    pub occasion: Occasion,
    /// Its time by the rule.
    pub wished: Instant,
    /// When it goes out.
    pub at: Instant,
    /// Past what it was moved.
    pub moved: Vec<Forbidden>,
}

impl Planned {
    /// The same as something that is over.
    pub fn past(&self) -> Past {
        Past { occasion: self.occasion.clone(), wished: self.wished }
    }
}

/// What is decided of a rule for one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// This letter is the next. If its time is not later than now, it is sent now.
    Next(Planned),
    /// This letter is the next and is left out for good: whoever asks notes it as past and asks again.
    Skip(Planned, Reason),
    /// No letter comes until something else happens.
    Ended(Reason),
}

/// Why a letter does not come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// What it is counted from has not happened.
    NotYet(Anchor),
    /// That ended it, from that moment on.
    Stopped(Stop, Instant),
    /// So many came, and that was all.
    Exhausted(u32),
    /// The condition does not hold.
    Condition,
    /// The condition could not be told.
    Untold(String),
    /// Its time is one of those, and the rule lets it be left out, or no other time is near.
    Forbidden(Vec<Forbidden>),
    /// It would come behind that last day.
    Behind(NaiveDate),
    /// The one after it is due as well.
    Overtaken,
    /// It would come so many seconds late.
    TooLate(i64),
    /// Its time was before the rule began.
    Before,
    /// Its time never comes.
    Never,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NotYet(anchor) => write!(f, "waits for {anchor}"),
            Reason::Stopped(stop, _) => write!(f, "ended by {}", stop.key()),
            Reason::Exhausted(1) => f.write_str("was sent"),
            Reason::Exhausted(times) => write!(f, "was sent {times} times"),
            Reason::Condition => f.write_str("condition does not hold"),
            Reason::Untold(error) => write!(f, "condition cannot be told ({error})"),
            Reason::Forbidden(past) => write!(f, "left out: {}", listed(past)),
            Reason::Behind(day) => write!(f, "would come after its last day {day}"),
            Reason::Overtaken => f.write_str("the next one is due as well"),
            Reason::TooLate(seconds) => write!(f, "late by {} h", seconds / 3600),
            Reason::Before => f.write_str("its time was before the rule began"),
            Reason::Never => f.write_str("its time never comes"),
        }
    }
}

fn listed(past: &[Forbidden]) -> String {
    past.iter().map(ToString::to_string).collect::<Vec<String>>().join(", ")
}

/// Decides what comes next of a rule for one target.
pub fn decide(rule: &Rule, facts: &Facts<'_>, now: Instant) -> Decision {
    let course = match Course::of(rule, facts) {
        Ok(course) => course,
        Err(reason) => return Decision::Ended(reason),
    };
    match course.next() {
        Ok(letter) => course.judge(&letter, now),
        Err(reason) => Decision::Ended(reason),
    }
}

/// What has ended a rule for one target by now, whatever of it comes next: a letter that was written and has not left must not leave.
pub fn stopped(rule: &Rule, facts: &Facts<'_>, now: Instant) -> Option<Reason> {
    Course { rule, facts, series: Series::Rule, mark: None }.stopped(now)
}

/// When somebody is told, by that escalation of the rule, that so many of its letters led to no answer; none if not yet. The occasion is
/// that of the last letter that was waited for.
pub fn escalation(rule: &Rule, own: &Escalation, facts: &Facts<'_>) -> Option<Planned> {
    let On::Unanswered { after } = own.on else { return None };
    let course = Course::of(rule, facts).ok()?;
    facts.past.as_ref().filter(|past| past.occasion.series == course.series && past.occasion.number >= after)?;
    let shown = course.shown(after.checked_add(1)?)?;
    let wished = facts.zone.resolve(shown);
    let (shifted, moved) = facts.days.shifted(shown, Shift::Next, None);
    let at = facts.zone.resolve(shifted?);
    if course.stopped(at).is_some() {
        return None;
    }
    Some(Planned { occasion: Occasion { series: course.series, number: after }, wished, at, moved })
}

/// A letter's time by the rule.
struct Wish {
    number: u32,
    shown: NaiveDateTime,
}

/// A rule as it goes for one target.
struct Course<'r> {
    rule: &'r Rule,
    facts: &'r Facts<'r>,
    series: Series,
    mark: Option<Mark>,
}

impl<'r> Course<'r> {
    fn of(rule: &'r Rule, facts: &'r Facts<'r>) -> Result<Course<'r>, Reason> {
        let (series, mark) = match &rule.moment {
            Moment::At(_) | Moment::Cron(_) => (Series::Rule, None),
            Moment::After(after) => {
                let mark = facts.happened.get(&after.anchor).copied();
                let mark = mark.ok_or_else(|| Reason::NotYet(after.anchor.clone()))?;
                // What happens once may be corrected, and brings no letter a second time; what happens again does.
                let again = matches!(after.anchor, Anchor::Invitation | Anchor::LastResponse | Anchor::Item { .. });
                (if again { Series::Day(mark.day) } else { Series::Rule }, Some(mark))
            }
        };
        Ok(Course { rule, facts, series, mark })
    }

    /// The letter behind the last one.
    fn next(&self) -> Result<Wish, Reason> {
        let past = self.facts.past.as_ref().filter(|past| past.occasion.series == self.series);
        let done = past.map_or(0, |past| past.occasion.number);
        if let Moment::Cron(_) = self.rule.moment {
            let number = done.saturating_add(1);
            self.within_times(number)?;
            let (zone, begins) = (self.facts.zone, self.facts.begins);
            let comes = |shown: &NaiveDateTime| zone.resolve(*shown) >= begins;
            let behind = past.and_then(|past| self.cron_after(past.wished.clock_in(zone), true));
            let mut shown = behind.filter(comes);
            if shown.is_none() {
                // The rule begins behind the letter after the last one. Its first minute counts, too.
                shown = self.cron_after(begins.plus_seconds(-1).clock_in(zone), false);
                // Where clocks show a time twice, the first is meant, and it may be over.
                while let Some(over) = shown.filter(|shown| !comes(shown)) {
                    shown = self.cron_after(over, false);
                }
            }
            return Ok(Wish { number, shown: shown.ok_or(Reason::Never)? });
        }
        for number in done.saturating_add(1)..=limits::SCHEDULE_OCCASIONS {
            self.within_times(number)?;
            let shown = self.shown(number).ok_or(Reason::Never)?;
            let repeats = self.rule.repeat.is_some_and(|repeat| repeat.every.is_some());
            match self.facts.zone.resolve(shown) >= self.facts.begins {
                true => return Ok(Wish { number, shown }),
                false if !repeats => return Err(Reason::Before),
                false => {}
            }
        }
        Err(Reason::Never)
    }

    fn within_times(&self, number: u32) -> Result<(), Reason> {
        let times = match self.rule.repeat {
            Some(repeat) => repeat.times,
            None if matches!(self.rule.moment, Moment::Cron(_)) => None,
            None => Some(1),
        };
        match times {
            Some(times) if number > times => Err(Reason::Exhausted(times)),
            _ => Ok(()),
        }
    }

    /// The cron line's next time. A line of one time a day comes once a day, also if an amendment moves that time.
    fn cron_after(&self, shown: NaiveDateTime, sent: bool) -> Option<NaiveDateTime> {
        let Moment::Cron(cron) = &self.rule.moment else { return None };
        match sent && cron.is_daily_at_most() {
            true => cron
                .next(shown.date().and_time(NaiveTime::MIN).checked_add_days(Count::new(1))? - TimeDelta::seconds(1)),
            false => cron.next(shown),
        }
    }

    /// What the clock shows at the letter of that number, by a rule without a cron line.
    fn shown(&self, number: u32) -> Option<NaiveDateTime> {
        let zone = self.facts.zone;
        let steps = number.checked_sub(1)?;
        let later = |from: Instant, hours: u32| Some(from.plus_seconds(i64::from(hours) * 3600).clock_in(zone));
        let first = match &self.rule.moment {
            Moment::Cron(_) => return None,
            Moment::At(shown) => *shown,
            Moment::After(after) => {
                let mark = self.mark?;
                match after.offset {
                    Offset::Days { days, at } => {
                        mark.day.checked_add_signed(TimeDelta::days(days.into()))?.and_time(at)
                    }
                    Offset::Hours(hours) => {
                        let from = mark.at.unwrap_or_else(|| zone.resolve(mark.day.and_time(NaiveTime::MIN)));
                        later(from, hours)?
                    }
                }
            }
        };
        if steps == 0 {
            return Some(first);
        }
        match self.rule.repeat?.every? {
            Every::Days(days) => first.checked_add_days(Count::new(u64::from(days) * u64::from(steps))),
            Every::Hours(hours) => later(zone.resolve(first), hours.checked_mul(steps)?),
        }
    }

    /// The last day on which the letter of that time is of use.
    fn last_day(&self, shown: NaiveDateTime) -> Option<NaiveDate> {
        let window = self.rule.window.and_then(|days| shown.date().checked_add_days(Count::new(days.into())));
        let closes = self.mark.and_then(|mark| mark.closes);
        window.into_iter().chain(closes).min()
    }

    /// Where a letter goes, and past what.
    fn placed(&self, wish: &Wish) -> Result<Planned, (Planned, Reason)> {
        let zone = self.facts.zone;
        let wished = zone.resolve(wish.shown);
        let occasion = Occasion { series: self.series, number: wish.number };
        let planned = |at, moved| Planned { occasion: occasion.clone(), wished, at, moved };
        let (mut shifted, mut moved) = self.facts.days.shifted(wish.shown, self.rule.shift, self.facts.away_until);
        // Nothing comes before what it is counted from.
        let since = self.mark.map(|mark| match (&self.rule.moment, mark.at) {
            (_, Some(at)) => at,
            (Moment::After(after), None) if matches!(after.offset, Offset::Days { days, .. } if days < 0) => {
                Instant(i64::MIN)
            }
            _ => zone.resolve(mark.day.and_time(NaiveTime::MIN)),
        });
        let early = |shown: &NaiveDateTime| since.is_some_and(|since| zone.resolve(*shown) < since);
        if self.rule.shift == Shift::Before && !moved.is_empty() && shifted.as_ref().is_none_or(early) {
            (shifted, moved) = self.facts.days.shifted(wish.shown, Shift::Next, self.facts.away_until);
        }
        let Some(shown) = shifted else { return Err((planned(wished, Vec::new()), Reason::Forbidden(moved))) };
        let letter = planned(zone.resolve(shown), moved);
        match self.last_day(wish.shown) {
            Some(last) if shown.date() > last => Err((letter, Reason::Behind(last))),
            _ => Ok(letter),
        }
    }

    /// What has ended letters by then.
    fn stopped(&self, by: Instant) -> Option<Reason> {
        let facts = self.facts;
        let others = facts.stops.iter().filter(|(stop, from)| **stop != Stop::Response && **from <= by);
        if let Some((stop, from)) = others.min_by_key(|(_, from)| **from) {
            return Some(Reason::Stopped(*stop, *from));
        }
        let answered = facts.answered.filter(|answered| self.rule.until_response && *answered <= by)?;
        // Whoever is asked again has not answered that.
        let asked = facts.happened.get(&Anchor::Invitation).and_then(|mark| mark.at);
        let asked = asked.filter(|_| self.rule.audience.answers());
        asked.is_none_or(|asked| answered >= asked).then_some(Reason::Stopped(Stop::Response, answered))
    }

    fn judge(&self, wish: &Wish, now: Instant) -> Decision {
        let placed = self.placed(wish);
        let at = match &placed {
            Ok(letter) | Err((letter, _)) => letter.at,
        };
        if let Some(reason) = self.stopped(at.max(now)) {
            return Decision::Ended(reason);
        }
        let letter = match placed {
            Ok(letter) if letter.at > now => return Decision::Next(letter),
            Ok(letter) => letter,
            Err((letter, reason)) => return Decision::Skip(letter, reason),
        };
        self.due(wish, letter, now)
    }

    /// A letter whose time has come.
    fn due(&self, wish: &Wish, letter: Planned, now: Instant) -> Decision {
        let late = now.seconds_since(letter.at);
        let is_late = late > limits::SCHEDULE_PUNCTUAL_SECONDS;
        if is_late && self.is_next_due(wish, now) {
            return Decision::Skip(letter, Reason::Overtaken);
        }
        let most = match self.rule.late {
            Late::Send => i64::MAX,
            Late::Within(seconds) => seconds.max(limits::SCHEDULE_PUNCTUAL_SECONDS),
            Late::Drop => limits::SCHEDULE_PUNCTUAL_SECONDS,
        };
        if late > most {
            return Decision::Skip(letter, Reason::TooLate(late));
        }
        if is_late && self.rule.shift != Shift::Stay {
            // The hour that was right has gone by; the present one need not be.
            let shown = now.clock_in(self.facts.zone);
            let (shifted, past) = self.facts.days.shifted(shown, Shift::Next, self.facts.away_until);
            let at = match shifted {
                Some(later) if later > shown => self.facts.zone.resolve(later),
                Some(_) => now,
                None => return Decision::Skip(letter, Reason::Forbidden(past)),
            };
            if at.seconds_since(letter.at) > most {
                return Decision::Skip(letter.clone(), Reason::TooLate(at.seconds_since(letter.at)));
            }
            match self.last_day(wish.shown) {
                Some(last) if at.day_in(self.facts.zone) > last => return Decision::Skip(letter, Reason::Behind(last)),
                _ if at > now => return Decision::Next(Planned { at, moved: past, ..letter }),
                _ => {}
            }
        }
        match self.rule.when.as_ref().zip(self.facts.scope).map(|(when, scope)| when.holds(scope)) {
            None | Some(Ok(true)) => Decision::Next(letter),
            Some(Ok(false)) => Decision::Skip(letter, Reason::Condition),
            Some(Err(error)) => Decision::Skip(letter, Reason::Untold(error.to_string())),
        }
    }

    /// Whether the letter after that one is due, too.
    fn is_next_due(&self, wish: &Wish, now: Instant) -> bool {
        let Some(number) = wish.number.checked_add(1).filter(|number| self.within_times(*number).is_ok()) else {
            return false;
        };
        let shown = match self.rule.moment {
            Moment::Cron(_) => self.cron_after(wish.shown, true),
            _ => self.shown(number),
        };
        let next = shown.and_then(|shown| self.placed(&Wish { number, shown }).ok());
        next.is_some_and(|next| next.at <= now)
    }
}
