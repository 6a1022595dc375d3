//! Another kit, and kits kept back, by mail: asked, confirmed, done once, told without an arm.

use hagaki::domain::kit::State;
use hagaki::store::{audit, kit, study};

use super::enrolling::{MARKS, marked};
use super::*;

async fn kits(center: &Center) -> Vec<kit::KitRow> {
    let row = study::find_current(center.store(), "borealis").await.unwrap().unwrap();
    kit::list(center.store(), row.id).await.unwrap()
}

async fn find(center: &Center, code: &str) -> kit::KitRow {
    kits(center).await.into_iter().find(|kit| kit.code == code).unwrap()
}

/// Entries of the chain about kits, and refusals.
async fn entries(center: &Center) -> Vec<String> {
    let row = study::find_current(center.store(), "borealis").await.unwrap().unwrap();
    let all = audit::list(center.store(), row.id, 0, 1_000).await.unwrap();
    all.into_iter()
        .map(|entry| entry.action)
        .filter(|action| action.starts_with("kit-") || action == "refuse-deed")
        .collect()
}

/// BOREALIS with marked arms and one subject at site 101; its kit.
async fn begun(center: &mut Center) -> String {
    center.activate(&marked(), Stage::Production).await;
    center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"))).await;
    center.enrolled("borealis").await[0].2.clone().unwrap()
}

fn ok(asked: &Received, writer: Writer) -> Mail {
    Mail { to: asked.reply_to.clone(), body: "OK\n".to_owned(), ..writer.writes("", "") }
}

/// Whole codes in what a reader can read: two letters of one may stand in base64 by chance.
fn is_blind(letter: &Received) {
    assert!(!letter.words.is_empty());
    for mark in MARKS {
        assert!(!letter.everything.contains(mark), "{} reads {mark}:\n{}", letter.to, letter.text);
    }
    assert!(!letter.words.contains("ZQ"), "{} reads:\n{}", letter.to, letter.words);
}

const PHARMACIST: Writer = Writer { address: PHARMACY, study: "borealis" };
const COORDINATOR: Writer = Writer { address: OFFICE, study: "borealis" };
const REQUEST: &str = "症例番号: BOREALIS-0001\n理由: 瓶が割れた\n";

