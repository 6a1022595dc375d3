//! The fast half of the tests: no server, no network, no database server.

mod house;
//! Tests that need no server.

mod letters;
mod letters_mail;
mod letters_world;
//! Tests that need no server and no network.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod bundle;
//! Tests without servers.

#![allow(clippy::unwrap_used, reason = "a test fails by stopping where it is")]

mod allocation;
mod reading;
