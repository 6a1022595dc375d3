//! Forms are taken from our own pages alone: what a page of another site sends is refused before anything is read.
//!
//! The guard in a form protects what is signed in; this protects signing in itself, so that nobody can be signed in under
//! somebody else's login without noticing. Browsers say where a request comes from (Fetch Metadata); older ones name the origin.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;

/// Passes what our own pages send; `refusal` answers the rest.
pub(super) fn own_pages_only(
    pages: Router,
    public_url: String,
    refusal: impl Fn(StatusCode, &HeaderMap) -> Response + Clone + Send + Sync + 'static,
) -> Router {
    pages.layer(middleware::from_fn(move |request: Request, next: Next| {
        let asks = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let refused = (!asks && is_foreign(request.headers(), &public_url))
            .then(|| refusal(StatusCode::FORBIDDEN, request.headers()));
        async move {
            match refused {
                Some(refused) => refused,
                None => next.run(request).await,
            }
        }
    }))
}

/// Whether a browser says that another site sent it. What says nothing is no browser, and acts for nobody but itself.
fn is_foreign(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    // Our own pages send no referrer, so that their origin is "null", too: it tells nothing.
    let Some(origin) = text(header::ORIGIN.as_str()).filter(|origin| *origin != "null") else { return false };
    let ours = public_url.strip_prefix(origin).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let host = origin.split_once("://").map(|(_, host)| host);
    !ours && (host.is_none() || host != text(header::HOST.as_str()))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn another_site_is_told_by_what_browsers_say() {
        let foreign = |fields: &[(&'static str, &'static str)]| {
            let fields =
                fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_foreign(&HeaderMap::from_iter(fields), "https://survey.example.jp/in")
        };
        for own in [
            &[][..],
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            &[("sec-fetch-site", "none")],
            &[("origin", "null")],
            &[("origin", "https://survey.example.jp")],
            &[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")],
        ] {
            assert!(!foreign(own), "{own:?}");
        }
        for other in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site"), ("origin", "https://survey.example.jp")],
            &[("sec-fetch-site", "")],
            &[("origin", "https://evil.example"), ("host", "survey.example.jp")],
            &[("origin", "https://survey.example.jp.evil.example")],
            &[("origin", "https://survey.example")],
            &[("origin", "nonsense")],
        ] {
            assert!(foreign(other), "{other:?}");
        }
    }
}
