//! The command line as a shell sees it: exit codes (0 done, 1 refused, 2 usage, 3 failure), and what a program reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/studies");
const MAIL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/mail/001-ascii-english.eml");

/// How a command ended, and what it printed.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

/// An installation on an embedded database of its own.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Place {
        let place = Place(TempDir::new().unwrap());
        fs::create_dir_all(place.path("mailboxes/reg")).unwrap();
        fs::write(place.path("hagaki.toml"), include_str!("../../config/demo/hagaki.toml")).unwrap();
        fs::write(place.path("mailboxes/reg/mailbox.toml"), include_str!("../../config/demo/mailbox.toml")).unwrap();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    /// Runs the program; words are parted by spaces, so that none of them may hold one.
    pub(crate) fn run(&self, line: &str) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hagaki"));
        command.args(line.split(' ')).current_dir(self.0.path()).env_remove("HAGAKI_CONFIG");
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    pub(crate) fn ends(&self, code: i32, line: &str) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.code, code, "hagaki {line}\n{}{}", ran.out, ran.err);
        assert!(code == 0 || !ran.err.is_empty(), "hagaki {line} says nothing of why");
        ran
    }
}

#[test]
fn what_is_not_there_is_refused() {
    let place = Place::new();
    for line in [
        "study show nosuch",
        "study addresses nosuch",
        "study pause nosuch",
        "study resume nosuch",
        "study close nosuch",
        "study purge nosuch",
        "preview nosuch confirm",
        "allocation verify nosuch",
        "inbox show 7",
        "inbox drop 7",
        "outbox show 7",
        "outbox retry 7",
    ] {
        place.ends(1, line);
    }
    place.ends(1, &format!("study amend {SAMPLES}/aurora --reason none"));
    place.ends(1, "study activate nosuch");
    place.ends(1, &format!("read --bundle nosuch {MAIL}"));
}

#[test]
fn what_cannot_be_meant_is_a_usage_error() {
    let place = Place::new();
    for line in [
        "no-such-command",
        "check",
        "inbox list --state nosuch",
        "outbox list --state nosuch",
        "preview aurora no-such-letter",
        "preview aurora confirm --language xx",
    ] {
        place.ends(2, line);
    }
    let ran = place.ends(2, &format!("read --bundle {SAMPLES}/aurora --now yesterday {MAIL}"));
    assert!(ran.err.contains("2026-11-20T09:05:00+09:00"), "{}", ran.err);
}

#[test]
fn what_cannot_be_reached_is_a_failure() {
    let place = Place::new();
    for line in ["study list --config nosuch.toml", "study show aurora --config nosuch.toml"] {
        place.ends(3, line);
    }
    place.ends(3, &format!("read --bundle {SAMPLES}/aurora nosuch.eml"));
    place.ends(0, &format!("read --bundle {SAMPLES}/aurora --now 2026-11-20T09:05:00+09:00 {MAIL}"));
}

#[test]
fn a_scheme_that_cannot_be_read_is_a_failure_and_a_bad_one_is_refused() {
    let place = Place::new();
    let scheme = format!("{SAMPLES}/aurora/allocation.toml");
    place.ends(3, "allocation explain --file nosuch.toml");
    place.ends(3, &format!("allocation explain --file {scheme} --history nosuch.csv"));
    place.ends(1, &format!("allocation explain --file {}", place.write("bad.toml", "method = 7\n")));
    place.ends(1, &format!("allocation explain --file {scheme} --history {}", place.write("bad.csv", "a,b\n1,2\n")));
}

#[test]
fn a_study_lives_and_programs_can_read_it() {
    let place = Place::new();
    let activated = place.ends(0, &format!("study activate {SAMPLES}/aurora --json")).json();
    assert_eq!((&activated["study"], &activated["stage"]), (&"aurora".into(), &"development".into()));
    assert_eq!(activated["version"], 1);
    let shown = place.ends(0, "study show aurora --json").json();
    assert_eq!(activated["secret_digest"], shown["secret_digest"]);
    assert_eq!(activated["bundle_digest"], shown["versions"][0]["digest"]);
    place.ends(1, &format!("study activate {SAMPLES}/aurora --json"));
    place.ends(1, &format!("study amend {SAMPLES}/aurora --json"));

    let changed = place.path("changed");
    copy(&PathBuf::from(SAMPLES).join("aurora"), &changed);
    let study = fs::read_to_string(changed.join("study.toml")).unwrap();
    fs::write(changed.join("study.toml"), format!("# Changed.\n{study}")).unwrap();
    let amended = place.ends(0, "study amend changed --json").json();
    assert_eq!((&amended["study"], &amended["version"]), (&"aurora".into(), &2.into()));
    assert_ne!(amended["bundle_digest"], activated["bundle_digest"]);

    for (act, state) in [("pause", "paused"), ("resume", "open"), ("close", "closed")] {
        assert_eq!(place.ends(0, &format!("study {act} aurora --json")).json()["state"], state);
        place.ends(1, &format!("study {act} aurora --json"));
    }
    let purged = place.ends(0, "study purge aurora --json").json();
    assert_eq!((&purged["study"], &purged["subjects"]), (&"aurora".into(), &0.into()));
}

