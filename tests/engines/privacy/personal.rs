//! What is marked `personal` lies nowhere in the clear, however it came and whatever was done with it: every table, the files of the
//! database and its log are searched for it, in every way that a mail could write it. Without the key nothing is lost; with another
//! one beside it all goes on.

use hagaki::domain::fact::FactKind;
use hagaki::domain::seal::KeyRing;
use hagaki::mail::Did;
use hagaki::mail::transport::Order;
use hagaki::store::{fact, inbox, randomization, response, subject};
use hagaki::workflow::proof::{self, Verdict};
use hagaki::workflow::told::What;

use super::dump::{Dump, dump};
use super::*;
use crate::stories::facts::{Operating, ok};
use crate::world::ring;

/// Whose data they are, in words that nothing else holds.
const REFERENCE: &str = "101-357";
const BORN: [&str; 2] = ["1985-04-12", "昭和60年4月12日"];
const NAME: &str = "霜柱月子と御手洗陽向";
const OTHER_BORN: [&str; 2] = ["1985-05-14", "昭和60年5月14日"];

/// BOREALIS, whose references and remarks identify somebody as well.
fn personal() -> Bundle {
    let form = "instruments/registration.toml";
    let bundle = edited(&samples::borealis(), form, "id = \"remarks\"", "id = \"remarks\"\npersonal = true");
    edited(&bundle, form, "id = \"subject_ref\"", "id = \"subject_ref\"\npersonal = true")
}

/// A registration of somebody, written as people do.
fn form(reference: &str, born: &str, name: &str) -> String {
    format!(
        "施設コード: 101\n被験者識別コード: {reference}\n生年月日: {born}\n同意取得日: 2026-11-18\nISI: 19\n夜勤: いいえ\n備考: {name}\n"
    )
}

/// A text in every way that a mail, a page or a database could hold it.
fn written(text: &str) -> Vec<(String, Vec<u8>)> {
    let mut ways: Vec<(String, Vec<u8>)> = vec![("UTF-8".to_owned(), text.as_bytes().to_vec())];
    let wide = |to: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to).collect::<Vec<u8>>();
    ways.push(("UTF-16LE".to_owned(), wide(u16::to_le_bytes)));
    ways.push(("UTF-16BE".to_owned(), wide(u16::to_be_bytes)));
    for charset in [encoding_rs::SHIFT_JIS, encoding_rs::EUC_JP, encoding_rs::ISO_2022_JP] {
        let (bytes, _, lost) = charset.encode(text);
        assert!(!lost, "{text}");
        ways.push((charset.name().to_owned(), bytes.into_owned()));
    }
    let plain = ways.clone();
    for (charset, bytes) in &plain {
        if bytes.iter().any(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-') {
            let printable: String = bytes
                .iter()
                .map(|byte| {
                    if byte.is_ascii_graphic() && *byte != b'=' {
                        char::from(*byte).to_string()
                    } else {
                        format!("={byte:02X}")
                    }
                })
                .collect();
            ways.push((format!("{charset}, quoted-printable"), printable.into_bytes()));
        }
        // Wherever it begins in a longer text, these letters of it are the same.
        for before in 0..3 {
            let shifted: Vec<u8> = std::iter::repeat_n(0, before).chain(bytes.iter().copied()).collect();
            let letters = data_encoding::BASE64.encode(&shifted);
            let whole = shifted.len() / 3 * 4;
            let inner = letters.get(if before == 0 { 0 } else { 4 }..whole).unwrap_or_default();
            if inner.len() >= 8 {
                ways.push((format!("{charset}, base64 from {before}"), inner.as_bytes().to_vec()));
            }
        }
    }
    ways
}

