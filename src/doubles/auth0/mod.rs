//! A mock Auth0: the part of a tenant that a login by the authorization code flow touches.
//!
//! What it answers, field by field and status by status, is what the real service answers; where a
//! browser is redirected, the real one redirects it too. oauth2-proxy, the real one, logs in here.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use secrecy::SecretString;

use super::DoubleError;
use super::harness::Harness;
use store::Store;
use tenant::Tenant;
pub use tenant::{Config, User};
use tokens::Signer;

mod authorize;
mod discovery;
mod login;
mod logout;
mod pages;
mod params;
mod store;
mod tenant;
mod token;
mod tokens;
mod userinfo;

/// The longest body taken, in bytes: forms and small JSON, nothing else is ever sent to an IdP.
const BODY_LIMIT: usize = 256 * 1024;

#[derive(Clone, Debug)]
pub struct Auth0 {
    tenant: Arc<Tenant>,
    harness: Harness,
}

impl Auth0 {
    /// A tenant with a fresh signing key, which is made in the background: discovery answers at
    /// once, what needs the key waits for it.
    ///
    /// # Errors
    /// When the configuration is no possible tenant, or no thread can be started.
    pub fn new(config: Config) -> Result<Self, DoubleError> {
        config.check()?;
        let tenant = Tenant {
            config,
            signer: Signer::start()?,
            store: Store::default(),
        };
        Ok(Self {
            tenant: Arc::new(tenant),
            harness: Harness::default(),
        })
    }

    /// The same with its control path open to whoever has the token.
    #[must_use]
    pub fn controlled_by(mut self, token: SecretString) -> Self {
        self.harness.token = Some(token);
        self
    }

    /// The service, ready to be given to [`super::serve`].
    pub fn router(&self) -> Router {
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(discovery::document),
            )
            .route("/.well-known/jwks.json", get(discovery::jwks))
            .route("/authorize", get(authorize::start))
            .route("/authorize/resume", get(authorize::resume))
            .route("/u/login", get(login::form).post(login::submit))
            .route("/oauth/token", post(token::exchange))
            .route("/userinfo", get(userinfo::show).post(userinfo::show))
            .route("/v2/logout", get(logout::v2))
            .route("/oidc/logout", get(logout::oidc).post(logout::oidc))
            .fallback(async || (StatusCode::NOT_FOUND, "Not found."))
            .with_state(Arc::clone(&self.tenant));
        let double = self.harness.observed(router, BODY_LIMIT);
        self.harness.controlled(double, Router::new())
    }
}
