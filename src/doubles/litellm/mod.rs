//! A mock LiteLLM: the proxy's API as far as a gateway leads to it.
//!
//! Its answers are made from the question (`You said: …`), so that a nonce in a prompt comes back
//! in the answer for that prompt and in no other. Anthropic's and OpenAI's APIs answer whole or as
//! streams; the management API keeps just enough in memory to answer as the real one does.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Html;
use axum::routing::{any, get, post};
use secrecy::{ExposeSecret as _, SecretString};

use super::DoubleError;
use super::harness::Harness;
use access_log::AccessLog;
use errors::detail;
pub use proxy::Config;
use proxy::Proxy;

mod access_log;
mod chat;
mod conversation;
mod errors;
mod headers;
pub mod hold;
mod info;
mod keys;
mod management;
mod messages;
mod on_request;
pub mod pass_through;
mod proxy;
mod stream;

/// The longest body taken, in bytes: Anthropic's own limit for a request.
const BODY_LIMIT: usize = 32 * 1024 * 1024;

const HOME: &str = include_str!("pages/home.html");
const UI: &str = include_str!("pages/ui.html");

#[derive(Clone, Debug)]
pub struct LiteLlm {
    proxy: Arc<Proxy>,
    harness: Harness,
    log: AccessLog,
}

impl LiteLlm {
    /// # Errors
    /// When a key is empty: then a request without one would be let in.
    pub fn new(config: Config) -> Result<Self, DoubleError> {
        for (setting, key) in [
            ("master_key", &config.master_key),
            ("shared_key", &config.shared_key),
        ] {
            if key.expose_secret().is_empty() {
                return Err(DoubleError::Config {
                    double: "LiteLLM",
                    setting,
                    problem: "is empty".to_owned(),
                });
            }
        }
        Ok(Self {
            proxy: Arc::new(Proxy {
                config,
                keys: keys::Keys::default(),
                hold: hold::Hold::default(),
            }),
            harness: Harness::default(),
            log: AccessLog::default(),
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
        let router = api(&self.proxy)
            .merge(open())
            .fallback(async || detail(StatusCode::NOT_FOUND, "Not Found"))
            .method_not_allowed_fallback(async || {
                detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
            });
        // As a service: what the router itself puts on an answer is changed, too.
        let router = Router::new()
            .fallback_service(router)
            .layer(from_fn(headers::as_litellm));
        let double = self.log.kept(self.harness.observed(router, BODY_LIMIT));
        let control = self.proxy.hold.routes().merge(self.log.routes());
        self.harness.controlled(double, control)
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
        .layer(from_fn(on_request::by_header));
    Router::new()
        .merge(llm)
        .merge(info::routes())
        .merge(management::routes())
        .route_layer(from_fn_with_state(Arc::clone(proxy), proxy::authenticate))
        .with_state(Arc::clone(proxy))
}

/// What everyone may see.
fn open() -> Router {
    // LiteLLM takes `v1` for the name of an MCP server that it does not have.
    let no_mcp = "MCP server, toolset, or access group 'v1' not found";
    Router::new()
        .route("/", get(Html(HOME)))
        // Where its own routing has a path with a slash at its end, and without it leads there.
        .route(
            "/ui",
            any(async |asked: HeaderMap| headers::redirect(&asked, "/ui/")),
        )
        .route("/ui/", get(Html(UI)))
        .route("/ui/{*rest}", get((StatusCode::NOT_FOUND, Html(UI))))
        .route(
            "/v1/mcp",
            any(async move || detail(StatusCode::NOT_FOUND, no_mcp)),
        )
        .route(
            "/v1/mcp/",
            any(async |asked: HeaderMap| headers::redirect(&asked, "/v1/mcp")),
        )
        .merge(info::open_routes())
}
