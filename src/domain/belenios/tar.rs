//! The container: an old-style tar file, of which every byte is given by names, contents and one time for all records. It has no end
//! mark, so that it grows by appending.

use super::problem::Code;
use crate::limits;

/// Bytes of a block.
pub const BLOCK: usize = 512;
/// Longest name, in bytes.
const NAME_BYTES: usize = 100;
const SIZE_AT: usize = 124;
const TIME_AT: usize = 136;
const CHECKSUM_AT: usize = 148;
/// Digits of a size and of a time, in octal.
const OCTAL_DIGITS: usize = 11;

/// The block before a record; nothing if the name, the size or the time does not fit.
pub fn head(name: &str, size: usize, time: u64) -> Option<[u8; BLOCK]> {
    let (size, time) = (format!("{size:011o}"), format!("{time:011o}"));
    if name.len() >= NAME_BYTES || size.len() > OCTAL_DIGITS || time.len() > OCTAL_DIGITS {
        return None;
    }
    let mut block = [0; BLOCK];
    let fields = [(0, name), (100, "0000644"), (108, "0000000"), (116, "0000000"), (SIZE_AT, &size), (TIME_AT, &time)];
    for (at, text) in fields.into_iter().chain([(CHECKSUM_AT, "        "), (156, "0")]) {
        block[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let checksum = format!("{sum:06o}\0 ");
    block[CHECKSUM_AT..CHECKSUM_AT + checksum.len()].copy_from_slice(checksum.as_bytes());
    Some(block)
}

/// A whole record, padded to blocks.
pub fn record(name: &str, body: &[u8], time: u64) -> Option<Vec<u8>> {
    let mut record = head(name, body.len(), time)?.to_vec();
    record.extend(body);
    record.resize(record.len().next_multiple_of(BLOCK), 0);
    Some(record)
}

/// A record as it was found.
#[derive(Clone, Debug)]
pub struct Record {
    head: [u8; BLOCK],
    /// Its content.
    pub body: Vec<u8>,
    padded_with_zeros: bool,
}

impl Record {
    /// What it is called; nothing if that is no text.
    pub fn name(&self) -> Option<&str> {
        std::str::from_utf8(self.head[..NAME_BYTES].split(|byte| *byte == 0).next()?).ok()
    }

    /// Whether it is byte for byte as it has to be, at that time.
    pub(super) fn check(&self, time: u64) -> Result<(), Code> {
        let expected = self.name().and_then(|name| head(name, self.body.len(), time));
        match expected {
            Some(expected) if expected == self.head && self.padded_with_zeros => Ok(()),
            Some(expected) if expected == self.head => Err(Code::TarPadding),
            _ => Err(Code::TarHeader),
        }
    }
}

/// Cuts a file into records, as its bytes come.
#[derive(Debug, Default)]
pub struct Splitter {
    waiting: Vec<u8>,
    done: usize,
}

impl Splitter {
    /// Takes more bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.drain(..self.done);
        self.done = 0;
        self.waiting.extend(bytes);
    }

    /// The next record, once it is there as a whole.
    pub fn next_record(&mut self) -> Result<Option<Record>, Code> {
        let rest = &self.waiting[self.done..];
        let Some(head) = rest.first_chunk::<BLOCK>() else { return Ok(None) };
        let digits = std::str::from_utf8(&head[SIZE_AT..SIZE_AT + OCTAL_DIGITS]).map_err(|_| Code::TarHeader)?;
        if !digits.bytes().all(|digit| matches!(digit, b'0'..=b'7')) {
            return Err(Code::TarHeader);
        }
        let size = usize::from_str_radix(digits, 8).map_err(|_| Code::TarHeader)?;
        if size > limits::BEL_RECORD_BYTES {
            return Err(Code::TooLarge);
        }
        let end = BLOCK + size.next_multiple_of(BLOCK);
        let Some(whole) = rest.get(..end) else { return Ok(None) };
        let padded_with_zeros = whole[BLOCK + size..].iter().all(|byte| *byte == 0);
        let record = Record { head: *head, body: whole[BLOCK..BLOCK + size].to_vec(), padded_with_zeros };
        self.done += end;
        Ok(Some(record))
    }

    /// Whether the file may end here.
    pub fn is_empty(&self) -> bool {
        self.done == self.waiting.len()
    }
}
