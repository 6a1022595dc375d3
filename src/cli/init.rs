//! `hagaki init DIR`: a commented bundle to start from, or the operator's file with a mailbox.

use std::path::Path;

use anyhow::Context;

use super::{End, Refused};
use crate::definition::samples;
use crate::settings;

pub(super) fn run(dir: &Path, installation: bool) -> anyhow::Result<End> {
    let unusable = || format!("{} cannot be used", dir.display());
    if dir.try_exists().with_context(unusable)? && dir.read_dir().with_context(unusable)?.next().is_some() {
        return Err(Refused(format!("{} is not empty; name a new folder", dir.display())).into());
    }
    let nothing = || format!("{}: nothing was written", dir.display());
    let files = if installation {
        samples::write_files(&settings::template(), dir).with_context(nothing)?
    } else {
        samples::write_template(dir).with_context(nothing)?
    };
    for file in files {
        println!("{}", dir.join(file).display());
    }
    if installation {
        let (config, keys) = (dir.join("hagaki.toml"), dir.join("secrets/keys"));
        super::key::make_new(&keys)?;
        println!("{}", keys.display());
        println!(
            "Edit these files; they say what each key means. Then: hagaki doctor --config {0}, and hagaki serve --config {0}",
            config.display()
        );
    } else {
        println!("Edit these files; they say what each key means. Then: hagaki check {}", dir.display());
    }
    Ok(End::Done)
}
