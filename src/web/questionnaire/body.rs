//! The body of a posted page, with the files in it: each is stored as it comes, never held, and stands in the form as a text from then on.
//!
//! Nothing is stored before it is known whose form it is, and that it came from our own page. What is too large for its item is read
//! to its end and thrown away, so that the page can say so and nothing else that was typed on it is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{DefaultBodyLimit, Form, FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use futures::TryStreamExt as _;
use http_body_util::LengthLimitError;
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;

use super::posted::Posted;
use crate::domain::answer::{FaultCode, Uploads};
use crate::domain::file::{FileAnswer, FileRule, clean_name};
use crate::domain::instrument::{Instrument, Item, ItemKind};
use crate::domain::survey::Mark;
use crate::domain::time::Zone;
use crate::files::{Writing, sniff};
use crate::limits;
use crate::store::{StoreError, file};
use crate::web::survey::Tools;
use crate::workflow::Failure;
use crate::workflow::uploads::{self, Owner};

/// Whose form it is, and where its files go.
#[derive(Clone, Copy)]
pub(in crate::web) struct Desk<'a> {
    pub(in crate::web) tools: &'a Tools,
    pub(in crate::web) zone: Zone,
    pub(in crate::web) instrument: &'a Instrument,
    pub(in crate::web) owner: Owner<'a>,
    /// What the form of a session must carry before its files.
    pub(in crate::web) guard: Option<&'a str>,
}

/// Why a body was not read.
#[derive(Debug)]
pub(in crate::web) enum Unread {
    /// It is no form of ours, too large as a whole, or came too slowly.
    Refused(StatusCode),
    /// We could not.
    Failed(Failure),
}

impl Unread {
    /// Key of the words that say so.
    pub(in crate::web) fn word(status: StatusCode) -> &'static str {
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => "body_large",
            StatusCode::REQUEST_TIMEOUT => "body_slow",
            _ => "body_broken",
        }
    }
}

impl From<StoreError> for Unread {
    fn from(error: StoreError) -> Unread {
        Unread::Failed(error.into())
    }
}

impl From<crate::files::FilesError> for Unread {
    fn from(error: crate::files::FilesError) -> Unread {
        Unread::Failed(error.into())
    }
}

/// Whether a request may bring files.
pub(in crate::web) fn is_multipart(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.get(..20).is_some_and(|start| start.eq_ignore_ascii_case("multipart/form-data;"))
}

/// Room for the longest texts that a form takes, in bytes: four are the most that a character has in UTF-8.
pub(in crate::web) fn texts(instrument: &Instrument) -> usize {
    let free = |item: &&Item| matches!(item.kind, ItemKind::Text { .. } | ItemKind::Note);
    let texts = instrument.items.iter().filter(free).count();
    texts.saturating_mul(4 * limits::ANSWER_CHARS).min(limits::ANSWERS_BYTES)
}

/// Reads a posted page, which has so much room for its texts. Without a desk its files are thrown away.
pub(in crate::web) async fn read(mut request: Request, texts: usize, desk: Option<Desk<'_>>) -> Result<Posted, Unread> {
    if !is_multipart(request.headers()) {
        // Percent-encoded each byte of a text takes three.
        let most = (limits::FORM_BYTES + 3 * texts).min(limits::ANSWERS_BYTES);
        DefaultBodyLimit::max(most).apply(&mut request);
        let form = Form::<Vec<(String, String)>>::from_request(request, &()).await;
        return form.map(|Form(fields)| Posted::new(fields)).map_err(|error| Unread::Refused(error.status()));
    }
    // What its texts and files may be is looked after piece by piece, and what it may be as a whole by `guard`.
    DefaultBodyLimit::disable().apply(&mut request);
    let ahead = Ahead::new();
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts, ahead.bound(body));
    let multipart = Multipart::from_request(request, &()).await;
    let multipart = multipart.map_err(|error| Unread::Refused(error.status()))?;
    let most = limits::FORM_BYTES.max(texts);
    Reading { desk, ahead, fields: Vec::new(), text_bytes: 0, most, taken: Vec::new() }.read(multipart).await
}

/// The files that a posted page carries, or what is wrong with them.
pub(in crate::web) async fn files_of(desk: Desk<'_>, posted: &Posted) -> Result<Uploads, StoreError> {
    let mut uploads = Uploads::new();
    for (item, rule) in file_items(desk.instrument) {
        let means = desk.tools.means();
        if let Some(fault) = posted.file_fault(&item.id) {
            uploads.insert(item.id.clone(), Err(fault.clone()));
            continue;
        }
        let Some(token) = posted.all(&item.id).last() else { continue };
        let found = match desk.owner.read(means, &item.id, token) {
            Some(answer) if !rule.types.contains(&answer.kind) => Err((FaultCode::FileType, answer.name)),
            Some(answer) if answer.bytes > rule.most_bytes => Err((FaultCode::FileSize, answer.name)),
            Some(answer) => match file::is_there(desk.tools.shelf.store(), &answer.key, desk.owner.study).await? {
                true => Ok(answer),
                false => Err((FaultCode::FileGone, answer.name)),
            },
            None => Err((FaultCode::FileGone, String::new())),
        };
        uploads.insert(item.id.clone(), found);
    }
    Ok(uploads)
}

