//! Letters through a mail server: lettre's SMTP speech over connections of our own.
//!
//! The connections are our own because lettre's pool never sets TCP_NODELAY (each letter then waits 40 ms for a delayed
//! acknowledgment), and so is STARTTLS, so that nothing the server said before TLS is believed after it.

use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use ring::rand::SystemRandom;
use secrecy::ExposeSecret as _;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, ReadBuf,
};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls::ClientConfig;

use super::Envelope;
use super::verdict::{DISOWNED, Reply, Scope, Trouble, Verdict};
use crate::limits;
use crate::mail::connection::{ConnectError, Wire, dial, secure, trust};
use crate::settings::{Security, SmtpSettings};

/// A mail server and our connections to it. Clones share the connections.
#[derive(Clone)]
pub struct Smtp {
    shared: Arc<Shared>,
    /// Where it carries mailings: permits that leave one of the connections to what somebody waits for.
    bounded: Option<Arc<Semaphore>>,
}

struct Shared {
    settings: SmtpSettings,
    trust: Option<Arc<ClientConfig>>,
    /// One permit per connection.
    permits: Semaphore,
    /// Connections that nobody uses now, the latest used last.
    parked: Mutex<Vec<Link>>,
}

/// One connection, greeted and logged in.
struct Link {
    speech: AsyncSmtpConnection,
    used: Instant,
    refusals: u32,
}

/// Where in the dialog something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// MAIL FROM: nothing about this recipient was said.
    Sender,
    /// RCPT TO, then DATA.
    Recipient,
    /// After the final dot, while the reply was awaited.
    Mail,
}

/// What went wrong in a dialog.
#[derive(Debug)]
enum Fault {
    /// The server said no, now (4xx) or for ever (5xx).
    Reply(Reply),
    /// Hung up, garbled or silent.
    Lost(String),
}

impl Smtp {
    /// A server to send by. Connects with the first letter.
    ///
    /// # Errors
    /// When the certificate authority's file cannot be used.
    pub fn new(settings: SmtpSettings) -> Result<Smtp, ConnectError> {
        let trust = match settings.security {
            Security::Bare => None,
            Security::Tls | Security::StartTls => Some(trust(settings.ca_file.as_deref())?),
        };
        // Mailings have one, however few there are, and what somebody waits for has another.
        let permits = Semaphore::new(settings.connections.max(limits::SMTP_CONNECTIONS_LEAST));
        let shared = Shared { settings, trust, permits, parked: Mutex::default() };
        Ok(Smtp { shared: Arc::new(shared), bounded: None })
    }

    pub(super) fn for_mailings(&self) -> Smtp {
        let permits = Semaphore::new(for_mailings(self.shared.settings.connections));
        Smtp { shared: Arc::clone(&self.shared), bounded: Some(Arc::new(permits)) }
    }

    /// Most connections at a time.
    pub fn connections(&self) -> usize {
        let all = self.shared.settings.connections;
        if self.bounded.is_some() { for_mailings(all) } else { all }
    }

    pub(super) async fn probe(&self) -> Result<(), Verdict> {
        let link = self.shared.connect().await?;
        self.shared.park(link);
        Ok(())
    }

    pub(super) async fn send(&self, envelope: &Envelope, raw: &[u8]) -> Verdict {
        let shared = &self.shared;
        let (from, to) = match addresses(envelope) {
            Ok(addresses) => addresses,
            Err(refusal) => return Verdict::Refused(refusal),
        };
        let raw = canonical(raw);
        let raw = match &shared.settings.dkim {
            Some(signer) => Cow::Owned(signer.signed(&SystemRandom::new(), &raw).into_owned()),
            None => raw,
        };
        let _own = match &self.bounded {
            Some(permits) => Some(permits.acquire().await.expect("the semaphore is never closed")),
            None => None,
        };
        let _permit = shared.permits.acquire().await.expect("the semaphore is never closed");
        while let Some(mut link) = shared.unpark() {
            match link.converse(shared, from.as_ref(), &to, &raw).await {
                // The server closed the parked connection meanwhile; nothing of this letter was taken.
                Err((stage, fault)) if stage < Stage::Mail && fault.is_goodbye() => continue,
                outcome => return shared.conclude(link, outcome, envelope).await,
            }
        }
        match shared.connect().await {
            Ok(mut link) => {
                let outcome = link.converse(shared, from.as_ref(), &to, &raw).await;
                shared.conclude(link, outcome, envelope).await
            }
            Err(verdict) => verdict,
        }
    }
}

