//! The stock of kits: what can be handed out where, and who is told when it runs short.
//!
//! Blinded people must not learn from a shortage whose arm is short. So a shortage of one arm closes enrollment for all
//! (`AtHand::covers_open_arms`), and what coordinators are told names the place and nothing else, once for a place,
//! however many arms fall short there one after the other. Where a kit is taken from tells no arm either:
//! [`pool`](crate::domain::pool).
//!
//! A closed arm counts only while subjects have it, and only for whoever may know arms: its kits are recalled as a rule, and a
//! shortage that lasts for good would keep every later one at its places from being told.

use std::collections::{BTreeMap, BTreeSet};

use super::compose::{self, Addressing, Outgoing};
use super::shelf::ShelvedStudy;
use super::{Failure, Means};
use crate::domain::allocation::Scheme;
use crate::domain::kit::{Day, State};
use crate::domain::pool::Search;
use crate::domain::study::{Arm, Person, Role, Study};
use crate::domain::time::Instant;
use crate::letters::facts::{KitsShortBlinded, KitsShortUnblinded, ShortArm};
use crate::letters::{Facts, Kind};
use crate::store::kit::{self, KitRow, Stock};
use crate::store::{Reader, Tx, allocation};

/// What can be handed out at one site, from its own stock and the central one.
#[derive(Clone, Debug)]
pub(super) struct AtHand {
    least: Day,
    stocks: Vec<Stock>,
}

/// The least expiry a kit handed out now must have.
pub(super) fn least_expiry(study: &Study, now: Instant) -> Day {
    study.stock.least_expiry(now.day_in(study.zone))
}

impl AtHand {
    /// Counts the kits of those arms, no further than anybody has to know.
    pub(super) async fn count(
        tx: &mut Tx,
        shelved: &ShelvedStudy,
        arms: &[Arm],
        now: Instant,
        site: &str,
    ) -> Result<AtHand, Failure> {
        let study = &shelved.study;
        let least = least_expiry(study, now);
        let places: Vec<(&str, &str)> =
            arms.iter().flat_map(|arm| [(arm.code.as_str(), site), (arm.code.as_str(), "")]).collect();
        // One more than the thresholds: a count after a kit is taken is then still told apart from them.
        let most = i64::from(study.stock.threshold.max(study.stock.central_threshold)) + 1;
        Ok(AtHand { least, stocks: kit::usable(tx, shelved.id, least, most, &places).await? })
    }

    /// Whether a kit of each of those arms that somebody can still get can be handed out: the shortage of one closes enrollment
    /// for all. A closed arm does not count, or the recall of its kits would end the study for everybody.
    pub(super) fn covers_open_arms(&self, scheme: &Scheme, arms: &[Arm]) -> bool {
        let open = |code: &str| scheme.is_open(code);
        let kits = |code: &str| self.stocks.iter().any(|stock| stock.arm == code && stock.usable > 0);
        arms.iter().all(|arm| !open(&arm.code) || kits(&arm.code))
    }

    /// Whether a kit lies here or centrally and may be handed out.
    pub(super) fn holds(&self, kit: &KitRow, site: &str) -> bool {
        kit.state == State::Available && kit.expires_on >= self.least && (kit.site == site || kit.site.is_empty())
    }

