//! What becomes known of a subject after its enrollment: a fact beside the enrollment, which stays as it was (promise 4).

use std::collections::BTreeMap;

use super::text;

/// Kinds of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactKind {
    /// A person was told its arm.
    Unblinded,
    /// It was enrolled by mistake.
    RandomizedInError,
    /// It did not meet the criteria.
    Ineligible,
    /// It was allocated by levels that were wrong.
    WrongStratum,
    /// It is another subject that had been enrolled before.
    Duplicate,
    /// It withdrew.
    Withdrawn,
    /// Answers were wrong that no allocation looks at.
    Corrected,
    /// Another fact about it was recorded in error, and counts no more.
    TakenBack,
}

impl FactKind {
    /// Every kind.
    pub const ALL: [FactKind; 8] = [
        FactKind::Unblinded,
        FactKind::RandomizedInError,
        FactKind::Ineligible,
        FactKind::WrongStratum,
        FactKind::Duplicate,
        FactKind::Withdrawn,
        FactKind::Corrected,
        FactKind::TakenBack,
    ];

    /// Whether it can be about one of a subject's allocations alone.
    pub const fn of_allocation(self) -> bool {
        matches!(self, FactKind::RandomizedInError | FactKind::Ineligible)
    }

    /// Whether it can be taken back where it was recorded in error. An arm that was told was told; a correction is corrected once more.
    pub const fn can_be_taken_back(self) -> bool {
        matches!(self, FactKind::RandomizedInError | FactKind::Ineligible | FactKind::Duplicate | FactKind::Withdrawn)
    }

    /// Name in tables, commands, templates (`fact-<key>`) and audit entries.
    pub const fn key(self) -> &'static str {
        match self {
            FactKind::Unblinded => "unblinded",
            FactKind::RandomizedInError => "randomized-in-error",
            FactKind::Ineligible => "ineligible",
            FactKind::WrongStratum => "wrong-stratum",
            FactKind::Duplicate => "duplicate",
            FactKind::Withdrawn => "withdrawn",
            FactKind::Corrected => "corrected",
            FactKind::TakenBack => "taken-back",
        }
    }

    /// The kind of that name.
    pub fn find(key: &str) -> Option<FactKind> {
        FactKind::ALL.into_iter().find(|kind| kind.key() == key)
    }
}

/// Words for a death, one a line.
const DEATH: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/words/death.txt"));

/// Whether a withdrawal's reason says that the subject died: by such a word and nothing else, or before a mark of punctuation. Nothing is
/// guessed from a sentence: it may speak of somebody else.
pub fn tells_of_death(reason: &str) -> bool {
    let wide = text::fold_width(reason);
    let said = wide.split(|c: char| ":;,.()、。・「」\n".contains(c)).find(|part| !part.trim().is_empty());
    let said = said.map(text::fold_tight).unwrap_or_default();
    text::words(DEATH).any(|word| text::fold_tight(word) == said)
}

/// Name of an item of a further allocation's form among what is corrected: `second.isi`. Items of the registration go by their ids,
/// in which no dot stands.
pub fn further_item(randomization: &str, item: &str) -> String {
    format!("{randomization}.{item}")
}

/// Of what is corrected, the items of one form by their ids: that of a further allocation, or of the registration.
pub fn changes_of(changes: &BTreeMap<String, String>, randomization: Option<&str>) -> BTreeMap<String, String> {
    let own = changes.iter().filter_map(|(name, value)| {
        let (form, item) = name.split_once('.').map_or((None, name.as_str()), |(form, item)| (Some(form), item));
        (form == randomization).then(|| (item.to_string(), value.clone()))
    });
    own.collect()
}

/// How the counts of later decisions take facts: declared before the study, so that nobody chooses by what they see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recounting {
    /// Whether a subject counts at its corrected levels; else at those it was allocated by.
    pub corrected: bool,
    /// Facts after which a subject counts nowhere.
    pub exclude: Vec<FactKind>,
}

impl Default for Recounting {
    /// Original levels; only void duplicates are left out (Yelland et al. 2015).
    fn default() -> Recounting {
        Recounting { corrected: false, exclude: vec![FactKind::Duplicate] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        for kind in FactKind::ALL {
            assert_eq!(FactKind::find(kind.key()), Some(kind));
        }
    }

    #[test]
    fn a_reason_tells_of_a_death_in_so_many_words() {
        for reason in ["death", " Died (2026-11-20)", "死亡（11月20日）", "死亡、転院先にて", "Ｄｅａｔｈ: sepsis"]
        {
            assert!(tells_of_death(reason), "{reason}");
        }
        for reason in ["", "moved abroad", "death of his mother", "母の死亡のため", "not dead", "。"] {
            assert!(!tells_of_death(reason), "{reason}");
        }
    }

    #[test]
    fn what_is_corrected_is_told_apart_by_its_form() {
        let own = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(item, value)| ((*item).to_string(), (*value).to_string())).collect()
        };
        let changes = own(&[("isi", "1"), ("second.isi", "2"), ("third.isi", "3")]);
        assert_eq!(changes_of(&changes, None), own(&[("isi", "1")]));
        assert_eq!(changes_of(&changes, Some("second")), own(&[("isi", "2")]));
        assert_eq!(further_item("third", "isi"), "third.isi");
    }
}
