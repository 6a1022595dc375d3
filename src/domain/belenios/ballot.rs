//! Ballots: encrypted, proved and signed by those who vote, checked by everybody.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::element::{Element, Squares};
use super::json::{self, CiphertextText, ProofText, element};
use super::problem::Code;
use super::proofs::{self, Bases, Branch, Claim, Encrypted, Proof};
use super::scalar::Scalar;
use super::secret::Secret;
use super::setup::{Credentials, Election, Question};
use crate::domain::time::Dice;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct AnswerText<'a> {
    #[serde(borrow)]
    choices: Vec<CiphertextText<'a>>,
    #[serde(borrow)]
    individual_proofs: Vec<Vec<ProofText<'a>>>,
    #[serde(borrow)]
    overall_proof: Vec<ProofText<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    blank_proof: Option<Vec<ProofText<'a>>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SignatureText<'a> {
    #[serde(borrow)]
    hash: Cow<'a, str>,
    #[serde(borrow)]
    proof: ProofText<'a>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct BallotText<'a> {
    #[serde(borrow)]
    election_uuid: Cow<'a, str>,
    #[serde(borrow)]
    election_hash: Cow<'a, str>,
    #[serde(borrow)]
    credential: Cow<'a, str>,
    #[serde(borrow)]
    answers: Vec<AnswerText<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    signature: Option<SignatureText<'a>>,
}

/// An encrypted number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ciphertext {
    /// g^r.
    pub alpha: Element,
    /// y^r × g^m.
    pub beta: Element,
}

impl Ciphertext {
    /// Encrypts nothing: what a sum begins with.
    pub const ONE: Ciphertext = Ciphertext { alpha: Element::ONE, beta: Element::ONE };

    /// What encrypts the sum of both numbers.
    pub fn times(&self, other: &Ciphertext) -> Ciphertext {
        Ciphertext { alpha: self.alpha.times(&other.alpha), beta: self.beta.times(&other.beta) }
    }

    /// What encrypts the number that many times.
    pub fn small_power(&self, times: u64) -> Ciphertext {
        Ciphertext { alpha: self.alpha.small_power(times), beta: self.beta.small_power(times) }
    }
}

/// The encrypted numbers of a ballot or of a sum, by question.
pub type Numbers = Vec<Vec<Ciphertext>>;

/// A ballot that holds.
#[derive(Clone, Debug)]
pub struct Ballot {
    /// Where its credential stands on the list.
    pub credential: usize,
    /// What it encrypts.
    pub numbers: Numbers,
}

/// Both parts of an encrypted number, with their squares.
struct Ready {
    alpha: Squares,
    beta: Squares,
}

impl Ready {
    fn encrypted(&self) -> Encrypted<'_> {
        Encrypted { alphas: vec![&self.alpha], betas: vec![&self.beta] }
    }

    fn ciphertext(&self) -> Ciphertext {
        Ciphertext { alpha: *self.alpha.base(), beta: *self.beta.base() }
    }
}

/// Checks a ballot against an election and its list; `bases` are those of the election's key.
pub fn check(election: &Election, credentials: &Credentials, bases: &Bases, bytes: &[u8]) -> Result<Ballot, Code> {
    let text: BallotText<'_> = json::read_exact(bytes)?;
    if text.election_uuid != election.uuid || text.election_hash != election.fingerprint {
        return Err(Code::OtherElection);
    }
    let credential = credentials.place(&text.credential).ok_or(Code::CredentialUnknown)?;
    let signature = text.signature.as_ref().ok_or(Code::BallotShape)?;
    if text.answers.len() != election.questions.len() {
        return Err(Code::BallotShape);
    }
    if signature.hash != unsigned_digest(bytes)? {
        return Err(Code::SignatureHash);
    }
    let proof = signature.proof.read()?;
    let commitment = bases.commitment(&Squares::of(credentials.keys[credential]), &proof);
    if !proofs::check_secret(&format!("sig|{}|", signature.hash), &commitment, &proof) {
        return Err(Code::Signature);
    }
    let context = format!("{}|{}", election.fingerprint, text.credential);
    let mut numbers = Vec::with_capacity(text.answers.len());
    for (question, answer) in election.questions.iter().zip(&text.answers) {
        numbers.push(check_answer(question, answer, &context, bases)?);
    }
    Ok(Ballot { credential, numbers })
}

/// Digest of the ballot without its signature, which stands last.
fn unsigned_digest(bytes: &[u8]) -> Result<String, Code> {
    const BEFORE: &[u8] = b",\"signature\":";
    let at = bytes.windows(BEFORE.len()).rposition(|window| window == BEFORE).ok_or(Code::BallotShape)?;
    Ok(json::base64_digest(&[&bytes[..at], b"}"].concat()))
}

