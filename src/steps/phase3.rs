//! Phase 3: every tracked request leaves exactly one pair of lines.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::Value;

use super::{
    run::{Run, Sent},
    tracking::{note_untold_context, pair_of_request, pairs_of_requests},
    trail,
    world::{Args, Blame, Coded as _, Seen, StepError, StepResult, World, expect},
};
use crate::{
    evidence::{EvidenceKind, Stage},
    probe::{
        browser::Hop,
        http::{Request, Response},
        log::{Line, Record, Window},
        now_ms,
    },
    stack::Service,
    steps,
};

steps! {
    /// Opens a window on the gateway's log, and on the upstream's journal.
    Given "^the log from here on$" => log_from_here, "log.window";
    /// A request for a context's path without a session. It must leave no tracking line.
    When "^someone without a session asks for the context \"(?P<context>[^\"]+)\"$" => without_session, "access.without-session";
    /// A request of the session for the profile's untracked location.
    When "^the session asks for an untracked location$" => untracked, "tracking.untracked-request";
    /// A request of the session for a context's path.
    When "^the session asks for the context \"(?P<context>[^\"]+)\"$" => asks_context, "tracking.request";
    /// 404 from the upstream is fine; 401, 403, a redirect to the login and 5xx are not.
    Then "^the request is neither refused, nor sent to the login, nor failed$" => let_in, "access.let-in";
    /// Exactly one `Tracking user` and one `User tracking success` for the request, at their
    /// level, with the session's e-mail byte for byte and the context.
    Then "^the log has exactly one tracking pair for the request, in the context \"(?P<context>[^\"]+)\"$" => one_pair, "tracking.pair", super::tracking::CODES;
    /// The user's key and metadata exist, last seen not before the request.
    Then "^Redis holds the user as active, last seen not before the request$" => active_in_redis, "tracking.redis";
    /// Where the profile says that the context goes to the upstream, its journal has the request.
    Then "^the upstream received the request, where the context \"(?P<context>[^\"]+)\" goes there$" => upstream_received, "upstream.received";
    /// The requests that must not be tracked left no line. Their lines would stand before
    /// those of the tracked request, which were found.
    Then "^the requests that are not tracked left no tracking line$" => no_line, "tracking.unwanted";
    /// One request after another, one in each context of the profile.
    When "^the session asks once for every context$" => every_context, "tracking.every-context";
    /// Requests at the same time, mixed over all contexts.
    When "^the session makes (?P<count>[0-9]+) requests at once, mixed over all contexts$" => at_once, "tracking.at-once", &["access.let-in"];
    /// Every request of the run that must be tracked has exactly one pair.
    Then "^every tracked request of the run has exactly one pair, in its own context$" => all_pairs, "tracking.all", super::tracking::CODES;
    /// Every tracking line since the restart has the plan's form and a context of the profile;
    /// the run's own requests show all of them.
    Then "^every tracking line has the plan's form, and the contexts are exactly those of the plan$" => grammar_holds, "tracking.form", &["tracking.contexts"];
    /// No line tells that tracking one of the run's own requests failed.
    Then "^no tracking of the run's own requests failed$" => none_failed, "tracking.failed";
}

async fn log_from_here(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    world.scene.window = Some(Window::open(&*run.stack, Service::Gateway).await?);
    world.scene.upstream_cursor = run.upstream.cursor().await?;
    Ok(())
}

fn path(run: &Run, context: &str) -> Result<String, StepError> {
    let known = run
        .profile
        .contexts
        .get(context)
        .map(|context| context.path.clone());
    known.ok_or_else(|| {
        StepError::harness(
            "look into the profile",
            format!("a context `{context}`"),
            "none",
        )
    })
}

async fn without_session(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let (url, nonce) = run.page(&path(&run, args.text("context"))?)?;
    let hop = run.browser().send(Request::get(url)).await?;
    world.saw_hop(&hop);
    world.scene.untracked.push(nonce);
    expect(
        Blame::Candidate,
        hop.response.status != 200,
        format!("ask for {} without a session", hop.request.url.path()),
        "anything but 200",
        &hop.response,
    )
}

async fn untracked(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let (url, nonce) = run.page(&run.profile.untracked)?;
    let hop = send(world, url).await?;
    world.saw_hop(&hop);
    world.scene.untracked.push(nonce);
    Ok(())
}

async fn send(world: &mut World, url: url::Url) -> Result<Hop, StepError> {
    Ok(world.session()?.browser.send(Request::get(url)).await?)
}

/// Sends one request that must be tracked, and remembers it.
async fn tracked(world: &mut World, context: &str) -> Result<Hop, StepError> {
    let run = world.run()?;
    let (url, nonce) = run.page(&path(&run, context)?)?;
    tracked_at(world, context, url, nonce).await
}

async fn tracked_at(
    world: &mut World,
    context: &str,
    url: url::Url,
    nonce: String,
) -> Result<Hop, StepError> {
    let run = world.run()?;
    world.scene.since_ms = now_ms();
    let hop = send(world, url).await?;
    let email = world
        .scene
        .session
        .as_ref()
        .map(|session| session.email.clone())
        .unwrap_or_default();
    remember(
        world,
        &run,
        Sent {
            nonce,
            email,
            context: context.to_owned(),
        },
    );
    Ok(hop)
}

