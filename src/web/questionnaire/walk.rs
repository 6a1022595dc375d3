//! The way through the pages of an instrument: what comes after a button was pressed.

use axum::http::StatusCode;

use super::filled::Filled;
use super::posted::{Place, Step};
use crate::domain::answer::{Fault, pages_asked};
use crate::domain::instrument::Item;

/// What is shown next.
pub(in crate::web) enum Next<'f> {
    /// A page of the instrument.
    Page {
        /// Whether it is shown again for what is wrong on it.
        status: StatusCode,
        /// Its place from 0.
        at: usize,
        /// What is wrong on it.
        faults: Vec<&'f Fault>,
        /// Whether questions came up by what was answered on it.
        more: bool,
    },
    /// All answers once more.
    Review,
    /// Nothing: what was filled in is sent.
    Send,
}

impl Next<'_> {
    fn page(at: usize) -> Self {
        Next::Page { status: StatusCode::OK, at, faults: Vec::new(), more: false }
    }
}

/// What comes after what was posted; `review` says that everything is shown once more before it is sent.
pub(in crate::web) fn next<'f>(filled: &Filled<'f>, review: bool) -> Next<'f> {
    let Filled { form, posted, instrument, .. } = *filled;
    let shown = pages_asked(instrument, form);
    let first = shown.first().copied().unwrap_or(0);
    let step = posted.step();
    // A file that was not taken is told of before its page is left, whichever way.
    let untaken = filled.untaken();
    if let (Place::Page(at), false) = (posted.place(), untaken.is_empty() || matches!(step, Step::Answer | Step::Look))
    {
        return Next::Page { status: StatusCode::UNPROCESSABLE_ENTITY, at, faults: untaken, more: false };
    }
    match (step, posted.place()) {
        (Step::Change(at), _) | (Step::Speak(_) | Step::Look, Place::Page(at)) => return Next::page(at),
        // Looking never sends anything.
        (Step::Look, _) => return Next::page(first),
        (Step::Back, Place::Page(at)) => {
            return Next::page(shown.iter().rfind(|page| **page < at).copied().unwrap_or(first));
        }
        (Step::Answer, Place::Page(at)) => {
            let own = instrument.pages().get(at).copied().unwrap_or_default();
            let seen = posted.seen();
            let was_seen = |id: &str| seen.as_ref().is_none_or(|seen| seen.contains(id));
            let on_page = |fault: &&Fault| own.iter().any(|item| item.id == fault.item) && was_seen(&fault.item);
            let faults: Vec<&Fault> = form.faults.iter().filter(on_page).collect();
            if !faults.is_empty() {
                return Next::Page { status: StatusCode::UNPROCESSABLE_ENTITY, at, faults, more: false };
            }
            // What was answered here may bring up questions of the same page.
            if own.iter().any(|item| item.kind.asks() && filled.is_shown(item) && !was_seen(&item.id)) {
                return Next::Page { status: StatusCode::OK, at, faults, more: true };
            }
            if let Some(next) = shown.iter().find(|page| **page > at) {
                return Next::page(*next);
            }
        }
        _ => {}
    }
    // Everything was answered, as far as the pages tell.
    if let Some(fault) = form.faults.first() {
        let pages = instrument.pages();
        let of_page = |page: &[Item], fault: &Fault| page.iter().any(|item| item.id == fault.item);
        let at = pages.iter().position(|page| of_page(page, fault)).unwrap_or(first);
        let faults = form.faults.iter().filter(|one| of_page(pages[at], one)).collect();
        return Next::Page { status: StatusCode::UNPROCESSABLE_ENTITY, at, faults, more: false };
    }
    // What is unusual is asked about even where nothing else is shown again.
    if step != Step::Send && (review || !form.doubts.is_empty()) { Next::Review } else { Next::Send }
}
