//! How far a run is: what its events told so far. No clock and no terminal.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    engine::event::{Outcome, RunEvent},
    plan::{EXTENDED, ItemId, Lang, Phase},
    verdict::Outcome as Standing,
};

/// How far a run is.
#[derive(Default)]
pub struct Progress {
    phases: Vec<Phase>,
    selected: Vec<ItemId>,
    over: BTreeMap<ItemId, Standing>,
    /// What goes on now.
    pub now: Now,
}

/// What goes on now.
#[derive(Debug, Default)]
pub enum Now {
    /// The stack is being started.
    #[default]
    Starting,
    /// An item runs.
    Item {
        /// Which.
        item: ItemId,
        /// Its step, once there is one.
        step: String,
        /// When it began, since the run did.
        since: Duration,
    },
    /// The stack is up, and no item runs.
    Between,
}

/// The chosen items of a phase, in their order, and what became of them.
pub struct Group<'a> {
    /// The phase.
    pub phase: &'a Phase,
    /// `None` where an item is not over.
    pub items: Vec<Option<Standing>>,
    /// Whether the item now running is one of them.
    pub running: bool,
}

impl Group<'_> {
    /// How many are over.
    pub fn over(&self) -> usize {
        self.items.iter().flatten().count()
    }

    /// `Phase 3: User tracking`, or shorter.
    pub fn title(&self, lang: Lang, short: bool) -> String {
        let title = self.phase.title.get(lang);
        match (self.phase.no, short) {
            (EXTENDED, _) => title.to_owned(),
            (no, false) => format!("Phase {no}: {title}"),
            (no, true) => format!("{no} {title}"),
        }
    }
}

impl Progress {
    /// What an event changes, `at` so long after the run began.
    pub fn apply(&mut self, event: &RunEvent, at: Duration) {
        match event {
            RunEvent::RunStarted {
                phases, selected, ..
            } => {
                self.phases.clone_from(phases);
                self.selected.clone_from(selected);
            }
            RunEvent::StackUp { .. } => self.now = Now::Between,
            RunEvent::ItemStarted { item, .. } => {
                self.now = Now::Item {
                    item: *item,
                    step: String::new(),
                    since: at,
                };
            }
            RunEvent::StepStarted { item, text } => self.step(*item, text, at),
            RunEvent::ItemFinished { item, outcome, .. } => {
                self.over.insert(*item, standing(outcome));
                if matches!(self.now, Now::Item { item: now, .. } if now == *item) {
                    self.now = Now::Between;
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, item: ItemId, text: &str, at: Duration) {
        let since = match self.now {
            Now::Item {
                item: now, since, ..
            } if now == item => since,
            _ => at,
        };
        self.now = Now::Item {
            item,
            step: text.to_owned(),
            since,
        };
    }

    /// The phases of which something was chosen.
    pub fn groups(&self) -> Vec<Group<'_>> {
        let running = match self.now {
            Now::Item { item, .. } => Some(item),
            _ => None,
        };
        let groups = self.phases.iter().map(|phase| {
            let chosen = phase.items.iter().map(|item| item.id);
            let chosen: Vec<ItemId> = chosen.filter(|id| self.selected.contains(id)).collect();
            Group {
                phase,
                running: running.is_some_and(|item| chosen.contains(&item)),
                items: chosen
                    .iter()
                    .map(|item| self.over.get(item).copied())
                    .collect(),
            }
        });
        groups.filter(|group| !group.items.is_empty()).collect()
    }

    /// How many items were chosen.
    pub fn chosen(&self) -> usize {
        self.selected.len()
    }

    /// How many items came out like this.
    pub fn count(&self, wanted: Standing) -> usize {
        self.over.values().filter(|found| **found == wanted).count()
    }

    /// How many items are over.
    pub fn over(&self) -> usize {
        self.over.len()
    }

    /// An item's title.
    pub fn title(&self, item: ItemId, lang: Lang) -> &str {
        let mut items = self.phases.iter().flat_map(|phase| &phase.items);
        items
            .find(|known| known.id == item)
            .map_or("", |known| known.title.get(lang))
    }
}

/// What an outcome counts as.
pub fn standing(outcome: &Outcome) -> Standing {
    Standing::from(outcome)
}
