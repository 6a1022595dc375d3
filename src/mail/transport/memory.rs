//! Letters kept in memory; orders come from the recipient's address, so that a story can have any verdict.

use std::sync::{Arc, Mutex, PoisonError};

use super::Envelope;
use super::verdict::{Reply, Scope, Trouble, Verdict};

/// A transport that keeps what it accepts. Clones share the letters.
///
/// The local part of the recipient before any `+` gives the order: `deferred` (451 for the letter), `busy` (421 for the
/// server), `refused` (550), `timeout` (the server does not answer), `lost` (taken, but the reply is lost). Every
/// other letter is accepted.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    sent: Arc<Mutex<Vec<Sent>>>,
}

/// A letter that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Sender and recipient as the server saw them.
    pub envelope: Envelope,
    /// The whole mail.
    pub raw: Vec<u8>,
}

impl Memory {
    /// A transport that has sent nothing.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// The letters that were accepted so far, oldest first.
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the letters that were accepted so far, oldest first, and forgets them.
    pub fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.sent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn send(&self, envelope: &Envelope, raw: &[u8]) -> Verdict {
        let local = envelope.to.split(['@', '+']).next().unwrap_or_default();
        let deferred = |reply, scope| Verdict::Deferred { reply, scope, maybe_sent: false };
        match local {
            "deferred" => deferred(Some(Reply::new(451, "4.2.1 as the address orders")), Scope::Letter),
            "busy" => deferred(Some(Reply::new(421, "4.3.2 as the address orders")), Scope::Host),
            "refused" => Verdict::Refused(Reply::new(550, "5.1.1 as the address orders")),
            "timeout" => {
                Verdict::Unreachable { trouble: Trouble::TimedOut, text: "no answer, as the address orders".to_owned() }
            }
            "lost" => {
                self.keep(envelope, raw);
                Verdict::Deferred { reply: None, scope: Scope::Host, maybe_sent: true }
            }
            _ => {
                self.keep(envelope, raw);
                Verdict::Accepted(Reply::new(250, "2.0.0 kept"))
            }
        }
    }

    fn keep(&self, envelope: &Envelope, raw: &[u8]) {
        let sent = Sent { envelope: envelope.clone(), raw: raw.to_vec() };
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(memory: &Memory, to: &str) -> Verdict {
        memory.send(&Envelope { from: None, to: to.to_owned() }, b"Subject: x\r\n\r\n")
    }

    #[test]
    fn the_address_gives_the_order() {
        let memory = Memory::new();
        assert!(matches!(send(&memory, "dr.sato@example.jp"), Verdict::Accepted(_)));
        assert!(matches!(send(&memory, "deferred+a@example.jp"), Verdict::Deferred { scope: Scope::Letter, .. }));
        assert!(matches!(send(&memory, "busy@example.jp"), Verdict::Deferred { scope: Scope::Host, .. }));
        assert!(matches!(send(&memory, "refused@example.jp"), Verdict::Refused(_)));
        assert!(matches!(send(&memory, "timeout+x+y@example.jp"), Verdict::Unreachable { .. }));
        assert!(matches!(send(&memory, "refused.not@example.jp"), Verdict::Accepted(_)));
        assert_eq!(memory.sent().len(), 2);
        assert!(matches!(send(&memory, "lost@example.jp"), Verdict::Deferred { maybe_sent: true, .. }));
        let to: Vec<String> = memory.clone().take().into_iter().map(|sent| sent.envelope.to).collect();
        assert_eq!(to, ["dr.sato@example.jp", "refused.not@example.jp", "lost@example.jp"]);
        assert!(memory.sent().is_empty());
    }
}
