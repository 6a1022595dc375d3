//! The mail edge: mailboxes that mails come from, and transports that letters leave by.

pub mod connection;
pub mod mailbox;
pub mod transport;
