//! `hagaki study end-enrollment` and `close`: what a close ends is said, and asked, before it ends.

use std::io::{BufRead, IsTerminal, Write};

use clap::Args;
use serde_json::json;

use super::{Why, judged};
use crate::cli::installation::Opened;
use crate::cli::{End, Refused, counted};
use crate::domain::study::{Blinding, Person, Stage, Study};
use crate::store::planned::{self, State as PlanState};
use crate::store::study::{self, State, StudyRow};
use crate::workflow::confirm::Unanswered;
use crate::workflow::ending::{self, Decision};
use crate::workflow::life::Act;
use crate::workflow::shelf::Shelf;

/// Who decided, and why.
#[derive(Debug, Args)]
pub struct Decided {
    /// Id of the person of the study who decided it; stands in the audit chain, and by name in the letters to the staff. If left out,
    /// these say that it was the operator; a study in production is amended by somebody.
    #[arg(long)]
    by: Option<String>,
    /// Why, and where.
    #[command(flatten)]
    pub(super) why: Why,
}

impl Decided {
    pub(super) fn by<'a>(&'a self, opened: &'a Opened) -> Decision<'a> {
        let act = Act { actor: &opened.actor, at: opened.now(), reason: &self.why.reason };
        Decision { by: self.by.as_deref(), act }
    }

    /// Whether it is said why, and by whom of those people.
    pub(super) fn is_accounted(&self, people: &[Person]) -> bool {
        !self.why.lacks_reason() && people.iter().any(|person| self.by.as_ref() == Some(&person.id))
    }
}

pub(super) fn set_enrollment(slug: &str, ended: bool, decided: &Decided) -> anyhow::Result<End> {
    let opened = Opened::open(&decided.why.installation)?;
    let (shelved, pen) = (opened.study(slug)?, opened.pen()?);
    let (shelf, decision) = (Shelf::new(opened.store.clone()), decided.by(&opened));
    let setting = ending::set_enrollment(&shelf, &shelved, pen.means(&opened), ended, decision);
    let stage = judged(opened.runtime.block_on(setting))?;
    let told = shelved.study.people.len();
    if decided.why.output.json {
        println!("{}", json!({ "study": slug, "stage": stage.key(), "enrollment_ended": ended, "told": told }));
        return Ok(End::Done);
    }
    if ended {
        println!("{slug} ({}): enrollment has ended; everything else goes on", stage.key());
        println!(
            "Take it back with `hagaki study reopen-enrollment {slug}`; the study ends with `hagaki study close {slug}`."
        );
    } else {
        println!("{slug} ({}): enrollment is open again", stage.key());
    }
    println!("{}", letters(told));
    Ok(End::Done)
}

pub(super) fn letters(told: usize) -> String {
    format!("The staff are told by letter: {}.", counted(told as u64, "letter"))
}

pub(super) fn close(slug: &str, yes: bool, decided: &Decided) -> anyhow::Result<End> {
    let why = &decided.why;
    let opened = Opened::open(&why.installation)?;
    let (shelved, pen) = (opened.study(slug)?, opened.pen()?);
    let shelf = Shelf::new(opened.store.clone());
    let (row, planned, unanswered) = opened.runtime.block_on(async {
        let row = study::load(&opened.store, shelved.id).await?;
        let planned = planned::list(&opened.store, shelved.id).await?;
        let act = decided.by(&opened).act;
        Ok::<_, anyhow::Error>((row, planned, ending::unanswered(&shelf, shelved.id, act).await?))
    })?;
    let waiting = planned.iter().filter(|one| one.state == PlanState::Waiting).count();
    // What would be refused anyway is not asked about.
    if row.state != State::Closed && !(row.stage == Stage::Production && why.lacks_reason()) {
        eprintln!("{}", ends(&row, &shelved.study, waiting as u64, unanswered));
        if !yes {
            ask(slug, why.output.json, ["close", "closed", "end"])?;
        }
    }
    let closing = ending::close(&shelf, &shelved, pen.means(&opened), decided.by(&opened));
    let stage = judged(opened.runtime.block_on(closing))?;
    let told = shelved.study.people.len();
    if why.output.json {
        println!("{}", json!({ "study": slug, "stage": stage.key(), "state": State::Closed.key(), "told": told }));
    } else {
        // Everybody hears of each planned amendment that ends with it, too.
        let letters = letters(told * (1 + waiting));
        println!("{slug} ({}) is {}\n{letters}", stage.key(), State::Closed.key());
    }
    Ok(End::Done)
}

