//! `hagaki export`: what a study holds, as CSV, JSON or an Excel workbook, with a codebook.

mod attachments;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use serde_json::json;

use attachments::Attachments;

use super::export::{StageName, Whom};
use super::installation::Opened;
use super::progress::Bar;
use super::study::judged;
use super::{End, Installation, Output, Refused, counted};
use crate::domain::language::Language;
use crate::domain::study::Stage;
use crate::domain::survey::Survey;
use crate::store::{study, urn};
use crate::workflow::disclosure;
use crate::workflow::export::cells::Cell;
use crate::workflow::export::delimited::{Charset, Delimited};
use crate::workflow::export::json::Json;
use crate::workflow::export::workbook::Book;
use crate::workflow::export::{self, Rows, Source, Table, Wish, codebook};
use crate::workflow::life::Act;
use crate::workflow::shelf::ShelvedStudy;

/// What `hagaki export` takes.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// The study.
    slug: String,
    /// Shape of the files. In CSV, text that a spreadsheet would take for a formula gets an apostrophe before it; JSON has every
    /// text and number as it is.
    #[arg(long, value_enum)]
    format: Format,
    /// Folder to write into (made if it is absent), or `-` to print one table.
    #[arg(long)]
    out: PathBuf,
    /// Folder to write the files of answers into, of the tables that are written: RESPONSE/ITEM.pdf, as the table names them. Each is
    /// compared with the digest that the answer holds.
    #[arg(long)]
    files: Option<PathBuf>,
    /// Only this table: subjects, allocations, facts, participants, codebook, or the id of a survey's instrument. May be repeated;
    /// all of them if left out.
    #[arg(long = "table", value_name = "TABLE")]
    tables: Vec<String>,
    /// Codes of choices (the default).
    #[arg(long, conflicts_with = "labels")]
    codes: bool,
    /// Labels of choices, and of calculated values that have one, instead of their codes.
    #[arg(long)]
    labels: bool,
    /// Language of labels and of the codebook; the study's first if left out.
    #[arg(long, value_parser = language)]
    language: Option<Language>,
    /// Leave out what identifies somebody: personal items, names, addresses, references of sites, who recorded what, reasons. Free
    /// text stays; read it before you pass it on.
    #[arg(long)]
    de_identified: bool,
    /// With arms; refused while a blinded study goes on. Until its end, answers that follow from the arm of whoever enrolled
    /// themself are left out too, unless --by names somebody who may know arms.
    #[arg(long)]
    arms: bool,
    /// Answers that were mended since as well.
    #[arg(long)]
    history: bool,
    /// Charset of CSV.
    #[arg(long, value_enum, default_value_t = CharsetName::Utf8Bom)]
    charset: CharsetName,
    /// Of which stage; the current one if left out.
    #[arg(long, value_enum)]
    stage: Option<StageName>,
    /// For whom; needed in production.
    #[command(flatten)]
    whom: Whom,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

/// Shapes of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One file for each table.
    Csv,
    /// One workbook with a sheet for each table.
    Xlsx,
    /// One file for each table: an array with one object a line.
    Json,
}

impl Format {
    const fn end(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Xlsx => "xlsx",
            Format::Json => "json",
        }
    }
}

/// Charsets, as the option names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CharsetName {
    /// UTF-8.
    #[value(name = "utf-8")]
    Utf8,
    /// UTF-8 that Excel knows by its mark.
    #[value(name = "utf-8-bom")]
    Utf8Bom,
    /// Windows code page 932, for programs in Japan that read nothing else.
    Cp932,
}

impl From<CharsetName> for Charset {
    fn from(name: CharsetName) -> Charset {
        match name {
            CharsetName::Utf8 => Charset::Utf8,
            CharsetName::Utf8Bom => Charset::Utf8Marked,
            CharsetName::Cp932 => Charset::Cp932,
        }
    }
}

fn language(code: &str) -> Result<Language, String> {
    Language::find(code).ok_or_else(|| "no language of ours; write ja or en".to_string())
}

/// What became of a table.
struct Done {
    table: String,
    file: PathBuf,
    rows: u64,
}

