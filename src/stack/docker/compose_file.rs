//! `docker-compose.test.yml`: what the test deployment is made of. The containers stack reads the
//! file that `docker compose` reads, so the two cannot differ.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::engine::{Context as _, EngineError};
use crate::yaml;

/// The file, beside the features.
pub const FILE: &str = "docker-compose.test.yml";

/// The variables that the file is read with, by name.
pub type Variables = BTreeMap<String, String>;

/// As much of a compose file as the test deployment uses. An unknown key is an error: nothing of the
/// file is left out silently. Fields with an underscore are `docker compose`'s alone: a run publishes
/// no ports, orders and awaits the services itself, and has the internal network only.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ComposeFile {
    #[serde(default, rename = "name")]
    _name: Option<String>,
    pub services: BTreeMap<String, Service>,
    #[serde(default)]
    networks: BTreeMap<String, Network>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Network {
    #[serde(default)]
    internal: bool,
    #[serde(default, rename = "driver_opts")]
    _driver_opts: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub image: String,
    /// In place of the image's own entry point.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// `SOURCE:TARGET:ro`, or `TARGET` for an empty volume of its own.
    #[serde(default)]
    volumes: Vec<String>,
    #[serde(default, rename = "ports")]
    _ports: Vec<String>,
    #[serde(default, rename = "healthcheck")]
    _healthcheck: Option<Value>,
    #[serde(default, rename = "depends_on")]
    _depends_on: Option<Value>,
    #[serde(default)]
    pub tmpfs: Vec<String>,
    networks: Vec<String>,
    /// Whom the engine asks for names that no service has. Where nobody listens, there is no such
    /// name, at once; an internal network does not lead to the engine's own choice, which is waited
    /// for.
    pub dns: Vec<String>,
    pub cap_drop: Vec<String>,
    #[serde(default)]
    pub cap_add: Vec<String>,
    pub security_opt: Vec<String>,
    pub read_only: bool,
    pub pids_limit: i64,
    /// In bytes.
    pub mem_limit: i64,
    /// In bytes, memory included.
    pub memswap_limit: i64,
    pub ulimits: Ulimits,
    pub logging: Logging,
}

/// Limits of each process, in bytes. Open files have the engine's own limit: where that is lower, no
/// container can be given more.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ulimits {
    pub fsize: i64,
    pub core: i64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    pub driver: String,
    pub options: HashMap<String, String>,
}

/// A file or directory of this machine and its path in the container.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mount {
    pub source: PathBuf,
    pub target: String,
}

impl ComposeFile {
    /// Reads the file, then fills its variables in.
    ///
    /// # Errors
    /// A file that cannot be read, an unknown key, a variable that must be set.
    pub fn load(path: &Path, variables: &Variables) -> Result<Self, EngineError> {
        let file: Self = yaml::load(path).map_err(|error| EngineError::new(error.to_string()))?;
        let mut value = serde_json::to_value(file).context(path.display())?;
        fill(&mut value, variables)
            .map_err(|why| EngineError::new(format!("{}: {why}", path.display())))?;
        serde_json::from_value(value).context(path.display())
    }

