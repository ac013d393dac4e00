//! A streamed answer reaches the client piece by piece. The upstream holds its next piece back
//! until the client has seen the one before: nothing depends on how fast anything is.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{doubles::litellm::hold::Progress, probe::http::Opened, steps::prelude::*};

/// What parts the events of a stream.
const BLANK: &[u8] = b"\n\n";

steps! {
    /// Asks for a streamed answer with the scenario's token. The upstream holds back all but the
    /// first piece, then the last one, then nothing. Skips where the upstream is no double.
    When "^the token asks for a streamed answer, whose pieces the upstream holds back$" => asks, "stream.asked";
    /// One event had arrived when the upstream had sent one piece and waited.
    Then "^the first piece arrives before the upstream sends the second$" => first, "stream.first";
    /// All events but the last had arrived when the upstream waited with the last piece.
    Then "^all but the last arrive before the upstream sends the last$" => most, "stream.most";
    /// `text/event-stream`, every event, the text in order, and the profile's last event.
    Then "^the stream comes to its end, every piece in order$" => ended, "stream.ended";
}

/// A stream that is being read.
#[derive(Debug)]
pub struct Reader {
    opened: Opened,
    bytes: Vec<u8>,
    /// The events so far.
    pub events: Vec<String>,
    /// Why nothing more comes: the end, or an error.
    pub over: Option<Result<(), String>>,
}

impl Reader {
    /// A stream whose head is there.
    pub fn new(opened: Opened) -> Self {
        Self {
            opened,
            bytes: Vec::new(),
            events: Vec::new(),
            over: None,
        }
    }

    /// Status and header fields.
    pub fn head(&self) -> &Response {
        &self.opened.head
    }

