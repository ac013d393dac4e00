//! Requests as large and as slow as users' are, and some beyond every limit.

use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::{
    probe::http::{Connection, target_of},
    steps::prelude::*,
};

/// How many pieces of one byte a slow client's head begins with.
const SLOW_BYTES: usize = 20;

/// How many pieces a slow client's body comes in.
const SLOW_PIECES: usize = 8;

steps! {
    /// At once: a session with a cookie and a token with a header of the profile's length, a
    /// prompt of the profile's length, a body that comes in pieces and a head that comes byte by
    /// byte over the profile's time.
    When "^requests come that are as large and as slow as users' are$" => large_and_slow, "size.sent";
    /// None was refused, sent to the login or failed, and the large prompt's end was answered.
    Then "^each of them is served$" => all_served, "size.served";
    /// A header field and bodies beyond every limit, one after another, an ordinary request
    /// behind each.
    When "^requests come that are beyond every limit$" => beyond, "size.beyond-sent";
    /// 400, 413, 414 or 431 within the profile's time, and the ordinary request behind it is served.
    Then "^each of them is refused with 400, 413, 414 or 431, and the next request is served$" => all_refused, "size.refused";
}

/// What came of a request.
#[derive(Debug)]
struct SizeResult {
    what: String,
    /// What of it is large or slow.
    part: Part,
    /// The answer, or why there was none.
    answer: Result<Response, String>,
    took: Duration,
    /// What the answer must hold.
    holds: String,
    /// What the next, ordinary request was answered, where one was sent.
    next: Option<Result<Response, String>>,
}

/// What came of the requests of the last step.
struct Results(Vec<SizeResult>);

impl SizeResult {
    fn summary(&self) -> String {
        let text = |answer: &Result<Response, String>| match answer {
            Ok(answer) => answer.summary(),
            Err(why) => why.clone(),
        };
        let next = self.next.as_ref();
        let next = next.map(|next| format!("; the next request: {}", text(next)));
        format!(
            "{}: {} ({} ms){}",
            self.what,
            text(&self.answer),
            self.took.as_millis(),
            next.unwrap_or_default()
        )
    }
}

/// A part of a request that is large or slow.
#[derive(Clone, Copy, Debug)]
enum Part {
    Header,
    Body,
    Time,
}

impl Part {
    /// Its name as a fact.
    fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Body => "body",
            Self::Time => "time",
        }
    }
}

/// A request as it is to be sent.
struct SizedRequest {
    what: String,
    part: Part,
    request: Request,
    way: Way,
    holds: String,
}

/// How it is sent.
enum Way {
    /// At once.
    AtOnce,
    /// By hand: an answer before the request's end is heard.
    ByHand,
    /// By hand, in pieces: so many bytes of the head one by one, the body in so many pieces.
    Slowly { bytes: usize, pieces: usize },
    /// By hand, and its body is announced with this length and does not come.
    Announced(u64),
}

impl SizedRequest {
    fn new(part: Part, what: String, request: Request, way: Way) -> Self {
        Self {
            what,
            part,
            request,
            way,
            holds: String::new(),
        }
    }
}

fn in_session(world: &World, run: &Run, path: &str) -> StepResult<Request> {
    let (url, _) = run.page(path)?;
    let session = world.session.as_ref();
    let session = session.ok_or_else(|| StepError::missing("a session"))?;
    Ok(run.get_with_cookies(&session.browser, url))
}

fn with_token(world: &World, run: &Run, prompt: &str) -> StepResult<Request> {
    let token = world.newest_token()?;
    run.model_request(Some(&token.jwt), prompt)
}

