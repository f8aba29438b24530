//! Control 127: a failure tells the caller nothing but where to look.

use crate::Finding;
use crate::bench::{Bench, Trouble};

/// A function that fails inside PostgreSQL with a file name in its message: the answer has an id and no detail.
pub async fn failures_say_nothing(bench: &Bench) -> Result<Finding, Trouble> {
    let tenant = bench.tenant().await?;
    let answer = tenant.call(bench, "fail").send().await?;
    let body = answer.text();
    let told = ["/var/lib", tenant.name.as_str(), "XX000 could", "plpgsql", "panicked", "src/"]
        .into_iter()
        .find(|word| body.contains(word));
    let id = answer.header("x-request-id");
    Ok(Finding::all([
        (answer.status == 500, format!("the failing function is answered {}", answer.status)),
        (
            told.is_none(),
            told.map_or("the body has no detail of it".to_owned(), |word| format!("the body says {word}")),
        ),
        (body.contains("unexpected error"), format!("the body: {body}")),
        (id.is_some(), format!("x-request-id: {}", id.unwrap_or("(missing)"))),
    ]))
}
