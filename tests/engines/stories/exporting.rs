//! What a study holds leaves as tables: everything on file, nothing that is concealed.

use std::collections::BTreeMap;

use hagaki::domain::language::Language;
use hagaki::store::study;
use hagaki::workflow::export::cells::Cell;
use hagaki::workflow::export::{self, Rows, Wish, codebook};

use super::survey::{invite, link_in, once, serve, with};
use super::*;

pub(super) const PLAIN: Wish =
    Wish { labels: false, deidentified: false, arms: false, telling: false, history: false, language: Language::En };

/// The rows of a table, each cell as text by its column.
pub(super) async fn rows(center: &Center, slug: &str, table: &str, wish: Wish) -> Vec<BTreeMap<String, String>> {
    let row = study::find_current(center.store(), slug).await.unwrap().unwrap();
    let shelved = center.shelf_on(center.store()).current(row.id, row.bundle_version).await.unwrap();
    let tables = export::tables(center.store(), &shelved, wish).await.unwrap();
    let table = tables.iter().find(|own| own.id == table).expect("the study has this table");
    let names: Vec<&String> = table.columns.iter().map(|column| &column.id).collect();
    let mut rows = Rows::of(center.store(), &shelved, table, wish);
    let mut all = Vec::new();
    while let Some(cells) = rows.next().await.unwrap() {
        assert_eq!(cells.len(), names.len());
        all.push(names.iter().map(ToString::to_string).zip(cells.iter().map(Cell::plain)).collect());
    }
    let explained = codebook::rows(&tables, wish);
    assert!(explained.iter().all(|row| !row[3].plain().is_empty()), "every column is explained");
    all
}

stories! {
    async fn a_registry_leaves_whole_and_as_corrected(center: &mut Center) {
        aurora(center).await;
        let form = format!("{}\n前治療: 手術、放射線\n備考: =1+1", aurora_form("011", "Y-0031"));
        center.exchange(&DR_YAMADA.writes("登録", &form)).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0032"))).await;
        let ask = DR_YAMADA.writes("訂正", "症例番号: AURORA-0001\n理由: 誤記\n病期: IV\n");
        let asked = center.answer(&ask).await;
        center.exchange(&DR_YAMADA.writes("Re: 訂正", "OK").to(&asked.reply_to)).await;

        let subjects = rows(center, "aurora", "subjects", PLAIN).await;
        assert_eq!(subjects.len(), 2);
        let first = &subjects[0];
        for (column, cell) in [
            ("subject", "AURORA-0001"), ("person", "yamada"), ("site", "011"), ("subject_ref", "Y-0031"), ("age", "58"),
            ("sex", "M"), ("stage", "IV"), ("pregnant", ""), ("consent_date", "2026-11-18"), ("remarks", "=1+1"),
            ("prior_therapy___surgery", "1"), ("prior_therapy___drugs", "0"), ("prior_therapy___radiation", "1"),
        ] {
            assert_eq!(first[column], cell, "{column}");
        }
        assert!(!first.contains_key("arm") && first["enrolled_at"].starts_with("2026-"), "{first:?}");
        assert_eq!(subjects[1]["prior_therapy___drugs"], "", "what was not answered is blank, not 0");

        let facts = rows(center, "aurora", "facts", PLAIN).await;
        let fact = &facts[0];
        assert_eq!((facts.len(), &*fact["item"], &*fact["before"], &*fact["after"]), (1, "stage", "III", "IV"));
        assert_eq!((&*fact["reason"], &*fact["person"]), ("誤記", "yamada"));

        // What identifies somebody is left out, labels stand for codes, and arms come where they were let out.
        let wish = Wish { labels: true, deidentified: true, arms: true, ..PLAIN };
        let subjects = rows(center, "aurora", "subjects", wish).await;
        for hidden in ["subject_ref", "person", "physician"] {
            assert_eq!(subjects[0].contains_key(hidden), hidden == "physician", "{hidden}");
        }
        assert_eq!((&*subjects[0]["stage"], &*subjects[0]["sex"]), ("stage IV", "male"));
        let arms = center.arms("aurora").await;
        assert_eq!(subjects.iter().map(|row| row["arm"].clone()).collect::<Vec<_>>(), arms);
        let given = rows(center, "aurora", "allocations", wish).await;
        assert_eq!(given.iter().map(|row| row["arm"].clone()).collect::<Vec<_>>(), arms);
        let facts = rows(center, "aurora", "facts", wish).await;
        assert!(!facts[0].contains_key("reason") && facts[0]["after"] == "IV", "{facts:?}");
    }

    async fn more_than_a_page_leaves_in_order(center: &mut Center) {
        aurora(center).await;
        let many = hagaki::limits::EXPORT_ROWS + 7;
        for number in 0..many {
            center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{number:04}"))));
        }
        center.settle().await;
        let subjects = rows(center, "aurora", "subjects", PLAIN).await;
        let numbers: Vec<String> = (1..=many).map(|number| format!("AURORA-{number:04}")).collect();
        assert_eq!(subjects.iter().map(|row| row["subject"].clone()).collect::<Vec<_>>(), numbers);
    }

    async fn named_answers_leave_with_the_participant(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        invite(center, 2, None).await;
        let letters = center.settle().await;
        let pages = serve(center).await;
        let path = link_in(&letters[1].text);
        let mark = pages.get(&path).await.field("_mark");
        assert_eq!(pages.post(&path, &with(&[("_mark", &mark)])).await.status, 303);

        let answers = rows(center, "wellbeing", "weekly", PLAIN).await;
        assert_eq!(answers.len(), 1);
        let people = rows(center, "wellbeing", "participants", PLAIN).await;
        let who = people.iter().find(|row| row["participant"] == answers[0]["participant"]).unwrap();
        assert_eq!((people.len(), &*who["address"], &*who["name"]), (2, "p1@example.jp", "P 1"));
        assert_eq!((&*answers[0]["day"], &*answers[0]["mood"], &*answers[0]["channel"]), ("2026-11-01", "7", "web"));
        let bare = Wish { deidentified: true, ..PLAIN };
        let people = rows(center, "wellbeing", "participants", bare).await;
        assert!(["name", "address", "reference", "attributes"].iter().all(|id| !people[0].contains_key(*id)));
        assert!(answers[0].contains_key("answered_at"));
    }
}
