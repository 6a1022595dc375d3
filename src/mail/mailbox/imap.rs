//! A mailbox on an IMAP server: one fetch path, batched moves, IDLE as a doorbell only.
//!
//! A command takes the connection out and puts it back when it went well. Whatever fails, is late or is dropped half-way
//! therefore loses the connection, and the next command makes a new one: no answer is ever read by the wrong command.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_imap::extensions::idle::IdleResponse;
use async_imap::imap_proto::{MailboxDatum, Response, Status};
use async_imap::types::UnsolicitedResponse;
use async_imap::{Client, Session};
use futures::{Stream, StreamExt as _};
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::rustls::ClientConfig;

use super::{Fetched, Folder, Item, ItemKey, MailboxError, Position, Rang};
use crate::limits;
use crate::mail::connection::{Wire, dial, secure, trust};
use crate::settings::{ImapSettings, Security};

type Result<T> = std::result::Result<T, MailboxError>;

/// A mailbox on an IMAP server.
#[derive(Debug)]
pub struct Imap {
    settings: ImapSettings,
    trust: Option<Arc<ClientConfig>>,
    link: Option<Link>,
    listing: Listing,
}

/// A connection that is logged in and has the inbox selected.
#[derive(Debug)]
struct Link {
    session: Session<Wire>,
    /// UIDVALIDITY of the inbox.
    epoch: u32,
    can_idle: bool,
    can_move: bool,
    can_expunge_uids: bool,
    /// New mail was announced since the inbox was listed last.
    announced: bool,
}

/// Mails known to be in the inbox and not yet brought.
#[derive(Debug, Default)]
struct Listing {
    epoch: u32,
    /// The mails wait in order after this UID.
    after: u32,
    /// UID and size.
    waiting: VecDeque<(u32, u32)>,
}

impl Imap {
    /// A mailbox that is connected when it is first used.
    pub fn new(settings: ImapSettings) -> Imap {
        Imap { settings, trust: None, link: None, listing: Listing::default() }
    }

    pub(super) async fn connect(&mut self) -> Result<()> {
        self.link = Some(self.link().await?);
        Ok(())
    }

    pub(super) async fn fetch(&mut self, known: Position, limit: usize) -> Result<Fetched> {
        let mut link = self.link().await?;
        let epoch_changed = known != Position::default() && known.epoch != u64::from(link.epoch);
        let start =
            if known.epoch == u64::from(link.epoch) { u32::try_from(known.last).unwrap_or(u32::MAX) } else { 0 };
        let listing = &mut self.listing;
        if listing.epoch != link.epoch || listing.after != start || listing.waiting.is_empty() {
            *listing = link.list_after(start).await?;
        }
        let batch = listing.next_batch(limit);
        let last = batch.last().map_or(start, |(uid, _)| *uid);
        let items = link.bring(&batch).await?;
        listing.waiting.drain(..batch.len());
        listing.after = last;
        let position = Position { epoch: u64::from(link.epoch), last: u64::from(last) };
        let more = !listing.waiting.is_empty();
        self.link = Some(link);
        Ok(Fetched { position, items, more, epoch_changed })
    }

    pub(super) async fn file(&mut self, items: &[(ItemKey, Folder)]) -> Result<u64> {
        let mut link = self.link().await?;
        for folder in [Folder::Processed, Folder::Quarantine] {
            let uids: BTreeSet<u32> = items
                .iter()
                .filter(|(_, to)| *to == folder)
                .filter_map(|(key, _)| match key {
                    ItemKey::Imap { epoch, uid } if *epoch == link.epoch => Some(*uid),
                    _ => None,
                })
                .collect();
            let name = match folder {
                Folder::Processed => &self.settings.processed,
                Folder::Quarantine => &self.settings.quarantine,
            };
            let uids: Vec<u32> = uids.into_iter().collect();
            for batch in uids.chunks(limits::MOVE_BATCH) {
                link.put_away(&uid_set(batch), name).await?;
            }
        }
        let epoch = u64::from(link.epoch);
        self.link = Some(link);
        Ok(epoch)
    }

