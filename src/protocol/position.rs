//! Positions: what a provider resumes from, opaque to it.

use serde::{Serialize, Serializer};

/// A place in the order of settled notifications of one log. On the wire a string of 32 lower-case hexadecimal
/// digits, of which clients need to know only that it has at most 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The log in which it counts.
    pub epoch: u64,
    /// The number of the settling in that log.
    pub number: u64,
}

const DIGITS: usize = 16;

impl Position {
    /// Reads what [`text`](Self::text) writes; anything else is `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 2 * DIGITS || !lower_hex {
            return None;
        }
        let (epoch, number) = text.split_at(DIGITS);
        let read = |half| u64::from_str_radix(half, 16).ok();
        Some(Self { epoch: read(epoch)?, number: read(number)? })
    }

    /// As the wire has it.
    #[must_use]
    pub fn text(self) -> String {
        format!("{:016x}{:016x}", self.epoch, self.number)
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::super::size::POSITION_BYTES_MAX;
    use super::*;

    #[test]
    fn a_position_reads_back_what_it_writes() {
        for (epoch, number) in [(0, 0), (1, 2), (u64::MAX, u64::MAX), (0x0123_4567_89ab_cdef, 7)] {
            let position = Position { epoch, number };
            assert!(position.text().len() <= POSITION_BYTES_MAX);
            assert_eq!(Position::parse(&position.text()), Some(position));
        }
    }

    #[test]
    fn anything_else_is_no_position() {
        let good = Position { epoch: 1, number: 0xabc }.text();
        let wrong = [
            "",
            "0",
            "é",
            &good[1..],
            &format!("{good}0"),
            &good.to_uppercase(),
            &format!("+{}", &good[1..]),
            &"é".repeat(16),
        ];
        for text in wrong {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }
}
