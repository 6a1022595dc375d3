//! `hagaki outbox progress`: how far the letters of a study have come.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::super::installation::Opened;
use super::super::progress::Bar;
use super::super::{End, Installation, Output};
use crate::domain::urgency::Urgency;
use crate::letters::Kind;
use crate::store::StoreError;
use crate::store::outbox::{self, State};

/// How often the bar looks.
const LOOK: Duration = Duration::from_secs(1);

/// Kind to state to number of letters.
type Counts = BTreeMap<String, BTreeMap<State, u64>>;

pub(super) fn run(slug: &str, follow: bool, installation: &Installation, output: Output) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let study_id = opened.study(slug)?.id;
    let mut counts = opened.runtime.block_on(count(&opened, study_id))?;
    if follow {
        let all = waiting(&counts);
        let bar = Bar::new(slug, all);
        let mut done = 0;
        while waiting(&counts) > 0 {
            opened.runtime.block_on(async { tokio::time::sleep(LOOK).await });
            counts = opened.runtime.block_on(count(&opened, study_id))?;
            // More may have been written meanwhile: the bar stands still until as many have left.
            let now_done = all.saturating_sub(waiting(&counts)).max(done);
            bar.advance(now_done - done);
            done = now_done;
        }
        bar.clear();
    }
    for (kind, states) in &counts {
        if output.json {
            let states: BTreeMap<&str, u64> = states.iter().map(|(state, number)| (state.key(), *number)).collect();
            println!("{}", json!({ "kind": kind, "letters": states }));
        } else {
            let told: Vec<String> = states.iter().map(|(state, number)| format!("{number} {}", state.key())).collect();
            println!("{kind:<28} {}", told.join(", "));
        }
    }
    Ok(End::Done)
}

async fn count(opened: &Opened, study_id: i64) -> Result<Counts, StoreError> {
    let mut counts = Counts::new();
    for (kind, state, number) in outbox::progress(&opened.store, study_id).await? {
        *counts.entry(kind).or_default().entry(state).or_default() += number.unsigned_abs();
    }
    Ok(counts)
}

/// Letters of mailings that wait.
fn waiting(counts: &Counts) -> u64 {
    let mass = |kind: &str| Kind::find(kind).is_some_and(|kind| kind.urgency() == Urgency::Mass);
    let of = counts.iter().filter(|(kind, _)| mass(kind));
    of.filter_map(|(_, states)| states.get(&State::Waiting)).sum()
}
