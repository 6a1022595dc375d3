//! An election of Debian's `belenios-tool`, unmodified, in which people vote by the booth's script: the tool takes the ballots, counts them
//! and verifies the whole, and so does ours.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use engine::Engine;
use hagaki::domain::belenios::audit::{self, Expected};
use serde_json::{Value, json};

use crate::belenios::tool_is_there;

#[path = "../fast/belenios/engine.rs"]
mod engine;

/// Asks the tool in a folder, with something on its standard input.
fn tool(folder: &Path, args: &[&str], input: &str) -> Output {
    let mut child = Command::new("belenios-tool")
        .args(args)
        .current_dir(folder)
        .env("BELENIOS_USE_URANDOM", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn said(folder: &Path, args: &[&str]) -> String {
    String::from_utf8(tool(folder, args, "").stdout).unwrap()
}

/// The files of a folder that end so, in order.
fn ending(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = names.filter(|path| path.to_str().unwrap().ends_with(suffix)).collect();
    found.sort();
    found
}

/// Sets an election up; its file and the credentials of its voters.
fn set_up(folder: &Path, uuid: &str, questions: &Value) -> (String, Vec<String>) {
    let group = ["--group", "BELENIOS-2048"];
    tool(folder, &[&["setup", "generate-credentials", "--uuid", uuid, "--count", "4"][..], &group].concat(), "");
    fs::rename(&ending(folder, ".pubcreds")[0], folder.join("public_creds.json")).unwrap();
    // Each line has the voter's number and their credential.
    let private = fs::read_to_string(&ending(folder, ".privcreds")[0]).unwrap();
    let credentials = private.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect();
    for _ in 0..2 {
        tool(folder, &[&["setup", "generate-trustee-key"][..], &group].concat(), "");
    }
    let keys: String = ending(folder, ".pubkey")
        .iter()
        .map(|key| fs::read_to_string(key).unwrap().trim_end().to_owned() + "\n")
        .collect();
    fs::write(folder.join("public_keys.jsons"), keys).unwrap();
    tool(folder, &["setup", "make-trustees"], "");
    let template = json!({ "description": "一年に一度", "name": "理事会選挙", "questions": questions });
    fs::write(folder.join("template.json"), template.to_string()).unwrap();
    tool(
        folder,
        &[&["setup", "make-election", "--uuid", uuid, "--template", "template.json"][..], &group].concat(),
        "",
    );
    let file = fs::read_to_string(folder.join("election.json")).unwrap().trim_end().to_owned();
    tool(folder, &["archive", "init"], "");
    fs::remove_file(folder.join("election.json")).unwrap();
    (file, credentials)
}

#[test]
fn the_tool_counts_and_verifies_what_was_voted_in_a_booth() {
    let Some(engine) = Engine::find() else { return };
    if !tool_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let uuid = said(folder, &["setup", "generate-token"]).trim().to_owned();
    let candidates: Vec<String> = (1..=10).map(|number| format!("候補者{number}")).collect();
    let questions = json!([
        { "answers": candidates, "blank": true, "min": 1, "max": 3, "question": "理事（三名まで）" },
        { "answers": ["信任", "不信任"], "min": 0, "max": 1, "question": "会長 \"Confidence\" </script>" },
        { "answers": ["a", "b", "c"], "min": 2, "max": 3, "question": "2 or 3" },
    ]);
    let (file, credentials) = set_up(folder, &uuid, &questions);
    let secrets = engine.secrets(&uuid, &credentials);
    let council = |chosen: &[usize]| (0..11).map(|place| u64::from(chosen.contains(&place))).collect::<Vec<u64>>();
    let votes = [
        (0, [council(&[1, 4, 10]), vec![1, 0], vec![1, 1, 0]]),
        (1, [council(&[0]), vec![0, 0], vec![1, 1, 1]]),
        (2, [council(&[2]), vec![0, 1], vec![0, 1, 1]]),
        // Again, and the last one counts.
        (0, [council(&[1, 2]), vec![0, 1], vec![1, 0, 1]]),
    ];
    let ballots = votes.map(|(voter, votes)| (secrets[voter].clone(), votes.to_vec()));
    for ballot in engine.ballots(file.as_bytes(), &ballots) {
        tool(folder, &["archive", "add-event", "--type=Ballot"], std::str::from_utf8(&ballot).unwrap());
    }
    tool(folder, &["archive", "add-event", "--type=EndBallots"], "");
    let sum = said(folder, &["election", "compute-encrypted-tally"]);
    tool(folder, &["archive", "add-event", "--type=EncryptedTally"], &sum);
    for (number, key) in (1..).zip(ending(folder, ".privkey")) {
        let (key, number) = (key.display().to_string(), format!("{number}"));
        let part = said(folder, &["election", "decrypt", "--privkey", &key, "--trustee-id", &number]);
        tool(folder, &["archive", "add-event", "--type=PartialDecryption"], &part);
    }
    let result = said(folder, &["election", "compute-result"]);
    tool(folder, &["archive", "add-event", "--type=Result"], &result);
    let verified = tool(folder, &["election", "verify"], "");
    let told = format!("{}{}", String::from_utf8_lossy(&verified.stdout), String::from_utf8_lossy(&verified.stderr));
    assert!(told.contains("all checks passed") && !told.contains("no result"), "{told}");
    let archive = fs::read(&ending(folder, ".bel")[0]).unwrap();
    let report = audit::check(&archive, Expected::default(), [7; 32]);
    assert_eq!(report.problems, []);
    let council = vec![1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(report.result, Some(vec![council, vec![0, 2], vec![2, 2, 3]]));
}
