//! The letters of a schedule, with the way in of whoever gets them. Of a secret only a digest is kept, so each letter brings a link of its
//! own to the credential that there is; the links before go on opening.

use super::super::compose::{self, Addressing, Outgoing};
use super::super::credentials::{self, Form, Issued, Made, addressee, greeting, invitation, on_file};
use super::super::{Failure, Means, accounts, opt_out};
use super::people::{Office, Somebody, brings_link};
use crate::domain::credential::{Login, Secret, Validity};
use crate::domain::draft::DraftKeys;
use crate::domain::participant::Candidate;
use crate::domain::schedule::{Letter, Occasion, Rule};
use crate::domain::survey::{Access, Mark, Survey};
use crate::letters::Facts;
use crate::letters::facts::{Reminded, Reminder};
use crate::store::credential::{CredentialRow, State};
use crate::store::{Tx, credential, credential_link, credential_wait, participant, subject};

fn survey<'a>(office: &'a Office<'_>) -> Result<&'a Survey, Failure> {
    let asks = || Failure::Contradiction(format!("study {} asks nobody", office.study().slug));
    office.study().survey.as_ref().ok_or_else(asks)
}

/// The letter of a rule to somebody, with their way in.
///
/// # Errors
/// The database; a template that cannot state the letter.
pub(super) async fn of(
    tx: &mut Tx,
    office: &Office<'_>,
    means: Means<'_>,
    somebody: &Somebody,
    (rule, occasion): (&Rule, &Occasion),
) -> Result<Outgoing, Failure> {
    let absent = || Failure::Contradiction(format!("participant {} has no way in", somebody.target.id));
    let own = somebody.own.as_ref().ok_or_else(absent)?;
    let issued = way_in(tx, office, means, somebody, own).await?;
    let name = greeting(tx, office.shelved, &issued).await?;
    match rule.letter {
        Letter::Invitation => invitation(office.shelved, means, &issued, name),
        Letter::Reminder => {
            let reminded = Addressed { somebody, own, issued: &issued, name };
            remind(tx, office, means, reminded, (rule, occasion.number)).await
        }
        other => Err(Failure::Contradiction(format!("{} is no letter to a participant", other.key()))),
    }
}

/// Somebody with their way in, and the name that greets them.
struct Addressed<'a> {
    somebody: &'a Somebody,
    own: &'a CredentialRow,
    issued: &'a Issued,
    name: String,
}

async fn remind(
    tx: &mut Tx,
    office: &Office<'_>,
    means: Means<'_>,
    Addressed { somebody, own, issued, name }: Addressed<'_>,
    (rule, number): (&Rule, u32),
) -> Result<Outgoing, Failure> {
    let (study, survey) = (office.study(), survey(office)?);
    let members = survey.access == Access::Members;
    let account = members.then(|| accounts::page(&means.desk.public_url));
    let address = &somebody.row()?.address;
    let several = participant::list_alike(&mut *tx, office.shelved.id, ("", address), 2).await?.len() > 1;
    let reminded = Reminded {
        number,
        of: if rule.is_once() { Some(1) } else { rule.repeat.and_then(|repeat| repeat.times) },
        asked_on: somebody.asked_on(),
        link: issued.link.as_deref(),
        login: own.login.is_some(),
        sign_in: &credentials::sign_in(&means.desk.public_url, study),
        account: account.as_deref(),
        until: own.validity.until,
        saves: !members || DraftKeys::of_way(None, &means.keys.ring, survey.privacy.names()).is_some(),
        leaves: !several,
        unsubscribe: &issued.unsubscribe,
    };
    let person = addressee(study, &Candidate { name, ..issued.candidate.clone() });
    let facts = Reminder::new(study, &reminded, study.language_of(&person));
    let masked = Facts::Reminder(facts.masked(&means.desk.public_url));
    let to = Addressing::unasked(study, &person);
    match &issued.link {
        Some(_) => compose::compose_secret(office.shelved, means, to, Facts::Reminder(facts), masked),
        None => compose::compose(office.shelved, means, to, Facts::Reminder(facts)),
    }
}

/// Somebody's way in: a fresh link to the credential that they have, or the page on which they sign in as before.
async fn way_in(
    tx: &mut Tx,
    office: &Office<'_>,
    means: Means<'_>,
    somebody: &Somebody,
    own: &CredentialRow,
) -> Result<Issued, Failure> {
    let (study, row) = (office.study(), somebody.row()?);
    let secret = brings_link(survey(office)?, own).then(|| Secret::new(means.dice));
    if let Some(secret) = &secret {
        credential_link::insert(tx, &[(secret.link_digest(), own.id)]).await?;
    }
    let days = match own.validity.until {
        None => credential_wait::days(&mut *tx, &own.id).await?,
        Some(_) => None,
    };
    let joins = study.enrolls_itself() && subject::find_by_participant(&mut *tx, row.id).await?.is_none();
    Ok(Issued {
        number: Some(row.number),
        candidate: on_file(row),
        link: secret.as_ref().map(|secret| credentials::link(&means.desk.public_url, secret)),
        // A password stands in the letter or on the sheet before, and nowhere else.
        login: own.login.as_deref().filter(|_| secret.is_none()).and_then(Login::parse),
        password: None,
        validity: own.validity,
        mailed: true,
        waits: days.map(|days| (own.id, days)),
        joins,
        once: own.is_for_one_use(),
        answered: false,
        unsubscribe: opt_out::page(means, row.id, row.created_at),
    })
}

/// Invitations to people of whom nobody may know whose access is whose, in their order: each access is made here, and stands with no one.
///
/// # Errors
/// As [`of`].
pub(super) async fn of_nobody<'p>(
    tx: &mut Tx,
    office: &Office<'_>,
    means: Means<'_>,
    people: impl Iterator<Item = &'p Somebody>,
) -> Result<Vec<Outgoing>, Failure> {
    let validity = Validity { from: means.now, until: None };
    let (mut rows, mut letters) = (Vec::new(), Vec::new());
    for somebody in people {
        let (made, row) = (Made::new(Form::Link, means), somebody.row()?);
        rows.push(CredentialRow {
            id: Mark::new(means.dice),
            study_id: office.shelved.id,
            participant_id: None,
            link_digest: made.link.as_ref().map(Secret::link_digest),
            login: None,
            password_digest: None,
            state: State::Active,
            uses: 0,
            validity,
            issued_at: None,
        });
        let issued = Issued {
            number: None,
            candidate: on_file(row),
            link: made.link.as_ref().map(|secret| credentials::link(&means.desk.public_url, secret)),
            login: None,
            password: None,
            validity,
            mailed: true,
            waits: None,
            joins: false,
            once: false,
            answered: false,
            unsubscribe: opt_out::page(means, row.id, row.created_at),
        };
        let name = greeting(tx, office.shelved, &issued).await?;
        letters.push(invitation(office.shelved, means, &issued, name)?);
    }
    // In an order of their own, so that the order of credentials tells nothing of the people's.
    rows.sort_by_key(|row| row.id);
    credential::insert(tx, &rows).await?;
    Ok(letters)
}
