//! Mailboxes in address fields (RFC 5322 section 3.4, RFC 6532), and the folding under which addresses are the same.
//!
//! Only the address counts; a display name is a claim of the sender and is not looked at.

use crate::domain::text;

/// Longest address that is accepted, in bytes (RFC 5321 section 4.5.3.1: 64 + 1 + 255).
const ADDRESS_BYTES: usize = 320;

/// What an address field holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailboxes {
    /// Addresses as written, `local@domain`, quotes of the local part taken off where they are not needed.
    pub addresses: Vec<String>,
    /// Whether it uses group syntax (`undisclosed: a@b;`).
    pub group: bool,
    /// Whether anything in it is no address, or could be read as another one.
    pub broken: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// Letters and dots outside of quotes.
    Text(String),
    /// A quoted string, unescaped.
    Quoted(String),
    Blank,
    Special(char),
}

/// Reads an unfolded address field. Encoded words are left as they stand: they can only be display names.
pub fn parse(value: &str) -> Mailboxes {
    let mut found = Mailboxes::default();
    let Some(tokens) = tokens(value) else {
        return Mailboxes { broken: true, ..found };
    };
    let mut item: Vec<Token> = Vec::new();
    let mut angle = false;
    for token in tokens {
        match token {
            Token::Special('<') => {
                found.broken |= angle;
                angle = true;
                item.push(token);
            }
            Token::Special('>') => {
                found.broken |= !angle;
                angle = false;
                item.push(token);
            }
            Token::Special(',') if !angle => found.close(&mut item),
            Token::Special(':') if !angle => {
                found.group = true;
                item.clear();
            }
            Token::Special(';') if !angle => {
                found.close(&mut item);
                found.group = true;
            }
            other => item.push(other),
        }
    }
    found.broken |= angle;
    found.close(&mut item);
    found
}

impl Mailboxes {
    fn close(&mut self, item: &mut Vec<Token>) {
        let item = std::mem::take(item);
        if item.iter().all(|token| *token == Token::Blank) {
            return;
        }
        let opens = item.iter().filter(|token| **token == Token::Special('<')).count();
        let address = match opens {
            0 => addr_spec(&item),
            1 => angle_addr(&item),
            _ => None,
        };
        match address {
            Some(address) => self.addresses.push(address),
            None => self.broken = true,
        }
    }
}

/// `Display Name <local@domain>`; an at-sign in an unquoted display name is another address to some readers.
fn angle_addr(item: &[Token]) -> Option<String> {
    let open = item.iter().position(|token| *token == Token::Special('<'))?;
    let close = item.iter().position(|token| *token == Token::Special('>'))?;
    let (name, inner, rest) = (item.get(..open)?, item.get(open + 1..close)?, item.get(close + 1..)?);
    let claims = name.contains(&Token::Special('@'));
    if claims || rest.iter().any(|token| *token != Token::Blank) {
        return None;
    }
    // A source route (RFC 5322 section 4.4) ends with a colon; what it says is ignored by everybody.
    let spec = match inner.iter().position(|token| *token == Token::Special(':')) {
        Some(colon) if inner.first() == Some(&Token::Special('@')) => inner.get(colon + 1..)?,
        _ => inner,
    };
    addr_spec(spec)
}

/// `local@domain` without blanks inside.
fn addr_spec(item: &[Token]) -> Option<String> {
    let start = item.iter().position(|token| *token != Token::Blank)?;
    let end = item.iter().rposition(|token| *token != Token::Blank)?;
    let [local, Token::Special('@'), Token::Text(domain)] = item.get(start..=end)? else { return None };
    let local = match local {
        Token::Text(text) => text.clone(),
        Token::Quoted(text) if is_atom(text) => text.clone(),
        Token::Quoted(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        _ => return None,
    };
    let domain_is_sound = !domain.is_empty() && !domain.starts_with('.') && !domain.contains("..");
    let address = format!("{local}@{domain}");
    let sound = !local.is_empty() && domain_is_sound && address.len() <= ADDRESS_BYTES && is_atom(domain);
    sound.then_some(address)
}

fn is_atom(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"()<>[]:;@\\,\"".contains(c))
}

