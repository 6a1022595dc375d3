//! `hagaki election roll`: who may vote, brought by a list, then changed voter by voter.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::hall::{Hall, digests, digests_json};
use crate::cli::credentials::ListCharset;
use crate::cli::{End, Installation, Output, Refused, counted, simulate};
use crate::definition::participants_file::sound_address;
use crate::definition::roll_file;
use crate::domain::election::roll::{self as domain, Entry};
use crate::domain::language::Language;
use crate::domain::text;
use crate::store::outbox::State;
use crate::store::voter_letter::Fate;
use crate::workflow::election::roll::{self, Change};

/// What is documented beside the arguments of the import.
const FORMAT: &str = "\
FILE is a CSV with commas, semicolons or tabs; its first line names the columns, in any order:

  number     member number, which nobody else has (会員番号)
  name       name (氏名); or lastname and firstname (姓, 名)
  email      address for letters (メール); may be empty
  language   ja or en (言語); without it the study's first
  district   id of the district (選挙区), where the election has districts
  class      id of the class of voters (会員種別), where votes weigh differently
  postal     1 for whoever votes by post (郵送): then there is no vote of theirs on the web

Voters on the roll whom the list does not name stay on it; take them off with `roll remove`.";

/// Commands on the roll of an election.
#[derive(Debug, Subcommand)]
pub enum RollCommand {
    /// Put everybody of a list on the roll, while it is made. Who stands on it already is as the list says from then on.
    Import(ImportArgs),
    /// How many are on the roll, by district and class, and the digests of rules and roll.
    Show {
        /// The study.
        slug: String,
        /// Everybody, and nothing else: the lines that the digest of the roll is of.
        #[arg(long)]
        lines: bool,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// Put somebody on the roll; once it is frozen, until the cut-off of the rules.
    Add(Box<AddArgs>),
    /// Everybody with address and district, and what became of the letter that told them of their entry or brought their link.
    List {
        /// The study.
        slug: String,
        /// Only those who cannot be reached: no address, or their letter was refused or came back.
        #[arg(long)]
        unreached: bool,
        /// Which installation.
        #[command(flatten)]
        installation: Installation,
        /// For people or for programs.
        #[command(flatten)]
        output: Output,
    },
    /// Mend somebody's name or mail address, whether they have voted or not; an address at any time.
    Correct {
        /// Who, and why.
        #[command(flatten)]
        one: OneArgs,
        /// What they are called.
        #[arg(long)]
        name: Option<String>,
        /// Mail address; empty if letters are to go to none any more.
        #[arg(long)]
        email: Option<String>,
    },
    /// Take somebody off the roll who has not voted.
    Remove(OneArgs),
    /// Say that somebody votes by post, who has not voted: then there is no vote of theirs on the web.
    Postal {
        /// Who, and why.
        #[command(flatten)]
        one: OneArgs,
        /// They vote on the web after all.
        #[arg(long)]
        off: bool,
    },
}

/// Arguments of `hagaki election roll import`.
#[derive(Debug, Args)]
#[command(after_long_help = FORMAT, after_help = "The columns are told by --help.")]
pub struct ImportArgs {
    /// The study.
    slug: String,
    /// The list.
    file: PathBuf,
    /// Charset of the list.
    #[arg(long, value_enum, default_value_t = ListCharset::Auto)]
    charset: ListCharset,
    /// Say what would become of the roll, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Why; stands in the audit chain.
    #[arg(long, default_value = "")]
    reason: String,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

/// Arguments of `hagaki election roll add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Who, and why.
    #[command(flatten)]
    one: OneArgs,
    /// Name.
    #[arg(long)]
    name: String,
    /// Mail address; without it letters go to nobody.
    #[arg(long)]
    email: Option<String>,
    /// Language of their letters and pages; without it the study's first.
    #[arg(long, value_parser = simulate::language)]
    language: Option<Language>,
    /// Id of the district.
    #[arg(long)]
    district: Option<String>,
    /// Id of the class of voters.
    #[arg(long)]
    class: Option<String>,
    /// They vote by post.
    #[arg(long)]
    postal: bool,
}

/// One voter.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// The study.
    slug: String,
    /// Member number.
    number: String,
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

pub(super) fn run(command: RollCommand) -> anyhow::Result<End> {
    match command {
        RollCommand::Import(args) => import(&args),
        RollCommand::Show { slug, lines, installation, output } => {
            show(&Hall::open(&slug, &installation)?, lines, output)
        }
        RollCommand::Add(args) => add(&args),
        RollCommand::List { slug, unreached, installation, output } => {
            list(&Hall::open(&slug, &installation)?, unreached, output)
        }
        RollCommand::Correct { one, name, email } => correct(&one, name.as_deref(), email.as_deref()),
        RollCommand::Remove(one) => change(&one, None),
        RollCommand::Postal { one, off } => change(&one, Some(!off)),
    }
}

fn import(args: &ImportArgs) -> anyhow::Result<End> {
    let shown = args.file.display();
    let bytes = std::fs::read(&args.file).with_context(|| format!("{shown} cannot be read"))?;
    let hall = Hall::open(&args.slug, &args.installation)?;
    let (charset, languages) = (args.charset.charset(), &hall.shelved.study.languages);
    let list =
        roll_file::read(&shown.to_string(), &bytes, charset, hall.election()?, languages).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Refused(format!("nobody was put on the roll; mend these lines:\n{}", lines.join("\n")))
        })?;
    let (dry_run, output) = (args.dry_run, args.output);
    let importing = roll::import(&hall.shelf, &hall.shelved, hall.means(), hall.act(&args.reason), &list, dry_run);
    let done = hall.done(importing)?;
    if output.json {
        println!(
            "{}",
            json!({ "added": done.added, "corrected": done.corrected, "unchanged": done.unchanged,
                    "others": done.others, "dry_run": dry_run, "digests": digests_json(&done.frozen) })
        );
        return Ok(End::Done);
    }
    let would = if dry_run { "would come" } else { "came" };
    println!(
        "{} {would} on the roll; {} corrected, {} as before, {} not on the list stay",
        counted(done.added as u64, "voter"),
        done.corrected,
        done.unchanged,
        done.others
    );
    print!("{}", digests(&done.frozen));
    Ok(End::Done)
}

