//! X.5: nobody outside can call the endpoint that makes a user active.

use super::attack::{Attempt, AttemptResult, all_must, control, lines_of, with_nonce};
use crate::{
    probe::{log::Record, raw::Raw},
    steps::{
        log::pairs::{pair_of_request, user_of},
        prelude::*,
    },
};

steps! {
    /// Calls the profile's tracker on the public port for a stranger each time: with every
    /// method, written otherwise, as another host, by headers that move a request; without a
    /// session and in the scenario's.
    When "^outsiders call the tracking endpoint in every way they know$" => calls, "tracker.called";
    /// None of the strangers is active in Redis, and no tracking line names one.
    Then "^none of the strangers becomes active$" => none_active, "tracker.stranger";
    /// Without a session none of the calls is answered with 200.
    Then "^no call without a session is answered with 200$" => none_answered, "tracker.answered";
    /// Control: the admin's key is deleted, the session asks for a context, and the gateway
    /// makes the key again by its own call, with a tracking pair in the same window.
    Then "^the gateway's own call in the context \"(?P<context>[^\"]+)\" does make its user active$" => own_call, "tracker.own-call";
}

/// Whether a call was made in a session.
#[derive(Clone, Copy, Eq, PartialEq)]
enum From {
    Outside,
    Session,
}

/// The calls of a scenario; each one's mark is its stranger.
struct Calls(Vec<AttemptResult<From>>);

/// Ways to write a path that some server on the way takes for the same. They were read in
/// nginx's ngx_http_parse_complex_uri and in what is known of proxies that decode twice.
fn spellings(path: &str) -> Vec<String> {
    let name = path.trim_start_matches('/');
    let upper = name.to_ascii_uppercase();
    let first = name.bytes().next().unwrap_or(b'_');
    let rest = name.get(1..).unwrap_or_default();
    vec![
        format!("/{name}/"),
        format!("//{name}"),
        format!("/./{name}"),
        format!("/%2e/{name}"),
        format!("/x/../{name}"),
        format!("/x/%2e%2e/{name}"),
        format!("/%{first:02x}{rest}"),
        format!("/%25{first:02x}{rest}"),
        format!("/%2f{name}"),
        format!("/;/{name}"),
        format!("/{name};x=y"),
        format!("/{name}%20"),
        format!("/{name}%00"),
        format!("/{name}%23"),
        format!("/{upper}"),
        format!("/..;/{name}"),
        format!("/\\{name}"),
        format!("/oauth2/../{name}"),
        format!("/oauth2/%2e%2e%2f{name}"),
        format!("/oauth2/..%252f{name}"),
        format!("/v1/..%5c{name}"),
    ]
}

