//! `/admin/users/{id}/factors/{factor}`: what administrators do with somebody's second factors.

use std::sync::Arc;

use ::auth::mfa::FactorFields;
use serde::Deserialize;
use serde_json::Value;
use web::{Answer, Ask, Cx, Handled};

use super::super::{State, fields, shape, visit};
use super::factor_id;

#[derive(Deserialize)]
struct Change {
    #[serde(default, deserialize_with = "fields::filled")]
    friendly_name: Option<String>,
    #[serde(default, deserialize_with = "fields::filled")]
    phone: Option<String>,
}

/// `PUT`: the factor as it is now.
pub fn change(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let (user, factor) = (fields::user_id(&ask)?, factor_id(&ask, "factor")?);
        let asked: Change = ask.object()?;
        let wanted = FactorFields { friendly_name: asked.friendly_name, phone: asked.phone };
        let changed = state.auth.admin_change_factor(user, factor, wanted, &visit(&cx, &ask)).await?;
        Ok(changed.map(|factor| Answer::json(&shape::factor(Value::Object(factor)))))
    })
}

/// `DELETE`: the factor as it was.
pub fn remove(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let (user, factor) = (fields::user_id(&ask)?, factor_id(&ask, "factor")?);
        let removed = state.auth.admin_remove_factor(user, factor, &visit(&cx, &ask)).await?;
        Ok(removed.map(|factor| Answer::json(&shape::factor(Value::Object(factor)))))
    })
}
