//! The state: everything the next decision depends on, as counts whose size does not grow with the subjects.

use std::collections::BTreeMap;

use super::atkinson::Information;
use super::decision::{Decision, Imbalances, Outlook};
use super::draw::Draw;
use super::law::Law;
use super::minimization;
use super::plan::Plan;
use super::replay::{Origin, Row};
use super::scheme::{Method, SITE, Scheme, TOTAL};
use super::sequence::{self, OpenBlock, Stratum};
use super::{Allotment, Fault, Levels};
use crate::domain::study::Caps;
use crate::limits;

/// Everything the next decision depends on. Two states are equal if the same allocations led to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub(super) total: u64,
    /// How many of them came before the epoch.
    pub(super) before_epoch: u64,
    /// Number of the first allocation that can belong to the epoch; numbers have gaps where a study has several allocations.
    pub(super) epoch_from: u64,
    /// Subjects of each arm, arms as in the plan.
    pub(super) arms: Vec<u64>,
    /// Subjects of each arm before the epoch.
    pub(super) arms_before: Vec<u64>,
    pub(super) sites: BTreeMap<String, u64>,
    /// For each dimension, the number of each level seen.
    pub(super) levels: Vec<BTreeMap<String, u32>>,
    /// For each factor balanced, the counts of each level and cell.
    pub(super) tables: Vec<Vec<u32>>,
    /// Only under `atkinson`.
    pub(super) information: Option<Information>,
    pub(super) strata: BTreeMap<Vec<u32>, Stratum>,
}

/// Which cap leaves no place. Says nothing of which arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The study.
    Total,
    /// Some arm: the study is closed to everybody, so that no refusal tells an arm.
    Arm,
    /// The subject's site.
    Site,
    /// The subject's stratum.
    Stratum,
    /// The imported list has no place left for the subject's stratum, or for any subject where it has no strata.
    List,
}

impl State {
    /// Before the first subject.
    pub fn new(scheme: &Scheme) -> State {
        let plan = scheme.plan();
        State {
            total: 0,
            before_epoch: 0,
            epoch_from: 0,
            arms: vec![0; plan.arms.len()],
            arms_before: vec![0; plan.arms.len()],
            sites: BTreeMap::new(),
            levels: vec![BTreeMap::new(); plan.dimensions.len()],
            tables: vec![Vec::new(); plan.tables.len()],
            information: matches!(scheme.method(), Method::Atkinson).then(|| Information::new(plan.tables.len())),
            strata: BTreeMap::new(),
        }
    }

    /// Subjects allocated.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether decisions balance what that allocation gave: it was made in this epoch.
    pub fn balances(&self, number: u64) -> bool {
        number >= self.epoch_from
    }

    /// Subjects of that arm.
    pub fn of_arm(&self, scheme: &Scheme, code: &str) -> u64 {
        scheme.plan().find_arm(code).ok().and_then(|place| self.arms.get(place).copied()).unwrap_or(0)
    }

    /// Subjects of that arm that decisions balance: those of the epoch.
    pub fn balanced_of_arm(&self, scheme: &Scheme, code: &str) -> u64 {
        let place = scheme.plan().find_arm(code).ok();
        place.and_then(|place| Some(self.arms.get(place)? - self.arms_before.get(place)?)).unwrap_or(0)
    }

    /// Subjects of each arm that decisions balance, arms as in the plan.
    fn arms_of_epoch(&self) -> Vec<u64> {
        self.arms.iter().zip(&self.arms_before).map(|(all, before)| all - before).collect()
    }

    /// Subjects of that site.
    pub fn of_site(&self, code: &str) -> u64 {
        self.sites.get(code).copied().unwrap_or(0)
    }

    /// Subjects with the same levels of all strata; all subjects where the scheme has none. Under `hu-hu` without strata they are
    /// the combinations of all factors.
    pub fn of_stratum(&self, scheme: &Scheme, levels: &Levels) -> Result<u64, Fault> {
        let position = self.locate(scheme.plan(), levels)?;
        let stratum = self.find_stratum(scheme.plan(), &position);
        Ok(stratum.map_or(0, |stratum| stratum.before + stratum.arms.iter().sum::<u64>()))
    }

    /// Places of an imported list that are taken in the subject's stratum.
    fn places_taken(&self, plan: &Plan, levels: &Levels) -> Result<u64, Fault> {
        let position = self.locate(plan, levels)?;
        Ok(self.find_stratum(plan, &position).map_or(0, |stratum| stratum.arms.iter().sum()))
    }