    pub(super) async fn doorbell(&mut self, longest: Duration, call: impl Future<Output = ()>) -> Result<Rang> {
        let mut link = self.link().await?;
        tokio::pin!(call);
        link.listen();
        if link.announced {
            self.link = Some(link);
            return Ok(Rang::Mail);
        }
        if !link.can_idle {
            let pause = longest.min(Duration::from_secs(limits::IMAP_POLL_SECONDS));
            let rang = tokio::select! {
                () = sleep(pause) => Rang::Quiet,
                () = &mut call => Rang::Called,
            };
            self.link = Some(link);
            return Ok(rang);
        }
        let (link, rang) = link.idle(longest.min(Duration::from_secs(limits::IDLE_SECONDS)), call).await?;
        self.link = Some(link);
        Ok(rang)
    }

    /// The connection there is, or a new one.
    async fn link(&mut self) -> Result<Link> {
        match self.link.take() {
            Some(link) => Ok(link),
            None => {
                let trust = match &self.trust {
                    Some(trust) => Arc::clone(trust),
                    None => Arc::clone(self.trust.insert(trust(self.settings.ca_file.as_deref())?)),
                };
                Link::connect(&self.settings, trust).await
            }
        }
    }
}

impl Listing {
    /// The next mails to bring: at most `limit`, about [`limits::FETCH_BYTES`], at least one if any waits.
    fn next_batch(&self, limit: usize) -> Vec<(u32, u32)> {
        let mut volume = 0;
        let mut batch = Vec::new();
        for &(uid, size) in self.waiting.iter().take(limit.max(1)) {
            volume += if is_oversized(size) { limits::HEADER_BLOCK_BYTES as u64 } else { u64::from(size) };
            if volume > limits::FETCH_BYTES && !batch.is_empty() {
                break;
            }
            batch.push((uid, size));
        }
        batch
    }
}

impl Link {
    async fn connect(settings: &ImapSettings, trust: Arc<ClientConfig>) -> Result<Link> {
        let tcp = dial(&settings.host, settings.port).await?;
        let client = match settings.security {
            Security::StartTls | Security::Bare => {
                let mut client = Client::new(Wire::Plain(tcp));
                greeting(&mut client).await?;
                within("STARTTLS", client.run_command_and_check_ok("STARTTLS", None)).await?;
                // What the server may have said on before TLS is dropped with the old client.
                let Wire::Plain(tcp) = client.into_inner() else { unreachable!("it was made plain above") };
                Client::new(secure(tcp, &settings.host, trust).await?)
            }
            Security::Tls => {
                let mut client = Client::new(secure(tcp, &settings.host, trust).await?);
                greeting(&mut client).await?;
                client
            }
        };
        let login = async {
            let password = settings.password.expose_secret();
            client.login(&settings.user, password).await.map_err(|(error, _)| error)
        };
        let mut session = within("LOGIN", login).await.map_err(|error| wrong_password(error, settings))?;
        let abilities = within("CAPABILITY", session.capabilities()).await?;
        let (can_idle, can_move) = (abilities.has_str("IDLE"), abilities.has_str("MOVE"));
        let can_expunge_uids = abilities.has_str("UIDPLUS");
        for folder in [&settings.processed, &settings.quarantine] {
            ensure_folder(&mut session, folder).await?;
        }
        let selected = within("SELECT", session.select(&settings.inbox)).await;
        let inbox = selected.map_err(|error| about_folder(error, &settings.inbox))?;
        let Some(epoch) = inbox.uid_validity else {
            let why = "the server keeps no numbers for its mails (UIDVALIDITY)".to_owned();
            return Err(MailboxError::Folder { folder: settings.inbox.clone(), why });
        };
        Ok(Link { session, epoch, can_idle, can_move, can_expunge_uids, announced: false })
    }

    /// Lists the mails after a UID.
    async fn list_after(&mut self, start: u32) -> Result<Listing> {
        let mut listing = Listing { epoch: self.epoch, after: start, waiting: VecDeque::new() };
        let Some(first) = start.checked_add(1) else { return Ok(listing) };
        self.listen();
        self.announced = false;
        // A server tells of new mails only at such a command.
        within("NOOP", self.session.noop()).await?;
        let mut found = Vec::new();
        let lines = within("UID FETCH", self.session.uid_fetch(format!("{first}:*"), "(UID RFC822.SIZE)")).await?;
        drain(lines, |line| {
            // Without newer mail the server answers for the last one (RFC 3501 section 6.4.8); other clients' flag
            // changes come without a size.
            if let (Some(uid), Some(size)) = (line.uid, line.size)
                && uid > start
            {
                found.push((uid, size));
            }
        })
        .await?;
        found.sort_unstable();
        found.dedup_by_key(|(uid, _)| *uid);
        listing.waiting = found.into();
        Ok(listing)
    }

