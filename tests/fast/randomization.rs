//! `[[allocation]]`: what a bundle with further randomizations says, and what is said of one that contradicts itself.

use hagaki::definition::{self, Bundle, Problem, samples};
use hagaki::domain::study::Study;

const S: &str = "study.toml";
const B: &str = "allocation-second.toml";
const F: &str = "instruments/response.toml";

fn broken(bundle: &Bundle, changes: &[(&str, &str, &str)]) -> Bundle {
    let mut files = bundle.files().clone();
    for (file, from, to) in changes {
        let text = files.get_mut(*file).unwrap_or_else(|| panic!("there is no {file}"));
        assert!(text.contains(from), "{file} has no {from:?}");
        *text = text.replacen(from, to, 1);
    }
    Bundle::from_files(files)
}

pub(crate) fn problems(bundle: &Bundle) -> Vec<String> {
    let found = match definition::load(bundle) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    found.iter().map(Problem::to_string).collect()
}

/// What is said of each of those slips.
pub(crate) fn told(bundle: &Bundle, slips: &[(&str, &str, &str)]) -> String {
    let mut text = String::new();
    for slip @ (file, from, to) in slips {
        text.push_str(&format!("{file}: {from} → {to}\n"));
        for problem in problems(&broken(bundle, &[*slip])) {
            text.push_str(&format!("  {problem}\n"));
        }
    }
    text
}

fn cygnus() -> Study {
    definition::load(&samples::cygnus()).expect("a sample").0
}

/// BOREALIS with a second randomization, blinded as it is.
pub(crate) fn blinded() -> Bundle {
    let mut files = samples::borealis().files().clone();
    files.get_mut(S).expect("a study").push_str(
        "\n[[allocation]]\nid = \"second\"\ntitle = { ja = \"第二割付\", en = \"second randomization\" }\nfile = \"allocation-second.toml\"\n\
         instrument = \"response\"\nwhen = \"!responder\"\nmessage = { ja = \"効果のない方が対象です。\", en = \"Only non-responders.\" }\n\
         [[allocation.arms]]\ncode = \"X\"\nname = { ja = \"継続\", en = \"Continue\" }\n\
         [[allocation.arms]]\ncode = \"Y\"\nname = { ja = \"増量\", en = \"Double\" }\n",
    );
    files.insert(B.into(), "method = \"simple\"\narms = [ { code = \"X\" }, { code = \"Y\" } ]\n".into());
    files.insert(
        F.into(),
        "title = { ja = \"効果判定票\", en = \"Response form\" }\n[[items]]\nid = \"responder\"\nkind = \"yesno\"\n\
         label = { ja = \"効果あり\", en = \"Responder\" }\nrequired = true\n"
            .into(),
    );
    let kits = files.get_mut("kits.csv").expect("kits");
    // Codes of one form for both arms, so that none tells its arm, nor whether its number is even.
    for number in 0..40u32 {
        let sign = |place: u32| char::from(b'A' + u8::try_from(number.pow(2) / place % 26).expect("a letter"));
        kits.push_str(&format!(
            "K{}{:03}{},{}\n",
            sign(1),
            number * 37 % 1000,
            sign(26),
            ["X", "Y"][number.count_ones() as usize % 2]
        ));
    }
    Bundle::from_files(files)
}

#[test]
fn a_study_with_two_randomizations_is_read_whole() {
    let study = cygnus();
    let [second] = study.randomizations.as_slice() else { panic!("one further randomization") };
    assert_eq!((second.id.as_str(), second.instrument.as_str()), ("second", "response"));
    assert_eq!(second.scheme.needs().collect::<Vec<_>>(), ["first_arm", "severity", "site"]);
    assert_eq!(second.caps.total, Some(60));
    assert_eq!(study.allocations().map(|rules| rules.id).collect::<Vec<_>>(), ["first", "second"]);
    assert_eq!(study.find_arm("ADD").map(|arm| arm.code.as_str()), Some("ADD"));
    assert!(study.arms.iter().all(|arm| arm.code != "ADD"));
}