    /// The cap that leaves no place for that subject, if one does; `site_cap` is the cap of their site.
    pub fn find_full(
        &self,
        scheme: &Scheme,
        caps: &Caps,
        site_cap: Option<u32>,
        levels: &Levels,
    ) -> Result<Option<Full>, Fault> {
        let reached = |count: u64, cap: Option<u32>| cap.is_some_and(|cap| count >= u64::from(cap));
        if reached(self.total, caps.total) {
            return Ok(Some(Full::Total));
        }
        let full = |code: &str, cap: u32| scheme.is_open(code) && reached(self.of_arm(scheme, code), Some(cap));
        if caps.arms.iter().any(|(code, cap)| full(code, *cap)) {
            return Ok(Some(Full::Arm));
        }
        if levels.get(SITE).is_some_and(|site| reached(self.of_site(site), site_cap)) {
            return Ok(Some(Full::Site));
        }
        if caps.stratum.is_some() && reached(self.of_stratum(scheme, levels)?, caps.stratum) {
            return Ok(Some(Full::Stratum));
        }
        if let Method::List(list) = scheme.method()
            && list.find(levels, self.places_taken(scheme.plan(), levels)?)?.is_none()
        {
            return Ok(Some(Full::List));
        }
        Ok(None)
    }

    /// What the next decision will be like, to somebody who does not hold the secret.
    pub fn outlook(&self, scheme: &Scheme, levels: &Levels) -> Result<Outlook, Fault> {
        let position = self.locate(scheme.plan(), levels)?;
        let block = self.find_stratum(scheme.plan(), &position).and_then(|stratum| stratum.block.as_ref());
        self.outlook_at(scheme, levels, &position, block)
    }

    /// The decision of that allocation number: a function of this state, the levels, the secret and the number.
    pub fn decide(&self, scheme: &Scheme, levels: &Levels, secret: &[u8; 32], number: u64) -> Result<Decision, Fault> {
        let plan = scheme.plan();
        let position = self.locate(plan, levels)?;
        let mut draw = Draw::new(secret, number);
        let mut draws = Vec::with_capacity(1);
        let open = self.find_stratum(plan, &position).and_then(|stratum| stratum.block.as_ref());
        let mut opened = None;
        if let (Method::Block(sizes), None, Some(law)) = (scheme.method(), open, &plan.by_size) {
            let (place, drawn) = law.pick(&mut draw);
            draws.push(drawn);
            let size = sizes.get(place).expect("the law has one cell per size").size;
            opened = Some(OpenBlock { size, arms: vec![0; plan.arms.len()] });
        }
        let block = open.or(opened.as_ref());
        let outlook = self.outlook_at(scheme, levels, &position, block)?;
        let (cell, drawn) = outlook.law().pick(&mut draw);
        draws.push(drawn);
        let cell = plan.cells.get(cell).expect("the law has one weight per cell");
        let arm = plan.arms.get(cell.arm).expect("a cell belongs to an arm").code.clone();
        let allotment = Allotment { arm, slot: cell.slot, block_size: block.map(|block| block.size) };
        let place_in_block = block.map(|block| block.arms.iter().sum::<u64>() + 1);
        Ok(Decision { number, allotment, place_in_block, draws, outlook })
    }

    /// What a subject of those levels gets with an arm that is given by hand: the place of that arm which the method has for it
    /// now, if it has one (the open block, under `ratio-arms` the likeliest dummy); else it stands outside of every block.
    ///
    /// # Errors
    /// [`Fault::NoPlace`] of an arm that is closed; levels or an arm that the scheme does not have.
    pub fn give(&self, scheme: &Scheme, levels: &Levels, arm: &str) -> Result<Allotment, Fault> {
        let plan = scheme.plan();
        let place = plan.find_arm(arm)?;
        if place >= plan.open_arms {
            return Err(Fault::NoPlace(arm.to_owned()));
        }
        let position = self.locate(plan, levels)?;
        let open = self.find_stratum(plan, &position).and_then(|stratum| stratum.block.as_ref());
        let block = open.filter(|block| block.left(plan).get(place).is_some_and(|left| *left > 0));
        let slot = self.likely_slot(scheme, levels, arm)?;
        Ok(Allotment { arm: arm.to_owned(), slot, block_size: block.map(|block| block.size) })
    }

