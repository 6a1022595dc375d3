//! The diary answered by mail: the blank form out, the filled-in form back, with the checks and the record of the page.

use hagaki::store::response::Channel;

use super::survey::{invite, link_in, once, responses, serve};
use super::*;

const P0: Writer = Writer { address: "p0@example.jp", study: "wellbeing" };
const STRANGER: Writer = Writer { address: "stranger@example.net", study: "wellbeing" };

const FILLED: &str = "記入日：令和8年11月1日\nこの一週間の気分（0 とても悪い 〜 10 とても良い）：７\n痛みがありましたか：はい\n\
    痛みのあった場所：頭\n痛みのあった場所 / その他：左の耳\n一晩の平均睡眠時間：7.5時間\n疲れやすかった：数日\n\
    心配事が頭を離れなかった：1\n家族や友人と話した：ほぼ毎日\n気になったこと：とくになし\n";

/// The lines of a text as a mail program quotes them.
fn quoted(text: &str) -> String {
    text.lines().map(|line| format!("> {line}\n")).collect()
}

/// Our blank form, filled in where it stands.
fn filled_in(blank: &str) -> String {
    let answers = [
        ("記入日: ", "2026-11-02"),
        ("痛みがありましたか: ", "no"),
        ("疲れやすかった: ", "1"),
        ("心配事が頭を離れなかった: ", "2"),
        ("家族や友人と話した: ", "2"),
        ("この一週間の気分（0 とても悪い 〜 10 とても良い）: ", "6"),
    ];
    answers.iter().fold(blank.to_owned(), |body, (key, value)| body.replace(key, &format!("{key}{value}")))
}

