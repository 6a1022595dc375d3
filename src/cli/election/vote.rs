//! `hagaki election vote`: a ballot of a verifiable election, made offline.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::SHOWN_CHARS;
use super::audited::{self, Known};
use super::papers::{self, For};
use crate::cli::{End, Refused};
use crate::daemon::machine::SystemDice;
use crate::domain::belenios::ballot;
use crate::domain::belenios::choices::Chosen;
use crate::domain::belenios::credential::Credential;
use crate::domain::belenios::element::Element;
use crate::domain::belenios::json::base64_digest;
use crate::domain::belenios::problem::Code;
use crate::domain::belenios::setup::Election;
use crate::domain::text::clean;

/// What is documented beside the arguments.
const FORMATS: &str = "\
CHOICES is a JSON list with one entry for each question, in their order:

  [\"Sato\", \"Suzuki\"]   answers, as they are worded
  \"blank\"              a blank ballot, where the question takes one
  [0, 1, 0]            a number for each answer, as belenios-tool takes them; where a blank
                       ballot is possible, the one for blank stands first

Without --choices the questions are shown, and nothing is made.";

/// A ballot to make.
#[derive(Debug, Args)]
#[command(after_long_help = FORMATS, after_help = "The format of the choices is told by --help.")]
pub struct VoteArgs {
    /// The archive of the election: its trustees and the list of credentials are checked, too.
    #[arg(long, required_unless_present = "election", conflicts_with = "election")]
    bel: Option<PathBuf>,
    /// The election's file alone (election.json); then nobody here checks trustees and credentials.
    #[arg(long, conflicts_with_all = ["credentials", "voters"])]
    election: Option<PathBuf>,
    /// File with your credential.
    #[arg(long, requires = "choices")]
    credential: Option<PathBuf>,
    /// File with your choices; without it the questions are shown.
    #[arg(long, requires = "credential")]
    choices: Option<PathBuf>,
    /// File to write the ballot to.
    #[arg(long, default_value = "ballot.json")]
    out: PathBuf,
    /// What is known from elsewhere.
    #[command(flatten)]
    known: Known,
}

pub(super) fn run(args: &VoteArgs) -> anyhow::Result<End> {
    let audit = match &args.bel {
        Some(bel) => Some(audited::set_up(bel, args.known.expected(true))?),
        None => None,
    };
    let setup = audit.as_ref().and_then(|audit| audit.setup());
    let election = match (setup, &args.election) {
        (Some(setup), _) => setup.election.clone(),
        (None, Some(path)) => read_election(path, &args.known)?,
        (None, None) => return Err(Refused("name an election, with --bel or --election".to_owned()).into()),
    };
    let (Some(credential), Some(choices)) = (&args.credential, &args.choices) else {
        show(&election);
        return Ok(End::Done);
    };
    let shown = choices.display().to_string();
    let votes = votes(&election, &papers::text(choices)?)
        .map_err(|wrong| Refused(format!("no ballot was made: {shown}: {wrong}")))?;
    let credential = Credential::parse(papers::text(credential)?.trim())
        .map_err(|fault| Refused(format!("no ballot was made: {}: {fault}", credential.display())))?;
    let secret = credential.secret(&election.uuid);
    if let Some(setup) = setup
        && !setup.credentials.has(&secret.public())
    {
        let told = Code::CredentialUnknown;
        return Err(Refused(format!("no ballot was made: {} [{}]", told.text(), told.name())).into());
    }
    let ballot = ballot::make(&election, secret.exponent(), &votes, &SystemDice)
        .map_err(|_| Refused("no ballot was made: the choices break the rule of a question".to_owned()))?;
    papers::write(&args.out, &ballot, For::Everybody)?;
    println!("{}: your ballot, encrypted and signed", args.out.display());
    println!("tracker: {}", base64_digest(&ballot));
    println!(
        "YOU HAVE NOT VOTED YET. Send the file to those who take the votes, and look for the tracker in what they publish."
    );
    if !args.known.is_enough() {
        println!("Compare the fingerprint of the election with its notice: {}", election.fingerprint);
    }
    Ok(End::Done)
}

fn read_election(path: &std::path::Path, known: &Known) -> anyhow::Result<Election> {
    let refused =
        |code: Code| Refused(format!("no ballot was made: {}: {} [{}]", path.display(), code.text(), code.name()));
    let election = Election::read(papers::read(path)?.trim_ascii()).map_err(refused)?;
    if !election.key.belongs() {
        return Err(refused(Code::OutsideGroup).into());
    }
    if election.key == Element::ONE {
        return Err(refused(Code::OpenKey).into());
    }
    if known.fingerprint.as_ref().is_some_and(|own| *own != election.fingerprint) {
        return Err(refused(Code::OtherFingerprint).into());
    }
    Ok(election)
}

/// The numbers of every question; else what is wrong, and where.
fn votes(election: &Election, text: &str) -> Result<Vec<Vec<u64>>, String> {
    let entries: Vec<Value> = serde_json::from_str(text).map_err(|error| format!("is no JSON list: {error}"))?;
    let (many, needed) = (entries.len(), election.questions.len());
    if many != needed {
        return Err(format!("has {many} entries, and the election has {needed} questions"));
    }
    let mut votes = Vec::with_capacity(needed);
    for ((at, question), entry) in (1..).zip(&election.questions).zip(entries) {
        let chosen = chosen(entry).ok_or_else(|| format!("question {at}: write answers, \"blank\", or numbers"))?;
        votes.push(chosen.votes(question).map_err(|fault| format!("question {at}: {fault}"))?);
    }
    Ok(votes)
}

fn chosen(entry: Value) -> Option<Chosen> {
    match entry {
        Value::String(word) => (word == "blank").then_some(Chosen::Blank),
        Value::Array(entries) if entries.iter().all(Value::is_u64) && !entries.is_empty() => {
            entries.iter().map(Value::as_u64).collect::<Option<_>>().map(Chosen::Numbers)
        }
        Value::Array(entries) => {
            entries.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<_>>().map(Chosen::Answers)
        }
        _ => None,
    }
}

fn show(election: &Election) {
    let shown = |text: &str| clean(text, SHOWN_CHARS);
    println!("{}", shown(&election.name));
    println!("  fingerprint {}", election.fingerprint);
    for (at, question) in (1..).zip(&election.questions) {
        let blank = if question.blank { ", or blank" } else { "" };
        println!("question {at}: {} ({} to {} answers{blank})", shown(&question.question), question.min, question.max);
        for answer in &question.answers {
            println!("  {}", shown(answer));
        }
    }
}
