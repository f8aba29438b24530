//! The rank rule: arrows point down, features meet only in `app`, only a dialect knows a foreign wire format.

use serde_json::Value;

use super::Complaint;

/// Where a crate stands. Tools have an order among themselves: each may use those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Rank {
    Word,
    Tool(u8),
    Feature,
    Dialect,
    Edge,
    App,
    /// The test kit: may use everything below `app` that it needs, and is used by tests only.
    Testkit,
    /// The product from outside: may use everything.
    Spec,
    /// The tool: uses nothing of ours.
    Xtask,
}

const RANKS: &[(&str, Rank)] = &[
    ("base", Rank::Word),
    ("seal", Rank::Tool(0)),
    ("meters", Rank::Tool(0)),
    ("processes", Rank::Tool(0)),
    ("saml", Rank::Tool(1)),
    ("limits", Rank::Tool(1)),
    ("pg", Rank::Tool(2)),
    ("mail", Rank::Tool(3)),
    ("jobs", Rank::Tool(4)),
    ("audit", Rank::Tool(5)),
    ("outbound", Rank::Tool(6)),
    ("texts", Rank::Tool(7)),
    ("web", Rank::Tool(8)),
    ("gql", Rank::Tool(9)),
    ("auth", Rank::Feature),
    ("data", Rank::Feature),
    ("migrate", Rank::Feature),
    ("guests", Rank::Feature),
    ("tls", Rank::Feature),
    ("storage", Rank::Feature),
    ("realtime", Rank::Feature),
    ("functions", Rank::Feature),
    ("backup", Rank::Feature),
    ("policies", Rank::Feature),
    ("posture", Rank::Feature),
    ("detection", Rank::Feature),
    ("alerts", Rank::Feature),
    ("logs", Rank::Feature),
    ("exposure", Rank::Feature),
    ("native", Rank::Dialect),
    ("supabase", Rank::Dialect),
    ("fluxbase", Rank::Dialect),
    ("graphql", Rank::Dialect),
    ("s3", Rank::Dialect),
    ("edge", Rank::Edge),
    ("app", Rank::App),
    ("testkit", Rank::Testkit),
    ("spec", Rank::Spec),
    ("xtask", Rank::Xtask),
];

/// What a feature must not know: HTTP frameworks.
const NOT_IN_A_FEATURE: &[&str] = &["axum", "tower", "tower-http", "hyper", "hyper-util"];

fn rank_of(name: &str) -> Option<Rank> {
    RANKS.iter().find(|(known, _)| *known == name).map(|(_, rank)| *rank)
}

/// Reads `cargo metadata`'s packages.
pub fn check(packages: &[Value]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(rank) = rank_of(name) else {
            complaints.push(format!("crate `{name}` has no rank: give it one in xtask/src/tidy/ranks.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or_default();
            let for_tests = dependency["kind"].as_str() == Some("dev");
            complaints.extend(edge(name, rank, to, for_tests));
        }
    }
    complaints
}

/// One arrow.
fn edge(from: &str, rank: Rank, to: &str, for_tests: bool) -> Option<Complaint> {
    if rank == Rank::Feature && NOT_IN_A_FEATURE.contains(&to) && !for_tests {
        return Some(format!("feature `{from}` depends on `{to}`: features do not know HTTP"));
    }
    let target = rank_of(to)?;
    if for_tests && target == Rank::Testkit {
        return None;
    }
    let allowed = match (rank, target) {
        (Rank::Spec, _) => true,
        (_, Rank::Testkit | Rank::Spec | Rank::Xtask) | (Rank::Xtask | Rank::Word, _) => false,
        (Rank::Tool(mine), Rank::Tool(theirs)) => theirs < mine,
        (Rank::Feature, Rank::Tool(_)) => to != "web",
        (Rank::Testkit, target) => target < Rank::Edge,
        (mine, target) => target < mine,
    };
    (!allowed)
        .then(|| format!("`{from}` depends on `{to}`: arrows point down the ranks, see ARCHITECTURE.md"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(from: &str, to: &str, for_tests: bool) -> bool {
        let rank = rank_of(from).expect("a rank");
        edge(from, rank, to, for_tests).is_none()
    }

    #[test]
    fn arrows_point_down() {
        assert!(judge("auth", "pg", false));
        assert!(judge("edge", "auth", false));
        assert!(judge("app", "edge", false));
        assert!(!judge("pg", "auth", false));
        assert!(!judge("base", "seal", false));
        assert!(!judge("auth", "supabase", false));
    }

    #[test]
    fn features_and_dialects_never_meet() {
        assert!(!judge("auth", "data", false));
        assert!(!judge("native", "supabase", false));
        assert!(!judge("auth", "web", false));
        assert!(judge("supabase", "web", false));
    }

    #[test]
    fn tools_use_only_those_before_them() {
        assert!(judge("jobs", "mail", false));
        assert!(!judge("pg", "audit", false));
    }

    #[test]
    fn the_test_kit_is_for_tests_and_stands_below_app() {
        assert!(judge("auth", "testkit", true));
        assert!(!judge("auth", "testkit", false));
        assert!(!judge("testkit", "app", false));
        assert!(judge("testkit", "pg", false));
    }

    #[test]
    fn a_feature_knows_no_http() {
        assert!(!judge("data", "hyper", false));
        assert!(judge("supabase", "hyper", false));
    }

    #[test]
    fn a_crate_without_a_rank_is_named() {
        let package = serde_json::json!({ "name": "utils", "dependencies": [] });
        assert!(check(&[package]).first().is_some_and(|said| said.contains("no rank")));
    }
}
