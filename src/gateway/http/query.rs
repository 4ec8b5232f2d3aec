//! Query strings and path segments of request URLs: `+` and percent encoding.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The characters to encode: all but the unreserved ones (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The pairs of a query string, decoded. A value is `None` if it is not valid UTF-8: it is not repaired, since two
/// different names must not become one.
pub(crate) fn pairs(query: Option<&str>) -> impl Iterator<Item = (&str, Option<String>)> {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key, decoded(&value.replace('+', " "))))
}

/// A path segment, decoded; `None` if it is not valid UTF-8. A `+` in a path is a plus sign.
pub(crate) fn path_segment(text: &str) -> Option<String> {
    decoded(text)
}

/// A value, encoded for a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_and_bad_utf8_is_not_repaired() {
        let read = |query: &str| pairs(Some(query)).map(|(key, value)| (key.to_owned(), value)).collect::<Vec<_>>();
        for (text, value) in [
            ("a%20b", Some("a b")),
            ("a+b", Some("a b")),
            ("x%2By", Some("x+y")),
            ("%2F%3F%26%3D%25", Some("/?&=%")),
            ("%C3%A9%E2%82%AC", Some("é€")),
            ("%zz%4", Some("%zz%4")),
            ("%+a", Some("% a")),
            ("%ff", None),
            ("", Some("")),
        ] {
            assert_eq!(read(&format!("k={text}")), [("k".to_owned(), value.map(str::to_owned))], "{text}");
        }
        assert_eq!(read("flag&k=v").len(), 1, "a key without a value is not a pair");
        assert_eq!(pairs(None).count(), 0);
    }

    #[test]
    fn every_name_is_the_same_after_encoding_and_decoding() {
        for name in ["a+b", "100%", "a/b?c&d=e", "Zoë €", "%2B", " "] {
            let query = format!("k={}", encoded(name));
            assert_eq!(pairs(Some(&query)).next(), Some(("k", Some(name.to_owned()))), "{query}");
            assert_eq!(path_segment(&encoded(name)).as_deref(), Some(name));
        }
        assert_eq!(path_segment("a+b").as_deref(), Some("a+b"));
    }
}
