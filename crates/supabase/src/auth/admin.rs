//! `/admin/users`: what administrators and service keys do with accounts.

use std::sync::Arc;

use ::auth::{Error, Page};
use base::Failure;
use http::HeaderName;
use http::header::LINK;
use serde_json::{Value, json};
use web::{Answer, Ask, Cx, Handled};

use super::{State, fields, shape, visit};

/// `GET /admin/users?page&per_page&filter&sort`.
pub fn list(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let page = read_page(&ask)?;
        let pages = state.auth.admin_list(&page).await?;
        let audience = state.auth.rules().audience.clone();
        let path = ask.parts.uri.path().to_owned();
        Ok(pages.map(|pages| {
            let users: Vec<Value> = pages.users.iter().map(shape::user).collect();
            Answer::json(&json!({ "users": users, "aud": audience }))
                .with(LINK, &links(&path, &page, pages.total))
                .with(HeaderName::from_static("x-total-count"), &pages.total.to_string())
        }))
    })
}

pub(super) fn read_page(ask: &Ask) -> Result<Page, Error> {
    let number = |name: &str, default: u64| match ask.query_param(name).filter(|text| !text.is_empty()) {
        None => Ok(default),
        Some(text) => match text.parse::<u64>() {
            Ok(value) => Ok(value),
            Err(_) => Err(Error::invalid(format!("Bad Pagination Parameters: {name} is not a number"))),
        },
    };
    let sort = ask.query_param("sort").unwrap_or_default();
    let mut words = sort.split_whitespace();
    let ascending = match (words.next(), words.next()) {
        (None | Some("created_at"), None) => false,
        (Some("created_at"), Some(direction)) => match direction.to_ascii_lowercase().as_str() {
            "asc" => true,
            "desc" => false,
            _ => return Err(Error::invalid("Bad Sort Parameters: the direction is asc or desc")),
        },
        _ => return Err(Error::invalid("Bad Sort Parameters: accounts are sorted by created_at")),
    };
    let filter = ask.query_param("filter").unwrap_or_default();
    Ok(Page { number: number("page", 1)?.max(1), size: number("per_page", 50)?.max(1), filter, ascending })
}

/// `page=` comes first: auth-js takes what follows the first `=`.
pub(super) fn links(path: &str, page: &Page, total: u64) -> String {
    let last = total.div_ceil(page.size).max(1);
    let link =
        |number: u64, rel: &str| format!("<{path}?page={number}&per_page={}>; rel=\"{rel}\"", page.size);
    match page.number < last {
        true => format!("{}, {}", link(page.number + 1, "next"), link(last, "last")),
        false => link(last, "last"),
    }
}

/// `POST /admin/users`.
pub fn create(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let asked: fields::AdminUser = ask.object()?;
        let made = state.auth.admin_create(asked.into(), &visit(&cx, &ask)).await?;
        Ok(made.map(|user| Answer::json(&shape::user(&user))))
    })
}

/// `GET /admin/users/{id}`.
pub fn get(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let id = fields::user_id(&ask)?;
        Ok(state.auth.admin_get(id).await?.map(|user| Answer::json(&shape::user(&user))))
    })
}

/// `PUT /admin/users/{id}`.
pub fn change(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let id = fields::user_id(&ask)?;
        let asked: fields::AdminUser = ask.object()?;
        let changed = state.auth.admin_change(id, asked.into(), &visit(&cx, &ask)).await?;
        Ok(changed.map(|user| Answer::json(&shape::user(&user))))
    })
}

/// `DELETE /admin/users/{id}`: `{}`.
pub fn remove(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let id = fields::user_id(&ask)?;
        let asked = if ask.body.is_empty() { fields::Removal::default() } else { ask.object()? };
        let removed = state.auth.admin_delete(id, asked.should_soft_delete, &visit(&cx, &ask)).await?;
        Ok(removed.map(|()| Answer::json(&json!({}))))
    })
}

/// `DELETE /admin/users/{id}/identities/{identity}`: `{}`.
pub fn remove_identity(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let id = fields::user_id(&ask)?;
        let identity = uuid::Uuid::try_parse(ask.params.get("identity"))
            .map_err(|_| Error::NotAnId("identity_id must be an UUID"))?;
        let removed = state.auth.admin_remove_identity(id, identity, &visit(&cx, &ask)).await?;
        Ok(removed.map(|()| Answer::json(&json!({}))))
    })
}

/// `GET /admin/users/{id}/factors`: a bare list.
pub fn factors(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let id = fields::user_id(&ask)?;
        let user = state.auth.admin_get(id).await.map_err(Failure::from)?;
        Ok(user.map(|user| Answer::json(&shape::factors(&user))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_by_auth_js() {
        let page = |number| Page { number, size: 2, filter: String::new(), ascending: false };
        let link = links("/auth/v1/admin/users", &page(1), 5);
        assert_eq!(
            link,
            "</auth/v1/admin/users?page=2&per_page=2>; rel=\"next\", </auth/v1/admin/users?page=3&per_page=2>; rel=\"last\""
        );
        // auth-js: link.split(';')[0].split('=')[1].substring(0, 1)
        let next = link.split(',').next().unwrap().split(';').next().unwrap().split('=').nth(1).unwrap();
        assert_eq!(&next[..1], "2");
        assert!(!links("/x", &page(3), 5).contains("next"));
        assert_eq!(links("/x", &page(1), 0), "</x?page=1&per_page=2>; rel=\"last\"");
    }
}
