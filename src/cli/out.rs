//! Standard output and standard error, and what is known about them. Whatever is written passes
//! through here, and acts neither on a terminal nor on the runner of GitHub Actions. A reader that
//! has seen enough and closed its end (`verify --list | head -1`) is no error.

use std::{
    borrow::Cow,
    env,
    io::{self, IsTerminal as _, Write as _},
};

use anstream::{AutoStream, ColorChoice, stream::RawStream};
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
/// A line in a pipe is cut only where it is no line any more.
const PIPE_WIDTH: usize = 1000;

/// Writes to standard output.
pub fn print(text: &str) -> Result<(), CliError> {
    write(&neutral(text))
}

/// Writes workflow commands of this program's own to standard output.
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

/// The harness's own log, on standard error.
pub fn log(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => "verify=info",
        2 => "verify=debug",
        _ => "verify=trace",
    };
    let filter =
        tracing_subscriber::EnvFilter::try_from_env("VERIFY_LOG").unwrap_or_else(|_| level.into());
    // Only a second call could fail, and it would change nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(|| Log)
        .try_init();
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

/// Whether bars that move can be drawn on standard error: beside the harness's own log they
/// cannot.
pub fn bars() -> bool {
    stderr_moves() && LevelFilter::current() == LevelFilter::OFF
}

fn stderr_moves() -> bool {
    io::stderr().is_terminal() && !dumb()
}

/// A terminal that obeys nothing, or does not say what it is.
fn dumb() -> bool {
    env::var_os("TERM").is_none_or(|value| value.is_empty() || value == "dumb")
}

/// Whether a stream gets colours: as `--color`, NO_COLOR, CLICOLOR_FORCE and CLICOLOR say, else
/// where it is a terminal that knows them, which a dumb one in CI is not.
fn colors(stream: &impl RawStream) -> bool {
    let asked = ColorChoice::global() != ColorChoice::Auto;
    AutoStream::choice(stream) != ColorChoice::Never && (asked || !(stream.is_terminal() && dumb()))
}

/// How a report is shown on standard output.
pub fn style(lang: Lang) -> Style {
    Style {
        lang,
        color: colors(&io::stdout()),
        width: width(),
    }
}

/// How lines are shown on standard error: as wide as the terminal, in a pipe uncut.
pub fn stderr_style(lang: Lang) -> Style {
    Style {
        lang,
        color: colors(&io::stderr()),
        width: match stderr_moves() {
            true => stderr_size().0,
            false => PIPE_WIDTH,
        },
    }
}

/// How a report is shown in a file.
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
pub fn stderr_size() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    let known = size.ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    known.map_or((80, 24), |size| {
        (usize::from(size.ws_col), usize::from(size.ws_row))
    })
}