    /// The kit of an arm to hand out next, by the rule of [`pool`](crate::domain::pool): `counts` tells of which arms subjects can be,
    /// so that all of them step together. Those of which nothing is at hand cannot.
    pub(super) async fn next(
        &self,
        tx: &mut Tx,
        shelved: &ShelvedStudy,
        arm: &str,
        site: &str,
        counts: impl Fn(&str) -> bool,
    ) -> Result<Option<KitRow>, Failure> {
        let here = self.stocks.iter().filter(|stock| stock.first.is_some() && counts(&stock.arm));
        let arms: BTreeSet<&str> = here.map(|stock| stock.arm.as_str()).collect();
        let arms: Vec<&str> = arms.into_iter().collect();
        let mut search = Search::new(self.least);
        while let Some((place, from)) = search.asks() {
            let place = place.at(site);
            if from == self.least {
                search.hear(arms.iter().map(|arm| self.first(arm, place)));
            } else {
                search.hear(kit::first_days(tx, shelved.id, &arms, place, from).await?);
            }
        }
        for (place, from) in search.source().places() {
            let found = kit::next_kit(tx, shelved.id, arm, place.at(site), from).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn first(&self, arm: &str, place: &str) -> Option<Day> {
        self.stocks.iter().find(|stock| stock.arm == arm && stock.site == place)?.first
    }

    /// Counts a kit that was handed out just now.
    fn without(mut self, taken: &KitRow) -> AtHand {
        for stock in self.stocks.iter_mut().filter(|stock| stock.arm == taken.arm && stock.site == taken.site) {
            stock.usable -= 1;
        }
        self
    }

    /// The letters on what falls short now that a kit was handed out.
    pub(super) async fn tell_without(
        self,
        tx: &mut Tx,
        shelved: &ShelvedStudy,
        means: Means<'_>,
        taken: &KitRow,
    ) -> Result<Vec<Outgoing>, Failure> {
        // Handing out and the passing of days only make stocks smaller: no shortage can be over.
        let needed = needed(&mut *tx, shelved.id, &shelved.study).await?;
        let mut short = short_of(&shelved.study, self.without(taken).stocks);
        short.retain(|stock| needed.contains(&stock.arm));
        tell(tx, shelved, means, short, Readers::Unblinded).await
    }
}

/// The letters on what falls short after any other change; shortages that are over are forgotten, so that they are told
/// when they come again. For whoever changes the stock; blinded staff are told by the daily look.
///
/// # Errors
/// The database; a study's own template that cannot state these facts.
pub async fn tell_all(tx: &mut Tx, shelved: &ShelvedStudy, means: Means<'_>) -> Result<Vec<Outgoing>, Failure> {
    let short = forget_over(tx, shelved.id, &shelved.study, means.now).await?;
    tell(tx, shelved, means, short, Readers::Unblinded).await
}

/// As [`tell_all`], to blinded staff too: once a day, so that nobody can tell which subject's kit was the last.
///
/// # Errors
/// As [`tell_all`].
pub(super) async fn tell_daily(
    tx: &mut Tx,
    shelved: &ShelvedStudy,
    means: Means<'_>,
) -> Result<Vec<Outgoing>, Failure> {
    let short = forget_over(tx, shelved.id, &shelved.study, means.now).await?;
    tell(tx, shelved, means, short, Readers::All).await
}

/// Whom a shortage is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readers {
    /// At once.
    Unblinded,
    /// At the daily look.
    All,
}

/// Forgets the shortages that are over, and gives those that are not or are new.
pub(super) async fn forget_over(tx: &mut Tx, id: i64, study: &Study, now: Instant) -> Result<Vec<Stock>, Failure> {
    let short = shortages(&mut *tx, id, study, now).await?;
    for (site, arm) in kit::shortages(&mut *tx, id).await? {
        // An empty arm stands for what blinded staff were told of the place.
        let lasts = |stock: &Stock| if arm.is_empty() { study.is_open_arm(&stock.arm) } else { stock.arm == arm };
        if !short.iter().any(|stock| stock.site == site && lasts(stock)) {
            kit::delete_shortage(tx, id, &site, &arm).await?;
        }
    }
    Ok(short)
}

/// Codes of the arms of which somebody may need a kit: those that are open, and those that subjects have.
async fn needed<'a>(from: impl Into<Reader<'a>>, id: i64, study: &Study) -> Result<BTreeSet<String>, Failure> {
    let (open, closed): (Vec<&str>, Vec<&str>) =
        study.every_arm().map(|arm| arm.code.as_str()).partition(|code| study.is_open_arm(code));
    let mut needed: BTreeSet<String> = open.into_iter().map(str::to_owned).collect();
    if !closed.is_empty() {
        let had = allocation::count_arms(from, id).await?;
        needed.extend(had.into_iter().map(|(arm, _)| arm).filter(|arm| closed.contains(&arm.as_str())));
    }
    Ok(needed)
}

/// Every arm that is short anywhere, of those of which somebody may need a kit. What is told where people are blinded takes those
/// alone that are open ([`Study::is_open_arm`]).
///
/// # Errors
/// The database.
pub async fn shortages<'a>(
    from: impl Into<Reader<'a>>,
    id: i64,
    study: &Study,
    now: Instant,
) -> Result<Vec<Stock>, Failure> {
    if !study.stock.tells() {
        return Ok(Vec::new());
    }
    let mut from = from.into();
    // The same reader, once more.
    let again = match &mut from {
        Reader::Store(store) => Reader::Store(store),
        Reader::Tx(tx) => Reader::Tx(tx),
    };
    let needed = needed(again, id, study).await?;
    let counted = kit::stock(from, id, least_expiry(study, now)).await?;
    let sites: BTreeSet<String> = counted.iter().map(|stock| stock.site.clone()).chain([String::new()]).collect();
    let counts: BTreeMap<(&str, &str), i64> =
        counted.iter().map(|stock| ((stock.site.as_str(), stock.arm.as_str()), stock.usable)).collect();
    let stocks = sites.iter().flat_map(|site| {
        study.every_arm().filter(|arm| needed.contains(&arm.code)).map(|arm| Stock {
            arm: arm.code.clone(),
            site: site.clone(),
            usable: counts.get(&(site.as_str(), arm.code.as_str())).copied().unwrap_or(0),
            keeps: true,
            first: None,
        })
    });
    Ok(short_of(study, stocks.collect()))
}