    /// Brings mails of known size: small ones whole, of the others the headers. Those gone meanwhile are left out.
    async fn bring(&mut self, batch: &[(u32, u32)]) -> Result<Vec<Item>> {
        let size_of = |uid: u32| {
            let at = batch.binary_search_by_key(&uid, |(known, _)| *known).ok()?;
            batch.get(at).map(|(_, size)| u64::from(*size))
        };
        let (giants, whole): (Vec<_>, Vec<_>) = batch.iter().partition(|(_, size)| is_oversized(*size));
        let header = format!("(UID BODY.PEEK[HEADER]<0.{}>)", limits::HEADER_BLOCK_BYTES);
        let mut items = Vec::with_capacity(batch.len());
        for (some, query, oversized) in [(whole, "(UID BODY.PEEK[])", false), (giants, header.as_str(), true)] {
            if some.is_empty() {
                continue;
            }
            let uids: Vec<u32> = some.iter().map(|(uid, _)| *uid).collect();
            let epoch = self.epoch;
            let lines = within("UID FETCH", self.session.uid_fetch(uid_set(&uids), query)).await?;
            drain(lines, |line| {
                let bytes = if oversized { line.header() } else { line.body() };
                // A line without the body is another client's flag change.
                if let (Some(uid), Some(bytes)) = (line.uid, bytes)
                    && let Some(size) = size_of(uid)
                {
                    items.push(item(epoch, uid, size, bytes, oversized));
                }
            })
            .await?;
        }
        items.sort_by(|a: &Item, b: &Item| a.key.cmp(&b.key));
        items.dedup_by(|a, b| a.key == b.key);
        if items.len() < batch.len() {
            // They stay in the inbox if they are there, where a person finds them.
            let count = batch.len() - items.len();
            tracing::warn!(count, "mails were listed but not brought: gone meanwhile, or the server cannot read them");
        }
        Ok(items)
    }

    /// Moves a set of mails; those gone meanwhile are passed over by the server.
    async fn put_away(&mut self, set: &str, folder: &str) -> Result<()> {
        if self.can_move {
            within("UID MOVE", self.session.uid_mv(set, folder)).await?;
        } else {
            // RFC 6851 section 3.3 says what a move is made of.
            within("UID COPY", self.session.uid_copy(set, folder)).await?;
            let lines = within("UID STORE", self.session.uid_store(set, "+FLAGS.SILENT (\\Deleted)")).await?;
            drain(lines, |_| ()).await?;
            if self.can_expunge_uids {
                let gone = within("UID EXPUNGE", self.session.uid_expunge(set)).await?;
                drain(Box::pin(gone), |_| ()).await?;
            }
            // Without UIDPLUS they stay, marked as deleted: a bare EXPUNGE would also remove what others marked.
        }
        self.listen();
        Ok(())
    }

    /// Notes whether the server announced new mail among what it said beside its answers.
    fn listen(&mut self) {
        // The channel drops what does not fit, an announcement perhaps.
        self.announced |= self.session.unsolicited_responses.is_full();
        while let Ok(said) = self.session.unsolicited_responses.try_recv() {
            self.announced |= matches!(said, UnsolicitedResponse::Exists(_));
        }
    }

    /// IDLE until new mail, the call, or `longest`; gives the connection back when it is still good.
    async fn idle(self, longest: Duration, call: impl Future<Output = ()>) -> Result<(Link, Rang)> {
        let Link { session, epoch, can_idle, can_move, can_expunge_uids, .. } = self;
        let aside = session.unsolicited_responses.clone();
        let until = Instant::now() + longest;
        let mut handle = session.idle();
        within("IDLE", handle.init()).await?;
        tokio::pin!(call);
        let mut rang = None;
        // Some servers announce before they confirm IDLE, and the crate puts that aside.
        while let Ok(said) = aside.try_recv() {
            if matches!(said, UnsolicitedResponse::Exists(_)) {
                rang = Some(Rang::Mail);
            }
        }
        while rang.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            let (wait, _interrupt) = handle.wait_with_timeout(left);
            // The crate's own time-out begins anew with every keep-alive of the server, hence the outer one.
            let heard = tokio::select! {
                heard = timeout(left, wait) => heard,
                () = &mut call => {
                    rang = Some(Rang::Called);
                    break;
                }
            };
            rang = match heard {
                Err(_) | Ok(Ok(IdleResponse::Timeout)) => Some(Rang::Quiet),
                // Nobody interrupts here: it is how the crate tells of a connection that was closed.
                Ok(Ok(IdleResponse::ManualInterrupt)) => {
                    return Err(MailboxError::Lost("closed during IDLE".to_owned()));
                }
                Ok(Ok(IdleResponse::NewData(said))) => match said.parsed() {
                    Response::MailboxData(MailboxDatum::Exists(_)) => Some(Rang::Mail),
                    Response::Data { status: Status::Bye, outcome } => {
                        let why = outcome.information.as_deref().unwrap_or_default();
                        return Err(MailboxError::Lost(format!("the server said goodbye: {why}")));
                    }
                    _ => None,
                },
                Ok(Err(error)) => return Err(translate("IDLE", error)),
            };
        }
        let session = within("DONE", handle.done()).await?;
        let rang = rang.unwrap_or(Rang::Quiet);
        let announced = rang == Rang::Mail;
        let mut link = Link { session, epoch, can_idle, can_move, can_expunge_uids, announced };
        link.listen();
        Ok((link, rang))
    }
}

