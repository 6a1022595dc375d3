//! The mail edge: mailboxes that mails come from, the desk that reads them, and transports that letters leave by.
//!
//! In charge of everything between a mail server and a [`Request`](crate::domain::request::Request), and between an
//! outbox row and a mail server; and of what is asked of DNS ([`names`]). Decides nothing about studies. Each loop has one form: a
//! step, and a wait.

pub mod calendar;
pub mod connection;
pub mod desk;
pub mod dispatch;
pub mod intake;
pub mod mailbox;
pub mod names;
pub mod reading;
pub mod transport;

use std::time::Duration;

use crate::domain::urgency::Lane;
use crate::store::StoreError;
use crate::workflow::Failure;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// Something; there may be more at once.
    Something,
    /// There was nothing to do.
    Nothing,
}

/// Why a step failed; the next one begins anew.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The mailbox.
    #[error(transparent)]
    Mailbox(mailbox::MailboxError),
    /// A use case.
    #[error(transparent)]
    Workflow(#[from] Failure),
    /// The server that takes letters is away or does not take ours; they wait.
    #[error("letters wait until the mail server is tried again in {seconds} s: {why}")]
    Away {
        /// Until it is tried again.
        seconds: u64,
        /// What it said, or what happened.
        why: String,
    },
}

/// One of the loops.
pub enum Worker {
    /// Mailbox → inbox row.
    Intake(Box<intake::Intake>),
    /// Inbox row → outcome.
    Desk(Box<desk::Desk>),
    /// Outbox row → mail server.
    Dispatch(Box<dispatch::Dispatch>),
    /// What is due → letters.
    Calendar(Box<calendar::Calendar>),
}

impl Worker {
    /// Name in logs, metrics and `/readyz`.
    pub fn name(&self) -> String {
        match self {
            Worker::Intake(intake) => format!("intake:{}", intake.name),
            Worker::Desk(_) => "desk".to_string(),
            Worker::Dispatch(dispatch) => match dispatch.lane {
                Lane::Awaited => format!("dispatch:{}", dispatch.desk.mailbox),
                Lane::Mailings => format!("mailings:{}", dispatch.desk.mailbox),
            },
            Worker::Calendar(_) => "calendar".to_string(),
        }
    }

    /// Does one step.
    ///
    /// # Errors
    /// The step failed; nothing is lost.
    pub async fn step(&mut self) -> Result<Did, StepError> {
        match self {
            Worker::Intake(intake) => intake.step().await,
            Worker::Desk(desk) => desk.step().await,
            Worker::Dispatch(dispatch) => dispatch.step().await,
            Worker::Calendar(calendar) => calendar.step().await,
        }
    }

    /// Waits until there may be something to do.
    pub async fn wait(&mut self) {
        match self {
            Worker::Intake(intake) => intake.wait().await,
            Worker::Desk(desk) => desk.wait().await,
            Worker::Dispatch(dispatch) => dispatch.wait().await,
            Worker::Calendar(calendar) => calendar.wait().await,
        }
    }

    /// How long to pause after this failure, where the loop knows better than the usual back-off.
    pub fn pause_after(&mut self, error: &StepError) -> Option<Duration> {
        match self {
            Worker::Intake(intake) => intake.pause_after(error),
            Worker::Dispatch(_) => match error {
                StepError::Away { seconds, .. } => Some(Duration::from_secs(*seconds)),
                _ => None,
            },
            Worker::Desk(_) | Worker::Calendar(_) => None,
        }
    }

    /// Gives back what is held, before the daemon ends.
    pub async fn stop(&mut self) {
        match self {
            Worker::Intake(intake) => intake.stop().await,
            Worker::Desk(desk) => desk.stop().await,
            Worker::Dispatch(_) | Worker::Calendar(_) => {}
        }
    }
}
