//! `deterministic_reason`: why a scheme that leaves nothing to chance is meant so.

use toml::de::DeValue;

use super::table::{Desk, Section, kind};
use crate::domain::allocation::Method;
use crate::domain::text;
use crate::limits;

/// The key.
pub(super) const KEY: &str = "deterministic_reason";

/// Warns of a scheme without chance, beside the reason that is given for it; `alone` is whether all arms but one were closed.
pub(super) fn read(
    desk: &mut Desk<'_>,
    root: &Section<'_, '_>,
    method: Option<&Method>,
    alone: bool,
) -> Option<String> {
    let reason = reason(desk, root);
    let Some(method) = method else { return reason };
    if alone {
        let right = match &reason {
            Some(reason) => format!("the file says that it is meant so: {reason}"),
            None => format!(
                "a second arm that is open; or, where the others were closed for safety, say so: production takes it only with {KEY} = \"…\" \
                 above the first line in brackets. `hagaki study end-enrollment` takes nobody more"
            ),
        };
        let wrong =
            "leave one arm open: every allocation to come is certain, and known beforehand to whoever knows that";
        desk.warn(root.get("arms").map(toml::Spanned::span), "arms", wrong, right);
        return reason;
    }
    if !method.is_deterministic() {
        if let Some(value) = root.get(KEY) {
            desk.warn(Some(value.span()), KEY, "is not needed: the method leaves something to chance", "leave it out");
        }
        return reason;
    }
    let right = match &reason {
        Some(reason) => format!("the file says that it is meant so: {reason}"),
        None => format!(
            "less than 1, such as \"4/5\": ICH E9 asks for a random element in every allocation. Production takes it only with \
             {KEY} = \"…\" above the first line in brackets"
        ),
    };
    let inside = root.get(method.key()).and_then(|value| value.get_ref().as_table());
    let span = inside.and_then(|table| table.get("p")).map(toml::Spanned::span);
    let wrong = "is 1: who knows the allocations so far can foresee the next";
    desk.warn(span, &format!("{}.p", method.key()), wrong, right);
    reason
}

fn reason(desk: &mut Desk<'_>, root: &Section<'_, '_>) -> Option<String> {
    let value = root.get(KEY)?;
    let DeValue::String(written) = value.get_ref() else {
        desk.error(Some(value.span()), KEY, format!("{} instead of a text", kind(value)), "a text in quotes");
        return None;
    };
    let right = "why allocations without chance are meant, in a few words";
    if written.trim().is_empty() {
        desk.error(Some(value.span()), KEY, "is empty", right);
        return None;
    }
    let chars = written.chars().count();
    if chars > limits::DETERMINISTIC_REASON_CHARS {
        let wrong = format!("has {chars} characters");
        let right = format!("at most {}", limits::DETERMINISTIC_REASON_CHARS);
        desk.error(Some(value.span()), KEY, wrong, right);
        return None;
    }
    Some(text::clean(written, limits::DETERMINISTIC_REASON_CHARS))
}
