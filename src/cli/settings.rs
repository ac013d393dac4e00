//! What the command line means: defaults, replaced by the file `verify.yaml`, replaced by the
//! environment, replaced by the flags. Clap puts flags over the environment; the rest is here.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use clap::ValueEnum as _;
use merge::Merge as _;
use serde::{
    Deserializer,
    de::{self, DeserializeOwned, Visitor},
    forward_to_deserialize_any,
};
use serde_saphyr::Spanned;

use super::{
    error::CliError,
    formats::{Formats, FromFile, To},
    options::{
        BrowserKind, DeploymentArgs, FileArgs, HowArgs, OutputArgs, RollbackPolicy, RunArgs,
        SandboxKind, StackKind, UpstreamKind, WhatArgs,
    },
    out,
    shipped::{profile_file, shipped},
};
use crate::{
    digest::sha256,
    engine::GatewayFiles,
    plan::{Choice, Lang},
    report::FileRef,
    yaml::{self, YamlError},
};

/// The file that settings are read from, where it is there.
pub const CONFIG: &str = "verify.yaml";

/// Where reports go by default.
const REPORTS: &str = "reports";

/// Everything that a run needs to know, settled; paths as given.
#[derive(Clone, Debug)]
pub struct Settings {
    pub choice: Choice,
    pub files: GatewayFiles,
    pub profile: PathBuf,
    pub plan: PathBuf,
    pub report_dir: PathBuf,
    /// The settings file, where one was read.
    pub config: Option<FileRef>,
    pub stack: StackKind,
    pub sandbox: SandboxKind,
    pub browser: BrowserKind,
    pub upstream: UpstreamKind,
    pub rollback: RollbackPolicy,
    pub allow_conditional: bool,
    pub allow_scripts: bool,
    pub quick: bool,
    pub quiet: bool,
    /// How long a run may take, in seconds.
    pub deadline: u32,
    pub formats: Formats,
    pub lang: Lang,
    /// How many runs.
    pub repeat: u32,
    /// What is to be wrong.
    #[cfg(feature = "fault-injection")]
    pub injection: Option<crate::stack::fake::Injection>,
    pub named: NamedFiles,
    pub deployment: DeploymentArgs,
}

/// What was named, and not left to its default.
#[derive(Clone, Copy, Debug, Default)]
pub struct NamedFiles {
    pub candidate: bool,
    pub baseline: bool,
    /// Lua modules or pages, which are a deployment's own.
    pub assets: bool,
}

/// The keys of a `verify.yaml` that nobody named: files of the gateway, and taste. Whatever
/// judges, permits or is written to needs `--config` or a flag.
const IMPLICIT_FILES: [&str; 7] = [
    "candidate",
    "baseline",
    "lua",
    "html",
    "lualib",
    "baseline-lua",
    "baseline-html",
];
const IMPLICIT_TASTE: [&str; 7] = [
    "stack", "browser", "upstream", "quick", "deadline", "format", "lang",
];

