//! The words of a plan: items, phases and how much they weigh.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::evidence::EvidenceKind;

/// A language that reports are written in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Japanese, the language of the plan.
    Ja,
}

/// A text in both languages of the plan. Read from `{en: …, ja: …}`, or from one text that then
/// stands for both.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Text {
    pub en: String,
    pub ja: String,
}

/// A [`Text`] whose languages are told apart.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InBoth {
    en: String,
    ja: String,
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let in_both = json_schema!({
            "description": "The text in each language.",
            "type": "object",
            "properties": { "en": { "type": "string" }, "ja": { "type": "string" } },
            "required": ["en", "ja"],
            "additionalProperties": false,
        });
        if generator.contract().is_serialize() {
            return in_both;
        }
        json_schema!({
            "description": "A text that stands for both languages, or one in each.",
            "anyOf": [{ "type": "string" }, in_both],
        })
    }
}

struct TextVisitor;

impl<'de> de::Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or one in each language: {en: …, ja: …}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(text.into())
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
        let InBoth { en, ja } = InBoth::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(Text { en, ja })
    }
}

/// It stands for both languages.
impl<T: Into<String>> From<T> for Text {
    fn from(text: T) -> Self {
        let en = text.into();
        Self { ja: en.clone(), en }
    }
}

impl Text {
    #[must_use]
    pub fn get(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Ja => &self.ja,
        }
    }
}

/// The number of an item: `3.4` in the plan, `X.2` beside it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ItemId {
    Plan {
        /// The phase, from 1.
        phase: u8,
        /// The item's place in its phase, from 1.
        number: u8,
    },
    /// An extended check, reported beside the plan.
    Extended(u16),
}

/// A text that is not the number of an item.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not an item number: write PHASE.NUMBER, for example 3.4")]
pub struct ItemIdError(pub String);

impl ItemId {
    /// The phase of the plan that the item belongs to; extended checks belong to none.
    #[must_use]
    pub fn phase(self) -> Option<u8> {
        match self {
            Self::Plan { phase, .. } => Some(phase),
            Self::Extended(_) => None,
        }
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan { phase, number } => write!(f, "{phase}.{number}"),
            Self::Extended(number) => write!(f, "X.{number}"),
        }
    }
}

impl FromStr for ItemId {
    type Err = ItemIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ItemIdError(text.to_owned());
        let (phase, number) = text.split_once('.').ok_or_else(error)?;
        if phase == "X" {
            return number.parse().map(Self::Extended).map_err(|_| error());
        }
        match (phase.parse(), number.parse()) {
            (Ok(phase), Ok(number)) if phase > 0 && number > 0 => Ok(Self::Plan { phase, number }),
            _ => Err(error()),
        }
    }
}

impl Serialize for ItemId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ItemId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl JsonSchema for ItemId {
    fn schema_name() -> Cow<'static, str> {
        "ItemId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An item's number: `3.4`, or `X.2`.",
            "type": "string",
            "pattern": r"^([1-9]\d*|X)\.\d+$",
        })
    }
}

/// The plan's own priority of an item (優先度).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// 最高
    Highest,
    /// 高
    High,
    /// 中
    Medium,
}

/// Where the plan's checklist names an item, which decides what its failure means.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Checklist {
    /// 必須項目: without it there is no deployment.
    Required,
    /// 重要項目
    Important,
    /// 推奨項目
    Recommended,
    /// In the plan, but not in its checklist.
    Unlisted,
}

/// One item of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its number.
    pub id: ItemId,
    /// What the plan's table calls it.
    pub title: Text,
    /// What the plan's completion checklist calls it; the title where it is not listed.
    #[serde(default)]
    pub done: Option<Text>,
    /// The plan's priority.
    pub priority: Priority,
    /// How long the plan allows a person for it, in minutes.
    pub planned_minutes: u32,
    /// Its place in the plan's checklist.
    pub checklist: Checklist,
    /// Why it matters, naming the plan's section.
    pub why: Text,
    /// The control of its scenario: what shows that the check can see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Text>,
    /// The trap that a naive check of it falls into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trap: Option<Text>,
    /// The kinds of evidence that a pass has. Of a required item at least one is nothing that the
    /// candidate itself can write, as it can its log and its keys of Redis.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rests_on: Vec<EvidenceKind>,
    /// What to do when it fails: the plan's 失敗時の対応 and troubleshooting.
    pub remedy: Text,
}

/// The number of the group that extended checks stand in, where phases have theirs.
pub const EXTENDED: u8 = 0;

/// One phase of the plan with its items, or the extended checks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Its number, from 1; [`EXTENDED`] for the extended checks.
    #[serde(default)]
    pub no: u8,
    /// What the plan's result table calls it.
    pub title: Text,
    /// The feature file that encodes it, relative to the bundle.
    pub feature: String,
    /// Its items, in the plan's order.
    pub items: Vec<Item>,
}

impl Phase {
    /// What its number is written as on the command line: `3`, or `X`.
    #[must_use]
    pub fn name(&self) -> String {
        match self.no {
            EXTENDED => "X".to_owned(),
            no => no.to_string(),
        }
    }

    /// The tag that its scenarios carry, without the `@`.
    #[must_use]
    pub fn tag(&self) -> String {
        match self.no {
            EXTENDED => "extended".to_owned(),
            no => format!("phase-{no}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_numbers_are_read_and_written_alike() {
        for text in ["1.1", "3.4", "7.2", "X.12"] {
            assert_eq!(text.parse::<ItemId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn one_text_stands_for_both_languages() {
        let read = |json: &str| serde_json::from_str::<Text>(json);
        assert_eq!(
            read("\"a\"").unwrap(),
            read(r#"{"en": "a", "ja": "a"}"#).unwrap()
        );
        assert!(
            read(r#"{"en": "a"}"#).is_err()
                && read(r#"{"en": "a", "ja": "b", "de": "c"}"#).is_err()
        );
    }

    #[test]
    fn what_is_no_item_number_is_refused_with_an_example() {
        for text in ["", "3", "3.", ".4", "0.1", "3.0", "x.1", "a.b", "3.4.5"] {
            let error = text.parse::<ItemId>().unwrap_err();
            assert!(error.to_string().contains("3.4"), "{error}");
        }
    }
}
