//! Phase 7: connections to the upstream are kept, and nothing became slower.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures::future::join_all;

use super::{
    run::Run,
    world::{Args, Blame, StepError, StepResult, World, expect},
};
use crate::{
    evidence::EvidenceKind,
    probe::{
        http::{NoAnswer, Request, Response},
        stats::{Comparison, Slower},
    },
    stack::{Act, Service, Socket, Version},
    steps,
};

/// The most requests of a burst, whatever the number of workers.
const BURST_LIMIT: usize = 1024;

/// How long Redis holds writes back at most, so that a burst piles up, in milliseconds.
const PAUSE_MS: u64 = 2_000;

/// How many bursts are made at most until one has piled up: a gateway waits for Redis only so
/// long, and on a busy machine the first requests have given up before the last ones are there.
const BURSTS: usize = 4;

/// How often the comparison is made longer when its noise is wider than the margin.
const ROUNDS: usize = 3;

/// How often the socket table is looked at during a burst.
const POLL: Duration = Duration::from_millis(2);

steps! {
    /// Requests in the session, one after another, in a tracked context.
    When "^the session makes (?P<count>[0-9]+) requests one after another$" => one_after_another, "keepalive.requests";
    /// nginx's own connections to its internal port, told apart by process, are remembered.
    When "^nginx's own connections to the internal port are counted$" => count_connections, "keepalive.open";
    /// At least one of the connections remembered is still there: the same local port.
    Then "^at least one of them is still open and the same$" => kept_open, "keepalive.kept";
    /// So many requests at once that, with writes of Redis held back, some worker really has
    /// more connections than its pool may keep.
    When "^the session makes a burst of requests while answers are slowed down$" => burst, "keepalive.burst";
    /// At rest no worker holds more than the profile's limit.
    Then "^at rest no worker holds more of them than its pool may keep$" => pool_holds, "keepalive.pool";
    /// The baseline and the candidate side by side: one client each over keep-alive, blocks of
    /// requests for the health check in turn, the order alternating too.
    When "^the health check of baseline and candidate is measured side by side, in (?P<blocks>[0-9]+) blocks of (?P<count>[0-9]+) requests each$" => measure, "latency.measured";
    /// The whole interval of the ratio of the medians is within the profile's margin. Noise
    /// wider than the margin is inconclusive.
    Then "^the candidate is not slower than the margin allows$" => not_slower, "latency.margin";
}

/// Connections that nginx's workers made to the internal port, by worker.
async fn connections(run: &Run) -> Result<BTreeMap<u32, Vec<Socket>>, StepError> {
    let state = run.stack.state(Service::Gateway).await?;
    let port = run.stack.internal().port();
    let mut found: BTreeMap<u32, Vec<Socket>> = BTreeMap::new();
    for socket in run.stack.sockets(Service::Gateway).await? {
        let worker = socket
            .pid
            .filter(|pid| state.workers.iter().any(|worker| worker.pid == *pid));
        if let Some(pid) = worker
            && socket.state == "ESTABLISHED"
            && socket.remote.port() == port
            && socket.remote.ip().is_loopback()
        {
            found.entry(pid).or_default().push(socket);
        }
    }
    Ok(found)
}

