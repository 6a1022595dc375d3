//! Facts of the day's digest, and of the balance of the arms.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cohort::CohortLevel;
use super::enrollment::ArmName;
use super::form::shown_value;
use super::short;
use crate::domain::allocation::SITE;
use crate::domain::language::{Language, Text};
use crate::domain::study::{Arm, Blinding, Person, Role, Stage, Study, arm_name};
use crate::domain::witness::Witness;
use crate::letters::kind::Kind;
use crate::limits;

/// How far a study and its audit chain have come. There is no arm in this type (promise 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// The day, year-month-day in the study's zone.
    pub day: String,
    /// Subjects enrolled.
    pub subjects: i64,
    /// Of them, allocated.
    pub allocations: i64,
    /// How many were randomized further.
    #[serde(default)]
    pub further: Vec<FurtherCount>,
    /// Entries of the audit chain.
    pub entries: i64,
    /// Digest of the last of them, in lower-case hexadecimal.
    pub head: String,
    /// The same for machines.
    pub witness: String,
    /// How full each cohort is.
    #[serde(default)]
    pub cohorts: Vec<CohortLevel>,
    /// Subjects that have one reference by a correction, and are not known to be one person.
    #[serde(default)]
    pub disputes: Vec<Dispute>,
}

/// Two subjects of one reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// The number of the one whose reference was corrected.
    pub corrected: String,
    /// The number of the one that had it.
    pub other: String,
}

/// How many subjects a further randomization has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FurtherCount {
    /// Its title.
    pub randomization: String,
    /// Its subjects.
    pub count: i64,
}

impl FurtherCount {
    /// So many, in the randomization of that title.
    pub fn new(title: &Text, count: i64, language: Language) -> FurtherCount {
        FurtherCount { randomization: short(title.in_language(language)), count }
    }
}

impl Digest {
    /// Tells also which subjects have one reference, by their numbers in the study.
    #[must_use]
    pub fn with_disputes(self, study: &Study, disputes: &[(i64, i64)]) -> Digest {
        let dispute = |(corrected, other): &(i64, i64)| Dispute {
            corrected: study.subject_number(*corrected),
            other: study.subject_number(*other),
        };
        Digest { disputes: disputes.iter().take(limits::FAULTS_LISTED).map(dispute).collect(), ..self }
    }

    /// Of that day: subjects, allocations, and where the chain ends (entries, digest in hexadecimal).
    pub fn new(study: &Study, stage: Stage, day: &str, counts: (i64, i64), chain: (i64, &str)) -> Digest {
        let (entries, head) = (chain.0, short(chain.1));
        let witness = Witness { study: study.slug.clone(), stage, entries, head: head.clone() }.render();
        Digest {
            day: short(day),
            subjects: counts.0,
            allocations: counts.1,
            further: Vec::new(),
            entries,
            head,
            witness,
            cohorts: Vec::new(),
            disputes: Vec::new(),
        }
    }

    /// Tells also how full each cohort is.
    #[must_use]
    pub fn with_cohorts(self, cohorts: Vec<CohortLevel>) -> Digest {
        Digest { cohorts, ..self }
    }
}

/// The same with the balance of the arms: for those who may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestUnblinded {
    /// How far study and chain have come.
    pub digest: Digest,
    /// The balance.
    pub balance: Balance,
}

/// Whether a person may be told the balance.
pub fn may_know_balance(study: &Study, person: &Person) -> bool {
    let roles = [Role::Statistician, Role::Manager];
    study.scheme.as_ref().is_some_and(|scheme| scheme.randomizes())
        // With the counts by level whoever enrolls could reckon the next arm, in an open study as well.
        && !person.roles.iter().any(|role| role.enrolls())
        && match study.blinding {
            Blinding::Blinded => Kind::Balance.may_go_to(study.blinding, person),
            Blinding::Open => roles.iter().any(|role| person.has(*role)),
        }
}

/// How many subjects each arm of one allocation has, in all and by level: for those who may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmBalance {
    /// Subjects allocated.
    pub allocations: u64,
    /// The arms, in the order of the file.
    pub arms: Vec<ArmTotal>,
    /// By site, factor and stratum.
    pub groups: Vec<BalanceGroup>,
    /// How many of them were given by hand.
    #[serde(default)]
    pub forced: u64,
    /// How many may be; 0 where arms are only drawn.
    #[serde(default)]
    pub forced_limit: u32,
    /// How many were allocated by levels that turned out wrong; they are shown where they were allocated.
    #[serde(default)]
    pub mistaken: u64,
    /// Whether later decisions count these at the right levels.
    #[serde(default)]
    pub as_corrected: bool,
    /// How many of all later decisions leave out.
    #[serde(default)]
    pub left_out: u64,
    /// Where the counts began anew: what decisions balance now.
    #[serde(default)]
    pub since: Option<Box<EpochBalance>>,
}

/// The balance of the subjects since decisions balance anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochBalance {
    /// Number of the epoch.
    pub number: u32,
    /// Number of its first allocation, or of the next one where it has none.
    pub from: u64,
    /// Its balance.
    #[serde(flatten)]
    pub own: ArmBalance,
}

