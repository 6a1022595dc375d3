//! Debian's `belenios-tool`, unmodified, verifies what is made here; what it makes is verified here.

use std::fs;
use std::process::{Command, Output, Stdio};

use hagaki::domain::belenios::audit::{self, Expected};
use hagaki::domain::belenios::problem::Code;
use world::{SEED, World, question};

#[path = "../fast/belenios/world.rs"]
#[allow(dead_code, reason = "the mutations use more of it")]
mod world;

/// Whether the tool is on this machine; on one that runs every test it must be.
pub(crate) fn tool_is_there() -> bool {
    let there = Command::new("belenios-tool").arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(
        there || std::env::var_os("HAGAKI_TESTS_COMPLETE").is_none(),
        "belenios-tool is not installed (apt install belenios-tool)"
    );
    if !there {
        eprintln!("left out: no belenios-tool on this machine");
    }
    there
}

fn tool(args: &[&str]) -> Output {
    Command::new("belenios-tool").args(args).env("BELENIOS_USE_URANDOM", "1").output().unwrap()
}

/// What the tool says of an archive, which has to be alone in its folder.
fn verified(bytes: &[u8]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("election.bel"), bytes).unwrap();
    let output = tool(&["election", "verify", "--dir", folder.path().to_str().unwrap()]);
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Says of an archive that has a result that it holds: of one without a result the tool says so too, but names what is missing.
#[track_caller]
fn assert_verified(bytes: &[u8]) {
    let (accepted, said) = verified(bytes);
    assert!(accepted && said.contains("all checks passed") && !said.contains("no result"), "{said}");
    let report = audit::check(bytes, Expected::default(), SEED);
    assert_eq!(report.problems, []);
}

#[test]
fn the_tool_verifies_our_archives() {
    if !tool_is_there() {
        return;
    }
    let questions = [question(&["佐藤", "鈴木", "高橋"], true, 1, 2), question(&["信任"], false, 0, 1)];
    let mut world = World::new(&questions, &[1, 3, 1, 2]);
    world.vote(0, &[vec![0, 1, 0, 1], vec![1]]);
    world.vote(1, &[vec![1, 0, 0, 0], vec![0]]);
    world.vote(2, &[vec![0, 0, 1, 0], vec![1]]);
    world.vote(0, &[vec![0, 1, 0, 0], vec![0]]);
    let open = world.parts.voting().bytes().to_vec();
    let (accepted, said) = verified(&open);
    assert!(accepted && said.contains("no result"), "an archive without a result is told apart: {said}");
    world.close();
    assert_verified(&world.parts.write());
    let report = audit::check(&world.parts.write(), Expected::default(), SEED);
    assert_eq!(report.result, Some(vec![vec![3, 1, 1, 0], vec![1]]));
    let mut wrong = world.parts.clone();
    wrong.result = Some(b"{\"result\":[[3,1,1,0],[0]]}".to_vec());
    assert!(!verified(&wrong.write()).0, "a wrong result");
    wrong.result = world.parts.result.clone();
    wrong.tallied += 1;
    let report = audit::check(&wrong.write(), Expected::default(), SEED);
    assert_eq!(report.problems[0].code, Code::NumTallied);
}

#[test]
fn the_tools_ballots_and_ours_make_one_election() {
    if !tool_is_there() {
        return;
    }
    let mut world = World::new(&[question(&["佐藤", "鈴木"], false, 1, 2)], &[1, 1]);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| -> String {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    // The tool makes credentials of its own form: their keys go on our list.
    let made = tool(&[
        "setup",
        "generate-credentials",
        "--uuid",
        world::UUID,
        "--group",
        "BELENIOS-2048",
        "--count",
        "1",
        "--dir",
        folder.path().to_str().unwrap(),
    ]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let find = |suffix: &str| -> String {
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let path = names.into_iter().find(|path| path.display().to_string().ends_with(suffix)).unwrap();
        fs::read_to_string(path).unwrap()
    };
    let public: Vec<String> = serde_json::from_str(&find(".pubcreds")).unwrap();
    let private: serde_json::Value = serde_json::from_str(&find(".privcreds")).unwrap_or_default();
    let private =
        private.as_object().and_then(|all| all.values().next()).and_then(|own| own.as_str().map(str::to_owned));
    let private = private.unwrap_or_else(|| find(".privcreds").split_whitespace().last().unwrap().to_owned());
    let key = public[0].split(',').next().unwrap().to_owned();
    let mut list: Vec<String> = serde_json::from_slice(&world.parts.credentials).unwrap();
    list.push(key);
    list.sort();
    world.parts.credentials = serde_json::to_vec(&list).unwrap();
    world.vote(0, &[vec![1, 0]]);
    let archive = world.parts.voting().bytes().to_vec();
    let own = folder.path().join("own");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("election.bel"), &archive).unwrap();
    let (credential, choice) = (write("credential", private.as_bytes()), write("choice", b"[[1,1]]"));
    let ballot = tool(&[
        "election",
        "generate-ballot",
        "--dir",
        own.to_str().unwrap(),
        "--privcred",
        &credential,
        "--ballot",
        &choice,
    ]);
    assert!(ballot.status.success(), "{}", String::from_utf8_lossy(&ballot.stderr));
    world.parts.ballots.push(ballot.stdout.trim_ascii().to_vec());
    world.close();
    assert_verified(&world.parts.write());
    let report = audit::check(&world.parts.write(), Expected::default(), SEED);
    assert_eq!(report.result, Some(vec![vec![2, 1]]));
}
