//! Facts of the answers to mails about kits. There is no arm in any of these types (promise 6).

use serde::{Deserialize, Serialize};

use super::enrollment::Site;
use super::kit::site_of;
use super::short;
use crate::domain::deed::Deed;
use crate::domain::language::Language;
use crate::domain::study::Study;

/// A subject got another kit: the answer to whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KitReplaced {
    /// Our subject number.
    pub subject: String,
    /// Where.
    pub site: Site,
    /// Code of the kit that is not to be used any more.
    pub old: String,
    /// Code of the kit to be given.
    pub code: String,
    /// Whether it had been replaced before this mail came.
    pub before: bool,
}

impl KitReplaced {
    /// `new` in place of `old`, for a subject of `site`.
    pub fn new(
        study: &Study,
        subject: &str,
        site: &str,
        old: &str,
        new: &str,
        before: bool,
        language: Language,
    ) -> KitReplaced {
        KitReplaced {
            subject: short(subject),
            site: site_of(study, site, language),
            old: short(old),
            code: short(new),
            before,
        }
    }
}

/// Kits are kept back: the answer to whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KitsQuarantined {
    /// Their codes.
    pub kits: Vec<String>,
    /// Whether all of them had been kept back before this mail came.
    pub before: bool,
}

impl KitsQuarantined {
    /// The kits of these codes.
    pub fn new(codes: &[String], before: bool) -> KitsQuarantined {
        KitsQuarantined { kits: codes.iter().map(|code| short(code)).collect(), before }
    }
}

/// An act upon kits that was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KitRefused {
    /// Key of what was asked for.
    pub act: String,
    /// Why, as a key.
    pub code: String,
    /// Name of the template that words it.
    pub partial: String,
    /// Kits that speak against it.
    pub kits: Vec<KitLine>,
}

/// What speaks against an act, of one kit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KitLine {
    /// Its code, as typed.
    pub kit: String,
    /// Name of the template that words why.
    pub partial: String,
}

impl KitRefused {
    /// Not done, for the reason of that key.
    pub fn new(deed: Deed, why: &str) -> KitRefused {
        KitRefused {
            act: deed.key().to_string(),
            code: why.to_string(),
            partial: format!("kits-{why}"),
            kits: Vec::new(),
        }
    }

    /// Tells also what speaks against it of each kit: its code, and a key.
    #[must_use]
    pub fn with_kits<'a>(self, kits: impl Iterator<Item = (&'a str, &'a str)>) -> KitRefused {
        let line = |(kit, why): (&str, &str)| KitLine { kit: short(kit), partial: format!("kit-{why}") };
        KitRefused { kits: kits.map(line).collect(), ..self }
    }
}
