//! The command line as typed. What it means is in [`super::settings`].

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use serde::Deserialize;

use super::formats::Wanted;
use super::reading::{
    AFTER_DIFF, AFTER_EXPLAIN, AFTER_HISTORY, DiffArgs, ExplainArgs, HistoryArgs,
};
use crate::{
    gate,
    plan::{self, ItemId},
    schema::Document,
};

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
the colours away.";

/// What `lint --help` says after the options.
const AFTER_LINT: &str = "\
Exit codes:
  0    no finding, or only notes
  1    findings at level error or warning
  2    usage or configuration error

A rule that is not sure keeps silent. The same findings stand in the report of a run, where
they have no part in the verdict.";

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
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// What to do; `run` where nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags of `run`.
    #[command(flatten)]
    pub run: RunArgs,
}

/// A subcommand.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the plan (this is what `verify` alone does).
    #[command(after_long_help = AFTER_HELP)]
    Run(Box<RunArgs>),
    /// Read plan, profile, candidate and Lua, start nothing, and say what cannot work or cannot
    /// be seen.
    #[command(after_long_help = AFTER_LINT)]
    Lint(Box<LintArgs>),
    /// Say what an item of the plan is about: what the plan asks, what is checked, how the check
    /// shows that it can see, what it catches, and what to do when it fails.
    #[command(after_long_help = AFTER_EXPLAIN)]
    Explain(ExplainArgs),
    /// Show what is different between two saved reports or more.
    #[command(after_long_help = AFTER_DIFF)]
    Diff(DiffArgs),
    /// Show the runs of the report folder in the order of time, with flaky items and the trend
    /// of times.
    #[command(after_long_help = AFTER_HISTORY)]
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

/// The flags of `run`.
#[derive(Clone, Debug, Default, Args)]
pub struct RunArgs {
    /// Only the items of these phases, for example 3 or 3,4.
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        help_heading = "What to run"
    )]
    pub phase: Vec<String>,
    /// Only these items, for example 3.4 or 3.4,4.1; together with --phase: both.
    #[arg(
        long,
        value_name = "N.M",
        value_delimiter = ',',
        help_heading = "What to run"
    )]
    pub item: Vec<String>,
    /// Of those only the ones whose tags fit, for example '@phase-3 and not @item-3.6'.
    #[arg(long, value_name = "EXPR", help_heading = "What to run")]
    pub tags: Option<String>,
    /// Of those only what is open in the latest run of the report folder: what failed, could not
    /// tell, or was skipped because something that it needs failed. Nothing to run is exit 2.
    #[arg(long, help_heading = "What to run")]
    pub failed: bool,
    /// Leave out what takes long: the comparison of response times (7.2), and what puts load on
    /// the gateway (X.14 to X.16).
    #[arg(
        long,
        help_heading = "What to run",
        env = "VERIFY_QUICK", value_parser = clap::builder::FalseyValueParser::new(),
        hide_env_values = true
    )]
    pub quick: bool,
    /// Only say what would run, and where it is written.
    #[arg(long, help_heading = "What to run", conflicts_with = "dry_run")]
    pub list: bool,
    /// Check inputs and plan, and start nothing.
    #[arg(long, help_heading = "What to run")]
    pub dry_run: bool,
    /// Run so many times, one after another; the worst exit code counts.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "What to run")]
    pub repeat: Option<u32>,

    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub how: HowArgs,
    #[command(flatten)]
    pub deployment: DeploymentArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The flags that name a deployment, and what may be done there.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "A deployment (--stack compose)")]
