//! The command line: one file per subcommand. Nothing here decides anything about a gateway.

mod args;
mod cleanup;
mod deployment;
mod diff;
mod doctor;
mod error;
mod explain;
mod failed;
#[cfg(feature = "fault-injection")]
mod faults;
mod formats;
mod gate;
mod history;
mod inputs;
mod lint;
mod live;
mod manual;
mod mutate;
mod options;
mod out;
mod pipeline;
mod place;
mod process;
mod record;
mod render;
mod rollback;
mod run;
mod run_plan;
mod serve;
mod settings;
mod shipped;
mod show;
mod steps;
mod trace;
mod worker;

use std::time::Instant;

use clap::Parser as _;
use rustix::process::{Resource, Rlimit, setrlimit};

pub use args::Cli;
pub use error::CliError;

use crate::{evidence::Redactor, gate::ExitStatus};
use args::Command;

/// Does what the command line says and returns the exit code.
#[must_use]
pub fn main(started: Instant) -> ExitStatus {
    quiet_panics();
    no_core_dumps();
    // A panic anywhere is a defect of this program: it must not look like a verdict, and the
    // words that it died with may hold a secret.
    let done = std::panic::catch_unwind(|| match worker::asked() {
        Some(args) => worker::worker(&args),
        None => dispatch(Cli::parse(), started),
    });
    match done {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => {
            out::complain(&error);
            error.status
        }
        Err(_) => ExitStatus::Inconclusive,
    }
}

fn dispatch(cli: Cli, started: Instant) -> Result<ExitStatus, CliError> {
    cli.color.write_global();
    match cli.command {
        None => run::run(cli.run, started),
        Some(Command::Run(args)) => run::run(*args, started),
        Some(Command::Lint(args)) => lint::lint(*args),
        Some(Command::Explain(args)) => explain::explain(args),
        Some(Command::Diff(args)) => diff::diff(&args),
        Some(Command::History(args)) => history::history(args),
        Some(Command::Gate(args)) => gate::gate(&args),
        Some(Command::Render(args)) => render::render(args),
        Some(Command::Trace(args)) => trace::trace(&args),
        Some(Command::Mutate(args)) => mutate::mutate(*args, started),
        Some(Command::Rollback(args)) => rollback::rollback(*args),
        Some(Command::Cleanup(args)) => cleanup::cleanup(&args),
        Some(Command::Doctor) => doctor::doctor(),
        Some(Command::Serve(args)) => serve::serve(args),
        Some(Command::Steps) => steps::steps(),
        Some(Command::Schema { document }) => manual::schema(document),
        Some(Command::Man { dir }) => manual::man(&dir),
        Some(Command::Completions { shell }) => manual::completions(shell),
    }
}

fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        let redactor = Redactor::new();
        out::complain(format_args!(
            "error: a defect of verify, please report it: {}",
            redactor.redact(&info.to_string())
        ));
    }));
}

/// A core dump of this program, or of what it starts, would hold every secret of the run.
fn no_core_dumps() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // Lowering a limit is never refused.
    let _ = setrlimit(Resource::Core, none);
}
