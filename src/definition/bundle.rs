//! The files of a study as they lie in a folder or in the database, and their digest.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::allocation_file::is_list;
use super::election_file::{ELECTION, says_something};
use super::pictures::{self, PICTURES, is_picture};
use super::problem::{Problem, Weight};
use super::randomization::is_file as is_further;
use crate::limits;

/// Name of the main file.
pub(super) const STUDY: &str = "study.toml";
/// Name of the statistician's file.
pub(super) const ALLOCATION: &str = "allocation.toml";
/// Name of the kit list.
pub(super) const KITS: &str = "kits.csv";
/// Folder of the instruments.
pub(super) const INSTRUMENTS: &str = "instruments/";
/// Folder of the study's own letters.
pub(super) const LETTERS: &str = "letters/";
/// Name of the schedule.
pub(super) const SCHEDULE: &str = "schedule.toml";
/// Folder of the keys of people.
pub(super) const KEYS: &str = "keys/";
/// Folder of the calendars of holidays.
pub(super) const HOLIDAYS: &str = "holidays/";
/// Files of a study that say nothing to the program, kept as they are.
const OTHERS: [&str; 1] = ["README.md"];

/// The files of a study, path → text, a picture as Base64; and what was wrong when they were read from a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    files: BTreeMap<String, String>,
    problems: Vec<Problem>,
}

impl Bundle {
    /// A bundle as the database keeps it: path (parted by `/`) → text.
    pub fn from_files(files: BTreeMap<String, String>) -> Bundle {
        Bundle { files, problems: Vec::new() }
    }

    /// Whether it brings a list of kits.
    pub fn lists_kits(&self) -> bool {
        self.files.contains_key(KITS)
    }

    /// A bundle from a folder. What cannot be read is a problem that [`super::load`] tells with all others.
    pub fn read(folder: &Path) -> Bundle {
        let mut bundle = Bundle::default();
        if folder.is_dir() {
            bundle.read_folder(folder, "", 0);
        } else {
            bundle.error(
                STUDY,
                format!("there is no folder {}", folder.display()),
                "name the folder that holds study.toml",
            );
        }
        bundle
    }

    /// Its files, path → text.
    pub fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    /// The text of one file.
    pub fn file(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// The rules of its election, to the byte, if it holds one.
    pub fn election(&self) -> Option<&str> {
        self.file(ELECTION).filter(|content| says_something(content))
    }

    /// The pictures of its election's candidates, path → Base64.
    pub fn pictures(&self) -> BTreeMap<&str, &str> {
        let own = self.files.iter().filter(|(path, _)| is_picture(path));
        own.map(|(path, text)| (path.as_str(), text.as_str())).collect()
    }

    /// The study's own letters, path → text.
    pub fn letters(&self) -> BTreeMap<String, String> {
        let own = self.files.iter().filter(|(path, _)| path.starts_with(LETTERS));
        own.map(|(path, text)| (path.clone(), text.clone())).collect()
    }

    /// What was wrong when its folder was read.
    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// SHA-256 over its files in the order of their paths, each path and text with its length (64 bits, big endian)
    /// before it, so that no two bundles have the same input. In lower-case hexadecimal digits.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for part in self.files.iter().flat_map(|(path, text)| [path, text]) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        data_encoding::HEXLOWER.encode(&hash.finalize())
    }

    fn error(&mut self, file: &str, wrong: impl Into<String>, right: impl Into<String>) {
        self.problem(file, wrong.into(), right.into(), Weight::Error);
    }

    fn warn(&mut self, file: &str, wrong: impl Into<String>, right: impl Into<String>) {
        self.problem(file, wrong.into(), right.into(), Weight::Warning);
    }