/// Where any of these texts lies in the clear.
fn found(dump: &Dump, texts: &[&str]) -> Vec<String> {
    let mut places = Vec::new();
    for text in texts {
        for (way, bytes) in written(text) {
            let hex = data_encoding::HEXLOWER.encode(&bytes);
            let plain = String::from_utf8(bytes.clone()).ok();
            for row in &dump.rows {
                for (column, cell) in &row.cells {
                    if cell.contains(&hex) || plain.as_ref().is_some_and(|plain| cell.contains(plain)) {
                        places.push(format!("{text} ({way}) in {}.{column}", row.table));
                    }
                }
            }
            for (name, file) in &dump.files {
                if super::dump::find(file, &bytes).is_some() {
                    places.push(format!("{text} ({way}) in the file {name:?}"));
                }
            }
        }
    }
    places
}

async fn assert_nowhere(center: &Center, texts: &[&str]) {
    let found = found(&dump(&center.world).await, texts);
    assert!(found.is_empty(), "{found:#?}");
}

/// The process ends, and begins again with that key file.
async fn with_keys(center: &mut Center, ring: KeyRing) {
    center.keys = Arc::new((*center.keys).clone().with_ring(ring));
    center.kill_and_restart().await;
    // What the dead one had claimed goes free.
    center.wind(3600);
}

fn key(letter: &str) -> String {
    format!("{}a", letter.repeat(51))
}

/// Kind of the one letter that answers a mail.
async fn answered(center: &mut Center, mail: &Mail) -> String {
    let letters = center.exchange(mail).await;
    let last = center.last_mail().await;
    let told = format!("{:?} {} {}", last.state, last.disposition, last.reason);
    let mut kinds = letters.into_iter().filter(|letter| letter.to == mail.from).map(|letter| letter.kind);
    kinds.next().unwrap_or_else(|| panic!("no answer: {told}"))
}

async fn reason(center: &Center) -> String {
    center.last_mail().await.reason
}

