//! A bar on the terminal while long work goes on.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};

/// Characters of a full bar.
const WIDTH: u64 = 30;

/// A bar on standard error; nothing where that is no terminal.
pub(super) struct Bar {
    name: String,
    all: u64,
    done: AtomicU64,
    shown: bool,
}

impl Bar {
    /// A bar up to `all`.
    pub(super) fn new(name: &str, all: u64) -> Bar {
        Bar { name: name.to_string(), all: all.max(1), done: AtomicU64::new(0), shown: std::io::stderr().is_terminal() }
    }

    /// So many more are done.
    pub(super) fn advance(&self, more: u64) {
        let before = self.done.fetch_add(more, Ordering::Relaxed);
        let (was, is) = (before * 100 / self.all, (before + more) * 100 / self.all);
        if self.shown && was != is {
            let full = is.min(100) * WIDTH / 100;
            let bar: String = (0..WIDTH).map(|at| if at < full { '#' } else { '.' }).collect();
            // A terminal that cannot be written to is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{} [{bar}] {is:>3} %", self.name);
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}
