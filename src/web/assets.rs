//! Style and script of the pages, each named by what is in it, so that a browser keeps it until it is another. They are the same for
//! everybody; of pages, which are somebody's, nothing is kept.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// For a year, and never asked for again (RFC 8246): what differs has another name.
const KEPT: &str = "public, max-age=31536000, immutable";

/// One of them.
struct Asset {
    path: String,
    kind: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(ending: &str, kind: &'static str, text: &'static str) -> Asset {
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(text)[..8]);
        Asset { path: format!("/survey-{digest}.{ending}"), kind, text }
    }

    fn answer(&self) -> Response {
        ([(header::CONTENT_TYPE, self.kind), (header::CACHE_CONTROL, KEPT)], self.text).into_response()
    }
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("css", "text/css; charset=utf-8", include_str!("../../templates/pages/survey/survey.css"))
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("js", "text/javascript; charset=utf-8", include_str!("../../templates/pages/survey/survey.js"))
});

/// Where they are, as templates name them.
pub(super) fn paths() -> Value {
    json!({ "style": STYLE.path, "script": SCRIPT.path })
}

/// Their routes.
pub(super) fn router() -> Router {
    Router::new()
        .route(&STYLE.path, get(|| async { STYLE.answer() }))
        .route(&SCRIPT.path, get(|| async { SCRIPT.answer() }))
}
