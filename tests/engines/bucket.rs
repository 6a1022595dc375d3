//! Files of answers in a bucket of a real S3 service on this machine, where its package is installed: `tests/all.sh` does.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use hagaki::domain::file::{FileAnswer, FileType};
use hagaki::domain::seal::KeyRing;
use hagaki::domain::survey::Mark;
use hagaki::files::{BucketTerms, Files, FilesError};
use hagaki::limits;

use crate::world::ring;

/// A service that runs until it is dropped.
struct Service {
    child: Child,
    port: u16,
    data: tempfile::TempDir,
    _told: BufReader<ChildStdout>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("s3")
}

fn is_there() -> bool {
    let there = folder().join("node_modules/s3rver/package.json").exists();
    assert!(there || std::env::var_os("HAGAKI_TESTS_COMPLETE").is_none(), "no s3rver; tests/all.sh installs it");
    there
}

impl Service {
    fn start() -> Service {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let data = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/s3/server.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .arg(folder())
            .arg(data.path())
            .arg(port.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node starts");
        let mut told = BufReader::new(child.stdout.take().unwrap());
        assert!(told.by_ref().lines().any(|line| line.unwrap() == "listening"), "the service ended");
        Service { child, port, data, _told: told }
    }

    fn files(&self, bucket: &str, ring: KeyRing) -> Files {
        let terms = BucketTerms {
            bucket: bucket.to_owned(),
            endpoint: Some(format!("http://127.0.0.1:{}", self.port)),
            region: "us-east-1".to_owned(),
            prefix: "study/".to_owned(),
            access: Some(("S3RVER".to_owned(), "S3RVER".to_owned())),
            client: reqwest_client(),
        };
        Files::bucket(terms, ring).unwrap()
    }

    /// How many objects lie in the bucket.
    fn objects(&self) -> usize {
        let folder = self.data.path().join("answers/study");
        let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
        entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with("_object")).count()
    }
}

fn reqwest_client() -> reqwest::Client {
    let tls = hagaki::mail::connection::trust(None).unwrap();
    reqwest::Client::builder().tls_backend_preconfigured(std::sync::Arc::unwrap_or_clone(tls)).build().unwrap()
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn files_come_back_from_a_bucket_and_go() {
    if !is_there() {
        return;
    }
    let service = Service::start();
    let files = service.files("answers", ring());
    files.probe(Mark([9; 16])).await.unwrap();
    // Smaller than a part of the service, and larger than two of them.
    for (at, bytes) in [1_000, 2 * limits::BUCKET_PART_BYTES + 12_345].into_iter().enumerate() {
        let key = Mark([at as u8 + 1; 16]);
        let plain: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
        let mut writing = files.begin(key).await.unwrap();
        for piece in plain.chunks(50_000) {
            writing.write(piece).await.unwrap();
        }
        let stored = writing.finish().await.unwrap();
        let answer =
            FileAnswer { key, kind: FileType::Pdf, bytes: stored.bytes, digest: stored.digest, name: String::new() };
        let mut reading = files.read(&answer).await.unwrap();
        let mut all = Vec::new();
        while let Some(piece) = reading.next().await.unwrap() {
            all.extend(piece);
        }
        assert!(all == plain);
        assert_eq!(service.objects(), 1);
        files.delete(&key).await.unwrap();
        files.delete(&key).await.unwrap();
        assert_eq!(service.objects(), 0);
    }
    // Given up in the middle: nothing is found under its name.
    let mut writing = files.begin(Mark([7; 16])).await.unwrap();
    writing.write(&vec![1; 2 * limits::BUCKET_PART_BYTES]).await.unwrap();
    writing.abort().await;
    assert_eq!(service.objects(), 0);
    // A bucket that is not there takes nothing, and says so.
    let refused = service.files("nowhere", ring()).probe(Mark([9; 16])).await;
    assert!(matches!(refused, Err(FilesError::Store(_))), "{refused:?}");
}
