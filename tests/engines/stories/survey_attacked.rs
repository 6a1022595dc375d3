//! What strangers try on a survey's pages: guessing, other people's forms, hostile texts, odd requests.

use hagaki::definition::Bundle;
use hagaki::domain::participant::Candidate;
use hagaki::limits;
use hagaki::store::fuse::Fuse;
use hagaki::workflow::Means;
use hagaki::workflow::credentials::Form;
use html5gum::{Token, Tokenizer};
use mail_parser::MessageParser;

use super::cases::Visit;
use super::survey::{invite, link_in, once, responses, reviewed, serve};
use super::*;
use crate::browser::Page;

/// What would run, or break out, wherever it stood unescaped; with nothing that a label may not hold.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img onerror><svg onload><b></textarea></title><!--";

/// The same, and what is a template's where it is read as one.
const TYPED: &str = "{{t.go_on}}{{{study}}}<script>alert(1)</script>\"'><img src=x onerror=alert(2)></textarea>";

/// WELLBEING with that in front of every text that people read.
fn hostile() -> Bundle {
    let mut files = once().files().clone();
    let quoted = HOSTILE.replace('"', "\\\"");
    for (name, text) in &mut files {
        if name.ends_with(".toml") {
            for language in ["ja", "en"] {
                *text = text.replace(&format!(" {language} = \""), &format!(" {language} = \"{quoted}"));
            }
        }
    }
    Bundle::from_files(files)
}

/// One item of every kind, with every text that one can have; an answer stands in the label of the next.
fn every_kind() -> String {
    let quoted = HOSTILE.replace('"', "\\\"");
    let wording = |text: &str| format!("{{ ja = \"{text}{quoted}\", en = \"{text}{quoted}\" }}");
    let choices = |other: &str| {
        let choice = |code: &str, more: &str| format!("{{ code = \"{code}\", label = {}{more} }}", wording(code));
        format!("choices = [{}, {}]\n", choice("a", ""), choice("b", other))
    };
    let own = |kind: &str| match kind {
        "integer" | "decimal" => {
            format!("unit = {}\nhard = {{ min = 0, max = 9 }}\nsoft = {{ min = 3, max = 9 }}\n", wording("u"))
        }
        "choice" | "choices" => choices(", other = true"),
        "scale" => "low = 0\nhigh = 3\n".to_owned(),
        "calculation" => "calculation = \"k_integer + 1\"\n".to_owned(),
        _ => String::new(),
    };
    let item = |id: &str, kind: &str, label: &str, more: &str| {
        let help = if matches!(kind, "heading" | "calculation") {
            String::new()
        } else {
            format!("help = {}\n", wording("help"))
        };
        format!(
            "[[items]]\nid = \"{id}\"\nkind = \"{kind}\"\nlabel = {}\n{help}{}{more}\n",
            wording(&format!("{label}{id} ")),
            own(kind)
        )
    };
    let kinds = [
        "note",
        "integer",
        "decimal",
        "date",
        "time",
        "datetime",
        "yesno",
        "choice",
        "choices",
        "scale",
        "file",
        "heading",
        "calculation",
    ];
    let mut text = format!("title = {}\n\n{}", wording(""), item("k_text", "text", "", "required = true\n"));
    for kind in kinds {
        text += &item(&format!("k_{kind}"), kind, "", "");
    }
    let row = |id: &str| {
        format!(
            "[[items]]\nid = \"{id}\"\nkind = \"choice\"\nmatrix = \"m\"\nlabel = {}\n{}\n",
            wording(id),
            choices("")
        )
    };
    text += &(row("k_row_1") + &row("k_row_2"));
    text += &item("k_page", "heading", "", "page = true\n");
    text += &item("k_piped", "text", "{{k_text}} {{k_choice}} ", "");
    text + &format!("[[checks]]\nid = \"hostile\"\nrule = \"k_integer != 7\"\nmessage = {}\n", wording(""))
}

