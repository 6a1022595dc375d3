//! A second randomization: asked by mail of subjects who are enrolled, once for each, and proved like the first.

use super::*;

use hagaki::domain::allocation::{HistoryRow, Levels};
use hagaki::domain::fact::FactKind;
use hagaki::domain::language::Language;
use hagaki::domain::receipt::Receipt;
use hagaki::store::{allocation, audit, fact, study};
use hagaki::workflow::import::{self, Line, Source};
use hagaki::workflow::package;
use hagaki::workflow::proof::{self, Verdict};

/// Eight weeks, in seconds.
pub(super) const EIGHT_WEEKS: i64 = 56 * 24 * 3600;

async fn cygnus(center: &Center) {
    center.activate(&samples::cygnus(), Stage::Production).await;
}

/// CYGNUS with one subject of each doctor, eight weeks on.
pub(super) async fn eight_weeks_on(center: &mut Center) {
    cygnus(center).await;
    center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", "201-001"))).await;
    center.exchange(&DR_NOVAK.writes("enroll", &cygnus_form("202", "202-001"))).await;
    center.wind(EIGHT_WEEKS);
}

/// BOREALIS, blinded, with a second randomization between arms that cannot be overlooked in a letter.
pub(super) fn blinded() -> Bundle {
    let bundle = super::enrolling::marked();
    let mut study = bundle.file("study.toml").unwrap().to_owned();
    study.push_str(
        "\n[[allocation]]\nid = \"second\"\ntitle = { ja = \"第二割付\", en = \"second randomization\" }\n\
         file = \"allocation-second.toml\"\ninstrument = \"response\"\nwhen = \"!responder\"\n\
         message = { ja = \"効果のない方が対象です。\", en = \"Only non-responders.\" }\n\
         [[allocation.arms]]\ncode = \"ZQKEEP\"\nname = { ja = \"継続ZQ\", en = \"Keep ZQ\" }\n\
         [[allocation.arms]]\ncode = \"ZQMORE\"\nname = { ja = \"増量ZQ\", en = \"More ZQ\" }\n",
    );
    let bundle = with_file(&bundle, "study.toml", &study);
    let scheme = "method = \"minimization\"\narms = [ { code = \"ZQKEEP\" }, { code = \"ZQMORE\" } ]\n\
                  factors = [ { id = \"site\" }, { id = \"first_arm\" } ]\n\
                  [minimization]\ndistance = \"range\"\nrule = \"best\"\np = \"4/5\"\n";
    let bundle = with_file(&bundle, "allocation-second.toml", scheme);
    let form = "title = { ja = \"効果判定票\", en = \"Response form\" }\n[[items]]\nid = \"responder\"\nkind = \"yesno\"\n\
                label = { ja = \"効果あり\", en = \"Responder\" }\nrequired = true\n";
    let bundle = with_file(&bundle, "instruments/response.toml", form);
    let mut kits = bundle.file("kits.csv").unwrap().to_owned();
    for (code, arm) in [("QXAEV", "ZQKEEP"), ("QMTRB", "ZQMORE"), ("QPLWD", "ZQKEEP"), ("QKUGN", "ZQMORE")] {
        kits.push_str(&format!("{code},{arm}\n"));
    }
    with_file(&bundle, "kits.csv", &kits)
}

/// CYGNUS with a third randomization, whose form shares an item with that of the second.
pub(super) fn three() -> Bundle {
    let section = "[[allocation]]\nid = \"third\"\ntitle = { ja = \"維持割付\", en = \"maintenance randomization\" }\n\
        file = \"allocation-third.toml\"\ninstrument = \"relapse\"\nwhen = \"second_arm == 'ADD' || second_arm == 'SWITCH'\"\n\
        message = { ja = \"第二割付を受けた方が対象です。\", en = \"Only subjects of the second randomization.\" }\n\
        [[allocation.arms]]\ncode = \"STAY\"\nname = { ja = \"継続\", en = \"Stay\" }\n\
        [[allocation.arms]]\ncode = \"STOP\"\nname = { ja = \"中止\", en = \"Stop\" }\n\n[[sites]]";
    let bundle = samples::cygnus();
    let study = bundle.file("study.toml").unwrap().replacen("[[sites]]", section, 1);
    let scheme = "method = \"block\"\narms = [ { code = \"STAY\", ratio = 2 }, { code = \"STOP\" } ]\nstrata = [\"second_arm\"]\n\
                  [block]\nsizes = [3]\n";
    let form = "title = { ja = \"再燃判定票\", en = \"Relapse form\" }\n[[items]]\nid = \"assessed_on\"\nkind = \"date\"\n\
                label = { ja = \"判定日\", en = \"Assessed on\" }\nrequired = true\n[[items]]\nid = \"stable\"\nkind = \"yesno\"\n\
                label = { ja = \"安定\", en = \"Stable\" }\nrequired = true\n";
    let bundle = with_file(&bundle, "study.toml", &study);
    with_file(&with_file(&bundle, "allocation-third.toml", scheme), "instruments/relapse.toml", form)
}

/// The package of CYGNUS as it is now, recomputed by the independent verifier with a text in a file changed.
pub(super) async fn recomputed(center: &Center, changes: &[(&str, &str, &str)]) -> Vec<(i32, serde_json::Value)> {
    let study = facts::Operating::of(center, "cygnus").await.shelved();
    let row = study::find_current(center.store(), "cygnus").await.unwrap().unwrap();
    let package = package::pack(center.store(), &study, &row, true).await.unwrap();
    let all = std::iter::once(None).chain(changes.iter().copied().map(Some));
    all.filter_map(|change| afterwards::verdict(&package, change)).collect()
}

