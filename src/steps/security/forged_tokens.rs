//! X.2: a token that the gateway did not sign opens nothing.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{
    attack::{Attempt, AttemptResult, all_must, bearer, control, holds, none_reached, refused},
    forgeries::{forgeries, parts},
};
use crate::{
    probe::{
        jwt::{self, Mac},
        now_ms,
    },
    steps::prelude::*,
};

/// A day, in seconds.
const DAY: i64 = 86_400;

steps! {
    /// Control: the admin's token asks the model and is answered with 200.
    Given "^the genuine token works$" => works, "jwt.genuine";
    /// Asks the model with tokens made from the genuine one: not signed, signed with other keys or
    /// under other algorithms, with other claims, cut, lengthened, and in other headers.
    When "^the model is asked with forged tokens of every kind$" => forged, "jwt.forged-sent";
    /// Asks the model with tokens signed with the run's secret that have ended, or not begun.
    /// Where the secret is not known, that is a remark.
    When "^the model is asked with tokens that are not in force$" => not_in_force, "jwt.not-in-force-sent";
    /// Each was refused with 401 or 403 (two `Authorization` headers also with 400), and nothing reached
    /// the upstream.
    Then "^each is refused with 401 or 403, and none reaches the upstream$" => all_refused, "jwt.forged", &["upstream.reached"];
    /// The genuine token in two headers with a forged one is refused, or is taken for what it is:
    /// the upstream is never told the forged one's user.
    Then "^beside a forged token the genuine one never makes the forged one's user known$" => two_headers, "jwt.two-headers";
    /// What a gateway may do as it likes with a token that it could have signed: another iss or aud,
    /// HS512, the scheme in lower case. It is noted, and only an answer of 5xx is wrong.
    Then "^what the gateway does with unusual tokens of its own is noted$" => choices, "jwt.unusual";
    /// The genuine token is answered with 200 again.
    Then "^the genuine token still works$" => still_works, "jwt.genuine-after";
}

/// Forged tokens, and those that are not in force.
#[derive(Default)]
struct Forged(Vec<AttemptResult>);

/// The scenario's token.
fn genuine(world: &World) -> StepResult<Token> {
    let token = world.tokens.first().cloned();
    token.ok_or_else(|| StepError::missing("a genuine token"))
}

/// Asks the model with this value of `Authorization`.
fn with_value<K>(run: &Run, kind: K, what: impl Into<String>, value: &str) -> Attempt<K> {
    let mark = nonce();
    let raw = run.message(&mark).header("Authorization", value);
    Attempt::new(kind, what, mark, raw)
}

async fn ask(run: &Run, token: &Token) -> StepResult {
    let response = run
        .send_raw(&run.message_with(&token.jwt, &nonce()))
        .await?;
    check("ask the model with the genuine token", &response).must(OK, response.status == 200)
}

async fn works(world: &mut World, run: &Run, _: Args) -> StepResult {
    let token = genuine(world)?;
    world.upstream_cursor = run.upstream.cursor().await?;
    control(ask(run, &token).await)
}

async fn still_works(world: &mut World, run: &Run, _: Args) -> StepResult {
    ask(run, &genuine(world)?).await
}

/// A text that everybody can read, for a gateway that takes a public key for a shared one: the
/// identity provider's keys, where they can be had.
async fn public_text(run: &Run) -> Option<String> {
    let idp = run.stack.endpoints().idp?;
    let url = format!("http://{idp}/.well-known/jwks.json").parse().ok()?;
    let response = run.http.send(&Request::get(url)).await.ok()?;
    (response.status == 200).then_some(response.body)
}

/// The claims of the genuine token for another user, with an id of its own.
fn claims_of_another(run: &Run, token: &Token) -> StepResult<Value> {
    let decoded = jwt::decode(&token.jwt);
    let decoded = decoded
        .map_err(|error| StepError::Consequence(format!("read the genuine token: {error}")))?;
    let mut claims = decoded.claims;
    claims[&run.profile.jwt.email_claim] = json!(run.profile.users.plain);
    claims[&run.profile.jwt.id_claim] = json!(format!("verify-{}", nonce()));
    Ok(claims)
}

