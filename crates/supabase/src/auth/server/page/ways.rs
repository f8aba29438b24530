//! The ways to sign in on the consent page: a password, other providers, a mail, a passkey; with the CAPTCHA that is on. What
//! goes through a telephone or an organisation is in `others`.
//!
//! Links and providers come back to the page itself ([`::auth::Redirects::page`]): what they prove becomes this browser's
//! cookie, and no token stands in an address.

use std::sync::Arc;

use ::auth::sso::SsoRefusal;
use ::auth::{Along, Error, OauthError, Verified};
use base::{Fault, Secret};
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;
use web::csrf::form_field;
use web::{Answer, Ask, Cx, Handled, Reply};

use super::super::super::browser::{Scripted, Widget, html_scripted, html_to};
use super::super::super::page::escape;
use super::super::super::{State, envelope, visit};
use super::{Page, alert};

const SCRIPT: &str = concat!(include_str!("credential.js"), include_str!("ways.js"));

/// The CAPTCHAs of others: name, widget, the class of its place, and the field that it fills.
const WIDGETS: [(&str, Widget, &str, &str); 2] = [
    (
        "hcaptcha",
        Widget {
            script: "https://js.hcaptcha.com/1/api.js",
            sources: "https://hcaptcha.com https://*.hcaptcha.com",
        },
        "h-captcha",
        "h-captcha-response",
    ),
    (
        "turnstile",
        Widget {
            script: "https://challenges.cloudflare.com/turnstile/v0/api.js",
            sources: "https://challenges.cloudflare.com",
        },
        "cf-turnstile",
        "cf-turnstile-response",
    ),
];

/// The token of whichever CAPTCHA is on.
pub(super) async fn require_captcha(state: &State, cx: &Cx, ask: &Ask) -> Result<(), Error> {
    if !state.auth.has_captcha() {
        return Ok(());
    }
    let fields = WIDGETS.iter().map(|(.., field)| *field).chain(["captcha_token"]);
    let filled = |name| form_field(&ask.body, name).filter(|token| !token.is_empty());
    let token = fields.filter_map(filled).next();
    state.auth.require_captcha(token.as_deref(), cx.caller.address).await
}

/// Why nobody is signed in, in words of ours; the first is whatever has none of its own.
const REASONS: [(&str, &str); 8] = [
    ("provider", "Signing in there did not work. Try again, or another way."),
    ("link", "This link is invalid or has expired. Ask for another one."),
    ("took_too_long", "Signing in there took too long. Try again."),
    ("no", "You were not signed in there. Try again, or another way."),
    ("no_account", "You have no account here, and new ones are not made this way."),
    ("banned", "This account is closed for now. Ask whoever runs this."),
    (
        "no_email",
        "We were told no e-mail address of yours there that counts here. Ask whoever runs your organisation's accounts.",
    ),
    ("provider_off", "Signing in through them is switched off here. Try another way."),
];

/// The words of a reason in an address; what is none of ours says nothing.
pub(super) fn refusal(what: &str) -> Option<&'static str> {
    REASONS.iter().find(|(name, _)| *name == what).map(|(_, words)| *words)
}

/// What stands in an address for why a provider or an organisation signed nobody in.
pub fn reason(error: &Error) -> &'static str {
    match error {
        Error::Sso(SsoRefusal::RelayStateExpired) | Error::Oauth(OauthError::StateExpired) => "took_too_long",
        Error::Oauth(OauthError::Denied(_)) => "no",
        Error::SignupDisabled => "no_account",
        Error::Banned | Error::CallerBanned => "banned",
        Error::Sso(SsoRefusal::NoEmail | SsoRefusal::ForeignDomain) | Error::Oauth(OauthError::NoEmail) => {
            "no_email"
        }
        Error::Sso(SsoRefusal::ProviderDisabled) | Error::Oauth(OauthError::Provider(_)) => "provider_off",
        // The organisation says so in its answer's status.
        error if error.code() == "saml.status" => "no",
        _ => "provider",
    }
}

