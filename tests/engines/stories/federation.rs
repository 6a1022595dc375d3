//! Signing in by a real identity provider in a real browser, and by a proxy in front of us; and whom neither lets in.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use hagaki::daemon::machine::SystemClock;
use hagaki::domain::time::{Clock, Instant};
use hagaki::mail::connection;
use hagaki::store::{identity, second_factor};
use hagaki::web;
use hagaki::web::account::{ProxyTerms, Ways};
use hagaki::web::provider::{Provider, ProviderTerms, RETURN_PATH};
use hagaki::workflow::accounts::{self, Care};
use hmac::{Hmac, Mac};
use secrecy::SecretString;
use serde_json::json;
use sha2::Sha256;
use tokio::sync::watch;

use super::members::{FILLED, admit, letters, named, routes};
use super::*;
use crate::browser::Served;
use crate::chromium::{self, Chromium};
use crate::identity_provider::{self, IdentityProvider, SECRET};

const HANA: &str = "hana@example.jp";
const YAMADA: &str = "yamada@example.jp";

/// The machine's clock, put forward by hand: what a provider says must fit the time.
struct PutForward(SystemClock, AtomicI64);

impl Clock for PutForward {
    fn now(&self) -> Instant {
        self.0.now().plus_seconds(self.1.load(Ordering::SeqCst))
    }
}

struct House {
    pages: Served,
    clock: Arc<PutForward>,
    _provider: Option<IdentityProvider>,
}

/// Serves the pages at an address of their own, with a provider that is there or one that is away.
async fn serve(center: &Center, seconds: i64, away: bool) -> House {
    let listener = web::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let provider = (!away).then(|| IdentityProvider::start(&format!("{url}{RETURN_PATH}")));
    let issuer = provider.as_ref().map_or_else(|| "http://127.0.0.1:9".to_owned(), IdentityProvider::issuer);
    let (client_id, name) = ("hagaki".to_owned(), "Example University".to_owned());
    let terms = ProviderTerms { issuer, client_id, secret: SecretString::from(SECRET), name };
    let tls = Arc::unwrap_or_clone(connection::trust(None).unwrap());
    let ways = Ways { provider: Some(Provider::new(terms, &url, tls).unwrap()), proxy: None };
    let clock = Arc::new(PutForward(SystemClock::default(), AtomicI64::new(seconds)));
    let pages = Served::start_on(listener, routes(center, clock.clone(), &url, ways));
    House { pages, clock, _provider: provider }
}

/// A provider that issues tokens as it is told, signed by the secret that it shares with us; a well-kept one issues no false ones.
struct Issuing {
    issuer: String,
    /// The nonce, and to whom the token is issued.
    claims: Arc<Mutex<(String, Option<String>)>>,
    _stop: watch::Sender<bool>,
}

impl Issuing {
    async fn start() -> Issuing {
        let listener = web::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let claims: Arc<Mutex<(String, Option<String>)>> = Arc::default();
        let answer =
            |value: serde_json::Value| ([(axum::http::header::CONTENT_TYPE, "application/json")], value.to_string());
        let told = json!({
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["HS256"],
        });
        let (own, by) = (Arc::clone(&claims), issuer.clone());
        let token = move || {
            let (nonce, party) = own.lock().unwrap().clone();
            let now = SystemClock::default().now().0 / 1_000_000;
            let mut claims = json!({
                "iss": by, "sub": "1", "aud": "hagaki", "iat": now, "exp": now + 600, "nonce": nonce, "email": YAMADA, "email_verified": true,
            });
            if let Some(party) = party {
                claims["azp"] = json!(party);
            }
            json!({ "access_token": "any", "token_type": "Bearer", "id_token": signed(&claims) })
        };
        let pages = axum::Router::new()
            .route("/.well-known/openid-configuration", axum::routing::get(move || async move { answer(told.clone()) }))
            .route("/keys", axum::routing::get(move || async move { answer(json!({ "keys": [] })) }))
            .route("/token", axum::routing::post(move || async move { answer(token()) }));
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(web::serve(listener, pages, stopped));
        Issuing { issuer, claims, _stop: stop }
    }
}

