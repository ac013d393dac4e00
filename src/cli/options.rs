//! The settings of a run, each written once: clap reads them from flags and environment, serde
//! from `verify.yaml`, and a merge puts the first over the second. A field with `serde(skip)` is a
//! flag's alone.

use std::path::{Path, PathBuf};

use clap::{
    ArgAction, Args, ValueEnum,
    builder::{FalseyValueParser, PossibleValue},
    value_parser,
};
use merge::{Merge, bool::overwrite_false, option::overwrite_none};
use serde::{Deserialize, Deserializer};

use super::formats::{FromFile, Wanted};
use crate::{
    plan::Lang,
    stack::docker::compose::{Allowed, Named},
};

/// What a `verify run` was asked for, or what a settings file says of it.
#[derive(Clone, Debug, Default, Args, Merge)]
#[merge(strategy = Merge::merge)]
pub struct RunArgs {
    #[command(flatten)]
    #[merge(strategy = overwrite_quick)]
    pub what: WhatArgs,
    #[command(flatten)]
    pub files: FileArgs,
    #[command(flatten)]
    pub how: HowArgs,
    #[command(flatten)]
    pub deployment: DeploymentArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Only what failed, and the verdict.
    ///
    /// Standard error gets the items that failed or are inconclusive, as they finish, each with what
    /// was done, expected and seen: no bars, no other item, no line on the settings file or the stack.
    /// Standard output gets the exit code with its meaning and the path of the report in place of the
    /// table; another format that goes there is printed in full. Errors, warnings and files are the
    /// same.
    #[arg(short, long, help_heading = "Output", conflicts_with = "verbose")]
    #[merge(strategy = overwrite_false)]
    pub quiet: bool,
}

#[derive(Clone, Debug, Default, Args, Deserialize)]
#[command(next_help_heading = "What to run")]
#[serde(default, rename_all = "kebab-case")]
pub struct WhatArgs {
    /// Only the items of these phases, for example 3 or 3,4.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    #[serde(skip)]
    pub phase: Vec<String>,
    /// Only these items, for example 3.4 or 3.4,4.1; together with --phase: both.
    #[arg(long, value_name = "N.M", value_delimiter = ',')]
    #[serde(skip)]
    pub item: Vec<String>,
    /// Of those only the ones whose tags fit, for example '@phase-3 and not @item-3.6'.
    #[arg(long, value_name = "EXPR")]
    #[serde(skip)]
    pub tags: Option<String>,
    /// Of those only what is open in the latest run of the report folder: what failed, could not
    /// tell, or was skipped because something that it needs failed. Nothing to run is exit 2.
    #[arg(long)]
    #[serde(skip)]
    pub failed: bool,
    /// Leave out what takes long: the comparison of response times (7.2), and what puts load on
    /// the gateway (X.14 to X.16).
    #[arg(long, env = "VERIFY_QUICK", value_parser = FalseyValueParser::new())]
    pub quick: bool,
    /// Only say what would run, and where it is written.
    #[arg(long, conflicts_with = "dry_run")]
    #[serde(skip)]
    pub list: bool,
    /// Check inputs and plan, and start nothing.
    #[arg(long)]
    #[serde(skip)]
    pub dry_run: bool,
    /// Run so many times, one after another; the worst exit code counts.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=10_000))]
    #[serde(skip)]
    pub repeat: Option<u32>,
}

