//! The second factor of accounts and what a study demands before its cases: setting up, signing in, losing the phone, guessing.

use std::sync::Arc;

use hagaki::domain::second_factor::Authenticator;
use hagaki::domain::time::Clock;
use hagaki::limits;
use hagaki::store::{account, account_act, second_factor};
use hagaki::web::account::Ways;
use hagaki::workflow::accounts::{self, Care};

use super::cases::{REGISTRATION, Visit};
use super::members::{PASSWORD, choose, header, routes, serve, sign_in};
use super::*;
use crate::browser::{Page, Served};
use crate::chromium::{self, Chromium};

const YAMADA: &str = "yamada@example.jp";
const PAGE: &str = "/account/second";

/// What a phone has taken over from a page.
pub(super) struct Phone(Authenticator);

impl Phone {
    /// Types the letters of the page that sets it up.
    fn set_up(page: &Page) -> Phone {
        let letters = page.body.split("<code>").nth(1).and_then(|rest| rest.split("</code>").next()).unwrap();
        let bytes = data_encoding::BASE32_NOPAD.decode(letters.replace(' ', "").as_bytes()).unwrap();
        Phone(Authenticator::of_bytes(&bytes).unwrap())
    }

    fn code(&self, center: &Center) -> String {
        self.0.code(center.clock.now())
    }

    /// Six digits that are no code of about now.
    fn no_code(&self, center: &Center) -> String {
        let now = center.clock.now();
        (0..).map(|number| format!("{number:06}")).find(|digits| self.0.step_of(digits, now).is_none()).unwrap()
    }
}

/// Presses a button of the page of the second factor.
async fn press(visit: &Visit, step: &str, code: &str) -> Page {
    let page = visit.see(PAGE).await;
    visit.post(PAGE, &[("_guard", &page.field("_guard")), ("lang", "en"), ("step", step), ("code", code)]).await
}

