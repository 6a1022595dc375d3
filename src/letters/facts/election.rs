//! Facts of letters to voters: the roll, their way to vote, that a vote is in, and the result.
//!
//! None of them knows what somebody voted, nor when; and what a letter about a vote states it states of everybody who has voted.

use serde::{Deserialize, Serialize};

use super::invitation::MASK;
use super::short;
use crate::definition::outcome_file::{Counted, Outcome, Race, Sum};
use crate::domain::credential::Validity;
use crate::domain::election::roll::Entry;
use crate::domain::election::{Contest, Election};
use crate::domain::language::Language;
use crate::domain::time::{Instant, Zone};

/// The page of an election that everybody may read.
fn page(public_url: &str, slug: &str) -> String {
    format!("{}/e/{slug}", public_url.trim_end_matches('/'))
}

/// Titles of the contests in which somebody of that district has a ballot.
fn titles(election: &Election, language: Language) -> Vec<String> {
    election.contests.iter().map(|own| short(own.title.in_language(language))).collect()
}

fn moment(at: Option<Instant>, zone: Zone) -> String {
    at.map(|at| at.local(zone)).unwrap_or_default()
}

/// How a voter stands on the roll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VotersEntry {
    /// Member number.
    pub number: String,
    /// Name.
    pub name: String,
    /// Their district; empty where there are none.
    pub district: String,
    /// Id of the class by which their vote weighs; empty where all weigh the same.
    pub class: String,
    /// Whether they vote by post.
    pub postal: bool,
}

impl VotersEntry {
    fn new(election: &Election, entry: &Entry, language: Language) -> VotersEntry {
        let district = entry.district.as_ref().and_then(|id| election.districts.iter().find(|own| own.id == *id));
        VotersEntry {
            number: short(&entry.number),
            name: short(&entry.name),
            district: district.map(|own| short(own.name.in_language(language))).unwrap_or_default(),
            class: entry.class.as_deref().map(short).unwrap_or_default(),
            postal: entry.postal,
        }
    }
}

/// An election is held, and the roll laid open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElectionNotice {
    /// What is voted on.
    pub contests: Vec<String>,
    /// How the reader stands on the roll.
    pub entry: VotersEntry,
    /// Until when the roll can be objected to, in the study's zone; empty where it cannot any more.
    pub objections_until: String,
    /// When votes are taken from.
    pub opens: String,
    /// When the last is taken.
    pub closes: String,
    /// Whether the link by which they vote comes by itself when voting opens.
    pub link_comes: bool,
    /// The page with candidates and rules.
    pub page: String,
}

impl ElectionNotice {
    /// To a voter, at a moment.
    pub fn new(
        (election, slug, zone): (&Election, &str, Zone),
        entry: &Entry,
        (public_url, now): (&str, Instant),
        language: Language,
    ) -> ElectionNotice {
        let terms = &election.terms;
        ElectionNotice {
            contests: titles(election, language),
            entry: VotersEntry::new(election, entry, language),
            objections_until: moment(terms.objections_until.filter(|until| now < *until), zone),
            opens: terms.opens.local(zone),
            closes: terms.closes.local(zone),
            link_comes: election.letters.credentials,
            page: page(public_url, slug),
        }
    }
}

/// The link by which a voter votes: the first, another in its place, or one beside it that a reminder brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VotersLink {
    /// What is voted on.
    pub contests: Vec<String>,
    /// The link.
    pub link: String,
    /// Not before, in the study's zone; empty if it works already.
    pub from: String,
    /// Not from then on.
    pub until: String,
    /// Until when another link can be asked for; empty where none can.
    pub renewed_until: String,
    /// The page with candidates and rules.
    pub page: String,
}

impl VotersLink {
    /// Of an election, at a moment.
    pub fn new(
        (election, slug, zone): (&Election, &str, Zone),
        (link, validity): (String, Validity),
        (public_url, now): (&str, Instant),
        language: Language,
    ) -> VotersLink {
        VotersLink {
            contests: titles(election, language),
            link,
            from: moment(Some(validity.from).filter(|from| *from > now), zone),
            until: moment(validity.until, zone),
            renewed_until: moment(election.terms.additions_until.filter(|until| now < *until), zone),
            page: page(public_url, slug),
        }
    }

