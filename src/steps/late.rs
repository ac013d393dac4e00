//! What is looked at again at the end of the run: what was revoked stays so.

use super::run::Run;
use crate::{
    evidence::EvidenceKind,
    model::event::Outcome,
    plan::ItemId,
    steps::world::{Blame, Coded as _, expect},
};

/// An item that has passed so far and is looked at again at the end of the run.
#[derive(Debug)]
pub struct Deferred {
    pub item: ItemId,
    /// How long its scenario took, in milliseconds.
    pub duration_ms: f64,
}

/// Looks again at everything that must stay as it is, and tells how the items ended that
/// waited for it.
pub async fn look_again(run: &Run, deferred: Vec<Deferred>) {
    for Deferred { item, duration_ms } in deferred {
        let revoked: Vec<_> = run
            .notes()
            .revoked
            .iter()
            .filter(|(of, _)| *of == item)
            .map(|(_, token)| token.clone())
            .collect();
        let mut outcome = Outcome::Passed;
        for token in revoked {
            let refused = async {
                let hop = run
                    .ask_model(Some(&token.jwt), "at the end of the run", &[])
                    .await?;
                run.recorder.saw(
                    item,
                    EvidenceKind::Exchange,
                    "the revoked token at the end of the run",
                    &hop.response.summary(),
                );
                expect(
                    Blame::Candidate,
                    matches!(hop.response.status, 401 | 403),
                    "use the revoked token again at the end of the run",
                    "401 or 403, as right after its revocation",
                    &hop.response,
                )
                .code("revocation.refused")
            };
            if let Err(error) = refused.await {
                outcome = run.excused(error).await.into();
            }
        }
        run.finish_item(item, outcome, duration_ms);
    }
}
