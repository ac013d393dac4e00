//! Connections to the internal port are kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures::future::join_all;

use super::prelude::*;
use crate::{probe::http::NoAnswer, stack::Socket};

/// The most requests of a burst, whatever the number of workers.
const BURST_LIMIT: usize = 1024;

/// How long Redis holds writes back at most, so that a burst piles up, in milliseconds.
const PAUSE_MS: u64 = 2_000;

/// How many bursts are made at most until one has piled up: a gateway waits for Redis only so
/// long, and on a busy machine the first requests have given up before the last ones are there.
const BURSTS: usize = 4;

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
}

/// Connections that nginx's workers made to the internal port, by worker.
async fn connections(run: &Run) -> StepResult<BTreeMap<u32, Vec<Socket>>> {
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
    lines(connections.values().flatten())
}

/// The local ports of connections.
struct Ports(Vec<u16>);

impl Ports {
    fn of(connections: &BTreeMap<u32, Vec<Socket>>) -> Self {
        let sockets = connections.values().flatten();
        Self(sockets.map(|socket| socket.local.port()).collect())
    }
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

/// Where nginx's side of a connection to the internal port, or the other's, waits for its end.
async fn closed(run: &Run) -> StepResult<BTreeSet<(SocketAddr, SocketAddr)>> {
    let port = run.stack.internal().port();
    let sockets = run.stack.sockets(Service::Gateway).await?.into_iter();
    let closed = sockets.filter(|socket| socket.state == "TIME_WAIT");
    let there = closed.filter(|one| one.remote.port() == port || one.local.port() == port);
    Ok(there.map(|socket| (socket.local, socket.remote)).collect())
}

/// The connections that were closed before the requests.
struct Closed(BTreeSet<(SocketAddr, SocketAddr)>);

async fn one_after_another(world: &mut World, run: &Run, args: Args) -> StepResult {
    if run.profile.thresholds.keepalive_per_worker == 0 {
        return skip("as the profile says, the gateway makes no connection to its internal port");
    }
    world.keep(Closed(closed(run).await?));
    for _ in 0..args.number::<u32>("count")? {
        let (url, _) = run.page(&tracked_path(run))?;
        let hop = world.browser()?.send(Request::get(url)).await?;
        if matches!(hop.response.status, 301..=303 | 401 | 403 | 500..) {
            let seen = hop.response.summary();
            return lacks(format!("requests in a session are not let in: {seen}"));
        }
    }
    Ok(())
}

async fn count_connections(world: &mut World, run: &Run, _: Args) -> StepResult {
    let found = connections(run).await?;
    let title = "nginx's own connections to its internal port, after the requests";
    world.saw(EvidenceKind::Sockets, title, shown(&found));
    world.keep(Ports::of(&found));
    let Closed(before) = world.kept()?;
    let seen = match closed(run).await?.is_subset(before) {
        true => "none: the requests made no connection to it",
        false => "none: the connection is closed after each request",
    };
    let did = "look for nginx's own connections to its internal port after sequential requests";
    check(did, seen).must("at least one ESTABLISHED", !found.is_empty())
}

async fn kept_open(world: &mut World, run: &Run, _: Args) -> StepResult {
    let found = connections(run).await?;
    let title = "the same after further requests";
    world.saw(EvidenceKind::Sockets, title, shown(&found));
    let Ports(before) = world.kept()?;
    let Ports(now) = Ports::of(&found);
    check("look again after further requests", format!("{now:?}")).must(
        format!("one of the local ports {before:?}"),
        now.iter().any(|port| before.contains(port)),
    )
}

async fn burst(world: &mut World, run: &Run, _: Args) -> StepResult {
    let state = run.stack.state(Service::Gateway).await?;
    let workers = state.workers.len().max(1);
    let limit = run.profile.thresholds.keepalive_per_worker;
    // When more than this wait, some worker has more than its pool may keep, however they are
    // spread. Half as many again are sent, since they are never all there at the same time.
    let enough = workers * limit;
    let count = (enough + enough / 2 + workers).min(BURST_LIMIT);
    let session = world.session()?.copy();
    let mut requests = Vec::new();
    for _ in 0..count {
        let (url, _) = run.page(&tracked_path(run))?;
        requests.push(run.get_with_cookies(&session.browser, url));
    }
    run.stack.may(Act::Load).await?;
    let (mut peak, mut most_held) = (0, 0);
    for _ in 0..BURSTS {
        // Reads pass, so every request gets as far as being tracked; there it waits.
        let burst = while_held_back(run, &requests, limit, enough);
        let what = "writes to Redis were held back";
        let burst = run.with_fault(what, "", burst).await?;
        (peak, most_held) = (peak.max(burst.peak), most_held.max(burst.held));
        let failed = burst.failed();
        world.saw(
            EvidenceKind::Measurement,
            format!("a burst of {count} requests to {workers} workers"),
            format!(
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
        return skip(format!("the pool cannot be put to the test: {untested}"));
    }
    check(
        format!("make {count} requests at once, up to {BURSTS} times"),
        format!("at most {peak}, with {most_held} requests held back at the same time"),
    )
    .control(
        format!("more than {limit} connections of one worker at the same time, or the pool's limit is not put to the test"),
        peak > limit,
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
) -> StepResult<Burst> {
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

async fn pool_holds(world: &mut World, run: &Run, _: Args) -> StepResult {
    let limit = run.profile.thresholds.keepalive_per_worker;
    let holds =
        |found: &BTreeMap<u32, Vec<Socket>>| found.values().all(|sockets| sockets.len() <= limit);
    let found = poll(run.deadline(), async || connections(run).await, holds).await?;
    let title = "nginx's own connections to its internal port, at rest";
    world.saw(EvidenceKind::Sockets, title, shown(&found));
    let total: usize = found.values().map(Vec::len).sum();
    if total > limit {
        world.remark(
            format!("{total} connections in all, more than the plan's {limit}"),
            "The pool is each worker's own: several workers may keep so many each.",
        );
    }
    let per_worker = found.iter();
    let per_worker = per_worker.map(|(pid, sockets)| format!("worker {pid}: {}", sockets.len()));
    let per_worker: Vec<String> = per_worker.collect();
    let did = "count the connections of each worker when all requests are answered";
    check(did, per_worker.join(", "))
        .must(format!("at most {limit} for each worker"), holds(&found))
}
