//! What a worker tells its parent: numbered messages, each sealed with a key of the run, so that a
//! message which the worker did not write, or which is missing, is noticed.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::{
    hmac::{HMAC_SHA256, Key, sign, verify},
    rand,
};
use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD as BASE64};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use crate::model::{event::RunEvent, service::Instance};

/// The longest message that is read, in bytes: a picture of a page is the largest thing in one.
const LONGEST: u64 = 16 * 1024 * 1024;

/// The key of a run, in base64. It goes to the worker with its job, and nowhere else.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealKey(String);

impl SealKey {
    /// A new one.
    ///
    /// # Errors
    /// Where the system gives no random numbers.
    pub fn fresh() -> io::Result<Self> {
        let mut bytes = [0_u8; 32];
        rand::fill(&mut bytes)
            .map_err(|_| io::Error::other("the system gives no random numbers"))?;
        Ok(Self(BASE64.encode(bytes)))
    }

    fn key(&self) -> Key {
        Key::new(HMAC_SHA256, self.0.as_bytes())
    }
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey")
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    Event(Box<RunEvent>),
    /// Nothing did, and the worker runs.
    Alive,
    /// The gateway's processes at the end of the run, which wait to be looked at.
    Gateway(GatewaySeen),
    /// The gateway took the place of a service that verdicts rest on.
    Integrity(String),
    /// The last message: the worker did all that it was to do.
    Done,
}

/// The gateway's processes, with their numbers as the worker sees them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GatewaySeen {
    /// The main process, where it runs.
    pub main: Option<Instance>,
    pub workers: Vec<Instance>,
}

fn sealed(number: u64, json: &[u8]) -> Vec<u8> {
    [number.to_string().as_bytes(), b" ", json].concat()
}

/// Writes messages. Its clones number them together.
#[derive(Clone)]
pub struct Sealer {
    key: Key,
    /// The next number, and where it goes.
    out: Arc<Mutex<(u64, Box<dyn Write + Send>)>>,
}

impl Sealer {
    pub fn new(key: &SealKey, out: impl Write + Send + 'static) -> Self {
        Self {
            key: key.key(),
            out: Arc::new(Mutex::new((0, Box::new(out)))),
        }
    }

    /// Writes one. Where nobody reads any more, the run is over anyway: the parent is gone and
    /// takes the namespace along.
    pub fn tell(&self, message: &Message) {
        self.write(message);
    }

    pub fn event(&self, event: &RunEvent) {
        #[derive(Serialize)]
        #[serde(rename_all = "snake_case")]
        enum Borrowed<'a> {
            Event(&'a RunEvent),
        }
        self.write(&Borrowed::Event(event));
    }

    fn write(&self, message: &impl Serialize) {
        let mut guard = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, out) = &mut *guard;
        let Ok(json) = serde_json::to_vec(message) else {
            return;
        };
        let body = sealed(*number, &json);
        *number += 1;
        let seal = BASE64.encode(sign(&self.key, &body));
        let _ = out
            .write_all(&[seal.as_bytes(), b" ", &body, b"\n"].concat())
            .and_then(|()| out.flush());
    }
}

/// A message that the worker did not write as it is.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It has no seal, or a wrong one.
    #[error("message {number} does not carry the seal of this run")]
    Seal { number: u64 },
    #[error("message {found} came where message {expected} was expected")]
    Number { expected: u64, found: u64 },
    #[error("message {number} is longer than {} MiB", LONGEST / 1024 / 1024)]
    Long { number: u64 },
    /// It is sealed, and not a message of this version.
    #[error("message {number} cannot be read: {source}")]
    Json {
        number: u64,
        source: serde_json::Error,
    },
    #[error("message {number} came after the last")]
    AfterLast { number: u64 },
    #[error("the worker cannot be heard: {0}")]
    Io(#[from] io::Error),
}

pub struct Opener<R> {
    key: Key,
    number: u64,
    from: R,
    line: Vec<u8>,
    done: bool,
}

impl<R: AsyncBufRead + Unpin> Opener<R> {
    /// An opener that reads from `from`.
    pub fn new(key: &SealKey, from: R) -> Self {
        Self {
            key: key.key(),
            number: 0,
            from,
            line: Vec::new(),
            done: false,
        }
    }

