//! Codes for tokens, and what the tokens say.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::StatusCode;
use serde_json::Value;

use super::super::support::{cookie, form, json, location, parameter};
use super::{AFTER, CALLBACK, EMAIL, PASSWORD, Rig, SECRET, error_of, rig};

#[tokio::test]
async fn a_login_goes_through_the_form_to_verified_tokens() {
    let rig = rig().await;
    let to_form = rig.authorize(&[], "").await;
    assert_eq!(to_form.status(), StatusCode::FOUND);
    assert!(location(&to_form).starts_with("/u/login?state="));
    let shown = rig.get(&location(&to_form), "").await;
    assert_eq!(shown.status(), StatusCode::OK);
    let page = shown.text().await.unwrap();
    assert!(page.contains("<title>Log in | Verify Auth0</title>"));
    assert!(
        page.contains(r#"type="password" name="password""#),
        "{page}"
    );

    let state = parameter(&location(&to_form), "state").unwrap();
    let accepted = rig.submit(&state, &EMAIL.to_lowercase(), PASSWORD).await;
    assert_eq!(accepted.status(), StatusCode::FOUND);
    let set = accepted.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(set.starts_with("auth0=") && set.contains("HttpOnly") && set.contains("SameSite=Lax"));
    let back = rig
        .get(&location(&accepted), &cookie(accepted.headers()))
        .await;
    assert_eq!(back.status(), StatusCode::FOUND);
    assert!(location(&back).starts_with(CALLBACK));
    assert_eq!(
        parameter(&location(&back), "state").as_deref(),
        Some("st&te")
    );

    let code = parameter(&location(&back), "code").unwrap();
    let exchanged = rig.exchange(&code, &[]).await;
    assert_eq!(exchanged.status(), StatusCode::OK);
    assert_eq!(exchanged.headers()["cache-control"], "no-store");
    let tokens = json(exchanged).await;
    assert_eq!(
        (&tokens["token_type"], &tokens["expires_in"]),
        (&"Bearer".into(), &86400.into())
    );
    check_id_token(&rig, tokens["id_token"].as_str().unwrap()).await;
    check_userinfo(&rig, tokens["access_token"].as_str().unwrap()).await;

    let refresh = tokens["refresh_token"].as_str().unwrap();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    let refreshed = json(rig.token(&fields).await).await;
    assert!(refreshed["id_token"].is_string());
    assert_eq!(
        rig.notes().await,
        [
            "login form shown".to_owned(),
            format!("password accepted for {EMAIL}"),
            format!("code issued for {EMAIL}"),
            format!("code exchanged for {EMAIL}"),
            format!("user information of {EMAIL}"),
            format!("token refreshed for {EMAIL}"),
        ]
    );
}

async fn check_id_token(rig: &Rig, token: &str) {
    let keys: JwkSet = rig
        .get("/.well-known/jwks.json", "")
        .await
        .json()
        .await
        .unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let key = keys.find(&header.kid.unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&["gateway"]);
    rules.set_issuer(&["http://auth0:9000/"]);
    let key = DecodingKey::from_jwk(key).unwrap();
    let claims = jsonwebtoken::decode::<Value>(token, &key, &rules)
        .unwrap()
        .claims;
    assert_eq!(claims["email"], EMAIL);
    assert_eq!(claims["email_verified"], true);
    assert_eq!(claims["nonce"], "n0nce");
    assert_eq!(claims["nickname"], "Admin+test");
    assert!(claims["sub"].as_str().unwrap().starts_with("auth0|"));
    for name in ["name", "picture", "updated_at", "sid", "iat", "exp"] {
        assert!(!claims[name].is_null(), "{name}");
    }
    // Another key, or a changed token, must not do.
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (head, _) = signed.split_once('.').unwrap();
    let forged = format!(
        "{head}.{}.{signature}",
        URL_SAFE_NO_PAD.encode(r#"{"email":"x@y"}"#)
    );
    assert!(jsonwebtoken::decode::<Value>(&forged, &key, &rules).is_err());
}

async fn check_userinfo(rig: &Rig, token: &str) {
    let url = rig.url("/userinfo");
    let bad = rig
        .client
        .get(&url)
        .bearer_auth("nonsense")
        .send()
        .await
        .unwrap();
    assert_eq!(bad.status(), StatusCode::UNAUTHORIZED);
    assert!(bad.headers().contains_key("www-authenticate"));
    let user = json(
        rig.client
            .get(&url)
            .bearer_auth(token)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        (&user["email"], &user["name"]),
        (&EMAIL.into(), &"Ad Min".into())
    );
}

#[tokio::test]
async fn discovery_is_served_at_once_and_names_the_issuer() {
    let rig = rig().await;
    let document = json(rig.get("/.well-known/openid-configuration", "").await).await;
    assert_eq!(document["issuer"], "http://auth0:9000/");
    assert_eq!(document["token_endpoint"], "http://auth0:9000/oauth/token");
    assert_eq!(
        document["jwks_uri"],
        "http://auth0:9000/.well-known/jwks.json"
    );
    assert_eq!(
        document["end_session_endpoint"],
        "http://auth0:9000/oidc/logout"
    );
}

#[tokio::test]
async fn a_code_is_good_once_and_for_its_own_redirect_uri() {
    let rig = rig().await;
    let (code, session) = rig.login(&[]).await;
    assert_eq!(rig.exchange(&code, &[]).await.status(), StatusCode::OK);
    let again = rig.exchange(&code, &[]).await;
    assert_eq!(
        error_of(again, StatusCode::FORBIDDEN).await,
        "invalid_grant"
    );

    let silent = rig.authorize(&[], &session).await;
    let code = parameter(&location(&silent), "code").unwrap();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", AFTER),
    ];
    let elsewhere = rig.token(&fields).await;
    assert_eq!(
        error_of(elsewhere, StatusCode::FORBIDDEN).await,
        "invalid_grant"
    );
}

#[tokio::test]
async fn only_the_client_itself_gets_tokens() {
    let rig = rig().await;
    let (code, _) = rig.login(&[]).await;
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("client_id", "gateway"),
    ];
    let url = rig.url("/oauth/token");
    let nobody = form(rig.client.post(&url), &fields).send().await.unwrap();
    assert_eq!(
        error_of(nobody, StatusCode::UNAUTHORIZED).await,
        "access_denied"
    );
    fields.push(("client_secret", "guessed"));
    let guessed = form(rig.client.post(&url), &fields).send().await.unwrap();
    assert_eq!(
        error_of(guessed, StatusCode::UNAUTHORIZED).await,
        "access_denied"
    );
    fields.pop();
    fields.push(("client_secret", SECRET));
    let posted = form(rig.client.post(&url), &fields).send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::OK);
    let odd = rig.token(&[("grant_type", "password")]).await;
    assert_eq!(
        error_of(odd, StatusCode::FORBIDDEN).await,
        "unsupported_grant_type"
    );
}

#[tokio::test]
async fn a_wrong_verifier_is_refused() {
    // The pair of RFC 7636, appendix B.
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let pkce = [
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ];
    let rig = rig().await;
    let (code, session) = rig.login(&pkce).await;
    let wrong = rig.exchange(&code, &[("code_verifier", "wrong")]).await;
    assert_eq!(
        error_of(wrong, StatusCode::FORBIDDEN).await,
        "invalid_grant"
    );
    for (more, status) in [
        (&[][..], StatusCode::FORBIDDEN),
        (&[("code_verifier", verifier)], StatusCode::OK),
    ] {
        let code = parameter(&location(&rig.authorize(&pkce, &session).await), "code").unwrap();
        assert_eq!(rig.exchange(&code, more).await.status(), status);
    }
}
