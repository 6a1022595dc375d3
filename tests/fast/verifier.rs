//! The verifier of `deploy/verify/`, which shares no code with the engine, agrees with it on every method, and finds what was
//! changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use hagaki::definition::allocation_file;
use hagaki::domain::allocation::draw::Draw;
use hagaki::domain::allocation::{Amendment, Counts, Follower, Levels, Origin, Row, Scheme, State, Turn, record};
use hagaki::domain::time::Instant;
use hagaki::store::allocation::AllocationRow;
use hagaki::workflow::journal::Line;
use hagaki::workflow::package::FORMAT;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const VERIFIER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/verify/hagaki_verify.py");
const SECRET: [u8; 32] = [0xa5; 32];

const TWO: &str = "arms = [{ code = \"B\" }, { code = \"A\" }]";
const THREE: &str = "arms = [{ code = \"P\", ratio = 1 }, { code = \"L\", ratio = 1 }, { code = \"H\", ratio = 2 }]";
const FOUR: &str = "arms = [{ code = \"z\", ratio = 3 }, { code = \"群\", ratio = 2 }, { code = \"a\", ratio = 2 }, { code = \"M\", ratio = 1 }]";
const FACTORS: &str = "factors = [{ id = \"site\", weight = 0.3 }, { id = \"sex\", levels = [\"M\", \"F\"], weight = 2 }, \
     { id = \"age\", weight = \"1/3\" }]";
const PLAIN: &str = "factors = [{ id = \"site\" }, { id = \"sex\" }]";

/// Whether Python is there; where all tests must run it has to be.
fn python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(found || std::env::var_os("HAGAKI_TESTS_COMPLETE").is_none(), "python3 is missing");
    if !found {
        eprintln!("left out: python3 is missing");
    }
    found
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// A package as a folder, and what the verifier says of it.
struct Package {
    folder: TempDir,
    lines: Vec<Value>,
    recounts: Vec<Value>,
    manifest: Value,
}

/// One version of a bundle: its rules, the list beside them, and how many subjects it allocated.
#[derive(Clone, Copy)]
struct Version<'a> {
    text: &'a str,
    list: Option<&'a str>,
    count: u64,
}

fn version(text: &str, count: u64) -> Version<'_> {
    Version { text, list: None, count }
}

impl Package {
    /// So many subjects allocated by that scheme.
    fn new(text: &str, list: Option<&str>, count: u64) -> Package {
        Package::amended(&[Version { text, list, count }], &[])
    }

    /// A study that went by those versions one after another; `amendments` is what became known of its subjects.
    fn amended(versions: &[Version<'_>], amendments: &[Amendment]) -> Package {
        let folder = TempDir::new().unwrap();
        let (mut schemes, mut bundles, mut from) = (Vec::new(), Vec::new(), 1);
        for (number, version) in (1..).zip(versions) {
            let bundle = folder.path().join(format!("bundle-{number}"));
            std::fs::create_dir(&bundle).unwrap();
            std::fs::write(bundle.join("allocation.toml"), version.text).unwrap();
            if let Some(list) = version.list {
                std::fs::write(bundle.join("list.csv"), list).unwrap();
            }
            let mut problems = Vec::new();
            let file = allocation_file::open(&bundle.join("allocation.toml"), &mut problems).unwrap();
            schemes.push((from, file.unwrap_or_else(|| panic!("{problems:?}")).scheme));
            from += version.count;
            let path = format!("bundle-{number}/allocation.toml");
            let at = "2026-11-20T00:00:00Z";
            bundles.push(json!({ "version": number, "digest": format!("d{number}"), "at": at, "allocation": path }));
        }
        let lines = lines(&schemes, from - 1, amendments, &[]);
        let manifest = json!({
            "format": FORMAT, "program": "0", "study": "s", "study_id": 1, "stage": "production", "secret": hex(&SECRET),
            "secret_digest": hex(&Sha256::digest(SECRET)), "allocations": lines.len(),
            "chain": { "length": 0, "head": "" }, "bundles": bundles,
        });
        let recount = |amendment: &Amendment| {
            let Amendment { after, allocation, counts } = amendment;
            match counts {
                Counts::At(levels) => json!({ "after": after, "allocation": allocation, "levels": levels }),
                Counts::Nowhere => json!({ "after": after, "allocation": allocation, "levels": null }),
                Counts::Again => json!({ "after": after, "allocation": allocation, "again": true }),
            }
        };
        let recounts = amendments.iter().map(recount).collect();
        Package { folder, lines, recounts, manifest }
    }

    /// As many, of which these numbers were given that arm by hand.
    fn with_forced(text: &str, list: Option<&str>, count: u64, forced: &[(u64, &str)]) -> Package {
        let whole = Package::new(text, list, 0);
        let mut problems = Vec::new();
        let file = allocation_file::open(&whole.path().join("bundle-1/allocation.toml"), &mut problems).unwrap();
        let lines = lines(&[(1, file.unwrap().scheme)], count, &[], forced);
        let mut manifest = whole.manifest.clone();
        manifest["allocations"] = json!(count);
        Package { lines, manifest, ..whole }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Exit code and report.
    fn verify(&self) -> (i32, Value) {
        let text: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(self.path().join("journal.jsonl"), text).unwrap();
        let text: String = self.recounts.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(self.path().join("recounts.jsonl"), text).unwrap();
        std::fs::write(self.path().join("package.json"), self.manifest.to_string()).unwrap();
        run(self.path())
    }

    fn assert_proved(&self, name: &str) {
        let (code, report) = self.verify();
        assert_eq!(code, 0, "{name}: {report}");
        assert_eq!(report["recomputed"], json!(self.lines.len()), "{name}");
    }

    /// That the verifier names this as the first difference.
    fn assert_differs(&self, number: impl Into<Value>, what: &str) {
        let (code, report) = self.verify();
        assert_eq!((code, &report["number"], &report["what"]), (1, &number.into(), &json!(what)), "{report}");
    }
}

fn run(folder: &Path) -> (i32, Value) {
    let output = Command::new("python3").arg("-B").arg(VERIFIER).arg(folder).arg("--json").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let wrong = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), serde_json::from_str(&said).unwrap_or(json!(wrong)))
}

