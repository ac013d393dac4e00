//! From `/authorize` through the form and back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;

use super::super::support::{journal, location, parameter};
use super::{CALLBACK, EMAIL, PASSWORD, SECRET, rig};

#[tokio::test]
async fn a_wrong_password_shows_the_form_again_and_opens_nothing() {
    let rig = rig().await;
    let state = parameter(&location(&rig.authorize(&[], "").await), "state").unwrap();
    for (username, password) in [(EMAIL, "wrong"), ("\"><script>@x", PASSWORD), (EMAIL, "")] {
        let refused = rig.submit(&state, username, password).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        assert!(!refused.headers().contains_key("set-cookie"));
        let page = refused.text().await.unwrap();
        assert!(page.contains("Wrong email or password") && page.contains("Log in | Verify Auth0"));
        assert!(!page.contains("<script>"), "{page}");
    }
    assert_eq!(rig.notes().await[0], format!("wrong password for {EMAIL}"));
    let resumed = rig
        .get(&format!("/authorize/resume?state={state}"), "")
        .await;
    assert_eq!(resumed.status(), StatusCode::BAD_REQUEST);
    // The same form still takes the right one.
    assert_eq!(
        rig.submit(&state, EMAIL, PASSWORD).await.status(),
        StatusCode::FOUND
    );
}

#[tokio::test]
async fn passwords_and_client_secrets_are_not_in_the_journal() {
    let rig = rig().await;
    let (code, _) = rig.login(&[]).await;
    let post = [("client_id", "gateway"), ("client_secret", SECRET)];
    assert_eq!(rig.exchange(&code, &post).await.status(), StatusCode::OK);
    let text = serde_json::to_string(&journal(&rig.running, 0).await).unwrap();
    assert!(
        text.contains("password=***") && text.contains("client_secret=***"),
        "{text}"
    );
    assert!(
        text.contains("username=Admin%2Btest%40example.com"),
        "{text}"
    );
    for secret in [
        "battery",
        "client%2Bsecret",
        &STANDARD.encode("gateway:client%2Bsecret"),
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn strangers_get_a_page_and_no_redirect() {
    let rig = rig().await;
    for more in [
        ("client_id", "<b>"),
        ("client_id", ""),
        ("redirect_uri", "http://evil.example.com/oauth2/callback"),
        (
            "redirect_uri",
            "http://gateway.example.com/oauth2/callback/../x",
        ),
        ("redirect_uri", ""),
    ] {
        let page = rig.authorize(&[more], "").await;
        assert!(page.status().is_client_error(), "{more:?}");
        assert!(!page.headers().contains_key("location"), "{more:?}");
        assert!(!page.text().await.unwrap().contains("<b>"));
    }
}

#[tokio::test]
async fn a_client_hears_of_its_mistakes_by_redirect() {
    let rig = rig().await;
    for (more, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", ""), "invalid_request"),
        (("scope", "email"), "invalid_scope"),
        (("prompt", "none"), "login_required"),
    ] {
        let back = rig.authorize(&[more], "").await;
        assert!(location(&back).starts_with(CALLBACK), "{more:?}");
        assert_eq!(parameter(&location(&back), "error").as_deref(), Some(error));
        assert_eq!(
            parameter(&location(&back), "state").as_deref(),
            Some("st&te")
        );
    }
}

#[tokio::test]
async fn a_second_visit_is_silent_unless_the_form_is_asked_for() {
    let rig = rig().await;
    let (_, session) = rig.login(&[]).await;
    for prompt in [&[][..], &[("prompt", "none")]] {
        let silent = rig.authorize(prompt, &session).await;
        assert!(parameter(&location(&silent), "code").is_some());
    }
    let forced = rig.authorize(&[("prompt", "login")], &session).await;
    assert!(location(&forced).starts_with("/u/login"));
    let stranger = rig.authorize(&[], "auth0=made-up").await;
    assert!(location(&stranger).starts_with("/u/login"));
}