pub struct DeploymentArgs {
    /// The compose project.
    #[arg(
        long,
        value_name = "NAME",
        env = "VERIFY_PROJECT",
        hide_env_values = true
    )]
    pub project: Option<String>,
    /// The compose file that it was started with.
    #[arg(
        long,
        value_name = "FILE",
        env = "VERIFY_COMPOSE_FILE",
        hide_env_values = true
    )]
    pub compose_file: Option<PathBuf>,
    /// The public site as a browser has it, in place of the profile's: http://HOST[:PORT].
    #[arg(long, value_name = "URL", env = "VERIFY_SITE", hide_env_values = true)]
    pub site: Option<String>,
    /// Allow phases 2 to 6: logins, tokens, and bans of this user and nobody else.
    #[arg(
        long,
        value_name = "EMAIL",
        env = "VERIFY_TEST_USER",
        hide_env_values = true
    )]
    pub test_user: Option<String>,
    /// The admin's session: a file with the value of its cookie; or VERIFY_SESSION_COOKIE.
    #[arg(long, value_name = "FILE")]
    pub session_cookie_file: Option<PathBuf>,
    /// Passwords for logins: a YAML file, e-mail: password.
    #[arg(
        long,
        value_name = "FILE",
        env = "VERIFY_CREDENTIALS",
        hide_env_values = true
    )]
    pub credentials: Option<PathBuf>,
    /// Allow phases 1 and 7: put the candidate in place of what runs, and restart.
    #[arg(long)]
    pub deploy: bool,
    /// Where the configuration is mounted read-only, edit the host's file in place.
    #[arg(long)]
    pub allow_host_edit: bool,
}

/// The flags of `mutate`.
#[derive(Clone, Debug, Default, Args)]
pub struct MutateArgs {
    /// The catalogue: a YAML file, or a folder of them [default: fixtures/mutants].
    #[arg(long, value_name = "PATH")]
    pub mutants: Option<PathBuf>,
    /// Only these mutants, by their ids.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub id: Vec<String>,
    /// How many runs go on at once.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// Another plan to run on every mutant as well: how many does it miss?
    #[arg(long, value_name = "DIR")]
    pub compare: Option<PathBuf>,
    /// Let the plan bundles run their own scripts (the step `the script "…" is run`).
    #[arg(long)]
    pub allow_scripts: bool,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The flags of `rollback`.
#[derive(Clone, Debug, Default, Args)]
pub struct RollbackArgs {
    #[command(flatten)]
    pub deployment: DeploymentArgs,
    /// The gateway's surface: a name in fixtures/profiles, or a file [default: plan].
    #[arg(
        long,
        value_name = "NAME|FILE",
        env = "VERIFY_PROFILE",
        hide_env_values = true
    )]
    pub profile: Option<PathBuf>,
    /// The plan bundle that the proof is taken from [default: features].
    #[arg(long, value_name = "DIR", env = "VERIFY_PLAN", hide_env_values = true)]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The flags of `cleanup`.
#[derive(Clone, Debug, Default, Args)]
pub struct CleanupArgs {
    /// Only say what would be removed and undone.
    #[arg(long)]
    pub dry_run: bool,
    /// The gateway's surface: a name in fixtures/profiles, or a file [default: plan].
    #[arg(
        long,
        value_name = "NAME|FILE",
        env = "VERIFY_PROFILE",
        hide_env_values = true
    )]
    pub profile: Option<PathBuf>,
}

/// The flags of `lint`.
#[derive(Clone, Debug, Default, Args)]
pub struct LintArgs {
    /// A form of the findings and the file that it goes to, any number of times: table, json,
    /// sarif, github. Without =PATH, or with =-, standard output, which else gets the table.
    #[arg(long, value_name = "NAME[=PATH]", help_heading = "Output")]
    pub format: Vec<Wanted>,
    /// The language of the findings [default: en].
    #[arg(
        long,
        value_enum,
        env = "VERIFY_LANG",
        hide_env_values = true,
        help_heading = "Output"
    )]
    pub lang: Option<Lang>,
    /// The harness's own log on standard error; -vv for more.
    #[arg(short, long, action = ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,
    #[command(flatten)]
    pub files: FileArgs,
}

