//! Further mails of the kinds that the corpus lists, built here because they differ in a line or a byte only.

use super::*;

/// A mail in the making: header fields in order, and a body of bytes.
#[derive(Clone)]
struct Mail {
    header: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

const DATA: &str = "Site: 012\nSubject ref: A-0031\nAge: 65\nSex: F\nECOG PS: 1\nConsent date: 2026-11-01\n";
const JAPANESE: &str =
    "施設コード：０１２\n識別番号：Ａ－００３１\n年齢：６５\n性別：女\nECOG PS：１\n同意取得日：令和８年１１月１日\n";
const PASS: &str = "mx.example.jp; spf=pass smtp.mailfrom=example.jp; dmarc=pass header.from=example.jp";

/// A good registration by a known investigator.
fn good() -> Mail {
    let header = [
        ("Return-Path", "<yamada@example.jp>"),
        ("Delivered-To", "reg@example.jp"),
        ("Received", "from mua.example.jp by mx.example.jp with ESMTPS id X; Fri, 20 Nov 2026 09:00:01 +0900"),
        ("Authentication-Results", PASS),
        ("Date", "Fri, 20 Nov 2026 09:00:00 +0900"),
        ("From", "\"Yamada Taro\" <yamada@example.jp>"),
        ("To", "reg@example.jp"),
        ("Subject", "[STUDY-A] registration"),
        ("Message-ID", "<odd@mua.example.jp>"),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=utf-8"),
    ];
    let header = header.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    Mail { header: header.to_vec(), body: DATA.as_bytes().to_vec() }
}

impl Mail {
    /// With a field changed, or added at the end.
    fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Mail {
        let value = value.as_ref().to_vec();
        match self.header.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value,
            None => self.header.push((name.to_string(), value)),
        }
        self
    }

    /// With one more field, even of a name that is there.
    fn add(mut self, name: &str, value: impl AsRef<[u8]>) -> Mail {
        self.header.push((name.to_string(), value.as_ref().to_vec()));
        self
    }

    fn on_top(mut self, name: &str, value: &str) -> Mail {
        self.header.insert(0, (name.to_string(), value.as_bytes().to_vec()));
        self
    }

    fn without(mut self, name: &str) -> Mail {
        self.header.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
        self
    }

    fn body(mut self, body: impl AsRef<[u8]>) -> Mail {
        self.body = body.as_ref().to_vec();
        self
    }

    fn typed(self, content_type: &str, body: impl AsRef<[u8]>) -> Mail {
        self.with("Content-Type", content_type).body(body)
    }

    fn encoded(self, encoding: &str) -> Mail {
        self.with("Content-Transfer-Encoding", encoding)
    }

    /// A multipart of whole parts (header, empty line, body).
    fn parts(self, kind: &str, parts: &[&str]) -> Mail {
        let body: String = parts.iter().map(|part| format!("--=_b\n{part}\n")).collect();
        self.typed(&format!("multipart/{kind}; boundary=\"=_b\""), format!("{body}--=_b--\n"))
    }

    fn raw(&self) -> Vec<u8> {
        let mut raw = Vec::new();
        for (name, value) in &self.header {
            raw.extend_from_slice(name.as_bytes());
            raw.extend_from_slice(b": ");
            raw.extend_from_slice(value);
            raw.push(b'\n');
        }
        raw.push(b'\n');
        raw.extend_from_slice(&self.body);
        raw
    }
}

/// Reads a mail with LF and with CRLF, which must not matter, and returns its disposition and why.
fn read_as(mail: &Mail) -> (Reading, String) {
    let study = study_a();
    let reading = reading(&study, &mail.raw());
    if !mail.raw().contains(&b'\r') {
        let crlf = super::reading(&study, &to_crlf(&mail.raw()));
        let parts = |r: &Reading| {
            (r.disposition, r.reasons.clone(), r.request.clone(), r.bounce.clone(), r.content_digest.clone())
        };
        assert_eq!(parts(&reading), parts(&crlf), "line ends matter");
    }
    let mut shown = reading.disposition.key().to_string();
    for reason in &reading.reasons {
        shown += &format!(" {}", reason.key());
    }
    for fault in reading.form().into_iter().flat_map(|form| &form.faults) {
        shown += &format!(" {}:{}", fault.code.key(), fault.item);
    }
    (reading, shown)
}

#[track_caller]
fn expect(mail: Mail, shown: &str) -> Reading {
    let (reading, got) = read_as(&mail);
    assert_eq!(got, shown, "{}\n{}", String::from_utf8_lossy(&mail.raw()), reading.text);
    if reading.disposition.key() == "register" {
        let fields = reading.form().expect("a form").canonical();
        let found =
            ["site_code", "subject_ref", "age", "sex", "ecog_ps", "consent_date"].map(|item| fields[item].clone());
        assert_eq!(found, ["012", "A-0031", "65", "F", "1", "2026-11-01"]);
    }
    reading
}

