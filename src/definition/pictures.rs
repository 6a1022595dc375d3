//! Pictures of an election's candidates: files under `pictures/`, named in `election.toml`.
//!
//! A bundle is texts, also in the database and in its digest; so a picture stands in it as the Base64 of its bytes (RFC 4648 section 4).

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;

use super::bundle::Bundle;
use super::document::Report;
use super::election_file::ELECTION;
use super::study_file::did_you_mean;
use crate::domain::election::picture::{Picture, PictureFault};
use crate::domain::election::{Candidate, Election};
use crate::limits;

/// Folder of the pictures.
pub(super) const PICTURES: &str = "pictures/";
/// Endings of their names.
const ENDINGS: [&str; 3] = [".png", ".jpg", ".jpeg"];

/// Whether a path is that of a picture.
pub(super) fn is_picture(path: &str) -> bool {
    let name = path.strip_prefix(PICTURES).unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    !name.contains('/') && ENDINGS.iter().any(|ending| lower.len() > ending.len() && lower.ends_with(ending))
}

/// A picture as a bundle holds it.
pub(super) fn as_text(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// The bytes of a file of a bundle.
pub(super) fn as_bytes(path: &str, text: &str) -> Vec<u8> {
    match is_picture(path) {
        true => BASE64.decode(text.as_bytes()).unwrap_or_default(),
        false => text.as_bytes().to_vec(),
    }
}

/// The pictures that candidates name, by their names.
pub(super) fn read(bundle: &Bundle, election: &Election, report: &Report) -> BTreeMap<String, Picture> {
    let paths: Vec<&str> = bundle.files().keys().map(String::as_str).filter(|path| is_picture(path)).collect();
    let names: Vec<&str> = paths.iter().filter_map(|path| path.strip_prefix(PICTURES)).collect();
    let named: BTreeSet<&str> = election
        .contests
        .iter()
        .flat_map(|contest| &contest.candidates)
        .filter_map(|candidate: &Candidate| candidate.picture.as_deref())
        .collect();
    let mut pictures = BTreeMap::new();
    for name in &named {
        let path = format!("{PICTURES}{name}");
        let Some(text) = bundle.file(&path).filter(|_| is_picture(&path)) else {
            let right = match names[..] {
                [] => format!("put the picture, PNG or JPEG, into the folder {PICTURES}"),
                _ => did_you_mean(name, &names),
            };
            report.at(ELECTION, None, "picture", format!("there is no file {path}"), right);
            continue;
        };
        match Picture::read(&as_bytes(&path, text)) {
            Ok(picture) => _ = pictures.insert((*name).to_string(), picture),
            Err(fault) => report.file(&path, fault.to_string(), mend(fault)),
        }
    }
    if pictures.values().map(|picture| picture.bytes.len()).sum::<usize>() > limits::PICTURES_BYTES {
        let wrong = format!("are larger than {} MB together", limits::PICTURES_BYTES / 1_000_000);
        report.file(PICTURES, wrong, "make them smaller");
    }
    for path in paths.iter().filter(|path| path.strip_prefix(PICTURES).is_some_and(|name| !named.contains(name))) {
        let right = format!("write picture = \"{}\" with a candidate", path.trim_start_matches(PICTURES));
        report.warn(path, None, "", "is the picture of nobody", right);
    }
    pictures
}

/// What would be right.
fn mend(fault: PictureFault) -> &'static str {
    match fault {
        PictureFault::Kind => "save it as PNG or JPEG",
        PictureFault::Bytes | PictureFault::Points => "make it smaller: some 600 points across are enough",
        PictureFault::Exif => {
            "save it without such data (in Windows: Properties, Details, Remove Properties), or make a screen shot of it"
        }
    }
}
