//! A bundle of files → a [`Study`](crate::domain::study::Study), or every problem at once.
//!
//! In charge of the format of bundles: each key is documented in `config/studies/template/`, which `hagaki init` writes.
//! A project manager is no programmer, so the texts of the [`Problem`]s are the user interface: each names file, line and
//! key, what is wrong and what to write. Must not touch the database or the network.
//!
//! To add a key: read it in the file's reader (`study_file`, `instrument_file` …), which makes it known; describe it in the
//! template; if it has to agree with another file, check that in `agreement`.

mod agreement;
pub mod allocation_file;
pub mod ballots_file;
mod bundle;
mod cohorts;
pub mod csv_file;
mod design;
mod document;
pub mod election_file;
mod events_file;
pub mod facts_file;
mod further;
mod ics_file;
mod instrument_file;
mod item_file;
mod keys_file;
mod kit_codes;
mod kit_leaks;
mod kits_file;
mod load;
mod moments;
mod named_values;
pub mod outcome_file;
mod pages_file;
pub mod participants_file;
mod people;
mod pictures;
mod predictability;
pub mod problem;
mod randomization;
pub mod registrar_file;
mod rescreening;
pub mod roll_file;
mod rules;
pub mod samples;
mod schedule_file;
mod self_enrollment;
mod study_file;
mod survey_file;

pub use bundle::Bundle;
pub use document::nearest;
pub use keys_file::{judge_keys, troubles as key_troubles};
pub use kit_leaks::Seen;
pub use kits_file::{judge_more_kits, judge_shipped, read_kept_kits, read_more_kits};
pub use load::{Checked, check, load, load_in_force};
pub use predictability::judge_predictability;
pub use problem::{Problem, Weight};
pub use randomization::{allocation_files, read_allocation};