/// Goes on only if somebody at a terminal writes the study's name; what is asked is said by a verb, by what was done then, and by what all
/// that was shown would do.
pub(super) fn ask(slug: &str, json: bool, [verb, done, does]: [&str; 3]) -> anyhow::Result<()> {
    confirm(
        slug,
        json,
        &format!("Write the name of the study to {verb} it: "),
        &format!("{slug} was not {done}; if all of that may {does}: the same again with --yes"),
        &format!("{slug} was not {done}; nothing was changed"),
    )
}

/// Goes on only if somebody at a terminal writes `word`; where nobody is, `how` is the refusal, and where they write something else
/// `refused` is.
pub(in crate::cli) fn confirm(word: &str, json: bool, prompt: &str, how: &str, refused: &str) -> anyhow::Result<()> {
    let (stdin, terminal) = (std::io::stdin(), std::io::stderr().is_terminal() && !json);
    if !(terminal && stdin.is_terminal()) {
        return Err(Refused(how.to_string()).into());
    }
    eprint!("{prompt}");
    std::io::stderr().flush()?;
    match agrees(&mut stdin.lock(), word)? {
        true => Ok(()),
        false => Err(Refused(refused.to_string()).into()),
    }
}

/// Whether the next line is that word.
fn agrees(answer: &mut impl BufRead, word: &str) -> std::io::Result<bool> {
    let mut line = String::new();
    answer.read_line(&mut line)?;
    Ok(line.trim() == word)
}

/// What the close of a study ends, for a terminal.
fn ends(row: &StudyRow, study: &Study, waiting: u64, unanswered: Unanswered) -> String {
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
    let Unanswered { enrollments, randomizations, kits, responses, follow_ups, .. } = unanswered;
    let asked = [
        (enrollments, "enrollment"),
        (randomizations, "further randomization"),
        (kits, "replacement of a kit"),
        (responses, "survey response"),
        (follow_ups, "form of an event"),
    ];
    let asked: Vec<String> = asked
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| match *what {
            "replacement of a kit" if *count > 1 => format!("{count} replacements of kits"),
            "form of an event" if *count > 1 => format!("{count} forms of events"),
            what => counted(*count, what),
        })
        .collect();
    match asked.is_empty() {
        true => line("requests that wait for a confirmation by mail: none waits now"),
        false => line(&format!(
            "requests that wait for a confirmation by mail: {} will be refused when it comes",
            asked.join(", ")
        )),
    }
    match waiting {
        0 => line("amendments"),
        1 => line("amendments; 1 planned amendment that waits is withdrawn"),
        waiting => line(&format!("amendments; {waiting} planned amendments that wait are withdrawn")),
    }
    let further = match study.randomizations.is_empty() {
        true => "",
        false => " and of the forms of further randomizations",
    };
    lines.push(format!(
        "What becomes known of subjects on file can still be recorded by mail and by `hagaki subject note`: withdrawals, errors, \
         ineligibility, duplicates, corrections of the registration{further}. These change no allocation, for none follows."
    ));
    if study.blinding == Blinding::Blinded {
        lines.push(
            "So it is after the blind was opened for all, too; the audit chain shows what was recorded before, and what with knowledge of \
             the arms. One subject can still be unblinded, and kits be marked as returned, lost or kept back."
                .into(),
        );
    }
    lines.push(format!("Everybody in [[people]] is told by letter: {}.", counted(study.people.len() as u64, "letter")));
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
