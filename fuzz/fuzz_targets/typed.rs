//! What people type: days, times, numbers of subjects, receipts, names of files, and populations of a simulation.
#![no_main]

use hagaki::cli::simulate::population;
use hagaki::domain::file::{FileAnswer, FileType, clean_name};
use hagaki::domain::{calendar, receipt::Receipt, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|typed: &str| {
    let _ = calendar::read_day(typed);
    let _ = calendar::read_time(typed);
    let _ = calendar::read_day_time(typed);
    if let Ok(claimed) = Receipt::parse(typed) {
        assert!(!claimed.check(b"a key nobody has"), "a receipt without a key");
    }
    // A path would be opened.
    if typed.contains('=') && !typed.contains(['/', '@', '.']) {
        let _ = population::open(Some(typed));
    }
    for kind in FileType::ALL {
        let name = clean_name(typed, kind);
        assert!(!name.contains(['/', '\\', '\r', '\n', '"', '\0']) && !name.starts_with('.'), "{name:?}");
        assert_eq!(clean_name(&name, kind), name, "cleaned twice it is another name");
    }
    if let Some(file) = FileAnswer::parse(typed) {
        assert_eq!(FileAnswer::parse(&file.canonical()), Some(file), "a file does not come back");
    }
    let folded = text::fold_tight(typed);
    assert_eq!(text::fold_tight(&folded), folded, "folding twice folds more");
});
