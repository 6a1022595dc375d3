//! The draw convention, pinned by vectors that an independent program made.

use hagaki::domain::allocation::draw::Draw;
use hagaki::domain::allocation::{Origin, Replayed, Row, replay};
use num_bigint::BigUint;
use serde_json::Value;

use super::*;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../data/allocation/draw-vectors.json")).unwrap()
}

fn secret(value: &Value) -> [u8; 32] {
    data_encoding::HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap().try_into().unwrap()
}

#[test]
fn integers_are_those_of_the_convention() {
    let mut checked = 0;
    for vector in vectors()["integers"].as_array().unwrap() {
        let mut draw = Draw::new(&secret(&vector["secret"]), vector["number"].as_str().unwrap().parse().unwrap());
        let pairs = vector["below"].as_array().unwrap().iter().zip(vector["value"].as_array().unwrap());
        for (below, value) in pairs {
            let (below, value) = (below.as_str().unwrap(), value.as_str().unwrap());
            let drawn = match below.parse::<u64>() {
                Ok(below) => BigUint::from(draw.below(below)),
                Err(_) => draw.below_any(&below.parse().unwrap()),
            };
            assert_eq!(drawn.to_string(), value, "below {below}");
            checked += 1;
        }
    }
    assert_eq!(checked, 15 * 18);
}

fn sequence(name: &str) -> ([u8; 32], Vec<Value>) {
    let vectors = vectors();
    let found = vectors["sequences"].as_array().unwrap().iter().find(|sequence| sequence["scheme"] == name).unwrap();
    (secret(&found["secret"]), found["rows"].as_array().unwrap().clone())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn a_simple_sequence() {
    let scheme = scheme(
        "method = \"simple\"\narms = [ { code = \"C\", ratio = 3 }, { code = \"A\", ratio = 1 }, { code = \"B\", ratio = 2 } ]",
    );
    let (secret, rows) = sequence("simple");
    let mut state = State::new(&scheme);
    for (number, arm) in (1..).zip(rows) {
        let decision = state.decide(&scheme, &Levels::new(), &secret, number).unwrap();
        assert_eq!(decision.allotment.arm, text(&arm), "number {number}");
        state.record(&scheme, &Levels::new(), &decision.allotment).unwrap();
    }
}

#[test]
fn a_sequence_of_stratified_blocks() {
    let scheme = scheme(
        "method = \"block\"\narms = [ { code = \"Y\" }, { code = \"X\" } ]\nstrata = [\"site\"]\n[block]\nsizes = [6, 4]\nweights = [\"3/2\", 1]",
    );
    let (secret, rows) = sequence("block");
    let rows: Vec<Row> = (1..)
        .zip(rows)
        .map(|(number, row)| Row {
            number,
            levels: levels(&[("site", row[0].as_str().unwrap())]),
            allotment: Allotment { arm: text(&row[1]), slot: None, block_size: row[2].as_u64() },
            origin: Origin::Drawn,
        })
        .collect();
    let state = replay(&scheme, &secret, rows.clone()).unwrap();
    assert_eq!(state.total(), 80);
    // Anything changed is found where it was changed.
    for at in [0, 17, 79] {
        let mut changed = rows.clone();
        let arm = &mut changed[at].allotment.arm;
        *arm = if arm == "X" { "Y" } else { "X" }.to_owned();
        let difference = replay(&scheme, &secret, changed).unwrap_err();
        assert_eq!(difference.number, at as u64 + 1);
        assert_eq!(difference.expected, Replayed::Allotted(rows[at].allotment.clone()));
        let mut changed = rows.clone();
        changed[at].allotment.block_size = Some(10 - changed[at].allotment.block_size.unwrap());
        assert_eq!(replay(&scheme, &secret, changed).unwrap_err().number, at as u64 + 1);
    }
    let mut missing = rows.clone();
    missing.remove(5);
    assert_eq!(replay(&scheme, &secret, missing).unwrap_err().expected, Replayed::Number(6));
    let mut other = secret;
    other[31] ^= 1;
    assert!(replay(&scheme, &other, rows).is_err());
}

#[test]
fn a_sequence_of_minimization() {
    // Codes sort as text: "1", "10", "2".
    let scheme = scheme(
        "method = \"minimization\"\narms = [ { code = \"2\" }, { code = \"10\" }, { code = \"1\" } ]\n\
         factors = [ { id = \"site\", weight = 0.5 }, { id = \"sex\", weight = 2, levels = [\"M\", \"F\"] } ]\n\
         [minimization]\ndistance = \"range\"\nrule = \"best\"\np = 0.8",
    );
    let (secret, rows) = sequence("minimization");
    let mut state = State::new(&scheme);
    for (number, row) in (1..).zip(rows) {
        let subject = levels(&[("sex", row[0].as_str().unwrap()), ("site", row[1].as_str().unwrap())]);
        let decision = state.decide(&scheme, &subject, &secret, number).unwrap();
        let arms = decision.outlook.arms(&scheme);
        let expected: Vec<String> = ["2", "10", "1"]
            .iter()
            .map(|code| text(&row[3][["1", "10", "2"].iter().position(|sorted| sorted == code).unwrap()]))
            .collect();
        assert_eq!(probabilities(&arms), expected, "number {number}");
        assert_eq!(decision.allotment.arm, text(&row[2]), "number {number}");
        assert_eq!(decision, state.decide(&scheme, &subject, &secret, number).unwrap());
        state.record(&scheme, &subject, &decision.allotment).unwrap();
    }
}
