//! Letters to voters: by the rules, by command, on request by mail; each once, and none to whoever voted before it left.

use std::collections::BTreeSet;

use hagaki::domain::election::letters::Round;
use hagaki::store::audit;
use hagaki::store::outbox::State as Letter;
use hagaki::workflow::election::{public, rounds};

use super::*;

const LETTERS: &str =
    "\n[letters]\nnotice = true\ncredentials = true\nremind_days_before = [7, 1]\nreceipts = true\nresult = true\n";

/// COUNCIL whose letters go by themselves.
pub(crate) fn lettered() -> Bundle {
    let bundle = bundle();
    let rules = format!("{}{LETTERS}", bundle.election().unwrap());
    with_file(&bundle, "election.toml", &rules)
}

/// Who got a letter of that kind.
fn got(letters: &[Received], kind: &str) -> Vec<String> {
    let mut to: Vec<String> = letters.iter().filter(|own| own.kind == kind).map(|own| own.to.clone()).collect();
    to.sort();
    to
}

fn addresses(numbers: &[usize]) -> Vec<String> {
    numbers.iter().map(|at| entry(*at).address).collect()
}

async fn morning(center: &mut Center) -> Vec<Received> {
    center.attend().await;
    center.settle().await
}

async fn send(booth: &Booth, round: Round) -> Result<(), ElectionError> {
    let shelved = booth.shelved().await?;
    rounds::begin(&booth.shelf, &shelved, booth.means(), booth.act("the committee decided"), round).await?;
    while !rounds::page(&booth.shelf, &shelved, booth.means(), round).await?.done {}
    Ok(())
}

/// How somebody's last letter fares, as the committee sees it.
async fn fate(center: &Center, at: usize) -> Option<(Letter, String)> {
    let booth = Booth::of(center);
    let shelved = booth.shelved().await.unwrap();
    let all = roll::letters(&booth.shelf, &shelved).await.unwrap();
    let own = all.into_iter().find(|(entry, _)| entry.number == number(at)).unwrap();
    own.1.map(|fate| (fate.state, fate.failure))
}

fn member(address: &'static str) -> Writer {
    Writer { address, study: "council" }
}

