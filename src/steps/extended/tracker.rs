//! X.5: nobody outside can call the endpoint that makes a user active.

use super::outside::{Attempt, Tried, all_must, control, kept_out, lines};
use crate::{
    evidence::EvidenceKind,
    probe::{
        log::{Line, Record},
        nonce,
        raw::Raw,
    },
    steps,
    steps::{
        run::{Run, Sent},
        session::Session,
        tracking::pair_of_request,
        world::{Args, Blame, StepError, StepResult, World, expect},
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

/// Every call as a request for some victim, with a word for what it is.
fn ways(run: &Run, victim: &dyn Fn() -> String) -> Vec<(String, Raw, String)> {
    let tracker = &run.profile.tracker;
    let context = run.profile.contexts.keys().next().cloned();
    let target = |path: &str, email: &str| {
        let encoded = |text: &str| -> String {
            url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
        };
        let query = tracker.query.replace("{email}", &encoded(email)).replace(
            "{context}",
            &encoded(context.as_deref().unwrap_or_default()),
        );
        format!("{path}?{query}")
    };
    let mut ways = Vec::new();
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
    ] {
        let email = victim();
        let raw = run.raw(&target(&tracker.path, &email)).method(method);
        ways.push((format!("{method} {}", tracker.path), raw, email));
    }
    for spelling in spellings(&tracker.path) {
        let email = victim();
        let raw = run.raw(&target(&spelling, &email));
        ways.push((format!("GET {spelling}"), raw, email));
    }
    let internal = run.stack.internal();
    let hosts = ["localhost", "127.0.0.1", "127.0.0.1:8080", "openresty:8080"].map(str::to_owned);
    for host in hosts.into_iter().chain([internal.to_string()]) {
        let email = victim();
        let raw = Raw::get(&host, &target(&tracker.path, &email));
        ways.push((format!("GET {} as host {host}", tracker.path), raw, email));
        let email = victim();
        let raw = run.raw(&format!("http://{host}{}", target(&tracker.path, &email)));
        ways.push((format!("GET http://{host}{}", tracker.path), raw, email));
    }
    for header in [
        "X-Original-URI",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Accel-Redirect",
        "X-Forwarded-Uri",
    ] {
        let email = victim();
        let raw = run.raw("/").header(header, &target(&tracker.path, &email));
        ways.push((format!("GET / with {header}"), raw, email));
    }
    for header in [
        "X-Real-IP",
        "X-Forwarded-For",
        "True-Client-IP",
        "Forwarded",
    ] {
        let email = victim();
        let value = if header == "Forwarded" {
            "for=127.0.0.1"
        } else {
            "127.0.0.1"
        };
        let raw = run
            .raw(&target(&tracker.path, &email))
            .header(header, value);
        ways.push((
            format!("GET {} from {header} 127.0.0.1", tracker.path),
            raw,
            email,
        ));
    }
    ways
}

/// A stranger that nobody met before.
fn stranger(mark: &str) -> String {
    format!("stranger-{mark}@example.com")
}

async fn calls(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    run.may_make_active(&stranger("x")).await?;
    let site = run.plain_page("/")?;
    let cookies = world.session()?.browser.cookies(&site).unwrap_or_default();
    let attempts = |session: Option<&str>| -> Vec<Attempt> {
        ways(&run, &|| stranger(&nonce()))
            .into_iter()
            .map(|(what, raw, mark)| match session {
                None => Attempt { what, raw, mark },
                Some(cookies) => Attempt {
                    what: format!("{what}, in a session"),
                    raw: raw.header("Cookie", cookies),
                    mark,
                },
            })
            .collect()
    };
    world.scene.tried = run.try_all(attempts(None)).await?;
    world
        .scene
        .tried
        .extend(run.try_all(attempts(Some(&cookies))).await?);
    Ok(())
}

async fn none_active(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let strangers: Vec<String> = world
        .scene
        .tried
        .iter()
        .map(|one| one.mark.clone())
        .collect();
    let active = run.made_active(&stranger("*")).await?;
    let did = "call the tracking endpoint from outside";
    world.saw(
        EvidenceKind::Redis,
        &format!("keys of {} strangers", strangers.len()),
        if active.is_empty() {
            "(none)"
        } else {
            "see the failure"
        },
    );
    let by: Vec<&Tried> = world
        .scene
        .tried
        .iter()
        .filter(|one| active.iter().any(|key| key.contains(&one.mark)))
        .collect();
    expect(
        Blame::Candidate,
        active.is_empty(),
        did,
        "no stranger becomes active",
        format!("{} exist, by\n{}", active.join(", "), lines(by)),
    )?;
    let records = world.window()?.records(&*run.stack).await?;
    let named = named_lines(&run, &records, &strangers);
    expect(
        Blame::Candidate,
        named.is_empty(),
        did,
        "no tracking line names a stranger",
        named.join("\n"),
    )
}

/// The tracking lines that name one of these addresses.
pub(super) fn named_lines(run: &Run, records: &[Record], emails: &[String]) -> Vec<String> {
    let names = |line: &Line| match line {
        Line::Tracking { email, .. } | Line::Success { email } | Line::Failed { email } => {
            emails.contains(email)
        }
        Line::Misshapen => false,
    };
    run.grammar
        .lines(records)
        .into_iter()
        .filter(|tracked| names(&tracked.line))
        .map(|tracked| tracked.record.raw)
        .collect()
}

async fn none_answered(world: &mut World, _: Args) -> StepResult {
    let session = |one: &Tried| one.what.ends_with("in a session");
    all_must(
        world,
        "call the tracking endpoint from outside",
        "without a session anything but 200",
        &world.scene.tried,
        |one| session(one) || one.response.status != 200,
    )
}

async fn own_call(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let email = world.session()?.email.clone();
    run.may_make_active(&email).await?;
    run.redis.delete_all(&run.active_keys(&email)).await?;
    let context = args.text("context");
    let session: Session = world.session()?.copy();
    control(tracked_request(world, &run, &session, context).await)?;
    let mut missing = Vec::new();
    for key in run.active_keys(&email) {
        if !run.redis.exists(&key).await? {
            missing.push(key);
        }
    }
    expect(
        Blame::Control,
        missing.is_empty(),
        format!("ask for the context {context} in a session"),
        "the gateway's own call makes the user active",
        format!("{} (nil)", missing.join(", ")),
    )
}

/// Asks for a context in a session and waits for its tracking pair in the scenario's window.
pub(super) async fn tracked_request(
    world: &World,
    run: &Run,
    session: &Session,
    context: &str,
) -> StepResult {
    let path = run
        .profile
        .contexts
        .get(context)
        .map(|found| found.path.clone());
    let path = path.ok_or_else(|| {
        StepError::harness(
            "look into the profile",
            format!("a context `{context}`"),
            "none",
        )
    })?;
    let nonce = nonce();
    let target = format!("{path}?{}={nonce}", crate::probe::NONCE);
    let response = run.send_raw(&run.raw_in(session, &target)?).await?;
    expect(
        Blame::Candidate,
        !kept_out(run, &response) && response.status < 500,
        format!("ask for the context {context} as {}", session.email),
        "an answer of what is behind it",
        &response,
    )?;
    let sent = Sent {
        nonce,
        email: session.email.clone(),
        context: context.to_owned(),
    };
    pair_of_request(world, run, &sent).await
}
