//! What everybody sees of an election: nothing of a draft, then rules and those who stand, never who or how many have voted before the urn is
//! opened, and the result once it is certified.

use hagaki::store::election as kept;
use hagaki::workflow::election::steps::Outcome as OnRecord;

use super::pages::{cast_by_page, marks, path_of, receipt_on, serve};
use super::*;

/// The outcome of the sample with two votes, as the count prints it, by rules of that digest.
fn outcome_of(rule: &str, ballots: &str) -> String {
    let sum = |ballots: u64| json!({ "ballots": ballots, "weight": ballots });
    let numbers = json!({ "roll": 2, "cast": sum(2), "valid": sum(1), "blank": sum(0), "invalid": sum(1), "invalid_by_reason": { "over-full": sum(1) },
                          "abstained": 0, "empty_slots": sum(1), "void_names": sum(0) });
    let race = |held: &str, standings: serde_json::Value, elected: serde_json::Value| {
        json!({ "district": null, "seats": 1, "held": held, "quorum_met": true, "standings": standings, "detail": null, "elected": elected,
                "vacant": 0, "undecided": null, "depends_on": [], "ties": [{ "by": "elder", "order": [["c01"], ["c02"]] }], "runners_up": [["c02"]],
                "declined": [], "elsewhere": [], "capped": [] })
    };
    let president = race(
        "confidence",
        json!([{ "candidate": "c01", "votes": sum(1), "eligible": true, "against": sum(1) }]),
        json!([]),
    );
    let auditor = race(
        "single",
        json!([{ "candidate": "+<i>Name</i>", "votes": sum(2), "eligible": true }, { "candidate": "a01", "votes": sum(0), "eligible": false }]),
        json!([{ "candidate": "+<i>Name</i>", "moved_up": false }]),
    );
    json!({
        "files": [{ "file": "election.toml", "sha256": rule }, { "file": "ballots.csv", "sha256": ballots }], "seed": "01 02", "complete": true,
        "contests": [
            { "contest": "president", "method": "confidence", "counted": [{ "voters": null, "numbers": numbers, "races": [president] }] },
            { "contest": "auditor", "method": "single", "counted": [{ "voters": null, "numbers": numbers, "races": [auditor] }] },
        ],
        "elected_twice": {},
    })
    .to_string()
}

/// The rules of an election in which the ballots of a single voter may be published.
fn told_of_each() -> Bundle {
    let rules = bundle().election().unwrap().replacen(
        "[terms]",
        "[terms]\nleast_ballots = 1\nleast_ballots_reason = \"decided by the board\"",
        1,
    );
    with_file(&bundle(), "election.toml", &rules)
}

/// Somebody of the committee wants an outcome on record, with files beside it.
async fn record(center: &Center, text: &str, published: &[(String, String)], by: &str) -> Result<Taken, ElectionError> {
    let booth = Booth::of(center);
    let shelved = booth.shelved().await.unwrap();
    let wish =
        Wish { step: Step::Record, by, outcome: Some(OnRecord { text, published }), act: booth.act("by the rules") };
    steps::take(&booth.shelf, &shelved, booth.means(), wish).await
}

fn hex(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}

