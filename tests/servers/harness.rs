//! Real mail servers for one test: an own Dovecot and an own Postfix on high ports, in a scratch folder.
//!
//! `let Some(servers) = Servers::start() else { return };` gives both, or says on standard error why there are none;
//! with `HAGAKI_TESTS_COMPLETE=1` (as `tests/all.sh` sets) that is a failure instead. Whatever was started is stopped by
//! its process number when the value is dropped, also by a panic, and by a guardian process if the test is killed.
//!
//! The domain is `example.jp`. Every local part has a mailbox, with the password [`PASSWORD`]; mails to
//! `name+anything@example.jp` go to `name@example.jp` and keep the whole address in `Delivered-To`. Mails to
//! `refused.example` go to the port `refusing`, where a test may put a [`Sink`]; mails to other domains go to a port where
//! nobody listens and stay in Postfix's queue.
//!
//! Postfix has three ports. **border** stands for the border of a real site, where a milter checks SPF, DKIM and DMARC:
//! it writes `Authentication-Results: mx.example.jp; dmarc=pass` for senders (MAIL FROM) of example.jp and
//! refused.example and `dmarc=fail` for all others, and removes such fields of that name that came with the mail. **submission** (STARTTLS) and
//! **submissions** (TLS) are where the daemon sends its letters: they want a login. Nobody may send from `disowned@example.jp`, of which the
//! latter tells at MAIL FROM and the former, as Postfix does by itself, at RCPT TO. Mails to `unwanted.example` are refused, and those to
//! `hasty.example` put off as too fast.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hagaki::settings::{ImapSettings, Security, SmtpSettings};
use lettre::Transport as _;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

/// The password of every account.
pub(crate) const PASSWORD: &str = "correct-horse";
/// The service's account.
pub(crate) const SERVICE: &str = "reg@example.jp";
/// How long anything may take before the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The account that owns mail files; Dovecot refuses root.
const OWNER: u32 = 65534;

/// Tests of one process take turns (nextest runs one per process, in turn by its configuration).
static TURN: Mutex<()> = Mutex::new(());

/// What Dovecot says it can do, other than usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abilities {
    /// All it can.
    All,
    /// As a server without MOVE (RFC 6851).
    WithoutMove,
    /// As a server without IDLE (RFC 2177).
    WithoutIdle,
}

/// Running servers.
pub(crate) struct Servers {
    folder: TempDir,
    abilities: Abilities,
    /// Ports of Dovecot.
    pub(crate) imap: u16,
    pub(crate) imaps: u16,
    lmtp: u16,
    auth: u16,
    /// Ports of Postfix.
    pub(crate) border: u16,
    pub(crate) submission: u16,
    pub(crate) submissions: u16,
    /// Where Postfix takes mails to `refused.example`.
    pub(crate) refusing: u16,
    guardian: Option<Child>,
    _turn: MutexGuard<'static, ()>,
}

impl Servers {
    /// Dovecot and Postfix, ready; none where they cannot be had.
    pub(crate) fn start() -> Option<Servers> {
        let servers = Servers::start_dovecot(Abilities::All)?;
        servers.write_postfix();
        servers.run_postfix();
        Some(servers)
    }

    /// Dovecot alone, ready.
    pub(crate) fn start_dovecot(abilities: Abilities) -> Option<Servers> {
        if !can_run() {
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        // Paths of sockets are short, hence /tmp and a short name.
        let folder = tempfile::Builder::new().prefix("hgk").tempdir_in("/tmp").expect("a scratch folder");
        open_folder(folder.path());
        let [imap, imaps, lmtp, auth, border, submission, submissions, refusing] = free_ports();
        let servers = Servers {
            guardian: Some(guard(folder.path())),
            folder,
            abilities,
            imap,
            imaps,
            lmtp,
            auth,
            border,
            submission,
            submissions,
            refusing,
            _turn: turn,
        };
        write_certificates(servers.path());
        servers.write_dovecot();
        servers.run_dovecot();
        Some(servers)
    }

    /// The scratch folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The certificate authority that the servers' certificates are from.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.path().join("ca.pem")
    }

