//! The daemon as a physician and an operator meet it: the real program on real servers, acted on from outside only.

mod exchange;
mod house;
mod misfortune;
mod names;
mod operation;
mod relay;
mod sealed;
mod throng;
