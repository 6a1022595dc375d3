//! Elections in which some use Debian's `belenios-tool` and others `hagaki election`: keys, credentials, ballots and parts of the result go
//! both ways, and both verify what comes of it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hagaki::domain::belenios::json::base64_digest;

use super::belenios::tool_is_there;

const UUID: &str = "FbtkWh9badwNaY";

const RULES: &str = "[terms]
opens = \"2027-01-12 09:00\"
closes = \"2027-01-31 17:00\"
seed = { ja = \"宝くじ\" }

[[contests]]
id = \"council\"
title = { ja = \"評議員選挙\" }
seats = 2
method = \"plural\"
max = 2
tie = [\"lot\"]

[[contests.candidates]]
id = \"c01\"
name = { ja = \"佐藤\" }

[[contests.candidates]]
id = \"c02\"
name = { ja = \"鈴木\" }

[[contests.candidates]]
id = \"c03\"
name = { ja = \"高橋\" }

[[contests]]
id = \"president\"
title = { ja = \"会長信任投票\" }
seats = 1
method = \"confidence\"
blank = false

[[contests.candidates]]
id = \"c04\"
name = { ja = \"田中\" }
";

/// A folder in which both are run.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        fs::create_dir(desk.path("e")).unwrap();
        desk.write("election.toml", RULES);
        desk.write("roll.csv", "number,name,email,weight\n1,Hana,hana@example.jp,\n2,Ken,ken@example.jp,3\n3,Mai,,\n");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    #[track_caller]
    fn ours(&self, line: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hagaki"));
        let output = command.arg("election").args(line.split(' ')).current_dir(self.0.path()).output().unwrap();
        told(line, &output)
    }

    /// Runs the tool with that on its standard input.
    #[track_caller]
    fn tool_with(&self, line: &str, input: &str) -> String {
        let mut command = Command::new("belenios-tool");
        command.args(line.split(' ')).current_dir(self.0.path()).env("BELENIOS_USE_URANDOM", "1");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        told(line, &child.wait_with_output().unwrap())
    }

    #[track_caller]
    fn tool(&self, line: &str) -> String {
        self.tool_with(line, "")
    }

    /// The tool makes a key; its name.
    fn key_of_the_tool(&self) -> String {
        self.tool("setup generate-trustee-key --group BELENIOS-2048");
        self.named(&self.path("."), "pubkey")
    }

    fn key_of_ours(&self) -> String {
        self.ours("trustee key --dir own");
        self.named(&self.path("own"), "pubkey")
    }

    /// The name of the one file that ends so.
    fn named(&self, folder: &Path, suffix: &str) -> String {
        let mut found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let path = found.find(|path| path.extension().is_some_and(|own| own == suffix)).unwrap();
        path.file_stem().unwrap().to_str().unwrap().to_owned()
    }

    /// Credential of a voter of our registrar.
    fn credential(&self, number: &str) -> String {
        let kept = self.read("registrar/private_creds.csv");
        let line = kept.lines().find(|line| line.starts_with(&format!("{number},"))).unwrap();
        line.rsplit(',').next().unwrap().to_owned()
    }

    fn vote_with_ours(&self, credential: &str, choices: &str, out: &str) {
        self.write("credential", credential);
        self.write("choices", choices);
        self.ours(&format!("vote --bel e/e.bel --credential credential --choices choices --out {out}"));
    }

    fn vote_with_the_tool(&self, credential: &str, choices: &str, out: &str) {
        self.write("credential", credential);
        self.write("choices", choices);
        let ballot = self.tool("election generate-ballot --dir e --privcred credential --ballot choices");
        self.write(out, &ballot);
    }

    /// Both say that the finished archive holds.
    #[track_caller]
    fn assert_verified(&self) {
        let said = self.tool("election verify --dir e");
        assert!(said.contains("all checks passed") && !said.contains("no result"), "{said}");
        let said = self.ours("verify e/e.bel");
        assert!(said.contains("All checks passed"), "{said}");
    }
}

/// What was said, of a command that did what it should.
#[track_caller]
fn told(line: &str, output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}:\n{}{errors}", String::from_utf8_lossy(&output.stdout));
    let said = String::from_utf8_lossy(&output.stdout);
    // The tool says on its error output how it went, and what it makes on the other.
    if said.is_empty() { errors.into_owned() } else { said.into_owned() }
}

#[test]
fn the_tool_verifies_an_election_of_ours() {
    if !tool_is_there() {
        return;
    }
    let desk = Desk::new();
    desk.ours(&format!("registrar make --uuid {UUID} --roll roll.csv --dir registrar"));
    // The tool derives the same keys from our credentials.
    let derived = desk.tool(&format!(
        "setup generate-credentials --uuid {UUID} --group BELENIOS-2048 --derive {}",
        desk.credential("2")
    ));
    assert!(desk.read("registrar/public_creds.json").contains(&format!("\"{},3\"", derived.trim())), "{derived}");
    desk.ours("trustee key --dir t1");
    desk.ours("trustee key --dir t2");
    let [one, two] = ["t1", "t2"].map(|folder| format!("{folder}/{}", desk.named(&desk.path(folder), "pubkey")));
    desk.ours(&format!(
        "archive begin --election election.toml --uuid {UUID} --name 選挙 --trustees {one}.pubkey,{two}.pubkey --credentials \
         registrar/public_creds.json --out e/e.bel"
    ));
    desk.vote_with_ours(&desk.credential("1"), "[[\"佐藤\", \"高橋\"], [\"信任する\"]]", "b1");
    desk.vote_with_ours(&desk.credential("2"), "[\"blank\", [\"信任しない\"]]", "b2");
    desk.vote_with_ours(&desk.credential("1"), "[[\"佐藤\"], [\"信任する\"]]", "b3");
    desk.ours("archive append --bel e/e.bel --ballot b1 b2 b3");
    let said = desk.tool("election verify --dir e");
    assert!(said.contains("no result"), "{said}");
    desk.ours("archive close --bel e/e.bel");
    for (trustee, out) in [(&one, "p1"), (&two, "p2")] {
        desk.ours(&format!("trustee decrypt --bel e/e.bel --key {trustee}.privkey --out {out}"));
    }
    let said = desk.ours("archive decrypt --bel e/e.bel --partial p1 p2");
    for line in
        ["       3  (blank ballots)", "       1  佐藤", "       0  高橋", "       1  信任する", "       3  信任しない"]
    {
        assert!(said.contains(line), "{line}:\n{said}");
    }
    desk.assert_verified();
}

#[test]
fn the_tool_and_ours_are_trustees_and_voters_of_one_election() {
    if !tool_is_there() {
        return;
    }
    let desk = Desk::new();
    let (theirs, own) = (desk.key_of_the_tool(), desk.key_of_ours());
    desk.write(
        "public_keys.jsons",
        &[desk.read(&format!("{theirs}.pubkey")), desk.read(&format!("own/{own}.pubkey"))].concat(),
    );
    // The tool takes our key, and calls it as we do.
    desk.tool("setup make-trustees");
    assert!(desk.ours("trustee check trustees.json").contains(&format!("key {own}")));
    assert!(desk.ours(&format!("trustee check {theirs}.privkey")).contains(&format!("key {theirs}")));
    // The tool makes the credentials, for people by their names, of which none comes into the archive.
    desk.write("voters", "hana@example.jp,hana,1\nken@example.jp,ken,3\n");
    desk.tool(&format!("setup generate-credentials --uuid {UUID} --group BELENIOS-2048 --file voters"));
    let public = desk.named(&desk.path("."), "pubcreds");
    let private = desk.read(&format!("{public}.privcreds"));
    let credentials: Vec<&str> = private.lines().filter_map(|line| line.split(' ').next_back()).collect();
    desk.ours(&format!(
        "archive begin --election election.toml --uuid {UUID} --name 選挙 --trustees trustees.json --credentials {public}.pubcreds --out \
         e/e.bel"
    ));
    assert!(!String::from_utf8_lossy(&fs::read(desk.path("e/e.bel")).unwrap()).contains("hana"));
    desk.vote_with_the_tool(credentials[0], "[[0,1,1,0],[1,0]]", "b1");
    desk.vote_with_ours(credentials[1], "[[0,0,0,1],[0,1]]", "b2");
    desk.ours("archive append --bel e/e.bel --ballot b1");
    // The tool appends our ballot, and adds up.
    desk.tool_with("archive add-event --dir e --type Ballot", &desk.read("b2"));
    desk.tool("archive add-event --dir e --type EndBallots");
    let sum = desk.tool("election compute-encrypted-tally --dir e");
    desk.tool_with("archive add-event --dir e --type EncryptedTally", &sum);
    let part = desk.tool(&format!("election decrypt --dir e --privkey {theirs}.privkey --trustee-id 1"));
    desk.write("p1", &part);
    desk.ours("archive decrypt --bel e/e.bel --partial p1");
    desk.ours(&format!("trustee decrypt --bel e/e.bel --key own/{own}.privkey --out p2"));
    // The tool takes our part, and finds the result.
    fs::copy(desk.path("e/e.bel"), desk.path("without-p2.bel")).unwrap();
    desk.tool_with("archive add-event --dir e --type PartialDecryption", &desk.read("p2"));
    let result = desk.tool("election compute-result --dir e");
    desk.tool_with("archive add-event --dir e --type Result", &result);
    desk.assert_verified();
    // So do we, and to the byte alike.
    let theirs = fs::read(desk.path("e/e.bel")).unwrap();
    fs::copy(desk.path("without-p2.bel"), desk.path("e/e.bel")).unwrap();
    desk.ours("archive decrypt --bel e/e.bel --partial p2");
    assert!(fs::read(desk.path("e/e.bel")).unwrap() == theirs);
}

#[test]
fn the_tool_sets_up_and_takes_what_we_make() {
    if !tool_is_there() {
        return;
    }
    let desk = Desk::new();
    let (theirs, own) = (desk.key_of_the_tool(), desk.key_of_ours());
    desk.write(
        "public_keys.jsons",
        &[desk.read(&format!("own/{own}.pubkey")), desk.read(&format!("{theirs}.pubkey"))].concat(),
    );
    desk.tool("setup make-trustees");
    desk.write(
        "template.json",
        r#"{"description":"","name":"選挙","questions":[{"answers":["可","否"],"min":1,"max":1,"question":"予算"}]}"#,
    );
    desk.tool(&format!("setup make-election --template template.json --group BELENIOS-2048 --uuid {UUID}"));
    desk.ours(&format!("registrar make --uuid {UUID} --roll roll.csv --dir registrar"));
    fs::copy(desk.path("registrar/public_creds.json"), desk.path("public_creds.json")).unwrap();
    desk.tool("archive init");
    fs::rename(desk.path(&format!("{UUID}.bel")), desk.path("e/e.bel")).unwrap();
    assert!(desk.ours("registrar check --dir registrar --bel e/e.bel").contains("the list that was made"));
    // Our archive of the same files says the same.
    let begun = desk.ours("archive begin --election election.json --trustees trustees.json --credentials public_creds.json --out ours.bel");
    assert!(begun.contains(&base64_digest(desk.read("election.json").trim_end().as_bytes())), "{begun}");
    desk.vote_with_the_tool(&desk.credential("1"), "[[1,0]]", "b1");
    desk.ours("archive append --bel e/e.bel --ballot b1");
    desk.vote_with_ours(&desk.credential("3"), "[[\"否\"]]", "b2");
    desk.ours("archive append --bel e/e.bel --ballot b2");
    desk.ours("archive close --bel e/e.bel");
    desk.ours(&format!("trustee decrypt --bel e/e.bel --key own/{own}.privkey --out p1"));
    desk.tool_with("archive add-event --dir e --type PartialDecryption", &desk.read("p1"));
    let part = desk.tool(&format!("election decrypt --dir e --privkey {theirs}.privkey --trustee-id 2"));
    desk.write("p2", &part);
    desk.ours("archive decrypt --bel e/e.bel --partial p2");
    desk.assert_verified();
}
