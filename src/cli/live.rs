//! What a person sees while a run goes: on a terminal a bar with the phase, the item and the
//! step now running; everywhere a line for every item that is over.

use std::collections::BTreeMap;

use indicatif::{ProgressBar, ProgressStyle};

use super::out;
use crate::{
    engine::event::{Failure, Outcome, RunEvent},
    plan::{EXTENDED, ItemId, Lang, Phase},
};

/// How many lines of a detail are shown while the run goes.
const DETAIL_LINES: usize = 40;

/// The live view. It goes to standard error: standard output is the report's.
pub struct Live {
    lang: Lang,
    bar: Option<ProgressBar>,
    phases: Vec<Phase>,
    selected: Vec<ItemId>,
    over: BTreeMap<u8, usize>,
}

impl Live {
    /// A view in `lang`, with a bar where there is a terminal that can show one.
    pub fn new(lang: Lang) -> Self {
        let bar = out::bars().then(|| {
            let style = ProgressStyle::with_template("{spinner:.cyan} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            ProgressBar::new_spinner().with_style(style)
        });
        Self {
            lang,
            bar,
            phases: Vec::new(),
            selected: Vec::new(),
            over: BTreeMap::new(),
        }
    }

    /// Shows an event.
    pub fn show(&mut self, event: &RunEvent) {
        match event {
            RunEvent::RunStarted {
                phases, selected, ..
            } => {
                self.phases.clone_from(phases);
                self.selected.clone_from(selected);
                self.working("starting the stack");
            }
            RunEvent::StackUp { duration_ms } => {
                self.working(&format!("the stack is up after {duration_ms:.0} ms"))
            }
            RunEvent::StackFailed { reason } => self.line(&format!("! {}", plain(reason))),
            RunEvent::ItemStarted { item } => self.working(&self.now(*item, "")),
            RunEvent::StepStarted { item, text } => self.working(&self.now(*item, text)),
            RunEvent::ItemFinished {
                item,
                outcome,
                duration_ms,
            } => self.finished(*item, outcome, *duration_ms),
            RunEvent::RunFinished { .. } => {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
    }

    fn working(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(plain(text));
            bar.tick();
        }
    }

    /// `Phase 3: User tracking ■■■□□□  3.4 Token API tracking  When …`
    fn now(&self, item: ItemId, step: &str) -> String {
        let Some(phase) = self
            .phases
            .iter()
            .find(|phase| phase.no == item.phase().unwrap_or(EXTENDED))
        else {
            return format!("{item} {step}");
        };
        let total = self
            .selected
            .iter()
            .filter(|id| id.phase() == item.phase())
            .count();
        let over = self.over.get(&phase.no).copied().unwrap_or(0).min(total);
        let bar = "■".repeat(over) + &"□".repeat(total - over);
        let title = phase.title.get(self.lang);
        let group = match phase.no {
            EXTENDED => title.to_owned(),
            no => format!("Phase {no}: {title}"),
        };
        format!("{group} {bar}  {item} {}  {step}", self.title(item))
    }

    fn title(&self, item: ItemId) -> &str {
        let items = self.phases.iter().flat_map(|phase| &phase.items);
        items
            .into_iter()
            .find(|known| known.id == item)
            .map_or("", |known| known.title.get(self.lang))
    }

    fn finished(&mut self, item: ItemId, outcome: &Outcome, duration_ms: f64) {
        *self
            .over
            .entry(item.phase().unwrap_or(EXTENDED))
            .or_default() += 1;
        let (mark, word) = match outcome {
            Outcome::Passed => ("✔", "passed"),
            Outcome::Failed(_) => ("✘", "FAILED"),
            Outcome::Skipped { .. } => ("-", "skipped"),
            Outcome::Inconclusive(_) => ("?", "inconclusive"),
        };
        self.line(&format!(
            "{mark} {item} {:<12} {duration_ms:>7.1} ms  {}",
            word,
            self.title(item)
        ));
        match outcome {
            Outcome::Passed => {}
            Outcome::Failed(failure) | Outcome::Inconclusive(failure) => self.failure(failure),
            Outcome::Skipped { reason } => self.detail("why", reason),
        }
    }

    fn failure(&self, failure: &Failure) {
        self.detail("did", &failure.did);
        self.detail("expected", &failure.expected);
        self.detail("seen", &failure.seen);
    }

    fn detail(&self, what: &str, text: &str) {
        for (number, line) in text.lines().take(DETAIL_LINES).enumerate() {
            let label = if number == 0 { what } else { "" };
            self.line(&format!("      {label:<9} {}", plain(line)));
        }
        let more = text.lines().count().saturating_sub(DETAIL_LINES);
        if more > 0 {
            self.line(&format!(
                "      {:<9} [{more} more lines in the report]",
                ""
            ));
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => out::complain(text),
        }
    }
}

/// Text from outside, without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { '·' } else { letter })
        .collect()
}
