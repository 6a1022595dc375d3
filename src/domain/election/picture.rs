//! Pictures of candidates: which files can be shown, and what is known of one.
//!
//! A picture is told by its first bytes, never by its name. What a camera writes beside it (Exif) can tell where it was taken, so that such
//! a file is refused: whoever stands for a post gave a face, and not the place where they live.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::limits;

/// First bytes of a PNG (ISO/IEC 15948 section 5.2).
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Bytes of a PNG's chunk beside its data: length, name, checksum.
const CHUNK: usize = 12;

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureKind {
    /// Portable Network Graphics.
    Png,
    /// JPEG.
    Jpeg,
}

impl PictureKind {
    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            PictureKind::Png => "image/png",
            PictureKind::Jpeg => "image/jpeg",
        }
    }

    const fn ending(self) -> &'static str {
        match self {
            PictureKind::Png => "png",
            PictureKind::Jpeg => "jpg",
        }
    }
}

/// A picture that can be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// What it is called, by what is in it: so no page shows the one of before.
    pub name: String,
    /// How it is written.
    pub kind: PictureKind,
    /// Points across.
    pub width: u32,
    /// Points down.
    pub height: u32,
    /// The file.
    pub bytes: Arc<[u8]>,
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({:?} {}x{}, {} bytes)", self.kind, self.width, self.height, self.bytes.len())
    }
}

/// Why a file is no picture of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureFault {
    /// It is neither PNG nor JPEG, or cut off.
    Kind,
    /// The file is too large.
    Bytes,
    /// It has more points than are shown, or none.
    Points,
    /// It holds what a camera wrote beside the picture.
    Exif,
}

impl fmt::Display for PictureFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PictureFault::Kind => f.write_str("is neither a PNG nor a JPEG picture"),
            PictureFault::Bytes => write!(f, "is larger than {} kB", limits::PICTURE_BYTES / 1_000),
            PictureFault::Points => {
                write!(f, "is more than {} points wide or high, or has none", limits::PICTURE_POINTS)
            }
            PictureFault::Exif => {
                f.write_str("holds what a camera wrote beside the picture (Exif), which can tell where it was taken")
            }
        }
    }
}

impl Picture {
    /// A picture from its file.
    ///
    /// # Errors
    /// Why it can be none.
    pub fn read(bytes: &[u8]) -> Result<Picture, PictureFault> {
        if bytes.len() > limits::PICTURE_BYTES {
            return Err(PictureFault::Bytes);
        }
        let (kind, seen) = match bytes.strip_prefix(PNG) {
            Some(chunks) => (PictureKind::Png, png(chunks)),
            None => (PictureKind::Jpeg, jpeg(bytes)),
        };
        let Seen { width, height, exif } = seen.ok_or(PictureFault::Kind)?;
        if exif {
            return Err(PictureFault::Exif);
        }
        let fits = |points: u32| (1..=limits::PICTURE_POINTS).contains(&points);
        if !fits(width) || !fits(height) {
            return Err(PictureFault::Points);
        }
        let digest = Sha256::digest(bytes);
        let digest = data_encoding::HEXLOWER.encode(digest.get(..12).unwrap_or_default());
        Ok(Picture { name: format!("{digest}.{}", kind.ending()), kind, width, height, bytes: bytes.into() })
    }
}

/// What a file tells of its picture.
struct Seen {
    width: u32,
    height: u32,
    exif: bool,
}

/// Four bytes, most significant first.
fn long(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

/// Two bytes, most significant first.
fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two))
}

/// Goes through the chunks behind a PNG's first bytes (ISO/IEC 15948 section 5.3).
fn png(mut chunks: &[u8]) -> Option<Seen> {
    let mut seen = None;
    loop {
        let length = usize::try_from(long(chunks, 0)?).ok()?;
        let (chunk, rest) = chunks.split_at_checked(length.checked_add(CHUNK)?)?;
        match (chunk.get(4..8)?, &mut seen) {
            (b"IHDR", None) => seen = Some(Seen { width: long(chunk, 8)?, height: long(chunk, 12)?, exif: false }),
            (_, None) => return None,
            (b"eXIf", Some(seen)) => seen.exif = true,
            (b"IEND", _) => return seen,
            _ => {}
        }
        chunks = rest;
    }
}