/// `POST /oauth/consent/mail`: a link that comes back to this page, and a code to type here.
pub fn mail(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let page = Page::of(&state, &cx, &ask)?;
        let email = form_field(&ask.body, "email").unwrap_or_default().trim().to_owned();
        let asked = match require_captcha(&state, &cx, &ask).await {
            Ok(()) => {
                let redirects = &state.auth.rules().redirects;
                let back_to = redirects.page(&page.request).unwrap_or_else(|| redirects.site().clone());
                let along = Along { back_to, challenge: None, locale: None };
                let data = serde_json::Map::new();
                state.auth.ask_magic_link(&email, false, data, &along, &visit(&cx, &ask)).await
            }
            Err(error) => Err(error),
        };
        match asked {
            Ok(done) => Ok(done.map(|()| page.ask_code(&SentTo::Mail(email), StatusCode::OK, None))),
            Err(error) if error.kind().is_ours() => Err(error.into()),
            Err(error) => page.sign_in(&state, envelope::of_auth(&error).0, Some(&error.message())).await,
        }
    })
}

/// `POST /oauth/consent/code`: of a mail, or of a text.
pub fn code(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let page = Page::of(&state, &cx, &ask)?;
        let field = |name: &str| form_field(&ask.body, name).unwrap_or_default().trim().to_owned();
        let code = Secret::new(field("code"));
        let (to, kind, shown) = match field("phone") {
            phone if !phone.is_empty() => {
                (SentTo::Phone(phone.clone()), "sms", ::auth::Shown::TextedCode { phone, code })
            }
            _ => {
                let email = field("email");
                (SentTo::Mail(email.clone()), "email", ::auth::Shown::MailedCode { email, code })
            }
        };
        match state.auth.verify(kind, shown, false, &visit(&cx, &ask)).await {
            Ok(verified) => Ok(verified.map(|verified| match verified {
                Verified::SignedIn(grant, _) => super::signed_in_at(&state, &grant, page.next()),
                // Only changes of an address have halves, and only flows of clients have codes.
                Verified::Code(_) | Verified::Halfway { .. } => page.next(),
            })),
            Err(error) if error.kind().is_ours() => Err(error.into()),
            Err(error) => {
                let answer = page.ask_code(&to, envelope::of_auth(&error).0, Some(&error.message()));
                Ok(Reply::untouched(answer, "the code was refused and nothing changed"))
            }
        }
    })
}

/// `POST /oauth/consent/passkey`: what the page's script had the device sign.
pub fn passkey(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let page = Page::of(&state, &cx, &ask)?;
        let (challenge, credential) = match read_passkey(&ask) {
            Ok(read) => read,
            Err(error) => return page.entered(&state, Err(error)).await,
        };
        let tried = state.auth.sign_in_with_passkey(challenge, &credential, &visit(&cx, &ask)).await;
        page.entered(&state, tried).await
    })
}

fn read_passkey(ask: &Ask) -> Result<(Uuid, serde_json::Value), Error> {
    let field = |name: &str| form_field(&ask.body, name).unwrap_or_default();
    let challenge = Uuid::try_parse(&field("challenge_id"))
        .map_err(|_| Error::invalid("challenge_id must be an UUID"))?;
    let credential =
        serde_json::from_str(&field("credential")).map_err(|_| Error::invalid("credential is required"))?;
    Ok((challenge, credential))
}

/// Where a code went.
pub(super) enum SentTo {
    Mail(String),
    Phone(String),
}

impl Page {
    /// Where the code is typed.
    pub(super) fn ask_code(self, to: &SentTo, status: StatusCode, why: Option<&str>) -> Answer {
        let (name, value, place, sent) = match to {
            SentTo::Mail(email) => (
                "email",
                email,
                "mail",
                "a link and a code are on their way. Open the link in this browser, or type the code.",
            ),
            SentTo::Phone(phone) => ("phone", phone, "text", "a code is on its way."),
        };
        let form = self.form(
            "/code",
            &format!(
                "<input type=\"hidden\" name=\"{name}\" value=\"{}\"><p><label>The code in the {place}:<br>\
                 <input name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\" required></label></p>\
                 <p><button>Go on</button></p>",
                escape(value)
            ),
        );
        let title = if place == "mail" { "Look into your mail" } else { "Look at your telephone" };
        let body = format!(
            "<h1>{title}</h1>{}<p>If <strong>{}</strong> has an account here, {sent}</p>{form}",
            alert(why),
            escape(value)
        );
        self.browser.with(html_to(status, &body, None))
    }
}

