//! `corrections` and `exclude`: how later decisions count subjects of which something became known.

use super::table::{self, Desk, Section, nearest};
use crate::domain::allocation::Method;
use crate::domain::fact::{FactKind, Recounting};

/// Facts after which a subject may be left out.
const EXCLUDABLE: [FactKind; 4] =
    [FactKind::Duplicate, FactKind::RandomizedInError, FactKind::Ineligible, FactKind::Withdrawn];

pub(super) fn read(desk: &mut Desk<'_>, root: &Section<'_, '_>, method: Option<&Method>) -> Recounting {
    let mut recounting = Recounting::default();
    let told = ["corrections", "exclude"].into_iter().find_map(|key| Some((key, root.get(key)?)));
    if let (Some((key, value)), Some(method)) = (told, method)
        && !matches!(method, Method::Minimization(_))
    {
        let wrong = "only minimization can count a subject otherwise than it was allocated";
        desk.error(Some(value.span()), key, wrong, "leave it out");
    }
    if let Some(value) = root.get("corrections") {
        match table::name(desk, "corrections", value).as_deref() {
            Some("original") => recounting.corrected = false,
            Some("corrected") => recounting.corrected = true,
            Some(other) => desk.error(
                Some(value.span()),
                "corrections",
                format!("\"{other}\" is not known"),
                "write \"original\" (subjects count at the levels they were allocated by) or \"corrected\"",
            ),
            None => {}
        }
    }
    if let Some(value) = root.get("exclude") {
        recounting.exclude.clear();
        for value in table::list(desk, "exclude", value).unwrap_or_default() {
            let Some(word) = table::name(desk, "exclude", value) else { continue };
            match EXCLUDABLE.into_iter().find(|kind| kind.key() == word) {
                Some(kind) if recounting.exclude.contains(&kind) => {
                    desk.error(Some(value.span()), "exclude", format!("\"{word}\" stands twice"), "each once");
                }
                Some(kind) => recounting.exclude.push(kind),
                None => {
                    let right = match nearest(&word, EXCLUDABLE.iter().map(|kind| kind.key())) {
                        Some(near) => format!("did you mean \"{near}\"?"),
                        None => format!("write some of {}", EXCLUDABLE.map(FactKind::key).join(", ")),
                    };
                    desk.error(Some(value.span()), "exclude", format!("\"{word}\" is not known"), right);
                }
            }
        }
    }
    recounting
}
