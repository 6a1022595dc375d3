//! The bytes of files that came as answers: in a folder or in a bucket (S3), each under a random name that tells nothing.
//!
//! In charge of storing them piece by piece, sealed where there is a key, and of giving them back whole or not at all. Which files
//! there are, and whose, is the database's to say; never knows a name, a person or a study.

mod sniff;
mod writing;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{ClientOptions, HttpClient, HttpConnector};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;
use object_store::{ObjectStore, ObjectStoreExt as _};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::domain::file::FileAnswer;
use crate::domain::seal::{KeyRing, NoKey, Unopened};
use crate::domain::survey::Mark;
use crate::limits;

pub use sniff::sniff;
pub use writing::{Stored, Writing};

/// What the seals of pieces are for.
const PURPOSE: &str = "hagaki file";
/// First byte of a file whose pieces are sealed.
const SEALED: u8 = 1;
/// First byte of a file that lies there as it came.
const PLAIN: u8 = 0;
/// By how much a sealed piece is longer: name of the key, nonce, tag.
const SEAL_BYTES: usize = 8 + 24 + 16;

/// Why bytes cannot be stored or given back.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The folder cannot be made or used.
    #[error("the folder of files {} cannot be used ({source}); create it, or name another under [files] folder", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder or bucket.
    #[error("the store of files: {0}")]
    Store(#[from] object_store::Error),
    /// Something has to be sealed, and there is no key.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// Something sealed does not open.
    #[error("a file cannot be opened: {0}")]
    Unopened(#[from] Unopened),
    /// It is not what was stored.
    #[error("file {0} is not what was stored: it was changed or cut")]
    Changed(String),
    /// Nobody speaks https to the bucket.
    #[error("the bucket cannot be asked: {0}")]
    Client(String),
}

/// Where a bucket is, and who may use it.
#[derive(Clone)]
pub struct BucketTerms {
    /// Its name.
    pub bucket: String,
    /// Address of the server, where it is not Amazon's.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: String,
    /// What stands before the names of our files; empty for none.
    pub prefix: String,
    /// Name and secret of the access key; the environment's if none.
    pub access: Option<(String, String)>,
    /// Trust for https.
    pub client: reqwest::Client,
}

/// The store of files.
#[derive(Clone)]
pub struct Files {
    place: Place,
    ring: KeyRing,
    room: Arc<Semaphore>,
    /// Bytes that are given to the store at once.
    part_bytes: usize,
}

/// Where the bytes lie.
#[derive(Clone, Debug)]
enum Place {
    /// In a folder, which is opened when it is first needed.
    Folder(PathBuf, Arc<OnceLock<LocalFileSystem>>),
    /// In a bucket, behind a prefix.
    Bucket(Arc<AmazonS3>, String),
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Folder(path, _) => write!(f, "Files({})", path.display()),
            Place::Bucket(bucket, _) => write!(f, "Files({bucket})"),
        }
    }
}

impl Files {
    /// Files in a folder, which is made when the first of them comes.
    pub fn folder(path: &Path, ring: KeyRing) -> Files {
        Files {
            place: Place::Folder(path.to_path_buf(), Arc::default()),
            ring,
            room: Arc::new(Semaphore::new(limits::UPLOADS_AT_ONCE)),
            part_bytes: limits::FILE_CHUNK_BYTES,
        }
    }

