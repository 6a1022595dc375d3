//! `keys/ID.asc`: the OpenPGP certificates of the study's people, each called as its person.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bundle::{Bundle, KEYS};
use super::document::Report;
use super::problem::{Problem, Weight};
use super::study_file::{Located, did_you_mean};
use crate::domain::openpgp::{Certificate, CertificateFault, Unusable};
use crate::domain::study::{Person, Study, Trust};
use crate::domain::time::{Instant, Zone};
use crate::limits;

/// Reads every certificate, and says of whom there is none though the study needs it.
pub(super) fn read(
    bundle: &Bundle,
    people: &[Located<Person>],
    trust: Trust,
    report: &Report,
) -> BTreeMap<String, Arc<Certificate>> {
    let mut certificates: BTreeMap<String, Arc<Certificate>> = BTreeMap::new();
    let ids: Vec<&str> = people.iter().map(|person| person.value.id.as_str()).collect();
    for (path, content) in bundle.files().iter().filter(|(path, _)| path.starts_with(KEYS)) {
        let id = path.strip_prefix(KEYS).and_then(|name| name.strip_suffix(".asc")).unwrap_or_default();
        let certificate = match Certificate::parse(content) {
            Ok(certificate) => certificate,
            Err(fault) => {
                report.file(path, fault.to_string(), remedy(fault));
                continue;
            }
        };
        let Some(person) = people.iter().map(|person| &person.value).find(|person| person.id == id) else {
            report.warn(path, None, "", format!("nobody has the id \"{id}\""), did_you_mean(id, &ids));
            continue;
        };
        let print = certificate.fingerprint();
        if let Some((other, _)) = certificates.iter().find(|(_, known)| known.fingerprint() == print) {
            let right = "give each person their own, so that a signature tells who signed";
            report.file(path, format!("is the key of {other}, too"), right);
        }
        if !certificate.addresses().iter().any(|address| person.addresses.contains(address)) {
            let right = "make sure by its fingerprint that it is their key, or have the address added to it";
            report.warn(path, None, "", format!("names no address of {id} ({print})"), right);
        }
        if certificate.check(Instant(0)) == Err(Unusable::Revoked) {
            let right = "put a new key here; until then mails signed by it are refused, and letters with case data are withheld";
            report.warn(path, None, "", format!("the key of {id} was revoked"), right);
        }
        certificates.insert(id.to_string(), Arc::new(certificate));
    }
    warn_of_missing(people, &certificates, trust, report);
    certificates
}

fn warn_of_missing(
    people: &[Located<Person>],
    certificates: &BTreeMap<String, Arc<Certificate>>,
    trust: Trust,
    report: &Report,
) {
    for person in people.iter().filter(|person| !certificates.contains_key(&person.value.id)) {
        let enrolls = person.value.roles.iter().any(|role| role.enrolls());
        let wrong = match (trust.openpgp.signed && enrolls, trust.encrypt_letters) {
            (true, _) => "their mails are refused without a key on file",
            (false, true) => "letters with case data are withheld from them without a key on file",
            (false, false) => continue,
        };
        let right = format!("put their public key into {KEYS}{}.asc", person.value.id);
        report.warn(super::bundle::STUDY, Some(person.line), person.key.clone(), wrong, right);
    }
}

/// What is to be done about a file that is no certificate.
fn remedy(fault: CertificateFault) -> &'static str {
    match fault {
        CertificateFault::Unreadable => "export it by gpg --armor --export ADDRESS",
        CertificateFault::TooLarge => "export it by gpg --armor --export --export-options export-minimal ADDRESS",
        CertificateFault::Secret => {
            "remove it at once, tell its owner to revoke it, and export the public part of a new one by gpg --armor --export"
        }
        CertificateFault::Several => "keep the one that the person uses",
        CertificateFault::Version => "have them make a key of version 4, as GnuPG does",
        CertificateFault::Unbound => {
            "have them sign their name anew by gpg --cert-digest-algo SHA512 --quick-set-expire"
        }
        CertificateFault::NoEncryption => {
            "have them add a subkey that encrypts by gpg --quick-add-key FINGERPRINT default encr"
        }
        CertificateFault::Weak => "have them add a subkey of Curve25519 or of RSA with 3072 bits that encrypts",
    }
}

/// Keys that have expired by that moment, or are about to.
pub fn judge_keys(study: &Study, now: Instant) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (id, certificate) in &study.certificates {
        let soon = now.plus_seconds(limits::OPENPGP_WARN_DAYS * 24 * 3600);
        let Some(end) = certificate.expires().filter(|end| *end <= soon) else { continue };
        let day = end.local(study.zone);
        let (weight, wrong) = match end <= now {
            true => (Weight::Error, format!("the key of {id} expired on {day}")),
            false => (Weight::Warning, format!("the key of {id} expires on {day}")),
        };
        problems.push(Problem {
            file: format!("{KEYS}{id}.asc"),
            line: None,
            key: String::new(),
            wrong,
            right: "have them prolong it (gpg --quick-set-expire) and put it here again".to_string(),
            weight,
        });
    }
    problems
}

/// What is wrong with the keys of a study that runs, for whoever looks after the installation; one line each.
pub fn troubles(study: &Study, now: Instant) -> Vec<(String, Weight)> {
    let line = |id: &str, certificate: &Certificate| match certificate.check(now) {
        Err(Unusable::Revoked) => Some((format!("the key of {id} was revoked"), Weight::Error)),
        Err(Unusable::Expired(end)) => {
            Some((format!("the key of {id} expired at {}", end.local(Zone::UTC)), Weight::Error))
        }
        Ok(()) => None,
    };
    let mut lines: Vec<_> = study.certificates.iter().filter_map(|(id, own)| line(id, own)).collect();
    let ahead = judge_keys(study, now).into_iter().filter(|problem| problem.weight == Weight::Warning);
    lines.extend(ahead.map(|problem| (problem.wrong, problem.weight)));
    if study.trust.encrypt_letters {
        let lacking = study.people.iter().filter(|person| !study.certificates.contains_key(&person.id));
        lines.extend(lacking.map(|person| (format!("no key of {} is on file", person.id), Weight::Warning)));
    }
    lines
}
