//! `mailboxes/<name>/mailbox.toml`: one address of ours, where its mails come from and how its letters leave.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use super::problem::Problem;
use super::section::{Section, Source, is_domain};
use super::{Environment, read_file};
use crate::domain::dkim::{Identity, Signer};
use crate::domain::openpgp::OwnKey;
use crate::domain::throttle::Throttle;
use crate::limits;

/// One address we own.
#[derive(Clone, Debug)]
pub struct MailboxSettings {
    /// Name of its folder below `mailboxes/`; unique.
    pub name: String,
    /// Service address without sub-address, such as `reg@example.jp`.
    pub address: String,
    /// Name that letters show beside the address.
    pub display: Option<String>,
    /// Authserv-ids of our own border (RFC 8601): only their Authentication-Results count. Lower case.
    pub authserv_ids: Vec<String>,
    /// Domain after the `@` of our Message-IDs; the address's own where the file says nothing.
    pub message_id_domain: String,
    /// Where mails come from.
    pub source: MailSource,
    /// How letters leave.
    pub delivery: Delivery,
    /// How fast they may (`[throttle]`).
    pub throttle: Throttle,
    /// Our OpenPGP key: opens mails and signs letters (`[openpgp]`).
    pub openpgp: Option<Arc<OwnKey>>,
}

/// Where mails come from.
#[derive(Clone, Debug)]
pub enum MailSource {
    /// A mailbox on a server.
    Imap(ImapSettings),
    /// A folder on this machine, such as a local mail server delivers to.
    Maildir {
        /// The folder that holds `new`, `cur` and `tmp`.
        path: PathBuf,
    },
}

/// How letters leave.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// Through a mail server.
    Smtp(SmtpSettings),
    /// Into a Maildir, for rehearsals.
    Folder {
        /// The folder that holds `new`, `cur` and `tmp`.
        path: PathBuf,
    },
    /// Nowhere: kept in memory until the daemon ends, for tests.
    Memory,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte.
    Tls,
    /// TLS after STARTTLS; never without.
    StartTls,
    /// None; only to a server on this machine.
    Bare,
}

/// `[imap]`: a mailbox on a server.
#[derive(Clone, Debug)]
pub struct ImapSettings {
    /// Host name or address; the certificate must be for it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Never [`Security::Bare`].
    pub security: Security,
    /// Account.
    pub user: String,
    /// Its password.
    pub password: SecretString,
    /// PEM file with the certificate authority to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Folder that mails arrive in.
    pub inbox: String,
    /// Folder for mails that were dealt with; created when absent.
    pub processed: String,
    /// Folder for mails that a person must look at; created when absent.
    pub quarantine: String,
}

/// `[smtp]`: a server that takes our letters.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// Host name or address; the certificate must be for it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// Account and password, where the server wants them.
    pub login: Option<(String, SecretString)>,
    /// PEM file with the certificate authority to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Name we greet with (EHLO).
    pub ehlo: String,
    /// Most connections at a time, of which mailings leave one to other letters; two where it is one.
    pub connections: usize,
    /// Patience for one reply, in seconds; the reply after the mail itself gets five times as long.
    pub timeout_seconds: u64,
    /// Addresses from which the server sends letters on to the world, as far as the operator knows them.
    pub outbound: Vec<IpAddr>,
    /// Signs every letter, where the server does not (`[dkim]`).
    pub dkim: Option<Arc<Signer>>,
}

impl SmtpSettings {
    /// Whether the server is on this machine.
    pub fn is_here(&self) -> bool {
        is_this_machine(&self.host)
    }
}

impl MailboxSettings {
    /// Reads one `mailbox.toml`; relative paths are relative to its folder.
    pub(super) fn read(file: &Path, name: &str, environment: Environment<'_>) -> Result<MailboxSettings, Vec<Problem>> {
        let text = read_file(file)?;
        let source = Source::new(file, &text, environment);
        let table = source.parse();
        let root = Section::root(&source, table.get_ref());
        let settings = mailbox(&root, name);
        root.finish();
        match (settings, source.into_problems()) {
            (Some(settings), problems) if problems.is_empty() => Ok(settings),
            (_, problems) => Err(problems),
        }
    }
}

