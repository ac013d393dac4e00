//! The compose stack: a deployment that runs already. It is read; whatever more is done needs a flag.

use secrecy::SecretString;

mod attach;
pub mod permissions;
mod undo;

pub use super::container::Container;
pub use attach::{Attached, Named};
pub use permissions::{Allowed, Setup, can_deploy};
pub use undo::{Undone, undo};

use self::permissions::Permissions;
use super::{
    engine::EngineError,
    labels::RunLabels,
    stack::{DockerStack, Owner},
};
use crate::{
    ledger::Ledger,
    model::input::GatewayFiles,
    profile::Profile,
    stack::{Secrets, Service, StackError},
};

/// Attaches to a deployment.
///
/// # Errors
/// A deployment that is not there, or not as it must be.
pub async fn attach(
    setup: Setup,
    run: &str,
    files: GatewayFiles,
    profile: &Profile,
) -> Result<DockerStack, StackError> {
    let attached = Attached::find(&setup.named, profile).await;
    let attached = attached.map_err(|error| error.on(Service::Gateway))?;
    let ledger = Ledger::open(&attached.project, run)
        .map_err(|error| EngineError::new(error.to_string()).on(Service::Gateway))?;
    let (host, secrets) = (attached.host.clone(), secrets(&attached, &setup));
    let labels = RunLabels::new(run, &setup.owner);
    let candidate = files.candidate.clone();
    let permissions = Permissions::new(attached, setup, candidate, ledger, profile);
    let owner = Owner::Operator(Box::new(permissions));
    DockerStack::new(host, owner, files, secrets, labels, None).await
}

fn secrets(attached: &Attached, setup: &Setup) -> Secrets {
    let secret = |value: &String| SecretString::from(value.clone());
    // Only who may act as the test user needs the key to do so.
    let jwt = attached.env.get("JWT_SECRET");
    let jwt = jwt.filter(|_| setup.allowed.test_user.is_some());
    let named = |name: &str| name.contains("SECRET") || name.contains("KEY");
    Secrets {
        jwt_secret: jwt.map(secret),
        upstream_key: attached.env.get("LITELLM_SHARED_KEY").map(secret),
        passwords: setup
            .passwords
            .iter()
            .map(|(email, password)| (email.clone(), secret(password)))
            .collect(),
        control: attached.control.clone(),
        others: attached
            .env
            .iter()
            .filter(|(name, _)| named(name))
            .map(|(_, value)| secret(value))
            .chain(setup.session_cookie.as_ref().map(secret))
            .chain(attached.control.clone())
            .collect(),
    }
}
