//! What everybody may see of an election: rules, those who stand, times, how far it is, and the result once it stands.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{ElectionPages, PAGES, Wish, about, ballot, head, language, put, result, rules};
use crate::domain::election::phase::Phase;
use crate::domain::election::{Candidate, Contest, Election, Seats};
use crate::domain::language::Language;
use crate::domain::study::Study;
use crate::domain::time::Instant;
use crate::limits;
use crate::store::study;
use crate::store::study::State as StudyState;
use crate::workflow::Failure;
use crate::workflow::election::public::{self, Public};
use crate::workflow::shelf::ShelvedStudy;

/// What a picture may do: be seen.
const PICTURE_POLICY: &str = "default-src 'none'; sandbox";
/// Who asks for a new link writes this in the subject line, by language.
const SUBJECTS: [(Language, &str); 2] = [(Language::En, "credential"), (Language::Ja, "投票用紙")];

pub(super) async fn show(
    State(pages): State<ElectionPages>,
    Path(slug): Path<String>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Response {
    let shown = async {
        let Some((shelved, paused)) = pages.election_of(&slug).await? else { return Ok(None) };
        let seen = public::look(pages.tools.shelf.store(), &shelved, pages.tools.clock.now()).await?;
        Ok::<_, Failure>(seen.map(|public| pages.page(&shelved, &public, paused, &wish, &headers)))
    };
    match shown.await {
        Ok(Some(page)) => page,
        Ok(None) => pages.stranger(&headers),
        Err(failure) => pages.unavailable(&failure, &headers),
    }
}

pub(super) async fn picture(
    State(pages): State<ElectionPages>,
    Path((slug, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let found = async {
        let Some((shelved, _)) = pages.election_of(&slug).await? else { return Ok(None) };
        let own =
            shelved.study.election.as_ref().and_then(|own| own.pictures.values().find(|own| own.name == name).cloned());
        let Some(own) = own else { return Ok(None) };
        let seen = public::is_seen(pages.tools.shelf.store(), &shelved, pages.tools.clock.now()).await?;
        Ok::<_, Failure>(seen.then_some(own))
    };
    match found.await {
        Ok(Some(picture)) => {
            let kept = HeaderValue::from_str(&format!("public, max-age={}", limits::PICTURE_KEPT_SECONDS));
            let fields = [
                (header::CONTENT_TYPE, HeaderValue::from_static(picture.kind.media_type())),
                (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PICTURE_POLICY)),
                (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
                (header::CACHE_CONTROL, kept.unwrap_or(HeaderValue::from_static("no-store"))),
            ];
            (fields, picture.bytes.to_vec()).into_response()
        }
        Ok(None) => pages.stranger(&headers),
        Err(failure) => pages.unavailable(&failure, &headers),
    }
}

pub(super) async fn file(
    State(pages): State<ElectionPages>,
    Path((slug, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let found = async {
        let Some((shelved, _)) = pages.election_of(&slug).await? else { return Ok(None) };
        public::file(pages.tools.shelf.store(), &shelved, pages.tools.clock.now(), &name).await
    };
    match found.await {
        Ok(Some(text)) => {
            // A name that was found is one of ours, and the slug is that of a study: plain letters both.
            let attached = HeaderValue::from_str(&format!("attachment; filename=\"{slug}-{name}\""));
            let fields = [
                (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
                (header::CONTENT_DISPOSITION, attached.unwrap_or(HeaderValue::from_static("attachment"))),
            ];
            (fields, text).into_response()
        }
        Ok(None) => pages.stranger(&headers),
        Err(failure) => pages.unavailable(&failure, &headers),
    }
}

impl ElectionPages {
    /// The study of a slug, if it holds an election, and whether it is paused.
    pub(super) async fn election_of(&self, slug: &str) -> Result<Option<(Arc<ShelvedStudy>, bool)>, Failure> {
        let Some(row) = study::find_current(self.tools.shelf.store(), slug).await? else { return Ok(None) };
        let shelved = self.tools.shelf.current(row.id, row.bundle_version).await?;
        Ok(shelved.study.election.is_some().then_some((shelved, row.state == StudyState::Paused)))
    }

    fn page(
        &self,
        shelved: &ShelvedStudy,
        public: &Public,
        paused: bool,
        wish: &Wish,
        headers: &HeaderMap,
    ) -> Response {
        let study = &shelved.study;
        let Some(election) = &study.election else { return self.stranger(headers) };
        let language = language(study, None, wish.lang.as_deref(), headers);
        let now = self.tools.clock.now();
        let mut facts = head(study, shelved.stage, study.title.in_language(language), &about(study), language);
        let votes = matches!(public.phase, Phase::Frozen | Phase::Open);
        for (key, value) in [
            ("phase", json!(phase(study, election, public.phase, paused, language))),
            ("how", json!(self.how(study, election, now, language))),
            ("vote", json!(votes.then(|| format!("{}/vote", about(study))))),
            ("times", json!(times(study, election, public, language))),
            ("digest", json!(public.digest.map(|digest| data_encoding::HEXLOWER.encode(&digest)))),
            ("contests", json!(contests(study, election, language))),
            ("result", json!(public.result.as_ref().map(|own| result::facts(election, own, language)))),
        ] {
            put(&mut facts, key, value);
        }
        PAGES.respond(StatusCode::OK, language, "about", facts)
    }

    /// How somebody whose link did not come gets another.
    fn how(&self, study: &Study, election: &Election, now: Instant, language: Language) -> String {
        if election.terms.additions_until.is_none_or(|until| now >= until) {
            return String::new();
        }
        let word = SUBJECTS.iter().find(|(own, _)| *own == language).map_or("credential", |(_, word)| word);
        let address = self.tools.desk.with(&study.slug);
        PAGES.word(language, "how_renew", &[("address", &address), ("subject", &format!("[{}] {word}", study.tag))])
    }
}

/// How far it is, in a sentence.
fn phase(study: &Study, election: &Election, phase: Phase, paused: bool, language: Language) -> String {
    let terms = &election.terms;
    let at = match phase {
        Phase::Objection => terms.objections_until,
        Phase::Frozen => Some(terms.opens),
        Phase::Open => Some(terms.closes),
        _ => None,
    };
    let at = at.map(|at| at.local(study.zone)).unwrap_or_default();
    let key = match phase {
        Phase::Open | Phase::Frozen if paused => "phase_paused".to_string(),
        phase => format!("phase_{}", phase.key()),
    };
    let own = PAGES.word(language, &key, &[("at", &at)]);
    match phase {
        Phase::Objection => format!("{own} {}", PAGES.word(language, "how_objection", &[])),
        _ => own,
    }
}

fn times(study: &Study, election: &Election, public: &Public, language: Language) -> Vec<Value> {
    let terms = &election.terms;
    let moment = |at: Option<Instant>| at.map(|at| at.local(study.zone));
    let rows = [
        ("time_objections", moment(terms.objections_until)),
        ("time_opens", moment(Some(terms.opens))),
        ("time_closes", moment(Some(terms.closes))),
        ("time_additions", moment(terms.additions_until)),
        ("time_voters", public.voters.map(|voters| voters.to_string())),
        ("time_voted", public.voted.map(|voted| voted.to_string())),
    ];
    let row = |(key, value): (&str, Option<String>)| {
        Some(json!({ "label": PAGES.word(language, key, &[]), "value": value? }))
    };
    rows.into_iter().filter_map(row).collect()
}

fn contests(study: &Study, election: &Election, language: Language) -> Vec<Value> {
    let contest = |(at, contest): (usize, &Contest)| {
        json!({ "id": format!("c{at}"), "title": contest.title.in_language(language),
                "rules": rules::of(election, contest, language), "groups": groups(study, election, contest, language) })
    };
    (1..).zip(&election.contests).map(contest).collect()
}

/// Those who stand, by the districts whose seats they stand for.
fn groups(study: &Study, election: &Election, contest: &Contest, language: Language) -> Vec<Value> {
    let shown = |own: &Candidate| ballot::shown(election, own, &study.slug, language);
    let group = |title: Option<String>, district: Option<&str>| {
        let candidates: Vec<Value> = contest.standing(district).map(shown).collect();
        (!candidates.is_empty()).then(|| json!({ "title": title, "candidates": candidates }))
    };
    match &contest.seats {
        Seats::Whole(_) => group(None, None).into_iter().collect(),
        Seats::ByDistrict(_) => {
            let each = election.districts.iter().filter_map(|own| {
                let named = PAGES.word(language, "candidates_of", &[("district", own.name.in_language(language))]);
                group(Some(named), Some(&own.id))
            });
            each.collect()
        }
    }
}
