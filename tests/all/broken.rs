//! Broken gateways are caught by the items that they break, and good ones are let through.

use std::collections::BTreeSet;

use serde_json::Value;
use verify::{
    engine::GatewayFiles,
    engine::event::NEEDS_BROWSER,
    mutation::{Catalogue, Copy, Edit, Matrix},
    plan::{Bundle, ItemId},
    steps::{codes, registry},
};

use super::support::{needs_sandbox, root, verify};

/// The shipped gateway's files.
pub fn shipped_gateway() -> GatewayFiles {
    let gateway = root().join("fixtures/gateway");
    GatewayFiles {
        candidate: gateway.join("nginx_v11.1.conf"),
        baseline: gateway.join("nginx_v10.conf"),
        lua: gateway.join("lua"),
        html: gateway.join("html"),
        auth_proxy: root().join("fixtures/auth-proxy/oauth2-proxy.cfg"),
        lualib: None,
        baseline_lua: None,
        baseline_html: None,
    }
}

/// What `verify mutate` says of mutants, each of which is caught by the items that it breaks and
/// blamed on no other.
fn caught(chosen: &[&str]) -> (Matrix, String) {
    needs_sandbox();
    let ended = verify(["mutate", "--format", "json"].iter().chain(chosen)).ends();
    let matrix: Matrix = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|error| panic!("no matrix: {error}\n{}", ended.stderr));
    let wrong: Vec<String> = matrix
        .mutants
        .iter()
        .flat_map(|mutant| {
            let of = |what: &String| format!("{}: {what}", mutant.id);
            mutant.complaints.iter().map(of).collect::<Vec<_>>()
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    ended.exits(0);
    assert_eq!(matrix.score.caught, matrix.score.mutants);
    assert_eq!(matrix.score.with_cause, matrix.score.mutants);
    (matrix, ended.stderr)
}

/// The share of mutants of which the right cause is named first.
fn diagnosed(matrix: &Matrix) -> f64 {
    matrix.score.diagnosed as f64 / matrix.score.with_cause as f64
}

#[test]
fn a_broken_gateway_for_each_item_is_caught_by_the_items_that_it_breaks_and_by_no_other() {
    let plan = Bundle::load(&root().join("features")).expect("the plan");
    let mut open: BTreeSet<ItemId> = plan.items().collect();
    let folder = root().join("fixtures/mutants");
    let known = Catalogue::load(&folder, &open).expect("the mutants");
    // What only a real browser shows takes a minute more.
    let known = known
        .mutants
        .iter()
        .filter(|one| !one.id.starts_with("browser-"));
    let first = known.filter(|one| {
        let before = open.len();
        open.retain(|item| !one.breaks.contains(item));
        open.len() < before
    });
    let ids: Vec<String> = first.map(|one| one.id.clone()).collect();
    let (matrix, _) = caught(&["--id", &ids.join(",")]);
    assert_eq!(matrix.score.mutants, ids.len());
    assert!(ids.len() >= 25, "{ids:?}");
    let right = diagnosed(&matrix);
    assert!(
        right >= 0.8,
        "the right cause is named first for {right:.2}"
    );
}

#[test]
#[ignore = "the whole catalogue, a quarter of an hour: make test-all"]
fn every_broken_gateway_is_caught_by_the_items_that_it_breaks_and_by_no_other() {
    let (matrix, complained) = caught(&[]);
    let in_chromium = matrix
        .mutants
        .iter()
        .any(|one| one.id.starts_with("browser-"));
    assert_eq!(in_chromium, super::browser::has_browser(), "{complained}");
    assert!(
        matrix.score.mutants >= 80,
        "{} mutants",
        matrix.score.mutants
    );
    let few: Vec<String> = matrix
        .coverage()
        .into_iter()
        .filter(|(_, count)| *count < 2)
        .map(|(item, count)| format!("{item}: {count}"))
        .collect();
    assert!(few.is_empty(), "items with less than two mutants: {few:?}");
    let plan = Bundle::load(&root().join("features")).expect("the plan");
    let unknown: Vec<&str> = matrix
        .mutants
        .iter()
        .filter_map(|mutant| mutant.cause.as_deref())
        .filter(|cause| !plan.rules.iter().any(|rule| rule.id == *cause))
        .collect();
    assert!(unknown.is_empty(), "causes that no rule names: {unknown:?}");
    every_code_is_reached(&matrix, &plan, in_chromium);
    let right = diagnosed(&matrix);
    assert!(
        right >= 0.92,
        "the right cause is named first for {right:.2}"
    );
}

/// A check whose code no mutant reaches is one that nobody has seen fail. `whole`: the mutants that
/// only a real browser shows are in the matrix.
fn every_code_is_reached(matrix: &Matrix, plan: &Bundle, whole: bool) {
    let reached = |code: &str| matrix.mutants.iter().any(|one| one.codes.contains(code));
    let excuse = |code: &str| codes::OUT_OF_REACH.iter().find(|(one, _)| *one == code);
    let unused = unused_steps(plan);
    let all = codes::all();
    let unreached = all.keys().filter(|code| {
        let said =
            excuse(code).is_some() || codes::unreachable_by_nature(code) || unused.contains(**code);
        !reached(code) && !said
    });
    let unreached: Vec<_> = unreached.filter(|_| whole).collect();
    assert!(unreached.is_empty(), "codes of no mutant: {unreached:?}");
    let excused: Vec<_> = all
        .keys()
        .filter(|code| reached(code))
        .filter(|code| excuse(code).is_some_and(|(_, reason)| *reason != codes::BY_TIMING))
        .collect();
    assert!(
        excused.is_empty(),
        "in OUT_OF_REACH and reached: {excused:?}"
    );
}

/// The codes of steps that the plan does not use.
fn unused_steps(plan: &Bundle) -> BTreeSet<&'static str> {
    let used: BTreeSet<&str> = plan
        .steps()
        .flat_map(|(_, step)| registry::matching(step.ty.into(), &step.value))
        .map(|step| step.code)
        .collect();
    let all = registry::all().map(|step| step.code);
    all.filter(|code| !used.contains(code)).collect()
}

