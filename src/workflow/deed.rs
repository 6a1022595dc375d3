//! Acts about one subject, or kits: asked by whom, of which subject, with which reason; then confirmed and done.
//!
//! The same order for all: what is lacking is asked for, the role is looked at, then the subject and its site, then the
//! reply to a one-time token; only then the act itself, in the file of its own. Whatever is refused stands in the chain.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::accept::{self, Asking};
use super::compose::{self, Addressing};
use super::enroll::{self, Confirmed, Enrolled};
use super::ledger::Ledger;
use super::{Failure, Settled, apart, binding, confirm, kit_deed, note, rescreen, unblind};
use crate::domain::deed::{Deed, Lack, Wanted};
use crate::domain::language::Language;
use crate::domain::request::Act;
use crate::domain::text;
use crate::letters::Facts;
use crate::letters::facts::{DeedConfirm, DeedForm, KitRefused, NotEntitled, ReadCorrection};
use crate::limits;
use crate::store::subject::{self, SubjectRow};

/// A deed that waits for the reply: the subject is known by now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WaitingDeed {
    deed: String,
    subject: Option<i64>,
    reason: String,
    changes: BTreeMap<String, String>,
    /// Kits to be kept back; or the one that the subject had when another was asked for.
    #[serde(default)]
    kits: Vec<String>,
    /// Id of the allocation that an error is about.
    #[serde(default)]
    randomization: Option<String>,
    /// Language of the request: its confirmation is often too short to tell.
    language: String,
}

impl WaitingDeed {
    /// What waits, of the subject of that number if it is about one.
    pub(super) fn new(wanted: &Wanted, subject: Option<i64>, language: Language) -> WaitingDeed {
        WaitingDeed {
            deed: wanted.deed.key().to_string(),
            subject,
            reason: wanted.reason.clone(),
            changes: wanted.changes.clone(),
            kits: wanted.kits.clone(),
            randomization: wanted.randomization.clone(),
            language: language.code().to_string(),
        }
    }

    /// Whether a closed study does not do it any more.
    pub(super) fn ends_with_study(&self) -> bool {
        self.deed == Deed::ReplaceKit.key()
    }
}

/// Carries a deed out as far as it goes, and answers.
pub(super) async fn deed(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &Wanted,
    confirmed: Confirmed,
) -> Result<Settled, Failure> {
    let study = asking.study();
    if wanted.deed.concerns_kits() && !study.hands_out_kits() {
        return kit_deed::refuse(ledger, asking, wanted, None, KitRefused::new(wanted.deed, "none")).await;
    }
    if !wanted.deed.allowed(study, asking.person) {
        return refused(ledger, asking, wanted, None, "no-role").await;
    }
    let lacks = wanted.lacks();
    if !lacks.is_empty() {
        return lacking(ledger, asking, wanted, &lacks).await;
    }
    if wanted.deed == Deed::QuarantineKit {
        return kit_deed::quarantine(ledger, asking, wanted, confirmed).await;
    }
    let found = match find(ledger, asking, wanted).await? {
        Found::One(found) => found,
        Found::None => return unknown(ledger, asking, wanted).await,
        Found::Several if wanted.deed == Deed::ReplaceKit => {
            return lacking(ledger, asking, wanted, &[Lack::SubjectOrKit]).await;
        }
        Found::Several => return lacking(ledger, asking, wanted, &[Lack::Subject]).await,
    };
    if !asking.person.acts_for_any(found.sites()) {
        append_refusal(ledger, asking, wanted, Some(&found), "site-not-theirs").await?;
        return unknown(ledger, asking, wanted).await;
    }
    let site_token = found.sites().any(|site| asking.arrival.site_token == Some(site));
    if study.trust.token && confirmed == Confirmed::NotYet && !site_token {
        return refused(ledger, asking, wanted, Some(&found), "no-token").await;
    }
    let enrolled = accept::load(ledger, found.id).await?;
    match wanted.deed {
        Deed::Unblind => apart(|| unblind::by_mail(ledger, asking, wanted, &enrolled, confirmed)).await,
        Deed::Withdraw | Deed::Correct | Deed::InError | Deed::Ineligible => {
            apart(|| note::by_mail(ledger, asking, wanted, &enrolled, confirmed)).await
        }
        Deed::ReplaceKit | Deed::QuarantineKit => {
            apart(|| kit_deed::replace(ledger, asking, wanted, &enrolled, confirmed)).await
        }
    }
}