    /// A certificate authority that they are not from.
    pub(crate) fn other_ca_file(&self) -> PathBuf {
        self.path().join("other-ca.pem")
    }

    /// How to reach a mailbox.
    pub(crate) fn imap_settings(&self, user: &str, security: Security) -> ImapSettings {
        ImapSettings {
            host: "localhost".to_owned(),
            port: if security == Security::Tls { self.imaps } else { self.imap },
            security,
            user: user.to_owned(),
            password: PASSWORD.into(),
            ca_file: Some(self.ca_file()),
            inbox: "INBOX".to_owned(),
            processed: "Processed".to_owned(),
            quarantine: "Quarantine".to_owned(),
        }
    }

    /// How the daemon sends letters.
    pub(crate) fn smtp_settings(&self, security: Security) -> SmtpSettings {
        let login = Some((SERVICE.to_owned(), PASSWORD.into()));
        let port = if security == Security::Tls { self.submissions } else { self.submission };
        SmtpSettings { login, ca_file: Some(self.ca_file()), ..bare_smtp(port, security) }
    }

    /// Submits a mail at the border, as another site's server would.
    pub(crate) fn submit(&self, from: &str, to: &str, raw: &[u8]) {
        let from = (!from.is_empty()).then(|| from.parse().expect("a sender"));
        let envelope = lettre::address::Envelope::new(from, vec![to.parse().expect("a recipient")]).unwrap();
        let server = lettre::SmtpTransport::builder_dangerous("127.0.0.1").port(self.border).build();
        // lettre ends the mail with a line end of its own.
        server.send_raw(&envelope, raw.strip_suffix(b"\r\n").unwrap_or(raw)).expect("the border takes the mail");
    }

    /// Puts a mail into a mailbox behind the servers' back, as a local delivery would.
    pub(crate) fn drop_into(&self, user: &str, raw: &[u8]) {
        let folder = self.mail_folder(user, "INBOX");
        for part in ["tmp", "new", "cur"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        let now = hagaki::domain::time::Instant(1_700_000_000_000_000);
        let name = hagaki::mail::mailbox::maildir::deliver(&folder, now, raw).unwrap();
        for path in
            [folder.clone(), folder.join("tmp"), folder.join("new"), folder.join("cur"), folder.join("new").join(name)]
        {
            std::os::unix::fs::chown(path, Some(OWNER), Some(OWNER)).unwrap();
        }
    }

    /// The mails in a folder of a mailbox (`INBOX`, `Processed`, …), as they lie on disk, in no special order.
    pub(crate) fn mails(&self, user: &str, folder: &str) -> Vec<Vec<u8>> {
        let folder = self.mail_folder(user, folder);
        let mut mails = Vec::new();
        for part in ["new", "cur"] {
            let Ok(entries) = fs::read_dir(folder.join(part)) else { continue };
            // A server may rename a file meanwhile; who waits for mails looks again.
            mails.extend(entries.flatten().filter_map(|entry| fs::read(entry.path()).ok()));
        }
        mails
    }

    /// Waits until a folder of a mailbox holds as many mails, and gives them.
    pub(crate) fn wait_for_mails(&self, user: &str, folder: &str, count: usize) -> Vec<Vec<u8>> {
        wait_until(&format!("{count} mails in {folder} of {user}"), || {
            let mails = self.mails(user, folder);
            (mails.len() >= count).then_some(mails)
        })
    }

    /// Throws a user's connections out, with a goodbye.
    pub(crate) fn kick(&self, user: &str) {
        run("doveadm", [OsStr::new("-c"), self.dovecot_file().as_os_str(), "kick".as_ref(), user.as_ref()]);
    }

    /// Kills the processes that serve a user's IMAP connections, so that these end without a word.
    pub(crate) fn kill_imap(&self, user: &str) {
        let who = run("doveadm", [OsStr::new("-c"), self.dovecot_file().as_os_str(), "who".as_ref(), "-1".as_ref()]);
        let mut killed = 0;
        // username, proto, pid, ip
        for line in who.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [name, "imap", pid, ..] = words.as_slice()
                && *name == user
            {
                run("kill", ["-KILL", pid.trim_matches(['(', ')'])]);
                killed += 1;
            }
        }
        assert!(killed > 0, "no IMAP connection of {user} in:\n{who}");
    }