/// A token with these claims, signed with a key that anybody can make up.
fn of_another_key(claims: &Value) -> String {
    let header = json!({"alg": "HS256", "typ": "JWT"});
    jwt::forge(&header, claims, Mac::Sha256(b"another key"))
}

async fn forged(world: &mut World, run: &Run, _: Args) -> StepResult {
    let token = genuine(world)?;
    let claims = claims_of_another(run, &token)?;
    let mut public = vec!["-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n".to_owned()];
    public.extend(public_text(run).await);
    let forgeries = forgeries(&token, &claims, &public).into_iter();
    let mut attempts: Vec<Attempt> = forgeries
        .map(|(what, value)| with_value(run, (), what, &value))
        .collect();
    attempts.extend(in_other_places(run, &token, &claims));
    world.keep(Forged(run.attempt_all(attempts).await?));
    Ok(())
}

/// A forged token in other places than `Authorization`, and on the API's other locations.
fn in_other_places(run: &Run, token: &Token, claims: &Value) -> Vec<Attempt> {
    let forged = of_another_key(claims);
    let (head, _, signature) = parts(&token.jwt);
    let tampered = format!("{head}.{}.{signature}", jwt::encoded(claims));
    let headers = [
        ("X-API-Key", forged.clone()),
        ("X-Auth-Token", forged.clone()),
        ("X-LiteLLM-Key", forged.clone()),
        ("Proxy-Authorization", format!("Bearer {forged}")),
        ("Cookie", format!("token={forged}")),
    ];
    let mut attempts = Vec::new();
    for (name, value) in headers {
        let mark = nonce();
        let raw = run.message(&mark).header(name, &value);
        attempts.push(Attempt::new(
            (),
            format!("another key, in {name}"),
            mark,
            raw,
        ));
    }
    for place in &run.profile.llm.others {
        let (method, path, body) = (&place.method, &place.path, place.body.as_ref());
        for (what, jwt) in [("another key", &forged), ("another payload", &tampered)] {
            let mark = nonce();
            let raw = bearer(run.llm_request(method, path, body, &mark), jwt);
            let what = format!("{what} for {method} {path}");
            attempts.push(Attempt::new((), what, mark, raw));
        }
    }
    attempts
}

/// The run's secret, where it is known.
fn secret(run: &Run) -> Option<&SecretString> {
    run.stack.secrets().jwt_secret.as_ref()
}

fn without_secret(world: &World, what: &str) {
    world.remark(
        format!("{what} were not tried"),
        "The gateway's JWT_SECRET is not known: needs --credentials.",
    );
}

/// The genuine token's claims with some of them changed, signed with the run's secret.
fn signed(run: &Run, token: &Token, change: &[(&str, Value)]) -> StepResult<Option<String>> {
    let Some(secret) = secret(run) else {
        return Ok(None);
    };
    let mut claims = claims_of_another(run, token)?;
    claims[&run.profile.jwt.email_claim] = json!(token.email);
    for (name, value) in change {
        claims[*name] = value.clone();
    }
    let jwt = jwt::sign(&claims, secret)
        .map_err(|error| StepError::harness("sign a token", "a JWT", error))?;
    run.redactor.learn(&jwt);
    Ok(Some(jwt))
}

async fn not_in_force(world: &mut World, run: &Run, _: Args) -> StepResult {
    let token = genuine(world)?;
    run.stack.may(Act::Mint(&token.email)).await?;
    let now = now_ms() / 1000;
    let kinds = [
        (
            "ended a minute ago",
            [("iat", now - DAY), ("exp", now - 60)],
        ),
        ("ended long ago", [("iat", 1), ("exp", DAY)]),
        (
            "begins tomorrow",
            [("nbf", now + DAY), ("exp", now + 2 * DAY)],
        ),
    ];
    let mut attempts = Vec::new();
    for (what, change) in kinds {
        let change = change.map(|(claim, at)| (claim, json!(at)));
        let Some(jwt) = signed(run, &token, &change)? else {
            without_secret(world, "tokens that are not in force");
            break;
        };
        attempts.push(with_value(run, (), what, &format!("Bearer {jwt}")));
    }
    let results = run.attempt_all(attempts).await?;
    world.kept_mut::<Forged>()?.0.extend(results);
    Ok(())
}

