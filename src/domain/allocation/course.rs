//! The course of a study whose scheme was amended: which scheme decides from which number on, and what is carried over.
//!
//! # What an amendment does to the counts
//! * Caps go on counting everybody: in all, per arm, per site, per stratum.
//! * **An arm that is closed** keeps its subjects; the next decisions are made among the open arms, as if there were no others.
//! * **An arm that is added** begins at zero, beside what the others have. **A ratio that is changed** divides what is there.
//!   A method that balances will then give the arm that is behind until it has caught up; where that is not wanted, raise `epoch`.
//! * **`simple`** has no memory. **`minimization`** counts all subjects of arms that are open, whenever they came.
//! * **`block`**: open blocks end, as they are, if arms, ratios or sizes change; the next subject of each stratum opens a new one.
//! * **`block-urn`**: if arms are closed, the urn goes on with the others; if an arm is added, or ratios or `lambda` change, each
//!   stratum begins a new urn.
//! * **Methods for two equal arms, and `wei-urn`,** go on with their counts under new probabilities, limits and weights, but for `maximal`.
//! * **All arms but one are closed:** what is to come is certain, whatever the method, and counted on; a list cannot have it. An arm that is
//!   opened again stands where it stood.
//! * **A higher `epoch`** begins everything that decisions balance anew: counts, blocks, urns, burn-in, the places of a list. Then
//!   method, factors and strata may be others too.

use super::amendment::{Amender, Amendment};
use super::plan::Cell;
use super::replay::Row;
use super::scheme::{Method, Scheme};
use super::sequence::Stratum;
use super::state::State;
use super::{Fault, Levels};

/// A scheme that decides from some number on.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// Number of the first allocation that it decides.
    pub from: u64,
    /// The scheme.
    pub scheme: &'a Scheme,
}

/// Why a study cannot go on with another scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Break {
    /// An arm was taken off the list, by its code: its subjects would have none.
    ArmGone(String),
    /// The epoch is lower than it was.
    EpochBack,
    /// These cannot change unless everything begins anew in a higher epoch.
    NeedsEpoch(&'static str),
}

impl Scheme {
    /// Why a study cannot go on with it where it went by `before`; empty if it can.
    pub fn breaks(&self, before: &Scheme) -> Vec<Break> {
        let gone = before.arms().iter().filter(|arm| !self.arms().iter().any(|now| now.code == arm.code));
        let mut breaks: Vec<Break> = gone.map(|arm| Break::ArmGone(arm.code.clone())).collect();
        match self.epoch().cmp(&before.epoch()) {
            std::cmp::Ordering::Less => breaks.push(Break::EpochBack),
            std::cmp::Ordering::Equal => breaks.extend(self.needs_epoch(before).into_iter().map(Break::NeedsEpoch)),
            std::cmp::Ordering::Greater => {}
        }
        breaks
    }

    fn needs_epoch(&self, before: &Scheme) -> Vec<&'static str> {
        let (plan, old) = (self.plan(), before.plan());
        let ids = |scheme: &Scheme| scheme.needs().map(str::to_owned).collect::<Vec<String>>();
        let ratios_changed = before
            .arms()
            .iter()
            .any(|arm| self.arms().iter().any(|now| now.code == arm.code && now.ratio != arm.ratio));
        let mut needs = Vec::new();
        if self.method().key() != before.method().key() {
            return vec!["the method"];
        }
        if ids(self) != ids(before) || plan.strata != old.strata || plan.tables != old.tables {
            needs.push("the factors and strata");
        }
        if self.has_slots() != before.has_slots() {
            needs.push("the rule \"ratio-arms\"");
        } else if self.has_slots() && ratios_changed {
            needs.push("the ratios under the rule \"ratio-arms\"");
        }
        match (self.method(), before.method()) {
            (Method::Maximal { .. }, Method::Maximal { .. }) if self.method() != before.method() => {
                needs.push("the limit and the length of [maximal]");
            }
            (Method::List(list), Method::List(known)) if !list.continues(known) => {
                needs.push("the places of the imported list (places may be added to its end)");
            }
            _ => {}
        }
        needs
    }

    /// Whether every arm of `self` that is open was open before, with the same ratio.
    fn only_closes(&self, before: &Scheme) -> bool {
        let open = |arm: &&super::Arm| !arm.closed;
        self.arms().iter().filter(open).all(|arm| before.arms().iter().filter(open).any(|known| known == arm))
    }
}

