//! Kits: handed out by expiry, replaced, kept back, shipped and added; told when they run short; proved afterwards.

use hagaki::domain::kit::State;
use hagaki::domain::study::Person;
use hagaki::store::fuse::Fuse;
use hagaki::store::{audit, kit, study};
use hagaki::workflow::kit_import::{self, Imported};
use hagaki::workflow::kits::{self, Asker, KitError, Order, Refusal, Replaced};
use hagaki::workflow::kits_told::KitWhat;
use hagaki::workflow::ledger::Ledger;
use hagaki::workflow::life::{self, LifeError};
use hagaki::workflow::proof::{self, Verdict};
use hagaki::workflow::shelf::ShelvedStudy;
use hagaki::workflow::shipment::{self, Load};
use hagaki::workflow::told::{Discrepancy, What};
use hagaki::workflow::{DeskAddress, Failure, Means};

use super::enrolling::MARKS;
use super::*;

const KITS: &str = "kits.csv";

/// BOREALIS with this list of kits, whose arms stand as P, L and H, and these rules; the arms are marked.
pub(super) fn stocked(list: &str, rules: &str) -> Bundle {
    let mut bundle = samples::borealis();
    bundle = with_file(&bundle, "study.toml", &format!("{}\n{rules}", bundle.file("study.toml").unwrap()));
    for (code, marked) in ["P", "L", "H"].into_iter().zip(MARKS) {
        bundle = edited(&bundle, "study.toml", &format!("code = \"{code}\""), &format!("code = \"{marked}\""));
        bundle = edited(&bundle, "allocation.toml", &format!("code = \"{code}\""), &format!("code = \"{marked}\""));
    }
    with_file(&bundle, KITS, &with_marks(list))
}

/// So many kits of each arm at a place, of that expiry, with codes that begin so.
pub(super) fn lines(start: &str, each: usize, site: &str, expires: &str) -> String {
    let arms = ["P", "L", "H"].into_iter().enumerate();
    let line = |(arm, code): (usize, &str), n: usize| {
        format!("{start}{:03},{code},{site},{expires},LOT{start}\n", (n * 3 + arm) * 37 % 211)
    };
    arms.flat_map(|arm| (0..each).map(move |n| line(arm, n))).collect()
}

pub(super) const HEADER: &str = "code,arm,site,expires,lot\n";

pub(super) async fn shelved(center: &Center) -> ShelvedStudy {
    let row = study::find_current(center.store(), "borealis").await.unwrap().unwrap();
    center.shelf_on(center.store()).load(&row).await.unwrap()
}

pub(super) fn desk() -> DeskAddress {
    DeskAddress {
        mailbox: "reg".to_owned(),
        address: SERVICE.to_owned(),
        display: "Registration".to_owned(),
        message_id_domain: "reg.example.jp".to_owned(),
        public_url: "https://hagaki.example.jp".to_owned(),
        openpgp: None,
    }
}

/// One act on BOREALIS's kits, committed.
macro_rules! act {
    ($center:ident, |$ledger:ident, $shelved:ident, $means:ident, $order:ident| $act:expr) => {{
        $center.wind(1);
        let $shelved = &shelved($center).await;
        let shelf = $center.shelf_on($center.store());
        let desk = desk();
        let $means = Means {
            now: hagaki::domain::time::Clock::now(&*$center.clock),
            dice: &*$center.dice,
            keys: &$center.keys,
            desk: &desk,
        };
        let $order =
            Order { actor: "operator:tester", by: Some("office"), reason: "the fridge failed", inbox_id: None };
        let mut own = Ledger::begin(&shelf).await.unwrap();
        let $ledger = &mut own;
        let done = $act.await;
        if done.is_ok() {
            own.commit().await.unwrap();
        }
        done
    }};
}

pub(super) async fn change(center: &Center, codes: &[&str], next: State) -> Result<(), KitError> {
    change_by(center, Asker::Operator, codes, next).await
}

async fn change_by(center: &Center, asker: Asker<'_>, codes: &[&str], next: State) -> Result<(), KitError> {
    let codes: Vec<String> = codes.iter().map(|code| (*code).to_owned()).collect();
    act!(center, |ledger, shelved, means, order| kits::change(ledger, shelved, means, order, asker, &codes, next))
        .map(drop)
}

pub(super) async fn ship(center: &Center, load: Load<'_>, to: &str) -> Result<Vec<String>, KitError> {
    Ok(ship_warned(center, load, to).await?.0)
}

/// The codes, and what should be looked at.
pub(super) async fn ship_warned(
    center: &Center,
    load: Load<'_>,
    to: &str,
) -> Result<(Vec<String>, Vec<String>), KitError> {
    let done = act!(center, |ledger, shelved, means, order| shipment::ship(ledger, shelved, means, order, load, to))?;
    Ok((done.codes, wrongs(&done.warnings)))
}

