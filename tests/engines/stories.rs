//! Stories: what people write, what is decided, who is told what.

mod access;
mod afterwards;
mod amending;
mod answered;
mod at_once;
mod begun;
mod binding;
mod calendar;
mod cases;
mod closed_arms;
mod cohorts;
mod corrections;
mod disorder;
mod due_letters;
mod enrolling;
mod exporting;
pub(crate) mod facts;
mod fate;
mod federation;
mod files;
mod follow_up_mail;
mod forcing;
mod given_back;
mod groups;
mod households;
mod kit_mails;
mod kit_pools;
mod kits;
mod known_browser;
mod known_places;
mod leaving;
mod letters_out;
mod levels;
mod mailings;
pub(crate) mod members;
mod named_values;
mod names;
mod opt_out;
mod pairs;
mod planned;
mod proofs;
mod randomized_facts;
mod randomizing;
mod rescreening;
mod scheduled;
mod sealed;
mod second_factor;
mod self_enrolling;
mod session_over;
mod steered_mailings;
mod study_life;
mod survey;
mod survey_attacked;
mod survey_by_mail;
mod survey_seen;
mod tabs;
mod taken_back;
mod told_twice;
mod trail;
mod trust;
mod unblinding;
mod unsent;
mod usable;
mod versions;
mod weekly;
mod wording;

use hagaki::definition::{Bundle, samples};
use hagaki::domain::study::Stage;

use crate::harness::*;

/// AURORA with another `allocation.toml` text in place of its caps.
fn capped(from: &str, to: &str) -> Bundle {
    edited(&samples::aurora(), "allocation.toml", from, to)
}

/// AURORA asks for a confirmation of every registration.
fn confirming() -> Bundle {
    edited(&samples::aurora(), "study.toml", "confirm = false", "confirm = true")
}

/// How the newest mail was settled.
async fn reason(center: &Center) -> String {
    center.last_mail().await.reason
}

/// Puts AURORA into production as it is.
async fn aurora(center: &Center) {
    center.activate(&samples::aurora(), Stage::Production).await;
}

/// Puts BOREALIS into production as it is.
async fn borealis(center: &Center) {
    center.activate(&samples::borealis(), Stage::Production).await;
}
