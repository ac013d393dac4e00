//! A service round the gateway is down for a while: who is let in meanwhile, what they are answered,
//! and whether they are served again by themselves. Judged when the service is back: a failure seen
//! while the run itself keeps a service down is still the candidate's.

use std::time::{Duration, Instant};

use futures::future::join_all;

use super::processes::{Processes, without};
use crate::{
    probe::nonce_of,
    stack::ServiceState,
    steps::{operations::values, prelude::*},
};

steps! {
    /// Ends Redis and starts it again with what it had. Uses the session in every context, the
    /// token, and the admin API: before, while Redis is down, and afterwards until all are
    /// served again or the profile's recovery time is over. Skips on a deployment.
    When "^Redis is down for a while$" => redis_down, "outage.redis";
    /// The same with the upstream, the token and the contexts that go there.
    When "^the upstream is down for a while$" => upstream_down, "outage.upstream";
    /// While it was down each was answered 401, 403 or 5xx, and nothing reached the upstream.
    Then "^the session, the token and the admin API are refused meanwhile$" => refused, "outage.let-in";
    /// While it was down each was answered 502, 503 or 504 in JSON within the profile's time.
    Then "^each is told so in JSON in time, and none is passed off as served$" => told, "outage.told";
    /// Afterwards each was answered as before, by the same processes of the gateway; workers that
    /// a reload had retired before may have ended.
    Then "^all of them are served again, by a gateway that was not restarted$" => recovered, "outage.recovered", &["outage.restarted"];
}

/// Something that a user does.
#[derive(Clone, Debug)]
enum Use {
    /// The session in a context.
    Visit(String),
    /// The token at the models' API.
    Token,
    /// An operation of the admin API.
    Operation(String),
}

/// What came of it.
#[derive(Debug)]
struct UseResult {
    what: String,
    nonce: String,
    /// The answer, or why there was none.
    answer: Result<Response, String>,
    took: Duration,
}

impl UseResult {
    fn status(&self) -> Option<u16> {
        self.answer.as_ref().ok().map(|answer| answer.status)
    }

    fn summary(&self) -> String {
        let answer = match &self.answer {
            Ok(answer) => answer.summary(),
            Err(why) => why.clone(),
        };
        format!("{}: {answer} ({} ms)", self.what, self.took.as_millis())
    }
}

/// What was seen before, during and after an outage.
#[derive(Debug)]
pub struct Outage {
    service: Service,
    before: Vec<UseResult>,
    during: Vec<UseResult>,
    after: Vec<UseResult>,
    recovery: Duration,
    /// The gateway's processes before and after, without workers that were retired before.
    gateway: (ServiceState, ServiceState),
    /// Nonces that the upstream received while Redis was down.
    let_through: Vec<String>,
}

async fn use_all(world: &World, run: &Run, uses: &[Use]) -> StepResult<Vec<UseResult>> {
    let session = world.session.as_ref();
    let mut requests = Vec::new();
    for one in uses {
        let (what, mut request) = match one {
            Use::Visit(context) => {
                let path = &run.context(context)?.path;
                let what = format!("the session in the context {context}");
                (what, Request::get(run.page(path)?.0))
            }
            Use::Operation(name) => {
                let operation = run.operation(name)?;
                let request = run.operation_request(&operation, &values([]))?;
                (format!("the operation `{name}`"), request)
            }
            Use::Token => {
                let jwt = world.tokens.last().map(|token| token.jwt.clone());
                let request = run.model_request(jwt.as_deref(), &nonce())?;
                ("the token".to_owned(), request)
            }
        };
        if let (Some(session), false) = (session, matches!(one, Use::Token)) {
            let cookies = session.browser.cookies(&request.url).unwrap_or_default();
            request = request.header("cookie", &cookies);
        }
        requests.push((what, request));
    }
    let sent = requests.iter().map(|(_, request)| async move {
        let started = Instant::now();
        let answer = run.http.send(request).await;
        (answer.map_err(|error| error.to_string()), started.elapsed())
    });
    let answers = join_all(sent).await;
    let used = requests.iter().zip(answers);
    Ok(used
        .map(|((what, request), (answer, took))| UseResult {
            what: format!("{what} ({} {})", request.method, request.url.path()),
            nonce: nonce_of(&request.url).unwrap_or_default(),
            answer,
            took,
        })
        .collect())
}

/// Whether an answer means that its sender was let in and served.
fn served(used: &UseResult) -> bool {
    used.status()
        .is_some_and(|status| matches!(status, 200..=299 | 404))
}

fn text(uses: &[UseResult]) -> String {
    lines(uses.iter().map(UseResult::summary))
}

