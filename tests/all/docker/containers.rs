//! The containers stack: what it passes, and that it leaves nothing behind.

use std::{thread, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

use super::{all_statuses, belongings, docker, engine, wait_for};
use crate::support::verify;

/// How many runs are ended by each signal.
const ENDS: u64 = 20;

/// How many of them at the same time.
const AT_ONCE: u64 = 4;

#[test]
fn the_shipped_gateway_passes_on_containers_of_which_none_is_left() {
    let Some(_engine) = engine() else { return };
    let ended = verify(["--stack", "containers"]).ends();
    let needs_browser = |id: &str| ["X.18", "X.19"].contains(&id);
    let wrong: Vec<_> = all_statuses(&ended)
        .into_iter()
        .filter(|(id, status)| status != "passed" && !(status == "skipped" && needs_browser(id)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}\n{}", ended.stdout);
    let report = ended.report();
    assert_eq!(report.0["run"]["stack"], "containers");
    let components = report.0["run"]["components"].as_array().expect("a list");
    assert_eq!(components.len(), 5);
    for component in components {
        let image = component["image"].as_str().unwrap_or_default();
        assert!(image.contains(" ("), "no image id: {component}");
        let double = ["upstream", "idp"].contains(&component["service"].as_str().expect("a name"));
        assert_eq!(component["real"], !double, "{component}");
    }
    assert_eq!(belongings(), "");
}

#[test]
fn nothing_is_left_of_a_run_that_a_signal_ends_at_any_moment() {
    let Some(_engine) = engine() else { return };
    let signals = [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP];
    let wrong = std::sync::Mutex::new(Vec::new());
    thread::scope(|scope| {
        for worker in 0..AT_ONCE {
            let wrong = &wrong;
            scope.spawn(move || {
                for end in (worker..ENDS * 4).step_by(AT_ONCE as usize) {
                    let signal = signals[(end % 4) as usize];
                    // Spread over the first seconds, when containers are made and started.
                    let after = Duration::from_millis(end * 2_999 % 4_000);
                    let mut run = verify(["--stack", "containers", "--quick"]);
                    let mut child = run.command.spawn().expect("verify can be run");
                    thread::sleep(after);
                    let pid = Pid::from_child(&child);
                    kill_process(pid, signal).expect("it runs");
                    let status = child.wait().expect("it ends");
                    let expected = if signal == Signal::KILL {
                        None
                    } else {
                        Some(130)
                    };
                    if status.code() != expected {
                        let complaint = format!("{signal:?} after {after:?}: {status}");
                        wrong.lock().expect("no panic").push(complaint);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic");
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Who was killed is cleaned up after by its watchdog, which outlives it for a moment.
    assert!(
        wait_for(Duration::from_secs(60), || belongings().is_empty()),
        "left behind:\n{}",
        belongings()
    );
}

/// The watchdog of a run.
fn watchdog_of(run: &str) -> Pid {
    let wanted = format!(" worker --watchdog {run} ");
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let mut found = processes.filter_map(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let pid = entry.file_name().to_str()?.parse().ok()?;
        line.contains(&wanted).then(|| Pid::from_raw(pid))?
    });
    found.next().expect("the run has a watchdog")
}

#[test]
fn cleanup_finds_what_a_crash_of_the_machine_left_and_spares_what_goes_on() {
    let Some(_engine) = engine() else { return };
    let mut crashed = verify(["--stack", "containers", "--quick"]);
    let mut child = crashed.command.spawn().expect("verify can be run");
    let all = |count: usize| {
        docker(&["ps", "-q", "--filter", "label=verify.run"])
            .lines()
            .count()
            == count
    };
    assert!(
        wait_for(Duration::from_secs(30), || all(5)),
        "no containers"
    );
    // A machine that dies takes the watchdog along.
    let runs = docker(&[
        "ps",
        "--filter",
        "label=verify.run",
        "--format",
        "{{.Label \"verify.run\"}}",
    ]);
    let run = runs.lines().next().expect("a run");
    kill_process(watchdog_of(run), Signal::KILL).expect("it runs");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let left = docker(&["ps", "-aq", "--filter", "label=verify.run"])
        .lines()
        .count();
    assert_eq!(left, 5, "they are gone without `verify cleanup`");
    let mut going_on = verify(["--stack", "containers", "--quick"]);
    let other = going_on.command.spawn().expect("verify can be run");
    assert!(
        wait_for(Duration::from_secs(30), || all(10)),
        "no containers of the other run"
    );
    let shown = verify(["cleanup", "--dry-run"]).ends();
    shown.exits(0);
    assert_eq!(shown.stdout.lines().count(), 6, "{}", shown.stdout);
    let cleaned = verify(["cleanup"]).ends();
    cleaned.exits(0);
    assert_eq!(cleaned.stdout, shown.stdout);
    let output = other.wait_with_output().expect("it ends");
    let other = crate::support::Ended::new(output, going_on.into_scratch());
    other.exits(3);
    assert_eq!(belongings(), "");
    let again = verify(["cleanup"]).ends();
    again.exits(0);
    assert!(
        again.stdout.contains("nothing was left behind"),
        "{}",
        again.stdout
    );
}
