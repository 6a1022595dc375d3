//! OpenPGP in the words of `hagaki doctor`: our own key, and the keys of the people of studies that run.

use super::Finding;
use crate::definition::{Weight, key_troubles};
use crate::domain::openpgp::Unusable;
use crate::domain::study::Sealing;
use crate::domain::time::{Instant, Zone};
use crate::limits;
use crate::settings::{MailboxSettings, Settings};
use crate::store::Store;
use crate::store::study::{self, State};
use crate::workflow::shelf::Shelf;

/// Our own keys.
pub(super) fn own_keys(settings: &Settings, now: Instant) -> Vec<Finding> {
    settings.mailboxes.iter().filter_map(|mailbox| own_key(mailbox, now)).collect()
}

fn own_key(mailbox: &MailboxSettings, now: Instant) -> Option<Finding> {
    let own = mailbox.openpgp.as_ref()?.certificate();
    let what = format!("mailbox {}: OpenPGP key {}", mailbox.name, own.fingerprint());
    let trouble = match own.check(now) {
        Ok(()) => None,
        Err(Unusable::Revoked) => Some("it was revoked; make another by hagaki key openpgp make".to_string()),
        Err(Unusable::Expired(end)) => Some(format!("it expired at {}", end.local(Zone::UTC))),
    };
    if trouble.is_some() {
        return Some(Finding::new(what, trouble));
    }
    let soon = now.plus_seconds(limits::OPENPGP_WARN_DAYS * 24 * 3600);
    if let Some(end) = own.expires().filter(|end| *end <= soon) {
        let warning = format!("it expires at {}; prolong it and hand it out again", end.local(Zone::UTC));
        return Some(Finding::warned(what, warning));
    }
    let address = mailbox.address.to_lowercase();
    Some(match own.addresses().contains(&address) {
        true => Finding::new(what, None),
        false => Finding::warned(what, format!("it names no {address}, so mail programs may not find it")),
    })
}

/// The keys of people, study by study; and studies that demand encryption where we have no key.
pub(super) async fn of_people(store: &Store, settings: &Settings, now: Instant) -> Vec<Finding> {
    let shelf = Shelf::new(store.clone());
    let keyless = settings.mailboxes.iter().any(|mailbox| mailbox.openpgp.is_none());
    let mut findings = Vec::new();
    for row in study::list(store).await.unwrap_or_default().iter().filter(|row| row.state != State::Closed) {
        // What cannot be read is told of elsewhere.
        let Ok(shelved) = shelf.load(row).await else { continue };
        let study = &shelved.study;
        if study.certificates.is_empty() && study.trust.openpgp == Sealing::default() && !study.trust.encrypt_letters {
            continue;
        }
        let what = format!("OpenPGP keys of {} ({})", row.slug, row.stage.key());
        let mut lines = key_troubles(study, now);
        if study.trust.openpgp.encrypted && keyless {
            lines.push(("mails must come encrypted, and a mailbox has no [openpgp]".to_string(), Weight::Error));
        }
        let of = |weight: Weight| -> Vec<&str> {
            lines.iter().filter(|(_, own)| *own == weight).map(|(line, _)| line.as_str()).collect()
        };
        let (errors, warnings) = (of(Weight::Error), of(Weight::Warning));
        findings.push(Finding {
            what,
            trouble: (!errors.is_empty()).then(|| format!("{}; amend the study with new ones", errors.join("; "))),
            warning: (!warnings.is_empty()).then(|| warnings.join("; ")),
        });
    }
    findings
}
