//! Questionnaires: pages, matrices, texts beside a choice, answers shown later, and what must hold between answers.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use hagaki::definition::{self, Bundle, samples};
use hagaki::domain::answer::{Form, Line, pages_asked, read_form};
use hagaki::domain::instrument::Instrument;
use hagaki::domain::study::Study;

use crate::schedule::unscheduled;

const FORM: &str = "instruments/weekly.toml";

fn edited(from: &str, to: &str) -> Bundle {
    let mut files: BTreeMap<String, String> = unscheduled(&samples::wellbeing()).files().clone();
    let form = files.get_mut(FORM).unwrap();
    assert!(form.contains(from), "{from}");
    *form = form.replacen(from, to, 1);
    Bundle::from_files(files)
}

fn problems(bundle: &Bundle) -> Vec<String> {
    match definition::load(bundle) {
        Ok((_, warnings)) => warnings.iter().map(ToString::to_string).collect(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

fn weekly(bundle: &Bundle) -> (Study, Instrument) {
    let (study, _) = definition::load(bundle).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let instrument = study.find_instrument("weekly").unwrap().clone();
    (study, instrument)
}

fn read(study: &Study, instrument: &Instrument, answers: &[(&str, &str)]) -> Form {
    let line = |(at, (key, value)): (usize, &(&str, &str))| Line {
        key: (*key).into(),
        value: (*value).into(),
        number: at + 1,
    };
    let lines: Vec<Line> = answers.iter().enumerate().map(line).collect();
    read_form(study, instrument, &lines, NaiveDate::from_ymd_opt(2026, 11, 20).unwrap())
}

fn told(form: &Form) -> Vec<String> {
    form.faults.iter().map(|fault| format!("{}:{}:{}", fault.code.key(), fault.item, fault.expected)).collect()
}

/// One slip, and the one problem that is told of it.
#[test]
fn slips_are_told_in_plain_words() {
    let cases = [
        (("kind = \"scale\"", "kind = \"scale\"\npage = true"), "items[2].page: does not go with kind = \"scale\""),
        (
            ("matrix = \"days\"\nlabel = { ja = \"心配事", "matrix = \"other\"\nlabel = { ja = \"心配事"),
            "items[12].matrix: \"days\" has rows above that it does not stand beside",
        ),
        (
            (
                "{ code = \"2\", label = { ja = \"数日\", en = \"Some days\" } }",
                "{ code = \"4\", label = { ja = \"数日\", en = \"Some days\" } }",
            ),
            "`worried` offers something else than `tired`, the row above it",
        ),
        (
            (
                "{ code = \"1\", label = { ja = \"なかった\", en = \"Never\" } }",
                "{ code = \"1\", label = { ja = \"なかった\", en = \"Never\" }, other = true }",
            ),
            "a row of a matrix has no place for a text",
        ),
        (
            (
                "en = \"Back\"",
                "en = \"Back\" }, other = true, aliases = [] }, { code = \"x\", label = { ja = \"ば\", en = \"X\"",
            ),
            "\"back\" has a text beside it already",
        ),
        (("{{mood}} とされた", "{{mod}} とされた"), "{{mod}} is no item — did you mean {{mood}}?"),
        (("{{mood}} とされた", "{{tired}} とされた"), "the answer of `tired` is not known yet where {{tired}} stands"),
        (
            ("high = 10", "high = 10\npersonal = true"),
            "`mood` is personal, and labels stand in letters and exports, too",
        ),
        (("slept + napped <= 24", "slept + naped <= 24"), "checks[1].rule: no item is named `naped`"),
        (("slept + napped <= 24", "slept + pain <= 24"), "checks[1].rule: "),
        (("!answered(slept) || ", ""), "checks[1].rule: cannot be told when `slept` is left blank"),
        (("slept + napped <= 24\"", "slept + napped\""), "checks[1].rule: "),
        (("items = [\"mood\", ", "items = [\"mod\", "), "checks[2].items: \"mod\" is no item — did you mean \"mood\"?"),
        (("id = \"rested\"", "id = \"hours\""), "checks[2].id: \"hours\" is taken already"),
        (("id = \"slept\"", "id = \"where_other\""), "\"where_other\" is taken"),
        (
            ("kind = \"note\"", "kind = \"file\"\ntypes = [\"svg\"]"),
            "\"svg\" is no type of file that we can tell — there are \"pdf\"",
        ),
        (("kind = \"note\"", "kind = \"file\"\nmax_size = \"1 GB\""), "\"1 GB\" is no size"),
        (("kind = \"note\"", "kind = \"file\"\nmax_size = \"21 MB\""), "\"21 MB\" is too much — at most \"20 MB\""),
        (("kind = \"note\"", "kind = \"note\"\ntypes = [\"pdf\"]"), "does not go with kind = \"note\""),
        (("when = \"pain\"", "when = \"pains\""), "items[4].when: no item is named `pains`"),
    ];
    let mut missed = Vec::new();
    for ((from, to), expected) in cases {
        let told = problems(&edited(from, to));
        if !told.iter().any(|problem| problem.contains(expected)) {
            missed.push(format!("{to}: {told:#?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    assert_eq!(problems(&unscheduled(&samples::wellbeing())), Vec::<String>::new());
}

#[test]
fn a_page_is_asked_where_its_condition_holds() {
    let (study, instrument) = weekly(&samples::wellbeing());
    assert_eq!(instrument.pages().iter().map(|page| page.len()).collect::<Vec<_>>(), [3, 3, 3, 5]);
    let first = [("day", "2026-11-01"), ("mood", "5")];
    let of = |pain: &str| {
        read(&study, &instrument, &[first[0], first[1], ("pain", pain), ("where", "head"), ("where_other", "ear")])
    };
    assert_eq!(pages_asked(&instrument, &of("no")), [0, 2, 3]);
    assert_eq!(pages_asked(&instrument, &of("yes")), [0, 1, 2, 3]);
    assert_eq!(of("yes").value("where").unwrap(), "head;other");
    assert_eq!(of("yes").value("where_other").unwrap(), "ear");
    // What is not asked is not kept.
    assert_eq!((of("no").value("where"), of("no").value("where_other")), (None, None));
    // Before the question is answered, nobody can tell.
    assert_eq!(pages_asked(&instrument, &read(&study, &instrument, &first)), [0, 2, 3]);
}

#[test]
fn a_text_beside_a_choice_is_needed_with_it_and_makes_it() {
    let bundle = edited("kind = \"choices\"", "kind = \"choice\"");
    let (study, instrument) = weekly(&bundle);
    let of = |answers: &[(&str, &str)]| {
        let whole: Vec<(&str, &str)> = [("pain", "yes")].iter().chain(answers).copied().collect();
        let form = read(&study, &instrument, &whole);
        let faults = told(&form).into_iter().filter(|fault| fault.contains("where")).collect::<Vec<_>>().join(" ");
        (form.value("where"), form.value("where_other"), faults)
    };
    let text = |text: &str| Some(text.to_string());
    assert_eq!(of(&[("where", "その他")]), (text("other"), None, "missing:where_other:".into()));
    assert_eq!(
        of(&[("where", "Elsewhere"), ("Where did it hurt? / Elsewhere", "ear")]),
        (text("other"), text("ear"), String::new())
    );
    assert_eq!(of(&[("痛みのあった場所 / その他", "耳")]), (text("other"), text("耳"), String::new()));
    assert_eq!(of(&[("where", "head"), ("where_other", "ear")]), (text("head"), None, String::new()));
}

#[test]
fn answers_that_do_not_go_together_are_told_of_last() {
    let (study, instrument) = weekly(&samples::wellbeing());
    let of = |slept: &str, napped: &str, mood: &str| {
        let all = [
            ("day", "2026-11-01"),
            ("mood", mood),
            ("pain", "no"),
            ("slept", slept),
            ("napped", napped),
            ("tired", "1"),
            ("worried", "1"),
            ("met", "1"),
        ];
        let form = read(&study, &instrument, &all);
        let doubts: Vec<String> =
            form.doubts.iter().map(|doubt| format!("{}:{}", doubt.code.key(), doubt.item)).collect();
        (told(&form), doubts)
    };
    let none: Vec<String> = Vec::new();
    assert_eq!(of("8", "1", "7"), (none.clone(), none.clone()));
    assert_eq!(of("12", "13", "7"), (vec!["check:napped:hours".into()], none.clone()));
    assert_eq!(of("8", "", "7"), (none.clone(), none.clone()));
    assert_eq!(of("8", "1", "2"), (none.clone(), vec!["check:worried".into()]));
    // Nothing follows from what is faulty itself.
    assert_eq!(of("25", "13", "7").0, ["range:slept:0..24"]);
}
