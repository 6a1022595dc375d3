//! `hagaki demo` as its users meet it: a process, its exit code, what it prints, the folders it leaves.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use hagaki::daemon::machine::SystemClock;
use hagaki::domain::time::{Clock, Zone};
use tempfile::TempDir;

/// Longest wait for anything; on a busy machine a page may take seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running demonstration; ends with its owner.
pub(crate) struct Demo {
    child: Child,
    lines: Receiver<String>,
    /// Everything printed so far.
    printed: String,
    /// Where the post office is.
    pub(crate) address: SocketAddr,
    /// Its folder.
    pub(crate) dir: PathBuf,
    _keep: TempDir,
}

fn hagaki() -> Command {
    Command::new(env!("CARGO_BIN_EXE_hagaki"))
}

impl Demo {
    /// Starts it and waits until its samples are answered.
    pub(crate) fn start() -> Demo {
        let keep = tempfile::tempdir().expect("a folder");
        let dir = keep.path().join("demo");
        let mut child =
            hagaki().args(["demo", "--dir"]).arg(&dir).stdout(Stdio::piped()).spawn().expect("the program starts");
        let stdout = child.stdout.take().expect("it is piped");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut demo = Demo { child, lines, printed: String::new(), address, dir, _keep: keep };
        let line = demo.wait_for("The post office: http://");
        let address = line.split("http://").nth(1).and_then(|rest| rest.trim_end_matches('/').parse().ok());
        demo.address = address.expect("it names its address");
        demo.wait_for("Stop with Ctrl-C.");
        demo
    }