    /// Stops Dovecot: connections are refused.
    pub(crate) fn stop_dovecot(&self) {
        stop(&self.path().join("run/master.pid"));
    }

    /// Starts Dovecot again.
    pub(crate) fn start_dovecot_again(&self) {
        self.run_dovecot();
    }

    /// Stops Dovecot, gives a mailbox a new UIDVALIDITY, as a server does whose index was lost, and starts Dovecot.
    pub(crate) fn change_uidvalidity(&self, user: &str) {
        self.stop_dovecot();
        let folder = self.mail_folder(user, "INBOX");
        let list = folder.join("dovecot-uidlist");
        let text = fs::read_to_string(&list).unwrap();
        let old: u32 = text
            .split_whitespace()
            .find_map(|word| word.strip_prefix('V')?.parse().ok())
            .expect("the UIDVALIDITY in dovecot-uidlist");
        // The mails get other numbers, too.
        let kept: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with('3'))
            .map(|line| line.replace(&format!("V{old}"), &format!("V{}", old + 1_000)))
            .collect();
        fs::write(&list, kept.join("\n") + "\n").unwrap();
        fs::remove_dir_all(self.path().join("index").join(user)).unwrap();
        self.run_dovecot();
    }

    fn mail_folder(&self, user: &str, folder: &str) -> PathBuf {
        let inbox = self.path().join("mail").join(user);
        if folder == "INBOX" { inbox } else { inbox.join(format!(".{folder}")) }
    }

    fn dovecot_file(&self) -> PathBuf {
        self.path().join("dovecot.conf")
    }

    fn write_dovecot(&self) {
        let fx = self.path().display();
        let Servers { imap, imaps, lmtp, auth, .. } = self;
        let usual = "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE UIDPLUS LITERAL+";
        let capability = match self.abilities {
            Abilities::All => String::new(),
            Abilities::WithoutMove => format!("imap_capability = {usual} IDLE"),
            Abilities::WithoutIdle => format!("imap_capability = {usual} MOVE"),
        };
        let text = format!(
            "base_dir = {fx}/run
state_dir = {fx}/state
log_path = {fx}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{fx}/server.pem
ssl_key = <{fx}/server.key
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:{fx}/mail/%u:INDEX={fx}/index/%u
mail_uid = {OWNER}
mail_gid = {OWNER}
first_valid_uid = {OWNER}
first_valid_gid = {OWNER}
mail_max_userip_connections = 100
lda_mailbox_autocreate = yes
{capability}
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={OWNER} gid={OWNER} home={fx}/mail/%u
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  inet_listener {{
    address = 127.0.0.1
    port = {auth}
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
"
        );
        fs::write(self.dovecot_file(), text).unwrap();
        for folder in ["mail", "index"] {
            let folder = self.path().join(folder);
            fs::create_dir(&folder).unwrap();
            std::os::unix::fs::chown(folder, Some(OWNER), Some(OWNER)).unwrap();
        }
    }

    fn run_dovecot(&self) {
        run("dovecot", [OsStr::new("-c"), self.dovecot_file().as_os_str()]);
        wait_for_pid(&self.path().join("run/master.pid"));
        for port in [self.imap, self.imaps, self.lmtp] {
            wait_until("Dovecot to listen", || TcpStream::connect(("127.0.0.1", port)).ok());
        }
    }

    fn write_postfix(&self) {
        let fx = self.path().display();
        let Servers { lmtp, auth, refusing, .. } = self;
        // Where nobody listens: nothing ever leaves this machine.
        let [nowhere] = free_ports();
        let conf = self.path().join("conf");
        for folder in ["conf", "queue", "data"] {
            fs::create_dir(self.path().join(folder)).unwrap();
            open_folder(&self.path().join(folder));
        }
        run("chown", [OsStr::new("postfix"), self.path().join("data").as_os_str()]);
        let mark = format!("X-Border-{:08x}", std::process::id());
        let main = format!(
            "compatibility_level = 3.6
queue_directory = {fx}/queue
data_directory = {fx}/data
maillog_file = {fx}/maillog
maillog_file_prefixes = {fx}
myhostname = mx.example.jp
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = example.jp
virtual_mailbox_maps = static:ok
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
recipient_delimiter = +
default_transport = smtp:[127.0.0.1]:{nowhere}
transport_maps = inline:{{ refused.example=smtp:[127.0.0.1]:{refusing} }}
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_peername_lookup = no
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_relay_restrictions = check_recipient_access inline:{{ {{unwanted.example = REJECT}}, {{hasty.example = 450 4.7.28 Slow down}} }}, \
permit_mynetworks, permit_sasl_authenticated, reject
smtpd_sender_restrictions = check_sender_access inline:{{ {{disowned@example.jp = REJECT}} }}
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_tls_cert_file = {fx}/server.pem
smtpd_tls_key_file = {fx}/server.key
smtpd_tls_security_level = may
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{auth}
smtpd_sasl_security_options = noanonymous
message_size_limit = 0
virtual_mailbox_limit = 0
header_checks = regexp:{fx}/conf/header_checks
"
        );
        fs::write(conf.join("main.cf"), main).unwrap();
        // The field is written under a name that nobody can guess and renamed afterwards, because fields that came with
        // the mail and those put in front of it pass the same checks.
        let checks = format!(
            "/^Authentication-Results:[[:space:]]*mx\\.example\\.jp([;[:space:]]|$)/ IGNORE
/^{mark}: (.*)$/ REPLACE Authentication-Results: $1
"
        );
        fs::write(conf.join("header_checks"), checks).unwrap();
        let senders = format!(
            "/@(example\\.jp|refused\\.example)$/ PREPEND {mark}: mx.example.jp; dmarc=pass header.from=$1
/@(.+)$/ PREPEND {mark}: mx.example.jp; dmarc=fail header.from=$1
"
        );
        fs::write(conf.join("senders"), senders).unwrap();
        fs::write(conf.join("master.cf"), self.postfix_services()).unwrap();
        for file in ["main.cf", "header_checks", "senders", "master.cf"] {
            fs::set_permissions(conf.join(file), fs::Permissions::from_mode(0o644)).unwrap();
        }
    }

    fn postfix_services(&self) -> String {
        let fx = self.path().display();
        let Servers { border, submission, submissions, .. } = self;
        let login = "  -o smtpd_sasl_auth_enable=yes
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
";
        let mut services = format!(
            "127.0.0.1:{border} inet n - n - - smtpd
  -o smtpd_data_restrictions=check_sender_access,regexp:{fx}/conf/senders
127.0.0.1:{submission} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
{login}127.0.0.1:{submissions} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_delay_reject=no
{login}"
        );
        for service in [
            "cleanup unix n - n - 0 cleanup",
            "qmgr unix n - n 300 1 qmgr",
            "tlsmgr unix - - n 1000? 1 tlsmgr",
            "rewrite unix - - n - - trivial-rewrite",
            "bounce unix - - n - 0 bounce",
            "defer unix - - n - 0 bounce",
            "trace unix - - n - 0 bounce",
            "verify unix - - n - 1 verify",
            "flush unix n - n 1000? 0 flush",
            "proxymap unix - - n - - proxymap",
            "proxywrite unix - - n - 1 proxymap",
            "smtp unix - - n - - smtp",
            "relay unix - - n - - smtp",
            "showq unix n - n - - showq",
            "error unix - - n - - error",
            "retry unix - - n - - error",
            "discard unix - - n - - discard",
            "lmtp unix - - n - - lmtp",
            "anvil unix - - n - 1 anvil",
            "scache unix - - n - 1 scache",
            "postlog unix-dgram n - n - 1 postlogd",
        ] {
            services.push_str(service);
            services.push('\n');
        }
        services
    }

    fn run_postfix(&self) {
        let conf = self.path().join("conf");
        run("postfix", [OsStr::new("-c"), conf.as_os_str(), "start".as_ref()]);
        wait_for_pid(&self.path().join("queue/pid/master.pid"));
        for port in [self.border, self.submission, self.submissions] {
            wait_until("Postfix to listen", || TcpStream::connect(("127.0.0.1", port)).ok());
        }
    }

    /// What the servers wrote into their logs, for a test that failed.
    fn logs(&self) -> String {
        let mut logs = String::new();
        for file in ["dovecot.log", "maillog"] {
            if let Ok(text) = fs::read_to_string(self.path().join(file)) {
                let lines: Vec<&str> = text.lines().collect();
                let end = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default();
                logs.push_str(&format!("--- {file}\n{}\n", end.join("\n")));
            }
        }
        logs
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
        stop(&self.path().join("queue/pid/master.pid"));
        stop(&self.path().join("run/master.pid"));
        if let Some(mut guardian) = self.guardian.take() {
            drop(guardian.stdin.take());
            let _ = guardian.wait();
        }
    }
}

/// A bare SMTP server's settings, without login or certificates.
pub(crate) fn bare_smtp(port: u16, security: Security) -> SmtpSettings {
    SmtpSettings {
        host: "localhost".to_owned(),
        port,
        security,
        login: None,
        ca_file: None,
        ehlo: "client.example.jp".to_owned(),
        connections: 2,
        timeout_seconds: 10,
        outbound: Vec::new(),
        dkim: None,
    }
}

/// A server that takes mails and throws them away, or fails as it is told: `smtp-sink`.
pub(crate) struct Sink {
    pub(crate) port: u16,
    child: Child,
}

impl Sink {
    /// With options of `smtp-sink`, such as `-r RCPT`.
    pub(crate) fn start(options: &[&str]) -> Sink {
        let [port] = free_ports();
        Sink::start_at(port, options)
    }

    /// At a port that was another sink's before.
    pub(crate) fn start_at(port: u16, options: &[&str]) -> Sink {
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "smtp-sink", "-u", "nobody"])
            .args(options)
            .args([format!("127.0.0.1:{port}"), "100".to_owned()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("smtp-sink starts");
        let sink = Sink { port, child };
        wait_until("smtp-sink to listen", || TcpStream::connect(("127.0.0.1", port)).ok());
        sink
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A name server that knows nothing but the records it was given: `dnsmasq`.
pub(crate) struct NameServer {
    pub(crate) port: u16,
    child: Child,
}

impl NameServer {
    /// With records as options of `dnsmasq`, such as `--txt-record=example.jp,v=spf1 -all`; of names in `jp` and of addresses that are
    /// not among them it says that there are none.
    pub(crate) fn start(records: &[String]) -> NameServer {
        let [port] = free_ports();
        let child = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "dnsmasq",
                "--no-daemon",
                "--conf-file=/dev/null",
                "--no-hosts",
                "--no-resolv",
            ])
            .args(["--bind-interfaces", "--listen-address=127.0.0.1", "--local=/jp/", "--local=/arpa/"])
            .arg(format!("--port={port}"))
            .args(records)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dnsmasq starts");
        let server = NameServer { port, child };
        wait_until("dnsmasq to listen", || TcpStream::connect(("127.0.0.1", port)).ok());
        server
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again until there is something, and fails at the deadline.
pub(crate) fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain for {what}");
        sleep(Duration::from_millis(10));
    }
}

/// Ports that nobody listens on now.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    // All are held until the last is known, so that they differ.
    let held: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    held.map(|listener| listener.local_addr().expect("its number").port())
}

