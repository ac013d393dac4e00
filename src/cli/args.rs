//! The command line: `verify` and its subcommands. The flags of each stand beside it.

use std::path::PathBuf;

use clap::{Arg, Parser, Subcommand};

use super::{
    cleanup::CleanupArgs,
    diff::{self, DiffArgs},
    explain::{self, ExplainArgs},
    gate::GateArgs,
    history::{self, HistoryArgs},
    lint::{self, LintArgs},
    mutate::MutateArgs,
    options::RunArgs,
    render::RenderArgs,
    rollback::RollbackArgs,
    serve::ServeArgs,
    trace::TraceArgs,
};
use crate::schema::Document;

/// What `--help` says after the options.
const AFTER_HELP: &str = "\
Exit codes:
  0    pass; of a partial run: everything chosen passed
  1    fail, roll back; of a partial run: the candidate failed something chosen
  2    usage or configuration error, or an invalid report
  3    conditional pass (0 with --allow-conditional)
  4    inconclusive: the harness or its environment failed, or a required item did not run
  130  interrupted

Examples:
  verify                                   the whole plan on the shipped gateway
  verify --candidate new.conf --baseline old.conf
  verify --phase 3                         the six items of phase 3: a partial run
  verify --item 4.4,5.1 -v                 two items, with the harness's own log
  verify --tags '@phase-2 and not @item-2.3' --list
  verify --failed                          what failed in the latest run, and nothing else
  verify lint --candidate new.conf         what its files alone say, in milliseconds
  verify gate reports/latest               the verdict of the last run, as exit code
  verify render reports/latest --format markdown --lang ja
  verify trace reports/latest 3.4          one request through the gateway, place by place
  verify --stack compose --project NAME    read-only, on a deployment that runs
  verify --stack compose --project NAME --test-user EMAIL --credentials FILE --deploy --candidate new.conf
  verify rollback --project NAME           the baseline back in its place, proven

Settings come from verify.yaml (the flags' names as keys), then from the environment
(VERIFY_CANDIDATE and so on), then from the flags; each replaces those before.
A pipe and TERM=dumb give plain lines, a line for each item; NO_COLOR leaves the bars and takes
the colours away. --color always and CLICOLOR_FORCE give a pipe colours, too.";

/// Proves whether a new gateway configuration may be deployed.
///
/// Starts the gateway with everything round it, for real, runs the verification plan on it
/// (25 items in 7 phases), and answers with a report and a verdict: pass, conditional pass,
/// or fail: roll back.
#[derive(Debug, Parser)]
#[command(
    name = "verify",
    version,
    max_term_width = 100,
    after_long_help = AFTER_HELP,
    args_conflicts_with_subcommands = true,
    mut_args = name_only,
    mut_subcommands = |command| command.mut_args(name_only)
)]
pub struct Cli {
    #[command(flatten)]
    pub color: colorchoice_clap::Color,
    /// What to do; `run` where nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the plan (this is what `verify` alone does).
    #[command(after_long_help = AFTER_HELP)]
    Run(Box<RunArgs>),
    /// Read plan, profile, candidate and Lua, start nothing, and say what cannot work or cannot
    /// be seen.
    #[command(after_long_help = lint::AFTER_HELP)]
    Lint(Box<LintArgs>),
    /// Say what an item of the plan is about: what the plan asks, what is checked, how the check
    /// shows that it can see, what it catches, and what to do when it fails.
    #[command(after_long_help = explain::AFTER_HELP)]
    Explain(ExplainArgs),
    /// Show what is different between two saved reports or more.
    #[command(after_long_help = diff::AFTER_HELP)]
    Diff(DiffArgs),
    /// Show the runs of the report folder in the order of time, with flaky items and the trend
    /// of times.
    #[command(after_long_help = history::AFTER_HELP)]
    History(HistoryArgs),
    /// Decide from a saved report alone: its verdict as text and exit code.
    Gate(GateArgs),
    /// Show a saved report in any format.
    Render(RenderArgs),
    /// Follow one request of an item through the gateway, by what it left at each place.
    ///
    /// From the client through the access log, the tracking lines of the Lua, Redis and the
    /// upstream to the answer, from a saved report alone.
    Trace(TraceArgs),
    /// Run the plan on broken versions of the candidate and show which items notice.
    ///
    /// Exit 0: every mutant was caught by the items that it breaks and by no other; 1: one was
    /// not, or its text no longer occurs once, or the unmutated gateway does not pass; 4: the
    /// unmutated gateway could not be judged.
    Mutate(Box<MutateArgs>),
    /// Put the baseline back in a deployment: the plan's five steps, each verified, and the
    /// proof that it runs.
    Rollback(Box<RollbackArgs>),
    /// Undo what runs left behind that did not live to do it: in deployments by their ledgers,
    /// and containers whose run is gone.
    Cleanup(CleanupArgs),
    /// Say what a run needs, what of it is missing, and how to get it.
    Doctor,
    /// Run one of the doubles by itself, until interrupted.
    Serve(ServeArgs),
    /// List the words that a plan's steps can be written with.
    Steps,
    /// Print the JSON Schema of a file that verify reads or writes.
    Schema {
        /// The file.
        document: Document,
    },
    /// Write the man pages, one for each command, into a folder.
    Man {
        /// The folder; it is made where it is not there.
        dir: PathBuf,
    },
    /// Print the completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Help shows a variable's name, never its value.
fn name_only(arg: Arg) -> Arg {
    arg.hide_env_values(true)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::gate::ExitStatus;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_documents_every_exit_code() {
        for status in ExitStatus::ALL {
            let line = format!("\n  {:<4} ", status.code());
            assert!(AFTER_HELP.contains(&line), "{status:?}");
        }
    }
}
