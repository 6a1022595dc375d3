//! `hagaki election booth`: the page on which the voters of a verifiable election make their ballots.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::papers::{self, For};
use crate::cli::{End, Output, Refused, counted};
use crate::daemon::machine::SystemDice;
use crate::domain::belenios::audit::{Audit, Expected, Report};
use crate::domain::belenios::element::Element;
use crate::domain::belenios::json::base64_digest;
use crate::domain::belenios::problem::{Place, Problem};
use crate::domain::belenios::tar::Splitter;
use crate::domain::text::clean;
use crate::domain::time::Dice;
use crate::limits;
use crate::web::booth::{BoothPage, BoothPlan};

/// Bytes of the archive that are read at once.
const PIECE: usize = 1 << 20;
/// Longest text of others that is shown, in characters.
const SHOWN_CHARS: usize = 200;

/// What to make it of.
#[derive(Debug, Args)]
pub struct BoothArgs {
    /// The archive of the election, `….bel`; only its beginning is read. Without it the page asks whoever opens it for one.
    #[arg(long, value_name = "FILE")]
    bel: Option<PathBuf>,
    /// The page, which must not be there yet.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Where ballots are sent to, of the same server that serves the page: `https://…`, or a path that begins with `/`. Without it ballots
    /// are saved as files.
    #[arg(long, value_name = "URL")]
    cast_url: Option<String>,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: &BoothArgs) -> anyhow::Result<End> {
    if let Some(address) = args.cast_url.as_deref().filter(|address| !is_usable(address)) {
        return Err(Refused(format!(
            "{}: --cast-url takes https://… (http:// for this machine alone: browsers encrypt on no other) or a path that begins with one /",
            shown(address)
        ))
        .into());
    }
    let opened = args.bel.as_deref().map(open).transpose()?;
    let plan = BoothPlan {
        election: opened.as_ref().map(|opened| opened.file.as_str()),
        keys: opened.as_ref().map_or(&[], |opened| &opened.keys),
        cast: args.cast_url.as_deref(),
    };
    let page = BoothPage::assemble(&plan)?;
    papers::write(&args.out, page.text().as_bytes(), For::Everybody)?;
    if args.output.json {
        let report = opened.as_ref().map(|opened| &opened.report);
        println!(
            "{}",
            json!({
                "out": args.out.display().to_string(),
                "bytes": page.text().len(),
                "sha256": page.digest(),
                "integrity": page.integrity(),
                "fingerprint": report.and_then(|report| Some(&report.election.as_ref()?.fingerprint)),
                "credentials": report.map(|report| &report.credentials),
                "voters": report.map(|report| report.voters),
            })
        );
    } else {
        tell(args, &page, opened.as_ref());
    }
    Ok(End::Done)
}

/// What others wrote, fit for a terminal.
fn shown(text: &str) -> String {
    clean(text, SHOWN_CHARS)
}

/// Whether a browser may send a ballot there.
fn is_usable(address: &str) -> bool {
    let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    let ends = |rest: &str| rest.is_empty() || rest.starts_with([':', '/']);
    address.strip_prefix("https://").is_some_and(|rest| !rest.is_empty())
        || local.iter().any(|host| address.strip_prefix(host).is_some_and(ends))
        || (address.starts_with('/') && !address.starts_with("//"))
}

/// An archive as far as the election is set up in it.
struct Opened {
    report: Report,
    file: String,
    keys: Vec<Element>,
}

/// Reads an archive as far as the election is set up in it; everything up to there holds.
fn open(path: &Path) -> anyhow::Result<Opened> {
    let failed = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(failed)?;
    let (mut audit, mut splitter) = (Audit::begin(Expected { open: true, ..Expected::default() }), Splitter::default());
    let (mut texts, mut piece) = (Vec::new(), vec![0; PIECE]);
    while audit.setup().is_none() && !audit.is_over() {
        let read = file.read(&mut piece).with_context(failed)?;
        splitter.push(&piece[..read]);
        while audit.setup().is_none() && !audit.is_over() {
            match splitter.next_record() {
                Ok(Some(record)) => {
                    if texts.len() < limits::BEL_DATA_WAITING {
                        texts.push(record.body.clone());
                    }
                    audit.take(record);
                }
                Ok(None) => break,
                Err(code) => {
                    audit.note(Place::Archive, code);
                    audit.stop();
                }
            }
        }
        if read == 0 {
            break;
        }
    }
    let mut seed = [0; 32];
    SystemDice.fill(&mut seed);
    audit.work_off(seed);
    let keys = audit.setup().map(|setup| setup.credentials.keys.clone());
    let report = audit.finish();
    if let Some(Problem { place, code }) = report.problems.first() {
        let why = format!("no booth can be made of {}: {place}: {} [{}]", path.display(), code.text(), code.name());
        return Err(Refused(why).into());
    }
    let is_file = |text: &Vec<u8>| report.election.as_ref().is_some_and(|own| own.fingerprint == base64_digest(text));
    let file = texts.into_iter().find(is_file).and_then(|file| String::from_utf8(file).ok());
    let (file, keys) = file.zip(keys).context("an archive without a problem is set up")?;
    Ok(Opened { report, file, keys })
}

fn tell(args: &BoothArgs, page: &BoothPage, opened: Option<&Opened>) {
    println!("{} ({} bytes)", args.out.display(), page.text().len());
    println!("  SHA-256, as sha256sum prints it {}", page.digest());
    println!("  the same as browsers write it   {}", page.integrity());
    if let Some(Opened { report, .. }) = opened
        && let Some(election) = &report.election
    {
        println!("  {}", shown(&election.name));
        println!("  fingerprint of the election     {}", election.fingerprint);
        println!("  digest of the credentials       {}", report.credentials);
        println!("  {} may vote", counted(report.voters, "credential"));
        if !report.credentials_sorted {
            println!(
                "  Note: the credentials are not in sorted order, which may tell whose they are to somebody who knows the roll's."
            );
        }
    }
    println!(
        "Put the digest into the notice of the election, with the fingerprint: whoever saves the page can compare them."
    );
    if args.cast_url.is_none() {
        println!("Without --cast-url the page sends nothing: ballots are saved as files, and handed in.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ballots_go_where_browsers_encrypt() {
        for (address, usable) in [
            ("https://vote.example.jp/e/council", true),
            ("http://127.0.0.1:8080/cast", true),
            ("http://localhost", true),
            ("/cast", true),
            ("http://vote.example.jp/cast", false),
            ("http://localhost.example.jp/cast", false),
            ("//vote.example.jp/cast", false),
            ("javascript:alert(1)", false),
            ("https://", false),
            ("", false),
        ] {
            assert_eq!(is_usable(address), usable, "{address}");
        }
    }
}
