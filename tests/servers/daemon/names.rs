//! What `hagaki doctor` makes of DNS, told by a real name server.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use hagaki::domain::dkim::{Identity, Signer};

use super::house::{Engine, Installation};
use crate::harness::{NameServer, Servers, can_name, free_ports};

const KEY: &str = include_str!("../../data/dkim/ed25519.pem");
const MAILBOX: &str = "mailboxes/reg/mailbox.toml";

/// A domain as it should be, in options of the name server. Its texts are too long for one packet, as those of universities are.
fn healthy(record: &str) -> Vec<String> {
    let mut records = vec![
        "--txt-record=example.jp,v=spf1 mx ip4:203.0.113.0/28 include:_spf.example.jp -all".to_owned(),
        "--txt-record=_spf.example.jp,v=spf1 ip4:203.0.113.25 -all".to_owned(),
        format!("--txt-record=hagaki._domainkey.example.jp,{record}"),
        "--txt-record=_dmarc.example.jp,v=DMARC1; p=reject; adkim=s".to_owned(),
        "--mx-host=example.jp,mx.example.jp,10".to_owned(),
        "--host-record=mx.example.jp,203.0.113.40".to_owned(),
        "--host-record=out.example.jp,203.0.113.25".to_owned(),
    ];
    records.extend((0..8).map(|number| format!("--txt-record=example.jp,site-{number}={}", "x".repeat(200))));
    records
}

/// Has the doctor ask another name server.
fn ask(house: &Installation, server: &str) {
    let text = fs::read_to_string(house.path("hagaki.toml")).unwrap();
    let now = text.lines().find(|line| line.starts_with("nameserver = ")).unwrap();
    house.edit("hagaki.toml", now, &format!("nameserver = \"{server}\""));
}

#[test]
fn the_doctor_says_what_dns_tells_the_world() {
    if !can_name() {
        return;
    }
    let Some(servers) = Servers::start() else { return };
    let Some(house) = Installation::new(&servers, Engine::Sqlite) else { return };
    house.write("mailboxes/reg/dkim.pem", KEY);
    fs::set_permissions(house.path("mailboxes/reg/dkim.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let bare = fs::read_to_string(house.path(MAILBOX)).unwrap();
    let signing = "[dkim]\nselector = \"hagaki\"\nkey_file = \"dkim.pem\"\n";
    house.write(MAILBOX, &format!("{bare}outbound = [\"203.0.113.25\"]\n\n{signing}"));
    let identity = Identity { domain: "example.jp".to_owned(), selector: "hagaki".to_owned() };
    let record = Signer::new(identity, KEY).unwrap().record();
    let doctor = |records: &[String]| {
        let server = NameServer::start(records);
        ask(&house, &format!("127.0.0.1:{}", server.port));
        house.hagaki(&["doctor"])
    };

    let told = doctor(&healthy(&record)).well();
    for line in [
        "well     mailbox reg: SPF of example.jp (\"v=spf1 mx ip4:203.0.113.0/28 include:_spf.example.jp -all\", 2 of 10 lookups)",
        "well     mailbox reg: SPF of example.jp for 203.0.113.25",
        "well     mailbox reg: DKIM key hagaki._domainkey.example.jp",
        "well     mailbox reg: DMARC of example.jp (p=reject, by _dmarc.example.jp)",
        "well     mailbox reg: mail servers of example.jp (mx.example.jp)",
        "well     mailbox reg: reverse name of 203.0.113.25 (out.example.jp)",
    ] {
        assert!(told.lines().any(|own| own == line), "no {line} in\n{told}");
    }
    assert!(!told.contains("WARNING  mailbox"), "{told}");

    let spf = "--txt-record=example.jp,v=spf1";
    let dkim = "--txt-record=hagaki.";
    let dmarc = "--txt-record=_dmarc.";
    let other =
        format!("{dkim}_domainkey.example.jp,v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    let publish = format!("publish hagaki._domainkey.example.jp TXT \"{record}\"");
    // What is taken away, what comes in its place, the exit code, and what is told.
    let cases: [(&str, &[&str], i32, &str, &str); 13] = [
        (
            spf,
            &[],
            1,
            "TROUBLE  mailbox reg: SPF of example.jp: there is no SPF",
            "TXT \"v=spf1 ip4:203.0.113.25 ~all\"",
        ),
        (spf, &["--txt-record=example.jp,v=spf1 +all"], 1, "lets everybody send", "end it in ~all or -all"),
        ("nothing", &["--txt-record=example.jp,v=spf1 -all"], 1, "there are 2 SPF records", "put them into one"),
        (spf, &["--txt-record=example.jp,v=spf1 include:example.jp -all"], 1, "more than 10 lookups", "take out"),
        (
            spf,
            &["--txt-record=example.jp,v=spf1 mx -all"],
            1,
            "SPF of example.jp for 203.0.113.25: ",
            "add ip4:203.0.113.25",
        ),
        (spf, &["--txt-record=example.jp,v=spf1 ip4:203.0.113.25"], 0, "WARNING  mailbox reg: SPF of", "~all or -all"),
        (dkim, &[], 1, "DKIM key hagaki._domainkey.example.jp: there is no record", &publish),
        (dkim, &[other.as_str()], 1, "another key than that of key_file", &publish),
        (
            dmarc,
            &[],
            0,
            "WARNING  mailbox reg: DMARC of example.jp: there is no",
            "publish _dmarc.example.jp TXT \"v=DMARC1",
        ),
        (dmarc, &["--txt-record=_dmarc.example.jp,v=DMARC1"], 1, "it says no p=", "v=DMARC1; p=none"),
        ("--mx-host=", &[], 1, "mail servers of example.jp: the domain names no", "publish example.jp MX 10"),
        ("--host-record=mx", &[], 1, "no mail server of the domain has an address: mx.example.jp", "A, AAAA"),
        ("--host-record=out", &[], 1, "reverse name of 203.0.113.25: it has no name", "25.113.0.203.in-addr.arpa PTR"),
    ];
    for (away, instead, code, trouble, mend) in cases {
        let mut records = healthy(&record);
        records.retain(|own| !own.starts_with(away));
        records.extend(instead.iter().map(|own| (*own).to_owned()));
        let done = doctor(&records);
        let line = done.out.lines().find(|line| line.contains(trouble));
        assert!(line.is_some_and(|line| line.contains(mend)), "{away} {instead:?}: no {trouble} … {mend} in {done:?}");
        assert_eq!(done.code, code, "{away} {instead:?}: {done:?}");
    }

    // Letters through a mail server on this machine, of which nothing else is said, and not signed here.
    house.write(MAILBOX, &bare);
    let told = doctor(&healthy(&record)).well();
    for words in ["letters are not signed here", "forwarded ones only if the mail server signs them as example.jp"] {
        assert!(told.contains(words), "no {words} in\n{told}");
    }

    // Nobody answers: that is no trouble of ours, and all else is tried.
    let [nobody] = free_ports();
    ask(&house, &format!("127.0.0.1:{nobody}"));
    let told = house.hagaki(&["doctor"]).well();
    assert!(told.contains("WARNING  DNS: nobody answers (") && told.contains("a letter to itself"), "{told}");
    assert!(!told.contains("SPF of"), "{told}");
    let lines = house.hagaki(&["doctor", "--json"]).lines();
    let dns = lines.iter().find(|line| line["trial"] == "DNS").unwrap();
    assert!(
        dns["well"] == true && dns["warning"].as_str().is_some_and(|why| why.contains("[doctor] nameserver")),
        "{dns}"
    );
}
