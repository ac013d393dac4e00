//! The Docker engine: how it is reached, and its errors in words.

use std::{error::Error as StdError, fmt::Display, io, time::Duration};

use bollard::{Docker, errors::Error, models::ContainerInspectResponse};

use crate::stack::{Service, StackError};

/// The oldest API that a run works with: Docker Engine 20.10.
const OLDEST_API: (u32, u32) = (1, 41);

/// How long the engine has for an answer. Starting a container on a busy machine is the
/// longest of what is asked.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How long it has for the first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// The engine could not be used, or did not do something. Never the candidate's fault.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct EngineError {
    what: String,
    /// The next step, where it is known.
    pub hint: Option<&'static str>,
}

impl EngineError {
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: None,
        }
    }

    #[must_use]
    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// As an error of a service, with the next step.
    #[must_use]
    pub fn on(&self, service: Service) -> StackError {
        let hint = self.hint.map(|hint| format!("; {hint}"));
        StackError::Service {
            service,
            what: format!("{}{}", self.what, hint.unwrap_or_default()),
        }
    }
}

/// Names what was tried when the engine, or the way to it, failed.
pub trait Context<T> {
    /// # Errors
    /// The error in words, after `what`.
    fn context(self, what: impl Display) -> Result<T, EngineError>;
}

impl<T, E: StdError + 'static> Context<T> for Result<T, E> {
    fn context(self, what: impl Display) -> Result<T, EngineError> {
        self.map_err(|error| failed(what, &error))
    }
}

fn failed(what: impl Display, error: &(dyn StdError + 'static)) -> EngineError {
    let text = text(error);
    EngineError {
        hint: hint(&text),
        what: format!("{what}: {text}"),
    }
}

/// The whole chain of causes, each once.
fn text(error: &(dyn StdError + 'static)) -> String {
    let mut text = match error.downcast_ref() {
        Some(Error::DockerResponseServerError {
            status_code,
            message,
        }) => format!("the Docker engine answers {status_code}: {message}"),
        _ => error.to_string(),
    };
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    // The HTTP library's own words for it say nothing to a person.
    match text.split_once("client error (Connect): ") {
        Some((_, why)) => format!("the Docker engine does not answer any more ({why})"),
        None => text,
    }
}

fn hint(text: &str) -> Option<&'static str> {
    const HINTS: [(&str, &str); 7] = [
        (
            "no space left on device",
            "free space where the engine keeps its data (`docker system df` tells what holds it)",
        ),
        (
            "Permission denied",
            "use the engine as root or as a member of the group `docker`",
        ),
        (
            "port is already allocated",
            "another program took the port in the same moment; run again",
        ),
        (
            "is already in use by container",
            "`verify cleanup` removes what an earlier run left behind",
        ),
        (
            "non-overlapping IPv4 address pool",
            "remove networks that nobody uses (`docker network prune`)",
        ),
        (
            "No such image",
            "`scripts/images` pulls the images, or builds equals where no registry answers",
        ),
        (
            "Connection refused",
            "start the engine, or name where it listens in DOCKER_HOST",
        ),
    ];
    HINTS
        .iter()
        .find(|(part, _)| text.to_lowercase().contains(&part.to_lowercase()))
        .map(|(_, hint)| *hint)
}

/// Whether the engine knows no such thing.
pub fn is_missing(error: &Error) -> bool {
    matches!(
        error,
        Error::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}

/// An engine that answers and is new enough.
#[derive(Clone, Debug)]
pub struct Engine {
    pub docker: Docker,
    pub version: String,
}

impl Engine {
    /// The engine that `DOCKER_HOST` names, else the one at its usual socket.
    ///
    /// # Errors
    /// No engine, one that may not be used, one that is too old.
    pub async fn connect() -> Result<Self, EngineError> {
        let place = std::env::var("DOCKER_HOST")
            .ok()
            .filter(|host| !host.is_empty())
            .unwrap_or_else(|| "/var/run/docker.sock".to_owned());
        let docker = Docker::connect_with_defaults()
            .map_err(|error| unreachable(&place, error))?
            .with_timeout(TIMEOUT);
        let negotiated = tokio::time::timeout(FIRST_ANSWER, docker.negotiate_version());
        let docker = match negotiated.await {
            Ok(Ok(docker)) => docker,
            Ok(Err(error)) => return Err(unreachable(&place, error)),
            Err(_) => {
                return Err(EngineError::new(format!(
                    "the Docker engine at {place} does not answer within {} s",
                    FIRST_ANSWER.as_secs()
                )));
            }
        };
        let found = docker.version().await;
        let found = found.map_err(|error| unreachable(&place, error))?;
        let version = found.version.unwrap_or_else(|| "unknown".to_owned());
        let api = found.api_version.unwrap_or_default();
        if parse_api(&api).is_none_or(|api| api < OLDEST_API) {
            return Err(EngineError::new(format!(
                "the Docker engine at {place} is too old: version {version} with API {api}, and API {}.{} is needed",
                OLDEST_API.0, OLDEST_API.1
            ))
            .hint("install Docker Engine 20.10 or newer, or use --stack sandbox"));
        }
        Ok(Self { docker, version })
    }

    /// The protections that the engine does not give its containers.
    pub async fn unprotected(&self) -> Result<Vec<&'static str>, EngineError> {
        let info = self.docker.info().await.context("asking what it grants")?;
        let filtered = info
            .security_options
            .iter()
            .flatten()
            .any(|option| option.starts_with("name=seccomp"));
        let protections = [
            (filtered, "a filter of system calls (seccomp)"),
            (info.memory_limit == Some(true), "bounded memory"),
            (info.pids_limit == Some(true), "bounded processes"),
        ];
        let missing = protections.into_iter().filter(|(given, _)| !given);
        Ok(missing.map(|(_, what)| what).collect())
    }

    /// # Errors
    /// An engine that does not answer, a container that is gone.
    pub async fn inspect(&self, id: &str) -> Result<ContainerInspectResponse, EngineError> {
        self.docker
            .inspect_container(id, None)
            .await
            .context("asking for a container's state")
    }
}

fn parse_api(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn unreachable(place: &str, error: Error) -> EngineError {
    let mut kind = None;
    let mut source: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            kind = Some(io.kind());
        }
        source = cause.source();
    }
    let no_socket = matches!(error, Error::SocketNotFoundError(_));
    if no_socket || kind == Some(io::ErrorKind::NotFound) {
        return EngineError::new(format!("no Docker engine answers at {place}: there is no such socket"))
            .hint("install and start one (`scripts/engine` does on Debian), name where it listens in DOCKER_HOST, or use --stack sandbox");
    }
    if kind == Some(io::ErrorKind::PermissionDenied) {
        return EngineError::new(format!(
            "the Docker engine's socket {place} may not be used: permission denied"
        ))
        .hint("use it as root or as a member of the group `docker`, or use --stack sandbox");
    }
    failed(format!("no Docker engine answers at {place}"), &error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_the_api_are_compared_as_numbers() {
        assert!(parse_api("1.9").unwrap() < OLDEST_API);
        assert!(parse_api("1.41").unwrap() >= OLDEST_API);
        assert_eq!(parse_api("new"), None);
    }

    #[test]
    fn what_the_engine_says_is_passed_on_with_what_to_do() {
        let failed: Result<(), _> = Err(Error::DockerResponseServerError {
            status_code: 500,
            message: "write /var/lib/docker/x: no space left on device".to_owned(),
        });
        let error = failed.context("creating a container").unwrap_err();
        assert!(error.to_string().contains("no space left on device"));
        assert!(error.hint.unwrap().contains("docker system df"));
    }
}
