//! Tests that need no server and no network.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod bundle;
