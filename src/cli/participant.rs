//! `hagaki participant`: what the office does about somebody who answers: takes them out, lets them in again, mends how they are
//! reached.

use clap::{Args, Subcommand};
use serde_json::json;

use super::credentials::{Office, whose};
use super::{End, Installation, Output, Refused};
use crate::definition::participants_file::sound_address;
use crate::domain::language::Language;
use crate::domain::text;
use crate::limits;
use crate::store::participant::{ParticipantRow, State};
use crate::workflow::participants::{self, Done};

/// Commands on participants.
#[derive(Debug, Subcommand)]
pub enum ParticipantCommand {
    /// Take a participant out: nothing more is sent to them or taken from them; what they answered stays.
    Withdraw(OneArgs),
    /// Let a participant in again who was taken out, or asked to be.
    Readmit(OneArgs),
    /// Mend a participant's name, address or language; letters already sent stay as they were.
    Correct {
        /// Who.
        #[command(flatten)]
        one: OneArgs,
        /// The right name.
        #[arg(long, required_unless_present_any = ["address", "language"])]
        name: Option<String>,
        /// The right mail address; an empty one if there is none.
        #[arg(long)]
        address: Option<String>,
        /// Language of their letters and pages: ja or en.
        #[arg(long, value_parser = super::simulate::language)]
        language: Option<Language>,
    },
}

/// One participant.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// The study.
    slug: String,
    /// Number of the participant, what the list calls them, or their address.
    participant: String,
    /// Why; stands in the audit chain.
    #[arg(long)]
    reason: String,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(command: ParticipantCommand) -> anyhow::Result<End> {
    match command {
        ParticipantCommand::Withdraw(one) => set(&one, true),
        ParticipantCommand::Readmit(one) => set(&one, false),
        ParticipantCommand::Correct { one, name, address, language } => {
            let (office, mut row) = find(&one)?;
            let before = row.address.clone();
            if let Some(name) = name {
                row.name = sound_name(&name)?;
            }
            if let Some(address) = address {
                row.address = new_address(&office, &address)?;
            }
            if let Some(language) = language {
                if !office.shelved.study.languages.contains(&language) {
                    return Err(Refused(format!("{} is no language of {}", language.code(), one.slug)).into());
                }
                row.language = language.code().to_string();
            }
            // Whoever has no address, or takes part no more, is sent nothing.
            let readdressed = row.address != before && !row.address.is_empty() && row.state == State::Active;
            correct(&one, &office, &row, readdressed)
        }
    }
}

fn find(one: &OneArgs) -> anyhow::Result<(Office, ParticipantRow)> {
    if one.reason.trim().is_empty() {
        return Err(Refused("say why with --reason; it stands in the audit chain".to_string()).into());
    }
    let office = Office::open(&one.slug, &one.installation)?;
    let row = whose::find(&office, &one.participant)?;
    Ok((office, row))
}

fn sound_name(name: &str) -> anyhow::Result<String> {
    let name = text::squeeze(name);
    if text::has_control(&name) || name.chars().count() > limits::REPEATED_CHARS {
        let why = "--name is too long or holds control characters: write it in one short line";
        return Err(Refused(why.to_string()).into());
    }
    Ok(name)
}

fn new_address(office: &Office, written: &str) -> anyhow::Result<String> {
    if office.is_of_members() {
        let why = "members sign in by the address of their account, which `hagaki account` changes";
        return Err(Refused(why.to_string()).into());
    }
    if written.trim().is_empty() {
        return Ok(String::new());
    }
    let why = || Refused(format!("\"{written}\" is no mail address: write it bare, as hana@example.jp"));
    Ok(sound_address(written).ok_or_else(why)?)
}

fn set(one: &OneArgs, withdraws: bool) -> anyhow::Result<End> {
    let (office, row) = find(one)?;
    let (means, act) = (office.means(), office.act(&one.reason));
    let runtime = &office.opened.runtime;
    let (done, word) = match withdraws {
        true => (
            runtime.block_on(participants::withdraw(&office.shelf, &office.shelved, means, act, row.number))?,
            "takes part no more",
        ),
        false => (
            runtime.block_on(participants::readmit(&office.shelf, &office.shelved, means, act, row.number))?,
            "takes part again, with the credentials that they had",
        ),
    };
    tell(one, &row, done, word)
}

fn correct(one: &OneArgs, office: &Office, mended: &ParticipantRow, readdressed: bool) -> anyhow::Result<End> {
    let correcting =
        participants::correct(&office.shelf, &office.shelved, office.means(), office.act(&one.reason), mended);
    let done = office.opened.runtime.block_on(correcting)?;
    let ended = tell(one, mended, done, "is corrected")?;
    if readdressed && !one.output.json && !office.is_of_members() {
        println!(
            "a letter that went to a wrong address still opens the form: `hagaki credentials reissue {} {}` sends a fresh link, and nothing \
             more is taken by what was sent before",
            one.slug, mended.number
        );
    }
    Ok(ended)
}

fn tell(one: &OneArgs, row: &ParticipantRow, done: Done, word: &str) -> anyhow::Result<End> {
    let number = row.number;
    let why = match done {
        Done::Done => {
            match one.output.json {
                true => println!("{}", json!({ "participant": number, "done": word })),
                false => println!("participant {number} {word}"),
            }
            return Ok(End::Done);
        }
        Done::Unchanged => format!("participant {number}: it is so already; nothing was changed"),
        Done::Subject(subject) if row.state == State::Withdrawn => format!(
            "participant {number} enrolled themself as subject {subject} and withdrew as that; nothing was changed. If it was recorded in \
             error: `hagaki subject take-back {} {subject} --fact N`, and `hagaki subject show` tells N",
            one.slug
        ),
        Done::Subject(subject) => format!(
            "participant {number} enrolled themself as subject {subject}, and nothing was changed: `hagaki subject note {} {subject} --kind \
             withdrawn` records that they take part no more",
            one.slug
        ),
        Done::Taken(other) => {
            format!("participant {other} has this name and address already; nothing was changed")
        }
    };
    Err(Refused(why).into())
}
