//! Receipts: the machine-readable block at the foot of an assignment letter.
//!
//! In charge of writing the block, finding it again in whatever a mail program made of it, and checking its
//! authentication code. Must not know a count per arm, a probability or a block: only what the letter itself says.
//!
//! Each line is a word, a blank and a value; no colon and no equals sign stands in the block, so that a reader of
//! `key: value` lines passes over it. Values are percent-encoded (RFC 3986 section 2.1), so that no charset, width
//! conversion or re-wrapping changes what they mean. To add a line: add it to `Receipt::lines` and to
//! [`Receipt::parse`], in the same place, and raise the version. A receipt on a subject with further allocations is of
//! [`VERSION_AGAIN`]: the same lines, and a group of its own for each of them before the code.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::study::Stage;
use super::time::Instant;

/// First line of the block.
pub const BEGIN: &str = "-----BEGIN HAGAKI RECEIPT-----";
/// Last line of the block.
pub const END: &str = "-----END HAGAKI RECEIPT-----";
/// Version of the block's form.
pub const VERSION: &str = "1";
/// Version of the form that tells of further allocations.
pub const VERSION_AGAIN: &str = "2";

/// Characters of the authentication code in the block (SHA-256 in hexadecimal).
const CHECK_CHARS: usize = 64;

/// What an assignment letter certifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Study's slug.
    pub study: String,
    /// Whether the study was rehearsing.
    pub stage: Stage,
    /// Our subject number.
    pub subject: String,
    /// What the reader of the letter was told.
    pub told: Told,
    /// When it was recorded; the block keeps whole microseconds.
    pub at: Instant,
    /// Position among the study's enrollments, from 1: their order, which is no secret; never a count of an arm.
    pub allocation: u64,
    /// Digest of the audit entry, in lower-case hexadecimal.
    pub chain: String,
    /// Further allocations of the subject, in order.
    pub again: Vec<Again>,
}

/// A further allocation of the subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// Id of the randomization.
    pub randomization: String,
    /// What the reader of the letter was told.
    pub told: Told,
    /// When it was recorded; the block keeps whole microseconds.
    pub at: Instant,
    /// Number of the allocation in the study: their order, which is no secret.
    pub allocation: u64,
    /// Digest of the audit entry, in lower-case hexadecimal.
    pub chain: String,
}

/// What the reader of an assignment letter was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The arm's code (open label).
    Arm(String),
    /// A kit's code (blinded).
    Code(String),
    /// That the subject is registered (no randomization).
    Registered,
}

/// Why a text holds no good receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFault {
    /// No line begins a block.
    #[error("no receipt block begins in this text")]
    NoBegin,
    /// The block does not end.
    #[error("the receipt block does not end")]
    NoEnd,
    /// More than one block: which one is meant cannot be told.
    #[error("the text holds more than one receipt block")]
    Several,
    /// A line is absent, out of place or empty.
    #[error("the receipt's `{0}` line is absent or out of place")]
    Line(&'static str),
    /// A value does not have its form.
    #[error("the receipt's `{0}` value cannot be read")]
    Value(&'static str),
}

/// A receipt as found in a text, with the authentication code that stood there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// What the block says.
    pub receipt: Receipt,
    /// The code at its foot, in hexadecimal.
    check: String,
}

impl Claimed {
    /// Whether the block's code is the one this installation's `key` gives; compared in constant time.
    pub fn check(&self, key: &[u8]) -> bool {
        use subtle::ConstantTimeEq as _;
        self.receipt.code(key).as_bytes().ct_eq(self.check.as_bytes()).into()
    }
}

impl Receipt {
    /// The block, lines parted by `\n`, authenticated with the installation's `key` (HMAC-SHA-256, RFC 2104).
    pub fn render(&self, key: &[u8]) -> String {
        format!("{BEGIN}\n{}check {}\n{END}\n", self.lines(), self.code(key))
    }

