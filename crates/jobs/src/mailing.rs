//! Delivering mail: the one thing that calls the mail server.

use std::time::Duration;

use base::Failure;
use mail::{Message, Outbox};
use pg::SystemTx;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::job::{Attempt, Job, Trouble, Urgency};
use crate::reconciler::Reconciler;
use crate::{Error, Jobs};

/// Delivers one mail of the outbox. A mail that is settled is left alone, so running twice sends once, except when the
/// worker died between the mail server's yes and our note of it.
#[derive(Serialize, Deserialize)]
pub struct DeliverMail {
    /// Which.
    pub mail: Uuid,
}

impl Job for DeliverMail {
    const NAME: &'static str = "mail.deliver";
    const WHAT: &'static str = "delivers a mail from the outbox";
    const ATTEMPTS_MAX: u16 = 9;
    const TIME_MAX: Duration = Duration::from_secs(90);
    type Context = Outbox;

    async fn run(&self, outbox: &Outbox, attempt: Attempt) -> Result<(), Trouble> {
        match outbox.deliver(self.mail, attempt.last).await {
            Err(error) if error.is_permanent() => Err(Trouble::never(error)),
            outcome => Ok(outcome?),
        }
    }

    async fn given_up(&self, outbox: &Outbox, why: &str) -> Result<(), Failure> {
        Ok(outbox.give_up(self.mail, why).await?)
    }

    /// From ten seconds to most of an hour: greylisting mail servers want minutes.
    fn backoff(attempt: u16) -> Duration {
        Duration::from_secs(5 * 2_u64.saturating_pow(u32::from(attempt.min(9))))
    }
}

/// Keeps the outbox from remembering longer than it may.
pub struct ForgetMail(pub Outbox);

impl Reconciler for ForgetMail {
    const NAME: &'static str = "mail.forget";
    const WHAT: &'static str = "forgets settled mails after email.outbox_retention";
    const EVERY: Duration = Duration::from_secs(3_600);

    async fn reconcile(&self) -> Result<(), Failure> {
        let gone = self.0.forget_old().await?;
        if gone > 0 {
            tracing::info!(gone, "settled mails were forgotten");
        }
        Ok(())
    }
}

impl Jobs {
    /// Puts a mail and sees to its delivery, in the transaction that asks for it.
    pub async fn post(
        &self,
        tx: &mut SystemTx,
        outbox: &Outbox,
        message: &Message,
        urgency: Urgency,
    ) -> Result<Uuid, Error> {
        let mail = outbox.put(tx, message).await?;
        if !outbox.keeps(&message.to) {
            self.put(tx, &DeliverMail { mail }, None, self.clock.now(), urgency).await?;
        }
        Ok(mail)
    }
}
