//! What the command line means: defaults, replaced by the file `verify.yaml`, replaced by the
//! environment, replaced by the flags. Clap puts flags over the environment; the rest is here.

use std::{
    collections::BTreeMap,
    env,
    path::{Component, Path, PathBuf},
};

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    args::{BrowserKind, Lang, RollbackPolicy, RunArgs, SandboxKind, StackKind, UpstreamKind},
    error::CliError,
    formats::{Formats, FromFile, To},
    out,
};
use crate::{
    digest::sha256,
    plan::{self, Choice},
    report::FileRef,
    stack::docker::compose::{Allowed, Named},
    trust::{self, Group},
    yaml,
};

/// The file that settings are read from, where it is there.
pub const CONFIG: &str = "verify.yaml";

/// Where reports go by default.
const REPORTS: &str = "reports";

/// Everything that a run needs to know, settled; paths as given.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which items.
    pub choice: Choice,
    /// The configuration under test.
    pub candidate: PathBuf,
    /// The configuration that it replaces.
    pub baseline: PathBuf,
    /// The candidate's Lua modules.
    pub lua: PathBuf,
    /// The candidate's pages.
    pub html: PathBuf,
    /// Further `resty.*` modules.
    pub lualib: Option<PathBuf>,
    /// The baseline's Lua modules, where they differ.
    pub baseline_lua: Option<PathBuf>,
    /// The baseline's pages, where they differ.
    pub baseline_html: Option<PathBuf>,
    /// The configuration of oauth2-proxy.
    pub auth_proxy: PathBuf,
    /// The settings file, where one was read.
    pub config: Option<FileRef>,
    /// The profile's file.
    pub profile: PathBuf,
    /// The plan bundle's folder.
    pub plan: PathBuf,
    /// Where reports go.
    pub report_dir: PathBuf,
    /// Where the gateway runs.
    pub stack: StackKind,
    /// What happens where the sandbox lacks a protection.
    pub sandbox: SandboxKind,
    /// What a person's part is done with.
    pub browser: BrowserKind,
    /// What answers for the models.
    pub upstream: UpstreamKind,
    /// Whether a conditional pass is good enough.
    pub allow_conditional: bool,
    /// Leave the comparison of response times out.
    pub quick: bool,
    /// How long a run may take, in seconds.
    pub deadline: u32,
    /// What comes out, and where.
    pub formats: Formats,
    /// The report's language.
    pub lang: plan::Lang,
    /// How many runs.
    pub repeat: u32,
    /// What is to be wrong.
    #[cfg(feature = "fault-injection")]
    pub injection: Option<crate::stack::fake::Injection>,
    /// Whether candidate and baseline were named, and not left to their defaults.
    pub named: NamedFiles,
    /// Which deployment, and what may be done there.
    pub deployment: DeploymentSettings,
}

/// What was named.
#[derive(Clone, Copy, Debug, Default)]
pub struct NamedFiles {
    /// The candidate.
    pub candidate: bool,
    /// The baseline.
    pub baseline: bool,
    /// Lua modules or pages, which are a deployment's own.
    pub assets: bool,
}

/// Which deployment, and what may be done there.
#[derive(Clone, Debug, Default)]
pub struct DeploymentSettings {
    /// The compose project or file.
    pub which: Named,
    /// What may be done.
    pub allowed: Allowed,
    /// The public site, in place of the profile's.
    pub site: Option<String>,
    /// The file with the admin's session.
    pub session_cookie_file: Option<PathBuf>,
    /// The file with passwords.
    pub credentials: Option<PathBuf>,
    /// Whether the baseline is put back.
    pub rollback: RollbackPolicy,
}

/// The settings that `verify.yaml` can hold: the flags' names.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct FileSettings {
    candidate: Option<PathBuf>,
    baseline: Option<PathBuf>,
    lua: Option<PathBuf>,
    html: Option<PathBuf>,
    lualib: Option<PathBuf>,
    baseline_lua: Option<PathBuf>,
    baseline_html: Option<PathBuf>,
    auth_proxy: Option<PathBuf>,
    profile: Option<PathBuf>,
    plan: Option<PathBuf>,
    report_dir: Option<PathBuf>,
    stack: Option<StackKind>,
    browser: Option<BrowserKind>,
    upstream: Option<UpstreamKind>,
    rollback: Option<RollbackPolicy>,
    project: Option<String>,
    compose_file: Option<PathBuf>,
    site: Option<String>,
    test_user: Option<String>,
    session_cookie_file: Option<PathBuf>,
    credentials: Option<PathBuf>,
    allow_conditional: bool,
    quick: bool,
    deadline: Option<u32>,
    format: FromFile,
    lang: Option<Lang>,
    #[serde(skip)]
    read_from: Option<FileRef>,
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

