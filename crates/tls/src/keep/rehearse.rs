//! Everything a renewal needs, but the renewal: tried every week, and when somebody asks (control 4).

use audit::{Entry, Event};
use jiff::SignedDuration;

use super::{Source, Tls};
use crate::{Error, Facts, Material, limits, settings};

impl Tls {
    /// Gets a certificate from the staging directory and throws it away: everything a renewal needs, but the renewal.
    pub async fn rehearse(&self) -> Result<Facts, Error> {
        let _turn = self.0.turn.lock().await;
        let given = &self.0.parts.settings;
        if self.0.source != Source::Acme {
            return Err(Error::Preflight {
                why: "the certificate does not come from an ACME authority, so there is no renewal of ours to rehearse".to_owned(),
            });
        }
        let (directory, email) = (given.get(&settings::STAGING), given.get(&settings::EMAIL));
        let now = self.0.parts.clock.now();
        self.state().rehearsal_tried_at = Some(now);
        let rehearsed = self.acme(&directory, email.as_deref(), None).issue(&self.0.names, None).await;
        let material = rehearsed.and_then(|issued| {
            Material::from_pem(issued.chain.as_bytes(), issued.key.as_bytes())
                .map_err(|why| Error::Authority { directory: directory.clone(), why })
        });
        match material {
            Ok(material) => {
                self.state().rehearsed_at = Some(now);
                let entry =
                    Entry::system(Event::CertificateRehearsed).detail("directory", directory.as_str());
                self.record(entry).await?;
                Ok(material.facts)
            }
            Err(error) => {
                let entry = Entry::system(Event::CertificateFailed).failed(base::Fault::code(&error));
                self.refused(entry.detail("rehearsal", true).detail("error", error.to_string()));
                Err(error)
            }
        }
    }

    pub(super) async fn rehearse_when_due(&self) {
        let every =
            SignedDuration::from_secs(i64::try_from(limits::REHEARSAL_SECONDS.value).unwrap_or(i64::MAX));
        let now = self.0.parts.clock.now();
        let last = self.state().rehearsal_tried_at;
        let due = last.is_none_or(|at| now.duration_since(at) >= every);
        if self.0.source != Source::Acme || !due {
            return;
        }
        if last.is_none() {
            // The first week after a start: what was just issued has shown that it works.
            self.state().rehearsal_tried_at = Some(now);
            return;
        }
        if let Err(error) = self.rehearse().await {
            tracing::error!(%error, "the rehearsal of a renewal failed: mend this before the certificate ends");
        }
    }
}