fn remember(world: &mut World, run: &Run, sent: Sent) {
    world.scene.sent.push(sent.clone());
    run.notes().sent.push(sent);
}

async fn asks_context(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let context = args.text("context");
    let (url, nonce) = run.page(&path(&run, context)?)?;
    let email = world.session()?.email.clone();
    let key = (run.profile.redis.active_user_metadata).replace("{email}", &email);
    if let Some(value) = trail::value_of(world, &key).await {
        trail::key_before(world, &nonce, &key, &value);
    }
    let hop = tracked_at(world, context, url, nonce).await?;
    world.saw_hop(&hop);
    world.scene.last = Some(hop);
    Ok(())
}

/// Why an answer means that the request was not let in, if it does.
pub(super) fn kept_out(run: &Run, response: &Response) -> Option<&'static str> {
    match response.status {
        401 | 403 => Some("refused"),
        500.. => Some("failed"),
        _ => run.sends_to_login(response).then_some("sent to the login"),
    }
}

async fn let_in(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let hop = world.last()?;
    let why = kept_out(&run, &hop.response);
    expect(
        Blame::Candidate,
        why.is_none(),
        format!("ask for {} in a session", hop.request.url.path()),
        "an answer of what is behind it (404 is one)",
        Seen::from(format!(
            "{}: {}",
            why.unwrap_or_default(),
            hop.response.summary()
        ))
        .answered(&hop.response),
    )
}

async fn one_pair(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let context = args.text("context");
    let sent = world
        .scene
        .sent
        .last()
        .filter(|sent| sent.context == context);
    let sent = sent.cloned().ok_or_else(|| {
        StepError::harness(
            "read the log",
            format!("a tracked request in the context {context}"),
            "the scenario sent none",
        )
    })?;
    pair_of_request(world, &run, &sent).await
}

async fn active_in_redis(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let email = world
        .scene
        .session
        .as_ref()
        .map(|session| session.email.clone())
        .unwrap_or_default();
    let keys = &run.profile.redis;
    let (key, metadata) = (
        keys.active_user.replace("{email}", &email),
        keys.active_user_metadata.replace("{email}", &email),
    );
    let (exists, found) = (
        run.redis.exists(&key).await?,
        run.redis.get(&metadata).await?,
    );
    let nonce = world.scene.sent.last().map(|sent| sent.nonce.clone());
    world.saw_of(
        &nonce.unwrap_or_default(),
        Stage::RedisAfter,
        EvidenceKind::Redis,
        &metadata,
        &format!(
            "{key} {}\n{metadata} = {}",
            if exists { "exists" } else { "(nil)" },
            found.as_deref().unwrap_or("(nil)")
        ),
    );
    let last = found
        .as_deref()
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    let last = last
        .as_ref()
        .and_then(|json| json.pointer(&keys.last_access))
        .and_then(Value::as_f64);
    #[allow(clippy::cast_precision_loss)]
    let since = (world.scene.since_ms / 1000) as f64;
    expect(
        Blame::Candidate,
        exists && last.is_some_and(|last| last >= since),
        format!("look up {key} and {metadata} after the request"),
        format!("both exist, {} >= {since}", keys.last_access),
        format!(
            "{key} {}, {metadata} = {}",
            if exists { "exists" } else { "(nil)" },
            found.as_deref().unwrap_or("(nil)")
        ),
    )
}

async fn upstream_received(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let expected = run
        .profile
        .contexts
        .get(args.text("context"))
        .is_some_and(|context| context.upstream);
    let sent = world.scene.sent.last().cloned();
    let (true, Some(sent)) = (expected, sent) else {
        return Ok(());
    };
    if let Some(context) = run.profile.contexts.get(&sent.context)
        && context.lacks_database()
    {
        let why = "The upstream is a LiteLLM without a database, which answers an error of its own \
                   to the profile's path of this context. It is asked in the place of that:";
        world.saw(
            EvidenceKind::Remark,
            "the context was asked for by another path",
            &format!("{why} {}", context.path),
        );
    }
    if !run.upstream.is_kept() {
        world.saw(
            EvidenceKind::Remark,
            "whether the upstream received the request was not looked at",
            "The upstream is no double and keeps no journal.",
        );
        return Ok(());
    }
    let entries = run.upstream.since(world.scene.upstream_cursor).await?;
    let received: Vec<String> = entries
        .iter()
        .map(|entry| {
            format!(
                "{} {}?{} -> {}",
                entry.method, entry.path, entry.query, entry.status
            )
        })
        .collect();
    world.saw(
        EvidenceKind::Journal,
        "what the upstream received",
        &received.join("\n"),
    );
    let own = entries
        .iter()
        .find(|entry| entry.query.contains(&sent.nonce));
    if let Some(entry) = own {
        trail::at_upstream(world, &sent.nonce, entry);
    }
    expect(
        Blame::Candidate,
        own.is_some(),
        format!("ask for the context {}", sent.context),
        "the upstream receives the request",
        if received.is_empty() {
            "it received nothing".to_owned()
        } else {
            received.join("\n")
        },
    )
}

