//! A physician whose mail program is GnuPG: real servers carry what it sealed, and it opens what comes back.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use hagaki::letters::opened;

use super::house::{Engine, Installation, mail, registration};
use crate::harness::{SERVICE, Servers, wait_until};

/// Whether GnuPG is here; without it the test is left out, unless everything has to run.
fn has_gnupg() -> bool {
    let here = Command::new("gpg").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !here {
        assert!(std::env::var_os("HAGAKI_TESTS_COMPLETE").is_none_or(|value| value != "1"), "gpg is not here");
        eprintln!("LEFT OUT: letters of a physician with GnuPG: gpg is not here");
    }
    here
}

/// Somebody's GnuPG.
struct Gnupg {
    home: tempfile::TempDir,
}

impl Gnupg {
    /// With a fresh key for that address.
    fn of(address: &str) -> Gnupg {
        // Its agent's socket has a short name below here.
        let gnupg = Gnupg { home: tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp").unwrap() };
        gnupg.run(&["--quick-generate-key", address, "ed25519", "cert,sign", "never"], b"");
        let listed = String::from_utf8(gnupg.run(&["--with-colons", "--list-keys", address], b"")).unwrap();
        let print = listed.lines().find(|line| line.starts_with("fpr:")).unwrap().split(':').nth(9).unwrap().to_owned();
        gnupg.run(&["--quick-add-key", &print, "cv25519", "encr", "never"], b"");
        gnupg
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let (out, status) = self.attempt(arguments, input);
        assert!(status, "gpg {arguments:?}: {}", String::from_utf8_lossy(&out));
        out
    }

    fn attempt(&self, arguments: &[&str], input: &[u8]) -> (Vec<u8>, bool) {
        let file: PathBuf = self.home.path().join("input");
        fs::write(&file, input).unwrap();
        let mut command = Command::new("gpg");
        command.args(["--batch", "--yes", "--quiet", "--trust-model", "always", "--pinentry-mode", "loopback"]);
        command.args(["--passphrase", ""]).args(arguments).env("GNUPGHOME", self.home.path());
        let output = command.stdin(fs::File::open(&file).unwrap()).output().expect("gpg starts");
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        (output.stdout, output.status.success())
    }
}

impl Drop for Gnupg {
    fn drop(&mut self) {
        // Its own agent, by the home it was started for.
        let _ = Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", self.home.path()).status();
    }
}

/// A registration as a mail program with GnuPG sends it.
fn sealed(gnupg: &Gnupg, subject: &str, entity: &str) -> Vec<u8> {
    let armored = gnupg.run(&["--armor", "--sign", "--encrypt", "--recipient", SERVICE], entity.as_bytes());
    let armored = String::from_utf8(armored).unwrap().replace('\n', "\r\n");
    let plain = String::from_utf8(mail("yamada@example.jp", SERVICE, subject, "", encoding_rs::UTF_8)).unwrap();
    let (header, _) = plain.split_once("Content-Type: ").unwrap();
    format!(
        "{header}Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"=-gpg\"\r\n\r\n\
         --=-gpg\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n\
         --=-gpg\r\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\r\n\r\n{armored}\r\n--=-gpg--\r\n"
    )
    .into_bytes()
}

/// The armored message in a letter.
fn armored(raw: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(raw);
    let (_, rest) = text.split_once("-----BEGIN PGP MESSAGE-----")?;
    let (inner, _) = rest.split_once("-----END PGP MESSAGE-----")?;
    Some(format!("-----BEGIN PGP MESSAGE-----{inner}-----END PGP MESSAGE-----\n"))
}

#[test]
fn a_physician_with_gnupg_registers_and_reads_the_answer() {
    if !has_gnupg() {
        return;
    }
    let Some(servers) = Servers::start() else { return };
    let Some(house) = Installation::bare(&servers, Engine::Sqlite) else { return };
    let yamada = Gnupg::of("yamada@example.jp");
    let files = ["--file", "mailboxes/reg/openpgp.asc", "--password-file", "mailboxes/reg/passphrase"];
    let made = house
        .hagaki(&[&["key", "openpgp", "make", "--address", SERVICE, "--name", "Data Center"], &files[..]].concat());
    made.well();
    let public = house.hagaki(&[&["key", "openpgp", "show"], &files[..]].concat()).well();
    yamada.run(&["--import"], public.as_bytes());
    let settings = fs::read_to_string(house.path("mailboxes/reg/mailbox.toml")).unwrap();
    house.write(
        "mailboxes/reg/mailbox.toml",
        &format!("{settings}\n[openpgp]\nkey_file = \"openpgp.asc\"\npassword_file = \"passphrase\"\n"),
    );
    let bundle = house.bundle("aurora", |file, text| match file {
        "study.toml" => text
            .replace("@example.org", "@example.jp")
            .replace("confirm = false", "confirm = false\nopenpgp = \"required\"\nencrypt_letters = true"),
        _ => text,
    });
    let key = yamada.run(&["--armor", "--export", "yamada@example.jp"], b"");
    house.write("aurora/keys/yamada.asc", &String::from_utf8(key).unwrap());
    house.hagaki(&["study", "activate", &bundle.display().to_string()]).well();
    let doctor = house.hagaki(&["doctor"]).out;
    assert!(doctor.contains("OpenPGP key") && doctor.contains("OpenPGP keys of aurora"), "{doctor}");
    let _daemon = house.serve();

    let form = registration("011", "Y-0031").replace('\n', "\r\n");
    let entity = format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{form}");
    // A subject that Thunderbird hides is read where it was protected.
    let hidden = format!(
        "Content-Type: text/plain; charset=utf-8; protected-headers=\"v1\"\r\nSubject: [AURORA] enroll\r\n\r\n{form}"
    );
    let raw = sealed(&yamada, "...", &hidden);
    servers.submit("yamada@example.jp", "reg+aurora@example.jp", &raw);
    let answer = wait_until("a sealed answer", || {
        servers.mails("yamada@example.jp", "INBOX").into_iter().find(|raw| armored(raw).is_some())
    });
    assert!(!String::from_utf8_lossy(&answer).contains("Y-0031"));
    // GnuPG verifies our signature while it decrypts.
    let status = ["--status-fd", "1", "--output", "-", "--decrypt"];
    let told = yamada.run(&status, armored(&answer).unwrap().as_bytes());
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(told.contains("[GNUPG:] GOODSIG") && told.contains("[GNUPG:] DECRYPTION_OKAY"), "{told}");
    let inner = yamada.run(&["--decrypt"], armored(&answer).unwrap().as_bytes());
    let letter = opened::open(&[b"Subject: x\r\n".as_slice(), &inner].concat());
    assert!(letter.text.contains("AURORA-0001"), "{}", letter.text);
    // The first mail was the one that the doctor had written to itself.
    let shown = house.hagaki(&["inbox", "show", "2"]).well();
    assert!(shown.contains("encrypted, signed by the sender's key"), "{shown}");

    // In the clear it is refused, and what would mend it is told.
    let plain =
        mail("yamada@example.jp", SERVICE, "[AURORA] enroll", &registration("011", "Y-0032"), encoding_rs::UTF_8);
    servers.submit("yamada@example.jp", "reg+aurora@example.jp", &plain);
    let refusal = wait_until("a refusal", || {
        let mails = servers.mails("yamada@example.jp", "INBOX");
        mails
            .into_iter()
            .map(|raw| opened::open(&raw))
            .find(|letter| letter.text.contains("BEGIN PGP PUBLIC KEY BLOCK"))
    });
    assert!(!refusal.text.contains("Y-0032"), "{}", refusal.text);
    yamada.run(&["--import"], refusal.text.as_bytes());
    assert_eq!(house.subjects("aurora"), 1);

    // As a detached signature over the exact bytes, encrypted with it: a program that signs first and encrypts then.
    let part = entity.replace("Y-0031", "Y-0033");
    let signature = yamada.run(&["--armor", "--detach-sign"], part.as_bytes());
    let signature = String::from_utf8(signature).unwrap().replace('\n', "\r\n");
    let signed = format!(
        "Content-Type: multipart/signed; micalg=pgp-sha512; protocol=\"application/pgp-signature\"; boundary=\"=-s\"\r\n\r\n\
         --=-s\r\n{part}\r\n--=-s\r\nContent-Type: application/pgp-signature\r\n\r\n{signature}\r\n--=-s--\r\n"
    );
    let armored_only = yamada.run(&["--armor", "--encrypt", "--recipient", SERVICE], signed.as_bytes());
    let outer = String::from_utf8(sealed(&yamada, "[AURORA] enroll", &entity)).unwrap();
    let (before, rest) = outer.split_once("-----BEGIN PGP MESSAGE-----").unwrap();
    let (_, after) = rest.split_once("-----END PGP MESSAGE-----\r\n").unwrap();
    let raw = format!("{before}{}{after}", String::from_utf8(armored_only).unwrap().replace('\n', "\r\n"));
    servers.submit("yamada@example.jp", "reg+aurora@example.jp", raw.as_bytes());
    wait_until("a second subject", || (house.subjects("aurora") == 2).then_some(()));
    assert_eq!(house.prove("aurora"), 2);
}
