//! An operation of the admin API as data: what is sent, and where the answer has what.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What placeholders are filled with.
pub type Values = BTreeMap<String, Value>;

/// One operation.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The HTTP method.
    pub method: String,
    /// The path; placeholders are filled in, each percent-encoded.
    pub path: String,
    /// How often a value is percent-encoded in the path: 2 where `+` must come as `%252B`.
    #[serde(default = "once")]
    pub escapes: u8,
    /// The status that answers a body which is no JSON. 400 refuses it; with that of success the
    /// gateway takes it for an empty body.
    #[serde(default = "bad_request")]
    pub broken_json: u16,
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

fn once() -> u8 {
    1
}

fn bad_request() -> u16 {
    400
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
            filled.replace(&format!("{{{name}}}"), &plain(value))
        })
}

/// A value's text.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Percent-encodes everything but the unreserved characters of RFC 3986, section 2.3.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

impl Operation {
    /// The path with its placeholders filled in. One that has no value stays as it is.
    #[must_use]
    pub fn path(&self, values: &Values) -> String {
        values
            .iter()
            .fold(self.path.clone(), |path, (name, value)| {
                let value = (0..self.escapes).fold(plain(value), |text, _| escaped(&text));
                path.replace(&format!("{{{name}}}"), &value)
            })
    }

    /// Whether something is read from the answer of a success.
    #[must_use]
    pub fn answers_json(&self) -> bool {
        !self.answer.is_empty() || self.list.is_some()
    }

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
    fn what_stands_in_a_path_is_encoded_as_often_as_it_says() {
        let values = Values::from([("email".to_owned(), json!("a+b@c.d/é"))]);
        let path = |escapes: u8| {
            let operation =
                json!({"method": "GET", "path": "/u/{email}?x={id}", "escapes": escapes});
            serde_json::from_value::<Operation>(operation)
                .unwrap()
                .path(&values)
        };
        assert_eq!(path(1), "/u/a%2Bb%40c.d%2F%C3%A9?x={id}");
        assert_eq!(path(2), "/u/a%252Bb%2540c.d%252F%25C3%25A9?x={id}");
    }

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
