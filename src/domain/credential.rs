//! Temporary credentials: secrets of 128 bits that let somebody answer, and the digests by which they are known again.
//!
//! Whatever is guessed must be guessed out of 2^128, so a plain digest is enough; passwords that people choose are another
//! matter and not here. Secrets are written in lower-case base32 (RFC 4648 section 6, without padding) and read in any
//! case, with blanks and hyphens anywhere, because people type them from paper.

use sha2::{Digest, Sha256};

use super::chain::Sha256Digest;
use super::draft::DraftKey;
use super::time::{Dice, Instant};
use super::token::LETTERS;

/// Bytes of a secret: 128 bits, 26 letters.
const SECRET_BYTES: usize = 16;
/// Letters of a login, without its hyphen: 40 bits, so that logins of one study rarely meet and cannot be walked through.
const LOGIN_LETTERS: usize = 8;
/// Letters of a secret in one group, as it is printed.
const GROUP: usize = 5;

/// The secret in a link or a password; leaves with a letter and is not kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// A new one.
    pub fn new(dice: &dyn Dice) -> Secret {
        let mut bytes = [0; SECRET_BYTES];
        dice.fill(&mut bytes);
        Secret(LETTERS.encode(&bytes))
    }

    /// What somebody typed or followed, if it can be a secret of ours.
    pub fn parse(typed: &str) -> Option<Secret> {
        let letters = letters_of(typed);
        let bytes = LETTERS.decode(letters.as_bytes()).ok()?;
        (bytes.len() == SECRET_BYTES).then_some(Secret(letters))
    }

    /// As it stands in a link.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// As it is printed, in groups of letters.
    pub fn grouped(&self) -> String {
        let letters: Vec<char> = self.0.chars().collect();
        letters.chunks(GROUP).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
    }

    /// What is kept of a link.
    pub fn link_digest(&self) -> Sha256Digest {
        digest("link", &[&self.0])
    }

    /// What is kept of a password.
    pub fn password_digest(&self, login: &Login) -> Sha256Digest {
        digest("password", &[&login.0, &self.0])
    }

    /// What is kept of a session's cookie.
    pub fn session_digest(&self) -> Sha256Digest {
        digest("session", &[&self.0])
    }

    /// What is kept of a link by which a password is chosen.
    pub fn account_digest(&self) -> Sha256Digest {
        digest("account", &[&self.0])
    }

    /// What is kept of the cookie of an account's session.
    pub fn account_session_digest(&self) -> Sha256Digest {
        digest("account session", &[&self.0])
    }

    /// What is kept of a recovery code.
    pub fn recovery_digest(&self) -> Sha256Digest {
        digest("recovery", &[&self.0])
    }

    /// What a sign-in at a provider carries for a purpose and a goal: nobody without the cookie can make it.
    pub fn flow(&self, purpose: &str, goal: &str) -> String {
        data_encoding::HEXLOWER.encode(&digest("provider", &[&self.0, purpose, goal]))
    }

    /// What a form on a page of a session carries, so that no other site can send one: it cannot read the cookie.
    pub fn guard(&self) -> String {
        data_encoding::HEXLOWER.encode(&digest("guard", &[&self.0]))
    }

    /// The key that seals what its owner has not sent yet: nobody else can read it.
    pub fn draft_key(&self) -> DraftKey {
        DraftKey::derive(&self.0, "kept")
    }

    /// The key that seals the draft key of a password while its session lasts.
    pub fn session_key(&self) -> DraftKey {
        DraftKey::derive(&self.0, "session")
    }
}

/// The letters of a typed secret or login: any width and case, without blanks and hyphens; digits that are none of ours stand
/// for the letters they are mistaken for.
fn letters_of(typed: &str) -> String {
    let folded = super::text::fold_dashes(&super::text::fold_tight(typed));
    let meant = |c| match c {
        '0' => 'o',
        '1' => 'l',
        '8' => 'b',
        c => c,
    };
    folded.chars().filter(|c| *c != '-').map(meant).collect()
}

