//! Whole files read and every slip told, for the parent module.

use std::os::unix::fs::PermissionsExt as _;

use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::*;

/// A scratch folder with `hagaki.toml` and mailboxes.
struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(TempDir::new().unwrap())
    }

    fn with(self, path: &str, text: &str) -> Files {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn load(&self) -> Result<Settings, Vec<Problem>> {
        Settings::load_with(&self.path("config/hagaki.toml"), &|name| {
            (name == "HAGAKI_TEST_PASSWORD").then(|| "from the environment".to_owned())
        })
    }

    /// The problems without the scratch folder's name in them.
    fn problems(&self) -> Vec<String> {
        let folder = format!("{}/", self.0.path().display());
        self.load().expect_err("there are problems").iter().map(|p| p.to_string().replace(&folder, "")).collect()
    }
}

#[test]
fn what_leaves_the_machine_without_https_is_in_the_clear() {
    let clear = |url: &str| {
        let listen = "127.0.0.1:8080".parse().unwrap();
        WebSettings { listen, public_url: url.to_owned(), proxies: Vec::new() }.is_in_the_clear()
    };
    for local in
        ["https://a.example.jp", "http://localhost:80", "http://127.1.2.3/x", "http://[::1]:8080", "http://x.LOCALHOST"]
    {
        assert!(!clear(local), "{local}");
    }
    for wide in ["http://a.example.jp", "http://localhost.example.jp", "http://192.168.1.2", "http://[2001:db8::1]:80"]
    {
        assert!(clear(wide), "{wide}");
    }
}

const GOOD: &str = "[database]\nurl = \"sqlite:hagaki.db\"\n[web]\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://localhost/\"\n\
                    [mailboxes]\nfolder = \"../mailboxes\"\n[operator]\naddress = \"op@example.jp\"\n";
const FOLDERS: &str = "address = \"reg@example.jp\"\n[maildir]\npath = \"in\"\n[folder]\npath = \"/out\"\n";

#[test]
fn the_example_files_load_as_they_are() {
    let files = Files::new()
        .with("config/hagaki.toml", include_str!("../../config/hagaki.example.toml"))
        .with("mailboxes/example/mailbox.toml", include_str!("../../mailboxes/example/mailbox.toml"))
        .with("mailboxes/example/secrets/imap", "pass word\n")
        .with("mailboxes/example/secrets/smtp", "other\n");
    let settings = files.load().unwrap();
    assert_eq!(settings.database.engine, Engine::Sqlite(files.path("config/../data/hagaki.db")));
    assert_eq!(settings.web.public_url, "https://hagaki.example.jp");
    assert_eq!(settings.operator.address, "operator@example.jp");
    let [mailbox] = settings.mailboxes.as_slice() else { panic!("one mailbox") };
    assert_eq!((mailbox.name.as_str(), mailbox.message_id_domain.as_str()), ("example", "reg.example.jp"));
    let MailSource::Imap(imap) = &mailbox.source else { panic!("imap") };
    assert_eq!((imap.port, imap.security, imap.password.expose_secret()), (993, Security::Tls, "pass word"));
    let Delivery::Smtp(smtp) = &mailbox.delivery else { panic!("smtp") };
    assert_eq!((smtp.port, smtp.security, smtp.ehlo.as_str()), (587, Security::StartTls, "example.jp"));
    assert_eq!(smtp.login.as_ref().unwrap().1.expose_secret(), "other");
    assert!(!format!("{settings:?}").contains("pass word"), "a password is in debug output");
}

