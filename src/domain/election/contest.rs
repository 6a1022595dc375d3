//! One contest: its seats, who may be named, by which method, and every rule that a society may have about it.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::tie::TieRule;
use crate::domain::language::Text;
use crate::domain::number::Rational;

/// What is voted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contest {
    /// Code, as in ballots.
    pub id: String,
    /// What people read.
    pub title: Text,
    /// How many are elected.
    pub seats: Seats,
    /// Whom a voter may name where seats are by district.
    pub reach: Reach,
    /// How votes are given and counted.
    pub method: Method,
    /// Whether a ballot without any name is a blank one; else it is invalid.
    pub blank: bool,
    /// Most names on a ballot that stand not among the candidates.
    pub write_in: u32,
    /// How many must have voted.
    pub quorum: Option<Quorum>,
    /// What a candidate must have to be elected; at least one vote in any case.
    pub least: Option<Least>,
    /// How many of those elected may have held the post before.
    pub reelected: Option<Reelected>,
    /// What decides between equals, one after the other; behind them whoever decides.
    pub tie: Vec<TieRule>,
    /// Who moves up when somebody elected declines; nobody if absent.
    pub runner_up: Option<RunnerUp>,
    /// What happens where there are no more candidates than seats.
    pub uncontested: Uncontested,
    /// How candidates are confirmed, by method or because they are uncontested.
    pub confidence: Confidence,
    /// Contests whose winners take no seat here.
    pub yields_to: Vec<String>,
    /// Who stands, in the order of the file.
    pub candidates: Vec<Candidate>,
}

impl Contest {
    /// The candidate of that id.
    pub fn find(&self, id: &str) -> Option<&Candidate> {
        self.candidates.iter().find(|candidate| candidate.id == id)
    }

    /// The candidates for the seats of a district, or for all seats.
    pub fn standing<'c>(&'c self, district: Option<&'c str>) -> impl Iterator<Item = &'c Candidate> {
        self.candidates.iter().filter(move |own| district.is_none() || own.district.as_deref() == district)
    }

    /// How the seats of a district, or all of them, are given.
    pub fn holding(&self, district: Option<&str>) -> Holding {
        let few = self.write_in == 0
            && u32::try_from(self.standing(district).count()).is_ok_and(|many| many <= self.seats.of(district));
        match (&self.method, self.uncontested) {
            (Method::Confidence, _) => Holding::Confidence,
            (_, Uncontested::Elected) if few => Holding::Elected,
            (_, Uncontested::Confidence) if few => Holding::Confidence,
            _ => Holding::Vote,
        }
    }

    /// How a voter of that district votes: where one ballot is for the seats of all districts, there is a vote as soon as some of them are
    /// voted on.
    pub fn holding_for(&self, voter: Option<&str>) -> Holding {
        match (&self.seats, self.reach) {
            (Seats::Whole(_), _) => self.holding(None),
            (Seats::ByDistrict(_), Reach::Own) => self.holding(voter),
            (Seats::ByDistrict(seats), Reach::All) => {
                let mut each = seats.keys().map(|id| self.holding(Some(id)));
                each.find(|own| *own != Holding::Elected).unwrap_or(Holding::Elected)
            }
        }
    }

    /// Whether that candidate is voted on, and not elected without a vote.
    pub fn is_voted_on(&self, candidate: &Candidate) -> bool {
        let race = candidate.district.as_deref().filter(|_| matches!(self.seats, Seats::ByDistrict(_)));
        self.holding(race) != Holding::Elected
    }

    /// Whether voters of each district have a ballot of their own.
    pub fn is_by_district(&self) -> bool {
        matches!(self.seats, Seats::ByDistrict(_)) && self.reach == Reach::Own
    }

