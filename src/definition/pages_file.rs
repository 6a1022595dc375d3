//! `[pages]` of `study.toml`: what is asked of the staff before the pages of cases.

use super::document::Section;
use crate::domain::second_factor::{Proof, StepUp};
use crate::limits;

/// Reads the section; nothing beyond signing in where it is left out.
pub(super) fn read(root: &Section) -> Option<StepUp> {
    let section = root.section("pages")?;
    let words = [("none", None), ("password", Some(Proof::Password)), ("second-factor", Some(Proof::SecondFactor))];
    let proof = section.need_word("step_up", &words).flatten();
    let minutes = section.count("step_up_minutes");
    if let Some(minutes) = minutes {
        if !(1..=limits::STEP_UP_MINUTES_MOST).contains(&minutes) {
            section.wrong(
                "step_up_minutes",
                format!("{minutes} minutes are not between 1 and {}", limits::STEP_UP_MINUTES_MOST),
                "write for how many minutes what was shown last holds, such as 30",
            );
        } else if proof.is_none() {
            section.wrong(
                "step_up_minutes",
                "nothing is asked for, so nothing holds for a time".to_string(),
                "write step_up = \"password\" or \"second-factor\", or take this line away",
            );
        }
    }
    section.close();
    let seconds = i64::from(minutes.unwrap_or(limits::STEP_UP_MINUTES)) * 60;
    proof.map(|proof| StepUp { proof, seconds })
}
