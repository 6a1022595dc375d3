//! Members with accounts: a password chosen by a link that came by mail, signing in, answering once; and what attackers try.

use std::sync::Arc;

use hagaki::domain::language::Language;
use hagaki::domain::participant::Candidate;
use hagaki::domain::survey::Mark;
use hagaki::domain::time::Clock;
use hagaki::limits;
use hagaki::store::{account, response, study};
use hagaki::web::account::{AccountPages, Ways};
use hagaki::web::cases::CasePages;
use hagaki::web::election::ElectionPages;
use hagaki::web::survey::{SurveyPages, Tools};
use hagaki::workflow::DeskAddress;
use hagaki::workflow::credentials::{Batch, Form};

use super::*;
use crate::browser::{Page, Served};

const HANA: &str = "hana@example.jp";
const TARO: &str = "taro@example.jp";
pub(crate) const PASSWORD: &str = "correct horse battery";

/// MEMBERS, with names, so that what was recorded can be looked at; not shown again before it is sent.
pub(crate) fn named() -> Bundle {
    let bundle = edited(&samples::members(), "study.toml", "privacy = \"anonymous\"", "privacy = \"named\"");
    let bundle = edited(&bundle, "study.toml", "batch = 20\n", "");
    edited(&bundle, "study.toml", "review = true", "review = false")
}

pub(crate) async fn admit(center: &Center, slug: &str, addresses: &[&str]) -> Batch {
    let candidate = |address: &&str| Candidate {
        address: (*address).to_owned(),
        language: Some(Language::En),
        ..Candidate::default()
    };
    let candidates: Vec<Candidate> = addresses.iter().map(candidate).collect();
    center.issue(slug, &candidates, center.terms(Form::Account)).await
}

pub(crate) async fn serve(center: &Center) -> Served {
    let url = center.process.calendar.desk.public_url.clone();
    Served::start(routes(center, center.clock.clone(), &url, Ways::default())).await
}

/// The pages as the daemon serves them, at an address, with other ways to sign in.
pub(super) fn routes(center: &Center, clock: Arc<dyn Clock>, url: &str, ways: Ways) -> axum::Router {
    let desk = DeskAddress { public_url: url.to_owned(), ..center.process.calendar.desk.clone() };
    let shelf = Arc::new(center.shelf_on(center.store()));
    let tools = Tools {
        shelf,
        clock,
        dice: center.dice.clone(),
        keys: center.keys.clone(),
        desk,
        files: center.process.calendar.files.clone(),
        proxies: Vec::new(),
        dispatch_bells: vec![center.process.dispatch.bell.clone()],
    };
    let accounts = AccountPages::new(tools.clone()).with_ways(ways).router();
    let cases = CasePages::new(tools.clone()).router();
    let elections = ElectionPages::new(tools.clone()).router();
    SurveyPages::new(tools).router().merge(accounts).merge(cases).merge(elections)
}

pub(crate) fn header(cookie: &str) -> String {
    format!("Cookie: {cookie}\r\n")
}

/// Opens a page with a form, and what a browser sends back with it: the cookie that was set, and the guard.
async fn opened(pages: &Served, path: &str) -> (String, String) {
    let page = pages.get(path).await;
    assert_eq!(page.status, 200, "{page:?}");
    (page.cookie(), page.field("_guard"))
}

/// Asks for a letter, in a fresh browser.
pub(super) async fn ask(pages: &Served, address: &str) -> Page {
    let (cookie, guard) = opened(pages, "/account?lang=en").await;
    let typed = [("_guard", guard.as_str()), ("lang", "en"), ("address", address)];
    pages.post_with("/account", &typed, &header(&cookie)).await
}