/// Whether servers and sinks can be had; says why not, and fails where the run must be complete.
pub(crate) fn can_run() -> bool {
    is_possible(possible())
}

/// The same of name servers.
pub(crate) fn can_name() -> bool {
    is_possible(installed("dnsmasq", "dnsmasq-base"))
}

fn is_possible(possible: Result<(), String>) -> bool {
    let Err(lacking) = possible else { return true };
    if std::env::var_os("HAGAKI_TESTS_COMPLETE").is_some_and(|value| value == "1") {
        panic!("this run must be complete, but {lacking}");
    }
    eprintln!("LEFT OUT: {lacking}; tests/all.sh installs what is missing");
    false
}

/// Why there can be no servers.
fn possible() -> Result<(), String> {
    if fs::metadata("/proc/self").map_or(1, |data| data.uid()) != 0 {
        return Err("Postfix can be started by root only".to_owned());
    }
    for (program, package) in
        [("dovecot", "dovecot-core"), ("doveadm", "dovecot-core"), ("postfix", "postfix"), ("smtp-sink", "postfix")]
    {
        installed(program, package)?;
    }
    for (part, package) in [("imap", "dovecot-imapd"), ("lmtp", "dovecot-lmtpd")] {
        if !Path::new("/usr/lib/dovecot").join(part).exists() {
            return Err(format!("Dovecot's {part} is missing (Debian package {package})"));
        }
    }
    Ok(())
}

