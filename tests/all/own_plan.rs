//! A plan of somebody's own for another gateway: the shipped example, from outside.

use std::fs;

use super::support::{Ended, Scratch, replaced, root, verify};

const EXAMPLE: &str = "examples/five-items";

/// The example's items that did not pass, on its gateway with one change.
fn broken(find: &str, replace: &str) -> (Vec<String>, Ended) {
    let shipped = fs::read_to_string(root().join(EXAMPLE).join("nginx.conf")).expect("a gateway");
    let candidate = Scratch::file("nginx.conf", replaced(&shipped, find, replace));
    let ended = verify(["--plan", EXAMPLE, "--candidate", candidate.str()]).ends_in_sandbox();
    let report = ended.report();
    let not_passed = report
        .items()
        .iter()
        .filter(|item| item["status"] != "passed");
    let told = not_passed.map(|item| {
        format!(
            "{} {} {}",
            item["id"].as_str().unwrap_or_default(),
            item["status"].as_str().unwrap_or_default(),
            item["fault"].as_str().unwrap_or_default()
        )
    });
    (told.collect(), ended)
}

#[test]
fn the_example_passes_with_nothing_named_but_its_folder() {
    let run = verify(["--plan", EXAMPLE]).ends_in_sandbox();
    run.exits(0);
    let report = run.report();
    assert_eq!(report.verdict(), "pass");
    assert_eq!(
        report.with_status("passed"),
        ["1.1", "1.2", "1.3", "2.1", "2.2"]
    );
    assert_eq!(report.0["run"]["profile"], "shop");
    assert_eq!(report.0["run"]["partial"], false);
    for file in ["candidate", "baseline"] {
        let path = report.0["run"][file]["path"].as_str().expect("a path");
        assert!(path.starts_with(EXAMPLE), "{path}");
    }
    assert!(run.stdout.contains("5 of 5 items"), "{}", run.stdout);
    let written = fs::read_to_string(run.dir().join("report.md")).expect("a report");
    for part in [
        "# Shop gateway\n",
        "| Phase 1: Pages | 3 | 3 | 0 | 0 |",
        "| Phase 2: Behind it | 2 | 2 | 0 | 0 |",
        "### Required items (Phase 1-2)\n\n- [x] 1.1 Health check",
        "### Important items (Phase 2)\n\n- [x] 2.2 Each request is logged",
        "### Recommended items (Phase 1)\n\n- [x] 1.3 The old address",
    ] {
        assert!(written.contains(part), "no `{part}` in\n{written}");
    }
    // Nothing of the plan that it is not.
    for part in [
        "v11.1",
        "Phase 3",
        "location-missing",
        "track_user",
        "token-session-manager",
    ] {
        assert!(!written.contains(part), "`{part}` in\n{written}");
    }
}

#[test]
fn a_broken_gateway_fails_the_item_that_it_breaks_and_no_other() {
    for (find, replace, breaks, code) in [
        ("\"state\":\"up\"", "\"state\":\"ill\"", "1.1", 1),
        ("try_files /about.html =404", "return 200 hello", "1.2", 1),
        ("return 301 /about", "return 302 /about", "1.3", 3),
        (
            "            proxy_set_header X-Gateway shop;\n",
            "",
            "2.1",
            1,
        ),
        ("access_log /dev/stdout told", "access_log off", "2.2", 3),
    ] {
        let (not_passed, ended) = broken(find, replace);
        assert_eq!(not_passed, [format!("{breaks} failed candidate")], "{find}");
        ended.exits(code);
    }
}

#[test]
fn what_is_wrong_in_such_a_folder_is_said_with_its_place() {
    for (file, find, replace, says) in [
        (
            "pages.feature",
            "the answer's status is 301",
            "the answers status is 301",
            "did you mean",
        ),
        (
            "profile.yaml",
            "health:",
            "helth:",
            "profile.yaml:10:1: unknown key `helth`; did you mean `health`?",
        ),
        (
            "plan.yaml",
            "feature: behind.feature",
            "feature: beside.feature",
            "plan.yaml:33",
        ),
    ] {
        let copy = Scratch::nothing("own");
        fs::create_dir(&copy.path).expect("a scratch folder");
        for entry in fs::read_dir(root().join(EXAMPLE)).expect("the example") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let name = path.file_name().expect("a name");
                fs::copy(&path, copy.path.join(name)).expect("a copy");
            }
        }
        let path = copy.path.join(file);
        let text = fs::read_to_string(&path).expect("a file of the example");
        fs::write(&path, replaced(&text, find, replace)).expect("a scratch file");
        let ended = verify(["--plan", copy.str(), "--dry-run"]).ends();
        ended.exits(2).complains([says]);
    }
}
