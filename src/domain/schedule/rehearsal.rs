//! A schedule gone through beforehand: who would get which letter when, if people answer as is assumed.
//!
//! What comes next is asked of [`decide()`](super::decide()), as in the real run; what is invented is who answers, and when. Conditions are
//! taken as met, for nobody's answers are known.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{
    Anchor, Decision, Facts, Forbidden, Mark, Occasion, Past, Planned, Reason, Rule, Schedule, Stop, decide, escalation,
};
use crate::domain::study::Role;
use crate::domain::time::{Instant, Zone};

/// Somebody who gets letters, or a subject about whom letters are.
#[derive(Clone, Debug, Default)]
pub struct Somebody {
    /// What they are known by: draws follow from it, and letters are compared by it.
    pub name: String,
    /// What reports call them, if something else.
    pub shown: Option<String>,
    /// Their zone, if it is not the study's.
    pub zone: Option<Zone>,
    /// Places of the schedule's rules by which they get letters.
    pub rules: Vec<usize>,
    /// What happened, or will happen.
    pub happened: BTreeMap<Anchor, Mark>,
    /// When they answered last.
    pub answered: Option<Instant>,
    /// When the forms of events come in, by the event's id.
    pub forms: BTreeMap<String, Instant>,
    /// From when on letters end.
    pub stops: BTreeMap<Stop, Instant>,
    /// The last letter of each rule, by its id, of those that were sent or left out before.
    pub past: BTreeMap<String, Past>,
}

impl Somebody {
    /// What reports call them.
    pub fn called(&self) -> &str {
        self.shown.as_deref().unwrap_or(&self.name)
    }
}

/// What is assumed of people's answers.
#[derive(Clone, Debug)]
pub struct Assumed {
    /// Of a hundred letters that ask, so many are answered.
    pub percent: u32,
    /// How long an answer takes on average, in seconds; each takes between none and twice that.
    pub delay_seconds: i64,
    /// What the draws follow from.
    pub seed: String,
}

impl Assumed {
    /// A number that follows from the seed and these words, evenly from none to all 32 bits.
    pub fn draw(&self, words: &[&str]) -> u32 {
        let mut hash = Sha256::new();
        for word in [self.seed.as_str()].iter().chain(words) {
            hash.update((word.len() as u64).to_be_bytes());
            hash.update(word.as_bytes());
        }
        let [a, b, c, d, ..] = <[u8; 32]>::from(hash.finalize());
        u32::from_be_bytes([a, b, c, d])
    }

    /// When something is answered that was asked at that time; none if never.
    pub fn answer(&self, asked: Instant, words: &[&str]) -> Option<Instant> {
        let drawn = self.draw(words);
        // The upper half decides whether, the lower when.
        let answers = u64::from(drawn >> 16) * 100 < u64::from(self.percent) << 16;
        let part = i64::from(drawn & 0xffff);
        answers.then(|| asked.plus_seconds(self.delay_seconds.saturating_mul(2).saturating_mul(part) >> 16))
    }
}

/// When the rehearsal begins and ends, and in which zone the study is.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// First moment; what a schedule wished before is left out.
    pub from: Instant,
    /// Moment at which it ends.
    pub until: Instant,
    /// The study's zone.
    pub zone: Zone,
    /// Since when the survey takes answers, if it says so: those who answer get no letter before.
    pub opens: Option<Instant>,
}

/// What becomes of a planned letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes out, moved past these.
    Sent(Vec<Forbidden>),
    /// It is left out for good.
    Left(Reason),
    /// Those of that role are told that letters were not answered.
    Told(Role),
}

/// One letter of a rehearsal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Instant,
    /// Its time by the rule.
    pub wished: Instant,
    /// In which zone.
    pub zone: Zone,
    /// Place of whoever it is about among those who were given.
    pub who: usize,
    /// Place of its rule in the schedule.
    pub rule: usize,
    /// Which of the rule's letters.
    pub occasion: Occasion,
    /// What becomes of it.
    pub fate: Fate,
}

/// What a rehearsal told.
#[derive(Clone, Debug, Default)]
pub struct Rehearsed {
    /// Letters, by time.
    pub lines: Vec<Line>,
    /// Why no more letters come, or none yet, by rule and reason, with how many it is so for at the end. Of what ended letters the
    /// moment is left out.
    pub ended: BTreeMap<(usize, Reason), usize>,
}

/// Goes through a schedule for everybody; gives up at `most` letters, and says so by `None`.
pub fn rehearse(
    schedule: &Schedule,
    people: &[Somebody],
    assumed: &Assumed,
    stretch: Stretch,
    most: usize,
) -> Option<Rehearsed> {
    let mut rehearsed = Rehearsed::default();
    for (who, somebody) in people.iter().enumerate() {
        let way = Way {
            schedule,
            somebody,
            assumed,
            stretch,
            who,
            zone: somebody.zone.unwrap_or(stretch.zone),
            happened: somebody.happened.clone(),
            answered: somebody.answered,
            answer: None,
            past: past_of(schedule, somebody),
            told: BTreeSet::new(),
        };
        way.walk(&mut rehearsed, most);
        if rehearsed.lines.len() > most {
            return None;
        }
    }
    rehearsed.lines.sort_by_key(|one| (one.at, one.who, one.rule));
    Some(rehearsed)
}

/// The last letters of before, by the places of their rules.
fn past_of(schedule: &Schedule, somebody: &Somebody) -> BTreeMap<usize, Past> {
    let rules = schedule.rules.iter().enumerate();
    rules.filter_map(|(place, rule)| Some((place, somebody.past.get(&rule.id)?.clone()))).collect()
}