fn mailbox(root: &Section<'_, '_>, name: &str) -> Option<MailboxSettings> {
    let address = root.address("address", "reg@example.jp");
    let own_domain = address.as_deref().and_then(|address| address.rsplit_once('@')).map(|(_, domain)| domain);
    if let Some(local) = address.as_deref().and_then(|address| address.split('@').next())
        && local.contains('+')
    {
        let right = "leave the part from + on out; studies and tokens are put there";
        root.wrong_value("address", "the address has a sub-address", right);
    }
    let display = root.optional_text("display");
    let authserv_ids = root.texts("authserv_ids").iter().map(|id| id.to_ascii_lowercase()).collect();
    let message_id_domain = message_id_domain(root, address.as_deref());
    let source = source(root);
    let dkim = dkim(root, own_domain);
    let mut delivery = delivery(root, own_domain);
    match (&mut delivery, dkim) {
        (Some(Delivery::Smtp(settings)), dkim) => settings.dkim = dkim,
        (Some(_), Some(_)) => root.wrong_value("dkim", "letters reach nobody by this way", "remove [dkim]"),
        _ => {}
    }
    let throttle = throttle(root);
    let openpgp = openpgp(root);
    Some(MailboxSettings {
        name: name.to_owned(),
        display,
        authserv_ids,
        message_id_domain: message_id_domain?,
        source: source?,
        delivery: delivery?,
        throttle,
        openpgp,
        address: address?,
    })
}

/// A name of our own: a mail whose Message-ID bears it counts as one of our letters that came back.
fn message_id_domain(root: &Section<'_, '_>, address: Option<&str>) -> Option<String> {
    let (local, domain) = address.and_then(|address| address.rsplit_once('@')).unzip();
    let usual = local.zip(domain).map(|(local, domain)| {
        let own = format!("{local}.{domain}").to_ascii_lowercase();
        if is_domain(&own) { own } else { format!("hagaki.{domain}") }
    });
    let named = root.domain("message_id_domain", usual.as_deref())?;
    if domain.is_some_and(|domain| domain.eq_ignore_ascii_case(&named)) {
        let wrong = "people who write to us may have Message-IDs of this domain, and their mails would count as ours";
        root.wrong_value(
            "message_id_domain",
            wrong,
            &format!("leave it out, or write a name below it, as reg.{named}"),
        );
        return None;
    }
    Some(named)
}

fn source(root: &Section<'_, '_>) -> Option<MailSource> {
    let imap = root.section("imap");
    let maildir = root.section("maildir");
    match (imap, maildir) {
        (Some(_), Some(_)) => {
            root.wrong_value("maildir", "there is [imap], too", "keep the one that mails come from");
            None
        }
        (Some(section), None) => {
            let settings = imap_settings(&section);
            section.finish();
            settings.map(MailSource::Imap)
        }
        (None, Some(section)) => {
            let path = section.path("path");
            if !section.has("path") {
                section.missing("path", "for example path = \"/var/mail/reg/Maildir\"");
            }
            section.finish();
            path.map(|path| MailSource::Maildir { path })
        }
        (None, None) => {
            if !root.has("imap") && !root.has("maildir") {
                root.missing("imap", "say where mails come from: a section [imap] or [maildir]");
            }
            None
        }
    }
}

