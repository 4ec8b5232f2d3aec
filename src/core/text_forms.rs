//! The text forms of ids, times, positions and outcomes, and their serde forms.
//!
//! A format for people (JSON) gets the text forms of docs/PROTOCOL.md. A compact format (the log's records and
//! snapshots) gets numbers. The wire, the templates and the client therefore share these types with the core.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::ids::{NotificationId, Position, Timestamp};
use super::outcome::Outcome;

impl Serialize for NotificationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            self.with_text(|text| serializer.serialize_str(text))
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for NotificationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(|_| D::Error::custom("not a notificationId"))
        } else {
            u128::deserialize(deserializer).map(Self)
        }
    }
}

/// Each outcome with its `actionName` and its `responseReason`, in the order of declaration.
const OUTCOME_NAMES: [(Outcome, &str, &str); 8] = [
    (Outcome::Accepted, "Accept", "Accept"),
    (Outcome::AutoAccepted, "Accept", "AutoAccept"),
    (Outcome::AutoAcceptedOnTimeout, "Accept", "AutoAcceptOnTimeout"),
    (Outcome::Declined, "Reject", "DeclinedByAgent"),
    (Outcome::QueueFull, "Reject", "NotificationQueueLimitExceeded"),
    (Outcome::QueueTimeout, "Reject", "NotificationQueueTimeLimitExceeded"),
    (Outcome::DisplayTimeout, "Timeout", "DisplayTimeout"),
    (Outcome::Cancelled, "Cancel", "Cancelled"),
];

impl Outcome {
    /// The action that ended the notification: `Accept`, `Reject`, `Timeout` or `Cancel`.
    #[must_use]
    pub fn action_name(self) -> &'static str {
        OUTCOME_NAMES[self as usize].1
    }

    /// The reason for the outcome. Each outcome has its own.
    #[must_use]
    pub fn response_reason(self) -> &'static str {
        OUTCOME_NAMES[self as usize].2
    }

    /// The outcome with this `responseReason`.
    #[must_use]
    pub fn of_reason(reason: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.response_reason() == reason)
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return (*self as u32).serialize(serializer);
        }
        let mut object = serializer.serialize_struct("Outcome", 2)?;
        object.serialize_field("actionName", self.action_name())?;
        object.serialize_field("responseReason", self.response_reason())?;
        object.end()
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct OutcomeNames {
            response_reason: String,
        }
        if deserializer.is_human_readable() {
            let reason = OutcomeNames::deserialize(deserializer)?.response_reason;
            Self::of_reason(&reason).ok_or_else(|| D::Error::custom("unknown responseReason"))
        } else {
            let index = u32::deserialize(deserializer)? as usize;
            Self::ALL.get(index).copied().ok_or_else(|| D::Error::custom("unknown outcome"))
        }
    }
}

/// The digits of each half of a position.
const POSITION_DIGITS: usize = 16;

impl fmt::Display for Position {
    /// Writes 32 lower-case hexadecimal digits. Clients only send a position back; they do not look into it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.epoch, self.settled)
    }
}

/// The text is not a position in the form that the hub writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParsePositionError;

impl fmt::Display for ParsePositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a position: expected 32 lower-case hexadecimal digits")
    }
}

impl std::error::Error for ParsePositionError {}

impl FromStr for Position {
    type Err = ParsePositionError;

    /// Reads the form that `Display` writes, and no other.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 2 * POSITION_DIGITS || !lower_hex {
            return Err(ParsePositionError);
        }
        let (epoch, settled) = text.split_at(POSITION_DIGITS);
        let half = |digits| u64::from_str_radix(digits, 16).map_err(|_| ParsePositionError);
        Ok(Self { epoch: half(epoch)?, settled: half(settled)? })
    }
}

/// The last millisecond of the year 9999: RFC 3339 has four digits for a year.
const LAST_MS: u64 = 253_402_300_799_999;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const RFC_3339_ZEROS: [u8; 24] = *b"0000-00-00T00:00:00.000Z";

impl Timestamp {
    /// RFC 3339 in UTC with milliseconds. A time after the year 9999 is written as that year's last millisecond.
    fn rfc_3339(self) -> [u8; 24] {
        let ms = self.0.min(LAST_MS);
        let (year, month, day) = civil_date(ms / DAY_MS);
        let of_day = ms % DAY_MS;
        let mut text = RFC_3339_ZEROS;
        put_decimal(&mut text[0..4], year);
        put_decimal(&mut text[5..7], month);
        put_decimal(&mut text[8..10], day);
        put_decimal(&mut text[11..13], of_day / 3_600_000);
        put_decimal(&mut text[14..16], of_day / 60_000 % 60);
        put_decimal(&mut text[17..19], of_day / 1000 % 60);
        put_decimal(&mut text[20..23], of_day % 1000);
        text
    }
}

