//! What a browser's tab keeps of a form, and what its way back shows: never something older in place of what counts, and nothing of others.

use super::members::{PASSWORD, admit, choose, named, routes, sign_in};
use super::survey::{begun, begun_for_one, once, responses, reviewed, with};
use super::*;
use crate::browser::Served;
use crate::chromium::{self, Chromium};
use hagaki::web::account::Ways;

/// Types into a field, as keys do: what follows a key follows.
fn type_in(browser: &mut Chromium, name: &str, value: &str) {
    browser.run(&format!(
        "(() => {{ const field = document.getElementsByName('{name}')[0]; field.value = '{value}'; \
         field.dispatchEvent(new Event('input', {{ bubbles: true }})) }})()"
    ));
}

fn value(browser: &mut Chromium, name: &str) -> String {
    let value = browser.run(&format!("document.getElementsByName('{name}')[0].value"));
    value.as_str().unwrap().to_owned()
}

fn news(browser: &mut Chromium) -> String {
    browser.run("document.getElementById('_news').textContent").as_str().unwrap().to_owned()
}

/// What the tab keeps.
fn kept(browser: &mut Chromium) -> String {
    browser.run("JSON.stringify(Object.entries(sessionStorage))").as_str().unwrap().to_owned()
}

const SLEEP: [(&str, &str); 3] = [("day", "2026-11-01"), ("mood", "7"), ("pain", "no")];

