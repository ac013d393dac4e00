//! Phase 5: the API of the language models, with a JWT.

use secrecy::SecretString;

use super::{
    run::Token,
    world::{Args, Blame, StepError, StepResult, World, expect},
};
use crate::{
    doubles::journal::Entry,
    evidence::EvidenceKind,
    probe::{jwt, nonce},
    steps,
};

steps! {
    /// A token of the test user that the gateway did not issue, signed with the run's secret.
    /// Skips where that is not known.
    Given "^the test user has a token$" => minted;
    /// Opens a window on the upstream's journal.
    Given "^the upstream's journal from here on$" => journal_from_here;
    /// Sends the profile's request with a prompt that nobody sent before.
    When "^the (?P<whose>admin|test user)'s token asks the model with a prompt of its own$" => asks_model;
    /// The same, and the client itself sends the gateway's user header with another address.
    When "^the (?P<whose>admin|test user)'s token asks the model, claiming to be another user$" => claims_other;
    /// Status 200, the values of the profile, and a text that was made for this prompt.
    Then "^the answer is a message made for this prompt$" => made_for_prompt;
    /// The upstream's journal has one request with this prompt.
    Then "^the upstream received exactly one request for it$" => one_upstream;
    /// The same request without a token is answered with 401.
    Then "^without a token the model's API answers 401$" => no_token;
    /// The same request with a token that is signed with another key is answered with 401.
    Then "^a token signed with another key is answered with 401$" => other_key;
    /// The request at the upstream names the token's user, byte for byte, once.
    Then "^the upstream was told the (?P<whose>admin|test user)'s e-mail, and no other$" => told_email;
    /// Nothing that the upstream received holds the client's JWT.
    Then "^the (?P<whose>admin|test user)'s token did not reach the upstream$" => jwt_kept;
    /// A line of the upstream's own log names the user.
    Then "^the upstream's log names the (?P<whose>admin|test user)$" => log_names;
}

async fn minted(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let token = run.mint(&run.email("test user")?, 7).await?;
    world.scene.tokens.push(token);
    Ok(())
}

async fn journal_from_here(world: &mut World, _: Args) -> StepResult {
    world.scene.upstream_cursor = world.run()?.upstream.cursor().await?;
    Ok(())
}

/// The scenario's token of a user.
fn token_of(world: &World, role: &str) -> Result<Token, StepError> {
    let email = world.run()?.email(role)?;
    let known = world
        .scene
        .tokens
        .iter()
        .find(|token| token.email == email)
        .cloned();
    known.ok_or_else(|| {
        StepError::harness(
            "use a token",
            format!("one of {email}"),
            "the scenario has none",
        )
    })
}

async fn ask(world: &mut World, role: &str, headers: &[(&str, &str)]) -> StepResult {
    let run = world.run()?;
    let token = token_of(world, role)?;
    world.scene.note = nonce();
    let hop = run
        .ask_model(Some(&token.jwt), &world.scene.note, headers)
        .await?;
    world.saw_hop(&hop);
    world.scene.last = Some(hop);
    Ok(())
}

async fn asks_model(world: &mut World, args: Args) -> StepResult {
    ask(world, args.text("whose"), &[]).await
}

async fn claims_other(world: &mut World, args: Args) -> StepResult {
    let header = world.run()?.profile.llm.user_header.clone();
    ask(
        world,
        args.text("whose"),
        &[(&header, "somebody-else@example.com")],
    )
    .await
}

async fn made_for_prompt(world: &mut World, _: Args) -> StepResult {
    let llm = world.run()?.profile.llm.clone();
    let response = world.last()?.response.clone();
    let json = response.json().unwrap_or_default();
    let values = llm
        .expect
        .iter()
        .all(|(pointer, value)| json.pointer(pointer) == Some(value));
    let text = json
        .pointer(&llm.text)
        .and_then(|text| text.as_str())
        .unwrap_or_default();
    expect(
        Blame::Candidate,
        response.status == 200 && values && text.contains(&world.scene.note),
        format!("POST {} with a token", llm.path),
        format!(
            "200, {:?}, a text made for the prompt {}",
            llm.expect, world.scene.note
        ),
        response.summary(),
    )
}

