//! The verifier of `deploy/verify/`, which shares no code with the engine, agrees with it on every method, and finds what was
//! changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use hagaki::definition::allocation_file;
use hagaki::domain::allocation::draw::Draw;
use hagaki::domain::allocation::{Levels, Scheme, State, record};
use hagaki::domain::time::Instant;
use hagaki::store::allocation::AllocationRow;
use hagaki::workflow::journal::{Line, Origin};
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
    manifest: Value,
}

impl Package {
    /// So many subjects allocated by that scheme.
    fn new(text: &str, beside: &[(&str, &str)], count: u64) -> Package {
        let folder = TempDir::new().unwrap();
        let bundle = folder.path().join("bundle-1");
        std::fs::create_dir(&bundle).unwrap();
        std::fs::write(bundle.join("allocation.toml"), text).unwrap();
        for (name, text) in beside {
            std::fs::write(bundle.join(name), text).unwrap();
        }
        let mut problems = Vec::new();
        let file = allocation_file::open(&bundle.join("allocation.toml"), &mut problems).unwrap();
        let scheme = file.unwrap_or_else(|| panic!("{problems:?}")).scheme;
        let lines = lines(&scheme, count);
        let manifest = json!({
            "format": FORMAT, "study": "s", "study_id": 1, "stage": "production", "secret": hex(&SECRET),
            "secret_digest": hex(&Sha256::digest(SECRET)), "allocations": count,
            "bundles": [{ "version": 1, "digest": "d", "allocation": "bundle-1/allocation.toml" }],
        });
        Package { folder, lines, manifest }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Exit code and report.
    fn verify(&self) -> (i32, Value) {
        let text: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(self.path().join("journal.jsonl"), text).unwrap();
        std::fs::write(self.path().join("recounts.jsonl"), "").unwrap();
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

fn lines(scheme: &Scheme, count: u64) -> Vec<Value> {
    let mut state = State::new(scheme);
    let line = |number| {
        let mut draw = Draw::new(&[9; 32], number);
        let mut level = |levels: &[&str]| levels[draw.below(levels.len() as u64) as usize].to_owned();
        let levels = Levels::from([
            ("site".to_owned(), level(&["011", "012", "東京"])),
            ("sex".to_owned(), level(&["F", "M"])),
            ("age".to_owned(), level(&["-49", "50-64", "65-"])),
        ]);
        let decision = state.decide(scheme, &levels, &SECRET, number).unwrap();
        let told = record(scheme, &state, &levels, &decision).unwrap();
        state.record(scheme, &levels, &decision.allotment).unwrap();
        let fact = AllocationRow {
            study_id: 1,
            number: number.cast_signed(),
            subject_id: 1,
            arm: decision.allotment.arm,
            slot: decision.allotment.slot.map(i64::from),
            block_size: decision.allotment.block_size.map(u64::cast_signed),
            levels: serde_json::to_string(&levels).unwrap(),
            kit: None,
            bundle_version: 1,
            allocated_at: Instant(number.cast_signed()),
        };
        let told_map = told.as_object().unwrap().clone();
        let line = Line {
            fact,
            subject: number.cast_signed(),
            record: told.to_string(),
            told: told_map,
            origin: Origin::Drawn,
            bundle_digest: "d".to_owned(),
        };
        line.to_proof()
    };
    (1..=count).map(line).collect()
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
        Package::new(&text, &[], count).assert_proved(name);
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
        Package::new(&format!("method = \"{name}\"\n{strata}\n[{name}]\n{table}"), &[], 150).assert_proved(name);
    }
    Package::new(&format!("method = \"block-urn\"\n{FOUR}\n[block-urn]\nlambda = 1"), &[], 150)
        .assert_proved("urn of four");
    let weighted =
        format!("method = \"hu-hu\"\n{TWO}\n{FACTORS}\n[hu-hu]\np = 0.8\ntotal_weight = 0\nstratum_weight = \"1/7\"");
    Package::new(&weighted, &[], 150).assert_proved("hu-hu of all factors");
    let optimum = format!(
        "method = \"atkinson\"\n{TWO}\nfactors = [{{ id = \"site\" }}, {{ id = \"sex\" }}, {{ id = \"age\" }}]"
    );
    Package::new(&optimum, &[], 60).assert_proved("atkinson");
    let list: String = (0..120).map(|n| format!("{},{}\n", ["F", "M"][n % 2], ["A", "B", "B"][n % 3])).collect();
    let file = format!("sex,arm\n{list}");
    let text = format!("method = \"list\"\n{TWO}\n{PLAIN}\nstrata = [\"sex\"]\n[list]\nfile = \"list.csv\"");
    Package::new(&text, &[("list.csv", &file)], 80).assert_proved("list");
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
            Package::new(&text, &[], 60).assert_proved(&format!("{distance} {rule}"));
        }
    }
}

#[test]
fn the_first_difference_is_named() {
    if !python() {
        return;
    }
    let text = format!("method = \"block\"\n{THREE}\n{PLAIN}\nstrata = [\"site\", \"sex\"]\n[block]\nsizes = [4, 8]");
    let whole = || Package::new(&text, &[], 60);
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
