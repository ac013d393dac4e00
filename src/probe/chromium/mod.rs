//! A real browser: headless Chromium, driven through its DevTools protocol.
//!
//! Its messages go over a pipe. Through
//! WebDriver or a debugging port, everybody on the machine could use a browser in which people are
//! logged in, and a driver of root's would start any program for them; a pipe is nobody else's,
//! and the browser ends with it, however the run ends.
//!
//! What an event holds is read as the JSON that it is, and not through a library's type for every
//! event: a browser that is newer than such a type has events that do not fit it, those are lost,
//! and a request that was not seen would be taken for one that was not made. A ring of the newest
//! events, as other libraries keep, may lose some, too.
//!
//! One process serves a run. Each person has a context of their own in it, as in a private
//! window: its cookies, cache and storage are nobody else's.

use std::{
    io,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

mod cookies;
mod error;
mod exchanges;
mod page;
mod picture;
mod pipe;
mod tab;

pub use error::{BrowseError, ChromiumError};
pub use page::{POLL, Patience, Shown};
#[cfg(feature = "fault-injection")]
pub use tab::ShutEyes;
pub use tab::Tab;

use self::{
    pipe::Pipe,
    tab::{HEIGHT, WIDTH, Window},
};
use super::http::Http;
use crate::model::service::Endpoints;

/// How long Chromium has to end when it is asked to.
const END_DEADLINE: Duration = Duration::from_secs(5);

/// Starts the browser with the pipe where it looks for it, keeps what it says, and removes its
/// folder when it has ended, however that came. Whoever waits for this process's standard error
/// to close waits for that, too.
const START: &str = r#"exec 5>&2 2>/dev/null
log=$1 dir=$2; shift 2
"$@" 3<&0 4>&1 5>&- </dev/null >/dev/null 2>"$log"
rm -rf "$dir""#;

/// What it is started with: nothing on the screen, nothing asked of anybody but the site.
const FLAGS: [&str; 17] = [
    "--headless",
    "--remote-debugging-pipe",
    // It runs as root in a sandbox of the run's own, where it cannot make another.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-crash-reporter",
    "--no-first-run",
    "--no-default-browser-check",
    "--password-store=basic",
    "--lang=en-US",
    // An address that is typed is http, as the profile says, and nothing is asked elsewhere.
    "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,OptimizationHints,MediaRouter,Translate",
];

/// Headless Chromium, running.
pub struct Chromium {
    pipe: Arc<Pipe>,
    #[cfg(feature = "fault-injection")]
    shut_eyes: Option<ShutEyes>,
    child: Mutex<Option<Child>>,
    http: Http,
    /// What it says of itself: `Chrome/156.0.8078.108`.
    pub version: String,
}

impl std::fmt::Debug for Chromium {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.version)
    }
}

impl Chromium {
    /// Starts it. The hosts of the gateway's world lead to where the services really listen, and
    /// every other host nowhere. `http` hears of each request.
    ///
    /// # Errors
    /// A program that does not start, with what it says.
    pub async fn start(
        program: &Path,
        endpoints: &Endpoints,
        http: Http,
    ) -> Result<Self, ChromiumError> {
        let refuse = |why: String| ChromiumError::Start {
            program: program.to_owned(),
            why,
        };
        let dir =
            TempDir::with_prefix("verify-browser-").map_err(|error| refuse(error.to_string()))?;
        let log = dir.path().join("said");
        let mut child =
            spawn(program, dir, &log, endpoints).map_err(|error| refuse(error.to_string()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(refuse("no pipe".to_owned()));
        };
        let pipe = Arc::new(Pipe::over(input, output));
        let version = match pipe.call(None, "Browser.getVersion", json!({})).await {
            Ok(told) => told["product"].as_str().unwrap_or_default().to_owned(),
            Err(error) => {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                let last = said.lines().rev().find(|line| !line.trim().is_empty());
                return Err(refuse(
                    last.map_or_else(|| error.to_string(), str::to_owned),
                ));
            }
        };
        Ok(Self {
            pipe,
            #[cfg(feature = "fault-injection")]
            shut_eyes: None,
            child: Mutex::new(Some(child)),
            http,
            version,
        })
    }

    /// The same, but blind where this is not nothing.
    #[cfg(feature = "fault-injection")]
    #[must_use]
    pub fn looking_with(mut self, shut_eyes: Option<ShutEyes>) -> Self {
        self.shut_eyes = shut_eyes;
        self
    }

    /// A tab in a window of its own, private, with nothing in it.
    pub async fn fresh(&self) -> Result<Tab, ChromiumError> {
        let window = Window::open(
            Arc::clone(&self.pipe),
            #[cfg(feature = "fault-injection")]
            self.shut_eyes.clone(),
        )
        .await?;
        Tab::open(Arc::new(window), self.http.clone()).await
    }

    /// Ends it, and waits until nothing of it is left.
    pub async fn end(&self) {
        self.pipe.tell("Browser.close", json!({}));
        let child = self
            .child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut child) = child
            && tokio::time::timeout(END_DEADLINE, child.wait())
                .await
                .is_err()
        {
            tracing::warn!("the browser does not end when it is asked to");
        }
    }
}

fn spawn(program: &Path, dir: TempDir, log: &Path, endpoints: &Endpoints) -> io::Result<Child> {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", START, "sh"])
        .arg(log)
        .arg(dir.path())
        .arg(program)
        .args(FLAGS)
        .arg(format!("--window-size={WIDTH},{HEIGHT}"))
        .arg(format!("--user-data-dir={}", dir.path().display()))
        .arg(format!("--host-resolver-rules={}", rules(endpoints)))
        .arg("about:blank")
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", dir.path())
        .env("TZ", std::env::var("TZ").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(io::stdout())
        // It ends by its pipe and cleans up, whatever is done to the worker's group.
        .process_group(0);
    let child = command.spawn()?;
    // From here on the folder is the started process's to remove.
    let _ = dir.keep();
    Ok(child)
}

/// Where host names lead.
fn rules(endpoints: &Endpoints) -> String {
    let known = endpoints
        .addresses
        .iter()
        .map(|((host, port), address)| format!("MAP {host}:{port} {address}"));
    known
        .chain(["MAP * ~NOTFOUND".to_owned()])
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_sites_hosts_lead_to_the_stack_and_every_other_nowhere() {
        let site = ("gateway.example.com".to_owned(), 80);
        let endpoints = Endpoints {
            addresses: BTreeMap::from([(site, ([172, 18, 0, 4], 80).into())]),
            upstream: None,
            idp: None,
            auth: ([172, 18, 0, 5], 4180).into(),
        };
        assert_eq!(
            rules(&endpoints),
            "MAP gateway.example.com:80 172.18.0.4:80,MAP * ~NOTFOUND"
        );
    }
}