/// Goes on with a deed that waited.
pub(super) async fn resume(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    waiting: WaitingDeed,
    confirmed: Confirmed,
) -> Result<Settled, Failure> {
    let deed = Deed::find(&waiting.deed)
        .ok_or_else(|| Failure::Contradiction(format!("a waiting request asks for {}", waiting.deed)))?;
    let wanted = Wanted {
        deed,
        subject: waiting.subject.map(|number| asking.study().subject_number(number)).unwrap_or_default(),
        site: None,
        reason: waiting.reason,
        changes: waiting.changes,
        kits: waiting.kits,
        randomization: waiting.randomization,
        which: String::new(),
        unused: Vec::new(),
    };
    let asking = Asking { language: Language::find(&waiting.language).unwrap_or(asking.language), ..asking };
    self::deed(ledger, asking, &wanted, confirmed).await
}

/// Keeps a deed and mails the token to the sender's address on file.
pub(super) async fn ask(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &Wanted,
    enrolled: &Enrolled,
    read: ReadCorrection,
) -> Result<Settled, Failure> {
    let waiting = WaitingDeed::new(wanted, Some(enrolled.subject.number), asking.language);
    let (reply_to, expires_at) = confirm::wait(ledger, asking, &confirm::Waiting::Deed(waiting)).await?;
    let number = asking.study().subject_number(enrolled.subject.number);
    let answers = enrolled.answers()?;
    let enrollment = compose::enrollment(asking.shelved, enrolled, &number, &answers);
    let facts =
        DeedConfirm::new(&enrollment, wanted.deed, &wanted.reason, read, &reply_to, expires_at, asking.language)
            .with_kits(&wanted.kits);
    let facts = match wanted.randomization.as_deref().and_then(|id| asking.study().find_randomization(id)) {
        Some(own) => facts.of_allocation(&own.title, asking.language),
        None => facts,
    };
    let to = Addressing {
        reply_to: Some(&reply_to),
        site: Some(&enrolled.subject.site),
        subject_id: Some(enrolled.subject.id),
        ..asking.to_sender()
    };
    let settled = Settled { subject_id: Some(enrolled.subject.id), ..asking.settled("reply", "to-confirm") };
    asking.reply(ledger, to, Facts::DeedConfirm(facts), settled).await
}

/// Subjects that a request can mean.
pub(super) enum Found {
    None,
    One(Box<SubjectRow>),
    Several,
}

/// The subject that a deed means.
async fn find(ledger: &mut Ledger<'_>, asking: Asking<'_>, wanted: &Wanted) -> Result<Found, Failure> {
    if wanted.subject.is_empty() {
        return kit_deed::whose(ledger, asking, &wanted.kits).await;
    }
    match find_named(ledger, asking, &wanted.subject, wanted.site.as_deref()).await? {
        // Behind the words of the subject line a kit's code may stand, too.
        Found::None if wanted.deed == Deed::ReplaceKit && wanted.kits.is_empty() => {
            kit_deed::whose(ledger, asking, std::slice::from_ref(&wanted.subject)).await
        }
        found => Ok(found),
    }
}

