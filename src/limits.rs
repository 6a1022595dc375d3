//! Every limit, named, in one place (promise 9). What exceeds one is refused with a reason.
//!
//! A unit ends a name where there is one.

/// Largest mail that is downloaded, in bytes; of a larger one only the headers are kept, and it goes to quarantine.
pub const MAIL_BYTES: usize = 10 * 1024 * 1024;
/// Largest header block that is read, in bytes.
pub const HEADER_BLOCK_BYTES: usize = 64 * 1024;
/// Largest single header field or body line that is read, in bytes.
pub const LINE_BYTES: usize = 32 * 1024;
/// Most header fields of one mail.
pub const HEADER_FIELDS: usize = 500;
/// Most `Received` fields before a mail counts as looping.
pub const HOPS: usize = 50;
/// Deepest nesting of MIME parts.
pub const MIME_DEPTH: usize = 20;
/// Most MIME parts of one mail.
pub const MIME_PARTS: usize = 100;
/// Most decoded text that is read for data, in bytes.
pub const TEXT_BYTES: usize = 1024 * 1024;
/// Most `key: value` lines of one mail.
pub const KEYS: usize = 500;
/// Longest answer, in characters.
pub const ANSWER_CHARS: usize = 20_000;
/// Age of a `Date` header beyond which a mail is held as a replay, in seconds (30 days).
pub const DATE_AGE_SECONDS: i64 = 30 * 24 * 3600;
/// How far ahead of our clock a `Date` header may be, in seconds (2 days).
pub const DATE_AHEAD_SECONDS: i64 = 2 * 24 * 3600;
/// Tries to read one mail before it is set aside as poison.
pub const READ_TRIES: i64 = 3;
/// Most items of one instrument.
pub const ITEMS: usize = 1_000;
/// Most choices of one item.
pub const CHOICES: usize = 500;
/// Most sites of one study.
pub const SITES: usize = 5_000;
/// Most people of one study.
pub const PEOPLE: usize = 10_000;
/// Most arms of one scheme.
pub const ARMS: usize = 20;
/// Most factors of one scheme.
pub const FACTORS: usize = 30;
/// Greatest ratio or integer weight in a scheme.
pub const RATIO: u64 = 1_000;
/// Most kits of one study.
pub const KITS: usize = 1_000_000;
/// Largest file of a bundle, in bytes.
pub const BUNDLE_FILE_BYTES: usize = 64 * 1024 * 1024;
/// Longest text that is tried as a day or a time, in characters.
pub const DAY_CHARS: usize = 64;
/// Longest expression of a bundle, in characters.
pub const EXPRESSION_CHARS: usize = 2_000;
/// Most operators of an expression: signs of `! - + * / % < > = & | ? : .` and words `in`. The parser recurses over them.
pub const EXPRESSION_SIGNS: usize = 200;
/// Deepest nesting of brackets in an expression; a call's counts as two, `[` and `{` as three.
pub const EXPRESSION_DEPTH: usize = 9;
/// Deepest tree of an expression; `&&` and `||` are balanced and hardly count. Evaluation recurses over it, and must fit the
/// 2 MB stack of a thread even in a debug build.
pub const EXPRESSION_TREE: usize = 40;
/// Longest regular expression of a bundle, in characters.
pub const PATTERN_CHARS: usize = 500;
/// Most memory of one compiled regular expression, in bytes.
pub const PATTERN_BYTES: usize = 1024 * 1024;
/// Most digits of a typed number.
pub const NUMBER_DIGITS: usize = 30;
/// Most digits behind the point of a decimal item.
pub const DECIMAL_PLACES: i64 = 10;
/// Most files of a bundle.
pub const BUNDLE_FILES: usize = 2_000;
/// Largest bundle, all files together, in bytes.
pub const BUNDLE_BYTES: usize = 128 * 1024 * 1024;
/// Largest TOML file or letter of a bundle, in bytes; only the kit list may reach [`BUNDLE_FILE_BYTES`].
pub const BUNDLE_TEXT_BYTES: usize = 4 * 1024 * 1024;
/// Deepest folder inside a bundle.
pub const BUNDLE_DEPTH: usize = 5;
/// Longest wording of a label, name, message or help text in a bundle, in characters.
pub const WORDING_CHARS: usize = 2_000;
/// Most problems of one bundle that are listed.
pub const PROBLEMS: usize = 500;
/// Most choices that a fault lists as its expected codes.
pub const EXPECTED_CODES: usize = 30;
