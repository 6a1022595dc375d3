//! Errors become facts beside the enrollment: by mail and by command, counted as the study declared, provable afterwards.

use std::collections::BTreeMap;

use hagaki::domain::fact::FactKind;
use hagaki::store::fact::FactRow;
use hagaki::store::{audit, fact, study};
use hagaki::workflow::command::{self, CommandError, Known, Order};
use hagaki::workflow::proof::{self, Verdict};
use hagaki::workflow::shelf::{Shelf, ShelvedStudy};
use hagaki::workflow::told::What;
use hagaki::workflow::unblind::Broken;
use hagaki::workflow::{DeskAddress, Means};

use super::enrolling::marked;
use super::*;

async fn facts(center: &Center, slug: &str) -> Vec<FactRow> {
    let row = study::find_current(center.store(), slug).await.unwrap().unwrap();
    fact::list(center.store(), row.id, 0, 1_000).await.unwrap()
}

pub(crate) fn ok(asked: &Received, writer: Writer) -> Mail {
    Mail { to: asked.reply_to.clone(), body: "OK\n".to_owned(), ..writer.writes("", "") }
}

/// AURORA whose sites call their subjects by plain numbers.
fn numbered() -> Bundle {
    let form = "instruments/registration.toml";
    let text = samples::aurora().file(form).unwrap().to_owned();
    let pattern = text.lines().find(|line| line.starts_with("pattern = ")).unwrap().to_owned();
    edited(&samples::aurora(), form, &pattern, "")
}

pub(super) async fn enroll(center: &mut Center, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let sex = if number % 3 == 0 { "女" } else { "男" };
        let form = aurora_form("011", &format!("Y-{number:04}")).replace("性別: 男", &format!("性別: {sex}"));
        let form = if sex == "女" { format!("{form}妊娠: いいえ\n") } else { form };
        center.exchange(&DR_YAMADA.writes("登録", &form)).await;
        assert_eq!(reason(center).await, "enrolled");
    }
}

/// The operator's desk on the center's store.
pub(crate) struct Operating {
    pub(super) shelf: Shelf,
    pub(super) shelved: ShelvedStudy,
    desk: DeskAddress,
}

impl Operating {
    /// The study.
    pub(super) fn shelved(self) -> ShelvedStudy {
        self.shelved
    }

    pub(crate) async fn of(center: &Center, slug: &str) -> Operating {
        let shelf = center.shelf_on(center.store());
        let row = study::find_current(center.store(), slug).await.unwrap().unwrap();
        let shelved = shelf.load(&row).await.unwrap();
        let desk = DeskAddress {
            mailbox: "reg".to_owned(),
            address: SERVICE.to_owned(),
            display: "Registration".to_owned(),
            message_id_domain: "reg.example.jp".to_owned(),
            public_url: "https://hagaki.example.jp".to_owned(),
            openpgp: None,
        };
        Operating { shelf, shelved, desk }
    }

    pub(super) fn means<'a>(&'a self, center: &'a Center) -> Means<'a> {
        use hagaki::domain::time::Clock;
        Means { now: center.clock.now(), dice: &*center.dice, keys: &center.keys, desk: &self.desk }
    }

    pub(crate) async fn note(
        &self,
        center: &Center,
        subject: &str,
        kind: FactKind,
        set: &[(&str, &str)],
        of: Option<&str>,
    ) -> Result<(FactRow, bool), CommandError> {
        self.note_of(center, subject, kind, set, of, None).await
    }

    /// The same by somebody who is sure of unusual values.
    pub(super) async fn note_surely(
        &self,
        center: &Center,
        subject: &str,
        kind: FactKind,
        set: &[(&str, &str)],
    ) -> Result<(FactRow, bool), CommandError> {
        let set = set.iter().map(|(item, value)| ((*item).to_owned(), (*value).to_owned())).collect();
        let order = Order { actor: "operator:tester", subject, reason: "found by the monitor" };
        let known = Known { kind, set: &set, of: None, randomization: None, sure: true, by: self.by() };
        command::note(&self.shelf, &self.shelved, self.means(center), order, known).await
    }

    /// Somebody of the staff who may know arms, as the operator does.
    fn by(&self) -> Option<&str> {
        let people = &self.shelved.study.people;
        people.iter().find(|person| person.knows_arms()).or(people.first()).map(|person| person.id.as_str())
    }

