//! Elections that anyone can check: the archives of Belenios, protocol version 1, in the group BELENIOS-2048, with questions that are
//! added up while they are encrypted and trustees who all take part.
//!
//! In charge of reading, checking and writing every part of an archive; no command writes one yet. Made from the published specification and from archives.
//! What is checked is every equation that `belenios-tool` checks and what it lets pass: wrong numbers of counted ballots, a ballot that
//! is put in again, numbers outside the group, an unfinished archive, a roll that is not the frozen one. [`audit`] is the way in.

pub mod archive;
pub mod audit;
pub mod ballot;
pub mod element;
pub mod event;
pub mod group;
pub mod json;
pub mod membership;
mod montgomery;
pub mod problem;
pub mod proofs;
pub mod scalar;
pub mod setup;
pub mod tally;
pub mod tar;