/// How many of so many connections mailings may use at a time.
pub fn for_mailings(connections: usize) -> usize {
    connections.saturating_sub(1).max(1)
}

impl Shared {
    /// The connection that was used last, unless all have rested too long.
    fn unpark(&self) -> Option<Link> {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = Duration::from_secs(limits::SMTP_IDLE_SECONDS);
        parked.retain(|link| link.used.elapsed() < rest);
        parked.pop()
    }

    fn park(&self, mut link: Link) {
        link.used = Instant::now();
        self.parked.lock().unwrap_or_else(PoisonError::into_inner).push(link);
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.settings.timeout_seconds)
    }

    /// What the outcome of a dialog means, and what becomes of the connection.
    async fn conclude(&self, mut link: Link, outcome: Result<Reply, (Stage, Fault)>, envelope: &Envelope) -> Verdict {
        match outcome {
            Ok(reply) => {
                self.park(link);
                Verdict::Accepted(reply)
            }
            Err((stage, Fault::Lost(_))) => {
                Verdict::Deferred { reply: None, scope: Scope::Host, maybe_sent: stage == Stage::Mail }
            }
            Err((stage, Fault::Reply(reply))) => {
                let verdict = judge(stage, reply, envelope);
                link.refusals += 1;
                if !verdict.suspends_host() && link.refusals < limits::SMTP_REFUSALS {
                    // RSET, so that the next letter finds the connection as new.
                    if let Ok(Ok(_)) = timeout(self.patience(), link.speech.command("RSET\r\n")).await {
                        self.park(link);
                    }
                }
                verdict
            }
        }
    }

    /// A new connection, greeted and logged in; or why there is none.
    async fn connect(&self) -> Result<Link, Verdict> {
        let settings = &self.settings;
        let tcp = dial(&settings.host, settings.port).await.map_err(unreachable)?;
        let line = match (settings.security, &self.trust) {
            (Security::Tls, Some(trust)) => {
                let wire = secure(tcp, &settings.host, Arc::clone(trust)).await.map_err(unreachable)?;
                Line { greeting: b"", wire }
            }
            (Security::StartTls, Some(trust)) => {
                let plain = timeout(self.patience(), ask_for_tls(tcp, &settings.ehlo));
                let tcp = plain.await.map_err(|_| self.silent())??;
                let wire = secure(tcp, &settings.host, Arc::clone(trust)).await.map_err(unreachable)?;
                Line { greeting: b"220 under TLS now\r\n", wire }
            }
            _ => Line { greeting: b"", wire: Wire::Plain(tcp) },
        };
        let name = ClientId::Domain(settings.ehlo.clone());
        let greet = timeout(self.patience(), AsyncSmtpConnection::connect_with_transport(Box::new(line), &name));
        let speech = greet.await.map_err(|_| self.silent())?.map_err(|error| self.unwelcome(&error))?;
        let mut link = Link { speech, used: Instant::now(), refusals: 0 };
        if let Some((user, password)) = &settings.login {
            let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
            let login = timeout(self.patience(), link.speech.auth(DEFAULT_MECHANISMS, &credentials));
            login.await.map_err(|_| self.silent())?.map_err(|error| self.no_login(user, &error))?;
        }
        Ok(link)
    }

    fn silent(&self) -> Verdict {
        let SmtpSettings { host, port, timeout_seconds, .. } = &self.settings;
        let text =
            format!("{host}:{port} said nothing for {timeout_seconds} s; does the port speak TLS at once (tls)?");
        Verdict::Unreachable { trouble: Trouble::TimedOut, text }
    }

    fn unwelcome(&self, error: &lettre::transport::smtp::Error) -> Verdict {
        let SmtpSettings { host, port, .. } = &self.settings;
        let (trouble, text) = match Fault::from(error) {
            Fault::Reply(reply) => (Trouble::Unwelcome, format!("{host}:{port} refused our greeting: {reply}")),
            Fault::Lost(why) => (Trouble::Connection, format!("{host}:{port} hung up on our greeting ({why})")),
        };
        Verdict::Unreachable { trouble, text }
    }

    fn no_login(&self, user: &str, error: &lettre::transport::smtp::Error) -> Verdict {
        let SmtpSettings { host, port, .. } = &self.settings;
        let (trouble, text) = match Fault::from(error) {
            // 454: the server's own trouble with checking passwords (RFC 4954 section 4.7.1), and 421.
            Fault::Reply(reply) if reply.code < 500 => {
                (Trouble::Unwelcome, format!("{host}:{port} cannot check logins at present: {reply}"))
            }
            Fault::Reply(reply) => {
                let hint = "are user and password right?";
                (Trouble::Authentication, format!("{host}:{port} refused the login of {user}: {reply}; {hint}"))
            }
            Fault::Lost(_) if error.is_client() => {
                let hint = "leave user out, or use the port for submission";
                (Trouble::Authentication, format!("{host}:{port} offers no login by PLAIN or LOGIN; {hint}"))
            }
            Fault::Lost(why) => (Trouble::Connection, format!("{host}:{port} hung up on our login ({why})")),
        };
        Verdict::Unreachable { trouble, text }
    }
}

