//! A service round the gateway is down for a while: what is let in meanwhile, what is said, and
//! whether it is served again by itself. Judged when the service is back: a failure seen while
//! the run itself keeps a service down is still the candidate's.

use std::time::{Duration, Instant};

use futures::future::join_all;

use super::processes::{Processes, without};
use crate::{
    evidence::EvidenceKind,
    probe::http::{Request, Response},
    stack::{Act, Service, ServiceState},
    steps,
    steps::{
        operations::values,
        run::Run,
        world::{Args, Blame, Coded as _, StepError, StepResult, World, expect},
    },
};

/// How often a gateway whose service is back is asked again.
const POLL: Duration = Duration::from_millis(5);

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
struct Used {
    what: String,
    nonce: String,
    /// The answer, or why there was none.
    answer: Result<Response, String>,
    took: Duration,
}

impl Used {
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
    before: Vec<Used>,
    during: Vec<Used>,
    after: Vec<Used>,
    recovery: Duration,
    /// The gateway's processes before and after, without workers that were retired before.
    gateway: (ServiceState, ServiceState),
    /// Nonces that the upstream received while Redis was down.
    let_through: Vec<String>,
}

async fn use_all(world: &World, run: &Run, uses: &[Use]) -> Result<Vec<Used>, StepError> {
    let session = world.scene.session.as_ref();
    let mut requests = Vec::new();
    for one in uses {
        let (what, mut request) = match one {
            Use::Visit(context) => {
                let path = run.profile.contexts.get(context);
                let path = path.map_or("/", |context| context.path.as_str());
                let what = format!("the session in the context {context}");
                (what, Request::get(run.page(path)?.0))
            }
            Use::Operation(name) => {
                let operation = run.operation(name)?;
                let request = run.operation_request(&operation, &values([]))?;
                (format!("the operation `{name}`"), request)
            }
            Use::Token => {
                let jwt = world.scene.tokens.last().map(|token| token.jwt.clone());
                let request = run.model_request(jwt.as_deref(), &crate::probe::nonce(), &[])?;
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
        .map(|((what, request), (answer, took))| Used {
            what: format!("{what} ({} {})", request.method, request.url.path()),
            nonce: request
                .url
                .query_pairs()
                .find(|(name, _)| name == crate::probe::NONCE)
                .map(|(_, nonce)| nonce.into_owned())
                .unwrap_or_default(),
            answer,
            took,
        })
        .collect())
}

/// Whether an answer means that its sender was let in and served.
fn served(used: &Used) -> bool {
    used.status()
        .is_some_and(|status| matches!(status, 200..=299 | 404))
}

fn lines(used: &[Used]) -> String {
    used.iter()
        .map(Used::summary)
        .collect::<Vec<_>>()
        .join("\n")
}

async fn outage(world: &mut World, service: Service, uses: Vec<Use>) -> StepResult {
    let run = world.run()?;
    run.stack.may(Act::Break(service)).await?;
    let before = use_all(world, &run, &uses).await?;
    if let Some(one) = before.iter().find(|one| !served(one)) {
        return Err(StepError::Skip(format!(
            "what is to be refused without {service} is not let in with it: {}",
            one.summary()
        )));
    }
    let cursor = run.upstream.cursor().await?;
    let gateway = Processes::of(&run).await?;
    let what = format!("{service} was down");
    let seen = run.in_trouble(&what, "", async {
        let during = run.without(service, use_all(world, &run, &uses)).await??;
        let started = Instant::now();
        let limit = Duration::from_millis(run.profile.thresholds.rough.recovery_ms);
        loop {
            let after = use_all(world, &run, &uses).await?;
            let same = |(after, before): (&Used, &Used)| after.status() == before.status();
            if after.iter().zip(&before).all(same) || started.elapsed() > limit {
                return Ok((during, after, started.elapsed()));
            }
            tokio::time::sleep(POLL).await;
        }
    });
    let (during, after, recovery) = seen.await?;
    let mut let_through = Vec::new();
    if service == Service::Redis {
        let entries = run.upstream.since(cursor).await?;
        let reached = |used: &&Used| {
            entries
                .iter()
                .any(|entry| entry.query.contains(&used.nonce))
        };
        let_through = during.iter().filter(reached).map(Used::summary).collect();
    }
    let text = format!(
        "before:\n{}\n\nwhile {service} was down:\n{}\n\n{} ms after it was back:\n{}",
        lines(&before),
        lines(&during),
        recovery.as_millis(),
        lines(&after)
    );
    world.saw(EvidenceKind::Exchange, &what, &text);
    let now = run.stack.state(Service::Gateway).await?;
    world.scene.outage = Some(Outage {
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

async fn redis_down(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let mut uses: Vec<Use> = run
        .profile
        .contexts
        .keys()
        .cloned()
        .map(Use::Visit)
        .collect();
    uses.push(Use::Token);
    for name in ["list tokens", "list active users"] {
        uses.push(Use::Operation(name.to_owned()));
    }
    outage(world, Service::Redis, uses).await
}

async fn upstream_down(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let contexts = run.profile.contexts.iter();
    let mut uses: Vec<Use> = contexts
        .filter(|(_, context)| context.upstream)
        .map(|(name, _)| Use::Visit(name.clone()))
        .collect();
    uses.push(Use::Token);
    outage(world, Service::Upstream, uses).await
}

fn seen(world: &World) -> Result<&Outage, StepError> {
    let none = || StepError::harness("look at an outage", "one", "the scenario made none");
    world.scene.outage.as_ref().ok_or_else(none)
}

/// Each use while the service was down, held against what must be.
fn each(
    world: &World,
    holds: impl Fn(&Response) -> bool,
    in_time: Option<Duration>,
    expected: &str,
) -> StepResult {
    let outage = seen(world)?;
    let good = |used: &&Used| {
        used.answer.as_ref().is_ok_and(&holds) && in_time.is_none_or(|limit| used.took <= limit)
    };
    let wrong: Vec<String> = outage
        .during
        .iter()
        .filter(|used| !good(used))
        .map(Used::summary)
        .collect();
    expect(
        Blame::Candidate,
        !outage.during.is_empty() && wrong.is_empty(),
        format!("use the gateway while {} is down", outage.service),
        expected,
        wrong.join("\n"),
    )
}

async fn refused(world: &mut World, _: Args) -> StepResult {
    let refused = |answer: &Response| matches!(answer.status, 401 | 403 | 500..);
    each(
        world,
        refused,
        None,
        "401, 403 or 5xx: who is banned or revoked cannot be told, so nobody is let in",
    )?;
    let through = &seen(world)?.let_through;
    expect(
        Blame::Candidate,
        through.is_empty(),
        "read what the upstream received while Redis was down",
        "nothing",
        through.join("\n"),
    )
}

async fn told(world: &mut World, _: Args) -> StepResult {
    let limit = Duration::from_millis(world.run()?.profile.thresholds.rough.answer_ms);
    let told = |answer: &Response| {
        matches!(answer.status, 502..=504) && answer.is_json() && answer.json().is_some()
    };
    let expected = format!("502, 503 or 504, JSON, within {} ms", limit.as_millis());
    each(world, told, Some(limit), &expected)
}

async fn recovered(world: &mut World, _: Args) -> StepResult {
    let limit = world.run()?.profile.thresholds.rough.recovery_ms;
    let outage = seen(world)?;
    let different: Vec<String> = outage
        .after
        .iter()
        .zip(&outage.before)
        .filter(|(after, before)| after.status() != before.status())
        .map(|(after, before)| {
            let status = before.status().unwrap_or_default();
            format!("{}, before: {status}", after.summary())
        })
        .collect();
    expect(
        Blame::Candidate,
        different.is_empty(),
        format!("use the gateway when {} is back", outage.service),
        format!("the same answers as before within {limit} ms"),
        format!(
            "after {} ms: {}",
            outage.recovery.as_millis(),
            different.join("\n")
        ),
    )?;
    let (before, after) = &outage.gateway;
    expect(
        Blame::Candidate,
        after.running && before.main == after.main && before.workers == after.workers,
        format!(
            "look at the gateway's processes after {} was down",
            outage.service
        ),
        before,
        after,
    )
    .code("outage.restarted")
}
