//! What can go wrong with an engine: each a clear text and exit 4, never a verdict.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use super::{belongings, docker, engine, wait_for};
use crate::support::{Ended, verify};

fn with_host(host: &str) -> Ended {
    verify(["--stack", "containers"])
        .env("DOCKER_HOST", host)
        .ends()
}

/// An engine that answers every request with this, on a socket of its own.
fn fake(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("engine.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0_u8; 65_536];
            let read = stream.read(&mut request).unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..read]).into_owned();
            let line = text.lines().next().unwrap_or_default().to_owned();
            let (status, body) = answer(&line);
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    (folder, path)
}

fn host(path: &Path) -> String {
    format!("unix://{}", path.display())
}

fn version(api: &str) -> String {
    format!("{{\"Version\":\"9.9\",\"ApiVersion\":\"{api}\",\"MinAPIVersion\":\"1.12\"}}")
}

#[test]
fn no_engine_is_told_and_auto_takes_the_sandbox() {
    let ended = with_host("unix:///nowhere/docker.sock");
    ended
        .exits(4)
        .complains([
            "no Docker engine answers at",
            "/nowhere/docker.sock",
            "--stack sandbox",
        ])
        .started_nothing();
    let auto = verify(["--stack", "auto", "--item", "1.3"])
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .ends_in_sandbox();
    auto.exits(0)
        .complains(["stack: sandbox (no Docker engine answers"]);
    assert_eq!(auto.report().0["run"]["stack"], "sandbox");
}

#[test]
fn an_engine_that_is_too_old_is_told() {
    let (_folder, path) = fake(|_| (200, version("1.24")));
    with_host(&host(&path))
        .exits(4)
        .complains(["is too old", "1.24", "20.10 or newer"])
        .started_nothing();
}

#[test]
fn a_socket_that_may_not_be_used_is_told() {
    if !rustix::process::geteuid().is_root() {
        // Only root can become somebody else, who may not use the socket.
        let _ = writeln!(
            std::io::stderr().lock(),
            "NOT RUN: a socket that may not be used, without root"
        );
        return;
    }
    let (folder, path) = fake(|_| (200, version("1.41")));
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("its mode");
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .expect("its mode");
    let binary = folder.path().join("verify");
    std::fs::copy(env!("CARGO_BIN_EXE_verify"), &binary).expect("a copy");
    // What is shipped is looked for above the program.
    let copied = Command::new("cp")
        .arg("-r")
        .args(["features", "fixtures", "docker-compose.test.yml"])
        .arg(folder.path())
        .current_dir(crate::support::root())
        .status();
    assert!(copied.expect("cp can be run").success());
    let said = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&binary)
        .args(["--stack", "containers"])
        .env("DOCKER_HOST", host(&path))
        .env("VERIFY_REPORT_DIR", "/nonexistent")
        .current_dir(crate::support::root())
        .output()
        .expect("setpriv can be run");
    let text = super::said_by(&said);
    assert_eq!(said.status.code(), Some(4), "{text}");
    assert!(
        text.contains("permission denied") && text.contains("group `docker`"),
        "{text}"
    );
}

#[test]
fn a_full_disk_is_told_and_is_no_verdict() {
    // It has the image of the doubles: nothing is built.
    let sum = Command::new("sha256sum")
        .arg(env!("CARGO_BIN_EXE_verify"))
        .output()
        .expect("sha256sum can be run");
    let sum = String::from_utf8_lossy(&sum.stdout).into_owned();
    let sha256 = sum.split(' ').next().expect("a sum").to_owned();
    let (_folder, path) = fake(move |line| {
        if line.contains("/version") {
            (200, version("1.41"))
        } else if line.contains("/images/") {
            let labels = format!("{{\"verify.binary.sha256\":\"{sha256}\"}}");
            let body = format!("{{\"Config\":{{\"Labels\":{labels}}},\"Id\":\"sha256:00\"}}");
            (200, body)
        } else if line.contains("/info") {
            let limits = "\"MemoryLimit\":true,\"PidsLimit\":true";
            let options = "\"SecurityOptions\":[\"name=seccomp,profile=default\"]";
            (200, format!("{{{limits},{options}}}"))
        } else if line.starts_with("GET ") {
            (200, "[]".to_owned())
        } else {
            (
                500,
                "{\"message\":\"write /data/x: no space left on device\"}".to_owned(),
            )
        }
    });
    let ended = with_host(&host(&path));
    ended.exits(4);
    let text = format!("{}{}", ended.stdout, ended.stderr);
    assert!(text.contains("no space left on device"), "{text}");
    assert!(text.contains("docker system df"), "{text}");
}

#[test]
fn an_image_that_nobody_has_is_told() {
    let Some(_engine) = engine() else { return };
    let ended = verify(["--stack", "containers"])
        .env("VERIFY_REDIS_IMAGE", "verify.invalid/nowhere:1")
        .ends();
    ended
        .exits(4)
        .complains(["the image verify.invalid/nowhere:1", "no registry has it"]);
}

#[test]
fn a_service_that_dies_in_mid_run_is_no_verdict() {
    let Some(_engine) = engine() else { return };
    for service in ["redis", "oauth2-proxy", "auth0", "litellm", "openresty"] {
        let mut run = verify(["--stack", "containers", "--quick"]);
        let child = run.command.spawn().expect("verify can be run");
        let filter = format!("name=-{service}$");
        let mut id = String::new();
        let there = wait_for(Duration::from_secs(30), || {
            docker(&[
                "ps",
                "-q",
                "--filter",
                "label=verify.run",
                "--filter",
                &filter,
            ])
            .trim()
            .clone_into(&mut id);
            !id.is_empty()
        });
        assert!(there, "no {service}");
        // Once the gateway runs, so that the run itself has begun.
        let begun = wait_for(Duration::from_secs(30), || {
            !docker(&[
                "ps",
                "-q",
                "--filter",
                "label=verify.run",
                "--filter",
                "name=-openresty$",
            ])
            .trim()
            .is_empty()
        });
        assert!(begun, "no gateway");
        docker(&["kill", &id]);
        let output = child.wait_with_output().expect("it ends");
        let ended = Ended::new(output, run.into_scratch());
        assert_eq!(
            ended.code,
            Some(4),
            "{service}: {}{}",
            ended.stdout,
            ended.stderr
        );
        assert_eq!(belongings(), "", "{service}");
    }
}
