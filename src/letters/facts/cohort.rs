//! Facts of cohorts: how full they are.

use serde::{Deserialize, Serialize};

use super::short;
use crate::domain::cohort::Cohort;
use crate::domain::language::Language;
use crate::domain::study::Study;

/// How full a cohort is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CohortLevel {
    /// What people read.
    pub name: String,
    /// Subjects.
    pub count: u64,
    /// Greatest number.
    pub cap: u32,
}

impl CohortLevel {
    /// Every cohort of a study, whose counts stand in the same order.
    pub fn list(study: &Study, counts: &[u64], language: Language) -> Vec<CohortLevel> {
        let level = |(cohort, count): (&Cohort, &u64)| CohortLevel {
            name: short(cohort.label(language)),
            count: *count,
            cap: cohort.cap,
        };
        study.cohorts.iter().zip(counts).map(level).collect()
    }
}

/// A cohort is filling, or full. There is no arm in this type (promise 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CohortFilling {
    /// What people read.
    pub name: String,
    /// Subjects.
    pub count: u64,
    /// Greatest number.
    pub cap: u32,
    /// Whether nobody is taken any more.
    pub full: bool,
}

impl CohortFilling {
    /// That cohort with so many subjects.
    pub fn new(cohort: &Cohort, count: u64, language: Language) -> CohortFilling {
        let full = count >= u64::from(cohort.cap);
        CohortFilling { name: short(cohort.label(language)), count, cap: cohort.cap, full }
    }
}
