//! Where a browser may be sent with a session in its hands: the site, and what the operator lists.
//!
//! Patterns mean what upstream's mean (`*` within a label or segment, `**` across, `?`, `[a-z]`, `{a,b}`), with one
//! difference: a pattern's host part is held against the host only and its path part against the path, so that no
//! path can stand in for a host. What is compared is the address as a browser will read it.
//!
//! Invariant: a [`Redirect`] was allowed, or is the site itself; there is no other way to make one.

use url::{Host, Url};

use super::glob::Glob;
use crate::{Grant, limits};

/// Schemes in which a browser runs or reads what the address says.
const NEVER: [&str; 9] =
    ["javascript", "data", "vbscript", "file", "about", "blob", "filesystem", "view-source", "ws"];

/// An address that a browser may be sent to. It has no fragment: that is where tokens go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redirect(String);

impl Redirect {
    /// The address.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// With more query parameters, in the order of their names.
    pub fn with_query(&self, pairs: &[(&str, &str)]) -> String {
        let joint = match self.0.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some(_) => "&",
        };
        format!("{}{joint}{}", self.0, encoded(pairs))
    }

    /// The same place with more in its query: what is allowed stays allowed, since a code is added to it as well.
    #[must_use]
    pub fn and_query(&self, pairs: &[(&str, &str)]) -> Redirect {
        Redirect(self.with_query(pairs))
    }

    /// With a fragment of parameters, in the order of their names: what the server behind it never sees.
    pub fn with_fragment(&self, pairs: &[(&str, &str)]) -> String {
        format!("{}#{}", self.0, encoded(pairs))
    }

    /// With a session in the fragment, and what else is told there, as upstream's clients read it.
    pub fn with_session(&self, grant: &Grant, more: &[(&str, &str)]) -> String {
        let (expires_at, expires_in) = (grant.expires_at.to_string(), grant.expires_in.to_string());
        let session = [
            ("access_token", grant.access_token.expose().as_str()),
            ("expires_at", &expires_at),
            ("expires_in", &expires_in),
            ("refresh_token", grant.refresh_token.expose()),
            ("sb", ""),
            ("token_type", "bearer"),
        ];
        self.with_fragment(&[&session[..], more].concat())
    }
}

/// As Go encodes values, which upstream's clients read: sorted by name.
fn encoded(pairs: &[(&str, &str)]) -> String {
    let mut sorted = pairs.to_vec();
    sorted.sort_by_key(|(name, _)| *name);
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(sorted).finish()
}

/// The site, and what else is allowed.
pub struct Redirects {
    site: Redirect,
    site_parts: Option<Parts>,
    allowed: Vec<Pattern>,
    page: Option<String>,
}

/// What names a request on our own page.
const REQUEST: &str = "?authorization_id=";

impl Redirects {
    /// From `site_url` and `uri_allow_list`.
    pub fn new(site: &str, allowed: &[String]) -> Self {
        let site = site.split('#').next().unwrap_or_default();
        Redirects {
            site: Redirect(site.to_owned()),
            site_parts: Parts::read(site),
            allowed: allowed.iter().map(|text| Pattern::read(text.trim())).collect(),
            page: None,
        }
    }

    /// Our own page about a program's request is allowed as well, with the name of a request and nothing more. No token goes there:
    /// a session that ends there is the browser's own.
    #[must_use]
    pub fn with_page(self, page: String) -> Self {
        Redirects { page: Some(page), ..self }
    }

    /// That page about one request, where there is such a page.
    pub fn page(&self, request: &str) -> Option<Redirect> {
        let page = Redirect(format!("{}{REQUEST}{request}", self.page.as_ref()?));
        self.is_page(&page).then_some(page)
    }

    /// Whether an address is that page.
    pub fn is_page(&self, asked: &Redirect) -> bool {
        let request = self.page.as_ref().and_then(|page| asked.0.strip_prefix(page)?.strip_prefix(REQUEST));
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        request.is_some_and(|id| (1..=64).contains(&id.len()) && id.bytes().all(is_plain))
    }

    /// The site.
    pub fn site(&self) -> &Redirect {
        &self.site
    }