    /// Reads the one block in `text`: quoted, re-wrapped, flowed or space-squeezed as mail programs do.
    ///
    /// # Errors
    /// A [`ReceiptFault`] when there is none, more than one, or it is damaged. The code is not judged here.
    pub fn parse(text: &str) -> Result<Claimed, ReceiptFault> {
        let words = block_words(text)?;
        let mut rest = words.as_slice();
        let version = take(&mut rest, "hagaki", &["study"])?;
        if version != VERSION && version != VERSION_AGAIN {
            return Err(ReceiptFault::Value("hagaki"));
        }
        let study = decoded(&take(&mut rest, "study", &["stage"])?, "study")?;
        let stage = Stage::find(&take(&mut rest, "stage", &["subject"])?).ok_or(ReceiptFault::Value("stage"))?;
        let subject = decoded(&take(&mut rest, "subject", &["arm", "code", "registered"])?, "subject")?;
        let (told, at, allocation, chain) = take_told(&mut rest)?;
        let mut again = Vec::new();
        while version == VERSION_AGAIN && rest.first().is_some_and(|word| word == "randomization") {
            let next = &["arm", "code", "registered"];
            let randomization = decoded(&take(&mut rest, "randomization", next)?, "randomization")?;
            let (told, at, allocation, chain) = take_told(&mut rest)?;
            again.push(Again { randomization, told, at, allocation, chain });
        }
        if again.is_empty() && version == VERSION_AGAIN {
            return Err(ReceiptFault::Line("randomization"));
        }
        let check = take(&mut rest, "check", &[])?.to_ascii_lowercase();
        if check.len() != CHECK_CHARS || !check.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ReceiptFault::Value("check"));
        }
        Ok(Claimed { receipt: Receipt { study, stage, subject, told, at, allocation, chain, again }, check })
    }

    /// The authenticated lines.
    fn lines(&self) -> String {
        let version = if self.again.is_empty() { VERSION } else { VERSION_AGAIN };
        let mut lines = format!(
            "hagaki {version}\nstudy {}\nstage {}\nsubject {}\n{}",
            encoded(&self.study),
            self.stage.key(),
            encoded(&self.subject),
            told_lines(&self.told, self.at, self.allocation, &self.chain),
        );
        for again in &self.again {
            lines.push_str(&format!("randomization {}\n", encoded(&again.randomization)));
            lines.push_str(&told_lines(&again.told, again.at, again.allocation, &again.chain));
        }
        lines
    }

    fn code(&self, key: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length (RFC 2104 section 2)");
        mac.update(b"hagaki receipt\n");
        mac.update(self.lines().as_bytes());
        data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes())
    }
}

/// The lines of one allocation.
fn told_lines(told: &Told, at: Instant, allocation: u64, chain: &str) -> String {
    let (word, told) = match told {
        Told::Arm(arm) => ("arm", encoded(arm)),
        Told::Code(code) => ("code", encoded(code)),
        Told::Registered => ("registered", "yes".to_string()),
    };
    // Nothing is enrolled before 1970; microseconds keep the value exact and free of colons.
    format!("{word} {told}\ntime {}\nallocation {allocation}\nchain {}\n", at.0.max(0), encoded(chain))
}

/// Takes the lines of one allocation.
fn take_told(rest: &mut &[String]) -> Result<(Told, Instant, u64, String), ReceiptFault> {
    let told = match rest.first().map(String::as_str) {
        Some("arm") => Told::Arm(decoded(&take(rest, "arm", &["time"])?, "arm")?),
        Some("code") => Told::Code(decoded(&take(rest, "code", &["time"])?, "code")?),
        Some("registered") => match take(rest, "registered", &["time"])?.as_str() {
            "yes" => Told::Registered,
            _ => return Err(ReceiptFault::Value("registered")),
        },
        _ => return Err(ReceiptFault::Line("arm")),
    };
    let at = whole(&take(rest, "time", &["allocation"])?).ok_or(ReceiptFault::Value("time"))?;
    let allocation = whole(&take(rest, "allocation", &["chain"])?).ok_or(ReceiptFault::Value("allocation"))?;
    let chain = decoded(&take(rest, "chain", &["randomization", "check"])?, "chain")?;
    let at = Instant(i64::try_from(at).map_err(|_| ReceiptFault::Value("time"))?);
    Ok((told, at, allocation, chain))
}

