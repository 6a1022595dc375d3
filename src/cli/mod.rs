//! Commands.

pub mod allocation;
