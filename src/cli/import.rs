//! `hagaki allocation import`: the history of another system, counted back before it is taken.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::explain::{self, ExplainFault};
use super::installation::Opened;
use super::study::judged;
use super::{End, Installation, Output, Refused, counted};
use crate::domain::allocation::{SITE, Scheme};
use crate::domain::study::{Blinding, Randomization, Study, arm_name, day_name};
use crate::limits;
use crate::store::participant;
use crate::workflow::import::{self, ArmCounts, Further, History, Line, Misfit, OnFile, Source};
use crate::workflow::kit_import;
use crate::workflow::life::Act;

/// What `hagaki allocation import` takes.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The study; nobody may be enrolled yet.
    slug: String,
    /// The subjects in the order of their allocation: a CSV with the columns `subject` and `arm`, one for each factor or stratum,
    /// `site` where the study has several, `block_size` for blocks (with the open ones last in their stratum), `origin` with
    /// `forced` for an arm given by hand outside of them, `slot` for dummy arms if they are known, `kit` (the kit that the subject
    /// has) in a blinded study that hands out kits, and, if it is known, `at`: the day or moment of the allocation. Other columns are
    /// items of the registration, by id; any that nothing reads is refused. Where participants enroll themselves, `subject` is the
    /// participant: the reference in the list they were taken in by (`hagaki credentials issue`), or the number where that has none.
    file: PathBuf,
    /// The history of a further allocation, such as second=again.csv: subjects of the first file in the order of this allocation, with
    /// `subject`, `arm`, and what else its scheme looks at. The site, earlier arms and what the first file tells need no column.
    #[arg(long, value_name = "ID=FILE")]
    further: Vec<String>,
    /// Only count back, which is what happens without --yes too.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// The counts are right: take it.
    #[arg(long)]
    yes: bool,
    /// In a blinded study: id of the person who may know the arms and asked for it; stands in the audit chain, also of a trial.
    #[arg(long, default_value = "")]
    by: String,
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

pub(super) fn run(args: &ImportArgs) -> anyhow::Result<End> {
    let opened = Opened::open(&args.installation)?;
    let shelved = opened.study(&args.slug)?;
    let Some(scheme) = &shelved.study.scheme else {
        return Err(Refused(format!("study {} randomizes nobody; there is nothing to import", args.slug)).into());
    };
    let act = Act { actor: &opened.actor, at: opened.now(), reason: &args.reason };
    let admitted = import::admit(&opened.store, &shelved, &args.by, act);
    judged(opened.runtime.block_on(admitted))?;
    let study = &shelved.study;
    let files = further_files(args, study)?;
    let Read { lines, misfits, digest } = judge(read(&args.file, scheme, study, None))?;
    let kits = opened.runtime.block_on(async {
        let mut tx = opened.store.begin().await?;
        kit_import::as_listed(&mut tx, &shelved).await
    })?;
    let participants = match study.enrolls_itself() {
        true => opened.runtime.block_on(participant::list(&opened.store, shelved.id, 0, i64::MAX))?,
        false => Vec::new(),
    };
    let on_file = OnFile { kits: &kits, participants: &participants };
    let fitted = import::fit(&shelved, scheme, on_file, &lines, act.at);
    let mut history = all_fits(&args.file, misfits, fitted)?;
    for (own, path) in &files {
        let Read { lines, misfits, digest } = judge(read(path, &own.scheme, study, Some(own)))?;
        let fitted = import::fit_further(&shelved, own, on_file, &history, &lines, act.at);
        let fitted = all_fits(path, misfits, fitted)?;
        history.further.push(Further { id: own.id.clone(), file: name_of(path), digest, history: fitted });
    }
    if args.yes {
        let name = name_of(&args.file);
        let source = Source { name: &name, digest: &digest };
        let importing = import::import(&opened.store, &shelved, &history, source, act, &*opened.dice);
        judged(opened.runtime.block_on(importing))?;
    }
    let told = shelved.study.blinding == Blinding::Open;
    if args.output.json {
        let mut report = to_json(&history, scheme, &digest, args.yes, told);
        let further = history.further.iter().zip(&files);
        let further: Map<String, Value> = further
            .map(|(own, (rules, _))| {
                let counted = to_json(&own.history, &rules.scheme, &own.digest, args.yes, told);
                (own.id.clone(), counted)
            })
            .collect();
        if !further.is_empty() {
            report["further"] = Value::Object(further);
        }
        println!("{report}");
    } else {
        print!("{}", in_words(&history, scheme, &digest, told));
        for (own, (rules, _)) in history.further.iter().zip(&files) {
            print!("allocation {}\n{}", own.id, in_words(&own.history, &rules.scheme, &own.digest, told));
        }
        match args.yes {
            true => println!("{}: {} imported", args.slug, counted(history.len() as u64, "subject")),
            false => println!("Nothing was changed. If the counts are right: the same again with --yes --reason WHY"),
        }
    }
    Ok(End::Done)
}