/// Every call, with a stranger of its own each time.
fn ways(run: &Run) -> Vec<Attempt<From>> {
    let tracker = &run.profile.tracker;
    let encoded =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let context = run.profile.contexts.keys().next();
    let context = encoded(context.map_or("", String::as_str));
    let target = |path: &str, email: &str| {
        let query = tracker.query.replace("{email}", &encoded(email));
        format!("{path}?{}", query.replace("{context}", &context))
    };
    let path = &tracker.path;
    let mut ways = Vec::new();
    let mut add = |what: String, raw: &dyn Fn(&str) -> Raw| {
        let email = stranger(&nonce());
        let raw = raw(&email);
        ways.push(Attempt::new(From::Outside, what, email, raw));
    };
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
    ] {
        let call = |email: &str| run.raw(&target(path, email)).method(method);
        add(format!("{method} {path}"), &call);
    }
    for spelling in spellings(path) {
        let call = |email: &str| run.raw(&target(&spelling, email));
        add(format!("GET {spelling}"), &call);
    }
    let internal = run.stack.internal().to_string();
    for host in [
        "localhost",
        "127.0.0.1",
        "127.0.0.1:8080",
        "openresty:8080",
        &internal,
    ] {
        let call = |email: &str| Raw::get(host, &target(path, email));
        add(format!("GET {path} as host {host}"), &call);
        let call = |email: &str| run.raw(&format!("http://{host}{}", target(path, email)));
        add(format!("GET http://{host}{path}"), &call);
    }
    for header in [
        "X-Original-URI",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Accel-Redirect",
        "X-Forwarded-Uri",
    ] {
        let call = |email: &str| run.raw("/").header(header, &target(path, email));
        add(format!("GET / with {header}"), &call);
    }
    for (header, value) in [
        ("X-Real-IP", "127.0.0.1"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("True-Client-IP", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1"),
    ] {
        let call = |email: &str| run.raw(&target(path, email)).header(header, value);
        add(format!("GET {path} from {header} 127.0.0.1"), &call);
    }
    ways
}

/// A stranger that nobody met before.
fn stranger(mark: &str) -> String {
    format!("stranger-{mark}@example.com")
}

async fn calls(world: &mut World, run: &Run, _: Args) -> StepResult {
    run.may_make_active(&stranger("x")).await?;
    let cookies = run.cookies_of(world.session()?)?;
    let in_session = ways(run).into_iter().map(|way| Attempt {
        kind: From::Session,
        what: format!("{}, in a session", way.what),
        raw: way.raw.header("Cookie", &cookies),
        ..way
    });
    let mut results = run.attempt_all(ways(run)).await?;
    results.extend(run.attempt_all(in_session.collect()).await?);
    world.keep(Calls(results));
    Ok(())
}

async fn none_active(world: &mut World, run: &Run, _: Args) -> StepResult {
    let Calls(results) = world.kept()?;
    let active = run.made_active(&stranger("*")).await?;
    let did = "call the tracking endpoint from outside";
    let found = if active.is_empty() {
        "(none)"
    } else {
        "see the failure"
    };
    let title = format!("keys of {} strangers", results.len());
    world.saw(EvidenceKind::Redis, title, found);
    let made_active = |one: &&AttemptResult<From>| active.iter().any(|key| key.contains(&one.mark));
    let by = lines_of(results.iter().filter(made_active));
    check(did, format!("{} exist, by\n{by}", active.join(", ")))
        .must("no stranger becomes active", active.is_empty())?;
    let strangers: Vec<String> = results.iter().map(|one| one.mark.clone()).collect();
    let named = named_lines(run, &world.records(run).await?, &strangers);
    none(did, "no tracking line names a stranger", &named)
}

/// The tracking lines that name one of these addresses.
pub(super) fn named_lines(run: &Run, records: &[Record], emails: &[String]) -> Vec<String> {
    let mut named = run.grammar.lines(records);
    named.retain(|one| {
        user_of(&one.line).is_some_and(|user| emails.iter().any(|email| email == user))
    });
    named.into_iter().map(|one| one.record.raw).collect()
}

async fn none_answered(world: &mut World, _: &Run, _: Args) -> StepResult {
    let Calls(results) = world.kept()?;
    let did = "call the tracking endpoint from outside";
    let expected = "without a session anything but 200";
    all_must(world, did, expected, results, |one| {
        one.kind == From::Session || one.status() != 200
    })
}

async fn own_call(world: &mut World, run: &Run, args: Args) -> StepResult {
    let session = world.session()?.copy();
    run.may_make_active(&session.email).await?;
    run.redis
        .delete_all(&run.active_keys(&session.email))
        .await?;
    let context = args.text("context");
    control(tracked_request(world, run, &session, context).await)?;
    let mut missing = Vec::new();
    for key in run.active_keys(&session.email) {
        if !run.redis.exists(&key).await? {
            missing.push(key);
        }
    }
    let did = format!("ask for the context {context} in a session");
    check(did, format!("{} (nil)", missing.join(", "))).control(
        "the gateway's own call makes the user active",
        missing.is_empty(),
    )
}

/// Asks for a context in a session and waits for its tracking pair in the scenario's window.
pub(super) async fn tracked_request(
    world: &World,
    run: &Run,
    session: &Session,
    context: &str,
) -> StepResult {
    let nonce = nonce();
    let target = with_nonce(&run.context(context)?.path, &nonce);
    let response = run.send_raw(&run.raw_in(session, &target)?).await?;
    let did = format!("ask for the context {context} as {}", session.email);
    check(did, &response).must(
        "a response from the backend",
        run.kept_out(&response).is_none(),
    )?;
    pair_of_request(world, run, &Sent::new(nonce, &session.email, context)).await
}
