//! What the issuer says of the certificate, shown with it (control 15): asked for when the certificate names a responder,
//! again when half of an answer's time is over, and shown no longer than it counts, whatever becomes of the responder.

use std::time::Duration;

use audit::{Entry, Event};
use jiff::{SignedDuration, Timestamp};
use outbound::Request;
use x509_cert::Certificate;

use super::Tls;
use crate::ocsp::{Of, Said};
use crate::store::write_public;
use crate::{Material, limits, ocsp, signed};

/// What is known of the certificate in force.
#[derive(Default)]
pub(super) struct Stapled {
    /// Until when what is shown counts.
    pub(super) until: Option<Timestamp>,
    /// When the issuer is asked next.
    ask_at: Option<Timestamp>,
    failures: u32,
    pub(super) trouble: Option<String>,
    /// The issuer took it back.
    pub(super) revoked: bool,
}

impl Tls {
    /// Looks after what is shown with the certificate.
    pub(super) async fn staple(&self) {
        let Some(material) = self.0.shown.current.load_full() else { return };
        if material.facts.ocsp.is_none() {
            return;
        }
        let now = self.0.parts.clock.now();
        self.take_off_what_ended(now).await;
        if self.state().stapled.ask_at.is_some_and(|at| now < at) {
            return;
        }
        let heard = self.ask(&material, now).await;
        // It may have been exchanged meanwhile.
        let _turn = self.0.turn.lock().await;
        let same = self.facts().is_some_and(|facts| facts == material.facts);
        if same {
            self.heard(&material, heard, now);
        }
    }

    /// Shows the certificate without what counts no longer.
    async fn take_off_what_ended(&self, now: Timestamp) {
        let has_ended = || self.state().stapled.until.is_some_and(|until| until <= now);
        if !has_ended() {
            return;
        }
        // In turn, and looked at again: a certificate that is exchanged meanwhile must not be replaced by the one before it.
        let _turn = self.0.turn.lock().await;
        let shown = self.0.shown.current.load_full().filter(|_| has_ended());
        if let Some(material) = shown {
            self.show_with(&material, None);
            self.state().stapled.until = None;
            tracing::warn!("what the issuer said of the certificate counts no longer; it is shown without");
        }
    }

    /// What was kept from before the start, if it still counts: shown from the first connection on.
    pub(super) fn staple_what_was_kept(&self) {
        let Some(material) = self.0.shown.current.load_full() else { return };
        let now = self.0.parts.clock.now();
        let kept = std::fs::read(self.kept_answer(&material)).ok();
        let said = kept.and_then(|der| {
            let (leaf, issuer) = self.pair(&material, now).ok()?;
            ocsp::read(&der, &leaf, &issuer, now).ok()
        });
        if let Some(said) = said.filter(|said| said.of == Of::Good) {
            self.heard(&material, Ok(said), now);
        }
    }

    fn kept_answer(&self, material: &Material) -> std::path::PathBuf {
        self.0.store.folder.join(format!("ocsp-{}.der", material.facts.serial))
    }

    /// The certificate and who issued it.
    fn pair(&self, material: &Material, now: Timestamp) -> Result<(Certificate, Certificate), String> {
        let leaf = signed::read(material.key.cert.first().ok_or("no certificate")?)?;
        let above = material.key.cert.get(1).and_then(|der| signed::read(der).ok());
        let issuer = above
            .filter(|above| signed::issued(above, &leaf))
            .or_else(|| self.known_issuer(&leaf, now.as_second()));
        let issuer = issuer.ok_or(
            "its issuer's certificate is not in the chain: put it there, or into server.tls.trusted_ca_file",
        )?;
        Ok((leaf, issuer))
    }

    async fn ask(&self, material: &Material, now: Timestamp) -> Result<Said, String> {
        let url = material.facts.ocsp.clone().unwrap_or_default();
        let (leaf, issuer) = self.pair(material, now)?;
        // Clear text is what authorities use here; the answer is signed.
        let asked = Request::post("ocsp", &url)
            .body("application/ocsp-request", ocsp::question(&leaf, &issuer)?)
            .clear_text(true)
            .within(Duration::from_secs(limits::STATUS_SECONDS_MAX.value))
            .at_most(limits::FETCHED_BYTES_MAX.value);
        let answer = self.0.parts.outbound.send(asked).await.and_then(outbound::Answer::success);
        let answer = answer.map_err(|error| format!("{url}: {}", base::fault::chain(&error)))?;
        ocsp::read(&answer.body, &leaf, &issuer, now).map_err(|why| format!("{url}: {why}"))
    }

    fn heard(&self, material: &Material, heard: Result<Said, String>, now: Timestamp) {
        match heard {
            Ok(said) => {
                let life = said.until.duration_since(said.from);
                let half = said.from.checked_add(life.checked_div(2).unwrap_or(SignedDuration::ZERO));
                // An answer that is nearly over leads to no storm of questions.
                let soonest = now.checked_add(SignedDuration::from_secs(60));
                let mut state = self.state();
                let news = state.stapled.revoked != (said.of == Of::Revoked);
                state.stapled.ask_at = half.into_iter().chain(soonest).max();
                state.stapled.failures = 0;
                state.stapled.revoked = said.of == Of::Revoked;
                state.stapled.trouble = match said.of {
                    Of::Good => None,
                    Of::Revoked => {
                        Some("the issuer has revoked the certificate: get another one now".to_owned())
                    }
                    Of::Unknown => Some("the issuer does not know the certificate".to_owned()),
                };
                state.stapled.until = (said.of == Of::Good).then_some(said.until);
                drop(state);
                if said.of == Of::Good {
                    self.show_with(material, Some(said.der.clone()));
                    self.keep_answer(material, &said.der);
                } else {
                    // Nothing is better than a word against us: who asks the issuer hears it all the same.
                    self.show_with(material, None);
                }
                if news && said.of == Of::Revoked {
                    tracing::error!(serial = material.facts.serial, "the issuer has revoked the certificate");
                    let entry = Entry::system(Event::CertificateFailed).failed("tls.revoked");
                    self.refused(entry.detail("serial", material.facts.serial.as_str()));
                }
            }
            Err(why) => {
                let mut state = self.state();
                let wait = limits::RETRY_SECONDS.value.saturating_mul(1 << state.stapled.failures.min(16));
                let wait = Duration::from_secs(wait.min(limits::STATUS_RETRY_SECONDS_MAX.value));
                state.stapled.failures += 1;
                state.stapled.ask_at = now.checked_add(wait).ok();
                let is_known = state.stapled.trouble.as_ref() == Some(&why);
                state.stapled.trouble = Some(why.clone());
                drop(state);
                if !is_known {
                    tracing::warn!(why, "the issuer was not heard on the certificate");
                }
            }
        }
    }

    /// The same certificate, with or without what its issuer says.
    fn show_with(&self, material: &Material, said: Option<Vec<u8>>) {
        let mut key = (*material.key).clone();
        key.ocsp = said;
        let material = Material { key: std::sync::Arc::new(key), facts: material.facts.clone() };
        self.0.shown.current.store(Some(std::sync::Arc::new(material)));
    }

    /// For the next start. What was kept of certificates before this one goes.
    fn keep_answer(&self, material: &Material, der: &[u8]) {
        let own = self.kept_answer(material);
        let entries = std::fs::read_dir(&self.0.store.folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("ocsp-") && path != own {
                let _gone_or_read_in_vain = std::fs::remove_file(&path);
            }
        }
        if let Err(error) = write_public(&own, der) {
            tracing::warn!(%error, "what the issuer said was not kept for the next start");
        }
    }
}