/// The subject of that name: by our number, else by the reference of the sender's sites. Which of several is not guessed.
pub(super) async fn find_named(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &str,
    site: Option<&str>,
) -> Result<Found, Failure> {
    let (study, id) = (asking.study(), asking.shelved.id);
    if let Some(number) = study.parse_subject_number(wanted) {
        let found = subject::find_by_number(&mut ledger.tx, id, number).await?;
        return Ok(found.map_or(Found::None, |found| Found::One(Box::new(found))));
    }
    let site = site.map(text::fold_tight);
    let mut keys = match study.sites.iter().find(|one| Some(text::fold_tight(&one.code)) == site) {
        Some(site) => vec![enroll::key_of(study, &site.code, wanted)],
        None => enroll::possible_keys(study, asking.person, &text::fold_tight(wanted)),
    };
    keys.truncate(limits::SITES);
    let mut only = None;
    for key in keys {
        if let Some(found) = subject::find_by_reference(&mut ledger.tx, id, &key).await? {
            let disputed = binding::is_disputed(&mut ledger.tx, &found, &key).await?;
            if disputed || only.replace(found).is_some() {
                return Ok(Found::Several);
            }
        }
    }
    match only {
        Some(found) => Ok(Found::One(Box::new(rescreen::latest(&mut ledger.tx, found).await?))),
        None => Ok(Found::None),
    }
}

/// The subject that an error is about, as far as it can be told and the sender may hear of it.
async fn known(ledger: &mut Ledger<'_>, asking: Asking<'_>, wanted: &Wanted) -> Result<Option<Enrolled>, Failure> {
    if asking.study().randomizations.is_empty() || wanted.subject.is_empty() {
        return Ok(None);
    }
    let named = find_named(ledger, asking, &wanted.subject, wanted.site.as_deref()).await?;
    let Found::One(found) = named else { return Ok(None) };
    let site_token = found.sites().any(|site| asking.arrival.site_token == Some(site));
    if !asking.person.acts_for_any(found.sites()) || asking.study().trust.token && !site_token {
        return Ok(None);
    }
    Ok(Some(accept::load(ledger, found.id).await?))
}

/// The form to fill in.
pub(super) async fn lacking(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &Wanted,
    lacks: &[Lack],
) -> Result<Settled, Failure> {
    let facts = DeedForm::new(wanted, lacks);
    let facts = match wanted.deed {
        Deed::Correct => facts.with_items(&asking.reader(), wanted, &note::forms(asking.study(), None)),
        deed if deed.of_allocation() => {
            let facts = facts.with_allocations(asking.study(), wanted, asking.language);
            match Box::pin(known(ledger, asking, wanted)).await? {
                Some(enrolled) => facts.with_had(note::had(asking.study(), &enrolled, asking.language)),
                None => facts,
            }
        }
        _ => facts,
    };
    let facts = Facts::DeedForm(facts);
    let reason = format!("lacking:{}", lacks.iter().map(|lack| lack.key()).collect::<Vec<_>>().join(","));
    asking.reply(ledger, asking.to_sender(), facts, asking.settled("reply_error", reason)).await
}

pub(super) async fn unknown(ledger: &mut Ledger<'_>, asking: Asking<'_>, wanted: &Wanted) -> Result<Settled, Failure> {
    let named = (Some(wanted.subject.as_str()), wanted.site.as_deref());
    let facts = Facts::StatusUnknown(accept::unknown(ledger, asking, named).await?);
    asking.reply(ledger, asking.to_sender(), facts, asking.settled("reply", "status-unknown")).await
}

pub(super) async fn refused(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &Wanted,
    found: Option<&SubjectRow>,
    why: &str,
) -> Result<Settled, Failure> {
    append_refusal(ledger, asking, wanted, found, why).await?;
    let act = Act::Deed(wanted.clone());
    let facts = if why == "no-token" { NotEntitled::without_token(&act) } else { NotEntitled::new(&act) };
    asking.reply(ledger, asking.to_sender(), Facts::NotEntitled(facts), asking.settled("reply", "not-entitled")).await
}

pub(super) async fn append_refusal(
    ledger: &mut Ledger<'_>,
    asking: Asking<'_>,
    wanted: &Wanted,
    found: Option<&SubjectRow>,
    why: &str,
) -> Result<(), Failure> {
    let (tx, page) = ledger.lock(asking.shelved).await?;
    let body = json!({ "deed": wanted.deed.key(), "subject": found.map(|found| found.number),
                       "inbox": asking.arrival.inbox_id, "why": why });
    enroll::append(tx, page, asking.means, &asking.person.id, "refuse-deed", &body).await?;
    Ok(())
}
