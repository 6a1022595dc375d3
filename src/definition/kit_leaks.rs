//! What a stock of kits tells of their arms beside the codes: where they lie, their days, their lots, and when they came.
//!
//! Unlike codes ([`super::kit_codes`]), places, days and lots are not dealt at random: what only one arm has tells it, however few kits
//! have it. No warning names an arm, for whoever ships kits reads them as well.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::document::Report;
use super::kit_codes;
use crate::domain::kit::{Day, StockRules};
use crate::domain::study::{Kit, Rules, Site, Study};

/// Kits of an arm at a place from which on their shares are compared.
const SHARE_FROM: usize = 4;
/// Percent of an arm's kits at a place by which it may be ahead of another in what expires up to a day.
const LEAD_PERCENT: usize = 15;

/// A kit as it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What the site learns.
    pub code: &'a str,
    /// Code of the arm.
    pub arm: &'a str,
    /// Where it lies or lay last; empty for the central stock.
    pub site: &'a str,
    /// Last day it may be given.
    pub expires: Option<NaiveDate>,
    /// Lot; empty if none was listed.
    pub lot: &'a str,
    /// Whether it comes now. What only the others tell was told when they came.
    pub new: bool,
    /// Whether it can be handed out, now or once it is released.
    pub here: bool,
}

impl<'a> Seen<'a> {
    /// A kit that is listed now.
    pub fn listed(kit: &'a Kit) -> Seen<'a> {
        Seen {
            code: &kit.code,
            arm: &kit.arm,
            site: kit.site.as_deref().unwrap_or_default(),
            expires: kit.expires,
            lot: &kit.lot,
            new: true,
            here: true,
        }
    }
}

/// The arms that codes, days and lots are compared among: those of one allocation, each with whether subjects can still get it.
pub(super) type Arms<'a> = Vec<(&'a str, bool)>;

/// The arms of each of a study's allocations.
pub(super) fn arms_of<'a>(study: &'a Study) -> Vec<Arms<'a>> {
    let of = |own: Rules<'a>| own.arms.iter().map(|arm| (arm.code.as_str(), own.scheme.is_open(&arm.code))).collect();
    study.allocations().map(of).collect()
}

/// Where warnings go.
#[derive(Clone, Copy)]
pub(super) struct Desk<'a> {
    pub file: &'a str,
    pub report: &'a Report,
}

impl Desk<'_> {
    fn warn(self, key: &str, wrong: impl Into<String>, right: &str) {
        self.report.warn(self.file, None, key, wrong, right);
    }
}

/// Everything that the kits of a list tell, together with those on file.
pub(super) fn check_list(desk: Desk<'_>, allocations: &[Arms<'_>], seen: &[Seen<'_>]) {
    for arms in allocations {
        let own = among(arms, seen);
        if !own.iter().any(|kit| kit.new) {
            continue;
        }
        check_codes(desk, &own);
        check_delivery(desk, arms, &own);
        let parted = check_parted(desk, &own);
        if !parted.days {
            check_days(desk, &own);
        }
        if !parted.lots {
            check_lots(desk, &own);
        }
        check_sites(desk, arms, &own);
    }
}

/// What kits tell by where they lie, once some were shipped: those are the new ones. `left` is where they lay before.
pub(super) fn check_places(desk: Desk<'_>, allocations: &[Arms<'_>], seen: &[Seen<'_>], left: &BTreeSet<&str>) {
    for arms in allocations {
        let here: Vec<Seen<'_>> = among(arms, seen).into_iter().filter(|kit| kit.here).collect();
        check_days(desk, &here);
        // A site that kits left may be one that has some arms only, now.
        let here: Vec<Seen<'_>> =
            here.into_iter().map(|kit| Seen { new: kit.new || left.contains(kit.site), ..kit }).collect();
        check_sites(desk, arms, &here);
    }
}

fn among<'s>(arms: &Arms<'_>, seen: &[Seen<'s>]) -> Vec<Seen<'s>> {
    seen.iter().copied().filter(|kit| arms.iter().any(|(arm, _)| *arm == kit.arm)).collect()
}

fn check_codes(desk: Desk<'_>, seen: &[Seen<'_>]) {
    let arms: BTreeSet<&str> = seen.iter().map(|kit| kit.arm).collect();
    let arms: BTreeMap<&str, usize> = arms.into_iter().zip(0..).collect();
    let kits: Vec<(&str, usize)> = seen.iter().filter_map(|kit| Some((kit.code, *arms.get(kit.arm)?))).collect();
    if let Some(pattern) = kit_codes::find_pattern(&kits) {
        desk.warn("", pattern.wrong(), "number the kits at random over all arms");
    }
}

