//! Phase 4: tokens are made, listed, shown and revoked.

use serde_json::{Value, json};

use super::{
    operations::{Answer, values},
    run::{Run, Token},
    trail,
    world::{Args, Blame, Coded as _, Seen, StepError, StepResult, World, expect},
};
use crate::{
    evidence::{EvidenceKind, Stage},
    probe::{http::Request, jwt, nonce_of, now_ms},
    profile::RevokedToken,
    stack::Act,
    steps,
};

/// How far the end of a key may be before its token's, in seconds.
const TTL_SLACK: i64 = 60;

/// The codes of a token's claims.
const JWT_CODES: &[&str] = &["token.lifetime", "token.signature"];

/// The codes of a token that was made in a form.
pub const FORM_CODES: &[&str] = &[
    "token.form-fields",
    "token.claims",
    "token.lifetime",
    "token.signature",
    "token.list-changed",
    "token.list",
];

/// What is said where a token holds for another time than was asked.
const LIFETIME: &str = "exp - iat = the duration";
const EXPIRY: &str = "expires_at = exp";

/// What is done to look into a token.
const APART: &str = "take the token apart";

steps! {
    /// A token of the admin for so many days, generated if there is none of that name yet.
    Given "^the admin has a token \"(?P<name>[^\"]+)\" for (?P<days>[0-9]+) days$" => has_token, "token.needed";
    /// Counts the entries of the list of tokens; where other people use the gateway, those of
    /// the session's user.
    Given "^the number of tokens is known$" => count_tokens, "token.counted";
    /// Asks for a new token.
    When "^the session generates a token \"(?P<name>[^\"]+)\" for (?P<days>[0-9]+) days$" => generates, "token.generated";
    /// The operation's status, JSON, a token, its id and its expiry.
    Then "^the answer has the token, its id and its expiry$" => has_answer, "token.answer";
    /// HS256; signed with the run's secret, where that is known; the session's e-mail; the
    /// id as answered; issued within 5 s of now; for exactly so many days.
    Then "^the token is a JWT of the (?P<role>admin), signed with the run's secret, for (?P<days>[0-9]+) days from now$" => is_jwt, "token.claims", JWT_CODES;
    /// The token's key exists in Redis.
    Then "^Redis holds the token$" => token_in_redis, "token.redis";
    /// The list has so many entries more than when they were counted, the new ones among them.
    Then "^the list of tokens grew by exactly (?P<count>[0-9]+)$" => list_grew, "token.list-grew", &["token.list"];
    /// The same request without a session is refused, and the list does not grow.
    Then "^without a session no token is generated$" => refused_without_session, "token.without-session", &["token.list-changed", "token.list"];
    /// A body that is no JSON is answered with 400, and the list does not grow. Where the profile
    /// says that the gateway takes it for an empty body, that is what must be seen.
    Then "^broken JSON is answered with 400 and the list is unchanged$" => broken_json, "token.broken-json", &["token.list-changed", "token.list"];
    /// Asks for the list of tokens.
    When "^the session lists the tokens$" => lists, "token.list";
    /// One entry with the token's id, its name, e-mail and expiry as generated, not revoked.
    Then "^the list has the token \"(?P<name>[^\"]+)\" exactly once, as it was generated and not revoked$" => in_list_once, "token.listed";
    /// Asks for one token by its id.
    When "^the session asks for the token \"(?P<name>[^\"]+)\"$" => asks_token, "token.asked";
    /// Id, name, e-mail, models and expiry as generated; the expiry is the JWT's own.
    Then "^the answer tells the token \"(?P<name>[^\"]+)\" as it was generated$" => tells_token, "token.info";
    /// An id that was never issued is answered with 404.
    Then "^an unknown token is answered with 404$" => unknown_token, "token.unknown";
    /// Control: the token is let in before it is revoked.
    Given "^the token \"(?P<name>[^\"]+)\" works$" => token_works_before, "token.works";
    /// Revokes the token.
    When "^the session revokes the token \"(?P<name>[^\"]+)\"$" => revokes, "revocation.answer";
    /// The very next request with it is refused, with 401 or 403; asked again at the end of the run.
    Then "^from the very next request the token \"(?P<name>[^\"]+)\" is refused, and at the end of the run still$" => refused_from_now, "revocation.refused";
    /// Another token of the same user is let in.
    Then "^the token \"(?P<name>[^\"]+)\" still works$" => still_works, "revocation.other-token";
    /// In Redis the key that marks it as revoked does not end before the token would have. A gateway
    /// that marks it otherwise leaves a remark.
    Then "^the token \"(?P<name>[^\"]+)\" stays revoked as long as it would have held$" => stays_revoked, "revocation.lasts";
    /// The list or the token's own information says so; where the profile says that a revoked
    /// token is gone, the list has it no more, and it is not known any more.
    Then "^the list or its information says that the token \"(?P<name>[^\"]+)\" is revoked$" => said_revoked, "revocation.told", &["token.list"];
}

