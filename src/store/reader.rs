//! Where reads go: to the store as last committed, or into a transaction.

use std::sync::Arc;

use super::sql::{Bind, Row, Sql};
use super::{Store, StoreError, Tx};
use crate::domain::seal::KeyRing;

/// Where a read goes: to the store as last committed, or into a transaction that sees its own writes.
#[derive(Debug)]
pub enum Reader<'a> {
    /// The last commit.
    Store(&'a Store),
    /// Inside.
    Tx(&'a mut Tx),
}

impl<'a> From<&'a Store> for Reader<'a> {
    fn from(store: &'a Store) -> Reader<'a> {
        Reader::Store(store)
    }
}

impl<'a> From<&'a mut Tx> for Reader<'a> {
    fn from(tx: &'a mut Tx) -> Reader<'a> {
        Reader::Tx(tx)
    }
}

impl Reader<'_> {
    /// The same place, for one more read.
    pub fn again(&mut self) -> Reader<'_> {
        match self {
            Reader::Store(store) => Reader::Store(store),
            Reader::Tx(tx) => Reader::Tx(tx),
        }
    }

    /// The keys by which what is personal is opened.
    pub(super) fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(match self {
            Reader::Store(store) => store.ring(),
            Reader::Tx(tx) => tx.ring(),
        })
    }

    pub(super) async fn fetch(&mut self, sql: &Sql, binds: &[Bind<'_>]) -> Result<Vec<Row>, StoreError> {
        self.fetch_rows(sql, 1, binds).await
    }

    pub(super) async fn fetch_rows(
        &mut self,
        sql: &Sql,
        count: usize,
        binds: &[Bind<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        match self {
            Reader::Store(store) => store.read(sql, count, binds).await,
            Reader::Tx(tx) => tx.fetch_rows(sql, count, binds).await,
        }
    }

    /// The only row, or none.
    pub(super) async fn find(&mut self, sql: &Sql, binds: &[Bind<'_>]) -> Result<Option<Row>, StoreError> {
        Ok(self.fetch(sql, binds).await?.into_iter().next())
    }
}
