//! X.3: a ban reaches every token of a user, on every location that a token opens.

use super::attack::{Attempt, AttemptResult, all_must, bearer, control, none_reached, refused};
use crate::steps::prelude::*;

steps! {
    /// Control: a token of the test user, minted with the run's secret, is let in on every
    /// location of the model's API that the profile names.
    Given "^the test user's token is let in on every location of the model's API$" => let_in, "ban.tokens-before";
    /// Bans the test user by the admin API for a day, and mints another token of the user.
    When "^the admin bans the test user, and a further token of the user is minted$" => bans, "ban.further-token";
    /// From the very next request on both tokens are refused with 401 or 403 on every location, and nothing
    /// reaches the upstream. Where that fails the ban is lifted before the scenario ends.
    Then "^both tokens are refused on every location from the next request on$" => both_refused, "ban.everywhere", &["upstream.reached"];
    /// The admin's token is let in on every location meanwhile.
    Then "^the admin's token is let in on every location meanwhile$" => admin_let_in, "ban.admin-token";
    /// Lifts the ban by the admin API.
    When "^the admin lifts the test user's ban$" => lifts, "unban.answer";
    /// Both tokens are let in again on every location.
    Then "^both tokens are let in again on every location$" => let_in_again, "unban.everywhere";
}

/// A request for every location of the model's API, with a token.
fn everywhere(run: &Run, whose: &str, token: &Token) -> Vec<Attempt> {
    let llm = &run.profile.llm;
    let first = ("POST", llm.path.as_str(), Some(&llm.body));
    let others = llm.others.iter();
    let others = others.map(|place| {
        (
            place.method.as_str(),
            place.path.as_str(),
            place.body.as_ref(),
        )
    });
    let request = |(method, path, body)| {
        let mark = nonce();
        let raw = bearer(run.llm_request(method, path, body, &mark), &token.jwt);
        Attempt::new((), format!("{method} {path} with {whose} token"), mark, raw)
    };
    std::iter::once(first).chain(others).map(request).collect()
}

fn is_let_in(one: &AttemptResult) -> bool {
    !refused(one.status()) && one.status() < 500
}

/// Uses each token of the scenario everywhere.
async fn use_all(world: &World, run: &Run) -> StepResult<Vec<AttemptResult>> {
    let names = ["the test user's", "the test user's later"];
    let tokens = names.into_iter().zip(&world.tokens);
    let attempts = tokens.flat_map(|(whose, token)| everywhere(run, whose, token));
    run.attempt_all(attempts.collect()).await
}

async fn let_in(world: &mut World, run: &Run, _: Args) -> StepResult {
    world.tokens = vec![run.mint(&run.profile.users.test, 1).await?];
    let results = use_all(world, run).await?;
    let did = "use the test user's token";
    control(all_must(world, did, "it is let in", &results, is_let_in))
}

async fn bans(world: &mut World, run: &Run, _: Args) -> StepResult {
    let email = &run.profile.users.test;
    world.upstream_cursor = run.upstream.cursor().await?;
    let answer = run.ban(email, 1).await?;
    world.saw_hop(&answer.hop);
    let banned = check(format!("ban {email}"), &answer.hop);
    control(banned.must(answer.success(), answer.ok()))?;
    world.tokens.push(run.mint(email, 1).await?);
    Ok(())
}

/// Lifts the ban where something failed meanwhile, so that it does not stay.
async fn lift_on_failure(run: &Run, result: StepResult) -> StepResult {
    if result.is_err() {
        // What failed first is what the report must say.
        let _ = run.unban(&run.profile.users.test).await;
    }
    result
}

async fn both_refused(world: &mut World, run: &Run, _: Args) -> StepResult {
    let did = "use the banned user's tokens";
    let refused_everywhere = async {
        let results = use_all(world, run).await?;
        all_must(world, did, "401 or 403", &results, |one| {
            refused(one.status())
        })?;
        none_reached(world, run, did, &results).await
    };
    lift_on_failure(run, refused_everywhere.await).await
}

async fn admin_let_in(world: &mut World, run: &Run, _: Args) -> StepResult {
    let used = async {
        let token = run.need_token("verify-guard", 1).await?;
        let attempts = everywhere(run, "the admin's", &token);
        let results = run.attempt_all(attempts).await?;
        let did = "use the admin's token while another user is banned";
        all_must(world, did, "it is let in", &results, is_let_in)
    };
    lift_on_failure(run, used.await).await
}

async fn lifts(world: &mut World, run: &Run, _: Args) -> StepResult {
    let email = &run.profile.users.test;
    let answer = run.unban(email).await?;
    world.saw_hop(&answer.hop);
    check(format!("unban {email}"), &answer.hop).must(answer.success(), answer.ok())
}

async fn let_in_again(world: &mut World, run: &Run, _: Args) -> StepResult {
    let results = use_all(world, run).await?;
    let did = "use the tokens after the ban was lifted";
    all_must(world, did, "they are let in", &results, is_let_in)
}