/// A delivery of one arm: whoever sees when kits came knows theirs.
fn check_delivery(desk: Desk<'_>, arms: &Arms<'_>, seen: &[Seen<'_>]) {
    let new: BTreeSet<&str> = seen.iter().filter(|kit| kit.new).map(|kit| kit.arm).collect();
    let open = arms.iter().filter(|(_, open)| *open).count();
    if new.len() == 1 && open > 1 && seen.iter().any(|kit| !kit.new) {
        let right = "add kits of every arm together, or make sure that nobody blinded sees which kits came now";
        desk.warn("arm", "all kits of the list are of one arm", right);
    }
}

/// Which columns part the arms altogether.
struct Parted {
    days: bool,
    lots: bool,
}

fn check_parted(desk: Desk<'_>, seen: &[Seen<'_>]) -> Parted {
    let arms: BTreeSet<&str> = seen.iter().map(|kit| kit.arm).collect();
    let parted = |of: fn(&Seen<'_>) -> Option<String>| {
        let mut owners: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for kit in seen {
            let Some(value) = of(kit) else { return false };
            owners.entry(value).or_default().insert(kit.arm);
        }
        arms.len() > 1 && owners.values().all(|arms| arms.len() == 1)
    };
    let right = "make sure that labels do not show it";
    let days = parted(|kit| kit.expires.map(|day| day.to_string()));
    if days {
        desk.warn("expires", "no two arms share an expiry", right);
    }
    let lots = parted(|kit| (!kit.lot.is_empty()).then(|| kit.lot.to_string()));
    if lots {
        desk.warn("lot", "no two arms share a lot", right);
    }
    Parted { days, lots }
}

fn place_words(site: &str) -> String {
    if site.is_empty() { "in the central stock".to_string() } else { format!("at site \"{site}\"") }
}

const SAME_DAYS: &str = "give every arm the same days there, in the same shares: all arms step from day to day together, and what is left of one lies there until nothing else does";

/// What days of expiry tell at each place: a day of one arm, and a day by which one arm's kits go sooner.
fn check_days(desk: Desk<'_>, seen: &[Seen<'_>]) {
    let mut places: BTreeMap<&str, Vec<Seen<'_>>> = BTreeMap::new();
    for kit in seen {
        places.entry(kit.site).or_default().push(*kit);
    }
    for (site, kits) in places {
        let arms: BTreeSet<&str> = kits.iter().map(|kit| kit.arm).collect();
        if arms.len() < 2 || !kits.iter().any(|kit| kit.new) {
            continue;
        }
        let mut owners: BTreeMap<Option<NaiveDate>, (BTreeSet<&str>, bool)> = BTreeMap::new();
        for kit in &kits {
            let (arms, new) = owners.entry(kit.expires).or_default();
            arms.insert(kit.arm);
            *new |= kit.new;
        }
        let lone: Vec<Option<NaiveDate>> =
            owners.iter().filter(|(_, (arms, new))| *new && arms.len() == 1).map(|(day, _)| *day).collect();
        let place = place_words(site);
        match lone.as_slice() {
            [] => check_lead(desk, &place, &kits),
            [None] => desk.warn("expires", format!("{place}, only one arm has kits that do not expire"), SAME_DAYS),
            [Some(day)] => {
                desk.warn("expires", format!("{place}, only one arm has kits that expire on {day}"), SAME_DAYS);
            }
            [first, ..] => {
                let first = first.map_or("none".to_string(), |day| day.to_string());
                let wrong = format!("{place}, {} days are of one arm only, the first is {first}", lone.len());
                desk.warn("expires", wrong, SAME_DAYS);
            }
        }
    }
}

/// What the days tell that every arm has at a place, where it has them in other shares: the day where one arm is ahead the most.
fn check_lead(desk: Desk<'_>, place: &str, kits: &[Seen<'_>]) {
    let mut arms: BTreeMap<&str, Vec<Day>> = BTreeMap::new();
    for kit in kits.iter().filter(|kit| kit.here) {
        arms.entry(kit.arm).or_default().push(Day::of_expiry(kit.expires));
    }
    if arms.len() < 2 || arms.values().any(|days| days.len() < SHARE_FROM) {
        return;
    }
    let days: BTreeSet<Day> = arms.values().flatten().copied().filter(|day| *day != Day::NEVER).collect();
    let spread = |day: Day| {
        let percent = |own: &Vec<Day>| own.iter().filter(|one| **one <= day).count() * 100 / own.len();
        let most = arms.values().map(percent).max().unwrap_or(0);
        most - arms.values().map(percent).min().unwrap_or(0)
    };
    let worst = days.into_iter().rev().max_by_key(|day| spread(*day)).filter(|day| spread(*day) >= LEAD_PERCENT);
    if let Some(day) = worst.and_then(Day::date) {
        let wrong = format!("{place}, more of one arm's kits than of another's expire up to {day}");
        desk.warn("expires", wrong, SAME_DAYS);
    }
}

