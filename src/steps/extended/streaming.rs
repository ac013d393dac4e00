//! A streamed answer reaches the client piece by piece. The upstream holds its next piece back
//! until the client has seen the one before: nothing depends on how fast anything is.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    doubles::litellm::hold::Progress,
    evidence::EvidenceKind,
    probe::{http::Opened, http::Request, http::Response, nonce},
    steps,
    steps::{
        run::Run,
        world::{Args, Blame, StepError, StepResult, World, expect},
    },
};

/// How often is looked whether the upstream waits.
const POLL: Duration = Duration::from_millis(1);

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
    #[must_use]
    pub fn new(opened: Opened) -> Self {
        Self {
            opened,
            bytes: Vec::new(),
            events: Vec::new(),
            over: None,
        }
    }

    /// Status and header fields.
    #[must_use]
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
pub struct Seen {
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
    ///
    /// # Errors
    /// A path in the profile that is none.
    pub fn stream_request(&self, jwt: &str, prompt: &str) -> Result<Request, StepError> {
        let mut request = self.model_request(Some(jwt), prompt, &[])?;
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
    ///
    /// # Errors
    /// A double that does not answer.
    pub async fn held_back(&self) -> Result<Progress, StepError> {
        let started = Instant::now();
        loop {
            let newest = self.upstream.streams().await?.last().copied();
            let newest = newest.unwrap_or_default();
            if newest.waiting || started.elapsed() > self.deadline() {
                return Ok(newest);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

async fn asks(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    world.scene.note = nonce();
    let jwt = world.scene.tokens.last().map(|token| token.jwt.clone());
    let request = run.stream_request(&jwt.unwrap_or_default(), &world.scene.note)?;
    run.upstream.hold(1).await?;
    let seen = rendezvous(&run, &request).await;
    run.upstream.release().await?;
    let seen = seen?;
    let head = seen.head.as_ref().map(Response::summary);
    world.saw(
        EvidenceKind::Exchange,
        &format!(
            "POST {}, streamed -> {}",
            request.url,
            head.unwrap_or_default()
        ),
        &seen.events.join("\n\n"),
    );
    world.scene.stream = Some(seen);
    Ok(())
}

async fn rendezvous(run: &Run, request: &Request) -> Result<Seen, StepError> {
    let mut seen = Seen::default();
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

fn seen(world: &World) -> Result<&Seen, StepError> {
    let none = || StepError::harness("look at a stream", "one", "the scenario asked for none");
    world.scene.stream.as_ref().ok_or_else(none)
}

fn arrived(seen: &Seen, (events, progress): (usize, Progress), wanted: usize) -> StepResult {
    let did = "ask the model for a streamed answer";
    let head = seen.head.as_ref();
    if let Some(head) = head
        && head.status != 200
    {
        return Err(StepError::candidate(did, "200", head.summary()));
    }
    // The upstream's side of the rendezvous, or nothing is shown.
    expect(
        Blame::Control,
        progress.waiting && progress.sent == wanted && progress.of > 2,
        did,
        format!("the upstream has sent {wanted} pieces and waits with the next"),
        format!("{progress:?}"),
    )?;
    expect(
        Blame::Candidate,
        events >= wanted,
        did,
        format!(
            "{wanted} of {} pieces arrive while the upstream waits with the next",
            progress.of
        ),
        match head {
            Some(_) => format!("{events} pieces: the others are held back on the way"),
            None => "not even the head of the answer".to_owned(),
        },
    )
}

async fn first(world: &mut World, _: Args) -> StepResult {
    let seen = seen(world)?;
    arrived(seen, seen.first, 1)
}

async fn most(world: &mut World, _: Args) -> StepResult {
    let seen = seen(world)?;
    arrived(seen, seen.most, seen.first.1.of.saturating_sub(1))
}

async fn ended(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let seen = seen(world)?;
    let stream = &run.profile.llm.stream;
    let data = |event: &String| -> Option<Value> {
        let line = event.lines().find_map(|line| line.strip_prefix("data:"))?;
        serde_json::from_str(line.trim()).ok()
    };
    let text: String = seen
        .events
        .iter()
        .filter_map(data)
        .filter_map(|data| Some(data.pointer(&stream.text)?.as_str()?.to_owned()))
        .collect();
    let kind = seen
        .head
        .as_ref()
        .and_then(|head| head.header("content-type"));
    let is_stream = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
    let last = seen
        .events
        .last()
        .is_some_and(|event| event.contains(&stream.end));
    let whole = seen.events.len() == seen.first.1.of && seen.over == Some(Ok(()));
    expect(
        Blame::Candidate,
        is_stream && last && whole && text.contains(&world.scene.note),
        "read a streamed answer to its end",
        format!(
            "text/event-stream, {} events, the last with {}, together a text for the prompt {}",
            seen.first.1.of, stream.end, world.scene.note
        ),
        format!(
            "{}, {} events, the last {:?}, the text {text:?}, ended {:?}",
            kind.unwrap_or("no content type"),
            seen.events.len(),
            seen.events.last(),
            seen.over
        ),
    )
}