    /// The same without what lets somebody vote.
    pub fn masked(&self, public_url: &str) -> VotersLink {
        VotersLink { link: format!("{}/v/{MASK}", public_url.trim_end_matches('/')), ..self.clone() }
    }
}

/// A vote is in. The same of every vote, whenever it was cast, but for its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElectionReceipt {
    /// The receipt number, which the ballot does not have.
    pub receipt_number: String,
    /// When the last vote is taken.
    pub closes: String,
    /// The page on which all receipt numbers are listed after the close.
    pub page: String,
}

impl ElectionReceipt {
    /// Of a vote.
    pub fn new((election, slug, zone): (&Election, &str, Zone), receipt: &str, public_url: &str) -> ElectionReceipt {
        ElectionReceipt {
            receipt_number: receipt.to_string(),
            closes: election.terms.closes.local(zone),
            page: page(public_url, slug),
        }
    }
}

/// A voter who asked for a link gets none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElectionNoLink {
    /// Name of the words that say why.
    pub partial: String,
    /// The moment that they name, in the study's zone; empty where they name none.
    pub moment: String,
    /// The page with candidates and rules.
    pub page: String,
}

impl ElectionNoLink {
    /// For a reason, such as `voted`.
    pub fn new(slug: &str, reason: &str, moment: String, public_url: &str) -> ElectionNoLink {
        ElectionNoLink { partial: format!("no-link-{reason}"), moment, page: page(public_url, slug) }
    }
}

/// What is told to whoever writes to an election, on the roll or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElectionPage {
    /// The page with candidates and rules.
    pub page: String,
    /// When the last vote is taken, in the study's zone.
    pub closes: String,
    /// Until when another link can be asked for; empty where none can, or not any more.
    pub renewed_until: String,
}

impl ElectionPage {
    /// Of an election, at a moment.
    pub fn new((election, slug, zone): (&Election, &str, Zone), public_url: &str, now: Instant) -> ElectionPage {
        ElectionPage {
            page: page(public_url, slug),
            closes: election.terms.closes.local(zone),
            renewed_until: moment(election.terms.additions_until.filter(|until| now < *until), zone),
        }
    }
}

/// The result of an election.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElectionResult {
    /// What was counted together, one after the other.
    pub counts: Vec<ResultCount>,
    /// The page with the result.
    pub page: String,
    /// SHA-256 of the outcome on record, in hexadecimal.
    pub digest: String,
}

/// Ballots of one contest that were counted together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultCount {
    /// What was voted on.
    pub contest: String,
    /// District of the voters; empty where all are counted together.
    pub district: String,
    /// Whether there were so few ballots that it is not told how many there were for whom.
    pub withheld: bool,
    /// Voters on the roll; empty where it is not known.
    pub roll: String,
    /// All ballots.
    pub cast: String,
    /// Those that count.
    pub valid: String,
    /// Those on which nothing is marked.
    pub blank: String,
    /// Those that count for nobody.
    pub invalid: String,
    /// Slots left empty on those that count.
    pub empty_slots: String,
    /// Voters without a ballot; empty where it is not known.
    pub abstained: String,
    /// The seats that they fill.
    pub races: Vec<ResultRace>,
}

/// The filling of seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultRace {
    /// Whose seats, where they are by district and the ballots are not; else empty.
    pub district: String,
    /// How many.
    pub seats: u32,
    /// Whether nobody had to vote, because no more stood than there are seats.
    pub unopposed: bool,
    /// Whether too few had voted, so that nobody is elected.
    pub quorum_missed: bool,
    /// Names of those elected; empty if nobody is.
    pub elected: Vec<String>,
    /// Seats that nobody gets.
    pub vacant: u32,
    /// Everybody with their votes.
    pub standings: Vec<ResultLine>,
    /// Who would move up, in this order; those of one place are equal, and named together.
    pub runners_up: Vec<String>,
}

