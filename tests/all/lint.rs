//! What is known before anything is started: `verify lint`, and its part in a run's report.

use std::{fs, path::Path};

use boon::{Compiler, Schemas};
use serde_json::Value;

use super::{
    broken::{HARMLESS, harmless},
    support::{Ended, SHIPPED, Scratch, bundle, line_of, replaced, root, verify},
};

/// The shipped candidate with its tracking lines at info; its log keeps warn and graver.
pub fn tracking_at_info() -> Scratch {
    let mut text = fs::read_to_string(root().join(SHIPPED)).expect("the shipped candidate");
    for line in ["Tracking user: ", "User tracking success: "] {
        let shown = format!("ngx.WARN, \"[info] {line}");
        text = replaced(&text, &shown, &format!("ngx.INFO, \"{line}"));
    }
    Scratch::file("candidate.conf", text)
}

fn linted<const N: usize>(candidate: &Path, args: [&str; N]) -> Ended {
    let lint = verify(["lint"]).arg("--candidate").arg(candidate);
    args.into_iter()
        .fold(lint, |lint, arg| lint.arg(arg))
        .ends()
}

/// What was printed, the scratch folder left out.
fn shown(ended: &Ended, candidate: &Scratch) -> String {
    let folder = candidate.path.parent().expect("a folder");
    ended.stdout.replace(&format!("{}/", folder.display()), "")
}

#[test]
fn the_shipped_gateways_have_nothing() {
    for candidate in [SHIPPED, "fixtures/gateway/nginx_v10.conf"] {
        let lint = linted(Path::new(candidate), []);
        lint.exits(0);
        assert_eq!(lint.stdout, "nothing found\n", "{candidate}");
    }
}

#[test]
fn tracking_lines_that_are_never_written_are_said_with_their_place() {
    let candidate = tracking_at_info();
    let table = linted(&candidate.path, []);
    table.exits(1);
    insta::assert_snapshot!("lint_table", shown(&table, &candidate));
    let at = line_of(&candidate.path, "ngx.INFO, \"Tracking user: ");
    assert!(table.stdout.contains(&format!("candidate.conf:{at}")));
    let japanese = linted(&candidate.path, ["--lang", "ja"]);
    insta::assert_snapshot!("lint_table_ja", shown(&japanese, &candidate));
    let json = linted(&candidate.path, ["--format", "json"]);
    json.exits(1);
    insta::assert_snapshot!("lint_json", shown(&json, &candidate));
    let found: Vec<Value> = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(found.len(), 2);
}

/// OASIS's own schema of SARIF 2.1.0.
#[test]
fn sarif_is_what_its_schema_asks_for() {
    let path = root().join("tests/schemas/sarif-2.1.0.json");
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(path).expect("the schema")).expect("JSON");
    let mut schemas = Schemas::new();
    let mut compiler = Compiler::new();
    compiler
        .add_resource("sarif.json", schema)
        .expect("a schema");
    let sarif_schema = compiler
        .compile("sarif.json", &mut schemas)
        .expect("a schema");
    let candidate = tracking_at_info();
    for (file, code, results) in [(candidate.path.as_path(), 1, 2), (Path::new(SHIPPED), 0, 0)] {
        let sarif = linted(file, ["--format", "sarif"]);
        sarif.exits(code);
        let log: Value = serde_json::from_str(&sarif.stdout).expect("JSON");
        if let Err(error) = schemas.validate(&log, sarif_schema) {
            panic!("{error}");
        }
        assert_eq!(
            log["runs"][0]["results"].as_array().map(Vec::len),
            Some(results)
        );
        // The control: the schema does notice what is wrong.
        let mut wrong = log.clone();
        wrong["runs"][0]["tool"] = Value::Null;
        assert!(schemas.validate(&wrong, sarif_schema).is_err());
    }
}

#[test]
fn what_is_as_good_as_the_shipped_gateway_is_no_error() {
    for (title, find, replace) in HARMLESS {
        let gateway = harmless(title, find, replace);
        let lint = verify(["lint", "--format", "json"])
            .arg("--candidate")
            .arg(gateway.candidate())
            .arg("--lua")
            .arg(gateway.lua())
            .arg("--html")
            .arg(gateway.html())
            .ends();
        let found: Vec<Value> = serde_json::from_str(&lint.stdout).expect("JSON");
        let errors: Vec<&Value> = found.iter().filter(|one| one["level"] == "error").collect();
        assert!(errors.is_empty(), "{title}: {errors:#?}");
    }
}

#[test]
fn an_item_that_no_feature_covers_is_a_finding() {
    let plan = bundle("phase4_tokens.feature", "@item-4.4", "@item-4.9");
    let lint = verify(["lint", "--plan", plan.str(), "--format", "json"]).ends();
    lint.exits(1);
    let found: Vec<Value> = serde_json::from_str(&lint.stdout).expect("JSON");
    assert!(
        found.iter().all(|one| one["rule"] == "plan-problem"),
        "{found:#?}"
    );
    let says = |text: &str| {
        let mut words = found.iter().filter_map(|one| one["what"]["en"].as_str());
        words.any(|word| word.contains(text))
    };
    assert!(
        says("item 4.4 has no scenario") && says("has no item 4.9"),
        "{found:#?}"
    );
}

#[test]
fn what_is_not_there_to_be_read_is_an_error_of_usage() {
    verify(["lint", "--candidate", "nowhere.conf"])
        .ends()
        .exits(2);
    verify(["lint", "--lua", "nowhere"]).ends().exits(2);
    verify(["lint", "--profile", "nowhere"]).ends().exits(2);
    verify(["lint", "--plan", "nowhere"]).ends().exits(2);
}

#[test]
fn a_run_has_the_findings_in_its_report_and_is_judged_without_them() {
    // The log goes where nobody looks, says the linter; the run finds it and passes.
    let text = fs::read_to_string(root().join(SHIPPED)).expect("the shipped candidate");
    let log = "error_log /var/log/nginx/error.log warn;";
    let text = replaced(&text, "error_log /dev/stderr warn;", log);
    let candidate = Scratch::file("candidate.conf", text);
    let run = verify(["--item", "1.1", "--candidate", candidate.str()]).ends_in_sandbox();
    run.exits(0);
    let report = run.report();
    let found = report.0["lint"].as_array().expect("findings");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["rule"], "log-hidden");
    assert_eq!(found[0]["line"], line_of(&candidate.path, log));
    assert!(run.stdout.contains("log-hidden"), "{}", run.stdout);
    let markdown = fs::read_to_string(run.dir().join("report.md")).expect("report.md");
    assert!(markdown.contains("`log-hidden`"));
    // A report from before there was a linter can still be read.
    let mut older = report.0.clone();
    older.as_object_mut().expect("an object").remove("lint");
    let older = Scratch::file("report.json", older.to_string());
    let again = verify(["render", older.str()]).ends();
    again.exits(0);
    assert!(!again.stdout.contains("log-hidden"));
    // A configuration that cannot be read is a note, and the run goes on to say what nginx says.
    let broken = Scratch::file("broken.conf", "http {");
    let run = verify(["--item", "1.1", "--candidate", broken.str()]).ends_in_sandbox();
    run.exits(1);
    let report = run.report();
    assert_eq!(report.0["lint"][0]["level"], "note");
    assert_eq!(report.item("1.1")["status"], "failed");
}
