//! Tests of the store on real databases: every one runs on SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod anomaly;
mod booth;
mod browser;
mod bucket;
mod chromium;
mod harness;
mod identity_provider;
mod letters_seen;
mod opening;
mod postgres;
mod privacy;
mod races;
mod schema;
mod slow;
mod store;
mod stories;
mod turns;
mod voting;
mod world;