    /// Counts an allocation, decided just now or read back from the history; changes nothing if it cannot be one.
    pub fn record(&mut self, scheme: &Scheme, levels: &Levels, allotment: &Allotment) -> Result<(), Fault> {
        self.count(scheme, levels, allotment, Origin::Drawn)
    }

    /// Counts a row of a journal; changes nothing if it cannot be one. What was [given](State::give) by hand takes the block's
    /// slot, the urn's ball or the list's next place if that is of its arm; else it stands outside of these, and is counted by
    /// caps and by everything else that counts subjects. So is what was imported without a block, for it was given by hand there.
    pub fn record_row(&mut self, scheme: &Scheme, row: &Row) -> Result<(), Fault> {
        self.count(scheme, &row.levels, &row.allotment, row.origin)
    }

    fn count(&mut self, scheme: &Scheme, levels: &Levels, allotment: &Allotment, origin: Origin) -> Result<(), Fault> {
        let plan = scheme.plan();
        let arm = plan.find_arm(&allotment.arm)?;
        let cell = plan.find_cell(arm, allotment.slot).ok_or_else(|| Fault::Slot(allotment.arm.clone()))?;
        let position = self.locate(plan, levels)?;
        let mut stratum = self.find_stratum(plan, &position).cloned().unwrap_or_else(|| Stratum::new(plan.arms.len()));
        let outside = match scheme.method() {
            Method::List(list) => {
                let next = list.find(levels, stratum.arms.iter().sum())?;
                if origin != Origin::Forced && next != Some(arm) {
                    return Err(next.map_or(Fault::ListUsedUp, |_| Fault::NoPlace(allotment.arm.clone())));
                }
                next != Some(arm)
            }
            // A closed arm has no ball any more, and keeps the subjects that it had elsewhere.
            Method::BlockUrn { lambda } if arm < plan.open_arms && !stratum.has_ball(plan, *lambda, arm) => {
                if origin != Origin::Forced {
                    return Err(Fault::NoPlace(allotment.arm.clone()));
                }
                true
            }
            _ => false,
        };
        if outside {
            stratum.before += 1;
        } else if origin.is_given() && allotment.block_size.is_none() {
            stratum.record(plan, &Method::Simple, arm, None)?;
        } else {
            stratum.record(plan, scheme.method(), arm, allotment.block_size)?;
        }
        let numbers = self.number_levels(plan, levels, &position);
        let key: Vec<u32> = plan.strata.iter().filter_map(|place| numbers.get(*place).copied()).collect();
        self.strata.insert(key, stratum);
        for (table, dimension) in self.tables.iter_mut().zip(&plan.tables) {
            let level = dimension.and_then(|place| numbers.get(place).copied()).unwrap_or(0) as usize;
            let place = level * plan.cells.len() + cell;
            if table.len() < (level + 1) * plan.cells.len() {
                table.resize((level + 1) * plan.cells.len(), 0);
            }
            if let Some(count) = table.get_mut(place) {
                *count += 1;
            }
        }
        if let Some(information) = &mut self.information {
            let own: Vec<u32> = plan
                .tables
                .iter()
                .map(|place| place.and_then(|place| numbers.get(place).copied()).unwrap_or(0))
                .collect();
            information.record(&own, &allotment.arm);
        }
        self.total += 1;
        if let Some(count) = self.arms.get_mut(arm) {
            *count += 1;
        }
        if let Some(site) = levels.get(SITE) {
            match self.sites.get_mut(site) {
                Some(count) => *count += 1,
                None => {
                    self.sites.insert(site.clone(), 1);
                }
            }
        }
        Ok(())
    }

    /// Counts an allocation made before at other levels, nowhere, or again, in what later decisions minimize over. What caps look at
    /// and the counts of every other method stay: a slot never returns.
    pub fn recount(
        &mut self,
        scheme: &Scheme,
        from: Option<&Levels>,
        to: Option<&Levels>,
        allotment: &Allotment,
    ) -> Result<(), Fault> {
        if !matches!(scheme.method(), Method::Minimization(_)) {
            return Ok(());
        }
        let plan = scheme.plan();
        let arm = plan.find_arm(&allotment.arm)?;
        let cell = plan.find_cell(arm, allotment.slot).ok_or_else(|| Fault::Slot(allotment.arm.clone()))?;
        let width = plan.cells.len();
        for (levels, add) in [(from, false), (to, true)] {
            let Some(levels) = levels else { continue };
            let position = self.locate(plan, levels)?;
            let numbers = self.number_levels(plan, levels, &position);
            for (table, dimension) in self.tables.iter_mut().zip(&plan.tables) {
                let level = dimension.and_then(|place| numbers.get(place).copied()).unwrap_or(0) as usize;
                if table.len() < (level + 1) * width {
                    table.resize((level + 1) * width, 0);
                }
                if let Some(count) = table.get_mut(level * width + cell) {
                    *count = if add { *count + 1 } else { count.saturating_sub(1) };
                }
            }
        }
        Ok(())
    }