async fn outage(world: &mut World, run: &Run, service: Service, uses: Vec<Use>) -> StepResult {
    run.stack.may(Act::Break(service)).await?;
    let before = use_all(world, run, &uses).await?;
    if let Some(one) = before.iter().find(|one| !served(one)) {
        let seen = one.summary();
        return lacks(format!(
            "what is to be refused without {service} is not let in with it: {seen}"
        ));
    }
    let cursor = run.upstream.cursor().await?;
    let gateway = Processes::of(run).await?;
    let what = format!("{service} was down");
    let seen = run.with_fault(&what, "", async {
        let during = run.without(service, use_all(world, run, &uses)).await??;
        let started = Instant::now();
        let limit = Duration::from_millis(run.profile.thresholds.rough.recovery_ms);
        let as_before = |after: &Vec<UseResult>| {
            let mut both = after.iter().zip(&before);
            both.all(|(after, before)| after.status() == before.status())
        };
        let after = poll(limit, async || use_all(world, run, &uses).await, as_before).await?;
        Ok((during, after, started.elapsed()))
    });
    let (during, after, recovery) = seen.await?;
    let mut let_through = Vec::new();
    if service == Service::Redis {
        let entries = run.upstream.since(cursor).await?;
        let reached = |one: &&UseResult| {
            let mut queries = entries.iter().map(|entry| &entry.query);
            queries.any(|query| query.contains(&one.nonce))
        };
        let_through = during
            .iter()
            .filter(reached)
            .map(UseResult::summary)
            .collect();
    }
    let seen = format!(
        "before:\n{}\n\nwhile {service} was down:\n{}\n\n{} ms after it was back:\n{}",
        text(&before),
        text(&during),
        recovery.as_millis(),
        text(&after)
    );
    world.saw(EvidenceKind::Exchange, what, seen);
    let now = run.stack.state(Service::Gateway).await?;
    world.keep(Outage {
        service,
        before,
        during,
        after,
        recovery,
        gateway: (gateway.serving, without(now, &gateway.retired)),
        let_through,
    });
    Ok(())
}

async fn redis_down(world: &mut World, run: &Run, _: Args) -> StepResult {
    let contexts = run.profile.contexts.keys();
    let mut uses: Vec<Use> = contexts.cloned().map(Use::Visit).collect();
    uses.push(Use::Token);
    for name in ["list tokens", "list active users"] {
        uses.push(Use::Operation(name.to_owned()));
    }
    outage(world, run, Service::Redis, uses).await
}

async fn upstream_down(world: &mut World, run: &Run, _: Args) -> StepResult {
    let contexts = run.profile.contexts.iter();
    let upstream = contexts.filter(|(_, context)| context.upstream);
    let mut uses: Vec<Use> = upstream.map(|(name, _)| Use::Visit(name.clone())).collect();
    uses.push(Use::Token);
    outage(world, run, Service::Upstream, uses).await
}

/// Each use while the service was down, held against what must be.
fn each_must(
    outage: &Outage,
    expected: &str,
    holds: impl Fn(&Response) -> bool,
    in_time: Option<Duration>,
) -> StepResult {
    let good = |one: &UseResult| {
        one.answer.as_ref().is_ok_and(&holds) && in_time.is_none_or(|limit| one.took <= limit)
    };
    let wrong = outage.during.iter().filter(|one| !good(one));
    let wrong: Vec<String> = wrong.map(UseResult::summary).collect();
    let did = format!("use the gateway while {} is down", outage.service);
    check(did, lines(&wrong)).must(expected, !outage.during.is_empty() && wrong.is_empty())
}

async fn refused(world: &mut World, _: &Run, _: Args) -> StepResult {
    let outage: &Outage = world.kept()?;
    let refused = |answer: &Response| matches!(answer.status, 401 | 403 | 500..);
    let expected = "401, 403 or 5xx: who is banned or revoked cannot be told, so nobody is let in";
    each_must(outage, expected, refused, None)?;
    let did = "read what the upstream received while Redis was down";
    none(did, "nothing", &outage.let_through)
}

async fn told(world: &mut World, run: &Run, _: Args) -> StepResult {
    let limit = run.profile.thresholds.rough.answer_ms;
    let told = |answer: &Response| {
        matches!(answer.status, 502..=504) && answer.is_json() && answer.json().is_some()
    };
    let expected = format!("502, 503 or 504, JSON, within {limit} ms");
    let limit = Some(Duration::from_millis(limit));
    each_must(world.kept()?, &expected, told, limit)
}

async fn recovered(world: &mut World, run: &Run, _: Args) -> StepResult {
    let outage: &Outage = world.kept()?;
    let service = outage.service;
    let both = outage.after.iter().zip(&outage.before);
    let different = both.filter(|(after, before)| after.status() != before.status());
    let different = different.map(|(after, before)| {
        let status = before.status().unwrap_or_default();
        format!("{}, before: {status}", after.summary())
    });
    let different: Vec<String> = different.collect();
    let (took, limit) = (
        outage.recovery.as_millis(),
        run.profile.thresholds.rough.recovery_ms,
    );
    check(
        format!("use the gateway when {service} is back"),
        format!("after {took} ms: {}", lines(&different)),
    )
    .must(
        format!("the same answers as before within {limit} ms"),
        different.is_empty(),
    )?;
    let (before, after) = &outage.gateway;
    check(
        format!("look at the gateway's processes after {service} was down"),
        after,
    )
    .must(
        before,
        after.running && before.main == after.main && before.workers == after.workers,
    )
    .code("outage.restarted")
}
