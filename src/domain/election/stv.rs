//! The single transferable vote, in exact fractions.
//!
//! Whoever reaches the quota is elected. The surplus over it is passed on with every vote that the elected holds (weighted inclusive
//! Gregory): each goes to the next candidate of its ballot who is neither elected nor excluded, with `surplus / votes held` of its value;
//! the greatest surplus goes first. Where there is no surplus, whoever has fewest votes is excluded, and their votes go on with the value
//! they have. Who is left when there are no more than seats is elected. Votes with nobody left to go to are exhausted. Equals are told
//! apart by the contest's rules, without a look at earlier rounds: whoever these put last is excluded. Candidates without any vote are
//! excluded together, which moves no vote.

use std::collections::BTreeMap;

use num_traits::{One, Zero};

use super::ballot::Who;
use super::contest::StvQuota;
use super::fill::Undecided;
use super::tie::Umpire;
use crate::domain::number::Rational;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// These reached the quota, the most votes first.
    Elected(Vec<String>),
    /// The surplus of somebody elected was passed on.
    Surplus {
        /// Whose.
        of: String,
        /// How many votes.
        surplus: Rational,
    },
    /// These had fewest votes.
    Excluded(Vec<String>),
    /// These were as many as the seats left.
    Left(Vec<String>),
}

/// One step, with the votes before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Votes of everybody who is not excluded, by id.
    pub votes: BTreeMap<String, Rational>,
    /// Votes with nobody left to go to.
    pub exhausted: Rational,
    /// What followed.
    pub event: Event,
}

/// A count by transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Votes that elect.
    pub quota: Rational,
    /// Step by step.
    pub rounds: Vec<Round>,
    /// Who is elected, in the order of the count.
    pub elected: Vec<String>,
    /// Everybody else: those who stayed to the end by their votes, then the excluded, the last first; some may share a place.
    pub others: Vec<Vec<String>>,
    /// A tie that nothing has decided; the count stopped there.
    pub undecided: Option<Undecided>,
}

/// Votes of one ranking.
struct Parcel<'b> {
    /// Who comes next, the first first.
    rest: Vec<&'b str>,
    /// How many.
    votes: u64,
    /// What each is worth: a place in [`Counting::values`].
    value: usize,
}

struct Counting<'b> {
    /// Who can still be elected or excluded, with their votes.
    hopeful: BTreeMap<&'b str, Vec<Parcel<'b>>>,
    /// Elected, whose surplus has not been passed on.
    waiting: BTreeMap<&'b str, Vec<Parcel<'b>>>,
    /// Elected, with the votes that stay with them.
    settled: BTreeMap<&'b str, Rational>,
    /// What votes are worth after the surpluses they went through; each but once, for these fractions grow long.
    values: Vec<Rational>,
    exhausted: Rational,
    /// Excluded, the first first; those of one step together.
    excluded: Vec<Vec<String>>,
    rounds: Vec<Round>,
    elected: Vec<String>,
}

/// The quota of so many votes and seats.
pub fn quota_of(quota: StvQuota, votes: u64, seats: u32) -> Rational {
    let votes = Rational::from_integer(votes.into());
    match quota {
        StvQuota::Droop => {
            let share = votes / Rational::from_integer((u64::from(seats) + 1).into());
            share.floor() + Rational::from_integer(1.into())
        }
        StvQuota::Hare => votes / Rational::from_integer(u64::from(seats).max(1).into()),
    }
}

/// Counts rankings (of which no place is shared) with their votes.
pub fn transfer<'b>(
    candidates: &'b [String],
    rankings: impl Iterator<Item = (Vec<&'b str>, u64)>,
    seats: u32,
    quota: StvQuota,
    umpire: &mut Umpire<'_>,
) -> Transfer {
    let mut counting = Counting {
        hopeful: candidates.iter().map(|id| (id.as_str(), Vec::new())).collect(),
        waiting: BTreeMap::new(),
        settled: BTreeMap::new(),
        values: vec![Rational::one()],
        exhausted: Rational::zero(),
        excluded: Vec::new(),
        rounds: Vec::new(),
        elected: Vec::new(),
    };
    let mut votes = 0u64;
    let mut like: BTreeMap<Vec<&str>, u64> = BTreeMap::new();
    for (ranking, own) in rankings {
        votes = votes.saturating_add(own);
        let sum = like.entry(ranking).or_default();
        *sum = sum.saturating_add(own);
    }
    for (rest, votes) in like {
        counting.pass(Parcel { rest, votes, value: 0 });
    }
    let quota = quota_of(quota, votes, seats);
    let undecided = if votes == 0 { None } else { counting.run(seats as usize, &quota, umpire).err() };
    let others = counting.others();
    Transfer { quota, rounds: counting.rounds, elected: counting.elected, others, undecided }
}

impl<'b> Counting<'b> {
    /// Gives votes to the next who can take them.
    fn pass(&mut self, mut parcel: Parcel<'b>) {
        while !parcel.rest.is_empty() {
            let next = parcel.rest.remove(0);
            if let Some(held) = self.hopeful.get_mut(next) {
                held.push(parcel);
                return;
            }
        }
        self.exhausted += self.worth(&[parcel]);
    }

