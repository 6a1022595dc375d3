//! A list of arms that somebody else made: one sequence for each combination of the strata.

use std::collections::BTreeMap;

use super::{Fault, Levels};

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
    pub(super) fn continues(&self, before: &ArmList) -> bool {
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

    fn key(&self, levels: &Levels) -> Result<Vec<String>, Fault> {
        let level = |id: &String| levels.get(id).cloned().ok_or_else(|| Fault::MissingLevel(id.clone()));
        self.strata.iter().map(level).collect()
    }
}
