//! Programs that sign people in through us: who they are, and where their people go back to.
//!
//! Invariant: an address is compared with what was registered byte by byte, and nothing else (attack row 27).

use audit::Event;
use base::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use pg::{Param, Reason, Reply, Row, SystemTx};
use seal::{random_token, same, sha256};
use uuid::Uuid;

use super::{ServerError, sql as own};
use crate::events::{self, Happening, Outside};
use crate::session::ids;
use crate::{Auth, Error, Visit, limits};

/// A program.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its id.
    pub id: Uuid,
    /// What people see.
    pub name: Option<String>,
    /// Its page.
    pub uri: Option<String>,
    /// Its picture.
    pub logo: Option<String>,
    /// Where people may go back to.
    pub redirect_uris: Vec<String>,
    /// What it may exchange.
    pub grant_types: Vec<String>,
    /// Whether it keeps no secret.
    pub is_public: bool,
    /// How it proves itself.
    pub auth_method: String,
    /// Whether it made itself known.
    pub is_dynamic: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    pub(super) secret_hash: Option<String>,
}

/// What is said of a program; what is not said stays, or takes its default.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct ClientFields {
    /// Where people may go back to.
    pub redirect_uris: Option<Vec<String>>,
    /// What people see.
    pub client_name: Option<String>,
    /// Its page.
    pub client_uri: Option<String>,
    /// Its picture.
    pub logo_uri: Option<String>,
    /// What it may exchange.
    pub grant_types: Option<Vec<String>>,
    /// How it is answered: with a code.
    pub response_types: Option<Vec<String>>,
    /// How it proves itself.
    pub token_endpoint_auth_method: Option<String>,
    /// `public` or `confidential`.
    pub client_type: Option<String>,
}

impl Client {
    pub(super) fn read(row: Row<'_>) -> Result<Self, Error> {
        let list = |text: String| -> Vec<String> {
            text.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        Ok(Client {
            id: row.get("id")?,
            name: row.get("client_name")?,
            uri: row.get("client_uri")?,
            logo: row.get("logo_uri")?,
            redirect_uris: list(row.get("redirect_uris")?),
            grant_types: list(row.get("grant_types")?),
            is_public: row.get::<String>("client_type")? == "public",
            auth_method: row.get("token_endpoint_auth_method")?,
            is_dynamic: row.get::<String>("registration_type")? == "dynamic",
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            secret_hash: row.get("client_secret_hash")?,
        })
    }

    /// Whether people may go back there: exactly there.
    pub fn goes_back_to(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|known| known == uri)
    }

    /// Whether it may exchange this.
    pub fn may(&self, grant: &str) -> bool {
        self.grant_types.iter().any(|known| known == grant)
    }

    pub(super) fn proves_itself(&self, secret: Option<&Secret<String>>) -> bool {
        match (self.is_public, &self.secret_hash, secret) {
            (true, _, None) => true,
            (false, Some(hash), Some(secret)) => same(hash_of(secret).as_bytes(), hash.as_bytes()),
            _ => false,
        }
    }
}

/// The secret is random and long: a plain hash of it is as good as a slow one.
fn hash_of(secret: &Secret<String>) -> String {
    URL_SAFE_NO_PAD.encode(sha256(secret.expose().as_bytes()))
}

impl Auth {
    /// Makes a client for an administrator. The secret is shown once.
    pub async fn client_create(
        &self,
        fields: ClientFields,
        visit: &Visit,
    ) -> Result<Reply<(Client, Option<Secret<String>>)>, Error> {
        self.require_admin_step_up(visit)?;
        self.require_server()?;
        self.require_admin_step_up(visit)?;
        let tx = self.0.pg.begin_system(Reason::Administer).await?;
        self.client_insert(tx, fields, "manual", visit).await
    }

    /// Makes a client that made itself known.
    pub async fn client_register(
        &self,
        fields: ClientFields,
        visit: &Visit,
    ) -> Result<Reply<(Client, Option<Secret<String>>)>, Error> {
        self.require_server()?;
        let made = self.try_register(fields, visit).await;
        self.note_refusal(&made, Event::ClientRefused, None, visit);
        made
    }

