//! What somebody chooses, as the numbers that a ballot encrypts.

use super::setup::Question;

/// What is chosen of one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// Nothing: the ballot is blank there.
    Blank,
    /// Answers, by their wording.
    Answers(Vec<String>),
    /// A number for each answer, with that for blank first where there is one.
    Numbers(Vec<u64>),
}

/// Why that cannot be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceFault {
    /// The question does not take blank ballots.
    #[error("cannot be left blank")]
    NoBlank,
    /// There is no such answer.
    #[error("there is no answer \"{0}\"")]
    Unknown(String),
    /// Two answers are worded so.
    #[error("there are two answers \"{0}\"; write a number, 0 or 1, for each answer instead")]
    Ambiguous(String),
    /// An answer is chosen twice.
    #[error("\"{0}\" is chosen twice")]
    Twice(String),
    /// So many numbers are needed.
    #[error("takes {0} numbers, each 0 or 1")]
    Numbers(usize),
    /// A blank ballot has no answers.
    #[error("is left blank, and answers are chosen")]
    BlankAndChosen,
    /// Too few answers, or too many.
    #[error("takes {min} to {max} answers, and {chosen} are chosen")]
    Count {
        /// Fewest.
        min: u64,
        /// Most.
        max: u64,
        /// How many are.
        chosen: u64,
    },
}

impl Chosen {
    /// The numbers, which keep the question's rule.
    ///
    /// # Errors
    /// Why it cannot be chosen.
    pub fn votes(&self, question: &Question) -> Result<Vec<u64>, ChoiceFault> {
        let first = usize::from(question.blank);
        let mut votes = vec![0; question.numbers()];
        match self {
            Chosen::Blank if !question.blank => return Err(ChoiceFault::NoBlank),
            Chosen::Blank => votes[0] = 1,
            Chosen::Answers(answers) => {
                for answer in answers {
                    let mut places =
                        (first..).zip(&question.answers).filter(|(_, own)| *own == answer).map(|(at, _)| at);
                    let place = places.next().ok_or_else(|| ChoiceFault::Unknown(answer.clone()))?;
                    if places.next().is_some() {
                        return Err(ChoiceFault::Ambiguous(answer.clone()));
                    }
                    if std::mem::replace(&mut votes[place], 1) == 1 {
                        return Err(ChoiceFault::Twice(answer.clone()));
                    }
                }
            }
            Chosen::Numbers(numbers) => {
                if numbers.len() != votes.len() || numbers.iter().any(|number| *number > 1) {
                    return Err(ChoiceFault::Numbers(votes.len()));
                }
                votes.clone_from(numbers);
            }
        }
        let chosen = votes[first..].iter().sum();
        if question.blank && votes[0] == 1 {
            return if chosen == 0 { Ok(votes) } else { Err(ChoiceFault::BlankAndChosen) };
        }
        match (question.min..=question.max).contains(&chosen) {
            true => Ok(votes),
            false => Err(ChoiceFault::Count { min: question.min, max: question.max, chosen }),
        }
    }
}
