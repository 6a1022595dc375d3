//! The population: what simulated subjects are like.

use crate::domain::allocation::Levels;
use crate::domain::allocation::draw::Draw;

/// Where the levels of a characteristic come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Each level as likely as its weight says, whatever the other characteristics are.
    Shares(Vec<u64>),
    /// The rows of a sample: the level's place in each. All characteristics of this kind come from the same row.
    Rows(Vec<u32>),
    /// Not drawn: the arm that an earlier allocation gave, or none yet ([`Population::give`]).
    Earlier,
}

/// A characteristic of subjects, such as a factor of a scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Characteristic {
    /// Id of the factor.
    pub id: String,
    /// Its levels.
    pub levels: Vec<String>,
    /// How they are drawn.
    pub source: Source,
}

impl Characteristic {
    /// The place that stands for no level.
    pub fn no_level(&self) -> u32 {
        u32::try_from(self.levels.len()).unwrap_or(u32::MAX)
    }
}

/// What simulated subjects are like: their characteristics, sorted by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Population {
    characteristics: Vec<Characteristic>,
    totals: Vec<u64>,
    rows: u64,
}

impl Population {
    /// A population of those characteristics. Weights must not all be zero, and columns of rows are equally long.
    pub fn new(mut characteristics: Vec<Characteristic>) -> Population {
        characteristics.sort_by(|one, other| one.id.cmp(&other.id));
        characteristics.dedup_by(|one, other| one.id == other.id);
        let total = |characteristic: &Characteristic| match &characteristic.source {
            Source::Shares(weights) => weights.iter().sum(),
            Source::Rows(_) | Source::Earlier => 0,
        };
        let rows = |characteristic: &Characteristic| match &characteristic.source {
            Source::Rows(rows) => Some(rows.len() as u64),
            Source::Shares(_) | Source::Earlier => None,
        };
        Population {
            totals: characteristics.iter().map(total).collect(),
            rows: characteristics.iter().filter_map(rows).min().unwrap_or(0),
            characteristics,
        }
    }

    /// The characteristics, sorted by id.
    pub fn characteristics(&self) -> &[Characteristic] {
        &self.characteristics
    }

    /// The places and ids of the arms that earlier allocations gave.
    pub fn earlier(&self) -> impl Iterator<Item = (usize, &str)> {
        let all = self.characteristics.iter().enumerate();
        all.filter(|(_, own)| own.source == Source::Earlier).map(|(at, own)| (at, own.id.as_str()))
    }

    /// The place of a characteristic.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.characteristics.binary_search_by(|own| own.id.as_str().cmp(id)).ok()
    }

    /// Levels to be overwritten by [`Population::draw`]: one of each characteristic.
    pub fn blank(&self) -> Levels {
        self.characteristics.iter().map(|own| (own.id.clone(), String::new())).collect()
    }

    /// Draws one subject: `places` gets the place of each level, `levels` (made by [`Population::blank`]) its name.
    pub fn draw(&self, dice: &mut Draw, places: &mut Vec<u32>, levels: &mut Levels) {
        places.clear();
        let row = if self.rows > 0 { usize::try_from(dice.below(self.rows)).unwrap_or(usize::MAX) } else { 0 };
        // Both are sorted by id.
        for ((own, total), level) in self.characteristics.iter().zip(&self.totals).zip(levels.values_mut()) {
            let place = match &own.source {
                Source::Shares(weights) => pick(weights, dice.below(*total)),
                Source::Rows(rows) => rows.get(row).copied().unwrap_or(0),
                Source::Earlier => own.no_level(),
            };
            places.push(place);
            match own.levels.get(place as usize) {
                Some(name) => level.clone_from(name),
                None => level.clear(),
            }
        }
    }

    /// Gives a subject the level of a characteristic that is not drawn.
    pub fn give(&self, at: usize, name: &str, places: &mut [u32], levels: &mut Levels) {
        let Some(own) = self.characteristics.get(at) else { return };
        let place = own.levels.iter().position(|level| level == name).and_then(|place| u32::try_from(place).ok());
        if let (Some(place), Some(kept), Some(level)) = (place, places.get_mut(at), levels.get_mut(&own.id)) {
            *kept = place;
            name.clone_into(level);
        }
    }
}

/// The place that owns the integer `value` when each owns as many consecutive ones as its weight says.
fn pick(weights: &[u64], mut value: u64) -> u32 {
    let mut last = 0;
    for (place, weight) in (0u32..).zip(weights) {
        if value < *weight {
            return place;
        }
        value -= weight;
        last = place;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_string()).collect()
    }

    #[test]
    fn shares_are_met_and_rows_stay_together() {
        let population = Population::new(vec![
            Characteristic { id: "sex".into(), levels: names(&["F", "M", "X"]), source: Source::Shares(vec![3, 1, 0]) },
            Characteristic { id: "a".into(), levels: names(&["1", "2"]), source: Source::Rows(vec![0, 1, 1]) },
            Characteristic { id: "b".into(), levels: names(&["1", "2"]), source: Source::Rows(vec![0, 1, 0]) },
        ]);
        let mut dice = Draw::new(&[7; 32], 0);
        let (mut places, mut levels) = (Vec::new(), population.blank());
        let (mut women, mut first) = (0u32, 0u32);
        for _ in 0..10_000 {
            population.draw(&mut dice, &mut places, &mut levels);
            assert!(levels["a"] == "2" || levels["b"] == "1", "no row is (1, 2)");
            assert_ne!(levels["sex"], "X");
            women += u32::from(levels["sex"] == "F");
            first += u32::from(levels["a"] == "1");
        }
        // Four standard errors.
        assert!((7_500 - 174..=7_500 + 174).contains(&women), "{women}");
        assert!((3_333 - 189..=3_333 + 189).contains(&first), "{first}");
    }
}
