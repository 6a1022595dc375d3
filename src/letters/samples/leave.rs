//! Samples of the letters to participants who write by themselves.

use crate::letters::facts::{
    Facts, Invitation, LeaveConfirm, LeaveDone, LeaveNotice, LinkAsked, OptOutDone, ParticipantHelp,
};

/// What differs most from a sample; nothing of any other letter.
pub(super) fn variants(full: &Facts) -> Vec<Facts> {
    match full {
        Facts::ParticipantHelp(_) => {
            let account = "https://example.jp/s/sample".to_string();
            vec![Facts::ParticipantHelp(ParticipantHelp { link: false, by_mail: false, account })]
        }
        Facts::LeaveConfirm(facts) => {
            let nameless = LeaveConfirm { named: false, ..facts.clone() };
            let unknown = LeaveConfirm { unknown: true, ..nameless.clone() };
            let enrolled = LeaveConfirm { enrolls: true, ..facts.clone() };
            [nameless, unknown, enrolled].map(Facts::LeaveConfirm).into()
        }
        Facts::LeaveDone(facts) => {
            let nameless = LeaveDone { named: false, ..facts.clone() };
            let unknown = LeaveDone { unknown: true, ..nameless.clone() };
            let shared = LeaveDone { done: false, shared: true, ..facts.clone() };
            let stranger = LeaveDone { shared: false, ..shared.clone() };
            [nameless, unknown, shared, stranger].map(Facts::LeaveDone).into()
        }
        Facts::OptOutDone(facts) => {
            let shared = OptOutDone { page: String::new(), ..facts.clone() };
            let resumed = OptOutDone { stopped: false, resumed: true, ..facts.clone() };
            let both = OptOutDone { page: String::new(), every: true, ..resumed.clone() };
            let unknown = OptOutDone { unknown: true, ..OptOutDone::default() };
            let unproved = OptOutDone { unproved: true, ..OptOutDone::default() };
            let again = OptOutDone { again: true, ..unproved.clone() };
            [shared, resumed, both, unknown, unproved, again].map(Facts::OptOutDone).into()
        }
        Facts::LinkAsked(facts) => vec![Facts::LinkAsked(LinkAsked { closed: true, ..facts.clone() })],
        Facts::Invitation(facts) => {
            let answered = Invitation { answered: true, repeated: false, joins: false, ..facts.clone() };
            let anonymous = Invitation { named: false, anonymous: true, ..facts.clone() };
            let nobodys = Invitation { anonymous: false, ..anonymous.clone() };
            [answered, anonymous, nobodys].map(Facts::Invitation).into()
        }
        Facts::LeaveNotice(facts) => {
            let nameless = LeaveNotice { named: false, ..facts.clone() };
            let unknown = LeaveNotice { unknown: true, ..nameless.clone() };
            [nameless, unknown].map(Facts::LeaveNotice).into()
        }
        _ => Vec::new(),
    }
}
