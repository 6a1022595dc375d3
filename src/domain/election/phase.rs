//! The phases of an election, and which step is lawful when.
//!
//! Some phases begin by a step of the committee ([`Step`]), which takes two people; voting itself begins and ends by the rules' own
//! times. So no single person opens, closes or counts, and nobody has to be awake when voting ends. What stops an election in an
//! emergency is the pause of its study.

use std::collections::BTreeSet;

use super::Terms;
use crate::domain::time::{Instant, Zone};

/// How far an election has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The roll is made.
    Setup,
    /// The roll is laid open, and can be objected to.
    Objection,
    /// Rules and roll are frozen; voting has not begun.
    Frozen,
    /// Votes are taken.
    Open,
    /// No vote is taken any more; what was voted is not told yet.
    Closed,
    /// The count is on record.
    Tallied,
    /// The result stands.
    Certified,
}

impl Phase {
    /// Name in reports.
    pub const fn key(self) -> &'static str {
        match self {
            Phase::Setup => "setup",
            Phase::Objection => "objection",
            Phase::Frozen => "frozen",
            Phase::Open => "open",
            Phase::Closed => "closed",
            Phase::Tallied => "tallied",
            Phase::Certified => "certified",
        }
    }
}

/// What two people of the committee do together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Lays the roll open to objections.
    Objection,
    /// Freezes rules and roll; votes are taken in the time of the rules.
    Open,
    /// Opens the urn.
    Close,
    /// Puts the outcome of the count on record.
    Record,
    /// Says that the result stands.
    Certify,
}

impl Step {
    /// Every step, in the order in which they are taken.
    pub const ALL: [Step; 5] = [Step::Objection, Step::Open, Step::Close, Step::Record, Step::Certify];

    /// Name in commands, reports and tables.
    pub const fn key(self) -> &'static str {
        match self {
            Step::Objection => "objection",
            Step::Open => "open",
            Step::Close => "close",
            Step::Record => "record",
            Step::Certify => "certify",
        }
    }

    /// The step of that name.
    pub fn find(key: &str) -> Option<Step> {
        Step::ALL.into_iter().find(|step| step.key() == key)
    }
}

/// Where an election stands: the steps that were taken, and the time.
#[derive(Clone, Debug)]
pub struct Standing<'t> {
    /// The times of the rules.
    pub terms: &'t Terms,
    /// Steps that were taken.
    pub taken: BTreeSet<Step>,
    /// The moment.
    pub now: Instant,
}

/// What a step has to know of the roll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turnout {
    /// Voters on the roll.
    pub voters: u64,
    /// Those of them who vote by post.
    pub postal: u64,
    /// Those who have voted on the web.
    pub voted: u64,
    /// Those who may still vote on the web.
    pub left: u64,
}

/// Why something is not lawful now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlawful {
    /// It was done.
    Done,
    /// Another step comes first.
    Before(Step),
    /// The rules give no time for objections.
    NoObjections,
    /// The time for objections is over.
    ObjectionsOver(Instant),
    /// The roll can still be objected to.
    ObjectionsUntil(Instant),
    /// Nobody is on the roll.
    NobodyOnRoll,
    /// The time for votes is over.
    Over(Instant),
    /// The urn was opened, perhaps before the time for votes was over.
    Opened,
    /// Votes are taken from then on.
    NotOpen(Instant),
    /// Votes are taken until then, and not everybody has voted.
    Voting(Instant),
    /// The roll is frozen, and the rules know no later addition.
    RollFrozen,
    /// The roll was open to additions until then.
    CutOff(Instant),
    /// The roll was laid open or frozen: it is changed voter by voter.
    OneByOne,
}

impl Unlawful {
    /// In words, with times as clocks of that zone show them.
    pub fn told(self, zone: Zone) -> String {
        match self {
            Unlawful::Done => "it was done before".to_string(),
            Unlawful::Before(step) => format!("the step \"{}\" comes first", step.key()),
            Unlawful::NoObjections => {
                "the rules give no time for objections: write objections_until in election.toml, or leave this step out"
                    .to_string()
            }
            Unlawful::ObjectionsOver(until) => {
                format!(
                    "the time for objections ended at {}: give them a later objections_until in election.toml",
                    until.local(zone)
                )
            }
            Unlawful::ObjectionsUntil(until) => format!("the roll can be objected to until {}", until.local(zone)),
            Unlawful::NobodyOnRoll => "nobody is on the roll".to_string(),
            Unlawful::Over(closes) => format!("the time for votes ended at {}", closes.local(zone)),
            Unlawful::Opened => "the urn was opened, and nobody can vote any more".to_string(),
            Unlawful::NotOpen(opens) => format!("votes are taken from {} on", opens.local(zone)),
            Unlawful::Voting(closes) => {
                format!("votes are taken until {}, and not everybody on the roll has voted", closes.local(zone))
            }
            Unlawful::RollFrozen => {
                "rules and roll are frozen, and the rules know no later addition (additions_until in election.toml)"
                    .to_string()
            }
            Unlawful::CutOff(until) => format!("the roll was open to additions until {}", until.local(zone)),
            Unlawful::OneByOne => {
                "the roll was laid open or frozen: voters are added to it and taken off it one by one, \
                 each with a reason"
                    .to_string()
            }
        }
    }
}

