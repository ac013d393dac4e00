//! The JSON Schemas that the book holds: as `verify schema` prints them, and true of the files
//! that the project ships. `UPDATE_DOCS=1` writes them.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;
use verify::schema::Document;

use super::pages::BOOK;
use crate::support::{root, verify};

fn committed(document: Document) -> PathBuf {
    root()
        .join(BOOK)
        .join(format!("schema/{}.json", document.name()))
}

#[test]
fn the_schemas_are_what_verify_prints() {
    for document in Document::ALL {
        let printed = verify(["schema", document.name()]).ends();
        printed.exits(0);
        let path = committed(document);
        if env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, &printed.stdout).expect("a schema can be written");
        }
        let held = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            held == printed.stdout,
            "{} is older than the code: UPDATE_DOCS=1 cargo test docs:: writes it",
            path.display()
        );
    }
}

struct Held {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Held {
    fn of(document: Document) -> Self {
        let text = fs::read_to_string(committed(document)).expect("a schema");
        let schema: Value = serde_json::from_str(&text).expect("a schema is JSON");
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler
            .add_resource("held.json", schema)
            .expect("a schema");
        let index = compiler
            .compile("held.json", &mut schemas)
            .expect("a schema");
        Self { schemas, index }
    }

    #[track_caller]
    fn accepts(&self, path: &Path) {
        let value = read(path);
        if let Err(error) = self.schemas.validate(&value, self.index) {
            panic!("{}: {error:#}", path.display());
        }
    }

    #[track_caller]
    fn refuses(&self, value: &Value) {
        assert!(self.schemas.validate(value, self.index).is_err());
    }
}

/// A JSON or YAML file.
fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("a file of the project");
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("json") => serde_json::from_str(&text).expect("JSON"),
        _ => serde_saphyr::from_str(&text).expect("YAML"),
    }
}

/// Every file with this ending in a folder of the project, and in the folders of that.
fn files(folder: &str, name: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the project") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .file_name()
                .and_then(|it| it.to_str())
                .is_some_and(&name)
            {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn the_reports_of_the_example_are_what_the_schema_says() {
    let held = Held::of(Document::Report);
    let reports = files("reports/example", |name| name == "report.json");
    assert!(!reports.is_empty());
    for report in &reports {
        held.accepts(report);
    }
    let mut wrong = read(&reports[0]);
    wrong["verdict"] = "perhaps".into();
    held.refuses(&wrong);
    let mut wrong = read(&reports[0]);
    wrong["items"][0]
        .as_object_mut()
        .expect("an item")
        .remove("status");
    held.refuses(&wrong);
}

#[test]
fn the_shipped_plans_are_what_the_schema_says() {
    let held = Held::of(Document::Plan);
    let mut plans = files("features", |name| name == "plan.yaml");
    plans.extend(files("examples", |name| name == "plan.yaml"));
    assert!(plans.len() > 1);
    for plan in &plans {
        held.accepts(plan);
    }
    let mut wrong = read(&plans[0]);
    wrong["phases"][0]["items"][0]["checklist"] = "maybe".into();
    held.refuses(&wrong);
}

#[test]
fn the_shipped_profiles_are_what_the_schema_says() {
    let held = Held::of(Document::Profile);
    let mut profiles = files("fixtures/profiles", |name| name.ends_with(".yaml"));
    profiles.extend(files("examples", |name| name == "profile.yaml"));
    assert!(profiles.len() > 2);
    for profile in &profiles {
        held.accepts(profile);
    }
    let mut wrong = read(&profiles[0]);
    wrong["paths"] = "/".into();
    held.refuses(&wrong);
}

#[test]
fn the_shipped_rules_and_mutants_are_what_the_schemas_say() {
    let rules = Held::of(Document::Diagnosis);
    rules.accepts(&root().join("features/diagnosis.yaml"));
    rules.refuses(&serde_json::json!([{ "id": "a-rule" }]));
    let mutants = Held::of(Document::Mutants);
    let catalogues = files("fixtures/mutants", |name| name.ends_with(".yaml"));
    assert!(!catalogues.is_empty());
    for catalogue in catalogues {
        mutants.accepts(&catalogue);
    }
    mutants.refuses(&serde_json::json!([{ "id": "a-mutant", "title": "no edit" }]));
}