fn check_answer(
    question: &Question,
    answer: &AnswerText<'_>,
    context: &str,
    bases: &Bases,
) -> Result<Vec<Ciphertext>, Code> {
    let fits = answer.choices.len() == question.numbers()
        && answer.individual_proofs.len() == question.numbers()
        && answer.individual_proofs.iter().all(|proof| proof.len() == 2)
        && answer.overall_proof.len() == question.overall_branches()
        && answer.blank_proof.as_ref().map(Vec::len) == question.blank.then_some(2);
    if !fits {
        return Err(Code::BallotShape);
    }
    let mut ready = Vec::with_capacity(question.numbers());
    for (choice, proof) in answer.choices.iter().zip(&answer.individual_proofs) {
        let own = Ready { alpha: squares(&choice.alpha)?, beta: squares(&choice.beta)? };
        let hash = proofs::interval_hash(context, &choice.alpha, &choice.beta);
        let encrypted = own.encrypted();
        let mut branches = Vec::with_capacity(2);
        for (value, proof) in (0..).zip(proof) {
            branches.push(Branch { encrypted: &encrypted, value, proof: proof.read()? });
        }
        if !proofs::check_branches(bases, hash, &branches) {
            return Err(Code::IndividualProof);
        }
        ready.push(own);
    }
    let context = with_choices(context, answer.choices.iter().map(|choice| (&*choice.alpha, &*choice.beta)));
    let sum =
        ready[usize::from(question.blank)..].iter().fold(Ciphertext::ONE, |sum, own| sum.times(&own.ciphertext()));
    let chosen = Chosen::of(&ready[usize::from(question.blank)..], sum, question.overall_branches());
    let chosen = chosen.encrypted();
    let blank = ready[0].encrypted();
    let mut branches = Vec::with_capacity(question.overall_branches());
    let mut proofs = answer.overall_proof.iter();
    if question.blank {
        let proof = proofs.next().ok_or(Code::BallotShape)?.read()?;
        branches.push(Branch { encrypted: &blank, value: 1, proof });
    }
    for (value, proof) in (question.min..).zip(proofs) {
        branches.push(Branch { encrypted: &chosen, value, proof: proof.read()? });
    }
    if !proofs::check_branches(bases, overall_hash(question, &context, &sum), &branches) {
        return Err(Code::OverallProof);
    }
    if let Some(proof) = &answer.blank_proof {
        let mut branches = Vec::with_capacity(2);
        for (encrypted, proof) in [&blank, &chosen].into_iter().zip(proof) {
            branches.push(Branch { encrypted, value: 0, proof: proof.read()? });
        }
        if !proofs::check_branches(bases, blank_hash(&context), &branches) {
            return Err(Code::BlankProof);
        }
    }
    Ok(ready.iter().map(Ready::ciphertext).collect())
}

/// Reads a number and squares it; it has to be of the group.
fn squares(text: &str) -> Result<Squares, Code> {
    let squares = Squares::of(element(text)?);
    if squares.belongs() { Ok(squares) } else { Err(Code::OutsideGroup) }
}

/// The sum of a question's answers: of few, their own squares serve for it too.
enum Chosen<'a> {
    Product(Box<Ready>),
    Factors(&'a [Ready]),
}

impl Chosen<'_> {
    fn of(ready: &[Ready], sum: Ciphertext, branches: usize) -> Chosen<'_> {
        // A power takes some 50 multiplications for each factor, and new squares as many as 210.
        if 50 * (ready.len() - 1) * branches > 210 {
            Chosen::Product(Box::new(Ready { alpha: Squares::of(sum.alpha), beta: Squares::of(sum.beta) }))
        } else {
            Chosen::Factors(ready)
        }
    }

    fn encrypted(&self) -> Encrypted<'_> {
        let ready = match self {
            Chosen::Product(ready) => std::slice::from_ref(&**ready),
            Chosen::Factors(ready) => ready,
        };
        Encrypted {
            alphas: ready.iter().map(|own| &own.alpha).collect(),
            betas: ready.iter().map(|own| &own.beta).collect(),
        }
    }
}

fn with_choices<'a>(context: &str, choices: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: Vec<String> = choices.map(|(alpha, beta)| format!("{alpha},{beta}")).collect();
    format!("{context}|{}", pairs.join(","))
}

fn overall_hash(question: &Question, context: &str, sum: &Ciphertext) -> Sha256 {
    if question.blank {
        return Sha256::new_with_prefix(format!("bproof1|{context}|"));
    }
    proofs::interval_hash(context, &sum.alpha.to_string(), &sum.beta.to_string())
}

fn blank_hash(context: &str) -> Sha256 {
    Sha256::new_with_prefix(format!("bproof0|{context}|"))
}

/// Why no ballot can be made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Impossible;

