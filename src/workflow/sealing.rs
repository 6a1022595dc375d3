//! Whether a letter is sealed by OpenPGP, leaves in the clear, or gives way to one that says nothing of the case.

use std::sync::Arc;

use super::accept::Asking;
use super::compose::Addressing;
use super::ledger::Ledger;
use super::shelf::ShelvedStudy;
use super::{Failure, Means, Settled};
use crate::domain::openpgp::{Certificate, Envelope, Fault, OwnKey};
use crate::domain::study::{Person, Study};
use crate::domain::time::Instant;
use crate::letters::facts::{SealRefused, Withheld};
use crate::letters::{Facts, Kind, sealed};

/// How a letter leaves.
pub(super) struct Sealed {
    /// What it states: what was to be, or what stands in its place.
    pub(super) facts: Facts,
    /// How it is sealed; none if it leaves in the clear.
    pub(super) seal: Option<Seal>,
}

/// How a letter is sealed, and what is sent if that fails.
#[derive(Clone)]
pub(super) struct Seal {
    pub(super) envelope: Envelope,
    pub(super) instead: Facts,
}

/// Decides how a letter leaves.
///
/// Whoever has a key on file gets what tells of cases or arms encrypted. What tells of a case gives way if it cannot be encrypted and the
/// study wants it to be, or the reader has a key that is good no more, or the mail that it answers came encrypted.
pub(super) fn decide(shelved: &ShelvedStudy, means: Means<'_>, to: &Addressing<'_>, facts: Facts) -> Sealed {
    let (study, kind) = (&shelved.study, facts.kind());
    let certificate = study.certificates.get(&to.person.id);
    let state = certificate.map(|own| (&**own, own.check(means.now)));
    let instead = |state| Facts::in_place_of(kind, Withheld::new(state, &means.desk.public_url, &study.slug));
    if let (Some(own), Some((_, Ok(()))), true) = (certificate, state, kind.tells_of_case() || kind.names_arm()) {
        let seal = Seal { envelope: envelope(means, own), instead: instead(state) };
        return Sealed { facts, seal: Some(seal) };
    }
    let answers_sealed = to.answers.is_some_and(|arrival| arrival.encrypted);
    // Participants, who have no key on file, are told of themselves.
    let demanded = study.trust.encrypt_letters && !to.person.id.is_empty() && !kind.is_participants();
    if !kind.tells_of_case() || !(demanded || certificate.is_some() || answers_sealed) {
        return Sealed { facts, seal: None };
    }
    let why = match state {
        None => "no key",
        Some(_) => "its key is good no more",
    };
    tracing::warn!(
        study = study.slug,
        person = to.person.id,
        kind = kind.key(),
        why,
        "a letter with case data is withheld"
    );
    metrics::counter!("hagaki_letters_withheld_total", "study" => study.slug.clone()).increment(1);
    Sealed { facts: instead(state), seal: None }
}

/// Why a letter of before may not leave once more as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stale {
    /// It is in the clear, and would be sealed by now.
    InTheClear,
    /// It is sealed, and not for a key that its reader has on file and can use.
    OtherKey,
}

/// Why those bytes, which were a letter to somebody once, may not leave again.
pub(super) fn stale(study: &Study, person: &Person, now: Instant, (kind, raw): (Kind, &[u8])) -> Option<Stale> {
    let certificate = study.certificates.get(&person.id);
    if let Some(armored) = sealed::armored(raw) {
        let theirs = certificate.is_some_and(|own| own.opens(armored, now));
        return (!theirs).then_some(Stale::OtherKey);
    }
    let demanded = study.trust.encrypt_letters && !person.id.is_empty() && !kind.is_participants();
    (kind.tells_of_case() && (demanded || certificate.is_some())).then_some(Stale::InTheClear)
}

/// What is sent in place of such a letter: that there is something, where to look, and how to have it.
pub(super) fn in_place_of(study: &Study, means: Means<'_>, person: &Person, kind: Kind) -> Facts {
    let state = study.certificates.get(&person.id).map(|own| (&**own, own.check(means.now)));
    let withheld = Withheld::new(state, &means.desk.public_url, &study.slug);
    // Nothing is wrong with their key: the letter is older than it.
    let good = matches!(state, Some((_, Ok(()))));
    Facts::in_place_of(kind, if good { withheld.of_before() } else { withheld })
}

fn envelope(means: Means<'_>, to: &Arc<Certificate>) -> Envelope {
    let mut seed = [0; 32];
    means.dice.fill(&mut seed);
    Envelope { to: Arc::clone(to), by: means.desk.openpgp.clone(), at: means.now, seed }
}

impl Kind {
    /// Whether it is for participants, of whom no key is on file.
    pub(super) const fn is_participants(self) -> bool {
        matches!(self, Kind::SurveyRefused | Kind::SurveyDone | Kind::SurveyConfirm)
    }
}

/// Tells whoever wrote why their mail is not taken as it was sealed. The message counts as not seen: once the study has the right key,
/// the same mail is taken.
///
/// # Errors
/// The database, a broken template.
pub(super) async fn refuse(ledger: &mut Ledger<'_>, asking: Asking<'_>, faults: &[Fault]) -> Result<Settled, Failure> {
    let study = asking.study();
    let ours = asking.means.desk.openpgp.as_deref().map(OwnKey::certificate);
    let theirs = study.certificates.get(&asking.person.id).map(|own| &**own);
    let facts = SealRefused::new(faults, study.trust.openpgp, ours, theirs);
    let settled = asking.settled("reply_error", "sealed-wrong");
    asking.reply(ledger, asking.to_sender(), Facts::SealRefused(facts), settled).await
}
