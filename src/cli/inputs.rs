//! The files of a run, read once before anything is started.

use std::{
    path::{Path, PathBuf, absolute},
    sync::Arc,
};

use super::{error::CliError, options::StackKind, settings::Settings};
use crate::{
    engine::{GatewayFiles, InputRole, Snapshot, SnapshotError},
    plan::{Bundle, ItemId},
    probe::log::Grammar,
    profile::Profile,
    report::FileRef,
    steps::{script, table::StepTable},
    yaml::YamlError,
};

/// The files of a run: all there, all read.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The configuration under test, as given.
    pub candidate: FileRef,
    /// The configuration that it replaces, as given.
    pub baseline: FileRef,
    /// All of them, absolute.
    pub files: GatewayFiles,
    /// The content of them and of the profile.
    pub snapshot: Arc<Snapshot>,
    /// The gateway's surface.
    pub profile: Profile,
}

impl Inputs {
    /// Reads every file that the settings name but the plan's.
    pub fn read(settings: &Settings) -> Result<Self, CliError> {
        let given = &settings.files;
        let mut snapshot = Snapshot::default();
        for (role, path) in [
            (InputRole::Candidate, &given.candidate),
            (InputRole::Baseline, &given.baseline),
            (InputRole::AuthProxy, &given.auth_proxy),
        ] {
            snapshot.read_file(role, path)?;
        }
        for (role, path) in [
            (InputRole::Lua, Some(&given.lua)),
            (InputRole::Html, Some(&given.html)),
            (InputRole::Lualib, given.lualib.as_ref()),
            (InputRole::BaselineLua, given.baseline_lua.as_ref()),
            (InputRole::BaselineHtml, given.baseline_html.as_ref()),
        ] {
            if let Some(path) = path {
                snapshot.read_folder(role, path)?;
            }
        }
        let profile = profile(&mut snapshot, settings)?;
        let further = |role, path: &Option<PathBuf>| -> Result<_, CliError> {
            path.as_deref().map(|path| whole(role, path)).transpose()
        };
        Ok(Self {
            candidate: reference(&snapshot, InputRole::Candidate, &given.candidate),
            baseline: reference(&snapshot, InputRole::Baseline, &given.baseline),
            files: GatewayFiles {
                candidate: whole(InputRole::Candidate, &given.candidate)?,
                baseline: whole(InputRole::Baseline, &given.baseline)?,
                lua: whole(InputRole::Lua, &given.lua)?,
                html: whole(InputRole::Html, &given.html)?,
                auth_proxy: whole(InputRole::AuthProxy, &given.auth_proxy)?,
                lualib: further(InputRole::Lualib, &given.lualib)?,
                baseline_lua: further(InputRole::BaselineLua, &given.baseline_lua)?,
                baseline_html: further(InputRole::BaselineHtml, &given.baseline_html)?,
            },
            snapshot: Arc::new(snapshot),
            profile,
        })
    }

    /// As [`Inputs::read`], with a profile whose log patterns can be used.
    pub fn checked(settings: &Settings) -> Result<Self, CliError> {
        let inputs = Self::read(settings)?;
        let profile = settings.profile.display();
        if let Err(error) = Grammar::new(&inputs.profile.log, &inputs.profile.contexts) {
            return Err(CliError::usage(format!("{profile}: {error}")));
        }
        let cookie = &inputs.profile.login.cookie;
        if settings.stack != StackKind::Compose
            && let Some((line, named)) = inputs.cookie_name()
            && named != *cookie
        {
            let file = settings.files.auth_proxy.display();
            return Err(CliError::usage(format!(
                "{profile}: login.cookie is `{cookie}`, and {file}:{line} calls it `{named}`"
            )));
        }
        Ok(inputs)
    }

    /// What oauth2-proxy's configuration calls the session's cookie, and on which line.
    fn cookie_name(&self) -> Option<(usize, String)> {
        let text = self.snapshot.text_of(InputRole::AuthProxy);
        text.lines().zip(1..).find_map(|(line, number)| {
            let (key, value) = line.split_once('=')?;
            let value = value.split('#').next()?.trim().trim_matches(['"', '\'']);
            (key.trim() == "cookie_name").then(|| (number, value.to_owned()))
        })
    }

    /// Takes the configuration at `path` as the candidate or the baseline; `given` is what a person
    /// calls it.
    pub fn take(&mut self, role: InputRole, path: &Path, given: &Path) -> Result<(), CliError> {
        Arc::make_mut(&mut self.snapshot).replace_file(role, path, given)?;
        let file = reference(&self.snapshot, role, given);
        let (named, place) = match role {
            InputRole::Baseline => (&mut self.baseline, &mut self.files.baseline),
            _ => (&mut self.candidate, &mut self.files.candidate),
        };
        *named = file;
        path.clone_into(place);
        Ok(())
    }
}

