//! The computing part of a booth, run by Node.js out of the page that is shipped.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hagaki::web::booth::{BoothPage, BoothPlan};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A page whose script can be asked.
pub(crate) struct Engine {
    folder: TempDir,
}

impl Engine {
    /// Nothing where there is no Node.js; on a machine that runs every test there must be.
    pub(crate) fn find() -> Option<Engine> {
        let there = Command::new("node").arg("--version").stdout(Stdio::null()).status().is_ok();
        assert!(
            there || std::env::var_os("HAGAKI_TESTS_COMPLETE").is_none(),
            "Node.js is not installed (apt install nodejs)"
        );
        if !there {
            eprintln!("left out: no Node.js on this machine");
            return None;
        }
        let engine = Engine { folder: tempfile::tempdir().unwrap() };
        let page = BoothPage::assemble(&BoothPlan::default()).unwrap();
        std::fs::write(engine.page(), page.text()).unwrap();
        Some(engine)
    }

    fn page(&self) -> PathBuf {
        self.folder.path().join("booth.html")
    }

    /// What comes of a task (`tests/data/booth/engine.mjs`).
    pub(crate) fn ask(&self, task: &str, needs: &Value) -> Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/booth/engine.mjs");
        let input = self.folder.path().join("needs.json");
        std::fs::write(&input, needs.to_string()).unwrap();
        let output = Command::new("node")
            .arg(script)
            .args([self.page().as_os_str(), task.as_ref()])
            .stdin(std::fs::File::open(input).unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "{task}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The secret exponents that follow from credentials.
    pub(crate) fn secrets(&self, uuid: &str, credentials: &[String]) -> Vec<String> {
        let told = self.ask("credentials", &json!({ "uuid": uuid, "typed": credentials }));
        told.as_array().unwrap().iter().map(|one| one["secret"].as_str().unwrap().to_owned()).collect()
    }

    /// Ballots of an election's file, for secret exponents and votes.
    pub(crate) fn ballots(&self, file: &[u8], votes: &[(String, Vec<Vec<u64>>)]) -> Vec<Vec<u8>> {
        let file = std::str::from_utf8(file).unwrap();
        let wanted: Vec<Value> =
            votes.iter().map(|(secret, votes)| json!({ "file": file, "secret": secret, "votes": votes })).collect();
        let made = self.ask("ballots", &json!(wanted));
        made.as_array()
            .unwrap()
            .iter()
            .map(|one| one["text"].as_str().unwrap_or_else(|| panic!("{one}")).as_bytes().to_vec())
            .collect()
    }
}
