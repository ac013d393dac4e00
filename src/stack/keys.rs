//! The secrets of a run: every run has its own.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};

use super::{Secrets, Service, StackError};
use crate::{digest::hex, profile::Profile};

pub struct Keys {
    /// The key that JWTs are signed with.
    pub jwt: SecretString,
    pub master: SecretString,
    /// The key that the gateway uses at LiteLLM.
    pub shared: SecretString,
    /// oauth2-proxy's secret at the identity provider.
    pub client: SecretString,
    pub cookie: SecretString,
    /// What opens the control path of the doubles.
    pub control: SecretString,
    pub redis_auth: SecretString,
    pub redis_verify: SecretString,
    /// Of each user, by e-mail.
    pub passwords: BTreeMap<String, SecretString>,
}

impl Keys {
    /// New ones: every run has its own.
    pub fn fresh(profile: &Profile) -> Result<Self, StackError> {
        let passwords = profile
            .users
            .emails()
            .map(|email| Ok((email.to_owned(), random(12)?)))
            .collect::<Result<_, StackError>>()?;
        Ok(Self {
            jwt: random(32)?,
            master: prefixed("sk-master-")?,
            shared: prefixed("sk-shared-")?,
            client: random(24)?,
            // oauth2-proxy takes 16, 24 or 32 bytes; 16 in hex are 32 characters.
            cookie: random(16)?,
            control: random(32)?,
            redis_auth: random(16)?,
            redis_verify: random(16)?,
            passwords,
        })
    }

    /// What the run must know and must not show.
    pub fn into_secrets(self) -> Secrets {
        Secrets {
            jwt_secret: Some(self.jwt),
            upstream_key: Some(self.shared.clone()),
            passwords: self.passwords,
            control: Some(self.control.clone()),
            others: vec![
                self.master,
                self.shared,
                self.client,
                self.cookie,
                self.control,
                self.redis_auth,
                self.redis_verify,
            ],
        }
    }
}

fn prefixed(prefix: &str) -> Result<SecretString, StackError> {
    Ok(SecretString::from(format!(
        "{prefix}{}",
        clear(&random(16)?)
    )))
}

/// A secret of `bytes` random bytes in hex.
fn random(bytes: usize) -> Result<SecretString, StackError> {
    let mut buffer = vec![0_u8; bytes];
    aws_lc_rs::rand::fill(&mut buffer).map_err(|_| StackError::Service {
        service: Service::Gateway,
        what: "the system gives no random numbers".to_owned(),
    })?;
    Ok(SecretString::from(hex(&buffer)))
}

/// Reads a secret for a place where it must be in the clear: a service's environment.
pub fn clear(secret: &SecretString) -> String {
    secret.expose_secret().to_owned()
}
