//! The how-to pages: what they print as settings is taken as it stands.

use super::*;

const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/how-to");

/// Every block of a page in this language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    page.split(&*fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// As printed, behind a certificate, with something for each `${NAME}`.
fn taken(block: &'static str) -> Result<(), String> {
    let secrets = block.split("${").skip(1).filter_map(|rest| rest.split('}').next());
    let hook = "v1,whsec_c2VjcmV0IG9mIGF0IGxlYXN0IDMyIGJ5dGVzIGZvciB0ZXN0cw==";
    let flags = vec![("server.tls.domains", "api.example.com"), ("server.tls.email", "you@example.com")];
    let variables = secrets.map(|name| (name, hook)).collect();
    let start = Start { file: block, variables, flags, ..Start::default() };
    start.load().map(|_| ()).map_err(|problems| problems.to_string())
}

#[test]
fn what_the_pages_print_as_settings_is_taken() {
    let mut count = 0;
    for entry in std::fs::read_dir(PAGES).unwrap() {
        let path = entry.unwrap().path();
        let page: &'static str = String::leak(std::fs::read_to_string(&path).unwrap());
        for block in blocks(page, "yaml") {
            count += 1;
            if let Err(why) = taken(block) {
                panic!("{}:\n{block}\n{why}", path.display());
            }
        }
    }
    assert!(count > 15, "{count}");
    assert!(taken("auth:\n  magic_link: true").is_err(), "a name that is none");
}