/// What the upstream received with the scenario's prompt.
async fn received(world: &World) -> Result<Vec<Entry>, StepError> {
    let run = world.run()?;
    let entries = run.upstream.since(world.scene.upstream_cursor).await?;
    let own: Vec<Entry> = entries
        .into_iter()
        .filter(|entry| entry.body.contains(&world.scene.note))
        .collect();
    for entry in &own {
        let headers: Vec<String> = entry
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let title = format!(
            "upstream received {} {} -> {}",
            entry.method, entry.path, entry.status
        );
        world.saw(
            EvidenceKind::Journal,
            &title,
            &format!("{}\n\n{}", headers.join("\n"), entry.body),
        );
    }
    Ok(own)
}

async fn one_upstream(world: &mut World, _: Args) -> StepResult {
    let count = received(world).await?.len();
    expect(
        Blame::Candidate,
        count == 1,
        "ask the model once",
        "one request at the upstream",
        format!("{count} requests"),
    )
}

async fn no_token(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let hop = run.ask_model(None, "without a token", &[]).await?;
    world.saw_hop(&hop);
    expect(
        Blame::Candidate,
        hop.response.status == 401,
        "ask the model without a token",
        "401",
        hop.response.summary(),
    )
}

async fn other_key(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let token = token_of(world, "admin")?;
    let did = "sign the token's own claims with another key";
    let claims = jwt::decode(&token.jwt)
        .map_err(|error| StepError::candidate(did, "a JWT", error))?
        .claims;
    let other = SecretString::from(format!("{}{}{}", nonce(), nonce(), nonce()));
    let forged =
        jwt::sign(&claims, &other).map_err(|error| StepError::harness(did, "a JWT", error))?;
    let hop = run
        .ask_model(Some(&forged), "with another key", &[])
        .await?;
    world.saw_hop(&hop);
    expect(
        Blame::Candidate,
        hop.response.status == 401,
        "ask the model with a token signed with another key",
        "401",
        hop.response.summary(),
    )
}

async fn told_email(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let email = run.email(args.text("whose"))?;
    let header = run.profile.llm.user_header.clone();
    let entries = received(world).await?;
    let told: Vec<&str> = entries
        .iter()
        .flat_map(|entry| &entry.headers)
        .filter(|(name, _)| *name == header)
        .map(|(_, value)| value.as_str())
        .collect();
    let answer = world
        .scene
        .last
        .as_ref()
        .map(|hop| hop.response.summary())
        .unwrap_or_default();
    expect(
        Blame::Candidate,
        entries.len() == 1 && told == [email.as_str()],
        format!("ask the model with the token of {email}"),
        format!("one request at the upstream with {header}: {email}, once"),
        format!(
            "{} requests, {header}: {told:?}; the client was answered {answer}",
            entries.len()
        ),
    )
}

async fn jwt_kept(world: &mut World, args: Args) -> StepResult {
    let token = token_of(world, args.text("whose"))?;
    let entries = received(world).await?;
    let leaked: Vec<String> = entries
        .iter()
        .flat_map(|entry| {
            entry
                .headers
                .iter()
                .map(|(name, value)| (format!("the header {name}"), value))
                .chain([("the body".to_owned(), &entry.body)])
        })
        .filter(|(_, value)| value.contains(&token.jwt))
        .map(|(place, _)| place)
        .collect();
    expect(
        Blame::Candidate,
        leaked.is_empty(),
        "look for the client's JWT in what the upstream received",
        "nowhere",
        format!("in {}", leaked.join(", ")),
    )
}

async fn log_names(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let email = run.email(args.text("whose"))?;
    let log = run.upstream.log().await?;
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(&email)).collect();
    let shown: Vec<&str> = lines.iter().rev().take(5).copied().collect();
    world.saw(
        EvidenceKind::Log,
        &format!("lines of the upstream's log that name {email}"),
        &shown.join("\n"),
    );
    let found = lines
        .iter()
        .any(|line| line.contains(&run.profile.llm.path));
    expect(
        Blame::Candidate,
        found,
        format!("look for {email} in the upstream's log"),
        format!("a line for {}", run.profile.llm.path),
        if log.is_empty() {
            "the log is empty".to_owned()
        } else {
            format!("{} lines, none with both", log.lines().count())
        },
    )
}
