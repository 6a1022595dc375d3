//! The operator's files: `hagaki.toml` and one `mailbox.toml` for each address we own.
//!
//! In charge of reading them, of secrets that they name, and of telling every problem at once. Never reads a study.
//! To add a key: ask for it in the reader of its section, add it to the example file; the test loads that.

mod files;
mod mailbox;
mod problem;
mod section;
mod sign_in;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

pub use files::{BucketSettings, FilesSettings};
pub use mailbox::{Delivery, ImapSettings, MailSource, MailboxSettings, Security, SmtpSettings};
pub use problem::Problem;
pub use sign_in::{ProviderSettings, ProxySettings};

use crate::domain::language::Language;
use crate::domain::seal::KeyRing;
use crate::limits;
use section::{Section, Source};

/// Looks up environment variables; a test brings its own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The operator's file and a mailbox to fill in, by their paths below the folder of an installation.
pub fn template() -> BTreeMap<String, String> {
    // The examples of the source tree lie in folders beside one another.
    let settings = include_str!("../../config/hagaki.example.toml")
        .replace("\"sqlite:../", "\"sqlite:")
        .replace("\"../mailboxes\"", "\"mailboxes\"")
        .replace("\"../data/files\"", "\"data/files\"")
        .replace("# [keys]\n# file", "[keys]\nfile");
    let mailbox = include_str!("../../mailboxes/example/mailbox.toml");
    BTreeMap::from([
        ("hagaki.toml".to_owned(), settings),
        ("mailboxes/example/mailbox.toml".to_owned(), mailbox.to_owned()),
    ])
}

/// All the operator decides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[database]`: where facts are kept.
    pub database: DatabaseSettings,
    /// `[web]`: the pages.
    pub web: WebSettings,
    /// `[daemon]`: the loops.
    pub daemon: DaemonSettings,
    /// `[operator]`: who hears of mails that belong to no study.
    pub operator: OperatorSettings,
    /// `[logs]`: how the daemon reports.
    pub logs: LogSettings,
    /// `[doctor] nameserver`: whom `hagaki doctor` asks about our domains.
    pub nameserver: NameServer,
    /// `[keys]`: what seals answers and opens them; empty where there is no key file.
    pub keys: KeyRing,
    /// `[files]`: where the files of answers lie; beside the database where nothing is said.
    pub files: FilesSettings,
    /// `[provider]`: an identity provider that signs people in.
    pub provider: Option<ProviderSettings>,
    /// `[proxy]`: a proxy in front of us that does.
    pub proxy: Option<ProxySettings>,
    /// The addresses we own, by name; at least one.
    pub mailboxes: Vec<MailboxSettings>,
}

/// `[database]`: where facts are kept.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// Which engine, and where.
    pub engine: Engine,
    /// Password for PostgreSQL, where it wants one.
    pub password: Option<SecretString>,
}

/// Which database engine, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Engine {
    /// One file, one daemon.
    Sqlite(PathBuf),
    /// `postgres://user@host/database`, without a password.
    Postgres(String),
}

/// `[web]`: the pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSettings {
    /// Address and port to listen on; loopback unless a proxy is elsewhere.
    pub listen: SocketAddr,
    /// What links in letters begin with, without a slash at the end.
    pub public_url: String,
    /// Proxies on other machines whose word on where somebody comes from is believed; one on this machine always is.
    pub proxies: Vec<IpAddr>,
}

impl WebSettings {
    /// Whether what people type and the links that let them in go in the clear through a network: no https, and not this machine alone.
    pub fn is_in_the_clear(&self) -> bool {
        let Some(rest) = self.public_url.strip_prefix("http://") else { return false };
        let authority = rest.split('/').next().unwrap_or_default();
        let host = match authority.strip_prefix('[') {
            Some(six) => six.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        let host = host.to_ascii_lowercase();
        let local = host == "localhost" || host.ends_with(".localhost");
        !local && !host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// `[daemon]`: the loops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonSettings {
    /// Name of this daemon in leases; unique among those that share a database.
    pub owner: String,
    /// Longest wait of a loop that was not rung awake, in seconds.
    pub interval_seconds: u64,
    /// Time after which another daemon may take over claimed work, in seconds.
    pub lease_seconds: u64,
}

/// `[operator]`: who hears of mails that belong to no study.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorSettings {
    /// Their address.
    pub address: String,
    /// Language of their letters.
    pub language: Language,
}

/// `[logs]`: how the daemon reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Text for people or JSON for collectors.
    pub format: LogFormat,
    /// A level, or levels per module, as `info` or `info,hagaki::mail=debug`.
    pub level: String,
}

