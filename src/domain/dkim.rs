//! DKIM signatures (RFC 6376; Ed25519 by RFC 8463): our domain answers for a letter, where no relay signs it.
//!
//! What is signed are the bytes as they leave, relaxed in header and body, whole. The fields of `SIGNED` are named as often as they
//! stand in the letter and once more, so that nobody puts another one beside them (RFC 6376 section 5.4.2); those of unsubscribing are
//! among them (RFC 8058 section 4). No time stands in a signature, so that a letter that is tried again has the same bytes.

use std::borrow::Cow;
use std::fmt;

use data_encoding::BASE64;
use ring::rand::SecureRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use sha2::{Digest, Sha256};

/// Fields that are signed.
const SIGNED: [&str; 15] = [
    "from",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "auto-submitted",
    "list-unsubscribe",
    "list-unsubscribe-post",
];
/// Characters of a signature in one line of its field.
const LINE: usize = 70;

/// Whose key signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Domain that signs: that of the address, or one above it.
    pub domain: String,
    /// Name of the key below `_domainkey` of the domain.
    pub selector: String,
}

impl Identity {
    /// Name of the record with the public key.
    pub fn record_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }
}

/// Signs letters with one key.
pub struct Signer {
    identity: Identity,
    key: Key,
}

enum Key {
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl fmt::Debug for Signer {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Why a text is no key to sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no private key in PEM.
    #[error("holds no private key in PEM")]
    NoKey,
    /// There is a key of another kind or size.
    #[error("holds no Ed25519 key, and no RSA key of 2048 to 4096 bits")]
    Other,
}

impl Signer {
    /// The signer with a key in PEM: PKCS #8 (`openssl genpkey`) or, of RSA, PKCS #1.
    ///
    /// # Errors
    /// The text holds no key that can sign.
    pub fn new(identity: Identity, pem: &str) -> Result<Signer, KeyError> {
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::NoKey)?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                // What openssl writes has no public key in it (version 1), which is no fault.
                let own = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Key::Ed25519);
                own.or_else(|_| RsaKeyPair::from_pkcs8(der).map(Key::Rsa)).ok()
            }
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).map(Key::Rsa).ok(),
            _ => None,
        };
        let key = key.ok_or(KeyError::Other)?;
        Ok(Signer { identity, key })
    }

    /// Whose key it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What the record of that name has to say, for verifiers to find the key: `v=DKIM1; k=…; p=…`.
    pub fn record(&self) -> String {
        let (kind, key) = match &self.key {
            Key::Ed25519(key) => ("ed25519", BASE64.encode(key.public_key().as_ref())),
            Key::Rsa(key) => ("rsa", BASE64.encode(&subject_public_key(key.public_key().as_ref()))),
        };
        format!("v=DKIM1; k={kind}; p={key}")
    }

    /// The mail with a signature before it; its lines end in CRLF. A mail without a header is given back as it is. What is random hides the key
    /// from whoever watches the machine, and changes nothing of the signature.
    pub fn signed<'a>(&self, random: &dyn SecureRandom, raw: &'a [u8]) -> Cow<'a, [u8]> {
        let (head, body) = split(raw);
        let fields = fields(head);
        if fields.is_empty() {
            return Cow::Borrowed(raw);
        }
        let chosen = chosen(&fields);
        let algorithm = match &self.key {
            Key::Ed25519(_) => "ed25519-sha256",
            Key::Rsa(_) => "rsa-sha256",
        };
        let names = folded(&chosen.iter().map(|(name, _)| *name).collect::<Vec<&str>>().join(":"), ':');
        let digest = BASE64.encode(&Sha256::digest(relaxed_body(body)));
        let Identity { domain, selector } = &self.identity;
        let unsigned = format!(
            "DKIM-Signature: v=1; a={algorithm}; c=relaxed/relaxed;\r\n d={domain}; s={selector};\r\n h={names};\r\n bh={digest};\r\n b="
        );
        let signature = BASE64.encode(&self.sign(random, &header_input(&chosen, unsigned.as_bytes())));
        let lines: Vec<&str> =
            signature.as_bytes().chunks(LINE).filter_map(|chunk| std::str::from_utf8(chunk).ok()).collect();
        let mut signed = format!("{unsigned}{}\r\n", lines.join("\r\n ")).into_bytes();
        signed.extend_from_slice(raw);
        Cow::Owned(signed)
    }

    fn sign(&self, random: &dyn SecureRandom, input: &[u8]) -> Vec<u8> {
        match &self.key {
            // RFC 8463 section 3: what is signed is the digest.
            Key::Ed25519(key) => key.sign(&Sha256::digest(input)).as_ref().to_vec(),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, random, input, &mut signature).expect("the buffer is as long as the key");
                signature
            }
        }
    }
}

