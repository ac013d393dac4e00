//! Standard output and standard error, and what is known about them. Whatever is written passes
//! through here, and acts neither on a terminal nor on the runner of GitHub Actions. A reader that
//! has seen enough and closed its end (`verify --list | head -1`) is no error.

use std::{
    borrow::Cow,
    env,
    io::{self, IsTerminal as _, Write as _},
};

use tracing::level_filters::LevelFilter;

use super::error::CliError;
use crate::{
    plan::Lang,
    report::render::{Style, text},
};

/// How many columns a text has where nobody says.
const COLUMNS: usize = 100;
/// A text is laid out in no fewer columns, and in no more.
const NARROWEST: usize = 40;
const WIDEST: usize = 160;

/// Writes to standard output.
///
/// # Errors
///
/// When that is not possible, and not because the reader is gone.
pub fn print(text: &str) -> Result<(), CliError> {
    write(&neutral(text))
}

/// Writes workflow commands of this program's own to standard output.
///
/// # Errors
/// As [`print`].
pub fn commands(text: &str) -> Result<(), CliError> {
    write(&text::shown(text))
}

/// `text` so that nothing in it acts on who reads it.
fn neutral(text: &str) -> Cow<'_, str> {
    let shown = text::shown(text);
    if !in_actions() {
        return shown;
    }
    Cow::Owned(text::guarded(&shown).into_owned())
}

/// Whether this is a job of GitHub Actions, whose runner takes commands from what is written.
#[must_use]
pub fn in_actions() -> bool {
    env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

fn write(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::environment(
            format!("cannot write to standard output: {error}"),
        )),
        _ => Ok(()),
    }
}

/// Writes a line to standard error; nothing can be done where that fails.
pub fn complain(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{}", neutral(&text.to_string()));
}

/// Standard error for the harness's own log, which is written an event at a time.
pub struct Log;

impl io::Write for Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        io::stderr().lock().write_all(neutral(&text).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// Whether whatever reads standard output understands colours.
#[must_use]
pub fn colors() -> bool {
    io::stdout().is_terminal() && wants_colors()
}

/// Whether standard error is a terminal that understands colours.
#[must_use]
pub fn stderr_colors() -> bool {
    io::stderr().is_terminal() && wants_colors()
}

/// Whether bars that move can be drawn on standard error: beside the harness's own log they
/// cannot.
#[must_use]
pub fn bars() -> bool {
    io::stderr().is_terminal() && !dumb() && LevelFilter::current() == LevelFilter::OFF
}

/// `NO_COLOR`: see no-color.org, set and not empty.
fn wants_colors() -> bool {
    !dumb() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A terminal that obeys nothing, or does not say what it is.
fn dumb() -> bool {
    env::var_os("TERM").is_none_or(|value| value.is_empty() || value == "dumb")
}

/// How a report is shown on standard output.
#[must_use]
pub fn style(lang: Lang) -> Style {
    Style {
        lang,
        color: colors(),
        width: width(),
    }
}

/// How a report is shown in a file.
#[must_use]
pub fn file_style(lang: Lang) -> Style {
    Style {
        lang,
        color: false,
        width: COLUMNS,
    }
}

fn width() -> usize {
    let of_terminal = || {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_col > 0).then_some(usize::from(size.ws_col))
    };
    let named = || env::var("COLUMNS").ok()?.parse().ok();
    of_terminal()
        .or_else(named)
        .unwrap_or(COLUMNS)
        .clamp(NARROWEST, WIDEST)
}

/// Columns and rows of the terminal that standard error is, as they are now.
#[must_use]
pub fn stderr_size() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    let known = size.ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    known.map_or((80, 24), |size| {
        (usize::from(size.ws_col), usize::from(size.ws_row))
    })
}
