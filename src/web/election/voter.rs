//! Somebody who came to vote: what they may do here, and what every page of theirs states.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::HeaderMap;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::{ElectionPages, PAGES, head, language, put};
use crate::domain::credential::{Secret, Unfit};
use crate::domain::election::phase::{Phase, Step};
use crate::domain::election::slate::{self, Sheet};
use crate::domain::election::{Election, Picture};
use crate::domain::language::Language;
use crate::domain::survey::Mark;
use crate::domain::time::Instant;
use crate::store::arrival;
use crate::store::credential::{CredentialRow, State};
use crate::store::study::StudyRow;
use crate::store::voter::{self, VotedRow, VoterRow};
use crate::store::{Store, election as kept};
use crate::web::questionnaire::whose::whose;
use crate::workflow::Failure;
use crate::workflow::election::cast::{Barred, barred};
use crate::workflow::shelf::ShelvedStudy;

/// A voter at their page.
pub(super) struct Voter {
    /// Where the form is sent.
    pub(super) path: String,
    /// What a form of a session must carry; none for a link, which nobody else knows.
    pub(super) guard: Option<String>,
    pub(super) row: StudyRow,
    pub(super) shelved: Arc<ShelvedStudy>,
    pub(super) credential: CredentialRow,
    pub(super) voter: VoterRow,
    /// That they have voted.
    pub(super) voted: Option<VotedRow>,
    /// Steps of the committee that were taken.
    taken: BTreeSet<Step>,
}

impl ElectionPages {
    /// Whom a link lets in; none for what is no voter's link.
    pub(super) async fn enter(&self, secret: &str) -> Result<Option<Voter>, Failure> {
        let Some(secret) = Secret::parse(secret) else { return Ok(None) };
        let store = self.tools.shelf.store();
        let Some(arrival) = arrival::by_link(store, &secret.link_digest()).await? else { return Ok(None) };
        let Some(voter) = voter::find_by_credential(store, &arrival.credential.id).await? else { return Ok(None) };
        self.voter((arrival.study, arrival.credential, voter), format!("/v/{}", secret.text()), None).await
    }

    /// Somebody on the roll with their credential.
    pub(super) async fn voter(
        &self,
        (row, credential, voter): (StudyRow, CredentialRow, VoterRow),
        path: String,
        guard: Option<String>,
    ) -> Result<Option<Voter>, Failure> {
        let store: &Store = self.tools.shelf.store();
        let shelved = self.tools.shelf.current(row.id, row.bundle_version).await?;
        if shelved.study.election.is_none() {
            return Ok(None);
        }
        let voted = voter::find_vote(store, &voter.id).await?;
        let taken = kept::taken(&kept::steps(store, row.id).await?);
        Ok(Some(Voter { path, guard, row, shelved, credential, voter, voted, taken }))
    }
}

impl Voter {
    pub(super) fn election(&self) -> &Election {
        self.shelved.study.election.as_ref().expect("nobody is let in where there is no election")
    }

    /// District and class, as ballots have them.
    pub(super) fn own(&self) -> (Option<&str>, Option<&str>) {
        (self.voter.entry.district.as_deref(), self.voter.entry.class.as_deref())
    }

    /// The contests they vote in, as they are shown them.
    pub(super) fn sheets(&self) -> Vec<Sheet<'_>> {
        slate::sheets(self.election(), self.voter.entry.district.as_deref(), &self.voter.id)
    }

    /// That they have voted, for whoever has a credential of theirs that is good: a link that went astray tells nothing any more.
    pub(super) fn vote_on_file(&self) -> Option<&VotedRow> {
        self.voted.as_ref().filter(|_| self.credential.state == State::Active)
    }

    /// Why no vote is taken now.
    pub(super) fn barred(&self, now: Instant) -> Option<Barred> {
        if self.shelved.unlocked().is_err() {
            return Some(Barred::Paused);
        }
        barred(self.election(), self.taken.clone(), self.row.state, (&self.credential, &self.voter), now)
    }

    /// The same in words, and whether it may be otherwise later.
    pub(super) fn told(&self, barred: Barred, language: Language) -> (String, bool) {
        let (terms, zone) = (&self.election().terms, self.shelved.study.zone);
        let (key, at, later) = match barred {
            Barred::Revoked if self.credential.state == State::Replaced => ("replaced", None, false),
            Barred::Revoked => ("revoked", None, false),
            Barred::Unfit(Unfit::NotYet(from)) => ("not_yet", Some(from), true),
            Barred::Unfit(Unfit::Expired(until)) => ("over", Some(until), false),
            Barred::Phase(Phase::Setup | Phase::Objection | Phase::Frozen | Phase::Open) => {
                ("not_yet", Some(terms.opens), true)
            }
            Barred::Phase(Phase::Closed | Phase::Tallied | Phase::Certified) => ("over", Some(terms.closes), false),
            Barred::Postal => ("postal", None, false),
            Barred::Paused => ("paused", None, true),
            Barred::Closed => ("closed", None, false),
        };
        let at = at.map(|at| at.local(zone)).unwrap_or_default();
        (PAGES.word(language, key, &[("at", &at)]), later)
    }

    pub(super) fn language(&self, chosen: Option<&str>, headers: &HeaderMap) -> Language {
        language(&self.shelved.study, self.voter.entry.language, chosen, headers)
    }

    /// Whether a form came from our own page.
    pub(super) fn guards(&self, posted: Option<&str>) -> bool {
        match (&self.guard, posted) {
            (Some(guard), Some(posted)) => guard.as_bytes().ct_eq(posted.as_bytes()).into(),
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    /// Whose this page is: the voter's, by whichever of their credentials, so that it tells nothing of the person.
    pub(super) fn whose(&self) -> String {
        whose(&[&self.row.id.to_be_bytes()[..], &self.voter.id.0, b"ballot"])
    }

    /// What every page of theirs states.
    pub(super) fn head(&self, title: &str, language: Language) -> Value {
        let mut facts =
            head(&self.shelved.study, self.shelved.stage, &PAGES.word(language, title, &[]), &self.path, language);
        put(&mut facts, "guard", json!(self.guard));
        put(&mut facts, "leave", json!(self.guard.as_ref().map(|_| "/sign-out")));
        put(&mut facts, "whose", json!(self.whose()));
        put(&mut facts, "again", json!(false));
        facts
    }

    /// What a form carries beside its marks.
    pub(super) fn carry(&self, facts: &mut Value, mark: &Mark) {
        put(facts, "mark", json!(mark.text()));
        // What is under way is kept by the browser for its way back, and the language is chosen without losing it.
        put(facts, "answering", json!(true));
    }
}

/// Where a picture is, and how large it is shown.
pub(super) fn picture(slug: &str, picture: &Picture) -> Value {
    json!({ "src": format!("/e/{slug}/pictures/{}", picture.name), "width": picture.width, "height": picture.height })
}
