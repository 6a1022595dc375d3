//! Reading mail: the corpus, many further odd mails, mutations, and a second parser's opinion.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hagaki::cli::reading::{self as command, Output};
use hagaki::definition::{self, Bundle};
use hagaki::domain::study::Study;
use hagaki::domain::time::Instant;
use hagaki::mail::reading::{Inbox, Reading, World, read, read_contained};
use serde_json::Value;

mod corpus;
mod hostile;
mod odd;
mod second_opinion;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn study_a() -> Study {
    definition::load(&Bundle::read(&data().join("studies/study-a"))).expect("study-a loads").0
}

fn now() -> Instant {
    Instant::parse_rfc3339("2026-11-20T09:05:00+09:00").expect("a fixed time")
}

/// Reads a mail in the world of the corpus.
fn reading(study: &Study, raw: &[u8]) -> Reading {
    let studies = [study];
    read(
        &World {
            studies: &studies,
            post: study.post.as_ref().expect("study-a has its post"),
            now: now(),
            vouched: Default::default(),
        },
        raw,
    )
}

/// Every `.eml` of the corpus with its name, in order.
fn mails() -> Vec<(String, Vec<u8>)> {
    let mut mails: Vec<(String, Vec<u8>)> = std::fs::read_dir(data().join("mail"))
        .expect("the corpus is there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read(&path).expect("a readable mail"))
        })
        .collect();
    mails.sort();
    assert!(mails.len() >= 52, "the corpus is whole");
    mails
}

fn to_lf(raw: &[u8]) -> Vec<u8> {
    let mut lf = Vec::with_capacity(raw.len());
    for (at, byte) in raw.iter().enumerate() {
        if !(*byte == b'\r' && raw.get(at + 1) == Some(&b'\n')) {
            lf.push(*byte);
        }
    }
    lf
}

fn to_crlf(raw: &[u8]) -> Vec<u8> {
    let mut crlf = Vec::with_capacity(raw.len());
    for byte in to_lf(raw) {
        if byte == b'\n' {
            crlf.push(b'\r');
        }
        crlf.push(byte);
    }
    crlf
}
