//! Points in time as Calico stores them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::json::text;

/// A point in time in UTC, in nanoseconds since 1970.
///
/// Its text is RFC 3339 in whole seconds, cut off and not rounded, as Go's `metav1.Time` writes it; reading accepts
/// fractions and offsets. A value that was stored may therefore look up to a second older than it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    nanos: i128,
}

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// How long a point is in Go's words at the most.
const TEXT_MAX: usize = 39;
/// The years that RFC 3339 can write, in seconds since 1970.
const SECONDS_MIN: i64 = -62_167_219_200;
const SECONDS_MAX: i64 = 253_402_300_799;

impl Timestamp {
    /// The start of 1970.
    pub const EPOCH: Self = Self { nanos: 0 };

    /// Makes the point that lies this many nanoseconds after 1970, held within the years 0 to 9999.
    #[must_use]
    pub fn from_nanos(nanos: i128) -> Self {
        let (min, max) = (i128::from(SECONDS_MIN), i128::from(SECONDS_MAX) + 1);
        Self { nanos: nanos.clamp(min * NANOS_PER_SECOND, max * NANOS_PER_SECOND - 1) }
    }

    /// Makes the point that lies this many seconds after 1970.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self::from_nanos(i128::from(seconds) * NANOS_PER_SECOND)
    }

    /// Returns the point that lies this many seconds later.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        let nanos = i128::from(seconds) * NANOS_PER_SECOND;
        Self::from_nanos(self.nanos().saturating_add(nanos))
    }

    /// Returns the nanoseconds since 1970.
    #[must_use]
    pub fn nanos(self) -> i128 {
        self.nanos
    }

    /// Returns the nanoseconds since 1970 as the base of a block's sequence number; 0 before 1970.
    #[must_use]
    pub fn sequence_base(self) -> u64 {
        u64::try_from(self.nanos).unwrap_or(0)
    }

    /// Returns the whole seconds since 1970, cut off towards the past.
    #[must_use]
    pub fn seconds(self) -> i64 {
        i64::try_from(self.nanos.div_euclid(NANOS_PER_SECOND)).unwrap_or(SECONDS_MAX)
    }

    /// Returns the point this many seconds earlier (later where negative).
    #[must_use]
    pub fn minus_seconds(self, seconds: i64) -> Self {
        Self::from_nanos(self.nanos - i128::from(seconds) * NANOS_PER_SECOND)
    }

    /// Returns this point as it will be read back: without its fraction.
    #[must_use]
    pub fn truncated(self) -> Self {
        Self::from_seconds(self.seconds())
    }

    /// Writes the point as Go's `time.String` does in UTC, the form of the `timestamp` attribute.
    #[must_use]
    pub fn to_go_text(self) -> String {
        let mut text = self.civil().text(' ');
        let nanos = i64::try_from(self.nanos.rem_euclid(NANOS_PER_SECOND)).unwrap_or(0);
        if nanos > 0 {
            text.push('.');
            push_digits(&mut text, nanos, 9);
            text.truncate(text.trim_end_matches('0').len());
        }
        text.push_str(" +0000 UTC");
        text
    }

    /// Reads a point as Go's `time.String` writes it in any zone, `None` where it is none.
    #[must_use]
    pub fn from_go_text(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let (date, clock, zone) = (parts.next()?, parts.next()?, parts.next()?);
        let (hours, minutes) = zone.split_at_checked(3)?;
        parse(&format!("{date} {clock}{hours}:{minutes}"))
    }

    fn civil(self) -> Civil {
        let seconds = self.seconds();
        let second = seconds.rem_euclid(SECONDS_PER_DAY);
        Civil {
            date: civil_from_days(seconds.div_euclid(SECONDS_PER_DAY)),
            clock: (second / 3600, second / 60 % 60, second % 60),
        }
    }
}

/// A point as people write it, in UTC.
struct Civil {
    /// Year, month and day.
    date: (i64, i64, i64),
    /// Hour, minute and second.
    clock: (i64, i64, i64),
}

impl Civil {
    /// Writes the date and the time of day with something between them.
    fn text(&self, separator: char) -> String {
        let Self { date: (year, month, day), clock: (hour, minute, second) } = *self;
        let mut text = String::with_capacity(TEXT_MAX);
        push_digits(&mut text, year, 4);
        for (separator, number) in
            [('-', month), ('-', day), (separator, hour), (':', minute), (':', second)]
        {
            text.push(separator);
            push_digits(&mut text, number, 2);
        }
        text
    }
}

/// Writes a number that is not negative with this many digits, or more where it has more.
fn push_digits(text: &mut String, number: i64, width: usize) {
    if width > 1 || number >= 10 {
        push_digits(text, number / 10, width.saturating_sub(1));
    }
    text.push(char::from(b'0' + u8::try_from(number % 10).unwrap_or(0)));
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.civil().text('T');
        text.push('Z');
        f.write_str(&text)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| TimestampError { text: text.chars().take(80).collect() })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        text::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer)
    }
}