fn reference(snapshot: &Snapshot, role: InputRole, path: &Path) -> FileRef {
    FileRef {
        path: path.to_owned(),
        sha256: (snapshot.of(role).next()).map_or_else(String::new, |file| file.sha256.clone()),
    }
}

/// A plan bundle with the content of its folder.
#[derive(Debug)]
pub struct PlanInput {
    /// The plan.
    pub bundle: Bundle,
    /// Every file of its folder.
    pub snapshot: Snapshot,
}

impl PlanInput {
    /// Reads the bundle's folder; that its steps are defined is not looked at.
    pub fn read(dir: &Path) -> Result<Self, CliError> {
        let snapshot = plan_files(dir)?;
        let bundle = Bundle::read(dir, &|name| snapshot.text(InputRole::Plan, name))?;
        Ok(Self { bundle, snapshot })
    }

    /// Reads the bundle's folder and checks it as a whole.
    pub fn checked(dir: &Path) -> Result<Self, CliError> {
        let plan = Self::read(dir)?;
        plan.bundle.check(&StepTable)?;
        Ok(plan)
    }

    /// Refuses a profile that does not fit the plan or the gateway's files, as far as these items
    /// ask for it.
    pub fn fits(
        &self,
        settings: &Settings,
        profile: &Profile,
        items: &[ItemId],
    ) -> Result<(), CliError> {
        let chosen = (self.bundle.scenarios())
            .filter(|bound| bound.items().any(|item| items.contains(&item)));
        for bound in chosen {
            for step in &bound.scenario.steps {
                if step.value.contains("the admin page") {
                    has_admin_page(settings, profile)?;
                }
                let named = step.value.split_once("the context \"");
                let named = named.and_then(|(_, rest)| rest.split_once('"'));
                let Some((context, _)) =
                    named.filter(|(name, _)| !profile.contexts.contains_key(*name))
                else {
                    continue;
                };
                let (path, file) = (&bound.feature.path, settings.profile.display());
                return Err(CliError::usage(format!(
                    "{file}: it has no context `{context}`, which {}:{} asks for",
                    path.clone().unwrap_or_default().display(),
                    step.position.line,
                ))
                .hint("a context whose lines call it otherwise says so by `label`"));
            }
        }
        Ok(())
    }

    /// Refuses a plan that runs scripts of its own, where that is not allowed.
    pub fn permit_scripts(&self, allowed: bool) -> Result<(), CliError> {
        let mut steps = self.bundle.steps();
        let runs_script = steps.find(|(_, step)| script::named(&step.value).is_some());
        let Some((feature, step)) = runs_script.filter(|_| !allowed) else {
            return Ok(());
        };
        Err(CliError::usage(format!(
            "{}:{}: `{}` runs a script of the plan: needs --allow-scripts",
            feature.path.clone().unwrap_or_default().display(),
            step.position.line,
            step.value
        ))
        .hint("read the script first"))
    }
}

/// Refuses pages without the admin page that the profile names.
fn has_admin_page(settings: &Settings, profile: &Profile) -> Result<(), CliError> {
    let (page, html) = (&profile.admin_page, &settings.files.html);
    if settings.stack == StackKind::Compose
        || page.marker.is_some()
        || html.join(&page.file).is_file()
    {
        return Ok(());
    }
    Err(CliError::usage(format!(
        "{}: the admin page `{}` (admin_page.file) is not in {}",
        settings.profile.display(),
        page.file,
        html.display()
    ))
    .hint("the profile does not fit these pages: name another by --profile FILE, or other pages by --html DIR"))
}

/// Every file of a plan's folder.
pub fn plan_files(dir: &Path) -> Result<Snapshot, SnapshotError> {
    let mut snapshot = Snapshot::default();
    snapshot.read_folder(InputRole::Plan, dir)?;
    Ok(snapshot)
}

/// Reads the profile that the settings name.
pub fn profile(snapshot: &mut Snapshot, settings: &Settings) -> Result<Profile, CliError> {
    let path = &settings.profile;
    snapshot.read_file(InputRole::Profile, path)?;
    let name = path.file_name().map(Path::new).unwrap_or(path);
    snapshot
        .text(InputRole::Profile, name)
        .map_err(|source| YamlError::Read {
            path: path.clone(),
            source,
        })
        .and_then(|text| Profile::parse(&text, path))
        .map_err(|error| CliError::from(error).hint("the profile is named by --profile NAME|FILE"))
}

fn whole(role: InputRole, path: &Path) -> Result<PathBuf, CliError> {
    absolute(path)
        .map_err(|error| CliError::usage(format!("{} {}: {error}", role.flag(), path.display())))
}