stories! {
    async fn a_form_is_asked_for_filled_in_and_recorded(center: &mut Center) {
        center.activate(&samples::wellbeing(), Stage::Production).await;
        invite(center, 2, None).await;
        center.settle().await;
        // Whoever asks gets the same blank form, so that it tells nothing of who is on the list.
        let blank = center.answer(&P0.writes("用紙", "お願いします")).await;
        assert_eq!(blank.kind, "survey-form");
        assert!(blank.text.contains("疲れやすかった: ") && blank.text.contains("痛みのあった場所 / その他: "), "{}", blank.text);
        assert!(blank.text.contains("# 気分を … とされた理由など、気になったこと") && blank.text.contains("\nremark:\n"), "{}", blank.text);
        let told = center.answer(&STRANGER.writes("form", "お願いします")).await;
        assert_eq!(told.text, blank.text);

        let done = center.answer(&P0.writes("回答", FILLED)).await;
        assert_eq!(done.kind, "survey-done");
        assert!(done.text.contains("回答を記録しました") && done.text.contains("左の耳"), "{}", done.text);
        let all = responses(center).await;
        assert_eq!(
            all[0].answers,
            "{\"day\":\"2026-11-01\",\"met\":\"3\",\"mood\":\"7\",\"pain\":\"yes\",\"remark\":\"とくになし\",\"slept\":\"7.5\",\
             \"tired\":\"2\",\"where\":\"head;other\",\"where_other\":\"左の耳\",\"worried\":\"1\"}"
        );
        assert_eq!((all[0].channel, all[0].participant_id.is_some(), all[0].audit_digest.is_some()), (Channel::Mail, true, true));

        // The form comes back as we sent it, filled in where it stands; a diary takes it once more.
        let quoted = quoted(&filled_in(&blank.text));
        let reply = P0.writes("Re: 回答", &quoted).with(&format!("In-Reply-To: <{}>", blank.message_id.trim_matches(['<', '>'])));
        let again = center.answer(&reply).await;
        // A day has not gone by yet, so it is told from when on it is taken; whoever wrote twice counts once.
        assert_eq!(again.kind, "survey-refused", "{}", again.text);
        assert!(again.text.contains("次の回答は 2026-11-19 から受け付けます"), "{}", again.text);
        assert_eq!(responses(center).await.len(), 1);
        center.wind(24 * 3600);
        let reply = reply.anew();
        let again = center.answer(&reply).await;
        assert_eq!(again.kind, "survey-done", "{}", again.text);
        assert_eq!(responses(center).await.len(), 2);
        // The same mail delivered again is the same response with the same answer.
        let copy = center.answer(&reply).await;
        assert_eq!((copy.kind.as_str(), responses(center).await.len()), ("survey-done", 2));
    }

    async fn a_form_that_comes_back_in_a_mail_of_its_own_is_read_or_answered(center: &mut Center) {
        const P1: Writer = Writer { address: "p1@example.jp", study: "wellbeing" };
        center.activate(&samples::wellbeing(), Stage::Production).await;
        invite(center, 2, None).await;
        center.settle().await;
        let blank = center.answer(&P0.writes("用紙", "お願いします")).await;
        // As a page for mail does it that begins a new one: our form in a quotation, and nothing that names our letter.
        let body = format!("2026年11月29日(日) 3:29 <reg@example.jp>:\n\n{}", quoted(&filled_in(&blank.text)));
        let done = center.answer(&P0.writes("Re: 調査の回答用紙", &body)).await;
        assert_eq!(done.kind, "survey-done", "{}", done.text);
        assert_eq!(responses(center).await.len(), 1);

        // Lines that are quoted without our form around them may be of any mail: it is told what was seen, and why it was not taken.
        let lines = quoted(FILLED);
        for body in [lines.clone(), format!("よろしくお願いいたします。\n\n{lines}")] {
            let told = center.answer(&P1.writes("回答", &body)).await;
            assert_eq!((told.kind.as_str(), responses(center).await.len()), ("survey-refused", 1), "{}", told.text);
            assert!(told.text.contains("引用") && told.text.contains("疲れやすかった: 数日"), "{}", told.text);
        }
        let told = center.answer(&P1.writes("Re: 回答用紙", &lines)).await;
        let reply = P1.writes("Re: 回答", &quoted(&told.text)).with(&format!("In-Reply-To: <{}>", told.message_id.trim_matches(['<', '>'])));
        let done = center.answer(&reply).await;
        assert_eq!((done.kind.as_str(), responses(center).await.len()), ("survey-done", 2), "{}", done.text);

        // A question about them is for a person.
        center.exchange(&P1.writes("回答", &format!("この項目はどういう意味でしょうか？\n{lines}"))).await;
        assert!(reason(center).await.contains("unknown-sender"));
        assert_eq!(responses(center).await.len(), 2);
    }

    async fn faults_come_back_with_the_form_filled_in(center: &mut Center) {
        center.activate(&samples::wellbeing(), Stage::Production).await;
        invite(center, 1, None).await;
        center.settle().await;
        let faulty = FILLED.replace("7.5時間", "20").replace("気になったこと", "そのほか昼間に眠った時間（一日の平均）：6\n気になったこと").replace("数日", "たまに");
        let refused = center.answer(&P0.writes("回答", &faulty)).await;
        assert_eq!(refused.kind, "survey-refused");
        assert!(refused.text.contains("夜と昼の睡眠時間を合わせると 24 時間を超えています"), "{}", refused.text);
        assert!(refused.text.contains("疲れやすかった: たまに") && refused.text.contains(" / その他: 左の耳"), "{}", refused.text);
        assert_eq!(responses(center).await, []);
        // Mended, it counts.
        let done = center.answer(&P0.writes("回答", &faulty.replace("たまに", "2").replace("：6", "：2").replace("：20", "：8"))).await;
        assert_eq!(done.kind, "survey-done", "{}", done.text);
        assert_eq!(responses(center).await.len(), 1);
    }

    async fn what_is_unusual_is_asked_about(center: &mut Center) {
        center.activate(&samples::wellbeing(), Stage::Production).await;
        invite(center, 1, None).await;
        center.settle().await;
        let unusual = FILLED.replace("7.5時間", "13");
        let asked = center.answer(&P0.writes("回答", &unusual)).await;
        assert_eq!((asked.kind.as_str(), responses(center).await.len()), ("survey-confirm", 0));
        assert!(asked.text.contains("「13」"), "{}", asked.text);
        let yes = |writer: Writer| Mail { to: asked.reply_to.clone(), body: "OK\n".to_owned(), ..writer.writes("", "") };
        // Nobody else's yes counts.
        let stolen = center.answer(&yes(STRANGER)).await;
        assert_eq!((stolen.kind.as_str(), responses(center).await.len()), ("confirm-expired", 0));
        let done = center.answer(&yes(P0)).await;
        assert_eq!((done.kind.as_str(), responses(center).await.len()), ("survey-done", 1));
        let again = center.answer(&yes(P0)).await;
        assert_eq!((again.kind.as_str(), responses(center).await.len()), ("survey-done", 1));
        let number = |text: &str| text.split("受付番号: ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        assert_eq!(number(&again.text), number(&done.text));
    }

    async fn a_form_by_mail_counts_once_whichever_way_it_comes(center: &mut Center) {
        center.activate(&once(), Stage::Production).await;
        let issued = invite(center, 2, None).await;
        center.settle().await;
        let pages = serve(center).await;
        let done = center.answer(&P0.writes("回答", FILLED)).await;
        assert_eq!(done.kind, "survey-done");
        let page = pages.get(&link_in(issued[0].link.as_deref().unwrap())).await;
        assert!(page.body.contains("すでに回答いただいています"), "{page:?}");
        let before = center.answer(&P0.writes("回答", &FILLED.replace("：７", "：3"))).await;
        assert!(before.text.contains("すでに回答いただいています") && !before.text.contains("左の耳"), "{}", before.text);
        assert_eq!(responses(center).await.len(), 1);

        let stranger = center.answer(&STRANGER.writes("回答", FILLED)).await;
        assert_eq!(stranger.kind, "survey-refused");
        assert!(stranger.text.contains("ご案内をお送りしたアドレスからのみ"), "{}", stranger.text);
        // A forged sender is answered nothing and kept for a person.
        const P1: Writer = Writer { address: "p1@example.jp", study: "wellbeing" };
        center.exchange(&P1.writes("回答", FILLED).vouched(Vouched::Fail)).await;
        assert!(reason(center).await.contains("auth-fail"));
        assert_eq!(responses(center).await.len(), 1);
    }

    async fn sent_answers_are_mended_by_mail_where_the_study_allows_it(center: &mut Center) {
        let bundle = edited(&once(), "study.toml", "responses = \"once\"", "responses = \"once\"\nedit = true");
        center.activate(&bundle, Stage::Production).await;
        invite(center, 1, None).await;
        center.settle().await;
        center.answer(&P0.writes("回答", FILLED)).await;
        let mended = center.answer(&P0.writes("回答", &FILLED.replace("：７", "：3"))).await;
        assert!(mended.text.contains("今回の回答に置き換えました"), "{}", mended.text);
        let row = hagaki::store::study::find_current(center.store(), "wellbeing").await.unwrap().unwrap();
        let all = hagaki::store::response::list(center.store(), row.id, &hagaki::domain::survey::Mark([0; 16]), 10).await.unwrap();
        assert_eq!((all.len(), all.iter().filter(|one| one.current).count(), row.responses), (2, 1, 1));
    }
}