#[track_caller]
fn expect_request(mail: Mail, key: &str) -> Reading {
    let reading = expect(mail, "reply");
    assert_eq!(reading.request.as_ref().expect("a request").act.key(), key);
    reading
}

mod charsets {
    use super::*;
    use encoding_rs::{EUC_JP, ISO_2022_JP, SHIFT_JIS};

    #[test]
    fn under_any_label_or_none() {
        let bytes = |encoding: &'static encoding_rs::Encoding| encoding.encode(JAPANESE).0.into_owned();
        let labels = [
            "text/plain",
            "text/plain; charset=us-ascii",
            "text/plain; charset=utf-8",
            "text/plain; charset=Shift_JIS",
            "text/plain; charset=\"EUC-JP\"",
            "text/plain; charset=iso-8859-1",
            "text/plain; charset=x-unknown-thing",
            "text/plain; charset=ISO-2022-JP",
        ];
        for label in labels {
            for (name, body) in [
                ("utf-8", JAPANESE.as_bytes().to_vec()),
                ("shift_jis", bytes(SHIFT_JIS)),
                ("euc-jp", bytes(EUC_JP)),
                ("iso-2022-jp", bytes(ISO_2022_JP)),
            ] {
                let reading = expect(good().typed(label, body), "register");
                let told = label.to_lowercase().ends_with(&format!("charset={name}"))
                    || label.contains("\"EUC-JP\"") && name == "euc-jp";
                assert_eq!(reading.charset_guess, (!told).then_some(name), "{label}");
            }
        }
        expect(good().without("Content-Type").without("MIME-Version").body(bytes(ISO_2022_JP)), "register");
    }

    #[test]
    fn in_any_transfer_encoding() {
        let euc = EUC_JP.encode(JAPANESE).0.into_owned();
        let quoted: String =
            euc.iter().map(|byte| if *byte == b'\n' { "\n".into() } else { format!("={byte:02x}") }).collect();
        expect(good().typed("text/plain; charset=euc-jp", quoted).encoded("quoted-printable"), "register");
        let base64 = data_encoding::BASE64.encode(&SHIFT_JIS.encode(JAPANESE).0);
        expect(good().typed("text/plain; charset=cp932", base64).encoded("BASE64"), "register");
        expect(good().encoded("8bit"), "register");
        expect(good().encoded("x-uuencode"), "quarantine cte-unknown");
        expect(good().encoded("quoted-printable").body("Age = 65"), "quarantine cte-broken");
        let lines: Vec<String> = data_encoding::BASE64
            .encode(DATA.as_bytes())
            .as_bytes()
            .chunks(7)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        expect(good().encoded("base64").body(lines.join("\n \t")), "register");
        expect(good().encoded("base64").body("U2l0ZTogMDEyCg=\nAge: 65"), "quarantine cte-broken");
    }

    #[test]
    fn of_japanese_mail_as_it_is_sent() {
        let katakana = "\u{1b}$B;\\@_\u{1b}(I:0D^\u{1b}(B: 012\n";
        let rest = "Subject ref: A-0031\nAge: 65\nSex: F\nECOG PS: 1\nConsent date: 2026-11-01\n";
        expect(good().typed("text/plain; charset=cp50220", format!("{katakana}{rest}")), "register");
        let shifted = "\u{1b}$B;\\@_\u{1b}(B\u{e}:0D^\u{f}: 012\n";
        expect(good().typed("text/plain; charset=cp50222", format!("{shifted}{rest}")), "register");
        let mut eight_bit = b"\x1b$B;\\@_\x1b(B\xba\xb0\xc4\xde: 012\n".to_vec();
        eight_bit.extend_from_slice(rest.as_bytes());
        expect(good().typed("text/plain; charset=ISO-2022-JP", eight_bit), "register");
        let open = "\u{1b}$B;\\@_%3!<%I\u{1b}(B: 012\n\u{1b}$BG/Np\u{1b}(B: 65\n\u{1b}$BHw9M\u{1b}(B: \u{1b}$B$J$7\nSubject ref: A-0031\nSex: F\nECOG PS: 1\nConsent date: 2026-11-01\n";
        expect(good().typed("text/plain; charset=ISO-2022-JP", open), "register");
    }

    #[test]
    fn that_cannot_be_told_are_refused() {
        expect(good().typed("text/plain; charset=utf-7", "+ZS2jLTCzMPww+Q-: 012"), "reply_error charset:body");
        expect(
            good().typed("text/plain; charset=utf-8", b"Age: \xff\x80\x81 65".as_slice()),
            "reply_error charset:body",
        );
        expect(good().typed("text/plain; charset=utf-8; charset=shift_jis", DATA), "quarantine ambiguous-structure");
        let utf16: Vec<u8> = JAPANESE.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let base64 = data_encoding::BASE64.encode(&utf16);
        expect(good().typed("text/plain; charset=utf-16be", base64).encoded("base64"), "register");
    }
}

