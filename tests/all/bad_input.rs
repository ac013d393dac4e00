//! Bad input and bad luck, row by row: each through the real binary, with the exit code that
//! is documented and a text that says what and where.

use std::{fs, os::unix::fs::symlink};

use super::support::{Scratch, bundle, candidate, line_of, replaced, root, verify};

// ------------------------------------------------------------------ the candidate's file

#[test]
fn a_missing_candidate_is_named_with_its_flag() {
    let missing = Scratch::nothing("new.conf");
    verify(["--candidate", missing.str()])
        .ends()
        .exits(2)
        .complains(["--candidate", missing.str(), "No such file"])
        .started_nothing();
}

#[test]
fn a_directory_is_no_candidate() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("UTF-8");
    verify(["--candidate", path])
        .ends()
        .exits(2)
        .complains(["--candidate", path, "is a directory"])
        .started_nothing();
}

#[test]
fn an_empty_candidate_is_refused() {
    for content in ["", " \n\n"] {
        let empty = Scratch::file("new.conf", content);
        verify(["--candidate", empty.str()])
            .ends()
            .exits(2)
            .complains(["--candidate", empty.str(), "is empty"])
            .started_nothing();
    }
}

/// Root reads whatever its mode says; a link to itself is what not even root can read.
#[test]
fn a_candidate_that_cannot_be_read_is_named_with_what_the_system_says() {
    let looped = Scratch::nothing("loop.conf");
    symlink("loop.conf", &looped.path).expect("a link");
    verify(["--candidate", looped.str()])
        .ends()
        .exits(2)
        .complains(["--candidate", looped.str(), "cannot be read", "symbolic"])
        .started_nothing();

    if rustix::process::geteuid().is_root() {
        return;
    }
    use std::os::unix::fs::PermissionsExt as _;
    let locked = Scratch::file("new.conf", "events {}\n");
    fs::set_permissions(&locked.path, fs::Permissions::from_mode(0o000)).expect("a mode");
    verify(["--candidate", locked.str()])
        .ends()
        .exits(2)
        .complains([
            "--candidate",
            locked.str(),
            "cannot be read",
            "Permission denied",
        ])
        .started_nothing();
}

#[test]
fn something_that_is_no_file_is_no_candidate() {
    verify(["--candidate", "/dev/null"])
        .ends()
        .exits(2)
        .complains(["--candidate", "/dev/null", "not a regular file"])
        .started_nothing();
}

#[test]
fn the_other_inputs_are_looked_at_like_the_candidate() {
    for flag in ["--baseline", "--auth-proxy", "--lua", "--html", "--lualib"] {
        let missing = Scratch::nothing("gone");
        verify([flag, missing.str()])
            .ends()
            .exits(2)
            .complains([flag, missing.str()])
            .started_nothing();
    }
}

// ------------------------------------------------------------- the candidate's content

#[test]
fn a_syntax_error_fails_1_1_with_nginxs_own_words_and_skips_the_rest() {
    let broken = candidate("\nevents {", "\nevnts {");
    let line = line_of(&broken.path, "evnts {");
    let run = verify(["--candidate", broken.str()]).ends_in_sandbox();
    run.exits(1);
    let report = run.report();
    assert_eq!(report.verdict(), "fail");
    assert_eq!(report.with_status("failed"), ["1.1"]);
    assert_eq!(report.with_status("skipped").len(), 24);
    assert_eq!(report.0["rollback"]["required"], true);

    let first = report.item("1.1");
    assert_eq!(first["fault"], "candidate");
    let seen = first["failure"]["seen"].as_str().expect("what was seen");
    assert!(seen.contains("[emerg]"), "{seen}");
    assert!(seen.contains("unknown directive \"evnts\""), "{seen}");
    assert!(seen.contains(&format!(":{line}\n")), "{seen}");
    for item in report.items().iter().skip(1) {
        let reason = item["reason"].as_str().expect("a reason");
        assert!(reason.contains("syntax check"), "{}: {reason}", item["id"]);
    }
}

