//! The whole reader in the world of the test corpus, and in that of a sample study whose subjects have events: it ends, does not panic, and asks for nothing in nobody's name.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use hagaki::definition::{self, Bundle, samples};
use hagaki::domain::study::Study;
use hagaki::domain::time::Instant;
use hagaki::mail::reading::{Vouched, World, read};
use libfuzzer_sys::fuzz_target;

static STUDY: LazyLock<Study> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/studies/study-a");
    definition::load(&Bundle::read(&folder)).expect("the test study loads").0
});

static WITH_EVENTS: LazyLock<Study> =
    LazyLock::new(|| definition::load(&samples::aurora()).expect("a sample study loads").0);

fuzz_target!(|raw: &[u8]| {
    for study in [&*STUDY, &*WITH_EVENTS] {
        read_in(study, raw);
    }
});

fn read_in(study: &Study, raw: &[u8]) {
    let studies = [study];
    let now = Instant::parse_rfc3339("2026-11-20T09:05:00+09:00").expect("a fixed time");
    let post = study.post.as_ref().expect("the test study has its post");
    let world = World { studies: &studies, post, now, vouched: Vouched::ByNobody };
    let reading = read(&world, raw);
    if reading.request.is_some() {
        assert!(reading.sender.is_some() && reading.person.is_some());
    }
    assert!(!reading.subject.contains(['\r', '\n', '\0']));
    assert!(!reading.text.contains('\0'));
}
