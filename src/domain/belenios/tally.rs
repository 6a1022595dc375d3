//! From ballots to a result: the encrypted sum, the trustees' parts, and the small numbers inside.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::ballot::{Ciphertext, Numbers};
use super::element::{Element, Squares};
use super::json::{self, CiphertextText, Count, ProofText, element};
use super::problem::Code;
use super::proofs::{self, Proof};
use super::scalar::Scalar;
use super::setup::Election;
use crate::domain::time::Dice;

/// Numbers of votes by question; where a question may be blank, the number of blank ballots stands first.
pub type Votes = Vec<Vec<u64>>;

/// How an encrypted sum is announced.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SizedTally<'a> {
    pub(super) num_tallied: u64,
    pub(super) total_weight: Count,
    #[serde(borrow)]
    pub(super) encrypted_tally: Cow<'a, str>,
}

/// How a trustee's part is announced.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Owned<'a> {
    pub(super) owner: u64,
    #[serde(borrow)]
    pub(super) payload: Cow<'a, str>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct DecryptionText<'a> {
    #[serde(borrow)]
    decryption_factors: Vec<Vec<Cow<'a, str>>>,
    #[serde(borrow)]
    decryption_proofs: Vec<Vec<ProofText<'a>>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ResultText {
    result: Vec<Vec<Count>>,
}

/// Adds up ballots, each as often as its voter's weight says.
pub fn sum<'a>(election: &Election, ballots: impl IntoIterator<Item = (&'a Numbers, u64)>) -> Numbers {
    let mut sum: Numbers =
        election.questions.iter().map(|question| vec![Ciphertext::ONE; question.numbers()]).collect();
    for (ballot, weight) in ballots {
        for (sum, own) in sum.iter_mut().flatten().zip(ballot.iter().flatten()) {
            *sum = sum.times(&if weight == 1 { *own } else { own.small_power(weight) });
        }
    }
    sum
}

/// The encrypted sum's file.
pub fn sum_file(sum: &Numbers) -> Vec<u8> {
    let text =
        |one: &Ciphertext| CiphertextText { alpha: one.alpha.to_string().into(), beta: one.beta.to_string().into() };
    json::write(&sum.iter().map(|numbers| numbers.iter().map(text).collect()).collect::<Vec<Vec<_>>>())
}

/// A trustee's part of opening a sum.
#[derive(Clone, Debug)]
pub struct Decryption {
    /// alpha^secret of each number.
    pub factors: Vec<Vec<Element>>,
    proofs: Vec<Vec<Proof>>,
}

impl Decryption {
    /// Makes the part of the trustee with that secret.
    pub fn of(election: &Election, sum: &Numbers, secret: &Scalar, dice: &dyn Dice) -> Decryption {
        let one = |number: &Ciphertext| proofs::prove_decryption(&election.fingerprint, &number.alpha, secret, dice);
        let (factors, proofs) = sum.iter().map(|numbers| numbers.iter().map(one).unzip()).unzip();
        Decryption { factors, proofs }
    }

    /// Its file.
    pub fn file(&self) -> Vec<u8> {
        json::write(&DecryptionText {
            decryption_factors: self
                .factors
                .iter()
                .map(|factors| factors.iter().map(|factor| factor.to_string().into()).collect())
                .collect(),
            decryption_proofs: self.proofs.iter().map(|proofs| proofs.iter().map(ProofText::from).collect()).collect(),
        })
    }

    /// Reads the file and checks it against the sum and the trustee's key.
    pub fn read(file: &[u8], election: &Election, sum: &Numbers, key: &Element) -> Result<Decryption, Code> {
        let text: DecryptionText<'_> = json::read_exact(file)?;
        let lengths: Vec<usize> = sum.iter().map(Vec::len).collect();
        if text.decryption_factors.iter().map(Vec::len).collect::<Vec<_>>() != lengths
            || text.decryption_proofs.iter().map(Vec::len).collect::<Vec<_>>() != lengths
        {
            return Err(Code::DecryptionShape);
        }
        let key = Squares::of(*key);
        let (mut all_factors, mut all_proofs) = (Vec::new(), Vec::new());
        for (numbers, (factors, proofs)) in sum.iter().zip(text.decryption_factors.iter().zip(&text.decryption_proofs))
        {
            let (mut own_factors, mut own_proofs) = (Vec::new(), Vec::new());
            for (number, (factor, proof)) in numbers.iter().zip(factors.iter().zip(proofs)) {
                let (factor, proof) = (Squares::of(element(factor)?), proof.read()?);
                if !factor.belongs() {
                    return Err(Code::OutsideGroup);
                }
                let alpha = Squares::of(number.alpha);
                if !proofs::check_decryption(&election.fingerprint, &key, &alpha, &factor, &proof) {
                    return Err(Code::DecryptionProof);
                }
                own_factors.push(*factor.base());
                own_proofs.push(proof);
            }
            all_factors.push(own_factors);
            all_proofs.push(own_proofs);
        }
        Ok(Decryption { factors: all_factors, proofs: all_proofs })
    }
}

/// g to the number of votes, for each number: what is left when all trustees' parts are taken off.
fn opened(sum: &Numbers, parts: &[Decryption]) -> Vec<Vec<Element>> {
    let open = |question: usize, place: usize, number: &Ciphertext| {
        let factors = parts.iter().fold(Element::ONE, |product, part| product.times(&part.factors[question][place]));
        number.beta.times(&factors.inverse())
    };
    sum.iter()
        .enumerate()
        .map(|(question, numbers)| numbers.iter().enumerate().map(|(place, one)| open(question, place, one)).collect())
        .collect()
}

/// The numbers of votes, with every trustee's part; none if one is not within the weight of all who voted. Takes the time and memory
/// of the weight's square root.
pub fn count(sum: &Numbers, parts: &[Decryption], total_weight: u64) -> Option<Votes> {
    let step = total_weight.isqrt() + 1;
    let mut small = HashMap::new();
    let mut power = Element::ONE;
    for i in 0..step {
        small.insert(power.to_string(), i);
        power = power.times(&Element::generator());
    }
    let back = power.inverse();
    let find = |mut number: Element| {
        for giant in 0..=step {
            if let Some(i) = small.get(&number.to_string()) {
                return Some(giant * step + i).filter(|votes| *votes <= total_weight);
            }
            number = number.times(&back);
        }
        None
    };
    opened(sum, parts).into_iter().map(|numbers| numbers.into_iter().map(find).collect()).collect()
}

/// The result's file.
pub fn result_file(votes: &Votes) -> Vec<u8> {
    json::write(&ResultText {
        result: votes.iter().map(|votes| votes.iter().map(|count| Count(*count)).collect()).collect(),
    })
}

/// Reads the result's file and checks it against the sum and all trustees' parts.
pub fn check_result(file: &[u8], sum: &Numbers, parts: &[Decryption], total_weight: u64) -> Result<Votes, Code> {
    let text: ResultText = json::read_exact(file)?;
    let votes: Votes = text.result.iter().map(|votes| votes.iter().map(|count| count.0).collect()).collect();
    if votes.iter().map(Vec::len).ne(sum.iter().map(Vec::len)) {
        return Err(Code::ResultShape);
    }
    let holds = opened(sum, parts)
        .iter()
        .flatten()
        .zip(votes.iter().flatten())
        .all(|(opened, votes)| *votes <= total_weight && Element::generator().small_power(*votes) == *opened);
    if holds { Ok(votes) } else { Err(Code::Result) }
}
