//! Arms shuffled among the kits of a rehearsal, so that nothing that a rehearsal shows of a code tells the arm of the kit that bears it.
//!
//! Arms change places among kits of one place, last day and lot, so that each of these keeps its numbers. Kits that are of one arm
//! alone there change places with those of other lots, then of other days, then of other places; where all kits are of one arm, there
//! is nothing to conceal.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::kit::mac;
use super::study::{Kit, Stage};

/// Listed kits as a study of that stage and secret has them on file: in production as they are listed, in a rehearsal with arms that its
/// secret shuffled.
pub fn on_file(stage: Stage, secret: &[u8; 32], listed: Vec<Kit>) -> Vec<Kit> {
    if stage == Stage::Production {
        return listed;
    }
    let key = mac(secret, b"hagaki rehearsed kits");
    let mut arms = BTreeMap::new();
    deal(&key, listed.iter().collect(), &[By::Place, By::Day, By::Lot], &mut arms);
    let arm = |kit: &Kit| arms.get(kit.code.as_str()).map_or_else(|| kit.arm.clone(), |arm| (*arm).to_owned());
    listed.iter().map(|kit| Kit { arm: arm(kit), ..kit.clone() }).collect()
}

/// What parts kits.
#[derive(Clone, Copy)]
enum By {
    Place,
    Day,
    Lot,
}

type Part<'k> = (Option<&'k str>, Option<NaiveDate>, &'k str);

impl By {
    fn of(self, kit: &Kit) -> Part<'_> {
        match self {
            By::Place => (kit.site.as_deref(), None, ""),
            By::Day => (None, kit.expires, ""),
            By::Lot => (None, None, &kit.lot),
        }
    }
}

/// Deals the arms of kits within parts as fine as they can be.
fn deal<'k>(key: &[u8; 32], kits: Vec<&'k Kit>, by: &[By], arms: &mut BTreeMap<&'k str, &'k str>) {
    let Some((first, finer)) = by.split_first() else { return exchange(key, kits, arms) };
    let mut parts: BTreeMap<Part<'k>, Vec<&'k Kit>> = BTreeMap::new();
    for kit in kits {
        parts.entry(first.of(kit)).or_default().push(kit);
    }
    let (mut mixed, single): (Vec<Vec<&Kit>>, Vec<Vec<&Kit>>) = parts.into_values().partition(|part| is_mixed(part));
    let mut rest: Vec<&Kit> = single.into_iter().flatten().collect();
    if !rest.is_empty() && !is_mixed(&rest) {
        rest.extend(mixed.pop().into_iter().flatten());
    }
    for part in mixed {
        deal(key, part, finer, arms);
    }
    exchange(key, rest, arms);
}

fn is_mixed(kits: &[&Kit]) -> bool {
    kits.first().is_some_and(|first| kits.iter().any(|kit| kit.arm != first.arm))
}

/// Each kit gets the arm of the one that stands in its place when they are put in the order that the key gives.
fn exchange<'k>(key: &[u8; 32], mut kits: Vec<&'k Kit>, arms: &mut BTreeMap<&'k str, &'k str>) {
    kits.sort_by(|one, other| one.code.cmp(&other.code));
    let mut turned = kits.clone();
    turned.sort_by_cached_key(|kit| mac(key, kit.code.as_bytes()));
    arms.extend(kits.iter().zip(&turned).map(|(from, to)| (to.code.as_str(), from.arm.as_str())));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kit(number: usize, arm: &str, site: &str, lot: &str) -> Kit {
        Kit {
            code: format!("K{number:03}"),
            arm: arm.to_owned(),
            site: Some(site.to_owned()),
            expires: None,
            lot: lot.to_owned(),
        }
    }

    fn counts(kits: &[Kit]) -> BTreeMap<(Option<String>, String, String), usize> {
        let mut counts = BTreeMap::new();
        for kit in kits {
            *counts.entry((kit.site.clone(), kit.lot.clone(), kit.arm.clone())).or_default() += 1;
        }
        counts
    }

    #[test]
    fn arms_change_places_within_place_and_lot() {
        let arms = ["P", "L", "H"];
        let listed: Vec<Kit> = (0..120)
            .map(|n| kit(n, arms[n % 3], if n < 60 { "101" } else { "102" }, if n % 2 == 0 { "X" } else { "Y" }))
            .collect();
        let shuffled = on_file(Stage::Development, &[1; 32], listed.clone());
        assert_eq!(counts(&shuffled), counts(&listed));
        assert_eq!(shuffled, on_file(Stage::Development, &[1; 32], listed.clone()));
        assert_ne!(shuffled, on_file(Stage::Development, &[2; 32], listed.clone()));
        // A third keeps its arm by chance: 40, and five deviations of 5.2.
        let kept = shuffled.iter().zip(&listed).filter(|(now, then)| now.arm == then.arm).count();
        assert!((14..=66).contains(&kept), "{kept}");
        assert_eq!(on_file(Stage::Production, &[1; 32], listed.clone()), listed);
    }

    #[test]
    fn kits_of_one_arm_alone_change_places_with_others() {
        // Each lot is of one arm, and the third place has a single kit.
        let mut listed: Vec<Kit> = (0..40)
            .map(|n| {
                let (arm, lot) = if n % 2 == 0 { ("P", "X") } else { ("L", "Y") };
                kit(n, arm, if n < 20 { "101" } else { "102" }, lot)
            })
            .collect();
        listed.push(kit(40, "P", "103", "X"));
        let seen: std::collections::BTreeSet<String> =
            (0..20).map(|secret| on_file(Stage::Development, &[secret; 32], listed.clone())[40].arm.clone()).collect();
        assert_eq!(seen.len(), 2, "the single kit has either arm");
        let shuffled = on_file(Stage::Development, &[3; 32], listed.clone());
        let of = |kits: &[Kit], site: &str| {
            kits.iter().filter(|kit| kit.site.as_deref() == Some(site) && kit.arm == "P").count()
        };
        assert_eq!(of(&shuffled, "101"), of(&listed, "101"), "a place that is mixed keeps its numbers");
        assert!(shuffled.iter().zip(&listed).any(|(now, then)| now.arm != then.arm));
        let one: Vec<Kit> = (0..3).map(|n| kit(n, "P", "101", "X")).collect();
        assert_eq!(on_file(Stage::Development, &[4; 32], one.clone()), one);
    }
}
