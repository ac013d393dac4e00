//! Every tracked request leaves exactly one pair of lines.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::Value;
use url::Url;

use super::{
    pairs::{note_untold_context, pair_of_request, pairs_of_requests},
    request_trace,
};
use crate::{
    probe::{
        log::{Line, Record, Window},
        now_ms,
    },
    steps::prelude::*,
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
    Then "^the log has exactly one tracking pair for the request, in the context \"(?P<context>[^\"]+)\"$" => one_pair, "tracking.pair", crate::steps::log::pairs::CODES;
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
    Then "^every tracked request of the run has exactly one pair, in its own context$" => all_pairs, "tracking.all", crate::steps::log::pairs::CODES;
    /// Every tracking line since the restart has the plan's form and a context of the profile;
    /// the run's own requests show all of them.
    Then "^every tracking line has the plan's form, and the contexts are exactly those of the plan$" => grammar_holds, "tracking.form", &["tracking.contexts"];
    /// No line tells that tracking one of the run's own requests failed.
    Then "^no tracking of the run's own requests failed$" => none_failed, "tracking.failed";
}

/// Nonces of requests that must leave no tracking line.
#[derive(Default)]
struct Untracked(Vec<String>);

async fn log_from_here(world: &mut World, run: &Run, _: Args) -> StepResult {
    world.window = Some(run.log_from_here().await?);
    world.upstream_cursor = run.upstream.cursor().await?;
    Ok(())
}

async fn without_session(world: &mut World, run: &Run, args: Args) -> StepResult {
    let (url, nonce) = run.page(&run.context(args.text("context"))?.path)?;
    let did = format!("ask for {} without a session", url.path());
    let hop = run.browser().send(Request::get(url)).await?;
    world.kept_mut::<Untracked>()?.0.push(nonce);
    world.must(did, &hop, NOT_OK)
}

async fn untracked(world: &mut World, run: &Run, _: Args) -> StepResult {
    let (url, nonce) = run.page(&run.profile.untracked)?;
    let hop = world.browser()?.send(Request::get(url)).await?;
    world.saw_hop(&hop);
    world.kept_mut::<Untracked>()?.0.push(nonce);
    Ok(())
}

/// Sends a request that must be tracked, and remembers it.
async fn tracked(
    world: &mut World,
    run: &Run,
    context: &str,
    (url, nonce): (Url, String),
) -> StepResult<Hop> {
    world.since_ms = now_ms();
    let hop = world.browser()?.send(Request::get(url)).await?;
    let sent = Sent::new(nonce, &world.email(), context);
    remember(world, run, sent);
    Ok(hop)
}

fn remember(world: &mut World, run: &Run, sent: Sent) {
    run.notes().sent.push(sent.clone());
    world.sent.push(sent);
}

async fn asks_context(world: &mut World, run: &Run, args: Args) -> StepResult {
    let context = args.text("context");
    let page = run.page(&run.context(context)?.path)?;
    let email = world.session()?.email.clone();
    let key = run.metadata_key(&email);
    // So that it is seen whether this very request is written down. Where Redis does not answer, the
    // look at it after the request says so.
    let _ = run.age_last_access(&email).await;
    if let Some(value) = request_trace::value_of(run, &key).await {
        request_trace::key_before(world, &page.1, &key, &value);
    }
    let hop = tracked(world, run, context, page).await?;
    world.saw_hop(&hop);
    world.last = Some(hop);
    Ok(())
}

async fn let_in(world: &mut World, run: &Run, _: Args) -> StepResult {
    let hop = world.last()?;
    let why = run.kept_out(&hop.response);
    let seen = format!("{}: {}", why.unwrap_or_default(), hop.response.summary());
    let did = format!("ask for {} in a session", hop.request.url.path());
    check(did, Seen::from(seen).answered(&hop.response)).must(
        "a response from the backend (404 is acceptable)",
        why.is_none(),
    )
}

