//! Logins, tokens and logouts at the mock Auth0.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Response, StatusCode};
use url::Url;
use verify::doubles::Running;
use verify::doubles::auth0::{Auth0, Config, User};

use super::support::{TOKEN, client, cookie, form, journal, json, location, parameter, start};

mod login;
mod logout;
mod token;

const CALLBACK: &str = "http://gateway.example.com/oauth2/callback";
const AFTER: &str = "http://gateway.example.com/";
const EMAIL: &str = "Admin+test@example.com";
const PASSWORD: &str = "correct horse & <battery>";
const SECRET: &str = "client+secret";

/// A tenant with a browser in front of it.
struct Rig {
    running: Running,
    client: Client,
}

async fn rig() -> Rig {
    let config = Config {
        issuer: Url::parse("http://auth0:9000/").unwrap(),
        client_id: "gateway".into(),
        client_secret: SECRET.into(),
        callback_prefixes: vec![CALLBACK.into()],
        logout_urls: vec![AFTER.into()],
        users: vec![User {
            email: EMAIL.into(),
            password: PASSWORD.into(),
            name: "Ad Min".into(),
        }],
    };
    let auth0 = Auth0::new(config).unwrap();
    Rig {
        running: start(auth0.controlled_by(TOKEN.into()).router()).await,
        client: client(),
    }
}

impl Rig {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.addr)
    }

    async fn get(&self, path: &str, cookie: &str) -> Response {
        self.client
            .get(self.url(path))
            .header("cookie", cookie)
            .send()
            .await
            .unwrap()
    }

    /// `/authorize` with good parameters and `more`, which replace or add.
    async fn authorize(&self, more: &[(&str, &str)], cookie: &str) -> Response {
        let mut fields = vec![
            ("client_id", "gateway"),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid email profile offline_access"),
            ("state", "st&te"),
            ("nonce", "n0nce"),
        ];
        fields.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields.iter().chain(more))
            .finish();
        self.get(&format!("/authorize?{query}"), cookie).await
    }

    /// The form, filled in and sent.
    async fn submit(&self, state: &str, username: &str, password: &str) -> Response {
        let url = self.url(&format!("/u/login?state={state}"));
        let fields = [
            ("state", state),
            ("username", username),
            ("password", password),
        ];
        form(self.client.post(url), &fields).send().await.unwrap()
    }

    /// A whole login: the code and the browser's cookie.
    async fn login(&self, more: &[(&str, &str)]) -> (String, String) {
        let to_form = self.authorize(more, "").await;
        let state = parameter(&location(&to_form), "state").unwrap();
        let accepted = self.submit(&state, EMAIL, PASSWORD).await;
        assert_eq!(accepted.status(), StatusCode::FOUND);
        let session = cookie(accepted.headers());
        let back = self.get(&location(&accepted), &session).await;
        (parameter(&location(&back), "code").unwrap(), session)
    }

    async fn token(&self, fields: &[(&str, &str)]) -> Response {
        let request = self.client.post(self.url("/oauth/token"));
        // Go's client form-encodes the halves: the plus becomes %2B.
        let basic = STANDARD.encode("gateway:client%2Bsecret");
        form(
            request.header("authorization", format!("Basic {basic}")),
            fields,
        )
        .send()
        .await
        .unwrap()
    }

    async fn exchange(&self, code: &str, more: &[(&str, &str)]) -> Response {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
        ];
        fields.extend_from_slice(more);
        self.token(&fields).await
    }

    async fn notes(&self) -> Vec<String> {
        journal(&self.running, 0)
            .await
            .entries
            .into_iter()
            .filter_map(|entry| entry.note)
            .collect()
    }
}

async fn error_of(response: Response, status: StatusCode) -> String {
    assert_eq!(response.status(), status);
    json(response).await["error"].as_str().unwrap().to_owned()
}
