//! A list of arms that somebody else made: one sequence for each combination of the strata.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Fault, Levels};
use crate::domain::chain::Sha256Digest;
use crate::limits;

/// An imported list. Its order is the secret of the study, as the seed is elsewhere: it must reach nobody who enrolls.
#[derive(Clone, PartialEq, Eq)]
pub struct ArmList {
    file: String,
    digest: String,
    /// Ids, sorted.
    strata: Vec<String>,
    /// Codes, sorted.
    arms: Vec<String>,
    /// Levels in the order of `strata` → places in `arms`, in the order of the file.
    sequences: BTreeMap<Vec<String>, Vec<u8>>,
}

/// Places of a sequence that are known, because they were used, and by what the sequence is known again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedPlaces {
    /// Levels of its stratum, in the order of [`ArmList::strata`].
    pub levels: Vec<String>,
    /// How many of its places are known, from the first on.
    pub places: usize,
    /// How many of its places are compared, from the first on.
    pub compared: usize,
    /// SHA-256 of the strata's ids and the arms of these.
    pub digest: Sha256Digest,
}

/// Shows no arm.
impl std::fmt::Debug for ArmList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArmList").field("file", &self.file).field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl ArmList {
    /// A list without places; `digest` is the SHA-256 of the file in lower-case hexadecimal digits.
    pub(crate) fn new(file: &str, digest: String, strata: &[String], arms: &[super::Arm]) -> ArmList {
        let sorted = |ids: Vec<String>| {
            let mut ids = ids;
            ids.sort();
            ids.dedup();
            ids
        };
        let arms = sorted(arms.iter().map(|arm| arm.code.clone()).collect());
        ArmList { file: file.to_owned(), digest, strata: sorted(strata.to_vec()), arms, sequences: BTreeMap::new() }
    }

    /// Adds a place to the sequence of those levels.
    pub(crate) fn push(&mut self, levels: &Levels, arm: &str) -> Result<(), Fault> {
        let unknown = || Fault::UnknownArm(arm.to_owned());
        let place = self.arms.iter().position(|code| code == arm).ok_or_else(unknown)?;
        let place = u8::try_from(place).map_err(|_| unknown())?;
        let key = self.key(levels)?;
        self.sequences.entry(key).or_default().push(place);
        Ok(())
    }

    /// Name of its file in the bundle.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// SHA-256 of its file, in lower-case hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Places in all.
    pub fn places(&self) -> usize {
        self.sequences.values().map(Vec::len).sum()
    }

    /// Ids of its strata, sorted.
    pub fn strata(&self) -> &[String] {
        &self.strata
    }

    /// Each combination of levels, in the order of [`strata`](ArmList::strata), and how many places it has.
    pub fn sequences(&self) -> impl Iterator<Item = (&[String], usize)> {
        self.sequences.iter().map(|(levels, arms)| (levels.as_slice(), arms.len()))
    }

    /// Each arm's code and how many places it has in all.
    pub fn arm_counts(&self) -> Vec<(&str, usize)> {
        let mut counts: Vec<(&str, usize)> = self.arms.iter().map(|code| (code.as_str(), 0)).collect();
        for place in self.sequences.values().flatten() {
            if let Some((_, count)) = counts.get_mut(usize::from(*place)) {
                *count += 1;
            }
        }
        counts
    }

    /// Whether each sequence of the list before is the beginning of one of this.
    pub fn continues(&self, before: &ArmList) -> bool {
        let begins = |(levels, arms): (&Vec<String>, &Vec<u8>)| {
            self.sequences.get(levels).is_some_and(|longer| longer.starts_with(arms))
        };
        (&self.strata, &self.arms) == (&before.strata, &before.arms) && before.sequences.iter().all(begins)
    }

    /// The arm (place among the codes sorted) of the place after that many subjects of the same stratum; `None` if the list is
    /// used up.
    pub(super) fn find(&self, levels: &Levels, given: u64) -> Result<Option<usize>, Fault> {
        let sequence = self.sequences.get(&self.key(levels)?);
        let place = usize::try_from(given).ok();
        Ok(sequence.zip(place).and_then(|(sequence, place)| sequence.get(place)).map(|arm| usize::from(*arm)))
    }

    /// The places that these allocations of one epoch took, in their order; each comes with whether it makes its place known. A
    /// sequence is known again by more places than were used, where it has them: a few arms agree by chance.
    pub fn used<'a>(&self, given: impl IntoIterator<Item = (&'a Levels, &'a str, bool)>) -> Vec<UsedPlaces> {
        let mut taken: BTreeMap<Vec<String>, (usize, bool)> = BTreeMap::new();
        for (levels, arm, shows) in given {
            let Ok(key) = self.key(levels) else { continue };
            let Some(sequence) = self.sequences.get(&key) else { continue };
            let (places, shown) = taken.entry(key).or_default();
            let next = sequence.get(*places).and_then(|place| self.arms.get(usize::from(*place)));
            // What was given by hand may stand outside of the list.
            if next.is_some_and(|code| code == arm) {
                *places += 1;
                *shown |= shows;
            }
        }
        let told = taken.into_iter().filter(|(_, (_, shown))| *shown).filter_map(|(levels, (places, _))| {
            let sequence = self.sequences.get(&levels)?;
            let compared = places.max(limits::LIST_KNOWN_BY).min(sequence.len());
            let digest = self.digest_of(sequence.get(..compared)?);
            Some(UsedPlaces { levels, places, compared, digest })
        });
        told.collect()
    }

    /// Whether the sequence of those levels begins as one of which places are known.
    pub fn begins_as(&self, used: &UsedPlaces) -> bool {
        let beginning = self.sequences.get(&used.levels).and_then(|sequence| sequence.get(..used.compared));
        beginning.is_some_and(|places| self.digest_of(places) == used.digest)
    }

    fn digest_of(&self, places: &[u8]) -> Sha256Digest {
        let arms = places.iter().filter_map(|place| self.arms.get(usize::from(*place)));
        let mut hash = Sha256::new();
        for text in self.strata.iter().map(String::as_str).chain([""]).chain(arms.map(String::as_str)) {
            hash.update(text.as_bytes());
            hash.update([0]);
        }
        hash.finalize().into()
    }

    fn key(&self, levels: &Levels) -> Result<Vec<String>, Fault> {
        let level = |id: &String| levels.get(id).cloned().ok_or_else(|| Fault::MissingLevel(id.clone()));
        self.strata.iter().map(level).collect()
    }
}
