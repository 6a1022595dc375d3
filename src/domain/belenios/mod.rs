//! Elections that anyone can check: the archives of Belenios, protocol version 1, in the group BELENIOS-2048, with questions that are
//! added up while they are encrypted and trustees who all take part.
//!
//! In charge of everything that those do who take part, and of checking it. Made from the published specification and from archives.
//! What is checked is every equation that `belenios-tool` checks and what it lets pass: wrong numbers of counted ballots, a ballot that
//! is put in again, numbers outside the group, an unfinished archive, a roll that is not the frozen one.
//!
//! | who | begins with |
//! | --- | --- |
//! | checks an archive | [`audit`] |
//! | makes credentials | [`credential`], [`setup::Credentials`] |
//! | is a trustee | [`trustee_key`], [`growing::Growing::decrypt`] |
//! | sets an election up | [`questions`], [`setup::ElectionPlan`], [`archive`] |
//! | takes ballots, closes, counts | [`growing`] |
//! | votes | [`choices`], [`ballot::make`] |

pub mod archive;
pub mod audit;
pub mod ballot;
pub mod base58;
pub mod choices;
pub mod credential;
pub mod element;
pub mod event;
pub mod group;
pub mod growing;
pub mod json;
pub mod membership;
mod montgomery;
pub mod problem;
pub mod proofs;
pub mod questions;
pub mod scalar;
pub mod secret;
pub mod setup;
pub mod tally;
pub mod tar;
pub mod trustee_key;
