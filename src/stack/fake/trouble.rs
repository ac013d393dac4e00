//! What can befall a service in the middle of a run.

use std::{net::SocketAddr, path::Path, str::FromStr, sync::Arc, time::Duration};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::{
    doubles::control::TOKEN_HEADER,
    stack::{Service, Stack, StackError},
};

/// By how much a slow service is slow.
const SLOW: Duration = Duration::from_secs(2);

/// How long a slow program works between two stops.
const AWAKE: Duration = Duration::from_millis(100);

/// How long the port of a service that was ended may stay taken.
const FREE_DEADLINE: Duration = Duration::from_secs(5);

/// How often a port is asked for until it is free.
const POLL: Duration = Duration::from_millis(5);

/// No protocol begins so.
const GARBAGE: &[u8] = b"\x00\xff\x13 this is no answer \r\n\r\n";

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// All of its processes are killed.
    Kill,
    /// Its main process is killed; its workers live on.
    Behead,
    /// It is stopped, and what is sent to it waits.
    Pause,
    /// It takes two seconds longer for everything.
    Slow,
    /// Nothing can be written any more where it writes.
    DiskFull,
    /// Something else listens on its port, and talks nonsense.
    Garbage,
}

impl Fault {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Kill, "kill"),
        (Self::Behead, "behead"),
        (Self::Pause, "pause"),
        (Self::Slow, "slow"),
        (Self::DiskFull, "disk-full"),
        (Self::Garbage, "garbage"),
    ];
}

/// Which service, what, and when: `redis:kill@3`, or `redis:kill@3+40` for 40 ms after the first
/// item of the phase has begun.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Trouble {
    pub service: Service,
    pub fault: Fault,
    /// The phase whose first item it comes with.
    pub phase: u8,
    /// How long after that, in milliseconds; 0 is just before the item's first step.
    pub after_ms: u64,
}

impl FromStr for Trouble {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || format!("`{text}` is not SERVICE:FAULT@PHASE[+MS], like redis:kill@3");
        let (service, rest) = text.split_once(':').ok_or_else(form)?;
        let (fault, when) = rest.split_once('@').ok_or_else(form)?;
        let (phase, after) = when.split_once('+').unwrap_or((when, "0"));
        let known = |(_, name): &(Fault, &str)| *name == fault;
        Ok(Self {
            service: Service::named(service).ok_or_else(form)?,
            fault: Fault::ALL.into_iter().find(known).ok_or_else(form)?.0,
            phase: phase.parse().map_err(|_| form())?,
            after_ms: after.parse().map_err(|_| form())?,
        })
    }
}

impl Trouble {
    /// Lets it happen, at once. What goes on, goes on in the background.
    ///
    /// # Errors
    /// Where it cannot be brought about: then nothing is shown by the run.
    pub async fn strike(self, stack: Arc<dyn Stack>) -> Result<(), StackError> {
        let service = self.service;
        match self.fault {
            Fault::Kill => end(&*stack, service).await,
            Fault::Behead => {
                let main = stack.state(service).await?.main.pid;
                signal(&[main], Signal::KILL);
                Ok(())
            }
            Fault::Pause if is_double(service) => {
                end(&*stack, service).await?;
                listen_instead(&*stack, service, None).await
            }
            Fault::Pause => {
                signal(&processes(&*stack, service).await?, Signal::STOP);
                Ok(())
            }
            Fault::Slow if is_double(service) => delay(&*stack, service).await,
            Fault::Slow => {
                tokio::spawn(async move {
                    while let Ok(pids) = processes(&*stack, service).await {
                        signal(&pids, Signal::STOP);
                        sleep(SLOW).await;
                        signal(&pids, Signal::CONT);
                        sleep(AWAKE).await;
                    }
                });
                Ok(())
            }
            Fault::DiskFull => fill(service),
            Fault::Garbage => {
                end(&*stack, service).await?;
                listen_instead(&*stack, service, Some(GARBAGE)).await
            }
        }
    }
}

/// The doubles are no processes of their own.
fn is_double(service: Service) -> bool {
    matches!(service, Service::Upstream | Service::Idp)
}

async fn processes(stack: &dyn Stack, service: Service) -> Result<Vec<u32>, StackError> {
    let state = stack.state(service).await?;
    let workers = state.workers.iter().map(|worker| worker.pid);
    Ok(std::iter::once(state.main.pid).chain(workers).collect())
}

/// Sends a signal to all of them. One that is gone needs none.
fn signal(pids: &[u32], signal: Signal) {
    for pid in pids {
        if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }
}

