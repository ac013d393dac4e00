//! What is looked at again at the end of the run: what was revoked stays so.

use super::{
    check::{REFUSED, check},
    error::{Coded as _, StepResult},
    run::Run,
    state::Token,
};
use crate::{evidence::EvidenceKind, model::event::Outcome, plan::ItemId};

/// An item that has passed so far and is looked at again at the end of the run.
#[derive(Debug)]
pub struct Deferred {
    pub item: ItemId,
    /// How long its scenario took, in milliseconds.
    pub duration_ms: f64,
}

/// Looks again at everything that must stay as it is, and finishes the items that waited for it.
pub async fn look_again(run: &Run, deferred: Vec<Deferred>) {
    for Deferred { item, duration_ms } in deferred {
        let revoked = run.notes().revoked.clone();
        let mut outcome = Outcome::Passed;
        for (_, token) in revoked.iter().filter(|(of, _)| *of == item) {
            if let Err(error) = still_refused(run, item, token).await {
                outcome = run.excused(error).await.into();
            }
        }
        run.finish_item(item, outcome, duration_ms);
    }
}

async fn still_refused(run: &Run, item: ItemId, token: &Token) -> StepResult {
    let hop = run
        .ask_model(Some(&token.jwt), "at the end of the run")
        .await?;
    let title = "the revoked token at the end of the run";
    let seen = hop.response.summary();
    run.recorder.saw(item, EvidenceKind::Exchange, title, &seen);
    check("use the revoked token again at the end of the run", &hop)
        .must(
            format!("{REFUSED}, as right after its revocation"),
            REFUSED.fits(hop.response.status),
        )
        .code("revocation.refused")
}
