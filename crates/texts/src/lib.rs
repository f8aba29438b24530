//! Texts to telephones: one provider, asked as its own documentation says.
//!
//! Deciding to send is somebody else's; the code in a text is a secret here as everywhere.
//!
//! Invariant: a text leaves through [`outbound`] or stays in `dev`'s catcher, and its words reach no log.

mod error;
pub mod limits;
mod provider;
pub mod settings;

pub use error::Error;
pub use provider::Provider;
pub use settings::SETTINGS;

use std::sync::Arc;

use base::{Clock, Rng, Secret, Settings};
use mail::Outbox;
use outbound::Outbound;

/// What texts are sent with.
pub struct Parts {
    /// The merged settings.
    pub settings: Settings,
    /// The one way out of the house.
    pub outbound: Outbound,
    /// Where `dev` keeps what would have been sent.
    pub outbox: Outbox,
    /// The time.
    pub clock: Clock,
    /// Randomness, for ids.
    pub rng: Rng,
}

/// How a text travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    /// As an SMS.
    Sms,
    /// Through WhatsApp, where the provider can.
    Whatsapp,
}

/// The way out for texts. Cheap to clone.
#[derive(Clone)]
pub struct Texts(Arc<Inner>);

struct Inner {
    provider: Option<Provider>,
    outbound: Outbound,
    outbox: Outbox,
    clock: Clock,
    rng: Rng,
    template: String,
}

impl Texts {
    /// Opens it. A provider without its credentials stops the start.
    pub fn open(parts: Parts) -> Result<Self, Error> {
        let Parts { settings, outbound, outbox, clock, rng } = parts;
        // In `dev` nothing leaves the machine, whatever is set.
        let provider = if outbox.is_catcher() { None } else { Provider::configured(&settings)? };
        let template = template(&settings)?;
        Ok(Texts(Arc::new(Inner { provider, outbound, outbox, clock, rng, template })))
    }

    /// Whether texts could leave with these settings, before anything is opened.
    pub fn check(settings: &Settings) -> Result<(), Error> {
        Provider::configured(settings)?;
        template(settings).map(drop)
    }

    /// Whether a text can reach anybody: a telephone, or in `dev` whoever looks at the catcher.
    pub fn takes_texts(&self) -> bool {
        self.0.provider.is_some() || self.0.outbox.is_catcher()
    }

    /// The provider's name, empty when there is none.
    pub fn provider(&self) -> &'static str {
        self.0.provider.as_ref().map_or("", Provider::name)
    }

    /// What a text with `code` says.
    pub fn words(&self, code: &Secret<String>) -> Secret<String> {
        Secret::new(self.0.template.replace(CODE, code.expose()))
    }

    /// Sends `text` to a number in digits. Returns the provider's name for the message, if it gave one.
    pub async fn send(
        &self,
        to: &str,
        text: &Secret<String>,
        channel: Channel,
    ) -> Result<Option<String>, Error> {
        if to.len() > limits::NUMBER_DIGITS.size() || !to.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::Number);
        }
        if text.expose().len() > limits::TEXT_BYTES.size() {
            return Err(Error::TooLong { max: limits::TEXT_BYTES.value });
        }
        let inner = &self.0;
        let Some(provider) = &inner.provider else {
            if inner.outbox.is_catcher() {
                let id = inner.outbox.keep_text(&format!("+{to}"), text).await?;
                return Ok(Some(id.to_string()));
            }
            return Err(Error::NoProvider);
        };
        let request = provider.request(to, text, channel, &inner.clock, &inner.rng)?;
        let answer = inner.outbound.send(request).await?;
        provider.read(&answer)
    }
}

/// Where the code stands in the template.
const CODE: &str = "{{ Code }}";

/// What a text says, with the code's place spelled in one way.
fn template(settings: &Settings) -> Result<String, Error> {
    let template = settings.get(&settings::TEMPLATE).replace("{{ .Code }}", CODE).replace("{{.Code}}", CODE);
    if template.contains(CODE) { Ok(template) } else { Err(Error::Template) }
}