/// Text that is no RFC 3339 time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a time of the form 2026-01-31T12:00:00Z")]
pub struct TimestampError {
    text: String,
}

fn parse(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let [year, month, day] = fields(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = fields(clock, ':', [2, 2, 2])?;
    let in_range = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !in_range {
        return None;
    }
    let digits =
        rest.strip_prefix('.').map_or(0, |r| r.bytes().take_while(u8::is_ascii_digit).count());
    let (fraction, zone) = match digits {
        0 => ("", rest),
        digits => (rest.get(1..=digits)?, rest.get(digits + 1..)?),
    };
    let days = days_from_civil(year, month, day);
    let seconds =
        days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset_seconds(zone)?;
    // What lies beyond nanoseconds is cut off.
    let digits = fraction.bytes().map(|digit| i128::from(digit - b'0'));
    let nanos =
        digits.chain(std::iter::repeat(0)).take(9).fold(0, |nanos, digit| nanos * 10 + digit);
    let total = i128::from(seconds) * NANOS_PER_SECOND + nanos;
    let timestamp = Timestamp::from_nanos(total);
    (timestamp.nanos() == total).then_some(timestamp)
}

fn fields(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut rest = text;
    let mut numbers = [0; 3];
    for (at, (number, width)) in numbers.iter_mut().zip(widths).enumerate() {
        if at > 0 {
            rest = rest.strip_prefix(separator)?;
        }
        let (part, behind) = rest.split_at_checked(width)?;
        if !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *number = part.bytes().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        rest = behind;
    }
    rest.is_empty().then_some(numbers)
}

fn offset_seconds(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, clock) = zone.split_at_checked(1)?;
    let [hour, minute, _] = fields(&format!("{clock}:00"), ':', [2, 2, 2])?;
    let seconds = hour * 3600 + minute * 60;
    match sign {
        "+" if hour < 24 && minute < 60 => Some(seconds),
        "-" if hour < 24 && minute < 60 => Some(-seconds),
        _ => None,
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970 to a date, counted in years that begin in March so that the leap day comes last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}

/// The date that lies this many days after 1970.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_writes_is_read_back() {
        for (text, expected) in [
            ("2026-08-22 10:15:30.987 +0000 UTC", Some(1_787_393_730_987_000_000)),
            ("2026-08-22 12:15:30 +0200 CEST", Some(1_787_393_730_000_000_000)),
            ("2026-08-22 10:15:30 +0000 UTC m=+0.5", Some(1_787_393_730_000_000_000)),
            ("2026-08-22T10:15:30Z", None),
            ("2026-08-22 10:15:30 UTC", None),
            ("2026-08-22 10:15:30", None),
            ("yesterday", None),
            ("", None),
        ] {
            let read = Timestamp::from_go_text(text);
            assert_eq!(read.map(Timestamp::nanos), expected, "{text}");
        }
        let now = Timestamp::from_nanos(1_787_393_730_987_654_321);
        assert_eq!(Timestamp::from_go_text(&now.to_go_text()), Some(now));
    }

    #[test]
    fn text_round_trips_in_whole_seconds() {
        for (text, seconds, written) in [
            ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"),
            ("2026-08-22T10:15:30.987Z", 1_787_393_730, "2026-08-22T10:15:30Z"),
            ("2026-08-22T12:15:30+02:00", 1_787_393_730, "2026-08-22T10:15:30Z"),
            ("2024-02-29T23:59:59Z", 1_709_251_199, "2024-02-29T23:59:59Z"),
            ("1969-12-31T23:59:59Z", -1, "1969-12-31T23:59:59Z"),
            ("9999-12-31T23:59:59Z", SECONDS_MAX, "9999-12-31T23:59:59Z"),
            ("0000-01-01T00:00:00Z", SECONDS_MIN, "0000-01-01T00:00:00Z"),
        ] {
            let timestamp: Timestamp = text.parse().unwrap();
            assert_eq!(timestamp.seconds(), seconds, "{text}");
            assert_eq!(timestamp.to_string(), written, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026",
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-13-01T00:00:00Z",
            "2026-01-01T00:00:00+2:00",
            "2026-01-01X00:00:00Z",
            "ü026-01-01T00:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "2026-01-01T00:00:00.Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn go_text_drops_trailing_zeros() {
        let base = 1_787_393_730_i128 * NANOS_PER_SECOND;
        for (nanos, text) in [
            (base, "2026-08-22 10:15:30 +0000 UTC"),
            (base + 123_456_789, "2026-08-22 10:15:30.123456789 +0000 UTC"),
            (base + 100_000_000, "2026-08-22 10:15:30.1 +0000 UTC"),
        ] {
            assert_eq!(Timestamp::from_nanos(nanos).to_go_text(), text);
        }
    }
}