stories! {
    async fn letters_go_by_the_rules_and_everything_is_deleted_in_the_end(center: &mut Center) {
        center.activate(&lettered(), Stage::Development).await;
        let mut list: Vec<Entry> = (0..5).map(entry).collect();
        list[3].postal = true;
        list[4].address = String::new();
        Booth::of(center).import(&list).await.unwrap();
        assert_eq!(kinds(&morning(center).await), []);

        // The roll is laid open.
        Booth::of(center).both(Step::Objection).await;
        let letters = morning(center).await;
        assert_eq!(got(&letters, "election-notice"), addresses(&[0, 1, 2, 3]));
        assert!(letters[0].text.contains("/e/council") && letters.iter().all(|own| !own.subject.contains("Member")));
        assert_eq!(kinds(&morning(center).await), []);

        // Voting opens.
        wind_to(center, "2026-12-25 17:00");
        Booth::of(center).both(Step::Open).await;
        assert_eq!(kinds(&morning(center).await), []);
        wind_to(center, OPENS);
        let letters = morning(center).await;
        assert_eq!(got(&letters, "election-credential"), addresses(&[0, 1, 2]));
        let links: BTreeSet<&str> =
            letters.iter().map(|own| own.text.lines().find(|line| line.contains("/v/")).unwrap().trim()).collect();
        assert_eq!(links.len(), 3);
        assert_eq!(kinds(&morning(center).await), []);
        let study_id = Booth::of(center).shelved().await.unwrap().id;
        let kept = center.world.number("SELECT count(*) FROM outbox WHERE kind = 'election-credential' AND secret = 2").await;
        assert_eq!(kept, 3, "their secrets are taken out");

        // A vote, and its receipt when the day is over.
        vote(center, [0]).await;
        center.wind(3600);
        assert_eq!(kinds(&morning(center).await), []);
        center.wind(24 * 3600);
        let letters = morning(center).await;
        assert_eq!(got(&letters, "election-receipt"), addresses(&[0]));
        let receipt = voter::receipts(center.store(), study_id).await.unwrap().remove(0);
        assert!(letters[0].text.contains(&receipt) && !letters[0].text.contains("2027-01-12"), "{}", letters[0].text);

        // Reminders are written; whoever votes before they leave gets none, and nothing is left that would tell so.
        wind_to(center, "2027-01-24 08:59");
        assert_eq!(kinds(&morning(center).await), []);
        wind_to(center, "2027-01-24 09:00");
        center.attend().await;
        let written = "SELECT count(*) FROM outbox WHERE kind = 'election-reminder'";
        assert_eq!(center.world.number(written).await, 2);
        vote(center, [1]).await;
        let letters = center.settle().await;
        assert_eq!(got(&letters, "election-reminder"), addresses(&[2]));
        assert_eq!(center.world.number(written).await, 1);
        let told = "SELECT count(*) FROM voter_letter WHERE occasion = 'reminder:2027-01-24' AND message_id <> ''";
        assert_eq!(center.world.number(told).await, 1);
        assert_eq!(center.world.number("SELECT count(*) FROM credential_link").await, 1, "no link is left of it");
        assert!(letters[0].text.contains("/v/") && !links.iter().any(|link| letters[0].text.contains(link)));
        assert_eq!(kinds(&morning(center).await), []);

        // The end: receipts of the last days, then the result to everybody, by post or not.
        wind_to(center, CLOSES);
        assert_eq!(got(&morning(center).await, "election-receipt"), addresses(&[1]));
        Booth::of(center).both(Step::Close).await;
        Booth::of(center).both(Step::Record).await;
        assert_eq!(kinds(&morning(center).await), []);
        Booth::of(center).both(Step::Certify).await;
        assert_eq!(got(&morning(center).await, "election-result"), addresses(&[0, 1, 2, 3]));

        // The term is over.
        wind_to(center, "2027-07-30 16:59");
        assert_eq!(kinds(&morning(center).await), []);
        assert_eq!(center.world.number("SELECT count(*) FROM voter").await, 5);
        let shelved = Booth::of(center).shelved().await.unwrap();
        let seen = public::look(center.store(), &shelved, center.clock.now()).await.unwrap().unwrap();
        assert_eq!((seen.voters, seen.voted, seen.result.unwrap().files), (Some(5), Some(2), vec!["receipts.txt".to_owned()]));
        wind_to(center, "2027-07-30 17:00");
        assert_eq!(kinds(&morning(center).await), []);
        for table in ["voter", "voted", "voter_letter", "voter_credential", "credential", "credential_link", "opened_ballots", "urn",
                      "outbox", "outbox_raw"] {
            assert_eq!(center.world.number(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
        }
        assert_eq!(center.world.number("SELECT count(*) FROM election_outcome").await, 1);
        let seen = public::look(center.store(), &shelved, center.clock.now()).await.unwrap().unwrap();
        assert_eq!((seen.voters, seen.voted, seen.result.unwrap().files), (None, None, Vec::new()), "nobody is told of nobody");
        assert_eq!(public::file(center.store(), &shelved, center.clock.now(), "receipts.txt").await.unwrap(), None);
        assert!(refused(Booth::of(center).package().await).contains("are deleted"));
        let entries = audit::list(center.store(), study_id, 0, 1_000).await.unwrap();
        let last = entries.last().unwrap();
        assert_eq!(last.action, "begin-election-round");
        assert!(last.body.contains("\"deletion\"") && last.body.contains("\"voters\":5") && last.body.contains("\"voted\":2"));
        assert_eq!(kinds(&morning(center).await), []);
    }

    async fn a_result_that_comes_late_is_told_before_everything_is_deleted(center: &mut Center) {
        center.activate(&lettered(), Stage::Development).await;
        Booth::of(center).import(&[entry(0), entry(1)]).await.unwrap();
        Booth::of(center).both(Step::Objection).await;
        wind_to(center, "2026-12-25 17:00");
        Booth::of(center).both(Step::Open).await;
        wind_to(center, OPENS);
        morning(center).await;
        wind_to(center, CLOSES);
        Booth::of(center).both(Step::Close).await;
        Booth::of(center).both(Step::Record).await;
        // The term of the rules is over.
        wind_to(center, "2027-08-05 09:00");
        assert_eq!(kinds(&morning(center).await), []);
        Booth::of(center).both(Step::Certify).await;
        assert_eq!(got(&morning(center).await, "election-result"), addresses(&[0, 1]));
        wind_to(center, "2027-08-12 08:59");
        morning(center).await;
        assert_eq!(center.world.number("SELECT count(*) FROM voter").await, 2);
        wind_to(center, "2027-08-12 10:00");
        morning(center).await;
        assert_eq!(center.world.number("SELECT count(*) FROM voter").await, 0);
    }

    async fn an_election_that_is_given_up_is_deleted_like_any_other(center: &mut Center) {
        center.activate(&lettered(), Stage::Development).await;
        Booth::of(center).import(&[entry(0)]).await.unwrap();
        center.close("council", "nobody stands").await;
        wind_to(center, "2027-07-30 16:59");
        morning(center).await;
        assert_eq!(center.world.number("SELECT count(*) FROM voter").await, 1);
        wind_to(center, "2027-07-30 17:00");
        morning(center).await;
        assert_eq!(center.world.number("SELECT count(*) FROM voter").await, 0);
    }

    async fn the_committee_sends_letters_each_once(center: &mut Center) {
        center.activate(&bundle(), Stage::Development).await;
        let mut list: Vec<Entry> = (0..3).map(entry).collect();
        list[2].address = "refused@example.jp".to_owned();
        Booth::of(center).import(&list).await.unwrap();
        let today = |center: &Center| center.clock.now().day_in(Zone::find("Asia/Tokyo").unwrap());
        assert!(refused(send(&Booth::of(center), Round::Notice).await).contains("\"objection\" comes first"));
        Booth::of(center).both(Step::Objection).await;
        assert!(refused(send(&Booth::of(center), Round::Credentials).await).contains("\"open\" comes first"));
        send(&Booth::of(center), Round::Notice).await.unwrap();
        send(&Booth::of(center), Round::Notice).await.unwrap();
        assert_eq!(got(&center.settle().await, "election-notice"), addresses(&[0, 1]));
        assert!(matches!(fate(center, 0).await, Some((Letter::Sent, _))));
        let (state, failure) = fate(center, 2).await.unwrap();
        assert!(state == Letter::Failed && failure.starts_with('5'), "{state:?} {failure}");

        // The address is mended, and the notice goes there, and to nobody else again.
        let mend = Change::Correct { number: &number(2), name: None, address: Some("member-0002@example.jp") };
        let before = Booth::of(center).change(mend, "a slip in the list").await.unwrap().frozen;
        assert!(refused(Booth::of(center).change(mend, "again").await).contains("it is so already"));
        assert_eq!(got(&morning(center).await, "election-notice"), addresses(&[2]));
        let named = Change::Correct { number: &number(2), name: Some("Member Two"), address: None };
        assert_ne!(Booth::of(center).change(named, "married").await.unwrap().frozen.roll, before.roll);
        let study_id = Booth::of(center).shelved().await.unwrap().id;
        let entries = audit::list(center.store(), study_id, 0, 100).await.unwrap();
        assert!(entries.iter().all(|entry| !entry.body.contains("member-0002") && !entry.body.contains("Member Two")));

        wind_to(center, "2026-12-25 17:00");
        Booth::of(center).both(Step::Open).await;
        assert!(refused(send(&Booth::of(center), Round::Reminder(today(center))).await).contains("votes are taken from"));
        send(&Booth::of(center), Round::Credentials).await.unwrap();
        assert_eq!(got(&center.settle().await, "election-credential"), addresses(&[0, 1, 2]));
        assert!(matches!(fate(center, 2).await, Some((Letter::Sent, _))));
        wind_to(center, OPENS);
        vote(center, [1]).await;
        for _ in 0..2 {
            send(&Booth::of(center), Round::Reminder(today(center))).await.unwrap();
        }
        assert_eq!(got(&center.settle().await, "election-reminder"), addresses(&[0, 2]));
        let old = Booth::of(center).credential(&number(0)).await;
        Booth::of(center).reissue(&number(0)).await.unwrap();
        assert_eq!(got(&center.settle().await, "election-renewed"), addresses(&[0]));
        let barred = Booth::of(center).cast(old, page(0), &choices(0, "x")).await.unwrap();
        assert_eq!(barred, Outcome::Barred(cast::Barred::Revoked));

        // Somebody changes the roll by no act: it is told, and nothing is opened.
        wind_to(center, CLOSES);
        assert!(refused(send(&Booth::of(center), Round::Credentials).await).contains("ended at"));
        center.world.tamper("UPDATE voter SET postal = 1 WHERE number = 'M-0002'").await;
        assert!(refused(Booth::of(center).take(Step::Close, CHAIR).await).contains("changed in some other way"));
        center.world.tamper("UPDATE voter SET postal = 0 WHERE number = 'M-0002'").await;
        Booth::of(center).both(Step::Close).await;
        assert!(refused(send(&Booth::of(center), Round::Result).await).contains("\"certify\" comes first"));
    }

    async fn a_voter_asks_for_a_link_and_a_stranger_learns_nothing(center: &mut Center) {
        opened(center, 4).await;
        Booth::of(center).change(Change::Postal(&number(3), true), "asked for paper").await.unwrap();
        vote(center, [2]).await;
        let old = Booth::of(center).credential(&number(1)).await;
        let letters = center.exchange(&member("member-0001@example.jp").writes("credential", "Please.")).await;
        assert_eq!(got(&letters, "election-asked"), addresses(&[1]));
        assert_eq!(got(&letters, "election-renewed"), addresses(&[1]));
        assert_eq!(letters.len(), 2);
        assert_ne!(Booth::of(center).credential(&number(1)).await, old);
        let barred = Booth::of(center).cast(old, page(1), &choices(1, "x")).await.unwrap();
        assert_eq!(barred, Outcome::Barred(cast::Barred::Revoked));
        let asked = letters.iter().find(|own| own.kind == "election-asked").unwrap();

        let stranger = center.answer(&member("nobody@example.jp").writes("credential", "Please.")).await;
        let without_time = |own: &Received| -> Vec<String> {
            own.text.lines().filter(|line| !line.contains("+09:00") || line.contains("2027-01-24")).map(str::to_owned).collect()
        };
        assert_eq!((stranger.kind.as_str(), without_time(&stranger)), ("election-asked", without_time(asked)));

        let voted = center.exchange(&member("member-0002@example.jp").writes("投票用紙", "")).await;
        assert_eq!(got(&voted, "election-no-link"), addresses(&[2]));
        let postal = center.exchange(&member("member-0003@example.jp").writes("リンク", "")).await;
        assert_eq!(got(&postal, "election-no-link"), addresses(&[3]));
        assert_eq!(got(&postal, "election-renewed").len() + got(&voted, "election-renewed").len(), 0);

        // A vote in a mail is refused and not repeated; a question is for a person.
        for body in ["AOKI Keiko", "評議員選挙: 青木 恵子"] {
            let refused = center.answer(&member("member-0000@example.jp").writes("my vote", body)).await;
            assert_eq!(refused.kind, "election-refused");
            assert!(!refused.everything.contains("AOKI") && !refused.everything.contains("青木"), "{}", refused.text);
            let row = center.last_mail().await;
            assert!(!row.reading.unwrap_or_default().contains(body));
        }
        assert_eq!(center.world.number("SELECT count(*) FROM voted").await, 1);
        let held = center.exchange(&member("member-0000@example.jp").writes("candidates", "Who is AOKI Keiko?")).await;
        assert!(held.iter().all(|own| own.to != "member-0000@example.jp"), "{:?}", kinds(&held));

        wind_to(center, "2027-01-24 17:00");
        let late = center.exchange(&member("member-0000@example.jp").writes("credential", "")).await;
        assert_eq!(got(&late, "election-no-link"), addresses(&[0]));
    }
}