    /// What a ballot of names must be like; nothing where ballots are no names.
    pub fn naming(&self) -> Option<Naming> {
        let free = Naming {
            least: 1,
            most: None,
            over: Over::Invalid,
            under: Under::Valid,
            repeated: Repeated::Once,
            quotas: Vec::new(),
        };
        match &self.method {
            Method::Single => Some(Naming { most: Some(1), ..free }),
            Method::Approval => Some(free),
            Method::Plural(naming) => Some(naming.clone()),
            Method::Confidence | Method::Schulze(_) | Method::Stv(..) => None,
        }
    }
}

/// How many are elected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seats {
    /// So many of all candidates.
    Whole(u32),
    /// So many of the candidates of each district.
    ByDistrict(BTreeMap<String, u32>),
}

impl Seats {
    /// The seats of a district, or all where they are not parted.
    pub fn of(&self, district: Option<&str>) -> u32 {
        match (self, district) {
            (Seats::Whole(seats), _) => *seats,
            (Seats::ByDistrict(seats), Some(district)) => seats.get(district).copied().unwrap_or(0),
            (Seats::ByDistrict(seats), None) => seats.values().fold(0, |sum, own| sum.saturating_add(*own)),
        }
    }
}

/// Whom a voter may name where seats are by district.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Candidates of the voter's own district.
    Own,
    /// Everybody.
    All,
}

/// How votes are given and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// One name; the most votes win.
    Single,
    /// Several names; the most votes win.
    Plural(Naming),
    /// As many names as one likes; the most votes win.
    Approval,
    /// Yes or no to each candidate.
    Confidence,
    /// An order, counted by strongest paths (Schulze 2011), with winning votes.
    Schulze(Ranking),
    /// An order, counted by transfer of surplus and of excluded candidates' votes.
    Stv(Ranking, StvQuota),
}

impl Method {
    /// Name in files and reports.
    pub const fn key(&self) -> &'static str {
        match self {
            Method::Single => "single",
            Method::Plural(_) => "plural",
            Method::Approval => "approval",
            Method::Confidence => "confidence",
            Method::Schulze(_) => "schulze",
            Method::Stv(..) => "stv",
        }
    }
}

/// What a ballot of names must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// Fewest names.
    pub least: u32,
    /// Most names; as many as there are if none.
    pub most: Option<u32>,
    /// What more names mean.
    pub over: Over,
    /// What fewer names mean.
    pub under: Under,
    /// What a name that stands on it twice means.
    pub repeated: Repeated,
    /// How many names may be of one part of the candidates.
    pub quotas: Vec<Quota>,
}

/// What it means that there are more names than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The whole ballot counts for nobody.
    Invalid,
    /// The first ones count, in the order in which they were written; those behind them are void.
    First,
}

/// What it means that there are fewer names than asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Under {
    /// The whole ballot counts for nobody.
    Invalid,
    /// Those that are there count.
    Valid,
}

/// What it means that a name is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// It counts once.
    Once,
    /// That name is void, the others count.
    Void,
    /// The whole ballot counts for nobody.
    Invalid,
}

/// How many names may, and must, be of one part of the candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Which part.
    pub of: Quoted,
    /// Fewest names.
    pub least: u32,
    /// Most names.
    pub most: Option<u32>,
}

/// A part of the candidates, as a voter sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quoted {
    /// Those of the voter's own district.
    Own,
    /// Those of all other districts.
    Other,
    /// Those of a group.
    Group(String),
}

impl Quoted {
    /// Whether that candidate is of this part for a voter of that district.
    pub fn holds(&self, candidate: &Candidate, voter: Option<&str>) -> bool {
        match self {
            Quoted::Own => candidate.district.as_deref() == voter,
            Quoted::Other => candidate.district.as_deref() != voter,
            Quoted::Group(group) => candidate.group.as_ref() == Some(group),
        }
    }
}

/// What an order of candidates must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranking {
    /// Fewest candidates that are ranked.
    pub least: u32,
    /// What fewer mean.
    pub under: Under,
    /// Whether candidates may share a place.
    pub equal: bool,
    /// Whether a repeated candidate counts at the first of its places; else the ballot is invalid.
    pub repeated: Repeated,
}

