//! A file on its way in: sealed piece by piece, measured, and looked at to tell what it is. Nothing of it stays unless it is finished.

use object_store::{MultipartUpload, PutPayload};
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use super::{FilesError, PLAIN, PURPOSE, SEALED, place};
use crate::domain::seal::KeyRing;
use crate::domain::survey::Mark;
use crate::limits;

/// What is known of a file that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// How long it is.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
}

/// A file on its way in.
pub struct Writing {
    upload: Option<Box<dyn MultipartUpload>>,
    key: Mark,
    ring: KeyRing,
    part_bytes: usize,
    /// What waits to be sealed.
    piece: Vec<u8>,
    pieces: u64,
    /// What waits to be given to the store.
    part: Vec<u8>,
    head: Vec<u8>,
    bytes: u64,
    digest: Sha256,
    _room: OwnedSemaphorePermit,
}

impl Writing {
    pub(super) fn new(
        upload: Box<dyn MultipartUpload>,
        key: Mark,
        ring: KeyRing,
        part_bytes: usize,
        room: OwnedSemaphorePermit,
    ) -> Writing {
        let first = if ring.is_empty() { PLAIN } else { SEALED };
        Writing {
            upload: Some(upload),
            key,
            ring,
            part_bytes,
            piece: Vec::new(),
            pieces: 0,
            part: vec![first],
            head: Vec::new(),
            bytes: 0,
            digest: Sha256::new(),
            _room: room,
        }
    }

    /// Stores some more bytes.
    ///
    /// # Errors
    /// The store.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), FilesError> {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        let wanted = limits::FILE_HEAD_BYTES.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(bytes.get(..wanted).unwrap_or_default());
        while !bytes.is_empty() {
            // A full piece waits: it may be the last.
            if self.piece.len() == limits::FILE_CHUNK_BYTES {
                self.seal(false)?;
                self.pass_on(false).await?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(limits::FILE_CHUNK_BYTES - self.piece.len()));
            self.piece.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// How many bytes came so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The first bytes, as many as are looked at.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    fn seal(&mut self, last: bool) -> Result<(), FilesError> {
        if self.ring.is_empty() {
            self.part.append(&mut self.piece);
        } else {
            let place = place(&self.key, self.pieces, last);
            let sealed = self.ring.keep(PURPOSE, &place, &self.piece)?;
            self.part.extend_from_slice(&sealed);
            self.piece.clear();
        }
        self.pieces += 1;
        Ok(())
    }

    async fn pass_on(&mut self, last: bool) -> Result<(), FilesError> {
        if let Some(upload) = &mut self.upload
            && (last || self.part.len() >= self.part_bytes)
        {
            upload.put_part(PutPayload::from(std::mem::take(&mut self.part))).await?;
        }
        Ok(())
    }

    /// Puts it where it is found.
    ///
    /// # Errors
    /// The store.
    pub async fn finish(mut self) -> Result<Stored, FilesError> {
        self.seal(true)?;
        self.pass_on(true).await?;
        if let Some(mut upload) = self.upload.take() {
            upload.complete().await?;
        }
        Ok(Stored { bytes: self.bytes, digest: self.digest.clone().finalize().into() })
    }

    /// Gives it up.
    pub async fn abort(mut self) {
        if let Some(mut upload) = self.upload.take()
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(%error, "what was stored of a file that is not taken could not be taken away at once");
        }
    }
}
