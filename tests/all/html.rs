//! `report.html` in a real browser, and `verify trace`, over three saved reports: one that passes,
//! one that passes on conditions, one that fails and was rolled back.
//!
//! What the page is opened with is in tests/html: node, playwright-core, axe-core. Where they or
//! Chromium are missing, the test says that it was left out; with VERIFY_REQUIRE_BROWSER=1 that is
//! a failure.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{root, verify};

/// Reports of real runs.
const REPORTS: &str = "tests/reports";

/// Where Chromium may be, by its name on PATH.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

fn report(name: &str) -> PathBuf {
    root().join(REPORTS).join(format!("{name}.json"))
}

/// A program on PATH.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// The browser; `None` where something that the test needs is missing and was not promised.
pub fn browser() -> Option<PathBuf> {
    let found = BROWSERS.into_iter().find_map(on_path);
    let modules = root().join("tests/html/node_modules/playwright-core");
    let missing: Vec<&str> = [
        (found.is_none(), "Chromium (apt-get install chromium)"),
        (on_path("node").is_none(), "node, version 20 or newer"),
        (
            on_path("pdftotext").is_none(),
            "pdftotext (apt-get install poppler-utils)",
        ),
        (
            !modules.is_dir(),
            "its modules (npm ci --prefix tests/html)",
        ),
    ]
    .into_iter()
    .filter_map(|(missing, name)| missing.then_some(name))
    .collect();
    if missing.is_empty() {
        return found;
    }
    let missing = missing.join(", ");
    assert!(
        env::var("VERIFY_REQUIRE_BROWSER").is_err(),
        "VERIFY_REQUIRE_BROWSER is set and these are missing: {missing}"
    );
    // Not captured, unlike `eprintln!`: nothing is left out in silence.
    let _ = writeln!(
        std::io::stderr().lock(),
        "NOT RUN: report.html in a browser, for want of {missing}"
    );
    None
}

fn page(report: &Path, lang: &str) -> String {
    let answer = verify(["render", "--format", "html", "--lang", lang])
        .arg(report)
        .ends();
    answer.exits(0);
    answer.stdout
}

#[test]
fn the_page_is_right_in_a_real_browser() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    for name in ["pass", "conditional", "fail"] {
        let json = report(name);
        for lang in ["en", "ja"] {
            let file = dir.path().join(format!("{name}.{lang}.html"));
            fs::write(file, page(&json, lang)).unwrap();
        }
        fs::copy(&json, dir.path().join(format!("{name}.json"))).unwrap();
    }
    let output = Command::new("node")
        .arg(root().join("tests/html/check.mjs"))
        .arg(dir.path())
        .env("CHROMIUM", browser)
        .stdin(Stdio::null())
        .output()
        .expect("node can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
}

#[test]
fn a_request_is_followed_through_the_gateway_at_the_terminal() {
    let pass = report("pass");
    let pass = pass.to_str().unwrap();
    for (lang, places) in [
        (
            "en",
            [
                "The client asks",
                "access log",
                "Lua",
                "Redis",
                "The upstream receives",
                "The client is answered",
            ],
        ),
        (
            "ja",
            [
                "クライアントの要求",
                "アクセスログ",
                "Lua",
                "Redis",
                "上流",
                "クライアントへの応答",
            ],
        ),
    ] {
        let answer = verify(["trace", pass, "3.1", "--lang", lang]).ends();
        answer.exits(0);
        let mut rest = answer.stdout.as_str();
        for place in places {
            let at = rest.find(place);
            let at = at.unwrap_or_else(|| panic!("{place} is not in its place: {}", answer.stdout));
            rest = &rest[at..];
        }
        let (_, nonce) = answer.stdout.split_once("verify=").unwrap();
        let nonce = nonce.get(..16).unwrap();
        // The request, its line in the access log, two lines of the Lua, the upstream.
        assert!(
            answer.stdout.matches(nonce).count() >= 5,
            "{}",
            answer.stdout
        );
        assert!(
            answer
                .stdout
                .contains("Tracking user: admin@example.com [MCP/Internal]")
        );
        assert!(!answer.stdout.contains("Bearer ey"));
    }
}

#[test]
fn every_item_of_phase_3_and_those_beside_it_have_a_trace() {
    let pass = report("pass");
    for item in [
        "2.1", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "4.1", "5.1", "5.2", "6.2", "6.4",
    ] {
        verify(["trace", pass.to_str().unwrap(), item])
            .ends()
            .exits(0);
    }
}

#[test]
fn an_item_without_a_trace_is_told_with_those_that_have_one() {
    let pass = report("pass");
    let pass = pass.to_str().unwrap();
    let answer = verify(["trace", pass, "1.1"]).ends();
    answer.exits(2).complains([
        "no request of item 1.1 was followed",
        "these have one: 2.1, 3.1",
    ]);
    let unknown = verify(["trace", pass, "9.9"]).ends();
    unknown.exits(2).complains(["the report has no item 9.9"]);
}

#[test]
fn a_matrix_is_read_or_refused_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mutation.json");
    fs::write(&file, "{}").unwrap();
    let pass = report("pass");
    let args = [
        "render",
        pass.to_str().unwrap(),
        "--format",
        "html",
        "--matrix",
        file.to_str().unwrap(),
    ];
    verify(args)
        .ends()
        .exits(2)
        .complains(["is no matrix of mutants", "verify mutate"]);
}