/// Items that take a file, with what they take.
pub(in crate::web) fn file_items(instrument: &Instrument) -> impl Iterator<Item = (&Item, &FileRule)> {
    instrument.items.iter().filter_map(|item| match &item.kind {
        ItemKind::File(rule) => Some((item, rule)),
        _ => None,
    })
}

/// How far a body was read, and how much of it was used: what is read ahead is held in memory.
#[derive(Clone)]
struct Ahead(Arc<Counts>);

struct Counts {
    begun: Instant,
    read: AtomicU64,
    used: AtomicU64,
    /// Whether it is larger than a form may be.
    large: AtomicBool,
}

impl Ahead {
    fn new() -> Ahead {
        let [read, used] = [0, 0].map(AtomicU64::new);
        Ahead(Arc::new(Counts { begun: Instant::now(), read, used, large: AtomicBool::new(false) }))
    }

    /// The body, until too much of it waits.
    fn bound(&self, body: Body) -> Body {
        let (own, told) = (self.clone(), self.clone());
        let pieces = body.into_data_stream().map_err(move |error| {
            let cause = error.into_inner();
            told.0.large.store(cause.is::<LengthLimitError>(), Ordering::Relaxed);
            std::io::Error::other(cause)
        });
        Body::from_stream(pieces.and_then(move |piece| {
            let long = piece.len() as u64;
            let read = own.0.read.fetch_add(long, Ordering::Relaxed) + long;
            let waiting = read.saturating_sub(own.0.used.load(Ordering::Relaxed));
            let kept = (waiting <= limits::UPLOAD_AHEAD_BYTES).then_some(piece);
            std::future::ready(kept.ok_or_else(|| std::io::Error::other("a part of the form has no end")))
        }))
    }

    /// What comes next; all that was read before it is used. Whoever sends one byte a second keeps a place that others need.
    async fn next<T>(&self, next: impl Future<Output = Result<T, MultipartError>>) -> Result<T, Unread> {
        self.0.used.store(self.0.read.load(Ordering::Relaxed), Ordering::Relaxed);
        let patience = Duration::from_secs(limits::UPLOAD_PIECE_SECONDS);
        let slow = Unread::Refused(StatusCode::REQUEST_TIMEOUT);
        let seconds = self.0.begun.elapsed().as_secs();
        let least = seconds.saturating_mul(limits::UPLOAD_BYTES_PER_SECOND);
        if seconds >= limits::UPLOAD_PIECE_SECONDS && self.0.read.load(Ordering::Relaxed) < least {
            return Err(slow);
        }
        let Ok(came) = tokio::time::timeout(patience, next).await else { return Err(slow) };
        came.map_err(|error| match error.status() {
            _ if self.0.large.load(Ordering::Relaxed) => Unread::Refused(StatusCode::PAYLOAD_TOO_LARGE),
            status if status.is_server_error() => Unread::Refused(StatusCode::BAD_REQUEST),
            status => Unread::Refused(status),
        })
    }
}

/// A file that came for an item, or what is wrong with it and how it was called.
type Came = Result<FileAnswer, (FaultCode, String)>;

/// A form with files on its way in.
struct Reading<'a> {
    desk: Option<Desk<'a>>,
    ahead: Ahead,
    fields: Vec<(String, String)>,
    text_bytes: usize,
    /// Most of them.
    most: usize,
    /// What came for each item that takes a file.
    taken: Vec<(String, Came)>,
}

/// A file of a form, as it is called there.
struct Sent<'f> {
    field: Field<'f>,
    called: String,
}

