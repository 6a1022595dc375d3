//! What was meant by the bytes of a mail: decided in pure steps, without clock, database or network.
//!
//! In charge of everything between a raw mail and a [`Reading`]: limits, structure, transfer encodings, charsets, automatic
//! mail, delivery reports, trust, quotations, `key: value` lines. Never answers, stores or opens anything, and never
//! repairs: where two readers could disagree about a mail, it is held for a person ([`Disposition::Quarantine`]).
//!
//! ```text
//! bytes → seals (OpenPGP) → header → structure → bounce? automatic? → sender, date, trust → study, person
//!       → content (encoding → charset → html, flowed) → cut → lines → domain::answer → Reading
//! ```
//!
//! What follows from the data is told apart in one order: acts about a subject, forms of events, further randomizations, registration.
//!
//! One more way of saying something (a footer, a request word, a bounce subject) is a line in `templates/words/`; one more
//! odd mail is a file in `tests/data/mail`, first.

mod absence;
pub mod address;
mod asked;
pub mod automatic;
pub mod bounce;
pub mod charset;
pub mod content;
pub mod cut;
mod deed;
pub mod encoding;
pub mod flowed;
mod follow_up;
mod form;
pub mod header;
pub mod html;
pub mod identity;
pub mod inbox;
mod letters;
pub mod lines;
pub mod openpgp;
mod outcome;
pub mod parameter;
pub mod randomize;
pub mod read;
mod reason;
pub mod recipient;
mod returned;
pub mod signs;
pub mod structure;
pub mod subject;
pub mod trust;
mod veto;
mod visitor;
pub mod vocabulary;
mod voting;
pub mod word;

pub use address::fold as fold_address;
pub use bounce::{Action, BounceReport};
pub use content::Attachment;
pub use form::form_in_file;
pub use inbox::Inbox;
pub use openpgp::{Seal, Sealed, Unsealed, unseal, unseal_contained};
pub use outcome::{Disposition, Reading};
pub use read::{Vouched, World, read, read_contained, read_unsealed};
pub use reason::Reason;
pub use recipient::SubAddress;
pub use signs::{Signs, signs_contained};
