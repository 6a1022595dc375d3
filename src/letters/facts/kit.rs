//! Facts of letters about kits: one given in place of another, and stock that runs short.

use serde::{Deserialize, Serialize};

use super::enrollment::{ArmName, Site};
use super::short;
use crate::domain::kit::Day;
use crate::domain::language::Language;
use crate::domain::study::{Arm, Study};
use crate::domain::time::Instant;

/// A kit given in place of another, as every audience may know it: no arm.
#[derive(Clone, Copy, Debug)]
pub struct Replacement<'a> {
    /// The study.
    pub study: &'a Study,
    /// Our subject number.
    pub subject: &'a str,
    /// The site's code.
    pub site: &'a str,
    /// When it was recorded.
    pub at: Instant,
    /// Code of the kit that is not to be used any more.
    pub old: &'a str,
    /// Code of the kit to be given.
    pub new: &'a str,
    /// Why, in the words of whoever asked.
    pub reason: &'a str,
}

/// A subject gets another kit. There is no arm in this type (promise 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KitReplacedBlinded {
    /// Our subject number.
    pub subject: String,
    /// Where.
    pub site: Site,
    /// When it was recorded, in the study's zone.
    pub replaced_at: String,
    /// Code of the kit that is not to be used any more.
    pub old: String,
    /// Code of the kit to be given.
    pub code: String,
    /// Why, in the words of whoever asked; empty if they gave none.
    pub reason: String,
}

impl KitReplacedBlinded {
    /// The facts of a replacement that everybody on the staff may know.
    pub fn new(replacement: &Replacement<'_>, language: Language) -> KitReplacedBlinded {
        KitReplacedBlinded {
            subject: short(replacement.subject),
            site: site_of(replacement.study, replacement.site, language),
            replaced_at: replacement.at.local(replacement.study.zone),
            old: short(replacement.old),
            code: short(replacement.new),
            reason: short(replacement.reason),
        }
    }
}

/// A subject gets another kit of its arm: for unblinded staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KitReplacedUnblinded {
    /// Our subject number.
    pub subject: String,
    /// Where.
    pub site: Site,
    /// When it was recorded, in the study's zone.
    pub replaced_at: String,
    /// Code of the kit that is not to be used any more.
    pub old: String,
    /// Code of the kit to be given.
    pub code: String,
    /// Why, in the words of whoever asked; empty if they gave none.
    pub reason: String,
    /// The arm.
    pub arm: ArmName,
}

impl KitReplacedUnblinded {
    /// The facts of a replacement in `arm`.
    pub fn new(replacement: &Replacement<'_>, arm: &Arm, language: Language) -> KitReplacedUnblinded {
        let KitReplacedBlinded { subject, site, replaced_at, old, code, reason } =
            KitReplacedBlinded::new(replacement, language);
        KitReplacedUnblinded { subject, site, replaced_at, old, code, reason, arm: ArmName::new(arm, language) }
    }
}

/// Kits run short at a place. There is no arm, count, lot or date in this type: each could tell an arm (promise 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KitsShortBlinded {
    /// The site; of the central stock, code and name are empty.
    pub site: Site,
    /// Whether it is the central stock.
    pub central: bool,
}

impl KitsShortBlinded {
    /// The shortage at a site, or (empty) of the central stock.
    pub fn new(study: &Study, site: &str, language: Language) -> KitsShortBlinded {
        KitsShortBlinded { site: site_of(study, site, language), central: site.is_empty() }
    }
}

/// Kits run short at a place, arm by arm: for unblinded staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KitsShortUnblinded {
    /// The site; of the central stock, code and name are empty.
    pub site: Site,
    /// Whether it is the central stock.
    pub central: bool,
    /// Number of usable kits of an arm below which this letter is written.
    pub threshold: u32,
    /// The arms that are short.
    pub arms: Vec<ShortArm>,
}

/// What is left of an arm at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShortArm {
    /// The arm.
    pub arm: ArmName,
    /// Kits that can be handed out.
    pub usable: i64,
    /// The lots these are of.
    pub lots: Vec<LotLine>,
}

/// Kits of one lot and expiry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LotLine {
    /// Lot; empty if none was listed.
    pub lot: String,
    /// Last day, year-month-day; empty if none was listed.
    pub expires: String,
    /// How many.
    pub kits: i64,
}

impl ShortArm {
    /// So many usable kits of `arm`, of these lots (lot, last day, kits).
    pub fn new(arm: &Arm, usable: i64, lots: &[(String, Day, i64)], language: Language) -> ShortArm {
        let line = |(lot, expires, kits): &(String, Day, i64)| LotLine {
            lot: short(lot),
            expires: expires.date().map(|date| date.to_string()).unwrap_or_default(),
            kits: *kits,
        };
        ShortArm { arm: ArmName::new(arm, language), usable, lots: lots.iter().map(line).collect() }
    }
}

impl KitsShortUnblinded {
    /// The shortage of these arms at a site, or (empty) of the central stock.
    pub fn new(study: &Study, site: &str, arms: Vec<ShortArm>, language: Language) -> KitsShortUnblinded {
        let KitsShortBlinded { site: named, central } = KitsShortBlinded::new(study, site, language);
        KitsShortUnblinded { site: named, central, threshold: study.stock.threshold_at(site), arms }
    }
}

pub(super) fn site_of(study: &Study, code: &str, language: Language) -> Site {
    let name = study.find_site(code).map_or("", |site| site.name.in_language(language));
    Site { code: short(code), name: short(name) }
}