impl Link {
    /// One letter to one recipient: the reply after the final dot, or where it went wrong.
    async fn converse(
        &mut self,
        shared: &Shared,
        from: Option<&Address>,
        to: &Address,
        raw: &[u8],
    ) -> Result<Reply, (Stage, Fault)> {
        let patience = shared.patience();
        let mut options = Vec::new();
        let international = from.is_some_and(|from| !from.to_string().is_ascii()) || !to.to_string().is_ascii();
        let info = self.speech.server_info();
        if international {
            if !info.supports_feature(Extension::SmtpUtfEight) {
                // RFC 6531 section 3.5: a client must not even try; 553 5.6.7 is what a relay would answer.
                let text = "5.6.7 the address has letters beyond ASCII, which the next server does not take";
                return Err((Stage::Recipient, Fault::Reply(Reply::new(553, text))));
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        if !raw.is_ascii() {
            if !info.supports_feature(Extension::EightBitMime) {
                let text = "5.6.3 the mail has 8-bit bytes, which the next server does not take";
                return Err((Stage::Recipient, Fault::Reply(Reply::new(554, text))));
            }
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let speech = &mut self.speech;
        step(Stage::Sender, patience, speech.command(Mail::new(from.cloned(), options))).await?;
        step(Stage::Recipient, patience, speech.command(Rcpt::new(to.clone(), Vec::new()))).await?;
        step(Stage::Recipient, patience, speech.command(Data)).await?;
        // RFC 5321 section 4.5.3.2.6: the server may take long over the final dot; giving up early sends twice.
        step(Stage::Mail, patience * 5, speech.message(raw)).await
    }
}

async fn step(
    stage: Stage,
    patience: Duration,
    dialog: impl Future<Output = Result<lettre::transport::smtp::response::Response, lettre::transport::smtp::Error>>,
) -> Result<Reply, (Stage, Fault)> {
    match timeout(patience, dialog).await {
        Ok(Ok(response)) => {
            let text = response.message().collect::<Vec<_>>().join(" ");
            Ok(Reply::new(number(&response.code().to_string()), bounded(&text)))
        }
        Ok(Err(error)) => Err((stage, Fault::from(&error))),
        Err(_) => Err((stage, Fault::Lost(format!("no reply within {} s", patience.as_secs())))),
    }
}

/// What a refusal means, where it was said.
///
/// 421 and every 4xx before the recipient was named are about the server; later 4xx are about the letter. So are 5xx: to the recipient's
/// name they are about the recipient, after the mail about what it says. But a server which wants a login from us, or has something
/// against our address, may refuse every letter: it is left alone, and none fails unless it turns out that others are taken
/// ([`DISOWNED_TRIES`](crate::limits::DISOWNED_TRIES)).
fn judge(stage: Stage, reply: Reply, envelope: &Envelope) -> Verdict {
    if reply.wants_login() {
        let text = format!("the server wants a login first: {reply}; set user and password_file");
        return Verdict::Unreachable { trouble: Trouble::Authentication, text };
    }
    let from = envelope.from.as_deref().unwrap_or_default();
    let of_sender = match stage {
        Stage::Sender => !reply.is_of_mail(),
        Stage::Recipient => reply.is_of_sender(from, &envelope.to),
        Stage::Mail => reply.has_status_of_sender(),
    };
    if reply.code >= 500 && of_sender {
        let said = reply.without(from);
        let text = format!(
            "{DISOWNED}: {said}; may this user send from the mailbox's address, also with + and a token in \
             front of the @?"
        );
        return Verdict::Unreachable { trouble: Trouble::Sender, text };
    }
    if reply.code >= 500 {
        return Verdict::Refused(reply);
    }
    let scope = if reply.is_goodbye() || stage == Stage::Sender { Scope::Host } else { Scope::Letter };
    Verdict::Deferred { reply: Some(reply), scope, maybe_sent: false }
}

impl Fault {
    /// Whether a parked connection turned out to be closed.
    fn is_goodbye(&self) -> bool {
        match self {
            Fault::Reply(reply) => reply.is_goodbye(),
            Fault::Lost(_) => true,
        }
    }
}

impl From<&lettre::transport::smtp::Error> for Fault {
    fn from(error: &lettre::transport::smtp::Error) -> Fault {
        let text = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        match error.status() {
            Some(code) => Fault::Reply(Reply::new(number(&code.to_string()), bounded(&text))),
            None => Fault::Lost(text),
        }
    }
}

fn unreachable(error: ConnectError) -> Verdict {
    let trouble = match error {
        ConnectError::Unreachable { .. } => Trouble::Connection,
        ConnectError::TimedOut { .. } => Trouble::TimedOut,
        ConnectError::Certificate { .. } | ConnectError::Tls { .. } => Trouble::Tls,
        ConnectError::Authorities { .. } => Trouble::Own,
    };
    Verdict::Unreachable { trouble, text: error.to_string() }
}

fn number(code: &str) -> u16 {
    code.parse().unwrap_or(0)
}

/// A server's words on one line, without control characters, and no longer than is kept.
fn bounded(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut line = line.trim().to_owned();
    let end = (0..=limits::SMTP_REPLY_BYTES.min(line.len())).rev().find(|&end| line.is_char_boundary(end));
    line.truncate(end.unwrap_or(0));
    line
}

/// The envelope's addresses; lettre's own check refuses the dots that Japanese mobile addresses once had
/// (`a..b.@example.ne.jp`), so here only what would break the dialog is refused.
fn addresses(envelope: &Envelope) -> Result<(Option<Address>, Address), Reply> {
    let parse = |text: &str| {
        let safe = |c: char| !c.is_control() && !c.is_whitespace() && !"<>".contains(c);
        match text.rsplit_once('@') {
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() && text.chars().all(safe) => {
                Ok(Address::new_dangerous(local, domain))
            }
            _ => Err(Reply::new(501, "5.1.3 this is no address a server would take")),
        }
    };
    Ok((envelope.from.as_deref().map(parse).transpose()?, parse(&envelope.to)?))
}

/// The mail with CRLF line ends only and without the last one, which is sent with the final dot. A bare LF or CR would
/// let a body smuggle a second mail past servers that take it for a line end.
fn canonical(raw: &[u8]) -> Cow<'_, [u8]> {
    let body = raw.strip_suffix(b"\r\n").unwrap_or(raw);
    let clean = body.iter().enumerate().all(|(at, byte)| match byte {
        b'\n' => at > 0 && body.get(at - 1) == Some(&b'\r'),
        b'\r' => body.get(at + 1) == Some(&b'\n'),
        _ => true,
    });
    if clean {
        return Cow::Borrowed(body);
    }
    let mut mended = Vec::with_capacity(raw.len() + raw.len() / 32);
    let mut bytes = raw.iter().peekable();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if(|&&next| next == b'\n');
                mended.extend_from_slice(b"\r\n");
            }
            b'\n' => mended.extend_from_slice(b"\r\n"),
            other => mended.push(other),
        }
    }
    if mended.ends_with(b"\r\n") {
        mended.truncate(mended.len() - 2);
    }
    Cow::Owned(mended)
}

