//! `hagaki election tally`: rules and ballots from files → who is elected, and every number on the way.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use sha2::{Digest, Sha256};

use super::told::Told;
use crate::cli::{End, Output, Refused};
use crate::definition::csv_file::{self, Charset};
use crate::definition::{Problem, ballots_file, election_file, facts_file};
use crate::domain::election::{self, Facts};
use crate::limits;

/// What is documented beside the arguments.
const FORMATS: &str = "\
BALLOTS is a CSV in UTF-8, CP932 or EUC-JP, with commas, semicolons or tabs. The first line names
the columns; lines that begin with # are remarks. Each further line is one ballot in one contest:

  contest    the contest's id; may be left out where there is one contest
  district   the voter's district, where the election has districts
  class      the voter's class, where votes weigh differently
  votes      names: c01 c02, parted by blanks
             confidence: c01+ c02-, for yes and no
             an order: c01 > c02 = c03, where = stands between those who share a place
             nothing: a blank ballot
  write_in   names that were written in, parted by semicolons
  invalid    anything here: the ballot was found invalid when it was opened
  count      how many ballots are like this one; 1 without the column

The order of lines means nothing; the order of names on a ballot does where over = \"first\".

FACTS is a TOML file with what is known beside the ballots. Every part may be left out:

  seed = \"04 12 19 23 38 41\"          # the public value that lots are drawn from
  roll = { east = 210, west = 180 }   # voters; without districts a number, roll = 390
  [[declined]]                        # somebody will not take the seat
  contest = \"council\"
  candidate = \"c01\"
  [[decided]]                         # equals in the order that people decided
  contest = \"council\"
  order = [\"c04\", \"c02\"]
  [[written]]                         # names that were written in, and mean somebody
  contest = \"auditor\"
  names = [\"Aoki K.\", \"Aoki\"]
  means = \"c01\"                       # or \"+Name\"; or void = true, and they count for nobody

A lot is the SHA-256 of lot|SEED|CONTEST|CANDIDATE, and the least comes first:
  printf '%s' 'lot|04 12 19 23 38 41|council|c01' | sha256sum

Ends with 0 if everything is decided, with 1 if something is left to decide or the files cannot be
counted, with 2 if the command is not written so, and with 3 if a file cannot be read.";

/// Arguments of `hagaki election tally`.
#[derive(Debug, Args)]
#[command(after_long_help = FORMATS, after_help = "The formats of the files are told by --help.")]
pub struct TallyArgs {
    /// The rules: election.toml of the study.
    #[arg(long)]
    rule: PathBuf,
    /// The ballots, without names: a CSV with a line for each. Written twice, where those of small districts lie in a file of their own.
    #[arg(long, required = true)]
    ballots: Vec<PathBuf>,
    /// What is known beside the ballots: the roll's numbers, the seed, who declined, what was decided.
    #[arg(long)]
    facts: Option<PathBuf>,
    /// The public value that lots are drawn from, as it was published.
    #[arg(long)]
    seed: Option<String>,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

/// The table of ballots, and that of those of which there are so few in a district that they would tell how single people voted.
pub(super) const BALLOTS: &str = "ballots.csv";
pub(super) const WITHHELD: &str = "ballots-withheld.csv";

impl TallyArgs {
    /// A count of the files of a folder, as `hagaki election close` writes them.
    pub(super) fn of(dir: &Path, output: Output) -> TallyArgs {
        TallyArgs {
            rule: dir.join("election.toml"),
            ballots: [BALLOTS, WITHHELD].map(|name| dir.join(name)).into_iter().filter(|path| path.exists()).collect(),
            facts: Some(dir.join("facts.toml")),
            seed: None,
            output,
        }
    }
}

/// A file that was counted, as whoever counts again must have it.
#[derive(Debug)]
pub(super) struct Source {
    pub name: String,
    pub digest: String,
}

pub(super) fn run(args: &TallyArgs) -> anyhow::Result<End> {
    let (rule, content) = text(&args.rule)?;
    let (election, warnings) = election_file::read(&rule.name, &content).map_err(|found| refused(&found))?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    let mut sources = vec![rule];
    let mut facts = Facts::default();
    if let Some(path) = &args.facts {
        let (source, content) = text(path)?;
        facts = facts_file::read(&source.name, &content, &election).map_err(|found| refused(&found))?;
        sources.push(source);
    }
    if let Some(seed) = &args.seed {
        if let Some(wrong) = facts_file::seed_fault(seed) {
            return Err(Refused(format!("--seed: {wrong} — write the value as it was published")).into());
        }
        if facts.seed.as_ref().is_some_and(|known| known != seed) {
            return Err(Refused("--seed: the facts name another seed — leave one of the two out".to_string()).into());
        }
        facts.seed = Some(seed.clone());
    }
    let mut ballots = Vec::new();
    for path in &args.ballots {
        let (source, bytes) = bytes(path)?;
        let read = ballots_file::read(&source.name, &bytes, &election).map_err(|found| refused(&found))?;
        if let Some(other) = sources.iter().find(|own| own.digest == source.digest && !read.is_empty()) {
            let (one, two) = (&source.name, &other.name);
            return Err(Refused(format!(
                "nothing was counted: {one} is the same as {two}, and its votes would count twice"
            ))
            .into());
        }
        ballots.extend(read);
        sources.push(source);
    }
    let outcome = election::count(&election, &facts, &ballots).map_err(|fault| {
        let mend = match fault {
            election::Fault::RollUnknown(_) => " — write roll = … in a file and name it with --facts",
            _ => "",
        };
        Refused(format!("nothing was counted: {fault}{mend}"))
    })?;
    let told = Told { election: &election, facts: &facts, sources: &sources, outcome: &outcome };
    if args.output.json {
        println!("{}", told.json());
    } else {
        print!("{}", told.text());
    }
    for open in told.open() {
        eprintln!("not decided yet: {open}");
    }
    Ok(if outcome.is_complete() { End::Done } else { End::Refused })
}

fn refused(problems: &[Problem]) -> Refused {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Refused(format!("nothing was counted:\n{}", lines.join("\n")))
}

fn bytes(path: &Path) -> anyhow::Result<(Source, Vec<u8>)> {
    let shown = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("{shown} cannot be read"))?.len();
    if size > limits::BALLOT_FILE_BYTES {
        let most = limits::BALLOT_FILE_BYTES / 1024 / 1024;
        return Err(Refused(format!("{shown}: is larger than {most} MB")).into());
    }
    let bytes = std::fs::read(path).with_context(|| format!("{shown} cannot be read"))?;
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes));
    Ok((Source { name: shown.to_string(), digest }, bytes))
}

fn text(path: &Path) -> anyhow::Result<(Source, String)> {
    let (source, bytes) = bytes(path)?;
    let text = csv_file::decode(&bytes, Charset::Utf8)
        .map_err(|_| Refused(format!("{}: is not in UTF-8 — save it as UTF-8", source.name)))?;
    Ok((source, text))
}
