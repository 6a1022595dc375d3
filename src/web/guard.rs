//! What every page gets: security headers, a body limit and a time limit.

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

use crate::limits;

/// No script, style, frame or form target but our own; nothing is cached, sniffed or leaked in a referrer.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action \
         'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Puts the guards around pages.
pub fn guarded(pages: Router) -> Router {
    let mut guarded = pages.layer(RequestBodyLimitLayer::new(limits::FORM_BYTES)).layer(
        TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(limits::PAGE_SECONDS)),
    );
    for (name, value) in HEADERS {
        guarded = guarded.layer(SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value)));
    }
    guarded
}
