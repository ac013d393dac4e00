//! What the scenarios of a run share and hand on: sessions, tokens, tracked requests, what is
//! deployed.

use std::collections::BTreeMap;

use super::error::StepError;
use crate::{
    plan::ItemId,
    probe::{
        browser::Browser,
        log::{Record, Window},
    },
    stack::ServiceState,
};

/// A logged-in browser.
#[derive(Debug)]
pub struct Session {
    pub browser: Browser,
    /// Who logged in.
    pub email: String,
}

impl Session {
    /// The same session in another hand.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self {
            browser: self.browser.copy(),
            email: self.email.clone(),
        }
    }
}

/// A request that must be tracked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sent {
    /// The text that its query carries.
    pub nonce: String,
    /// Who made it.
    pub email: String,
    /// The context that it must be tracked in.
    pub context: String,
}

impl Sent {
    #[must_use]
    pub fn new(nonce: String, email: &str, context: &str) -> Self {
        Self {
            nonce,
            email: email.to_owned(),
            context: context.to_owned(),
        }
    }
}

/// A token that the gateway believes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token {
    /// The name that it was asked for by.
    pub name: String,
    pub id: String,
    pub jwt: String,
    /// In seconds since 1970.
    pub expires_at: i64,
    /// Whose it is.
    pub email: String,
}

/// What is deployed on the gateway.
#[derive(Clone, Debug)]
pub enum Deployment {
    /// The baseline, as it was when the stack came up.
    Baseline,
    /// The candidate, and it answers.
    Candidate {
        /// The log since just before its start.
        since: Window,
        /// Its processes when it first answered.
        state: ServiceState,
    },
    /// The candidate does not come up; why.
    Broken(String),
}

/// What is created lazily.
#[derive(Debug)]
pub struct Made {
    pub deployment: Deployment,
    /// By e-mail; the error says why there is none.
    pub sessions: BTreeMap<String, Result<Session, String>>,
    /// By the name that they were asked for; the error says why there is none.
    pub tokens: BTreeMap<String, Result<Token, String>>,
}

/// What is looked at again at the end of the run.
#[derive(Debug, Default)]
pub struct Notes {
    /// Every request that must be tracked.
    pub sent: Vec<Sent>,
    /// Tokens that were revoked, with the item that revoked them.
    pub revoked: Vec<(ItemId, Token)>,
    /// Secrets that the run itself wrote into the address of a request.
    pub in_address: Vec<String>,
    /// Marks that the run itself wrote to the gateway's log.
    pub marks: Vec<String>,
    /// When the run itself kept a service from answering.
    pub faults: Vec<InjectedFault>,
    /// The upstream's log up to when the run ended it: a new one may know nothing of it.
    pub upstream_log: String,
    /// How the candidate's syntax was refused, if it was.
    pub syntax: Option<String>,
    /// Whether an item ended because a service round the gateway did not answer.
    pub service_failed: bool,
}

/// A part of the gateway's log in which the run itself kept a service from answering.
#[derive(Clone, Debug)]
pub struct InjectedFault {
    /// What the run did.
    pub what: String,
    /// What a record must hold to be excused by it; empty: anything.
    pub needle: &'static str,
    /// Which records of each log, counted from the candidate's start.
    pub spans: BTreeMap<String, (usize, usize)>,
}

impl InjectedFault {
    /// Whether it excuses a record, the one with this number, from 0, of its log.
    #[must_use]
    pub fn excuses(&self, number: usize, record: &Record) -> bool {
        let span = self.spans.get(&record.source);
        span.is_some_and(|(from, to)| (*from..*to).contains(&number))
            && record.message.contains(self.needle)
    }
}

/// A login that did not come to its end.
#[derive(Debug)]
pub struct LoginFailure {
    /// What was seen instead.
    pub seen: String,
    /// The hops up to there.
    pub hops: Vec<crate::probe::browser::Hop>,
}

impl LoginFailure {
    /// Fails what needs the session.
    #[must_use]
    pub fn consequence(&self, email: &str) -> StepError {
        StepError::Consequence(format!(
            "a session of {email} is needed, and the login fails: {}",
            self.seen
        ))
    }
}
