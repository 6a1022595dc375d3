//! Bytes come back as they came, or not at all.

use super::*;
use crate::domain::file::FileType;
use crate::domain::time::Dice;

struct Sevens;

impl Dice for Sevens {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

fn ring() -> KeyRing {
    KeyRing::parse(&KeyRing::fresh_line(&Sevens)).unwrap()
}

fn bytes(many: usize) -> Vec<u8> {
    (0..many).map(|at| (at * 7 % 251) as u8).collect()
}

async fn store(files: &Files, key: Mark, plain: &[u8]) -> FileAnswer {
    let mut writing = files.begin(key).await.unwrap();
    for piece in plain.chunks(10_007) {
        writing.write(piece).await.unwrap();
    }
    let Stored { bytes, digest } = writing.finish().await.unwrap();
    FileAnswer { key, kind: FileType::Pdf, bytes, digest, name: String::new() }
}

async fn take(files: &Files, answer: &FileAnswer) -> Result<Vec<u8>, FilesError> {
    let mut reading = files.read(answer).await?;
    let mut all = Vec::new();
    while let Some(piece) = reading.next().await? {
        all.extend(piece);
    }
    Ok(all)
}

#[tokio::test]
async fn bytes_come_back_and_lie_sealed() {
    for ring in [KeyRing::default(), ring()] {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::folder(&folder.path().join("files"), ring.clone());
        let piece = limits::FILE_CHUNK_BYTES;
        for (at, many) in [0, 1, piece - 1, piece, piece + 1, 3 * piece, 3 * piece + 5].into_iter().enumerate() {
            let (key, plain) = (Mark([at as u8 + 1; 16]), bytes(many));
            let answer = store(&files, key, &plain).await;
            assert_eq!(answer.bytes, many as u64);
            assert!(take(&files, &answer).await.unwrap() == plain, "{many} bytes");
            let path = folder.path().join("files").join(key.text());
            let stored = std::fs::read(&path).unwrap();
            if many > 100 {
                let seen = stored.windows(64).any(|window| window == &plain[..64]);
                assert_eq!(seen, ring.is_empty());
            }
            // Cut, lengthened, or with a bit turned over: refused.
            for changed in [stored[..stored.len() - 1].to_vec(), [&stored[..], b"x"].concat(), {
                let mut turned = stored.clone();
                *turned.last_mut().unwrap() ^= 1;
                turned
            }] {
                std::fs::write(&path, changed).unwrap();
                assert!(take(&files, &answer).await.is_err(), "{many} bytes");
            }
            files.delete(&key).await.unwrap();
            assert!(!path.exists());
            files.delete(&key).await.unwrap();
        }
        files.probe(Mark([99; 16])).await.unwrap();
        assert_eq!(std::fs::read_dir(folder.path().join("files")).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn what_is_given_up_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::folder(folder.path(), ring());
    let mut writing = files.begin(Mark([1; 16])).await.unwrap();
    writing.write(&bytes(200_000)).await.unwrap();
    writing.abort().await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    // Killed in the middle: what lies beside its place goes with it.
    std::fs::write(folder.path().join(format!("{}#1", Mark([2; 16]).text())), "half").unwrap();
    files.delete(&Mark([2; 16])).await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn pieces_of_two_files_are_not_exchanged() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::folder(folder.path(), ring());
    let one = store(&files, Mark([1; 16]), &bytes(100_000)).await;
    let other = store(&files, Mark([2; 16]), &bytes(100_000)).await;
    let path = |answer: &FileAnswer| folder.path().join(answer.key.text());
    std::fs::copy(path(&one), path(&other)).unwrap();
    assert!(matches!(take(&files, &other).await, Err(FilesError::Unopened(_))));
}
