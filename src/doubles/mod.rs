//! Doubles of the services that a test cannot have for real: Auth0 and LiteLLM.
//!
//! Both keep a [`journal`] of every request, which is served, like everything that only a
//! test asks of them, under `/__verify/`. Both are usable alone: `verify serve`.

pub mod auth0;
mod control;
pub mod journal;
pub mod litellm;

use std::{io, net::SocketAddr};

use axum::Router;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

/// A double that listens; dropping it stops it.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<io::Result<()>>,
}

/// Serves a double on a listener until it is stopped.
///
/// # Errors
/// A listener that has no address.
pub fn serve(listener: TcpListener, router: Router) -> io::Result<Running> {
    let addr = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        tokio::select! {
            result = axum::serve(listener, router) => result,
            _ = stopped => Ok(()),
        }
    });
    Ok(Running {
        addr,
        stop: Some(stop),
        task,
    })
}

impl Running {
    /// Closes the listener. Connections that are open are closed with it.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        // A task that panicked listens no more either.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A double that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DoubleError {
    /// The issuer is where the identity provider answers, so it must be an address.
    #[error("the issuer {0} is no http address that ends in /")]
    Issuer(String),
}
