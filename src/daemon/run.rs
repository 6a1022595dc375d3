//! Builds the loops from the operator's file, starts them, and stops them in order.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::time::Duration;

use axum::http::HeaderName;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::alone::{Alone, NotAlone};
use super::supervise::{overdue, supervise};
use crate::domain::study::Post;
use crate::domain::time::{Clock, Dice};
use crate::domain::urgency::Lane;
use crate::files::{BucketTerms, Files, FilesError};
use crate::limits;
use crate::mail::Worker;
use crate::mail::calendar::Calendar;
use crate::mail::connection::{self, ConnectError};
use crate::mail::desk::{Counter, Desk};
use crate::mail::dispatch::{Dispatch, Pace, host_of};
use crate::mail::intake::Intake;
use crate::mail::mailbox::Mailbox;
use crate::mail::transport::Transport;
use crate::settings::{Engine, FilesSettings, MailboxSettings, Settings, WebSettings};
use crate::store::{Store, StoreError, host, inbox, outbox, secret, study};
use crate::web;
use crate::web::account::{AccountPages, ProxyTerms, Ways};
use crate::web::cases::CasePages;
use crate::web::election::ElectionPages;
use crate::web::health::{Health, Pulse};
use crate::web::provider::{Provider, ProviderError, ProviderTerms};
use crate::web::survey::{SurveyPages, Tools};
use crate::workflow::shelf::Shelf;
use crate::workflow::{DeskAddress, Failure, Keys, Operator, binding};

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored study.
    #[error(transparent)]
    Workflow(#[from] Failure),
    /// A transport's certificate authority.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The files of answers.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// Another daemon runs on the embedded database.
    #[error(transparent)]
    NotAlone(#[from] NotAlone),
    /// The database's folder cannot be made.
    #[error("{}: the folder cannot be made ({source}); create it, or name another under [database] url", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A daemon, built and not yet running.
pub struct Daemon {
    /// Its store.
    pub store: Store,
    /// Where the files of answers lie.
    pub files: Arc<Files>,
    /// Its studies.
    pub shelf: Arc<Shelf>,
    /// Its keys.
    pub keys: Arc<Keys>,
    /// Its loops.
    pub workers: Vec<Worker>,
    pulse: Arc<Pulse>,
    dispatch_bells: Vec<Arc<Notify>>,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    metrics: PrometheusHandle,
    /// On an embedded database: that no other daemon runs on it.
    _alone: Option<Alone>,
}

/// Opens the database that the settings name; makes the folder of an embedded one.
///
/// # Errors
/// The database cannot be used.
pub async fn open_store(settings: &Settings) -> Result<Store, DaemonError> {
    let url = match &settings.database.engine {
        Engine::Sqlite(path) => {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder)
                    .map_err(|source| DaemonError::Folder { path: folder.to_path_buf(), source })?;
            }
            format!("sqlite://{}", path.display())
        }
        Engine::Postgres(url) => match &settings.database.password {
            None => url.clone(),
            Some(password) => with_password(url, password.expose_secret()),
        },
    };
    let store = Store::open(&url).await?.with_ring(settings.keys.clone());
    // What draws are made from was in the clear before there was a key. Nothing hangs on it now, so a database that is busy is used.
    match study::seal_secrets(&store).await {
        Ok(0) => {}
        Ok(sealed) => tracing::info!(sealed, "secrets of studies are sealed with the key file now"),
        Err(error) => {
            tracing::warn!(%error, "secrets of studies are not sealed yet; it is tried again at the next start")
        }
    }
    Ok(store)
}

/// `postgres://user@host/db` with the password behind the user, percent-encoded.
fn with_password(url: &str, password: &str) -> String {
    let encoded: String = password
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    match url.split_once('@') {
        Some((user, rest)) => format!("{user}:{encoded}@{rest}"),
        None => url.to_string(),
    }
}

/// Where the files of answers lie by the settings; a folder is made when the first file comes.
///
/// # Errors
/// The bucket's terms; the system trusts no certificates.
pub fn files(settings: &Settings) -> Result<Files, DaemonError> {
    let ring = settings.keys.clone();
    let own = match &settings.files {
        FilesSettings::Folder(folder) => return Ok(Files::folder(folder, ring)),
        FilesSettings::Bucket(own) => own,
    };
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(Arc::unwrap_or_clone(connection::trust(None)?))
        .connect_timeout(Duration::from_secs(limits::BUCKET_SECONDS))
        .read_timeout(Duration::from_secs(limits::BUCKET_SECONDS))
        .build()
        .map_err(|error| FilesError::Client(error.to_string()))?;
    let access = own.access.as_ref().map(|(name, secret)| (name.clone(), secret.expose_secret().to_owned()));
    let terms = BucketTerms {
        bucket: own.bucket.clone(),
        endpoint: own.endpoint.clone(),
        region: own.region.clone(),
        prefix: own.prefix.clone(),
        access,
        client,
    };
    Ok(Files::bucket(terms, ring)?)
}

