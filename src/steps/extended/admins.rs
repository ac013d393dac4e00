//! X.11: what only an admin may do, nobody else can do, by whichever method.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::outside::{Attempt, Tried, all_must, control, kept_out, none_reached, refused};
use crate::{
    evidence::EvidenceKind,
    probe::{NONCE, nonce, raw::Raw},
    profile::{Operation, Values},
    stack::Act,
    steps,
    steps::{
        operations::values,
        run::{Run, Token},
        session::Session,
        world::{Args, Blame, StepError, StepResult, World, expect},
    },
};

/// The methods that are tried on what only an admin may use. OPTIONS is left out: an answer to it is no
/// right.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

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

/// What must stay as it is.
#[derive(Debug, Eq, PartialEq)]
struct State {
    tokens: BTreeSet<String>,
    bans: Vec<String>,
}

async fn state(run: &Run) -> Result<State, StepError> {
    let mut admin = run.need_session(&run.email("admin")?).await?;
    let answer = run.operate(&mut admin, "list tokens", &values([])).await?;
    let entries = control(answer.entries().filter(|_| answer.ok()).ok_or_else(|| {
        StepError::candidate("list the tokens", "200, JSON, a list", answer.summary())
    }))?;
    let bans = run.redis.keys(&run.ban_key("*")).await?;
    // Where other people use the gateway, what they make and lift is no doing of the attempts.
    let users = &run.profile.users;
    let own = [&users.admin, &users.test, &users.plain];
    let shared = run.stack.is_shared();
    let is_own = |entry: &&Value| {
        let email = answer.of_entry(entry, "email").and_then(Value::as_str);
        !shared || email.is_none_or(|email| own.iter().any(|one| *one == email))
    };
    let keys = own.map(|email| run.ban_key(email));
    Ok(State {
        tokens: entries
            .iter()
            .filter(is_own)
            .map(Value::to_string)
            .collect(),
        bans: bans
            .into_iter()
            .filter(|key| !shared || keys.contains(key))
            .collect(),
    })
}

async fn known(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let state = state(&run).await?;
    world.scene.count_before = Some(state.tokens.len());
    world.scene.note = described(&state);
    Ok(())
}

fn described(state: &State) -> String {
    let tokens: Vec<&str> = state.tokens.iter().map(String::as_str).collect();
    format!(
        "tokens:\n{}\nbans:\n{}",
        tokens.join("\n"),
        state.bans.join("\n")
    )
}

fn token(world: &World) -> Result<Token, StepError> {
    let none = || StepError::harness("use a token", "one of the scenario", "it has none");
    world.scene.tokens.first().cloned().ok_or_else(none)
}

/// What the operations' placeholders are filled with.
fn filled(run: &Run, token: &Token) -> Result<Values, StepError> {
    Ok(values([
        ("id", json!(token.id)),
        ("email", json!(run.email("test user")?)),
        ("name", json!("verify-no-admin")),
        ("days", json!(1)),
        ("seconds", json!(86_400)),
        ("models", json!(run.profile.llm.models)),
    ]))
}

fn target(path: &str, mark: &str) -> String {
    let sign = if path.contains('?') { '&' } else { '?' };
    format!("{path}{sign}{NONCE}={mark}")
}

/// An operation as a request, whoever makes it.
fn request(run: &Run, operation: &Operation, values: &Values, method: &str, mark: &str) -> Raw {
    let raw = run
        .raw(&target(&operation.path(values), mark))
        .method(method);
    match operation.body(values) {
        Some(body) if method != "GET" && method != "HEAD" => raw.json(body.to_string()),
        _ => raw,
    }
}

/// Everything that only an admin may do, as requests without a session.
fn everything(run: &Run, values: &Values) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    for (name, operation) in run.profile.operations.iter().filter(|(_, one)| one.admin) {
        for method in METHODS {
            let mark = nonce();
            let raw = request(run, operation, values, method, &mark);
            let own = method == operation.method;
            let what = match own {
                true => format!("{name} ({method} {})", operation.path),
                false => format!("{method} instead: {name} ({})", operation.path),
            };
            attempts.push(Attempt { what, raw, mark });
        }
    }
    for (name, context) in run.profile.contexts.iter().filter(|(_, one)| one.admin) {
        for method in METHODS {
            let mark = nonce();
            let raw = run.raw(&target(&context.path, &mark)).method(method);
            attempts.push(Attempt {
                what: format!("{name} ({method} {})", context.path),
                raw,
                mark,
            });
        }
    }
    attempts
}