    /// The first of `asked` that was asked for at all, if it is allowed; the site otherwise.
    pub fn choose<'a>(&self, asked: impl IntoIterator<Item = Option<&'a str>>) -> Redirect {
        let first = asked.into_iter().flatten().find(|text| !text.is_empty());
        first.and_then(|text| self.allow(text)).unwrap_or_else(|| self.site.clone())
    }

    /// `text`, if a browser may be sent there.
    pub fn allow(&self, text: &str) -> Option<Redirect> {
        let text = text.split('#').next().unwrap_or_default();
        let own = Redirect(text.to_owned());
        if self.is_page(&own) {
            return Some(own);
        }
        let parts = Parts::read(text)?;
        let allowed = self.is_site(&parts) || self.allowed.iter().any(|pattern| pattern.fits(&parts));
        allowed.then(|| Redirect(text.to_owned()))
    }

    fn is_site(&self, asked: &Parts) -> bool {
        let Some(site) = &self.site_parts else { return false };
        if asked.scheme != site.scheme {
            return false;
        }
        match asked.is_web {
            // The port of a development server changes with every start.
            true => asked.host == site.host && (asked.port == site.port || site.host == "localhost"),
            // An application's own scheme is the application.
            false => site.host.is_empty() || asked.host == site.host,
        }
    }
}

/// An address taken apart the way a browser does.
struct Parts {
    scheme: String,
    is_web: bool,
    /// Lower case; empty where a scheme has none.
    host: String,
    port: Option<u16>,
    /// Host and port as a pattern sees them.
    authority: String,
    /// Path and query, normalised.
    rest: String,
}

