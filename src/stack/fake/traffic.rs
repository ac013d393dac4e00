//! Other people on the gateway while a run goes on: they log in and are tracked, make mistakes,
//! have tokens and bans of their own. None of it concerns the run.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use url::Url;

use crate::{
    probe::{
        browser::{Browser, LoginForm},
        http::{Connection, Http, Request},
    },
    profile::{Guests, Operation, Profile, Values},
    stack::{Stack, StackError},
};

/// The least time between two requests of a group: at most a hundred a second in all.
const PACE: Duration = Duration::from_millis(30);

/// How long a slow request takes until it is sent.
const SLOW: Duration = Duration::from_secs(1);

/// How many bytes of it come at once.
const PIECE: usize = 8;

/// How long the answer to it may take.
const ANSWER: Duration = Duration::from_secs(5);

/// How often a group does the same before it logs in anew.
const ROUND: usize = 10;

/// Who does what.
#[derive(Clone, Copy, Debug)]
enum Group {
    /// They log in and are tracked.
    Visitors,
    /// What they send makes nginx log errors.
    Careless,
    /// They have tokens, and ban others.
    Admins,
    /// They take their time with a request: a worker that a reload retires waits for them.
    Slow,
}

impl Group {
    const ALL: [Self; 4] = [Self::Visitors, Self::Careless, Self::Admins, Self::Slow];
}

/// A body that the gateway's admin API does not take, in bytes: nginx logs an error for it.
const TOO_LARGE: usize = 260 * 1024;

/// How many days the others' tokens and bans are for.
const DAYS: i64 = 1;

/// Those who are on the gateway besides the run: an admin, and others.
#[must_use]
pub fn guests() -> Guests {
    Guests {
        admin: "somebody.else@example.org".to_owned(),
        users: vec![
            "guest+one@example.org".to_owned(),
            "guest.two@example.org".to_owned(),
        ],
    }
}

/// Traffic that goes on until it is dropped.
pub(super) struct Traffic {
    tasks: Vec<JoinHandle<()>>,
    did: Arc<Did>,
}

/// How often what was done, by its name.
#[derive(Default)]
struct Did {
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

impl Did {
    fn count(&self, what: &'static str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(what).or_default() += 1;
    }
}

impl Traffic {
    /// Begins on a stack that knows the guests.
    ///
    /// # Errors
    /// An HTTP client that cannot start.
    pub fn start(stack: &dyn Stack, profile: &Profile) -> Result<Self, StackError> {
        let http = Http::new(stack.endpoints().clone());
        let http = http.map_err(|error| StackError::Service {
            service: crate::stack::Service::Gateway,
            what: error.to_string(),
        })?;
        let did = Arc::new(Did::default());
        let crowd = Arc::new(Crowd {
            http,
            profile: profile.clone(),
            passwords: stack.secrets().passwords.clone(),
            did: Arc::clone(&did),
        });
        let begin = |group| {
            let crowd = Arc::clone(&crowd);
            tokio::spawn(async move {
                // A gateway that is being restarted answers nobody: the next one is tried.
                loop {
                    if crowd.round(group).await.is_none() {
                        tokio::time::sleep(PACE).await;
                    }
                }
            })
        };
        let tasks = Group::ALL.into_iter().map(begin).collect();
        Ok(Self { tasks, did })
    }

