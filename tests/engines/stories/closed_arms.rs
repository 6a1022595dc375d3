//! An arm is closed and its kits are recalled: the others go on, and what is short is still told.

use hagaki::domain::kit::State;
use hagaki::store::kit;

use super::enrolling::MARKS;
use super::facts::ok;
use super::kits::{HEADER, change, enroll, find, given, import, lines, shelved, stocked};
use super::*;

/// The arm that is closed.
const CLOSED: &str = MARKS[1];

/// BOREALIS goes on without an arm.
async fn close_arm(center: &mut Center, bundle: &Bundle) {
    center.wind(1);
    let arm = format!("code = \"{CLOSED}\", ratio = 1");
    let bundle = edited(bundle, "allocation.toml", &arm, &format!("{arm}, closed = true"));
    let bundle = edited(&bundle, "allocation.toml", "sizes = [8, 12]", "sizes = [9, 12]");
    let bundle = edited(&bundle, "allocation.toml", "method = \"block\"", "epoch = 2\nmethod = \"block\"");
    center.amend(&bundle, center.act("protocol 2.0")).await.unwrap();
}

/// The kits of an arm that can be given, but for the last so many.
async fn free(center: &Center, arm: &str, but: usize) -> Vec<String> {
    let all = kit::list(center.store(), shelved(center).await.id).await.unwrap();
    let own = all.into_iter().filter(|kit| kit.arm == arm && kit.state == State::Available);
    let codes: Vec<String> = own.map(|kit| kit.code).collect();
    codes[..codes.len() - but].to_vec()
}

async fn turn(center: &Center, codes: &[String], next: State) {
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    change(center, &codes, next).await.unwrap();
}

/// Enrolls until somebody has the arm that is to be closed and somebody another; a subject of each, counted from 1.
async fn one_of_each(center: &mut Center) -> (usize, usize) {
    for number in 1.. {
        enroll(center, number).await;
        assert_eq!(reason(center).await, "enrolled");
        let arms = center.arms("borealis").await;
        let at = |closed: bool| arms.iter().position(|arm| (arm == CLOSED) == closed);
        if let (Some(own), Some(other)) = (at(true), at(false)) {
            return (own + 1, other + 1);
        }
    }
    unreachable!("a block has all arms");
}

/// Another kit for a subject, asked for by mail and confirmed: the answer to the yes.
async fn ask(center: &mut Center, subject: usize) -> Received {
    center.wind(60);
    let body = format!("症例番号: BOREALIS-{subject:04}\n理由: 瓶が割れた\n");
    let asked = center.answer(&DR_KOBAYASHI.writes("キット交換", &body)).await;
    assert_eq!(asked.kind, "deed-confirm");
    let letters = center.exchange(&ok(&asked, DR_KOBAYASHI)).await;
    let answer = letters.into_iter().find(|letter| letter.to == DR_KOBAYASHI.address).unwrap();
    assert!(MARKS.iter().all(|mark| !answer.everything.contains(mark)), "{}", answer.text);
    answer
}

/// The letters on shortages that were sent by now.
async fn short(center: &mut Center) -> Vec<Received> {
    center.settle().await.into_iter().filter(|letter| letter.kind.starts_with("kits-short")).collect()
}

const CENTRAL: &str = "[kits]\ncentral_threshold = 3\n";

