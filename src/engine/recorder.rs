//! Where events of the worker go: one JSON object a line, in the order they happened.

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    evidence::{EvidenceKind, Redactor},
    plan::ItemId,
};

use super::event::RunEvent;

/// Writes events as they happen. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    out: Arc<Mutex<dyn Write + Send>>,
    redactor: Arc<Redactor>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    /// A recorder that writes to `out`.
    pub fn new(out: impl Write + Send + 'static, redactor: Arc<Redactor>) -> Self {
        Self {
            out: Arc::new(Mutex::new(out)),
            redactor,
        }
    }

    /// Writes one event. Where nobody reads any more, the run is over anyway: the parent is
    /// gone and takes the namespace along.
    pub fn tell(&self, event: &RunEvent) {
        let Ok(mut line) = serde_json::to_vec(event) else {
            return;
        };
        line.push(b'\n');
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }

    /// Writes down what was seen, redacted.
    pub fn saw(&self, item: ItemId, kind: EvidenceKind, title: &str, body: &str) {
        let evidence = self.redactor.evidence(kind, title, body);
        self.tell(&RunEvent::EvidenceSeen { item, evidence });
    }

    /// A text without any secret.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.redactor.redact(text)
    }
}
