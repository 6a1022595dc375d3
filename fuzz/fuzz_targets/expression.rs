//! Rules and calculations: any text compiled, and evaluated with nothing answered.
#![no_main]

use std::collections::BTreeMap;

use hagaki::domain::expression::{Expression, Scope};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &str| {
    let Ok(expression) = Expression::compile(source) else { return };
    let names: Vec<String> = expression.names().map(str::to_owned).collect();
    let _ = expression.check(&BTreeMap::new());
    let today = "2026-11-20".parse().expect("a day");
    let scope = Scope::blank(names.iter().map(String::as_str), today);
    let _ = expression.holds(&scope);
    let _ = expression.value(&scope);
});