    /// For each factor balanced (or of the subject's `stratum` and open `block`) the subjects of each cell who share the
    /// subject's level; under `hu-hu` of the stratum and in `total` too, under `atkinson` in `total`.
    pub(super) fn margins(&self, scheme: &Scheme, levels: &Levels) -> Result<Vec<(String, Vec<u64>)>, Fault> {
        let plan = scheme.plan();
        let position = self.locate(plan, levels)?;
        let stratum = self.find_stratum(plan, &position);
        let or_none = |counts: Option<Vec<u64>>| counts.unwrap_or_else(|| vec![0; plan.arms.len()]);
        let given = || ("stratum".to_owned(), or_none(stratum.map(|stratum| stratum.arms.clone())));
        let mut margins = match scheme.method() {
            Method::Minimization(_) => Vec::new(),
            Method::HuHu(_) => vec![(TOTAL.to_owned(), self.arms_of_epoch()), given()],
            Method::Atkinson => vec![(TOTAL.to_owned(), self.arms_of_epoch())],
            Method::Block(_) => {
                let in_block = stratum.and_then(|stratum| stratum.block.as_ref()).map(|block| block.arms.clone());
                vec![given(), ("block".to_owned(), or_none(in_block))]
            }
            _ => vec![given()],
        };
        let id = |place: &Option<usize>| match place {
            Some(place) => plan.dimensions.get(*place).map(|dimension| dimension.id.clone()).unwrap_or_default(),
            None => TOTAL.to_owned(),
        };
        let widen = |row: Option<&[u32]>| match row {
            Some(row) => row.iter().map(|count| u64::from(*count)).collect(),
            None => vec![0; plan.open],
        };
        margins.extend(plan.tables.iter().map(id).zip(self.rows(plan, &position).into_iter().map(widen)));
        Ok(margins)
    }

    /// The slot a history without slots most plausibly had: of the arm's dummies the one that minimization would have ranked
    /// best, among equals the one with the fewest subjects, then the lowest. `None` where the scheme has no slots.
    pub fn likely_slot(&self, scheme: &Scheme, levels: &Levels, arm: &str) -> Result<Option<u32>, Fault> {
        let plan = scheme.plan();
        let place = plan.find_arm(arm)?;
        if !scheme.has_slots() {
            return Ok(None);
        }
        let position = self.locate(plan, levels)?;
        // Without it there is one dummy in all.
        let Some(scales) = &plan.minimization else {
            return Ok(plan.cells.iter().find(|cell| cell.arm == place).and_then(|cell| cell.slot));
        };
        let classes = minimization::classes(scales, &self.rows(plan, &position));
        let load = |cell: usize| {
            let counts = |table: &Vec<u32>| {
                table.iter().skip(cell).step_by(plan.cells.len()).map(|n| u64::from(*n)).sum::<u64>()
            };
            self.tables.iter().map(counts).sum::<u64>()
        };
        let own = plan.cells.iter().enumerate().filter(|(_, cell)| cell.arm == place);
        let best = own.min_by_key(|(at, cell)| (classes.get(*at).copied(), load(*at), cell.slot));
        Ok(best.and_then(|(_, cell)| cell.slot))
    }