fn installed(program: &str, package: &str) -> Result<(), String> {
    let there = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).exists()));
    if there { Ok(()) } else { Err(format!("{program} is missing (Debian package {package})")) }
}

/// Runs a command to its end and gives its output.
fn run(program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    // Servers that stay in the background must not hold our pipes, so their output goes to a file.
    let mut output = tempfile::tempfile().expect("a scratch file");
    let share = || Stdio::from(output.try_clone().expect("a second handle"));
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(share())
        .stderr(share())
        .status()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut bytes = Vec::new();
    io::Seek::rewind(&mut output).expect("a scratch file can be read again");
    io::Read::read_to_end(&mut output, &mut bytes).expect("a scratch file can be read again");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(status.success(), "{program}: {status}\n{text}");
    text
}

/// Waits until a server has written its process number, by which it is stopped.
fn wait_for_pid(file: &Path) {
    wait_until("a process number", || fs::read_to_string(file).ok().filter(|pid| pid.ends_with('\n')));
}

/// Stops the server whose process number is in the file, with its children, and waits until all are gone.
fn stop(pid_file: &Path) {
    let Ok(text) = fs::read_to_string(pid_file) else { return };
    let master = text.trim().to_owned();
    let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap_or_default();
    let mut left: Vec<&str> = std::iter::once(master.as_str()).chain(children.split_whitespace()).collect();
    signal("-TERM", &[&master]);
    let started = Instant::now();
    // A process with a silent client would outstay its master.
    let mut patience = Duration::from_secs(1);
    while !left.is_empty() {
        left.retain(|pid| is_alive(pid));
        if started.elapsed() > patience {
            signal("-KILL", &left);
            patience += Duration::from_secs(5);
        }
        assert!(started.elapsed() < DEADLINE, "processes {left:?} do not end");
        sleep(Duration::from_millis(5));
    }
    let _ = fs::remove_file(pid_file);
}

