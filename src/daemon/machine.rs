//! The machine's own clock and dice, the only places where `hagaki` asks for them.

use crate::domain::time::{Clock, Dice, Instant};

/// The machine's clock, kept from running backwards: after a jump back it stands still until real time has caught up,
/// so that no later fact carries an earlier time.
#[derive(Debug, Default)]
pub struct SystemClock {
    latest: std::sync::atomic::AtomicI64,
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock that everybody else asks")]
    fn now(&self) -> Instant {
        use std::sync::atomic::Ordering;
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Instant(self.latest.fetch_max(now, Ordering::Relaxed).max(now))
    }
}

/// The operating system's random source.
#[derive(Debug, Default)]
pub struct SystemDice;

impl Dice for SystemDice {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system gives random bytes; without them nothing here is safe");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_runs_backwards() {
        let clock = SystemClock::default();
        let ahead = clock.now().plus_seconds(3600);
        clock.latest.store(ahead.0, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(clock.now(), ahead, "the machine's clock jumped back by an hour");
    }

    #[test]
    fn the_dice_differ() {
        let (mut one, mut two) = ([0; 32], [0; 32]);
        SystemDice.fill(&mut one);
        SystemDice.fill(&mut two);
        assert_ne!(one, two);
    }
}
