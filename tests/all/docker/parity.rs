//! The same gateway is judged alike on every stack.

use std::collections::BTreeMap;

use verify::{
    mutation::{Catalogue, Copy},
    plan::Bundle,
};

use super::{all_statuses, deployment::Deployment, engine, statuses};
use crate::{
    broken::shipped_gateway,
    browser::has_browser,
    support::{needs_sandbox, root, verify},
};

/// One broken gateway for each phase.
const BROKEN: [&str; 7] = [
    "health-degraded",
    "admin-page-gone",
    "tracking-mcp-mislabelled",
    "revocation-not-looked-up",
    "llm-token-passed-on",
    "ban-not-at-home",
    "upstream-not-kept",
];

/// The plan's items. The extended checks end services, which a deployment does not allow.
const CHOSEN: [&str; 3] = ["--quick", "--tags", "not @extended"];

#[test]
fn the_same_gateway_gets_the_same_statuses_on_every_stack() {
    on_every_stack(&BROKEN[2..3]);
}

#[test]
#[ignore = "a broken gateway for each phase, ten minutes: make test-all"]
fn a_broken_gateway_of_each_phase_gets_the_same_statuses_on_every_stack() {
    on_every_stack(&BROKEN);
}

fn on_every_stack(broken: &[&str]) {
    let Some(_engine) = engine() else { return };
    needs_sandbox();
    let plan = Bundle::load(&root().join("features")).expect("the plan");
    let known = Catalogue::load(&root().join("fixtures/mutants"), &plan.items().collect())
        .expect("the mutants")
        .mutants;
    let shared = Deployment::start(None, true);
    let mut wrong = Vec::new();
    for name in ["good"].iter().chain(broken).copied() {
        let edits = match known.iter().find(|mutant| mutant.id == name) {
            Some(mutant) => mutant.edits.clone(),
            None => {
                assert_eq!(name, "good");
                Vec::new()
            }
        };
        let gateway = Copy::with(&shipped_gateway(), &edits).expect(name);
        let (candidate, lua) = (gateway.candidate(), gateway.lua());
        let own = |stack: &str| {
            let ended = verify(CHOSEN.into_iter().chain(["--stack", stack]))
                .arg("--candidate")
                .arg(&candidate)
                .arg("--lua")
                .arg(&lua)
                .arg("--baseline-lua")
                .arg(root().join("fixtures/gateway/lua"))
                .ends();
            (statuses(&ended), ended.code)
        };
        let sandbox = own("sandbox");
        let containers = own("containers");
        let in_lua = edits.iter().any(|edit| edit.file.starts_with("lua/"));
        let separate = in_lua.then(|| Deployment::start(Some(&lua), true));
        let deployment = separate.as_ref().unwrap_or(&shared);
        let ended = deployment
            .verify_as_test_user(
                &[
                    &CHOSEN[..],
                    &["--deploy", "--rollback", "never", "--candidate"],
                ]
                .concat(),
            )
            .arg(&candidate)
            .ends();
        let compose = (statuses(&ended), ended.code);
        deployment.reset();
        let failed = sandbox
            .0
            .values()
            .filter(|status| *status == "failed")
            .count();
        assert_eq!(failed == 0, name == "good", "{name}: {:?}", sandbox.0);
        for (stack, found) in [("containers", &containers), ("compose", &compose)] {
            if *found != sandbox {
                wrong.push(format!(
                    "{name}: {stack} differs from sandbox: {:?} against {:?}: {:?}",
                    found.1,
                    sandbox.1,
                    differences(&found.0, &sandbox.0)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the real browser does.
const IN_BROWSER: [&str; 4] = [
    "--browser",
    "chromium",
    "--item",
    "2.1,2.2,2.3,4.1,X.9,X.18,X.19",
];

#[test]
fn a_real_browser_says_the_same_on_containers_as_in_the_sandbox() {
    let Some(_engine) = engine() else { return };
    if !has_browser() {
        return;
    }
    needs_sandbox();
    let plan = Bundle::load(&root().join("features")).expect("the plan");
    let known = Catalogue::load(&root().join("fixtures/mutants"), &plan.items().collect())
        .expect("the mutants")
        .mutants;
    for (name, fails) in [
        (None, None),
        (Some("logout-keeps-identity-session"), Some("2.3")),
    ] {
        let edits = name.map(|name| {
            let mutant = known.iter().find(|mutant| mutant.id == name);
            &mutant.unwrap_or_else(|| panic!("no mutant {name}")).edits[..]
        });
        let gateway = Copy::with(&shipped_gateway(), edits.unwrap_or_default()).expect("a copy");
        let on = |stack: &str| {
            let mut run = verify(IN_BROWSER);
            for (flag, path) in [
                ("--candidate", gateway.candidate()),
                ("--lua", gateway.lua()),
                ("--auth-proxy", gateway.auth_proxy()),
            ] {
                run.command.arg(flag).arg(path);
            }
            let ended = run.arg("--stack").arg(stack).ends();
            (all_statuses(&ended), ended.code)
        };
        let (sandbox, containers) = (on("sandbox"), on("containers"));
        assert_eq!(containers, sandbox, "{name:?}");
        let failed = sandbox.0.iter().find(|(_, status)| *status == "failed");
        match fails {
            None => {
                let passed = sandbox.0.values().filter(|status| *status == "passed");
                assert_eq!(passed.count(), 7, "{:?}", sandbox.0);
                assert_eq!(sandbox.1, Some(0));
            }
            Some(item) => assert!(
                failed.is_some() && sandbox.0[item] == "failed",
                "{name:?}: {:?}",
                sandbox.0
            ),
        }
    }
}

fn differences(
    one: &BTreeMap<String, String>,
    other: &BTreeMap<String, String>,
) -> Vec<(String, String, String)> {
    one.iter()
        .filter_map(|(id, status)| {
            let there = other.get(id).cloned().unwrap_or_default();
            (there != *status).then(|| (id.clone(), status.clone(), there))
        })
        .collect()
}
