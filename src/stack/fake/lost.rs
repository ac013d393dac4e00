//! A double whose journal is lost: what is sent to it arrives, and its journal is empty.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::doubles::{self, Running, control::TOKEN_HEADER, journal::Page};

/// The stand-in; dropping it stops it.
pub(super) struct LostJournal {
    /// Where it listens.
    pub address: SocketAddr,
    _running: Running,
}

#[derive(Clone)]
struct Real {
    address: SocketAddr,
    client: reqwest::Client,
    read: Arc<dyn Fn() + Send + Sync>,
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

impl LostJournal {
    /// Stands before the double at `real`; `read` hears of every reading of the journal or log.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn serve(
        real: SocketAddr,
        read: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((real.ip(), 0)).await?;
        let state = Real {
            address: real,
            client: reqwest::Client::new(),
            read: Arc::new(read),
        };
        let router = Router::new()
            .route("/__verify/journal", get(journal))
            .route("/__verify/log", get(log))
            .route(doubles::control::HEALTH, get(|| async { "healthy" }))
            .fallback(pass_on)
            .with_state(state);
        let running = doubles::serve(listener, router).await;
        Ok(Self {
            address: running.addr,
            _running: running,
        })
    }
}

async fn journal(State(real): State<Real>, Query(Since { since }): Query<Since>) -> Json<Page> {
    // Where it ends is no reading of what is in it.
    if since != u64::MAX {
        (real.read)();
    }
    Json(Page {
        next: 0,
        lost: 0,
        entries: Vec::new(),
    })
}

async fn log(State(real): State<Real>) -> &'static str {
    (real.read)();
    ""
}

/// Anything else reaches the double.
async fn pass_on(State(real): State<Real>, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut asked = real.client.get(format!("http://{}{path}", real.address));
    if let Some(token) = headers.get(TOKEN_HEADER) {
        asked = asked.header(TOKEN_HEADER, token);
    }
    match asked.send().await {
        Ok(answer) => {
            let status = StatusCode::from_u16(answer.status().as_u16()).unwrap_or_default();
            (status, answer.text().await.unwrap_or_default()).into_response()
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
