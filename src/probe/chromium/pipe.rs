//! The DevTools protocol over a pipe: JSON messages with a zero byte after each. No port is
//! open that anybody else could drive the browser by, and a browser whose pipe closes ends.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    sync::{mpsc, oneshot},
};

use super::error::ChromiumError;

/// How long a command may take: a browser that hangs, not one on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Something that happened in a page.
#[derive(Debug, Deserialize)]
pub struct Event {
    /// Its name, as the protocol has it: `Network.requestWillBeSent`.
    pub method: String,
    /// What belongs to it.
    #[serde(default)]
    pub params: Value,
    /// The page; none for what concerns the browser as a whole.
    #[serde(rename = "sessionId")]
    pub session: Option<String>,
}

/// What the browser is told to do.
#[derive(Debug, Serialize)]
struct Command {
    id: u64,
    method: String,
    #[serde(rename = "sessionId", skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    params: Value,
}

/// What it says.
#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Answer {
        id: u64,
        result: Option<Value>,
        error: Option<Refusal>,
    },
    Event(Event),
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// Who waits for what.
#[derive(Default)]
struct Waiting {
    answers: HashMap<u64, oneshot::Sender<Result<Value, String>>>,
    events: HashMap<String, mpsc::UnboundedSender<Event>>,
    ended: bool,
}

/// The way to a browser. It closes, and the browser ends, when nobody holds it any more.
pub struct Pipe {
    out: mpsc::UnboundedSender<Command>,
    waiting: Arc<Mutex<Waiting>>,
    count: AtomicU64,
}

impl Pipe {
    /// A pipe over the browser's two ends.
    pub fn over(
        input: impl AsyncWrite + Send + Unpin + 'static,
        output: impl AsyncRead + Send + Unpin + 'static,
    ) -> Self {
        let (out, outgoing) = mpsc::unbounded_channel();
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        tokio::spawn(write(input, outgoing));
        // The reader must not keep the pipe open: what it sends goes by a weak way.
        tokio::spawn(read(output, Arc::clone(&waiting), out.downgrade()));
        Self {
            out,
            waiting,
            count: AtomicU64::new(1),
        }
    }

