//! Which items a run goes through, from what was typed.

use std::collections::BTreeSet;

use super::{Bundle, ItemId, Phase, TagExpr, TagExprError};
use crate::yaml::suggest;

/// What was typed: the union of phases and items, all of them where there are none, and of
/// those the ones whose scenario's tags fit.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Choice {
    pub phases: Vec<String>,
    pub items: Vec<String>,
    pub tags: Option<String>,
}

/// What was typed names nothing that there is.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SelectionError {
    /// `--phase` names none of the plan's.
    #[error("--phase {typed}: the plan has the phases {known}")]
    Phase { typed: String, known: String },
    /// `--item` names none of the plan's.
    #[error("--item {typed}: the plan has no such item{meant}; its items are {known}")]
    Item {
        typed: String,
        /// The one that was probably meant.
        meant: String,
        known: String,
    },
    #[error("--tags: {0}")]
    Expression(#[from] TagExprError),
    /// `--tags` names a tag that no scenario has.
    #[error("--tags: no scenario has the tag @{typed}{meant}")]
    Tag {
        typed: String,
        /// The one that was probably meant, or those that there are.
        meant: String,
    },
    /// Everything is known, but together it chooses nothing.
    #[error("no item is chosen: none of {chosen} has tags that fit `{expression}`")]
    Nothing { chosen: String, expression: String },
}

impl Bundle {
    /// The items that are chosen, in the plan's order.
    ///
    /// # Errors
    ///
    /// When something is typed that the plan does not have, or nothing is chosen.
    pub fn select(&self, choice: &Choice) -> Result<Vec<ItemId>, SelectionError> {
        let mut chosen = BTreeSet::new();
        for typed in &choice.phases {
            chosen.extend(self.items_of_phase(typed)?);
        }
        for typed in &choice.items {
            chosen.insert(self.item(typed)?);
        }
        let everything = choice.phases.is_empty() && choice.items.is_empty();
        let mut selected: Vec<ItemId> = self
            .items()
            .filter(|item| everything || chosen.contains(item))
            .collect();
        if let Some(text) = &choice.tags {
            let fitting = self.items_tagged(text)?;
            let before = selected.clone();
            selected.retain(|item| fitting.contains(item));
            if selected.is_empty() {
                return Err(SelectionError::Nothing {
                    chosen: join(&before),
                    expression: text.clone(),
                });
            }
        }
        Ok(selected)
    }

    fn items_of_phase(&self, typed: &str) -> Result<impl Iterator<Item = ItemId>, SelectionError> {
        let wanted = typed.trim();
        let phase = self.phases.iter().find(|phase| phase.name() == wanted);
        let known = || {
            let names: Vec<String> = self.phases.iter().map(Phase::name).collect();
            join(&names)
        };
        phase
            .map(|phase| phase.items.iter().map(|item| item.id))
            .ok_or_else(|| SelectionError::Phase {
                typed: typed.to_owned(),
                known: known(),
            })
    }

    fn item(&self, typed: &str) -> Result<ItemId, SelectionError> {
        let id: Option<ItemId> = typed.trim().parse().ok();
        let known: Vec<ItemId> = self.items().collect();
        if let Some(id) = id.filter(|id| known.contains(id)) {
            return Ok(id);
        }
        let names: Vec<String> = known.iter().map(ItemId::to_string).collect();
        let meant = suggest(typed.trim(), names.iter().map(String::as_str));
        Err(SelectionError::Item {
            typed: typed.to_owned(),
            meant: meant.map_or_else(String::new, |meant| format!(" (did you mean {meant}?)")),
            known: names.join(", "),
        })
    }

    fn items_tagged(&self, text: &str) -> Result<BTreeSet<ItemId>, SelectionError> {
        let expression: TagExpr = text.parse()?;
        let known: BTreeSet<String> = self
            .scenarios()
            .flat_map(|scenario| scenario.tags)
            .collect();
        for tag in expression.wanted() {
            if !known.contains(tag) {
                return Err(unknown_tag(tag, &known));
            }
        }
        Ok(self
            .scenarios()
            .filter(|scenario| expression.holds(&scenario.tags))
            .flat_map(|scenario| scenario.items().collect::<Vec<_>>())
            .collect())
    }
}

fn unknown_tag(tag: &str, known: &BTreeSet<String>) -> SelectionError {
    let meant = match suggest(tag, known.iter().map(String::as_str)) {
        Some(meant) => format!("; did you mean @{meant}?"),
        None => {
            let list: Vec<String> = known.iter().map(|tag| format!("@{tag}")).collect();
            format!("; there are {}", list.join(", "))
        }
    };
    SelectionError::Tag {
        typed: tag.to_owned(),
        meant,
    }
}

fn join<T: ToString>(parts: &[T]) -> String {
    let parts: Vec<String> = parts.iter().map(T::to_string).collect();
    parts.join(", ")
}
