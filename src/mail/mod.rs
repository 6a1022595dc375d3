//! Mail comes in and goes out: mailboxes, reading, transports.

pub mod reading;
