//! What a person is to a study.

/// What a person is to a study.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Enrolls subjects.
    Investigator,
    /// Keeps the study running; told of failures. Enrolls too.
    Coordinator,
    /// Hands out kits; unblinded.
    Pharmacist,
    /// Owns the allocation; unblinded.
    Statistician,
    /// Owns the bundle.
    Manager,
    /// Watches; enrolls nobody.
    Monitor,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 6] =
        [Role::Investigator, Role::Coordinator, Role::Pharmacist, Role::Statistician, Role::Manager, Role::Monitor];

    /// Name in bundles and logs.
    pub const fn key(self) -> &'static str {
        match self {
            Role::Investigator => "investigator",
            Role::Coordinator => "coordinator",
            Role::Pharmacist => "pharmacist",
            Role::Statistician => "statistician",
            Role::Manager => "manager",
            Role::Monitor => "monitor",
        }
    }

    /// Whether a letter to this role may name the arm in a blinded study.
    pub const fn unblinded(self) -> bool {
        matches!(self, Role::Pharmacist | Role::Statistician)
    }

    /// Whether this role may enroll.
    pub const fn enrolls(self) -> bool {
        matches!(self, Role::Investigator | Role::Coordinator)
    }
}