/// How the roll may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing was frozen yet.
    Free,
    /// After the freezing: it stands in the chain as a late one.
    Late,
}

impl Standing<'_> {
    fn has(&self, step: Step) -> bool {
        self.taken.contains(&step)
    }

    /// The phase.
    pub fn phase(&self) -> Phase {
        if self.has(Step::Certify) {
            return Phase::Certified;
        }
        if self.has(Step::Record) {
            return Phase::Tallied;
        }
        if self.has(Step::Close) {
            return Phase::Closed;
        }
        if self.has(Step::Open) {
            return match self.now {
                now if now >= self.terms.closes => Phase::Closed,
                now if now >= self.terms.opens => Phase::Open,
                _ => Phase::Frozen,
            };
        }
        if self.has(Step::Objection) { Phase::Objection } else { Phase::Setup }
    }

    /// Whether a step may be taken now.
    ///
    /// # Errors
    /// Why not.
    pub fn may(&self, step: Step, turnout: Turnout) -> Result<(), Unlawful> {
        if self.has(step) {
            return Err(Unlawful::Done);
        }
        match step {
            Step::Objection => self.may_lay_open(turnout),
            Step::Open => self.may_open(turnout),
            Step::Close => self.may_close(turnout),
            Step::Record if self.has(Step::Close) => Ok(()),
            Step::Record => Err(Unlawful::Before(Step::Close)),
            Step::Certify if self.has(Step::Record) => Ok(()),
            Step::Certify => Err(Unlawful::Before(Step::Record)),
        }
    }

    fn may_lay_open(&self, turnout: Turnout) -> Result<(), Unlawful> {
        let until = self.terms.objections_until.ok_or(Unlawful::NoObjections)?;
        if self.has(Step::Open) {
            return Err(Unlawful::RollFrozen);
        }
        if self.now >= until {
            return Err(Unlawful::ObjectionsOver(until));
        }
        if turnout.voters == 0 { Err(Unlawful::NobodyOnRoll) } else { Ok(()) }
    }

    fn may_open(&self, turnout: Turnout) -> Result<(), Unlawful> {
        if let Some(until) = self.terms.objections_until {
            if !self.has(Step::Objection) {
                return Err(Unlawful::Before(Step::Objection));
            }
            if self.now < until {
                return Err(Unlawful::ObjectionsUntil(until));
            }
        }
        if self.now >= self.terms.closes {
            return Err(Unlawful::Over(self.terms.closes));
        }
        if turnout.voters == 0 { Err(Unlawful::NobodyOnRoll) } else { Ok(()) }
    }

    /// The urn is opened when the time for votes is over, or before that when nobody is left who could vote.
    fn may_close(&self, turnout: Turnout) -> Result<(), Unlawful> {
        match self.phase() {
            Phase::Setup | Phase::Objection => Err(Unlawful::Before(Step::Open)),
            Phase::Open if turnout.left == 0 => Ok(()),
            Phase::Frozen | Phase::Open => Err(Unlawful::Voting(self.terms.closes)),
            Phase::Closed | Phase::Tallied | Phase::Certified => Ok(()),
        }
    }

    /// Why nobody votes any more: an urn that was opened because everybody had voted ends it before the time of the rules.
    pub fn over(&self) -> Unlawful {
        if self.has(Step::Close) { Unlawful::Opened } else { Unlawful::Over(self.terms.closes) }
    }

    /// Whether the whole roll may be brought by a list now.
    ///
    /// # Errors
    /// Why not.
    pub fn may_import(&self) -> Result<(), Unlawful> {
        match self.phase() {
            Phase::Setup if self.now < self.terms.closes => Ok(()),
            // Why nothing at all may be changed, where that is so.
            _ => self.may_change_roll().and(Err(Unlawful::OneByOne)),
        }
    }

    /// Whether voters may be added to the roll, taken off it, let vote by post or given another credential now. Once it is frozen that
    /// ends at the cut-off of the rules; where they name none, with the freezing.
    ///
    /// # Errors
    /// Why not.
    pub fn may_change_roll(&self) -> Result<Change, Unlawful> {
        match self.phase() {
            Phase::Setup | Phase::Objection if self.now >= self.terms.closes => Err(Unlawful::Over(self.terms.closes)),
            Phase::Setup | Phase::Objection => Ok(Change::Free),
            Phase::Frozen | Phase::Open => match self.terms.additions_until {
                Some(until) if self.now < until => Ok(Change::Late),
                Some(until) => Err(Unlawful::CutOff(until)),
                None => Err(Unlawful::RollFrozen),
            },
            Phase::Closed | Phase::Tallied | Phase::Certified => Err(self.over()),
        }
    }

    /// The step that comes next, if there is one.
    pub fn next(&self) -> Option<Step> {
        let left_out =
            |step: Step| step == Step::Objection && (self.terms.objections_until.is_none() || self.has(Step::Open));
        Step::ALL.into_iter().find(|step| !self.has(*step) && !left_out(*step))
    }
}