/// Each commented key of the examples is one the reader knows, and its shown value is the one that holds without it.
#[test]
fn the_commented_keys_of_the_example_are_true() {
    let uncommented = |text: &str| -> String {
        let keep = ["# owner", "# interval_seconds", "# lease_seconds", "# format", "# level"];
        let line = |line: &str| {
            if keep.iter().any(|key| line.starts_with(key)) { line[2..].to_owned() } else { line.to_owned() }
        };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    };
    let example = include_str!("../../config/hagaki.example.toml");
    let files =
        Files::new().with("config/hagaki.toml", &uncommented(example)).with("mailboxes/a/mailbox.toml", FOLDERS);
    let settings = files.load().unwrap();
    // The owner is the machine's name where nothing is said, so the example can only show one.
    assert_eq!(settings.daemon, DaemonSettings { owner: "hagaki".to_owned(), ..DaemonSettings::usual() });
    assert_eq!(settings.logs, LogSettings::usual());

    let example = include_str!("../../mailboxes/example/mailbox.toml");
    let keep =
        ["# port", "# inbox", "# processed", "# quarantine", "# ehlo", "# connections", "# timeout", "# message_id"];
    let line =
        |line: &str| if keep.iter().any(|key| line.starts_with(key)) { line[2..].to_owned() } else { line.to_owned() };
    let shown: String = example.lines().map(|text| line(text) + "\n").collect();
    let read = |text: &str| {
        let files = Files::new()
            .with("config/hagaki.toml", GOOD)
            .with("mailboxes/a/mailbox.toml", text)
            .with("mailboxes/a/secrets/imap", "a")
            .with("mailboxes/a/secrets/smtp", "b");
        format!("{:#?}", files.load().unwrap().mailboxes)
    };
    assert_ne!(shown, example);
    assert_eq!(read(&shown), read(example));
}

#[test]
fn postgres_takes_its_password_from_a_file_or_the_environment() {
    let files = Files::new()
        .with(
            "config/hagaki.toml",
            &GOOD.replace("sqlite:hagaki.db\"", "postgres://app@db/hagaki\"\npassword_env = \"HAGAKI_TEST_PASSWORD\""),
        )
        .with("mailboxes/a/mailbox.toml", FOLDERS);
    let database = files.load().unwrap().database;
    assert_eq!(database.engine, Engine::Postgres("postgres://app@db/hagaki".to_owned()));
    assert_eq!(database.password.unwrap().expose_secret(), "from the environment");
}

/// Physicians may share our domain; their mails must not pass for our own letters, which nobody answers.
#[test]
fn message_ids_bear_a_name_that_is_ours_alone() {
    let load = |mailbox: &str| Files::new().with("config/hagaki.toml", GOOD).with("mailboxes/a/mailbox.toml", mailbox);
    let domain = |mailbox: &str| load(mailbox).load().unwrap().mailboxes[0].message_id_domain.clone();
    assert_eq!(domain(FOLDERS), "reg.example.jp");
    assert_eq!(domain(&FOLDERS.replace("reg@", "o'neil@")), "hagaki.example.jp");
    assert_eq!(domain(&format!("message_id_domain = \"Letters.example.jp\"\n{FOLDERS}")), "letters.example.jp");
    let told = load(&format!("message_id_domain = \"Example.JP\"\n{FOLDERS}")).problems();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("message_id_domain: people who write to us"), "{told:?}");
}

#[test]
fn every_problem_of_every_file_is_told_at_once() {
    let files = Files::new()
        .with(
            "config/hagaki.toml",
            "[database]\nurl = \"mysql://x\"\n[web]\nlisten = \"8080\"\npublic_ulr = \"https://x\"\n[mailboxes]\nfolder = \"../mailboxes\"\n[deamon]\nowner = \"a\"\n",
        )
        .with(
            "mailboxes/a/mailbox.toml",
            "address = \"Reg <reg@example.jp>\"\n[imap]\nhost = \"h\"\nuser = \"u\"\npassword = \"p\"\nport = 99999\nsecurity = \"none\"\n[memory]\n",
        )
        .with("mailboxes/b/mailbox.toml", "address = \"b@example.jp\"\n[smtp]\nhost = \"mx.example.jp\"\nsecurity = \"none\"\nuser = \"b\"\npassword_file = \"secret\"\n");
    let told = [
        "config/../mailboxes/a/mailbox.toml:1: address: \"Reg <reg@example.jp>\" is no mail address — write it bare, as reg@example.jp",
        "config/../mailboxes/a/mailbox.toml:5: imap.password: passwords do not belong here — put it alone into a file and name that with password_file, or use password_env",
        "config/../mailboxes/a/mailbox.toml:6: imap.port: is no number that fits — a whole number from 1 to 65535, without quotes",
        "config/../mailboxes/a/mailbox.toml:7: imap.security: \"none\" is not known — one of \"tls\", \"starttls\"",
        "config/../mailboxes/b/mailbox.toml: imap: is missing — say where mails come from: a section [imap] or [maildir]",
        "config/../mailboxes/b/mailbox.toml:4: smtp.security: letters to another machine would be readable on the way — use \"starttls\" or \"tls\"; \"none\" is for a server on this machine",
        "config/../mailboxes/b/mailbox.toml:6: smtp.password_file: config/../mailboxes/b/secret: No such file or directory (os error 2) — create it with the password alone in it, readable by the daemon only (chmod 600)",
        "config/hagaki.toml: operator: is missing — add the section [operator]; config/hagaki.example.toml shows all of them",
        "config/hagaki.toml:2: database.url: names no engine we know — begin with sqlite: for a file, or postgres:// for a server",
        "config/hagaki.toml:3: web.public_url: is missing — for example public_url = \"https://hagaki.example.jp\"",
        "config/hagaki.toml:4: web.listen: \"8080\" is no address to listen on — an IP address and a port, as 127.0.0.1:8080 or [::1]:8080",
        "config/hagaki.toml:5: web.public_ulr: unknown key — did you mean public_url?",
        "config/hagaki.toml:8: deamon: unknown key — did you mean daemon?",
    ];
    assert_eq!(files.problems(), told);
}

