//! Header fields of our mails: every foreign value is cleaned, encoded and folded here, and nowhere else.
//!
//! Written out by hand rather than through lettre's builder, which panics on a display name with control characters
//! and lets controls in ASCII words through. A value can never begin another field: line ends are removed before
//! encoding, and only folding puts new ones in.

use super::clean;
use crate::limits;

/// Room in a folded line, in characters (RFC 5322 section 2.1.1).
const LINE: usize = 76;
/// Most bytes of text in one encoded word, so that it stays within 75 characters (RFC 2047 section 2).
const WORD_BYTES: usize = 45;

/// A field with free text, such as `Subject`.
pub fn text(name: &str, value: &str) -> String {
    let value = clean::line(value, limits::HEADER_VALUE_CHARS);
    if is_plain(&value) { folded(name, value.split(' ')) } else { folded(name, encoded_words(name, &value)) }
}

/// A field with one mailbox, such as `From`: `"Name" <local@domain>`, the name an encoded word where needed.
///
/// `address` must have passed [`is_address`].
pub fn mailbox(name: &str, display: &str, address: &str) -> String {
    let display = clean::line(display, limits::REPEATED_CHARS);
    let angle = format!("<{address}>");
    if display.is_empty() {
        return folded(name, [address]);
    }
    // Only atoms go unquoted (RFC 5322 section 3.2.3); everything else becomes encoded words, which need no quoting.
    let atoms = is_plain(&display)
        && display.bytes().all(|byte| byte == b' ' || byte.is_ascii_alphanumeric() || b"-_'!*/+".contains(&byte));
    let mut words: Vec<String> =
        if atoms { display.split(' ').map(str::to_string).collect() } else { encoded_words(name, &display) };
    words.push(angle);
    folded(name, words)
}

/// A field of message identifiers, one a line. Each must have passed [`is_message_id`].
pub fn identifiers<'a>(name: &str, ids: impl IntoIterator<Item = &'a str>) -> String {
    format!("{name}: {}\r\n", ids.into_iter().collect::<Vec<_>>().join("\r\n "))
}

/// A field with the address of a page, such as `List-Unsubscribe` (RFC 2369), and behind it perhaps one to write to: `<https://…>,
/// <mailto:…>`, each on a line of its own and whole. They must have passed [`is_page`] and [`is_plain_address`].
pub fn page_or_mail(name: &str, page: &str, mail: Option<&str>) -> String {
    match mail {
        Some(mail) => format!("{name}: <{page}>,\r\n <mailto:{mail}?subject=unsubscribe>\r\n"),
        None => format!("{name}: <{page}>\r\n"),
    }
}

/// Whether an address can stand in a `mailto:` link as it is (RFC 6068 section 2).
pub fn is_plain_address(address: &str) -> bool {
    is_address(address) && address.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"@.+-_".contains(&byte))
}

/// Whether a text can stand as the address of a page in a header: printable ASCII without a character of a meaning of its own, not too long.
pub fn is_page(page: &str) -> bool {
    (page.starts_with("https://") || page.starts_with("http://"))
        && page.len() <= limits::HEADER_VALUE_CHARS
        && page.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>,\"\\".contains(&byte))
}

/// Whether a text can stand as an address in a header: one `@` with something on both sides, no blank, control or
/// character with a meaning of its own, not too long. Addresses beyond ASCII pass (RFC 6532).
pub fn is_address(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    !local.is_empty()
        && !domain.is_empty()
        && address.len() <= limits::ADDRESS_BYTES
        && clean::line(address, usize::MAX) == address
        && !address.contains(|c: char| c.is_whitespace() || "<>()[],;:\\\"".contains(c))
        && !local.contains('@')
}

/// Whether a text is a message identifier fit to be repeated: `<left@right>` in printable ASCII (RFC 5322 section
/// 3.6.4), at most [`limits::MESSAGE_ID_CHARS`] characters.
pub fn is_message_id(id: &str) -> bool {
    let Some(inner) = id.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) else { return false };
    let Some((left, right)) = inner.split_once('@') else { return false };
    !left.is_empty()
        && !right.is_empty()
        && !right.contains('@')
        && id.len() <= limits::MESSAGE_ID_CHARS
        && inner.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>()\",;:\\".contains(&byte))
}

