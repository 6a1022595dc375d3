//! Bundles: the samples load, typical slips are told in plain words, and forms are read as physicians mean them.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;
use hagaki::definition::{self, Bundle, Problem, Weight, samples};
use hagaki::domain::answer::{FaultCode, Form, Line, read_form, unmet};
use hagaki::domain::second_factor::{Proof, StepUp};
use hagaki::domain::study::Study;
use hagaki::domain::time::Instant;
use proptest::prelude::*;

/// A moment at which it is 2026-11-20 in Japan.
fn now() -> Instant {
    Instant::parse_rfc3339("2026-11-20T00:00:00Z").unwrap()
}

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 20).unwrap()
}

fn study_a() -> Bundle {
    Bundle::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/studies/study-a"))
}

fn load(bundle: &Bundle) -> Study {
    match definition::load(bundle) {
        Ok((study, warnings)) => {
            // Study A has blocks of 4 in the open, as many studies do.
            let design = |warning: &&String| warning.contains("the study is open");
            assert_eq!(shown(&warnings).iter().find(|warning| !design(warning)), None);
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
    fn samples_load_without_a_warning() {
        for bundle in samples::all().iter().chain([
            &samples::template(),
            &samples::council(),
            &samples::cygnus(),
            &samples::members(),
            &samples::somnus(),
        ]) {
            load(bundle);
        }
        let aurora = load(&samples::aurora());
        assert_eq!(aurora.arms.len(), 2);
        assert_eq!(aurora.sites.len(), 5);
        let borealis = load(&samples::borealis());
        assert_eq!(borealis.kits.len(), 120);
        assert!(borealis.registration_instrument().find("birth_date").unwrap().personal);
        let (a, warnings) = definition::load(&study_a()).unwrap();
        assert_eq!(
            shown(&warnings),
            [
                "allocation.toml:7: block.sizes: the study is open: who counts along in fixed blocks of 4 guesses 70.8 % of the \
                 allocations right — several sizes, such as sizes = [6, 8, 10] (66.5 %), or minimization over the same factors"
            ]
        );
        assert_eq!(a.find_person_by_address("山田@example.jp").unwrap().id, "yamada-eai");
        assert_eq!(a.post.unwrap().address, "reg@example.jp");
    }

    #[test]
    fn a_bundle_from_the_database_is_the_same_as_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let written = samples::write_template(folder.path()).unwrap();
        assert_eq!(written, ["allocation.toml", "instruments/registration.toml", "schedule.toml", "study.toml"]);
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
        let twice = read(&study, &format!("{SOUND}\n年齢: ６５"));
        assert_eq!((twice.typed["age"].as_str(), twice.value("age").as_deref()), ("65", Some("65")));
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
        assert_eq!(future.faults[0].expected, "2024-04-01..2026-11-20");

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

    const S: &str = "study.toml";
    const I: &str = "instruments/registration.toml";
    const A: &str = "allocation.toml";

    /// One slip, and everything that is said about it.
    #[track_caller]
    fn slip(file: &str, from: &str, to: &str, said: &[&str]) {
        assert_eq!(problems(&broken(&[(file, from, to)])), said, "{file}: {from} → {to}");
    }

    #[test]
    fn keys_and_names() {
        slip(S, "time_zone =", "timezone =", &["study.toml:13: timezone: is not known — did you mean `time_zone`?"]);
        slip(S, "[trust]", "[trusts]", &["study.toml:21: trusts: is not known — did you mean `trust`?"]);
        slip(S, "tag = \"MY-STUDY\"\n", "", &["study.toml:1: tag: is missing — write tag = \"MY-STUDY\""]);
        slip(
            S,
            "slug = \"my-study\"",
            "slug = \"My Study\"",
            &[
                "study.toml:5: slug: \"My Study\" cannot be used here — use at most 40 small letters, digits and -, a letter first, such as \"my-study\"",
            ],
        );
        slip(
            S,
            "\"Asia/Tokyo\"",
            "\"Tokyo\"",
            &[
                "study.toml:13: time_zone: \"Tokyo\" is not known — write a name of the IANA list, such as \"Asia/Tokyo\" or \"Europe/Berlin\"",
            ],
        );
        slip(
            S,
            "planned_subjects = 100",
            "planned_subjects = \"100\"",
            &["study.toml:18: planned_subjects: is a text — write a whole number, such as planned_subjects = 100"],
        );
        slip(
            S,
            "slug = \"my-study\"",
            "slug = “my-study”",
            &[
                "study.toml:5: this line cannot be read (string values must be quoted, expected literal string) — there is a full-width “ in it: write = \" [ ] , and blanks half-width",
            ],
        );
        slip(
            S,
            "{ ja = \"第一病院\", en = \"First Hospital\" }",
            "{ ja = \"第一病院\" }",
            &[
                "study.toml:85: sites[1].name: has no wording in English (en) — write en = \"…\" beside the other, or one text for all languages: name = \"…\"",
            ],
        );
    }

    #[test]
    fn people_and_sites() {
        slip(
            S,
            "[\"001\", \"002\"]",
            "[\"1\", \"002\"]",
            &["study.toml:105: people[1].sites: there is no site \"1\" — did you mean \"001\"?"],
        );
        slip(
            S,
            "[\"investigator\"]",
            "[\"investigater\"]",
            &["study.toml:103: people[1].roles: \"investigater\" is no role — did you mean \"investigator\"?"],
        );
        slip(
            S,
            "office@example.jp",
            "Sato@example.jp",
            &[
                "study.toml:115: people[2].addresses: Sato@example.jp stands on line 100 already — give each person their own addresses",
            ],
        );
        slip(
            S,
            "office@example.jp",
            "Office <office@example.jp>",
            &[
                "study.toml:115: people[2].addresses: \"Office <office@example.jp>\" is no mail address — write the bare address, such as \"yamada@example.jp\"",
            ],
        );
        slip(
            S,
            "[\"001\", \"002\"]",
            "[\"００１\", \"002\"]",
            &["study.toml:105: people[1].sites: there is no site \"００１\" — did you mean \"001\"?"],
        );
        let speaks = |who: &str| format!("# representative = \"sato\"\nrepresentative = \"{who}\"");
        slip(
            S,
            "# representative = \"sato\"",
            &speaks("offise"),
            &["study.toml:95: people[1].representative: nobody has the id \"offise\" — did you mean \"office\"?"],
        );
        slip(
            S,
            "# representative = \"sato\"",
            &speaks("sato"),
            &[
                "study.toml:95: people[1].representative: a group cannot speak for itself — name the person who answers for it",
            ],
        );
        slip(
            S,
            "site_item = \"site\"",
            "site_item = \"center\"",
            &[
                "study.toml:37: registration.site_item: instruments/registration.toml has no item \"center\" — write site_item = \"site\"",
            ],
        );
    }

    #[test]
    fn rules() {
        let said = |what: &str| format!("study.toml:128: eligibility[1].rule: {what}");
        for (rule, what) in [
            ("Age >= 20", "no item is named `Age` — did you mean `age`?"),
            (
                "age > '20'",
                "`>` stands between a whole number and a text — write numbers without quotes, and compare texts with texts",
            ),
            (
                "age >= 20 and sex == 'F'",
                "this expression cannot be read (mismatched input 'and') — write && for and, || for or",
            ),
            ("sex == 'W'", "'W' is none of the choices — write one of F, M"),
            (
                "!pregnant",
                "cannot be told when `pregnant` is left blank — make pregnant required, or write answered(pregnant) && … (or !answered(pregnant) || …)",
            ),
            ("age + 1", "is no condition but a whole number — write a comparison, such as age >= 20"),
            ("100 / (age - 120) < 1", "fails on ordinary answers (divides by zero)"),
            (
                "age >= 20 && remarks.year > 1",
                "there is no function `.year` here — use answered(item), days_between(from, to), years_between(from, to), size(…), and the text functions contains, startsWith, endsWith, matches",
            ),
        ] {
            slip(S, "\"age >= 20\"", &format!("\"{rule}\""), &[&said(what)]);
        }
        slip(
            I,
            "when = \"sex == 'F'\"",
            "when = \"consent_date == today\"",
            &[
                "instruments/registration.toml:62: items[5].when: `consent_date` is asked later, or asks nothing — move its item up; an expression can only name items that stand above it",
            ],
        );
    }

    #[test]
    fn items() {
        slip(
            I,
            "en = \"Age\"",
            "en = \"Date\"",
            &[
                "instruments/registration.toml:36: items[3].label: \"Date\" is also a line in the header of a quoted mail — choose another word, such as \"Consent date\" for \"Date\"",
            ],
        );
        slip(
            I,
            "aliases = [\"施設\"",
            "aliases = [\"性　別\"",
            &[
                "instruments/registration.toml:48: items[4].label: \"性別\" already means the item `site` (line 14) — give each item its own labels and aliases; width and case do not matter",
            ],
        );
        slip(
            I,
            "kind = \"integer\"",
            "kind = \"number\"",
            &[
                "instruments/registration.toml:35: items[3].kind: \"number\" is not known — write one of \"text\", \"note\", \"integer\", \"decimal\", \"date\", \"time\", \"datetime\", \"yesno\", \"choice\", \"choices\", \"scale\", \"file\", \"heading\", \"calculation\"",
            ],
        );
        slip(
            I,
            "[A-Z]-[0-9]{4}'",
            "[A-Z-[0-9]{4}'",
            &[
                "instruments/registration.toml:29: items[2].pattern: is no regular expression (unclosed character class) — write it in single quotes, such as '[A-Z]-[0-9]{4}'",
            ],
        );
        slip(
            I,
            "code = \"F\"",
            "code = \"m\"",
            &[
                "instruments/registration.toml:53: items[4].choices[2].code: \"M\" is taken on line 52 already — give each its own",
            ],
        );
        slip(
            I,
            "latest = \"today\"",
            "latest = \"tomorrow\"",
            &[
                "instruments/registration.toml:70: items[6].hard.latest: \"tomorrow\" is no day — write \"2026-04-01\", \"today\", \"today-30\" or \"today+7\"",
            ],
        );
        slip(
            I,
            "soft = { min = 20",
            "soft = { min = -5",
            &[
                "instruments/registration.toml:43: items[3].soft: reaches beyond hard, where answers are refused already — draw the soft limits inside the hard ones",
            ],
        );
        slip(
            I,
            "required = true\n# For text",
            "# For text",
            &[
                "study.toml:37: registration.subject_item: `subject_ref` may be left blank — write required = true there, and no when",
            ],
        );
    }

    #[test]
    fn the_statisticians_file() {
        slip(
            S,
            "code = \"A\"",
            "code = \"C\"",
            &[
                "study.toml:49: arms[1].code: allocation.toml has no arm \"C\" — give both files the same arms",
                "allocation.toml:6: arms[1].code: study.toml names no arm \"A\" — name it there, or write one of \"C\", \"B\"",
            ],
        );
        slip(
            A,
            "levels = [\"F\", \"M\"]",
            "levels = [\"F\", \"X\"]",
            &[
                "allocation.toml:8: factors[2].levels: lacks \"M\" of `sex` — list every answer, or leave levels out",
                "allocation.toml:8: factors[2].levels: nobody can have the level \"X\" of `sex` — write one of \"F\", \"M\"",
            ],
        );
        slip(
            A,
            "id = \"sex\", levels = [\"F\", \"M\"]",
            "id = \"pregnant\"",
            &[
                "allocation.toml:8: factors[2].id: `pregnant` may be left blank, but decides the allocation — write required = true in instruments/registration.toml, and no when",
                "allocation.toml:10: strata: \"sex\" is no factor — an id of [factors]",
            ],
        );
        slip(
            S,
            "blinding = \"open\"",
            "blinding = \"blinded\"",
            &[
                "study.toml: a blinded study needs somebody who may know the arms — give somebody the role \"pharmacist\" or \"statistician\"",
                "kits.csv: is missing, though the study is blinded — add a list with the first line code,arm and one line for each kit",
            ],
        );
    }

    /// What is said of the template with a calculation of those values, behind the item's own key.
    fn said_of(calculation: &str, values: &[&str]) -> Vec<String> {
        let place = "[[items]]\nid = \"pregnant\"";
        let item = format!(
            "[[items]]\nid = \"class\"\nkind = \"calculation\"\nlabel = {{ ja = \"区分\", en = \"Class\" }}\n\
             calculation = \"{calculation}\"\nvalues = [{}]\n\n{place}",
            values.join(", ")
        );
        let said = problems(&broken(&[(I, place, &item)])).into_iter();
        said.map(|line| line.split_once(".values").map_or(line.clone(), |(_, rest)| rest.to_string())).collect()
    }

    #[test]
    fn names_of_calculated_values() {
        const CLASS: &str = "age < 65 ? 'younger' : 'older'";
        const YOUNGER: &str = "{ code = 'younger', label = { ja = '65歳未満', en = 'under 65' } }";
        const OLDER: &str = "{ code = 'older', label = { ja = '65歳以上', en = '65 or over' } }";
        let none: [&str; 0] = [];
        assert_eq!(said_of(CLASS, &[YOUNGER, OLDER]), none);
        assert_eq!(said_of("sex", &["{ code = 'F', label = 'f' }", "{ code = 'M', label = 'm' }"]), none);
        assert_eq!(said_of("age * 2", &["{ code = '40', label = 'just old enough' }"]), none);
        // What the calculation cannot give, and what it gives without a name.
        assert_eq!(
            said_of(CLASS, &[YOUNGER.replace("younger", "yunger").as_str(), OLDER]),
            [
                ": \"yunger\" is nothing that the calculation can give — did you mean \"younger\"?",
                ": lacks \"younger\", which the calculation can give — name every value; people read the code of one that has no label",
            ]
        );
        assert_eq!(
            said_of("age >= 65", &["{ code = 'yes', label = 'old' }", "{ code = 'no', label = 'young' }", YOUNGER]),
            [": \"younger\" is nothing that the calculation can give — it gives \"no\", \"yes\""]
        );
        assert_eq!(
            said_of("age * 2", &[OLDER]),
            [": \"older\" is nothing that the calculation can give — it gives a whole number, in digits such as \"2\"",]
        );
        // What is wrong whatever it gives.
        for (values, wrong) in [
            (vec![YOUNGER, OLDER, YOUNGER], "[3].code: \"younger\" is taken on line "),
            (
                vec![YOUNGER, "{ code = 'older', label = { ja = '65歳以上' } }"],
                "[2].label: has no wording in English (en)",
            ),
            (vec![YOUNGER, "{ code = 'older' }"], "[2].label: is missing"),
            (
                vec![YOUNGER, "{ code = 'older', label = { ja = '65歳未満', en = 'old' } }"],
                "[2].label: \"65歳未満\" already means the value \"younger\"",
            ),
            (
                vec![YOUNGER, "{ code = 'older', label = 'Younger' }"],
                "[2].label: \"Younger\" already means the value \"younger\"",
            ),
            (vec![YOUNGER, "{ code = 'older', label = 'old', other = true }"], "[2].other: is not known"),
            (vec![], ": names nothing"),
        ] {
            let said = said_of(CLASS, &values);
            assert!(said.len() == 1 && said[0].starts_with(wrong), "{wrong}: {said:?}");
        }
        let misplaced = problems(&broken(&[(I, "kind = \"integer\"", "kind = \"integer\"\nvalues = []")]));
        assert!(misplaced[0].contains("values: does not go with kind = \"integer\""), "{misplaced:?}");
        // The template's example.
        let (template, section) = (samples::template(), "# [[items]]\n# id = \"age_group\"");
        let rest = template.file(I).unwrap().split_once(section).expect("the example").1;
        let example = format!("{section}{}", rest.split_once("\n#\n").expect("its end").0);
        let shown: Vec<&str> = example.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
        assert!(shown.contains(&"values = ["), "{shown:?}");
        assert_eq!(problems(&broken(&[(I, &example, &shown.join("\n"))])), none);
    }

    #[test]
    fn all_problems_come_at_once() {
        let bundle = broken(&[
            (S, "\"Asia/Tokyo\"", "\"Tokyo\""),
            (S, "\"age >= 20\"", "\"agee >= 20\""),
            (I, "kind = \"integer\"", "kind = \"int\""),
            (A, "{ id = \"sex\"", "{ id = \"sexe\""),
        ]);
        assert_eq!(
            problems(&bundle).iter().map(|said| said.split(' ').next().unwrap().to_string()).collect::<Vec<_>>(),
            [
                "study.toml:13:",
                "study.toml:128:",
                "allocation.toml:8:",
                "allocation.toml:10:",
                "instruments/registration.toml:35:"
            ]
        );
    }

    #[test]
    fn poor_designs_are_warned_of() {
        assert_eq!(problems(&broken(&[(A, "sizes = [4, 6]", "sizes = [8]")])), Vec::<String>::new());
        slip(
            A,
            "sizes = [4, 6]",
            "sizes = [6]",
            &[
                "allocation.toml:14: block.sizes: the study is open: who counts along in fixed blocks of 6 guesses 68.3 % of the \
               allocations right — several sizes, such as sizes = [6, 8, 10] (66.5 %), or minimization over the same factors",
            ],
        );
        slip(
            S,
            "planned_subjects = 100",
            "planned_subjects = 15",
            &[
                "allocation.toml:10: strata: make 4 strata for 15 planned subjects: with fewer than 4 in each, most blocks stay \
               open and the arms are out of balance — at most 3 strata, or minimization over the same factors",
            ],
        );
        assert_eq!(problems(&broken(&[(S, "planned_subjects = 100", "planned_subjects = 16")])), Vec::<String>::new());
        slip(
            A,
            "# [caps]",
            "[caps]\ntotal = 60\nsites = { XX = 3 }\n# [caps]",
            &[
                "allocation.toml:60: caps.total: closes the study at 60 subjects, though 100 are planned — 100, or another \
               planned_subjects in study.toml",
                "allocation.toml:61: caps.sites: caps the site \"XX\", which the study does not have — a code of a section \
               [[sites]] in study.toml",
            ],
        );
        let rules = "[registration]\nrescreening = [\"withdrawn\", \"ineligible\"]\nrescreenings = 1";
        let again = broken(&[(S, "[registration]", rules)]);
        let said = problems(&again);
        assert!(said.len() == 1 && said[0].contains("registration.rescreening: "), "{said:?}");
        assert!(said[0].contains("draw an arm again, and whoever"), "{said:?}");
        let mut files = again.files().clone();
        let counting = "method = \"minimization\"\nexclude = [\"duplicate\", \"withdrawn\"]\narms = [{ code = \"A\" }, { code = \"B\" }]\n\
                        factors = [{ id = \"sex\" }]\n[minimization]\ndistance = \"range\"\nrule = \"best\"\np = \"4/5\"\n";
        files.insert(A.to_string(), counting.to_string());
        let said = problems(&Bundle::from_files(files));
        assert!(said.iter().any(|said| said.contains("leaves the counts (withdrawn)")), "{said:?}");
        // An arm that is full closes the study to everybody: what that comes to by the ratio, and what it tells in a blinded study.
        let capped = |caps: &str, blinding: &str| {
            let caps = format!("[caps]\n{caps}\n# [caps]");
            let arms = (A, "{ code = \"B\", ratio = 1 }", "{ code = \"B\", ratio = 2 }");
            let all = problems(&broken(&[
                (A, "# [caps]", &caps),
                arms,
                (A, "sizes = [4, 6]", "sizes = [6, 9, 12]"),
                (S, "blinding = \"open\"", blinding),
            ]));
            all.into_iter().filter(|said| said.contains(": caps.")).collect::<Vec<String>>()
        };
        let (open, blinded) = ("blinding = \"open\"", "blinding = \"blinded\"");
        let said = capped("arm = 50\ntotal = 100", open);
        assert!(
            said.len() == 1
                && said[0].contains("caps.arm: ")
                && said[0].contains("\"B\", by the ratio at about 75 in all, though 100 are meant — at least 67"),
            "{said:?}"
        );
        assert_eq!(capped("arms = { A = 40, B = 80 }", open), Vec::<String>::new());
        assert_eq!(capped("arms = { B = 80 }", open), Vec::<String>::new());
        assert_eq!(capped("arms = { A = 40, B = 80 }", blinded), Vec::<String>::new());
        for unlike in ["arms = { B = 80 }", "arms = { A = 60, B = 80 }", "arm = 80"] {
            let said = capped(unlike, blinded);
            assert!(said.len() == 1 && said[0].contains("is reached by \"B\" first"), "{unlike}: {said:?}");
        }
        let minimized = "method = \"minimization\"\narms = [{ code = \"A\" }, { code = \"B\" }]\nfactors = [{ id = \"sex\" }]\n\
                         [minimization]\ndistance = \"range\"\nrule = \"best\"\np = \"4/5\"\nburn_in = 100\n";
        let mut files = samples::template().files().clone();
        files.insert(A.to_string(), minimized.to_string());
        assert_eq!(
            problems(&Bundle::from_files(files)),
            [
                "allocation.toml:8: minimization.burn_in: is 100, and 100 subjects are planned: nobody will be minimized — 0, or \
              some ten subjects"
            ]
        );
        let hu_hu = |weight: &str, strata: &str| {
            let mut files = samples::template().files().clone();
            let text = format!(
                "method = \"hu-hu\"\narms = [{{ code = \"A\" }}, {{ code = \"B\" }}]\nfactors = [{{ id = \"site\" }}, {{ id = \"sex\" }}]\n\
                 {strata}[hu-hu]\np = 0.85\ntotal_weight = 1\nstratum_weight = {weight}\n"
            );
            files.insert(A.to_string(), text);
            let study = files.get_mut(S).unwrap();
            *study = study.replace("planned_subjects = 100", "planned_subjects = 15");
            problems(&Bundle::from_files(files))
        };
        assert_eq!(
            hu_hu("0.5", ""),
            [
                "allocation.toml:3: factors: make 4 strata for 15 planned subjects: with fewer than 4 in each, `stratum_weight` \
              balances next to nothing — at most 3 strata (name them: strata = [ … ]), or minimization over the same factors"
            ]
        );
        assert_eq!(hu_hu("0", ""), Vec::<String>::new());
        assert_eq!(hu_hu("0.5", "strata = [\"sex\"]\n"), Vec::<String>::new());
    }

    #[test]
    fn kit_lists() {
        let kits = |text: &str| {
            let mut files = samples::borealis().files().clone();
            files.insert("kits.csv".to_string(), text.to_string());
            problems(&Bundle::from_files(files))
        };
        assert_eq!(
            kits("code,arm\nX1,P\nX2,Q\nx1,L\n"),
            [
                "kits.csv: there is no kit for arm \"H\" — list the kits of every arm",
                "kits.csv:3: arm: there is no arm \"Q\" — write one of \"P\", \"L\", \"H\"",
                "kits.csv:4: code: kit \"x1\" stands on line 2 already — list each kit once",
            ]
        );
        assert_eq!(
            kits("kit;arm\n"),
            [
                "kits.csv:1: the first line does not name the columns — write code,arm and behind them any of site,expires,lot, without quotes or blanks"
            ]
        );
        let telling: String =
            ["P", "L", "H"].iter().flat_map(|arm| (0..5).map(move |n| format!("{arm}{n},{arm}\n"))).collect();
        assert_eq!(
            kits(&format!("code,arm\n{telling}")),
            ["kits.csv: the codes in their order show the arm — number the kits at random over all arms"]
        );
        assert_eq!(
            kits("code,arm,site\nA1,P,101\nB1,P,102\nC1,P,\nD1,L,\nE1,H,101\nF1,H,102\n"),
            [
                "kits.csv: site \"103\" has no kit for arm \"H\" and can enroll nobody until some are sent — give it some, or leave the site of some kits blank",
                "kits.csv: site: 2 sites have kits of their own, but not of every arm; the first is \"101\" — give them kits of every arm, or leave all to the central stock: they are kept back there while that has every arm, and tell the arm afterwards",
            ]
        );
    }

    #[test]
    fn every_column_of_a_kit_list_is_checked_at_once() {
        let kits = |text: &str| {
            let mut files = samples::borealis().files().clone();
            files.insert("kits.csv".to_string(), text.to_string());
            problems(&Bundle::from_files(files))
        };
        assert_eq!(
            kits(
                "code,arm,expires,lot,site\nX1,P,2028-02-30,L1,109\nX2,L,2028/03/31,,\nX3,H,20280331,,\nX4,H,2028-03-31,,\nX5,L,,,\nX6,P,,,\n"
            ),
            [
                "kits.csv:2: expires: \"2028-02-30\" is no date — write year-month-day, such as 2028-03-31",
                "kits.csv:2: site: there is no site \"109\" — write one of \"101\", \"102\", \"103\"",
                "kits.csv:3: expires: \"2028/03/31\" is no date — write year-month-day, such as 2028-03-31",
                "kits.csv:4: expires: \"20280331\" is no date — write year-month-day, such as 2028-03-31",
            ]
        );
        let columns = "write code,arm and behind them any of site,expires,lot, without quotes or blanks";
        for header in ["code,site", "code,arm,arm", "code,arm,batch"] {
            assert_eq!(
                kits(&format!("{header}\nX1,P,\n")),
                [format!("kits.csv:1: the first line does not name the columns — {columns}")]
            );
        }
    }

    #[test]
    fn codes_and_labels_that_tell_the_arm_are_warned_of() {
        let warned = |lines: &dyn Fn(usize, &str) -> String| {
            let mut files = samples::borealis().files().clone();
            let list: String = (0..24).map(|n| lines(n, ["P", "L", "H"][n % 3]) + "\n").collect();
            files.insert("kits.csv".to_string(), format!("code,arm,expires,lot\n{list}"));
            problems(&Bundle::from_files(files))
        };
        let scattered = |n: usize| format!("{:03}", n * 7919 % 1009 * 31 % 997);
        let codes = ["kits.csv: the codes in their order show the arm — number the kits at random over all arms"];
        assert_eq!(warned(&|n, arm| format!("K{n:02},{arm},,")), codes, "by turns");
        assert_eq!(warned(&|n, arm| format!("{}{arm},{arm},,", scattered(n))), codes, "by the last letter");
        assert!(warned(&|n, arm| format!("{},{arm},2028-01-01,L1", scattered(n))).is_empty());
        let same = "give every arm the same days there, in the same shares: all arms step from day to day together, and what is left of one lies there until nothing else does";
        assert_eq!(
            warned(&|n, arm| format!("{},{arm},2028-01-0{},L1", scattered(n), if n % 3 == 0 { n / 12 } else { 2 } + 1)),
            [format!(
                "kits.csv: expires: in the central stock, 2 days are of one arm only, the first is 2028-01-01 — {same}"
            ),]
        );
        // Three of eight kits of one arm expire early, and one of each other arm.
        let early = |n: usize| n < 3 || n.is_multiple_of(3) && n < 9;
        assert_eq!(
            warned(&|n, arm| format!(
                "{},{arm},{},L1",
                scattered(n),
                if early(n) { "2028-01-01" } else { "2028-07-01" }
            )),
            [format!(
                "kits.csv: expires: in the central stock, more of one arm's kits than of another's expire up to 2028-01-01 — {same}"
            )]
        );
        assert!(warned(&|n, arm| format!("{},{arm},2028-0{}-01,L1", scattered(n), n / 12 + 1)).is_empty(), "alike");
        assert_eq!(
            warned(&|n, arm| format!("{},{arm},2028-01-0{},L{}", scattered(n), n % 3 + 1, n % 3)),
            [
                "kits.csv: expires: no two arms share an expiry — make sure that labels do not show it",
                "kits.csv: lot: no two arms share a lot — make sure that labels do not show it",
            ]
        );
    }

    #[test]
    fn places_days_and_lots_that_only_one_arm_has_are_warned_of() {
        let warned = |study: &str, line: &dyn Fn(usize, &str) -> String| {
            let mut files = samples::borealis().files().clone();
            let list: String = (0..24).map(|n| line(n, ["P", "L", "H"][n % 3]) + "\n").collect();
            files.insert("kits.csv".to_string(), format!("code,arm,site,expires,lot\n{list}"));
            let sites = files.get_mut("study.toml").unwrap();
            *sites = sites.replace("code = \"102\"\n", &format!("code = \"102\"\n{study}"));
            problems(&Bundle::from_files(files))
                .iter()
                .map(|text| text.split(" — ").next().unwrap().to_string())
                .collect()
        };
        let scattered = |n: usize| format!("{:03}", n * 7919 % 1009 * 31 % 997);
        let place = |n: usize| if n < 12 { "101" } else { "" };
        let none: Vec<String> = warned("", &|n, arm| format!("{},{arm},{},2028-02-01,L1", scattered(n), place(n)));
        assert_eq!(none, [""; 0]);
        // The day is all arms' day in the central stock, and one arm's at the site.
        let day = |n: usize, arm: &str| if n < 6 && arm == "P" || n >= 12 { "2028-02-01" } else { "2028-01-01" };
        assert_eq!(
            warned("", &|n, arm| format!("{},{arm},{},{},L1", scattered(n), place(n), day(n, arm))),
            ["kits.csv: expires: at site \"101\", only one arm has kits that expire on 2028-02-01"]
        );
        let never = |n: usize| if n == 23 { "" } else { "2028-02-01" };
        assert_eq!(
            warned("", &|n, arm| format!("{},{arm},,{},L1", scattered(n), never(n))),
            ["kits.csv: expires: in the central stock, only one arm has kits that do not expire"]
        );
        let lot = |n: usize| if n == 5 { "L2" } else { "L1" };
        assert_eq!(
            warned("", &|n, arm| format!("{},{arm},,,{}", scattered(n), lot(n))),
            ["kits.csv: lot: only one arm has kits of lot \"L2\""]
        );
        assert_eq!(
            warned("", &|n, arm| format!("{},{arm},,,{}", scattered(n), if n == 5 { "" } else { "L1" })),
            ["kits.csv: lot: only one arm has kits without a lot"]
        );
        assert_eq!(
            warned("", &|n, arm| format!("{},{arm},,,L{}", scattered(n), if n < 12 { n } else { 0 })),
            ["kits.csv: lot: 11 lots are of one arm only, the first is \"L1\""]
        );
        // One arm of the site lies in the central stock only.
        let short = |n: usize, arm: &str| if arm == "H" { "" } else { place(n) };
        assert_eq!(
            warned("", &|n, arm| format!("{},{arm},{},,", scattered(n), short(n, arm))),
            ["kits.csv: site: site \"101\" has kits of its own, but not of every arm"]
        );
        assert_eq!(
            warned("closes = 2028-02-02\n", &|n, arm| format!("{},{arm},,2028-02-01,", scattered(n))),
            ["kits.csv: expires: the last kit for site \"102\" expires on 2028-02-01, and it enrolls until 2028-02-02"]
        );
        let until: Vec<String> =
            warned("closes = 2028-02-01\n", &|n, arm| format!("{},{arm},,2028-02-01,", scattered(n)));
        assert_eq!(until, [""; 0]);
    }

    #[test]
    fn a_list_of_kits_that_all_expired_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = samples::borealis().files().clone();
        let list = |last: &str| {
            let line = |n: usize| {
                format!("{},{},{}\n", 1 + n * 37 % 61, ["P", "L", "H"][n % 3], if n == 9 { last } else { "2026-11-19" })
            };
            format!("code,arm,expires\n{}", (0..12).map(line).collect::<String>())
        };
        let mut told = |last: &str| {
            files.insert("kits.csv".to_string(), list(last));
            for (path, text) in &files {
                let path = folder.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            let checked = definition::check(&[folder.path()], now()).remove(0);
            assert!(checked.is_sound());
            shown(&checked.problems).into_iter().any(|told| told.contains("no kit of the list can be given any more"))
        };
        assert!(told("2026-11-19") && !told("2026-11-20"), "the last day counts");
    }

    #[test]
    fn what_is_demanded_of_the_stock() {
        let stock = |text: &str| {
            let mut files = samples::borealis().files().clone();
            files.get_mut("study.toml").unwrap().push_str(text);
            Bundle::from_files(files)
        };
        let read = definition::load(&stock("\n[kits]\nminimum_days = 30\nthreshold = 3\n")).unwrap().0.stock;
        assert_eq!((read.minimum_days, read.threshold, read.central_threshold), (30, 3, 0));
        let wrong = problems(&stock("\n[kits]\nminimum_days = -1\ntreshold = 3\n"));
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].contains("kits.minimum_days: -1 is too small or too large"), "{wrong:?}");
        assert!(wrong[1].contains("threshold"), "{wrong:?}");
    }

    #[test]
    fn what_is_asked_for_before_the_pages_of_cases() {
        let pages = |text: &str| {
            let mut files = samples::borealis().files().clone();
            files.get_mut("study.toml").unwrap().push_str(&format!("\n[pages]\n{text}\n"));
            Bundle::from_files(files)
        };
        let read = |text: &str| definition::load(&pages(text)).unwrap().0.step_up;
        let usual = i64::from(hagaki::limits::STEP_UP_MINUTES) * 60;
        assert_eq!(read("step_up = \"none\""), None);
        assert_eq!(read("step_up = \"password\""), Some(StepUp { proof: Proof::Password, seconds: usual }));
        let short = "step_up = \"second-factor\"\nstep_up_minutes = 5";
        assert_eq!(read(short), Some(StepUp { proof: Proof::SecondFactor, seconds: 300 }));
        for (text, said) in [
            ("step_up = \"totp\"", "pages.step_up: \"totp\" is not known — write one of"),
            ("", "pages.step_up"),
            ("step_up = \"password\"\nstep_up_minutes = 0", "step_up_minutes: 0 is too small or too large"),
            ("step_up = \"password\"\nstep_up_minutes = 721", "721 minutes are not between 1 and 720"),
            ("step_up = \"none\"\nstep_up_minutes = 9", "nothing is asked for"),
            ("step_up = \"password\"\nminutes = 9", "step_up_minutes"),
        ] {
            let told = problems(&pages(text));
            assert!(told.len() == 1 && told[0].contains(said), "{said}: {told:?}");
        }
    }

    #[test]
    fn files_that_are_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            problems(&Bundle::read(folder.path())),
            [
                "study.toml: is missing — a bundle is a folder with study.toml in it; hagaki init writes one to start from"
            ]
        );
        let nowhere = folder.path().join("nowhere");
        assert_eq!(
            problems(&Bundle::read(&nowhere)),
            [format!("study.toml: there is no folder {} — name the folder that holds study.toml", nowhere.display())]
        );
        samples::write_template(folder.path()).unwrap();
        let instrument = folder.path().join(I);
        let text = std::fs::read_to_string(&instrument).unwrap();
        let (cp932, _, _) = encoding_rs::SHIFT_JIS.encode(&text);
        std::fs::write(&instrument, cp932).unwrap();
        std::fs::write(folder.path().join("plan.docx"), "x").unwrap();
        std::fs::create_dir(folder.path().join("letters")).unwrap();
        std::fs::write(folder.path().join("letters/assignment.txt"), "x").unwrap();
        std::fs::write(folder.path().join(".DS_Store"), [0xff, 0xfe]).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("kits.csv")).unwrap();
        assert_eq!(
            problems(&Bundle::read(folder.path())),
            [
                "instruments/registration.toml: is in Shift_JIS (CP932), not in UTF-8: line 3 — save it again as UTF-8 (in Notepad: Save as, Encoding: UTF-8)",
                "kits.csv: is a link to another file and was left out — copy the file itself here",
                "letters/assignment.txt: lies in no folder of a language of the study and is never used — move it to letters/ja/",
                "plan.docx: is no file of a bundle and was left out",
            ]
        );
    }

    #[test]
    fn a_byte_order_mark_is_told_and_left_out() {
        let bundle = broken(&[(S, "# The main file", "\u{FEFF}# The main file")]);
        let (study, warnings) = definition::load(&bundle).unwrap();
        assert_eq!(study.slug, "my-study");
        assert_eq!(
            shown(&warnings),
            ["study.toml: begins with a byte order mark, which was left out — save it as UTF-8 without BOM"]
        );
        assert_eq!(warnings[0].weight, Weight::Warning);
        assert_eq!(bundle.digest(), samples::template().digest());
    }

    #[test]
    fn a_reference_that_may_be_written_in_any_way_is_warned_of() {
        let (_, warnings) = definition::load(&broken(&[(I, "pattern = '[A-Z]-[0-9]{4}'\n", "")])).unwrap();
        let told = shown(&warnings);
        assert_eq!((told.len(), warnings[0].weight), (1, Weight::Warning), "{told:?}");
        for part in
            ["instruments/registration.toml", "].pattern: is missing", "7, 07 and #7", "pattern = '[A-Z]-[0-9]{4}'"]
        {
            assert!(told[0].contains(part), "{part}: {told:?}");
        }
    }

    #[test]
    fn two_bundles_of_one_name_are_told_apart() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        samples::write_template(one.path()).unwrap();
        samples::write_template(other.path()).unwrap();
        let checked = definition::check(&[one.path(), other.path()], now());
        assert!(checked[0].is_sound() && !checked[1].is_sound());
        assert_eq!(
            shown(&checked[1].problems),
            [
                format!(
                    "study.toml: slug: \"my-study\" is taken by {} — give each study its own",
                    one.path().display()
                ),
                format!("study.toml: tag: \"MY-STUDY\" is taken by {} — give each study its own", one.path().display()),
            ]
        );
        // A mail may call a study by either.
        for (folder, slug, tag) in [(&one, "my-study", "FIRST"), (&other, "second", "My-Study")] {
            let file = folder.path().join(S);
            let text = std::fs::read_to_string(&file).unwrap();
            let named = text.replace("slug = \"my-study\"", &format!("slug = \"{slug}\""));
            let named = named.replace("tag = \"MY-STUDY\"", &format!("tag = \"{tag}\""));
            assert_ne!(named, text);
            std::fs::write(&file, named).unwrap();
        }
        let checked = definition::check(&[one.path(), other.path()], now());
        assert_eq!(
            shown(&checked[1].problems),
            [format!("study.toml: tag: \"My-Study\" is taken by {} — give each study its own", one.path().display())]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(120))]
        #[test]
        fn any_damage_is_told_without_panic(at in 0usize..9000, cut in 0usize..40, put in "[\\[\\]{}=\"'a-z\n#.,0-9あ]{0,8}", which in 0usize..3) {
            let mut files = samples::borealis().files().clone();
            let file = [S, I, A][which];
            let chars: Vec<char> = files[file].chars().collect();
            let at = at % chars.len();
            let damaged: String = chars[..at].iter().copied().chain(put.chars()).chain(chars[(at + cut).min(chars.len())..].iter().copied()).collect();
            files.insert(file.to_string(), damaged);
            if let Err(problems) = definition::load(&Bundle::from_files(files)) {
                prop_assert!(problems.iter().any(|problem| problem.weight == Weight::Error));
            }
        }
    }
}
