//! The query: an id in any of its written forms.

use std::str::FromStr;

use deskbell_core::NotificationId;

/// A query for the notifications with an id: a notificationId, or a correlationId, which several may share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainQuery {
    /// The text of the query.
    pub(super) asked: String,
    id: u128,
}

/// The text is neither a notificationId nor a correlationId.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither a notificationId nor a correlationId; an id has the form 0192f0c4-7e3a-7b21-8c55-0123456789ab")]
pub struct ParseQueryError;

impl FromStr for ExplainQuery {
    type Err = ParseQueryError;

    fn from_str(text: &str) -> Result<Self, ParseQueryError> {
        Ok(Self { asked: text.to_owned(), id: guid(text).ok_or(ParseQueryError)? })
    }
}

impl ExplainQuery {
    /// Whether this is the notificationId of the query.
    pub(super) fn is_id_of(&self, notification_id: NotificationId) -> bool {
        self.id == notification_id.0
    }

    /// Whether a notification with these ids matches.
    pub(super) fn matches(&self, notification_id: u128, correlation_id: Option<&str>) -> bool {
        self.id == notification_id || correlation_id.and_then(guid) == Some(self.id)
    }
}

/// A GUID in any of the forms that a correlationId may have.
fn guid(text: &str) -> Option<u128> {
    let text = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    let digits: String = match text.len() {
        32 => text.to_owned(),
        36 if [8, 13, 18, 23].iter().all(|at| text.as_bytes()[*at] == b'-') => text.replace('-', ""),
        _ => return None,
    };
    let plain = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u128::from_str_radix(&digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_matches_in_every_written_form() {
        let plain: ExplainQuery = "0192f0c4-7e3a-7b21-8c55-0123456789ab".parse().unwrap();
        for way in ["0192F0C47E3A7B218C550123456789AB", "{0192f0c4-7e3a-7b21-8c55-0123456789AB}"] {
            assert!(way.parse::<ExplainQuery>().unwrap().matches(plain.id, None), "{way}");
            assert!(plain.matches(7, Some(way)), "{way}");
        }
        assert!(!plain.matches(7, None) && !plain.matches(7, Some("x")));
        for wrong in
            ["", "ada", "0192f0c4", "0192f0c4-7e3a-7b21-8c55-0123456789ag", "+192f0c47e3a7b218c550123456789ab", "é"]
        {
            assert_eq!(wrong.parse::<ExplainQuery>(), Err(ParseQueryError), "{wrong}");
        }
    }
}