/// The further allocations whose histories come too, in the order of the study, each with its file.
fn further_files<'s>(args: &ImportArgs, study: &'s Study) -> anyhow::Result<Vec<(&'s Randomization, PathBuf)>> {
    let mut files: BTreeMap<&str, PathBuf> = BTreeMap::new();
    for text in &args.further {
        let named =
            text.split_once('=').filter(|(id, file)| study.find_randomization(id).is_some() && !file.is_empty());
        let Some((id, file)) = named else {
            let ids: Vec<&str> = study.randomizations.iter().map(|own| own.id.as_str()).collect();
            let known = if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
            let wrong =
                format!("--further {text}: write the id of a further allocation, = and a file; the study has {known}");
            return Err(Refused(wrong).into());
        };
        if files.insert(id, PathBuf::from(file)).is_some() {
            return Err(Refused(format!("--further {id} stands twice; one file holds the whole history")).into());
        }
    }
    let own = study.randomizations.iter();
    Ok(own.filter_map(|own| Some((own, files.remove(own.id.as_str())?))).collect())
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What was read, or the refusal.
fn judge(read: Result<Read, ExplainFault>) -> anyhow::Result<Read> {
    match read {
        Ok(read) => Ok(read),
        Err(fault @ ExplainFault::File { .. }) => Err(fault.into()),
        Err(fault) => Err(Refused(fault.to_string()).into()),
    }
}

/// The history, if every line is sound and fits.
fn all_fits(path: &Path, mut misfits: Vec<Misfit>, fitted: Result<History, Vec<Misfit>>) -> anyhow::Result<History> {
    match fitted {
        Ok(history) if misfits.is_empty() => Ok(history),
        fitted => {
            misfits.extend(fitted.err().unwrap_or_default());
            Err(Refused(in_a_list(path, misfits)).into())
        }
    }
}

/// What stands in the file.
struct Read {
    lines: Vec<Line>,
    /// What is wrong with lines by themselves.
    misfits: Vec<Misfit>,
    /// SHA-256 of the file.
    digest: String,
}

/// Reads the history of the first allocation, or of a further one.
fn read(path: &Path, scheme: &Scheme, study: &Study, further: Option<&Randomization>) -> Result<Read, ExplainFault> {
    let (text, digest) = explain::read_file(path)?;
    let mut also = vec!["subject"];
    if study.hands_out_kits() {
        also.push("kit");
    }
    let known = |id: &str| further.is_some() && import::is_known(study, id);
    let read = explain::read_lines(scheme, path, &text, &also, &known).map_err(|fault| match fault {
        ExplainFault::History { path, line, wrong } if wrong.contains("no column \"kit\"") => {
            let hint = "the study is blinded, so each line names the kit that the subject has, and kits.csv lists it";
            ExplainFault::History { path, line, wrong: format!("{wrong} ({hint})") }
        }
        other => other,
    })?;
    let later = |own: &&Randomization| {
        let names = [own.id.clone(), arm_name(&own.id), day_name(&own.id)];
        names.iter().any(|name| read.find(name).is_some())
    };
    if let Some(own) = study.randomizations.iter().find(later).filter(|_| further.is_none()) {
        let wrong = format!(
            "tells of the allocation \"{0}\": put its history into a file of its own, in the order of that allocation, and import \
             both at once with --further {0}=FILE",
            own.id
        );
        return Err(ExplainFault::History { path: path.to_owned(), line: Some(1), wrong });
    }
    let form = further.and_then(|own| study.find_instrument(&own.instrument));
    let form = form.unwrap_or_else(|| study.registration_instrument());
    let is_level = |id: &str| scheme.needs().any(|need| need == id);
    let site_item = study.registration.site_item.as_deref();
    // Who the subject is and where stands in columns of their own.
    let named = |id: &str| study.registration.subject_item == id || site_item == Some(id);
    let items: Vec<&str> =
        read.columns().filter(|id| !is_level(id) && !known(id) && !named(id) && import::is_answer(form, id)).collect();
    let is_read = |id: &str| {
        COLUMNS.contains(&id)
            || id.is_empty()
            || is_level(id)
            || known(id)
            || site_item == Some(id)
            || items.contains(&id)
    };
    let strange: Vec<String> = read.columns().filter(|id| !is_read(id)).map(|id| format!("\"{id}\"")).collect();
    if !strange.is_empty() {
        let wrong = format!(
            "nothing reads the column {}: call it as an item of instruments/{}.toml that is typed, as a factor or stratum of the scheme, \
             or as one of {}; or take it out",
            strange.join(", "),
            form.id,
            COLUMNS.join(", ")
        );
        return Err(ExplainFault::History { path: path.to_owned(), line: None, wrong });
    }
    let in_levels = further.is_none() && scheme.needs().any(|id| id == SITE);
    let site = if in_levels || study.sites.len() == 1 { None } else { find_site(&read, site_item) };
    let columns = ["subject", "kit", "at"].map(|name| read.find(name));
    let (mut lines, mut misfits) = (Vec::with_capacity(read.lines.len()), Vec::new());
    for own in &read.lines {
        let [subject, kit, at] = columns.map(|column| own.cell(column));
        let number = own.line;
        let mut wrong = own.row.as_ref().err().cloned().unwrap_or_default();
        if own.row.is_ok() && subject.is_none() {
            wrong.push("the column \"subject\" is empty".to_owned());
        }
        misfits.extend(wrong.into_iter().map(|wrong| Misfit { line: number, wrong }));
        if let (Ok(row), Some(subject)) = (&own.row, subject) {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let (subject, mut row) = (subject.to_owned(), row.clone());
            // What is known is compared, where a column tells it, too.
            for id in scheme.needs().filter(|id| known(id)) {
                row.levels.extend(own.cell(read.find(id)).map(|level| (id.to_owned(), level.to_owned())));
            }
            let answers = items.iter().filter_map(|id| Some(((*id).to_owned(), own.cell(read.find(id))?.to_owned())));
            let (site, answers) = (owned(own.cell(site)), answers.collect());
            lines.push(Line { number, subject, site, kit: owned(kit), at: owned(at), row, answers });
        }
    }
    if read.lines.is_empty() {
        let wrong = "has no line with a subject".to_owned();
        return Err(ExplainFault::History { path: path.to_owned(), line: None, wrong });
    }
    Ok(Read { lines, misfits, digest })
}

/// Columns that are no levels and no answers.
const COLUMNS: [&str; 8] = ["subject", "arm", "site", "kit", "at", "slot", "block_size", "origin"];

/// Where the site stands: by its own name, or by that of the item that asks for it.
fn find_site(read: &explain::ReadHistory, site_item: Option<&str>) -> Option<usize> {
    read.find(SITE).or_else(|| read.find(site_item?))
}

/// Everything that is wrong, a line for each, in the order of the file.
fn in_a_list(path: &Path, mut misfits: Vec<Misfit>) -> String {
    misfits.sort_by_key(|misfit| misfit.line);
    let told = misfits.iter().take(limits::PROBLEMS);
    let mut lines: Vec<String> =
        told.map(|misfit| format!("{}:{}: {}", path.display(), misfit.line, misfit.wrong)).collect();
    if let Some(more) = misfits.len().checked_sub(limits::PROBLEMS).filter(|more| *more > 0) {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

/// Counts as they may be told: of a blinded study that goes on, without arms.
fn counts(arms: &ArmCounts, told: bool) -> Value {
    if told { json!(arms) } else { json!(arms.values().sum::<u64>()) }
}

fn to_json(history: &History, scheme: &Scheme, digest: &str, imported: bool, told: bool) -> Value {
    let key = if told { "arms" } else { "subjects" };
    let named = |levels: &[String]| -> Value {
        let pairs = scheme.strata().iter().zip(levels).map(|(id, level)| (id.clone(), json!(level)));
        Value::Object(pairs.collect())
    };
    let strata =
        history.strata.iter().map(|(levels, arms)| json!({ "levels": named(levels), key: counts(arms, told) }));
    let blocks = history
        .blocks
        .iter()
        .map(|block| json!({ "levels": named(&block.stratum), "size": block.size, key: counts(&block.arms, told) }));
    let of_levels = |levels: &BTreeMap<String, ArmCounts>| -> Value {
        Value::Object(levels.iter().map(|(level, arms)| (level.clone(), counts(arms, told))).collect())
    };
    let margins: Map<String, Value> =
        history.margins.iter().map(|(factor, levels)| (factor.clone(), of_levels(levels))).collect();
    json!({ "sha256": digest, "subjects": history.len(), "dated": history.dated(),
            "arms": told.then_some(&history.arms), "margins": margins, "strata": strata.collect::<Vec<Value>>(),
            "blocks": blocks.collect::<Vec<Value>>(), "supposed_slots": history.supposed_slots, "outside": history.outside, "imported": imported })
}

fn in_words(history: &History, scheme: &Scheme, digest: &str, told: bool) -> String {
    let arms = |arms: &ArmCounts| {
        if !told {
            return arms.values().sum::<u64>().to_string();
        }
        arms.iter().map(|(code, count)| format!("{code} {count}")).collect::<Vec<String>>().join(", ")
    };
    let place = |levels: &[String]| {
        let named = scheme.strata().iter().zip(levels).map(|(id, level)| format!("{id}={level}"));
        named.collect::<Vec<String>>().join(" ")
    };
    let mut text = format!("SHA-256 of the file: {digest}\n");
    let all = if told { format!(": {}", arms(&history.arms)) } else { String::new() };
    let dated = match history.dated() {
        0 => String::new(),
        dated => format!("; {dated} with the date of their allocation"),
    };
    text.push_str(&format!("{}{all}{dated}\n", counted(history.len() as u64, "subject")));
    if history.supposed_slots > 0 {
        text.push_str(&format!(
            "  {} without a slot: each is supposed to be on the dummy arm that was best for it (column \"slot\" tells it otherwise)\n",
            counted(history.supposed_slots as u64, "subject")
        ));
    }
    if history.outside > 0 {
        let outside = counted(history.outside as u64, "subject");
        text.push_str(&format!("  {outside} given an arm by hand, outside of every block\n"));
    }
    for (factor, levels) in &history.margins {
        for (level, counts) in levels {
            text.push_str(&format!("  {factor}={level}: {}\n", arms(counts)));
        }
    }
    for (levels, counts) in history.strata.iter().filter(|(levels, _)| !levels.is_empty()) {
        text.push_str(&format!("  {}: {}\n", place(levels), arms(counts)));
    }
    for block in &history.blocks {
        let given: u64 = block.arms.values().sum();
        let open = if given < block.size { format!(", open with {given} given") } else { String::new() };
        let place = place(&block.stratum);
        let space = if place.is_empty() { "" } else { " " };
        text.push_str(&format!("  block of {}{space}{place}: {}{open}\n", block.size, arms(&block.arms)));
    }
    text
}
