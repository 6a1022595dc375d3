//! The life of an election, as its committee tells it.

use hagaki::definition::{ballots_file, facts_file};
use hagaki::domain::election::judge::Invalid;
use hagaki::domain::election::paper::PaperFault;
use hagaki::domain::election::phase::Phase;
use hagaki::domain::election::{Fault, count as counted};
use hagaki::store::{audit, bundle as bundles};
use hagaki::workflow::election::cast::Barred;
use hagaki::workflow::election::roll::Seen;
use hagaki::workflow::ending::{self, Decision};
use hagaki::workflow::life::{self, LifeError};

use super::*;

async fn seen(booth: &Booth) -> Seen {
    let shelved = booth.shelved().await.unwrap();
    roll::see(&booth.shelf, &shelved, booth.means()).await.unwrap()
}

async fn close(booth: &Booth) -> Result<Stage, LifeError> {
    let shelved = booth.shelved().await.unwrap();
    let decision = Decision { by: None, act: booth.act("it is over") };
    Box::pin(ending::close(&booth.shelf, &shelved, booth.means(), decision)).await
}

async fn actions(center: &Center) -> Vec<String> {
    let row = study::find_current(center.store(), "council").await.unwrap().unwrap();
    audit::list(center.store(), row.id, 0, 1_000).await.unwrap().into_iter().map(|entry| entry.action).collect()
}

fn names(ids: &[&str]) -> Vec<(String, Choice)> {
    let listed = ids.iter().map(|id| Who::Listed((*id).to_owned())).collect();
    vec![("council".to_owned(), Choice::Names(listed))]
}