pub(super) fn run(args: &DataArgs) -> anyhow::Result<End> {
    let opened = Opened::open(&args.installation)?;
    let shelved = opened.study_at(&args.slug, args.stage.map(Stage::from))?;
    let first = shelved.study.languages.first().copied().unwrap_or(Language::En);
    let mut wish = Wish {
        labels: args.labels,
        deidentified: args.de_identified,
        arms: args.arms,
        telling: false,
        history: args.history,
        language: args.language.unwrap_or(first),
    };
    let mut all = opened.runtime.block_on(export::tables(&opened.store, &shelved, wish))?;
    let book = codebook::table();
    let known: Vec<&str> = all.iter().chain([&book]).map(|table| table.id.as_str()).collect();
    if let Some(unknown) = args.tables.iter().find(|wanted| !known.contains(&wanted.as_str())) {
        return Err(Refused(format!("--table {unknown}: study {} has {}", args.slug, known.join(", "))).into());
    }
    let wanted = |table: &&Table| args.tables.is_empty() || args.tables.contains(&table.id);
    let print = args.out == Path::new("-");
    if print && (all.iter().chain([&book]).filter(wanted).count() != 1 || args.format == Format::Xlsx) {
        let why = "--out - prints one table as CSV or JSON: name it with --table";
        return Err(Refused(format!("{why}; study {} has {}", args.slug, known.join(", "))).into());
    }
    if args.arms {
        args.whom.ask(&opened, &shelved, "data with arms")?;
    }
    // What explains columns tells that they are there.
    let concerned = |table: &&Table| !table.withheld.is_empty() && (wanted(table) || wanted(&&book));
    if all.iter().any(|table| concerned(&table)) && args.whom.ask_telling(&opened, &shelved)? {
        wish.telling = true;
        all = opened.runtime.block_on(export::tables(&opened.store, &shelved, wish))?;
    }
    for table in all.iter().filter(concerned) {
        eprintln!(
            "hagaki: {}: left out until the study is closed, for by these answers its arms could be told apart: {}; they go to \
             somebody of the study who may know arms (--by) and says why (--reason)",
            table.id,
            table.withheld.join(", ")
        );
    }
    if let Some(survey) = shelved.study.survey.as_ref().filter(|survey| !survey.privacy.names())
        && all.iter().any(|table| table.id == survey.instrument && wanted(&table))
    {
        let sealed = opened.runtime.block_on(urn::count(&opened.store, shelved.id))?;
        if let Some(told) = still_sealed(survey, sealed) {
            eprintln!("hagaki: {}: {told}", survey.instrument);
        }
    }
    let chosen: Vec<&Table> = all.iter().chain([&book]).filter(wanted).collect();
    let names: Vec<&str> = chosen.iter().map(|table| table.id.as_str()).collect();
    let act = Act { actor: &opened.actor, at: opened.now(), reason: args.whom.reason() };
    let leave = disclosure::Wish { what: args.format.end(), by: args.whom.by() };
    judged(opened.runtime.block_on(disclosure::permit_data(
        &opened.store,
        &shelved,
        leave,
        &names,
        args.de_identified,
        act,
    )))?;
    let files = args.files.as_deref().map(|folder| Attachments::into(folder, &opened)).transpose()?;
    let export = Export { args, opened: &opened, shelved: &shelved, wish, tables: &all, files };
    if print {
        let table = chosen.first().ok_or_else(|| anyhow!("one table was chosen"))?;
        let mut out = BufWriter::new(std::io::stdout().lock());
        export.delimited_or_json(table, &mut out)?;
        out.flush().context("the table cannot be printed")?;
        return export.ended();
    }
    fs::create_dir_all(&args.out).with_context(|| format!("{} cannot be made", args.out.display()))?;
    let done = match args.format {
        Format::Xlsx => export.workbook(&chosen)?,
        Format::Csv | Format::Json => chosen.iter().map(|table| export.file(table)).collect::<anyhow::Result<_>>()?,
    };
    for Done { table, file, rows } in &done {
        if args.output.json {
            println!("{}", json!({ "table": table, "file": file.display().to_string(), "rows": rows }));
        } else {
            println!("{}: {table}, {}", file.display(), counted(*rows, "row"));
        }
    }
    export.ended()
}

/// Why answers without names that came in are not among the rows; none if all of them are.
fn still_sealed(survey: &Survey, sealed: i64) -> Option<String> {
    let batch = survey.batch;
    let over = survey.closes.map_or_else(|| "the survey is over".to_string(), |day| format!("{day} is over"));
    let many = counted(u64::try_from(sealed).unwrap_or(0), "response");
    (sealed > 0).then(|| {
        format!(
            "{many} still sealed: so that nobody is known by what they answered, {batch} or more are opened together, and as many stay \
             behind until {over}; of fewer than {batch} in all none is ever opened"
        )
    })
}

/// An export under way.
struct Export<'a> {
    args: &'a DataArgs,
    opened: &'a Opened,
    shelved: &'a ShelvedStudy,
    wish: Wish,
    /// Those that the codebook explains.
    tables: &'a [Table],
    files: Option<Attachments<'a>>,
}

