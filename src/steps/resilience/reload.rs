//! The gateway reads its configuration again while requests go on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use futures::future::join_all;

use super::{processes::Processes, streaming::Reader};
use crate::{
    stack::{Instance, Output, ServiceState},
    steps::{health::Health, log::pairs::pairs_of_requests, prelude::*},
};

/// How many clients send requests, each one after another.
const CLIENTS: usize = 4;

/// How often the gateway's processes are looked at.
const POLL: Duration = Duration::from_millis(2);

/// How many connections show who answers after the reload.
const CONNECTIONS: usize = 8;

steps! {
    /// Clients send so many requests at least, in turn over every context and the token. After a
    /// third of them `-s reload`, and on until new workers run and a third more are answered.
    /// A streamed answer that began before is held open until then, where the upstream is a double.
    When "^the gateway is reloaded under (?P<count>[0-9]+) requests, with a streamed answer held open$" => reloaded, "reload.sent";
    /// Each has the status that its kind had before.
    Then "^every request is answered as it is without a reload$" => none_lost, "reload.requests";
    /// Its events are all there, the profile's last among them.
    Then "^the streamed answer comes to its end, though its worker is an old one$" => stream_ended, "reload.stream";
    /// The reload was taken: the master is the same, workers are new, and none but they accept
    /// connections. Old workers that still drain are a remark.
    Then "^new workers of the same master answer$" => new_workers, "reload.workers";
    /// One request in every context has exactly one pair, as in 3.6.
    Then "^tracking works as before$" => still_tracked, "reload.tracked", crate::steps::log::pairs::CODES;
}

/// What was seen of a reload.
#[derive(Debug)]
pub struct Reload {
    output: Output,
    before: ServiceState,
    after: ServiceState,
    count: usize,
    wrong: Vec<String>,
    /// The streamed answer; `None` where none was held open.
    stream: Option<Stream>,
}

/// Requests that go on while something happens.
struct Traffic<'a> {
    run: &'a Run,
    kinds: Vec<(String, Request)>,
    /// The status of each kind without a reload.
    usual: BTreeMap<String, u16>,
    answered: AtomicUsize,
    over: AtomicBool,
}

impl<'a> Traffic<'a> {
    /// Requests of these kinds, each sent once to see how it is answered.
    async fn of(run: &'a Run, kinds: Vec<(String, Request)>) -> StepResult<Self> {
        let mut usual = BTreeMap::new();
        for (kind, request) in &kinds {
            let answer = run.http.send(&fresh(request)).await?;
            if run.kept_out(&answer).is_some() {
                let seen = answer.summary();
                return lacks(format!(
                    "requests are not served before a reload: {kind}: {seen}"
                ));
            }
            usual.insert(kind.clone(), answer.status);
        }
        Ok(Self {
            run,
            kinds,
            usual,
            answered: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        })
    }

    /// One client: a request after another, until it is over. What was not answered as usual.
    async fn client(&self, first: usize) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut turn = first;
        while !self.over.load(Ordering::Relaxed) {
            let Some((kind, request)) = self.kinds.get(turn % self.kinds.len().max(1)) else {
                break;
            };
            turn += 1;
            let answer = self.run.http.send(&fresh(request)).await;
            let usual = self.usual.get(kind).copied();
            match answer {
                Ok(answer) if Some(answer.status) == usual => {}
                Ok(answer) => wrong.push(format!("{kind}: {}", answer.summary())),
                Err(error) => wrong.push(format!("{kind}: {error}")),
            }
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        wrong
    }

    /// Waits until so many more requests are answered.
    async fn more(&self, count: usize) {
        let from = self.answered.load(Ordering::Relaxed);
        while self.answered.load(Ordering::Relaxed) < from + count {
            tokio::time::sleep(POLL).await;
        }
    }
}

/// The same request with another nonce.
fn fresh(request: &Request) -> Request {
    let mut request = request.clone();
    let query = format!("{NONCE}={}", nonce());
    request.url.set_query(Some(&query));
    request
}

