//! The files that credentials are written to: the only time that they can be read.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::Office;
use super::sheet::Sheet;
use crate::cli::counted;
use crate::domain::participant::Candidate;
use crate::domain::time::Zone;
use crate::workflow::credentials::Issued;
use crate::workflow::export::delimited::{Charset, Delimited, harmless};

/// Columns of the list; those of the list of participants that are attributes come behind them.
const COLUMNS: [&str; 9] = ["number", "reference", "name", "email", "link", "login", "password", "from", "until"];

/// What credentials are to be written to.
#[derive(Clone, Debug, Args)]
pub struct Paper {
    /// File to write them to, as CSV for a mail merge: this is the only time that they can be read. For those without an address this or
    /// --sheet is needed. Times are by the study's clock; attributes of the list have columns of their own.
    #[arg(long)]
    pub(super) out: Option<PathBuf>,
    /// The CSV in Windows code page 932 instead of UTF-8 with the mark by which Excel knows it.
    #[arg(long, requires = "out")]
    pub(super) cp932: bool,
    /// File to write them to as HTML to print, with a QR code of each link: a letter for each person.
    #[arg(long)]
    pub(super) sheet: Option<PathBuf>,
    /// Several small cards on each page of the sheet, instead of letters.
    #[arg(long, requires = "sheet")]
    pub(super) cards: bool,
}

impl Paper {
    /// Whether there is any.
    pub(super) const fn is_there(&self) -> bool {
        self.out.is_some() || self.sheet.is_some()
    }
}

/// What credentials are written to: a list, a sheet, both or neither.
pub(super) struct Written {
    list: Option<List>,
    sheet: Option<Sheet<BufWriter<File>>>,
}

impl Written {
    /// Makes the files; they must not be there yet. `people` say which attributes have columns.
    pub(super) fn begin<'a>(
        office: &Office,
        paper: &Paper,
        people: impl Iterator<Item = &'a Candidate>,
    ) -> anyhow::Result<Written> {
        let study = &office.shelved.study;
        let charset = if paper.cp932 { Charset::Cp932 } else { Charset::Utf8Marked };
        let attributes = || -> BTreeSet<String> { people.flat_map(|one| one.attributes.keys().cloned()).collect() };
        let list = match &paper.out {
            Some(path) => Some(List::begin(path, charset, attributes().into_iter().collect(), study.zone)?),
            None => None,
        };
        let begin = |path: &PathBuf| Sheet::begin(BufWriter::new(own_file(path)?), study, paper.cards);
        Ok(Written { list, sheet: paper.sheet.as_ref().map(begin).transpose()? })
    }

    /// Adds credentials and waits until the files have them: what is in none when the next batch fails is lost for good.
    pub(super) fn add(&mut self, office: &Office, issued: &[Issued]) -> anyhow::Result<()> {
        if let Some(list) = &mut self.list {
            let written = issued.iter().try_for_each(|one| list.add(one)).and_then(|()| list.file.flush());
            written.context("the credentials cannot be written")?;
        }
        if let Some(sheet) = &mut self.sheet {
            let (desk, now) = (&office.desk, office.opened.now());
            issued.iter().try_for_each(|one| sheet.add(&office.shelved, desk, now, one))?;
            sheet.flush()?;
        }
        Ok(())
    }

    /// Ends the files.
    pub(super) fn end(self) -> anyhow::Result<()> {
        self.sheet.map(Sheet::end).transpose()?;
        let replaced = self.list.map(|list| list.file.end()).transpose()?.unwrap_or(0);
        if replaced > 0 {
            let many = counted(replaced, "character");
            eprintln!("warning: CP932 has no place for {many} of the list, which stand there as 〓");
        }
        Ok(())
    }
}

/// A new file that only its owner can read.
fn own_file(path: &Path) -> anyhow::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.with_context(|| format!("{} cannot be written (it must not be there yet)", path.display()))
}

/// A list for Excel and for mail merges: a mark or CP932 by which the charset is known, and nothing that is carried out.
struct List {
    file: Delimited<File>,
    attributes: Vec<String>,
    zone: Zone,
}

impl List {
    fn begin(path: &Path, charset: Charset, attributes: Vec<String>, zone: Zone) -> anyhow::Result<List> {
        let columns = COLUMNS.iter().map(ToString::to_string).chain(attributes.iter().map(|name| harmless(name)));
        let mut file = Delimited::headed(own_file(path)?, charset, columns)?;
        file.flush()?;
        Ok(List { file, attributes, zone })
    }

    fn add(&mut self, one: &Issued) -> std::io::Result<()> {
        let own = [
            one.number.map(|number| number.to_string()).unwrap_or_default(),
            one.candidate.reference.clone(),
            one.candidate.name.clone(),
            one.candidate.address.clone(),
            one.link.clone().unwrap_or_default(),
            one.login.as_ref().map(|login| login.grouped()).unwrap_or_default(),
            one.password.clone().unwrap_or_default(),
            one.validity.from.local(self.zone),
            one.validity.until.map(|until| until.local(self.zone)).unwrap_or_default(),
        ];
        let more = self.attributes.iter().map(|name| one.candidate.attributes.get(name).map_or("", String::as_str));
        self.file.texts(own.iter().map(String::as_str).chain(more))
    }
}