/// The installation's keys, made once and kept in its store.
///
/// # Errors
/// The database.
pub async fn keys(store: &Store, dice: &dyn Dice) -> Result<Keys, StoreError> {
    let mut fresh = [0; 32];
    dice.fill(&mut fresh);
    Ok(Keys::derive(&secret::secret_or_insert(store, "installation", &fresh).await?))
}

/// A mailbox as letters show it.
pub fn desk_address(mailbox: &MailboxSettings, web: &WebSettings) -> DeskAddress {
    DeskAddress {
        mailbox: mailbox.name.clone(),
        address: mailbox.address.clone(),
        display: mailbox.display.clone().unwrap_or_default(),
        message_id_domain: mailbox.message_id_domain.clone(),
        public_url: web.public_url.clone(),
        openpgp: mailbox.openpgp.clone(),
    }
}

impl Daemon {
    /// Opens the store and builds every loop; connects to no mail server yet.
    ///
    /// # Errors
    /// The database, or a certificate file.
    pub async fn build(settings: &Settings, clock: Arc<dyn Clock>, dice: Arc<dyn Dice>) -> Result<Daemon, DaemonError> {
        let store = open_store(settings).await?;
        let alone = match &settings.database.engine {
            Engine::Sqlite(path) => Some(Alone::with(path)?),
            Engine::Postgres(_) => None,
        };
        if alone.is_some() {
            // Whoever claimed these is dead.
            inbox::free_all(&store).await?;
            outbox::free_all(&store).await?;
        }
        let keys = Arc::new(keys(&store, &*dice).await?.with_ring(settings.keys.clone()));
        let shelf = Arc::new(Shelf::new(store.clone()));
        // What fails is told and tried again by the calendar; nothing of that study is decided before.
        if let Err(error) = binding::bind_all(&shelf, clock.now(), &*dice).await {
            tracing::error!(%error, "corrections that an earlier version recorded could not be bound");
        }
        let files = Arc::new(files(settings)?);
        let interval = Duration::from_secs(settings.daemon.interval_seconds);
        let lease_seconds = i64::try_from(settings.daemon.lease_seconds).unwrap_or(i64::MAX);
        let owner = settings.daemon.owner.clone();
        let desk_bell = Arc::new(Notify::new());
        let mut counters = BTreeMap::new();
        let (mut dispatch_bells, mut filing_bells, mut workers) = (Vec::new(), Vec::new(), Vec::new());
        for mailbox in &settings.mailboxes {
            let (alert_bell, filing_bell) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let desk = desk_address(mailbox, &settings.web);
            let post = Post {
                address: mailbox.address.clone(),
                authserv_ids: mailbox.authserv_ids.clone(),
                message_id_domain: mailbox.message_id_domain.clone(),
            };
            counters.insert(mailbox.name.clone(), Arc::new(Counter { desk: desk.clone(), post }));
            workers.push(Worker::Intake(Box::new(Intake::new(
                store.clone(),
                Arc::clone(&clock),
                Arc::clone(&dice),
                mailbox.name.clone(),
                Mailbox::open(&mailbox.source, &*dice),
                owner.clone(),
                lease_seconds,
                interval,
                Arc::clone(&desk_bell),
                Arc::clone(&filing_bell),
            ))));
            let transport = Transport::open(&mailbox.delivery, Arc::clone(&clock))?;
            let slowing = Arc::default();
            for lane in Lane::ALL {
                // Whoever starts the daemon may have mended what was wrong with the server: it is tried at once.
                host::record_success(&store, &host_of(&mailbox.name, lane)).await?;
                let (bell, transport, owner) = match lane {
                    Lane::Awaited => (Arc::clone(&alert_bell), transport.clone(), owner.clone()),
                    Lane::Mailings => (Arc::new(Notify::new()), transport.for_mailings(), format!("{owner}/mailings")),
                };
                dispatch_bells.push(Arc::clone(&bell));
                workers.push(Worker::Dispatch(Box::new(Dispatch {
                    lane,
                    store: store.clone(),
                    clock: Arc::clone(&clock),
                    dice: Arc::clone(&dice),
                    keys: Arc::clone(&keys),
                    shelf: Arc::clone(&shelf),
                    desk: desk.clone(),
                    transport,
                    owner,
                    lease_seconds,
                    interval,
                    bell,
                    alert_bell: Arc::clone(&alert_bell),
                    away: AtomicBool::new(true),
                    taken_at: AtomicI64::new(0),
                    throttle: mailbox.throttle.clone(),
                    slowing: Arc::clone(&slowing),
                    pace: Pace::default(),
                })));
            }
            filing_bells.push(filing_bell);
        }
        if let Some(mailbox) = settings.mailboxes.first() {
            workers.push(Worker::Calendar(Box::new(Calendar {
                store: store.clone(),
                files: Arc::clone(&files),
                clock: Arc::clone(&clock),
                dice: Arc::clone(&dice),
                shelf: Arc::clone(&shelf),
                keys: Arc::clone(&keys),
                desk: desk_address(mailbox, &settings.web),
                interval,
                dispatch_bells: dispatch_bells.clone(),
            })));
        }
        workers.push(Worker::Desk(Box::new(Desk {
            store: store.clone(),
            clock: Arc::clone(&clock),
            dice: Arc::clone(&dice),
            shelf: Arc::clone(&shelf),
            keys: Arc::clone(&keys),
            counters: Arc::new(counters),
            operator: Operator { address: settings.operator.address.clone(), language: settings.operator.language },
            owner,
            lease_seconds,
            interval,
            bell: desk_bell,
            dispatch_bells: dispatch_bells.clone(),
            filing_bells,
            ahead: None,
        })));
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        // Fails only if a recorder is there already (tests build several daemons): then that one counts.
        let _ = metrics::set_global_recorder(recorder);
        Ok(Daemon {
            store,
            files,
            shelf,
            keys,
            workers,
            pulse: Arc::new(Pulse::default()),
            dispatch_bells,
            clock,
            dice,
            metrics,
            _alone: alone,
        })
    }