/// The flags that name files.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Files")]
pub struct FileArgs {
    /// The configuration under test [default: fixtures/gateway/nginx_v11.1.conf].
    #[arg(
        long,
        value_name = "FILE",
        env = "VERIFY_CANDIDATE",
        hide_env_values = true
    )]
    pub candidate: Option<PathBuf>,
    /// The configuration that it replaces [default: fixtures/gateway/nginx_v10.conf].
    #[arg(
        long,
        value_name = "FILE",
        env = "VERIFY_BASELINE",
        hide_env_values = true
    )]
    pub baseline: Option<PathBuf>,
    /// The candidate's Lua modules [default: fixtures/gateway/lua].
    #[arg(long, value_name = "DIR", env = "VERIFY_LUA", hide_env_values = true)]
    pub lua: Option<PathBuf>,
    /// The candidate's pages [default: fixtures/gateway/html].
    #[arg(long, value_name = "DIR", env = "VERIFY_HTML", hide_env_values = true)]
    pub html: Option<PathBuf>,
    /// Further resty.* modules.
    #[arg(
        long,
        value_name = "DIR",
        env = "VERIFY_LUALIB",
        hide_env_values = true
    )]
    pub lualib: Option<PathBuf>,
    /// The baseline's Lua modules, where they differ from the candidate's.
    #[arg(
        long,
        value_name = "DIR",
        env = "VERIFY_BASELINE_LUA",
        hide_env_values = true
    )]
    pub baseline_lua: Option<PathBuf>,
    /// The baseline's pages, where they differ from the candidate's.
    #[arg(
        long,
        value_name = "DIR",
        env = "VERIFY_BASELINE_HTML",
        hide_env_values = true
    )]
    pub baseline_html: Option<PathBuf>,
    /// The configuration of oauth2-proxy [default: fixtures/auth-proxy/oauth2-proxy.cfg].
    #[arg(
        long,
        value_name = "FILE",
        env = "VERIFY_AUTH_PROXY",
        hide_env_values = true
    )]
    pub auth_proxy: Option<PathBuf>,
    /// The gateway's surface: a name in fixtures/profiles, or a file [default: plan].
    #[arg(
        long,
        value_name = "NAME|FILE",
        env = "VERIFY_PROFILE",
        hide_env_values = true
    )]
    pub profile: Option<PathBuf>,
    /// The plan bundle: plan.yaml and its feature files [default: features].
    #[arg(long, value_name = "DIR", env = "VERIFY_PLAN", hide_env_values = true)]
    pub plan: Option<PathBuf>,
    /// Settings from this file in place of ./verify.yaml.
    #[arg(
        long,
        value_name = "FILE",
        env = "VERIFY_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,
}

/// The flags that say how to run and judge.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "How to run and judge")]
pub struct HowArgs {
    /// Where the gateway runs [default: auto].
    #[arg(long, value_enum, env = "VERIFY_STACK", hide_env_values = true)]
    pub stack: Option<StackKind>,
    /// What happens where the sandbox lacks a protection [default: best-effort; in CI: strict].
    #[arg(long, value_enum, env = "VERIFY_SANDBOX", hide_env_values = true)]
    pub sandbox: Option<SandboxKind>,
    /// What a person does is done in this browser [default: built-in].
    #[arg(long, value_enum, env = "VERIFY_BROWSER", hide_env_values = true)]
    pub browser: Option<BrowserKind>,
    /// What answers for the models; the real LiteLLM needs the sandbox [default: double].
    #[arg(long, value_enum, env = "VERIFY_UPSTREAM", hide_env_values = true)]
    pub upstream: Option<UpstreamKind>,
    /// Whether to put the baseline back in a deployment [default: on-fail with --deploy, else never].
    #[arg(long, value_enum, env = "VERIFY_ROLLBACK", hide_env_values = true)]
    pub rollback: Option<RollbackPolicy>,
    /// Exit 0, not 3, on a conditional pass.
    #[arg(long, env = "VERIFY_ALLOW_CONDITIONAL", value_parser = clap::builder::FalseyValueParser::new(), hide_env_values = true)]
    pub allow_conditional: bool,
    /// Let the plan bundle run its own scripts (the step `the script "…" is run`).
    #[arg(long)]
    pub allow_scripts: bool,
    /// How long a run may take before it is broken off [default: 60 with --stack sandbox and without a real LiteLLM or browser, else 180].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400), env = "VERIFY_DEADLINE", hide_env_values = true)]
    pub deadline: Option<u32>,
    /// What is to be wrong.
    #[cfg(feature = "fault-injection")]
    #[command(flatten)]
    pub faults: super::faults::FaultArgs,
}

