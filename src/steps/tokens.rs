//! Tokens are made, listed, shown and revoked.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    log::request_trace,
    operations::{Answer, values},
    prelude::*,
    redis::life,
    security::attack::refused_by_every_worker,
};
use crate::{
    probe::{jwt, now_ms},
    profile::RevokedToken,
};

/// How far the end of a key may be before its token's, in seconds.
const TTL_SLACK: i64 = 60;

/// The codes of a token's claims.
const JWT_CODES: &[&str] = &["token.lifetime", "token.signature"];

/// The codes of a token that was made in a form.
pub(super) const FORM_CODES: &[&str] = &[
    "token.form-fields",
    "token.claims",
    "token.lifetime",
    "token.signature",
    "token.list-changed",
    "token.list",
];

const TAKE_APART: &str = "take the token apart";

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

/// The list of tokens.
struct List {
    answer: Answer,
    entries: Vec<Value>,
}

/// How many tokens there were before; `None` where they cannot be counted.
struct Counted(Option<usize>);

async fn has_token(world: &mut World, run: &Run, args: Args) -> StepResult {
    let (name, days) = (args.text("name"), args.number("days")?);
    world.tokens.push(run.need_token(name, days).await?);
    world.session = Some(run.need_session(&run.profile.users.admin).await?);
    Ok(())
}

impl List {
    async fn of(world: &mut World, run: &Run) -> StepResult<Self> {
        let session = world.session()?;
        let answer = run.operate(session, "list tokens", &values([])).await?;
        let entries = answer.listed("list the tokens").code("token.list")?;
        Ok(Self { answer, entries })
    }

    /// Without the entries of other people, where they use the gateway, too.
    async fn of_own(world: &mut World, run: &Run) -> StepResult<Self> {
        let mut list = Self::of(world, run).await?;
        let email = world.email();
        let own = |entry: &Value| {
            let of = list.answer.of_entry(entry, "email");
            of.is_none_or(|of| *of == email.as_str())
        };
        if run.stack.is_shared() {
            list.entries.retain(own);
        }
        Ok(list)
    }

    fn with_id(&self, id: &str) -> Option<&Value> {
        self.answer.entry_with(&self.entries, "id", id)
    }
}

async fn count_tokens(world: &mut World, run: &Run, _: Args) -> StepResult {
    let count = match List::of_own(world, run).await {
        Ok(list) => Some(list.entries.len()),
        // The list is another item's: without it the growth is not looked at here.
        Err(StepError::Candidate(failure)) => {
            world.remark("the tokens cannot be counted", failure.seen);
            None
        }
        Err(other) => return Err(other),
    };
    world.keep(Counted(count));
    Ok(())
}

async fn generates(world: &mut World, run: &Run, args: Args) -> StepResult {
    let (name, days) = (args.text("name"), args.number("days")?);
    let answer = run.generate(world.session()?, name, days).await?;
    world.saw_hop(&answer.hop);
    if let Some(token) = run.token_of(&answer, name, &world.email()) {
        let mut made = run.made.lock().await;
        made.tokens.insert(name.to_owned(), Ok(token.clone()));
        world.tokens.push(token);
    }
    world.last = Some(answer.hop);
    Ok(())
}

async fn has_answer(world: &mut World, run: &Run, _: Args) -> StepResult {
    let status = run.operation("generate token")?.status;
    let seen = world.last.as_ref().map(Seen::from);
    check("generate a token", seen.unwrap_or_default()).must(
        format!("{status}, JSON, with the token, its id and its expiry"),
        !world.tokens.is_empty(),
    )
}

async fn is_jwt(world: &mut World, run: &Run, args: Args) -> StepResult {
    let email = run.email(args.text("role"))?;
    let token = world.newest_token()?;
    is_jwt_of(world, run, &token, email, args.number("days")?).await
}

