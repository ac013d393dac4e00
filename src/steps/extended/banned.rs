//! X.3: a ban reaches every token of a user, on every location that a token opens.

use serde_json::json;

use super::outside::{Attempt, Tried, all_must, control, none_reached, refused};
use crate::{
    probe::nonce,
    steps,
    steps::{
        operations::{Answer, values},
        run::{Run, Token},
        world::{Args, Blame, StepError, StepResult, World, expect},
    },
};

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
    let others = llm.others.iter().map(|place| {
        (
            place.method.as_str(),
            place.path.as_str(),
            place.body.as_ref(),
        )
    });
    std::iter::once(first)
        .chain(others)
        .map(|(method, path, body)| {
            let mark = nonce();
            let raw = run
                .llm_request(method, path, body, &mark)
                .header("Authorization", &format!("Bearer {}", token.jwt));
            Attempt {
                what: format!("{method} {path} with {whose} token"),
                raw,
                mark,
            }
        })
        .collect()
}

fn is_let_in(one: &Tried) -> bool {
    !refused(one.response.status) && one.response.status < 500
}

async fn tried_with_all(world: &World) -> Result<Vec<Tried>, StepError> {
    let run = world.run()?;
    let words = ["the test user's", "the test user's later"];
    let attempts = words
        .into_iter()
        .zip(&world.scene.tokens)
        .flat_map(|(whose, token)| everywhere(&run, whose, token))
        .collect();
    run.try_all(attempts).await
}

async fn let_in(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    world.scene.tokens = vec![run.mint(&run.email("test user")?, 1).await?];
    let tried = tried_with_all(world).await?;
    control(all_must(
        world,
        "use the test user's token",
        "it is let in",
        &tried,
        is_let_in,
    ))
}

/// Bans a user or lifts the ban, by the admin API.
pub(super) async fn operate(run: &Run, name: &str, email: &str) -> Result<Answer, StepError> {
    let mut admin = run.need_session(&run.email("admin")?).await?;
    let values = values([("email", json!(email)), ("days", json!(1))]);
    run.operate(&mut admin, name, &values).await
}

async fn bans(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let email = run.email("test user")?;
    world.scene.upstream_cursor = run.upstream.cursor().await?;
    let answer = operate(&run, "ban user", &email).await?;
    world.saw_hop(&answer.hop);
    control(expect(
        Blame::Candidate,
        answer.ok(),
        format!("ban {email}"),
        "200, JSON",
        &answer.hop.response,
    ))?;
    world.scene.tokens.push(run.mint(&email, 1).await?);
    Ok(())
}

/// Lifts a ban where something failed meanwhile, so that it does not stay.
pub(super) async fn lift_on_failure(run: &Run, email: &str, result: StepResult) -> StepResult {
    if result.is_err() {
        // What failed first is what the report must say.
        let _ = operate(run, "unban user", email).await;
    }
    result
}

async fn both_refused(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let did = "use the banned user's tokens";
    let refused_everywhere = async {
        let tried = tried_with_all(world).await?;
        all_must(world, did, "401 or 403", &tried, |one| {
            refused(one.response.status)
        })?;
        none_reached(world, did, &tried).await
    };
    let result = refused_everywhere.await;
    lift_on_failure(&run, &run.email("test user")?, result).await
}

async fn admin_let_in(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let used = async {
        let token = run.need_token("verify-guard", 1).await?;
        let tried = run.try_all(everywhere(&run, "the admin's", &token)).await?;
        let did = "use the admin's token while another user is banned";
        all_must(world, did, "it is let in", &tried, is_let_in)
    };
    let result = used.await;
    lift_on_failure(&run, &run.email("test user")?, result).await
}

async fn lifts(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let email = run.email("test user")?;
    let answer = operate(&run, "unban user", &email).await?;
    world.saw_hop(&answer.hop);
    expect(
        Blame::Candidate,
        answer.ok(),
        format!("unban {email}"),
        "200, JSON",
        &answer.hop.response,
    )
}

async fn let_in_again(world: &mut World, _: Args) -> StepResult {
    let tried = tried_with_all(world).await?;
    let did = "use the tokens after the ban was lifted";
    all_must(world, did, "they are let in", &tried, is_let_in)
}
