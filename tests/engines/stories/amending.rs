//! A study in production that is amended with subjects in it: each version decides its own, and all of it is proved.

use hagaki::domain::fact::FactKind;
use hagaki::domain::study::Stage;
use hagaki::store::{allocation, audit, study};
use hagaki::workflow::amending::{self, Version};
use hagaki::workflow::ending::Decision;
use hagaki::workflow::life::{self, LifeError, Refusal};

use super::*;

const TWO: &str = "arms = [{ code = \"STD\", ratio = 1 }, { code = \"COMB\", ratio = 1 }]";
const OPEN: &str =
    "arms = [{ code = \"STD\", ratio = 1 }, { code = \"COMB\", ratio = 1 }, { code = \"HIGH\", ratio = 1 }]";
const SHUT: &str = "arms = [{ code = \"STD\", ratio = 2 }, { code = \"COMB\", ratio = 1, closed = true }, { code = \"HIGH\", ratio = 1 }]";

/// AURORA with these arms, under this head of the statistician's file.
fn with_arms(arms: &str, head: &str) -> Bundle {
    let mut bundle = samples::aurora();
    if arms != TWO {
        let added = "[[arms]]\ncode = \"HIGH\"\nname = { ja = \"高用量\", en = \"High dose\" }\n\n[[sites]]";
        let study = bundle.file("study.toml").unwrap().replacen("[[sites]]", added, 1);
        bundle = with_file(&bundle, "study.toml", &study);
    }
    let file = format!("{head}{}", bundle.file("allocation.toml").unwrap().replace(TWO, arms));
    with_file(&bundle, "allocation.toml", &file)
}

/// Amends a study a second later; the version that it is in then.
pub(super) async fn amend(center: &mut Center, bundle: &Bundle) -> Result<i64, LifeError> {
    center.wind(1);
    center.amend(bundle, center.act("protocol 2.0")).await.map(|done| done.version)
}

async fn enroll(center: &mut Center, first: usize, count: usize) {
    for number in first..first + count {
        let sex = ["男", "女"][number % 2];
        let form = aurora_form("011", &format!("Y-{number:04}")).replace("性別: 男", &format!("性別: {sex}"));
        center.exchange(&DR_YAMADA.writes("登録", &form)).await;
        assert_eq!(reason(center).await, "enrolled");
        center.wind(1);
    }
}

async fn versions(center: &Center) -> Vec<i64> {
    let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
    allocation::journal(center.store(), row.id, 0).await.unwrap().iter().map(|row| row.bundle_version).collect()
}

/// Notes that a subject's stage was another one.
async fn mistaken(center: &Center, number: &str) {
    let desk = super::facts::Operating::of(center, "aurora").await;
    desk.note(center, number, FactKind::WrongStratum, &[("stage", "IV")], None).await.unwrap();
}

