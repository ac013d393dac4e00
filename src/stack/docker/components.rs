//! The programs that take part, by what they say of themselves, and their images.

use std::collections::BTreeMap;

use super::{
    container::Container,
    images::{Image, ROLE},
};
use crate::{
    model::run::Component,
    stack::{Service, StackError, version_in},
};

/// Every program with its version and image.
///
/// # Errors
/// A container that does not run.
pub async fn found<C: AsRef<Container>>(
    members: &BTreeMap<Service, C>,
    images: &BTreeMap<Service, Image>,
) -> Result<Vec<Component>, StackError> {
    let asked = Service::ALL.into_iter().filter_map(|service| {
        let (member, image) = (members.get(&service)?, images.get(&service)?);
        Some(component(service, member.as_ref(), image))
    });
    futures::future::try_join_all(asked).await
}

async fn component(
    service: Service,
    member: &Container,
    image: &Image,
) -> Result<Component, StackError> {
    let double = image.labels.get(ROLE).is_some_and(|role| role == "doubles");
    let (program, version) = match service {
        Service::Gateway => {
            let said = member.gateway_exec(&["-v"]).await?.text;
            let program = if said.contains("openresty/") {
                "openresty"
            } else {
                "nginx + lua-nginx-module"
            };
            (program, version_in(&said))
        }
        Service::Auth => {
            let said = member.exec(&["oauth2-proxy", "--version"]).await?.text;
            ("oauth2-proxy", version_in(&said))
        }
        Service::Redis => {
            let said = member.exec(&["redis-server", "--version"]).await?.text;
            ("redis-server", version_in(&said))
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

fn own_version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