/// Reads the greeting; anything but OK ends the attempt.
async fn greeting(client: &mut Client<Wire>) -> Result<()> {
    let read = async { client.read_response().await.map_err(async_imap::error::Error::from) };
    let patience = Duration::from_secs(limits::CONNECT_SECONDS);
    let said = match timeout(patience, read).await {
        Err(_) => return Err(MailboxError::TimedOut("the connection with a greeting")),
        Ok(said) => said.map_err(|error| translate("greeting", error))?,
    };
    match said.as_ref().map(|said| said.parsed()) {
        Some(Response::Data { status: Status::Ok, .. }) => Ok(()),
        Some(Response::Data { outcome, .. }) => {
            let why = outcome.information.as_deref().unwrap_or_default().to_owned();
            Err(MailboxError::Refused { command: "the connection", why })
        }
        _ => Err(MailboxError::Lost("no IMAP greeting".to_owned())),
    }
}

/// Makes a folder where it is missing.
async fn ensure_folder(session: &mut Session<Wire>, folder: &str) -> Result<()> {
    let pattern = format!("\"{folder}\"");
    let names = within("LIST", session.list(None, Some(&pattern))).await?;
    let mut there = false;
    drain(Box::pin(names), |_| there = true).await?;
    if !there {
        let created = within("CREATE", session.create(folder)).await;
        created.map_err(|error| about_folder(error, folder))?;
        within("SUBSCRIBE", session.subscribe(folder)).await?;
    }
    Ok(())
}

/// Runs one command with patience.
async fn within<T>(command: &'static str, run: impl Future<Output = async_imap::error::Result<T>>) -> Result<T> {
    match timeout(Duration::from_secs(limits::IMAP_COMMAND_SECONDS), run).await {
        Ok(result) => result.map_err(|error| translate(command, error)),
        Err(_) => Err(MailboxError::TimedOut(command)),
    }
}

/// Reads the answers of a command to their end, with patience for each.
async fn drain<T>(
    mut answers: impl Stream<Item = async_imap::error::Result<T>> + Unpin,
    mut each: impl FnMut(T),
) -> Result<()> {
    let patience = Duration::from_secs(limits::IMAP_COMMAND_SECONDS);
    loop {
        match timeout(patience, answers.next()).await {
            Err(_) => return Err(MailboxError::TimedOut("UID FETCH")),
            Ok(None) => return Ok(()),
            Ok(Some(answer)) => each(answer.map_err(|error| translate("UID FETCH", error))?),
        }
    }
}

fn translate(command: &'static str, error: async_imap::error::Error) -> MailboxError {
    use async_imap::error::Error;
    match error {
        Error::No(why) | Error::Bad(why) => MailboxError::Refused { command, why: spoken(&why) },
        Error::Validate(error) => MailboxError::Refused { command, why: error.to_string() },
        other => MailboxError::Lost(other.to_string()),
    }
}

/// What the server said, out of the library's account of it.
fn spoken(account: &str) -> String {
    let marks = ["information: Some(\"", "info: Some(\""];
    let rest = marks.iter().find_map(|mark| Some(account.split_once(mark)?.1)).unwrap_or(account);
    rest.rsplit_once("\")").map_or(rest, |(words, _)| words).to_owned()
}