impl Export<'_> {
    /// Tells of the files that were written, and which could not be.
    fn ended(&self) -> anyhow::Result<End> {
        let Some(files) = &self.files else { return Ok(End::Done) };
        let (written, lost) = (files.written.get(), files.lost.get());
        if self.args.output.json {
            println!("{}", json!({ "files": files.folder.display().to_string(), "written": written, "lost": lost }));
        } else if self.args.out != Path::new("-") {
            println!("{}: {}", files.folder.display(), counted(written, "file"));
        }
        match lost {
            0 => Ok(End::Done),
            lost => Err(anyhow!("{} could not be written; see above", counted(lost, "file"))),
        }
    }

    /// Gives each row of a table to `write`; how many there were.
    fn each(&self, table: &Table, mut write: impl FnMut(&[Cell]) -> anyhow::Result<()>) -> anyhow::Result<u64> {
        let mut count = 0;
        if table.id == codebook::table().id {
            for row in codebook::rows(self.tables, self.wish) {
                write(&row)?;
                count += 1;
            }
            return Ok(count);
        }
        let expected = self.expected(table)?;
        let bar = Bar::new(&table.id, expected);
        let mut rows = Rows::of(&self.opened.store, self.shelved, table, self.wish);
        while let Some(row) = self.opened.runtime.block_on(rows.next())? {
            write(&row)?;
            for cell in &row {
                if let (Cell::File(path, file), Some(files)) = (cell, &self.files) {
                    files.write(path, file)?;
                }
            }
            count += 1;
            bar.advance(1);
        }
        bar.clear();
        Ok(count)
    }

    /// How many rows there are about, for the bar.
    fn expected(&self, table: &Table) -> anyhow::Result<u64> {
        let row = self.opened.runtime.block_on(study::load(&self.opened.store, self.shelved.id))?;
        let rows = match table.source {
            Source::Subjects => row.subjects,
            Source::Allocations => row.allocations,
            Source::Facts => row.facts,
            Source::Participants => row.participants,
            Source::Responses(_) => row.responses,
        };
        Ok(u64::try_from(rows).unwrap_or(0))
    }

    fn delimited_or_json(&self, table: &Table, out: &mut impl Write) -> anyhow::Result<u64> {
        if self.args.format == Format::Json {
            let mut file = Json::begin(out, &table.columns)?;
            let rows = self.each(table, |row| Ok(file.row(row)?))?;
            file.end()?;
            return Ok(rows);
        }
        let mut file = Delimited::begin(out, self.args.charset.into(), &table.columns)?;
        let rows = self.each(table, |row| Ok(file.row(row)?))?;
        let replaced = file.end()?;
        if replaced > 0 {
            eprintln!(
                "hagaki: {}: {} that the charset has no place for became 〓; --charset utf-8-bom keeps all",
                table.id,
                counted(replaced, "character")
            );
        }
        Ok(rows)
    }

    /// A table in a file of its own; a file is there whole or not at all.
    fn file(&self, table: &Table) -> anyhow::Result<Done> {
        let path = self.path(&format!("-{}", table.id));
        let rows = whole(&path, |out| self.delimited_or_json(table, out))?;
        Ok(Done { table: table.id.clone(), file: path, rows })
    }

    fn workbook(&self, tables: &[&Table]) -> anyhow::Result<Vec<Done>> {
        let path = self.path("");
        let mut book = Book::begin();
        let mut done = Vec::new();
        for table in tables {
            book.table(&table.id, &table.columns).with_context(|| format!("table {} fits no sheet", table.id))?;
            let rows = self.each(table, |row| Ok(book.row(row)?))?;
            done.push(Done { table: table.id.clone(), file: path.clone(), rows });
        }
        let cut = whole(&path, |out| Ok(book.end(out)?))?;
        if cut > 0 {
            eprintln!(
                "hagaki: {} longer than a sheet takes were cut; --format csv or json has them whole",
                counted(cut, "text")
            );
        }
        Ok(done)
    }

    fn path(&self, table: &str) -> PathBuf {
        let stage = self.shelved.stage.key();
        self.args.out.join(format!("{}-{stage}{table}.{}", self.args.slug, self.args.format.end()))
    }
}

/// Writes a file beside its place and puts it there when it is whole; only its owner can read it.
fn whole<T>(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let cannot = || format!("{} cannot be written", path.display());
    let part = path.with_extension("part");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = BufWriter::new(options.open(&part).with_context(cannot)?);
    let written = write(&mut out).and_then(|written| {
        out.flush()?;
        out.get_ref().sync_all()?;
        Ok(written)
    });
    match written {
        Ok(written) => {
            fs::rename(&part, path).with_context(cannot)?;
            Ok(written)
        }
        Err(error) => {
            let _ = fs::remove_file(&part);
            Err(error.context(cannot()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{self, samples};

    #[test]
    fn what_is_sealed_is_told_of() {
        let (study, _) = definition::load(&samples::members()).unwrap();
        let survey = study.survey.unwrap();
        assert_eq!(still_sealed(&survey, 0), None);
        let told = still_sealed(&survey, 3).unwrap();
        assert!(
            told.starts_with("3 responses still sealed:") && told.contains("20 or more") && told.contains("2036-03-31"),
            "{told}"
        );
    }
}
