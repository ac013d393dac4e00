//! Gateways in other styles: the same plan, by the data of a profile alone.

use std::{collections::BTreeSet, path::Path, sync::Mutex, thread};

use serde_json::Value;
use verify::{
    engine::GatewayFiles,
    mutation::{Catalogue, Copy, Mutant},
    plan::{Bundle, ItemId},
};

use super::support::{Ended, needs_sandbox, root, verify};

/// The gateway of a profile: REST admin APIs beside the plan's; labels, milliseconds, one line a
/// request and includes of its own; a front page, hashes, RFC 3339 and answers without a body.
const PROFILES: [&str; 3] = ["rest", "acme", "corp"];

fn gateway(profile: &str) -> GatewayFiles {
    let gateway = root().join("fixtures").join(format!("gateway-{profile}"));
    let own = |name: &str, shared: &str| {
        let own = gateway.join(name);
        if own.exists() {
            own
        } else {
            root().join(shared)
        }
    };
    GatewayFiles {
        candidate: gateway.join("nginx.conf"),
        baseline: gateway.join("nginx_v10.conf"),
        lua: gateway.join("lua"),
        html: own("html", "fixtures/gateway/html"),
        auth_proxy: own("auth-proxy.cfg", "fixtures/auth-proxy/oauth2-proxy.cfg"),
        // What it shares with the plan's.
        lualib: (profile == "rest").then(|| root().join("fixtures/gateway/lua")),
        baseline_lua: None,
        baseline_html: None,
    }
}

/// Goes through the plan with the profile, without 7.2.
fn judged(profile: &str, candidate: &Path, lua: &Path, further: &[&str]) -> Ended {
    let files = gateway(profile);
    let mut run = verify(["--quick", "--profile", profile]);
    run.command.args(further);
    for (flag, path) in [
        ("--candidate", candidate),
        ("--lua", lua),
        ("--baseline", &files.baseline),
        ("--baseline-lua", &files.lua),
        ("--html", &files.html),
        ("--auth-proxy", &files.auth_proxy),
    ] {
        run.command.arg(flag).arg(path);
    }
    if let Some(lualib) = &files.lualib {
        run.command.arg("--lualib").arg(lualib);
    }
    run.ends_in_sandbox()
}

fn ids<'a>(items: &'a Value, status: &str) -> Vec<&'a str> {
    let items = items.as_array().expect("a list").iter();
    let of_status = items.filter(|item| item["status"] == status);
    of_status.filter_map(|item| item["id"].as_str()).collect()
}

/// The titles of an item's remarks.
fn remarks(item: &Value) -> String {
    let all = item["evidence"].as_array().expect("evidence").iter();
    let remarks = all.filter(|one| one["kind"] == "remark");
    remarks
        .map(|one| format!("{}\n", one["title"].as_str().unwrap_or_default()))
        .collect()
}

#[test]
fn the_gateway_with_rest_admin_apis_passes_and_what_was_checked_less_is_said() {
    let files = gateway("rest");
    let run = judged("rest", &files.candidate, &files.lua, &[]);
    run.exits(3);
    let report = run.report();
    assert_eq!(report.0["run"]["profile"], "rest");
    assert_eq!(ids(&report.0["items"], "skipped"), ["7.2"]);
    assert_eq!(report.with_status("passed").len(), 24);
    assert_eq!(report.0["extended"].as_array().map(Vec::len), Some(19));
    assert_eq!(
        ids(&report.0["extended"], "skipped"),
        ["X.14", "X.15", "X.16", "X.18", "X.19"]
    );
    assert!(ids(&report.0["extended"], "failed").is_empty());
    for (item, remark) in [
        ("1.4", "are harmless, as the profile says"),
        ("3.1", "which context a line belongs to is not told"),
        ("3.6", "which context a line belongs to is not told"),
        ("4.1", "broken JSON is not refused"),
        ("4.3", "not all of it is told by this gateway"),
        ("6.2", "a ban of 3 days cannot be had"),
        ("6.3", "a ban does not reach /api/token/list"),
    ] {
        let said = remarks(report.item(item));
        assert!(said.contains(remark), "{item} says:\n{said}");
    }
}

