//! The blind of one subject is broken by mail: who may, who is told what, what stays on file.

use hagaki::domain::fact::FactKind;
use hagaki::store::fact::FactRow;
use hagaki::store::{audit, fact, study};
use hagaki::workflow::export::KEPT_BACK;

use super::enrolling::marked;
use super::exporting::{PLAIN, rows};
use super::*;

/// The facts of a study, in order.
async fn facts(center: &Center, slug: &str) -> Vec<FactRow> {
    let row = study::find_current(center.store(), slug).await.unwrap().unwrap();
    let facts = fact::list(center.store(), row.id, 0, 1_000).await.unwrap();
    assert_eq!(row.facts, i64::try_from(facts.len()).unwrap(), "the study's counter");
    facts
}

/// Actions of the chain that concern subjects' acts.
async fn entries(center: &Center, slug: &str) -> Vec<String> {
    let row = study::find_current(center.store(), slug).await.unwrap().unwrap();
    let all = audit::list(center.store(), row.id, 0, 1_000).await.unwrap();
    let mut found = Vec::new();
    for entry in all.into_iter().filter(|entry| !["activate", "enroll"].contains(&entry.action.as_str())) {
        assert!(!entry.body.contains("ZQ"), "the chain tells no arm of it: {}", entry.body);
        found.push(entry.action);
    }
    found
}

/// BOREALIS with marked arms and one subject at site 101 and one at 103.
async fn begun(center: &mut Center, edit: Option<&str>) -> (String, String) {
    let mut bundle = marked();
    if let Some(section) = edit {
        bundle = edited(&bundle, "study.toml", "[mail]", &format!("[unblinding]\n{section}\n\n[mail]"));
    }
    center.activate(&bundle, Stage::Production).await;
    center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"))).await;
    center.exchange(&DR_LARSEN.writes("enroll", &borealis_form("103", "103-001"))).await;
    let arms = center.arms("borealis").await;
    (arms[0].clone(), arms[1].clone())
}

fn ok(asked: &Received, writer: Writer) -> Mail {
    Mail { to: asked.reply_to.clone(), body: "OK\n".to_owned(), ..writer.writes("", "") }
}

const REQUEST: &str = "症例番号: BOREALIS-0001\n理由: アナフィラキシーショックのため\n";

