//! What the demonstration prints: who wrote what, how it was read, what was decided, the answer. In English; mails and
//! letters stand in their own language.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use super::border::Dropped;
use super::mails::SampleMail;
use crate::cli::counted;
use crate::domain::language::Language;
use crate::domain::study::Study;
use crate::domain::time::Instant;
use crate::letters::opened::Opened;
use crate::letters::words;
use crate::store::inbox::InboxRow;
use crate::store::outbox::OutboxRow;
use crate::store::{Store, audit, study};
use crate::workflow::life::Activated;

/// Prints a line; a reader that has gone away (`| head`) is no reason to fail.
macro_rules! say {
    ($($piece:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($piece)*);
    }};
}
pub(super) use say;

pub(super) fn activated(study: &Study, done: &Activated) {
    say!("Study {} is active. SHA-256 of the secret its draws come from: {}", study.tag, done.secret_digest);
}

pub(super) fn opening(dir: &Path, studies: &[Study]) {
    say!("Folder of this demonstration: {}", dir.display());
    for study in studies {
        say!("{}", study.title.in_language(Language::En));
    }
}

/// Who may answer a sample survey, and where.
pub(super) fn invited(links: &[(String, String)]) {
    if !links.is_empty() {
        rule();
        say!(
            "Participants of the sample surveys got word by mail; members choose a password at /account, and the letter is shown here:"
        );
    }
    for (who, link) in links {
        say!("   {who} answers at {link}");
    }
}

/// Who may vote in the sample election, and where.
pub(super) fn voters(links: &[(String, String)], address: SocketAddr) {
    if links.is_empty() {
        return;
    }
    rule();
    say!("The sample election takes votes: http://{address}/e/council");
    for (who, link) in links {
        say!("   {who} votes at {link}");
    }
    say!("   Whoever has an account with such an address votes by that, too: http://{address}/account");
}

fn rule() {
    say!("\n{}", "━".repeat(78));
}

/// A sample mail and its answer.
pub(super) fn sample(
    place: usize,
    sample: &SampleMail,
    now: Instant,
    mail: &InboxRow,
    letters: &[(OutboxRow, Opened)],
) {
    rule();
    say!("{place}. {} wrote ({}): {}", sample.from, sample.charset, sample.subject);
    indented(&sample.text(now), "   │ ");
    outcome(mail, letters);
}

/// A mail that came in by itself, and its answer.
pub(super) fn arrived(mail: &InboxRow, letters: &[(OutboxRow, Opened)]) {
    let reading = reading(mail);
    let text = |key: &str| reading.get(key).and_then(Value::as_str).unwrap_or_default();
    let sender = if text("sender").is_empty() { "Somebody" } else { text("sender") };
    rule();
    say!("Mail {}. {} wrote: {}", mail.id, plain(sender), plain(text("subject")));
    indented(text("text"), "   │ ");
    outcome(mail, letters);
    for key in mail.reason.split(' ') {
        if let Some(words) = words::held(Language::En, key) {
            say!("   why: {words}");
        }
        match key {
            "auth-none" => say!(
                "   hint: put the file into the folder `drop` instead. There the demonstration plays the border and writes\n         \
                 what a real mail server would add: Authentication-Results, Delivered-To, Return-Path."
            ),
            "unknown-sender" => {
                say!("   hint: write as one of the sample physicians, such as From: miller@example.org");
            }
            _ => {}
        }
    }
}

/// A letter that answers no mail.
pub(super) fn unasked(row: &OutboxRow, letter: &Opened) {
    rule();
    say!("A letter went to {} ({}): {}", row.recipient, row.kind, letter.subject);
    indented(&letter.text, "     ▏ ");
}

pub(super) fn dropped(dropped: &Dropped) {
    match dropped {
        Dropped::Taken(name) => say!("\nTook {} from the folder `drop`.", plain(name)),
        Dropped::Refused(name, why) => say!("\n{} cannot be taken from the folder `drop`: {why}", plain(name)),
    }
}

fn reading(mail: &InboxRow) -> Value {
    mail.reading.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
}

