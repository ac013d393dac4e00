//! Operations of the admin API as the profile describes them, and what is made with them
//! when it is first needed.

use serde_json::{Value, json};

use super::{
    run::{Run, Token},
    session::Session,
    world::StepError,
};
use crate::{
    probe::{browser::Hop, http::Request, jwt, now_ms},
    profile::{Operation, Values},
    stack::Act,
};

/// What an operation answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The request and its response.
    pub hop: Hop,
    /// The operation, to read the answer by.
    pub operation: Operation,
}

impl Answer {
    /// Whether it succeeded: the operation's status, with JSON.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.hop.response.status == self.operation.status && self.hop.response.json().is_some()
    }

    /// The value that the profile calls `name`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Value> {
        let pointer = self.operation.answer.get(name)?;
        self.hop.response.json()?.pointer(pointer).cloned()
    }

    /// The text that the profile calls `name`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.value(name)?.as_str().map(str::to_owned)
    }

    /// The entries of the list. An empty object is an empty list: some encoders cannot tell.
    #[must_use]
    pub fn entries(&self) -> Option<Vec<Value>> {
        let json = self.hop.response.json()?;
        match json.pointer(self.operation.list.as_deref()?)? {
            Value::Array(entries) => Some(entries.clone()),
            Value::Object(entries) if entries.is_empty() => Some(Vec::new()),
            _ => None,
        }
    }

    /// The value that the profile calls `name`, of an entry of the list.
    #[must_use]
    pub fn of_entry<'a>(&self, entry: &'a Value, name: &str) -> Option<&'a Value> {
        entry.pointer(self.operation.entry.get(name)?)
    }

    /// What is said of it in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        self.hop.response.summary()
    }
}

