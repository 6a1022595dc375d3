//! The house rules that a compiler does not keep: which module may use which, and what stands where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Who may name whom (`src/ARCHITECTURE.md`, "The house"). A module may always use itself and `limits`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("definition", &["domain"]),
    ("settings", &["domain", "definition"]),
    ("store", &["domain"]),
    ("files", &["domain"]),
    ("letters", &["domain", "definition"]),
    ("workflow", &["domain", "definition", "store", "files", "letters"]),
    ("mail", &["domain", "definition", "settings", "store", "files", "letters", "workflow"]),
    ("web", &["domain", "letters", "store", "files", "workflow"]),
    ("daemon", &["domain", "definition", "settings", "store", "files", "letters", "workflow", "mail", "web"]),
    ("cli", &["domain", "definition", "settings", "store", "files", "letters", "workflow", "mail", "web", "daemon"]),
    ("limits", &[]),
];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).expect("src is readable") {
            let path = entry.expect("src is readable").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("source is UTF-8");
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 20, "only {} source files found", found.len());
    found
}

/// The part of a file before its unit tests.
fn code_of(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("under src");
    let first = inside.components().next().expect("a file has a name").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_string()
}

/// Names of our own top-level modules that the code mentions as `crate::name`, grouped imports included.
fn modules_used(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                if c.is_alphanumeric() || c == '_' {
                    word.push(c);
                } else {
                    if depth == 1 && !word.is_empty() {
                        used.insert(std::mem::take(&mut word));
                    }
                    word.clear();
                }
            }
            if !word.is_empty() {
                used.insert(word);
            }
        } else {
            used.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    used
}

#[test]
fn modules_use_only_what_lies_below_them() {
    let allowed: BTreeMap<_, BTreeSet<_>> =
        MAY_USE.iter().map(|(module, below)| (*module, below.iter().copied().collect())).collect();
    let mut breaches = Vec::new();
    for (path, text) in sources() {
        let module = module_of(&path);
        let Some(below) = allowed.get(module.as_str()) else {
            assert!(["lib", "main"].contains(&module.as_str()), "{module} has no place in MAY_USE");
            continue;
        };
        for used in modules_used(code_of(&text)) {
            if used != module
                && used != "limits"
                && allowed.contains_key(used.as_str())
                && !below.contains(used.as_str())
            {
                breaches.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "module arrows broken:\n{}", breaches.join("\n"));
}

#[test]
fn the_ground_does_no_io_and_asks_no_clock() {
    for (path, text) in sources() {
        if module_of(&path) != "domain" {
            continue;
        }
        for word in
            [".await", "async fn", "std::fs", "std::net", "tokio", "sqlx", "getrandom", "SystemTime", "Utc::now"]
        {
            assert!(!code_of(&text).contains(word), "{} mentions {word}", path.display());
        }
    }
}

/// What an enrollment put aside must be written before a look at the outbox misses it: `Ledger::outbox`.
#[test]
fn the_outbox_is_read_with_the_letters_put_aside() {
    let mut reads = 0;
    for (path, text) in sources() {
        for (at, _) in text.match_indices("outbox::") {
            let call: String = text[at..].chars().take_while(|c| !matches!(c, ';' | '{')).collect();
            let reads_letters =
                ["outbox::find", "outbox::count_recent", "outbox::list"].iter().any(|of| call.starts_with(of));
            if module_of(&path) == "workflow" && reads_letters {
                reads += 1;
                assert!(call.contains("(ledger.outbox().await?"), "{}: {call}", path.display());
            }
        }
    }
    assert!(reads > 4, "only {reads} looks at the outbox found");
}

#[test]
fn a_file_holds_one_noun() {
    for (path, text) in sources() {
        let lines = code_of(&text).lines().count();
        assert!(lines <= 600, "{} has {lines} lines of code", path.display());
    }
}

#[test]
fn every_file_says_what_it_is_in_charge_of() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{} has no module comment", path.display());
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = include_str!("../../Cargo.toml");
    let mut section = "";
    let mut previous = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if ["[dependencies]", "[dev-dependencies]"].contains(&section) && line.contains(" = ") {
            assert!(previous.starts_with("# "), "no sentence above {line}");
        }
        previous = line;
    }
}