    /// Carries a command out, in a page's session or in the browser as a whole.
    ///
    /// # Errors
    /// A browser that refuses, does not answer in time, or has ended.
    pub async fn call(
        &self,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> Result<Value, ChromiumError> {
        let (tell, told) = oneshot::channel();
        let id = self.next_id();
        {
            let mut waiting = lock(&self.waiting);
            if waiting.ended {
                return Err(ChromiumError::Ended);
            }
            waiting.answers.insert(id, tell);
        }
        // Where the writer is gone the reader is, too, and drops who waits.
        let _ = self.out.send(call(id, session, method, params));
        match tokio::time::timeout(TIMEOUT, told).await {
            Ok(Ok(Ok(result))) => Ok(result),
            Ok(Ok(Err(why))) => Err(ChromiumError::Refused {
                method: method.to_owned(),
                why,
            }),
            Ok(Err(_)) => Err(ChromiumError::Ended),
            Err(_) => Err(ChromiumError::Silent {
                what: method.to_owned(),
                after: TIMEOUT,
            }),
        }
    }

    /// Sends a command whose answer nobody waits for.
    pub fn tell(&self, method: &str, params: Value) {
        let _ = self.out.send(call(self.next_id(), None, method, params));
    }

    /// What happens in a page from here on.
    pub fn events(&self, session: &str) -> mpsc::UnboundedReceiver<Event> {
        let (tell, told) = mpsc::unbounded_channel();
        lock(&self.waiting).events.insert(session.to_owned(), tell);
        told
    }

    fn next_id(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }
}

fn call(id: u64, session: Option<&str>, method: &str, params: Value) -> Command {
    Command {
        id,
        method: method.to_owned(),
        session: session.map(str::to_owned),
        params,
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    // Whole entries only: there is no half-made state that a panic could leave behind.
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn write(mut input: impl AsyncWrite + Unpin, mut outgoing: mpsc::UnboundedReceiver<Command>) {
    while let Some(call) = outgoing.recv().await {
        // Text and numbers only: there is nothing in it that JSON could not say.
        let Ok(mut bytes) = serde_json::to_vec(&call) else {
            break;
        };
        bytes.push(0);
        if input.write_all(&bytes).await.is_err() || input.flush().await.is_err() {
            break;
        }
    }
}

async fn read(
    output: impl AsyncRead + Unpin,
    waiting: Arc<Mutex<Waiting>>,
    out: mpsc::WeakUnboundedSender<Command>,
) {
    let mut output = BufReader::new(output);
    let mut bytes = Vec::new();
    while matches!(output.read_until(0, &mut bytes).await, Ok(1..)) {
        if bytes.last() == Some(&0) {
            bytes.pop();
        }
        // What cannot be read may be a request that the page made: nothing after it can be trusted.
        let Ok(message) = serde_json::from_slice::<Message>(&bytes) else {
            break;
        };
        hand_over(message, &mut lock(&waiting), &out);
        bytes.clear();
    }
    let mut waiting = lock(&waiting);
    waiting.ended = true;
    waiting.answers.clear();
    waiting.events.clear();
}

fn hand_over(message: Message, waiting: &mut Waiting, out: &mpsc::WeakUnboundedSender<Command>) {
    match message {
        Message::Answer { id, result, error } => {
            if let Some(tell) = waiting.answers.remove(&id) {
                let answer = match error {
                    Some(refusal) => Err(refusal.message),
                    None => Ok(result.unwrap_or_default()),
                };
                // Who waited may have given up.
                let _ = tell.send(answer);
            }
        }
        Message::Event(event) => {
            let Some(session) = event.session.clone() else {
                return;
            };
            // "Really?": the page waits for the answer, and whoever clicked waits for the page.
            if let ("Page.javascriptDialogOpening", Some(out)) =
                (event.method.as_str(), out.upgrade())
            {
                let _ = out.send(call(
                    0,
                    Some(&session),
                    "Page.handleJavaScriptDialog",
                    json!({"accept": true}),
                ));
            }
            let listener = waiting.events.get(&session);
            if listener.is_some_and(|tell| tell.send(event).is_err()) {
                waiting.events.remove(&session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    /// A pipe, and the browser's side of it.
    fn pair() -> (Arc<Pipe>, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(4096);
        let (output, input) = tokio::io::split(ours);
        (Arc::new(Pipe::over(input, output)), theirs)
    }

    async fn version(pipe: Arc<Pipe>) -> Result<Value, ChromiumError> {
        pipe.call(None, "Browser.getVersion", json!({})).await
    }

    async fn sent(browser: &mut tokio::io::DuplexStream) -> Value {
        let mut bytes = Vec::new();
        loop {
            match browser.read_u8().await.unwrap() {
                0 => return serde_json::from_slice(&bytes).unwrap(),
                byte => bytes.push(byte),
            }
        }
    }

    #[tokio::test]
    async fn an_answer_goes_to_who_asked_and_an_event_to_its_page() {
        let (pipe, mut theirs) = pair();
        let mut events = pipe.events("S");
        let asking = Arc::clone(&pipe);
        let asked =
            tokio::spawn(async move { asking.call(Some("S"), "Page.enable", json!({})).await });
        let message = sent(&mut theirs).await;
        assert_eq!(
            (&message["method"], &message["sessionId"]),
            (&json!("Page.enable"), &json!("S"))
        );
        let event = "{\"method\":\"Page.loadEventFired\",\"params\":{\"timestamp\":1},\"sessionId\":\"S\"}\0";
        theirs.write_all(event.as_bytes()).await.unwrap();
        let answer = format!("{{\"id\":{},\"result\":{{\"x\":1}}}}\0", message["id"]);
        theirs.write_all(answer.as_bytes()).await.unwrap();
        assert_eq!(asked.await.unwrap().unwrap()["x"], 1);
        assert_eq!(events.recv().await.unwrap().method, "Page.loadEventFired");
    }

    #[tokio::test]
    async fn a_question_of_the_page_is_answered_at_once() {
        let (_pipe, mut theirs) = pair();
        let event =
            "{\"method\":\"Page.javascriptDialogOpening\",\"params\":{},\"sessionId\":\"S\"}\0";
        theirs.write_all(event.as_bytes()).await.unwrap();
        let message = sent(&mut theirs).await;
        assert_eq!(message["method"], "Page.handleJavaScriptDialog");
        assert_eq!(message["params"]["accept"], true);
    }

    #[tokio::test]
    async fn after_a_message_that_cannot_be_read_nothing_is_believed() {
        let (pipe, mut theirs) = pair();
        let mut events = pipe.events("S");
        let asked = tokio::spawn(version(Arc::clone(&pipe)));
        sent(&mut theirs).await;
        theirs.write_all(b"{\"method\":7}\0").await.unwrap();
        assert!(matches!(asked.await.unwrap(), Err(ChromiumError::Ended)));
        assert!(events.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_browser_that_is_gone_fails_whoever_waits_and_whoever_comes_later() {
        let (pipe, mut theirs) = pair();
        let asked = tokio::spawn(version(Arc::clone(&pipe)));
        sent(&mut theirs).await;
        drop(theirs);
        assert!(matches!(asked.await.unwrap(), Err(ChromiumError::Ended)));
        let later = pipe.call(None, "Browser.getVersion", json!({})).await;
        assert!(matches!(later, Err(ChromiumError::Ended)));
    }
}