/// The flags that say what comes out.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Where runs write their reports [default: reports].
    #[arg(
        long,
        value_name = "DIR",
        env = "VERIFY_REPORT_DIR",
        hide_env_values = true
    )]
    pub report_dir: Option<PathBuf>,
    /// A form of the report and the file that it goes to, any number of times; without =PATH, or
    /// with =-, standard output, which else gets the table.
    ///
    /// The names: table, json, markdown, junit, ctrf, tap (14), cucumber-messages, github (workflow
    /// commands, and a summary of the step; where GITHUB_ACTIONS is true and no format is named for
    /// standard output, it goes below the table by itself), sarif (what the linter found). A file that cannot be
    /// written makes a pass inconclusive and leaves a fail one. VERIFY_FORMAT may name several,
    /// with commas or blanks between.
    #[arg(long, value_name = "NAME[=PATH]")]
    pub format: Vec<Wanted>,
    /// The language of the report [default: en].
    #[arg(long, value_enum, env = "VERIFY_LANG", hide_env_values = true)]
    pub lang: Option<Lang>,
    /// The harness's own log on standard error; -vv for more.
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
}

/// The flags of `gate`.
#[derive(Debug, Args)]
pub struct GateArgs {
    /// A report.json, the folder of a run, or its events.ndjson.
    #[arg(value_name = "REPORT.json")]
    pub report: PathBuf,
    /// Exit 0, not 3, on a conditional pass.
    #[arg(long)]
    pub allow_conditional: bool,
    /// Exit 0, not 4, on a partial run that passed; the first line lists what was not verified.
    #[arg(long)]
    pub allow_partial: bool,
    /// Refuse a run that ended longer ago: a number and s, m, h or d.
    #[arg(long, value_name = "AGE", value_parser = gate::parse_age)]
    pub max_age: Option<Duration>,
    /// Refuse a report of another run.
    #[arg(long, value_name = "ID")]
    pub run: Option<String>,
    #[command(flatten)]
    pub files: GateFiles,
}

/// The files that are to be deployed. Each must be the one of the report, byte by byte.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is to be deployed")]
pub struct GateFiles {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub candidate: Option<PathBuf>,
    /// The configuration that it replaces.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// The Lua modules, every file.
    #[arg(long, value_name = "DIR")]
    pub lua: Option<PathBuf>,
    /// The pages, every file.
    #[arg(long, value_name = "DIR")]
    pub html: Option<PathBuf>,
    /// Further resty.* modules, every file.
    #[arg(long, value_name = "DIR")]
    pub lualib: Option<PathBuf>,
    /// The configuration of oauth2-proxy.
    #[arg(long, value_name = "FILE")]
    pub auth_proxy: Option<PathBuf>,
    /// The profile: a name in fixtures/profiles, or a file.
    #[arg(long, value_name = "NAME|FILE")]
    pub profile: Option<PathBuf>,
    /// The plan bundle, every file.
    #[arg(long, value_name = "DIR")]
    pub plan: Option<PathBuf>,
}

/// The flags of `render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// A report.json, the folder of a run, or its events.ndjson.
    #[arg(value_name = "REPORT.json")]
    pub report: PathBuf,
    /// A form of the report and the file that it goes to, any number of times, as for `run`.
    #[arg(long, value_name = "NAME[=PATH]")]
    pub format: Vec<Wanted>,
    /// The language.
    #[arg(long, value_enum, default_value_t = Lang::En)]
    pub lang: Lang,
    /// A mutation.json of `verify mutate`, for the page of `--format html` [default: the one in
    /// the run's folder, where there is one].
    #[arg(long, value_name = "FILE")]
    pub matrix: Option<PathBuf>,
}

