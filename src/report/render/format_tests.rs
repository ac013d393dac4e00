//! The formats for programs: as snapshots, and with text that is out to break them, read back by
//! real parsers.

use insta::assert_snapshot;
use regex::Regex;
use serde_json::Value;

use super::{xml_tests::Node, *};
use crate::{
    engine::event::{Failure, Outcome},
    evidence::{Evidence, EvidenceKind, Redactor},
    lint,
    plan::{Lang, Text},
    report::{
        RunReport,
        samples::{self, Sample},
    },
};

pub(super) fn render(format: Format, report: &RunReport) -> String {
    format.render(report, Style::default()).unwrap()
}

/// Those that programs read.
const FORMATS: [Format; 5] = [
    Format::Junit,
    Format::Ctrf,
    Format::Tap,
    Format::CucumberMessages,
    Format::Github,
];

pub(super) fn saved() -> [(&'static str, RunReport); 3] {
    [
        ("pass", samples::pass()),
        ("conditional", samples::conditional()),
        ("fail", samples::fail()),
    ]
}

#[test]
fn each_format_over_three_reports() {
    for (name, report) in saved() {
        for format in FORMATS {
            assert_snapshot!(format!("{format}_{name}"), render(format, &report));
        }
        let summary = github_summary(&report, Lang::En, SUMMARY_LIMIT).unwrap();
        assert_snapshot!(format!("github_summary_{name}"), summary);
    }
}

// ------------------------------------------------------------------------ nasty text

const EVIL: &str = "\u{1b}]0;x\u{7}\u{1b}[31mred\u{1b}[0m ]]> </script> & \" ' <!-- \u{fffe}\u{ffff}\u{0}\u{1}\u{9b}2J \
                    日本語🍣 100% a:b,c # SKIP \\ x\r\n::error::gotcha\n[[ATTACHMENT|/etc/passwd]]\n---\n...\nok 99 - forged\n";

/// A report in which everything that a gateway, or a path, could have had a hand in is evil.
pub(super) fn evil() -> RunReport {
    let failure = Failure {
        did: EVIL.to_owned(),
        expected: EVIL.to_owned(),
        seen: format!("{EVIL}{}", "巨".repeat(400_000)),
        ..Failure::default()
    };
    let mut sample = Sample::default()
        .extended("X.1")
        .with("3.1", Outcome::Failed(failure.clone()))
        .with("3.2", Outcome::Inconclusive(failure.clone()))
        .with("3.3", samples::skipped(EVIL))
        .with("X.1", Outcome::Failed(failure));
    for text in [
        &mut sample.run.id,
        &mut sample.run.stack,
        &mut sample.run.profile,
    ] {
        *text = EVIL.to_owned();
    }
    sample.run.command.push(EVIL.to_owned());
    sample.run.candidate.path = EVIL.into();
    let mut report = sample.report();
    let large = format!("{EVIL}{}", "x".repeat(1024 * 1024));
    let tracked = samples::id("3.1");
    for item in report.items.iter_mut().filter(|item| item.id == tracked) {
        for kind in [EvidenceKind::Exchange, EvidenceKind::Remark] {
            item.evidence.push(Evidence {
                kind,
                title: EVIL.to_owned(),
                body: large.clone(),
                image: None,
                trail: None,
                figures: None,
            });
        }
    }
    let text = Text {
        en: EVIL.to_owned(),
        ja: EVIL.to_owned(),
    };
    report.lint.push(lint::Finding {
        rule: EVIL.to_owned(),
        level: lint::Level::Error,
        file: EVIL.into(),
        line: 7,
        what: text.clone(),
        why: text.clone(),
        remedy: text,
    });
    report
}

/// What a format holds, as its own parser reads it: the texts that were put into it.
type Parse = fn(&str) -> String;

const PARSERS: [(Format, Parse); 7] = [
    (Format::Json, |text| {
        serde_json::from_str::<Value>(text).unwrap();
        text.to_owned()
    }),
    (Format::Junit, |text| Node::parse(text).texts()),
    (Format::Ctrf, |text| {
        strings(&serde_json::from_str(text).unwrap())
    }),
    (Format::Sarif, |text| {
        strings(&serde_json::from_str(text).unwrap())
    }),
    (Format::Tap, |text| {
        let points = parsed_tap(text);
        points
            .into_iter()
            .map(|(_, name, yaml)| name + &strings(&yaml))
            .collect()
    }),
    (Format::CucumberMessages, |text| {
        text.lines()
            .map(|line| strings(&serde_json::from_str(line).unwrap()))
            .collect()
    }),
    (Format::Github, |text| {
        let commands = text.lines().map(parsed_command);
        commands
            .map(|(_, properties, message)| properties + &message)
            .collect()
    }),
];

#[test]
fn nothing_that_was_seen_breaks_a_format() {
    let report = evil();
    for (format, parse) in PARSERS {
        let text = render(format, &report);
        // What JSON is made of the values themselves has them as they are, escaped as JSON does it.
        let as_it_is = matches!(format, Format::Json | Format::Sarif);
        let raw =
            |c: &char| (c.is_control() && *c != '\n') || ('\u{fffe}'..='\u{ffff}').contains(c);
        let passed_on = text.chars().find(raw);
        assert!(as_it_is || passed_on.is_none(), "{format}: {passed_on:?}");
        let read = parse(&text);
        for part in ["]]>", "</script>", "日本語🍣", "gotcha"] {
            assert!(read.contains(part), "{format} lost {part}");
        }
        let bounded = text.len() < 1024 * 1024 || format == Format::Json;
        assert!(bounded, "{format}: {} bytes", text.len());
    }
    let xml = render(Format::Junit, &report);
    assert!(
        !xml.contains("[[ATTACHMENT|"),
        "Jenkins would show the file"
    );
}

#[test]
fn a_summary_never_is_longer_than_its_room_and_says_what_is_left_out() {
    let report = evil();
    for lang in [Lang::En, Lang::Ja] {
        let whole = github_summary(&report, lang, usize::MAX).unwrap();
        assert!(!whole.contains("report.md` "), "everything is there");
        for room in [0, 10, 2000, 20_000, SUMMARY_LIMIT] {
            let text = github_summary(&report, lang, room).unwrap();
            assert!(text.len() <= room, "{room}: {}", text.len());
            let said = text.contains("`report.md`");
            assert_eq!(said, room >= 2000, "{room}: something is left out");
        }
    }
}

/// What is redacted in a report is in no format told again, and nothing else is made of it.
#[test]
fn no_format_shows_a_secret() {
    let secret = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0";
    let sent = format!("GET / HTTP/1.1\nAuthorization: Bearer {secret}\n");
    let redacted = Redactor::new().redact(&sent);
    let mut report = samples::fail();
    report.items[8].evidence[0].body = redacted.to_string();
    for format in Format::ALL {
        let text = render(format, &report);
        assert!(!text.contains("c2lnbmF0dXJl"), "{format}");
    }
    let example = include_str!("../../../reports/example/pass/report.json");
    let example: RunReport = serde_json::from_str(example).unwrap();
    let jwt = Regex::new(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}").unwrap();
    for format in Format::ALL {
        let text = render(format, &example);
        assert_eq!(jwt.find(&text), None, "{format}");
    }
}

/// Every string in a JSON value.
fn strings(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        Value::Array(list) => list.iter().map(strings).collect(),
        Value::Object(map) => map.values().map(strings).collect(),
        _ => String::new(),
    }
}

