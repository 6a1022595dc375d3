//! Numbers as people type them: any width, with or without unit, decimal comma or point, thousands separators where
//! they cannot mean anything else.

use crate::limits;

/// A number in canonical digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digits {
    /// Below zero.
    pub negative: bool,
    /// In front of the point, without leading zeros; `0` if none.
    pub whole: String,
    /// Behind the point, without trailing zeros.
    pub fraction: String,
}

/// Which separators a number may carry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No fraction, so a comma can only part thousands.
    Whole,
    /// A comma or point may part the fraction.
    Fraction,
}

/// Reads a folded number without its unit; `None` if it is none, or could mean two (`1,500` of a decimal item).
pub(super) fn read(folded: &str, kind: Kind) -> Option<Digits> {
    let (negative, unsigned) = match folded.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, folded.strip_prefix('+').unwrap_or(folded)),
    };
    if unsigned.len() > limits::NUMBER_DIGITS {
        return None;
    }
    let (whole, fraction) = split(unsigned, kind)?;
    let plain = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !plain(&whole) || !plain(&fraction) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let zero = whole.is_empty() && fraction.is_empty();
    Some(Digits {
        negative: negative && !zero,
        whole: (if whole.is_empty() { "0" } else { whole }).to_string(),
        fraction: fraction.to_string(),
    })
}

/// Digits before and behind the point, thousands separators gone.
fn split(unsigned: &str, kind: Kind) -> Option<(String, String)> {
    let commas = unsigned.matches(',').count();
    let points = unsigned.matches('.').count();
    match (commas, points, kind) {
        (0, 0, _) => Some((unsigned.to_string(), String::new())),
        // 65.0 of a whole number; 1.000 may mean a thousand.
        (0, 1, Kind::Whole) => {
            let (whole, fraction) = unsigned.split_once('.')?;
            matches!(fraction, "0" | "00").then(|| (whole.to_string(), String::new()))
        }
        (0, 1, Kind::Fraction) => parted(unsigned, '.'),
        (1, 0, Kind::Fraction) => {
            let (whole, fraction) = unsigned.split_once(',')?;
            // 1,500 may be a thousand and a half thousand, or one and a half. 0,500 and 1234,500 cannot.
            let ambiguous = fraction.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0');
            (!ambiguous).then(|| parted(unsigned, ','))?
        }
        (_, 0, _) => Some((thousands(unsigned, ',')?, String::new())),
        (0, _, _) => Some((thousands(unsigned, '.')?, String::new())),
        (_, 1, Kind::Fraction) if unsigned.rfind(',') < unsigned.find('.') => {
            let (whole, fraction) = unsigned.split_once('.')?;
            Some((thousands(whole, ',')?, filled(fraction)?))
        }
        (1, _, Kind::Fraction) if unsigned.rfind('.') < unsigned.find(',') => {
            let (whole, fraction) = unsigned.split_once(',')?;
            Some((thousands(whole, '.')?, filled(fraction)?))
        }
        _ => None,
    }
}

fn parted(unsigned: &str, separator: char) -> Option<(String, String)> {
    let (whole, fraction) = unsigned.split_once(separator)?;
    let whole = if whole.is_empty() { "0" } else { whole };
    Some((whole.to_string(), filled(fraction)?))
}

fn filled(fraction: &str) -> Option<String> {
    (!fraction.is_empty()).then(|| fraction.to_string())
}

/// `1,234,567` → `1234567`; `None` where a group has not three digits.
fn thousands(text: &str, separator: char) -> Option<String> {
    let mut groups = text.split(separator);
    let first = groups.next()?;
    let sound = (1..=3).contains(&first.len()) && !first.starts_with('0') && groups.all(|group| group.len() == 3);
    sound.then(|| text.replace(separator, ""))
}

impl Digits {
    /// As stored: `-12.5`.
    pub(super) fn canonical(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let point = if self.fraction.is_empty() { "" } else { "." };
        format!("{sign}{}{point}{}", self.whole, self.fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_many_hands() {
        for (typed, whole, fraction) in [
            ("65", Some("65"), Some("65")),
            ("065", Some("65"), Some("65")),
            ("65.0", Some("65"), Some("65")),
            ("-3", Some("-3"), Some("-3")),
            ("-0", Some("0"), Some("0")),
            ("62.50", None, Some("62.5")),
            ("62,5", None, Some("62.5")),
            (".5", None, Some("0.5")),
            ("1,500", Some("1500"), None),
            ("0,500", None, Some("0.5")),
            ("1.500", None, Some("1.5")),
            ("1.000", None, Some("1")),
            ("1,234,567", Some("1234567"), Some("1234567")),
            ("1.234.567", Some("1234567"), Some("1234567")),
            ("1,234.5", None, Some("1234.5")),
            ("1.234,5", None, Some("1234.5")),
            ("12,34,5", None, None),
            ("1,2.3,4", None, None),
            ("", None, None),
            ("-", None, None),
            ("5.", None, None),
            ("6 5", None, None),
            ("1e3", None, None),
            ("٣", None, None),
        ] {
            let read_as = |kind| read(typed, kind).map(|digits| digits.canonical());
            assert_eq!(read_as(Kind::Whole).as_deref(), whole, "{typed} as a whole number");
            assert_eq!(read_as(Kind::Fraction).as_deref(), fraction, "{typed} as a decimal");
        }
    }
}
