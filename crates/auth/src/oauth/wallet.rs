//! `grant_type=web3`: a text that a wallet signed, for a session (EIP-4361 for Ethereum, its twin for Solana).
//!
//! A text names the site it is for, when it was made, and the address that signs it. An account that is made this way has no
//! e-mail address: the wallet's is its only name.
//!
//! Invariants: a text that was made for another site, is too old or was shown before opens nothing, whoever signed it; and every
//! line of it was understood.

mod text;

use base::Secret;
use pg::{Reason, Reply};
use serde_json::{Map, json};

use self::text::Text;
use super::account::Settled;
use super::profile::Profile;
use super::provider::Provider;
use super::{OauthError, settings, sql};
use crate::session::{Grant, Opening, Way};
use crate::{Auth, Error, Visit, limits};

/// What identities of wallets have as their provider.
const PROVIDER: &str = "web3";

/// What is handed in.
pub struct WalletGrant {
    /// `ethereum` or `solana`.
    pub chain: String,
    /// The text, as it was signed.
    pub message: String,
    /// The signature, as the chain's wallets write it.
    pub signature: Secret<String>,
}

/// Whose wallets are let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Chain {
    Ethereum,
    Solana,
}

impl Chain {
    pub(super) fn name(self) -> &'static str {
        match self {
            Chain::Ethereum => "ethereum",
            Chain::Solana => "solana",
        }
    }

    fn off(self) -> Error {
        match self {
            Chain::Ethereum => {
                Error::disabled("web3_provider_disabled", "Ethereum Web3 provider is disabled")
            }
            Chain::Solana => Error::disabled("web3_provider_disabled", "Solana Web3 provider is disabled"),
        }
    }
}

/// What holds for them.
#[derive(Clone, Copy)]
pub(super) struct Wallets {
    ethereum: bool,
    solana: bool,
    valid_seconds: i64,
}

impl Wallets {
    pub(super) fn from_settings(given: &base::Settings) -> Self {
        Wallets {
            ethereum: given.get(&settings::ETHEREUM),
            solana: given.get(&settings::SOLANA),
            valid_seconds: i64::try_from(given.get(&settings::WALLET_VALIDITY).as_secs()).unwrap_or(600),
        }
    }

    fn require(self, name: &str) -> Result<Chain, Error> {
        if !(self.ethereum || self.solana) {
            return Err(Error::disabled("web3_provider_disabled", "Web3 provider is disabled"));
        }
        let (chain, is_on) = match name {
            "ethereum" => (Chain::Ethereum, self.ethereum),
            "solana" => (Chain::Solana, self.solana),
            _ => return Err(Error::disabled("web3_unsupported_chain", "Unsupported chain")),
        };
        if is_on { Ok(chain) } else { Err(chain.off()) }
    }
}

impl Auth {
    /// Signs in with a text that a wallet signed.
    pub async fn sign_in_with_wallet(
        &self,
        asked: WalletGrant,
        visit: &Visit,
    ) -> Result<Reply<Grant>, Error> {
        let granted = self.try_wallet(asked, visit).await;
        if let Err(error) = &granted {
            crate::events::refused(self, visit, audit::Event::LoginFailed, error, "");
        }
        granted
    }

    async fn try_wallet(&self, asked: WalletGrant, visit: &Visit) -> Result<Reply<Grant>, Error> {
        let wallets = self.0.outside.wallets;
        let chain = wallets.require(&asked.chain)?;
        if !(64..=limits::WALLET_TEXT_BYTES_MAX.size()).contains(&asked.message.len()) {
            return Err(Error::invalid("message is too short or too long"));
        }
        let text = Text::read(chain, &asked.message).map_err(OauthError::Wallet)?;
        let address = signer(chain, &text, &asked)?;
        let now = self.0.clock.now();
        let until = text.require_now(now, wallets.valid_seconds).map_err(OauthError::Wallet)?;
        text.require_secure().map_err(OauthError::Wallet)?;
        if self.0.rules.redirects.allow(text.uri).is_none() {
            return Err(OauthError::Wallet("The message was made for another site").into());
        }
        let profile = profile(chain, &address, &text);
        let provider = Provider { email_optional: true, ..Provider::oidc(PROVIDER, "") };
        let leave = self.ask_about_profile(&provider, &profile, visit).await?;
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        tx.execute(sql::FORGET_WALLET_MESSAGES, [now.into()]).await?;
        let digest = seal::sha256(asked.message.as_bytes());
        if tx.execute(sql::TAKE_WALLET_MESSAGE, [digest.as_slice().into(), until.into()]).await? == 0 {
            return Err(OauthError::Wallet("The message was used before").into());
        }
        let (user, ended) = match self.settle(&mut tx, &provider, &profile, leave, visit).await? {
            Settled::In { user, ended } => (*user, ended),
            Settled::Unverified => return Err(OauthError::NoEmail.into()),
        };
        let mut opened =
            self.open_session(&mut tx, user, Opening::through(Way::Wallet, PROVIDER), visit).await?;
        opened.also_ended(ended);
        self.commit_session(tx, opened).await
    }
}

/// The address that signed, if it is the one that the text names.
fn signer(chain: Chain, text: &Text<'_>, asked: &WalletGrant) -> Result<String, Error> {
    let signature = asked.signature.expose();
    let wrong = OauthError::Wallet("Signature does not match address in message");
    match chain {
        Chain::Ethereum => {
            let digits = signature.strip_prefix("0x").unwrap_or(signature);
            let bytes = hex::decode(digits).ok().and_then(|bytes| <[u8; 65]>::try_from(bytes).ok());
            let bytes = bytes.ok_or(Error::invalid("signature must be 65 bytes in hexadecimal"))?;
            let by = seal::wallet::ethereum_signer(&asked.message, &bytes);
            by.filter(|by| by.eq_ignore_ascii_case(text.address)).ok_or_else(|| wrong.into())
        }
        Chain::Solana => {
            use base64::Engine;
            use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
            let plain = signature.trim_end_matches('=');
            let bytes = URL_SAFE_NO_PAD.decode(plain).or_else(|_| STANDARD_NO_PAD.decode(plain));
            let bytes = bytes.ok().and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
            let bytes = bytes.ok_or(Error::invalid("signature must be 64 bytes in base64"))?;
            match seal::wallet::solana_signed(text.address, &asked.message, &bytes) {
                true => Ok(text.address.to_owned()),
                false => Err(wrong.into()),
            }
        }
    }
}

/// Who the wallet says somebody is: its address, and nothing more.
fn profile(chain: Chain, address: &str, text: &Text<'_>) -> Profile {
    let subject = format!("{PROVIDER}:{}:{address}", chain.name());
    let claims = json!({
        "address": address, "chain": chain.name(), "network": text.network, "domain": text.domain,
        "statement": text.statement,
    });
    let said = Map::from_iter([("sub".to_owned(), json!(subject)), ("custom_claims".to_owned(), claims)]);
    Profile { subject, email: None, verified: false, said }
}