    /// Files in a bucket.
    ///
    /// # Errors
    /// The terms are none.
    pub fn bucket(terms: BucketTerms, ring: KeyRing) -> Result<Files, FilesError> {
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&terms.bucket)
            .with_region(&terms.region)
            .with_http_connector(Connector(terms.client));
        if let Some(endpoint) = &terms.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        if let Some((name, secret)) = &terms.access {
            builder = builder.with_access_key_id(name).with_secret_access_key(secret);
        }
        Ok(Files {
            place: Place::Bucket(Arc::new(builder.build()?), terms.prefix),
            ring,
            room: Arc::new(Semaphore::new(limits::UPLOADS_AT_ONCE)),
            part_bytes: limits::BUCKET_PART_BYTES,
        })
    }

    /// What the bytes under a name lie in, and where there.
    fn find(&self, key: &Mark) -> Result<(&dyn ObjectStore, Location), FilesError> {
        let name = key.text();
        Ok(match &self.place {
            Place::Folder(path, opened) => (open(path, opened)?, Location::from(name)),
            Place::Bucket(bucket, prefix) => {
                let location = Location::parse(format!("{prefix}{name}")).map_err(object_store::Error::from)?;
                (bucket.as_ref(), location)
            }
        })
    }

    /// Begins to store bytes under a name; waits while many others do.
    ///
    /// # Errors
    /// The store.
    pub async fn begin(&self, key: Mark) -> Result<Writing, FilesError> {
        let room = Arc::clone(&self.room).acquire_owned().await.expect("the semaphore is never closed");
        let (store, location) = self.find(&key)?;
        let upload = store.put_multipart(&location).await?;
        Ok(Writing::new(upload, key, self.ring.clone(), self.part_bytes, room))
    }

    /// The bytes of an answer, piece by piece. Whoever takes them must take them to the end: the last piece is an error where the whole
    /// is not what was sent.
    ///
    /// # Errors
    /// The store.
    pub async fn read(&self, answer: &FileAnswer) -> Result<Reading, FilesError> {
        let (store, location) = self.find(&answer.key)?;
        let got = store.get(&location).await?;
        Ok(Reading {
            stream: got.into_stream(),
            ring: self.ring.clone(),
            answer: answer.clone(),
            kind: None,
            rest: Vec::new(),
            pieces: 0,
            bytes: 0,
            digest: Sha256::new(),
            ended: false,
        })
    }

    /// Deletes what lies under a name, and what is left of a try to store it; nothing where there is nothing.
    ///
    /// # Errors
    /// The store.
    pub async fn delete(&self, key: &Mark) -> Result<(), FilesError> {
        let (store, location) = self.find(key)?;
        if let Place::Folder(folder, _) = &self.place {
            // What is being written lies beside its place until it is whole.
            let staged = folder.join(format!("{}#1", key.text()));
            let _ = std::fs::remove_file(staged);
        }
        match store.delete(&location).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Tries to store, read and delete a few bytes.
    ///
    /// # Errors
    /// What does not work.
    pub async fn probe(&self, key: Mark) -> Result<(), FilesError> {
        let mut writing = self.begin(key).await?;
        writing.write(b"hagaki").await?;
        writing.finish().await?;
        let (store, location) = self.find(&key)?;
        let found = store.head(&location).await.map(drop);
        self.delete(&key).await?;
        Ok(found?)
    }
}

/// The folder, made for us alone where it is not there yet.
fn open<'o>(path: &Path, opened: &'o OnceLock<LocalFileSystem>) -> Result<&'o LocalFileSystem, FilesError> {
    if let Some(store) = opened.get() {
        return Ok(store);
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| FilesError::Folder { path: path.to_path_buf(), source })?;
    let store = LocalFileSystem::new_with_prefix(path)?.with_fsync(true);
    Ok(opened.get_or_init(|| store))
}

/// Speaks https with our own trust.
#[derive(Clone, Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

/// A file on its way out.
pub struct Reading {
    stream: BoxStream<'static, object_store::Result<bytes::Bytes>>,
    ring: KeyRing,
    answer: FileAnswer,
    /// Whether it is sealed; not known before its first byte.
    kind: Option<u8>,
    rest: Vec<u8>,
    pieces: u64,
    bytes: u64,
    digest: Sha256,
    ended: bool,
}

impl Reading {
    /// The next piece; none behind the last.
    ///
    /// # Errors
    /// The store; bytes that are not those that were sent.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, FilesError> {
        if self.ended {
            return Ok(None);
        }
        let changed = || FilesError::Changed(self.answer.key.text());
        loop {
            if self.kind.is_none() && !self.rest.is_empty() {
                self.kind = Some(self.rest.remove(0));
            }
            let whole = match self.kind {
                Some(SEALED) => limits::FILE_CHUNK_BYTES + SEAL_BYTES,
                _ => limits::FILE_CHUNK_BYTES,
            };
            // One byte more: only the last piece is the last.
            if self.kind.is_some() && self.rest.len() > whole {
                let behind = self.rest.split_off(whole);
                let piece = std::mem::replace(&mut self.rest, behind);
                return self.opened(piece, false).map(Some);
            }
            match self.stream.next().await {
                Some(more) => self.rest.extend_from_slice(&more?),
                None => break,
            }
        }
        self.ended = true;
        if self.kind.is_none() {
            return Err(changed());
        }
        let piece = std::mem::take(&mut self.rest);
        let piece = self.opened(piece, true)?;
        let digest: [u8; 32] = self.digest.clone().finalize().into();
        if self.bytes != self.answer.bytes || digest != self.answer.digest {
            return Err(FilesError::Changed(self.answer.key.text()));
        }
        Ok(Some(piece))
    }

    fn opened(&mut self, piece: Vec<u8>, last: bool) -> Result<Vec<u8>, FilesError> {
        let plain = match self.kind {
            Some(SEALED) => self.ring.open(PURPOSE, &place(&self.answer.key, self.pieces, last), &piece)?,
            Some(PLAIN) => piece,
            _ => return Err(FilesError::Changed(self.answer.key.text())),
        };
        self.pieces += 1;
        self.bytes += plain.len() as u64;
        self.digest.update(&plain);
        Ok(plain)
    }
}

/// A piece opens in its own place alone: none can be left out, put elsewhere, or taken for the last.
fn place(key: &Mark, number: u64, last: bool) -> Vec<u8> {
    [&key.0[..], &number.to_be_bytes(), &[u8::from(last)]].concat()
}

#[cfg(test)]
mod tests;