    /// Whether the last message was read.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The next message; `None` at the end. What was read of one is kept where this is given up
    /// in between.
    ///
    /// # Errors
    /// Where it is not the worker's next message.
    pub async fn next(&mut self) -> Result<Option<Message>, SealError> {
        let number = self.number;
        while self.line.last() != Some(&b'\n') {
            let room = LONGEST.saturating_sub(self.line.len() as u64);
            if room == 0 {
                return Err(SealError::Long { number });
            }
            let mut bounded = (&mut self.from).take(room);
            if bounded.read_until(b'\n', &mut self.line).await? == 0 {
                break;
            }
        }
        if self.line.is_empty() {
            return Ok(None);
        }
        let line = std::mem::take(&mut self.line);
        let message = self.open(line.strip_suffix(b"\n").unwrap_or(&line))?;
        self.number += 1;
        Ok(Some(message))
    }

    /// Reads to the end, whatever it is.
    pub async fn drain(&mut self) {
        let mut buffer = [0_u8; 8192];
        while let Ok(1..) = self.from.read(&mut buffer).await {}
    }

    fn open(&mut self, line: &[u8]) -> Result<Message, SealError> {
        let expected = self.number;
        if self.done {
            return Err(SealError::AfterLast { number: expected });
        }
        let json = self.sealed_json(line)?;
        let message = serde_json::from_slice(json).map_err(|source| SealError::Json {
            number: expected,
            source,
        })?;
        self.done = message == Message::Done;
        Ok(message)
    }

    fn sealed_json<'a>(&self, line: &'a [u8]) -> Result<&'a [u8], SealError> {
        let expected = self.number;
        let no_seal = SealError::Seal { number: expected };
        let Some((seal, body)) = split(line) else {
            return Err(no_seal);
        };
        let seal = BASE64.decode(seal).unwrap_or_default();
        if verify(&self.key, body, &seal).is_err() {
            return Err(no_seal);
        }
        let (number, json) = split(body).ok_or(no_seal)?;
        let number = std::str::from_utf8(number)
            .ok()
            .and_then(|it| it.parse().ok());
        match number {
            Some(found) if found == expected => Ok(json),
            Some(found) => Err(SealError::Number { expected, found }),
            None => Err(SealError::Seal { number: expected }),
        }
    }
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|byte| *byte == b' ')?;
    Some((line.get(..at)?, line.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(key: &SealKey, messages: &[Message]) -> Vec<Vec<u8>> {
        let out = Shared::default();
        let sealer = Sealer::new(key, out.clone());
        for message in messages {
            sealer.tell(message);
        }
        let bytes = out.0.lock().unwrap().clone();
        bytes
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect()
    }

    fn read(key: &SealKey, bytes: &[u8]) -> (Vec<Message>, Option<String>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut opener = Opener::new(key, bytes);
        let mut found = Vec::new();
        loop {
            match runtime.block_on(opener.next()) {
                Ok(Some(message)) => found.push(message),
                Ok(None) => return (found, None),
                Err(error) => return (found, Some(error.to_string())),
            }
        }
    }

    #[test]
    fn what_was_sealed_is_read_as_it_was() {
        let key = SealKey::fresh().unwrap();
        let told = lines(&key, &[Message::Alive, Message::Done]).concat();
        assert_eq!(
            read(&key, &told),
            (vec![Message::Alive, Message::Done], None)
        );
    }

    #[test]
    fn what_was_not_sealed_by_this_run_is_refused() {
        let (key, other) = (SealKey::fresh().unwrap(), SealKey::fresh().unwrap());
        let good = lines(&key, &[Message::Alive, Message::Alive, Message::Done]);
        let forged = lines(&other, &[Message::Done]);
        let plain = b"{\"event\":\"run_finished\"}\n".to_vec();
        for (told, why) in [
            (forged, "message 0 does not carry the seal"),
            (vec![plain], "message 0 does not carry the seal"),
            (
                vec![good[0].clone(), good[2].clone()],
                "message 2 came where message 1",
            ),
            (
                vec![good[0].clone(), good[0].clone()],
                "message 0 came where message 1",
            ),
            (
                vec![good[0].to_ascii_uppercase()],
                "message 0 does not carry",
            ),
        ] {
            let (_, error) = read(&key, &told.concat());
            let error = error.unwrap();
            assert!(error.contains(why), "{error}: {why}");
        }
        let after = lines(&key, &[Message::Done, Message::Alive]).concat();
        let (_, error) = read(&key, &after);
        assert_eq!(error.unwrap(), "message 1 came after the last");
    }

    #[test]
    fn a_message_without_an_end_is_not_read_to_its_end() {
        let key = SealKey::fresh().unwrap();
        let endless = vec![b'x'; usize::try_from(LONGEST).unwrap() + 1];
        let (_, error) = read(&key, &endless);
        assert_eq!(error.unwrap(), "message 0 is longer than 16 MiB");
    }
}
