//! How fast letters may leave: bounds of letters a minute, for all together and for one domain.
//!
//! Each bound has one number: until when what left is paid for. A letter moves it on by an even share of a minute, and the letters of
//! mailings leave while it is at most a few seconds ahead; so there are never more of them in any minute than the bound, wherever the
//! minute begins, and no count has to be forgotten. Letters that somebody waits for leave whatever the bound, and count: mailings, for
//! which a tenth less than the bound holds, give way to them.

use std::collections::{BTreeMap, BTreeSet};

use super::time::Instant;
use crate::limits;

/// Bounds of one mailbox, in letters a minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Throttle {
    /// For all letters together.
    pub per_minute: Option<u32>,
    /// For each domain that has none of its own.
    pub per_domain_per_minute: Option<u32>,
    /// For domains, in lower case.
    pub domains: BTreeMap<String, u32>,
}

impl Throttle {
    /// Whether nothing is bounded.
    pub fn is_none(&self) -> bool {
        self.per_minute.is_none() && self.per_domain_per_minute.is_none() && self.domains.is_empty()
    }

    /// The bound of a domain.
    pub fn of_domain(&self, domain: &str) -> Option<u32> {
        self.domains.get(domain).copied().or(self.per_domain_per_minute)
    }
}

/// The domain of an address, in lower case.
pub fn domain_of(address: &str) -> String {
    address.rsplit_once('@').map_or(address, |(_, domain)| domain).to_ascii_lowercase()
}

/// Microseconds between two letters of mailings, at an even pace, under a bound of so many a minute.
///
/// What may leave at once comes on top of what the pace lets pass in a minute, so it is counted as part of the minute.
fn apart(per_minute: u32) -> i64 {
    let minute = (60 + limits::THROTTLE_BURST_SECONDS) * 1_000_000;
    let kept = minute * limits::THROTTLE_KEPT_OF / (limits::THROTTLE_KEPT_OF - 1);
    // Rounded up, so that no minute has one too many.
    (kept / i64::from(per_minute.max(1))) + 1
}

/// Why a letter of a mailing has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Letters leave fast enough by all; until then.
    ForAll(Instant),
    /// Letters of its domain do.
    ForDomain {
        /// Until then, if no other letter is before it.
        until: Instant,
        /// Microseconds that each letter before it takes.
        apart: i64,
    },
}

/// What was used of each bound, at one moment.
#[derive(Debug)]
pub struct Accounts<'t> {
    throttle: &'t Throttle,
    now: Instant,
    /// Domain to the instant until which is paid; the empty one is all together.
    spent: BTreeMap<String, Instant>,
    changed: BTreeSet<String>,
}

/// The key of what counts for all letters.
const ALL: &str = "";

