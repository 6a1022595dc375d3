//! Tests against real mail servers: Dovecot and Postfix from Debian, started on loopback for each test.
#![allow(clippy::unwrap_used, reason = "clippy allows it in test functions, but not in what they share")]

mod belenios;
mod belenios_offline;
mod booth;
mod border;
mod daemon;
mod harness;
mod imap;
#[path = "../engines/postgres.rs"]
#[allow(dead_code, reason = "the tests of the engines use more of it")]
mod postgres;
mod smtp;
