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
    let address = match args.email.as_deref().map(str::trim) {
        None | Some("") => String::new(),
        Some(written) => {
            sound_address(written).ok_or_else(|| refused(format!("--email: \"{written}\" is no mail address")))?
        }
    };
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
