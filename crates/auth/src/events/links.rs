//! What happens to the proofs of an account (links, codes, addresses, passwords), as the audit log is told.

use audit::{Entry, Event};
use pg::SystemTx;
use uuid::Uuid;

use crate::links::Purpose;
use crate::{Auth, Error, Visit};

/// Something that was done.
pub(crate) enum LinkHappening {
    AddressChangeAsked { user: Uuid },
    AddressReverted { user: Uuid },
    AddressConfirmed { user: Uuid, what: &'static str },
    LinkAsked { user: Uuid, purpose: Purpose },
    LinkGenerated { user: Uuid, purpose: Purpose },
    InviteAccepted { user: Uuid },
    ReauthenticationAsked { user: Uuid },
    SignupRepeated { account: String },
    AddressChanged { user: Uuid },
    PasswordChanged { user: Uuid, sessions_ended: usize },
    PasswordRehashed { user: Uuid },
}

/// Records it in `tx`. When this fails, it must not happen.
pub(crate) async fn record_link(
    tx: &mut SystemTx,
    auth: &Auth,
    visit: &Visit,
    what: LinkHappening,
) -> Result<(), Error> {
    let entry = entry(visit, what).request(&visit.request_id);
    Ok(auth.0.audit.record(tx, entry).await?)
}

fn entry(visit: &Visit, what: LinkHappening) -> Entry {
    let by = |event| Entry::by(&visit.caller, event);
    let about = |entry: Entry, user: Uuid| entry.about(format!("user:{user}"));
    match what {
        LinkHappening::AddressChangeAsked { user } => about(by(Event::AddressChangeRequested), user),
        LinkHappening::AddressReverted { user } => {
            about(by(Event::AddressChanged), user).because("auth.address.reverted")
        }
        LinkHappening::AddressConfirmed { user, what } => {
            about(by(Event::AddressConfirmed), user).detail("what", what)
        }
        LinkHappening::LinkAsked { user, purpose } => {
            about(by(asked_for(purpose)), user).detail("purpose", purpose.name())
        }
        LinkHappening::LinkGenerated { user, purpose } => {
            about(by(Event::LinkGenerate), user).detail("purpose", purpose.name())
        }
        LinkHappening::InviteAccepted { user } => {
            let person = Entry::named(format!("user:{user}"), Event::InviteAccepted);
            about(person.from_address(visit.caller.address), user)
        }
        LinkHappening::ReauthenticationAsked { user } => about(by(Event::ReauthenticationRequested), user),
        LinkHappening::AddressChanged { user } => about(by(Event::AddressChanged), user),
        LinkHappening::PasswordChanged { user, sessions_ended } => {
            about(by(Event::PasswordChanged), user).detail("sessions_ended", sessions_ended)
        }
        LinkHappening::PasswordRehashed { user } => {
            let person = Entry::named(format!("user:{user}"), Event::PasswordRehashed);
            about(person.from_address(visit.caller.address), user)
        }
        LinkHappening::SignupRepeated { account } => by(Event::SignupRefused).about(account),
    }
}

/// What the log calls a mail or text that was asked for.
fn asked_for(purpose: Purpose) -> Event {
    match purpose {
        Purpose::Recovery => Event::RecoveryRequested,
        Purpose::Invite => Event::InviteSent,
        Purpose::Reauthentication => Event::ReauthenticationRequested,
        Purpose::EmailChangeCurrent | Purpose::EmailChangeNew | Purpose::PhoneChange => {
            Event::AddressChangeRequested
        }
        Purpose::Signup | Purpose::MagicLink | Purpose::Sms | Purpose::SmsSignup => {
            Event::ConfirmationRequested
        }
    }
}
