//! Corrections by mail and by command: what is asked about, what is told of each line, and where corrected subjects count.

use hagaki::domain::fact::FactKind;
use hagaki::store::fact::FactRow;
use hagaki::store::{fact, study};
use hagaki::workflow::command::{CommandError, Refusal};

use super::facts::{Operating, ok};
use super::randomizing::EIGHT_WEEKS;
use super::*;

/// CYGNUS with one subject of each doctor, of whom the first was randomized again.
async fn cygnus(center: &mut Center, bundle: &Bundle) {
    center.activate(bundle, Stage::Production).await;
    center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", "201-001"))).await;
    center.exchange(&DR_NOVAK.writes("enroll", "Site: 202\nSubject ref: 202-001\nAge: 50\nSex: M\n")).await;
    center.wind(EIGHT_WEEKS);
    center.exchange(&DR_MORI.writes("割付", &response_form("CYGNUS-0001"))).await;
    assert_eq!(reason(center).await, "randomized");
}

async fn known(center: &Center) -> Vec<FactRow> {
    let row = study::find_current(center.store(), "cygnus").await.unwrap().unwrap();
    fact::list(center.store(), row.id, 0, 1_000).await.unwrap()
}

/// A correction of the first subject as the doctor writes it.
fn japanese(lines: &str) -> Mail {
    DR_MORI.writes("訂正", &format!("症例番号: CYGNUS-0001\n理由: 誤記\n{lines}"))
}

/// The same of the second, in English.
fn english(lines: &str) -> Mail {
    DR_NOVAK.writes("correct", &format!("subject: CYGNUS-0002\nreason: slip\n{lines}"))
}

/// The balance as the statistician gets it.
async fn balance(center: &mut Center) -> String {
    center.answer(&Writer { address: CYGNUS_STATISTICIAN, study: "cygnus" }.writes("balance", "")).await.text
}