fn token(world: &World, name: &str) -> Result<Token, StepError> {
    let known = world
        .scene
        .tokens
        .iter()
        .find(|token| token.name == name)
        .cloned();
    known.ok_or_else(|| {
        StepError::harness("use a token", name, "the scenario has none of that name")
    })
}

async fn has_token(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let token = run
        .need_token(args.text("name"), args.number("days")?)
        .await?;
    world.scene.tokens.push(token);
    let admin = run.email("admin")?;
    world.scene.session = Some(run.need_session(&admin).await?);
    Ok(())
}

/// The list of tokens as it is now.
async fn list(world: &mut World) -> Result<(Answer, Vec<Value>), StepError> {
    let run = world.run()?;
    let answer = run
        .operate(world.session()?, "list tokens", &values([]))
        .await?;
    match answer.entries().filter(|_| answer.ok()) {
        Some(entries) => Ok((answer, entries)),
        None => {
            Err(
                StepError::candidate("list the tokens", "200, JSON, a list", &answer.hop.response)
                    .code("token.list"),
            )
        }
    }
}

/// The entries that the run itself could have made. Where it is alone, that is all of them;
/// where other people use the gateway, those of its own user: the list shows everyone's.
fn own_entries(run: &Run, answer: &Answer, entries: Vec<Value>, email: &str) -> Vec<Value> {
    if !run.stack.is_shared() {
        return entries;
    }
    let own = |entry: &Value| answer.of_entry(entry, "email").is_none_or(|of| of == email);
    entries.into_iter().filter(own).collect()
}

/// The list of tokens as it is now, less those of other people.
async fn own_list(world: &mut World) -> Result<(Answer, Vec<Value>), StepError> {
    let (answer, entries) = list(world).await?;
    let email = world.session()?.email.clone();
    let entries = own_entries(&*world.run()?, &answer, entries, &email);
    Ok((answer, entries))
}

async fn count_tokens(world: &mut World, _: Args) -> StepResult {
    world.scene.count_before = match own_list(world).await {
        Ok((_, entries)) => Some(entries.len()),
        // The list is another item's: without it the growth is not looked at here.
        Err(StepError::Candidate(failure)) => {
            world.saw(
                EvidenceKind::Remark,
                "the tokens cannot be counted",
                &failure.seen,
            );
            None
        }
        Err(other) => return Err(other),
    };
    Ok(())
}

async fn generates(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let name = args.text("name").to_owned();
    world.scene.since_ms = now_ms();
    let answer = run
        .generate(world.session()?, &name, args.number("days")?)
        .await?;
    world.saw_hop(&answer.hop);
    let email = world.session()?.email.clone();
    if let Some(token) = run.token_of(&answer, &name, &email) {
        run.made.lock().await.tokens.insert(name, Ok(token.clone()));
        world.scene.tokens.push(token);
    }
    world.scene.last = Some(answer.hop);
    Ok(())
}

async fn has_answer(world: &mut World, _: Args) -> StepResult {
    expect(
        Blame::Candidate,
        !world.scene.tokens.is_empty(),
        "generate a token",
        "200, JSON, with the token, its id and its expiry",
        (world.scene.last.as_ref()).map_or_else(Seen::default, |hop| Seen::from(&hop.response)),
    )
}

