//! What a person sees while a run goes. At a terminal: the phases with their bars, the item and
//! the step now running and the time that ticks, and above them a line for every item that is
//! over, a failure in full the moment it is known. In a pipe: those lines alone.

mod frame;
mod lines;
mod progress;
mod screen;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    io::{self, Stderr, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use self::{
    frame::{Look, frame},
    progress::Progress,
    screen::Screen,
};
use super::out;
use crate::{
    engine::event::{Outcome, RunEvent},
    plan::Lang,
};

/// How often the bars are drawn where nothing is said above them: often enough for a time that
/// ticks, and so seldom that a run does not notice.
const TICK: Duration = Duration::from_millis(80);

/// The live view. It goes to standard error: standard output is the report's.
pub struct Live {
    lang: Lang,
    /// Whether only what failed is shown.
    quiet: bool,
    began: Instant,
    progress: Arc<Mutex<Progress>>,
    /// `None` where lines are all that can be shown.
    bars: Option<Bars<Stderr>>,
}

impl Live {
    /// A view in `lang` of a run that `began` then, with bars where there is a terminal that can
    /// show them.
    pub fn new(lang: Lang, began: Instant, quiet: bool) -> Self {
        let progress = Arc::default();
        let mut bars = None;
        if !quiet && out::bars() {
            let look = move || Look {
                style: out::stderr_style(lang),
                rows: out::stderr_size().1,
            };
            let drawn = Arc::clone(&progress);
            let started = Bars::new(io::stderr(), drawn, look, move || began.elapsed());
            started.bar.enable_steady_tick(TICK);
            bars = Some(started);
        }
        Self {
            lang,
            quiet,
            began,
            progress,
            bars,
        }
    }

    /// Shows an event.
    pub fn show(&mut self, event: &RunEvent) {
        let mut progress = lock(&self.progress);
        progress.apply(event, self.began.elapsed());
        let lines = match self.quiet && !is_failure(event) {
            true => Vec::new(),
            false => lines::lines(&progress, event, out::stderr_style(self.lang)),
        };
        drop(progress);
        match &self.bars {
            Some(bars) => bars.show(&lines),
            None => lines.iter().for_each(out::complain),
        }
        if matches!(event, RunEvent::RunFinished { .. }) {
            self.bars = None;
        }
    }
}

/// Whether an event tells of something that failed, or that could not be judged.
fn is_failure(event: &RunEvent) -> bool {
    match event {
        RunEvent::StackFailed { .. } => true,
        RunEvent::ItemFinished { outcome, .. } => {
            matches!(outcome, Outcome::Failed(_) | Outcome::Inconclusive(_))
        }
        _ => false,
    }
}

/// What a panic left behind is still good to draw.
fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bars, drawn by indicatif: by itself while nothing happens, also at a size that changes.
struct Bars<W: Write + Send + fmt::Debug + 'static> {
    bar: ProgressBar,
    screen: Screen<W>,
}

impl<W: Write + Send + fmt::Debug + 'static> Bars<W> {
    fn new(
        out: W,
        progress: Arc<Mutex<Progress>>,
        look: impl Fn() -> Look + Clone + Send + Sync + 'static,
        elapsed: impl Fn() -> Duration + Clone + Send + Sync + 'static,
    ) -> Self {
        let screen = Screen::new(out);
        let draw = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let lines = frame(&lock(&progress), look(), elapsed());
            // A String takes everything.
            let _ = out.write_str(&lines.join("\n"));
        };
        let style = ProgressStyle::with_template("{frame}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::no_length().with_style(style.with_key("frame", draw));
        bar.set_draw_target(ProgressDrawTarget::term_like(Box::new(screen.clone())));
        Self { bar, screen }
    }

    /// Writes lines above the bars, which are drawn at once, or at the next tick where there are
    /// none.
    fn show(&self, lines: &[String]) {
        match lines {
            [] => self.bar.tick(),
            lines => self.bar.suspend(|| self.screen.write(lines)),
        }
    }
}

/// No bars are left behind, also by a run that ends without saying so.
impl<W: Write + Send + fmt::Debug + 'static> Drop for Bars<W> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
