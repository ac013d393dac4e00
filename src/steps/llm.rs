//! The API of the language models, with a JWT.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{log::request_trace, prelude::*};
use crate::{doubles::journal::Entry, probe::jwt};

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

/// The prompt that only this request has.
struct Prompt(String);

/// The prompt whose request is in the report.
#[derive(Default)]
struct Followed(String);

async fn minted(world: &mut World, run: &Run, _: Args) -> StepResult {
    world
        .tokens
        .push(run.mint(&run.profile.users.test, 7).await?);
    Ok(())
}

async fn journal_from_here(world: &mut World, run: &Run, _: Args) -> StepResult {
    world.upstream_cursor = run.upstream.cursor().await?;
    Ok(())
}

/// The scenario's token of a user.
fn token_of(world: &World, run: &Run, role: &str) -> StepResult<Token> {
    let email = run.email(role)?;
    let known = world.tokens.iter().find(|token| token.email == email);
    let missing = || StepError::missing(format!("a token of {email}"));
    known.cloned().ok_or_else(missing)
}

/// Asks the model with a prompt of its own, after a change of the request.
async fn ask(
    world: &mut World,
    run: &Run,
    args: &Args,
    change: impl FnOnce(Request) -> Request,
) -> StepResult {
    let token = token_of(world, run, args.text("whose"))?;
    let prompt = nonce();
    let request = change(run.model_request(Some(&token.jwt), &prompt)?);
    let response = run.http.send(&request).await?;
    let hop = Hop { request, response };
    world.saw_hop(&hop);
    world.last = Some(hop);
    world.keep(Prompt(prompt));
    Ok(())
}

async fn asks_model(world: &mut World, run: &Run, args: Args) -> StepResult {
    ask(world, run, &args, |request| request).await
}

