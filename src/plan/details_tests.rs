//! Bundles, tag expressions and texts, to the edge of what is accepted.

use std::{fs, path::Path};

use super::{
    gherkin_error::explain,
    tests::{bundle, chosen, loaded, refused, right},
    *,
};

#[test]
fn an_item_s_title_is_found_by_its_number_in_both_languages() {
    let dir = right();
    let bundle = loaded(dir.path()).unwrap();
    let title = |number: &str, lang| bundle.title_of(number.parse().unwrap(), lang);
    assert_eq!(title("1.2", Lang::En), Some("Second"));
    assert_eq!(title("2.1", Lang::Ja), Some("三"));
    assert_eq!(title("2.2", Lang::En), None);
}

#[test]
fn an_item_has_its_place_in_the_plan_and_an_unknown_one_the_whole_file() {
    let dir = right();
    let bundle = loaded(dir.path()).unwrap();
    let place = |number: &str| bundle.place_of(number.parse().unwrap());
    let file = dir.path().join(PLAN_FILE).display().to_string();
    assert_eq!(place("1.2"), format!("{file}:9"));
    assert_eq!(place("2.2"), file);
}

#[test]
fn a_put_back_baseline_is_proved_by_the_first_phase_unless_the_plan_says_otherwise() {
    let proof = |rollback_proof: &str| {
        let dir = bundle(|name, text| match name {
            "plan.yaml" => format!("{text}{rollback_proof}"),
            _ => text.to_owned(),
        });
        let loaded = loaded(dir.path()).map_err(|error| error.to_string())?;
        let ids = loaded.rollback_proof.iter().map(ItemId::to_string);
        Ok::<_, String>(ids.collect::<Vec<_>>())
    };
    assert_eq!(proof("").unwrap(), ["1.1", "1.2"]);
    assert_eq!(proof("rollback_proof: [\"2.1\"]\n").unwrap(), ["2.1"]);
    let error = proof("rollback_proof: [\"1.1\", \"1.9\"]\n").unwrap_err();
    assert!(
        error.contains("plan.yaml:1: rollback_proof: the plan has no item 1.9"),
        "{error}"
    );
    assert!(!error.contains("no item 1.1"), "{error}");
}

#[test]
fn a_plan_without_items_checks_nothing_and_is_refused() {
    let dir = bundle(|name, text| match name {
        "plan.yaml" => "title: A plan\nversion: \"1.0\"\nphases: []\n".to_owned(),
        _ => text.to_owned(),
    });
    let error = loaded(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("plan.yaml:1: the plan has no items"),
        "{error}"
    );
}

#[test]
fn a_feature_that_is_there_and_cannot_be_read_is_not_called_missing() {
    let dir = right();
    let path = dir.path().join("two.feature");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = loaded(dir.path()).unwrap_err().to_string();
    assert!(error.contains("plan.yaml:12: cannot read "), "{error}");
    assert!(!error.contains("there is no feature file"), "{error}");
}

#[test]
fn other_files_may_lie_beside_the_features() {
    let dir = right();
    fs::write(dir.path().join("README.md"), "# A plan\n").unwrap();
    assert!(loaded(dir.path()).is_ok());
}

#[test]
fn an_outline_that_checks_nothing_or_names_no_column_is_refused() {
    let examples = |table: &str| format!("    Then it answers\n\n    Examples:\n{table}\n");
    for (from, to, says) in [
        (
            "Scenario: first",
            "Scenario Template: first".to_owned(),
            "one.feature:6: an outline without a row of examples",
        ),
        (
            "    Then it answers\n\n",
            examples("      | a |\n"),
            "an outline without a row of examples",
        ),
    ] {
        let error = refused("one.feature", from, &to);
        assert!(error.contains(says), "{to}: {error}");
    }
}

#[test]
fn an_outline_is_a_scenario_for_each_row_of_its_examples() {
    let text = "Feature: f\n  Scenario Outline: of <a>\n    Then it answers <a>\n\n    \
                @item-1.1\n    Examples:\n      | a |\n      | x |\n\n    @item-1.2\n    \
                Examples:\n      | a |\n      | y |\n";
    let feature = parsed(text, "one.feature".into()).unwrap();
    let told = feature.scenarios.iter().map(|one| {
        let step = &one.steps[0];
        (
            &*one.name,
            &*step.value,
            one.tags.concat(),
            one.position.line,
        )
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("of x", "it answers x", "item-1.1".to_owned(), 8),
            ("of y", "it answers y", "item-1.2".to_owned(), 13),
        ]
    );
    let error = parsed(&text.replace("of <a>", "of <b>"), "one.feature".into()).unwrap_err();
    assert_eq!(error.text, "the examples have no column `b`");
    let many = format!("      | x |\n{}", "      | z |\n".repeat(3000));
    let error = parsed(&text.replace("      | x |\n", &many), "one.feature".into()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "one.feature:2: an outline that comes to more than 5000 steps"
    );
}

#[test]
fn the_background_of_a_rule_is_checked_too() {
    let error = refused(
        "two.feature",
        "  Rule: a rule\n",
        "  Rule: a rule\n    Background:\n      Given no gateway\n\n",
    );
    assert!(
        error.contains("two.feature:5: undefined step `Given no gateway`"),
        "{error}"
    );
}

/// Free text, comments, tags, tables and quotes, none of which is foreign to Gherkin.
const RIGHT: &str = r#"# a comment
@a-tag
Feature: a feature
  Thn, as a person writes it.

  # another comment
  @another-tag
  Scenario: a scenario
    Free text of a person
    Given a table
      | Thn | Whn |

    # a comment among steps
    When there is a quote
      """
      Thn nothing is said
      """
    * there is another
      ```
      Thn nothing is said
      ```
    Then all is well