/// The flags of `trace`.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// A report.json, the folder of a run, or its events.ndjson.
    #[arg(value_name = "REPORT")]
    pub report: PathBuf,
    /// The item, e.g. 3.4
    #[arg(value_name = "ITEM")]
    pub item: ItemId,
    /// The language.
    #[arg(long, value_enum, default_value_t = Lang::En)]
    pub lang: Lang,
}

/// The flags of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Which double.
    #[arg(value_enum)]
    pub double: Double,
    /// The port; 0 takes a free one.
    #[arg(long, value_name = "N")]
    pub port: u16,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: std::net::IpAddr,
    /// A domain that it is reached by, repeatable. The control path refuses other domains in `Host`;
    /// addresses, names without a dot and the host of --issuer are always accepted.
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// Listen off the loopback with secrets that are known to everybody: in a private network.
    #[arg(long)]
    pub insecure_test_secrets: bool,
    /// auth0: the URL that it is known by [default: the address that it listens on].
    #[arg(long, value_name = "URL")]
    pub issuer: Option<String>,
    /// auth0: the client that it knows; its secret comes from VERIFY_CLIENT_SECRET.
    #[arg(long, value_name = "ID", default_value = "verify")]
    pub client_id: String,
    /// auth0: where a person may be sent back to; compared whole, repeatable.
    #[arg(long, value_name = "URL", default_value = "http://localhost")]
    pub callback: Vec<String>,
    /// auth0: where a person may be sent after a logout; compared whole, repeatable
    /// [default: the callbacks].
    #[arg(long, value_name = "URL")]
    pub logout: Vec<String>,
    /// auth0: who can log in, repeatable [default: user@example.com:password].
    /// The environment may name them in VERIFY_USERS, with spaces between.
    #[arg(
        long,
        value_name = "EMAIL:PASSWORD",
        value_delimiter = ' ',
        env = "VERIFY_USERS",
        hide_env_values = true
    )]
    pub user: Vec<String>,
    /// litellm: a model that it serves, repeatable.
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ' ',
        env = "VERIFY_MODELS",
        hide_env_values = true,
        default_value = "claude-sonnet-4-20250514"
    )]
    pub model: Vec<String>,
}

/// A double that `serve` runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Double {
    /// The identity provider.
    Auth0,
    /// The upstream.
    Litellm,
}

/// Where the gateway runs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum StackKind {
    /// The best that there is.
    #[default]
    Auto,
    /// As processes in private namespaces.
    Sandbox,
    /// As containers on a private network.
    Containers,
    /// A deployment that already runs.
    Compose,
}

/// What happens where the sandbox lacks a protection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum SandboxKind {
    /// No run.
    Strict,
    /// A run without it, where it can do without, which says so.
    BestEffort,
}

impl Default for SandboxKind {
    /// Strict where the environment says that this is CI.
    fn default() -> Self {
        match std::env::var("CI").is_ok_and(|value| value == "true" || value == "1") {
            true => Self::Strict,
            false => Self::BestEffort,
        }
    }
}

/// What a person's part is done with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum BrowserKind {
    /// A client that follows redirects and keeps cookies; it shows nothing and runs no script.
    #[default]
    BuiltIn,
    /// Headless Chromium, with pictures of what it shows.
    Chromium,
}

/// What answers for the models.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum UpstreamKind {
    /// The double of LiteLLM.
    #[default]
    Double,
    /// The real LiteLLM, with a model that says what it was told.
    Litellm,
}

/// Whether to put the baseline back in a deployment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum RollbackPolicy {
    /// Only say that it must be done.
    #[default]
    Never,
    /// When the verdict is fail.
    OnFail,
    /// Whatever the verdict.
    Always,
}

/// A language.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Japanese.
    Ja,
}

impl From<Lang> for plan::Lang {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::En => Self::En,
            Lang::Ja => Self::Ja,
        }
    }
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
