//! A small plan in a temporary folder, and what must hold for the shipped one.

use std::{collections::BTreeSet, fs, path::Path};

use insta::assert_snapshot;
use tempfile::TempDir;

use super::*;
use crate::{
    mutation::{Catalogue, Mutant},
    plan::{Bundle, ItemId, Lang, Rule},
    report::render::{Style, text::columns},
};

const PLAN: &str = r#"title: { en: A plan, ja: 計画 }
version: "1.0"
phases:
  - no: 1
    title: { en: Pages, ja: ページ }
    feature: pages.feature
    items:
      - id: "1.1"
        title: { en: The home page, ja: トップページ }
        done: { en: Home page answers, ja: トップページ応答確認 }
        priority: highest
        planned_minutes: 2
        checklist: required
        why: { en: "Everybody comes in here, and whoever sees an error page does not come again.", ja: 利用者が最初に開くページです。エラーが表示されると、二度と来てもらえません。 }
        control: { en: A page that is not there is answered with 404 by the same reader., ja: 存在しないページが 404 になることを、同じ方法で確認します。 }
        trap: { en: An error page can be 200., ja: エラーページも 200 を返すことがあります。 }
        remedy:
          en: |
            Look at the log:

                tail -n 50 /var/log/nginx/error.log
          ja: |
            ログを確認します：

                tail -n 50 /var/log/nginx/error.log
      - { id: "1.2", title: { en: The old address, ja: 旧アドレス }, priority: medium, planned_minutes: 1, checklist: unlisted, why: &t { en: w, ja: w }, remedy: *t }
extended:
  title: { en: Extended checks, ja: 追加検証 }
  feature: more.feature
  items:
    - { id: "X.1", title: { en: A crowd, ja: 多数の同時アクセス }, priority: high, planned_minutes: 1, checklist: unlisted, why: *t, remedy: *t }
"#;
const PAGES: &str = "@phase-1
Feature: Pages
  Background:
    Given the candidate runs

  @item-1.1
  Scenario: The home page answers
    When the home page is asked for, in a way that takes a whole line to say
    Then it answers with 200

  @item-1.1
  Scenario: The home page answers again
    Then it answers with 200

  @item-1.2
  Scenario: The old address leads there
    Then it answers with 301
";
const MORE: &str = "@extended
Feature: More
  @item-X.1
  Scenario: A crowd
    Then it answers with 200
";
const RULES: &str = r#"
- { id: page-lost, cause: { en: the page is not where it was, ja: ページが元の場所にありません }, remedy: &t { en: r, ja: r }, when: [{ items: ["1.1"] }], explains: ["1.*"] }
- { id: all-down, cause: { en: nothing answers, ja: 何も応答しません }, remedy: *t, when: [{ says: refused }], explains: [all] }
- { id: elsewhere, cause: { en: c, ja: c }, remedy: *t, when: [{ items: ["X.1"] }], explains: ["X.*"] }
"#;
const MUTANTS: &str = r#"
- { id: home-500, title: the home page answers 500, edits: &e [{ file: nginx.conf, find: a, replace: b }], breaks: ["1.1"] }
- { id: home-moved, title: the home page is somewhere else, edits: *e, breaks: ["1.2"], may: ["1.1"] }
- { id: no-start, title: nothing starts, edits: *e, breaks: ["X.1"], may: [all] }
"#;

struct Made {
    _dir: TempDir,
    bundle: Bundle,
    catalogue: Catalogue,
}

fn made() -> Made {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("plan.yaml", PLAN);
    write("pages.feature", PAGES);
    write("more.feature", MORE);
    write("diagnosis.yaml", RULES);
    write("mutants.yaml", MUTANTS);
    let bundle = Bundle::load(dir.path()).unwrap();
    let known: BTreeSet<ItemId> = bundle.items().collect();
    let catalogue = Catalogue::load(&dir.path().join("mutants.yaml"), &known).unwrap();
    Made {
        _dir: dir,
        bundle,
        catalogue,
    }
}

fn id(text: &str) -> ItemId {
    text.parse().unwrap()
}

fn style(lang: Lang, width: usize) -> Style {
    Style {
        lang,
        color: false,
        width,
    }
}

