//! `/healthz` (the process runs), `/readyz` (it can work) and `/metrics` (Prometheus).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use crate::domain::time::{Clock, Instant};
use crate::limits;
use crate::store::Store;

/// When each loop last finished a step, and what ails it: written by the loops, read by `/readyz`.
#[derive(Debug, Default)]
pub struct Pulse(Mutex<BTreeMap<String, Beat>>);

#[derive(Clone, Debug)]
struct Beat {
    at: Instant,
    ailment: Option<String>,
}

impl Pulse {
    /// The loop finished a step (or waited in good order).
    pub fn beat(&self, name: &str, at: Instant) {
        self.lock().insert(name.to_string(), Beat { at, ailment: None });
    }

    /// The loop's step failed; the text says why and names no person.
    pub fn ail(&self, name: &str, at: Instant, why: String) {
        self.lock().insert(name.to_string(), Beat { at, ailment: Some(why) });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Beat>> {
        // A panic while the map was held leaves a whole map behind: every change is one insert.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the health pages look at.
#[derive(Clone)]
pub struct Health {
    /// Asked for one cheap row.
    pub store: Store,
    /// The loops' pulse.
    pub pulse: Arc<Pulse>,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// Tells how old a beat is.
    pub clock: Arc<dyn Clock>,
}

/// The three routes. What tells of studies and mailboxes is for whoever watches the machine: what a proxy says that it passes on is
/// refused. A proxy that says nothing has to refuse it itself (`deploy/proxy/README.md`).
pub fn router(health: Health) -> Router {
    let inner = Router::new().route("/readyz", get(ready)).route("/metrics", get(metrics_text));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .merge(inner.layer(middleware::from_fn(not_from_outside)))
        .with_state(health)
}

/// Refuses what a proxy passed on: that came from somewhere else.
async fn not_from_outside(request: Request, next: Next) -> Response {
    const PASSED_ON: [&str; 4] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "via"];
    match PASSED_ON.iter().any(|name| request.headers().contains_key(*name)) {
        true => StatusCode::NOT_FOUND.into_response(),
        false => next.run(request).await,
    }
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    let now = health.clock.now();
    let database = health.store.ping().await.map_err(|error| error.to_string()).err();
    let loops: Vec<_> = health
        .pulse
        .lock()
        .iter()
        .map(|(name, beat)| {
            let stale = now.seconds_since(beat.at) > limits::PULSE_SECONDS;
            let ailment = beat.ailment.clone().or_else(|| stale.then(|| "no step for too long".to_string()));
            (name.clone(), ailment)
        })
        .collect();
    let well = database.is_none() && loops.iter().all(|(_, ailment)| ailment.is_none());
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let loops: BTreeMap<_, _> = loops.into_iter().collect();
    (status, Json(json!({ "ready": well, "database": database, "loops": loops })))
}

async fn metrics_text(State(health): State<Health>) -> impl IntoResponse {
    if let Ok(waiting) = crate::store::outbox::waiting_count(&health.store).await {
        metrics::gauge!("hagaki_outbox_waiting").set(waiting as f64);
    }
    if let Ok(held) = crate::store::inbox::held_count(&health.store).await {
        metrics::gauge!("hagaki_inbox_held").set(held as f64);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], health.metrics.render())
}
