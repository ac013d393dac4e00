//! Broken gateways are caught by the items that they break, and good ones are let through.

use std::{fs, path::Path, sync::Mutex, thread};

use serde::Deserialize;

use super::support::{Scratch, copy_tree, needs_sandbox, root, verify};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    pub id: String,
    #[allow(dead_code)] // for people
    title: String,
    pub edits: Vec<Edit>,
    #[serde(default)]
    breaks: Vec<String>,
    #[serde(default)]
    may: Vec<String>,
    #[serde(default)]
    #[allow(dead_code)] // for people
    beyond: Vec<String>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    pub file: String,
    find: String,
    replace: String,
}

/// Every broken gateway.
pub fn mutants() -> Vec<Mutant> {
    let path = root().join("fixtures/mutants/phases.yaml");
    let text = fs::read_to_string(&path).expect("the mutants");
    serde_saphyr::from_str(&text).expect("mutants")
}

/// A copy of the shipped gateway with the edits made.
pub fn mutated(edits: &[Edit]) -> Result<Scratch, String> {
    let copy = Scratch::nothing("gateway");
    copy_tree(&root().join("fixtures/gateway"), &copy.path);
    fs::rename(
        copy.path.join("nginx_v11.1.conf"),
        copy.path.join("nginx.conf"),
    )
    .expect("the candidate");
    fs::copy(
        root().join("fixtures/auth-proxy/oauth2-proxy.cfg"),
        copy.path.join("oauth2-proxy.cfg"),
    )
    .expect("a copy");
    for edit in edits {
        let path = copy.path.join(&edit.file);
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", edit.file))?;
        let found = text.matches(&edit.find).count();
        if found != 1 {
            return Err(format!(
                "{}: `{}` stands {found} times, not once",
                edit.file, edit.find
            ));
        }
        fs::write(&path, text.replace(&edit.find, &edit.replace))
            .expect("a scratch file can be written");
    }
    Ok(copy)
}

/// Runs the plan on a gateway without 7.2; the statuses by item, and the exit code.
fn judged(gateway: &Path) -> (Vec<(String, String, String)>, Option<i32>) {
    let mut run = verify(["--quick"]);
    run.command
        .arg("--candidate")
        .arg(gateway.join("nginx.conf"))
        .arg("--lua")
        .arg(gateway.join("lua"))
        .arg("--html")
        .arg(gateway.join("html"))
        .arg("--baseline-lua")
        .arg(root().join("fixtures/gateway/lua"))
        .arg("--baseline-html")
        .arg(root().join("fixtures/gateway/html"))
        .arg("--auth-proxy")
        .arg(gateway.join("oauth2-proxy.cfg"));
    let ended = run.ends_in_sandbox();
    let report = ended.report();
    let items = report.0["items"].as_array().expect("items");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let statuses = items.iter().map(|item| {
        let why = format!("{} {}", item["reason"], item["failure"]["seen"]);
        let status = if item["fault"] == "harness" {
            "harness".to_owned()
        } else {
            text(&item["status"])
        };
        (text(&item["id"]), status, why)
    });
    (statuses.collect(), ended.code)
}

/// What is wrong with how a mutant was judged.
fn complaints(mutant: &Mutant) -> Vec<String> {
    let gateway = match mutated(&mutant.edits) {
        Ok(gateway) => gateway,
        Err(why) => return vec![why],
    };
    let (items, code) = judged(&gateway.path);
    let required = |id: &str| {
        ["1.", "2.1", "2.2", "3.", "4.1", "4.2", "4.4"]
            .iter()
            .any(|start| id.starts_with(start))
    };
    // What only may fail counts for the exit code where it did.
    let rolls_back = items
        .iter()
        .any(|(id, status, _)| required(id) && status == "failed");
    let expected = Some(if rolls_back { 1 } else { 3 });
    let mut wrong = Vec::new();
    for (id, status, why) in &items {
        let breaks = mutant.breaks.contains(id);
        let may = mutant.may.contains(id) || mutant.may.iter().any(|id| id == "all");
        if breaks && status != "failed" {
            wrong.push(format!("{id} must fail, and is {status}: {why}"));
        } else if !breaks && !may && id != "7.2" && status != "passed" {
            wrong.push(format!("{id} must pass, and is {status}: {why}"));
        }
    }
    if code != expected {
        wrong.push(format!("exit {code:?}, not {expected:?}"));
    }
    wrong
}

