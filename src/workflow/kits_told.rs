//! What the audit chain tells of kits, beside the table of kits.
//!
//! The stock is built anew from the chain: the lists (in the bundles and imported, each held against the digest in its entry),
//! then every kit handed out, replaced, shipped, kept back and written off. The table was read while the study went on, so
//! a kit may stand as it was at any moment from the head that was read on, and nowhere else. Every kit that left for a subject must be
//! the one that had to leave from the stock as it was told until then ([`super::kits_left`]).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::kit_import::{self, digest_of, new_kit};
use super::kits_left::{KitsLeft, Leaving, Left, Turn};
use super::shelf::definition_of;
use super::{Failure, shelf};
use crate::definition;
use crate::domain::kit::{Day, State};
use crate::domain::kit_shuffle;
use crate::domain::study::Kit;
use crate::store::audit::Unlinked;
use crate::store::kit::{KitRow, NewKit};
use crate::store::study::StudyRow;
use crate::store::{Store, bundle, kit};

/// Where the table of kits parts from the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KitDiscrepancy {
    /// The kit's code; of a list, its name.
    pub code: String,
    /// Allocation that the kit was handed out for, the smaller one where the table and the chain differ.
    pub allocation: Option<i64>,
    /// What differs.
    pub what: KitWhat,
}

/// What differs of a kit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KitWhat {
    /// A kit of which no entry tells.
    Entry,
    /// A kit of which an entry tells is absent.
    Absent,
    /// Its arm.
    Arm,
    /// Where it lies.
    Site,
    /// Its lot.
    Lot,
    /// Its last day.
    Expires,
    /// What became of it.
    State,
    /// The allocation it was handed out for, or which of its kits it is.
    Allocation,
    /// A list that is absent, or is not the one whose digest stands in the chain.
    List,
    /// Its rank is not the one that the secret gives it.
    Rank,
    /// It left, and by the secret and the stock of that moment another one had to.
    Order,
}

impl KitWhat {
    /// Name in reports for programs.
    pub const fn key(self) -> &'static str {
        match self {
            KitWhat::Entry => "kit-entry",
            KitWhat::Absent => "kit-absent",
            KitWhat::Arm => "kit-arm",
            KitWhat::Site => "kit-site",
            KitWhat::Lot => "kit-lot",
            KitWhat::Expires => "kit-expires",
            KitWhat::State => "kit-state",
            KitWhat::Allocation => "kit-allocation",
            KitWhat::List => "kit-list",
            KitWhat::Rank => "kit-rank",
            KitWhat::Order => "kit-order",
        }
    }
}

/// A kit as the chain tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    arm: String,
    site: String,
    lot: String,
    expires_on: Day,
    state: State,
    allocation: Option<i64>,
    turn: i64,
    rank: i64,
    /// Place in the lists.
    position: i64,
}

impl Told {
    fn listed(new: NewKit<'_>, rank: i64, position: i64) -> Told {
        Told {
            arm: new.arm.to_string(),
            site: new.site.to_string(),
            lot: new.lot.to_string(),
            expires_on: new.expires_on,
            state: State::Available,
            allocation: None,
            turn: 0,
            rank,
            position,
        }
    }

    /// Its turn among the kits of its arm and place, if it can be handed out.
    fn free(&self) -> Option<Turn> {
        (self.state == State::Available).then_some((self.expires_on, self.rank, self.position))
    }

    fn differs(&self, row: &KitRow) -> Option<KitWhat> {
        [
            (KitWhat::Arm, self.arm == row.arm),
            (KitWhat::Site, self.site == row.site),
            (KitWhat::Lot, self.lot == row.lot),
            (KitWhat::Expires, self.expires_on == row.expires_on),
            (KitWhat::Allocation, self.allocation == row.allocation_number && self.turn == row.turn),
            (KitWhat::State, self.state == row.state),
            // None yet where an earlier version listed it while this one ran.
            (KitWhat::Rank, self.rank == row.rank || row.rank == 0),
        ]
        .into_iter()
        .find_map(|(what, same)| (!same).then_some(what))
    }
}

/// What an entry may say of kits; each action uses some of it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    version: Option<i64>,
    bundle: serde_json::Value,
    allocation: serde_json::Value,
    kits: serde_json::Value,
    list: i64,
    digest: String,
    codes: Vec<String>,
    state: String,
    to: String,
    from: String,
    turn: i64,
    subject: i64,
    randomization: String,
    kit_rule: Option<i64>,
}