    /// Reads on until a line holds `text`; that line.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("`{text}` was not printed, but:\n{}", self.printed)
            };
            self.printed.push_str(&line);
            self.printed.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    /// One request, its status and its whole answer.
    pub(crate) fn ask(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).expect("the post office listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        // A server that refuses a long body may hang up before it has read all of it.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        (status, answer)
    }

    /// A page.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address))
    }

    /// A posted form, with further header lines.
    pub(crate) fn post(&self, fields: &[(&str, &str)], more: &str) -> (u16, String) {
        let body: Vec<String> = fields.iter().map(|(key, value)| format!("{key}={}", percent(value))).collect();
        let body = body.join("&");
        self.ask(&format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{more}Content-Type: \
             application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        ))
    }

    /// The form's guard, as a browser finds it in the page.
    pub(crate) fn guard(&self) -> String {
        let (_, page) = self.get("/");
        let guard = page.split("name=\"guard\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        guard.expect("the form has its guard").to_string()
    }

    fn drop_file(&self, folder: &str, name: &str, bytes: &[u8]) {
        fs::write(self.dir.join(folder).join(name), bytes).expect("the folder can be written");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Today where the sample physicians live.
pub(crate) fn today() -> String {
    let zone = Zone::find("Asia/Tokyo").expect("it is known");
    SystemClock::default().now().day_in(zone).to_string()
}

fn once(dir: &Path) -> Output {
    hagaki().args(["demo", "--once", "--dir"]).arg(dir).output().expect("the program runs")
}

fn refused(output: &Output, code: i32, says: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(error.starts_with("hagaki: ") && error.contains(says), "{error}");
    assert_eq!(error.trim_end().lines().count(), 1, "one sentence: {error}");
}

#[test]
fn once_prints_both_languages_and_ends_with_randomized_subjects() {
    let keep = tempfile::tempdir().expect("a folder");
    let output = once(keep.path());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    for said in [
        "Dear Alex Miller,",
        "山田 花子 様",
        "割付結果は次のとおりです。",
        "The subject is enrolled.",
        "BMI … 24.64 kg/m²",
        "妊娠の有無 … いいえ",
        "差出人が試験の担当者として登録されていません。（unknown-sender）",
        "AURORA: 4 subjects enrolled, 4 randomized",
        "BOREALIS: 2 subjects enrolled, 2 randomized",
        "WELLBEING: 1 response",
        "Your answers were recorded.",
        "read: remark = A quiet week. / The garden is nearly done.",
        "audit chain of BOREALIS: whole, 3 entries",
        "Every sample mail came out as expected.",
    ] {
        assert!(text.contains(said), "`{said}` is missing in\n{text}");
    }
    let numbers: Vec<usize> = text
        .lines()
        .filter(|line| line.contains(" wrote ("))
        .filter_map(|line| line.split('.').next()?.parse().ok())
        .collect();
    assert_eq!(numbers, (1..=18).collect::<Vec<_>>(), "each mail has its number");
    refused(&once(keep.path()), 1, "is not empty; name a new folder with --dir");
}

#[test]
fn a_member_gets_into_the_demonstration() {
    let mut demo = Demo::start();
    // Why their answers are not shown is said before anybody wonders.
    assert!(
        demo.printed.contains("MEMBERS: answers stand without names, so 20 or more are opened together"),
        "{}",
        demo.printed
    );
    let (status, page) = demo.get("/account?lang=en");
    assert_eq!(status, 200, "{page}");
    let cookie = page.split("set-cookie: ").nth(1).and_then(|rest| rest.split(';').next()).expect("a cookie is set");
    let guard = page.split("name=\"_guard\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a guard");
    let body = format!("_guard={guard}&lang=en&address=park%40example.org");
    let (status, page) = demo.ask(&format!(
        "POST /account HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: {cookie}\r\nContent-Type: \
         application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        demo.address,
        body.len()
    ));
    assert_eq!(status, 200, "{page}");
    demo.wait_for("A letter went to park@example.org (account-link)");
    let line = demo.wait_for(&format!("http://{}/account/", demo.address));
    let path = line.split(&demo.address.to_string()).nth(1).expect("a link").trim().to_string();
    let (status, page) = demo.get(&path);
    assert!(status == 200 && page.contains("Choose your password"), "{page}");
}

#[test]
fn what_cannot_be_used_is_told_in_one_sentence() {
    let keep = tempfile::tempdir().expect("a folder");
    let file = keep.path().join("file");
    fs::write(&file, "x").expect("written");
    refused(&once(&file), 1, "is a file; name a new folder");
    refused(&once(&file.join("below")), 3, "cannot be used as the folder of the demonstration");

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("it has one").port().to_string();
    let dir = keep.path().join("never");
    let output = hagaki().args(["demo", "--port", &port, "--dir"]).arg(&dir).output().expect("it runs");
    refused(&output, 3, "choose another with --port");
    assert!(!dir.exists(), "nothing is left behind");
}

#[test]
fn interrupting_it_ends_it_in_order() {
    let mut demo = Demo::start();
    let status = Command::new("kill").args(["-INT", &demo.child.id().to_string()]).status().expect("kill runs");
    assert!(status.success());
    demo.wait_for("Stopping. The folder stays:");
    let end = Instant::now() + PATIENCE;
    let code = loop {
        if let Some(status) = demo.child.try_wait().expect("it is ours") {
            break status.code();
        }
        assert!(Instant::now() < end, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(code, Some(0));
    assert!(demo.dir.join("hagaki.db").exists());
}

#[test]
fn a_mail_file_of_the_visitors_own_is_read() {
    let mut demo = Demo::start();
    let today = today();
    // As an editor on Unix leaves it: LF, no Date, no Message-ID, nothing of a border.
    let mail = format!(
        "From: Alex <miller@example.org>\nTo: reg+aurora@example.jp\nSubject: [AURORA] enroll\n\nSite: 021\nSubject ref: \
         M-0999\nConsent date: {today}\nAge: 50\nSex: M\nStage: II\nECOG PS: 0\n"
    );
    demo.drop_file("drop", "my own mail (1).eml", mail.as_bytes());
    demo.wait_for("Took my own mail (1).eml from the folder `drop`.");
    demo.wait_for("decided: register enrolled");
    demo.wait_for("subject AURORA-0005");

    // The same straight into the mailbox, as Windows ends lines: nobody vouches for its sender.
    demo.drop_file("mailbox/new", "Ünproven: mail", mail.replace('\n', "\r\n").as_bytes());
    demo.wait_for("decided: quarantine");
    demo.wait_for("hint: put the file into the folder `drop` instead");
    let (_, page) = demo.get("/?lang=ja");
    assert!(page.contains("認証結果がありません") && page.contains("デモがメールサーバーの代わりをします"), "{page}");

    // A stranger's escape sequences do not reach the terminal.
    let stranger = "From: x@example.net\nTo: reg@example.jp\nSubject: [AURORA] \u{1b}[2J\n\nSite: 021\n";
    demo.drop_file("drop", "stranger", stranger.as_bytes());
    demo.wait_for("hint: write as one of the sample physicians");
    assert!(!demo.printed.contains('\u{1b}'));
}

#[test]
fn a_voter_votes_in_the_demonstration() {
    let demo = Demo::start();
    let link = demo.printed.lines().find_map(|line| line.split("laine@example.org votes at ").nth(1)).expect("a link");
    let path = link.split(&demo.address.to_string()).nth(1).expect("its path").trim().to_string();
    let (status, ballot) = demo.get(&format!("{path}?lang=en"));
    assert!(status == 200 && ballot.contains("You have not voted yet.") && ballot.contains("ISHII Ken"), "{ballot}");
    let picture = ballot.split("class=\"portrait\" src=\"").nth(1).and_then(|rest| rest.split('"').next());
    assert_eq!(demo.get(picture.expect("a picture")).0, 200);
    let mark = ballot.split("name=\"_mark\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a mark");
    let body = format!(
        "_mark={mark}&_lang=en&_at=check&_step=send&mark%3Apresident%3Ac01=yes&mark%3Acouncil=c02&mark%3Acouncil=c03"
    );
    let (status, cast) = demo.ask(&format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        demo.address,
        body.len()
    ));
    assert!(status == 303 && cast.contains(&format!("location: {path}?done=now&lang=en")), "{cast}");
    let (_, receipt) = demo.get(&format!("{path}?lang=en"));
    assert!(receipt.contains("Receipt number") && !receipt.contains("ISHII"), "{receipt}");
    let (status, about) = demo.get("/e/council?lang=en");
    assert!(status == 200 && about.contains("Votes are taken until"), "{about}");
}