/// Each use has a name of its own, so that what is kept of one is of no use for another.
fn digest(purpose: &str, parts: &[&str]) -> Sha256Digest {
    let mut hash = Sha256::new_with_prefix("hagaki credential ");
    for part in [purpose].iter().chain(parts) {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().into()
}

/// What is typed beside a password; no secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Login(String);

impl Login {
    /// A new one.
    pub fn new(dice: &dyn Dice) -> Login {
        let mut bytes = [0; 5];
        dice.fill(&mut bytes);
        let letters = LETTERS.encode(&bytes);
        Login(letters.chars().take(LOGIN_LETTERS).collect())
    }

    /// What somebody typed, if it can be a login of ours.
    pub fn parse(typed: &str) -> Option<Login> {
        let letters = letters_of(typed);
        let fits = letters.len() == LOGIN_LETTERS && LETTERS.decode(letters.as_bytes()).is_ok();
        fits.then_some(Login(letters))
    }

    /// As it is kept.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// As it is printed: `abcd-efgh`.
    pub fn grouped(&self) -> String {
        let (first, second) = self.0.split_at(LOGIN_LETTERS / 2);
        format!("{first}-{second}")
    }
}

/// What somebody typed as a receipt number (twelve letters and digits in groups of four, as pages show it), if it can be one.
pub fn parse_receipt(typed: &str) -> Option<String> {
    let letters = letters_of(typed).to_uppercase();
    let fits = letters.len() == 12 && letters.bytes().all(|c| matches!(c, b'A'..=b'Z' | b'2'..=b'7'));
    fits.then(|| format!("{}-{}-{}", &letters[..4], &letters[4..8], &letters[8..]))
}

/// When a credential is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Not before.
    pub from: Instant,
    /// Not from then on.
    pub until: Option<Instant>,
}

impl Validity {
    /// Why it is not good at `now`, if it is not.
    pub fn at(self, now: Instant) -> Result<(), Unfit> {
        match self.until {
            _ if now < self.from => Err(Unfit::NotYet(self.from)),
            Some(until) if now >= until => Err(Unfit::Expired(until)),
            _ => Ok(()),
        }
    }
}

/// Why a credential is not good now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Its time is to come.
    NotYet(Instant),
    /// Its time is over.
    Expired(Instant),
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;

    impl Dice for Ones {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(0x5a);
        }
    }

    #[test]
    fn a_secret_is_read_as_people_type_it() {
        let secret = Secret::new(&Ones);
        assert_eq!(secret.text().len(), 26);
        for typed in [
            secret.text().to_string(),
            secret.text().to_uppercase(),
            secret.grouped(),
            secret.grouped().replace('-', " "),
            secret.grouped().replace('-', "－"),
            secret.text().replace('l', "1").replace('o', "0"),
        ] {
            assert_eq!(Secret::parse(&typed), Some(secret.clone()), "{typed}");
        }
        for wrong in ["", "abc", &secret.text()[1..], &format!("{}a", secret.text()), "9999999999999999999999999!"] {
            assert_eq!(Secret::parse(wrong), None, "{wrong}");
        }
        assert!(!format!("{secret:?}").contains(secret.text()));
    }

    #[test]
    fn uses_of_a_secret_are_kept_apart() {
        let (secret, login) = (Secret::new(&Ones), Login::new(&Ones));
        let digests = [secret.link_digest(), secret.password_digest(&login), secret.session_digest()];
        assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
        assert!(secret.draft_key() != secret.session_key());
        assert_eq!(Login::parse(&login.grouped().to_uppercase()), Some(login));
    }

    #[test]
    fn a_receipt_number_is_read_as_people_type_it() {
        for typed in ["ABCD-EFGH-2345", "abcdefgh2345", " ａｂｃｄ efgh－2345 "] {
            assert_eq!(parse_receipt(typed).as_deref(), Some("ABCD-EFGH-2345"), "{typed}");
        }
        for wrong in ["", "ABCD-EFGH-234", "ABCD-EFGH-23456", "ABCD-EFGH-23!5"] {
            assert_eq!(parse_receipt(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_credential_is_good_from_its_first_moment_to_before_its_last() {
        let validity = Validity { from: Instant(10), until: Some(Instant(20)) };
        assert_eq!(validity.at(Instant(9)), Err(Unfit::NotYet(Instant(10))));
        assert_eq!(validity.at(Instant(10)), Ok(()));
        assert_eq!(validity.at(Instant(20)), Err(Unfit::Expired(Instant(20))));
    }
}