async fn one_pair(world: &mut World, run: &Run, args: Args) -> StepResult {
    let context = args.text("context");
    let sent = world.sent.last().filter(|sent| sent.context == context);
    let missing = || StepError::missing(format!("a tracked request in the context {context}"));
    pair_of_request(world, run, sent.ok_or_else(missing)?).await
}

async fn active_in_redis(world: &mut World, run: &Run, _: Args) -> StepResult {
    let email = world.email();
    let active = run.key(run.active_key(&email)).await?;
    let metadata = run.metadata_key(&email);
    let found = run.redis.get(&metadata).await?;
    let value = found.as_deref().unwrap_or("(nil)");
    let seen = format!("{active}\n{metadata} = {value}");
    let nonce = world.sent.last().map_or("", |sent| sent.nonce.as_str());
    world.saw_of(
        nonce,
        Stage::RedisAfter,
        EvidenceKind::Redis,
        &metadata,
        &seen,
    );
    let json: Value = serde_json::from_str(value).unwrap_or_default();
    let pointer = &run.profile.redis.last_access;
    let last = json
        .pointer(pointer)
        .and_then(|last| run.profile.moment(last));
    let since = world.since_ms / 1000;
    let now = now_ms() / 1000 + 1;
    let holds = active.exists && last.is_some_and(|last| (since..=now).contains(&last));
    let did = format!("look up {} and {metadata} after the request", active.key);
    check(did, seen).must(format!("both exist, {pointer} >= {since}"), holds)
}

async fn upstream_received(world: &mut World, run: &Run, args: Args) -> StepResult {
    let context = run.profile.contexts.get(args.text("context"));
    let goes_there = context.is_some_and(|context| context.upstream);
    let (true, Some(sent)) = (goes_there, world.sent.last()) else {
        return Ok(());
    };
    if let Some(context) = run.profile.contexts.get(&sent.context)
        && context.lacks_database()
    {
        let why = "The upstream is a LiteLLM without a database, which answers an error of its own \
                   to the profile's path of this context. It is asked in the place of that:";
        world.remark(
            "the context was asked for by another path",
            format!("{why} {}", context.path),
        );
    }
    if !run.upstream.is_kept() {
        world.remark(
            "whether the upstream received the request was not looked at",
            "The upstream is no double and keeps no journal.",
        );
        return Ok(());
    }
    let entries = run.upstream.since(world.upstream_cursor).await?;
    let received = lines(entries.iter().map(|entry| {
        let (method, path, query) = (&entry.method, &entry.path, &entry.query);
        format!("{method} {path}?{query} -> {}", entry.status)
    }));
    let title = "what the upstream received";
    world.saw(EvidenceKind::Journal, title, &received);
    let own = entries
        .iter()
        .find(|entry| entry.query.contains(&sent.nonce));
    if let Some(entry) = own {
        request_trace::at_upstream(world, &sent.nonce, entry);
    }
    let seen = match received.is_empty() {
        true => "it received nothing".to_owned(),
        false => received,
    };
    check(format!("ask for the context {}", sent.context), seen)
        .must("the upstream receives the request", own.is_some())
}

async fn no_line(world: &mut World, run: &Run, _: Args) -> StepResult {
    let Untracked(nonces) = world.kept()?;
    let mut tracked = run.grammar.lines(&world.records(run).await?);
    tracked.retain(|line| nonces.iter().any(|nonce| line.record.caused_by(nonce)));
    let raw: Vec<&str> = tracked
        .iter()
        .map(|line| line.record.raw.as_str())
        .collect();
    let did = "ask for an untracked location, and without a session";
    none(did, "no tracking line", &raw)
}

async fn every_context(world: &mut World, run: &Run, _: Args) -> StepResult {
    for (name, context) in &run.profile.contexts {
        for path in context.paths() {
            tracked(world, run, name, run.page(path)?).await?;
        }
    }
    Ok(())
}