    /// The same of a further allocation alone.
    pub(super) async fn note_of(
        &self,
        center: &Center,
        subject: &str,
        kind: FactKind,
        set: &[(&str, &str)],
        of: Option<&str>,
        allocation: Option<&str>,
    ) -> Result<(FactRow, bool), CommandError> {
        let set = set.iter().map(|(item, value)| ((*item).to_owned(), (*value).to_owned())).collect();
        let order = Order { actor: "operator:tester", subject, reason: "found by the monitor" };
        let known = Known { kind, set: &set, of, randomization: allocation, sure: false, by: self.by() };
        command::note(&self.shelf, &self.shelved, self.means(center), order, known).await
    }
}

stories! {
    async fn a_number_that_means_two_subjects_means_none(center: &mut Center) {
        center.activate(&numbered(), Stage::Production).await;
        for reference in ["2", "5"] {
            center.exchange(&DR_YAMADA.writes("登録", &aurora_form("011", reference))).await;
            assert_eq!(reason(center).await, "enrolled");
        }
        let row = study::find_current(center.store(), "aurora").await.unwrap().unwrap();
        let operating = Operating::of(center, "aurora").await;
        let found = async |wanted: &str| {
            command::find_subject(center.store(), &operating.shelved.study, row.id, wanted).await.map(|found| found.number)
        };
        // The first is called 2, and the second is counted so.
        let two = found("2").await.unwrap_err().to_string();
        assert!(two.contains("the number of AURORA-0002") && two.contains("the site's reference of AURORA-0001"), "{two}");
        assert_eq!(found("AURORA-0002").await.unwrap(), 2);
        assert_eq!((found("5").await.unwrap(), found("1").await.unwrap()), (2, 1));
        assert!(found("9").await.is_err());
        // What reads as one of our numbers is nobody's reference.
        for reference in ["AURORA-0001", "aurora 7"] {
            let answer = center.answer(&DR_YAMADA.writes("登録", &aurora_form("011", reference))).await;
            assert!(answer.text.contains("症例登録番号と区別できません"), "{}", answer.text);
        }
    }

    async fn a_withdrawal_is_noted_and_the_enrollment_stays(center: &mut Center) {
        aurora(center).await;
        enroll(center, 1..3).await;
        let before = center.enrolled("aurora").await;
        let request = DR_YAMADA.writes("同意撤回", "識別番号: Y-0001\n理由: 転居のため\n");
        let asked = center.answer(&request).await;
        assert_eq!(asked.kind, "deed-confirm");
        let letters = center.exchange(&ok(&asked, DR_YAMADA)).await;
        assert_eq!(kinds(&letters), [
            ("fact-done", DR_YAMADA.address),
            ("fact-notice", CENTER),
            ("fact-notice", STATISTICIAN),
        ]);
        assert_eq!(reason(center).await, "withdrawn");
        assert!(letters.iter().all(|letter| letter.text.contains("転居のため")), "{letters:?}");
        assert_eq!(center.enrolled("aurora").await, before);
        let noted = facts(center, "aurora").await;
        assert_eq!((noted.len(), noted[0].kind, noted[0].after_allocation), (1, FactKind::Withdrawn, 2));
        // Again in any way: the same answer, nothing new.
        for mail in [ok(&asked, DR_YAMADA), request.anew()] {
            assert_eq!(kinds(&center.exchange(&mail).await), [("fact-done", DR_YAMADA.address)]);
        }
        assert_eq!(facts(center, "aurora").await.len(), 1);
        let status = center.answer(&DR_YAMADA.writes("状況 Y-0001", "")).await;
        assert!(status.text.contains("同意が撤回されました"), "{}", status.text);
        // Others may not: no role, not their site.
        let statistician = Writer { address: STATISTICIAN, study: "aurora" };
        assert_eq!(center.answer(&statistician.writes("withdraw", "subject: AURORA-0001\nreason: x\n")).await.kind, "not-entitled");
        assert_eq!(center.answer(&DR_SUZUKI.writes("同意撤回", "症例番号: AURORA-0001\n理由: x\n")).await.kind, "status-unknown");
    }

    async fn a_correction_by_mail_counts_as_declared_and_is_proved(center: &mut Center) {
        let bundle = edited(&samples::aurora(), "allocation.toml", "method =", "corrections = \"corrected\"\nmethod =");
        center.activate(&bundle, Stage::Production).await;
        enroll(center, 1..8).await;
        // What is wrong with the values is told, and what is the same is nothing to correct.
        let wrong = DR_YAMADA.writes("訂正", "症例番号: AURORA-0001\n理由: 誤記\n年齢: 650\n");
        assert_eq!(center.answer(&wrong).await.kind, "deed-form");
        assert_eq!(reason(center).await, "range:age");
        let same = DR_YAMADA.writes("訂正", "症例番号: AURORA-0001\n理由: 誤記\n年齢: 58\n");
        assert_eq!(center.answer(&same).await.kind, "deed-form");
        let request = DR_YAMADA.writes("訂正", "症例番号: AURORA-0001\n理由: 誤記\n病期: IV\n");
        let asked = center.answer(&request).await;
        assert!(asked.kind == "deed-confirm" && asked.text.contains("病期"), "{}", asked.text);
        assert_eq!(center.exchange(&ok(&asked, DR_YAMADA)).await.len(), 3);
        assert_eq!(reason(center).await, "wrong-stratum");
        let noted = facts(center, "aurora").await.remove(0);
        assert!(noted.changes.contains("stage") && noted.levels.is_some(), "{noted:?}");
        // The process that saw it and one that did not decide alike; the proof knows it too.
        enroll(center, 8..12).await;
        center.check().await;
        center.world.store.close().await;
        center.kill_and_restart().await;
        center.wind(LEASE + 1);
        enroll(center, 12..16).await;
        center.check().await;
        // Changed behind our back, the first fact that differs is named.
        let operating = Operating::of(center, "aurora").await;
        for column in ["levels = '{}'", "after_allocation = 9", "reason = 'other'", "kind = 'corrected'"] {
            let (name, _) = column.split_once(" = ").unwrap();
            center.world.tamper(&format!("CREATE TABLE kept AS SELECT * FROM subject_fact; UPDATE subject_fact SET {column}")).await;
            match proof::verify(center.store(), &operating.shelved).await.unwrap() {
                Verdict::Untold(found) => assert_eq!((found.number, found.what), (1, What::Fact), "{column}"),
                // Where the change makes a decision differ, that comes first or beside.
                Verdict::Differs(found) => assert!(found.number > 7, "{column}"),
                other => panic!("{column}: {other:?}"),
            }
            center.world.tamper(&format!("UPDATE subject_fact SET {name} = (SELECT {name} FROM kept); DROP TABLE kept")).await;
        }
    }

    async fn a_duplicate_counts_no_more_and_its_slot_never_returns(center: &mut Center) {
        aurora(center).await;
        enroll(center, 1..6).await;
        let operating = Operating::of(center, "aurora").await;
        let note = operating.note(center, "AURORA-0005", FactKind::Duplicate, &[], Some("2")).await.unwrap();
        assert!(note.1 && note.0.of_subject_id.is_some());
        assert!(!operating.note(center, "5", FactKind::Duplicate, &[], Some("2")).await.unwrap().1, "once");
        assert_eq!(kinds(&center.settle().await), [("fact-notice", CENTER), ("fact-notice", STATISTICIAN)]);
        // The daemon learns of it from the database, and goes on.
        enroll(center, 6..14).await;
        center.check().await;
        for (subject, kind, set, of) in [
            ("AURORA-0099", FactKind::Ineligible, &[][..], None),
            ("AURORA-0001", FactKind::Duplicate, &[], None),
            ("AURORA-0001", FactKind::Duplicate, &[], Some("3")),
            ("AURORA-0001", FactKind::WrongStratum, &[], None),
            ("AURORA-0001", FactKind::WrongStratum, &[("age", "61")], None),
            ("AURORA-0001", FactKind::Corrected, &[("stage", "IV")], None),
            ("AURORA-0001", FactKind::Corrected, &[("age", "x")], None),
            ("AURORA-0001", FactKind::Corrected, &[("nothing", "x")], None),
            ("AURORA-0001", FactKind::Unblinded, &[], None),
        ] {
            let refused = operating.note(center, subject, kind, set, of).await;
            assert!(matches!(refused, Err(CommandError::Refused(_))), "{subject} {kind:?} {refused:?}");
        }
        assert_eq!(facts(center, "aurora").await.len(), 1);
    }

    async fn by_command_one_subject_and_all_after_the_close(center: &mut Center) {
        center.activate(&marked(), Stage::Production).await;
        center.exchange(&DR_KOBAYASHI.writes("登録", &borealis_form("101", "101-001"))).await;
        center.exchange(&DR_LARSEN.writes("enroll", &borealis_form("103", "103-001"))).await;
        let arm = center.arms("borealis").await.remove(0);
        let operating = Operating::of(center, "borealis").await;
        let order = |subject, reason| Order { actor: "operator:tester", subject, reason };
        for (by, subject, reason) in [
            ("larsen", "BOREALIS-0001", "telephone call"),
            ("office", "BOREALIS-0001", "telephone call"),
            ("nobody", "BOREALIS-0001", "telephone call"),
            ("kobayashi", "BOREALIS-0001", " "),
            ("kobayashi", "BOREALIS-0009", "telephone call"),
        ] {
            let means = operating.means(center);
            let refused = command::unblind(&operating.shelf, &operating.shelved, means, order(subject, reason), by).await;
            assert!(matches!(refused, Err(CommandError::Refused(_))), "{by} {subject} {refused:?}");
        }
        for first in [true, false] {
            let means = operating.means(center);
            let order = order("101-001", "telephone call at night");
            let done = command::unblind(&operating.shelf, &operating.shelved, means, order, "kobayashi").await.unwrap();
            assert_eq!((matches!(done.broken, Broken::Now(_)), done.given[0].arm.as_str()), (first, arm.as_str()));
            let letters = center.settle().await;
            let notices = usize::from(first);
            assert_eq!(letters.len(), 1 + notices, "{:?}", kinds(&letters));
            for letter in &letters {
                assert_eq!(letter.everything.contains(&arm), letter.to == DR_KOBAYASHI.address, "{}", letter.text);
            }
        }
        let all = async |center: &Center, by, reason| {
            let means = operating.means(center);
            command::unblind_all(&operating.shelf, &operating.shelved, means, ("operator:tester", by), reason).await
        };
        let refused = async |center: &Center, by, reason| {
            matches!(all(center, by, reason).await, Err(CommandError::Refused(_)))
        };
        assert!(refused(center, "office", "analysis").await, "the study is not closed");
        center.close("borealis", "last visit done").await;
        assert!(refused(center, "office", "").await, "a reason is needed");
        for nobody in ["", "nobody"] {
            assert!(refused(center, nobody, "analysis").await, "somebody answers for it");
        }
        let listed = all(center, "office", "ZQPLACEBO does better").await.unwrap();
        // Everybody on the staff hears that it happened, once, and nobody an arm.
        let letters = center.settle().await;
        assert_eq!(letters.len(), operating.shelved.study.people.len(), "{:?}", kinds(&letters));
        for letter in &letters {
            assert!(letter.kind == "all-unblinded" && !letter.everything.contains("ZQ"), "{}", letter.everything);
        }
        let told = letters.iter().find(|letter| letter.to == DR_KOBAYASHI.address).unwrap();
        assert!(told.text.contains("全症例が開鍵されました") && told.text.contains("割付群を推測できる記載"), "{}", told.text);
        all(center, "office", "analysis").await.unwrap();
        assert_eq!(kinds(&center.settle().await), []);
        let arms: Vec<String> = listed.into_iter().map(|(_, mut given)| given.remove(0).arm).collect();
        assert_eq!(arms, center.arms("borealis").await);
        let row = study::find_current(center.store(), "borealis").await.unwrap().unwrap();
        let actions: BTreeMap<String, usize> =
            audit::list(center.store(), row.id, 0, 100).await.unwrap().into_iter().fold(BTreeMap::new(), |mut all, entry| {
                let tells = ["enroll", "unblind-all"].contains(&entry.action.as_str());
                assert!(tells || !entry.body.contains("ZQ"), "{}", entry.body);
                assert!(entry.action != "unblind-all" || entry.body.contains(r#""by":"office""#), "{}", entry.body);
                *all.entry(entry.action).or_default() += 1;
                all
            });
        assert_eq!((actions["fact"], actions["unblind-look"], actions["unblind-all"]), (1, 1, 2));
    }
}
