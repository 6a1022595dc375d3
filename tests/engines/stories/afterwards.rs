//! After the study: the secret is revealed, somebody else recomputes it all, and a history comes from elsewhere.

use std::path::Path;
use std::process::Command;

use hagaki::domain::allocation::{HistoryRow, Levels, Origin};
use hagaki::domain::fact::FactKind;
use hagaki::store::study;
use hagaki::workflow::disclosure::{self, Wish};
use hagaki::workflow::import::{self, Line, Source};
use hagaki::workflow::journal;
use hagaki::workflow::life::{self, LifeError, Refusal};
use hagaki::workflow::package::{self, Package};
use hagaki::workflow::shelf::ShelvedStudy;
use serde_json::{Value, json};

use super::facts::{Operating, enroll};
use super::scheduled::wind_to;
use super::*;

async fn shelved(center: &Center, slug: &str) -> ShelvedStudy {
    let row = study::find_current(center.store(), slug).await.unwrap().unwrap();
    center.shelf_on(center.store()).load(&row).await.unwrap()
}

fn refusal<T: std::fmt::Debug>(result: Result<T, LifeError>) -> Refusal {
    match result {
        Err(LifeError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn close(center: &mut Center, slug: &str) {
    center.close(slug, "the last subject is in").await;
}

pub(super) async fn revealed(center: &mut Center, slug: &str, by: &str) -> Package {
    let shelved = shelved(center, slug).await;
    let row = center.reveal(slug, by, "for the report").await.unwrap();
    package::pack(center.store(), &shelved, &row, true).await.unwrap()
}

/// What the verifier says of a package with one text in one of its files changed; `None` if there is no Python here.
pub(super) fn verdict(package: &Package, change: Option<(&str, &str, &str)>) -> Option<(i32, Value)> {
    let folder = tempfile::tempdir().unwrap();
    let manifest = ("package.json".to_owned(), package.manifest.to_string());
    for (name, text) in package.files.iter().map(|(name, text)| (name.clone(), text.clone())).chain([manifest]) {
        let path = folder.path().join(&name);
        let text = match change {
            Some((file, from, to)) if file == name => {
                assert!(text.contains(from), "{from} is not in {name}:\n{text}");
                text.replacen(from, to, 1)
            }
            _ => text,
        };
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/verify/hagaki_verify.py");
    let Ok(output) = Command::new("python3").arg("-B").arg(script).arg(folder.path()).arg("--json").output() else {
        assert!(std::env::var_os("HAGAKI_TESTS_COMPLETE").is_none(), "python3 is missing");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let wrong = json!(String::from_utf8_lossy(&output.stderr));
    Some((output.status.code().unwrap(), serde_json::from_str(&said).unwrap_or(wrong)))
}

fn line(number: u64, site: &str, sex: &str, arm: &str) -> Line {
    let levels = [("site", site), ("sex", sex), ("stage", "III"), ("ecog_ps", "1")];
    let levels: Levels = levels.into_iter().map(|(id, level)| (id.to_owned(), level.to_owned())).collect();
    let row = HistoryRow { levels, arm: arm.to_owned(), slot: None, block_size: None, by_hand: false };
    Line {
        number,
        subject: format!("Y-{number:04}"),
        site: None,
        kit: None,
        at: None,
        row,
        answers: Default::default(),
    }
}

stories! {
    async fn somebody_else_recomputes_a_minimization(center: &mut Center) {
        aurora(center).await;
        for number in 0..12 {
            let form = aurora_form("011", &format!("Y-{number:04}"));
            let form = if number % 3 == 0 { form.replace("性別: 男", "性別: 女") } else { form };
            center.exchange(&DR_YAMADA.writes("登録", &form)).await;
            if number == 5 {
                let bundle = edited(&samples::aurora(), "study.toml", "confirm = false", "confirm = false # as before");
                center.amend(&bundle, center.act("a remark")).await.unwrap();
            }
        }
        let open = shelved(center, "aurora").await;
        let early = center.reveal("aurora", "stat", "too early").await;
        assert!(matches!(refusal(early), Refusal::NotClosed(_)));
        close(center, "aurora").await;
        let nobody = center.reveal("aurora", "nobody", "for the report").await;
        assert!(matches!(refusal(nobody), Refusal::Person(_)));
        let silent = center.reveal("aurora", "stat", " ").await;
        assert!(matches!(refusal(silent), Refusal::NoReason));

        let package = revealed(center, "aurora", "stat").await;
        let Some((code, report)) = verdict(&package, None) else { return };
        assert_eq!((code, &report["recomputed"], &report["chain_checked"]), (0, &json!(12), &json!(true)), "{report}");
        assert!(package.files["journal.jsonl"].contains(&format!("\"program\":\"{}\"", env!("CARGO_PKG_VERSION"))));
        let lines = journal::lines(center.store(), open.id).await.unwrap();
        assert_eq!((lines[5].fact.bundle_version, lines[6].fact.bundle_version), (1, 2));
        assert_eq!(lines[6].told["bundle"]["digest"], json!(lines[6].bundle_digest));
        assert_ne!(lines[5].bundle_digest, lines[6].bundle_digest);

        // Entry 1 tells of the activation, 2 to 7 of the first subjects, 8 of the amendment.
        let chain = |number: i64| json!(format!("chain entry {number}"));
        for (file, from, to, what) in [
            ("chain.jsonl", "Y-0003", "Y-0030", chain(5)),
            ("chain.jsonl", "\"actor\":\"yamada\"", "\"actor\":\"suzuki\"", chain(2)),
            ("bundle-2.json", "as before", "as after", json!("bundle version 2")),
            ("bundle-1/allocation.toml", "4/5", "3/5", json!("bundle version 1")),
            ("package.json", "\"secret\":\"", "\"secret\":\"00", json!("secret")),
            ("package.json", "\"length\":", "\"length\":1", json!("chain head")),
            ("journal.jsonl", "\"origin\":\"drawn\"", "\"origin\":\"imported\"", json!("origin")),
            ("journal.jsonl", "\"number\":7", "\"number\":8", json!("number")),
            ("package.json", "\"at\":\"20", "\"at\":\"19", json!("bundle version 1")),
        ] {
            let (code, report) = verdict(&package, Some((file, from, to))).unwrap();
            assert_eq!((code, &report["what"]), (1, &what), "{file} {from}: {report}");
        }
    }

    async fn a_package_is_read_to_the_letter(center: &mut Center) {
        aurora(center).await;
        enroll(center, 1..3).await;
        close(center, "aurora").await;
        let package = revealed(center, "aurora", "stat").await;
        let Some((code, _)) = verdict(&package, None) else { return };
        assert_eq!(code, 0);
        for (file, from, to) in [
            ("package.json", "\"allocations\":2", "\"allocations\":2.0"),
            ("package.json", "\"allocations\":2", "\"allocations\":7,\"allocations\":2"),
            ("package.json", "\"allocations\":2", "\"allocations\":2,\"reviewed\":\"yes\""),
            ("package.json", "\"length\":", "\"length_before\":1,\"length\":"),
            ("package.json", "\"at\":\"", "\"when\":\""),
            ("chain.jsonl", "\"seq\":1", "\"seq\":1,\"note\":\"\""),
            ("journal.jsonl", "\"number\":1,", "\"number\":2,\"number\":1,"),
            ("journal.jsonl", "\"version\":1", "\"version\":1,\"by\":\"\""),
            ("journal.jsonl", "\"subject\":1", "\"subject\":true"),
        ] {
            let (code, report) = verdict(&package, Some((file, from, to))).unwrap();
            assert_eq!(code, 2, "{file} {from}: {report}");
        }
        for (from, to) in [("\"subject\":1", "\"subject\":1,\"seen\":1"), ("\"COMB\":0", "\"COMB\":false")] {
            let (code, report) = verdict(&package, Some(("journal.jsonl", from, to))).unwrap();
            assert_eq!((code, &report["number"]), (1, &json!(1)), "{to}: {report}");
        }
    }

    async fn somebody_else_follows_the_amendments(center: &mut Center) {
        aurora(center).await;
        enroll(center, 1..6).await;
        let amend = async |center: &Center, bundle: &Bundle| {
            center.amend(bundle, center.act("protocol 2")).await.unwrap();
        };
        // Version 2 allocates nobody; 3 begins anew by blocks; 4 has other sizes, and ends the block that is open.
        let weighted = edited(&samples::aurora(), "allocation.toml", "p = \"4/5\"", "p = \"9/10\"");
        amend(center, &weighted).await;
        let begun = weighted.file("allocation.toml").unwrap().split("[minimization]").next().unwrap().to_owned();
        let rules = begun.replace("method = \"minimization\"", "epoch = 2\nmethod = \"block\"\nstrata = [\"sex\"]");
        let blocks = with_file(&weighted, "allocation.toml", &format!("{rules}[block]\nsizes = [4]\n"));
        amend(center, &blocks).await;
        enroll(center, 6..11).await;
        amend(center, &edited(&blocks, "allocation.toml", "sizes = [4]", "sizes = [6, 8]")).await;
        enroll(center, 11..15).await;
        center.assert_proved().await;
        close(center, "aurora").await;
        let package = revealed(center, "aurora", "stat").await;
        let Some((code, report)) = verdict(&package, None) else { return };
        assert_eq!((code, &report["recomputed"], &report["chain_checked"]), (0, &json!(14), &json!(true)), "{report}");
        // An amendment that is left out whole is missed, though nobody was allocated by it; and one of the last.
        for version in [2, 4] {
            let mut robbed = package.clone();
            robbed.files.retain(|name, _| !name.starts_with(&format!("bundle-{version}")));
            robbed.manifest["bundles"].as_array_mut().unwrap().retain(|row| row["version"] != json!(version));
            let (code, report) = verdict(&robbed, None).unwrap();
            assert_eq!((code, &report["what"]), (1, &json!("bundle versions")), "{report}");
        }
        // Without the chain the counts tell: the first decision by other rules is found.
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let bare = package::pack(center.store(), &shelved(center, "aurora").await, &row, false).await.unwrap();
        assert_eq!(verdict(&bare, None).unwrap().0, 0);
        for (file, from, to, number, what) in [
            ("bundle-3/allocation.toml", "epoch = 2", "epoch = 1", 6, "amendment"),
            ("bundle-4/allocation.toml", "epoch = 2", "epoch = 1", 11, "amendment"),
            ("bundle-4/allocation.toml", "sizes = [6, 8]", "sizes = [4]", 11, "block_size"),
            ("bundle-3/allocation.toml", "strata = [\"sex\"]", "strata = [\"stage\"]", 6, "levels"),
        ] {
            let (code, report) = verdict(&bare, Some((file, from, to))).unwrap();
            assert_eq!((code, &report["number"], &report["what"]), (1, &json!(number), &json!(what)), "{report}");
        }
    }

    async fn somebody_else_recomputes_random_blocks(center: &mut Center) {
        // Written on Windows, and in words of TOML that came after those which Python reads.
        let files = samples::borealis().files().clone();
        let files = files.into_iter().map(|(path, text)| (path, text.replace('\n', "\r\n"))).collect();
        let newer = edited(&Bundle::from_files(files), "study.toml", "blinding = \"blinded\"\r\n",
            "blinding = \"\\x62linded\"\r\n\r\n# no braces: { \r\n");
        let newer = edited(&newer, "study.toml", "name = { ja =", "name = { # in both languages {\r\n  ja =");
        center.activate(&newer, Stage::Production).await;
        for number in 0..15 {
            let form = borealis_form("103", &format!("103-{number:03}"));
            center.exchange(&DR_LARSEN.writes("enroll", &form)).await;
        }
        close(center, "borealis").await;
        let package = revealed(center, "borealis", "stat").await;
        let Some((code, report)) = verdict(&package, None) else { return };
        assert_eq!((code, &report["recomputed"]), (0, &json!(15)), "{report}");
        assert!(package.files["bundle-1.json"].contains("\\r\\n"));
        assert!(package.files["journal.jsonl"].contains("\"block_size\":8") || package.files["journal.jsonl"].contains("\"block_size\":12"));
    }

    async fn the_journal_of_a_blinded_study_goes_out_after_the_close(center: &mut Center) {
        borealis(center).await;
        center.exchange(&DR_LARSEN.writes("enroll", &borealis_form("103", "103-001"))).await;
        let open = shelved(center, "borealis").await;
        let entries = async |center: &Center| study::find_current(center.store(), "borealis").await.unwrap().unwrap().chain.length;
        let before = entries(center).await;
        for by in ["stat", "pharmacy", "larsen", "nobody", ""] {
            let wish = Wish { what: "journal-csv", by };
            let said = refusal(disclosure::permit(center.store(), &open, wish, center.act("interim analysis")).await);
            assert!(matches!(said, Refusal::Blinded(_)), "{said}");
        }
        assert_eq!(entries(center).await, before);
        close(center, "borealis").await;
        let anybody = Wish { what: "journal-csv", by: "" };
        disclosure::permit(center.store(), &open, anybody, center.act("")).await.unwrap();
        assert_eq!(entries(center).await, before + 1, "what is closed may be told, and nothing more is owed");
    }

    async fn somebody_else_knows_what_became_known(center: &mut Center) {
        let bundle = edited(&samples::aurora(), "allocation.toml", "method =", "corrections = \"corrected\"\nmethod =");
        center.activate(&bundle, Stage::Production).await;
        enroll(center, 1..8).await;
        let desk = Operating::of(center, "aurora").await;
        desk.note(center, "AURORA-0001", FactKind::WrongStratum, &[("stage", "IV")], None).await.unwrap();
        desk.note(center, "AURORA-0004", FactKind::Duplicate, &[], Some("AURORA-0002")).await.unwrap();
        enroll(center, 8..16).await;
        close(center, "aurora").await;
        let package = revealed(center, "aurora", "stat").await;
        assert_eq!(package.files["recounts.jsonl"].lines().count(), 2);
        let Some((code, report)) = verdict(&package, None) else { return };
        assert_eq!((code, &report["recomputed"]), (0, &json!(15)), "{report}");
        let (code, report) = verdict(&package, Some(("recounts.jsonl", "\"IV\"", "\"III\""))).unwrap();
        assert_eq!((code, &report["what"], &report["number"]), (1, &json!("recount"), &json!(1)), "{report}");
        // A chain that was taken away is missed.
        let mut robbed = package.clone();
        robbed.files.remove("chain.jsonl");
        let (code, report) = verdict(&robbed, None).unwrap();
        assert_eq!((code, &report["what"]), (1, &json!("chain.jsonl")), "{report}");
        // In a package made without one only the counts can tell, at the first decision that rests on them.
        let shelved = shelved(center, "aurora").await;
        let row = study::load(center.store(), shelved.id).await.unwrap();
        let bare = package::pack(center.store(), &shelved, &row, false).await.unwrap();
        assert_eq!(verdict(&bare, None).unwrap().0, 0);
        let (code, report) = verdict(&bare, Some(("recounts.jsonl", "\"IV\"", "\"III\""))).unwrap();
        assert_eq!((code, &report["number"]), (1, &json!(8)), "{report}");
    }

    async fn a_history_from_elsewhere_counts(center: &mut Center) {
        aurora(center).await;
        let here = shelved(center, "aurora").await;
        let scheme = here.study.scheme.clone().unwrap();
        let arms = ["STD", "STD", "COMB", "STD", "STD"];
        let lines: Vec<Line> = (1..).zip(arms).map(|(number, arm)| line(number, "011", "M", arm)).collect();
        for (at, change, wrong) in [
            (1, Line { row: HistoryRow { arm: "NEW".to_owned(), ..lines[1].row.clone() }, ..lines[1].clone() }, "arm"),
            (2, line(3, "999", "M", "STD"), "site"),
            (3, line(4, "011", "X", "STD"), "level"),
            (4, Line { subject: "ｙ-0001".to_owned(), ..lines[4].clone() }, "twice"),
            (4, Line { subject: "Y-5".to_owned(), ..lines[4].clone() }, "\"Y-5\" does not match [A-Z]-[0-9]{4}, the pattern of `subject_ref`"),
            (4, Line { kit: Some("K".to_owned()), ..lines[4].clone() }, "kit"),
        ] {
            let mut changed = lines.clone();
            changed[at] = change;
            let misfits = import::fit(&here, &scheme, import::OnFile::default(), &changed, center.act("").at).unwrap_err();
            let [misfit] = misfits.as_slice() else { panic!("{misfits:?}") };
            assert_eq!(misfit.line, at as u64 + 1);
            assert!(misfit.wrong.contains(wrong), "{}", misfit.wrong);
        }
        let history = import::fit(&here, &scheme, import::OnFile::default(), &lines, center.act("").at).unwrap();
        assert_eq!(history.arms.values().copied().collect::<Vec<u64>>(), [1, 4]);
        let source = Source { name: "old.csv", digest: "ab" };
        let silent = import::import(center.store(), &here, &history, source, center.act(""), &*center.dice).await;
        assert!(matches!(refusal(silent), Refusal::NoReason));
        import::import(center.store(), &here, &history, source, center.act("moved"), &*center.dice).await.unwrap();
        assert_eq!(center.arms("aurora").await, arms);
        center.assert_proved().await;

        // Who is mailed again is known, and nothing is drawn for them.
        let again = center.answer(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0003"))).await;
        assert_eq!(again.kind, "duplicate-open");
        let other = aurora_form("011", "Y-0004").replace("性別: 男", "性別: 女");
        assert_eq!(center.answer(&DR_YAMADA.writes("登録", &other)).await.kind, "conflict");
        assert_eq!(center.arms("aurora").await.len(), 5);

        // Later decisions count it: with four to one everywhere, the other arm is ahead.
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0006"))).await;
        let told = journal::lines(center.store(), here.id).await.unwrap();
        assert_eq!(told.iter().filter(|line| line.fact.origin == Origin::Imported).count(), 5);
        assert_eq!(told[5].told["counts"]["site"], json!({ "COMB": 1, "STD": 4 }));
        let second = import::import(center.store(), &here, &history, source, center.act("again"), &*center.dice).await;
        assert!(matches!(refusal(second), Refusal::NotEmpty(_)));
        close(center, "aurora").await;
        let package = revealed(center, "aurora", "stat").await;
        let Some((code, report)) = verdict(&package, None) else { return };
        assert_eq!((code, &report["recomputed"], &report["given"]), (0, &json!(1), &json!(5)), "{report}");
    }

    async fn subjects_from_elsewhere_are_followed_up_as_others_are(center: &mut Center) {
        aurora(center).await;
        let here = shelved(center, "aurora").await;
        let scheme = here.study.scheme.clone().unwrap();
        let act = center.act("moved");
        let history = import::fit(&here, &scheme, import::OnFile::default(), &[line(1, "011", "M", "STD")], act.at).unwrap();
        let source = Source { name: "old.csv", digest: "ab" };
        import::import(center.store(), &here, &history, source, act, &*center.dice).await.unwrap();
        let mut came: Vec<String> = Vec::new();
        for day in 19..=52 {
            let (month, day) = if day <= 30 { (11, day) } else { (12, day - 30) };
            wind_to(center, &format!("2026-{month}-{day:02} 08:01"));
            center.attend().await;
            let due = center.settle().await.into_iter().filter(|letter| letter.kind == "follow-up-due");
            came.extend(due.map(|_| format!("{month}-{day:02}")));
        }
        // By the rule that counts from the subject's own day, beside the one for each Monday.
        assert!(came.contains(&"12-22".to_owned()), "{came:?}");
    }

    async fn the_verifier_leaves_what_was_given_by_hand_elsewhere_out_of_blocks(center: &mut Center) {
        center.activate(&samples::cygnus(), Stage::Production).await;
        let here = shelved(center, "cygnus").await;
        let scheme = here.study.scheme.clone().unwrap();
        let line = |number: u64, block_size: Option<u64>, by_hand: bool| {
            let levels = [("site".to_owned(), "201".to_owned())].into();
            let row = HistoryRow { levels, arm: "CBT".to_owned(), slot: None, block_size, by_hand };
            let (subject, site) = (format!("201-00{number}"), Some("201".to_owned()));
            Line { number, subject, site, kit: None, at: None, row, answers: Default::default() }
        };
        // Two of a block of four, and one between them that stands outside.
        let lines = [line(1, Some(4), false), line(2, None, true), line(3, Some(4), false)];
        let act = center.act("moved");
        let history = import::fit(&here, &scheme, import::OnFile::default(), &lines, act.at).unwrap();
        let source = Source { name: "old.csv", digest: "ab" };
        import::import(center.store(), &here, &history, source, act, &*center.dice).await.unwrap();
        for number in 4..=6 {
            center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", &format!("201-00{number}")))).await;
            assert_eq!(reason(center).await, "enrolled");
        }
        assert_eq!(center.arms("cygnus").await[3..5], ["MED", "MED"], "the block ends with two of the other arm");
        center.assert_proved().await;
        close(center, "cygnus").await;
        let package = revealed(center, "cygnus", "cygnus-stat").await;
        let Some((code, report)) = verdict(&package, None) else { return };
        assert_eq!((code, &report["recomputed"], &report["imported"]), (0, &json!(3), &json!(3)), "{report}");
    }

    async fn a_history_of_two_stages_counts_in_both(center: &mut Center) {
        center.activate(&samples::cygnus(), Stage::Production).await;
        let here = shelved(center, "cygnus").await;
        let (scheme, own) = (here.study.scheme.clone().unwrap(), here.study.randomizations[0].clone());
        let line = |number: u64, subject: &str, levels: &[(&str, &str)], arm: &str| {
            let levels = levels.iter().map(|(id, level)| ((*id).to_owned(), (*level).to_owned())).collect();
            let row = HistoryRow { levels, arm: arm.to_owned(), slot: None, block_size: Some(4), by_hand: false };
            Line { number, subject: subject.to_owned(), site: Some("201".to_owned()), kit: None, at: None, row, answers: Default::default() }
        };
        let now = center.act("").at;
        let arms: Vec<&str> = scheme.arms().iter().map(|arm| arm.code.as_str()).collect();
        let first: Vec<Line> = (1..=4)
            .map(|n| Line { at: Some(format!("2026-0{n}-01")), ..line(n, &format!("201-00{n}"), &[("site", "201")], arms[n as usize % 2]) })
            .collect();
        let mut history = import::fit(&here, &scheme, import::OnFile::default(), &first, now).unwrap();
        let severe = [("severity", "severe")];
        let again = |number, subject: &str, arm| {
            let own = line(number, subject, &severe, arm);
            Line { at: Some("2026-08-01".to_owned()), ..own }
        };
        let later = vec![again(1, "201-003", "ADD"), again(2, "201-001", "ADD"), again(3, "201-002", "SWITCH")];
        for (at, change, wrong) in [
            (0, again(1, "201-009", "ADD"), "no subject"),
            (1, again(2, "201-003", "ADD"), "twice"),
            (1, again(2, "201-001", arms[0]), "arm"),
            (2, line(3, "201-002", &[("severity", "mild")], "ADD"), "severity"),
            (2, line(3, "201-002", &[("severity", "severe"), ("first_arm", arms[1])], "ADD"), "first_arm"),
            (0, Line { at: Some("2026-02-01".to_owned()), ..again(1, "201-003", "ADD") }, "before"),
        ] {
            let mut changed = later.clone();
            changed[at] = change;
            let misfits = import::fit_further(&here, &own, import::OnFile::default(), &history, &changed, now).unwrap_err();
            let [misfit] = misfits.as_slice() else { panic!("{misfits:?}") };
            assert!(misfit.line == at as u64 + 1 && misfit.wrong.contains(wrong), "{misfit:?}");
        }
        let second = import::fit_further(&here, &own, import::OnFile::default(), &history, &later, now).unwrap();
        assert_eq!(second.margins["first_arm"].values().map(|arms| arms.values().sum::<u64>()).sum::<u64>(), 3);
        let (id, file, digest) = ("second".to_owned(), "again.csv".to_owned(), "cd".to_owned());
        history.further.push(import::Further { id, file, digest, history: second });
        let source = Source { name: "old.csv", digest: "ab" };
        import::import(center.store(), &here, &history, source, center.act("moved"), &*center.dice).await.unwrap();
        let given: Vec<(i64, String)> =
            center.randomized("cygnus").await.into_iter().map(|(subject, _, arm, _)| (subject, arm)).collect();
        assert_eq!(given, [(3, "ADD".to_owned()), (1, "ADD".to_owned()), (2, "SWITCH".to_owned())]);
        center.assert_proved().await;

        // Both are known: the same again tells what was, other data change nothing, and the next is drawn behind them.
        let same = response_form("CYGNUS-0003").replace("2027-01-12", "2026-11-10");
        let told = center.answer(&DR_MORI.writes("割付", &same)).await;
        assert!(told.kind == "randomized-before-open" && told.text.contains("2026-08-01"), "{}", told.text);
        let other = same.replace("score: 23", "score: 16");
        let conflict = center.answer(&DR_MORI.writes("割付", &other)).await;
        assert!(conflict.kind == "randomization-conflict" && conflict.text.contains("2026-08-01"), "{}", conflict.text);
        // Of the history only what the allocation looked at is on file: nothing else differs.
        assert!(conflict.text.contains("重症度") && !conflict.text.contains("効果あり"), "{}", conflict.text);
        assert!(center.answer(&DR_MORI.writes("照会 CYGNUS-0003", "")).await.text.contains("2026-08-01"));
        assert_eq!(center.answer(&DR_MORI.writes("登録", &cygnus_form("201", "201-002"))).await.kind, "duplicate-open");
        center.exchange(&DR_MORI.writes("割付", &same.replace("CYGNUS-0003", "CYGNUS-0004"))).await;
        assert_eq!(reason(center).await, "randomized");
        let told = journal::lines(center.store(), here.id).await.unwrap();
        let origins: Vec<(&str, Origin)> =
            told.iter().map(|line| (line.fact.randomization.as_str(), line.fact.origin)).collect();
        assert_eq!(origins[4..], [("second", Origin::Imported); 3].into_iter().chain([("second", Origin::Drawn)]).collect::<Vec<_>>()[..]);
        assert_eq!(told[7].told["counts"]["site"], json!({ "ADD": 2, "SWITCH": 1 }));
        // An error in an imported allocation is one as in any other.
        center.assert_proved().await;
        close(center, "cygnus").await;
        let package = revealed(center, "cygnus", "cygnus-stat").await;
        let Some((code, report)) = verdict(&package, None) else { return };
        assert_eq!((code, &report["recomputed"], &report["imported"]), (0, &json!(1), &json!(7)), "{report}");
        let other = ("journal.jsonl", "\"arm\":\"SWITCH\"", "\"arm\":\"ADD\"");
        let (code, report) = verdict(&package, Some(other)).unwrap();
        assert_eq!(code, 1, "{report}");
    }

    async fn a_history_without_dummy_arms_is_supposed_to_have_had_the_best(center: &mut Center) {
        let bundle = edited(&samples::aurora(), "allocation.toml", "rule = \"best\"", "rule = \"ratio-arms\"");
        let ratio = "code = \"COMB\", ratio = ";
        let bundle = edited(&bundle, "allocation.toml", &format!("{ratio}1"), &format!("{ratio}2"));
        center.activate(&bundle, Stage::Production).await;
        let here = shelved(center, "aurora").await;
        let scheme = here.study.scheme.clone().unwrap();
        assert!(scheme.has_slots());
        let arms = ["STD", "COMB", "COMB", "STD", "COMB", "COMB"];
        let mut lines: Vec<Line> = (1..).zip(arms).map(|(number, arm)| line(number, "011", "M", arm)).collect();
        lines[0].row.slot = Some(0);
        let history = import::fit(&here, &scheme, import::OnFile::default(), &lines, center.act("").at).unwrap();
        assert_eq!(history.supposed_slots, 5, "the one that was told is taken");
        let source = Source { name: "old.csv", digest: "ab" };
        import::import(center.store(), &here, &history, source, center.act("moved"), &*center.dice).await.unwrap();
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0007"))).await;
        assert_eq!(reason(center).await, "enrolled");
        let told = journal::lines(center.store(), here.id).await.unwrap();
        assert!(told.iter().all(|line| line.fact.slot.is_some()));
        center.assert_proved().await;
        close(center, "aurora").await;
        let package = revealed(center, "aurora", "stat").await;
        let Some((code, report)) = verdict(&package, None) else { return };
        assert_eq!((code, &report["recomputed"], &report["imported"]), (0, &json!(1), &json!(6)), "{report}");
    }

    async fn a_rehearsal_whose_secret_is_out_begins_anew(center: &mut Center) {
        center.activate(&samples::aurora(), Stage::Development).await;
        close(center, "aurora").await;
        revealed(center, "aurora", "stat").await;
        let bundle = edited(&samples::aurora(), "study.toml", "confirm = false", "confirm = false # once more");
        let act = center.act("once more");
        let study = defined(&bundle);
        let activating = life::activate(center.store(), &bundle, &study, Stage::Development, act, &*center.dice);
        assert!(matches!(refusal(activating.await), Refusal::Revealed(_)));
        life::purge(center.store(), "aurora", center.act("done"), &*center.dice).await.unwrap();
        life::activate(center.store(), &bundle, &study, Stage::Development, act, &*center.dice).await.unwrap();
    }
}
