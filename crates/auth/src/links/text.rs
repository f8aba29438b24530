//! Codes by telephone.

use base::Secret;
use pg::SystemTx;
use texts::Channel;

use super::token::Purpose;
use crate::events::{self, LinkHappening};
use crate::user::User;
use crate::{Auth, Error, Visit};

impl Auth {
    /// Texts a code to the number that `purpose` means. The text leaves before the commit: when it cannot, there is no
    /// code; when the commit fails, a code arrives that is not good.
    pub(crate) async fn send_text(
        &self,
        tx: &mut SystemTx,
        user: &User,
        purpose: Purpose,
        whatsapp: bool,
        visit: &Visit,
    ) -> Result<(), Error> {
        let to = match purpose {
            Purpose::PhoneChange => user.new_phone.clone(),
            _ => user.phone.clone(),
        };
        let Some(to) = to else { return Ok(()) };
        let fresh = self.make_token(tx, user, purpose, &to, None).await?;
        events::record_link(tx, self, visit, LinkHappening::LinkAsked { user: user.id, purpose }).await?;
        if self.0.rules.known_codes.of(&to, self.0.clock.now()).is_some() {
            return Ok(());
        }
        let channel = if whatsapp { Channel::Whatsapp } else { Channel::Sms };
        self.send_code(tx, user, (&to, purpose.name()), &fresh.code, channel, visit).await
    }

    /// Texts a code to `to`: through the provider at once, or through the operator's own code behind the commit.
    pub(crate) async fn send_code(
        &self,
        tx: &mut SystemTx,
        user: &User,
        (to, kind): (&str, &str),
        code: &Secret<String>,
        channel: Channel,
        visit: &Visit,
    ) -> Result<(), Error> {
        self.count_sent(true).await?;
        if self.texts_by_hook() {
            return self.text_by_hook(tx, user, (to, kind), code, visit).await;
        }
        let texts = &self.0.post.texts;
        texts.send(to, &texts.words(code), channel).await?;
        Ok(())
    }
}
