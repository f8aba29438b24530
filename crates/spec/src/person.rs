//! Somebody with an account: signs up, signs in, asks for rows.

use serde_json::{Value, json};

use crate::{Client, Seen};

/// A signed-in person.
#[derive(Clone)]
pub struct Person {
    /// Their client, with the publishable key and their token.
    pub client: Client,
    /// Their address.
    pub email: String,
    /// Their password.
    pub password: String,
    /// `auth.users.id`.
    pub id: String,
    /// The access token.
    pub access_token: String,
    /// The refresh token.
    pub refresh_token: String,
}

/// A password both guides would take.
pub const PASSWORD: &str = "Correct-Horse-7-Battery!";

impl Person {
    /// Signs up at `stranger`'s address; sign-ups are confirmed at once there.
    pub async fn sign_up(stranger: &Client, email: &str) -> Person {
        let seen = stranger
            .post("/auth/v1/signup", json!({ "email": email, "password": PASSWORD }))
            .await
            .expect(200);
        Self::from(stranger, email, &seen.value())
    }

    /// Signs in.
    pub async fn sign_in(stranger: &Client, email: &str, password: &str) -> Seen {
        stranger
            .post("/auth/v1/token?grant_type=password", json!({ "email": email, "password": password }))
            .await
    }

    /// The same person with another session of theirs, as the server answers it.
    pub fn again(&self, session: &Value) -> Person {
        let mut stranger = self.client.clone();
        stranger.headers.retain(|(name, _)| name != "authorization");
        Person { password: self.password.clone(), ..Self::from(&stranger, &self.email, session) }
    }

    /// From a session as the server answers it.
    pub fn from(stranger: &Client, email: &str, session: &Value) -> Person {
        let text = |name: &str| {
            session[name].as_str().unwrap_or_else(|| panic!("no {name} in {session}")).to_owned()
        };
        let access_token = text("access_token");
        Person {
            client: stranger.clone().with("authorization", &format!("Bearer {access_token}")),
            email: email.to_owned(),
            password: PASSWORD.to_owned(),
            id: session["user"]["id"].as_str().unwrap_or_default().to_owned(),
            access_token,
            refresh_token: text("refresh_token"),
        }
    }
}