/// `None` where quotes or comments do not close, or the value holds control characters.
fn tokens(value: &str) -> Option<Vec<Token>> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut chars = value.chars();
    let mut depth = 0usize;
    while let Some(c) = chars.next() {
        match c {
            '\\' if depth > 0 => drop(chars.next()),
            '(' => depth += 1,
            ')' if depth > 0 => {
                depth -= 1;
                tokens.push(Token::Blank);
            }
            _ if depth > 0 => {}
            '"' => tokens.push(Token::Quoted(quoted(&mut chars)?)),
            c if c.is_whitespace() => tokens.push(Token::Blank),
            c if c.is_control() => return None,
            '<' | '>' | ',' | ':' | ';' | '@' => tokens.push(Token::Special(c)),
            c => match tokens.last_mut() {
                Some(Token::Text(text)) => text.push(c),
                _ => tokens.push(Token::Text(c.to_string())),
            },
        }
    }
    if depth > 0 {
        return None;
    }
    tokens.dedup_by(|one, other| *one == Token::Blank && *other == Token::Blank);
    Some(tokens)
}

fn quoted(chars: &mut std::str::Chars<'_>) -> Option<String> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => text.push(chars.next()?),
            c if c.is_control() && c != '\t' => return None,
            c => text.push(c),
        }
    }
}

/// The form under which addresses are compared: [`text::fold_address`], needless quotes and the root dot off. No server
/// that a physician uses tells `Yamada@` from `yamada@`, and only the domain is authenticated anyway.
pub fn fold(address: &str) -> String {
    let folded = text::fold_address(address).trim_end_matches('.').to_string();
    match folded.rsplit_once('@') {
        Some((local, domain)) => match local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(inner) if is_atom(inner) => format!("{inner}@{domain}"),
            _ => folded,
        },
        None => folded,
    }
}

/// The part behind the at-sign.
pub fn domain(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// The part before the at-sign.
pub fn local(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(local, _)| local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: &str) -> Option<String> {
        let found = parse(value);
        (!found.broken && !found.group && found.addresses.len() == 1).then(|| found.addresses[0].clone())
    }

    #[test]
    fn one_mailbox_in_many_forms() {
        for value in [
            "yamada@example.jp",
            "<yamada@example.jp>",
            "\"Yamada, Taro\" <yamada@example.jp>",
            "=?utf-8?B?5bGx55Sw?= <yamada@example.jp>",
            "=?utf-8?Q?attacker=40example.org?= <yamada@example.jp>",
            "\"attacker@example.org\" <yamada@example.jp>",
            "yamada@example.jp (Yamada (Taro), <x@y>)",
            "山田 <\"yamada\"@example.jp>",
            "<@relay.example.org:yamada@example.jp>",
        ] {
            assert_eq!(one(value).as_deref(), Some("yamada@example.jp"), "{value}");
        }
        assert_eq!(one("山田@example.jp").as_deref(), Some("山田@example.jp"));
    }

    #[test]
    fn two_mailboxes_are_two() {
        let found = parse("yamada@example.jp, \"x, y\" <attacker@example.org>");
        assert_eq!(found.addresses, ["yamada@example.jp", "attacker@example.org"]);
    }

    #[test]
    fn groups_are_told() {
        assert!(parse("undisclosed-recipients:;").group);
        let found = parse("Doctors: yamada@example.jp, sato@example.jp;");
        assert!(found.group);
        assert_eq!(found.addresses.len(), 2);
    }

    #[test]
    fn what_readers_take_differently_is_broken() {
        for value in [
            "yamada@example.jp <attacker@example.org>",
            "<yamada@example.jp> <attacker@example.org>",
            "yamada@example.jp attacker@example.org",
            "yamada@example.jp\0@example.org",
            "yamada@@example.jp",
            "yamada",
            "\"unclosed <yamada@example.jp>",
            "yamada@example.jp (unclosed",
            "<yamada@example.jp",
            "yama da@example.jp",
            "@example.jp",
            "yamada@",
            "yamada@a..b",
        ] {
            assert!(parse(value).broken, "{value}");
        }
    }

    #[test]
    fn folding() {
        assert_eq!(fold("Yamada@EXAMPLE.jp."), "yamada@example.jp");
        assert_eq!(fold("\"yamada\"@example.jp"), "yamada@example.jp");
        assert_eq!(fold("ﾔﾏﾀﾞ@example.jp"), "ﾔﾏﾀﾞ@example.jp", "another width is another mailbox");
        assert_eq!(fold("山田@Example.JP"), "山田@example.jp");
        assert_eq!(fold("\"a b\"@example.jp"), "\"a b\"@example.jp");
    }
}