/// The journal of so many subjects; each scheme decides from its number on.
fn lines(schemes: &[(u64, Scheme)], count: u64, amendments: &[Amendment], forced: &[(u64, &str)]) -> Vec<Value> {
    let [(_, first), later @ ..] = schemes else { panic!("there is a scheme") };
    let turns: Vec<Turn<'_>> = later.iter().map(|(from, scheme)| Turn { from: *from, scheme }).collect();
    let mut follower = Follower::new(first, &turns, amendments);
    let mut state = State::new(first);
    let mut line = |number| {
        let scheme = follower.before(number, &mut state).unwrap();
        let version = schemes.iter().filter(|(from, _)| *from <= number).count();
        let mut draw = Draw::new(&[9; 32], number);
        let mut level = |levels: &[&str]| levels[draw.below(levels.len() as u64) as usize].to_owned();
        let levels = Levels::from([
            ("site".to_owned(), level(&["011", "012", "東京"])),
            ("sex".to_owned(), level(&["F", "M"])),
            ("age".to_owned(), level(&["-49", "50-64", "65-"])),
        ]);
        let (allotment, origin, told) = match forced.iter().find(|(own, _)| *own == number) {
            None => {
                let decision = state.decide(scheme, &levels, &SECRET, number).unwrap();
                let told = record(scheme, &state, &levels, &decision).unwrap();
                (decision.allotment, Origin::Drawn, told)
            }
            Some((_, arm)) => {
                let given = state.give(scheme, &levels, arm).unwrap();
                let mut told = json!({ "number": number, "method": scheme.method().key(), "arm": given.arm, "levels": {},
                                       "forced": { "by": "stat", "reason": "no power", "at": "2026-11-20T00:05:00Z" } });
                if let Some(slot) = given.slot {
                    told["slot"] = json!(slot);
                }
                if let Some(size) = given.block_size {
                    told["block_size"] = json!(size);
                }
                (given, Origin::Forced, told)
            }
        };
        let row = Row { number, levels: levels.clone(), allotment: allotment.clone(), origin };
        state.record_row(scheme, &row).unwrap();
        follower.counted(&row);
        let fact = AllocationRow {
            study_id: 1,
            number: number.cast_signed(),
            subject_id: 1,
            randomization: "first".to_owned(),
            arm: allotment.arm,
            slot: allotment.slot.map(i64::from),
            block_size: allotment.block_size.map(u64::cast_signed),
            levels: serde_json::to_string(&levels).unwrap(),
            kit: None,
            bundle_version: version as i64,
            allocated_at: Instant(number.cast_signed()),
            origin,
        };
        let told_map = told.as_object().unwrap().clone();
        let line = Line {
            fact,
            subject: number.cast_signed(),
            rescreens: None,
            record: told.to_string(),
            told: told_map,
            bundle_digest: format!("d{version}"),
        };
        line.to_proof()
    };
    (1..=count).map(&mut line).collect()
}

#[test]
fn simple_and_blocks_are_recomputed() {
    if !python() {
        return;
    }
    for (name, text, count) in [
        ("simple", format!("method = \"simple\"\n{FOUR}"), 200),
        ("one size", format!("method = \"block\"\n{TWO}\n[block]\nsizes = [4]"), 100),
        (
            "random sizes, strata, 1:1:2",
            format!(
                "method = \"block\"\n{THREE}\n{PLAIN}\nstrata = [\"site\", \"sex\"]\n[block]\nsizes = [12, 4, 8]\nweights = [1, \"1/3\", 0.5]"
            ),
            400,
        ),
    ] {
        Package::new(&text, None, count).assert_proved(name);
    }
}