async fn end(stack: &dyn Stack, service: Service) -> Result<(), StackError> {
    if is_double(service) {
        return stack.kill(service).await;
    }
    signal(&processes(stack, service).await?, Signal::KILL);
    Ok(())
}

/// The ports of a service, as the sandbox has them.
fn ports(stack: &dyn Stack, service: Service) -> Vec<SocketAddr> {
    let endpoints = stack.endpoints();
    let redis = SocketAddr::from(([127, 0, 0, 1], 6379));
    match service {
        Service::Gateway => {
            let public = SocketAddr::new(stack.internal().ip(), 80);
            vec![public, stack.internal()]
        }
        Service::Auth => vec![endpoints.auth],
        Service::Redis => vec![redis],
        Service::Upstream => endpoints.upstream.into_iter().collect(),
        Service::Idp => endpoints.idp.into_iter().collect(),
    }
}

/// Listens in place of a service that was ended, and says `words` to everybody, or nothing, ever.
async fn listen_instead(
    stack: &dyn Stack,
    service: Service,
    words: Option<&'static [u8]>,
) -> Result<(), StackError> {
    for address in ports(stack, service) {
        let bound = tokio::time::timeout(FREE_DEADLINE, async {
            loop {
                match TcpListener::bind(address).await {
                    Ok(listener) => break listener,
                    Err(_) => sleep(POLL).await,
                }
            }
        });
        let listener = bound.await.map_err(|_| StackError::Service {
            service,
            what: format!("{address} did not become free for something else"),
        })?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, words));
            }
        });
    }
    Ok(())
}

async fn talk(mut stream: TcpStream, words: Option<&'static [u8]>) {
    let Some(words) = words else {
        return std::future::pending().await;
    };
    let mut asked = [0_u8; 1024];
    // Whoever goes away in between hears nothing.
    let _ = stream.read(&mut asked).await;
    let _ = stream.write_all(words).await;
}

/// Holds every answer of a double back.
async fn delay(stack: &dyn Stack, service: Service) -> Result<(), StackError> {
    let failed = |what: String| StackError::Service { service, what };
    let token = stack.secrets().control.as_ref();
    let token = token.map_or("", |token| token.expose_secret());
    for address in ports(stack, service) {
        let fault = json!({"delay_ms": u64::try_from(SLOW.as_millis()).unwrap_or_default()});
        let asked = reqwest::Client::new()
            .post(format!("http://{address}/__verify/faults"))
            .header(TOKEN_HEADER, token)
            .json(&fault);
        let answer = asked.send().await;
        let answer = answer.map_err(|error| failed(error.to_string()))?;
        if !answer.status().is_success() {
            return Err(failed(format!("a fault is answered {}", answer.status())));
        }
    }
    Ok(())
}

/// How often a file system that is written to meanwhile is filled anew.
const FILLS: u32 = 100;

/// Fills the file system that the services write to. What the gateway alone writes to is left: it
/// is itself whom a full one there is held against.
fn fill(service: Service) -> Result<(), StackError> {
    let path = Path::new("/run/filled");
    let filled = || -> std::io::Result<()> {
        let file = std::fs::File::create(path)?;
        for _ in 0..FILLS {
            let held = rustix::fs::statvfs(Path::new("/run"))?;
            let room = held.f_bavail * held.f_frsize;
            if room == 0 {
                return Ok(());
            }
            let flags = rustix::fs::FallocateFlags::empty();
            match rustix::fs::fallocate(&file, flags, 0, room) {
                // A service wrote in between: there is less room now.
                Err(Errno::NOSPC) => {}
                done => return Ok(done?),
            }
        }
        Err(Errno::NOSPC.into())
    };
    filled().map_err(|source| StackError::Io {
        what: format!("filling {}", path.display()),
        service,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_read_from_its_name() {
        let late: Trouble = "gateway:disk-full@7+40".parse().unwrap();
        assert_eq!(
            late,
            Trouble {
                service: Service::Gateway,
                fault: Fault::DiskFull,
                phase: 7,
                after_ms: 40
            }
        );
        for (_, fault) in Fault::ALL {
            let at_once: Trouble = format!("idp:{fault}@1").parse().unwrap();
            assert_eq!(at_once.after_ms, 0);
        }
        for wrong in [
            "redis",
            "redis:kill",
            "redis:tickle@3",
            "mail:kill@3",
            "redis:kill@x",
        ] {
            assert!(wrong.parse::<Trouble>().is_err(), "{wrong}");
        }
    }
}