stories! {
    async fn kits_of_a_closed_arm_are_recalled_and_the_other_arms_go_on(center: &mut Center) {
        let bundle = stocked(&format!("{HEADER}{}", lines("A", 16, "", "")), "");
        center.activate(&bundle, Stage::Production).await;
        let (own, other) = one_of_each(center).await;
        close_arm(center, &bundle).await;
        // While its kits are there, its subjects are given them.
        assert_eq!(ask(center, own).await.kind, "kit-replaced");
        turn(center, &free(center, CLOSED, 0).await, State::Returned).await;
        let before = given(center, other).await;
        assert_eq!(ask(center, other).await.kind, "kit-replaced");
        assert_eq!(find(center, &before).await.state, State::Replaced);
        // There is none for its own subjects, whoever asks; one that comes is theirs.
        assert_eq!(ask(center, own).await.kind, "kit-refused");
        assert_eq!(reason(center).await, "kits:short");
        import(center, &format!("{HEADER}N1,L,,,\nN2,L,,,\n")).await.unwrap();
        assert_eq!(ask(center, own).await.kind, "kit-replaced");
        // An open arm that is short refuses everybody who is blinded alike, subjects of the closed arm too.
        let open = center.arms("borealis").await[other - 1].clone();
        let kept = free(center, &open, 0).await;
        turn(center, &kept, State::Quarantined).await;
        for subject in [own, other] {
            assert_eq!(ask(center, subject).await.kind, "kit-refused", "{subject}");
            assert_eq!(reason(center).await, "kits:short");
        }
        turn(center, &kept, State::Available).await;
        for subject in [own, other] {
            assert_eq!(ask(center, subject).await.kind, "kit-replaced", "{subject}");
        }
        enroll(center, 60).await;
        assert_eq!(reason(center).await, "enrolled");
        center.assert_proved().await;
    }

    async fn an_arm_that_nobody_has_is_closed_and_its_kits_are_not_missed(center: &mut Center) {
        let bundle = stocked(&format!("{HEADER}{}", lines("A", 5, "", "")), CENTRAL);
        center.activate(&bundle, Stage::Production).await;
        close_arm(center, &bundle).await;
        turn(center, &free(center, CLOSED, 0).await, State::Returned).await;
        assert_eq!(kinds(&short(center).await), []);
        center.dawn().await;
        assert_eq!(kinds(&short(center).await), []);
        // Nor when somebody of another arm is given a kit.
        enroll(center, 1).await;
        assert_eq!(reason(center).await, "enrolled");
        let id = shelved(center).await.id;
        assert_eq!(kit::shortages(center.store(), id).await.unwrap(), []);
        // A shortage that counts is told, and of it alone.
        let kept = free(center, MARKS[2], 2).await;
        turn(center, &kept, State::Quarantined).await;
        let told = short(center).await;
        assert_eq!(kinds(&told), [("kits-short-unblinded", PHARMACY)]);
        assert!(told[0].text.contains(MARKS[2]) && !told[0].text.contains(CLOSED), "{}", told[0].text);
        center.dawn().await;
        assert_eq!(kinds(&short(center).await), [("kits-short-blinded", OFFICE)]);
    }

    async fn a_closed_arm_that_subjects_have_silences_no_shortage(center: &mut Center) {
        let bundle = stocked(&format!("{HEADER}{}", lines("A", 16, "", "")), CENTRAL);
        center.activate(&bundle, Stage::Production).await;
        one_of_each(center).await;
        close_arm(center, &bundle).await;
        turn(center, &free(center, CLOSED, 0).await, State::Returned).await;
        // Its subjects may need kits: whoever hands them out is told, and nobody who is blinded.
        let told = short(center).await;
        assert_eq!(kinds(&told), [("kits-short-unblinded", PHARMACY)]);
        assert!(told[0].text.contains(CLOSED), "{}", told[0].text);
        center.dawn().await;
        assert_eq!(kinds(&short(center).await), []);
        let kept = free(center, MARKS[2], 2).await;
        // It comes, is over, and comes again: told each time, however long the closed arm is short.
        for _ in 0..2 {
            turn(center, &kept, State::Quarantined).await;
            assert_eq!(kinds(&short(center).await), [("kits-short-unblinded", PHARMACY)]);
            center.dawn().await;
            assert_eq!(kinds(&short(center).await), [("kits-short-blinded", OFFICE)]);
            turn(center, &kept, State::Available).await;
            center.dawn().await;
            assert_eq!(kinds(&short(center).await), []);
        }
    }
}
