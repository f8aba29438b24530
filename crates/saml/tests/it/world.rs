//! One service provider, one identity provider, one attacker, at one moment.

use std::sync::LazyLock;

use base::{Clock, Rng};
use jiff::Timestamp;
use saml::pretend::{Pretender, Says, Signed, encode};
use saml::{Assertion, Error, Expected, KeyPair, Peer, ServiceProvider, verify};

pub const REQUEST: &str = "_request1";

pub struct World {
    pub sp: ServiceProvider,
    pub idp: Pretender,
    pub attacker: Pretender,
    pub peer: Peer,
    pub clock: Clock,
    pub rng: Rng,
}

/// Making RSA keys takes seconds unoptimised, so there is one world.
pub static WORLD: LazyLock<World> = LazyLock::new(|| {
    let clock = base::MockClock::at("2026-11-22T12:00:00Z".parse::<Timestamp>().unwrap()).clock();
    let idp = Pretender::new("https://idp.example/metadata", &clock).unwrap();
    World {
        sp: ServiceProvider {
            entity_id: "https://ours.example/auth/v1/sso/saml/metadata".to_owned(),
            acs_url: "https://ours.example/auth/v1/sso/saml/acs".to_owned(),
            slo_url: "https://ours.example/auth/v1/sso/saml/slo".to_owned(),
            keys: KeyPair::make("https://ours.example", &clock).unwrap(),
        },
        peer: idp.peer("https://idp.example").unwrap(),
        attacker: Pretender::new("https://idp.example/metadata", &clock).unwrap(),
        idp,
        clock,
        rng: Rng::seeded(7),
    }
});

impl World {
    pub fn honest(&self) -> Says {
        self.idp.honest(&self.sp, Some(REQUEST), "ann@example.com", &self.clock, &self.rng)
    }

    pub fn expected(&self) -> Expected<'_> {
        Expected { peer: &self.peer, sp: &self.sp, request_id: Some(REQUEST), now: self.clock.now() }
    }

    pub fn verify_xml(&self, xml: &str) -> Result<Assertion, Error> {
        verify(&encode(xml), &self.expected())
    }

    pub fn verify(&self, says: &Says) -> Result<Assertion, Error> {
        self.verify_xml(&self.idp.xml(says, Signed::Assertion).unwrap())
    }
}
