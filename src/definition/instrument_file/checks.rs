//! `[[checks]]`: what must hold between answers. Names and types are checked with those of conditions.

use std::collections::BTreeSet;

use super::InstrumentFile;
use crate::definition::document::{Section, nearest};
use crate::definition::study_file::compile;
use crate::domain::instrument::Check;
use crate::domain::language::Language;
use crate::limits;

/// Reads the checks of an instrument whose items were read.
pub(super) fn read(root: &Section, languages: &[Language], read: &mut InstrumentFile) {
    let mut ids = BTreeSet::new();
    for section in root.sections("checks") {
        let id = section.need_name("id", "sleep", '_');
        if !id.is_empty() && !ids.insert(id.clone()) {
            section.wrong("id", format!("\"{id}\" is taken already"), "give each check its own id");
        }
        let written = section.need_text("rule", "!answered(slept) || !answered(napped) || napped <= slept");
        let rule = if written.is_empty() { None } else { compile(&section, "rule", &written) };
        let message = section.need_wording("message", languages);
        let named = section.texts("items", "slept");
        let known: Vec<&str> = read.instrument.items.iter().map(|item| item.id.as_str()).collect();
        for name in named.iter().filter(|name| !known.contains(&name.as_str())) {
            let right = nearest(name, &known).map_or_else(
                || "write ids of items of this file".to_string(),
                |near| format!("did you mean \"{near}\"?"),
            );
            section.wrong("items", format!("\"{name}\" is no item"), right);
        }
        // Those that people answer, in the order in which they are asked.
        let concerned = |id: &str| match named.is_empty() {
            true => rule.as_ref().is_some_and(|rule| rule.names().any(|name| name == id)),
            false => named.iter().any(|name| name == id),
        };
        let asking = read.instrument.items.iter().filter(|item| item.kind.asks() && concerned(&item.id));
        let items: Vec<String> = asking.map(|item| item.id.clone()).collect();
        let soft = section.flag("soft").unwrap_or(false);
        if let Some(rule) = rule {
            let unknown = named.iter().any(|name| !known.contains(&name.as_str()));
            // A rule with names of no item is told of with its names.
            if items.is_empty() && !unknown && rule.names().all(|name| known.contains(&name)) {
                section.wrong(
                    "items",
                    "no item that people answer is concerned",
                    "list in items those that are to be looked at again",
                );
            }
            read.instrument.checks.push(Check { id, rule, hard: !soft, message, items });
            read.checks.push((section.line_of("rule"), section.key("rule")));
        }
        section.close();
    }
    if read.instrument.checks.len() > limits::CHECKS {
        root.wrong("checks", format!("there are more than {} checks", limits::CHECKS), "");
    }
}