#[test]
fn gateways_in_styles_of_their_own_pass() {
    for profile in ["acme", "corp"] {
        let files = gateway(profile);
        let run = judged(profile, &files.candidate, &files.lua, &[]);
        run.exits(3);
        let report = run.report();
        assert_eq!(report.0["run"]["profile"], profile);
        // Neither of them sends what 7.1 asks for through its own internal port.
        assert_eq!(
            ids(&report.0["items"], "skipped"),
            ["7.1", "7.2"],
            "{profile}"
        );
        assert_eq!(report.with_status("passed").len(), 23, "{profile}");
        assert_eq!(
            ids(&report.0["extended"], "skipped"),
            ["X.14", "X.15", "X.16", "X.18", "X.19"],
            "{profile}"
        );
        assert!(ids(&report.0["extended"], "failed").is_empty(), "{profile}");
    }
}

/// At first contact nobody has written a profile yet: that is told before anything is started, and
/// nothing is held against the candidate.
#[test]
fn a_profile_that_does_not_fit_is_no_fault_of_the_candidate() {
    for (profile, flags, said) in [
        (
            "corp",
            ["--html"].as_slice(),
            "the admin page `token-session-manager.html`",
        ),
        (
            "acme",
            &["--html", "--auth-proxy"],
            "login.cookie is `_oauth2_proxy`",
        ),
    ] {
        let files = gateway(profile);
        let mut run = verify(["--candidate"]);
        run.command
            .arg(&files.candidate)
            .arg("--lua")
            .arg(&files.lua);
        for flag in flags {
            let path = if *flag == "--html" {
                &files.html
            } else {
                &files.auth_proxy
            };
            run.command.arg(flag).arg(path);
        }
        run.ends()
            .exits(2)
            .complains([said, "plan.yaml"])
            .started_nothing();
    }
}

/// What is wrong with how a mutant was judged.
fn complaints(profile: &str, mutant: &Mutant) -> Vec<String> {
    let copy = match Copy::with(&gateway(profile), &mutant.edits) {
        Ok(copy) => copy,
        Err(error) => return vec![error.to_string()],
    };
    let ended = judged(
        profile,
        &copy.candidate(),
        &copy.lua(),
        &["--phase", "1,2,3,4,5,6,7"],
    );
    let report = ended.report();
    let wrong = report.items().iter().filter_map(|item| {
        let id: ItemId = item["id"].as_str()?.parse().ok()?;
        let breaks = mutant.breaks.contains(&id);
        let may = mutant.may.iter().any(|pattern| pattern.covers(id));
        let failed = item["status"] == "failed" && item["fault"] == "candidate";
        let not_here = item["id"] == "7.2" || (item["id"] == "7.1" && profile != "rest");
        let passed = item["status"] == "passed" || not_here;
        let why = format!("{} {} {}", item["status"], item["reason"], item["failure"]);
        match (breaks, failed, passed || may) {
            (true, false, _) => Some(format!("{id} must fail: {why}")),
            (false, _, false) => Some(format!("{id} must pass: {why}")),
            _ => None,
        }
    });
    wrong.collect()
}

#[test]
fn every_broken_version_of_it_is_caught_by_the_items_that_it_breaks_and_by_no_other() {
    needs_sandbox();
    let bundle = Bundle::load(&root().join("features")).expect("the plan");
    let known: BTreeSet<ItemId> = bundle.items().collect();
    let mut mutants = Vec::new();
    for profile in PROFILES {
        let path = root().join(format!("fixtures/gateway-{profile}/mutants.yaml"));
        let found = Catalogue::load(&path, &known).expect("mutants").mutants;
        assert!(found.len() >= 6, "{profile}");
        mutants.extend(found.into_iter().map(|mutant| (profile, mutant)));
    }
    let left = Mutex::new(mutants.iter());
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("no panic while it is held").next();
                    let Some((profile, mutant)) = next else { break };
                    let found = complaints(profile, mutant).into_iter();
                    let mut wrong = wrong.lock().expect("no panic while it is held");
                    wrong.extend(found.map(|what| format!("{}: {what}", mutant.id)));
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic while it was held");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
