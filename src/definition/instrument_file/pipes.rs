//! Answers that stand in later labels and help texts: asked on an earlier page, one line, and nobody's name.

use super::InstrumentFile;
use crate::definition::document::{Report, nearest};
use crate::domain::instrument::{Item, ItemKind, pipe};

/// Reports what cannot be filled in where it is named. What stands `beside` is known from the first page on.
pub(in crate::definition) fn check(read: &InstrumentFile, beside: &[Item], report: &Report) {
    let items = &read.instrument.items;
    let (mut page_of, mut page) = (Vec::with_capacity(items.len()), 0);
    for (at, item) in items.iter().enumerate() {
        page += usize::from(at > 0 && item.begins_page);
        page_of.push(page);
    }
    for (at, (item, place)) in items.iter().zip(&read.places).enumerate() {
        let texts = [("label", Some(&item.label)), ("help", item.help.as_ref())];
        let wordings = texts.iter().filter_map(|(key, text)| Some((*key, (*text)?)));
        for (key, name) in wordings.flat_map(|(key, text)| {
            text.wordings()
                .flat_map(|(_, wording)| pipe::names(wording))
                .map(move |name| (key, name))
                .collect::<Vec<_>>()
        }) {
            let wrong = |wrong: String, right: String| {
                report.at(&read.file, Some(place.line), format!("{}.{key}", place.key), wrong, right);
            };
            let carried = beside.iter().find(|known| known.id == name);
            if let Some(fault) = carried.and_then(unfit) {
                wrong(fault.0, fault.1);
            }
            let Some(named) = items.iter().position(|other| other.id == name) else {
                if carried.is_some() {
                    continue;
                }
                let ids: Vec<&str> = items.iter().take(at).map(|item| item.id.as_str()).collect();
                let right = nearest(name, &ids).map_or_else(
                    || "write the id of an item that is asked on an earlier page".to_string(),
                    |near| format!("did you mean {{{{{near}}}}}?"),
                );
                wrong(format!("{{{{{name}}}}} is no item"), right);
                continue;
            };
            if named >= at || page_of[named] >= page_of[at] {
                wrong(
                    format!("the answer of `{name}` is not known yet where {{{{{name}}}}} stands"),
                    "ask it on an earlier page (a heading with page = true begins the next one)".to_string(),
                );
            } else if let Some((fault, right)) = unfit(&items[named]) {
                wrong(fault, right);
            }
        }
    }
}

/// Why the answer to an item cannot stand in a text, and what would be right.
fn unfit(item: &Item) -> Option<(String, String)> {
    if matches!(item.kind, ItemKind::Note | ItemKind::File(_) | ItemKind::Heading) {
        return Some((
            format!("`{}` has no answer of one line", item.id),
            "name an item of another kind, such as \"text\", \"choice\" or \"scale\"".to_string(),
        ));
    }
    item.personal.then(|| {
        (
            format!("`{}` is personal, and labels stand in letters and exports, too", item.id),
            "name an item that is not personal".to_string(),
        )
    })
}
