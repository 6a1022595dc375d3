//! The command line as a shell sees it: exit codes (0 done, 1 refused, 2 usage, 3 failure), and what a program reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
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
        let place = Place::keyless();
        place.ends(0, "key make secrets/keys");
        fs::write(place.path("hagaki.toml"), include_str!("../../config/demo/hagaki.toml")).unwrap();
        place
    }

    /// The same without a key file.
    pub(crate) fn keyless() -> Place {
        let place = Place(TempDir::new().unwrap());
        fs::create_dir_all(place.path("mailboxes/reg")).unwrap();
        let (settings, _) = include_str!("../../config/demo/hagaki.toml").split_once("\n# Seals").unwrap();
        fs::write(place.path("hagaki.toml"), settings).unwrap();
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
        // What anybody could write there.
        command.envs(["USER", "LOGNAME", "SUDO_USER"].map(|name| (name, "somebody-else")));
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
        "outbox progress nosuch",
        "outbox retry 7",
    ] {
        place.ends(1, line);
    }
    place.ends(1, &format!("study amend {SAMPLES}/aurora --reason none"));
    place.ends(1, "study activate nosuch");
    place.ends(1, &format!("read --bundle nosuch {MAIL}"));
}

#[test]
fn an_account_is_looked_after_and_it_is_kept_who_did() {
    let place = Place::new();
    place.ends(0, &format!("study activate {SAMPLES}/members --production --reason go"));
    let list = place.write("members.csv", "email\nhana@example.jp\n");
    place.ends(0, &format!("members import members --csv {list} --no-mail --reason roll"));
    place.ends(1, "account show nobody@example.jp");
    let shown = |place: &Place| place.ends(0, "account show HANA@example.jp --json").json();
    assert_eq!(shown(&place)["state"], "new");
    place.ends(2, "account close hana@example.jp");
    place.ends(1, "account reopen hana@example.jp --reason none");
    place.ends(1, "account drop-second-factor hana@example.jp --reason lost");
    place.ends(1, "account drop-identities hana@example.jp --reason changed");
    place.ends(0, "account close hana@example.jp --reason left");
    place.ends(1, "account close hana@example.jp --reason left");
    let closed = shown(&place);
    assert_eq!((&closed["state"], &closed["acts"][0]["act"]), (&"closed".into(), &"closed".into()));
    assert_eq!(closed["acts"][0]["reason"], "left");
    let actor = closed["acts"][0]["actor"].as_str().unwrap();
    assert!(actor.starts_with("operator:") && !actor.contains("somebody-else"), "{closed}");
    place.ends(0, "account reopen hana@example.jp --reason returned");
    let told = place.ends(0, "account show hana@example.jp").out;
    for word in ["hana@example.jp: new", "password: none", "second factor: off", "reopened (returned)"] {
        assert!(told.contains(word), "{word}: {told}");
    }
}

