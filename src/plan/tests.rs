//! Bundles in temporary folders: what is read, what is refused, what is chosen.

use std::{fs, path::Path};

use cucumber::gherkin::StepType;
use tempfile::TempDir;

use super::*;

const PLAN: &str = r#"title: { en: A plan, ja: 計画 }
version: "1.0"
phases:
  - no: 1
    title: { en: Basics, ja: 基本 }
    feature: one.feature
    items:
      - { id: "1.1", title: { en: First, ja: 一 }, priority: highest, planned_minutes: 1, checklist: required, why: &t { en: w, ja: w }, remedy: *t }
      - { id: "1.2", title: { en: Second, ja: 二 }, priority: high, planned_minutes: 1, checklist: required, why: *t, remedy: *t }
  - no: 2
    title: { en: More, ja: 他 }
    feature: two.feature
    items:
      - { id: "2.1", title: { en: Third, ja: 三 }, priority: medium, planned_minutes: 1, checklist: recommended, why: *t, remedy: *t }
"#;
const ONE: &str = "Feature: one
  Background:
    Given a gateway

  @phase-1 @item-1.1
  Scenario: first
    When it is asked
    Then it answers

  @phase-1 @item-1.2 @slow
  Scenario: second
    Then it answers
";
const TWO: &str = "@phase-2
Feature: two
  Rule: a rule
    @item-2.1
    Scenario: third
      Then it answers
";

struct Words;

impl Vocabulary for Words {
    fn count(&self, kind: StepType, text: &str) -> usize {
        match (kind, text) {
            (StepType::Given, "a gateway")
            | (StepType::When, "it is asked")
            | (StepType::Then, "it answers") => 1,
            (_, "twice defined") => 2,
            _ => 0,
        }
    }

    fn nearest(&self, _: StepType, text: &str) -> Option<String> {
        crate::yaml::suggest(text, ["it answers"]).map(str::to_owned)
    }

    fn codes(&self) -> Vec<&'static str> {
        vec!["answer.status"]
    }
}

pub(super) fn bundle(edit: impl Fn(&str, &str) -> String) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("plan.yaml", PLAN),
        ("one.feature", ONE),
        ("two.feature", TWO),
    ] {
        fs::write(dir.path().join(name), edit(name, text)).unwrap();
    }
    dir
}

pub(super) fn right() -> TempDir {
    bundle(|_, text| text.to_owned())
}

pub(super) fn loaded(dir: &Path) -> Result<Bundle, BundleError> {
    let bundle = Bundle::load(dir)?;
    bundle.check(&Words).map(|()| bundle)
}

/// The error when `from` is replaced by `to` in the file, without the folder's name.
pub(super) fn refused(file: &str, from: &str, to: &str) -> String {
    let dir = bundle(|name, text| {
        if name != file {
            return text.to_owned();
        }
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    });
    let error = loaded(dir.path()).unwrap_err().to_string();
    error.replace(&format!("{}/", dir.path().display()), "")
}

#[test]
fn a_right_bundle_is_loaded_whole() {
    let dir = right();
    let bundle = loaded(dir.path()).unwrap();
    assert_eq!(
        (bundle.title.ja.as_str(), bundle.version.as_str()),
        ("計画", "1.0")
    );
    assert_eq!(bundle.scenarios().count(), 3);
    let last = bundle.scenarios().last().unwrap();
    assert_eq!(
        last.tags,
        ["phase-2", "item-2.1"],
        "tags come down from the feature"
    );
    assert!(last.at().ends_with("two.feature:5"), "{}", last.at());
}

#[test]
fn every_item_has_one_scenario_and_every_scenario_one_item() {
    for (from, to, says) in [
        (
            " @item-1.1",
            "",
            "one.feature:6: no tag @item-PHASE.NUMBER: which",
        ),
        (
            " @item-1.1",
            "",
            "plan.yaml:8: item 1.1 has no scenario: write one with the tags @phase-1 @item-1.1 into one.feature",
        ),
        (
            "@item-1.1",
            "@itme-1.1",
            "one.feature:6: no tag @item-PHASE.NUMBER; is `@itme-1.1` meant",
        ),
        (
            "@item-1.1",
            "@item-1.1 @item-1.2",
            "one.feature:6: a scenario checks one item",
        ),
        (
            "@item-1.1",
            "@item-one",
            "one.feature:6: `@item-one` is no item",
        ),
        (
            "@item-1.1",
            "@item-1.7",
            "one.feature:6: plan.yaml has no item 1.7; did you mean @item-1.1?",
        ),
        ("@item-1.1", "@item-X.1", "plan.yaml has no item X.1"),
        (
            "@item-1.2",
            "@item-1.1",
            "one.feature:11: item 1.1 has a scenario already, at one.feature:6",
        ),
        (
            "@phase-1 @item-1.1",
            "@item-1.1",
            "one.feature:6: the tag @phase-1 is missing",
        ),
        (
            "@phase-1 @item-1.1",
            "@phase-2 @item-1.1",
            "item 1.1 is of phase 1, yet the scenario is tagged @phase-2",
        ),
        (
            "@phase-1 @item-1.1",
            "@phase-2 @item-2.1",
            "one.feature:6: item 2.1 belongs into two.feature",
        ),
    ] {
        let error = refused("one.feature", from, to);
        assert!(error.contains(says), "{to}: {error}");
    }
}