/// Holds a token that was just made against what it must be.
pub(super) async fn is_jwt_of(
    world: &World,
    run: &Run,
    token: &Token,
    email: &str,
    days: i64,
) -> StepResult {
    let seconds = days * 86_400;
    let decoded = jwt::decode(&token.jwt)
        .map_err(|error| StepError::candidate(TAKE_APART, "a JWT", error).code("token.claims"))?;
    let claims = &decoded.claims;
    world.saw(EvidenceKind::Exchange, "the JWT's claims", claims);
    let profile = &run.profile.jwt;
    let (id_claim, email_claim) = (&profile.id_claim, &profile.email_claim);
    let time = |name: &str| claims[name].as_i64().unwrap_or_default();
    let now = now_ms() / 1000;
    let is_own = claims[email_claim] == json!(email);
    let is_issued_now = (time("iat") - now).abs() <= 5;
    let lasts = time("exp") - time("iat") == seconds;
    let as_answered = token.expires_at == time("exp");
    let models = &claims["models"];
    let for_models = models.is_null() || *models == json!(run.profile.llm.models);
    let own = run.claim_values(
        email,
        &token.id,
        &token.name,
        claims["iat"].clone(),
        claims["exp"].clone(),
    );
    let further = profile.claims_of(&own);
    let mut wrong: Vec<(&str, &str)> = Vec::new();
    for (what, holds, code) in [
        ("alg HS256", decoded.algorithm == "HS256", "token.claims"),
        ("the session's e-mail", is_own, "token.claims"),
        (
            "the token's id",
            claims[id_claim] == json!(token.id),
            "token.claims",
        ),
        ("iat within 5 s of now", is_issued_now, "token.claims"),
        ("exp - iat = the duration", lasts, "token.lifetime"),
        ("expires_at = exp", as_answered, "token.lifetime"),
        ("the models asked for", for_models, "token.claims"),
    ] {
        if !holds {
            wrong.push((what, code));
        }
    }
    let others = further
        .iter()
        .filter(|(name, value)| claims[*name] != **value);
    wrong.extend(others.map(|(name, _)| (name.as_str(), "token.claims")));
    let further: Vec<String> = further
        .iter()
        .map(|(name, value)| format!(", {name} {value}"))
        .collect();
    let expected = format!(
        "HS256, {email_claim} {email}, {id_claim} {}, exp - iat {seconds}, iat about {now}{}",
        token.id,
        further.concat()
    );
    let names: Vec<&str> = wrong.iter().map(|(what, _)| *what).collect();
    let seen = format!("not so: {names:?}; {} {claims}", decoded.algorithm);
    check(TAKE_APART, seen)
        .must(expected, wrong.is_empty())
        .code(wrong.first().map_or("token.claims", |(_, code)| code))?;
    let Some(secret) = &run.stack.secrets().jwt_secret else {
        let why = "the gateway's JWT_SECRET is not known";
        world.remark("the signature is not verified", why);
        return Ok(());
    };
    check(
        "verify the token's signature",
        "the signature does not verify",
    )
    .must(
        "signed with the run's JWT_SECRET",
        jwt::signed_with(&token.jwt, secret),
    )
    .code("token.signature")
}

async fn token_in_redis(world: &mut World, run: &Run, _: Args) -> StepResult {
    let token = world.newest_token()?;
    let found = run.entry(run.token_key(&token.id)).await?;
    let nonce = world.last_nonce();
    let (stage, kind) = (Stage::RedisAfter, EvidenceKind::Redis);
    world.saw_of(&nonce, stage, kind, &found.key, &found);
    if !nonce.is_empty() {
        request_trace::access_log(world, run, &nonce).await;
    }
    check("look the token up in Redis", &found).must(
        format!("{} exists for as long as the token holds", found.key),
        found.value.is_some() && outlives(found.ttl, &token),
    )
}

/// Whether a key with so many seconds to live outlives a token; one without an end does.
fn outlives(ttl: Option<i64>, token: &Token) -> bool {
    ttl.is_none_or(|ttl| ttl >= seconds_left(token) - TTL_SLACK)
}

fn seconds_left(token: &Token) -> i64 {
    token.expires_at - now_ms() / 1000
}

async fn list_grew(world: &mut World, run: &Run, args: Args) -> StepResult {
    let Ok(&Counted(Some(before))) = world.kept() else {
        return Ok(());
    };
    let count: usize = args.number("count")?;
    let list = List::of_own(world, run).await?;
    let made = world.tokens.iter();
    let new = made
        .filter(|token| list.with_id(&token.id).is_some())
        .count();
    let all = list.entries.len();
    let seen = format!("{all} entries, {new} of the new ones");
    check("list the tokens after generating", seen).must(
        format!("{before} + {count} entries, the new ones among them"),
        all == before + count && new == count,
    )
}

/// The list must be as long as after the tokens that were generated.
pub(super) async fn list_unchanged(world: &mut World, run: &Run, did: &str) -> StepResult {
    let Ok(&Counted(Some(before))) = world.kept() else {
        return Ok(());
    };
    let expected = before + world.tokens.len();
    let all = List::of_own(world, run).await?.entries.len();
    check(did, format!("{all} tokens"))
        .must(format!("{expected} tokens as before"), all == expected)
        .code("token.list-changed")
}

async fn refused_without_session(world: &mut World, run: &Run, _: Args) -> StepResult {
    let operation = run.operation("generate token")?;
    let values = values([
        ("name", json!("verify-nobody")),
        ("days", json!(30)),
        ("seconds", json!(2_592_000)),
        ("models", json!([])),
    ]);
    let request = run.operation_request(&operation, &values)?;
    let hop = run.browser().send(request).await?;
    let did = "generate a token without a session";
    world.must(
        did,
        &hop,
        Status::OneOf(&[301, 302, 303, 307, 308, 401, 403]),
    )?;
    list_unchanged(world, run, did).await
}