fn signal(signal: &str, pids: &[&str]) {
    // Some may have ended meanwhile, which is what is wanted.
    let _ = Command::new("kill").arg(signal).args(pids).stderr(Stdio::null()).status();
}

/// A zombie is gone, too: in a container nobody may reap it.
fn is_alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// A process that outlives this one if it is killed, stops what it left running, and removes its scratch folder.
fn guard(folder: &Path) -> Child {
    let script = "cat >/dev/null
for file in \"$1\"/run/master.pid \"$1\"/queue/pid/master.pid; do
  if [ -s \"$file\" ]; then kill -TERM $(cat \"$file\") && killed=yes; fi
done 2>/dev/null
if [ \"$killed\" ]; then sleep 2; rm -rf \"$1\"; fi";
    // In a session of its own, so that it survives whoever ends the test's process group. After a normal end there is
    // nothing left for it to do.
    let mut child = Command::new("setsid")
        .args(["sh", "-c", script, "guard"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh starts");
    child.stdin.as_mut().expect("it is piped").flush().expect("an empty flush");
    child
}

fn open_folder(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("the folder is ours");
}

/// A certificate authority, a certificate from it for this machine, and another authority.
fn write_certificates(folder: &Path) {
    let authority = || {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), Issuer::new(params, key))
    };
    let (ca, issuer) = authority();
    let (other, _) = authority();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.signed_by(&key, &issuer).unwrap();
    for (file, text) in [
        ("ca.pem", ca),
        ("other-ca.pem", other),
        ("server.pem", certificate.pem()),
        ("server.key", key.serialize_pem()),
    ] {
        fs::write(folder.join(file), text).unwrap();
    }
    fs::set_permissions(folder.join("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
}
