//! Phase 5: the API of the language models, with a JWT.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{
    run::{Run, Token},
    trail,
    world::{Args, Blame, Seen, StepError, StepResult, World, expect},
};
use crate::{
    doubles::journal::Entry,
    evidence::EvidenceKind,
    probe::{browser::Hop, http::Request, jwt, nonce, nonce_of},
    steps,
};

/// How often the upstream's log is looked at while a line is waited for.
const POLL: Duration = Duration::from_millis(5);

/// Whom a client claims to be.
const OTHER: &str = "somebody-else@example.com";

steps! {
    /// A token of the test user that the gateway did not issue, signed with the run's secret.
    /// Skips where that is not known.
    Given "^the test user has a token$" => minted, "token.minted";
    /// Opens a window on the upstream's journal.
    Given "^the upstream's journal from here on$" => journal_from_here, "upstream.journal";
    /// Sends the profile's request with a prompt that nobody sent before.
    When "^the (?P<whose>admin|test user)'s token asks the model with a prompt of its own$" => asks_model, "llm.asked";
    /// The same, and the client itself sends the gateway's user header with another address, and
    /// has it in its body wherever the gateway names the user there.
    When "^the (?P<whose>admin|test user)'s token asks the model, claiming to be another user$" => claims_other, "llm.claimed";
    /// Status 200, the values of the profile, and a text that was made for this prompt.
    Then "^the answer is a message made for this prompt$" => made_for_prompt, "llm.answer";
    /// The upstream's journal has one request with this prompt.
    Then "^the upstream received exactly one request for it$" => one_upstream, "llm.once";
    /// The same request without a token is answered with 401.
    Then "^without a token the model's API answers 401$" => no_token, "llm.no-token";
    /// The same request with a token that is signed with another key is answered with 401.
    Then "^a token signed with another key is answered with 401$" => other_key, "jwt.other-key";
    /// The request at the upstream names the token's user, byte for byte, once.
    Then "^the upstream was told the (?P<whose>admin|test user)'s e-mail, and no other$" => told_email, "llm.user";
    /// Nothing that the upstream received holds the client's JWT.
    Then "^the (?P<whose>admin|test user)'s token did not reach the upstream$" => jwt_kept, "llm.token-passed-on";
    /// The request at the upstream carries the gateway's key for users as its bearer token, once.
    /// Where that key is not known, a remark says so.
    Then "^the upstream was given the gateway's key for users, and no other$" => users_key, "llm.key";
    /// A line of the upstream's own log names the user.
    Then "^the upstream's log names the (?P<whose>admin|test user)$" => log_names, "llm.log";
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

/// Asks the model; where a client claims to be somebody, its body does, too, at the places where the
/// gateway names the user.
async fn ask_claiming(
    world: &mut World,
    role: &str,
    headers: &[(&str, &str)],
    claimed: Option<&str>,
) -> StepResult {
    let run = world.run()?;
    let token = token_of(world, role)?;
    world.scene.note = nonce();
    let mut request = run.model_request(Some(&token.jwt), &world.scene.note, headers)?;
    if let Some(claimed) = claimed {
        claim_in_body(&mut request, &run.profile.llm.user_body, claimed);
    }
    let response = run.http.send(&request).await?;
    let hop = Hop { request, response };
    world.saw_hop(&hop);
    world.scene.last = Some(hop);
    Ok(())
}

async fn asks_model(world: &mut World, args: Args) -> StepResult {
    ask_claiming(world, args.text("whose"), &[], None).await
}

async fn claims_other(world: &mut World, args: Args) -> StepResult {
    let header = world.run()?.profile.llm.user_header.clone();
    ask_claiming(world, args.text("whose"), &[(&header, OTHER)], Some(OTHER)).await
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
        &response,
    )
}

/// What the upstream received with the scenario's prompt.
async fn received(world: &mut World) -> Result<Vec<Entry>, StepError> {
    let run = world.run()?;
    let entries = run.upstream.since(world.scene.upstream_cursor).await?;
    let own: Vec<Entry> = entries
        .into_iter()
        .filter(|entry| entry.body.contains(&world.scene.note))
        .collect();
    // The journal is read by several steps; what it holds of the request is kept once.
    if !own.is_empty() && world.scene.followed != world.scene.note {
        let asked = (world.scene.last.as_ref()).and_then(|hop| nonce_of(&hop.request.url));
        let asked = asked.unwrap_or_default();
        for entry in &own {
            trail::at_upstream(world, &asked, entry);
        }
        if !asked.is_empty() {
            trail::access_log(world, &asked).await;
        }
        world.scene.followed.clone_from(&world.scene.note);
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
        Seen::from(format!("{count} requests")).fact("count", count),
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
        &hop.response,
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
        &hop.response,
    )
}

