//! Voting on the pages: by a link and by an account; each method; votes raced; what attackers try.

use std::collections::BTreeSet;

use hagaki::store::credential as stored_credential;
use hagaki::web::election::ElectionPages;
use hagaki::web::survey::{SurveyPages, Tools};
use hagaki::workflow::{DeskAddress, life};

use super::*;
use crate::browser::{Page, Served};
use crate::stories::members::{self, PASSWORD};
use crate::world::ring;

/// The pages of elections, on the center's own store.
pub(crate) async fn serve(center: &Center) -> Served {
    serve_on(center, center.store()).await
}

/// The same on another store, as another daemon's.
async fn serve_on(center: &Center, store: &Store) -> Served {
    let tools = Tools {
        shelf: Arc::new(center.shelf_on(store)),
        clock: center.clock.clone(),
        dice: center.dice.clone(),
        keys: center.keys.clone(),
        desk: DeskAddress { ..center.process.calendar.desk.clone() },
        files: center.process.calendar.files.clone(),
        proxies: Vec::new(),
        dispatch_bells: vec![center.process.dispatch.bell.clone()],
    };
    // Style and script come with the surveys' pages, as in the daemon.
    Served::start(SurveyPages::new(tools.clone()).router().merge(ElectionPages::new(tools).router())).await
}

/// Where a voter of that number votes.
pub(crate) fn path_of(issued: &[Issued], at: usize) -> String {
    let own = issued.iter().find(|one| one.entry.number == number(at)).unwrap();
    format!("/v/{}", own.secret.text())
}

/// What voter `at` marks, with words of their own written in.
pub(crate) fn marks(at: usize, written: &str) -> Vec<(&'static str, String)> {
    let sign = if at.is_multiple_of(3) { "no" } else { "yes" };
    let named = if at.is_multiple_of(2) { "c01" } else { "c06" };
    vec![
        ("mark:president:c01", sign.to_owned()),
        ("mark:council", named.to_owned()),
        ("name:auditor", written.to_owned()),
    ]
}

