//! cli

pub mod read;