    /// The health pages of this daemon.
    pub fn health(&self) -> Health {
        Health {
            store: self.store.clone(),
            pulse: Arc::clone(&self.pulse),
            metrics: self.metrics.clone(),
            clock: Arc::clone(&self.clock),
        }
    }

    /// The pages of questionnaires, elections and accounts; none without a mailbox that speaks for us.
    ///
    /// # Errors
    /// The identity provider's address can be none; the system trusts no certificates.
    pub fn pages(&self, settings: &Settings) -> Result<Option<axum::Router>, WaysError> {
        let Some(mailbox) = settings.mailboxes.first() else { return Ok(None) };
        let tools = Tools {
            shelf: Arc::clone(&self.shelf),
            clock: Arc::clone(&self.clock),
            dice: Arc::clone(&self.dice),
            keys: Arc::clone(&self.keys),
            desk: desk_address(mailbox, &settings.web),
            files: Arc::clone(&self.files),
            proxies: proxies(settings),
            dispatch_bells: self.dispatch_bells.clone(),
        };
        let accounts = AccountPages::new(tools.clone()).with_ways(ways(settings)?).router();
        let surveys = SurveyPages::new(tools.clone()).router();
        let elections = ElectionPages::new(tools.clone()).router();
        Ok(Some(surveys.merge(accounts).merge(elections).merge(CasePages::new(tools).router())))
    }

    /// Runs until `stop` turns true: the pages stop taking requests, each loop finishes its step, the store is closed.
    pub async fn run(self, listener: TcpListener, pages: axum::Router, stop: watch::Receiver<bool>) {
        let mut loops = JoinSet::new();
        for worker in self.workers {
            loops.spawn(supervise(worker, Arc::clone(&self.clock), Arc::clone(&self.pulse), stop.clone()));
        }
        tokio::select! {
            () = web::serve(listener, pages, stop.clone()) => {}
            // A client that never finishes its request keeps nobody.
            () = overdue(stop) => {}
        }
        while loops.join_next().await.is_some() {}
        self.store.close().await;
    }
}

/// The proxies on other machines: those of the pages, and those that sign people in.
fn proxies(settings: &Settings) -> Vec<IpAddr> {
    let vouching = settings.proxy.iter().flat_map(|own| own.from.iter());
    settings.web.proxies.iter().chain(vouching).copied().collect()
}

/// Why the other ways to sign in cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum WaysError {
    /// The system trusts no certificates.
    #[error(transparent)]
    Trust(#[from] ConnectError),
    /// The provider's address can be none.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

/// The identity provider and the proxy of the settings.
///
/// # Errors
/// The provider's address can be none; the system trusts no certificates.
pub fn ways(settings: &Settings) -> Result<Ways, WaysError> {
    let provider = match &settings.provider {
        Some(own) => {
            let terms = ProviderTerms {
                issuer: own.issuer.clone(),
                client_id: own.client_id.clone(),
                secret: own.secret.clone(),
                name: own.name.clone(),
            };
            let tls = Arc::unwrap_or_clone(connection::trust(None)?);
            Some(Provider::new(terms, &settings.web.public_url, tls)?)
        }
        None => None,
    };
    let proxy = settings.proxy.as_ref().map(|own| ProxyTerms {
        header: HeaderName::from_bytes(own.header.as_bytes())
            .expect("the settings take letters, digits and hyphens alone"),
        from: own.from.clone(),
        secret: own.secret.clone(),
        name: own.name.clone(),
    });
    Ok(Ways { provider, proxy })
}
