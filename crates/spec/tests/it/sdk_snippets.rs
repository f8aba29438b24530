//! Both guides' SAML snippets, as they are printed, each signing somebody in through a real identity provider over HTTPS.
//!
//! Replaced is only what the snippets' table allows: host names by one that resolves to the test's own provider, and the
//! path of the certificate.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use spec::{Palisade, clients};
use tempfile::TempDir;

use crate::sdk::{CompanyKey, check};

const APPFLOWY: &str = include_str!("../../../../docs/guides/snippets/appflowy.env");
const FLUXBASE: &str = include_str!("../../../../docs/guides/snippets/fluxbase.yaml");

/// A company with an identity provider: its signing key, and the certificate and port of its HTTPS.
struct Company {
    key: CompanyKey,
    home: TempDir,
    port: u16,
}

impl Company {
    fn make() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let root = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        leaf.distinguished_name.push(DnType::CommonName, "localhost");
        let leaf = leaf.signed_by(&key, &issuer).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        for (name, text) in [
            ("ca.pem", root.pem()),
            ("tls.pem", leaf.pem()),
            ("tls.key", key.serialize_pem()),
            ("port", port.to_string()),
        ] {
            std::fs::write(home.path().join(name), text).unwrap();
        }
        Company { key: CompanyKey::make(), home, port }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// What the clients' programs are told.
    fn told(&self) -> Vec<(&'static str, PathBuf)> {
        let own = [
            ("NODE_EXTRA_CA_CERTS", "ca.pem"),
            ("PALISADE_CA", "ca.pem"),
            ("PALISADE_TLS_CERT", "tls.pem"),
            ("PALISADE_TLS_KEY", "tls.key"),
            ("PALISADE_PORT", "port"),
        ];
        own.map(|(name, file)| (name, self.file(file))).into_iter().chain(self.key.told()).collect()
    }

    /// The test's own network is reached, and its authority believed.
    fn flags(&self) -> Vec<String> {
        vec![
            "--rate_limiting.enabled=false".to_owned(),
            "--outbound.allow=localhost".to_owned(),
            format!("--outbound.ca_file={}", self.file("ca.pem").display()),
        ]
    }
}

fn borrowed<'a>(told: &'a [(&'static str, PathBuf)]) -> Vec<(&'static str, &'a Path)> {
    told.iter().map(|(name, path)| (*name, path.as_path())).collect()
}

#[tokio::test]
async fn appflowys_saml_variables_sign_somebody_in_as_they_are_printed() {
    let company = Company::make();
    let key = company.key.told();
    let certificate =
        key.iter().find(|(name, _)| *name == "PALISADE_IDP_CERT").unwrap().1.display().to_string();
    let variables: Vec<(String, String)> = APPFLOWY
        .lines()
        .filter(|line| line.starts_with("GOTRUE_SAML_"))
        .map(|line| {
            let line = line.replace("sso.company.com", &format!("localhost:{}", company.port));
            let line = line.replace("/etc/appflowy/saml-cert.pem", &certificate);
            let (name, value) = line.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect();
    assert_eq!(variables.len(), 5, "every line of the block: {variables:?}");
    let flags = company.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let palisade = Palisade::start_told("dev", &flags, &variables).await;
    let told = company.told();
    let (held, printed) = clients::node_told(&palisade, "saml_snippet.mjs", &borrowed(&told)).await;
    check(held, &printed, 3);
}

#[tokio::test]
async fn fluxbases_saml_block_signs_somebody_in_as_it_is_printed() {
    let company = Company::make();
    let block: Vec<&str> = FLUXBASE
        .lines()
        .skip_while(|line| !line.starts_with("  saml_providers:"))
        .take_while(|line| line.starts_with("  "))
        .collect();
    assert!(block.len() >= 9, "the whole block: {block:?}");
    let text = format!("auth:\n{}\n", block.join("\n"));
    let text = text.replace("company.okta.com", &format!("localhost:{}", company.port));
    std::fs::write(company.file("palisade.yaml"), text).unwrap();
    let mut flags = company.flags();
    flags.push(format!("--config={}", company.file("palisade.yaml").display()));
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let palisade = Palisade::start("dev", &flags).await;
    let told = company.told();
    let (held, printed) = clients::python_told(&palisade, "saml_snippet.py", &borrowed(&told)).await;
    check(held, &printed, 5);
}
