//! Tests against real mail servers: Dovecot and Postfix from Debian, started on loopback for each test.
#![allow(clippy::unwrap_used, reason = "clippy allows it in test functions, but not in what they share")]

mod border;
mod harness;
mod imap;
mod smtp;
