//! A file's fields, from its JSON Schema.

use serde_json::Value;
use verify::schema::{self, Document};

use super::{super::pages::anchor, table};

/// Every object of a document with its fields, and every word that a field can be.
pub fn fields(document: Document) -> String {
    let schema = schema::of(document);
    let mut text = object(&schema);
    let parts = schema["$defs"].as_object().into_iter().flatten();
    for (name, part) in parts {
        text.push_str(&format!("\n### {name}\n\n{}\n", described(part)));
        text.push_str(&match (part["properties"].is_object(), words(part)) {
            (true, _) => object(part),
            (false, Some(words)) => words,
            (false, None) => format!("{}\n", kind(part)),
        });
    }
    text
}

/// The fields of an object, or of the objects of a list.
fn object(schema: &Value) -> String {
    let Some(properties) = schema["properties"].as_object() else {
        return format!("The file is a {}.\n", kind(schema));
    };
    let required = |name: &str| {
        let required = schema["required"].as_array();
        required.is_some_and(|names| names.iter().any(|one| one == name))
    };
    let rows = properties.iter().map(|(name, field)| {
        let mut what = described(field);
        match &field["default"] {
            Value::Null => {}
            default if default.to_string().len() < 60 => {
                what.push_str(&format!(" Default: `{default}`."));
            }
            _ => what.push_str(" It has a default."),
        }
        let must = if required(name) { "yes" } else { "" };
        [format!("`{name}`"), kind(field), must.to_owned(), what]
    });
    table(["field", "type", "required", "what it is"], rows)
}

/// Its description, without the links and the words of Rust's documentation.
fn described(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    let text = text
        .replace("[`None`]", "`null`")
        .replace("`None`", "`null`");
    text.replace("[`", "`")
        .replace("`]", "`")
        .replace('\n', " ")
}

/// The words that a value is one of.
fn words(schema: &Value) -> Option<String> {
    let rows: Vec<[String; 2]> = schema["oneOf"]
        .as_array()?
        .iter()
        .map(|one| {
            let word = one["const"].as_str().map(|word| format!("`{word}`"));
            [word.unwrap_or_else(|| kind(one)), described(one)]
        })
        .collect();
    Some(table(["value", "meaning"], rows))
}

/// The type of a value, for a person.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next()) {
        return format!("[{name}](#{})", anchor(name));
    }
    for choices in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[choices].as_array() {
            let kinds: Vec<String> = choices.iter().map(kind).collect();
            return kinds.join(" or ");
        }
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(name) if name == "object" => match &schema["additionalProperties"] {
            of @ Value::Object(_) => format!("map to {}", kind(of)),
            _ => "map".to_owned(),
        },
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            names.join(" or ")
        }
        _ => match schema["const"].as_str() {
            Some(word) => format!("`{word}`"),
            None => "anything".to_owned(),
        },
    }
}
