//! What every page gets: security headers, a body limit and a time limit.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http_body_util::Limited;
use tower_http::set_header::SetResponseHeaderLayer;

use super::questionnaire::body::is_multipart;
use crate::limits;

/// No script, style, frame or form target but our own; nothing is cached, sniffed or leaked in a referrer.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src \
         'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// What a letter's HTML may do in a frame of ours: be seen. No script, no form, no request, no origin.
pub const LETTER_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox";

/// Answers only to a browser that means this machine: another name in `Host` is a foreign page that had its name
/// resolved to loopback (DNS rebinding), and a foreign `Origin` is a foreign page's form.
pub fn loopback_only(pages: Router) -> Router {
    pages.layer(middleware::from_fn(
        async |request: Request, next: Next| {
            if is_local(request.headers()) { next.run(request).await } else { elsewhere() }
        },
    ))
}

fn elsewhere() -> Response {
    (StatusCode::MISDIRECTED_REQUEST, "This server answers to 127.0.0.1 and localhost only.\n").into_response()
}

fn is_local(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let Some(host) = text(header::HOST) else { return false };
    let one_host = headers.get_all(header::HOST).iter().count() == 1;
    // Our pages send no referrer, and browsers then call our own origin "null": where they say the site, that counts.
    let own_page = match text(HeaderName::from_static("sec-fetch-site")) {
        Some(site) => matches!(site, "same-origin" | "none"),
        None => text(header::ORIGIN).is_none_or(|origin| origin.strip_prefix("http://") == Some(host)),
    };
    one_host && is_loopback(host) && own_page
}

/// Whether `host` or `host:port` names this machine to itself.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost") || matches!(name, "127.0.0.1" | "[::1]")
}

/// Puts the guards around pages.
pub fn guarded(pages: Router) -> Router {
    let mut guarded = pages.layer(middleware::from_fn(bounded));
    for (name, value) in HEADERS {
        guarded = guarded.layer(SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value)));
    }
    guarded
}

/// Lets through a body of the size that its form may have, for as long as it may take. Forms with files may be larger, and slower.
async fn bounded(request: Request, next: Next) -> Response {
    let (bytes, seconds) = match is_multipart(request.headers()) {
        true => (limits::UPLOAD_BYTES, limits::UPLOAD_SECONDS),
        false => (limits::FORM_BYTES, limits::PAGE_SECONDS),
    };
    let told = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    // A form with files is read as far as it may be, so that its page can say what is wrong.
    if bytes < limits::UPLOAD_BYTES && told.is_some_and(|told: u64| told > bytes as u64) {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    let request = request.map(|body| Body::new(Limited::new(body, bytes)));
    let answered = tokio::time::timeout(Duration::from_secs(seconds), next.run(request)).await;
    answered.unwrap_or_else(|_| StatusCode::SERVICE_UNAVAILABLE.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_pass() {
        for (host, passes) in [
            ("127.0.0.1:8080", true),
            ("localhost", true),
            ("LocalHost:1", true),
            ("[::1]:80", true),
            ("evil.example", false),
            ("evil.example:8080", false),
            ("127.0.0.1.evil.example", false),
            ("127.0.0.1@evil.example", false),
            ("localhost.", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(host), passes, "{host}");
        }
    }

    #[test]
    fn a_form_of_another_page_does_not_pass() {
        let with = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("127.0.0.1:8080"))]);
            headers.extend(origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin))));
            is_local(&headers)
        };
        assert!(with(None) && with(Some("http://127.0.0.1:8080")));
        assert!(!with(Some("http://evil.example")) && !with(Some("null")) && !with(Some("http://127.0.0.1:9090")));
        assert!(!is_local(&HeaderMap::new()));
        let from = |site: &'static str, host: &'static str| {
            is_local(&HeaderMap::from_iter([
                (header::HOST, HeaderValue::from_static(host)),
                (header::ORIGIN, HeaderValue::from_static("null")),
                (HeaderName::from_static("sec-fetch-site"), HeaderValue::from_static(site)),
            ]))
        };
        assert!(from("same-origin", "127.0.0.1:8080") && !from("same-origin", "evil.example"));
        assert!(!from("cross-site", "127.0.0.1:8080") && !from("same-site", "127.0.0.1:8080"));
    }
}
