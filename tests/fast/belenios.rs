//! Verifiable elections in the format of Belenios: what the tool made is verified, what was changed is refused.

mod archives;
mod bombs;
mod command;
mod mutations;
mod primitives;
mod proving;
pub(crate) mod world;
