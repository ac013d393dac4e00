//! The profile `rest`: the same plan on a gateway with another surface, by data alone.

use std::{collections::BTreeSet, path::Path, sync::Mutex, thread};

use serde_json::Value;
use verify::{
    engine::GatewayFiles,
    mutation::{Catalogue, Copy, Mutant},
    plan::{Bundle, ItemId},
};

use super::support::{Ended, needs_sandbox, root, verify};

fn gateway() -> GatewayFiles {
    let gateway = root().join("fixtures/gateway-rest");
    GatewayFiles {
        candidate: gateway.join("nginx.conf"),
        baseline: gateway.join("nginx_v10.conf"),
        lua: gateway.join("lua"),
        html: root().join("fixtures/gateway/html"),
        auth_proxy: root().join("fixtures/auth-proxy/oauth2-proxy.cfg"),
        // What both gateways share.
        lualib: Some(root().join("fixtures/gateway/lua")),
        baseline_lua: None,
        baseline_html: None,
    }
}

/// Goes through the plan with the profile, without 7.2.
fn judged(candidate: &Path, lua: &Path, further: &[&str]) -> Ended {
    let files = gateway();
    let mut run = verify(["--quick", "--profile", "rest"]);
    run.command.args(further);
    for (flag, path) in [
        ("--candidate", candidate),
        ("--lua", lua),
        ("--baseline", &files.baseline),
        ("--baseline-lua", &files.lua),
        ("--html", &files.html),
        ("--lualib", files.lualib.as_deref().expect("shared modules")),
    ] {
        run.command.arg(flag).arg(path);
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
    let files = gateway();
    let run = judged(&files.candidate, &files.lua, &[]);
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

/// What is wrong with how a mutant was judged.
fn complaints(mutant: &Mutant) -> Vec<String> {
    let copy = match Copy::with(&gateway(), &mutant.edits) {
        Ok(copy) => copy,
        Err(error) => return vec![error.to_string()],
    };
    let ended = judged(
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
        let passed = item["status"] == "passed" || item["id"] == "7.2";
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
    let path = root().join("fixtures/gateway-rest/mutants.yaml");
    let mutants = Catalogue::load(&path, &known).expect("mutants").mutants;
    assert!(mutants.len() >= 6);
    let left = Mutex::new(mutants.iter());
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("no panic while it is held").next();
                    let Some(mutant) = next else { break };
                    let found = complaints(mutant).into_iter();
                    let mut wrong = wrong.lock().expect("no panic while it is held");
                    wrong.extend(found.map(|what| format!("{}: {what}", mutant.id)));
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic while it was held");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