/// Claims as a token signed by the shared secret (RFC 7515, HS256).
fn signed(claims: &serde_json::Value) -> String {
    let part = |value: &serde_json::Value| data_encoding::BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let text = format!("{}.{}", part(&json!({ "alg": "HS256", "typ": "JWT" })), part(claims));
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    format!("{text}.{}", data_encoding::BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()))
}

/// Signs in at the provider as somebody; the text of the page that it leads to.
fn pass_provider(browser: &mut Chromium, person: &str) -> String {
    browser.press("main a.button.second");
    at_provider(browser, person)
}

/// Where somebody stands who goes to the provider.
fn at_provider_after(browser: &mut Chromium) -> String {
    browser.press("main a.button.second");
    browser.run("location.pathname").as_str().unwrap().to_owned()
}

fn at_provider(browser: &mut Chromium, person: &str) -> String {
    browser.run(&format!("document.querySelector('input[name=login]').value = '{person}'"));
    browser.run("document.querySelector('input[name=password]').value = 'any'");
    browser.press("button[type=submit]");
    if browser.run("location.pathname").as_str().unwrap().starts_with("/interaction/") {
        browser.press("button[type=submit]");
    }
    browser.text()
}

stories! {
    async fn a_member_comes_in_by_their_institution(center: &mut Center) {
        if !identity_provider::is_there() || !chromium::is_there() {
            return;
        }
        center.activate(&named(), Stage::Production).await;
        admit(center, "members", &[HANA, "taro@example.jp"]).await;
        letters(center, 2).await;
        let house = serve(center, 0, false).await;
        let url = house.pages.url("/sign-in?to=members&lang=en");
        let seen = tokio::task::spawn_blocking(move || {
            let mut browser = Chromium::start();
            browser.screen(390, 844);
            browser.open(&url);
            browser.look("sign-in-provider");
            let form = pass_provider(&mut browser, "hana");
            browser.look("sign-in-provider-done");
            let path = browser.run("location.pathname + location.search").as_str().unwrap().to_owned();
            browser.fill(&FILLED[1..], "answer");
            let thanks = browser.text();
            browser.press("footer button");
            let left = browser.text();
            browser.look("signed-out-provider");
            browser.press("main p a[rel=noreferrer]");
            let there = browser.run("location.pathname + location.search").as_str().unwrap().to_owned();
            browser.press("button[autofocus]");
            // Signed out there, too: who they are is asked once more.
            browser.open(&url);
            let again = at_provider_after(&mut browser);
            let mut told = Vec::new();
            for person in ["hana-again", "unverified", "stranger"] {
                let mut browser = Chromium::start();
                browser.open(&url);
                told.push(pass_provider(&mut browser, person));
            }
            (path, form, thanks, [left, there, again], told)
        });
        let (path, form, thanks, [left, there, again], told) = seen.await.unwrap();
        assert!(left.contains("At Example University you may still be signed in"), "{left}");
        assert_eq!(there, "/session/end?client_id=hagaki");
        assert!(again.starts_with("/interaction/"), "{again}");
        assert!(path.starts_with("/s/members/form"), "{path}: {form}");
        assert!(thanks.contains("Receipt number"), "{thanks}");
        assert_eq!(identity::count(center.store(), &account(center, HANA).await).await.unwrap(), 1);
        for (told, word) in told.iter().zip(["another name", "no mail address of yours", "stranger@example.jp, but"]) {
            assert!(told.contains(word), "{word}: {told}");
        }

        // Whoever was closed out stays out, however well the provider knows them.
        let hana = account(center, HANA).await;
        let now = center.clock.now();
        assert!(accounts::care(center.store(), now, "operator:test", "left", &hana, Care::Close).await.unwrap());
        let url = house.pages.url("/sign-in?to=members&lang=en");
        let told = tokio::task::spawn_blocking(move || {
            let mut browser = Chromium::start();
            browser.open(&url);
            pass_provider(&mut browser, "hana")
        });
        assert!(told.await.unwrap().contains("This account was closed"));
    }

    async fn an_address_alone_opens_no_account_that_has_a_second_factor(center: &mut Center) {
        if !identity_provider::is_there() || !chromium::is_there() {
            return;
        }
        aurora(center).await;
        let pages = Arc::new(super::members::serve(center).await);
        let yamada = super::cases::Visit::begin(center, &pages, "aurora", YAMADA).await;
        crate::stories::second_factor::set_up(center, &yamada).await;
        let house = serve(center, 0, false).await;
        let url = house.pages.url("/sign-in?to=/c/aurora&lang=en");
        let seen = tokio::task::spawn_blocking(move || {
            let mut browser = Chromium::start();
            browser.open(&url);
            let asked = pass_provider(&mut browser, "yamada");
            (asked, browser.run("location.pathname").as_str().unwrap().to_owned())
        });
        let (asked, path) = seen.await.unwrap();
        assert!(path == "/sign-in/code" && asked.contains("type the code"), "{path}: {asked}");
        let id = account(center, YAMADA).await;
        assert!(second_factor::find(center.store(), &id).await.unwrap().is_some());
        assert_eq!(identity::count(center.store(), &id).await.unwrap(), 0, "nobody is let in by it the next time");
    }

    async fn what_comes_back_is_believed_in_the_browser_that_asked(center: &mut Center) {
        if !identity_provider::is_there() {
            return;
        }
        aurora(center).await;
        let house = serve(center, 0, false).await;
        let pages = &house.pages;
        let forged = pages.get(&format!("{RETURN_PATH}?code=stolen&state=guessed")).await;
        assert!(forged.status == 403 && forged.body.contains("not begun in this browser"), "{forged:?}");
        let begun = pages.get("/sign-in/provider?to=/c/aurora&lang=en").await;
        let there = begun.location();
        for word in ["code_challenge_method=S256", "response_type=code", "nonce=", "scope=openid+email"] {
            assert!(there.contains(word), "{word}: {there}");
        }
        let state = there.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        // Another browser's state, no code, a code of nobody: all with the cookie.
        for (query, word) in [
            ("code=stolen&state=guessed".to_owned(), "not begun in this browser"),
            (format!("error=access_denied&state={state}"), "not signed in there"),
            (format!("code=stolen&state={state}"), "does not let you in"),
        ] {
            let page = pages.get_with(&format!("{RETURN_PATH}?{query}"), &begun.cookie()).await;
            assert!(page.status == 403 && page.body.contains(word), "{word}: {page:?}");
        }
        // A provider that is away keeps nobody from their password.
        let house = serve(center, 0, true).await;
        let away = house.pages.get("/sign-in/provider?lang=en").await;
        assert!(away.status == 502 && away.body.contains("cannot be reached at the moment"), "{away:?}");
        assert!(house.pages.get("/sign-in?lang=en").await.body.contains("Example University"));
        assert_eq!(super::members::serve(center).await.get("/sign-in/provider").await.status, 404);
    }

    async fn a_token_that_was_issued_to_another_party_lets_nobody_in(center: &mut Center) {
        aurora(center).await;
        let issuing = Issuing::start().await;
        let listener = web::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let terms = ProviderTerms {
            issuer: issuing.issuer.clone(), client_id: "hagaki".to_owned(), secret: SecretString::from(SECRET), name: "Example University".to_owned(),
        };
        let tls = Arc::unwrap_or_clone(connection::trust(None).unwrap());
        let ways = Ways { provider: Some(Provider::new(terms, &url, tls).unwrap()), proxy: None };
        let clock = Arc::new(PutForward(SystemClock::default(), AtomicI64::new(0)));
        let pages = Served::start_on(listener, routes(center, clock, &url, ways));
        // Its other claims are right each time: who it was issued to decides (OpenID Connect Core 1.0 section 3.1.3.7).
        for (party, comes_in) in [(Some("somebody-else"), false), (Some(""), false), (Some("hagaki"), true), (None, true)] {
            let begun = pages.get("/sign-in/provider?to=/c/aurora&lang=en").await;
            let there = begun.location();
            let of = |name: &str| there.split(&format!("{name}=")).nth(1).unwrap().split('&').next().unwrap().to_owned();
            *issuing.claims.lock().unwrap() = (of("nonce"), party.map(str::to_owned));
            let back = format!("{RETURN_PATH}?code=any&state={}", of("state"));
            let page = pages.get_with(&back, &begun.cookie()).await;
            match comes_in {
                true => assert_eq!(page.location(), "/c/aurora?lang=en", "{party:?}"),
                false => assert!(page.status == 403 && page.body.contains("does not let you in"), "{party:?}: {page:?}"),
            }
        }
    }

    async fn whoever_came_by_a_provider_shows_there_once_more_who_they_are(center: &mut Center) {
        if !identity_provider::is_there() || !chromium::is_there() {
            return;
        }
        let section = "[pages]\nstep_up = \"password\"\nstep_up_minutes = 10\n\n[registration]\n";
        center.activate(&edited(&samples::aurora(), "study.toml", "[registration]\n", section), Stage::Production).await;
        // Twenty minutes ago, so that the clock can be put forward to now.
        let house = serve(center, -1200, false).await;
        let (list, clock) = (house.pages.url("/c/aurora?lang=en"), house.clock.clone());
        let seen = tokio::task::spawn_blocking(move || {
            let mut browser = Chromium::start();
            browser.open(&list);
            let first = pass_provider(&mut browser, "yamada");
            clock.1.store(0, Ordering::SeqCst);
            browser.open(&list);
            let asked = browser.text();
            browser.press("main a.button.second");
            let again = at_provider(&mut browser, "yamada");
            (first, asked, again)
        });
        let (first, asked, again) = seen.await.unwrap();
        assert!(first.contains("Register a case") || first.contains("症例"), "{first}");
        assert!(asked.contains("Is it still you?") && asked.contains("Example University"), "{asked}");
        assert!(again.contains("Register a case"), "{again}");
    }

    async fn a_proxy_is_believed_where_it_vouches(center: &mut Center) {
        aurora(center).await;
        let listener = web::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let header = axum::http::HeaderName::from_static("x-mail");
        let secret = SecretString::from("open sesame");
        let from = vec![IpAddr::from([127, 0, 0, 1])];
        let ways = Ways { provider: None, proxy: Some(ProxyTerms { header, from, secret, name: "GakuNin".to_owned() }) };
        let pages = Served::start_on(listener, routes(center, center.clock.clone(), &url, ways));
        let come = async |more: &str| {
            pages.ask(&format!("GET /sign-in/proxy?to=/c/aurora&lang=en HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{more}\r\n")).await
        };
        assert!(pages.get("/sign-in?to=/c/aurora&lang=en").await.body.contains("/sign-in/proxy?to&#x3D;/c/aurora"));
        let entered = come(&format!("X-Mail: {YAMADA}\r\nX-Hagaki-Proxy: open sesame\r\n")).await;
        assert_eq!(entered.location(), "/c/aurora?lang=en", "{entered:?}");
        let list = pages.get_with("/c/aurora?lang=en", &entered.cookie()).await;
        assert!(list.body.contains("Register a case"), "{list:?}");
        for (more, word) in [
            (format!("X-Mail: {YAMADA}\r\n"), "only through the sign-in of your institution"),
            (format!("X-Mail: {YAMADA}\r\nX-Hagaki-Proxy: sesame\r\n"), "only through the sign-in of your institution"),
            ("X-Mail: stranger@example.jp\r\nX-Hagaki-Proxy: open sesame\r\n".to_owned(), "stranger@example.jp, but"),
            ("X-Mail: nonsense\r\nX-Hagaki-Proxy: open sesame\r\n".to_owned(), "no mail address of yours"),
        ] {
            let page = come(&more).await;
            assert!(page.status == 403 && page.body.contains(word), "{word}: {page:?}");
        }
        // Nor does the header do anything anywhere else.
        let get = format!("GET /c/aurora HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Mail: {YAMADA}\r\nX-Hagaki-Proxy: open sesame\r\n\r\n");
        assert_eq!(pages.ask(&get).await.location(), "/sign-in?to=/c/aurora");
    }
}

async fn account(center: &Center, address: &str) -> hagaki::domain::survey::Mark {
    hagaki::store::account::find_by_address(center.store(), address).await.unwrap().unwrap().id
}