#[test]
fn every_broken_gateway_is_caught_by_the_items_that_it_breaks_and_by_no_other() {
    needs_sandbox();
    let mutants = mutants();
    let left = Mutex::new(mutants.iter());
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("no panic while it is held").next();
                    let Some(mutant) = next else { break };
                    for complaint in complaints(mutant) {
                        wrong
                            .lock()
                            .expect("no panic while it is held")
                            .push(format!("{}: {complaint}", mutant.id));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic while it was held");
    assert!(
        wrong.is_empty(),
        "{} of {} mutants:\n{}",
        wrong.len(),
        mutants.len(),
        wrong.join("\n")
    );
    let phases: std::collections::BTreeSet<char> = mutants
        .iter()
        .flat_map(|mutant| &mutant.breaks)
        .filter_map(|id| id.chars().next())
        .collect();
    assert_eq!(
        phases.into_iter().collect::<String>(),
        "1234567",
        "a phase has no mutant"
    );
}

/// What differs from the shipped gateway and is as good: nothing of it may be blamed.
pub const HARMLESS: &[(&str, &str, &str)] = &[
    (
        "the log goes to a file",
        "error_log /dev/stderr warn;",
        "error_log /var/log/nginx/error.log warn;",
    ),
    (
        "a relative log file",
        "error_log /dev/stderr warn;",
        "error_log logs/own.log warn;",
    ),
    (
        "one worker",
        "worker_processes auto;",
        "worker_processes 1;",
    ),
    (
        "four workers",
        "worker_processes auto;",
        "worker_processes 4;",
    ),
    (
        "no access log",
        "    access_log /dev/stdout;",
        "    access_log off;",
    ),
    (
        "daemon, user and pid are given",
        "worker_processes auto;",
        "worker_processes auto;\ndaemon off;\nuser root;\npid /run/own.pid;",
    ),
    (
        "a shorter keepalive",
        "        keepalive_timeout 60s;",
        "        keepalive_timeout 20s;",
    ),
    (
        "a smaller pool",
        "        keepalive 32;\n        keepalive_requests 1000;",
        "        keepalive 8;\n        keepalive_requests 1000;",
    ),
    (
        "the upstream is found by a name server at each request",
        "proxy_pass http://oauth2_proxy;\n        }\n\n        # ---- answers",
        "set $login oauth2-proxy:4180;\n            proxy_pass http://$login;\n        }\n\n        # ---- answers",
    ),
    (
        "nginx's own level carries [info]",
        "error_log /dev/stderr warn;",
        "error_log /dev/stderr info;",
    ),
];

/// A gateway that differs and is as good.
pub fn harmless(title: &str, find: &str, replace: &str) -> Scratch {
    let mut edits = vec![Edit {
        file: "nginx.conf".to_owned(),
        find: find.to_owned(),
        replace: replace.to_owned(),
    }];
    if title.starts_with("nginx's own level") {
        for line in ["Tracking user: ", "User tracking success: "] {
            edits.push(Edit {
                file: "nginx.conf".to_owned(),
                find: format!("ngx.log(ngx.WARN, \"[info] {line}"),
                replace: format!("ngx.log(ngx.INFO, \"{line}"),
            });
        }
    }
    mutated(&edits).expect(title)
}

#[test]
fn what_is_as_good_as_the_shipped_gateway_is_let_through() {
    needs_sandbox();
    let mut wrong = Vec::new();
    for (title, find, replace) in HARMLESS {
        let gateway = harmless(title, find, replace);
        let (items, code) = judged(&gateway.path);
        let not_passed = items
            .iter()
            .filter(|(id, status, _)| id != "7.2" && status != "passed");
        wrong.extend(
            not_passed.map(|(id, status, why)| format!("{title}: {id} is {status}: {why}")),
        );
        if code != Some(3) {
            wrong.push(format!("{title}: exit {code:?}, not 3 (7.2 is left out)"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
