//! What a person sees while a run goes. At a terminal: the phases with their bars, the item and
//! the step now running and the time that ticks, and above them a line for every item that is
//! over, a failure in full the moment it is known. In a pipe: those lines alone.

mod frame;
mod progress;
mod said;
mod screen;
#[cfg(test)]
mod tests;

use std::{
    io::{self, Stderr},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use self::{frame::Look, progress::Progress, screen::Screen};
use super::out;
use crate::{engine::event::RunEvent, plan::Lang, report::render::Style};

/// How often the bars are drawn where nothing is said above them: often enough for a time that
/// ticks, and so seldom that a run does not notice.
const TICK: Duration = Duration::from_millis(80);

/// The live view. It goes to standard error: standard output is the report's.
pub struct Live {
    lang: Lang,
    view: Arc<Mutex<View>>,
    ticker: Option<Ticker>,
}

/// What is drawn, and on what.
struct View {
    progress: Progress,
    /// `None` where lines are all that can be shown.
    screen: Option<Screen<Stderr>>,
    began: Instant,
    lang: Lang,
}

impl Live {
    /// A view in `lang` of a run that `began` then, with bars where there is a terminal that can
    /// show them.
    pub fn new(lang: Lang, began: Instant) -> Self {
        let bars = out::bars();
        let view = View {
            progress: Progress::default(),
            screen: bars.then(|| Screen::new(io::stderr())),
            began,
            lang,
        };
        let view = Arc::new(Mutex::new(view));
        let ticker = bars.then(|| Ticker::start(Arc::clone(&view))).flatten();
        Self { lang, view, ticker }
    }

    /// Shows an event.
    pub fn show(&mut self, event: &RunEvent) {
        let mut view = lock(&self.view);
        let elapsed = view.began.elapsed();
        view.progress.apply(event, elapsed);
        let style = view.style();
        let said = said::lines(&view.progress, event, self.lang, style);
        view.say(&said);
        if matches!(event, RunEvent::RunFinished { .. }) {
            view.clear();
        }
    }
}

/// A run that ends without saying so leaves no bars behind either.
impl Drop for Live {
    fn drop(&mut self) {
        if let Some(ticker) = self.ticker.take() {
            ticker.stop();
        }
        lock(&self.view).clear();
    }
}

impl View {
    /// How lines are shown above the bars; `None`: as they are.
    fn style(&self) -> Option<Style> {
        self.screen.as_ref().map(|_| Style {
            lang: self.lang,
            color: out::stderr_colors(),
            width: out::stderr_size().0,
        })
    }

    /// Says something at once: above the bars, or as it is.
    fn say(&mut self, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        match self.screen {
            Some(_) => self.draw(lines),
            None => lines.iter().for_each(out::complain),
        }
    }

    /// Draws the bars as they are now, below what is said.
    fn draw(&mut self, above: &[String]) {
        let (width, rows) = out::stderr_size();
        let look = Look {
            style: Style {
                lang: self.lang,
                color: out::stderr_colors(),
                width,
            },
            rows,
        };
        let elapsed = self.began.elapsed();
        let frame = match self.progress.is_over() {
            true => Vec::new(),
            false => frame::frame(&self.progress, look, elapsed),
        };
        if let Some(screen) = &mut self.screen {
            screen.draw(above, &frame);
        }
    }

    fn clear(&mut self) {
        if let Some(screen) = &mut self.screen {
            screen.draw(&[], &[]);
        }
    }
}

/// What a panic left behind is still good to draw.
fn lock(view: &Mutex<View>) -> MutexGuard<'_, View> {
    view.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that draws while nothing happens, also at a size that changes.
struct Ticker {
    end: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Ticker {
    /// `None` where the system has no thread left: then the bars move with the events alone.
    fn start(view: Arc<Mutex<View>>) -> Option<Self> {
        let (end, ended) = mpsc::channel();
        let draw = move || {
            while ended.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout) {
                lock(&view).draw(&[]);
            }
        };
        let thread = thread::Builder::new().spawn(draw).ok()?;
        Some(Self { end, thread })
    }

    fn stop(self) {
        drop(self.end);
        // A panic in it was reported already.
        let _ = self.thread.join();
    }
}
