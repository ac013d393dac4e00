//! Operations of the admin API as the profile describes them, tokens, and calls of the model's API.

use serde_json::{Value, json};

use super::{
    error::{StepError, StepResult, skip},
    run::Run,
    state::{Session, Token},
};
use crate::{
    probe::{browser::Hop, http::Request, jwt, nonce, now_ms},
    profile::{Operation, Values},
    stack::Act,
};

/// What an operation answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub hop: Hop,
    /// The operation, to read the answer by.
    pub operation: Operation,
}

impl Answer {
    /// Whether it succeeded: the operation's status, with JSON where something is read from it.
    pub fn ok(&self) -> bool {
        self.hop.response.status == self.operation.status
            && (!self.operation.answers_json() || self.hop.response.json().is_some())
    }

    /// What a success is, in words.
    pub fn success(&self) -> String {
        let json = if self.operation.answers_json() {
            ", JSON"
        } else {
            ""
        };
        format!("{}{json}", self.operation.status)
    }

    /// The value that the profile calls `name`.
    pub fn value(&self, name: &str) -> Option<Value> {
        let pointer = self.operation.answer.get(name)?;
        self.hop.response.json()?.pointer(pointer).cloned()
    }

    /// The text that the profile calls `name`.
    pub fn text(&self, name: &str) -> Option<String> {
        self.value(name)?.as_str().map(str::to_owned)
    }

    /// The entries of the list. An empty object is an empty list: some encoders cannot tell.
    pub fn entries(&self) -> Option<Vec<Value>> {
        let json = self.hop.response.json()?;
        match json.pointer(self.operation.list.as_deref()?)? {
            Value::Array(entries) => Some(entries.clone()),
            Value::Object(entries) if entries.is_empty() => Some(Vec::new()),
            _ => None,
        }
    }

    /// The entries of the list that the answer must be.
    pub fn listed(&self, did: &str) -> StepResult<Vec<Value>> {
        let failed = || StepError::candidate(did, format!("{}, a list", self.success()), &self.hop);
        self.entries().filter(|_| self.ok()).ok_or_else(failed)
    }

    /// The value that the profile calls `name`, of an entry of the list.
    pub fn of_entry<'a>(&self, entry: &'a Value, name: &str) -> Option<&'a Value> {
        entry.pointer(self.operation.entry.get(name)?)
    }

    /// The entry whose value `name` is this.
    pub fn entry_with<'a>(
        &self,
        entries: &'a [Value],
        name: &str,
        value: &str,
    ) -> Option<&'a Value> {
        let is_it = |entry: &&Value| self.of_entry(entry, name) == Some(&json!(value));
        entries.iter().find(is_it)
    }

    pub fn summary(&self) -> String {
        self.hop.response.summary()
    }
}

