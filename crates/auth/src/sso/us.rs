//! Ourselves as a service provider: our name, addresses and keys, which are made on first use and sealed (control 32).

use ::saml::{KeyPair, ServiceProvider};
use base::Secret;
use pg::Reason;

use super::{Sso, sql};
use crate::Error;

/// Where the sealed key is kept, so that it opens nowhere else.
const KEY_PLACE: &str = "palisade.saml_keys.private_key";

impl Sso {
    /// Our metadata, for identity providers.
    pub async fn metadata(&self) -> Result<String, Error> {
        self.require_on()?;
        Ok(self.us().await?.metadata()?)
    }

    pub(super) async fn us(&self) -> Result<&ServiceProvider, Error> {
        self.0
            .us
            .get_or_try_init(async || {
                Ok(ServiceProvider {
                    entity_id: self.0.entity_id.clone(),
                    acs_url: self.0.acs_url.clone(),
                    slo_url: self.0.slo_url.clone(),
                    keys: self.keys().await?,
                })
            })
            .await
    }

    async fn keys(&self) -> Result<KeyPair, Error> {
        let auth = &self.0.auth.0;
        if let Some(given) = &self.0.given_key {
            return Ok(KeyPair::read(given, &self.0.entity_id, &auth.clock)?);
        }
        if let Some(kept) = self.kept_keys().await? {
            return Ok(kept);
        }
        // Making an RSA key takes a moment of a core; nobody else should wait for it.
        let (entity_id, clock) = (self.0.entity_id.clone(), auth.clock.clone());
        let made = tokio::task::spawn_blocking(move || KeyPair::make(&entity_id, &clock))
            .await
            .map_err(|_| ::saml::Error::Library("making a key was cut short".to_owned()))??;
        let sealed = auth.root.seal(made.key.expose().as_bytes(), KEY_PLACE)?;
        let mut tx = auth.pg.begin_system(Reason::Keys).await?;
        let row = [sealed.as_slice().into(), (&made.certificate).into(), auth.clock.now().into()];
        tx.execute(sql::INSERT_KEYS, row).await?;
        tx.commit(()).await?.into_inner();
        // Another node may have been first; its keys are ours then.
        Ok(self.kept_keys().await?.unwrap_or(made))
    }

    async fn kept_keys(&self) -> Result<Option<KeyPair>, Error> {
        let auth = &self.0.auth.0;
        let mut tx = auth.pg.begin_system(Reason::Keys).await?;
        let rows = tx.query(sql::KEYS, []).await?;
        tx.commit(()).await?.into_inner();
        let Some(row) = rows.first() else { return Ok(None) };
        let sealed: Vec<u8> = row.get("private_key")?;
        let opened = auth.root.open(&sealed, KEY_PLACE)?;
        let key = String::from_utf8(opened.expose().clone()).map_err(|_| seal::Error::NotOurs)?;
        Ok(Some(KeyPair { key: Secret::new(key), certificate: row.get("certificate")? }))
    }
}
