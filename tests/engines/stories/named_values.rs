//! Values of calculations that have a name: people read it wherever a choice is read by its label, and what is kept is the value.

use hagaki::workflow::export::cells::Cell;
use hagaki::workflow::export::{self, Wish, codebook};

use super::exporting::{PLAIN, rows};
use super::survey::{begun, responses, reviewed, with};
use super::*;

const FORM: &str = "instruments/weekly.toml";
const NAMES: &str = "values = [\n  { code = \"zzhigh\", label = { ja = \"良い気分\", en = \"Cheerful\" } },\n  \
                     { code = \"zzlow\", label = { ja = \"沈んだ気分\", en = \"Low in mood\" } },\n]\n";

/// The diary with a class of the mood.
fn classed() -> Bundle {
    let hours = "[[checks]]\nid = \"hours\"";
    let class = "[[items]]\nid = \"class\"\nkind = \"calculation\"\nlabel = { ja = \"気分の区分\", en = \"Class of mood\" }\n\
                 calculation = \"mood > 5 ? 'zzhigh' : 'zzlow'\"\n";
    edited(&reviewed(), FORM, hours, &format!("{class}{NAMES}\n{hours}"))
}

/// What the codebook says of the values of the class.
async fn explained(center: &Center, wish: Wish) -> String {
    let shelved = center.shelved("wellbeing").await;
    let tables = export::tables(center.store(), &shelved, wish).await.unwrap();
    let lines = codebook::rows(&tables, wish);
    let line = lines.iter().find(|line| line[1].plain() == "class").expect("the class is explained");
    line.get(4).map(Cell::plain).unwrap()
}

stories! {
    async fn a_calculated_value_is_read_by_its_name_and_kept_as_it_is(center: &mut Center) {
        let (pages, paths) = begun(center, &classed(), 1).await;
        let mark = pages.get(&paths[0]).await.field("_mark");
        let review = pages.post(&paths[0], &with(&[("_mark", &mark), ("_lang", "en")])).await;
        assert!(review.status == 200 && review.body.contains("Class of mood"), "{review:?}");
        assert!(review.body.contains("Cheerful") && !review.body.contains("zzhigh"), "{review:?}");
        assert_eq!(pages.fill(&paths[0], &review, &[], "send").await.status, 303);
        let kept = responses(center).await.remove(0);
        assert!(kept.answers.contains("\"class\":\"zzhigh\""), "{}", kept.answers);

        let labels = Wish { labels: true, ..PLAIN };
        for (wish, cell) in [(PLAIN, "zzhigh"), (labels, "Cheerful")] {
            assert_eq!(rows(center, "wellbeing", "weekly", wish).await[0]["class"], cell);
        }
        assert_eq!(explained(center, labels).await, "zzhigh = Cheerful; zzlow = Low in mood");

        // A name is what people read: an amendment may change it, and what is on file is read by the new one.
        center.wind(1);
        center.amend(&edited(&classed(), FORM, "Cheerful", "Bright"), center.act("wording")).await.unwrap();
        assert_eq!(rows(center, "wellbeing", "weekly", labels).await[0]["class"], "Bright");
        assert_eq!(explained(center, labels).await, "zzhigh = Bright; zzlow = Low in mood");
        // Without a name people read the value.
        center.wind(1);
        center.amend(&edited(&classed(), FORM, NAMES, ""), center.act("no names")).await.unwrap();
        assert_eq!(rows(center, "wellbeing", "weekly", labels).await[0]["class"], "zzhigh");
        assert_eq!(explained(center, labels).await, "");
    }
}
