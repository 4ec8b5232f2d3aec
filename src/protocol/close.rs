//! The table of close codes: why the hub ends a connection.

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Close {
    /// The hub is stopping or restarting.
    GoingAway,
    /// A binary frame.
    Binary,
    /// Text that is not UTF-8.
    NotUtf8,
    /// A message over its limit.
    TooLarge,
    /// The client reads too slowly.
    TooSlow,
    /// The hub's log does not answer.
    LogSilent,
    /// The hello is missing or invalid.
    BadHello,
    /// The token is missing, invalid or expired.
    BadToken,
    /// The client may not do this.
    NotAllowed,
    /// The hello did not come in time.
    HelloTimeout,
    /// The client sends too many messages.
    TooManyMessages,
}

/// Whether a client should reconnect after a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ComeBack {
    /// Reconnect at once.
    Yes,
    /// Reconnect after a short random pause, so that clients do not reconnect at the same moment.
    WithJitter,
    /// Reconnect after a longer pause.
    AfterAWhile,
    /// Reconnect with a new token.
    WithFreshToken,
    /// Do not reconnect: the client has to be changed first.
    No,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct CloseRow {
    /// The reason to close.
    pub close: Close,
    /// The WebSocket close code.
    pub code: u16,
    /// The reason in the close frame, for people; at most
    /// [`CLOSE_REASON_BYTES_MAX`](super::size::CLOSE_REASON_BYTES_MAX).
    pub reason: &'static str,
    /// Whether the client should reconnect.
    pub come_back: ComeBack,
}

const fn row(close: Close, code: u16, reason: &'static str, come_back: ComeBack) -> CloseRow {
    CloseRow { close, code, reason, come_back }
}

/// Every row, in the order of declaration.
pub const CLOSES: [CloseRow; 11] = [
    row(Close::GoingAway, 1001, "the hub is stopping or restarting", ComeBack::WithJitter),
    row(Close::Binary, 1003, "binary frames are not taken", ComeBack::No),
    row(Close::NotUtf8, 1007, "the text is not UTF-8", ComeBack::No),
    row(Close::TooLarge, 1009, "the message is too large", ComeBack::No),
    row(Close::TooSlow, 1013, "the client reads too slowly", ComeBack::AfterAWhile),
    row(Close::LogSilent, 1013, "the hub's log does not answer", ComeBack::AfterAWhile),
    row(Close::BadHello, 4400, "bad hello", ComeBack::No),
    row(Close::BadToken, 4401, "token missing, bad or expired", ComeBack::WithFreshToken),
    row(Close::NotAllowed, 4403, "not allowed", ComeBack::No),
    row(Close::HelloTimeout, 4408, "no hello in time", ComeBack::Yes),
    row(Close::TooManyMessages, 4429, "too many messages", ComeBack::AfterAWhile),
];

impl Close {
    /// Its row of the table.
    #[must_use]
    pub fn row(self) -> &'static CloseRow {
        &CLOSES[self as usize]
    }

    /// The WebSocket close code.
    #[must_use]
    pub fn code(self) -> u16 {
        self.row().code
    }

    /// The reason in the close frame, for people.
    #[must_use]
    pub fn reason(self) -> &'static str {
        self.row().reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::CLOSE_REASON_BYTES_MAX;

    #[test]
    fn the_table_is_in_the_order_of_declaration_and_its_reasons_fit() {
        for (at, row) in CLOSES.iter().enumerate() {
            assert_eq!(row.close as usize, at);
            assert!(row.reason.len() <= CLOSE_REASON_BYTES_MAX);
        }
    }

    #[test]
    fn the_document_has_the_same_table() {
        let document = include_str!("../../docs/PROTOCOL.md");
        for row in CLOSES {
            let begins = format!("| {} |", row.code);
            let line = document.lines().find(|line| line.starts_with(&begins)).unwrap_or_else(|| panic!("{begins}"));
            let advice = match row.come_back {
                ComeBack::Yes => "| yes |",
                ComeBack::WithJitter => "| yes, with jitter |",
                ComeBack::AfterAWhile => "| yes, after a while |",
                ComeBack::WithFreshToken => "| with a fresh token |",
                ComeBack::No => "| no |",
            };
            assert!(line.ends_with(advice), "{line}");
        }
    }
}