/// ASCII that needs no encoding: printable, single blanks, no word that is too long to fold or that reads like an
/// encoded word.
fn is_plain(value: &str) -> bool {
    value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && !value.contains("=?")
        && !value.contains("  ")
        && value.split(' ').all(|word| word.len() < LINE - 20)
}

/// RFC 2047 encoded words in UTF-8 and base64, split between characters; the first fits behind the field's `name`.
fn encoded_words(name: &str, value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut piece = String::new();
    // Base64 makes four characters of three bytes; `=?utf-8?B?` and `?=` take twelve, `: ` two.
    let mut room = LINE.saturating_sub(name.len() + 14) / 4 * 3;
    for c in value.chars() {
        if piece.len() + c.len_utf8() > room {
            words.push(encoded_word(&piece));
            piece.clear();
            room = WORD_BYTES;
        }
        piece.push(c);
    }
    if !piece.is_empty() {
        words.push(encoded_word(&piece));
    }
    words
}

fn encoded_word(piece: &str) -> String {
    format!("=?utf-8?B?{}?=", data_encoding::BASE64.encode(piece.as_bytes()))
}

/// `name: words`, folded before a word that would pass the line's room.
fn folded(name: &str, words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut out = format!("{name}:");
    let mut column = out.len();
    for (index, word) in words.into_iter().enumerate() {
        let word = word.as_ref();
        if index > 0 && column + 1 + word.len() > LINE {
            out.push_str("\r\n");
            column = 0;
        }
        out.push(' ');
        out.push_str(word);
        column += 1 + word.len();
    }
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smuggled_line_end_stays_in_its_field() {
        assert_eq!(
            text("Subject", "[A]\r\nBcc: victim@example.org"),
            "Subject: [A]  Bcc: victim@example.org\r\n"
                .replace("[A]  Bcc: victim@example.org", "=?utf-8?B?W0FdICBCY2M6IHZpY3RpbUBleGFtcGxlLm9yZw==?=")
        );
        assert_eq!(mailbox("To", "a\r\nBcc: b\u{0}", "x@example.jp").matches("\r\n").count(), 1);
    }

    #[test]
    fn a_long_subject_is_folded_between_characters() {
        let field = text("Subject", &"登録完了".repeat(30));
        assert!(field.lines().all(|line| line.len() <= 78), "{field}");
        assert!(field.lines().skip(1).all(|line| line.starts_with(" =?utf-8?B?")), "{field}");
        assert!(text("Subject", &"word ".repeat(60)).lines().all(|line| line.len() <= 78));
    }

    #[test]
    fn only_addresses_and_identifiers_pass() {
        for good in ["a@example.jp", "a..b.@docomo.example.jp", "山田@例え.jp", "reg+s.x@example.jp"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", "a", "@b", "a@", "a b@c", "a@b\r\nBcc:x", "a@b,c@d", "<a@b>", "a@b@c", "a\u{202e}@b"] {
            assert!(!is_address(bad), "{bad}");
        }
        assert!(is_page("https://hagaki.example.jp/u/17.abcdefghijklmnop"));
        for bad in ["", "ftp://x", "https://x y", "https://x\r\nBcc: b", "https://x>, <https://y", "https://例え.jp/"]
        {
            assert!(!is_page(bad), "{bad}");
        }
        assert!(is_message_id("<case001@mua.example.jp>"));
        for bad in ["", "x@y", "<xy>", "<@y>", "<x@>", "<x@y> <z@w>", "<x@y\r\n>", "<x y@z>", "<é@z>"] {
            assert!(!is_message_id(bad), "{bad}");
        }
        assert!(!is_message_id(&format!("<{}@y>", "x".repeat(limits::MESSAGE_ID_CHARS))));
    }
}
