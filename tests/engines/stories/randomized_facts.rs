//! What becomes known of a second randomization: wrong answers to its form, and that it should not have been; each counted as its own
//! file declares, and proved.

use hagaki::domain::fact::FactKind;
use hagaki::store::fact::FactRow;
use hagaki::store::{fact, study};
use hagaki::workflow::command::{self, CommandError, Disclosed, Order};
use hagaki::workflow::proof::{self, Verdict};
use hagaki::workflow::told::What;
use hagaki::workflow::unblind::Broken;

use super::facts::{Operating, ok};
use super::randomizing::{EIGHT_WEEKS, assert_recomputed, blinded, recomputed, three};
use super::*;

/// CYGNUS whose second allocation declares how it counts.
fn declaring(declared: &str) -> Bundle {
    let method = "method = \"minimization\"\n";
    edited(&samples::cygnus(), "allocation-second.toml", method, &format!("{method}{declared}\n"))
}

/// So many subjects of one doctor, eight weeks on, the first of them randomized again.
async fn randomized(center: &mut Center, bundle: &Bundle, subjects: u32, again: u32) {
    center.activate(bundle, Stage::Production).await;
    for number in 1..=subjects {
        center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", &format!("201-{number:03}")))).await;
    }
    center.wind(EIGHT_WEEKS);
    for number in 1..=again {
        once_more(center, number).await;
    }
}

async fn once_more(center: &mut Center, number: u32) {
    center.exchange(&DR_MORI.writes("割付", &response_form(&format!("CYGNUS-{number:04}")))).await;
    assert_eq!(reason(center).await, "randomized", "{number}");
}

async fn known(center: &Center, slug: &str) -> Vec<FactRow> {
    let row = study::find_current(center.store(), slug).await.unwrap().unwrap();
    fact::list(center.store(), row.id, 0, 1_000).await.unwrap()
}

/// Asks for a correction and confirms it; the letter that asked to confirm.
async fn correct(center: &mut Center, lines: &str) -> Received {
    let asked = center.answer(&DR_MORI.writes("訂正", &format!("症例番号: CYGNUS-0001\n{lines}"))).await;
    assert_eq!(asked.kind, "deed-confirm", "{}", asked.text);
    center.exchange(&ok(&asked, DR_MORI)).await;
    asked
}