    async fn try_register(
        &self,
        fields: ClientFields,
        visit: &Visit,
    ) -> Result<Reply<(Client, Option<Secret<String>>)>, Error> {
        if !self.0.server.dynamic {
            return Err(ServerError::NoRegistration.into());
        }
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let rows = tx.query(own::CLIENTS_COUNT, ["dynamic".into()]).await?;
        let count: i64 = rows.first().map(|row| row.get("total")).transpose()?.unwrap_or(0);
        if count >= i64::try_from(limits::DYNAMIC_CLIENTS_MAX.value).unwrap_or(i64::MAX) {
            return Err(ServerError::Client("Too many clients have registered themselves").into());
        }
        self.client_insert(tx, fields, "dynamic", visit).await
    }

    async fn client_insert(
        &self,
        mut tx: SystemTx,
        fields: ClientFields,
        registration: &str,
        visit: &Visit,
    ) -> Result<Reply<(Client, Option<Secret<String>>)>, Error> {
        let checked = Checked::new(fields, None)?;
        let secret = (!checked.is_public).then(|| random_token(&self.0.rng));
        let (id, now) = (self.0.rng.uuid(), self.0.clock.now());
        let row: [Param; 11] = [
            id.into(),
            secret.as_ref().map(hash_of).into(),
            registration.into(),
            checked.redirect_uris.join(",").into(),
            checked.grant_types.join(",").into(),
            checked.name.as_ref().into(),
            checked.uri.as_ref().into(),
            checked.logo.as_ref().into(),
            (if checked.is_public { "public" } else { "confidential" }).into(),
            (&checked.auth_method).into(),
            now.into(),
        ];
        tx.execute(own::INSERT_CLIENT, row).await?;
        let what = if registration == "dynamic" { "registered itself" } else { "made" };
        let happening = Happening::Outside(Outside::ClientChanged { id, what });
        events::record(&mut tx, self, visit, happening).await?;
        let client = self.find_client(&mut tx, id).await?.ok_or(ServerError::NoClient)?;
        Ok(tx.commit((client, secret)).await?)
    }

    /// One page of clients, and how many there are.
    pub async fn client_list(&self, page: u64, size: u64) -> Result<Reply<(Vec<Client>, u64)>, Error> {
        self.require_server()?;
        let size = size.clamp(1, limits::USERS_PER_PAGE_MAX.value);
        let skip = i64::try_from(page.max(1).saturating_sub(1).saturating_mul(size)).unwrap_or(i64::MAX);
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let rows = tx.query(own::CLIENTS, [i64::try_from(size).unwrap_or(50).into(), skip.into()]).await?;
        let clients = rows.iter().map(Client::read).collect::<Result<Vec<_>, _>>()?;
        let rows = tx.query(own::CLIENTS_COUNT, ["".into()]).await?;
        let total: i64 = rows.first().map(|row| row.get("total")).transpose()?.unwrap_or(0);
        Ok(tx.commit((clients, u64::try_from(total).unwrap_or(0))).await?)
    }

    /// One client.
    pub async fn client_get(&self, id: Uuid) -> Result<Reply<Client>, Error> {
        self.require_server()?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let client = self.find_client(&mut tx, id).await?.ok_or(ServerError::NoClient)?;
        Ok(tx.commit(client).await?)
    }

    /// Changes a client.
    pub async fn client_change(
        &self,
        id: Uuid,
        fields: ClientFields,
        visit: &Visit,
    ) -> Result<Reply<Client>, Error> {
        self.require_admin_step_up(visit)?;
        let changed = self.client_write(id, fields, None, visit).await?;
        Ok(changed)
    }

    /// Gives a client another secret, which is shown once; the old one is refused from then on.
    pub async fn client_new_secret(
        &self,
        id: Uuid,
        visit: &Visit,
    ) -> Result<Reply<(Client, Secret<String>)>, Error> {
        self.require_admin_step_up(visit)?;
        let secret = random_token(&self.0.rng);
        let changed = self.client_write(id, ClientFields::default(), Some(&secret), visit).await?;
        Ok(changed.map(|client| (client, secret)))
    }

