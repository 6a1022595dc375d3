//! When something that failed is tried again: a letter, a mail server, a mailbox. Pure; the dice come as an argument.
//!
//! Every schedule doubles from a first delay to a longest one and takes off up to a quarter at random, so that many
//! letters that failed together do not come back together.

use std::time::Duration;

use super::time::Instant;
use crate::limits;

/// First pause of a letter that was deferred, in seconds.
const LETTER_FIRST_SECONDS: u64 = 60;
/// Longest pause of a letter that was deferred, in seconds.
const LETTER_LONGEST_SECONDS: u64 = 4 * 3600;
/// First pause of a mail server that was away, in seconds.
const HOST_FIRST_SECONDS: u64 = 5;
/// Longest pause of a mail server that was away, in seconds.
const HOST_LONGEST_SECONDS: u64 = 15 * 60;
/// First pause before a mailbox is connected again, in seconds.
const MAILBOX_FIRST_SECONDS: u64 = 1;
/// Longest pause before a mailbox is connected again, in seconds.
const MAILBOX_LONGEST_SECONDS: u64 = 5 * 60;
/// First pause after a refused password, in seconds; servers lock accounts that insist.
const LOGIN_FIRST_SECONDS: u64 = 60;
/// Longest pause after refused passwords, in seconds.
const LOGIN_LONGEST_SECONDS: u64 = 60 * 60;

/// A random number that spreads retries; any value is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter(pub u32);

/// What is to become of a letter that could not be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextTry {
    /// Try again at this moment.
    At(Instant),
    /// It is too old (RFC 5321 section 4.5.4.1 asks for four to five days): failed.
    GiveUp,
}

/// When a letter written at `written` is tried again after its `tries`-th try (counted from 1) was deferred at `now`:
/// one minute, doubling to four hours, for four days.
pub fn letter(written: Instant, tries: u32, now: Instant, jitter: Jitter) -> NextTry {
    if now.seconds_since(written) >= limits::LETTER_AGE_SECONDS {
        return NextTry::GiveUp;
    }
    let pause = doubling(LETTER_FIRST_SECONDS, LETTER_LONGEST_SECONDS, tries, jitter);
    let at = Instant(now.0.saturating_add(i64::try_from(pause.as_micros()).unwrap_or(i64::MAX)));
    // The last try falls on the end of the four days rather than beyond it.
    NextTry::At(at.min(written.plus_seconds(limits::LETTER_AGE_SECONDS)))
}

/// How long a mail server is left alone after it failed `failures` times running (counted from 1): five seconds,
/// doubling to fifteen minutes. A server that is merely restarted delays no letter by more than seconds.
pub fn host(failures: u32, jitter: Jitter) -> Duration {
    doubling(HOST_FIRST_SECONDS, HOST_LONGEST_SECONDS, failures, jitter)
}

/// How long a mailbox is left alone after `failures` lost or failed connections running (counted from 1): one second,
/// doubling to five minutes.
pub fn mailbox(failures: u32, jitter: Jitter) -> Duration {
    doubling(MAILBOX_FIRST_SECONDS, MAILBOX_LONGEST_SECONDS, failures, jitter)
}

/// How long an account is left alone after its password was refused `failures` times running (counted from 1): one
/// minute, doubling to an hour, so that the account is not locked.
pub fn login(failures: u32, jitter: Jitter) -> Duration {
    doubling(LOGIN_FIRST_SECONDS, LOGIN_LONGEST_SECONDS, failures, jitter)
}

/// `first`, doubled for each failure after the first, at most `longest`, less up to a quarter.
fn doubling(first: u64, longest: u64, failures: u32, jitter: Jitter) -> Duration {
    let shift = failures.saturating_sub(1).min(32);
    let seconds = first.saturating_mul(1 << shift).min(longest);
    let milliseconds = seconds * 1_000;
    let off = milliseconds / 4 * u64::from(jitter.0) / u64::from(u32::MAX);
    Duration::from_millis(milliseconds - off)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: Instant = Instant(1_000_000_000_000_000);

    fn pause(tries: u32, jitter: Jitter) -> i64 {
        match letter(WRITTEN, tries, WRITTEN, jitter) {
            NextTry::At(at) => at.seconds_since(WRITTEN),
            NextTry::GiveUp => panic!("a fresh letter was given up"),
        }
    }

    #[test]
    fn letters_wait_a_minute_then_twice_as_long_up_to_four_hours() {
        let waits: Vec<i64> = (1..=10).map(|tries| pause(tries, Jitter(0))).collect();
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3840, 7680, 14_400, 14_400]);
        assert_eq!(pause(u32::MAX, Jitter(0)), 14_400);
    }

    #[test]
    fn jitter_takes_off_a_quarter_at_most() {
        assert_eq!(pause(1, Jitter(u32::MAX)), 45);
        assert_eq!(pause(1, Jitter(u32::MAX / 2)), 52);
        assert_eq!(pause(9, Jitter(u32::MAX)), 10_800);
    }

    #[test]
    fn letters_are_tried_for_four_days_and_once_at_their_end() {
        let mut now = WRITTEN;
        let mut tries = 0;
        loop {
            tries += 1;
            assert!(tries < 100, "a letter was never given up");
            match letter(WRITTEN, tries, now, Jitter(0)) {
                NextTry::At(at) => {
                    assert!(at > now);
                    now = at;
                }
                NextTry::GiveUp => break,
            }
        }
        assert_eq!(now.seconds_since(WRITTEN), limits::LETTER_AGE_SECONDS);
        assert_eq!(tries, 32);
    }

    #[test]
    fn a_clock_that_jumps_back_neither_panics_nor_gives_up() {
        let before = WRITTEN.plus_seconds(-3600);
        assert_eq!(letter(WRITTEN, 1, before, Jitter(0)), NextTry::At(before.plus_seconds(60)));
    }

    #[test]
    fn servers_and_mailboxes_are_left_alone_for_a_bounded_time() {
        let seconds = |schedule: fn(u32, Jitter) -> Duration| -> Vec<u64> {
            [1, 2, 3, 4, 40].map(|failures| schedule(failures, Jitter(0)).as_secs()).to_vec()
        };
        assert_eq!(seconds(host), [5, 10, 20, 40, 900]);
        assert_eq!(seconds(mailbox), [1, 2, 4, 8, 300]);
        assert_eq!(seconds(login), [60, 120, 240, 480, 3600]);
        assert_eq!(mailbox(0, Jitter(0)).as_secs(), 1);
    }
}
