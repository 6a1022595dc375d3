//! Levels that answers give: none, one that the statistician did not foresee, and what an amendment of a calculation does to them.

use std::sync::Arc;

use hagaki::store::fact::FactRow;
use hagaki::store::{audit, fact, study};
use hagaki::workflow::life::{LifeError, Refusal};

use super::amending::amend;
use super::cases::Visit;
use super::facts::ok;
use super::forcing::{self, Hand};
use super::members::serve;
use super::randomizing::EIGHT_WEEKS;
use super::*;

const CUT: &str = "isi >= 22 ? 'severe' : 'moderate'";
const OTHER_CUT: &str = "isi >= 25 ? 'severe' : 'moderate'";

/// CYGNUS whose second allocation counts corrected levels, in that epoch, with that calculation.
fn counting(epoch: u32, calculation: &str) -> Bundle {
    let method = "method = \"minimization\"\n";
    let head = format!("{method}epoch = {epoch}\ncorrections = \"corrected\"\n");
    let bundle = edited(&samples::cygnus(), "allocation-second.toml", method, &head);
    if calculation == CUT { bundle } else { edited(&bundle, "instruments/response.toml", CUT, calculation) }
}

async fn facts(center: &Center, slug: &str) -> Vec<FactRow> {
    let row = study::find_current(center.store(), slug).await.unwrap().unwrap();
    fact::list(center.store(), row.id, 0, 1_000).await.unwrap()
}

async fn again(center: &mut Center, number: u32) {
    center.exchange(&DR_MORI.writes("割付", &response_form(&format!("CYGNUS-{number:04}")))).await;
    assert_eq!(reason(center).await, "randomized", "{number}");
}

/// Asks for a correction of the first subject, and confirms it.
async fn correct(center: &mut Center, lines: &str) {
    let asked = center.answer(&DR_MORI.writes("訂正", &format!("症例番号: CYGNUS-0001\n理由: 誤記\n{lines}"))).await;
    assert_eq!(asked.kind, "deed-confirm", "{}", asked.text);
    center.exchange(&ok(&asked, DR_MORI)).await;
}

/// The bodies of the entries that say no to a registration or randomization.
async fn refusals(center: &Center, slug: &str) -> Vec<serde_json::Value> {
    let row = study::find_current(center.store(), slug).await.unwrap().unwrap();
    let entries = audit::list(center.store(), row.id, 0, 1_000).await.unwrap();
    let refused = entries.iter().filter(|entry| entry.action == "refuse");
    refused.map(|entry| serde_json::from_str(&entry.body).unwrap()).collect()
}

/// BOREALIS, stratified by a class of sleep that is calculated from the nights, which may stay blank.
fn classed(levels: &str) -> Bundle {
    let bundle = samples::borealis();
    let form = bundle.file("instruments/registration.toml").unwrap();
    let form = format!(
        "{form}\n[[items]]\nid = \"nights\"\nkind = \"integer\"\nlabel = {{ ja = \"不眠の夜数\", en = \"Sleepless nights\" }}\n\
         hard = {{ min = 0, max = 7 }}\n\n[[items]]\nid = \"sleep\"\nkind = \"calculation\"\n\
         label = {{ ja = \"睡眠の区分\", en = \"Class of sleep\" }}\ncalculation = \"nights >= 6 ? 'bad' : nights >= 3 ? 'poor' : 'fair'\"\n"
    );
    let bundle = with_file(&bundle, "instruments/registration.toml", &form);
    let factors = "factors = [{ id = \"site\" }, { id = \"severity\", levels = [\"moderate\", \"severe\"] }]";
    let own = format!("factors = [{{ id = \"site\" }}, {{ id = \"sleep\", levels = {levels} }}]");
    let bundle = edited(&bundle, "allocation.toml", factors, &own);
    let bundle =
        edited(&bundle, "allocation.toml", "strata = [\"site\", \"severity\"]", "strata = [\"site\", \"sleep\"]");
    let file =
        format!("{}\n[forced]\nlimit = 3\nroles = [\"statistician\"]\n", bundle.file("allocation.toml").unwrap());
    with_file(&bundle, "allocation.toml", &file)
}

fn nights(reference: &str, nights: &str) -> String {
    format!("{}Sleepless nights: {nights}\n", borealis_form("101", reference))
}

