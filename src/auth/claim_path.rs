//! Paths to claims within a token, such as `realm_access.roles` or `"https://example.com/roles"`.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

/// How deep a path may go.
const DEPTH_MAX: usize = 8;

/// A path to a claim. A dot steps into a member. A name that contains dots or slashes is written in double quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath {
    text: String,
    names: Vec<String>,
}

impl ClaimPath {
    /// The claim at this path. A claim that is null counts as absent.
    #[must_use]
    pub fn get<'c>(&self, claims: &'c Map<String, Value>) -> Option<&'c Value> {
        let (first, rest) = self.names.split_first()?;
        let value = rest.iter().try_fold(claims.get(first)?, |value, name| value.as_object()?.get(name))?;
        (!value.is_null()).then_some(value)
    }

    /// Whether the path is exactly this one name.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.names == [name]
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The text is not a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a path such as realm_access.roles or \"https://example.com/roles\"")]
pub struct NotAClaimPath;

impl FromStr for ClaimPath {
    type Err = NotAClaimPath;

    fn from_str(text: &str) -> Result<Self, NotAClaimPath> {
        let mut names = Vec::new();
        let mut rest = text;
        loop {
            let (name, after) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').ok_or(NotAClaimPath)?,
                None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
            };
            let unquoted = !rest.starts_with('"');
            if name.is_empty() || name.chars().any(char::is_control) || (unquoted && name.contains(['"', '/', ' '])) {
                return Err(NotAClaimPath);
            }
            names.push(name.to_owned());
            match after.strip_prefix('.') {
                Some(next) if names.len() < DEPTH_MAX => rest = next,
                None if after.is_empty() => return Ok(Self { text: text.to_owned(), names }),
                _ => return Err(NotAClaimPath),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_dot_steps_into_a_member_and_quotes_keep_a_name_whole() {
        let claims = json!({"sub": "ada", "realm_access": {"roles": ["a"]}, "https://x.example/roles": "b", "a.b": {"c": 1},
            "empty": null});
        let claims = claims.as_object().unwrap();
        let get = |path: &str| path.parse::<ClaimPath>().unwrap().get(claims).cloned();
        assert_eq!(get("sub"), Some(json!("ada")));
        assert_eq!(get("realm_access.roles"), Some(json!(["a"])));
        assert_eq!(get("\"https://x.example/roles\""), Some(json!("b")));
        assert_eq!(get("\"a.b\".c"), Some(json!(1)));
        for absent in ["empty", "sub.x", "realm_access.groups", "missing.roles"] {
            assert_eq!(get(absent), None, "{absent}");
        }
        for wrong in
            ["", ".", "a.", ".a", "a..b", "\"a", "\"a\"b", "\"\"", "https://x.example/roles", "a.b.c.d.e.f.g.h.i"]
        {
            assert!(wrong.parse::<ClaimPath>().is_err(), "{wrong}");
        }
    }
}
