//! A report whose every text is out to act on who reads it, in every form and by every command
//! that shows one.

use std::{fs, path::PathBuf, process::Command};

use pulldown_cmark::{Event, Options, Parser, Tag};
use quick_xml::{Reader, events::Event as Xml};
use serde_json::Value;
use verify::report::render::Format;

use super::{
    html,
    support::{Ended, Scratch, candidate, root, verify},
};

/// What acts on a terminal, a browser, a Markdown or XML reader, or the runner of GitHub Actions.
/// Each says `evil` where it would act.
const CORPUS: [&str; 34] = [
    "\u{1b}[2J\u{1b}]0;evil\u{7}\u{1b}]8;;http://evil.example\u{7}link\u{1b}]8;;\u{7}",
    "\u{1b}[31mred\u{1b}[0m\u{1b}c\u{1b}P evil\u{1b}\\",
    "\u{9b}2Jevil\u{9d}0;evil\u{9c}\u{85}\u{8}\u{7f}",
    "a\revil\u{b}\u{c}\u{0}\u{1}",
    "\u{202e}live\u{202c}\u{2066}x\u{2069}\u{200b}\u{200f}\u{61c}\u{feff}\u{e0041}\u{ad}",
    "\u{2028}::error::evil\u{2029}::error::evil",
    "<script>window.evil = 1; alert('evil')</script>",
    "</script></style></pre></details></title><script src=http://evil.example/x.js></script>",
    "\"><img src=http://evil.example/x onerror=\"window.evil=1\">",
    "'><svg onload=window.evil=1><iframe srcdoc='<script>evil</script>'></iframe>",
    "<a href=\"javascript:window.evil=1\">evil</a><meta http-equiv=refresh content='0;http://evil.example'>",
    "<!-- evil --> <![CDATA[evil]]> ]]> &lt;evil&gt; &#60;evil&#62;",
    "<evil-element onclick=evil()>",
    "[evil](http://evil.example) ![evil](http://evil.example/x.png) <http://evil.example>",
    "[evil]: http://evil.example\n[evil]",
    "# evil heading\n## evil heading",
    "evil heading\n===\nevil heading\n---",
    "| evil | <img src=evil> | [evil](http://evil.example) |",
    "`` ` evil | <img src=evil> ` ``",
    "```\n# evil heading\n[evil](http://evil.example)",
    "``````````\n<img src=evil>\n~~~\n[evil](http://evil.example)",
    "> evil\n- [ ] evil\n1. evil\n***evil***",
    "::error::evil",
    "::error file=evil,line=1::evil\n  ::warning::evil",
    "::set-output name=evil::evil\n::add-mask::evil\n::save-state name=evil::evil",
    "::stop-commands::evil\n\t::notice title=evil::evil",
    "##[error]evil ##[group]evil ###[set-env name=evil]evil",
    "[[ATTACHMENT|/etc/evil]]",
    "ok 99 - evil\nnot ok 98 - evil\nBail out! evil\n1..0 # SKIP evil",
    "  ...\n  ---\nevil: evil # SKIP evil",
    "\\u001b[2J\\x1b[2J %0A::error::evil %1b {{ evil }} {% evil %}",
    "../../evil\nfile\tname",
    "日本語🍣 100% \\ ' \" & evil",
    "\u{fffe}\u{ffff}\u{fffd}",
];

/// Keys of report.json whose texts a candidate, an upstream or a report's author may choose.
const FREE: [&str; 38] = [
    "at",
    "body",
    "cause",
    "command",
    "did",
    "done",
    "en",
    "expected",
    "file",
    "id",
    "ja",
    "look",
    "nonce",
    "path",
    "profile",
    "program",
    "reason",
    "reasons",
    "rule",
    "seen",
    "service",
    "sha256",
    "stack",
    "started_at",
    "summary",
    "text",
    "title",
    "version",
    "what",
    "why",
    "remedy",
    "plan",
    "label",
    "name",
    "image",
    "commit",
    "host",
    "left_out",
];
/// Keys whose texts are words of the schema.
const FIXED: [&str; 19] = [
    "checklist",
    "end",
    "explains",
    "fault",
    "item",
    "kind",
    "level",
    "media_type",
    "data",
    "priority",
    "severity",
    "shown_by",
    "stage",
    "state",
    "status",
    "verdict",
    "regression",
    "code",
    "row",
];

/// The corpus as one text, that begins with another of its strings each time.
fn text(count: &mut usize) -> String {
    let start = *count % CORPUS.len();
    *count += 1;
    let (before, after) = CORPUS.split_at(start);
    [after, before].concat().join("\n")
}

