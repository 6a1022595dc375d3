//! Every word we send: a [`Letter`] (kind, audience, facts) becomes a finished mail.
//!
//! In charge of the facts each letter may state ([`facts`]), the templates that word them ([`Stationery`]), what few of
//! them show in a picture ([`picture`]), and the mail that carries them ([`mail`]). Must not know the database or the network,
//! and holds no sentence of its own: those are in `templates/<language>/<letter>/{subject,text,html}.hbs`.
//!
//! To add a letter: a facts type in `facts/`, a variant of [`Facts`] and of [`Kind`] (the compiler lists the rest),
//! its templates in every language, its sample in every `templates/<language>/samples.json`; then accept its
//! snapshots (`cargo insta`).

pub mod clean;
pub mod facts;
pub mod fields;
pub mod header;
pub mod kind;
pub mod mail;
pub mod mailto;
pub mod opened;
pub mod outside;
pub mod picture;
mod pieces;
pub mod said;
pub mod samples;
pub mod sealed;
pub mod stationery;
pub mod words;

pub use facts::{Facts, Head, Letter, NotForThem};
pub use kind::{Audience, Kind};
pub use mail::{Envelope, Finished, finish, finish_sealed};
pub use stationery::{Composed, Stationery};