/// Votes that elect by transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StvQuota {
    /// The least whole number that only as many as there are seats can reach: ⌊votes / (seats + 1)⌋ + 1.
    Droop,
    /// Votes / seats, exactly.
    Hare,
}

/// How candidates are confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confidence {
    /// What is marked on a ballot.
    pub style: Style,
    /// How many yes it takes.
    pub pass: Share,
}

/// What is marked on a ballot of confidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Yes or no to each; a candidate without a mark is an empty slot.
    Informed,
    /// Those whom one does not want; whoever is not marked has confidence, so no ballot is blank.
    Reject,
}

/// A bound on a part of a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Whether the share itself is enough.
    pub bound: Bound,
    /// Which share.
    pub share: Rational,
    /// Of what.
    pub of: Base,
}

impl Share {
    /// Whether `part` of `whole` reaches it. Of nothing, nothing does.
    pub fn is_met(&self, part: u64, whole: u64) -> bool {
        let part = Rational::from_integer(part.into());
        let bound = &self.share * Rational::from_integer(whole.into());
        whole > 0
            && match self.bound {
                Bound::AtLeast => part >= bound,
                Bound::MoreThan => part > bound,
            }
    }
}

/// Whether a bound itself is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// It is.
    AtLeast,
    /// It takes more.
    MoreThan,
}

/// What a share is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Yes and no to the candidate.
    Marks,
    /// Valid ballots; blank ones are not among them.
    Valid,
    /// Ballots cast, blank and invalid ones among them.
    Cast,
    /// Everybody on the roll.
    Roll,
}

impl Base {
    /// Name in files and reports.
    pub const fn key(self) -> &'static str {
        match self {
            Base::Marks => "marks",
            Base::Valid => "valid",
            Base::Cast => "cast",
            Base::Roll => "roll",
        }
    }
}

/// How many must have voted for the contest to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// Which share of the roll, counted in voters whatever their votes weigh.
    pub share: Share,
    /// Whether only valid ballots count toward it, or all that were cast.
    pub valid_only: bool,
}

/// What a candidate must have to be elected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Least {
    /// So many votes.
    Votes(u64),
    /// Such a share.
    Share(Share),
}

/// How many of those elected may have held the post before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reelected {
    /// At most so many.
    Number(u32),
    /// At most such a share of the seats, rounded down.
    Share(Rational),
}

impl Reelected {
    /// The greatest number of them among so many seats.
    pub fn most(&self, seats: u32) -> u32 {
        match self {
            Reelected::Number(most) => *most,
            Reelected::Share(share) => {
                let most = (share * Rational::from_integer(seats.into())).floor();
                u32::try_from(most.to_integer()).unwrap_or(seats)
            }
        }
    }
}

/// Who moves up when somebody elected declines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerUp {
    /// So many of those not elected, and whoever is equal to the last of them; all of them if absent.
    pub keep: Option<u32>,
    /// Only with such a share of the votes of the last who was elected.
    pub at_least: Option<Rational>,
}

/// What happens where there are no more candidates than seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncontested {
    /// It is voted as if there were more.
    Vote,
    /// They are elected without a vote.
    Elected,
    /// They are confirmed one by one.
    Confidence,
}

/// How seats are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// By the contest's method.
    Vote,
    /// By a vote of confidence.
    Confidence,
    /// Without a vote.
    Elected,
}

/// Somebody who stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Code, as in ballots; the same in two contests is the same person.
    pub id: String,
    /// What people read.
    pub name: Text,
    /// District for whose seats they stand, or to which they belong.
    pub district: Option<String>,
    /// Group of candidates they belong to, such as a field of work.
    pub group: Option<String>,
    /// Day of birth.
    pub born: Option<NaiveDate>,
    /// Whether they hold the post already.
    pub incumbent: bool,
    /// What they say of themselves.
    pub statement: Option<Text>,
    /// Name of their picture among those of the election.
    pub picture: Option<String>,
}
