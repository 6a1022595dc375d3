//! Facts of letters to participants who write by themselves: how to write, and taking part no more.

use serde::{Deserialize, Serialize};

use crate::domain::study::Study;
use crate::domain::survey::Privacy;

/// How a participant writes to us. It is the same for whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantHelp {
    /// Whether a fresh link can be asked for.
    pub link: bool,
    /// Whether the form can be answered by mail.
    pub by_mail: bool,
    /// The page on which members sign in; empty where nobody has an account.
    pub account: String,
}

/// Somebody wants to take part no more; a reply to the one-time address does it. It is the same for whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveConfirm {
    /// Whether answers stand with the person.
    pub named: bool,
    /// Whether nobody knows whose link is whose, so that it goes on opening.
    pub unknown: bool,
    /// Whether taking part may mean a treatment of the study.
    pub enrolls: bool,
    /// Address with the one-time token, to reply to.
    pub reply_to: String,
    /// Until when, in the study's zone.
    pub expires_at: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveDone {
    /// Whether the participant at the address takes part no more.
    pub done: bool,
    /// Whether several take part with the address, so that nobody can tell who is meant.
    pub shared: bool,
    /// Whether answers stand with the person.
    pub named: bool,
    /// Whether nobody knows whose link is whose, so that it goes on opening.
    pub unknown: bool,
}

impl LeaveDone {
    /// That of a study, for so many participants at the address.
    pub fn new(study: &Study, participants: usize) -> LeaveDone {
        let privacy = study.survey.as_ref().map(|survey| survey.privacy);
        LeaveDone {
            done: participants == 1,
            shared: participants > 1,
            named: privacy.is_some_and(Privacy::names),
            unknown: privacy == Some(Privacy::FullyAnonymous),
        }
    }
}

/// Invitations and reminders were stopped by mail, or come again; or that was not done, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOutDone {
    /// Whether no more come.
    pub stopped: bool,
    /// Whether they come again.
    pub resumed: bool,
    /// Whether those of every study do, for all had been stopped.
    #[serde(default)]
    pub every: bool,
    /// Whether nobody who takes part has the address.
    pub unknown: bool,
    /// Whether it was not shown who wrote.
    pub unproved: bool,
    /// Whether they were wanted again, where that was not shown.
    pub again: bool,
    /// The page that does the same; empty where it is about several, or about nobody.
    pub page: String,
}

/// A participant takes part no more, to those in charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveNotice {
    /// Number of the participant.
    pub participant: String,
    /// When it was recorded, in the study's zone.
    pub recorded_at: String,
    /// Whether answers stand with the person.
    pub named: bool,
    /// Whether nobody knows whose link is whose, so that it goes on opening.
    pub unknown: bool,
}