#[test]
fn slips_of_a_section_are_told() {
    insta::assert_snapshot!(told(
        &samples::cygnus(),
        &[
            (S, "id = \"second\"", "id = \"first\""),
            (S, "id = \"second\"", "id = \"stage2\""),
            (S, "file = \"allocation-second.toml\"", "file = \"second.toml\""),
            (S, "file = \"allocation-second.toml\"", "file = \"allocation-third.toml\""),
            (S, "instrument = \"response\"", "instrument = \"responses\""),
            (S, "instrument = \"response\"", "instrument = \"registration\""),
            (S, "!responder && days", "!respondr && days"),
            (S, "!responder && days_between(enrolled_on, assessed_on) >= 49", "isi"),
            (S, "!responder && days_between(enrolled_on, assessed_on) >= 49", "first_arm == 'CTB'"),
            (S, "!responder && days_between(enrolled_on, assessed_on) >= 49", "second_arm == 'ADD'"),
            (S, "code = \"SWITCH\"", "code = \"cbt\""),
            (S, "code = \"SWITCH\"\nname = { ja = \"治療変更\", en = \"Switch to the other treatment\" }", ""),
            (S, "message = { ja = \"登録から", "mesage = { ja = \"登録から"),
        ],
    ));
}

#[test]
fn slips_of_its_file_and_form_are_told() {
    insta::assert_snapshot!(told(
        &samples::cygnus(),
        &[
            (B, "id = \"first_arm\"", "id = \"frist_arm\""),
            (B, "id = \"first_arm\"", "id = \"second_arm\""),
            (B, "id = \"first_arm\"", "id = \"enrolled_on\""),
            (B, "id = \"first_arm\"", "id = \"first_arm\", levels = [\"CBT\"]"),
            (B, "method = \"minimization\"", "method = \"none\""),
            (B, "code = \"ADD\"", "code = \"MORE\""),
            (B, "id = \"severity\"", "id = \"isi\""),
            (F, "id = \"isi\"", "id = \"age\""),
            (F, "id = \"isi\"", "id = \"first_arm\""),
            (F, "aliases = [\"ISI\"]", "aliases = [\"Age\"]"),
        ],
    ));
    let lacking = broken(&samples::cygnus(), &[(B, "levels = [\"moderate\", \"severe\"]", "levels = [\"moderate\"]")]);
    let [level] = &problems(&lacking)[..] else { panic!("one warning") };
    assert!(level.contains("lacks \"severe\", which `severity` gives for some answers"), "{level}");
    let file = broken(
        &samples::cygnus(),
        &[(
            F,
            "[[items]]\nid = \"isi\"",
            "[[items]]\nid = \"letter\"\nkind = \"file\"\ntypes = [\"pdf\"]\n\
        label = { ja = \"紹介状\", en = \"Letter\" }\n\n[[items]]\nid = \"isi\"",
        )],
    );
    let [never] = &problems(&file)[..] else { panic!("one warning") };
    assert!(never.contains("`letter` is never asked: a further randomization can come by mail"), "{never}");
    let mut files = samples::cygnus().files().clone();
    files.remove("allocation.toml");
    let [absent, _] = &problems(&Bundle::from_files(files.clone()))[..] else { panic!("two problems") };
    assert!(absent.starts_with("study.toml:33: allocation[1]: there is no allocation.toml before it"), "{absent}");
    files = samples::cygnus().files().clone();
    files.insert("allocation-third.toml".into(), String::new());
    assert_eq!(
        problems(&Bundle::from_files(files)),
        ["allocation-third.toml: is not used — name it in a section [[allocation]] of study.toml, or remove it"]
    );
}

