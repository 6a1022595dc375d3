//! Verifiable elections in the format of Belenios: what the tool made is verified, what was changed is refused.

mod archives;
mod bombs;
mod booth;
mod command;
mod credentials;
pub(crate) mod engine;
mod growing;
mod mutations;
mod offline;
mod primitives;
mod proving;
mod questions;
pub(crate) mod world;
