//! The post office over TCP, as a browser without scripts uses it, and as an attacker tries it.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::demo::Demo;

/// The words of a form as the page's sample fills it in, for a subject of that reference.
fn registration(reference: &str) -> String {
    let today = crate::demo::today();
    // A browser ends lines with CRLF.
    format!(
        "施設コード：０１１\r\n識別番号：{reference}\r\n同意取得日：{today}\r\n年齢：５８歳\r\n性別：男\r\n病期：ＩＩ期\r\nECOG PS：０\r\n"
    )
}

#[test]
fn a_form_without_scripts_enrolls_and_a_reply_confirms() {
    let demo = Demo::start();
    let guard = demo.guard();
    let send = |to: &str, reply: &str, body: &str| {
        let fields = [
            ("lang", "ja"),
            ("guard", &guard),
            ("writer", "aurora/yamada@example.jp"),
            ("to", to),
            ("subject", "[AURORA] 症例登録のお願い(長い件名でも一通のメールとして読み取られること)"),
            ("body", body),
            ("reply", reply),
        ];
        let (status, answer) = demo.post(&fields, &format!("Origin: http://{}\r\n", demo.address));
        assert_eq!(status, 303, "{answer}");
        let place = answer.split("location: ").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("a place");
        let path = place.split('#').next().unwrap_or_default().to_string();
        let (status, page) = demo.get(&path);
        assert_eq!(status, 200);
        page
    };
    let page = send("reg@example.jp", "", &registration("Ｙ－０９０１"));
    let newest = page.split("<article").nth(1).expect("a mail");
    assert!(newest.contains("class=\"fresh\">新着"), "{newest}");
    assert!(newest.contains("登録しました") && newest.contains("AURORA-0005"), "{newest}");
    assert!(newest.contains("<th scope=\"row\">病期</th><td>II</td>"), "{newest}");

    // A letter's HTML is a page that may do nothing.
    let html = newest.split("src=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an HTML letter");
    let (status, letter) = demo.get(html);
    assert_eq!(status, 200);
    assert!(letter.contains("sandbox") && letter.contains("default-src 'none'; style-src 'unsafe-inline'"), "{letter}");
    assert!(letter.contains("症例登録を受け付けました。"), "{letter}");

    // An unusual value is confirmed by a reply; the link of the letter fills the form in.
    let page = send("reg@example.jp", "", &registration("Y-0902").replace("５８歳", "88"));
    let newest = page.split("<article").nth(1).expect("a mail");
    let link =
        newest.split("class=\"act\" href=\"").nth(1).and_then(|rest| rest.split('#').next()).expect("a reply link");
    assert!(newest.contains("返信して確認する"), "{newest}");
    let reply = link.rsplit('=').next().expect("a number").to_string();
    let (_, form) = demo.get(&link.replace("&amp;", "&"));
    let to = form.split("name=\"to\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an address");
    assert!(to.starts_with("reg+c."), "{to}");
    let page = send(to, &reply, "OK");
    assert!(page.split("<article").nth(1).is_some_and(|mail| mail.contains("AURORA-0006")), "{page}");
}

#[test]
fn a_hostile_mail_is_shown_as_text() {
    let demo = Demo::start();
    let guard = demo.guard();
    let hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{guard}}";
    let (status, _) = demo.post(
        &[
            ("lang", "en"),
            ("guard", &guard),
            ("writer", "aurora/miller@example.org"),
            ("to", "reg@example.jp"),
            ("subject", &format!("[AURORA] enroll {hostile}\r\nBcc: victim@example.net\r\n\r\nSite: 999")),
            (
                "body",
                &format!("Site: {hostile}\r\nSubject ref: {hostile}\r\nConsent date: {hostile}\r\n{hostile}: 1\r\n"),
            ),
        ],
        "",
    );
    assert_eq!(status, 303);
    for language in ["en", "ja"] {
        let (_, page) = demo.get(&format!("/?lang={language}&sample=%22%3E%3Cscript%3E&since=%27&reply=-1"));
        assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
        assert!(!page.contains("<script>alert") && !page.contains("<img") && !page.contains("\"><script"), "{page}");
        let newest = page.split("<article").nth(1).expect("a mail");
        assert!(newest.contains("Bcc: victim@example.net"), "the subject stayed one line: {newest}");
        assert!(!newest.contains(&guard), "a mail's braces are not a template's");
        if let Some(html) = newest.split("src=\"/letters").nth(1).and_then(|rest| rest.split('"').next()) {
            let (_, letter) = demo.get(&format!("/letters{html}"));
            assert!(!letter.contains("<script>alert") && !letter.contains("<img"), "{letter}");
        }
    }
}

