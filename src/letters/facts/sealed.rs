//! Facts of letters about OpenPGP: a mail that is not taken as it came, and a letter that does not leave in the clear. Nothing of a case
//! and nothing of what was decrypted is in these types.

use serde::{Deserialize, Serialize};

use super::short;
use crate::domain::openpgp::{Certificate, Fault, Unusable};
use crate::domain::study::Sealing;

/// A mail was not acted on because of how it was sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealRefused {
    /// Why: templates `seal-<code>` word it.
    pub faults: Vec<SealFaultLine>,
    /// Whether the study demands a signature.
    pub signed: bool,
    /// Whether the study demands encryption.
    pub encrypted: bool,
    /// Our own public key in ASCII armor, where the sender needs it; else empty.
    pub our_key: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// Fingerprint of the sender's key on file; empty if there is none.
    pub on_file: String,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealFaultLine {
    /// Its key.
    pub code: String,
    /// Name of the template that words it.
    pub partial: String,
}

impl SealRefused {
    /// For these reasons, by a study that demands that; `ours` is our own key, `theirs` the sender's on file.
    pub fn new(
        faults: &[Fault],
        demanded: Sealing,
        ours: Option<&Certificate>,
        theirs: Option<&Certificate>,
    ) -> SealRefused {
        let needed = ours.filter(|_| faults.iter().any(|fault| fault.needs_our_key()));
        let line =
            |fault: &Fault| SealFaultLine { code: fault.key().to_string(), partial: format!("seal-{}", fault.key()) };
        SealRefused {
            faults: faults.iter().map(line).collect(),
            signed: demanded.signed,
            encrypted: demanded.encrypted,
            our_key: needed.map(|own| own.armored().replace("\r\n", "\n").trim_end().to_string()).unwrap_or_default(),
            fingerprint: needed.map(Certificate::fingerprint).unwrap_or_default(),
            on_file: theirs.map(Certificate::fingerprint).unwrap_or_default(),
        }
    }
}

/// A letter with case data was not sent, because it could not be encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// Why: `no-key`, `expired`, `revoked`, `before` (the letter is older than the key on file) or `failed`.
    pub why: String,
    /// Fingerprint of the key on file; empty if there is none.
    pub on_file: String,
    /// The page on which the case can be seen after signing in; empty where there is none.
    pub page: String,
}

impl Withheld {
    /// Because of the state of the reader's certificate; pages begin with `public_url`.
    pub fn new(theirs: Option<(&Certificate, Result<(), Unusable>)>, public_url: &str, slug: &str) -> Withheld {
        let why = match theirs {
            None => "no-key",
            Some((_, Ok(()))) => "failed",
            Some((_, Err(Unusable::Expired(_)))) => "expired",
            Some((_, Err(Unusable::Revoked))) => "revoked",
        };
        let page = match public_url.trim_end_matches('/') {
            "" => String::new(),
            base => format!("{base}/c/{slug}"),
        };
        let on_file = theirs.map(|(own, _)| own.fingerprint()).unwrap_or_default();
        Withheld { why: why.to_string(), on_file, page: short(&page) }
    }

    /// Because the letter was written before the key on file was.
    pub fn of_before(self) -> Withheld {
        Withheld { why: "before".to_string(), ..self }
    }
}