/// A field as it stands, with its folds and without its last line end.
type Field<'a> = &'a [u8];

/// Header and body; the empty line between them belongs to neither.
fn split(raw: &[u8]) -> (&[u8], &[u8]) {
    match raw.windows(4).position(|window| window == b"\r\n\r\n") {
        Some(at) => (raw.get(..at + 2).unwrap_or_default(), raw.get(at + 4..).unwrap_or_default()),
        None => (raw, &[]),
    }
}

fn fields(head: &[u8]) -> Vec<Field<'_>> {
    let (mut fields, mut begin, mut at) = (Vec::new(), 0, 0);
    while let Some(end) = head.get(at..).and_then(|rest| rest.windows(2).position(|window| window == b"\r\n")) {
        let end = at + end;
        at = end + 2;
        if !matches!(head.get(at), Some(b' ' | b'\t')) {
            fields.extend(head.get(begin..end));
            begin = at;
        }
    }
    fields.extend(head.get(begin..).filter(|rest| !rest.is_empty()));
    fields
}

fn name_of(field: Field<'_>) -> &[u8] {
    field.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii_end()
}

/// The fields to sign, from the last to the first of each name (RFC 6376 section 5.4.2), and after them one that is not there.
fn chosen<'a>(fields: &[Field<'a>]) -> Vec<(&'static str, Option<Field<'a>>)> {
    let of = |name: &'static str| {
        let own = fields.iter().rev().filter(move |field| name_of(field).eq_ignore_ascii_case(name.as_bytes()));
        own.map(move |field| (name, Some(*field))).chain([(name, None)])
    };
    SIGNED.into_iter().flat_map(of).collect()
}

