//! Rows that are gone through page by page; the next page is on its way while one is looked at.

use std::vec::IntoIter;

use futures::future::BoxFuture;
use tokio::task::JoinHandle;

use super::Failure;
use crate::limits;
use crate::store::StoreError;

type Page<T> = Result<Vec<T>, StoreError>;

/// Rows in the order of a key, each page the one behind the last row of the page before.
pub(super) struct Pages<T> {
    fetch: Box<dyn Fn(i64) -> BoxFuture<'static, Page<T>> + Send + Sync>,
    key: fn(&T) -> i64,
    page: IntoIter<T>,
    /// The key of the last row of the page.
    last: i64,
    ahead: Option<JoinHandle<Page<T>>>,
}

impl<T: Send + 'static> Pages<T> {
    /// `fetch` gives at most [`limits::PROOF_PAGE_ROWS`] rows behind a key, in order.
    pub(super) fn new(
        key: fn(&T) -> i64,
        fetch: impl Fn(i64) -> BoxFuture<'static, Page<T>> + Send + Sync + 'static,
    ) -> Pages<T> {
        Pages { fetch: Box::new(fetch), key, page: Vec::new().into_iter(), last: i64::MIN, ahead: None }
    }

    /// The next row; none if there is none now, though one may be put on later.
    ///
    /// # Errors
    /// The database.
    pub(super) async fn next(&mut self) -> Result<Option<T>, Failure> {
        loop {
            if let Some(row) = self.page.next() {
                return Ok(Some(row));
            }
            let mut page = match self.ahead.take() {
                Some(ahead) => ahead.await.unwrap_or_else(|fault| std::panic::resume_unwind(fault.into_panic()))?,
                None => Vec::new(),
            };
            if page.is_empty() {
                // What was asked for ahead of time may have come since.
                page = (self.fetch)(self.last).await?;
            }
            let Some(end) = page.last() else { return Ok(None) };
            self.last = (self.key)(end);
            if page.len() as i64 == limits::PROOF_PAGE_ROWS {
                self.ahead = Some(tokio::spawn((self.fetch)(self.last)));
            }
            self.page = page.into_iter();
        }
    }
}

impl<T> Drop for Pages<T> {
    fn drop(&mut self) {
        if let Some(ahead) = &self.ahead {
            ahead.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// The numbers on file, and those asked for.
    #[derive(Default)]
    struct Table {
        rows: Vec<i64>,
        asked: Vec<i64>,
    }

    fn pages(table: &Arc<Mutex<Table>>) -> Pages<i64> {
        let table = Arc::clone(table);
        Pages::new(
            |row| *row,
            move |after| {
                let table = Arc::clone(&table);
                Box::pin(async move {
                    let mut table = table.lock().expect("nobody panics with it");
                    table.asked.push(after);
                    let behind = table.rows.iter().copied().filter(|row| *row > after);
                    Ok(behind.take(limits::PROOF_PAGE_ROWS as usize).collect())
                })
            },
        )
    }

    #[tokio::test]
    async fn every_row_comes_once_and_in_order() {
        for count in [0, 1, limits::PROOF_PAGE_ROWS, limits::PROOF_PAGE_ROWS + 1, 3 * limits::PROOF_PAGE_ROWS] {
            let table = Arc::new(Mutex::new(Table { rows: (1..=count).collect(), asked: Vec::new() }));
            let mut pages = pages(&table);
            let mut found = Vec::new();
            while let Some(row) = pages.next().await.unwrap() {
                found.push(row);
            }
            assert!(found.into_iter().eq(1..=count), "{count}");
        }
    }

    #[tokio::test]
    async fn what_comes_after_it_was_asked_for_ahead_is_found() {
        let whole = limits::PROOF_PAGE_ROWS;
        let table = Arc::new(Mutex::new(Table { rows: (1..=whole).collect(), asked: Vec::new() }));
        let mut pages = pages(&table);
        pages.next().await.unwrap();
        while table.lock().unwrap().asked != [i64::MIN, whole] {
            tokio::task::yield_now().await;
        }
        // Nothing was there when the second page was asked for; two rows are there when it is needed, and one after the end.
        table.lock().unwrap().rows.extend([whole + 1, whole + 2]);
        for number in 2..=whole + 2 {
            assert_eq!(pages.next().await.unwrap(), Some(number));
        }
        assert_eq!(pages.next().await.unwrap(), None);
        table.lock().unwrap().rows.push(whole + 3);
        assert_eq!(pages.next().await.unwrap(), Some(whole + 3));
        assert_eq!(pages.next().await.unwrap(), None);
    }
}
