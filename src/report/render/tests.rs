//! What a person sees, as snapshots; and what must hold for all of it.

use insta::assert_snapshot;

use super::{text::columns, *};
use crate::{
    engine::event::{Failure, Outcome, RunEvent},
    gate,
    plan::Lang,
    report::{
        RunReport,
        samples::{self, Sample},
    },
    verdict::fold,
};

/// What the samples are called.
fn all() -> [(&'static str, RunReport); 5] {
    [
        ("pass", samples::pass()),
        ("conditional", samples::conditional()),
        ("fail", samples::fail()),
        ("inconclusive", samples::inconclusive()),
        ("partial", samples::partial()),
    ]
}

fn table(report: &RunReport, style: Style) -> String {
    Format::Table.render(report, style).unwrap()
}

fn markdown(report: &RunReport, lang: Lang) -> String {
    Format::Markdown.render(report, style(lang)).unwrap()
}

fn style(lang: Lang) -> Style {
    Style {
        lang,
        ..Style::default()
    }
}

#[test]
fn what_a_person_sees_at_a_terminal() {
    for (name, report) in all() {
        assert_snapshot!(format!("table_{name}_en"), table(&report, style(Lang::En)));
        assert_snapshot!(format!("table_{name}_ja"), table(&report, style(Lang::Ja)));
    }
}

#[test]
fn what_a_person_sees_at_a_narrow_terminal() {
    for lang in [Lang::En, Lang::Ja] {
        let narrow = Style {
            width: 40,
            ..style(lang)
        };
        let name = format!("table_fail_40_{lang:?}").to_lowercase();
        assert_snapshot!(name, table(&samples::fail(), narrow));
    }
}

/// The end of a run at a terminal.
fn at_the_end(report: &RunReport, undo: Undo<'_>, style: Style) -> String {
    let ways = Ways {
        report: "reports/20251108-101500-1a2b/report.html".as_ref(),
        run: "reports/latest".as_ref(),
        undo,
    };
    next(report, ways, style)
}

#[test]
fn what_to_do_next_fits_the_outcome() {
    for (name, report) in all() {
        for lang in [Lang::En, Lang::Ja] {
            let shown = at_the_end(&report, Undo::Nothing, style(lang));
            let name = format!("next_{name}_{lang:?}").to_lowercase();
            assert_snapshot!(name, shown);
        }
    }
    let narrow = Style {
        width: 40,
        ..Style::default()
    };
    let deployed = Undo::Project("shop");
    assert_snapshot!(
        "next_fail_deployed_40",
        at_the_end(&samples::fail(), deployed, narrow)
    );
    let passed = at_the_end(&samples::pass(), deployed, narrow);
    assert!(!passed.contains("rollback"), "{passed}");
}

#[test]
fn what_to_type_is_the_command_that_was_typed() {
    let next = |typed: &str, report: &RunReport| {
        let mut report = report.clone();
        report.run.command = typed.split(' ').map(str::to_owned).collect();
        at_the_end(&report, Undo::Nothing, Style::default())
    };
    let (failed, partial) = (samples::fail(), samples::partial());
    let fails = |typed| next(typed, &failed);
    assert!(fails("verify --candidate a;b").contains("verify --candidate 'a;b' --failed\n"));
    assert!(fails("verify run --failed").contains("verify run --failed\n"));
    assert!(fails("verify --plan x/y").contains("verify explain 3.1 --plan x/y\n"));
    assert!(fails("verify --plan=x/y").contains("verify explain 3.1 --plan x/y\n"));
    // To deploy once more is nothing to be typed without a thought.
    assert!(!fails("verify --stack compose --deploy").contains("--failed"));
    assert!(!fails("verify rollback --project shop").contains("--failed"));
    let passes = |typed| next(typed, &partial);
    assert!(passes("verify --phase 3 --lang en").contains("verify --lang en\n"));
    assert!(passes("verify run --item=3.1 --tags @x --failed").contains("verify run\n"));
}

#[test]
fn what_a_person_reads_in_the_file() {
    for (name, report) in all() {
        assert_snapshot!(format!("markdown_{name}_en"), markdown(&report, Lang::En));
        assert_snapshot!(format!("markdown_{name}_ja"), markdown(&report, Lang::Ja));
    }
}

#[test]
fn what_a_program_reads() {
    let report = Sample::default()
        .only(&["3.1"])
        .with("3.1", samples::mislabelled());
    assert_snapshot!("json", json(&report.report()).unwrap());
}

/// Commands are left whole, so that they can be copied; anything else keeps to the width.
#[test]
fn lines_keep_to_the_width_in_both_languages() {
    for (name, report) in all() {
        for (lang, width) in [
            (Lang::En, 80),
            (Lang::Ja, 80),
            (Lang::En, 60),
            (Lang::Ja, 60),
            (Lang::En, 40),
            (Lang::Ja, 40),
        ] {
            let shown = table(
                &report,
                Style {
                    lang,
                    color: false,
                    width,
                },
            );
            for line in shown.lines() {
                let command = line.starts_with("         ") && line.contains("docker")
                    || line.contains("/usr/local/openresty")
                    || line.contains("    grep -n")
                    || line.contains("    curl -s");
                assert!(columns(line) <= width || command, "{name}: {line}");
            }
        }
    }
}

#[test]
fn borders_of_a_table_stand_under_each_other_in_japanese_too() {
    let shown = table(&samples::fail(), style(Lang::Ja));
    let rows = shown
        .lines()
        .filter(|line| line.starts_with(['│', '┌', '├', '└']));
    let widths: Vec<usize> = rows.map(columns).collect();
    let changes = widths.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_eq!(changes, 1, "two tables, each of one width: {widths:?}");
}

#[test]
fn colours_are_used_only_where_they_are_wanted() {
    let report = samples::fail();
    let plain = table(&report, style(Lang::En));
    assert!(!plain.contains('\u{1b}'), "what was seen is shown escaped");
    let coloured = table(
        &report,
        Style {
            color: true,
            ..Style::default()
        },
    );
    assert!(coloured.contains("\u{1b}[1;31m") && !coloured.contains("\u{1b}[2J"));
    let mut stripped = coloured;
    for sgr in ["1", "0", "1;31", "1;32", "1;33"] {
        stripped = stripped.replace(&format!("\u{1b}[{sgr}m"), "");
    }
    assert_eq!(stripped, plain);
}

/// Everything in a report that a gateway could have had a hand in.
#[test]
fn nothing_that_was_seen_reaches_a_terminal_or_breaks_out_of_its_place() {
    let evil = "\u{1b}]0;x\u{7}\n```\n# heading\n| a | b |\n<script>\u{9b}2J";
    let failure = Failure {
        did: evil.to_owned(),
        expected: evil.to_owned(),
        seen: evil.to_owned(),
        ..Failure::default()
    };
    let mut sample = Sample::default().with("3.1", Outcome::Failed(failure.clone()));
    sample = sample.with("3.2", Outcome::Inconclusive(failure));
    sample = sample.with("3.3", samples::skipped(evil));
    sample.run.id = evil.to_owned();
    sample.run.stack = evil.to_owned();
    sample.run.command.push(evil.to_owned());
    sample.run.candidate.path = evil.into();
    let report = sample.report();
    for lang in [Lang::En, Lang::Ja] {
        for shown in [
            table(&report, style(lang)),
            at_the_end(&report, Undo::Nothing, style(lang)),
            markdown(&report, lang),
        ] {
            let passed_on = shown.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(passed_on, None);
        }
        let markdown = markdown(&report, lang);
        // A fence of three never stands where one of four holds what was seen.
        let outside = markdown.split("````").step_by(2).collect::<String>();
        assert!(
            !outside.contains("\n# heading") && !outside.contains("<script>"),
            "{outside}"
        );
    }
}

#[test]
fn a_report_that_contradicts_itself_says_so() {
    let mut report = samples::fail();
    report.verdict = Some(crate::report::Verdict::Pass);
    assert!(table(&report, style(Lang::En)).contains("Do not trust this report"));
    assert!(markdown(&report, Lang::Ja).contains("このレポートは信頼できません"));
}

#[test]
fn what_would_fill_the_screen_is_shortened_there_and_whole_in_the_file() {
    let seen: Vec<String> = (0..500).map(|number| format!("line {number}")).collect();
    let failure = Failure {
        seen: seen.join("\n"),
        ..Failure::default()
    };
    let report = Sample::default()
        .with("1.4", Outcome::Failed(failure))
        .report();
    let shown = table(&report, style(Lang::En));
    assert!(
        shown.contains("line 0\n") && shown.contains("line 499\n"),
        "{shown}"
    );
    assert!(
        shown.contains("461 lines left out") && !shown.contains("line 250"),
        "{shown}"
    );
    assert!(markdown(&report, Lang::En).contains("\nline 250\n"));
}

/// One cause is told once, however many items it stopped.
#[test]
fn a_stack_that_did_not_come_up_is_explained_once() {
    let mut events = Sample::default().events();
    events.truncate(1);
    events.push(RunEvent::StackFailed {
        reason: "oauth2-proxy did not answer within 5 s\nlast line: bind: address in use"
            .to_owned(),
    });
    let shown = table(&fold(events).unwrap(), style(Lang::En));
    assert_eq!(shown.matches("address in use").count(), 1, "{shown}");
    assert_snapshot!("table_stack_failed_en", shown);
}

/// By the run's own policy, which the report keeps.
#[test]
fn every_format_that_shows_an_exit_code_shows_that_of_the_process() {
    let mut failed_rollback = samples::conditional();
    failed_rollback.rollback.executed = true;
    let of = |allow_conditional| {
        let mut report = samples::conditional();
        report.run.allow_conditional = allow_conditional;
        report
    };
    for (report, code) in [(of(false), 3), (of(true), 0), (failed_rollback, 1)] {
        assert_eq!(gate::of_run(&report).unwrap().exit.code(), code);
        for lang in [Lang::En, Lang::Ja] {
            let shown = |format: Format| format.render(&report, style(lang)).unwrap();
            let markdown = shown(Format::Markdown);
            let rows: Vec<&str> = markdown
                .lines()
                .filter(|row| row.ends_with("✔ |"))
                .collect();
            assert!(
                rows.len() == 1 && rows[0].starts_with(&format!("| {code} | ")),
                "{rows:?}"
            );
            assert!(shown(Format::Html).contains(&format!("<dd>{code}: ")));
            let messages = shown(Format::CucumberMessages);
            assert_eq!(messages.contains("\"success\":true"), code == 0);
            assert_eq!(messages.contains("\"success\":false"), code != 0);
            let line = exit(&report, lang);
            assert!(line.contains(&code.to_string()), "{line}");
        }
    }
    assert!(exit(&of(true), Lang::En).contains("conditional pass, accepted"));
}

#[test]
fn a_failure_has_the_condition_of_its_code_in_japanese() {
    let condition = "満たすべき条件：追跡ログの context が、アクセスした location";
    let failure = match samples::mislabelled() {
        Outcome::Failed(failure) => failure,
        other => panic!("{other:?}"),
    };
    for (lang, has) in [(Lang::En, false), (Lang::Ja, true)] {
        let live = failure::shown(&failure, style(lang)).join("");
        let wide = Style {
            width: 200,
            ..style(lang)
        };
        assert_eq!(live.contains("満たすべき条件："), has, "{live}");
        for format in [
            Format::Table,
            Format::Junit,
            Format::Ctrf,
            Format::Tap,
            Format::CucumberMessages,
            Format::Github,
            Format::Markdown,
            Format::Html,
        ] {
            let shown = format.render(&samples::fail(), wide).unwrap();
            assert_eq!(shown.contains(condition), has, "{format}");
        }
    }
}
