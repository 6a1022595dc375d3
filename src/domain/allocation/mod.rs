//! Allocation: which arm the next subject gets, exactly and provably.
//!
//! In charge of: the law of the next decision (who gets which arm with which probability), the draw from it, and the
//! counts both rest on. It never asks a clock or a random source: the dice are a function of the study's secret and the
//! allocation number ([`draw`]), and everything else is integers and fractions.
//!
//! A workflow holds one [`State`] for each allocation of a study and, for each subject: [`State::find_full`] → [`State::decide`] →
//! [`State::record`]. Only `record` changes anything, so a refused mail consumes nothing.
//!
//! # What a scheme means where the literature leaves it open
//! * **Hypothetical counts.** For a candidate arm one subject is added first, then every count is divided by its arm's
//!   ratio (Han, Enas & McEntegart 2009). `marginal-total` alone compares the counts before adding (Taves 1974).
//!   With unequal ratios the first subject is therefore *not* tied under `range`: the arm of the greater ratio is ahead.
//! * **All arms equally good** (first subject of equal ratios, all weights zero): the arms' ratio decides, under every rule.
//! * **Some arms equally good.** `best`, `ratio-coin`: each of the best is ranked first with probability proportional to
//!   its ratio. `rank`: equal arms share their ranks in random order, each next one drawn with probability proportional to
//!   its ratio among those left. `ratio-arms`: the dummy arms are equal, so equally good ones are equally likely.
//!   The law is the mixture over those orders, and one draw is made from the mixture.
//! * **`proportional`** follows its formula, which knows no ratio, unless all arms are equally good. With `sd` and more
//!   than two arms its probabilities are irrational: they are taken to 30 decimal places and divided by their sum.
//! * **`ratio-arms`** minimizes over as many equal dummy arms as the ratios sum to. The dummy a subject got (its *slot*)
//!   is part of the allocation and of the history. The imbalance shown for an arm is the least of its dummies.
//! * **`maximal`**: when the planned number of a stratum is reached, a new sequence of the same length begins; a study must
//!   not stop because one stratum recruited well. Sequences end in balance, so their length is even (Berger, Ivanova & Knoll
//!   2003). A history of other origin that is further apart than the limit is led back with probability 1.
//! * **`hu-hu`**: the stratum is the combination of `strata`, or of all factors where none are named. The imbalance shown for an arm is
//!   the weighted sum of squared differences if it got the subject.
//! * **`atkinson`**: every level has a column of its own, so no baseline is chosen; F'F is then singular, and what a subject's row
//!   asks of it is the same under every generalized inverse if the row lies in the span of those before. If it does not, the
//!   subject says nothing of the differences of the arms, and all are equally likely. It takes any number of equal arms.
//! * **`wei-urn`** takes any number of equal arms (Wei 1978): a subject adds `beta` balls of every arm but its own.
//! * **`list`**: nothing is random; each subject takes the next place of its stratum. A list used up is a refusal that tells no arm.
//! * **An arm given by hand** ([`State::give`]) consumes no draw of its number. It takes the open block's place of its arm, the urn's
//!   ball, the list's next place where that is of its arm; where there is none it stands outside: no later block, ball or place
//!   knows of it, but caps, totals, minimization and the differences of the coins count it. So a block always holds its own
//!   subjects and no others.
//! * **Burn-in** counts the subjects of the whole study, and allocates by ratio; no imbalance is shown for it.
//!
//! # Order never matters
//! Arms are kept sorted by code, factors and strata by id, block sizes by size; sums are exact. So the order of a file
//! changes neither a probability nor an arm. Only what is printed follows the file.
//!
//! To add a method: a variant of [`Method`], its keys in `definition::allocation_file`, and the arms of the matches the
//! compiler then points at.

mod amendment;
mod atkinson;
mod course;
mod decision;
mod distance;
pub mod draw;
pub mod guess;
mod history;
mod hu_hu;
mod journal;
mod law;
mod list;
mod maximal;
mod minimization;
mod plan;
mod posterior;
mod replay;
mod rerandomize;
mod roots;
mod rule;
mod scheme;
mod sequence;
mod state;
mod whole;

use std::collections::BTreeMap;

pub use amendment::{Amender, Amendment, Counts, Standing};
pub use course::{Break, Follower, Turn};
pub use decision::{ArmOutlook, Decision, Measure, Outlook};
pub use history::{HistoryRow, Outcome, explain};
pub use journal::record;
pub use law::{Drawn, Law};
pub use list::{ArmList, UsedPlaces};
pub use replay::{Course, FirstDifference, Origin, Replayed, Row, replay, replay_amended, replay_among, replay_turns};
pub use rerandomize::rerandomize;
pub use scheme::{Arm, BlockSize, Distance, Factor, HuHu, Method, Minimization, Rule, SITE, Scheme, TOTAL};
pub use state::{Full, State};

/// A subject's levels: factor id → level, both as text. What the scheme does not ask for is ignored, except that `site`
/// is always counted.
pub type Levels = BTreeMap<String, String>;

/// What is allocated, and must be kept so that the history can be rebuilt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allotment {
    /// Code of the arm.
    pub arm: String,
    /// Number of the dummy arm within the arm, from 0; only under `ratio-arms`.
    pub slot: Option<u32>,
    /// Size of the block it stands in, in subjects; only under `block`.
    pub block_size: Option<u64>,
}

/// Why a decision or a record cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The subject has no level of a factor.
    #[error("no level is given for the factor \"{0}\"")]
    MissingLevel(String),
    /// The level is none of the factor's.
    #[error("\"{level}\" is no level of the factor \"{factor}\"")]
    UnknownLevel {
        /// Factor's id.
        factor: String,
        /// What was given.
        level: String,
    },
    /// The scheme has no such arm.
    #[error("\"{0}\" is no arm of the scheme")]
    UnknownArm(String),
    /// The slot is absent where the scheme needs one, or is none of the arm's.
    #[error("the slot of the arm \"{0}\" is missing or wrong: of an arm with ratio r the slots are 0 to r - 1")]
    Slot(String),
    /// The block size is absent where a block opens, is none of the scheme's, or differs from the open block's.
    #[error("the block size is missing or wrong")]
    BlockSize {
        /// What was given.
        given: Option<u64>,
        /// The size of the block that is open in the stratum, if one is, and how many of its places were given. Not in the words
        /// above, which may stand in a log.
        open: Option<(u64, u64)>,
    },
    /// The block has no place left for the arm, or the method would have given it with probability zero.
    #[error("the arm \"{0}\" has no place left")]
    NoPlace(String),
    /// No sequence of blocks of the scheme's sizes gives those arms.
    #[error("the arms of this stratum fit no sequence of the scheme's blocks")]
    Blocks,
    /// The list has no place left for a subject of those levels.
    #[error("the list is used up for subjects of these levels")]
    ListUsedUp,
    /// Of open levels there are more than can be reckoned with ([`limits::ATKINSON_COLUMNS`](crate::limits::ATKINSON_COLUMNS)).
    #[error("there are too many levels for this method")]
    TooManyLevels,
    /// The scheme allocates no arm.
    #[error("the scheme allocates no arm")]
    NoArms,
}