#[test]
fn coins_urns_and_lists_are_recomputed() {
    if !python() {
        return;
    }
    let strata = format!("{TWO}\n{PLAIN}\nstrata = [\"sex\"]");
    for (name, table) in [
        ("biased-coin", "p = \"2/3\""),
        ("big-stick", "limit = 2"),
        ("chen", "limit = 3\np = 0.7"),
        ("wei-urn", "alpha = 0\nbeta = \"1/2\""),
        ("block-urn", "lambda = 2"),
        ("maximal", "limit = 3\nsubjects = 20"),
        ("hu-hu", "p = 0.85\ntotal_weight = 0.3\nstratum_weight = 0.5"),
    ] {
        Package::new(&format!("method = \"{name}\"\n{strata}\n[{name}]\n{table}"), None, 150).assert_proved(name);
    }
    let equal = "arms = [{ code = \"P\" }, { code = \"b\" }, { code = \"群\" }, { code = \"D\" }]";
    Package::new(
        &format!("method = \"wei-urn\"\n{equal}\n{PLAIN}\nstrata = [\"sex\"]\n[wei-urn]\nalpha = 0\nbeta = 2"),
        None,
        150,
    )
    .assert_proved("Wei's urn of four");
    Package::new(&format!("method = \"block-urn\"\n{FOUR}\n[block-urn]\nlambda = 1"), None, 150)
        .assert_proved("urn of four");
    let weighted =
        format!("method = \"hu-hu\"\n{TWO}\n{FACTORS}\n[hu-hu]\np = 0.8\ntotal_weight = 0\nstratum_weight = \"1/7\"");
    Package::new(&weighted, None, 150).assert_proved("hu-hu of all factors");
    let optimum = format!(
        "method = \"atkinson\"\n{TWO}\nfactors = [{{ id = \"site\" }}, {{ id = \"sex\" }}, {{ id = \"age\" }}]"
    );
    Package::new(&optimum, None, 60).assert_proved("atkinson");
    Package::new(
        &optimum.replace(TWO, "arms = [{ code = \"x\" }, { code = \"B\" }, { code = \"群\" }, { code = \"A\" }]"),
        None,
        60,
    )
    .assert_proved("atkinson of four arms");
    let list: String = (0..120).map(|n| format!("{},{}\n", ["F", "M"][n % 2], ["A", "B", "B"][n % 3])).collect();
    let file = format!("sex,arm\n{list}");
    let text = format!("method = \"list\"\n{TWO}\n{PLAIN}\nstrata = [\"sex\"]\n[list]\nfile = \"list.csv\"");
    Package::new(&text, Some(&file), 80).assert_proved("list");
}

#[test]
fn minimization_is_recomputed_with_every_distance_and_rule() {
    if !python() {
        return;
    }
    let rules = [
        ("best", "p = 0.8", THREE),
        ("rank", "q = \"1/2\"", FOUR),
        ("proportional", "t = \"2/3\"", THREE),
        ("ratio-coin", "p = 0.7", FOUR),
        ("ratio-arms", "p = \"3/5\"\nburn_in = 7", THREE),
        ("best", "p = \"4/5\"", TWO),
        ("proportional", "t = 0.9", TWO),
    ];
    for distance in ["range", "variance", "sd", "marginal-total", "marginal-balance"] {
        for (rule, numbers, arms) in rules {
            let text = format!(
                "method = \"minimization\"\n{arms}\n{FACTORS}\n[minimization]\ndistance = \"{distance}\"\nrule = \"{rule}\"\n{numbers}"
            );
            Package::new(&text, None, 60).assert_proved(&format!("{distance} {rule}"));
        }
    }
}

#[test]
fn the_first_difference_is_named() {
    if !python() {
        return;
    }
    let text = format!("method = \"block\"\n{THREE}\n{PLAIN}\nstrata = [\"site\", \"sex\"]\n[block]\nsizes = [4, 8]");
    let whole = || Package::new(&text, None, 60);
    let other = |arm: &Value| if *arm == json!("P") { json!("L") } else { json!("P") };
    // The arm, in the line and in its record: nothing but the draw can tell.
    let mut changed = whole();
    changed.lines[41]["arm"] = other(&changed.lines[41]["arm"]);
    let mut kept: Value = serde_json::from_str(changed.lines[41]["record"].as_str().unwrap()).unwrap();
    kept["arm"] = changed.lines[41]["arm"].clone();
    changed.lines[41]["record"] = json!(kept.to_string());
    changed.assert_differs(42, "arm");
    for (what, value) in [
        ("arm", json!("L")),
        ("levels", json!({ "site": "011", "sex": "X", "age": "65-" })),
        ("block_size", json!(12)),
        ("draws", json!([])),
        ("counts", json!({})),
    ] {
        let mut changed = whole();
        let at = changed.lines.iter().position(|line| line[what] != value).unwrap();
        changed.lines[at][what] = value;
        changed.assert_differs(at + 1, "record");
    }
    let mut changed = whole();
    changed.lines.remove(9);
    changed.assert_differs(10, "number");
    let mut changed = whole();
    changed.lines.pop();
    changed.assert_differs(60, "number");
    let mut changed = whole();
    changed.lines.swap(3, 4);
    changed.assert_differs(4, "number");
    // Another secret is found by its digest; with its digest, by what follows from it.
    let mut changed = whole();
    let mut secret = SECRET;
    secret[31] ^= 1;
    changed.manifest["secret"] = json!(hex(&secret));
    changed.assert_differs(Value::Null, "secret");
    changed.manifest["secret_digest"] = json!(hex(&Sha256::digest(secret)));
    let (code, report) = changed.verify();
    assert_eq!(code, 1);
    assert!(report["number"].as_u64().unwrap() < 10, "{report}");
    // Another rule.
    let changed = whole();
    let path: PathBuf = changed.path().join("bundle-1/allocation.toml");
    std::fs::write(&path, text.replace("sizes = [4, 8]", "sizes = [4, 12]")).unwrap();
    assert_eq!(changed.verify().0, 1);
    // What cannot be read is no proof.
    std::fs::write(path, "method = \"unheard-of\"").unwrap();
    assert_eq!(changed.verify().0, 2);
}