"#;

#[test]
fn the_line_that_is_not_gherkin_is_found_behind_all_that_may_stand_before_it() {
    let (line, what) = explain(
        &format!("{RIGHT}    Thn it ends\n"),
        "Error at 3:1: expected x",
    );
    assert_eq!(
        (line, what.as_str()),
        (23, "not Gherkin: `Thn it ends`; did you mean `Then`?")
    );
    let (line, what) = explain("Featur: a\n", "nothing that has a place");
    assert_eq!(
        (line, what.as_str()),
        (1, "not Gherkin: `Featur: a`; did you mean `Feature:`?")
    );
}

#[test]
fn where_every_line_is_known_the_parser_s_place_counts() {
    for (error, place, seen) in [
        ("Error at 11:7: expected a cell", 11, "`| Thn | Whn |`"),
        ("Error at 8:3: expected x", 8, "`Scenario: a scenario`"),
        ("something else", 1, "`# a comment`"),
    ] {
        let (line, what) = explain(RIGHT, error);
        assert_eq!(line, place, "{error}");
        assert!(what.contains(seen), "{what}");
        assert!(!what.contains("did you mean"), "{what}");
    }
    let (line, what) = explain(RIGHT, "Error at 5:1: expected x");
    assert_eq!(line, 5);
    assert!(
        what.starts_with("not Gherkin: something is missing here"),
        "{what}"
    );
}

#[test]
fn a_text_that_is_neither_one_nor_two_texts_is_told_what_it_must_be() {
    let error = serde_json::from_str::<Text>("7").unwrap_err().to_string();
    assert!(
        error.contains("expected a text, or one in each language: {en: …, ja: …}"),
        "{error}"
    );
}

#[test]
fn item_numbers_and_patterns_are_texts_in_a_file() {
    let json = r#"["3.4","X.12"]"#;
    let ids: Vec<ItemId> = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&ids).unwrap(), json);
    assert!(serde_json::from_str::<ItemId>(r#""3""#).is_err());
    let json = r#"["all","3.*","X.*","3.4"]"#;
    let patterns: Vec<ItemPattern> = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&patterns).unwrap(), json);
    assert!(serde_json::from_str::<ItemPattern>(r#""3""#).is_err());
}

#[test]
fn one_phase_is_chosen_alone() {
    assert_eq!(chosen(&["2"], &[], None).unwrap(), "2.1");
    assert_eq!(chosen(&[" 1 "], &[], None).unwrap(), "1.1 1.2");
    assert_eq!(chosen(&[], &[" 2.1 "], None).unwrap(), "2.1");
}

#[test]
fn a_sign_against_a_cause_must_be_a_pattern_too() {
    let dir = right();
    let rule = "- id: one\n  cause: c\n  remedy: r\n  when: [{says: a}]\n  \
                unless: [{items: [\"1.7\"], evidence: \"(\"}]\n  explains: [\"2.*\"]\n";
    fs::write(dir.path().join(DIAGNOSIS_FILE), rule).unwrap();
    let error = loaded(dir.path()).unwrap_err().to_string();
    assert!(error.contains("`(` is no regular expression"), "{error}");
    assert!(error.contains("the plan has no item 1.7"), "{error}");
    assert!(!error.contains("no item 2.*"), "{error}");
}

/// Rewording what a failure says must not break the diagnosis.
#[test]
fn the_shipped_rules_read_codes_and_facts_and_no_prose() {
    let bundle = Bundle::load(Path::new("features")).unwrap();
    assert!(!bundle.rules.is_empty());
    for rule in &bundle.rules {
        for sign in rule.when.iter().chain(&rule.unless).flat_map(Sign::each) {
            assert_eq!((&sign.says, &sign.evidence), (&None, &None), "{}", rule.id);
        }
    }
}

#[test]
fn an_error_in_a_tag_expression_shows_the_place() {
    let error = "@a or 項 and".parse::<TagExpr>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "not a tag expression, column 7: a tag starts with `@`, for example @item-3.4\n    \
         @a or 項 and\n          ^"
    );
    let error = "@a or and @b".parse::<TagExpr>().unwrap_err().to_string();
    assert!(error.contains("column 7: a tag like"), "{error}");
}

#[test]
fn a_tag_is_wanted_unless_it_is_under_an_odd_number_of_nots() {
    let wanted = |text: &str| {
        let expression: TagExpr = text.parse().unwrap();
        expression.wanted().join(" ")
    };
    assert_eq!(wanted("@a and not @b or @c"), "a c");
    assert_eq!(wanted("not (@a or not (@b and @c))"), "b c");
    assert_eq!(wanted("not @a"), "");
}

#[test]
fn expressions_of_251_tags_are_read_and_longer_ones_refused() {
    let tags = |count: usize| vec!["@a"; count].join(" or ");
    assert!(tags(251).parse::<TagExpr>().is_ok());
    let error = tags(252).parse::<TagExpr>().unwrap_err().to_string();
    assert!(error.contains("the expression is too long"), "{error}");
    let nots = "not ".repeat(501) + "@a";
    assert!(nots.parse::<TagExpr>().is_err());
}

#[test]
fn a_backslash_takes_the_meaning_from_what_follows_it() {
    for (text, tag) in [
        (r"@a\ b", "a b"),
        (r"@a\\b", r"a\b"),
        (r"@a\", r"a\"),
        (r"@\(", "("),
    ] {
        let expected = TagExpr::Tag(tag.to_owned());
        assert_eq!(text.parse::<TagExpr>(), Ok(expected), "{text}");
    }
}
