//! Passwords that people choose: what is asked of them, and how they are kept.
//!
//! After NIST SP 800-63B-4 section 3.1.1: at least fifteen characters where nothing else is asked for, no rules of which kinds of
//! characters, nothing that everybody would guess, no change that is not asked for. Kept as argon2id (RFC 9106).

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq as _;
use unicode_normalization::UnicodeNormalization;

use super::time::Dice;
use crate::limits;

/// A password as it was typed, in the one form of its characters (NFKC), so that keyboards of two makes mean the same.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Why a password cannot be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weak {
    /// It has fewer than [`limits::PASSWORD_CHARS_LEAST`] characters.
    Short,
    /// It has more than [`limits::PASSWORD_CHARS_MOST`].
    Long,
    /// It is made of what everybody would try.
    Guessable,
}

/// What everybody tries, alone or joined.
const TRIED: [&str; 30] = [
    "password",
    "passw0rd",
    "passwort",
    "パスワード",
    "qwertyuiop",
    "qwerty",
    "asdfghjkl",
    "asdfgh",
    "zxcvbnm",
    "1q2w3e4r",
    "1qaz2wsx",
    "letmein",
    "welcome",
    "iloveyou",
    "admin",
    "login",
    "secret",
    "monkey",
    "dragon",
    "football",
    "baseball",
    "sunshine",
    "princess",
    "sakura",
    "doraemon",
    "pokemon",
    "nippon",
    "japan",
    "tokyo",
    "hagaki",
];

impl Password {
    /// What was typed to sign in; none if nobody can have chosen it.
    pub fn typed(text: &str) -> Option<Password> {
        if text.len() > limits::PASSWORD_CHARS_MOST * 4 {
            return None;
        }
        let normal: String = text.nfkc().collect();
        (normal.chars().count() <= limits::PASSWORD_CHARS_MOST).then_some(Password(normal))
    }

    /// What somebody with that address wants to choose.
    ///
    /// # Errors
    /// Why it is none.
    pub fn choose(text: &str, address: &str) -> Result<Password, Weak> {
        let password = Password::typed(text).ok_or(Weak::Long)?;
        if password.0.chars().count() < limits::PASSWORD_CHARS_LEAST {
            return Err(Weak::Short);
        }
        if own_chars(&password.0, address) < limits::PASSWORD_CHARS_OWN {
            return Err(Weak::Guessable);
        }
        Ok(password)
    }

    /// What is kept of it, as a PHC string. Takes some ten milliseconds and [`limits::PASSWORD_MEMORY_KIB`].
    pub fn hash(&self, dice: &dyn Dice) -> String {
        let mut salt = [0; 16];
        dice.fill(&mut salt);
        let hashed = Salt::try_from(&salt[..]).ok().and_then(|salt| {
            let params = params();
            let mut hash = [0; Params::DEFAULT_OUTPUT_LEN];
            fill(self.0.as_bytes(), &salt, &params, &mut hash)?;
            Some(PasswordHash {
                algorithm: Algorithm::Argon2id.ident(),
                version: Some(Version::V0x13.into()),
                params: ParamsString::try_from(&params).ok()?,
                salt: Some(salt),
                hash: Some(Output::new(&hash).ok()?),
            })
        });
        hashed.expect("salt and parameters are of allowed sizes").to_string()
    }

    /// Whether it is the one of which that is kept; where nothing is kept it is not, and takes as long to be told.
    pub fn matches(&self, kept: Option<&str>) -> bool {
        let nobodys = nobodys();
        let matched = PasswordHash::new(kept.unwrap_or(&nobodys)).ok().and_then(|hash| {
            let ours = hash.algorithm == Algorithm::Argon2id.ident() && hash.version == Some(Version::V0x13.into());
            let (salt, kept) = (hash.salt.filter(|_| ours)?, hash.hash?);
            let params = Params::try_from(&hash).ok()?;
            let mut own = vec![0; kept.as_bytes().len()];
            fill(self.0.as_bytes(), &salt, &params, &mut own)?;
            Some(bool::from(own.ct_eq(kept.as_bytes())))
        });
        matched.unwrap_or(false)
    }
}

fn params() -> Params {
    let (memory, passes, lanes) = (limits::PASSWORD_MEMORY_KIB, limits::PASSWORD_PASSES, limits::PASSWORD_LANES);
    Params::new(memory, passes, lanes, None).expect("a test hashes with these parameters")
}

