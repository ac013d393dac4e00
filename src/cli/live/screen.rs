//! Lines at the bottom of a terminal that are drawn again and again, and lines that stay above.

use std::io::Write;

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
/// the region does, however many rows it has become, and leaves nothing of it.
pub struct Screen<W> {
    out: W,
    /// Whether there is something in the region.
    shown: bool,
}

impl<W: Write> Screen<W> {
    /// A region that is empty yet.
    pub fn new(out: W) -> Self {
        Self { out, shown: false }
    }

    /// What was written so far.
    #[cfg(test)]
    pub fn take(&mut self) -> W
    where
        W: Default,
    {
        std::mem::take(&mut self.out)
    }

    /// Writes what stays `above`, and the region again as it now is, in one write.
    pub fn draw(&mut self, above: &[String], region: &[String]) {
        if above.is_empty() && region.is_empty() && !self.shown {
            return;
        }
        let mut text = String::from("\r");
        for line in above {
            text.push_str(&format!("{line}{TO_LINE_END}\r\n"));
        }
        text.push_str(WRAP_OFF);
        text.push_str(&region.join(&format!("{TO_LINE_END}\r\n")));
        text.push_str(&format!("{TO_SCREEN_END}{WRAP_ON}\r"));
        if region.len() > 1 {
            text.push_str(&format!("\u{1b}[{}A", region.len() - 1));
        }
        self.shown = !region.is_empty();
        // A terminal that is gone is no reason to end a run.
        let _ = (self.out.write_all(text.as_bytes())).and_then(|()| self.out.flush());
    }
}