stories! {
    async fn another_kit_is_given_once_however_often_it_is_asked_for(center: &mut Center) {
        let first = begun(center).await;
        let request = DR_KOBAYASHI.writes("キット交換", REQUEST);
        let asked = center.answer(&request).await;
        assert_eq!(asked.kind, "deed-confirm");
        assert!(asked.text.contains(&first) && asked.text.contains("瓶が割れた"), "{}", asked.text);
        assert_eq!(find(center, &first).await.state, State::Dispensed, "nothing is done yet");
        // Asked for twice before it is confirmed.
        let twice = center.answer(&request.anew()).await;
        let yes = ok(&asked, DR_KOBAYASHI);
        let letters = center.exchange(&yes).await;
        assert_eq!(kinds(&letters), [("kit-replaced", DR_KOBAYASHI.address), ("kit-replaced-unblinded", PHARMACY)]);
        assert_eq!(reason(center).await, "kit-replaced");
        let second = kits(center).await.into_iter().find(|kit| kit.turn == 2).unwrap().code;
        let told = letters.iter().find(|letter| letter.kind == "kit-replaced").unwrap();
        is_blind(told);
        let unblinded = letters.iter().find(|letter| letter.to == PHARMACY).unwrap();
        assert!(unblinded.words.contains("ZQ") && unblinded.everything.contains(&find(center, &first).await.arm), "the check can fail");
        assert!(told.text.contains(&first) && told.text.contains(&second), "{}", told.text);
        assert_eq!(told.in_reply_to, yes.message_id);
        // The yes as a copy and anew, the other yes, and a request that names the old kit: the same kit, nobody else hears.
        let by_code = DR_KOBAYASHI.writes("replace kit", &format!("kit: {first}\nreason: broken\n"));
        for mail in [yes.clone(), yes.anew(), ok(&twice, DR_KOBAYASHI), by_code] {
            let letters = center.exchange(&mail).await;
            assert_eq!(kinds(&letters), [("kit-replaced", DR_KOBAYASHI.address)], "{}", mail.subject);
            assert!(letters[0].text.contains(&second), "{}", letters[0].text);
            is_blind(&letters[0]);
        }
        assert_eq!(entries(center).await, ["kit-replace"]);
        // A new request is about the kit that the subject has now; by its code, typed loosely.
        let loose = format!("キット： {}\n理由: 紛失\n", second.to_lowercase());
        let asked = center.answer(&DR_KOBAYASHI.writes("薬剤交換のお願い", &loose)).await;
        assert!(asked.kind == "deed-confirm" && asked.text.contains(&second), "{}", asked.text);
        center.exchange(&ok(&asked, DR_KOBAYASHI)).await;
        assert_eq!(entries(center).await, ["kit-replace", "kit-replace"]);
        // Whoever is told the arm is told the kit of now, not the first one.
        let third = kits(center).await.into_iter().find(|kit| kit.turn == 3).unwrap().code;
        let asked = center.answer(&DR_KOBAYASHI.writes("開鍵", REQUEST)).await;
        let letters = center.exchange(&ok(&asked, DR_KOBAYASHI)).await;
        let opened = letters.iter().find(|letter| letter.kind == "unblinded").unwrap();
        assert!(opened.text.contains(&third) && !opened.text.contains(&first), "{}", opened.text);
    }

    async fn kits_are_kept_back_whole_or_not_at_all(center: &mut Center) {
        let given = begun(center).await;
        let mut free: Vec<String> =
            kits(center).await.into_iter().filter(|kit| kit.state == State::Available).map(|kit| kit.code).collect();
        free.truncate(3);
        let all = kits(center).await;
        let central = all.iter().all(|kit| kit.site.is_empty());
        assert!(central, "the sample's kits lie in the center");
        // One of them is with a subject, one there is not.
        let body = format!("kits: {}, {given}, K-NONE\nreason: fridge failed\n", free[0]);
        let refused = center.answer(&COORDINATOR.writes("quarantine kit", &body)).await;
        assert_eq!(refused.kind, "kit-refused");
        assert!(refused.text.contains(&given) && refused.text.contains("K-NONE") && !refused.text.contains(&free[0]), "{}", refused.text);
        assert_eq!(find(center, &free[0]).await.state, State::Available);
        let body = format!("キット: {}、{}\n理由: 冷蔵庫の故障\n", free[0], free[1]);
        let request = COORDINATOR.writes("キット隔離", &body);
        let asked = center.answer(&request).await;
        assert!(asked.kind == "deed-confirm" && free[..2].iter().all(|code| asked.text.contains(code)), "{}", asked.text);
        assert_eq!(find(center, &free[0]).await.state, State::Available);
        let yes = ok(&asked, COORDINATOR);
        let done = center.answer(&yes).await;
        assert_eq!((done.kind.as_str(), reason(center).await.as_str()), ("kits-quarantined", "quarantined"));
        is_blind(&done);
        for code in &free[..2] {
            assert_eq!(find(center, code).await.state, State::Quarantined);
        }
        for mail in [yes.clone(), yes.anew(), request.anew()] {
            assert_eq!(center.answer(&mail).await.kind, "kits-quarantined");
        }
        assert_eq!(entries(center).await, ["refuse-deed", "kit-quarantine"]);
        // Somebody who has business at one site only has none in the center.
        let foreign = DR_KOBAYASHI.writes("quarantine kit", &format!("kit: {}\nreason: too warm\n", free[2]));
        assert_eq!(center.answer(&foreign).await.kind, "kit-refused");
        assert_eq!(find(center, &free[2]).await.state, State::Available);
    }

    async fn what_was_released_since_is_not_kept_back_by_an_old_yes(center: &mut Center) {
        begun(center).await;
        let free = kits(center).await.into_iter().find(|kit| kit.state == State::Available).unwrap();
        let request = PHARMACIST.writes("quarantine kit", &format!("kit: {}\nreason: too warm\n", free.code));
        let asked = center.answer(&request).await;
        let yes = ok(&asked, PHARMACIST);
        assert_eq!(center.answer(&yes).await.kind, "kits-quarantined");
        let kept = find(center, &free.code).await;
        let mut tx = center.store().begin().await.unwrap();
        kit::record_state(&mut tx, &kept, State::Available).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(center.answer(&yes.anew()).await.kind, "confirm-expired");
        assert_eq!(find(center, &free.code).await.state, State::Available);
        // As it is on file.
        let kept = find(center, &free.code).await;
        let mut tx = center.store().begin().await.unwrap();
        kit::record_state(&mut tx, &kept, State::Quarantined).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn what_is_lacking_and_who_may_not(center: &mut Center) {
        let given = begun(center).await;
        for (subject, body, reason_key) in [
            ("キット交換", "理由: 破損\n", "lacking:subject-or-kit"),
            ("replace kit", "subject: BOREALIS-0001\n", "lacking:reason"),
            ("replace kit", "kits: A1, A2\nreason: both broken\n", "lacking:subject-or-kit"),
            ("キット隔離", "", "lacking:kits,reason"),
        ] {
            let answer = center.answer(&DR_KOBAYASHI.writes(subject, &format!("{body}\n"))).await;
            assert_eq!((answer.kind.as_str(), reason(center).await.as_str()), ("deed-form", reason_key), "{subject} {body}");
        }
        // The form is filled in where it stands, inside the quotation.
        let form = center.answer(&DR_KOBAYASHI.writes("キット交換", "\n")).await;
        let filled = form.text.replace("キット: ", &format!("キット: {given}")).replace("理由: ", "理由: 破損");
        let quoted: String = filled.lines().map(|line| format!("> {line}\n")).collect();
        let reply = Mail { subject: format!("Re: {}", form.subject), ..DR_KOBAYASHI.writes("", &format!("\n{quoted}")) }
            .with(&format!("In-Reply-To: <{}>", form.message_id));
        let asked = center.answer(&reply).await;
        assert!(asked.kind == "deed-confirm" && asked.text.contains(&given), "{} {}", asked.kind, asked.text);
        assert!(entries(center).await.is_empty());
        let statistician = Writer { address: BLIND_STATISTICIAN, study: "borealis" };
        assert_eq!(center.answer(&statistician.writes("キット交換", REQUEST)).await.kind, "not-entitled");
        for body in [REQUEST.to_owned(), format!("kit: {given}\nreason: broken\n")] {
            assert_eq!(center.answer(&DR_LARSEN.writes("replace kit", &body)).await.kind, "status-unknown");
        }
        let another = "subject: BOREALIS-0001\nkit: NONE-1\nreason: broken\n";
        assert_eq!(center.answer(&DR_KOBAYASHI.writes("replace kit", another)).await.kind, "kit-refused");
        assert_eq!(entries(center).await, ["refuse-deed"; 4]);
        assert_eq!(find(center, &given).await.state, State::Dispensed);
        // An open study hands out no kits.
        aurora(center).await;
        let open = DR_YAMADA.writes("キット交換", "症例番号: AURORA-0001\n理由: 破損\n");
        assert_eq!(center.answer(&open).await.kind, "kit-refused");
    }

    async fn a_shortage_of_any_arm_refuses_whoever_is_blinded(center: &mut Center) {
        let given = begun(center).await;
        let asked = center.answer(&DR_KOBAYASHI.writes("キット交換", REQUEST)).await;
        let arm = find(center, &given).await.arm;
        let other = kits(center).await.into_iter().find(|kit| kit.arm != arm).unwrap().arm;
        let left: Vec<String> = kits(center)
            .await
            .into_iter()
            .filter(|kit| kit.arm == other && kit.state == State::Available)
            .map(|kit| kit.code)
            .collect();
        for codes in left.chunks(hagaki::limits::DEED_KITS) {
            let body = format!("kits: {}\nreason: recalled\n", codes.join(","));
            let asked = center.answer(&PHARMACIST.writes("quarantine kit", &body)).await;
            assert_eq!(center.answer(&ok(&asked, PHARMACIST)).await.kind, "kits-quarantined", "{}", asked.text);
        }
        let yes = ok(&asked, DR_KOBAYASHI);
        let refused = center.answer(&yes).await;
        assert_eq!((refused.kind.as_str(), reason(center).await.as_str()), ("kit-refused", "kits:short"));
        is_blind(&refused);
        // The same yes again begins nothing.
        assert_eq!(center.answer(&yes.anew()).await.kind, "confirm-expired");
        assert_eq!(find(center, &given).await.state, State::Dispensed);
    }

    async fn kits_given_by_mail_have_an_end(center: &mut Center) {
        let bundle = marked();
        let rules = format!("{}\n[kits]\nreplacements = 2\n", bundle.file("study.toml").unwrap());
        center.activate(&with_file(&bundle, "study.toml", &rules), Stage::Production).await;
        for number in 1..=2 {
            center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", &format!("101-00{number}")))).await;
        }
        for _ in 0..2 {
            let asked = center.answer(&DR_KOBAYASHI.writes("キット交換", REQUEST)).await;
            center.exchange(&ok(&asked, DR_KOBAYASHI)).await;
            assert_eq!(reason(center).await, "kit-replaced");
        }
        let often = center.answer(&DR_KOBAYASHI.writes("キット交換", REQUEST)).await;
        assert_eq!((often.kind.as_str(), reason(center).await.as_str()), ("kit-refused", "kits:often"));
        assert!(often.text.contains("上限") && often.text.contains("事務局"), "{}", often.text);
        super::kits::replace(center, 1, None).await.unwrap();
        center.settle().await;
        assert_eq!(kits(center).await.iter().map(|kit| kit.turn).max(), Some(4));
        // Asked for before the other was withdrawn, confirmed afterwards; and asked for anew.
        let second = REQUEST.replace("0001", "0002");
        let waiting = center.answer(&DR_KOBAYASHI.writes("キット交換", &second)).await;
        let asked = center.answer(&DR_KOBAYASHI.writes("同意撤回", &second)).await;
        center.exchange(&ok(&asked, DR_KOBAYASHI)).await;
        assert_eq!(reason(center).await, "withdrawn");
        for mail in [ok(&waiting, DR_KOBAYASHI), DR_KOBAYASHI.writes("キット交換", &second)] {
            let refused = center.answer(&mail).await;
            assert_eq!((refused.kind.as_str(), reason(center).await.as_str()), ("kit-refused", "kits:withdrawn"));
            assert!(refused.text.contains("撤回") && refused.text.contains("事務局"), "{}", refused.text);
        }
        super::kits::replace(center, 2, None).await.unwrap();
        center.settle().await;
    }
}
