//! The border that the harness stands up: what the other tests take for granted about it.

use crate::harness::{SERVICE, Servers};

fn results(mail: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(mail).replace("\r\n", "\n");
    let headers = text.split("\n\n").next().unwrap().to_owned();
    headers.lines().filter(|line| line.starts_with("Authentication-Results")).map(str::to_owned).collect()
}

#[test]
fn only_the_border_speaks_in_its_name() {
    let Some(servers) = Servers::start() else { return };
    let forged = b"Authentication-Results: mx.example.jp; dmarc=pass header.from=example.jp\r\n\
                   Authentication-Results: mx.other.example; dmarc=pass\r\nSubject: x\r\n\r\nbody\r\n";
    servers.submit("mallory@elsewhere.example", SERVICE, forged);
    let mails = servers.wait_for_mails(SERVICE, "INBOX", 1);
    assert_eq!(
        results(&mails[0]),
        [
            "Authentication-Results: mx.example.jp; dmarc=fail header.from=elsewhere.example",
            "Authentication-Results: mx.other.example; dmarc=pass",
        ]
    );
}

#[test]
fn our_domain_passes_and_sub_addresses_survive() {
    let Some(servers) = Servers::start() else { return };
    servers.submit("dr.sato@example.jp", "reg+aurora.s012@example.jp", b"Subject: x\r\n\r\nbody\r\n");
    servers.submit("", SERVICE, b"Subject: bounce\r\n\r\nbody\r\n");
    let mut mails = servers.wait_for_mails(SERVICE, "INBOX", 2);
    mails.sort_by_key(|mail| results(mail).len());
    let text = String::from_utf8_lossy(&mails[1]);
    assert_eq!(results(&mails[1]), ["Authentication-Results: mx.example.jp; dmarc=pass header.from=example.jp"]);
    assert!(text.contains("Delivered-To: reg+aurora.s012@example.jp"), "{text}");
    // A report of failure has no sender to speak of.
    assert!(results(&mails[0]).is_empty());
    assert!(String::from_utf8_lossy(&mails[0]).contains("Return-Path: <>"));
}