    async fn client_write(
        &self,
        id: Uuid,
        fields: ClientFields,
        secret: Option<&Secret<String>>,
        visit: &Visit,
    ) -> Result<Reply<Client>, Error> {
        self.require_server()?;
        self.require_admin_step_up(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let old = self.find_client(&mut tx, id).await?.ok_or(ServerError::NoClient)?;
        if secret.is_some() && old.is_public {
            return Err(ServerError::Client("Public clients have no secret").into());
        }
        let checked = Checked::new(fields, Some(&old))?;
        let row: [Param; 9] = [
            id.into(),
            secret.map(hash_of).or(old.secret_hash).into(),
            checked.redirect_uris.join(",").into(),
            checked.grant_types.join(",").into(),
            checked.name.as_ref().into(),
            checked.uri.as_ref().into(),
            checked.logo.as_ref().into(),
            self.0.clock.now().into(),
            (&checked.auth_method).into(),
        ];
        tx.execute(own::CHANGE_CLIENT, row).await?;
        let what = if secret.is_some() { "another secret" } else { "changed" };
        let happening = Happening::Outside(Outside::ClientChanged { id, what });
        events::record(&mut tx, self, visit, happening).await?;
        let client = self.find_client(&mut tx, id).await?.ok_or(ServerError::NoClient)?;
        Ok(tx.commit(client).await?)
    }

    /// Removes a client; its sessions end.
    pub async fn client_remove(&self, id: Uuid, visit: &Visit) -> Result<Reply<()>, Error> {
        self.require_admin_step_up(visit)?;
        self.require_server()?;
        self.require_admin_step_up(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let ended = ids(&tx.query(own::END_SESSIONS_OF_CLIENT, [id.into(), Param::NULL]).await?)?;
        if tx.execute(own::DELETE_CLIENT, [id.into()]).await? == 0 {
            return Err(ServerError::NoClient.into());
        }
        let happening = Happening::Outside(Outside::ClientChanged { id, what: "removed" });
        events::record(&mut tx, self, visit, happening).await?;
        self.commit_ended(tx, ended, ()).await
    }

    pub(super) async fn find_client(&self, tx: &mut SystemTx, id: Uuid) -> Result<Option<Client>, Error> {
        tx.query(own::CLIENT, [id.into()]).await?.first().map(Client::read).transpose()
    }
}

/// What is written of a client.
struct Checked {
    redirect_uris: Vec<String>,
    grant_types: Vec<String>,
    name: Option<String>,
    uri: Option<String>,
    logo: Option<String>,
    is_public: bool,
    auth_method: String,
}

impl Checked {
    fn new(given: ClientFields, old: Option<&Client>) -> Result<Self, ServerError> {
        let refuse = |what: &'static str| Err(ServerError::Client(what));
        let redirect_uris =
            given.redirect_uris.or_else(|| old.map(|old| old.redirect_uris.clone())).unwrap_or_default();
        if redirect_uris.is_empty() || redirect_uris.len() > limits::CLIENT_REDIRECTS_MAX.size() {
            return Err(ServerError::RedirectUri("redirect_uris must name between 1 and 10 addresses"));
        }
        for uri in &redirect_uris {
            require_redirect(uri)?;
        }
        let grant_types = given.grant_types.or_else(|| old.map(|old| old.grant_types.clone()));
        let grant_types =
            grant_types.unwrap_or_else(|| vec!["authorization_code".into(), "refresh_token".into()]);
        let known = |grant: &String| matches!(grant.as_str(), "authorization_code" | "refresh_token");
        if grant_types.is_empty() || grant_types.len() > 2 || !grant_types.iter().all(known) {
            return refuse("grant_types may be authorization_code and refresh_token");
        }
        if given.response_types.is_some_and(|types| types.iter().any(|kind| kind != "code")) {
            return refuse("response_types may be code");
        }
        let (is_public, auth_method) = match old {
            None => kind(given.client_type.as_deref(), given.token_endpoint_auth_method)?,
            Some(old) => {
                let kept = given.token_endpoint_auth_method.unwrap_or_else(|| old.auth_method.clone());
                let (is_public, method) = kind(given.client_type.as_deref(), Some(kept))?;
                if is_public != old.is_public {
                    return refuse("a client stays public or confidential: make another one");
                }
                (is_public, method)
            }
        };
        let name = given.client_name.or_else(|| old.and_then(|old| old.name.clone()));
        let uri = given.client_uri.or_else(|| old.and_then(|old| old.uri.clone()));
        let logo = given.logo_uri.or_else(|| old.and_then(|old| old.logo.clone()));
        let is_name = |name: &String| name.chars().count() <= 1_024 && !name.chars().any(disturbs);
        if !name.as_ref().is_none_or(is_name) {
            return refuse(
                "client_name has at most 1024 characters, none of which ends a line or turns text around",
            );
        }
        for page in [&uri, &logo].into_iter().flatten() {
            let web = url::Url::parse(page).is_ok_and(|url| matches!(url.scheme(), "https" | "http"));
            if !web || page.len() > 2_048 || page.contains('\0') {
                return refuse("client_uri and logo_uri must be web addresses");
            }
        }
        Ok(Checked { redirect_uris, grant_types, name, uri, logo, is_public, auth_method })
    }
}

/// Whether a letter would change how the words beside it are read: it stands in a sentence of ours, on the page of consent.
fn disturbs(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a client keeps no secret, and how it shows the one it keeps.
fn kind(client_type: Option<&str>, method: Option<String>) -> Result<(bool, String), ServerError> {
    let method = method.filter(|method| !method.is_empty());
    let is_public = match (client_type, method.as_deref()) {
        (Some("public"), None | Some("none")) | (None, Some("none")) => true,
        (Some("confidential") | None, None | Some("client_secret_basic" | "client_secret_post")) => false,
        _ => {
            return Err(ServerError::Client("client_type and token_endpoint_auth_method do not go together"));
        }
    };
    let usual = if is_public { "none" } else { "client_secret_basic" };
    Ok((is_public, method.unwrap_or_else(|| usual.to_owned())))
}

/// `https`, `http` on this machine, or an application's own scheme; a host where the scheme has one, and no fragment.
fn require_redirect(uri: &str) -> Result<(), ServerError> {
    let refuse = |what: &'static str| Err(ServerError::RedirectUri(what));
    let plain = |byte: u8| byte.is_ascii_graphic() && !b",\\\"<>`^{|}".contains(&byte);
    if uri.is_empty() || uri.len() > limits::REDIRECT_BYTES_MAX.size() || !uri.bytes().all(plain) {
        return refuse("a redirect URI has spaces, commas or characters that are not of an address");
    }
    let Ok(url) = url::Url::parse(uri) else { return refuse("a redirect URI cannot be read") };
    if uri.contains('#') {
        return refuse("a redirect URI must not have a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("a redirect URI must not have a user name");
    }
    match url.scheme() {
        "https" if url.host_str().is_some_and(|host| !host.is_empty() && !host.contains('*')) => Ok(()),
        "http" if is_this_machine(&url) => Ok(()),
        "http" => refuse("a redirect URI with http must be of this machine: localhost, 127.0.0.1 or [::1]"),
        "https" => refuse("a redirect URI must name its host"),
        "javascript" | "data" | "file" | "vbscript" | "about" | "blob" | "filesystem" | "view-source"
        | "mailto" | "tel" | "ws" | "wss" | "ftp" => {
            refuse("a redirect URI must not have a scheme that a browser runs or reads")
        }
        _ => Ok(()),
    }
}

/// Whether an address leads to this machine or to an application on it, where any program may listen: what comes back there
/// proves nothing about who asked.
pub(super) fn is_local(uri: &str) -> bool {
    url::Url::parse(uri).is_ok_and(|url| url.scheme() != "https" || is_this_machine(&url))
}

fn is_this_machine(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_a_browser_would_run_or_misread_is_not_registered() {
        for good in [
            "https://app.example/cb",
            "https://app.example/cb?tenant=a&x=@b",
            "http://localhost:1234/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:9/cb",
            "com.example.app:/cb",
            "cursor://anysphere/x",
        ] {
            assert!(require_redirect(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "app",
            "/cb",
            "//app.example/cb",
            "http://app.example/cb",
            "http://localhost.evil.example/cb",
            "https://",
            "https://a.example/#x",
            "https://a.example/#",
            "https://u@a.example/",
            "https://u:p@a.example/",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "vbscript:x",
            "about:blank",
            "blob:https://a/b",
            "https://*.example/",
            "https://a.example/ b",
            "https://a.example/a,https://evil.example/",
            "https://a.example\\@evil.example/",
            "https://a.example/\u{0}",
            "https://ä.example/",
        ] {
            assert!(require_redirect(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_client_is_public_or_keeps_a_secret_and_says_so_once() {
        assert_eq!(kind(None, None).unwrap(), (false, "client_secret_basic".to_owned()));
        assert_eq!(kind(None, Some("none".into())).unwrap(), (true, "none".to_owned()));
        assert_eq!(kind(Some("public"), None).unwrap(), (true, "none".to_owned()));
        for (client_type, method) in [
            (Some("public"), Some("client_secret_basic")),
            (Some("confidential"), Some("none")),
            (Some("x"), None),
            (None, Some("private_key_jwt")),
        ] {
            assert!(kind(client_type, method.map(str::to_owned)).is_err(), "{client_type:?} {method:?}");
        }
    }
}