stories! {
    async fn an_investigator_is_told_the_arm_and_others_that_it_happened(center: &mut Center) {
        let (arm, other) = begun(center, None).await;
        let kit = center.enrolled("borealis").await[0].2.clone().unwrap();
        let request = DR_KOBAYASHI.writes("緊急開鍵", REQUEST);
        let asked = center.answer(&request).await;
        assert_eq!(asked.kind, "deed-confirm");
        assert!(asked.reply_to.starts_with("reg+c.") && asked.text.contains("アナフィラキシー"), "{}", asked.text);
        assert!(facts(center, "borealis").await.is_empty(), "nothing is disclosed yet");
        // A copy of the request brings the same question, and a no discloses nothing.
        assert_eq!(center.answer(&request).await.reply_to, asked.reply_to);
        let no = Mail { body: "いいえ\n".to_owned(), ..ok(&asked, DR_KOBAYASHI) };
        assert_eq!(center.answer(&no).await.kind, "deed-confirm");
        // Nobody else can say yes.
        assert_eq!(center.answer(&ok(&asked, DR_LARSEN)).await.kind, "confirm-expired");

        let yes = ok(&asked, DR_KOBAYASHI);
        let letters = center.exchange(&yes).await;
        assert_eq!(kinds(&letters), [("unblinded", DR_KOBAYASHI.address), ("unblinding-notice", OFFICE)]);
        assert_eq!(reason(center).await, "unblinded");
        for letter in &letters {
            let may = letter.to == DR_KOBAYASHI.address;
            assert_eq!(letter.everything.contains(&arm), may, "{}", letter.text);
            assert_eq!(letter.text.contains(&kit), may, "no kit stands beside an arm it could tell: {}", letter.text);
            assert!(!letter.everything.contains(&other) || arm == other, "one subject only");
            assert!(!letter.subject.contains(&arm), "{}", letter.subject);
            assert!(letter.text.contains("BOREALIS-0001") && letter.text.contains("アナフィラキシー"), "{}", letter.text);
        }
        let told = letters.iter().find(|letter| letter.kind == "unblinded").unwrap();
        let first = told.text.lines().find(|line| !line.trim().is_empty() && !line.contains("様")).unwrap();
        assert!(first.contains(&arm), "the arm comes first: {}", told.text);
        let fact = facts(center, "borealis").await.pop().unwrap();
        assert_eq!((fact.kind, fact.person.as_str(), fact.actor.as_str()), (FactKind::Unblinded, "kobayashi", "kobayashi"));
        assert_eq!((fact.after_allocation, fact.reason.as_str()), (2, "アナフィラキシーショックのため"));

        // The yes once more, as a copy and anew; the request once more: the same answer, nobody is notified again.
        for mail in [yes.clone(), yes.anew(), request.anew()] {
            let letters = center.exchange(&mail).await;
            assert_eq!(kinds(&letters), [("unblinded", DR_KOBAYASHI.address)]);
            assert!(letters[0].everything.contains(&arm));
        }
        assert_eq!(facts(center, "borealis").await.len(), 1);
        assert_eq!(entries(center, "borealis").await, ["fact", "unblind-look", "unblind-look"]);
    }

    async fn a_reply_reaches_its_study_by_its_token_alone(center: &mut Center) {
        begun(center, None).await;
        // The same person is on the staff of two studies, as a data center's people are.
        let two = edited(&samples::aurora(), "study.toml", "yamada@example.jp", DR_KOBAYASHI.address);
        center.activate(&two, Stage::Production).await;
        let asked = center.answer(&DR_KOBAYASHI.writes("緊急開鍵", REQUEST)).await;
        assert!(asked.text.contains("101-001"), "the site's own reference is shown: {}", asked.text);
        let bare = Mail { subject: "OK".to_owned(), ..ok(&asked, DR_KOBAYASHI) };
        let letters = center.exchange(&bare).await;
        let told = letters.iter().find(|letter| letter.kind == "unblinded").unwrap();
        assert!(told.to == DR_KOBAYASHI.address && told.text.contains("101-001"), "{}", told.text);
        // A token that nobody gave tells no study.
        let unknown = Mail { to: "reg+c.aaaaaaaaaaaaaaaaaaaaaaaaaa@example.jp".to_owned(), subject: "OK".to_owned(), ..ok(&asked, DR_KOBAYASHI) };
        center.exchange(&unknown).await;
        assert!(reason(center).await.contains("unknown-study"));
    }

    async fn without_confirmation_where_the_study_says_so(center: &mut Center) {
        let (arm, _) = begun(center, Some("confirm = false\nroles = [\"investigator\"]\ntell = [\"statistician\"]")).await;
        let request = DR_LARSEN.writes("unblind 103-001", "Reason: ANAPHYLAXIS in the emergency room\n");
        let letters = center.exchange(&request).await;
        assert_eq!(kinds(&letters), [("unblinded", DR_LARSEN.address), ("unblinding-notice", BLIND_STATISTICIAN)]);
        let arm_of_second = center.arms("borealis").await[1].clone();
        assert!(letters.iter().any(|letter| letter.kind == "unblinded" && letter.everything.contains(&arm_of_second)));
        assert!(arm.starts_with("ZQ"));
        // The same mail delivered twice acts once.
        assert_eq!(kinds(&center.exchange(&request).await), [("unblinded", DR_LARSEN.address)]);
        assert_eq!(entries(center, "borealis").await, ["fact"]);
    }

    async fn what_is_lacking_is_asked_for_and_the_form_comes_back(center: &mut Center) {
        begun(center, None).await;
        for (subject, body) in [
            ("unblind", ""),
            ("開鍵", "至急お願いします。"),
            ("unblind", "subject: BOREALIS-0001\n"),
            ("unblind", "reason: shock\n"),
            ("unblind", "subject: BOREALIS-0001\nsubject: BOREALIS-0002\nreason: both\n"),
        ] {
            let answer = center.answer(&DR_KOBAYASHI.writes(subject, &format!("{body}\n"))).await;
            assert_eq!(answer.kind, "deed-form", "{subject} {body}");
            assert!(reason(center).await.starts_with("lacking:"), "{body}");
        }
        assert!(entries(center, "borealis").await.is_empty(), "nothing is recorded");
        // The form is filled in where it stands, inside the quotation.
        let form = center.answer(&DR_KOBAYASHI.writes("開鍵", "\n")).await;
        let filled = form.text.replace("症例番号: ", "症例番号: BOREALIS-0001").replace("理由: ", "理由: ショック");
        let quoted: String = filled.lines().map(|line| format!("> {line}\n")).collect();
        let reply = Mail { subject: format!("Re: {}", form.subject), ..DR_KOBAYASHI.writes("", &format!("\n{quoted}")) }
            .with(&format!("In-Reply-To: <{}>", form.message_id));
        assert_eq!(center.answer(&reply).await.kind, "deed-confirm");
    }

    async fn whoever_may_not_is_told_so_and_it_is_on_file(center: &mut Center) {
        let (arm, _) = begun(center, Some("roles = [\"investigator\"]")).await;
        let pharmacist = Writer { address: PHARMACY, study: "borealis" };
        let office = Writer { address: OFFICE, study: "borealis" };
        for writer in [pharmacist, office] {
            assert_eq!(center.answer(&writer.writes("開鍵", REQUEST)).await.kind, "not-entitled");
        }
        // Another site's subject does not exist for them, nor does one that was never enrolled.
        assert_eq!(center.answer(&DR_LARSEN.writes("unblind", REQUEST)).await.kind, "status-unknown");
        let nobody = DR_KOBAYASHI.writes("unblind", "subject: BOREALIS-0099\nreason: shock\n");
        assert_eq!(center.answer(&nobody).await.kind, "status-unknown");
        assert_eq!(entries(center, "borealis").await, ["refuse-deed"; 3]);
        for letter in center.all_letters().await.iter().filter(|letter| letter.to != PHARMACY) {
            assert!(letter.kind == "notice-unblinded" || !letter.everything.contains(&arm), "{}", letter.text);
        }
        // A mail that nobody vouches for is not acted on.
        let unvouched = DR_KOBAYASHI.writes("開鍵", REQUEST).vouched(Vouched::Nothing);
        assert_eq!(kinds(&center.exchange(&unvouched).await), [("quarantine-notice", OFFICE)]);
    }

    async fn a_reason_that_tells_an_arm_is_kept_from_those_who_are_notified(center: &mut Center) {
        let (arm, _) = begun(center, Some("confirm = false")).await;
        let body = format!("subject: BOREALIS-0001\nreason: the nurse says it is {arm}\n");
        let letters = center.exchange(&DR_KOBAYASHI.writes("unblind", &body)).await;
        let notice = letters.iter().find(|letter| letter.kind == "unblinding-notice").unwrap();
        assert!(!notice.everything.contains(&arm) && !notice.text.contains("nurse"), "{}", notice.text);
        assert!(facts(center, "borealis").await[0].reason.contains(&arm), "it is on file");
    }

    async fn words_of_somebody_who_may_know_arms_reach_nobody_who_is_blinded(center: &mut Center) {
        begun(center, Some("confirm = false\ntell = [\"coordinator\", \"statistician\"]")).await;
        // Neither a name nor a code of an arm as the study words them.
        let pharmacist = Writer { address: PHARMACY, study: "borealis" };
        let telling = "severe rash while on the large one";
        let body = format!("subject: BOREALIS-0001\nreason: {telling}\n");
        let letters = center.exchange(&pharmacist.writes("unblind", &body)).await;
        assert_eq!(kinds(&letters), [
            ("unblinded", PHARMACY),
            ("unblinding-notice", OFFICE),
            ("unblinding-notice", BLIND_STATISTICIAN),
        ]);
        let tells = |letter: &Received| letter.text.contains("the large one") || letter.words.contains("the large one");
        for letter in &letters {
            assert_eq!(tells(letter), letter.to != OFFICE, "{}: {}", letter.to, letter.text);
        }
        let notice = letters.iter().find(|letter| letter.to == OFFICE).unwrap();
        assert!(notice.text.contains("記録されています"), "{}", notice.text);
        // Whoever asks before they know may be read by all; what they say when they know the arm may not.
        let asked = DR_LARSEN.writes("unblind", "subject: 103-001\nreason: shock in the night\n");
        let letters = center.exchange(&asked).await;
        assert!(letters.iter().any(|letter| letter.to == OFFICE && letter.text.contains("shock in the night")));
        let later = DR_LARSEN.writes("withdraw", "subject: 103-001\nreason: never the large one again\n");
        let confirm = center.answer(&later).await;
        let letters = center.exchange(&ok(&confirm, DR_LARSEN)).await;
        assert_eq!(kinds(&letters), [
            ("fact-done", DR_LARSEN.address),
            ("fact-notice", OFFICE),
            ("fact-notice", BLIND_STATISTICIAN),
        ]);
        for letter in &letters {
            assert_eq!(tells(letter), letter.to != OFFICE, "{}: {}", letter.to, letter.text);
            assert_eq!(letter.text.contains("記録されています"), letter.to == OFFICE, "{}", letter.text);
        }
        // Somebody who was never told is read by all.
        let body = "subject: BOREALIS-0001\nreason: moved to Osaka\n";
        let confirm = center.answer(&DR_KOBAYASHI.writes("withdraw", body)).await;
        let letters = center.exchange(&ok(&confirm, DR_KOBAYASHI)).await;
        assert!(letters.iter().all(|letter| letter.text.contains("moved to Osaka")));
        let reasons = async |center: &Center| -> Vec<String> {
            rows(center, "borealis", "facts", PLAIN).await.into_iter().map(|mut row| row.remove("reason").unwrap()).collect()
        };
        let own = "shock in the night";
        assert_eq!(reasons(center).await, [KEPT_BACK, own, KEPT_BACK, "moved to Osaka"]);
        // Nothing is lost: a study that is closed conceals nothing any more.
        center.wind(1);
        center.close("borealis", "last visit done").await;
        assert_eq!(reasons(center).await, [telling, own, "never the large one again", "moved to Osaka"]);
    }

    async fn a_second_person_is_told_and_it_is_on_file(center: &mut Center) {
        let (arm, _) = begun(center, Some("confirm = false")).await;
        center.exchange(&DR_KOBAYASHI.writes("開鍵", REQUEST)).await;
        let pharmacist = Writer { address: PHARMACY, study: "borealis" };
        let letters = center.exchange(&pharmacist.writes("開鍵", REQUEST)).await;
        assert_eq!(kinds(&letters), [("unblinded", PHARMACY), ("unblinding-notice", OFFICE)]);
        assert!(letters.iter().any(|letter| letter.to == PHARMACY && letter.everything.contains(&arm)));
        let facts = facts(center, "borealis").await;
        assert_eq!(facts.iter().map(|fact| fact.person.as_str()).collect::<Vec<_>>(), ["kobayashi", "pharmacy"]);
    }

    async fn an_open_study_has_nothing_to_disclose(center: &mut Center) {
        aurora(center).await;
        center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"))).await;
        let arm = center.arms("aurora").await.remove(0);
        let letters = center.exchange(&DR_YAMADA.writes("開鍵", "識別番号: Y-0031\n理由: 確認のため\n")).await;
        assert_eq!(kinds(&letters), [("unblind-open", DR_YAMADA.address)]);
        assert!(letters[0].text.contains(&format!("({arm})")), "{}", letters[0].text);
        assert!(facts(center, "aurora").await.is_empty());
    }

    async fn a_site_token_is_demanded_as_for_enrolling(center: &mut Center) {
        let bundle = edited(&samples::borealis(), "study.toml", "authentication = \"dmarc\"", "token = true");
        center.activate(&bundle, Stage::Production).await;
        let token = |site: &str| {
            let text = hagaki::domain::token::site_token(&center.keys.address, "borealis", site, None);
            format!("reg+{text}@example.jp")
        };
        let (own, foreign) = (token("101"), token("102"));
        center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001")).to(&own)).await;
        let request = DR_KOBAYASHI.writes("開鍵", REQUEST);
        for to in [request.to.clone(), foreign] {
            assert_eq!(center.answer(&request.anew().to(&to)).await.kind, "not-entitled");
        }
        let asked = center.answer(&request.anew().to(&own)).await;
        assert_eq!(asked.kind, "deed-confirm");
        assert_eq!(center.exchange(&ok(&asked, DR_KOBAYASHI)).await.len(), 2);
    }
}
