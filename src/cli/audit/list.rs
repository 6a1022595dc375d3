//! `hagaki audit list`: a study's audit trail, for whoever reviews it while the study goes on.

use chrono::NaiveDate;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::installation::Opened;
use crate::cli::study::judged;
use crate::cli::{End, Installation, Output, Refused};
use crate::domain::study::{Blinding, Study};
use crate::workflow::disclosure::{self, Wish};
use crate::workflow::export::delimited::{Charset, Delimited};
use crate::workflow::life::Act;
use crate::workflow::trail::{self, Line};

/// Columns of the CSV.
const COLUMNS: [&str; 7] = ["entry", "at", "actor", "action", "subject", "particulars", "digest"];

/// Which entries, of which study, for whom.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The study.
    slug: String,
    /// Only entries about this subject, by its number.
    #[arg(long)]
    subject: Option<String>,
    /// Only entries from this day on, in the study's time zone: 2026-12-01.
    #[arg(long, value_name = "DAY")]
    since: Option<NaiveDate>,
    /// Only entries up to and with this day.
    #[arg(long, value_name = "DAY")]
    until: Option<NaiveDate>,
    /// As CSV, with the digest of each entry.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// All particulars, arms among them: for whoever may know arms of a blinded study; with --by and --reason, while it goes on.
    #[arg(long)]
    unblinded: bool,
    /// Who reads it: id of a person of the study.
    #[arg(long, default_value = "", requires = "unblinded")]
    by: String,
    /// Why: stands in the audit chain.
    #[arg(long, default_value = "", requires = "unblinded")]
    reason: String,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: &ListArgs) -> anyhow::Result<End> {
    let opened = Opened::open(&args.installation)?;
    let shelved = opened.study(&args.slug)?;
    let study = &shelved.study;
    let subject = match args.subject.as_deref() {
        None => None,
        Some(typed) => {
            let number = study.parse_subject_number(typed).or_else(|| typed.trim().parse().ok());
            let unread =
                || Refused(format!("--subject {typed}: write its number, such as {}", study.subject_number(1)));
            Some(number.ok_or_else(unread)?)
        }
    };
    if args.unblinded {
        let act = Act { actor: &opened.actor, at: opened.now(), reason: &args.reason };
        let wish = Wish { what: "audit trail", by: &args.by };
        judged(opened.runtime.block_on(disclosure::permit_unblinded(&opened.store, &shelved, wish, act)))?;
    }
    let concealed = study.blinding == Blinding::Blinded && !args.unblinded;
    let asked = |line: &&Line| {
        let day = line.at.day_in(study.zone);
        subject.is_none_or(|own| line.subject == Some(own))
            && args.since.is_none_or(|since| day >= since)
            && args.until.is_none_or(|until| day <= until)
    };
    let mut file = match args.csv {
        true => Some(Delimited::headed(std::io::stdout(), Charset::Utf8, COLUMNS.iter().map(ToString::to_string))?),
        false => None,
    };
    let mut after = 0;
    while let Some((lines, last)) = opened.runtime.block_on(trail::page(&opened.store, shelved.id, after, concealed))? {
        for line in lines.iter().filter(asked) {
            match &mut file {
                Some(file) => file.texts(cells(study, line).iter().map(String::as_str))?,
                None => println!("{}", shown(study, line, args.output.json)),
            }
        }
        after = last;
    }
    if let Some(file) = file {
        file.end()?;
    }
    Ok(End::Done)
}

fn subject_of(study: &Study, line: &Line) -> Option<String> {
    line.subject.map(|number| study.subject_number(number))
}

/// One entry in a row.
fn cells(study: &Study, line: &Line) -> [String; COLUMNS.len()] {
    [
        line.seq.to_string(),
        line.at.utc(),
        line.actor.clone(),
        line.action.clone(),
        subject_of(study, line).unwrap_or_default(),
        Value::Object(line.particulars.clone()).to_string(),
        data_encoding::HEXLOWER.encode(&line.digest),
    ]
}

/// One entry on a line, for programs or for people.
fn shown(study: &Study, line: &Line, as_json: bool) -> String {
    let subject = subject_of(study, line);
    if as_json {
        return json!({ "entry": line.seq, "at": line.at.utc(), "actor": line.actor, "action": line.action, "subject": subject,
                       "particulars": line.particulars, "digest": data_encoding::HEXLOWER.encode(&line.digest) })
        .to_string();
    }
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let told: Vec<String> = line.particulars.iter().map(|(key, value)| format!("{key}={}", plain(value))).collect();
    let (Line { seq, actor, action, .. }, at) = (line, line.at.local(study.zone));
    let subject = subject.unwrap_or_default();
    let text = format!("{seq:>6}  {at}  {actor:<18} {action:<18} {subject:<16} {}", told.join(" "));
    text.trim_end().to_string()
}