mod texts {
    use super::*;

    #[test]
    fn full_width_forms_and_odd_blanks() {
        expect(good().body(JAPANESE), "register");
        expect(good().body("\u{feff}\u{3000}Ｓｉｔｅ\u{a0}＝\u{3000}０１２\n・Subject ref：Ａ‐００３１\n(3) Age\t65\nSEX ： Ｆ\nEcog\u{200b} ps:１\nConsent date: 2026年11月1日\n"), "register");
    }

    #[test]
    fn flowed_text() {
        let body = " Site: 012\nSubject ref: A-0031\nAge: 65\nSex: F\nECOG PS: 1\nConsent date: 2026-11-01\nRemarks: a long \nline\n-- \nAge: 66\n";
        let reading = expect(good().typed("text/plain; charset=utf-8; format=flowed", body), "register");
        assert_eq!(reading.form().expect("a form").value("remarks").as_deref(), Some("a long line"));
    }

    #[test]
    fn html_alone() {
        let rows: String = JAPANESE
            .lines()
            .map(|line| {
                line.split_once('：')
                    .map(|(key, value)| format!("<tr><td>{key}</td><td><p>{value}</p></td></tr>"))
                    .expect("a pair")
            })
            .collect();
        expect(good().typed("text/html; charset=utf-8", format!("<table>{rows}</table>")), "register");
        let hidden = format!("<div style=\"display:none\">年齢: 99</div>{}", JAPANESE.replace('\n', "<br>"));
        expect(good().typed("text/html; charset=utf-8", hidden), "register");
        let quoted = format!("{}<blockquote>Age: 66</blockquote>", DATA.replace('\n', "<br>"));
        expect(good().typed("text/html; charset=utf-8", quoted), "register");
        let (sjis, _, _) = encoding_rs::SHIFT_JIS.encode(JAPANESE);
        let mut page = b"<html><head><meta charset=\"shift_jis\"></head><body><pre>".to_vec();
        page.extend_from_slice(&sjis);
        assert_eq!(expect(good().typed("text/html", page), "register").charset_guess, None);
    }

    #[test]
    fn quotations_and_their_introductions() {
        for tail in [
            "> Age: 66",
            "On Thu, 19 Nov 2026 at 10:00, Study A <reg@example.jp> wrote:\n> Age: 66",
            "On Thu, 19 Nov 2026 at 10:00, Study A\n<reg@example.jp> wrote:\n\nAge: 66",
            "2026年11月19日(木) 10:00 Study A <reg@example.jp>:\nAge: 66",
            "2026/11/19 10:00、Study A <reg@example.jp>のメール:\nAge: 66",
            "regさんは書きました:\nAge: 66",
            "-----Original Message-----\nAge: 66",
            "----- 元のメッセージ -----\n年齢: 66",
            "________________________________\nFrom: reg@example.jp\nSent: Thursday\nTo: yamada@example.jp\nSubject: x\n\nAge: 66",
            "差出人: reg@example.jp\n送信日時: 2026年11月19日\n宛先: yamada@example.jp\n件名: x\n\n年齢: 66",
            "-- \nAge: 66",
            "--\nYamada\nTEL: 1",
            "━━━━━━━━━━\n枚方病院\nSite: Hirakata\n━━━━━━━━━━",
            "***********\nSite: www.example.jp\n***********",
            "Sent from my iPhone",
            "iPhoneから送信",
            "Android 版 Outlook を入手",
        ] {
            expect(good().body(format!("{DATA}\n{tail}\n")), "register");
        }
        let below = format!("On Thu, 19 Nov 2026, reg@example.jp wrote:\n> Age: 66\n>\n\n{DATA}");
        expect(good().body(below), "register");
    }

    #[test]
    fn alternatives_that_disagree_are_held() {
        let plain = format!("Content-Type: text/plain\n\n{DATA}");
        let html = |text: &str| format!("Content-Type: text/html\n\n{}", text.replace('\n', "<br>"));
        expect(good().parts("alternative", &[&plain, &html(DATA)]), "register");
        expect(good().parts("alternative", &[&plain, &html(&DATA.replace("65", "66"))]), "quarantine twins-differ");
        expect(good().parts("alternative", &[&plain, &html("Dear all,\nno data here")]), "quarantine twins-differ");
        let more = format!("{DATA}Remarks: more\n");
        expect(good().parts("alternative", &[&plain, &html(&more)]), "quarantine twins-differ");
        expect(good().parts("alternative", &["\n", &html(DATA)]), "register");
        let divs = html(&DATA.replace(": ", "</div><div>"));
        expect(good().parts("alternative", &[&plain, &divs]), "register");
    }

