//! Signing in by what an identity provider or a proxy in front of us vouches for.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use subtle::ConstantTimeEq;

use super::{AccountPages, Cookie, PAGES, Sheet, goal, language, place};
use crate::domain::credential::Secret;
use crate::domain::language::Language;
use crate::web::provider::{Flow, Provider, ProviderError};
use crate::workflow::Failure;
use crate::workflow::accounts::Goal;
use crate::workflow::federation::{self, Admitted, Vouched};

/// Header in which a proxy shows that the request went through where it vouches for people.
pub const PROXY_SECRET: &str = "x-hagaki-proxy";

/// A proxy that vouches for people (Shibboleth, SAML federations, Kerberos).
#[derive(Clone, Debug)]
pub struct ProxyTerms {
    /// Header that holds the person's address.
    pub header: HeaderName,
    /// Whose connections are believed.
    pub from: Vec<IpAddr>,
    /// What it puts into [`PROXY_SECRET`], there alone where it vouches.
    pub secret: SecretString,
    /// What the button calls it.
    pub name: String,
}

/// Ways to sign in beside a password of ours.
#[derive(Debug, Default)]
pub struct Ways {
    /// An identity provider.
    pub provider: Option<Provider>,
    /// A proxy in front of us.
    pub proxy: Option<ProxyTerms>,
}

/// What a link of these pages may carry.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Return {
    lang: Option<String>,
    to: Option<String>,
    again: Option<String>,
    code: Option<String>,
    state: Option<String>,
}

impl AccountPages {
    /// The buttons beside the password's form: `[{name, link}]`.
    pub(super) fn buttons(&self, language: Language, to: Option<&str>) -> serde_json::Value {
        let to = to.map(|to| format!("to={to}&")).unwrap_or_default();
        let link = |path: &str| format!("{path}?{to}lang={}", language.code());
        let provider = self.ways.provider.as_ref();
        let provider = provider.map(|way| json!({ "name": way.name(), "link": link("/sign-in/provider") }));
        let proxy = self.ways.proxy.as_ref();
        let proxy = proxy.map(|way| json!({ "name": way.name, "link": link("/sign-in/proxy") }));
        provider.into_iter().chain(proxy).collect()
    }

    fn troubled(&self, error: &ProviderError, language: Language) -> Response {
        tracing::warn!(%error, "signing in by the identity provider failed");
        match error {
            ProviderError::Away(_) => self.told(StatusCode::BAD_GATEWAY, language, "provider_away"),
            ProviderError::Refused(_) => self.told(StatusCode::FORBIDDEN, language, "provider_refused"),
        }
    }

    /// Goes on with whoever is vouched for.
    async fn admit(
        &self,
        headers: &HeaderMap,
        language: Language,
        vouched: &Vouched,
        goal: Option<&Goal>,
    ) -> Result<Response, Failure> {
        let current = self.visitor(headers).await?.map(|(visitor, _)| visitor);
        Ok(match federation::admit(&self.tools.shelf, self.tools.means(), vouched, current.as_ref()).await? {
            Admitted::Still => Redirect::to(&format!("{}?lang={}", place(goal), language.code())).into_response(),
            Admitted::In(secret) => self.go_on(headers, &secret, &place(goal), language).await,
            Admitted::Waits(secret) => {
                let to = goal.map(|goal| format!("to={}&", goal.text())).unwrap_or_default();
                self.go_on(headers, &secret, &format!("/sign-in/code?{to}"), language).await
            }
            Admitted::NoAddress => self.told(StatusCode::FORBIDDEN, language, "vouched_no_address"),
            Admitted::Closed => self.told(StatusCode::FORBIDDEN, language, "vouched_closed"),
            Admitted::Group => self.told(StatusCode::FORBIDDEN, language, "vouched_group"),
            Admitted::Taken => self.told(StatusCode::FORBIDDEN, language, "vouched_taken"),
            // It is their own address, so it may be said.
            Admitted::Unknown(address) => {
                let told = PAGES.word(language, "vouched_unknown", &[("address", &address)]);
                let sheet = Sheet { language, path: "/sign-in", to: None, guard: None, signed_in: false };
                self.respond(StatusCode::FORBIDDEN, &sheet, "told", json!({ "told": told }))
            }
        })
    }

    fn flow_cookie(&self, flow: Option<&Flow>) -> HeaderValue {
        let value = flow.map(|flow| {
            let goal = data_encoding::BASE32_NOPAD.encode(flow.goal.as_bytes());
            format!("{}.{goal}", flow.secret.text())
        });
        Cookie::Provider.write_text(value.as_deref(), &self.tools.desk.public_url)
    }

    fn flow(&self, headers: &HeaderMap) -> Option<Flow> {
        let value = Cookie::Provider.read_text(headers, &self.tools.desk.public_url)?;
        let (secret, goal) = value.split_once('.')?;
        let goal = data_encoding::BASE32_NOPAD.decode(goal.as_bytes()).ok()?;
        Some(Flow { secret: Secret::parse(secret)?, goal: String::from_utf8(goal).ok()? })
    }
}