/// Whom `hagaki doctor` asks about our domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameServer {
    /// Whom this machine asks (`/etc/resolv.conf`).
    System,
    /// A name server of choice, such as one that sees what the world sees.
    At(SocketAddr),
    /// Nobody, on a machine without DNS.
    Nobody,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Settings {
    /// Reads `hagaki.toml` and the mailboxes it points at, with secrets from files and this process's environment.
    ///
    /// # Errors
    /// Every problem of every file at once.
    pub fn load(file: &Path) -> Result<Settings, Vec<Problem>> {
        Settings::load_with(file, &|name| std::env::var(name).ok())
    }

    /// As [`load`](Settings::load), with environment variables from elsewhere.
    ///
    /// # Errors
    /// Every problem of every file at once.
    pub fn load_with(file: &Path, environment: Environment<'_>) -> Result<Settings, Vec<Problem>> {
        let text = read_file(file)?;
        let source = Source::new(file, &text, environment);
        let table = source.parse();
        let root = Section::root(&source, table.get_ref());

        let database = required(&root, "database", database);
        let web = required(&root, "web", web);
        let folder = required(&root, "mailboxes", |section| {
            if !section.has("folder") {
                section.missing("folder", "for example folder = \"../mailboxes\"");
            }
            section.path("folder")
        });
        let daemon = optional(&root, "daemon", daemon, DaemonSettings::usual);
        let operator = required(&root, "operator", operator);
        let logs = optional(&root, "logs", logs, LogSettings::usual);
        let nameserver = optional(&root, "doctor", nameserver, || NameServer::System);
        let keys = optional(&root, "keys", keys, KeyRing::default);
        let beside = match &database {
            Some(DatabaseSettings { engine: Engine::Sqlite(path), .. }) => path.parent(),
            _ => file.parent(),
        };
        let usual = || FilesSettings::usual(beside.unwrap_or(Path::new("")));
        let files = optional(&root, "files", files::files, usual);
        let provider = optional(&root, "provider", |section| sign_in::provider(section).map(Some), || None);
        let proxy = optional(&root, "proxy", |section| sign_in::proxy(section).map(Some), || None);
        root.finish();

        let mut problems = source.into_problems();
        let mailboxes = match &folder {
            Some(folder) => mailboxes(file, folder, environment, &mut problems),
            None => Vec::new(),
        };
        problems.sort();
        let whole = (|| {
            Some(Settings {
                database: database?,
                web: web?,
                daemon: daemon?,
                operator: operator?,
                logs: logs?,
                nameserver: nameserver?,
                keys: keys?,
                files: files?,
                provider: provider?,
                proxy: proxy?,
                mailboxes,
            })
        })();
        whole.filter(|_| problems.is_empty()).ok_or(problems)
    }
}

fn required<T>(
    root: &Section<'_, '_>,
    key: &'static str,
    read: impl FnOnce(&Section<'_, '_>) -> Option<T>,
) -> Option<T> {
    let Some(section) = root.section(key) else {
        if !root.has(key) {
            root.missing(key, &format!("add the section [{key}]; config/hagaki.example.toml shows all of them"));
        }
        return None;
    };
    let value = read(&section);
    section.finish();
    value
}

fn optional<T>(
    root: &Section<'_, '_>,
    key: &'static str,
    read: impl FnOnce(&Section<'_, '_>) -> Option<T>,
    usual: impl FnOnce() -> T,
) -> Option<T> {
    match root.section(key) {
        Some(section) => {
            let value = read(&section);
            section.finish();
            value
        }
        None => (!root.has(key)).then(usual),
    }
}