async fn is_jwt(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let email = run.email(args.text("role"))?;
    let token = world.scene.tokens.last().cloned();
    let token = token.ok_or_else(|| StepError::harness(APART, "a token", "none"))?;
    is_jwt_of(world, &token, &email, args.number("days")?).await
}

/// Holds a token that was just made against what it must be.
///
/// # Errors
/// The candidate's fault, with what is not so.
pub(super) async fn is_jwt_of(world: &World, token: &Token, email: &str, days: i64) -> StepResult {
    let run = world.run()?;
    let (did, seconds) = (APART, days * 86_400);
    let decoded = jwt::decode(&token.jwt)
        .map_err(|error| StepError::candidate(did, "a JWT", error).code("token.claims"))?;
    world.saw(
        EvidenceKind::Exchange,
        "the JWT's claims",
        &decoded.claims.to_string(),
    );
    let claims = &decoded.claims;
    let (id_claim, email_claim) = (&run.profile.jwt.id_claim, &run.profile.jwt.email_claim);
    let time = |name: &str| claims[name].as_i64().unwrap_or_default();
    let now = now_ms() / 1000;
    let holds = [
        ("alg HS256", decoded.algorithm == "HS256"),
        ("the session's e-mail", claims[email_claim] == json!(email)),
        ("the token's id", claims[id_claim] == json!(token.id)),
        ("iat within 5 s of now", (time("iat") - now).abs() <= 5),
        (LIFETIME, time("exp") - time("iat") == seconds),
        (EXPIRY, token.expires_at == time("exp")),
        (
            "the models asked for",
            claims["models"].is_null() || claims["models"] == json!(run.profile.llm.models),
        ),
    ];
    let own = values([
        ("email", json!(email)),
        ("id", json!(token.id)),
        ("name", json!(token.name)),
        ("host", json!(run.profile.site.authority())),
        ("iat", claims["iat"].clone()),
        ("exp", claims["exp"].clone()),
    ]);
    let further = run.profile.jwt.claims_of(&own);
    let mut wrong: Vec<&str> = holds
        .iter()
        .filter(|(_, holds)| !holds)
        .map(|(what, _)| *what)
        .collect();
    let others = further
        .iter()
        .filter(|(name, value)| claims[*name] != **value);
    wrong.extend(others.map(|(name, _)| name.as_str()));
    let expected = format!(
        "HS256, {email_claim} {email}, {id_claim} {}, exp - iat {seconds}, iat about {now}{}",
        token.id,
        further
            .iter()
            .map(|(name, value)| format!(", {name} {value}"))
            .collect::<String>()
    );
    expect(
        Blame::Candidate,
        wrong.is_empty(),
        did,
        expected,
        format!("not so: {wrong:?}; {} {claims}", decoded.algorithm),
    )
    .code(match wrong.first() {
        Some(&(LIFETIME | EXPIRY)) => "token.lifetime",
        _ => "token.claims",
    })?;
    match &run.stack.secrets().jwt_secret {
        Some(secret) => expect(
            Blame::Candidate,
            jwt::signed_with(&token.jwt, secret),
            "verify the token's signature",
            "signed with the run's JWT_SECRET",
            "the signature does not verify",
        )
        .code("token.signature"),
        None => {
            world.saw(
                EvidenceKind::Remark,
                "the signature is not verified",
                "the gateway's JWT_SECRET is not known",
            );
            Ok(())
        }
    }
}

async fn token_in_redis(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let did = "look the token up in Redis";
    let token = world.scene.tokens.last().cloned();
    let token = token.ok_or_else(|| StepError::harness(did, "a token", "none"))?;
    let key = run.profile.redis.token.replace("{id}", &token.id);
    let found = run.redis.get(&key).await?;
    let ttl = run.redis.ttl(&key).await?;
    let seen = format!("{}, TTL {ttl:?} s", found.as_deref().unwrap_or("(nil)"));
    let asked = (world.scene.last.as_ref()).and_then(|hop| nonce_of(&hop.request.url));
    let asked = asked.unwrap_or_default();
    world.saw_of(&asked, Stage::RedisAfter, EvidenceKind::Redis, &key, &seen);
    if !asked.is_empty() {
        trail::access_log(world, &asked).await;
    }
    expect(
        Blame::Candidate,
        found.is_some() && lasts(ttl, &token),
        did,
        format!("{key} exists for as long as the token holds"),
        seen,
    )
}