#[test]
fn the_draw_vectors_are_those_of_the_verifier() {
    if !python() {
        return;
    }
    let script = "import json,sys\nsys.path.insert(0, sys.argv[1])\nimport hagaki_verify as v\n\
         data=json.load(open(sys.argv[2]))\ncount=0\n\
         for case in data['integers']:\n    draw=v.Draw(bytes.fromhex(case['secret']), int(case['number']))\n    \
         for below, value in zip(case['below'], case['value']):\n        assert draw.below(int(below))==int(value), case\n        count+=1\n\
         print(count)";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("python3")
        .args(["-B", "-c", script])
        .arg(root.join("deploy/verify"))
        .arg(root.join("tests/data/allocation/draw-vectors.json"))
        .output()
        .unwrap();
    let count: u64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap_or(0);
    assert!(count > 30, "{}", String::from_utf8_lossy(&output.stderr));
}

/// Rules of minimization over the three factors.
fn minimization(arms: &str, rest: &str) -> String {
    format!("method = \"minimization\"\n{arms}\n{FACTORS}\n[minimization]\ndistance = \"range\"\n{rest}")
}

const BEST: &str = "rule = \"best\"\np = 0.8";

/// `arms` with one of them closed.
fn closed(arms: &str, code: &str) -> String {
    arms.replace(&format!("code = \"{code}\""), &format!("code = \"{code}\", closed = true"))
}

/// `arms` with one more.
fn added(arms: &str, arm: &str) -> String {
    arms.replace(" }]", &format!(" }}, {{ {arm} }}]"))
}

fn assert_course_proved(name: &str, texts: &[String]) {
    let versions: Vec<Version<'_>> = texts.iter().map(|text| version(text, 30)).collect();
    let package = Package::amended(&versions, &[]);
    package.assert_proved(name);
    // Whoever goes by the rules of before does not come to the same.
    let last = texts.len();
    let before = std::fs::read(package.path().join(format!("bundle-{}/allocation.toml", last - 1))).unwrap();
    std::fs::write(package.path().join(format!("bundle-{last}/allocation.toml")), before).unwrap();
    assert_eq!(package.verify().0, 1, "{name}");
}

#[test]
fn closed_and_added_arms_ratios_and_settings_are_followed() {
    if !python() {
        return;
    }
    let urn = |arms: &str, lambda: u64| {
        format!("method = \"block-urn\"\n{arms}\n{PLAIN}\nstrata = [\"sex\"]\n[block-urn]\nlambda = {lambda}")
    };
    let block = |arms: &str, sizes: &str| {
        format!("method = \"block\"\n{arms}\n{PLAIN}\nstrata = [\"site\"]\n[block]\nsizes = [{sizes}]")
    };
    let simple = |arms: &str| format!("method = \"simple\"\n{arms}");
    let dummies = |arms: &str| minimization(arms, "rule = \"ratio-arms\"\np = 0.7");
    let wider = THREE.replace("code = \"L\", ratio = 1", "code = \"L\", ratio = 3");
    let five = added(FOUR, "code = \"AA\", ratio = 2");
    let biased =
        |p: &str| format!("method = \"biased-coin\"\n{TWO}\n{PLAIN}\nstrata = [\"sex\"]\n[biased-coin]\np = {p}");
    let atkinson = format!("method = \"atkinson\"\n{TWO}\n{PLAIN}");
    let wei = |arms: &str| {
        format!("method = \"wei-urn\"\n{arms}\n{PLAIN}\nstrata = [\"sex\"]\n[wei-urn]\nalpha = 1\nbeta = 1")
    };
    let optimum = |arms: &str| format!("method = \"atkinson\"\n{arms}\n{PLAIN}");
    const ABC: &str = "arms = [{ code = \"A\" }, { code = \"B\" }, { code = \"C\" }]";
    let hu_hu = |weight: &str| {
        format!("method = \"hu-hu\"\n{TWO}\n{PLAIN}\n[hu-hu]\np = 0.8\ntotal_weight = {weight}\nstratum_weight = 0.5")
    };
    for (name, texts) in [
        ("simple", vec![simple(THREE), simple(&closed(THREE, "H")), simple(&wider)]),
        (
            "block",
            vec![block(THREE, "4"), block(&closed(THREE, "L"), "3, 6"), block(THREE, "4, 8"), block(&wider, "6")],
        ),
        ("urn, closed", vec![urn(FOUR, 2), urn(&closed(FOUR, "群"), 2)]),
        ("urn, added", vec![urn(FOUR, 2), urn(&closed(FOUR, "群"), 2), urn(&five, 2), urn(&five, 1)]),
        (
            "minimization, closed and open again",
            vec![minimization(FOUR, BEST), minimization(&closed(FOUR, "a"), BEST), minimization(FOUR, BEST)],
        ),
        (
            "minimization, added, ratio",
            vec![
                minimization(THREE, BEST),
                minimization(&added(THREE, "code = \"0\""), BEST),
                minimization(&added(&wider, "code = \"0\""), BEST),
            ],
        ),
        (
            "minimization, rule",
            vec![
                minimization(FOUR, "rule = \"rank\"\nq = \"1/2\""),
                minimization(FOUR, "rule = \"proportional\"\nt = 0.9"),
                minimization(FOUR, "rule = \"ratio-coin\"\np = 0.7"),
            ],
        ),
        (
            "minimization, dummy arms",
            vec![dummies(THREE), dummies(&closed(THREE, "P")), dummies(&added(THREE, "code = \"Z\", ratio = 2"))],
        ),
        ("biased coin", vec![biased("0.6"), biased("0.95")]),
        ("biased coin, one arm left", vec![biased("0.6"), closed(&biased("0.6"), "A"), biased("0.6")]),
        ("hu-hu, one arm left", vec![hu_hu("0.1"), closed(&hu_hu("0.1"), "B"), hu_hu("0.1")]),
        (
            "atkinson, arms closed and added",
            [ABC.to_owned(), closed(ABC, "B"), added(ABC, "code = \"Z\""), closed(&added(ABC, "code = \"Z\""), "A")]
                .map(|arms| optimum(&arms))
                .to_vec(),
        ),
        ("atkinson, one arm left", vec![atkinson.clone(), closed(&atkinson, "A"), atkinson.clone()]),
        ("Wei's urn, arm closed", vec![wei(ABC), closed(&wei(ABC), "B"), closed(&closed(&wei(ABC), "B"), "A")]),
        ("dummy arms, one arm left", vec![dummies(TWO), closed(&dummies(TWO), "A"), dummies(TWO)]),
        ("blocks, one arm left", vec![block(TWO, "4"), block(&closed(TWO, "B"), "4, 6"), block(TWO, "4")]),
        ("hu-hu", vec![hu_hu("0.1"), hu_hu("3")]),
    ] {
        assert_course_proved(name, &texts);
    }
    // The places of a list go on where they were; those that were added come at its end.
    let list: String = (0..20).map(|n| format!("{}\n", ["A", "B", "B"][n % 3])).collect();
    let longer = format!("{list}{}", "A\n".repeat(20));
    let text = format!("method = \"list\"\n{TWO}\n[list]\nfile = \"list.csv\"");
    let (first, second) = (format!("arm\n{list}"), format!("arm\n{longer}"));
    let own = |list, count| Version { text: &text, list: Some(list), count };
    Package::amended(&[own(&first, 15), own(&second, 20)], &[]).assert_proved("list");
    let other = second.replacen('A', "B", 1);
    let package = Package::amended(&[own(&first, 15), own(&second, 20)], &[]);
    std::fs::write(package.path().join("bundle-2/list.csv"), other).unwrap();
    package.assert_differs(16, "amendment");
}