fn typed<'m>(marks: &'m [(&'static str, String)]) -> Vec<(&'m str, &'m str)> {
    marks.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// A voter looks their marks over; the page that asks for the last word.
pub(crate) async fn look_over(pages: &Served, path: &str, marks: &[(&str, &str)]) -> Page {
    let ballot = pages.get(&format!("{path}?lang=en")).await;
    assert_eq!(ballot.status, 200, "{ballot:?}");
    pages.fill(path, &ballot, marks, "answer").await
}

/// A voter votes, and follows to the receipt.
pub(crate) async fn cast_by_page(pages: &Served, path: &str, marks: &[(&str, &str)]) -> Page {
    let check = look_over(pages, path, marks).await;
    assert_eq!(check.status, 200, "{check:?}");
    let cast = pages.fill(path, &check, &[], "send").await;
    pages.get(&cast.location()).await
}

/// The receipt on a page.
pub(crate) fn receipt_on(page: &Page) -> String {
    let behind = page.body.split("Receipt number <strong>").nth(1);
    behind.and_then(|rest| rest.split('<').next()).unwrap_or_else(|| panic!("no receipt: {page:?}")).to_owned()
}

async fn count(center: &Center, table: &str) -> i64 {
    center.world.number(&format!("SELECT count(*) FROM {table}")).await
}

/// Rules with a contest of every method, no districts, and names and statements that are no markup.
pub(crate) fn kinds_of_contests() -> Bundle {
    let candidate = |id: &str| {
        format!(
            "[[contests.candidates]]\nid = \"{id}\"\nname = {{ ja = \"候補 {id}\", en = \"<b onclick='alert(1)'>{id}</b> & Co\" }}\n\
             picture = \"face.png\"\nstatement = {{ ja = \"所信 {id}\", en = \"</p><script>alert('{id}')</script>\" }}\n\n"
        )
    };
    let contest = |id: &str, keys: &str| {
        // Confidence is of as many as there are seats.
        let seats = if keys.contains("confidence") { 4 } else { 1 };
        let four: String = ["a", "b", "c", "d"].map(|own| candidate(&format!("{id}-{own}"))).concat();
        format!(
            "[[contests]]\nid = \"{id}\"\ntitle = {{ ja = \"{id} の選挙\", en = \"Post {id}\" }}\nseats = {seats}\n{keys}\n\n{four}"
        )
    };
    let rules = [
        "[terms]\nopens = \"2027-01-12 09:00\"\ncloses = \"2027-01-31 17:00\"\nadditions_until = \"2027-01-24 17:00\"\norder = \"random\"\n\
         objections_until = \"2026-12-25 17:00\"\nseed = { ja = \"公開の値\", en = \"A public value\" }\n\n",
        &contest("one", "method = \"single\"\nwrite_in = 1\ntie = [\"lot\"]"),
        &contest("few", "method = \"plural\"\nmin = 2\nmax = 3\nblank = false\nwrite_in = 2\ntie = [\"lot\"]"),
        &contest("first", "method = \"plural\"\nmax = 2\nover = \"first\"\ntie = [\"lot\"]"),
        &contest("any", "method = \"approval\"\ntie = [\"lot\"]"),
        &contest("trust", "method = \"confidence\""),
        &contest("reject", "method = \"confidence\"\nconfidence = { style = \"reject\" }"),
        &contest("pairs", "method = \"schulze\"\nequal_ranks = true\ntie = [\"lot\"]"),
        &contest("moved", "method = \"stv\"\ntie = [\"lot\"]"),
    ]
    .concat();
    // One point, as small as a picture can be.
    let point = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    with_file(&with_file(&samples::council(), "election.toml", &rules), "pictures/face.png", point)
}

/// That election, opened, with so many voters in no district.
pub(crate) async fn opened_kinds(center: &Center, many: usize) -> Vec<Issued> {
    center.activate(&kinds_of_contests(), Stage::Production).await;
    let roll: Vec<Entry> = (0..many).map(|at| Entry { district: None, ..entry(at) }).collect();
    Booth::of(center).import(&roll).await.unwrap();
    Booth::of(center).both(Step::Objection).await;
    wind_to(center, "2026-12-25 17:00");
    Booth::of(center).both(Step::Open).await;
    let issued = Booth::of(center).issue().await;
    wind_to(center, OPENS);
    issued
}

/// Marks that count in every contest of [`kinds_of_contests`].
pub(crate) const EVERY: [(&str, &str); 14] = [
    ("mark:one", "one-b"),
    ("mark:few", "few-a"),
    ("name:few", "Somebody Else\r\n\r\n  山田　太郎 "),
    ("mark:first", "first-d"),
    ("mark:first", "first-a"),
    ("mark:any", "any-a"),
    ("mark:any", "any-c"),
    ("mark:trust:trust-a", "yes"),
    ("mark:trust:trust-b", "no"),
    ("mark:reject", "reject-d"),
    ("place:pairs:pairs-c", "１"),
    ("place:pairs:pairs-a", "2"),
    ("place:pairs:pairs-b", "2"),
    ("place:moved:moved-d", "7"),
];

stories! {
    async fn a_vote_by_a_link_is_cast_once_and_has_its_receipt(center: &mut Center) {
        center.activate(&bundle(), Stage::Production).await;
        let roll: Vec<Entry> = (0..4).map(entry).collect();
        Booth::of(center).import(&roll).await.unwrap();
        Booth::of(center).both(Step::Objection).await;
        wind_to(center, "2026-12-25 17:00");
        Booth::of(center).both(Step::Open).await;
        let issued = Booth::of(center).issue().await;
        let pages = serve(center).await;
        let path = path_of(&issued, 0);

        // Too early: nothing is used up, and it says when.
        let early = pages.get(&format!("{path}?lang=en")).await;
        assert!(early.status == 403 && early.body.contains("votes are taken from 2027-01-12 09:00"), "{early:?}");
        wind_to(center, OPENS);

        // The ballots of the voter's own district, as they were mailed: in Japanese first, the other district's seats are not theirs.
        let ballot = pages.get(&path).await;
        assert!(ballot.status == 200 && ballot.body.contains("まだ投票は済んでいません") && ballot.body.contains("青木 恵子"), "{ballot:?}");
        let ballot = pages.get(&format!("{path}?lang=en")).await;
        assert!(ballot.body.contains("You have not voted yet.") && ballot.body.contains("KATO Hiroshi").eq(&false), "{ballot:?}");
        assert!(ballot.head.contains("cache-control: private, no-cache") && !ballot.head.contains("set-cookie"), "{ballot:?}");
        for told in ["Your vote is kept without your name", "trusted to count", "Whoever has your link can vote in your place"] {
            assert!(ballot.body.contains(told), "{told}");
        }

        // Nothing marked: blank, which takes a word; then too many names.
        let empty = pages.fill(&path, &ballot, &[], "answer").await;
        assert_eq!(empty.body.matches("Nothing is marked").count(), 3, "{empty:?}");
        let unasked = pages.fill(&path, &empty, &[], "send").await;
        assert!(unasked.status == 422 && unasked.body.contains("Your vote was not cast. Tick the box"), "{unasked:?}");
        let full = [("mark:president:c01", "yes"), ("mark:council", "c01"), ("mark:council", "c02"), ("mark:council", "c03"), ("name:auditor", "SATO Ai")];
        let check = pages.fill(&path, &ballot, &full, "answer").await;
        assert!(check.status == 200 && check.body.contains("You have not voted yet."), "{check:?}");
        assert!(check.body.contains("more names are marked than may be") && check.body.contains("SATO Ai (written in)"), "{check:?}");
        assert_eq!(pages.fill(&path, &check, &[], "send").await.status, 422);
        // Another language, and back to the ballots: every mark is still there.
        let japanese = pages.fill(&path, &check, &[], "lang-ja").await;
        assert!(japanese.body.contains("まだ投票は済んでいません") && japanese.body.contains("SATO Ai（記入）"), "{japanese:?}");
        let back = pages.fill(&path, &check, &[], "change").await;
        assert_eq!(back.body.matches(" checked>").count(), 5, "yes, three names, and none of the auditors: {back:?}");
        assert!(back.body.contains("value=\"SATO Ai\""), "{back:?}");
        assert_eq!((count(center, "voted").await, count(center, "urn").await), (0, 0), "nothing was cast");

        let good: Vec<(&str, &str)> = full.into_iter().filter(|(_, value)| *value != "c03").collect();
        let check = pages.fill(&path, &ballot, &good, "answer").await;
        assert!(!check.body.contains("_knowing") && check.body.contains("can neither be changed nor taken back"), "{check:?}");
        let cast = pages.fill(&path, &check, &[], "send").await;
        assert_eq!(cast.location(), format!("{path}?done=now&lang=en"), "neither vote nor receipt stands in the address");
        let receipt = pages.get(&cast.location()).await;
        assert!(receipt.body.contains("Your vote is in, and counts.") && receipt.head.contains("clear-site-data: \"cache\""), "{receipt:?}");
        let number = receipt_on(&receipt);

        // The same page again, another page, the link again: one vote, one receipt.
        let again = pages.fill(&path, &check, &[], "send").await;
        assert_eq!(again.location(), format!("{path}?done=again&lang=en"));
        let other = pages.post(&path, &[("_step", "send"), ("_lang", "en"), ("mark:council", "c02"), ("_knowing", "1")]).await;
        let other = pages.get(&other.location()).await;
        assert!(other.body.contains("What you cast then counts; what you sent just now does not."), "{other:?}");
        for page in [&other, &pages.get(&format!("{path}?lang=en")).await] {
            assert_eq!(receipt_on(page), number);
            assert!(!page.body.contains("ISHII") && !page.body.contains("SATO"), "{page:?}");
        }
        assert_eq!((count(center, "voted").await, count(center, "urn").await), (1, 1));

        // By post, by a newer link, when the study is paused, when it is over: nothing that was marked is lost where it can still count.
        let (one, two, three) = (path_of(&issued, 1), path_of(&issued, 2), path_of(&issued, 3));
        let own = marks(1, "TANAKA Rei");
        let check = look_over(&pages, &one, &typed(&own)).await;
        Booth::of(center).reissue("M-0001").await.unwrap();
        let replaced = pages.fill(&one, &check, &[], "send").await;
        assert!(replaced.status == 403 && replaced.body.contains("you were sent a newer one") && replaced.body.contains("TANAKA Rei"), "{replaced:?}");
        assert!(!replaced.body.contains("<button"), "it can count by that link no more: {replaced:?}");
        Booth::of(center).change(Change::Postal("M-0002", true), "asked for paper").await.unwrap();
        assert!(pages.get(&format!("{two}?lang=en")).await.body.contains("You asked for a ballot by post"));
        let own = marks(3, "TANAKA Rei");
        let check = look_over(&pages, &three, &typed(&own)).await;
        life::set_paused(center.store(), "council", true, center.act("a fire in the house")).await.unwrap();
        let paused = pages.fill(&three, &check, &[], "send").await;
        assert!(paused.status == 403 && paused.body.contains("Voting is paused") && paused.body.contains("Try again"), "{paused:?}");
        assert!(pages.get("/e/council?lang=en").await.body.contains("Voting is paused."));
        life::set_paused(center.store(), "council", false, center.act("it is out")).await.unwrap();
        let once_more = pages.fill(&three, &paused, &[], "look").await;
        assert!(once_more.status == 200 && once_more.body.contains("TANAKA Rei (written in)"), "{once_more:?}");
        wind_to(center, CLOSES);
        let late = pages.fill(&three, &once_more, &[], "send").await;
        assert!(late.status == 403 && late.body.contains("votes were taken until 2027-01-31 17:00") && late.body.contains("TANAKA Rei"), "{late:?}");
        assert_eq!((count(center, "voted").await, count(center, "urn").await), (1, 1));
        assert_eq!(receipt_on(&pages.get(&format!("{path}?lang=en")).await), number, "who has voted is told so after the end");
        // The newer link leaves.
        center.quiet().await;
    }

    async fn every_method_has_its_ballot(center: &mut Center) {
        let issued = opened_kinds(center, 3).await;
        let pages = serve(center).await;
        let path = path_of(&issued, 0);
        let check = look_over(&pages, &path, &EVERY).await;
        assert_eq!(check.status, 200, "{check:?}");
        for shown in ["山田 太郎 (written in)", "trust-a&lt;/b&gt; &amp; Co: yes", "trust-c&lt;/b&gt; &amp; Co: no mark", "reject-d&lt;/b&gt; &amp; Co: no"] {
            assert!(check.body.contains(shown), "{shown}: {check:?}");
        }
        assert!(!check.body.contains("_knowing"), "everything counts: {check:?}");
        assert_eq!(pages.fill(&path, &check, &[], "send").await.status, 303);

        // What cannot be read is told at its place, with everything else still marked; what counts for nobody takes a word.
        let path = path_of(&issued, 1);
        let mut wrong = EVERY.to_vec();
        wrong.extend([("place:moved:moved-a", "first"), ("none:any", "1")]);
        let faulty = look_over(&pages, &path, &wrong).await;
        assert_eq!(faulty.status, 422);
        for told in ["&quot;first&quot; is no place", "you marked somebody and take no part", "<title>Error ·"] {
            assert!(faulty.body.contains(told), "{told}: {faulty:?}");
        }
        assert!(faulty.body.contains("value=\"first\"") && faulty.body.contains("value=\"one-b\" checked"), "{faulty:?}");
        let named = look_over(&pages, &path, &[("name:one", "=cmd()"), ("none:few", "1")]).await;
        assert!(named.status == 422 && named.body.contains("a name that you wrote cannot be kept"), "{named:?}");
        let odd = [
            ("mark:one", "one-a"), ("name:one", "Both"), ("mark:few", "few-a"), ("mark:first", "first-a"), ("mark:first", "first-b"), ("mark:first", "first-c"),
            ("place:moved:moved-a", "1"), ("place:moved:moved-b", "1"), ("none:any", "1"), ("none:pairs", "1"), ("none:trust", "1"), ("none:reject", "1"),
        ];
        let check = look_over(&pages, &path, &odd).await;
        for told in ["more names are marked than may be", "fewer names are marked than must be", "only these names count", "two candidates have the same place"] {
            assert!(check.body.contains(told), "{told}: {check:?}");
        }
        assert_eq!(check.body.matches("You take no part in this vote.").count(), 4);
        assert_eq!(pages.fill(&path, &check, &[("_knowing", "1")], "send").await.status, 303);

        // Who takes part in nothing has nothing to hand in.
        let path = path_of(&issued, 2);
        let all = ["one", "few", "first", "any", "trust", "reject", "pairs", "moved"].map(|id| format!("none:{id}"));
        let none: Vec<(&str, &str)> = all.iter().map(|field| (field.as_str(), "1")).collect();
        let nothing = look_over(&pages, &path, &none).await;
        assert!(nothing.status == 422 && nothing.body.contains("there is no ballot to hand in"), "{nothing:?}");

        wind_to(center, CLOSES);
        Booth::of(center).both(Step::Close).await;
        let package = Booth::of(center).package().await.unwrap();
        let lines: BTreeSet<&str> = package.ballots.lines().skip(1).collect();
        let wanted = [
            "any,,,any-a any-c,,,1", "few,,,few-a,Somebody Else; 山田 太郎,,1", "few,,,few-a,,,1", "first,,,first-a first-b first-c,,,1", "first,,,first-a first-d,,,1",
            "moved,,,moved-a = moved-b,,,1", "moved,,,moved-d,,,1", "one,,,one-a,Both,,1", "one,,,one-b,,,1", "pairs,,,pairs-c > pairs-a = pairs-b,,,1",
            "reject,,,reject-d-,,,1", "trust,,,trust-a+ trust-b-,,,1",
        ];
        assert_eq!(lines, BTreeSet::from(wanted));
    }

    async fn each_voter_sees_the_candidates_in_an_order_of_their_own(center: &mut Center) {
        let issued = opened_kinds(center, 8).await;
        let pages = serve(center).await;
        let order = async |at: usize| {
            let page = pages.get(&path_of(&issued, at)).await;
            let of = |field: &str| page.body.split(field).skip(1).filter_map(|rest| rest.split('"').next().map(str::to_owned)).collect::<Vec<String>>();
            of("name=\"mark:any\" value=\"")
        };
        let mut orders = BTreeSet::new();
        for at in 0..8 {
            let own = order(at).await;
            assert_eq!(own.len(), 4);
            assert_eq!(own, order(at).await, "the same as often as they look");
            orders.insert(own);
        }
        assert!(orders.len() > 2, "{orders:?}");
    }

    async fn votes_from_many_sides_at_once_count_once(center: &mut Center) {
        let issued = opened(center, 6).await;
        let another = Store::open(&center.world.url).await.unwrap().with_ring(ring());
        let sides = [Arc::new(serve(center).await), Arc::new(serve_on(center, &another).await)];
        let mut posts = tokio::task::JoinSet::new();
        for at in 0..6 {
            let path = path_of(&issued, at);
            for side in 0..4 {
                let (pages, path) = (Arc::clone(&sides[side % 2]), path.clone());
                posts.spawn(async move {
                    let own = marks(at, &format!("Name {at} of {side}"));
                    let fields: Vec<(&str, &str)> = typed(&own).into_iter().chain([("_step", "send"), ("_lang", "en")]).collect();
                    for _ in 0..100 {
                        let sent = pages.post(&path, &fields).await;
                        // A database that is busy is told as such, and nothing is lost.
                        if sent.status == 303 {
                            return (at, sent.location().contains("done=now"));
                        }
                        assert!(matches!(sent.status, 409 | 503) && sent.body.contains(&format!("Name {at} of {side}")), "{sent:?}");
                    }
                    panic!("busy for ever");
                });
            }
        }
        let done = posts.join_all().await;
        assert_eq!((count(center, "voted").await, count(center, "urn").await), (6, 6));
        for at in 0..6 {
            assert!(done.iter().filter(|(own, now)| *own == at && *now).count() <= 1, "{done:?}");
        }
        wind_to(center, CLOSES);
        Booth::of(center).both(Step::Close).await;
        let ballots = Booth::of(center).package().await.unwrap().ballots;
        for at in 0..6 {
            assert_eq!(ballots.matches(&format!("Name {at} of")).count(), 1, "{ballots}");
        }
    }

    async fn an_account_of_an_address_on_the_roll_votes(center: &mut Center) {
        // Two of the roll share an address; nobody can tell by it which of them signs in.
        center.activate(&members::named(), Stage::Production).await;
        members::admit(center, "members", &["member-0001@example.jp", "shared@example.jp", "stranger@example.jp"]).await;
        center.settle().await;
        center.activate(&bundle(), Stage::Production).await;
        let shared = |at: usize| Entry { address: "shared@example.jp".to_owned(), ..entry(at) };
        let roll: Vec<Entry> = [entry(0), entry(1), shared(2), shared(3)].into();
        Booth::of(center).import(&roll).await.unwrap();
        let pages = members::serve(center).await;
        assert_eq!(pages.get("/e/council/vote").await.status, 404, "nobody hears of a draft");
        Booth::of(center).both(Step::Objection).await;
        wind_to(center, "2026-12-25 17:00");
        Booth::of(center).both(Step::Open).await;
        let issued = Booth::of(center).issue().await;
        wind_to(center, OPENS);
        let first = pages.get("/e/council/vote?lang=en").await;
        assert_eq!(first.location(), "/sign-in?to=/e/council/vote&lang=en");
        let mut cookies = Vec::new();
        for address in ["member-0001@example.jp", "shared@example.jp", "stranger@example.jp"] {
            members::choose(center, &pages, address, PASSWORD).await;
            let signed_in = members::sign_in(&pages, "/e/council/vote", address, PASSWORD).await;
            assert_eq!(signed_in.location(), "/e/council/vote?lang=en");
            cookies.push(signed_in.cookie());
        }
        for cookie in &cookies[1..] {
            let unknown = pages.get_with("/e/council/vote?lang=en", cookie).await;
            assert!(unknown.status == 403 && unknown.body.contains("Nobody on the roll of this election can be told"), "{unknown:?}");
            assert!(!pages.get_with("/account?lang=en", cookie).await.body.contains("/e/council"));
        }
        assert!(pages.get_with("/account?lang=en", &cookies[0]).await.body.contains("<a href=\"/e/council/vote?lang=en\">"));

        // Somebody who comes late is on the roll, and has no ballot here: by post, or not yet.
        let late = Entry { address: "stranger@example.jp".to_owned(), postal: true, ..entry(4) };
        Booth::of(center).change(Change::Add(&late), "had paid in time").await.unwrap();
        let by_post = pages.get_with("/e/council/vote?lang=en", &cookies[2]).await;
        assert!(by_post.status == 403 && by_post.body.contains("You asked for a ballot by post"), "{by_post:?}");
        Booth::of(center).change(Change::Postal(&number(4), false), "asked for it").await.unwrap();
        let early = pages.get_with("/e/council/vote?lang=en", &cookies[2]).await;
        assert!(early.status == 403 && early.body.contains("your ballot is not ready yet"), "{early:?}");
        Booth::of(center).change(Change::Remove(&number(4)), "had not paid").await.unwrap();

        // Without the guard of this session nothing is cast; with it the vote counts once, whichever way the voter comes.
        let ballot = pages.get_with("/e/council/vote?lang=en", &cookies[0]).await;
        let own = marks(1, "TANAKA Rei");
        let send = async |page: &Page, typed: &[(&str, &str)], step: &str, cookie: &str, guarded: bool| {
            let hidden = page.hidden();
            let hidden = hidden.iter().filter(|(name, _)| guarded || name != "_guard");
            let fields: Vec<(&str, &str)> =
                hidden.map(|(name, value)| (name.as_str(), value.as_str())).chain(typed.iter().copied()).chain([("_step", step)]).collect();
            pages.post_with("/e/council/vote", &fields, &members::header(cookie)).await
        };
        let check = send(&ballot, &typed(&own), "answer", &cookies[0], true).await;
        assert!(check.status == 200 && check.body.contains("TANAKA Rei"), "{check:?}");
        let stolen = send(&check, &[], "send", &cookies[0], false).await;
        assert!(stolen.status == 403 && stolen.body.contains("earlier session") && stolen.body.contains("TANAKA Rei"), "{stolen:?}");
        let others = send(&check, &[], "send", &cookies[1], true).await;
        assert!(others.status == 403 && !others.body.contains("TANAKA"), "{others:?}");
        let fields: Vec<(String, String)> = check.hidden();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain([("_step", "send")]).collect();
        let out = pages.post("/e/council/vote", &fields).await;
        assert!(out.status == 403 && out.body.contains("You are not signed in any more") && out.body.contains("TANAKA Rei"), "{out:?}");
        assert_eq!(count(center, "voted").await, 0);
        let cast = send(&check, &[], "send", &cookies[0], true).await;
        assert_eq!(cast.location(), "/e/council/vote?done=now&lang=en");
        let by_account = receipt_on(&pages.get_with(&cast.location(), &cookies[0]).await);
        let by_link = pages.get(&format!("{}?lang=en", path_of(&issued, 1))).await;
        assert_eq!(receipt_on(&by_link), by_account);
        assert!(pages.get_with("/account?lang=en", &cookies[0]).await.body.contains("you have voted"));
        assert_eq!((count(center, "voted").await, count(center, "urn").await), (1, 1));
        // Whoever has the database finds nobody of the roll by an address.
        assert_eq!(count(center, "account WHERE address = 'member-0000@example.jp'").await, 0, "the roll makes no account");
    }

    async fn what_attackers_try_on_ballots(center: &mut Center) {
        let issued = opened_kinds(center, 2).await;
        let pages = serve(center).await;
        let path = path_of(&issued, 0);
        let ballot = pages.get(&format!("{path}?lang=en")).await;
        assert!(ballot.body.contains("&lt;script&gt;alert(") && !ballot.body.contains("<script>alert"), "{ballot:?}");
        assert!(!ballot.body.contains("<b onclick"), "{ballot:?}");
        assert!(ballot.head.contains("default-src 'none'") && ballot.head.contains("referrer-policy: no-referrer"), "{ballot:?}");

        // Links that are guessed or are another's: one answer for all, which names no election.
        for stranger in ["/v/nothing", "/v/0123456789abcdefghjkmnpqrs", "/v/%00", "/v/..%2Fe%2Fcouncil", "/e/nothing", "/e/..", "/e/%00", "/e/council'--"] {
            let page = pages.get(stranger).await;
            assert!(page.status == 404 && !page.body.contains("Post one") && !page.body.contains("COUNCIL"), "{stranger}: {page:?}");
            assert_eq!(pages.post(stranger, &[("_step", "send")]).await.status, if stranger.starts_with("/e/") { 405 } else { 404 }, "{stranger}");
        }
        // Nor does a ballot come by what is a credential of another kind.
        let id = stored_credential::find(center.store(), &Booth::of(center).credential(&number(0)).await).await.unwrap().unwrap().id;
        assert_eq!(pages.get(&format!("/v/{}", id.text())).await.status, 404);

        // Another site's form is refused before it is read.
        let fields = [("_step", "send"), ("_knowing", "1"), ("mark:one", "one-a")];
        for foreign in ["Sec-Fetch-Site: cross-site\r\n", "Origin: https://evil.example\r\n"] {
            assert_eq!(pages.post_with(&path, &fields, foreign).await.status, 403, "{foreign}");
        }
        // A GET changes nothing, whatever stands in it.
        for query in ["?_step=send&mark:one=one-a&_knowing=1", "?done=now", "?done=before", "?lang=%0d%0aSet-Cookie:x", "?done=%3Cscript%3E"] {
            let page = pages.get(&format!("{path}{query}")).await;
            assert!(page.status == 200 && page.body.contains("_mark") && !page.head.contains("Set-Cookie:x"), "{query}: {page:?}");
        }
        // Candidates and contests that there are none of, codes of other contests, marks of strange kinds, far too many fields.
        for (name, value) in [("mark:one", "nobody"), ("mark:one", "few-a"), ("mark:reject", "x' OR 1=1")] {
            let page = pages.post(&path, &[("_step", "send"), ("_lang", "en"), ("_knowing", "1"), (name, value)]).await;
            assert!(page.status == 422 && page.body.contains("cannot be read"), "{name}={value}: {page:?}");
        }
        let ignored = pages.post(&path, &[("_step", "answer"), ("_lang", "en"), ("mark:nothing", "one-a"), ("mark:trust:one-a", "yes"), ("place:one:one-a", "1")]).await;
        assert_eq!(ignored.body.matches("Nothing is marked").count(), 6, "{ignored:?}");
        let many: Vec<(String, String)> = (0..5_001).map(|at| (format!("mark:any{at}"), "x".to_owned())).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pages.post(&path, &many).await.status, 413, "cut off, marks would be lost unseen");
        let long = "あ".repeat(101);
        let written = pages.post(&path, &[("_step", "send"), ("_lang", "en"), ("name:one", &long)]).await;
        assert!(written.status == 422 && written.body.contains(&long), "{:?}", written.status);
        let markup = look_over(&pages, &path, &[("name:one", "<script>alert(2)</script>")]).await;
        assert!(markup.status == 200 && markup.body.contains("&lt;script&gt;alert(2)") && !markup.body.contains("<script>alert"), "{markup:?}");
        assert_eq!((count(center, "voted").await, count(center, "urn").await), (0, 0));

        // Pictures: by their names alone, as what they are, and able to do nothing.
        let src = ballot.body.split("<img class=\"portrait\" src=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
        let picture = pages.get(&src).await;
        assert!(picture.status == 200 && picture.head.contains("content-type: image/png"), "{:?}", picture.head);
        for told in ["content-security-policy: default-src 'none'; sandbox", "x-content-type-options: nosniff"] {
            assert!(picture.head.contains(told), "{told}: {}", picture.head);
        }
        for name in ["face.png", "..%2Felection.toml", "%2e%2e/%2e%2e/hagaki.db", "../files/election.toml", "", "study.toml", "%00.png"] {
            let page = pages.get(&format!("/e/council/pictures/{name}")).await;
            assert!(page.status == 404 && !page.body.contains("[terms]"), "{name}: {page:?}");
        }
        for name in ["roll.csv", "study.toml", "ballots.csv", "outcome.json", "receipts.txt", "..%2Fstudy.toml", "election.toml%00"] {
            assert_eq!(pages.get(&format!("/e/council/files/{name}")).await.status, 404, "{name}");
        }
    }
}
