//! The bundles that come with the program: the commented starting point and the sample studies.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use include_dir::{Dir, include_dir};

use super::{Bundle, pictures};

static TEMPLATE: Dir = include_dir!("$CARGO_MANIFEST_DIR/config/studies/template");
static AURORA: Dir = include_dir!("$CARGO_MANIFEST_DIR/config/studies/aurora");
static CYGNUS: Dir = include_dir!("$CARGO_MANIFEST_DIR/config/studies/cygnus");
static BOREALIS: Dir = include_dir!("$CARGO_MANIFEST_DIR/config/studies/borealis");

static COUNCIL: Dir = include_dir!("$CARGO_MANIFEST_DIR/config/studies/council");
static MEMBERS: Dir = include_dir!("$CARGO_MANIFEST_DIR/config/studies/members");
static SOMNUS: Dir = include_dir!("$CARGO_MANIFEST_DIR/config/studies/somnus");
static WELLBEING: Dir = include_dir!("$CARGO_MANIFEST_DIR/config/studies/wellbeing");

/// The starting point of `hagaki init`: minimal, valid, every key commented.
pub fn template() -> Bundle {
    bundle(&TEMPLATE)
}

/// Two arms, minimization over site and three factors, open label.
pub fn aurora() -> Bundle {
    bundle(&AURORA)
}

/// Three arms 1:1:2, stratified permuted blocks, blinded with kits.
pub fn borealis() -> Bundle {
    bundle(&BOREALIS)
}

/// A weekly diary that participants fill in about themselves, by temporary credentials.
pub fn wellbeing() -> Bundle {
    bundle(&WELLBEING)
}

/// An online trial: participants enroll themselves, and keep the weekly diary of their arm.
pub fn somnus() -> Bundle {
    bundle(&SOMNUS)
}

/// A survey that members answer without their name, signed in with an account of their own.
pub fn members() -> Bundle {
    bundle(&MEMBERS)
}

/// A society elects its council by districts, and confirms its president.
pub fn council() -> Bundle {
    bundle(&COUNCIL)
}

/// Two arms by blocks, then a second randomization of those who did not respond; open label.
pub fn cygnus() -> Bundle {
    bundle(&CYGNUS)
}

/// The sample studies that the demonstration runs, in the order of their names.
pub fn all() -> Vec<Bundle> {
    vec![aurora(), borealis(), wellbeing()]
}

/// Writes the starting point into a folder, which is made if it is not there, and gives the paths written.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if the folder holds one of its files already (then nothing is written), or what the
/// file system says.
pub fn write_template(folder: &Path) -> io::Result<Vec<String>> {
    write(&template(), folder)
}

/// Writes the files of a bundle into a folder; see [`write_template`].
///
/// # Errors
/// As [`write_template`].
pub fn write(bundle: &Bundle, folder: &Path) -> io::Result<Vec<String>> {
    write_files(bundle.files(), folder)
}

/// Writes files, by their paths below a folder, into it; see [`write_template`].
///
/// # Errors
/// As [`write_template`].
pub fn write_files(files: &BTreeMap<String, String>, folder: &Path) -> io::Result<Vec<String>> {
    if let Some(there) = files.keys().map(|path| folder.join(path)).find(|path| path.exists()) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} is there already", there.display())));
    }
    for (path, text) in files {
        let (path, bytes) = (folder.join(path), pictures::as_bytes(path, text));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, bytes)?;
    }
    Ok(files.keys().cloned().collect())
}

fn bundle(folder: &Dir) -> Bundle {
    let mut files = BTreeMap::new();
    collect(folder, &mut files);
    Bundle::from_files(files)
}

fn collect(folder: &Dir, files: &mut BTreeMap<String, String>) {
    for file in folder.files() {
        let path = file.path().to_str().expect("sample files have plain names");
        let text = match pictures::is_picture(path) {
            true => pictures::as_text(file.contents()),
            false => file.contents_utf8().expect("sample files are UTF-8, as a test makes sure").to_string(),
        };
        files.insert(path.to_string(), text);
    }
    for inner in folder.dirs() {
        collect(inner, files);
    }
}
