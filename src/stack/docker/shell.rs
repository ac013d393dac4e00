//! A shell that is kept open inside a container: one exec for many commands, each with the
//! exit code of the program itself. An exec of its own for each would cost some 50 ms.

use std::{pin::Pin, time::Duration};

use bollard::{
    Docker,
    container::LogOutput,
    errors::Error,
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
};
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::engine::{Context as _, EngineError};
use crate::probe;

/// How long a command may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The size of a read, in bytes.
const CAPACITY: usize = 64 * 1024;

const ENDED: &str = "the shell in the container ended";

/// What a command did: its output, both streams together, and its exit code.
#[derive(Clone, Debug)]
pub struct Done {
    pub code: i32,
    pub bytes: Vec<u8>,
}

impl Done {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// An open shell.
pub struct Shell {
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Shell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shell")
    }
}

impl Shell {
    /// Opens a shell in a running container, as a user by number, or else as the image's own.
    pub async fn open(docker: &Docker, id: &str, user: Option<u32>) -> Result<Self, EngineError> {
        let what = "opening a shell in a container";
        let exec = docker
            .create_exec(
                id,
                ExecConfig {
                    attach_stdin: Some(true),
                    attach_stdout: Some(true),
                    attach_stderr: Some(true),
                    user: user.map(|user| user.to_string()),
                    cmd: Some(vec!["sh".to_owned()]),
                    ..ExecConfig::default()
                },
            )
            .await
            .context(what)?;
        let options = StartExecOptions {
            output_capacity: Some(CAPACITY),
            ..StartExecOptions::default()
        };
        match docker
            .start_exec(&exec.id, Some(options))
            .await
            .context(what)?
        {
            StartExecResults::Attached { output, input } => Ok(Self {
                input,
                output,
                buffer: Vec::new(),
            }),
            StartExecResults::Detached => {
                Err(EngineError::new("a shell in a container was detached"))
            }
        }
    }

    /// Runs a script and returns what it wrote, with the exit code of its last command.
    pub async fn run(&mut self, script: &str) -> Result<Done, EngineError> {
        let mark = probe::nonce();
        // The mark stands on a line of its own, whatever the output ends with.
        let framed =
            format!("{{ {script}\n}} </dev/null 2>&1; printf '\\n%s %s\\n' {mark} \"$?\"\n");
        let exchange = async {
            let written = self.input.write_all(framed.as_bytes()).await;
            written.context(ENDED)?;
            self.input.flush().await.context(ENDED)?;
            loop {
                if let Some(done) = take_frame(&mut self.buffer, &mark) {
                    return Ok(done);
                }
                let Some(output) = self.output.next().await else {
                    let text = String::from_utf8_lossy(&self.buffer);
                    return Err(EngineError::new(format!("{ENDED}: {}", text.trim())));
                };
                let output = output.context(ENDED)?;
                self.buffer.extend_from_slice(&output.into_bytes());
            }
        };
        tokio::time::timeout(TIMEOUT, exchange)
            .await
            .unwrap_or_else(|_| {
                Err(EngineError::new(format!(
                    "a command in the container did not end within {} s",
                    TIMEOUT.as_secs()
                )))
            })
    }
}

/// The output before the mark's line and the code on it, once that line is complete.
fn take_frame(buffer: &mut Vec<u8>, mark: &str) -> Option<Done> {
    let start = format!("\n{mark} ");
    let at = buffer
        .windows(start.len())
        .rposition(|window| window == start.as_bytes())?;
    let tail = buffer.get(at + start.len()..)?;
    let end = tail.iter().position(|byte| *byte == b'\n')?;
    let code = std::str::from_utf8(tail.get(..end)?).ok()?.parse().ok()?;
    buffer.truncate(at);
    Some(Done {
        code,
        bytes: std::mem::take(buffer),
    })
}

/// A word for a POSIX shell, whatever is in it.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_ends_at_its_mark_and_not_before() {
        let mut buffer = b"two\nlines\nm4rk 1".to_vec();
        assert!(take_frame(&mut buffer, "m4rk").is_none());
        buffer.extend_from_slice(b"27\n");
        let done = take_frame(&mut buffer, "m4rk").unwrap();
        assert_eq!((done.code, done.text().as_str()), (127, "two\nlines"));
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_quote_in_a_word_is_no_end_of_it() {
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
