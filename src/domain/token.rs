//! Secrets and authentication codes in our addresses: one-time reply tokens, site tokens, bounce addresses (VERP), pages on which
//! somebody stops letters.
//!
//! They stand in local parts, which reach us in any case, so everything is lower-case base32 (RFC 4648 section 6, without
//! padding) and compared in lower case. Codes are HMAC-SHA-256 (RFC 2104), cut to 80 bits and compared in constant time; each
//! kind is computed under a name of its own, so that no code of one kind passes for another.

use data_encoding::{Encoding, Specification};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use subtle::ConstantTimeEq;

use super::text::fold_address;
use super::time::{Dice, Instant};

/// Bytes of an authentication code: 80 bits, 16 letters.
const CODE_BYTES: usize = 10;
/// Bytes of a reply token: 128 bits, 26 letters.
const REPLY_BYTES: usize = 16;
/// Seconds of a day, the grain of expiry.
const DAY_SECONDS: i64 = 24 * 3600;

/// Base32 in lower case, either case accepted, no padding.
pub static LETTERS: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification.translate.from.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    specification.translate.to.push_str("abcdefghijklmnopqrstuvwxyz");
    specification.encoding().expect("the alphabet of RFC 4648 in lower case is valid")
});

/// The key of our addresses; never printed.
#[derive(Clone)]
pub struct AddressKey([u8; 32]);

impl AddressKey {
    /// A key from secret bytes of any length.
    pub fn new(secret: &[u8]) -> AddressKey {
        AddressKey(Sha256::digest(secret).into())
    }

    fn code(&self, kind: &str, parts: &[&[u8]]) -> String {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in [kind.as_bytes()].iter().chain(parts) {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        let whole = mac.finalize().into_bytes();
        LETTERS.encode(whole.get(..CODE_BYTES).unwrap_or_default())
    }

    fn verifies(&self, kind: &str, parts: &[&[u8]], code: &str) -> bool {
        let expected = self.code(kind, parts);
        expected.as_bytes().ct_eq(code.to_ascii_lowercase().as_bytes()).into()
    }
}

impl std::fmt::Debug for AddressKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AddressKey(…)")
    }
}

/// What the fate of an address is kept by, where the address does not stand itself; the same however it is written.
pub fn fate_code(key: &AddressKey, address: &str) -> String {
    key.code("fate", &[fold_address(address).as_bytes()])
}

/// The sub-address `b.<id>.<code>` of the envelope sender of one outbox letter (VERP).
pub fn verp(key: &AddressKey, outbox_id: i64) -> String {
    format!("b.{outbox_id}.{}", key.code("verp", &[&outbox_id.to_be_bytes()]))
}

/// The outbox id of a sub-address `b.<id>.<code>`, if its code is genuine.
pub fn check_verp(key: &AddressKey, sub_address: &str) -> Option<i64> {
    let lower = sub_address.to_ascii_lowercase();
    let (id, code) = lower.strip_prefix("b.")?.split_once('.')?;
    let id: i64 = id.bytes().all(|byte| byte.is_ascii_digit()).then(|| id.parse().ok())??;
    key.verifies("verp", &[&id.to_be_bytes()], code).then_some(id)
}

/// What shows that a page which tells a receipt without a session was made by us, for that study.
pub fn receipt_seal(key: &AddressKey, slug: &str, receipt: &str) -> String {
    key.code("receipt-page", &[slug.as_bytes(), receipt.as_bytes()])
}

/// Whether it does.
pub fn check_receipt_seal(key: &AddressKey, (slug, receipt): (&str, &str), seal: &str) -> bool {
    key.verifies("receipt-page", &[slug.as_bytes(), receipt.as_bytes()], seal)
}

/// The name of the page on which a participant of that number in the database, who came in then, stops letters: `<id>.<code>`. It names
/// nobody to anybody else, and nothing is kept of it. Numbers are given again once a rehearsal is purged; moments are not.
pub fn opt_out(key: &AddressKey, (participant, since): (i64, Instant)) -> String {
    format!("{participant}.{}", opt_out_code(key, participant, since))
}

/// The number of the participant that such a name is about; [`is_opt_out`] says whether it is genuine.
pub fn opt_out_participant(name: &str) -> Option<i64> {
    let (id, _) = name.split_once('.')?;
    id.bytes().all(|byte| byte.is_ascii_digit()).then(|| id.parse().ok())?
}