/// Whether a key with so many seconds to live outlives a token; one without an end does.
fn lasts(ttl: Option<i64>, token: &Token) -> bool {
    let left = token.expires_at - now_ms() / 1000;
    ttl.is_none_or(|ttl| ttl >= left - TTL_SLACK)
}

async fn list_grew(world: &mut World, args: Args) -> StepResult {
    let Some(before) = world.scene.count_before else {
        return Ok(());
    };
    let count: usize = args.number("count")?;
    let (answer, entries) = own_list(world).await?;
    let ids: Vec<&str> = entries
        .iter()
        .filter_map(|entry| answer.of_entry(entry, "id")?.as_str())
        .collect();
    let new = world
        .scene
        .tokens
        .iter()
        .filter(|token| ids.contains(&token.id.as_str()))
        .count();
    expect(
        Blame::Candidate,
        entries.len() == before + count && new == count,
        "list the tokens after generating",
        format!("{before} + {count} entries, the new ones among them"),
        format!("{} entries, {new} of the new ones", entries.len()),
    )
}

/// The list must be as long as after the tokens that were generated.
///
/// # Errors
/// The candidate's fault, with how many it has.
pub(super) async fn list_unchanged(world: &mut World, did: &str) -> StepResult {
    let Some(before) = world.scene.count_before else {
        return Ok(());
    };
    let expected = before + world.scene.tokens.len();
    let (_, entries) = own_list(world).await?;
    expect(
        Blame::Candidate,
        entries.len() == expected,
        did,
        format!("{expected} tokens as before"),
        format!("{} tokens", entries.len()),
    )
    .code("token.list-changed")
}

async fn refused_without_session(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let operation = run.operation("generate token")?;
    let values = values([
        ("name", json!("verify-nobody")),
        ("days", json!(30)),
        ("seconds", json!(2_592_000)),
        ("models", json!([])),
    ]);
    let hop = run
        .browser()
        .send(run.operation_request(&operation, &values)?)
        .await?;
    world.saw_hop(&hop);
    let did = "generate a token without a session";
    expect(
        Blame::Candidate,
        matches!(hop.response.status, 302 | 401 | 403),
        did,
        "302, 401 or 403",
        &hop.response,
    )?;
    list_unchanged(world, did).await
}

async fn broken_json(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let operation = run.operation("generate token")?;
    let (url, _) = run.page(&operation.path)?;
    let request = Request::json(
        &operation.method,
        url,
        "{\"action\": \"generate\", ".to_owned(),
    );
    let hop = world.session()?.browser.send(request).await?;
    world.saw_hop(&hop);
    let did = "generate a token with broken JSON";
    let status = operation.broken_json;
    expect(
        Blame::Candidate,
        hop.response.status == status,
        did,
        status,
        &hop.response,
    )?;
    if status != operation.status {
        return list_unchanged(world, did).await;
    }
    world.saw(
        EvidenceKind::Remark,
        "broken JSON is not refused",
        &format!("As the profile says, it is answered with {status} like an empty body."),
    );
    let answer = Answer { hop, operation };
    let made = answer.text("id").unwrap_or_default();
    run.stack.may(Act::KeepToken(&made)).await?;
    let revoked = run
        .operate(
            world.session()?,
            "revoke token",
            &values([("id", json!(made))]),
        )
        .await?;
    expect(
        Blame::Candidate,
        revoked.ok(),
        "revoke what came of broken JSON",
        "200, JSON",
        &revoked.hop.response,
    )
}

