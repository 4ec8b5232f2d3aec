//! A quick look into a message of the hub, for a client that reads so many that it cannot parse each: the members of
//! the outermost object, one after the other, nothing copied, nothing unescaped.

/// The members of a JSON object: each key as it is written between its quotes, and the value's text. Ends at the first
/// byte that is not as JSON would have it; does not check what is inside a value.
#[derive(Debug, Clone)]
pub(super) struct Members<'a> {
    text: &'a [u8],
    at: usize,
}

/// The members of the object that `text` is; none if it is no object.
#[must_use]
pub(super) fn members(text: &[u8]) -> Members<'_> {
    let mut members = Members { text, at: 0 };
    if !members.taken(b'{') {
        members.at = text.len();
    }
    members
}

/// The text of a string value that has no escapes; `None` of any other.
#[must_use]
pub(super) fn plain(value: &[u8]) -> Option<&[u8]> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (!inner.contains(&b'\\')).then_some(inner)
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let member = self.member();
        if member.is_none() {
            self.at = self.text.len();
        }
        member
    }
}

impl<'a> Members<'a> {
    fn member(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        self.taken(b',');
        self.blanks();
        let key = self.string()?;
        if !self.taken(b':') {
            return None;
        }
        self.blanks();
        let value = self.value()?;
        Some((&key[1..key.len() - 1], value))
    }

    fn blanks(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn taken(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    /// The string that begins here, with its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        if self.text.get(start) != Some(&b'"') {
            return None;
        }
        let mut at = start + 1;
        loop {
            match self.text.get(at)? {
                b'"' => break,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        self.text.get(start..self.at)
    }

    fn value(&mut self) -> Option<&'a [u8]> {
        match self.text.get(self.at)? {
            b'"' => self.string(),
            b'{' | b'[' => self.nested(),
            _ => {
                let rest = &self.text[self.at..];
                let end = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b' ' | b'\n' | b'\r' | b'\t'))?;
                self.at += end;
                Some(&rest[..end])
            }
        }
    }

    fn nested(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.text.get(self.at)? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return self.text.get(start..self.at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z\"\\\\{}\\[\\],: é]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z\"\\\\]{0,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_finds_what_a_parser_finds(
            object in prop::collection::btree_map("[a-zA-Z_\"]{1,6}", json(), 0..6),
            spaced: bool,
        ) {
            let text = if spaced { serde_json::to_vec_pretty(&object) } else { serde_json::to_vec(&object) }.unwrap();
            let found: Vec<(String, Value)> = members(&text)
                .map(|(key, value)| {
                    let key = [b"\"", key, b"\""].concat();
                    (serde_json::from_slice(&key).unwrap(), serde_json::from_slice(value).unwrap())
                })
                .collect();
            prop_assert_eq!(found, object.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn nothing_makes_it_panic_or_run_forever(text: Vec<u8>, json in "[\\[\\]{}\",:\\\\a1 ]{0,40}") {
            let _ = members(&text).count();
            let _ = members(json.as_bytes()).count();
        }
    }

    #[test]
    fn a_plain_string_is_given_without_its_quotes() {
        assert_eq!(plain(br#""abc""#), Some(&b"abc"[..]));
        for other in [&br#""a\"c""#[..], b"12", b"null", b"\"", b""] {
            assert_eq!(plain(other), None);
        }
    }
}