// ------------------------------------------------------------------------ TAP

/// Each item's line, its description unescaped and its diagnosis; the rest of the grammar holds.
fn parsed_tap(text: &str) -> Vec<(bool, String, Value)> {
    let mut lines = text.lines().peekable();
    assert_eq!(lines.next(), Some("TAP version 14"));
    assert_eq!(lines.next(), Some("pragma +strict"));
    let plan = |line: Option<&str>| -> usize {
        line.unwrap().strip_prefix("1..").unwrap().parse().unwrap()
    };
    let groups = plan(lines.next());
    let mut points = Vec::new();
    for group in 1..=groups {
        assert!(lines.next().unwrap().starts_with("# Subtest: "));
        let inner: Vec<&str> =
            std::iter::from_fn(|| lines.next_if(|line| line.starts_with("    ")))
                .map(|line| &line[4..])
                .collect();
        let before = points.len();
        let held = parsed_points(&inner[1..], &mut points);
        assert_eq!(points.len() - before, plan(inner.first().copied()));
        let (ok, no, _, _) = parsed_point(lines.next().unwrap());
        assert_eq!((ok, no), (held, group));
    }
    let rest: Vec<&str> = lines.collect();
    assert!(
        rest.iter().all(|line| line.starts_with("Bail out! ")),
        "{rest:?}"
    );
    points
}