/// Those below their threshold. A site that was never given kits of its own lives from the central stock.
fn short_of(study: &Study, stocks: Vec<Stock>) -> Vec<Stock> {
    let short = |stock: &Stock| {
        (stock.keeps || stock.site.is_empty()) && stock.usable < i64::from(study.stock.threshold_at(&stock.site))
    };
    stocks.into_iter().filter(short).collect()
}

/// Letters on the shortages that were not told yet; they are written down as told.
async fn tell(
    tx: &mut Tx,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    short: Vec<Stock>,
    readers: Readers,
) -> Result<Vec<Outgoing>, Failure> {
    let mut outgoing = Vec::new();
    if short.is_empty() {
        return Ok(outgoing);
    }
    let told: BTreeSet<(String, String)> = kit::shortages(&mut *tx, shelved.id).await?.into_iter().collect();
    let mut places: BTreeMap<&str, Vec<&Stock>> = BTreeMap::new();
    for stock in &short {
        places.entry(&stock.site).or_default().push(stock);
    }
    for (site, stocks) in places {
        let known = |arm: &str| told.contains(&(site.to_string(), arm.to_string()));
        let news: Vec<&str> = stocks.iter().map(|stock| stock.arm.as_str()).filter(|arm| !known(arm)).collect();
        for arm in &news {
            kit::insert_shortage(tx, shelved.id, site, arm, means.now).await?;
        }
        if !news.is_empty() {
            outgoing.extend(unblinded(tx, shelved, means, site, &stocks).await?);
        }
        let open = stocks.iter().any(|stock| shelved.study.is_open_arm(&stock.arm));
        if readers == Readers::All && open && !known("") {
            kit::insert_shortage(tx, shelved.id, site, "", means.now).await?;
            outgoing.extend(blinded(shelved, means, site)?);
        }
    }
    Ok(outgoing)
}

/// Whoever hands out kits for a place and may know arms; where there is no pharmacist, everybody who may.
pub(super) fn keepers<'a>(study: &'a Study, kind: Kind, site: &str) -> Vec<&'a Person> {
    let may = |person: &&Person| {
        kind.may_go_to(study.blinding, person)
            && person.roles.iter().any(|role| role.unblinded())
            && (site.is_empty() || person.acts_for(site))
    };
    let all: Vec<&Person> = study.people.iter().filter(may).collect();
    let pharmacists: Vec<&Person> = all.iter().copied().filter(|person| person.has(Role::Pharmacist)).collect();
    if pharmacists.is_empty() { all } else { pharmacists }
}

fn about<'a>(study: &Study, person: &'a Person, site: &'a str) -> Addressing<'a> {
    Addressing { site: Some(site).filter(|site| !site.is_empty()), ..Addressing::unasked(study, person) }
}

async fn unblinded(
    tx: &mut Tx,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    site: &str,
    stocks: &[&Stock],
) -> Result<Vec<Outgoing>, Failure> {
    let study = &shelved.study;
    let least = least_expiry(study, means.now);
    let mut arms = Vec::new();
    for stock in stocks {
        let Some(arm) = study.find_arm(&stock.arm) else { continue };
        arms.push((arm, stock.usable, kit::lots(tx, shelved.id, &stock.arm, site, least).await?));
    }
    let letter = |person| {
        let language = study.language_of(person);
        let lines = arms.iter().map(|(arm, usable, lots)| ShortArm::new(arm, *usable, lots, language)).collect();
        let facts = KitsShortUnblinded::new(study, site, lines, language);
        compose::compose(shelved, means, about(study, person, site), Facts::KitsShortUnblinded(facts))
    };
    keepers(study, Kind::KitsShortUnblinded, site).into_iter().map(letter).collect()
}

fn blinded(shelved: &ShelvedStudy, means: Means<'_>, site: &str) -> Result<Vec<Outgoing>, Failure> {
    let study = &shelved.study;
    let told = keepers(study, Kind::KitsShortUnblinded, site);
    let coordinators = study.people.iter().filter(|person| {
        person.has(Role::Coordinator)
            && (site.is_empty() || person.acts_for(site))
            && !told.iter().any(|one| one.id == person.id)
    });
    let letter = |person| {
        let facts = KitsShortBlinded::new(study, site, study.language_of(person));
        compose::compose(shelved, means, about(study, person, site), Facts::KitsShortBlinded(facts))
    };
    coordinators.map(letter).collect()
}