#[test]
fn an_epoch_begins_anew_with_whatever_method() {
    if !python() {
        return;
    }
    let epoch = |epoch: u32, text: &str| format!("epoch = {epoch}\n{text}");
    let burning = minimization(TWO, "rule = \"best\"\np = 0.9\nburn_in = 5");
    let block = format!("method = \"block\"\n{TWO}\n{PLAIN}\nstrata = [\"site\", \"sex\"]\n[block]\nsizes = [4]");
    let other_strata = block.replace("strata = [\"site\", \"sex\"]", "strata = [\"sex\"]");
    let stick = format!("method = \"big-stick\"\n{TWO}\n[big-stick]\nlimit = 2");
    let maximal = |limit: u64| format!("method = \"maximal\"\n{TWO}\n[maximal]\nlimit = {limit}\nsubjects = 20");
    let optimum = format!("method = \"atkinson\"\n{TWO}\n{PLAIN}");
    let hu_hu = format!("method = \"hu-hu\"\n{TWO}\n{PLAIN}\n[hu-hu]\np = 0.8\ntotal_weight = 1\nstratum_weight = 0.5");
    for (name, texts) in [
        ("burn-in", vec![burning.clone(), epoch(2, &burning), epoch(3, &burning.replace("0.9", "0.6"))]),
        ("strata", vec![block.clone(), epoch(2, &other_strata)]),
        (
            "factors",
            vec![
                minimization(TWO, BEST),
                epoch(2, &minimization(TWO, BEST).replace("{ id = \"site\", weight = 0.3 }, ", "")),
            ],
        ),
        (
            "method",
            vec![minimization(TWO, BEST), epoch(2, &block), epoch(5, &stick), epoch(6, &optimum), epoch(7, &hu_hu)],
        ),
        ("maximal", vec![maximal(3), epoch(2, &maximal(2))]),
        (
            "dummy arms",
            vec![minimization(THREE, BEST), epoch(2, &minimization(THREE, "rule = \"ratio-arms\"\np = 0.9"))],
        ),
    ] {
        assert_course_proved(name, &texts);
    }
}

#[test]
fn versions_that_allocated_nobody_and_what_became_known_are_followed() {
    if !python() {
        return;
    }
    let block = |sizes: &str| format!("method = \"block\"\n{THREE}\n[block]\nsizes = [{sizes}]");
    // The version between ended the open block, though nobody was allocated by it.
    let (eight, four) = (block("8"), block("4"));
    let package = Package::amended(&[version(&eight, 5), version(&four, 0), version(&eight, 30)], &[]);
    package.assert_proved("a version by which nobody was allocated");
    let mut without = Package::amended(&[version(&eight, 5), version(&four, 0), version(&eight, 30)], &[]);
    without.manifest["bundles"].as_array_mut().unwrap().remove(1);
    assert_eq!(without.verify().0, 1);
    // A registry's version has no rules.
    let mut registry = Package::amended(&[version(&eight, 0), version(&eight, 30)], &[]);
    registry.manifest["bundles"][0]["allocation"] = Value::Null;
    registry.assert_proved("a version without rules");

    // Known before the epoch, after it of who came before, and after it of who came since.
    let levels = |site: &str| {
        Counts::At(
            [("site", site), ("sex", "F"), ("age", "-49")].map(|(id, level)| (id.to_owned(), level.to_owned())).into(),
        )
    };
    let amendments = [
        Amendment { after: 20, allocation: 3, counts: levels("東京") },
        Amendment { after: 30, allocation: 5, counts: Counts::Nowhere },
        Amendment { after: 45, allocation: 4, counts: levels("011") },
        Amendment { after: 45, allocation: 41, counts: levels("011") },
        Amendment { after: 50, allocation: 3, counts: Counts::Nowhere },
    ];
    let rules = minimization(THREE, BEST);
    let anew = format!("epoch = 2\n{rules}");
    let known = || Package::amended(&[version(&rules, 30), version(&anew, 40)], &amendments);
    known().assert_proved("what became known, across an epoch");
    let mut changed = known();
    changed.recounts.remove(3);
    assert_eq!(changed.verify().0, 1);
}