/// Lots of which only one arm has kits.
fn check_lots(desk: Desk<'_>, seen: &[Seen<'_>]) {
    let arms: BTreeSet<&str> = seen.iter().map(|kit| kit.arm).collect();
    if arms.len() < 2 {
        return;
    }
    let mut owners: BTreeMap<&str, (BTreeSet<&str>, bool)> = BTreeMap::new();
    for kit in seen {
        let (arms, new) = owners.entry(kit.lot).or_default();
        arms.insert(kit.arm);
        *new |= kit.new;
    }
    let lone: Vec<&str> =
        owners.iter().filter(|(_, (arms, new))| *new && arms.len() == 1).map(|(lot, _)| *lot).collect();
    let wrong = match lone.as_slice() {
        [] => return,
        [""] => "only one arm has kits without a lot".to_string(),
        [lot] => format!("only one arm has kits of lot \"{lot}\""),
        [first, ..] => format!("{} lots are of one arm only, the first is \"{first}\"", lone.len()),
    };
    desk.warn("lot", wrong, "pack every lot for all arms, or make sure that labels do not show it");
}

/// Sites whose own stock has some arms only, and which the central one would help out.
fn check_sites(desk: Desk<'_>, arms: &Arms<'_>, seen: &[Seen<'_>]) {
    let mut stocks: BTreeMap<&str, (BTreeSet<&str>, bool)> = BTreeMap::new();
    for kit in seen.iter().filter(|kit| kit.here) {
        let (arms, new) = stocks.entry(kit.site).or_default();
        arms.insert(kit.arm);
        *new |= kit.new;
    }
    let open = || arms.iter().filter(|(_, open)| *open).map(|(arm, _)| *arm);
    let central = stocks.get("").cloned().unwrap_or_default();
    let helped = |arm: &str| central.0.contains(arm);
    let partial = stocks.iter().filter(|(site, (own, new))| {
        // What comes to the central stock concerns every site.
        !site.is_empty() && (*new || central.1) && {
            let mut lacking = open().filter(|arm| !own.contains(arm)).peekable();
            open().any(|arm| own.contains(arm)) && lacking.peek().is_some() && lacking.all(helped)
        }
    });
    let partial: Vec<&str> = partial.map(|(site, _)| *site).collect();
    let wrong = match partial.as_slice() {
        [] => return,
        [site] => format!("site \"{site}\" has kits of its own, but not of every arm"),
        [first, ..] => {
            format!("{} sites have kits of their own, but not of every arm; the first is \"{first}\"", partial.len())
        }
    };
    let right = "give them kits of every arm, or leave all to the central stock: they are kept back there while that has every arm, and tell the arm afterwards";
    desk.warn("site", wrong, right);
}

/// Kits of a list that cannot be given any more on that day. A list that a study is in force by holds kits of long ago: of such a one
/// only that nothing is left matters.
pub(super) fn check_age(desk: Desk<'_>, rules: StockRules, today: NaiveDate, kits: &[Kit], in_force: bool) {
    let least = rules.least_expiry(today);
    let gone = kits.iter().filter(|kit| Day::of_expiry(kit.expires) < least).count();
    let kept = match rules.minimum_days {
        0 => String::new(),
        days => format!(" and minimum_days = {days}"),
    };
    let wrong = if gone == 0 || in_force && gone < kits.len() {
        return;
    } else if gone == kits.len() {
        format!("by {today}{kept}, no kit of the list can be given any more")
    } else {
        format!("by {today}{kept}, {gone} of {} kits of the list cannot be given any more", kits.len())
    };
    desk.warn("expires", wrong, "look at the days: kits are given until their last day only");
}

/// Sites for which the last kit expires before the last day on which they enroll, where that is known. The central stock serves all.
pub(super) fn check_end<'s>(
    desk: Desk<'_>,
    rules: StockRules,
    sites: impl Iterator<Item = &'s Site>,
    seen: &[Seen<'_>],
) {
    let mut last: BTreeMap<&str, Day> = BTreeMap::new();
    for kit in seen.iter().filter(|kit| kit.here) {
        let day = last.entry(kit.site).or_insert(Day(0));
        *day = (*day).max(Day::of_expiry(kit.expires));
    }
    let early = sites.filter_map(|site| {
        let closes = site.closes?;
        let stocks = [site.code.as_str(), ""].into_iter().filter_map(|place| last.get(place).copied());
        let day = stocks.max().filter(|day| *day < rules.least_expiry(closes))?.date()?;
        Some((site.code.as_str(), day, closes))
    });
    let early: Vec<(&str, NaiveDate, NaiveDate)> = early.collect();
    if let Some((site, day, closes)) = early.first() {
        let others =
            if early.len() > 1 { format!(", and {} more sites likewise", early.len() - 1) } else { String::new() };
        let wrong = format!("the last kit for site \"{site}\" expires on {day}, and it enrolls until {closes}{others}");
        desk.warn("expires", wrong, "add kits of a later day in time");
    }
}
