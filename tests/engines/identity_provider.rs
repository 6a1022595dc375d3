//! A real identity provider on this machine, where its package is installed: `tests/all.sh` does.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// What it shares with whoever asks it.
pub(crate) const SECRET: &str = "a secret of both";

/// A provider that runs until it is dropped.
pub(crate) struct IdentityProvider {
    child: Child,
    port: u16,
    /// Kept open: whoever writes into a closed one ends.
    _told: BufReader<ChildStdout>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("oidc")
}

/// Whether it is installed; on a machine that runs every test it must be.
pub(crate) fn is_there() -> bool {
    let there = folder().join("node_modules/oidc-provider/package.json").exists();
    assert!(there || std::env::var_os("HAGAKI_TESTS_COMPLETE").is_none(), "no oidc-provider; tests/all.sh installs it");
    there
}

impl IdentityProvider {
    /// Starts it; people go back to that address.
    pub(crate) fn start(redirect: &str) -> IdentityProvider {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/oidc/provider.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .arg(folder())
            .args([&port.to_string(), redirect])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node starts");
        let mut told = BufReader::new(child.stdout.take().unwrap());
        assert!(told.by_ref().lines().any(|line| line.unwrap() == "listening"), "the provider ended");
        IdentityProvider { child, port, _told: told }
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
