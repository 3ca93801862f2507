//! What a text for people must not show: the secrets that its own words give away. Pure.
//!
//! A secret that nothing gives away stays: whoever takes texts from users says what they are before they are shown.

use reqwest::Url;

/// What names of secrets have in them.
const SECRET: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "api-key",
    "apikey",
    "auth-key",
    "basic-auth",
    "private-key",
    "access-key",
    "authorization",
    "bearer",
    "cookie",
    "signature",
];

/// What they are called, as a whole.
const SECRET_NAMES: [&str; 4] = ["pass", "auth", "jwt", "hmac"];

/// True for the name of a property, a flag or a header whose value is one.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    if SECRET_NAMES.contains(&name.trim_start_matches('-')) {
        return true;
    }
    SECRET.iter().any(|secret| name.contains(secret))
}

/// A command for people: what its words call a secret is taken out, `--password=…`, `token=…`, `X-Api-Key: …`, `--password …` or
/// `--user NAME:…`, and so is what `masked` takes out. `None` when no word does. A secret that nothing gives away stays.
#[must_use]
pub fn masked_command(words: &[String]) -> Option<String> {
    let mut shown = Vec::with_capacity(words.len());
    let (mut before, mut found) = ("", false);
    for word in words {
        // The first of the two that ends a name: a value may have the other one in it.
        let ends = ['=', ':'].into_iter().filter_map(|part| Some((word.split_once(part)?.0, part)));
        let named = ends.filter(|(name, _)| is_secret(name)).min_by_key(|(name, _)| name.len());
        let named = named.map(|(name, part)| format!("{}{part}***", masked(name)));
        let attached = || {
            let (flag, login) = ["--user=", "-u"].into_iter().find_map(|flag| Some((flag, word.strip_prefix(flag)?)))?;
            login.split_once(':').map(|(user, _)| format!("{flag}{user}:***"))
        };
        let of_the_word_before = || match before {
            "-u" | "--user" => word.split_once(':').map(|(user, _)| format!("{user}:***")),
            flag if flag.starts_with('-') && is_secret(flag) && !flag.contains('=') && !word.starts_with('-') => {
                Some("***".to_owned())
            }
            _ => None,
        };
        let secret = named.or_else(attached).or_else(of_the_word_before);
        found |= secret.is_some();
        shown.push(secret.unwrap_or_else(|| shell_words::quote(&masked(word)).into_owned()));
        before = word;
    }
    found.then(|| shown.join(" "))
}

/// One word of a command line for people; a secret also when the word before it is the name of one.
#[must_use]
pub fn masked_word(before: &str, word: &str) -> String {
    if is_secret(before) {
        return "***".to_owned();
    }
    masked_command(&[word.to_owned()]).unwrap_or_else(|| masked(word))
}

/// A text for people with the user names and passwords of its URLs taken out, and what their queries call a secret. A URL may stand in
/// another one, or directly behind it.
#[must_use]
pub fn masked(text: &str) -> String {
    let text = without_users(text);
    let mut masked = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("://") {
        masked.push_str(before);
        masked.push_str("://");
        let (place, tail) = parted(after, |c| c == '?' || c.is_whitespace());
        let (query, tail) = parted(tail, |c| matches!(c, '#' | '"' | '\'' | '`') || c.is_whitespace());
        masked.push_str(place);
        masked.push_str(&masked_query(query));
        rest = tail;
    }
    masked.push_str(rest);
    masked
}

/// Without what stands before the host of each URL.
fn without_users(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split("://");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str("://");
        let (authority, tail) = parted(part, |c| matches!(c, '/' | '?' | '#') || c.is_whitespace());
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                plain.push_str("***@");
                plain.push_str(host);
            }
            None => plain.push_str(authority),
        }
        plain.push_str(tail);
    }
    plain
}

/// Before the first such character, and from there on.
fn parted(text: &str, is_end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at_checked(text.find(is_end).unwrap_or(text.len())).unwrap_or((text, ""))
}

/// `?token=***&x=1`
fn masked_query(query: &str) -> String {
    query.split('&').map(masked_pair).collect::<Vec<_>>().join("&")
}

/// Behind a `?` in it another URL may have its query.
fn masked_pair(pair: &str) -> String {
    let mut shown = Vec::new();
    for part in pair.split('?') {
        if let Some((name, _)) = part.split_once('=').filter(|(name, _)| is_secret_of_query(name)) {
            shown.push(format!("{name}=***"));
            break;
        }
        shown.push(part.to_owned());
    }
    shown.join("?")
}