async fn broken_json(world: &mut World, run: &Run, _: Args) -> StepResult {
    let operation = run.operation("generate token")?;
    let (url, _) = run.page(&operation.path)?;
    let body = "{\"action\": \"generate\", ".to_owned();
    let request = Request::json(&operation.method, url, body);
    let hop = world.browser()?.send(request).await?;
    let did = "generate a token with broken JSON";
    let status = operation.broken_json;
    world.must(did, &hop, Status::Is(status))?;
    if status != operation.status {
        return list_unchanged(world, run, did).await;
    }
    let why = format!("As the profile says, it is answered with {status} like an empty body.");
    world.remark("broken JSON is not refused", why);
    let made = Answer { hop, operation }.text("id").unwrap_or_default();
    run.stack.may(Act::KeepToken(&made)).await?;
    let id = values([("id", json!(made))]);
    let revoked = run.operate(world.session()?, "revoke token", &id).await?;
    check("revoke what came of broken JSON", &revoked.hop).must(revoked.success(), revoked.ok())
}

async fn lists(world: &mut World, run: &Run, _: Args) -> StepResult {
    let list = List::of(world, run).await?;
    world.saw_hop(&list.answer.hop);
    world.keep(list);
    Ok(())
}

async fn in_list_once(world: &mut World, run: &Run, args: Args) -> StepResult {
    let Token {
        id,
        name,
        email,
        expires_at,
        ..
    } = world.token(args.text("name"))?;
    let List { answer, entries } = world.kept()?;
    let live = &run.profile.jwt.live_as;
    let time = |told: &Value| run.profile.moment(told);
    let has =
        |entry: &Value, name: &str, value: Value| answer.of_entry(entry, name) == Some(&value);
    let own = entries.iter().filter(|entry| has(entry, "id", json!(id)));
    let own: Vec<&Value> = own.collect();
    let as_made = |entry: &&Value| {
        has(entry, "name", json!(name))
            && has(entry, "email", json!(email))
            && answer.of_entry(entry, "expires_at").and_then(time) == Some(expires_at)
            && answer.of_entry(entry, "revoked") == Some(live)
    };
    let (count, all) = (own.len(), entries.len());
    let seen = format!("{count} entries of it among {all}: {}", json!(own));
    check("list the tokens", seen).must(
        format!("one entry: {id} {name} {email} expires {expires_at} revoked {live}"),
        count == 1 && own.iter().all(as_made),
    )
}

async fn info(world: &mut World, run: &Run, id: &str) -> StepResult<Answer> {
    let id = values([("id", json!(id))]);
    let answer = run.operate(world.session()?, "token info", &id).await?;
    world.saw_hop(&answer.hop);
    Ok(answer)
}

async fn asks_token(world: &mut World, run: &Run, args: Args) -> StepResult {
    let id = world.token(args.text("name"))?.id;
    world.last = Some(info(world, run, &id).await?.hop);
    Ok(())
}

async fn tells_token(world: &mut World, run: &Run, args: Args) -> StepResult {
    let token = world.token(args.text("name"))?;
    let answer = Answer {
        hop: world.last()?.clone(),
        operation: run.operation("token info")?,
    };
    let decoded = jwt::decode(&token.jwt).ok();
    let exp = decoded.and_then(|decoded| decoded.claims["exp"].as_i64());
    let all = BTreeMap::from([
        ("id", json!(token.id)),
        ("name", json!(token.name)),
        ("email", json!(token.email)),
        ("models", json!(run.profile.llm.models)),
        ("expires_at", json!(exp)),
    ]);
    let has_place = |name: &str| answer.operation.answer.contains_key(name);
    let (expected, untold): (BTreeMap<_, _>, BTreeMap<_, _>) =
        all.into_iter().partition(|(name, _)| has_place(name));
    if !untold.is_empty() {
        let names: Vec<&str> = untold.into_keys().collect();
        let why = format!("The profile has no place for: {}.", names.join(", "));
        world.remark("not all of it is told by this gateway", why);
    }
    let differs = |(name, value): &(&&str, &Value)| match (**name, answer.value(name)) {
        ("expires_at", Some(told)) => run.profile.moment(&told) != value.as_i64(),
        (_, told) => told.as_ref() != Some(value),
    };
    let wrong: Vec<&str> = expected
        .iter()
        .filter(differs)
        .map(|(name, _)| *name)
        .collect();
    let seen = Seen::from(format!("not so: {wrong:?}; {}", answer.summary()));
    check(
        format!("ask for the token {}", token.id),
        seen.answered(&answer.hop.response),
    )
    .must(json!(expected), answer.ok() && wrong.is_empty())
}

