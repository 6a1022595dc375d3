//! Decisions: who may be enrolled, which arm a subject gets, what an answer means, who is elected, how the audit chain is linked.
//!
//! In charge of every rule. Learns the time and the dice only through its arguments (promise 3): no `await`, no
//! input or output, no clock, no global randomness. Other modules bring facts in and carry decisions out.

pub mod address_fate;
pub mod allocation;
pub mod answer;
pub mod belenios;
pub mod calendar;
pub mod chain;
pub mod cohort;
pub mod credential;
pub mod deed;
pub mod dkim;
pub mod dns;
pub mod door;
pub mod draft;
pub mod election;
pub mod event;
pub mod expression;
pub mod fact;
pub mod file;
pub mod instrument;
pub mod kept;
pub mod kit;
pub mod kit_shuffle;
pub mod language;
pub mod level;
pub mod number;
pub mod openpgp;
pub mod participant;
pub mod password;
pub mod patience;
pub mod pool;
pub mod receipt;
pub mod request;
pub mod retry;
mod role;
pub mod schedule;
pub mod seal;
pub mod second_factor;
pub mod simulation;
pub mod slowing;
pub mod study;
pub mod survey;
pub mod text;
pub mod throttle;
pub mod time;
pub mod token;
pub mod urgency;
pub mod witness;
