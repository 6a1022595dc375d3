//! An identity provider: OpenID Connect by authorization code with PKCE, state and nonce (OpenID Connect Core 1.0, RFC 7636).
//!
//! In charge of what goes to the provider and of believing what comes back. Whom it lets in is decided by `workflow::federation`.

use std::pin::Pin;
use std::time::Duration;

use openidconnect::core::{CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreUserInfoClaims};
use openidconnect::{
    AsyncHttpClient, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken, HttpRequest,
    HttpResponse, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier,
    ProviderMetadataWithLogout, RedirectUrl, Scope, TokenResponse,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio_rustls::rustls::ClientConfig;

use crate::domain::credential::Secret;
use crate::domain::time::Instant;
use crate::limits;
use crate::workflow::federation::Vouched;

/// Where it comes back to, below the public address.
pub const RETURN_PATH: &str = "/sign-in/provider/done";

/// Several factors, as providers say it (RFC 8176 section 2).
const SEVERAL_FACTORS: &str = "mfa";

/// Why signing in by a provider did not work; for the log, since whoever signs in can mend none of it.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It cannot be asked, or answers nonsense.
    #[error("the identity provider cannot be asked: {0}")]
    Away(String),
    /// It does not say what is needed, or what it says is not true of this sign-in.
    #[error("the identity provider's answer is not accepted: {0}")]
    Refused(String),
}

/// What the operator says of it.
#[derive(Clone, Debug)]
pub struct ProviderTerms {
    /// Its address, as its discovery document names it.
    pub issuer: String,
    /// What it calls us.
    pub client_id: String,
    /// What it shares with us.
    pub secret: SecretString,
    /// What the button calls it.
    pub name: String,
}

/// One sign-in on its way: all that has to come back is made from a secret in this browser's cookie.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The secret in the cookie.
    pub secret: Secret,
    /// Where it leads.
    pub goal: String,
}

impl Flow {
    /// What comes back beside the code, so that no code of another browser is taken.
    pub fn state(&self) -> String {
        self.secret.flow("state", &self.goal)
    }

    fn nonce(&self) -> String {
        self.secret.flow("nonce", &self.goal)
    }

    fn verifier(&self) -> PkceCodeVerifier {
        PkceCodeVerifier::new(self.secret.flow("verifier", &self.goal))
    }
}

/// An identity provider.
pub struct Provider {
    terms: ProviderTerms,
    redirect: RedirectUrl,
    http: Http,
    /// What it told of itself, or that it did not, and when it was asked.
    told: Mutex<Option<(Instant, Option<ProviderMetadataWithLogout>)>>,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Provider({})", self.terms.issuer)
    }
}

