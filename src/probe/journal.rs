//! The journals of the doubles: what the gateway and oauth2-proxy really sent them.

use std::net::SocketAddr;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::http::{Http, NoAnswer, Request};
use crate::{
    doubles::{
        control::TOKEN_HEADER,
        journal::Entry,
        litellm::hold::{Progress, Streams},
    },
    model::service::Service,
};

#[derive(Clone, Debug)]
pub struct Journal {
    http: Http,
    service: Service,
    address: Option<SocketAddr>,
    token: Option<SecretString>,
}

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal of {service} cannot be read: {source}")]
    NoAnswer { service: Service, source: NoAnswer },
    /// The service is the real thing: it keeps no journal.
    #[error("{service} is no double and keeps no journal of what it receives")]
    NoDouble { service: Service },
    /// It answers something else.
    #[error("the journal of {service} cannot be read: {why}")]
    Garbage { service: Service, why: String },
}

#[derive(Deserialize)]
struct Page {
    next: u64,
    entries: Vec<Entry>,
}

impl Journal {
    /// The journal of the double at `address`; `None` where the service is no double.
    pub fn of(
        http: Http,
        service: Service,
        address: Option<SocketAddr>,
        token: Option<SecretString>,
    ) -> Self {
        Self {
            http,
            service,
            address,
            token,
        }
    }

    /// Whether there is one.
    pub fn is_kept(&self) -> bool {
        self.address.is_some()
    }

    /// Where the double listens, `None` where the service is none.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Where the journal ends now: what comes later is read from here. 0 where there is none.
    pub async fn cursor(&self) -> Result<u64, JournalError> {
        if !self.is_kept() {
            return Ok(0);
        }
        Ok(self.page(u64::MAX).await?.next)
    }

    /// What was received since a cursor.
    pub async fn since(&self, cursor: u64) -> Result<Vec<Entry>, JournalError> {
        Ok(self.page(cursor).await?.entries)
    }

    async fn page(&self, since: u64) -> Result<Page, JournalError> {
        let response = self.control(&format!("journal?since={since}")).await?;
        serde_json::from_str(&response).map_err(|error| self.garbage(error.to_string()))
    }

    pub async fn log(&self) -> Result<String, JournalError> {
        self.control("log").await
    }

    /// Whether the real service behind the journal answers.
    ///
    /// # Errors
    /// Where it does not, or there is none.
    pub async fn real_answers(&self) -> Result<(), JournalError> {
        self.control("alive").await.map(drop)
    }

    /// Has every stream wait when it has sent so many pieces.
    pub async fn hold(&self, frames: usize) -> Result<(), JournalError> {
        let body = format!(r#"{{"frames": {frames}}}"#);
        self.command("POST", "hold", Some(body)).await.map(drop)
    }

    pub async fn release(&self) -> Result<(), JournalError> {
        self.command("DELETE", "hold", None).await.map(drop)
    }

    /// How far the streams are that began since the first hold.
    pub async fn streams(&self) -> Result<Vec<Progress>, JournalError> {
        let said = self.control("hold").await?;
        serde_json::from_str::<Streams>(&said)
            .map(|said| said.streams)
            .map_err(|error| self.garbage(error.to_string()))
    }

    async fn control(&self, what: &str) -> Result<String, JournalError> {
        self.command("GET", what, None).await
    }

    async fn command(
        &self,
        method: &str,
        what: &str,
        body: Option<String>,
    ) -> Result<String, JournalError> {
        let address = self.address.ok_or(JournalError::NoDouble {
            service: self.service,
        })?;
        let url = format!("http://{address}/__verify/{what}")
            .parse()
            .map_err(|error: url::ParseError| self.garbage(error.to_string()))?;
        let request = match body {
            Some(body) => Request::json(method, url, body),
            None => Request {
                method: method.to_owned(),
                ..Request::get(url)
            },
        };
        let request = match &self.token {
            Some(token) => request.header(TOKEN_HEADER, token.expose_secret()),
            None => request,
        };
        let response = self
            .http
            .send(&request)
            .await
            .map_err(|source| JournalError::NoAnswer {
                service: self.service,
                source,
            })?;
        if (200..300).contains(&response.status) {
            Ok(response.body)
        } else {
            Err(self.garbage(format!("{what} answers {}", response.summary())))
        }
    }

    fn garbage(&self, why: String) -> JournalError {
        JournalError::Garbage {
            service: self.service,
            why,
        }
    }
}
