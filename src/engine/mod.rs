//! One run: up, run, sweep, down; and the events that it tells while it goes.
//!
//! The parent's half is here: it starts a worker inside a sandbox, hears its events, and ends
//! it when a signal or the deadline comes. The worker's half is [`worker`].

pub mod bridge;
mod outside;
mod seal;
pub mod worker;

pub use crate::{
    model::{
        event,
        input::{GatewayFiles, InputRole},
    },
    run::{Recorder, RunPlan, Snapshot, SnapshotError, snapshot},
};
pub use seal::GatewaySeen;
pub use worker::Place;

use std::{
    io,
    process::Stdio,
    time::{Duration, Instant, SystemTime},
};

use event::{RunEnd, RunEvent};
use outside::Outside;
use rustix::process::{Pid, Signal as PidSignal, kill_process_group};
use seal::{Message, Opener, SealKey};
use tokio::{
    io::{AsyncBufRead, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
};

use crate::{evidence::Redactor, stack::sandbox};

/// The most of a worker's last words that is kept, in bytes.
const LAST_WORDS: u64 = 16 * 1024;

/// How long a worker may say nothing, not even that it runs, before it is looked at.
const SILENCE: Duration = Duration::from_secs(5);

/// How long the kernel has to take a namespace down.
const GONE_DEADLINE: Duration = Duration::from_secs(5);

/// Runs the plan: tells every event to `on_event` as it happens, `RunStarted` first and
/// `RunFinished` last, whatever happens in between. One of `signals` ends the run, also one that
/// came before; nothing that it started is left when this returns.
pub async fn run(
    plan: &RunPlan,
    place: &Place,
    started: Instant,
    signals: &mut Signals,
    on_event: &mut dyn FnMut(RunEvent),
) -> RunEnd {
    on_event(RunEvent::RunStarted {
        run: Box::new(plan.run.clone()),
        phases: plan.phases.clone(),
        selected: plan.selected.clone(),
        rules: plan.rules.clone(),
    });
    if !plan.lint.is_empty() {
        on_event(RunEvent::Linted {
            findings: plan.lint.clone(),
        });
    }
    let exec_at = SystemTime::now() - started.elapsed();
    let end = drive(plan, place, exec_at, signals, on_event)
        .await
        .unwrap_or_else(|error| RunEnd::Broken {
            reason: Redactor::new().redact(&format!("the worker cannot be run: {error}")),
        });
    let duration_ms = started.elapsed().as_secs_f64() * 1e3;
    on_event(RunEvent::RunFinished {
        duration_ms,
        end: end.clone(),
    });
    end
}

/// Starts the worker and hears it out.
async fn drive(
    plan: &RunPlan,
    place: &Place,
    exec_at: SystemTime,
    signals: &mut Signals,
    on_event: &mut dyn FnMut(RunEvent),
) -> io::Result<RunEnd> {
    // Removed at the end; by the worker where this process is killed.
    let folder = match place.sandboxed() {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("verify-").tempdir()?),
    };
    let (mut child, group) = spawn(plan, place)?;
    let key = SealKey::fresh()?;
    let job = worker::Job {
        plan: plan.clone(),
        place: place.clone(),
        exec_at,
        key: key.clone(),
        folder: (folder.as_ref()).map_or_else(sandbox::inputs, |folder| folder.path().to_owned()),
    };
    let deadline_ms = job.plan.deadline_ms;
    let mut stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut line = serde_json::to_vec(&job)?;
    line.push(b'\n');
    let (looked, mut to_tell) = mpsc::channel::<()>(1);
    // The worker reads it when it is up: a signal or the deadline may come before. One that ended at
    // once has said why on standard error. The pipe stays open for as long as this waits.
    let told = async move {
        let _ = stdin.write_all(&line).await;
        while to_tell.recv().await.is_some() {
            let _ = stdin.write_all(b"\n").await;
        }
        std::future::pending::<()>().await;
    };
    tokio::pin!(told);
    let stderr = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let last_words = tokio::spawn(last_words(stderr));
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut messages = Opener::new(&key, BufReader::new(stdout));
    let outside = Outside::of(&child, place, &plan.run.id);
    // Counted from the start of the run: reading and linting files is part of it.
    let passed = exec_at.elapsed().unwrap_or_default();
    let deadline = tokio::time::sleep(Duration::from_millis(deadline_ms).saturating_sub(passed));
    tokio::pin!(deadline);
    let mut heard = Instant::now();
    let integrity = |reason: String| Some(RunEnd::Integrity { reason });
    let end = loop {
        tokio::select! {
            () = &mut told => {}
            message = messages.next() => {
                heard = Instant::now();
                match message {
                    Ok(None) => break None,
                    Ok(Some(Message::Event(event))) => on_event(*event),
                    Ok(Some(Message::Alive | Message::Done)) => {}
                    Ok(Some(Message::Integrity(reason))) => break integrity(reason),
                    Ok(Some(Message::Gateway(seen))) => match outside.look(&seen).await {
                        Ok(()) => { let _ = looked.try_send(()); }
                        Err(reason) => break integrity(reason),
                    },
                    Err(error) => break integrity(error.to_string()),
                }
            }
            () = tokio::time::sleep_until((heard + SILENCE).into()) => {
                if let Some(reason) = outside.stopped() {
                    break integrity(reason);
                }
                heard = Instant::now();
            }
            name = signals.next() => break Some(RunEnd::Interrupted { signal: name.to_owned() }),
            () = &mut deadline => break Some(RunEnd::Broken {
                reason: format!("the run did not end within its deadline of {} s", deadline_ms / 1000),
            }),
        }
    };
    if let Some(end) = end {
        end_worker(&mut child, &mut messages).await;
        return Ok(end);
    }
    let status = child.wait().await?;
    let said = last_words.await.unwrap_or_default();
    if !said.is_empty() {
        tracing::warn!("the worker said: {said}");
    }
    Ok(match (status.success(), messages.is_done()) {
        (true, true) => RunEnd::Completed,
        (false, false) => RunEnd::Broken {
            reason: match group.and_then(|group| group.hit()) {
                Some(limit) => format!("the worker ended with {status}, since {limit}"),
                None => format!("the worker ended with {status}: {}", said.trim()),
            },
        },
        (true, false) => RunEnd::Integrity {
            reason: format!("the worker ended with {status} before its last message"),
        },
        (false, true) => RunEnd::Integrity {
            reason: format!(
                "the worker ended with {status} after its last message: {}",
                said.trim()
            ),
        },
    })
}

