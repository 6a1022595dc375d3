//! What a file is, by its first bytes.

use crate::domain::file::FileType;

/// The type that the first bytes of a file show, if it is one of ours.
pub fn sniff(head: &[u8]) -> Option<FileType> {
    // PNG and JPEG have longer marks than are looked at there, and a PDF begins at its first byte.
    let found = infer::get(head)?;
    Some(match found.mime_type() {
        "application/pdf" if head.starts_with(b"%PDF-") => FileType::Pdf,
        "image/jpeg" => FileType::Jpeg,
        "image/png" if head.starts_with(b"\x89PNG\r\n\x1a\n") => FileType::Png,
        "image/gif" if head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a") => FileType::Gif,
        "image/webp" if head.starts_with(b"RIFF") => FileType::Webp,
        "image/tiff" => FileType::Tiff,
        "image/heif" => FileType::Heic,
        "application/dicom" => FileType::Dicom,
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => FileType::Docx,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => FileType::Xlsx,
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => FileType::Pptx,
        "application/vnd.oasis.opendocument.text" => FileType::Odt,
        "application/vnd.oasis.opendocument.spreadsheet" => FileType::Ods,
        "video/mp4" => FileType::Mp4,
        "video/quicktime" => FileType::Mov,
        "audio/mpeg" => FileType::Mp3,
        "audio/x-wav" if head.starts_with(b"RIFF") => FileType::Wav,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_says_its_beginning() {
        for (head, kind) in [
            (&b"%PDF-1.7\n"[..], Some(FileType::Pdf)),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", Some(FileType::Jpeg)),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Some(FileType::Png)),
            (b"GIF89a\x01\0", Some(FileType::Gif)),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some(FileType::Webp)),
            (b"RIFF\0\0\0\0WAVEfmt ", Some(FileType::Wav)),
            (b"\0\0\0\x18ftypisom\0\0\0\0isomiso2", Some(FileType::Mp4)),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Some(FileType::Heic)),
            (b"", None),
            (b"%", None),
            (b"\n%PDF-1.7\n", None),
            (b"\x89PNG<html>", None),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", None),
            (b"<!DOCTYPE html><script>alert(1)</script>", None),
            (b"MZ\x90\0\x03", None),
            (b"PK\x03\x04\x14\0", None),
        ] {
            assert_eq!(sniff(head), kind, "{head:?}");
        }
        let mut dicom = vec![0; 128];
        dicom.extend(b"DICM\x02\0\0\0UL");
        assert_eq!(sniff(&dicom), Some(FileType::Dicom));
    }
}
