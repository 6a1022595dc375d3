//! Zero-knowledge proofs: made and checked.
//!
//! All challenges are SHA-256 of a text, so that what is checked is never an equation alone: the commitments have to be computed to the
//! last digit. The checks raise public numbers and take their time; the makers hold secrets, and raise all numbers in the same time.

use sha2::{Digest, Sha256};

use super::element::{Comb, Element, Squares};
use super::scalar::Scalar;
use super::secret::Secret;
use crate::domain::time::Dice;

/// Challenge and response of one proof, or of one branch of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What the hash, or its share, asks.
    pub challenge: Scalar,
    /// What only a holder of the secret can answer to it.
    pub response: Scalar,
}

/// Generator and key of an election, with their powers ready.
pub struct Bases {
    generator: Comb,
    key: Comb,
}

impl Bases {
    /// Of an election with that key, for about so many ballots.
    pub fn of(key: Element, ballots: usize) -> Bases {
        // A ballot takes at least a dozen powers of each.
        let uses = ballots.saturating_mul(12);
        Bases { generator: Comb::of(Element::generator(), uses), key: Comb::of(key, uses) }
    }

    /// g^response × base^challenge.
    pub(super) fn commitment(&self, base: &Squares, proof: &Proof) -> Element {
        self.generator.times_power(&base.power(&proof.challenge), &proof.response)
    }
}

/// An encrypted number, as a check needs it; the product of several is raised without being computed.
pub(super) struct Encrypted<'a> {
    pub(super) alphas: Vec<&'a Squares>,
    pub(super) betas: Vec<&'a Squares>,
}

/// One branch of "this number encrypts this value, or that one, or …".
pub(super) struct Branch<'a> {
    pub(super) encrypted: &'a Encrypted<'a>,
    pub(super) value: u64,
    pub(super) proof: Proof,
}

/// Whether one of the branches is true, of which nobody learns which; `hash` has taken everything before the commitments.
pub(super) fn check_branches(bases: &Bases, mut hash: Sha256, branches: &[Branch<'_>]) -> bool {
    let mut sum = Scalar::ZERO;
    for (i, Branch { encrypted, value, proof }) in branches.iter().enumerate() {
        let Proof { challenge, response } = proof;
        let a = Squares::product_power(&encrypted.alphas, challenge);
        let a = bases.generator.times_power(&a, response);
        let b = Squares::product_power(&encrypted.betas, challenge);
        let mut b = bases.key.times_power(&b, response);
        if *value > 0 {
            b = bases.generator.times_power(&b, &challenge.times(&Scalar::small(*value)).negated());
        }
        hash_pair(&mut hash, i, &a, &b);
        sum = sum.plus(challenge);
    }
    Scalar::of_hash(hash) == sum
}

/// What is hashed before the commitments of a proof that an encrypted number is within bounds.
pub fn interval_hash(context: &str, alpha: &str, beta: &str) -> Sha256 {
    Sha256::new_with_prefix(format!("prove|{context}|{alpha},{beta}|"))
}

fn hash_pair(hash: &mut Sha256, place: usize, a: &Element, b: &Element) {
    hash.update(format!("{}{a},{b}", if place == 0 { "" } else { "," }));
}

/// One branch that is to be proved.
pub struct Claim {
    /// The number's first part.
    pub alpha: Element,
    /// Its second part.
    pub beta: Element,
    /// What it is claimed to encrypt.
    pub value: u64,
}

/// Proves that claim `truth` holds, whose number was encrypted with `randomness`, without telling which it is.
pub fn prove_branches(
    key: &Element,
    mut hash: Sha256,
    claims: &[Claim],
    truth: usize,
    randomness: &Scalar,
    dice: &dyn Dice,
) -> Vec<Proof> {
    let mut proofs = Vec::with_capacity(claims.len());
    let mut sum = Scalar::ZERO;
    for (i, claim) in claims.iter().enumerate() {
        // The true branch is left without a challenge until the others have theirs. Its powers are computed as theirs are; which it is
        // still chooses a place in memory, which somebody on the same machine might see.
        let drawn = Scalar::draw(dice);
        let proof = Proof { challenge: if i == truth { Scalar::ZERO } else { drawn }, response: Scalar::draw(dice) };
        let less = Element::generator().small_power(claim.value).inverse();
        let a = Element::generator().power(&proof.response).times(&claim.alpha.power(&proof.challenge));
        let b = key.power(&proof.response).times(&claim.beta.times(&less).power(&proof.challenge));
        hash_pair(&mut hash, i, &a, &b);
        sum = sum.plus(&proof.challenge);
        proofs.push(proof);
    }
    let challenge = Scalar::of_hash(hash).minus(&sum);
    let response = proofs[truth].response.minus(&randomness.times(&challenge));
    proofs[truth] = Proof { challenge, response };
    proofs
}

/// Proves that somebody knows the secret of a key: of a trustee, with `pok|GROUP|KEY|`, or of a ballot, with `sig|HASH|`.
pub fn prove_secret(before: &str, secret: &Scalar, dice: &dyn Dice) -> Proof {
    let own = Secret::draw(dice);
    let challenge = Scalar::of_hash(Sha256::new_with_prefix(format!("{before}{}", own.public())));
    Proof { challenge, response: own.exponent().minus(&secret.times(&challenge)) }
}

/// Whether somebody knew the secret of the key.
pub(super) fn check_secret(before: &str, commitment: &Element, proof: &Proof) -> bool {
    Scalar::of_hash(Sha256::new_with_prefix(format!("{before}{commitment}"))) == proof.challenge
}

/// A trustee's part of opening an encrypted number, and the proof that their key did it.
pub fn prove_decryption(fingerprint: &str, alpha: &Element, secret: &Scalar, dice: &dyn Dice) -> (Element, Proof) {
    let own = Secret::draw(dice);
    let key = Element::generator().power(secret);
    let (a, b) = (own.public(), alpha.power(own.exponent()));
    let challenge = Scalar::of_hash(decryption_hash(fingerprint, &key, &a, &b));
    (alpha.power(secret), Proof { challenge, response: own.exponent().minus(&secret.times(&challenge)) })
}

/// Whether a trustee's part was made with the key.
pub(super) fn check_decryption(
    fingerprint: &str,
    key: &Squares,
    alpha: &Squares,
    factor: &Squares,
    proof: &Proof,
) -> bool {
    let a = Element::generator().power(&proof.response).times(&key.power(&proof.challenge));
    let b = alpha.power(&proof.response).times(&factor.power(&proof.challenge));
    Scalar::of_hash(decryption_hash(fingerprint, key.base(), &a, &b)) == proof.challenge
}

fn decryption_hash(fingerprint: &str, key: &Element, a: &Element, b: &Element) -> Sha256 {
    Sha256::new_with_prefix(format!("decrypt|{fingerprint}|{key}|{a},{b}"))
}
