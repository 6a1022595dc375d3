//! Single computations with all randomness fixed, made elsewhere.

use std::sync::Mutex;

use hagaki::domain::belenios::credential::Credential;
use hagaki::domain::belenios::element::Element;
use hagaki::domain::belenios::json::base64_digest;
use hagaki::domain::belenios::proofs::{self, Claim, Proof};
use hagaki::domain::belenios::scalar::Scalar;
use hagaki::domain::belenios::tar;
use hagaki::domain::time::Dice;
use serde_json::Value;

/// Dice that give the numbers that a case fixes, as [`Scalar::draw`] takes them: 256 zero bits, and the number.
struct Fixed(Mutex<Vec<[u8; 32]>>);

impl Fixed {
    fn of(numbers: &[&Value]) -> Fixed {
        let mut bytes = Vec::new();
        for number in numbers.iter().rev() {
            let number: num_bigint::BigUint = number.as_str().unwrap().parse().unwrap();
            let mut low = [0; 32];
            let own = number.to_bytes_be();
            low[32 - own.len()..].copy_from_slice(&own);
            bytes.extend([low, [0; 32]]);
        }
        Fixed(Mutex::new(bytes))
    }
}

impl Dice for Fixed {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.0.lock().unwrap().pop().expect("no more than is fixed is drawn"));
    }
}

fn cases() -> Value {
    serde_json::from_str(include_str!("../../data/election/belenios/primitives.json")).unwrap()
}

fn scalar(value: &Value) -> Scalar {
    Scalar::parse(value.as_str().unwrap()).unwrap()
}

fn element(value: &Value) -> Element {
    Element::parse(value.as_str().unwrap()).unwrap()
}

fn proof(value: &Value) -> Proof {
    Proof { challenge: scalar(&value["challenge"]), response: scalar(&value["response"]) }
}

#[test]
fn digests_and_keys() {
    let cases = cases();
    for case in cases["sha256_b64"].as_array().unwrap() {
        assert_eq!(base64_digest(case["text"].as_str().unwrap().as_bytes()), case["value"]);
    }
    for case in cases["credentials"].as_array().unwrap() {
        let credential = Credential::parse(case["credential"].as_str().unwrap()).unwrap();
        assert_eq!(credential.text(), case["credential"]);
        let secret = credential.secret(case["uuid"].as_str().unwrap());
        assert_eq!(secret.digits().as_str(), case["secret_exponent"]);
        assert_eq!(secret.public(), element(&case["public_key"]));
        assert_eq!(secret.public().to_string(), case["public_key"]);
    }
}

#[test]
fn a_trustees_proof() {
    let case = &cases()["pok"];
    let before = format!("pok|BELENIOS-2048|{}|", case["public_key"].as_str().unwrap());
    let made = proofs::prove_secret(&before, &scalar(&case["x"]), &Fixed::of(&[&case["w"]]));
    assert_eq!(made, proof(case));
}

#[test]
fn a_ballots_signature() {
    let case = &cases()["ballot_signature"];
    let hash = base64_digest(case["hashed_text"].as_str().unwrap().as_bytes());
    assert_eq!(hash, case["hash"]);
    // The secret is that of the last credential, or of the one that fits.
    let cases = cases();
    let fits = cases["credentials"].as_array().unwrap().iter().any(|credential| {
        let secret = scalar(&credential["secret_exponent"]);
        let made = proofs::prove_secret(&format!("sig|{hash}|"), &secret, &Fixed::of(&[&case["w"]]));
        made == proof(case)
    });
    assert!(fits);
}

#[test]
fn an_interval_proof() {
    let case = &cases()["interval_proof"];
    let (alpha, beta) = (element(&case["alpha"]), element(&case["beta"]));
    let key = element(&case["y"]);
    let fake = &case["fake_branch_0"];
    // Of each branch first a challenge, which the true one does not use, and then a response.
    let unused = Value::from("0");
    let dice = Fixed::of(&[&fake["challenge"], &fake["response"], &unused, &case["w_true_branch"]]);
    let hash = proofs::interval_hash(case["S"].as_str().unwrap(), &alpha.to_string(), &beta.to_string());
    let claims = [0, 1].map(|value| Claim { alpha, beta, value });
    let made = proofs::prove_branches(&key, hash, &claims, 1, &scalar(&case["r"]), &dice);
    let expected: Vec<Proof> = case["proof"].as_array().unwrap().iter().map(proof).collect();
    assert_eq!(made, expected);
    assert_eq!(made[0].challenge.plus(&made[1].challenge), scalar(&case["total_challenge"]));
}

#[test]
fn a_decryption() {
    let case = &cases()["decryption_proof"];
    let dice = Fixed::of(&[&case["w"]]);
    let (factor, made) =
        proofs::prove_decryption(case["phi"].as_str().unwrap(), &element(&case["alpha"]), &scalar(&case["x"]), &dice);
    assert_eq!(factor, element(&case["factor"]));
    assert_eq!(made, proof(case));
}

#[test]
fn the_first_block_of_an_archive() {
    let cases = cases();
    let body = cases["tar_first_body"].as_str().unwrap();
    let head = tar::head("BELENIOS", body.len(), cases["tar_timestamp"].as_u64().unwrap()).unwrap();
    assert_eq!(data_encoding::HEXLOWER.encode(&head), cases["tar_first_block_hex"]);
}
