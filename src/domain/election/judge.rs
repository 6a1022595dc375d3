//! What a ballot means: blank, invalid for a reason, or votes.

use std::collections::{BTreeMap, BTreeSet};

use super::ballot::{Ballot, Choice, Mark, Who};
use super::contest::{Contest, Holding, Method, Naming, Over, Ranking, Repeated, Style, Under};

/// Why a ballot counts for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invalid {
    /// Whoever opened it found it so.
    Spoiled,
    /// Nothing is marked, and the contest knows no blank ballots.
    Blank,
    /// It names somebody of another district.
    District,
    /// It has more names that were written in than allowed.
    Written,
    /// It names or ranks somebody more than once.
    Repeated,
    /// It has more names than allowed.
    Over,
    /// It has fewer than asked for.
    Under,
    /// It puts candidates in one place where none may share one.
    Equal,
    /// Every name on it is void.
    Void,
}

impl Invalid {
    /// All of them.
    pub const ALL: [Invalid; 9] = [
        Invalid::Spoiled,
        Invalid::Blank,
        Invalid::District,
        Invalid::Written,
        Invalid::Repeated,
        Invalid::Over,
        Invalid::Under,
        Invalid::Equal,
        Invalid::Void,
    ];

    /// Name in reports.
    pub const fn key(self) -> &'static str {
        match self {
            Invalid::Spoiled => "spoiled",
            Invalid::Blank => "blank-not-allowed",
            Invalid::District => "other-district",
            Invalid::Written => "too-many-written-in",
            Invalid::Repeated => "repeated",
            Invalid::Over => "over-full",
            Invalid::Under => "under-full",
            Invalid::Equal => "shared-place",
            Invalid::Void => "no-name-counts",
        }
    }
}

/// What a ballot means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Nothing is marked on it.
    Blank,
    /// It counts for nobody.
    Invalid(Invalid),
    /// It counts.
    Valid(Votes),
}

/// What a valid ballot says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Votes {
    /// A vote for each of these, each once.
    Names {
        /// Who gets one.
        names: Vec<Who>,
        /// Slots that were left empty.
        under: u64,
        /// Names on it that count for nobody.
        void: u64,
    },
    /// A mark for some candidates.
    Marks {
        /// By id.
        marks: BTreeMap<String, Mark>,
        /// Candidates without a mark.
        under: u64,
    },
    /// An order; each candidate at most once, no place empty.
    Ranking(Vec<Vec<String>>),
}

/// Whom a voter can vote for, and how.
#[derive(Debug)]
pub struct Judge<'c> {
    contest: &'c Contest,
    /// District of the voter.
    voter: Option<&'c str>,
    /// Candidates that are voted on, by id.
    open: BTreeSet<&'c str>,
    holding: Holding,
    /// Names written in, folded, that count for nobody.
    void: BTreeSet<Who>,
}