#[derive(Clone, Debug, Default, Args, Deserialize, Merge)]
#[command(next_help_heading = "Files")]
#[serde(default, rename_all = "kebab-case")]
#[merge(strategy = overwrite_none)]
pub struct FileArgs {
    /// The configuration under test [default: fixtures/gateway/nginx_v11.1.conf].
    #[arg(long, value_name = "FILE", env = "VERIFY_CANDIDATE")]
    pub candidate: Option<PathBuf>,
    /// The configuration that it replaces [default: fixtures/gateway/nginx_v10.conf].
    #[arg(long, value_name = "FILE", env = "VERIFY_BASELINE")]
    pub baseline: Option<PathBuf>,
    /// The candidate's Lua modules [default: fixtures/gateway/lua].
    #[arg(long, value_name = "DIR", env = "VERIFY_LUA")]
    pub lua: Option<PathBuf>,
    /// The candidate's pages [default: fixtures/gateway/html].
    #[arg(long, value_name = "DIR", env = "VERIFY_HTML")]
    pub html: Option<PathBuf>,
    /// Further resty.* modules.
    #[arg(long, value_name = "DIR", env = "VERIFY_LUALIB")]
    pub lualib: Option<PathBuf>,
    /// The baseline's Lua modules, where they differ from the candidate's.
    #[arg(long, value_name = "DIR", env = "VERIFY_BASELINE_LUA")]
    pub baseline_lua: Option<PathBuf>,
    /// The baseline's pages, where they differ from the candidate's.
    #[arg(long, value_name = "DIR", env = "VERIFY_BASELINE_HTML")]
    pub baseline_html: Option<PathBuf>,
    /// The configuration of oauth2-proxy [default: fixtures/auth-proxy/oauth2-proxy.cfg].
    #[arg(long, value_name = "FILE", env = "VERIFY_AUTH_PROXY")]
    pub auth_proxy: Option<PathBuf>,
    /// The gateway's surface: a name in fixtures/profiles, or a file [default: plan].
    #[arg(long, value_name = "NAME|FILE", env = "VERIFY_PROFILE")]
    pub profile: Option<PathBuf>,
    /// The plan bundle: plan.yaml and its feature files [default: features].
    #[arg(long, value_name = "DIR", env = "VERIFY_PLAN")]
    pub plan: Option<PathBuf>,
    /// Settings from this file in place of ./verify.yaml.
    #[arg(long, value_name = "FILE", env = "VERIFY_CONFIG")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Args, Deserialize, Merge)]
#[command(next_help_heading = "How to run and judge")]
#[serde(default, rename_all = "kebab-case")]
#[merge(strategy = overwrite_none)]
pub struct HowArgs {
    /// Where the gateway runs [default: auto].
    #[arg(long, value_enum, env = "VERIFY_STACK")]
    pub stack: Option<StackKind>,
    /// What happens where the sandbox lacks a protection [default: best-effort; in CI: strict].
    #[arg(long, value_enum, env = "VERIFY_SANDBOX")]
    #[serde(skip)]
    pub sandbox: Option<SandboxKind>,
    /// What a person does is done in this browser [default: built-in].
    #[arg(long, value_enum, env = "VERIFY_BROWSER")]
    pub browser: Option<BrowserKind>,
    /// What answers for the models; the real LiteLLM needs the sandbox [default: double].
    #[arg(long, value_enum, env = "VERIFY_UPSTREAM")]
    pub upstream: Option<UpstreamKind>,
    /// Whether to put the baseline back in a deployment [default: on-fail with --deploy, else never].
    #[arg(long, value_enum, env = "VERIFY_ROLLBACK")]
    pub rollback: Option<RollbackPolicy>,
    /// Exit 0, not 3, on a conditional pass.
    #[arg(long, env = "VERIFY_ALLOW_CONDITIONAL", value_parser = FalseyValueParser::new())]
    #[merge(strategy = overwrite_false)]
    pub allow_conditional: bool,
    /// Let the plan bundle run its own scripts (the step `the script "…" is run`).
    #[arg(long)]
    #[serde(skip)]
    #[merge(strategy = overwrite_false)]
    pub allow_scripts: bool,
    /// How long a run may take before it is broken off [default: 60 with --stack sandbox and without a real LiteLLM or browser, else 180].
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u32).range(1..=86_400), env = "VERIFY_DEADLINE")]
    pub deadline: Option<u32>,
    #[cfg(feature = "fault-injection")]
    #[command(flatten)]
    #[serde(skip)]
    #[merge(skip)]
    pub faults: super::faults::FaultArgs,
}

#[derive(Clone, Debug, Default, Args, Deserialize, Merge)]
#[command(next_help_heading = "A deployment (--stack compose)")]
#[serde(default, rename_all = "kebab-case")]
#[merge(strategy = overwrite_none)]
pub struct DeploymentArgs {
    /// The compose project.
    #[arg(long, value_name = "NAME", env = "VERIFY_PROJECT")]
    pub project: Option<String>,
    /// The compose file that it was started with.
    #[arg(long, value_name = "FILE", env = "VERIFY_COMPOSE_FILE")]
    pub compose_file: Option<PathBuf>,
    /// The public site as a browser has it, in place of the profile's: http://HOST[:PORT].
    #[arg(long, value_name = "URL", env = "VERIFY_SITE")]
    pub site: Option<String>,
    /// Allow phases 2 to 6: logins, tokens, and bans of this user and nobody else.
    #[arg(long, value_name = "EMAIL", env = "VERIFY_TEST_USER")]
    pub test_user: Option<String>,
    /// The admin's session: a file with the value of its cookie; or VERIFY_SESSION_COOKIE.
    #[arg(long, value_name = "FILE")]
    pub session_cookie_file: Option<PathBuf>,
    /// Passwords for logins: a YAML file, e-mail: password.
    #[arg(long, value_name = "FILE", env = "VERIFY_CREDENTIALS")]
    pub credentials: Option<PathBuf>,
    /// Allow phases 1 and 7: put the candidate in place of what runs, and restart.
    #[arg(long)]
    #[serde(skip)]
    #[merge(strategy = overwrite_false)]
    pub deploy: bool,
    /// Where the configuration is mounted read-only, edit the host's file in place.
    #[arg(long)]
    #[serde(skip)]
    #[merge(strategy = overwrite_false)]
    pub allow_host_edit: bool,
}