fn kinds(world: &World, run: &Run) -> StepResult<Vec<(String, Request)>> {
    let session = world.session.as_ref();
    let mut kinds = Vec::new();
    for (name, context) in &run.profile.contexts {
        let (url, _) = run.page(&context.path)?;
        let cookies = session.and_then(|session| session.browser.cookies(&url));
        let request = Request::get(url).header("cookie", &cookies.unwrap_or_default());
        kinds.push((format!("the context {name}"), request));
    }
    let jwt = world.tokens.last().map(|token| token.jwt.clone());
    let request = run.model_request(jwt.as_deref(), &nonce())?;
    kinds.push(("the token".to_owned(), request));
    Ok(kinds)
}

async fn reloaded(world: &mut World, run: &Run, args: Args) -> StepResult {
    let count: usize = args.number("count")?;
    run.stack.may(Act::Reload).await?;
    run.stack.may(Act::Load).await?;
    let traffic = Traffic::of(run, kinds(world, run)?).await?;
    let stream = hold_open(world, run).await?;
    // An old worker closes the connections to it that another one keeps. nginx asks again over
    // a new one, and says so at error.
    let reload = under(&traffic, count);
    let seen = run
        .with_fault("the gateway was reloaded", "upstream", reload)
        .await;
    let stream = let_go(run, stream).await?;
    let reload = Reload { stream, ..seen? };
    let title = format!("a reload under {} requests", reload.count);
    let (before, after) = (&reload.before, &reload.after);
    let seen = format!("before: {before}\nafter: {after}\n{}", lines(&reload.wrong));
    world.saw(EvidenceKind::Measurement, title, seen);
    world.keep(reload);
    Ok(())
}

/// Begins a streamed answer whose second piece the upstream holds back; `None` where it is no
/// double, or nothing of the answer comes in time, which is another check's to judge.
async fn hold_open(world: &World, run: &Run) -> StepResult<Option<Reader>> {
    if !run.upstream.is_kept() {
        return Ok(None);
    }
    let jwt = world.tokens.last().map(|token| token.jwt.clone());
    let request = run.stream_request(&jwt.unwrap_or_default(), &nonce())?;
    run.upstream.hold(1).await?;
    match tokio::time::timeout(run.deadline(), run.http.open(&request)).await {
        Ok(Ok(opened)) if opened.head.status == 200 => Ok(Some(Reader::new(opened))),
        Ok(Err(error)) => {
            run.upstream.release().await?;
            Err(error.into())
        }
        _ => Ok(None),
    }
}

/// Has the upstream send the rest of the streamed answer, and reads it.
async fn let_go(run: &Run, reader: Option<Reader>) -> StepResult<Option<Stream>> {
    if !run.upstream.is_kept() {
        return Ok(None);
    }
    let pieces = run.upstream.streams().await?.last().map_or(0, |one| one.of);
    run.upstream.release().await?;
    let Some(mut reader) = reader else {
        return Ok(None);
    };
    reader.read(usize::MAX, run.deadline()).await;
    Ok(Some((reader.events, pieces, reader.over)))
}

/// Events, how many there are to be, and how they ended.
type Stream = (Vec<String>, usize, Option<Result<(), String>>);

/// Reloads the gateway under traffic: a third before, a third at least when new workers run, and
/// so many in all.
async fn under(traffic: &Traffic<'_>, count: usize) -> StepResult<Reload> {
    let (run, third) = (traffic.run, count.div_ceil(3));
    let reload = async {
        let before = run.stack.state(Service::Gateway).await?;
        traffic.more(third).await;
        let output = run.stack.gateway_exec(&["-s", "reload"]).await?;
        let limit = Duration::from_millis(run.profile.thresholds.rough.recovery_ms);
        // nginx starts new workers first and retires the old ones a little later: in between
        // both accept.
        let old = |worker: &Instance| before.workers.contains(worker);
        let taken = |now: &Processes| {
            fresh_workers(&before, &now.serving) && !now.serving.workers.iter().any(old)
        };
        let after = poll(limit, async || Processes::of(run).await, taken).await?;
        let answered = traffic.answered.load(Ordering::Relaxed);
        traffic
            .more(third.max(count.saturating_sub(answered)))
            .await;
        Ok::<_, StepError>((output, before, after.serving))
    };
    let control = async {
        let seen = reload.await;
        traffic.over.store(true, Ordering::Relaxed);
        seen
    };
    let clients = join_all((0..CLIENTS).map(|client| traffic.client(client)));
    let (seen, wrong) = tokio::join!(control, clients);
    let (output, before, after) = seen?;
    Ok(Reload {
        output,
        before,
        after,
        count: traffic.answered.load(Ordering::Relaxed),
        wrong: wrong.concat(),
        stream: None,
    })
}