/// What the query of a URL calls a secret, each as it stands there and as it is meant.
#[must_use]
pub fn secrets_of_query(url: &Url) -> Vec<String> {
    let raw = url.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let raw = raw.filter(|(name, _)| is_secret_of_query(name)).map(|(_, value)| value.to_owned());
    let meant = url.query_pairs().filter(|(name, _)| is_secret_of_query(name)).map(|(_, value)| value.into_owned());
    raw.chain(meant).filter(|secret| !secret.is_empty()).collect()
}

/// A text without these secrets. The longest goes first: another may be a part of it.
#[must_use]
pub fn redacted<'s>(text: &str, secrets: impl IntoIterator<Item = &'s String>) -> String {
    let mut secrets: Vec<_> = secrets.into_iter().collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
}

/// Signed URLs and functions of clouds call theirs like this.
fn is_secret_of_query(name: &str) -> bool {
    is_secret(name) || ["key", "sig", "sas", "code", "session"].iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_lose_what_they_call_a_secret() {
        for (words, expected) in [
            (&["w", "--password=s3cret", "API_KEY=x", "a b"][..], Some("w --password=*** API_KEY=*** 'a b'")),
            (&["w", "--auth-token", "s3cret", "more"], Some("w --auth-token *** more")),
            (&["w", "--token", "--verbose", "http://u:p@h"], None),
            (&["w", "--db-password", "x", "http://u:p@h"], Some("w --db-password *** 'http://***@h'")),
            (&["password", "x"], None),
            (&["w", "http://u:s3cret@h/x?token=abc"], Some("w http://***@h/x?token=***")),
            (&["w", "-H", "Authorization: Bearer s3cret", "X-Api-Key:s3cret"], Some("w -H Authorization:*** X-Api-Key:***")),
            (&["w", "-u", "me:s3cret", "--user", "me"], Some("w -u me:*** --user me")),
            (&["w", "-ume:s3cret", "--user=me:s3cret"], Some("w -ume:*** --user=me:***")),
            (&["w", "-H", "Authorization: Basic bWU6czNjcmV0=", "X-Api-Key: a=b"], Some("w -H Authorization:*** X-Api-Key:***")),
            (&["w", "--pass=s3cret", "--auth", "s3cret", "--bypass=x"], Some("w --pass=*** --auth *** '--bypass=x'")),
            (&["w", "--password=a:b", "Cookie: sid=s3cret"], Some("w --password=*** Cookie:***")),
        ] {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(masked_command(&words).as_deref(), expected, "{words:?}");
        }
    }

    #[test]
    fn an_echo_loses_what_the_query_calls_a_secret() {
        let url = Url::parse("http://h/x?sig=abc&page=2&access_token=a%2Fb+c&token=abcdef&code=").unwrap();
        let secrets = secrets_of_query(&url);
        assert_eq!(secrets, ["abc", "a%2Fb+c", "abcdef", "abc", "a/b c", "abcdef"]);
        assert_eq!(redacted("abcdef, abc, a%2Fb+c, a/b c, page 2", &secrets), "***, ***, ***, ***, page 2");
    }

    #[test]
    fn urls_lose_their_passwords() {
        for (text, expected) in [
            ("exec:w --db postgres://me:secret@db/x?y=1 --z", "exec:w --db postgres://***@db/x?y=1 --z"),
            ("http://host/a@b", "http://host/a@b"),
            ("http://h/x?page=2&access_token=s3cret&y=1 and", "http://h/x?page=2&access_token=***&y=1 and"),
            ("a://u:p@h b://q@i", "a://***@h b://***@i"),
            ("nothing", "nothing"),
            ("http://h/x?X-Amz-Signature=s3cret&jwt=s3cret&author=x", "http://h/x?X-Amz-Signature=***&jwt=***&author=x"),
            ("http://h/x?token=abc&y=1#z", "http://h/x?token=***&y=1#z"),
            ("`http://h/x?y=1&sig=a%2Fb`: no", "`http://h/x?y=1&sig=***`: no"),
            ("token=abc is no URL's", "token=abc is no URL's"),
            ("http://me:s3@a,http://me:s4@b", "http://***@a,http://***@b"),
            ("http://a:8081/,http://me:s4@b/x?y=1,https://me:s5@c", "http://a:8081/,http://***@b/x?y=1,https://***@c"),
            ("http://a?y=1,http://b/?token=s3cret?s4", "http://a?y=1,http://b/?token=***"),
            ("http://a/?to=https://me:s3@b&token=s4", "http://a/?to=https://***@b&token=***"),
        ] {
            assert_eq!(masked(text), expected);
        }
        let many = "x://u:p@".repeat(100_000);
        assert!(!masked(&many).contains("u:p"));
    }
}
