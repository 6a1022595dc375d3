//! Pages for people who change their mind, who hear a page rather than see it, and who see it on a wide screen.

use super::survey::{invite, link_in, once, responses, serve};
use super::*;

const DAYS: &str = "label = { ja = \"家族や友人と話した\", en = \"I talked with family or friends\" }\nrequired = true";

/// WELLBEING, where pain and the last row of the matrix may be left blank.
fn lenient() -> Bundle {
    let weekly = "instruments/weekly.toml";
    let bundle = edited(&once(), "study.toml", "review = false", "review = true");
    let bundle =
        edited(&bundle, weekly, "en = \"Did you have pain?\" }\nrequired = true", "en = \"Did you have pain?\" }");
    let bundle = edited(&bundle, weekly, "when = \"pain\"", "when = \"answered(pain) && pain\"");
    edited(&bundle, weekly, DAYS, &DAYS.replace("\nrequired = true", ""))
}

stories! {
    async fn an_answer_that_need_not_be_given_can_be_taken_back(center: &mut Center) {
        center.activate(&lenient(), Stage::Production).await;
        let issued = invite(center, 1, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let path = link_in(issued[0].link.as_deref().unwrap());
        let first = pages.get(&format!("{path}?lang=en")).await;
        // Nothing is chosen for anybody; what is required offers no way around it.
        assert!(first.body.contains("name=\"pain\" value=\"\" checked> <span>No answer</span>"), "{first:?}");
        assert!(!first.body.contains("name=\"mood\" value=\"\""), "{first:?}");
        let second = pages.fill(&path, &first, &[("day", "2026-11-01"), ("mood", "7"), ("pain", "no")], "answer").await;
        let third = pages.fill(&path, &second, &[("slept", "7")], "answer").await;
        assert!(third.body.contains("class=\"whole\" id=\"days-matrix-none\">No answer</th>"), "{third:?}");
        assert!(third.body.contains("aria-labelledby=\"met-label days-matrix-none\" checked"), "{third:?}");
        assert!(!third.body.contains("name=\"tired\" value=\"\""), "{third:?}");
        let days = [("tired", "2"), ("worried", "1"), ("met", "3")];
        let review = pages.fill(&path, &third, &days, "answer").await;
        let change = pages.fill(&path, &review, &[], "page-0").await;
        assert!(change.body.contains("name=\"pain\" value=\"no\" checked") && change.body.contains("name=\"pain\" value=\"\">"), "{change:?}");
        // Taken back on both pages.
        let second = pages.fill(&path, &change, &[("day", "2026-11-01"), ("mood", "7"), ("pain", "")], "answer").await;
        let third = pages.fill(&path, &second, &[("slept", "7")], "answer").await;
        let review = pages.fill(&path, &third, &[days[0], days[1], ("met", "")], "answer").await;
        assert_eq!(review.body.matches("<span class=\"unit\">no answer</span>").count(), 4, "pain, met, naps, remark: {review:?}");
        assert_eq!(pages.fill(&path, &review, &[], "send").await.status, 303);
        let sent = responses(center).await;
        assert_eq!(sent[0].answers, "{\"day\":\"2026-11-01\",\"mood\":\"7\",\"slept\":\"7\",\"tired\":\"2\",\"worried\":\"1\"}");
    }
}
