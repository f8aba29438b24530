//! An invitation that is accepted by signing in through somebody else (row 32 on that way too).

use serde_json::{Value, json};
use spec::browser::parameter;
use spec::{Idp, TestApp};

use super::oauth::{BACK, CHALLENGE, begin, browser, exchange, today, with_idp};

const GUEST: &str = "s-7~guest@example.com~false~Guest";

/// A link that an administrator made, and whose account it is for.
async fn link(app: &TestApp, kind: &str, email: &str) -> (String, Value) {
    let wanted = json!({ "type": kind, "email": email, "data": { "team": "blue" } });
    let made = app.service().post("/auth/v1/admin/generate_link", wanted).await.expect(200).value();
    (made["hashed_token"].as_str().unwrap().to_owned(), made["id"].clone())
}

fn with(token: &str) -> String {
    format!("&invite_token={token}&code_challenge={CHALLENGE}&code_challenge_method=s256")
}

#[tokio::test]
async fn row_32_an_invitation_is_accepted_through_a_provider_by_the_invited_address_once() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp).with("auth.disable_signup", "true")).await;
    let (token, guest) = link(&app, "invite", "guest@example.com").await;
    // Without it, whoever the provider does not vouch for gets no further than a question by mail.
    let bare = format!("&code_challenge={CHALLENGE}&code_challenge_method=s256");
    let asked = browser(&app).follow(&begin(&app, "keycloak", GUEST, &bare), BACK).await;
    assert_eq!(parameter(&asked, "error_code").as_deref(), Some("provider_email_needs_verification"));
    // Somebody else at the provider, who has no account and gets none.
    let other = begin(&app, "keycloak", "s-8~other@example.com~true~Other", &with(&token));
    let refused = browser(&app).follow(&other, BACK).await;
    assert_eq!(parameter(&refused, "error_code").as_deref(), Some("validation_failed"), "{refused}");
    assert!(refused.contains("Invited+email+does+not+match"), "{refused}");
    let users = app.service().get("/auth/v1/admin/users").await.expect(200).text();
    assert!(!users.contains("other@example.com"), "{users}");
    // Two begin with it; whoever is back second finds it spent.
    let (mut first, mut second) = (browser(&app), browser(&app));
    let at = begin(&app, "keycloak", GUEST, &with(&token));
    let (away, away_too) = (
        first.open(&at).await.header("location").to_owned(),
        second.open(&at).await.header("location").to_owned(),
    );
    assert!(away.starts_with(&idp.issuer) && !away.contains(&token), "the provider is not told: {away}");
    let back = first.follow(&away, BACK).await;
    let session = exchange(&app, &back).await.expect(200).value();
    let user = &session["user"];
    assert_eq!(
        (&user["id"], &user["email"], &user["role"]),
        (&guest, &json!("guest@example.com"), &json!("authenticated"))
    );
    assert!(user["email_confirmed_at"].is_string(), "{user}");
    assert_eq!(
        (&user["app_metadata"]["provider"], &user["user_metadata"]["team"]),
        (&json!("keycloak"), &json!("blue"))
    );
    assert_eq!(user["identities"].as_array().unwrap().len(), 1, "{user}");
    assert!(app.audited("auth.invite_accepted").await);
    let late = second.follow(&away_too, BACK).await;
    assert_eq!(parameter(&late, "error_code").as_deref(), Some("invite_not_found"), "{late}");
    let spent =
        app.stranger().post("/auth/v1/verify", json!({ "type": "invite", "token_hash": token })).await;
    assert_eq!(spent.expect(403).field("error_code"), "otp_expired");
    // From now on it is an account like any other.
    let again = browser(&app).follow(&begin(&app, "keycloak", GUEST, &bare), BACK).await;
    assert_eq!(exchange(&app, &again).await.expect(200).value()["user"]["id"], guest);
}

#[tokio::test]
async fn row_32_what_is_no_invitation_sends_nobody_away_and_takes_nobodys_account() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let ann = app.person("ann").await;
    let (recovery, _) = link(&app, "recovery", &ann.email).await;
    let (spent, _) = link(&app, "invite", "guest@example.com").await;
    app.stranger()
        .post("/auth/v1/verify", json!({ "type": "invite", "token_hash": spent }))
        .await
        .expect(200);
    let (aged, _) = link(&app, "invite", "late@example.com").await;
    for (token, what) in [("x", "nobody's"), (&*recovery, "a recovery"), (&*spent, "a spent one")] {
        let path = format!("/auth/v1/authorize?provider=keycloak&redirect_to={BACK}&invite_token={token}");
        let seen = app.stranger().get(&path).await.expect(404);
        assert_eq!(seen.field("error_code"), "user_not_found", "{what}");
        assert_eq!(seen.field("msg"), "User identified by token not found", "{what}");
    }
    // An identity that is somebody's stays theirs.
    let theirs = "s-9~late@example.com~false~Ann";
    let path = format!(
        "/auth/v1/user/identities/authorize?provider=keycloak&redirect_to={BACK}&skip_http_redirect=true\
         &code_challenge={CHALLENGE}&code_challenge_method=s256&login_hint={}",
        theirs.replace('@', "%40")
    );
    let url = ann.client.get(&path).await.expect(200).field("url");
    let linked = browser(&app).follow(&url, BACK).await;
    assert_eq!(exchange(&app, &linked).await.expect(200).value()["user"]["id"], json!(ann.id));
    let taken = browser(&app).follow(&begin(&app, "keycloak", theirs, &with(&aged)), BACK).await;
    assert_eq!(parameter(&taken, "error_code").as_deref(), Some("identity_already_exists"), "{taken}");
    app.clock.advance(std::time::Duration::from_secs(3_601));
    let path = format!("/auth/v1/authorize?provider=keycloak&redirect_to={BACK}&invite_token={aged}");
    app.stranger().get(&path).await.expect(404);
}