async fn told_email(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let email = run.email(args.text("whose"))?;
    let entries = received(world).await?;
    let told: Vec<Told> = entries.iter().map(|entry| told(&run, entry)).collect();
    let answer = world
        .scene
        .last
        .as_ref()
        .map(|hop| hop.response.summary())
        .unwrap_or_default();
    expect(
        Blame::Candidate,
        told.len() == 1 && told.iter().all(|told| told.is(&run, &email)),
        format!("ask the model with the token of {email}"),
        format!(
            "one request at the upstream with {}",
            expected(&run, &email)
        ),
        Seen::from(format!(
            "{} requests, {told:?}; the client was answered {answer}",
            entries.len()
        ))
        .fact("told", format!("{told:?}")),
    )
}

/// By what a request named its user to the upstream.
#[derive(Debug)]
pub(super) struct Told {
    header: Vec<String>,
    body: Vec<Value>,
}

/// What a request told the upstream, at the places of the profile.
pub(super) fn told(run: &Run, entry: &Entry) -> Told {
    let llm = &run.profile.llm;
    let header = llm.user_header.to_ascii_lowercase();
    let body: Value = serde_json::from_str(&entry.body).unwrap_or_default();
    let at = |pointer: &String| body.pointer(pointer).cloned().unwrap_or_default();
    Told {
        header: entry.header_values(&header).map(str::to_owned).collect(),
        body: llm.user_body.iter().map(at).collect(),
    }
}

impl Told {
    /// Whether it names anybody.
    pub(super) fn names_somebody(&self) -> bool {
        !self.header.is_empty() || self.body.iter().any(|value| !value.is_null())
    }

    /// Whether it is this user everywhere, and nothing where nothing is sent. A profile that
    /// names no place could tell nothing.
    pub(super) fn is(&self, run: &Run, email: &str) -> bool {
        let llm = &run.profile.llm;
        let header = match llm.user_header_sent {
            true => self.header == [email],
            false => self.header.is_empty(),
        };
        (llm.user_header_sent || !self.body.is_empty())
            && header
            && self.body.iter().all(|value| value == email)
    }
}

/// What the upstream must be told, for a person.
pub(super) fn expected(run: &Run, email: &str) -> String {
    let llm = &run.profile.llm;
    let header = match llm.user_header_sent {
        true => format!("{}: {email}, once", llm.user_header),
        false => format!("no {}", llm.user_header),
    };
    let body = llm.user_body.iter();
    body.fold(header, |text, pointer| {
        format!("{text}; {email} at {pointer} of its body")
    })
}

/// Writes a claim into a JSON body, at these pointers; objects on the way are made.
fn claim_in_body(request: &mut Request, pointers: &[String], claimed: &str) {
    if pointers.is_empty() {
        return;
    }
    let body = request.body.as_deref().unwrap_or_default();
    let mut json: Value = serde_json::from_str(body).unwrap_or_default();
    for pointer in pointers {
        let mut place = &mut json;
        for name in pointer.split('/').skip(1) {
            if !place.is_object() {
                *place = json!({});
            }
            place = &mut place[name];
        }
        *place = claimed.into();
    }
    request.body = Some(json.to_string());
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

async fn users_key(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let Some(key) = &run.stack.secrets().upstream_key else {
        world.saw(
            EvidenceKind::Remark,
            "with which key the upstream is asked is not compared",
            "The gateway's environment has no LITELLM_SHARED_KEY.",
        );
        return Ok(());
    };
    let wanted = format!("Bearer {}", key.expose_secret());
    let entries = received(world).await?;
    let given: Vec<&str> = entries
        .iter()
        .flat_map(|entry| entry.header_values("authorization"))
        .collect();
    let others = given.iter().filter(|value| **value != wanted).count();
    expect(
        Blame::Candidate,
        given == [wanted.as_str()],
        "read with which key the upstream was asked",
        "the gateway's key for users, once",
        format!(
            "{} requests with {} keys, {others} of them another",
            entries.len(),
            given.len()
        ),
    )
}

async fn log_names(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let email = run.email(args.text("whose"))?;
    // The real LiteLLM writes its line when the answer is sent already.
    let started = Instant::now();
    let names = |line: &str| line.contains(&email) && line.contains(&run.profile.llm.path);
    let log = loop {
        let log = run.upstream.log().await?;
        if log.lines().any(names) || started.elapsed() > run.deadline() {
            break log;
        }
        tokio::time::sleep(POLL).await;
    };
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(&email)).collect();
    let shown: Vec<&str> = lines.iter().rev().take(5).copied().collect();
    world.saw(
        EvidenceKind::Log,
        &format!("lines of the upstream's log that name {email}"),
        &shown.join("\n"),
    );
    expect(
        Blame::Candidate,
        log.lines().any(names),
        format!("look for {email} in the upstream's log"),
        format!("a line for {}", run.profile.llm.path),
        if log.is_empty() {
            "the log is empty".to_owned()
        } else {
            format!("{} lines, none with both", log.lines().count())
        },
    )
}
