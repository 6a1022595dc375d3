//! The pages of the staff: registering, what is due, forms of events, corrections; and what nobody may see or do there.

use std::sync::Arc;

use hagaki::domain::language::Language;
use hagaki::store::{audit, response, study, subject};
use hagaki::workflow::accounts;
use hagaki::workflow::export::cells::Cell;
use hagaki::workflow::export::{self, Rows, Wish};
use hagaki::workflow::life;

use super::members::{PASSWORD, choose, header, letters, serve, sign_in};
use super::*;
use crate::browser::{Page, Served};

const YAMADA: &str = "yamada@example.jp";
const SUZUKI: &str = "suzuki@example.jp";
const CENTER: &str = "aurora-center@example.jp";

/// `hagaki subject show` tells each form of an event that counts, and of a corrected one what is right now and why.
fn shown_at_the_command_line(center: &Center) {
    let Some(text) = shown(center, &["aurora", "AURORA-0001", "--language", "en"]) else { return };
    assert_eq!((text.matches("\nWeek 4: ").count(), text.matches("\nAdverse event ").count()), (1, 3), "{text}");
    for part in ["  Weight: 62.5 kg\n", "  corrected  scale read wrongly\n", "by Hanako Yamada (yamada)"] {
        assert!(text.contains(part), "{part}{text}");
    }
}

/// What `hagaki subject show` prints with those arguments; none on an engine that it cannot be asked on here.
pub(super) fn shown(center: &Center, arguments: &[&str]) -> Option<String> {
    let output = at_the_command_line(center, &[&["subject", "show"][..], arguments].concat())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    Some(text)
}

/// What `hagaki` does with those arguments; none on an engine that it cannot be asked on here.
pub(super) fn at_the_command_line(center: &Center, arguments: &[&str]) -> Option<std::process::Output> {
    // The settings of a PostgreSQL server hold its password elsewhere.
    let database = center.world.url.strip_prefix("sqlite:")?;
    let folder = tempfile::tempdir().unwrap();
    let settings = include_str!("../../../config/demo/hagaki.toml").split_once("\n# Seals").unwrap().0;
    let settings = settings.replace("sqlite:hagaki.db", &format!("sqlite:{database}"));
    std::fs::write(folder.path().join("hagaki.toml"), settings).unwrap();
    std::fs::create_dir_all(folder.path().join("mailboxes/reg")).unwrap();
    let mailbox = include_str!("../../../config/demo/mailbox.toml");
    std::fs::write(folder.path().join("mailboxes/reg/mailbox.toml"), mailbox).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hagaki"));
    command.args(arguments).current_dir(folder.path()).env_remove("HAGAKI_CONFIG");
    Some(command.output().unwrap())
}

/// Somebody of the staff in a browser of their own.
pub(super) struct Visit {
    pages: Arc<Served>,
    cookie: String,
}

impl Visit {
    /// Chooses a password and signs in, to the cases of a study.
    pub(super) async fn begin(center: &mut Center, pages: &Arc<Served>, slug: &str, address: &str) -> Visit {
        choose(center, pages, address, PASSWORD).await;
        let entered = sign_in(pages, &format!("/c/{slug}"), address, PASSWORD).await;
        assert_eq!(entered.location(), format!("/c/{slug}?lang=en"));
        Visit { pages: Arc::clone(pages), cookie: entered.cookie() }
    }

    /// Somebody who signed in already.
    pub(super) fn of(pages: &Arc<Served>, cookie: String) -> Visit {
        Visit { pages: Arc::clone(pages), cookie }
    }

    /// Sends fields, and nothing else.
    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.pages.post_with(path, fields, &header(&self.cookie)).await
    }

    /// Sends the hidden fields of a page, and what is typed on it.
    pub(super) async fn send(&self, path: &str, page: &Page, typed: &[(&str, &str)]) -> Page {
        let hidden = page.hidden();
        let own = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fields: Vec<(&str, &str)> = own.chain(typed.iter().copied()).collect();
        self.post(path, &fields).await
    }

    /// The cookie of the session, `name=value`.
    pub(super) fn cookie(&self) -> &str {
        &self.cookie
    }

    pub(super) async fn get(&self, path: &str) -> Page {
        self.pages.get_with(path, &self.cookie).await
    }

    /// A page in English that can be seen.
    pub(super) async fn see(&self, path: &str) -> Page {
        let lang = if path.contains('?') { "&lang=en" } else { "?lang=en" };
        let page = self.get(&format!("{path}{lang}")).await;
        assert_eq!(page.status, 200, "{path}: {page:?}");
        page
    }

    /// Fills in what is shown on a page, and presses one of its buttons.
    pub(super) async fn fill(&self, path: &str, page: &Page, typed: &[(&str, &str)], step: &str) -> Page {
        let hidden = page.hidden();
        let own = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let own = own.filter(|(name, _)| typed.iter().all(|(typed, _)| typed != name));
        let fields: Vec<(&str, &str)> = own.chain(typed.iter().copied()).chain([("_step", step)]).collect();
        self.pages.post_with(path, &fields, &header(&self.cookie)).await
    }

    /// Fills in a form, sees it once more, and sends it.
    pub(super) async fn record(&self, path: &str, typed: &[(&str, &str)]) -> Page {
        let blank = self.see(path).await;
        let review = self.fill(path, &blank, typed, "answer").await;
        assert!(review.status == 200 && review.body.contains("Is this right?"), "{review:?}");
        self.fill(path, &review, &[], "send").await
    }
}

pub(super) const REGISTRATION: [(&str, &str); 7] = [
    ("site", "011"),
    ("subject_ref", "A-0001"),
    ("consent_date", "2026/11/18"),
    ("age", "５８"),
    ("sex", "M"),
    ("stage", "III"),
    ("ecog_ps", "1"),
];

/// The registration with another reference.
fn of(reference: &'static str) -> Vec<(&'static str, &'static str)> {
    REGISTRATION
        .into_iter()
        .map(|(name, value)| (name, if name == "subject_ref" { reference } else { value }))
        .collect()
}

/// A visit form that nothing speaks against.
fn visit(day: &'static str, weight: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![("visit_date", day), ("weight", weight), ("ecog", "1"), ("treatment_given", "yes")]
}

