//! X.1, the other side: whether the internal port believes what the public one must not.

use futures::future::try_join_all;

use super::{
    attack::holds,
    identity::{ADMIN_QUESTION, admin_question, claimed, claiming, names},
};
use crate::{probe::raw::Raw, profile::InternalPort, steps::prelude::*};

steps! {
    /// Whether the internal port believes identity headers: a remark, or a failure where the
    /// profile says that it must not.
    Then "^whether the internal port believes such a claim is known$" => internal_port, "identity.internal-port";
}

/// What the internal port answered to a question: without a claim, as a stranger, as the admin.
struct Internal {
    what: String,
    statuses: [u16; 3],
    mark: String,
}

/// Asks the internal port each question in all three ways, all at the same time.
async fn ask_internal(run: &Run) -> StepResult<Vec<Internal>> {
    let (names, internal) = (names(run), run.stack.internal());
    let contexts = run.profile.contexts.iter();
    let questions = contexts.map(|(context, found)| (context.clone(), run.raw(&found.path)));
    let mut questions: Vec<(String, Raw)> = questions.collect();
    let operation = run.operation(ADMIN_QUESTION)?;
    questions.push(("admin API".to_owned(), admin_question(run, &operation, "x")));
    let asked = questions.into_iter().map(async |(what, raw)| {
        let mark = nonce();
        let as_stranger = claiming(raw.clone(), &names, &claimed(&mark));
        let as_admin = claiming(raw.clone(), &names, &run.profile.users.admin);
        let ways = [raw, as_stranger, as_admin];
        let answers = try_join_all(ways.iter().map(|raw| raw.send(internal)));
        let answers = answers.await.map_err(|error| {
            let did = format!("ask the internal port for {what}");
            StepError::harness(did, "an answer", error)
        })?;
        let mut statuses = [0; 3];
        for (status, answer) in statuses.iter_mut().zip(&answers) {
            *status = answer.status;
        }
        Ok(Internal {
            what,
            statuses,
            mark,
        })
    });
    try_join_all(asked).await
}

async fn internal_port(world: &mut World, run: &Run, _: Args) -> StepResult {
    let cursor = run.upstream.cursor().await?;
    let asked = ask_internal(run).await?;
    let entries = match run.upstream.is_kept() {
        true => run.upstream.since(cursor).await?,
        false => Vec::new(),
    };
    let active = run.made_active(&claimed("*")).await?;
    let (mut believed, mut seen) = (Vec::new(), Vec::new());
    for Internal {
        what,
        statuses: [without, stranger, admin],
        mark,
    } in asked
    {
        let told = entries.iter().any(|entry| holds(entry, &claimed(&mark)));
        let is_active = active.iter().any(|key| key.contains(&mark));
        let not = |so: bool| if so { "" } else { "not " };
        let line = format!(
            "{what}: without a claim {without}, as a stranger {stranger}, as the admin {admin}; \
             the upstream is {}told the claim; the stranger is {}active",
            not(told),
            not(is_active),
        );
        if told || is_active || stranger != without || admin != without {
            believed.push(line.clone());
        }
        seen.push(line);
    }
    let title = match believed.is_empty() {
        true => "the internal port does not believe identity headers",
        false => {
            "the internal port believes identity headers: nobody but the gateway's own parts may reach it"
        }
    };
    world.remark(title, lines(seen));
    check(
        "claim at the internal port to be somebody",
        lines(&believed),
    )
    .must(
        "as without the claim: the profile's identity.internal_port says `refuses`",
        believed.is_empty() || run.profile.identity.internal_port == InternalPort::Trusts,
    )
}
