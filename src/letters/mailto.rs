//! `mailto:` links that open a mail already written (RFC 6068).

use std::fmt::Write as _;

use crate::limits;

/// A link that opens a mail to `address` with that subject and body; `None` if it would be longer than
/// [`limits::MAILTO_CHARS`], because the widespread mail programs cut such links in silence.
pub fn link(address: &str, subject: &str, body: &str) -> Option<String> {
    let mut link = String::from("mailto:");
    // In an address only `@`, and what needs no escape in a path, may stand bare (RFC 6068 section 2, item 1).
    escape(&mut link, address, b"@");
    link.push_str("?subject=");
    escape(&mut link, &subject.replace(['\r', '\n'], " "), b"");
    let body = body.trim_end();
    if !body.is_empty() {
        link.push_str("&body=");
        // Lines are parted by %0D%0A (RFC 6068 section 5).
        escape(&mut link, &body.replace("\r\n", "\n").replace('\n', "\r\n"), b"");
        link.push_str("%0D%0A");
    }
    (link.len() <= limits::MAILTO_CHARS).then_some(link)
}

/// Percent-encodes all but the unreserved characters of RFC 3986 section 2.3 and those `bare`. A `+` is escaped too:
/// some programs take a bare one for a blank.
fn escape(out: &mut String, text: &str, bare: &[u8]) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') || bare.contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a String does not fail");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_escapes_everything_that_could_end_a_part_of_it() {
        assert_eq!(
            link("reg+aurora@example.jp", "[A] 登録\r\nBcc: x", "年齢: 6&5=\nb?#%\n\n").as_deref(),
            Some(
                "mailto:reg%2Baurora@example.jp?subject=%5BA%5D%20%E7%99%BB%E9%8C%B2%20%20Bcc%3A%20x\
                 &body=%E5%B9%B4%E9%BD%A2%3A%206%265%3D%0D%0Ab%3F%23%25%0D%0A"
            )
        );
    }

    #[test]
    fn a_link_without_a_body_has_none() {
        assert_eq!(link("a@example.jp", "s", " \n").as_deref(), Some("mailto:a@example.jp?subject=s"));
    }

    #[test]
    fn a_link_that_mail_programs_would_cut_is_not_made() {
        let body = "x".repeat(limits::MAILTO_CHARS);
        assert_eq!(link("a@example.jp", "s", &body), None);
    }
}