    fn problem(&mut self, file: &str, wrong: String, right: String, weight: Weight) {
        if self.problems.len() < limits::PROBLEMS {
            self.problems.push(Problem {
                file: file.to_string(),
                line: None,
                key: String::new(),
                wrong,
                right,
                weight,
            });
        }
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str, depth: usize) {
        let shown = if prefix.is_empty() { STUDY } else { prefix };
        if depth > limits::BUNDLE_DEPTH {
            return self.warn(shown, "this folder lies too deep and was left out", "move its files up");
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.error(shown, format!("the folder cannot be read ({error})"), ""),
        };
        let mut names: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.file_name()).collect();
        names.sort();
        for name in names {
            let Some(name) = name.to_str() else {
                self.warn(shown, "holds a file whose name cannot be read; it was left out", "give it a plain name");
                continue;
            };
            // Version control, editors and desktops leave such files everywhere.
            if name.starts_with('.') || name.ends_with('~') || name == "Thumbs.db" || name == "desktop.ini" {
                continue;
            }
            self.read_entry(&folder.join(name), &format!("{prefix}{name}"), depth);
        }
    }

    fn read_entry(&mut self, path: &Path, name: &str, depth: usize) {
        let kind = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => return self.error(name, format!("cannot be read ({error})"), ""),
        };
        if kind.is_symlink() {
            return self.warn(name, "is a link to another file and was left out", "copy the file itself here");
        }
        if kind.is_dir() {
            let folder = format!("{name}/");
            if depth == 0 && ![INSTRUMENTS, LETTERS, HOLIDAYS, PICTURES, KEYS].contains(&folder.as_str()) {
                return self.warn(
                    &folder,
                    "is no folder of a bundle and was left out",
                    "known are instruments/, letters/, holidays/, pictures/ and keys/",
                );
            }
            return self.read_folder(path, &folder, depth + 1);
        }
        if !kind.is_file() || !belongs(name) {
            return self.warn(name, "is no file of a bundle and was left out", "");
        }
        let most = if name == KITS { limits::BUNDLE_FILE_BYTES } else { limits::BUNDLE_TEXT_BYTES };
        if usize::try_from(kind.len()).is_ok_and(|bytes| bytes > most) {
            return self.error(name, format!("is larger than {} MB", most / 1024 / 1024), "");
        }
        let total: usize = self.files.values().map(String::len).sum();
        if self.files.len() >= limits::BUNDLE_FILES || total > limits::BUNDLE_BYTES {
            return self.error(name, "there are too many files, or they are too large together", "");
        }
        match fs::read(path) {
            Ok(bytes) if is_picture(name) => {
                self.files.insert(name.to_string(), pictures::as_text(&bytes));
            }
            Ok(bytes) => self.read_bytes(name, bytes),
            Err(error) => self.error(name, format!("cannot be read ({error})"), ""),
        }
    }

    fn read_bytes(&mut self, name: &str, bytes: Vec<u8>) {
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(broken) => {
                let line =
                    1 + broken.as_bytes()[..broken.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
                let (_, had_errors) = encoding_rs::SHIFT_JIS.decode_without_bom_handling(broken.as_bytes());
                let what = if had_errors { "is not in UTF-8" } else { "is in Shift_JIS (CP932), not in UTF-8" };
                self.error(
                    name,
                    format!("{what}: line {line}"),
                    "save it again as UTF-8 (in Notepad: Save as, Encoding: UTF-8)",
                );
                return;
            }
        };
        let text = match text.strip_prefix('\u{FEFF}') {
            Some(rest) => {
                self.warn(name, "begins with a byte order mark, which was left out", "save it as UTF-8 without BOM");
                rest.to_string()
            }
            None => text,
        };
        if text.contains('\0') {
            return self.error(name, "holds NUL characters", "save it again as UTF-8 (not UTF-16)");
        }
        self.files.insert(name.to_string(), text);
    }
}

/// Whether a path can be part of a bundle.
fn belongs(name: &str) -> bool {
    let instrument = name.strip_prefix(INSTRUMENTS).is_some_and(|rest| rest.ends_with(".toml") && !rest.contains('/'));
    let key = name.strip_prefix(KEYS).is_some_and(|rest| rest.ends_with(".asc") && !rest.contains('/'));
    let calendar = name.strip_prefix(HOLIDAYS).is_some_and(|rest| rest.ends_with(".ics") && !rest.contains('/'));
    [STUDY, ALLOCATION, KITS, SCHEDULE, ELECTION].contains(&name)
        || OTHERS.contains(&name)
        || instrument
        || calendar
        || key
        || is_list(name)
        || is_further(name)
        || is_picture(name)
        || name.starts_with(LETTERS)
}
