//! How mailings give way where a server says that letters come too fast: they leave slowly for a while, then faster again.
//!
//! What a server means is read from numbers alone, for its words differ: the reply code (RFC 5321 section 4.2) and the enhanced code in
//! front of the text (RFC 3463 and the registry of RFC 5248). Where these do not tell, many letters to one domain that are put off one
//! behind the other, and none taken, do.

use std::collections::BTreeMap;

use super::throttle::Throttle;
use super::time::Instant;
use crate::limits;

/// What a reply that puts a letter off says of the pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Nothing: it is about this letter or its recipient, or the server is merely away.
    None,
    /// Letters come too fast.
    Fast,
    /// Perhaps that.
    Perhaps,
}

impl Sign {
    /// What a server says that has nothing against one letter (421, or 4xx before a recipient was named). That it goes down, is full or
    /// out of order (`4.3`) is no matter of the pace, nor what it has against our address (`4.1.7`, `4.1.8`).
    pub fn of_server(enhanced: Option<&str>) -> Sign {
        match parts(enhanced) {
            Some((3, _) | (1, 7 | 8)) => Sign::None,
            _ => Sign::Fast,
        }
    }

    /// What a server says that puts one letter off (4xx). Mail floods (`4.7.28`), a congested system (`4.4.5`), and what is told of
    /// nothing but policy (`4.7.0`) are about the pace; addresses, mailboxes and contents (`4.1`, `4.2`, `4.6`) never are. Of all else,
    /// such as greylisting or 450, 451 and 452 without more, one alone tells nothing.
    pub fn of_letter(enhanced: Option<&str>) -> Sign {
        match parts(enhanced) {
            Some((7, 0 | 28) | (4, 5)) => Sign::Fast,
            Some((1 | 2 | 6, _)) => Sign::None,
            _ => Sign::Perhaps,
        }
    }
}

/// Subject and detail of an enhanced code of class 4.
fn parts(enhanced: Option<&str>) -> Option<(u32, u32)> {
    let (subject, detail) = enhanced?.strip_prefix("4.")?.split_once('.')?;
    Some((subject.parse().ok()?, detail.parse().ok()?))
}

/// Where letters go, as far as the pace is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// The server that takes all of them.
    Server,
    /// A domain behind it.
    Domain(&'a str),
}

impl Place<'_> {
    /// Its key; no domain is empty.
    const fn key(&self) -> &str {
        match self {
            Place::Server => "",
            Place::Domain(domain) => domain,
        }
    }

    /// The bound that it begins with, in letters a minute.
    const fn first(&self) -> u32 {
        match self {
            Place::Server => limits::SLOWED_SERVER_PER_MINUTE,
            Place::Domain(_) => limits::SLOWED_DOMAIN_PER_MINUTE,
        }
    }
}

/// What is known of one place.
#[derive(Clone, Copy, Debug)]
struct Slow {
    /// Letters put off one behind the other, by which it cannot be told whether they come too fast.
    running: u32,
    /// The bound as it was set last; none as long as there was no cause.
    per_minute: Option<u32>,
    /// Since when.
    since: Instant,
    /// The number of the change that set it.
    change: u64,
}

/// How slowly mailings leave, by what servers said. None of it is missed after a restart: they say it again.
#[derive(Clone, Debug, Default)]
pub struct Slowing {
    places: BTreeMap<String, Slow>,
    changes: u64,
}

impl Slowing {
    /// A server put a letter off. Gives the new bound in letters a minute, if there is one: at first half of what the operator allows or a
    /// fixed one, whichever is less, then half of what it is by now, but not more often than once a minute, for many letters are under way
    /// while the first is answered.
    pub fn put_off(&mut self, place: Place<'_>, sign: Sign, own: &Throttle, now: Instant) -> Option<u32> {
        let room = self.places.len() < limits::SLOWED_PLACES;
        if sign == Sign::None || !(room || self.places.contains_key(place.key())) {
            return None;
        }
        let unknown = Slow { running: 0, per_minute: None, since: now, change: 0 };
        let slow = self.places.entry(place.key().to_owned()).or_insert(unknown);
        slow.running = slow.running.saturating_add(1);
        if sign == Sign::Perhaps && slow.running < limits::SLOWED_AFTER {
            if slow.per_minute.is_none() {
                slow.since = now;
            }
            return None;
        }
        slow.running = 0;
        let bound = match slow.bound(now) {
            Some(_) if now.seconds_since(slow.since) < limits::SLOWED_STEP_SECONDS => return None,
            Some(bound) => bound / 2,
            None => {
                let allowed = match place {
                    Place::Server => own.per_minute,
                    Place::Domain(domain) => own.of_domain(domain),
                };
                allowed.map_or(place.first(), |allowed| (allowed / 2).min(place.first()))
            }
        };
        let bound = bound.max(limits::SLOWED_LEAST_PER_MINUTE);
        self.changes += 1;
        *slow = Slow { running: 0, per_minute: Some(bound), since: now, change: self.changes };
        Some(bound)
    }

