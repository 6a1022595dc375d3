//! Authenticators: programs that show a code of six digits which changes every half minute (RFC 6238), and what a study may ask
//! for before case data is shown.

use totp_rs::{Algorithm, Builder, Totp};

use super::text;
use super::time::{Dice, Instant};
use crate::limits;

/// Bytes of the shared secret (RFC 4226 section 4, R6).
const SECRET_BYTES: usize = 20;
/// Digits of a code.
const DIGITS: u8 = 6;
/// Seconds for which a code is shown.
const STEP_SECONDS: u64 = 30;
/// Steps before and after the present one whose codes are taken too, for clocks that differ (RFC 6238 section 5.2).
const SKEW: u16 = 1;
/// Letters of the secret in one group, as it is shown to be typed.
const GROUP: usize = 4;

/// What an authenticator shares with us.
#[derive(Clone, PartialEq, Eq)]
pub struct Authenticator([u8; SECRET_BYTES]);

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authenticator(…)")
    }
}

impl Authenticator {
    /// A new one.
    pub fn new(dice: &dyn Dice) -> Authenticator {
        let mut bytes = [0; SECRET_BYTES];
        dice.fill(&mut bytes);
        Authenticator(bytes)
    }

    /// One that was kept, if these can be its bytes.
    pub fn of_bytes(bytes: &[u8]) -> Option<Authenticator> {
        bytes.try_into().ok().map(Authenticator)
    }

    /// What is kept of it, sealed.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The secret as it is typed into a program that cannot read the picture.
    pub fn typed(&self) -> String {
        let letters: Vec<char> = data_encoding::BASE32_NOPAD.encode(&self.0).chars().collect();
        letters.chunks(GROUP).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
    }

    /// The link that sets a program up, as its picture holds it; `issuer` and `account` are what the program shows.
    pub fn link(&self, issuer: &str, account: &str) -> String {
        // A colon parts the two in the link (Key URI format), so neither may hold one.
        let plain = |text: &str| text.replace(':', " ");
        let totp = self.builder().with_account_name(plain(account)).with_issuer(Some(plain(issuer))).build();
        totp.and_then(|totp| totp.to_url()).unwrap_or_default()
    }

    /// The code of a moment.
    pub fn code(&self, at: Instant) -> String {
        self.totp().generate(seconds(at)).to_string()
    }

    /// The step of time of which a code was typed, if it is one of about now.
    pub fn step_of(&self, typed: &str, now: Instant) -> Option<i64> {
        let digits = text::fold_tight(typed).replace('-', "");
        if digits.len() != usize::from(DIGITS) || !digits.bytes().all(|c| c.is_ascii_digit()) {
            return None;
        }
        self.totp().check(&digits, seconds(now)).and_then(|step| i64::try_from(step).ok())
    }

    fn builder(&self) -> Builder {
        // SHA-1: what every program knows; some take no notice of another (RFC 6238 section 1.2 allows it).
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_skew(SKEW)
            .with_step_duration(STEP_SECONDS)
            .with_secret(self.0.to_vec())
    }

    fn totp(&self) -> Totp {
        self.builder().build_noncompliant()
    }
}

fn seconds(at: Instant) -> u64 {
    u64::try_from(at.seconds_since(Instant(0))).unwrap_or(0)
}

/// What a study demands, on top of signing in, before the pages of its cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepUp {
    /// What is to be shown.
    pub proof: Proof,
    /// For how long it holds, in seconds.
    pub seconds: i64,
}

/// What somebody who is signed in shows once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Password or second factor.
    Password,
    /// The second factor.
    SecondFactor,
}

impl StepUp {
    /// Whether what was shown last, in any way and by the second factor, is fresh enough.
    pub fn satisfied(self, now: Instant, proved_at: Instant, second_at: Option<Instant>) -> bool {
        let at = match self.proof {
            Proof::Password => Some(proved_at),
            Proof::SecondFactor => second_at,
        };
        // What was shown in a time to come was shown by a clock that ran ahead.
        at.is_some_and(|at| (-limits::CLOCK_SLACK_SECONDS..self.seconds).contains(&now.seconds_since(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B, SHA-1, the last six of eight digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let authenticator = Authenticator::of_bytes(b"12345678901234567890").unwrap();
        let cases = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ];
        for (seconds, code) in cases {
            let now = Instant(0).plus_seconds(seconds);
            assert_eq!(authenticator.code(now), code);
            assert_eq!(authenticator.step_of(code, now), Some(seconds / 30));
        }
    }

    #[test]
    fn a_code_is_good_for_a_step_around_its_own_however_it_is_typed() {
        let authenticator = Authenticator::of_bytes(b"12345678901234567890").unwrap();
        let at = |seconds| Instant(0).plus_seconds(seconds);
        for typed in ["287082", "287 082", "２８７０８２", " 287-082 "] {
            assert_eq!(authenticator.step_of(typed, at(59)), Some(1), "{typed}");
        }
        for (seconds, good) in [(0, true), (29, true), (60, true), (89, true), (90, false), (3000, false)] {
            assert_eq!(authenticator.step_of("287082", at(seconds)).is_some(), good, "{seconds}");
        }
        for wrong in ["", "28708", "2870820", "287083", "28708a", "٢٨٧٠٨٢"] {
            assert_eq!(authenticator.step_of(wrong, at(59)), None, "{wrong}");
        }
    }

    #[test]
    fn a_program_is_set_up_by_link_or_by_hand() {
        let authenticator = Authenticator::of_bytes(b"12345678901234567890").unwrap();
        assert_eq!(authenticator.typed(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        let link = authenticator.link("治験: センター", "yamada@example.jp");
        assert!(link.starts_with("otpauth://totp/") && !link.contains(' '), "{link}");
        assert!(link.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{link}");
        assert_eq!(format!("{authenticator:?}"), "Authenticator(…)");
    }

    #[test]
    fn a_proof_holds_for_its_time() {
        let at = |seconds| Instant(0).plus_seconds(seconds);
        let password = StepUp { proof: Proof::Password, seconds: 600 };
        let second = StepUp { proof: Proof::SecondFactor, seconds: 600 };
        assert!(password.satisfied(at(599), at(0), None) && !password.satisfied(at(600), at(0), None));
        assert!(password.satisfied(at(0), at(9), None) && !password.satisfied(at(0), at(3600), None));
        assert!(!second.satisfied(at(1), at(0), None) && second.satisfied(at(700), at(0), Some(at(101))));
    }
}
