//! Which pages of an instrument are asked, given the answers so far.

use super::Form;
use crate::domain::instrument::{Instrument, Item};

/// The pages that are shown, by their places among [`Instrument::pages`], counted from 0: those on which something is asked,
/// and those of texts alone. Never none: what is asked at all stands on some page.
pub fn pages_asked(instrument: &Instrument, form: &Form) -> Vec<usize> {
    let asked = |item: &&Item| !form.unasked.contains(&item.id);
    let is_shown = |page: &[Item]| match page.iter().any(|item| item.kind.asks()) {
        true => page.iter().filter(asked).any(|item| item.kind.asks()),
        false => page.iter().any(|item| asked(&item)),
    };
    let mut shown: Vec<usize> =
        instrument.pages().iter().enumerate().filter(|(_, page)| is_shown(page)).map(|(at, _)| at).collect();
    if shown.is_empty() {
        shown.push(0);
    }
    shown
}
