//! Catalogues in temporary files, and reports held against them.

use std::{collections::BTreeSet, fs, path::Path};

use super::*;
use crate::{
    engine::{
        GatewayFiles,
        event::{Failure, Outcome, RunEnd},
    },
    plan::{ItemId, ItemPattern},
    report::{
        FileRef, render,
        samples::{Sample, id},
    },
    verdict::fold,
};

const TWO: &str = r#"
- id: first
  title: one
  edits: [{file: nginx.conf, find: "a", replace: "b"}]
  breaks: ["3.1"]
- id: second
  title: two
  edits: [{file: lua/x.lua, find: "a", replace: "b"}]
  breaks: ["X.1", "3.2"]
  may: ["4.*", "1.1", "X.*"]
  cause: something
"#;

fn load(text: &str) -> Result<Vec<Mutant>, String> {
    let known = ["1.1", "3.1", "3.2", "X.1"].map(id);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), text).unwrap();
    fs::write(dir.path().join("notes.txt"), "not read").unwrap();
    Catalogue::load(dir.path(), &BTreeSet::from(known))
        .map(|catalogue| catalogue.mutants)
        .map_err(|error| {
            error
                .to_string()
                .replace(&format!("{}/", dir.path().display()), "")
        })
}

#[test]
fn a_catalogue_is_read_whole() {
    let mutants = load(TWO).unwrap();
    assert_eq!(mutants.len(), 2);
    let covered: Vec<ItemId> = ["1.1", "1.2", "3.1", "4.4", "X.9"]
        .map(id)
        .into_iter()
        .filter(|item| mutants[1].may.iter().any(|allowed| allowed.covers(*item)))
        .collect();
    assert_eq!(covered, ["1.1", "4.4", "X.9"].map(id));
}

#[test]
fn what_is_wrong_in_a_catalogue_has_its_line() {
    for (from, to, says) in [
        (
            "id: second",
            "id: first",
            "a.yaml:6: first: a.yaml:2 has the same id",
        ),
        ("id: second", "id: a/b", "a.yaml:6: a/b: an id is letters"),
        (
            "\"3.2\"",
            "\"3.9\"",
            "a.yaml:6: second: the plan has no item 3.9",
        ),
        (
            "\"1.1\"",
            "\"9.1\"",
            "a.yaml:6: second: the plan has no item 9.1",
        ),
        (
            "breaks: [\"3.1\"]",
            "breaks: []",
            "a.yaml:2: first: breaks nothing",
        ),
        (
            "[{file: nginx.conf, find: \"a\", replace: \"b\"}]",
            "[]",
            "a.yaml:2: first: no edit",
        ),
        (
            "find: \"a\", replace: \"b\"}]\n  breaks: [\"3.1\"]",
            "find: \"b\", replace: \"b\"}]\n  breaks: [\"3.1\"]",
            "replaced by itself",
        ),
        (
            "title: two",
            "titel: two",
            "a.yaml:7:3: unknown key `titel`; did you mean `title`?",
        ),
        ("\"4.*\"", "\"four\"", "four"),
    ] {
        assert!(TWO.contains(from), "{from}");
        let error = load(&TWO.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(says), "{to}: {error}");
    }
    assert!(load("[]").unwrap_err().contains("no mutant"));
}