#[test]
fn only_the_page_itself_can_send() {
    let demo = Demo::start();
    let (guard, host) = (demo.guard(), demo.address.to_string());
    let fields = |guard: &'static str, to: &'static str, writer: &'static str| {
        [("lang", "en"), ("guard", guard), ("writer", writer), ("to", to), ("subject", "kept subject"), ("body", "x")]
    };
    let count = |demo: &Demo| demo.get("/post-office/count").1.lines().last().map(str::to_string);
    let before = count(&demo);
    let guard: &'static str = Box::leak(guard.into_boxed_str());
    let miller = "aurora/miller@example.org";

    let (status, page) = demo.post(&fields("0123", "reg@example.jp", miller), "");
    assert_eq!(status, 403);
    assert!(page.contains("role=\"alert\"") && page.contains("kept subject"), "what was written is kept: {page}");
    assert_eq!(demo.post(&fields(guard, "reg@example.jp", miller), "Origin: http://evil.example\r\n").0, 421);
    assert_eq!(demo.post(&fields(guard, "reg@example.jp", miller), "Origin: null\r\n").0, 421);
    let cross = "Origin: null\r\nSec-Fetch-Site: cross-site\r\n";
    assert_eq!(demo.post(&fields(guard, "reg@example.jp", miller), cross).0, 421);
    // What Chromium says when the page itself sends its form.
    let own = "Origin: null\r\nSec-Fetch-Site: same-origin\r\n";
    assert_eq!(demo.post(&fields(guard, "somebody@example.net", miller), own).0, 422);
    assert_eq!(demo.post(&fields(guard, "reg@example.jp", "aurora/nobody@example.net"), "").0, 422);
    assert_eq!(demo.post(&fields(guard, "somebody@example.net", miller), "").0, 422);
    assert_eq!(demo.post(&fields(guard, "reg+a\r\nBcc: x@example.jp", miller), "").0, 422);

    let long = "あ".repeat(20_001);
    let mut posted = fields(guard, "reg@example.jp", miller).to_vec();
    posted[5].1 = &long;
    assert_eq!(demo.post(&posted, "").0, 413);
    let longer = "x".repeat(300_000);
    posted[5].1 = &longer;
    assert_eq!(demo.post(&posted, "").0, 413);
    assert_eq!(count(&demo), before, "none of them was sent");
    // As long as the form allows passes the limit of bodies.
    let allowed = "あ".repeat(20_000);
    posted[5].1 = &allowed;
    assert_eq!(demo.post(&posted, "").0, 303);

    for name in ["evil.example", "127.0.0.1.evil.example", &host.replace("127.0.0.1", "10.0.0.1"), ""] {
        let (status, _) = demo.ask(&format!("GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"));
        assert!(status == 421 || status == 400, "{name}: {status}");
    }
    let local = host.replace("127.0.0.1", "localhost");
    assert_eq!(demo.ask(&format!("GET / HTTP/1.1\r\nHost: {local}\r\nConnection: close\r\n\r\n")).0, 200);
    for path in
        ["/../hagaki.db", "/hagaki.db", "/letters/../../hagaki.db/html", "/letters/%2e%2e/html", "/post-office.css/.."]
    {
        let (status, answer) = demo.get(path);
        assert!((400..500).contains(&status) && !answer.contains("SQLite"), "{path}: {status}");
    }
    assert_eq!(demo.get("/letters/999999/html").0, 404);
    let (_, answer) = demo.get("/");
    for header in
        ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff", "cache-control: no-store"]
    {
        assert!(answer.contains(header), "{header}");
    }
}

#[test]
fn the_other_language_keeps_the_place_and_every_control_has_its_label() {
    let demo = Demo::start();
    let (_, page) = demo.get("/?lang=en&sample=aurora-doubt&since=3");
    let page = page.replace("&#x3D;", "=");
    assert!(page.contains("href=\"/?lang=ja&amp;sample=aurora-doubt&amp;since=3\""), "{page}");
    let (_, page) = demo.get("/?lang=ja&sample=aurora-doubt&since=3");
    assert!(
        page.contains("lang=\"ja\"") && page.contains("AURORA：確認の必要な値") && !page.contains("to be confirmed")
    );
    for control in ["writer", "to", "subject", "body"] {
        assert!(page.contains(&format!("<label for=\"{control}\">")) && page.contains(&format!("id=\"{control}\"")));
    }
    // Without a wish the browser's first language counts.
    let (_, asked) = demo.ask(&format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nAccept-Language: ja-JP,en;q=0.5\r\nConnection: close\r\n\r\n",
        demo.address
    ));
    assert!(asked.contains("<h1>郵便局</h1>"));
    let order: Vec<usize> =
        page.split("id=\"mail-").skip(1).filter_map(|rest| rest.split('"').next()?.parse().ok()).collect();
    assert!(order.len() >= 16 && order.is_sorted_by(|a, b| a > b), "newest first: {order:?}");
}

/// Debian's Chromium renders the page with scripts on: nothing is refused by the page's own policy, nothing is wider
/// than a phone.
#[test]
fn a_real_browser_shows_it() {
    let chromium = Path::new("/usr/bin/chromium");
    if !chromium.exists() {
        assert!(
            std::env::var_os("HAGAKI_TESTS_COMPLETE").is_none(),
            "Chromium is not installed (apt install chromium)"
        );
        eprintln!("left out: no /usr/bin/chromium on this machine");
        return;
    }
    let demo = Demo::start();
    let profile = tempfile::tempdir().expect("a folder");
    let shot = profile.path().join("page.png");
    let browser = |more: &[&str], path: &str| {
        let output = Command::new(chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=500,2000"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(more)
            .arg(format!("http://{}{path}", demo.address))
            .stdin(Stdio::null())
            .output()
            .expect("Chromium runs");
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!complaints.contains("Content Security Policy") && !complaints.contains("Uncaught"), "{complaints}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let page = browser(&["--dump-dom"], "/?lang=ja&since=0");
    assert!(page.contains("<h1>郵便局</h1>") && page.contains("id=\"mail-16\""), "{page}");
    let screenshot = format!("--screenshot={}", shot.display());
    browser(&[&screenshot], "/?lang=en");
    assert!(std::fs::metadata(&shot).is_ok_and(|data| data.len() > 20_000), "a page with content");
}
