//! The gateway reads its configuration again while requests go on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures::future::join_all;

use super::{processes::Processes, streaming::Reader};
use crate::{
    evidence::EvidenceKind,
    probe::{
        http::{Request, Response},
        log::Window,
        nonce,
    },
    stack::{Act, Instance, Output, Service, ServiceState},
    steps,
    steps::{
        phase1::health_by,
        phase3::kept_out,
        run::{Run, Sent},
        tracking::pairs_of_requests,
        world::{Args, Blame, StepError, StepResult, World, expect},
    },
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
    Then "^tracking works as before$" => still_tracked, "reload.tracked", crate::steps::tracking::CODES;
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
    async fn of(run: &'a Run, kinds: Vec<(String, Request)>) -> Result<Self, StepError> {
        let mut usual = BTreeMap::new();
        for (kind, request) in &kinds {
            let answer = run.http.send(&fresh(request)).await?;
            if kept_out(run, &answer).is_some() {
                let seen = answer.summary();
                return Err(StepError::Skip(format!(
                    "requests are not served before a reload: {kind}: {seen}"
                )));
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
    let query = format!("{}={}", crate::probe::NONCE, nonce());
    request.url.set_query(Some(&query));
    request
}

fn kinds(world: &World, run: &Run) -> Result<Vec<(String, Request)>, StepError> {
    let session = world.scene.session.as_ref();
    let mut kinds = Vec::new();
    for (name, context) in &run.profile.contexts {
        let (url, _) = run.page(&context.path)?;
        let cookies = session.and_then(|session| session.browser.cookies(&url));
        let request = Request::get(url).header("cookie", &cookies.unwrap_or_default());
        kinds.push((format!("the context {name}"), request));
    }
    let jwt = world.scene.tokens.last().map(|token| token.jwt.clone());
    let request = run.model_request(jwt.as_deref(), &nonce(), &[])?;
    kinds.push(("the token".to_owned(), request));
    Ok(kinds)
}

async fn reloaded(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let count: usize = args.number("count")?;
    run.stack.may(Act::Reload).await?;
    run.stack.may(Act::Load).await?;
    let traffic = Traffic::of(&run, kinds(world, &run)?).await?;
    let stream = hold_open(world, &run).await?;
    // An old worker closes the connections to it that another one keeps. nginx asks again over
    // a new one, and says so at error.
    let reload = under(&traffic, count);
    let seen = run
        .in_trouble("the gateway was reloaded", "upstream", reload)
        .await;
    let stream = let_go(&run, stream).await?;
    let (output, before, after, wrong) = seen?;
    let count = traffic.answered.load(Ordering::Relaxed);
    world.saw(
        EvidenceKind::Measurement,
        &format!("a reload under {count} requests"),
        &format!("before: {before}\nafter: {after}\n{}", wrong.join("\n")),
    );
    world.scene.reload = Some(Reload {
        output,
        before,
        after,
        count,
        wrong,
        stream,
    });
    Ok(())
}

/// Begins a streamed answer whose second piece the upstream holds back; `None` where it is no
/// double, or nothing of the answer comes in time, which is another check's to judge.
async fn hold_open(world: &World, run: &Run) -> Result<Option<Reader>, StepError> {
    if !run.upstream.is_kept() {
        return Ok(None);
    }
    let jwt = world.scene.tokens.last().map(|token| token.jwt.clone());
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
async fn let_go(run: &Run, reader: Option<Reader>) -> Result<Option<Stream>, StepError> {
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

type Seen = (Output, ServiceState, ServiceState, Vec<String>);

/// Reloads the gateway under traffic: a third before, a third at least when new workers run, and
/// so many in all.
async fn under(traffic: &Traffic<'_>, count: usize) -> Result<Seen, StepError> {
    let (run, third) = (traffic.run, count.div_ceil(3));
    let control = async {
        let seen = async {
            let before = run.stack.state(Service::Gateway).await?;
            traffic.more(third).await;
            let output = run.stack.gateway_exec(&["-s", "reload"]).await?;
            let started = Instant::now();
            let limit = Duration::from_millis(run.profile.thresholds.rough.recovery_ms);
            let after = loop {
                // nginx starts new workers first and retires the old ones a little later: in
                // between both accept.
                let now = Processes::of(run).await?.serving;
                let old = |worker: &Instance| before.workers.contains(worker);
                let taken = fresh_workers(&before, &now) && !now.workers.iter().any(old);
                if taken || started.elapsed() > limit {
                    break now;
                }
                tokio::time::sleep(POLL).await;
            };
            let answered = traffic.answered.load(Ordering::Relaxed);
            traffic
                .more(third.max(count.saturating_sub(answered)))
                .await;
            Ok::<_, StepError>((output, before, after))
        };
        let seen = seen.await;
        traffic.over.store(true, Ordering::Relaxed);
        seen
    };
    let (seen, wrong) = tokio::join!(
        control,
        join_all((0..CLIENTS).map(|client| traffic.client(client)))
    );
    let (output, before, after) = seen?;
    Ok((output, before, after, wrong.concat()))
}

/// Whether as many new workers run as there were old ones.
fn fresh_workers(before: &ServiceState, now: &ServiceState) -> bool {
    let new = |one: &&Instance| !before.workers.contains(one);
    now.workers.iter().filter(new).count() >= before.workers.len().max(1)
}

fn seen(world: &World) -> Result<&Reload, StepError> {
    let none = || StepError::harness("look at a reload", "one", "the scenario made none");
    world.scene.reload.as_ref().ok_or_else(none)
}

async fn none_lost(world: &mut World, _: Args) -> StepResult {
    let seen = seen(world)?;
    let shown: Vec<&str> = seen.wrong.iter().take(5).map(String::as_str).collect();
    expect(
        Blame::Candidate,
        seen.count > 0 && seen.wrong.is_empty(),
        format!(
            "send {} requests before, during and after a reload",
            seen.count
        ),
        "each is answered as before",
        format!("{} are not: {}", seen.wrong.len(), shown.join("\n")),
    )
}

async fn stream_ended(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let Some((events, pieces, over)) = &seen(world)?.stream else {
        let why = "The upstream is no double, or nothing of the answer came in time.";
        world.saw(
            EvidenceKind::Remark,
            "no stream went through the reload",
            why,
        );
        return Ok(());
    };
    let end = &run.profile.llm.stream.end;
    let ended = events.last().is_some_and(|event| event.contains(end));
    expect(
        Blame::Candidate,
        ended && events.len() == *pieces && *over == Some(Ok(())),
        "read a streamed answer on through a reload",
        format!("{pieces} events, the last with {end}"),
        format!("{} events, ended {over:?}", events.len()),
    )
}

async fn new_workers(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let Reload {
        output,
        before,
        after,
        ..
    } = seen(world)?;
    let did = "reload the gateway";
    expect(
        Blame::Candidate,
        output.code == Some(0),
        did,
        "exit status 0",
        format!("{:?}: {}", output.code, output.text),
    )?;
    expect(
        Blame::Candidate,
        after.main == before.main && fresh_workers(before, after),
        did,
        format!("the same master, and new workers in place of {before}"),
        after,
    )?;
    let old: BTreeSet<u32> = before.workers.iter().map(|worker| worker.pid).collect();
    let (pids, _) = health_by(&run, CONNECTIONS).await?;
    expect(
        Blame::Candidate,
        pids.iter()
            .all(|pid| pid.is_some_and(|pid| !old.contains(&pid))),
        "look up which process accepts connections after a reload",
        format!("none of the old workers {old:?}"),
        format!("{pids:?}"),
    )?;
    let now = run.stack.state(Service::Gateway).await?;
    let left: Vec<u32> = { now.workers.iter() }
        .map(|worker| worker.pid)
        .filter(|pid| old.contains(pid))
        .collect();
    if !left.is_empty() {
        let title = "old workers still answer what they were asked before the reload";
        world.saw(EvidenceKind::Remark, title, &format!("{left:?}"));
    }
    Ok(())
}

async fn still_tracked(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let window = Window::open(&*run.stack, Service::Gateway).await?;
    let mut sent = Vec::new();
    let email = world.session()?.email.clone();
    for (name, context) in &run.profile.contexts {
        let (url, nonce) = run.page(&context.path)?;
        let hop = world.session()?.browser.send(Request::get(url)).await?;
        served(&run, name, &hop.response)?;
        sent.push(Sent {
            nonce,
            email: email.clone(),
            context: name.clone(),
        });
    }
    let did = format!("make {} requests after the reload", sent.len());
    pairs_of_requests(world, &run, &window, &sent, &did).await
}

fn served(run: &Run, context: &str, answer: &Response) -> StepResult {
    expect(
        Blame::Candidate,
        kept_out(run, answer).is_none(),
        format!("ask for the context {context} after a reload"),
        "an answer of what is behind it",
        answer,
    )
}