#[test]
fn programs_read_why_they_are_refused() {
    let place = Place::new();
    let refused = |line: &str| {
        let ran = place.ends(1, line);
        let told = ran.json()["refused"].as_str().unwrap().to_owned();
        assert!(ran.err.contains(told.lines().next().unwrap()), "the terminal reads the same");
        told
    };
    assert!(refused("study show nosuch --json").contains("no study nosuch"));
    assert!(refused("study pause nosuch --json").contains("no study nosuch"));
    assert!(refused("study activate nosuch --json").contains("there is no folder nosuch"));
    place.ends(0, &format!("study activate {SAMPLES}/aurora --production --reason go --json"));
    assert!(refused(&format!("study activate {SAMPLES}/aurora --json")).contains("is in production"));
    assert!(refused("study pause aurora --json").contains("--reason"));
    assert!(refused("subject show aurora AURORA-0007 --json").contains("no subject AURORA-0007"));
    assert!(refused("unblind aurora AURORA-0007 --by stat --reason x --json").contains("no subject AURORA-0007"));
    assert!(refused("kit quarantine aurora K-1 --reason x --json").contains("hands out no kits"));
    assert!(refused("allocation rerandomize aurora --times 3 --out r.csv --json").contains("--by PERSON"));
    assert!(refused("allocation force aurora sex=F --arm STD --by stat --reason x --json").contains("[forced]"));
    assert!(refused(&format!("study amend borealis {SAMPLES}/aurora --reason x --json")).contains("not of borealis"));
    assert!(
        refused(&format!("study amend aurora {SAMPLES}/aurora --on soon --reason x --json")).contains("2027-01-15")
    );
    assert!(refused(&format!("study amend {SAMPLES}/aurora --reason x --json")).contains("--by PERSON"));
    assert!(refused("study amend aurora --withdraw 3 --by stat --reason x --json").contains("No. 3"));
    // Without --json nothing stands where programs read.
    assert_eq!(place.ends(1, "study show nosuch").out, "");
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
fn what_a_mail_asks_of_a_subject_or_kits_is_shown_with_its_reason() {
    let place = Place::new();
    let read = |name: &str, subject: &str, body: &str| {
        let mail = format!(
            "Authentication-Results: mx.example.jp; dmarc=pass header.from=example.jp\r\n\
             Date: Fri, 20 Nov 2026 09:00:00 +0900\r\nFrom: kobayashi@example.jp\r\nTo: reg@example.jp\r\n\
             Subject: [BOREALIS] {subject}\r\nMessage-ID: <{name}@mua.example.jp>\r\n\r\n{body}\r\n"
        );
        let file = place.write(name, &mail);
        place.ends(0, &format!("read --bundle {SAMPLES}/borealis --now 2026-11-20T09:05:00+09:00 --json {file}")).json()
    };
    let corrected = read("1.eml", "correct", "subject: BOREALIS-0001\r\nreason: typing error\r\nisi_score: 19");
    assert_eq!((&corrected["request"], &corrected["reason"]), (&"correct".into(), &"typing error".into()));
    assert_eq!(corrected["changes"], serde_json::json!({ "isi_score": "19" }));
    assert_eq!(corrected["lacking"], Value::Null);
    let kept = read("2.eml", "quarantine kit", "kits: K-1, K-2");
    assert_eq!((&kept["request"], &kept["reason"]), (&"quarantine-kit".into(), &Value::Null));
    assert_eq!((&kept["kits"], &kept["lacking"]), (&serde_json::json!(["K-1", "K-2"]), &serde_json::json!(["reason"])));
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
fn a_level_that_nobody_had_is_told_where_any_may_come() {
    let place = Place::new();
    let rules = "method = \"minimization\"\narms = [{ code = \"A\" }, { code = \"B\" }]\nfactors = [{ id = \"sex\" }]\n\
                 [minimization]\ndistance = \"range\"\nrule = \"best\"\np = \"4/5\"\n";
    let (rules, history) = (place.write("open.toml", rules), place.write("history.csv", "sex,arm\nF,A\nM,B\n"));
    let asked =
        |next: &str| place.ends(0, &format!("allocation explain --file {rules} --history {history} --next {next}"));
    assert!(asked("sex=f").err.contains("nobody in the history has the level sex=f; there are F, M"));
    assert!(!asked("sex=F").err.contains("nobody"));
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
    let worded = study.replace("en = \"Standard therapy\"", "en = \"Usual care\"");
    fs::write(changed.join("study.toml"), format!("# Changed.\n{worded}")).unwrap();
    let told = "arm STD: called \"Usual care\" instead of \"Standard therapy\" (en)";
    assert!(place.ends(0, "study amend changed --dry-run").out.contains(told));
    let amended = place.ends(0, "study amend changed --json").json();
    assert_eq!((&amended["renamed"], &amended["told"]), (&serde_json::json!([told]), &6.into()));
    let letters = place.ends(0, "outbox list").out;
    assert_eq!(letters.matches("study-amended").count(), 6, "{letters}");
    assert_eq!((&amended["study"], &amended["version"]), (&"aurora".into(), &2.into()));
    assert_ne!(amended["bundle_digest"], activated["bundle_digest"]);

    let ended = |place: &Place| place.ends(0, "study show aurora --json").json()["enrollment_ended"].clone();
    let unknown = place.ends(1, "study end-enrollment aurora --by nobody").err;
    assert!(unknown.contains("--by nobody: study.toml names no person"), "{unknown}");
    let told = place.ends(0, "study end-enrollment aurora --by center").out;
    assert!(told.contains("The staff are told by letter: 6 letters."), "{told}");
    let waiting = place.ends(0, "outbox list").out;
    assert_eq!(waiting.matches("enrollment-ended").count(), 6, "{waiting}");
    let counted = place.ends(0, "outbox progress aurora --json").out;
    assert!(counted.contains("{\"kind\":\"enrollment-ended\",\"letters\":{\"waiting\":6}}"), "{counted}");
    // Notices are no mailing: nothing is waited for.
    assert!(place.ends(0, "outbox progress aurora --follow").out.contains("6 waiting"));
    assert!(ended(&place).is_string());
    assert!(place.ends(0, "study list").out.contains(" enrollment ended "));
    place.ends(1, "study end-enrollment aurora");
    let shown = place.ends(0, "study show aurora").out;
    assert!(shown.contains("(open; enrollment ended "), "{shown}");
    place.ends(0, "study reopen-enrollment aurora --json");
    assert!(ended(&place).is_null());
    // What a close ends is said, and nobody closes unawares.
    let told = place.ends(1, "study close aurora").err;
    let parts = ["data entry", "allocation reveal", "none waits now", "can still be recorded", "end-enrollment aurora"];
    for what in parts.into_iter().chain(["--yes"]) {
        assert!(told.contains(what), "{what}: {told}");
    }
    place.ends(1, "study close aurora --yes --by nobody");
    assert_eq!(place.ends(0, "study show aurora --json").json()["state"], "open");
    for (act, state) in [("pause", "paused"), ("resume", "open"), ("close --yes --by stat", "closed")] {
        let ran = place.ends(0, &format!("study {act} aurora --json"));
        assert_eq!(ran.json()["state"], state);
        // Whoever does not want to be asked is told as much.
        assert_eq!(parts.iter().all(|what| ran.err.contains(what)), state == "closed", "{}", ran.err);
        place.ends(1, &format!("study {act} aurora --json"));
    }
    let purged = place.ends(0, "study purge aurora --json").json();
    assert_eq!((&purged["study"], &purged["subjects"]), (&"aurora".into(), &0.into()));
}

#[test]
fn what_draws_follow_from_is_sealed_once_there_is_a_key_file() {
    let place = Place::keyless();
    let begun = place.ends(0, &format!("study activate {SAMPLES}/aurora --production --reason go"));
    assert!(begun.err.contains("warning: the secret that all draws come from"), "{}", begun.err);
    let warned = "WARNING  secret of the draws of aurora";
    let doctor = place.run("doctor").out;
    assert!(doctor.contains(warned) && doctor.contains("hagaki key make"), "{doctor}");
    place.ends(0, "key make secrets/own");
    let settings = fs::read_to_string(place.path("hagaki.toml")).unwrap();
    place.write("hagaki.toml", &format!("{settings}\n[keys]\nfile = \"secrets/own\"\n"));
    place.ends(0, "study list");
    assert!(!place.run("doctor").out.contains(warned));
    place.ends(0, "allocation verify aurora");
    // Another key file: what draws or proves says which key is missing, and all else goes on.
    fs::rename(place.path("secrets/own"), place.path("secrets/safe")).unwrap();
    place.ends(0, "key make secrets/own");
    let said = place.ends(3, "allocation verify aurora").err;
    assert!(said.contains("the secret of study aurora") && said.contains("put that key's line back"), "{said}");
    assert!(place.run("doctor").out.contains("TROUBLE  secret of the draws of aurora"));
    place.ends(0, "study pause aurora --reason look");
    // Its line behind the new one opens it, and the new key seals it from then on.
    let lines = ["own", "safe"].map(|name| fs::read_to_string(place.path(&format!("secrets/{name}"))).unwrap());
    place.write("secrets/own", &lines.concat());
    place.ends(0, "allocation verify aurora");
    place.write("secrets/own", &lines[0]);
    place.ends(0, "allocation verify aurora");
}

#[test]
fn an_amendment_for_a_day_that_was_overtaken_is_shown_as_such() {
    let place = Place::new();
    place.ends(0, &format!("study activate {SAMPLES}/aurora"));
    for name in ["later", "now"] {
        let folder = place.path(name);
        copy(&PathBuf::from(SAMPLES).join("aurora"), &folder);
        let rules = fs::read_to_string(folder.join("allocation.toml")).unwrap();
        fs::write(folder.join("allocation.toml"), format!("# {name}\n{rules}")).unwrap();
    }
    assert_eq!(place.ends(0, "study amend later --on 2099-01-01 --json").json()["planned"], 1);
    let planned = place.ends(0, "study show aurora --json").json()["planned_amendments"][0].clone();
    assert_eq!((&planned["state"], &planned["overtaken"]), (&"waiting".into(), &false.into()));
    assert!(place.ends(0, "study show aurora").out.contains("(waiting)"));
    let amended = place.ends(0, "study amend now --json").json();
    assert_eq!((&amended["outdated"], &amended["ended"]), (&serde_json::json!([1]), &serde_json::json!([])));
    let planned = place.ends(0, "study show aurora --json").json()["planned_amendments"][0].clone();
    assert_eq!((&planned["state"], &planned["overtaken"]), (&"waiting".into(), &true.into()));
    let shown = place.ends(0, "study show aurora").out;
    assert!(shown.contains("(overtaken: checked against version 1, it will not come into force)"), "{shown}");
    let told = place.ends(1, "study close aurora").err;
    assert!(told.contains("amendments; 1 planned amendment that waits is withdrawn"), "{told}");
    place.ends(0, "study amend later --on 2099-01-02");
    let told = place.ends(1, "study close aurora").err;
    assert!(told.contains("amendments; 2 planned amendments that wait are withdrawn"), "{told}");
}

#[test]
fn in_production_an_amendment_says_what_it_changes_and_wants_a_yes() {
    let place = Place::new();
    place.ends(0, &format!("study activate {SAMPLES}/aurora --production --reason go"));
    let changed = place.path("changed");
    copy(&PathBuf::from(SAMPLES).join("aurora"), &changed);
    let study = fs::read_to_string(changed.join("study.toml")).unwrap();
    fs::write(changed.join("study.toml"), study.replace("time_zone = \"Asia/Tokyo\"", "time_zone = \"Asia/Seoul\""))
        .unwrap();
    let line = "time_zone: Asia/Seoul instead of Asia/Tokyo";
    for when in ["", " --on 2099-01-01"] {
        let refused = place.ends(1, &format!("study amend changed{when} --by stat --reason move"));
        assert!(refused.err.contains(line) && refused.err.contains("the same again with --yes"), "{}", refused.err);
        let refused = place.ends(1, &format!("study amend changed{when} --by stat --reason move --json")).json();
        assert!(refused["refused"].as_str().unwrap().contains("aurora was not amended"), "{refused}");
    }
    let shown = place.ends(0, "study show aurora --json").json();
    assert_eq!(
        (shown["versions"].as_array().unwrap().len(), &shown["planned_amendments"]),
        (1, &serde_json::json!([]))
    );
    // What is refused anyway is not asked about.
    let refused = place.ends(1, "study amend changed --by nobody --reason move").err;
    assert!(refused.contains("names no person") && !refused.contains("--yes"), "{refused}");
    let done = place.ends(0, "study amend changed --yes --by stat --reason move --json");
    assert!(
        done.err.contains(line) && done.json()["changes"].as_array().unwrap().contains(&line.into()),
        "{}",
        done.out
    );
    assert_eq!(done.json()["version"], 2);
}

#[test]
fn a_preview_is_as_the_real_letter() {
    let place = Place::new();
    let kinds = place.ends(0, &format!("preview {SAMPLES}/aurora --json")).json();
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
        "list.csv: a rehearsal gives the arms of this very list",
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

/// Two arms in blocks of 4 per sex.
const BLOCKS: &str = "method = \"block\"\narms = [{ code = \"A\" }, { code = \"B\" }]\n\
    factors = [{ id = \"sex\", levels = [\"F\", \"M\"] }]\nstrata = [\"sex\"]\n[block]\nsizes = [4]\n";

#[test]
fn a_simulation_is_told_and_comes_again() {
    let place = Place::new();
    let file = place.write("blocks.toml", BLOCKS);
    let line = format!("allocation simulate --file {file} --subjects 30 --trials 40 --population sex=F:0.7,M:0.3");
    let one = place.ends(0, &format!("{line} --seed 7 --cores 1 --json"));
    let again = place.ends(0, &format!("{line} --seed 7 --cores 3 --json"));
    assert_eq!(one.out, again.out);
    let found = one.json();
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    let sum: f64 = found["arm_counts_mean"].as_array().unwrap().iter().map(number).sum();
    assert!((sum - 30.0).abs() < 1e-9, "{sum}");
    assert_eq!(found["arm_counts_sd"].as_array().unwrap().len(), 2);
    assert_eq!(found["arm_probability_by_step"].as_array().unwrap().len(), 30);
    for key in ["p_zero", "mean_abs", "variance", "max_abs"] {
        number(&found["difference"][key]);
    }
    number(&found["guessing"]["correct_mean"]);
    assert!(number(&found["guessing"]["best_mean"]) >= number(&found["guessing"]["correct_mean"]));
    assert_eq!(found["guessing"]["largest_arm_share"], 0.5);
    number(&found["deterministic_mean"]);
    // Two blocks are open at the end, each of at most two more of one arm.
    assert!(number(&found["level_imbalance"]["sex"]["max_abs"]) <= 2.0);
    assert_eq!((&found["subjects"], &found["trials"], &found["seed"]), (&30.into(), &40.into(), &"7".into()));

    // Without a seed a fresh one is told, and gives the same once more.
    let fresh = place.ends(0, &format!("{line} --json")).json();
    let seed = fresh["seed"].as_str().unwrap();
    assert_eq!(place.ends(0, &format!("{line} --seed {seed} --json")).json(), fresh);
    assert!(place.ends(0, &line).out.contains("seed: "));
}

#[test]
fn schemes_are_compared_on_one_page() {
    let place = Place::new();
    let one = place.write("blocks.toml", BLOCKS);
    let other =
        place.write("simple.toml", "method = \"simple\"\narms = [{ code = \"<A>\" }, { code = \"B\", ratio = 2 }]\n");
    fs::write(place.path("people.csv"), "sex,name\nF,Ann\nM,Bob\nF,Eve\n").unwrap();
    let line =
        format!("allocation simulate --file {one} --file {other} --subjects 24 --trials 20 --seed 1 --date 2026-11-20");
    for language in ["en", "ja"] {
        let ran = place
            .ends(0, &format!("{line} --population @people.csv --report page.html --language {language} --json"))
            .json();
        assert_eq!(ran["schemes"].as_array().unwrap().len(), 2);
        let page = fs::read_to_string(place.path("page.html")).unwrap();
        assert_eq!(page.matches("<svg role=\"img\"").count(), 10, "five plots of each");
        assert_eq!(page.matches("<svg role=\"img\"").count(), page.matches("<desc>").count());
        assert!(page.contains(&format!("<html lang=\"{language}\">")) && page.contains("2026-11-20"));
        for scheme in ran["schemes"].as_array().unwrap() {
            assert!(page.contains(scheme["digest"].as_str().unwrap()));
        }
        assert!(!page.contains("<A>") && page.contains("&lt;A&gt;"), "codes are escaped");
        let of_the_larger = if language == "en" {
            "always names the largest arm"
        } else {
            "常に比率最大の群を予想する人"
        };
        assert!(
            page.contains(of_the_larger) && page.contains("16.00 (66.7\u{a0}%)"),
            "1:2 is guessed right in two of three"
        );
        for outside in ["<script", "src=", "@import", "url(", "http://", "https://"] {
            let inside = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
            assert!(!inside.contains(outside), "the page reaches for {outside}");
        }
        assert!(page.contains("66.7\u{a0}%"), "two of three rows are F");
    }
}

/// A study whose second allocation is of the moderate and the severe who did not respond.
#[test]
fn a_study_is_simulated_through_all_of_its_allocations() {
    let place = Place::new();
    copy(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config/studies/cygnus")), &place.path("cygnus"));
    let line = "allocation simulate --file cygnus --subjects 100 --trials 60 --seed 5";
    let shares = "responder=yes:0.75,no:0.25;severity=severe:1,moderate:3";
    let ran = place.ends(0, &format!("{line} --population {shares} --json"));
    assert!(ran.err.contains("`assessed_on`, `enrolled_on` is taken as met"), "{}", ran.err);
    let found = ran.json();
    let [first, second] = found["schemes"].as_array().unwrap().as_slice() else { panic!("two allocations: {found}") };
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    assert_eq!((&first["allocation"], &second["allocation"]), (&"first".into(), &"second".into()));
    assert_eq!(
        (&first["file"], &second["file"]),
        (&"cygnus/allocation.toml".into(), &"cygnus/allocation-second.toml".into())
    );
    assert_eq!((number(&first["came_mean"]), number(&first["allocated_mean"])), (100.0, 100.0));
    // A quarter of a hundred, within five standard errors of 60 trials.
    let came = number(&second["came_mean"]);
    assert!((came - 25.0).abs() < 5.0 * (100.0 * 0.25 * 0.75f64 / 60.0).sqrt(), "{came}");
    let arms: f64 = second["arm_counts_mean"].as_array().unwrap().iter().map(number).sum();
    assert!((arms - came).abs() < 1e-9, "{arms} {came}");
    assert_eq!(second["arms"][0]["code"], "SWITCH");
    // Each is balanced by what it looks at; nothing of the second's is told of the first.
    assert_eq!(first["level_imbalance"].as_object().unwrap().keys().collect::<Vec<_>>(), ["site"]);
    assert_eq!(
        second["level_imbalance"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["first_arm", "severity", "site"]
    );
    let by_arm: f64 =
        second["levels"]["first_arm"].as_array().unwrap().iter().map(|level| number(&level["subjects_mean"])).sum();
    assert!((by_arm - came).abs() < 1e-9, "everybody in the second has an arm of the first");
    assert_eq!(place.ends(0, &format!("{line} --population {shares} --cores 2 --json")).out, ran.out);
    // Who comes at all is a share of its own; a condition on the earlier arm is heeded.
    let text = fs::read_to_string(place.path("cygnus/study.toml")).unwrap();
    let condition = "when = \"!responder && first_arm == 'MED'\"";
    let changed = text.lines().map(|line| if line.starts_with("when = ") { condition } else { line });
    place.write("cygnus/study.toml", &changed.collect::<Vec<_>>().join("\n"));
    let some = "responder=no:1;second=yes:0.5,no:0.5";
    let found = place.ends(0, &format!("{line} --population {some} --report page.html --json"));
    assert!(!found.err.contains("taken as met"), "{}", found.err);
    let second = found.json()["schemes"][1].clone();
    let came = number(&second["came_mean"]);
    assert!((came - 25.0).abs() < 4.0, "half of the half with MED: {came}");
    let by_arm = &second["levels"]["first_arm"];
    assert_eq!((by_arm[0]["level"].as_str(), by_arm[0]["subjects_mean"].as_f64()), (Some("CBT"), Some(0.0)));
    let page = fs::read_to_string(place.path("page.html")).unwrap();
    assert!(
        page.contains("Allocation of the study") && page.contains("hagaki allocation simulate --file cygnus "),
        "{page}"
    );
    // The second caps itself, and ends by itself.
    place.write(
        "cygnus/allocation-second.toml",
        &fs::read_to_string(place.path("cygnus/allocation-second.toml")).unwrap().replace("total = 60", "total = 10"),
    );
    let ran = place.ends(0, &format!("{line} --population {some}"));
    assert!(ran.out.contains("trials that ended early            60 (100.0 %), with 10.00 subjects allocated: the cap of all subjects was reached in 60"), "{}", ran.out);
    for (shares, said) in [
        ("responder=maybe:1", "\"responder\" is an item with fixed answers; it takes yes, no, not \"maybe\""),
        ("second=often:1", "\"second\" says who comes to that allocation; it takes yes, no, not \"often\""),
        ("first_arm=CBT:1", "\"first_arm\" is the arm that the allocation before gives; leave it out"),
    ] {
        let ran = place.ends(1, &format!("{line} --population {shares}"));
        assert!(ran.err.contains(said), "{shares}: {}", ran.err);
    }
    // By itself the second meets everybody, at the arms that the study's first gives.
    let second =
        place.ends(0, "allocation simulate --file cygnus/allocation-second.toml --subjects 10 --trials 2 --json");
    let population = &second.json()["population"][0];
    assert_eq!((&population["factor"], &population["from"]), (&"first_arm".into(), &"study".into()));
    assert_eq!(population["levels"][1]["level"], "MED");
    let alone = place.ends(0, "allocation simulate --file cygnus/allocation.toml --subjects 10 --trials 2");
    assert!(alone.err.contains("--file cygnus simulates all allocations of its study"), "{}", alone.err);
}

#[test]
fn what_cannot_be_simulated_is_refused() {
    let place = Place::new();
    let file = place.write("blocks.toml", BLOCKS);
    let line = format!("allocation simulate --file {file} --subjects 10 --trials 2");
    for (population, said) in [
        ("sex=F:0.5,X:0.5", "\"X\" is no level of the factor \"sex\"; it has F, M"),
        ("sex=F:half", "the share \"half\" is no number"),
        ("sex=F:0", "no level has a share above 0"),
        ("@empty.csv", "has no rows"),
        ("@gap.csv", "gap.csv:3: the column \"sex\" is empty"),
    ] {
        place.write("empty.csv", "sex\n");
        place.write("gap.csv", "sex,a\nF,1\n,2\n");
        let ran = place.ends(1, &format!("{line} --population {population}"));
        assert!(ran.err.contains(said), "{population}: {}", ran.err);
    }
    place.ends(1, &format!("allocation simulate --file {} --subjects 5", place.write("bad.toml", "method = 7\n")));
    place.ends(1, &format!("allocation simulate --file {file} --subjects 100000 --trials 1000000"));
    place.ends(3, "allocation simulate --file nosuch.toml --subjects 5");
    place.ends(3, &format!("{line} --population @nosuch.csv"));
    place.ends(2, &format!("allocation simulate --file {file}"));
    place.ends(2, &format!("{line} --subjects 0"));
    let sites = place.write(
        "sites.toml",
        "method = \"simple\"\narms = [{ code = \"A\" }, { code = \"B\" }]\nfactors = [{ id = \"site\" }]\n",
    );
    let ran = place.ends(0, &format!("allocation simulate --file {sites} --subjects 5 --trials 2"));
    assert!(ran.err.contains("10 equally likely ones were supposed (001 … 010)"), "{}", ran.err);
}

#[test]
fn what_is_wrong_with_a_mail_is_a_sentence() {
    let place = Place::new();
    let mail = |name: &str, subject: &str, lines: &str| {
        let head = "Authentication-Results: mx.example.jp; dmarc=pass header.from=example.jp\nFrom: mori@example.jp\nTo: reg@example.jp\n";
        place.write(name, &format!("{head}Subject: {subject}\nMessage-ID: <{name}@example.jp>\nDate: Sat, 28 Nov 2026 12:00:00 +0900\n\n{lines}\n"))
    };
    let read = |file: &str| {
        place.ends(0, &format!("read --bundle {SAMPLES}/cygnus --now 2026-11-28T12:05:00+09:00 {file}")).out
    };
    let first = read(&mail("first.eml", "[CYGNUS] enroll", "site: 201\nsubject_ref: 201-001\nage: 500"));
    for line in [
        "wrong        age: “500” is outside of the limits. Expected: a whole number from 0 to 120 (years).\n",
        "wrong        sex: An answer is needed, one of F (female), M (male).\n",
    ] {
        assert!(first.contains(line), "{line}{first}");
    }
    let again = read(&mail(
        "again.eml",
        "[CYGNUS] randomize",
        "subject: CYGNUS-0001\nassessed_on: 2026-11-27\nresponder: no\nisi: 3",
    ));
    assert!(
        again.contains(
            "unusual      isi: “3” is unusual; it is taken if it is right. Usual is a whole number from 8 to 28.\n"
        ),
        "{again}"
    );
}

#[test]
fn a_rehearsal_tells_each_row_and_comes_again() {
    let place = Place::new();
    let head = "site,subject_ref,consent_date,age,性別,stage,ecog_ps,weight,height,prior_therapy,Physician\n";
    let row = |reference: &str, age: &str, sex: &str| {
        format!("011,{reference},2026-11-18,{age},{sex},II,0,60,165,none,Dr. Sato\n")
    };
    let rows = [
        row("K-0001", "55", "女"),
        row("K-0002", "19", "M"),
        row("K-0001", "55", "F"),
        row("K-0001", "56", "F"),
        row("K-0003", "90", "M"),
        row("K-0004", "300", "M"),
    ];
    let many: String = (10..60).map(|at| row(&format!("K-00{at}"), "17", "F")).collect();
    place.write("people.csv", &format!("{head}{}{many}", rows.concat()));
    let line = format!(
        "allocation rehearse {SAMPLES}/aurora --covariates people.csv --seed 3 --now 2026-11-20T09:00:00+09:00"
    );
    let told = place.ends(0, &format!("{line} --json"));
    assert_eq!(told.out, place.ends(0, &format!("{line} --json")).out);
    let told = told.json();
    let outcomes: Vec<(&str, &str)> = told["rows"].as_array().unwrap()[..6]
        .iter()
        .map(|row| (row["outcome"].as_str().unwrap(), row["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("enrolled", "enrolled"),
            ("refused", "not-eligible:adult"),
            ("duplicate", "duplicate"),
            ("conflict", "conflict"),
            // An unusual age is asked about and confirmed.
            ("enrolled", "enrolled"),
            ("refused", "range:age"),
        ]
    );
    assert_eq!((&told["enrolled"], &told["refused"], &told["proved"]), (&2.into(), &52.into(), &true.into()));
    assert_eq!(told["rows"][0]["line"], 2);
    assert_eq!(told["rows"][4]["subject"], 2);
    let of = |counts: &Value| counts.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>();
    assert_eq!((of(&told["by_arm"]), of(&told["by_site"]["011"]), of(&told["by_factor"]["sex"]["M"])), (2, 2, 1));
    let text = place.ends(0, &line).out;
    assert!(
        text.starts_with("REHEARSAL of aurora: ") && text.contains("line 3      refused    not-eligible:adult"),
        "{text}"
    );
    place.ends(3, &format!("allocation rehearse {SAMPLES}/aurora --covariates nosuch.csv"));
    place.ends(1, "allocation rehearse nosuch --covariates people.csv");
    for asks in ["council", "wellbeing"] {
        let refused = place.ends(1, &format!("allocation rehearse {SAMPLES}/{asks} --covariates people.csv"));
        assert!(refused.err.contains("registers no subjects"), "{}", refused.err);
    }
}

#[test]
fn a_blinded_rehearsal_hands_out_kits() {
    let place = Place::new();
    place.write(
        "people.csv",
        "施設,subject_ref,birth_date,consent_date,ISI,shift_work\n101,101-001,1970-01-02,2026-11-19,18,no\n",
    );
    let told = place.ends(
        0,
        &format!("allocation rehearse {SAMPLES}/borealis --covariates people.csv --seed 3 --now 2026-11-20T09:00:00+09:00 --json"),
    );
    let told = told.json();
    assert_eq!(told["rows"][0]["outcome"], "enrolled", "{told}");
    assert!(told["rows"][0]["kit"].is_string() && told["rows"][0]["arm"].is_string());
}

#[test]
fn a_rehearsal_walks_further_allocations_too() {
    let place = Place::new();
    let head = "site,subject_ref,age,sex,second.判定日,second.responder,second.ISI,second.at,second.nothing\n";
    let rows = [
        "201,201-001,56,F,2027-01-20,no,23,2027-01-21,\n",
        "201,201-002,56,F,2027-01-12,no,5,2027-01-12,\n",
        "202,202-001,56,M,2027-01-12,yes,9,2027-01-13T10:00,\n",
        "202,202-002,56,M,2027-01-12,no,99,2027-01-14,\n",
        "202,202-003,19,M,2027-01-12,no,23,2027-01-14,\n",
        "201,201-003,56,F,,,,,\n",
    ];
    place.write("people.csv", &format!("{head}{}", rows.concat()));
    let line = format!(
        "allocation rehearse {SAMPLES}/cygnus --covariates people.csv --seed 3 --now 2026-11-20T09:00:00+09:00"
    );
    let ran = place.ends(0, &format!("{line} --json"));
    let stray = "the column \"second.nothing\" is no item of the form of the allocation second and is not used";
    assert!(ran.err.contains(stray) && !ran.err.contains("second.ISI"), "{}", ran.err);
    let told = ran.json();
    let outcomes: Vec<(u64, &str, &str, &str)> = told["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap();
            (row["line"].as_u64().unwrap(), text("allocation"), text("outcome"), text("reason"))
        })
        .collect();
    let expected = [
        (2, "first", "enrolled", "enrolled"),
        (3, "first", "enrolled", "enrolled"),
        (4, "first", "enrolled", "enrolled"),
        (5, "first", "enrolled", "enrolled"),
        (6, "first", "refused", "not-eligible:adult"),
        (7, "first", "enrolled", "enrolled"),
        // In the order of their days; an unusual score is asked about and confirmed.
        (3, "second", "randomized", "randomized"),
        (4, "second", "refused", "condition"),
        (5, "second", "refused", "range:isi"),
        (2, "second", "randomized", "randomized"),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!((&told["enrolled"], &told["randomized_again"], &told["proved"]), (&5.into(), &2.into(), &true.into()));
    let of = |counts: &Value| counts.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>();
    let second = &told["further"]["second"];
    assert_eq!((of(&told["by_arm"]), of(&second["by_arm"]), of(&second["by_site"]["201"])), (5, 2, 2));
    assert_eq!(of(&second["by_factor"]["severity"]["moderate"]), 1);
    let text = place.ends(0, &line).out;
    assert!(text.contains("line 3      randomized second  CYGNUS-0002  arm "), "{text}");
    assert!(
        text.contains("\nallocation second\n")
            && text.contains(
                "6 lines: 5 enrolled, 1 refused, 0 duplicates, 0 conflicts; second: 2 randomized again, 2 refused"
            ),
        "{text}"
    );
    assert_eq!((&told["refused"], &second["refused"], &second["randomized"]), (&1.into(), &2.into(), &2.into()));
    assert!(second["moved"].as_array().unwrap().is_empty() && !text.contains("note: second.at"), "{text}");
    // Without columns of its own it is said that it was left out.
    place.write("first.csv", "site,subject_ref,age,sex\n201,201-001,56,F\n");
    let ran = place.ends(0, &format!("allocation rehearse {SAMPLES}/cygnus --covariates first.csv --seed 3"));
    assert!(ran.err.contains("the allocation second is not rehearsed"), "{}", ran.err);
    place.write("bad.csv", "site,subject_ref,age,sex,second.ISI,second.at\n201,201-001,56,F,23,soon\n");
    let ran = place.ends(1, &format!("allocation rehearse {SAMPLES}/cygnus --covariates bad.csv --seed 3"));
    assert!(
        ran.err.contains("bad.csv:2: second.at: \"soon\"") && ran.err.contains("write a day or a moment"),
        "{}",
        ran.err
    );
    // What is mistyped is told with what was perhaps meant, and a time that has passed with how many there are.
    let head =
        "site,subject_ref,age,sexx,sex,severity,second.判定日,second.respondr,second.responder,second.ISI,second.at\n";
    let row = |number: u32, at: &str| format!("201,201-00{number},56,F,F,mild,2026-11-01,no,no,23,{at}\n");
    place.write("odd.csv", &format!("{head}{}{}", row(1, "2026-11-01"), row(2, "2026-11-02T10:00")));
    let line =
        format!("allocation rehearse {SAMPLES}/cygnus --covariates odd.csv --seed 3 --now 2026-11-20T09:00:00+09:00");
    let ran = place.ends(0, &line);
    for part in [
        "\"sexx\" is no item of the registration and is not used; did you mean \"sex\"?",
        "\"second.respondr\" is no item of the form of the allocation second and is not used; did you mean \"second.responder\"?",
        "\"severity\" is no item of the registration",
    ] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    assert!(ran.out.contains("note: second.at of 2 lines (2, 3) lies before"), "{}", ran.out);
    assert_eq!(
        place.ends(0, &format!("{line} --json")).json()["further"]["second"]["moved"],
        serde_json::json!([2, 3])
    );
}

#[test]
fn a_rehearsal_refuses_a_row_that_has_no_level_and_goes_on() {
    let place = Place::new();
    place.write("people.csv", "site,subject_ref,age,sex,nights\n201,201-001,56,F,\n201,201-002,56,F,4\n");
    let sample = hagaki::definition::samples::cygnus();
    hagaki::definition::samples::write(&sample, &place.path("cygnus")).unwrap();
    let form = sample.file("instruments/registration.toml").unwrap();
    let items = "\n[[items]]\nid = \"nights\"\nkind = \"integer\"\nlabel = { ja = \"夜\", en = \"Nights\" }\n\n[[items]]\nid = \"sleep\"\n\
                 kind = \"calculation\"\nlabel = { ja = \"睡眠\", en = \"Sleep\" }\ncalculation = \"nights >= 3 ? 'poor' : 'fair'\"\n";
    place.write("cygnus/instruments/registration.toml", &format!("{form}{items}"));
    let file = sample.file("allocation.toml").unwrap().replace(
        "strata = [\"site\"]",
        "factors = [{ id = \"sleep\", levels = [\"poor\", \"fair\"] }]\nstrata = [\"sleep\"]",
    );
    place.write("cygnus/allocation.toml", &file);
    let told = place.ends(0, "allocation rehearse cygnus --covariates people.csv --seed 3 --json").json();
    let outcome =
        |at: usize| (told["rows"][at]["outcome"].as_str().unwrap(), told["rows"][at]["reason"].as_str().unwrap());
    assert_eq!((outcome(0), outcome(1)), (("refused", "answer-needed:nights"), ("enrolled", "enrolled")));
}

#[test]
fn a_history_of_a_second_stage_has_a_file_of_its_own() {
    let place = Place::new();
    place.ends(0, &format!("study activate {SAMPLES}/cygnus --json"));
    place.write("old.csv", "subject,site,arm,block_size,second_arm\n201-001,201,CBT,4,ADD\n");
    let refused = place.ends(1, "allocation import cygnus old.csv");
    for part in ["tells of the allocation \"second\"", "--further second=FILE"] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    place.write("first.csv", "subject,site,arm,block_size\n201-001,201,CBT,4\n");
    place.write("again.csv", "subject,arm,severity\n201-001,ADD,severe\n");
    for (wrong, said) in [
        ("third=again.csv", "the study has second"),
        ("second", "write the id of a further allocation"),
        ("second=again.csv --further second=again.csv", "stands twice"),
    ] {
        let refused = place.ends(1, &format!("allocation import cygnus first.csv --further {wrong}"));
        assert!(refused.err.contains(said), "{wrong}: {}", refused.err);
    }
    place.ends(3, "allocation import cygnus first.csv --further second=nosuch.csv");
    place.write("bad.csv", "subject,arm,severity,first_arm\n201-001,ADD,severe,MED\n201-007,ADD,severe,\n");
    let refused = place.ends(1, "allocation import cygnus first.csv --further second=bad.csv").err;
    for said in ["bad.csv:2: \"MED\" in the column \"first_arm\" is not \"CBT\"", "bad.csv:3: the history of the first"]
    {
        assert!(refused.contains(said), "{refused}");
    }
    place.write("short.csv", "subject,arm\n201-001,ADD\n");
    let refused = place.ends(1, "allocation import cygnus first.csv --further second=short.csv").err;
    assert!(refused.contains("no column \"severity\"") && !refused.contains("\"site\""), "{refused}");
    let both = "allocation import cygnus first.csv --further second=again.csv";
    let counted = place.ends(0, &format!("{both} --json")).json();
    let further = &counted["further"]["second"];
    assert_eq!(
        (&further["arms"], &further["margins"]["first_arm"]),
        (&json!({ "ADD": 1, "SWITCH": 0 }), &json!({ "CBT": { "ADD": 1, "SWITCH": 0 } }))
    );
    let words = place.ends(0, both).out;
    assert!(words.contains("allocation second\n") && words.contains(further["sha256"].as_str().unwrap()), "{words}");
    // An arm that nobody had is told of, at either stage.
    for part in ["1 subject: CBT 1, MED 0\n", "1 subject: ADD 1, SWITCH 0\n", "  first_arm=CBT: ADD 1, SWITCH 0\n"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    place.ends(0, &format!("{both} --yes --reason moved"));
    let proved = place.ends(0, "allocation verify cygnus --json").json();
    assert_eq!((&proved["allocations"], &proved["imported"]), (&json!(2), &json!(2)));
    // The table of one allocation does not take the place of another's.
    let first = place.ends(0, "allocation export cygnus --format redcap --out files");
    assert!(first.err.contains("cygnus-development-redcap.csv: 1 allocation"), "{}", first.err);
    let second = place.ends(0, "allocation export cygnus --format redcap --allocation second --out files");
    assert!(second.err.contains("cygnus-development-second-redcap.csv: 1 allocation"), "{}", second.err);
    place.ends(1, "allocation export cygnus --format journal-csv --allocation second --out files");
}

#[test]
fn a_poor_design_is_warned_of_and_still_sound() {
    let place = Place::new();
    let bundle = place.path("poor");
    copy(&PathBuf::from(SAMPLES).join("template"), &bundle);
    let scheme = fs::read_to_string(bundle.join("allocation.toml")).unwrap();
    fs::write(bundle.join("allocation.toml"), scheme.replace("sizes = [4, 6]", "sizes = [2]")).unwrap();
    let told = place.ends(0, "check poor --json").json();
    assert_eq!(told["sound"], true);
    let problem = &told["problems"][0];
    assert_eq!((&problem["weight"], &problem["key"]), (&"warning".into(), &"block.sizes".into()));
    assert!(problem["wrong"].as_str().unwrap().contains("guess 75.0 %"), "{problem}");
}