/// Whether a name is that of this participant's page.
pub fn is_opt_out(key: &AddressKey, (participant, since): (i64, Instant), name: &str) -> bool {
    let code = name.split_once('.').map_or("", |(_, code)| code);
    opt_out_participant(name) == Some(participant)
        && key.verifies("opt-out", &[&participant.to_be_bytes(), &since.0.to_be_bytes()], code)
}

fn opt_out_code(key: &AddressKey, participant: i64, since: Instant) -> String {
    key.code("opt-out", &[&participant.to_be_bytes(), &since.0.to_be_bytes()])
}

/// The mark of a browser in which somebody signed in to the account of that (folded) address; `name` is a random one that it keeps.
pub fn browser_mark(key: &AddressKey, name: &str, address: &str) -> String {
    key.code("browser", &[name.as_bytes(), address.as_bytes()])
}

/// Whether a browser of that name has the mark of that account.
pub fn check_browser_mark(key: &AddressKey, (name, address): (&str, &str), mark: &str) -> bool {
    key.verifies("browser", &[name.as_bytes(), address.as_bytes()], mark)
}

/// What is kept of a (folded) address that is to be known again, and not to be read.
pub fn address_code(key: &AddressKey, address: &str) -> String {
    key.code("address", &[address.as_bytes()])
}

/// The sub-address of a site: `s<code of the site>.<code>`, or `s<code of the site>.<day>.<code>` if it expires; the day is
/// counted from 1970-01-01 and is the last one it is good for (UTC).
pub fn site_token(key: &AddressKey, study: &str, site: &str, expires: Option<Instant>) -> String {
    let day = expires.map(day_of);
    let code = site_code(key, study, site, day);
    let site = site.to_ascii_lowercase();
    match day {
        Some(day) => format!("s{site}.{day}.{code}"),
        None => format!("s{site}.{code}"),
    }
}

/// Which of `sites` (their codes) of a study a site token stands for, if it is genuine and good at `now`.
pub fn check_site_token<'s>(
    key: &AddressKey,
    study: &str,
    sites: impl IntoIterator<Item = &'s str>,
    token: &str,
    now: Instant,
) -> Option<&'s str> {
    let lower = token.to_ascii_lowercase();
    let (rest, code) = lower.strip_prefix('s')?.rsplit_once('.')?;
    let (day, named) = match rest.rsplit_once('.') {
        Some((named, day)) => (Some(day.parse::<i64>().ok()?), named),
        None => (None, rest),
    };
    let site = sites.into_iter().find(|site| site.eq_ignore_ascii_case(named))?;
    let good = day.is_none_or(|day| day_of(now) <= day);
    let expected = site_code(key, study, site, day);
    (bool::from(expected.as_bytes().ct_eq(code.as_bytes())) && good).then_some(site)
}

fn site_code(key: &AddressKey, study: &str, site: &str, day: Option<i64>) -> String {
    let day = day.map(|day| day.to_string()).unwrap_or_default();
    key.code("site", &[study.as_bytes(), site.as_bytes(), day.as_bytes()])
}

fn day_of(at: Instant) -> i64 {
    at.seconds_since(Instant(0)).div_euclid(DAY_SECONDS)
}

/// A one-time secret that a person sends back by replying.
#[derive(Clone, PartialEq, Eq)]
pub struct ReplyToken {
    /// Behind `c.` in the address of our letter; leaves with the letter and is not kept.
    pub text: String,
    /// What is kept: SHA-256 of the text, in hexadecimal.
    pub digest: String,
}

impl std::fmt::Debug for ReplyToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplyToken").field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl ReplyToken {
    /// A new token of 128 random bits.
    pub fn new(dice: &dyn Dice) -> ReplyToken {
        let mut bytes = [0; REPLY_BYTES];
        dice.fill(&mut bytes);
        let text = LETTERS.encode(&bytes);
        let digest = reply_digest(&text);
        ReplyToken { text, digest }
    }

    /// Its sub-address, `c.TOKEN`.
    pub fn sub_address(&self) -> String {
        reply_sub_address(&self.text)
    }
}

/// The sub-address of a token's text.
pub fn reply_sub_address(text: &str) -> String {
    format!("c.{text}")
}