fn parsed_points(lines: &[&str], points: &mut Vec<(bool, String, Value)>) -> bool {
    let mut lines = lines.iter();
    let mut held = true;
    let mut no = 0;
    while let Some(line) = lines.next() {
        let (ok, number, name, skipped) = parsed_point(line);
        no += 1;
        assert_eq!(number, no);
        held &= ok;
        let mut yaml = String::new();
        if !skipped {
            assert_eq!(lines.next(), Some(&"  ---"));
            for line in lines.by_ref().take_while(|line| **line != "  ...") {
                yaml.push_str(line.strip_prefix("  ").unwrap());
                yaml.push('\n');
            }
        }
        let yaml = if skipped {
            Value::Null
        } else {
            serde_saphyr::from_str(&yaml).unwrap()
        };
        points.push((ok, name, yaml));
    }
    held
}

fn parsed_point(line: &str) -> (bool, usize, String, bool) {
    let shape = r"^(not )?ok (\d+) - ((?:[^\\#]|\\.)*?)(?: # SKIP ((?:[^\\#]|\\.)*))?$";
    let found = Regex::new(shape).unwrap().captures(line);
    let found = found.unwrap_or_else(|| panic!("no test point: {line}"));
    let unescaped = |text: &str| text.replace("\\#", "#").replace("\\\\", "\\");
    let reason = found.get(4);
    let name =
        unescaped(&found[3]) + &reason.map_or(String::new(), |reason| unescaped(reason.as_str()));
    (
        found.get(1).is_none(),
        found[2].parse().unwrap(),
        name,
        reason.is_some(),
    )
}

#[test]
fn a_run_that_was_broken_off_bails_out() {
    let text = render(Format::Tap, &samples::inconclusive());
    parsed_tap(&text);
    assert!(text.ends_with("Bail out! redis exited with signal 9 in the middle of the run\n"));
    assert!(!render(Format::Tap, &samples::fail()).contains("Bail out!"));
}

// ------------------------------------------------------------------------ GitHub

/// Level, properties and message, unescaped as the runner does it.
fn parsed_command(line: &str) -> (String, String, String) {
    let shape = Regex::new(r"^::(error|warning|notice) ((?:(?:file|line|title)=[^:,]*,?)+)::(.*)$")
        .unwrap();
    let found = shape
        .captures(line)
        .unwrap_or_else(|| panic!("no command: {line}"));
    let unescaped = |text: &str| {
        let text = text
            .replace("%0D", "\r")
            .replace("%0A", "\n")
            .replace("%3A", ":");
        text.replace("%2C", ",").replace("%25", "%")
    };
    (
        found[1].to_owned(),
        unescaped(&found[2]),
        unescaped(&found[3]),
    )
}

#[test]
fn annotations_stand_at_the_line_of_a_finding_and_at_the_candidate() {
    let mut report = samples::fail();
    let text = |text: &str| Text {
        en: text.to_owned(),
        ja: text.to_owned(),
    };
    report.lint.push(lint::Finding {
        rule: "tracking-level".to_owned(),
        level: lint::Level::Warning,
        file: "conf.d/a,b:c.conf".into(),
        line: 12,
        what: text("50% of it"),
        why: text("why"),
        remedy: text("do"),
    });
    let commands = render(Format::Github, &report);
    let finding = "::warning file=conf.d/a%2Cb%3Ac.conf,line=12,title=tracking-level::50%25 of it%0Awhy%0Ado\n";
    assert!(commands.contains(finding), "{commands}");
    assert!(
        commands.starts_with("::error title=Verdict%3A Fail::"),
        "{commands}"
    );
    let failed = "::error file=fixtures/gateway/nginx_v11.1.conf,title=3.1 ";
    assert!(commands.contains(failed), "{commands}");
}
