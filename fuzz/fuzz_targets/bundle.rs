//! Bundles: files of a study in the place of a sound one's, and what the loaded study says of itself.
#![no_main]

use hagaki::definition::{self, Bundle, samples};
use libfuzzer_sys::fuzz_target;

/// The files that are taken from the input, apart by a line of this.
const APART: &str = "\n%%%%\n";
const FILES: [&str; 4] = ["study.toml", "allocation.toml", "instruments/registration.toml", "kits.csv"];

fuzz_target!(|raw: &[u8]| {
    let Ok(text) = std::str::from_utf8(raw) else { return };
    let mut files = samples::borealis().files().clone();
    for (name, text) in FILES.into_iter().zip(text.split(APART)).filter(|(_, text)| !text.is_empty()) {
        files.insert(name.to_owned(), text.to_owned());
    }
    match definition::load(&Bundle::from_files(files)) {
        Ok((study, _)) => assert!(!study.slug.is_empty()),
        Err(problems) => assert!(!problems.is_empty(), "refused without a reason"),
    }
});
