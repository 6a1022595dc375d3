//! The fast half of the tests: no server, no network, no database server.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod access;
mod afterwards;
mod allocation;
mod belenios;
mod bundle;
mod cli;
mod demo;
mod election;
mod events;
mod house;
mod household;
mod letters;
mod letters_calendar;
mod letters_mail;
mod letters_world;
mod nameless;
mod office;
mod openpgp;
mod pages;
mod populations;
mod questionnaire;
mod randomization;
mod reading;
mod restored;
mod schedule;
mod self_enrolling;
mod sheet;
mod verifier;
mod version;