fn database(section: &Section<'_, '_>) -> Option<DatabaseSettings> {
    let url = section.text("url", "sqlite:hagaki.db");
    let password = section.secret();
    let url = url?;
    let engine = if let Some(path) = url.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.contains(['?', ':']) {
            let right = "write sqlite: and a path to a file, as sqlite:/var/lib/hagaki/hagaki.db";
            section.wrong_value("url", "names no file", right);
            return None;
        }
        Engine::Sqlite(section.resolve(path))
    } else if let Some(rest) = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")) {
        let login = rest.split_once('@').map_or("", |(login, _)| login);
        if login.contains(':') || rest.contains("password=") {
            let right = "take it out of the url, put it into a file and name that with password_file";
            section.wrong_value("url", "passwords do not belong here", right);
            return None;
        }
        Engine::Postgres(url)
    } else {
        let right = "begin with sqlite: for a file, or postgres:// for a server";
        section.wrong_value("url", "names no engine we know", right);
        return None;
    };
    Some(DatabaseSettings { engine, password })
}

fn web(section: &Section<'_, '_>) -> Option<WebSettings> {
    let listen = section.text("listen", "127.0.0.1:8080").and_then(|text| {
        let address = text.parse().ok();
        if address.is_none() {
            let right = "an IP address and a port, as 127.0.0.1:8080 or [::1]:8080";
            section.wrong_value("listen", &format!("\"{text}\" is no address to listen on"), right);
        }
        address
    });
    let public_url = section.text("public_url", "https://hagaki.example.jp").and_then(|text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains(|c: char| c.is_whitespace() || "?#<>\"".contains(c)))
        {
            let right = "begin with https:// (or http:// for a rehearsal), then host and, if any, path";
            section.wrong_value("public_url", &format!("\"{text}\" is no address of a web site"), right);
            return None;
        }
        Some(text.trim_end_matches('/').to_owned())
    });
    let proxies = section.addresses("proxies", "127.0.0.1");
    Some(WebSettings { listen: listen?, public_url: public_url?, proxies: proxies? })
}

impl DaemonSettings {
    fn usual() -> DaemonSettings {
        // The machine's name tells daemons on several machines apart without anybody having to think of it.
        let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let machine = machine.trim();
        let owner = if machine.is_empty() { "hagaki".to_owned() } else { machine.to_owned() };
        DaemonSettings { owner, interval_seconds: 30, lease_seconds: 120 }
    }
}

fn daemon(section: &Section<'_, '_>) -> Option<DaemonSettings> {
    let usual = DaemonSettings::usual();
    let owner = section.optional_text("owner").or_else(|| (!section.has("owner")).then_some(usual.owner));
    let interval = section.integer("interval_seconds", 30, 1, 3600);
    let lease = section.integer("lease_seconds", 120, 10, 3600);
    Some(DaemonSettings {
        owner: owner?,
        interval_seconds: u64::try_from(interval?).ok()?,
        lease_seconds: u64::try_from(lease?).ok()?,
    })
}

impl LogSettings {
    fn usual() -> LogSettings {
        LogSettings { format: LogFormat::Text, level: "info".to_owned() }
    }
}

