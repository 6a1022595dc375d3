//! What a mail server said at once, and what follows from it for the letter and for the server.

use std::fmt;

/// With this begins what is said of [`Trouble::Sender`]: by it the tries that ended so are known.
pub const DISOWNED: &str = "the server takes no letter from our address";

/// What became of one letter for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server has taken the responsibility (2xx after the mail): sent.
    Accepted(Reply),
    /// Not now. The letter was shown to the server, so this counts as one of its tries.
    Deferred {
        /// What the server said; none when the connection was lost.
        reply: Option<Reply>,
        /// Whether the letter alone waits, or the server is left alone as well.
        scope: Scope,
        /// Whether the server may have taken the letter all the same: the connection was lost after the mail and
        /// before the reply. The next try has the same Message-ID, by which receivers fold the two.
        maybe_sent: bool,
    },
    /// Never: the server, or we on its behalf, refuse this letter or recipient (5xx). Failed.
    Refused(Reply),
    /// The server cannot be used at all. The letter was not shown to it: no try, but the server is left alone.
    Unreachable {
        /// What kind of trouble.
        trouble: Trouble,
        /// One sentence for the log and for the operator.
        text: String,
    },
}

/// What has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This letter; others may go.
    Letter,
    /// The server as well: it said 421, refused every sender, or went away.
    Host,
}

/// Why a server cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Name unknown, connection refused, no route, hung up at once.
    Connection,
    /// It did not answer in time.
    TimedOut,
    /// No TLS, or a certificate that is not trusted.
    Tls,
    /// User or password refused, or a login is wanted that we were not given.
    Authentication,
    /// It takes no letter from our address.
    Sender,
    /// It answered the greeting with a refusal (4xx or 5xx): busy, or we are not welcome.
    Unwelcome,
    /// A file of ours (certificates, the letters' folder) cannot be used.
    Own,
}

/// A reply of an SMTP server, or one that we give on its behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Reply code (RFC 5321 section 4.2).
    pub code: u16,
    /// Its text, with the enhanced code (RFC 3463) in front where there is one. It may name the recipient: not for logs.
    pub text: String,
}

impl Reply {
    pub(crate) fn new(code: u16, text: impl Into<String>) -> Reply {
        Reply { code, text: text.into() }
    }

    /// The enhanced status code `class.subject.detail` in front of the text (RFC 3463), such as `4.2.2`.
    pub fn enhanced(&self) -> Option<&str> {
        let word = self.text.split_ascii_whitespace().next()?;
        let parts: Vec<&str> = word.split('.').collect();
        let digits = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        (parts.len() == 3 && parts.iter().all(digits) && parts.first().is_some_and(|class| class.len() == 1))
            .then_some(word)
    }

    /// Whether the server wants a login before it takes anything (RFC 4954 section 6): 530, or 534, 535 and 538.
    pub(crate) fn wants_login(&self) -> bool {
        matches!(self.code, 530 | 534 | 535 | 538)
    }

    /// Whether it is about the mail, though only its sender was named: its size (552, `5.2.3`, `5.3.4`), what it is made of (`5.6`), or
    /// what we asked for on its behalf (555, RFC 5321 section 4.1.1.11).
    pub(crate) fn is_of_mail(&self) -> bool {
        let status = self.enhanced().and_then(|status| status.split_once('.')).map(|(_, rest)| rest);
        let of_mail = |rest: &str| matches!(rest, "2.3" | "3.4") || rest.starts_with("6.");
        matches!(self.code, 552 | 555) || status.is_some_and(of_mail)
    }

    /// Whether it is about our own address, though a recipient was named: `5.1.7` and `5.1.8` (RFC 3463), or our address stands in it and the
    /// recipient's does not, or we may not send as our own address (`5.7.60` of Exchange). Servers that wait with what they have against a sender until they know the recipient (Postfix:
    /// `smtpd_delay_reject`) answer so.
    pub(crate) fn is_of_sender(&self, from: &str, to: &str) -> bool {
        let text = self.text.to_ascii_lowercase();
        let names = |address: &str| !address.is_empty() && text.contains(&address.to_ascii_lowercase());
        self.has_status_of_sender() || (names(from) && !names(to))
    }

