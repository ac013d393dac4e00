//! Standard output and what is known about it. A reader that has seen enough and closed its
//! end (`verify --list | head -1`) is no error.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
};

use super::error::CliError;
use crate::{plan::Lang, report::render::Style};

/// How many columns a text has where nobody says.
const COLUMNS: usize = 100;

/// Writes to standard output.
///
/// # Errors
///
/// When that is not possible, and not because the reader is gone.
pub fn print(text: &str) -> Result<(), CliError> {
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
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether whatever reads standard output understands colours.
#[must_use]
pub fn colors() -> bool {
    io::stdout().is_terminal() && plain_wish().is_none()
}

/// Whether bars that move can be drawn on standard error.
#[must_use]
pub fn bars() -> bool {
    io::stderr().is_terminal() && plain_wish().is_none()
}

/// `NO_COLOR` (see no-color.org: set and not empty) and dumb terminals ask for plain lines.
fn plain_wish() -> Option<()> {
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
    (no_color || dumb).then_some(())
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

fn width() -> usize {
    let of_terminal = || {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_col > 0).then_some(usize::from(size.ws_col))
    };
    let named = || env::var("COLUMNS").ok()?.parse().ok();
    of_terminal()
        .or_else(named)
        .unwrap_or(COLUMNS)
        .clamp(60, 160)
}
