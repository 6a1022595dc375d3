//! Rows of a matrix stand together and offer the same.

use super::InstrumentFile;
use crate::definition::document::Report;
use crate::domain::instrument::{Choices, Item, ItemKind};

/// Reports rows that stand apart from their matrix, or that offer something else than the row above.
pub(super) fn check(read: &InstrumentFile, report: &Report) {
    let items = &read.instrument.items;
    let mut ended: Vec<&str> = Vec::new();
    for (at, (item, place)) in items.iter().zip(&read.places).enumerate() {
        let above = at.checked_sub(1).and_then(|above| items.get(above));
        if let Some(named) = above.and_then(|above| above.matrix.as_deref())
            && item.matrix.as_deref() != Some(named)
        {
            ended.push(named);
        }
        let Some(named) = item.matrix.as_deref() else { continue };
        let wrong = |wrong: String, right: &str| {
            report.at(&read.file, Some(place.line), format!("{}.matrix", place.key), wrong, right);
        };
        if item.kind.other().is_some() {
            wrong("a row of a matrix has no place for a text".to_string(), "remove other = true, or matrix");
        }
        if ended.contains(&named) {
            wrong(
                format!("\"{named}\" has rows above that it does not stand beside"),
                "put the rows of a matrix together",
            );
        } else if let Some(above) = above.filter(|above| above.matrix.as_deref() == Some(named))
            && !offer_same(above, item)
        {
            wrong(
                format!("`{}` offers something else than `{}`, the row above it", item.id, above.id),
                "give all rows the same low and high, or the same choices",
            );
        }
    }
}

fn offer_same(one: &Item, other: &Item) -> bool {
    match (&one.kind, &other.kind) {
        (ItemKind::Scale { low, high }, ItemKind::Scale { low: own_low, high: own_high }) => {
            (low, high) == (own_low, own_high)
        }
        (ItemKind::Choice(Choices::Sites), ItemKind::Choice(Choices::Sites)) => true,
        (ItemKind::Choice(Choices::Listed(one)), ItemKind::Choice(Choices::Listed(other))) => {
            let same = |(one, other): (&crate::domain::instrument::Choice, &crate::domain::instrument::Choice)| {
                one.code == other.code && one.label == other.label
            };
            one.len() == other.len() && one.iter().zip(other).all(same)
        }
        _ => false,
    }
}