stories! {
    async fn how_facts_are_counted_changes_with_an_epoch(center: &mut Center) {
        center.activate(&with_arms(TWO, ""), Stage::Production).await;
        enroll(center, 1, 6).await;
        mistaken(center, "AURORA-0001").await;
        enroll(center, 7, 3).await;
        let corrected = with_arms(TWO, "corrections = \"corrected\"\n");
        let LifeError::Refused(Refusal::Scheme(told)) = amend(center, &corrected).await.unwrap_err() else { panic!() };
        assert!(told[0].contains("`corrections`") && told[0].contains("raise `epoch`"), "{told:?}");
        // What became known before is counted as it was, what becomes known from now on as is declared now.
        amend(center, &with_arms(TWO, "epoch = 2\ncorrections = \"corrected\"\n")).await.unwrap();
        enroll(center, 10, 4).await;
        mistaken(center, "AURORA-0010").await;
        mistaken(center, "AURORA-0002").await;
        enroll(center, 14, 4).await;
        center.assert_proved().await;
        center.kill_and_restart().await;
        center.wind(LEASE + 1);
        enroll(center, 18, 2).await;
        center.assert_proved().await;
        // The balance tells everybody, and apart from them whom decisions balance now.
        let statistician = Writer { address: STATISTICIAN, study: "aurora" };
        let letter = center.answer(&statistician.writes("[AURORA] balance", "\n")).await;
        let (all, since) = letter.text.split_once("Epoch 2, from allocation 10 on").unwrap_or_else(|| panic!("{}", letter.text));
        assert!(all.contains("in whatever epoch") && all.contains("Subjects allocated: 19"), "{}", letter.text);
        assert!(since.contains("Subjects allocated: 10"), "{}", letter.text);
        // What turned out wrong before the epoch concerns no decision any more.
        assert!(!all.contains("turned out wrong") && since.contains("turned out wrong: 1."), "{}", letter.text);
        // Another method may follow, which has nothing to correct.
        let bundle = with_arms(TWO, "");
        let begun = bundle.file("allocation.toml").unwrap().split("[minimization]").next().unwrap().to_owned();
        let rules = begun.replace("method = \"minimization\"", "epoch = 3\nmethod = \"block\"\nstrata = [\"sex\"]");
        amend(center, &with_file(&bundle, "allocation.toml", &format!("{rules}[block]\nsizes = [4]\n"))).await.unwrap();
        enroll(center, 20, 3).await;
        center.assert_proved().await;
        super::afterwards::close(center, "aurora").await;
        let package = super::afterwards::revealed(center, "aurora", "stat").await;
        let Some((code, report)) = super::afterwards::verdict(&package, None) else { return };
        assert_eq!((code, &report["recomputed"]), (0, &serde_json::json!(22)), "{report}");
        assert!(package.files["recounts.jsonl"].contains("\"allocation\":10"), "{}", package.files["recounts.jsonl"]);
        assert!(!package.files["recounts.jsonl"].contains("\"allocation\":1,"), "{}", package.files["recounts.jsonl"]);
    }

    async fn arms_come_and_go_while_the_study_runs(center: &mut Center) {
        center.activate(&with_arms(TWO, ""), Stage::Production).await;
        enroll(center, 1, 6).await;
        // With --dry-run everything is told and nothing is done.
        let three = with_arms(OPEN, "");
        let (version, told) = center.foresee(&three, center.act("look")).await.unwrap();
        assert_eq!(version, 2);
        assert!(told.iter().any(|line| line.starts_with("arm HIGH: added")), "{told:?}");
        assert!(told.iter().any(|line| line.contains("go on counting")), "{told:?}");
        // For how many subjects, and how well that can be foreseen, where it is more than a few.
        let twice = edited(&three, "allocation.toml", "\"HIGH\", ratio = 1", "\"HIGH\", ratio = 2");
        let (_, told) = center.foresee(&twice, center.act("look")).await.unwrap();
        let line = told.iter().find(|line| line.starts_with("arm HIGH: is behind, and gets about ")).unwrap();
        // Six in a row would do; the coin of 4/5 takes some more, and some subjects it favors less.
        let percent: u32 = line.split(" %").next().and_then(|rest| rest.rsplit(' ').next()).unwrap().parse().unwrap();
        assert!(line.contains("until it has caught up") && (60..=80).contains(&percent), "{line}");
        assert_eq!(study::find_current(center.store(), "aurora").await.unwrap().unwrap().bundle_version, 1);
        assert_eq!(amend(center, &three).await.unwrap(), 2);
        enroll(center, 7, 8).await;
        assert!(center.arms("aurora").await[6..].contains(&"HIGH".to_owned()), "the arm that is behind is favored");
        assert_eq!(amend(center, &with_arms(SHUT, "")).await.unwrap(), 3);
        enroll(center, 15, 8).await;
        assert!(!center.arms("aurora").await[14..].contains(&"COMB".to_owned()));
        // A process that held nothing in memory goes on in the same way.
        center.kill_and_restart().await;
        center.wind(LEASE + 1);
        assert_eq!(amend(center, &with_arms(SHUT, "epoch = 2\n")).await.unwrap(), 4);
        enroll(center, 23, 6).await;
        let expected: Vec<i64> = [(1, 6), (2, 8), (3, 8), (4, 6)].iter().flat_map(|(v, n)| vec![*v; *n]).collect();
        assert_eq!(versions(center).await, expected);
        // The same rows under one scheme would be found out: the proof at the end of the story follows the versions.
    }

    async fn what_changes_is_told_with_what_stood_there(center: &mut Center) {
        center.activate(&with_arms(TWO, ""), Stage::Production).await;
        enroll(center, 1, 2).await;
        let foresee = async |center: &Center, bundle: &Bundle| {
            center.foresee(bundle, center.act("look")).await.unwrap().1
        };
        let certain = with_arms(TWO, "deterministic_reason = \"the protocol\"\n");
        let certain = edited(&certain, "allocation.toml", "p = \"4/5\"\nburn_in = 0", "p = 1\nburn_in = 5");
        let told = foresee(center, &certain).await;
        for line in ["deterministic_reason: the protocol instead of none", "minimization p: 1 instead of 4/5", "minimization burn_in: 5 instead of 0"] {
            assert!(told.contains(&line.to_owned()), "{line}: {told:?}");
        }
        assert!(!told.iter().any(|line| line.contains("rule") || line.contains("factor")), "{told:?}");
        assert!(told.iter().any(|line| line.contains("2 subjects count, so the next 3 are allocated by chance")), "{told:?}");
        let moved = edited(&with_arms(TWO, ""), "study.toml", "time_zone = \"Asia/Tokyo\"", "time_zone = \"Asia/Seoul\"");
        let moved = edited(&moved, "instruments/registration.toml", "'[A-Z]-[0-9]{4}'", "'[A-Z]-[0-9]{4,5}'");
        let told = foresee(center, &moved).await;
        for line in ["time_zone: Asia/Seoul instead of Asia/Tokyo", "item subject_ref of registration: pattern `[A-Z]-[0-9]{4,5}` instead of `[A-Z]-[0-9]{4}`"] {
            assert!(told.contains(&line.to_owned()), "{line}: {told:?}");
        }
        let heavier = edited(&with_arms(TWO, ""), "allocation.toml", "levels = [\"F\", \"M\"], weight = 1", "levels = [\"F\", \"M\"], weight = 3");
        let told = foresee(center, &heavier).await;
        assert!(told.contains(&"factor sex: weight 3 instead of 1".to_owned()), "{told:?}");
        // Another rule has another setting.
        let ranked = edited(&with_arms(TWO, ""), "allocation.toml", "rule = \"best\"\np = \"4/5\"", "rule = \"rank\"\nq = \"0.6\"");
        let told = foresee(center, &ranked).await;
        for line in ["minimization rule: rank instead of best", "minimization q: 3/5 instead of none", "minimization p: none instead of 4/5"] {
            assert!(told.contains(&line.to_owned()), "{line}: {told:?}");
        }
        // And another method all of them.
        let bundle = with_arms(TWO, "");
        let begun = bundle.file("allocation.toml").unwrap().split("[minimization]").next().unwrap().to_owned();
        let blocks = |sizes: &str| {
            let rules = begun.replace("method = \"minimization\"", "epoch = 2\nmethod = \"block\"\nstrata = [\"sex\"]");
            with_file(&bundle, "allocation.toml", &format!("{rules}[block]\n{sizes}\n[caps]\ntotal = 240\n"))
        };
        let told = foresee(center, &blocks("sizes = [4]")).await;
        for line in [
            "method: block (sizes 4) instead of minimization (distance range, rule best, p 4/5, burn_in 0)",
            "strata: sex instead of none",
        ] {
            assert!(told.contains(&line.to_owned()), "{line}: {told:?}");
        }
        assert_eq!(amend(center, &blocks("sizes = [4]")).await.unwrap(), 2);
        let told = foresee(center, &blocks("sizes = [4, 8]\nweights = [1, 2]")).await;
        for line in ["block sizes: 4, 8 instead of 4", "block weights: 1, 2 instead of none"] {
            assert!(told.contains(&line.to_owned()), "{line}: {told:?}");
        }
    }

    async fn the_staff_are_told_each_as_far_as_they_may_know(center: &mut Center) {
        let sample = samples::borealis();
        center.activate(&sample, Stage::Production).await;
        let ratios = "{ code = \"L\", ratio = 1 }, { code = \"H\", ratio = 2 }";
        let changed = edited(&sample, "allocation.toml", ratios, "{ code = \"L\", ratio = 2 }, { code = \"H\", ratio = 1 }");
        let changed = edited(&changed, "study.toml", "isi_score >= 15", "isi_score >= 16");
        let changed = edited(&changed, "study.toml", "role = \"coordinator\"", "role = \"manager\"");
        // In production somebody decides it, who is one of the study's people.
        let (study, shelf) = (defined(&changed), center.shelf_on(center.store()));
        for (by, why, said) in [(None, "protocol 2.0", "--by PERSON"), (Some("nobody"), "protocol 2.0", "--by nobody"), (Some("office"), " ", "--reason")] {
            let (new, decision) = (Version { bundle: &changed, study: &study }, Decision { by, act: center.act(why) });
            let refused = Box::pin(amending::amend(&shelf, new, center.means(), decision)).await.unwrap_err().to_string();
            assert!(refused.contains(said), "{refused}");
        }
        center.settle().await;
        assert!(center.told_of_amendments().await.is_empty());
        let amend = async |center: &mut Center, bundle: &Bundle, by: &str, why: &str| {
            center.wind(1);
            let (study, shelf) = (defined(bundle), center.shelf_on(center.store()));
            let (new, decision) = (Version { bundle, study: &study }, Decision { by: Some(by), act: center.act(why) });
            let done = Box::pin(amending::amend(&shelf, new, center.means(), decision)).await.unwrap();
            let before = center.told_of_amendments().await.len();
            center.settle().await;
            let told = center.told_of_amendments().await.split_off(before);
            assert_eq!((told.len(), done.told), (study.people.len(), study.people.len()), "everybody, once");
            told
        };
        let told = amend(center, &changed, "office", "the committee agreed").await;
        for letter in &told {
            let full = [PHARMACY, BLIND_STATISTICIAN].contains(&letter.to.as_str());
            assert_eq!(letter.kind, if full { "study-amended-unblinded" } else { "study-amended" }, "{}", letter.to);
            for line in ["`isi_score >= 16` instead of `isi_score >= 15`", "notices of an enrollment: to", "the committee agreed", "file study.toml"] {
                assert!(letter.text.contains(line), "{line}: {}", letter.text);
            }
            for line in ["arm L: ratio 2 instead of 1", "file allocation.toml", "counts: "] {
                assert_eq!(letter.words.contains(line), full, "{line}: {}: {}", letter.to, letter.words);
            }
            assert!(!letter.subject.contains("isi") && letter.text.contains("2026-11-18"), "{}: {}", letter.subject, letter.text);
        }
        let row = study::find_current(center.store(), "borealis").await.unwrap().unwrap();
        let entries = audit::list(center.store(), row.id, 0, 100).await.unwrap();
        let entry = entries.iter().find(|entry| entry.action == "amend").unwrap();
        assert!(entry.actor == "operator:tester" && entry.body.contains("\"by\":\"office\""), "{}", entry.body);
        // What somebody says who may know arms could tell them.
        let again = edited(&changed, "study.toml", "isi_score >= 16", "isi_score >= 17");
        let told = amend(center, &again, "pharmacy", "the large one is too strong").await;
        for letter in &told {
            let full = letter.kind == "study-amended-unblinded";
            assert_eq!(letter.words.contains("the large one"), full, "{}: {}", letter.to, letter.words);
        }
        // Addresses of colleagues are the managers' business.
        let moved = edited(&again, "study.toml", "mori@example.jp", "t-mori@example.jp");
        let told = amend(center, &moved, "office", "moved").await;
        assert!(told.iter().any(|letter| letter.to == "t-mori@example.jp"), "the staff as it is now");
        for letter in &told {
            assert_eq!(letter.text.contains("addresses t-mori"), letter.to == OFFICE, "{}: {}", letter.to, letter.text);
        }
    }

    async fn in_an_open_study_arms_are_told_to_all_and_ratios_to_none_who_enroll(center: &mut Center) {
        center.activate(&with_arms(TWO, ""), Stage::Production).await;
        center.settle().await;
        amend(center, &with_arms(SHUT, "")).await.unwrap();
        center.settle().await;
        let told = center.told_of_amendments().await;
        assert!(!told.is_empty());
        for letter in told {
            let full = letter.to == STATISTICIAN;
            assert!(letter.text.contains("arm HIGH: added"), "{}", letter.text);
            assert_eq!(letter.text.contains("arm HIGH: ratio"), full, "{}: {}", letter.to, letter.text);
            assert_eq!(letter.kind == "study-amended-unblinded", full, "{}", letter.to);
        }
    }

    async fn what_is_reached_already_is_told_to_end_at_once(center: &mut Center) {
        let caps = |caps: &str| edited(&with_arms(TWO, ""), "allocation.toml", "total = 240", caps);
        center.activate(&caps("total = 240\n[forced]\nlimit = 3\nroles = [\"statistician\"]"), Stage::Production).await;
        enroll(center, 1, 6).await;
        let ended = async |center: &Center, bundle: &Bundle| {
            let (_, told) = center.foresee(bundle, center.act("look")).await.unwrap();
            told.into_iter().filter(|line| line.starts_with("at once: ") || line.starts_with("still: ")).collect::<Vec<String>>()
        };
        assert_eq!(ended(center, &caps("total = 7")).await, Vec::<String>::new());
        assert_eq!(ended(center, &caps("total = 6")).await, ["at once: 6 are enrolled and the cap in all is 6: nobody more is taken"]);
        let told = ended(center, &caps("total = 240\nsite = { 011 = 5 }\narm = { STD = 1 }")).await;
        let of_arm = center.arms("aurora").await.iter().filter(|arm| *arm == "STD").count();
        assert_eq!(told, [format!("at once: {of_arm} are in arm STD and its cap is 1: nobody more is taken"),
            "at once: 6 are enrolled at site 011 and its cap is 5: nobody more is taken there".to_owned()]);
        let cohort = caps("total = 240\n[[caps.cohort]]\nid = \"women\"\nwhen = \"sex == 'F'\"\ncap = 3");
        assert_eq!(ended(center, &cohort).await, ["at once: 3 are enrolled of cohort women and its cap is 3: nobody more of it is taken"]);
        // What comes into force says so too, and means it; a cap that goes up too little ends nothing that was open.
        center.wind(1);
        let full = caps("total = 4");
        let done = center.amend(&full, center.act("stop")).await.unwrap();
        assert_eq!(done.ended, ["at once: 6 are enrolled and the cap in all is 4: nobody more is taken"]);
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0007"))).await;
        assert_eq!(reason(center).await, "study-full");
        assert_eq!(ended(center, &caps("total = 5")).await, ["still: 6 are enrolled and the cap in all is 5: nobody more is taken"]);
        assert_eq!(ended(center, &caps("total = 8")).await, Vec::<String>::new());
    }

    async fn how_many_got_an_arm_is_not_told_of_a_blinded_study(center: &mut Center) {
        center.activate(&samples::borealis(), Stage::Production).await;
        for number in 1..=3 {
            center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", &format!("101-{number:03}")))).await;
            assert_eq!(reason(center).await, "enrolled");
        }
        let capped = |caps: &str| edited(&samples::borealis(), "allocation.toml", "total = 96", caps);
        let ended = async |center: &Center, caps: &str| {
            let bundle = capped(caps);
            let (_, told) = center.foresee(&bundle, center.act("look")).await.unwrap();
            let ending = |line: &String| line.starts_with("at once: ") || line.contains("cap of an arm");
            told.into_iter().filter(ending).collect::<Vec<String>>()
        };
        // Whoever only looks could look with one cap after another; that is told alike of a cap that is reached and one that is not.
        let untold = ["whether the cap of an arm ends anything is not told in a dry run of a blinded study"];
        for cap in ["arm = 1", "arm = 40", "arm = { P = 1 }"] {
            assert_eq!(ended(center, &format!("total = 96\n{cap}")).await, untold, "{cap}");
        }
        let told = ended(center, "total = 96\nstratum = 3").await;
        assert!(told.len() == 1 && told[0].starts_with("at once: 3 are enrolled in the stratum site=101, severity="), "{told:?}");
        // What comes into force leaves an entry in the chain.
        center.wind(1);
        let bundle = capped("total = 96\narm = 1");
        let done = center.amend(&bundle, center.act("stop")).await.unwrap();
        assert_eq!(done.ended, ["at once: an arm has reached its cap: nobody more is taken"]);
    }

    async fn what_counts_rest_on_is_refused_by_name(center: &mut Center) {
        center.activate(&with_arms(OPEN, ""), Stage::Production).await;
        enroll(center, 1, 2).await;
        let refused = amend(center, &with_arms(TWO, "")).await;
        let Err(LifeError::Refused(Refusal::Scheme(told))) = refused else { panic!("{refused:?}") };
        assert!(told[0].contains("arm HIGH is gone from the list") && told[0].contains("closed = true"), "{told:?}");
        let other = with_arms(OPEN, "");
        let other = edited(&other, "allocation.toml", "{ id = \"sex\", levels = [\"F\", \"M\"], weight = 1 },", "");
        let refused = amend(center, &other).await;
        let Err(LifeError::Refused(Refusal::Scheme(told))) = refused else { panic!("{refused:?}") };
        assert!(told[0].contains("factors and strata") && told[0].contains("raise `epoch`"), "{told:?}");
        // In a new epoch it can be done, and the study goes on.
        let text = format!("epoch = 2\n{}", other.file("allocation.toml").unwrap());
        assert_eq!(amend(center, &with_file(&other, "allocation.toml", &text)).await.unwrap(), 2);
        enroll(center, 3, 4).await;
    }

    async fn caps_follow_an_amendment(center: &mut Center) {
        center.activate(&capped("total = 240", "total = 2"), Stage::Production).await;
        enroll(center, 1, 2).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0003"))).await;
        assert_eq!(reason(center).await, "study-full");
        assert_eq!(amend(center, &capped("total = 240", "total = 3")).await.unwrap(), 2);
        enroll(center, 3, 1).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0004"))).await;
        assert_eq!(reason(center).await, "study-full");
        assert_eq!(center.enrolled("aurora").await.len(), 3);
    }

    async fn of_two_arms_one_is_closed_and_the_other_goes_on_for_a_reason(center: &mut Center) {
        center.activate(&with_arms(TWO, ""), Stage::Production).await;
        enroll(center, 1, 6).await;
        let open = center.arms("aurora").await;
        let code = if open.iter().any(|arm| arm == "COMB") { "COMB" } else { "STD" };
        let alone = |head: &str| {
            let arm = format!("code = \"{code}\", ratio = 1");
            edited(&with_arms(TWO, head), "allocation.toml", &arm, &format!("{arm}, closed = true"))
        };
        let silent = amend(center, &alone("")).await;
        match silent {
            Err(LifeError::Refused(refusal @ Refusal::Deterministic(_))) => assert!(refusal.to_string().contains("all arms but one are closed")),
            other => panic!("{other:?}"),
        }
        let reasoned = alone("deterministic_reason = \"DSMB, 2026-11-20: toxicity\"\n");
        let (_, told) = center.foresee(&reasoned, center.act("look")).await.unwrap();
        assert!(told.iter().any(|line| line.contains("every subject gets the one arm that is open")), "{told:?}");
        assert!(!told.iter().any(|line| line.contains("caught up")), "{told:?}");
        assert_eq!(amend(center, &reasoned).await.unwrap(), 2);
        enroll(center, 7, 3).await;
        let arms = center.arms("aurora").await;
        assert_eq!(arms.len(), 9);
        assert!(arms[6..].iter().all(|arm| arm != code), "{arms:?}");
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let entries = audit::list(center.store(), row.id, 0, 100).await.unwrap();
        let amended = entries.iter().find(|entry| entry.action == "amend").unwrap();
        assert!(amended.body.contains("\"deterministic\":{\"first\":\"DSMB, 2026-11-20: toxicity\"}"), "{}", amended.body);
        center.assert_proved().await;
        super::afterwards::close(center, "aurora").await;
        let package = super::afterwards::revealed(center, "aurora", "stat").await;
        let Some((code, report)) = super::afterwards::verdict(&package, None) else { return };
        assert_eq!((code, &report["recomputed"]), (0, &serde_json::json!(9)), "{report}");
    }

    async fn nothing_is_left_without_chance_in_production_but_for_a_reason(center: &mut Center) {
        let certain = |head: &str| edited(&with_arms(TWO, head), "allocation.toml", "p = \"4/5\"", "p = 1");
        let (silent, said) = (certain(""), certain("deterministic_reason = \"protocol, section 6.2\"\n"));
        let activate = async |center: &Center, bundle: &Bundle, stage| {
            life::activate(center.store(), bundle, &defined(bundle), stage, center.act("go"), &*center.dice).await
        };
        // A rehearsal goes on, whatever its file says.
        activate(center, &silent, Stage::Development).await.unwrap();
        let refused = |result: Result<i64, LifeError>| match result {
            Err(LifeError::Refused(refusal @ Refusal::Deterministic(_))) => refusal.to_string(),
            other => panic!("{other:?}"),
        };
        let told = refused(activate(center, &silent, Stage::Production).await.map(|done| done.version));
        assert!(told.starts_with("allocation.toml: p is 1") && told.contains("deterministic_reason = \"…\""), "{told}");
        activate(center, &with_arms(TWO, ""), Stage::Production).await.unwrap();
        refused(amend(center, &silent).await);
        assert_eq!(amend(center, &said).await.unwrap(), 2);
        enroll(center, 1, 4).await;
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let entries = audit::list(center.store(), row.id, 0, 100).await.unwrap();
        let amended = entries.iter().find(|entry| entry.action == "amend").unwrap();
        assert!(amended.body.contains("\"deterministic\":{\"first\":\"protocol, section 6.2\"}"), "{}", amended.body);
        center.assert_proved().await;
        super::afterwards::close(center, "aurora").await;
        let package = super::afterwards::revealed(center, "aurora", "stat").await;
        let Some((code, report)) = super::afterwards::verdict(&package, None) else { return };
        assert_eq!((code, &report["recomputed"]), (0, &serde_json::json!(4)), "{report}");
    }
}
