//! What a dispatch remembers: how many letters go at a time, whose turn it was, which are under way, and when letters that wait for a
//! bound are looked at again. None of it is missed after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::throttle;
use crate::domain::time::Instant;
use crate::limits;
use crate::store::outbox::OutboxItem;

/// How letters go on.
#[derive(Debug)]
pub struct Pace {
    /// Study whose letters were claimed last.
    last: i64,
    /// Letters that are claimed in one step.
    batch: i64,
    /// Study and domain to when the last of its letters that wait is to leave.
    queues: BTreeMap<(i64, String), Instant>,
    /// Until then letters wait for a bound.
    until: Instant,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { last: 0, batch: limits::DISPATCH_BATCH, queues: BTreeMap::new(), until: Instant(0) }
    }
}

impl Pace {
    /// How many letters are claimed in one step.
    pub(super) const fn batch(&self) -> i64 {
        self.batch
    }

    /// Studies in turn, whoever comes behind the last one first.
    pub(super) fn in_turn(&self, mut studies: Vec<i64>) -> Vec<i64> {
        let had = studies.iter().filter(|study| **study <= self.last).count();
        studies.rotate_left(had);
        studies
    }

    /// That study had its turn.
    pub(super) fn had(&mut self, study: i64) {
        self.last = study;
    }

    /// After a step in which so many letters were begun, and so many not in time: fewer go at a time where the server is slow, so that what
    /// is more urgent is looked for often, and little is given back.
    pub(super) fn learn(&mut self, begun: usize, left_over: usize) {
        let begun = i64::try_from(begun).unwrap_or(i64::MAX);
        let next = if left_over == 0 { self.batch.saturating_mul(2) } else { begun };
        self.batch = next.clamp(limits::DISPATCH_BATCH_LEAST, limits::DISPATCH_BATCH);
    }

    /// Letters wait for a bound until then.
    pub(super) fn wait_until(&mut self, until: Instant) {
        self.until = self.until.max(until);
    }

    /// When a letter is tried again whose domain has no room before `opens`, and where each takes `apart` microseconds: behind those of
    /// its study that wait already, so that a queue is not looked through again and again; studies do not wait for each other's. Who would
    /// wait for longer than an hour is looked at within it, for the bound may be another by then.
    pub(super) fn due_behind_others(
        &mut self,
        letter: &OutboxItem,
        opens: Instant,
        apart: i64,
        now: Instant,
    ) -> Instant {
        let key = (letter.study_id.unwrap_or_default(), throttle::domain_of(&letter.recipient));
        let behind = self.queues.get(&key).map_or(opens, |last| Instant(last.0.saturating_add(apart)));
        let due = behind.max(opens);
        let horizon = now.plus_seconds(limits::THROTTLE_LOOK_SECONDS);
        let due = if due <= horizon {
            self.queues.insert(key, due);
            due
        } else {
            let half = limits::THROTTLE_LOOK_SECONDS / 2;
            now.plus_seconds(half + letter.id.rem_euclid(half))
        };
        self.wait_until(due);
        due
    }

    /// Queues that are over are forgotten.
    pub(super) fn forget(&mut self, now: Instant) {
        self.queues.retain(|_, last| *last > now);
    }

    /// How long to wait for the doorbell.
    pub(super) fn nap(&self, now: Instant, interval: Duration) -> Duration {
        if now < self.until {
            interval.min(Duration::from_secs(limits::THROTTLE_NAP_SECONDS.unsigned_abs()))
        } else {
            interval
        }
    }
}

/// The letters that a server has before it.
#[derive(Debug, Default)]
pub(super) struct UnderWay(Mutex<BTreeSet<i64>>);

impl UnderWay {
    /// It is shown to the server.
    pub(super) fn begin(&self, letter: i64) {
        self.letters().insert(letter);
    }

    /// The server has said what becomes of it.
    pub(super) fn end(&self, letter: i64) {
        self.letters().remove(&letter);
    }

