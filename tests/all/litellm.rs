//! Runs with the real LiteLLM in the place of its double.

use std::{fs, thread};

use serde_json::Value;

use super::{
    doubles::litellm::real,
    support::{Ended, Scratch, replaced, root, verify},
};

/// The titles and texts of an item's evidence.
fn evidence(item: &Value) -> Vec<(&str, &str)> {
    let all = item["evidence"].as_array().expect("evidence is a list");
    all.iter()
        .map(|one| {
            let part = |name: &str| one[name].as_str().unwrap_or_default();
            (part("title"), part("body"))
        })
        .collect()
}

#[test]
fn the_shipped_gateway_passes_before_the_real_litellm() {
    let Some(installed) = real::installed() else {
        return;
    };
    let ended = verify(["--upstream", "litellm"]).ends_in_sandbox();
    ended.exits(0);
    let report = ended.report();
    assert_eq!(report.with_status("passed").len(), 25);
    let components = report.0["run"]["components"].as_array().unwrap();
    let real = |service: &str| -> Vec<(&Value, &Value)> {
        let of = components.iter().filter(|one| one["service"] == service);
        of.filter(|one| one["real"] == true)
            .map(|one| (&one["program"], &one["version"]))
            .collect()
    };
    assert_eq!(
        real("upstream"),
        [(&"LiteLLM".into(), &installed.version.into())]
    );
    // What is asked for otherwise than the profile says is told, and only that.
    let remark = "the context was asked for by another path";
    for (item, told) in [("3.1", false), ("3.2", false), ("3.3", true)] {
        let item = report.item(item);
        let titles = evidence(item);
        assert_eq!(
            titles.iter().any(|(title, _)| *title == remark),
            told,
            "{titles:?}"
        );
    }
    // LiteLLM's own words; the double has others.
    let item = report.item("5.2");
    for user in ["admin@example.com", "admin+test@example.com"] {
        let line = format!("/v1/messages answered model=claude-sonnet-4-20250514 user={user}");
        let seen = evidence(item);
        assert!(
            seen.iter().any(|(_, body)| body.contains(&line)),
            "{line}: {seen:?}"
        );
    }
}

/// Item 5.2 on the shipped gateway with one change in what tells LiteLLM the user.
fn broken(from: &str, to: &str) -> Ended {
    let lua = Scratch::nothing("lua");
    fs::create_dir(&lua.path).expect("a scratch folder");
    for entry in fs::read_dir(root().join("fixtures/gateway/lua")).expect("the shipped modules") {
        let entry = entry.expect("a module");
        fs::copy(entry.path(), lua.path.join(entry.file_name())).expect("a copy");
    }
    let changed = lua.path.join("litellm.lua");
    let text = fs::read_to_string(&changed).expect("a module");
    fs::write(&changed, replaced(&text, from, to)).expect("a scratch file can be written");
    verify(["--upstream", "litellm", "--item", "5.2", "--lua", lua.str()]).ends_in_sandbox()
}

#[test]
fn gateways_that_name_nobody_or_use_another_key_are_caught_before_the_real_litellm() {
    if real::installed().is_none() {
        return;
    }
    let header = r#"ngx.req.set_header("X-LiteLLM-User-Email", email)"#;
    let nobody = || broken(header, r#"ngx.req.clear_header("X-LiteLLM-User-Email")"#);
    let key = "as_user(email, settings.litellm_shared_key)";
    let master = || broken(key, "as_user(email, settings.litellm_master_key)");
    // Side by side: each waits for a LiteLLM most of the time.
    let ended = thread::scope(|scope| {
        [scope.spawn(nobody), scope.spawn(master)].map(|run| run.join().unwrap())
    });
    for (ended, seen) in ended.iter().zip(["header: []", "1 of them another"]) {
        ended.exits(1);
        let report = ended.report();
        let item = report.item("5.2");
        assert_eq!(item["status"], "failed");
        assert_eq!(item["fault"], "candidate");
        assert!(
            item["reason"].to_string().contains(seen),
            "{}",
            item["reason"]
        );
    }
}

#[test]
fn the_real_litellm_goes_with_the_sandbox_alone() {
    for stack in ["containers", "compose"] {
        let ended = verify(["--upstream", "litellm", "--stack", stack]).ends();
        ended.exits(2).started_nothing();
        ended.complains(["--upstream litellm goes with --stack sandbox", "hint: "]);
    }
}
