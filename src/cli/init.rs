//! `hagaki init DIR`: a commented bundle to start from.

use std::path::Path;

use anyhow::Context;

use super::{End, Refused};
use crate::definition::samples;

pub(super) fn run(dir: &Path) -> anyhow::Result<End> {
    let unusable = || format!("{} cannot be used", dir.display());
    if dir.try_exists().with_context(unusable)? && dir.read_dir().with_context(unusable)?.next().is_some() {
        return Err(Refused(format!("{} is not empty; name a new folder", dir.display())).into());
    }
    let files = samples::write_template(dir).with_context(|| format!("{}: nothing was written", dir.display()))?;
    for file in files {
        println!("{}", dir.join(file).display());
    }
    println!("Edit these files; they say what each key means. Then: hagaki check {}", dir.display());
    Ok(End::Done)
}
