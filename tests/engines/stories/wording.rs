//! Names and words that an amendment changes while subjects are on file: what was told of them keeps its meaning, and all of it is listed.

use hagaki::workflow::life::{LifeError, Refusal};

use super::amending::amend;
use super::randomizing::EIGHT_WEEKS;
use super::*;

const FORM: &str = "instruments/registration.toml";

async fn foresee(center: &Center, bundle: &Bundle) -> Result<Vec<String>, LifeError> {
    center.foresee(bundle, center.act("look")).await.map(|(_, told)| told)
}

/// Two texts of a file in each other's place.
fn exchanged(bundle: &Bundle, file: &str, one: &str, other: &str) -> Bundle {
    let bundle = edited(bundle, file, one, "\u{1}");
    edited(&edited(&bundle, file, other, one), file, "\u{1}", other)
}

/// What is said to it, by a dry run as in earnest.
async fn refused(center: &mut Center, bundle: &Bundle) -> String {
    let foreseen = foresee(center, bundle).await.map(drop);
    let amended = amend(center, bundle).await.map(drop);
    let [one, other] = [foreseen, amended].map(|result| match result {
        Err(LifeError::Refused(Refusal::Scheme(told))) => told.join("\n"),
        other => panic!("{other:?}"),
    });
    assert_eq!(one, other);
    one
}

fn assert_told(told: &[String], lines: &[&str]) {
    for line in lines {
        assert!(told.iter().any(|own| own == line), "{line}: {told:#?}");
    }
}

/// AURORA with these arms' names, English and Japanese.
fn named(standard: [&str; 2], combined: [&str; 2]) -> Bundle {
    let name = |[en, ja]: [&str; 2]| format!("{{ ja = \"{ja}\", en = \"{en}\" }}");
    let bundle = exchanged(&samples::aurora(), "study.toml", &name(STANDARD), &name(COMBINED));
    let bundle = edited(&bundle, "study.toml", &name(STANDARD), &name(combined));
    edited(&bundle, "study.toml", &name(COMBINED), &name(standard))
}

const STANDARD: [&str; 2] = ["Standard therapy", "標準治療"];
const COMBINED: [&str; 2] = ["Combined therapy", "併用治療"];

async fn enroll(center: &mut Center, reference: &str) {
    center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", reference))).await;
    assert_eq!(reason(center).await, "enrolled");
}