impl Provider {
    /// One that comes back to pages below `public_url`; `tls` says whose certificates are trusted.
    ///
    /// # Errors
    /// [`ProviderError::Away`] if the addresses can be none.
    pub fn new(terms: ProviderTerms, public_url: &str, tls: ClientConfig) -> Result<Provider, ProviderError> {
        let away = |error: &dyn std::error::Error| ProviderError::Away(error.to_string());
        let redirect = RedirectUrl::new(format!("{}{RETURN_PATH}", public_url.trim_end_matches('/')));
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            // Whoever is redirected may be led inside (server-side request forgery).
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(limits::PROVIDER_SECONDS))
            .timeout(Duration::from_secs(limits::PROVIDER_SECONDS))
            .build();
        Ok(Provider {
            redirect: redirect.map_err(|error| away(&error))?,
            http: Http(http.map_err(|error| away(&error))?),
            terms,
            told: Mutex::new(None),
        })
    }

    /// What the button calls it.
    pub fn name(&self) -> &str {
        &self.terms.name
    }

    /// Asks it what it tells of itself, to see whether it is there.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn try_out(&self, now: Instant) -> Result<(), ProviderError> {
        self.ask(now).await.map(drop)
    }

    /// Where somebody is sent to sign in; `again` has them show who they are even if they are signed in there.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn begin(&self, flow: &Flow, again: bool, now: Instant) -> Result<String, ProviderError> {
        let client = self.client(self.metadata(now).await?);
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&flow.verifier());
        let (state, nonce) = (flow.state(), flow.nonce());
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state.clone()),
                move || Nonce::new(nonce.clone()),
            )
            .add_scope(Scope::new("email".to_string()))
            .set_pkce_challenge(challenge);
        // An age has the provider tell when they showed there who they are (OpenID Connect Core 1.0 section 3.1.2.1).
        request = match again {
            true => request.add_prompt(CoreAuthPrompt::Login).set_max_age(Duration::ZERO),
            false => request.set_max_age(Duration::from_secs(limits::SESSION_SECONDS.unsigned_abs())),
        };
        let (url, _, _) = request.url();
        Ok(url.to_string())
    }

    /// Who came back with a code, which is used up.
    ///
    /// # Errors
    /// It cannot be asked; what it says is not true of this sign-in.
    pub async fn finish(&self, flow: &Flow, code: String, now: Instant) -> Result<Vouched, ProviderError> {
        let refused = |error: &dyn std::error::Error| ProviderError::Refused(chain(error));
        let client = self.client(self.metadata(now).await?);
        let answer = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| refused(&error))?
            .set_pkce_verifier(flow.verifier())
            .request_async(&self.http)
            .await
            .map_err(|error| refused(&error))?;
        let token = answer.id_token().ok_or_else(|| ProviderError::Refused("it sent no ID token".to_string()))?;
        let clock = move || chrono::DateTime::from_timestamp_micros(now.0).unwrap_or_default();
        let nonce = Nonce::new(flow.nonce());
        let verifier = client.id_token_verifier().set_time_fn(clock);
        let claims = match token.claims(&verifier, &nonce) {
            Ok(claims) => claims,
            // Its keys may have changed since it was asked (OpenID Connect Core 1.0 section 10.1.1).
            Err(ClaimsVerificationError::SignatureVerification(_)) => {
                let renewed = self.client(self.ask(now).await?);
                let verifier = renewed.id_token_verifier().set_time_fn(clock);
                token.claims(&verifier, &nonce).map_err(|error| refused(&error))?
            }
            Err(error) => return Err(refused(&error)),
        };
        // A token that was issued to another party is none of ours (OpenID Connect Core 1.0 section 3.1.3.7).
        if claims.authorized_party().is_some_and(|party| party.as_str() != self.terms.client_id) {
            return Err(ProviderError::Refused("its ID token was issued to somebody else".to_string()));
        }
        let subject = claims.subject().as_str();
        if subject.is_empty() || subject.len() > limits::PROVIDER_SUBJECT_BYTES {
            return Err(ProviderError::Refused("what it calls the person is empty or too long".to_string()));
        }
        let (mut address, mut verified) = (claims.email().cloned(), claims.email_verified());
        if address.is_none() {
            // Many providers tell the address only when they are asked for it (OpenID Connect Core 1.0 section 5.4).
            let request = client.user_info(answer.access_token().clone(), Some(claims.subject().clone()));
            let told: CoreUserInfoClaims = request
                .map_err(|error| refused(&error))?
                .request_async(&self.http)
                .await
                .map_err(|error| refused(&error))?;
            (address, verified) = (told.email().cloned(), told.email_verified());
        }
        let proved_at = claims.auth_time().map_or(Instant(0), |at| Instant(at.timestamp_micros()).min(now));
        let factors = claims.auth_method_refs();
        Ok(Vouched {
            identity: Some((claims.issuer().to_string(), claims.subject().to_string())),
            // An address that nobody verified is anybody's.
            address: address.filter(|_| verified == Some(true)).map(|address| address.to_string()),
            proved_at,
            several_factors: factors.is_some_and(|factors| factors.iter().any(|one| one.as_str() == SEVERAL_FACTORS)),
        })
    }

    /// Where somebody signs out there as well; none where it does not say so, or was not asked yet: nobody waits for it to sign out here
    /// (OpenID Connect RP-Initiated Logout 1.0 section 2).
    pub async fn leaving(&self) -> Option<String> {
        let told = self.told.lock().await;
        let (_, known) = told.as_ref()?;
        let end = known.as_ref()?.additional_metadata().end_session_endpoint.as_ref()?;
        let mut url = end.url().clone();
        // What it says of itself leads to no script.
        if !matches!(url.scheme(), "https" | "http") {
            return None;
        }
        url.query_pairs_mut().append_pair("client_id", &self.terms.client_id);
        Some(url.into())
    }

    /// What it tells of itself: asked for anew every hour, so that its keys may change. One that did not answer is left alone for a
    /// moment, so that nobody waits behind others who wait for it.
    async fn metadata(&self, now: Instant) -> Result<ProviderMetadataWithLogout, ProviderError> {
        match &*self.told.lock().await {
            Some((at, Some(known))) if now.seconds_since(*at) < limits::PROVIDER_KNOWN_SECONDS => {
                return Ok(known.clone());
            }
            Some((at, None)) if now.seconds_since(*at) < limits::PROVIDER_REST_SECONDS => {
                return Err(ProviderError::Away("it did not answer a moment ago".to_string()));
            }
            _ => {}
        }
        self.ask(now).await
    }

    /// Asks it what it tells of itself.
    async fn ask(&self, now: Instant) -> Result<ProviderMetadataWithLogout, ProviderError> {
        let issuer = IssuerUrl::new(self.terms.issuer.clone()).map_err(|error| ProviderError::Away(chain(&error)))?;
        let fresh = ProviderMetadataWithLogout::discover_async(issuer, &self.http).await;
        *self.told.lock().await = Some((now, fresh.as_ref().ok().cloned()));
        fresh.map_err(|error| ProviderError::Away(chain(&error)))
    }

    fn client(
        &self,
        metadata: ProviderMetadataWithLogout,
    ) -> CoreClient<
        openidconnect::EndpointSet,
        openidconnect::EndpointNotSet,
        openidconnect::EndpointNotSet,
        openidconnect::EndpointNotSet,
        openidconnect::EndpointMaybeSet,
        openidconnect::EndpointMaybeSet,
    > {
        let secret = ClientSecret::new(self.terms.secret.expose_secret().to_string());
        CoreClient::from_provider_metadata(metadata, ClientId::new(self.terms.client_id.clone()), Some(secret))
            .set_redirect_uri(self.redirect.clone())
    }
}

/// What speaks to it.
struct Http(reqwest::Client);

impl Http {
    /// One request, with an answer of bounded size.
    async fn fetch(&self, request: HttpRequest) -> Result<HttpResponse, Unfetched> {
        let (parts, body) = request.into_parts();
        let sent = self.0.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
        let mut answer = sent.send().await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > limits::PROVIDER_ANSWER_BYTES {
                return Err(Unfetched::Long);
            }
        }
        let mut response = openidconnect::http::Response::new(bytes);
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = Unfetched;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Unfetched>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.fetch(request))
    }
}

/// Why it gave no answer.
#[derive(Debug, thiserror::Error)]
enum Unfetched {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("its answer is longer than {} bytes", limits::PROVIDER_ANSWER_BYTES)]
    Long,
}

/// An error with what lies beneath it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut beneath = error.source();
    while let Some(error) = beneath {
        text.push_str(": ");
        text.push_str(&error.to_string());
        beneath = error.source();
    }
    text
}
