//! The count: rules, facts and ballots → outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Election;
use super::ballot::{Ballot, Choice, Mark, Who};
use super::contest::{Base, Candidate, Contest, Holding, Least, Method, Seats, Share};
use super::facts::Facts;
use super::fill::{Filled, fill};
use super::judge::{Judge, Judged, Votes};
use super::outcome::{Contested, Counted, Detail, Elected, Numbers, Outcome, Race, Standing, Sum};
use super::schulze::Pairwise;
use super::stv::{self, Transfer};
use super::tie::Umpire;
use super::written::Names;
use crate::domain::number::Rational;

/// Why ballots cannot be counted by the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no such contest.
    Contest(String),
    /// There is no such district, or the ballot names none where there are some, or one where there are none.
    District(Option<String>),
    /// There is no such class of voters, or the ballot names none where there are some.
    Class(Option<String>),
    /// There is no such candidate.
    Candidate(String),
    /// The ballot is of another kind than the contest's.
    Kind,
    /// The contest is held without a vote there.
    NoVote(String),
    /// There are more ballots than voters on the roll.
    Roll {
        /// Which contest.
        contest: String,
        /// Voters on the roll.
        roll: u64,
        /// Ballots.
        cast: u64,
    },
    /// The quorum, or a share, is of the roll, and its number is not known.
    RollUnknown(String),
    /// Each of these contests is to be decided after another of them.
    Circle(Vec<String>),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Contest(id) => write!(f, "there is no contest \"{id}\""),
            Fault::District(Some(id)) => write!(f, "there is no district \"{id}\""),
            Fault::District(None) => f.write_str("does not say in which district the voter is"),
            Fault::Class(Some(id)) => write!(f, "there is no class of voters \"{id}\""),
            Fault::Class(None) => f.write_str("does not say of which class the voter is"),
            Fault::Candidate(id) => write!(f, "there is no candidate \"{id}\" in this contest"),
            Fault::Kind => f.write_str("is not how this contest is voted on"),
            Fault::NoVote(id) => write!(f, "\"{id}\" is held without a vote: there are no more candidates than seats"),
            Fault::Roll { contest, roll, cast } => {
                write!(f, "\"{contest}\" has {cast} ballots, and {roll} voters are on the roll")
            }
            Fault::RollUnknown(id) => {
                write!(f, "\"{id}\" asks for a share of the roll, and how many are on the roll is not known")
            }
            Fault::Circle(ids) => write!(f, "each of these contests yields to another: {}", ids.join(", ")),
        }
    }
}

/// Whether a ballot can be counted in this election at all; what it means is for [`Judge`] to say.
///
/// # Errors
/// What does not fit.
pub fn check(election: &Election, ballot: &Ballot) -> Result<(), Fault> {
    let contest = election.find(&ballot.contest).ok_or_else(|| Fault::Contest(ballot.contest.clone()))?;
    let district = ballot.district.as_deref();
    let known = district.map_or(election.districts.is_empty(), |id| election.has_district(id));
    if !known {
        return Err(Fault::District(ballot.district.clone()));
    }
    if election.weight(ballot.class.as_deref()).is_none() {
        return Err(Fault::Class(ballot.class.clone()));
    }
    let own = district.filter(|_| contest.is_by_district());
    if races_of(election, contest, own).iter().all(|race| contest.holding(race.as_deref()) == Holding::Elected) {
        return Err(Fault::NoVote(contest.id.clone()));
    }
    let confirms = contest.holding_for(district) == Holding::Confidence;
    let ids: Vec<&str> = match &ballot.choice {
        Choice::Spoiled => Vec::new(),
        Choice::Marks(marks) if confirms => marks.iter().map(|(id, _)| id.as_str()).collect(),
        Choice::Names(names) if !confirms && contest.naming().is_some() => names.iter().filter_map(Who::id).collect(),
        Choice::Ranking(places) if !confirms && contest.naming().is_none() => {
            places.iter().flatten().map(String::as_str).collect()
        }
        _ => return Err(Fault::Kind),
    };
    match ids.into_iter().find(|id| contest.find(id).is_none()) {
        Some(stranger) => Err(Fault::Candidate(stranger.to_string())),
        None => Ok(()),
    }
}