/// The keys of a settings file that hold a `T`, as serde knows them.
fn keys<T: DeserializeOwned>() -> &'static [&'static str] {
    struct Keys<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Keys<'_> {
        type Error = de::value::Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            Err(de::Error::custom("the keys are all that is asked for"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(de::Error::custom("no struct"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut keys: &'static [&'static str] = &[];
    // The error is how it ends.
    let _ = T::deserialize(Keys(&mut keys));
    keys
}

/// A settings file: each of its keys is a setting of one group.
fn parse(text: &str, path: &Path) -> Result<RunArgs, YamlError> {
    let known = [
        keys::<WhatArgs>(),
        keys::<FileArgs>(),
        keys::<HowArgs>(),
        keys::<DeploymentArgs>(),
        keys::<OutputArgs>(),
    ]
    .concat();
    yaml::known_keys(text, path, &known)?;
    Ok(RunArgs {
        what: yaml::parse(text, path)?,
        files: yaml::parse(text, path)?,
        how: yaml::parse(text, path)?,
        deployment: yaml::parse(text, path)?,
        output: yaml::parse(text, path)?,
        quiet: false,
    })
}

/// What the file says that was named, else `verify.yaml` where it is there; and which it was.
fn from_file(named: Option<&Path>, quiet: bool) -> Result<(RunArgs, Option<FileRef>), CliError> {
    let path = named.unwrap_or(Path::new(CONFIG));
    if named.is_none() && !path.exists() && !path.is_symlink() {
        return Ok(Default::default());
    }
    let text = yaml::text(path)?;
    let mut settings = parse(&text, path)?;
    if named.is_none() {
        permit_implicit(&settings, &text, path)?;
    }
    settings.place(path.parent().unwrap_or(Path::new("")));
    if !quiet {
        out::complain(format_args!("configuration: {}", path.display()));
    }
    let file = FileRef {
        path: path.to_owned(),
        sha256: sha256(text.as_bytes()),
    };
    Ok((settings, Some(file)))
}

/// Refuses what a file that nobody named may not set.
fn permit_implicit(settings: &RunArgs, text: &str, path: &Path) -> Result<(), CliError> {
    let keys: BTreeMap<String, Spanned<serde_json::Value>> = yaml::parse(text, path)?;
    for (key, value) in keys {
        let text = value.value.as_str().unwrap_or_default();
        let allowed = match key.as_str() {
            "stack" => text != "compose",
            "format" => (settings.output.format.iter()).all(|one| one.to == To::Stdout),
            key if IMPLICIT_FILES.contains(&key) => is_below(Path::new(text)),
            key => IMPLICIT_TASTE.contains(&key),
        };
        if !allowed {
            let (line, path) = (value.referenced.line(), path.display());
            return Err(CliError::usage(format!(
                "{path}:{line}: `{key}` needs --config {CONFIG} or the flag --{key}"
            ))
            .hint(format!(
                "a {CONFIG} that was not named sets only files below its folder ({}) and {}, \
                 with formats for standard output and no deployment",
                IMPLICIT_FILES.join(", "),
                IMPLICIT_TASTE.join(", "),
            )));
        }
    }
    Ok(())
}

/// Whether a path leads no further up than where it begins.
fn is_below(path: &Path) -> bool {
    path.components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

impl Settings {
    /// Where reports go, also where the rest cannot be settled.
    pub fn report_dir(args: &RunArgs) -> PathBuf {
        let named = args.output.report_dir.clone();
        let from_file = || {
            from_file(args.files.config.as_deref(), true)
                .ok()?
                .0
                .output
                .report_dir
        };
        named.or_else(from_file).unwrap_or(REPORTS.into())
    }

    /// What the flags, the environment and the file come to.
    pub fn settle(mut args: RunArgs) -> Result<Self, CliError> {
        let assets = [&args.files.lua, &args.files.html, &args.files.lualib];
        let assets = assets.into_iter().any(Option::is_some);
        let (mut file, config) = from_file(args.files.config.as_deref(), args.quiet)?;
        let set_formats = FromFile(std::mem::take(&mut file.output.format));
        args.merge(file);
        let RunArgs {
            what,
            files,
            how,
            deployment,
            output,
            quiet,
        } = args;
        let stack = how.stack.unwrap_or_default();
        let upstream = how.upstream.unwrap_or_default();
        let browser = how.browser.unwrap_or_default();
        possible(stack, upstream)?;
        #[cfg(feature = "fault-injection")]
        if how.faults.injection().is_some() && stack != StackKind::Sandbox {
            let error = "--blind, --trouble and --foreign-traffic go with --stack sandbox";
            return Err(CliError::usage(error));
        }
        let rollback = settled_rollback(how.rollback, stack, deployment.deploy)?;
        let deadline = how
            .deadline
            .unwrap_or(default_deadline(stack, upstream, browser));
        let named = NamedFiles {
            candidate: files.candidate.is_some(),
            baseline: files.baseline.is_some(),
            assets,
        };
        let plan = files.plan;
        // What the folder of a plan that was named brings along for itself stands in place of what
        // is shipped, behind whatever is named.
        let beside_plan = |name: &str| {
            let path = plan.as_ref().map(|folder| folder.join(name));
            path.filter(|path| path.exists())
        };
        let or = |named: Option<PathBuf>, beside: &str, default: &str| match named
            .or_else(|| beside_plan(beside))
        {
            Some(path) => Ok(path),
            None => shipped(default),
        };
        let gateway = |name: &str| format!("fixtures/gateway/{name}");
        Ok(Self {
            files: GatewayFiles {
                candidate: or(files.candidate, "nginx.conf", &gateway("nginx_v11.1.conf"))?,
                baseline: or(files.baseline, "baseline.conf", &gateway("nginx_v10.conf"))?,
                lua: or(files.lua, "lua", &gateway("lua"))?,
                html: or(files.html, "html", &gateway("html"))?,
                auth_proxy: (files.auth_proxy)
                    .map_or_else(|| shipped("fixtures/auth-proxy/oauth2-proxy.cfg"), Ok)?,
                lualib: files.lualib,
                baseline_lua: files.baseline_lua,
                baseline_html: files.baseline_html,
            },
            profile: profile_file(
                &(files.profile)
                    .or_else(|| beside_plan("profile.yaml"))
                    .unwrap_or("plan".into()),
            )?,
            plan: plan.map_or_else(|| shipped("features"), Ok)?,
            choice: Choice {
                phases: what.phase,
                items: what.item,
                tags: what.tags,
            },
            config,
            report_dir: output.report_dir.unwrap_or(REPORTS.into()),
            stack,
            sandbox: how.sandbox.unwrap_or_default(),
            browser,
            upstream,
            rollback,
            allow_conditional: how.allow_conditional,
            allow_scripts: how.allow_scripts,
            quick: what.quick,
            quiet,
            deadline: settled_deadline(deadline)?,
            formats: Formats::find(output.format, set_formats)?,
            lang: output.lang.unwrap_or_default(),
            repeat: what.repeat.unwrap_or(1),
            #[cfg(feature = "fault-injection")]
            injection: how.faults.injection(),
            named,
            deployment,
        })
    }

    /// The same in another browser, with the time that it takes.
    pub fn in_browser(self, browser: BrowserKind) -> Self {
        let deadline = default_deadline(self.stack, self.upstream, browser);
        Self {
            browser,
            deadline: self.deadline.max(deadline),
            ..self
        }
    }
}

/// Refuses what a stack cannot have.
fn possible(stack: StackKind, upstream: UpstreamKind) -> Result<(), CliError> {
    if upstream == UpstreamKind::Litellm && !matches!(stack, StackKind::Sandbox | StackKind::Auto) {
        let error = "--upstream litellm goes with --stack sandbox";
        return Err(CliError::usage(error)
            .hint("a deployment's upstream is its own, and that of the containers is an image"));
    }
    Ok(())
}

/// How long a run may take where nobody says, in seconds. The real LiteLLM alone takes some 10 to
/// be up, containers and a real browser some 20 for the whole plan, and each several times that on a
/// busy machine; how fast a deployment is, is not the run's to say.
pub fn default_deadline(stack: StackKind, upstream: UpstreamKind, browser: BrowserKind) -> u32 {
    match (stack, upstream, browser) {
        (StackKind::Sandbox, UpstreamKind::Double, BrowserKind::BuiltIn) => 60,
        _ => 180,
    }
}

/// Whether the baseline is put back: where the candidate is deployed on a failure, else never.
fn settled_rollback(
    asked: Option<RollbackPolicy>,
    stack: StackKind,
    deploy: bool,
) -> Result<RollbackPolicy, CliError> {
    let deploys = stack == StackKind::Compose && deploy;
    match asked {
        None if deploys => Ok(RollbackPolicy::OnFail),
        None | Some(RollbackPolicy::Never) => Ok(RollbackPolicy::Never),
        Some(policy) if deploys => Ok(policy),
        Some(policy) => {
            let value = policy.to_possible_value().unwrap_or_default();
            Err(CliError::usage(format!(
                "--rollback {}: this run deploys nothing that could be rolled back",
                value.get_name()
            ))
            .hint(
                "it goes with --stack compose --deploy; `verify rollback` rolls an earlier deployment back",
            ))
        }
    }
}

fn settled_deadline(seconds: u32) -> Result<u32, CliError> {
    match seconds {
        1..=86_400 => Ok(seconds),
        _ => Err(CliError::usage(format!(
            "{CONFIG}: deadline: {seconds} is not between 1 and 86400 seconds"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command};

    use super::*;

    fn implicit(text: &str) -> Result<(), String> {
        let path = Path::new(CONFIG);
        let settings = parse(text, path).unwrap();
        permit_implicit(&settings, text, path).map_err(|error| error.to_string())
    }

    /// Every setting is placed that help calls a file or a folder.
    #[test]
    fn paths_of_a_file_are_relative_to_its_folder() {
        let command = RunArgs::augment_args(Command::new("verify"));
        let is_path = |arg: &clap::Arg| {
            let names = arg.get_value_names().unwrap_or_default();
            names
                .iter()
                .any(|name| name.contains("FILE") || name.contains("DIR"))
        };
        let paths = (command.get_arguments()).filter(|arg| is_path(arg));
        let paths: Vec<&str> = paths
            .filter_map(clap::Arg::get_long)
            .filter(|long| *long != "config")
            .collect();
        assert_eq!(paths.len(), 14);
        let lines: String = (paths.iter())
            .map(|key| format!("{key}: here.yaml\n"))
            .collect();
        let mut settings = parse(&lines, Path::new(CONFIG)).unwrap();
        settings.place(Path::new("/etc"));
        let shown = format!("{settings:?}");
        assert_eq!(shown.matches("/etc/here.yaml").count(), 14, "{shown}");
    }

    #[test]
    fn flags_stand_over_the_file_and_a_flag_alone_is_no_key() {
        let file = parse("quick: true\nlang: ja\nstack: compose\n", Path::new(CONFIG)).unwrap();
        let mut typed = RunArgs::default();
        typed.how.stack = Some(StackKind::Sandbox);
        typed.merge(file);
        assert_eq!(typed.how.stack, Some(StackKind::Sandbox));
        assert_eq!(typed.output.lang, Some(Lang::Ja));
        assert!(typed.what.quick);
        for key in [
            "deploy",
            "allow-scripts",
            "allow-host-edit",
            "sandbox",
            "config",
            "quiet",
        ] {
            let error = parse(&format!("lang: ja\n{key}: true\n"), Path::new(CONFIG)).unwrap_err();
            let words = format!("verify.yaml:2:1: unknown key `{key}`");
            assert!(error.to_string().starts_with(&words), "{error}");
        }
    }

    #[test]
    fn a_file_that_nobody_named_sets_files_of_the_gateway_and_taste() {
        let files = IMPLICIT_FILES.map(|key| format!("{key}: ./sub/{key}\n"));
        let taste = "stack: sandbox\nbrowser: built-in\nupstream: double\nquick: true\n\
                     deadline: 90\nformat: [json, \"table=-\"]\nlang: ja\n";
        for refused in [implicit(&(files.concat() + taste)), implicit("{}")] {
            // Two formats for standard output are refused later, by what settles them.
            assert_eq!(refused, Ok(()));
        }
    }

    #[test]
    fn a_file_that_nobody_named_judges_permits_and_writes_nothing() {
        let lines = [
            "plan: p",
            "profile: p",
            "auth-proxy: a",
            "allow-conditional: true",
            "rollback: always",
            "project: p",
            "compose-file: c",
            "credentials: c",
            "session-cookie-file: s",
            "test-user: u@example.com",
            "site: http://example.com",
            "report-dir: r",
            "stack: compose",
            "format: json=out.json",
            "format: [table, json=out.json]",
            "candidate: /etc/passwd",
            "lua: ../../etc",
        ];
        for line in lines {
            let key = line.split(':').next().unwrap();
            let error = implicit(&format!("lang: en\n{line}\n")).unwrap_err();
            let words = format!(
                "error: verify.yaml:2: `{key}` needs --config verify.yaml or the flag --{key}"
            );
            assert!(error.starts_with(&words), "{error}");
        }
    }
}
