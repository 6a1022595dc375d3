//! Forms of events by mail: asked for, filled in, asked back about, corrected; once, whichever way they come.

use std::sync::Arc;

use hagaki::store::response::{self, Channel, ResponseRow};
use hagaki::store::{audit, study};

use super::cases::Visit;
use super::members::serve;
use super::*;

/// Seconds of four weeks.
const FOUR_WEEKS: i64 = 28 * 24 * 3600;

/// A visit that nothing speaks against, in English, of the subject in the subject line.
fn visit(day: &str, weight: &str) -> String {
    format!("Date of visit: {day}\nWeight: {weight} kg\nECOG performance status: 1\nTreatment given as planned: yes\n")
}

/// The same with the lines above it, in Japanese.
fn in_japanese(event: &str, day: &str, weight: &str) -> String {
    format!(
        "症例番号：AURORA-0001\n時期：{event}\n来院日：{day}\n体重：{weight}\nECOG PS：１\nプロトコール治療を実施：はい\n"
    )
}

/// AURORA with one subject of Dr Yamada, enrolled on 2026-11-18, four weeks on.
async fn four_weeks_on(center: &mut Center) {
    aurora(center).await;
    center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "A-0001"))).await;
    center.wind(FOUR_WEEKS);
}

/// The entries of a study, in the order of time.
async fn entries(center: &Center, slug: &str) -> Vec<ResponseRow> {
    let row = study::find_current(center.store(), slug).await.unwrap().unwrap();
    let all = response::list(center.store(), row.id, &hagaki::domain::survey::Mark([0; 16]), 100).await.unwrap();
    let mut all: Vec<ResponseRow> = all;
    all.sort_by_key(|row| (row.answered_at, row.replaces.is_some()));
    all
}

/// The plain yes to a letter that asks.
fn yes(asked: &Received, writer: Writer) -> Mail {
    Mail { to: asked.reply_to.clone(), body: "OK\n".to_owned(), ..writer.writes("", "") }
}

