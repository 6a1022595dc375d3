//! Credentials of voters: one for each who votes on the web, made when rules and roll are frozen; another in its place, for a reason, until
//! the cut-off. A secret leaves with whoever asked for it, and is kept nowhere.

use serde_json::json;

use super::letters::{self, Office};
use super::roll::silent;
use super::{ElectionError, Refusal, call_back, enter};
use crate::domain::credential::{Secret, Validity};
use crate::domain::election::Terms;
use crate::domain::election::letters::Occasion;
use crate::domain::election::phase::{Change, Phase, Step, Unlawful};
use crate::domain::election::roll::Entry;
use crate::domain::survey::Mark;
use crate::domain::time::Instant;
use crate::limits;
use crate::store::credential::{self, CredentialRow, State};
use crate::store::voter::{self, VoterRow};
use crate::store::voter_letter;
use crate::workflow::Means;
use crate::workflow::compose;
use crate::workflow::entry::append;
use crate::workflow::ledger::Ledger;
use crate::workflow::life::Act;
use crate::workflow::shelf::{Shelf, ShelvedStudy};

/// A credential that was made, with the secret that is not kept.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Whose.
    pub entry: Entry,
    /// The secret in its link.
    pub secret: Secret,
    /// When it is good.
    pub validity: Validity,
}

impl Issued {
    /// The link by which its voter votes.
    pub fn link(&self, public_url: &str) -> String {
        letters::link(public_url, &self.secret)
    }
}

/// Makes a credential for each voter on the web who never had one, at most [`limits::CREDENTIAL_BATCH`] at once: it is asked for again until
/// nobody is left.
///
/// # Errors
/// A [`Refusal`]; the database.
pub async fn issue(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: Act<'_>,
) -> Result<Vec<Issued>, ElectionError> {
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page, floor) = enter(&mut ledger, shelved, means.now).await?;
    let terms = &floor.election.terms;
    match floor.standing().phase() {
        Phase::Setup | Phase::Objection => return Err(floor.refusal(Unlawful::Before(Step::Open)).into()),
        Phase::Frozen | Phase::Open => {}
        _ => return Err(floor.refusal(floor.standing().over()).into()),
    }
    let most = i64::try_from(limits::CREDENTIAL_BATCH).unwrap_or(i64::MAX);
    let voters = voter::list_without_credential(tx, shelved.id, most).await?;
    if voters.is_empty() {
        return Ok(Vec::new());
    }
    let (mut rows, mut pairs, mut issued) = (Vec::new(), Vec::new(), Vec::new());
    for own in voters {
        let (row, made) = make(shelved, means, own.entry, validity(terms, means.now));
        pairs.push((row.id, own.id));
        rows.push(row);
        issued.push(made);
    }
    // In an order of their own, so that the order of credentials tells nothing of the roll's.
    rows.sort_by_key(|row| row.id);
    pairs.sort_unstable();
    credential::insert(tx, &rows).await?;
    voter::link(tx, &pairs).await?;
    let body = json!({ "credentials": issued.len(), "reason": act.reason });
    append(tx, page, means, act.actor, "issue-voter-credentials", &body).await?;
    ledger.commit().await?;
    Ok(issued)
}

/// Another credential for a voter who has not voted: those before open nothing any more. Whoever has an address gets it in a letter; else it
/// leaves with whoever asked.
///
/// # Errors
/// A [`Refusal`]; the database; a letter that cannot be worded.
pub async fn reissue(
    shelf: &Shelf,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    act: Act<'_>,
    number: &str,
) -> Result<Issued, ElectionError> {
    if act.reason.trim().is_empty() {
        return Err(Refusal::NoReason.into());
    }
    let mut ledger = Ledger::begin(shelf).await?;
    let (tx, page, floor) = enter(&mut ledger, shelved, means.now).await?;
    match floor.standing().may_change_roll() {
        Ok(Change::Late) => {}
        Ok(Change::Free) => return Err(floor.refusal(Unlawful::Before(Step::Open)).into()),
        Err(why) => return Err(floor.refusal(why).into()),
    }
    let VoterRow { id, entry, .. } = silent(tx, shelved.id, number).await?;
    if entry.postal {
        return Err(Refusal::Postal(number.to_string()).into());
    }
    if call_back(tx, &id, State::Replaced).await? == 0 {
        return Err(Refusal::NoCredential(number.to_string()).into());
    }
    let (row, issued) = make(shelved, means, entry, validity(&floor.election.terms, means.now));
    credential::insert(tx, std::slice::from_ref(&row)).await?;
    voter::link(tx, &[(row.id, id)]).await?;
    let body = json!({ "number": number, "reason": act.reason });
    append(tx, page, means, act.actor, "renew-voter-credential", &body).await?;
    if !issued.entry.address.is_empty() {
        let office = Office { shelved, election: floor.election, means };
        let voter = VoterRow { id, study_id: shelved.id, entry: issued.entry.clone() };
        let letter = office.with_link(&voter, Occasion::Renewed, (&issued.secret, issued.validity))?;
        voter_letter::insert(tx, &[(id, Occasion::Renewed, letter.message_id().to_string())]).await?;
        compose::post(tx, Some(shelved.id), means, None, &[letter]).await?;
    }
    ledger.commit().await?;
    Ok(issued)
}

/// From the beginning of voting to its end.
pub(super) fn validity(terms: &Terms, now: Instant) -> Validity {
    Validity { from: terms.opens.max(now), until: Some(terms.closes) }
}

pub(super) fn make(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    entry: Entry,
    validity: Validity,
) -> (CredentialRow, Issued) {
    let secret = Secret::new(means.dice);
    let row = CredentialRow {
        id: Mark::new(means.dice),
        study_id: shelved.id,
        participant_id: None,
        link_digest: Some(secret.link_digest()),
        login: None,
        password_digest: None,
        state: State::Active,
        uses: 1,
        validity,
        issued_at: None,
    };
    (row, Issued { entry, secret, validity })
}