/// What is signed of the header: each field relaxed and ended, and the signature's own without its end.
fn header_input(chosen: &[(&str, Option<Field<'_>>)], unsigned: &[u8]) -> Vec<u8> {
    let mut input = Vec::new();
    for field in chosen.iter().filter_map(|(_, field)| *field) {
        input.extend(relaxed_field(field));
        input.extend_from_slice(b"\r\n");
    }
    input.extend(relaxed_field(unsigned));
    input
}

/// RFC 6376 section 3.4.2: the name in lower case, the value unfolded, blanks made one, none around it.
fn relaxed_field(field: Field<'_>) -> Vec<u8> {
    let name = name_of(field);
    let value = field.get(field.iter().position(|byte| *byte == b':').map_or(field.len(), |at| at + 1)..);
    let mut relaxed = name.to_ascii_lowercase();
    relaxed.push(b':');
    let words = value.unwrap_or_default().split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    for (at, word) in words.filter(|word| !word.is_empty()).enumerate() {
        if at > 0 {
            relaxed.push(b' ');
        }
        relaxed.extend_from_slice(word);
    }
    relaxed
}

/// RFC 6376 section 3.4.4: blanks made one and none at the end of a line, no empty lines at the end, and a last line end if there is
/// anything.
fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut relaxed = Vec::with_capacity(body.len() + 2);
    let mut empty = 0;
    let mut rest = Some(body);
    while let Some(lines) = rest {
        let end = lines.windows(2).position(|window| window == b"\r\n");
        let line = end.map_or(lines, |end| lines.get(..end).unwrap_or_default());
        rest = end.and_then(|end| lines.get(end + 2..));
        let begin = relaxed.len();
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let kept = line.iter().rposition(|byte| !blank(byte)).map_or(0, |last| last + 1);
        if kept == 0 {
            empty += 1;
            continue;
        }
        // Empty lines count once something follows them.
        relaxed.splice(begin..begin, std::iter::repeat_n(*b"\r\n", std::mem::take(&mut empty)).flatten());
        let mut before = false;
        for byte in line.iter().take(kept) {
            if !blank(byte) {
                relaxed.push(*byte);
            } else if !before {
                relaxed.push(b' ');
            }
            before = blank(byte);
        }
        relaxed.extend_from_slice(b"\r\n");
    }
    relaxed
}

/// A list in lines that are not too long.
fn folded(list: &str, by: char) -> String {
    let (mut folded, mut line) = (String::new(), 0);
    for part in list.split_inclusive(by) {
        if line + part.len() > LINE {
            folded.push_str("\r\n ");
            line = 0;
        }
        folded.push_str(part);
        line += part.len();
    }
    folded
}

/// The key as records hold it (RFC 8017 appendix A.1 within RFC 5280's SubjectPublicKeyInfo), from the modulus and exponent alone.
fn subject_public_key(key: &[u8]) -> Vec<u8> {
    /// rsaEncryption with its parameter NULL.
    const ALGORITHM: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let bits = [&[0][..], key].concat();
    der(0x30, &[&ALGORITHM[..], &der(0x03, &bits)].concat())
}

/// A DER value with its length.
fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(value.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let length: Vec<u8> = value.len().to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            out.push(0x80 | u8::try_from(length.len()).unwrap_or(8));
            out.extend(length);
        }
    }
    out.extend_from_slice(value);
    out
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    /// The mail of RFC 8463 appendix A.3, without its signatures.
    const JOE: &str = "From: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q <suzie@shopping.example.net>\r\nSubject: Is dinner \
                       ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\nMessage-ID: \
                       <20030712040037.46341.5F8J@football.example.com>\r\n\r\nHi.\r\n\r\nWe lost the game.  Are you hungry \
                       yet?\r\n\r\nJoe.\r\n";

    #[test]
    fn the_signature_of_rfc_8463_is_that_of_our_canonical_form() {
        let unsigned = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; \
                        i=@football.example.com;\r\n q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : \
                        message-id : from : subject : date;\r\n bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=";
        let signature = "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==";
        let (head, body) = split(JOE.as_bytes());
        assert_eq!(BASE64.encode(&Sha256::digest(relaxed_body(body))), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
        let all = fields(head);
        let named = |name: &'static str| {
            (name, all.iter().rev().find(|field| name_of(field).eq_ignore_ascii_case(name.as_bytes())).copied())
        };
        let chosen = ["from", "to", "subject", "date", "message-id"].map(named);
        let digest = Sha256::digest(header_input(&chosen, unsigned.as_bytes()));
        let key = BASE64.decode(b"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=").unwrap();
        let signature = BASE64.decode(signature.as_bytes()).unwrap();
        UnparsedPublicKey::new(&ED25519, key).verify(&digest, &signature).unwrap();
    }

    fn signer(pem: &str) -> Result<Signer, KeyError> {
        let identity = Identity { domain: "example.jp".to_owned(), selector: "h1".to_owned() };
        Signer::new(identity, pem)
    }

    const ED: &str = include_str!("../../tests/data/dkim/ed25519.pem");
    const RSA: &str = include_str!("../../tests/data/dkim/rsa.pem");
    const RSA_OLD: &str = include_str!("../../tests/data/dkim/rsa-pkcs1.pem");

    /// Whether a signed mail is what was signed, by the key that the record tells.
    fn verifies(signer: &Signer, signed: &[u8]) -> bool {
        let (head, body) = split(signed);
        let all = fields(head);
        let own = std::str::from_utf8(all[0]).unwrap();
        let tag = |name: &str| -> String {
            let found = own.split(';').find_map(|part| part.trim().strip_prefix(&format!("{name}="))).unwrap();
            found.split_whitespace().collect()
        };
        if tag("bh") != BASE64.encode(&Sha256::digest(relaxed_body(body))) {
            return false;
        }
        let mut left: Vec<Field<'_>> = all[1..].to_vec();
        let mut chosen = Vec::new();
        for name in tag("h").split(':') {
            let found = left.iter().rposition(|field| name_of(field).eq_ignore_ascii_case(name.as_bytes()));
            chosen.push(("", found.map(|at| left.remove(at))));
        }
        let unsigned = own.rsplit_once("b=").unwrap().0.to_owned() + "b=";
        let input = header_input(&chosen, unsigned.as_bytes());
        let signature =
            BASE64.decode(own.rsplit_once("b=").unwrap().1.split_whitespace().collect::<String>().as_bytes()).unwrap();
        match &signer.key {
            Key::Ed25519(key) => {
                let key = UnparsedPublicKey::new(&ED25519, key.public_key().as_ref());
                key.verify(&Sha256::digest(input), &signature).is_ok()
            }
            Key::Rsa(key) => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
                .verify(&input, &signature)
                .is_ok(),
        }
    }

    #[test]
    fn what_is_signed_verifies_and_nothing_else_does() {
        for pem in [ED, RSA, RSA_OLD] {
            let signer = signer(pem).unwrap();
            let signed = signer.signed(&SystemRandom::new(), JOE.as_bytes()).into_owned();
            let text = String::from_utf8(signed.clone()).unwrap();
            assert!(verifies(&signer, &signed), "{text}");
            assert_eq!(signed, signer.signed(&SystemRandom::new(), JOE.as_bytes()).as_ref(), "the same once more");
            assert!(text.lines().all(|line| line.len() <= 78), "{text}");
            // Relays may fold anew, and add at the end of lines or of the mail.
            let folded =
                text.replace("Subject: Is dinner", "Subject: Is\r\n\tdinner").replace("hungry yet?", "hungry  yet? ")
                    + "\r\n\r\n";
            assert!(verifies(&signer, folded.as_bytes()), "{folded}");
            for (from, to) in [
                ("dinner", "Dinner"),
                ("We lost", "We won"),
                ("From: Joe", "From: Mallory <m@example.net>\r\nFrom: Joe"),
                ("Subject:", "Subject: Other\r\nSubject:"),
                ("Message-ID:", "Reply-To: m@example.net\r\nMessage-ID:"),
                ("Message-ID:", "List-Unsubscribe: <https://example.net/>\r\nMessage-ID:"),
            ] {
                let other = text.replacen(from, to, 1);
                assert!(other != text && !verifies(&signer, other.as_bytes()), "{other}");
            }
        }
    }

    #[test]
    fn bodies_are_relaxed_as_the_rfc_says() {
        for (body, relaxed) in [
            ("", ""),
            ("\r\n", ""),
            ("\r\n\r\n \r\n", ""),
            (" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"),
            ("a", "a\r\n"),
            ("\r\n\r\na\r\n", "\r\n\r\na\r\n"),
            ("a\r\n\r\n\r\nb", "a\r\n\r\n\r\nb\r\n"),
        ] {
            assert_eq!(String::from_utf8(relaxed_body(body.as_bytes())).unwrap(), relaxed, "{body:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_told() {
        assert_eq!(signer("hello").unwrap_err(), KeyError::NoKey);
        let mangled = ED.replace("MC4CAQAwBQ", "MC4CAQAwBR");
        assert_ne!(mangled, ED);
        assert_eq!(signer(&mangled).unwrap_err(), KeyError::Other);
        assert!(signer(ED).unwrap().record().starts_with("v=DKIM1; k=ed25519; p="));
        // As openssl rsa -pubout tells it.
        let public: String = include_str!("../../tests/data/dkim/rsa-public.pem")
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect();
        assert_eq!(signer(RSA).unwrap().record(), format!("v=DKIM1; k=rsa; p={public}"));
    }
}