stories! {
    async fn a_form_is_asked_for_filled_in_and_recorded(center: &mut Center) {
        four_weeks_on(center).await;
        let blank = center.answer(&DR_YAMADA.writes("追跡調査用紙 4週後", "症例番号: AURORA-0001\n")).await;
        assert_eq!((blank.kind.as_str(), reason(center).await.as_str()), ("follow-up-form", "form"));
        for part in ["症例番号: AURORA-0001\n時期: week_4\n", "\n来院日: \n", "2026-12-16", "2026-12-13 〜 2026-12-23"] {
            assert!(blank.text.contains(part), "{part}: {}", blank.text);
        }
        // The answer to it, filled in where it stands.
        let mut filled = blank.text.clone();
        for (key, value) in [("来院日: ", "2026/12/16"), ("体重: ", "６１．５"), ("ECOG PS: ", "1"), ("プロトコール治療を実施: ", "はい")] {
            filled = filled.replace(&format!("\n{key}\n"), &format!("\n{key}{value}\n"));
        }
        let quoted: String = filled.lines().map(|line| format!("> {line}\n")).collect();
        let reply = Mail { subject: format!("Re: {}", blank.subject), ..DR_YAMADA.writes("", &quoted) };
        let reply = reply.with(&format!("In-Reply-To: <{}>", blank.message_id));
        let done = center.answer(&reply).await;
        assert_eq!((done.kind.as_str(), reason(center).await.as_str()), ("follow-up-done", "entered"), "{}", done.text);
        assert!(done.text.contains("調査票を記録しました") && done.text.contains("61.5 kg"), "{}", done.text);
        assert!(!done.subject.contains("AURORA-0001") && !done.subject.contains("61.5"), "{}", done.subject);
        let [row] = &entries(center, "aurora").await[..] else { panic!("one") };
        assert_eq!((row.event.as_str(), row.instrument.as_str(), row.channel, row.person.as_str()), ("week_4", "visit", Channel::Mail, "yamada"));
        assert_eq!(row.answers, "{\"ecog\":\"1\",\"treatment_given\":\"yes\",\"visit_date\":\"2026-12-16\",\"weight\":\"61.5\"}");
        // The letter names the entry of the chain that holds it.
        let row_of = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let chain = audit::list(center.store(), row_of.id, 0, 100).await.unwrap();
        let entry = chain.iter().find(|entry| entry.action == "follow-up").unwrap();
        assert!(done.text.contains(&data_encoding::HEXLOWER.encode(&entry.digest)), "{}", done.text);
        // Asked for again, what is on file comes instead of a form.
        let again = center.answer(&DR_YAMADA.writes("追跡調査 week_4 AURORA-0001", "")).await;
        assert_eq!((again.kind.as_str(), again.text.contains("すでに記録されています")), ("follow-up-done", true), "{}", again.text);
        center.assert_proved().await;
    }

    async fn in_english_by_the_subject_line_alone(center: &mut Center) {
        aurora(center).await;
        center.exchange(&DR_MILLER.writes("enroll", &aurora_form("021", "M-0001"))).await;
        center.wind(FOUR_WEEKS);
        let blank = center.answer(&DR_MILLER.writes("follow-up week 4 AURORA-0001", "")).await;
        assert!(blank.text.contains("subject: AURORA-0001\nevent: week_4\n"), "{}", blank.text);
        let done = center.answer(&DR_MILLER.writes("follow-up week 4 AURORA-0001", &visit("2026-12-16", "61.5"))).await;
        assert_eq!((done.kind.as_str(), done.subject.as_str()), ("follow-up-done", "[AURORA] Follow-up recorded"), "{}", done.text);
        assert!(done.text.contains("The form was recorded.") && done.text.contains("By              Alex Miller"), "{}", done.text);
        // By the site's own reference, of an event without a day whose items tell which it is; the item is called as the event's line is.
        let adverse = "Subject ref: M-0001\nBegan on: 2026-12-10\nEvent: Nausea\nGrade: 2\nSerious: no\n";
        let done = center.answer(&DR_MILLER.writes("follow-up", adverse)).await;
        assert_eq!(done.kind, "follow-up-done", "{}", done.text);
        assert!(done.text.contains("Adverse event, No. 1") && done.text.contains("Nausea"), "{}", done.text);
    }

    async fn the_same_again_is_one(center: &mut Center) {
        four_weeks_on(center).await;
        let mail = DR_YAMADA.writes("追跡調査", &in_japanese("week_4", "2026-12-16", "61.5"));
        let first = center.answer(&mail).await;
        let again = center.answer(&mail).await;
        assert_eq!((again.text.as_str(), reason(center).await.as_str()), (first.text.as_str(), "same-message"));
        let anew = center.answer(&mail.anew()).await;
        assert_eq!((anew.kind.as_str(), reason(center).await.as_str()), ("follow-up-done", "entered-before"));
        assert!(anew.text.contains("すでに記録されています"), "{}", anew.text);
        assert_eq!(entries(center, "aurora").await.len(), 1);
        // What happens several times is entered several times, and a mail that says the same again is the same.
        let adverse = |term: &str| format!("症例番号: AURORA-0001\n時期: adverse\n発現日: 2026-12-10\n事象名: {term}\nグレード: 2\n重篤: いいえ\n");
        for (term, number) in [("悪心", "1 件目"), ("発疹", "2 件目"), ("悪心", "1 件目")] {
            let done = center.answer(&DR_YAMADA.writes("追跡調査", &adverse(term))).await;
            assert!(done.kind == "follow-up-done" && done.text.contains(number), "{term}: {}", done.text);
        }
        assert_eq!(entries(center, "aurora").await.len(), 3);
    }

    async fn many_copies_that_race_are_one(center: &mut Center) {
        four_weeks_on(center).await;
        let mail = DR_YAMADA.writes("追跡調査", &in_japanese("week_4", "2026-12-16", "61.5"));
        for _ in 0..8 {
            center.deliver(&mail.anew());
        }
        while center.process.intake.step().await.unwrap() == hagaki::mail::Did::Something {}
        let others = center.store().clone();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..2 {
            let mut process = center.start_on(&others);
            tasks.spawn(async move {
                while process.desk.step().await.unwrap() == hagaki::mail::Did::Something {}
                process.intake.stop().await;
            });
        }
        tasks.join_all().await;
        let letters = center.settle().await;
        assert_eq!(letters.len(), 8, "{:?}", kinds(&letters));
        assert!(letters.iter().all(|letter| letter.kind == "follow-up-done"), "{:?}", kinds(&letters));
        assert_eq!(entries(center, "aurora").await.len(), 1);
        center.assert_proved().await;
    }

    async fn page_and_mail_meet(center: &mut Center) {
        four_weeks_on(center).await;
        let pages = Arc::new(serve(center).await);
        let yamada = Visit::begin(center, &pages, "aurora", DR_YAMADA.address).await;
        let typed = [("visit_date", "2026-12-16"), ("weight", "61.5"), ("ecog", "1"), ("treatment_given", "yes")];
        let sent = yamada.record("/c/aurora/1/week_4/visit/new", &typed).await;
        assert_eq!(sent.location(), "/c/aurora/1?lang=en&done=entered", "{sent:?}");
        // The same by mail, in other words, is the same form.
        let before = center.answer(&DR_YAMADA.writes("追跡調査", &in_japanese("４週後", "令和8年12月16日", "61.50 kg"))).await;
        assert_eq!((before.kind.as_str(), reason(center).await.as_str()), ("follow-up-done", "entered-before"), "{}", before.text);
        // By mail first, the page finds it there.
        center.answer(&DR_YAMADA.writes("追跡調査", &in_japanese("week_8", "2026-12-16", "61.5"))).await;
        let asked = center.answer(&DR_YAMADA.writes("追跡調査", &in_japanese("week_8", "2026-12-16", "61.5"))).await;
        center.answer(&yes(&asked, DR_YAMADA)).await;
        assert_eq!(yamada.get("/c/aurora/1/week_8/visit/new?lang=en").await.location(), "/c/aurora/1/week_8/visit/1?lang=en");
        let shown = yamada.see("/c/aurora/1/week_8/visit/1").await;
        assert!(shown.body.contains("61.5") && shown.body.contains("by mail"), "{shown:?}");
        let mut came: Vec<(String, Channel)> = entries(center, "aurora").await.into_iter().map(|row| (row.event, row.channel)).collect();
        came.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(came, [("week_4".to_owned(), Channel::Web), ("week_8".to_owned(), Channel::Mail)]);
    }

    async fn other_data_change_nothing_until_they_correct(center: &mut Center) {
        four_weeks_on(center).await;
        let mail = DR_YAMADA.writes("追跡調査", &in_japanese("week_4", "2026-12-16", "61.5"));
        center.answer(&mail).await;
        let conflict = center.answer(&mail.mended("61.5", "65.1")).await;
        assert_eq!((conflict.kind.as_str(), reason(center).await.as_str()), ("follow-up-conflict", "conflict"));
        assert!(conflict.text.contains("体重 … 記録済み「61.5」、今回「65.1」"), "{}", conflict.text);
        assert!(conflict.text.contains("時期: week_4\n訂正理由: \n来院日: 2026-12-16\n"), "{}", conflict.text);
        assert_eq!(entries(center, "aurora").await.len(), 1);

        // The same form with a reason corrects, once it is confirmed; what was there stays.
        let filled = conflict.text.replace("訂正理由: ", "訂正理由: 体重計の読み違い");
        let quoted: String = filled.lines().map(|line| format!("> {line}\n")).collect();
        let reply = Mail { subject: format!("Re: {}", conflict.subject), ..DR_YAMADA.writes("", &quoted) };
        let reply = reply.with(&format!("In-Reply-To: <{}>", conflict.message_id));
        let asked = center.answer(&reply).await;
        assert_eq!((asked.kind.as_str(), reason(center).await.as_str()), ("follow-up-confirm", "to-confirm"), "{}", asked.text);
        assert!(asked.text.contains("理由「体重計の読み違い」") && asked.text.contains("「65.1」"), "{}", asked.text);
        assert_eq!(entries(center, "aurora").await.len(), 1);
        let done = center.answer(&yes(&asked, DR_YAMADA)).await;
        assert_eq!((done.kind.as_str(), reason(center).await.as_str()), ("follow-up-done", "entry-corrected"), "{}", done.text);
        assert!(done.text.contains("記録を訂正しました") && done.text.contains("体重計の読み違い"), "{}", done.text);
        let again = center.answer(&yes(&asked, DR_YAMADA)).await;
        assert_eq!((again.kind.as_str(), reason(center).await.as_str()), ("follow-up-done", "entered-before"));
        let all = entries(center, "aurora").await;
        assert_eq!(all.iter().map(|row| (row.current, row.reason.as_str())).collect::<Vec<_>>(), [(false, ""), (true, "体重計の読み違い")]);
        // The first mail sent again is told that it was corrected.
        let old = center.answer(&mail.anew()).await;
        assert_eq!(old.kind, "follow-up-conflict");
        center.assert_proved().await;
    }

    async fn of_two_corrections_the_second_finds_the_first(center: &mut Center) {
        four_weeks_on(center).await;
        center.answer(&DR_YAMADA.writes("追跡調査", &in_japanese("week_4", "2026-12-16", "61.5"))).await;
        // Of two that were asked about, the second finds that it was corrected meanwhile.
        let reasoned = |weight: &str| DR_YAMADA.writes("追跡調査", &format!("訂正理由: 再測定\n{}", in_japanese("week_4", "2026-12-16", weight)));
        let (one, two) = (center.answer(&reasoned("62")).await, center.answer(&reasoned("63")).await);
        assert_eq!(center.answer(&yes(&one, DR_YAMADA)).await.kind, "follow-up-done");
        let late = center.answer(&yes(&two, DR_YAMADA)).await;
        assert_eq!((late.kind.as_str(), reason(center).await.as_str()), ("follow-up-refused", "overtaken"), "{}", late.text);
        assert_eq!(entries(center, "aurora").await.iter().filter(|row| row.current).count(), 1);
        center.assert_proved().await;
    }

    async fn what_is_unusual_is_asked_about(center: &mut Center) {
        four_weeks_on(center).await;
        // A day outside of the window. Nobody else's yes counts, and nothing but a yes.
        let early = DR_YAMADA.writes("追跡調査", &in_japanese("week_4", "2026-12-01", "61.5"));
        let asked = center.answer(&early).await;
        assert_eq!((asked.kind.as_str(), entries(center, "aurora").await.len()), ("follow-up-confirm", 0));
        assert!(asked.text.contains("「2026-12-01」") && asked.text.contains("2026-12-13"), "{}", asked.text);
        let stolen = center.answer(&yes(&asked, DR_SUZUKI)).await;
        assert_eq!(stolen.kind, "confirm-expired");
        let unsure = center.answer(&Mail { body: "OK, but the date is wrong\n".into(), ..yes(&asked, DR_YAMADA) }).await;
        assert_eq!((unsure.kind.as_str(), entries(center, "aurora").await.len()), ("follow-up-confirm", 0));
        let done = center.answer(&yes(&asked, DR_YAMADA)).await;
        assert_eq!((done.kind.as_str(), reason(center).await.as_str()), ("follow-up-done", "entered"), "{}", done.text);
        let again = center.answer(&yes(&asked, DR_YAMADA)).await;
        assert_eq!((again.kind.as_str(), entries(center, "aurora").await.len()), ("follow-up-done", 1));
        // What does not go with an earlier event: the next is counted from the day of the first.
        let heavy = DR_YAMADA.writes("追跡調査", &in_japanese("8週後", "2026-12-16", "90"));
        let asked = center.answer(&heavy).await;
        assert_eq!(asked.kind, "follow-up-confirm");
        assert!(asked.text.contains("体重が4週後から2割以上変わっています") && asked.text.contains("2026-12-26"), "{}", asked.text);
        // Mended instead, it is asked about no more.
        center.wind(12 * 24 * 3600);
        let mended = center.answer(&heavy.mended("90", "62").mended("2026-12-16", "2026-12-28")).await;
        assert_eq!(mended.kind, "follow-up-done", "{}", mended.text);
    }

    async fn faults_come_back_with_the_form_filled_in(center: &mut Center) {
        four_weeks_on(center).await;
        let faulty = in_japanese("week_4", "2026-13-16", "610").replace("はい", "いいえ") + "お礼：ありがとう\n";
        let refused = center.answer(&DR_YAMADA.writes("追跡調査", &faulty)).await;
        assert_eq!(refused.kind, "follow-up-refused");
        assert_eq!(reason(center).await, "date:visit_date range:weight missing:why_not");
        for part in ["来院日: 2026-13-16\n", "体重: 610\n", "# ▲", "症例番号: AURORA-0001\n時期: week_4\n", "- お礼 … ありがとう"] {
            assert!(refused.text.contains(part), "{part}: {}", refused.text);
        }
        let mended = refused.text.replace("2026-13-16", "2026-12-16").replace("610", "61.0").replace("実施しなかった理由:", "実施しなかった理由: 発熱");
        let quoted: String = mended.lines().map(|line| format!("> {line}\n")).collect();
        let reply = Mail { subject: format!("Re: {}", refused.subject), ..DR_YAMADA.writes("", &quoted) };
        let done = center.answer(&reply.with(&format!("In-Reply-To: <{}>", refused.message_id))).await;
        assert_eq!(done.kind, "follow-up-done", "{}", done.text);
        assert!(done.text.contains("発熱"), "{}", done.text);
    }

    async fn what_cannot_be_told_is_asked(center: &mut Center) {
        four_weeks_on(center).await;
        let nothing = center.answer(&DR_YAMADA.writes("追跡調査", "")).await;
        assert_eq!((nothing.kind.as_str(), reason(center).await.as_str()), ("follow-up-form", "lacking:subject,event"));
        assert!(nothing.text.contains("week_4　4週後") && nothing.text.contains("adverse　有害事象"), "{}", nothing.text);
        let which = center.answer(&DR_YAMADA.writes("追跡調査", &in_japanese("", "2026-12-16", "61.5"))).await;
        assert_eq!((which.kind.as_str(), reason(center).await.as_str()), ("follow-up-form", "lacking:event"));
        assert!(which.text.contains("まだ記録していません") && which.text.contains("時期: \n来院日: 2026-12-16\n"), "{}", which.text);
        let absent = center.answer(&DR_YAMADA.writes("追跡調査", &in_japanese("12週後", "2026-12-16", "61.5"))).await;
        assert!(absent.kind == "follow-up-form" && absent.text.contains("「12週後」という時期は"), "{}", absent.text);
        let whose = center.answer(&DR_YAMADA.writes("追跡調査", &in_japanese("week_4", "2026-12-16", "61.5").replace("AURORA-0001", ""))).await;
        assert_eq!((whose.kind.as_str(), reason(center).await.as_str()), ("follow-up-form", "lacking:subject"));
        // Nobody knows that subject; a word on a registration stays one.
        let unknown = center.answer(&DR_YAMADA.writes("追跡調査", &in_japanese("week_4", "2026-12-16", "61.5").replace("0001", "0009"))).await;
        assert_eq!(unknown.kind, "status-unknown");
        let registered = center.exchange(&DR_YAMADA.writes("登録（追跡調査あり）", &aurora_form("011", "A-0002"))).await;
        assert_eq!(reason(center).await, "enrolled", "{:?}", kinds(&registered));
        assert_eq!(entries(center, "aurora").await, []);
    }

    async fn nobody_elses_subject_and_no_strangers(center: &mut Center) {
        four_weeks_on(center).await;
        let theirs = |writer: Writer| writer.writes("追跡調査", &in_japanese("week_4", "2026-12-16", "61.5"));
        // Of another site: the same answer as for a subject that there is not.
        let other = center.answer(&theirs(DR_SUZUKI)).await;
        assert_eq!(other.kind, "status-unknown");
        let blank = center.answer(&DR_SUZUKI.writes("追跡調査 week_4 AURORA-0001", "")).await;
        assert_eq!(blank.kind, "status-unknown");
        // Somebody whose role enters no data.
        const STAT: Writer = Writer { address: STATISTICIAN, study: "aurora" };
        assert_eq!(center.answer(&theirs(STAT)).await.kind, "not-entitled");
        // Whoever nobody knows, and whoever our border does not vouch for, gets no answer.
        const STRANGER: Writer = Writer { address: "stranger@example.net", study: "aurora" };
        for mail in [theirs(STRANGER), theirs(DR_YAMADA).vouched(Vouched::Fail)] {
            let letters = center.exchange(&mail).await;
            assert!(letters.iter().all(|letter| letter.kind == "quarantine-notice"), "{:?}", kinds(&letters));
        }
        assert_eq!(entries(center, "aurora").await, []);
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let chain = audit::list(center.store(), row.id, 0, 100).await.unwrap();
        assert_eq!(chain.iter().filter(|entry| entry.action == "refuse").count(), 3);
    }

    async fn an_event_that_is_not_planned_and_a_study_that_is_closed(center: &mut Center) {
        let some = "day_item = \"visit_date\"\nwhen = \"sex == 'F'\"\n\n[[events]]\nid = \"week_8\"";
        let bundle = edited(&samples::aurora(), "study.toml", "day_item = \"visit_date\"\n\n[[events]]\nid = \"week_8\"", some);
        center.activate(&bundle, Stage::Production).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "A-0001"))).await;
        center.wind(FOUR_WEEKS);
        let refused = center.answer(&DR_YAMADA.writes("追跡調査", &in_japanese("week_4", "2026-12-16", "61.5"))).await;
        assert_eq!((refused.kind.as_str(), reason(center).await.as_str()), ("follow-up-refused", "not-planned"));
        assert!(refused.text.contains("予定がありません") && !refused.text.contains("ここから"), "{}", refused.text);
        // Somebody who withdrew may still have had the event.
        let asked = center.answer(&DR_YAMADA.writes("同意撤回", "症例番号: AURORA-0001\n理由: 転居\n")).await;
        center.exchange(&yes(&asked, DR_YAMADA)).await;
        assert_eq!(reason(center).await, "withdrawn");
        let adverse = "症例番号: AURORA-0001\n時期: adverse\n発現日: 2026-12-10\n事象名: 悪心\nグレード: 2\n重篤: いいえ\n";
        assert_eq!(center.answer(&DR_YAMADA.writes("追跡調査", adverse)).await.kind, "follow-up-done");

        // Enrollment ended: the letters offer no registration, and forms go on.
        center.set_enrollment("aurora", true, None, "planned number reached").await.unwrap();
        center.settle().await;
        let blank = center.answer(&DR_YAMADA.writes("用紙", "")).await;
        assert!(blank.kind == "blank-form" && !blank.text.contains("ここから"), "{}", blank.text);
        let help = center.answer(&DR_YAMADA.writes("ヘルプ", "")).await;
        assert!(help.text.contains("登録の受付は終了しました") && help.text.contains("] 追跡調査") && !help.text.contains("] 登録"), "{}", help.text);
        assert_eq!(center.answer(&DR_YAMADA.writes("追跡調査", &adverse.replace("悪心", "発疹"))).await.kind, "follow-up-done");

        center.close("aurora", "all is done").await;
        let refused = center.answer(&DR_YAMADA.writes("追跡調査", &adverse.replace("悪心", "頭痛"))).await;
        assert_eq!((refused.kind.as_str(), reason(center).await.as_str()), ("follow-up-refused", "closed"), "{}", refused.text);
        let form = center.answer(&DR_YAMADA.writes("追跡調査 adverse AURORA-0001", "")).await;
        assert_eq!((form.kind.as_str(), reason(center).await.as_str()), ("follow-up-refused", "closed"));
        // What was recorded is still told.
        assert_eq!(center.answer(&DR_YAMADA.writes("追跡調査", adverse)).await.kind, "follow-up-done");
        let help = center.answer(&DR_YAMADA.writes("ヘルプ", "")).await;
        assert!(help.text.contains("本試験は終了しました") && !help.text.contains("] 追跡調査"), "{}", help.text);
        assert_eq!(entries(center, "aurora").await.len(), 2);
    }

    async fn a_blinded_site_learns_no_arm_and_personal_answers_are_sealed(center: &mut Center) {
        let bundle = super::enrolling::marked();
        let mut study = bundle.file("study.toml").unwrap().to_owned();
        study.push_str("\n[[events]]\nid = \"call\"\nname = { ja = \"電話\", en = \"Call\" }\ninstruments = [\"call\"]\nday = 7\n");
        let form = "title = { ja = \"電話調査票\", en = \"Call form\" }\n[[items]]\nid = \"slept\"\nkind = \"integer\"\n\
                    label = { ja = \"睡眠\", en = \"Hours slept\" }\nrequired = true\nhard = { min = 0, max = 24 }\nsoft = { min = 3, max = 12 }\n\
                    [[items]]\nid = \"partner\"\nkind = \"text\"\nlabel = { ja = \"配偶者\", en = \"Partner\" }\npersonal = true\n";
        let bundle = with_file(&with_file(&bundle, "study.toml", &study), "instruments/call.toml", form);
        center.activate(&bundle, Stage::Production).await;
        center.exchange(&DR_LARSEN.writes("enroll", &borealis_form("103", "103-001"))).await;
        center.wind(7 * 24 * 3600);
        let filled = "subject: BOREALIS-0001\nHours slept: 14\nPartner: Ingeborg Zwysig\n";
        let asked = center.answer(&DR_LARSEN.writes("follow-up", filled)).await;
        assert_eq!(asked.kind, "follow-up-confirm", "{}", asked.text);
        let done = center.answer(&yes(&asked, DR_LARSEN)).await;
        assert_eq!(done.kind, "follow-up-done", "{}", done.text);
        let conflict = center.answer(&DR_LARSEN.writes("follow-up", &filled.replace("14", "9").replace("Zwysig", "Quast"))).await;
        assert_eq!(conflict.kind, "follow-up-conflict", "{}", conflict.text);
        for letter in [&asked, &done, &conflict] {
            let arm = ["ZQPLACEBO", "ZQLOWER", "ZQHIGHER"].iter().any(|mark| letter.everything.contains(mark));
            assert!(!arm && !letter.everything.contains("Zwysig"), "{}", letter.everything);
        }
        // The sender's own words come back in the form alone.
        assert_eq!(conflict.text.matches("Ingeborg Quast").count(), 1, "{}", conflict.text);
        // In the database nobody reads it without the key.
        let all = center.world.number("SELECT count(*) FROM response WHERE answers LIKE '%Zwysig%' OR typed LIKE '%Zwysig%'").await;
        assert_eq!((all, entries(center, "borealis").await.len()), (0, 1));
        assert!(entries(center, "borealis").await[0].answers.contains("Ingeborg Zwysig"));
        assert_eq!(center.world.number("SELECT count(*) FROM pending WHERE body LIKE '%Zwysig%'").await, 0);
    }

    async fn a_study_that_asks_every_time_or_for_a_token(center: &mut Center) {
        center.activate(&confirming(), Stage::Production).await;
        let asked = center.answer(&DR_YAMADA.writes("登録", &aurora_form("011", "A-0001"))).await;
        center.exchange(&yes(&asked, DR_YAMADA)).await;
        center.wind(FOUR_WEEKS);
        let asked = center.answer(&DR_YAMADA.writes("追跡調査", &in_japanese("week_4", "2026-12-16", "61.5"))).await;
        assert_eq!((asked.kind.as_str(), asked.text.contains("通常と異なる値")), ("follow-up-confirm", false), "{}", asked.text);
        assert_eq!(center.answer(&yes(&asked, DR_YAMADA)).await.kind, "follow-up-done");
    }
}
