//! The real LiteLLM: where it is, and what it is started with, wherever that is.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::executable::{Refused, beside};

pub const PROVISION: &str = "scripts/provision --with-litellm";

/// The folder of its configuration, as it is shipped.
pub const FILES: &str = "fixtures/litellm";

/// Where the models of the profile go in the configuration's template.
const MODELS: &str = "{{MODELS}}";

/// What is started: LiteLLM's own command, by the module that has it. The script beside Python
/// names the folder that it was installed in, which a sandbox has elsewhere.
const COMMAND: &str = "from litellm import run_server; run_server()";

/// A LiteLLM in a virtual environment, and what it is configured with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Litellm {
    /// The virtual environment.
    pub home: PathBuf,
    /// Where the Python is installed that the environment was made from.
    pub base: PathBuf,
    /// The folder with `config.yaml`, a template, and `verify_proxy.py`.
    pub files: PathBuf,
    pub version: String,
}

/// There is none that can be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MissingLitellm {
    #[error("LiteLLM is not installed; run {PROVISION}")]
    NotInstalled,
    #[error("LiteLLM: {0}")]
    Refused(#[from] Refused),
}

impl Litellm {
    /// The one beside the executable, with the configuration in this folder.
    ///
    /// # Errors
    /// Where there is none.
    pub fn find(files: &Path) -> Result<Self, MissingLitellm> {
        let python = beside("litellm/bin/python").ok_or(MissingLitellm::NotInstalled)??;
        Self::of(&python, files)
    }

    /// The one whose Python this is.
    ///
    /// # Errors
    /// Where it has no LiteLLM.
    pub fn of(python: &Path, files: &Path) -> Result<Self, MissingLitellm> {
        let missing = || MissingLitellm::NotInstalled;
        let home = python.ancestors().nth(2).ok_or_else(missing)?.to_owned();
        let version = installed(&home).ok_or_else(missing)?;
        let real = fs::canonicalize(python).map_err(|_| missing())?;
        let base = real.ancestors().nth(2).ok_or_else(missing)?.to_owned();
        Ok(Self {
            home,
            base,
            files: files.to_owned(),
            version,
        })
    }

    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.home.join("bin/python")
    }

    /// Writes its configuration into a folder, and returns the arguments that start it with that
    /// on a port of 127.0.0.1.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn prepare(&self, folder: &Path, models: &[String], port: u16) -> io::Result<Vec<String>> {
        let config = folder.join("config.yaml");
        let template = fs::read_to_string(self.files.join("config.yaml"))?;
        fs::write(&config, filled(&template, models))?;
        // LiteLLM looks for it beside its configuration.
        fs::copy(
            self.files.join("verify_proxy.py"),
            folder.join("verify_proxy.py"),
        )?;
        let config = config.display().to_string();
        let port = port.to_string();
        Ok([
            "-c",
            COMMAND,
            "--config",
            &config,
            "--host",
            "127.0.0.1",
            "--port",
            &port,
        ]
        .map(str::to_owned)
        .to_vec())
    }
}

/// Its whole environment: both keys, and no word to the world.
#[must_use]
pub fn env(master: &SecretString, shared: &SecretString) -> Vec<(String, String)> {
    [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/tmp"),
        ("LITELLM_MASTER_KEY", master.expose_secret()),
        ("LITELLM_SHARED_KEY", shared.expose_secret()),
        // Else it fetches its price list.
        ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
        ("LITELLM_TELEMETRY", "False"),
        // A log is read while it grows.
        ("PYTHONUNBUFFERED", "1"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("NO_COLOR", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// The version that is installed in a virtual environment, by the name of the folder in which
/// Python's packages tell of themselves.
fn installed(home: &Path) -> Option<String> {
    let pythons = fs::read_dir(home.join("lib")).ok()?.flatten();
    let mut folders = pythons.filter_map(|python| {
        let packages = python.path().join("site-packages");
        Some(fs::read_dir(packages).ok()?.flatten())
    });
    folders.find_map(|mut folder| {
        folder.find_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix("litellm-")?.strip_suffix(".dist-info")?;
            Some(version.to_owned())
        })
    })
}

/// The template with the profile's models in it. YAML takes JSON as it is.
fn filled(template: &str, models: &[String]) -> String {
    let entry = |name: &String| serde_json::json!({"model_name": name, "litellm_params": {"model": "verify/echo"}});
    let list: serde_json::Value = models.iter().map(entry).collect();
    template
        .lines()
        .map(|line| match line.trim_start().starts_with('#') {
            true => line.to_owned() + "\n",
            false => line.replace(MODELS, &list.to_string()) + "\n",
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_models_of_the_profile_are_served() {
        let template = format!("# {MODELS} is filled in\nmodel_list: {MODELS}\nother: 1\n");
        let models = ["a".to_owned(), "b: \"c\"".to_owned()];
        let text = filled(&template, &models);
        assert!(text.starts_with("# {{MODELS}} is filled in\n"), "{text}");
        let config: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let names: Vec<&str> = (config["model_list"].as_array().unwrap().iter())
            .map(|model| model["model_name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["a", "b: \"c\""]);
    }

    #[test]
    fn a_folder_without_litellm_has_no_version() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(installed(home.path()), None);
        let packages = home.path().join("lib/python3.11/site-packages");
        fs::create_dir_all(packages.join("litellm_enterprise-0.1.2.dist-info")).unwrap();
        assert_eq!(installed(home.path()), None);
        fs::create_dir_all(packages.join("litellm-1.2.3.dist-info")).unwrap();
        assert_eq!(installed(home.path()).as_deref(), Some("1.2.3"));
    }
}
