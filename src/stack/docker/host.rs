//! The services' containers on one engine, whoever started them.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};

use super::{
    container::{Container, address},
    engine::Engine,
    images::{Image, ROLE},
};
use crate::{
    model::run::Component,
    probe::redis::Redis,
    stack::{Endpoints, Service, StackError, version_in},
};

/// The gateway's port for the health check, where no deployment publishes another.
pub const INTERNAL_PORT: u16 = 8080;
/// oauth2-proxy's port.
pub const AUTH_PORT: u16 = 4180;

/// The services' containers on an engine, and where they are reached.
#[derive(Debug)]
pub struct Host {
    pub engine: Engine,
    pub kind: &'static str,
    pub members: BTreeMap<Service, Arc<Container>>,
    pub images: BTreeMap<Service, Image>,
    pub endpoints: Endpoints,
    pub redis: Redis,
    /// Where the configuration is deployed, on the gateway.
    pub config_path: PathBuf,
}

impl Host {
    /// # Errors
    /// A service that there is not.
    pub fn member(&self, service: Service) -> Result<&Container, StackError> {
        let member = self.members.get(&service).map(AsRef::as_ref);
        member.ok_or(StackError::Unsupported {
            kind: self.kind,
            what: "look into a service that is not part of it",
        })
    }

    /// The gateway's address for the health check, as it is now: a restart may give it another.
    pub async fn internal(&self) -> Result<Option<SocketAddr>, StackError> {
        let inspected = self.member(Service::Gateway)?.inspect().await?;
        Ok(address(&inspected, INTERNAL_PORT))
    }

    /// The programs that take part, with their versions and images.
    ///
    /// # Errors
    /// A container that does not run.
    pub async fn components(&self) -> Result<Vec<Component>, StackError> {
        let images = self.images.iter();
        let found = images.map(|(service, image)| self.component(*service, image));
        futures::future::try_join_all(found).await
    }

    async fn component(&self, service: Service, image: &Image) -> Result<Component, StackError> {
        let member = self.member(service)?;
        let double = image.labels.get(ROLE).is_some_and(|role| role == "doubles");
        let own_version = || env!("CARGO_PKG_VERSION").to_owned();
        let (program, version) = match service {
            Service::Gateway => {
                let text = member.gateway_exec(&["-v"]).await?.text;
                let program = if text.contains("openresty/") {
                    "openresty"
                } else {
                    "nginx + lua-nginx-module"
                };
                (program, version_in(&text))
            }
            Service::Auth => {
                let text = member.exec(&["oauth2-proxy", "--version"]).await?.text;
                ("oauth2-proxy", version_in(&text))
            }
            Service::Redis => {
                let text = member.exec(&["redis-server", "--version"]).await?.text;
                ("redis-server", version_in(&text))
            }
            Service::Upstream if double => ("mock LiteLLM", own_version()),
            Service::Idp if double => ("mock Auth0", own_version()),
            Service::Upstream => ("LiteLLM", "unknown".to_owned()),
            Service::Idp => ("identity provider", "unknown".to_owned()),
        };
        let id = image.id.strip_prefix("sha256:").unwrap_or(&image.id);
        let equal = image.labels.get("verify.equal-of");
        let equal = equal.map(|name| format!(", in place of {name}"));
        Ok(Component {
            sha256: None,
            service: service.name().to_owned(),
            program: program.to_owned(),
            version,
            real: !double,
            image: Some(format!(
                "{} ({}{})",
                image.name,
                id.get(..12).unwrap_or(id),
                equal.unwrap_or_default()
            )),
        })
    }
}
