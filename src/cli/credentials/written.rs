//! The files that credentials are written to: the only time that they can be read.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::Context;

use super::Office;
use super::sheet::Sheet;
use crate::domain::time::Instant;
use crate::workflow::credentials::Issued;

/// What credentials are written to: a list, a sheet, both or neither.
pub(super) struct Written {
    list: Option<csv::Writer<File>>,
    sheet: Option<Sheet<BufWriter<File>>>,
}

impl Written {
    /// Makes the files; they must not be there yet.
    pub(super) fn begin(
        office: &Office,
        list: Option<&Path>,
        sheet: Option<&Path>,
        cards: bool,
    ) -> anyhow::Result<Written> {
        let list = list.map(begin_list).transpose()?;
        let study = &office.shelved.study;
        let begin = |path| Sheet::begin(BufWriter::new(own_file(path)?), study, cards);
        Ok(Written { list, sheet: sheet.map(begin).transpose()? })
    }

    /// Adds credentials and waits until the files have them: what is in none when the next batch fails is lost for good.
    pub(super) fn add(&mut self, office: &Office, issued: &[Issued]) -> anyhow::Result<()> {
        if let Some(list) = &mut self.list {
            issued.iter().try_for_each(|one| list.write_record(row(one)))?;
            list.flush().context("the credentials cannot be written")?;
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
        Ok(())
    }
}

/// A new file that only its owner can read.
fn own_file(path: &Path) -> anyhow::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.with_context(|| format!("{} cannot be written (it must not be there yet)", path.display()))
}

fn begin_list(path: &Path) -> anyhow::Result<csv::Writer<File>> {
    let mut writer = csv::Writer::from_writer(own_file(path)?);
    writer.write_record(["number", "reference", "name", "email", "link", "login", "password", "from", "until"])?;
    writer.flush()?;
    Ok(writer)
}

fn row(one: &Issued) -> [String; 9] {
    [
        one.number.map(|number| number.to_string()).unwrap_or_default(),
        one.candidate.reference.clone(),
        one.candidate.name.clone(),
        one.candidate.address.clone(),
        one.link.clone().unwrap_or_default(),
        one.login.as_ref().map(|login| login.grouped()).unwrap_or_default(),
        one.password.clone().unwrap_or_default(),
        one.validity.from.utc(),
        one.validity.until.map(Instant::utc).unwrap_or_default(),
    ]
}
