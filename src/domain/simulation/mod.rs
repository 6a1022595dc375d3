//! Simulation: what a scheme would do, trial after trial, with subjects drawn from a population.
//!
//! In charge of drawing subjects ([`Population`]), of walking one trial with the same [`State`](super::allocation::State) that
//! a study uses, through the first allocation and the further ones ([`Walk`]), and of summing up ([`Tally`] → [`Summary`]).
//! Decisions stay exact; what is summed up is statistics and may use floating point. Files, threads and pages are the caller's.
//!
//! # What is counted, where a design has more than two equal arms
//! * **Count by ratio**: an arm's count divided by its ratio, ratios in lowest terms.
//! * **Imbalance**: the greatest count by ratio minus the least. For two equal arms it is the absolute difference.
//! * **Difference** (two arms): the subjects of the first arm of the file minus those of the second, whatever the ratio. Under
//!   an unequal one it lies about [`Summary::asked_difference`], not about zero; how well the ratio is kept, the imbalance tells.
//! * **Guesser**: guesses the arm whose count by ratio is least so far, each of several such with equal chance. Of a guess the
//!   probability of being right under the law of the step is summed up, not whether the drawn arm was it: the mean is the
//!   same and varies less. Under `block` the law is that of the block which is open, or was opened by this very draw.
//! * **Best guesser**: knows that law, and names its likeliest arm. Under an unequal ratio the guesser above can be worse than
//!   always naming the largest arm ([`Summary::largest_share`]); nobody is better than the best one.
//! * **Deterministic**: a step at which one arm has probability 1.
//! * **As good as certain**: a step at which a tenth at most is left of the chance that the ratio alone leaves; 95 % and more for
//!   one of two equal arms.
//!
//! # Further allocations
//! Who was allocated in the first comes to a further one if its condition lets ([`Comers`]), with the arms given before as levels. Each
//! is summed up by itself; how many come to it differs from trial to trial, so shares are of those who were allocated, and a step
//! or a moment counts the trials that got so far.
//!
//! # Trials that end early
//! Where a cap of all subjects or of an arm is reached, or a list without strata is used up, everybody who comes later is turned away
//! ([`Ended`]). Means at the end are over all trials, those that ended early among them.
//!
//! # Repeatability
//! Trial `t` of seed `s` has the secret SHA-256(`"hagaki simulation"` 0x00 `s` 0x00 `t` as eight little-endian bytes). Allocations are
//! drawn from it as in a study, those of a further allocation from the secret with its id hashed behind `t`; the subjects come
//! from the key stream of allocation number 0, which no study uses. So schemes that are compared meet the same subjects, and no
//! result depends on the number of cores.

mod catch_up;
mod population;
mod stage;
mod summary;
mod tally;
mod walk;

pub use catch_up::CatchUp;
pub use population::{Characteristic, Population, Source};
pub use summary::{ArmSummary, Balance, Difference, Ended, LevelBalance, Moment, Summary};
pub use tally::Tally;
pub use walk::{CappedCohort, Comers, Setup, Walk};
