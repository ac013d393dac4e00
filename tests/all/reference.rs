//! The whole plan on the shipped gateway, 7.2 included.

use std::fs;

use regex::Regex;
use verify::{
    evidence::EvidenceKind,
    plan::{Bundle, Checklist},
};

use super::support::{Ended, root, verify};

fn whole_run() -> Ended {
    verify(["--lang", "en"]).ends_in_sandbox()
}

#[test]
fn the_shipped_gateway_passes_all_25_items_on_real_programs() {
    let run = whole_run();
    run.exits(0);
    let report = run.report();
    assert_eq!(report.verdict(), "pass");
    assert_eq!(report.with_status("passed").len(), 25);
    assert_eq!(report.0["run"]["partial"], false);
    let totals: Vec<u64> = report.0["phases"]
        .as_array()
        .expect("phases")
        .iter()
        .filter_map(|phase| phase["total"].as_u64())
        .collect();
    assert_eq!(totals, [4, 3, 6, 4, 2, 4, 2]);
    let plan = Bundle::load(&root().join("features")).expect("the plan");
    for item in plan.phases.iter().flat_map(|phase| &phase.items) {
        let required = item.checklist == Checklist::Required;
        let from_outside = |kind: &EvidenceKind| !kind.by_the_candidate();
        assert!(
            !required || item.rests_on.iter().any(from_outside),
            "{}",
            item.id
        );
        let seen = report.evidence_kinds(&item.id.to_string());
        for kind in &item.rests_on {
            assert!(seen.contains(kind), "{}: {kind:?} not in {seen:?}", item.id);
        }
    }
    let components = report.0["run"]["components"]
        .as_array()
        .expect("components");
    let real: Vec<&str> = components
        .iter()
        .filter(|component| component["real"] == true)
        .filter_map(|component| component["service"].as_str())
        .collect();
    for service in ["gateway", "redis", "auth"] {
        assert!(
            real.contains(&service),
            "{service} is not real: {components:?}"
        );
    }
}

/// What a run writes and prints, looked through for what only the run may know.
#[test]
fn no_secret_stands_in_anything_that_a_run_writes_or_prints() {
    let run = whole_run();
    run.exits(0);
    let mut written = vec![
        ("stdout".to_owned(), run.stdout.clone()),
        ("stderr".to_owned(), run.stderr.clone()),
    ];
    for entry in fs::read_dir(run.dir()).expect("the run's folder") {
        let path = entry.expect("a file").path();
        let text = fs::read_to_string(&path).expect("UTF-8");
        written.push((path.display().to_string(), text));
    }
    assert!(written.len() >= 5, "three files and two streams");
    let shapes = [
        (
            "a JWT",
            r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
        ),
        ("a session's cookie", r"_oauth2_proxy[a-z_]*=[A-Za-z0-9]"),
        ("a key of LiteLLM", r"sk-(master|shared)-[0-9a-f]"),
        ("a password", r"password=[0-9a-f]"),
        ("a code", r"[?&]code=[0-9a-f]"),
    ];
    for (what, shape) in shapes {
        let shape = Regex::new(shape).expect("a pattern");
        for (place, text) in &written {
            let found = shape.find(text).map(|found| found.start());
            assert_eq!(found, None, "{what} stands in {place}");
        }
    }
    // The control: where secrets stood, it is said that they were taken out.
    assert!(written.iter().any(|(_, text)| text.contains("[redacted]")));
}