impl State {
    /// The state in which a study goes on by `to` where it went by `from`; `number` is that of the first allocation that `to` can
    /// decide.
    ///
    /// # Errors
    /// An arm with subjects that `to` does not have.
    pub fn carry(self, from: &Scheme, to: &Scheme, number: u64) -> Result<State, Fault> {
        if from == to {
            return Ok(self);
        }
        let mut next = State::new(to);
        if self.total == 0 {
            return Ok(next);
        }
        let (old, new) = (from.plan(), to.plan());
        let mut places = Vec::with_capacity(old.arms.len());
        for arm in &old.arms {
            places.push(new.find_arm(&arm.code)?);
        }
        let arms = |counts: &[u64]| spread(counts, &places, new.arms.len());
        next.total = self.total;
        next.arms = arms(&self.arms);
        next.sites = self.sites;
        let names = |key: &[u32]| -> Option<Levels> {
            let level = |(place, number): (&usize, &u32)| {
                let level = self.levels.get(*place)?.iter().find(|(_, own)| *own == number)?.0.clone();
                Some((old.dimensions.get(*place)?.id.clone(), level))
            };
            old.strata.iter().zip(key).map(level).collect()
        };
        if to.epoch() > from.epoch() {
            next.before_epoch = self.total;
            next.epoch_from = number;
            next.arms_before = next.arms.clone();
            // Strata that are still the same go on being counted, for their caps.
            let ids = |scheme: &Scheme| -> Vec<String> {
                let plan = scheme.plan();
                plan.strata.iter().filter_map(|place| Some(plan.dimensions.get(*place)?.id.clone())).collect()
            };
            if ids(from) == ids(to) {
                for (key, stratum) in &self.strata {
                    let Some(levels) = names(key) else { continue };
                    let before = stratum.before + stratum.arms.iter().sum::<u64>();
                    let fresh = Stratum { before, ..Stratum::new(new.arms.len()) };
                    next.insert_stratum(to, &levels, fresh);
                }
            }
            return Ok(next);
        }
        next.before_epoch = self.before_epoch;
        next.epoch_from = self.epoch_from;
        next.arms_before = arms(&self.arms_before);
        let cell = |cell: &Cell| new.find_cell(*places.get(cell.arm)?, cell.slot);
        let cells: Vec<Option<usize>> = old.cells.iter().map(cell).collect();
        for (table, counts) in next.tables.iter_mut().zip(&self.tables) {
            for row in counts.chunks(old.cells.len()) {
                let start = table.len();
                table.resize(start + new.cells.len(), 0);
                for (count, cell) in row.iter().zip(&cells) {
                    if let Some(own) = cell.and_then(|cell| table.get_mut(start + cell)) {
                        *own += count;
                    }
                }
            }
        }
        let same_blocks = old.arms == new.arms && from.method() == to.method();
        let new_urn =
            matches!(to.method(), Method::BlockUrn { .. }) && (from.method() != to.method() || !to.only_closes(from));
        for (key, stratum) in self.strata {
            let counts = arms(&stratum.arms);
            let carried = if new_urn {
                let before = stratum.before + counts.iter().sum::<u64>();
                Stratum { before, ..Stratum::new(new.arms.len()) }
            } else {
                Stratum { arms: counts, before: stratum.before, block: stratum.block.filter(|_| same_blocks) }
            };
            next.strata.insert(key, carried);
        }
        next.levels = self.levels;
        next.information = self.information;
        Ok(next)
    }

    fn insert_stratum(&mut self, scheme: &Scheme, levels: &Levels, stratum: Stratum) {
        let plan = scheme.plan();
        let mut key = Vec::with_capacity(plan.strata.len());
        for place in &plan.strata {
            let (Some(dimension), Some(known)) = (plan.dimensions.get(*place), self.levels.get_mut(*place)) else {
                return;
            };
            let Some(level) = levels.get(&dimension.id) else { return };
            let next = u32::try_from(known.len()).expect("a study has fewer subjects than 2^32");
            key.push(*known.entry(level.clone()).or_insert(next));
        }
        self.strata.insert(key, stratum);
    }
}

/// Counts at other places.
fn spread(counts: &[u64], places: &[usize], width: usize) -> Vec<u64> {
    let mut moved = vec![0; width];
    for (count, place) in counts.iter().zip(places) {
        if let Some(own) = moved.get_mut(*place) {
            *own += count;
        }
    }
    moved
}

/// Follows schemes and facts while the journal goes by.
#[derive(Debug)]
pub struct Follower<'a> {
    scheme: &'a Scheme,
    turns: std::iter::Peekable<std::slice::Iter<'a, Turn<'a>>>,
    amender: Amender<'a>,
}

impl<'a> Follower<'a> {
    /// From the first scheme on, through turns and amendments in their order.
    pub fn new(first: &'a Scheme, turns: &'a [Turn<'a>], amendments: &'a [Amendment]) -> Follower<'a> {
        Follower { scheme: first, turns: turns.iter().peekable(), amender: Amender::new(amendments) }
    }

    /// Brings a state to where the decision of that number was made; the scheme that made it.
    ///
    /// # Errors
    /// Levels or arms that a scheme does not have.
    pub fn before(&mut self, number: u64, state: &mut State) -> Result<&'a Scheme, Fault> {
        while let Some(turn) = self.turns.next_if(|turn| turn.from <= number) {
            self.amender.before(turn.from, self.scheme, state)?;
            let held = std::mem::replace(state, State::new(turn.scheme));
            *state = held.carry(self.scheme, turn.scheme, turn.from)?;
            if turn.scheme.epoch() > self.scheme.epoch() {
                self.amender.forget();
            }
            self.scheme = turn.scheme;
        }
        self.amender.before(number, self.scheme, state)?;
        Ok(self.scheme)
    }

    /// Remembers a row that was counted.
    pub fn counted(&mut self, row: &Row) {
        self.amender.counted(row);
    }

    /// Brings in everything that is left.
    ///
    /// # Errors
    /// As [`Follower::before`].
    pub fn finish(mut self, state: &mut State) -> Result<(), Fault> {
        self.before(u64::MAX, state).map(drop)
    }
}
