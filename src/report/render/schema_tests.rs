//! The formats for programs against their schemas, which tests/schemas keeps.

use std::collections::{BTreeMap, BTreeSet};

use boon::{Compiler, Schemas};
use regex::Regex;
use serde_json::Value;

use super::{
    format_tests::{evil, render, saved},
    xml_tests::Node,
    *,
};
use crate::report::{RunReport, samples};

fn all() -> Vec<RunReport> {
    let mut all = saved().map(|(_, report)| report).to_vec();
    all.extend([samples::inconclusive(), samples::partial(), evil()]);
    all
}

/// The schema in a file, and the resources that it brings along in `$defs`.
fn schema(text: &str) -> (Schemas, boon::SchemaIndex) {
    let mut schemas = Schemas::new();
    let mut compiler = Compiler::new();
    let schema = serde_json::from_str(text).unwrap();
    compiler
        .add_resource("https://verify.test/schema.json", schema)
        .unwrap();
    let index = compiler
        .compile("https://verify.test/schema.json", &mut schemas)
        .unwrap();
    (schemas, index)
}

#[test]
fn ctrf_is_what_its_schema_asks_for() {
    let (schemas, index) = schema(include_str!("../../../tests/schemas/ctrf-schema-0.0.json"));
    for report in all() {
        let value: Value = serde_json::from_str(&render(Format::Ctrf, &report)).unwrap();
        schemas
            .validate(&value, index)
            .unwrap_or_else(|error| panic!("{error}"));
        let summary = &value["results"]["summary"];
        let counts = ["passed", "failed", "skipped", "pending", "other"];
        let sum: u64 = counts
            .iter()
            .map(|name| summary[name].as_u64().unwrap())
            .sum();
        assert_eq!(summary["tests"].as_u64(), Some(sum));
        let mut wrong = value.clone();
        wrong["results"]["tests"][0]["status"] = "inconclusive".into();
        assert!(
            schemas.validate(&wrong, index).is_err(),
            "the schema notices"
        );
    }
}

#[test]
fn cucumber_messages_are_what_their_schema_asks_for() {
    let (schemas, index) = schema(include_str!(
        "../../../tests/schemas/cucumber-messages.json"
    ));
    for report in all() {
        let text = render(Format::CucumberMessages, &report);
        let (mut known, mut used) = (BTreeSet::new(), BTreeSet::new());
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            schemas
                .validate(&value, index)
                .unwrap_or_else(|error| panic!("{error}"));
            ids(&value, &mut known, &mut used);
        }
        let nowhere: Vec<_> = used.difference(&known).collect();
        assert_eq!(nowhere, [&""; 0], "ids that nothing has");
        let wrong = serde_json::json!({"testRunFinished": {"success": "yes"}});
        assert!(
            schemas.validate(&wrong, index).is_err(),
            "the schema notices"
        );
    }
}

/// The ids that are given, and those that are referred to.
fn ids(value: &Value, known: &mut BTreeSet<String>, used: &mut BTreeSet<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| ids(value, known, used)),
        Value::Object(map) => {
            for (key, value) in map {
                let list = value.as_array().cloned().unwrap_or(vec![value.clone()]);
                for id in list.iter().filter_map(Value::as_str) {
                    match key.as_str() {
                        "id" => known.insert(id.to_owned()),
                        "stepDefinitionIds" => false,
                        _ if key.ends_with("Id") || key.ends_with("Ids") => {
                            used.insert(id.to_owned())
                        }
                        _ => false,
                    };
                }
                ids(value, known, used);
            }
        }
        _ => {}
    }
}

// ------------------------------------------------------------------------ XML

/// The rules of Jenkins' schema. Every order of children is right in it, so names are all there
/// is to check, but for the shape of a suite's `time`.
struct Xsd(BTreeMap<String, Node>);

impl Xsd {
    fn load() -> Self {
        let schema = Node::parse(include_str!("../../../tests/schemas/junit-10.xsd"));
        let elements = schema
            .children
            .into_iter()
            .filter(|node| node.name == "xs:element");
        Self(
            elements
                .map(|node| (node.attribute("name").unwrap().to_owned(), node))
                .collect(),
        )
    }

    /// What is wrong with an element and what is in it.
    fn complaints(&self, node: &Node) -> Vec<String> {
        let Some(rule) = self.0.get(&node.name) else {
            return vec![format!("no element {}", node.name)];
        };
        let mut wrong = Vec::new();
        let within = rule.all();
        let declared = |kind: &str, key: &str| -> BTreeMap<&str, &Node> {
            let nodes = within.iter().filter(|node| node.name == kind);
            nodes
                .filter_map(|node| Some((node.attribute(key)?, *node)))
                .collect()
        };
        let known = declared("xs:attribute", "name");
        for (name, value) in &node.attributes {
            match known
                .get(name.as_str())
                .map(|known| known.attribute("type"))
            {
                None => wrong.push(format!("{} {name}=", node.name)),
                Some(Some("SUREFIRE_TIME")) if !is_time(value) => wrong.push(value.clone()),
                Some(_) => {}
            }
        }
        let required = known
            .values()
            .filter(|known| known.attribute("use") == Some("required"));
        for name in required.filter_map(|known| known.attribute("name")) {
            if node.attribute(name).is_none() {
                wrong.push(format!("{} without {name}", node.name));
            }
        }
        let mixed = within.iter().any(|node| node.attribute("mixed").is_some());
        if !node.text.trim().is_empty() && !mixed && rule.attribute("type") != Some("xs:string") {
            wrong.push(format!("text in {}", node.name));
        }
        let children = declared("xs:element", "ref");
        for child in &node.children {
            if !children.contains_key(child.name.as_str()) {
                wrong.push(format!("{} in {}", child.name, node.name));
            }
            wrong.extend(self.complaints(child));
        }
        wrong
    }
}

/// The pattern of the schema's SUREFIRE_TIME.
fn is_time(text: &str) -> bool {
    let pattern = r"^(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?$";
    Regex::new(pattern).unwrap().is_match(text)
}

#[test]
fn junit_is_what_jenkins_schema_asks_for() {
    let xsd = Xsd::load();
    for report in all() {
        let xml = render(Format::Junit, &report);
        let document = Node::parse(&xml);
        assert_eq!(xsd.complaints(&document), [""; 0]);
        for suite in &document.children {
            let cases = suite.children.iter().filter(|node| node.name == "testcase");
            let with = |name: &str| {
                let has = |case: &&Node| case.children.iter().any(|child| child.name == name);
                cases.clone().filter(has).count().to_string()
            };
            assert_eq!(
                suite.attribute("tests"),
                Some(&*cases.clone().count().to_string())
            );
            for (count, element) in [
                ("failures", "failure"),
                ("errors", "error"),
                ("skipped", "skipped"),
            ] {
                assert_eq!(suite.attribute(count), Some(&*with(element)), "{count}");
            }
        }
    }
    for wrong in [
        "<testsuites disabled='1'/>",
        "<testsuites time='1:02'/>",
        "<testsuites><testsuite name='a'/></testsuites>",
        "<testsuites>text</testsuites>",
        "<testsuites><testcase name='a'/></testsuites>",
        "<report/>",
    ] {
        assert_ne!(xsd.complaints(&Node::parse(wrong)), [""; 0], "{wrong}");
    }
}