/// The balance of a study's allocations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// That of the first.
    #[serde(flatten)]
    pub first: ArmBalance,
    /// That of each further randomization.
    #[serde(default)]
    pub further: Vec<FurtherBalance>,
}

/// The balance of a further randomization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FurtherBalance {
    /// Its title.
    pub randomization: String,
    /// Its balance.
    #[serde(flatten)]
    pub own: ArmBalance,
}

/// Each level of a factor, and its subjects of each arm, arms as in the study.
pub type LevelCounts = Vec<(String, Vec<u64>)>;

/// One arm's subjects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmTotal {
    /// The arm.
    pub arm: ArmName,
    /// How many.
    pub count: u64,
}

/// The levels of one factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceGroup {
    /// Its id in the statistician's file.
    pub factor: String,
    /// Label of its item; empty where it is none.
    #[serde(default)]
    pub name: String,
    /// Its levels.
    pub levels: Vec<BalanceLevel>,
}

/// Subjects of one level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceLevel {
    /// The level.
    pub level: String,
    /// What it means, with its code.
    #[serde(default)]
    pub name: String,
    /// Per arm, in the order of the arms.
    pub counts: Vec<ArmCount>,
    /// The same as corrected since, where later decisions count these and they differ; else empty.
    #[serde(default)]
    pub right: Vec<ArmCount>,
}

/// One arm's subjects at a level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmCount {
    /// Code of the arm.
    pub code: String,
    /// How many.
    pub count: u64,
}

impl ArmBalance {
    /// Of counts per arm, in the order of `named`, and of each factor's levels, for a study whose arms they are.
    pub fn new(
        study: &Study,
        named: &[Arm],
        arms: &[u64],
        groups: &[(String, LevelCounts)],
        language: Language,
    ) -> ArmBalance {
        let counts = |counts: &[u64]| -> Vec<ArmCount> {
            let own = named.iter().zip(counts);
            own.map(|(arm, count)| ArmCount { code: short(&arm.code), count: *count }).collect()
        };
        // The arm of a further allocation is called like that.
        let title = |id: &str| study.randomizations.iter().find(|own| arm_name(&own.id) == id).map(|own| &own.title);
        let group = |(factor, levels): &(String, LevelCounts)| {
            let site_item = study.registration.site_item.as_deref().filter(|_| factor == SITE);
            let item = study.find_item(site_item.unwrap_or(factor));
            let shown = |level: &str| match (item, study.find_site(level)) {
                (Some(item), _) => shown_value(study, item, level, language),
                (None, Some(site)) if factor == SITE => {
                    short(&format!("{} ({level})", site.name.in_language(language)))
                }
                (None, _) => match study.find_arm(level).filter(|_| factor.ends_with("_arm")) {
                    Some(arm) => short(&format!("{} ({level})", arm.name.in_language(language))),
                    None => short(level),
                },
            };
            let level = |(level, own): &(String, Vec<u64>)| BalanceLevel {
                level: short(level),
                name: shown(level),
                counts: counts(own),
                right: Vec::new(),
            };
            BalanceGroup {
                factor: short(factor),
                name: item
                    .map(|item| &item.label)
                    .or_else(|| title(factor))
                    .map_or_else(String::new, |name| short(name.in_language(language))),
                levels: levels.iter().map(level).collect(),
            }
        };
        let totals = named.iter().zip(arms);
        ArmBalance {
            allocations: arms.iter().sum(),
            arms: totals.map(|(arm, count)| ArmTotal { arm: ArmName::new(arm, language), count: *count }).collect(),
            groups: groups.iter().map(group).collect(),
            forced: 0,
            forced_limit: 0,
            mistaken: 0,
            as_corrected: false,
            left_out: 0,
            since: None,
        }
    }

    /// Tells also what became known since: how many were allocated by wrong levels, and at which they count, how many are left out,
    /// and the subjects of each arm by factor and level that is counted otherwise.
    #[must_use]
    pub fn with_facts(
        mut self,
        mistaken: u64,
        left_out: u64,
        as_corrected: bool,
        right: &BTreeMap<(String, String), Vec<u64>>,
    ) -> ArmBalance {
        for group in &mut self.groups {
            for level in &mut group.levels {
                let own = right.get(&(group.factor.clone(), level.level.clone())).into_iter().flatten();
                let count = |(arm, count): (&ArmCount, &u64)| ArmCount { code: arm.code.clone(), count: *count };
                level.right = level.counts.iter().zip(own).map(count).collect();
            }
        }
        ArmBalance { mistaken, left_out, as_corrected, ..self }
    }

    /// Tells also how many allocations were given by hand, and how many may be.
    #[must_use]
    pub fn with_forced(self, forced: u64, forced_limit: u32) -> ArmBalance {
        ArmBalance { forced, forced_limit, ..self }
    }

    /// Tells also the balance since the counts began anew.
    #[must_use]
    pub fn since(self, epoch: EpochBalance) -> ArmBalance {
        ArmBalance { since: Some(Box::new(epoch)), ..self }
    }

    /// The same as that of a further randomization of that title.
    pub fn of(self, title: &Text, language: Language) -> FurtherBalance {
        FurtherBalance { randomization: short(title.in_language(language)), own: self }
    }
}