    /// A letter to that domain was taken: those put off before it were so for reasons of their own.
    pub fn taken(&mut self, domain: &str) {
        if let Some(slow) = self.places.get_mut(domain) {
            slow.running = 0;
        }
    }

    /// How often a bound was set so far.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether a bound of that domain, or of all letters, was set after so many others.
    pub fn changed_after(&self, domain: &str, changes: u64) -> bool {
        let keys = [Place::Server.key(), domain];
        self.changes > changes && keys.iter().filter_map(|key| self.places.get(*key)).any(|slow| slow.change > changes)
    }

    /// The operator's bounds, and where servers want it slower, those. What is over is forgotten.
    pub fn bounds(&mut self, own: &Throttle, now: Instant) -> Throttle {
        self.places.retain(|_, slow| match slow.per_minute {
            Some(_) => slow.bound(now).is_some(),
            None => now.seconds_since(slow.since) < limits::SLOWED_EASE_SECONDS,
        });
        let mut bounds = own.clone();
        for (key, slow) in &self.places {
            let Some(bound) = slow.bound(now) else { continue };
            if key == Place::Server.key() {
                bounds.per_minute = Some(own.per_minute.map_or(bound, |allowed| allowed.min(bound)));
            } else {
                let bound = own.of_domain(key).map_or(bound, |allowed| allowed.min(bound));
                bounds.domains.insert(key.clone(), bound);
            }
        }
        bounds
    }
}