/// Sets one up the whole way; the phone, and the recovery codes.
pub(super) async fn set_up(center: &Center, visit: &Visit) -> (Phone, Vec<String>) {
    let begun = press(visit, "begin", "").await;
    assert!(begun.status == 200 && begun.body.contains("<svg class=\"code\""), "{begun:?}");
    let phone = Phone::set_up(&begun);
    let done = press(visit, "confirm", &phone.code(center)).await;
    assert!(done.body.contains("Your recovery codes"), "{done:?}");
    let codes: Vec<String> =
        done.body.split("<li><code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect();
    assert_eq!(codes.len(), limits::RECOVERY_CODES);
    (phone, codes)
}

/// Gives the password in a fresh browser; the cookie of a session that waits for the code.
async fn give_password(pages: &Served, to: &str) -> String {
    let page = sign_in(pages, to, YAMADA, PASSWORD).await;
    assert_eq!(page.location(), format!("/sign-in/code?to={to}&lang=en"));
    page.cookie()
}

async fn give_code(pages: &Served, cookie: &str, to: &str, code: &str) -> Page {
    let page = pages.get_with("/sign-in/code?lang=en", cookie).await;
    let guard = if page.status == 200 { page.field("_guard") } else { String::new() };
    let typed = [("_guard", guard.as_str()), ("lang", "en"), ("to", to), ("code", code)];
    pages.post_with("/sign-in/code", &typed, &header(cookie)).await
}

/// AURORA with a section for its pages.
fn demanding(section: &str) -> Bundle {
    edited(&samples::aurora(), "study.toml", "[registration]\n", &format!("[pages]\n{section}\n\n[registration]\n"))
}

stories! {
    async fn after_the_password_a_code_is_asked_for(center: &mut Center) {
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        let elsewhere = Visit::of(&pages, sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.cookie());
        assert!(yamada.see("/account").await.body.contains("Your password alone lets you in"));

        // Nothing is switched on before a code was typed; begun anew, the first picture is worth nothing.
        let first = Phone::set_up(&press(&yamada, "begin", "").await);
        let second = Phone::set_up(&press(&yamada, "begin", "").await);
        for wrong in ["", "12345", &second.no_code(center), &first.code(center)] {
            if second.0.step_of(wrong, center.clock.now()).is_none() {
                let page = press(&yamada, "confirm", wrong).await;
                assert!(page.status == 403 && page.body.contains("This code does not fit"), "{wrong}: {page:?}");
            }
        }
        assert_eq!(sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.location(), "/c/aurora?lang=en");
        let (phone, _) = set_up(center, &yamada).await;
        assert!(yamada.see("/account").await.body.contains("a code of your authenticator is asked for"));
        // Whoever had come in without one is out.
        assert!(!elsewhere.get("/account").await.body.contains("You are signed in as"));
        assert_eq!(elsewhere.get("/c/aurora").await.location(), "/sign-in?to=/c/aurora");
        // One in use is not put aside by another.
        assert_eq!(press(&yamada, "begin", "").await.status, 409);

        let waiting = give_password(&pages, "/c/aurora").await;
        for closed in ["/c/aurora", "/c/aurora/new", "/account/second"] {
            let page = pages.get_with(closed, &waiting).await;
            assert_eq!(page.location(), format!("/sign-in?to={closed}"));
        }
        // The code that was taken when it was set up is used up; the next one is good once.
        let used = give_code(&pages, &waiting, "/c/aurora", &phone.code(center)).await;
        assert!(used.status == 403 && used.body.contains("This code is none of now"), "{used:?}");
        center.wind(30);
        let code = phone.code(center);
        let entered = give_code(&pages, &waiting, "/c/aurora", &code).await;
        assert_eq!(entered.location(), "/c/aurora?lang=en");
        assert_ne!(entered.cookie(), waiting, "the session is another one");
        assert_eq!(Visit::of(&pages, entered.cookie()).see("/c/aurora").await.status, 200);
        assert_eq!(pages.get_with("/sign-in/code", &waiting).await.location(), "/sign-in");
        let again = give_password(&pages, "/c/aurora").await;
        assert_eq!(give_code(&pages, &again, "/c/aurora", &code).await.status, 403);

        // The password alone waits ten minutes, no more.
        let guard = pages.get_with("/sign-in/code?lang=en", &again).await.field("_guard");
        center.wind(limits::SECOND_FACTOR_SECONDS);
        let code = phone.code(center);
        let typed = [("_guard", guard.as_str()), ("lang", "en"), ("to", "/c/aurora"), ("code", code.as_str())];
        assert_eq!(pages.post_with("/sign-in/code", &typed, &header(&again)).await.location(), "/sign-in?to=/c/aurora");
        assert_eq!(pages.get_with("/c/aurora", &again).await.location(), "/sign-in?to=/c/aurora");

        // A new password does not do without the code.
        choose(center, &pages, YAMADA, "another horse battery staple").await;
        let page = sign_in(&pages, "/c/aurora", YAMADA, "another horse battery staple").await;
        assert_eq!(page.location(), "/sign-in/code?to=/c/aurora&lang=en");
    }

    async fn recovery_codes_stand_in_for_a_lost_phone(center: &mut Center) {
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        let (_, codes) = set_up(center, &yamada).await;
        let waiting = give_password(&pages, "/c/aurora").await;
        let entered = give_code(&pages, &waiting, "/c/aurora", &codes[0].to_uppercase()).await;
        assert_eq!(entered.location(), "/account/second?done=recovered&lang=en");
        let yamada = Visit::of(&pages, entered.cookie());
        let told = yamada.see("/account/second?done=recovered").await;
        assert!(told.body.contains("Recovery codes left: <strong>9</strong>"), "{told:?}");
        let waiting = give_password(&pages, "/c/aurora").await;
        assert_eq!(give_code(&pages, &waiting, "/c/aurora", &codes[0]).await.status, 403, "each is good once");

        // New ones take the place of the old ones.
        let renewed = press(&yamada, "renew", &codes[1]).await;
        assert!(renewed.body.contains("Your recovery codes"), "{renewed:?}");
        let newer = renewed.body.split("<li><code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
        assert_eq!(give_code(&pages, &waiting, "/c/aurora", &codes[2]).await.status, 403);
        // Doing without takes a code as well.
        assert_eq!(press(&yamada, "end", "").await.status, 403);
        assert_eq!(press(&yamada, "end", &newer).await.location(), "/account/second?done=ended&lang=en");
        assert_eq!(sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.location(), "/c/aurora?lang=en");
        let id = account::find_by_address(center.store(), YAMADA).await.unwrap().unwrap().id;
        assert_eq!(second_factor::find(center.store(), &id).await.unwrap(), None);
        assert_eq!(second_factor::count_codes(center.store(), &id).await.unwrap(), 0);
    }

    async fn a_code_lets_one_in_and_guessing_is_slowed_down(center: &mut Center) {
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        let (phone, _) = set_up(center, &yamada).await;
        center.wind(30);
        let code = phone.code(center);
        let mut tries = tokio::task::JoinSet::new();
        for _ in 0..limits::SIGN_IN_FREE_TRIES {
            let (pages, waiting, code) = (Arc::clone(&pages), give_password(&pages, "/c/aurora").await, code.clone());
            tries.spawn(async move { give_code(&pages, &waiting, "/c/aurora", &code).await.status });
        }
        let statuses = tries.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");

        center.wind(limits::SIGN_IN_QUIET_SECONDS);
        let waiting = give_password(&pages, "/c/aurora").await;
        for _ in 0..=limits::SIGN_IN_FREE_TRIES {
            let page = give_code(&pages, &waiting, "/c/aurora", &phone.no_code(center)).await;
            assert_eq!(page.status, 403, "{page:?}");
        }
        let slowed = give_code(&pages, &waiting, "/c/aurora", &phone.code(center)).await;
        assert!(slowed.status == 429 && slowed.body.contains("tried too often"), "{slowed:?}");
        center.wind(limits::SIGN_IN_WAIT_SECONDS + 1);
        assert_eq!(give_code(&pages, &waiting, "/c/aurora", &phone.code(center)).await.status, 303);
        // A form of another browser is worth nothing, nor is one without its guard.
        let waiting = give_password(&pages, "/c/aurora").await;
        let typed = [("_guard", ""), ("lang", "en"), ("to", "/c/aurora"), ("code", code.as_str())];
        assert_eq!(pages.post_with("/sign-in/code", &typed, &header(&waiting)).await.status, 403);
    }

    async fn the_pages_of_an_account_can_be_used_by_everybody(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        center.activate(&demanding("step_up = \"second-factor\""), Stage::Production).await;
        let own = serve(center).await;
        choose(center, &own, YAMADA, PASSWORD).await;
        for (language, screen, width, height) in [("en", "desk", 1200, 900), ("ja", "phone", 390, 844)] {
            let listener = hagaki::web::listen(std::net::SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let pages = Served::start_on(listener, routes(center, center.clock.clone(), &url, Ways::default()));
            let clock = center.clock.clone();
            let seen = tokio::task::spawn_blocking(move || {
                let mut browser = Chromium::start();
                browser.screen(width, height);
                let name = |page: &str| format!("account-{language}-{screen}-{page}");
                let type_in = |browser: &mut Chromium, fields: &[(&str, &str)]| {
                    for (name, value) in fields {
                        browser.run(&format!("document.getElementsByName('{name}')[0].value = '{value}'"));
                    }
                };
                browser.open(&pages.url(&format!("/account?lang={language}")));
                browser.look(&name("1-ask"));
                browser.open(&pages.url(&format!("/sign-in?to=/c/aurora&lang={language}")));
                type_in(&mut browser, &[("address", YAMADA), ("password", "not that password")]);
                browser.press("main button");
                browser.look(&name("2-wrong"));
                type_in(&mut browser, &[("password", PASSWORD)]);
                browser.press("main button");
                browser.look(&name("3-demanded"));
                browser.press("main a.button");
                browser.look(&name("4-second-off"));
                browser.press("main button");
                browser.look(&name("5-set-up"));
                let letters = browser.run("document.querySelector('code').textContent").as_str().unwrap().replace(' ', "");
                let bytes = data_encoding::BASE32_NOPAD.decode(letters.as_bytes()).unwrap();
                let phone = Authenticator::of_bytes(&bytes).unwrap();
                type_in(&mut browser, &[("code", &phone.code(clock.now()))]);
                browser.press("main button");
                browser.look(&name("6-codes"));
                let recovery = browser.run("document.querySelector('.codes code').textContent").as_str().unwrap().to_owned();
                browser.press("main a.button");
                browser.look(&name("7-home"));
                browser.open(&pages.url(&format!("/account/second?lang={language}")));
                browser.look(&name("8-second-on"));
                browser.press("footer button");
                type_in(&mut browser, &[("address", YAMADA), ("password", PASSWORD)]);
                browser.press("main button");
                type_in(&mut browser, &[("code", "000")]);
                browser.press("main button");
                browser.look(&name("9-code"));
                type_in(&mut browser, &[("code", &recovery)]);
                browser.press("main button");
                let told = browser.text();
                // The next round begins without one.
                let other = browser.run("location.pathname");
                (told, other)
            });
            let (told, path) = seen.await.unwrap();
            assert_eq!(path, serde_json::json!(PAGE), "{told}");
            assert!(told.contains('9'), "{told}");
            let id = account::find_by_address(center.store(), YAMADA).await.unwrap().unwrap().id;
            let now = center.clock.now();
            assert!(accounts::care(center.store(), now, "operator:kita", "again", &id, Care::DropSecondFactor).await.unwrap());
        }
    }

    async fn a_new_password_ends_what_began_with_the_old_one(center: &mut Center) {
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        choose(center, &pages, YAMADA, PASSWORD).await;
        let mut tries = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let pages = Arc::clone(&pages);
            tries.spawn(async move {
                let mut cookies = Vec::new();
                for _ in 0..8 {
                    let page = sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await;
                    if page.status == 303 {
                        cookies.push(page.cookie());
                    }
                }
                cookies
            });
        }
        choose(center, &pages, YAMADA, "another horse battery staple").await;
        let cookies: Vec<String> = tries.join_all().await.into_iter().flatten().collect();
        assert!(!cookies.is_empty());
        for cookie in cookies {
            let page = pages.get_with("/c/aurora", &cookie).await;
            assert_eq!((page.status, page.location()), (303, "/sign-in?to=/c/aurora".to_owned()));
        }
    }

    async fn a_button_pressed_twice_tells_what_was_recorded(center: &mut Center) {
        center.activate(&demanding("step_up = \"second-factor\"\nstep_up_minutes = 10"), Stage::Production).await;
        let pages = Arc::new(serve(center).await);
        choose(center, &pages, YAMADA, PASSWORD).await;
        let yamada = Visit::of(&pages, sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.cookie());
        let (phone, codes) = set_up(center, &yamada).await;
        let blank = yamada.see("/c/aurora/new").await;
        let review = yamada.fill("/c/aurora/new", &blank, &REGISTRATION, "answer").await;
        center.wind(600);
        let asked = Arc::new(yamada.fill("/c/aurora/new", &review, &[], "send").await);
        assert!(asked.body.contains("Is it still you?"), "{asked:?}");
        let mut presses = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let (visit, asked, code) = (Visit::of(&pages, yamada.cookie().to_owned()), Arc::clone(&asked), phone.code(center));
            presses.spawn(async move { visit.send("/c/aurora/new", &asked, &[("_proof", &code)]).await });
        }
        for page in presses.join_all().await {
            assert!(page.status == 303 && page.location().starts_with("/c/aurora/1?lang=en&done="), "{page:?}");
        }
        assert_eq!(center.enrolled("aurora").await.len(), 1);
        center.settle().await;

        // Whoever comes in by the last recovery code has none to show for what has to be done then.
        for (number, code) in codes.iter().enumerate() {
            center.wind(1);
            let waiting = give_password(&pages, "/c/aurora").await;
            let entered = give_code(&pages, &waiting, "/c/aurora", code).await;
            assert_eq!(entered.location(), "/account/second?done=recovered&lang=en", "{number}");
            if number + 1 == codes.len() {
                let last = Visit::of(&pages, entered.cookie());
                assert!(last.see(PAGE).await.body.contains("your last recovery code"));
                assert!(press(&last, "renew", "").await.body.contains("Your recovery codes"));
                assert_eq!(press(&last, "end", "").await.status, 403, "now there are some to show");
            }
        }
    }

    async fn owners_are_told_what_was_done_and_end_what_is_not_theirs(center: &mut Center) {
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        set_up(center, &yamada).await;
        center.settle().await;
        center.attend().await;
        let told = center.settle().await;
        let [letter] = &told[..] else { panic!("{:?}", kinds(&told)) };
        assert_eq!((letter.kind.as_str(), letter.to.as_str()), ("account-changed", YAMADA));
        let chosen = letter.text.find("パスワードが設定されました").unwrap();
        assert!(chosen < letter.text.find("認証アプリが設定され").unwrap(), "{}", letter.text);
        assert!(!letter.text.contains("研究事務局による"), "{}", letter.text);

        // Each is told once, and what an operator did as theirs.
        center.attend().await;
        assert!(center.settle().await.is_empty());
        let id = account::find_by_address(center.store(), YAMADA).await.unwrap().unwrap().id;
        let now = center.clock.now();
        assert!(accounts::care(center.store(), now, "operator:kita", "phone lost", &id, Care::DropSecondFactor).await.unwrap());
        center.attend().await;
        let told = center.settle().await;
        assert!(told.len() == 1 && told[0].text.contains("パスワードだけでサインインできるようになりました（研究事務局による）"), "{told:?}");
        assert!(!told[0].text.contains("phone lost"), "what an operator noted is theirs");

        // The page tells the same, and ends what is elsewhere.
        let here = Visit::of(&pages, sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.cookie());
        let page = here.see("/account").await;
        assert!(page.body.contains("the password alone lets in (by the study center)"), "{}", page.body);
        assert!(!page.body.contains("Sign out everywhere else"), "{}", page.body);
        let elsewhere = Visit::of(&pages, sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.cookie());
        let page = here.see("/account").await;
        assert!(page.body.contains("You are signed in in other browsers, too: 1."), "{}", page.body);
        let forged = here.post("/account/others", &[("_guard", "abc"), ("lang", "en")]).await;
        assert_eq!(forged.status, 403);
        assert_eq!(elsewhere.get("/c/aurora").await.status, 200);
        assert_eq!(here.post("/account/others", &[("_guard", &page.field("_guard")), ("lang", "en")]).await.location(), "/account?lang=en");
        assert_eq!(elsewhere.get("/c/aurora").await.location(), "/sign-in?to=/c/aurora");
        assert_eq!(here.get("/c/aurora").await.status, 200);
    }

    async fn an_operator_helps_whoever_lost_everything(center: &mut Center) {
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        set_up(center, &yamada).await;
        let id = account::find_by_address(center.store(), YAMADA).await.unwrap().unwrap().id;
        let care = async |center: &Center, care| {
            accounts::care(center.store(), center.clock.now(), "operator:kita", "seen in person", &id, care).await.unwrap()
        };
        assert!(care(center, Care::DropSecondFactor).await);
        assert!(!care(center, Care::DropSecondFactor).await);
        assert_eq!(yamada.get("/c/aurora").await.location(), "/sign-in?to=/c/aurora", "whoever was in is out");
        let entered = sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await;
        assert_eq!(entered.location(), "/c/aurora?lang=en");
        let yamada = Visit::of(&pages, entered.cookie());
        assert!(care(center, Care::Close).await);
        assert_eq!(yamada.get("/c/aurora").await.location(), "/sign-in?to=/c/aurora");
        assert_eq!(sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.status, 403);
        assert!(care(center, Care::Reopen).await);
        assert_eq!(sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.status, 303);
        let acts = account_act::list(center.store(), &id, 9).await.unwrap();
        let acts: Vec<(&str, &str)> = acts.iter().map(|row| (row.act.key(), row.actor.as_str())).collect();
        let kita = "operator:kita";
        assert_eq!(
            acts,
            [("reopened", kita), ("closed", kita), ("second-factor-off", kita), ("second-factor-on", "owner"), ("password", "owner")]
        );
    }

    async fn the_secret_is_kept_sealed_and_changed_only_by_its_owner(center: &mut Center) {
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        let (phone, _) = set_up(center, &yamada).await;
        let id = account::find_by_address(center.store(), YAMADA).await.unwrap().unwrap().id;
        let kept = second_factor::find(center.store(), &id).await.unwrap().unwrap().secret;
        assert!(!kept.windows(20).any(|window| window == phone.0.bytes()));
        center.wind(30);
        assert_eq!(press(&yamada, "end", &phone.code(center)).await.status, 303);

        // A while after signing in the password is asked for before one is set up: an open browser is no owner.
        center.wind(limits::PROOF_SECONDS);
        let asked = press(&yamada, "begin", "").await;
        assert_eq!(asked.location(), "/confirm?to=/account/second&lang=en");
        let page = yamada.see("/confirm?to=/account/second").await;
        let proof = |code: &'static str| [("_guard", page.field("_guard")), ("lang", "en".into()), ("to", PAGE.into()), ("code", code.into())];
        let post = async |code| {
            let fields = proof(code);
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            yamada.post("/confirm", &fields).await
        };
        let wrong = post("not that password").await;
        assert!(wrong.status == 403 && wrong.body.contains("That is not your password"), "{wrong:?}");
        assert_eq!(post(PASSWORD).await.location(), "/account/second?lang=en");
        assert_eq!(press(&yamada, "begin", "").await.status, 200);
    }

    async fn a_study_asks_again_before_its_cases(center: &mut Center) {
        center.activate(&demanding("step_up = \"password\"\nstep_up_minutes = 10"), Stage::Production).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        let blank = yamada.see("/c/aurora/new").await;
        let typed: Vec<(&str, &str)> =
            REGISTRATION.into_iter().chain([("remarks", "two\nlines & \"quotes\"")]).collect();
        let review = yamada.fill("/c/aurora/new", &blank, &typed, "answer").await;
        assert!(review.body.contains("Is this right?"), "{review:?}");

        // Ten minutes on: pages to look at lead to the question and back; what was typed goes on after it.
        center.wind(600);
        assert_eq!(yamada.get("/c/aurora/1?lang=en").await.location(), "/confirm?to=/c/aurora/1&lang=en");
        let asked = yamada.fill("/c/aurora/new", &review, &[], "send").await;
        assert!(asked.status == 403 && asked.body.contains("Is it still you?"), "{asked:?}");
        assert_eq!(center.enrolled("aurora").await.len(), 0);
        let wrong = yamada.send("/c/aurora/new", &asked, &[("_proof", "not that password")]).await;
        assert!(wrong.status == 403 && wrong.body.contains("That does not fit"), "{wrong:?}");
        assert_eq!(center.enrolled("aurora").await.len(), 0);
        let sent = yamada.send("/c/aurora/new", &wrong, &[("_proof", PASSWORD)]).await;
        assert_eq!(sent.location(), "/c/aurora/1?lang=en&done=enrolled", "{sent:?}");
        let case = yamada.see("/c/aurora/1").await;
        assert!(case.body.contains("two\nlines &amp; &quot;quotes&quot;"), "{case:?}");
        assert_eq!(center.enrolled("aurora").await.len(), 1);

        // Nor does a proof help that comes from elsewhere.
        center.wind(600);
        let fields: Vec<(&str, &str)> = REGISTRATION.into_iter().chain([("_proof", PASSWORD), ("_step", "send")]).collect();
        assert_eq!(yamada.post("/c/aurora/new", &fields).await.status, 403);
        assert_eq!(yamada.get("/c/aurora").await.location(), "/confirm?to=/c/aurora&lang=ja");
        // With an authenticator its code is asked for.
        let page = yamada.see("/confirm?to=/c/aurora").await;
        assert!(page.body.contains("Your password") || page.body.contains("Password"), "{page:?}");
        let fields = [("_guard", page.field("_guard")), ("lang", "en".into()), ("to", "/c/aurora".into()), ("code", PASSWORD.into())];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(yamada.post("/confirm", &fields).await.location(), "/c/aurora?lang=en");
        assert_eq!(yamada.see("/c/aurora").await.status, 200);
        center.settle().await;
    }

    async fn a_study_that_demands_the_second_factor_says_where_to_set_it_up(center: &mut Center) {
        center.activate(&demanding("step_up = \"second-factor\""), Stage::Production).await;
        let pages = Arc::new(serve(center).await);
        choose(center, &pages, YAMADA, PASSWORD).await;
        let yamada = Visit::of(&pages, sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.cookie());
        assert_eq!(yamada.get("/c/aurora?lang=en").await.location(), "/confirm?to=/c/aurora&lang=en");
        let page = yamada.see("/confirm?to=/c/aurora").await;
        assert!(page.body.contains("your account has none yet") && page.body.contains("/account/second"), "{page:?}");
        // Neither the password nor a guess helps.
        let guard = yamada.see(PAGE).await.field("_guard");
        let fields = [("_guard", guard.as_str()), ("lang", "en"), ("to", "/c/aurora"), ("code", PASSWORD)];
        assert_eq!(yamada.post("/confirm", &fields).await.status, 403);
        let (phone, _) = set_up(center, &yamada).await;
        assert_eq!(yamada.see("/c/aurora").await.status, 200);
        center.wind(i64::from(limits::STEP_UP_MINUTES) * 60 - 1);
        assert_eq!(yamada.see("/c/aurora").await.status, 200);
        center.wind(1);
        assert_eq!(yamada.get("/c/aurora?lang=en").await.location(), "/confirm?to=/c/aurora&lang=en");
        let code = phone.code(center);
        let guard = yamada.see("/confirm?to=/c/aurora").await.field("_guard");
        let fields = [("_guard", guard.as_str()), ("lang", "en"), ("to", "/c/aurora"), ("code", code.as_str())];
        assert_eq!(yamada.post("/confirm", &fields).await.location(), "/c/aurora?lang=en");
        assert_eq!(yamada.see("/c/aurora").await.status, 200);
    }
}
