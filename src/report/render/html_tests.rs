use super::{
    html,
    template::{SCRIPT, STYLE},
};
use crate::{
    evidence::{Evidence, EvidenceKind, Figures, Histogram, Image, Redactor, Stage, Trail},
    mutation::{Cell, Judged, Matrix, SCHEMA_VERSION, Score},
    plan::Lang,
    report::{
        RunReport,
        samples::{conditional, fail, id, inconclusive, partial, pass},
    },
};

/// What somebody outside may have written into anything that is shown.
const HOSTILE: &str = "</script><script>alert(1)</script>\"><img src=x onerror=alert(1)>\
    <!-- ]]> '`{{ 7 * 7 }}{% raw %} \u{1b}[31mred\u{1b}[0m \u{0}\u{7}\u{202e}evil 日本語 🦀";

fn page(report: &RunReport, lang: Lang) -> String {
    html(report, None, lang).unwrap()
}

fn evidence(kind: EvidenceKind, title: &str, body: &str) -> Evidence {
    Redactor::new().evidence(kind, title, body)
}

/// A report whose every text from outside is hostile.
fn hostile() -> RunReport {
    let mut report = fail();
    let text = HOSTILE.to_owned();
    report.run.id.clone_from(&text);
    report.run.started_at.clone_from(&text);
    report.run.profile.clone_from(&text);
    report.run.command.push(text.clone());
    report.run.candidate.path = text.clone().into();
    report.run.components[0].version.clone_from(&text);
    report.run.components[0].image = Some(text.clone());
    report.reasons.push(text.clone());
    report.findings[0].cause.clone_from(&text);
    report.causes[0].seen.clone_from(&text);
    report.rollback.executed = true;
    report.rollback.steps[0].seen.clone_from(&text);
    for item in &mut report.items {
        item.reason = Some(text.clone());
        if let Some(failure) = &mut item.failure {
            failure.seen.clone_from(&text);
        }
        for step in &mut item.steps {
            step.text.clone_from(&text);
        }
        for kind in [
            EvidenceKind::Exchange,
            EvidenceKind::Log,
            EvidenceKind::Redis,
        ] {
            item.evidence.push(evidence(kind, HOSTILE, HOSTILE));
        }
        item.evidence.push(Evidence {
            image: Some(Image {
                media_type: "image/svg+xml\" onload=\"alert(1)".to_owned(),
                data: HOSTILE.to_owned(),
            }),
            trail: Some(Trail {
                nonce: HOSTILE.to_owned(),
                stage: Stage::Upstream,
            }),
            ..evidence(EvidenceKind::Log, HOSTILE, &HOSTILE.repeat(200))
        });
        item.evidence.push(Evidence {
            trail: Some(Trail {
                nonce: HOSTILE.to_owned(),
                stage: Stage::RedisAfter,
            }),
            ..evidence(EvidenceKind::Redis, HOSTILE, HOSTILE)
        });
    }
    report
}

#[test]
fn every_report_has_a_page_in_both_languages() {
    for report in [pass(), conditional(), fail(), inconclusive(), partial()] {
        let english = page(&report, Lang::En);
        assert!(english.contains("<html lang=\"en\">") && english.ends_with("</html>"));
        let japanese = page(&report, Lang::Ja);
        assert!(japanese.contains("<html lang=\"ja\">") && japanese.contains("検証サマリー"));
        for item in report.selected() {
            let anchor = format!("id=\"item-{}\"", item.id);
            assert_eq!(english.matches(&anchor).count(), 1, "{anchor}");
        }
    }
}

#[test]
fn what_somebody_outside_wrote_is_text_and_nothing_else() {
    for lang in [Lang::En, Lang::Ja] {
        let page = page(&hostile(), lang);
        assert_eq!(page.matches("<script").count(), 1, "the page's own");
        assert_eq!(page.matches("</script").count(), 1);
        assert_eq!(page.matches("<img").count(), 0);
        assert_eq!(page.matches("<!--").count(), 0);
        let odd = page.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(odd, None, "control characters are shown and not passed on");
        assert!(!page.contains('\u{202e}'));
        assert!(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)"));
        assert!(page.contains("{{ 7 * 7 }}{% raw %} \\e[31mred"));
        assert!(page.contains("日本語 🦀"));
        // No attribute is left by its quotation mark.
        assert!(!page.contains("onerror=alert(1)>") && !page.contains("\" onload="));
    }
}