/// What is wrong, without what would be right; none of it names an arm.
pub(super) fn wrongs(warnings: &[hagaki::definition::Problem]) -> Vec<String> {
    let told = warnings.iter().map(ToString::to_string).collect::<String>();
    assert!(MARKS.iter().all(|mark| !told.contains(mark)), "{told}");
    warnings.iter().map(|problem| problem.wrong.clone()).collect()
}

/// The list with the arms marked.
pub(super) fn with_marks(list: &str) -> String {
    let mut list = list.to_owned();
    for (code, marked) in ["P", "L", "H"].into_iter().zip(MARKS) {
        list = list.replace(&format!(",{code},"), &format!(",{marked},"));
    }
    list
}

pub(super) async fn import(center: &Center, list: &str) -> Result<Imported, KitError> {
    let list = with_marks(list);
    act!(center, |ledger, shelved, means, order| kit_import::import(ledger, shelved, means, order, "more.csv", &list))
}

/// What importing the list would bring, and what should be looked at.
pub(super) async fn try_import(center: &Center, list: &str) -> Result<Vec<String>, KitError> {
    let list = with_marks(list);
    let done = act!(center, |ledger, shelved, means, order| kit_import::try_import(
        ledger, shelved, means, order, "more.csv", &list
    ))?;
    Ok(wrongs(&done.warnings))
}

pub(super) async fn replace(center: &Center, subject: usize, asker: Option<&Person>) -> Result<Replaced, KitError> {
    let (row, ..) = center.enrolled("borealis").await.swap_remove(subject - 1);
    let asker = asker.map_or(Asker::Operator, Asker::Person);
    act!(center, |ledger, shelved, means, order| kits::replace(ledger, shelved, means, order, &row, None, asker))
}

pub(super) async fn enroll(center: &mut Center, number: usize) -> Vec<Received> {
    let letters =
        center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", &format!("101-{number:03}")))).await;
    center.wind(60);
    letters
}

pub(super) async fn given(center: &Center, subject: usize) -> String {
    center.enrolled("borealis").await[subject - 1].2.clone().unwrap()
}

pub(super) async fn find(center: &Center, code: &str) -> kit::KitRow {
    let id = shelved(center).await.id;
    kit::find_by_code(center.store(), id, code).await.unwrap().unwrap()
}