/// The words between the block's first and last line.
fn block_words(text: &str) -> Result<Vec<String>, ReceiptFault> {
    let mut words = Vec::new();
    let mut inside = false;
    let mut ended = false;
    for line in text.lines() {
        let line = unquoted(line);
        if marks(line, BEGIN) {
            if inside || ended {
                return Err(ReceiptFault::Several);
            }
            inside = true;
        } else if inside && marks(line, END) {
            inside = false;
            ended = true;
        } else if inside {
            words.extend(line.split_whitespace().map(str::to_string));
        }
    }
    match (inside, ended) {
        (true, _) => Err(ReceiptFault::NoEnd),
        (false, false) => Err(ReceiptFault::NoBegin),
        (false, true) => Ok(words),
    }
}

/// Whether a line is that boundary, however its dashes and blanks came through (dash-escaping, RFC 9580 section 7.2).
fn marks(line: &str, boundary: &str) -> bool {
    let wanted = boundary.trim_matches('-').split_whitespace();
    line.trim_matches(|c: char| c == '-' || c.is_whitespace()).split_whitespace().eq(wanted)
}

/// A line without the marks that quoting puts before it.
fn unquoted(line: &str) -> &str {
    line.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '>' | '＞' | '|'))
}

/// Takes a line's word and its value, joined again if it was wrapped; the value ends before one of the `next` words.
fn take(rest: &mut &[String], word: &'static str, next: &[&str]) -> Result<String, ReceiptFault> {
    let (first, after) = rest.split_first().ok_or(ReceiptFault::Line(word))?;
    if first != word {
        return Err(ReceiptFault::Line(word));
    }
    // The first word after the key is always the value, even if it reads like the next key.
    let (value, mut after) = after.split_first().ok_or(ReceiptFault::Line(word))?;
    let mut value = value.clone();
    while let Some((more, later)) = after.split_first() {
        if next.contains(&more.as_str()) {
            break;
        }
        value.push_str(more);
        after = later;
    }
    *rest = after;
    Ok(value)
}

/// Canonical decimal digits only: one spelling per number.
fn whole(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a String does not fail");
        }
    }
    // An empty value must still be a word.
    if out.is_empty() { "%".to_string() } else { out }
}

