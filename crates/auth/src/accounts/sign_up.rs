//! Making an account of one's own.
//!
//! Invariant: where an address is to be confirmed, nobody learns whether it has an account already: the same hashes, the
//! same statements and the same answer; its owner is told by mail (control 126, attack row 19).

use audit::Event;
use base::Secret;
use pg::{Param, Reason, Reply, Statement, SystemTx};
use seal::Work;
use serde_json::{Map, Value, json};

use super::sign_in::found_and_work;
use super::{NewUser, email_provider, read_email, read_phone, require_small, said_of, trigger};
use crate::events::{self, ChosenFor, Happening, LinkHappening};
use crate::hooks::{Asked, NewPerson};
use crate::links::{Along, Why};
use crate::session::{Grant, Opening, Way};
use crate::user::{Identity, User};
use crate::{Auth, Error, Visit, sql};

/// Who wants an account.
pub struct SignUp {
    /// With this address.
    pub email: Option<String>,
    /// Or this number.
    pub phone: Option<String>,
    /// And this password.
    pub password: Option<Secret<String>>,
    /// What they say about themselves.
    pub data: Map<String, Value>,
    /// Where the confirmation leads.
    pub along: Option<Along>,
    /// Whether a number is reached through WhatsApp.
    pub whatsapp: bool,
}

/// What became of it.
pub enum SignedUp {
    /// Addresses are believed here: a session.
    SignedIn(Box<Grant>),
    /// The address has to be confirmed first.
    Waiting(Box<User>),
}

/// What a new account is known by.
enum Name {
    Email(String),
    Phone(String),
}

/// Who waits for a confirmation.
struct Waiting<'a> {
    name: Name,
    password: &'a Secret<String>,
    announced: User,
    why: Why,
    along: &'a Along,
}

impl Name {
    fn text(&self) -> &str {
        match self {
            Name::Email(text) | Name::Phone(text) => text,
        }
    }
}

impl Auth {
    /// Makes an account: at once where addresses are believed, else once its owner has confirmed the address.
    pub async fn sign_up(&self, ask: SignUp, visit: &Visit) -> Result<Reply<SignedUp>, Error> {
        let account = ask.email.as_deref().or(ask.phone.as_deref()).unwrap_or_default().to_owned();
        let signed_up = self.try_sign_up(ask, visit).await;
        events::note_choice(self, visit, &signed_up, ChosenFor::Account(&account));
        signed_up
    }

    async fn try_sign_up(&self, ask: SignUp, visit: &Visit) -> Result<Reply<SignedUp>, Error> {
        let (name, password) = self.check_sign_up(&ask)?;
        let (email, phone) = match &name {
            Name::Email(email) => (Some(email.as_str()), None),
            Name::Phone(phone) => (None, Some(phone.as_str())),
        };
        // Asked whether or not the address has an account: nobody learns it from the time it takes.
        let person = NewPerson { email, phone, data: Some(&ask.data), ..NewPerson::default() };
        let asked = self.before_user_created(&person, visit).await?;
        self.require_password(&password).await?;
        match name {
            name if self.is_believed(&name) => {
                let grant = self.sign_up_at_once(name, &password, ask.data, asked, visit).await?;
                Ok(grant.map(|grant| SignedUp::SignedIn(Box::new(grant))))
            }
            name => {
                let along = ask.along.unwrap_or_else(|| self.along_to_site());
                let waiting =
                    self.sign_up_to_confirm(name, &password, ask.data, &along, ask.whatsapp, visit).await?;
                Ok(waiting.map(|user| SignedUp::Waiting(Box::new(user))))
            }
        }
    }

    /// Nothing special: to the site, with a session.
    pub(crate) fn along_to_site(&self) -> Along {
        Along { back_to: self.0.rules.redirects.site().clone(), challenge: None, locale: None }
    }

    /// Whether an address or number needs no proof here.
    fn is_believed(&self, name: &Name) -> bool {
        match name {
            Name::Email(_) => self.0.rules.autoconfirm,
            Name::Phone(_) => self.0.rules.phone_autoconfirm,
        }
    }

