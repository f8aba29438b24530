//! Codes by telephone.

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
        let texts = &self.0.post.texts;
        let channel = if whatsapp { Channel::Whatsapp } else { Channel::Sms };
        texts.send(&to, &texts.words(&fresh.code), channel).await?;
        Ok(())
    }
}