stories! {
    async fn a_roll_that_does_not_fit_amended_rules_is_not_laid_open(center: &mut Center) {
        center.activate(&bundle(), Stage::Development).await;
        Booth::of(center).import(&[entry(0), entry(1)]).await.unwrap();
        let south = edited(&bundle(), "election.toml", "\"west\"", "\"south\"");
        let south = edited(&south, "election.toml", "west = 2", "south = 2");
        center.activate(&south, Stage::Development).await;
        let said = refused(Booth::of(center).take(Step::Objection, CHAIR).await);
        assert!(said.contains("the voter M-0001 is in the district \"west\", which the election does not have"), "{said}");
        let mended = Entry { district: Some("south".to_owned()), ..entry(1) };
        Booth::of(center).import(&[mended]).await.unwrap();
        Booth::of(center).both(Step::Objection).await;
    }

    async fn an_election_from_its_roll_to_its_result(center: &mut Center) {
        center.activate(&bundle(), Stage::Development).await;
        let booth = || Booth::of(center);
        // The roll.
        assert_eq!(refused(booth().take(Step::Objection, CHAIR).await), "nobody is on the roll");
        let mut list: Vec<Entry> = (0..6).map(entry).collect();
        list[5].postal = true;
        let imported = booth().import(&list).await.unwrap();
        assert_eq!((imported.added, imported.corrected, imported.unchanged, imported.others), (6, 0, 0, 0));
        assert_eq!(refused(booth().import(&list).await), "nothing would change: it is so already");
        list[0].name = "Member Zero".to_owned();
        let imported = booth().import(&list[..2]).await.unwrap();
        assert_eq!((imported.added, imported.corrected, imported.unchanged, imported.others), (0, 1, 1, 4));

        // It is laid open by two people.
        assert!(refused(booth().take(Step::Open, CHAIR).await).contains("\"objection\" comes first"));
        assert!(refused(booth().take(Step::Objection, "somebody").await).contains("no person of that id"));
        let asked = booth().take(Step::Objection, CHAIR).await.unwrap();
        assert!(matches!(asked, Taken::Asked { lapsed: false, .. }), "{asked:?}");
        assert!(refused(booth().take(Step::Objection, CHAIR).await).starts_with("committee asked for this step"));
        assert_eq!(seen(&booth()).await.phase, Phase::Setup);
        booth().take(Step::Objection, SCRUTINEER).await.unwrap();
        assert_eq!(seen(&booth()).await.phase, Phase::Objection);
        assert!(refused(booth().import(&list).await).contains("one by one"));
        assert!(refused(booth().change(Change::Remove(&number(4)), " ").await).contains("say why"));
        assert!(refused(booth().change(Change::Remove("M-9999"), "left").await).contains("nobody on the roll"));
        assert!(refused(booth().change(Change::Add(&entry(0)), "again").await).contains("has the number M-0000"));
        assert!(!booth().change(Change::Remove(&number(4)), "resigned in March").await.unwrap().late);

        // Rules and roll are frozen, as both of them saw them.
        assert!(refused(booth().take(Step::Open, CHAIR).await).contains("can be objected to until 2026-12-25 17:00"));
        wind_to(center, "2026-12-25 17:00");
        booth().take(Step::Open, CHAIR).await.unwrap();
        booth().change(Change::Add(&entry(6)), "had paid in time").await.unwrap();
        let asked = booth().take(Step::Open, SCRUTINEER).await.unwrap();
        assert!(matches!(asked, Taken::Asked { lapsed: true, .. }), "the roll is another one: {asked:?}");
        let done = booth().take(Step::Open, CHAIR).await.unwrap();
        let before = seen(&booth()).await;
        assert!(matches!(&done, Taken::Done { first, about, .. } if first == SCRUTINEER && *about == Some(before.frozen.whole)));
        assert_eq!((before.phase, before.voted, before.roll.len()), (Phase::Frozen, None, 6));
        let reworded = edited(&bundle(), "election.toml", "Election of an auditor", "Election of the auditor");
        let act = center.act("another title");
        let again = life::activate(center.store(), &reworded, &defined(&reworded), Stage::Development, act, &*center.dice).await;
        assert!(again.unwrap_err().to_string().contains("are frozen"));
        let moved = edited(&bundle(), "study.toml", "Asia/Tokyo", "America/Los_Angeles");
        let act = center.act("other clocks");
        let again = life::activate(center.store(), &moved, &defined(&moved), Stage::Development, act, &*center.dice).await;
        assert!(again.unwrap_err().to_string().contains("time_zone"), "the close would be another one");
        let retitled = edited(&bundle(), "study.toml", "en = \"Election committee\"", "en = \"The election committee\"");
        center.activate(&retitled, Stage::Development).await;

        // Credentials.
        let issued = booth().issue().await;
        assert_eq!(issued.len(), 5, "whoever votes by post gets none");
        assert!(booth().issue().await.is_empty());
        let zero = booth().credential(&number(0)).await;
        let early = booth().cast(zero, page(0), &choices(0, "x")).await.unwrap();
        assert_eq!(early, Outcome::Barred(Barred::Phase(Phase::Frozen)));

        // Votes.
        wind_to(center, OPENS);
        assert_eq!(booth().cast(page(99), page(0), &choices(0, "x")).await.unwrap(), Outcome::Barred(Barred::Revoked));
        let Outcome::Cast(receipt) = booth().cast(zero, page(0), &choices(0, "Name 0")).await.unwrap() else { panic!() };
        assert_eq!(booth().cast(zero, page(0), &choices(0, "Name 0")).await.unwrap(), Outcome::Again(receipt.clone()));
        assert_eq!(booth().cast(zero, page(50), &names(&["c02"])).await.unwrap(), Outcome::Before(receipt.clone()));
        assert!(refused(booth().change(Change::Postal(&number(0), true), "asked").await).contains("has voted"));
        assert!(refused(booth().change(Change::Remove(&number(0)), "asked").await).contains("has voted"));
        assert!(refused(booth().reissue(&number(0)).await).contains("has voted"));

        let two = booth().credential(&number(2)).await;
        let unfit = booth().cast(two, page(2), &names(&["c99"])).await.unwrap();
        assert_eq!(unfit, Outcome::Unfit(PaperFault::Ballot("council".to_owned(), Fault::Candidate("c99".to_owned()))));
        let full = names(&["c01", "c02", "c03"]);
        let spoilt = booth().cast(two, page(2), &full).await.unwrap();
        assert_eq!(spoilt, Outcome::Spoils(vec![("council".to_owned(), Invalid::Over)]));
        assert_eq!(center.world.number("SELECT count(*) FROM voted").await, 1, "nothing was cast");
        let knowing = Paper { credential: two, mark: page(2), choices: &full, knowing: true };
        assert!(matches!(booth().hand_in(knowing).await.unwrap(), Outcome::Cast(_)));

        // Another credential in place of the first; by post in place of the web; late, and heard of in the chain.
        let one = booth().credential(&number(1)).await;
        booth().reissue(&number(1)).await.unwrap();
        assert_eq!(booth().cast(one, page(1), &choices(1, "x")).await.unwrap(), Outcome::Barred(Barred::Revoked));
        let fresh = booth().credential(&number(1)).await;
        assert!(matches!(booth().cast(fresh, page(1), &choices(1, "Name 1")).await.unwrap(), Outcome::Cast(_)));
        let three = booth().credential(&number(3)).await;
        assert!(booth().change(Change::Postal(&number(3), true), "asked for paper").await.unwrap().late);
        assert_eq!(booth().cast(three, page(3), &choices(3, "x")).await.unwrap(), Outcome::Barred(Barred::Postal));
        assert!(booth().change(Change::Add(&entry(7)), "left out by mistake").await.unwrap().late);
        assert_eq!(booth().issue().await.len(), 1);
        wind_to(center, "2027-01-24 17:00");
        assert!(refused(booth().change(Change::Add(&entry(8)), "late").await).contains("open to additions until"));
        assert!(refused(booth().reissue(&number(6)).await).contains("open to additions until"));

        // The end.
        assert!(refused(booth().take(Step::Close, CHAIR).await).contains("votes are taken until 2027-01-31 17:00"));
        assert!(refused(booth().package().await).contains("not opened yet"));
        wind_to(center, CLOSES);
        let six = booth().credential(&number(6)).await;
        let late = booth().cast(six, page(6), &choices(6, "x")).await.unwrap();
        assert_eq!(late, Outcome::Barred(Barred::Phase(Phase::Closed)));
        assert_eq!(booth().cast(zero, page(0), &[]).await.unwrap(), Outcome::Again(receipt.clone()), "who asks again is told");
        let Taken::Done { opened: Some(out), .. } = booth().both(Step::Close).await else { panic!() };
        assert_eq!(out.papers, 3);
        assert_eq!(center.world.number("SELECT count(*) FROM urn").await, 0);
        let study_id = booth().shelved().await.unwrap().id;
        let entries = audit::list(center.store(), study_id, 0, 1_000).await.unwrap();
        let closing = entries.iter().find(|entry| entry.body.contains("\"papers\"")).unwrap();
        let roll = data_encoding::HEXLOWER.encode(&seen(&booth()).await.frozen.roll);
        assert!(closing.body.contains(&format!("\"roll\":\"{roll}\"")), "{}", closing.body);
        let package = booth().package().await.unwrap();
        assert_eq!(
            package.ballots,
            "contest,district,class,votes,write_in,invalid,count\nauditor,east,,,Name 0,,1\nauditor,west,,,Name 1,,1\n\
             council,east,,c01,,,1\ncouncil,east,,c01 c02 c03,,,1\ncouncil,west,,c06,,,1\n\
             president,east,,c01-,,,1\npresident,west,,c01+,,,1\n"
        );
        assert_eq!(package.rule, bundle().election().unwrap());
        let marks: Vec<&str> = package.roll.lines().collect();
        assert_eq!(marks[0], "number,name,district,postal,voted");
        assert_eq!(marks[1], "M-0000,Member Zero,east,,1");
        assert_eq!((marks[4], marks[6], marks.len()), ("M-0003,Member 3,west,1,", "M-0006,Member 6,east,,", 8));
        assert_eq!(package.receipts.lines().count(), 3);
        assert!(package.receipts.contains(&receipt));
        let election = defined(&bundle()).election.unwrap();
        let ballots = ballots_file::read("ballots.csv", package.ballots.as_bytes(), &election).unwrap();
        let facts = facts_file::read("facts.toml", &package.facts, &election).unwrap();
        assert_eq!((facts.roll_of(Some("east")), facts.roll_of(None)), (Some(3), Some(7)));
        let outcome = counted(&election, &facts, &ballots).unwrap();
        assert_eq!(outcome.contests[1].contest, "council");

        assert_eq!(seen(&booth()).await.phase, Phase::Closed);
        booth().both(Step::Record).await;
        booth().both(Step::Certify).await;
        let after = seen(&booth()).await;
        assert_eq!((after.phase, after.voted, after.next), (Phase::Certified, Some(3), None));

        // No entry tells of a vote.
        let told = actions(center).await;
        let wanted = [
            "activate", "import-roll", "import-roll", "ask-election-step", "take-election-step", "remove-voter",
            "ask-election-step", "add-voter", "ask-election-step", "take-election-step", "activate",
            "issue-voter-credentials", "renew-voter-credential", "vote-by-post", "add-voter", "issue-voter-credentials",
            "ask-election-step", "take-election-step", "ask-election-step", "take-election-step", "ask-election-step",
            "take-election-step",
        ];
        assert_eq!(told, wanted);
        let versions = bundles::list(center.store(), booth().shelved().await.unwrap().id).await.unwrap();
        assert_eq!(versions.len(), 2);

        // A rehearsal is begun anew.
        life::purge(center.store(), "council", center.act("again"), &*center.dice).await.unwrap();
        for table in ["voter", "voter_credential", "voted", "election_step", "opened_ballots", "election_outcome", "election_file", "credential", "urn"] {
            assert_eq!(center.world.number(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
        }
        assert_eq!(seen(&booth()).await.phase, Phase::Setup);
    }

    async fn whoever_is_last_to_vote_ends_the_voting(center: &mut Center) {
        opened(center, 3).await;
        let booth = Booth::of(center);
        booth.change(Change::Postal(&number(2), true), "asked for paper").await.unwrap();
        vote(center, [0]).await;
        assert!(refused(booth.take(Step::Close, CHAIR).await).contains("not everybody on the roll has voted"));
        vote(center, [1]).await;
        assert!(matches!(booth.both(Step::Close).await, Taken::Done { opened: Some(out), .. } if out.papers == 2));
        assert_eq!(seen(&booth).await.phase, Phase::Closed);
    }

    async fn a_paused_study_takes_no_vote_and_loses_none(center: &mut Center) {
        opened(center, 2).await;
        vote(center, [0]).await;
        life::set_paused(center.store(), "council", true, center.act("a report of trouble")).await.unwrap();
        let booth = Booth::of(center);
        let credential = booth.credential(&number(1)).await;
        let barred = booth.cast(credential, page(1), &choices(1, "x")).await.unwrap();
        assert_eq!(barred, Outcome::Barred(Barred::Paused));
        life::set_paused(center.store(), "council", false, center.act("it was none")).await.unwrap();
        vote(center, [1]).await;
        assert!(matches!(booth.both(Step::Close).await, Taken::Done { opened: Some(out), .. } if out.papers == 2));
    }

    /// Nobody could open the urn of a study that is closed.
    async fn an_election_is_closed_when_its_urn_was_opened(center: &mut Center) {
        opened(center, 2).await;
        vote(center, [0]).await;
        let early = close(&Booth::of(center)).await.unwrap_err().to_string();
        assert!(early.contains("`hagaki election close council`"), "{early}");
        wind_to(center, CLOSES);
        Booth::of(center).both(Step::Close).await;
        assert_eq!(close(&Booth::of(center)).await.unwrap(), Stage::Development);
        assert!(Booth::of(center).package().await.unwrap().ballots.contains("auditor,east,,,Name 0,,1\n"));
        center.settle().await;
    }

    async fn a_mail_of_the_committee_is_answered(center: &mut Center) {
        center.activate(&bundle(), Stage::Development).await;
        let committee = Writer { address: "election-committee@example.jp", study: "council" };
        for word in ["form", "用紙", "help"] {
            let letters = center.exchange(&committee.writes(word, "")).await;
            assert_eq!(letters.len(), 1, "{word}: {:?}", kinds(&letters));
            assert_eq!(letters[0].to, committee.address);
        }
    }

    async fn a_step_that_nobody_confirms_lapses(center: &mut Center) {
        center.activate(&bundle(), Stage::Development).await;
        Booth::of(center).import(&[entry(0)]).await.unwrap();
        Booth::of(center).take(Step::Objection, CHAIR).await.unwrap();
        center.wind(hagaki::limits::ELECTION_STEP_HOURS * 3600);
        let asked = Booth::of(center).take(Step::Objection, SCRUTINEER).await.unwrap();
        assert!(matches!(asked, Taken::Asked { lapsed: true, .. }), "{asked:?}");
        assert!(matches!(Booth::of(center).take(Step::Objection, CHAIR).await.unwrap(), Taken::Done { .. }));
    }

    /// Whoever has the database, and takes a paper out of the urn or puts one in, is found out.
    async fn papers_and_marks_are_as_many(center: &mut Center) {
        opened(center, 3).await;
        vote(center, 0..3).await;
        wind_to(center, CLOSES);
        let copied = match center.store().engine() {
            hagaki::store::Engine::Sqlite => "zeroblob(16)",
            hagaki::store::Engine::Postgres => "decode(repeat('00', 16), 'hex')",
        };
        center.world.tamper(&format!("INSERT INTO urn (id, study_id, sealed) SELECT {copied}, study_id, sealed FROM urn LIMIT 1")).await;
        let booth = Booth::of(center);
        booth.take(Step::Close, CHAIR).await.unwrap();
        let more = booth.take(Step::Close, SCRUTINEER).await.unwrap_err();
        assert!(more.to_string().contains("4 papers are in the urn, and 3 marks on the roll"), "{more}");
        // One exchanged for a copy of another does not open in its place.
        let removed = "DELETE FROM urn WHERE id = (SELECT id FROM urn ORDER BY id LIMIT 1 OFFSET 1)";
        center.world.tamper(removed).await;
        let moved = booth.take(Step::Close, SCRUTINEER).await.unwrap_err();
        assert!(moved.to_string().contains("damaged, or was moved"), "{moved}");
        assert_eq!(center.world.number("SELECT count(*) FROM urn").await, 3, "nothing was opened");
    }
}