    fn outlook_at(
        &self,
        scheme: &Scheme,
        levels: &Levels,
        position: &[Option<u32>],
        block: Option<&OpenBlock>,
    ) -> Result<Outlook, Fault> {
        let plan = scheme.plan();
        // One arm is left: methods that compare have nothing to compare it with.
        if plan.open == 1 && !matches!(scheme.method(), Method::Block(_) | Method::BlockUrn { .. } | Method::List(_)) {
            return Ok(Outlook::new(plan.by_ratio.clone(), Imbalances::None));
        }
        if let Some(scales) = &plan.minimization {
            if self.total - self.before_epoch < scales.burn_in {
                return Ok(Outlook::new(plan.by_ratio.clone(), Imbalances::None));
            }
            let (law, scores) = minimization::decide(scales, &plan.by_ratio, &self.rows(plan, position));
            return Ok(Outlook::new(law, Imbalances::Scores(scores)));
        }
        if let Some(information) = &self.information {
            if information.columns() > limits::ATKINSON_COLUMNS {
                return Err(Fault::TooManyLevels);
            }
            let level = |place: &Option<usize>| place.and_then(|place| position.get(place).copied().flatten());
            let own: Vec<Option<u32>> = plan.tables.iter().map(level).collect();
            let open: Vec<&str> = plan.open_of(&plan.arms).iter().map(|arm| arm.code.as_str()).collect();
            return Ok(Outlook::new(information.law(&own, &open), Imbalances::None));
        }
        let fresh;
        let stratum = match self.find_stratum(plan, position) {
            Some(stratum) => stratum,
            None => {
                fresh = Stratum::new(plan.arms.len());
                &fresh
            }
        };
        if let Some(hu_hu) = &plan.hu_hu {
            let apart = self.apart(plan, stratum, position);
            return Ok(Outlook::new(hu_hu.law(&apart), Imbalances::Apart(apart)));
        }
        if let Method::List(list) = scheme.method() {
            let next = list.find(levels, stratum.arms.iter().sum())?.ok_or(Fault::ListUsedUp)?;
            let certain: Vec<u64> = (0..plan.arms.len()).map(|arm| u64::from(arm == next)).collect();
            return Ok(Outlook::new(Law::from_u64(&certain), Imbalances::None));
        }
        Ok(Outlook::new(sequence::law(plan, scheme.method(), stratum, block)?, Imbalances::None))
    }

    /// First arm less second: of all subjects, of the subject's stratum, of its level of each factor balanced.
    fn apart(&self, plan: &Plan, stratum: &Stratum, position: &[Option<u32>]) -> Vec<i64> {
        fn apart<T: Copy + Into<u64>>(arms: &[T]) -> i64 {
            let (first, second) = sequence::two(arms);
            // A study has fewer subjects than 2^32.
            first.into().cast_signed() - second.into().cast_signed()
        }
        let mut all = vec![apart(plan.open_of(&self.arms_of_epoch())), apart(plan.open_of(&stratum.arms))];
        all.extend(self.rows(plan, position).into_iter().map(|row| row.map_or(0, apart)));
        all
    }

    /// For each factor balanced the counts of the subject's level.
    fn rows(&self, plan: &Plan, position: &[Option<u32>]) -> Vec<Option<&[u32]>> {
        let row = |(table, dimension): (&'_ Vec<u32>, &Option<usize>)| {
            let level = match dimension {
                None => 0,
                Some(place) => position.get(*place).copied().flatten()? as usize,
            };
            Some(level * plan.cells.len()..level * plan.cells.len() + plan.open)
                .filter(|range| range.end <= table.len())
        };
        self.tables
            .iter()
            .zip(&plan.tables)
            .map(|(table, dimension)| row((table, dimension)).and_then(|range| table.get(range)))
            .collect()
    }

    /// For each dimension the number of the subject's level; `None` where nobody has had it.
    fn locate(&self, plan: &Plan, levels: &Levels) -> Result<Vec<Option<u32>>, Fault> {
        let mut position = Vec::with_capacity(plan.dimensions.len());
        for (dimension, known) in plan.dimensions.iter().zip(&self.levels) {
            // A level that has been counted needs no second look at the list.
            let number = levels.get(&dimension.id).and_then(|level| known.get(level).copied());
            if number.is_none() {
                dimension.level_of(levels)?;
            }
            position.push(number);
        }
        Ok(position)
    }

    /// The numbers of the levels, numbering those not seen before.
    fn number_levels(&mut self, plan: &Plan, levels: &Levels, position: &[Option<u32>]) -> Vec<u32> {
        let numbered = plan.dimensions.iter().zip(&mut self.levels).zip(position);
        numbered
            .map(|((dimension, known), number)| {
                number.unwrap_or_else(|| {
                    let next = u32::try_from(known.len()).expect("a study has fewer subjects than 2^32");
                    known.insert(levels.get(&dimension.id).cloned().unwrap_or_default(), next);
                    next
                })
            })
            .collect()
    }

    fn find_stratum(&self, plan: &Plan, position: &[Option<u32>]) -> Option<&Stratum> {
        let key: Option<Vec<u32>> = plan.strata.iter().map(|place| position.get(*place).copied().flatten()).collect();
        self.strata.get(&key?)
    }
}
