//! Letters kept in memory; orders come from the recipient's address or beforehand, so that a story can have any verdict.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Envelope;
use super::verdict::{DISOWNED, Reply, Scope, Trouble, Verdict};

/// A transport that keeps what it accepts. Clones share the letters.
///
/// The local part of the recipient before any `+` gives the order: `deferred` (451 for the letter), `busy` (421 for the
/// server), `refused` (550), `timeout` (the server does not answer), `disowned` (our address is refused), `lost` (taken, but the reply is lost).
/// Every other letter is accepted. [`Memory::order`] has one letter treated so whatever its address.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    sent: Vec<Sent>,
    shown: u64,
    ordered: Option<(u64, Order)>,
}

/// What the transport makes of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// It is taken (250).
    Accept,
    /// Not now, this letter (451).
    Defer,
    /// Not now, the server (421).
    Busy,
    /// Never (550).
    Refuse,
    /// The server does not answer, and did not see the letter.
    TimeOut,
    /// Never, because of our address (550), for this recipient.
    Disown,
    /// It is taken, but the reply is lost.
    Lose,
}

impl Order {
    fn of_address(address: &str) -> Order {
        match address.split(['@', '+']).next().unwrap_or_default() {
            "deferred" => Order::Defer,
            "busy" => Order::Busy,
            "refused" => Order::Refuse,
            "timeout" => Order::TimeOut,
            "disowned" => Order::Disown,
            "lost" => Order::Lose,
            _ => Order::Accept,
        }
    }
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
        self.shared().sent.clone()
    }

    /// Takes the letters that were accepted so far, oldest first, and forgets them.
    pub fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut self.shared().sent)
    }

    /// Has the `n`-th letter from now on (counted from 1) treated so, whatever its address.
    pub fn order(&self, n: u64, order: Order) {
        let mut shared = self.shared();
        shared.ordered = Some((shared.shown + n, order));
    }

    /// How many letters were shown to it so far, accepted or not.
    pub fn shown(&self) -> u64 {
        self.shared().shown
    }

    pub(super) fn send(&self, envelope: &Envelope, raw: &[u8]) -> Verdict {
        let mut shared = self.shared();
        shared.shown += 1;
        let order = match shared.ordered {
            Some((n, order)) if n == shared.shown => order,
            _ => Order::of_address(&envelope.to),
        };
        if matches!(order, Order::Accept | Order::Lose) {
            shared.sent.push(Sent { envelope: envelope.clone(), raw: raw.to_vec() });
        }
        let deferred = |reply, scope| Verdict::Deferred { reply, scope, maybe_sent: false };
        match order {
            Order::Accept => Verdict::Accepted(Reply::new(250, "2.0.0 kept")),
            Order::Defer => deferred(Some(Reply::new(451, "4.2.1 as it was ordered")), Scope::Letter),
            Order::Busy => deferred(Some(Reply::new(421, "4.3.2 as it was ordered")), Scope::Host),
            Order::Refuse => Verdict::Refused(Reply::new(550, "5.1.1 as it was ordered")),
            Order::TimeOut => {
                Verdict::Unreachable { trouble: Trouble::TimedOut, text: "no answer, as it was ordered".to_owned() }
            }
            Order::Disown => Verdict::Unreachable {
                trouble: Trouble::Sender,
                text: format!("{DISOWNED}: 550 5.7.1 as it was ordered"),
            },
            Order::Lose => Verdict::Deferred { reply: None, scope: Scope::Host, maybe_sent: true },
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn one_letter_is_treated_as_ordered_beforehand() {
        let memory = Memory::new();
        send(&memory, "a@example.jp");
        memory.order(2, Order::Refuse);
        assert!(matches!(send(&memory, "b@example.jp"), Verdict::Accepted(_)));
        assert!(matches!(send(&memory, "c@example.jp"), Verdict::Refused(_)));
        assert!(matches!(send(&memory, "d@example.jp"), Verdict::Accepted(_)));
        assert_eq!((memory.shown(), memory.sent().len()), (4, 3));
    }
}
