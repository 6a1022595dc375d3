//! Archives of elections: whatever is in them, nothing panics, and only what is whole has a result. The chain and the container are made
//! anew over what was changed, so that more than the digests is reached.
#![no_main]

use hagaki::domain::belenios::archive::{Archive, DATA_SUFFIX};
use hagaki::domain::belenios::audit::{self, Expected};
use hagaki::domain::belenios::json::hex_digest;
use hagaki::domain::belenios::tar;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, Vec<u8>, Vec<Vec<u8>>)| {
    let (raw, bytes, files) = input;
    let expected = Expected { open: true, ..Expected::default() };
    if raw {
        let report = audit::check(&bytes, expected, [0; 32]);
        assert!(report.problems.is_empty() || report.result.is_none());
        return;
    }
    let file = |at: usize| files.get(at).map_or(&[][..], Vec::as_slice);
    let mut archive = Archive::begin(1_795_000_000);
    archive.set_up(file(0), file(1), file(2));
    archive.add_ballot(file(3));
    archive.end_ballots();
    archive.add_tally(file(4), 1, 1);
    archive.add_decryption(1, file(5));
    archive.add_result(file(6));
    let mut written = archive.bytes().to_vec();
    if let Some(more) = tar::record(&format!("{}{DATA_SUFFIX}", hex_digest(&bytes)), &bytes, 1_795_000_000) {
        written.extend(more);
    }
    let report = audit::check(&written, expected, [0; 32]);
    assert!(report.problems.is_empty() == report.result.is_some() || report.result.is_none());
});
