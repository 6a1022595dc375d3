//! `hagaki study end-enrollment` and `close`: what a close ends is said, and asked, before it ends.

use std::io::{BufRead, IsTerminal, Write};

use serde_json::json;

use super::{Why, judged, set_state_in};
use crate::cli::installation::Opened;
use crate::cli::{End, Refused, counted};
use crate::domain::study::{Blinding, Stage, Study};
use crate::store::planned::{self, State as PlanState};
use crate::store::study::{self, State, StudyRow};
use crate::workflow::life::{self, Act};

pub(super) fn set_enrollment(slug: &str, ended: bool, why: &Why) -> anyhow::Result<End> {
    let opened = Opened::open(&why.installation)?;
    let act = Act { actor: &opened.actor, at: opened.now(), reason: &why.reason };
    let setting = life::set_enrollment(&opened.store, slug, ended, act);
    let stage = judged(opened.runtime.block_on(setting))?;
    if why.output.json {
        println!("{}", json!({ "study": slug, "stage": stage.key(), "enrollment_ended": ended }));
    } else if ended {
        println!("{slug} ({}): enrollment has ended; everything else goes on", stage.key());
        println!(
            "Take it back with `hagaki study reopen-enrollment {slug}`; the study ends with `hagaki study close {slug}`."
        );
    } else {
        println!("{slug} ({}): enrollment is open again", stage.key());
    }
    Ok(End::Done)
}

pub(super) fn close(slug: &str, yes: bool, why: &Why) -> anyhow::Result<End> {
    let opened = Opened::open(&why.installation)?;
    let row = opened.runtime.block_on(study::find_current(&opened.store, slug))?;
    // What would be refused anyway is not asked about.
    let asked = row.filter(|row| row.state != State::Closed && !(row.stage == Stage::Production && why.lacks_reason()));
    let Some(row) = asked.filter(|_| !yes) else { return set_state_in(&opened, slug, State::Closed, why) };
    let shelved = opened.study(slug)?;
    let planned = opened.runtime.block_on(planned::list(&opened.store, row.id))?;
    let waiting = planned.iter().filter(|one| one.state == PlanState::Waiting).count();
    eprintln!("{}", ends(&row, &shelved.study, waiting));
    let (stdin, terminal) = (std::io::stdin(), std::io::stderr().is_terminal() && !why.output.json);
    if terminal && stdin.is_terminal() {
        eprint!("Write the name of the study to close it: ");
        std::io::stderr().flush()?;
        if !agrees(&mut stdin.lock(), slug)? {
            return Err(Refused(format!("{slug} was not closed; nothing was changed")).into());
        }
        return set_state_in(&opened, slug, State::Closed, why);
    }
    Err(Refused(format!("{slug} was not closed; if all of that may end: the same again with --yes")).into())
}

/// Whether the next line is the study's name.
fn agrees(answer: &mut impl BufRead, slug: &str) -> std::io::Result<bool> {
    let mut line = String::new();
    answer.read_line(&mut line)?;
    Ok(line.trim() == slug)
}

/// What the close of a study ends, for a terminal.
fn ends(row: &StudyRow, study: &Study, waiting: usize) -> String {
    let slug = &row.slug;
    let mut lines = vec![match row.stage {
        Stage::Production => format!("Closing {slug} (production) cannot be undone. It ends"),
        Stage::Development => {
            format!("Closing the rehearsal {slug} (`hagaki study activate` goes on with it). It ends")
        }
    }];
    let mut line = |what: &str| lines.push(format!("  - {what}"));
    match study.scheme.is_some() {
        true => line("enrollment and every randomization"),
        false => line("enrollment"),
    }
    if !study.events.is_empty() {
        line("data entry: forms of events are taken no more, and those on file are corrected no more");
    }
    if study.survey.is_some() {
        line("the survey: answers are taken no more");
    }
    if study.blinding == Blinding::Blinded {
        line(
            "the blind: `hagaki unblind --all` may tell the arm of every subject, and exports and journals with arms may leave",
        );
        line("the handing out of kits: nobody is given one, or another one, any more");
    }
    if study.scheme.is_some() {
        line("the secrecy of the draws: `hagaki allocation reveal` may give the secret away");
    }
    match waiting {
        0 => line("amendments"),
        waiting => {
            line(&format!("amendments; {} that wait are withdrawn", counted(waiting as u64, "planned amendment")))
        }
    }
    lines.push("What is known of subjects on file (withdrawals, errors, corrections of the registration) can still be recorded.".into());
    if row.enrollment_ended_at.is_none() {
        lines.push(format!("To end enrollment alone and go on with the rest: `hagaki study end-enrollment {slug}`."));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_the_study_agrees() {
        for (answer, agreed) in
            [("aurora\n", true), (" aurora \r\n", true), ("y\n", false), ("yes\n", false), ("", false)]
        {
            assert_eq!(agrees(&mut answer.as_bytes(), "aurora").unwrap(), agreed, "{answer:?}");
        }
    }
}
