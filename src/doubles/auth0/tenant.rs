//! The tenant: its address, its one application and its users.

use std::collections::HashSet;

use secrecy::SecretString;
use url::Url;

use super::store::Store;
use super::tokens::Signer;
use crate::digest::sha256;
use crate::doubles::DoubleError;

/// Someone who can log in.
#[derive(Clone, Debug)]
pub struct User {
    /// The address that tokens carry, byte for byte; at login its case does not matter.
    pub email: String,
    pub password: SecretString,
    /// The name that tokens carry.
    pub name: String,
}

impl User {
    /// The user's `sub`: made from the e-mail, so that it stays the same from run to run.
    pub fn subject(&self) -> String {
        let hash: String = sha256(self.email.as_bytes()).chars().take(24).collect();
        format!("auth0|{hash}")
    }

    pub(super) fn nickname(&self) -> &str {
        let parts = self.email.split_once('@');
        parts.map_or(self.email.as_str(), |(local, _)| local)
    }

    pub(super) fn picture(&self) -> String {
        let hash = sha256(self.email.to_lowercase().as_bytes());
        format!("https://s.gravatar.com/avatar/{hash}?s=480&r=pg")
    }
}

#[derive(Clone, Debug)]
pub struct Config {
    /// The issuer, with its closing slash, e.g. `http://auth0:9000/`.
    pub issuer: Url,
    pub client_id: String,
    pub client_secret: SecretString,
    /// The allowed `redirect_uri`s; compared whole, as the real service does.
    pub callback_prefixes: Vec<String>,
    /// Where a logout may send the browser; compared whole.
    pub logout_urls: Vec<String>,
    pub users: Vec<User>,
}

impl Config {
    /// # Errors
    /// What is no possible tenant.
    pub(super) fn check(&self) -> Result<(), DoubleError> {
        let wrong = |setting, problem: String| {
            Err(DoubleError::Config {
                double: "Auth0",
                setting,
                problem,
            })
        };
        let issuer = &self.issuer;
        if !matches!(issuer.scheme(), "http" | "https") || !issuer.path().ends_with('/') {
            return wrong(
                "issuer",
                format!("{issuer} is no http(s) URL that ends with a slash"),
            );
        }
        if self.client_id.is_empty() {
            return wrong("client_id", "is empty".to_owned());
        }
        if self.callback_prefixes.is_empty() {
            return wrong(
                "callback_prefixes",
                "names no redirect_uri, so nobody could log in".to_owned(),
            );
        }
        for (setting, urls) in [
            ("callback_prefixes", &self.callback_prefixes),
            ("logout_urls", &self.logout_urls),
        ] {
            for url in urls {
                if let Err(error) = Url::parse(url) {
                    return wrong(setting, format!("{url:?} is no URL: {error}"));
                }
            }
        }
        let mut seen = HashSet::new();
        for user in &self.users {
            if user.email.is_empty() || !seen.insert(user.email.to_lowercase()) {
                return wrong("users", format!("{:?} is empty or there twice", user.email));
            }
        }
        Ok(())
    }
}

/// What the handlers share.
#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) config: Config,
    pub(super) signer: Signer,
    pub(super) store: Store,
}

impl Tenant {
    pub(super) fn user(&self, email: &str) -> Option<&User> {
        // Unicode-aware, as people type addresses in any case.
        let typed = email.to_lowercase();
        let mut users = self.config.users.iter();
        users.find(|user| user.email.to_lowercase() == typed)
    }

    /// The address of an endpoint, the path given without a leading slash.
    pub(super) fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.config.issuer)
    }
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
        assert!(config().check().is_ok());
        let issuer = Url::parse("http://auth0:9000/tenant").unwrap();
        assert!(Config { issuer, ..config() }.check().is_err());
        assert!(
            Config {
                callback_prefixes: vec![],
                ..config()
            }
            .check()
            .is_err()
        );
        assert!(
            Config {
                logout_urls: vec!["/x".into()],
                ..config()
            }
            .check()
            .is_err()
        );
        assert!(
            Config {
                users: vec![user("a@b"), user("A@b")],
                ..config()
            }
            .check()
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