stories! {
    async fn an_amended_calculation_needs_an_epoch_and_moves_nobody(center: &mut Center) {
        center.activate(&counting(1, CUT), Stage::Production).await;
        for number in 1..=6 {
            center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", &format!("201-{number:03}")))).await;
        }
        center.wind(EIGHT_WEEKS);
        for number in 1..=2 {
            again(center, number).await;
        }
        // With --dry-run as without, and whatever the name through which it is looked at.
        let other = counting(1, OTHER_CUT);
        let foreseen = center.foresee(&other, center.act("look")).await.map(drop);
        for refused in [foreseen, amend(center, &other).await.map(drop)] {
            let Err(LifeError::Refused(Refusal::Scheme(told))) = refused else { panic!("{refused:?}") };
            for part in ["allocation second", "`severity`", OTHER_CUT, CUT, "raise `epoch`"] {
                assert!(told[0].contains(part), "{part}: {told:?}");
            }
        }
        // Blanks change nothing, nor do words.
        let worded = counting(1, "isi>=22 ? 'severe':'moderate'");
        let worded = edited(&worded, "instruments/response.toml", "en = \"Severity\"", "en = \"Severity now\"");
        amend(center, &worded).await.unwrap();
        let raised = counting(2, OTHER_CUT);
        let (_, told) = center.foresee(&raised, center.act("look")).await.unwrap();
        assert!(told.iter().any(|line| line.contains("level severity: calculated otherwise")), "{told:?}");
        amend(center, &raised).await.unwrap();
        again(center, 3).await;
        // By the new calculation the first subject would be moderate. Who corrects something else corrects that alone.
        correct(center, "年齢: 61\n判定日: 2027-01-11\n").await;
        assert_eq!(reason(center).await, "corrected");
        let known = facts(center, "cygnus").await.remove(0);
        assert_eq!(known.changes, r#"{"age":"61","second.assessed_on":"2027-01-11"}"#);
        assert_eq!((known.levels, known.further), (None, None));
        // What the level follows from is read by the rules in force, and the same value twice is no correction.
        correct(center, "ISI: 24\n").await;
        assert_eq!(reason(center).await, "wrong-stratum");
        let known = facts(center, "cygnus").await.remove(1);
        assert_eq!(known.changes, r#"{"second.isi":"24","second.severity":"moderate"}"#);
        for number in 4..=6 {
            again(center, number).await;
        }
        center.kill_and_restart().await;
        center.wind(LEASE + 1);
        center.assert_proved().await;
    }

    async fn a_subject_without_a_level_is_refused_with_what_is_missing(center: &mut Center) {
        let bundle = classed("[\"fair\", \"poor\"]");
        center.activate(&bundle, Stage::Production).await;
        // An answer that may stay blank, but decides the stratum; and one of which nobody thought.
        let refused = center.answer(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"))).await;
        assert_eq!((refused.kind.as_str(), reason(center).await.as_str()), ("refusal", "answer-needed:nights"));
        assert!(refused.text.contains("割付には「不眠の夜数」の回答が必要です"), "{}", refused.text);
        assert!(refused.text.contains("被験者識別コード: 101-001"), "the form comes back: {}", refused.text);
        let english = borealis_form("101", "101-001").replace("Site:", "Please enroll this subject.\n\nSite:");
        let english = center.answer(&DR_KOBAYASHI.writes("enroll", &english)).await;
        let told = "The allocation needs an answer to “Sleepless nights”";
        assert!(english.text.contains(told) || english.text.contains("「不眠の夜数」"), "{}", english.text);
        let odd = center.answer(&DR_KOBAYASHI.writes("登録", &nights("101-001", "7"))).await;
        assert_eq!((odd.kind.as_str(), reason(center).await.as_str()), ("refusal", "no-level:nights,sleep"));
        assert!(odd.text.contains("（不眠の夜数、睡眠の区分）"), "{}", odd.text);
        let recorded = refusals(center, "borealis").await;
        assert_eq!(recorded[0]["reasons"], serde_json::json!(["answer-needed:nights"]));
        // By hand it is refused alike, and no number was drawn for any of them.
        let form = |reference: &str, answer: &str| {
            let lines = nights(reference, answer);
            if answer.is_empty() { lines.replace("Sleepless nights: \n", "") } else { lines }
        };
        for (answer, told) in [("", "an answer that is blank: nights"), ("7", "none that the allocation's file knows")] {
            let given = forcing::give(center, "borealis", &Hand::new("P", form("101-009", answer))).await;
            let why = given.unwrap_err().to_string();
            assert!(why.contains(told), "{why}");
        }
        center.exchange(&DR_KOBAYASHI.writes("登録", &nights("101-001", "4"))).await;
        assert_eq!(reason(center).await, "enrolled");
        assert_eq!(center.enrolled("borealis").await.len(), 1);
        center.assert_proved().await;
        // The same is said on the page.
        let pages = Arc::new(serve(center).await);
        let visit = Visit::begin(center, &pages, "borealis", DR_KOBAYASHI.address).await;
        let form = [
            ("site", "101"), ("subject_ref", "101-002"), ("birth_date", "1985-04-12"), ("consent_date", "2026-11-18"),
            ("isi_score", "19"), ("shift_work", "no"),
        ];
        let page = visit.record("/c/borealis/new", &form).await;
        assert_eq!(page.status, 422, "{page:?}");
        assert!(page.body.contains("needs an answer to “Sleepless nights”"), "{page:?}");
        assert_eq!(refusals(center, "borealis").await.last().unwrap()["reasons"], serde_json::json!(["answer-needed:nights"]));
    }

    async fn a_second_randomization_says_which_answer_it_lacks(center: &mut Center) {
        let bundle = samples::cygnus();
        let form = bundle.file("instruments/response.toml").unwrap();
        let isi = form.find("id = \"isi\"").unwrap();
        let optional = format!("{}{}", &form[..isi], form[isi..].replacen("required = true", "required = false", 1));
        let bundle = with_file(&bundle, "instruments/response.toml", &optional);
        center.activate(&bundle, Stage::Production).await;
        center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", "201-001"))).await;
        center.wind(EIGHT_WEEKS);
        let blank = response_form("CYGNUS-0001").replace("Insomnia severity score: 23\n", "");
        let refused = center.answer(&DR_MORI.writes("割付", &blank)).await;
        let key = reason(center).await;
        assert_eq!((refused.kind.as_str(), key.as_str()), ("randomization-refused", "answer-needed:isi"));
        assert!(refused.text.contains("割付には「不眠重症度スコア」の回答が必要です"), "{}", refused.text);
        assert_eq!(refusals(center, "cygnus").await[0]["reasons"], serde_json::json!(["answer-needed:isi"]));
        again(center, 1).await;
        center.assert_proved().await;
    }
}