fn delivery(root: &Section<'_, '_>, own_domain: Option<&str>) -> Option<Delivery> {
    let smtp = root.section("smtp");
    let folder = root.section("folder");
    let memory = root.section("memory");
    match (smtp, folder, memory) {
        (Some(section), None, None) => {
            let settings = smtp_settings(&section, own_domain);
            section.finish();
            settings.map(Delivery::Smtp)
        }
        (None, Some(section), None) => {
            let path = section.path("path");
            if !section.has("path") {
                section.missing("path", "for example path = \"/var/mail/hagaki-out\"");
            }
            section.finish();
            path.map(|path| Delivery::Folder { path })
        }
        (None, None, Some(section)) => {
            section.finish();
            Some(Delivery::Memory)
        }
        (None, None, None) => {
            if !root.has("smtp") && !root.has("folder") && !root.has("memory") {
                root.missing("smtp", "say how letters leave: a section [smtp], [folder] or [memory]");
            }
            None
        }
        _ => {
            let key = if root.has("memory") { "memory" } else { "folder" };
            root.wrong_value(key, "letters can leave by one way only", "keep one of [smtp], [folder], [memory]");
            None
        }
    }
}

fn imap_settings(section: &Section<'_, '_>) -> Option<ImapSettings> {
    let host = host(section, "imap.example.jp");
    let security = section.word("security", &[("tls", Security::Tls), ("starttls", Security::StartTls)]);
    let usual = if security == Some(Security::StartTls) { 143 } else { 993 };
    let port = port(section, usual);
    let user = section.text("user", "reg@example.jp");
    let password = section.required_secret();
    let ca_file = section.path("ca_file");
    let inbox = folder_name(section, "inbox", "INBOX");
    let processed = folder_name(section, "processed", "Processed");
    let quarantine = folder_name(section, "quarantine", "Quarantine");
    if inbox.is_some() && (inbox == processed || inbox == quarantine || processed == quarantine) {
        section.wrong_value(
            "processed",
            "two of the folders are the same",
            "give inbox, processed and quarantine names of their own",
        );
    }
    Some(ImapSettings {
        host: host?,
        port: port?,
        security: security?,
        user: user?,
        password: password?,
        ca_file,
        inbox: inbox?,
        processed: processed?,
        quarantine: quarantine?,
    })
}

fn smtp_settings(section: &Section<'_, '_>, own_domain: Option<&str>) -> Option<SmtpSettings> {
    let host = host(section, "smtp.example.jp");
    let words = [("starttls", Security::StartTls), ("tls", Security::Tls), ("none", Security::Bare)];
    let security = section.word("security", &words);
    let usual = match security {
        Some(Security::Tls) => 465,
        Some(Security::Bare) => 25,
        _ => 587,
    };
    let port = port(section, usual);
    if let (Some(host), Some(Security::Bare)) = (&host, security)
        && !is_this_machine(host)
    {
        let right = "use \"starttls\" or \"tls\"; \"none\" is for a server on this machine";
        section.wrong_value("security", "letters to another machine would be readable on the way", right);
    }
    let user = section.optional_text("user");
    let password = if user.is_some() { section.required_secret() } else { section.secret() };
    if password.is_some() && !section.has("user") {
        section.missing("user", "a password needs its user");
    }
    let ca_file = section.path("ca_file");
    let ehlo = section.domain("ehlo", own_domain);
    let connections = section.integer("connections", 4, 1, limits::SMTP_CONNECTIONS);
    let timeout_seconds = section.integer("timeout_seconds", 60, 1, 600);
    let outbound = section.addresses("outbound", "203.0.113.25");
    Some(SmtpSettings {
        host: host?,
        port: port?,
        security: security?,
        login: user.zip(password),
        ca_file,
        ehlo: ehlo?,
        connections: usize::try_from(connections?).ok()?,
        timeout_seconds: u64::try_from(timeout_seconds?).ok()?,
        outbound: outbound?,
        dkim: None,
    })
}

