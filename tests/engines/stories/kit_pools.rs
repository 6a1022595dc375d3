//! Kits leave so that neither place nor day tells the arm; each kit that left is found again.

use std::collections::BTreeSet;

use hagaki::domain::kit::{Day, State};
use hagaki::store::{kit, study};
use hagaki::workflow::kits_left::KitsLeft;
use hagaki::workflow::life;
use hagaki::workflow::proof::{self, Verdict};
use hagaki::workflow::told::{Discrepancy, What};

use super::enrolling::MARKS;
use super::kits::{HEADER, enroll, find, given, lines, replace, shelved, stocked};
use super::*;

/// The first place and day of which every arm has a kit: what a kit for site 101 must be of.
fn whole(kits: &[kit::KitRow]) -> Option<(String, Day)> {
    let free = |place: &str, day: Day, arm: &str| {
        kits.iter()
            .any(|kit| kit.state == State::Available && kit.site == place && kit.expires_on == day && kit.arm == arm)
    };
    let days: BTreeSet<Day> = kits.iter().map(|kit| kit.expires_on).collect();
    let pools = ["101", ""].into_iter().flat_map(|place| days.iter().map(move |day| (place, *day)));
    let mut whole = pools.filter(|(place, day)| MARKS.iter().all(|arm| free(place, *day, arm)));
    whole.next().map(|(place, day)| (place.to_owned(), day))
}

/// How many kits of an arm site 101 can be given.
fn left(kits: &[kit::KitRow], arm: &str) -> usize {
    let here = |kit: &&kit::KitRow| kit.arm == arm && kit.state == State::Available && matches!(&*kit.site, "101" | "");
    kits.iter().filter(here).count()
}

