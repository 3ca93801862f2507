//! Files of properties as Java reads and writes them: what `--command-config` takes, so that one file serves Kafka's own tools and redrive.
//!
//! A line that ends with a backslash goes on in the next one; a backslash makes any other character an ordinary one, so that passwords
//! may hold all of them.

/// Names and values in the order of the file; or the number of a line, counted from 1, and what was expected there.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, (usize, &'static str)> {
    let mut properties = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((number, first)) = lines.next() {
        let first = first.trim_start();
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut whole = first.to_owned();
        while is_continued(&whole) {
            whole.pop();
            let Some((_, next)) = lines.next() else { break };
            whole.push_str(next.trim_start());
        }
        let (name, value) = split(&whole).ok_or((number, "expected KEY=VALUE"))?;
        let read = |text| unescaped(text).ok_or((number, "expected four hexadecimal digits after \\u"));
        properties.push((read(name)?, read(value)?.trim_end().to_owned()));
    }
    Ok(properties)
}

/// An even number of backslashes at the end are backslashes themselves.
fn is_continued(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// At the first `=` or `:` that no backslash stands before. Java also takes a space for it; here that is a mistake, because a line without a
/// value is more often one that was cut.
fn split(line: &str) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    let at = line.find(|c: char| {
        let is_end = !is_escaped && matches!(c, '=' | ':');
        is_escaped = !is_escaped && c == '\\';
        is_end
    })?;
    let (name, value) = line.split_at_checked(at)?;
    let name = name.trim_end();
    (!name.is_empty()).then(|| (name, value.get(1..).unwrap_or_default().trim_start()))
}

/// None when `\u` is not followed by four hexadecimal digits, or they are no character.
fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\x0c'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let is_hex = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                plain.push(is_hex.then(|| u32::from_str_radix(&digits, 16).ok()).flatten().and_then(char::from_u32)?);
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_java_reads_it() {
        let text = "# a comment\n\nsecurity.protocol=SSL\n  sasl.password = a=b \n! another \\\nk:v\nempty=\n";
        let expected = [("security.protocol", "SSL"), ("sasl.password", "a=b"), ("k", "v"), ("empty", "")];
        assert_eq!(parse(text).unwrap(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn lines_go_on_and_backslashes_are_taken_away() {
        for (text, value) in [
            ("a=one,\\\n    two,\\\n\tthree", "one,two,three"),
            ("a=https\\://host\\:1/x\\=y", "https://host:1/x=y"),
            ("a=C:\\\\keys\\\\ca.pem", "C:\\keys\\ca.pem"),
            ("a=ends with a backslash\\\\\nb=c", "ends with a backslash\\"),
            ("a=\\u00e9\\t\\#\\!", "\u{e9}\t#!"),
            ("a=cut\\", "cut"),
            ("a=\r\nb=c", ""),
        ] {
            let parsed = parse(text).unwrap();
            assert_eq!(parsed[0], ("a".to_owned(), value.to_owned()), "{text}");
        }
        assert_eq!(parse("a\\=b\\:c=d").unwrap(), [("a=b:c".to_owned(), "d".to_owned())]);
    }

    #[test]
    fn what_is_no_property_is_said_with_its_line() {
        assert_eq!(parse("a=b\nnothing"), Err((2, "expected KEY=VALUE")));
        assert_eq!(parse("a=\\\nb\n=c"), Err((3, "expected KEY=VALUE")));
        assert_eq!(parse("a=\\u12"), Err((1, "expected four hexadecimal digits after \\u")));
    }
}