fn poison(value: &mut Value, key: &str, below: &str, count: &mut usize) {
    match value {
        Value::String(free) => {
            // An item's id is a number of the plan; a run's is free.
            let is_free = FREE.contains(&key) && (key != "id" || below == "run");
            assert!(
                is_free || FIXED.contains(&key) || key == "id",
                "{below}.{key}: may somebody choose this text?"
            );
            if is_free {
                *free = text(count);
            }
        }
        Value::Array(list) => {
            list.truncate(3.max(if matches!(key, "items" | "phases") {
                usize::MAX
            } else {
                0
            }));
            list.iter_mut()
                .for_each(|one| poison(one, key, below, count));
        }
        Value::Object(map) => {
            for (name, field) in map.iter_mut() {
                poison(field, name, key, count);
            }
        }
        _ => {}
    }
}

/// The report of a run that failed, its texts replaced, and its folder.
fn hostile() -> Scratch {
    let saved = root().join("reports/example/fail/report.json");
    let saved = fs::read_to_string(saved).expect("a saved report");
    let mut report: Value = serde_json::from_str(&saved).expect("JSON");
    let mut count = 0;
    poison(&mut report, "", "", &mut count);
    assert!(count > 300, "only {count} texts were replaced");
    let scratch = Scratch::nothing("reports");
    let folder = scratch.path.join("20260101T000000-0001");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("report.json"), report.to_string()).expect("a report");
    scratch
}

fn file(scratch: &Scratch) -> PathBuf {
    scratch.path.join("20260101T000000-0001/report.json")
}

fn rendered(scratch: &Scratch, format: &str, lang: &str) -> String {
    let shown = verify(["render", "--format", format, "--lang", lang])
        .arg(file(scratch))
        .ends();
    shown.exits(0);
    assert!(
        shown.stdout.contains("evil") || format == "sarif",
        "{format} shows nothing of it"
    );
    shown.stdout
}

/// Nothing but lines, and nothing that turns or hides text.
#[track_caller]
fn is_plain(name: &str, text: &str) {
    let acting = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{61c}' | '\u{feff}' | '\u{fffe}'..='\u{ffff}' | '\u{e0000}'..='\u{e007f}')
    };
    let found = text.char_indices().find(|(_, c)| acting(*c));
    if let Some((at, c)) = found {
        let from = text.floor_char_boundary(at.saturating_sub(80));
        panic!("{name}: {c:?} after {:?}", &text[from..at]);
    }
}

/// No line is a workflow command but this program's own annotations.
#[track_caller]
fn gives_no_commands(name: &str, text: &str) {
    for line in text.split(['\n', '\r']) {
        let start = line.trim_start();
        let own = [
            "::error title=",
            "::error file=",
            "::warning title=",
            "::warning file=",
            "::notice title=",
        ];
        let own = name.contains("github") && own.iter().any(|own| line.starts_with(own));
        assert!(own || !start.starts_with("::"), "{name}: {line}");
        assert!(!line.contains("##["), "{name}: {line}");
    }
}

#[track_caller]
fn markdown_is_inert(name: &str, text: &str) {
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(text, Options::all()) {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => {
                assert!(!html.contains("evil"), "{name}: HTML {html}");
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                assert!(!dest_url.contains("evil"), "{name}: leads to {dest_url}");
            }
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::End(pulldown_cmark::TagEnd::Heading(_)) => {
                let whole = heading.take().unwrap_or_default();
                assert_ne!(whole.trim(), "evil heading", "{name}");
            }
            _ => {}
        }
    }
}

#[test]
fn nothing_in_a_report_acts_on_who_reads_it() {
    let report = hostile();
    for lang in ["en", "ja"] {
        for format in Format::ALL.map(Format::name) {
            let text = rendered(&report, format, lang);
            is_plain(format, &text);
            if format != "html" && format != "junit" {
                // In a file of these a line may begin with anything; in a job's log, see below.
                assert!(!text.contains("##["), "{format}");
            }
            let json = |text: &str| {
                serde_json::from_str::<Value>(text)
                    .unwrap_or_else(|error| panic!("{format}: {error}"))
            };
            match format {
                "markdown" => markdown_is_inert(format, &text),
                "json" | "ctrf" | "sarif" => drop(json(&text)),
                "cucumber-messages" => text.lines().for_each(|line| drop(json(line))),
                "github" => gives_no_commands(format, &text),
                "junit" => {
                    assert!(!text.contains("[[ATTACHMENT|"));
                    let mut reader = Reader::from_str(&text);
                    while reader.read_event().expect("it is XML") != Xml::Eof {}
                }
                "tap" => {
                    let forged = |line: &str| {
                        let line = line.trim_start();
                        ["ok 99", "not ok 98", "Bail out!", "1..0"]
                            .iter()
                            .any(|begin| line.starts_with(begin))
                    };
                    assert_eq!(text.lines().find(|line| forged(line)), None);
                }
                _ => {}
            }
        }
    }
}