impl<'t> Accounts<'t> {
    /// What was used, as it was kept.
    pub fn new(throttle: &'t Throttle, now: Instant, spent: BTreeMap<String, Instant>) -> Accounts<'t> {
        Accounts { throttle, now, spent, changed: BTreeSet::new() }
    }

    /// How many letters of mailings may leave now by the bound for all; none where there is no such bound.
    pub fn room(&self) -> Option<i64> {
        let apart = apart(self.throttle.per_minute?);
        let ahead = self.spent_until(ALL).0 - self.now.0;
        let free = limits::THROTTLE_BURST_SECONDS * 1_000_000 - ahead;
        Some(if free < 0 { 0 } else { free / apart + 1 })
    }

    /// Takes room for a letter of a mailing, or says what it waits for; then nothing is taken.
    ///
    /// # Errors
    /// What it waits for.
    pub fn take(&mut self, address: &str) -> Result<(), Wait> {
        let domain = domain_of(address);
        if self.throttle.per_minute.is_some()
            && let Some(until) = self.closed(ALL)
        {
            return Err(Wait::ForAll(until));
        }
        if let Some(bound) = self.throttle.of_domain(&domain)
            && let Some(until) = self.closed(&domain)
        {
            return Err(Wait::ForDomain { until, apart: apart(bound) });
        }
        self.spend(domain);
        Ok(())
    }

    /// Counts a letter that waits for nothing.
    pub fn count(&mut self, address: &str) {
        self.spend(domain_of(address));
    }

    /// What has to be kept: domain and the instant until which is paid.
    pub fn changed(&self) -> Vec<(&str, Instant)> {
        self.changed.iter().map(|key| (key.as_str(), self.spent_until(key))).collect()
    }

    fn spend(&mut self, domain: String) {
        let bounds = [(ALL.to_owned(), self.throttle.per_minute), (domain.clone(), self.throttle.of_domain(&domain))];
        for (key, bound) in bounds {
            if let Some(bound) = bound {
                let until = Instant(self.spent_until(&key).0.saturating_add(apart(bound)));
                self.spent.insert(key.clone(), until);
                self.changed.insert(key);
            }
        }
    }

    /// When the next may leave, if not now.
    fn closed(&self, key: &str) -> Option<Instant> {
        let opens = self.spent_until(key).plus_seconds(-limits::THROTTLE_BURST_SECONDS);
        (opens > self.now).then_some(opens)
    }

    /// Nothing is saved up: what was not used is gone. Nor does a clock that was put back close a bound for long.
    fn spent_until(&self, key: &str) -> Instant {
        let kept = self.spent.get(key).copied().unwrap_or(self.now);
        kept.clamp(self.now, self.now.plus_seconds(limits::THROTTLE_LOOK_SECONDS))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Instant = Instant(1_795_000_000_000_000);
    const DOCOMO: &str = "x@Docomo.ne.jp";

    fn of_all(per_minute: u32) -> Throttle {
        Throttle { per_minute: Some(per_minute), ..Throttle::default() }
    }

    /// When letters leave of so many that wait, looked at every `step` microseconds for `steps` times.
    fn leaves(throttle: &Throttle, step: i64, steps: i64, address: &str) -> Vec<Instant> {
        let (mut spent, mut left) = (BTreeMap::new(), Vec::new());
        for n in 0..steps {
            let now = Instant(START.0 + n * step);
            let mut accounts = Accounts::new(throttle, now, spent.clone());
            while accounts.take(address).is_ok() {
                left.push(now);
            }
            spent.extend(accounts.changed().into_iter().map(|(key, until)| (key.to_owned(), until)));
        }
        left
    }

    fn most_in_a_minute(left: &[Instant]) -> usize {
        let within = |from: &Instant| left.iter().filter(|at| (0..60_000_000).contains(&(at.0 - from.0))).count();
        left.iter().map(within).max().unwrap_or_default()
    }

    #[test]
    fn without_bounds_everything_leaves() {
        let throttle = Throttle::default();
        let mut accounts = Accounts::new(&throttle, START, BTreeMap::new());
        assert!(throttle.is_none() && accounts.room().is_none());
        assert!((0..1_000).all(|_| accounts.take(DOCOMO).is_ok()));
        assert!(accounts.changed().is_empty(), "nothing is kept where nothing is bounded");
    }

    #[test]
    fn a_bound_is_used_well_and_never_passed() {
        for per_minute in [1, 7, 60, 600] {
            let left = leaves(&of_all(per_minute), 1_000_000, 600, DOCOMO);
            let bound = per_minute as usize;
            assert!(most_in_a_minute(&left) <= bound, "{per_minute}: {}", most_in_a_minute(&left));
            assert!(left.len() * 10 >= bound * 8 * 10, "{per_minute}: {} in ten minutes", left.len());
        }
    }

    #[test]
    fn room_is_what_can_be_taken() {
        let throttle = of_all(600);
        let mut accounts = Accounts::new(&throttle, START, BTreeMap::new());
        let room = accounts.room().unwrap();
        assert!(room > 1);
        let mut taken = 0;
        while accounts.take(DOCOMO).is_ok() {
            taken += 1;
        }
        assert_eq!((taken, accounts.room()), (room, Some(0)));
        let Err(Wait::ForAll(until)) = accounts.take(DOCOMO) else { panic!("there is no room") };
        assert!(START < until && until < START.plus_seconds(1), "{until:?}");
    }

    #[test]
    fn a_domain_has_a_bound_of_its_own() {
        let throttle = Throttle {
            per_minute: Some(6_000),
            per_domain_per_minute: Some(120),
            domains: [("docomo.ne.jp".to_owned(), 12)].into(),
        };
        let mut accounts = Accounts::new(&throttle, START, BTreeMap::new());
        assert_eq!(accounts.take(DOCOMO), Ok(()));
        let Err(Wait::ForDomain { until, apart }) = accounts.take("y@docomo.ne.jp") else { panic!("one at once") };
        assert!(until > START && apart > 5_000_000, "{until:?} {apart}");
        // What could not leave took nothing, and others go on, each by its own bound.
        let left = (0..100).filter(|_| accounts.take("a@example.jp").is_ok()).count();
        assert!((2..12).contains(&left), "{left}");
        assert_eq!(accounts.take("a@example.com"), Ok(()));
        let kept: Vec<&str> = accounts.changed().into_iter().map(|(key, _)| key).collect();
        assert_eq!(kept, ["", "docomo.ne.jp", "example.com", "example.jp"]);
    }

    #[test]
    fn mailings_give_way_to_letters_that_somebody_waits_for() {
        let throttle = of_all(60);
        let mut accounts = Accounts::new(&throttle, START, BTreeMap::new());
        for _ in 0..30 {
            accounts.count("doctor@example.jp");
        }
        let Err(Wait::ForAll(until)) = accounts.take(DOCOMO) else { panic!("half a minute's letters have left") };
        assert!(until > START.plus_seconds(25), "{until:?}");
    }

    #[test]
    fn a_clock_that_was_put_back_closes_nothing_for_long() {
        let throttle = of_all(60);
        let ahead = BTreeMap::from([(String::new(), START.plus_seconds(10 * 365 * 24 * 3600))]);
        let mut accounts = Accounts::new(&throttle, START, ahead);
        let Err(Wait::ForAll(until)) = accounts.take(DOCOMO) else { panic!("it is paid far ahead") };
        assert!(until <= START.plus_seconds(limits::THROTTLE_LOOK_SECONDS), "{until:?}");
    }

    proptest! {
        #[test]
        fn no_minute_has_more_than_its_bound(per_minute in 1_u32..400, step in 50_000_i64..9_000_000) {
            let left = leaves(&of_all(per_minute), step, 200_000_000 / step, DOCOMO);
            prop_assert!(most_in_a_minute(&left) <= per_minute as usize);
        }
    }
}
