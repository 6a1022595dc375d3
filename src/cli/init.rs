//! `hagaki init DIR`: a commented bundle to start from.

use std::path::Path;

use anyhow::Context;

use super::End;
use crate::definition::samples;

pub(super) fn run(dir: &Path) -> anyhow::Result<End> {
    let files = samples::write_template(dir).with_context(|| format!("{}: nothing was written", dir.display()))?;
    for file in files {
        println!("{}", dir.join(file).display());
    }
    println!("Edit these files; they say what each key means. Then: hagaki check {}", dir.display());
    Ok(End::Done)
}
