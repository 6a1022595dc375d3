//! Allocation: which arm the next subject gets, exactly and provably.

/// How arms are allocated: the checked content of `allocation.toml`.
#[derive(Clone, Debug)]
pub struct Scheme {}