    /// Their numbers.
    pub(super) fn list(&self) -> Vec<i64> {
        self.letters().iter().copied().collect()
    }

    fn letters(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of each in turn, until all are taken.
pub(super) fn alternate(claimed: Vec<Vec<OutboxItem>>) -> Vec<OutboxItem> {
    let mut queues: Vec<_> = claimed.into_iter().map(Vec::into_iter).collect();
    let mut letters = Vec::new();
    loop {
        let before = letters.len();
        letters.extend(queues.iter_mut().filter_map(Iterator::next));
        if letters.len() == before {
            return letters;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant(1_795_000_000_000_000);

    fn letter(id: i64, study: i64) -> OutboxItem {
        OutboxItem {
            id,
            message_id: format!("<{id}@example.jp>"),
            study_id: Some(study),
            kind: "reminder".to_owned(),
            recipient: format!("p{id}@Docomo.ne.jp"),
            raw: Ok(Vec::new()),
            priority: 3,
            attempts: 1,
            next_attempt_at: NOW,
            created_at: NOW,
            inbox_id: None,
            subject_id: None,
            secret: false,
        }
    }

    #[test]
    fn studies_take_turns() {
        let mut pace = Pace::default();
        assert_eq!(pace.in_turn(vec![2, 5, 9]), [2, 5, 9]);
        pace.had(5);
        assert_eq!(pace.in_turn(vec![2, 5, 9]), [9, 2, 5]);
        pace.had(9);
        assert_eq!(pace.in_turn(vec![2, 5, 9]), [2, 5, 9]);
        assert!(pace.in_turn(Vec::new()).is_empty());
        let claimed = vec![vec![letter(1, 2), letter(2, 2), letter(3, 2)], vec![letter(4, 5)], Vec::new()];
        let order: Vec<i64> = alternate(claimed).iter().map(|letter| letter.id).collect();
        assert_eq!(order, [1, 4, 2, 3]);
    }

    #[test]
    fn a_slow_server_gets_few_at_a_time_and_a_fast_one_many() {
        let mut pace = Pace::default();
        assert_eq!(pace.batch(), limits::DISPATCH_BATCH);
        pace.learn(40, 472);
        assert_eq!(pace.batch(), 40);
        pace.learn(3, 37);
        assert_eq!(pace.batch(), limits::DISPATCH_BATCH_LEAST);
        for _ in 0..10 {
            pace.learn(16, 0);
        }
        assert_eq!(pace.batch(), limits::DISPATCH_BATCH);
    }

    #[test]
    fn letters_of_a_study_queue_for_their_domain() {
        let mut pace = Pace::default();
        let interval = Duration::from_secs(30);
        assert_eq!(pace.nap(NOW, interval), interval);
        let opens = NOW.plus_seconds(2);
        let due = |pace: &mut Pace, id, study| {
            pace.due_behind_others(&letter(id, study), opens, 60_000_000, NOW).seconds_since(NOW)
        };
        assert_eq!([1, 2, 3].map(|id| due(&mut pace, id, 7)), [2, 62, 122]);
        assert_eq!(due(&mut pace, 4, 8), 2, "another study does not stand behind it");
        assert!(pace.nap(NOW, interval) < interval, "letters wait");
        // Nobody is put off for longer than an hour, and those of later do not come back together.
        let rest: Vec<i64> = (10..200).map(|id| due(&mut pace, id, 7)).collect();
        assert!(rest.iter().all(|seconds| *seconds <= limits::THROTTLE_LOOK_SECONDS), "{rest:?}");
        let late = &rest[100..];
        assert!(late.iter().collect::<BTreeSet<_>>().len() == late.len(), "{late:?}");
        pace.forget(NOW.plus_seconds(limits::THROTTLE_LOOK_SECONDS));
        assert!(pace.queues.is_empty());
        assert_eq!(pace.nap(NOW.plus_seconds(limits::THROTTLE_LOOK_SECONDS), interval), interval);
    }
}
