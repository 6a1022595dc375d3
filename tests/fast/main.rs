//! Tests that need no server and no network.

mod bundle;
mod reading;
