//! Where the bars are drawn: the lines at the bottom of a terminal that indicatif draws again and
//! again, and lines that stay above them.

use std::{
    fmt,
    io::{self, Write},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use indicatif::TermLike;

/// Leaves a line's rest blank.
const TO_LINE_END: &str = "\u{1b}[K";
/// Leaves everything from here on blank.
const TO_SCREEN_END: &str = "\u{1b}[J";
/// A line that is longer than it was measured is cut by the terminal, and not wrapped: wrapped,
/// it would push the others out of their places.
const WRAP_OFF: &str = "\u{1b}[?7l";
const WRAP_ON: &str = "\u{1b}[?7h";

/// A terminal with a region at its bottom that changes.
///
/// Between two drawings the cursor rests at the region's first column. A terminal that is made
/// narrower wraps what is there anew and takes its cursor along, so the next drawing begins where
/// the region does, however many rows it has become, and leaves nothing of it. indicatif rests at the
/// region's end and would go up as many rows as it once drew: its moves are not followed.
#[derive(Debug)]
pub struct Screen<W>(Arc<Mutex<State<W>>>);

#[derive(Debug)]
struct State<W> {
    out: W,
    /// The line that is being written, and those before it.
    line: String,
    region: Vec<String>,
    /// Whether there is something in the region.
    shown: bool,
}

impl<W: Write> Screen<W> {
    pub fn new(out: W) -> Self {
        Self(Arc::new(Mutex::new(State {
            out,
            line: String::new(),
            region: Vec::new(),
            shown: false,
        })))
    }

    /// Writes lines that stay, while there is nothing in the region.
    pub fn write(&self, lines: &[String]) {
        let end = |line: &String| format!("{line}{TO_LINE_END}\r\n");
        self.state()
            .write(&lines.iter().map(end).collect::<String>());
    }

    /// What was written so far.
    #[cfg(test)]
    pub fn take(&self) -> W
    where
        W: Default,
    {
        mem::take(&mut self.state().out)
    }

    /// What a panic left behind is still good to draw.
    fn state(&self) -> MutexGuard<'_, State<W>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write> State<W> {
    /// A terminal that is gone is no reason to end a run.
    fn write(&mut self, text: &str) {
        let _ = (self.out.write_all(text.as_bytes())).and_then(|()| self.out.flush());
    }
}

impl<W> Clone for Screen<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Endlessly wide and high: `frame` keeps to the terminal, and indicatif neither cuts nor wraps.
impl<W: Write + Send + fmt::Debug> TermLike for Screen<W> {
    fn width(&self) -> u16 {
        u16::MAX
    }

    fn height(&self) -> u16 {
        u16::MAX
    }

    /// A line, and then the blanks that fill it up.
    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut state = self.state();
        if !text.is_empty() && text.trim_matches(' ').is_empty() {
            let line = mem::take(&mut state.line);
            state.region.push(line);
        } else {
            state.line.push_str(text);
        }
        Ok(())
    }

    /// Draws the region as it now is, in one write.
    fn flush(&self) -> io::Result<()> {
        let mut state = self.state();
        let region = mem::take(&mut state.region);
        if region.is_empty() && !state.shown {
            return Ok(());
        }
        state.shown = !region.is_empty();
        let lines = region.join(&format!("{TO_LINE_END}\r\n"));
        let up = match region.len() {
            0 | 1 => String::new(),
            rows => format!("\u{1b}[{}A", rows - 1),
        };
        state.write(&format!(
            "\r{WRAP_OFF}{lines}{TO_SCREEN_END}{WRAP_ON}\r{up}"
        ));
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)?;
        self.write_str(" ")
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }
}