impl Reading<'_> {
    async fn read(mut self, mut multipart: Multipart) -> Result<Posted, Unread> {
        while let Some(field) = self.ahead.next(multipart.next_field()).await? {
            let name = field.name().unwrap_or_default().to_string();
            if name.len() > limits::UPLOAD_NAME_BYTES {
                return Err(Unread::Refused(StatusCode::PAYLOAD_TOO_LARGE));
            }
            match field.file_name().map(|called| called.chars().take(limits::UPLOAD_NAME_BYTES).collect()) {
                None => self.text(name, field).await?,
                Some(called) => self.file(&name, Sent { field, called }).await?,
            }
        }
        let mut posted = Posted::new(self.fields);
        for (item, came) in self.taken {
            let token = came.map(|answer| match &self.desk {
                Some(desk) => desk.owner.token(desk.tools.means(), &item, &answer),
                None => String::new(),
            });
            posted.put_file(item, token);
        }
        Ok(posted)
    }

    async fn text(&mut self, name: String, mut field: Field<'_>) -> Result<(), Unread> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.ahead.next(field.chunk()).await? {
            self.text_bytes += piece.len();
            if self.text_bytes > self.most {
                return Err(Unread::Refused(StatusCode::PAYLOAD_TOO_LARGE));
            }
            bytes.extend_from_slice(&piece);
        }
        if self.fields.len() < limits::FORM_FIELDS {
            self.fields.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
        Ok(())
    }

    /// Whether the form has shown, before its first file, that it is one of our own pages.
    fn is_ours(&self, desk: &Desk<'_>) -> bool {
        desk.guard.is_none_or(|guard| {
            let own = self.fields.iter().filter(|(name, _)| name == super::posted::GUARD);
            own.take(1).any(|(_, sent)| sent.as_bytes().ct_eq(guard.as_bytes()).into())
        })
    }

    async fn file(&mut self, name: &str, mut sent: Sent<'_>) -> Result<(), Unread> {
        let desk = self.desk.filter(|desk| self.is_ours(desk));
        let rule = desk.and_then(|desk| file_items(desk.instrument).find(|(item, _)| item.id == name));
        let (Some(desk), Some((item, rule))) = (desk, rule) else { return self.pass_over(sent).await };
        if self.taken.iter().any(|(id, _)| *id == item.id) {
            return self.pass_over(sent).await;
        }
        let Some(first) = self.first(&mut sent).await? else {
            // A browser sends the field of a file that was not chosen, without a name.
            if !sent.called.is_empty() {
                self.taken.push((item.id.clone(), Err((FaultCode::FileEmpty, sent.called))));
            }
            return Ok(());
        };
        let store = desk.tools.shelf.store();
        let key = match uploads::expect(store, desk.tools.means(), desk.owner, desk.zone, rule.most_bytes).await? {
            Ok(key) => key,
            Err(fault) => {
                self.taken.push((item.id.clone(), Err((fault, sent.called.clone()))));
                return self.pass_over(sent).await;
            }
        };
        let came = self.store(desk, rule, key, &first, &mut sent).await;
        if !matches!(came, Ok(Ok(_))) {
            file::leave(store, &key).await?;
        }
        let came = came?;
        if came.is_err() {
            self.taken.push((item.id.clone(), came));
            return self.pass_over(sent).await;
        }
        self.taken.push((item.id.clone(), came));
        Ok(())
    }

    /// The first bytes of a file; none if it is empty.
    async fn first(&self, sent: &mut Sent<'_>) -> Result<Option<bytes::Bytes>, Unread> {
        while let Some(piece) = self.ahead.next(sent.field.chunk()).await? {
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    async fn store(
        &self,
        desk: Desk<'_>,
        rule: &FileRule,
        key: Mark,
        first: &[u8],
        sent: &mut Sent<'_>,
    ) -> Result<Came, Unread> {
        let mut writing = desk.tools.files.begin(key).await?;
        let streamed = self.stream(rule, first, sent, &mut writing).await;
        let kind = match streamed {
            Ok(true) => sniff(writing.head()).filter(|kind| rule.types.contains(kind)),
            Ok(false) => {
                writing.abort().await;
                return Ok(Err((FaultCode::FileSize, sent.called.clone())));
            }
            Err(unread) => {
                writing.abort().await;
                return Err(unread);
            }
        };
        let Some(kind) = kind else {
            writing.abort().await;
            return Ok(Err((FaultCode::FileType, sent.called.clone())));
        };
        let stored = writing.finish().await?;
        let bytes = i64::try_from(stored.bytes).unwrap_or(i64::MAX);
        file::measure(desk.tools.shelf.store(), &key, bytes).await?;
        let name = clean_name(&sent.called, kind);
        Ok(Ok(FileAnswer { key, kind, bytes: stored.bytes, digest: stored.digest, name }))
    }

    /// Whether all of it fits.
    async fn stream(
        &self,
        rule: &FileRule,
        first: &[u8],
        sent: &mut Sent<'_>,
        writing: &mut Writing,
    ) -> Result<bool, Unread> {
        writing.write(first).await?;
        while let Some(piece) = self.ahead.next(sent.field.chunk()).await? {
            if writing.bytes() + piece.len() as u64 > rule.most_bytes {
                return Ok(false);
            }
            writing.write(&piece).await?;
        }
        Ok(writing.bytes() <= rule.most_bytes)
    }

    /// Reads a file that is not taken, so that what stands behind it is not lost.
    async fn pass_over(&self, mut sent: Sent<'_>) -> Result<(), Unread> {
        while self.ahead.next(sent.field.chunk()).await?.is_some() {}
        Ok(())
    }
}