impl<'c> Judge<'c> {
    /// The judge of a contest's ballots of one district; `void` are names that count for nobody.
    pub fn new(contest: &'c Contest, voter: Option<&'c str>, void: BTreeSet<Who>) -> Judge<'c> {
        let district = voter.filter(|_| contest.is_by_district());
        let open =
            contest.standing(district).filter(|own| contest.is_voted_on(own)).map(|own| own.id.as_str()).collect();
        Judge { contest, voter, open, holding: contest.holding_for(voter), void }
    }

    /// Whether that candidate is voted on.
    pub fn is_open(&self, id: &str) -> bool {
        self.open.contains(id)
    }

    /// How the seats that this voter votes on are given.
    pub const fn holding(&self) -> Holding {
        self.holding
    }

    /// What a ballot means. A choice of another kind than the contest's ballots is for [`super::count()`] to refuse.
    pub fn judge(&self, ballot: &Ballot) -> Judged {
        let confirms = self.holding == Holding::Confidence;
        let judged = match (&ballot.choice, &self.contest.method) {
            (Choice::Spoiled, _) => Err(Invalid::Spoiled),
            (Choice::Marks(marks), _) if confirms => self.marks(marks),
            (Choice::Ranking(places), Method::Schulze(ranking) | Method::Stv(ranking, _)) if !confirms => {
                self.ranking(places, ranking)
            }
            (Choice::Names(names), _) => match self.contest.naming().filter(|_| !confirms) {
                Some(naming) => self.names(names, &naming),
                None => Err(Invalid::Spoiled),
            },
            _ => Err(Invalid::Spoiled),
        };
        match judged {
            Ok(Some(votes)) => Judged::Valid(votes),
            Ok(None) if self.contest.blank => Judged::Blank,
            Ok(None) => Judged::Invalid(Invalid::Blank),
            Err(reason) => Judged::Invalid(reason),
        }
    }

    fn names(&self, written: &[Who], naming: &Naming) -> Result<Option<Votes>, Invalid> {
        if written.is_empty() {
            return Ok(None);
        }
        let strangers = |who: &&Who| matches!(who, Who::Written(_));
        if written.iter().filter(strangers).collect::<BTreeSet<&Who>>().len() > self.contest.write_in as usize {
            return Err(Invalid::Written);
        }
        self.are_of_district(written.iter().filter_map(Who::id))?;
        let mut each = once(written, naming.repeated)?;
        // A name that counts for nobody takes its place on the ballot all the same.
        let mut void = limit(&mut each, |_| true, naming.most, naming.over)?;
        let mut names = Vec::new();
        for who in each {
            let times = written.iter().filter(|own| **own == who).count();
            let counts = who.id().map_or(!self.void.contains(&who), |id| self.open.contains(id));
            if counts && (times == 1 || naming.repeated == Repeated::Once) {
                names.push(who);
            } else {
                void += 1;
            }
        }
        if names.is_empty() {
            return Err(Invalid::Void);
        }
        for quota in &naming.quotas {
            let of = |who: &Who| {
                who.id().and_then(|id| self.contest.find(id)).is_some_and(|own| quota.of.holds(own, self.voter))
            };
            void += limit(&mut names, of, quota.most, naming.over)?;
            let many = names.iter().filter(|who| of(who)).count();
            if naming.under == Under::Invalid && many < quota.least as usize {
                return Err(Invalid::Under);
            }
        }
        if naming.under == Under::Invalid && names.len() < naming.least as usize {
            return Err(Invalid::Under);
        }
        let taken = names.len() as u64 + void;
        let under = naming.most.map_or(0, |most| u64::from(most).saturating_sub(taken));
        Ok(Some(Votes::Names { names, under, void }))
    }

    fn marks(&self, marked: &[(String, Mark)]) -> Result<Option<Votes>, Invalid> {
        self.are_of_district(marked.iter().map(|(id, _)| id.as_str()))?;
        let mut marks = BTreeMap::new();
        for (id, mark) in marked {
            // Yes and no to one candidate is neither.
            if marks.insert(id.clone(), *mark).is_some_and(|other| other != *mark) {
                return Err(Invalid::Repeated);
            }
        }
        if self.contest.confidence.style == Style::Reject {
            for id in &self.open {
                marks.entry((*id).to_string()).or_insert(Mark::Yes);
            }
        }
        let under = self.open.len().saturating_sub(marks.len()) as u64;
        Ok((!marks.is_empty()).then_some(Votes::Marks { marks, under }))
    }

    fn ranking(&self, places: &[Vec<String>], ranking: &Ranking) -> Result<Option<Votes>, Invalid> {
        self.are_of_district(places.iter().flatten().map(String::as_str))?;
        let mut seen = BTreeSet::new();
        let mut ranked: Vec<Vec<String>> = Vec::new();
        for place in places {
            let mut shared = Vec::new();
            for id in place {
                match seen.insert(id) {
                    true => shared.push(id.clone()),
                    false if ranking.repeated == Repeated::Once => {}
                    false => return Err(Invalid::Repeated),
                }
            }
            if shared.len() > 1 && !ranking.equal {
                return Err(Invalid::Equal);
            }
            ranked.extend((!shared.is_empty()).then_some(shared));
        }
        if ranked.is_empty() {
            return Ok(None);
        }
        if ranking.under == Under::Invalid && seen.len() < ranking.least as usize {
            return Err(Invalid::Under);
        }
        Ok(Some(Votes::Ranking(ranked)))
    }

    /// Where voters name candidates of their own district, no other is on the ballot.
    fn are_of_district<'n>(&self, mut ids: impl Iterator<Item = &'n str>) -> Result<(), Invalid> {
        let foreign = |id: &str| self.contest.find(id).is_none_or(|own| own.district.as_deref() != self.voter);
        if self.contest.is_by_district() && ids.any(foreign) { Err(Invalid::District) } else { Ok(()) }
    }
}

/// Each name once, at the first of its places.
fn once(written: &[Who], repeated: Repeated) -> Result<Vec<Who>, Invalid> {
    let mut seen = BTreeSet::new();
    let each: Vec<Who> = written.iter().filter(|who| seen.insert(*who)).cloned().collect();
    if repeated == Repeated::Invalid && each.len() < written.len() { Err(Invalid::Repeated) } else { Ok(each) }
}

/// Keeps the allowed number of names of a part, or finds the ballot over-full; how many became void.
fn limit(names: &mut Vec<Who>, of: impl Fn(&Who) -> bool, most: Option<u32>, over: Over) -> Result<u64, Invalid> {
    let Some(most) = most.map(|most| most as usize) else { return Ok(0) };
    let many = names.iter().filter(|who| of(who)).count();
    if many <= most {
        return Ok(0);
    }
    if over == Over::Invalid {
        return Err(Invalid::Over);
    }
    let mut kept = 0;
    names.retain(|who| {
        let own = of(who);
        kept += usize::from(own);
        !own || kept <= most
    });
    Ok((many - most) as u64)
}