/// Somebody's votes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultLine {
    /// Name.
    pub name: String,
    /// Votes for them.
    pub votes: String,
    /// In a vote of confidence, votes against them; else empty.
    pub against: String,
    /// Whether they are elected.
    pub elected: bool,
}

/// Puts names of an outcome and its numbers into one language.
struct Teller<'a> {
    election: &'a Election,
    contest: &'a Contest,
    language: Language,
}

impl Teller<'_> {
    /// A candidate's name, or the one that was written in.
    fn name(&self, key: &str) -> String {
        let listed = self.contest.find(key).map(|own| own.name.in_language(self.language));
        short(listed.unwrap_or_else(|| key.strip_prefix('+').unwrap_or(key)))
    }

    fn district(&self, id: Option<&str>) -> String {
        let own = id.and_then(|id| self.election.districts.iter().find(|own| own.id == id));
        own.map(|own| short(own.name.in_language(self.language))).unwrap_or_default()
    }

    /// A number of ballots; where votes weigh differently, with what they count together.
    fn sum(&self, sum: Sum) -> String {
        match self.election.classes.is_empty() {
            true => sum.ballots.to_string(),
            false => format!("{} ({})", sum.ballots, sum.weight),
        }
    }

    fn count(&self, own: &Counted) -> ResultCount {
        let (numbers, races) = (&own.numbers, &own.races);
        let sum = |sum: Option<Sum>| sum.map(|sum| self.sum(sum)).unwrap_or_default();
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        ResultCount {
            contest: short(self.contest.title.in_language(self.language)),
            district: self.district(own.voters.as_deref()),
            withheld: own.withheld,
            roll: number(numbers.roll),
            cast: if own.withheld { numbers.cast.ballots.to_string() } else { self.sum(numbers.cast) },
            valid: sum(numbers.valid),
            blank: sum(numbers.blank),
            invalid: sum(numbers.invalid),
            empty_slots: numbers.empty_slots.map(|own| own.ballots.to_string()).unwrap_or_default(),
            abstained: number(numbers.abstained),
            races: races.iter().map(|race| self.race(race, own.voters.is_none())).collect(),
        }
    }

    fn race(&self, race: &Race, whole: bool) -> ResultRace {
        let standings = race.standings.iter().map(|own| ResultLine {
            name: self.name(&own.candidate),
            votes: self.sum(own.votes),
            against: own.against.map(|sum| self.sum(sum)).unwrap_or_default(),
            elected: race.elected.iter().any(|elected| elected.candidate == own.candidate),
        });
        let place = |equals: &Vec<String>| equals.iter().map(|key| self.name(key)).collect::<Vec<String>>().join(" = ");
        ResultRace {
            district: if whole { self.district(race.district.as_deref()) } else { String::new() },
            seats: race.seats,
            unopposed: race.held == "elected-without-vote",
            quorum_missed: race.quorum_met == Some(false),
            elected: race.elected.iter().map(|own| self.name(&own.candidate)).collect(),
            vacant: race.vacant,
            standings: standings.collect(),
            runners_up: race.runners_up.iter().map(place).collect(),
        }
    }
}

impl ElectionResult {
    /// An outcome in one language; contests that the rules do not know are left out.
    pub fn new(
        (election, slug): (&Election, &str),
        (outcome, digest): (&Outcome, &str),
        public_url: &str,
        language: Language,
    ) -> ElectionResult {
        let counts = outcome.contests.iter().filter_map(|own| {
            let contest = election.find(&own.contest)?;
            let teller = Teller { election, contest, language };
            Some(own.counted.iter().map(|counted| teller.count(counted)).collect::<Vec<ResultCount>>())
        });
        ElectionResult { counts: counts.flatten().collect(), page: page(public_url, slug), digest: digest.to_string() }
    }
}