    /// Reads until there are so many events, the stream is over, or the deadline passes.
    pub async fn read(&mut self, count: usize, deadline: Duration) {
        let started = Instant::now();
        while self.events.len() < count && self.over.is_none() {
            let left = deadline.saturating_sub(started.elapsed());
            let Ok(chunk) = tokio::time::timeout(left, self.opened.chunk()).await else {
                return;
            };
            match chunk {
                Ok(Some(bytes)) => self.take(&bytes),
                Ok(None) => self.over = Some(Ok(())),
                Err(why) => self.over = Some(Err(why)),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let end = |bytes: &[u8]| bytes.windows(2).position(|two| two == BLANK);
        while let Some(at) = end(&self.bytes) {
            let event: Vec<u8> = self.bytes.drain(..at + BLANK.len()).collect();
            self.events
                .push(String::from_utf8_lossy(&event).trim_end().to_owned());
        }
    }
}

/// What was seen of a streamed answer.
#[derive(Debug, Default)]
pub struct Stream {
    prompt: String,
    /// The head, or why there was none.
    head: Option<Response>,
    /// Events at the client, and how far the upstream was: with all but the first held back.
    first: (usize, Progress),
    /// The same with the last held back.
    most: (usize, Progress),
    events: Vec<String>,
    over: Option<Result<(), String>>,
}

impl Run {
    /// A request for a streamed answer.
    pub fn stream_request(&self, jwt: &str, prompt: &str) -> StepResult<Request> {
        let mut request = self.model_request(Some(jwt), prompt)?;
        let body = request.body.as_deref().unwrap_or_default();
        let mut body: Value = serde_json::from_str(body)
            .map_err(|error| StepError::harness("fill the profile's body", "JSON", error))?;
        for (name, value) in &self.profile.llm.stream.ask {
            body[name] = value.clone();
        }
        request.body = Some(body.to_string());
        Ok(request)
    }

    /// Waits until the upstream holds the newest stream back, or the deadline passes.
    async fn held_back(&self) -> StepResult<Progress> {
        let newest = async || -> StepResult<Progress> {
            let streams = self.upstream.streams().await?;
            Ok(streams.last().copied().unwrap_or_default())
        };
        poll(self.deadline(), newest, |newest| newest.waiting).await
    }
}

async fn asks(world: &mut World, run: &Run, _: Args) -> StepResult {
    let prompt = nonce();
    let jwt = world.tokens.last().map(|token| token.jwt.as_str());
    let request = run.stream_request(jwt.unwrap_or_default(), &prompt)?;
    run.upstream.hold(1).await?;
    let stream = rendezvous(run, &request).await;
    run.upstream.release().await?;
    let stream = Stream { prompt, ..stream? };
    let head = stream
        .head
        .as_ref()
        .map(Response::summary)
        .unwrap_or_default();
    let title = format!("POST {}, streamed -> {head}", request.url);
    world.saw(EvidenceKind::Exchange, title, stream.events.join("\n\n"));
    world.keep(stream);
    Ok(())
}

async fn rendezvous(run: &Run, request: &Request) -> StepResult<Stream> {
    let mut seen = Stream::default();
    let Ok(opened) = tokio::time::timeout(run.deadline(), run.http.open(request)).await else {
        seen.first.1 = run.held_back().await?;
        return Ok(seen);
    };
    let mut reader = Reader::new(opened?);
    seen.head = Some(reader.head().clone());
    if reader.head().status == 200 {
        reader.read(1, run.deadline()).await;
        seen.first = (reader.events.len(), run.held_back().await?);
        let last = seen.first.1.of.saturating_sub(1);
        run.upstream.hold(last).await?;
        reader.read(last, run.deadline()).await;
        seen.most = (reader.events.len(), run.held_back().await?);
    }
    run.upstream.release().await?;
    reader.read(usize::MAX, run.deadline()).await;
    seen.events = reader.events;
    seen.over = reader.over;
    Ok(seen)
}

fn arrived(stream: &Stream, (events, progress): (usize, Progress), wanted: usize) -> StepResult {
    let did = "ask the model for a streamed answer";
    let head = stream.head.as_ref();
    if let Some(head) = head {
        check(did, head.summary()).must(OK, head.status == 200)?;
    }
    // The upstream's side of the rendezvous, or nothing is shown.
    check(did, format!("{progress:?}")).control(
        format!("the upstream has sent {wanted} pieces and waits with the next"),
        progress.waiting && progress.sent == wanted && progress.of > 2,
    )?;
    let of = progress.of;
    let seen = match head {
        Some(_) => format!("{events} pieces: the others are held back on the way"),
        None => "not even the head of the answer".to_owned(),
    };
    check(did, seen).must(
        format!("{wanted} of {of} pieces arrive while the upstream waits with the next"),
        events >= wanted,
    )
}

async fn first(world: &mut World, _: &Run, _: Args) -> StepResult {
    let stream: &Stream = world.kept()?;
    arrived(stream, stream.first, 1)
}

async fn most(world: &mut World, _: &Run, _: Args) -> StepResult {
    let stream: &Stream = world.kept()?;
    arrived(stream, stream.most, stream.first.1.of.saturating_sub(1))
}

async fn ended(world: &mut World, run: &Run, _: Args) -> StepResult {
    let Stream {
        prompt,
        head,
        first: (_, Progress { of, .. }),
        events,
        over,
        ..
    } = world.kept()?;
    let profile = &run.profile.llm.stream;
    let text = |event: &String| -> Option<String> {
        let line = event.lines().find_map(|line| line.strip_prefix("data:"))?;
        let data: Value = serde_json::from_str(line.trim()).ok()?;
        Some(data.pointer(&profile.text)?.as_str()?.to_owned())
    };
    let text: String = events.iter().filter_map(text).collect();
    let kind = head.as_ref().and_then(|head| head.header("content-type"));
    let kind = kind.unwrap_or("no content type");
    let last = events.last();
    let whole = events.len() == *of && *over == Some(Ok(()));
    let holds = kind.starts_with("text/event-stream")
        && last.is_some_and(|event| event.contains(&profile.end))
        && whole
        && text.contains(prompt);
    let (count, end) = (events.len(), &profile.end);
    check(
        "read a streamed answer to its end",
        format!("{kind}, {count} events, the last {last:?}, the text {text:?}, ended {over:?}"),
    )
    .must(
        format!("text/event-stream, {of} events, the last with {end}, together a text for the prompt {prompt}"),
        holds,
    )
}
