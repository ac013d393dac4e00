//! Two small sandboxes inside the sandbox, one with each configuration: the same programs,
//! the same machine, the same moment.

use std::{
    fs,
    io::{self, BufRead as _, BufReader as StdBufReader},
    net::TcpStream,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{
    answers::{POLL, READY_DEADLINE},
    confine::Tools,
    launch,
    layout::{self, local},
    process::Process,
    services,
    settle::settle_in,
};
use crate::{
    model::input::GatewayFiles,
    stack::{Service, SideBySide, StackError, Version, measure::Client, programs::Programs},
};

/// What a member is told first.
#[derive(Serialize, Deserialize)]
struct Setup {
    programs: Programs,
    files: GatewayFiles,
    candidate: bool,
    env: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct Block {
    path: String,
    count: u32,
}

/// The pair, seen from the engine.
pub struct Pair {
    baseline: Member,
    candidate: Member,
}

struct Member {
    _child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Pair {
    /// Starts both and returns when both answer.
    pub async fn start(
        programs: &Programs,
        files: &GatewayFiles,
        env: &[(String, String)],
    ) -> Result<Self, StackError> {
        let setup = |candidate| Setup {
            programs: programs.clone(),
            files: files.clone(),
            candidate,
            env: env.to_vec(),
        };
        let (baseline, candidate) = (setup(false), setup(true));
        let (baseline, candidate) = tokio::join!(
            Member::start(programs, &baseline),
            Member::start(programs, &candidate)
        );
        Ok(Self {
            baseline: baseline?,
            candidate: candidate?,
        })
    }
}

#[async_trait]
impl SideBySide for Pair {
    async fn measure(
        &mut self,
        version: Version,
        path: &str,
        count: u32,
    ) -> Result<Vec<Duration>, StackError> {
        let member = match version {
            Version::Baseline => &mut self.baseline,
            Version::Candidate => &mut self.candidate,
        };
        member
            .tell(&Block {
                path: path.to_owned(),
                count,
            })
            .await?;
        let nanoseconds: Vec<u64> = member.hear().await?;
        Ok(nanoseconds.into_iter().map(Duration::from_nanos).collect())
    }
}

impl Member {
    async fn start(programs: &Programs, setup: &Setup) -> Result<Self, StackError> {
        let spawn = || -> io::Result<Self> {
            // The gateway is confined in it as in the run's own sandbox: it does not see who measures.
            let mut child = Command::new(&programs.bwrap)
                .args(["--ro-bind", "/", "/"])
                .args(launch::namespaces(programs.bounded_memory))
                .arg("--ro-bind")
                .args([launch::inputs(), launch::inputs()])
                .arg("--")
                .arg(layout::shipped("verify"))
                .args(["worker", "--side-by-side"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::inherit())
                .kill_on_drop(true)
                .spawn()?;
            let stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
            let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
            Ok(Self {
                _child: child,
                stdin,
                stdout: BufReader::new(stdout),
            })
        };
        let mut member = spawn().map_err(|source| lost("starting a sandbox beside", source))?;
        member.tell(setup).await?;
        let ready: Result<(), String> = member.hear().await?;
        ready.map_err(|what| StackError::Service {
            service: Service::Gateway,
            what,
        })?;
        Ok(member)
    }

    async fn tell(&mut self, what: &impl Serialize) -> Result<(), StackError> {
        let mut line = serde_json::to_vec(what).map_err(|error| lost("asking", error.into()))?;
        line.push(b'\n');
        self.stdin
            .write_all(&line)
            .await
            .map_err(|source| lost("asking", source))
    }

    async fn hear<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T, StackError> {
        let mut line = String::new();
        let read = self
            .stdout
            .read_line(&mut line)
            .await
            .map_err(|source| lost("hearing", source))?;
        if read == 0 {
            return Err(lost("hearing", io::ErrorKind::UnexpectedEof.into()));
        }
        serde_json::from_str(&line).map_err(|error| lost("hearing", error.into()))
    }
}

fn lost(what: &str, source: io::Error) -> StackError {
    StackError::Io {
        what: format!("{what} the gateway side by side"),
        service: Service::Gateway,
        source,
    }
}

/// One of the two, inside: starts nginx, then answers blocks of requests on standard input
/// until that is closed. It blocks: nothing else runs in this process.
///
/// # Errors
/// Standard input or output that breaks, or a gateway that stops answering.
pub fn member() -> io::Result<()> {
    settle_in()?;
    let mut lines = StdBufReader::new(io::stdin().lock()).lines();
    let setup: Setup = serde_json::from_str(&lines.next().ok_or(io::ErrorKind::UnexpectedEof)??)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (gateway, ready) = match runtime.block_on(serve(&setup)) {
        Ok(gateway) => (Some(gateway), Ok(())),
        Err(error) => (None, Err(error.to_string())),
    };
    println!("{}", serde_json::to_string(&ready)?);
    if gateway.is_none() {
        return Ok(());
    }
    let mut client = Client::connect(local(8080))?;
    for line in lines {
        let block: Block = serde_json::from_str(&line?)?;
        let times = client.block(&block.path, block.count)?;
        println!("{}", serde_json::to_string(&times)?);
    }
    Ok(())
}

async fn serve(setup: &Setup) -> Result<Process, Box<dyn std::error::Error>> {
    let (version, config) = if setup.candidate {
        (Version::Candidate, &setup.files.candidate)
    } else {
        (Version::Baseline, &setup.files.baseline)
    };
    let programs = &setup.programs;
    layout::lay(&setup.files, programs.openresty)?;
    layout::deploy_assets(&setup.files, version)?;
    let config = fs::read_to_string(config)?;
    fs::write(Path::new(layout::CONFIG), &config)?;
    let spec = services::gateway(programs, &setup.files, &config, &setup.env);
    let mut gateway = Process::start(&Tools::of(programs), spec).await?;
    let started = Instant::now();
    while TcpStream::connect(local(8080)).is_err() {
        if !gateway.running() || started.elapsed() > READY_DEADLINE {
            return Err(format!(
                "the gateway did not come up side by side: {}",
                layout::last_words(Service::Gateway)
            )
            .into());
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(gateway)
}
