//! What decides between candidates with equal votes.
//!
//! **The lot** is drawn from a public value that nobody could know while votes were cast, such as the result of a named lottery. For each
//! of the equals the text `lot|SEED|CONTEST|CANDIDATE` is made, with the seed as it was published, the contest's id and the candidate's id,
//! parted by bars and encoded in UTF-8; whoever has the least SHA-256 of it comes first. Anybody can do it again:
//!
//! ```text
//! printf '%s' 'lot|2027-02-01 12 5 33 40 7 18|council|c01' | sha256sum
//! ```
//!
//! A candidate's lot depends on nothing else, so it is the same whoever is tied, declines or moves up. Of a name that was written in, the
//! candidate is `+` and the name as the outcome shows it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use sha2::{Digest, Sha256};

use super::ballot::Who;
use super::contest::Contest;
use super::facts::Facts;

/// What decides between equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TieRule {
    /// Whoever was born first.
    Elder,
    /// Whoever was born last.
    Younger,
    /// A lot from the public seed.
    Lot,
    /// People, such as a committee.
    Decision,
}

impl TieRule {
    /// All of them.
    pub const ALL: [TieRule; 4] = [TieRule::Elder, TieRule::Younger, TieRule::Lot, TieRule::Decision];

    /// Name in files and reports.
    pub const fn key(self) -> &'static str {
        match self {
            TieRule::Elder => "elder",
            TieRule::Younger => "younger",
            TieRule::Lot => "lot",
            TieRule::Decision => "decision",
        }
    }
}

/// A rule that told equals apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which rule.
    pub rule: TieRule,
    /// The equals as it put them, the first first; those that share a place it could not tell apart.
    pub order: Vec<Vec<Who>>,
}

/// What is missing to tell equals apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// The public seed of the lot.
    Seed,
    /// A decision of people.
    Decision,
}

impl Needs {
    /// Name in reports.
    pub const fn key(self) -> &'static str {
        match self {
            Needs::Seed => "seed",
            Needs::Decision => "decision",
        }
    }
}

/// The digest that is somebody's lot, see the module's text; in lower-case hexadecimal digits.
pub fn lot(seed: &str, contest: &str, who: &Who) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(format!("lot|{seed}|{contest}|{who}").as_bytes()))
}

/// Decides ties of one contest, and remembers what decided them.
#[derive(Debug)]
pub struct Umpire<'c> {
    contest: &'c Contest,
    facts: &'c Facts,
    /// What decided, in the order in which it was asked for.
    pub broken: Vec<Broken>,
}

impl<'c> Umpire<'c> {
    /// The umpire of a contest.
    pub fn new(contest: &'c Contest, facts: &'c Facts) -> Umpire<'c> {
        Umpire { contest, facts, broken: Vec::new() }
    }

    /// The contest's rules one after the other, and the decision of people at the end. Nothing comes after a lot that waits for its
    /// seed: nobody decides what a lot is to decide.
    pub fn rules(&self) -> Vec<TieRule> {
        let mut rules: Vec<TieRule> = Vec::new();
        for rule in self.contest.tie.iter().copied().chain([TieRule::Decision]) {
            match rule {
                TieRule::Lot if self.facts.seed.is_none() => break,
                rule if rules.contains(&rule) => {}
                rule => rules.push(rule),
            }
        }
        rules
    }

    /// What a tie that no rule broke waits for.
    pub fn needs(&self) -> Needs {
        if self.rules().contains(&TieRule::Decision) { Needs::Decision } else { Needs::Seed }
    }

    /// The equals as that rule puts them; all in one place if it cannot tell them apart.
    pub fn split(&mut self, rule: TieRule, equals: &[Who]) -> Vec<Vec<Who>> {
        let order = self.order(rule, equals);
        let broken = Broken { rule, order };
        let order = broken.order.clone();
        if order.len() > 1 && !self.broken.contains(&broken) {
            self.broken.push(broken);
        }
        order
    }

    /// The one of them who comes first, or last, by the rules from there on.
    pub fn pick(&mut self, equals: Vec<Who>, first: bool) -> Result<Who, Vec<Who>> {
        let mut left = equals;
        for rule in self.rules() {
            if left.len() == 1 {
                break;
            }
            let mut order = self.split(rule, &left);
            let end = if first { 0 } else { order.len().saturating_sub(1) };
            left = order.swap_remove(end);
        }
        if left.len() == 1 { Ok(left.swap_remove(0)) } else { Err(left) }
    }

    fn order(&self, rule: TieRule, equals: &[Who]) -> Vec<Vec<Who>> {
        let mut sorted = equals.to_vec();
        sorted.sort();
        let unbroken = vec![sorted.clone()];
        match rule {
            TieRule::Elder | TieRule::Younger => {
                let Some(born) = sorted.iter().map(|who| self.born(who)).collect::<Option<Vec<NaiveDate>>>() else {
                    return unbroken;
                };
                let mut order: Vec<Vec<Who>> = places(born.into_iter().zip(sorted));
                if rule == TieRule::Younger {
                    order.reverse();
                }
                order
            }
            TieRule::Lot => match &self.facts.seed {
                Some(seed) => {
                    let lots: Vec<String> = sorted.iter().map(|who| lot(seed, &self.contest.id, who)).collect();
                    places(lots.into_iter().zip(sorted))
                }
                None => unbroken,
            },
            TieRule::Decision => {
                let decided = self.facts.decided.get(&self.contest.id);
                let place = |who: &Who| decided?.iter().position(|own| own == who);
                match sorted.iter().map(place).collect::<Option<Vec<usize>>>() {
                    Some(order) => places(order.into_iter().zip(sorted)),
                    None => unbroken,
                }
            }
        }
    }

    fn born(&self, who: &Who) -> Option<NaiveDate> {
        self.contest.find(who.id()?)?.born
    }
}

/// Those with the least key first; those with the same one share a place.
fn places<K: Ord>(keyed: impl Iterator<Item = (K, Who)>) -> Vec<Vec<Who>> {
    let mut places: BTreeMap<K, Vec<Who>> = BTreeMap::new();
    for (key, who) in keyed {
        places.entry(key).or_default().push(who);
    }
    places.into_values().collect()
}
