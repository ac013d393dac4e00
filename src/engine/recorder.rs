//! Where events of the worker go: sealed, one a line, in the order they happened.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use crate::{
    evidence::{Evidence, EvidenceKind, Image, Redactor},
    plan::ItemId,
};

use super::{
    event::RunEvent,
    seal::{Message, Sealer},
};

/// Writes events as they happen. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    out: Arc<Mutex<Sealer>>,
    redactor: Arc<Redactor>,
    began: SystemTime,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    /// A recorder that writes to `out`.
    pub fn new(out: Sealer, redactor: Arc<Redactor>) -> Self {
        Self {
            out: Arc::new(Mutex::new(out)),
            redactor,
            began: SystemTime::now(),
        }
    }

    /// The same with another beginning of its time: that of the whole run.
    #[must_use]
    pub fn counting_from(mut self, began: SystemTime) -> Self {
        self.began = began;
        self
    }

    /// Now, in milliseconds since the beginning; 0 where the clock was set back since.
    #[must_use]
    pub fn now_ms(&self) -> f64 {
        self.began.elapsed().unwrap_or_default().as_secs_f64() * 1e3
    }

    /// Writes one event. Where nobody reads any more, the run is over anyway: the parent is
    /// gone and takes the namespace along.
    pub fn tell(&self, event: &RunEvent) {
        let _ = self.lock().event(event);
    }

    /// Writes something that is no event.
    pub fn message(&self, message: &Message) {
        let _ = self.lock().tell(message);
    }

    fn lock(&self) -> MutexGuard<'_, Sealer> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what was seen, redacted.
    pub fn saw(&self, item: ItemId, kind: EvidenceKind, title: &str, body: &str) {
        self.saw_more(item, kind, title, body, |_| ());
    }

    /// The same, with more to it than its text. Whoever adds that sees to it that it holds no
    /// secret.
    pub fn saw_more(
        &self,
        item: ItemId,
        kind: EvidenceKind,
        title: &str,
        body: &str,
        add: impl FnOnce(&mut Evidence),
    ) {
        let mut evidence = self.redactor.evidence(kind, title, body);
        add(&mut evidence);
        self.tell(&RunEvent::EvidenceSeen { item, evidence });
    }

    /// Writes down what a browser showed: in words, redacted, and as a picture that shows no secret.
    pub fn saw_picture(&self, item: ItemId, title: &str, body: &str, image: Option<Image>) {
        let evidence = Evidence {
            image,
            ..self
                .redactor
                .evidence(EvidenceKind::Screenshot, title, body)
        };
        self.tell(&RunEvent::EvidenceSeen { item, evidence });
    }

    /// A text without any secret.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.redactor.redact(text)
    }
}
