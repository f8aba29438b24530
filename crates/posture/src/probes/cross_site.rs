//! Control 75: what another site's page can make a browser send.

use crate::Finding;
use crate::bench::{Answer, Ask, Bench, Person, Trouble};

/// Routes that a cookie opens on every instance.
const OPENED_BY_COOKIE: [&str; 2] = ["/auth/v1/callback/link", "/auth/v1/callback/confirm"];
const PAGE: &str = "/auth/v1/oauth/consent";
const SIGN_IN: &str = "/auth/v1/oauth/consent/sign-in";

type Lines = Vec<(bool, String)>;

/// 75: a form, script or picture of another site changes nothing, and a cookie alone opens nothing.
pub async fn another_sites_page_changes_nothing(bench: &Bench) -> Result<Finding, Trouble> {
    let (person, session) = bench.guest().await?;
    let mut lines = Lines::new();
    forged_sign_ins(bench, &person, &mut lines).await?;
    let by_picture =
        bench.client("GET", "/auth/v1/logout?scope=global").bearer(&session.access).send().await?;
    let still = bench.client("GET", "/auth/v1/user").bearer(&session.access).send().await?;
    lines.push((
        by_picture.status == 405 && still.status == 200,
        format!(
            "signing out by GET is no route ({}), the session lives ({})",
            by_picture.status, still.status
        ),
    ));
    // Any value will do for what must be refused.
    let made_up = format!("palisade_browser={}", "A".repeat(43));
    for path in OPENED_BY_COOKIE {
        cookie_alone(bench, path, &made_up, &mut lines).await?;
    }
    own_page(bench, &person, &mut lines).await?;
    Ok(Finding::all(lines))
}

/// Signing somebody in from another site's page, as forms and scripts without a preflight can try it.
async fn forged_sign_ins(bench: &Bench, person: &Person, lines: &mut Lines) -> Result<(), Trouble> {
    const EVIL: (&str, &str) = ("origin", "https://evil.invalid");
    let credentials = serde_json::json!({ "email": person.email, "password": person.password });
    let ask = || bench.client("POST", "/auth/v1/token?grant_type=password").json(&credentials);
    for (what, headers) in [
        ("text/plain of another origin", vec![("content-type", "text/plain"), EVIL]),
        ("a form of another origin", vec![("content-type", "application/x-www-form-urlencoded"), EVIL]),
        (
            "another site's navigation",
            vec![
                ("content-type", "text/plain"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
            ],
        ),
    ] {
        let answer = with_only(ask(), &headers).send().await?;
        lines.push((is_refused(&answer), format!("a sign-in as {what}: {}", answer.status)));
    }
    let own = ask().send().await?;
    lines.push((own.status == 200, format!("the same by a program: {}", own.status)));
    judge_cookies(&own, lines);
    Ok(())
}

/// What a cookie opens, without the proof that a page of ours sent it.
async fn cookie_alone(bench: &Bench, path: &str, cookie: &str, lines: &mut Lines) -> Result<(), Trouble> {
    let form = || bench.ask("POST", path).form(&[("flow", "x"), ("action", "approve")]);
    let tries: [(&str, Ask<'_>); 4] = [
        ("its cookie alone", form().header("cookie", cookie)),
        (
            "its cookie and a made-up X-CSRF-Token",
            form().header("cookie", cookie).header("x-csrf-token", "made-up"),
        ),
        ("an X-CSRF-Token without the cookie", form().header("x-csrf-token", "made-up")),
        (
            "its cookie from another site",
            form()
                .header("cookie", cookie)
                .header("origin", "https://evil.invalid")
                .header("sec-fetch-site", "cross-site"),
        ),
    ];
    for (what, ask) in tries {
        let answer = ask.send().await?;
        lines.push((is_refused(&answer), format!("{path} with {what}: {}", answer.status)));
    }
    Ok(())
}

/// Our own page, where there is one: its form goes through with its token, and not without or from elsewhere.
async fn own_page(bench: &Bench, person: &Person, lines: &mut Lines) -> Result<(), Trouble> {
    let page = bench.ask("GET", PAGE).send().await?;
    if page.status == 404 {
        return Ok(());
    }
    let token = between(&page.text(), "name=\"csrf_token\" value=\"", "\"");
    let cookie = page.headers.iter().find(|(name, _)| name == "set-cookie").map(|(_, line)| line.clone());
    let (Some(token), Some(cookie)) = (token, cookie) else {
        lines.push((false, format!("{PAGE} gives a cookie and a token: {}", page.status)));
        return Ok(());
    };
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    judge_cookies(&page, lines);
    cookie_alone(bench, PAGE, &cookie, lines).await?;
    let fields = [("email", person.email.as_str()), ("password", &person.password), ("csrf_token", &token)];
    let form = || bench.ask("POST", SIGN_IN).form(&fields).header("cookie", &cookie);
    for (what, header) in [
        ("from another origin", ("origin", "https://evil.invalid")),
        ("from no origin", ("origin", "null")),
        ("from a neighbouring site", ("sec-fetch-site", "same-site")),
    ] {
        let answer = form().header(header.0, header.1).send().await?;
        lines.push((is_refused(&answer), format!("its form {what}: {}", answer.status)));
    }
    let own = form().send().await?;
    lines.push((own.status == 303, format!("its form from itself signs in: {}", own.status)));
    judge_cookies(&own, lines);
    Ok(())
}

/// Every cookie is for us alone, and not for requests that other sites' pages cause.
fn judge_cookies(answer: &Answer, lines: &mut Lines) {
    for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
        let words: Vec<String> = line.split(';').map(|word| word.trim().to_ascii_lowercase()).collect();
        let name = line.split('=').next().unwrap_or_default();
        let kept = words.iter().any(|word| word == "samesite=lax" || word == "samesite=strict");
        let closed = words.iter().any(|word| word == "httponly");
        lines.push((kept && closed, format!("the cookie {name} is SameSite and HttpOnly")));
    }
}

/// The request with these headers and no others of their names.
fn with_only<'a>(ask: Ask<'a>, headers: &[(&str, &str)]) -> Ask<'a> {
    headers.iter().fold(ask, |ask, (name, value)| ask.replace(name, value))
}

/// Refused as forged, not for something else.
fn is_refused(answer: &Answer) -> bool {
    answer.status == 403 && answer.text().contains("This request was refused")
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let rest = text.split_once(before)?.1;
    Some(rest.split_once(after)?.0.to_owned())
}