/// Counts ballots by the rules.
///
/// # Errors
/// The first thing that does not fit; then nothing is counted.
pub fn count(election: &Election, facts: &Facts, ballots: &[Ballot]) -> Result<Outcome, Fault> {
    for ballot in ballots {
        check(election, ballot)?;
    }
    let mut done: BTreeMap<&str, Contested> = BTreeMap::new();
    let mut waiting: Vec<&Contest> = election.contests.iter().collect();
    while !waiting.is_empty() {
        let ready = |contest: &&Contest| {
            contest.yields_to.iter().all(|id| done.contains_key(id.as_str()) || election.find(id).is_none())
        };
        let Some(at) = waiting.iter().position(ready) else {
            return Err(Fault::Circle(waiting.iter().map(|contest| contest.id.clone()).collect()));
        };
        let contest = waiting.remove(at);
        let own: Vec<&Ballot> = ballots.iter().filter(|ballot| ballot.contest == contest.id).collect();
        let contested = Counting::new(election, contest, facts, &own, &done).count()?;
        done.insert(&contest.id, contested);
    }
    Ok(Outcome { contests: election.contests.iter().filter_map(|own| done.remove(own.id.as_str())).collect() })
}

/// Whose ballots are counted together, and for which districts' seats.
fn races_of(election: &Election, contest: &Contest, voters: Option<&str>) -> Vec<Option<String>> {
    match &contest.seats {
        Seats::Whole(_) => vec![None],
        Seats::ByDistrict(seats) => {
            let with_seats = election.districts.iter().filter(|district| seats.contains_key(&district.id));
            let own = with_seats.filter(|district| voters.is_none_or(|voters| voters == district.id));
            own.map(|district| Some(district.id.clone())).collect()
        }
    }
}

/// The count of one contest.
struct Counting<'e> {
    election: &'e Election,
    contest: &'e Contest,
    /// With names as they are shown.
    facts: Facts,
    names: Names,
    ballots: &'e [&'e Ballot],
    done: &'e BTreeMap<&'e str, Contested>,
}

/// What valid ballots say, with their numbers.
type Valid = Vec<(Votes, u64, u64)>;