/// Sends somebody to the identity provider. By a link, since our forms may be sent nowhere else.
pub(super) async fn leave_for_provider(
    State(pages): State<AccountPages>,
    Query(wish): Query<Return>,
    headers: HeaderMap,
) -> Response {
    let language = language(wish.lang.as_deref(), &headers);
    let Some(provider) = &pages.ways.provider else { return pages.told(StatusCode::NOT_FOUND, language, "no_way") };
    let goal = goal(wish.to.as_deref()).map(|goal| goal.text()).unwrap_or_default();
    let flow = Flow { secret: Secret::new(&*pages.tools.dice), goal };
    match provider.begin(&flow, wish.again.is_some(), pages.tools.clock.now()).await {
        Ok(url) => ([(header::SET_COOKIE, pages.flow_cookie(Some(&flow)))], Redirect::to(&url)).into_response(),
        Err(error) => pages.troubled(&error, language),
    }
}

/// Takes somebody back from the identity provider.
pub(super) async fn come_back(
    State(pages): State<AccountPages>,
    Query(wish): Query<Return>,
    headers: HeaderMap,
) -> Response {
    let language = language(None, &headers);
    let Some(provider) = &pages.ways.provider else { return pages.told(StatusCode::NOT_FOUND, language, "no_way") };
    let flow = pages.flow(&headers);
    let came = wish.state.as_deref().unwrap_or_default();
    let Some(flow) = flow.filter(|flow| flow.state().as_bytes().ct_eq(came.as_bytes()).into()) else {
        return pages.told(StatusCode::FORBIDDEN, language, "provider_elsewhere");
    };
    // Without a code they turned back, or the provider would not have them.
    let Some(code) = wish.code else { return pages.told(StatusCode::FORBIDDEN, language, "provider_turned_back") };
    let answer = match provider.finish(&flow, code, pages.tools.clock.now()).await {
        Ok(vouched) => pages.admit(&headers, language, &vouched, goal(Some(&flow.goal)).as_ref()).await,
        Err(error) => Ok(pages.troubled(&error, language)),
    };
    let mut answer = answer.unwrap_or_else(|failure| pages.unavailable(&failure, &headers));
    answer.headers_mut().append(header::SET_COOKIE, pages.flow_cookie(None));
    answer
}

/// Takes the word of the proxy in front of us.
pub(super) async fn pass_proxy(
    State(pages): State<AccountPages>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(wish): Query<Return>,
    headers: HeaderMap,
) -> Response {
    let language = language(wish.lang.as_deref(), &headers);
    let Some(proxy) = &pages.ways.proxy else { return pages.told(StatusCode::NOT_FOUND, language, "no_way") };
    let address = address_of(proxy, peer, &headers);
    let Some(address) = address else {
        tracing::warn!(%peer, header = %proxy.header, "a request for the proxy's sign-in did not come from the proxy");
        return pages.told(StatusCode::FORBIDDEN, language, "proxy_elsewhere");
    };
    let vouched = Vouched {
        identity: None,
        address: Some(address),
        // When they last showed there who they are is not told.
        proved_at: crate::domain::time::Instant(0),
        several_factors: false,
    };
    let admitted = pages.admit(&headers, language, &vouched, goal(wish.to.as_deref()).as_ref()).await;
    admitted.unwrap_or_else(|failure| pages.unavailable(&failure, &headers))
}

/// The address that the proxy vouches for; none if the request did not come from it, or it named several.
fn address_of(proxy: &ProxyTerms, peer: SocketAddr, headers: &HeaderMap) -> Option<String> {
    let only = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    };
    let shown = only(&HeaderName::from_static(PROXY_SECRET))?;
    let known = proxy.from.contains(&peer.ip().to_canonical());
    let right = shown.as_bytes().ct_eq(proxy.secret.expose_secret().as_bytes());
    (known && bool::from(right)).then(|| only(&proxy.header)).flatten().map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_proxys_own_word_counts() {
        let proxy = ProxyTerms {
            header: HeaderName::from_static("x-mail"),
            from: vec![IpAddr::from([127, 0, 0, 1])],
            secret: SecretString::from("open sesame"),
            name: "GakuNin".to_string(),
        };
        let near = SocketAddr::from(([127, 0, 0, 1], 1));
        let far = SocketAddr::from(([203, 0, 113, 9], 1));
        let mapped = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 1));
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            headers
        };
        let whole = headers(&[("x-mail", "hana@example.jp"), (PROXY_SECRET, "open sesame")]);
        assert_eq!(address_of(&proxy, near, &whole).as_deref(), Some("hana@example.jp"));
        assert_eq!(address_of(&proxy, mapped, &whole).as_deref(), Some("hana@example.jp"));
        assert_eq!(address_of(&proxy, far, &whole), None);
        let cases = [
            &[("x-mail", "hana@example.jp")][..],
            &[("x-mail", "hana@example.jp"), (PROXY_SECRET, "sesame")],
            &[("x-mail", "hana@example.jp"), (PROXY_SECRET, "sesame"), (PROXY_SECRET, "open sesame")],
            &[("x-mail", "taro@example.jp"), ("x-mail", "hana@example.jp"), (PROXY_SECRET, "open sesame")],
            &[(PROXY_SECRET, "open sesame")],
        ];
        for case in cases {
            assert_eq!(address_of(&proxy, near, &headers(case)), None, "{case:?}");
        }
    }
}
