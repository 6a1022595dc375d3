//! Key files and what was sealed, as anybody could leave them: nothing panics, and nothing opens that was not sealed so.

#![no_main]

use hagaki::domain::seal::{self, KeyRing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (String, Vec<u8>)| {
    let (file, sealed) = input;
    let _ = KeyRing::parse(&file);
    let _ = seal::unpad(&sealed);
    let Ok(ring) = KeyRing::parse(&"a".repeat(52)) else { return };
    assert!(ring.open("fuzz", b"", &sealed).is_err());
});
