//! `/admin/sso/providers`: GoTrue's shapes, with what it has no word for beside them.

use std::sync::Arc;

use ::auth::Error;
use ::auth::sso::{Provider, ProviderFields};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use web::{Answer, Ask, Cx, Handled};

use crate::auth::{State, visit};

/// What administrators send. AppFlowy's console sends every key, unused ones empty.
#[derive(Deserialize)]
struct Asked {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    metadata_url: Option<String>,
    #[serde(default)]
    metadata_xml: Option<String>,
    #[serde(default)]
    domains: Option<Vec<String>>,
    #[serde(default)]
    attribute_mapping: Option<Value>,
    #[serde(default)]
    name_id_format: Option<String>,
    #[serde(default)]
    resource_id: Option<String>,
    #[serde(default)]
    disabled: Option<bool>,
    #[serde(default)]
    allow_idp_initiated: Option<bool>,
    #[serde(default)]
    allowed_redirect_hosts: Option<Vec<String>>,
}

impl From<Asked> for ProviderFields {
    fn from(asked: Asked) -> Self {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        ProviderFields {
            metadata_url: filled(asked.metadata_url),
            metadata_xml: filled(asked.metadata_xml),
            domains: asked.domains,
            attribute_mapping: asked.attribute_mapping.filter(|mapping| !mapping.is_null()),
            name_id_format: filled(asked.name_id_format),
            resource_id: filled(asked.resource_id),
            disabled: asked.disabled,
            allow_idp_initiated: asked.allow_idp_initiated,
            allowed_redirect_hosts: asked.allowed_redirect_hosts,
        }
    }
}

/// `GET /admin/sso/providers`.
pub fn list(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let all = state.sso.providers().await?;
        Ok(all.map(|all| Answer::json(&json!({ "items": all.iter().map(shape).collect::<Vec<_>>() }))))
    })
}

/// `POST /admin/sso/providers`.
pub fn create(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Asked = ask.object()?;
        if asked.kind.as_deref() != Some("saml") {
            return Err(Error::invalid("Only 'saml' supported for SSO provider type").into());
        }
        let made = state.sso.create_provider(asked.into(), &visit(&cx, &ask)).await?;
        Ok(made.map(|made| Answer::json_with(StatusCode::CREATED, &shape(&made))))
    })
}

/// `GET /admin/sso/providers/{id}`.
pub fn get(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let found = state.sso.provider(ask.params.get("id")).await?;
        Ok(found.map(|found| Answer::json(&shape(&found))))
    })
}

/// `PUT /admin/sso/providers/{id}`.
pub fn change(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: Asked = ask.object()?;
        let changed =
            state.sso.change_provider(ask.params.get("id"), asked.into(), &visit(&cx, &ask)).await?;
        Ok(changed.map(|changed| Answer::json(&shape(&changed))))
    })
}

/// `DELETE /admin/sso/providers/{id}`.
pub fn remove(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let removed = state.sso.remove_provider(ask.params.get("id"), &visit(&cx, &ask)).await?;
        Ok(removed.map(|removed| Answer::json(&shape(&removed))))
    })
}

fn shape(provider: &Provider) -> Value {
    let mut saml = Map::new();
    saml.insert("entity_id".to_owned(), json!(provider.entity_id));
    saml.insert("metadata_xml".to_owned(), json!(provider.metadata_xml));
    if let Some(url) = &provider.metadata_url {
        saml.insert("metadata_url".to_owned(), json!(url));
    }
    let mapping = match &provider.attribute_mapping {
        Value::Null => json!({}),
        mapping => mapping.clone(),
    };
    saml.insert("attribute_mapping".to_owned(), mapping);
    if let Some(format) = &provider.name_id_format {
        saml.insert("name_id_format".to_owned(), json!(format));
    }
    let domain = |one: &::auth::sso::Domain| json!({ "id": one.id, "domain": one.domain, "created_at": one.created_at, "updated_at": one.created_at });
    let mut shape = json!({
        "id": provider.id,
        "disabled": provider.disabled,
        "saml": saml,
        "domains": provider.domains.iter().map(domain).collect::<Vec<_>>(),
        "created_at": provider.created_at,
        "updated_at": provider.updated_at,
        "allow_idp_initiated": provider.allow_idp_initiated,
        "allowed_redirect_hosts": provider.redirect_hosts,
        "keys_changed": provider.has_offer,
    });
    if let Some(resource) = &provider.resource_id {
        shape["resource_id"] = json!(resource);
    }
    if let Some(failure) = &provider.failure {
        shape["metadata_failure"] = json!(failure);
    }
    shape
}
