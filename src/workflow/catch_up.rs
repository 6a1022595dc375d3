//! What an amendment of a scheme means for the subjects to come, while the counts of before go on: that chance alone decides for a while,
//! or that an arm is favored. Found from the state that the next decision is made in.

use super::amendment::Schemes;
use super::{Failure, proof};
use crate::domain::allocation::{Levels, Method, Scheme, State};
use crate::domain::simulation::CatchUp;
use crate::domain::study::{Blinding, FIRST, Rules, Study};
use crate::store::study::StudyRow;
use crate::store::{Tx, allocation};

/// One line for each, in words for those who may know how subjects are allocated. `row` is the study's, in its new version, which is
/// stored already.
///
/// # Errors
/// The database; rows that cannot have been written by this program.
pub(super) async fn foretold(tx: &mut Tx, row: &StudyRow, old: &Study, new: &Study) -> Result<Vec<String>, Failure> {
    let goes_on = |now: &Rules<'_>| {
        let before = old.find_rules(now.id).map(|before| before.scheme);
        before.is_some_and(|before| before != now.scheme && before.epoch() == now.scheme.epoch())
    };
    let changed: Vec<Rules<'_>> = new.allocations().filter(goes_on).collect();
    let mut lines = Vec::new();
    if row.allocations == 0 || changed.is_empty() {
        return Ok(lines);
    }
    let journal = allocation::journal(&mut *tx, row.id, 0).await?;
    let facts = proof::all_facts(&mut *tx, row.id).await?;
    let schemes = Schemes::load(&mut *tx, row, new).await?;
    for now in changed {
        let Some(before) = old.find_rules(now.id) else { continue };
        let state = schemes.of(now.id)?.state(now, &journal, &facts)?;
        let first = lines.len();
        lines.extend(by_chance(before.scheme, now.scheme, &state));
        if before.scheme.arms() != now.scheme.arms() {
            let mut comers: Vec<Levels> = Vec::new();
            for own in proof::own(now, &journal) {
                let levels = proof::row_of(own)?.levels;
                // Who was allocated before a factor came has no level of it.
                if now.scheme.faults_of(&levels).is_empty() {
                    comers.push(levels);
                }
            }
            let is_new = |code: &str| before.scheme.arms().iter().all(|own| own.code != code);
            // The only one that is left gets everybody, behind or not.
            for arm in now.scheme.arms().iter().filter(|arm| !arm.closed && !now.scheme.is_left_with_one()) {
                // How many are in an arm of a blinded study could be told from how long it is favored; of a new one that is known.
                if new.blinding == Blinding::Open || is_new(&arm.code) {
                    lines
                        .extend(CatchUp::of(now.scheme, &state, &comers, &arm.code).map(|own| favored(&arm.code, own)));
                }
            }
        }
        if now.id != FIRST {
            lines.iter_mut().skip(first).for_each(|line| *line = format!("allocation {}: {line}", now.id));
        }
    }
    Ok(lines)
}

/// That minimization is off, where it was not before or would have been on sooner.
fn by_chance(before: &Scheme, now: &Scheme, state: &State) -> Option<String> {
    let burn_in = |scheme: &Scheme| match scheme.method() {
        Method::Minimization(own) => own.burn_in,
        _ => 0,
    };
    let counted: u64 = now.arms().iter().map(|arm| state.balanced_of_arm(now, &arm.code)).sum();
    let (was, is) = (burn_in(before), burn_in(now));
    (is > was && is > counted).then(|| {
        format!(
            "minimization burn_in: {counted} subjects count, so the next {} are allocated by chance in the ratio of the arms, and \
             nothing is balanced meanwhile",
            is - counted
        )
    })
}

fn favored(code: &str, found: CatchUp) -> String {
    let percent = found.probability * 100.0;
    let known = format!(
        "whoever knows the allocations so far foresees each of these with a probability of about {percent:.0} % (raise `epoch` if that \
         is not wanted)"
    );
    let (subjects, own) = (found.subjects, found.own);
    if found.whole {
        format!(
            "arm {code}: is behind, and gets about {own:.0} of the next {subjects:.0} subjects, until it has caught up; {known}"
        )
    } else {
        format!(
            "arm {code}: is behind, and gets about {own:.0} of the next {subjects:.0} subjects, or more go by before it has caught up; {known}"
        )
    }
}
