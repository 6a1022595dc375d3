//! Bundles: the samples load, typical slips are told in plain words, and forms are read as physicians mean them.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;
use hagaki::definition::{self, Bundle, Problem, Weight, samples};
use hagaki::domain::answer::{FaultCode, Form, Line, read_form, unmet};
use hagaki::domain::study::Study;
use proptest::prelude::*;

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 20).unwrap()
}

fn study_a() -> Bundle {
    Bundle::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/studies/study-a"))
}

fn load(bundle: &Bundle) -> Study {
    match definition::load(bundle) {
        Ok((study, warnings)) => {
            assert_eq!(shown(&warnings), Vec::<String>::new());
            study
        }
        Err(problems) => panic!("{:#?}", shown(&problems)),
    }
}

fn shown(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// Lines of a mail, `key: value` each.
fn lines(text: &str) -> Vec<Line> {
    text.lines()
        .enumerate()
        .map(|(at, line)| {
            let (key, value) = line.split_once(": ").unwrap_or((line, ""));
            Line { key: key.to_string(), value: value.replace("\\n", "\n"), number: at + 1 }
        })
        .collect()
}

fn read(study: &Study, text: &str) -> Form {
    read_form(study, study.registration_instrument(), &lines(text), today())
}

fn faults(form: &Form) -> Vec<String> {
    form.faults.iter().map(|fault| format!("{}:{}", fault.code.key(), fault.item)).collect()
}

mod loading {
    use super::*;

    #[test]
    fn samples_and_test_studies_load_without_a_warning() {
        for bundle in samples::all().iter().chain([&samples::template(), &study_a()]) {
            load(bundle);
        }
        let aurora = load(&samples::aurora());
        assert_eq!(aurora.arms.len(), 2);
        assert_eq!(aurora.sites.len(), 5);
        let borealis = load(&samples::borealis());
        assert_eq!(borealis.kits.len(), 120);
        assert!(borealis.registration_instrument().find("birth_date").unwrap().personal);
        let a = load(&study_a());
        assert_eq!(a.find_person_by_address("山田@example.jp").unwrap().id, "yamada-eai");
        assert_eq!(a.post.unwrap().address, "reg@example.jp");
    }

    #[test]
    fn a_bundle_from_the_database_is_the_same_as_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let written = samples::write_template(folder.path()).unwrap();
        assert_eq!(written, ["allocation.toml", "instruments/registration.toml", "study.toml"]);
        let read = Bundle::read(folder.path());
        assert_eq!(read, samples::template());
        assert_eq!(Bundle::from_files(read.files().clone()).digest(), read.digest());
        assert_eq!(samples::write_template(folder.path()).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn the_digest_is_over_paths_and_texts_with_their_lengths() {
        let bundle = |files: &[(&str, &str)]| {
            Bundle::from_files(files.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect())
        };
        // Computed once with an independent program (Python's hashlib).
        assert_eq!(
            bundle(&[("a", "x"), ("b", "")]).digest(),
            "b9c665d9bc49a95892e644a2a71bec758eb06e8453c24eb552fc2e8ce74f7dd9"
        );
        assert_ne!(bundle(&[("a", "bc")]).digest(), bundle(&[("ab", "c")]).digest());
    }
}

mod reading {
    use std::sync::LazyLock;

    use super::*;

    static AURORA: LazyLock<Study> = LazyLock::new(|| load(&samples::aurora()));

    const SOUND: &str = "Site: 012\nSubject ref: A-0031\nAge: 65\nSex: F\nECOG PS: 1\nConsent date: 2026-11-01";

    fn expected() -> BTreeMap<String, String> {
        [
            ("age", "65"),
            ("consent_date", "2026-11-01"),
            ("ecog_ps", "1"),
            ("sex", "F"),
            ("site_code", "012"),
            ("subject_ref", "A-0031"),
        ]
        .into_iter()
        .map(|(item, value)| (item.to_string(), value.to_string()))
        .collect()
    }

    #[test]
    fn one_form_in_many_hands() {
        let study = load(&study_a());
        for text in [
            SOUND,
            "施設コード: 012\n識別番号: A−0031\n年齢: 65\n性別: 女\nECOG PS: 1\n同意取得日: 2026/11/01",
            "施設ｺｰﾄﾞ: 012\n識別ﾊﾞﾝｺﾞｳ: A-0031\n年齢: 65\nｾｲﾍﾞﾂ: ｼﾞｮｾｲ\nECOG PS: 1\n同意取得日: 2026.11.1",
            "施設コード: ０１２\n識別番号: Ａ－００３１\n年齢: ６５歳\n性別: 女性\nＥＣＯＧ　ＰＳ: １\n同意取得日: 令和８年１１月１日",
            "■ 施設コード: 架空大学病院\n■ 識別番号: a ー 0031\n■ 年齢（歳）: 65 才\n【性別】: F（女）\n5. ECOG PS: 1.0\n同意取得日*: R8.11.1（日）",
            "site_code: 012 架空大学病院\nSUBJECT REF: A\u{2010}0031\nage: 65 years\nsex: Female\necog ps: 01\nconsent_date: Nov 1, 2026",
            "Site: 12\nSubject ref: A-0031\u{200B}\nAge: 65\nAge: ６５\nSex: F：女\nECOG PS: 1\nConsent date: 1 Nov 2026\nAge: ",
        ] {
            let form = read(&study, text);
            assert_eq!(faults(&form), Vec::<String>::new(), "{text}");
            assert_eq!(form.canonical(), expected(), "{text}");
            assert_eq!(form.unknown, [], "{text}");
        }
    }

    #[test]
    fn what_was_typed_is_kept_beside_what_it_means() {
        let study = load(&study_a());
        let form =
            read(&study, &format!("{SOUND}\n備考: ①㈱髙﨑\\n  second line \n担当医:  髙﨑　花子 \nTEL: 00-0000"));
        assert_eq!(form.value("remarks").unwrap(), "①㈱髙﨑\nsecond line");
        assert_eq!(form.answers["remarks"].typed, "①㈱髙﨑\n  second line");
        assert_eq!(form.value("physician").unwrap(), "髙﨑 花子");
        assert_eq!(form.unknown, [("TEL".to_string(), "00-0000".to_string())]);
        let literal = read(&study, &format!("{SOUND}\nRemarks: =HYPERLINK(\"http://example.org\",\"x\")"));
        assert_eq!(literal.value("remarks").unwrap(), "=HYPERLINK(\"http://example.org\",\"x\")");
    }

    #[test]
    fn faults_are_told_in_the_order_of_the_items() {
        let study = load(&study_a());
        for (replace, with, expected) in [
            ("Sex: F\n", "", "missing:sex"),
            ("Sex: F\n", "Sex: \u{3000}\n", "missing:sex"),
            ("Sex: F", "Sex: F / M", "code:sex"),
            ("Sex: F", "Sex: F\u{202E}", "control:sex"),
            ("Age: 65", "Age: 65\nAge: 66", "conflict:age"),
            ("Age: 65", "Age: 6\u{0}5", "control:age"),
            ("Age: 65", "Age: sixty-five", "type:age"),
            ("Age: 65", "Age: 65.5", "type:age"),
            ("Age: 65", "Age: 6,5", "type:age"),
            ("Age: 65", "Age: 19", "range:age"),
            ("Age: 65", "Age: 99999999999999999999999999", "type:age"),
            ("Site: 012", "Site: 987", "unknown:site_code"),
            ("A-0031", "{{arm}}<script>alert(1)</script>' OR 1=1 --", "pattern:subject_ref"),
            ("2026-11-01", "2026-11-31", "date:consent_date"),
            ("2026-11-01", "01/02/2026", "date:consent_date"),
        ] {
            let form = read(&study, &SOUND.replace(replace, with));
            assert_eq!(faults(&form), [expected], "{with}");
        }
        let worst = read(&study, "Consent date: x\nAge: 0\nSite: ");
        assert_eq!(
            faults(&worst),
            [
                "missing:site_code",
                "missing:subject_ref",
                "range:age",
                "missing:sex",
                "missing:ecog_ps",
                "date:consent_date"
            ]
        );
        assert_eq!(worst.faults[2].expected, "20..99");
        assert_eq!(worst.typed["age"], "0");
        let conflict = read(&study, &SOUND.replace("Age: 65", "Age: 65\nAge: 66"));
        assert_eq!(conflict.typed["age"], "65 / 66");
        assert_eq!(faults(&read(&study, "")), ["empty:body"]);
    }

    #[test]
    fn conditions_limits_and_calculations() {
        let study = load(&samples::aurora());
        let sound = "Site: 011\nSubject ref: A-0031\nConsent date: 2026-11-01\nAge: 65\nSex: F\nStage: III期\nPS: 1\n\
                     体重: 62.5kg\n身長: １６０　ｃｍ\nCre: 0,7 mg/dl\n前治療: 手術、化学療法";
        let form = read(&study, sound);
        assert_eq!(faults(&form), Vec::<String>::new());
        assert_eq!(form.doubts, []);
        assert_eq!(form.value("bmi").unwrap(), "24.414062");
        assert_eq!(form.value("prior_therapy").unwrap(), "surgery;drugs");
        assert_eq!(form.value("creatinine").unwrap(), "0.7");
        assert_eq!(unmet(&study, &form, today()).unwrap().len(), 0);

        let man = read(&study, &format!("{}\n妊娠: なし", sound.replace("Sex: F", "Sex: 男")));
        assert_eq!(man.unknown, [("pregnant".to_string(), "なし".to_string())]);
        assert_eq!(faults(&man), Vec::<String>::new());

        let doubtful = read(&study, &sound.replace("Age: 65", "Age: 95歳"));
        assert_eq!(doubtful.doubts.len(), 1);
        assert_eq!((doubtful.doubts[0].item.as_str(), doubtful.doubts[0].expected.as_str()), ("age", "20..85"));

        let future = read(&study, &sound.replace("2026-11-01", "2026-11-21"));
        assert_eq!(faults(&future), ["range:consent_date"]);
        assert_eq!(future.faults[0].expected, "2026-04-01..2026-11-20");

        let ineligible =
            read(&study, &format!("{}\nPregnant: ○", sound.replace("Age: 65", "Age: 19").replace("0,7", "1.51")));
        let ids: Vec<&str> = unmet(&study, &ineligible, today()).unwrap().iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(ids, ["adult", "not_pregnant", "kidney"]);
    }

    #[test]
    fn a_calculated_level_follows_the_answer_and_waits_for_it() {
        let study = load(&samples::borealis());
        let sound = "Site: 101\nSubject ref: 101-007\nBirth date: S45.3.31\nConsent date: 2026-11-01\nISI: 22点\nNight shifts: いいえ";
        let form = read(&study, &sound.replace("22点", "22"));
        assert_eq!(faults(&form), Vec::<String>::new());
        assert_eq!(form.value("severity").unwrap(), "severe");
        let faulty = read(&study, sound);
        assert_eq!(faults(&faulty), ["type:isi_score"]);
        assert_eq!(faulty.value("severity"), None);
        let recent = read(&study, &format!("{}\nLast dose: 2026年11月15日 午後11時半", sound.replace("22点", "16")));
        assert_eq!(recent.value("last_dose").unwrap(), "2026-11-15T23:30");
        assert_eq!(recent.doubts[0].code, FaultCode::Range);
        assert_eq!(recent.doubts[0].expected, "..2026-11-13");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn any_text_is_read_without_panic(values in prop::collection::vec((any::<String>(), any::<String>()), 0..6), known in any::<String>()) {
            let study = &*AURORA;
            let instrument = study.registration_instrument();
            let strange = values.into_iter().map(|(key, value)| Line { key, value, number: 1 });
            let asked = instrument.items.iter().map(|item| Line { key: item.id.clone(), value: known.clone(), number: 2 });
            let form = read_form(study, instrument, &strange.chain(asked).collect::<Vec<_>>(), today());
            let order: Vec<usize> = form.faults.iter()
                .filter_map(|fault| instrument.items.iter().position(|item| item.id == fault.item)).collect();
            prop_assert!(order.is_sorted());
        }

        #[test]
        fn a_canonical_value_read_again_gives_itself(
            values in prop::collection::vec("[0-9０-９]{1,3}[.,]?[0-9]{0,2}|[FMfm女男II期0-9]{1,3}|20[0-9]{2}[-/.年][0-9]{1,2}[-/.月][0-9]{1,2}|\\PC{0,12}|はい|○", 15)
        ) {
            let study = &*AURORA;
            let instrument = study.registration_instrument();
            let first: Vec<Line> = instrument.items.iter().zip(&values)
                .map(|(item, value)| Line { key: item.id.clone(), value: value.clone(), number: 1 }).collect();
            let form = read_form(study, instrument, &first, today());
            let again: Vec<Line> = form.canonical().into_iter().map(|(key, value)| Line { key, value, number: 1 }).collect();
            prop_assume!(!again.is_empty());
            let second = read_form(study, instrument, &again, today());
            for (item, value) in form.canonical() {
                let same = second.value(&item) == Some(value.clone()) || value.is_empty();
                prop_assert!(same, "{} {:?} became {:?}", item, value, second.value(&item));
            }
        }
    }
}

mod slips {
    use super::*;

    /// The template with changes of its files, written to a folder and read back.
    fn broken(changes: &[(&str, &str, &str)]) -> Bundle {
        let folder = tempfile::tempdir().unwrap();
        samples::write_template(folder.path()).unwrap();
        for (file, from, to) in changes {
            let path = folder.path().join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{file} has no {from:?}");
            std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        }
        Bundle::read(folder.path())
    }

    fn problems(bundle: &Bundle) -> Vec<String> {
        match definition::load(bundle) {
            Ok((_, warnings)) => shown(&warnings),
            Err(problems) => shown(&problems),
        }
    }

    #[test]
    fn show() {
        let s = "study.toml";
        let i = "instruments/registration.toml";
        let a = "allocation.toml";
        for change in [
            (s, "time_zone =", "timezone ="),
            (s, "Asia/Tokyo", "Tokyo"),
            (s, "slug = \"my-study\"", "slug = \"My Study\""),
            (s, "slug = \"my-study\"", "slug = “my-study”"),
            (s, "en = \"My study\"", "eng = \"My study\""),
            (s, "{ ja = \"第一病院\", en = \"First Hospital\" }", "{ ja = \"第一病院\" }"),
            (s, "\"001\", \"002\"", "\"01\", \"002\""),
            (s, "investigator\"", "investigater\""),
            (s, "code = \"002\"", "code = \"００１\""),
            (s, "\"open\"", "\"blinded\""),
            (s, "age >= 20\"", "Age >= 20\""),
            (s, "age >= 20\"", "age > '20'\""),
            (s, "age >= 20\"", "age >= 20 and sex == 'F'\""),
            (s, "age >= 20\"", "sex == 'W'\""),
            (s, "age >= 20\"", "!pregnant\""),
            (s, "office@example.jp", "sato@example.jp"),
            (s, "office@example.jp", "Office <office@example.jp>"),
            (s, "[trust]", "[trusts]"),
            (s, "site_item = \"site\"", "site_item = \"center\""),
            (s, "code = \"A\"", "code = \"C\""),
            (s, "planned_subjects = 100", "planned_subjects = \"100\""),
            (s, "[registration]", "[registration"),
            (i, "sex == 'F'", "consent_date == today"),
            (i, "en = \"Age\"", "en = \"Date\""),
            (i, "aliases = [\"施設\"", "aliases = [\"ｾｲﾍﾞﾂ\", \"性別\""),
            (i, "kind = \"integer\"", "kind = \"number\""),
            (i, "kind = \"integer\"", "kind = \"text\""),
            (i, "[A-Z]-[0-9]{4}'", "[A-Z-[0-9]{4}'"),
            (i, "\"F\", label", "\"M\", label"),
            (i, "latest = \"today\"", "latest = \"tomorrow\""),
            (i, "soft = { min = 20", "soft = { min = -5"),
            (i, "required = true\n# For text", "# For text"),
            (a, "[\"F\", \"M\"]", "[\"F\", \"M\", \"X\"]"),
            (a, "{ id = \"sex\"", "{ id = \"sexe\""),
            (a, "{ id = \"sex\", levels = [\"F\", \"M\"] }", "{ id = \"pregnant\" }"),
        ] {
            println!("{:?}", change);
            for p in problems(&broken(&[change])) {
                println!("      {p}");
            }
        }
    }
}
