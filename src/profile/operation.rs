//! An operation of the admin API as data: what is sent, and where the answer has what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What placeholders are filled with.
pub type Values = BTreeMap<String, Value>;

/// One operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The HTTP method.
    pub method: String,
    /// The path; placeholders are filled in.
    pub path: String,
    /// Whether only an admin may ask for it.
    #[serde(default = "yes")]
    pub admin: bool,
    /// The JSON body; placeholders are filled in.
    #[serde(default)]
    pub body: Option<Value>,
    /// The status of success.
    #[serde(default = "ok")]
    pub status: u16,
    /// Where the answer has what, JSON pointers by name.
    #[serde(default)]
    pub answer: BTreeMap<String, String>,
    /// Where the answer has a list, a JSON pointer.
    #[serde(default)]
    pub list: Option<String>,
    /// Where an entry of the list has what, JSON pointers by name.
    #[serde(default)]
    pub entry: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

fn ok() -> u16 {
    200
}

/// Fills `{name}` placeholders of a text. One that has no value stays as it is.
#[must_use]
pub fn fill(text: &str, values: &Values) -> String {
    values
        .iter()
        .fold(text.to_owned(), |filled, (name, value)| {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            filled.replace(&format!("{{{name}}}"), &value)
        })
}

impl Operation {
    /// The body with its placeholders filled in. A text that is nothing but a placeholder
    /// takes the value's own type: a number stays a number.
    #[must_use]
    pub fn body(&self, values: &Values) -> Option<Value> {
        self.body.as_ref().map(|body| fill_value(body, values))
    }
}

/// [`fill`] for every text within a JSON value.
#[must_use]
pub fn fill_value(value: &Value, values: &Values) -> Value {
    match value {
        Value::String(text) => text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
            .and_then(|name| values.get(name).cloned())
            .unwrap_or_else(|| Value::String(fill(text, values))),
        Value::Array(all) => all.iter().map(|value| fill_value(value, values)).collect(),
        Value::Object(all) => all
            .iter()
            .map(|(key, value)| (key.clone(), fill_value(value, values)))
            .collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_stays_a_number_and_a_text_may_hold_several() {
        let values = Values::from([
            ("days".to_owned(), json!(30)),
            ("name".to_owned(), json!("a+b")),
        ]);
        let body =
            json!({"duration": "{days}", "title": "{name} for {days}", "models": ["{name}"]});
        assert_eq!(
            fill_value(&body, &values),
            json!({"duration": 30, "title": "a+b for 30", "models": ["a+b"]})
        );
    }
}
