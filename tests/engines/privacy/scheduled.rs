//! The same where a schedule invites and reminds: neither what is planned nor what was sent joins anybody to an answer, and nothing of
//! it moves at the moment of an answer.

use std::collections::BTreeMap;

use hagaki::domain::time::{Clock, Zone};
use hagaki::workflow::credentials::Terms;

use super::*;

const ASK: &str =
    "[[rules]]\nid = \"ask\"\naudience = \"participants\"\nletter = \"invitation\"\non = 2026-11-19\nat = \"09:00\"\n";
const REMIND: &str = "\n[[rules]]\nid = \"remind\"\naudience = \"participants\"\nletter = \"reminder\"\nafter = \"invitation\"\ndays = 1\n\
    at = \"18:00\"\nuntil = [\"response\"]\n";

fn wind_to(center: &Center, shown: &str) {
    let at = Zone::find("Asia/Tokyo").unwrap().parse_moment(shown).unwrap();
    center.wind(at.seconds_since(center.clock.now()));
}

/// Rows of the schedule's tables, as they are.
fn plans(dump: &Dump) -> Vec<BTreeMap<String, String>> {
    let tables = ["planned_letter", "settled_letter", "schedule_touch", "credential_link"];
    let own = dump.rows.iter().filter(|row| tables.contains(&row.table.as_str()));
    let logical = |cells: &BTreeMap<String, String>| {
        cells
            .iter()
            .filter(|(column, _)| !column.starts_with('('))
            .map(|(column, cell)| (column.clone(), cell.clone()))
            .collect()
    };
    own.map(|row| logical(&row.cells)).collect()
}

async fn by_schedule(center: &mut Center, privacy: Privacy) {
    let reminds = privacy == Privacy::Anonymous;
    let schedule = if reminds { format!("{ASK}{REMIND}") } else { ASK.to_owned() };
    center.activate(&with_file(&bundle(privacy, BATCH), "schedule.toml", &schedule), Stage::Production).await;
    let candidate = |number: usize| Candidate {
        address: address(number),
        name: format!("Person {number}"),
        language: Some(Language::En),
        ..Candidate::default()
    };
    let candidates: Vec<Candidate> = (0..MANY).map(candidate).collect();
    let terms = Terms { mailed: false, ..center.terms(Form::Scheduled) };
    center.issue("wellbeing", &candidates, terms).await;
    center.attend().await;
    wind_to(center, "2026-11-19 09:00");
    center.attend().await;
    let letters = center.settle().await;
    assert_eq!(letters.len(), MANY);
    center.attend().await;
    let link = |number: usize| {
        let own = letters.iter().find(|letter| letter.to == address(number)).unwrap();
        let link = own.text.split_whitespace().find_map(|word| word.strip_prefix("https://hagaki.example.jp"));
        link.unwrap().to_owned()
    };
    let pages = serve(center).await;
    let order: Vec<usize> = (0..MANY).map(|at| (at * 13 + 3) % MANY).collect();
    let before = plans(&dump(&center.world).await);
    let mut people = Vec::new();
    for number in &order[..BATCH] {
        people.push(answer_by(center, &pages, &link(*number), *number).await);
    }
    assert_eq!(plans(&dump(&center.world).await), before, "an answer moves nothing");
    wind_to(center, "2026-11-20 18:00");
    center.attend().await;
    let reminded = center.settle().await;
    let mut to: Vec<String> = reminded.iter().map(|letter| letter.to.clone()).collect();
    to.sort();
    let mut silent: Vec<String> = order[BATCH..].iter().map(|number| address(*number)).filter(|_| reminds).collect();
    silent.sort();
    assert_eq!(to, silent);
    for number in &order[BATCH..] {
        people.push(answer_by(center, &pages, &link(*number), *number).await);
    }
    wind_to(center, "2026-12-02 12:00");
    center.attend().await;
    center.settle().await;
    center.attend().await;
    let whole = dump(&center.world).await;
    assert_eq!((whole.table("urn").count(), whole.table("response").count()), (0, MANY));
    assert_blind(&whole, &people);
    for letter in letters.iter().chain(&reminded) {
        let secret = letter.text.split("/a/").nth(1).unwrap().split_whitespace().next().unwrap();
        assert!(!whole.rows.iter().any(|row| row.holds(secret)), "a link stands in a row");
    }
}

stories! {
    async fn anonymous_answers_are_nobodys_where_a_schedule_asks(center: &mut Center) {
        by_schedule(center, Privacy::Anonymous).await;
    }

    async fn fully_anonymous_answers_are_nobodys_where_a_schedule_asks(center: &mut Center) {
        by_schedule(center, Privacy::FullyAnonymous).await;
        let dump = dump(&center.world).await;
        assert_eq!(dump.table("credential_link").count(), 0);
        assert!(dump.table("credential").all(|row| !row.cells.contains_key("participant_id") && !row.cells.contains_key("issued_at")));
    }
}
