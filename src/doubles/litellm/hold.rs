//! A rendezvous for streamed answers: a stream stops before its next piece until it is told to
//! go on, so that who reads it can show that a piece arrived before a later one was sent.
//!
//! | request | what it does |
//! | --- | --- |
//! | `POST /__verify/hold` `{"frames": n}` | every stream waits when it has sent n pieces |
//! | `GET /__verify/hold` | `{"streams": [{"sent": s, "of": t, "waiting": w}]}`, those since the first hold |
//! | `DELETE /__verify/hold` | all go on |

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// How long a piece is held back at most: whoever asked for it may be gone.
const LONGEST: Duration = Duration::from_secs(30);

#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub sent: usize,
    pub of: usize,
    /// Whether its next piece is held back now.
    pub waiting: bool,
}

/// What `GET /__verify/hold` answers.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
pub struct Streams {
    /// The streams since the first hold, in the order in which they began.
    pub streams: Vec<Progress>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    frames: usize,
}

/// How many pieces a stream may send; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    frames: Arc<watch::Sender<Option<usize>>>,
    streams: Arc<Mutex<Vec<Progress>>>,
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            frames: Arc::new(watch::Sender::new(None)),
            streams: Arc::default(),
        }
    }
}

impl Hold {
    /// A stream of `of` pieces that begins now.
    pub(super) fn stream(&self, of: usize) -> HeldStream {
        let number = self.frames.borrow().is_some().then(|| {
            let mut streams = self.lock();
            streams.push(Progress {
                of,
                ..Progress::default()
            });
            streams.len() - 1
        });
        HeldStream {
            hold: self.clone(),
            number,
        }
    }

    /// Whether streams that begin now are held back.
    pub(super) fn is_asked_for(&self) -> bool {
        self.frames.borrow().is_some()
    }

    pub(super) fn routes(&self) -> Router {
        Router::new()
            .route("/__verify/hold", get(read).post(set).delete(release))
            .with_state(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Progress>> {
        // A list of plain values has no half-made state that a panic could leave behind.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One stream's side of the rendezvous.
#[derive(Clone, Debug)]
pub(super) struct HeldStream {
    hold: Hold,
    number: Option<usize>,
}

impl HeldStream {
    /// Whether it began while streams were held back.
    pub(super) fn is_watched(&self) -> bool {
        self.number.is_some()
    }

    /// Returns when the piece with this number, from 0, may be sent.
    pub(super) async fn pass(&self, piece: usize) {
        let may = |frames: &Option<usize>| frames.is_none_or(|frames| piece < frames);
        let mut frames = self.hold.frames.subscribe();
        let at_once = may(&frames.borrow());
        if !at_once {
            self.tell(|progress| progress.waiting = true);
            // Too long, or nobody is there to say more: the stream goes on.
            let _ = tokio::time::timeout(LONGEST, frames.wait_for(may)).await;
        }
        self.tell(|progress| {
            progress.sent = piece + 1;
            progress.waiting = false;
        });
    }

    fn tell(&self, change: impl FnOnce(&mut Progress)) {
        if let Some(number) = self.number
            && let Some(progress) = self.hold.lock().get_mut(number)
        {
            change(progress);
        }
    }
}

async fn read(State(hold): State<Hold>) -> Json<Streams> {
    let streams = hold.lock().clone();
    Json(Streams { streams })
}

async fn set(State(hold): State<Hold>, Json(Ask { frames }): Json<Ask>) -> Json<Streams> {
    hold.frames.send_replace(Some(frames));
    read(State(hold)).await
}

async fn release(State(hold): State<Hold>) -> Json<Streams> {
    hold.frames.send_replace(None);
    let streams = std::mem::take(&mut *hold.lock());
    Json(Streams { streams })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_piece_waits_until_it_is_told_to_go() {
        let hold = Hold::default();
        let free = hold.stream(2);
        free.pass(0).await;
        assert!(hold.lock().is_empty(), "nobody asked for a hold");
        hold.frames.send_replace(Some(1));
        let held = hold.stream(3);
        held.pass(0).await;
        let second = tokio::spawn({
            let held = held.clone();
            async move { held.pass(1).await }
        });
        loop {
            // The lock is given back before the other task has its turn.
            let waiting = hold.lock()[0].waiting;
            if waiting {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert!(!second.is_finished());
        let seen = hold.lock()[0];
        assert_eq!((seen.sent, seen.of), (1, 3));
        hold.frames.send_replace(Some(2));
        second.await.unwrap();
        assert_eq!(hold.lock()[0].sent, 2);
    }
}