async fn lists(world: &mut World, _: Args) -> StepResult {
    let (answer, entries) = list(world).await?;
    world.saw_hop(&answer.hop);
    world.scene.answer = Some(Value::Array(entries));
    Ok(())
}

async fn in_list_once(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let token = token(world, args.text("name"))?;
    let operation = run.operation("list tokens")?;
    let of = |entry: &Value, name: &str| {
        operation
            .entry
            .get(name)
            .and_then(|pointer| entry.pointer(pointer).cloned())
    };
    let entries = world
        .scene
        .answer
        .as_ref()
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let own: Vec<&Value> = entries
        .iter()
        .filter(|entry| of(entry, "id") == Some(json!(token.id)))
        .collect();
    let as_made = |entry: &Value| {
        of(entry, "name") == Some(json!(token.name))
            && of(entry, "email") == Some(json!(token.email))
            && of(entry, "expires_at") == Some(json!(token.expires_at))
            && of(entry, "revoked") == Some(json!(false))
    };
    expect(
        Blame::Candidate,
        own.len() == 1 && own.iter().all(|entry| as_made(entry)),
        "list the tokens",
        format!(
            "one entry: {} {} {} expires {} revoked false",
            token.id, token.name, token.email, token.expires_at
        ),
        format!(
            "{} entries of it among {}: {}",
            own.len(),
            entries.len(),
            json!(own)
        ),
    )
}

async fn info(world: &mut World, id: &str) -> Result<Answer, StepError> {
    let run = world.run()?;
    let answer = run
        .operate(world.session()?, "token info", &values([("id", json!(id))]))
        .await?;
    world.saw_hop(&answer.hop);
    Ok(answer)
}

async fn asks_token(world: &mut World, args: Args) -> StepResult {
    let id = token(world, args.text("name"))?.id;
    let answer = info(world, &id).await?;
    world.scene.last = Some(answer.hop);
    Ok(())
}

async fn tells_token(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let token = token(world, args.text("name"))?;
    let hop = world.last()?.clone();
    let answer = Answer {
        hop,
        operation: run.operation("token info")?,
    };
    let exp = jwt::decode(&token.jwt)
        .ok()
        .and_then(|decoded| decoded.claims["exp"].as_i64());
    let all = [
        ("id", json!(token.id)),
        ("name", json!(token.name)),
        ("email", json!(token.email)),
        ("models", json!(run.profile.llm.models)),
        ("expires_at", json!(exp)),
    ];
    let told = |name: &str| answer.operation.answer.contains_key(name);
    let (expected, untold): (Vec<_>, Vec<_>) = all.into_iter().partition(|(name, _)| told(name));
    if !untold.is_empty() {
        let names: Vec<&str> = untold.iter().map(|(name, _)| *name).collect();
        world.saw(
            EvidenceKind::Remark,
            "not all of it is told by this gateway",
            &format!("The profile has no place for: {}.", names.join(", ")),
        );
    }
    let wrong: Vec<&str> = expected
        .iter()
        .filter(|(name, value)| answer.value(name).as_ref() != Some(value))
        .map(|(name, _)| *name)
        .collect();
    expect(
        Blame::Candidate,
        answer.ok() && wrong.is_empty(),
        format!("ask for the token {}", token.id),
        format!(
            "{}",
            json!(
                expected
                    .into_iter()
                    .collect::<std::collections::BTreeMap<_, _>>()
            )
        ),
        Seen::from(format!("not so: {wrong:?}; {}", answer.summary()))
            .answered(&answer.hop.response),
    )
}

async fn unknown_token(world: &mut World, _: Args) -> StepResult {
    let answer = info(world, &format!("verify-unknown-{}", crate::probe::nonce())).await?;
    expect(
        Blame::Candidate,
        answer.hop.response.status == 404,
        "ask for a token that was never issued",
        "404",
        &answer.hop.response,
    )
}

async fn token_works_before(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let token = token(world, args.text("name"))?;
    let hop = run
        .ask_model(Some(&token.jwt), "before it is revoked", &[])
        .await?;
    world.saw_hop(&hop);
    if hop.response.status == 200 {
        return Ok(());
    }
    let seen = hop.response.summary();
    Err(StepError::Skip(format!(
        "the token {} does not work before it is revoked: {seen}",
        token.name
    )))
}

