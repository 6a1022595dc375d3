//! The SMTP transport against a real Postfix, and against a sink that fails as it is told.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;

use hagaki::domain::dkim::{Identity, Signer};
use hagaki::mail::transport::{Envelope, Scope, Smtp, Transport, Trouble, Verdict};
use hagaki::settings::{Security, SmtpSettings};

use crate::harness::{SERVICE, Servers, Sink, bare_smtp, can_run, free_ports};

const LETTER: &[u8] = b"From: reg@example.jp\r\nTo: dr.sato@example.jp\r\nSubject: arm\r\n\r\nA\r\n";

fn envelope(to: &str) -> Envelope {
    Envelope { from: Some("reg+b.1.abc@example.jp".to_owned()), to: to.to_owned() }
}

fn transport(settings: SmtpSettings) -> Transport {
    Transport::Smtp(Smtp::new(settings).unwrap())
}

async fn send(settings: SmtpSettings) -> Verdict {
    transport(settings).send(&envelope("dr.sato@example.jp"), LETTER).await
}

#[tokio::test]
async fn letters_arrive_byte_for_byte_over_starttls_and_tls() {
    let Some(servers) = Servers::start() else { return };
    // 8-bit text, lines that begin with dots, an empty end.
    let letter = "Subject: =?UTF-8?B?5Ymy5LuY?=\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
                  Content-Transfer-Encoding: 8bit\r\n\r\n.\r\n..割付群: A\r\n.\r\n\r\n\r\n";
    for (count, security) in [(1, Security::StartTls), (2, Security::Tls)] {
        let transport = transport(servers.smtp_settings(security));
        transport.probe().await.unwrap();
        let verdict = transport.send(&envelope("dr.sato+x@example.jp"), letter.as_bytes()).await;
        assert!(matches!(&verdict, Verdict::Accepted(reply) if reply.code == 250), "{verdict:?}");
        for mail in servers.wait_for_mails("dr.sato@example.jp", "INBOX", count) {
            let text = String::from_utf8(mail).unwrap().replace("\r\n", "\n");
            let (headers, body) = text.split_once("\n\n").unwrap();
            assert_eq!(body, ".\n..割付群: A\n.\n\n\n");
            assert!(headers.contains("Return-Path: <reg+b.1.abc@example.jp>"), "{headers}");
        }
    }
}

/// Verifies a mail on its standard input by dkimpy, with the record of its only key.
const VERIFY: &str = "import sys, dkim\nname, record = sys.argv[1:]\nanswer = lambda asked, timeout=5: record.encode() \
                      if asked.decode().rstrip('.') == name else None\n\
                      sys.exit(0 if dkim.verify(sys.stdin.buffer.read(), dnsfunc=answer) else 1)";

