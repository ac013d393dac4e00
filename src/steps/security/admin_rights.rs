//! X.11: what only an admin may do, nobody else can do, by whichever method.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::attack::{Attempt, AttemptResult, all_must, control, none_reached, refused, with_nonce};
use crate::{
    profile::Values,
    steps::{operations::values, prelude::*},
};

/// The methods that are tried on what only an admin may use. OPTIONS is left out: an answer to it is no
/// right.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// The name of the token that nobody but an admin can make.
const NAME: &str = "verify-no-admin";

steps! {
    /// Notes the list of tokens as the admin sees it, and every ban in Redis.
    Given "^the tokens and the bans are known$" => known, "admin.before";
    /// Every operation of the profile, for the scenario's token and the test user, and every context
    /// where only an admin may go, by every method, in a session of the plain user and without one.
    When "^the plain user, and somebody without a session, try everything that only an admin may do$" => tried, "admin.tried";
    /// Operations and contexts answer 401 or 403, other methods any refusal; without a session the
    /// way to the login will do. Nothing reached the upstream. Where that fails, what was done is undone.
    Then "^each attempt is refused, and none reaches the upstream$" => all_refused, "admin.refused", &["upstream.reached"];
    /// Tokens and bans are as they were.
    Then "^the tokens and the bans are as before$" => as_before, "admin.unchanged";
    /// Control: the same operations and contexts answer the admin. The scenario's token is revoked
    /// in the end.
    Then "^the admin can do all of it$" => admin_can, "admin.can";
}

/// Who makes an attempt, and how.
#[derive(Clone, Copy)]
struct Kind {
    in_session: bool,
    /// Whether the operation has another method.
    other_method: bool,
}

struct Attempted(Vec<AttemptResult<Kind>>);

/// What must stay as it is: the tokens and the bans, as text.
struct State(String);

async fn state(run: &Run) -> StepResult<State> {
    let answer = run.operate_as_admin("list tokens", &values([])).await?;
    let entries = control(answer.listed("list the tokens"))?;
    let mut bans = run.redis.keys(&run.ban_key("*")).await?;
    // Where other people use the gateway, what they make and lift is no doing of the attempts.
    let users = &run.profile.users;
    let own = [&users.admin, &users.test, &users.plain];
    let shared = run.stack.is_shared();
    let is_own = |entry: &&Value| {
        let email = answer.of_entry(entry, "email").and_then(Value::as_str);
        !shared || email.is_none_or(|email| own.iter().any(|one| *one == email))
    };
    let keys = own.map(|email| run.ban_key(email));
    bans.retain(|key| !shared || keys.contains(key));
    let tokens: BTreeSet<String> = entries
        .iter()
        .filter(is_own)
        .map(Value::to_string)
        .collect();
    let (tokens, bans) = (lines(tokens), lines(bans));
    Ok(State(format!("tokens:\n{tokens}\nbans:\n{bans}")))
}

async fn known(world: &mut World, run: &Run, _: Args) -> StepResult {
    world.keep(state(run).await?);
    Ok(())
}

/// What the operations' placeholders are filled with.
fn filled(world: &World, run: &Run) -> StepResult<Values> {
    let token = world.tokens.first();
    let token = token.ok_or_else(|| StepError::missing("a token"))?;
    Ok(values([
        ("id", json!(token.id)),
        ("email", json!(run.profile.users.test)),
        ("name", json!(NAME)),
        ("days", json!(1)),
        ("seconds", json!(86_400)),
        ("models", json!(run.profile.llm.models)),
    ]))
}

/// Everything that only an admin may do, as requests without a session.
fn everything(run: &Run, values: &Values) -> Vec<Attempt<Kind>> {
    let mut attempts = Vec::new();
    let mut add = |what: String, other_method, path: &str, method, body: Option<Value>| {
        let mark = nonce();
        let raw = run.raw(&with_nonce(path, &mark)).method(method);
        let raw = match body {
            Some(body) if method != "GET" && method != "HEAD" => raw.json(body.to_string()),
            _ => raw,
        };
        let kind = Kind {
            in_session: false,
            other_method,
        };
        attempts.push(Attempt::new(kind, what, mark, raw));
    };
    for (name, operation) in run.profile.operations.iter().filter(|(_, one)| one.admin) {
        for method in METHODS {
            let other = method != operation.method;
            let what = match other {
                false => format!("{name} ({method} {})", operation.path),
                true => format!("{method} instead: {name} ({})", operation.path),
            };
            let path = operation.path(values);
            add(what, other, &path, method, operation.body(values));
        }
    }
    for (name, context) in run.profile.contexts.iter().filter(|(_, one)| one.admin) {
        for method in METHODS {
            for path in context.paths() {
                let what = format!("{name} ({method} {path})");
                add(what, false, path, method, None);
            }
        }
    }
    attempts
}