    async fn sign_up_at_once(
        &self,
        name: Name,
        password: &Secret<String>,
        data: Map<String, Value>,
        asked: Asked,
        visit: &Visit,
    ) -> Result<Reply<Grant>, Error> {
        let hash = self.0.hasher.hash(password).await?;
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let by = match &name {
            Name::Email(_) => sql::USER_BY_EMAIL,
            Name::Phone(_) => sql::links::USER_BY_PHONE,
        };
        let taken = tx.query(by, [name.text().into(), (&self.0.rules.audience).into()]).await?;
        let now = self.0.clock.now();
        if !taken.is_empty() {
            return Err(self.is_taken(name.text(), visit));
        }
        let account = name.text().to_owned();
        let (email, phone) = match name {
            Name::Email(email) => (Some(email), None),
            Name::Phone(phone) => (None, Some(phone)),
        };
        let new = NewUser {
            id: self.0.rng.uuid(),
            email_confirmed_at: email.is_some().then_some(now),
            phone_confirmed_at: phone.is_some().then_some(now),
            email,
            phone,
            hash: Some(hash),
            role: self.0.rules.default_role.clone(),
            app_metadata: Map::new(),
            user_metadata: data,
            banned_until: None,
        };
        // Whoever was first a moment ago is answered, and written down, as whoever was first long ago.
        let user = self.insert_user(&mut tx, new, asked, visit).await.map_err(|error| match error {
            Error::UserExists | Error::PhoneExists => self.is_taken(&account, visit),
            other => other,
        })?;
        events::record(&mut tx, self, visit, Happening::Signup { user: &user }).await?;
        let opened = self.open_session(&mut tx, user, Opening::by(Way::Password), visit).await?;
        self.commit_session(tx, opened).await
    }

    fn is_taken(&self, account: &str, visit: &Visit) -> Error {
        events::refused(self, visit, Event::SignupRefused, &Error::UserExists, account);
        Error::UserExists
    }

    async fn sign_up_to_confirm(
        &self,
        name: Name,
        password: &Secret<String>,
        data: Map<String, Value>,
        along: &Along,
        whatsapp: bool,
        visit: &Visit,
    ) -> Result<Reply<User>, Error> {
        let why = match &name {
            Name::Email(_) => Why::SignUp,
            Name::Phone(_) => Why::SignUpText { whatsapp },
        };
        self.require_pause(&why, name.text()).await?;
        let announced = self.announced(&name, data);
        let waiting = Waiting { name, password, announced, why, along };
        // Of several at once at a new address one is first; the others are then what they are who come a moment later, with
        // a password that is held against the first one's.
        match self.try_to_confirm(&waiting, true, visit).await? {
            Some(reply) => Ok(reply),
            None => self.try_to_confirm(&waiting, false, visit).await?.ok_or(Error::UserExists),
        }
    }

    /// `None`: the address was nobody's, and meanwhile is (told with `may_repeat` alone).
    async fn try_to_confirm(
        &self,
        waiting: &Waiting<'_>,
        may_repeat: bool,
        visit: &Visit,
    ) -> Result<Option<Reply<User>>, Error> {
        let Waiting { name, password, announced, why, along } = waiting;
        let (known, work) = self.find_for_sign_up(name).await?;
        // Both for everybody: what is stored is compared, what is given is hashed.
        let stored = known.as_ref().and_then(|user| user.password_hash.as_deref());
        let same = self.0.hasher.verify_alike(password, stored, name.text(), &work).await?.is_right();
        let hash = self.0.hasher.hash(password).await?;
        let now = self.0.clock.now();
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let inserted = self.insert_if_free(&mut tx, announced, hash).await?;
        if inserted == 0 && known.is_none() && may_repeat {
            tx.roll_back().await?;
            return Ok(None);
        }
        self.tell_of_account(&mut tx, announced.id, visit).await?;
        // Somebody else may have been first at an address that nobody proved: then neither password counts (row 4).
        let doubted = known.as_ref().map_or(announced.id, |user| user.id);
        let doubt = known.is_some() && !same;
        tx.execute(sql::links::DOUBT_SIGN_UP, [doubted.into(), doubt.into(), now.into()]).await?;
        match inserted {
            1 => events::record(&mut tx, self, visit, Happening::Signup { user: announced }).await?,
            _ => {
                let account = events::pseudonym(self, name.text());
                events::record_link(&mut tx, self, visit, LinkHappening::SignupRepeated { account }).await?;
            }
        }
        self.enqueue_link(&mut tx, why.clone(), name.text(), Map::new(), along, visit).await?;
        Ok(Some(tx.commit(announced.clone()).await?))
    }

