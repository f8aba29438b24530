//! A person answers a program's request: they look at it, and say yes or no. What they agreed to before is not asked again.
//!
//! Invariant: nobody answers for somebody else, nobody twice, and no account with a second factor without it.

use audit::Event;
use base::{Level, Owed, Secret, SignedIn};
use jiff::{SignedDuration, Timestamp};
use pg::{Param, Reason, Reply, SystemTx};
use seal::sha256;
use serde_json::{Value, json};
use uuid::Uuid;

use super::clients::{Client, is_local};
use super::requests::Kept;
use super::{ServerError, scope, sql as own};
use crate::events::{self, Happening, Outside};
use crate::user::User;
use crate::{Auth, Error, Visit, limits};

/// What a person sees of a request.
pub enum Looked {
    /// It asks.
    Ask(Box<Question>),
    /// They agreed before, or the program is told why not: the browser goes back there.
    Back(String),
}

/// What is asked.
pub struct Question {
    /// The request.
    pub id: String,
    /// The program.
    pub client: Client,
    /// Where they go back to.
    pub redirect_uri: String,
    /// Who answers.
    pub user: Uuid,
    /// Their address.
    pub email: String,
    /// What the program asks to know.
    pub scope: String,
}

/// A request with everything that its answer depends on.
struct Waiting {
    kept: Kept,
    client: Client,
    user: User,
}

impl Auth {
    /// What a request asks of whoever looks. It is theirs from then on.
    pub async fn oauth_look(&self, id: &str, visit: &Visit) -> Result<Reply<Looked>, Error> {
        let looked = self.try_look(id, visit).await;
        self.note_refusal(&looked, Event::ConsentRefused, None, visit);
        looked
    }

    async fn try_look(&self, id: &str, visit: &Visit) -> Result<Reply<Looked>, Error> {
        let (mut tx, waiting) = self.waiting(id, visit).await?;
        let covered = self.is_covered(&mut tx, &waiting).await?;
        if covered {
            let back = self.give_code(&mut tx, &waiting, visit).await?;
            return Ok(tx.commit(Looked::Back(back)).await?);
        }
        let Waiting { kept, client, user } = waiting;
        let email = user.email_or_empty().to_owned();
        let question = Question {
            id: kept.name,
            client,
            redirect_uri: kept.redirect_uri,
            user: user.id,
            email,
            scope: kept.scope,
        };
        Ok(tx.commit(Looked::Ask(Box::new(question))).await?)
    }

    /// The answer at once, without anybody being asked; or why not, for the program (`prompt=none`).
    pub async fn oauth_answer_silently(&self, id: &str, visit: &Visit) -> Result<Reply<String>, Error> {
        let why = match self.waiting(id, visit).await {
            Ok((mut tx, waiting)) => {
                if self.is_covered(&mut tx, &waiting).await? {
                    let back = self.give_code(&mut tx, &waiting, visit).await?;
                    return Ok(tx.commit(back).await?);
                }
                "consent_required"
            }
            Err(error) if base::Fault::kind(&error).is_ours() => return Err(error),
            Err(_) => "login_required",
        };
        events::refused_of_program(self, visit, Event::ConsentRefused, why, None);
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let kept = self.pending(&mut tx, id).await?;
        let back = self.refuse(&mut tx, &kept, why, "nobody may be asked").await?;
        let client = self.find_client(&mut tx, kept.client).await?.ok_or(ServerError::NoAuthorization)?;
        let back = tx.commit(back).await?;
        match client.is_dynamic {
            // Whoever registered it could send anybody anywhere by our address (RFC 9700, 4.11.2).
            true => Err(ServerError::Request("nobody agreed to this program here").into()),
            false => Ok(back),
        }
    }

    /// Yes or no; the browser goes back with it.
    pub async fn oauth_answer(&self, id: &str, approve: bool, visit: &Visit) -> Result<Reply<String>, Error> {
        let answered = self.try_answer(id, approve, visit).await;
        self.note_refusal(&answered, Event::ConsentRefused, None, visit);
        answered
    }

    async fn try_answer(&self, id: &str, approve: bool, visit: &Visit) -> Result<Reply<String>, Error> {
        let (mut tx, waiting) = self.waiting(id, visit).await?;
        let Waiting { kept, client, user } = &waiting;
        if !approve {
            let back = self.refuse(&mut tx, kept, "access_denied", "the person said no").await?;
            let happening = Happening::Outside(Outside::ConsentDenied { user: user.id, client: client.id });
            events::record(&mut tx, self, visit, happening).await?;
            return Ok(tx.commit(back).await?);
        }
        let before = self.consented(&mut tx, user.id, client.id).await?;
        let scopes = scope::union(before.as_deref().unwrap_or_default(), &kept.scope);
        let row: [Param; 5] = [
            self.0.rng.uuid().into(),
            user.id.into(),
            client.id.into(),
            (&scopes).into(),
            self.0.clock.now().into(),
        ];
        tx.execute(own::SAVE_CONSENT, row).await?;
        let given = Outside::ConsentGiven { user: user.id, client: client.id, scopes: &kept.scope };
        events::record(&mut tx, self, visit, Happening::Outside(given)).await?;
        let back = self.give_code(&mut tx, &waiting, visit).await?;
        Ok(tx.commit(back).await?)
    }

