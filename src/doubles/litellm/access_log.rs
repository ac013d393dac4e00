//! The access log: a line per request that names the user, as the plan's item 5.2 looks for it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::HeaderName;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::doubles::control::Since;

/// How many lines are kept; the oldest leave first.
const MAX_LINES: usize = 50_000;

/// The header in which the gateway names the user.
const USER: HeaderName = HeaderName::from_static("x-litellm-user-email");

/// The user that a request's body names, on its response.
#[derive(Clone)]
pub(super) struct User(pub(super) String);

/// The header that tells the reader of the log where to go on.
const NEXT: HeaderName = HeaderName::from_static("x-verify-next");

/// Clones share the lines.
#[derive(Clone, Debug, Default)]
pub(super) struct AccessLog(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    next: u64,
}

impl AccessLog {
    /// `router` with every request logged.
    pub(super) fn kept(&self, router: Router) -> Router {
        router.layer(from_fn_with_state(self.clone(), log))
    }

    /// `GET /__verify/log`, for the control path.
    pub(super) fn routes(&self) -> Router {
        Router::new()
            .route("/__verify/log", get(read))
            .with_state(self.clone())
    }

    fn write(&self, line: String) {
        tracing::info!(target: "litellm", "{line}");
        let mut lines = self.lock();
        if lines.kept.len() == MAX_LINES {
            lines.kept.pop_front();
        }
        lines.kept.push_back(line);
        lines.next += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        // A list of whole lines has no half-made state that a panic could leave behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `GET /__verify/log?since=N`: the lines from number N on, and in `x-verify-next` the next number.
async fn read(State(log): State<AccessLog>, Query(Since { since }): Query<Since>) -> Response {
    let lines = log.lock();
    let first = lines.next - lines.kept.len() as u64;
    let skip = usize::try_from(since.saturating_sub(first)).unwrap_or(usize::MAX);
    let text: String = lines
        .kept
        .iter()
        .skip(skip)
        .flat_map(|line| [line.as_str(), "\n"])
        .collect();
    ([(NEXT, lines.next.to_string())], text).into_response()
}

async fn log(State(log): State<AccessLog>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or_else(|| "-".to_owned(), |ConnectInfo(peer)| peer.to_string());
    let asked = format!(
        "{} {} {:?}",
        request.method(),
        request.uri(),
        request.version()
    );
    let user = request.headers().get(USER).map(|value| {
        // Control characters would let a client write lines of its own into the log.
        String::from_utf8_lossy(value.as_bytes()).replace(char::is_control, "?")
    });
    let response = next.run(request).await;
    let in_body = response.extensions().get::<User>();
    let user = user.or_else(|| in_body.map(|User(user)| user.replace(char::is_control, "?")));
    let user = user.as_deref().unwrap_or("-");
    log.write(format!(
        r#"INFO: {peer} - "{asked}" {} user={user}"#,
        response.status()
    ));
    response
}