fn outcome(mail: &InboxRow, letters: &[(OutboxRow, Opened)]) {
    let reading = reading(mail);
    for (item, value) in reading.get("fields").and_then(Value::as_object).into_iter().flatten() {
        let lines: Vec<String> = value.as_str().unwrap_or_default().lines().map(plain).collect();
        say!("   read: {item} = {}", lines.join(" / "));
    }
    for fault in reading.get("faults").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| fault.get(key).and_then(Value::as_str).unwrap_or_default();
        say!("   read: {} is wrong ({}) {}", text("item"), text("code"), plain(text("typed")));
    }
    if let Some(guess) = reading.get("charset_guess").and_then(Value::as_str) {
        say!("   read: the label of the charset was wrong or missing; the text is {guess}");
    }
    say!("   decided: {} {}", mail.disposition, mail.reason);
    if letters.is_empty() {
        say!("   no letter");
    }
    for (place, (row, letter)) in letters.iter().enumerate() {
        say!("   letter to {} ({}): {}", row.recipient, row.state.key(), letter.subject);
        if place == 0 {
            indented(&letter.text, "     ▏ ");
        }
    }
}

fn indented(text: &str, margin: &str) {
    for line in text.trim().lines() {
        say!("{margin}{}", plain(line));
    }
}

/// A stranger's text cannot steer the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// What is on file at the end, and that it can be proved.
pub(super) async fn summary(store: &Store, studies: &[Study], enrolled: &[String]) -> anyhow::Result<()> {
    rule();
    for subject in enrolled {
        say!("{subject}");
    }
    let mut names = Vec::new();
    for defined in studies {
        if let Some(row) = study::find_current(store, &defined.slug).await? {
            names.push((row.id, defined.tag.clone()));
            if defined.registers {
                say!("{}: {} subjects enrolled, {} randomized", defined.tag, row.subjects, row.allocations);
            }
            if defined.survey.is_some() {
                say!("{}: {}", defined.tag, counted(row.responses, "response"));
            }
        }
    }
    for chain in audit::verify_all(store).await? {
        let of = names.iter().find(|(id, _)| *id == chain.study_id).map_or("installation", |(_, tag)| tag.as_str());
        match chain.result {
            Ok(entries) => {
                say!("audit chain of {of}: whole, {entries} {}", if entries == 1 { "entry" } else { "entries" })
            }
            Err(at) => anyhow::bail!("audit chain of {of} is broken at entry {}", at.seq),
        }
    }
    Ok(())
}

/// Which of the sample surveys will show no answers here, and why that is right.
pub(super) fn nameless(studies: &[Study], people: usize) {
    for study in studies {
        let Some(survey) = study.survey.as_ref().filter(|survey| !survey.privacy.names()) else { continue };
        if u32::try_from(people).is_ok_and(|people| people < survey.batch) {
            say!(
                "\n{}: answers stand without names, so {} or more are opened together, and of fewer none ever is. The {people} people of this\n  \
                 demonstration can answer and get their receipts; `hagaki export {}` says how many answers are still sealed, and shows none.",
                study.tag,
                survey.batch,
                study.slug
            );
        }
    }
}

/// Sample mails that did not come out as their data say.
pub(super) fn surprises(surprises: &[String]) {
    for surprise in surprises {
        say!("NOT AS EXPECTED  {surprise}");
    }
    if surprises.is_empty() {
        say!("Every sample mail came out as expected.");
    }
}

pub(super) fn invitation(dir: &Path, mailbox: &Path, drop: &Path, address: SocketAddr) {
    say!("\nThe post office: http://{address}/");
    say!("  All mails and letters, and a form to write as one of the sample physicians.");
    say!(
        "A mail file of your own (.eml, or From:, Subject:, an empty line and the text): put it into\n  {}",
        drop.display()
    );
    say!(
        "  The demonstration plays the border for it and believes its sender. Straight into the mailbox, unproven:\n  {}",
        mailbox.join("new").display()
    );
    say!(
        "Every command works on this installation, such as:\n  hagaki outbox list --config {}",
        dir.join("hagaki.toml").display()
    );
    say!("Stop with Ctrl-C.");
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_mail_cannot_steer_the_terminal() {
        assert_eq!(super::plain("a\u{1b}[2Jb\u{9b}c\td"), "a\u{FFFD}[2Jb\u{FFFD}c\td");
    }
}
