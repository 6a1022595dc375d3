//! `hagaki preview SLUG LETTER`: one letter as it would go out, or the facts its templates may state.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::json;

use super::installation::Opened;
use super::{End, Installation, Output, Refused};
use crate::daemon::machine::SystemClock;
use crate::definition::{self, Bundle};
use crate::domain::language::Language;
use crate::domain::study::{Stage, Study};
use crate::domain::time::Clock;
use crate::letters::{Kind, Stationery, samples};

/// Arguments of `hagaki preview`.
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// Slug of an active study, or a bundle's folder.
    study: String,
    /// Kind of letter; without one, the kinds there are.
    #[arg(value_parser = kind)]
    letter: Option<Kind>,
    /// Language: ja or en; else the study's first.
    #[arg(long, value_parser = language)]
    language: Option<Language>,
    /// Print the facts its templates may state.
    #[arg(long)]
    fields: bool,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

fn kind(word: &str) -> Result<Kind, String> {
    Kind::find(word).ok_or_else(|| format!("no letter; there are {}", Kind::ALL.map(Kind::key).join(", ")))
}

fn language(code: &str) -> Result<Language, String> {
    Language::find(code).ok_or_else(|| "no language of ours; write ja or en".to_string())
}

pub(super) fn run(args: PreviewArgs) -> anyhow::Result<End> {
    let Some(kind) = args.letter else {
        defined(&args)?;
        if args.output.json {
            println!("{}", json!({ "letters": Kind::ALL.map(Kind::key).to_vec() }));
        } else {
            println!("{}", Kind::ALL.map(Kind::key).join("\n"));
        }
        return Ok(End::Done);
    };
    let (study, stationery, stage) = defined(&args)?;
    let language = args.language.unwrap_or(study.languages[0]);
    let Some(person) = study.people.iter().find(|person| kind.may_go_to(study.blinding, person)) else {
        return Err(Refused(format!("nobody in this study may be sent the letter {}", kind.key())).into());
    };
    let service = study.post.as_ref().map_or_else(|| "reg@example.jp".to_string(), |post| post.address.clone());
    let now = SystemClock::default().now();
    let sample = samples::for_study(kind, &study, stage, person, &service, now, language);
    if args.fields {
        let fields = stationery.fields(&sample).context("the facts cannot be shown")?;
        println!("{}", serde_json::to_string_pretty(&fields).context("the facts are JSON")?);
        return Ok(End::Done);
    }
    let composed = stationery.compose(&sample).map_err(|fault| anyhow!("{fault}"))?;
    if args.output.json {
        println!(
            "{}",
            json!({ "letter": kind.key(), "language": language.code(), "subject": composed.subject,
                               "text": composed.text, "html": composed.shown() })
        );
    } else {
        println!("Subject: {}\n\n{}", composed.subject, composed.text);
    }
    Ok(End::Done)
}

/// The study of a folder, or of the installation.
fn defined(args: &PreviewArgs) -> anyhow::Result<(Arc<Study>, Arc<Stationery>, Stage)> {
    let folder = PathBuf::from(&args.study);
    if !folder.join("study.toml").is_file() {
        let shelved = Opened::open(&args.installation)?.study(&args.study)?;
        return Ok((shelved.study, shelved.stationery, shelved.stage));
    }
    let problems = |problems: Vec<definition::Problem>| Refused::bundle(&problems);
    let bundle = Bundle::read(&folder);
    let (study, _) = definition::load(&bundle).map_err(problems)?;
    let stationery = Stationery::load(&bundle.letters()).map_err(problems)?;
    Ok((Arc::new(study), Arc::new(stationery), Stage::Development))
}