impl DeploymentArgs {
    pub fn named(&self) -> Named {
        Named {
            project: self.project.clone(),
            compose_file: self.compose_file.clone(),
        }
    }

    pub fn allowed(&self) -> Allowed {
        Allowed {
            test_user: self.test_user.clone(),
            deploy: self.deploy,
            host_edit: self.allow_host_edit,
        }
    }
}

#[derive(Clone, Debug, Default, Args, Deserialize, Merge)]
#[command(next_help_heading = "Output")]
#[serde(default, rename_all = "kebab-case")]
#[merge(strategy = overwrite_none)]
pub struct OutputArgs {
    /// Where runs write their reports [default: reports].
    #[arg(long, value_name = "DIR", env = "VERIFY_REPORT_DIR")]
    pub report_dir: Option<PathBuf>,
    /// A form of the report and the file that it goes to, any number of times; without =PATH, or
    /// with =-, standard output, which else gets the table.
    ///
    /// The names: table, json, markdown, junit, ctrf, tap (14), cucumber-messages, github (workflow
    /// commands, and a summary of the step; where GITHUB_ACTIONS is true and no format is named for
    /// standard output, it goes below the table by itself), sarif (what the linter found). A file that cannot be
    /// written makes a pass inconclusive and leaves a fail one. VERIFY_FORMAT may name several,
    /// with commas or blanks between.
    // The variable stands between flags and file and has a syntax of its own: `Formats::find`.
    #[arg(long, value_name = "NAME[=PATH]")]
    #[serde(deserialize_with = "one_or_more")]
    #[merge(skip)]
    pub format: Vec<Wanted>,
    /// The language of the report [default: en].
    #[arg(long, value_enum, env = "VERIFY_LANG")]
    pub lang: Option<Lang>,
    /// The harness's own log on standard error; -vv for more.
    #[arg(short, long, action = ArgAction::Count)]
    #[serde(skip)]
    #[merge(skip)]
    pub verbose: u8,
}

/// Only `quick` is a key of a file.
fn overwrite_quick(typed: &mut WhatArgs, file: WhatArgs) {
    overwrite_false(&mut typed.quick, file.quick);
}

fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Wanted>, D::Error> {
    FromFile::deserialize(from).map(|formats| formats.0)
}

impl RunArgs {
    /// Makes the paths of a settings file relative to its folder. A profile may be a name, which is
    /// none.
    pub fn place(&mut self, folder: &Path) {
        let Self {
            files,
            deployment,
            output,
            ..
        } = self;
        let profile = files.profile.as_mut().filter(|path| !is_name(path));
        let others = [
            &mut files.candidate,
            &mut files.baseline,
            &mut files.lua,
            &mut files.html,
            &mut files.lualib,
            &mut files.baseline_lua,
            &mut files.baseline_html,
            &mut files.auth_proxy,
            &mut files.plan,
            &mut deployment.compose_file,
            &mut deployment.session_cookie_file,
            &mut deployment.credentials,
            &mut output.report_dir,
        ];
        for path in others.into_iter().flatten().chain(profile) {
            *path = folder.join(&*path);
        }
        let mut formats = FromFile(std::mem::take(&mut output.format));
        formats.place(folder);
        output.format = formats.0;
    }
}

/// A profile is a name unless it looks like a path.
pub fn is_name(profile: &Path) -> bool {
    profile.components().count() == 1 && profile.extension().is_none()
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

impl ValueEnum for Lang {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::En, Self::Ja]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::En => PossibleValue::new("en").help("English"),
            Self::Ja => PossibleValue::new("ja").help("Japanese"),
        })
    }
}
