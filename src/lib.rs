//! hagaki enrolls patients, asks questions and holds elections by mail.
#![doc = include_str!("ARCHITECTURE.md")]

pub mod limits;

// The ground: decisions, and the files that define a study.
pub mod definition;
pub mod domain;

// The operator's own file.
pub mod settings;

// The means: durable state, and the words of our letters.
pub mod files;
pub mod letters;
pub mod store;

// The use cases: one function per thing a person can ask for.
pub mod workflow;

// The edges: mail, pages, commands, and the loops that drive them.
pub mod cli;
pub mod daemon;
pub mod mail;
pub mod web;
