//! Whatever somebody seals or says to have sealed: keys, messages, signatures and mails with them. All of it ends within its limits. The
//! program contains panics of the library; here they are findings, to be told to its authors.

#![no_main]

use std::sync::LazyLock;

use hagaki::domain::openpgp::{Certificate, OwnKey, open, signed_apart, signed_text};
use hagaki::limits;
use hagaki::mail::reading::unseal;
use libfuzzer_sys::fuzz_target;

static OURS: LazyLock<OwnKey> = LazyLock::new(|| {
    OwnKey::parse(include_str!("../../tests/data/openpgp/ours.secret.asc"), "").expect("our key of the tests")
});

fuzz_target!(|raw: &[u8]| {
    if let Ok(opened) = open(Some(&OURS), raw) {
        assert!(opened.data.len() <= limits::MAIL_BYTES && opened.claims.len() <= limits::OPENPGP_SIGNATURES);
    }
    let _ = signed_apart(raw, b"x");
    let text = String::from_utf8_lossy(raw);
    let _ = signed_text(&text);
    let _ = Certificate::parse(&text);
    let unsealed = unseal(Some(&OURS), raw);
    assert!(unsealed.seal.is_encrypted() || unsealed.raw.len() <= raw.len().max(limits::MAIL_BYTES));
});
