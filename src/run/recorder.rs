//! Where the events of a run go, in the order they happened.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use crate::{
    evidence::{Evidence, EvidenceKind, ITEM_LIMIT, Image, Redactor},
    model::event::RunEvent,
    plan::ItemId,
};

/// Hands events on as they happen. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    out: Arc<dyn Fn(&RunEvent) + Send + Sync>,
    redactor: Arc<Redactor>,
    /// How many pieces of evidence each item has, and of how many bytes.
    kept: Arc<Mutex<BTreeMap<ItemId, (usize, usize)>>>,
    began: SystemTime,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    /// A recorder that hands each event to `out`.
    pub fn new(out: impl Fn(&RunEvent) + Send + Sync + 'static, redactor: Arc<Redactor>) -> Self {
        Self {
            out: Arc::new(out),
            redactor,
            kept: Arc::default(),
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

    pub fn tell(&self, event: &RunEvent) {
        (self.out)(event);
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
        self.keep(item, evidence);
    }

    /// Writes down a piece of evidence while the item has room for it; the first one without room
    /// is replaced by a note that says so.
    fn keep(&self, item: ItemId, mut evidence: Evidence) {
        let size = evidence.title.len() + evidence.body.len();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, bytes) = kept.entry(item).or_default();
        let had_room = *count <= ITEM_LIMIT.0 && *bytes <= ITEM_LIMIT.1;
        (*count, *bytes) = (*count + 1, bytes.saturating_add(size));
        if *count > ITEM_LIMIT.0 || *bytes > ITEM_LIMIT.1 {
            if !had_room {
                return;
            }
            // From here on there is none, also for a smaller one.
            *bytes = usize::MAX;
            evidence = Evidence {
                kind: evidence.kind,
                title: "further evidence not kept".to_owned(),
                body: format!(
                    "the item has more than {} pieces, or more than {} bytes of evidence",
                    ITEM_LIMIT.0, ITEM_LIMIT.1
                ),
                image: None,
                trail: None,
                figures: None,
            };
        }
        drop(kept);
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
        self.keep(item, evidence);
    }

    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.redactor.redact(text)
    }

    /// A text without any secret, as long as a piece of evidence may be.
    #[must_use]
    pub fn bounded(&self, text: &str) -> String {
        self.redactor.bounded(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(pieces: usize, body: &str) -> Vec<Evidence> {
        let (sender, events) = std::sync::mpsc::channel();
        let send = move |event: &RunEvent| sender.send(event.clone()).unwrap();
        let recorder = Recorder::new(send, Arc::new(Redactor::new()));
        for (name, count) in [("3.1", pieces), ("3.2", 1)] {
            for no in 0..count {
                let item = name.parse().unwrap();
                recorder.saw(item, EvidenceKind::Log, &format!("{name} {no}"), body);
            }
        }
        drop(recorder);
        let seen = events.iter().map(|event| match event {
            RunEvent::EvidenceSeen { evidence, .. } => evidence,
            other => panic!("{other:?}"),
        });
        seen.collect()
    }

    #[test]
    fn an_item_keeps_a_bounded_number_of_pieces_and_says_where_it_stops() {
        let (pieces, _) = ITEM_LIMIT;
        let all = kept(pieces, "x");
        assert_eq!(all.len(), pieces + 1);
        assert!(all.iter().all(|piece| piece.body == "x"));
        let cut = kept(pieces + 1000, "x");
        assert_eq!(cut.len(), pieces + 2);
        let note = &cut[pieces];
        assert_eq!(note.title, "further evidence not kept");
        assert!(note.body.contains("256 pieces"), "{}", note.body);
        assert_eq!(cut[pieces + 1].title, "3.2 0", "another item has room");
    }

    #[test]
    fn an_item_keeps_a_bounded_number_of_bytes() {
        let cut = kept(200, &"x".repeat(1024 * 1024));
        let notes = cut.iter().filter(|piece| piece.title.contains("not kept"));
        assert_eq!(notes.count(), 1);
        let bytes: usize = cut.iter().map(|piece| piece.body.len()).sum();
        assert!(
            (ITEM_LIMIT.1 / 2..ITEM_LIMIT.1 + 64 * 1024).contains(&bytes),
            "{bytes}"
        );
    }
}