stories! {
    async fn every_line_that_cannot_be_used_is_told(center: &mut Center) {
        cygnus(center, &samples::cygnus()).await;
        let told: [(Mail, &str, &[&str]); 9] = [
            // A randomization that there is none of is never passed over.
            (japanese("割付: 第三割付\nISI: 12\n"), "lacking:randomization", &["「第三割付」", "割付: second（第二割付）", "不眠重症度スコア: 12"]),
            (english("randomization: third\nISI: 12\n"), "lacking:randomization", &["“third”", "randomization: second (second randomization)"]),
            // What is calculated follows by itself.
            (japanese("重症度: 軽症\n"), "calculated:severity", &["「重症度」は「不眠重症度スコア」から自動的に計算されます"]),
            (japanese("second.severity: moderate\n"), "calculated:second.severity", &["「重症度」は"]),
            (english("Severity: moderate\n"), "not-there:severity", &["was not randomized there"]),
            (english("ISI: 12\nAge: 51\n"), "not-there:isi", &["“Insomnia severity score”", "was not randomized there", "\nAge: 51\n# ----- to here"]),
            (english("Colour of eyes: blue\n"), "lacking:changes", &["- Colour of eyes … blue", "#   Age", "#   Sex"]),
            // The same as on file is told as that, with the value.
            (english("Age: 50\nSex: male\n"), "lacking:on-file", &["on file already", "- Age … “50”", "- Sex … “male (M)”"]),
            (japanese("ISI: 23\n"), "lacking:on-file", &["すでにそのとおり", "第二割付・不眠重症度スコア … 「23」", "「第二割付」の用紙", "#   判定日"]),
        ];
        for (mail, key, parts) in told {
            let told = center.answer(&mail).await;
            assert_eq!((told.kind.as_str(), reason(center).await.as_str()), ("deed-form", key), "{}", told.text);
            for part in parts {
                assert!(told.text.contains(part), "{part}: {}", told.text);
            }
            assert!(!told.text.contains("登録用紙の項目名"), "{}", told.text);
        }
        assert!(known(center).await.is_empty());
    }

    async fn what_was_typed_comes_back_in_the_form_and_is_read_again(center: &mut Center) {
        cygnus(center, &samples::cygnus()).await;
        let lacking = DR_MORI.writes("訂正", "症例番号: CYGNUS-0001\n年齢: 61\nsecond.ISI: １２\n割付の名: second\n");
        let form = center.answer(&lacking).await;
        assert_eq!(reason(center).await, "lacking:reason");
        for line in ["年齢: 61", "second.isi: １２"] {
            assert!(form.text.contains(&format!("\n{line}\n")), "{line}: {}", form.text);
        }
        // Filled in and sent back, it is understood.
        let from = form.text.find("# -----").unwrap();
        let lines = form.text[from..].replace("理由: \n", "理由: 誤記\n").replace("理由:\n", "理由: 誤記\n");
        let asked = center.answer(&DR_MORI.writes("訂正", &lines)).await;
        assert_eq!(asked.kind, "deed-confirm", "{}\n{}", asked.text, reason(center).await);
        center.exchange(&ok(&asked, DR_MORI)).await;
        let only = known(center).await.remove(0);
        assert_eq!(only.changes, r#"{"age":"61","second.isi":"12","second.severity":"moderate"}"#);
    }

    async fn unusual_values_are_asked_about(center: &mut Center) {
        cygnus(center, &samples::cygnus()).await;
        let asked = center.answer(&japanese("ISI: 5\n年齢: 48\n目の色: 青\n")).await;
        assert_eq!(asked.kind, "deed-confirm", "{}", asked.text);
        let parts = ["通常と異なる値", "不眠重症度スコア — 「5」", "すでにそのとおり", "年齢 … 「48」", "目の色 … 青"];
        for part in parts {
            assert!(asked.text.contains(part), "{part}: {}", asked.text);
        }
        center.exchange(&ok(&asked, DR_MORI)).await;
        assert_eq!(reason(center).await, "wrong-stratum");
        // What was confirmed once is not asked about again, where something else is corrected.
        let other = center.answer(&japanese("判定日: 2027-01-11\n")).await;
        assert!(other.kind == "deed-confirm" && !other.text.contains("通常と異なる値"), "{}", other.text);
        center.exchange(&ok(&other, DR_MORI)).await;
        let usual = center.answer(&japanese("ISI: 20\n")).await;
        assert!(usual.kind == "deed-confirm" && !usual.text.contains("通常と異なる値"), "{}", usual.text);
        // By command the operator says that they are sure.
        let operating = Operating::of(center, "cygnus").await;
        let set = [("second.isi", "4")];
        let refused = operating.note(center, "CYGNUS-0001", FactKind::Corrected, &set, None).await;
        let Err(CommandError::Refused(refusal @ Refusal::Unusual(_))) = refused else { panic!("{refused:?}") };
        let told = refusal.to_string();
        assert!(told.contains("--sure") && told.contains("isi: “4”"), "{told}");
        assert_eq!(known(center).await.len(), 2);
        assert!(operating.note_surely(center, "CYGNUS-0001", FactKind::Corrected, &set).await.unwrap().1);
        assert!(!operating.note_surely(center, "CYGNUS-0001", FactKind::Corrected, &set).await.unwrap().1, "once");
        center.settle().await;
    }

    async fn a_correction_that_contradicts_other_answers_is_refused(center: &mut Center) {
        let bundle = samples::cygnus();
        let form = bundle.file("instruments/registration.toml").unwrap();
        let form = format!(
            "{form}\n[[items]]\nid = \"pregnant\"\nkind = \"yesno\"\nlabel = {{ ja = \"妊娠\", en = \"Pregnant\" }}\n\
             when = \"sex == 'F'\"\nrequired = true\n\n[[checks]]\nid = \"age_of_men\"\n\
             rule = \"sex != 'M' || age < 70\"\nmessage = {{ ja = \"男性は70歳未満\", en = \"Men are under 70\" }}\n"
        );
        let bundle = with_file(&bundle, "instruments/registration.toml", &form);
        center.activate(&bundle, Stage::Production).await;
        let own = cygnus_form("201", "201-001").replace("48", "60").replace("女", "男");
        center.exchange(&DR_MORI.writes("登録", &own)).await;
        assert_eq!(reason(center).await, "enrolled");
        // The other answer, which it does not go with, was not named, and is found all the same.
        let told = center.answer(&japanese("年齢: 75\n")).await;
        assert_eq!((told.kind.as_str(), reason(center).await.as_str()), ("deed-form", "check:sex"), "{}", told.text);
        assert!(told.text.contains("男性は70歳未満"), "{}", told.text);
        // So is an answer that is needed now.
        let told = center.answer(&japanese("年齢: 75\n性別: 女\n")).await;
        assert_eq!((told.kind.as_str(), reason(center).await.as_str()), ("deed-form", "missing:pregnant"), "{}", told.text);
        let asked = center.answer(&japanese("年齢: 75\n性別: 女\n妊娠: いいえ\n")).await;
        assert_eq!(asked.kind, "deed-confirm", "{}", asked.text);
        center.exchange(&ok(&asked, DR_MORI)).await;
        assert_eq!(known(center).await[0].changes, r#"{"age":"75","pregnant":"no","sex":"F"}"#);
    }

    async fn the_balance_tells_of_wrong_levels(center: &mut Center) {
        cygnus(center, &samples::cygnus()).await;
        let asked = center.answer(&japanese("ISI: 12\n")).await;
        center.exchange(&ok(&asked, DR_MORI)).await;
        assert_eq!(reason(center).await, "wrong-stratum");
        let balance = balance(center).await;
        let said = "Allocated by levels that turned out wrong: 1. The levels below, and later decisions, count them as they were allocated.";
        assert!(balance.contains(said) && !balance.contains("as corrected"), "{balance}");
    }

    async fn the_balance_shows_both_where_corrected_levels_count(center: &mut Center) {
        let method = "method = \"minimization\"\n";
        let declared = format!("{method}corrections = \"corrected\"\nexclude = [\"ineligible\"]\n");
        cygnus(center, &edited(&samples::cygnus(), "allocation-second.toml", method, &declared)).await;
        assert!(!balance(center).await.contains("turned out wrong"));
        let asked = center.answer(&japanese("ISI: 12\n")).await;
        center.exchange(&ok(&asked, DR_MORI)).await;
        let one = center.randomized("cygnus").await.remove(0).2;
        let told = balance(center).await;
        assert!(told.contains("later decisions count them as corrected."), "{told}");
        let counts = |counted: bool| {
            let of = |arm: &str| u32::from(counted && arm == one);
            format!("SWITCH {} / ADD {}", of("SWITCH"), of("ADD"))
        };
        for (level, was, is) in [("severe insomnia (severe)", true, false), ("moderate insomnia (moderate)", false, true)] {
            let line = format!("  {level}  {}  (as corrected: {})", counts(was), counts(is));
            assert!(told.contains(&line), "{line}\n{told}");
        }
        // Who is left out of later decisions is said to be.
        let operating = Operating::of(center, "cygnus").await;
        operating.note_of(center, "CYGNUS-0001", FactKind::Ineligible, &[], None, Some("second")).await.unwrap();
        center.settle().await;
        let told = balance(center).await;
        assert!(told.contains("left out of what later decisions count: 1"), "{told}");
    }
}