fn gateway(dir: &Path) -> GatewayFiles {
    for (file, text) in [
        ("some.conf", "one two two"),
        ("auth.cfg", "cookie"),
        ("lua/deep/x.lua", "return 1"),
        ("html/page.html", "<title>"),
    ] {
        let path = dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    GatewayFiles {
        candidate: dir.join("some.conf"),
        baseline: dir.join("some.conf"),
        lua: dir.join("lua"),
        html: dir.join("html"),
        auth_proxy: dir.join("auth.cfg"),
        lualib: None,
        baseline_lua: None,
        baseline_html: None,
    }
}

fn edit(file: &str, find: &str, replace: &str) -> Edit {
    Edit {
        file: file.into(),
        find: find.to_owned(),
        replace: replace.to_owned(),
    }
}

#[test]
fn edits_are_made_in_a_copy_that_goes_away() {
    let dir = tempfile::tempdir().unwrap();
    let files = gateway(dir.path());
    let edits = [
        edit("nginx.conf", "one", "none"),
        edit("lua/deep/x.lua", "1", "2"),
        edit("oauth2-proxy.cfg", "cookie", ""),
    ];
    let copy = Copy::with(&files, &edits).unwrap();
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    assert_eq!(read(&copy.candidate()), "none two two");
    assert_eq!(read(&copy.lua().join("deep/x.lua")), "return 2");
    assert_eq!(read(&copy.html().join("page.html")), "<title>");
    assert_eq!(read(&copy.auth_proxy()), "");
    assert_eq!(read(&files.candidate), "one two two", "the original");
    let place = copy.candidate();
    drop(copy);
    assert!(!place.exists());
}

#[test]
fn an_edit_that_does_not_fit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let files = gateway(dir.path());
    for (edit, says) in [
        (
            edit("nginx.conf", "two", "2"),
            "nginx.conf: `two` occurs 2 times, not once",
        ),
        (edit("nginx.conf", "three", "3"), "`three` occurs 0 times"),
        (
            edit("some.conf", "one", "1"),
            "some.conf: a mutant edits nginx.conf",
        ),
        (edit("lua/../nginx.conf", "one", "1"), "a mutant edits"),
        (edit("/etc/passwd", "root", "toor"), "a mutant edits"),
        (edit("lua/gone.lua", "one", "1"), "lua/gone.lua: "),
    ] {
        let error = Copy::with(&files, &[edit]).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

fn failed() -> Outcome {
    Outcome::Failed(Failure {
        seen: "no line".to_owned(),
        ..Failure::default()
    })
}

fn mutant(breaks: &[&str], may: &[ItemPattern]) -> Mutant {
    Mutant {
        id: "m".to_owned(),
        title: "t".to_owned(),
        edits: vec![edit("nginx.conf", "a", "b")],
        breaks: breaks.iter().map(|item| id(item)).collect(),
        may: may.to_vec(),
        beyond: Vec::new(),
        browser: false,
        cause: None,
    }
}

fn judged(mutant: &Mutant, sample: &Sample) -> Judged {
    judge(mutant, &fold(sample.events()).unwrap())
}

#[test]
fn a_mutant_is_caught_by_the_items_that_it_breaks_and_by_no_other() {
    let broken = mutant(&["3.1", "3.6"], &[ItemPattern::Item(id("1.4"))]);
    let both = || {
        Sample::default()
            .with("3.1", failed())
            .with("3.6", failed())
    };
    assert!(judged(&broken, &both()).caught());
    assert!(judged(&broken, &both().with("1.4", failed())).caught());
    let chosen: Vec<String> = Sample::default()
        .selected
        .iter()
        .filter(|item| **item != id("7.2"))
        .map(ItemId::to_string)
        .collect();
    let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
    let quick = judged(&broken, &both().only(&chosen));
    assert!(quick.caught());
    assert!(!quick.items.contains_key(&id("7.2")));

    let survived = judged(&broken, &Sample::default());
    assert!(survived.survived() && !survived.caught());
    assert_eq!(
        survived.complaints,
        ["3.1 must fail, and passed", "3.6 must fail, and passed"]
    );
    let half = judged(&broken, &Sample::default().with("3.1", failed()));
    assert!(!half.survived());
    assert_eq!(half.complaints, ["3.6 must fail, and passed"]);
    let other = judged(&broken, &both().with("4.1", failed()));
    assert_eq!(other.complaints, ["4.1 must pass, and failed: no line"]);
}

/// Only where items could not tell, and nothing speaks against the plan, is a second run asked for.
#[test]
fn a_mutant_is_unclear_where_items_could_not_tell_and_nothing_else_is_wrong() {
    let broken = mutant(&["3.1"], &[]);
    let untold = || Outcome::Inconclusive(Failure::default());
    let one = Sample::default().with("3.1", untold());
    assert!(judged(&broken, &one).unclear);
    let beside = Sample::default()
        .with("3.1", failed())
        .with("5.1", untold());
    assert!(judged(&broken, &beside).unclear);
    let caught = Sample::default().with("3.1", failed());
    assert!(!judged(&broken, &caught).unclear);
    let survived = Sample::default().with("5.1", untold());
    assert!(!judged(&broken, &survived).unclear, "3.1 passed");
    let blamed = Sample::default()
        .with("3.1", untold())
        .with("5.1", failed());
    assert!(!judged(&broken, &blamed).unclear, "5.1 failed");
}

#[test]
fn what_could_not_tell_did_not_notice() {
    let broken = mutant(&["3.1"], &[]);
    let untold = Outcome::Inconclusive(Failure::default());
    let found = judged(&broken, &Sample::default().with("3.1", untold));
    assert_eq!(found.complaints, ["3.1 must fail, and could not tell"]);
    assert!(found.survived());
    let end = RunEnd::Broken {
        reason: "the deadline".to_owned(),
    };
    let sample = Sample::default().with("3.1", failed()).ended(Some(end));
    assert_eq!(
        judged(&broken, &sample).complaints,
        ["the run broke off: the deadline"]
    );
    let extended = mutant(&["X.1"], &[]);
    assert_eq!(
        judged(&extended, &Sample::default()).complaints,
        ["X.1 must fail, and was not run"]
    );
}

/// What is compared with is as good as the plan says, and no better: a run that could not tell has
/// neither noticed a mutant nor missed it.
#[test]
fn a_plan_notices_where_an_item_fails_and_misses_where_all_that_ran_passed() {
    let told = |sample: Sample| noticed(&fold(sample.events()).unwrap());
    assert_eq!(told(Sample::default()), Ok(false));
    assert_eq!(told(Sample::default().only(&["1.1"])), Ok(false));
    assert_eq!(told(Sample::default().with("3.1", failed())), Ok(true));
    let untold = Outcome::Inconclusive(Failure {
        seen: "exit status: 127".to_owned(),
        ..Failure::default()
    });
    let unknown = told(Sample::default().with("3.1", untold));
    assert_eq!(
        unknown,
        Err("3.1 could not tell: exit status: 127".to_owned())
    );
    let killed = told(Sample::default().without_end("7.2").ended(None));
    assert_eq!(killed, Err("the run was killed".to_owned()));
}

fn matrix() -> Matrix {
    let broken = mutant(&["3.1", "3.6"], &[]);
    let both = Sample::default()
        .with("3.1", failed())
        .with("3.6", failed());
    let mut caught = judged(&broken, &both);
    caught.id = "caught".to_owned();
    caught.title = "a <b> | c".to_owned();
    caught.cause = Some("label".to_owned());
    caught.named = vec!["label".to_owned(), "other".to_owned()];
    caught.noticed_by_other = Some(false);
    let mut survived = judged(&broken, &Sample::default());
    survived.id = "survived".to_owned();
    survived.cause = Some("label".to_owned());
    survived.noticed_by_other = Some(true);
    let unmade = Judged::broken(
        &broken,
        "nginx.conf: `a` occurs 2 times, not once".to_owned(),
    );
    let mutants = vec![caught, survived, unmade];
    Matrix {
        schema_version: SCHEMA_VERSION,
        started_at: "2026-11-24T00:00:00+00:00".to_owned(),
        duration_ms: 1234.0,
        jobs: 2,
        candidate: FileRef {
            path: "nginx.conf".into(),
            sha256: "00".to_owned(),
        },
        compared_with: Some("The plan's commands".to_owned()),
        items: Sample::default().selected,
        score: Score::of(&mutants),
        mutants,
    }
}

#[test]
fn the_score_counts_each_mutant_once() {
    let matrix = matrix();
    assert_eq!(
        matrix.score,
        Score {
            mutants: 3,
            caught: 1,
            survived: 1,
            with_cause: 2,
            diagnosed: 1,
            missed_by_other: 1,
        }
    );
    assert_eq!(matrix.coverage()[&id("3.1")], 1);
    assert_eq!(matrix.coverage()[&id("4.1")], 0);
}

#[test]
fn what_a_person_sees_of_a_matrix() {
    insta::assert_snapshot!("matrix_table", render::mutation::table(&matrix()));
    insta::assert_snapshot!("matrix_markdown", render::mutation::markdown(&matrix()));
}