/// Makes a ballot. For each question there is one number an answer, 1 for those that are chosen; where it may be blank one more stands
/// first, 1 for a blank ballot.
pub fn make(
    election: &Election,
    credential: &Scalar,
    votes: &[Vec<u64>],
    dice: &dyn Dice,
) -> Result<Vec<u8>, Impossible> {
    if votes.len() != election.questions.len() {
        return Err(Impossible);
    }
    let key = Element::generator().power(credential).to_string();
    let context = format!("{}|{key}", election.fingerprint);
    let mut answers = Vec::new();
    for (question, votes) in election.questions.iter().zip(votes) {
        answers.push(make_answer(question, votes, &election.key, &context, dice)?);
    }
    let mut ballot = BallotText {
        election_uuid: election.uuid.as_str().into(),
        election_hash: election.fingerprint.as_str().into(),
        credential: key.into(),
        answers,
        signature: None,
    };
    let hash = json::base64_digest(&json::write(&ballot));
    let proof = proofs::prove_secret(&format!("sig|{hash}|"), credential, dice);
    ballot.signature = Some(SignatureText { hash: hash.into(), proof: ProofText::from(&proof) });
    Ok(json::write(&ballot))
}

/// An encrypted number and what it was encrypted with.
struct Own {
    randomness: Secret,
    ciphertext: Ciphertext,
}

impl Own {
    fn claim(&self, value: u64) -> Claim {
        Claim { alpha: self.ciphertext.alpha, beta: self.ciphertext.beta, value }
    }
}

fn make_answer<'a>(
    question: &Question,
    votes: &[u64],
    key: &Element,
    context: &str,
    dice: &dyn Dice,
) -> Result<AnswerText<'a>, Impossible> {
    let chosen_from = usize::from(question.blank);
    if votes.len() != question.numbers() || votes.iter().any(|vote| *vote > 1) {
        return Err(Impossible);
    }
    let blank = question.blank && votes[0] == 1;
    let count: u64 = votes[chosen_from..].iter().sum();
    let allowed = if blank { count == 0 } else { (question.min..=question.max).contains(&count) };
    if !allowed {
        return Err(Impossible);
    }
    let mut own = Vec::new();
    let mut individual_proofs = Vec::new();
    for vote in votes {
        let randomness = Secret::draw(dice);
        let marked = [Element::ONE, Element::generator()][*vote as usize];
        let alpha = randomness.public();
        let ciphertext = Ciphertext { alpha, beta: key.power(randomness.exponent()).times(&marked) };
        let one = Own { randomness, ciphertext };
        let hash = proofs::interval_hash(context, &ciphertext.alpha.to_string(), &ciphertext.beta.to_string());
        let claims = [one.claim(0), one.claim(1)];
        let proof = proofs::prove_branches(key, hash, &claims, *vote as usize, one.randomness.exponent(), dice);
        individual_proofs.push(texts(&proof));
        own.push(one);
    }
    let sum = own[chosen_from..].iter().fold(
        Own { randomness: Secret::of(Scalar::ZERO), ciphertext: Ciphertext::ONE },
        |sum, one| Own {
            randomness: Secret::of(sum.randomness.exponent().plus(one.randomness.exponent())),
            ciphertext: sum.ciphertext.times(&one.ciphertext),
        },
    );
    let choices: Vec<CiphertextText<'_>> = own
        .iter()
        .map(|one| CiphertextText {
            alpha: one.ciphertext.alpha.to_string().into(),
            beta: one.ciphertext.beta.to_string().into(),
        })
        .collect();
    let context = with_choices(context, choices.iter().map(|choice| (&*choice.alpha, &*choice.beta)));
    let mut claims: Vec<Claim> = (question.min..=question.max).map(|value| sum.claim(value)).collect();
    let mut blank_proof = None;
    let (truth, randomness) = if question.blank {
        claims.insert(0, own[0].claim(1));
        let claims = [own[0].claim(0), sum.claim(0)];
        let randomness = if blank { &sum.randomness } else { &own[0].randomness };
        let (truth, hash) = (usize::from(blank), blank_hash(&context));
        let proof = proofs::prove_branches(key, hash, &claims, truth, randomness.exponent(), dice);
        blank_proof = Some(texts(&proof));
        if blank { (0, &own[0].randomness) } else { (1 + (count - question.min) as usize, &sum.randomness) }
    } else {
        ((count - question.min) as usize, &sum.randomness)
    };
    let hash = overall_hash(question, &context, &sum.ciphertext);
    let overall_proof = texts(&proofs::prove_branches(key, hash, &claims, truth, randomness.exponent(), dice));
    Ok(AnswerText { choices, individual_proofs, overall_proof, blank_proof })
}

fn texts<'a>(proofs: &[Proof]) -> Vec<ProofText<'a>> {
    proofs.iter().map(ProofText::from).collect()
}