impl fmt::Display for Timestamp {
    /// Writes RFC 3339 in UTC with milliseconds: `2026-11-21T10:00:00.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.rfc_3339()).unwrap_or_default())
    }
}

/// The text is not a time in the form that the hub writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseTimestampError;

impl fmt::Display for ParseTimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a time: expected RFC 3339 in UTC with milliseconds, such as 2026-11-21T10:00:00.000Z")
    }
}

impl std::error::Error for ParseTimestampError {}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    /// Reads the form that `Display` writes, and no other.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let as_written = |byte: u8, zero: u8| if zero == b'0' { byte.is_ascii_digit() } else { byte == zero };
        if text.len() != RFC_3339_ZEROS.len() || !text.bytes().zip(RFC_3339_ZEROS).all(|(b, zero)| as_written(b, zero))
        {
            return Err(ParseTimestampError);
        }
        let number = |from: usize, to: usize| text[from..to].parse::<u64>().map_err(|_| ParseTimestampError);
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let days = days_before(year, month, day).ok_or(ParseTimestampError)?;
        let time = Self(
            days * DAY_MS
                + number(11, 13)? * 3_600_000
                + number(14, 16)? * 60_000
                + number(17, 19)? * 1000
                + number(20, 23)?,
        );
        // A day or an hour that does not exist would be written as another.
        if time.to_string() == text { Ok(time) } else { Err(ParseTimestampError) }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(std::str::from_utf8(&self.rfc_3339()).unwrap_or_default())
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            u64::deserialize(deserializer).map(Self)
        }
    }
}

/// Writes `number` in decimal, right-aligned, over the zeros in `place`.
fn put_decimal(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

const TO_MARCH_OF_YEAR_0: u64 = 719_468;
const DAYS_OF_400_YEARS: u64 = 146_097;

/// Year, month and day of the `days`th day after 1970-01-01 in the Gregorian calendar.
///
/// Years are counted from March, so that the leap day is the last of a year and months have a regular length: 153 days
/// for every five of them.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + TO_MARCH_OF_YEAR_0;
    let (era, day_of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// The days from 1970-01-01 until this date, the reverse of [`civil_date`]; `None` before 1970.
fn days_before(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let month_from_march = (month + 9) % 12;
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day;
    let days = era * DAYS_OF_400_YEARS + year_of_era * 365 + year_of_era / 4 + day_of_year;
    days.checked_sub(year_of_era / 100 + TO_MARCH_OF_YEAR_0 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_names_are_in_the_order_of_declaration() {
        assert_eq!(OUTCOME_NAMES.map(|(outcome, _, _)| outcome), Outcome::ALL);
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::of_reason(outcome.response_reason()), Some(outcome));
        }
    }

    #[test]
    fn the_compact_forms_are_numbers() {
        let bytes = postcard::to_allocvec(&(Outcome::Cancelled, Timestamp(3), NotificationId(5))).unwrap();
        assert_eq!(bytes, [7, 3, 5]);
        assert_eq!(postcard::from_bytes(&bytes), Ok((Outcome::Cancelled, Timestamp(3), NotificationId(5))));
        assert!(postcard::from_bytes::<Outcome>(&[8]).is_err());
    }

    #[test]
    fn a_position_parses_the_text_it_writes() {
        for (epoch, settled) in [(0, 0), (1, 2), (u64::MAX, u64::MAX), (0x0123_4567_89ab_cdef, 7)] {
            let position = Position { epoch, settled };
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        assert_eq!(Position { epoch: 1, settled: 2 }.to_string(), "00000000000000010000000000000002");
    }

    #[test]
    fn another_text_is_not_a_position() {
        let good = Position { epoch: 1, settled: 0xabc }.to_string();
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
            assert_eq!(text.parse::<Position>(), Err(ParsePositionError), "{text}");
        }
    }

    #[test]
    fn known_times_are_written_and_parsed() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_795_255_200_000, "2026-11-21T10:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (LAST_MS, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp(ms).to_string(), text, "{ms}");
            assert_eq!(text.parse(), Ok(Timestamp(ms)));
        }
        assert_eq!(Timestamp(u64::MAX).to_string(), Timestamp(LAST_MS).to_string());
        for wrong in [
            "",
            "1969-12-31T23:59:59.999Z",
            "2026-02-30T00:00:00.000Z",
            "2026-01-01T24:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-01-01T00:00:00.000+",
        ] {
            assert_eq!(wrong.parse::<Timestamp>(), Err(ParseTimestampError), "{wrong}");
        }
    }

    #[test]
    fn every_day_until_2400_follows_the_one_before() {
        let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..157_000 {
            assert_eq!(civil_date(days), (year, month, day));
            assert_eq!(days_before(year, month, day), Some(days));
            let length = match month {
                2 => 28 + u64::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }
}
