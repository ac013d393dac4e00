//! The real LiteLLM, on a port of its own. Where it is not installed the tests that need it say so
//! and are not run; with VERIFY_REQUIRE_LITELLM=1 that is a failure.

use std::{
    env,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use verify::stack::litellm::{self, Litellm};

use super::{super::super::support::root, MODEL, SHARED};

/// How long it has to be up, on a busy machine.
const READY_DEADLINE: Duration = Duration::from_secs(120);

/// It is ended with this.
pub struct Real {
    pub addr: SocketAddr,
    child: Child,
    folder: TempDir,
}

impl Drop for Real {
    fn drop(&mut self) {
        // One that is gone already needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where it is installed; `None` where it is not, and was not promised.
pub fn installed() -> Option<Litellm> {
    let beside = Path::new(env!("CARGO_BIN_EXE_verify")).with_file_name("litellm");
    match Litellm::of(&beside.join("bin/python"), &root().join(litellm::FILES)) {
        Ok(found) => Some(found),
        Err(missing) => {
            assert!(
                env::var("VERIFY_REQUIRE_LITELLM").is_err(),
                "VERIFY_REQUIRE_LITELLM is set: {missing}"
            );
            // Not captured, unlike `eprintln!`: nothing is left out in silence.
            let _ = writeln!(
                std::io::stderr().lock(),
                "NOT RUN: a test on the real LiteLLM: {missing}"
            );
            None
        }
    }
}

/// Starts it and waits until it answers.
pub async fn start(installed: &Litellm) -> Real {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = free.local_addr().unwrap();
    drop(free);
    let args = installed
        .prepare(folder.path(), &[MODEL.to_owned()], addr.port())
        .unwrap();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let child = Command::new(installed.program())
        .args(args)
        .env_clear()
        .envs(litellm::env(&"sk-master".into(), &SHARED.into()))
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut real = Real {
        addr,
        child,
        folder,
    };
    real.answers().await;
    real
}

impl Real {
    async fn answers(&mut self) {
        let started = Instant::now();
        let url = format!("http://{}/health/liveliness", self.addr);
        while reqwest::get(&url).await.is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && started.elapsed() < READY_DEADLINE,
                "LiteLLM does not come up ({ended:?}): {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}