/// The page with every way that is on.
pub(super) async fn page(
    page: &Page,
    state: &State,
    status: StatusCode,
    why: Option<&str>,
) -> Result<Answer, Error> {
    let rules = state.auth.rules();
    let captcha = state.auth.captcha_shown();
    let asked = captcha.as_ref().map(|captcha| captcha.provider).unwrap_or_default();
    let widget = WIDGETS.iter().find(|(name, ..)| *name == asked);
    let site_key = captcha.as_ref().and_then(|captcha| captcha.site_key).unwrap_or_default();
    let proof = match widget {
        Some((_, _, class, _)) => {
            format!("<div class=\"{class}\" data-sitekey=\"{}\"></div>", escape(site_key))
        }
        None if asked.is_empty() => String::new(),
        None => "<input type=\"hidden\" name=\"captcha_token\">".to_owned(),
    };
    let mut body = format!("<h1>Sign in</h1>{}<p id=\"said\" role=\"alert\"></p>", alert(why));
    if !asked.is_empty() {
        body += "<noscript><p role=\"alert\">A CAPTCHA is asked for here: it needs the script of this page.</p></noscript>";
    }
    body += &providers(page, state).await?;
    if rules.email {
        body += &page.form(
            "/sign-in",
            &format!(
                "<p><label>E-mail:<br><input type=\"email\" name=\"email\" autocomplete=\"username\" required></label></p>\
                 <p><label>Password:<br><input type=\"password\" name=\"password\" autocomplete=\"current-password\" required>\
                 </label></p>{proof}<p><button>Sign in</button></p>"
            ),
        );
    }
    if rules.magic_links && rules.can_mail {
        body += "<h2>With a mail</h2>";
        body += &page.form(
            "/mail",
            &format!(
                "<p><label>E-mail:<br><input type=\"email\" name=\"email\" autocomplete=\"username\" required></label></p>\
                 {proof}<p><button>Mail me a link and a code</button></p>"
            ),
        );
    }
    body += &super::others::ways(page, state, &proof).await?;
    let domain = state.auth.passkeys_at(rules.origin());
    if domain.is_some() {
        body += &page.form(
            "/passkey",
            "<input type=\"hidden\" name=\"challenge_id\"><input type=\"hidden\" name=\"credential\">\
             <p><button type=\"button\" id=\"passkey\" hidden>Use a passkey</button></p>",
        );
    }
    let auth = page.path.strip_suffix("/oauth/consent").unwrap_or_default();
    body += &format!(
        "<div id=\"ways\" data-auth=\"{}\" data-captcha=\"{asked}\" data-domain=\"{}\"></div>",
        escape(auth),
        escape(domain.unwrap_or_default())
    );
    if asked.is_empty() && domain.is_none() {
        return Ok(html_to(status, &body, None));
    }
    let widget = widget.map(|(_, widget, ..)| widget);
    Ok(html_scripted(status, &body, &Scripted { script: SCRIPT, widget }))
}

/// A link to each provider, of the settings and of administrators. It is no form: browsers would hold the provider's own forms
/// to this page's policy.
async fn providers(page: &Page, state: &State) -> Result<String, Error> {
    let Some(back_to) = state.auth.rules().redirects.page(&page.request) else { return Ok(String::new()) };
    let auth = state.auth.rules().auth_url();
    let link = |name: &str, title: &str| {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let query = format!("provider={}&redirect_to={}", encode(name), encode(back_to.text()));
        format!(
            "<li><a href=\"{}\" rel=\"nofollow\">Go on with {}</a></li>",
            escape(&format!("{auth}/authorize?{query}")),
            escape(title)
        )
    };
    let mut links: Vec<String> =
        state.auth.outside_providers().map(|name| link(name, &title(name))).collect();
    let custom = state.auth.custom_offered().await?;
    links.extend(custom.iter().map(|(name, shown)| {
        let shown = shown.trim();
        if shown.is_empty() { link(name, &title(name)) } else { link(name, shown) }
    }));
    Ok(if links.is_empty() { String::new() } else { format!("<ul>{}</ul>", links.concat()) })
}

/// A provider as people call it.
fn title(name: &str) -> String {
    match name {
        "github" => "GitHub".to_owned(),
        "gitlab" => "GitLab".to_owned(),
        "azure" => "Microsoft".to_owned(),
        "linkedin_oidc" => "LinkedIn".to_owned(),
        "slack_oidc" => "Slack".to_owned(),
        "workos" => "WorkOS".to_owned(),
        "vercel_marketplace" => "Vercel".to_owned(),
        other => {
            let mut letters = other.rsplit(':').next().unwrap_or(other).chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
        }
    }
}