stories! {
    async fn everybody_sees_what_may_be_seen(center: &mut Center) {
        center.activate(&told_of_each(), Stage::Production).await;
        let pages = serve(center).await;
        Booth::of(center).import(&[entry(0), entry(1)]).await.unwrap();
        for path in ["/e/council", "/e/council/files/election.toml", "/e/council/vote"] {
            let draft = pages.get(path).await;
            assert!(draft.status == 404 && !draft.body.contains("council"), "{path}: {draft:?}");
        }
        Booth::of(center).both(Step::Objection).await;
        let laid_open = pages.get("/e/council?lang=en").await;
        assert!(laid_open.body.contains("can be objected to until 2026-12-25 17:00"), "{laid_open:?}");
        wind_to(center, "2026-12-25 17:00");
        let Taken::Done { about: Some(digest), .. } = Booth::of(center).both(Step::Open).await else { panic!() };
        let issued = Booth::of(center).issue().await;
        wind_to(center, OPENS);
        let open = pages.get("/e/council?lang=en").await;
        for told in [
            "Votes are taken until 2027-01-31 17:00", &data_encoding::HEXLOWER.encode(&digest), "East 2, West 2", "Up to 2 names on each ballot",
            "more than 1/2 of those who marked yes or no", "at least 1/3 of the voters on the roll", "the elder first, then the lot", "AOKI Keiko",
            "I will publish our accounts", "holds the post", "[COUNCIL] credential", "Candidates of West", "<dt>On the roll</dt><dd>2</dd>",
        ] {
            assert!(open.body.contains(told), "{told}: {open:?}");
        }
        assert!(pages.get("/e/council?lang=ja").await.body.contains("評議員選挙"));
        let rules = pages.get("/e/council/files/election.toml").await;
        assert!(rules.body == told_of_each().election().unwrap() && rules.head.contains("attachment; filename=\"council-election.toml\""), "{:?}", rules.head);

        // A vote changes nothing that anybody sees.
        let own = marks(0, "Name");
        let own: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let receipt = receipt_on(&cast_by_page(&pages, &path_of(&issued, 0), &own).await);
        assert_eq!(pages.get("/e/council?lang=en").await.body, open.body);
        wind_to(center, CLOSES);
        assert!(!pages.get("/e/council?lang=en").await.body.contains("Voted on the web"));
        Booth::of(center).both(Step::Close).await;
        assert!(pages.get("/e/council?lang=en").await.body.contains("<dt>Voted on the web</dt><dd>1</dd>"));

        // Only an outcome by these rules is put on record; of the files only those that were counted are published, and never the roll.
        let package = Booth::of(center).package().await.unwrap();
        let good = outcome_of(&hex(&package.rule), &hex(&package.ballots));
        let ballots = [("ballots.csv".to_owned(), package.ballots.clone())];
        let others = outcome_of(&hex("others"), &hex(&package.ballots));
        let open = good.replace("\"complete\":true", "\"complete\":false");
        let (changed, roll) = (("ballots.csv".to_owned(), "others".to_owned()), ("roll.csv".to_owned(), package.ballots.clone()));
        for (text, published, why) in [
            ("{}", Vec::new(), "is no outcome"),
            (others.as_str(), Vec::new(), "not counted by the rules"),
            (open.as_str(), Vec::new(), "leaves something undecided"),
            (good.as_str(), vec![changed], "ballots.csv cannot be published"),
            (good.as_str(), vec![roll], "roll.csv cannot be published"),
        ] {
            let said = refused(record(center, text, &published, CHAIR).await);
            assert!(said.contains(why), "{said}");
        }
        record(center, &good, &ballots, CHAIR).await.unwrap();
        record(center, &good, &ballots, SCRUTINEER).await.unwrap();
        let counted = pages.get("/e/council?lang=en").await;
        assert!(counted.body.contains("The votes are counted") && !counted.body.contains("Ballots cast"), "{counted:?}");
        assert_eq!(pages.get("/e/council/files/outcome.json").await.status, 404);
        Booth::of(center).both(Step::Certify).await;
        let result = pages.get("/e/council?lang=en").await;
        for told in [
            "The result is certified.", &hex(&good), "Ballots cast", "Invalid: too many names", "&lt;i&gt;Name&lt;/i&gt; (written in)", "Nobody is elected.",
            "Equal, told apart by the elder first", "Lots were drawn from: 01 02", "<rect class=\"yes\" width=\"500\"", "<rect class=\"yes\" width=\"1000\"",
        ] {
            assert!(result.body.contains(told), "{told}: {result:?}");
        }
        assert!(!result.body.contains("<i>Name"), "{result:?}");
        assert_eq!(pages.get("/e/council/files/outcome.json").await.body, good);
        assert_eq!(pages.get("/e/council/files/ballots.csv").await.body, package.ballots);
        assert_eq!(pages.get("/e/council/files/receipts.txt").await.body, format!("{receipt}\n"));
        for name in ["roll.csv", "facts.toml"] {
            assert_eq!(pages.get(&format!("/e/council/files/{name}")).await.status, 404, "{name}");
        }
        assert!(!result.body.contains("Member 0") && !result.body.contains("member-0000"), "{result:?}");
        let shelved = Booth::of(center).shelved().await.unwrap();
        assert_eq!(kept::outcome(center.store(), shelved.id).await.unwrap().as_deref(), Some(good.as_str()));
    }

    async fn ballots_that_tell_how_somebody_voted_are_not_published(center: &mut Center) {
        opened(center, 2).await;
        vote(center, [0]).await;
        wind_to(center, CLOSES);
        Booth::of(center).both(Step::Close).await;
        let package = Booth::of(center).package().await.unwrap();
        let outcome = outcome_of(&hex(&package.rule), &hex(&package.ballots));
        let published = [("ballots.csv".to_owned(), package.ballots)];
        let said = refused(record(center, &outcome, &published, CHAIR).await);
        assert!(said.contains("how single people voted") && said.contains("fewer than 5"), "{said}");
        record(center, &outcome, &[], CHAIR).await.unwrap();

        // A count that left a file out.
        let fewer = outcome.replace("\"cast\":{\"ballots\":2,\"weight\":2}", "\"cast\":{\"ballots\":0,\"weight\":0}");
        let said = refused(record(center, &fewer, &[], CHAIR).await);
        assert!(said.contains("counts 0 ballots of \"president\", and 1 came out of the urn"), "{said}");
    }

    async fn pictures_are_frozen_with_the_rules(center: &mut Center) {
        let issued = super::pages::opened_kinds(center, 1).await;
        assert_eq!(issued.len(), 1);
        let changed = with_file(&super::pages::kinds_of_contests(), "pictures/other.png", "iVBORw0KGgo=");
        let refused = center.amend(&changed, center.act("another face")).await;
        assert!(refused.is_err_and(|why| why.to_string().contains("the candidates' pictures")), "what stands is what was frozen");
    }
}
