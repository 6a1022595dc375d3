//! Studies whose participants enroll themselves: what their bundles may say, and what the form that follows knows.

use chrono::NaiveDate;
use hagaki::definition::{self, Bundle, samples};
use hagaki::domain::answer::{Form, Line, Uploads, read_form, read_knowing};
use hagaki::domain::language::Language;
use hagaki::domain::study::Study;
use hagaki::domain::time::Instant;
use hagaki::letters::facts::piped;
use hagaki::web::survey::rehearse;
use hagaki::workflow::self_enrollment::Entrant;

use crate::cli::Place;
use crate::schedule::unscheduled;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/studies/somnus");
const STUDY: &str = "study.toml";
const FIRST: &str = "instruments/first.toml";
const DIARY: &str = "instruments/diary.toml";
/// A file, what stands in it, and what is to stand there.
type Change<'a> = (&'a str, &'a str, &'a str);

const BLINDED: Change<'_> = (STUDY, "blinding = \"open\"", "blinding = \"blinded\"");
const UNSAID: Change<'_> = (
    DIARY,
    "{ ja = \"あなたのグループ：{{arm}}\", en = \"Your group: {{arm}}\" }",
    "{ ja = \"今週\", en = \"This week\" }",
);

/// SOMNUS with other texts in its files.
fn edited(changes: &[Change<'_>]) -> Bundle {
    let mut files = unscheduled(&samples::somnus()).files().clone();
    for (file, from, to) in changes {
        let text = files.get_mut(*file).unwrap();
        assert!(text.contains(from), "{from} is not in {file}");
        *text = text.replacen(from, to, 1);
    }
    Bundle::from_files(files)
}

fn told(bundle: &Bundle) -> Vec<String> {
    match definition::load(bundle) {
        Ok((_, problems)) | Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

fn loaded(bundle: &Bundle) -> Study {
    definition::load(bundle).unwrap_or_else(|problems| panic!("{problems:#?}")).0
}

#[test]
fn slips_are_told_in_plain_words() {
    let cases: [(&[Change<'_>], &str); 14] = [
        (
            &[(
                STUDY,
                "privacy = \"named\"\naccess = \"credentials\"\nresponses = \"repeat\"",
                "privacy = \"anonymous\"\nresponses = \"once\"",
            )],
            "survey.enrolls: the arm is kept with whoever enrolled",
        ),
        (
            &[(STUDY, "[registration]\ninstrument = \"first\"", "")],
            "survey.enrolls: there is no form by which somebody could enroll",
        ),
        (
            &[(STUDY, "instrument = \"diary\"", "instrument = \"first\"")],
            "\"first\" is the form by which participants enroll",
        ),
        (
            &[(STUDY, "instrument = \"first\"", "instrument = \"first\"\nsubject_item = \"age\"")],
            "registration.subject_item: participants enroll themselves",
        ),
        (
            &[(STUDY, "instrument = \"first\"", "instrument = \"first\"\nunique_within = \"site\"")],
            "registration.unique_within: participants enroll themselves",
        ),
        (
            &[(STUDY, "instrument = \"first\"", "instrument = \"first\"\nrescreening = [\"withdrawn\"]")],
            "registration.rescreening: participants enroll themselves, and nobody does so twice",
        ),
        (&[(STUDY, "id = \"stat\"", "id = \"participant\"")], "\"participant\" stands for whoever enrolled themself"),
        (&[(DIARY, "id = \"slept\"", "id = \"age\"")], "\"age\" is an item of instruments/first.toml too"),
        (&[(DIARY, "when = \"arm == 'TIPS'\"", "when = \"arm == 'TIP'\"")], "'TIP' is none of the choices"),
        (&[(DIARY, "when = \"shifts\"", "when = \"shift\"")], "did you mean `shifts`?"),
        (&[(DIARY, "{{bedtime}} に床", "{{bedtim}} に床")], "{{bedtim}} is no item"),
        (&[(FIRST, "id = \"bedtime\"", "id = \"bedtime\"\npersonal = true")], "`bedtime` is personal"),
        (&[BLINDED], "{{arm}} would tell the arm"),
        (&[BLINDED, UNSAID], "which of these items were asked follows from `arm`: `tried`, `helped`, `elsewhere`"),
    ];
    for (changes, expected) in cases {
        let problems = told(&edited(changes));
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:#?}");
    }
    assert_eq!(told(&unscheduled(&samples::somnus())), Vec::<String>::new());
    // Nothing is handed out, so that a blinded study needs no kits; and it is usable, with the one warning.
    let warnings = told(&edited(&[BLINDED, UNSAID]));
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    let calculated = "[[items]]\nid = \"code\"\nkind = \"calculation\"\nlabel = { ja = \"符号\", en = \"Code\" }\ncalculation = \"arm == 'TIPS' ? 1 : 2\"\n\n# Which page follows";
    let problems = told(&edited(&[BLINDED, UNSAID, (DIARY, "# Which page follows", calculated)]));
    assert!(
        problems.iter().any(|problem| problem.contains("what is calculated is shown before it is sent")),
        "{problems:#?}"
    );
    let study = loaded(&edited(&[BLINDED, UNSAID]));
    assert!(study.enrolls_itself() && !study.hands_out_kits());
    let mut files = edited(&[BLINDED, UNSAID]).files().clone();
    files.insert("kits.csv".to_owned(), "code,arm\nK-01,TIPS\nK-02,WAIT\n".to_owned());
    assert!(loaded(&Bundle::from_files(files)).hands_out_kits(), "what it lists is handed out");
    // What is a name here means nothing where nobody enrolls themself.
    let problems = told(&edited(&[
        (STUDY, "enrolls = true\n", ""),
        (STUDY, "instrument = \"first\"", "instrument = \"first\"\nsubject_item = \"age\""),
    ]));
    assert!(problems.iter().any(|problem| problem.contains("arm")), "{problems:#?}");
}

fn lines(answers: &[(&str, &str)]) -> Vec<Line> {
    let line = |(at, (key, value)): (usize, &(&str, &str))| Line {
        key: (*key).into(),
        value: (*value).into(),
        number: at + 1,
    };
    answers.iter().enumerate().map(line).collect()
}

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 20).unwrap()
}

/// Somebody of that arm, who works by night or does not.
fn entrant(study: &Study, arm: &str, shifts: &str) -> Entrant {
    let answers = [("agrees", "yes"), ("age", "41"), ("shifts", shifts), ("insomnia", "8"), ("bedtime", "23:30")];
    let form = read_form(study, study.registration_instrument(), &lines(&answers), today());
    assert_eq!(form.faults, []);
    Entrant::new(study, &form, Some(arm))
}

fn diary(study: &Study, entrant: &Entrant, answers: &[(&str, &str)]) -> Form {
    let instrument = study.find_instrument("diary").unwrap();
    read_knowing(study, instrument, (&lines(answers), &Uploads::new()), &entrant.known, today())
}

#[test]
fn what_is_asked_follows_from_the_arm_and_the_first_form() {
    let study = loaded(&samples::somnus());
    let week =
        [("slept", "6"), ("quality", "3"), ("earlier", "no"), ("helped", "2"), ("elsewhere", "yes"), ("nights", "2")];
    let asked = |arm, shifts| {
        let form = diary(&study, &entrant(&study, arm, shifts), &week);
        assert_eq!(form.faults, []);
        ["helped", "elsewhere", "nights"].map(|id| form.answers.contains_key(id))
    };
    assert_eq!(asked("TIPS", "no"), [true, false, false]);
    assert_eq!(asked("WAIT", "yes"), [false, true, true]);
    // Of a calculation of the first form its value is known.
    let calculated = "[[items]]\nid = \"severity\"\nkind = \"calculation\"\nlabel = { ja = \"区分\", en = \"Severity\" }\ncalculation = \"insomnia >= 7 ? 'severe' : 'moderate'\"\n\n[[items]]\nid = \"bedtime\"";
    let severe = edited(&[
        (DIARY, "when = \"shifts\"", "when = \"severity == 'severe'\""),
        (FIRST, "[[items]]\nid = \"bedtime\"", calculated),
    ]);
    let study = loaded(&severe);
    assert!(diary(&study, &entrant(&study, "WAIT", "no"), &week).answers.contains_key("nights"));
}

#[test]
fn labels_repeat_what_is_no_secret() {
    let open = loaded(&samples::somnus());
    let said = |study: &Study, text: &str| {
        let own = entrant(study, "WAIT", "yes");
        piped(study, study.find_instrument("diary").unwrap(), &own.told, text, Language::En)
    };
    assert_eq!(said(&open, "{{arm}}, {{bedtime}}, {{shifts}}"), "Waiting list (tips after 12 weeks), 23:30, yes");
    let blinded = loaded(&edited(&[BLINDED, UNSAID]));
    assert_eq!(said(&blinded, "{{arm}}, {{bedtime}}"), "…, 23:30");
    let own = entrant(&blinded, "WAIT", "yes");
    assert!(own.told.values().all(|value| value != "WAIT"), "{:?}", own.told);
    // Nor is it a value of another form.
    let first = open.registration_instrument();
    assert_eq!(piped(&open, first, &entrant(&open, "WAIT", "yes").told, "{{slept}}", Language::En), "…");
}

#[test]
fn every_page_of_every_arm_is_rehearsed() {
    let study = loaded(&samples::somnus());
    let pages = rehearse(&study, Instant(1_795_000_000_000_000)).unwrap();
    let one = rehearse(&loaded(&samples::wellbeing()), Instant(1_795_000_000_000_000)).unwrap();
    assert!(pages > one, "{pages} of an online trial, {one} of a diary");
}

#[test]
fn commands_take_it_as_what_it_is() {
    let place = Place::new();
    let checked = place.ends(0, &format!("check {SAMPLE}")).out;
    assert!(checked.contains("sound") && checked.contains("pages rendered with samples"), "{checked}");
    place.ends(0, &format!("study activate {SAMPLE}"));
    place.ends(0, "credentials issue somnus --count 2 --out secrets.csv");
    let folder = place.path("blinded");
    samples::write(&edited(&[BLINDED, UNSAID]), &folder).unwrap();
    let warned = place.ends(0, "check blinded").out;
    assert!(warned.contains("can tell arms apart") && warned.contains("`helped`"), "{warned}");
    assert!(warned.contains("left out of every `hagaki export`"), "{warned}");
}

#[test]
fn answers_that_tell_arms_apart_are_exported_for_those_who_may_know_arms() {
    let place = Place::new();
    // What is calculated from them tells as much, and so does what a rule over the arm objects to.
    let last = "label = { ja = \"今週、眠りについてほかで相談や治療を受けましたか\", en = \"Did you look for help with your sleep elsewhere this week?\" }\nrequired = true";
    let more = format!(
        "{last}\n\n[[items]]\nid = \"last_page\"\nkind = \"heading\"\npage = true\nlabel = {{ ja = \"最後に\", en = \"At last\" }}\n\n\
         [[items]]\nid = \"benefit\"\nkind = \"calculation\"\nlabel = {{ ja = \"効果\", en = \"Benefit\" }}\ncalculation = \"helped * 2\"\n\n\
         [[items]]\nid = \"naps\"\nkind = \"integer\"\nlabel = {{ ja = \"昼寝の回数\", en = \"Naps\" }}\nrequired = true\n\n\
         [[checks]]\nid = \"no_naps\"\nrule = \"arm == 'WAIT' || naps < 3\"\nmessage = {{ ja = \"回数をお確かめください。\", en = \"Is that so?\" }}\nitems = [\"naps\"]"
    );
    samples::write(&edited(&[BLINDED, UNSAID, (DIARY, last, &more)]), &place.path("blinded")).unwrap();
    place.ends(0, "study activate blinded");
    let export = |more: &str| place.ends(0, &format!("export somnus --format csv --charset utf-8 --out - {more}"));
    let telling = ["tried___light", "helped", "elsewhere", "benefit", "naps"];
    for table in ["diary", "codebook"] {
        for by in ["", "--by office --reason look"] {
            let left = export(format!("--table {table} {by}").trim_end());
            assert!(left.out.contains("earlier") && telling.iter().all(|id| !left.out.contains(id)), "{}", left.out);
            assert!(left.err.contains("could be told apart: tried, helped, elsewhere, benefit, naps;"), "{}", left.err);
        }
        let whole = export(&format!("--table {table} --by stat --reason look"));
        assert!(telling.iter().all(|id| whole.out.contains(id)), "{}", whole.out);
        assert!(!whole.err.contains("left out"), "{}", whole.err);
    }
    // Of what has nothing to do with it nothing is said.
    let subjects = export("--table subjects");
    assert!(!subjects.err.contains("left out"), "{}", subjects.err);
    let refused = place.ends(1, "export somnus --format csv --table diary --out - --by stat").err;
    assert!(refused.contains("--reason"), "{refused}");
}
