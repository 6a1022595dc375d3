//! Rows that come as one text: where a table is read whole, most of the time goes into handing over cell by cell.
//!
//! A statement that packs gives the number of rows and their text: fields parted by [`field!`], rows by [`row!`]. A text that holds
//! such a mark cannot pass for others: the marks of rows are counted against the number, and then those of fields in each row. Whoever
//! unpacks reads the rows one by one where something is not as it must be, so that nothing is told by this alone.

use super::StoreError;
use super::sql::Row;
use crate::domain::chain::Sha256Digest;
use crate::domain::survey::Mark;
use crate::domain::time::Instant;

/// What parts fields in the text of a statement that packs.
macro_rules! field {
    () => {
        "'\u{1f}'"
    };
}
pub(super) use field;

/// What parts rows in the text of a statement that packs.
macro_rules! row {
    () => {
        "'\u{1e}'"
    };
}
pub(super) use row;

const FIELD: char = '\u{1f}';
const ROW: char = '\u{1e}';

/// The rows of the only row of a statement that packs; none where they cannot be told from each other, or one is not as it must be.
///
/// # Errors
/// A row without number and text.
pub(super) fn unpack<T>(
    rows: Vec<Row>,
    fields: usize,
    read: impl Fn(&mut Fields<'_>) -> Option<T>,
) -> Result<Option<Vec<T>>, StoreError> {
    let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
    let (count, text) = (row.int()?, row.text()?);
    Ok(unpacked(count, &text, fields, read))
}

/// The rows of a text of which the statement gives no number: for texts that hold no mark, as those that this program alone writes.
pub(super) fn unpack_text<T>(text: &str, fields: usize, read: impl Fn(&mut Fields<'_>) -> Option<T>) -> Option<Vec<T>> {
    let count = if text.is_empty() { 0 } else { text.matches(ROW).count() + 1 };
    unpacked(i64::try_from(count).ok()?, text, fields, read)
}

fn unpacked<T>(count: i64, text: &str, fields: usize, read: impl Fn(&mut Fields<'_>) -> Option<T>) -> Option<Vec<T>> {
    let count = usize::try_from(count).ok()?;
    let mut rows = Vec::with_capacity(count);
    if count == 0 {
        return text.is_empty().then_some(rows);
    }
    for line in text.split(ROW) {
        let mut cells = Fields { left: Some(line), taken: 0 };
        rows.push(read(&mut cells)?);
        if cells.left.is_some() || cells.taken != fields || rows.len() > count {
            return None;
        }
    }
    (rows.len() == count).then_some(rows)
}

/// The fields of a row, read in their order.
pub(super) struct Fields<'a> {
    left: Option<&'a str>,
    taken: usize,
}

impl<'a> Fields<'a> {
    /// The next field as it stands there.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        let left = self.left?;
        self.taken += 1;
        match left.split_once(FIELD) {
            Some((own, rest)) => {
                self.left = Some(rest);
                Some(own)
            }
            None => self.left.take(),
        }
    }

    /// The next field, a text that may be absent: `=` stands before one that is there.
    pub(super) fn opt_text(&mut self) -> Option<Option<&'a str>> {
        match self.text()? {
            "" => Some(None),
            text => text.strip_prefix('=').map(Some),
        }
    }

    /// The next field, an integer.
    pub(super) fn int(&mut self) -> Option<i64> {
        self.text()?.parse().ok()
    }

    /// The next field, an integer that may be absent.
    pub(super) fn opt_int(&mut self) -> Option<Option<i64>> {
        match self.text()? {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        }
    }

    /// The next field, a moment.
    pub(super) fn instant(&mut self) -> Option<Instant> {
        self.int().map(Instant)
    }

    /// The next field, a digest in hexadecimal digits.
    pub(super) fn digest(&mut self) -> Option<Sha256Digest> {
        self.bytes()
    }

    /// The next field, a random mark in hexadecimal digits.
    pub(super) fn mark(&mut self) -> Option<Mark> {
        self.bytes().map(Mark)
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let text = self.text()?.as_bytes();
        let right = text.len() == 2 * N;
        right.then(|| data_encoding::HEXLOWER_PERMISSIVE.decode_mut(text, &mut bytes).ok()).flatten()?;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a database gives of rows of two texts.
    fn packed(rows: &[(String, String)]) -> (i64, String) {
        let lines: Vec<String> = rows.iter().map(|(one, other)| format!("{one}{FIELD}{other}")).collect();
        (i64::try_from(rows.len()).expect("few rows"), lines.join(&ROW.to_string()))
    }

    fn pair(fields: &mut Fields<'_>) -> Option<(String, String)> {
        Some((fields.text()?.to_owned(), fields.text()?.to_owned()))
    }

    proptest! {
        /// Whatever stands in the texts: what comes out are the rows, or nothing.
        #[test]
        fn no_text_passes_for_others(rows in proptest::collection::vec(("[ab\u{1e}\u{1f}]{0,4}", "[ab\u{1e}\u{1f}]{0,4}"), 0..5)) {
            let (count, text) = packed(&rows);
            let marked = rows.iter().any(|(one, other)| [one, other].iter().any(|cell| cell.contains([FIELD, ROW])));
            match unpacked(count, &text, 2, pair) {
                Some(found) => prop_assert_eq!(found, rows),
                None => prop_assert!(marked),
            }
        }
    }

    #[test]
    fn fields_are_what_they_must_be() {
        let one = |text: &str, count| {
            unpacked(count, text, 2, |fields| Some((fields.opt_text()?.map(str::to_owned), fields.opt_int()?)))
        };
        assert_eq!(one("\u{1f}", 1), Some(vec![(None, None)]));
        assert_eq!(one("=\u{1f}-7", 1), Some(vec![(Some(String::new()), Some(-7))]));
        for (text, count) in [
            ("x\u{1f}7", 1),
            ("=x\u{1f}7 ", 1),
            ("=x", 1),
            ("=x\u{1f}7\u{1f}", 1),
            ("=x\u{1f}7", 2),
            ("", 1),
            ("x", 0),
            ("", -1),
        ] {
            assert_eq!(one(text, count), None, "{text:?} {count}");
        }
        assert_eq!(one("", 0), Some(Vec::new()));
        let numbers = |text: &str| unpack_text(text, 1, |fields| fields.int());
        assert_eq!(numbers(""), Some(Vec::new()));
        assert_eq!(numbers("7\u{1e}8"), Some(vec![7, 8]));
        assert_eq!((numbers("7\u{1e}"), numbers("7\u{1f}8")), (None, None));
        let digest = |text: &str| unpacked(1, text, 1, |fields| fields.digest());
        assert_eq!(digest(&"aB".repeat(32)), Some(vec![[0xab; 32]]));
        assert_eq!((digest(&"ab".repeat(31)), digest(&"xy".repeat(32))), (None, None));
    }
}
