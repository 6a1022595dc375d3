//! Letters to voters: to whom, with which facts. What each letter may say is in [`letters::facts`](crate::letters::facts).
//!
//! A letter with a link brings one of its own, for of a secret only a digest is kept: to the credential that the voter has, or, where they
//! have none, to one that is made with it.

use crate::domain::credential::{Secret, Validity};
use crate::domain::election::Election;
use crate::domain::election::letters::Occasion;
use crate::domain::language::{Language, Text};
use crate::domain::study::Person;
use crate::domain::survey::Mark;
use crate::letters::Facts;
use crate::letters::facts::{ElectionNoLink, ElectionNotice, ElectionReceipt, ElectionResult, VotersLink};
use crate::store::credential::{self, CredentialRow, State};
use crate::store::voter::{self, VoterRow};
use crate::store::{Tx, credential_link};
use crate::workflow::compose::{self, Addressing, Outgoing};
use crate::workflow::shelf::ShelvedStudy;
use crate::workflow::{Failure, Means};

use super::credentials::{make, validity};
use crate::definition::outcome_file::Outcome;

/// An election and what its letters are written with.
#[derive(Clone, Copy)]
pub(super) struct Office<'a> {
    pub(super) shelved: &'a ShelvedStudy,
    pub(super) election: &'a Election,
    pub(super) means: Means<'a>,
}

/// The page on which a voter votes.
pub(super) fn link(public_url: &str, secret: &Secret) -> String {
    format!("{}/v/{}", public_url.trim_end_matches('/'), secret.text())
}

/// The good credential of a voter, if they have one.
pub(super) async fn good_credential(tx: &mut Tx, voter: &Mark) -> Result<Option<CredentialRow>, Failure> {
    for id in voter::credentials(&mut *tx, voter).await? {
        if let Some(row) = credential::find(&mut *tx, &id).await?.filter(|row| row.state == State::Active) {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

impl<'a> Office<'a> {
    /// A voter as the one a letter is written to: nobody of the staff.
    fn addressee(&self, voter: &VoterRow) -> Person {
        let (study, entry) = (&self.shelved.study, &voter.entry);
        Person {
            id: "voter".to_string(),
            name: Text::new(study.languages.iter().map(|language| (*language, entry.name.clone()))),
            addresses: vec![entry.address.clone()],
            roles: Vec::new(),
            sites: Vec::new(),
            language: entry.language.filter(|language| study.languages.contains(language)),
            representative: None,
        }
    }

    fn of(&self) -> (&'a Election, &'a str, crate::domain::time::Zone) {
        (self.election, self.shelved.study.slug.as_str(), self.shelved.study.zone)
    }

    fn at(&self) -> (&'a str, crate::domain::time::Instant) {
        (&self.means.desk.public_url, self.means.now)
    }

    /// Words a letter to a voter; where it lets somebody vote, together with the one that is kept.
    fn write(
        &self,
        voter: &VoterRow,
        facts: impl FnOnce(Language) -> (Facts, Option<Facts>),
    ) -> Result<Outgoing, Failure> {
        let person = self.addressee(voter);
        let to = Addressing::unasked(&self.shelved.study, &person);
        match facts(to.language) {
            (facts, Some(masked)) => compose::compose_secret(self.shelved, self.means, to, facts, masked),
            (facts, None) => compose::compose(self.shelved, self.means, to, facts),
        }
    }

    /// The letter that tells of the election and how somebody stands on the roll.
    pub(super) fn notice(&self, voter: &VoterRow) -> Result<Outgoing, Failure> {
        let notice = |language| ElectionNotice::new(self.of(), &voter.entry, self.at(), language);
        self.write(voter, |language| (Facts::ElectionNotice(notice(language)), None))
    }

    /// A letter with a link to a credential of that time.
    pub(super) fn with_link(
        &self,
        voter: &VoterRow,
        occasion: Occasion,
        (secret, validity): (&Secret, Validity),
    ) -> Result<Outgoing, Failure> {
        let kind = match occasion {
            Occasion::Renewed => Facts::ElectionRenewed,
            Occasion::Reminder(_) => Facts::ElectionReminder,
            _ => Facts::ElectionCredential,
        };
        let url = &self.means.desk.public_url;
        self.write(voter, |language| {
            let facts = VotersLink::new(self.of(), (link(url, secret), validity), self.at(), language);
            let masked = kind(facts.masked(url));
            (kind(facts), Some(masked))
        })
    }

    /// The letter that a vote of somebody is in.
    pub(super) fn receipt(&self, voter: &VoterRow, receipt: &str) -> Result<Outgoing, Failure> {
        let facts = ElectionReceipt::new(self.of(), receipt, &self.means.desk.public_url);
        self.write(voter, |_| (Facts::ElectionReceipt(facts), None))
    }

    /// The letter with the result.
    pub(super) fn result(&self, voter: &VoterRow, outcome: (&Outcome, &str)) -> Result<Outgoing, Failure> {
        let of = (self.election, self.shelved.study.slug.as_str());
        let url = &self.means.desk.public_url;
        let result = |language| ElectionResult::new(of, outcome, url, language);
        self.write(voter, |language| (Facts::ElectionResult(result(language)), None))
    }

    /// The letter to a voter who asked for a link and gets none.
    pub(super) fn no_link(&self, voter: &VoterRow, reason: &str, moment: String) -> Result<Outgoing, Failure> {
        let facts = ElectionNoLink::new(&self.shelved.study.slug, reason, moment, &self.means.desk.public_url);
        self.write(voter, |_| (Facts::ElectionNoLink(facts), None))
    }

    /// A link of its own to the credential that a voter has, or to one that is made for it; whether it was.
    pub(super) async fn way_in(&self, tx: &mut Tx, voter: &VoterRow) -> Result<(Secret, Validity, bool), Failure> {
        if let Some(own) = good_credential(tx, &voter.id).await? {
            let secret = Secret::new(self.means.dice);
            credential_link::insert(tx, &[(secret.link_digest(), own.id)]).await?;
            return Ok((secret, own.validity, false));
        }
        let validity = validity(&self.election.terms, self.means.now);
        let (row, issued) = make(self.shelved, self.means, voter.entry.clone(), validity);
        credential::insert(tx, std::slice::from_ref(&row)).await?;
        voter::link(tx, &[(row.id, voter.id)]).await?;
        Ok((issued.secret, validity, true))
    }
}