fn decoded(text: &str, word: &'static str) -> Result<String, ReceiptFault> {
    if text == "%" {
        return Ok(String::new());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(ReceiptFault::Value(word)) };
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| ReceiptFault::Value(word))?);
    }
    let value = String::from_utf8(bytes).map_err(|_| ReceiptFault::Value(word))?;
    if encoded(&value) == text { Ok(value) } else { Err(ReceiptFault::Value(word)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &[u8] = b"an installation's key";

    fn sample() -> Receipt {
        Receipt {
            study: "aurora".into(),
            stage: Stage::Production,
            subject: "A-0017".into(),
            told: Told::Arm("A".into()),
            at: Instant(1_795_133_100_000_000),
            allocation: 17,
            chain: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
            again: Vec::new(),
        }
    }

    #[test]
    fn a_block_has_no_line_that_reads_as_a_key_and_a_value() {
        let block = sample().render(KEY);
        assert!(!block.contains([':', '=', '\t']), "{block}");
        assert!(block.lines().all(|line| line.len() <= 76), "{block}");
    }

    #[test]
    fn what_mail_programs_do_to_a_block_does_not_change_it() {
        let block = sample().render(KEY);
        let letter = format!("Dear Dr Yamada,\n\n{block}\nregards\n");
        let variants = [
            letter.clone(),
            letter.replace('\n', "\r\n"),
            letter.lines().map(|line| format!("> {line}\n")).collect(),
            letter.lines().map(|line| format!(">> |  {line}  \n")).collect(),
            letter.lines().map(|line| format!(" {line}\n")).collect(),
            letter.replace(' ', "  "),
            letter.replace("-----BEGIN", "- -----BEGIN").replace("-----END", "- -----END"),
            // Wrapped in the middle of a digest.
            letter.replace("9f86d081884c7d65", "9f86d081884c\n> 7d65"),
        ];
        for variant in variants {
            let claimed = Receipt::parse(&variant).expect(&variant);
            assert_eq!(claimed.receipt, sample(), "{variant}");
            assert!(claimed.check(KEY), "{variant}");
        }
    }

    #[test]
    fn a_changed_block_or_another_key_fails_the_check() {
        let block = sample().render(KEY);
        assert!(!Receipt::parse(&block).expect("whole").check(b"another key"));
        for (from, to) in
            [("arm A", "arm B"), ("arm A", "code A"), ("A-0017", "A-0018"), ("allocation 17", "allocation 18")]
        {
            let forged = block.replace(from, to);
            assert_ne!(forged, block);
            assert!(!Receipt::parse(&forged).expect("readable").check(KEY), "{forged}");
        }
    }

    #[test]
    fn a_damaged_block_names_its_damage() {
        let block = sample().render(KEY);
        assert_eq!(Receipt::parse("nothing"), Err(ReceiptFault::NoBegin));
        assert_eq!(Receipt::parse(&block.replace(END, "")), Err(ReceiptFault::NoEnd));
        assert_eq!(Receipt::parse(&format!("{block}{block}")), Err(ReceiptFault::Several));
        assert_eq!(Receipt::parse(&block.replace("stage production\n", "")), Err(ReceiptFault::Line("stage")));
        assert_eq!(Receipt::parse(&block.replace("subject A-0017\n", "")), Err(ReceiptFault::Value("stage")));
        assert_eq!(Receipt::parse(&block.replace("time 1", "time 01")), Err(ReceiptFault::Value("time")));
        assert_eq!(
            Receipt::parse(&block.replace("study aurora", "study aur%zzora")),
            Err(ReceiptFault::Value("study"))
        );
        assert_eq!(Receipt::parse(&block.replace("hagaki 1", "hagaki 3")), Err(ReceiptFault::Value("hagaki")));
    }

    proptest! {
        #[test]
        fn every_receipt_is_read_as_it_was_written(
            study in ".{0,40}", subject in "\\PC{0,20}", told in 0..3u8, value in ".{0,20}",
            at in 0..i64::MAX, allocation: u64, chain in "[0-9a-f]{64}", development: bool,
            again in proptest::collection::vec(("[a-z_]{1,8}", ".{0,10}", any::<u64>()), 0..3),
            width in 20..90usize, quote in prop::sample::select(vec!["", "> ", ">", ">>> ", "| "]),
        ) {
            let again = again.into_iter().map(|(randomization, arm, allocation)| Again {
                randomization, told: Told::Arm(arm), at: Instant(at), allocation, chain: chain.clone(),
            });
            let receipt = Receipt {
                study, subject, allocation, again: again.collect(), chain, at: Instant(at),
                stage: if development { Stage::Development } else { Stage::Production },
                told: match told { 0 => Told::Arm(value), 1 => Told::Code(value), _ => Told::Registered },
            };
            // Wrapped anywhere behind a line's word, and quoted.
            let mut text = String::new();
            for line in receipt.render(KEY).lines() {
                let boundary = line.starts_with("-----");
                let chars: Vec<char> = line.chars().collect();
                for piece in chars.chunks(if boundary { 200 } else { width }) {
                    text.push_str(quote);
                    text.extend(piece);
                    text.push_str("\r\n");
                }
            }
            let claimed = Receipt::parse(&text);
            prop_assert_eq!(claimed.as_ref().map(|claimed| &claimed.receipt), Ok(&receipt));
            prop_assert!(claimed.is_ok_and(|claimed| claimed.check(KEY)));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "(-----BEGIN HAGAKI RECEIPT-----\n)?(\\PC{0,8}[ \n]){0,30}(-----END HAGAKI RECEIPT-----\n)?") {
            let _ = Receipt::parse(&text);
        }
    }
}
