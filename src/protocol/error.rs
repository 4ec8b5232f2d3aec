//! The table of error codes.

use serde::{Deserialize, Serialize};

/// The code of an `error` reply, for programs. The hub did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ErrorCode {
    /// The text is not a JSON object, or its type is unknown.
    BadMessage,
    /// A field is invalid.
    BadParameter,
    /// No template has the name.
    UnknownTemplate,
    /// A placeholder has neither a parameter nor a default.
    UnresolvedParameter,
    /// The client's role may not send this, or the object belongs to another client.
    NotAllowed,
    /// The hub does not have the object.
    NotFound,
    /// The `id` belongs to another notify.
    IdTaken,
    /// The cancellationToken belongs to another open notification.
    TokenTaken,
    /// The workspace has reached a limit.
    Limit,
    /// Too many messages or deliveries per second.
    RateLimited,
    /// The hub takes no new work at the moment.
    Unavailable,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct ErrorRow {
    /// The error code.
    pub code: ErrorCode,
    /// The code's name on the wire.
    pub name: &'static str,
    /// The `message` of the reply, in the vocabulary of the Channel Integration Framework.
    pub message: &'static str,
    /// When the hub sends it.
    pub meaning: &'static str,
    /// Whether the same message may succeed later. Such an error has `retryAfterMs`.
    pub temporary: bool,
    /// The status of an HTTP response with this error.
    pub status: u16,
}

const TEMPLATE_NOT_FOUND: &str = "NotificationTemplateNotFoundError";
const RESOLVER_NOT_FOUND: &str = "NotificationTemplateResolverNotFoundError";
const CLIENT_ERROR: &str = "RejectAfterClientError";

const fn row(code: ErrorCode, name: &'static str, message: &'static str, meaning: &'static str) -> ErrorRow {
    let temporary = matches!(code, ErrorCode::RateLimited | ErrorCode::Unavailable);
    let status = match code {
        ErrorCode::BadMessage | ErrorCode::BadParameter => 400,
        ErrorCode::NotAllowed => 403,
        ErrorCode::UnknownTemplate | ErrorCode::NotFound => 404,
        ErrorCode::IdTaken | ErrorCode::TokenTaken => 409,
        ErrorCode::UnresolvedParameter => 422,
        ErrorCode::Limit | ErrorCode::RateLimited => 429,
        ErrorCode::Unavailable => 503,
    };
    ErrorRow { code, name, message, meaning, temporary, status }
}

/// Every code, in the order of declaration.
pub const ERRORS: [ErrorRow; 11] = [
    row(
        ErrorCode::BadMessage,
        "badMessage",
        CLIENT_ERROR,
        "the text is not a JSON object, or its type is missing or unknown",
    ),
    row(
        ErrorCode::BadParameter,
        "badParameter",
        CLIENT_ERROR,
        "a field is missing, empty, of the wrong type or too long",
    ),
    row(ErrorCode::UnknownTemplate, "unknownTemplate", TEMPLATE_NOT_FOUND, "no template has that name"),
    row(
        ErrorCode::UnresolvedParameter,
        "unresolvedParameter",
        RESOLVER_NOT_FOUND,
        "a placeholder of the template has neither a parameter nor a default",
    ),
    row(
        ErrorCode::NotAllowed,
        "notAllowed",
        CLIENT_ERROR,
        "the client's role may not send this, or the object belongs to another client",
    ),
    row(ErrorCode::NotFound, "notFound", CLIENT_ERROR, "the hub does not have the object that the message names"),
    row(ErrorCode::IdTaken, "idTaken", CLIENT_ERROR, "the id belongs to another notify with different content"),
    row(
        ErrorCode::TokenTaken,
        "tokenTaken",
        CLIENT_ERROR,
        "an open notification of the provider already has the cancellationToken",
    ),
    row(ErrorCode::Limit, "limit", CLIENT_ERROR, "the workspace has reached a limit"),
    row(ErrorCode::RateLimited, "rateLimited", CLIENT_ERROR, "too many messages or deliveries in too little time"),
    row(ErrorCode::Unavailable, "unavailable", CLIENT_ERROR, "the hub takes no new work at the moment"),
];

impl ErrorCode {
    /// Its row of the table.
    #[must_use]
    pub fn row(self) -> &'static ErrorRow {
        &ERRORS[self as usize]
    }

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().name
    }

    /// The `message` that goes with it.
    #[must_use]
    pub fn message(self) -> &'static str {
        self.row().message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_declaration() {
        for (at, row) in ERRORS.iter().enumerate() {
            assert_eq!(row.code as usize, at);
            assert_eq!(row.code.row().name, row.name);
            assert_eq!(serde_json::to_value(row.code).unwrap(), row.name);
        }
    }

    #[test]
    fn a_message_follows_from_its_code() {
        assert_eq!(ErrorCode::UnknownTemplate.message(), "NotificationTemplateNotFoundError");
        assert_eq!(ErrorCode::UnresolvedParameter.message(), "NotificationTemplateResolverNotFoundError");
        let others = ERRORS.iter().filter(|row| row.message == CLIENT_ERROR).count();
        assert_eq!(others, ERRORS.len() - 2);
    }

    #[test]
    fn the_guide_to_http_has_the_same_statuses() {
        let document = include_str!("../../docs/http.md");
        for row in ERRORS {
            assert!(document.contains(&format!("| `{}` | {} |", row.name, row.status)), "{row:?}");
        }
    }

    #[test]
    fn the_document_has_the_same_table() {
        let document = include_str!("../../docs/PROTOCOL.md");
        for row in ERRORS {
            let begins = format!("| `{}` |", row.name);
            let line = document.lines().find(|line| line.starts_with(&begins)).unwrap_or_else(|| panic!("{begins}"));
            assert!(line.ends_with(&format!("| `{}` |", row.message)), "{line}");
            assert_eq!(line.contains("retryAfterMs"), row.temporary, "{line}");
        }
    }
}