fn show(hall: &Hall, lines: bool, output: Output) -> anyhow::Result<End> {
    let seen = hall.done(roll::see(&hall.shelf, &hall.shelved, hall.means()))?;
    let election = hall.election()?;
    let postal = seen.postal;
    let of_class = |id: &str| seen.roll.iter().filter(|entry| entry.class.as_deref() == Some(id)).count();
    let districts = domain::numbers(election, &seen.roll);
    if output.json {
        let named = districts.iter().filter_map(|(id, many)| Some((id.clone()?, json!(many))));
        let named: Map<String, Value> = named.collect();
        let classes = election.classes.iter().map(|own| (own.id.clone(), json!(of_class(&own.id))));
        let classes: Map<String, Value> = classes.collect();
        let mut told = json!({ "voters": seen.roll.len(), "postal": postal, "districts": named, "classes": classes,
                               "digests": digests_json(&seen.frozen) });
        if lines {
            told["lines"] = json!(domain::lines(&seen.roll));
        }
        println!("{told}");
        return Ok(End::Done);
    }
    if lines {
        print!("{}", domain::lines(&seen.roll));
        return Ok(End::Done);
    }
    println!("{}, {postal} of them by post", counted(seen.roll.len() as u64, "voter"));
    for (id, many) in districts.iter().filter_map(|(id, many)| Some((id.as_deref()?, many))) {
        println!("  district {id}: {many}");
    }
    for own in &election.classes {
        println!("  class {}: {}", own.id, of_class(&own.id));
    }
    print!("{}", digests(&seen.frozen));
    Ok(End::Done)
}

fn add(args: &AddArgs) -> anyhow::Result<End> {
    let refused = |why: String| anyhow::Error::from(Refused(why));
    let hall = Hall::open(&args.one.slug, &args.one.installation)?;
    if let Some(language) = args.language.filter(|own| !hall.shelved.study.languages.contains(own)) {
        return Err(refused(format!("{} is no language of {}", language.code(), args.one.slug)));
    }
    let address = address(args.email.as_deref().unwrap_or(""))?;
    let entry = Entry {
        number: number(&args.one.number),
        name: text::squeeze(&args.name),
        address,
        language: args.language,
        district: args.district.clone(),
        class: args.class.clone(),
        postal: args.postal,
    };
    changed(&hall, &args.one, Change::Add(&entry))
}