#[test]
fn what_was_recorded_in_error_counts_again_from_then_on() {
    if !python() {
        return;
    }
    let levels = |site: &str| {
        Counts::At(
            [("site", site), ("sex", "F"), ("age", "-49")].map(|(id, level)| (id.to_owned(), level.to_owned())).into(),
        )
    };
    // Corrected while it counted nowhere; left behind by an epoch, whatever becomes known then; taken out once more.
    let amendments = [
        Amendment { after: 8, allocation: 2, counts: Counts::Nowhere },
        Amendment { after: 8, allocation: 3, counts: Counts::Nowhere },
        Amendment { after: 9, allocation: 5, counts: Counts::Nowhere },
        Amendment { after: 12, allocation: 3, counts: levels("東京") },
        Amendment { after: 14, allocation: 2, counts: Counts::Again },
        Amendment { after: 20, allocation: 3, counts: Counts::Again },
        Amendment { after: 26, allocation: 2, counts: Counts::Nowhere },
        Amendment { after: 45, allocation: 5, counts: Counts::Again },
        Amendment { after: 46, allocation: 41, counts: Counts::Nowhere },
        Amendment { after: 50, allocation: 41, counts: Counts::Again },
    ];
    let rules = minimization(THREE, BEST);
    let anew = format!("epoch = 2\n{rules}");
    let known = || Package::amended(&[version(&rules, 30), version(&anew, 40)], &amendments);
    known().assert_proved("what was recorded in error");
    // Nothing but that brings back what counts nowhere, and there is no other way to say it.
    for (name, line) in [
        (
            "a correction",
            json!({ "after": 14, "allocation": 2, "levels": { "site": "011", "sex": "F", "age": "-49" } }),
        ),
        ("not at all", json!({ "after": 14, "allocation": 2, "levels": null })),
        ("false", json!({ "after": 14, "allocation": 2, "again": false })),
        ("with levels", json!({ "after": 14, "allocation": 2, "again": true, "levels": null })),
    ] {
        let mut changed = known();
        changed.recounts[4] = line;
        assert_ne!(changed.verify().0, 0, "{name}");
    }
}

#[test]
fn rules_that_cannot_follow_are_a_difference() {
    if !python() {
        return;
    }
    let rules = minimization(THREE, BEST);
    let later = format!("epoch = 2\n{}", minimization(&closed(THREE, "L"), BEST));
    let package = || Package::amended(&[version(&rules, 20), version(&later, 20)], &[]);
    package().assert_proved("as it was");
    for (name, text) in [
        ("an arm is gone", later.replace("{ code = \"L\", closed = true, ratio = 1 }, ", "")),
        ("the epoch is lower", later.replace("epoch = 2", "epoch = 0")),
        ("another factor", later.replace("epoch = 2", "epoch = 1").replace("\"age\"", "\"sexe\"")),
        ("another method", "method = \"simple\"\n".to_owned() + THREE),
        ("dummy arms", minimization(THREE, "rule = \"ratio-arms\"\np = 0.8")),
    ] {
        let changed = package();
        assert_ne!(text, later, "{name}");
        std::fs::write(changed.path().join("bundle-2/allocation.toml"), text).unwrap();
        let (code, report) = changed.verify();
        assert_eq!(
            (code, &report["number"], &report["what"]),
            (1, &json!(21), &json!("amendment")),
            "{name}: {report}"
        );
    }
    // The epoch is what the later decisions rest on.
    let changed = package();
    std::fs::write(changed.path().join("bundle-2/allocation.toml"), later.replace("epoch = 2", "epoch = 1")).unwrap();
    assert_eq!(changed.verify().0, 1);
    // An arm that is closed is given to nobody.
    let mut given = package();
    let at = given.lines.iter().rposition(|line| line["arm"] != json!("L")).unwrap();
    let mut kept: Value = serde_json::from_str(given.lines[at]["record"].as_str().unwrap()).unwrap();
    kept["arm"] = json!("L");
    given.lines[at]["record"] = json!(kept.to_string());
    given.lines[at]["arm"] = json!("L");
    given.assert_differs(at + 1, "arm");
    // A version that was over decides nothing more, nor does one before its time.
    let mut back = package();
    back.lines[25]["bundle"] = json!({ "version": 1, "digest": "d1" });
    back.assert_differs(26, "bundle");
    let mut early = package();
    early.lines[19]["bundle"] = json!({ "version": 2, "digest": "d2" });
    assert_eq!(early.verify().0, 1);
}