#[test]
fn what_a_failure_hides_is_a_failure() {
    let broken = candidate(r#"require("litellm").as_api_user(email)"#, "ngx.exit(500)");
    let run = verify(["--quick", "--candidate", broken.str()]).ends_in_sandbox();
    run.exits(1);
    let report = run.report();
    // No token works, so that nothing can be said about its revocation.
    let revocation = report.item("4.4");
    assert_eq!(revocation["status"], "skipped");
    assert_eq!(revocation["fault"], "candidate");
    assert_eq!(report.verdict(), "fail");
    assert_eq!(report.with_status("inconclusive"), Vec::<String>::new());
}

#[test]
fn a_candidate_that_dies_at_start_fails_1_2_with_its_last_log_lines() {
    let broken = candidate(r#"require "token_api""#, r#"error("boom at start")"#);
    let run = verify(["--candidate", broken.str()]).ends_in_sandbox();
    run.exits(1);
    let report = run.report();
    assert_eq!(report.verdict(), "fail");
    assert_eq!(report.with_status("failed"), ["1.2"]);
    assert_eq!(report.with_status("passed"), ["1.1"]);
    assert_eq!(report.with_status("skipped").len(), 23);

    let item = report.item("1.2");
    assert_eq!(item["fault"], "candidate");
    let seen = item["failure"]["seen"].as_str().expect("what was seen");
    assert!(seen.contains("boom at start"), "{seen}");
}

/// The first line is what tables and findings have room for: what it quotes must be the
/// candidate's words, not those of the baseline that made way for it.
#[test]
fn the_reason_of_a_candidate_that_dies_at_start_is_the_candidates_own() {
    let broken = candidate(r#"require "token_api""#, r#"error("boom at start")"#);
    let run = verify(["--candidate", broken.str(), "--item", "1.2"]).ends_in_sandbox();
    run.exits(1);
    let report = run.report();
    let reason = report.item("1.2")["reason"].as_str().expect("a reason");
    assert!(reason.contains("boom at start"), "{reason}");
}

// ------------------------------------------------------------------- the command line

#[test]
fn an_unknown_phase_is_refused_with_those_that_there_are() {
    verify(["--phase", "9"])
        .ends()
        .exits(2)
        .complains(["--phase 9", "1, 2, 3, 4, 5, 6, 7"])
        .started_nothing();
}

#[test]
fn an_unknown_item_is_refused_with_those_that_there_are() {
    verify(["--item", "9.9"])
        .ends()
        .exits(2)
        .complains(["--item 9.9", "3.1, 3.2", "7.2", "verify --list"])
        .started_nothing();
    verify(["--item", "3.7"])
        .ends()
        .exits(2)
        .complains(["--item 3.7", "did you mean 3.1?"])
        .started_nothing();
}

#[test]
fn a_bad_tag_expression_is_refused_with_the_place() {
    verify(["--tags", "(@phase-3"])
        .ends()
        .exits(2)
        .complains(["--tags", "column 10", "`)`"])
        .started_nothing();
    verify(["--tags", "@phase-33"])
        .ends()
        .exits(2)
        .complains(["--tags", "@phase-33", "did you mean @phase-3?"])
        .started_nothing();
}

#[test]
fn an_unknown_flag_is_refused_with_the_one_that_was_meant() {
    verify(["--bogus"])
        .ends()
        .exits(2)
        .complains(["--bogus"])
        .started_nothing();
    verify(["--phas", "3"])
        .ends()
        .exits(2)
        .complains(["--phas", "--phase"])
        .started_nothing();
    verify(["bogus"])
        .ends()
        .exits(2)
        .complains(["bogus"])
        .started_nothing();
}

#[test]
fn an_unknown_profile_is_refused_with_the_one_that_was_meant() {
    verify(["--profile", "plann"])
        .ends()
        .exits(2)
        .complains(["--profile plann", "did you mean `plan`?"])
        .started_nothing();
}

#[test]
fn an_unknown_key_of_the_profile_is_refused_with_file_line_and_the_right_one() {
    let shipped = root().join("fixtures/profiles/plan.yaml");
    let shipped = fs::read_to_string(shipped).expect("the shipped profile");
    for (right, wrong) in [("\njwt:", "\njtw:"), ("\n  cookie: ", "\n  cokie: ")] {
        let profile = Scratch::file("plan.yaml", replaced(&shipped, right, wrong));
        let line = line_of(&profile.path, wrong) + 1;
        let name = |text: &str| text.trim_matches([':', ' ', '\n']).to_owned();
        verify(["--profile", profile.str()])
            .ends()
            .exits(2)
            .complains([
                &format!("{}:{line}:", profile.str()),
                &format!("unknown key `{}`", name(wrong)),
                &format!("did you mean `{}`?", name(right)),
            ])
            .started_nothing();
    }
}

#[test]
fn an_unknown_key_of_the_settings_is_refused_with_file_line_and_the_right_one() {
    let settings = Scratch::file("verify.yaml", "lang: en\ncandidat: new.conf\n");
    verify(["--config", settings.str()])
        .ends()
        .exits(2)
        .complains([
            &format!("{}:2:", settings.str()),
            "unknown key `candidat`",
            "did you mean `candidate`?",
        ])
        .started_nothing();
}

// ------------------------------------------------------------------- the surroundings

#[test]
fn a_missing_program_is_named_with_what_installs_it_before_anything_starts() {
    let nowhere = tempfile::tempdir().expect("a folder");
    // nginx is looked for in sbin too, oauth2-proxy where provisioning puts it.
    let run = verify(["--item", "1.1"]).env("PATH", nowhere.path()).ends();
    run.exits(4)
        .complains(["redis-server", "bwrap", "scripts/provision"])
        .started_nothing();
}

#[test]
fn a_plan_can_be_listed_where_the_programs_are_missing() {
    let nowhere = tempfile::tempdir().expect("a folder");
    let run = verify(["--list"]).env("PATH", nowhere.path()).ends();
    run.exits(0);
    assert_eq!(run.stdout.lines().count(), 44);
}

#[test]
fn a_report_folder_that_cannot_be_written_is_refused_before_anything_starts() {
    super::support::needs_sandbox();
    let file = Scratch::file("reports", "");
    for place in [file.str().to_owned(), format!("{}/below", file.str())] {
        verify(["--item", "1.1", "--report-dir", &place])
            .ends()
            .exits(2)
            .complains(["report", &place, "--report-dir"])
            .started_nothing();
    }
}

// ------------------------------------------------------------ a service dies in the middle

/// Runs phase 3 of a plan in which a service is killed in the middle of 3.2.
fn phase_3_without(service: &str) {
    // 3.2 becomes a scenario of its own between two outlines.
    let feature = root().join("features/phase3_tracking.feature");
    let text = std::fs::read_to_string(feature).expect("the feature");
    let (before, _) = text
        .split_once("    @item-3.1\n")
        .expect("its first example");
    let outline = &before[before.find("  @phase-3\n").expect("the outline")..];
    let killed = outline
        .replacen("@phase-3", "@phase-3 @item-3.2", 1)
        .replacen("Scenario Outline", "Scenario", 1)
        .replace("<context>", "UI/Admin")
        .replacen(
            "When",
            &format!("When the service \"{service}\" is killed\n    And"),
            1,
        );
    let example = "    @item-3.2\n    Examples:\n      | context  |\n      | UI/Admin |\n\n";
    let plan = bundle(
        "phase3_tracking.feature",
        example,
        &format!("{killed}{outline}"),
    );
    let run = verify(["--plan", plan.str(), "--phase", "3"]).ends_in_sandbox();
    run.exits(4);
    let report = run.report();
    assert_eq!(report.verdict(), &serde_json::Value::Null, "a partial run");
    assert_eq!(report.item("3.1")["status"], "passed");
    assert_eq!(report.with_status("failed"), [""; 0]);
    let item = report.item("3.2");
    assert_eq!(item["status"], "inconclusive", "{item:#}");
    assert_eq!(item["fault"], "harness", "{item:#}");
    let reason = item["reason"].as_str().expect("a reason");
    assert!(reason.contains(service), "{reason}");
}

#[test]
fn redis_that_dies_is_no_fault_of_the_candidate() {
    phase_3_without("redis");
}

#[test]
fn oauth2_proxy_that_dies_is_no_fault_of_the_candidate() {
    phase_3_without("auth");
}

#[test]
fn an_upstream_that_dies_is_no_fault_of_the_candidate() {
    phase_3_without("upstream");
}

#[test]
fn a_whole_run_without_redis_is_inconclusive_and_asks_for_no_rollback() {
    let first = "    Given the candidate runs\n    When the health check is asked 3 times\n";
    let killed = format!(
        "{first}    When the service \"redis\" is killed\n    When every public location is asked for the first time\n"
    );
    let plan = bundle("phase1_basic.feature", first, &killed);
    let run = verify(["--plan", plan.str(), "--quick"]).ends_in_sandbox();
    run.exits(4);
    let report = run.report();
    assert_eq!(report.verdict(), "inconclusive");
    assert_eq!(report.with_status("failed"), [""; 0]);
    assert_eq!(report.0["rollback"]["required"], false);
}

#[test]
fn an_identity_provider_that_dies_is_no_fault_of_the_candidate() {
    let given = "Scenario: A person logs in\n    Given a fresh browser\n";
    let killed = format!("{given}    When the service \"idp\" is killed\n");
    let plan = bundle("phase2_oauth2.feature", given, &killed);
    let run = verify(["--plan", plan.str(), "--item", "2.1"]).ends_in_sandbox();
    run.exits(4);
    let report = run.report();
    let item = report.item("2.1");
    assert_eq!(item["status"], "inconclusive", "{item:#}");
    assert_eq!(item["fault"], "harness", "{item:#}");
}

// ------------------------------------------------------------------- saved reports

#[test]
fn a_broken_report_is_refused_with_file_and_place() {
    let cases = [
        ("report.json", "{\"schema_version\": 1, ", "line 1 column"),
        (
            "report.json",
            "{\"schema_version\": 1,\n \"run\": {}}",
            "line 2 column",
        ),
        ("report.json", "nginx: no\n", "line 1 column"),
        ("report.json", "", "line 1 column 0"),
        ("events.ndjson", "{\"event\": \"nothing\"}\n", "line 1"),
        ("events.ndjson", "", "events.ndjson"),
    ];
    for (name, content, place) in cases {
        let file = Scratch::file(name, content);
        for command in ["gate", "render"] {
            verify([command, file.str()])
                .ends()
                .exits(2)
                .complains([file.str(), place])
                .started_nothing();
        }
    }
}

#[test]
fn a_report_of_another_version_is_refused_with_both_versions() {
    let file = Scratch::file("report.json", "{\"schema_version\": 2}");
    for command in ["gate", "render"] {
        verify([command, file.str()])
            .ends()
            .exits(2)
            .complains([file.str(), "schema version 2", "version 1"])
            .started_nothing();
    }
}

#[test]
fn a_report_that_is_not_there_is_refused() {
    let missing = Scratch::nothing("report.json");
    let empty = tempfile::tempdir().expect("a folder");
    let empty = empty.path().to_str().expect("UTF-8");
    for command in ["gate", "render"] {
        verify([command, missing.str()])
            .ends()
            .exits(2)
            .complains([missing.str(), "No such file"])
            .started_nothing();
        verify([command, empty])
            .ends()
            .exits(2)
            .complains([empty, "report.json"])
            .started_nothing();
    }
}

// ------------------------------------------------------------------- plan bundles

const PHASE_1: &str = "phase1_basic.feature";

/// The bundle with this change is refused: at this text of this file, with these words.
#[track_caller]
fn refused(
    (file, from, to): (&str, &str, &str),
    (at_file, at_text): (&str, &str),
    words: [&str; 2],
) {
    let plan = bundle(file, from, to);
    let place = plan.path.join(at_file);
    let at = format!("{}:{}:", place.display(), line_of(&place, at_text));
    let [first, second] = words;
    verify(["--plan", plan.str()])
        .ends()
        .exits(2)
        .complains([&at, first, second])
        .started_nothing();
}

#[test]
fn an_undefined_step_is_refused_with_the_one_that_was_meant() {
    refused(
        (
            PHASE_1,
            "the health check is asked",
            "the health check is aksed",
        ),
        (PHASE_1, "is aksed"),
        ["undefined step", "did you mean `the health check is asked"],
    );
}

#[test]
fn an_item_without_scenario_is_refused_at_the_item() {
    refused(
        (PHASE_1, "@phase-1 @item-1.3", "@phase-1 @item-1.4x"),
        ("plan.yaml", "- id: \"1.3\""),
        ["item 1.3 has no scenario", "@phase-1 @item-1.3"],
    );
}

#[test]
fn a_scenario_without_item_is_refused_at_the_scenario() {
    refused(
        (PHASE_1, "@phase-1 @item-1.3", "@phase-1 @item-1.9"),
        (PHASE_1, "Scenario: The health check says healthy"),
        ["no item 1.9", "did you mean"],
    );
}

#[test]
fn an_item_with_two_scenarios_is_refused_at_the_second() {
    refused(
        (PHASE_1, "@phase-1 @item-1.4", "@phase-1  @item-1.3"),
        (PHASE_1, "Scenario: The log holds no error"),
        ["item 1.3 has a scenario already", "phase1_basic.feature:22"],
    );
}

#[test]
fn a_number_given_to_two_items_is_refused() {
    refused(
        ("plan.yaml", "- id: \"1.2\"", "- id:  \"1.1\""),
        ("plan.yaml", "- id:  \"1.1\""),
        ["two items 1.1", "plan.yaml"],
    );
}

#[test]
fn a_feature_that_is_not_gherkin_is_refused() {
    refused(
        (
            PHASE_1,
            "Scenario: The health check",
            "Scenaro: The health check",
        ),
        (PHASE_1, "Scenaro:"),
        ["not Gherkin", "did you mean `Scenario:`?"],
    );
}

#[test]
fn an_unknown_key_of_the_plan_is_refused() {
    refused(
        ("plan.yaml", "version: \"1.0\"", "verson: \"1.0\""),
        ("plan.yaml", "verson:"),
        ["unknown key `verson`", "did you mean `version`?"],
    );
}

#[test]
fn a_missing_feature_file_is_refused_at_its_phase() {
    let plan = bundle("plan.yaml", "version: \"1.0\"", "version: \"1.0\"");
    fs::remove_file(plan.path.join("phase5_llm_api.feature")).expect("it was copied");
    verify(["--plan", plan.str()])
        .ends()
        .exits(2)
        .complains(["plan.yaml:", "phase5_llm_api.feature"])
        .started_nothing();
}

#[test]
fn a_folder_without_a_plan_is_refused() {
    let empty = tempfile::tempdir().expect("a folder");
    verify(["--plan", empty.path().to_str().expect("UTF-8")])
        .ends()
        .exits(2)
        .complains(["no plan bundle", "plan.yaml", "--plan DIR"])
        .started_nothing();
}