/// An address as it is kept; empty if nothing was typed.
fn address(typed: &str) -> anyhow::Result<String> {
    match typed.trim() {
        "" => Ok(String::new()),
        written => {
            sound_address(written).ok_or_else(|| Refused(format!("--email: \"{written}\" is no mail address")).into())
        }
    }
}

fn correct(one: &OneArgs, name: Option<&str>, email: Option<&str>) -> anyhow::Result<End> {
    if name.is_none() && email.is_none() {
        return Err(Refused("say what is right, with --name or --email".to_string()).into());
    }
    let hall = Hall::open(&one.slug, &one.installation)?;
    let (number, name) = (number(&one.number), name.map(text::squeeze));
    let address = email.map(address).transpose()?;
    let change = Change::Correct { number: &number, name: name.as_deref(), address: address.as_deref() };
    let end = changed(&hall, one, change)?;
    if address.is_some_and(|address| !address.is_empty()) && !one.output.json {
        println!(
            "a link that went to the address before goes on working: `hagaki election credentials {} --again {number} --reason …` \
             sends another one and ends it",
            one.slug
        );
    }
    Ok(end)
}

/// What became of somebody's letter, for people; and whether nothing reaches them.
fn reached(entry: &Entry, fate: Option<&Fate>) -> (String, bool) {
    match fate {
        _ if entry.address.is_empty() => ("no address".to_string(), true),
        None => ("no letter yet".to_string(), false),
        Some(Fate { state: State::Failed | State::Bounced, failure, .. }) => {
            let why = if failure.is_empty() { String::new() } else { format!(" ({failure})") };
            (format!("letter refused{why}"), true)
        }
        Some(Fate { state: State::Waiting, .. }) => ("letter waits".to_string(), false),
        Some(Fate { state: State::Held, .. }) => ("letter held".to_string(), false),
        Some(Fate { state: State::Dropped, .. }) => ("letter dropped".to_string(), true),
        Some(Fate { state: State::Sent | State::Delivered, .. }) => ("letter sent".to_string(), false),
    }
}

fn list(hall: &Hall, unreached: bool, output: Output) -> anyhow::Result<End> {
    let all = hall.done(roll::letters(&hall.shelf, &hall.shelved))?;
    let mut shown = 0;
    for (entry, fate) in &all {
        let (told, lost) = reached(entry, fate.as_ref());
        if unreached && !lost {
            continue;
        }
        shown += 1;
        if output.json {
            println!(
                "{}",
                json!({ "number": entry.number, "name": entry.name, "email": entry.address, "district": entry.district,
                        "class": entry.class, "postal": entry.postal, "letter": fate.as_ref().map(|own| own.state.key()),
                        "failure": fate.as_ref().map(|own| &own.failure).filter(|why| !why.is_empty()) })
            );
            continue;
        }
        let district = entry.district.as_deref().unwrap_or("");
        let way = if entry.postal { "post" } else { "web" };
        println!("{}\t{}\t{}\t{district}\t{way}\t{told}", entry.number, entry.name, entry.address);
    }
    if !output.json {
        eprintln!("{shown} of {}", counted(all.len() as u64, "voter"));
    }
    Ok(End::Done)
}

/// A member number as it is kept.
fn number(typed: &str) -> String {
    text::squeeze(&text::fold_width(typed))
}

/// Takes somebody off the roll, or says whether they vote by post.
fn change(one: &OneArgs, postal: Option<bool>) -> anyhow::Result<End> {
    let hall = Hall::open(&one.slug, &one.installation)?;
    let number = number(&one.number);
    let change = match postal {
        None => Change::Remove(&number),
        Some(postal) => Change::Postal(&number, postal),
    };
    changed(&hall, one, change)
}

fn changed(hall: &Hall, one: &OneArgs, change: Change<'_>) -> anyhow::Result<End> {
    let changing = roll::change(&hall.shelf, &hall.shelved, hall.means(), hall.act(&one.reason), change);
    let done = hall.done(changing)?;
    if one.output.json {
        println!("{}", json!({ "late": done.late, "digests": digests_json(&done.frozen) }));
        return Ok(End::Done);
    }
    println!(
        "done{}",
        if done.late { "; rules and roll were frozen before, so the chain says that it came late" } else { "" }
    );
    print!("{}", digests(&done.frozen));
    Ok(End::Done)
}