async fn no_line(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let records = world.window()?.records(&*run.stack).await?;
    let lines = run.grammar.lines(&records);
    let wrong: Vec<&str> = lines
        .iter()
        .filter(|line| {
            world
                .scene
                .untracked
                .iter()
                .any(|nonce| line.record.caused_by(nonce))
        })
        .map(|line| line.record.raw.as_str())
        .collect();
    expect(
        Blame::Control,
        !world.scene.untracked.is_empty(),
        "send requests that are not tracked",
        "some",
        "none",
    )?;
    expect(
        Blame::Candidate,
        wrong.is_empty(),
        "ask for an untracked location, and without a session",
        "no tracking line",
        wrong.join("\n"),
    )
}

async fn every_context(world: &mut World, _: Args) -> StepResult {
    let contexts: Vec<String> = world.run()?.profile.contexts.keys().cloned().collect();
    for context in contexts {
        tracked(world, &context).await?;
    }
    Ok(())
}

async fn at_once(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let count: usize = args.number("count")?;
    let session = world.session()?.copy();
    let contexts: Vec<(String, String)> = run
        .profile
        .contexts
        .iter()
        .map(|(name, context)| (name.clone(), context.path.clone()))
        .collect();
    let mut requests = Vec::new();
    for (name, path) in contexts.iter().cycle().take(count) {
        let (url, nonce) = run.page(path)?;
        let cookies = session.browser.cookies(&url).unwrap_or_default();
        requests.push(Request::get(url).header("cookie", &cookies));
        remember(
            world,
            &run,
            Sent {
                nonce,
                email: session.email.clone(),
                context: name.clone(),
            },
        );
    }
    let answers = join_all(requests.iter().map(|request| run.http.send(request))).await;
    for (request, answer) in requests.iter().zip(answers) {
        let response = answer?;
        expect(
            Blame::Candidate,
            kept_out(&run, &response).is_none(),
            format!("make {count} requests at once"),
            "each is let in",
            &response,
        )
        .code("access.let-in")?;
        world.scene.last = Some(Hop {
            request: request.clone(),
            response,
        });
    }
    // One of them for all: its way is followed in the report.
    if let Some(hop) = &world.scene.last {
        world.saw_hop(hop);
    }
    Ok(())
}

/// The log since the candidate's start.
async fn since_restart(run: &Run) -> Result<Window, StepError> {
    Ok(run.need_candidate().await?.0)
}

async fn all_pairs(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let sent = run.notes().sent.clone();
    let window = since_restart(&run).await?;
    let did = format!(
        "make {} requests, {} of them in this scenario",
        sent.len(),
        world.scene.sent.len()
    );
    pairs_of_requests(world, &run, &window, &sent, &did).await?;
    if let Some(last) = sent.last() {
        trail::access_log(world, &last.nonce).await;
    }
    Ok(())
}

async fn grammar_holds(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let records = since_restart(&run).await?.records(&*run.stack).await?;
    let lines = run.grammar.lines(&records);
    note_untold_context(world, &run);
    let names = run.profile.contexts.keys();
    let contexts: BTreeSet<&str> = names.map(|name| run.grammar.told(name)).collect();
    let fits = |line: &Line| match line {
        Line::Tracking { context, .. } => contexts.contains(context.as_str()),
        Line::Success { .. } | Line::Failed { .. } => true,
        Line::Misshapen => false,
    };
    let wrong: Vec<&str> = lines
        .iter()
        .filter(|line| !fits(&line.line))
        .map(|line| line.record.raw.as_str())
        .collect();
    let did = "read every tracking line since the restart";
    let form = match run.grammar.tells_context() {
        true => "[info] Tracking user: <email> [<context>] / [info] User tracking success: <email>",
        false => "[info] Tracking user: <email> / [info] User tracking success: <email>",
    };
    expect(
        Blame::Candidate,
        wrong.is_empty(),
        did,
        format!("{form}, contexts {contexts:?}"),
        wrong.join("\n"),
    )?;
    let seen: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| match &line.line {
            Line::Tracking { context, .. } => Some(context.as_str()),
            _ => None,
        })
        .collect();
    expect(
        Blame::Candidate,
        seen == contexts,
        did,
        format!("the contexts {contexts:?}"),
        format!("{seen:?}"),
    )
    .code("tracking.contexts")
}

async fn none_failed(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let sent = run.notes().sent.clone();
    let records = since_restart(&run).await?.records(&*run.stack).await?;
    let own = |record: &Record| {
        record.request.is_none() || sent.iter().any(|sent| record.caused_by(&sent.nonce))
    };
    let failed: Vec<String> = run
        .grammar
        .lines(&records)
        .iter()
        .filter(|line| matches!(line.line, Line::Failed { .. }) && own(&line.record))
        .map(|line| line.record.raw.clone())
        .collect();
    expect(
        Blame::Candidate,
        failed.is_empty(),
        "read the log",
        "no `User tracking failed`",
        failed.join("\n"),
    )
}