/// `[dkim]`: a key of our domain that signs letters.
fn dkim(root: &Section<'_, '_>, own_domain: Option<&str>) -> Option<Arc<Signer>> {
    let section = root.section("dkim")?;
    let domain = section.domain("domain", own_domain);
    let selector = section.text("selector", "hagaki");
    let key =
        section.private_text("key_file", "make one by openssl genpkey -algorithm ed25519, readable by the daemon only");
    section.finish();
    let (domain, selector) = (domain?, selector?);
    if let Some(own) = own_domain.map(str::to_ascii_lowercase)
        && own != domain
        && !own.ends_with(&format!(".{domain}"))
    {
        let wrong = format!("letters are from {own}, for which {domain} does not answer");
        section.wrong_value("domain", &wrong, "write the domain of the address, or one above it");
        return None;
    }
    if !is_domain(&selector) {
        section.wrong_value(
            "selector",
            &format!("\"{selector}\" is no name in DNS"),
            "write it as hagaki or 2026.mail",
        );
        return None;
    }
    let identity = Identity { domain, selector };
    let record = identity.record_name();
    match Signer::new(identity, key?.expose_secret()) {
        Ok(signer) => Some(Arc::new(signer)),
        Err(error) => {
            let right = format!("openssl genpkey -algorithm ed25519; its public key goes to {record}");
            section.wrong_value("key_file", &error.to_string(), &right);
            None
        }
    }
}

/// `[openpgp]`: our own key, by which mails come encrypted and letters leave signed.
fn openpgp(root: &Section<'_, '_>) -> Option<Arc<OwnKey>> {
    let section = root.section("openpgp")?;
    let key = section.private_text("key_file", "make one by hagaki key openpgp make, readable by the daemon only");
    let named = section.has("password_file") || section.has("password_env");
    let passphrase = section.secret();
    section.finish();
    if named && passphrase.is_none() {
        return None;
    }
    let word = passphrase.as_ref().map_or("", |word| word.expose_secret());
    match OwnKey::parse(key?.expose_secret(), word) {
        Ok(own) => Some(Arc::new(own)),
        Err(error) => {
            let right =
                "make one by hagaki key openpgp make; its passphrase goes into the file that password_file names";
            section.wrong_value("key_file", &error.to_string(), right);
            None
        }
    }
}

/// `[throttle]`: letters of mailings that may leave in a minute. What is wrong with it is among the problems; then it bounds nothing.
fn throttle(root: &Section<'_, '_>) -> Throttle {
    let Some(section) = root.section("throttle") else { return Throttle::default() };
    let bound = |key| match section.has(key) {
        true => section.integer(key, 1, 1, limits::THROTTLE_MOST).and_then(|number| u32::try_from(number).ok()),
        false => None,
    };
    let domains = section.section("domains");
    let throttle = Throttle {
        per_minute: bound("per_minute"),
        per_domain_per_minute: bound("per_domain_per_minute"),
        domains: domains.map(|domains| domains.of_domains(limits::THROTTLE_MOST)).unwrap_or_default(),
    };
    section.finish();
    if section.is_empty() {
        let right = "write per_minute = 600, per_domain_per_minute = 60 or a section [throttle.domains], or leave [throttle] out";
        root.wrong_value("throttle", "bounds nothing", right);
    }
    throttle
}

fn host(section: &Section<'_, '_>, example: &str) -> Option<String> {
    let host = section.text("host", example)?;
    if host.contains(|c: char| c.is_whitespace() || "/@[]".contains(c)) {
        section.wrong_value(
            "host",
            &format!("\"{host}\" is no host name"),
            &format!("write the name alone, as {example}"),
        );
        return None;
    }
    Some(host)
}

fn port(section: &Section<'_, '_>, usual: u16) -> Option<u16> {
    section.integer("port", i64::from(usual), 1, 65_535).and_then(|port| u16::try_from(port).ok())
}

/// A folder's name as IMAP spells it: ASCII (other letters in modified UTF-7, RFC 3501 section 5.1.3).
fn folder_name(section: &Section<'_, '_>, key: &'static str, usual: &str) -> Option<String> {
    let Some(name) = section.optional_text(key) else {
        return (!section.has(key)).then(|| usual.to_owned());
    };
    if !name.is_ascii() || name.contains(['*', '%', '"', '\\']) {
        let right = "use ASCII letters; a folder named otherwise is written in IMAP's modified UTF-7";
        section.wrong_value(key, &format!("\"{name}\" is no folder name"), right);
        return None;
    }
    Some(name)
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