#[tokio::test]
async fn a_signed_letter_verifies_where_it_arrives() {
    let Some(servers) = Servers::start() else { return };
    // Debian's own interpreter, whose packages are meant.
    let verifies = |mail: &[u8], signer: &Signer| {
        let mut child = Command::new("/usr/bin/python3")
            .args(["-c", VERIFY, &signer.identity().record_name(), &signer.record()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(mail).unwrap();
        child.wait().unwrap().success()
    };
    for (count, pem) in [(1, include_str!("../data/dkim/ed25519.pem")), (2, include_str!("../data/dkim/rsa.pem"))] {
        let identity = Identity { domain: "example.jp".to_owned(), selector: "hagaki".to_owned() };
        let signer = Arc::new(Signer::new(identity, pem).unwrap());
        let settings = SmtpSettings { dkim: Some(Arc::clone(&signer)), ..servers.smtp_settings(Security::Tls) };
        let letter = "From: =?UTF-8?B?55m76Yyy?= <reg@example.jp>\r\nTo: dr.sato@example.jp\r\nSubject: [AURORA]  \
                      =?UTF-8?B?5Ymy5LuY?=\r\n\t=?UTF-8?B?5Ymy5LuY?=\r\nDate: Sat, 28 Nov 2026 09:00:00 +0900\r\nMessage-ID: \
                      <a@reg.example.jp>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
                      Content-Transfer-Encoding: 8bit\r\n\r\n割付群: A  B \r\n.\r\n\r\n";
        let verdict = transport(settings).send(&envelope("dr.sato@example.jp"), letter.as_bytes()).await;
        assert!(matches!(verdict, Verdict::Accepted(_)), "{verdict:?}");
        let mails = servers.wait_for_mails("dr.sato@example.jp", "INBOX", count);
        let mail = mails.iter().find(|mail| count == 1 || mail.windows(10).any(|part| part == b"rsa-sha256")).unwrap();
        assert!(verifies(mail, &signer), "{}", String::from_utf8_lossy(mail));
        let other = String::from_utf8(mail.clone()).unwrap().replace("割付群: A", "割付群: B");
        assert!(!verifies(other.as_bytes(), &signer), "{other}");
    }
}

#[tokio::test]
async fn many_letters_share_few_connections() {
    let Some(servers) = Servers::start() else { return };
    let transport = transport(servers.smtp_settings(Security::StartTls));
    let sends = (0..40).map(|number| {
        let transport = transport.clone();
        tokio::spawn(async move { transport.send(&envelope(&format!("p{number}@example.jp")), LETTER).await })
    });
    for send in sends.collect::<Vec<_>>() {
        let verdict = send.await.unwrap();
        assert!(matches!(verdict, Verdict::Accepted(_)), "{verdict:?}");
    }
    for number in 0..40 {
        servers.wait_for_mails(&format!("p{number}@example.jp"), "INBOX", 1);
    }
    let log = std::fs::read_to_string(servers.path().join("maillog")).unwrap();
    let logins = log.lines().filter(|line| line.contains("smtpd") && line.contains(": connect from localhost")).count();
    // Two connections, beside the harness's own look whether the port is open.
    assert!(logins <= 2 + 3, "{logins} connections for 40 letters:\n{log}");
}

#[tokio::test]
async fn letters_beyond_ascii_go_only_where_they_are_taken() {
    let Some(servers) = Servers::start() else { return };
    let sink = Sink::start(&[]);
    let verdict = transport(bare_smtp(sink.port, Security::Bare)).send(&envelope("佐藤@example.jp"), LETTER).await;
    assert!(matches!(&verdict, Verdict::Refused(reply) if reply.enhanced() == Some("5.6.7")), "{verdict:?}");
    let verdict = transport(servers.smtp_settings(Security::Tls)).send(&envelope("佐藤@example.jp"), LETTER).await;
    assert!(matches!(verdict, Verdict::Accepted(_)), "{verdict:?}");
    let plain = Sink::start(&["-8"]);
    let transport = transport(bare_smtp(plain.port, Security::Bare));
    let verdict = transport.send(&envelope("a@example.jp"), "Subject: x\r\n\r\n群\r\n".as_bytes()).await;
    assert!(matches!(&verdict, Verdict::Refused(reply) if reply.enhanced() == Some("5.6.3")), "{verdict:?}");
    // The connection is as good as before.
    let verdict = transport.send(&envelope("a@example.jp"), LETTER).await;
    assert!(matches!(verdict, Verdict::Accepted(_)), "{verdict:?}");
}

#[tokio::test]
async fn wrong_passwords_and_missing_logins_suspend_the_server() {
    let Some(servers) = Servers::start() else { return };
    let usual = servers.smtp_settings(Security::StartTls);
    let wrong = SmtpSettings { login: Some((SERVICE.to_owned(), "wrong".into())), ..usual.clone() };
    let verdict = send(wrong).await;
    let Verdict::Unreachable { trouble: Trouble::Authentication, text } = &verdict else { panic!("{verdict:?}") };
    assert!(text.contains("are user and password right?"), "{text}");
    // Without a login Postfix refuses each recipient: that is about the letter.
    let verdict = send(SmtpSettings { login: None, ..usual.clone() }).await;
    assert!(matches!(&verdict, Verdict::Refused(reply) if reply.enhanced() == Some("5.7.1")), "{verdict:?}");
    let other = SmtpSettings { ca_file: Some(servers.other_ca_file()), ..usual };
    let verdict = send(other).await;
    assert!(matches!(verdict, Verdict::Unreachable { trouble: Trouble::Tls, .. }), "{verdict:?}");
}

#[tokio::test]
async fn a_server_that_does_not_take_our_address_fails_no_letter() {
    let Some(servers) = Servers::start() else { return };
    let send = async |security, from: &str, to: &str| {
        let envelope = Envelope { from: Some(from.to_owned()), to: to.to_owned() };
        transport(servers.smtp_settings(security)).send(&envelope, LETTER).await
    };
    // Told at MAIL FROM by one port, and at RCPT TO by the other, as Postfix is wont to.
    for security in [Security::Tls, Security::StartTls] {
        let verdict = send(security, "disowned+b.1.wxyz7654@example.jp", "dr.sato@example.jp").await;
        let Verdict::Unreachable { trouble: Trouble::Sender, text } = &verdict else {
            panic!("{security:?}: {verdict:?}")
        };
        assert!(text.contains("554 5.7.1 <our address>: Sender address rejected"), "{text}");
        assert!(!text.contains("wxyz7654"), "{text}");
        // What it has against a recipient is about the recipient.
        let verdict = send(security, SERVICE, "nobody@unwanted.example").await;
        assert!(matches!(&verdict, Verdict::Refused(reply) if reply.code == 554), "{security:?}: {verdict:?}");
        let verdict = send(security, SERVICE, "p1@hasty.example").await;
        let Verdict::Deferred { reply: Some(reply), scope: Scope::Letter, .. } = &verdict else {
            panic!("{security:?}: {verdict:?}")
        };
        assert_eq!((reply.code, reply.enhanced()), (450, Some("4.7.28")), "{security:?}");
    }
}

#[tokio::test]
async fn a_server_without_starttls_gets_nothing() {
    if !can_run() {
        return;
    }
    let sink = Sink::start(&[]);
    let verdict = send(bare_smtp(sink.port, Security::StartTls)).await;
    let Verdict::Unreachable { trouble: Trouble::Tls, text } = &verdict else { panic!("{verdict:?}") };
    assert!(text.contains("does not offer STARTTLS"), "{text}");
}

#[tokio::test]
async fn nobody_there_or_nobody_answers() {
    let [nobody] = free_ports();
    let verdict = send(bare_smtp(nobody, Security::Bare)).await;
    let Verdict::Unreachable { trouble: Trouble::Connection, text } = &verdict else { panic!("{verdict:?}") };
    assert!(text.contains("is the mail server running"), "{text}");
    // The system accepts the connection, nobody speaks.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    for security in [Security::Bare, Security::StartTls] {
        let settings = bare_smtp(mute.local_addr().unwrap().port(), security);
        let verdict = send(SmtpSettings { timeout_seconds: 1, ..settings }).await;
        assert!(matches!(verdict, Verdict::Unreachable { trouble: Trouble::TimedOut, .. }), "{verdict:?}");
    }
}

/// Sends two letters by a sink with these options and gives the verdict, which must be the same for both.
async fn verdict_of_sink(options: &[&str]) -> Verdict {
    let sink = Sink::start(options);
    let transport = transport(bare_smtp(sink.port, Security::Bare));
    let first = transport.send(&envelope("a@example.jp"), LETTER).await;
    let second = transport.send(&envelope("a@example.jp"), LETTER).await;
    assert_eq!(first, second, "{options:?}");
    first
}

#[tokio::test]
async fn each_failure_at_each_point_has_its_meaning() {
    if !can_run() {
        return;
    }
    let cases: [(&[&str], &str); 16] = [
        (&[], "sent"),
        (&["-r", "RCPT"], "letter waits"),
        (&["-r", "DATA"], "letter waits"),
        (&["-r", "."], "letter waits"),
        (&["-r", "MAIL"], "server waits"),
        (&["-f", "MAIL"], "unusable Sender"),
        (&["-f", "RCPT"], "failed"),
        (&["-f", "."], "failed"),
        (&["-Q", "MAIL"], "server waits"),
        (&["-Q", "RCPT"], "server waits"),
        (&["-Q", "."], "server waits"),
        (&["-q", "RCPT"], "server waits"),
        (&["-q", "DATA"], "server waits"),
        (&["-q", "."], "perhaps sent"),
        (&["-f", "CONNECT"], "unusable Unwelcome"),
        (&["-q", "CONNECT"], "unusable Connection"),
    ];
    for (options, meaning) in cases {
        let verdict = verdict_of_sink(options).await;
        let told = match &verdict {
            Verdict::Accepted(_) => "sent".to_owned(),
            Verdict::Refused(reply) => {
                assert!(reply.code >= 500 && reply.enhanced().is_some(), "{reply}");
                "failed".to_owned()
            }
            Verdict::Deferred { maybe_sent: true, .. } => "perhaps sent".to_owned(),
            Verdict::Deferred { scope: Scope::Letter, .. } => "letter waits".to_owned(),
            Verdict::Deferred { scope: Scope::Host, .. } => "server waits".to_owned(),
            Verdict::Unreachable { trouble, .. } => format!("unusable {trouble:?}"),
        };
        assert_eq!(told, meaning, "{options:?}: {verdict:?}");
    }
}

#[tokio::test]
async fn a_parked_connection_that_died_costs_no_letter() {
    if !can_run() {
        return;
    }
    let sink = Sink::start(&[]);
    let port = sink.port;
    let transport = transport(bare_smtp(port, Security::Bare));
    assert!(matches!(transport.send(&envelope("a@example.jp"), LETTER).await, Verdict::Accepted(_)));
    drop(sink);
    let _sink = Sink::start_at(port, &[]);
    let verdict = transport.send(&envelope("a@example.jp"), LETTER).await;
    assert!(matches!(verdict, Verdict::Accepted(_)), "{verdict:?}");
}