async fn unknown_token(world: &mut World, run: &Run, _: Args) -> StepResult {
    let answer = info(world, run, &format!("verify-unknown-{}", nonce())).await?;
    let status = answer.hop.response.status;
    check("ask for a token that was never issued", &answer.hop).must("404", status == 404)
}

async fn token_works_before(world: &mut World, run: &Run, args: Args) -> StepResult {
    let Token { name, jwt, .. } = world.token(args.text("name"))?;
    let hop = run.ask_model(Some(&jwt), "before it is revoked").await?;
    world.saw_hop(&hop);
    if hop.response.status == 200 {
        return Ok(());
    }
    let seen = hop.response.summary();
    lacks(format!(
        "the token {name} does not work before it is revoked: {seen}"
    ))
}

async fn revokes(world: &mut World, run: &Run, args: Args) -> StepResult {
    let id = world.token(args.text("name"))?.id;
    let values = values([("id", json!(id))]);
    let answer = run
        .operate(world.session()?, "revoke token", &values)
        .await?;
    world.saw_hop(&answer.hop);
    let revoked = answer.value("revoked");
    let says_so = revoked.is_none_or(|revoked| run.profile.jwt.says_revoked(&revoked));
    let expected = match answer.operation.answer.contains_key("revoked") {
        true => format!("{} that says so", answer.success()),
        false => answer.success(),
    };
    check(format!("revoke the token {id}"), &answer.hop).must(expected, answer.ok() && says_so)
}

async fn refused_from_now(world: &mut World, run: &Run, args: Args) -> StepResult {
    let token = world.token(args.text("name"))?;
    let hop = run
        .ask_model(Some(&token.jwt), "after it was revoked")
        .await?;
    if let Some(item) = world.item() {
        run.notes().revoked.push((item, token.clone()));
    }
    world.must("use the token right after it was revoked", &hop, REFUSED)?;
    let raw = run.message_with(&token.jwt, &nonce());
    refused_by_every_worker(run, "use the token right after it was revoked", &raw).await
}

async fn stays_revoked(world: &mut World, run: &Run, args: Args) -> StepResult {
    let token = world.token(args.text("name"))?;
    let key = run.revoked_key(&token.id);
    let ttl = run.redis.ttl(&key).await?;
    if !run.redis.exists(&key).await? {
        run.redis_shows().await?;
        let title = "how long the token stays revoked is not known";
        world.remark(title, format!("Redis has no {key}."));
        return Ok(());
    }
    let seen = life(ttl);
    world.saw(EvidenceKind::Redis, &key, &seen);
    let left = seconds_left(&token);
    check(format!("ask Redis how long {key} lasts"), seen).must(
        format!("no less than the {left} s that the token has left, or without an end"),
        outlives(ttl, &token),
    )
}

async fn still_works(world: &mut World, run: &Run, args: Args) -> StepResult {
    let token = world.token(args.text("name"))?;
    let prompt = "another token of the same user";
    let hop = run.ask_model(Some(&token.jwt), prompt).await?;
    world.must("use another token of the same user", &hop, OK)
}

async fn said_revoked(world: &mut World, run: &Run, args: Args) -> StepResult {
    let token = world.token(args.text("name"))?;
    let shown = info(world, run, &token.id).await?;
    let says_so = |value: Option<&Value>| value.is_some_and(|it| run.profile.jwt.says_revoked(it));
    let in_info = says_so(shown.value("revoked").as_ref());
    let list = match List::of(world, run).await {
        // The list is another item's: where the information says it, that is enough.
        Err(StepError::Candidate(failure)) if in_info => {
            world.remark("the list was not looked at", failure.seen);
            return Ok(());
        }
        list => list?,
    };
    let entry = list.with_id(&token.id);
    let did = "ask for the revoked token, and list the tokens";
    if run.profile.jwt.revoked == RevokedToken::Gone {
        let mut others = world.tokens.iter().filter(|one| one.id != token.id);
        let other = others.any(|one| list.with_id(&one.id).is_some());
        let (status, listed) = (shown.hop.response.status, entry.is_some());
        let seen = format!("{status}; the list has it: {listed}, another: {other}");
        return check(did, seen).must(
            "404, and a list without it that has another token of the same user",
            other && !listed && status == 404,
        );
    }
    let in_list = entry.and_then(|entry| list.answer.of_entry(entry, "revoked"));
    let seen = format!("information: {}; list: {}", shown.summary(), json!(in_list));
    // A token that left the list is told by its information alone.
    let has_place = shown.operation.answer.contains_key("revoked");
    let listed = entry.is_none() || !list.answer.operation.entry.contains_key("revoked");
    check(did, seen).must(
        "each of them says that it is revoked",
        (in_info || !has_place) && (says_so(in_list) || listed) && (in_info || says_so(in_list)),
    )
}
