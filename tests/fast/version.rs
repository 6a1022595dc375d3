//! What the program calls itself: its version, and the commit that a release was built from, where that is known.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders of one test: the build script as a program, and a source tree.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs");
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let built = Command::new(rustc)
            .args(["--edition", "2024", "-o"])
            .arg(folder.path().join("script"))
            .arg(script)
            .env_remove("RUSTFLAGS")
            .status()
            .unwrap();
        assert!(built.success());
        Place { folder }
    }

    fn tree(&self, name: &str) -> PathBuf {
        let tree = self.folder.path().join(name);
        fs::create_dir_all(tree.join("src")).unwrap();
        fs::write(tree.join("src/main.rs"), "fn main() {}\n").unwrap();
        tree
    }

    /// What the program would call itself.
    fn version(&self, tree: &Path, profile: &str) -> String {
        let output = Command::new(self.folder.path().join("script"))
            .env("CARGO_MANIFEST_DIR", tree)
            .env("CARGO_PKG_VERSION", "1.2.3")
            .env("PROFILE", profile)
            // What lies around the scratch folder is none of this test's business.
            .env("GIT_CEILING_DIRECTORIES", self.folder.path().parent().unwrap())
            .env_remove("GIT_DIR")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let mut versions = said.lines().filter_map(|line| line.strip_prefix("cargo:rustc-env=HAGAKI_VERSION="));
        let version = versions.next().unwrap().to_owned();
        assert_eq!(versions.next(), None, "{said}");
        version
    }
}

fn git(tree: &Path, line: &str) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(tree)
        .args(["-c", "user.name=hagaki", "-c", "user.email=hagaki@example.jp", "-c", "commit.gpgsign=false"])
        .args(line.split(' '))
        .env_remove("GIT_DIR")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {line}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_release_is_called_by_the_commit_that_it_was_built_from() {
    let place = Place::new();
    let tree = place.tree("hagaki");
    assert_eq!(place.version(&tree, "release"), "1.2.3", "an archive has no commit");
    git(&tree, "init --quiet");
    assert_eq!(place.version(&tree, "release"), "1.2.3", "nor has a repository without one");
    git(&tree, "add src");
    git(&tree, "commit --quiet --message one");
    let commit = git(&tree, "rev-parse --short=12 HEAD");
    assert_eq!(place.version(&tree, "release"), format!("1.2.3 ({commit})"));
    assert_eq!(place.version(&tree, "debug"), "1.2.3");
    // What is not built makes no difference; what is built does, known to git or not.
    fs::write(tree.join("notes.txt"), "later\n").unwrap();
    assert_eq!(place.version(&tree, "release"), format!("1.2.3 ({commit})"));
    fs::write(tree.join("src/more.rs"), "// More.\n").unwrap();
    assert_eq!(place.version(&tree, "release"), format!("1.2.3 ({commit}+dirty)"));
    fs::remove_file(tree.join("src/more.rs")).unwrap();
    fs::write(tree.join("src/main.rs"), "fn main() { }\n").unwrap();
    assert_eq!(place.version(&tree, "release"), format!("1.2.3 ({commit}+dirty)"));
    // An archive that was unpacked within somebody else's repository is not called by their commit.
    assert_eq!(place.version(&place.tree("hagaki/vendor/hagaki"), "release"), "1.2.3");
}

#[test]
fn the_program_says_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_hagaki")).arg("--version").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with(&format!("hagaki {}", env!("CARGO_PKG_VERSION"))), "{said}");
}
