//! Somebody who came to a questionnaire: what they may do there, and what every page of theirs states.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::{PAGES, Tools};
use crate::domain::answer::{self, Form, Uploads};
use crate::domain::draft::DraftKeys;
use crate::domain::instrument::Instrument;
use crate::domain::language::Language;
use crate::domain::study::Study;
use crate::domain::survey::{Access, Mark, Privacy, Survey};
use crate::letters::facts::Contact;
use crate::store::Store;
use crate::store::credential::{self, AnsweredRow, CredentialRow};
use crate::store::participant::{self, ParticipantRow};
use crate::store::study::{self, StudyRow};
use crate::web::pages::accepted;
use crate::web::questionnaire::body::Desk;
use crate::web::questionnaire::filled::{self, Filled, NOBODY, NOTHING};
use crate::web::questionnaire::posted::Posted;
use crate::web::questionnaire::whose::whose;
use crate::workflow::respond::{self, Barred};
use crate::workflow::self_enrollment::Entrant;
use crate::workflow::shelf::ShelvedStudy;
use crate::workflow::uploads::Owner;
use crate::workflow::{Failure, Means, mend};

/// Somebody whose link or session is known.
pub(super) struct Visit {
    /// Where the form is sent.
    pub(super) path: String,
    /// What a form of a session must carry; none for a link, which nobody else knows.
    pub(super) guard: Option<String>,
    /// What seals and opens answers that are kept; none where nothing can be kept so that nobody else reads it.
    pub(super) key: Option<DraftKeys>,
    /// Whether what is kept is there by every way of theirs, also one that they are sent later.
    pub(super) stays: bool,
    pub(super) row: StudyRow,
    pub(super) shelved: Arc<ShelvedStudy>,
    pub(super) credential: CredentialRow,
    pub(super) uses: Vec<AnsweredRow>,
    /// Whether answers that were not sent are kept with the credential, and whether with another of the participant.
    pub(super) kept: (bool, bool),
    /// Whose it is; none where nobody may know.
    pub(super) participant: Option<ParticipantRow>,
    /// Whose form its files are: the participant's, by whichever of their ways, or the credential's where nobody may know.
    pub(super) holder: Vec<u8>,
    /// What they enrolled with, where participants enroll themselves; none before.
    pub(super) entrant: Option<Entrant>,
}

impl Visit {
    pub(super) fn survey(&self) -> &Survey {
        self.shelved.study.survey.as_ref().expect("nobody is let in where there is no survey")
    }

    /// Whether their session ends with their answers: it knows to the second when they were here, and what they answered stands without
    /// their name. A member's session is not this survey's alone.
    pub(super) fn leaves_no_trace(&self) -> bool {
        self.guard.is_some() && !self.survey().privacy.names() && self.survey().access == Access::Credentials
    }

    /// Whether they are to enroll before they answer.
    pub(super) fn enrolls(&self) -> bool {
        self.shelved.study.enrolls_itself() && self.entrant.is_none()
    }

    /// The form that they fill in now.
    pub(super) fn instrument(&self) -> &Instrument {
        let study = &self.shelved.study;
        if self.enrolls() {
            return study.registration_instrument();
        }
        study.find_instrument(&self.survey().instrument).expect("definition admits no survey without its instrument")
    }

