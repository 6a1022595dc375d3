//! The files of answers in an export: each below the name of its response, and nothing of it that does not agree with the answer.

use std::cell::Cell;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::super::installation::Opened;
use super::whole;
use crate::daemon::run::files;
use crate::domain::file::FileAnswer;
use crate::files::Files;

/// The folder they are written into, and how many were.
pub(super) struct Attachments<'a> {
    pub(super) folder: PathBuf,
    pub(super) written: Cell<u64>,
    pub(super) lost: Cell<u64>,
    files: Files,
    opened: &'a Opened,
}

impl<'a> Attachments<'a> {
    /// Into that folder, from where the installation keeps them.
    pub(super) fn into(folder: &Path, opened: &'a Opened) -> anyhow::Result<Attachments<'a>> {
        let files = files(&opened.settings)?;
        Ok(Attachments { folder: folder.to_path_buf(), written: Cell::new(0), lost: Cell::new(0), files, opened })
    }

    /// Writes one; what cannot be read is told of, and the others are written all the same.
    pub(super) fn write(&self, path: &str, answer: &FileAnswer) -> anyhow::Result<()> {
        let path = self.folder.join(path);
        let folder = path.parent().unwrap_or(&self.folder);
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let written = whole(&path, |out| {
            self.opened.runtime.block_on(async {
                let mut reading = self.files.read(answer).await?;
                while let Some(piece) = reading.next().await? {
                    out.write_all(&piece)?;
                }
                Ok(())
            })
        });
        match written {
            Ok(()) => self.written.set(self.written.get() + 1),
            Err(error) => {
                eprintln!("hagaki: {error:#}");
                self.lost.set(self.lost.get() + 1);
            }
        }
        Ok(())
    }
}