#[test]
fn what_is_no_toml_is_a_problem_with_its_line() {
    let files = Files::new()
        .with("config/hagaki.toml", &format!("{GOOD}[logs]\nlevel = info\n"))
        .with("mailboxes/a/mailbox.toml", FOLDERS);
    let problems = files.problems();
    assert!(problems.iter().any(|problem| problem.starts_with("config/hagaki.toml:11")), "{problems:#?}");
}

#[test]
fn missing_files_and_folders_are_told() {
    let files = Files::new();
    assert_eq!(
        files.problems(),
        [
            "config/hagaki.toml: No such file or directory (os error 2) — `hagaki init DIR --installation` writes one to fill in"
        ]
    );
    let files = Files::new().with("config/hagaki.toml", GOOD);
    assert_eq!(
        files.problems(),
        [
            "config/hagaki.toml: mailboxes.folder: config/../mailboxes: No such file or directory (os error 2) — name the folder that holds one folder per mailbox, each with a mailbox.toml"
        ]
    );
    let files = Files::new().with("config/hagaki.toml", GOOD).with("mailboxes/README", "none yet");
    assert_eq!(
        files.problems(),
        [
            "config/hagaki.toml: mailboxes.folder: no mailbox in config/../mailboxes — copy mailboxes/example there and fill it in"
        ]
    );
}

#[test]
fn an_address_belongs_to_one_mailbox() {
    let files = Files::new()
        .with("config/hagaki.toml", GOOD)
        .with("mailboxes/a/mailbox.toml", FOLDERS)
        .with("mailboxes/b/mailbox.toml", &FOLDERS.replace("reg@", "Reg@"));
    assert_eq!(
        files.problems(),
        [
            "config/../mailboxes/b/mailbox.toml: address: Reg@example.jp is the address of mailbox a, too — one mailbox per address"
        ]
    );
}