/// The stock as it follows from the chain, entry by entry.
pub(super) struct Stock<'a> {
    store: &'a Store,
    head: &'a StudyRow,
    /// Each kit as it was from the head on: how it was there, and every change after.
    kits: BTreeMap<String, Vec<Told>>,
    /// The first list that cannot be believed.
    fault: Option<KitDiscrepancy>,
    left: Left,
    /// The first kit that left out of its turn.
    stray: Option<KitDiscrepancy>,
}

impl<'a> Stock<'a> {
    pub(super) fn new(store: &'a Store, head: &'a StudyRow) -> Result<Stock<'a>, Failure> {
        let left = Left::new(head.secret.bytes()?);
        Ok(Stock { store, head, kits: BTreeMap::new(), fault: None, left, stray: None })
    }

    /// Takes the next entry of the study's chain.
    ///
    /// # Errors
    /// The database; a stored bundle this version cannot read.
    pub(super) async fn hear(&mut self, entry: &Unlinked) -> Result<(), Failure> {
        let action = entry.action.as_str();
        if !matches!(action, "enroll" | "randomize" | "activate" | "amend" | "purge") && !action.starts_with("kit-") {
            return Ok(());
        }
        let body: Body = serde_json::from_str(&entry.body).unwrap_or_default();
        let late = entry.seq > self.head.chain.length;
        match action {
            "enroll" | "randomize" => {
                let of = |key: &str| body.allocation.get(key);
                let text = |key: &str| of(key).and_then(serde_json::Value::as_str);
                let whole = |key: &str| of(key).and_then(serde_json::Value::as_i64);
                if let (Some(code), Some(number)) = (text("kit"), whole("number")) {
                    let (arm, bundle) = (text("arm").unwrap_or_default(), body.bundle.as_i64().unwrap_or_default());
                    // What tells of an enrollment that we wrote comes by `hear_given`.
                    let site = self.left.site_of(body.subject);
                    let rule = whole("kit_rule").filter(|_| site.is_some());
                    let site = site.unwrap_or_default();
                    let randomization = &body.randomization;
                    self.hear_given(Leaving { code, number, arm, site: &site, randomization, bundle, rule }, entry);
                }
            }
            "activate" | "amend" | "purge" => {
                let version = body.version.unwrap_or(self.head.bundle_version);
                self.hear_bundle(version, body.bundle.as_str(), late).await?;
                let withdrawn = body.kits.get("withdrawn").and_then(serde_json::Value::as_array);
                for code in withdrawn.into_iter().flatten().filter_map(serde_json::Value::as_str) {
                    self.change(code, late, |told| told.state = State::Withdrawn);
                }
            }
            "kit-import" => self.hear_list(&body, late).await?,
            "kit-move" => {
                for code in &body.codes {
                    self.change(code, late, |told| told.site.clone_from(&body.to));
                }
            }
            "kit-replace" => {
                let number = body.allocation.as_i64().unwrap_or_default();
                let turn = self.turn_of(&body.to);
                let kit = (body.to.as_str(), number, body.bundle.as_i64().unwrap_or_default());
                if !self.left.is_right_again(kit, body.kit_rule, turn.as_ref(), entry.at) {
                    self.stray(&body.to, number);
                }
                self.change(&body.from, late, |told| {
                    if told.state == State::Dispensed {
                        told.state = State::Replaced;
                    }
                });
                self.give(&body.to, number, body.turn, late);
            }
            // What was tried left nothing.
            kit_import::TRIAL => {}
            _ => {
                let state = State::find(&body.state);
                for code in &body.codes {
                    self.change(code, late, |told| told.state = state.unwrap_or(told.state));
                }
            }
        }
        Ok(())
    }

    /// Takes what an entry tells of the kit that was handed out for an allocation.
    pub(super) fn hear_given(&mut self, leaving: Leaving<'_>, entry: &Unlinked) {
        let turn = self.turn_of(leaving.code);
        if !self.left.is_right(leaving, turn.as_ref(), entry.at) {
            self.stray(leaving.code, leaving.number);
        }
        self.give(leaving.code, leaving.number, 1, entry.seq > self.head.chain.length);
    }

    /// Takes where a subject belongs.
    pub(super) fn hear_subject(&mut self, subject: i64, site: &str) {
        self.left.hear_subject(subject, site);
    }

    /// How many kits left so far, by whether they could be found again.
    pub(super) fn left(&self) -> KitsLeft {
        self.left.counted()
    }

    fn turn_of(&self, code: &str) -> Option<Turn> {
        self.kits.get(code)?.last()?.free()
    }

    fn stray(&mut self, code: &str, number: i64) {
        self.stray.get_or_insert_with(|| KitDiscrepancy {
            code: code.to_string(),
            allocation: Some(number),
            what: KitWhat::Order,
        });
    }

    /// The kits that a version of the bundle lists and were not listed before. A purge names no digest.
    async fn hear_bundle(&mut self, version: i64, digest: Option<&str>, late: bool) -> Result<(), Failure> {
        let stored = bundle::load(self.store, self.head.id, version).await?;
        let bundle = shelf::bundle_of(self.head, &stored.digest, &stored.files)?;
        if !bundle.lists_kits() {
            return Ok(());
        }
        if digest.is_some_and(|told| told != bundle.digest()) {
            self.doubt(format!("bundle {version}"));
        }
        let defined = definition_of(self.head, &stored.digest, &stored.files)?;
        self.left.hear_version(version, &defined);
        self.list(&defined.kits, late)
    }

    async fn hear_list(&mut self, body: &Body, late: bool) -> Result<(), Failure> {
        let name = format!("list {}", body.list);
        let content = kit::find_list(self.store, self.head.id, body.list).await?;
        let sound = content.filter(|content| digest_of(content) == body.digest);
        match sound.and_then(|content| definition::read_kept_kits(&content)) {
            Some(kits) => self.list(&kits, late),
            None => {
                self.doubt(name);
                Ok(())
            }
        }
    }

    fn doubt(&mut self, code: String) {
        self.fault.get_or_insert(KitDiscrepancy { code, allocation: None, what: KitWhat::List });
    }

    fn list(&mut self, kits: &[Kit], late: bool) -> Result<(), Failure> {
        let new: Vec<Kit> = kits.iter().filter(|kit| !self.kits.contains_key(&kit.code)).cloned().collect();
        for kit in &kit_shuffle::on_file(self.head.stage, self.head.secret.bytes()?, new) {
            let position = i64::try_from(self.kits.len()).unwrap_or(i64::MAX);
            let told = Told::listed(new_kit(kit), self.left.rank(&kit.code), position);
            if let Some(turn) = told.free() {
                self.left.put(&told.site, &told.arm, turn);
            }
            // A kit that came after the head was read may be absent, which `compare` knows by this mark.
            let all = if late { vec![Told { turn: UNLISTED, ..told.clone() }, told] } else { vec![told] };
            self.kits.insert(kit.code.clone(), all);
        }
        Ok(())
    }

    fn give(&mut self, code: &str, number: i64, turn: i64, late: bool) {
        self.change(code, late, |told| {
            told.state = State::Dispensed;
            told.allocation = Some(number);
            told.turn = turn;
        });
    }

    fn change(&mut self, code: &str, late: bool, change: impl FnOnce(&mut Told)) {
        let Some(told) = self.kits.get_mut(code) else { return };
        let Some(last) = told.last_mut() else { return };
        if let Some(turn) = last.free() {
            self.left.take(&last.site, &last.arm, &turn);
        }
        let mut next = last.clone();
        change(&mut next);
        if let Some(turn) = next.free() {
            self.left.put(&next.site, &next.arm, turn);
        }
        if late {
            told.push(next);
        } else {
            *last = next;
        }
    }

    /// The first difference from the rows of the table: those of allocations by their numbers, then others by their codes.
    pub(super) fn compare(mut self, rows: Vec<KitRow>) -> Option<KitDiscrepancy> {
        if self.fault.is_some() {
            return self.fault;
        }
        let mut found: Vec<KitDiscrepancy> = self.stray.into_iter().collect();
        for row in rows {
            let told = self.kits.remove(&row.code).unwrap_or_default();
            let own = told.iter().find_map(|told| told.allocation);
            let what = match told.last() {
                None => Some(KitWhat::Entry),
                Some(last) if told.iter().all(|told| told.differs(&row).is_some()) => last.differs(&row),
                Some(_) => None,
            };
            let allocation = row.allocation_number.into_iter().chain(own).min();
            found.extend(what.map(|what| KitDiscrepancy { code: row.code, allocation, what }));
        }
        for (code, told) in self.kits {
            if told.first().is_none_or(|told| told.turn != UNLISTED) {
                let allocation = told.iter().find_map(|told| told.allocation);
                found.push(KitDiscrepancy { code, allocation, what: KitWhat::Absent });
            }
        }
        // Where a row and the order of one allocation differ, the row comes first: the order was found by the chain alone.
        let place = |found: &KitDiscrepancy| {
            (found.allocation.unwrap_or(i64::MAX), found.what == KitWhat::Order, found.code.clone())
        };
        found.into_iter().min_by_key(place)
    }
}

/// The turn of a kit that was not in the study yet.
const UNLISTED: i64 = -1;
