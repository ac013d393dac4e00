//! The journals of the doubles: what the gateway and oauth2-proxy really sent them.

use std::net::SocketAddr;

use serde::Deserialize;

use super::http::{Http, NoAnswer, Request};
use crate::{doubles::journal::Entry, stack::Service};

/// A double's journal.
#[derive(Clone, Debug)]
pub struct Journal {
    http: Http,
    service: Service,
    address: Option<SocketAddr>,
}

/// A journal that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The double does not answer.
    #[error("the journal of {service} cannot be read: {source}")]
    NoAnswer {
        /// Which double.
        service: Service,
        /// What the connection said.
        source: NoAnswer,
    },
    /// The service is the real thing: it keeps no journal.
    #[error("{service} is no double and keeps no journal of what it receives")]
    NoDouble {
        /// Which service.
        service: Service,
    },
    /// It answers something else.
    #[error("the journal of {service} cannot be read: {why}")]
    Garbage {
        /// Which double.
        service: Service,
        /// What is wrong with it.
        why: String,
    },
}

#[derive(Deserialize)]
struct Page {
    next: u64,
    entries: Vec<Entry>,
}

impl Journal {
    /// The journal of the double at `address`; `None` where the service is no double.
    #[must_use]
    pub fn of(http: Http, service: Service, address: Option<SocketAddr>) -> Self {
        Self {
            http,
            service,
            address,
        }
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.address.is_some()
    }

    /// Where the double listens, `None` where the service is none.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Where the journal ends now: what comes later is read from here. 0 where there is none.
    ///
    /// # Errors
    /// A double that does not answer.
    pub async fn cursor(&self) -> Result<u64, JournalError> {
        if !self.is_kept() {
            return Ok(0);
        }
        Ok(self.page(u64::MAX).await?.next)
    }

    /// What was received since a cursor.
    ///
    /// # Errors
    /// A double that does not answer.
    pub async fn since(&self, cursor: u64) -> Result<Vec<Entry>, JournalError> {
        Ok(self.page(cursor).await?.entries)
    }

    async fn page(&self, since: u64) -> Result<Page, JournalError> {
        let response = self.control(&format!("journal?since={since}")).await?;
        serde_json::from_str(&response).map_err(|error| self.garbage(error.to_string()))
    }

    /// The double's own log, as text.
    ///
    /// # Errors
    /// A double that does not answer.
    pub async fn log(&self) -> Result<String, JournalError> {
        self.control("log").await
    }

    async fn control(&self, what: &str) -> Result<String, JournalError> {
        let address = self.address.ok_or(JournalError::NoDouble {
            service: self.service,
        })?;
        let url = format!("http://{address}/__verify/{what}")
            .parse()
            .map_err(|error: url::ParseError| self.garbage(error.to_string()))?;
        let request = Request::get(url);
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
