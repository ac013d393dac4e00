//! The two stacks on a Docker engine. Where none answers these tests say so and are not run; with
//! VERIFY_REQUIRE_DOCKER=1 that is a failure.

use std::{
    collections::BTreeMap,
    env,
    fs::File,
    io::Write as _,
    process::{Command, Output, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::support::{Ended, root};

mod bad_luck;
mod containers;
mod deployment;
mod parity;

/// The engine for this test alone, of whichever process, with the images in place; `None` where there
/// is no engine and none was promised. Such tests are heavy, and some of them count containers.
pub fn engine() -> Option<File> {
    static THERE: OnceLock<bool> = OnceLock::new();
    let lock = concat!(env!("CARGO_TARGET_TMPDIR"), "/engine.lock");
    let held = File::create(lock).expect("a file to lock");
    held.lock().expect("the lock");
    let there = *THERE.get_or_init(|| {
        let said = Command::new("docker")
            .arg("version")
            .stdin(Stdio::null())
            .output();
        let answers = said.as_ref().is_ok_and(|said| said.status.success());
        if !answers {
            assert!(
                env::var("VERIFY_REQUIRE_DOCKER").is_err(),
                "VERIFY_REQUIRE_DOCKER is set and no Docker engine answers: {said:?}"
            );
            // Not captured, unlike `eprintln!`: nothing is left out in silence.
            let _ = writeln!(
                std::io::stderr().lock(),
                "NOT RUN: the tests on a Docker engine, since none answers"
            );
            return false;
        }
        let images = Command::new(root().join("scripts/images"))
            .args(["--verify", env!("CARGO_BIN_EXE_verify")])
            .stdin(Stdio::null())
            .output()
            .expect("scripts/images can be run");
        assert!(images.status.success(), "{}", said_by(&images));
        true
    });
    there.then_some(held)
}

pub fn said_by(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// What `docker` prints, for a command that must succeed.
#[track_caller]
pub fn docker(args: &[&str]) -> String {
    let output = Command::new("docker")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("docker can be run");
    assert!(
        output.status.success(),
        "docker {args:?}: {}",
        said_by(&output)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Everything on the engine that belongs to a run.
pub fn belongings() -> String {
    ["ps -aq", "network ls -q", "volume ls -q"]
        .map(|list| {
            let mut args: Vec<&str> = list.split(' ').collect();
            args.extend(["--filter", "label=verify.run"]);
            docker(&args)
        })
        .concat()
}

/// The statuses by item, with what is the harness's fault told apart; 7.2 is left to a quiet
/// machine.
pub fn statuses(ended: &Ended) -> BTreeMap<String, String> {
    by_id(ended.report().items())
}

/// The same with the extended checks.
pub fn all_statuses(ended: &Ended) -> BTreeMap<String, String> {
    let report = ended.report();
    let mut all = by_id(report.items());
    all.extend(by_id(report.0["extended"].as_array().expect("a list")));
    all
}

fn by_id(items: &[Value]) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    items
        .iter()
        .filter(|item| item["id"] != "7.2")
        .map(|item| {
            let status = match item["fault"].as_str() {
                Some("harness") => format!("harness: {}", item["failure"]["seen"]),
                _ => text(&item["status"]),
            };
            (text(&item["id"]), status)
        })
        .collect()
}

/// Waits for a condition; whether it came.
pub fn wait_for(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < deadline {
        if condition() {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    condition()
}
