//! Rules about extensions, the schema `auth` and buckets.

use super::Found;
use crate::Facts;
use crate::text::{self, Token};

pub(super) fn extension_in_public(facts: &Facts) -> Vec<Found> {
    let served = facts.extensions.iter().filter(|extension| extension.exposed);
    served
        .map(|extension| {
            let name = pg::admin::quote_name(&extension.name);
            Found::new(&extension.name, format!("lives in {}, which is served", extension.schema))
                .fix(format!("ALTER EXTENSION {name} SET SCHEMA extensions"))
        })
        .collect()
}

pub(super) fn extension_outdated(facts: &Facts) -> Vec<Found> {
    let old = facts.extensions.iter().filter_map(|extension| {
        let newest = extension.newest.as_deref().filter(|newest| *newest != extension.version)?;
        let name = pg::admin::quote_name(&extension.name);
        let detail = format!("is {}, and the server has {newest}", extension.version);
        Some(Found::new(&extension.name, detail).fix(format!("ALTER EXTENSION {name} UPDATE")))
    });
    old.collect()
}

pub(super) fn fkey_to_auth_unique(facts: &Facts) -> Vec<Found> {
    let keys = facts.constraints.iter().filter(|key| key.kind == "f" && key.on_primary == Some(false));
    keys.filter_map(|key| {
        let (from, to) = (facts.relation(key.relation)?, facts.relation(key.target)?);
        let detail = format!(
            "{} points at {} by something else than its primary key, which may change",
            key.name,
            to.title()
        );
        (to.schema == "auth" && from.schema != "auth").then(|| Found::new(from.title(), detail))
    })
    .collect()
}

/// A policy that asks for the bucket and nothing else, or for nothing.
pub(super) fn bucket_listing(facts: &Facts) -> Vec<Found> {
    let Some(objects) = facts.named("storage.objects") else { return Vec::new() };
    let mut found = Vec::new();
    for policy in facts.policies_of(objects.oid).filter(|policy| policy.permissive && policy.rules("r")) {
        if !(policy.concerns("anon") || policy.concerns("authenticated")) {
            continue;
        }
        let using = policy.using.as_deref().unwrap_or("true");
        for bucket in &facts.public_buckets {
            if text::always_true(using) || only_bucket(using).as_deref() == Some(bucket) {
                let detail = format!("policy {} lists the files of the public bucket {bucket}", policy.name);
                let name = pg::admin::quote_name(&policy.name);
                found.push(
                    Found::new(objects.title(), detail).fix(format!("DROP POLICY {name} ON storage.objects")),
                );
            }
        }
    }
    found
}

/// The bucket, when an expression is `bucket_id = 'it'`.
fn only_bucket(using: &str) -> Option<String> {
    let tokens: Vec<Token> = text::tokens(using);
    let plain =
        tokens.iter().filter(|token| !matches!(token, Token::Sign('(' | ')' | ':')) && !token.is("text"));
    match plain.collect::<Vec<_>>().as_slice() {
        [column, equals, Token::Text(bucket)] if column.is("bucket_id") && equals.sign('=') => {
            Some(bucket.clone())
        }
        _ => None,
    }
}
