//! Limits of posted forms, and of the files in them.

/// Largest body of a posted form, in bytes, without the long texts of a questionnaire.
pub const FORM_BYTES: usize = 256 * 1024;
/// Largest body of a posted questionnaire, in bytes, however many long texts it asks for.
pub const ANSWERS_BYTES: usize = 2 * 1024 * 1024;
/// Largest file that an item may take, in bytes (20 MB).
pub const FILE_BYTES: u64 = 20_000_000;
/// Largest file that an item takes which does not say, in bytes (5 MB).
pub const FILE_BYTES_USUAL: u64 = 5_000_000;
/// Largest posted form with files in it, in bytes; what is too large for its item is read to its end and thrown away, so that the page
/// can say so.
pub const UPLOAD_BYTES: usize = 64_000_000;
/// Longest time that a form with files may take to arrive, in seconds (4 minutes).
pub const UPLOAD_SECONDS: u64 = 4 * 60;
/// Patience for the next piece of a file, in seconds; after so many a form with files must have come as fast as
/// [`UPLOAD_BYTES_PER_SECOND`].
pub const UPLOAD_PIECE_SECONDS: u64 = 20;
/// Slowest that a form with files may come, on the whole: what a poor connection of a phone carries.
pub const UPLOAD_BYTES_PER_SECOND: u64 = 4_000;
/// Most bytes of a posted form with files that are read ahead of what is done with them (1 MB).
pub const UPLOAD_AHEAD_BYTES: u64 = 1_000_000;
/// Most files that come in at the same time; others wait. Each takes as much memory as a piece that is stored at once.
pub const UPLOADS_AT_ONCE: usize = 8;
/// Bytes of a file that are sealed together.
pub const FILE_CHUNK_BYTES: usize = 64 * 1024;
/// Bytes that are given to a bucket at once; S3 takes no fewer but in the last part (Amazon S3, "Multipart upload limits").
pub const BUCKET_PART_BYTES: usize = 5 * 1024 * 1024;
/// First bytes of a file that are looked at to tell what it is.
pub const FILE_HEAD_BYTES: usize = 16 * 1024;
/// Longest name of a file that is kept, in characters, without its ending.
pub const FILE_NAME_CHARS: usize = 100;
/// Bytes of the name of a file, or of a field, in a posted form.
pub const UPLOAD_NAME_BYTES: usize = 4096;