/// Whether as many new workers run as there were old ones.
fn fresh_workers(before: &ServiceState, now: &ServiceState) -> bool {
    let new = |one: &&Instance| !before.workers.contains(one);
    now.workers.iter().filter(new).count() >= before.workers.len().max(1)
}

async fn none_lost(world: &mut World, _: &Run, _: Args) -> StepResult {
    let Reload { count, wrong, .. } = world.kept()?;
    let shown = lines(wrong.iter().take(5));
    check(
        format!("send {count} requests before, during and after a reload"),
        format!("{} are not: {shown}", wrong.len()),
    )
    .must("each is answered as before", *count > 0 && wrong.is_empty())
}

async fn stream_ended(world: &mut World, run: &Run, _: Args) -> StepResult {
    let Reload { stream, .. } = world.kept()?;
    let Some((events, pieces, over)) = stream else {
        let why = "The upstream is no double, or nothing of the answer came in time.";
        world.remark("no stream went through the reload", why);
        return Ok(());
    };
    let end = &run.profile.llm.stream.end;
    let ended = events.last().is_some_and(|event| event.contains(end));
    let count = events.len();
    let seen = format!("{count} events, ended {over:?}");
    check("read a streamed answer on through a reload", seen).must(
        format!("{pieces} events, the last with {end}"),
        ended && count == *pieces && *over == Some(Ok(())),
    )
}

async fn new_workers(world: &mut World, run: &Run, _: Args) -> StepResult {
    let Reload {
        output: Output { code, text },
        before,
        after,
        ..
    } = world.kept()?;
    let did = "reload the gateway";
    check(did, format!("{code:?}: {text}")).must("exit status 0", *code == Some(0))?;
    check(did, after).must(
        format!("the same master, and new workers in place of {before}"),
        after.main == before.main && fresh_workers(before, after),
    )?;
    let old: BTreeSet<u32> = before.workers.iter().map(|worker| worker.pid).collect();
    let Health { pids, .. } = Health::ask(run, CONNECTIONS).await?;
    let is_new = |pid: &Option<u32>| pid.is_some_and(|pid| !old.contains(&pid));
    let did = "look up which process accepts connections after a reload";
    check(did, format!("{pids:?}")).must(
        format!("none of the old workers {old:?}"),
        pids.iter().all(is_new),
    )?;
    let now = run.stack.state(Service::Gateway).await?;
    let mut left: Vec<u32> = now.workers.iter().map(|worker| worker.pid).collect();
    left.retain(|pid| old.contains(pid));
    if !left.is_empty() {
        let title = "old workers still answer what they were asked before the reload";
        world.remark(title, format!("{left:?}"));
    }
    Ok(())
}

async fn still_tracked(world: &mut World, run: &Run, _: Args) -> StepResult {
    let window = run.log_from_here().await?;
    let mut sent = Vec::new();
    let session = world.session()?;
    for (name, context) in &run.profile.contexts {
        let (url, nonce) = run.page(&context.path)?;
        let hop = session.browser.send(Request::get(url)).await?;
        check(format!("ask for the context {name} after a reload"), &hop).must(
            "a response from the backend",
            run.kept_out(&hop.response).is_none(),
        )?;
        sent.push(Sent::new(nonce, &session.email, name));
    }
    let did = format!("make {} requests after the reload", sent.len());
    pairs_of_requests(world, run, &window, &sent, &did).await
}
