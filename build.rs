//! How the program is linked, and what it calls itself.

use std::path::Path;
use std::process::Command;

/// What goes into the program: whether it is what was committed is told of these alone.
const BUILT_FROM: [&str; 9] =
    ["src", "templates", "migrations", "config", "mailboxes", "deploy/verify", "build.rs", "Cargo.toml", "Cargo.lock"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    // Relative relocations packed (DT_RELR): a loader reads all of them at the start, and unpacked they are megabytes that every
    // process of ours would hold. The program then needs the loader of glibc 2.36, Debian 12's, or a later one.
    if of("CARGO_CFG_TARGET_OS") == "linux" && of("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    let version = of("CARGO_PKG_VERSION");
    // Each commit would have a developer's program built anew; it is what is installed that has to be found again.
    let commit = if of("PROFILE") == "release" { commit(Path::new(&of("CARGO_MANIFEST_DIR"))) } else { None };
    match commit {
        Some(commit) => println!("cargo:rustc-env=HAGAKI_VERSION={version} ({commit})"),
        None => println!("cargo:rustc-env=HAGAKI_VERSION={version}"),
    }
}

/// The commit that a checkout of ours is at, with `+dirty` where what is built differs from it; none in an unpacked archive, even if
/// that lies in a checkout of something else.
fn commit(folder: &Path) -> Option<String> {
    let git = |arguments: &[&str]| -> Option<String> {
        let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_string())
    };
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != folder.canonicalize().ok()? {
        return None;
    }
    // At least so many digits whatever else the repository holds, so that the same commit is called the same.
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let named = |name: &str| git(&["rev-parse", "--path-format=absolute", "--git-path", name]);
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    let watched = ["HEAD", "index", "packed-refs"].into_iter().chain(branch.as_deref()).filter_map(named);
    for path in watched.chain(BUILT_FROM.map(|path| folder.join(path).display().to_string())) {
        // A path that is not there would have it built anew each time.
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let differs = git(&[&["status", "--porcelain", "--"], &BUILT_FROM[..]].concat())?;
    Some(if differs.is_empty() { commit } else { format!("{commit}+dirty") })
}
