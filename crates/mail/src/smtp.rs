//! One conversation with a mail server, with a transcript that an operator can read.
//!
//! TLS is not optional and certificates are always checked: a server that offers neither form of TLS gets no mail.

use std::path::Path;
use std::time::Duration;

use base::{Secret, Settings};
use lettre::Message as Mail;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::Response;

use crate::{Error, limits, settings};

/// When TLS begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Security {
    FirstByte,
    StartTls,
}

/// A mail server to send through.
#[derive(Clone)]
pub struct Smtp {
    host: String,
    port: u16,
    sign_in: Option<(String, Secret<String>)>,
    security: Security,
    tls: TlsParameters,
}

/// What was said, without bodies and passwords.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transcript(pub Vec<String>);

impl Transcript {
    pub fn note(&mut self, line: &str) {
        let end = line.floor_char_boundary(limits::TRANSCRIPT_LINE_BYTES.size());
        self.0.push(line.get(..end).unwrap_or_default().replace('\0', ""));
    }

    fn reply(&mut self, said: &str, reply: &Response) {
        let words = reply.message().collect::<Vec<_>>().join(" / ");
        self.note(&format!("{said} → {} {words}", reply.code()));
    }
}

impl Smtp {
    /// The configured server, if one is.
    pub fn configured(settings: &Settings) -> Result<Option<Self>, Error> {
        let Some(host) = settings.get(&settings::SMTP_HOST) else { return Ok(None) };
        let port = settings.get(&settings::SMTP_PORT);
        let security = match settings.get(&settings::SMTP_SECURITY).as_str() {
            "tls" => Security::FirstByte,
            "starttls" => Security::StartTls,
            _ if port == 465 => Security::FirstByte,
            _ => Security::StartTls,
        };
        let sign_in = match (settings.get(&settings::SMTP_USER), settings.get(&settings::SMTP_PASSWORD)) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            (Some(_), None) => {
                return Err(Error::HalfSignIn { missing: settings::SMTP_PASSWORD.definition.name });
            }
            (None, Some(_)) => {
                return Err(Error::HalfSignIn { missing: settings::SMTP_USER.definition.name });
            }
        };
        let tls = tls_parameters(&host, settings.get(&settings::SMTP_CA_FILE).as_deref())?;
        Ok(Some(Smtp { host, port, sign_in, security, tls }))
    }

    /// Sends one mail, within one limit for the whole conversation.
    pub(crate) async fn send(&self, mail: &Mail, transcript: &mut Transcript) -> Result<(), Error> {
        let limit = Duration::from_secs(limits::SMTP_SECONDS.value);
        let mut step = "connect";
        let outcome = tokio::time::timeout(limit, self.talk(mail, transcript, &mut step)).await;
        let outcome = match outcome {
            Ok(outcome) => {
                outcome.map_err(|source| Error::Smtp { step, permanent: source.is_permanent(), source })
            }
            Err(_) => Err(Error::Timeout { step }),
        };
        if let Err(error) = &outcome {
            transcript.note(&format!("{step} → {}", base::fault::chain(error)));
        }
        outcome
    }

    async fn talk(
        &self,
        mail: &Mail,
        transcript: &mut Transcript,
        step: &mut &'static str,
    ) -> Result<(), lettre::transport::smtp::Error> {
        let envelope = mail.envelope();
        let us = envelope.from().map_or("localhost", |from| from.domain());
        let us = ClientId::Domain(us.to_owned());
        let at_once = (self.security == Security::FirstByte).then(|| self.tls.clone());
        let limit = Some(Duration::from_secs(limits::SMTP_SECONDS.value));
        let address = (self.host.as_str(), self.port);
        let mut server = AsyncSmtpConnection::connect_tokio1(address, limit, &us, at_once, None).await?;
        transcript.note(&format!("connect {}:{} → EHLO taken", self.host, self.port));
        if self.security == Security::StartTls {
            *step = "STARTTLS";
            server.starttls(self.tls.clone(), &us).await?;
            transcript.note("STARTTLS → certificate valid, EHLO taken");
        }
        if let Some((user, password)) = &self.sign_in {
            *step = "AUTH";
            let proof = Credentials::new(user.clone(), password.expose().clone());
            let reply = server.auth(&[Mechanism::Plain, Mechanism::Login], &proof).await?;
            transcript.note(&format!("AUTH (hidden) → {}", reply.code()));
        }
        *step = "MAIL FROM";
        let plain =
            envelope.from().into_iter().chain(envelope.to()).all(|address| address.to_string().is_ascii());
        let utf8 = !plain && server.server_info().supports_feature(Extension::SmtpUtfEight);
        let options = if utf8 { vec![MailParameter::SmtpUtfEight] } else { Vec::new() };
        let reply = server.command(MailFrom::new(envelope.from().cloned(), options)).await?;
        transcript.reply("MAIL FROM", &reply);
        *step = "RCPT TO";
        for to in envelope.to() {
            let reply = server.command(Rcpt::new(to.clone(), Vec::new())).await?;
            transcript.reply("RCPT TO", &reply);
        }
        *step = "DATA";
        server.command(Data).await?;
        let reply = server.message(&mail.formatted()).await?;
        transcript.reply("DATA (hidden)", &reply);
        // The mail is the server's now: how it takes our good-bye changes nothing.
        let _ = server.quit().await;
        Ok(())
    }
}

fn tls_parameters(host: &str, ca_file: Option<&Path>) -> Result<TlsParameters, Error> {
    let refused = |source| Error::Smtp { step: "TLS set-up", permanent: true, source };
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = ca_file {
        let pem = std::fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(refused)?);
    }
    builder.build_rustls().map_err(refused)
}
