//! The containers stack: what it passes, and that it leaves nothing behind.

use std::{collections::BTreeMap, process::Command, thread, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

use serde_json::{Value, json};
use testcontainers::{GenericImage, ImageExt as _, runners::AsyncRunner as _};

use super::{all_statuses, belongings, docker, engine, wait_for};
use crate::support::{root, verify};

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

/// `docker compose`'s own reading of the compose file, by service.
fn as_compose_reads_it() -> BTreeMap<String, Value> {
    let output = Command::new("docker")
        .args([
            "compose",
            "-f",
            "docker-compose.test.yml",
            "config",
            "--format",
            "json",
        ])
        .current_dir(root())
        .output()
        .expect("docker compose can be run");
    let config: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    serde_json::from_value(config["services"].clone()).expect("services")
}

#[test]
fn every_container_is_confined_as_the_compose_file_says_and_publishes_nothing() {
    let Some(_engine) = engine() else { return };
    let described = as_compose_reads_it();
    let mut run = verify(["--stack", "containers", "--quick"]);
    let mut child = run.command.spawn().expect("verify can be run");
    let ids = || docker(&["ps", "-q", "--filter", "label=verify.run"]);
    let there = wait_for(Duration::from_secs(60), || ids().lines().count() == 5);
    let mut args = vec!["inspect"];
    let ids = ids();
    args.extend(ids.lines());
    let found: Vec<Value> = serde_json::from_str(&docker(&args)).expect("JSON");
    let network = docker(&["network", "ls", "-q", "--filter", "label=verify.run"]);
    let network: Value =
        serde_json::from_str(&docker(&["network", "inspect", network.trim()])).expect("JSON");
    let _ = child.kill();
    let _ = child.wait();
    assert!(there, "no containers");
    assert_eq!(network[0]["Internal"], true, "{network:#}");
    assert_eq!(found.len(), described.len());
    for container in found {
        let name = container["Config"]["Hostname"].as_str().expect("a name");
        let service = &described[name];
        let host = &container["HostConfig"];
        // Nothing is published, not even what the image exposes.
        assert_eq!(host["PublishAllPorts"], false, "{name}");
        assert!(
            host["PortBindings"]
                .as_object()
                .is_none_or(|ports| ports.is_empty())
        );
        let ports = container["NetworkSettings"]["Ports"]
            .as_object()
            .expect("ports");
        assert!(ports.values().all(Value::is_null), "{name}: {ports:?}");
        let networks = container["NetworkSettings"]["Networks"].as_object();
        let networks: Vec<_> = networks.expect("networks").keys().collect();
        assert_eq!(networks, [network[0]["Name"].as_str().expect("a name")]);
        assert_eq!(host["Privileged"], false, "{name}");
        assert_eq!(host["ReadonlyRootfs"], service["read_only"], "{name}");
        let capabilities = |value: &Value| -> Vec<String> {
            let names = value.as_array().cloned().unwrap_or_default();
            let names = names.iter().map(|name| name.as_str().expect("a name"));
            let mut names: Vec<_> = names
                .map(|name| name.trim_start_matches("CAP_").to_owned())
                .collect();
            names.sort();
            names
        };
        assert_eq!(capabilities(&host["CapDrop"]), ["ALL"], "{name}");
        assert_eq!(
            capabilities(&host["CapAdd"]),
            capabilities(&service["cap_add"]),
            "{name}"
        );
        assert_eq!(host["SecurityOpt"], service["security_opt"], "{name}");
        assert_eq!(host["Dns"], service["dns"], "{name}");
        let number = |value: &Value| match value {
            Value::String(text) => text.parse().expect("a number"),
            other => other.as_i64().expect("a number"),
        };
        for (limit, key) in [
            ("Memory", "mem_limit"),
            ("MemorySwap", "memswap_limit"),
            ("PidsLimit", "pids_limit"),
        ] {
            assert_eq!(
                number(&host[limit]),
                number(&service[key]),
                "{name}: {limit}"
            );
        }
        let ulimits = host["Ulimits"].as_array().expect("limits");
        assert_eq!(ulimits.len(), 2, "{name}");
        for limit in ulimits {
            // `{}` is zero there.
            let expected = &service["ulimits"][limit["Name"].as_str().expect("a name")];
            let expected = Some(expected.as_i64().unwrap_or_default());
            let limits = (limit["Soft"].as_i64(), limit["Hard"].as_i64());
            assert_eq!(limits, (expected, expected), "{name}: {limit}");
        }
        assert_eq!(
            host["LogConfig"],
            json!({"Type": service["logging"]["driver"], "Config": service["logging"]["options"]})
        );
        let in_memory = host["Tmpfs"].as_object().map(|places| places.len());
        let expected = service["tmpfs"].as_array().map_or(0, Vec::len);
        assert_eq!(in_memory.unwrap_or_default(), expected, "{name}");
        let mounts = container["Mounts"].as_array().expect("mounts");
        assert!(
            mounts.iter().all(|mount| mount["Type"] == "volume"),
            "{name}: {mounts:?}"
        );
        let labels = &container["Config"]["Labels"];
        assert_eq!(labels["org.testcontainers.managed-by"], "testcontainers");
        assert!(labels["verify.owner"].is_string(), "{name}");
    }
    assert!(wait_for(Duration::from_secs(60), || belongings().is_empty()));
}

/// Why the files of a service are copied by bollard, once testcontainers has started it: see
/// docs/src/explanation/libraries.md.
#[test]
fn testcontainers_copies_nothing_into_a_read_only_root() {
    let Some(_engine) = engine() else { return };
    let image = docker(&[
        "images",
        "-q",
        "--no-trunc",
        "--filter",
        "label=verify.image",
    ]);
    let image = image.lines().next().expect("an image").to_owned();
    let (name, tag) = image.split_once(':').expect("an id");
    let label = format!("verify-test-{}", std::process::id());
    let started = tokio::runtime::Runtime::new().expect("a runtime").block_on(
        GenericImage::new(name, tag)
            .with_entrypoint("sleep")
            .with_cmd(["9"])
            .with_network("none")
            .with_label("verify.test", &label)
            .with_readonly_rootfs(true)
            .with_mount(testcontainers::core::Mount::tmpfs_mount("/opt"))
            .with_copy_to("/opt/file", b"content".to_vec())
            .start(),
    );
    // It leaves what it created: the watchdog of a run removes such containers, too.
    let filter = format!("label=verify.test={label}");
    let left = docker(&["ps", "-aq", "--filter", &filter]);
    for id in left.lines() {
        docker(&["rm", "-f", id]);
    }
    let Err(error) = started else {
        panic!("a folder that is not there was copied");
    };
    let error = error.to_string();
    assert!(error.contains("read-only"), "{error}");
    assert_eq!(left.lines().count(), 1, "{left:?}");
}