#[test]
fn a_secret_that_everybody_can_read_is_refused() {
    let files = Files::new().with("config/hagaki.toml", GOOD).with("mailboxes/a/secret", "word\n").with(
        "mailboxes/a/mailbox.toml",
        "address = \"a@example.jp\"\n[imap]\nhost = \"h\"\nuser = \"u\"\npassword_file = \"secret\"\n[memory]\n",
    );
    files.load().unwrap();
    fs::set_permissions(files.path("mailboxes/a/secret"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(
        files.problems(),
        [
            "config/../mailboxes/a/mailbox.toml:5: imap.password_file: config/../mailboxes/a/secret: everybody on this machine can use it — chmod o= config/../mailboxes/a/secret"
        ]
    );
}

#[test]
fn who_vouches_for_people_is_read_or_told() {
    let load = |more: &str| {
        Files::new()
            .with("config/hagaki.toml", &format!("{GOOD}{more}"))
            .with("mailboxes/a/mailbox.toml", FOLDERS)
            .with("config/secrets/idp", "shared\n")
    };
    let provider = "[provider]\nissuer = \"https://idp.example.jp\"\nclient_id = \"hagaki\"\npassword_file = \"secrets/idp\"\nname = \"University\"\n";
    let proxy = "[proxy]\nheader = \"X-Mail\"\npassword_file = \"secrets/idp\"\nname = \"GakuNin\"\n";
    let settings = load(&format!("{provider}{proxy}")).load().unwrap();
    assert_eq!(settings.provider.as_ref().unwrap().secret.expose_secret(), "shared");
    let own = settings.proxy.as_ref().unwrap();
    assert_eq!((own.header.as_str(), own.from.as_slice()), ("x-mail", &[std::net::IpAddr::from([127, 0, 0, 1])][..]));
    assert!(!format!("{settings:?}").contains("shared"), "a secret is in debug output");
    assert!(load("").load().unwrap().provider.is_none());
    let behind = |proxies: &str| {
        let web = GOOD.replacen("[web]\n", &format!("[web]\nproxies = [\"{proxies}\"]\n"), 1);
        Files::new().with("config/hagaki.toml", &web).with("mailboxes/a/mailbox.toml", FOLDERS)
    };
    let mapped = behind("::ffff:192.0.2.10").load().unwrap().web.proxies;
    assert_eq!(mapped, [std::net::IpAddr::from([192, 0, 2, 10])]);
    let told = behind("192.0.2.0/24").problems();
    assert!(told.iter().any(|told| told.contains("proxies: \"192.0.2.0/24\" is no IP address")), "{told:?}");

    for (from, to, said) in [
        ("https://idp", "http://idp", "issuer: \"http://idp.example.jp\" is no address of a provider"),
        ("password_file = \"secrets/idp\"", "", "password_file"),
        ("X-Mail", "X Mail", "header: \"X Mail\" is no name of a header"),
        ("name = \"GakuNin\"", "from = [\"proxy\"]\nname = \"GakuNin\"", "from: \"proxy\" is no IP address"),
        ("client_id", "client", "client_id"),
    ] {
        let told = load(&format!("{provider}{proxy}").replace(from, to)).problems();
        assert!(told.iter().any(|told| told.contains(said)), "{said}: {told:?}");
    }
    // A provider on this machine may be spoken to in the clear, as one in a rehearsal is.
    load(&provider.replace("https://idp.example.jp", "http://127.0.0.1:3000")).load().unwrap();
}

#[test]
fn files_lie_beside_the_database_in_a_folder_or_in_a_bucket() {
    let with = |more: &str| {
        Files::new()
            .with("config/hagaki.toml", &format!("{GOOD}{more}"))
            .with("mailboxes/reg/mailbox.toml", FOLDERS)
            .with("config/secrets/bucket", "secret\n")
    };
    let files = with("");
    let FilesSettings::Folder(folder) = files.load().unwrap().files else { panic!("a folder") };
    assert_eq!(folder, files.path("config/files"));
    let files = with("[files]\nfolder = \"../answers\"\n");
    let FilesSettings::Folder(folder) = files.load().unwrap().files else { panic!("a folder") };
    assert_eq!(folder, files.path("config/../answers"));
    let bucket = "[files]\nbucket = \"answers\"\n";
    let key = "endpoint = \"https://s3.example.jp\"\naccess_key = \"A\"\npassword_file = \"secrets/bucket\"\n";
    let FilesSettings::Bucket(own) = with(&format!("{bucket}{key}")).load().unwrap().files else { panic!("a bucket") };
    assert_eq!((own.bucket.as_str(), own.region.as_str()), ("answers", "us-east-1"));
    assert_eq!(own.access.unwrap().1.expose_secret(), "secret");
    assert!(matches!(with(bucket).load().unwrap().files, FilesSettings::Bucket(own) if own.access.is_none()));
    for (wrong, told) in [
        ("[files]\n", "files.folder: is missing"),
        ("[files]\nregion = \"x\"\n", "says nothing without a bucket"),
        ("[files]\nbucket = \"a\"\nfolder = \"b\"\n", "there is a bucket, too"),
        ("[files]\nbucket = \"a\"\nendpoint = \"s3.example.jp\"\n", "is no address of a service"),
        ("[files]\nbucket = \"a\"\naccess_key = \"A\"\n", "password_file: is missing"),
        ("[files]\nbucket = \"a\"\npassword_file = \"secrets/bucket\"\n", "is the secret of no access key"),
        ("[files]\nbucket = \"a\"\npassword = \"x\"\naccess_key = \"A\"\n", "passwords do not belong here"),
    ] {
        let problems = with(wrong).problems();
        assert!(problems.iter().any(|problem| problem.contains(told)), "{wrong}: {problems:?}");
    }
}

#[test]
fn letters_are_signed_by_a_key_of_our_domain() {
    const SMTP: &str = "address = \"reg@mail.example.jp\"\n[maildir]\npath = \"in\"\n[smtp]\nhost = \"localhost\"\nsecurity = \"none\"\n";
    const KEY: &str = include_str!("../../tests/data/dkim/ed25519.pem");
    let with = |mailbox: &str| {
        Files::new()
            .with("config/hagaki.toml", GOOD)
            .with("mailboxes/a/mailbox.toml", mailbox)
            .with("mailboxes/a/key.pem", KEY)
            .with("mailboxes/a/other.pem", "hello\n")
    };
    let dkim = |section: &str| with(&format!("{SMTP}[dkim]\n{section}"));
    let settings = dkim("domain = \"Example.jp\"\nselector = \"h1\"\nkey_file = \"key.pem\"\n").load().unwrap();
    let Delivery::Smtp(smtp) = &settings.mailboxes[0].delivery else { panic!() };
    assert_eq!(smtp.dkim.as_ref().unwrap().identity().record_name(), "h1._domainkey.example.jp");
    let shown = format!("{settings:?}");
    assert!(shown.contains("Signer") && !shown.contains("MC4C"), "{shown}");
    let folder = FOLDERS.to_owned() + "[dkim]\nselector = \"h1\"\nkey_file = \"key.pem\"\n";
    for (files, wanted) in [
        (dkim("selector = \"h1\"\n"), "dkim.key_file: is missing"),
        (dkim("selector = \"h 1\"\nkey_file = \"key.pem\"\n"), "dkim.selector: \"h 1\" is no name in DNS"),
        (dkim("selector = \"h1\"\nkey_file = \"none.pem\"\n"), "mailboxes/a/none.pem: No such file"),
        (dkim("selector = \"h1\"\nkey_file = \"other.pem\"\n"), "dkim.key_file: holds no private key in PEM"),
        (
            dkim("domain = \"example.com\"\nselector = \"h1\"\nkey_file = \"key.pem\"\n"),
            "dkim.domain: letters are from mail.example.jp, for which example.com does not answer",
        ),
        (
            dkim("domain = \"ail.example.jp\"\nselector = \"h1\"\nkey_file = \"key.pem\"\n"),
            "letters are from mail.example.jp, for which ail.example.jp does not answer",
        ),
        (with(&folder), "dkim: letters reach nobody by this way"),
    ] {
        let told = files.problems();
        assert!(told.len() == 1 && told[0].contains(wanted), "{wanted}: {told:?}");
    }
    let files = dkim("selector = \"h1\"\nkey_file = \"key.pem\"\n");
    fs::set_permissions(files.path("mailboxes/a/key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(files.problems()[0].contains("everybody on this machine can use it"), "{:?}", files.problems());
}

#[test]
fn whom_the_doctor_asks_and_where_letters_leave_is_read_or_told() {
    let asked = |more: &str| {
        Files::new().with("config/hagaki.toml", &format!("{GOOD}{more}")).with("mailboxes/a/mailbox.toml", FOLDERS)
    };
    for (section, server) in [
        ("", NameServer::System),
        ("[doctor]\n", NameServer::System),
        ("[doctor]\nnameserver = \"none\"\n", NameServer::Nobody),
        ("[doctor]\nnameserver = \"192.0.2.53\"\n", NameServer::At(SocketAddr::from(([192, 0, 2, 53], 53)))),
        ("[doctor]\nnameserver = \"127.0.0.1:5353\"\n", NameServer::At(SocketAddr::from(([127, 0, 0, 1], 5353)))),
        ("[doctor]\nnameserver = \"[::1]:5353\"\n", NameServer::At("[::1]:5353".parse().unwrap())),
        ("[doctor]\nnameserver = \"::1\"\n", NameServer::At("[::1]:53".parse().unwrap())),
    ] {
        assert_eq!(asked(section).load().unwrap().nameserver, server, "{section}");
    }
    let told = asked("[doctor]\nnameserver = \"ns.example.jp\"\n").problems();
    assert!(told.len() == 1 && told[0].contains("doctor.nameserver: \"ns.example.jp\" is no address"), "{told:?}");

    let leaving = |more: &str| {
        let mailbox = format!(
            "address = \"reg@example.jp\"\n[maildir]\npath = \"in\"\n[smtp]\nhost = \"localhost\"\nsecurity = \"none\"\n{more}"
        );
        Files::new().with("config/hagaki.toml", GOOD).with("mailboxes/a/mailbox.toml", &mailbox)
    };
    let settings =
        leaving("outbound = [\"203.0.113.25\", \"::ffff:203.0.113.26\", \"2001:db8::25\"]\n").load().unwrap();
    let Delivery::Smtp(smtp) = &settings.mailboxes[0].delivery else { panic!("smtp") };
    let addresses: Vec<String> = smtp.outbound.iter().map(ToString::to_string).collect();
    assert_eq!(
        (addresses, smtp.is_here()),
        (["203.0.113.25", "203.0.113.26", "2001:db8::25"].map(str::to_owned).to_vec(), true)
    );
    let told = leaving("outbound = [\"203.0.113.25\", \"mx.example.jp\"]\n").problems();
    assert!(told.len() == 1 && told[0].contains("smtp.outbound: \"mx.example.jp\" is no IP address"), "{told:?}");
}

#[test]
fn letters_leave_no_faster_than_the_mailbox_says() {
    let with = |section: &str| {
        let mailbox = format!("{FOLDERS}{section}");
        Files::new().with("config/hagaki.toml", GOOD).with("mailboxes/a/mailbox.toml", &mailbox)
    };
    let throttle = |section: &str| with(section).load().unwrap().mailboxes.remove(0).throttle;
    assert!(throttle("").is_none());
    let own = throttle("[throttle]\nper_minute = 600\n[throttle.domains]\n\"Docomo.ne.jp\" = 60\n");
    assert_eq!((own.per_minute, own.per_domain_per_minute), (Some(600), None));
    assert_eq!((own.of_domain("docomo.ne.jp"), own.of_domain("example.jp")), (Some(60), None));
    let own = throttle("[throttle]\nper_domain_per_minute = 120\ndomains = { \"docomo.ne.jp\" = 1000 }\n");
    assert_eq!((own.of_domain("docomo.ne.jp"), own.of_domain("example.jp")), (Some(1_000), Some(120)));
    assert!(!own.is_none());
    // What the example shows is true when its comments are taken off.
    let example = include_str!("../../mailboxes/example/mailbox.toml");
    let shown = example.split_once("# [throttle]").unwrap().1.split_once("# [folder]").unwrap().0;
    let shown: Vec<&str> =
        shown.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| !line.starts_with('#')).collect();
    let own = throttle(&format!("[throttle]\n{}\n", shown.join("\n")));
    assert_eq!(
        (own.per_minute, own.per_domain_per_minute, own.of_domain("docomo.ne.jp")),
        (Some(600), Some(120), Some(60))
    );

    for (section, wanted) in [
        ("[throttle]\n", "throttle: bounds nothing — write per_minute = 600"),
        (
            "[throttle]\nper_minute = 0\n",
            "throttle.per_minute: is no number that fits — a whole number from 1 to 1000000",
        ),
        ("[throttle]\nper_minute = \"600\"\n", "throttle.per_minute: is no number that fits"),
        ("[throttle]\nper_minuet = 600\n", "throttle.per_minuet: unknown key — did you mean per_minute?"),
        ("[throttle]\nper_minute = 600\ndomains = 60\n", "throttle.domains: is no section"),
        (
            "[throttle.domains]\ndocomo.ne.jp = 60\n",
            "throttle.domains.docomo: is no number that fits — write the domain in quotes",
        ),
        ("[throttle.domains]\n\"docomo.ne.jp\" = 0\n", "throttle.domains.docomo.ne.jp: is no number that fits"),
        ("[throttle.domains]\n\"@docomo\" = 60\n", "throttle.domains.@docomo: is no domain name"),
        ("throttle = 600\n", "throttle: is no section"),
    ] {
        // A key behind a section would belong to it.
        let files = match section.starts_with('[') {
            true => with(section),
            false => {
                let mailbox = format!("{section}{FOLDERS}");
                Files::new().with("config/hagaki.toml", GOOD).with("mailboxes/a/mailbox.toml", &mailbox)
            }
        };
        let told = files.problems();
        assert!(told.len() == 1 && told[0].contains(wanted), "{wanted}: {told:?}");
    }
}