    /// What votes are worth together.
    fn worth(&self, parcels: &[Parcel<'_>]) -> Rational {
        let mut sums: BTreeMap<usize, u64> = BTreeMap::new();
        for parcel in parcels {
            let sum = sums.entry(parcel.value).or_default();
            *sum = sum.saturating_add(parcel.votes);
        }
        let worth = |(value, votes): (usize, u64)| {
            self.values.get(value).map(|value| value * Rational::from_integer(votes.into()))
        };
        sums.into_iter().filter_map(worth).fold(Rational::zero(), |sum, own| sum + own)
    }

    /// The votes of each.
    fn held(&self, of: &BTreeMap<&'b str, Vec<Parcel<'b>>>) -> Vec<(&'b str, Rational)> {
        of.iter().map(|(id, held)| (*id, self.worth(held))).collect()
    }

    fn run(&mut self, seats: usize, quota: &Rational, umpire: &mut Umpire<'_>) -> Result<(), Undecided> {
        loop {
            self.elect(quota);
            let left = seats.saturating_sub(self.elected.len());
            if left == 0 {
                return Ok(());
            }
            if self.hopeful.len() <= left {
                self.elect_left();
                return Ok(());
            }
            let needs = umpire.needs();
            let stopped = |tied| Undecided { tied, seats: u32::try_from(left).unwrap_or(u32::MAX), needs };
            let waiting = self.held(&self.waiting);
            if let Some(most) = waiting.iter().map(|(_, votes)| votes).max() {
                let first = umpire.pick(equals(&waiting, most), true).map_err(stopped)?;
                self.pass_surplus(&first.to_string(), quota);
                continue;
            }
            let hopeful = self.held(&self.hopeful);
            let Some(fewest) = hopeful.iter().map(|(_, votes)| votes).min() else { return Ok(()) };
            let last = equals(&hopeful, fewest);
            if fewest.is_zero() && hopeful.len() - last.len() >= left {
                self.exclude(&last);
            } else {
                let last = umpire.pick(last, false).map_err(stopped)?;
                self.exclude(&[last]);
            }
        }
    }

    fn elect(&mut self, quota: &Rational) {
        let mut reached = self.held(&self.hopeful);
        reached.retain(|(_, votes)| votes >= quota);
        if reached.is_empty() {
            return;
        }
        let ids = by_votes(&mut reached);
        self.note(Event::Elected(ids.clone()));
        for (id, votes) in reached {
            match self.hopeful.remove(id) {
                Some(held) if votes > *quota => _ = self.waiting.insert(id, held),
                _ => _ = self.settled.insert(id, votes),
            }
        }
        self.elected.extend(ids);
    }

    fn elect_left(&mut self) {
        let mut left = self.held(&self.hopeful);
        let ids = by_votes(&mut left);
        if !ids.is_empty() {
            self.note(Event::Left(ids.clone()));
        }
        self.settled.extend(left);
        self.hopeful.clear();
        self.elected.extend(ids);
    }

    fn pass_surplus(&mut self, id: &str, quota: &Rational) {
        let Some((own, held)) = self.waiting.remove_entry(id) else { return };
        let votes = self.worth(&held);
        let surplus = &votes - quota;
        // Noted with the votes from which it is taken.
        self.settled.insert(own, votes.clone());
        self.note(Event::Surplus { of: id.to_string(), surplus: surplus.clone() });
        self.settled.insert(own, quota.clone());
        let share = surplus / votes;
        let mut less: BTreeMap<usize, usize> = BTreeMap::new();
        for parcel in held {
            let value = *less.entry(parcel.value).or_insert_with(|| {
                let own = self.values.get(parcel.value).map(|value| value * &share);
                self.values.push(own.unwrap_or_default());
                self.values.len() - 1
            });
            self.pass(Parcel { value, ..parcel });
        }
    }

    fn exclude(&mut self, who: &[Who]) {
        let ids: Vec<String> = who.iter().map(ToString::to_string).collect();
        self.note(Event::Excluded(ids.clone()));
        let held: Vec<Vec<Parcel<'b>>> = ids.iter().filter_map(|id| self.hopeful.remove(id.as_str())).collect();
        for parcel in held.into_iter().flatten() {
            self.pass(parcel);
        }
        self.excluded.push(ids);
    }

    /// Notes a step with the votes before it.
    fn note(&mut self, event: Event) {
        let held = self.held(&self.hopeful).into_iter().chain(self.held(&self.waiting));
        let held = held.map(|(id, votes)| (id.to_string(), votes));
        let settled = self.settled.iter().map(|(id, votes)| ((*id).to_string(), votes.clone()));
        let votes = held.chain(settled).collect();
        self.rounds.push(Round { votes, exhausted: self.exhausted.clone(), event });
    }

    fn others(&self) -> Vec<Vec<String>> {
        let mut left: BTreeMap<Rational, Vec<String>> = BTreeMap::new();
        for (id, votes) in self.held(&self.hopeful) {
            left.entry(votes).or_default().push(id.to_string());
        }
        left.into_values().rev().chain(self.excluded.iter().rev().cloned()).collect()
    }
}

/// Their names, the most votes first.
fn by_votes(held: &mut [(&str, Rational)]) -> Vec<String> {
    held.sort_by(|(one, votes), (other, more)| more.cmp(votes).then(one.cmp(other)));
    held.iter().map(|(id, _)| (*id).to_string()).collect()
}

/// Those with just so many votes.
fn equals(held: &[(&str, Rational)], votes: &Rational) -> Vec<Who> {
    held.iter().filter(|(_, own)| own == votes).map(|(id, _)| Who::Listed((*id).to_string())).collect()
}
