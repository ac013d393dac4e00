//! A mock Auth0: the part of a tenant that a login by the authorization code flow touches.
//!
//! What it answers, field by field and status by status, is what the real service answers; where a
//! browser is redirected, the real one redirects it too. oauth2-proxy, the real one, logs in here.

use std::collections::HashSet;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use secrecy::SecretString;
use url::Url;

use super::DoubleError;
use super::control::{self, controlled};
use super::faults::Faults;
use super::journal::Journal;
use super::observe::observed;
use store::Store;
use tokens::Signer;

mod authorize;
mod discovery;
mod login;
mod logout;
mod pages;
mod params;
mod store;
mod token;
mod tokens;
mod userinfo;

/// The longest body taken, in bytes: forms and small JSON, nothing else is ever sent to an IdP.
const BODY_LIMIT: usize = 256 * 1024;

/// The name of the cookie that carries the single sign-on session, as at the real service.
const SESSION_COOKIE: &str = "auth0";

/// Someone who can log in.
#[derive(Clone, Debug)]
pub struct User {
    /// The address that tokens carry, byte for byte; at login its case does not matter.
    pub email: String,
    /// What the login form must be given.
    pub password: SecretString,
    /// The name that tokens carry.
    pub name: String,
}

impl User {
    /// The user's `sub`: made from the e-mail, so that it stays the same from run to run.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("auth0|{}", &hash(&self.email)[..24])
    }

    fn nickname(&self) -> &str {
        self.email
            .split_once('@')
            .map_or(self.email.as_str(), |(local, _)| local)
    }

    fn picture(&self) -> String {
        format!(
            "https://s.gravatar.com/avatar/{}?s=480&r=pg",
            hash(&self.email.to_lowercase())
        )
    }
}

fn hash(text: &str) -> String {
    digest(&SHA256, text.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The tenant: its address, its one application and its users.
#[derive(Clone, Debug)]
pub struct Config {
    /// The issuer, with its closing slash, e.g. `http://auth0:9000/`.
    pub issuer: Url,
    /// The application's id.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: SecretString,
    /// The allowed `redirect_uri`s; compared whole, as the real service does.
    pub callback_prefixes: Vec<String>,
    /// Where a logout may send the browser; compared whole.
    pub logout_urls: Vec<String>,
    /// Who can log in.
    pub users: Vec<User>,
}

/// The mock Auth0.
#[derive(Clone, Debug)]
pub struct Auth0 {
    tenant: Arc<Tenant>,
    journal: Journal,
    faults: Faults,
    control: Option<SecretString>,
}

/// What the handlers share.
#[derive(Debug)]
struct Tenant {
    config: Config,
    signer: Signer,
    store: Store,
}

impl Tenant {
    fn user(&self, email: &str) -> Option<&User> {
        // Unicode-aware, as people type addresses in any case.
        let typed = email.to_lowercase();
        self.config
            .users
            .iter()
            .find(|user| user.email.to_lowercase() == typed)
    }

    /// The address of an endpoint, the path given without a leading slash.
    fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.config.issuer)
    }
}

impl Auth0 {
    /// A tenant with a fresh signing key, which is made in the background: discovery answers at
    /// once, what needs the key waits for it.
    ///
    /// # Errors
    /// When the configuration is no possible tenant, or no thread can be started.
    pub fn new(config: Config) -> Result<Self, DoubleError> {
        check(&config)?;
        let tenant = Tenant {
            config,
            signer: Signer::start()?,
            store: Store::default(),
        };
        Ok(Self {
            tenant: Arc::new(tenant),
            journal: Journal::new(),
            faults: Faults::default(),
            control: None,
        })
    }

    /// The same with its control path open to whoever has the token.
    #[must_use]
    pub fn controlled_by(self, token: SecretString) -> Self {
        Self {
            control: Some(token),
            ..self
        }
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
        let double = observed(router, &self.journal, &self.faults, BODY_LIMIT);
        let control = control::routes(&self.journal, &self.faults);
        controlled(double, control, self.control.as_ref())
    }

    /// What it received.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.journal.clone()
    }

    /// The faults that it is asked for, for a harness in the same process.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }
}

fn check(config: &Config) -> Result<(), DoubleError> {
    let wrong = |setting, problem: String| {
        Err(DoubleError::Config {
            double: "Auth0",
            setting,
            problem,
        })
    };
    let issuer = &config.issuer;
    if !matches!(issuer.scheme(), "http" | "https") || !issuer.path().ends_with('/') {
        return wrong(
            "issuer",
            format!("{issuer} is no http(s) URL that ends with a slash"),
        );
    }
    if config.client_id.is_empty() {
        return wrong("client_id", "is empty".to_owned());
    }
    if config.callback_prefixes.is_empty() {
        return wrong(
            "callback_prefixes",
            "names no redirect_uri, so nobody could log in".to_owned(),
        );
    }
    for callback in &config.callback_prefixes {
        if let Err(error) = Url::parse(callback) {
            return wrong(
                "callback_prefixes",
                format!("{callback:?} is no URL: {error}"),
            );
        }
    }
    for target in &config.logout_urls {
        if let Err(error) = Url::parse(target) {
            return wrong("logout_urls", format!("{target:?} is no URL: {error}"));
        }
    }
    let mut seen = HashSet::new();
    for user in &config.users {
        if user.email.is_empty() || !seen.insert(user.email.to_lowercase()) {
            return wrong("users", format!("{:?} is empty or there twice", user.email));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            issuer: Url::parse("http://auth0:9000/").unwrap(),
            client_id: "gateway".into(),
            client_secret: "secret".into(),
            callback_prefixes: vec!["http://gateway.example.com/oauth2/callback".into()],
            logout_urls: vec![],
            users: vec![],
        }
    }

    fn user(email: &str) -> User {
        User {
            email: email.into(),
            password: "x".into(),
            name: "X".into(),
        }
    }

    #[test]
    fn subjects_are_stable_and_differ() {
        let subject = user("admin+test@example.com").subject();
        assert_eq!(subject, user("admin+test@example.com").subject());
        assert_ne!(subject, user("admin@example.com").subject());
        assert_eq!(subject.len(), "auth0|".len() + 24);
    }

    #[test]
    fn impossible_tenants_are_refused() {
        assert!(check(&config()).is_ok());
        let issuer = Url::parse("http://auth0:9000/tenant").unwrap();
        assert!(check(&Config { issuer, ..config() }).is_err());
        assert!(
            check(&Config {
                callback_prefixes: vec![],
                ..config()
            })
            .is_err()
        );
        assert!(
            check(&Config {
                logout_urls: vec!["/x".into()],
                ..config()
            })
            .is_err()
        );
        assert!(
            check(&Config {
                users: vec![user("a@b"), user("A@b")],
                ..config()
            })
            .is_err()
        );
    }

    #[test]
    fn a_tenant_prints_no_secret() {
        let text = format!(
            "{:?}",
            Config {
                users: vec![user("a@b")],
                ..config()
            }
        );
        assert!(
            !text.contains("\"secret\"") && !text.contains("\"x\""),
            "{text}"
        );
    }
}