async fn tried(world: &mut World, run: &Run, _: Args) -> StepResult {
    let users = &run.profile.users;
    let plain = run.need_session(&users.plain).await?;
    run.stack.may(Act::Ban(&users.test)).await?;
    let act = Act::AskToken {
        name: NAME,
        email: &plain.email,
    };
    run.stack.may(act).await?;
    let values = filled(world, run)?;
    world.upstream_cursor = run.upstream.cursor().await?;
    let cookies = run.cookies_of(&plain)?;
    let in_session = everything(run, &values).into_iter().map(|one| Attempt {
        kind: Kind {
            in_session: true,
            ..one.kind
        },
        what: format!("{} as {}", one.what, plain.email),
        raw: one.raw.header("Cookie", &cookies),
        mark: one.mark,
    });
    let mut attempts = everything(run, &values);
    attempts.extend(in_session);
    world.keep(Attempted(run.attempt_all(attempts).await?));
    Ok(())
}

async fn all_refused(world: &mut World, run: &Run, _: Args) -> StepResult {
    let Attempted(results) = world.kept()?;
    let right = |one: &AttemptResult<Kind>| {
        let status = one.status();
        refused(status)
            || status == 405
            || (one.kind.in_session && status == run.profile.identity.not_admin)
            || (one.kind.other_method && (400..500).contains(&status))
            || (!one.kind.in_session && run.turned_away(&one.response))
    };
    let did = "do what only an admin may";
    let expected = match run.profile.identity.not_admin {
        401 | 403 | 405 => "401, 403 or 405 (without a session also the login)".to_owned(),
        other => format!("401, 403, 405 or {other} (without a session also the login)"),
    };
    let result = match all_must(world, did, &expected, results, right) {
        Ok(()) => none_reached(world, run, did, results).await,
        failed => failed,
    };
    undone(run, result).await
}

async fn as_before(world: &mut World, run: &Run, _: Args) -> StepResult {
    let State(before) = world.kept()?;
    let State(now) = state(run).await?;
    world.saw(EvidenceKind::Redis, "tokens and bans afterwards", &now);
    let result = check("do what only an admin may, as somebody else", &now)
        .must(format!("nothing changes: {before}"), now == *before);
    undone(run, result).await
}

/// Where something was done that must not be, it is undone as far as the admin can.
async fn undone(run: &Run, result: StepResult) -> StepResult {
    if result.is_err() {
        // What failed first is what the report must say.
        let _ = undo(run).await;
    }
    result
}

async fn undo(run: &Run) -> StepResult {
    run.unban(&run.profile.users.test).await?;
    let list = run.operate_as_admin("list tokens", &values([])).await?;
    for entry in list.entries().unwrap_or_default() {
        if list.of_entry(&entry, "name") == Some(&json!(NAME)) {
            let id = list.of_entry(&entry, "id").cloned().unwrap_or_default();
            let id = values([("id", id)]);
            run.operate_as_admin("revoke token", &id).await?;
        }
    }
    Ok(())
}

async fn admin_can(world: &mut World, run: &Run, _: Args) -> StepResult {
    let admin = run.need_session(&run.profile.users.admin).await?;
    let values = filled(world, run)?;
    // Generating was shown by the token itself; the last one is its end.
    for name in [
        "list tokens",
        "token info",
        "list active users",
        "ban user",
        "unban user",
        "revoke token",
    ] {
        if run.profile.operations.contains_key(name) {
            let answer = run.operate_as_admin(name, &values).await?;
            let carried_out = check(format!("{name} as the admin"), &answer.hop);
            control(carried_out.must(answer.success(), answer.ok()))?;
        }
    }
    for (name, context) in run.profile.contexts.iter().filter(|(_, one)| one.admin) {
        for path in context.paths() {
            let (cursor, mark) = (run.upstream.cursor().await?, nonce());
            let target = with_nonce(path, &mark);
            let response = run.send_raw(&run.raw_in(&admin, &target)?).await?;
            // What the upstream refuses by itself was let in.
            let let_in = run.kept_out(&response).is_none()
                || run.upstream.is_kept()
                    && (run.upstream.since(cursor).await?.iter())
                        .any(|entry| entry.query.contains(&mark));
            let asked = check(format!("ask for {name} as the admin: {path}"), &response);
            control(asked.must("a response from the backend", let_in))?;
        }
    }
    Ok(())
}