async fn revokes(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let id = token(world, args.text("name"))?.id;
    let answer = run
        .operate(
            world.session()?,
            "revoke token",
            &values([("id", json!(id))]),
        )
        .await?;
    world.saw_hop(&answer.hop);
    expect(
        Blame::Candidate,
        answer.ok()
            && answer
                .value("revoked")
                .is_none_or(|said| said == json!(true)),
        format!("revoke the token {id}"),
        "200, JSON that says so",
        &answer.hop.response,
    )
}

async fn refused_from_now(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let token = token(world, args.text("name"))?;
    let hop = run
        .ask_model(Some(&token.jwt), "after it was revoked", &[])
        .await?;
    world.saw_hop(&hop);
    if let Some(item) = world.item() {
        run.notes().revoked.push((item, token));
    }
    expect(
        Blame::Candidate,
        matches!(hop.response.status, 401 | 403),
        "use the token right after it was revoked",
        "401 or 403",
        &hop.response,
    )
}

async fn stays_revoked(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let token = token(world, args.text("name"))?;
    let key = run.profile.redis.revoked.replace("{id}", &token.id);
    let ttl = run.redis.ttl(&key).await?;
    if !run.redis.exists(&key).await? {
        run.redis_shows().await?;
        world.saw(
            EvidenceKind::Remark,
            "how long the token stays revoked is not known",
            &format!("Redis has no {key}."),
        );
        return Ok(());
    }
    let seen = format!("TTL {ttl:?} s");
    world.saw(EvidenceKind::Redis, &key, &seen);
    expect(
        Blame::Candidate,
        lasts(ttl, &token),
        format!("ask Redis how long {key} lasts"),
        format!(
            "no less than the {} s that the token has left, or without an end",
            token.expires_at - now_ms() / 1000
        ),
        seen,
    )
}

async fn still_works(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let token = token(world, args.text("name"))?;
    let hop = run
        .ask_model(Some(&token.jwt), "another token of the same user", &[])
        .await?;
    world.saw_hop(&hop);
    expect(
        Blame::Candidate,
        hop.response.status == 200,
        "use another token of the same user",
        "200",
        &hop.response,
    )
}

async fn said_revoked(world: &mut World, args: Args) -> StepResult {
    let token = token(world, args.text("name"))?;
    let shown = info(world, &token.id).await?;
    let says = |value: Option<Value>| value == Some(json!(true));
    let (answer, entries) = match list(world).await {
        // The list is another item's: where the information says it, that is enough.
        Err(StepError::Candidate(failure)) if says(shown.value("revoked")) => {
            world.saw(
                EvidenceKind::Remark,
                "the list was not looked at",
                &failure.seen,
            );
            return Ok(());
        }
        listed => listed?,
    };
    let of = |id: &str| {
        let is_it = |entry: &&Value| answer.of_entry(entry, "id") == Some(&json!(id));
        entries.iter().find(is_it)
    };
    let entry = of(&token.id);
    if world.run()?.profile.jwt.revoked == RevokedToken::Gone {
        let mut others = world.scene.tokens.iter().filter(|one| one.id != token.id);
        let listed = others.any(|one| of(&one.id).is_some());
        let status = shown.hop.response.status;
        return expect(
            Blame::Candidate,
            listed && entry.is_none() && status == 404,
            "ask for the revoked token, and list the tokens",
            "404, and a list without it that has another token of the same user",
            format!(
                "{status}; the list has it: {}, another: {listed}",
                entry.is_some()
            ),
        );
    }
    let in_list = entry.and_then(|entry| answer.of_entry(entry, "revoked").cloned());
    let says = says(shown.value("revoked")) || says(in_list.clone());
    expect(
        Blame::Candidate,
        says,
        "ask for the revoked token, and list the tokens",
        "one of them says that it is revoked",
        format!("information: {}; list: {in_list:?}", shown.summary()),
    )
}
