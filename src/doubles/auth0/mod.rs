//! A double of Auth0: OpenID Connect discovery, the authorization code flow with PKCE, a real
//! login form, a session of its own (so that a second login is silent), logout by browser and
//! by the back channel.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use super::{DoubleError, control, journal::Journal};

mod authorize;
mod keys;
mod logout;
mod pages;
mod state;
mod token;

use keys::SigningKey;
use state::Sessions;

/// Someone who can log in.
#[derive(Clone, Debug)]
pub struct User {
    /// The address, as it appears in tokens, byte for byte.
    pub email: String,
    /// The password.
    pub password: SecretString,
    /// The name.
    pub name: String,
}

impl User {
    /// The subject: stable for an address, as Auth0's own user ids look.
    fn subject(&self) -> String {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.email.as_bytes());
        let hex: String = hash
            .as_ref()
            .iter()
            .take(12)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("auth0|{hex}")
    }

    /// The claims about the person, as in id tokens and at /userinfo.
    fn profile(&self) -> Value {
        json!({
            "sub": self.subject(),
            "email": self.email,
            "email_verified": true,
            "name": self.name,
            "nickname": self.email.split('@').next().unwrap_or_default(),
            "picture": "https://s.gravatar.com/avatar/00000000000000000000000000000000?d=mp",
            "updated_at": jiff::Timestamp::now().to_string(),
        })
    }
}

/// What the double is set up with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its own address, which ends in a slash.
    pub issuer: Url,
    /// The one client.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: SecretString,
    /// Where a code may be sent to.
    pub callbacks: Vec<String>,
    /// Where a browser may be sent to after logout.
    pub logout_urls: Vec<String>,
    /// Who can log in.
    pub users: Vec<User>,
}

/// The double.
#[derive(Clone, Debug)]
pub struct Auth0 {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    key: SigningKey,
    sessions: Sessions,
    journal: Journal,
}

impl Auth0 {
    /// A double that has seen nobody yet. Its key is made in the background: only who needs a
    /// token waits for it. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// An issuer that is no address.
    pub fn new(config: Config) -> Result<Self, DoubleError> {
        if config.issuer.cannot_be_a_base() || !config.issuer.path().ends_with('/') {
            return Err(DoubleError::Issuer(config.issuer.to_string()));
        }
        let inner = Inner {
            config,
            key: SigningKey::make(),
            sessions: Sessions::default(),
            journal: Journal::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// What it received.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.inner.journal.clone()
    }

    /// Its routes.
    pub fn router(&self) -> Router {
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/.well-known/jwks.json", get(keys::jwks))
            .route("/authorize", get(authorize::authorize))
            .route("/authorize/resume", get(authorize::resume))
            .route("/u/login", get(authorize::form).post(authorize::log_in))
            .route("/oauth/token", axum::routing::post(token::token))
            .route("/userinfo", get(token::userinfo).post(token::userinfo))
            .route("/v2/logout", get(logout::browser))
            .route("/oidc/logout", get(logout::oidc).post(logout::oidc))
            .with_state(self.clone());
        control::wrap(router, self.inner.journal.clone())
    }

    fn user(&self, email: &str) -> Option<&User> {
        self.inner
            .config
            .users
            .iter()
            .find(|user| user.email == email)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.inner.config.issuer)
    }
}

/// The fields that the real one serves.
async fn discovery(State(auth0): State<Auth0>) -> Json<Value> {
    Json(json!({
        "issuer": auth0.url(""),
        "authorization_endpoint": auth0.url("authorize"),
        "token_endpoint": auth0.url("oauth/token"),
        "device_authorization_endpoint": auth0.url("oauth/device/code"),
        "userinfo_endpoint": auth0.url("userinfo"),
        "mfa_challenge_endpoint": auth0.url("mfa/challenge"),
        "jwks_uri": auth0.url(".well-known/jwks.json"),
        "registration_endpoint": auth0.url("oidc/register"),
        "revocation_endpoint": auth0.url("oauth/revoke"),
        "end_session_endpoint": auth0.url("oidc/logout"),
        "scopes_supported": ["openid", "profile", "offline_access", "name", "email", "email_verified", "nickname", "picture", "created_at"],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256", "plain"],
        "response_modes_supported": ["query"],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "claims_supported": ["aud", "auth_time", "created_at", "email", "email_verified", "exp", "iat", "iss", "name", "nickname", "picture", "sub", "sid"],
        "request_uri_parameter_supported": false,
        "request_parameter_supported": false,
        "id_token_signing_alg_values_supported": ["RS256"],
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    }))
}
