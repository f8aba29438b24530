//! Cookies of a request, and one to set. A page of another site can make a browser send them: they never say who is calling.

use http::HeaderMap;
use http::header::COOKIE;

/// The values of cookies whose names begin with `prefix`.
pub fn cookies<'a>(headers: &'a HeaderMap, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(name, _)| name.starts_with(prefix)).map(|(_, value)| value.to_owned())
}

/// A cookie that only this server reads and that other sites' pages do not send along.
pub fn set_cookie(name: &str, value: &str, seconds: i64, https: bool) -> String {
    let secure = if https { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_their_beginning() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "pd_1=a; other=b;pd_2=c=d".parse().unwrap());
        headers.append(COOKIE, "pd_3=e".parse().unwrap());
        assert_eq!(cookies(&headers, "pd_").collect::<Vec<_>>(), ["a", "c=d", "e"]);
    }
}
