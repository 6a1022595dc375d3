//! Charsets: the first byte picks a label, the rest is text.
#![no_main]

use hagaki::mail::reading::{charset, word};
use libfuzzer_sys::fuzz_target;

const LABELS: [&str; 12] = [
    "us-ascii", "utf-8", "iso-2022-jp", "cp50221", "shift_jis", "euc-jp", "iso-8859-1", "utf-16le", "utf-7", "gb18030", "big5", "x-none",
];

fuzz_target!(|raw: &[u8]| {
    let Some((first, bytes)) = raw.split_first() else { return };
    let label = LABELS.get(usize::from(*first)).copied();
    if let Ok(decoded) = charset::decode(bytes, label, &charset::nobody) {
        assert!(!decoded.text.starts_with('\u{FEFF}'));
    }
    word::decode(bytes, &charset::nobody);
});
