//! Second factors as a person with an authenticator app has them.

use serde_json::{Value, json};

use crate::{Client, Person, Seen};

/// An authenticator app.
#[derive(Clone, Debug)]
pub struct Authenticator {
    /// The factor.
    pub id: String,
    /// What it was told, base32.
    pub secret: String,
}

impl Authenticator {
    /// Enrols one for somebody; it was not shown yet.
    pub async fn enrol(person: &Person) -> Self {
        let body = json!({ "factor_type": "totp", "friendly_name": "phone" });
        let enrolled = person.client.post("/auth/v1/factors", body).await.expect(200).value();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Authenticator { id: text(&enrolled["id"]), secret: text(&enrolled["totp"]["secret"]) }
    }

    /// What it shows at a second since 1970.
    pub fn code(&self, at: i64) -> String {
        testkit::totp(&self.secret, at)
    }

    /// What it does not show then.
    pub fn wrong(&self, at: i64) -> String {
        testkit::wrong_totp(&self.secret, at)
    }

    /// Challenges it and sends a code.
    pub async fn show(&self, client: &Client, code: &str) -> Seen {
        let challenged = client.post(&format!("/auth/v1/factors/{}/challenge", self.id), json!({})).await;
        if challenged.status != 200 {
            return challenged;
        }
        let body = json!({ "challenge_id": challenged.field("id"), "code": code });
        client.post(&format!("/auth/v1/factors/{}/verify", self.id), body).await
    }

    /// Enrols one and shows it: the person with their session at its new level.
    pub async fn with(person: &Person, at: i64) -> (Person, Self) {
        let app = Self::enrol(person).await;
        let raised = app.show(&person.client, &app.code(at)).await.expect(200).value();
        (person.again(&raised), app)
    }
}
