//! A mock LiteLLM: the proxy's API as far as a gateway leads to it.
//!
//! Its answers are made from the question (`You said: …`), so that a nonce in a prompt comes back
//! in the answer for that prompt and in no other. Anthropic's and OpenAI's APIs answer whole or as
//! streams; the management API keeps just enough in memory to answer as the real one does.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{Html, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::DoubleError;
use super::control::{self, controlled};
use super::faults::Faults;
use super::journal::Journal;
use super::observe::observed;
use access_log::AccessLog;
use errors::Failure;
use hold::Hold;
use keys::Keys;

mod access_log;
mod chat;
mod errors;
pub mod hold;
mod info;
mod keys;
mod management;
mod manners;
mod messages;
mod mock;
pub mod pass_through;
mod stream;

/// The longest body taken, in bytes: Anthropic's own limit for a request.
const BODY_LIMIT: usize = 32 * 1024 * 1024;

const HOME: &str = include_str!("pages/home.html");
const UI: &str = include_str!("pages/ui.html");

/// The proxy: its keys and its models.
#[derive(Clone, Debug)]
pub struct Config {
    /// `LITELLM_MASTER_KEY`.
    pub master_key: SecretString,
    /// `LITELLM_SHARED_KEY`, a virtual key.
    pub shared_key: SecretString,
    /// The models that are served; none means any.
    pub models: Vec<String>,
}

/// The mock LiteLLM.
#[derive(Clone, Debug)]
pub struct LiteLlm {
    proxy: Arc<Proxy>,
    journal: Journal,
    faults: Faults,
    log: AccessLog,
    control: Option<SecretString>,
}

/// What the handlers share.
#[derive(Debug)]
struct Proxy {
    config: Config,
    keys: Keys,
    hold: Hold,
}

impl Proxy {
    fn serves(&self, model: &str) -> bool {
        self.config.models.is_empty() || self.config.models.iter().any(|served| served == model)
    }
}

impl LiteLlm {
    /// A proxy.
    ///
    /// # Errors
    /// When a key is empty: then a request without one would be let in.
    pub fn new(config: Config) -> Result<Self, DoubleError> {
        for (setting, key) in [
            ("master_key", &config.master_key),
            ("shared_key", &config.shared_key),
        ] {
            if key.expose_secret().is_empty() {
                let problem = "is empty".to_owned();
                return Err(DoubleError::Config {
                    double: "LiteLLM",
                    setting,
                    problem,
                });
            }
        }
        Ok(Self {
            proxy: Arc::new(Proxy {
                config,
                keys: Keys::default(),
                hold: Hold::default(),
            }),
            journal: Journal::new(),
            faults: Faults::default(),
            log: AccessLog::default(),
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
        let router = api(&self.proxy)
            .merge(open())
            .fallback(not_found)
            .method_not_allowed_fallback(method_not_allowed);
        // As a service: what the router itself puts on an answer is changed, too.
        let router = Router::new()
            .fallback_service(router)
            .layer(from_fn(manners::as_litellm));
        let observed = observed(router, &self.journal, &self.faults, BODY_LIMIT);
        let control = control::routes(&self.journal, &self.faults)
            .merge(self.proxy.hold.routes())
            .merge(self.log.routes());
        controlled(self.log.kept(observed), control, self.control.as_ref())
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

/// What asks for a key.
///
/// The key is asked for by route, not by path: like the real proxy, a path that it does not know is
/// 404 with a key and without.
fn api(proxy: &Arc<Proxy>) -> Router {
    let llm = Router::new()
        .route("/v1/messages", post(messages::create))
        .route("/v1/messages/count_tokens", post(messages::count_tokens))
        .route("/v1/chat/completions", post(chat::create))
        .route("/chat/completions", post(chat::create))
        .layer(from_fn(mock::disturb));
    Router::new()
        .merge(llm)
        .route("/v1/models", get(info::models))
        .route("/models", get(info::models))
        .route("/v1/model/info", get(info::model_info))
        .route("/model/info", get(info::model_info))
        .route("/v1/mcp/tools", get(info::mcp_tools))
        .route("/health", get(info::health))
        .merge(management::routes())
        .route_layer(from_fn_with_state(Arc::clone(proxy), authenticate))
        .with_state(Arc::clone(proxy))
}

/// What everyone may see.
fn open() -> Router {
    Router::new()
        .route("/", get(Html(HOME)))
        .route("/ui", any(to_the_slash))
        .route("/ui/", get(Html(UI)))
        .route("/ui/{*rest}", get((StatusCode::NOT_FOUND, Html(UI))))
        .route("/v1/mcp", any(no_mcp_server))
        .route("/v1/mcp/", any(to_no_slash))
        .route("/health/liveliness", get(info::alive))
        .route("/health/liveness", get(info::alive))
        .route("/health/readiness", get(info::ready))
}

/// Where LiteLLM's own routing has a path with a slash at its end, and without it leads there.
async fn to_the_slash(headers: HeaderMap) -> Response {
    manners::elsewhere(&headers, "/ui/")
}

async fn to_no_slash(headers: HeaderMap) -> Response {
    manners::elsewhere(&headers, "/v1/mcp")
}

/// What LiteLLM takes for the name of an MCP server that it does not have.
async fn no_mcp_server() -> (StatusCode, Json<Value>) {
    let detail = "MCP server, toolset, or access group 'v1' not found";
    (StatusCode::NOT_FOUND, Json(json!({ "detail": detail })))
}

async fn not_found() -> (StatusCode, Json<Value>) {
    (
        StatusCode::NOT_FOUND,
        Json(json!({ "detail": "Not Found" })),
    )
}

async fn method_not_allowed() -> (StatusCode, Json<Value>) {
    (
        StatusCode::METHOD_NOT_ALLOWED,
        Json(json!({ "detail": "Method Not Allowed" })),
    )
}

async fn authenticate(
    State(proxy): State<Arc<Proxy>>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let Some(key) = sent_key(request.headers()) else {
        return Err(Failure::Key("Authentication Error, No api key passed in."));
    };
    let config = &proxy.config;
    let configured = [&config.master_key, &config.shared_key];
    if configured.iter().any(|known| known.expose_secret() == key) || proxy.keys.accepts(key) {
        return Ok(next.run(request).await);
    }
    // The real proxy quotes the key's end and hash; a double's answer may end up in a report.
    Err(Failure::Key(
        "Authentication Error, Invalid proxy server token passed. Unable to find token in cache or \
         `LiteLLM_VerificationTokenTable`",
    ))
}

/// The key of a request: `Authorization` where there is one, else `x-api-key`.
fn sent_key(headers: &HeaderMap) -> Option<&str> {
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
