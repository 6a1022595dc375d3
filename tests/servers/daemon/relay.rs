//! What stands between the daemon and the mail servers in some tests: a relay that can be away, and a server that kills
//! its client.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::house::signal;

/// Hands every connection at `port` on to another port of this machine, as long as the process lives.
pub(crate) fn relay(port: u16, to: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is still free");
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(("127.0.0.1", to)) else { continue };
            for (mut from, mut to) in [
                (near.try_clone().unwrap(), far.try_clone().unwrap()),
                (far.try_clone().unwrap(), near.try_clone().unwrap()),
            ] {
                thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
}

/// Recipient and bytes of a mail.
type Taken = (String, Vec<u8>);

/// An SMTP server that takes every mail and keeps it; after saying 250 to the next it may kill its client.
pub(crate) struct Taker {
    pub(crate) port: u16,
    taken: Arc<Mutex<Vec<Taken>>>,
    victim: Arc<Mutex<Option<u32>>>,
}

impl Taker {
    pub(crate) fn start() -> Taker {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let taker = Taker { port, taken: Arc::default(), victim: Arc::default() };
        let (taken, victim) = (Arc::clone(&taker.taken), Arc::clone(&taker.victim));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (taken, victim) = (Arc::clone(&taken), Arc::clone(&victim));
                // An error means that the client is gone, as is wanted.
                thread::spawn(move || drop(converse(stream, &taken, &victim)));
            }
        });
        taker
    }

    /// The client with this process number is killed by the next mail.
    pub(crate) fn kill_next(&self, pid: u32) {
        *self.victim.lock().unwrap() = Some(pid);
    }

    /// Every mail that was answered with 250.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }
}

fn converse(stream: TcpStream, taken: &Mutex<Vec<(String, Vec<u8>)>>, victim: &Mutex<Option<u32>>) -> io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream);
    let mut recipient = String::new();
    write!(out, "220 taker ESMTP\r\n")?;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_owned();
        match line.split(' ').next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" => write!(out, "250-taker\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")?,
            "RCPT" => {
                recipient = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                write!(out, "250 2.1.5 ok\r\n")?;
            }
            "DATA" => {
                write!(out, "354 go on\r\n")?;
                let mut mail = Vec::new();
                while !mail.ends_with(b"\r\n.\r\n") {
                    if lines.read_until(b'\n', &mut mail)? == 0 {
                        return Ok(());
                    }
                }
                let condemned = victim.lock().unwrap().take();
                // Held still first, so that the reply is on its way and surely not recorded when the client dies.
                condemned.inspect(|pid| signal(*pid, "-STOP"));
                taken.lock().unwrap().push((recipient.clone(), mail));
                write!(out, "250 2.0.0 taken\r\n")?;
                condemned.inspect(|pid| signal(*pid, "-KILL"));
            }
            "QUIT" => return write!(out, "221 bye\r\n"),
            _ => write!(out, "250 2.0.0 ok\r\n")?,
        }
    }
}