    /// Inserts an account with its identity, or nothing where the address is somebody's: the same statements.
    async fn insert_if_free(&self, tx: &mut SystemTx, announced: &User, hash: String) -> Result<u64, Error> {
        let now = self.0.clock.now();
        let row: [Param; 9] = [
            announced.id.into(),
            (&announced.aud).into(),
            (&announced.role).into(),
            announced.email.as_ref().into(),
            announced.phone.as_ref().into(),
            hash.into(),
            Value::Object(announced.app_metadata.clone()).into(),
            Value::Object(announced.user_metadata.clone()).into(),
            now.into(),
        ];
        let inserted = tx
            .execute(sql::links::INSERT_USER_IF_FREE, row)
            .await
            .map_err(|error| trigger(error, "saving new user"))?;
        let own = announced.identities.first();
        let identity = own.map_or_else(|| self.0.rng.uuid(), |one| one.identity_id);
        let own_words = Value::Object(own.map(|one| one.identity_data.clone()).unwrap_or_default());
        let provider = if announced.email.is_some() { "email" } else { "phone" };
        let row: [Param; 6] = [
            identity.into(),
            announced.id.to_string().into(),
            announced.id.into(),
            own_words.into(),
            provider.into(),
            now.into(),
        ];
        tx.execute(sql::links::INSERT_IDENTITY_IF_NEW, row).await?;
        Ok(inserted)
    }

    async fn find_for_sign_up(&self, name: &Name) -> Result<(Option<User>, Work), Error> {
        let by = match name {
            Name::Email(_) => sql::USER_BY_EMAIL,
            Name::Phone(_) => sql::links::USER_BY_PHONE,
        };
        let find = Statement::new(by, [name.text().into(), (&self.0.rules.audience).into()]);
        let (rows, work) = found_and_work(&self.0.pg, find).await?;
        Ok((rows.first().map(User::read).transpose()?, work))
    }

    /// The account as a new one would be: what everybody is told, whoever had the address before.
    fn announced(&self, name: &Name, data: Map<String, Value>) -> User {
        let (id, now) = (self.0.rng.uuid(), Some(self.0.clock.now()));
        let (email, phone) = match name {
            Name::Email(email) => (Some(email.clone()), None),
            Name::Phone(phone) => (None, Some(phone.clone())),
        };
        let known = said_of(id, (email.as_deref(), phone.as_deref()), (false, false), data.clone());
        let mut said = data;
        said.extend(known.clone());
        let provider = if email.is_some() { "email" } else { "phone" };
        let ours = Map::from_iter([
            ("provider".to_owned(), json!(provider)),
            ("providers".to_owned(), json!([provider])),
        ]);
        let identity = Identity {
            identity_id: self.0.rng.uuid(),
            id: id.to_string(),
            user_id: id,
            identity_data: known,
            provider: provider.to_owned(),
            last_sign_in_at: now,
            created_at: now,
            updated_at: now,
            email: email.clone(),
        };
        User {
            aud: self.0.rules.audience.clone(),
            role: self.0.rules.default_role.clone(),
            confirmation_sent_at: now,
            app_metadata: email_provider(ours),
            user_metadata: said,
            identities: vec![identity],
            created_at: now,
            updated_at: now,
            ..User::blank(id, email, phone)
        }
    }

    /// What can be refused without looking anybody up, in upstream's order.
    fn check_sign_up(&self, ask: &SignUp) -> Result<(Name, Secret<String>), Error> {
        let rules = &self.0.rules;
        if !rules.signup {
            return Err(Error::SignupDisabled);
        }
        if ask.email.is_none() && ask.phone.is_none() {
            return Err(Error::disabled("anonymous_provider_disabled", "Anonymous sign-ins are disabled"));
        }
        let password = ask.password.as_ref().filter(|password| !password.expose().is_empty());
        let password = password.ok_or_else(|| Error::invalid("Signup requires a valid password"))?;
        rules.password.require(password.expose())?;
        require_small(&ask.data)?;
        let name = match (&ask.email, &ask.phone) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid(
                    "Only an email address or phone number should be provided on signup.",
                ));
            }
            (None, None) => return Err(Error::invalid("Signup requires an email or a phone number")),
            (None, Some(phone)) => {
                if !(rules.phone && rules.phone_autoconfirm) {
                    self.require_texts("Phone signups are disabled")?;
                }
                Name::Phone(read_phone(phone)?)
            }
            (Some(email), None) => {
                self.require_email()?;
                if !rules.autoconfirm && !rules.can_mail {
                    return Err(Error::NoMail);
                }
                Name::Email(read_email(email)?)
            }
        };
        Ok((name, password.clone()))
    }
}