#[test]
fn what_was_given_by_hand_is_counted_where_it_stands() {
    if !python() {
        return;
    }
    let table = "\n[forced]\nlimit = 12\nroles = [\"statistician\"]";
    let forced: Vec<(u64, &str)> = (5..=14).map(|number| (number, "A")).chain([(20, "B"), (40, "A")]).collect();
    let strata = format!("{TWO}\n{PLAIN}\nstrata = [\"sex\"]");
    let list: String = (0..120).map(|n| format!("{},{}\n", ["F", "M"][n % 2], ["A", "B", "B"][n % 3])).collect();
    let list = format!("sex,arm\n{list}");
    let uneven = "arms = [{ code = \"A\", ratio = 1 }, { code = \"B\", ratio = 2 }]";
    for (name, text, beside) in [
        ("simple", format!("method = \"simple\"\n{TWO}{table}"), None),
        ("block", format!("method = \"block\"\n{strata}\n[block]\nsizes = [2, 4, 6]{table}"), None),
        ("block-urn", format!("method = \"block-urn\"\n{strata}\n[block-urn]\nlambda = 1{table}"), None),
        ("chen", format!("method = \"chen\"\n{strata}\n[chen]\nlimit = 2\np = 0.7{table}"), None),
        ("maximal", format!("method = \"maximal\"\n{strata}\n[maximal]\nlimit = 2\nsubjects = 20{table}"), None),
        (
            "dummies",
            format!(
                "method = \"minimization\"\n{uneven}\n{FACTORS}\n[minimization]\ndistance = \"range\"\nrule = \"ratio-arms\"\np = 0.8{table}"
            ),
            None,
        ),
        ("list", format!("method = \"list\"\n{strata}\n[list]\nfile = \"list.csv\"{table}"), Some(list.as_str())),
    ] {
        let package = Package::with_forced(&text, beside, 50, &forced);
        let (code, report) = package.verify();
        assert_eq!((code, &report["recomputed"], &report["forced"]), (0, &json!(38), &json!(12)), "{name}: {report}");
        // One more than the rules allow.
        let path = package.path().join("bundle-1/allocation.toml");
        std::fs::write(&path, text.replace("limit = 12", "limit = 11")).unwrap();
        package.assert_differs(40, "forced");
        std::fs::write(&path, &text).unwrap();
        // Drawn ones are not passed off as given: the record tells.
        let mut changed = package;
        changed.lines[44]["origin"] = json!("forced");
        changed.assert_differs(45, "origin");
    }
    // Where it stands follows, and is not to be chosen.
    let text = format!("method = \"block\"\n{TWO}\n[block]\nsizes = [4]{table}");
    let whole = || Package::with_forced(&text, None, 12, &[(2, "A"), (5, "B")]);
    let mut changed = whole();
    let mut kept: Value = serde_json::from_str(changed.lines[1]["record"].as_str().unwrap()).unwrap();
    kept.as_object_mut().unwrap().remove("block_size");
    changed.lines[1]["record"] = json!(kept.to_string());
    changed.lines[1]["block_size"] = Value::Null;
    changed.assert_differs(2, "block_size");
    assert_eq!(whole().verify().0, 0);
    // What is not a decision's is not read over in a line of this kind either.
    for (key, value) in
        [("place_in_block", json!(0)), ("place_in_block", json!("A")), ("draws", json!([])), ("seen", json!(1))]
    {
        let mut changed = whole();
        changed.lines[1][key] = value;
        assert_ne!(changed.verify().0, 0, "{key}");
    }
    for key in ["method", "forced", "place_in_block", "program", "block_size", "kit"] {
        let mut changed = whole();
        assert!(changed.lines[1].as_object_mut().unwrap().remove(key).is_some(), "{key}");
        assert_eq!(changed.verify().0, 1, "{key}");
    }
    for (from, to) in [("\"by\":\"stat\",", ""), ("\"by\":\"stat\"", "\"by\":1"), ("\"by\"", "\"on\":\"\",\"by\"")] {
        let mut changed = whole();
        let record = changed.lines[1]["record"].as_str().unwrap().replace(from, to);
        changed.lines[1]["forced"] = serde_json::from_str::<Value>(&record).unwrap()["forced"].clone();
        changed.lines[1]["record"] = json!(record);
        assert_eq!(changed.verify().0, 2, "{from}");
    }
}

#[test]
fn what_was_not_checked_is_said() {
    if !python() {
        return;
    }
    let package = Package::with_forced(
        &format!("{}\n[forced]\nlimit = 1\nroles = [\"statistician\"]", minimization(TWO, BEST)),
        None,
        8,
        &[(3, "A")],
    );
    let (code, report) = package.verify();
    assert_eq!((code, &report["chain_checked"], &report["recounts"]), (0, &json!(false), &json!(0)), "{report}");
    let said = |report: &Value, list: &str| {
        let lines = report[list].as_array().unwrap_or_else(|| panic!("{list}: {report}"));
        lines.iter().map(|line| line.as_str().unwrap().to_owned()).collect::<Vec<String>>().join("\n")
    };
    assert!(said(&report, "checked").contains("7 drawn allocations"), "{report}");
    assert!(said(&report, "checked").contains("1 arms given by hand"), "{report}");
    for part in [
        "whether the journal is the one",
        "no recount in the package",
        "whether study and stage",
        "who gave them and why",
        "caps,",
    ] {
        assert!(said(&report, "not_checked").contains(part), "{part}: {report}");
    }
    let known = Amendment { after: 4, allocation: 2, counts: Counts::Nowhere };
    let rules = minimization(TWO, BEST);
    let package = Package::amended(&[version(&rules, 8)], &[known]);
    let (_, report) = package.verify();
    assert!(said(&report, "checked").contains("1 recounts"), "{report}");
    assert!(said(&report, "not_checked").contains("whether the 1 recounts are what became known"), "{report}");
    // In words as well; and a recount of an allocation that is not there is found, wherever it stands.
    let output = Command::new("python3").arg("-B").arg(VERIFIER).arg(package.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("8 allocations recomputed, WITHOUT the audit chain") && text.contains("Not checked:"),
        "{text}"
    );
    let mut late = Package::amended(&[version(&rules, 8)], &[]);
    late.recounts.push(json!({ "after": 8, "allocation": 9, "levels": null }));
    late.assert_differs(9, "recount");
}

