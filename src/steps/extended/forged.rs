//! X.2: a token that the gateway did not sign opens nothing.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{
    forgeries::{forgeries, parts},
    outside::{Attempt, Tried, all_must, control, holds, none_reached, refused},
};
use crate::{
    evidence::EvidenceKind,
    probe::{
        http::Request,
        jwt::{self, Mac},
        nonce, now_ms,
        raw::Raw,
    },
    stack::Act,
    steps,
    steps::{
        run::{Run, Token},
        world::{Args, Blame, StepError, StepResult, World, expect},
    },
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

/// The scenario's token.
fn genuine(world: &World) -> Result<Token, StepError> {
    let none = || StepError::harness("use a token", "a genuine one", "the scenario has none");
    world.scene.tokens.first().cloned().ok_or_else(none)
}

fn with_token(run: &Run, mark: &str, authorization: &str) -> Raw {
    run.message(mark).header("Authorization", authorization)
}

async fn ask(run: &Run, token: &Token) -> Result<(), StepError> {
    let mark = nonce();
    let raw = with_token(run, &mark, &format!("Bearer {}", token.jwt));
    let response = run.send_raw(&raw).await?;
    expect(
        Blame::Candidate,
        response.status == 200,
        "ask the model with the genuine token",
        "200",
        &response,
    )
}

async fn works(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let token = genuine(world)?;
    world.scene.upstream_cursor = run.upstream.cursor().await?;
    control(ask(&run, &token).await)
}

async fn still_works(world: &mut World, _: Args) -> StepResult {
    ask(&*world.run()?, &genuine(world)?).await
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
fn claims_of_another(run: &Run, token: &Token) -> Result<Value, StepError> {
    let did = "read the genuine token";
    let decoded =
        jwt::decode(&token.jwt).map_err(|error| StepError::Skip(format!("{did}: {error}")))?;
    let mut claims = decoded.claims;
    claims[&run.profile.jwt.email_claim] = json!(run.profile.users.plain);
    claims[&run.profile.jwt.id_claim] = json!(format!("verify-{}", nonce()));
    Ok(claims)
}

async fn forged(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let token = genuine(world)?;
    let claims = claims_of_another(&run, &token)?;
    let mut public = vec!["-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n".to_owned()];
    public.extend(public_text(&run).await);
    let attempts: Vec<Attempt> = forgeries(&token, &claims, &public)
        .into_iter()
        .map(|(what, value)| {
            let mark = nonce();
            let raw = with_token(&run, &mark, &value);
            Attempt { what, raw, mark }
        })
        .collect();
    let others = other_places(&run, &token, &claims);
    let tried = run
        .try_all(attempts.into_iter().chain(others).collect())
        .await?;
    world.scene.tried = tried;
    Ok(())
}

/// A forged token in other places than `Authorization`, and on the API's other locations.
fn other_places(run: &Run, token: &Token, claims: &Value) -> Vec<Attempt> {
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let forged = jwt::forge(&header, claims, Mac::Sha256(b"another key"));
    let (head, _, signature) = parts(&token.jwt);
    let tampered = format!("{head}.{}.{signature}", jwt::encoded(claims));
    let mut attempts = Vec::new();
    for name in [
        "X-API-Key",
        "X-Auth-Token",
        "X-LiteLLM-Key",
        "Proxy-Authorization",
        "Cookie",
    ] {
        let mark = nonce();
        let value = match name {
            "Cookie" => format!("token={forged}"),
            "Proxy-Authorization" => format!("Bearer {forged}"),
            _ => forged.clone(),
        };
        let raw = run.message(&mark).header(name, &value);
        attempts.push(Attempt {
            what: format!("another key, in {name}"),
            raw,
            mark,
        });
    }
    for place in &run.profile.llm.others {
        for (what, token) in [("another key", &forged), ("another payload", &tampered)] {
            let mark = nonce();
            let raw = run
                .llm_request(&place.method, &place.path, place.body.as_ref(), &mark)
                .header("Authorization", &format!("Bearer {token}"));
            attempts.push(Attempt {
                what: format!("{what} for {} {}", place.method, place.path),
                raw,
                mark,
            });
        }
    }
    attempts
}

/// The run's secret, where it is known.
fn secret(run: &Run) -> Option<&SecretString> {
    run.stack.secrets().jwt_secret.as_ref()
}

fn without_secret(world: &World, what: &str) {
    world.saw(
        EvidenceKind::Remark,
        &format!("{what} were not tried"),
        "The gateway's JWT_SECRET is not known: needs --credentials.",
    );
}

/// The genuine token's claims with some of them changed, signed with the run's secret.
fn signed(run: &Run, token: &Token, change: &[(&str, Value)]) -> Result<Option<String>, StepError> {
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
    Ok(Some(jwt))
}

async fn not_in_force(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let token = genuine(world)?;
    run.stack.may(Act::Mint(&token.email)).await?;
    let now = now_ms() / 1000;
    let mut attempts = Vec::new();
    for (what, change) in [
        (
            "ended a minute ago",
            vec![("iat", json!(now - DAY)), ("exp", json!(now - 60))],
        ),
        (
            "ended long ago",
            vec![("iat", json!(1)), ("exp", json!(DAY))],
        ),
        (
            "begins tomorrow",
            vec![("nbf", json!(now + DAY)), ("exp", json!(now + 2 * DAY))],
        ),
    ] {
        let Some(jwt) = signed(&run, &token, &change)? else {
            without_secret(world, "tokens that are not in force");
            break;
        };
        run.redactor.learn(&jwt);
        let mark = nonce();
        let raw = with_token(&run, &mark, &format!("Bearer {jwt}"));
        attempts.push(Attempt {
            what: what.to_owned(),
            raw,
            mark,
        });
    }
    let tried = run.try_all(attempts).await?;
    world.scene.tried.extend(tried);
    Ok(())
}

async fn all_refused(world: &mut World, _: Args) -> StepResult {
    let did = "ask the model with forged tokens";
    let right = |one: &Tried| refused(one.response.status);
    all_must(world, did, "401 or 403", &world.scene.tried, right)?;
    none_reached(world, did, &world.scene.tried).await
}

async fn two_headers(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let token = genuine(world)?;
    let claims = claims_of_another(&run, &token)?;
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let forged = format!(
        "Bearer {}",
        jwt::forge(&header, &claims, Mac::Sha256(b"another key"))
    );
    let real = format!("Bearer {}", token.jwt);
    let mut attempts = Vec::new();
    for (what, first, second) in [
        ("the genuine token first", &real, &forged),
        ("the forged token first", &forged, &real),
        ("two forged tokens", &forged, &forged),
    ] {
        let mark = nonce();
        let raw = with_token(&run, &mark, first).header("Authorization", second);
        attempts.push(Attempt {
            what: what.to_owned(),
            raw,
            mark,
        });
    }
    let mark = nonce();
    let raw = with_token(&run, &mark, &format!("{real}, {forged}"));
    attempts.push(Attempt {
        what: "both in one header".to_owned(),
        raw,
        mark,
    });
    let tried = run.try_all(attempts).await?;
    let did = "ask the model with a genuine and a forged token";
    let right = |one: &Tried| match one.response.status {
        400 | 401 | 403 => true,
        200 => one.what != "two forged tokens",
        _ => false,
    };
    all_must(
        world,
        did,
        "400, 401 or 403, or the genuine token's answer",
        &tried,
        right,
    )?;
    if !run.upstream.is_kept() {
        return Ok(());
    }
    let entries = run.upstream.since(world.scene.upstream_cursor).await?;
    let wrong: Vec<String> = entries
        .iter()
        .filter(|entry| tried.iter().any(|one| holds(entry, &one.mark)))
        .filter(|entry| holds(entry, &run.profile.users.plain))
        .map(|entry| format!("{} {}", entry.method, entry.path))
        .collect();
    expect(
        Blame::Candidate,
        wrong.is_empty(),
        did,
        format!("the upstream is never told {}", run.profile.users.plain),
        wrong.join("\n"),
    )
}

async fn choices(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let token = genuine(world)?;
    run.stack.may(Act::Mint(&token.email)).await?;
    let mut attempts = Vec::new();
    let mut add = |what: &str, value: String| {
        let mark = nonce();
        let raw = with_token(&run, &mark, &value);
        attempts.push(Attempt {
            what: what.to_owned(),
            raw,
            mark,
        });
    };
    add(
        "the genuine token, scheme in lower case",
        format!("bearer {}", token.jwt),
    );
    add(
        "the genuine token, two blanks",
        format!("Bearer  {}", token.jwt),
    );
    add(
        "the genuine token, blanks behind it",
        format!("Bearer {}  ", token.jwt),
    );
    for (what, change) in [
        (
            "another iss",
            [("iss", json!("https://elsewhere.example.com/"))],
        ),
        ("another aud", [("aud", json!("another-service"))]),
    ] {
        match signed(&run, &token, &change)? {
            Some(jwt) => {
                run.redactor.learn(&jwt);
                add(what, format!("Bearer {jwt}"));
            }
            None => without_secret(world, "tokens with another iss or aud"),
        }
    }
    if let Some(secret) = secret(&run) {
        let mut claims = claims_of_another(&run, &token)?;
        claims[&run.profile.jwt.email_claim] = json!(token.email);
        let header = json!({"alg": "HS512", "typ": "JWT"});
        let key = secret.expose_secret().as_bytes();
        let jwt = jwt::forge(&header, &claims, Mac::Sha512(key));
        add("signed by HS512", format!("Bearer {jwt}"));
    }
    let tried = run.try_all(attempts).await?;
    let noted: Vec<String> = tried
        .iter()
        .map(|one| {
            let accepted = if one.response.status == 200 {
                "accepted"
            } else {
                "refused"
            };
            format!("{}: {accepted} ({})", one.what, one.response.status)
        })
        .collect();
    world.saw(
        EvidenceKind::Remark,
        "what this gateway does with unusual tokens",
        &noted.join("\n"),
    );
    let did = "ask the model with unusual tokens of the gateway's own";
    all_must(world, did, "an answer below 500", &tried, |one| {
        one.response.status < 500
    })
}
