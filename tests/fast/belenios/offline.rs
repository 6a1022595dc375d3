//! A whole election from the command line, each of its people in a folder of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::world::UUID;

const RULES: &str = "[terms]
opens = \"2027-01-12 09:00\"
closes = \"2027-01-31 17:00\"

[[contests]]
id = \"president\"
title = { ja = \"会長選挙\", en = \"President\" }
seats = 1
method = \"single\"
tie = [\"decision\"]

[[contests.candidates]]
id = \"c01\"
name = { ja = \"佐藤\", en = \"Sato\" }

[[contests.candidates]]
id = \"c02\"
name = { ja = \"鈴木\", en = \"Suzuki\" }
";

const ROLL: &str = "会員番号,氏名,メール,言語,重み\n\
    A-1,山田 花子,Hana@example.jp,ja,\n\
    A-2,\"Smith, John\",john@example.com,en,3\n\
    A-3,田中 一郎,,,\n";

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        desk.write("election.toml", RULES);
        desk.write("roll.csv", ROLL);
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

    fn run(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hagaki"));
        command.arg("election").args(line.split(' ')).current_dir(self.0.path()).output().unwrap()
    }

    #[track_caller]
    fn done(&self, line: &str) -> String {
        let output = self.run(line);
        let told = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}:\n{told}{}", String::from_utf8_lossy(&output.stderr));
        told
    }

    /// What a refusal says.
    #[track_caller]
    fn refused(&self, line: &str) -> String {
        let output = self.run(line);
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}:\n{told}");
        told
    }

    /// Two trustees' keys, by their names.
    fn trustees(&self) -> Vec<String> {
        self.done("trustee key --dir t1");
        self.done("trustee key --dir t2");
        ["t1", "t2"].map(|folder| only(&self.path(folder), "pubkey")).to_vec()
    }

    fn credential(&self, number: &str) -> String {
        let kept = self.read("registrar/private_creds.csv");
        let line = kept.lines().find(|line| line.starts_with(&format!("{number},"))).unwrap();
        line.rsplit(',').next().unwrap().to_owned()
    }

    fn begun(&self) -> Vec<String> {
        self.done(&format!("registrar make --uuid {UUID} --roll roll.csv --dir registrar"));
        let names = self.trustees();
        self.done(&begin(&names));
        names
    }

    /// Makes a ballot and appends it.
    fn vote(&self, number: &str, choices: &str, out: &str) {
        self.write("credential", &self.credential(number));
        self.write("choices", choices);
        let made = self.done(&format!("vote --bel e.bel --credential credential --choices choices --out {out}"));
        assert!(made.contains("YOU HAVE NOT VOTED YET"), "{made}");
        let taken = self.done(&format!("archive append --bel e.bel --ballot {out}"));
        let tracker = made.lines().find_map(|line| line.strip_prefix("tracker: ")).unwrap();
        assert!(taken.contains(tracker), "{made}{taken}");
    }
}

fn begin(names: &[String]) -> String {
    format!(
        "archive begin --election election.toml --uuid {UUID} --name Council --trustees t1/{}.pubkey,t2/{}.pubkey \
         --credentials registrar/public_creds.json --out e.bel",
        names[0], names[1]
    )
}

/// The name of the one file that ends so.
fn only(folder: &Path, suffix: &str) -> String {
    let mut found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let path = found.find(|path| path.extension().is_some_and(|own| own == suffix)).unwrap();
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn an_election_by_files_alone() {
    let desk = Desk::new();
    let names = desk.begun();
    assert_eq!(mode(&desk.path(&format!("t1/{}.privkey", names[0]))), 0o600);
    assert_eq!(mode(&desk.path("registrar/private_creds.csv")), 0o600);
    assert!(desk.done(&format!("trustee check t2/{}.pubkey --bel e.bel", names[1])).contains("trustee 2"));
    let secret = desk.done(&format!("trustee check t1/{}.privkey --bel e.bel", names[0]));
    assert!(
        secret.contains("trustee 1")
            && !secret.contains(desk.read(&format!("t1/{}.privkey", names[0])).trim().trim_matches('"'))
    );
    assert!(desk.done("registrar check --dir registrar --bel e.bel").contains("the list that was made"));
    let asked = desk.done("vote --bel e.bel");
    assert!(asked.contains("会長選挙 / President") && asked.contains("佐藤 / Sato"), "{asked}");

    desk.vote("A-1", "[[\"佐藤 / Sato\"]]", "b1.json");
    desk.vote("A-2", "[[0, 0, 1]]", "b2.json");
    // By a link to it, too, it is the one archive that grows.
    std::os::unix::fs::symlink(desk.path("e.bel"), desk.path("linked.bel")).unwrap();
    desk.write("credential", &desk.credential("A-1"));
    desk.write("choices", "[\"blank\"]");
    desk.done("vote --bel e.bel --credential credential --choices choices --out b3.json");
    desk.done("archive append --bel linked.bel --ballot b3.json");
    assert!(fs::symlink_metadata(desk.path("linked.bel")).unwrap().is_symlink());
    assert!(desk.refused("archive append --bel e.bel --ballot b1.json").contains("[ballot-twice]"));
    // A folder of ballots is given once more, with one that is new and one that is none.
    desk.write("credential", &desk.credential("A-3"));
    desk.write("choices", "[[0, 1, 0]]");
    desk.done("vote --bel e.bel --credential credential --choices choices --out b4.json");
    desk.write("none.json", "{}");
    let told = desk.refused("archive append --bel e.bel --ballot b1.json none.json b4.json missing.json");
    for part in ["b1.json: not taken", "none.json: not taken", "b4.json: taken, tracker", "missing.json cannot be read"]
    {
        assert!(told.contains(part), "{part}:\n{told}");
    }
    assert!(desk.refused("verify e.bel").contains("Not finished"));
    desk.done("verify e.bel --open");
    fs::copy(desk.path("e.bel"), desk.path("while-voting.bel")).unwrap();

    let decrypt =
        |at: usize, more: &str| format!("trustee decrypt --bel e.bel --key t{}/{}.privkey{more}", at + 1, names[at]);
    assert!(desk.refused(&decrypt(0, "")).contains("before the archive is closed"));
    // A command that was killed while it wrote left half a copy, and no harm.
    desk.write("e.bel.new", "half");
    desk.done("archive close --bel e.bel");
    assert!(desk.refused("archive close --bel e.bel").contains("closed"));
    desk.write("credential", &desk.credential("A-3"));
    desk.write("choices", "[[1, 0, 0]]");
    desk.done("vote --bel e.bel --credential credential --choices choices --out late.json");
    assert!(desk.refused("archive append --bel e.bel --ballot late.json").contains("no votes are taken any more"));
    assert!(desk.refused(&decrypt(0, " --voters 4")).contains("[other-voters]"));
    let part = |at: usize| format!("{}.partial.json", names[at]);
    desk.done(&decrypt(0, ""));
    assert!(desk.refused(&decrypt(0, "")).contains("is there already"));
    desk.done(&decrypt(1, ""));
    assert!(desk.done(&format!("archive decrypt --bel e.bel --partial {}", part(1))).contains("missing: trustee 1"));
    assert!(
        desk.refused(&format!("archive decrypt --bel e.bel --partial {}", part(1)))
            .contains("trustee 2 decrypted before")
    );
    let told = desk.done(&format!("archive decrypt --bel e.bel --partial {}", part(0)));
    assert!(told.contains("       3  鈴木 / Suzuki") && told.contains("       1  (blank ballots)"), "{told}");
    let told = desk.done("verify e.bel --diff while-voting.bel --voters 3");
    assert!(told.contains("All checks passed"), "{told}");
    assert!(fs::read_dir(desk.0.path()).unwrap().all(|entry| !entry.unwrap().path().ends_with("e.bel.new")));
}

#[test]
fn a_trustee_opens_one_sum_of_an_election_alone() {
    let desk = Desk::new();
    let names = desk.begun();
    let copy = |name: &str| fs::copy(desk.path("e.bel"), desk.path(name)).unwrap();
    copy("picked.bel");
    desk.vote("A-1", "[[1, 0, 0]]", "b1.json");
    copy("fork.bel");
    copy("published.bel");
    desk.vote("A-2", "[[0, 1, 0]]", "b2.json");
    desk.done("archive close --bel e.bel");
    desk.done("archive close --bel fork.bel");
    let decrypt =
        |bel: &str, out: &str| format!("trustee decrypt --bel {bel} --key t1/{}.privkey --out {out}", names[0]);
    // Somebody left out all ballots but one: the archive holds, and is not the one that was published.
    desk.done("archive append --bel picked.bel --ballot b2.json");
    desk.done("archive close --bel picked.bel");
    let told = desk.refused(&decrypt("picked.bel", "p0 --diff published.bel"));
    assert!(told.contains("[not-appended]") && !desk.path("p0").exists(), "{told}");
    let told = desk.done(&decrypt("e.bel", "p1 --diff published.bel"));
    assert!(told.contains("digest of the encrypted sum") && told.contains("with the other trustees"), "{told}");
    let told = desk.refused(&decrypt("fork.bel", "p2"));
    assert!(told.contains("another sum of this election") && !desk.path("p2").exists(), "{told}");
    // Nor by another name of the key's file.
    let (key, named) = (format!("t1/{}.privkey", names[0]), desk.path("t1/another.privkey"));
    fs::copy(desk.path(&key), &named).unwrap();
    std::os::unix::fs::symlink(desk.path(&key), desk.path("linked.privkey")).unwrap();
    for other in ["t1/another.privkey", "linked.privkey"] {
        let told = desk.refused(&format!("trustee decrypt --bel fork.bel --key {other} --out p2"));
        assert!(told.contains("another sum of this election"), "{other}: {told}");
    }
    // The same once more, for a mail that was lost.
    desk.done(&decrypt("e.bel", "p3"));
    // An archive in which something was changed is not opened.
    let mut bytes = fs::read(desk.path("e.bel")).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(desk.path("changed.bel"), bytes).unwrap();
    let key = format!("t2/{}.privkey", names[1]);
    desk.refused(&format!("trustee decrypt --bel changed.bel --key {key} --out p4"));
    assert!(!desk.path("p4").exists());
}

#[test]
fn letters_bring_each_credential_to_its_voter_alone() {
    let desk = Desk::new();
    desk.done(&format!("registrar make --uuid {UUID} --roll roll.csv --dir registrar"));
    let public = desk.read("registrar/public_creds.json");
    let letters = "registrar letters --dir registrar --title 会長選挙 --title-en President --from registrar@example.jp";
    let told = desk.done(&format!("{letters} --out mails --url https://vote.example.jp/"));
    assert!(told.contains("2 mails") && told.contains("1 voter has no mail address"), "{told}");
    let parsed = |name: &str| {
        let raw = fs::read(desk.path(name)).unwrap();
        assert_eq!(mode(&desk.path(name)), 0o600);
        let mail = mailparse::parse_mail(&raw).unwrap();
        let header = |name: &str| mailparse::MailHeaderMap::get_first_value(&mail.headers[..], name).unwrap();
        (header("To"), header("Subject"), mail.get_body().unwrap())
    };
    let (to, subject, text) = parsed("mails/000001.eml");
    assert!(to.contains("hana@example.jp") && subject.contains("会長選挙"), "{to} {subject}");
    let credential = desk.credential("A-1");
    assert!(text.contains(&credential) && text.contains("山田 花子 様"), "{text}");
    let (to, subject, text) = parsed("mails/000002.eml");
    assert!(to.contains("john@example.com") && subject.contains("President"), "{to} {subject}");
    assert!(text.contains("Dear Smith, John") && text.contains("Your vote counts 3"), "{text}");
    assert!(text.contains(&desk.credential("A-2")) && !text.contains(&credential));
    let sheet = desk.read("mails/check_sheet.csv");
    assert!(sheet.contains("A-1,山田 花子,hana@example.jp,ja,000001.eml,") && !sheet.contains(&credential));
    desk.done(&format!("{letters} --out paper --csv --only A-3"));
    let table = desk.read("paper/letters.csv");
    assert!(table.contains(&desk.credential("A-3")) && !table.contains(&credential));
    for told in [&public, &desk.read("registrar/notice.json")] {
        assert!(!told.contains("example") && !told.contains("A-1") && !told.contains(&credential), "{told}");
    }
    assert!(desk.refused(&format!("{letters} --out more --only A-9")).contains("nobody has the number A-9"));
    assert!(desk.refused(&format!("{letters} --out mails")).contains("is not empty"));
    // Something of what was made is lost or changed.
    let kept = desk.read("registrar/private_creds.csv");
    desk.write(
        "registrar/private_creds.csv",
        &kept.lines().take(3).map(|line| format!("{line}\n")).collect::<String>(),
    );
    assert!(desk.refused("registrar check --dir registrar").contains("NOT the list that was made"));
    let mut wrong = credential.clone();
    let last = wrong.pop().unwrap();
    wrong.push(if last == '1' { '2' } else { '1' });
    desk.write("registrar/private_creds.csv", &kept.replace(&credential, &wrong));
    assert!(desk.refused("registrar check --dir registrar").contains("line 2: credential"));
}

#[test]
fn what_is_not_right_is_refused_before_anything_is_written() {
    let desk = Desk::new();
    desk.write("bad.csv", "number,name,email,weight\nA-1,Hana,hana,0\nA-1,,hana@example.jp,1\n");
    let told = desk.refused("registrar make --roll bad.csv --dir none");
    for part in ["bad.csv:2: email", "bad.csv:2: weight", "bad.csv:3: name"] {
        assert!(told.contains(part), "{part}:\n{told}");
    }
    assert!(!desk.path("none").exists());
    assert!(desk.refused("registrar make --uuid short --roll roll.csv --dir none").contains("--uuid"));
    assert!(desk.refused("trustee key --group RFC-3526-2048 --dir none").contains("BELENIOS-2048"));
    desk.done("registrar make --roll roll.csv --dir another");
    desk.done(&format!("registrar make --uuid {UUID} --roll roll.csv --dir registrar"));
    assert!(desk.refused("registrar make --roll roll.csv --dir registrar").contains("not empty"));
    let names = desk.trustees();
    let line = begin(&names);
    assert!(desk.refused(&line.replace(" --name Council", "")).contains("--name"));
    assert!(desk.refused(&line.replace("t2/", "t1/").replace(&names[1], &names[0])).contains("[trustee-twice]"));
    desk.write("ranked.toml", &RULES.replace("\"single\"", "\"schulze\""));
    assert!(
        desk.refused(&line.replace("election.toml", "ranked.toml")).contains("president: candidates are put in order")
    );
    let own = format!("t1/{}.pubkey", names[0]);
    let stranger = desk.read(&own).replacen("\"challenge\":\"", "\"challenge\":\"1", 1);
    desk.write("t1/stranger.pubkey", &stranger);
    desk.refused(&line.replace(&names[0], "stranger"));
    assert!(!desk.path("e.bel").exists());
    desk.done(&line);
    assert!(desk.refused(&line).contains("is there already"));
    // A ballot that nobody could take is not made.
    desk.write("credential", &desk.credential("A-1"));
    for (choices, said) in [
        ("[]", "has 0 entries"),
        ("[[\"Tanaka\"]]", "there is no answer \"Tanaka\""),
        ("[[0, 1, 1]]", "takes 1 to 1 answers, and 2 are chosen"),
        ("[[0, 0, 0]]", "takes 1 to 1 answers, and 0 are chosen"),
        ("[5]", "question 1: write answers"),
    ] {
        desk.write("choices", choices);
        let told = desk.refused("vote --bel e.bel --credential credential --choices choices --out b.json");
        assert!(told.contains(said), "{choices}: {told}");
    }
    desk.write("choices", "[\"blank\"]");
    desk.write("credential", "7sK-2mQ-9bV-tXr-4n2");
    let vote = "vote --bel e.bel --credential credential --choices choices --out b.json";
    assert!(desk.refused(vote).contains("[credential-unknown]"));
    desk.write("credential", "7sK-2mQ-9bV-tXr-4n3");
    assert!(desk.refused(vote).contains("a character of it is wrong"));
    assert!(desk.refused(&format!("{vote} --fingerprint other")).contains("[other-fingerprint]"));
    // What cannot be compared is not taken as if it had been.
    let alone = desk.run("vote --election election.json --credentials other");
    assert_eq!(alone.status.code(), Some(2), "{}", String::from_utf8_lossy(&alone.stderr));
    assert!(!desk.path("b.json").exists());
}