#[test]
fn a_registry_has_nothing_to_be_recomputed() {
    if !python() {
        return;
    }
    for (text, count) in [("method = \"none\"\n", 0), ("method = \"none\"\n[caps]\ntotal = 10\n", 0)] {
        let (code, report) = Package::new(text, None, count).verify();
        assert_eq!((code, &report["reason"]), (1, &json!("the study randomizes nobody")), "{report}");
    }
    let block = format!("method = \"block\"\n{TWO}\n[block]\nsizes = [4]");
    Package::amended(&[version("method = \"none\"\n", 0), version(&block, 9)], &[]).assert_proved("a registry before");
}

#[test]
fn rules_are_read_as_they_were_written() {
    if !python() {
        return;
    }
    // TOML 1.1, and the ends of lines of Windows.
    let text = "method = \"block\"\r\narms = [{ code = \"\\x41\", # one {\r\n ratio = 1,\r\n }, { code = 'B', }]\r\n[block]\r\nsizes = [4]\r\n";
    Package::new(text, None, 20).assert_proved("newer TOML");
    let list = "arm\r\n".to_owned() + &"A\r\nB\r\n\"B\"\r\n".repeat(9);
    let text = format!("method = \"list\"\r\n{TWO}\r\n[list]\r\nfile = \"list.csv\"\r\n");
    Package::new(&text, Some(&list), 20).assert_proved("a list of Windows");
}

#[test]
fn rules_lie_where_their_version_is() {
    if !python() {
        return;
    }
    let text = format!("method = \"block\"\n{TWO}\n[block]\nsizes = [4]");
    for path in ["x1/allocation.toml", "bundle-1/../x1/allocation.toml", "allocation.toml"] {
        let mut changed = Package::new(&text, None, 8);
        std::fs::create_dir(changed.path().join("x1")).unwrap();
        for name in ["x1/allocation.toml", "allocation.toml"] {
            std::fs::write(changed.path().join(name), &text).unwrap();
        }
        changed.manifest["bundles"][0]["allocation"] = json!(path);
        changed.assert_differs(Value::Null, "bundle version 1");
    }
}

#[test]
fn who_reads_only_the_beginning_gets_no_fault() {
    if !python() {
        return;
    }
    let package = Package::new(&format!("method = \"simple\"\n{TWO}"), None, 8);
    assert_eq!(package.verify().0, 0);
    let mut child = Command::new("python3")
        .args(["-B", VERIFIER])
        .arg(package.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

/// The rule `rank` as it is defined: equal arms are drawn one after the other, in every order that there is.
const EVERY_ORDER: &str = r#"
import random, sys, time
from fractions import Fraction
sys.path.insert(0, sys.argv[1])
import hagaki_verify as verifier

def every_order(q, classes, ratios):
    cells = len(ratios)
    steps = [q - 2 * (cells * q - 1) * r / (cells * (cells + 1)) for r in range(1, cells + 1)]
    weights = [Fraction(0)] * cells
    def share(members, taken, chance):
        everybody = sum(ratios[member] for member in members)
        for member in members:
            own = chance * Fraction(ratios[member], everybody)
            weights[member] += own * steps[taken]
            rest = tuple(other for other in members if other != member)
            if rest:
                share(rest, taken + 1, own)
    taken = 0
    for at in range(max(classes) + 1):
        members = tuple(cell for cell in range(cells) if classes[cell] == at)
        share(members, taken, Fraction(1))
        taken += len(members)
    return weights

dice = random.Random(5)
for case in range(300):
    cells = dice.randint(2, 6)
    found = [dice.randint(0, cells - 1) for _ in range(cells)]
    classes = [sorted(set(found)).index(own) for own in found]
    ratios = [dice.choice([1, 1, 2, 3, 7, 1000]) for _ in range(cells)]
    least, most = Fraction(1, cells), Fraction(2, cells - 1)
    q = least + (most - least) * Fraction(dice.randint(1, 99), 100)
    known, own = every_order(q, classes, ratios), verifier.rank(q, classes, ratios)
    assert known == own, (q, classes, ratios, known, own)
    assert sum(own) == 1
begun = time.monotonic()
own = verifier.rank(Fraction(1, 30), [0] * 40, list(range(1, 41)))
assert sum(own) == 1 and time.monotonic() - begun < 5
print("compared")
"#;

#[test]
fn ranks_of_equal_arms_are_those_of_every_order() {
    if !python() {
        return;
    }
    let folder = Path::new(VERIFIER).parent().unwrap();
    let output = Command::new("python3").args(["-B", "-c", EVERY_ORDER]).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "compared");
}
