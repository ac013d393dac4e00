//! The proxy itself: its keys and its models.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use secrecy::{ExposeSecret as _, SecretString};

use super::errors::Failure;
use super::hold::Hold;
use super::keys::Keys;

#[derive(Clone, Debug)]
pub struct Config {
    /// `LITELLM_MASTER_KEY`.
    pub master_key: SecretString,
    /// `LITELLM_SHARED_KEY`, a virtual key.
    pub shared_key: SecretString,
    /// The models that are served; none means any.
    pub models: Vec<String>,
}

/// What the handlers share.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) config: Config,
    pub(super) keys: Keys,
    pub(super) hold: Hold,
}

impl Proxy {
    /// # Errors
    /// A model that is not served.
    pub(super) fn serves(&self, route: &'static str, model: &str) -> Result<(), Failure> {
        let models = &self.config.models;
        if models.is_empty() || models.iter().any(|served| served == model) {
            return Ok(());
        }
        let model = model.to_owned();
        Err(Failure::Model { route, model })
    }
}

pub(super) async fn authenticate(
    State(proxy): State<Arc<Proxy>>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let Some(key) = sent_key(request.headers()) else {
        return Err(Failure::Key("No api key passed in."));
    };
    let config = &proxy.config;
    let configured = [&config.master_key, &config.shared_key];
    if configured.iter().any(|known| known.expose_secret() == key) || proxy.keys.accepts(key) {
        return Ok(next.run(request).await);
    }
    // The real proxy quotes the key's end and hash; a double's answer may end up in a report.
    Err(Failure::Key(
        "Invalid proxy server token passed. Unable to find token in cache or \
         `LiteLLM_VerificationTokenTable`",
    ))
}

/// The key of a request: `Authorization` where there is one, else `x-api-key`.
pub(super) fn sent_key(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text(header::AUTHORIZATION.as_str()) {
        Some(value) => match value.split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => Some(key.trim()),
            _ => Some(value),
        },
        None => text("x-api-key"),
    }
    .filter(|key| !key.is_empty())
}
