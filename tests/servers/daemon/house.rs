//! An installation of `hagaki` in a scratch folder, its daemon as a child process, and mails of its physicians.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use hagaki::daemon::machine::SystemClock;
use hagaki::domain::receipt::Receipt;
use hagaki::domain::time::{Clock as _, Zone};
use hagaki::letters::opened;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{PASSWORD, SERVICE, Servers, free_ports, wait_until};
use crate::postgres;

/// Where an installation keeps its facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// An installation.
pub(crate) struct Installation {
    folder: TempDir,
    /// Where pages are served; a second daemon's beside it.
    pub(crate) web: u16,
    pub(crate) second_web: u16,
    /// `postgres://…/name`, to be dropped in the end.
    database: Option<String>,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    /// Standard output, which must have come with 0.
    #[track_caller]
    pub(crate) fn well(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// Standard error in one line, which must have come with 3, and without a panic.
    #[track_caller]
    pub(crate) fn failed(self) -> String {
        assert_eq!(self.code, 3, "{self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        self.err.trim().to_owned()
    }

    /// One JSON value for each line.
    #[track_caller]
    pub(crate) fn lines(self) -> Vec<Value> {
        self.well().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }
}

impl Installation {
    /// A new one on these servers, with the sample study in rehearsal; none where there is no PostgreSQL.
    ///
    /// The interval is a minute: whatever happens faster was told by a doorbell.
    pub(crate) fn new(servers: &Servers, engine: Engine) -> Option<Installation> {
        let installation = Installation::bare(servers, engine)?;
        installation.hagaki(&["study", "activate", &installation.aurora().display().to_string()]).well();
        Some(installation)
    }

    /// A new one without a study.
    pub(crate) fn bare(servers: &Servers, engine: Engine) -> Option<Installation> {
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(fresh_database()?),
        };
        let [web, second_web] = free_ports();
        let folder = tempfile::Builder::new().prefix("hgki").tempdir_in("/tmp").expect("a scratch folder");
        let url = database.clone().unwrap_or_else(|| "sqlite:data/hagaki.db".to_owned());
        let installation = Installation { folder, web, second_web, database };
        for (file, owner, port) in [("hagaki.toml", "first", web), ("second.toml", "second", second_web)] {
            installation.write(
                file,
                &format!(
                    "[database]\nurl = \"{url}\"\n\n[web]\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"http://localhost:{port}\"\n\n\
                     [mailboxes]\nfolder = \"mailboxes\"\n\n[operator]\naddress = \"operator@example.jp\"\n\n\
                     [daemon]\nowner = \"{owner}\"\ninterval_seconds = 60\nlease_seconds = 10\n\n\
                     [doctor]\nnameserver = \"none\"\n"
                ),
            );
        }
        let ca = servers.ca_file();
        installation.write(
            "mailboxes/reg/mailbox.toml",
            &format!(
                "address = \"{SERVICE}\"\ndisplay = \"Data Center\"\nauthserv_ids = [\"mx.example.jp\"]\n\n\
                 [imap]\nhost = \"localhost\"\nsecurity = \"tls\"\nport = {}\nuser = \"{SERVICE}\"\n\
                 password_file = \"imap\"\nca_file = \"{}\"\n\n\
                 [smtp]\nhost = \"localhost\"\nsecurity = \"starttls\"\nport = {}\nuser = \"{SERVICE}\"\n\
                 password_file = \"smtp\"\nca_file = \"{}\"\n",
                servers.imaps,
                ca.display(),
                servers.submission,
                ca.display()
            ),
        );
        installation.set_password("imap", PASSWORD);
        installation.set_password("smtp", PASSWORD);
        Some(installation)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces words of a file, which must be there.
    #[track_caller]
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{name} says no {from}");
        self.write(name, &text.replace(from, to));
    }

    /// Sets the password of `imap` or `smtp`.
    pub(crate) fn set_password(&self, which: &str, password: &str) {
        let name = format!("mailboxes/reg/{which}");
        self.write(&name, password);
        fs::set_permissions(self.path(&name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The sample study, with the addresses abroad brought home, so that their mails arrive.
    pub(crate) fn aurora(&self) -> PathBuf {
        self.bundle(
            "aurora",
            |file, text| if file == "study.toml" { text.replace("@example.org", "@example.jp") } else { text },
        )
    }

    /// A copy of the sample study, changed.
    pub(crate) fn bundle(&self, name: &str, change: impl Fn(&str, String) -> String) -> PathBuf {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/studies/aurora");
        let forms = ["registration", "visit", "adverse_event"].map(|form| format!("instruments/{form}.toml"));
        for file in ["study.toml", "allocation.toml"].into_iter().chain(forms.iter().map(String::as_str)) {
            let text = fs::read_to_string(sample.join(file)).unwrap();
            self.write(&format!("{name}/{file}"), &change(file, text));
        }
        self.path(name)
    }

    fn command(&self, config: &str, arguments: &[&str]) -> Command {
        // The daemon dies with the thread that started it, should that be killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_hagaki")]).args(arguments);
        command.env("HAGAKI_CONFIG", self.path(config));
        command.env_remove("HAGAKI_LOG").current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn hagaki(&self, arguments: &[&str]) -> Done {
        let output = self.command("hagaki.toml", arguments).output().expect("hagaki starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Done { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Starts the daemon and waits until its pages answer.
    pub(crate) fn serve(&self) -> Daemon {
        self.serve_as("hagaki.toml", self.web)
    }

    /// Starts the second daemon.
    pub(crate) fn serve_second(&self) -> Daemon {
        self.serve_as("second.toml", self.second_web)
    }

    fn serve_as(&self, config: &str, web: u16) -> Daemon {
        let log = self.path(&format!("{config}.log"));
        let file = fs::File::options().create(true).append(true).open(&log).unwrap();
        let mut command = self.command(config, &["serve"]);
        let child = command.stdout(Stdio::null()).stderr(file).spawn().expect("hagaki starts");
        let mut daemon = Daemon { child, log, web };
        wait_until("the daemon's pages", || {
            if let Some(status) = daemon.child.try_wait().unwrap() {
                panic!("the daemon ended: {status}\n{}", daemon.log());
            }
            daemon.get("/healthz")
        });
        daemon
    }

    /// Mails received, newest first.
    #[track_caller]
    pub(crate) fn inbox(&self) -> Vec<Value> {
        self.hagaki(&["inbox", "list", "--json"]).lines()
    }

    /// Letters, newest first.
    #[track_caller]
    pub(crate) fn outbox(&self) -> Vec<Value> {
        self.hagaki(&["outbox", "list", "--json"]).lines()
    }

    /// Subjects enrolled.
    #[track_caller]
    pub(crate) fn subjects(&self, study: &str) -> u64 {
        self.hagaki(&["study", "show", study, "--json"]).lines()[0]["subjects"].as_u64().unwrap()
    }

    /// Every allocation follows from the secret, every chain is whole; how many allocations there are.
    #[track_caller]
    pub(crate) fn prove(&self, study: &str) -> u64 {
        let proof = self.hagaki(&["allocation", "verify", study, "--json"]).lines().remove(0);
        assert_eq!(proof["proved"], true, "{proof}");
        for chain in self.hagaki(&["audit", "verify", "--json"]).lines() {
            assert_eq!(chain["whole"], true, "{chain}");
        }
        proof["allocations"].as_u64().unwrap()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for what in ["inbox", "outbox"] {
                let Done { out, err, .. } = self.hagaki(&[what, "list"]);
                eprintln!("--- {what}, newest first\n{}{err}", out.lines().take(40).collect::<Vec<_>>().join("\n"));
            }
        }
        if let Some((base, name)) = self.database.as_ref().and_then(|url| url.rsplit_once('/')) {
            sql(&format!("{base}/postgres"), &format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

/// An empty database; none where there is no PostgreSQL.
fn fresh_database() -> Option<String> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let server = match postgres::server() {
        Ok(server) => server,
        Err(why) if std::env::var_os("HAGAKI_TESTS_COMPLETE").is_some_and(|value| value == "1") => {
            panic!("the PostgreSQL half of this test cannot run: {why}")
        }
        Err(why) => {
            eprintln!("LEFT OUT: the PostgreSQL half of this test: {why}");
            return None;
        }
    };
    let name = format!("e{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    assert!(sql(&format!("{}/postgres", server.base), &format!("CREATE DATABASE {name}")));
    Some(format!("{}/{name}", server.base))
}

/// Runs one statement from outside; whether it went well.
pub(crate) fn sql(url: &str, statement: &str) -> bool {
    Command::new("psql").args(["-q", "-d", url, "-c", statement]).status().expect("psql starts").success()
}

/// A daemon that runs.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
    web: u16,
}

impl Daemon {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its log, with that of daemons before it.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Status and body of a page; none if nobody answers.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.web)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n", self.web).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let status = text.split(' ').nth(1)?.parse().ok()?;
        Some((status, text.split_once("\r\n\r\n")?.1.to_owned()))
    }

    /// Kills it without a word, as power loss does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until somebody else has killed it.
    pub(crate) fn wait(mut self) {
        wait_until("the daemon to end", || self.child.try_wait().unwrap());
    }

    /// Asks it to stop; how it ended and how long that took.
    pub(crate) fn terminate(mut self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        signal(self.pid(), "-TERM");
        let status = wait_until("the daemon to stop", || self.child.try_wait().unwrap());
        (status, started.elapsed())
    }

    /// The most memory it ever held, in MB.
    pub(crate) fn peak_megabytes(&self) -> f64 {
        self.megabytes("VmHWM:")
    }

    /// The memory it holds beside the pages of the program and its libraries, in MB.
    pub(crate) fn own_megabytes(&self) -> f64 {
        self.megabytes("RssAnon:")
    }

    fn megabytes(&self, what: &str) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = text.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

/// Sends a signal to one process.
pub(crate) fn signal(pid: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- daemon\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
        // Errors mean that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A registration in English that meets every criterion.
pub(crate) fn registration(site: &str, subject: &str) -> String {
    let yesterday = SystemClock::default().now().day_in(Zone::find("Asia/Tokyo").unwrap()).pred_opt().unwrap();
    let number: u32 = subject.bytes().map(u32::from).sum();
    let (sex, stage) = (["F", "M"][number as usize % 2], ["II", "III", "IV"][number as usize % 3]);
    let (age, status) = (30 + number % 40, number % 3);
    format!(
        "Site: {site}\nSubject ref: {subject}\nConsent date: {yesterday}\nAge: {age}\nSex: {sex}\n\
         Stage: {stage}\nECOG PS: {status}\n"
    )
}

/// A mail as a mail program writes it, with the text in a charset.
pub(crate) fn mail(
    from: &str,
    to: &str,
    subject: &str,
    text: &str,
    charset: &'static encoding_rs::Encoding,
) -> Vec<u8> {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let encode = |text: &str| charset.encode(text).0.into_owned();
    let subject = if subject.is_ascii() {
        subject.to_owned()
    } else {
        format!("=?{}?B?{}?=", charset.name(), BASE64.encode(&encode(subject)))
    };
    let head = format!(
        "Date: {}\r\nFrom: <{from}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nMessage-ID: <{}.{}@{}>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset={}\r\nContent-Transfer-Encoding: {}\r\n\r\n",
        SystemClock::default().now().rfc5322(Zone::UTC),
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed),
        from.rsplit('@').next().unwrap(),
        charset.name().to_ascii_lowercase(),
        if charset == encoding_rs::ISO_2022_JP { "7bit" } else { "8bit" },
    );
    [head.into_bytes(), encode(&text.replace('\n', "\r\n"))].concat()
}

/// A registration for a site, submitted at the border by a physician of it.
pub(crate) fn register(servers: &Servers, from: &str, site: &str, subject: &str) {
    let raw = mail(from, "reg+aurora@example.jp", "enroll", &registration(site, subject), encoding_rs::UTF_8);
    servers.submit(from, "reg+aurora@example.jp", &raw);
}

/// A letter as its reader sees it.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) receipt: Option<Receipt>,
}

impl Letter {
    fn read(raw: &[u8]) -> Letter {
        let words = opened::open(raw);
        let receipt = Receipt::parse(&words.text).ok().map(|claimed| claimed.receipt);
        Letter { subject: words.subject, text: words.text, receipt }
    }
}

/// The letters in somebody's mailbox.
pub(crate) fn letters(servers: &Servers, user: &str) -> Vec<Letter> {
    servers.mails(user, "INBOX").iter().map(|raw| Letter::read(raw)).collect()
}

/// Waits until somebody's mailbox holds a letter with these words in its subject or text, and gives it.
#[track_caller]
pub(crate) fn wait_for_letter(servers: &Servers, user: &str, words: &str) -> Letter {
    wait_until(&format!("a letter to {user} that says {words}"), || {
        letters(servers, user).into_iter().find(|letter| letter.text.contains(words) || letter.subject.contains(words))
    })
}

/// Waits as long as told rather than for the usual deadline.
pub(crate) fn wait_longer<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < patience, "waited {patience:?} in vain for {what}");
        sleep(Duration::from_millis(50));
    }
}