stories! {
    async fn all_arms_step_together_and_no_kit_stays_on_the_shelf(center: &mut Center) {
        let list = format!(
            "{HEADER}{}{}{}X1,P,101,2027-01-01,\nX2,P,101,2027-01-01,\nX3,L,101,2027-02-01,\n",
            lines("A", 2, "101", "2027-01-01"),
            lines("B", 2, "101", "2027-02-01"),
            lines("C", 3, "", "2027-01-15"),
        );
        center.activate(&stocked(&list, ""), Stage::Production).await;
        let id = shelved(center).await.id;
        let (mut number, mut kept_back, mut from_center, mut apart) = (0, 0, 0, 0);
        loop {
            let before = kit::list(center.store(), id).await.unwrap();
            number += 1;
            enroll(center, number).await;
            if reason(center).await == "no-kits" {
                // Only where an arm is out everywhere is anybody refused.
                assert!(MARKS.iter().any(|arm| left(&before, arm) == 0));
                break;
            }
            assert_eq!(reason(center).await, "enrolled");
            assert!(MARKS.iter().all(|arm| left(&before, arm) > 0));
            let code = given(center, number).await;
            let taken = find(center, &code).await;
            match whole(&before) {
                Some(pool) => {
                    assert_eq!((taken.site.clone(), taken.expires_on), pool, "subject {number}");
                    let sooner = |kit: &&kit::KitRow| {
                        kit.state == State::Available && kit.site == "101" && (kit.expires_on < taken.expires_on || taken.site.is_empty())
                    };
                    kept_back += usize::from(before.iter().any(|kit| sooner(&kit)));
                    from_center += usize::from(taken.site.is_empty());
                }
                None => apart += 1,
            }
        }
        assert!(kept_back > 0 && from_center > 0, "{kept_back} {from_center}");
        let after = kit::list(center.store(), id).await.unwrap();
        // None is lost on the way.
        assert_eq!(number - 1 + MARKS.iter().map(|arm| left(&after, arm)).sum::<usize>(), 24, "{apart} apart");
        let shelved = shelved(center).await;
        let proof = proof::prove(center.store(), &shelved).await.unwrap();
        assert_eq!(proof.kits, KitsLeft { found: number as u64 - 1, told: 0 });
    }

    async fn a_kit_that_left_out_of_its_turn_is_named(center: &mut Center) {
        let list = format!("{HEADER}{}{}", lines("A", 5, "", "2027-06-01"), lines("B", 5, "", "2027-12-01"));
        center.activate(&stocked(&list, ""), Stage::Production).await;
        for number in 1..=3 {
            enroll(center, number).await;
        }
        let replaced = replace(center, 2, None).await.unwrap().new;
        center.settle().await;
        let id = shelved(center).await.id;
        let all = kit::list(center.store(), id).await.unwrap();
        let first = given(center, 1).await;
        let own = find(center, &first).await;
        let others = all.iter().filter(|kit| kit.arm == own.arm && kit.state == State::Available);
        let (same_day, later): (Vec<_>, Vec<_>) = others.partition(|kit| kit.expires_on == own.expires_on);
        let another = find(center, &replaced).await;
        let instead = all.iter().find(|kit| kit.arm == another.arm && kit.state == State::Available).unwrap();
        for (left, took, number) in [
            (&first, &same_day[0].code, 1),
            (&first, &later[0].code, 1),
            (&replaced, &instead.code, 2),
        ] {
            // Everything agrees that the other kit left: the table of kits, the journal and the chain.
            let copy = center.copy().await;
            for (from, to) in [(left.as_str(), "SWAPPED"), (took, left), ("SWAPPED", took)] {
                copy.tamper(&format!("UPDATE kit SET code = '{to}' WHERE code = '{from}'")).await;
            }
            for column in ["arm", "site", "lot", "expires_on", "rank"] {
                for kit in all.iter().filter(|kit| [left, took].contains(&&kit.code)) {
                    let value = match column {
                        "arm" => format!("'{}'", kit.arm),
                        "site" => format!("'{}'", kit.site),
                        "lot" => format!("'{}'", kit.lot),
                        "expires_on" => kit.expires_on.0.to_string(),
                        _ => kit.rank.to_string(),
                    };
                    copy.tamper(&format!("UPDATE kit SET {column} = {value} WHERE code = '{}'", kit.code)).await;
                }
            }
            copy.tamper(&format!("UPDATE allocation SET kit = '{took}' WHERE kit = '{left}'")).await;
            copy.tamper(&format!("UPDATE audit SET body = replace(body, '\"{left}\"', '\"{took}\"')")).await;
            let row = study::find_current(&copy.store, "borealis").await.unwrap().unwrap();
            let shelved = center.shelf_on(&copy.store).load(&row).await.unwrap();
            let found = proof::prove(&copy.store, &shelved).await.unwrap().verdict;
            assert_eq!(found, Verdict::Untold(Discrepancy { number, what: What::KitOrder }), "{took} instead of {left}");
            copy.close().await;
            center.reconnect().await;
        }
    }

    async fn a_changed_rank_is_found_and_so_is_what_left_by_it(center: &mut Center) {
        center.activate(&stocked(&format!("{HEADER}{}", lines("A", 6, "", "2027-12-01")), ""), Stage::Development).await;
        let turned = "UPDATE kit SET rank = 9223372036854775807 - rank";
        center.world.tamper(turned).await;
        enroll(center, 1).await;
        let verdict = async |center: &Center| {
            let shelved = shelved(center).await;
            proof::verify(center.store(), &shelved).await.unwrap()
        };
        let named = |what| Verdict::Untold(Discrepancy { number: 1, what });
        assert_eq!(verdict(center).await, named(What::KitRow));
        // Whoever puts the ranks back hides nothing.
        center.world.tamper(turned).await;
        assert_eq!(verdict(center).await, named(What::KitOrder));
        // The study begins anew, for the story's end demands a proof.
        center.settle().await;
        life::purge(center.store(), "borealis", center.act("done"), &*center.dice).await.unwrap();
    }
}
