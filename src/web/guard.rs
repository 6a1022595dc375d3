//! What every page gets: security headers, a body limit and a time limit.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
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

/// What somebody reads whose form is larger than any may be.
const LARGE: &str = include_str!("../../templates/pages/guard/large.html");
/// What somebody reads whose browser asked for what no page of ours asks for.
const UNREAD: &str = include_str!("../../templates/pages/guard/unread.html");
/// What somebody reads whose page was not there in time.
const LATE: &str = include_str!("../../templates/pages/guard/late.html");

/// What a letter's HTML may do in a frame of ours: be seen, with pictures that are in it. No script, no form, no request, no origin.
pub const LETTER_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox";

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
    // Questionnaires may be larger: they say so where it is known who sends them (`questionnaire::body`).
    let pages = pages.layer(DefaultBodyLimit::max(limits::FORM_BYTES));
    let mut guarded = pages.layer(middleware::from_fn(bounded));
    for (name, value) in HEADERS {
        guarded = guarded.layer(SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value)));
    }
    guarded
}

/// Lets through a body no larger than any form, for as long as it may take. Forms with files may be larger, and slower.
async fn bounded(request: Request, next: Next) -> Response {
    let (bytes, seconds) = match is_multipart(request.headers()) {
        true => (limits::UPLOAD_BYTES, limits::UPLOAD_SECONDS),
        false => (limits::ANSWERS_BYTES, limits::PAGE_SECONDS),
    };
    let told = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    // A form with files is read as far as it may be, so that its page can say what is wrong.
    if bytes < limits::UPLOAD_BYTES && told.is_some_and(|told: u64| told > bytes as u64) {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, LARGE);
    }
    let request = request.map(|body| Body::new(Limited::new(body, bytes)));
    readable(in_time(Duration::from_secs(seconds), next.run(request)).await)
}

/// The same answer, or a page in the place of the bare line by which a request is refused that could not be taken apart.
fn readable(answer: Response) -> Response {
    // What a script of ours asked for is read by it.
    let is_meant = answer.headers().get(header::CONTENT_TYPE).is_some_and(|kind| {
        kind.as_bytes().starts_with(b"text/html") || kind.as_bytes().starts_with(b"application/json")
    });
    if is_meant || !answer.status().is_client_error() {
        return answer;
    }
    let large = answer.status() == StatusCode::PAYLOAD_TOO_LARGE;
    let page = Html(if large { LARGE } else { UNREAD }).into_response();
    let (mut parts, _) = answer.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(page.headers().clone());
    Response::from_parts(parts, page.into_body())
}

/// An answer, or that there was none in so long a time.
async fn in_time(patience: Duration, answer: impl Future<Output = Response>) -> Response {
    let answered = tokio::time::timeout(patience, answer).await;
    answered.unwrap_or_else(|_| refused(StatusCode::SERVICE_UNAVAILABLE, LATE))
}

/// A page that is the same for everybody, in both languages: whoever floods us gets the same bytes again, and no template is filled in.
fn refused(status: StatusCode, page: &'static str) -> Response {
    (status, Html(page)).into_response()
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

    #[tokio::test]
    async fn what_is_not_there_in_time_is_told_in_both_languages() {
        let late = in_time(Duration::ZERO, std::future::pending()).await;
        assert_eq!(late.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(late.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        for page in [LATE, LARGE, UNREAD] {
            assert!(page.contains("<html lang=\"en\">") && page.contains("<section lang=\"ja\">"), "{page}");
        }
        assert!(LATE.contains("counts once") && LATE.contains("記録されるのは一度だけです"));
        let there = in_time(Duration::from_secs(60), async { StatusCode::OK.into_response() }).await;
        assert_eq!(there.status(), StatusCode::OK);
    }

    #[test]
    fn what_a_script_is_answered_stays_and_a_bare_line_becomes_a_page() {
        let kind = |answer: Response| readable(answer).headers()[header::CONTENT_TYPE].clone();
        let refused = StatusCode::CONFLICT;
        assert_eq!(kind((refused, axum::Json("closed")).into_response()), "application/json");
        assert_eq!(kind((refused, "Failed to deserialize form body").into_response()), "text/html; charset=utf-8");
        assert_eq!(kind((StatusCode::OK, "ok").into_response()), "text/plain; charset=utf-8");
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
