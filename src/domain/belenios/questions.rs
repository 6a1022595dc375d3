//! From the rules of an election to questions that can be added up while they are encrypted, or the reason why there is none.
//!
//! What is added up is how often each answer was chosen, and nothing else of a ballot is ever seen. So a rule that looks at a ballot as a
//! whole cannot be kept, unless the proofs of a ballot keep it: fewest and most answers, blank or not. A ballot that breaks such a rule
//! cannot be made, so what the rules say of too many or repeated names never comes up, and no ballot is invalid.

use std::collections::BTreeSet;
use std::fmt;

use super::setup::Question;
use crate::domain::election::{Base, Candidate, Contest, Election, Holding, Least, Naming, Style, Under};
use crate::domain::language::Text;
use crate::limits;

/// Bytes of a ballot that an encrypted number takes with its proof, at most.
const NUMBER_BYTES: usize = 1_700;
/// Bytes that each number of answers takes that a question allows.
const BRANCH_BYTES: usize = 200;

/// Words that stand in questions of confidence.
#[derive(Clone, Debug)]
pub struct Phrases {
    /// The answer of who has confidence.
    pub yes: Text,
    /// The answer of who has none.
    pub no: Text,
    /// Says that those are chosen in whom one has no confidence.
    pub reject: Text,
}

/// A question with the contest that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Id of the contest.
    pub contest: String,
    /// Ids of the candidates that its answers stand for, in their order; one where the answers are yes and no to that candidate.
    pub candidates: Vec<String>,
    /// The question.
    pub question: Question,
}

/// Why a contest cannot be voted on so that everybody can check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unverifiable {
    /// Candidates are put in order.
    Ranked,
    /// Names may be written in.
    WriteIn,
    /// There are too many candidates.
    Candidates(usize),
    /// There are fewer candidates than names that a ballot must have.
    Few(u64),
    /// Names of some part of the candidates are counted apart.
    Quotas,
    /// Each district has a ballot of its own.
    District,
    /// Ballots have to be told valid or blank by the marks for several candidates together.
    Valid,
    /// A ballot would be too long with it.
    Long,
    /// There is nothing to vote on.
    Nothing,
}

impl fmt::Display for Unverifiable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unverifiable::Ranked => f.write_str(
                "candidates are put in order: to count it, each ballot would have to be opened — choose single, plural, approval or confidence, \
                 or hold it without encryption",
            ),
            Unverifiable::WriteIn => f.write_str(
                "names may be written in, and an encrypted ballot has places for known candidates alone — set write_in = 0 and let \
                 people stand beforehand",
            ),
            Unverifiable::Candidates(many) => write!(
                f,
                "there are {many} candidates, and with more than {} ballots take long to make and to check — part them into districts or \
                 contests",
                limits::BEL_CANDIDATES
            ),
            Unverifiable::Few(least) => {
                write!(f, "a ballot must have {least} names, and there are fewer candidates — set a lower min")
            }
            Unverifiable::Quotas => f.write_str(
                "names of one part of the candidates are counted apart, which ballots do not prove — make a contest for each part",
            ),
            Unverifiable::District => {
                f.write_str("each district has its own candidates — make an archive for each, with --district")
            }
            Unverifiable::Valid => f.write_str(
                "a share of the valid ballots is asked for, but each candidate is a question of its own, and which ballots have no mark at \
                 all is never seen — take the share of marks, of ballots cast or of the roll",
            ),
            Unverifiable::Long => f.write_str("ballots would be too long with it — hold some contests in an archive of their own"),
            Unverifiable::Nothing => f.write_str("no contest is voted on there"),
        }
    }
}

/// What stands in the way, and in which contest; in none if it is the whole election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Id of the contest.
    pub contest: Option<String>,
    /// What it is.
    pub why: Unverifiable,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.contest {
            Some(contest) => write!(f, "{contest}: {}", self.why),
            None => self.why.fmt(f),
        }
    }
}

/// The questions for the voters of a district, or for everybody; `speak` says in which words they are asked. Contests that are held
/// without a vote have none.
///
/// # Errors
/// Everything that stands in the way.
pub fn questions(
    rules: &Election,
    district: Option<&str>,
    phrases: &Phrases,
    speak: &dyn Fn(&Text) -> String,
) -> Result<Vec<Asked>, Vec<Obstacle>> {
    let (mut asked, mut obstacles) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for contest in &rules.contests {
        let why = match of_contest(contest, district, phrases, speak) {
            Ok(own) => {
                bytes += own.iter().map(|asked| ballot_bytes(&asked.question)).sum::<usize>();
                asked.extend(own);
                (bytes > limits::BEL_BALLOT_BYTES).then_some(Unverifiable::Long)
            }
            Err(why) => Some(why),
        };
        obstacles.extend(why.map(|why| Obstacle { contest: Some(contest.id.clone()), why }));
    }
    if asked.is_empty() && obstacles.is_empty() {
        obstacles.push(Obstacle { contest: None, why: Unverifiable::Nothing });
    }
    if obstacles.is_empty() { Ok(asked) } else { Err(obstacles) }
}

