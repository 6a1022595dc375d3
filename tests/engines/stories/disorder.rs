//! Disorder: mails that cannot be decided, processes that die in the middle.

use hagaki::limits;
use hagaki::store::inbox::{self, State};
use hagaki::workflow::life;

use super::*;

stories! {
    async fn a_poison_mail_is_set_aside_and_its_neighbors_go_on(center: &mut Center) {
        // The study's own words cannot tell the second subject's assignment.
        let own = "{{#if (eq subject \"AURORA-0002\")}}{{no_such_fact}}{{/if}} {{arm.code}}\n";
        let bundle = with_file(&samples::aurora(), "letters/ja/assignment-open/text.hbs", own);
        center.activate(&bundle, Stage::Production).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        let poison = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0002"));
        center.deliver(&poison);
        center.deliver(&DR_YAMADA.writes("使い方", ""));
        center.deliver(&DR_YAMADA.writes("状況 Y-0001", ""));
        center.process.intake.step().await.unwrap();
        assert!(center.process.desk.step().await.is_err(), "the poison shows");
        // The neighbors of the same batch are decided all the same, at once.
        let new = inbox::list(center.store(), inbox::Which::State(State::New), None, 9).await.unwrap();
        assert_eq!(new.len(), 1);
        let errors = center.recover().await;
        assert_eq!(errors.len(), limits::READ_TRIES as usize - 2, "{errors:?}");
        let letters = center.arrived().await;
        let kinds: Vec<&str> = letters.iter().map(|letter| letter.kind.as_str()).collect();
        assert!(kinds.contains(&"help") && kinds.contains(&"status-open"), "{kinds:?}");
        let mail = inbox::find(center.store(), new[0].id).await.unwrap().unwrap();
        assert_eq!((mail.state, mail.reason.as_str(), mail.tries), (State::Held, "poison", limits::READ_TRIES));
        assert_eq!(letters.iter().filter(|letter| letter.kind == "quarantine-notice").count(), 1);
        let told: Vec<&Received> = letters.iter().filter(|letter| letter.kind == "refusal").collect();
        assert_eq!(told.len(), 1, "its sender is told");
        assert!(told[0].to == DR_YAMADA.address && told[0].text.contains("保留しています"), "{}", told[0].text);
        assert_eq!(center.enrolled("aurora").await.len(), 1, "the draw was not consumed");
        assert_eq!(center.lying_in(".Quarantine"), 1);
    }

    async fn a_wording_that_an_earlier_version_took_gives_way_to_ours(center: &mut Center) {
        // An earlier version's letters had a fact that ours have not.
        let old = "割付群 {{arm.code}} {{earlier}}\n";
        let bundle = with_file(&samples::aurora(), "letters/ja/assignment-open/text.hbs", old);
        let bundle = with_file(&bundle, "letters/ja/assignment-open/subject.hbs", "うちの件名\n");
        let bundle = with_file(&bundle, "letters/ja/help/text.hbs", "うちの使い方です。\n");
        center.activate(&bundle, Stage::Production).await;
        let letter = center.answer(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        assert_eq!(letter.kind, "assignment-open");
        assert!(letter.text.contains("症例登録を受け付けました"), "{}", letter.text);
        // The whole letter is ours, the others stay theirs.
        assert!(!letter.subject.contains("うちの件名"), "{}", letter.subject);
        let help = center.answer(&DR_YAMADA.writes("使い方", "")).await;
        assert!(help.text.contains("うちの使い方です"), "{}", help.text);
        // As a new version it is refused.
        let anew = edited(&bundle, "study.toml", "confirm = false", "confirm = false # again");
        let refused = center.amend(&anew, center.act("a remark")).await;
        assert!(refused.is_err_and(|error| format!("{error:?}").contains("letters/ja/assignment-open/text.hbs")));
        let mended = with_file(&anew, "letters/ja/assignment-open/text.hbs", "うちの割付です。{{arm.code}}\n");
        center.amend(&mended, center.act("mended")).await.unwrap();
        center.settle().await;
        let letter = center.answer(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0002"))).await;
        assert!(letter.text.contains("うちの割付です"), "{}", letter.text);
    }

    async fn a_schedule_that_cannot_be_read_keeps_nobody_from_registering(center: &mut Center) {
        // Earlier versions took any file of that name.
        let old = with_file(&samples::aurora(), "schedule.toml", "[[rules]]\nid = \"old\"\n");
        let study = defined(&samples::aurora());
        life::activate(center.store(), &old, &study, Stage::Production, center.act("old"), &*center.dice).await.unwrap();
        let letter = center.answer(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0001"))).await;
        assert_eq!(letter.kind, "assignment-open");
        assert!(center.shelved("aurora").await.study.schedule.is_none());
    }

    async fn a_restart_in_the_middle_of_the_day(center: &mut Center) {
        aurora(center).await;
        borealis(center).await;
        for number in 0..6 {
            center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{number:04}"))));
            center.deliver(&DR_KOBAYASHI.writes("登録", &borealis_form("101", &format!("101-00{number}"))));
            // One worker's step at most between two deaths.
            match number % 3 {
                0 => drop(center.process.intake.step().await.unwrap()),
                1 => drop(center.process.desk.step().await.unwrap()),
                _ => drop(center.process.dispatch.step().await.unwrap()),
            }
            center.kill_and_restart().await;
            center.wind(LEASE + 1);
        }
        center.quiet().await;
        assert_eq!(center.arms("aurora").await.len(), 6);
        assert_eq!(center.arms("borealis").await.len(), 6);
        assert_eq!(center.arrived().await.len(), 6 * 3 + 6 * 4);
    }

    async fn what_was_read_ahead_keeps_its_order_and_is_given_back_at_a_stop(center: &mut Center) {
        let bundle = edited(&samples::aurora(), "study.toml", "cap = 40", "cap = 200");
        center.activate(&bundle, Stage::Production).await;
        let batch = usize::try_from(limits::DESK_BATCH).unwrap();
        for number in 0..2 * batch + 3 {
            center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{number:04}"))));
        }
        center.process.intake.step().await.unwrap();
        for decided in [batch, 2 * batch] {
            center.process.desk.step().await.unwrap();
            assert!(center.process.desk.ahead.is_some(), "the next mails were read meanwhile");
            assert_eq!(center.arms("aurora").await.len(), decided);
        }
        center.process.desk.stop().await;
        let given_back = inbox::list(center.store(), inbox::Which::State(State::New), None, 9).await.unwrap();
        assert_eq!(given_back.iter().map(|mail| mail.tries).collect::<Vec<_>>(), [0; 3]);
        // Nobody has to wait for a lease.
        center.quiet().await;
        let enrolled = center.enrolled("aurora").await;
        let references: Vec<&str> = enrolled.iter().map(|(subject, ..)| subject.reference_key.as_str()).collect();
        let asked: Vec<String> = (0..2 * batch + 3).map(|number| format!("011/y-{number:04}")).collect();
        assert_eq!(references, asked, "first come, first served");
        assert_eq!(center.arrived().await.len(), 3 * asked.len());
    }

    async fn mails_of_every_study_in_one_batch(center: &mut Center) {
        aurora(center).await;
        borealis(center).await;
        for number in 0..20 {
            center.deliver(&DR_YAMADA.writes("登録", &aurora_form("011", &format!("Y-{number:04}"))));
            center.deliver(&DR_LARSEN.writes("enroll", &borealis_form("103", &format!("103-{number:03}"))));
            center.deliver(&DR_YAMADA.writes("使い方", "").vouched(Vouched::Nothing));
        }
        center.quiet().await;
        assert_eq!(center.arms("aurora").await.len(), 20);
        assert_eq!(center.arms("borealis").await.len(), 20);
        assert_eq!(center.lying_in(".Processed"), 40);
        assert_eq!(center.lying_in(".Quarantine"), 20);
    }
}