#[test]
fn every_step_has_one_definition() {
    for (from, to, says) in [
        (
            "Then it answers",
            "Then it answrs",
            "one.feature:8: undefined step `Then it answrs`; did you mean `it answers`?",
        ),
        (
            "it is asked",
            "the moon rises",
            "one.feature:7: undefined step `When the moon rises`; `verify steps` lists",
        ),
        (
            "Then it answers",
            "Then twice defined",
            "one.feature:8: ambiguous step: 2 definitions answer to",
        ),
        (
            "a gateway",
            "no gateway",
            "one.feature:3: undefined step `Given no gateway`",
        ),
    ] {
        let error = refused("one.feature", from, to);
        assert!(error.contains(says), "{to}: {error}");
    }
}

#[test]
fn nothing_is_passed_over_in_silence() {
    for (from, to, says) in [
        (
            "    When it is asked\n    Then it answers\n",
            "",
            "one.feature:6: the scenario has no steps",
        ),
        (
            "    Then it answers\n\n",
            "\n",
            "one.feature:6: the scenario has no Then step",
        ),
        (
            "    When it is asked",
            "    Whne it is asked",
            "`Whne it is asked` is no step, it would be passed over; did you mean `When`?",
        ),
        (
            "    Given a gateway",
            "    Givne a gateway",
            "`Givne a gateway` is no step",
        ),
        (
            "Scenario: first",
            "Scenario Outline: first",
            "an outline without a row of examples",
        ),
    ] {
        let error = refused("one.feature", from, to);
        assert!(error.contains(says), "{to}: {error}");
    }
    let dir = right();
    fs::write(dir.path().join("three.feature"), "Feature: three\n").unwrap();
    let error = loaded(dir.path()).unwrap_err().to_string();
    assert!(error.contains("three.feature:1: no phase"), "{error}");
}

#[test]
fn the_plan_by_itself_is_consistent() {
    for (from, to, says) in [
        ("\"1.2\"", "\"1.1\"", "plan.yaml:9: there are two items 1.1"),
        (
            "\"1.2\"",
            "\"3.2\"",
            "plan.yaml:9: item 3.2 stands in phase 1",
        ),
        (
            "priority: high,",
            "rests_on: [log, redis], priority: high,",
            "plan.yaml:9: item 1.2 rests only on what the candidate can write itself",
        ),
        ("no: 2", "no: 1", "there are two phases 1"),
        (
            "two.feature",
            "one.feature",
            "two phases name the feature file one.feature",
        ),
        (
            "two.feature",
            "tow.feature",
            "plan.yaml:12: there is no feature file tow.feature",
        ),
        (
            "two.feature",
            "../two.feature",
            "plan.yaml:12: the feature file `../two.feature` must be inside",
        ),
        ("priority: high,", "prio: high,", "plan.yaml:9:"),
    ] {
        let error = refused("plan.yaml", from, to);
        assert!(error.contains(says), "{to}: {error}");
    }
}

#[test]
fn what_is_not_gherkin_has_its_line() {
    let error = refused(
        "one.feature",
        "    Then it answers\n\n",
        "    Thn it answers\n\n",
    );
    assert!(
        error.contains("one.feature:8: not Gherkin: `Thn it answers`; did you mean `Then`?"),
        "{error}"
    );
    let error = refused("one.feature", "Feature: one", "Featur: one");
    assert!(
        error.contains("one.feature:1: not Gherkin: `Featur: one`; did you mean `Feature:`?"),
        "{error}"
    );
    let error = refused("two.feature", TWO, "");
    assert!(
        error.contains("two.feature:1: the file is empty"),
        "{error}"
    );
}

#[test]
fn all_problems_are_told_together() {
    let error = refused("one.feature", "Then it answers", "Then no\n    Then never");
    assert_eq!(error.matches("undefined step").count(), 2, "{error}");
    let missing = Bundle::load(Path::new("/nonexistent")).unwrap_err();
    assert!(matches!(missing, BundleError::NoBundle(_)));
}

pub(super) fn chosen(
    phases: &[&str],
    items: &[&str],
    tags: Option<&str>,
) -> Result<String, String> {
    let dir = right();
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let choice = Choice {
        phases: own(phases),
        items: own(items),
        tags: tags.map(str::to_owned),
    };
    let bundle = loaded(dir.path()).unwrap();
    let ids = bundle.select(&choice).map_err(|error| error.to_string())?;
    Ok(ids
        .iter()
        .map(ItemId::to_string)
        .collect::<Vec<_>>()
        .join(" "))
}

