//! Corrections in which everything is wrong or unusual that can be.

use super::sample;
use crate::domain::deed::Lack;
use crate::domain::language::Language;
use crate::letters::facts::{
    Change, DeedForm, Facts, FaultLine, FormLine, FormNames, Lacking, MisnamedLine, RandomizationName, UnknownKey,
};
use crate::letters::kind::Kind;

/// The form of a correction in which everything is wrong that can be.
pub(super) fn of_correction(facts: &DeedForm) -> DeedForm {
    let second = RandomizationName { id: "second".into(), title: "second randomization".into() };
    let why = ["unknown", "calculated", "not-there", "several"];
    let misnamed = |key: &str| MisnamedLine {
        label: "Severity".into(),
        partial: format!("misname-{key}"),
        from: vec!["Score".into(), "Age".into()],
        randomizations: vec![second.clone()],
    };
    let change =
        Change { randomization: String::new(), label: "Age".into(), shown: true, was: "56".into(), is: "56".into() };
    let line = |more: Vec<String>| FormLine {
        key: "Remarks".into(),
        value: "first line".into(),
        more,
        required: false,
        faults: Vec::new(),
        expected: None,
        question: String::new(),
    };
    let names =
        |randomization: &str, more| FormNames { randomization: randomization.into(), names: vec!["Age".into()], more };
    DeedForm {
        lacks: [Lack::Changes, Lack::OnFile, Lack::Randomization].map(Lacking::of).into(),
        misnamed: why.map(misnamed).into(),
        same: vec![Change { randomization: "second randomization".into(), ..change.clone() }, change],
        unused: unused(),
        typed: vec![line(Vec::new()), line(vec!["second line".into()])],
        items: vec![names("", false), names("second randomization", true)],
        which: "third".into(),
        randomizations: vec![second],
        ..facts.clone()
    }
}

pub(super) fn unused() -> Vec<UnknownKey> {
    vec![UnknownKey { key: "Color".into(), value: "blue".into() }]
}

/// What is unusual of a correction: a value, and two that do not go together.
pub(super) fn doubts() -> Vec<FaultLine> {
    let Facts::DeedForm(DeedForm { faults, .. }) = sample(Kind::DeedForm, Language::En).facts else {
        return Vec::new();
    };
    let check = |own: &FaultLine| FaultLine {
        code: "check".into(),
        partial: "fault-check".into(),
        message: "Earlier than birth.".into(),
        ..own.clone()
    };
    faults.iter().flat_map(|own| [own.clone(), check(own)]).collect()
}
