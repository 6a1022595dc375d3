//! The daemon: builds the loops, watches them, stops them in order.
//!
//! In charge of nothing but that. Every loop has one form: do a step; if there was nothing to do, wait for the doorbell
//! or the interval. A failed or panicking step ends that step only; the loop backs off and goes on.

pub mod alone;
pub mod logs;
pub mod machine;
pub mod run;
pub mod supervise;

pub use run::{Daemon, DaemonError};