    /// The request, if it waits for whoever asks, and they may answer it in this session.
    async fn waiting(&self, id: &str, visit: &Visit) -> Result<(SystemTx, Waiting), Error> {
        self.require_server()?;
        let caller = &visit.caller;
        let person: &SignedIn = caller
            .signed_in()
            .filter(|person| person.session.is_some() && caller.is_themself())
            .ok_or(Error::TokenRevoked)?;
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let held = self.hold_known(&mut tx, person.user).await?;
        let kept = self.pending(&mut tx, id).await?;
        if tx.execute(own::CLAIM_AUTHORIZATION, [kept.id.into(), person.user.into()]).await? == 0 {
            return Err(ServerError::NoAuthorization.into());
        }
        let client = self.find_client(&mut tx, kept.client).await?.ok_or(ServerError::NoAuthorization)?;
        if !client.goes_back_to(&kept.redirect_uri) {
            return Err(ServerError::NoAuthorization.into());
        }
        let refusal = match caller.owes {
            Some(Owed::SecondFactor) => Some(ServerError::SecondFactor),
            Some(Owed::NewPassword) => Some(ServerError::PasswordExpired),
            None if held.has_verified() && caller.level < Level::Aal2 => Some(ServerError::SecondFactor),
            None => self.is_stale(&kept, caller.last_proof()).then_some(ServerError::SignInAgain),
        };
        if let Some(refusal) = refusal {
            // The request is theirs all the same.
            tx.commit(()).await?.into_inner();
            return Err(refusal.into());
        }
        Ok((tx, Waiting { kept, client, user: held.user }))
    }

    async fn pending(&self, tx: &mut SystemTx, id: &str) -> Result<Kept, Error> {
        let kept = tx.query(own::AUTHORIZATION, [id.into()]).await?.first().map(Kept::read).transpose()?;
        let now = self.0.clock.now();
        let kept = kept.filter(|kept| kept.is_pending && kept.expires_at > now);
        Ok(kept.ok_or(ServerError::NoAuthorization)?)
    }

    /// Whether the program wants a younger proof than this session has.
    fn is_stale(&self, kept: &Kept, proven: Option<Timestamp>) -> bool {
        let proven = proven.unwrap_or(Timestamp::MIN).as_second();
        let too_old =
            kept.max_age.is_some_and(|most| self.0.clock.unix_seconds().saturating_sub(proven) > most);
        too_old || scope::has(&kept.prompt, "login") && proven < kept.created_at.as_second()
    }

    /// Whether nothing has to be asked: they agreed to as much before, and it is certain that it is the same program that
    /// asks (RFC 8252, 8.6).
    async fn is_covered(&self, tx: &mut SystemTx, waiting: &Waiting) -> Result<bool, Error> {
        let Waiting { kept, client, user } = waiting;
        let certain = !client.is_public || !is_local(&kept.redirect_uri);
        let again = ["consent", "select_account"].iter().any(|word| scope::has(&kept.prompt, word));
        let given = self.consented(tx, user.id, client.id).await?;
        Ok(certain && !again && given.is_some_and(|given| scope::covers(&given, &kept.scope)))
    }

    async fn consented(&self, tx: &mut SystemTx, user: Uuid, client: Uuid) -> Result<Option<String>, Error> {
        let rows = tx.query(own::CONSENT, [user.into(), client.into()]).await?;
        Ok(rows.first().map(|row| row.get("scopes")).transpose()?)
    }

    /// Gives out the code. Only its hash stays here.
    async fn give_code(&self, tx: &mut SystemTx, waiting: &Waiting, visit: &Visit) -> Result<String, Error> {
        let (kept, now, caller) = (&waiting.kept, self.0.clock.now(), &visit.caller);
        let code: Secret<String> = seal::random_token(&self.0.rng);
        let seconds = i64::try_from(limits::SERVER_CODE_SECONDS.value).unwrap_or(60);
        let until = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
        let row: [Param; 5] =
            [kept.id.into(), "approved".into(), code_hash(&code).into(), now.into(), until.into()];
        if tx.execute(own::ANSWER_AUTHORIZATION, row).await? == 0 {
            return Err(ServerError::NoAuthorization.into());
        }
        let proofs: Vec<Value> = caller
            .methods
            .iter()
            .map(|method| json!({ "method": &*method.name, "at": method.at.to_string() }))
            .collect();
        let proven: [Param; 5] = [
            kept.id.into(),
            caller.level.name().into(),
            Value::Array(proofs).into(),
            caller.last_proof().into(),
            caller.signed_in().and_then(|person| person.session).into(),
        ];
        tx.execute(own::NOTE_PROOFS, proven).await?;
        Ok(self.answer_to(&kept.redirect_uri, &[("code", code.expose())], kept.state.as_deref()))
    }

    async fn refuse(&self, tx: &mut SystemTx, kept: &Kept, error: &str, why: &str) -> Result<String, Error> {
        let row: [Param; 5] =
            [kept.id.into(), "denied".into(), Param::NULL, Param::NULL, kept.expires_at.into()];
        if tx.execute(own::ANSWER_AUTHORIZATION, row).await? == 0 {
            return Err(ServerError::NoAuthorization.into());
        }
        let pairs = [("error", error), ("error_description", why)];
        Ok(self.answer_to(&kept.redirect_uri, &pairs, kept.state.as_deref()))
    }
}

pub(super) fn code_hash(code: &Secret<String>) -> String {
    hex::encode(sha256(code.expose().as_bytes()))
}