    /// # Errors
    /// A service that the file does not have.
    pub fn service(&self, name: &str) -> Result<&Service, EngineError> {
        let service = self.services.get(name);
        service.ok_or_else(|| EngineError::new(format!("{FILE}: no service {name}")))
    }

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

/// Fills the variables of every text in a value in; the error names the text.
fn fill(value: &mut Value, variables: &Variables) -> Result<(), String> {
    match value {
        Value::String(text) => {
            *text = interpolated(text, variables).map_err(|why| format!("{why} (in `{text}`)"))?;
        }
        Value::Array(values) => {
            for value in values {
                fill(value, variables)?;
            }
        }
        Value::Object(values) => {
            for value in values.values_mut() {
                fill(value, variables)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// All forms of the Compose specification: `$NAME`, `${NAME}`, and after the name in braces a default
/// (`-`), a replacement (`+`) or an error (`?`), with `:` also for an empty variable. Those texts may
/// have variables themselves. `$$` is a dollar sign.
fn interpolated(text: &str, variables: &Variables) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let braced = after.strip_prefix('{');
        let (name, after) = variable_name(braced.unwrap_or(after))
            .ok_or("a `$` that begins no variable; write `$$` for a dollar sign")?;
        let value = variables.get(name).map(String::as_str);
        if braced.is_none() {
            out.push_str(value.unwrap_or_default());
            rest = after;
            continue;
        }
        let (operation, after) =
            until_brace(after).ok_or_else(|| format!("`${{{name}` has no closing brace"))?;
        rest = after;
        let colon = operation.strip_prefix(':');
        let set = value.filter(|value| colon.is_none() || !value.is_empty());
        let operation = colon.unwrap_or(operation);
        let word = operation.get(1..).unwrap_or_default();
        match (operation.chars().next(), set) {
            (None, _) if colon.is_none() => out.push_str(value.unwrap_or_default()),
            (Some('-' | '?'), Some(value)) => out.push_str(value),
            (Some('+'), None) => {}
            (Some('-'), None) | (Some('+'), Some(_)) => {
                out.push_str(&interpolated(word, variables)?);
            }
            (Some('?'), None) => {
                return Err(format!(
                    "{name} is not set: {}",
                    interpolated(word, variables)?
                ));
            }
            _ => return Err(format!("`${{{name}…}}` has an unknown form")),
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The name at the beginning of a text, and the rest.
fn variable_name(text: &str) -> Option<(&str, &str)> {
    let within = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let end = text.find(|letter| !within(letter)).unwrap_or(text.len());
    let begins = text.starts_with(|letter: char| within(letter) && !letter.is_ascii_digit());
    begins.then(|| text.split_at(end))
}

/// The text before the closing brace, past variables within it, and the rest.
fn until_brace(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    for (at, brace) in text.match_indices(['{', '}']) {
        match (brace, depth) {
            ("}", 0) => return Some((text.get(..at)?, text.get(at + 1..)?)),
            ("}", _) => depth -= 1,
            _ if text.get(..at)?.ends_with('$') => depth += 1,
            _ => {}
        }
    }
    None
}

/// The variables of a file like `.env`, as far as its lines can be read.
#[must_use]
pub fn variables(text: &str) -> Variables {
    dotenvy::from_read_iter(text.as_bytes()).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Variables {
        [("A", "1"), ("E", ""), ("B", "two")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn every_form_of_a_variable_is_filled_in_as_compose_does() {
        for (text, expected) in [
            ("${A:-x} ${C:-y z} ${E:-d}", "1 y z d"),
            ("${A-x} ${C-y} ${E-d}|", "1 y |"),
            ("$A ${A} ${C} $C.", "1 1  ."),
            ("${A:+x} ${C:+y} ${E:+z}|", "x  |"),
            ("${A+x} ${C+y} ${E+z}", "x  z"),
            ("${A:?must be} ${E?must be}", "1 "),
            // A default ends at the first brace that closes no variable.
            ("${C:-${D:-$B}} ${C:-{x}}", "two {x}"),
            ("$$HOME $${A} {id_token}", "$HOME ${A} {id_token}"),
        ] {
            assert_eq!(
                interpolated(text, &values()).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_form_of_a_variable_is_an_error() {
        for (text, part) in [
            ("${C:?set it to $B}", "C is not set: set it to two"),
            ("${E:?}", "E is not set"),
            ("${C?}", "C is not set"),
            ("5$", "write `$$`"),
            ("${1}", "write `$$`"),
            ("${A", "no closing brace"),
            ("${A:-${B}", "no closing brace"),
            ("${A:}", "unknown form"),
            ("${A/b/c}", "unknown form"),
            ("${A:é}", "unknown form"),
            ("${Aé}", "unknown form"),
        ] {
            let error = interpolated(text, &values()).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_value_is_never_read_as_yaml() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        std::fs::copy(shipped, &path).unwrap();
        let evil = "x\", privileged: true} # ${A}\nservices: {}";
        let variables = Variables::from([("VERIFY_ADMIN".to_owned(), evil.to_owned())]);
        let file = ComposeFile::load(&path, &variables).unwrap();
        assert_eq!(file.services["openresty"].environment["ADMIN_EMAILS"], evil);
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
        let found = variables("# A=0\nA=1 # one\n B = \"two words\"\nC='3'\nnonsense\nD=4\n");
        let found: Vec<_> = found
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(
            found,
            [("A", "1"), ("B", "two words"), ("C", "3"), ("D", "4")]
        );
    }
}