/// Seconds of so many days.
const fn days(days: i64) -> i64 {
    days * 24 * 3600
}

stories! {
    async fn a_physician_asks_by_mail_for_the_link_to_the_pages(center: &mut Center) {
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        let first = center.answer(&DR_YAMADA.writes("link", "please")).await;
        assert_eq!((first.kind.as_str(), first.to.as_str()), ("account-link", YAMADA));
        // The next one ends the one before, also if it is asked for in Japanese.
        let second = center.answer(&DR_YAMADA.writes("リンク", "")).await;
        let (dead, link) = (super::members::link_in(&first.text), super::members::link_in(&second.text));
        assert_eq!(pages.get(&dead).await.status, 404);
        let chosen = pages.post(&link, &[("password", PASSWORD), ("again", PASSWORD), ("lang", "en")]).await;
        assert_eq!(chosen.location(), "/sign-in?done=chosen&lang=en");
        let entered = sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await;
        assert_eq!(Visit::of(&pages, entered.cookie()).see("/c/aurora").await.status, 200);
        // Nobody gets one in their name, and whoever was closed out gets none.
        let forged = center.exchange(&DR_YAMADA.writes("link", "please").vouched(Vouched::Fail)).await;
        assert!(forged.iter().all(|letter| letter.kind != "account-link"), "{:?}", kinds(&forged));
        let id = hagaki::store::account::find_by_address(center.store(), YAMADA).await.unwrap().unwrap().id;
        let now = hagaki::domain::time::Clock::now(&*center.clock);
        let closed = accounts::care(center.store(), now, "operator:kita", "left", &id, accounts::Care::Close).await;
        assert!(closed.unwrap());
        let told = center.answer(&DR_YAMADA.writes("link", "once more")).await;
        assert!(told.kind == "not-entitled" && told.text.contains("was closed"), "{}", told.text);
        assert_eq!(sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.status, 403);
    }

    async fn texts_of_a_registration_may_be_as_long_as_any_answer(center: &mut Center) {
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        // A kanji takes nine bytes on its way: together they are more than any other form.
        let kanji = "漢".repeat(hagaki::limits::ANSWER_CHARS);
        let mut typed = REGISTRATION.to_vec();
        typed.extend([("physician", kanji.as_str()), ("remarks", kanji.as_str())]);
        assert!(typed.iter().map(|(_, value)| 3 * value.len()).sum::<usize>() > hagaki::limits::FORM_BYTES);
        let done = yamada.record("/c/aurora/new", &typed).await;
        assert!(done.location().starts_with("/c/aurora/1?"), "{done:?}");
        // So it is corrected, too.
        let case = "/c/aurora/1/correct";
        let form = yamada.see(case).await;
        let mended = [("physician", "山田"), ("_reason", "typed into the wrong field")];
        let typed: Vec<(&str, &str)> = typed.iter().filter(|(name, _)| *name != "physician").copied().chain(mended).collect();
        let review = yamada.fill(case, &form, &typed, "answer").await;
        assert!(review.status == 200 && review.body.contains("Is this right?"), "{review:?}");
        assert_eq!(yamada.fill(case, &review, &[], "send").await.location(), "/c/aurora/1?lang=en&done=corrected");
        // Of somebody who is nobody no more is read than any form has.
        let stranger = pages.post("/c/aurora/new", &typed).await;
        assert!(stranger.status != 413, "{stranger:?}");
        let long = [("remarks", kanji.as_str()), ("physician", kanji.as_str())];
        let stranger = pages.post("/c/aurora/new", &long).await;
        assert!(stranger.status == 413 && stranger.body.contains("too large"), "{stranger:?}");
        center.quiet().await;
    }

    async fn a_subject_is_randomized_again_on_a_page(center: &mut Center) {
        let at_once = edited(&samples::cygnus(), "study.toml", " && days_between(enrolled_on, assessed_on) >= 49", "");
        center.activate(&at_once, Stage::Production).await;
        let pages = Arc::new(serve(center).await);
        center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", "201-001"))).await;
        center.exchange(&DR_NOVAK.writes("enroll", &cygnus_form("202", "202-001"))).await;
        let mori = Visit::begin(center, &pages, "cygnus", DR_MORI.address).await;
        let case = mori.see("/c/cygnus/1").await;
        assert!(case.body.contains("href=\"/c/cygnus/1/randomize/second?lang&#x3D;en\">Randomize: second randomization</a>"), "{}", case.body);
        assert_eq!(mori.get("/c/cygnus/2/randomize/second").await.status, 404, "a subject of another site");
        assert_eq!(mori.get("/c/cygnus/1/randomize/third").await.status, 404);

        // Whoever responded is not randomized again; the reason stands above the form, which keeps what was typed.
        let form = "/c/cygnus/1/randomize/second";
        let responded = [("assessed_on", "2026-11-18"), ("responder", "yes"), ("isi", "23")];
        let refused = mori.record(form, &responded).await;
        assert!(refused.status == 422 && refused.body.contains("had not responded"), "{refused:?}");
        assert!(center.randomized("cygnus").await.is_empty());

        // Pressed many times at once, and asked by mail as well, it is one randomization with one set of letters.
        let filled = [("assessed_on", "2026-11-18"), ("responder", "no"), ("isi", "23")];
        let review = Arc::new(mori.fill(form, &refused, &filled, "answer").await);
        assert!(review.body.contains("Is this right?"), "{review:?}");
        let mut presses = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (visit, review) = (Visit::of(&pages, mori.cookie().to_owned()), Arc::clone(&review));
            presses.spawn(async move { visit.fill("/c/cygnus/1/randomize/second", &review, &[], "send").await });
        }
        let mut done: Vec<String> = presses.join_all().await.iter().map(Page::location).collect();
        done.sort_unstable();
        let (now, before) = ("/c/cygnus/1?lang=en&done=randomized", "/c/cygnus/1?lang=en&done=randomized_before");
        assert_eq!(done, [now, before, before, before]);
        let given = center.randomized("cygnus").await;
        let [(1, randomization, arm, None)] = &given[..] else { panic!("{given:?}") };
        assert_eq!(randomization, "second");
        let letters = center.settle().await;
        let told = [("notice-randomized-open", CYGNUS_OFFICE), ("notice-randomized-open", CYGNUS_STATISTICIAN), ("randomized-open", DR_MORI.address)];
        assert_eq!(kinds(&letters), told);
        let case = mori.see("/c/cygnus/1?done=randomized").await;
        let name = if arm == "ADD" { "Add the other treatment" } else { "Switch to the other treatment" };
        assert!(case.body.contains(name) && !case.body.contains("/randomize/second"), "{}", case.body);
        let by_mail = center.answer(&DR_MORI.writes("割付", &response_form("CYGNUS-0001").replace("2027-01-12", "2026-11-18"))).await;
        assert_eq!(by_mail.kind, "randomized-before-open");

        // By other answers nothing is changed, and it is on file that somebody tried.
        let other = mori.fill(form, &review, &[("isi", "24")], "send").await;
        assert!(other.status == 422 && other.body.contains("by other answers"), "{other:?}");
        assert_eq!(center.randomized("cygnus").await, given);
        let row = study::find_current(center.store(), "cygnus").await.unwrap().unwrap();
        let entries = hagaki::store::audit::list(center.store(), row.id, 0, 100).await.unwrap();
        let acts: Vec<&str> = entries.iter().map(|entry| entry.action.as_str()).filter(|act| ["randomize", "conflict", "refuse"].contains(act)).collect();
        assert_eq!(acts, ["refuse", "randomize", "conflict"]);
    }

    async fn a_physician_registers_on_a_page_as_by_mail(center: &mut Center) {
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        assert_eq!(pages.get("/c/aurora").await.location(), "/sign-in?to=/c/aurora");
        assert_eq!(pages.get("/c/nothing").await.status, 404);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        let home = yamada.see("/account").await;
        assert!(home.body.contains("Your cases") && home.body.contains("href=\"/c/aurora?lang=en\""), "{home:?}");
        let list = yamada.see("/c/aurora").await;
        assert!(list.body.contains("There is no case yet") && list.body.contains("Register a case"), "{list:?}");

        // The site is theirs alone, so it is chosen; nothing is recorded before everything was shown once more.
        let blank = yamada.see("/c/aurora/new").await;
        assert!(blank.body.contains("value=\"011\" checked") && !blank.body.contains("value=\"012\""), "{blank:?}");
        let faulty = yamada.fill("/c/aurora/new", &blank, &[("site", "011"), ("age", "158")], "answer").await;
        assert!(faulty.status == 422 && faulty.body.contains("Please mend these answers"), "{faulty:?}");
        let review = yamada.fill("/c/aurora/new", &faulty, &REGISTRATION, "answer").await;
        assert!(review.body.contains("Is this right?") && review.body.contains("A-0001"), "{review:?}");
        assert_eq!(center.enrolled("aurora").await.len(), 0);
        let sent = yamada.fill("/c/aurora/new", &review, &[], "send").await;
        assert_eq!(sent.location(), "/c/aurora/1?lang=en&done=enrolled", "{sent:?}");
        let case = yamada.get(&sent.location()).await;
        let enrolled = center.enrolled("aurora").await;
        let arm = &enrolled[0].1;
        let named = if arm == "STD" { "Standard therapy" } else { "Combined therapy" };
        for told in ["The case is registered", "AURORA-0001", named, "Kitazora University Hospital", "58"] {
            assert!(case.body.contains(told), "{told}: {case:?}");
        }
        let told = center.settle().await;
        assert_eq!(
            kinds(&told),
            [("assignment-open", YAMADA), ("notice-open", CENTER), ("notice-open", "aurora-stat@example.org")]
        );
        assert!(told[0].text.contains(named));

        // Sent again, in another tab, or by mail: the same case.
        let again = yamada.fill("/c/aurora/new", &review, &[], "send").await;
        assert_eq!(again.location(), "/c/aurora/1?lang=en&done=before");
        assert!(yamada.get(&again.location()).await.body.contains("was registered before"));
        assert_eq!(yamada.record("/c/aurora/new", &REGISTRATION).await.location(), "/c/aurora/1?lang=en&done=before");
        let mailed = center.answer(&DR_YAMADA.writes("登録", &aurora_form("011", "A-0001"))).await;
        assert_eq!(mailed.kind, "duplicate-open");
        assert_eq!(center.enrolled("aurora").await.len(), 1);

        // Other data under the same reference change nothing, and are told apart.
        let other: Vec<(&str, &str)> =
            REGISTRATION.into_iter().map(|(name, value)| (name, if name == "age" { "59" } else { value })).collect();
        let conflict = yamada.record("/c/aurora/new", &other).await;
        assert_eq!(conflict.status, 422);
        for told in ["is on file with other data", "on file 58, now 59", "/c/aurora/1?lang"] {
            assert!(conflict.body.contains(told), "{told}: {conflict:?}");
        }
        // Who cannot be enrolled is told why, and nothing typed is lost.
        let minor: Vec<(&str, &str)> =
            of("A-0002").into_iter().map(|(name, value)| (name, if name == "age" { "19" } else { value })).collect();
        let refused = yamada.record("/c/aurora/new", &minor).await;
        assert!(refused.status == 422 && refused.body.contains("at least 20 years old"), "{refused:?}");
        assert!(refused.body.contains("value=\"A-0002\""), "{refused:?}");
        // Found by number and by reference.
        let list = yamada.see("/c/aurora").await;
        assert!(list.body.contains("<p class=\"unit\">A-0001 · "), "{list:?}");
        for wanted in ["AURORA-0001", "1", "aurora 1", "A-0001", "Ａ－０００１"] {
            let found = yamada.send("/c/aurora", &list, &[("find", wanted)]).await;
            assert_eq!(found.location(), "/c/aurora/1?lang=en", "{wanted}");
        }
        for missed in ["999", "<b>", "A-\0"] {
            let told = yamada.send("/c/aurora", &list, &[("find", missed)]).await;
            assert!(told.status == 200 && told.body.contains("None of your cases") && !told.body.contains("<b>"), "{told:?}");
        }
        // What is looked for stands in no address, and is looked for by nobody else's page.
        assert!(list.body.contains("<form method=\"post\" action=\"/c/aurora\""), "{list:?}");
        assert!(!yamada.see("/c/aurora?find=999").await.body.contains("None of your cases"));
        assert_eq!(yamada.post("/c/aurora", &[("find", "A-0001"), ("_guard", "00")]).await.status, 403);
        let list = yamada.get("/c/aurora?lang=ja").await;
        assert!(list.body.contains("症例一覧") && list.body.contains("AURORA-0001"), "{list:?}");
        center.assert_proved().await;
    }

    async fn nobody_sees_or_changes_the_cases_of_others(center: &mut Center) {
        let monitor = "\n[[people]]\nid = \"monitor\"\nname = { ja = \"モニター\", en = \"Mina Monitor\" }\naddresses = [\"monitor@example.org\"]\nroles = [\"monitor\"]\n";
        let text = samples::aurora().file("study.toml").unwrap().replace("\n[[eligibility]]\nid = \"adult\"", &format!("{monitor}\n[[eligibility]]\nid = \"adult\""));
        let bundle = with_file(&samples::aurora(), "study.toml", &text);
        center.activate(&bundle, Stage::Production).await;
        center.activate(&samples::cygnus(), Stage::Production).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "A-0001"))).await;
        let pages = Arc::new(serve(center).await);
        let suzuki = Visit::begin(center, &pages, "aurora", SUZUKI).await;
        for path in ["/c/aurora/1", "/c/aurora/1/correct", "/c/aurora/1/withdraw", "/c/aurora/1/week_4/visit/new", "/c/aurora/2", "/c/aurora/x"] {
            let page = suzuki.get(path).await;
            assert!(page.status == 404 && !page.body.contains("A-0001"), "{path}: {page:?}");
        }
        assert!(!suzuki.see("/c/aurora").await.body.contains("AURORA-0001"));
        let list = suzuki.see("/c/aurora").await;
        assert!(suzuki.send("/c/aurora", &list, &[("find", "A-0001")]).await.body.contains("None of your cases"));
        // Neither by naming their site, nor by the reference of theirs.
        let theirs = suzuki.record("/c/aurora/new", &of("A-0009")).await;
        assert!(theirs.status == 422 && !theirs.body.contains("Combined"), "{theirs:?}");
        assert_eq!(center.enrolled("aurora").await.len(), 1);
        // The study of others is closed to them.
        assert_eq!(suzuki.get("/c/cygnus").await.status, 403);

        // A monitor looks and changes nothing.
        let monitor = Visit::begin(center, &pages, "aurora", "monitor@example.org").await;
        let case = monitor.see("/c/aurora/1").await;
        assert!(case.body.contains("AURORA-0001") && !case.body.contains("/correct") && !case.body.contains("fill in"), "{case:?}");
        for path in ["/c/aurora/new", "/c/aurora/1/correct", "/c/aurora/1/withdraw", "/c/aurora/1/week_4/visit/new"] {
            assert_eq!(monitor.get(path).await.status, 403, "{path}");
        }
        let guard = case.field("_guard");
        for path in ["/c/aurora/new", "/c/aurora/1/correct", "/c/aurora/1/withdraw", "/c/aurora/1/week_4/visit/new"] {
            let fields = [("_guard", guard.as_str()), ("_step", "send"), ("_reason", "because")];
            assert_eq!(pages.post_with(path, &fields, &header(&monitor.cookie)).await.status, 403, "{path}");
        }
        // A statistician has no business here.
        let stat = Visit::begin(center, &pages, "aurora", "aurora-stat@example.org").await;
        assert_eq!(stat.get("/c/aurora").await.status, 403);

        // A form of another site has the cookie and not the guard; whoever is signed out has neither.
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        for guard in ["", "0", &"ab".repeat(32)] {
            let fields: Vec<(&str, &str)> = of("A-0003").into_iter().chain([("_guard", guard), ("_step", "send")]).collect();
            assert_eq!(pages.post_with("/c/aurora/new", &fields, &header(&yamada.cookie)).await.status, 403);
        }
        let fields: Vec<(&str, &str)> = of("A-0003").into_iter().chain([("_lang", "en"), ("_step", "send")]).collect();
        let over = pages.post("/c/aurora/new", &fields).await;
        assert!(over.status == 403 && over.body.contains("You were signed out"), "{over:?}");
        assert_eq!(center.enrolled("aurora").await.len(), 1);
        center.assert_proved().await;
    }

    async fn the_page_of_a_case_is_there_in_every_kind_of_study(center: &mut Center) {
        let registry = with_file(&samples::aurora(), "allocation.toml", "method = \"none\"\n");
        let archive = edited(&registry, "study.toml", "slug = \"aurora\"", "slug = \"archive\"");
        center.activate(&edited(&archive, "study.toml", "tag = \"AURORA\"", "tag = \"ARCHIVE\""), Stage::Production).await;
        aurora(center).await;
        center.activate(&samples::borealis(), Stage::Production).await;
        center.activate(&samples::cygnus(), Stage::Production).await;
        let pages = Arc::new(serve(center).await);
        center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"))).await;
        center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", "201-001"))).await;
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        for slug in ["aurora", "archive"] {
            let enrolled = yamada.record(&format!("/c/{slug}/new"), &REGISTRATION).await;
            assert_eq!(enrolled.location(), format!("/c/{slug}/1?lang=en&done=enrolled"));
        }
        center.settle().await;
        let kobayashi = Visit::begin(center, &pages, "borealis", DR_KOBAYASHI.address).await;
        let mori = Visit::begin(center, &pages, "cygnus", DR_MORI.address).await;
        for (who, slug) in [(&yamada, "aurora"), (&yamada, "archive"), (&kobayashi, "borealis"), (&mori, "cygnus")] {
            for lang in ["en", "ja"] {
                for page in ["", "/1", "/1/correct", "/1/withdraw", "/new", "/1?done=enrolled"] {
                    let mark = if page.contains('?') { '&' } else { '?' };
                    let shown = who.get(&format!("/c/{slug}{page}{mark}lang={lang}")).await;
                    assert!(shown.status == 200 && shown.body.contains("</html>"), "{slug}{page} {lang}: {shown:?}");
                    assert!(page != "/1" || shown.body.contains("-0001"), "{slug}: {shown:?}");
                }
            }
        }
    }

    async fn forms_of_events_are_due_entered_once_and_corrected(center: &mut Center) {
        aurora(center).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "A-0001"))).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        let list = yamada.see("/c/aurora").await;
        assert!(list.body.contains("Nothing is due at present"), "{list:?}");
        let case = yamada.see("/c/aurora/1").await;
        // Enrolled on 2026-11-18: four weeks on, three days before and seven behind.
        assert!(case.body.contains("2026-12-16") && case.body.contains("2026-12-13 – 2026-12-23"), "{case:?}");
        assert!(case.body.contains("not planned yet"), "week 8 is counted from week 4: {case:?}");
        let path = "/c/aurora/1/week_4/visit/new";

        center.wind(days(28));
        let yamada = Visit { cookie: sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.cookie(), ..yamada };
        let list = yamada.see("/c/aurora").await;
        assert!(list.body.contains("Week 4") && list.body.contains("form due") && list.body.contains(path), "{list:?}");
        // A question comes up by an answer.
        let blank = yamada.see(path).await;
        let no: Vec<(&str, &str)> = visit("2026-12-16", "60.0").into_iter().map(|(name, value)| (name, if name == "treatment_given" { "no" } else { value })).collect();
        let more = yamada.fill(path, &blank, &no, "answer").await;
        assert!(more.body.contains("A question came up") && more.body.contains("Why not"), "{more:?}");
        // A day outside of the window is asked about.
        let doubtful = yamada.fill(path, &blank, &visit("2026-12-01", "60.0"), "answer").await;
        assert!(doubtful.body.contains("Unusual answers") && doubtful.body.contains("2026-12-13"), "{doubtful:?}");
        let sent = yamada.record(path, &visit("2026-12-16", "60.0")).await;
        assert_eq!(sent.location(), "/c/aurora/1?lang=en&done=entered", "{sent:?}");
        let case = yamada.get(&sent.location()).await;
        assert!(case.body.contains("The form is recorded") && case.body.contains("complete"), "{case:?}");
        assert!(case.body.contains("2027-01-13"), "week 8 is planned now: {case:?}");
        assert!(yamada.see("/c/aurora").await.body.contains("Nothing is due at present"));
        for language in ["ja", "en"] {
            let nothing = yamada.get(&format!("/c/nothing?lang={language}")).await;
            assert!(nothing.status == 404 && nothing.body.contains(&format!("<html lang=\"{language}\">")), "{nothing:?}");
        }
        // The blank form leads to what is there; other answers do not take its place.
        assert_eq!(yamada.get(&format!("{path}?lang=en")).await.location(), "/c/aurora/1/week_4/visit/1?lang=en");
        let other: Vec<(&str, &str)> = visit("2026-12-16", "61.0");
        let review = yamada.fill(path, &blank, &other, "answer").await;
        let conflict = yamada.fill(path, &review, &[], "send").await;
        assert!(conflict.status == 422 && conflict.body.contains("is on file already"), "{conflict:?}");
        assert!(conflict.body.contains("/c/aurora/1/week_4/visit/1?lang"), "{conflict:?}");
        // The same answers once more are the same form.
        let same = yamada.fill(path, &yamada.fill(path, &blank, &visit("2026-12-16", "60"), "answer").await, &[], "send").await;
        assert_eq!(same.location(), "/c/aurora/1?lang=en&done=entered");

        // A correction has a reason, and what was there stays.
        let correct = "/c/aurora/1/week_4/visit/1/correct";
        let page = yamada.see(correct).await;
        assert!(page.body.contains("value=\"60\""), "{page:?}");
        let silent = yamada.fill(correct, &page, &visit("2026-12-16", "62.5"), "answer").await;
        assert!(silent.status == 422 && silent.body.contains("Please give the reason"), "{silent:?}");
        let idle: Vec<(&str, &str)> = visit("2026-12-16", "60").into_iter().chain([("_reason", "nothing")]).collect();
        let idle = yamada.fill(correct, &page, &idle, "answer").await;
        assert!(idle.status == 422 && idle.body.contains("Nothing differs"), "{idle:?}");
        let mended: Vec<(&str, &str)> = visit("2026-12-16", "62.5").into_iter().chain([("_reason", "scale read wrongly")]).collect();
        let review = yamada.fill(correct, &page, &mended, "answer").await;
        assert!(review.body.contains("<del>60</del>") && review.body.contains("<strong>62.5</strong>"), "{review:?}");
        let sent = yamada.fill(correct, &review, &[], "send").await;
        assert_eq!(sent.location(), "/c/aurora/1?lang=en&done=corrected", "{sent:?}");
        assert_eq!(yamada.fill(correct, &review, &[], "send").await.location(), sent.location(), "pressed twice");
        let shown = yamada.see("/c/aurora/1/week_4/visit/1").await;
        for told in ["62.5", "scale read wrongly", "<del>60</del>", "Hanako Yamada", "on this page"] {
            assert!(shown.body.contains(told), "{told}: {shown:?}");
        }
        // Whoever began before somebody else corrected does not undo it unseen.
        let late: Vec<(&str, &str)> = visit("2026-12-16", "70").into_iter().chain([("_reason", "late")]).collect();
        let late = yamada.fill(correct, &page, &late, "answer").await;
        assert!(late.status == 422 && late.body.contains("Somebody else corrected"), "{late:?}");

        // A check looks back at an earlier event.
        center.wind(days(28));
        let yamada = Visit { cookie: sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.cookie(), ..yamada };
        let path = "/c/aurora/1/week_8/visit/new";
        let blank = yamada.see(path).await;
        let heavy = yamada.fill(path, &blank, &visit("2027-01-13", "90"), "answer").await;
        assert!(heavy.body.contains("differs by more than a fifth"), "{heavy:?}");
        let fine = yamada.fill(path, &blank, &visit("2027-01-13", "63"), "answer").await;
        assert!(!fine.body.contains("Unusual"), "{fine:?}");
        center.wind(days(20));
        let yamada = Visit { cookie: sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.cookie(), ..yamada };
        assert!(yamada.see("/c/aurora").await.body.contains("overdue"));

        // What happens several times is entered several times, each once.
        let adverse = "/c/aurora/1/adverse/adverse_event/new";
        for term in ["headache", "rash"] {
            let filled = [("began_on", "2027-01-10"), ("event_term", term), ("grade", "2"), ("serious", "no")];
            assert_eq!(yamada.record(adverse, &filled).await.status, 303);
        }
        let blank = yamada.see(adverse).await;
        let filled = [("began_on", "2027-01-12"), ("event_term", "fever"), ("grade", "1"), ("serious", "no")];
        let review = yamada.fill(adverse, &blank, &filled, "answer").await;
        for _ in 0..3 {
            assert_eq!(yamada.fill(adverse, &review, &[], "send").await.status, 303);
        }
        // Whoever goes back and sends something else is told that it is not recorded.
        let other = yamada.fill(adverse, &review, &[("event_term", "high fever")], "send").await;
        assert!(other.status == 422 && other.body.contains("is on file already"), "{other:?}");
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let about = subject::find_by_number(center.store(), row.id, 1).await.unwrap().unwrap();
        let all = response::list_about(center.store(), about.id).await.unwrap();
        let mut current: Vec<(&str, i64)> = all.iter().filter(|one| one.current).map(|one| (one.event.as_str(), one.occasion)).collect();
        // What was entered in the same moment stands in no order.
        current.sort_unstable();
        assert_eq!(current, [("adverse", 1), ("adverse", 2), ("adverse", 3), ("week_4", 1)]);
        assert_eq!(all.len(), 5);
        let acts: Vec<String> = audit::list(center.store(), row.id, 0, 100).await.unwrap().into_iter().map(|entry| entry.action).collect();
        assert_eq!(acts.iter().filter(|act| *act == "follow-up").count(), 4);
        assert_eq!(acts.iter().filter(|act| *act == "correct-follow-up").count(), 1);
        // The export has a table for each form, with what was mended only where it is asked for.
        let shelf = center.shelf_on(center.store());
        let shelved = shelf.current(row.id, row.bundle_version).await.unwrap();
        let wish = Wish { labels: false, deidentified: true, arms: false, telling: false, history: false, language: Language::En };
        let tables = export::tables(center.store(), &shelved, wish).await.unwrap();
        let ids: Vec<&str> = tables.iter().map(|table| table.id.as_str()).collect();
        assert_eq!(ids, ["subjects", "allocations", "facts", "visit", "adverse_event"]);
        for (id, wish, count) in [("visit", wish, 1), ("visit", Wish { history: true, ..wish }, 2), ("adverse_event", wish, 3)] {
            let table = tables.iter().find(|table| table.id == id).unwrap();
            let headings: Vec<&str> = table.columns.iter().map(|column| column.id.as_str()).collect();
            assert!(headings.starts_with(&["response", "subject", "site", "event", "occasion"]) && !headings.contains(&"person"));
            let mut rows = Rows::of(center.store(), &shelved, table, wish);
            let mut found = 0;
            while let Some(cells) = rows.next().await.unwrap() {
                assert_eq!((&cells[1], &cells[2]), (&Cell::text("AURORA-0001"), &Cell::text("011")));
                found += 1;
            }
            assert_eq!(found, count, "{id}");
        }
        center.assert_proved().await;
        shown_at_the_command_line(center);
    }

    async fn a_visit_outside_of_its_window_shows_it_for_good(center: &mut Center) {
        aurora(center).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "A-0001"))).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        center.wind(days(28));
        let yamada = Visit { cookie: sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.cookie(), ..yamada };
        let entry = "/c/aurora/1/week_4/visit/1";
        let sent = yamada.record("/c/aurora/1/week_4/visit/new", &visit("2026-12-01", "60.0")).await;
        assert_eq!(sent.location(), "/c/aurora/1?lang=en&done=entered", "{sent:?}");
        for path in ["/c/aurora/1", entry] {
            assert!(yamada.see(path).await.body.contains("before its planned days"), "{path}");
            assert!(yamada.get(&format!("{path}?lang=ja")).await.body.contains("予定の期間より前の実施"), "{path}");
        }
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let shelf = center.shelf_on(center.store());
        let shelved = shelf.current(row.id, row.bundle_version).await.unwrap();
        let wish = Wish { labels: false, deidentified: true, arms: false, telling: false, history: false, language: Language::En };
        let tables = export::tables(center.store(), &shelved, wish).await.unwrap();
        let exported = |id: &'static str| tables.iter().find(|table| table.id == id).unwrap();
        let at = |name: &str| exported("visit").columns.iter().position(|column| column.id == name).unwrap();
        let planned = Cell::Day("2026-12-16".parse().unwrap());
        let mut rows = Rows::of(center.store(), &shelved, exported("visit"), wish);
        let cells = rows.next().await.unwrap().unwrap();
        assert_eq!((&cells[at("planned_on")], &cells[at("window")]), (&planned, &Cell::text("early")));
        // What happens or does not has no planned day.
        assert!(exported("adverse_event").columns.iter().all(|column| column.id != "window"));
        if let Some(text) = shown(center, &["aurora", "AURORA-0001", "--language", "en"]) {
            assert!(text.contains("took place before it: planned for 2026-12-16, 2026-12-13 to 2026-12-23"), "{text}");
        }

        // A day that was misread is mended, and in its window.
        let mended = [visit("2026-12-14", "60.0"), vec![("_reason", "the day was misread")]].concat();
        let sent = yamada.record(&format!("{entry}/correct"), &mended).await;
        assert_eq!(sent.status, 303, "{sent:?}");
        for path in ["/c/aurora/1", entry] {
            assert!(!yamada.see(path).await.body.contains("before its planned days"), "{path}");
        }
        let mut rows = Rows::of(center.store(), &shelved, exported("visit"), wish);
        let cells = rows.next().await.unwrap().unwrap();
        assert_eq!((&cells[at("planned_on")], &cells[at("window")]), (&planned, &Cell::text("within")));
        center.settle().await;
    }

    async fn many_at_once_count_once(center: &mut Center) {
        aurora(center).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Arc::new(Visit::begin(center, &pages, "aurora", YAMADA).await);
        let blank = yamada.see("/c/aurora/new").await;
        let review = yamada.fill("/c/aurora/new", &blank, &REGISTRATION, "answer").await;
        let mut tabs = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (yamada, review) = (Arc::clone(&yamada), review.clone());
            tabs.spawn(async move { yamada.fill("/c/aurora/new", &review, &[], "send").await.location() });
        }
        // The same by mail meanwhile.
        center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", "A-0001")));
        let told = center.settle().await;
        let locations = tabs.join_all().await;
        assert!(locations.iter().all(|to| to.starts_with("/c/aurora/1?lang=en&done=")), "{locations:?}");
        let enrolled = locations.iter().filter(|to| to.ends_with("=enrolled")).count();
        let assigned = told.iter().chain(&center.settle().await).filter(|letter| letter.kind == "assignment-open").count();
        assert!(enrolled <= 1 && assigned == 1, "{locations:?} {:?}", kinds(&told));
        assert_eq!(center.enrolled("aurora").await.len(), 1);

        center.wind(days(28));
        let yamada = Arc::new(Visit { pages: Arc::clone(&pages), cookie: sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.cookie() });
        let path = "/c/aurora/1/week_4/visit/new";
        let (mut tabs, mut reviews) = (tokio::task::JoinSet::new(), Vec::new());
        for weight in ["60", "61", "62", "63", "64", "65", "66", "67"] {
            let blank = yamada.see(path).await;
            let review = yamada.fill(path, &blank, &visit("2026-12-16", weight), "answer").await;
            reviews.push(review);
        }
        for review in reviews {
            let yamada = Arc::clone(&yamada);
            tabs.spawn(async move { yamada.fill(path, &review, &[], "send").await.status });
        }
        let mut statuses = tabs.join_all().await;
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 422, 422, 422, 422, 422, 422, 422]);
        center.assert_proved().await;
    }

    async fn corrections_and_withdrawals_leave_the_allocation_alone(center: &mut Center) {
        aurora(center).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "A-0001"))).await;
        let arms = center.arms("aurora").await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        let path = "/c/aurora/1/correct";
        let page = yamada.see(path).await;
        let right: Vec<(&str, &str)> = REGISTRATION
            .into_iter()
            .map(|(name, value)| (name, if name == "stage" { "IV" } else { value }))
            .chain([("_reason", "pathology report came late")])
            .collect();
        let impossible: Vec<(&str, &str)> = right.iter().map(|(name, value)| (*name, if *name == "age" { "300" } else { value })).collect();
        assert_eq!(yamada.fill(path, &page, &impossible, "answer").await.status, 422);
        // An answer is corrected to another, and not taken away.
        center.exchange(&DR_YAMADA.writes("登録", &format!("{}身長: 170\n", aurora_form("011", "A-0007")))).await;
        let tall = yamada.see("/c/aurora/2/correct").await;
        let blank = yamada.fill("/c/aurora/2/correct", &tall, &[("site", "011"), ("subject_ref", "A-0007"), ("consent_date", "2026-11-18"),
            ("age", "58"), ("sex", "M"), ("stage", "III"), ("ecog_ps", "1"), ("height", ""), ("_reason", "not measured")], "answer").await;
        assert!(tall.body.contains("value=\"170\"") && blank.status == 422 && blank.body.contains("not taken away"), "{blank:?}");
        let arms_now = center.arms("aurora").await;
        let review = yamada.fill(path, &page, &right, "answer").await;
        assert!(review.body.contains("What changes") && review.body.contains("pathology report"), "{review:?}");
        let sent = yamada.fill(path, &review, &[], "send").await;
        assert_eq!(sent.location(), "/c/aurora/1?lang=en&done=corrected", "{sent:?}");
        let told = center.settle().await;
        assert_eq!(kinds(&told), [("fact-notice", CENTER), ("fact-notice", "aurora-stat@example.org")]);
        assert!(told[0].text.contains("pathology report"), "{}", told[0].text);
        let case = yamada.see("/c/aurora/1").await;
        assert!(case.body.contains("What became known since") && case.body.contains("IV"), "{case:?}");
        assert_eq!(center.arms("aurora").await, arms_now);
        assert_eq!(arms_now[0], arms[0]);
        // Begun before that: not sent unseen over it.
        assert_eq!(yamada.fill(path, &page, &right, "answer").await.status, 422);

        let path = "/c/aurora/1/withdraw";
        let page = yamada.see(path).await;
        assert_eq!(yamada.fill(path, &page, &[("_reason", " ")], "").await.status, 422);
        let sent = yamada.fill(path, &page, &[("_reason", "moved abroad")], "").await;
        assert_eq!(sent.location(), "/c/aurora/1?lang=en&done=withdrawn", "{sent:?}");
        assert_eq!(yamada.fill(path, &page, &[("_reason", "moved abroad")], "").await.status, 303, "pressed twice");
        assert_eq!(kinds(&center.settle().await), [("fact-notice", CENTER), ("fact-notice", "aurora-stat@example.org")]);
        center.wind(days(60));
        let yamada = Visit { cookie: sign_in(&pages, "/c/aurora", YAMADA, PASSWORD).await.cookie(), ..yamada };
        let list = yamada.see("/c/aurora").await;
        // Of who withdrew nothing is due any more; of the other it is.
        assert!(!list.body.contains("/c/aurora/1/week_4") && list.body.contains("/c/aurora/2/week_4/visit/new"), "{list:?}");
        assert!(list.body.contains("withdrawn"), "{list:?}");
        let case = yamada.see("/c/aurora/1").await;
        assert!(!case.body.contains("/c/aurora/1/withdraw") && case.body.contains("nothing more is due"), "{case:?}");
        center.assert_proved().await;
    }

    async fn a_blinded_case_shows_its_kit_and_no_arm(center: &mut Center) {
        let events = "\n[[events]]\nid = \"week_2\"\nname = { ja = \"2週後\", en = \"Week 2\" }\ninstruments = [\"visit\"]\nday = 14\n";
        let text = format!("{}{events}", samples::borealis().file("study.toml").unwrap());
        let bundle = with_file(&samples::borealis(), "study.toml", &text);
        let bundle = with_file(&bundle, "instruments/visit.toml", samples::aurora().file("instruments/visit.toml").unwrap());
        center.activate(&bundle, Stage::Production).await;
        let pages = Arc::new(serve(center).await);
        let kobayashi = Visit::begin(center, &pages, "borealis", "kobayashi@example.jp").await;
        let form = [("site", "101"), ("subject_ref", "101-001"), ("birth_date", "1985-04-12"), ("consent_date", "2026-11-18"), ("isi_score", "19"), ("shift_work", "no")];
        let blank = kobayashi.see("/c/borealis/new").await;
        let names: Vec<String> = form.iter().map(|(name, _)| (*name).to_owned()).filter(|name| !blank.body.contains(&format!("name=\"{name}\""))).collect();
        assert!(names.is_empty(), "{names:?} are no items: {blank:?}");
        let sent = kobayashi.record("/c/borealis/new", &form).await;
        assert_eq!(sent.location(), "/c/borealis/1?lang=en&done=enrolled", "{sent:?}");
        letters(center, 4).await;
        let enrolled = center.enrolled("borealis").await;
        let kit = enrolled[0].2.clone().unwrap();
        for page in ["/c/borealis/1?lang=en", "/c/borealis/1?lang=ja", "/c/borealis?lang=en", "/c/borealis/1/week_2/visit/new?lang=en", "/c/borealis/1/correct?lang=en"] {
            let shown = kobayashi.get(page).await;
            assert_eq!(shown.status, 200, "{shown:?}");
            for arm in ["Placebo", "プラセボ", "low dose", "high dose", "低用量", "高用量", "割付群"] {
                assert!(!shown.body.contains(arm), "{arm} stands on {page}: {shown:?}");
            }
        }
        assert!(kobayashi.see("/c/borealis/1").await.body.contains(&kit));
        center.assert_proved().await;
    }

    async fn why_a_form_was_corrected_tells_no_arm_to_whoever_is_blinded(center: &mut Center) {
        let events = "\n[[events]]\nid = \"week_2\"\nname = { ja = \"2週後\", en = \"Week 2\" }\ninstruments = [\"visit\"]\nday = 14\n";
        let text = samples::borealis().file("study.toml").unwrap().replace("[mail]", "[unblinding]\nconfirm = false\n\n[mail]");
        let bundle = with_file(&samples::borealis(), "study.toml", &format!("{text}{events}"));
        let bundle = with_file(&bundle, "instruments/visit.toml", samples::aurora().file("instruments/visit.toml").unwrap());
        center.activate(&bundle, Stage::Production).await;
        center.exchange(&DR_LARSEN.writes("enroll", &borealis_form("103", "103-001"))).await;
        center.wind(days(14));
        let pages = Arc::new(serve(center).await);
        let larsen = Visit::begin(center, &pages, "borealis", DR_LARSEN.address).await;
        let office = Visit::begin(center, &pages, "borealis", OFFICE).await;
        larsen.record("/c/borealis/1/week_2/visit/new", &visit("2026-12-02", "60")).await;
        let path = "/c/borealis/1/week_2/visit/1";
        let mends = async |weight: &'static str, why: &'static str| {
            let correct = format!("{path}/correct");
            let page = larsen.see(&correct).await;
            let typed: Vec<(&str, &str)> = visit("2026-12-02", weight).into_iter().chain([("_reason", why)]).collect();
            let review = larsen.fill(&correct, &page, &typed, "answer").await;
            assert_eq!(larsen.fill(&correct, &review, &[], "send").await.status, 303, "{review:?}");
        };
        mends("61", "scale read wrongly").await;
        center.wind(60);
        center.exchange(&DR_LARSEN.writes("unblind", "subject: 103-001\nreason: shock in the night\n")).await;
        center.wind(60);
        mends("62", "swollen by the large one").await;
        let kept = "kept back, because its words may tell an arm";
        for (who, told) in [(&larsen, true), (&office, false)] {
            let shown = who.see(path).await.body;
            assert!(shown.contains("scale read wrongly"), "said before anybody was told: {shown}");
            assert_eq!((shown.contains("the large one"), shown.contains(kept)), (told, !told), "{shown}");
        }
        // The same by mail, where somebody else sends what is on file.
        let form = "subject: BOREALIS-0001\nevent: week_2\nvisit_date: 2026-12-02\nweight: 62\necog: 1\ntreatment_given: yes\n";
        for (writer, told) in [(DR_LARSEN, true), (Writer { address: OFFICE, study: "borealis" }, false)] {
            let letter = center.answer(&writer.writes("follow-up", form)).await;
            assert_eq!((letter.kind.as_str(), letter.text.contains("the large one")), ("follow-up-done", told), "{}", letter.text);
            let says = ["（記録されています）", "it is on file"].iter().any(|words| letter.text.contains(words));
            assert_eq!(says, !told, "{}", letter.text);
        }
        center.wind(60);
        center.close("borealis", "last visit done").await;
        let office = Visit::of(&pages, sign_in(&pages, "/c/borealis", OFFICE, PASSWORD).await.cookie());
        assert!(office.see(path).await.body.contains("the large one"), "nothing is concealed any more");
    }

    async fn a_study_that_changed_meanwhile_loses_nothing_typed(center: &mut Center) {
        aurora(center).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "A-0001"))).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", YAMADA).await;
        let review = {
            let blank = yamada.see("/c/aurora/new").await;
            yamada.fill("/c/aurora/new", &blank, &of("A-0002"), "answer").await
        };
        life::set_paused(center.store(), "aurora", true, center.act("holiday")).await.unwrap();
        let refused = yamada.fill("/c/aurora/new", &review, &[], "send").await;
        assert!(refused.status == 422 && refused.body.contains("value=\"A-0002\""), "{refused:?}");
        assert_eq!(center.enrolled("aurora").await.len(), 1);
        // Follow-up goes on while nobody is enrolled.
        let entered = yamada.record("/c/aurora/1/week_4/visit/new", &visit("2026-11-18", "60")).await;
        assert_eq!(entered.status, 303, "{entered:?}");
        center.assert_whole().await;
    }
}
