//! Pages for people who change their mind, who hear a page rather than see it, and who see it on a wide screen.

use serde_json::json;

use super::survey::{begun, begun_for_one, responses, reviewed};
use super::*;
use crate::chromium::{self, Chromium};

const DAYS: &str = "label = { ja = \"家族や友人と話した\", en = \"I talked with family or friends\" }\nrequired = true";

/// WELLBEING, where pain and the last row of the matrix may be left blank.
fn lenient() -> Bundle {
    let weekly = "instruments/weekly.toml";
    let bundle =
        edited(&reviewed(), weekly, "en = \"Did you have pain?\" }\nrequired = true", "en = \"Did you have pain?\" }");
    let bundle = edited(&bundle, weekly, "when = \"pain\"", "when = \"answered(pain) && pain\"");
    edited(&bundle, weekly, DAYS, &DAYS.replace("\nrequired = true", ""))
}

stories! {
    async fn an_answer_that_need_not_be_given_can_be_taken_back(center: &mut Center) {
        let (pages, paths) = begun(center, &lenient(), 1).await;
        let path = paths[0].as_str();
        let first = pages.get(&format!("{path}?lang=en")).await;
        // Nothing is chosen for anybody; what is required offers no way around it.
        assert!(first.body.contains("name=\"pain\" value=\"\" checked> <span>No answer</span>"), "{first:?}");
        assert!(!first.body.contains("name=\"mood\" value=\"\""), "{first:?}");
        let second = pages.fill(path, &first, &[("day", "2026-11-01"), ("mood", "7"), ("pain", "no")], "answer").await;
        let third = pages.fill(path, &second, &[("slept", "7")], "answer").await;
        assert!(third.body.contains("class=\"whole\" id=\"days-matrix-none\">No answer</th>"), "{third:?}");
        assert!(third.body.contains("aria-labelledby=\"met-label days-matrix-none\" checked"), "{third:?}");
        assert!(!third.body.contains("name=\"tired\" value=\"\""), "{third:?}");
        let days = [("tired", "2"), ("worried", "1"), ("met", "3")];
        let review = pages.fill(path, &third, &days, "answer").await;
        let change = pages.fill(path, &review, &[], "page-0").await;
        assert!(change.body.contains("name=\"pain\" value=\"no\" checked") && change.body.contains("name=\"pain\" value=\"\">"), "{change:?}");
        // Taken back on both pages.
        let second = pages.fill(path, &change, &[("day", "2026-11-01"), ("mood", "7"), ("pain", "")], "answer").await;
        let third = pages.fill(path, &second, &[("slept", "7")], "answer").await;
        let review = pages.fill(path, &third, &[days[0], days[1], ("met", "")], "answer").await;
        assert_eq!(review.body.matches("<span class=\"unit\">no answer</span>").count(), 4, "pain, met, naps, remark: {review:?}");
        assert_eq!(pages.fill(path, &review, &[], "send").await.status, 303);
        let sent = responses(center).await;
        assert_eq!(sent[0].answers, "{\"day\":\"2026-11-01\",\"mood\":\"7\",\"slept\":\"7\",\"tired\":\"2\",\"worried\":\"1\"}");
    }

    async fn what_is_said_of_a_field_reaches_who_hears_it(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        let help = "\nhelp = { ja = \"全体として\", en = \"On the whole\" }";
        let mood = "en = \"Your mood this week, from 0 (very bad) to 10 (very good)\" }";
        let bundle = edited(&lenient(), "instruments/weekly.toml", mood, &format!("{mood}{help}"));
        let (pages, paths) = begun(center, &bundle, 1).await;
        let [url, japanese] = ["en", "ja"].map(|language| pages.url(&format!("{}?lang={language}", paths[0])));
        let seen = tokio::task::spawn_blocking(move || {
            let mut browser = Chromium::start();
            browser.open(&japanese);
            let day = browser.described("#day-in");
            assert!(day.contains("例 2026-11-20") && day.contains("入力できる値：2026-04-01 から"), "{day}");
            browser.open(&url);
            // Help, and the form and limits of an answer, before anything is wrong.
            let day = browser.described("#day-in");
            assert!(day.contains("For example 2026-11-20") && day.contains("Expected: a date from 2026-04-01 to"), "{day}");
            assert_eq!(browser.described("#mood"), "On the whole");
            assert!(browser.run("!document.title.startsWith('Error') && document.activeElement === document.body").as_bool().unwrap());
            browser.fill(&[("day", "yesterday"), ("mood", "7")], "answer");
            // What is wrong is gone to at once, named by the title, and said of its field.
            browser.wait_for("document.activeElement.getAttribute('aria-labelledby') === '_faults'");
            let title = browser.run("document.title");
            assert!(title.as_str().unwrap().starts_with("Error · 1 / 3 · This week"), "{title}");
            let day = browser.described("#day-in");
            assert!(day.contains("“yesterday” cannot be read as a date") && day.contains("For example"), "{day}");
            browser.look("usable-1-faulty");
            browser.fill(&[("day", "2026-11-01"), ("pain", "no")], "answer");
            let slept = browser.described("#slept-in");
            assert!(slept.contains("a number from 0 to 24"), "{slept}");
            browser.text()
        });
        assert!(seen.await.unwrap().contains("Your sleep"));
    }

    async fn a_matrix_of_many_columns_leaves_room_for_its_labels(center: &mut Center) {
        if !chromium::is_there() {
            return;
        }
        let row = |id: &str, required: bool| {
            format!(
                "[[items]]\nid = \"{id}\"\nkind = \"scale\"\nmatrix = \"grades\"\nlow = 0\nhigh = 10\nrequired = {required}\n\
                 label = {{ ja = \"倦怠感（{id}）\", en = \"Fatigue in the last seven days ({id})\" }}\n\n"
            )
        };
        let before = "# A heading with page = true begins a new page.";
        let rows = format!("{}{}{before}", row("worst", true), row("usual", false));
        let bundle = edited(&lenient(), "instruments/weekly.toml", before, &rows);
        let (_pages, url) = begun_for_one(center, &bundle).await;
        let seen = tokio::task::spawn_blocking(move || {
            let mut browser = Chromium::start();
            for (name, width) in [("phone", 320), ("desk", 1100)] {
                browser.screen(width, 900);
                browser.open(&url);
                browser.fill(&[("day", "2026-11-01"), ("mood", "7")], "answer");
                browser.look(&format!("usable-2-matrix-{name}"));
                // A line or two, and every number beside its button.
                let lines = "(() => { const label = document.getElementById('worst-label').parentElement; \
                             return label.getBoundingClientRect().height / parseFloat(getComputedStyle(label).lineHeight) })()";
                let lines = browser.run(lines).as_f64().unwrap();
                assert!(lines < 7.0, "{name}: {lines} lines, the fault among them");
                let shown = browser.run("[...document.querySelectorAll('#worst .option span')].every(span => span.getBoundingClientRect().left > 0)");
                assert_eq!(shown, json!(true), "{name}");
            }
            // Few columns stand beside each other.
            browser.fill(&[("worst", "3")], "answer");
            browser.fill(&[("slept", "7")], "answer");
            browser.look("usable-3-matrix-few");
            let tops = "new Set([...document.querySelectorAll('#tired .option input')].map(input => input.getBoundingClientRect().top)).size";
            assert_eq!(browser.run(tops), json!(1));
            browser.run("document.getElementById('tired').firstElementChild.getBoundingClientRect().width")
        });
        let width = seen.await.unwrap().as_f64().unwrap();
        assert!(width > 200.0, "{width}");
    }
}
