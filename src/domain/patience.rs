//! How long nobody may try again after failing to sign in: long enough that guessing is hopeless, short enough that whoever
//! mistyped is not kept out.

use super::time::Instant;
use crate::limits;

/// What is protected: each has its own count, so that neither one login nor one place can be used for guessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protected {
    /// One login of one study, or one account.
    Login,
    /// An address to which letters are asked for: each letter counts.
    Letters,
    /// Where tries come from: many people may sit there.
    Origin,
}

/// Failures so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// Since the last quiet time.
    pub count: u32,
    /// The last of them.
    pub last: Instant,
    /// Nothing is tried before.
    pub until: Instant,
}

impl Protected {
    /// Tries that may fail before anybody has to wait.
    const fn free(self) -> u32 {
        match self {
            Protected::Login => limits::SIGN_IN_FREE_TRIES,
            Protected::Letters => limits::ACCOUNT_LETTERS_FREE,
            Protected::Origin => limits::SIGN_IN_FREE_TRIES_ORIGIN,
        }
    }

    /// The failures after one more. After those that are free each doubles the wait, up to a limit; a quiet time begins anew.
    pub fn after(self, before: Option<Failures>, now: Instant) -> Failures {
        let going_on = before.filter(|before| now.seconds_since(before.last) < limits::SIGN_IN_QUIET_SECONDS);
        let count = going_on.map_or(0, |before| before.count).saturating_add(1);
        let over = count.saturating_sub(self.free());
        let wait = match over {
            0 => 0,
            _ if self == Protected::Letters => limits::ACCOUNT_LETTER_WAIT_SECONDS,
            over => (limits::SIGN_IN_WAIT_SECONDS << (over - 1).min(20)).min(limits::SIGN_IN_WAIT_MOST_SECONDS),
        };
        Failures { count, last: now, until: now.plus_seconds(wait) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_end_and_are_forgotten() {
        let mut failures = None;
        let mut now = Instant(0);
        let mut waits = Vec::new();
        for _ in 0..16 {
            let next = Protected::Login.after(failures, now);
            waits.push(next.until.seconds_since(now));
            now = next.until.plus_seconds(1);
            failures = Some(next);
        }
        assert_eq!(&waits[..5], [0; 5]);
        assert_eq!(&waits[5..10], [30, 60, 120, 240, 480]);
        assert!(waits[10..].iter().all(|wait| *wait == limits::SIGN_IN_WAIT_MOST_SECONDS), "{waits:?}");
        let quiet = now.plus_seconds(limits::SIGN_IN_QUIET_SECONDS);
        assert_eq!(Protected::Login.after(failures, quiet).count, 1);
        assert_eq!(Protected::Origin.after(failures, now).until, now);
        let many = Some(Failures { count: limits::ACCOUNT_LETTERS_FREE, last: now, until: now });
        assert_eq!(Protected::Letters.after(many, now).until.seconds_since(now), limits::ACCOUNT_LETTER_WAIT_SECONDS);
    }
}