#[test]
fn a_preview_is_as_the_real_letter() {
    let place = Place::new();
    let kinds = place.ends(0, "preview aurora --json").json();
    assert!(kinds["letters"].as_array().unwrap().contains(&"assignment-open".into()), "{kinds}");
    let letter = place.ends(0, &format!("preview {SAMPLES}/aurora assignment-open --json")).json();
    let text = letter["text"].as_str().unwrap();
    assert!(text.contains("AURORA-0001"), "{text}");
    assert!(letter["subject"].as_str().unwrap().contains("AURORA-0001"), "{letter}");
}

#[test]
fn a_check_tells_only_what_it_did() {
    let place = Place::new();
    let ran = place.run("check nosuch");
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("1 error, 0 warnings; no letter rendered"), "{}", ran.out);
    let ran = place.ends(0, &format!("check {SAMPLES}/aurora"));
    assert!(ran.out.contains("0 errors") && ran.out.contains("kinds of letters rendered"), "{}", ran.out);
}

#[test]
fn a_check_tells_what_an_imported_list_holds() {
    let place = Place::new();
    copy(Path::new(&format!("{SAMPLES}/borealis")), &place.path("study"));
    let settings = "method = \"list\"\narms = [{ code = \"P\" }, { code = \"L\" }, { code = \"H\" }]\n\
        factors = [{ id = \"site\" }, { id = \"severity\", levels = [\"moderate\", \"severe\"] }]\n\
        strata = [\"site\", \"severity\"]\n[list]\nfile = \"list.csv\"\n";
    place.write("study/allocation.toml", settings);
    let list = "site,severity,arm\n101,moderate,L\n101,moderate,P\n102,severe,H\n";
    place.write("study/list.csv", list);
    let ran = place.ends(0, "check study");
    for line in [
        "list.csv: 3 places; arms H 1, L 1, P 1",
        "list.csv: severity=moderate,site=101: 2 places",
        "list.csv: severity=severe,site=102: 1 place",
        "has no place for",
    ] {
        assert!(ran.out.contains(line), "{line}\n{}", ran.out);
    }
    let report: serde_json::Value = serde_json::from_str(&place.ends(0, "check study --json").out).unwrap();
    let digest = report["list"]["digest"].as_str().unwrap();
    assert!(ran.out.contains(&format!("list.csv: SHA-256 {digest}")) && digest.len() == 64);
    assert_eq!(report["list"]["strata"][0]["levels"]["severity"], "moderate");
    assert_eq!(report["list"]["strata"][0]["places"], 2);
    // A code written otherwise, and a list that nothing uses.
    place.write("study/list.csv", &list.replace("102", "120"));
    let ran = place.run("check study");
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("nobody can have the level \"120\" of `site`"), "{}", ran.out);
    place.write("study/list.csv", list);
    place.write(
        "study/allocation.toml",
        &settings.replace("\"list\"", "\"simple\"").replace("[list]\nfile = \"list.csv\"\n", ""),
    );
    let ran = place.ends(0, "check study");
    assert!(ran.out.contains("list.csv: is a list of arms that is not used"), "{}", ran.out);
}

#[test]
fn a_check_counts_the_levels_that_atkinson_reckons_with() {
    let place = Place::new();
    copy(Path::new(&format!("{SAMPLES}/aurora")), &place.path("study"));
    let settings =
        "method = \"atkinson\"\narms = [{ code = \"STD\" }, { code = \"COMB\" }]\nfactors = [{ id = \"site\" }]\n";
    place.write("study/allocation.toml", settings);
    place.ends(0, "check study");
    let mut text = fs::read_to_string(place.path("study/study.toml")).unwrap();
    for site in 0..60 {
        text.push_str(&format!(
            "\n[[sites]]\ncode = \"S{site}\"\nname = {{ ja = \"病院{site}\", en = \"Hospital {site}\" }}\n"
        ));
    }
    place.write("study/study.toml", &text);
    let ran = place.run("check study");
    assert_eq!(ran.code, 1);
    let told = "study/allocation.toml:3: factors: ";
    assert!(ran.out.contains(told) && ran.out.contains("too many for the method \"atkinson\""), "{}", ran.out);
}

#[test]
fn a_bundle_is_begun_in_an_empty_folder_only() {
    let place = Place::new();
    place.ends(0, "init fresh");
    place.ends(0, "check fresh");
    place.ends(1, "init fresh");
    fs::create_dir(place.path("empty")).unwrap();
    place.ends(0, "init empty");
    fs::create_dir(place.path("other")).unwrap();
    place.write("other/notes.txt", "mine");
    place.ends(1, "init other");
    assert!(!place.path("other/study.toml").exists());
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).unwrap();
        }
    }
}