    /// Whether its status alone says that it is about our own address. Behind the mail that is all that counts: what else a server says
    /// there may quote whatever stands in the mail.
    pub(crate) fn has_status_of_sender(&self) -> bool {
        let status = self.enhanced().and_then(|status| status.split_once('.')).map(|(_, rest)| rest);
        matches!(status, Some("1.7" | "1.8" | "7.60"))
    }

    /// The same without an address that holds a token.
    pub(crate) fn without(&self, address: &str) -> Reply {
        let (lower, wanted) = (self.text.to_ascii_lowercase(), address.to_ascii_lowercase());
        let mut text = String::with_capacity(self.text.len());
        let mut rest = 0;
        for (at, found) in lower.match_indices(&wanted).filter(|_| !wanted.is_empty()) {
            text.push_str(self.text.get(rest..at).unwrap_or_default());
            text.push_str("our address");
            rest = at + found.len();
        }
        text.push_str(self.text.get(rest..).unwrap_or_default());
        Reply::new(self.code, text)
    }

    /// Whether the server is closing the connection (RFC 5321 section 3.8).
    pub(crate) fn is_goodbye(&self) -> bool {
        self.code == 421
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

impl Verdict {
    /// Whether the server should be left alone for a while ([`retry::host`](crate::domain::retry::host)).
    pub fn suspends_host(&self) -> bool {
        matches!(self, Verdict::Unreachable { .. } | Verdict::Deferred { scope: Scope::Host, .. })
    }

    /// Whether this was one of the letter's tries: the server saw it.
    pub fn counts_as_try(&self) -> bool {
        !matches!(self, Verdict::Unreachable { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enhanced_codes_are_found_only_where_they_are() {
        assert_eq!(Reply::new(452, "4.2.2 mailbox full").enhanced(), Some("4.2.2"));
        assert_eq!(Reply::new(550, "5.7.129 no").enhanced(), Some("5.7.129"));
        for text in ["", "mailbox full", "1.2.3.4 is blocked", "45.2.2 x", "4..2 x", "4.2.1111 x"] {
            assert_eq!(Reply::new(450, text).enhanced(), None, "{text}");
        }
    }

    #[test]
    fn a_refusal_of_our_address_is_known_by_its_code_or_by_whom_it_names() {
        let (from, to) = ("reg+b.1.Xyz@example.jp", "dr.sato@example.com");
        let of_sender = |text: &str| Reply::new(553, text).is_of_sender(from, to);
        assert!(of_sender("5.7.1 <reg+b.1.xyz@example.jp>: Sender address rejected: not owned by user reg"));
        assert!(of_sender("5.1.8 the sender's domain is not known") && of_sender("5.1.7 x"));
        assert!(of_sender("5.7.60 SMTP; Client does not have permissions to send as this sender"));
        for text in [
            "5.7.1 <dr.sato@example.com>: Relay access denied",
            "5.1.1 <dr.sato@example.com>: host says: <reg+b.1.Xyz@example.jp> may not write here",
            "5.7.1 no",
            "",
        ] {
            assert!(!of_sender(text), "{text}");
        }
        assert!(!Reply::new(550, "no").is_of_sender("", to), "the null sender is nobody's address");
        let of_mail = |code, text: &str| Reply::new(code, text).is_of_mail();
        assert!(of_mail(552, "") && of_mail(555, "") && of_mail(550, "5.3.4 too big") && of_mail(553, "5.6.7 no"));
        assert!(!of_mail(550, "5.7.1 no") && !of_mail(554, "") && !of_mail(550, "5.3.0 x"));
        let told = Reply::new(553, "5.7.1 <Reg+b.1.xyz@example.jp> 佐藤 reg+b.1.Xyz@example.jp").without(from);
        assert_eq!(told.text, "5.7.1 <our address> 佐藤 our address");
        assert_eq!(Reply::new(553, "5.7.1 no").without("").text, "5.7.1 no");
    }

    #[test]
    fn only_a_letter_that_was_shown_has_used_a_try() {
        let away = Verdict::Unreachable { trouble: Trouble::TimedOut, text: String::new() };
        let busy = Verdict::Deferred { reply: None, scope: Scope::Host, maybe_sent: false };
        let full = Verdict::Deferred { reply: None, scope: Scope::Letter, maybe_sent: false };
        assert_eq!((away.suspends_host(), away.counts_as_try()), (true, false));
        assert_eq!((busy.suspends_host(), busy.counts_as_try()), (true, true));
        assert_eq!((full.suspends_host(), full.counts_as_try()), (false, true));
    }
}