/// The bytes of a request that asks the server to close.
fn bytes_of(request: &Request, announced: Option<u64>) -> (Vec<u8>, Vec<u8>) {
    let url = &request.url;
    let target = target_of(url);
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let body = request.body.clone().unwrap_or_default().into_bytes();
    let mut head = format!("{} {target} HTTP/1.1\r\nHost: {host}\r\n", request.method);
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let length = announced.or((!body.is_empty()).then_some(body.len() as u64));
    if let Some(length) = length {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    head.push_str("Connection: close\r\n\r\n");
    (head.into_bytes(), body)
}

async fn by_hand(
    run: &Run,
    request: &Request,
    way: &Way,
    limit: Duration,
) -> Result<Response, String> {
    let announced = match way {
        Way::Announced(length) => Some(*length),
        _ => None,
    };
    let (head, body) = bytes_of(request, announced);
    let (single, body_pieces) = match way {
        Way::Slowly { bytes, pieces } => ((*bytes).min(head.len()), *pieces),
        _ => (0, 1),
    };
    let body: &[u8] = if announced.is_some() { &[] } else { &body };
    let (one_by_one, rest) = head.split_at(single);
    let mut pieces: Vec<&[u8]> = one_by_one.chunks(1).collect();
    pieces.push(rest);
    pieces.extend(body.chunks(body.len().div_ceil(body_pieces.max(1)).max(1)));
    let slow = Duration::from_millis(run.profile.thresholds.rough.slow_ms);
    let pause = match way {
        Way::Slowly { .. } => slow / u32::try_from(pieces.len()).unwrap_or(1),
        _ => Duration::ZERO,
    };
    let address = run.http.address(&request.url);
    let address = address.ok_or("the host is no part of the stack")?;
    let connection = Connection::open(address).await;
    let connection = connection.map_err(|error| error.to_string())?;
    let answer = connection.slowly(&pieces, pause, limit).await;
    let answer = answer.map_err(|error| format!("no answer: {error}"))?;
    let target = target_of(&request.url);
    run.http.note(&request.method, target, answer.status);
    Ok(answer)
}

async fn send(run: &Run, sized: SizedRequest) -> SizeResult {
    let limit = Duration::from_millis(run.profile.thresholds.rough.answer_ms);
    let started = Instant::now();
    let answer = match sized.way {
        Way::AtOnce => {
            let answer = run.http.send(&sized.request).await;
            answer.map_err(|error| error.to_string())
        }
        way => by_hand(run, &sized.request, &way, limit).await,
    };
    SizeResult {
        what: sized.what,
        part: sized.part,
        answer,
        took: started.elapsed(),
        holds: sized.holds,
        next: None,
    }
}

fn keep(world: &mut World, title: &str, results: Vec<SizeResult>) {
    let summary = lines(results.iter().map(SizeResult::summary));
    world.saw(EvidenceKind::Exchange, title, summary);
    world.keep(Results(results));
}

async fn large_and_slow(world: &mut World, run: &Run, _: Args) -> StepResult {
    run.stack.may(Act::Load).await?;
    let rough = &run.profile.thresholds.rough;
    let long = "x".repeat(rough.header_bytes);
    let mut cookie = in_session(world, run, run.profile.home())?;
    if let Some((_, value)) = cookie.headers.last_mut() {
        value.push_str(&format!("; other={long}"));
    }
    let (length, slow) = (long.len(), rough.slow_ms);
    let (bytes, pieces) = (SLOW_BYTES, SLOW_PIECES);
    let mut all = vec![
        SizedRequest::new(
            Part::Header,
            format!("a cookie of {length} bytes beside the session's"),
            cookie,
            Way::AtOnce,
        ),
        SizedRequest::new(
            Part::Header,
            format!("a token with a header field of {length} bytes"),
            with_token(world, run, &nonce())?.header("x-verify-long", &long),
            Way::AtOnce,
        ),
        SizedRequest::new(
            Part::Time,
            format!("a head that takes {slow} ms"),
            in_session(world, run, run.profile.home())?,
            Way::Slowly { bytes, pieces: 1 },
        ),
        SizedRequest::new(
            Part::Time,
            format!("a prompt in {pieces} pieces in {slow} ms"),
            with_token(world, run, &nonce())?,
            Way::Slowly { bytes: 0, pieces },
        ),
    ];
    if run.upstream.is_kept() {
        let end = nonce();
        let prompt = format!("{} {end}", "words ".repeat(rough.body_bytes / 6));
        let what = format!("a prompt of {} bytes", prompt.len());
        let request = with_token(world, run, &prompt)?;
        all.push(SizedRequest {
            holds: end,
            ..SizedRequest::new(Part::Body, what, request, Way::AtOnce)
        });
    } else {
        let why = "The upstream is no double: a model would be paid for reading it.";
        world.remark("no large prompt was sent", why);
    }
    let results = join_all(all.into_iter().map(|sized| send(run, sized))).await;
    keep(world, "large and slow requests", results);
    Ok(())
}

/// Each of the last results must be right.
fn each_must(
    world: &World,
    did: &str,
    expected: &str,
    right: impl Fn(&SizeResult) -> bool,
) -> StepResult {
    let Results(results) = world.kept()?;
    let wrong: Vec<&SizeResult> = results.iter().filter(|one| !right(one)).collect();
    let parts: Vec<&str> = wrong.iter().map(|one| one.part.name()).collect();
    let answers = wrong.iter().filter_map(|one| one.answer.as_ref().ok());
    let seen = Seen::from(lines(wrong.iter().map(|one| one.summary())))
        .fact("parts", parts.join(" "))
        .worst(answers);
    check(did, seen).must(expected, !results.is_empty() && wrong.is_empty())
}

async fn all_served(world: &mut World, run: &Run, _: Args) -> StepResult {
    let served = |one: &SizeResult| {
        one.answer.as_ref().is_ok_and(|answer| {
            run.kept_out(answer).is_none()
                && (answer.status < 400 || answer.status == 404)
                && answer.body.contains(&one.holds)
        })
    };
    let did = "send requests as large and as slow as users' are";
    each_must(world, did, "each is served", served)
}

async fn beyond(world: &mut World, run: &Run, _: Args) -> StepResult {
    let rough = &run.profile.thresholds.rough;
    let long = "x".repeat(rough.header_limit_bytes);
    let length = rough.body_limit_bytes;
    let mut posted = in_session(world, run, run.profile.home())?;
    posted.method = "POST".to_owned();
    let all = [
        SizedRequest::new(
            Part::Header,
            format!("a header field of {} bytes", long.len()),
            in_session(world, run, run.profile.home())?.header("x-verify-long", &long),
            Way::ByHand,
        ),
        SizedRequest::new(
            Part::Body,
            format!("a session's body of {length} bytes"),
            posted,
            Way::Announced(length),
        ),
        SizedRequest::new(
            Part::Body,
            format!("a token's body of {length} bytes"),
            with_token(world, run, &nonce())?,
            Way::Announced(length),
        ),
    ];
    let mut results = Vec::new();
    for sized in all {
        let mut one = send(run, sized).await;
        let next = run
            .http
            .send(&in_session(world, run, run.profile.home())?)
            .await;
        one.next = Some(next.map_err(|error| error.to_string()));
        results.push(one);
    }
    keep(world, "requests beyond every limit", results);
    Ok(())
}

async fn all_refused(world: &mut World, run: &Run, _: Args) -> StepResult {
    let limit = run.profile.thresholds.rough.answer_ms;
    let refused = |one: &SizeResult| {
        let status = one.answer.as_ref().ok().map(|answer| answer.status);
        let next = one.next.as_ref().and_then(|next| next.as_ref().ok());
        matches!(status, Some(400 | 413 | 414 | 431))
            && one.took <= Duration::from_millis(limit)
            && next.is_some_and(|next| run.kept_out(next).is_none())
    };
    let expected =
        format!("400, 413, 414 or 431 within {limit} ms, and the next request is served");
    each_must(
        world,
        "send requests beyond every limit",
        &expected,
        refused,
    )
}
