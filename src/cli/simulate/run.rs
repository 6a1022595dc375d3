//! The trials of a simulation on several cores.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::domain::allocation::Fault;
use crate::domain::simulation::{Setup, Summary, Tally, Walk};
use crate::limits;

/// How many cores this machine gives us.
pub fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(limits::SIMULATION_CORES)
}

/// What the cores have brought so far. Parts are added in their order, so that sums do not depend on who was first.
struct Gathered {
    next: u64,
    early: BTreeMap<u64, Vec<Tally>>,
    sums: Vec<Tally>,
    fault: Option<Fault>,
}

/// Walks all trials through the allocations of a study and sums up each; `advance` hears of each trial that is done.
///
/// # Errors
/// [`Fault`] where a scheme cannot allocate a subject of the population.
pub fn simulate(
    setups: &[Setup],
    trials: u64,
    cores: usize,
    advance: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Summary>, Fault> {
    let part = trials.div_ceil(limits::SIMULATED_PARTS).max(1);
    let parts = trials.div_ceil(part);
    let taken = AtomicU64::new(0);
    let stopped = AtomicBool::new(false);
    let sums = Walk::new(setups).tallies();
    let gathered = Mutex::new(Gathered { next: 0, early: BTreeMap::new(), sums, fault: None });
    let work = || {
        let mut walk = Walk::new(setups);
        while !stopped.load(Ordering::Relaxed) {
            let number = taken.fetch_add(1, Ordering::Relaxed);
            if number >= parts {
                return;
            }
            let mut tallies = walk.tallies();
            for trial in number * part..trials.min((number + 1) * part) {
                if let Err(fault) = walk.trial(trial, &mut tallies) {
                    stopped.store(true, Ordering::Relaxed);
                    gathered.lock().unwrap_or_else(PoisonError::into_inner).fault = Some(fault);
                    return;
                }
                advance(1);
            }
            let mut all = gathered.lock().unwrap_or_else(PoisonError::into_inner);
            all.early.insert(number, tallies);
            loop {
                let next = all.next;
                let Some(tallies) = all.early.remove(&next) else { break };
                all.sums.iter_mut().zip(&tallies).for_each(|(sum, own)| sum.add(own));
                all.next += 1;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..cores.max(1) {
            scope.spawn(work);
        }
        work();
    });
    let all = gathered.into_inner().unwrap_or_else(PoisonError::into_inner);
    match all.fault {
        Some(fault) => Err(fault),
        None => Ok(setups.iter().zip(&all.sums).map(|(setup, sum)| Summary::new(setup, sum)).collect()),
    }
}
