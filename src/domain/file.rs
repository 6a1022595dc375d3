//! Files as answers: which types are taken, what is kept of one beside its bytes, and how it may be called.
//!
//! What a file is says its first bytes, never its name. The name is data of a stranger: bounded, without a path, with an ending that
//! agrees with what the file is.

use super::survey::Mark;
use super::text;
use crate::limits;

/// A type of file that can be told by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileType {
    /// Portable Document Format.
    Pdf,
    /// JPEG photograph.
    Jpeg,
    /// Portable Network Graphics.
    Png,
    /// Graphics Interchange Format.
    Gif,
    /// WebP picture.
    Webp,
    /// Tagged Image File Format.
    Tiff,
    /// Photograph of Apple's phones.
    Heic,
    /// One DICOM object.
    Dicom,
    /// Word document.
    Docx,
    /// Excel workbook.
    Xlsx,
    /// PowerPoint presentation.
    Pptx,
    /// OpenDocument text.
    Odt,
    /// OpenDocument spreadsheet.
    Ods,
    /// MPEG-4 film.
    Mp4,
    /// QuickTime film.
    Mov,
    /// MPEG audio.
    Mp3,
    /// WAVE audio.
    Wav,
}

impl FileType {
    /// Every type.
    pub const ALL: [FileType; 17] = [
        FileType::Pdf,
        FileType::Jpeg,
        FileType::Png,
        FileType::Gif,
        FileType::Webp,
        FileType::Tiff,
        FileType::Heic,
        FileType::Dicom,
        FileType::Docx,
        FileType::Xlsx,
        FileType::Pptx,
        FileType::Odt,
        FileType::Ods,
        FileType::Mp4,
        FileType::Mov,
        FileType::Mp3,
        FileType::Wav,
    ];

    /// Its name in bundles and answers.
    pub const fn key(self) -> &'static str {
        match self {
            FileType::Pdf => "pdf",
            FileType::Jpeg => "jpeg",
            FileType::Png => "png",
            FileType::Gif => "gif",
            FileType::Webp => "webp",
            FileType::Tiff => "tiff",
            FileType::Heic => "heic",
            FileType::Dicom => "dicom",
            FileType::Docx => "docx",
            FileType::Xlsx => "xlsx",
            FileType::Pptx => "pptx",
            FileType::Odt => "odt",
            FileType::Ods => "ods",
            FileType::Mp4 => "mp4",
            FileType::Mov => "mov",
            FileType::Mp3 => "mp3",
            FileType::Wav => "wav",
        }
    }

    /// Endings of names that agree with it, the usual one first.
    pub const fn endings(self) -> &'static [&'static str] {
        match self {
            FileType::Pdf => &["pdf"],
            FileType::Jpeg => &["jpg", "jpeg", "jpe", "jfif"],
            FileType::Png => &["png"],
            FileType::Gif => &["gif"],
            FileType::Webp => &["webp"],
            FileType::Tiff => &["tif", "tiff"],
            FileType::Heic => &["heic", "heif"],
            FileType::Dicom => &["dcm", "dicom"],
            FileType::Docx => &["docx"],
            FileType::Xlsx => &["xlsx"],
            FileType::Pptx => &["pptx"],
            FileType::Odt => &["odt"],
            FileType::Ods => &["ods"],
            FileType::Mp4 => &["mp4", "m4v"],
            FileType::Mov => &["mov", "qt"],
            FileType::Mp3 => &["mp3"],
            FileType::Wav => &["wav", "wave"],
        }
    }

    /// What people call it.
    pub fn name(self) -> String {
        match self {
            FileType::Webp => "WebP".to_string(),
            other => other.key().to_uppercase(),
        }
    }

    /// The type of that name.
    pub fn find(key: &str) -> Option<FileType> {
        FileType::ALL.into_iter().find(|one| one.key() == key)
    }
}

/// Which files an item takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRule {
    /// Of which types; at least one.
    pub types: Vec<FileType>,
    /// Most bytes of one file.
    pub most_bytes: u64,
}

/// A file that was sent as an answer. Its bytes lie elsewhere, under its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileAnswer {
    /// Random, and the name its bytes lie under.
    pub key: Mark,
    /// What its first bytes say it is.
    pub kind: FileType,
    /// How long it is.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
    /// What its sender calls it; empty where nobody may know.
    pub name: String,
}

impl FileAnswer {
    /// The stored and compared form: key, type, bytes, digest, and the name, parted by blanks.
    pub fn canonical(&self) -> String {
        let digest = data_encoding::HEXLOWER.encode(&self.digest);
        let text = format!("{} {} {} {digest} {}", self.key.text(), self.kind.key(), self.bytes, self.name);
        text.trim_end().to_string()
    }

    /// The file of such a text.
    pub fn parse(text: &str) -> Option<FileAnswer> {
        let mut parts = text.splitn(5, ' ');
        let key = Mark::parse(parts.next()?)?;
        let kind = FileType::find(parts.next()?)?;
        let bytes = parts.next()?.parse().ok()?;
        let digest = data_encoding::HEXLOWER.decode(parts.next()?.as_bytes()).ok()?.try_into().ok()?;
        let name = parts.next().unwrap_or_default().trim_end().to_string();
        Some(FileAnswer { key, kind, bytes, digest, name })
    }

