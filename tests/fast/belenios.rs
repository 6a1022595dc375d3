//! Verifiable elections in the format of Belenios: what the tool made is verified, what was changed is refused.

mod archives;
mod bombs;
mod booth;
mod command;
pub(crate) mod engine;
mod mutations;
mod primitives;
mod proving;
pub(crate) mod world;
