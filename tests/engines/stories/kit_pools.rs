//! Kits leave so that neither place nor day tells the arm; what would tell it is warned of; each kit that left is found again.

use std::collections::BTreeSet;

use hagaki::domain::kit::{Day, State};
use hagaki::store::{audit, kit, study};
use hagaki::workflow::kits_left::KitsLeft;
use hagaki::workflow::life;
use hagaki::workflow::proof::{self, Verdict};
use hagaki::workflow::shipment::Load;
use hagaki::workflow::told::{Discrepancy, What};

use super::enrolling::MARKS;
use super::kits::{
    HEADER, change, enroll, find, given, import, lines, replace, shelved, ship, ship_warned, stocked, try_import,
    wrongs,
};
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

    async fn what_a_list_tells_with_the_kits_on_file_is_warned_of(center: &mut Center) {
        center.activate(&stocked(&format!("{HEADER}{}", lines("A", 12, "", "2027-12-01")), ""), Stage::Production).await;
        let id = shelved(center).await.id;
        let length = async |center: &Center| study::load(center.store(), id).await.unwrap().chain.length;
        let (begun, before) = (length(center).await, kit::list(center.store(), id).await.unwrap());
        // Sound in itself, but of one arm, of a day and a lot of its own.
        let one: String = (0..4).map(|n| format!("N{n},L,,2028-01-01,LOTN\n")).collect();
        let expected = [
            "all kits of the list are of one arm",
            "in the central stock, only one arm has kits that expire on 2028-01-01",
            "only one arm has kits of lot \"LOTN\"",
        ];
        assert_eq!(try_import(center, &format!("{HEADER}{one}")).await.unwrap(), expected);
        // A trial adds nothing, and is told of.
        assert_eq!(kit::list(center.store(), id).await.unwrap(), before);
        assert_eq!(length(center).await, begun + 1);
        let entries = audit::list(center.store(), id, begun, 10).await.unwrap();
        assert_eq!(entries[0].action, "kit-import-trial");
        let refused = try_import(center, &format!("{HEADER}N1,X,,,\n")).await;
        assert!(refused.is_err() && length(center).await == begun + 1);
        assert_eq!(wrongs(&import(center, &format!("{HEADER}{one}")).await.unwrap().warnings), expected);
        // The same day and lot for the other arms: nothing is told that was not told before.
        let others: String = (0..8).map(|n| format!("Q{},{},,2028-01-01,LOTN\n", n * 37 % 97, ["P", "H"][n % 2])).collect();
        let told = wrongs(&import(center, &format!("{HEADER}{others}")).await.unwrap().warnings);
        assert!(!told.iter().any(|told| told.contains("lot") || told.contains("2028-01-01")), "{told:?}");
        // Of no use any more, all of it and in part.
        let gone = format!("{HEADER}{}", lines("G", 1, "", "2026-11-01"));
        let told = try_import(center, &gone).await.unwrap();
        assert!(told.contains(&"by 2026-11-18, no kit of the list can be given any more".to_owned()), "{told:?}");
        let told = try_import(center, &format!("{gone}{}", lines("F", 1, "", "2027-12-01"))).await.unwrap();
        assert!(told.contains(&"by 2026-11-18, 3 of 6 kits of the list cannot be given any more".to_owned()), "{told:?}");
    }

    async fn the_codes_of_one_arm_are_compared_with_those_on_file(center: &mut Center) {
        let odd = |n: usize| format!("{},{},,,\n", 1001 + 2 * (n * 37 % 211), ["P", "H"][n % 2]);
        let even = |n: usize| format!("{},L,,,\n", 1000 + 2 * (n * 41 % 211));
        let list: String = (0..40).map(odd).chain([even(0)]).collect();
        center.activate(&stocked(&format!("{HEADER}{list}"), ""), Stage::Production).await;
        let more: String = (1..=20).map(even).collect();
        let told = try_import(center, &format!("{HEADER}{more}")).await.unwrap();
        let telling = "whether the number in a code is odd or even goes with the arm";
        assert_eq!(told, [telling, "all kits of the list are of one arm"]);
    }

    async fn a_site_with_some_arms_only_is_warned_of_when_kits_are_shipped(center: &mut Center) {
        let list = format!("{HEADER}{}{}", lines("A", 4, "", "2027-06-01"), lines("B", 4, "", "2027-12-01"));
        center.activate(&stocked(&list, ""), Stage::Production).await;
        let id = shelved(center).await.id;
        let all = kit::list(center.store(), id).await.unwrap();
        let of = |arm: usize, start: &str| -> Vec<String> {
            let own = all.iter().filter(|kit| kit.arm == MARKS[arm] && kit.code.starts_with(start));
            own.map(|kit| kit.code.clone()).collect()
        };
        let partial = "site \"102\" has kits of its own, but not of every arm".to_owned();
        let (codes, told) = ship_warned(center, Load::Codes(&of(0, "A")[..1]), "102").await.unwrap();
        assert_eq!((codes, told.contains(&partial)), (of(0, "A")[..1].to_vec(), true));
        let two = [of(1, "A")[0].clone(), of(2, "B")[0].clone()];
        let (_, told) = ship_warned(center, Load::Codes(&two), "102").await.unwrap();
        assert_eq!(told, ["at site \"102\", only one arm has kits that expire on 2027-12-01"]);
        // What is shipped from a site may leave it with some arms only.
        let (_, told) = ship_warned(center, Load::Codes(&two[..1]), "").await.unwrap();
        assert!(told.contains(&partial), "{told:?}");
        ship(center, Load::All("102"), "").await.unwrap();
        // By number, as many of each day: of one arm a single kit of the first day is free.
        let kept = of(0, "A");
        let kept: Vec<&str> = kept.iter().skip(1).map(String::as_str).collect();
        change(center, &kept, State::Quarantined).await.unwrap();
        let (codes, told) = ship_warned(center, Load::PerArm("", 3), "103").await.unwrap();
        let firsts = codes.iter().filter(|code| code.starts_with('A')).count();
        assert_eq!((codes.len(), firsts, told), (9, 3, Vec::new()));
    }
}