/// What placeholders are filled with, from pairs.
#[must_use]
pub fn values<const N: usize>(pairs: [(&str, Value); N]) -> Values {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

impl Run {
    /// The operation of that name.
    ///
    /// # Errors
    /// A profile that has none.
    pub fn operation(&self, name: &str) -> Result<Operation, StepError> {
        self.profile.operations.get(name).cloned().ok_or_else(|| {
            StepError::harness(
                "look into the profile",
                format!("an operation `{name}`"),
                "none",
            )
        })
    }

    /// The request of an operation.
    ///
    /// # Errors
    /// A path in the profile that is none.
    pub fn operation_request(
        &self,
        operation: &Operation,
        values: &Values,
    ) -> Result<Request, StepError> {
        let (url, _) = self.page(&operation.path(values))?;
        Ok(match operation.body(values) {
            Some(body) => Request::json(&operation.method, url, body.to_string()),
            None => Request {
                method: operation.method.clone(),
                ..Request::get(url)
            },
        })
    }

    /// Carries an operation out in a session. Tokens in the answer are learnt as secrets.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn operate(
        &self,
        session: &mut Session,
        name: &str,
        values: &Values,
    ) -> Result<Answer, StepError> {
        let operation = self.operation(name)?;
        if let ("ban user" | "unban user", Some(email)) =
            (name, values.get("email").and_then(Value::as_str))
        {
            self.stack.may(Act::Ban(email)).await?;
        }
        let request = self.operation_request(&operation, values)?;
        let hop = session.browser.send(request).await?;
        let answer = Answer { hop, operation };
        if let Some(token) = answer.text("token") {
            self.redactor.learn(&token);
        }
        Ok(answer)
    }

    /// A session of a user, logged in when it is first needed.
    ///
    /// # Errors
    /// Skips what needs a session that cannot be had.
    pub async fn need_session(&self, email: &str) -> Result<Session, StepError> {
        let mut made = self.made.lock().await;
        if !made.sessions.contains_key(email) {
            let session = match self.stack.given_session(email) {
                Some(cookie) => {
                    self.stack.may(Act::Visit(email)).await?;
                    let mut session = self.given_session(email, &cookie)?;
                    if let Some(path) = &self.profile.login.visit {
                        let (page, _) = self.page(path)?;
                        session.browser.send(Request::get(page)).await?;
                    }
                    Ok(session)
                }
                None => match self.log_in(email).await? {
                    Ok((session, _)) => Ok(session),
                    Err(failure) => Err(failure.seen),
                },
            };
            made.sessions.insert(email.to_owned(), session);
        }
        match made.sessions.get(email) {
            Some(Ok(session)) => Ok(session.copy()),
            Some(Err(why)) => Err(StepError::Skip(format!(
                "a session of {email} is needed, and the login fails: {why}"
            ))),
            None => Err(StepError::harness("keep a session", email, "it is gone")),
        }
    }

    /// A token of the admin, generated when it is first needed.
    ///
    /// # Errors
    /// Skips what needs a token that cannot be had.
    pub async fn need_token(&self, name: &str, days: i64) -> Result<Token, StepError> {
        let admin = self.profile.users.admin.clone();
        let known = self.made.lock().await.tokens.get(name).cloned();
        let token = match known {
            Some(token) => token,
            None => {
                let mut session = self.need_session(&admin).await?;
                let answer = self.generate(&mut session, name, days).await?;
                let token = self
                    .token_of(&answer, name, &admin)
                    .ok_or_else(|| answer.summary());
                self.made
                    .lock()
                    .await
                    .tokens
                    .insert(name.to_owned(), token.clone());
                token
            }
        };
        token.map_err(|seen| {
            StepError::Skip(format!(
                "a token is needed, and generating one fails: the gateway answers {seen}"
            ))
        })
    }

    /// Asks for a token.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn generate(
        &self,
        session: &mut Session,
        name: &str,
        days: i64,
    ) -> Result<Answer, StepError> {
        let values = values([
            ("name", json!(name)),
            ("days", json!(days)),
            ("seconds", json!(days * 86_400)),
            ("models", json!(self.profile.llm.models)),
        ]);
        let email = session.email.clone();
        self.stack
            .may(Act::AskToken {
                name,
                email: &email,
            })
            .await?;
        let answer = self.operate(session, "generate token", &values).await?;
        if let Some(id) = answer.text("id") {
            self.stack.may(Act::KeepToken(&id)).await?;
        }
        Ok(answer)
    }

    /// The token that an answer brought.
    #[must_use]
    pub fn token_of(&self, answer: &Answer, name: &str, email: &str) -> Option<Token> {
        if !answer.ok() {
            return None;
        }
        Some(Token {
            name: name.to_owned(),
            id: answer.text("id")?,
            jwt: answer.text("token")?,
            expires_at: answer.value("expires_at")?.as_i64()?,
            email: email.to_owned(),
        })
    }

    /// A token of a user that the gateway did not issue, signed with the run's own secret:
    /// revocation is a denylist, so the gateway must believe it.
    ///
    /// # Errors
    /// Skips where the secret is not known.
    pub async fn mint(&self, email: &str, days: i64) -> Result<Token, StepError> {
        self.stack.may(Act::Mint(email)).await?;
        let secret = self.stack.secrets().jwt_secret.as_ref().ok_or_else(|| {
            StepError::Skip(
                "the gateway's JWT_SECRET is not known: no token can be minted".to_owned(),
            )
        })?;
        let id = format!("verify-{}", crate::probe::nonce());
        let issued = now_ms() / 1000;
        let expires_at = issued + days * 86_400;
        let mut claims =
            json!({"iat": issued, "exp": expires_at, "models": self.profile.llm.models});
        let own = values([
            ("email", json!(email)),
            ("id", json!(id)),
            ("name", json!("minted")),
            ("host", json!(self.profile.site.authority())),
            ("iat", json!(issued)),
            ("exp", json!(expires_at)),
        ]);
        for (name, value) in self.profile.jwt.claims_of(&own) {
            claims[name] = value;
        }
        claims[&self.profile.jwt.id_claim] = json!(id);
        claims[&self.profile.jwt.email_claim] = json!(email);
        let jwt = jwt::sign(&claims, secret)
            .map_err(|error| StepError::harness("mint a token", "a JWT", error))?;
        self.redactor.learn(&jwt);
        Ok(Token {
            name: "minted".to_owned(),
            id,
            jwt,
            expires_at,
            email: email.to_owned(),
        })
    }

    /// One call of the messages API with a prompt of its own.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn ask_model(
        &self,
        jwt: Option<&str>,
        prompt: &str,
        headers: &[(&str, &str)],
    ) -> Result<Hop, StepError> {
        let request = self.model_request(jwt, prompt, headers)?;
        let response = self.http.send(&request).await?;
        Ok(Hop { request, response })
    }

    /// The request of such a call.
    ///
    /// # Errors
    /// A path in the profile that is none.
    pub fn model_request(
        &self,
        jwt: Option<&str>,
        prompt: &str,
        headers: &[(&str, &str)],
    ) -> Result<Request, StepError> {
        let llm = &self.profile.llm;
        let model = llm.models.first().map(String::as_str).unwrap_or_default();
        let values = values([("model", json!(model)), ("prompt", json!(prompt))]);
        let body = crate::profile::fill_value(&llm.body, &values);
        let (url, _) = self.page(&llm.path)?;
        let mut request = Request::json("POST", url, body.to_string());
        if let Some(jwt) = jwt {
            request = request.header("authorization", &format!("Bearer {jwt}"));
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        Ok(request)
    }
}