    #[test]
    fn data_that_is_not_the_text() {
        let inside = format!("Content-Type: message/rfc822\n\nFrom: yamada@example.jp\n\n{DATA}");
        expect(good().parts("mixed", &["\n", &inside]), "reply_error empty:body");
        expect(good().typed("message/rfc822", format!("From: yamada@example.jp\n\n{DATA}")), "reply_error empty:body");
        let file =
            format!("Content-Type: text/plain; name=a.txt\nContent-Disposition: attachment; filename=a.txt\n\n{DATA}");
        expect(good().parts("mixed", &["\nsee attachment", &file]), "reply_error empty:body");
        let csv = format!("Content-Type: text/csv\n\n{DATA}");
        expect(good().parts("mixed", &["\n", &csv]), "reply_error empty:body");
    }

    #[test]
    fn what_cannot_be_opened_is_told() {
        let tnef =
            "Content-Type: application/ms-tnef; name=\"winmail.dat\"\nContent-Transfer-Encoding: base64\n\neJ8+IgAA";
        expect(good().parts("mixed", &["\n", tnef]), "reply_error tnef empty:body");
        expect(good().typed("application/ms-tnef", "x"), "reply_error tnef empty:body");
        expect(
            good().typed("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", "x"),
            "reply_error encrypted empty:body",
        );
        expect(
            good().body("-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n"),
            "reply_error encrypted empty:body",
        );
    }

    #[test]
    fn signed_mail() {
        let text = format!("Content-Type: text/plain\n\n{DATA}");
        expect(good().parts("signed", &[&text, "Content-Type: application/pkcs7-signature\n\nAAAA"]), "register");
    }

    #[test]
    fn a_text_that_answers_nothing_leaves_the_word_to_its_html() {
        let html = |more: &str| {
            let rows: String = DATA.lines().map(|line| format!("<div>{line}</div>")).collect();
            format!("Content-Type: text/html; charset=utf-8\n\n{more}{rows}")
        };
        let plain = "Content-Type: text/plain\n\nThis mail needs a program that shows HTML.";
        expect(good().parts("alternative", &[plain, &html("")]), "register");
        expect(
            good().parts("alternative", &[plain, &html("<p>Please withdraw this patient.</p>")]),
            "quarantine other-request",
        );
    }

    #[test]
    fn no_data_and_prose_are_answered() {
        expect(good().body("\n"), "reply_error empty:body");
        expect(good().body("Please enroll my patient.\n"), "reply_error empty:body");
        expect(good().body("TEL: 00-0000-0000\n"), "reply_error empty:body");
        expect(good().body(""), "reply_error empty:body");
    }

    #[test]
    fn controls_in_values() {
        expect(good().body(DATA.replace("65", "6\u{202e}5")), "reply_error control:age");
        expect(good().body(DATA.replace("65", "6\u{7}5")), "reply_error control:age");
    }
}

mod senders {
    use super::*;

    #[test]
    fn one_mailbox_in_one_field() {
        expect(good().with("From", "yamada@example.jp, sato@example.jp"), "quarantine multiple-from");
        expect(good().add("From", "yamada@example.jp"), "quarantine multiple-from");
        expect(good().add("From", "attacker@example.org").with("From", ""), "quarantine multiple-from");
        expect(good().without("From"), "quarantine no-from");
        expect(good().with("From", "Doctors: yamada@example.jp;"), "quarantine from-syntax");
        expect(good().with("From", "undisclosed-recipients:;"), "quarantine from-syntax");
        expect(good().with("From", "yamada@example.jp <attacker@example.org>"), "quarantine from-syntax");
        expect(good().with("From", "Yamada"), "quarantine from-syntax");
    }

    #[test]
    fn display_names_are_not_believed() {
        let spoofed = good().with("From", "\"yamada@example.jp\" <attacker@example.org>");
        expect(spoofed.clone(), "quarantine auth-fail");
        let aligned =
            spoofed.with("Authentication-Results", PASS.replace("header.from=example.jp", "header.from=example.org"));
        expect(aligned, "quarantine unknown-sender");
        expect(good().with("From", "=?utf-8?Q?attacker=40example.org?= <YAMADA@Example.JP>"), "register");
    }

    #[test]
    fn display_names_in_raw_bytes() {
        for name in [encoding_rs::ISO_2022_JP, encoding_rs::SHIFT_JIS, encoding_rs::EUC_JP, encoding_rs::UTF_8] {
            let (name, _, _) = name.encode("ソ連 表山田 太郎");
            expect(good().with("From", [&name, b" <yamada@example.jp>".as_slice()].concat()), "register");
        }
    }

