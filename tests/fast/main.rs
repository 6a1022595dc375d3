//! Tests without servers.

#![allow(clippy::unwrap_used, reason = "a test fails by stopping where it is")]

mod allocation;