/// A refused LOGIN is a wrong password, unless the server says that it has troubles of its own (RFC 5530).
fn wrong_password(error: MailboxError, settings: &ImapSettings) -> MailboxError {
    match error {
        MailboxError::Refused { why, .. }
            if !["[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]"].iter().any(|code| why.contains(code)) =>
        {
            MailboxError::Authentication { host: settings.host.clone(), user: settings.user.clone(), why }
        }
        other => other,
    }
}

fn about_folder(error: MailboxError, folder: &str) -> MailboxError {
    match error {
        MailboxError::Refused { why, .. } => MailboxError::Folder { folder: folder.to_owned(), why },
        other => other,
    }
}

fn is_oversized(size: u32) -> bool {
    size as usize > limits::MAIL_BYTES
}

fn item(epoch: u32, uid: u32, size: u64, bytes: &[u8], oversized: bool) -> Item {
    let key = ItemKey::Imap { epoch, uid };
    // Some servers tell a size that is too small.
    if bytes.len() > limits::MAIL_BYTES {
        let bytes = super::maildir::header_block(bytes).to_vec();
        return Item { key, size, bytes, oversized: true };
    }
    Item { key, size, bytes: bytes.to_vec(), oversized }
}

/// `1:3,7` for 1, 2, 3, 7, which are in order.
fn uid_set(uids: &[u32]) -> String {
    let mut set = String::new();
    let mut rest = uids.iter().copied().peekable();
    while let Some(first) = rest.next() {
        let mut last = first;
        while let Some(next) = rest.next_if(|next| Some(*next) == last.checked_add(1)) {
            last = next;
        }
        if !set.is_empty() {
            set.push(',');
        }
        let written = if first == last { write!(set, "{first}") } else { write!(set, "{first}:{last}") };
        written.expect("writing to a String cannot fail");
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_words_are_told() {
        let account = r#"outcome: Outcome { code: None, information: Some("Mailbox doesn't exist: A (0.001 secs).") }"#;
        assert_eq!(spoken(account), "Mailbox doesn't exist: A (0.001 secs).");
        assert_eq!(spoken(r#"code: Some(Alert), info: Some("no")"#), "no");
        assert_eq!(spoken("[LIMIT] too many"), "[LIMIT] too many");
    }

    #[test]
    fn uids_are_written_as_ranges() {
        assert_eq!(uid_set(&[1, 2, 3, 7]), "1:3,7");
        assert_eq!(uid_set(&[5]), "5");
        assert_eq!(uid_set(&[1, 3, 5, 6]), "1,3,5:6");
        assert_eq!(uid_set(&[u32::MAX - 1, u32::MAX]), "4294967294:4294967295");
        assert_eq!(uid_set(&[]), "");
    }

    #[test]
    fn a_batch_is_bounded_in_number_and_volume_but_never_empty() {
        let sizes = |sizes: &[u32]| Listing {
            epoch: 1,
            after: 0,
            waiting: sizes.iter().enumerate().map(|(at, &size)| (at as u32 + 1, size)).collect(),
        };
        let mail = limits::MAIL_BYTES as u32;
        assert_eq!(sizes(&[10, 10, 10]).next_batch(2).len(), 2);
        assert_eq!(sizes(&[mail, mail, 10]).next_batch(10).len(), 1);
        // Of giants only the headers come.
        assert_eq!(sizes(&[mail + 1, u32::MAX, mail]).next_batch(10).len(), 3);
        assert_eq!(sizes(&[10]).next_batch(0).len(), 1);
        assert!(sizes(&[]).next_batch(10).is_empty());
    }

    #[test]
    fn a_busy_server_is_not_a_wrong_password() {
        let settings = ImapSettings {
            host: "h".to_owned(),
            port: 993,
            security: Security::Tls,
            user: "u".to_owned(),
            password: "p".into(),
            ca_file: None,
            inbox: "INBOX".to_owned(),
            processed: "P".to_owned(),
            quarantine: "Q".to_owned(),
        };
        let refused = |why: &str| MailboxError::Refused { command: "LOGIN", why: why.to_owned() };
        assert!(wrong_password(refused("[AUTHENTICATIONFAILED] no"), &settings).is_authentication());
        assert!(wrong_password(refused("no"), &settings).is_authentication());
        assert!(!wrong_password(refused("[UNAVAILABLE] later"), &settings).is_authentication());
        assert!(!wrong_password(MailboxError::Lost(String::new()), &settings).is_authentication());
    }
}
