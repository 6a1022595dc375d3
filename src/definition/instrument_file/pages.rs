//! A page's condition is that of the heading that begins it: it holds for every item of the page.

use super::InstrumentFile;
use crate::definition::document::Report;
use crate::domain::expression::Expression;

/// Gives each item of a conditional page that page's condition beside its own.
pub(super) fn inherit(read: &mut InstrumentFile, report: &Report) {
    let mut page: Option<Expression> = None;
    for (item, place) in read.instrument.items.iter_mut().zip(&read.places) {
        if item.begins_page {
            page = item.when.clone();
            continue;
        }
        let Some(whole) = &page else { continue };
        let both = match &item.when {
            None => Ok(whole.clone()),
            Some(own) => Expression::compile(&format!("({}) && ({})", whole.source, own.source)),
        };
        match both {
            Ok(both) => item.when = Some(both),
            Err(_) => report.at(
                &read.file,
                Some(place.when_line),
                format!("{}.when", place.key),
                "is too long together with the condition of its page",
                "shorten one of the two, or compute a part of it in an item of kind = \"calculation\"",
            ),
        }
    }
}