/// Length of a question's part of a ballot, at most.
fn ballot_bytes(question: &Question) -> usize {
    question.numbers() * NUMBER_BYTES + (question.overall_branches() + 2) * BRANCH_BYTES
}

fn of_contest(
    contest: &Contest,
    district: Option<&str>,
    phrases: &Phrases,
    speak: &dyn Fn(&Text) -> String,
) -> Result<Vec<Asked>, Unverifiable> {
    let by_district = contest.is_by_district();
    let own = if by_district { Some(district.ok_or(Unverifiable::District)?) } else { None };
    if by_district && contest.seats.of(own) == 0 {
        return Ok(Vec::new());
    }
    let candidates: Vec<&Candidate> = contest.standing(own).filter(|own| contest.is_voted_on(own)).collect();
    let naming = match (contest.holding_for(own), contest.naming()) {
        (Holding::Elected, _) => return Ok(Vec::new()),
        (Holding::Confidence, _) => None,
        (Holding::Vote, Some(naming)) => Some(naming),
        (Holding::Vote, None) => return Err(Unverifiable::Ranked),
    };
    if contest.write_in > 0 {
        return Err(Unverifiable::WriteIn);
    }
    if candidates.len() > limits::BEL_CANDIDATES {
        return Err(Unverifiable::Candidates(candidates.len()));
    }
    let names = names(&candidates, speak);
    let title = speak(&contest.title);
    let all = || candidates.iter().map(|own| own.id.clone()).collect();
    let asked =
        |candidates: Vec<String>, question: Question| Asked { contest: contest.id.clone(), candidates, question };
    match naming {
        Some(naming) => {
            let (min, max) = bounds(&naming, candidates.len())?;
            let question = Question { answers: names, blank: contest.blank, min, max, question: title };
            Ok(vec![asked(all(), question)])
        }
        None if contest.confidence.style == Style::Reject => {
            let max = candidates.len() as u64;
            let question = format!("{title} {}", speak(&phrases.reject));
            Ok(vec![asked(all(), Question { answers: names, blank: false, min: 0, max, question })])
        }
        None => {
            let several = candidates.len() > 1;
            if several && asks_for_valid(contest) {
                return Err(Unverifiable::Valid);
            }
            let of_one = |(candidate, name): (&&Candidate, String)| {
                let answers = vec![speak(&phrases.yes), speak(&phrases.no)];
                let question = format!("{title}: {name}");
                // Somebody may have no mark beside others who have one.
                let blank = contest.blank || several;
                asked(vec![candidate.id.clone()], Question { answers, blank, min: 1, max: 1, question })
            };
            Ok(candidates.iter().zip(names).map(of_one).collect())
        }
    }
}

/// What candidates are called; those of one name by their ids, too.
fn names(candidates: &[&Candidate], speak: &dyn Fn(&Text) -> String) -> Vec<String> {
    let names: Vec<String> = candidates.iter().map(|own| speak(&own.name)).collect();
    let (mut once, mut shared) = (BTreeSet::new(), BTreeSet::new());
    for name in &names {
        if !once.insert(name) {
            shared.insert(name);
        }
    }
    let told = |(name, own): (&String, &&Candidate)| match shared.contains(name) {
        true => format!("{name} ({})", own.id),
        false => name.clone(),
    };
    names.iter().zip(candidates).map(told).collect()
}

/// Fewest and most names of a ballot that is not blank.
fn bounds(naming: &Naming, candidates: usize) -> Result<(u64, u64), Unverifiable> {
    if !naming.quotas.is_empty() {
        return Err(Unverifiable::Quotas);
    }
    // Fewer than asked for count all the same where the rules say so; a ballot without any is blank, or none.
    let min = match naming.under {
        Under::Valid => 1,
        Under::Invalid => u64::from(naming.least).max(1),
    };
    let max = naming.most.map_or(candidates as u64, |most| u64::from(most).min(candidates as u64));
    if min > max { Err(Unverifiable::Few(min)) } else { Ok((min, max)) }
}

/// Whether a rule of the contest looks at the number of valid ballots.
fn asks_for_valid(contest: &Contest) -> bool {
    let of_least = matches!(&contest.least, Some(Least::Share(share)) if share.of == Base::Valid);
    contest.confidence.pass.of == Base::Valid
        || contest.quorum.as_ref().is_some_and(|quorum| quorum.valid_only || quorum.share.of == Base::Valid)
        || of_least
}