impl<'e> Counting<'e> {
    fn new(
        election: &'e Election,
        contest: &'e Contest,
        facts: &Facts,
        ballots: &'e [&'e Ballot],
        done: &'e BTreeMap<&'e str, Contested>,
    ) -> Counting<'e> {
        let names = Names::of(contest, facts, ballots);
        let facts = names.facts(&contest.id, facts);
        Counting { election, contest, facts, names, ballots, done }
    }

    fn count(&self) -> Result<Contested, Fault> {
        let voters: Vec<Option<&str>> = match self.contest.is_by_district() {
            true => races_of(self.election, self.contest, None)
                .iter()
                .filter_map(|race| self.election.districts.iter().find(|own| Some(&own.id) == race.as_ref()))
                .map(|district| Some(district.id.as_str()))
                .collect(),
            false => vec![None],
        };
        let counted = voters.into_iter().map(|voters| self.count_of(voters)).collect::<Result<_, _>>()?;
        Ok(Contested { contest: self.contest.id.clone(), method: self.contest.method.clone(), counted })
    }

    /// Counts the ballots of a district, or all.
    fn count_of(&self, voters: Option<&str>) -> Result<Counted, Fault> {
        let (numbers, valid) = self.judge(voters);
        if let Some(roll) = numbers.roll.filter(|roll| *roll < numbers.cast.ballots) {
            return Err(Fault::Roll { contest: self.contest.id.clone(), roll, cast: numbers.cast.ballots });
        }
        // Where districts are counted together, each has its own voters all the same.
        for (district, roll) in self.facts.roll.iter().filter(|(own, _)| own.is_some()) {
            let own = self.ballots.iter().filter(|ballot| ballot.district == *district);
            let cast = own.fold(0_u64, |sum, ballot| sum.saturating_add(ballot.count));
            if cast > *roll {
                let contest = format!("{} ({})", self.contest.id, district.as_deref().unwrap_or_default());
                return Err(Fault::Roll { contest, roll: *roll, cast });
            }
        }
        let races = races_of(self.election, self.contest, voters);
        let races = races.iter().map(|race| self.race(race.as_deref(), &numbers, &valid)).collect::<Result<_, _>>()?;
        Ok(Counted { voters: voters.map(str::to_string), numbers, races })
    }

    fn judge(&self, voters: Option<&str>) -> (Numbers, Valid) {
        let mut numbers = Numbers { roll: self.facts.roll_of(voters), ..Numbers::default() };
        let mut valid = Valid::new();
        let mut judges: BTreeMap<Option<&str>, Judge<'_>> = BTreeMap::new();
        for ballot in self.ballots.iter().filter(|own| voters.is_none() || own.district.as_deref() == voters) {
            let district = ballot.district.as_deref();
            let judge =
                judges.entry(district).or_insert_with(|| Judge::new(self.contest, district, self.names.void.clone()));
            let judged = judge.judge(&self.names.ballot(ballot));
            let weight = self.election.weight(ballot.class.as_deref()).unwrap_or(0);
            let number = match judged {
                Judged::Blank => &mut numbers.blank,
                Judged::Invalid(reason) => numbers.invalid.entry(reason).or_default(),
                Judged::Valid(votes) => {
                    let (under, void) = match &votes {
                        Votes::Names { under, void, .. } => (*under, *void),
                        Votes::Marks { under, .. } => (*under, 0),
                        Votes::Ranking(_) => (0, 0),
                    };
                    numbers.under_votes.add(under.saturating_mul(ballot.count), weight);
                    numbers.void_names.add(void.saturating_mul(ballot.count), weight);
                    valid.push((votes, ballot.count, weight));
                    &mut numbers.valid
                }
            };
            number.add(ballot.count, weight);
            numbers.cast.add(ballot.count, weight);
        }
        (numbers, valid)
    }

    fn race(&self, district: Option<&str>, numbers: &Numbers, valid: &Valid) -> Result<Race, Fault> {
        let holding = self.contest.holding(district);
        let seats = self.contest.seats.of(district);
        let asked = self.contest.quorum.as_ref().filter(|_| holding != Holding::Elected);
        let quorum = match asked {
            Some(quorum) => {
                let own = if quorum.valid_only { numbers.valid } else { numbers.cast };
                Some(quorum.share.is_met(own.ballots, self.roll(numbers)?))
            }
            None => None,
        };
        let mut race = Race {
            district: district.map(str::to_string),
            seats,
            holding,
            quorum,
            standings: Vec::new(),
            detail: Detail::Plain,
            elected: Vec::new(),
            vacant: 0,
            undecided: None,
            broken: Vec::new(),
            runners_up: Vec::new(),
            declined: Vec::new(),
            elsewhere: Vec::new(),
            capped: Vec::new(),
            depends_on: Vec::new(),
        };
        let away = self.away(&mut race);
        let stays = |who: &Who| !away.contains(who);
        let order = match holding {
            Holding::Elected => {
                let listed = self.contest.standing(district).map(|own| Who::Listed(own.id.clone()));
                vec![listed.filter(stays).collect()]
            }
            Holding::Confidence => {
                race.standings = self.confidence(district, numbers, valid)?;
                by_votes(race.standings.iter().filter(|own| own.eligible && stays(&own.who)))
            }
            Holding::Vote if self.contest.naming().is_some() => {
                race.standings = self.standings(district, numbers, valid)?;
                by_votes(race.standings.iter().filter(|own| own.eligible && stays(&own.who)))
            }
            Holding::Vote => self.ranked(&mut race, district, valid, &away),
        };
        let filled = quorum != Some(false) && (numbers.valid.ballots > 0 || holding == Holding::Elected);
        if filled {
            self.seat(&mut race, order);
        }
        let taken = race.elected.len() + race.undecided.as_ref().map_or(0, |own| own.seats as usize);
        race.vacant = seats.saturating_sub(u32::try_from(taken).unwrap_or(seats));
        Ok(race)
    }

    /// Who stands here and is elected to a post that comes before.
    fn away(&self, race: &mut Race) -> BTreeSet<Who> {
        let here = |who: &Who| who.id().is_some_and(|id| self.contest.find(id).is_some());
        for id in &self.contest.yields_to {
            let races = self.done.get(id.as_str()).map(|own| own.counted.iter().flat_map(|counted| &counted.races));
            for before in races.into_iter().flatten() {
                let taken = before.elected.iter().map(|own| &own.who).filter(|who| here(who));
                race.elsewhere.extend(taken.map(|who| (who.clone(), id.clone())));
                let open = before.undecided.iter().flat_map(|own| &own.tied).any(here) || !before.depends_on.is_empty();
                if open && !race.depends_on.contains(id) {
                    race.depends_on.push(id.clone());
                }
            }
        }
        race.elsewhere.sort();
        let mine = |who: &Who| {
            let own = who.id().and_then(|id| self.contest.find(id)).and_then(|own| own.district.clone());
            race.district.is_none() || race.district == own
        };
        let elsewhere: Vec<(Who, String)> = race.elsewhere.iter().filter(|(who, _)| mine(who)).cloned().collect();
        race.elsewhere = elsewhere;
        race.elsewhere.iter().map(|(who, _)| who.clone()).collect()
    }

    fn roll(&self, numbers: &Numbers) -> Result<u64, Fault> {
        numbers.roll.ok_or_else(|| Fault::RollUnknown(self.contest.id.clone()))
    }

    /// Whether votes reach a share, of which `marks` are the yes and no.
    fn reaches(&self, share: &Share, votes: u64, marks: u64, numbers: &Numbers) -> Result<bool, Fault> {
        let whole = match share.of {
            Base::Marks => marks,
            Base::Valid => numbers.valid.weight,
            Base::Cast => numbers.cast.weight,
            Base::Roll => self.roll(numbers)?,
        };
        Ok(share.is_met(votes, whole))
    }

    /// Votes by names for the candidates of a district, or for everybody.
    fn standings(&self, district: Option<&str>, numbers: &Numbers, valid: &Valid) -> Result<Vec<Standing>, Fault> {
        let listed = self.contest.standing(district).map(|own| (Who::Listed(own.id.clone()), Sum::default()));
        let mut sums: BTreeMap<Who, Sum> = listed.collect();
        for (votes, count, weight) in valid {
            let Votes::Names { names, .. } = votes else { continue };
            for who in names {
                // Others stand for another district's seats.
                if matches!(who, Who::Written(_)) || sums.contains_key(who) {
                    sums.entry(who.clone()).or_default().add(*count, *weight);
                }
            }
        }
        let mut standings = Vec::new();
        for (who, votes) in sums {
            let enough = match &self.contest.least {
                None => true,
                Some(Least::Votes(least)) => votes.weight >= *least,
                Some(Least::Share(share)) => self.reaches(share, votes.weight, 0, numbers)?,
            };
            let eligible = enough && votes.weight > 0;
            standings.push(Standing { who, votes, against: Sum::default(), eligible });
        }
        Ok(sorted(standings))
    }

    /// Yes and no for the candidates of a district, or for all.
    fn confidence(&self, district: Option<&str>, numbers: &Numbers, valid: &Valid) -> Result<Vec<Standing>, Fault> {
        let mut standings = Vec::new();
        for candidate in self.contest.standing(district) {
            let (mut yes, mut no) = (Sum::default(), Sum::default());
            for (votes, count, weight) in valid {
                let Votes::Marks { marks, .. } = votes else { continue };
                match marks.get(&candidate.id) {
                    Some(Mark::Yes) => yes.add(*count, *weight),
                    Some(Mark::No) => no.add(*count, *weight),
                    None => {}
                }
            }
            let marks = yes.weight.saturating_add(no.weight);
            let eligible = self.reaches(&self.contest.confidence.pass, yes.weight, marks, numbers)?;
            standings.push(Standing { who: Who::Listed(candidate.id.clone()), votes: yes, against: no, eligible });
        }
        Ok(sorted(standings))
    }

    /// Counts rankings; the order of the candidates.
    fn ranked(&self, race: &mut Race, district: Option<&str>, valid: &Valid, away: &BTreeSet<Who>) -> Vec<Vec<Who>> {
        let mut ids: Vec<String> = self.contest.standing(district).map(|own| own.id.clone()).collect();
        ids.sort();
        let rankings = valid.iter().filter_map(|(votes, count, weight)| match votes {
            Votes::Ranking(places) => Some((places.as_slice(), count.saturating_mul(*weight))),
            _ => None,
        });
        let listed = |places: Vec<Vec<String>>| -> Vec<Vec<Who>> {
            places.into_iter().map(|place| place.into_iter().map(Who::Listed).collect()).collect()
        };
        if let Method::Stv(_, quota) = &self.contest.method {
            ids.retain(|id| !away.contains(&Who::Listed(id.clone())));
            let rankings = rankings
                .map(|(places, votes)| (places.iter().flatten().map(String::as_str).collect::<Vec<&str>>(), votes));
            let mut umpire = Umpire::new(self.contest, &self.facts);
            let done = stv::transfer(&ids, rankings, race.seats, *quota, &mut umpire);
            race.broken = umpire.broken;
            let order = done.elected.iter().map(|id| vec![id.clone()]).chain(done.others.clone()).collect();
            race.detail = Detail::Transfer(Box::new(done));
            return listed(order);
        }
        let pairs = Pairwise::of(ids, rankings);
        let order = listed(pairs.order());
        race.detail = Detail::Pairwise(Box::new(pairs));
        // Whoever is away is left out of the order, not of the comparison.
        without(&order, away)
    }

    /// Gives the seats by an order; then once more without those who declined.
    fn seat(&self, race: &mut Race, order: Vec<Vec<Who>>) {
        let declined: BTreeSet<Who> =
            self.facts.declined.iter().filter(|(id, _)| *id == self.contest.id).map(|(_, who)| who.clone()).collect();
        let mut umpire = Umpire::new(self.contest, &self.facts);
        let first = match &race.detail {
            Detail::Transfer(done) => transferred(done),
            _ => self.fill(race.seats, &order, &mut umpire),
        };
        let tied = first.undecided.iter().flat_map(|own| own.tied.clone());
        let chosen: BTreeSet<Who> = first.elected.iter().cloned().chain(tied).collect();
        // Where a transfer stopped at a tie, whoever is left may still be elected, and nobody moves up yet.
        let stopped = matches!(&race.detail, Detail::Transfer(done) if done.undecided.is_some());
        let next = if stopped { Vec::new() } else { self.next(race, &without(&order, &chosen), &chosen) };
        let offered = chosen.iter().chain(next.iter().flatten());
        race.declined = offered.filter(|who| declined.contains(*who)).cloned().collect();
        let last = if race.declined.is_empty() {
            first
        } else if first.undecided.is_some() {
            // Who takes a seat that is left is known once the tie is broken.
            let elected = first.elected.into_iter().filter(|who| !declined.contains(who)).collect();
            Filled { elected, ..first }
        } else {
            let may: BTreeSet<Who> = chosen.iter().chain(next.iter().flatten()).cloned().collect();
            let order: Vec<Vec<Who>> = without(&order, &declined);
            let barred = order.iter().flatten().filter(|who| !may.contains(*who)).cloned().collect();
            self.fill(race.seats, &without(&order, &barred), &mut umpire)
        };
        for broken in umpire.broken {
            if !race.broken.contains(&broken) {
                race.broken.push(broken);
            }
        }
        let seated: BTreeSet<Who> = last.elected.iter().cloned().collect();
        race.runners_up = without(&without(&next, &seated), &declined);
        let moved = |who: Who| Elected { moved_up: !chosen.contains(&who), who };
        race.elected = last.elected.into_iter().map(moved).collect();
        race.capped = last.capped;
        race.undecided = last.undecided;
    }

    fn fill(&self, seats: u32, order: &[Vec<Who>], umpire: &mut Umpire<'_>) -> Filled {
        let cap = self.contest.reelected.as_ref().map(|cap| cap.most(seats));
        let old = |own: &&Candidate| own.incumbent;
        let incumbents = self.contest.candidates.iter().filter(old).map(|own| Who::Listed(own.id.clone())).collect();
        fill(order, seats, cap, &incumbents, umpire)
    }

    /// Who may move up: of those not chosen, as many as are kept, with votes enough.
    fn next(&self, race: &Race, left: &[Vec<Who>], chosen: &BTreeSet<Who>) -> Vec<Vec<Who>> {
        let Some(rule) = &self.contest.runner_up else { return Vec::new() };
        let votes = |who: &Who| race.standings.iter().find(|own| own.who == *who).map(|own| own.votes.weight);
        let last = chosen.iter().filter_map(votes).min().unwrap_or(0);
        let enough = |who: &Who| match (&rule.at_least, votes(who)) {
            (Some(share), Some(votes)) => {
                Rational::from_integer(votes.into()) >= share * Rational::from_integer(last.into())
            }
            _ => true,
        };
        let mut kept: Vec<Vec<Who>> = Vec::new();
        for place in left {
            let many: usize = kept.iter().map(Vec::len).sum();
            if rule.keep.is_some_and(|keep| many >= keep as usize) {
                break;
            }
            let place: Vec<Who> = place.iter().filter(|who| enough(who)).cloned().collect();
            kept.extend((!place.is_empty()).then_some(place));
        }
        kept
    }
}

