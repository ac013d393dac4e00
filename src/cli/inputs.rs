//! The files of a run, looked at before anything is started.

use std::{
    fs,
    path::{Path, PathBuf, absolute},
};

use super::{error::CliError, settings::Settings};
use crate::{digest::sha256, engine::GatewayFiles, profile::Profile, report::FileRef};

/// The largest configuration that is read, in bytes: far above any that a person wrote.
const SIZE_LIMIT: u64 = 16 * 1024 * 1024;

/// The files of a run: all there, all readable.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The configuration under test, as given.
    pub candidate: FileRef,
    /// The configuration that it replaces, as given.
    pub baseline: FileRef,
    /// All of them, absolute.
    pub files: GatewayFiles,
    /// The gateway's surface.
    pub profile: Profile,
}

impl Inputs {
    /// Looks at every file that the settings name.
    ///
    /// # Errors
    ///
    /// The first one that is not what it must be, with its flag.
    pub fn read(settings: &Settings) -> Result<Self, CliError> {
        let further = |flag, path: &Option<PathBuf>| -> Result<_, CliError> {
            path.as_deref().map(|path| folder(flag, path)).transpose()
        };
        Ok(Self {
            candidate: config("--candidate", &settings.candidate)?,
            baseline: config("--baseline", &settings.baseline)?,
            files: GatewayFiles {
                candidate: whole("--candidate", &settings.candidate)?,
                baseline: whole("--baseline", &settings.baseline)?,
                lua: folder("--lua", &settings.lua)?,
                html: folder("--html", &settings.html)?,
                auth_proxy: {
                    config("--auth-proxy", &settings.auth_proxy)?;
                    whole("--auth-proxy", &settings.auth_proxy)?
                },
                lualib: further("--lualib", &settings.lualib)?,
                baseline_lua: further("--baseline-lua", &settings.baseline_lua)?,
                baseline_html: further("--baseline-html", &settings.baseline_html)?,
            },
            profile: profile(settings)?,
        })
    }
}

/// The profile that the settings name.
///
/// # Errors
/// When it is none.
pub fn profile(settings: &Settings) -> Result<Profile, CliError> {
    Profile::load(&settings.profile)
        .map_err(|error| CliError::from(error).hint("the profile is named by --profile NAME|FILE"))
}

fn refuse(flag: &str, path: &Path, what: impl std::fmt::Display) -> CliError {
    CliError::usage(format!("{flag} {}: {what}", path.display()))
}

fn whole(flag: &str, path: &Path) -> Result<PathBuf, CliError> {
    absolute(path).map_err(|error| refuse(flag, path, error))
}

/// A configuration: a file, readable, with something in it.
pub fn config(flag: &str, path: &Path) -> Result<FileRef, CliError> {
    let refuse = |what: String| refuse(flag, path, what);
    let data = fs::metadata(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    if data.is_dir() {
        return Err(refuse(
            "is a directory, not a configuration file".to_owned(),
        ));
    }
    if !data.is_file() {
        return Err(refuse("is not a regular file".to_owned()));
    }
    if data.len() > SIZE_LIMIT {
        let limit = SIZE_LIMIT / 1024 / 1024;
        return Err(refuse(format!(
            "is larger than {limit} MiB: this is no configuration"
        )));
    }
    let content = fs::read(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    if content.iter().all(u8::is_ascii_whitespace) {
        return Err(refuse("is empty".to_owned()));
    }
    Ok(FileRef {
        path: path.to_owned(),
        sha256: sha256(&content),
    })
}

/// A folder that can be read, absolute.
pub fn folder(flag: &str, path: &Path) -> Result<PathBuf, CliError> {
    let data = fs::metadata(path)
        .map_err(|error| refuse(flag, path, format!("cannot be read: {error}")))?;
    if !data.is_dir() {
        return Err(refuse(flag, path, "is not a directory"));
    }
    fs::read_dir(path).map_err(|error| refuse(flag, path, format!("cannot be read: {error}")))?;
    whole(flag, path)
}