#[test]
fn a_catalogue_that_does_not_fit_is_an_error() {
    needs_sandbox();
    let catalogue = |text: &str| {
        let scratch = super::support::Scratch::file("mutants.yaml", text);
        let ended = verify(["mutate", "--mutants"]).arg(&scratch.path).ends();
        (scratch, ended)
    };
    let survivor = "- {id: same, title: a comment, edits: [{file: nginx.conf, find: \"# nginx.conf v11.1\", replace: \"# v11.1\"}], breaks: [\"1.3\"]}\n";
    let (_file, ended) = catalogue(survivor);
    ended.exits(1);
    assert!(
        ended.stdout.contains("same: 1.3 must fail, and passed"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("0 of 1 mutants caught"),
        "{}",
        ended.stdout
    );
    let (_file, ended) = catalogue(&survivor.replace("# nginx.conf v11.1", "listen"));
    ended.exits(1);
    assert!(
        ended.stdout.contains("nginx.conf: `listen` occurs"),
        "{}",
        ended.stdout
    );
    let (_file, ended) = catalogue(&survivor.replace("1.3", "1.9"));
    ended
        .exits(2)
        .complains(["mutants.yaml:1", "same", "the plan has no item 1.9"]);
    verify(["mutate", "--id", "helth-503"])
        .ends()
        .exits(2)
        .complains(["--id helth-503", "did you mean `health-503`?"]);
}

#[test]
fn where_the_unmutated_gateway_does_not_pass_nothing_is_claimed() {
    needs_sandbox();
    let broken = super::support::candidate("\"status\":\"healthy\"", "\"status\":\"ill\"");
    let ended = verify(["mutate", "--id", "health-503", "--candidate"])
        .arg(&broken.path)
        .ends();
    ended
        .exits(1)
        .complains(["nothing can be said of its mutants", "1.3"]);
    assert!(!ended.stdout.contains("caught"), "{}", ended.stdout);
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
pub fn harmless(title: &str, find: &str, replace: &str) -> Copy {
    let edit = |find: &str, replace: &str| Edit {
        file: "nginx.conf".into(),
        find: find.to_owned(),
        replace: replace.to_owned(),
    };
    let mut edits = vec![edit(find, replace)];
    if title.starts_with("nginx's own level") {
        for line in ["Tracking user: ", "User tracking success: "] {
            edits.push(edit(
                &format!("ngx.log(ngx.WARN, \"[info] {line}"),
                &format!("ngx.log(ngx.INFO, \"{line}"),
            ));
        }
    }
    Copy::with(&shipped_gateway(), &edits).expect(title)
}

#[test]
fn what_is_as_good_as_the_shipped_gateway_is_let_through() {
    needs_sandbox();
    let mut wrong = Vec::new();
    for (title, find, replace) in HARMLESS {
        let gateway = harmless(title, find, replace);
        let ended = verify(["--tags", "not @item-7.2", "--candidate"])
            .arg(gateway.candidate())
            .ends_in_sandbox();
        let report = ended.report();
        let all = ["items", "extended"].map(|name| report.0[name].as_array().expect("a list"));
        let chosen = |item: &&Value| item["id"] != "7.2" && item["reason"] != NEEDS_BROWSER;
        let others = |item: &&Value| chosen(item) && item["status"] != "passed";
        for item in all.into_iter().flatten().filter(others) {
            wrong.push(format!(
                "{title}: {} is {}: {} {}",
                item["id"], item["status"], item["reason"], item["failure"]["seen"]
            ));
        }
        if ended.code != Some(0) {
            wrong.push(format!("{title}: exit {:?}, not 0", ended.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_plan_s_commands_alone_pass_the_shipped_gateway_and_miss_what_they_cannot_see() {
    needs_sandbox();
    let ended = verify([
        "mutate",
        "--format",
        "json",
        "--id",
        "health-degraded,health-503",
    ])
    .arg("--compare")
    .arg(root().join("fixtures/by-hand"))
    .arg("--allow-scripts")
    .ends();
    ended.exits(0);
    let matrix: Matrix = serde_json::from_str(&ended.stdout).expect("a matrix");
    let noticed = |id: &str| {
        let mutant = matrix.mutants.iter().find(|mutant| mutant.id == id);
        mutant.and_then(|mutant| mutant.noticed_by_other)
    };
    // `curl -s … | grep healthy` sees the body, and no status.
    assert_eq!(noticed("health-degraded"), Some(true));
    assert_eq!(noticed("health-503"), Some(false));
    assert_eq!(matrix.score.missed_by_other, 1);
}