/// Greets a server and asks for TLS; gives back the bare connection, ready for it (RFC 3207).
async fn ask_for_tls(tcp: TcpStream, ehlo: &str) -> Result<TcpStream, Verdict> {
    let mut stream = BufReader::new(tcp);
    let trouble = |trouble: Trouble, text: String| Verdict::Unreachable { trouble, text };
    let broken = |error: io::Error| trouble(Trouble::Connection, format!("lost before STARTTLS ({error})"));
    let mut offered = false;
    for (command, wanted) in [(String::new(), 220), (format!("EHLO {ehlo}\r\n"), 250), ("STARTTLS\r\n".to_owned(), 220)]
    {
        if command.starts_with("STARTTLS") && !offered {
            let text = "the server does not offer STARTTLS; use security = \"tls\" if its port speaks TLS at once";
            return Err(trouble(Trouble::Tls, text.to_owned()));
        }
        stream.write_all(command.as_bytes()).await.map_err(broken)?;
        let (code, lines) = read_reply(&mut stream).await.map_err(broken)?;
        if code != wanted {
            let reply = Reply::new(code, bounded(&lines.join(" ")));
            return Err(trouble(Trouble::Unwelcome, format!("the server refused before STARTTLS: {reply}")));
        }
        offered = lines.iter().any(|line| line.eq_ignore_ascii_case("STARTTLS"));
    }
    if !stream.buffer().is_empty() {
        let text = "the server spoke on before TLS began; somebody may be in between".to_owned();
        return Err(trouble(Trouble::Tls, text));
    }
    Ok(stream.into_inner())
}