/// Every command that shows something of a report, and those that name a file.
fn commands(report: &Scratch) -> Vec<(String, Ended)> {
    let file = file(report);
    let file = file.to_str().expect("UTF-8");
    let folder = report.str();
    let gone = "gone\n::stop-commands::evil\n##[error]\u{1b}[2Jevil";
    let mut all: Vec<Vec<&str>> = vec![
        vec!["gate", file],
        vec!["trace", file, "3.1"],
        vec!["diff", file, "reports/example/pass/report.json"],
        vec!["diff", file, file, "--format", "markdown"],
        vec!["diff", file, file, "--format", "json"],
        vec!["history", "--report-dir", folder],
        vec!["history", "--report-dir", folder, "--format", "json"],
        vec!["gate", gone],
        vec!["render", gone],
        vec!["diff", gone, gone],
        vec!["lint", "--candidate", gone],
        vec!["explain", gone],
        vec!["render", file, "--format", "json=/proc/\n::error::evil"],
    ];
    for format in [
        "table",
        "markdown",
        "html",
        "junit",
        "ctrf",
        "tap",
        "cucumber-messages",
        "github",
        "json",
        "sarif",
    ] {
        all.push(vec!["render", file, "--format", format]);
    }
    let mut ended = Vec::new();
    for args in all {
        for actions in ["false", "true"] {
            let name = format!("{} (GITHUB_ACTIONS={actions})", args.join(" "));
            let command = verify(&args).env("GITHUB_ACTIONS", actions);
            ended.push((name, command.ends()));
        }
    }
    ended
}

#[test]
fn no_command_passes_on_what_acts() {
    let report = hostile();
    for (name, ended) in commands(&report) {
        is_plain(&name, &ended.stdout);
        is_plain(&name, &ended.stderr);
        assert!(
            !(ended.stdout + &ended.stderr).is_empty(),
            "{name} says nothing"
        );
    }
}

#[test]
fn no_command_gives_the_runner_of_github_actions_orders() {
    let report = hostile();
    for (name, ended) in commands(&report) {
        if name.contains("GITHUB_ACTIONS=true") {
            gives_no_commands(&name, &ended.stdout);
            gives_no_commands(&name, &ended.stderr);
        }
    }
}

/// A gateway that cannot start says why, in lines of its own choice, on standard error.
#[test]
fn a_candidate_gives_the_runner_of_github_actions_no_orders() {
    super::support::needs_sandbox();
    let hostile = candidate(
        "init_by_lua_block {",
        "\"evil\n::stop-commands::evil\n##[error]evil\u{1b}[2J\n\" on;\n    init_by_lua_block {",
    );
    let run = verify(["--item", "1.1", "--candidate", hostile.str()])
        .env("GITHUB_ACTIONS", "true")
        .ends();
    assert!(run.stderr.contains("stop-commands"), "{}", run.stderr);
    for text in [&run.stdout, &run.stderr] {
        is_plain("a run", text);
        gives_no_commands("a run (github)", text);
    }
}

#[test]
fn a_page_of_hostile_texts_does_nothing_in_a_real_browser() {
    let Some(browser) = html::browser() else {
        return;
    };
    let report = hostile();
    let folder = tempfile::tempdir().expect("a temporary folder");
    for lang in ["en", "ja"] {
        let page = rendered(&report, "html", lang);
        fs::write(folder.path().join(format!("{lang}.html")), page).expect("a page");
    }
    // What the check is worth: without its policy and its escapes the page acts.
    fs::write(
        folder.path().join("control.html"),
        "<!DOCTYPE html><script>window.evil = 1; alert('evil')</script><img src=http://evil.example/x>",
    )
    .expect("a page");
    let output = Command::new("node")
        .arg(root().join("tests/html/hostile.mjs"))
        .arg(folder.path())
        .env("CHROMIUM", browser)
        .output()
        .expect("node can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
}