/// What a count by transfer says of the seats.
fn transferred(done: &Transfer) -> Filled {
    let elected = done.elected.iter().cloned().map(Who::Listed).collect();
    Filled { elected, capped: Vec::new(), undecided: done.undecided.clone() }
}

/// An order without some.
fn without(order: &[Vec<Who>], gone: &BTreeSet<Who>) -> Vec<Vec<Who>> {
    let left = |place: &Vec<Who>| place.iter().filter(|who| !gone.contains(*who)).cloned().collect::<Vec<Who>>();
    order.iter().map(left).filter(|place| !place.is_empty()).collect()
}

/// The most votes first, equals by name: which means nothing.
fn sorted(mut standings: Vec<Standing>) -> Vec<Standing> {
    standings.sort_by(|one, other| other.votes.weight.cmp(&one.votes.weight).then_with(|| one.who.cmp(&other.who)));
    standings
}

/// Those with the most votes first; equals share a place.
fn by_votes<'s>(standings: impl Iterator<Item = &'s Standing>) -> Vec<Vec<Who>> {
    let mut places: BTreeMap<u64, Vec<Who>> = BTreeMap::new();
    for standing in standings {
        places.entry(standing.votes.weight).or_default().push(standing.who.clone());
    }
    places.into_values().rev().collect()
}
