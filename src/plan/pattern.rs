//! Several items in one word: `all`, `3.*`, `X.*`, or one item's number.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::ItemId;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ItemPattern {
    /// Every one: `all`.
    All,
    /// Those of a phase, `3.*`; without a phase the extended checks, `X.*`.
    Phase(Option<u8>),
    Item(ItemId),
}

/// A text that is no [`ItemPattern`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` names no items: write all, a phase like 3.* or X.*, or an item like 3.4")]
pub struct ItemPatternError(pub String);

impl ItemPattern {
    #[must_use]
    pub fn covers(self, item: ItemId) -> bool {
        match self {
            Self::All => true,
            Self::Phase(phase) => item.phase() == phase,
            Self::Item(one) => one == item,
        }
    }
}

impl FromStr for ItemPattern {
    type Err = ItemPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ItemPatternError(text.to_owned());
        match text.strip_suffix(".*") {
            _ if text == "all" => Ok(Self::All),
            Some("X") => Ok(Self::Phase(None)),
            Some(phase) => phase
                .parse()
                .map(|no| Self::Phase(Some(no)))
                .map_err(|_| error()),
            None => text.parse().map(Self::Item).map_err(|_| error()),
        }
    }
}

impl fmt::Display for ItemPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Phase(Some(phase)) => write!(f, "{phase}.*"),
            Self::Phase(None) => f.write_str("X.*"),
            Self::Item(item) => item.fmt(f),
        }
    }
}

impl JsonSchema for ItemPattern {
    fn schema_name() -> Cow<'static, str> {
        "ItemPattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An item's number, `3.*` for a phase, or `all`.",
            "type": "string",
            "pattern": r"^(all|([1-9]\d*|X)\.(\d+|\*))$",
        })
    }
}

impl Serialize for ItemPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ItemPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_it_says_and_is_written_as_it_was_read() {
        for (text, covered) in [
            ("all", vec!["1.1", "3.4", "X.2"]),
            ("3.*", vec!["3.4"]),
            ("X.*", vec!["X.2"]),
            ("1.1", vec!["1.1"]),
            ("9.9", vec![]),
        ] {
            let pattern: ItemPattern = text.parse().unwrap();
            assert_eq!(pattern.to_string(), text);
            let found: Vec<&str> = ["1.1", "3.4", "X.2"]
                .into_iter()
                .filter(|item| pattern.covers(item.parse().unwrap()))
                .collect();
            assert_eq!(found, covered, "{text}");
        }
        for text in ["", "three", "*.3", "3*", "Y.*"] {
            let error = text.parse::<ItemPattern>().unwrap_err().to_string();
            assert!(error.contains("3.*"), "{error}");
        }
    }
}