fn refused(error: Option<KitError>) -> Refusal {
    match error {
        Some(KitError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn is_blind(letter: &Received) {
    assert!(MARKS.iter().all(|mark| !letter.everything.contains(mark)), "{} reads:\n{}", letter.to, letter.text);
    assert!(!letter.words.contains("LOT") && !letter.words.contains("2027-"), "{}", letter.words);
}

stories! {
    async fn a_kit_is_given_until_its_day_in_the_studys_zone(center: &mut Center) {
        // It is 2026-11-20, 09:00 in Tokyo. Kits must be good for ten days beyond the day they are given.
        let list = format!("{HEADER}{}", lines("A", 5, "101", "2026-12-01"));
        center.activate(&stocked(&list, "[kits]\nminimum_days = 10\n"), Stage::Production).await;
        enroll(center, 1).await;
        assert_eq!(reason(center).await, "enrolled");
        // A minute before midnight of the 21st in Tokyo, which is the 21st in Greenwich too: the last moment.
        let midnight = hagaki::domain::time::Instant::parse_rfc3339("2026-11-22T00:00:00+09:00").unwrap();
        let now = hagaki::domain::time::Clock::now(&*center.clock);
        center.wind(midnight.seconds_since(now) - 30);
        enroll(center, 2).await;
        assert_eq!(reason(center).await, "enrolled");
        // It is the 22nd in Tokyo, still the 21st in Greenwich.
        enroll(center, 3).await;
        assert_eq!(reason(center).await, "no-kits");
        let short = refused(replace(center, 1, None).await.err());
        assert!(matches!(short, Refusal::Short), "{short:?}");
        import(center, &format!("{HEADER}{}", lines("B", 1, "", "2026-12-02"))).await.unwrap();
        enroll(center, 3).await;
        assert_eq!(reason(center).await, "enrolled");
        assert!(given(center, 3).await.starts_with('B'));
    }

    async fn a_kit_is_replaced_and_nobody_blinded_reads_of_the_arm(center: &mut Center) {
        center.activate(&stocked(&format!("{HEADER}{}", lines("A", 6, "", "2027-12-01")), ""), Stage::Production).await;
        enroll(center, 1).await;
        let first = given(center, 1).await;
        let done = replace(center, 1, None).await.unwrap();
        assert_eq!((done.subject.as_str(), &done.old), ("BOREALIS-0001", &first));
        let letters = center.settle().await;
        assert_eq!(kinds(&letters), [
            ("kit-replaced-blinded", DR_KOBAYASHI.address),
            ("kit-replaced-unblinded", PHARMACY),
        ]);
        let (_, arm, kit) = center.enrolled("borealis").await.remove(0);
        assert_eq!(kit.as_ref(), Some(&first), "the allocation stays as it was");
        for letter in &letters {
            assert!(letter.text.contains(&done.new) && letter.text.contains(&first), "{}", letter.text);
            if letter.to == PHARMACY {
                assert!(letter.text.contains(&arm) && letter.text.contains("the fridge failed"));
            } else {
                is_blind(letter);
                assert!(!letter.text.contains("the fridge failed"), "an operator's words may tell the arm");
            }
            assert!(!letter.subject.contains(&done.new));
        }
        let (old, new) = (find(center, &first).await, find(center, &done.new).await);
        assert_eq!((old.state, old.turn, old.allocation_number), (State::Replaced, 1, Some(1)));
        assert_eq!((new.state, new.turn, new.allocation_number), (State::Dispensed, 2, Some(1)));
        assert_eq!(new.arm, arm);
        // Whoever asks now is told the kit that the subject has now.
        let status = center.answer(&DR_KOBAYASHI.writes("状況 101-001", "")).await;
        assert!(status.text.contains(&done.new) && !status.text.contains(&first), "{}", status.text);
        let again = center.answer(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"))).await;
        assert!(again.kind == "duplicate-blinded" && again.text.contains(&done.new), "{}", again.text);
        let third = replace(center, 1, None).await.unwrap();
        assert_eq!(third.old, done.new);
        center.settle().await;
        // What was handed out once never becomes available again.
        for code in [&first, &done.new, &third.new] {
            for next in [State::Available, State::Quarantined, State::Withdrawn] {
                let refusal = refused(change(center, &[code], next).await.err());
                assert!(matches!(refusal, Refusal::Kits(_)), "{refusal}");
            }
            assert!(ship(center, Load::Codes(&[code.to_string()]), "102").await.is_err());
        }
        change(center, &[&third.new], State::Lost).await.unwrap();
        let fourth = replace(center, 1, None).await.unwrap();
        assert_eq!(find(center, &third.new).await.state, State::Lost, "what became of it stays");
        assert_eq!(find(center, &fourth.new).await.turn, 4);
        center.settle().await;
    }

    async fn who_is_blinded_cannot_learn_whose_arm_is_short(center: &mut Center) {
        let list = format!("{HEADER}{}", lines("A", 6, "", ""));
        center.activate(&stocked(&list, ""), Stage::Production).await;
        for number in 1..=4 {
            enroll(center, number).await;
        }
        let study = shelved(center).await.study.clone();
        let of = |id: &str| study.people.iter().find(|person| person.id == id).unwrap().clone();
        let arms = center.arms("borealis").await;
        // One arm has nothing left; subjects of others could still get a kit.
        let short = arms[0].clone();
        let other = 1 + arms.iter().position(|arm| *arm != short).unwrap();
        let id = shelved(center).await.id;
        let rows = kit::list(center.store(), id).await.unwrap();
        let left: Vec<&str> = rows
            .iter()
            .filter(|kit| kit.arm == short && kit.state == State::Available)
            .map(|kit| kit.code.as_str())
            .collect();
        change(center, &left, State::Quarantined).await.unwrap();
        for subject in [1, other] {
            let refusal = refused(replace(center, subject, Some(&of("kobayashi"))).await.err());
            assert!(matches!(refusal, Refusal::Short), "{refusal}");
        }
        enroll(center, 5).await;
        assert_eq!(reason(center).await, "no-kits");
        let refusal = refused(replace(center, 1, Some(&of("pharmacy"))).await.err());
        assert!(matches!(refusal, Refusal::Short), "{refusal}");
        // Whoever may know the arm can help the subject.
        replace(center, other, Some(&of("pharmacy"))).await.unwrap();
        let letters = center.settle().await;
        assert_eq!(kinds(&letters), [
            ("kit-replaced-blinded", DR_KOBAYASHI.address),
            ("kit-replaced-unblinded", PHARMACY),
        ]);
        is_blind(letters.iter().find(|letter| letter.to == DR_KOBAYASHI.address).unwrap());
        change(center, &left, State::Available).await.unwrap();
        let done = replace(center, 1, Some(&of("kobayashi"))).await.unwrap();
        let letters = center.settle().await;
        let own = letters.iter().find(|letter| letter.to == DR_KOBAYASHI.address).unwrap();
        assert!(own.text.contains(&done.new) && own.text.contains("the fridge failed"), "{}", own.text);
    }

    async fn a_list_with_a_problem_leaves_nothing(center: &mut Center) {
        center.activate(&stocked(&format!("{HEADER}{}", lines("A", 3, "", "2027-12-01")), ""), Stage::Production).await;
        let id = shelved(center).await.id;
        let before = kit::list(center.store(), id).await.unwrap();
        let length = study::load(center.store(), id).await.unwrap().chain.length;
        let taken = before[0].code.to_lowercase();
        let list = format!("{HEADER}N1,P,,,\n{taken},L,,,\nN2,X,,,\nN3,H,999,,\nN4,H,,soon,\nN1,H,,,\n");
        let Refusal::List(problems) = refused(import(center, &list).await.err()) else { panic!("another refusal") };
        let found: Vec<(Option<usize>, &str)> =
            problems.iter().map(|problem| (problem.line, problem.key.as_str())).collect();
        assert_eq!(found, [(Some(3), "code"), (Some(4), "arm"), (Some(5), "site"), (Some(6), "expires"), (Some(7), "code")]);
        // A list sound in itself, of which one kit is there already.
        let Refusal::List(problems) = refused(import(center, &format!("{HEADER}N1,P,,,\n{taken},L,,,\n")).await.err())
        else {
            panic!("another refusal")
        };
        assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [Some(3)]);
        let empty = refused(import(center, HEADER).await.err());
        assert!(matches!(empty, Refusal::List(_)), "{empty}");
        assert_eq!(kit::list(center.store(), id).await.unwrap(), before);
        assert_eq!(study::load(center.store(), id).await.unwrap().chain.length, length);
        // And a good one comes whole, as one entry.
        let done = import(center, &format!("{HEADER}N1,P,,,\nN2,L,102,2027-01-01,L9\nN3,L,102,2027-01-01,L9\n")).await.unwrap();
        assert_eq!((done.list, done.kits, done.counts.len()), (1, 3, 2));
        assert_eq!(study::load(center.store(), id).await.unwrap().chain.length, length + 1);
        let silent = Order { actor: "operator:tester", by: Some("office"), reason: " ", inbox_id: None };
        let refusal = act!(center, |ledger, shelved, means, _order| kit_import::import(ledger, shelved, means, silent, "x", HEADER));
        assert!(matches!(refused(refusal.err()), Refusal::NoReason));
    }

    async fn a_shortage_is_told_once_until_it_is_over(center: &mut Center) {
        // Four of each arm at the site, none in the center: two of one arm go, and two are fewer than three.
        let rules = "[kits]\nthreshold = 3\n";
        center.activate(&stocked(&format!("{HEADER}{}", lines("A", 4, "101", "2027-12-01")), rules), Stage::Production).await;
        let mut told = Vec::new();
        let mut counts = std::collections::BTreeMap::new();
        for number in 1..=5 {
            let letters = enroll(center, number).await;
            assert_eq!(reason(center).await, "enrolled");
            let arm = center.arms("borealis").await.pop().unwrap();
            let count = counts.entry(arm.clone()).or_insert(0);
            *count += 1;
            let short: Vec<_> = letters.iter().filter(|letter| letter.kind.starts_with("kits-short")).collect();
            // Blinded people are told by the day's look only, and not on the heels of the subject whose arm fell short.
            let expected: &[(&str, &str)] = if *count == 2 { &[("kits-short-unblinded", PHARMACY)] } else { &[] };
            assert_eq!(short.iter().map(|letter| (letter.kind.as_str(), letter.to.as_str())).collect::<Vec<_>>(), expected, "subject {number}");
            for letter in short {
                if letter.to == OFFICE {
                    is_blind(letter);
                    assert!(letter.text.contains("101"));
                } else {
                    assert!(letter.text.contains(&arm) && letter.text.contains("LOTA") && letter.text.contains("2027-12-01"), "{}", letter.text);
                }
                told.push(arm.clone());
            }
        }
        assert!(!told.is_empty());
        center.dawn().await;
        let letters: Vec<_> = center.settle().await.into_iter().filter(|letter| letter.kind.starts_with("kits-short")).collect();
        assert_eq!(kinds(&letters), [("kits-short-blinded", OFFICE)], "once for the place, however many arms are short");
        is_blind(&letters[0]);
        center.dawn().await;
        assert_eq!(kinds(&center.settle().await), [], "and once for the shortage");
        // Re-supplied, nothing is said; fallen again, it is said again.
        import(center, &format!("{HEADER}{}", lines("B", 3, "101", "2027-12-01"))).await.unwrap();
        assert_eq!(kinds(&center.settle().await), []);
        let id = shelved(center).await.id;
        assert_eq!(kit::shortages(center.store(), id).await.unwrap(), []);
        let rows = kit::list(center.store(), id).await.unwrap();
        let of_arm = |arm: &str| -> Vec<String> {
            rows.iter().filter(|kit| kit.arm == arm && kit.state == State::Available).map(|kit| kit.code.clone()).collect()
        };
        let codes = of_arm(&told[0]);
        let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
        change(center, &codes, State::Quarantined).await.unwrap();
        assert_eq!(kinds(&center.settle().await), [("kits-short-unblinded", PHARMACY)]);
        center.dawn().await;
        assert!(kinds(&center.settle().await).contains(&("kits-short-blinded", OFFICE)));
        let one: Vec<String> = of_arm(MARKS.iter().find(|mark| **mark != told[0]).unwrap()).into_iter().take(1).collect();
        ship(center, Load::Codes(&one), "").await.unwrap();
        center.settle().await;
        change(center, &codes, State::Available).await.unwrap();
        assert_eq!(kinds(&center.settle().await), []);
    }

    async fn a_person_acts_upon_kits_by_role_and_site(center: &mut Center) {
        let list = format!("{HEADER}{}N0,P,101,2027-12-01,\nN1,P,101,,\nN2,P,102,,\nN3,P,,,\n", lines("A", 6, "", ""));
        center.activate(&stocked(&list, ""), Stage::Production).await;
        enroll(center, 1).await;
        let study = shelved(center).await.study.clone();
        let of = |id: &str| study.people.iter().find(|person| person.id == id).unwrap();
        for (person, code, next, may) in [
            ("kobayashi", "N1", State::Quarantined, true),
            ("kobayashi", "N1", State::Available, false),
            ("kobayashi", "N2", State::Quarantined, false),
            ("kobayashi", "N3", State::Quarantined, false),
            ("stat", "N2", State::Quarantined, false),
            ("office", "N2", State::Quarantined, true),
            ("office", "N2", State::Lost, false),
            ("pharmacy", "N2", State::Available, true),
            ("pharmacy", "N3", State::Damaged, true),
        ] {
            let done = change_by(center, Asker::Person(of(person)), &[code], next).await;
            assert_eq!(done.is_ok(), may, "{person} {code} {next:?}: {done:?}");
            if let Err(error) = done {
                assert!(error.to_string().starts_with(&format!("there is no kit {code};")), "{error}");
            }
        }
        for (person, may) in [("mori", false), ("stat", false), ("office", true), ("kobayashi", true), ("pharmacy", true)] {
            let done = replace(center, 1, Some(of(person))).await;
            assert_eq!(done.is_ok(), may, "{person}: {done:?}");
        }
        for letter in center.settle().await {
            if letter.to != PHARMACY {
                is_blind(&letter);
            }
        }
    }

    async fn kits_are_shipped_without_anybody_knowing_their_arms(center: &mut Center) {
        let list = format!("{HEADER}{}{}", lines("A", 3, "", "2027-12-01"), lines("B", 2, "", "2027-06-01"));
        center.activate(&stocked(&list, ""), Stage::Production).await;
        let shipped = ship(center, Load::PerArm("", 2), "101").await.unwrap();
        assert_eq!(shipped.len(), 6);
        assert!(shipped.iter().all(|code| code.starts_with('B')) && shipped.is_sorted(), "{shipped:?}");
        let short = refused(ship(center, Load::PerArm("", 4), "101").await.err());
        assert!(matches!(short, Refusal::Short));
        let nowhere = refused(ship(center, Load::All("101"), "109").await.err());
        assert!(matches!(nowhere, Refusal::NoSite(_)));
        enroll(center, 1).await;
        assert!(given(center, 1).await.starts_with('B'), "the site's own first");
        change(center, &[&shipped[1]], State::Quarantined).await.ok();
        let back = ship(center, Load::All("101"), "102").await.unwrap();
        assert_eq!(back.len(), 5, "the kit that was given stays with the subject");
        enroll(center, 2).await;
        assert!(given(center, 2).await.starts_with('A'));
    }

    async fn kits_leave_in_an_order_that_the_list_does_not_tell(center: &mut Center) {
        // Ascending codes, arms by turns: by the order of the list each arm's codes would ascend with its subjects.
        let list: String = (1..=36).map(|n| format!("K{n:03},{},,,\n", ["P", "L", "H"][n % 3])).collect();
        center.activate(&stocked(&format!("{HEADER}{list}"), ""), Stage::Production).await;
        let row = study::find_current(center.store(), "borealis").await.unwrap().unwrap();
        let order = hagaki::domain::kit::Order::of(row.secret.bytes().unwrap());
        let mut expected: Vec<String> = (1..=36).map(|n| format!("K{n:03}")).collect();
        expected.sort_by_key(|code| order.rank(code));
        for number in 1..=12 {
            enroll(center, number).await;
        }
        let arms = center.arms("borealis").await;
        let mut codes = Vec::new();
        for (at, arm) in arms.iter().enumerate() {
            let code = given(center, at + 1).await;
            assert_eq!(find(center, &code).await.arm, *arm);
            let mut free = expected.iter().filter(|one| !codes.contains(*one));
            let number: Vec<usize> = (1..=36).filter(|n| MARKS[n % 3] == arm).collect();
            let next = free.find(|one| number.iter().any(|n| format!("K{n:03}") == **one));
            assert_eq!(next, Some(&code), "the least rank of its arm");
            codes.push(code);
        }
        center.assert_proved().await;
        // A list that comes later is ranked with it, and so is another kit of a subject.
        let more: String = (37..=60).map(|n| format!("K{n:03},{},,,\n", ["P", "L", "H"][n % 3])).collect();
        import(center, &format!("{HEADER}{more}")).await.unwrap();
        let all = kit::list(center.store(), row.id).await.unwrap();
        assert!(all.iter().all(|kit| kit.rank == order.rank(&kit.code)));
        let replaced = replace(center, 1, None).await.unwrap();
        let free = all.iter().filter(|kit| kit.arm == arms[0] && kit.state == State::Available);
        assert_eq!(replaced.new, free.min_by_key(|kit| kit.rank).unwrap().code);
        center.settle().await;
    }

    async fn kits_that_an_earlier_version_listed_are_ranked(center: &mut Center) {
        center.activate(&stocked(&format!("{HEADER}{}", lines("A", 5, "", "")), ""), Stage::Production).await;
        let row = study::find_current(center.store(), "borealis").await.unwrap().unwrap();
        let before = kit::list(center.store(), row.id).await.unwrap();
        center.world.tamper("UPDATE kit SET rank = NULL").await;
        // Nothing was sealed by that version.
        let secret = data_encoding::HEXLOWER.encode(row.secret.bytes().unwrap());
        let secret = match center.store().engine() {
            hagaki::store::Engine::Sqlite => format!("x'{secret}'"),
            hagaki::store::Engine::Postgres => format!("decode('{secret}', 'hex')"),
        };
        center.world.tamper(&format!("UPDATE study SET sealed_secret = NULL, clear_secret = {secret}")).await;
        // Opening the database ranks them.
        let copy = center.copy().await;
        let after = kit::list(&copy.store, row.id).await.unwrap();
        copy.close().await;
        center.reconnect().await;
        assert_eq!(after, before);
        assert!(after.iter().all(|kit| kit.rank > 0));
    }

    async fn after_the_close_no_kit_leaves_and_all_are_accounted_for(center: &mut Center) {
        center.activate(&stocked(&format!("{HEADER}{}", lines("A", 5, "", "")), ""), Stage::Production).await;
        enroll(center, 1).await;
        let first = given(center, 1).await;
        let request = DR_KOBAYASHI.writes("キット交換", "症例番号: BOREALIS-0001\n理由: 瓶が割れた\n");
        let asked = center.answer(&request).await;
        assert_eq!(asked.kind, "deed-confirm");
        center.wind(1);
        center.close("borealis", "last visit done").await;
        // The same rule by command, by a new mail, and for a yes to what was asked before.
        assert!(matches!(refused(replace(center, 1, None).await.err()), Refusal::Closed(_)));
        assert!(matches!(refused(import(center, &format!("{HEADER}N1,P,,,\n")).await.err()), Refusal::Closed(_)));
        let yes = Mail { to: asked.reply_to.clone(), body: "OK\n".to_owned(), ..DR_KOBAYASHI.writes("", "") };
        for mail in [request.anew(), yes] {
            let letters = center.exchange(&mail).await;
            assert_eq!(kinds(&letters), [("kit-refused", DR_KOBAYASHI.address)]);
            assert!(letters[0].text.contains("この研究は終了しているため"), "{}", letters[0].text);
            assert_eq!(reason(center).await, "kits:closed");
        }
        assert_eq!(find(center, &first).await.state, State::Dispensed);
        change(center, &[first.as_str()], State::Returned).await.unwrap();
        assert_eq!(find(center, &first).await.state, State::Returned);
        center.assert_proved().await;
    }

    async fn an_amendment_adds_kits_and_withdraws_free_ones(center: &mut Center) {
        let list = format!("{HEADER}{}", lines("A", 5, "", "2027-12-01"));
        let bundle = stocked(&list, "");
        center.activate(&bundle, Stage::Production).await;
        enroll(center, 1).await;
        import(center, &format!("{HEADER}N1,P,,,\n")).await.unwrap();
        let handed = given(center, 1).await;
        let text = bundle.file(KITS).unwrap().to_owned();
        let free: Vec<&str> = text.lines().skip(1).filter(|line| !line.starts_with(&handed)).take(2).collect();
        let id = shelved(center).await.id;
        let before = kit::list(center.store(), id).await.unwrap();
        let amend = async |center: &Center, text: &str| {
            center.wind(1);
            let bundle = with_file(&bundle, KITS, text);
            center.amend(&bundle, center.act("kits")).await
        };
        // What was handed out, what was said of a kit, and what is there already, are told together.
        let own = text.lines().find(|line| line.starts_with(&handed)).unwrap();
        let wrong = text.replace(&format!("{own}\n"), "").replace(free[0], &free[0].replace("2027", "2028")) + "n1,ZQLOWER,,,\n";
        let Err(LifeError::Refused(life::Refusal::Kits(faults))) = amend(center, &wrong).await else { panic!("not refused") };
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert!(faults.iter().any(|fault| fault.contains(&format!("kit {handed} was handed out"))), "{faults:?}");
        assert_eq!(kit::list(center.store(), id).await.unwrap(), before);
        let good = text.replace(&format!("{}\n", free[0]), "") + "N2,ZQLOWER,,,\n";
        assert_eq!(amend(center, &good).await.unwrap().version, 2);
        let after = kit::list(center.store(), id).await.unwrap();
        assert_eq!(after.len(), before.len() + 1, "none vanishes");
        let gone = free[0].split(',').next().unwrap();
        assert_eq!(find(center, gone).await.state, State::Withdrawn);
        let entries = audit::list(center.store(), id, 0, 100).await.unwrap();
        assert!(entries.last().unwrap().body.contains(&format!("\"withdrawn\":[\"{gone}\"]")));
        // A code is used once.
        let Err(LifeError::Refused(life::Refusal::Kits(faults))) = amend(center, &format!("{good}{}\n", free[0])).await else { panic!("not refused") };
        assert!(faults[0].contains("in the study already"), "{faults:?}");
        enroll(center, 2).await;
        assert_eq!(reason(center).await, "enrolled");
    }

    async fn a_rehearsals_kits_are_listed_anew_when_it_is_purged(center: &mut Center) {
        let list = format!("{HEADER}{}", lines("A", 5, "", "2027-12-01"));
        center.activate(&stocked(&list, "[kits]\ncentral_threshold = 9\n"), Stage::Development).await;
        let id = shelved(center).await.id;
        let fresh = kit::list(center.store(), id).await.unwrap();
        enroll(center, 1).await;
        import(center, &format!("{HEADER}N1,P,,,\n")).await.unwrap();
        ship(center, Load::PerArm("", 1), "101").await.unwrap();
        center.settle().await;
        life::purge(center.store(), "borealis", center.act("done"), &*center.dice).await.unwrap();
        let anew = kit::list(center.store(), id).await.unwrap();
        let listed = |kits: &[kit::KitRow]| {
            kits.iter().map(|kit| kit::KitRow { rank: 0, arm: String::new(), ..kit.clone() }).collect::<Vec<_>>()
        };
        assert_eq!(listed(&anew), listed(&fresh));
        assert!(anew.iter().zip(&fresh).all(|(new, old)| new.rank != old.rank), "another secret, another order");
        // What a rehearsal shows of a kit is not its arm.
        let arms = |kits: &[kit::KitRow]| kits.iter().map(|kit| kit.arm.clone()).collect::<Vec<String>>();
        let truth: Vec<String> = with_marks(&list).lines().skip(1).filter_map(|line| Some(line.split(',').nth(1)?.to_owned())).collect();
        let sorted = |mut arms: Vec<String>| {
            arms.sort();
            arms
        };
        assert_eq!(sorted(arms(&anew)), sorted(truth.clone()), "the numbers are right");
        assert!(arms(&anew) != truth && arms(&fresh) != truth && arms(&anew) != arms(&fresh));
        assert_eq!(kit::shortages(center.store(), id).await.unwrap(), []);
        center.assert_proved().await;
    }

    async fn a_replacement_happens_whole_or_not_at_all(center: &mut Center) {
        let list = format!("{HEADER}{}", lines("A", 3, "", "2027-12-01"));
        center.activate(&stocked(&list, "[kits]\ncentral_threshold = 2\n"), Stage::Production).await;
        enroll(center, 1).await;
        let (subject, ..) = center.enrolled("borealis").await.remove(0);
        let troubles: [fn(u64) -> std::sync::Arc<Fuse>; 3] = [Fuse::refuse, Fuse::lose_commit, Fuse::hide_commit];
        for trouble in troubles {
            let mut places = 0;
            loop {
                places += 1;
                let copy = center.copy().await;
                let fuse = trouble(places);
                let store = copy.store.with_fuse(fuse.clone());
                let shelf = center.shelf_on(&store);
                let now = hagaki::domain::time::Clock::now(&*center.clock);
                let order = Order { actor: "operator:tester", by: Some("office"), reason: "the fridge failed", inbox_id: None };
                let desk = desk();
                let means = Means { now, dice: &*center.dice, keys: &center.keys, desk: &desk };
                let done: Result<(), KitError> = async {
                    let row = study::find_current(&store, "borealis").await?.unwrap();
                    let shelved = shelf.load(&row).await?;
                    let mut ledger = Ledger::begin(&shelf).await?;
                    kits::replace(&mut ledger, &shelved, means, order, &subject, None, Asker::Operator).await?;
                    Ok(ledger.commit().await?)
                }
                .await;
                let row = study::find_current(&copy.store, "borealis").await.unwrap().unwrap();
                let kits = kit::list_of_allocation(&copy.store, row.id, 1).await.unwrap();
                let letters = copy.number("SELECT count(*) FROM outbox WHERE kind LIKE 'kit%'").await;
                let told = copy.number("SELECT count(*) FROM audit WHERE action = 'kit-replace'").await;
                let short = copy.number("SELECT count(*) FROM kit_shortage").await;
                // Two letters on the replacement, and one on the arm of which one is left.
                let state = (kits.len(), letters, told, short);
                assert!([(1, 0, 0, 0), (2, 3, 1, 1)].contains(&state), "place {places}: {state:?}");
                assert!(done.is_err() || kits.len() == 2, "place {places}");
                let shelved = center.shelf_on(&copy.store).load(&row).await.unwrap();
                assert_eq!(proof::verify(&copy.store, &shelved).await.unwrap(), Verdict::Proved(1), "place {places}");
                copy.close().await;
                center.reconnect().await;
                if !fuse.struck() {
                    assert!(done.is_ok(), "{done:?}");
                    break;
                }
            }
            assert!(places > 1);
        }
    }

    async fn whatever_is_changed_in_the_table_of_kits_is_named(center: &mut Center) {
        center.activate(&stocked(&format!("{HEADER}{}", lines("A", 6, "", "2027-12-01")), ""), Stage::Production).await;
        enroll(center, 1).await;
        enroll(center, 2).await;
        let done = replace(center, 2, None).await.unwrap();
        import(center, &format!("{HEADER}N1,P,101,2027-01-01,L9\n")).await.unwrap();
        change(center, &["N1"], State::Quarantined).await.unwrap();
        ship(center, Load::Codes(&["N1".to_owned()]), "102").await.unwrap();
        center.settle().await;
        let own = |number| Verdict::Untold(Discrepancy { number, what: What::KitRow });
        let other = |code: &str, what| {
            let code = code.to_owned();
            Verdict::Kit(hagaki::workflow::kits_told::KitDiscrepancy { code, allocation: None, what })
        };
        let new = format!("code = '{}'", done.new);
        let old = format!("code = '{}'", done.old);
        let n1 = "code = 'N1'";
        let changes = [
            (format!("UPDATE kit SET state = 'dispensed' WHERE {old}"), own(2)),
            (format!("UPDATE kit SET state = 'available', allocation_number = NULL, turn = 0 WHERE {old}"), own(2)),
            (format!("UPDATE kit SET turn = 3 WHERE {new}"), own(2)),
            (format!("UPDATE kit SET arm = 'X' WHERE {new}"), own(2)),
            (format!("DELETE FROM kit WHERE {new}"), own(2)),
            (format!("UPDATE kit SET state = 'available' WHERE {n1}"), other("N1", KitWhat::State)),
            (format!("UPDATE kit SET site = '101' WHERE {n1}"), other("N1", KitWhat::Site)),
            (format!("UPDATE kit SET expires_on = 20270102 WHERE {n1}"), other("N1", KitWhat::Expires)),
            (format!("UPDATE kit SET lot = 'L8' WHERE {n1}"), other("N1", KitWhat::Lot)),
            (format!("UPDATE kit SET rank = rank - 1 WHERE {n1}"), other("N1", KitWhat::Rank)),
            (format!("UPDATE kit SET arm = 'X' WHERE {n1}"), other("N1", KitWhat::Arm)),
            (format!("DELETE FROM kit WHERE {n1}"), other("N1", KitWhat::Absent)),
            (format!("UPDATE kit SET code = 'N7' WHERE {n1}"), other("N1", KitWhat::Absent)),
            (
                "INSERT INTO kit (study_id, position, code, arm, site) SELECT study_id, 999, 'N9', arm, site FROM kit WHERE code = 'N1'".to_owned(),
                other("N9", KitWhat::Entry),
            ),
            ("UPDATE kit_list SET content = replace(content, 'L9', 'L8')".to_owned(), other("list 1", KitWhat::List)),
        ];
        for (change, expected) in changes {
            let copy = center.copy().await;
            copy.tamper(&change).await;
            let row = study::find_current(&copy.store, "borealis").await.unwrap().unwrap();
            let shelved = center.shelf_on(&copy.store).load(&row).await.unwrap();
            let found: Result<Verdict, Failure> = proof::verify(&copy.store, &shelved).await;
            assert_eq!(found.unwrap(), expected, "{change}");
            copy.close().await;
            center.reconnect().await;
        }
    }
}