async fn all_refused(world: &mut World, run: &Run, _: Args) -> StepResult {
    let Forged(results) = world.kept()?;
    let did = "ask the model with forged tokens";
    all_must(world, did, "401 or 403", results, |one| {
        refused(one.status())
    })?;
    none_reached(world, run, did, results).await
}

/// Whether the genuine token is in an attempt.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Holds {
    Genuine,
    ForgedAlone,
}

async fn two_headers(world: &mut World, run: &Run, _: Args) -> StepResult {
    let token = genuine(world)?;
    let claims = claims_of_another(run, &token)?;
    let forged = format!("Bearer {}", of_another_key(&claims));
    let real = format!("Bearer {}", token.jwt);
    let mut attempts = Vec::new();
    for (kind, what, first, second) in [
        (Holds::Genuine, "the genuine token first", &real, &forged),
        (Holds::Genuine, "the forged token first", &forged, &real),
        (Holds::ForgedAlone, "two forged tokens", &forged, &forged),
    ] {
        let mut attempt = with_value(run, kind, what, first);
        attempt.raw = attempt.raw.header("Authorization", second);
        attempts.push(attempt);
    }
    let both = format!("{real}, {forged}");
    attempts.push(with_value(run, Holds::Genuine, "both in one header", &both));
    let results = run.attempt_all(attempts).await?;
    let did = "ask the model with a genuine and a forged token";
    let right = |one: &AttemptResult<Holds>| match one.status() {
        400 | 401 | 403 => true,
        200 => one.kind == Holds::Genuine,
        _ => false,
    };
    let expected = "400, 401 or 403, or the genuine token's answer";
    all_must(world, did, expected, &results, right)?;
    if !run.upstream.is_kept() {
        return Ok(());
    }
    let plain = &run.profile.users.plain;
    let mut entries = run.upstream.since(world.upstream_cursor).await?;
    entries
        .retain(|entry| results.iter().any(|one| holds(entry, &one.mark)) && holds(entry, plain));
    let wrong = entries.iter();
    let wrong: Vec<String> = wrong
        .map(|one| format!("{} {}", one.method, one.path))
        .collect();
    none(did, format!("the upstream is never told {plain}"), &wrong)
}

async fn choices(world: &mut World, run: &Run, _: Args) -> StepResult {
    let token = genuine(world)?;
    run.stack.may(Act::Mint(&token.email)).await?;
    let jwt = &token.jwt;
    let mut values = vec![
        (
            "the genuine token, scheme in lower case",
            format!("bearer {jwt}"),
        ),
        ("the genuine token, two blanks", format!("Bearer  {jwt}")),
        (
            "the genuine token, blanks behind it",
            format!("Bearer {jwt}  "),
        ),
    ];
    for (what, claim, value) in [
        ("another iss", "iss", "https://elsewhere.example.com/"),
        ("another aud", "aud", "another-service"),
    ] {
        match signed(run, &token, &[(claim, json!(value))])? {
            Some(jwt) => values.push((what, format!("Bearer {jwt}"))),
            None => without_secret(world, "tokens with another iss or aud"),
        }
    }
    if let Some(secret) = secret(run) {
        let mut claims = claims_of_another(run, &token)?;
        claims[&run.profile.jwt.email_claim] = json!(token.email);
        let header = json!({"alg": "HS512", "typ": "JWT"});
        let key = secret.expose_secret().as_bytes();
        let jwt = jwt::forge(&header, &claims, Mac::Sha512(key));
        values.push(("signed by HS512", format!("Bearer {jwt}")));
    }
    let attempts = values.into_iter();
    let attempts = attempts.map(|(what, value)| with_value(run, (), what, &value));
    let results = run.attempt_all(attempts.collect()).await?;
    let noted = results.iter().map(|one| {
        let accepted = if one.status() == 200 {
            "accepted"
        } else {
            "refused"
        };
        format!("{}: {accepted} ({})", one.what, one.status())
    });
    world.remark("what this gateway does with unusual tokens", lines(noted));
    let did = "ask the model with unusual tokens of the gateway's own";
    all_must(world, did, "an answer below 500", &results, |one| {
        one.status() < 500
    })
}