/// That somebody else comes to the same, and so many allocations were recomputed.
pub(super) async fn assert_recomputed(center: &Center, count: usize) {
    for (code, report) in recomputed(center, &[]).await {
        assert_eq!((code, &report["recomputed"]), (0, &serde_json::json!(count)), "{report}");
    }
}

stories! {
    async fn a_non_responder_is_randomized_again(center: &mut Center) {
        eight_weeks_on(center).await;
        let mail = DR_MORI.writes("割付", "症例番号：CYGNUS-0001\n判定日：2027-01-12\n効果あり：いいえ\nISI：２３\n");
        let letters = center.exchange(&mail).await;
        assert_eq!(kinds(&letters), [
            ("notice-randomized-open", CYGNUS_OFFICE),
            ("notice-randomized-open", CYGNUS_STATISTICIAN),
            ("randomized-open", DR_MORI.address),
        ]);
        assert_eq!(reason(center).await, "randomized");
        let [(1, id, arm, None)] = &center.randomized("cygnus").await[..] else { panic!("one") };
        assert_eq!(id, "second");
        let answer = letters.iter().find(|letter| letter.to == DR_MORI.address).unwrap();
        assert_eq!(answer.in_reply_to, mail.message_id);
        assert!(answer.text.contains(&format!("({arm})")) && answer.text.contains("CYGNUS-0001"), "{}", answer.text);
        assert!(!answer.subject.contains(arm.as_str()), "{}", answer.subject);
        // The block at its foot is on both allocations.
        let first = center.arms("cygnus").await.remove(0);
        let receipt = Receipt::parse(&answer.text).unwrap().receipt;
        assert_eq!(format!("{:?}", receipt.told), format!("Arm({first:?})"));
        assert_eq!(receipt.again.len(), 1);
        assert_eq!((receipt.again[0].randomization.as_str(), receipt.again[0].allocation), ("second", 3));
        let status = center.answer(&DR_MORI.writes("照会 CYGNUS-0001", "")).await;
        assert_eq!(status.kind, "status-open");
        assert!(status.text.contains("第二割付") && status.text.contains(&format!("({arm})")), "{}", status.text);
        assert_eq!(Receipt::parse(&status.text).unwrap().receipt, receipt);
    }

    async fn in_english_by_the_sites_own_reference(center: &mut Center) {
        eight_weeks_on(center).await;
        let form = response_form("").replace("subject: \n", "Subject ref: 202-001\n");
        let letters = center.exchange(&DR_NOVAK.writes("randomize", &form)).await;
        let answer = letters.iter().find(|letter| letter.to == DR_NOVAK.address).unwrap();
        assert_eq!((answer.kind.as_str(), answer.subject.as_str()), ("randomized-open", "[CYGNUS] Randomization done, subject CYGNUS-0002"));
    }

    async fn the_same_again_is_one(center: &mut Center) {
        eight_weeks_on(center).await;
        let mail = DR_MORI.writes("randomize", &response_form("CYGNUS-0001"));
        let first = center.exchange(&mail).await.into_iter().find(|letter| letter.to == DR_MORI.address).unwrap();
        // The same mail, delivered again: the same words again.
        let again = center.answer(&mail).await;
        assert_eq!((again.kind.as_str(), reason(center).await.as_str()), ("randomized-open", "same-message"));
        assert_eq!(again.text, first.text);
        // The same request in a mail of its own.
        let anew = center.answer(&mail.anew()).await;
        assert_eq!((anew.kind.as_str(), reason(center).await.as_str()), ("randomized-before-open", "duplicate"));
        // The subject alone, which would ask for the form.
        let asked = center.answer(&DR_MORI.writes("randomize CYGNUS-0001", "")).await;
        assert_eq!(asked.kind, "randomized-before-open");
        // Other data: nothing is changed, and what differs is told.
        let conflict = center.answer(&mail.mended("score: 23", "score: 24")).await;
        assert_eq!((conflict.kind.as_str(), reason(center).await.as_str()), ("randomization-conflict", "conflict"));
        assert!(conflict.text.contains("23") && conflict.text.contains("24"), "{}", conflict.text);
        assert_eq!(center.randomized("cygnus").await.len(), 1);
    }

    async fn a_form_is_sent_and_mended_in_a_reply(center: &mut Center) {
        eight_weeks_on(center).await;
        for (subject, body) in [("form randomization", ""), ("割付用紙", ""), ("randomize", "\n")] {
            let form = center.answer(&DR_MORI.writes(subject, body)).await;
            assert_eq!((form.kind.as_str(), form.text.contains("CYGNUS-0001")), ("randomization-form", true), "{subject}");
        }
        let form = center.answer(&DR_NOVAK.writes("randomize CYGNUS-0002", "")).await;
        assert!(form.text.contains("subject: CYGNUS-0002\n"), "{}", form.text);
        // The answer to the form, filled in where it stands, needs no other subject line.
        let filled = form.text.replace("Assessed on:", "Assessed on: 2027-01-12").replace("Responder:", "Responder: yes");
        let quoted: String = filled.lines().map(|line| format!("> {line}\n")).collect();
        let reply = Mail { subject: format!("Re: {}", form.subject), ..DR_NOVAK.writes("", &quoted) };
        let refused = center.answer(&reply.with(&format!("In-Reply-To: <{}>", form.message_id))).await;
        assert_eq!((refused.kind.as_str(), reason(center).await.as_str()), ("randomization-refused", "missing:isi"));
        // A slip: the form comes back, marked, with the subject in it.
        let faulty = response_form("CYGNUS-0002").replace("score: 23", "score: 230");
        let refused = center.answer(&DR_NOVAK.writes("randomize", &faulty)).await;
        assert_eq!((refused.kind.as_str(), reason(center).await.as_str()), ("randomization-refused", "range:isi"));
        assert!(refused.text.contains("subject: CYGNUS-0002\n") && refused.text.contains("# ▲"), "{}", refused.text);
        // Mended where it stands, in a reply that quotes it.
        let quoted: String = refused.text.replace("230", "23").lines().map(|line| format!("> {line}\n")).collect();
        let reply = DR_NOVAK.writes("", &format!("On Friday, the service wrote:\n{quoted}"));
        let reply = Mail { subject: format!("Re: {}", refused.subject), ..reply }
            .with(&format!("In-Reply-To: <{}>", refused.message_id));
        let letters = center.exchange(&reply).await;
        assert_eq!(reason(center).await, "randomized", "{:?}", letters.first().map(|letter| &letter.text));
    }

    async fn the_condition_decides(center: &mut Center) {
        eight_weeks_on(center).await;
        let responder = response_form("CYGNUS-0001").replace("Responder: no", "Responder: yes");
        let refused = center.answer(&DR_MORI.writes("割付", &responder)).await;
        assert_eq!((refused.kind.as_str(), reason(center).await.as_str()), ("randomization-refused", "condition"));
        assert!(refused.text.contains("登録から 7 週以上"), "{}", refused.text);
        let early = response_form("CYGNUS-0001").replace("2027-01-12", "2026-12-20");
        center.answer(&DR_MORI.writes("割付", &early)).await;
        assert_eq!(reason(center).await, "condition");
        assert!(center.randomized("cygnus").await.is_empty());
        let row = study::find_current(center.store(), "cygnus").await.unwrap().unwrap();
        assert_eq!(row.allocations, 2, "a refused mail consumes no number");
    }

    async fn an_earlier_arm_can_be_the_condition(center: &mut Center) {
        let condition = "!responder && days_between(enrolled_on, assessed_on) >= 49";
        let bundle = edited(&samples::cygnus(), "study.toml", condition, "first_arm == 'MED' && !responder");
        center.activate(&bundle, Stage::Production).await;
        for number in 1..=8 {
            center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", &format!("201-{number:03}")))).await;
        }
        center.wind(EIGHT_WEEKS);
        for (number, arm) in (1..).zip(center.arms("cygnus").await) {
            center.exchange(&DR_MORI.writes("割付", &response_form(&format!("CYGNUS-{number:04}")))).await;
            assert_eq!(reason(center).await, if arm == "MED" { "randomized" } else { "condition" });
        }
    }

    async fn whoever_is_out_is_randomized_no_more(center: &mut Center) {
        eight_weeks_on(center).await;
        let asked = center.answer(&DR_MORI.writes("同意撤回", "症例番号: CYGNUS-0001\n理由: 転居\n")).await;
        center.exchange(&DR_MORI.writes("", "OK\n").to(&asked.reply_to)).await;
        let refused = center.answer(&DR_MORI.writes("割付", &response_form("CYGNUS-0001"))).await;
        assert_eq!((refused.kind.as_str(), reason(center).await.as_str()), ("randomization-refused", "subject-withdrawn"));
        assert!(!refused.text.contains("ここから"), "sending the form again cannot help: {}", refused.text);
        // A subject of another site is none to the sender.
        let foreign = center.answer(&DR_MORI.writes("割付", &response_form("CYGNUS-0002"))).await;
        assert_eq!(foreign.kind, "status-unknown");
        let nobody = Writer { address: CYGNUS_STATISTICIAN, study: "cygnus" };
        let barred = center.answer(&nobody.writes("randomize", &response_form("CYGNUS-0002"))).await;
        assert_eq!(barred.kind, "not-entitled");
        assert!(center.randomized("cygnus").await.is_empty());
    }

    async fn an_unusual_value_is_asked_about(center: &mut Center) {
        eight_weeks_on(center).await;
        let mild = response_form("CYGNUS-0002").replace("score: 23", "score: 5");
        let asked = center.answer(&DR_NOVAK.writes("randomize", &mild)).await;
        assert_eq!((asked.kind.as_str(), reason(center).await.as_str()), ("randomization-confirm", "to-confirm"));
        let unclear = center.answer(&DR_NOVAK.writes("", "Hm, let me think.\n").to(&asked.reply_to)).await;
        assert_eq!(unclear.kind, "randomization-confirm");
        let yes = DR_NOVAK.writes("", "OK\n").to(&asked.reply_to);
        let letters = center.exchange(&yes).await;
        assert!(kinds(&letters).contains(&("randomized-open", DR_NOVAK.address)));
        // The reply once more: told, and not done again.
        assert_eq!(center.answer(&yes.anew()).await.kind, "randomized-before-open");
        assert_eq!(center.randomized("cygnus").await.len(), 1);
    }

    async fn a_cap_is_its_own(center: &mut Center) {
        let bundle = edited(&samples::cygnus(), "allocation-second.toml", "total = 60", "total = 1");
        center.activate(&bundle, Stage::Production).await;
        center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", "201-001"))).await;
        center.exchange(&DR_NOVAK.writes("enroll", &cygnus_form("202", "202-001"))).await;
        center.wind(EIGHT_WEEKS);
        // Both in one batch: one place, one gets it.
        center.deliver(&DR_MORI.writes("割付", &response_form("CYGNUS-0001")));
        center.deliver(&DR_NOVAK.writes("randomize", &response_form("CYGNUS-0002")));
        let letters = center.settle().await;
        let answers: Vec<&str> = kinds(&letters)
            .into_iter()
            .filter(|(_, to)| [DR_MORI.address, DR_NOVAK.address].contains(to))
            .map(|(kind, _)| kind)
            .collect();
        assert_eq!(answers.iter().filter(|kind| **kind == "randomized-open").count(), 1, "{answers:?}");
        assert_eq!(answers.iter().filter(|kind| **kind == "randomization-refused").count(), 1, "{answers:?}");
        // Enrolling goes on.
        center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", "201-002"))).await;
        assert_eq!(reason(center).await, "enrolled");
    }

    async fn a_registration_under_that_word_is_a_registration(center: &mut Center) {
        cygnus(center).await;
        center.exchange(&DR_MORI.writes("割付", &cygnus_form("201", "201-001"))).await;
        assert_eq!(reason(center).await, "enrolled");
        // Both forms in one mail could mean either.
        let both = format!("{}{}", cygnus_form("201", "201-002"), response_form("CYGNUS-0001"));
        center.exchange(&DR_MORI.writes("割付", &both)).await;
        assert_eq!(reason(center).await, "other-request");
        // In a study that randomizes once, the word is one for enrolling.
        aurora(center).await;
        center.exchange(&DR_YAMADA.writes("割付", &aurora_form("011", "Y-0031"))).await;
        assert_eq!(reason(center).await, "enrolled");
    }

    async fn help_and_balance_tell_of_it(center: &mut Center) {
        eight_weeks_on(center).await;
        center.attend().await;
        center.exchange(&DR_MORI.writes("割付", &response_form("CYGNUS-0001"))).await;
        let help = center.answer(&DR_MORI.writes("ヘルプ", "")).await;
        assert!(help.text.contains("[CYGNUS] 割付") && help.text.contains("第二割付（second）"), "{}", help.text);
        let balance = center.answer(&Writer { address: CYGNUS_STATISTICIAN, study: "cygnus" }.writes("balance", "")).await;
        assert!(balance.text.contains("Subjects allocated: 2"), "{}", balance.text);
        assert!(balance.text.contains("second randomization\nSubjects allocated: 1"), "{}", balance.text);
        center.dawn().await;
        let digest = center.settle().await;
        let digest = digest.iter().find(|letter| letter.kind == "digest-unblinded").unwrap();
        assert!(digest.text.contains("Allocated  2\nsecond randomization  1"), "{}", digest.text);
    }

    async fn a_correction_counts_in_each_allocation_as_declared(center: &mut Center) {
        let bundle = edited(&samples::cygnus(), "allocation-second.toml", "method = \"minimization\"\n",
            "method = \"minimization\"\ncorrections = \"corrected\"\n");
        let bundle = edited(&bundle, "allocation-second.toml", "{ id = \"severity\", levels = [\"moderate\", \"severe\"], weight = 1 }",
            "{ id = \"sex\" }");
        center.activate(&bundle, Stage::Production).await;
        for number in 1..=4 {
            center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", &format!("201-{number:03}")))).await;
        }
        center.wind(EIGHT_WEEKS);
        for number in 1..=2 {
            center.exchange(&DR_MORI.writes("割付", &response_form(&format!("CYGNUS-{number:04}")))).await;
        }
        let asked = center.answer(&DR_MORI.writes("訂正", "症例番号: CYGNUS-0001\n理由: 誤記\n性別: 男\n")).await;
        center.exchange(&DR_MORI.writes("", "OK\n").to(&asked.reply_to)).await;
        let row = study::find_current(center.store(), "cygnus").await.unwrap().unwrap();
        let [known] = &fact::list(center.store(), row.id, 0, 10).await.unwrap()[..] else { panic!("one fact") };
        assert_eq!((known.kind, known.levels.is_some(), known.further.is_some()), (FactKind::WrongStratum, false, true));
        // Later decisions count so, whether the state was kept or is built from the journal.
        center.exchange(&DR_MORI.writes("割付", &response_form("CYGNUS-0003"))).await;
        center.kill_and_restart().await;
        center.wind(LEASE + 1);
        center.exchange(&DR_MORI.writes("割付", &response_form("CYGNUS-0004"))).await;
        // What was corrected before is what the decision looks at.
        let asked = center.answer(&DR_NOVAK.writes("enroll", &cygnus_form("202", "202-001"))).await;
        assert_eq!(asked.kind, "assignment-open");
        assert_recomputed(center, 9).await;
        let told = recomputed(center, &[("recounts.jsonl", "\"allocation\":5", "\"allocation\":6")]).await;
        for (code, report) in &told[told.len().min(1)..] {
            assert_eq!((code, &report["what"]), (&1, &serde_json::json!("recount")), "{report}");
        }
    }

    async fn a_randomization_is_added_by_amendment(center: &mut Center) {
        let mut files = samples::cygnus().files().clone();
        let study = files.get_mut("study.toml").unwrap();
        let (begin, end) = (study.find("[[allocation]]").unwrap(), study.find("[[sites]]").unwrap());
        study.replace_range(begin..end, "");
        files.remove("allocation-second.toml");
        center.activate(&Bundle::from_files(files), Stage::Production).await;
        center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", "201-001"))).await;
        center.wind(EIGHT_WEEKS);
        let act = center.act("protocol 2.0");
        let (_, changes) = center.foresee(&samples::cygnus(), act).await.unwrap();
        assert!(changes.contains(&"allocation second: new; it begins without subjects".to_owned()), "{changes:?}");
        center.amend(&samples::cygnus(), act).await.unwrap();
        center.exchange(&DR_MORI.writes("割付", &response_form("CYGNUS-0001"))).await;
        assert_eq!(reason(center).await, "randomized");
        // Its scheme can be amended too, and is followed; it cannot be taken away.
        let second = edited(&samples::cygnus(), "allocation-second.toml", "p = \"4/5\"", "p = \"9/10\"");
        center.amend(&second, act).await.unwrap();
        center.exchange(&DR_NOVAK.writes("enroll", &cygnus_form("202", "202-001"))).await;
        center.wind(EIGHT_WEEKS);
        let later = response_form("CYGNUS-0002").replace("2027-01-12", "2027-03-08");
        center.exchange(&DR_NOVAK.writes("randomize", &later)).await;
        assert_eq!(reason(center).await, "randomized");
        assert_recomputed(center, 4).await;
        let full = edited(&second, "allocation-second.toml", "total = 60", "total = 2");
        let (_, changes) = center.foresee(&full, act).await.unwrap();
        assert_eq!(changes[0], "at once: allocation second: 2 are enrolled and the cap in all is 2: nobody more is taken");
        let mut files = second.files().clone();
        let study = files.get_mut("study.toml").unwrap();
        let (begin, end) = (study.find("[[allocation]]").unwrap(), study.find("[[sites]]").unwrap());
        study.replace_range(begin..end, "");
        let without = Bundle::from_files(files);
        let refused = center.amend(&without, act).await.unwrap_err().to_string();
        assert!(refused.contains("id = \"second\" is gone"), "{refused}");
    }

    async fn a_blinded_study_tells_codes_alone(center: &mut Center) {
        center.activate(&blinded(), Stage::Production).await;
        center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"))).await;
        center.exchange(&DR_LARSEN.writes("enroll", &borealis_form("103", "103-001"))).await;
        let letters = center.exchange(&DR_KOBAYASHI.writes("割付", "症例番号: BOREALIS-0001\n効果あり: いいえ\n")).await;
        assert_eq!(kinds(&letters), [
            ("notice-randomized-blind", OFFICE),
            ("notice-randomized-unblinded", PHARMACY),
            ("notice-randomized-unblinded", BLIND_STATISTICIAN),
            ("randomized-blinded", DR_KOBAYASHI.address),
        ]);
        let [(1, _, arm, Some(kit))] = &center.randomized("borealis").await[..] else { panic!("one, with a kit") };
        let answer = letters.iter().find(|letter| letter.to == DR_KOBAYASHI.address).unwrap();
        assert!(answer.text.contains(kit.as_str()), "{}", answer.text);
        let receipt = Receipt::parse(&answer.text).unwrap().receipt;
        assert_eq!(format!("{:?}", receipt.again[0].told), format!("Code({kit:?})"));
        let refused = center.answer(&DR_LARSEN.writes("randomize", "subject: BOREALIS-0002\nResponder: yes\n")).await;
        assert_eq!(refused.kind, "randomization-refused");
        let status = center.answer(&DR_KOBAYASHI.writes("照会 BOREALIS-0001", "")).await;
        assert!(status.text.contains(kit.as_str()), "{}", status.text);
        // Another kit: which of the two is meant must be said.
        let vague = center.answer(&DR_KOBAYASHI.writes("キット交換", "症例番号: BOREALIS-0001\n理由: 破損\n")).await;
        assert_eq!((vague.kind.as_str(), reason(center).await.as_str()), ("deed-form", "lacking:which-kit"));
        let row = study::find_current(center.store(), "borealis").await.unwrap().unwrap();
        let first = allocation::journal(center.store(), row.id, 0).await.unwrap().remove(0).kit.unwrap();
        assert!(vague.text.contains(kit.as_str()) && vague.text.contains(&first), "{}", vague.text);
        let asked = center.answer(&DR_KOBAYASHI.writes("キット交換", &format!("キット: {kit}\n理由: 破損\n"))).await;
        assert_eq!(asked.kind, "deed-confirm");
        let letters = center.exchange(&DR_KOBAYASHI.writes("", "OK\n").to(&asked.reply_to)).await;
        let replaced = letters.iter().find(|letter| letter.kind == "kit-replaced").unwrap();
        assert!(replaced.text.contains(kit.as_str()), "{}", replaced.text);
        let status = center.answer(&DR_KOBAYASHI.writes("照会 BOREALIS-0001", "")).await;
        assert!(!status.text.contains(kit.as_str()), "the kit it has now is told: {}", status.text);
        // Opened for whoever may ask: both arms.
        let asked = center.answer(&DR_KOBAYASHI.writes("開鍵", "症例番号: BOREALIS-0001\n理由: ショック\n")).await;
        let letters = center.exchange(&DR_KOBAYASHI.writes("", "OK\n").to(&asked.reply_to)).await;
        let opened = letters.iter().find(|letter| letter.kind == "unblinded").unwrap();
        assert!(opened.text.contains(arm.as_str()), "{}", opened.text);
        let told = ["unblinded", "notice-unblinded", "notice-randomized-unblinded", "kit-replaced-unblinded", "kits-short-unblinded"];
        for letter in center.all_letters().await {
            if !told.contains(&letter.kind.as_str()) {
                // Two letters may stand in what is encoded by chance; a code or a name does not.
                for arm in defined(&blinded()).every_arm() {
                    let names = [Language::Ja, Language::En].map(|language| arm.name.in_language(language).to_owned());
                    let told = names.iter().chain([&arm.code]).find(|word| letter.everything.contains(word.as_str()));
                    assert_eq!(told, None, "{} to {}: {}", letter.kind, letter.to, letter.everything);
                }
                assert!(!letter.text.contains("ZQ") && !letter.subject.contains("ZQ"), "{}", letter.text);
            }
        }
    }

    async fn of_several_randomizations_each_is_its_own(center: &mut Center) {
        center.activate(&three(), Stage::Production).await;
        for number in 1..=6 {
            center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", &format!("201-{number:03}")))).await;
        }
        center.wind(EIGHT_WEEKS);
        let third = |subject: &str| format!("subject: {subject}\nAssessed on: 2027-01-12\nStable: yes\n");
        // Not before the second, whose arm its stratum is.
        center.exchange(&DR_MORI.writes("randomize third", &third("CYGNUS-0001"))).await;
        assert_ne!(reason(center).await, "randomized");
        for number in 1..=6 {
            let subject = format!("CYGNUS-{number:04}");
            // Told by the subject line, by a line of the text, by the title, or by the only form that the lines fit.
            let second = match number {
                1 => DR_MORI.writes("randomize second", &response_form(&subject)),
                2 => DR_MORI.writes("randomize", &format!("randomization: second\n{}", response_form(&subject))),
                3 => DR_MORI.writes("割付", &format!("割付：第二割付\n{}", response_form(&subject))),
                _ => DR_MORI.writes("第二割付", &response_form(&subject)),
            };
            center.exchange(&second).await;
            assert_eq!(reason(center).await, "randomized", "{number}");
            let own = match number {
                1 => DR_MORI.writes("randomize third", &third(&subject)),
                2 => DR_MORI.writes("割付", &format!("割付: 維持割付\n{}", third(&subject))),
                _ => DR_MORI.writes("randomize", &format!("Randomization: third\n{}", third(&subject))),
            };
            center.exchange(&own).await;
            assert_eq!(reason(center).await, "randomized", "{number}");
        }
        let given = center.randomized("cygnus").await;
        let of = |id: &str| given.iter().filter(|(_, own, ..)| own == id).map(|(_, _, arm, _)| arm.clone()).collect::<Vec<_>>();
        assert_eq!((of("second").len(), of("third").len()), (6, 6));
        assert!(of("third").iter().all(|arm| arm == "STAY" || arm == "STOP"));
        center.assert_proved().await;
        assert_recomputed(center, 18).await;
        let status = center.answer(&DR_MORI.writes("照会 CYGNUS-0001", "")).await;
        assert!(status.text.contains("第二割付") && status.text.contains("維持割付"), "{}", status.text);
    }

    async fn what_was_typed_is_kept_where_it_is_not_said_for_which(center: &mut Center) {
        center.activate(&three(), Stage::Production).await;
        center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", "201-001"))).await;
        center.wind(EIGHT_WEEKS);
        // Both forms ask for the day: nothing tells which is meant, and what was typed comes back where it fits best.
        let asked = center.answer(&DR_MORI.writes("割付", &response_form("CYGNUS-0001"))).await;
        assert_eq!((asked.kind.as_str(), reason(center).await.as_str()), ("randomization-form", "lacking:randomization"));
        for line in ["症例番号: CYGNUS-0001\n", "割付: second\n", ": 23\n", ": 2027-01-12\n", "  third　維持割付\n"] {
            assert!(asked.text.contains(line), "{line}: {}", asked.text);
        }
        // Sent back as it is, it is done.
        let quoted: String = asked.text.lines().map(|line| format!("> {line}\n")).collect();
        let reply = Mail { subject: format!("Re: {}", asked.subject), ..DR_MORI.writes("", &quoted) };
        center.exchange(&reply.with(&format!("In-Reply-To: <{}>", asked.message_id))).await;
        assert_eq!(reason(center).await, "randomized");
        // Two that contradict each other are asked about as well; nothing typed, the names are listed.
        let both = format!("randomization: third\n{}", response_form("CYGNUS-0001"));
        let asked = center.answer(&DR_MORI.writes("randomize second", &both)).await;
        assert_eq!(reason(center).await, "lacking:randomization");
        assert!(asked.text.contains("23"), "{}", asked.text);
        let asked = center.answer(&DR_MORI.writes("randomize", "subject: CYGNUS-0001\n")).await;
        assert_eq!(reason(center).await, "lacking:randomization");
        assert!(asked.text.contains("randomization: second") || asked.text.contains("割付: second"), "{}", asked.text);
        assert_eq!(center.randomized("cygnus").await.len(), 1);
    }

    async fn a_history_from_elsewhere_goes_on_to_its_second_stage(center: &mut Center) {
        cygnus(center).await;
        let here = facts::Operating::of(center, "cygnus").await.shelved();
        let line = |number: u64, arm: &str, at: Option<&str>| Line {
            number,
            subject: format!("201-{number:03}"),
            site: None,
            kit: None,
            at: at.map(str::to_owned),
            row: HistoryRow {
                levels: Levels::from([("site".to_owned(), "201".to_owned())]),
                arm: arm.to_owned(),
                slot: None,
                block_size: Some(4),
                by_hand: false,
            },
            answers: Default::default(),
        };
        let lines = [line(1, "CBT", Some("2026-09-01")), line(2, "MED", Some("2026-09-02T10:00:00+09:00")), line(3, "MED", None)];
        let act = center.act("moved");
        let history = import::fit(&here, here.study.scheme.as_ref().unwrap(), import::OnFile::default(), &lines, act.at).unwrap();
        let source = Source { name: "old.csv", digest: "ab" };
        import::import(center.store(), &here, &history, source, act, &*center.dice).await.unwrap();
        // The condition counts from the day of the allocation there; where it is not known, from that of the import.
        for (subject, expected) in [("CYGNUS-0001", "randomized"), ("CYGNUS-0002", "randomized"), ("CYGNUS-0003", "condition")] {
            let form = response_form(subject).replace("2027-01-12", "2026-11-18");
            center.exchange(&DR_MORI.writes("割付", &form)).await;
            assert_eq!(reason(center).await, expected, "{subject}");
        }
        let status = center.answer(&DR_MORI.writes("照会 CYGNUS-0001", "")).await;
        assert!(status.text.contains("割付日時　　2026-09-01\n"), "{}", status.text);
        let status = center.answer(&DR_MORI.writes("照会 CYGNUS-0002", "")).await;
        assert!(status.text.contains("割付日時　　2026-09-02 10:00 +09:00\n"), "{}", status.text);
        center.assert_proved().await;
        assert_recomputed(center, 2).await;
    }

    async fn what_was_typed_decides_nothing(center: &mut Center) {
        let bundle = edited(&samples::cygnus(), "allocation-second.toml",
            "{ id = \"severity\", levels = [\"moderate\", \"severe\"], weight = 1 }", "{ id = \"sex\" }");
        center.activate(&bundle, Stage::Production).await;
        center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", "201-001"))).await;
        center.wind(EIGHT_WEEKS);
        center.world.tamper("UPDATE subject SET typed = replace(typed, '女', '男')").await;
        center.exchange(&DR_MORI.writes("割付", &response_form("CYGNUS-0001"))).await;
        assert_eq!(reason(center).await, "randomized");
        let row = study::find_current(center.store(), "cygnus").await.unwrap().unwrap();
        let journal = allocation::journal(center.store(), row.id, 0).await.unwrap();
        assert!(journal[1].levels.contains("\"sex\":\"F\""), "{}", journal[1].levels);
        center.assert_proved().await;
    }

    async fn a_later_arm_is_opened_by_itself(center: &mut Center) {
        center.activate(&blinded(), Stage::Production).await;
        center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"))).await;
        let request = DR_KOBAYASHI.writes("開鍵", "症例番号: BOREALIS-0001\n理由: ショック\n");
        let asked = center.answer(&request).await;
        center.exchange(&DR_KOBAYASHI.writes("", "OK\n").to(&asked.reply_to)).await;
        assert_eq!(reason(center).await, "unblinded");
        center.exchange(&DR_KOBAYASHI.writes("割付", "症例番号: BOREALIS-0001\n効果あり: いいえ\n")).await;
        let (_, _, arm, _) = center.randomized("borealis").await.remove(0);
        // What was told before is not the later arm: it is asked for, recorded and told of like the first.
        let asked = center.answer(&request.anew()).await;
        assert_eq!(asked.kind, "deed-confirm");
        assert!(!asked.everything.contains(&arm), "{}", asked.text);
        let yes = DR_KOBAYASHI.writes("", "OK\n").to(&asked.reply_to);
        let letters = center.exchange(&yes).await;
        assert_eq!(kinds(&letters), [("unblinded", DR_KOBAYASHI.address), ("unblinding-notice", OFFICE)]);
        assert!(letters[0].text.contains(&arm), "{}", letters[0].text);
        // And once it was told, a look is a look.
        for mail in [yes.anew(), request.anew()] {
            assert_eq!(kinds(&center.exchange(&mail).await), [("unblinded", DR_KOBAYASHI.address)]);
        }
        let row = study::find_current(center.store(), "borealis").await.unwrap().unwrap();
        let known = fact::list(center.store(), row.id, 0, 10).await.unwrap();
        assert_eq!(known.iter().map(|fact| (fact.kind, fact.after_allocation)).collect::<Vec<_>>(), [
            (FactKind::Unblinded, 1),
            (FactKind::Unblinded, 2),
        ]);
    }

    async fn somebody_screened_again_is_randomized_again_and_somebody_else_recomputes_it(center: &mut Center) {
        let rules = "unique_within = \"site\"\nrescreening = [\"withdrawn\"]\nrescreenings = 1";
        center.activate(&edited(&samples::cygnus(), "study.toml", "unique_within = \"site\"", rules), Stage::Production).await;
        center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", "201-001"))).await;
        let asked = center.answer(&DR_MORI.writes("同意撤回", "症例番号: CYGNUS-0001\n理由: 転居\n")).await;
        center.exchange(&DR_MORI.writes("", "OK\n").to(&asked.reply_to)).await;
        super::rescreening::consent(center, "CYGNUS-0001", "cygnus-stat").await.unwrap();
        let again = format!("{}再登録元: CYGNUS-0001\n", cygnus_form("201", "201-001"));
        center.exchange(&DR_MORI.writes("登録", &again)).await;
        assert_eq!(reason(center).await, "enrolled");
        center.wind(EIGHT_WEEKS);
        center.exchange(&DR_MORI.writes("割付", &response_form("CYGNUS-0002"))).await;
        assert_eq!(reason(center).await, "randomized");
        center.assert_proved().await;
        assert_recomputed(center, 3).await;
        let told = recomputed(center, &[("journal.jsonl", "\"rescreens\":1,", "")]).await;
        for (code, report) in told.iter().skip(1) {
            assert_eq!((code, &report["what"]), (&1, &serde_json::json!("rescreens")), "{report}");
        }
    }

    async fn the_shortage_of_one_arm_refuses_everybody(center: &mut Center) {
        let bundle = blinded();
        let kits = bundle.file("kits.csv").unwrap().replace("QMTRB,ZQMORE\n", "").replace("QKUGN,ZQMORE\n", "");
        center.activate(&with_file(&bundle, "kits.csv", &format!("{kits}QMTRB,ZQMORE\n")), Stage::Production).await;
        for number in 1..=3 {
            center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", &format!("101-{number:03}")))).await;
        }
        let mut reasons = Vec::new();
        for number in 1..=3 {
            let form = format!("症例番号: BOREALIS-{number:04}\n効果あり: いいえ\n");
            center.exchange(&DR_KOBAYASHI.writes("割付", &form)).await;
            reasons.push(reason(center).await);
        }
        let given = center.randomized("borealis").await;
        assert!(reasons.iter().any(|reason| reason == "no-kits"), "{reasons:?}");
        assert_eq!(given.len(), reasons.iter().filter(|reason| *reason == "randomized").count());
        // Enrolling needs no kit of the second allocation.
        center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-009"))).await;
        assert_eq!(reason(center).await, "enrolled");
    }

    async fn what_was_changed_behind_the_chain_is_found(center: &mut Center) {
        eight_weeks_on(center).await;
        center.exchange(&DR_MORI.writes("割付", &response_form("CYGNUS-0001"))).await;
        center.exchange(&DR_NOVAK.writes("randomize", &response_form("CYGNUS-0002"))).await;
        let study = facts::Operating::of(center, "cygnus").await.shelved();
        let proved = |verdict: &Verdict| matches!(verdict, Verdict::Proved(4));
        assert!(proved(&proof::verify(center.store(), &study).await.unwrap()));
        let world = &center.world;
        for (change, back, what) in [
            (
                "UPDATE randomization SET person = 'somebody' WHERE allocation_number = 4",
                "UPDATE randomization SET person = 'novak' WHERE allocation_number = 4",
                "request",
            ),
            (
                "UPDATE allocation SET randomization = 'third' WHERE number = 4",
                "UPDATE allocation SET randomization = 'second' WHERE number = 4",
                "randomization",
            ),
        ] {
            world.tamper(change).await;
            let verdict = proof::verify(center.store(), &study).await.unwrap();
            assert!(matches!(&verdict, Verdict::Untold(found) if found.what.key() == what), "{change}: {verdict:?}");
            world.tamper(back).await;
        }
        let arm = center.randomized("cygnus").await[0].2.clone();
        let other = if arm == "ADD" { "SWITCH" } else { "ADD" };
        world.tamper(&format!("UPDATE allocation SET arm = '{other}' WHERE number = 3")).await;
        let verdict = proof::verify(center.store(), &study).await.unwrap();
        assert!(matches!(&verdict, Verdict::Differs(found) if found.number == 3), "{verdict:?}");
        world.tamper(&format!("UPDATE allocation SET arm = '{arm}' WHERE number = 3")).await;
        assert!(proved(&proof::verify(center.store(), &study).await.unwrap()));
        let row = study::find_current(center.store(), "cygnus").await.unwrap().unwrap();
        let entries = audit::list(center.store(), row.id, 0, 100).await.unwrap();
        assert_eq!(entries.iter().filter(|entry| entry.action == "randomize").count(), 2);
        // Somebody else's program finds it too: another allocation's scheme, another subject's earlier arm, another file.
        assert_recomputed(center, 4).await;
        let first = center.arms("cygnus").await.remove(0);
        let (own, another) = (format!("\"first_arm\":\"{first}\""), if first == "CBT" { "MED" } else { "CBT" });
        let changes = [
            ("journal.jsonl", "\"randomization\":\"second\"", "\"randomization\":\"first\"", "record"),
            ("journal.jsonl", &own, &format!("\"first_arm\":\"{another}\""), "record"),
            ("package.json", "allocation-second.toml", "allocation.toml", "bundle version 1"),
            ("bundle-1/allocation-second.toml", "4/5", "3/4", "bundle version 1"),
            ("package.json", "bundle-1/allocation.toml", "x1/allocation.toml", "bundle version 1"),
            ("package.json", "bundle-1/allocation-second.toml", "bundle-1/../bundle-1/allocation-second.toml", "bundle version 1"),
            ("chain.jsonl", "\\\"randomization\\\":\\\"second\\\"", "\\\"randomization\\\":\\\"third\\\"", "chain entry 4"),
        ];
        let untold: Vec<_> = changes.iter().map(|(file, from, to, _)| (*file, *from, *to)).collect();
        let told = recomputed(center, &untold).await;
        for ((_, _, _, what), (code, report)) in changes.iter().zip(told.iter().skip(1)) {
            assert_eq!((code, &report["what"]), (&1, &serde_json::json!(what)), "{report}");
        }
    }
}