async fn claims_other(world: &mut World, run: &Run, args: Args) -> StepResult {
    let llm = &run.profile.llm;
    let claim = |request: Request| {
        let mut request = request.header(&llm.user_header, OTHER);
        claim_in_body(&mut request, &llm.user_body, OTHER);
        request
    };
    ask(world, run, &args, claim).await
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

async fn made_for_prompt(world: &mut World, run: &Run, _: Args) -> StepResult {
    let Prompt(prompt) = world.kept()?;
    let llm = &run.profile.llm;
    let response = &world.last()?.response;
    let json = response.json().unwrap_or_default();
    let mut values = llm.expect.iter();
    let text = json.pointer(&llm.text).and_then(Value::as_str);
    let holds = response.status == 200
        && values.all(|(pointer, value)| json.pointer(pointer) == Some(value))
        && text.is_some_and(|text| text.contains(prompt));
    let expected = format!(
        "200, {}, a text made for the prompt {prompt}",
        json!(llm.expect)
    );
    check(format!("POST {} with a token", llm.path), response).must(expected, holds)
}

/// What the upstream received with the scenario's prompt.
async fn received(world: &mut World, run: &Run) -> StepResult<Vec<Entry>> {
    let Prompt(prompt) = world.kept()?;
    let prompt = prompt.clone();
    let mut own = run.upstream.since(world.upstream_cursor).await?;
    own.retain(|entry| entry.body.contains(&prompt));
    // The journal is read by several steps; what it holds of the request is kept once.
    if !own.is_empty() && world.kept_mut::<Followed>()?.0 != prompt {
        let nonce = world.last_nonce();
        for entry in &own {
            request_trace::at_upstream(world, &nonce, entry);
        }
        if !nonce.is_empty() {
            request_trace::access_log(world, run, &nonce).await;
        }
        world.keep(Followed(prompt));
    }
    Ok(own)
}

async fn one_upstream(world: &mut World, run: &Run, _: Args) -> StepResult {
    let count = received(world, run).await?.len();
    let seen = Seen::from(format!("{count} requests")).fact("count", count);
    check("ask the model once", seen).must("one request at the upstream", count == 1)
}

async fn no_token(world: &mut World, run: &Run, _: Args) -> StepResult {
    let hop = run.ask_model(None, "without a token").await?;
    world.must("ask the model without a token", &hop, Status::Is(401))
}

async fn other_key(world: &mut World, run: &Run, _: Args) -> StepResult {
    let token = token_of(world, run, "admin")?;
    let did = "sign the token's own claims with another key";
    let decoded =
        jwt::decode(&token.jwt).map_err(|error| StepError::candidate(did, "a JWT", error))?;
    let other = SecretString::from(format!("{}{}{}", nonce(), nonce(), nonce()));
    let forged = jwt::sign(&decoded.claims, &other)
        .map_err(|error| StepError::harness(did, "a JWT", error))?;
    let hop = run.ask_model(Some(&forged), "with another key").await?;
    let did = "ask the model with a token signed with another key";
    world.must(did, &hop, Status::Is(401))
}

async fn told_email(world: &mut World, run: &Run, args: Args) -> StepResult {
    let email = run.email(args.text("whose"))?;
    let entries = received(world, run).await?;
    let named: Vec<NamedUser> = entries.iter().map(|one| NamedUser::of(run, one)).collect();
    let answer = world.last.as_ref().map(|hop| hop.response.summary());
    let seen = Seen::from(format!(
        "{} requests, {named:?}; the client was answered {}",
        entries.len(),
        answer.unwrap_or_default()
    ));
    check(
        format!("ask the model with the token of {email}"),
        seen.fact("told", format!("{named:?}")),
    )
    .must(
        format!("one request at the upstream with {}", expected(run, email)),
        named.len() == 1 && named.iter().all(|named| named.is(run, email)),
    )
}

/// How a request named its user to the upstream, at the places of the profile.
#[derive(Debug)]
pub(super) struct NamedUser {
    header: Vec<String>,
    body: Vec<Value>,
}

impl NamedUser {
    pub(super) fn of(run: &Run, entry: &Entry) -> Self {
        let llm = &run.profile.llm;
        let header = llm.user_header.to_ascii_lowercase();
        let body: Value = serde_json::from_str(&entry.body).unwrap_or_default();
        let at = |pointer: &String| body.pointer(pointer).cloned().unwrap_or_default();
        Self {
            header: entry.header_values(&header).map(str::to_owned).collect(),
            body: llm.user_body.iter().map(at).collect(),
        }
    }

    pub(super) fn is_somebody(&self) -> bool {
        !self.header.is_empty() || self.body.iter().any(|value| !value.is_null())
    }

    /// Whether it is this user everywhere, and nothing where nothing is sent. A profile that
    /// names no place could tell nothing.
    pub(super) fn is(&self, run: &Run, email: &str) -> bool {
        let sent = run.profile.llm.user_header_sent;
        let header = match sent {
            true => self.header == [email],
            false => self.header.is_empty(),
        };
        (sent || !self.body.is_empty()) && header && self.body.iter().all(|value| value == email)
    }
}

/// What the upstream must be told, for a person.
pub(super) fn expected(run: &Run, email: &str) -> String {
    let llm = &run.profile.llm;
    let header = match llm.user_header_sent {
        true => format!("{}: {email}, once", llm.user_header),
        false => format!("no {}", llm.user_header),
    };
    llm.user_body.iter().fold(header, |text, pointer| {
        format!("{text}; {email} at {pointer} of its body")
    })
}

async fn jwt_kept(world: &mut World, run: &Run, args: Args) -> StepResult {
    let Token { jwt, .. } = token_of(world, run, args.text("whose"))?;
    let mut leaked = Vec::new();
    for entry in received(world, run).await? {
        let headers = entry
            .headers
            .iter()
            .filter(|(_, value)| value.contains(&jwt));
        leaked.extend(headers.map(|(name, _)| format!("the header {name}")));
        if entry.body.contains(&jwt) {
            leaked.push("the body".to_owned());
        }
    }
    let did = "look for the client's JWT in what the upstream received";
    check(did, format!("in {}", leaked.join(", "))).must("nowhere", leaked.is_empty())
}

async fn users_key(world: &mut World, run: &Run, _: Args) -> StepResult {
    let Some(key) = &run.stack.secrets().upstream_key else {
        world.remark(
            "with which key the upstream is asked is not compared",
            "The gateway's environment has no LITELLM_SHARED_KEY.",
        );
        return Ok(());
    };
    let wanted = format!("Bearer {}", key.expose_secret());
    let entries = received(world, run).await?;
    let given = entries
        .iter()
        .flat_map(|entry| entry.header_values("authorization"));
    let given: Vec<&str> = given.collect();
    let others = given.iter().filter(|value| **value != wanted).count();
    let (requests, keys) = (entries.len(), given.len());
    check(
        "read with which key the upstream was asked",
        format!("{requests} requests with {keys} keys, {others} of them another"),
    )
    .must(
        "the gateway's key for users, once",
        given == [wanted.as_str()],
    )
}

async fn log_names(world: &mut World, run: &Run, args: Args) -> StepResult {
    let email = run.email(args.text("whose"))?;
    let path = &run.profile.llm.path;
    let names = |log: &String| {
        let mut lines = log.lines();
        lines.any(|line| line.contains(email) && line.contains(path))
    };
    // The real LiteLLM writes its line when the answer is sent already.
    let log = poll(run.deadline(), async || run.upstream.log().await, names).await?;
    let own: Vec<&str> = log.lines().filter(|line| line.contains(email)).collect();
    let title = format!("lines of the upstream's log that name {email}");
    world.saw(EvidenceKind::Log, title, lines(own.iter().rev().take(5)));
    let seen = match log.lines().count() {
        0 => "the log is empty".to_owned(),
        count => format!("{count} lines, none with both"),
    };
    check(format!("look for {email} in the upstream's log"), seen)
        .must(format!("a line for {path}"), names(&log))
}