stories! {
    async fn an_older_answer_never_takes_the_place_of_a_newer_one(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        let (_pages, url) = begun_for_one(center, &reviewed()).await;
        let seen = tokio::task::spawn_blocking(move || {
            let mut browser = Chromium::start();
            browser.open(&url);
            browser.fill(&SLEEP, "answer");
            // Typed, corrected, and sent by the next key.
            type_in(&mut browser, "slept", "9");
            assert!(kept(&mut browser).contains("\\\"slept\\\",\\\"9\\\""));
            type_in(&mut browser, "slept", "6");
            browser.fill(&[], "answer");
            browser.fill(&[], "back");
            assert_eq!((value(&mut browser, "slept").as_str(), news(&mut browser).as_str()), ("6", ""));
            // In another language, just after a key.
            type_in(&mut browser, "slept", "5");
            browser.press("button[value=lang-ja]");
            assert_eq!(value(&mut browser, "slept"), "5");
            browser.press("button[value=lang-en]");
            // From the review.
            browser.fill(&[], "answer");
            browser.fill(&[("tired", "1"), ("worried", "1"), ("met", "3")], "answer");
            browser.fill(&[], "page-2");
            assert_eq!(value(&mut browser, "slept"), "5");
            type_in(&mut browser, "slept", "8");
            browser.fill(&[], "answer");
            browser.fill(&[], "answer");
            browser.fill(&[], "page-2");
            assert_eq!((value(&mut browser, "slept").as_str(), news(&mut browser).as_str()), ("8", ""));
            browser.fill(&[], "answer");
            browser.fill(&[], "answer");
            browser.fill(&[], "send");
            (browser.text(), kept(&mut browser))
        });
        let (thanks, left) = seen.await.unwrap();
        assert!(thanks.contains("Receipt number") && left == "[]", "{thanks}{left}");
        assert!(responses(center).await[0].answers.contains("\"slept\":\"8\""));
    }

    async fn what_is_kept_or_forgotten_takes_the_place_of_what_the_tab_has(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        let (pages, paths) = begun(center, &once(), 1).await;
        let path = paths[0].as_str();
        let url = pages.url(&format!("{path}?lang=en"));
        // On another device something else is kept meanwhile.
        let (typed, other) = (std::sync::mpsc::channel::<()>(), std::sync::mpsc::channel::<()>());
        let (say, go_on) = (typed.0, other.1);
        let seen = tokio::task::spawn_blocking(move || {
            let mut browser = Chromium::start();
            browser.open(&url);
            type_in(&mut browser, "day", "2026-11-02");
            browser.fill(&[], "keep");
            assert_eq!(kept(&mut browser), "[]");
            browser.open(&url);
            assert_eq!(value(&mut browser, "day"), "2026-11-02");
            browser.press("button[value=forget]");
            assert_eq!((value(&mut browser, "day").as_str(), news(&mut browser).as_str()), ("", ""));
            type_in(&mut browser, "day", "2026-11-03");
            say.send(()).unwrap();
            go_on.recv().unwrap();
            browser.open(&url);
            (value(&mut browser, "day"), news(&mut browser))
        });
        tokio::task::spawn_blocking(move || typed.1.recv().unwrap()).await.unwrap();
        let first = pages.get(&format!("{path}?lang=en")).await;
        assert_eq!(pages.fill(path, &first, &[("day", "2026-11-04")], "keep").await.status, 200);
        other.0.send(()).unwrap();
        assert_eq!(seen.await.unwrap(), ("2026-11-04".to_owned(), String::new()));
    }

    async fn nobody_sees_what_somebody_else_typed_in_the_same_tab(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        center.activate(&named(), Stage::Production).await;
        let (hana, taro) = ("hana@example.jp", "taro@example.jp");
        admit(center, "members", &[hana, taro]).await;
        center.settle().await;
        let pages = super::members::serve(center).await;
        for address in [hana, taro] {
            choose(center, &pages, address, PASSWORD).await;
        }
        let mut cookies = Vec::new();
        for address in [hana, hana, taro] {
            cookies.push(sign_in(&pages, "members", address, PASSWORD).await.cookie());
        }
        let (url, signing_in) = (pages.url("/s/members/form?lang=en"), pages.url("/sign-in?to=members&lang=en"));
        let seen = tokio::task::spawn_blocking(move || {
            let mut browser = Chromium::start();
            browser.carry(&cookies[0]);
            browser.open(&url);
            type_in(&mut browser, "wish", "of Hana alone");
            // Signed out for having waited, and in anew: it is there again for her, and for nobody else.
            browser.carry("__Host-hagaki-account=over");
            browser.open(&signing_in);
            browser.carry(&cookies[1]);
            browser.open(&url);
            let own = (value(&mut browser, "wish"), news(&mut browser));
            browser.carry(&cookies[2]);
            browser.open(&url);
            (own, value(&mut browser, "wish"), kept(&mut browser))
        });
        let (own, other, left) = seen.await.unwrap();
        assert!(own.0 == "of Hana alone" && own.1.contains("here again"), "{own:?}");
        assert_eq!((other.as_str(), left.as_str()), ("", "[]"));
    }

    async fn the_way_back_shows_the_earlier_page(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        let (pages, paths) = begun(center, &reviewed(), 3).await;
        for (path, (scripts, small)) in paths.iter().zip([(true, false), (true, true), (false, true)]) {
            let url = pages.url(&format!("{path}?lang=en"));
            let seen = tokio::task::spawn_blocking(move || {
                let mut browser = if small { Chromium::start_small() } else { Chromium::start() };
                if !scripts {
                    browser.without_scripts();
                }
                browser.open(&url);
                browser.fill(&SLEEP, "answer");
                browser.fill(&[("slept", "7"), ("napped", "1")], "answer");
                browser.go_back("document.getElementById('slept') !== null");
                assert!(browser.text().contains("Your sleep"), "{}", browser.text());
                if scripts {
                    browser.wait_for("document.getElementsByName('slept')[0].value === '7'");
                }
                browser.go_back("document.getElementById('pain') !== null");
                if scripts {
                    browser.wait_for("document.getElementsByName('day')[0].value === '2026-11-01'");
                }
                browser.fill(&SLEEP, "answer");
                browser.fill(&[("slept", "6"), ("napped", "1")], "answer");
                browser.fill(&[("tired", "1"), ("worried", "1"), ("met", "3")], "answer");
                // Not a page that says that the form is to be sent once more.
                browser.go_back("document.getElementById('tired') !== null");
                browser.fill(&[("tired", "1"), ("worried", "1"), ("met", "3")], "answer");
                browser.fill(&[], "send");
                let thanks = browser.text();
                assert!(thanks.contains("Receipt number"), "{thanks}");
                if scripts {
                    // The page before asks what became of it.
                    browser.go_back("document.body.innerText.includes('You have answered already')");
                    return;
                }
                browser.go_back("document.querySelector('button[value=send]') !== null");
                browser.fill(&[], "page-2");
                let told = browser.text();
                assert!(told.contains("What you sent first counts"), "{told}");
            });
            seen.await.unwrap();
        }
        let sent = responses(center).await;
        assert!(sent.len() == 3 && sent.iter().all(|one| one.answers.contains("\"slept\":\"6\"")), "{sent:?}");
    }

    async fn an_answer_changed_by_the_way_back_leaves_the_later_pages_filled_in(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        let (_pages, url) = begun_for_one(center, &reviewed()).await;
        let seen = tokio::task::spawn_blocking(move || {
            let mut browser = Chromium::start();
            browser.open(&url);
            browser.fill(&SLEEP, "answer");
            browser.fill(&[("slept", "6.5"), ("napped", "2")], "answer");
            browser.fill(&[("tired", "1"), ("worried", "1"), ("met", "3"), ("remark", "written on the last page")], "answer");
            assert!(browser.text().contains("Are these your answers?"), "{}", browser.text());
            for there in ["tired", "slept", "mood"] {
                browser.go_back(&format!("document.getElementsByName('{there}').length > 0"));
            }
            browser.wait_for("document.getElementsByName('day')[0].value === '2026-11-01'");
            browser.fill(&[("mood", "4")], "answer");
            let second = (value(&mut browser, "slept"), value(&mut browser, "napped"));
            browser.fill(&[], "answer");
            let third = value(&mut browser, "remark");
            browser.fill(&[], "answer");
            let review = browser.text();
            browser.fill(&[], "send");
            (second, third, review, browser.text())
        });
        let (second, third, review, thanks) = seen.await.unwrap();
        assert_eq!(second, ("6.5".to_owned(), "2".to_owned()));
        assert_eq!(third, "written on the last page");
        assert!(review.contains("Are these your answers?") && review.contains("written on the last page"), "{review}");
        assert!(thanks.contains("Receipt number"), "{thanks}");
        let sent = responses(center).await;
        assert_eq!(sent.len(), 1);
        for part in ["\"mood\":\"4\"", "\"slept\":\"6.5\"", "\"tired\":\"1\"", "\"remark\":"] {
            assert!(sent[0].answers.contains(part), "{part}: {sent:?}");
        }
    }

    async fn the_way_back_shows_nothing_of_who_signed_out(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        center.activate(&named(), Stage::Production).await;
        let address = "hana@example.jp";
        admit(center, "members", &[address]).await;
        center.settle().await;
        let pages = super::members::serve(center).await;
        choose(center, &pages, address, PASSWORD).await;
        for small in [false, true] {
            let listener = hagaki::web::listen(std::net::SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let pages = Served::start_on(listener, routes(center, center.clock.clone(), &url, Ways::default()));
            let seen = tokio::task::spawn_blocking(move || {
                let mut browser = if small { Chromium::start_small() } else { Chromium::start() };
                browser.open(&pages.url("/sign-in?to=members&lang=en"));
                browser.run(&format!("document.getElementsByName('address')[0].value = '{address}'; document.getElementsByName('password')[0].value = '{PASSWORD}'"));
                browser.press("main button");
                // A fault: the page after it answers what was posted.
                browser.fill(&[("wish", "of Hana alone")], "answer");
                assert!(browser.text().contains("Please mend"), "{}", browser.text());
                browser.fill(&[], "answer");
                browser.go_back("!document.documentElement.hasAttribute('data-covered') && document.getElementById('wish') !== null");
                assert_eq!(value(&mut browser, "wish"), "of Hana alone");
                // The session is over: what is gone back to is covered, and leads to the page where one signs in.
                browser.open("about:blank");
                browser.forget_cookies();
                browser.go_back("location.pathname === '/sign-in'");
                let told = browser.text();
                // Signed out by the button: the browser has nothing of it any more.
                browser.open(&pages.url("/sign-in?to=members&lang=en"));
                browser.run(&format!("document.getElementsByName('address')[0].value = '{address}'; document.getElementsByName('password')[0].value = '{PASSWORD}'"));
                browser.press("main button");
                browser.fill(&[("wish", "of Hana alone")], "answer");
                browser.press("footer button");
                browser.without_scripts();
                browser.go_back("true");
                (told, browser.run("document.documentElement.outerHTML"))
            });
            let (told, left) = seen.await.unwrap();
            assert!(told.contains("Sign in") && !told.contains("of Hana alone"), "{told}");
            assert!(!left.as_str().unwrap().contains("of Hana alone"), "{left}");
        }
    }

    async fn items_may_be_called_as_something_that_forms_have(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        let mut bundle = once();
        let names = ["action", "children", "elements", "dataset", "prepend", "method", "remove", "id"];
        for name in names {
            let item = format!("[[items]]\nid = \"{name}\"\nkind = \"text\"\nlabel = {{ ja = \"{name}\", en = \"{name}\" }}\n\n");
            let asked = if name == "id" { item.replace("\n\n", "\nwhen = \"pain\"\n\n") } else { item };
            bundle = edited(&bundle, "instruments/weekly.toml", "# A heading with page = true begins a new page.", &format!("{asked}# A heading with page = true begins a new page."));
        }
        let (_pages, url) = begun_for_one(center, &bundle).await;
        let seen = tokio::task::spawn_blocking(move || {
            let mut browser = Chromium::start();
            browser.open(&url);
            browser.run("document.querySelector('[name=pain][value=yes]').click()");
            browser.wait_for("document.getElementsByName('id').length === 1");
            for name in names {
                type_in(&mut browser, name, "x");
            }
            browser.open(&url);
            browser.wait_for("document.getElementsByName('id')[0]?.value === 'x'");
            for name in names {
                assert_eq!(value(&mut browser, name), "x", "{name}");
            }
            browser.fill(&SLEEP, "answer");
            browser.text()
        });
        let text = seen.await.unwrap();
        assert!(text.contains("Your sleep"), "{text}");
    }

    async fn a_mend_from_an_older_page_shows_what_is_on_file_by_now(center: &mut Center) {
        let bundle = edited(&once(), "study.toml", "responses = \"once\"", "responses = \"once\"\nedit = true");
        let (pages, paths) = begun(center, &bundle, 1).await;
        let path = paths[0].as_str();
        let sent = pages.post(path, &with(&[("_mark", &"ab".repeat(16)), ("_lang", "en"), ("remark", "one")])).await;
        assert_eq!(sent.status, 303);
        let opening = format!("{path}?mend=1&lang=en");
        let (early, late) = (pages.get(&opening).await, pages.get(&opening).await);
        let days = [("tired", "2"), ("worried", "1"), ("met", "3")];
        let first = |mood: &'static str| [("day", "2026-11-01"), ("mood", mood), ("pain", "no")];
        let mut page = pages.fill(path, &early, &first("9"), "answer").await;
        page = pages.fill(path, &page, &[("slept", "7"), ("napped", "")], "answer").await;
        page = pages.fill(path, &page, &[&days[..], &[("remark", "two")]].concat(), "answer").await;
        assert!(page.status == 303 && page.location().contains("receipt="), "{page:?}");

        // From the page of before: nothing is undone unseen.
        let mut page = pages.fill(path, &late, &first("3"), "answer").await;
        page = pages.fill(path, &page, &[("slept", "7"), ("napped", "")], "answer").await;
        let last = [&days[..], &[("remark", "one")]].concat();
        let told = pages.fill(path, &page, &last, "answer").await;
        assert_eq!(told.status, 409, "{told:?}");
        for part in ["changed meanwhile", "on file <strong>9</strong>, here <strong>3</strong>", "on file <strong>two</strong>, here <strong>one</strong>"] {
            assert!(told.body.contains(part), "{part}: {told:?}");
        }
        assert!(!told.body.contains("on file <strong>7</strong>"), "{told:?}");
        let on_file = |rows: Vec<hagaki::store::response::ResponseRow>| rows.into_iter().find(|row| row.current).unwrap().answers;
        assert!(responses_of(center).await.len() == 2 && on_file(responses_of(center).await).contains("\"mood\":\"9\""));
        // The same page once more does no more than that; the one that tells of it does.
        assert_eq!(pages.fill(path, &page, &last, "answer").await.status, 409);
        let mut page = pages.fill(path, &told, &first("3"), "answer").await;
        page = pages.fill(path, &page, &[("slept", "7"), ("napped", "")], "answer").await;
        let done = pages.fill(path, &page, &last, "answer").await;
        assert!(done.status == 303 && done.location().contains("receipt="), "{done:?}");
        assert!(on_file(responses_of(center).await).contains("\"mood\":\"3\""));
        // Sent twice, it is the same; and what is on file already undoes nothing, from whatever page it comes.
        assert_eq!(pages.fill(path, &page, &last, "answer").await.location(), done.location());
        let mut page = pages.fill(path, &late, &first("3"), "answer").await;
        page = pages.fill(path, &page, &[("slept", "7"), ("napped", "")], "answer").await;
        assert_eq!(pages.fill(path, &page, &last, "answer").await.location(), done.location());
        assert_eq!(responses_of(center).await.len(), 3);
    }
}

/// Every response, those among them that were mended.
async fn responses_of(center: &Center) -> Vec<hagaki::store::response::ResponseRow> {
    let row = hagaki::store::study::find_current(center.store(), "wellbeing").await.unwrap().unwrap();
    hagaki::store::response::list(center.store(), row.id, &hagaki::domain::survey::Mark([0; 16]), 100).await.unwrap()
}
