//! What another site's page can make a browser send (row 88).

use bytes::Bytes;
use http::Method;
use spec::TestApp;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn row_88_another_sites_page_changes_nothing_anywhere() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    let body = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let forged: [&[(&str, &str)]; 8] = [
        &[("origin", "https://evil.example"), FORM],
        &[("origin", "https://evil.example"), ("content-type", "text/plain")],
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), FORM],
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("content-type", "text/plain")],
        // A script's, in a form's types: a browser sends it unasked, and keeps no more than the answer back.
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors"), ("content-type", "text/plain")],
        &[
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "cors"),
            FORM,
        ],
        &[
            ("origin", "https://x.example.com"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-mode", "cors"),
            FORM,
        ],
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")],
    ];
    let json = format!("{{\"email\":\"ann@example.com\",\"password\":\"{}\"}}", spec::person::PASSWORD);
    for headers in forged {
        for (path, text) in [
            ("/auth/v1/token?grant_type=password", json.as_str()),
            ("/auth/v1/signup", json.as_str()),
            ("/auth/v1/logout", ""),
            ("/auth/v1/recover", json.as_str()),
            ("/rest/v1/anything", "{}"),
        ] {
            let seen = ann.client.send(Method::POST, path, headers, body(text)).await;
            assert_eq!(seen.status, 403, "{path} with {headers:?}: {}", seen.text());
        }
    }
    // Reading changes nothing: GET of what changes something is no route.
    for path in ["/auth/v1/logout", "/auth/v1/token?grant_type=password", "/auth/v1/signup"] {
        assert_eq!(ann.client.get(path).await.status, 405, "{path}");
    }
    ann.client.get("/auth/v1/user").await.expect(200);
    assert!(app.audited("guard.refused").await);
    // Programs, and pages that asked, go on.
    let own = [
        ("origin", "http://localhost:3000"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "cors"),
        ("content-type", "application/json"),
    ];
    app.stranger()
        .send(Method::POST, "/auth/v1/token?grant_type=password", &own, body(&json))
        .await
        .expect(200);
    // What another site's form is for is not for its scripts: nobody sees them ask.
    let script = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors"), FORM];
    for path in app.running.routes.iter().filter(|route| route.terms.from_elsewhere).map(|route| &route.path)
    {
        let seen = app.stranger().send(Method::POST, path, &script, body("")).await;
        assert!(
            seen.status == 403 && seen.text().contains("This request was refused"),
            "{path}: {}",
            seen.text()
        );
        let form = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), FORM];
        let seen = app.stranger().send(Method::POST, path, &form, body("")).await;
        assert!(!seen.text().contains("This request was refused"), "{path}: {}", seen.text());
    }
}

/// An application of another site whose pages may read answers: it is asked about by nobody before it sends a form.
#[tokio::test]
async fn row_88_a_page_that_may_read_our_answers_may_send_what_a_form_can() {
    let app = TestApp::builder().with("server.cors.allowed_origins", "https://app.example.com").start().await;
    let sends = async |origin: &str| {
        let headers =
            [("origin", origin), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors"), FORM];
        let body = Bytes::from_static(b"grant_type=authorization_code&code=x&client_id=y");
        app.stranger().send(Method::POST, "/auth/v1/token?grant_type=password", &headers, body).await.status
    };
    assert_eq!(sends("https://evil.example").await, 403);
    assert_eq!(sends("https://app.example.com").await, 400, "it is read, and is no JSON");
}

#[tokio::test]
async fn row_88_every_route_that_a_cookie_opens_wants_the_double_submit_from_our_own_page() {
    let app = crate::features::oauth_server::with_server().start().await;
    let value = "A".repeat(43);
    let cookie = format!("palisade_browser={value}");
    let token = web::csrf::csrf_token(&value);
    let mut walked = 0;
    for route in
        app.running.routes.iter().filter(|route| route.terms.credentials == web::Credentials::Browser)
    {
        if route.method == Method::GET {
            continue;
        }
        walked += 1;
        let path = route.path.replace("{id}", "x");
        let send = async |headers: &[(&str, &str)]| {
            app.stranger().send(route.method.clone(), &path, headers, Bytes::new()).await.status.as_u16()
        };
        let good = [("cookie", cookie.as_str()), ("x-csrf-token", token.as_str()), FORM];
        for headers in [
            &good[..1],
            &good[1..],
            &[good[0], ("x-csrf-token", "wrong")],
            &[good[0], good[1], ("origin", "https://evil.example")],
            &[good[0], good[1], ("origin", "null")],
            &[good[0], good[1], ("sec-fetch-site", "cross-site")],
            &[good[0], good[1], ("sec-fetch-site", "same-site")],
        ] {
            assert_eq!(send(headers).await, 403, "{} {path} with {headers:?}", route.method);
        }
        let answered = app.stranger().send(route.method.clone(), &path, &good, Bytes::new()).await;
        assert!(
            !answered.text().contains("This request was refused"),
            "{path} goes on to its own answer: {}",
            answered.text()
        );
    }
    assert!(walked >= 6, "{walked} routes");
}
