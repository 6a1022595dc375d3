//! What the demonstration prints: who wrote what, how it was read, what was decided, the answer.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use super::mails::SampleMail;
use crate::domain::study::Study;
use crate::domain::time::Instant;
use crate::letters::opened::Opened;
use crate::store::inbox::InboxRow;
use crate::store::outbox::OutboxRow;
use crate::store::{Store, audit, study};
use crate::workflow::life::Activated;

pub(super) fn activated(study: &Study, done: &Activated) {
    println!("Study {} is active. SHA-256 of the secret its draws come from: {}", study.tag, done.secret_digest);
}

pub(super) fn opening(dir: &Path, inbox_folder: &Path, studies: &[Study]) {
    println!("Folder of this demonstration: {}", dir.display());
    println!("Mailbox (drop mail files into its folder `new`): {}", inbox_folder.display());
    for study in studies {
        println!("{}: {}", study.tag, study.title.in_language(study.languages[0]));
    }
}

/// One mail and its answer.
pub(super) fn exchange(
    place: usize,
    sample: &SampleMail,
    now: Instant,
    mail: &InboxRow,
    letters: &[(OutboxRow, Opened)],
) {
    println!("\n{}", "━".repeat(78));
    println!("{place}. {} wrote ({}): {}", sample.from, sample.charset, sample.subject);
    indented(&sample.text(now), "   │ ");
    let reading: Value =
        mail.reading.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    for (item, value) in reading.get("fields").and_then(Value::as_object).into_iter().flatten() {
        println!("   read: {item} = {}", value.as_str().unwrap_or_default());
    }
    for fault in reading.get("faults").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| fault.get(key).and_then(Value::as_str).unwrap_or_default();
        println!("   read: {} is wrong ({}) {}", text("item"), text("code"), text("typed"));
    }
    if let Some(guess) = reading.get("charset_guess").and_then(Value::as_str) {
        println!("   read: the label was wrong; the text is {guess}");
    }
    println!("   decided: {} {}", mail.disposition, mail.reason);
    if letters.is_empty() {
        println!("   no letter");
    }
    for (place, (row, letter)) in letters.iter().enumerate() {
        println!("   letter to {} ({}): {}", row.recipient, row.state.key(), letter.subject);
        if place == 0 {
            indented(&letter.text, "     ▏ ");
        }
    }
}

fn indented(text: &str, margin: &str) {
    for line in text.trim().lines() {
        println!("{margin}{line}");
    }
}

/// What is on file at the end, and that it can be proved.
pub(super) async fn summary(store: &Store, studies: &[Study]) -> anyhow::Result<()> {
    println!("\n{}", "━".repeat(78));
    for defined in studies {
        if let Some(row) = study::find_current(store, &defined.slug).await? {
            println!("{}: {} subjects enrolled, {} allocations", defined.tag, row.subjects, row.allocations);
        }
    }
    for chain in audit::verify_all(store).await? {
        match chain.result {
            Ok(entries) => println!("audit chain {}: whole, {entries} entries", chain.study_id),
            Err(at) => anyhow::bail!("audit chain {} is broken at entry {}", chain.study_id, at.seq),
        }
    }
    Ok(())
}

pub(super) fn invitation(dir: &Path, inbox_folder: &Path, address: SocketAddr) {
    println!("\nThe post office: http://{address}/   (all mails and letters, and a form to write another)");
    println!("Or drop a mail file of your own into {}", inbox_folder.join("new").display());
    println!("Every command works on it, such as: hagaki outbox list --config {}", dir.join("hagaki.toml").display());
    println!("Stop with Ctrl-C.");
}