#[test]
fn the_choice_is_a_union_narrowed_by_tags_in_the_plans_order() {
    for (phases, items, tags, expected) in [
        (&[][..], &[][..], None, "1.1 1.2 2.1"),
        (&["2"], &["1.1"], None, "1.1 2.1"),
        (&["2", "1"], &[], None, "1.1 1.2 2.1"),
        (&[], &["2.1", "1.2", "2.1"], None, "1.2 2.1"),
        (&["1"], &[], Some("@slow"), "1.2"),
        (
            &[],
            &[],
            Some("@item-2.1 or (@phase-1 and not @slow)"),
            "1.1 2.1",
        ),
        (&[], &[], Some("not @never-used"), "1.1 1.2 2.1"),
    ] {
        assert_eq!(chosen(phases, items, tags).unwrap(), expected);
    }
}

#[test]
fn what_the_plan_does_not_have_is_refused_with_what_it_has() {
    for (phases, items, tags, says) in [
        (
            &["9"][..],
            &[][..],
            None,
            "--phase 9: the plan has the phases 1, 2",
        ),
        (
            &["one"],
            &[],
            None,
            "--phase one: the plan has the phases 1, 2",
        ),
        (&[], &["9.9"], None, "its items are 1.1, 1.2, 2.1"),
        (&[], &["1.3"], None, "did you mean 1.1?"),
        (
            &[],
            &[],
            Some("@item-2.2"),
            "no scenario has the tag @item-2.2; did you mean @item-1.2?",
        ),
        (
            &[],
            &[],
            Some("@xyz"),
            "there are @item-1.1, @item-1.2, @item-2.1, @phase-1, @phase-2, @slow",
        ),
        (
            &["2"],
            &[],
            Some("@slow"),
            "none of 2.1 has tags that fit `@slow`",
        ),
        (&[], &[], Some("@slow and"), "column 10"),
    ] {
        let error = chosen(phases, items, tags).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn extended_checks_stand_beside_the_phases() {
    let plan = format!(
        "{PLAN}extended:\n  title: {{en: More, ja: 追加}}\n  feature: more.feature\n  items:\n{}",
        PLAN.lines()
            .find(|line| line.contains("\"1.1\""))
            .unwrap()
            .replace("1.1", "X.4")
            + "\n"
    );
    let more = "Feature: more\n\n  @extended @item-X.4\n  Scenario: s\n    Then it answers\n";
    let with = |more: &str| {
        let dir = bundle(|name, text| match name {
            "plan.yaml" => plan.clone(),
            _ => text.to_owned(),
        });
        fs::write(dir.path().join("more.feature"), more).unwrap();
        let loaded = loaded(dir.path());
        (dir, loaded)
    };
    let (_dir, bundle) = with(more);
    let bundle = bundle.unwrap();
    let all = bundle.select(&Choice::default()).unwrap();
    assert_eq!(all.last().unwrap().to_string(), "X.4");
    let chosen = |phase: &str| {
        let phases = vec![phase.to_owned()];
        bundle
            .select(&Choice {
                phases,
                ..Choice::default()
            })
            .unwrap()
    };
    assert_eq!(chosen("X"), all[all.len() - 1..]);
    assert!(!chosen("1").contains(&all[all.len() - 1]));

    let (_dir, refused) = with(&more.replace("@extended", "@phase-1"));
    let error = refused.unwrap_err().to_string();
    assert!(
        error.contains("item X.4 is of phase X, yet the scenario is tagged @phase-1"),
        "{error}"
    );
    let (_dir, refused) = with(&more.replace("@extended ", ""));
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("the tag @extended is missing"), "{error}");
}

#[test]
fn rules_of_the_diagnosis_are_checked_with_the_bundle() {
    let rule = "- id: one\n  cause: &t {en: c, ja: c}\n  remedy: *t\n  when: [{items: [\"1.*\"], says: \"a+\"}]\n  explains: [all]\n";
    let with = |rules: &str| {
        let dir = right();
        fs::write(dir.path().join(DIAGNOSIS_FILE), rules).unwrap();
        let error = loaded(dir.path()).map(|bundle| bundle.rules.len());
        error.map_err(|error| {
            error
                .to_string()
                .replace(&format!("{}/", dir.path().display()), "")
        })
    };
    assert_eq!(with(rule), Ok(1));
    for (from, to, says) in [
        (
            "a+",
            "a(",
            "diagnosis.yaml:1: one: `a(` is no regular expression",
        ),
        (
            "1.*",
            "7.*",
            "diagnosis.yaml:1: one: the plan has no item 7.*",
        ),
        ("[all]", "[]", "explains nothing"),
        (
            "[{items: [\"1.*\"], says: \"a+\"}]",
            "[]",
            "it would always hold",
        ),
        (
            "says",
            "say",
            "diagnosis.yaml:4:27: unknown key `say`; did you mean `says`?",
        ),
    ] {
        assert!(rule.contains(from), "{from}");
        let error = with(&rule.replacen(from, to, 1)).unwrap_err();
        assert!(error.contains(says), "{to}: {error}");
    }
    let error = with(&format!("{rule}{rule}")).unwrap_err();
    assert!(
        error.contains("line 1 has a rule of the same id"),
        "{error}"
    );
}
