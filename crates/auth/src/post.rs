//! What we write to people: a mail by template, put into the outbox in the transaction of what it tells.
//!
//! [`Auth::notify`] is how any part of auth tells somebody that something happened to their account.

use jobs::{Jobs, Urgency};
use mail::{Message, Outbox, Rendered, Template, Templates};
use pg::SystemTx;
use serde_json::{Map, Value, json};
use texts::Texts;
use uuid::Uuid;

use crate::user::User;
use crate::{Auth, Error, Visit};

/// The way out for mail.
pub(crate) struct Post {
    pub outbox: Outbox,
    pub jobs: Jobs,
    pub templates: Templates,
    pub texts: Texts,
}

/// Something that the owner of an account should hear of.
#[derive(Clone, Copy, Debug)]
pub enum Warning<'a> {
    /// The password was changed.
    PasswordChanged,
    /// The number was changed.
    PhoneChanged,
    /// An outside identity was linked.
    IdentityLinked(&'a str),
    /// An outside identity was unlinked.
    IdentityUnlinked(&'a str),
    /// A second factor of this type was added.
    FactorEnrolled(&'a str),
    /// A second factor of this type was removed.
    FactorRemoved(&'a str),
    /// A refresh token came back after its time; its family was ended.
    SessionStolen,
    /// A sign-in with a device that was never seen, as a person would call it.
    NewDevice(&'a str),
    /// Sign-in was paused.
    LockedOut,
}

impl Warning<'_> {
    const fn template(&self) -> Template {
        match self {
            Warning::PasswordChanged => Template::PasswordChanged,
            Warning::PhoneChanged => Template::PhoneChanged,
            Warning::IdentityLinked(_) => Template::IdentityLinked,
            Warning::IdentityUnlinked(_) => Template::IdentityUnlinked,
            Warning::FactorEnrolled(_) => Template::FactorEnrolled,
            Warning::FactorRemoved(_) => Template::FactorRemoved,
            Warning::SessionStolen => Template::SessionStolen,
            Warning::NewDevice(_) => Template::NewDevice,
            Warning::LockedOut => Template::LockedOut,
        }
    }

    fn values(&self) -> Map<String, Value> {
        let named = |name: &str, value: &str| Map::from_iter([(name.to_owned(), value.into())]);
        match self {
            Warning::IdentityLinked(provider) | Warning::IdentityUnlinked(provider) => {
                named("Provider", provider)
            }
            Warning::FactorEnrolled(kind) | Warning::FactorRemoved(kind) => named("FactorType", kind),
            Warning::NewDevice(device) => named("Device", device),
            Warning::PasswordChanged
            | Warning::PhoneChanged
            | Warning::SessionStolen
            | Warning::LockedOut => Map::new(),
        }
    }
}

impl Auth {
    /// The mails there are, and the languages they are written in.
    pub fn mail_templates(&self) -> (Vec<&'static str>, Vec<String>) {
        let kinds = Template::ALL.iter().map(|template| template.name()).collect();
        (kinds, self.0.post.templates.locales().map(str::to_owned).collect())
    }

    /// A mail with made-up values, in `locale` or in the language of this server. `None`: there is no such mail.
    pub fn preview_mail(&self, kind: &str, locale: &str) -> Result<Option<Rendered>, Error> {
        let Some(template) = Template::named(kind) else { return Ok(None) };
        Ok(Some(self.0.post.templates.render(template, &[locale], &Templates::sample_values())?))
    }

    /// Tells the owner of an account what happened to it, in the transaction in which it happens. Where no mail can be
    /// sent, or to an address nobody confirmed, nothing is said.
    pub async fn notify(
        &self,
        tx: &mut SystemTx,
        user: &User,
        what: Warning<'_>,
        visit: &Visit,
    ) -> Result<(), Error> {
        let (Some(email), Some(_)) = (&user.email, user.email_confirmed_at) else { return Ok(()) };
        self.write_to(tx, user, email, what.template(), what.values(), None, visit).await
    }

    /// Puts a mail about `user` to `to`, with the values every template may use.
    #[expect(
        clippy::too_many_arguments,
        reason = "a letter has a reader, an address, a text and an occasion"
    )]
    pub(crate) async fn write_to(
        &self,
        tx: &mut SystemTx,
        user: &User,
        to: &str,
        template: Template,
        values: Map<String, Value>,
        locale: Option<&str>,
        visit: &Visit,
    ) -> Result<(), Error> {
        let post = &self.0.post;
        if !self.0.rules.can_mail {
            return Ok(());
        }
        let said = |name: &str| user.user_metadata.get(name).and_then(Value::as_str);
        let wanted: Vec<&str> =
            [said("locale"), said("lang"), said("language"), locale].into_iter().flatten().collect();
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().to_owned();
        let mut all: Map<String, Value> = Map::from_iter([
            ("SiteURL".to_owned(), json!(self.0.rules.redirects.site().text())),
            ("Email".to_owned(), json!(text(&user.email))),
            ("Phone".to_owned(), json!(text(&user.phone))),
            ("SendingTo".to_owned(), json!(to)),
            ("Data".to_owned(), Value::Object(user.user_metadata.clone())),
            ("At".to_owned(), json!(self.0.clock.now().strftime("%Y-%m-%d %H:%M UTC").to_string())),
        ]);
        if let Some(address) = visit.caller.address {
            all.insert("Address".to_owned(), json!(address.to_string()));
        }
        all.extend(values);
        if self.mails_by_hook() {
            return self.mail_by_hook(tx, user, template, &all, visit).await;
        }
        let rendered = post.templates.render(template, &wanted, &all)?;
        let message = Message {
            kind: template.name(),
            to: to.to_owned(),
            subject: rendered.subject,
            text: rendered.text,
            html: Some(rendered.html),
        };
        let _: Uuid = post.jobs.post(tx, &post.outbox, &message, urgency(template)).await?;
        Ok(())
    }
}

/// Whoever has an account goes before those who may be anybody: a flood of sign-ups delays no way back in and no warning.
const fn urgency(template: Template) -> Urgency {
    match template {
        Template::Confirmation | Template::AccountExists | Template::Invite => Urgency::Usual,
        Template::Recovery
        | Template::MagicLink
        | Template::EmailChange
        | Template::Reauthentication
        | Template::IdentityConfirm
        | Template::PasswordChanged
        | Template::EmailChanged
        | Template::PhoneChanged
        | Template::IdentityLinked
        | Template::IdentityUnlinked
        | Template::FactorEnrolled
        | Template::FactorRemoved
        | Template::SessionStolen
        | Template::NewDevice
        | Template::LockedOut => Urgency::Account,
    }
}