fn logs(section: &Section<'_, '_>) -> Option<LogSettings> {
    let format = section.word("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]);
    let level = section.optional_text("level").or_else(|| (!section.has("level")).then(|| "info".to_owned()));
    let level = level.filter(|level| {
        let readable = level.parse::<tracing_subscriber::filter::EnvFilter>().is_ok() && levels_are_known(level);
        if !readable {
            let right = "error, warn, info, debug or trace; or such for a module: info,hagaki::mail=debug";
            section.wrong_value("level", &format!("\"{level}\" is no level"), right);
        }
        readable
    });
    Some(LogSettings { format: format?, level: level? })
}

fn nameserver(section: &Section<'_, '_>) -> Option<NameServer> {
    /// The port of DNS (RFC 1035 section 4.2).
    const PORT: u16 = 53;
    let Some(text) = section.optional_text("nameserver") else {
        return (!section.has("nameserver")).then_some(NameServer::System);
    };
    if text == "none" {
        return Some(NameServer::Nobody);
    }
    let address =
        text.parse::<SocketAddr>().or_else(|_| text.parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT)));
    if address.is_err() {
        let right = "an IP address, with a port where it is not 53: 192.0.2.53 or [::1]:5353; or \"none\"";
        section.wrong_value("nameserver", &format!("\"{text}\" is no address of a name server"), right);
    }
    address.ok().map(NameServer::At)
}

fn keys(section: &Section<'_, '_>) -> Option<KeyRing> {
    if !section.has("file") {
        section.missing("file", "for example file = \"secrets/keys\"");
    }
    section.key_ring("file")
}

fn operator(section: &Section<'_, '_>) -> Option<OperatorSettings> {
    let address = section.address("address", "operator@example.jp");
    let words = Language::ALL.map(|language| (language.code(), language));
    let language = if section.has("language") { section.word("language", &words) } else { Some(Language::En) };
    Some(OperatorSettings { address: address?, language: language? })
}

/// The filter takes any bare word for a module's name; here a bare word must be a level.
fn levels_are_known(levels: &str) -> bool {
    levels.split(',').all(|part| {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        level.trim().parse::<tracing::level_filters::LevelFilter>().is_ok()
    })
}

/// Reads every `mailbox.toml` below the folder; its problems go to `problems`.
fn mailboxes(
    file: &Path,
    folder: &Path,
    environment: Environment<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<MailboxSettings> {
    let complain = |problems: &mut Vec<Problem>, wrong: String, right: &str| {
        let key = "mailboxes.folder".to_owned();
        problems.push(Problem { file: file.to_owned(), line: None, key, wrong, right: right.to_owned() });
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let right = "name the folder that holds one folder per mailbox, each with a mailbox.toml";
            complain(problems, format!("{}: {error}", folder.display()), right);
            return Vec::new();
        }
    };
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().join("mailbox.toml").exists())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    if names.is_empty() {
        let right = "copy mailboxes/example there and fill it in";
        complain(problems, format!("no mailbox in {}", folder.display()), right);
    }
    if names.len() > limits::MAILBOXES {
        let right = format!("at most {} fit one daemon", limits::MAILBOXES);
        complain(problems, format!("{} mailboxes", names.len()), &right);
        return Vec::new();
    }
    let mut mailboxes: Vec<MailboxSettings> = Vec::new();
    for name in names {
        let path = folder.join(&name).join("mailbox.toml");
        match MailboxSettings::read(&path, &name, environment) {
            Ok(mailbox) => match mailboxes.iter().find(|other| other.address.eq_ignore_ascii_case(&mailbox.address)) {
                Some(other) => problems.push(Problem {
                    file: path,
                    line: None,
                    key: "address".to_owned(),
                    wrong: format!("{} is the address of mailbox {}, too", mailbox.address, other.name),
                    right: "one mailbox per address".to_owned(),
                }),
                None => mailboxes.push(mailbox),
            },
            Err(more) => problems.extend(more),
        }
    }
    mailboxes
}

/// The text of one of the operator's files.
fn read_file(file: &Path) -> Result<String, Vec<Problem>> {
    let complain = |wrong: String, right: &str| {
        vec![Problem { file: file.to_owned(), line: None, key: String::new(), wrong, right: right.to_owned() }]
    };
    let opened = fs::File::open(file)
        .map_err(|error| complain(error.to_string(), "`hagaki init DIR --installation` writes one to fill in"))?;
    let mut text = String::new();
    opened
        .take(limits::SETTINGS_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| complain(error.to_string(), "it must be a text file in UTF-8"))?;
    if text.len() as u64 > limits::SETTINGS_FILE_BYTES {
        return Err(complain("it is too large".to_owned(), "is it the right file?"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
