//! Arms given by hand: by whom, how often, and that nobody who is blinded can tell.

use hagaki::domain::allocation::Origin;
use hagaki::domain::answer::{self, Form, Line};
use hagaki::domain::instrument::Instrument;
use hagaki::domain::study::Study;
use hagaki::domain::time::Clock;
use hagaki::store::{allocation, audit, study};
use hagaki::workflow::command::{CommandError, Refusal};
use hagaki::workflow::export::Wish;
use hagaki::workflow::force::{self, Again, Forced, Order};
use hagaki::workflow::proof::Verdict;
use hagaki::workflow::shelf::ShelvedStudy;
use hagaki::workflow::told::What;
use hagaki::workflow::{DeskAddress, Means, package, proof};

use super::afterwards::verdict;
use super::exporting::{PLAIN, rows};
use super::randomizing::{EIGHT_WEEKS, assert_recomputed, recomputed};
use super::*;
use crate::world::NOW;

/// AURORA whose statistician may give so many arms.
fn forcing(limit: u32) -> Bundle {
    let table = format!("[forced]\nlimit = {limit}\nroles = [\"statistician\"]\n\n[caps]");
    edited(&samples::aurora(), "allocation.toml", "[caps]", &table)
}

fn form_of(study: &Study, instrument: &Instrument, text: &str) -> Form {
    let line = |(number, line): (usize, &str)| {
        let (key, value) = line.split_once(": ").unwrap();
        Line { key: key.to_owned(), value: value.to_owned(), number: number + 1 }
    };
    let lines: Vec<Line> = text.lines().enumerate().map(line).collect();
    let day = NOW.plus_seconds(EIGHT_WEEKS).day_in(study.zone);
    answer::read_form(study, instrument, &lines, day)
}

pub(super) struct Hand<'a> {
    by: &'a str,
    arm: &'a str,
    kit: Option<&'a str>,
    reason: &'a str,
    form: String,
    /// Seconds since it happened.
    ago: i64,
}

impl Hand<'_> {
    pub(super) fn new<'a>(arm: &'a str, form: String) -> Hand<'a> {
        Hand { by: "stat", arm, kit: None, reason: "no power at the site", form, ago: 3600 }
    }

    pub(super) fn by<'a>(by: &'a str, arm: &'a str, form: String) -> Hand<'a> {
        Hand { by, ..Hand::new(arm, form) }
    }
}

async fn shelved(center: &Center, slug: &str) -> ShelvedStudy {
    let row = study::find_current(center.store(), slug).await.unwrap().unwrap();
    center.shelf_on(center.store()).load(&row).await.unwrap()
}

pub(super) async fn give(center: &Center, slug: &str, hand: &Hand<'_>) -> Result<Forced, CommandError> {
    give_in(center, slug, None, hand).await
}

/// The same in the first allocation, or in the further one of that id to that subject.
async fn give_in(
    center: &Center,
    slug: &str,
    again: Option<(&str, &str)>,
    hand: &Hand<'_>,
) -> Result<Forced, CommandError> {
    let shelved = shelved(center, slug).await;
    let own = again.and_then(|(id, _)| shelved.study.find_randomization(id));
    let instrument = own.and_then(|own| shelved.study.find_instrument(&own.instrument));
    let form = form_of(&shelved.study, instrument.unwrap_or(shelved.study.registration_instrument()), &hand.form);
    let desk = DeskAddress {
        mailbox: "reg".to_owned(),
        address: SERVICE.to_owned(),
        display: "Registration".to_owned(),
        message_id_domain: "reg.example.jp".to_owned(),
        public_url: "https://hagaki.example.jp".to_owned(),
        openpgp: None,
    };
    let now = center.clock.now();
    let means = Means { now, dice: &*center.dice, keys: &center.keys, desk: &desk };
    let order = Order {
        actor: "operator:tester",
        by: hand.by,
        reason: hand.reason,
        arm: hand.arm,
        kit: hand.kit,
        enrolled_by: None,
        happened_at: now.plus_seconds(-hand.ago),
        form: &form,
        sure: false,
    };
    let shelf = center.shelf_on(center.store());
    match again {
        None => force::force(&shelf, &shelved, means, order).await,
        Some((randomization, subject)) => {
            force::force_again(&shelf, &shelved, means, Again { randomization, subject }, order).await
        }
    }
}