stories! {
    async fn a_corrected_site_counts_against_its_own_cap(center: &mut Center) {
        let bundle = edited(&samples::cygnus(), "allocation-second.toml", "total = 60", "total = 60\nsites = { 202 = 1 }");
        center.activate(&bundle, Stage::Production).await;
        center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", "201-001"))).await;
        center.exchange(&DR_NOVAK.writes("enroll", "Site: 202\nSubject ref: 202-001\nAge: 50\nSex: M\n")).await;
        center.wind(EIGHT_WEEKS);
        center.exchange(&DR_NOVAK.writes("randomize", &response_form("CYGNUS-0002"))).await;
        assert_eq!(reason(center).await, "randomized");
        // It is allocated by the site that it is known to be of, and that one is full.
        correct(center, "理由: 転記の誤り\n施設コード: 202\n").await;
        center.exchange(&DR_MORI.writes("割付", &response_form("CYGNUS-0001"))).await;
        assert_eq!(reason(center).await, "randomization-site-full");
    }

    async fn answers_to_the_form_of_a_second_randomization_are_corrected(center: &mut Center) {
        randomized(center, &declaring("corrections = \"corrected\""), 5, 2).await;
        let request = "理由: 転記の誤り\nISI: １２\n";
        let asked = correct(center, request).await;
        assert_eq!(reason(center).await, "wrong-stratum");
        for part in ["第二割付", "不眠重症度スコア", "「23」", "「12」", "重症度"] {
            assert!(asked.text.contains(part), "{part}: {}", asked.text);
        }
        let first = known(center, "cygnus").await.remove(0);
        assert_eq!((first.kind, first.levels, first.randomization), (FactKind::WrongStratum, None, None));
        assert_eq!(first.changes, r#"{"second.isi":"12","second.severity":"moderate"}"#);
        assert!(first.further.unwrap().contains(r#""severity":"moderate""#));
        // The same again, in any way, is one.
        let again = DR_MORI.writes("訂正", &format!("症例番号: CYGNUS-0001\n{request}"));
        for mail in [ok(&asked, DR_MORI), again.anew()] {
            assert_eq!(center.answer(&mail).await.kind, "fact-done");
            assert_eq!(reason(center).await, "noted-before");
        }
        // What the form does not take is told, and what stands in no form.
        for (lines, told) in [("理由: 誤記\nISI: 99\n", "range:isi"), ("理由: 誤記\n", "lacking:changes")] {
            let refused = center.answer(&DR_MORI.writes("訂正", &format!("症例番号: CYGNUS-0001\n{lines}"))).await;
            assert_eq!((refused.kind.as_str(), reason(center).await.as_str()), ("deed-form", told));
        }
        let none = center.answer(&DR_MORI.writes("訂正", "症例番号: CYGNUS-0003\n理由: 誤記\nISI: 9\n")).await;
        assert_eq!((none.kind.as_str(), reason(center).await.as_str()), ("deed-form", "not-there:isi"));
        assert!(none.text.contains("第二割付") && none.text.contains("行われていません"), "{}", none.text);
        // Another item since: what was corrected before stays so.
        correct(center, "理由: 誤記\n性別: 男\n").await;
        assert_eq!(reason(center).await, "corrected");
        let second = known(center, "cygnus").await.remove(1);
        assert_eq!((second.changes.as_str(), second.further), (r#"{"sex":"M"}"#, None));
        once_more(center, 3).await;
        // Corrected back, it counts where it was.
        correct(center, "理由: 訂正の誤り\nISI: 23\n").await;
        assert_eq!(reason(center).await, "wrong-stratum");
        center.kill_and_restart().await;
        center.wind(LEASE + 1);
        once_more(center, 4).await;
        center.assert_proved().await;
        assert_recomputed(center, 9).await;
        let told = recomputed(center, &[("recounts.jsonl", "moderate", "severe")]).await;
        for (code, report) in &told[told.len().min(1)..] {
            assert_eq!((code, &report["what"]), (&1, &serde_json::json!("recount")), "{report}");
        }
    }

    async fn what_an_earlier_epoch_looked_at_moves_nothing_any_more(center: &mut Center) {
        let bundle = declaring("corrections = \"corrected\"");
        randomized(center, &bundle, 4, 2).await;
        // As many factors as before, but others.
        let severity = "{ id = \"severity\", levels = [\"moderate\", \"severe\"], weight = 1 }";
        let later = edited(&bundle, "allocation-second.toml", severity, "{ id = \"sex\", weight = 1 }");
        let later = edited(&later, "allocation-second.toml", "corrections =", "epoch = 2\ncorrections =");
        center.amend(&later, center.act("protocol 2.0")).await.unwrap();
        correct(center, "理由: 転記の誤り\nISI: 12\n").await;
        assert_eq!(reason(center).await, "corrected");
        let only = known(center, "cygnus").await.remove(0);
        assert_eq!((only.kind, only.further), (FactKind::Corrected, None));
        // The study goes on, whether its state was kept or is built from the journal.
        once_more(center, 3).await;
        center.kill_and_restart().await;
        center.wind(LEASE + 1);
        once_more(center, 4).await;
        center.assert_proved().await;
        assert_recomputed(center, 8).await;
    }

    async fn as_declared_original_answers_count_on(center: &mut Center) {
        randomized(center, &samples::cygnus(), 3, 1).await;
        correct(center, "理由: 誤記\nISI: 12\n年齢: 61\n").await;
        let only = known(center, "cygnus").await.remove(0);
        assert_eq!(only.changes, r#"{"age":"61","second.isi":"12","second.severity":"moderate"}"#);
        for number in 2..=3 {
            once_more(center, number).await;
        }
        center.assert_proved().await;
        assert_recomputed(center, 6).await;
    }

    async fn an_item_of_two_forms_is_not_guessed(center: &mut Center) {
        randomized(center, &three(), 1, 0).await;
        let second = DR_MORI.writes("randomize second", &response_form("CYGNUS-0001"));
        center.exchange(&second).await;
        let third = "subject: CYGNUS-0001\nrandomization: third\nAssessed on: 2027-01-12\nStable: yes\n";
        center.exchange(&DR_MORI.writes("randomize", third)).await;
        assert_eq!(reason(center).await, "randomized");
        let vague = "症例番号: CYGNUS-0001\n理由: 誤記\n判定日: 2027-01-11\n";
        let asked = center.answer(&DR_MORI.writes("訂正", vague)).await;
        assert_eq!((asked.kind.as_str(), reason(center).await.as_str()), ("deed-form", "several:assessed_on"));
        assert!(asked.text.contains("割付"), "{}", asked.text);
        let asked = correct(center, "理由: 誤記\n割付: 維持割付\n判定日: 2027-01-11\n").await;
        assert!(asked.text.contains("維持割付"), "{}", asked.text);
        let only = known(center, "cygnus").await.remove(0);
        assert_eq!((only.kind, only.changes.as_str()), (FactKind::Corrected, r#"{"third.assessed_on":"2027-01-11"}"#));
        center.assert_proved().await;
    }

    async fn a_second_randomization_in_error_counts_no_more_there_alone(center: &mut Center) {
        randomized(center, &declaring("exclude = [\"randomized-in-error\", \"ineligible\"]"), 6, 3).await;
        let operating = Operating::of(center, "cygnus").await;
        for (subject, kind) in [("CYGNUS-0001", FactKind::RandomizedInError), ("CYGNUS-0002", FactKind::Ineligible)] {
            let (noted, new) = operating.note_of(center, subject, kind, &[], None, Some("second")).await.unwrap();
            assert_eq!((noted.randomization.as_deref(), new), (Some("second"), true));
            assert!(!operating.note_of(center, subject, kind, &[], None, Some("second")).await.unwrap().1, "once");
        }
        let letters = center.settle().await;
        assert!(letters.iter().all(|letter| letter.kind == "fact-notice") && letters.len() == 4, "{:?}", kinds(&letters));
        assert!(letters.iter().any(|letter| letter.text.contains("誤って割り付けられました（第二割付）")), "{}", letters[0].text);
        let status = center.answer(&DR_MORI.writes("照会 CYGNUS-0002", "")).await;
        assert!(status.text.contains("第二割付の基準を満たしていませんでした"), "{}", status.text);
        for (subject, kind, allocation) in [
            ("CYGNUS-0005", FactKind::RandomizedInError, "second"),
            ("CYGNUS-0001", FactKind::RandomizedInError, "first"),
            ("CYGNUS-0001", FactKind::Ineligible, "third"),
            ("CYGNUS-0001", FactKind::Withdrawn, "second"),
        ] {
            let refused = operating.note_of(center, subject, kind, &[], None, Some(allocation)).await;
            assert!(matches!(refused, Err(CommandError::Refused(_))), "{subject} {kind:?} {allocation}");
        }
        once_more(center, 4).await;
        center.kill_and_restart().await;
        center.wind(LEASE + 1);
        for number in 5..=6 {
            once_more(center, number).await;
        }
        center.assert_proved().await;
        assert_recomputed(center, 12).await;
        // Made one about the subject as a whole, it is found, here and by somebody else.
        center.world.tamper("UPDATE subject_fact SET randomization = NULL WHERE number = 1").await;
        let shelved = Operating::of(center, "cygnus").await.shelved();
        let found = proof::verify(center.store(), &shelved).await.unwrap();
        assert!(matches!(&found, Verdict::Untold(found) if (found.number, found.what) == (1, What::Fact)), "{found:?}");
        center.world.tamper("UPDATE subject_fact SET randomization = 'second' WHERE number = 1").await;
        let told = recomputed(center, &[("recounts.jsonl", "\"allocation\":7", "\"allocation\":1")]).await;
        for (code, report) in &told[told.len().min(1)..] {
            assert_eq!((code, &report["what"]), (&1, &serde_json::json!("recount")), "{report}");
        }
    }

    async fn an_error_in_one_randomization_is_reported_by_mail(center: &mut Center) {
        randomized(center, &samples::cygnus(), 2, 1).await;
        let mail = |subject: &str, lines: &str| DR_MORI.writes(subject, &format!("症例番号: CYGNUS-0001\n{lines}"));
        // Which of its allocations is not guessed; a name that there is none of is told apart.
        for (subject, lines, why) in [
            ("誤割付", "理由: 取り違え\n", "lacking:which-allocation"),
            ("誤割付", "理由: 取り違え\n割付: third\n", "lacking:randomization"),
            ("誤割付", "割付: second\n", "lacking:reason"),
        ] {
            let form = center.answer(&mail(subject, lines)).await;
            assert_eq!((form.kind.as_str(), reason(center).await.as_str()), ("deed-form", why), "{}", form.text);
            assert!(form.text.contains("#   second（第二割付）") && form.text.contains("\n割付:"), "{}", form.text);
            // What the subject has is told, the registration among it, and how each is named.
            for part in ["・登録（症例全体、2026-", "・second（第二割付、2027-", "#   登録（症例全体）"] {
                assert!(form.text.contains(part), "{part}: {}", form.text);
            }
        }
        assert!(known(center, "cygnus").await.is_empty());
        // The form that came back, filled in where it stands.
        let form = center.answer(&mail("誤割付", "理由: 取り違え\n")).await;
        let filled = form.text.replace("\n割付:", "\n割付: 第二割付");
        let quoted: String = filled.lines().map(|line| format!("> {line}\n")).collect();
        let reply = Mail { subject: format!("Re: {}", form.subject), ..DR_MORI.writes("", &quoted) };
        let asked = center.answer(&reply.with(&format!("In-Reply-To: <{}>", form.message_id))).await;
        assert_eq!(asked.kind, "deed-confirm", "{}", asked.text);
        assert!(asked.text.contains("誤って割り付けられた") && asked.text.contains("第二割付"), "{}", asked.text);
        assert!(known(center, "cygnus").await.is_empty(), "nothing is recorded yet");
        let letters = center.exchange(&DR_MORI.writes("", "OK\n").to(&asked.reply_to)).await;
        assert_eq!(reason(center).await, "randomized-in-error");
        let done = letters.iter().find(|letter| letter.kind == "fact-done").unwrap();
        assert!(done.text.contains("誤って割り付けられました（第二割付）"), "{}", done.text);
        assert!(letters.iter().any(|letter| letter.kind == "fact-notice"), "{:?}", kinds(&letters));
        let facts = known(center, "cygnus").await;
        let told: Vec<_> = facts.iter().map(|fact| (fact.kind, fact.randomization.as_deref())).collect();
        assert_eq!(told, [(FactKind::RandomizedInError, Some("second"))]);
        // The same again is told, and recorded once; in English, named in the subject line.
        let again = DR_MORI.writes("randomized in error second", "subject: CYGNUS-0001\nreason: 取り違え\n");
        assert_eq!(center.answer(&again).await.kind, "fact-done");
        assert_eq!(known(center, "cygnus").await.len(), 1);
        // The subject as a whole, whose second allocation has not come: nothing need be named.
        let whole = DR_MORI.writes("ineligible", "subject: CYGNUS-0002\nreason: too young\n");
        let asked = center.answer(&whole).await;
        assert_eq!(asked.kind, "deed-confirm", "{}", asked.text);
        center.exchange(&DR_MORI.writes("", "OK\n").to(&asked.reply_to)).await;
        let facts = known(center, "cygnus").await;
        assert_eq!((facts[1].kind, facts[1].randomization.as_deref()), (FactKind::Ineligible, None));
        // Named as the registration, of a subject that has both.
        let named = DR_MORI.writes("不適格", "症例番号: CYGNUS-0001\n理由: 年齢\n割付: 登録\n");
        let asked = center.answer(&named).await;
        assert!(asked.text.contains("適格基準を満たしていなかった"), "{}", asked.text);
        center.exchange(&DR_MORI.writes("", "OK\n").to(&asked.reply_to)).await;
        assert_eq!(known(center, "cygnus").await[2].randomization, None);
        // A second allocation that the subject does not have; and whoever does not enroll.
        let absent = DR_MORI.writes("ineligible", "subject: CYGNUS-0002\nreason: age\nrandomization: second\n");
        assert_eq!(center.answer(&absent).await.kind, "deed-form");
        assert_eq!(reason(center).await, "lacking:which-allocation");
        let absent = center.answer(&absent.anew()).await;
        for part in ["was not randomized in “second randomization”", "- registration (the enrollment of 2026-", "\nrandomization: \n"] {
            assert!(absent.text.contains(part), "{part}: {}", absent.text);
        }
        assert!(!absent.text.contains("second ("), "{}", absent.text);
        // Of somebody else's subject nothing is told.
        let foreign = DR_NOVAK.writes("ineligible", "subject: CYGNUS-0001\n");
        let foreign = center.answer(&foreign).await;
        assert!(!foreign.text.contains("This subject has"), "{}", foreign.text);
        let statistician = Writer { address: CYGNUS_STATISTICIAN, study: "cygnus" };
        assert_eq!(center.answer(&statistician.writes("ineligible", "subject: CYGNUS-0001\nreason: x\n")).await.kind, "not-entitled");
        let help = center.answer(&DR_NOVAK.writes("help", "")).await;
        assert!(help.text.contains("randomized in error") && help.text.contains("randomization: registration"), "{}", help.text);
        center.assert_proved().await;
    }

    async fn an_operator_corrects_the_same(center: &mut Center) {
        randomized(center, &declaring("corrections = \"corrected\""), 2, 1).await;
        let operating = Operating::of(center, "cygnus").await;
        for (kind, set) in [
            (FactKind::Corrected, ("isi", "12")),
            (FactKind::WrongStratum, ("isi", "24")),
            (FactKind::WrongStratum, ("second.isi", "99")),
            (FactKind::WrongStratum, ("third.isi", "12")),
            (FactKind::WrongStratum, ("nothing", "12")),
        ] {
            let refused = operating.note(center, "CYGNUS-0001", kind, &[set], None).await;
            assert!(matches!(refused, Err(CommandError::Refused(_))), "{set:?} {refused:?}");
        }
        let set = [("second.isi", "12")];
        for new in [true, false] {
            let noted = operating.note(center, "CYGNUS-0001", FactKind::WrongStratum, &set, None).await.unwrap();
            assert_eq!((noted.1, noted.0.further.is_some()), (new, true));
        }
        center.settle().await;
        once_more(center, 2).await;
        center.assert_proved().await;
        assert_recomputed(center, 4).await;
    }

    async fn an_operator_opens_both_arms(center: &mut Center) {
        center.activate(&blinded(), Stage::Production).await;
        center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"))).await;
        center.exchange(&DR_KOBAYASHI.writes("割付", "症例番号: BOREALIS-0001\n効果あり: いいえ\n")).await;
        let first = center.arms("borealis").await.remove(0);
        let (_, _, second, kit) = center.randomized("borealis").await.remove(0);
        let operating = Operating::of(center, "borealis").await;
        for new in [true, false] {
            let order = Order { actor: "operator:tester", subject: "BOREALIS-0001", reason: "telephone call at night" };
            let means = operating.means(center);
            let Disclosed { broken, given, .. } =
                command::unblind(&operating.shelf, &operating.shelved, means, order, "kobayashi").await.unwrap();
            assert_eq!(matches!(broken, Broken::Now(_)), new);
            let arms: Vec<&str> = given.iter().map(|own| own.arm.as_str()).collect();
            assert_eq!((arms, given[1].kit.clone()), (vec![first.as_str(), second.as_str()], kit.clone()));
            for letter in center.settle().await {
                let told = letter.everything.contains(&second) && letter.everything.contains(&first);
                assert_eq!(told, letter.to == DR_KOBAYASHI.address, "{}", letter.text);
            }
        }
        assert_eq!(known(center, "borealis").await.len(), 1);
    }
}