#[test]
fn a_blinded_study_tells_no_arm_by_whom_it_randomizes_again() {
    assert_eq!(problems(&blinded()), [""; 0]);
    let strata = "method = \"block\"\nstrata = [\"first_arm\"]\nblock = { sizes = [4, 6] }\ncaps = { stratum = 9 }";
    insta::assert_snapshot!(told(
        &blinded(),
        &[
            (S, "!responder", "!responder && first_arm == 'P'"),
            (B, "method = \"simple\"", strata),
            ("kits.csv", ",X\n", ",Z\n"),
        ],
    ));
    // Codes tell an arm among those of its own allocation.
    let mut files = blinded().files().clone();
    let telling = |arm: &str| (10..20).map(|number| format!("{arm}{number},{arm}\n")).collect::<String>();
    let old: String = files["kits.csv"]
        .lines()
        .filter(|line| !line.contains(",X") && !line.contains(",Y"))
        .map(|line| format!("{line}\n"))
        .collect();
    files.insert("kits.csv".to_owned(), format!("{old}{}{}", telling("X"), telling("Y")));
    let found = problems(&Bundle::from_files(files));
    assert_eq!(found, ["kits.csv: the codes in their order show the arm — number the kits at random over all arms"]);
}

#[test]
fn what_is_poor_beside_the_first_allocation_is_warned_of() {
    let warned = |bundle: &Bundle, changes: &[(&str, &str, &str)]| problems(&broken(bundle, changes)).join("\n");
    let cygnus = samples::cygnus();
    for (caps, wrong) in [
        (
            "total = 500",
            "caps.total: is 500, and 120 subjects come at most ([caps] total of allocation.toml): it closes nothing",
        ),
        ("arms = { ADD = 121 }", "caps.arms: is 121, and 120 subjects come at most"),
        ("total = 120", ""),
    ] {
        let found = warned(&cygnus, &[(B, "total = 60", caps)]);
        assert!(if wrong.is_empty() { found.is_empty() } else { found.contains(wrong) }, "{caps}: {found}");
    }
    let sites =
        [("allocation.toml", "total = 120", "total = 120\nsite = 20"), (B, "total = 60", "total = 60\nsite = 25")];
    assert!(warned(&cygnus, &sites).contains("is 25 for the site 201, where 20 subjects are enrolled at most"));
    // Blinded staff read what it is called and asks.
    for (file, from, to) in [
        (S, "\"second randomization\"", "\"second randomization of the placebo group\""),
        (S, "\"Only non-responders.\"", "\"Only non-responders to BRL-7, low dose.\""),
        (F, "en = \"Responder\"", "en = \"Responder, arm P\""),
    ] {
        let found = warned(&blinded(), &[(file, from, to)]);
        assert!(found.contains("and blinded staff read it"), "{to}: {found}");
    }
    // Its own arms may be named, and in an open study all of them.
    assert_eq!(
        warned(&blinded(), &[(S, "\"second randomization\"", "\"second randomization: Double or Continue\"")]),
        ""
    );
    assert_eq!(warned(&cygnus, &[(S, "en = \"second randomization\"", "en = \"second randomization after MED\"")]), "");
}

#[test]
fn the_section_that_the_template_shows_is_good() {
    let mut files = samples::template().files().clone();
    let study = files.get_mut(S).expect("a study");
    let (begin, end) =
        (study.find("# [[allocation]]").expect("the section"), study.find("# The sites,").expect("the next"));
    let keys = ["[[", "id = ", "title = ", "file = ", "instrument = ", "when = ", "message = ", "code = ", "name = "];
    let bare = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if keys.iter().any(|key| rest.starts_with(key)) => rest.to_owned(),
        _ => line.to_owned(),
    };
    let shown: Vec<String> = study[begin..end].lines().map(bare).collect();
    study.replace_range(begin..end, &(shown.join("\n") + "\n\n"));
    files.insert(B.into(), "method = \"simple\"\narms = [{ code = \"C\" }, { code = \"D\" }]\n".into());
    files.insert(F.into(), samples::cygnus().file(F).expect("a form").to_owned());
    let (study, _) = definition::load(&Bundle::from_files(files)).expect("the template's example");
    let own = study.find_randomization("second").expect("the section");
    assert_eq!((own.arms.len(), own.condition.is_some()), (2, true));
}