fn shown(connections: &BTreeMap<u32, Vec<Socket>>) -> String {
    connections
        .values()
        .flatten()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The path of a tracked context that goes to the upstream.
fn tracked_path(run: &Run) -> String {
    let contexts = &run.profile.contexts;
    let upstream = contexts
        .values()
        .find(|context| context.upstream && context.path != "/");
    upstream
        .or_else(|| contexts.values().next())
        .map_or_else(|| "/".to_owned(), |context| context.path.clone())
}

async fn one_after_another(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    for _ in 0..args.number::<u32>("count")? {
        let (url, _) = run.page(&tracked_path(&run))?;
        let hop = world.session()?.browser.send(Request::get(url)).await?;
        if matches!(hop.response.status, 301..=303 | 401 | 403 | 500..) {
            return Err(StepError::Skip(format!(
                "requests in a session are not let in: {}",
                hop.response.summary()
            )));
        }
    }
    Ok(())
}

async fn count_connections(world: &mut World, _: Args) -> StepResult {
    let found = connections(&*world.run()?).await?;
    world.saw(
        EvidenceKind::Sockets,
        "nginx's own connections to its internal port, after the requests",
        &shown(&found),
    );
    world.scene.ports = found
        .values()
        .flatten()
        .map(|socket| socket.local.port())
        .collect();
    expect(
        Blame::Candidate,
        !world.scene.ports.is_empty(),
        "look for nginx's own connections to its internal port after sequential requests",
        "at least one ESTABLISHED",
        "none: the connection is closed after each request",
    )
}

async fn kept_open(world: &mut World, _: Args) -> StepResult {
    let found = connections(&*world.run()?).await?;
    world.saw(
        EvidenceKind::Sockets,
        "the same after further requests",
        &shown(&found),
    );
    let ports: Vec<u16> = found
        .values()
        .flatten()
        .map(|socket| socket.local.port())
        .collect();
    expect(
        Blame::Candidate,
        ports.iter().any(|port| world.scene.ports.contains(port)),
        "look again after further requests",
        format!("one of the local ports {:?}", world.scene.ports),
        format!("{ports:?}"),
    )
}

async fn burst(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let workers = run
        .stack
        .state(Service::Gateway)
        .await?
        .workers
        .len()
        .max(1);
    let limit = run.profile.thresholds.keepalive_per_worker;
    // When more than this wait, some worker has more than its pool may keep, however they are
    // spread. Half as many again are sent, since they are never all there at the same time.
    let enough = workers * limit;
    let count = (enough + enough / 2 + workers).min(BURST_LIMIT);
    let session = world.session()?.copy();
    let mut requests = Vec::new();
    for _ in 0..count {
        let (url, _) = run.page(&tracked_path(&run))?;
        let cookies = session.browser.cookies(&url).unwrap_or_default();
        requests.push(Request::get(url).header("cookie", &cookies));
    }
    run.stack.may(Act::Load).await?;
    let (mut peak, mut most_held) = (0, 0);
    for _ in 0..BURSTS {
        // Reads pass, so every request gets as far as being tracked; there it waits.
        let burst = run
            .in_trouble(
                "writes to Redis were held back",
                "",
                while_held_back(&run, &requests, limit, enough),
            )
            .await?;
        (peak, most_held) = (peak.max(burst.peak), most_held.max(burst.held));
        let failed = burst.failed();
        let title = format!("a burst of {count} requests to {workers} workers");
        world.saw(
            EvidenceKind::Measurement,
            &title,
            &format!(
                "at most {} connections of one worker at the same time, {} requests held back at the same time, {failed} requests failed",
                burst.peak, burst.held
            ),
        );
        // Whether it takes so many at once, and whether it tracks them, is asked by other items.
        let untested = if peak > limit {
            break;
        } else if failed > 0 {
            format!("{failed} of {count} requests at once failed")
        } else if burst.held == 0 && burst.in_time == count {
            "requests are answered without a write to Redis, which could be held back".to_owned()
        } else {
            continue;
        };
        return Err(StepError::Skip(format!(
            "the pool cannot be put to the test: {untested}"
        )));
    }
    expect(
        Blame::Control,
        peak > limit,
        format!("make {count} requests at once, up to {BURSTS} times"),
        format!(
            "more than {limit} connections of one worker at the same time, or the pool's limit is not put to the test"
        ),
        format!("at most {peak}, with {most_held} requests held back at the same time"),
    )
}

/// What a burst came to.
struct Burst {
    /// The most connections that a worker had at a time.
    peak: usize,
    /// The most requests that waited for Redis at a time.
    held: usize,
    /// How many were answered while Redis surely held writes back.
    in_time: usize,
    answers: Vec<Result<Response, NoAnswer>>,
}

impl Burst {
    fn failed(&self) -> usize {
        self.answers
            .iter()
            .filter(|answer| !answer.as_ref().is_ok_and(|response| response.status < 500))
            .count()
    }
}

/// Sends requests at once while Redis holds writes back, until one worker has more connections
/// than `limit`. When more than `enough` requests wait, one has.
async fn while_held_back(
    run: &Run,
    requests: &[Request],
    limit: usize,
    enough: usize,
) -> Result<Burst, StepError> {
    run.redis.pause_writes(PAUSE_MS).await?;
    let answered = AtomicUsize::new(0);
    let send = async |request: &Request| {
        let answer = run.http.send(request).await;
        answered.fetch_add(1, Ordering::Relaxed);
        answer
    };
    let watch = async {
        let started = Instant::now();
        let (mut peak, mut held, mut in_time) = (0, 0, 0);
        while peak <= limit
            && in_time < requests.len()
            && started.elapsed() < Duration::from_millis(PAUSE_MS)
        {
            // The socket table is dear to read: not before the requests have piled up, or so
            // much time is over that something other than this machine may be what they wait for.
            held = held.max(run.redis.blocked_clients().await?);
            if held > enough || started.elapsed() > Duration::from_millis(PAUSE_MS / 4) {
                let most = connections(run).await?.values().map(Vec::len).max();
                peak = peak.max(most.unwrap_or(0));
            }
            tokio::time::sleep(POLL).await;
            // Redis's clock started earlier than this one: what came near the end is not counted.
            let so_far = answered.load(Ordering::Relaxed);
            if started.elapsed() < Duration::from_millis(PAUSE_MS / 2) {
                in_time = so_far;
            }
        }
        run.redis.unpause().await?;
        Ok::<_, StepError>((peak, held, in_time))
    };
    let (watched, answers) = tokio::join!(watch, join_all(requests.iter().map(send)));
    let (peak, held, in_time) = watched?;
    Ok(Burst {
        peak,
        held,
        in_time,
        answers,
    })
}

async fn pool_holds(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let limit = run.profile.thresholds.keepalive_per_worker;
    let started = Instant::now();
    let found = loop {
        let found = connections(&run).await?;
        if found.values().all(|sockets| sockets.len() <= limit)
            || started.elapsed() > run.deadline()
        {
            break found;
        }
        tokio::time::sleep(POLL).await;
    };
    world.saw(
        EvidenceKind::Sockets,
        "nginx's own connections to its internal port, at rest",
        &shown(&found),
    );
    let per_worker: Vec<String> = found
        .iter()
        .map(|(pid, sockets)| format!("worker {pid}: {}", sockets.len()))
        .collect();
    let total: usize = found.values().map(Vec::len).sum();
    if total > limit {
        world.saw(
            EvidenceKind::Remark,
            &format!("{total} connections in all, more than the plan's {limit}"),
            "The pool is each worker's own: several workers may keep so many each.",
        );
    }
    expect(
        Blame::Candidate,
        found.values().all(|sockets| sockets.len() <= limit),
        "count the connections of each worker when all requests are answered",
        format!("at most {limit} for each worker"),
        per_worker.join(", "),
    )
}

async fn measure(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let (blocks, count): (usize, u32) = (args.number("blocks")?, args.number("count")?);
    let path = run.profile.health.path.clone();
    let mut pair = run.stack.side_by_side().await?;
    // The first block of each is not counted: caches and branches are cold.
    for version in [Version::Baseline, Version::Candidate] {
        pair.measure(version, &path, count).await?;
    }
    let (mut baseline, mut candidate) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for block in 0..blocks {
            let order = [Version::Baseline, Version::Candidate];
            let order = if block % 2 == 0 {
                order
            } else {
                [order[1], order[0]]
            };
            for version in order {
                let durations = pair.measure(version, &path, count).await?;
                match version {
                    Version::Baseline => baseline.push(durations),
                    Version::Candidate => candidate.push(durations),
                }
            }
        }
        world.scene.comparison = Comparison::of(&baseline, &candidate);
        let thresholds = &run.profile.thresholds;
        let clear = world
            .scene
            .comparison
            .as_ref()
            .map(|found| found.slower_than(thresholds.slower_ratio, thresholds.slower_ms));
        if clear != Some(Slower::CannotTell) {
            break;
        }
    }
    Ok(())
}

async fn not_slower(world: &mut World, _: Args) -> StepResult {
    let thresholds = world.run()?.profile.thresholds.clone();
    let did = "measure the health check of both side by side";
    let Some(found) = world.scene.comparison.clone() else {
        return Err(StepError::harness(did, "durations", "nothing was measured"));
    };
    let margin = format!(
        "{:.0} % and at least {} ms",
        thresholds.slower_ratio * 100.0,
        thresholds.slower_ms
    );
    let seen = found.to_string();
    let figures = found.figures(thresholds.slower_ratio, thresholds.slower_ms);
    world.saw_more(
        EvidenceKind::Measurement,
        "GET /health, baseline -> candidate",
        &seen,
        |evidence| evidence.figures = Some(figures),
    );
    let expected = format!("not slower than the margin ({margin})");
    match found.slower_than(thresholds.slower_ratio, thresholds.slower_ms) {
        Slower::No => Ok(()),
        Slower::Yes => Err(StepError::candidate(did, expected, seen)),
        Slower::CannotTell => Err(StepError::harness(
            did,
            expected,
            format!("the noise is wider than the margin: {seen}"),
        )),
    }
}
