//! The kits that left, found again: each must be the one that the rule of the stock ([`pool`]) and the order that
//! the secret gives ([`Order`]) had handed out, from the stock as the chain tells it at that moment.
//!
//! The ranks are computed from the codes, never read from the table. What is not found again, for nothing tells how it came about:
//! a kit that somebody named (an arm given by hand with its kit, an imported history), one of an entry that names no rule, which
//! is of before there was one, and which kits were chosen for a shipment. They are counted.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::kit::{Day, Order, StockRules};
use crate::domain::pool::{self, Search};
use crate::domain::study::{FIRST, Study};
use crate::domain::time::{Instant, Zone};

/// How many kits left, by whether they could be found again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KitsLeft {
    /// Each was the one that the rule and the order give.
    pub found: u64,
    /// Named by somebody, or of before the chain told the rule.
    pub told: u64,
}

/// A kit that left for a subject, as an entry of the chain tells it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving<'a> {
    /// Its code.
    pub(super) code: &'a str,
    /// The allocation.
    pub(super) number: i64,
    /// Code of the arm.
    pub(super) arm: &'a str,
    /// The subject's site.
    pub(super) site: &'a str,
    /// Which of the study's allocations it is.
    pub(super) randomization: &'a str,
    /// The version of the bundle by which it left.
    pub(super) bundle: i64,
    /// The rule by which the stock gave it; none if nothing says so.
    pub(super) rule: Option<i64>,
}

/// What of a version of the bundle decides which kit leaves.
struct Version {
    stock: StockRules,
    zone: Zone,
    /// By the id of the allocation its arms, each with whether subjects can still get it.
    arms: BTreeMap<String, Vec<(String, bool)>>,
}

/// For whom an allocation's further kits leave.
struct Given {
    arm: String,
    site: String,
    randomization: String,
}

/// Last day, rank and place in the lists: the least leaves first.
pub(super) type Turn = (Day, i64, i64);

/// What can be handed out, where, in its order.
pub(super) struct Left {
    order: Order,
    versions: BTreeMap<i64, Version>,
    free: BTreeMap<String, BTreeMap<String, BTreeSet<Turn>>>,
    given: BTreeMap<i64, Given>,
    /// Sites of subjects, who may be allocated again.
    sites: BTreeMap<i64, String>,
    counted: KitsLeft,
}

impl Left {
    pub(super) fn new(secret: &[u8; 32]) -> Left {
        Left {
            order: Order::of(secret),
            versions: BTreeMap::new(),
            free: BTreeMap::new(),
            given: BTreeMap::new(),
            sites: BTreeMap::new(),
            counted: KitsLeft::default(),
        }
    }

    pub(super) fn counted(&self) -> KitsLeft {
        self.counted
    }

    /// The rank of a kit.
    pub(super) fn rank(&self, code: &str) -> i64 {
        self.order.rank(code)
    }

    /// A version of the bundle came into force.
    pub(super) fn hear_version(&mut self, version: i64, study: &Study) {
        let arms = study.allocations().map(|rules| {
            let arms = rules.arms.iter().map(|arm| (arm.code.clone(), rules.scheme.is_open(&arm.code)));
            (rules.id.to_string(), arms.collect())
        });
        let own = Version { stock: study.stock, zone: study.zone, arms: arms.collect() };
        self.versions.insert(version, own);
    }

    /// Where a subject belongs.
    pub(super) fn hear_subject(&mut self, subject: i64, site: &str) {
        if !self.versions.is_empty() {
            self.sites.insert(subject, site.to_string());
        }
    }

    /// The site of a subject that was heard of.
    pub(super) fn site_of(&self, subject: i64) -> Option<String> {
        self.sites.get(&subject).cloned()
    }

    /// A kit can be handed out from now on.
    pub(super) fn put(&mut self, site: &str, arm: &str, turn: Turn) {
        let places = match self.free.get_mut(site) {
            Some(places) => places,
            None => self.free.entry(site.to_string()).or_default(),
        };
        match places.get_mut(arm) {
            Some(turns) => turns.insert(turn),
            None => places.entry(arm.to_string()).or_default().insert(turn),
        };
    }

    /// A kit cannot be handed out any more.
    pub(super) fn take(&mut self, site: &str, arm: &str, turn: &Turn) {
        if let Some(turns) = self.free.get_mut(site).and_then(|places| places.get_mut(arm)) {
            turns.remove(turn);
        }
    }

    /// Whether a kit that leaves with an allocation, of that turn in the order, is the one that has to; to be asked before it is taken.
    pub(super) fn is_right(&mut self, leaving: Leaving<'_>, turn: Option<&Turn>, at: Instant) -> bool {
        let Leaving { number, arm, site, randomization, .. } = leaving;
        let own = Given { arm: arm.to_string(), site: site.to_string(), randomization: randomization.to_string() };
        self.given.insert(number, own);
        self.judge(leaving, turn, at, true)
    }

    /// The same of another kit for an allocation of before. One of which nothing is known is told of elsewhere.
    pub(super) fn is_right_again(
        &mut self,
        (code, number, bundle): (&str, i64, i64),
        rule: Option<i64>,
        turn: Option<&Turn>,
        at: Instant,
    ) -> bool {
        let Some(Given { arm, site, randomization }) = self.given.remove(&number) else { return true };
        let leaving = Leaving { code, number, arm: &arm, site: &site, randomization: &randomization, bundle, rule };
        let right = self.judge(leaving, turn, at, false);
        self.given.insert(number, Given { arm, site, randomization });
        right
    }

    fn judge(&mut self, leaving: Leaving<'_>, turn: Option<&Turn>, at: Instant, open: bool) -> bool {
        let version = self.versions.get(&leaving.bundle).filter(|_| leaving.rule == Some(pool::RULE));
        let Some(version) = version else {
            self.counted.told += 1;
            return true;
        };
        let none = Vec::new();
        let arms = version.arms.get(leaving.randomization).or_else(|| version.arms.get(FIRST)).unwrap_or(&none);
        let least = version.stock.least_expiry(at.day_in(version.zone));
        let turns = |place: &str, arm: &str| self.free.get(place).and_then(|places| places.get(arm));
        let next = |place: &str, arm: &str, from: Day| {
            turns(place, arm).and_then(|turns| turns.range((from, i64::MIN, i64::MIN)..).next())
        };
        let site = leaving.site;
        let here = |arm: &str| [site, ""].into_iter().any(|place| next(place, arm, least).is_some());
        let arms: Vec<&str> = arms
            .iter()
            .filter(|(arm, is_open)| (*is_open || !open) && here(arm))
            .map(|(arm, _)| arm.as_str())
            .collect();
        let search = Search::through(least, |place, from| {
            let day = |arm: &&str| next(place.at(site), arm, from).map(|(day, ..)| *day);
            arms.iter().map(day).collect::<Vec<Option<Day>>>()
        });
        let mut places = search.source().places();
        let right = places.find_map(|(place, from)| next(place.at(site), leaving.arm, from));
        let is_right = right.is_some() && right == turn;
        if is_right {
            self.counted.found += 1;
        }
        is_right
    }
}