    /// What was filled in so far.
    pub(super) fn filled<'a>(
        &'a self,
        form: &'a Form,
        posted: &'a Posted,
        means: Means<'_>,
        language: Language,
    ) -> Filled<'a> {
        Filled {
            study: &self.shelved.study,
            instrument: self.instrument(),
            form,
            posted,
            now: means.now,
            language,
            mends: posted.mends(),
            // As everywhere else a registration asks for none.
            files: !self.enrolls(),
            person: &NOBODY,
            told: self.entrant.as_ref().map_or(&NOTHING, |entrant| &entrant.told),
        }
    }

    /// The page at a place, with what more its template is to know.
    pub(super) fn form_page(
        &self,
        means: Means<'_>,
        language: Language,
        (posted, files): (&Posted, &Uploads),
        at: usize,
        with: impl FnOnce(Filled<'_>) -> Filled<'_>,
        more: &[(&str, Value)],
    ) -> Response {
        let form = read(self, posted, files, means);
        let mut facts = self.head(language);
        with(self.filled(&form, posted, means, language)).page(&mut facts, &Mark::new(means.dice), at, &[], false);
        for (key, value) in more {
            filled::put(&mut facts, key, value.clone());
        }
        PAGES.respond(StatusCode::OK, language, "form", facts)
    }

    /// Where the files of its form go.
    pub(super) fn desk<'a>(&'a self, tools: &'a Tools) -> Desk<'a> {
        Desk {
            tools,
            zone: self.shelved.study.zone,
            instrument: self.instrument(),
            owner: Owner { study: self.row.id, who: &self.holder },
            guard: self.guard.as_deref(),
        }
    }

    /// Whether files are stored for it: not where nothing more is taken.
    pub(super) fn takes_files(&self, means: Means<'_>) -> bool {
        let survey = self.survey();
        let mends = mend::may_mend(survey) && !self.uses.is_empty();
        let more = self.uses.is_empty() || mends || !respond::answers_once(survey, &self.credential);
        more && !self.enrolls() && self.barred(means, mends).is_none()
    }

    /// Why nothing would be taken now; `mends` where a response counts already and would be mended.
    pub(super) fn barred(&self, means: Means<'_>, mends: bool) -> Option<Barred> {
        let others = self.row.responses - i64::from(mends);
        let withdrew = self.participant.as_ref().is_some_and(|whose| whose.state == participant::State::Withdrawn);
        respond::barred(self.survey(), &self.shelved, self.row.state, others, &self.credential, means)
            .or(Some(Barred::Withdrawn).filter(|_| withdrew))
            .or_else(|| respond::too_soon(self.survey(), &self.uses, means.now.day_in(self.shelved.study.zone)))
    }

    pub(super) fn language(&self, chosen: Option<&str>, headers: &HeaderMap) -> Language {
        language(&self.shelved.study, self.participant.as_ref(), chosen, headers)
    }

    /// Whether a form came from our own page.
    pub(super) fn guards(&self, posted: Option<&str>) -> bool {
        match (&self.guard, posted) {
            (Some(guard), Some(posted)) => guard.as_bytes().ct_eq(posted.as_bytes()).into(),
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    /// Whose this page is, by a credential of theirs; each of the two forms that somebody may fill in at one address has a name of its own.
    fn whose(&self, credential: &Mark, first: bool) -> String {
        let form: &[u8] = if first { b"first" } else { b"" };
        whose(&[&self.row.id.to_be_bytes()[..], &credential.0, self.path.as_bytes(), form])
    }

    /// Whether a page was this person's own: also when they came by an ID and password that were replaced since, or enrolled meanwhile.
    pub(super) async fn wrote(&self, store: &Store, posted: &Posted) -> Result<bool, Failure> {
        let Some(named) = posted.whose() else { return Ok(false) };
        let own = |credential: &Mark| [false, true].iter().any(|first| self.whose(credential, *first) == named);
        if own(&self.credential.id) {
            return Ok(true);
        }
        let Some(participant) = self.credential.participant_id else { return Ok(false) };
        Ok(credential::list_of(store, participant).await?.iter().any(|one| own(&one.id)))
    }

    /// What every page of this survey states.
    pub(super) fn head(&self, language: Language) -> Value {
        let mut facts = head((&self.shelved.study, self.shelved.stage), &self.path, self.guard.as_deref(), language);
        filled::put(&mut facts, "keeps", json!(self.key.is_some()));
        filled::put(&mut facts, "whose", json!(self.whose(&self.credential.id, self.enrolls())));
        filled::put(&mut facts, "stays", json!(self.stays));
        if self.enrolls() {
            enrolling(&mut facts, &self.shelved.study, language);
        }
        facts
    }
}

/// Chosen by link, else the participant's, else the browser's, else the study's first.
pub(super) fn language(
    study: &Study,
    whose: Option<&ParticipantRow>,
    chosen: Option<&str>,
    headers: &HeaderMap,
) -> Language {
    let offered = &study.languages;
    let of_study = |language: &Language| offered.contains(language);
    chosen
        .and_then(Language::find)
        .filter(of_study)
        .or(whose.and_then(|whose| Language::find(&whose.language)).filter(of_study))
        .or_else(|| accepted(headers, offered))
        .or(offered.first().copied())
        .unwrap_or(Language::En)
}

/// What becomes of the answers, and who can know whose they are.
pub(super) fn promise(survey: &Survey, language: Language) -> String {
    PAGES.word(language, survey.privacy.key(), &[("batch", &survey.batch.to_string())])
}

/// The same of a page by which somebody enrolls.
pub(super) fn enrolling(facts: &mut Value, study: &Study, language: Language) {
    filled::put(facts, "title", json!(study.registration_instrument().title.in_language(language)));
    filled::put(facts, "first", json!(true));
}

/// What every page of a survey states.
pub(super) fn head(
    (study, stage): (&Study, study::Stage),
    path: &str,
    guard: Option<&str>,
    language: Language,
) -> Value {
    let survey = study.survey.as_ref();
    let instrument = survey.and_then(|survey| study.find_instrument(&survey.instrument));
    json!({
        "study": { "title": study.title.in_language(language), "tag": study.tag,
                   "test": stage == study::Stage::Development },
        "title": instrument.map_or("", |instrument| instrument.title.in_language(language)),
        "languages": languages(study, path, language), "several": study.languages.len() > 1,
        "path": path, "guard": guard, "named": survey.is_some_and(|survey| survey.privacy.names()),
        "members": survey.is_some_and(|survey| survey.access == Access::Members),
        "renews": survey.is_some_and(|survey| survey.privacy != Privacy::FullyAnonymous),
        "promise": survey.map(|survey| promise(survey, language)), "answering": false, "number": 1, "of": 1,
        "contact": Contact::of(study, "", None, language),
        "first": false, "enrolled": "", "enrolled_receipt": null, "stays": false, "whose": "",
        "leave": guard.map(|_| match survey.map(|survey| survey.access) {
            Some(Access::Members) => "/sign-out".to_string(),
            _ => format!("/s/{}/leave", study.slug),
        }),
    })
}

/// The languages of a study, as links to the same page.
pub(super) fn languages(study: &Study, path: &str, chosen: Language) -> Vec<Value> {
    let link = |other: &Language| {
        json!({ "code": other.code(), "link": format!("{path}?lang={}", other.code()), "chosen": *other == chosen,
                "name": match other { Language::En => "English", Language::Ja => "日本語" } })
    };
    study.languages.iter().map(link).collect()
}

/// A posted page by the rules of its instrument.
pub(super) fn read(visit: &Visit, posted: &Posted, files: &Uploads, means: Means<'_>) -> Form {
    let study = &visit.shelved.study;
    let (lines, today) = (posted.lines(visit.instrument()), means.now.day_in(study.zone));
    match &visit.entrant {
        _ if visit.enrolls() => answer::read_form(study, visit.instrument(), &lines, today),
        Some(entrant) => answer::read_knowing(study, visit.instrument(), (&lines, files), &entrant.known, today),
        None => answer::read_page(study, visit.instrument(), &lines, files, today),
    }
}
