//! HTML to lines: nothing hidden by a comment comes out.
#![no_main]

use hagaki::mail::reading::html;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|page: &str| {
    html::to_text(page);
});
