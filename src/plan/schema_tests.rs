//! The schemas of a plan's words accept what is read, and nothing else.

use boon::{Compiler, Schemas};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{ItemId, ItemPattern, PlanFile, Rule, Text};

fn schema<T: JsonSchema>(settings: SchemaSettings) -> Value {
    SchemaGenerator::new(settings)
        .into_root_schema_for::<T>()
        .to_value()
}

fn read<T: JsonSchema>() -> Value {
    schema::<T>(SchemaSettings::draft2020_12())
}

fn accepts(schema: Value, value: &Value) -> bool {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("schema.json", schema).unwrap();
    let place = compiler.compile("schema.json", &mut schemas).unwrap();
    schemas.validate(value, place).is_ok()
}

/// Whether the values are of this type, for the schema and for the reader alike.
fn agree<T: JsonSchema + DeserializeOwned>(values: &[Value], right: bool) {
    for value in values {
        assert_eq!(accepts(read::<T>(), value), right, "schema: {value}");
        let reads = serde_json::from_value::<T>(value.clone()).is_ok();
        assert_eq!(reads, right, "reader: {value}");
    }
}

#[test]
fn an_item_s_number_is_described_as_it_is_read() {
    let right = ["1.1", "3.4", "12.10", "X.2"].map(|text| json!(text));
    agree::<ItemId>(&right, true);
    let wrong = ["", "3", "3.", ".4", "0.1", "x.1", "a.b", "3.4.5", "3.*"].map(|text| json!(text));
    agree::<ItemId>(&wrong, false);
    agree::<ItemId>(&[json!(3.4), json!(null), json!(["3.4"])], false);
}

#[test]
fn a_pattern_of_items_is_described_as_it_is_read() {
    let right = ["all", "3.*", "X.*", "3.4", "X.12"].map(|text| json!(text));
    agree::<ItemPattern>(&right, true);
    let wrong = ["", "three", "*.3", "3*", "Y.*", "all.*"].map(|text| json!(text));
    agree::<ItemPattern>(&wrong, false);
    agree::<ItemPattern>(&[json!(3), json!(["all"])], false);
}

#[test]
fn a_text_is_described_as_it_is_read_and_written() {
    agree::<Text>(&[json!("a"), json!({"en": "a", "ja": "b"})], true);
    let wrong = [
        json!(7),
        json!({"en": "a"}),
        json!({"en": "a", "ja": "b", "de": "c"}),
        json!({"en": "a", "ja": 7}),
    ];
    agree::<Text>(&wrong, false);
    let written = schema::<Text>(SchemaSettings::draft2020_12().for_serialize());
    assert!(
        !accepts(written.clone(), &json!("a")),
        "a text is written in both languages"
    );
    let both = serde_json::to_value(Text::default()).unwrap();
    assert!(accepts(written, &both));
}

#[test]
fn a_definition_is_called_what_its_type_is_called() {
    for (schema, names) in [
        (read::<PlanFile>(), &["ItemId", "Text"][..]),
        (read::<Vec<Rule>>(), &["ItemPattern", "Text"]),
    ] {
        for name in names {
            assert!(schema["$defs"][name].is_object(), "{name}: {schema:#}");
        }
    }
}
