//! The ways out.

use reqwest::StatusCode;

use super::super::support::{json, location, parameter};
use super::{AFTER, EMAIL, rig};

#[tokio::test]
async fn a_logout_from_behind_ends_the_session_of_its_id_token() {
    let rig = rig().await;
    let (code, session) = rig.login(&[]).await;
    let tokens = json(rig.exchange(&code, &[]).await).await;
    let hint = tokens["id_token"].as_str().unwrap();
    let (signed, _) = hint.rsplit_once('.').unwrap();
    let forged = rig
        .get(&format!("/oidc/logout?id_token_hint={signed}.AAAA"), "")
        .await;
    assert_eq!(forged.status(), StatusCode::BAD_REQUEST);
    assert!(parameter(&location(&rig.authorize(&[], &session).await), "code").is_some());

    let left = rig
        .get(&format!("/oidc/logout?id_token_hint={hint}"), "")
        .await;
    assert_eq!(left.status(), StatusCode::OK);
    assert!(
        rig.notes()
            .await
            .contains(&format!("session ended for {EMAIL}"))
    );
    let next = rig.authorize(&[], &session).await;
    assert!(location(&next).starts_with("/u/login"));
    // Logging out twice does no harm.
    let twice = rig
        .get(&format!("/oidc/logout?id_token_hint={hint}"), "")
        .await;
    assert_eq!(twice.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_logout_goes_only_where_it_may() {
    let rig = rig().await;
    let (_, session) = rig.login(&[]).await;
    let evil = rig
        .get("/v2/logout?client_id=gateway&returnTo=http://evil/", "")
        .await;
    assert_eq!(evil.status(), StatusCode::OK);
    let query = "post_logout_redirect_uri=http://evil/";
    let evil = rig.get(&format!("/oidc/logout?{query}"), &session).await;
    assert_eq!(evil.status(), StatusCode::BAD_REQUEST);

    let home = rig
        .get(
            &format!("/v2/logout?client_id=gateway&returnTo={AFTER}"),
            &session,
        )
        .await;
    assert_eq!(
        (home.status(), location(&home).as_str()),
        (StatusCode::FOUND, AFTER)
    );
    assert!(
        home.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    let next = rig.authorize(&[], &session).await;
    assert!(location(&next).starts_with("/u/login"));
    let home = rig
        .get(
            &format!("/oidc/logout?post_logout_redirect_uri={AFTER}&state=x"),
            "",
        )
        .await;
    assert_eq!(location(&home), format!("{AFTER}?state=x"));
}
