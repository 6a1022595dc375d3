//! Keeps one loop going: steps, waits, backs off, contains panics, and reports its pulse.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::watch;

use crate::domain::time::Clock;
use crate::limits;
use crate::mail::{Did, Worker};
use crate::web::health::Pulse;

/// Runs a worker until `stop` turns true; a step under way is finished first, unless it takes too long: a step that is
/// given up is like a crash, which loses nothing.
pub async fn supervise(mut worker: Worker, clock: Arc<dyn Clock>, pulse: Arc<Pulse>, mut stop: watch::Receiver<bool>) {
    let name = worker.name();
    let mut failures: u32 = 0;
    pulse.beat(&name, clock.now());
    while !*stop.borrow() {
        let stepped = tokio::select! {
            stepped = AssertUnwindSafe(worker.step()).catch_unwind() => stepped,
            () = overdue(stop.clone()) => {
                tracing::warn!(worker = name, "the step under way takes too long; it is given up");
                break;
            }
        };
        match stepped {
            Ok(Ok(did)) => {
                failures = 0;
                pulse.beat(&name, clock.now());
                if did == Did::Nothing {
                    let waited = tokio::select! {
                        waited = AssertUnwindSafe(worker.wait()).catch_unwind() => waited,
                        _ = stop.wait_for(|stop| *stop) => break,
                    };
                    if waited.is_err() {
                        tracing::error!(worker = name, "waiting panicked; going on");
                    }
                }
            }
            Ok(Err(error)) => {
                failures = failures.saturating_add(1);
                metrics::counter!("hagaki_step_failures_total", "loop" => name.clone()).increment(1);
                tracing::warn!(worker = name, %error, failures, "step failed; will try again");
                pulse.ail(&name, clock.now(), error.to_string());
                let longest = worker.pause_after(&error).unwrap_or_else(|| pause_seconds(failures));
                pause(longest, &mut stop).await;
            }
            Err(_) => {
                failures = failures.saturating_add(1);
                metrics::counter!("hagaki_step_panics_total", "loop" => name.clone()).increment(1);
                tracing::error!(worker = name, failures, "step panicked; going on with the next");
                pulse.ail(&name, clock.now(), "a step panicked".to_string());
                pause(pause_seconds(failures), &mut stop).await;
            }
        }
    }
    if tokio::time::timeout(Duration::from_secs(limits::STOP_SECONDS), worker.stop()).await.is_err() {
        tracing::warn!(worker = name, "what was held could not be given back in time; its lease will run out");
    }
    tracing::info!(worker = name, "loop stopped");
}

/// Done when what was under way at the stop has had its time to finish.
pub async fn overdue(mut stop: watch::Receiver<bool>) {
    // An error means that whoever could say stop is gone, which is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
    tokio::time::sleep(Duration::from_secs(limits::STOP_SECONDS)).await;
}

async fn pause(longest: Duration, stop: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = tokio::time::sleep(longest) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// Back-off after so many failures in a row: 1, 2, 4 … seconds, to a limit.
pub fn pause_seconds(failures: u32) -> Duration {
    let seconds = 1_u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX);
    Duration::from_secs(seconds.min(limits::STEP_PAUSE_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_grows_to_its_limit() {
        let seconds: Vec<u64> = [1, 2, 3, 4, 60, 70, 200].iter().map(|n| pause_seconds(*n).as_secs()).collect();
        let limit = limits::STEP_PAUSE_SECONDS;
        assert_eq!(seconds, [1, 2, 4, 8, limit, limit, limit]);
    }
}