    #[test]
    fn addresses_in_utf_8() {
        let reading = expect(good().with("From", "山田 <山田@example.jp>"), "register");
        assert_eq!(reading.person.as_deref(), Some("yamada-eai"));
        expect(good().with("From", "\"yamada\"@example.jp"), "register");
    }

    #[test]
    fn authentication_results() {
        let foreign = "mx.attacker.example; dmarc=pass header.from=example.jp";
        expect(good().with("Authentication-Results", foreign), "quarantine auth-none");
        expect(good().with("Authentication-Results", PASS.replace("dmarc=pass", "dmarc=fail")), "quarantine auth-fail");
        expect(good().with("Authentication-Results", PASS.replace("dmarc=pass", "dmarc=none")), "quarantine auth-none");
        expect(
            good().with("Authentication-Results", PASS.replace("header.from=example.jp", "header.from=evil.example")),
            "quarantine auth-fail",
        );
        expect(
            good().with("Authentication-Results", "mx.example.jp; spf=pass; dkim=pass header.d=example.jp"),
            "quarantine auth-none",
        );
        expect(good().with("Authentication-Results", "mx.example.jp; none"), "quarantine auth-none");
        // Ours says no on top; a forged yes came in with the mail.
        let forged = good().on_top("Authentication-Results", &PASS.replace("=pass", "=fail"));
        expect(forged, "quarantine auth-fail");
        expect(good().on_top("Authentication-Results", foreign), "register");
        let commented = "(x) mx.example.jp 1 (y);\n\tspf=pass (a; dmarc=fail) smtp.mailfrom=example.jp;\n\tdmarc=pass (p=none) header.from=example.jp";
        expect(good().with("Authentication-Results", commented), "register");
    }

    #[test]
    fn dates() {
        expect(good().with("Date", "Tue, 20 Oct 2026 09:00:00 +0900"), "quarantine stale-date");
        expect(good().with("Date", "Wed, 21 Oct 2026 10:00:00 +0900"), "register");
        expect(good().with("Date", "Mon, 23 Nov 2026 09:00:00 +0900"), "quarantine future-date");
        expect(good().with("Date", "Sat, 21 Nov 2026 09:00:00 +0900"), "register");
        expect(good().with("Date", "20 Nov 26 00:00 GMT (comment)"), "register");
        expect(good().with("Date", "some day"), "quarantine no-date");
        expect(good().without("Date"), "quarantine no-date");
    }

    #[test]
    fn without_a_message_id_the_content_is_the_key() {
        let one = expect(good().without("Message-ID"), "register");
        assert!(one.message_id.is_none() && one.message_key.starts_with("digest:"));
        let relayed = expect(good().without("Message-ID").on_top("Received", "from a by b"), "register");
        assert_eq!(one.message_key, relayed.message_key);
        let other = expect(good().without("Message-ID").body(format!("{DATA}Remarks: x\n")), "register");
        assert_ne!(one.message_key, other.message_key);
        let broken = expect(good().with("Message-ID", "<a b@c>\r\n X"), "register");
        assert_eq!(broken.message_id, None);
    }

    #[test]
    fn strangers_are_never_answered() {
        let stranger = good().with("From", "stranger@example.jp");
        expect(stranger.clone(), "quarantine unknown-sender");
        expect(stranger.with("Subject", "[STUDY-A] help"), "quarantine unknown-sender");
    }
}

mod automatic {
    use super::*;

    #[test]
    fn every_mark_silences() {
        for (name, value, reason) in [
            ("Auto-Submitted", "auto-generated", "auto-submitted"),
            ("Precedence", "bulk", "precedence"),
            ("Precedence", "junk", "precedence"),
            ("List-Unsubscribe", "<https://example.org/u>", "list"),
            ("X-ML-Name", "doctors", "list"),
            ("X-Autoreply", "yes", "auto-response"),
            ("X-Autoresponder", "vacation", "auto-response"),
            ("X-Auto-Response-Suppress", "All", "auto-response"),
            ("Return-Path", "<>", "null-sender"),
            ("Subject", "不在通知: [STUDY-A]", "automatic-subject"),
            ("Subject", "=?utf-8?B?44CQ6Ieq5YuV5b+c562U44CR?= [STUDY-A]", "automatic-subject"),
            ("Subject", "Out of office: [STUDY-A] registration", "automatic-subject"),
            ("X-Loop", "reg@example.jp", "own-mail"),
            ("Message-ID", "<out5@reg.example.jp>", "own-mail"),
        ] {
            expect(good().with(name, value), &format!("no_reply {reason}"));
        }
        expect(good().with("From", "reg+c.abc@example.jp"), "no_reply own-mail");
        expect(good().with("From", "noreply@example.jp"), "no_reply automatic-sender");
    }

