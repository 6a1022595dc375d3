//! Which pages of a study its people come to.

use super::study::{Person, Role, Study};

/// Which pages of a study somebody comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Cases, of a study that registers.
    Cases,
    /// Who has answered, of a study that asks participants.
    Participants,
}

impl Door {
    /// Whether the study has such pages.
    pub fn is_there(self, study: &Study) -> bool {
        match self {
            Door::Cases => study.registers,
            Door::Participants => study.survey.is_some(),
        }
    }

    /// Whether somebody of the study may come in.
    pub fn lets_in(self, person: &Person) -> bool {
        match self {
            Door::Cases => person.roles.iter().any(|role| role.enrolls() || *role == Role::Monitor),
            Door::Participants => person.has(Role::Manager),
        }
    }

    /// Whether the study has such pages and lets somebody in.
    pub fn opens(self, study: &Study, person: &Person) -> bool {
        self.is_there(study) && self.lets_in(person)
    }
}
