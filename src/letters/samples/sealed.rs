//! Samples of the letters about OpenPGP.

use crate::domain::openpgp::Fault;
use crate::letters::facts::{Facts, SealFaultLine, SealRefused, Withheld};

/// What differs most from a sample; nothing of any other letter.
pub(super) fn variants(full: &Facts) -> Vec<Facts> {
    let withheld = |facts: &Withheld| {
        ["expired", "revoked", "before", "failed"].map(|why| Withheld {
            why: why.to_string(),
            on_file: "0A1B2C3D4E5F60718293A4B5C6D7E8F901234567".to_string(),
            page: if why == "failed" { String::new() } else { facts.page.clone() },
        })
    };
    match full {
        Facts::SealRefused(facts) => {
            let all = Fault::ALL
                .map(|fault| SealFaultLine { code: fault.key().to_string(), partial: format!("seal-{}", fault.key()) });
            let every = SealRefused { faults: all.into(), encrypted: false, ..facts.clone() };
            let bare = SealRefused {
                signed: false,
                our_key: String::new(),
                fingerprint: String::new(),
                on_file: String::new(),
                ..facts.clone()
            };
            let neither = SealRefused { encrypted: false, ..bare.clone() };
            [every, bare, neither].map(Facts::SealRefused).into()
        }
        Facts::AssignmentWithheld(facts) => withheld(facts).map(Facts::AssignmentWithheld).into(),
        Facts::AnswerWithheld(facts) => withheld(facts).map(Facts::AnswerWithheld).into(),
        Facts::NoticeWithheld(facts) => withheld(facts).map(Facts::NoticeWithheld).into(),
        _ => Vec::new(),
    }
}