impl Parts {
    /// `None` for what two programs could read in two ways, and for what must never be opened.
    fn read(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"\\\"<>`^{|}".contains(&byte);
        if text.len() > limits::REDIRECT_BYTES_MAX.size() || !text.bytes().all(plain) {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let scheme = url.scheme().to_owned();
        if NEVER.contains(&scheme.as_str()) || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let is_web = scheme == "http" || scheme == "https";
        let after = text.get(scheme.len() + 1..)?;
        let authority = after.strip_prefix("//").map(|rest| {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            rest.get(..end).unwrap_or_default().to_ascii_lowercase()
        });
        if authority.as_ref().is_some_and(|authority| authority.contains('@')) {
            return None;
        }
        if !is_web {
            let rest = match &authority {
                Some(authority) => after.get(2 + authority.len()..)?.to_owned(),
                None => after.to_owned(),
            };
            let authority = authority.unwrap_or_default();
            let host = authority.split(':').next().unwrap_or_default().to_owned();
            return Some(Parts { scheme, is_web, host, port: url.port(), authority, rest });
        }
        let authority = authority?;
        let host = url.host_str()?.to_owned();
        let reachable = match url.host()? {
            Host::Domain(_) => true,
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        // A host that the parser had to rewrite (decimal addresses, escapes) is a trick.
        let as_written = authority == host || authority.strip_prefix(&host)?.starts_with(':');
        if !reachable || !as_written {
            return None;
        }
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let rest = format!("{}{query}", url.path());
        let port = url.port_or_known_default();
        let authority = url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        Some(Parts { scheme, is_web, host, port, authority, rest })
    }
}

/// One entry of the allow-list.
enum Pattern {
    /// `**`: everything that may be opened at all.
    Everything,
    /// Scheme, host with port, path with query.
    Split { scheme: Glob, authority: Glob, rest: Glob },
    /// An application's address without `//`.
    Plain { scheme: String, rest: Glob },
}

impl Pattern {
    fn read(text: &str) -> Self {
        if text == "**" {
            return Pattern::Everything;
        }
        let Some((scheme, after)) = text.split_once("://") else {
            let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
            return Pattern::Plain { scheme: scheme.to_ascii_lowercase(), rest: Glob::read(rest) };
        };
        let end = after.find(['/', '?']).unwrap_or(after.len());
        let (mut authority, mut rest) = after.split_at(end);
        // `https://example.com**` means every path there, and no host that merely begins like it.
        let bare = authority.trim_end_matches('*');
        if rest.is_empty() && !bare.is_empty() && !bare.ends_with(['.', ':', '-']) && bare != authority {
            rest = authority.get(bare.len()..).unwrap_or_default();
            authority = bare;
        }
        Pattern::Split {
            scheme: Glob::read(&scheme.to_ascii_lowercase()),
            authority: Glob::read(&authority.to_ascii_lowercase()),
            rest: Glob::read(rest),
        }
    }

    fn fits(&self, asked: &Parts) -> bool {
        match self {
            Pattern::Everything => true,
            Pattern::Split { scheme, authority, rest } => {
                scheme.fits(&asked.scheme)
                    && authority.fits(&asked.authority)
                    && (rest.fits(&asked.rest)
                        || asked.rest == "/" && rest.fits("")
                        || every(authority, rest))
            }
            Pattern::Plain { scheme, rest } => {
                !asked.is_web && asked.scheme == *scheme && rest.fits(&asked.rest)
            }
        }
    }
}

/// `https://**`: the double star crosses into the path.
fn every(authority: &Glob, rest: &Glob) -> bool {
    authority.is_everything() && rest.is_empty()
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;

    /// Pieces that redirect checks have been fooled with, in any order.
    fn piece() -> impl Strategy<Value = String> {
        let known = prop::sample::select(vec![
            "https:",
            "http:",
            "//",
            "/",
            "\\",
            "@",
            ":",
            "?",
            "#",
            ".",
            "..",
            "%2e",
            "%2f",
            "%5c",
            "%00",
            "%0a",
            "app.example.com",
            "evil.org",
            ".example.com",
            "example.com",
            "127.0.0.1",
            "2130706433",
            "0x7f",
            "[::1]",
            "[::ffff:1.2.3.4]",
            "localhost",
            "javascript:",
            "data:",
            "\t",
            "\n",
            " ",
            "443",
            "8443",
            "\u{3002}",
            "\u{ff0f}",
            "\u{202e}",
            "xn--",
            "user:pass",
            "myapp:",
            "*",
            "**",
            "{",
            "}",
            "[",
            "]",
        ]);
        prop_oneof![known.prop_map(str::to_owned), "[ -~]{0,6}", any::<char>().prop_map(String::from)]
    }

    fn address() -> impl Strategy<Value = String> {
        prop::collection::vec(piece(), 0..10).prop_map(|pieces| pieces.concat())
    }

    /// Whatever is allowed is, as a browser reads it, the site, a place on the list, or an application's.
    fn leads_where_the_list_does(asked: &str) -> Result<(), TestCaseError> {
        let list = ["https://*.example.com/**".to_owned(), "myapp://**".to_owned()];
        let redirects = Redirects::new("https://app.example.com", &list);
        if let Some(allowed) = redirects.allow(asked) {
            let read = Url::parse(allowed.text()).unwrap();
            let host = read.host_str().unwrap_or_default();
            let label = host.strip_suffix(".example.com").unwrap_or_default();
            let web = read.scheme() == "https" && !label.is_empty() && !label.contains('.');
            prop_assert!(web || read.scheme() == "myapp", "{asked:?} was allowed as {read}");
            prop_assert!(read.username().is_empty() && read.password().is_none());
            prop_assert!(read.fragment().is_none());
            let port = read.port();
            prop_assert!(!web || port.is_none(), "{asked:?} has port {port:?}");
        }
        Ok(())
    }

    /// What is added to an address stays in it: same scheme and host as before.
    fn keeps_its_place(asked: &str, value: &str) -> Result<(), TestCaseError> {
        let redirects = Redirects::new("https://app.example.com", &["**".to_owned()]);
        if let Some(allowed) = redirects.allow(asked) {
            let before = Url::parse(allowed.text()).unwrap();
            for after in [allowed.with_query(&[("code", value)]), allowed.with_fragment(&[("x", value)])] {
                let after = Url::parse(&after).unwrap();
                prop_assert_eq!((before.scheme(), before.host_str()), (after.scheme(), after.host_str()));
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn nobody_is_sent_where_the_list_does_not_lead(asked in address()) {
            leads_where_the_list_does(&asked)?;
        }

        /// No pattern and no address make the check stop or take long.
        #[test]
        fn every_pattern_and_address_is_answered(pattern in address(), asked in address()) {
            let _answered = Redirects::new(&asked, &[pattern]).allow(&asked);
        }

        #[test]
        fn what_is_added_changes_no_place(asked in address(), value in any::<String>()) {
            keeps_its_place(&asked, &value)?;
        }
    }

    /// An hour, from a seed of its own; what is found is printed as small as it gets.
    #[test]
    #[ignore = "long: an hour of invented redirect addresses and patterns"]
    fn soak_redirects() {
        let start = std::time::Instant::now();
        let mut cases = 0_u64;
        while start.elapsed() < std::time::Duration::from_secs(3_600) {
            let given = (address(), address(), any::<String>());
            // A runner counts what it did: one that is used again does nothing more.
            let mut runner = TestRunner::new(Config { cases: 10_000, ..Config::default() });
            let run = runner.run(&given, |(asked, pattern, value)| {
                leads_where_the_list_does(&asked)?;
                keeps_its_place(&asked, &value)?;
                let _answered = Redirects::new(&pattern, std::slice::from_ref(&pattern)).allow(&asked);
                Ok(())
            });
            run.unwrap();
            cases += 10_000;
        }
        eprintln!("{cases} addresses");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(site: &str, list: &[&str], asked: &str) -> bool {
        let list: Vec<String> = list.iter().map(|&text| text.to_owned()).collect();
        Redirects::new(site, &list).allow(asked).is_some()
    }

    const SITE: &str = "https://app.example.com/start";

    #[test]
    fn the_site_is_allowed_wherever_on_it() {
        for asked in [
            "https://app.example.com",
            "https://app.example.com/any/path?x=1",
            "HTTPS://APP.example.com/",
            "https://app.example.com:443/",
            "https://app.example.com/a#fragment",
        ] {
            assert!(allows(SITE, &[], asked), "{asked}");
        }
        assert!(allows("http://localhost:3000", &[], "http://localhost:5173/x"), "any port of localhost");
        assert!(allows("appflowy-flutter://", &[], "appflowy-flutter://login-callback"));
    }

    #[test]
    fn what_only_looks_like_the_site_is_not() {
        for asked in [
            "",
            "/relative",
            "//app.example.com",
            "http://app.example.com",
            "https://app.example.com:8443/",
            "https://app.example.com.evil.org",
            "https://evilapp.example.com",
            "https://example.com",
            "https://app.example.com@evil.org",
            "https://app.example.com:x@evil.org",
            "https://evil.org\\@app.example.com",
            "https:\\\\evil.org",
            "https:/evil.org",
            "https:evil.org",
            "https:///evil.org",
            "https://evil.org#@app.example.com",
            "https://evil.org?@app.example.com",
            "https://evil.org/.app.example.com",
            "https://app.example.com\u{3002}evil.org",
            "https://app.example.c\u{043e}m",
            "https://app%2eexample.com",
            " https://app.example.com",
            "https://app.example.com\n",
            "https://app.\texample.com",
            "javascript:alert(1)//https://app.example.com",
            "data:text/html,x",
        ] {
            assert!(!allows(SITE, &[], asked), "{asked:?}");
        }
    }

    #[test]
    fn patterns_mean_what_upstreams_mean() {
        for (pattern, asked, fits) in [
            ("https://example.com", "https://example.com", true),
            ("https://example.com", "https://example.com/", true),
            ("https://example.com", "https://example.com/x", false),
            ("https://example.com/*", "https://example.com/x", true),
            ("https://example.com/*", "https://example.com/x/y", false),
            ("https://example.com/*", "https://example.com/x.html", false),
            ("https://example.com/**", "https://example.com/x/y.html?z=1", true),
            ("https://example.com/?", "https://example.com/x", true),
            ("https://example.com/[a-c]x", "https://example.com/bx", true),
            ("https://example.com/[!a-c]x", "https://example.com/bx", false),
            ("https://example.com/{login,welcome}", "https://example.com/welcome", true),
            ("https://example.com/{login,welcome}", "https://example.com/other", false),
            ("https://*.example.com/**", "https://a.example.com/", true),
            ("https://*.example.com/**", "https://a.b.example.com/", false),
            ("https://**.example.com/**", "https://a.b.example.com/", true),
            ("https://*-team.vercel.app/**", "https://pull-1-team.vercel.app/x", true),
            ("http://localhost:*/**", "http://localhost:5173/x", true),
            ("http://*:3000", "http://localhost:3000", true),
            ("https://**", "https://anything.org/at/all", true),
            ("**", "https://anything.org/at/all", true),
            ("**", "appflowy-flutter://x", true),
            ("com.example.app://callback", "com.example.app://callback", true),
            ("com.example.app://**", "com.example.app://callback/x", true),
            ("com.example.app:/oauth", "com.example.app:/oauth", true),
        ] {
            assert_eq!(allows(SITE, &[pattern], asked), fits, "{pattern} {asked}");
        }
    }

    #[test]
    fn no_pattern_lets_a_path_stand_in_for_a_host() {
        for (pattern, asked) in [
            ("https://**.example.com/**", "https://evil.org/x.example.com/y"),
            ("https://**.example.com/**", "https://evil.org?.example.com/"),
            ("https://**example.com/**", "https://evil.org/example.com/"),
            ("https://example.com**", "https://example.com.evil.org/"),
            ("https://example.com*", "https://example.comevil"),
            ("https://example.com/app/**", "https://example.com/app/../admin"),
            ("https://example.com/app/**", "https://example.com/app/%2e%2e/admin"),
            ("https://*.example.com/**", "https://evil.org\\.example.com/"),
            ("**", "https://1.2.3.4/"),
            ("**", "https://2130706433/"),
            ("**", "https://0x7f.1/"),
            ("**", "https://[2001:db8::1]/"),
            ("**", "javascript:alert(1)"),
            ("**", "JavaScript:alert(1)"),
            ("**", "data:text/html,<script>1</script>"),
            ("**", "https://user:secret@example.com/"),
            ("javascript:**", "javascript:alert(1)"),
        ] {
            assert!(!allows(SITE, &[pattern], asked), "{pattern} {asked}");
        }
        assert!(allows(SITE, &["**"], "http://127.0.0.1:3000/x"), "loopback is somebody's own machine");
        assert!(allows(SITE, &["**"], "http://[::1]:3000/x"));
    }

    #[test]
    fn our_own_page_is_allowed_with_a_request_and_nothing_else() {
        let page = "https://ours.example/auth/v1/oauth/consent";
        let redirects = Redirects::new(SITE, &[]).with_page(page.to_owned());
        let of = redirects.page("01234567-89ab-cdef-0123-456789abcdef").unwrap();
        assert!(redirects.is_page(&of) && redirects.allow(of.text()) == Some(of));
        assert!(redirects.page("x&y").is_none() && redirects.page("").is_none());
        for asked in [
            page.to_owned(),
            format!("{page}?authorization_id=x&refused=link"),
            format!("{page}/sign-out?authorization_id=x"),
            format!("{page}?authorization_id=%20"),
            "https://ours.example/elsewhere".to_owned(),
            "https://ours.example.evil.org/auth/v1/oauth/consent?authorization_id=x".to_owned(),
        ] {
            assert_eq!(redirects.allow(&asked), None, "{asked}");
        }
        assert!(Redirects::new(SITE, &[]).page("x").is_none(), "where there is none");
    }

    #[test]
    fn what_is_added_comes_sorted_and_escaped() {
        let redirects = Redirects::new("https://a.example/x?y=1", &[]);
        let site = redirects.site();
        assert_eq!(site.with_query(&[("code", "1 2"), ("b", "&")]), "https://a.example/x?y=1&b=%26&code=1+2");
        assert_eq!(site.with_fragment(&[("sb", ""), ("a", "#")]), "https://a.example/x?y=1#a=%23&sb=");
        let bare = Redirects::new("https://a.example", &[]);
        assert_eq!(bare.site().with_query(&[("code", "1")]), "https://a.example?code=1");
    }

    #[test]
    fn the_first_that_was_asked_for_counts_and_nothing_is_guessed_past_it() {
        let redirects = Redirects::new("https://a.example", &["https://b.example".into()]);
        let chosen = |asked: [Option<&str>; 3]| redirects.choose(asked).text().to_owned();
        assert_eq!(chosen([None, Some(""), Some("https://b.example")]), "https://b.example");
        assert_eq!(chosen([Some("https://evil.org"), Some("https://b.example"), None]), "https://a.example");
        assert_eq!(chosen([None, None, None]), "https://a.example");
    }
}