    pub fn done(&self) -> String {
        let counts = (self.did.counts.lock()).unwrap_or_else(PoisonError::into_inner);
        let each: Vec<String> = counts
            .iter()
            .map(|(what, count)| format!("{what}: {count}"))
            .collect();
        each.join(", ")
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

struct Crowd {
    http: Http,
    profile: Profile,
    passwords: BTreeMap<String, SecretString>,
    did: Arc<Did>,
}

impl Crowd {
    /// Once round everything that a group does; `None` where something was not answered.
    async fn round(&self, group: Group) -> Option<()> {
        let guests = self.profile.users.guests.clone()?;
        match group {
            Group::Visitors => {
                for email in guests.users.iter().chain([&guests.admin]) {
                    let mut guest = self.log_in(email).await?;
                    self.visit(&mut guest).await?;
                }
            }
            Group::Careless => {
                let mut admin = self.log_in(&guests.admin).await?;
                for _ in 0..ROUND {
                    self.mistake(&mut admin).await?;
                }
            }
            Group::Admins => {
                let mut admin = self.log_in(&guests.admin).await?;
                for email in guests.users.iter().cycle().take(ROUND) {
                    self.token(&mut admin).await?;
                    self.ban(&mut admin, email).await?;
                }
            }
            Group::Slow => self.slowly().await?,
        }
        Some(())
    }

    /// Somebody without a session asks for the front page, and takes long about it.
    async fn slowly(&self) -> Option<()> {
        let address = self.http.address(&self.page("/")?)?;
        let host = self.profile.site.authority();
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let pieces: Vec<&[u8]> = request.as_bytes().chunks(PIECE).collect();
        let pause = SLOW / u32::try_from(pieces.len()).ok()?;
        let connection = Connection::open(address).await.ok()?;
        connection.slowly(&pieces, pause, ANSWER).await.ok()?;
        self.did.count("slow requests");
        Some(())
    }

    /// Somebody is banned, and let in again.
    async fn ban(&self, admin: &mut Browser, email: &str) -> Option<()> {
        let values = BTreeMap::from([
            ("email".to_owned(), json!(email)),
            ("days".to_owned(), json!(DAYS)),
        ]);
        self.operate(admin, "ban user", &values).await?;
        self.did.count("bans");
        self.operate(admin, "unban user", &values).await?;
        Some(())
    }

    /// A page of the site, by its path.
    fn page(&self, path: &str) -> Option<Url> {
        let host = self.profile.site.authority();
        format!("http://{host}{path}").parse().ok()
    }

    async fn log_in(&self, email: &str) -> Option<Browser> {
        let mut browser = Browser::new(self.http.clone());
        let names = &self.profile.login.form;
        let hops = browser.follow(Request::get(self.page("/")?)).await.ok()?;
        let form = LoginForm::on(hops.last()?, &names.username, &names.password)?;
        let password = self.passwords.get(email)?.expose_secret();
        let filled = form.submit(&[(&names.username, email), (&names.password, password)]);
        browser.follow(filled).await.ok()?;
        self.did.count("logins");
        Some(browser)
    }

    /// Sends one request, not too soon after the one before.
    async fn send(&self, browser: &mut Browser, request: Request) -> Option<(u16, Option<Value>)> {
        tokio::time::sleep(PACE).await;
        let hop = browser.send(request).await.ok()?;
        self.did.count("requests");
        Some((hop.response.status, hop.response.json()))
    }

    /// A request in every context.
    async fn visit(&self, browser: &mut Browser) -> Option<()> {
        for context in self.profile.contexts.values() {
            self.send(browser, Request::get(self.page(&context.path)?))
                .await?;
        }
        Some(())
    }

    /// What makes nginx write an error, and what makes it write a warning.
    async fn mistake(&self, browser: &mut Browser) -> Option<()> {
        let path = &self.operation("list tokens")?.path;
        let too_large = Request::json("POST", self.page(path)?, " ".repeat(TOO_LARGE));
        if self.send(browser, too_large).await?.0 == 413 {
            self.did.count("errors in the log");
        }
        let buffered = Request::json("POST", self.page(path)?, " ".repeat(TOO_LARGE / 4));
        self.send(browser, buffered).await?;
        Some(())
    }

    fn operation(&self, name: &str) -> Option<&Operation> {
        self.profile.operations.get(name)
    }

    async fn operate(&self, browser: &mut Browser, name: &str, values: &Values) -> Option<Value> {
        let operation = self.operation(name)?;
        let url = self.page(&operation.path(values))?;
        let request = match operation.body(values) {
            Some(body) => Request::json(&operation.method, url, body.to_string()),
            None => Request {
                method: operation.method.clone(),
                ..Request::get(url)
            },
        };
        self.send(browser, request).await?.1
    }

    /// A token is made, listed, and revoked.
    async fn token(&self, browser: &mut Browser) -> Option<()> {
        let asked = BTreeMap::from([
            ("name".to_owned(), json!("of somebody else")),
            ("days".to_owned(), json!(DAYS)),
            ("seconds".to_owned(), json!(DAYS * 86_400)),
            ("models".to_owned(), json!(self.profile.llm.models)),
        ]);
        let answer = self.operate(browser, "generate token", &asked).await?;
        let pointer = self.operation("generate token")?.answer.get("id")?;
        let id = answer.pointer(pointer)?.clone();
        self.did.count("tokens");
        self.operate(browser, "list tokens", &Values::new()).await?;
        let values = BTreeMap::from([("id".to_owned(), id)]);
        self.operate(browser, "revoke token", &values).await?;
        Some(())
    }
}