async fn at_once(world: &mut World, run: &Run, args: Args) -> StepResult {
    let count: usize = args.number("count")?;
    let session = world.session()?.copy();
    let mut requests = Vec::new();
    for (name, context) in run.profile.contexts.iter().cycle().take(count) {
        let (url, nonce) = run.page(&context.path)?;
        requests.push(run.get_with_cookies(&session.browser, url));
        remember(world, run, Sent::new(nonce, &session.email, name));
    }
    let answers = join_all(requests.iter().map(|request| run.http.send(request))).await;
    for (request, answer) in requests.into_iter().zip(answers) {
        let response = answer?;
        check(format!("make {count} requests at once"), &response)
            .must("each is let in", run.kept_out(&response).is_none())
            .code("access.let-in")?;
        world.last = Some(Hop { request, response });
    }
    // One of them for all: its way is followed in the report.
    if let Some(hop) = &world.last {
        world.saw_hop(hop);
    }
    Ok(())
}

/// The log since the candidate's start.
async fn since_restart(run: &Run) -> StepResult<Window> {
    Ok(run.need_candidate().await?.0)
}

async fn all_pairs(world: &mut World, run: &Run, _: Args) -> StepResult {
    let sent = run.notes().sent.clone();
    let window = since_restart(run).await?;
    let (all, own) = (sent.len(), world.sent.len());
    let did = format!("make {all} requests, {own} of them in this scenario");
    pairs_of_requests(world, run, &window, &sent, &did).await?;
    if let Some(last) = sent.last() {
        request_trace::access_log(world, run, &last.nonce).await;
    }
    Ok(())
}

async fn grammar_holds(world: &mut World, run: &Run, _: Args) -> StepResult {
    let records = run.records(&since_restart(run).await?).await?;
    let tracked = run.grammar.lines(&records);
    note_untold_context(world, run);
    let names = run.profile.contexts.keys();
    let contexts: BTreeSet<&str> = names.map(|name| run.grammar.told(name)).collect();
    let fits = |line: &Line| match line {
        Line::Tracking { context, .. } => contexts.contains(context.as_str()),
        Line::Success { .. } | Line::Failed { .. } => true,
        Line::Misshapen => false,
    };
    let wrong = tracked.iter().filter(|line| !fits(&line.line));
    let wrong: Vec<&str> = wrong.map(|line| line.record.raw.as_str()).collect();
    let did = "read every tracking line since the restart";
    let log = &run.profile.log;
    let second = log.success.iter().map(String::as_str);
    let form: Vec<&str> = std::iter::once(log.tracking.as_str())
        .chain(second)
        .collect();
    let form = format!("[{}] {}", log.level, form.join(" / "));
    none(did, format!("{form}, contexts {contexts:?}"), &wrong)?;
    let context = |line: &'_ Line| match line {
        Line::Tracking { context, .. } => Some(context.clone()),
        _ => None,
    };
    let seen: BTreeSet<String> = tracked
        .iter()
        .filter_map(|one| context(&one.line))
        .collect();
    check(did, format!("{seen:?}"))
        .must(
            format!("the contexts {contexts:?}"),
            seen.iter().eq(contexts.iter()),
        )
        .code("tracking.contexts")
}

async fn none_failed(_: &mut World, run: &Run, _: Args) -> StepResult {
    let sent = run.notes().sent.clone();
    let records = run.records(&since_restart(run).await?).await?;
    let own = |record: &Record| {
        record.request.is_none() || sent.iter().any(|sent| record.caused_by(&sent.nonce))
    };
    let mut failed = run.grammar.lines(&records);
    failed.retain(|line| matches!(line.line, Line::Failed { .. }) && own(&line.record));
    let raw: Vec<&str> = failed.iter().map(|line| line.record.raw.as_str()).collect();
    none("read the log", "no `User tracking failed`", &raw)
}