/// Elements and attributes that our pages are made of; whatever else is found came from a text.
const ELEMENTS: [&str; 46] = [
    "html", "head", "meta", "title", "link", "body", "a", "header", "p", "button", "nav", "main", "h1", "h2", "h3",
    "form", "input", "section", "ul", "li", "div", "fieldset", "legend", "label", "span", "textarea", "table", "thead",
    "tbody", "tr", "th", "td", "dl", "dt", "dd", "strong", "footer", "progress", "select", "option", "br", "small",
    "em", "datalist", "ol", "del",
];
const ATTRIBUTES: [&str; 54] = [
    "lang",
    "charset",
    "name",
    "content",
    "rel",
    "href",
    "class",
    "form",
    "value",
    "tabindex",
    "id",
    "method",
    "action",
    "type",
    "for",
    "required",
    "rows",
    "maxlength",
    "inputmode",
    "autocomplete",
    "scope",
    "role",
    "checked",
    "hreflang",
    "formnovalidate",
    "autocapitalize",
    "spellcheck",
    "max",
    "novalidate",
    "selected",
    "disabled",
    "multiple",
    "min",
    "step",
    "pattern",
    "size",
    "minlength",
    "placeholder",
    "colspan",
    "rowspan",
    "hidden",
    "title",
    "dir",
    "list",
    "enctype",
    "accept",
    "data-follows",
    "data-more",
    "data-most",
    "data-restored",
    "tabindex",
    "autofocus",
    "data-whose",
    "data-kept",
];

/// Where the style or script of a page is, which is named by what is in it.
fn asset<'p>(page: &'p Page, before: &str, ending: &str) -> &'p str {
    let path = page.body.split_once(before).and_then(|(_, rest)| rest.split_once('"')).map_or("", |(path, _)| path);
    let digest = path.strip_prefix("/survey-").and_then(|rest| rest.strip_suffix(ending)).unwrap_or_default();
    assert!(digest.len() == 16 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{path} in {}", page.body);
    path
}

/// Asserts that a page is made of our own elements, as a browser's tokenizer reads it; returns its text.
fn sound(page: &Page) -> String {
    let mut text = String::new();
    // The one script there is, of our own making: nothing else may stand in it or beside it.
    let script = asset(page, "<script src=\"", ".js");
    let body = page.body.replacen(&format!("<script src=\"{script}\" defer></script>"), "", 1);
    for token in Tokenizer::new(body.as_str()) {
        match token.unwrap() {
            Token::StartTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                assert!(ELEMENTS.contains(&name.as_str()), "an element {name} in {}", page.body);
                for (attribute, value) in &tag.attributes {
                    let attribute = String::from_utf8_lossy(attribute).into_owned();
                    let value = String::from_utf8_lossy(value).into_owned();
                    let own = ATTRIBUTES.contains(&attribute.as_str()) || attribute.starts_with("aria-");
                    assert!(own, "an attribute {attribute} of {name} in {}", page.body);
                    if ["href", "action"].contains(&attribute.as_str()) {
                        let inside = value.starts_with('/') && !value.starts_with("//");
                        // The icon that there is none of, and whom to ask.
                        let offices = ["mailto:wellbeing-office@example.jp", "mailto:aurora-center@example.jp"];
                        let known = value == "data:," || offices.contains(&value.as_str());
                        assert!(inside || value.starts_with('#') || value.starts_with('?') || known, "{value}");
                    }
                }
            }
            Token::String(piece) => text.push_str(&String::from_utf8_lossy(&piece)),
            _ => {}
        }
    }
    assert!(!body.contains("<script") && !body.contains("<img"), "{body}");
    text
}

/// Asserts what every page says to browsers and proxies.
fn guarded(page: &Page) {
    // What is under way can be gone back to; nothing else is kept.
    let kept = if page.body.contains("id=\"answers\"") { "private, no-cache" } else { "no-store" };
    for field in [
        "referrer-policy: no-referrer",
        &format!("cache-control: {kept}\n"),
        "x-content-type-options: nosniff",
        "content-security-policy: default-src 'none'",
        "cross-origin-opener-policy: same-origin",
    ] {
        assert!(page.head.contains(field), "{field} is missing: {page:?}");
    }
}

