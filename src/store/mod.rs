//! Durable state: all SQL, both engines, the migrations. Decides nothing.
//!
//! In charge of keeping facts (studies, subjects, allocations, the audit chain), the mails received ([`inbox`]) and the
//! letters to send ([`outbox`]), and of handing out work under leases. One file for each noun; functions that write take
//! a [`Tx`], functions that read take a [`Reader`] (a `&Store` or a `&mut Tx`), and those that are one writing statement
//! of their own, such as claims, take a [`Store`]. `find` gives an option, `load` must find, `list` many, `claim` takes
//! with a lease, `record` writes a fact. The time is always an argument.
//!
//! To add a statement: declare it with `statements!` in its noun's file, in the common subset of both engines; the
//! list below gets it tested on both. To add a table or column: a new pair of files in `migrations/`, same number, same
//! names, everything commented; a released one is never edited.

pub mod account;
pub mod account_act;
pub mod address;
pub mod allocation;
pub mod arrival;
pub mod audit;
pub mod begun_form;
pub mod bundle;
pub mod calendar;
pub mod cohort;
pub mod credential;
pub mod credential_link;
pub mod credential_wait;
pub mod draft;
pub mod election;
mod engine;
mod error;
pub mod fact;
pub mod file;
pub mod fuse;
mod gathered;
pub mod host;
pub mod identity;
pub mod inbox;
pub mod kit;
pub mod leaving;
pub mod mailbox;
pub mod mailing;
pub mod opt_out;
pub mod outbox;
mod packed;
pub mod participant;
pub mod pending;
pub mod planned;
pub mod planned_letter;
mod queue;
pub mod randomization;
mod reader;
pub mod rehearsed_list;
pub mod response;
pub mod roster;
pub mod schedule;
mod sealed;
pub mod second_factor;
pub mod secret;
pub mod session;
mod sql;
pub mod study;
pub mod study_key;
pub mod study_name;
pub mod subject;
pub mod subject_reference;
pub mod throttle;
mod tx;
pub mod urn;
pub mod voter;
pub mod voter_letter;
pub mod week;
pub mod word;

pub use error::StoreError;
pub use reader::Reader;
pub use sql::Engine;
pub use tx::{Store, Tx};

/// Every statement there is.
fn statements() -> impl Iterator<Item = &'static sql::Sql> {
    [
        account::STATEMENTS,
        account_act::STATEMENTS,
        address::STATEMENTS,
        allocation::STATEMENTS,
        arrival::STATEMENTS,
        audit::STATEMENTS,
        begun_form::STATEMENTS,
        bundle::STATEMENTS,
        fact::STATEMENTS,
        file::STATEMENTS,
        calendar::STATEMENTS,
        cohort::STATEMENTS,
        credential::STATEMENTS,
        credential_link::STATEMENTS,
        credential_wait::STATEMENTS,
        draft::STATEMENTS,
        election::STATEMENTS,
        host::STATEMENTS,
        identity::STATEMENTS,
        inbox::STATEMENTS,
        inbox::work::STATEMENTS,
        kit::STATEMENTS,
        leaving::STATEMENTS,
        mailbox::STATEMENTS,
        mailing::STATEMENTS,
        opt_out::STATEMENTS,
        outbox::STATEMENTS,
        outbox::reports::STATEMENTS,
        outbox::work::STATEMENTS,
        participant::STATEMENTS,
        pending::STATEMENTS,
        planned::STATEMENTS,
        planned_letter::STATEMENTS,
        randomization::STATEMENTS,
        rehearsed_list::STATEMENTS,
        response::STATEMENTS,
        roster::STATEMENTS,
        schedule::STATEMENTS,
        second_factor::STATEMENTS,
        secret::STATEMENTS,
        session::STATEMENTS,
        study::STATEMENTS,
        study_key::STATEMENTS,
        study_name::STATEMENTS,
        subject::STATEMENTS,
        subject_reference::STATEMENTS,
        throttle::STATEMENTS,
        urn::STATEMENTS,
        voter::STATEMENTS,
        voter_letter::STATEMENTS,
        week::STATEMENTS,
        word::STATEMENTS,
    ]
    .into_iter()
    .flatten()
}