impl Slow {
    /// The bound by now: it doubles as time goes by without a cause to slow down, and ends at some height.
    fn bound(&self, now: Instant) -> Option<u32> {
        let quiet = now.seconds_since(self.since) / limits::SLOWED_EASE_SECONDS;
        let doublings = u32::try_from(quiet.max(0)).unwrap_or(u32::MAX).min(31);
        let bound = u64::from(self.per_minute?) << doublings;
        u32::try_from(bound).ok().filter(|bound| *bound < limits::SLOWED_OVER_PER_MINUTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant(1_795_000_000_000_000);
    const DOCOMO: Place<'_> = Place::Domain("docomo.ne.jp");

    fn later(seconds: i64) -> Instant {
        START.plus_seconds(seconds)
    }

    fn none() -> Throttle {
        Throttle::default()
    }

    #[test]
    fn numbers_tell_what_a_server_means() {
        for enhanced in ["4.7.28", "4.7.0", "4.4.5"] {
            assert_eq!(Sign::of_letter(Some(enhanced)), Sign::Fast, "{enhanced}");
        }
        for enhanced in ["4.2.2", "4.2.0", "4.1.1", "4.6.0"] {
            assert_eq!(Sign::of_letter(Some(enhanced)), Sign::None, "{enhanced}");
        }
        for enhanced in [None, Some("4.7.1"), Some("4.3.0"), Some("4.5.3"), Some("5.7.28"), Some("4.x.y")] {
            assert_eq!(Sign::of_letter(enhanced), Sign::Perhaps, "{enhanced:?}");
        }
        for enhanced in [None, Some("4.7.0"), Some("4.7.1"), Some("4.7.28")] {
            assert_eq!(Sign::of_server(enhanced), Sign::Fast, "{enhanced:?}");
        }
        for enhanced in ["4.3.2", "4.3.0", "4.1.8"] {
            assert_eq!(Sign::of_server(Some(enhanced)), Sign::None, "{enhanced}");
        }
    }

    #[test]
    fn a_domain_is_slowed_step_by_step_and_let_go_again() {
        let mut slowing = Slowing::default();
        assert_eq!(slowing.put_off(DOCOMO, Sign::None, &none(), START), None);
        assert!(slowing.bounds(&none(), START).is_none());
        let first = limits::SLOWED_DOMAIN_PER_MINUTE;
        assert_eq!(slowing.put_off(DOCOMO, Sign::Fast, &none(), START), Some(first));
        assert_eq!(slowing.put_off(DOCOMO, Sign::Fast, &none(), later(1)), None, "they were under way already");
        let bounds = slowing.bounds(&none(), later(1));
        assert_eq!((bounds.per_minute, bounds.of_domain("docomo.ne.jp")), (None, Some(first)));
        assert_eq!(bounds.of_domain("example.jp"), None);
        let mut now = later(0);
        let mut told = Vec::new();
        for _ in 0..8 {
            now = now.plus_seconds(limits::SLOWED_STEP_SECONDS);
            told.extend(slowing.put_off(DOCOMO, Sign::Fast, &none(), now));
        }
        assert_eq!(told[0], first / 2);
        assert_eq!(told.last(), Some(&limits::SLOWED_LEAST_PER_MINUTE));
        let eased = now.plus_seconds(limits::SLOWED_EASE_SECONDS);
        let bound = slowing.bounds(&none(), eased).of_domain("docomo.ne.jp");
        assert_eq!(bound, Some(2 * limits::SLOWED_LEAST_PER_MINUTE));
        let over = now.plus_seconds(20 * limits::SLOWED_EASE_SECONDS);
        assert!(slowing.bounds(&none(), over).is_none() && slowing.places.is_empty(), "it is over");
        assert_eq!(slowing.put_off(DOCOMO, Sign::Fast, &none(), over), Some(first));
    }

    #[test]
    fn many_that_are_put_off_for_no_reason_given_are_one() {
        let mut slowing = Slowing::default();
        let put_off = |slowing: &mut Slowing, many| {
            (0..many).filter_map(|_| slowing.put_off(DOCOMO, Sign::Perhaps, &none(), START)).count()
        };
        assert_eq!(put_off(&mut slowing, limits::SLOWED_AFTER - 1), 0);
        slowing.taken("docomo.ne.jp");
        slowing.taken("example.jp");
        assert_eq!(put_off(&mut slowing, limits::SLOWED_AFTER - 1), 0, "one was taken between them");
        assert_eq!(put_off(&mut slowing, 1), 1);
        let mut slowing = Slowing::default();
        assert_eq!(put_off(&mut slowing, 1), 0);
        slowing.bounds(&none(), later(limits::SLOWED_EASE_SECONDS));
        assert!(slowing.places.is_empty(), "what came to nothing is forgotten");
    }

    #[test]
    fn what_the_operator_allows_is_never_passed() {
        let own = Throttle {
            per_minute: Some(300),
            per_domain_per_minute: Some(30),
            domains: [("example.jp".to_owned(), 10)].into(),
        };
        let mut slowing = Slowing::default();
        assert_eq!(slowing.put_off(Place::Server, Sign::Fast, &own, START), Some(150));
        assert_eq!(slowing.put_off(DOCOMO, Sign::Fast, &own, START), Some(15));
        let bounds = slowing.bounds(&own, START);
        assert_eq!(bounds.per_minute, Some(150));
        assert_eq!(["docomo.ne.jp", "example.jp", "x.jp"].map(|own| bounds.of_domain(own)), [15, 10, 30].map(Some));
        let bounds = slowing.bounds(&own, later(2 * limits::SLOWED_EASE_SECONDS));
        assert_eq!((bounds.per_minute, bounds.of_domain("docomo.ne.jp")), (Some(300), Some(30)));
    }

    #[test]
    fn who_is_under_way_learns_of_a_change() {
        let mut slowing = Slowing::default();
        let before = slowing.changes();
        assert!(!slowing.changed_after("docomo.ne.jp", before));
        slowing.put_off(DOCOMO, Sign::Fast, &none(), START);
        assert!(slowing.changed_after("docomo.ne.jp", before) && !slowing.changed_after("example.jp", before));
        let before = slowing.changes();
        slowing.put_off(DOCOMO, Sign::Fast, &none(), later(1));
        assert!(!slowing.changed_after("docomo.ne.jp", before), "those of now leave by the bound");
        slowing.put_off(Place::Server, Sign::Fast, &none(), START);
        assert!(slowing.changed_after("example.jp", before));
    }

    #[test]
    fn domains_without_end_are_not_remembered() {
        let mut slowing = Slowing::default();
        for number in 0..limits::SLOWED_PLACES + 10 {
            slowing.put_off(Place::Domain(&format!("d{number}.jp")), Sign::Perhaps, &none(), START);
        }
        assert_eq!(slowing.places.len(), limits::SLOWED_PLACES);
    }
}