    #[test]
    fn the_vacation_of_gmail() {
        let vacation = good()
            .with("Return-Path", "<>")
            .with("Delivered-To", "reg+b.17.f3a9@example.jp")
            .with("Auto-Submitted", "auto-replied")
            .add("Precedence", "bulk")
            .add("X-Autoreply", "yes")
            .with("Subject", "Re: [STUDY-A] your registration");
        let reading = expect(vacation, "no_reply auto-submitted precedence auto-response null-sender");
        assert!(reading.bounce.is_none(), "somebody who is away has got the letter");
    }

    #[test]
    fn reports_that_are_no_delivery_reports() {
        let complaint = good().parts(
            "report; report-type=feedback-report",
            &[
                "\nabuse",
                "Content-Type: message/feedback-report\n\nFeedback-Type: abuse",
                "Content-Type: message/rfc822\n\nSubject: x\n\nAge: 1",
            ],
        );
        assert!(expect(complaint, "no_reply feedback-report report").bounce.is_none());
        let receipt = good()
            .parts("mixed", &["\nread", "Content-Type: message/disposition-notification\n\nDisposition: x; displayed"]);
        expect(receipt, "no_reply mdn");
    }

    #[test]
    fn the_answer_of_a_person_to_our_letter_is_read() {
        let reply = good().add("In-Reply-To", "<out5@reg.example.jp>").add("References", "<a@b> <out5@reg.example.jp>");
        let reading = expect(reply.with("Subject", "Re: [STUDY-A] 登録できませんでした"), "register");
        assert_eq!(reading.references, ["out5@reg.example.jp", "a@b"]);
    }
}

mod bounces {
    use super::*;

    fn report(mail: Mail) -> (String, String, String, String) {
        let reading = expect(mail, "bounce");
        let report = reading.bounce.expect("a report");
        let text = |value: Option<String>| value.unwrap_or_default();
        (report.action.key().to_string(), text(report.status), text(report.recipient), text(report.verp))
    }

    fn row(action: &str, status: &str, recipient: &str) -> (String, String, String, String) {
        (action.into(), status.into(), recipient.into(), "b.17.f3a9".into())
    }

    fn daemon() -> Mail {
        good()
            .with("Return-Path", "<>")
            .with("Delivered-To", "reg+b.17.f3a9@example.jp")
            .with("From", "Mail Delivery Subsystem <MAILER-DAEMON@mail.example.org>")
            .with("Subject", "Returned mail: see transcript for details")
            .without("Authentication-Results")
    }

    fn standard(group: &str) -> Mail {
        daemon().parts(
            "report; report-type=delivery-status",
            &[
                "\nreport",
                &format!("Content-Type: message/delivery-status\n\nReporting-MTA: dns; mail.example.org\n\n{group}"),
                "Content-Type: text/rfc822-headers\n\nMessage-ID: <out17@reg.example.jp>\nSubject: x\n",
            ],
        )
    }

    #[test]
    fn standard_reports_of_every_action() {
        for (action, status) in [
            ("failed", "5.2.2"),
            ("delayed", "4.4.1"),
            ("delivered", "2.1.5"),
            ("relayed", "2.1.9"),
            ("expanded", "2.1.5"),
        ] {
            let group = format!("Final-Recipient: rfc822;sato@example.org\nAction: {action}\nStatus: {status}\n");
            assert_eq!(report(standard(&group)), row(action, status, "sato@example.org"));
        }
    }

    #[test]
    fn the_failed_one_of_several_recipients_counts() {
        let groups = "Final-Recipient: rfc822;a@example.org\nAction: delivered\nStatus: 2.0.0\n\nFinal-Recipient: rfc822; b@example.org\nAction: failed\nStatus: 5.1.1\n";
        assert_eq!(report(standard(groups)), row("failed", "5.1.1", "b@example.org"));
    }

    #[test]
    fn addresses_in_utf_8() {
        let mail = daemon().parts(
            "report; report-type=delivery-status",
            &["\nx", "Content-Type: message/global-delivery-status\n\nReporting-MTA: dns; x\n\nFinal-Recipient: utf-8; 佐藤@example.org\nAction: failed\nStatus: 5.1.1"],
        );
        assert_eq!(report(mail), row("failed", "5.1.1", "佐藤@example.org"));
    }

