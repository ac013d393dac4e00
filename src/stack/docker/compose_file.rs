//! `docker-compose.test.yml`: what the test deployment is made of. Containers are started from
//! the same file that `docker compose` reads, so the two cannot differ.

use std::{
    collections::{BTreeMap, HashMap},
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
    /// The networks by name. A run has the internal one alone.
    #[serde(default)]
    pub networks: BTreeMap<String, Network>,
}

/// A network of a compose file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Whether it leads nowhere else.
    #[serde(default)]
    pub internal: bool,
    /// For a person's browser, which a run has not.
    #[serde(default, rename = "driver_opts")]
    _driver_opts: BTreeMap<String, String>,
}

/// The limits of a service's processes. Open files have the engine's own: where that has fewer, no
/// container can be given more.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ulimits {
    /// The size of a file, in bytes.
    pub fsize: i64,
    /// The size of a core dump, in bytes.
    pub core: i64,
}

/// How the engine keeps a service's output.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    /// `json-file`
    pub driver: String,
    /// `max-size: 64m`
    pub options: HashMap<String, String>,
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
    /// `SOURCE:TARGET:ro`, or `TARGET` for an empty volume of its own
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
    /// Which networks it is in.
    pub networks: Vec<String>,
    /// Who is asked for names that no service has. Where nobody listens, the answer is that there is no
    /// such name, at once; the engine's own choice is asked for seconds, and an internal network does
    /// not lead there.
    pub dns: Vec<String>,
    /// The capabilities that it does not have.
    pub cap_drop: Vec<String>,
    /// Those of them that it needs.
    #[serde(default)]
    pub cap_add: Vec<String>,
    /// `no-new-privileges:true`
    pub security_opt: Vec<String>,
    /// Whether only volumes and directories in memory can be written.
    pub read_only: bool,
    /// How many processes and threads it may have.
    pub pids_limit: i64,
    /// Its memory, in bytes.
    pub mem_limit: i64,
    /// Its memory with swap, in bytes.
    pub memswap_limit: i64,
    /// Limits of each process.
    pub ulimits: Ulimits,
    /// Where its output goes, and how much of it is kept.
    pub logging: Logging,
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

impl ComposeFile {
    /// The services that are in no internal network.
    #[must_use]
    pub fn outside(&self) -> Vec<&str> {
        let inside = |name: &String| self.networks.get(name).is_some_and(|one| one.internal);
        let services = self.services.iter();
        services
            .filter(|(_, service)| !service.networks.iter().any(inside))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

impl Service {
    /// Its empty volumes.
    #[must_use]
    pub fn empty_volumes(&self) -> Vec<String> {
        let empty = self.volumes.iter().filter(|volume| !volume.contains(':'));
        empty.cloned().collect()
    }

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
        assert_eq!(file.outside(), Vec::<&str>::new());
        for (name, service) in &file.services {
            assert!(!service.image.is_empty(), "{name}");
            assert!(service._healthcheck.is_some(), "{name} has no health check");
            for port in &service._ports {
                assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
            }
            assert_eq!(service.cap_drop, ["ALL"], "{name}");
            assert_eq!(service.dns, ["127.0.0.1"], "{name}");
            assert_eq!(service.security_opt, ["no-new-privileges:true"], "{name}");
            assert!(service.read_only, "{name}");
            assert!(service.logging.options.contains_key("max-size"), "{name}");
            assert_eq!(service.mem_limit, service.memswap_limit, "{name}");
            assert!(service.pids_limit > 0 && service.mem_limit > 0, "{name}");
            assert_eq!(service.ulimits.core, 0, "{name}");
            for volume in &service.volumes {
                assert!(
                    !volume.contains(':') || volume.ends_with(":ro"),
                    "{name}: {volume}"
                );
                assert!(!volume.contains("docker.sock"), "{name}: {volume}");
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