/// Goes through the segments of a JPEG up to its points (ITU-T T.81 annex B).
fn jpeg(bytes: &[u8]) -> Option<Seen> {
    let mut at = bytes.starts_with(&[0xFF, 0xD8, 0xFF]).then_some(2)?;
    let (mut size, mut exif) = (None, false);
    loop {
        let marker = *bytes.get(at..)?.strip_prefix(&[0xFF])?.first()?;
        // Bytes between segments that mean nothing.
        if marker == 0xFF {
            at += 1;
            continue;
        }
        let length = usize::from(short(bytes, at + 2)?);
        let data = bytes.get(at + 4..at + 2 + length)?;
        match marker {
            // The frame, of whatever coding; the four left out define tables.
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                size = Some((u32::from(short(data, 3)?), u32::from(short(data, 1)?)));
            }
            0xE1 => exif |= data.starts_with(b"Exif\0"),
            // From here on there are the points.
            0xDA => return size.map(|(width, height)| Seen { width, height, exif }),
            _ => {}
        }
        at += 2 + length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        [&u32::try_from(data.len()).unwrap().to_be_bytes()[..], name, data, &[0; 4]].concat()
    }

    fn png_of(width: u32, height: u32, more: &[u8]) -> Vec<u8> {
        let size = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
        [PNG, &chunk(b"IHDR", &size), more, &chunk(b"IEND", &[])].concat()
    }

    fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
        [&[0xFF, marker][..], &u16::try_from(data.len() + 2).unwrap().to_be_bytes(), data].concat()
    }

    fn jpeg_of(width: u16, height: u16, more: &[u8]) -> Vec<u8> {
        let frame = [&[8][..], &height.to_be_bytes(), &width.to_be_bytes(), &[0; 10]].concat();
        [&[0xFF, 0xD8][..], more, &segment(0xC2, &frame), &segment(0xDA, &[0; 6]), &[1, 2, 3]].concat()
    }

    #[test]
    fn pictures_are_told_by_what_is_in_them() {
        let png = Picture::read(&png_of(300, 400, &[])).unwrap();
        assert_eq!((png.kind, png.width, png.height), (PictureKind::Png, 300, 400));
        let jpeg = Picture::read(&jpeg_of(300, 400, &segment(0xE0, b"JFIF\0"))).unwrap();
        assert_eq!((jpeg.kind, jpeg.width, jpeg.height), (PictureKind::Jpeg, 300, 400));
        assert!(jpeg.name.ends_with(".jpg") && jpeg.name != png.name);
    }

    #[test]
    fn what_is_none_or_tells_too_much_is_refused() {
        for (bytes, fault) in [
            (b"".to_vec(), PictureFault::Kind),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>".to_vec(), PictureFault::Kind),
            (b"GIF89a".to_vec(), PictureFault::Kind),
            (png_of(300, 400, &[])[..40].to_vec(), PictureFault::Kind),
            (jpeg_of(300, 400, &[])[..12].to_vec(), PictureFault::Kind),
            (png_of(0, 400, &[]), PictureFault::Points),
            (png_of(300, limits::PICTURE_POINTS + 1, &[]), PictureFault::Points),
            (png_of(300, 400, &chunk(b"eXIf", b"MM")), PictureFault::Exif),
            (jpeg_of(300, 400, &segment(0xE1, b"Exif\0\0MM")), PictureFault::Exif),
            (vec![0; limits::PICTURE_BYTES + 1], PictureFault::Bytes),
        ] {
            assert_eq!(Picture::read(&bytes), Err(fault), "{:?}", &bytes[..bytes.len().min(40)]);
        }
    }
}