/// What placeholders are filled with, from pairs.
pub fn values<const N: usize>(pairs: [(&str, Value); N]) -> Values {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

impl Run {
    /// The operation of that name.
    pub fn operation(&self, name: &str) -> StepResult<Operation> {
        let known = self.profile.operations.get(name).cloned();
        let expected = format!("an operation `{name}`");
        known.ok_or_else(|| StepError::harness("look into the profile", expected, "none"))
    }

    /// The request of an operation.
    pub fn operation_request(&self, operation: &Operation, values: &Values) -> StepResult<Request> {
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
    pub async fn operate(
        &self,
        session: &mut Session,
        name: &str,
        values: &Values,
    ) -> StepResult<Answer> {
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

    /// Carries an operation out in the admin's session.
    pub async fn operate_as_admin(&self, name: &str, values: &Values) -> StepResult<Answer> {
        let mut admin = self.need_session(&self.profile.users.admin).await?;
        self.operate(&mut admin, name, values).await
    }

    pub async fn ban(&self, email: &str, days: i64) -> StepResult<Answer> {
        let values = values([("email", json!(email)), ("days", json!(days))]);
        self.operate_as_admin("ban user", &values).await
    }

    pub async fn unban(&self, email: &str) -> StepResult<Answer> {
        let values = values([("email", json!(email))]);
        self.operate_as_admin("unban user", &values).await
    }

    /// A token of the admin, generated when it is first needed; skips what needs a token that
    /// cannot be had.
    pub async fn need_token(&self, name: &str, days: i64) -> StepResult<Token> {
        let admin = &self.profile.users.admin;
        let known = self.made.lock().await.tokens.get(name).cloned();
        let token = match known {
            Some(token) => token,
            None => {
                let mut session = self.need_session(admin).await?;
                let answer = self.generate(&mut session, name, days).await?;
                let token = self.token_of(&answer, name, admin);
                let token = token.ok_or_else(|| answer.summary());
                let mut made = self.made.lock().await;
                made.tokens.insert(name.to_owned(), token.clone());
                token
            }
        };
        token.map_err(|seen| {
            StepError::Consequence(format!(
                "a token is needed, and generating one fails: the gateway answers {seen}"
            ))
        })
    }

    /// Asks for a token.
    pub async fn generate(
        &self,
        session: &mut Session,
        name: &str,
        days: i64,
    ) -> StepResult<Answer> {
        let values = values([
            ("name", json!(name)),
            ("days", json!(days)),
            ("seconds", json!(days * 86_400)),
            ("models", json!(self.profile.llm.models)),
        ]);
        let email = session.email.clone();
        let act = Act::AskToken {
            name,
            email: &email,
        };
        self.stack.may(act).await?;
        let answer = self.operate(session, "generate token", &values).await?;
        if let Some(id) = answer.text("id") {
            self.stack.may(Act::KeepToken(&id)).await?;
        }
        Ok(answer)
    }

    /// The token that an answer brought.
    pub fn token_of(&self, answer: &Answer, name: &str, email: &str) -> Option<Token> {
        if !answer.ok() {
            return None;
        }
        Some(Token {
            name: name.to_owned(),
            id: answer.text("id")?,
            jwt: answer.text("token")?,
            expires_at: self.profile.moment(&answer.value("expires_at")?)?,
            email: email.to_owned(),
        })
    }

    /// A token of a user that the gateway did not issue, signed with the run's own secret:
    /// revocation is a denylist, so the gateway must believe it. Skips where the secret is not
    /// known.
    pub async fn mint(&self, email: &str, days: i64) -> StepResult<Token> {
        self.stack.may(Act::Mint(email)).await?;
        let Some(secret) = &self.stack.secrets().jwt_secret else {
            return skip("the gateway's JWT_SECRET is not known: no token can be minted");
        };
        let id = format!("verify-{}", nonce());
        let issued = now_ms() / 1000;
        let expires_at = issued + days * 86_400;
        let mut claims =
            json!({"iat": issued, "exp": expires_at, "models": self.profile.llm.models});
        let own = self.claim_values(email, &id, "minted", json!(issued), json!(expires_at));
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

    /// What the claims that only this gateway has are made of.
    pub fn claim_values(
        &self,
        email: &str,
        id: &str,
        name: &str,
        iat: Value,
        exp: Value,
    ) -> Values {
        values([
            ("email", json!(email)),
            ("id", json!(id)),
            ("name", json!(name)),
            ("host", json!(self.profile.site.authority())),
            ("iat", iat),
            ("exp", exp),
        ])
    }

    /// One call of the messages API with a prompt of its own.
    pub async fn ask_model(&self, jwt: Option<&str>, prompt: &str) -> StepResult<Hop> {
        let request = self.model_request(jwt, prompt)?;
        let response = self.http.send(&request).await?;
        Ok(Hop { request, response })
    }

    /// The request of such a call.
    pub fn model_request(&self, jwt: Option<&str>, prompt: &str) -> StepResult<Request> {
        let llm = &self.profile.llm;
        let model = llm.models.first().map(String::as_str).unwrap_or_default();
        let values = values([("model", json!(model)), ("prompt", json!(prompt))]);
        let body = crate::profile::fill_value(&llm.body, &values);
        let (url, _) = self.page(&llm.path)?;
        let request = Request::json("POST", url, body.to_string());
        Ok(match jwt {
            Some(jwt) => request.header("authorization", &format!("Bearer {jwt}")),
            None => request,
        })
    }
}