#[test]
fn the_page_needs_nothing_from_anywhere() {
    let page = page(&fail(), Lang::En);
    for outside in [
        "<link",
        "<iframe",
        "@import",
        "url(http",
        "src=\"http",
        "href=\"http",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(!STYLE.contains("//") && !SCRIPT.contains("http"));
    let addresses = page.split("href=\"").skip(1);
    assert!(addresses.into_iter().all(|rest| rest.starts_with('#')));
    assert!(!page.contains(" style=\"") && !page.contains(" onclick="));
    assert!(page.contains("default-src &#39;none&#39;; img-src data:; style-src &#39;sha256-"));
}

#[test]
fn no_secret_that_a_redactor_knew_is_on_the_page() {
    let redactor = Redactor::new();
    redactor.learn("s3cr3t-of-the-run");
    let mut report = pass();
    let body = "cookie: _oauth2_proxy=abcdef|1|x\nBearer eyJhbGciOiJIUzI1NiJ9.e30.abcdefgh s3cr3t-of-the-run";
    let item = &mut report.items[0];
    item.evidence
        .push(redactor.evidence(EvidenceKind::Exchange, "s3cr3t-of-the-run", body));
    let page = page(&report, Lang::En);
    assert!(page.contains("[redacted]"));
    for secret in ["s3cr3t-of-the-run", "abcdef|1", "e30.abcdefgh"] {
        assert!(!page.contains(secret), "{secret}");
    }
}

#[test]
fn a_picture_is_part_of_the_page_with_its_words() {
    let mut report = pass();
    let shown = evidence(
        EvidenceKind::Screenshot,
        "the login form",
        "A form with \"two\" fields",
    );
    report.items[0].evidence.push(Evidence {
        image: Some(Image {
            media_type: "image/png".to_owned(),
            data: "iVBORw0KGgo=".to_owned(),
        }),
        ..shown
    });
    let page = page(&report, Lang::En);
    let image = "<img src=\"data:image/png;base64,iVBORw0KGgo=\" alt=\"A form with &quot;two&quot; fields\">";
    assert!(page.contains(image));
}

#[test]
fn what_stands_on_the_page_already_is_pointed_at() {
    let mut report = pass();
    let body = "the same line\n".repeat(100);
    for item in &mut report.items[..2] {
        item.evidence
            .push(evidence(EvidenceKind::Log, "the log", &body));
    }
    let page = page(&report, Lang::En);
    assert_eq!(
        page.matches("the same line\nthe same line").count(),
        50,
        "once, in pairs"
    );
    assert!(page.contains("The same as <a href=\"#e-1.1-2\">1.1: the log</a>"));
}

#[test]
fn a_line_that_decides_is_marked_among_the_others() {
    let mut report = fail();
    let item = report
        .items
        .iter_mut()
        .find(|item| item.id == id("3.1"))
        .unwrap();
    let decisive = item
        .failure
        .as_ref()
        .unwrap()
        .seen
        .lines()
        .next()
        .unwrap()
        .to_owned();
    let body = format!("a line before\n{decisive}\na line after");
    item.evidence
        .push(evidence(EvidenceKind::Log, "window", &body));
    let page = page(&report, Lang::En);
    let marked = format!(
        "a line before\n<mark><span class=\"vh\">decisive line: </span>{decisive}</mark>\na line after"
    );
    assert!(page.contains(&marked));
}

#[test]
fn a_comparison_is_drawn_from_its_figures() {
    let mut report = pass();
    let figures = Figures {
        histogram: Histogram::of(&[1.0, 1.5, 2.0], &[1.0, 1.1, 5.0]),
        baseline_ms: 1.5,
        candidate_ms: 1.1,
        ratio: 0.73,
        interval: (0.61, 0.84),
        margin: 1.1,
    };
    let item = report.items.last_mut().unwrap();
    item.evidence.push(Evidence {
        figures: Some(figures),
        ..evidence(
            EvidenceKind::Measurement,
            "GET /health",
            "median 1.500 ms -> 1.100 ms",
        )
    });
    let page = page(&report, Lang::En);
    assert_eq!(page.matches("<rect class=\"baseline\"").count(), 3);
    // The slowest is beyond the classes, and is told.
    assert_eq!(page.matches("<rect class=\"candidate\"").count(), 2);
    assert!(page.contains("Baseline 0, Candidate 1"));
    assert!(page.contains("<rect class=\"interval passed\""));
    assert!(page.contains("between 0.610 and 0.840; up to 1.10 counts as not slower"));
}

#[test]
fn a_matrix_of_mutants_stands_on_the_page_where_there_is_one() {
    let report = pass();
    let mutant = Judged {
        id: "label".to_owned(),
        title: "a <wrong> label".to_owned(),
        breaks: vec![id("3.1")],
        items: [(id("3.1"), Cell::Failed), (id("3.2"), Cell::Passed)].into(),
        complaints: Vec::new(),
        cause: None,
        named: Vec::new(),
        codes: [].into(),
        noticed_by_other: None,
        duration_ms: 1.0,
        again: false,
        unclear: false,
    };
    let mutants = vec![mutant];
    let matrix = Matrix {
        schema_version: SCHEMA_VERSION,
        started_at: report.run.started_at.clone(),
        duration_ms: 1.0,
        jobs: 1,
        candidate: report.run.baseline.clone(),
        compared_with: None,
        items: vec![id("3.1"), id("3.2")],
        score: Score::of(&mutants),
        mutants,
    };
    let page = html(&report, Some(&matrix), Lang::En).unwrap();
    assert!(page.contains("1 of 1 broken gateways were caught"));
    assert!(page.contains("They were made of another gateway: fixtures/gateway/nginx_v10.conf"));
    assert!(page.contains("a &lt;wrong&gt; label"));
    assert!(page.contains("<td class=\"failed wanted\">✘</td><td class=\"passed\">·</td>"));
}