impl FileSettings {
    /// From the file that was named, else from `verify.yaml` where it is there.
    fn find(named: Option<&Path>) -> Result<Self, CliError> {
        let path = named.unwrap_or(Path::new(CONFIG));
        if named.is_none() && !path.exists() && !path.is_symlink() {
            return Ok(Self::default());
        }
        let text = yaml::text(path)?;
        let mut settings: Self = yaml::parse(&text, path)?;
        if named.is_none() {
            settings.permit_implicit(&text, path)?;
        }
        settings.read_from = Some(FileRef {
            path: path.to_owned(),
            sha256: sha256(text.as_bytes()),
        });
        settings.place(path.parent().unwrap_or(Path::new("")));
        out::complain(format_args!("configuration: {}", path.display()));
        Ok(settings)
    }

    /// Refuses what a file that nobody named may not set.
    fn permit_implicit(&self, text: &str, path: &Path) -> Result<(), CliError> {
        let keys: BTreeMap<String, Spanned<serde_json::Value>> = yaml::parse(text, path)?;
        for (key, value) in keys {
            let text = value.value.as_str().unwrap_or_default();
            let allowed = match key.as_str() {
                "stack" => text != "compose",
                "format" => self.format.0.iter().all(|one| one.to == To::Stdout),
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

    /// Paths in the file are relative to its folder. A profile may be a name, which is none.
    fn place(&mut self, folder: &Path) {
        let profile = self.profile.as_mut().filter(|path| !is_name(path));
        let others = [
            &mut self.candidate,
            &mut self.baseline,
            &mut self.lua,
            &mut self.html,
            &mut self.lualib,
            &mut self.baseline_lua,
            &mut self.baseline_html,
            &mut self.auth_proxy,
            &mut self.plan,
            &mut self.report_dir,
            &mut self.compose_file,
            &mut self.session_cookie_file,
            &mut self.credentials,
        ];
        for path in others.into_iter().flatten().chain(profile) {
            *path = folder.join(&*path);
        }
        self.format.place(folder);
    }
}

impl Settings {
    /// Where reports go, also where the rest cannot be settled.
    #[must_use]
    pub fn report_dir(args: &RunArgs) -> PathBuf {
        let named = args.output.report_dir.clone();
        named
            .or_else(|| {
                FileSettings::find(args.files.config.as_deref())
                    .ok()?
                    .report_dir
            })
            .unwrap_or(REPORTS.into())
    }

    /// What the flags, the environment and the file come to.
    ///
    /// # Errors
    ///
    /// When the file is not what it must be, or something is asked for that there is not.
    pub fn settle(args: RunArgs) -> Result<Self, CliError> {
        let file = FileSettings::find(args.files.config.as_deref())?;
        let RunArgs {
            files,
            how,
            output,
            deployment,
            ..
        } = args;
        let stack = how.stack.or(file.stack).unwrap_or_default();
        let upstream = how.upstream.or(file.upstream).unwrap_or_default();
        let browser = how.browser.or(file.browser).unwrap_or_default();
        if upstream == UpstreamKind::Litellm
            && !matches!(stack, StackKind::Sandbox | StackKind::Auto)
        {
            let error = "--upstream litellm goes with --stack sandbox";
            return Err(CliError::usage(error).hint(
                "a deployment's upstream is its own, and that of the containers is an image",
            ));
        }
        #[cfg(feature = "fault-injection")]
        let injection = how.faults.injection();
        #[cfg(feature = "fault-injection")]
        if injection.is_some() && stack != StackKind::Sandbox {
            return Err(CliError::usage(
                "--blind, --trouble and --foreign-traffic go with --stack sandbox",
            ));
        }
        let rollback = settled_rollback(how.rollback.or(file.rollback), stack, deployment.deploy)?;
        let named = NamedFiles {
            candidate: files.candidate.is_some() || file.candidate.is_some(),
            baseline: files.baseline.is_some() || file.baseline.is_some(),
            assets: files.lua.is_some() || files.html.is_some() || files.lualib.is_some(),
        };
        let plan = files.plan.or(file.plan);
        let brought = |name: &str| brought(plan.as_deref(), name);
        let shipped_file = |named: Option<PathBuf>, set: Option<PathBuf>, default: &str| {
            named.or(set).map_or_else(|| shipped(default), Ok)
        };
        Ok(Self {
            choice: Choice {
                phases: args.phase,
                items: args.item,
                tags: args.tags,
            },
            candidate: shipped_file(
                files.candidate,
                file.candidate.or_else(|| brought("nginx.conf")),
                "fixtures/gateway/nginx_v11.1.conf",
            )?,
            baseline: shipped_file(
                files.baseline,
                file.baseline.or_else(|| brought("baseline.conf")),
                "fixtures/gateway/nginx_v10.conf",
            )?,
            lua: shipped_file(
                files.lua,
                file.lua.or_else(|| brought("lua")),
                "fixtures/gateway/lua",
            )?,
            html: shipped_file(
                files.html,
                file.html.or_else(|| brought("html")),
                "fixtures/gateway/html",
            )?,
            config: file.read_from,
            lualib: files.lualib.or(file.lualib),
            baseline_lua: files.baseline_lua.or(file.baseline_lua),
            baseline_html: files.baseline_html.or(file.baseline_html),
            auth_proxy: shipped_file(
                files.auth_proxy,
                file.auth_proxy,
                "fixtures/auth-proxy/oauth2-proxy.cfg",
            )?,
            profile: profile_file(
                &(files.profile.or(file.profile))
                    .or_else(|| brought("profile.yaml"))
                    .unwrap_or("plan".into()),
            )?,
            plan: plan.map_or_else(|| shipped("features"), Ok)?,
            report_dir: (output.report_dir.or(file.report_dir)).unwrap_or(REPORTS.into()),
            stack,
            sandbox: how.sandbox.unwrap_or_default(),
            browser,
            upstream,
            allow_conditional: how.allow_conditional || file.allow_conditional,
            quick: args.quick || file.quick,
            deadline: settled_deadline(
                (how.deadline.or(file.deadline))
                    .unwrap_or(default_deadline(stack, upstream, browser)),
            )?,
            formats: Formats::find(output.format, file.format)?,
            lang: output.lang.or(file.lang).unwrap_or_default().into(),
            repeat: args.repeat.unwrap_or(1),
            #[cfg(feature = "fault-injection")]
            injection,
            named,
            deployment: DeploymentSettings {
                which: Named {
                    project: deployment.project.or(file.project),
                    compose_file: deployment.compose_file.or(file.compose_file),
                },
                allowed: Allowed {
                    test_user: deployment.test_user.or(file.test_user),
                    deploy: deployment.deploy,
                    host_edit: deployment.allow_host_edit,
                },
                site: deployment.site.or(file.site),
                session_cookie_file: (deployment.session_cookie_file).or(file.session_cookie_file),
                credentials: deployment.credentials.or(file.credentials),
                rollback,
            },
        })
    }

    /// The same in another browser, with the time that it takes.
    #[must_use]
    pub fn in_browser(self, browser: BrowserKind) -> Self {
        let deadline = default_deadline(self.stack, self.upstream, browser);
        Self {
            browser,
            deadline: self.deadline.max(deadline),
            ..self
        }
    }
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
    let name = match asked {
        None if deploys => return Ok(RollbackPolicy::OnFail),
        None | Some(RollbackPolicy::Never) => return Ok(RollbackPolicy::Never),
        Some(policy) if deploys => return Ok(policy),
        Some(RollbackPolicy::OnFail) => "on-fail",
        Some(RollbackPolicy::Always) => "always",
    };
    Err(CliError::usage(format!(
        "--rollback {name}: this run deploys nothing that could be rolled back"
    ))
    .hint(
        "it goes with --stack compose --deploy; `verify rollback` rolls an earlier deployment back",
    ))
}

fn settled_deadline(seconds: u32) -> Result<u32, CliError> {
    match seconds {
        1..=86_400 => Ok(seconds),
        _ => Err(CliError::usage(format!(
            "{CONFIG}: deadline: {seconds} is not between 1 and 86400 seconds"
        ))),
    }
}

/// Whether a path leads no further up than where it begins.
fn is_below(path: &Path) -> bool {
    path.components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// A profile is a name unless it looks like a path.
fn is_name(profile: &Path) -> bool {
    profile.components().count() == 1 && profile.extension().is_none()
}

/// The file of a profile that was named.
///
/// # Errors
/// A name that no profile has.
pub fn profile_file(profile: &Path) -> Result<PathBuf, CliError> {
    if !is_name(profile) {
        return Ok(profile.to_owned());
    }
    let folder = shipped("fixtures/profiles")?;
    let file = folder.join(profile).with_extension("yaml");
    if file.is_file() {
        return Ok(file);
    }
    let typed = profile.display().to_string();
    let known = profiles(&folder);
    let error = CliError::usage(format!("--profile {typed}: there is no {}", file.display()));
    Err(
        match yaml::suggest(&typed, known.iter().map(String::as_str)) {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None if known.is_empty() => error.hint("name the profile's file"),
            None => error.hint(format!("there are {}, or name a file", known.join(", "))),
        },
    )
}

fn profiles(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

/// What the folder of a plan that was named brings along for itself: its profile
/// (`profile.yaml`), its gateway (`nginx.conf`, `lua/`, `html/`) and what that replaces
/// (`baseline.conf`). It stands in place of what is shipped, behind whatever is named.
fn brought(plan: Option<&Path>, name: &str) -> Option<PathBuf> {
    plan.map(|folder| folder.join(name))
        .filter(|path| path.exists())
}

/// Something that `verify` ships: in the nearest directory above the executable that has it, and
/// nowhere else. The path is relative where the working directory is that directory.
///
/// # Errors
/// Nothing above the executable has it, or others can write it.
pub fn shipped(relative: &str) -> Result<PathBuf, CliError> {
    let executable = env::current_exe().unwrap_or_default();
    let found = find_shipped(&executable, relative)?;
    let here = env::current_dir().unwrap_or_default();
    Ok(match found.strip_prefix(&here) {
        Ok(below) => below.to_owned(),
        Err(_) => found,
    })
}

fn find_shipped(executable: &Path, relative: &str) -> Result<PathBuf, CliError> {
    let mut above = executable.ancestors().skip(1);
    let Some(root) = above.find(|folder| folder.join(relative).exists()) else {
        let program = executable.display();
        return Err(CliError::usage(format!(
            "there is no {relative} in a directory above {program}"
        ))
        .hint("install verify with its features/ and fixtures/, or name files of your own"));
    };
    let mut path = root.to_owned();
    trust::check(&path, Group::Private).map_err(|why| untrusted(relative, &why))?;
    for part in Path::new(relative) {
        path.push(part);
        trust::check(&path, Group::Private).map_err(|why| untrusted(relative, &why))?;
    }
    Ok(path)
}

fn untrusted(relative: &str, why: &str) -> CliError {
    CliError::usage(format!("the shipped {relative} is not trusted: {why}"))
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt as _, symlink},
    };

    use super::*;

    fn implicit(text: &str) -> Result<(), String> {
        let path = Path::new(CONFIG);
        let settings: FileSettings = yaml::parse(text, path).unwrap();
        settings
            .permit_implicit(text, path)
            .map_err(|error| error.to_string())
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

    #[test]
    fn what_is_shipped_is_above_the_executable_and_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let root = dir.path();
        mode(root, 0o755);
        fs::create_dir_all(root.join("fixtures/profiles")).unwrap();
        fs::create_dir_all(root.join("target/debug")).unwrap();
        let (program, wanted) = (root.join("target/debug/verify"), "fixtures/profiles");
        let found = || find_shipped(&program, wanted).map_err(|error| error.to_string());
        assert_eq!(found(), Ok(root.join(wanted)));
        for folder in [root, &root.join("fixtures"), &root.join(wanted)] {
            mode(folder, 0o777);
            let error = found().unwrap_err();
            assert!(
                error.contains("the shipped fixtures/profiles is not trusted")
                    && error.contains(&folder.display().to_string()),
                "{error}"
            );
            mode(folder, 0o755);
        }
        // One that is nearer hides the other, and is looked at itself.
        symlink(root.join("fixtures"), root.join("target/fixtures")).unwrap();
        mode(&root.join("target"), 0o777);
        assert!(found().unwrap_err().contains("target is writable"));
        let nowhere = find_shipped(&program, "no/such").unwrap_err().to_string();
        assert!(nowhere.contains("there is no no/such"), "{nowhere}");
    }
}