/// The letters that come of it; they are written apart from the page.
pub(super) async fn letters(center: &mut Center, many: usize) -> Vec<Received> {
    let mut all = Vec::new();
    for _ in 0..200 {
        all.extend(center.settle().await);
        if all.len() >= many {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(all.len(), many, "{:?}", kinds(&all));
    all
}

pub(super) fn link_in(text: &str) -> String {
    let link = text.split_whitespace().find_map(|word| word.strip_prefix("https://hagaki.example.jp/account/"));
    format!("/account/{}", link.unwrap_or_else(|| panic!("no link in {text}")))
}

/// Chooses a password the whole way: page, letter, link.
pub(crate) async fn choose(center: &mut Center, pages: &Served, address: &str, password: &str) {
    assert_eq!(ask(pages, address).await.status, 200);
    let letters = letters(center, 1).await;
    assert_eq!(kinds(&letters), [("account-link", address)]);
    let link = link_in(&letters[0].text);
    let chosen = pages.post(&link, &[("password", password), ("again", password), ("lang", "en")]).await;
    assert_eq!(chosen.location(), "/sign-in?done=chosen&lang=en");
}

/// Signs in in a fresh browser.
async fn try_in(pages: &Served, address: &str, password: &str) -> Page {
    sign_in(pages, "members", address, password).await
}

/// The same, to go on somewhere.
pub(crate) async fn sign_in(pages: &Served, to: &str, address: &str, password: &str) -> Page {
    let (cookie, guard) = opened(pages, &format!("/sign-in?to={to}&lang=en")).await;
    let typed = [("_guard", guard.as_str()), ("lang", "en"), ("to", to), ("address", address), ("password", password)];
    pages.post_with("/sign-in", &typed, &header(&cookie)).await
}

pub(super) const FILLED: [(&str, &str); 4] =
    [("_lang", "en"), ("content", "7"), ("meeting", "both"), ("wish", "more of it")];

stories! {
    async fn a_member_chooses_a_password_signs_in_and_answers_once(center: &mut Center) {
        center.activate(&named(), Stage::Production).await;
        let batch = admit(center, "members", &[HANA, TARO]).await;
        assert_eq!((batch.issued.len(), batch.passed.len()), (2, 0));
        let again = admit(center, "members", &[HANA, "new@example.jp", "new@example.jp"]).await;
        assert_eq!((again.issued.len(), again.passed.len()), (1, 2), "each stands on the roll once");
        let invited = letters(center, 3).await;
        assert!(invited[0].text.contains("https://hagaki.example.jp/s/members"), "{}", invited[0].text);
        assert!(invited[0].text.contains("https://hagaki.example.jp/account"), "{}", invited[0].text);
        assert!(!invited[0].text.contains("/a/"));

        let pages = serve(center).await;
        assert_eq!(pages.get("/s/members/form").await.location(), "/s/members");
        assert_eq!(pages.get("/s/members").await.location(), "/sign-in?to=members");
        // Nobody has a password until they chose one.
        assert_eq!(try_in(&pages, HANA, "").await.status, 403);
        assert_eq!(ask(&pages, HANA).await.status, 200);
        let letter = letters(center, 1).await.remove(0);
        let link = link_in(&letter.text);
        assert!(pages.get(&format!("{link}?lang=ja")).await.body.contains("15 文字以上"));
        // A mail scanner opens the link as often as it likes.
        for _ in 0..3 {
            let page = pages.get(&format!("{link}?lang=en")).await;
            assert!(page.status == 200 && page.body.contains("autocomplete=\"new-password\""), "{page:?}");
        }
        for (password, again, told) in [
            ("brief one", "brief one", "too short"),
            ("passwordpassword", "passwordpassword", "easy to guess"),
            ("hana@example.jp 1", "hana@example.jp 1", "easy to guess"),
            (PASSWORD, "correct horse batterz", "not the same"),
        ] {
            let page = pages.post(&link, &[("password", password), ("again", again), ("lang", "en")]).await;
            assert!(page.status == 422 && page.body.contains(told), "{password}: {page:?}");
            assert!(!page.body.contains(password), "what was typed is not shown again");
        }
        let chosen = pages.post(&link, &[("password", PASSWORD), ("again", PASSWORD), ("lang", "en")]).await;
        assert_eq!(chosen.location(), "/sign-in?done=chosen&lang=en");
        assert!(pages.get(&chosen.location()).await.body.contains("Your password is kept"));

        let entered = try_in(&pages, " Hana@Example.JP ", PASSWORD).await;
        assert_eq!(entered.location(), "/s/members/form?lang=en");
        assert!(entered.head.contains("; Path=/; HttpOnly; SameSite=Lax; Max-Age=") && entered.head.contains("; Secure"), "{entered:?}");
        let cookie = entered.cookie();
        assert!(cookie.starts_with("__Host-hagaki-account="));
        let form = pages.get_with("/s/members/form?lang=en", &cookie).await;
        assert!(form.status == 200 && form.body.contains("On the work of the society"), "{form:?}");
        let (mark, guard) = (form.field("_mark"), form.field("_guard"));
        // A form of another site has the cookie and not the guard.
        for wrong in ["", "0", &"ab".repeat(32)] {
            let foreign: Vec<(&str, &str)> = FILLED.into_iter().chain([("_mark", mark.as_str()), ("_guard", wrong)]).collect();
            assert_eq!(pages.post_with("/s/members/form", &foreign, &header(&cookie)).await.status, 403);
        }
        let own: Vec<(&str, &str)> = FILLED.into_iter().chain([("_mark", mark.as_str()), ("_guard", guard.as_str())]).collect();
        let sent = pages.post_with("/s/members/form", &own, &header(&cookie)).await;
        assert_eq!(sent.status, 303, "{sent:?}");
        assert!(pages.get_with(&sent.location(), &cookie).await.body.contains("Your answers were recorded"));
        // From another browser it is the same member, who has answered.
        let other = try_in(&pages, HANA, PASSWORD).await.cookie();
        assert_ne!(other, cookie);
        let opened = pages.get_with("/s/members/form?lang=en", &other).await;
        assert!(opened.body.contains("You have answered already"), "{opened:?}");
        let row = study::find_current(center.store(), "members").await.unwrap().unwrap();
        let all = response::list(center.store(), row.id, &Mark([0; 16]), 100).await.unwrap();
        assert_eq!((all.len(), row.responses), (1, 1));
        assert!(all[0].participant_id.is_some() && all[0].answers.contains("more of it"), "{all:?}");

        for (path, words) in [
            ("/sign-in?lang=ja", "ご自身で設定したパスワード"),
            ("/account?lang=ja", "パスワードをお忘れの場合も"),
            (&format!("{link}?lang=ja"), "このリンクは使用済みか"),
        ] {
            let page = pages.get(path).await;
            assert!(page.body.contains(words) && page.body.contains("<html lang=\"ja\">"), "{page:?}");
        }
        let home = pages.get_with("/account?lang=ja", &cookie).await;
        assert!(home.body.contains("ご回答をお願いしている調査") && home.body.contains("会員アンケート"), "{home:?}");
        let home = pages.get_with("/account?lang=en", &cookie).await;
        assert!(home.body.contains(HANA) && home.body.contains("href=\"/s/members/form?lang=en\""), "{home:?}");
        assert!(home.body.contains("(answered)"), "{home:?}");
        // Signing out ends this session, and needs the guard.
        assert_eq!(pages.post_with("/sign-out", &[("_guard", "0")], &header(&cookie)).await.status, 403);
        let left = pages.post_with("/sign-out", &[("_guard", &home.field("_guard"))], &header(&cookie)).await;
        assert!(left.status == 303 && left.head.contains("Max-Age=0"), "{left:?}");
        assert_eq!(pages.get_with("/s/members/form", &cookie).await.location(), "/s/members");
        assert_eq!(pages.get_with("/s/members/form", &other).await.status, 200);
    }

    async fn of_a_member_in_many_tabs_one_answer_counts_without_names(center: &mut Center) {
        let bundle = edited(&samples::members(), "study.toml", "review = true", "review = false");
        center.activate(&bundle, Stage::Production).await;
        admit(center, "members", &[HANA]).await;
        letters(center, 1).await;
        let pages = Arc::new(serve(center).await);
        choose(center, &pages, HANA, PASSWORD).await;
        let cookie = try_in(&pages, HANA, PASSWORD).await.cookie();
        let form = pages.get_with("/s/members/form?lang=en", &cookie).await;
        // It says who reads the answers, and what nobody can tell.
        for part in ["Your answers are kept without your name", "They read the answers, too, but cannot tell which are yours"] {
            assert!(form.body.contains(part), "{part}: {form:?}");
        }
        let guard = form.field("_guard");
        let mut tabs = tokio::task::JoinSet::new();
        for tab in 0..12 {
            let (pages, cookie, guard) = (Arc::clone(&pages), cookie.clone(), guard.clone());
            tabs.spawn(async move {
                let mark = format!("{tab:02}").repeat(16);
                let own: Vec<(&str, &str)> =
                    FILLED.into_iter().chain([("_mark", mark.as_str()), ("_guard", guard.as_str())]).collect();
                pages.post_with("/s/members/form", &own, &header(&cookie)).await.location()
            });
        }
        let told: std::collections::BTreeSet<String> = tabs.join_all().await.into_iter().collect();
        // The one whose answers count has their receipt; all others are told that they had answered.
        let receipts = told.iter().filter(|one| one.contains("receipt=")).count();
        assert_eq!((told.len(), receipts), (2, 1), "{told:?}");
        let row = study::find_current(center.store(), "members").await.unwrap().unwrap();
        assert_eq!(row.responses, 1);
        assert_eq!(center.world.number("SELECT count(*) FROM urn").await, 1);
    }

    async fn whether_an_address_is_known_is_not_told(center: &mut Center) {
        center.activate(&named(), Stage::Production).await;
        admit(center, "members", &[HANA]).await;
        letters(center, 1).await;
        let pages = serve(center).await;
        choose(center, &pages, HANA, PASSWORD).await;
        let strip = |page: &Page, address: &str| {
            let guard = page.body.split("name=\"_guard\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
            page.body.replace(address, "ADDRESS").replace(guard.unwrap_or("-"), "GUARD")
        };
        let (known, unknown) = (ask(&pages, HANA).await, ask(&pages, "stranger@example.net").await);
        assert_eq!((known.status, &known.body), (unknown.status, &unknown.body));
        assert_eq!(kinds(&letters(center, 1).await), [("account-link", HANA)]);
        let known = try_in(&pages, HANA, "not that password").await;
        let unknown = try_in(&pages, "stranger@example.net", "not that password").await;
        assert_eq!((known.status, unknown.status), (403, 403));
        assert_eq!(strip(&known, HANA), strip(&unknown, "stranger@example.net"));
        // A character that PostgreSQL holds in no text is an address as unknown.
        assert_eq!(try_in(&pages, "stranger\0@example.net", "not that password").await.status, 403);

        // An address gets a few letters and then one an hour, in the same words.
        for _ in 0..10 {
            assert_eq!(ask(&pages, HANA).await.body, ask(&pages, "nobody@example.net").await.body);
        }
        letters(center, usize::try_from(limits::ACCOUNT_LETTERS_FREE).unwrap() - 1).await;
        assert_eq!(center.settle().await.len(), 0);
        // Somebody of the staff is known by the bundle alone.
        assert_eq!(ask(&pages, "members-office@example.jp").await.status, 200);
        assert_eq!(kinds(&letters(center, 1).await), [("account-link", "members-office@example.jp")]);
        // One place cannot ask without end.
        let mut last = 200;
        for number in 0..limits::SIGN_IN_FREE_TRIES_ORIGIN {
            last = ask(&pages, &format!("n{number}@example.net")).await.status;
        }
        assert_eq!(last, 429);
    }

    async fn guessing_a_chosen_password_is_slowed_down(center: &mut Center) {
        center.activate(&named(), Stage::Production).await;
        admit(center, "members", &[HANA]).await;
        letters(center, 1).await;
        let pages = Arc::new(serve(center).await);
        choose(center, &pages, HANA, PASSWORD).await;
        // Many at once pass no more than one after another.
        let mut tries = tokio::task::JoinSet::new();
        for number in 0..20 {
            let pages = Arc::clone(&pages);
            tries.spawn(async move { try_in(&pages, HANA, &format!("guessed password {number}")).await.status });
        }
        let statuses = tries.join_all().await;
        let tried = statuses.iter().filter(|status| **status == 403).count();
        assert_eq!(tried, usize::try_from(limits::SIGN_IN_FREE_TRIES).unwrap() + 1, "{statuses:?}");
        // Now even the right one has to wait, but not for long; then all is forgotten.
        assert_eq!(try_in(&pages, HANA, PASSWORD).await.status, 429);
        center.wind(limits::SIGN_IN_WAIT_SECONDS + 1);
        assert_eq!(try_in(&pages, HANA, PASSWORD).await.status, 303);
        assert_eq!(try_in(&pages, HANA, "not that password").await.status, 403);
        // Whoever signs in well from one place is never kept waiting there.
        for _ in 0..limits::SIGN_IN_FREE_TRIES_ORIGIN {
            assert_eq!(try_in(&pages, HANA, PASSWORD).await.status, 303);
        }
    }

    async fn a_link_works_once_and_ends_what_was_before(center: &mut Center) {
        center.activate(&named(), Stage::Production).await;
        admit(center, "members", &[HANA, TARO]).await;
        letters(center, 2).await;
        let pages = Arc::new(serve(center).await);
        choose(center, &pages, TARO, PASSWORD).await;
        let of_taro = try_in(&pages, TARO, PASSWORD).await.cookie();
        ask(&pages, HANA).await;
        let first = link_in(&letters(center, 1).await[0].text);
        ask(&pages, HANA).await;
        let second = link_in(&letters(center, 1).await[0].text);
        let post = async |link: &str, password: &str| {
            pages.post(link, &[("password", password), ("again", password), ("lang", "en")]).await
        };
        assert_eq!(post(&first, PASSWORD).await.status, 404, "a later link takes the place of an earlier one");
        // Of many who use it at once one does.
        let mut users = tokio::task::JoinSet::new();
        for number in 0..6 {
            let (pages, link) = (Arc::clone(&pages), second.clone());
            users.spawn(async move {
                let password = format!("number {number} of a battery");
                let page = pages.post(&link, &[("password", &password), ("again", &password)]).await;
                (page.status, password)
            });
        }
        let outcomes = users.join_all().await;
        let done: Vec<&(u16, String)> = outcomes.iter().filter(|(status, _)| *status == 303).collect();
        assert_eq!(done.len(), 1, "{outcomes:?}");
        let cookie = try_in(&pages, HANA, &done[0].1).await.cookie();
        assert_eq!(pages.get(&second).await.status, 404);
        assert_eq!(post(&second, PASSWORD).await.status, 404, "used up");

        // Another password ends the sessions and the links of before, and nobody else's.
        ask(&pages, HANA).await;
        let third = link_in(&letters(center, 1).await[0].text);
        assert_eq!(pages.get_with("/s/members/form", &cookie).await.status, 200, "asking ends nothing");
        assert_eq!(post(&third, "another horse battery").await.status, 303);
        assert_eq!(pages.get_with("/s/members/form", &cookie).await.status, 303);
        assert_eq!(pages.get_with("/s/members/form", &of_taro).await.status, 200);
        assert_eq!(try_in(&pages, HANA, &done[0].1).await.status, 403);
        assert_eq!(try_in(&pages, HANA, "another horse battery").await.status, 303);

        // It ends by itself.
        center.wind(3600);
        ask(&pages, HANA).await;
        let fourth = link_in(&letters(center, 1).await[0].text);
        center.wind(limits::ACCOUNT_LINK_SECONDS);
        assert_eq!(pages.get(&fourth).await.status, 404);
        assert_eq!(post(&fourth, PASSWORD).await.status, 404);
        // What is kept opens nothing: neither links, nor cookies, nor passwords, nor letters that have left.
        let dumped = crate::privacy::dump::dump(&center.world).await;
        for secret in [&second["/account/".len()..], cookie.split('=').nth(1).unwrap(), "another horse battery"] {
            assert!(dumped.rows.iter().all(|row| !row.holds(secret)), "{secret} is kept");
        }
    }

    async fn a_session_is_nobody_elses(center: &mut Center) {
        center.activate(&named(), Stage::Production).await;
        let other = edited(&named(), "study.toml", "slug = \"members\"", "slug = \"board\"");
        let other = edited(&other, "study.toml", "tag = \"MEMBERS\"", "tag = \"BOARD\"");
        center.activate(&other, Stage::Production).await;
        admit(center, "members", &[HANA]).await;
        admit(center, "board", &[TARO]).await;
        letters(center, 2).await;
        let pages = serve(center).await;
        choose(center, &pages, HANA, PASSWORD).await;

        // What a stranger put into the browser before is worth nothing afterwards.
        let planted = format!("__Host-hagaki-account={}", "a".repeat(26));
        let page = pages.get_with("/sign-in?lang=en", &planted).await;
        let typed = [("_guard", page.field("_guard")), ("address", HANA.to_owned()), ("password", PASSWORD.to_owned())];
        let typed: Vec<(&str, &str)> = typed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let entered = pages.post_with("/sign-in", &typed, &header(&planted)).await;
        assert!(entered.status == 303 && entered.cookie() != planted, "{entered:?}");
        assert_eq!(pages.get_with("/s/members/form", &planted).await.status, 303);
        // Nobody is signed in by another site's form, which has no guard; nor does it have a letter sent.
        assert_eq!(pages.post("/sign-in", &[("address", HANA), ("password", PASSWORD)]).await.status, 403);
        assert_eq!(pages.post("/account", &[("address", HANA)]).await.status, 403);
        assert_eq!(pages.post_with("/sign-in", &typed, &header(&format!("__Host-hagaki-account={}", "b".repeat(26)))).await.status, 403);

        // Another study is another study.
        let cookie = entered.cookie();
        assert_eq!(pages.get_with("/s/members/form", &cookie).await.status, 200);
        assert_eq!(pages.get_with("/s/board/form", &cookie).await.location(), "/s/board");
        let told = pages.get_with("/s/board", &cookie).await;
        assert!(told.status == 403 && !told.body.contains("name=\"_mark\""), "{told:?}");
        let guard = pages.get_with("/s/members/form", &cookie).await.field("_guard");
        let own: Vec<(&str, &str)> = FILLED.into_iter().chain([("_mark", "ab"), ("_guard", guard.as_str())]).collect();
        assert_eq!(pages.post_with("/s/board/form", &own, &header(&cookie)).await.status, 403);
        // The secret of a session opens no survey as a link, and chooses no password.
        let secret = cookie.split('=').nth(1).unwrap();
        assert_eq!(pages.get(&format!("/a/{secret}")).await.status, 404);
        assert_eq!(pages.get(&format!("/account/{secret}")).await.status, 404);

        // A mail from the address is no signing in.
        let by_mail = Writer { address: HANA, study: "members" };
        let blank = center.answer(&by_mail.writes("form", "")).await;
        assert!(blank.kind == "survey-refused" && blank.text.contains("signs in with their own account"), "{}", blank.text);
        let link = center.answer(&by_mail.writes("link", "")).await;
        assert!(link.kind == "link-asked" && link.text.contains("https://hagaki.example.jp/s/members"), "{}", link.text);

        // It ends by itself, and leads nowhere else.
        center.wind(limits::SESSION_IDLE_SECONDS + 1);
        assert_eq!(pages.get_with("/s/members/form", &cookie).await.status, 303);
        let page = pages.get("/sign-in?to=//evil.example&lang=en").await;
        assert!(page.status == 200 && !page.body.contains("evil"), "{page:?}");
        let hana = account::find_by_address(center.store(), HANA).await.unwrap().unwrap();
        assert!(hana.password.is_some_and(|hash| hash.starts_with("$argon2id$")));
    }
}
