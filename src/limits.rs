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
/// Connections to PostgreSQL that one daemon opens.
pub const POSTGRES_CONNECTIONS: u32 = 16;
/// Connections to SQLite that only read.
pub const SQLITE_READERS: usize = 3;
/// Statements each connection keeps prepared.
pub const PREPARED_STATEMENTS: usize = 500;
/// Longest wait for a database server to accept or give a connection, in seconds.
pub const CONNECT_SECONDS: u64 = 10;
/// Longest wait for another transaction's lock, in seconds.
pub const LOCK_WAIT_SECONDS: u64 = 30;
/// Longest wait for the answer to one statement before the server counts as gone, in seconds.
pub const STATEMENT_SECONDS: u64 = 120;
/// Rows read at a time where all rows of a table are gone through.
pub const PAGE_ROWS: i64 = 10_000;
