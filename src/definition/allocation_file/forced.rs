//! The table `[forced]`: arms given by hand.

use super::table::{self, Desk, Section, nearest};
use crate::domain::allocation::Method;
use crate::domain::study::{Forcing, Role};
use crate::limits;

/// Who may give an arm; without the table nobody may.
pub(super) fn read(desk: &mut Desk<'_>, root: &Section<'_, '_>, method: Option<&Method>) -> Forcing {
    let mut forcing = Forcing::default();
    let Some(value) = root.get("forced") else { return forcing };
    if matches!(method, Some(Method::None)) {
        let wrong = "the method \"none\" gives no arms, by hand or otherwise";
        desk.error(Some(value.span()), "forced", wrong, "leave it out");
    }
    let Some(section) = Section::open(desk, "forced", value, &["limit", "roles"]) else { return forcing };
    if let Some(value) = section.need(desk, "limit", "how many allocations at most, such as 5") {
        let limit = table::whole(desk, "forced.limit", value, 0, u64::from(limits::FORCED)).unwrap_or(0);
        forcing.limit = u32::try_from(limit).unwrap_or(0);
    }
    let roles = match section.get("roles") {
        Some(value) => table::list(desk, "forced.roles", value).unwrap_or_default(),
        None if forcing.limit == 0 => return forcing,
        None => {
            let right = "roles = [\"statistician\"]";
            desk.error(Some(value.span()), "forced.roles", "is missing: nobody may give an arm by hand", right);
            return forcing;
        }
    };
    for value in roles {
        let Some(word) = table::name(desk, "forced.roles", value) else { continue };
        let free = || Role::ALL.into_iter().filter(|role| !role.enrolls() && *role != Role::Monitor);
        match Role::ALL.into_iter().find(|role| role.key() == word) {
            Some(role) if role.enrolls() || role == Role::Monitor => {
                let wrong = format!("\"{word}\" must not choose an arm: whoever enrolls or watches gives none");
                let names: Vec<&str> = free().map(Role::key).collect();
                let right = format!("write some of {}", names.join(", "));
                desk.error(Some(value.span()), "forced.roles", wrong, right);
            }
            Some(role) if forcing.roles.contains(&role) => {
                desk.error(Some(value.span()), "forced.roles", format!("\"{word}\" stands twice"), "each once");
            }
            Some(role) => forcing.roles.push(role),
            None => {
                let right = match nearest(&word, free().map(Role::key)) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("write some of {}", free().map(Role::key).collect::<Vec<&str>>().join(", ")),
                };
                desk.error(Some(value.span()), "forced.roles", format!("\"{word}\" is no role"), right);
            }
        }
    }
    if forcing.limit > 0 && roles.is_empty() {
        desk.error(Some(section.span), "forced.roles", "names no role", "roles = [\"statistician\"]");
    }
    forcing
}