    #[test]
    fn reports_in_words() {
        for (subject, text, action, status) in [
            (
                "Undeliverable: [STUDY-A] x",
                "Delivery has failed to these recipients:\nsato@example.org\nDiagnostic information:\n#550 5.1.10 RESOLVER.ADR.RecipientNotFound ##",
                "failed",
                "5.1.10",
            ),
            (
                "Undelivered Mail Returned to Sender",
                "<sato@example.org>: host mx.example.org[192.0.2.7] said: 552 5.2.2 mailbox full (in reply to RCPT TO command)",
                "failed",
                "5.2.2",
            ),
            (
                "Mail System Error - Returned Mail",
                "The following recipient could not be reached:\n<sato@example.org>: 550 Unknown user sato@example.org",
                "failed",
                "5.1.1",
            ),
            (
                "メール配信エラー",
                "次のあて先へのメッセージはエラーのため送信できませんでした。\n\n送信先メールアドレスが見つかりません。\n<sato@example.org>",
                "failed",
                "5.1.1",
            ),
            (
                "Delivery Status Notification (Delay)",
                "Delivery to sato@example.org has been delayed. Will be retried.",
                "delayed",
                "",
            ),
            (
                "Warning: could not send message for past 4 hours",
                "sato@example.org: Deferred: 421 4.4.2 timeout\nwarning message only, will be retried",
                "delayed",
                "4.4.2",
            ),
        ] {
            assert_eq!(
                report(daemon().with("Subject", subject).body(text)),
                row(action, status, "sato@example.org"),
                "{subject}"
            );
        }
        let marked = daemon()
            .with("From", "x@example.org")
            .with("Subject", "x")
            .add("X-Failed-Recipients", "sato@example.org")
            .body("550 no");
        assert_eq!(report(marked), row("failed", "5.0.0", "sato@example.org"));
    }

    #[test]
    fn the_copy_inside_never_registers() {
        let mail = standard(&format!("Final-Recipient: rfc822;x@example.org\nAction: failed\nStatus: 5.1.1\n\n{DATA}"));
        assert!(expect(mail, "bounce").request.is_none());
    }

    #[test]
    fn a_person_who_forwards_a_report_is_a_person() {
        let mail = good().with("Subject", "[STUDY-A] what is this?").body("no data\n");
        expect(mail, "reply_error empty:body");
    }
}

mod structures {
    use super::*;

    #[test]
    fn limits() {
        expect(good().add("X-Big", "a".repeat(33 * 1024)), "quarantine header-size");
        expect(good().body(format!("{DATA}Remarks: {}\n", "a".repeat(33 * 1024))), "quarantine line-size");
        let text = "Content-Type: text/plain\n\nx";
        let mut parts = vec![format!("Content-Type: text/plain\n\n{DATA}")];
        parts.extend(std::iter::repeat_n(text.to_string(), 99));
        let whole = |parts: &[String]| good().parts("mixed", &parts.iter().map(String::as_str).collect::<Vec<_>>());
        expect(whole(&parts), "register");
        parts.push(text.to_string());
        expect(whole(&parts), "quarantine mime-parts");
        let nested = |depth: usize| {
            let mut part = format!("Content-Type: text/plain\n\n{DATA}");
            for level in 1..depth {
                part =
                    format!("Content-Type: multipart/mixed; boundary=n{level}n\n\n--n{level}n\n{part}\n--n{level}n--");
            }
            good().parts("mixed", &[&part])
        };
        expect(nested(20), "register");
        expect(nested(21), "quarantine mime-depth");
        let mut looping = good();
        for _ in 0..51 {
            looping = looping.on_top("Received", "from a by b");
        }
        expect(looping, "quarantine hops");
        let keys: String = (0..501).map(|at| format!("Key {at}: x\n")).collect();
        expect(good().body(format!("{DATA}{keys}")), "quarantine key-count");
        let long = "x\n".repeat(600 * 1024);
        expect(good().body(format!("{DATA}\n{long}")), "quarantine text-size");
    }

    #[test]
    fn doubled_fields() {
        for (name, value) in [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "7bit"),
            ("Subject", "[STUDY-A] registration"),
            ("Date", "Fri, 20 Nov 2026 09:00:00 +0900"),
            ("Message-ID", "<odd@mua.example.jp>"),
        ] {
            expect(good().with(name, value).add(name, value), "quarantine ambiguous-structure");
        }
    }

    #[test]
    fn fragments_and_bodies_elsewhere() {
        expect(good().typed("message/partial; id=a; number=1; total=2", DATA), "quarantine partial");
        expect(good().typed("message/external-body; access-type=URL", "\n"), "quarantine external-body");
        expect(
            good().parts("mixed", &["Content-Type: message/external-body; access-type=URL\n\nx"]),
            "quarantine external-body",
        );
    }

    #[test]
    fn boundary_tricks() {
        let text = format!("Content-Type: text/plain\n\n{DATA}");
        let with = |boundary: &str, body: &str| good().typed(&format!("multipart/mixed; {boundary}"), body);
        expect(with("boundary=b", &format!("--b\n{text}\n--b--\n")), "register");
        expect(with("boundary=\"b c\"", &format!("--b c\n{text}\n--b c--\n")), "register");
        expect(with("boundary=b", &format!("--b \t\n{text}\n--b")), "register");
        expect(with("x=y", &format!("--b\n{text}\n--b--\n")), "quarantine ambiguous-structure");
        expect(
            with("boundary=b", &format!("--b\n{text}\n--b-extra\nContent-Type: text/plain\n\nAge: 66\n--b--\n")),
            "quarantine ambiguous-structure",
        );
        expect(
            with("boundary=b", &format!("--b\n{text}\n--b--\n--b\n\nAge: 66\n--b--\n")),
            "quarantine ambiguous-structure",
        );
        expect(with("boundary=b", DATA), "quarantine ambiguous-structure");
        expect(with("boundary=b; boundary=c", &format!("--b\n{text}\n--b--\n")), "quarantine ambiguous-structure");
        expect(with("boundary=b", &format!("--b\n{text}\rX\r--b\r\n--b--\n")), "quarantine ambiguous-structure");
        expect(good().with("Subject", "x\rFrom: attacker@example.org"), "quarantine ambiguous-structure");
        let mut headless = good();
        headless.header.insert(5, ("no colon in this line\nX-A".into(), b"b".to_vec()));
        expect(headless, "quarantine ambiguous-structure");
    }
}