/// The work itself; none for parameters that are not allowed. Its memory goes back to the system at once: glibc keeps what was freed
/// for the next time, for each thread apart, but what is asked for in pieces larger than [`limits::PASSWORD_ROOM_BYTES`]; so more is
/// asked for than is ever touched.
fn fill(password: &[u8], salt: &[u8], params: &Params, hash: &mut [u8]) -> Option<()> {
    let blocks = params.block_count();
    let mut room = Vec::with_capacity(blocks.max(limits::PASSWORD_ROOM_BYTES / Block::SIZE + 1));
    room.resize(blocks, Block::default());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    argon2.hash_password_into_with_memory(password, salt, hash, &mut room).ok()
}

/// A hash that is nobody's and takes as long as any.
fn nobodys() -> String {
    let (memory, passes, lanes) = (limits::PASSWORD_MEMORY_KIB, limits::PASSWORD_PASSES, limits::PASSWORD_LANES);
    format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${}${}", "A".repeat(22), "A".repeat(43))
}

/// How many characters are left when all is taken out that everybody would try: common words, the own address, characters that
/// follow from the one before, and repetition.
fn own_chars(password: &str, address: &str) -> usize {
    let mut rest = password.to_lowercase();
    let parts = address.split(|c: char| !c.is_alphanumeric()).filter(|part| part.chars().count() > 2);
    for word in std::iter::once(address).chain(parts).chain(TRIED).filter(|word| !word.is_empty()) {
        rest = rest.replace(word, "");
    }
    let letters: Vec<char> = rest.chars().collect();
    let period = (1..letters.len()).find(|period| letters.iter().skip(*period).eq(&letters[..letters.len() - period]));
    let unit = &letters[..period.unwrap_or(letters.len())];
    let follows = |pair: &[char]| u32::from(pair[0]).abs_diff(u32::from(pair[1])) <= 1;
    let fresh = unit.windows(2).filter(|pair| !follows(pair)).count() + usize::from(!unit.is_empty());
    let distinct: std::collections::BTreeSet<&char> = unit.iter().collect();
    // Few characters in any order are soon tried, too.
    fresh.min(distinct.len() * 2)
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
    fn long_ones_of_any_kind_are_taken_and_what_everybody_tries_is_not() {
        let chosen = |text: &str| Password::choose(text, "hanako.yamada@example.jp").err();
        for good in [
            "correct horse battery",
            "あさがおに つるべとられて もらい水",
            "xkzwpqmvutrhbyd",
            "purple-Elephant-77-dance",
        ] {
            assert_eq!(chosen(good), None, "{good}");
        }
        for (weak, why) in [
            ("", Weak::Short),
            ("fourteen chars", Weak::Short),
            ("passwordpassword", Weak::Guessable),
            ("Password12345678", Weak::Guessable),
            ("aaaaaaaaaaaaaaaaaaaa", Weak::Guessable),
            ("123456789012345", Weak::Guessable),
            ("abcdefghijklmnopqrst", Weak::Guessable),
            ("qwertyuiopasdfghjkl", Weak::Guessable),
            ("hanako.yamada@example.jp", Weak::Guessable),
            ("hanakoyamada2026", Weak::Guessable),
            ("abcabcabcabcabcabc", Weak::Guessable),
            ("ab1ab1ab1ba1ab1ba", Weak::Guessable),
        ] {
            assert_eq!(chosen(weak), Some(why), "{weak}");
        }
        assert_eq!(chosen(&"長い".repeat(limits::PASSWORD_CHARS_MOST)), Some(Weak::Long));
        assert_eq!(chosen(&"x".repeat(1 << 20)), Some(Weak::Long));
    }

    #[test]
    fn the_right_one_matches_in_any_width_and_no_other() {
        let password = Password::choose("correct horse battery", "").unwrap();
        let kept = password.hash(&Ones);
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !kept.contains("horse"), "{kept}");
        assert!(password.matches(Some(&kept)));
        assert!(Password::typed("ｃｏｒｒｅｃｔ　ｈｏｒｓｅ　ｂａｔｔｅｒｙ").unwrap().matches(Some(&kept)));
        for wrong in ["correct horse batterY", "", "correct horse battery "] {
            assert!(!Password::typed(wrong).unwrap().matches(Some(&kept)), "{wrong}");
        }
        assert!(PasswordHash::new(&nobodys()).is_ok(), "as long as any other");
        assert!(!password.matches(None) && !password.matches(Some("")) && !password.matches(Some("plain")));
        assert!(!format!("{password:?}").contains("horse"));
    }
}