stories! {
    async fn no_arm_gets_the_name_of_another(center: &mut Center) {
        let swapped = named(COMBINED, STANDARD);
        center.activate(&swapped, Stage::Production).await;
        // Nobody was told anything yet; lines that only changed places are seen.
        let told = foresee(center, &samples::aurora()).await.unwrap();
        assert_told(&told, &[
            "arm STD: called \"Standard therapy\" instead of \"Combined therapy\" (en)",
            "arm STD: called \"標準治療\" instead of \"併用治療\" (ja)",
            "arm COMB: called \"併用治療\" instead of \"標準治療\" (ja)",
            "file study.toml: 2 lines new, changed or moved, 2 gone from where they stood",
        ]);
        enroll(center, "Y-0001").await;
        let told = refused(center, &samples::aurora()).await;
        for part in ["arm STD would be called \"Standard therapy\"", "so was arm COMB in version 1", "no other arm was ever called"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        // Nor by two steps, in one language, or written otherwise.
        let fresh = named(COMBINED, ["Usual care", "通常治療"]);
        let told = foresee(center, &fresh).await.unwrap();
        assert_told(&told, &["arm COMB: called \"通常治療\" instead of \"標準治療\" (ja)"]);
        assert_eq!(amend(center, &fresh).await.unwrap(), 2);
        let told = refused(center, &named(["STANDARD  therapy", "併用治療"], ["Usual care", "通常治療"])).await;
        assert!(told.contains("so was arm COMB in version 1"), "{told}");
        let third = "[[arms]]\ncode = \"HIGH\"\nname = { ja = \"標準治療\", en = \"High dose\" }\n\n[[sites]]";
        let text = fresh.file("study.toml").unwrap().replacen("[[sites]]", third, 1);
        let arms = "{ code = \"COMB\", ratio = 1 }";
        let added = edited(&with_file(&fresh, "study.toml", &text), "allocation.toml", arms, &format!("{arms}, {{ code = \"HIGH\", ratio = 1 }}"));
        assert!(refused(center, &added).await.contains("arm HIGH would be called \"標準治療\""));
        // An arm's own name may come back.
        assert_eq!(amend(center, &swapped).await.unwrap(), 3);
        enroll(center, "Y-0002").await;
    }

    async fn nor_does_an_arm_of_a_further_allocation(center: &mut Center) {
        center.activate(&samples::cygnus(), Stage::Production).await;
        center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", "201-001"))).await;
        center.wind(EIGHT_WEEKS);
        center.exchange(&DR_MORI.writes("割付", &response_form("CYGNUS-0001"))).await;
        assert_eq!(reason(center).await, "randomized");
        let told = refused(center, &exchanged(&samples::cygnus(), "study.toml", "ja = \"治療変更\"", "ja = \"併用\"")).await;
        assert!(told.contains("arm SWITCH would be called \"併用\", and so was arm ADD in version 1"), "{told}");
        let across = edited(&samples::cygnus(), "study.toml", "Medication", "Switch to the other treatment");
        assert!(refused(center, &across).await.contains("arm MED would be called"));
        let worded = edited(&samples::cygnus(), "study.toml", "Switch to the other treatment", "Switch");
        let told = foresee(center, &worded).await.unwrap();
        assert_told(&told, &["allocation second: arm SWITCH: called \"Switch\" instead of \"Switch to the other treatment\" (en)"]);
    }

    async fn what_a_level_means_stays_while_counts_go_on(center: &mut Center) {
        let aurora = samples::aurora();
        center.activate(&aurora, Stage::Production).await;
        enroll(center, "Y-0001").await;
        // Labels in each other's place, an alias that moves, two sites that exchange their names.
        let labels = exchanged(&aurora, FORM, "ja = \"女\", en = \"female\"", "ja = \"男\", en = \"male\"");
        let moved = edited(&edited(&aurora, FORM, "\"2期\", ", ""), FORM, "\"3期\", ", "\"3期\", \"2期\", ");
        let sites = exchanged(&aurora, "study.toml", "北空大学病院", "白波総合病院");
        for (bundle, word) in [
            (&labels, "the word \"female\" of `sex` means M instead of F"),
            (&moved, "the word \"2期\" of `stage` means III instead of II"),
            (&sites, "the word \"北空大学病院\" of `site` means 012 instead of 011"),
        ] {
            let told = refused(center, bundle).await;
            for part in ["allocation.toml: since version 1", word, "raise `epoch`"] {
                assert!(told.contains(part), "{part}: {told}");
            }
        }
        // Nor by two steps; another word for the same level is no matter, and listed.
        let other = edited(&aurora, FORM, "ja = \"女\", en = \"female\"", "ja = \"じょせい\", en = \"female\"");
        let told = foresee(center, &other).await.unwrap();
        assert_told(&told, &["level F of sex: called \"じょせい\" instead of \"女\" (ja)"]);
        assert_eq!(amend(center, &other).await.unwrap(), 2);
        let late = edited(&other, FORM, "aliases = [\"男性\"", "aliases = [\"女\", \"男性\"");
        assert!(refused(center, &late).await.contains("since version 1 the word \"女\" of `sex` means M instead of F"));
        // With counts that begin anew it may be so, and is told.
        let anew = format!("epoch = 2\n{}", aurora.file("allocation.toml").unwrap());
        let anew = with_file(&labels, "allocation.toml", &anew);
        let told = foresee(center, &anew).await.unwrap();
        assert_told(&told, &[
            "level F of sex: called \"男\" instead of \"じょせい\" (ja)",
            "levels: the word \"female\" of `sex` means M instead of F",
        ]);
        assert_eq!(amend(center, &anew).await.unwrap(), 3);
        enroll(center, "Y-0002").await;
        center.assert_proved().await;
    }

    async fn a_calculated_level_is_told_by_its_name_and_keeps_it(center: &mut Center) {
        let (cygnus, form) = (samples::cygnus(), "instruments/response.toml");
        center.activate(&cygnus, Stage::Production).await;
        center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", "201-001"))).await;
        center.wind(EIGHT_WEEKS);
        let answer = center.answer(&DR_MORI.writes("割付", &response_form("CYGNUS-0001"))).await;
        assert_eq!(reason(center).await, "randomized");
        assert!(answer.text.contains("重症 (severe)"), "{}", answer.text);
        // Names in each other's place would tell of those on file what they are not.
        let told = refused(center, &exchanged(&cygnus, form, "ja = \"重症\"", "ja = \"中等症\"")).await;
        for part in ["allocation second: since version 1", "the word \"重症\" of `severity` means moderate instead of severe"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let worded = edited(&cygnus, form, "severe insomnia", "bad insomnia");
        let told = foresee(center, &worded).await.unwrap();
        assert_told(&told, &["allocation second: level severe of severity: called \"bad insomnia\" instead of \"severe insomnia\" (en)"]);
        assert_eq!(amend(center, &worded).await.unwrap(), 2);
        let asked = Writer { address: CYGNUS_STATISTICIAN, study: "cygnus" }.writes("balance", "");
        let balance = center.answer(&asked).await.text;
        assert!(balance.contains("bad insomnia (severe)"), "{balance}");
        center.assert_proved().await;
    }

    async fn what_changes_of_the_conduct_is_told(center: &mut Center) {
        let aurora = samples::aurora();
        center.activate(&aurora, Stage::Production).await;
        let mut bundle = aurora.clone();
        for (from, to) in [
            ("authentication = \"dmarc\"", "authentication = \"open\""),
            ("confirm = false", "confirm = true"),
            ("age >= 20", "age >= 18"),
            ("20歳以上", "18歳以上"),
            ("ja = \"緑丘がんセンター\", en = \"Midorioka Cancer Center\" }", "ja = \"緑丘病院\", en = \"Midorioka Cancer Center\" }\nopens = 2026-11-01\ncloses = 2027-03-31"),
            ("roles = [\"coordinator\", \"manager\"]", "roles = [\"coordinator\"]"),
            ("addresses = [\"suzuki@example.jp\"]\nroles = [\"investigator\"]\nsites = [\"012\", \"014\"]", "addresses = [\"other@example.jp\"]\nroles = [\"investigator\", \"manager\"]\nsites = [\"012\"]"),
        ] {
            bundle = edited(&bundle, "study.toml", from, to);
        }
        let told = foresee(center, &bundle).await.unwrap();
        assert_told(&told, &[
            "trust: authentication open instead of dmarc",
            "trust: confirm yes instead of no",
            "eligibility adult: rule `age >= 18` instead of `age >= 20`",
            "eligibility adult: message \"18歳以上の方が対象です。\" instead of \"20歳以上の方が対象です。\" (ja)",
            "site 013: called \"緑丘病院\" instead of \"緑丘がんセンター\" (ja)",
            "site 013: opens 2026-11-01 instead of none",
            "site 013: closes 2027-03-31 instead of none",
            "person center: roles coordinator instead of coordinator, manager",
            "person suzuki: addresses other@example.jp instead of suzuki@example.jp",
            "person suzuki: roles investigator, manager instead of investigator",
            "person suzuki: sites 012 instead of 012, 014",
        ]);
        // Nothing is told of what stayed.
        assert!(!told.iter().any(|line| line.starts_with("person yamada") || line.contains(" fit") || line.contains("token")), "{told:#?}");
        // A condition of a further randomization, and who may be told an arm.
        let cygnus = samples::cygnus();
        center.activate(&cygnus, Stage::Production).await;
        let told = foresee(center, &edited(&cygnus, "study.toml", ">= 49", ">= 42")).await.unwrap();
        let [line] = told.iter().filter(|line| line.starts_with("allocation second: ")).collect::<Vec<_>>()[..] else { panic!("{told:#?}") };
        assert_eq!(line, "allocation second: condition: rule `!responder && days_between(enrolled_on, assessed_on) >= 42` instead of \
                          `!responder && days_between(enrolled_on, assessed_on) >= 49`");
        center.activate(&samples::borealis(), Stage::Production).await;
        let text = format!("{}\n[unblinding]\nroles = [\"pharmacist\"]\n", samples::borealis().file("study.toml").unwrap());
        let told = foresee(center, &with_file(&samples::borealis(), "study.toml", &text)).await.unwrap();
        assert_told(&told, &["unblinding: may be asked for by pharmacist instead of investigator, pharmacist"]);
    }
}
