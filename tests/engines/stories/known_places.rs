//! Imported lists whose first places are known: from an epoch before, or from a rehearsal.

use hagaki::workflow::life::{self, LifeError, Refusal};

use super::*;

/// AURORA with a list of arms without strata, under this head of the statistician's file.
fn listed(head: &str, arms: &[&str]) -> Bundle {
    let settings = format!(
        "{head}method = \"list\"\narms = [{{ code = \"STD\" }}, {{ code = \"COMB\" }}]\n[list]\nfile = \"list.csv\"\n"
    );
    let list: String = std::iter::once("arm").chain(arms.iter().copied()).map(|line| format!("{line}\n")).collect();
    with_file(&with_file(&samples::aurora(), "allocation.toml", &settings), "list.csv", &list)
}

const LIST: [&str; 8] = ["STD", "COMB", "COMB", "STD", "COMB", "STD", "STD", "COMB"];
/// Another one, which begins alike.
const OTHER: [&str; 8] = ["STD", "COMB", "COMB", "STD", "COMB", "STD", "COMB", "STD"];

async fn enroll(center: &mut Center, numbers: std::ops::RangeInclusive<u32>) {
    for number in numbers {
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{number:04}")))).await;
        assert_eq!(reason(center).await, "enrolled");
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, LifeError>) -> String {
    match result {
        Err(LifeError::Refused(Refusal::Scheme(lines))) => lines.join("\n"),
        other => panic!("{other:?}"),
    }
}

async fn begin(center: &Center, bundle: &Bundle) -> Result<life::Activated, LifeError> {
    let act = center.act("it begins");
    life::activate(center.store(), bundle, &defined(bundle), Stage::Production, act, &*center.dice).await
}

stories! {
    async fn a_higher_epoch_begins_no_list_whose_places_were_given(center: &mut Center) {
        center.activate(&listed("", &LIST), Stage::Production).await;
        enroll(center, 1..=3).await;
        center.wind(1);
        let again = listed("epoch = 2\n", &LIST);
        let told = refusal(center.amend(&again, center.act("anew")).await);
        assert!(told.contains("list.csv") && told.contains("the first 3 places are known"), "{told}");
        let told = refusal(center.foresee(&again, center.act("anew")).await);
        assert!(told.contains("take them off the list"), "{told}");
        // Places behind those that were given are as good as ever, and so is another list.
        center.foresee(&listed("epoch = 2\n", &OTHER), center.act("anew")).await.unwrap();
        center.amend(&listed("epoch = 2\n", &LIST[3..]), center.act("anew")).await.unwrap();
        enroll(center, 4..=5).await;
        assert_eq!(center.arms("aurora").await, LIST[..5].to_vec());
    }

    async fn production_takes_no_list_that_a_rehearsal_showed(center: &mut Center) {
        center.activate(&listed("", &LIST), Stage::Development).await;
        enroll(center, 1..=3).await;
        life::purge(center.store(), "aurora", center.act("done"), &*center.dice).await.unwrap();
        center.wind(1);
        let told = refusal(begin(center, &listed("", &LIST)).await);
        assert!(told.contains("the first 3 places are known") && told.contains("another list"), "{told}");
        // What was rehearsed since the purge counts, too.
        enroll(center, 1..=4).await;
        let longer: Vec<&str> = LIST.iter().chain(["STD"].iter()).copied().collect();
        let told = refusal(begin(center, &listed("", &longer)).await);
        assert!(told.contains("the first 4 places are known"), "{told}");
        begin(center, &listed("", &OTHER)).await.unwrap();
        // Nor does an amendment bring it in, before anybody is enrolled or after that; the list in force goes on.
        center.wind(1);
        let told = refusal(center.amend(&listed("", &longer), center.act("the one of before")).await);
        assert!(told.contains("the first 4 places are known"), "{told}");
        enroll(center, 1..=1).await;
        center.wind(1);
        let told = refusal(center.foresee(&listed("epoch = 2\n", &LIST), center.act("the one of before")).await);
        assert!(told.contains("a rehearsal showed"), "{told}");
        let grown: Vec<&str> = OTHER.iter().chain(["COMB"].iter()).copied().collect();
        center.amend(&listed("", &grown), center.act("more places")).await.unwrap();
    }

    async fn a_few_places_that_agree_by_chance_refuse_no_list(center: &mut Center) {
        center.activate(&listed("", &LIST[..6]), Stage::Development).await;
        enroll(center, 1..=3).await;
        center.wind(1);
        begin(center, &listed("", &OTHER)).await.unwrap();
        enroll(center, 1..=1).await;
    }
}