    /// What it is called where it is shown: its own name, or what it is.
    pub fn shown(&self) -> String {
        let size = size_text(self.bytes);
        match self.name.as_str() {
            "" => format!("{}, {size}", self.kind.name()),
            name => format!("{name} ({}, {size})", self.kind.name()),
        }
    }

    /// What it is called in a folder, behind a name that we gave: `scan.pdf`.
    pub fn file_name(&self, stem: &str) -> String {
        format!("{stem}.{}", self.kind.endings()[0])
    }
}

/// A number of bytes as people read it: `830 B`, `47 KB`, `4.9 MB`.
pub fn size_text(bytes: u64) -> String {
    const STEP: u64 = 1_000;
    match bytes {
        0..STEP => format!("{bytes} B"),
        _ if bytes < STEP * STEP => format!("{} KB", bytes.div_ceil(STEP)),
        _ => {
            let tenths = bytes.div_ceil(STEP * STEP / 10);
            match tenths % 10 {
                0 => format!("{} MB", tenths / 10),
                rest => format!("{}.{rest} MB", tenths / 10),
            }
        }
    }
}

/// The number of bytes that `500 KB` or `5 MB` says, in thousands as people count them.
pub fn read_size(text: &str) -> Option<u64> {
    let tight: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_uppercase();
    let (digits, unit) = tight.split_at(tight.find(|c: char| !c.is_ascii_digit())?);
    let factor = match unit {
        "KB" => 1_000,
        "MB" => 1_000_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor).filter(|bytes| *bytes > 0)
}

/// What a file may be called, from what its sender calls it: one bounded line without a path, which ends as files of its type do.
pub fn clean_name(sent: &str, kind: FileType) -> String {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    // Browsers write what would end the field so (HTML, "multipart/form-data encoding algorithm").
    let last = ["%22", "%0D", "%0A"].iter().fold(last.to_string(), |name, sign| name.replace(sign, ""));
    let hidden = |c: char| c.is_control() || text::is_invisible(c) || text::is_bidi(c);
    let line: String = last.chars().filter(|c| !hidden(*c) && !"<>:\"|?*%;".contains(*c)).collect();
    let line = text::squeeze(&line);
    let line = line.trim_matches(['.', ' ']);
    let (stem, ending) = line.rsplit_once('.').unwrap_or((line, ""));
    let agrees = kind.endings().iter().any(|own| own.eq_ignore_ascii_case(ending));
    let (stem, ending) = match agrees {
        true => (stem, ending),
        false => (line, kind.endings()[0]),
    };
    let stem: String = stem.chars().take(limits::FILE_NAME_CHARS).collect();
    let stem = stem.trim_matches(['.', ' ']);
    format!("{}.{ending}", if stem.is_empty() { "file" } else { stem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_back() {
        for name in ["", "a.pdf", "紹介状 2026 年.pdf"] {
            let answer = FileAnswer {
                key: Mark([7; 16]),
                kind: FileType::Pdf,
                bytes: 48_213,
                digest: [9; 32],
                name: name.to_string(),
            };
            assert_eq!(FileAnswer::parse(&answer.canonical()), Some(answer));
        }
        for wrong in ["", "a b c d", "07 pdf 1 00 x"] {
            assert_eq!(FileAnswer::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_lose_paths_and_lies() {
        for (sent, kept) in [
            ("scan.pdf", "scan.pdf"),
            ("SCAN.PDF", "SCAN.PDF"),
            ("../../etc/passwd", "passwd.pdf"),
            ("C:\\Users\\me\\紹介状.pdf", "紹介状.pdf"),
            ("evil.html", "evil.html.pdf"),
            ("a\r\nSet-Cookie: x=1.pdf", "aSet-Cookie x=1.pdf"),
            ("\u{202e}fdp.exe", "fdp.exe.pdf"),
            ("", "file.pdf"),
            ("...", "file.pdf"),
            (".pdf", "pdf.pdf"),
            ("con\u{0}.pdf", "con.pdf"),
            ("a\"; filename=\"b.exe", "a filename=b.exe.pdf"),
        ] {
            assert_eq!(clean_name(sent, FileType::Pdf), kept, "{sent:?}");
        }
        let long = clean_name(&"長".repeat(5_000), FileType::Png);
        assert_eq!(long.chars().count(), limits::FILE_NAME_CHARS + 4);
    }

    proptest::proptest! {
        #[test]
        fn any_name_becomes_one_that_stays(sent in ".{0,300}", at in 0..FileType::ALL.len()) {
            let name = clean_name(&sent, FileType::ALL[at]);
            proptest::prop_assert!(!name.contains(['/', '\\', '\r', '\n', '"', '\0']) && !name.starts_with('.'), "{:?}", name);
            proptest::prop_assert_eq!(clean_name(&name, FileType::ALL[at]), name);
        }
    }

    #[test]
    fn sizes_are_read_and_told() {
        for (text, bytes) in [("5 MB", 5_000_000), ("500KB", 500_000), ("1 mb", 1_000_000)] {
            assert_eq!(read_size(text), Some(bytes), "{text}");
        }
        for wrong in ["", "5", "0 MB", "5 GB", "MB", "-1 MB", "1.5 MB", "99999999999999999999 MB"] {
            assert_eq!(read_size(wrong), None, "{wrong}");
        }
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1 KB"),
            (46_001, "47 KB"),
            (1_000_000, "1 MB"),
            (4_810_000, "4.9 MB"),
            (5_000_000, "5 MB"),
        ] {
            assert_eq!(size_text(bytes), text);
        }
    }
}
