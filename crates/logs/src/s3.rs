//! An S3 store: one object of JSON lines for each batch, named after what is in it, so that a batch that is put again replaces
//! itself. Signed as AWS has it (Signature Version 4), with the body's hash in the signature.

use std::fmt::Write as _;
use std::time::Duration;

use base::{Secret, Settings};
use jiff::Timestamp;
use outbound::{Outbound, Request, Target};

use crate::record::{From, Record};
use crate::ship::hex;
use crate::{Error, limits, settings};

/// A bucket.
pub(crate) struct S3 {
    /// Scheme, host and, where it is not the usual one, port.
    origin: String,
    host: String,
    /// Bucket and prefix: begins with a slash and does not end with one.
    path: String,
    /// Told apart from other nodes, whose lines go into the same bucket.
    node: String,
    signer: Signer,
}

struct Signer {
    region: String,
    key_id: String,
    secret: Secret<String>,
}

impl S3 {
    /// From the settings, when one is set.
    pub fn from(given: &Settings) -> Result<Option<Self>, Error> {
        let Some(url) = given.get(&settings::S3_URL) else { return Ok(None) };
        let refuse = |setting: &'static str, what: &str| Error::Setting { setting, what: what.to_owned() };
        let name = settings::S3_URL.definition.name;
        let target = Target::parse(&url).map_err(|error| refuse(name, &error.to_string()))?;
        let path = target.url().path().trim_end_matches('/').to_owned();
        if path.is_empty() || target.url().query().is_some() || !path.bytes().all(is_plain) {
            return Err(refuse(name, "expected https://host/bucket/prefix of letters, digits and - _ . ~"));
        }
        let (Some(key_id), Some(secret)) = (given.get(&settings::S3_KEY_ID), given.get(&settings::S3_SECRET))
        else {
            return Err(refuse(
                name,
                "an S3 store needs logging.s3_access_key_id and logging.s3_secret_access_key",
            ));
        };
        let host = match target.url().port() {
            Some(port) => format!("{}:{port}", target.host()),
            None => target.host().to_owned(),
        };
        let node: String = crate::host_name()
            .chars()
            .filter(|letter| letter.is_ascii() && is_plain(*letter as u8))
            .collect();
        Ok(Some(S3 {
            origin: format!("{}://{host}", target.url().scheme()),
            host,
            path,
            node: node.replace('/', "-"),
            signer: Signer { region: given.get(&settings::S3_REGION), key_id, secret },
        }))
    }

    /// Puts them, as one object.
    pub async fn deliver(
        &self,
        outbound: &Outbound,
        records: &[Record],
        name: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some(first) = records.first() else { return Ok(()) };
        let day = first.at.strftime("%Y/%m/%d");
        let path = match first.from {
            From::Audit => format!("{}/audit/{day}/{name}.jsonl", self.path),
            From::Log => format!("{}/log/{day}/{}-{name}.jsonl", self.path, self.node),
        };
        let mut body = String::new();
        for record in records {
            body.push_str(&record.line);
            body.push('\n');
        }
        let digest = hex(seal::sha256(body.as_bytes()));
        let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let headers =
            [("host", self.host.as_str()), ("x-amz-content-sha256", &digest), ("x-amz-date", &stamp)];
        let signed = self.signer.authorization("PUT", &path, &headers, &digest, &stamp);
        let request = Request::put("s3", format!("{}{path}", self.origin))
            .header("x-amz-content-sha256", &digest)
            .header("x-amz-date", &stamp)
            .header("authorization", &signed)
            .body("application/x-ndjson", body)
            .within(Duration::from_secs(limits::ANSWER_SECONDS.value));
        outbound.send(request).await.and_then(outbound::Answer::success)?;
        Ok(())
    }
}

/// What stands in a path as it is.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/')
}

impl Signer {
    /// The value of `Authorization`. Headers are given in the order of their names, the path as it is sent.
    fn authorization(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        digest: &str,
        stamp: &str,
    ) -> String {
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let mut asked = format!("{method}\n{path}\n\n");
        for (name, value) in headers {
            let _a_string_takes_everything = writeln!(asked, "{name}:{}", value.trim());
        }
        let _a_string_takes_everything = write!(asked, "\n{names}\n{digest}");
        let day = stamp.get(..8).unwrap_or_default();
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex(seal::sha256(asked.as_bytes())));
        let first = Secret::new(format!("AWS4{}", self.secret.expose()));
        let mut key = seal::keyed_mac(first.expose().as_bytes(), day.as_bytes());
        for part in [self.region.as_str(), "s3", "aws4_request"] {
            key = seal::keyed_mac(&key, part.as_bytes());
        }
        let signature = hex(seal::keyed_mac(&key, text.as_bytes()));
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}",
            self.key_id
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in AWS's documentation of a PUT whose headers carry the signature.
    #[test]
    fn it_signs_as_the_example_of_aws_does() {
        let signer = Signer {
            region: "us-east-1".to_owned(),
            key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: Secret::from("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        };
        let digest = hex(seal::sha256(b"Welcome to Amazon S3."));
        let headers = [
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("host", "examplebucket.s3.amazonaws.com"),
            ("x-amz-content-sha256", digest.as_str()),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ];
        let signed = signer.authorization("PUT", "/test%24file.text", &headers, &digest, "20130524T000000Z");
        let signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
        assert!(signed.ends_with(&format!("Signature={signature}")), "{signed}");
    }

    #[test]
    fn a_bucket_without_a_key_or_without_a_name_is_refused() {
        let given = Settings::default().with("logging.s3_url", "https://s3.example.com/bucket/logs");
        assert!(S3::from(&given).is_err());
        let with_key = |given: &Settings| {
            given.with("logging.s3_access_key_id", "id").with("logging.s3_secret_access_key", "secret")
        };
        assert!(S3::from(&with_key(&given)).is_ok_and(|s3| s3.is_some()));
        for url in ["https://s3.example.com", "https://s3.example.com/b?x=1", "https://s3.example.com/b%20c"]
        {
            assert!(S3::from(&with_key(&given.with("logging.s3_url", url))).is_err(), "{url}");
        }
    }
}