/// Starts a worker, in a sandbox where the run takes place in one.
fn spawn(plan: &RunPlan, place: &Place) -> io::Result<(Child, Option<sandbox::Group>)> {
    if let Some(programs) = place.sandboxed() {
        let baseline = plan.snapshot.text_of(InputRole::Baseline);
        let mut launch = sandbox::launch(programs, &plan.profile.site.host, &baseline)?;
        return Ok((launch.command.spawn()?, launch.group));
    }
    let child = Command::new(std::env::current_exe()?)
        .arg("worker")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    Ok((child, None))
}

/// Ends the worker with its namespace, and waits until nothing of it is left: its end of the
/// pipe is closed by the kernel when its last process is gone.
async fn end_worker<R: AsyncBufRead + Unpin>(child: &mut Child, messages: &mut Opener<R>) {
    // First the guard, which may not have a group yet and makes no sandbox from here on, then
    // its whole group: also a sandbox that is only being made. Both fail only for processes
    // that are gone already.
    let _ = child.start_kill();
    if let Some(pid) = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .and_then(Pid::from_raw)
    {
        let _ = kill_process_group(pid, PidSignal::KILL);
    }
    let _ = child.wait().await;
    if tokio::time::timeout(GONE_DEADLINE, messages.drain())
        .await
        .is_err()
    {
        tracing::error!("something of the sandbox still holds its output");
    }
}

async fn last_words(stderr: impl AsyncRead + Unpin) -> String {
    let mut words = Vec::new();
    let mut stderr = stderr.take(LAST_WORDS);
    // What was read before an error is still worth telling.
    let _ = stderr.read_to_end(&mut words).await;
    Redactor::new().redact(&String::from_utf8_lossy(&words))
}

/// The signals that end a run: SIGINT, SIGTERM and SIGHUP. Who has heard one waits for another, as a
/// rollback does after the run that was interrupted; a clone hears what its original has not heard.
#[derive(Clone, Debug)]
pub struct Signals(watch::Receiver<&'static str>);

impl Signals {
    /// Listens from here on: to be made before anything is written or started, within a tokio
    /// runtime.
    ///
    /// # Errors
    /// What the system says where that is not possible.
    pub fn new() -> io::Result<Self> {
        let mut int = signal(SignalKind::interrupt())?;
        let mut term = signal(SignalKind::terminate())?;
        let mut hup = signal(SignalKind::hangup())?;
        let (tell, told) = watch::channel("");
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = int.recv() => "SIGINT",
                    _ = term.recv() => "SIGTERM",
                    _ = hup.recv() => "SIGHUP",
                };
                // Every receiver is gone: the process ends by other means.
                if tell.send(name).is_err() {
                    return;
                }
            }
        });
        Ok(Self(told))
    }

    /// Whether one came that was not heard here.
    #[must_use]
    pub fn came(&self) -> bool {
        self.0.has_changed().unwrap_or(false)
    }

    /// The next signal, by its name.
    pub async fn next(&mut self) -> &'static str {
        match self.0.changed().await {
            Ok(()) => *self.0.borrow_and_update(),
            // The runtime ends, and with it who waits.
            Err(_) => std::future::pending().await,
        }
    }
}