async fn tried(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let plain = run.need_session(&run.email("plain user")?).await?;
    run.stack.may(Act::Ban(&run.email("test user")?)).await?;
    run.stack
        .may(Act::AskToken {
            name: "verify-no-admin",
            email: &plain.email,
        })
        .await?;
    let values = filled(&run, &token(world)?)?;
    world.scene.upstream_cursor = run.upstream.cursor().await?;
    let site = run.plain_page("/")?;
    let cookies = plain.browser.cookies(&site).unwrap_or_default();
    let in_session = everything(&run, &values)
        .into_iter()
        .map(|attempt| Attempt {
            what: format!("{} as {}", attempt.what, plain.email),
            raw: attempt.raw.header("Cookie", &cookies),
            mark: attempt.mark,
        });
    let attempts = everything(&run, &values)
        .into_iter()
        .chain(in_session)
        .collect();
    world.scene.tried = run.try_all(attempts).await?;
    Ok(())
}

async fn all_refused(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let plain = run.email("plain user")?;
    let right = |one: &Tried| {
        let status = one.response.status;
        let instead = one.what.contains(" instead: ") && (400..500).contains(&status);
        let session = one.what.ends_with(&format!(" as {plain}"));
        refused(status) || status == 405 || instead || (!session && kept_out(&run, &one.response))
    };
    let did = "do what only an admin may";
    let result = async {
        all_must(
            world,
            did,
            "401, 403 or 405 (without a session also the login)",
            &world.scene.tried,
            right,
        )?;
        none_reached(world, did, &world.scene.tried).await
    };
    let result = result.await;
    undone(world, result).await
}

async fn as_before(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let now = described(&state(&run).await?);
    world.saw(EvidenceKind::Redis, "tokens and bans afterwards", &now);
    let result = expect(
        Blame::Candidate,
        now == world.scene.note,
        "do what only an admin may, as somebody else",
        format!("nothing changes: {}", world.scene.note),
        now,
    );
    undone(world, result).await
}

/// Where something was done that must not be, it is undone as far as the admin can.
async fn undone(world: &World, result: StepResult) -> StepResult {
    if result.is_err() {
        let undo = async {
            let run = world.run()?;
            let mut admin = run.need_session(&run.email("admin")?).await?;
            let email = values([("email", json!(run.email("test user")?))]);
            run.operate(&mut admin, "unban user", &email).await?;
            let list = run.operate(&mut admin, "list tokens", &values([])).await?;
            for entry in list.entries().unwrap_or_default() {
                let name = list.of_entry(&entry, "name");
                if name == Some(&json!("verify-no-admin")) {
                    let id = list.of_entry(&entry, "id").cloned().unwrap_or_default();
                    run.operate(&mut admin, "revoke token", &values([("id", id)]))
                        .await?;
                }
            }
            Ok::<(), StepError>(())
        };
        // What failed first is what the report must say.
        let _ = undo.await;
    }
    result
}

async fn admin_can(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let mut admin: Session = run.need_session(&run.email("admin")?).await?;
    let token = token(world)?;
    let values = filled(&run, &token)?;
    // Generating was shown by the token itself; the last one is its end.
    let order = [
        "list tokens",
        "token info",
        "list active users",
        "ban user",
        "unban user",
        "revoke token",
    ];
    for name in order
        .into_iter()
        .filter(|name| run.profile.operations.contains_key(*name))
    {
        let answer = run.operate(&mut admin, name, &values).await?;
        control(expect(
            Blame::Candidate,
            answer.ok(),
            format!("{name} as the admin"),
            "200, JSON",
            &answer.hop.response,
        ))?;
    }
    for (name, context) in run.profile.contexts.iter().filter(|(_, one)| one.admin) {
        let response = run
            .send_raw(&run.raw_in(&admin, &target(&context.path, &nonce()))?)
            .await?;
        control(expect(
            Blame::Candidate,
            !kept_out(&run, &response) && response.status < 500,
            format!("ask for {name} as the admin"),
            "an answer of what is behind it",
            &response,
        ))?;
    }
    Ok(())
}
