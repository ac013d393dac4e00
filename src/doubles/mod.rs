//! The doubles: a mock Auth0 and a mock LiteLLM that stand where the gateway expects the real ones.
//!
//! Both are axum routers, so that they run in this process, in a sandbox or in a container alike.
//! Both keep a [`journal::Journal`] of every request that reached them and offer it, with faults on
//! request, under `/__verify/` to whoever has the token ([`control`]):
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /__verify/health` (without the token, too) | 200 |
//! | `GET /__verify/journal?since=SEQ` | `{"next": n, "lost": 0, "entries": [...]}` |
//! | `POST /__verify/faults` | adds a [`faults::Fault`] |
//! | `GET /__verify/faults` | the faults that still wait |
//! | `DELETE /__verify/faults` | clears them |
//! | `GET /__verify/log?since=N` (LiteLLM only) | its access log as text |
//! | `GET /__verify/alive` (the real LiteLLM only) | 200 when that answers |
//! | `/__verify/hold` (LiteLLM only) | [`litellm::hold`]: streams wait until they are told to go on |

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub mod auth0;
pub mod control;
pub mod faults;
mod harness;
pub mod journal;
pub mod litellm;
mod mask;
mod observe;

/// How long [`Running::stop`] lets requests in flight finish before it drops them.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Why a double cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DoubleError {
    /// A setting contradicts itself or what the protocol asks for.
    #[error("mock {double}: {setting} {problem}")]
    Config {
        double: &'static str,
        /// The field of its `Config`.
        setting: &'static str,
        problem: String,
    },
    #[error("mock Auth0: cannot start the thread that makes the signing key: {0}")]
    KeyThread(#[source] std::io::Error),
}

/// A double that listens; dropping it stops it.
#[derive(Debug)]
pub struct Running {
    pub addr: SocketAddr,
    quit: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops listening, lets requests in flight finish for at most a second, and waits for the end.
    pub async fn stop(mut self) {
        self.quit.take();
        if tokio::time::timeout(STOP_GRACE, &mut self.task)
            .await
            .is_err()
        {
            self.task.abort();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The signal closes idle keep-alive connections, which live in tasks of their own; the
        // abort closes the listener at once.
        self.quit.take();
        self.task.abort();
    }
}

/// Serves `router` on `listener` in a task of its own until the answer is stopped or dropped.
///
/// `addr` is `0.0.0.0:0` should the system not be able to name the listener's address.
pub async fn serve(listener: TcpListener, router: Router) -> Running {
    let addr = listener
        .local_addr()
        .unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    // Without TCP_NODELAY the small chunks of a stream would wait for the client's ACK.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a double's connection stays with Nagle's algorithm");
        }
    });
    let (quit, quitting) = oneshot::channel::<()>();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let task = tokio::spawn(async move {
        let served = axum::serve(listener, service).with_graceful_shutdown(async {
            // An error only says that the sender was dropped, which is how stopping is asked for.
            let _ = quitting.await;
        });
        if let Err(error) = served.await {
            tracing::error!(%error, "a double stopped listening");
        }
    });
    Running {
        addr,
        quit: Some(quit),
        task,
    }
}
