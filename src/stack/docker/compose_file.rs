//! `docker-compose.test.yml`: what the test deployment is made of. Containers are started from
//! the same file that `docker compose` reads, so the two cannot differ.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::yaml::{self, YamlError};

/// The file, beside the features.
pub const FILE: &str = "docker-compose.test.yml";

/// As much of a compose file as the test deployment uses. What is not known is an error:
/// nothing of the file may be left out in silence.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComposeFile {
    /// The project's name: `docker compose`'s.
    #[serde(default, rename = "name")]
    _name: Option<String>,
    /// The services by name.
    pub services: BTreeMap<String, Service>,
}

/// A service of a compose file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The image's name.
    pub image: String,
    /// What is run in place of the image's own entry point.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// Its arguments.
    #[serde(default)]
    pub command: Vec<String>,
    /// The environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// `SOURCE:TARGET[:ro]`
    #[serde(default)]
    pub volumes: Vec<String>,
    /// `127.0.0.1:PORT:PORT`, for a person; a run publishes what it needs on free ports.
    #[serde(default, rename = "ports")]
    _ports: Vec<String>,
    /// Told by `docker compose up --wait`; `verify` asks the services themselves.
    #[serde(default, rename = "healthcheck")]
    _healthcheck: Option<serde::de::IgnoredAny>,
    /// The order that `docker compose` starts them in.
    #[serde(default, rename = "depends_on")]
    _depends_on: Option<serde::de::IgnoredAny>,
    /// Directories in memory.
    #[serde(default)]
    pub tmpfs: Vec<String>,
    /// The signal that ends it.
    #[serde(default)]
    pub stop_signal: Option<String>,
    /// Whether an init stands before it.
    #[serde(default)]
    pub init: Option<bool>,
}

/// A file or directory of this machine and where it is in the container.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mount {
    /// On this machine.
    pub source: PathBuf,
    /// In the container.
    pub target: String,
}

impl ComposeFile {
    /// Reads the file. `${NAME:-default}` is `values`' or else the default.
    ///
    /// # Errors
    /// A file that cannot be read, or has something that is not known.
    pub fn load(path: &Path, values: &BTreeMap<String, String>) -> Result<Self, YamlError> {
        yaml::parse(&interpolated(&yaml::text(path)?, values), path)
    }
}

impl Service {
    /// Its mounts, with sources relative to the file's folder.
    #[must_use]
    pub fn mounts(&self, folder: &Path) -> Vec<Mount> {
        self.volumes
            .iter()
            .filter_map(|volume| {
                let mut parts = volume.split(':');
                Some(Mount {
                    source: folder.join(parts.next()?),
                    target: parts.next()?.to_owned(),
                })
            })
            .collect()
    }
}

/// `${NAME}` and `${NAME:-default}` filled in; `$$` is a dollar sign.
fn interpolated(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((inner, after)) = after
            .strip_prefix('{')
            .and_then(|after| after.split_once('}'))
        {
            let (name, default) = inner.split_once(":-").unwrap_or((inner, ""));
            let value = values.get(name).filter(|value| !value.is_empty());
            out.push_str(value.map_or(default, String::as_str));
            rest = after;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// The variables of a file like `.env`: `NAME=value`, `#` comments.
#[must_use]
pub fn variables(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| {
            let value = value.split(" #").next().unwrap_or_default().trim();
            let bare = value
                .strip_prefix('"')
                .and_then(|value| value.strip_suffix('"'))
                .or_else(|| {
                    value
                        .strip_prefix('\'')
                        .and_then(|value| value.strip_suffix('\''))
                })
                .unwrap_or(value);
            (name.trim().to_owned(), bare.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_as_compose_does() {
        let values = BTreeMap::from([
            ("A".to_owned(), "1".to_owned()),
            ("E".to_owned(), String::new()),
        ]);
        assert_eq!(
            interpolated("${A:-x} ${B:-y z} ${E:-d} $$HOME ${C} 5$", &values),
            "1 y z d $HOME  5$"
        );
    }

    #[test]
    fn the_shipped_file_is_understood_whole_and_published_on_loopback_only() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        let file = ComposeFile::load(&path, &BTreeMap::new()).unwrap();
        let names: Vec<&str> = file.services.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["auth0", "litellm", "oauth2-proxy", "openresty", "redis"]
        );
        for (name, service) in &file.services {
            assert!(!service.image.is_empty(), "{name}");
            assert!(service._healthcheck.is_some(), "{name} has no health check");
            for port in &service._ports {
                assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
            }
            for mount in service.mounts(path.parent().unwrap()) {
                assert!(mount.source.exists(), "{name}: {}", mount.source.display());
            }
        }
    }

    #[test]
    fn an_env_file_is_read() {
        let found = variables("# A=0\nA=1 # one\n B = \"two words\"\nC='3'\nnonsense\n");
        let found: Vec<_> = found
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(found, [("A", "1"), ("B", "two words"), ("C", "3")]);
    }
}