stories! {
    async fn nothing_of_a_registration_lies_in_the_clear(center: &mut Center) {
        let bundle = edited(&personal(), "study.toml", "[trust]", "[trust]\nconfirm = true");
        center.activate(&bundle, Stage::Production).await;
        let all = [REFERENCE, BORN[0], BORN[1], NAME, OTHER_BORN[0], OTHER_BORN[1], "転記もれの氷室"];

        // Taken in and not yet read; refused, with the form sent back as it was filled in, while the server is away.
        let faulty = DR_KOBAYASHI.writes("登録", &form(REFERENCE, BORN[1], NAME).replace("ISI: 19", "ISI: 190"));
        center.deliver(&faulty);
        while center.process.intake.step().await.unwrap() == Did::Something {}
        assert_nowhere(center, &all).await;
        center.memory.order(1, Order::Defer);
        let refusal = center.settle().await;
        assert!(refusal.is_empty());
        assert_nowhere(center, &all).await;
        center.wind(3600);
        let refusal = center.settle().await.remove(0);
        assert!(refusal.kind == "refusal" && refusal.text.contains(NAME) && refusal.text.contains(BORN[1]), "{}", refusal.text);

        // Waits for its confirmation; enrolled; again; with another day of birth; asked after.
        let mail = DR_KOBAYASHI.writes("登録", &form(REFERENCE, BORN[1], NAME));
        let asked = center.answer(&mail).await;
        assert_eq!(asked.kind, "confirm");
        assert_nowhere(center, &all).await;
        center.exchange(&ok(&asked, DR_KOBAYASHI)).await;
        assert_eq!(reason(center).await, "enrolled");
        assert_nowhere(center, &all).await;
        assert_eq!(answered(center, &mail).await, "confirm");
        assert_eq!(answered(center, &mail.anew()).await, "duplicate-blinded");
        assert_eq!(answered(center, &mail.mended(BORN[1], OTHER_BORN[1])).await, "conflict");
        let status = center.answer(&DR_KOBAYASHI.writes(&format!("照会 {REFERENCE}"), "")).await;
        assert_eq!(status.kind, "status-blinded");
        assert_nowhere(center, &all).await;

        // Corrected by mail, and noted by the operator.
        let request = DR_KOBAYASHI.writes("訂正", &format!("識別コード: {REFERENCE}\n理由: 誤記\n生年月日: {}\n", OTHER_BORN[1]));
        let asked = center.answer(&request).await;
        assert_eq!(asked.kind, "deed-confirm");
        assert_nowhere(center, &all).await;
        center.exchange(&ok(&asked, DR_KOBAYASHI)).await;
        assert_eq!(reason(center).await, "corrected");
        let desk = Operating::of(center, "borealis").await;
        desk.note(center, REFERENCE, FactKind::Corrected, &[("remarks", all[6])], None).await.unwrap();
        center.settle().await;
        // Quarantined, and never understood.
        center.deliver(&DR_KOBAYASHI.writes("登録", &form(REFERENCE, BORN[0], NAME)).vouched(Vouched::Fail));
        center.settle().await;
        assert_eq!(center.last_mail().await.state, inbox::State::Held);
        assert_nowhere(center, &all).await;

        // Who has the key reads it all.
        let subject = center.enrolled("borealis").await.remove(0).0;
        for (kept, texts) in [(&subject.answers, [REFERENCE, BORN[0], NAME]), (&subject.typed, [REFERENCE, BORN[1], NAME])] {
            assert!(texts.iter().all(|text| kept.contains(text)), "{kept}");
        }
        assert!(subject.reference_key.starts_with("= "), "{}", subject.reference_key);
        let facts = fact::list(center.store(), subject.study_id, 0, 10).await.unwrap();
        assert!(facts[0].changes.contains(OTHER_BORN[0]), "{facts:?}");
        let held = center.last_mail().await;
        assert!(held.reading.as_ref().unwrap().contains(NAME));
        let raw = inbox::find_raw(center.store(), held.id).await.unwrap().unwrap();
        assert!(String::from_utf8(raw).unwrap().contains(NAME));
        center.assert_whole().await;
        center.assert_proved().await;
    }

    async fn nor_of_a_second_randomization(center: &mut Center) {
        let second = "instruments/response.toml";
        let bundle = edited(&samples::cygnus(), second, "id = \"assessed_on\"", "id = \"assessed_on\"\npersonal = true");
        center.activate(&bundle, Stage::Production).await;
        center.exchange(&DR_MORI.writes("登録", &cygnus_form("201", "201-001"))).await;
        center.wind(56 * 24 * 3600);
        let day = "2027-01-12";
        let mail = DR_MORI.writes("randomize", &response_form("CYGNUS-0001"));
        center.exchange(&mail).await;
        assert_eq!(reason(center).await, "randomized");
        let again = center.answer(&mail.anew()).await;
        assert_eq!(again.kind, "randomized-before-open");
        assert_nowhere(center, &[day]).await;
        let row = study::find_current(center.store(), "cygnus").await.unwrap().unwrap();
        let request = randomization::list(center.store(), row.id, 0, 10).await.unwrap().remove(0);
        assert!(request.answers.contains(day) && request.typed.contains(day), "{request:?}");
        center.assert_whole().await;
        center.assert_proved().await;
    }

    async fn nor_of_answers_to_a_survey(center: &mut Center) {
        let bundle = edited(&bundle(Privacy::Named, 0), "instruments/weekly.toml", "id = \"remark\"", "id = \"remark\"\npersonal = true");
        let bundle = edited(&bundle, "study.toml", "responses = \"once\"", "responses = \"once\"\nedit = true");
        center.activate(&bundle, Stage::Production).await;
        let issued = invite(center, 2).await.issued;
        center.settle().await;
        let pages = serve(center).await;
        let people = answer(center, &pages, &issued).await;
        // Mended on the page.
        let (path, other) = (path(&issued[0]), "別の言葉で書きなおした");
        let form = pages.get(&format!("{path}?mend=1")).await;
        assert!(form.body.contains(&words(0)), "{form:?}");
        let (mark, base) = (form.field("_mark"), form.field("_base"));
        let fields = [
            ("_mark", mark.as_str()), ("_lang", "en"), ("_mend", "1"), ("_base", base.as_str()), ("day", "2026-11-01"), ("mood", "7"), ("pain", "no"),
            ("tired", "2"), ("worried", "1"), ("met", "3"), ("remark", other),
        ];
        let sent = pages.post(&format!("{path}?mend=1"), &fields).await;
        assert_eq!(sent.status, 303, "{sent:?}");
        let row = row(center).await;
        let all = response::list(center.store(), row.id, &Mark([0; 16]), 10).await.unwrap();
        assert!(all.iter().any(|one| one.answers.contains(other) && one.typed.contains(other)), "{all:?}");
        assert_eq!(all.len(), 3);
        assert_nowhere(center, &[&people[0].words, &people[1].words, other]).await;
        center.assert_whole().await;
    }

    /// Without this, a search that finds nothing would say nothing.
    async fn the_search_finds_what_lies_in_the_clear(center: &mut Center) {
        let form_file = "instruments/registration.toml";
        let plain = edited(&samples::borealis(), form_file, "personal = true\n", "");
        with_keys(center, KeyRing::default()).await;
        center.activate(&plain, Stage::Production).await;
        center.exchange(&DR_KOBAYASHI.writes("登録", &form(REFERENCE, BORN[1], NAME))).await;
        let dump = dump(&center.world).await;
        for (text, tables) in [
            (REFERENCE, &["subject.answers", "subject.reference_key", "audit.body", "inbox.reading"][..]),
            (BORN[0], &["subject.answers", "audit.body"]),
            (NAME, &["subject.typed", "inbox_raw.raw", "outbox_raw.raw"]),
        ] {
            let found = found(&dump, &[text]);
            for place in tables {
                assert!(found.iter().any(|one| one.ends_with(place)), "{text} is not found in {place}: {found:#?}");
            }
            assert!(found.iter().any(|one| one.contains("in the file")), "{found:#?}");
        }

        // What was written before there was a key is read as ever, and known again; the items become personal by an amendment.
        with_keys(center, ring()).await;
        assert_eq!(answered(center, &DR_KOBAYASHI.writes("登録", &form(REFERENCE, BORN[0], NAME))).await, "duplicate-blinded");
        center.amend(&personal(), center.act("personal now")).await.unwrap();
        let (later, name) = ("101-358", "薄氷小夜の記録");
        let mail = DR_KOBAYASHI.writes("登録", &form(later, OTHER_BORN[1], name));
        center.exchange(&mail).await;
        assert_eq!(reason(center).await, "enrolled");
        for old in [form(REFERENCE, BORN[1], NAME), form(later, OTHER_BORN[1], name)] {
            assert_eq!(answered(center, &DR_KOBAYASHI.writes("登録", &old)).await, "duplicate-blinded");
        }
        assert_nowhere(center, &[later, OTHER_BORN[0], OTHER_BORN[1], name]).await;
        assert_eq!(center.enrolled("borealis").await.len(), 2);
        center.assert_proved().await;
        // And back: what is sealed is known again all the same.
        let back = samples::borealis();
        center.amend(&back, center.act("not any more")).await.unwrap();
        assert_eq!(answered(center, &mail.anew()).await, "duplicate-blinded");
        center.assert_proved().await;
    }

    async fn without_its_key_a_study_waits_and_loses_nothing(center: &mut Center) {
        center.activate(&personal(), Stage::Production).await;
        let first = DR_KOBAYASHI.writes("登録", &form(REFERENCE, BORN[1], NAME));
        center.exchange(&first).await;
        assert_eq!(reason(center).await, "enrolled");
        // A letter waits for the server, and a mail for the desk, while the key is taken away.
        center.memory.order(1, Order::Defer);
        let faulty = DR_KOBAYASHI.writes("登録", &form("101-359", "9999", NAME));
        center.deliver(&faulty);
        center.quiet().await;
        center.deliver(&first.anew());
        while center.process.intake.step().await.unwrap() == Did::Something {}
        for lost in [KeyRing::default(), KeyRing::parse(&key("b")).unwrap()] {
            with_keys(center, lost).await;
            // And one more comes in meanwhile.
            center.deliver(&first.anew());
            center.wind(24 * 3600);
            for _ in 0..4 {
                let round = center.process.round().await;
                assert!(round.errors.is_empty(), "{:?}", round.errors);
            }
            assert!(center.arrived().await.is_empty());
            let row = study::find_current(center.store(), "borealis").await.unwrap().unwrap();
            assert_eq!(row.subjects, 1);
            let error = subject::find_by_number(center.store(), row.id, 1).await.unwrap_err();
            assert!(error.to_string().contains("which is not in the key file"), "{error}");
            // What needs no key holds without one; the draws follow from a secret that is sealed.
            center.assert_whole().await;
            let shelf = center.shelf_on(center.store());
            let shelved = shelf.load(&row).await.unwrap();
            let error = proof::verify(center.store(), &shelved).await.unwrap_err();
            assert!(error.to_string().contains("which is not in the key file"), "{error}");
        }
        // The other key stands before the first from now on: all that waited goes on, and who is on file is known.
        with_keys(center, KeyRing::parse(&format!("{}\n{}\n", key("b"), key("a"))).unwrap()).await;
        center.recover().await;
        let kinds: Vec<String> = center.arrived().await.into_iter().map(|letter| letter.kind).collect();
        assert_eq!(kinds.iter().filter(|kind| *kind == "refusal").count(), 1, "{kinds:?}");
        assert_eq!(kinds.iter().filter(|kind| *kind == "duplicate-blinded").count(), 3, "{kinds:?}");
        assert_eq!(center.enrolled("borealis").await.len(), 1);
        // Sealed with the new one, known by the new one.
        let second = DR_KOBAYASHI.writes("登録", &form("101-360", OTHER_BORN[1], NAME));
        center.exchange(&second).await;
        assert_eq!(reason(center).await, "enrolled");
        assert_eq!(answered(center, &second.anew()).await, "duplicate-blinded");
        assert_eq!(answered(center, &second).await, "duplicate-blinded");
        assert_nowhere(center, &[REFERENCE, BORN[0], BORN[1], NAME, "101-360", OTHER_BORN[0]]).await;
        // With the new one alone nothing is decided: who was enrolled under the old one would not be known.
        with_keys(center, KeyRing::parse(&key("b")).unwrap()).await;
        center.deliver(&first.anew());
        center.wind(3600);
        for _ in 0..4 {
            assert!(center.process.round().await.errors.is_empty());
        }
        assert_eq!(center.last_mail().await.state, inbox::State::New);
        with_keys(center, KeyRing::parse(&format!("{}\n{}\n", key("b"), key("a"))).unwrap()).await;
        center.recover().await;
        assert_eq!(reason(center).await, "duplicate");
        center.assert_proved().await;
    }

    async fn what_is_moved_or_changed_does_not_open(center: &mut Center) {
        center.activate(&personal(), Stage::Production).await;
        for (reference, born) in [(REFERENCE, BORN[1]), ("101-358", OTHER_BORN[1])] {
            center.exchange(&DR_KOBAYASHI.writes("登録", &form(reference, born, NAME))).await;
        }
        let row = study::find_current(center.store(), "borealis").await.unwrap().unwrap();
        let shelved = center.shelf_on(center.store()).load(&row).await.unwrap();
        let kept = dump(&center.world).await.table("subject").find(|one| one.cell("number") == "1").unwrap().cell("answers").to_owned();
        center.world.tamper("UPDATE subject SET answers = (SELECT other.answers FROM subject AS other WHERE other.number = 2) WHERE number = 1").await;
        let error = subject::find_by_number(center.store(), row.id, 1).await.unwrap_err();
        assert!(error.to_string().contains("moved from elsewhere"), "{error}");
        let verdict = proof::verify(center.store(), &shelved).await.unwrap();
        assert!(matches!(&verdict, Verdict::Untold(found) if (found.number, found.what) == (1, What::Answers)), "{verdict:?}");
        center.world.tamper(&format!("UPDATE subject SET answers = '{kept}' WHERE number = 1")).await;
    }
}
