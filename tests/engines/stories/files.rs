//! Files as answers: sent on a page, kept from page to page, counted once, let out to whoever may see them; and what is not taken.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use hagaki::definition::Bundle;
use hagaki::domain::file::FileAnswer;
use hagaki::limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::cases::{REGISTRATION, Visit};
use super::members;
use super::survey::{invite, link_in, responses, serve, with};
use super::*;
use crate::browser::{Page, Served};
use crate::chromium::{self, Chromium};

/// A PDF of so many bytes.
fn pdf(bytes: usize) -> Vec<u8> {
    let mut all = b"%PDF-1.7\n".to_vec();
    all.resize(bytes, b'x');
    all
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01";

/// WELLBEING, answered once, which asks for a photograph or a letter in place of the remark.
fn asking(more: &str) -> Bundle {
    let file = format!("kind = \"file\"\ntypes = [\"pdf\", \"png\"]\nmax_size = \"300 KB\"\n{more}");
    let once =
        edited(&unscheduled(&samples::wellbeing()), "study.toml", "responses = \"repeat\"", "responses = \"once\"");
    let bundle = edited(&once, "instruments/weekly.toml", "kind = \"note\"", &file);
    edited(&bundle, "instruments/weekly.toml", "aliases = [\"気になったこと\", \"Anything else\"]\n", "")
}

/// What lies in the folder of files.
fn stored(center: &Center) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = center.files_folder();
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

async fn waiting(center: &Center) -> i64 {
    center.world.number("SELECT count(*) FROM file WHERE state = 'waiting'").await
}

fn hidden(hidden: &[(String, String)]) -> Vec<(&str, &str)> {
    hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Fills in the page with the file, and presses a button.
async fn send(
    pages: &Served,
    path: &str,
    page: &Page,
    typed: &[(&str, &str)],
    files: &[(&str, &str, &[u8])],
    step: &str,
) -> Page {
    let own = page.hidden();
    let fields: Vec<(&str, &str)> = hidden(&own).into_iter().chain(typed.iter().copied()).collect();
    pages.upload(path, &fields, files, step, "").await
}

/// The page with the file, everything before it answered.
async fn to_the_file(pages: &Served, path: &str) -> Page {
    let first = pages.get(&format!("{path}?lang=en")).await;
    let typed = [("day", "2026-11-01"), ("mood", "7"), ("pain", "no")];
    let first = pages.fill(path, &first, &typed, "answer").await;
    let page = pages.fill(path, &first, &[("slept", "7")], "answer").await;
    assert!(page.body.contains("enctype=\"multipart/form-data\"") && page.body.contains("type=\"file\""), "{page:?}");
    page
}

const REST: [(&str, &str); 3] = [("tired", "1"), ("worried", "1"), ("met", "3")];

fn answer_of(answers: &str) -> FileAnswer {
    let answers: BTreeMap<String, String> = serde_json::from_str(answers).unwrap();
    FileAnswer::parse(&answers["remark"]).unwrap()
}

async fn bytes_of(center: &Center, answer: &FileAnswer) -> Vec<u8> {
    let mut reading = center.process.calendar.files.read(answer).await.unwrap();
    let mut all = Vec::new();
    while let Some(piece) = reading.next().await.unwrap() {
        all.extend(piece);
    }
    all
}

/// `hagaki export` of the installation over this database; none where its settings hold no password.
fn exported(center: &Center, arguments: &[&str]) -> Option<(std::process::Output, tempfile::TempDir)> {
    let database = center.world.url.strip_prefix("sqlite:")?;
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    };
    let settings =
        include_str!("../../../config/demo/hagaki.toml").replace("sqlite:hagaki.db", &format!("sqlite:{database}"));
    write("hagaki.toml", &format!("{settings}\n[files]\nfolder = {:?}\n", center.files_folder()));
    write("secrets/keys", &"a".repeat(52));
    write("mailboxes/reg/mailbox.toml", include_str!("../../../config/demo/mailbox.toml"));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hagaki"));
    command.args(["export", "wellbeing", "--out", "out", "--by", "office", "--reason", "analysis"]).args(arguments);
    let output = command.current_dir(folder.path()).env_remove("HAGAKI_CONFIG").output().unwrap();
    Some((output, folder))
}

stories! {
    async fn a_file_is_kept_from_page_to_page_and_counts_once(center: &mut Center) {
        center.activate(&asking("required = true"), Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let path = link_in(issued[0].link.as_deref().unwrap());
        let page = to_the_file(&pages, &path).await;
        assert!(page.body.contains("a file (PDF, PNG; at most 300 KB)"), "{page:?}");
        let missing = send(&pages, &path, &page, &REST, &[("remark", "", b"")], "answer").await;
        assert!(missing.status == 422 && missing.body.contains("An answer is needed, a file (PDF, PNG"), "{missing:?}");

        // Sent with the button that keeps everything; the link alone brings it back.
        let plain = pdf(200_000);
        let kept = send(&pages, &path, &missing, &REST, &[("remark", "紹介状 1.pdf", &plain)], "keep").await;
        assert!(kept.status == 200 && kept.body.contains("紹介状 1.pdf (PDF, 200 KB)"), "{kept:?}");
        let again = pages.get(&format!("{path}?lang=en")).await;
        assert!(again.body.contains("紹介状 1.pdf (PDF, 200 KB)"), "{again:?}");
        // Back and forth, and to another language, without choosing it again.
        let back = send(&pages, &path, &again, &REST, &[("remark", "", b"")], "back").await;
        assert!(!back.body.contains("type=\"file\""), "{back:?}");
        let there = pages.fill(&path, &back, &[("slept", "7")], "answer").await;
        assert!(there.body.contains("紹介状 1.pdf"), "{there:?}");
        let spoken = send(&pages, &path, &there, &REST, &[("remark", "", b"")], "lang-ja").await;
        assert!(spoken.body.contains("受け取り済み") && spoken.body.contains("紹介状 1.pdf"), "{spoken:?}");
        let review = send(&pages, &path, &there, &REST, &[("remark", "", b"")], "answer").await;
        assert!(review.body.contains("Are these your answers?") && review.body.contains("紹介状 1.pdf (PDF, 200 KB)"), "{review:?}");
        assert_eq!((waiting(center).await, responses(center).await.len()), (1, 0));
        let sent = pages.fill(&path, &review, &[], "send").await;
        assert_eq!(sent.status, 303, "{sent:?}");
        let twice = pages.fill(&path, &review, &[], "send").await;
        let receipt = sent.location().split('&').next().unwrap().to_owned();
        assert!(twice.location().starts_with(&receipt), "{twice:?}");

        let all = responses(center).await;
        let answer = answer_of(&all[0].answers);
        assert_eq!((answer.bytes, answer.name.as_str()), (200_000, "紹介状 1.pdf"));
        assert_eq!(answer.digest, <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(&plain)));
        assert!(bytes_of(center, &answer).await == plain);
        // It lies sealed, under a name that tells nothing.
        let lying = stored(center);
        assert_eq!(lying.len(), 1);
        assert_eq!(lying[0].0.file_name().unwrap().to_str().unwrap(), answer.key.text());
        assert!(!lying[0].1.windows(16).any(|window| window == &plain[1_000..1_016]));
        // The table names it, and it is written where the table says.
        if let Some((output, folder)) = exported(center, &["--format", "csv", "--files", "files"]) {
            let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success() && said.contains("files: 1 file\n"), "{said}");
            let named = format!("{}/remark.pdf", all[0].id.text());
            let table = std::fs::read_to_string(folder.path().join("out/wellbeing-production-weekly.csv")).unwrap();
            assert!(table.contains(&named), "{table}");
            assert!(std::fs::read(folder.path().join("files").join(&named)).unwrap() == plain);
            // What was exchanged is told of, and not written.
            let (path, bytes) = stored(center).remove(0);
            std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
            let (output, folder) = exported(center, &["--format", "csv", "--files", "files"]).unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(3) && said.contains("1 file could not be written"), "{said}");
            assert!(!folder.path().join("files").join(&named).exists());
            std::fs::write(&path, bytes).unwrap();
        }
        // What counts is never swept.
        center.wind(400 * 24 * 3600);
        center.attend().await;
        assert_eq!(stored(center).len(), 1);
        // A mail is told where files are taken.
        const P0: Writer = Writer { address: "p0@example.jp", study: "wellbeing" };
        let refused = center.answer(&P0.writes("form", "")).await;
        assert!(refused.text.contains("a file is taken on the page alone"), "{}", refused.text);
    }

    async fn what_is_not_taken_is_told_and_nothing_else_is_lost(center: &mut Center) {
        center.activate(&asking(""), Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let path = link_in(issued[0].link.as_deref().unwrap());
        let page = to_the_file(&pages, &path).await;
        let html = b"<!DOCTYPE html><script>alert(1)</script>";
        let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>";
        let late = [&b"<html>"[..], &pdf(2_000)].concat();
        let jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0";
        for (name, bytes, told, erzaehlt) in [
            ("cat.png", &html[..], "is none of the files that are taken here", "ここで受け取れる種類のファイルではありません"),
            ("cat.png", &svg[..], "is none of the files", "ここで受け取れる種類"),
            ("cat.png", &jpeg[..], "is none of the files", "ここで受け取れる種類"),
            ("late.pdf", &late[..], "is none of the files", "ここで受け取れる種類"),
            ("big.pdf", &pdf(300_001)[..], "The file is too large. Expected: a file (PDF, PNG; at most 300 KB)", "ファイルが大きすぎます"),
            ("big.pdf", &pdf(3_000_000)[..], "The file is too large", "ファイルが大きすぎます"),
            ("empty.pdf", b"", "There is nothing in “empty.pdf”", "「empty.pdf」の中身が空です"),
        ] {
            let refused = send(&pages, &path, &page, &REST, &[("remark", name, bytes)], "answer").await;
            assert!(refused.status == 422 && refused.body.contains(told), "{name}: {refused:?}");
            assert!(refused.body.contains("name=\"met\" value=\"3\""), "{refused:?}");
            let own = refused.hidden();
            let fields = hidden(&own).into_iter().filter(|(name, _)| *name != "_lang").chain([("_lang", "ja")]).chain(REST);
            let refused = pages.upload(&path, &fields.collect::<Vec<_>>(), &[("remark", name, bytes)], "answer", "").await;
            assert!(refused.status == 422 && refused.body.contains(erzaehlt), "{name}: {refused:?}");
        }
        assert_eq!(stored(center), [], "nothing of it stays");

        // Names without a path, a second field, or an end of the line; the ending is that of what it is.
        for (sent, kept) in [
            ("../../../etc/passwd", "passwd.pdf"),
            ("C:\\fakepath\\scan.pdf", "scan.pdf"),
            ("evil.html", "evil.html.pdf"),
            ("a\r\nSet-Cookie: x=1.pdf", "aSet-Cookie x=1.pdf"),
            ("<img src=x onerror=alert(1)>.pdf", "img src=x onerror=alert(1).pdf"),
        ] {
            let taken = send(&pages, &path, &page, &REST, &[("remark", sent, &pdf(1_000))], "answer").await;
            let shown = kept.replace('=', "&#x3D;");
            assert!(taken.status == 200 && taken.body.contains(&format!("{shown} (PDF, 1 KB)")), "{sent}: {taken:?}");
        }
        // Of many files in one field the first counts, and a field that takes none takes none.
        let before = stored(center).len();
        let many: Vec<(&str, &str, &[u8])> = (0..40).map(|_| ("remark", "a.png", PNG)).chain([("mood", "b.png", PNG)]).collect();
        let taken = send(&pages, &path, &page, &REST, &many, "answer").await;
        assert!(taken.status == 200 && taken.body.contains("a.png (PNG, "), "{taken:?}");
        assert_eq!(stored(center).len(), before + 1);
        // Taken away again, and sent without.
        let change = pages.fill(&path, &taken, &[], "page-3").await;
        assert!(change.body.contains("a.png"), "{change:?}");
        let without = send(&pages, &path, &change, &[REST[0], REST[1], REST[2], ("_drop", "remark")], &[("remark", "", b"")], "answer").await;
        assert!(without.status == 200 && !without.body.contains("a.png"), "{without:?}");
        let sent = pages.fill(&path, &without, &[], "send").await;
        assert_eq!(sent.status, 303, "{sent:?}");
        assert!(!responses(center).await[0].answers.contains("remark"));
        // What nobody sent off goes after its time, and not before.
        center.wind((limits::FILE_WAITING_DAYS as i64 - 1) * 24 * 3600);
        center.attend().await;
        assert_ne!(stored(center), []);
        center.wind(3 * 24 * 3600);
        center.attend().await;
        assert_eq!(stored(center), []);
        assert_eq!(center.world.number("SELECT count(*) FROM file").await, 0);
    }

    async fn one_person_does_not_fill_the_room_of_all(center: &mut Center) {
        center.activate(&asking(""), Stage::Production).await;
        let issued = invite(center, 2, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let [own, other] = [0, 1].map(|at: usize| link_in(issued[at].link.as_deref().unwrap()));
        let page = to_the_file(&pages, &own).await;
        // The same form sent again and again, each time with another file, and never sent off.
        let mut review = page.clone();
        for _ in 0..limits::FILES_WAITING_OWNER {
            review = send(&pages, &own, &page, &REST, &[("remark", "a.png", PNG)], "answer").await;
            assert_eq!(review.status, 200, "{review:?}");
        }
        assert_eq!(waiting(center).await, limits::FILES_WAITING_OWNER);
        let full = send(&pages, &own, &page, &REST, &[("remark", "a.png", PNG)], "answer").await;
        let told = "have reached the limit for one person";
        assert!(full.status == 422 && full.body.contains(told) && full.body.contains("name=\"met\" value=\"3\""), "{full:?}");
        let spoken = full.hidden();
        let fields = hidden(&spoken).into_iter().filter(|(name, _)| *name != "_lang").chain([("_lang", "ja")]).chain(REST);
        let fields: Vec<(&str, &str)> = fields.collect();
        let full = pages.upload(&own, &fields, &[("remark", "a.png", PNG)], "answer", "").await;
        assert!(full.status == 422 && full.body.contains("お一人あたりの上限に達しています"), "{full:?}");
        assert_eq!(waiting(center).await, limits::FILES_WAITING_OWNER);
        // Nobody else is kept from sending theirs, and nothing tells whose the files are.
        let theirs = to_the_file(&pages, &other).await;
        let theirs = send(&pages, &other, &theirs, &REST, &[("remark", "b.png", PNG)], "answer").await;
        assert_eq!(theirs.status, 200, "{theirs:?}");
        assert_eq!(center.world.number("SELECT count(DISTINCT owner) FROM file").await, 2);
        // What was taken can be sent off, and waits no more.
        assert_eq!(pages.fill(&own, &review, &[], "send").await.status, 303);
        assert_eq!(center.world.number("SELECT count(*) FROM file WHERE state = 'kept' AND owner IS NULL").await, 1);
        assert_eq!(waiting(center).await, limits::FILES_WAITING_OWNER);
    }

    async fn a_file_is_that_of_its_own_form_alone(center: &mut Center) {
        center.activate(&asking("required = true"), Stage::Production).await;
        let issued = invite(center, 2, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let [own, other] = [0, 1].map(|at: usize| link_in(issued[at].link.as_deref().unwrap()));
        let page = to_the_file(&pages, &own).await;
        let review = send(&pages, &own, &page, &REST, &[("remark", "mine.png", PNG)], "answer").await;
        let token = review.field("remark").replace("&#x3D;", "=");
        let canonical = token.split_once(' ').unwrap().1;
        for forged in [token.as_str(), canonical, &format!("AAAA {canonical}"), "nonsense"] {
            let refused = pages.post(&other, &with(&[("_lang", "en"), ("remark", forged)])).await;
            assert!(refused.status == 422 && refused.body.contains("is not there any more"), "{forged}: {refused:?}");
            assert!(!refused.body.contains("mine.png") || forged != token, "{refused:?}");
        }
        let changed = token.replace("mine.png", "else.png");
        let refused = pages.post(&own, &with(&[("_lang", "en"), ("remark", &changed)])).await;
        assert!(refused.status == 422, "{refused:?}");
        // Swept before it was sent: asked for again.
        center.wind(40 * 24 * 3600);
        center.attend().await;
        let late = pages.fill(&own, &review, &[], "send").await;
        assert!(late.status == 422 && late.body.contains("is not there any more. Please choose it again"), "{late:?}");
        assert_eq!(responses(center).await, []);
        // Nobody stores anything without a link that lets in, or after everything was sent.
        let stranger = pages.upload("/a/nothing", &[], &[("remark", "a.png", PNG)], "answer", "").await;
        assert_eq!((stranger.status, stored(center).len()), (404, 0));
    }

    async fn a_body_that_is_no_form_is_refused_and_leaves_nothing(center: &mut Center) {
        center.activate(&asking(""), Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let path = link_in(issued[0].link.as_deref().unwrap());
        let head = "--xyz\r\nContent-Disposition: form-data; name=\"remark\"; filename=\"a.pdf\"\r\n\r\n";
        // Cut off in the middle of the file.
        let cut = [head.as_bytes(), &pdf(100_000)].concat();
        let refused = pages.post_multipart(&path, &cut, "").await;
        assert!(refused.status == 400 && refused.body.contains("could not be read as a form"), "{refused:?}");
        // A head without an end must not be held in memory.
        let endless = [b"--xyz\r\nContent-Disposition: form-data; name=\"".as_slice(), &vec![b'a'; 8_000_000]].concat();
        let refused = pages.post_multipart(&path, &endless, "").await;
        assert!(refused.status == 400 || refused.status == 413 || refused.status == 0, "{refused:?}");
        // More text than a form may have, by way of a form with files.
        let text = [
            b"--xyz\r\nContent-Disposition: form-data; name=\"day\"\r\n\r\n".as_slice(),
            &vec![b'a'; limits::FORM_BYTES + 10],
            b"\r\n--xyz--\r\n",
        ]
        .concat();
        let refused = pages.post_multipart(&path, &text, "").await;
        assert!(refused.status == 413 && refused.body.contains("too large as a whole"), "{refused:?}");
        // Larger than any form may be.
        let huge = [head.as_bytes(), &pdf(limits::UPLOAD_BYTES)].concat();
        let refused = pages.post_multipart(&path, &huge, "").await;
        assert!(refused.status == 413 || refused.status == 0, "{refused:?}");
        // One byte a second does not keep a place for long.
        let (begun, patience) = (std::time::Instant::now(), std::time::Duration::from_secs(limits::UPLOAD_PIECE_SECONDS));
        let mut stream = tokio::net::TcpStream::connect(pages.address()).await.unwrap();
        let more = "Host: localhost\r\nContent-Type: multipart/form-data; boundary=xyz\r\nContent-Length: 90000\r\n\r\n";
        stream.write_all(format!("POST {path} HTTP/1.1\r\n{more}{head}%PDF-1.7").as_bytes()).await.unwrap();
        let (mut from, mut to) = stream.split();
        let mut said = Vec::new();
        let dribbling = async {
            while to.write_all(b"x").await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = dribbling => {}
            _ = from.read_to_end(&mut said) => {}
        }
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.starts_with("HTTP/1.1 408") && said.contains("ファイルの送信に時間がかかりすぎて") || said.contains("too slowly"), "{said}");
        assert!(begun.elapsed() < patience * 2, "{:?}", begun.elapsed());
        for broken in ["", "--xyz--", "--xyz\r\n\r\n\r\n--xyz--\r\n", "nonsense"] {
            let page = pages.post_multipart(&path, broken.as_bytes(), "").await;
            assert!([200, 400, 422].contains(&page.status), "{broken:?}: {page:?}");
        }
        center.attend().await;
        assert_eq!((stored(center), responses(center).await), (vec![], vec![]));
    }

    async fn the_staff_send_files_and_those_who_may_see_the_case_save_them(center: &mut Center) {
        let item = "[[items]]\nid = \"letter\"\nkind = \"file\"\ntypes = [\"pdf\"]\nlabel = { ja = \"紹介状\", en = \"Letter\" }\n\n[[items]]\nid = \"weight\"";
        let bundle = edited(&samples::aurora(), "instruments/visit.toml", "[[items]]\nid = \"weight\"", item);
        center.activate(&bundle, Stage::Production).await;
        let pages = Arc::new(members::serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", "yamada@example.jp").await;
        let suzuki = Visit::begin(center, &pages, "aurora", "suzuki@example.jp").await;
        let registered = yamada.record("/c/aurora/new", &REGISTRATION).await;
        assert_eq!(registered.status, 303, "{registered:?}");
        let path = "/c/aurora/1/week_4/visit/new";
        let blank = yamada.see(path).await;
        assert!(blank.body.contains("multipart/form-data"), "{blank:?}");
        let own = blank.hidden();
        let typed = [("visit_date", "2026-11-18"), ("weight", "60"), ("ecog", "1"), ("treatment_given", "yes")];
        let fields: Vec<(&str, &str)> = hidden(&own).into_iter().chain(typed).collect();
        let more = members::header(yamada.cookie());
        let plain = pdf(70_000);
        let file = [("letter", "紹介\u{202e}状\".pdf", plain.as_slice())];
        // Without the guard of the session before it, nothing is stored.
        let unguarded: Vec<(&str, &str)> = fields.iter().copied().filter(|(name, _)| *name != "_guard").collect();
        let foreign = pages.upload(path, &unguarded, &file, "answer", &more).await;
        assert_eq!((foreign.status, stored(center).len()), (403, 0), "{foreign:?}");
        let elsewhere = pages.upload(path, &fields, &file, "answer", &members::header(suzuki.cookie())).await;
        assert_eq!((elsewhere.status, stored(center).len()), (404, 0), "{elsewhere:?}");
        let review = pages.upload(path, &fields, &file, "answer", &more).await;
        assert!(review.body.contains("紹介状.pdf (PDF, 70 KB)"), "{review:?}");
        let sent = yamada.fill(path, &review, &[], "send").await;
        assert_eq!(sent.status, 303, "{sent:?}");
        let entry = yamada.see("/c/aurora/1/week_4/visit/1").await;
        let link = entry.body.split("href=\"").filter_map(|rest| rest.split('"').next()).find(|link| link.contains("/-/")).unwrap();
        let saved = yamada.get(link).await;
        assert_eq!(saved.status, 200, "{saved:?}");
        assert_eq!(saved.body.as_bytes(), plain);
        for field in [
            "content-type: application/octet-stream\n",
            "content-disposition: attachment; filename=\"file.pdf\"; filename*=UTF-8''%E7%B4%B9%E4%BB%8B%E7%8A%B6.pdf\n",
            "x-content-type-options: nosniff\n",
            "content-security-policy: default-src 'none'; sandbox\n",
            "content-length: 70000\n",
            "cache-control: no-store\n",
        ] {
            assert!(format!("{}\n", saved.head).contains(field), "{field}: {}", saved.head);
        }
        // Another site, nobody, another name: no file, and no word whether there is one.
        assert_eq!(suzuki.get(link).await.status, 404);
        assert_eq!(pages.get(link).await.status, 303);
        for wrong in [link.replace("letter", "weight"), link.replace("letter", "..%2f..%2fletter"), format!("{link}x")] {
            assert_eq!(yamada.get(&wrong).await.status, 404, "{wrong}");
        }
        // A correction keeps it without sending it again.
        let path = "/c/aurora/1/week_4/visit/1/correct";
        let form = yamada.see(path).await;
        assert!(form.body.contains("紹介状.pdf"), "{form:?}");
        let own = form.hidden();
        let typed = [("visit_date", "2026-11-18"), ("weight", "61"), ("ecog", "1"), ("treatment_given", "yes"), ("_reason", "scale")];
        let fields: Vec<(&str, &str)> = hidden(&own).into_iter().chain(typed).collect();
        let review = pages.upload(path, &fields, &[("letter", "", b"")], "answer", &more).await;
        assert!(review.body.contains("紹介状.pdf") && review.body.contains("Is this right?"), "{review:?}");
        let sent = yamada.fill(path, &review, &[], "send").await;
        assert_eq!(sent.status, 303, "{sent:?}");
        assert!(yamada.see("/c/aurora/1/week_4/visit/1").await.body.contains("紹介状.pdf"));
        assert_eq!(stored(center).len(), 1);
        // The registration was told to those who must know.
        center.settle().await;
    }

    async fn a_file_is_sent_from_a_phone(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        center.activate(&asking("required = true"), Stage::Production).await;
        let issued = invite(center, 2, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let folder = tempfile::tempdir().unwrap();
        let (small, large, lie) = (folder.path().join("紹介状.pdf"), folder.path().join("large.pdf"), folder.path().join("lie.png"));
        std::fs::write(&small, pdf(50_000)).unwrap();
        std::fs::write(&large, pdf(400_000)).unwrap();
        std::fs::write(&lie, "<svg/>").unwrap();
        for (language, one) in ["en", "ja"].into_iter().zip(&issued) {
            let url = pages.url(&format!("{}?lang={language}", link_in(one.link.as_deref().unwrap())));
            let (small, large, lie) = (small.clone(), large.clone(), lie.clone());
            let seen = tokio::task::spawn_blocking(move || {
                let mut browser = Chromium::start();
                browser.screen(390, 844);
                browser.open(&url);
                browser.fill(&[("day", "2026-11-01"), ("mood", "7"), ("pain", "no")], "answer");
                browser.fill(&[("slept", "7")], "answer");
                let name = |page: &str| format!("file-{language}-{page}");
                browser.look(&name("1-blank"));
                browser.choose("#remark-in", &large);
                browser.wait_for("!document.getElementById('remark-large').hidden && document.getElementById('remark-in').value === ''");
                browser.look(&name("2-large"));
                browser.choose("#remark-in", &lie);
                browser.wait_for("document.getElementById('remark-large').hidden");
                browser.fill(&[("tired", "1"), ("worried", "1"), ("met", "3")], "answer");
                browser.look(&name("3-lie"));
                browser.choose("#remark-in", &small);
                browser.fill(&[], "keep");
                browser.look(&name("4-kept"));
                browser.open(&url);
                browser.look(&name("5-again"));
                browser.fill(&[("tired", "1"), ("worried", "1"), ("met", "3")], "answer");
                browser.look(&name("6-review"));
                let review = browser.text();
                browser.fill(&[], "send");
                (review, browser.text())
            });
            let (review, thanks) = seen.await.unwrap();
            assert!(review.contains("紹介状.pdf (PDF, 50 KB)"), "{review}");
            assert!(thanks.contains(if language == "en" { "Receipt number" } else { "受付番号" }), "{thanks}");
        }
        let all = responses(center).await;
        assert_eq!(all.len(), 2);
        assert!(all.iter().all(|row| answer_of(&row.answers).bytes == 50_000));
    }
}