/// One reply: its code and the text of each line.
async fn read_reply(stream: &mut BufReader<TcpStream>) -> io::Result<(u16, Vec<String>)> {
    let mut lines = Vec::new();
    let mut left = limits::SMTP_REPLY_BYTES as u64;
    loop {
        let mut line = Vec::new();
        let read = (&mut *stream).take(left).read_until(b'\n', &mut line).await?;
        left -= read as u64;
        let line = String::from_utf8_lossy(&line);
        let parts = line.get(..3).and_then(|code| code.parse().ok()).zip(line.get(3..));
        let (true, Some((code, rest))) = (line.ends_with('\n'), parts) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no SMTP reply"));
        };
        let more = rest.starts_with('-');
        lines.push(rest.trim_start_matches(['-', ' ']).trim_end().to_owned());
        if !more {
            return Ok((code, lines));
        }
    }
}

/// A connection as lettre takes it. After STARTTLS it begins with a greeting of our own, because lettre waits for one
/// and the server gives none.
#[derive(Debug)]
struct Line {
    greeting: &'static [u8],
    wire: Wire,
}

impl AsyncTokioStream for Line {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.wire.peer_addr()
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.greeting.is_empty() {
            return Pin::new(&mut self.wire).poll_read(cx, buffer);
        }
        let (now, later) = self.greeting.split_at(self.greeting.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.greeting = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(to: &str) -> Envelope {
        Envelope { from: Some("reg+b.1.x@example.jp".to_owned()), to: to.to_owned() }
    }

    #[test]
    fn addresses_that_would_break_the_dialog_are_refused() {
        for bad in ["", "no-at", "@example.jp", "a@", "a b@example.jp", "a>\r\nRCPT TO:<b@example.jp", "a@b\n", "<a@b>"]
        {
            assert_eq!(addresses(&envelope(bad)).map_err(|reply| reply.code).err(), Some(501), "{bad:?}");
        }
        for good in ["a..b.@docomo.example.jp", "佐藤@example.jp", "\"a\"@example.jp"] {
            assert_eq!(addresses(&envelope(good)).unwrap().1.to_string(), good);
        }
    }

    #[test]
    fn line_ends_become_crlf_and_nothing_is_smuggled() {
        assert!(matches!(canonical(b"a: b\r\n\r\nc\r\n"), Cow::Borrowed(b"a: b\r\n\r\nc")));
        assert_eq!(canonical(b"a\n.\nMAIL").as_ref(), b"a\r\n.\r\nMAIL");
        assert_eq!(canonical(b"a\r.\r\nb\n").as_ref(), b"a\r\n.\r\nb");
        assert_eq!(canonical(b"a\r\r\nb").as_ref(), b"a\r\n\r\nb");
        assert_eq!(canonical(b"").as_ref(), b"");
    }

    #[test]
    fn a_refusal_means_what_it_means_where_it_was_said() {
        let judge = |stage, code| judge(stage, Reply::new(code, ""), &envelope("a@example.com"));
        assert!(matches!(
            judge(Stage::Recipient, 450),
            Verdict::Deferred { scope: Scope::Letter, maybe_sent: false, .. }
        ));
        assert!(matches!(judge(Stage::Mail, 452), Verdict::Deferred { scope: Scope::Letter, maybe_sent: false, .. }));
        assert!(matches!(judge(Stage::Sender, 452), Verdict::Deferred { scope: Scope::Host, .. }));
        assert!(matches!(judge(Stage::Recipient, 421), Verdict::Deferred { scope: Scope::Host, .. }));
        assert!(matches!(judge(Stage::Sender, 530), Verdict::Unreachable { trouble: Trouble::Authentication, .. }));
        assert!(matches!(judge(Stage::Recipient, 530), Verdict::Unreachable { trouble: Trouble::Authentication, .. }));
        assert!(matches!(judge(Stage::Sender, 550), Verdict::Unreachable { trouble: Trouble::Sender, .. }));
        assert!(matches!(judge(Stage::Sender, 552), Verdict::Refused(_)), "it is too large");
        assert!(matches!(judge(Stage::Recipient, 550), Verdict::Refused(_)));
        assert!(matches!(judge(Stage::Mail, 554), Verdict::Refused(_)));
        for (text, of_sender) in [
            ("5.7.60 SMTP; Client does not have permissions to send as this sender", true),
            ("5.1.7 x", true),
            ("5.1.8 x", true),
            ("5.7.1 <reg+b.1.x@example.jp> looks like spam", false),
        ] {
            let verdict = super::judge(Stage::Mail, Reply::new(550, text), &envelope("a@example.com"));
            let disowned = matches!(verdict, Verdict::Unreachable { trouble: Trouble::Sender, .. });
            assert_eq!(disowned, of_sender, "{text}");
        }
    }

    #[test]
    fn long_replies_are_cut_at_a_letter() {
        let text = bounded(&"字".repeat(limits::SMTP_REPLY_BYTES));
        assert!(text.len() <= limits::SMTP_REPLY_BYTES && text.len() > limits::SMTP_REPLY_BYTES - 3);
        assert_eq!(bounded("a\r\nb\u{7}"), "a  b");
    }
}