mod requests {
    use super::*;
    use hagaki::domain::language::Language;
    use hagaki::domain::request::Act;
    use hagaki::mail::reading::SubAddress;

    #[test]
    fn that_record_no_subject() {
        for (subject, key) in [
            ("[STUDY-A] help", "help"),
            ("[STUDY-A] ヘルプ", "help"),
            ("Re: 【STUDY-A】 使い方", "help"),
            ("[study-a] form", "form"),
            ("[STUDY-A] 登録用紙をください", "form"),
            ("[STUDY-A] status A-0031", "status"),
            ("[STUDY-A] 照会　Ａ－００３１", "status"),
        ] {
            let reading = expect_request(good().with("Subject", subject).body("\n"), key);
            if let Act::Status(reference) = &reading.request.expect("a request").act {
                assert_eq!(reference.as_deref(), Some("A-0031"));
            }
        }
        expect_request(good().with("Subject", "[STUDY-A] help").body(""), "help");
        let asked = expect_request(good().with("Subject", "[STUDY-A] status").body("Subject ref: A-0031\n"), "status");
        assert_eq!(asked.request.expect("a request").act, Act::Status(Some("A-0031".into())));
    }

    #[test]
    fn data_decide_before_words() {
        for subject in
            ["[STUDY-A] form", "Re: [STUDY-A] 登録用紙", "[STUDY-A] status", "[STUDY-A]", "STUDY-A", "", "Hello"]
        {
            expect(good().with("Subject", subject), "register");
        }
    }

    #[test]
    fn subjects_as_they_are_sent() {
        for subject in [
            "=?utf-8?B?W1NUVURZLUFdIOeXhw==?= =?utf-8?B?5L6L55m76Yyy?=".to_string(),
            "[STUDY-A]\n =?iso-2022-jp?B?GyRCPklOY0VQTz8bKEI=?=".to_string(),
            "［ＳＴＵＤＹ－Ａ］症例登録".to_string(),
            "[External] RE: [STUDY-A] registration".to_string(),
        ] {
            let reading = expect(good().with("Subject", subject), "register");
            assert_eq!(reading.study.as_deref(), Some("study-a"));
        }
        let raw = [b"[STUDY-A] ".as_slice(), &encoding_rs::SHIFT_JIS.encode("症例登録").0].concat();
        assert_eq!(expect(good().with("Subject", raw), "register").subject, "[STUDY-A] 症例登録");
    }

    #[test]
    fn for_another_study_are_held() {
        expect(good().with("Subject", "[STUDY-B] registration"), "quarantine unknown-study");
        expect(good().with("Delivered-To", "reg+study-b@example.jp"), "quarantine unknown-study");
        expect(good().with("Delivered-To", "reg+study-a@example.jp").with("Subject", "registration"), "register");
    }

    #[test]
    fn by_a_token_of_ours() {
        let reading =
            expect_request(good().with("Delivered-To", "REG+C.ABC234@example.jp").body("> quoted\n"), "confirm");
        assert_eq!(reading.request.expect("a request").act, Act::Confirm("abc234".into()));
        let reading = expect(good().with("To", "reg+s012.k7q2@example.jp"), "register");
        assert_eq!(reading.sub_address, Some(SubAddress::Site("s012.k7q2".into())));
    }

    #[test]
    fn are_answered_in_their_language() {
        let english = expect(good(), "register");
        assert_eq!(english.request.expect("a request").language, Language::En);
        let japanese = expect(good().body(JAPANESE), "register");
        assert_eq!(japanese.request.expect("a request").language, Language::Ja);
    }
}