fn refusal(result: Result<Forced, CommandError>) -> Refusal {
    match result {
        Err(CommandError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

async fn by_mail(center: &mut Center, numbers: std::ops::Range<usize>) {
    for number in numbers {
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{number:04}")))).await;
        assert_eq!(reason(center).await, "enrolled");
    }
}

/// Which letters on further allocations went to whom, in order.
async fn randomized_letters(center: &Center) -> Vec<(String, String)> {
    let all = center.all_letters().await;
    let own = all.into_iter().filter(|letter| letter.kind.contains("randomized-open"));
    own.map(|letter| (letter.kind, letter.to)).collect()
}

stories! {
    async fn the_course_of_a_subject_goes_by_the_day_it_was_given(center: &mut Center) {
        let table = "[forced]\nlimit = 2\nroles = [\"statistician\"]\n\n[caps]";
        center.activate(&edited(&samples::cygnus(), "allocation.toml", "[caps]", table), Stage::Production).await;
        center.wind(60 * 24 * 3600);
        for (number, days) in [(1, 60), (2, 1)] {
            let form = cygnus_form("201", &format!("201-{number:03}"));
            let hand = Hand { by: "cygnus-stat", ago: days * 24 * 3600, ..Hand::new("CBT", form) };
            give(center, "cygnus", &hand).await.unwrap();
        }
        for (subject, expected) in [("CYGNUS-0001", "randomized"), ("CYGNUS-0002", "condition")] {
            let form = response_form(subject);
            center.exchange(&DR_MORI.writes("割付", &form)).await;
            assert_eq!(reason(center).await, expected, "{subject}");
        }
        let status = center.answer(&DR_MORI.writes("照会 CYGNUS-0001", "")).await;
        assert!(status.text.contains("割付日時　　2026-11-18"), "{}", status.text);
        center.assert_proved().await;
    }

    async fn an_arm_given_by_hand_is_an_enrollment_like_any_other(center: &mut Center) {
        center.activate(&forcing(2), Stage::Production).await;
        by_mail(center, 1..4).await;
        let letters = center.all_letters().await;
        let owned = |(kind, to): (&str, &str)| (kind.to_owned(), to.to_owned());
        let expected: Vec<(String, String)> = kinds(&letters[..letters.len() / 3]).into_iter().map(owned).collect();
        let given = give(center, "aurora", &Hand::new("COMB", aurora_form("011", "Y-0100").trim_end().to_owned())).await.unwrap();
        assert_eq!((given.used, given.enrolled.subject.person.as_str()), (1, "yamada"));
        let letters = center.settle().await;
        let told: Vec<(String, String)> = kinds(&letters).into_iter().map(owned).collect();
        assert_eq!(told, expected, "the same letters to the same people");
        let row = allocation::list_by_subject(center.store(), given.enrolled.subject.id).await.unwrap().remove(0);
        assert_eq!((row.number, row.arm.as_str(), row.origin), (4, "COMB", Origin::Forced));
        let record = allocation::load_record(center.store(), row.study_id, 4).await.unwrap();
        assert!(record.contains("\"by\":\"stat\"") && record.contains("no power at the site"), "{record}");
        let entries = audit::list(center.store(), row.study_id, 0, 100).await.unwrap();
        let entry = entries.iter().rfind(|entry| entry.action == "enroll").unwrap();
        assert!(entry.actor == "operator:tester" && entry.body.contains("no power at the site"), "{entry:?}");
        // The subject is known by mail, too.
        let again = center.answer(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0100"))).await;
        assert_eq!(again.kind, "duplicate-open");
        let other = aurora_form("011", "Y-0100").replace("性別: 男", "性別: 女");
        assert_eq!(center.answer(&DR_YAMADA.writes("登録", &other)).await.kind, "conflict");
        // A limit at what was given already leaves no more, and an amendment says so.
        let fewer = forcing(1);
        let (_, told) = center.foresee(&fewer, center.act("look")).await.unwrap();
        assert_eq!(told[0], "at once: 1 were given by hand and the limit is 1: none more can be");
        // A process that held nothing in memory goes on in the same way, and all of it is proved.
        by_mail(center, 4..7).await;
        center.kill_and_restart().await;
        center.wind(LEASE + 1);
        by_mail(center, 7..10).await;
        match proof::verify(center.store(), &shelved(center, "aurora").await).await.unwrap() {
            Verdict::ProvedBesides { proved, imported, forced } => assert_eq!((proved, imported, forced), (9, 0, 1)),
            other => panic!("{other:?}"),
        }
        // What was drawn is not passed off as given, nor the other way round.
        for (number, origin) in [(4, "drawn"), (5, "forced"), (4, "imported")] {
            let then = if number == 4 { "forced" } else { "drawn" };
            center.world.tamper(&format!("UPDATE allocation SET origin = '{origin}' WHERE number = {number}")).await;
            match proof::verify(center.store(), &shelved(center, "aurora").await).await.unwrap() {
                Verdict::Untold(found) => assert_eq!((found.number, found.what), (number, What::Origin)),
                Verdict::Differs(found) => assert_eq!(found.number, number.unsigned_abs()),
                other => panic!("{other:?}"),
            }
            center.world.tamper(&format!("UPDATE allocation SET origin = '{then}' WHERE number = {number}")).await;
        }
        // Somebody else recomputes the rest.
        center.close("aurora", "done").await;
        let closed = shelved(center, "aurora").await;
        let row = center.reveal("aurora", "stat", "report").await.unwrap();
        let package = package::pack(center.store(), &closed, &row, true).await.unwrap();
        let Some((code, report)) = verdict(&package, None) else { return };
        assert_eq!((code, &report["recomputed"], &report["forced"]), (0, &serde_json::json!(9), &serde_json::json!(1)), "{report}");
        let (code, report) = verdict(&package, Some(("journal.jsonl", "\"origin\":\"forced\"", "\"origin\":\"drawn\""))).unwrap();
        assert_eq!((code, &report["number"]), (1, &serde_json::json!(4)), "{report}");
    }

    async fn what_speaks_against_it_is_told_and_nothing_is_recorded(center: &mut Center) {
        center.activate(&samples::aurora(), Stage::Production).await;
        let form = || aurora_form("011", "Y-0001").trim_end().to_owned();
        assert!(matches!(refusal(give(center, "aurora", &Hand::new("STD", form())).await), Refusal::NeverForced(_)));
        let bundle = edited(&forcing(1), "study.toml", "roles = [\"investigator\"]\nsites = [\"011\"]", "roles = [\"investigator\", \"statistician\"]\nsites = [\"011\"]");
        center.amend(&bundle, center.act("protocol 2")).await.unwrap();
        for (hand, told) in [
            (Hand { by: "nobody", ..Hand::new("STD", form()) }, "no person"),
            (Hand { by: "center", ..Hand::new("STD", form()) }, "may not give an arm"),
            (Hand { by: "yamada", ..Hand::new("STD", form()) }, "may not give an arm"),
            (Hand { reason: " ", ..Hand::new("STD", form()) }, "--reason"),
            (Hand::new("NEW", form()), "no open arm of the study; there are STD, COMB"),
            (Hand { ago: -60, ..Hand::new("STD", form()) }, "--at lies in the future"),
            (Hand { ago: 24 * 3600, ..Hand::new("STD", form()) }, "--at lies before the day on which the study was activated"),
            (Hand { kit: Some("K"), ..Hand::new("STD", form()) }, "hands out no kits"),
            (Hand::new("STD", form().replace("年齢: 58", "年齢: 12")), "--sure):\nage: “12” is unusual; it is taken if it is right. Usual is a whole number from 20 to 85 (years)."),
            (Hand::new("STD", form().replace("病期: III", "病期: I")), "mend these answers:\nstage: “I” is not one of the choices. Expected: one of II"),
            (Hand::new("STD", form().replace("2026-11-18", "2026-01-18")), "not enrolled:\nnot eligible (recent_consent): The subject does not meet the criteria of the study. Subjects must be registered within 28 days"),
        ] {
            let said = refusal(give(center, "aurora", &hand).await).to_string();
            assert!(said.contains(told), "{told}: {said}");
        }
        assert_eq!(center.enrolled("aurora").await.len(), 0);
        give(center, "aurora", &Hand::new("STD", form())).await.unwrap();
        let again = refusal(give(center, "aurora", &Hand::new("COMB", aurora_form("011", "Y-0002").trim_end().to_owned())).await);
        assert!(matches!(again, Refusal::ForcedLimit(1)), "{again}");
        center.settle().await;
    }

    async fn the_limit_and_the_caps_are_exact_however_many_ask_at_once(center: &mut Center) {
        let bundle = edited(&forcing(5), "allocation.toml", "total = 240", "total = 8");
        center.activate(&bundle, Stage::Production).await;
        let asked = (1..=12).map(|number| {
            let center = &*center;
            async move {
                let form = aurora_form("011", &format!("Y-{number:04}")).trim_end().to_owned();
                give(center, "aurora", &Hand::new(["STD", "COMB"][number % 2], form)).await
            }
        });
        let results = futures::future::join_all(asked).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 5);
        for refused in results.into_iter().filter(Result::is_err) {
            assert!(matches!(refusal(refused), Refusal::ForcedLimit(5)));
        }
        center.settle().await;
        by_mail(center, 21..24).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0030"))).await;
        assert_eq!(reason(center).await, "study-full", "the cap counts them");
        assert_eq!(center.enrolled("aurora").await.len(), 8);
    }

    async fn blinded_people_cannot_tell_it_from_a_draw(center: &mut Center) {
        let table = "[forced]\nlimit = 3\nroles = [\"pharmacist\"]\n\n[caps]";
        let bundle = edited(&samples::borealis(), "allocation.toml", "[caps]", table);
        center.activate(&bundle, Stage::Production).await;
        let letters = center.exchange(&DR_LARSEN.writes("enroll", &borealis_form("103", "103-001"))).await;
        let drawn = kinds(&letters).into_iter().map(|(kind, to)| (kind.to_owned(), to.to_owned())).collect::<Vec<_>>();
        let words = |letters: &[Received]| letters.iter().find(|one| one.kind == "assignment-blinded").unwrap().text.lines().count();
        let lines = words(&letters);
        let form = |number: &str| borealis_form("103", number).trim_end().to_owned();
        let pharmacy = |arm, number: &str| Hand { by: "pharmacy", ..Hand::new(arm, form(number)) };
        let given = give(center, "borealis", &pharmacy("H", "103-002")).await.unwrap();
        let letters = center.settle().await;
        assert_eq!(kinds(&letters).into_iter().map(|(kind, to)| (kind.to_owned(), to.to_owned())).collect::<Vec<_>>(), drawn);
        assert_eq!(words(&letters), lines);
        for letter in letters.iter().filter(|letter| letter.kind != "notice-unblinded") {
            let telling = ["forced", "power", "by hand", "手動"].iter().any(|word| letter.everything.contains(word));
            assert!(!telling, "{}", letter.text);
        }
        // Whoever may know the arm is told that nobody drew it.
        let told: Vec<&Received> = letters.iter().filter(|letter| letter.kind == "notice-unblinded").collect();
        assert!(!told.is_empty() && told.iter().all(|letter| letter.text.contains("手動") || letter.text.contains("by hand")));
        assert_eq!(given.enrolled.allocation.unwrap().arm, "H");
        let origins = async |center: &Center, wish: Wish| {
            let rows = rows(center, "borealis", "allocations", wish).await;
            rows.iter().map(|row| row["origin"].clone()).collect::<Vec<String>>()
        };
        assert_eq!(origins(center, PLAIN).await, ["drawn", "drawn"], "nor does the data export tell");
        assert_eq!(origins(center, Wish { arms: true, ..PLAIN }).await, ["drawn", "forced"]);
        // The kit that was handed out from the shelf, if it was one of that arm.
        let kits = hagaki::store::kit::list(center.store(), shelved(center, "borealis").await.id).await.unwrap();
        let free = |arm: &str| {
            let lies = |site: &str| site == "103" || site.is_empty();
            kits.iter().rev().find(|kit| kit.arm == arm && kit.allocation_number.is_none() && lies(&kit.site)).unwrap().code.clone()
        };
        let (own, other) = (free("L"), free("P"));
        let wrong = give(center, "borealis", &Hand { kit: Some(&other), ..pharmacy("L", "103-003") }).await;
        assert!(matches!(refusal(wrong), Refusal::KitNotThere(..)));
        let given = give(center, "borealis", &Hand { kit: Some(&own), ..pharmacy("L", "103-003") }).await.unwrap();
        assert_eq!(given.enrolled.kit.as_deref(), Some(own.as_str()));
        // Blinded roles never give one.
        for by in ["office", "larsen"] {
            assert!(matches!(refusal(give(center, "borealis", &Hand { by, ..pharmacy("L", "103-004") }).await), Refusal::MayNotForce(_)));
        }
        center.settle().await;
        // Blocks go on, whole.
        for number in 10..30 {
            center.exchange(&DR_LARSEN.writes("enroll", &borealis_form("103", &format!("103-{number:03}")))).await;
        }
        center.check().await;
        // Who may know the balance hears how many there are.
        let writer = Writer { address: BLIND_STATISTICIAN, study: "borealis" };
        let balance = center.answer(&writer.writes("[BOREALIS] balance", "\n")).await;
        assert!(balance.text.contains("2 (at most 3)") || balance.text.contains("2 例(上限 3 例)"), "{}", balance.text);
    }

    async fn an_arm_of_a_further_allocation_is_given_by_hand(center: &mut Center) {
        let table = "[forced]\nlimit = 2\nroles = [\"statistician\"]\n\n[caps]";
        let bundle = edited(&samples::cygnus(), "allocation-second.toml", "[caps]", table);
        center.activate(&bundle, Stage::Production).await;
        for number in 1..=6 {
            center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", &format!("201-{number:03}")))).await;
        }
        center.wind(EIGHT_WEEKS);
        center.exchange(&DR_MORI.writes("割付", &response_form("CYGNUS-0001"))).await;
        let drawn: Vec<(String, String)> = randomized_letters(center).await;
        let form = || "assessed_on: 2027-01-11\nresponder: no\nisi: 23".to_owned();
        let hand = || Hand { by: "cygnus-stat", ..Hand::new("ADD", form()) };
        let second = |subject: &'static str| Some(("second", subject));
        for (again, hand, told) in [
            (Some(("third", "CYGNUS-0002")), hand(), "no further allocation of the study; [[allocation]] in study.toml names [second]"),
            (second("CYGNUS-0009"), hand(), "has no subject"),
            (second("CYGNUS-0001"), hand(), "was allocated in \"second\" before"),
            (second("CYGNUS-0002"), Hand { by: "mori", ..hand() }, "may not give an arm"),
            (second("CYGNUS-0002"), Hand { arm: "CBT", ..hand() }, "no open arm of the study; there are SWITCH, ADD"),
            (second("CYGNUS-0002"), Hand { reason: "", ..hand() }, "--reason"),
            (second("CYGNUS-0002"), Hand { form: form().replace("23", "99"), ..hand() }, "mend these answers:\nisi: “99” is outside of the limits. Expected: a whole number from 0 to 28."),
            (second("CYGNUS-0002"), Hand { form: form().replace("no", "yes"), ..hand() }, "not randomized again:\nthe condition"),
            (second("CYGNUS-0002"), Hand { ago: EIGHT_WEEKS + 90_000, ..hand() }, "before the day on which the subject was enrolled"),
            (None, Hand::new("CBT", cygnus_form("201", "201-010").trim_end().to_owned()), "no person"),
        ] {
            let said = refusal(give_in(center, "cygnus", again, &hand).await).to_string();
            assert!(said.contains(told), "{told}: {said}");
        }
        assert_eq!(center.randomized("cygnus").await.len(), 1);
        let given = give_in(center, "cygnus", second("CYGNUS-0002"), &hand()).await.unwrap();
        assert_eq!((given.used, given.enrolled.further[0].request.person.as_str()), (1, "mori"));
        center.settle().await;
        let told = randomized_letters(center).await;
        assert_eq!(told[drawn.len()..], drawn, "the same letters to the same people");
        // It is known by mail, too, and drawing goes on by what was given.
        let again = center.answer(&DR_MORI.writes("randomize CYGNUS-0002", "")).await;
        assert_eq!(again.kind, "randomized-before-open");
        center.exchange(&DR_MORI.writes("割付", &response_form("CYGNUS-0003"))).await;
        center.kill_and_restart().await;
        center.wind(LEASE + 1);
        center.exchange(&DR_MORI.writes("割付", &response_form("CYGNUS-0004"))).await;
        give_in(center, "cygnus", second("CYGNUS-0005"), &hand()).await.unwrap();
        let full = refusal(give_in(center, "cygnus", second("CYGNUS-0006"), &hand()).await);
        assert!(matches!(full, Refusal::ForcedLimit(2)), "{full}");
        center.settle().await;
        let study = shelved(center, "cygnus").await;
        let verdict = proof::verify(center.store(), &study).await.unwrap();
        assert_eq!(verdict, Verdict::ProvedBesides { proved: 9, imported: 0, forced: 2 });
        assert_recomputed(center, 9).await;
        let told = recomputed(center, &[
            ("journal.jsonl", "\"origin\":\"forced\"", "\"origin\":\"drawn\""),
            ("bundle-1/allocation-second.toml", "limit = 2", "limit = 1"),
        ]).await;
        assert!(told.iter().skip(1).all(|(code, report)| *code == 1 && !report["what"].is_null()), "{told:?}");
        // Whoever may know the balance hears how many there are.
        let balance = center.answer(&Writer { address: CYGNUS_STATISTICIAN, study: "cygnus" }.writes("balance", "")).await;
        for part in ["Of these given by hand: 2 (at most 2)", "Arm of the first allocation", "Lakeside Hospital"] {
            assert!(balance.text.contains(part), "{part}: {}", balance.text);
        }
        // Behind our back, who is said to have asked.
        center.world.tamper("UPDATE randomization SET person = 'cygnus-stat' WHERE allocation_number = 8").await;
        let found = proof::verify(center.store(), &study).await.unwrap();
        assert!(matches!(&found, Verdict::Untold(found) if found.what == What::Request), "{found:?}");
        center.world.tamper("UPDATE randomization SET person = 'mori' WHERE allocation_number = 8").await;
    }
}