/// One person's way through the schedule.
struct Way<'a> {
    schedule: &'a Schedule,
    somebody: &'a Somebody,
    assumed: &'a Assumed,
    stretch: Stretch,
    who: usize,
    zone: Zone,
    happened: BTreeMap<Anchor, Mark>,
    answered: Option<Instant>,
    /// An answer to come.
    answer: Option<Instant>,
    past: BTreeMap<usize, Past>,
    told: BTreeSet<(usize, Occasion, Role)>,
}

impl Way<'_> {
    /// Goes to the end, or until there are more than `most` letters.
    fn walk(mut self, rehearsed: &mut Rehearsed, most: usize) {
        let (schedule, somebody) = (self.schedule, self.somebody);
        let mut now = self.stretch.from;
        while rehearsed.lines.len() <= most {
            let mut ended = Vec::new();
            let mut next: Option<Line> = None;
            let mut consider = |line: Line| {
                if next.as_ref().is_none_or(|known| line.at < known.at) {
                    next = Some(line);
                }
            };
            for place in somebody.rules.iter().copied() {
                let Some(rule) = schedule.rules.get(place) else { continue };
                match self.decided(place, rule, now) {
                    Ok(line) => consider(line),
                    Err(reason) => ended.push((place, reason)),
                }
                self.escalated(place, rule).for_each(&mut consider);
            }
            // An answer before the next letter changes what comes.
            if let Some(answer) = self.answer.filter(|answer| next.as_ref().is_none_or(|line| *answer <= line.at)) {
                if answer > self.stretch.until {
                    return finish(ended, rehearsed);
                }
                self.answer = None;
                self.answered = Some(answer);
                let mark = Mark { day: answer.day_in(self.zone), at: Some(answer), closes: None };
                self.happened.insert(Anchor::LastResponse, mark);
                now = now.max(answer);
                continue;
            }
            let Some(line) = next.filter(|line| line.at <= self.stretch.until) else { return finish(ended, rehearsed) };
            now = now.max(line.at);
            self.goes_out(line, rehearsed);
        }
    }

    fn facts(&self, place: usize, rule: &Rule) -> Facts<'_> {
        let form = match &rule.moment {
            super::Moment::After(super::After { anchor: Anchor::Due(id) | Anchor::Event(id), .. }) => Some(id),
            _ => None,
        };
        Facts {
            zone: self.zone,
            days: &self.schedule.days,
            begins: match self.stretch.opens.filter(|_| rule.audience.answers()) {
                Some(opens) => opens.max(self.stretch.from),
                None => self.stretch.from,
            },
            happened: &self.happened,
            answered: match form {
                Some(event) => self.somebody.forms.get(event).copied(),
                None => self.answered,
            },
            stops: &self.somebody.stops,
            away_until: None,
            past: self.past.get(&place).cloned(),
            scope: None,
        }
    }

    /// The next letter of a rule, be it that it goes out or that it is left out.
    fn decided(&self, place: usize, rule: &Rule, now: Instant) -> Result<Line, Reason> {
        match decide(rule, &self.facts(place, rule), now) {
            Decision::Ended(reason) => Err(reason),
            Decision::Next(letter) => {
                let fate = Fate::Sent(letter.moved.clone());
                Ok(self.line(place, letter, fate))
            }
            Decision::Skip(letter, reason) => Ok(self.line(place, letter, Fate::Left(reason))),
        }
    }

    /// Those whom a rule's escalations tell next, as far as they were not told.
    fn escalated<'r>(&self, place: usize, rule: &'r Rule) -> impl Iterator<Item = Line> + use<'_, 'r> {
        rule.escalations.iter().filter_map(move |own| {
            let letter = escalation(rule, own, &self.facts(place, rule))?;
            let is_told = self.told.contains(&(place, letter.occasion.clone(), own.to));
            (!is_told).then(|| self.line(place, letter, Fate::Told(own.to)))
        })
    }

    fn line(&self, place: usize, letter: Planned, fate: Fate) -> Line {
        let Planned { occasion, wished, at, .. } = letter;
        Line { at, wished, zone: self.zone, who: self.who, rule: place, occasion, fate }
    }

    fn goes_out(&mut self, line: Line, rehearsed: &mut Rehearsed) {
        let schedule = self.schedule;
        let Some(rule) = schedule.rules.get(line.rule) else { return };
        if let Fate::Told(role) = line.fate {
            self.told.insert((line.rule, line.occasion.clone(), role));
            rehearsed.lines.push(line);
            return;
        }
        self.past.insert(line.rule, Past { occasion: line.occasion.clone(), wished: line.wished });
        if let Fate::Left(_) = line.fate {
            rehearsed.lines.push(line);
            return;
        }
        if rule.letter == super::Letter::Invitation {
            let mark = Mark { day: line.at.day_in(self.zone), at: Some(line.at), closes: None };
            self.happened.insert(Anchor::Invitation, mark);
        }
        if rule.letter.asks() && rule.audience.answers() {
            let answer = self.assumed.answer(line.at, &[&self.somebody.name, &rule.id, &line.occasion.key()]);
            self.answer = self.answer.into_iter().chain(answer).min();
        }
        rehearsed.lines.push(line);
    }
}

fn finish(ended: Vec<(usize, Reason)>, rehearsed: &mut Rehearsed) {
    for (rule, reason) in ended {
        let reason = match reason {
            Reason::Stopped(stop, _) => Reason::Stopped(stop, Instant(0)),
            other => other,
        };
        *rehearsed.ended.entry((rule, reason)).or_default() += 1;
    }
}