/// As it is told, the plan's folder named `plan`.
fn told(made: &Made, item: &str, lang: Lang, width: usize) -> String {
    let mut explained = explain(&made.bundle, Some(&made.catalogue), id(item)).unwrap();
    let short = |at: &str| {
        let file = Path::new(at).file_name().unwrap();
        format!("plan/{}", file.to_string_lossy())
    };
    explained.at = short(&explained.at);
    for scenario in &mut explained.scenarios {
        scenario.at = short(&scenario.at);
    }
    text(&explained, style(lang, width))
}

#[test]
fn what_a_person_reads_about_an_item() {
    let made = made();
    for (name, lang) in [("en", Lang::En), ("ja", Lang::Ja)] {
        for width in [80, 40] {
            assert_snapshot!(
                format!("item_{name}_{width}"),
                told(&made, "1.1", lang, width)
            );
        }
    }
    assert_snapshot!("extended_check_en_80", told(&made, "X.1", Lang::En, 80));
}

#[test]
fn a_plan_without_mutants_says_so() {
    let made = made();
    let explained = explain(&made.bundle, None, id("1.2")).unwrap();
    assert!(text(&explained, style(Lang::En, 120)).contains("--mutants PATH"));
    let nothing = Catalogue {
        mutants: Vec::new(),
    };
    let explained = explain(&made.bundle, Some(&nothing), id("1.2")).unwrap();
    assert!(text(&explained, style(Lang::En, 120)).contains("no mutant shows"));
}

#[test]
fn mutants_and_rules_are_told_apart_by_how_they_concern_an_item() {
    let made = made();
    let explained = explain(&made.bundle, Some(&made.catalogue), id("1.1")).unwrap();
    let mutants = explained.mutants.unwrap();
    let ids = |of: &[&Mutant]| of.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&mutants.must), ["home-500"]);
    assert_eq!(ids(&mutants.may), ["home-moved"]);
    assert_eq!(ids(&mutants.along), ["no-start"]);
    let ids = |of: &[&Rule]| of.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&explained.causes.shown), ["page-lost"]);
    assert_eq!(ids(&explained.causes.others), ["all-down"]);
    assert_eq!(explained.scenarios.len(), 2);
    assert_eq!(
        explained.scenarios[0].steps.len(),
        3,
        "with the background's"
    );
}

#[test]
fn an_item_that_is_not_there_has_neighbours() {
    let made = made();
    let near = |typed: &str| -> Vec<String> {
        nearest(&made.bundle, typed)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(near("1.7"), ["1.1", "1.2"]);
    assert_eq!(near("x.1"), ["X.1"]);
    assert_eq!(near("HOME"), ["1.1"]);
    assert_eq!(near("旧アドレス"), ["1.2"]);
    assert_eq!(near("11"), ["1.1"]);
    assert_eq!(near("nothing of the kind"), Vec::<String>::new());
    assert!(explain(&made.bundle, None, id("9.9")).is_none());
}

/// The texts that only a person can judge are there, in both languages, and are not one text.
#[test]
fn every_item_of_the_shipped_plan_says_its_control_and_its_trap() {
    let bundle = Bundle::load(Path::new("features")).unwrap();
    let mut traps = BTreeSet::new();
    for item in bundle.phases.iter().flat_map(|phase| &phase.items) {
        let (Some(control), Some(trap)) = (&item.control, &item.trap) else {
            panic!("{} has no control or no trap", item.id);
        };
        for text in [control, trap] {
            assert!(
                text.en.len() > 40 && text.en.ends_with('.'),
                "{}: {}",
                item.id,
                text.en
            );
            assert!(
                text.ja.ends_with('。') && text.ja != text.en,
                "{}: {}",
                item.id,
                text.ja
            );
        }
        assert!(
            traps.insert(&trap.en),
            "{} has the trap of another item",
            item.id
        );
    }
    assert!(!traps.is_empty());
}

#[test]
fn every_item_of_the_shipped_plan_can_be_explained_within_the_width() {
    let bundle = Bundle::load(Path::new("features")).unwrap();
    let known: BTreeSet<ItemId> = bundle.items().collect();
    let catalogue = Catalogue::load(Path::new("fixtures/mutants"), &known).unwrap();
    for item in bundle.items() {
        let explained = explain(&bundle, Some(&catalogue), item).unwrap();
        assert!(!explained.scenarios.is_empty(), "{item}");
        for (lang, width) in [(Lang::En, 80), (Lang::Ja, 40)] {
            for line in text(&explained, style(lang, width)).lines() {
                // Commands are left whole, so that they can be copied.
                let command = line.starts_with("      ");
                assert!(columns(line) <= width || command, "{item}: {line}");
            }
        }
    }
}
