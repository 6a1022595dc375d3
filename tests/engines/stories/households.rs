//! People who share an address: each is asked for themself, and gets their own link however it is asked for.

use hagaki::domain::participant::{Candidate, Likeness, Trait};
use hagaki::workflow::credentials::{Batch, Form};

use super::survey::{link_in, once, responses, serve, with, withdraw};
use super::*;

const HOME: Writer = Writer { address: "home@example.jp", study: "wellbeing" };

/// Somebody at home, with a token and a name.
fn at_home(reference: &str, name: &str) -> Candidate {
    let (reference, name) = (reference.to_owned(), name.to_owned());
    Candidate { reference, name, address: HOME.address.to_owned(), ..Candidate::default() }
}

async fn issue(center: &Center, candidates: &[Candidate]) -> Batch {
    center.issue("wellbeing", candidates, center.terms(Form::Link)).await
}

/// The paths of the links in letters, by whom each greets.
fn links(letters: &[Received], names: &[&str]) -> Vec<String> {
    let of = |name: &&str| {
        let own: Vec<&Received> =
            letters.iter().filter(|one| one.kind == "invitation" && one.text.contains(&format!("{name} 様"))).collect();
        assert_eq!(own.len(), 1, "{name}: {:?}", kinds(letters));
        assert!(!own[0].subject.contains(*name));
        link_in(&own[0].text)
    };
    names.iter().map(of).collect()
}

stories! {
    async fn two_of_a_household_are_two_people(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let both = [at_home("", "山田 花"), at_home("", "山田 太郎")];
        assert_eq!(issue(center, &both).await.issued.len(), 2);
        let names = ["山田 花", "山田 太郎"];
        let letters = center.settle().await;
        assert_eq!(letters.len(), 2);
        let old = links(&letters, &names);

        // Whoever is known is passed over, and it is said who that is; a third of the house is asked.
        let again = [at_home("", "山田花"), at_home("", "山田　太郎"), at_home("", "山田 次郎"), at_home("", ""), at_home("P9", "")];
        let batch = issue(center, &again).await;
        let told: Vec<(Option<i64>, Likeness)> = batch.passed.iter().map(|one| (one.number, one.likeness)).collect();
        let same = Likeness::Same(Trait::NameAndAddress);
        assert_eq!(told, [(Some(1), same), (Some(2), same), (Some(1), Likeness::Unclear), (Some(1), Likeness::Unclear)]);
        assert_eq!((batch.issued.len(), batch.issued[0].candidate.name.as_str()), (1, "山田 次郎"));
        assert_eq!(center.settle().await.len(), 1);
        // Who withdrew is not asked again because they are on a list.
        withdraw(center, 3).await;
        let batch = issue(center, &[at_home("", "山田 次郎")]).await;
        assert!(batch.issued.is_empty() && batch.passed[0].withdrew, "{batch:?}");

        // Asked for by mail, each gets a letter of their own that greets them.
        let letters = center.exchange(&HOME.writes("リンク", "お願いします")).await;
        assert_eq!(letters.len(), 3, "{:?}", kinds(&letters));
        let fresh = links(&letters, &names);
        let pages = serve(center).await;
        for (number, (old, fresh)) in old.iter().zip(&fresh).enumerate() {
            assert!(pages.get(old).await.body.contains("このリンクからは受け付けていません"));
            let sent = pages.post(fresh, &with(&[("_mark", &"ab".repeat(16))])).await;
            assert_eq!((sent.status, responses(center).await.len()), (303, number + 1));
        }
        let people: std::collections::BTreeSet<_> = responses(center).await.iter().map(|one| one.participant_id).collect();
        assert_eq!(people.len(), 2);
        // What is filled in by mail from there is nobody's for certain.
        let refused = center.answer(&HOME.writes("回答", "記入日：令和8年11月1日\nこの一週間の気分（0 とても悪い 〜 10 とても良い）：７\n痛みがありましたか：いいえ\n疲れやすかった：2\n心配事が頭を離れなかった：1\n家族や友人と話した：3\n")).await;
        assert_eq!((refused.kind.as_str(), responses(center).await.len()), ("survey-refused", 2));
    }

    async fn without_names_letters_to_one_address_greet_by_token_or_number(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let alone = Candidate { reference: "P0".to_owned(), address: "alone@example.jp".to_owned(), ..Candidate::default() };
        assert_eq!(issue(center, &[at_home("P1", ""), at_home("P2", ""), alone]).await.issued.len(), 3);
        let letters = center.settle().await;
        links(&letters, &["P1", "P2"]);
        assert!(letters.iter().all(|letter| !letter.text.contains("P0")), "nobody is called by a token without need");
        let letters = center.exchange(&HOME.writes("リンク", "お願いします")).await;
        let fresh = links(&letters, &["P1", "P2"]);
        assert_ne!(fresh[0], fresh[1]);
        center.world.tamper("UPDATE participant SET reference = '' WHERE number = 1").await;
        let letters = center.exchange(&HOME.writes("リンク", "もう一度")).await;
        links(&letters, &["WELLBEING-1", "P2"]);
    }
}