stories! {
    async fn hostile_texts_stay_texts_on_every_page(center: &mut Center) {
        center.activate(&hostile(), Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let path = link_in(issued[0].link.as_deref().unwrap());
        for language in ["en", "ja"] {
            let first = pages.get(&format!("{path}?lang={language}")).await;
            let text = sound(&first);
            assert!(text.contains(HOSTILE), "{text}");
            guarded(&first);
            let faulty = pages.fill(&path, &first, &[("day", HOSTILE), ("mood", HOSTILE), ("pain", HOSTILE), (HOSTILE, HOSTILE)], "answer").await;
            assert_eq!(faulty.status, 422);
            sound(&faulty);
            let pain = pages.fill(&path, &faulty, &[("day", "2026-11-01"), ("mood", "2"), ("pain", "yes")], "answer").await;
            sound(&pain);
            let wrong = pages.fill(&path, &pain, &[("where", HOSTILE)], "answer").await;
            sound(&wrong);
            let sleep = pages.fill(&path, &pain, &[("where", "other"), ("where_other", HOSTILE)], "answer").await;
            sound(&sleep);
            let wrong = pages.fill(&path, &sleep, &[("slept", HOSTILE), ("napped", HOSTILE)], "answer").await;
            assert_eq!(wrong.status, 422);
            sound(&wrong);
            let days = pages.fill(&path, &sleep, &[("slept", "7"), ("napped", "1")], "answer").await;
            sound(&days);
            let told = [("tired", "1"), ("worried", "1"), ("met", "3"), ("remark", TYPED)];
            let kept = pages.fill(&path, &days, &told, "keep").await;
            sound(&kept);
            let again = pages.get(&path).await;
            sound(&again);
            assert_eq!(pages.fill(&path, &again, &[], "forget").await.status, 303);
            let review = pages.fill(&path, &days, &told, "answer").await;
            assert_eq!(review.status, 200, "{review:?}");
            let text = sound(&review);
            assert!(text.matches(HOSTILE).count() > 4 && text.contains(TYPED), "{text}");
        }
        for more in [("login", HOSTILE), ("login", "aaaa-aaaa")] {
            let wrong = pages.post("/s/wellbeing", &[more, ("password", HOSTILE), ("lang", HOSTILE)]).await;
            assert_eq!(wrong.status, 403);
            sound(&wrong);
        }
        let sent = pages.post(&path, &[("_mark", HOSTILE), ("day", "2026-11-01"), ("mood", "2"), ("pain", "no"), ("tired", "2"),
            ("worried", "1"), ("met", "3"), ("remark", HOSTILE), ("_step", "send")]).await;
        assert_eq!(sent.status, 303, "{sent:?}");
        guarded(&sent);
        sound(&pages.get(&sent.location()).await);
        sound(&pages.get(&format!("{path}?lang=%22%3E%3Cscript%3E&receipt=%3Cscript%3E&mend=%3Cimg%3E")).await);
    }

    async fn every_kind_of_item_shows_hostile_texts_as_texts(center: &mut Center) {
        let mut files = reviewed().files().clone();
        files.insert("instruments/weekly.toml".to_owned(), every_kind());
        let survey = Bundle::from_files(files);
        center.activate(&survey, Stage::Production).await;
        let mut files = hagaki::definition::samples::aurora().files().clone();
        files.insert("instruments/adverse_event.toml".to_owned(), every_kind());
        let staff = Bundle::from_files(files);
        center.activate(&staff, Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let pages = std::sync::Arc::new(super::members::serve(center).await);
        let path = link_in(issued[0].link.as_deref().unwrap());
        let good = [
            ("k_text", HOSTILE), ("k_note", TYPED), ("k_integer", "2"), ("k_decimal", "4"), ("k_date", "2026-11-01"), ("k_time", "12:30"),
            ("k_datetime", "2026-11-01 12:30"), ("k_yesno", "yes"), ("k_choice", "b"), ("k_choice_other", HOSTILE), ("k_choices", "a"),
            ("k_choices", "b"), ("k_choices_other", TYPED), ("k_scale", "1"), ("k_row_1", "a"), ("k_row_2", "b"),
        ];
        let bad = good.map(|(id, _)| (id, HOSTILE));
        for language in ["en", "ja"] {
            let first = pages.get(&format!("{path}?lang={language}")).await;
            let text = sound(&first);
            assert!(text.matches(HOSTILE).count() > 20, "{text}");
            let faulty = pages.fill(&path, &first, &bad, "answer").await;
            assert_eq!(faulty.status, 422);
            sound(&faulty);
            let hidden = first.hidden();
            let fields: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(good).collect();
            // A file that is called so, and is none of what is taken.
            let called = format!("{HOSTILE}.pdf").replace('"', "%22");
            let refused = pages.upload(&path, &fields, &[("k_file", &called, HOSTILE.as_bytes())], "answer", "").await;
            assert_eq!(refused.status, 422, "{refused:?}");
            sound(&refused);
            let taken = pages.upload(&path, &fields, &[("k_file", &called, b"%PDF-1.4\n%%EOF\n")], "answer", "").await;
            let text = sound(&taken);
            assert!(taken.status == 200 && text.matches(HOSTILE).count() > 3, "{taken:?}");
            let back = pages.fill(&path, &taken, &[("k_piped", TYPED)], "back").await;
            assert!(back.status == 200 && sound(&back).contains(".pdf"), "{back:?}");
            let wrong = pages.fill(&path, &taken, &[("k_integer", "7"), ("k_piped", TYPED)], "answer").await;
            sound(&wrong);
            let review = pages.fill(&path, &taken, &[("k_piped", TYPED)], "answer").await;
            let text = sound(&review);
            assert!(review.status == 200 && text.matches(HOSTILE).count() > 20 && text.matches(TYPED).count() == 3, "{review:?}");
            let sent = pages.fill(&path, &review, &[], if language == "ja" { "send" } else { "back" }).await;
            if language == "ja" {
                assert_eq!(sent.status, 303, "{sent:?}");
                sound(&pages.get(&sent.location()).await);
            }
        }

        // The same form, filled in by the staff for an event: on the way in, once it is on file, and corrected.
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        let yamada = Visit::begin(center, &pages, "aurora", DR_YAMADA.address).await;
        let path = "/c/aurora/1/adverse/adverse_event/new";
        let blank = yamada.see(path).await;
        sound(&blank);
        sound(&yamada.fill(path, &blank, &bad, "answer").await);
        let second = yamada.fill(path, &blank, &good, "answer").await;
        sound(&second);
        let review = yamada.fill(path, &second, &[("k_piped", TYPED)], "answer").await;
        let text = sound(&review);
        assert!(review.status == 200 && text.matches(HOSTILE).count() > 20, "{review:?}");
        let sent = yamada.fill(path, &review, &[], "send").await;
        assert_eq!(sent.status, 303, "{sent:?}");
        for page in ["/c/aurora/1", "/c/aurora/1/adverse/adverse_event/1"] {
            sound(&yamada.see(page).await);
        }
        let correcting = "/c/aurora/1/adverse/adverse_event/1/correct";
        let form = yamada.see(correcting).await;
        sound(&form);
        let mended = yamada.fill(correcting, &form, &[("k_text", TYPED), ("_reason", HOSTILE)], "answer").await;
        sound(&mended);
        assert_eq!(mended.status, 200, "{mended:?}");
        let review = yamada.fill(correcting, &mended, &[("_reason", HOSTILE)], "answer").await;
        sound(&review);
        assert_eq!(review.status, 200, "{review:?}");
        assert_eq!(yamada.fill(correcting, &review, &[("_reason", HOSTILE)], "send").await.status, 303, "{review:?}");
        // Its history tells what was blank before, too.
        let history = yamada.see("/c/aurora/1/adverse/adverse_event/1").await;
        assert!(history.body.contains("<del>") && history.body.contains("no answer"), "{history:?}");
        sound(&history);
        let chart = yamada.see("/c/aurora/1").await;
        let text = sound(&chart);
        assert!(text.contains(HOSTILE), "{text}");
    }

    async fn names_and_titles_stay_in_their_place_in_letters(center: &mut Center) {
        center.activate(&hostile(), Stage::Production).await;
        let name = format!("P\r\nBcc: victim@example.net\r\n\r\n{HOSTILE}");
        let candidates = [Candidate { address: "p@example.jp".to_owned(), name, ..Candidate::default() }];
        center.issue("wellbeing", &candidates, center.terms(Form::Both)).await;
        let letters = center.settle().await;
        assert_eq!(kinds(&letters), [("invitation", "p@example.jp")]);
        let mail = MessageParser::default().parse(&letters[0].raw).unwrap();
        assert!(mail.bcc().is_none() && mail.header_raw("Bcc").is_none());
        assert_eq!(mail.to().unwrap().iter().map(|one| one.address().unwrap().to_owned()).collect::<Vec<_>>(), ["p@example.jp"]);
        let html = mail.body_html(0).unwrap();
        for token in Tokenizer::new(html.as_ref()) {
            if let Token::StartTag(tag) = token.unwrap() {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                assert!(!["script", "img", "textarea"].contains(&name.as_str()), "{html}");
                for (attribute, value) in &tag.attributes {
                    assert!(!attribute.starts_with(b"on") && !value.starts_with(b"javascript"), "{html}");
                }
            }
        }
    }

    async fn guessing_a_link_tells_nothing(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        invite(center, 1, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let plain = |page: Page| (page.status, page.body, page.head.lines().filter(|line| !line.starts_with("date:")).map(str::to_owned).collect::<Vec<_>>());
        let unknown = plain(pages.get("/a/aaaaaaaaaaaaaaaaaaaaaaaaaa").await);
        assert_eq!(unknown.0, 404);
        for path in [
            "/a/bbbbbbbbbbbbbbbbbbbbbbbbbb", "/a/x", "/a/%00", "/a/..%2f..%2fetc%2fpasswd", "/a/%2e%2e", "/a/%3Cscript%3E", "/s/nothing",
            "/s/%00", "/s/wellbeing%00", "/s/..%2f..%2fhagaki.db", "/s/%0d%0aSet-Cookie:%20x=y", "/s/wellbeing'--",
        ] {
            assert_eq!(plain(pages.get(path).await), unknown, "{path}");
        }
        for path in ["/../hagaki.db", "/a/../../hagaki.db", "/hagaki.toml", "/a", "/s", "/a/x/y", "/survey.css/..", "//evil.example/", "/s/wellbeing/form/x"] {
            let page = pages.get(path).await;
            assert!((400..500).contains(&page.status) && !page.body.contains("SQLite"), "{path}: {page:?}");
            guarded(&page);
        }
    }

    async fn a_known_login_takes_the_same_work_as_an_unknown_one(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let login = issued[0].login.clone().unwrap().grouped();
        let mut steps = Vec::new();
        for typed in [login.as_str(), "aaaa-aaaa"] {
            let fuse = Fuse::counting();
            let store = center.store().with_fuse(std::sync::Arc::clone(&fuse));
            let row = hagaki::store::study::find_current(&store, "wellbeing").await.unwrap().unwrap();
            let shelved = center.shelf_on(&store).current(row.id, row.bundle_version).await.unwrap();
            let desk = center.process.calendar.desk.clone();
            let means = Means { now: hagaki::domain::time::Clock::now(&*center.clock), dice: &*center.dice, keys: &center.keys, desk: &desk };
            let before = fuse.steps();
            let tried = hagaki::workflow::sign_in::sign_in(&store, &shelved, means, "192.0.2.1", typed, "aaaaa-aaaaa-aaaaa-aaaaa-aaaaa-a").await.unwrap();
            assert_eq!(tried, hagaki::workflow::sign_in::Tried::Wrong);
            steps.push(fuse.steps() - before);
        }
        assert!(steps[0] > 2 && steps[0] == steps[1], "{steps:?}");
    }

    async fn a_form_comes_from_our_own_page(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let (login, password) = (issued[0].login.clone().unwrap().grouped(), issued[0].password.clone().unwrap());
        let typed = [("login", login.as_str()), ("password", password.as_str())];
        let path = link_in(issued[0].link.as_deref().unwrap());
        for foreign in ["Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: same-site\r\n", "Origin: https://evil.example\r\n"] {
            // Nobody is signed in under another's login by a foreign page, and no foreign page sends answers.
            for (to, fields) in [("/s/wellbeing", &typed[..]), (&path, &[("mood", "2")]), ("/s/wellbeing/form", &[]), ("/s/wellbeing/leave", &[])] {
                let refused = pages.post_with(to, fields, foreign).await;
                assert!(refused.status == 403 && !refused.head.contains("set-cookie"), "{to}: {refused:?}");
                guarded(&refused);
            }
        }
        for own in ["Sec-Fetch-Site: same-origin\r\nOrigin: null\r\n", "Origin: https://hagaki.example.jp\r\n", ""] {
            let entered = pages.post_with("/s/wellbeing", &typed, own).await;
            assert_eq!(entered.status, 303, "{own}: {entered:?}");
            let header = format!("Cookie: {}\r\n", entered.cookie());
            // Leaving wants the guard, too.
            assert_eq!(pages.post_with("/s/wellbeing/leave", &[("_guard", "00")], &header).await.status, 403);
            assert_eq!(pages.get_with("/s/wellbeing/form", &entered.cookie()).await.status, 200);
        }
    }

    async fn odd_requests_use_nothing_up_and_lead_nowhere(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let path = link_in(issued[0].link.as_deref().unwrap());
        for method in ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "NONSENSE"] {
            let page = pages.ask(&format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")).await;
            assert!(page.status == if method == "HEAD" { 200 } else { 405 } || (method == "CONNECT" && page.status >= 400), "{method}: {page:?}");
        }
        for over in ["X-HTTP-Method-Override: POST", "X-HTTP-Method: DELETE", "X-Method-Override: PUT"] {
            let page = pages.ask(&format!("GET {path}?_method=POST HTTP/1.1\r\nHost: localhost\r\n{over}\r\nConnection: close\r\n\r\n")).await;
            assert_eq!(page.status, 200, "{over}");
        }
        let signed = [
            "/s/%2F%2Fevil.example/form", "/s/evil.example%0d%0aX:%20y/form", "/s/https:%2F%2Fevil.example/form", "/s/..%2f..%2fevil/form",
        ];
        for path in signed {
            let page = pages.get(path).await;
            assert!(page.status == 303 && page.location() == "/s/" && !page.head.contains("evil"), "{path}: {page:?}");
        }
        for (field, value) in [("_lang", "//evil.example"), ("_lang", "en\r\nLocation: https://evil.example"), ("next", "https://evil.example"), ("_step", "lang-//evil.example")] {
            let page = pages.post(&path, &[(field, value), ("_step", "forget")]).await;
            assert!(!page.head.contains("evil"), "{field}: {page:?}");
        }
        // Style and script are kept by browsers until they are others; pages are not.
        let shown = pages.get("/a/nothing").await;
        for path in [asset(&shown, "rel=\"stylesheet\" href=\"", ".css"), asset(&shown, "<script src=\"", ".js")] {
            let file = pages.get(path).await;
            assert!(file.status == 200 && file.head.contains("cache-control: public, max-age=31536000, immutable"), "{file:?}");
        }
        assert!(shown.head.contains("cache-control: no-store"), "{shown:?}");
        // Also where there is nothing, it is said in the language that was chosen.
        for (language, page) in [
            ("ja", pages.get("/a/nothing?lang=ja").await),
            ("en", pages.get("/a/nothing?receipt=x&lang=en").await),
            ("ja", pages.get("/s/nothing?lang=ja").await),
            ("ja", pages.post("/s/nothing", &[("login", "x"), ("password", "y"), ("lang", "ja")]).await),
        ] {
            assert!(page.status == 404 && page.body.contains(&format!("<html lang=\"{language}\">")), "{page:?}");
        }
        // Too much is refused, and what is allowed is not looked at beyond its bound.
        let length = limits::ANSWERS_BYTES + 1;
        let kind = "application/x-www-form-urlencoded";
        let large = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\nremark=x");
        let large = pages.ask(&large).await;
        assert!(large.status == 413 && large.body.contains("何も受け取っていません") && large.body.contains("too large"), "{large:?}");
        // Of whoever has no way in less is read.
        let long = "x".repeat(limits::FORM_BYTES);
        let large = pages.post("/s/wellbeing", &[("login", &long), ("password", "y")]).await;
        assert!(large.status == 413 && large.body.contains("too large"), "{large:?}");
        // Each text may be as long as an answer may be, whatever the others are: a kanji takes nine bytes on its way.
        let kanji = "漢".repeat(limits::ANSWER_CHARS);
        let texts = [
            ("_lang", "ja"), ("day", "2026-11-01"), ("mood", "7"), ("pain", "yes"), ("where", "other"), ("where_other", kanji.as_str()),
            ("tired", "2"), ("worried", "1"), ("remark", kanji.as_str()),
        ];
        let shown = pages.post(&path, &texts).await;
        assert!(shown.status == 422 && shown.body.matches(kanji.as_str()).count() >= 2, "{}", shown.head);
        let many: Vec<(&str, &str)> = std::iter::repeat_n(("a", "b"), limits::FORM_FIELDS * 4).collect();
        assert_eq!(pages.post(&path, &many).await.status, 422);
        let body = "remark=x";
        let length = body.len();
        let foreign = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        let foreign = pages.ask(&foreign).await;
        assert!(foreign.status == 415 && foreign.head.contains("content-type: text/html"), "{foreign:?}");
        for (unread, status) in [
            (pages.ask(&format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await, 405),
            (pages.get("/nothing").await, 404),
        ] {
            assert_eq!(unread.status, status, "{unread:?}");
            assert!(unread.body.contains("何も記録されていません") && unread.body.contains("Nothing was recorded"), "{unread:?}");
        }
        let page = pages.ask(&format!("GET {path}?lang={} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "x".repeat(limits::HEADER_BLOCK_BYTES))).await;
        assert!((400..500).contains(&page.status), "{page:?}");
        assert_eq!(responses(center).await, []);
        assert_eq!(center.world.number("SELECT count(*) FROM draft").await, 0);
    }
}
