//! Shipments of kits between sites and the central stock.
//!
//! Where kits lie tells arms once a place has some arms only, or days of one arm only ([`pool`](crate::domain::pool)): whoever ships is
//! warned of it without being told which arm it is. By shipping kit by kit one could find out which kits share an arm; each shipment
//! is an entry in the chain, there are no trials, and it takes a command.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::enroll::append;
use super::kits::{self, KitError, KitFault, Order, Refusal};
use super::ledger::Ledger;
use super::shelf::ShelvedStudy;
use super::stock::least_expiry;
use super::{Failure, Means, kit_import};
use crate::definition::{self, Problem, Seen};
use crate::domain::kit::{Day, State};
use crate::domain::study::Study;
use crate::limits;
use crate::store::Tx;
use crate::store::kit::{self, KitRow};

/// What a shipment takes.
#[derive(Clone, Copy, Debug)]
pub enum Load<'a> {
    /// The kits of these codes.
    Codes(&'a [String]),
    /// So many of each arm that can be handed out at a place (empty for the central stock), of the same days as far as possible,
    /// those that expire first.
    PerArm(&'a str, u32),
    /// All that can be shipped from a place.
    All(&'a str),
}

/// A shipment.
#[derive(Clone, Debug)]
pub struct Shipped {
    /// The kits' codes, sorted.
    pub codes: Vec<String>,
    /// What should be looked at; none names an arm.
    pub warnings: Vec<Problem>,
}

/// Ships kits to a site, or (empty) to the central stock; gives their codes, and what should be looked at.
///
/// # Errors
/// A [`Refusal`], or the database.
pub async fn ship(
    ledger: &mut Ledger<'_>,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    order: Order<'_>,
    load: Load<'_>,
    to: &str,
) -> Result<Shipped, KitError> {
    kits::check(shelved, order)?;
    let study = &shelved.study;
    let named = match load {
        Load::Codes(_) => None,
        Load::PerArm(from, _) | Load::All(from) => Some(from),
    };
    if let Some(place) = [Some(to), named].into_iter().flatten().find(|place| !is_place(study, place)) {
        return Err(Refusal::NoSite(place.to_string()).into());
    }
    let (tx, page) = ledger.lock(shelved).await?;
    let least = least_expiry(study, means.now);
    let (loaded, mut faults) = match load {
        Load::Codes(codes) => kits::find_all(tx, shelved.id, codes).await?,
        Load::All(from) => (lying(tx, shelved.id, from).await?, Vec::new()),
        Load::PerArm(from, most) => {
            let lying = lying(tx, shelved.id, from).await?;
            match alike(study, lying, least, most) {
                Some(loaded) => (loaded, Vec::new()),
                // Which arm is short is nothing that a shipper should learn.
                None => return Err(Refusal::Short.into()),
            }
        }
    };
    for kit in &loaded {
        if kit.site == to {
            faults.push(KitFault::There(kit.code.clone()));
        } else if !kit.state.may_move() {
            faults.push(KitFault::Fixed(kit.code.clone(), kit.state));
        }
    }
    if !faults.is_empty() {
        return Err(Refusal::Kits(faults).into());
    }
    if loaded.is_empty() {
        return Err(Refusal::None.into());
    }
    if loaded.len() > limits::KIT_CODES {
        return Err(Refusal::TooMany.into());
    }
    for kit in &loaded {
        kit::record_move(tx, kit, to).await?;
    }
    let left: BTreeSet<&str> = loaded.iter().map(|kit| kit.site.as_str()).collect();
    let warnings = judge(tx, shelved, least, (&loaded, &left)).await?;
    // Shipped in the order of the codes, so that the order of a packing list tells nothing.
    let mut codes: Vec<String> = loaded.iter().map(|kit| kit.code.clone()).collect();
    codes.sort_unstable();
    let body = json!({ "codes": codes, "to": to, "by": order.by, "reason": order.reason, "inbox": order.inbox_id });
    append(tx, page, means, order.actor, "kit-move", &body).await?;
    kits::tell(ledger, shelved, means, order).await?;
    Ok(Shipped { codes, warnings })
}

fn is_place(study: &Study, place: &str) -> bool {
    place.is_empty() || study.find_site(place).is_some()
}

async fn lying(tx: &mut Tx, id: i64, site: &str) -> Result<Vec<KitRow>, Failure> {
    let kits = kit::list(&mut *tx, id).await?;
    Ok(kits.into_iter().filter(|kit| kit.site == site && kit.state.may_move()).collect())
}

/// What the stock tells of arms, now that these kits were shipped from there.
async fn judge(
    tx: &mut Tx,
    shelved: &ShelvedStudy,
    least: Day,
    (loaded, left): (&[KitRow], &BTreeSet<&str>),
) -> Result<Vec<Problem>, Failure> {
    let moved: BTreeSet<&str> = loaded.iter().map(|kit| kit.code.as_str()).collect();
    let all = kit::list(&mut *tx, shelved.id).await?;
    let seen = all.iter().map(|kit| kit_import::seen(kit, least));
    let seen: Vec<Seen<'_>> = seen.map(|kit| Seen { new: moved.contains(kit.code), ..kit }).collect();
    Ok(definition::judge_shipped(&shelved.study, &seen, left))
}

/// So many of each arm, of each day as many of one as of the other as far as there are, those that expire first; nothing if one arm has
/// fewer. So neither what is shipped nor what stays parts the arms by their days.
fn alike(study: &Study, mut kits: Vec<KitRow>, least: Day, most: u32) -> Option<Vec<KitRow>> {
    kits.retain(|kit| kit.state == State::Available && kit.expires_on >= least);
    kits.sort_by_key(|kit| (kit.expires_on, kit.rank, kit.position));
    let most = usize::try_from(most).ok()?;
    let mut taken = Vec::new();
    for rules in study.allocations() {
        let mut own: BTreeMap<&str, Vec<&KitRow>> =
            rules.arms.iter().map(|arm| (arm.code.as_str(), Vec::new())).collect();
        for kit in &kits {
            if let Some(of_arm) = own.get_mut(kit.arm.as_str()) {
                of_arm.push(kit);
            }
        }
        if own.values().any(|of_arm| of_arm.len() < most) {
            return None;
        }
        let days: BTreeSet<Day> = own.values().flatten().map(|kit| kit.expires_on).collect();
        let mut wanted = most;
        for day in days {
            let of_day = |of_arm: &Vec<&KitRow>| of_arm.iter().filter(|kit| kit.expires_on == day).count();
            let each = own.values().map(of_day).min().unwrap_or(0).min(wanted);
            wanted -= each;
            for of_arm in own.values_mut() {
                let mut left = each;
                taken.extend(of_arm.extract_if(.., |kit| {
                    let takes = left > 0 && kit.expires_on == day;
                    left -= usize::from(takes);
                    takes
                }));
            }
        }
        taken.extend(own.into_values().flat_map(|of_arm| of_arm.into_iter().take(wanted)));
    }
    Some(taken.into_iter().cloned().collect())
}