/// The digest under which a reply token is kept, in hexadecimal; of any text, in any case.
pub fn reply_digest(token: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(token.to_ascii_lowercase().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::sync::Mutex;

    struct Counting(Mutex<Cell<u8>>);

    impl Dice for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            let cell = self.0.lock().unwrap();
            for byte in buffer {
                cell.set(cell.get().wrapping_add(1));
                *byte = cell.get();
            }
        }
    }

    fn key() -> AddressKey {
        AddressKey::new(b"a secret for tests")
    }

    #[test]
    fn an_address_has_one_code_by_one_key() {
        let code = fate_code(&key(), "hana@example.jp");
        assert_eq!(code.len(), 16);
        assert_eq!(fate_code(&key(), " Hana@Example.JP"), code);
        assert_ne!(fate_code(&key(), "hanae@example.jp"), code);
        assert_ne!(fate_code(&AddressKey::new(b"another"), "hana@example.jp"), code);
    }

    #[test]
    fn verp_comes_back_in_any_case() {
        let sub_address = verp(&key(), 17);
        assert!(sub_address.starts_with("b.17.") && sub_address.len() == 5 + 16);
        assert_eq!(check_verp(&key(), &sub_address), Some(17));
        assert_eq!(check_verp(&key(), &sub_address.to_uppercase()), Some(17));
    }

    #[test]
    fn forged_verp_is_refused() {
        let genuine = verp(&key(), 17);
        let code = genuine.rsplit('.').next().unwrap();
        for forged in [
            format!("b.18.{code}"),
            format!("b.17.{code}a"),
            "b.17.".into(),
            "b.00017.f3a9".into(),
            format!("b.+17.{code}"),
            "b.".into(),
        ] {
            assert_eq!(check_verp(&key(), &forged), None, "{forged}");
        }
        assert_eq!(check_verp(&AddressKey::new(b"another"), &genuine), None);
    }

    #[test]
    fn site_tokens_name_study_site_and_last_day() {
        let now = Instant::parse_rfc3339("2026-11-20T00:05:00Z").unwrap();
        let sites = ["011", "012", "Osaka-1"];
        let check = |study: &str, token: &str, at: Instant| {
            check_site_token(&key(), study, sites, token, at).map(str::to_string)
        };
        let token = site_token(&key(), "study-a", "012", None);
        assert_eq!(check("study-a", &token, now).as_deref(), Some("012"));
        assert_eq!(check("study-b", &token, now), None);
        assert_eq!(check("study-a", &token.replace("s012", "s011"), now), None);
        let token = site_token(&key(), "study-a", "Osaka-1", Some(now));
        assert_eq!(check("study-a", &token.to_uppercase(), now).as_deref(), Some("Osaka-1"));
        assert_eq!(check("study-a", &token, now.plus_seconds(DAY_SECONDS)), None);
        assert_eq!(check("study-a", "s012.k7q2", now), None);
    }

    #[test]
    fn the_page_that_stops_letters_is_one_participants() {
        let since = Instant::parse_rfc3339("2026-11-20T00:05:00Z").unwrap();
        let name = opt_out(&key(), (17, since));
        assert_eq!(opt_out_participant(&name), Some(17));
        assert!(is_opt_out(&key(), (17, since), &name) && is_opt_out(&key(), (17, since), &name.to_uppercase()));
        let code = name.split_once('.').unwrap().1;
        for forged in
            [format!("18.{code}"), "17.".to_owned(), format!("17.{code}a"), format!("17.x.{code}"), String::new()]
        {
            assert!(![17, 18].iter().any(|id| is_opt_out(&key(), (*id, since), &forged)), "{forged}");
        }
        // Whoever has the number after a purge is somebody else; and so is another installation's.
        assert!(!is_opt_out(&key(), (17, since.plus_seconds(1)), &name));
        assert!(!is_opt_out(&AddressKey::new(b"another"), (17, since), &name));
        assert_eq!(opt_out_participant("+17.abc"), None);
        assert_eq!(check_verp(&key(), &format!("b.17.{code}")), None);
        assert_ne!(address_code(&key(), "a@example.jp"), address_code(&key(), "b@example.jp"));
    }

    #[test]
    fn kinds_do_not_pass_for_one_another() {
        let site = key().code("site", &[&17i64.to_be_bytes()]);
        assert_eq!(check_verp(&key(), &format!("b.17.{site}")), None);
    }

    #[test]
    fn reply_tokens_are_kept_as_digests() {
        let dice = Counting(Mutex::default());
        let (one, other) = (ReplyToken::new(&dice), ReplyToken::new(&dice));
        assert_ne!(one.text, other.text);
        assert_eq!(one.text.len(), 26);
        assert_eq!(one.digest, reply_digest(&one.text.to_uppercase()));
        assert!(!format!("{one:?}").contains(&one.text));
    }
}
