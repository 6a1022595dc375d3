//! Surveys without names as managers and operators meet them: what a bundle must say, the key file, and what commands tell.

use hagaki::definition::{self, Bundle, samples};
use serde_json::Value;

use crate::cli::Place;
use crate::schedule::unscheduled;

/// WELLBEING with other lines in its `study.toml`.
fn wellbeing(changes: &[(&str, &str)]) -> Bundle {
    let mut files = unscheduled(&samples::wellbeing()).files().clone();
    let text = files.get_mut("study.toml").unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        *text = text.replace(from, to);
    }
    Bundle::from_files(files)
}

/// WELLBEING in a mode, answered once.
fn nameless<'a>(mode: &'a str, more: &[(&'a str, &'a str)]) -> Bundle {
    let privacy = format!("privacy = \"{mode}\"");
    let mut changes = vec![
        ("privacy = \"named\"", privacy.as_str()),
        ("responses = \"repeat\"", "responses = \"once\""),
        ("interval_days = 1\n", ""),
    ];
    changes.extend(more);
    wellbeing(&changes)
}

fn told(bundle: &Bundle) -> Vec<String> {
    let problems = match definition::load(bundle) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn what_could_join_an_answer_to_a_person_is_refused() {
    for mode in ["anonymous", "fully-anonymous"] {
        let alone = told(&nameless(mode, &[]));
        assert!(
            alone.len() == 1 && alone[0].contains("the days that `day` takes go by that of answering"),
            "{alone:?}"
        );
        for (from, to, expected) in [
            ("responses = \"once\"", "responses = \"repeat\"", "make up a batch"),
            ("closes = 2036-03-31", "", "opened in batches"),
            ("review = true", "batch = 4", "4 answers cannot be opened together"),
            ("review = true", "batch = 501", "a number from 5 to 500"),
            ("review = true", "batch = 20\ncap = 19", "so that none could be read"),
            ("review = true", "batch = 5", "knows the 5 who answered last"),
            ("review = true", "edit = true", "cannot be found again"),
        ] {
            let told = told(&nameless(mode, &[(from, to)]));
            assert!(told.iter().any(|one| one.contains(expected)), "{mode}, {to}: {told:?}");
        }
        let mut files = nameless(mode, &[]).files().clone();
        let form = files.get_mut("instruments/weekly.toml").unwrap();
        *form = form.replacen("kind = \"date\"", "kind = \"date\"\npersonal = true", 1);
        assert!(definition::load(&Bundle::from_files(files)).is_err(), "{mode}: who answers stands in the answer");
        let mut files = nameless(mode, &[]).files().clone();
        let form = files.get_mut("instruments/weekly.toml").unwrap();
        *form = form.replace("kind = \"date\"", "kind = \"file\"").replace("hard = { earliest", "# hard = { earliest");
        let told = told(&Bundle::from_files(files));
        assert!(told.iter().any(|one| one.contains("asks for a file, which would lie beside the answers")), "{told:?}");
    }
    let told = told(&wellbeing(&[("review = true", "batch = 20")]));
    assert!(told[0].contains("answers stand with the person"), "{told:?}");
}

#[test]
fn no_answer_without_a_name_keeps_when_it_was_given() {
    let form = |changes: &[(&str, &str)], mode: &str| {
        let bundle = if mode == "named" { wellbeing(&[]) } else { nameless(mode, &[]) };
        let mut files = bundle.files().clone();
        let text = files.get_mut("instruments/weekly.toml").unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            *text = text.replacen(from, to, 1);
        }
        Bundle::from_files(files)
    };
    let remark = "[[items]]\nid = \"remark\"";
    let age = format!(
        "[[items]]\nid = \"age\"\nkind = \"calculation\"\nlabel = {{ ja = \"日数\", en = \"Days\" }}\n\
         calculation = \"days_between(day, today)\"\n\n{remark}"
    );
    let check = "[[checks]]\nid = \"hours\"";
    let fresh = format!(
        "[[checks]]\nid = \"fresh\"\nrule = \"days_between(day, today) < 3\"\n\
         message = {{ ja = \"最近の日付を記入してください。\", en = \"Write a day of late.\" }}\n\n{check}"
    );
    let bounds = "hard = { earliest = \"2026-04-01\", latest = \"today\" }";
    for (from, to, expected) in [
        (remark, age.as_str(), "`age` keeps with an answer when it was given"),
        (
            "when = \"pain\"",
            "when = \"pain && today < '2026-12-01'\"",
            "whether `where` was asked tells when an answer was given",
        ),
        (check, fresh.as_str(), "\"fresh\" lets only some answers pass on a day"),
        (
            bounds,
            "hard = { earliest = \"today-3\", latest = \"today\" }",
            "`day` takes only days near that of answering",
        ),
    ] {
        for mode in ["anonymous", "fully-anonymous"] {
            let bundle = form(&[(from, to)], mode);
            let told = told(&bundle);
            assert!(told.iter().any(|one| one.contains(expected)), "{mode}, {to}: {told:?}");
            assert!(definition::load(&bundle).is_err(), "{mode}, {to}");
            // An upgrade stops no study that has it from before.
            let (_, warnings) = definition::load_in_force(&bundle).unwrap();
            assert!(warnings.iter().any(|one| one.to_string().contains(expected)), "{mode}, {to}: {warnings:?}");
        }
        assert_eq!(told(&form(&[(from, to)], "named")), [""; 0], "{to}");
    }
    // Days that people write themselves may be meant.
    for (to, expected) in
        [("hard = { earliest = \"2026-04-01\" }", "a day in `day`"), (bounds, "the days that `day` takes go by")]
    {
        let bundle = form(&[(bounds, to)], "anonymous");
        let told = told(&bundle);
        assert!(told.len() == 1 && told[0].contains(expected) && definition::load(&bundle).is_ok(), "{to}: {told:?}");
    }
    let soft = fresh.replace("message =", "soft = true\nmessage =");
    assert!(definition::load(&form(&[(check, soft.as_str())], "anonymous")).is_ok());
}

#[test]
fn a_diary_says_how_far_apart_its_responses_are() {
    for (days, expected) in [
        ("", "how far apart the responses of one person are is not said"),
        ("interval_days = 367\n", "a number from 0 to 366"),
        ("interval_days = -1\n", "-1 days cannot be waited for"),
    ] {
        let told = told(&wellbeing(&[("interval_days = 1\n", days)]));
        assert!(told.iter().any(|one| one.contains(expected)), "{days}: {told:?}");
    }
    for sound in ["interval_days = 0\n", "interval_days = 7\n"] {
        assert_eq!(told(&wellbeing(&[("interval_days = 1\n", sound)])), [""; 0], "{sound}");
    }
    let once = told(&wellbeing(&[("responses = \"repeat\"", "responses = \"once\"")]));
    assert!(once.iter().any(|one| one.contains("there are no days between")), "{once:?}");
}

/// A folder with that bundle.
fn folder(place: &Place, bundle: &Bundle) -> String {
    for (name, text) in bundle.files() {
        let path = place.path(&format!("study/{name}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    place.path("study").display().to_string()
}

fn list(place: &Place, name: &str, header: &str, many: usize, cells: impl Fn(usize) -> String) -> String {
    let rows: Vec<String> = (0..many).map(cells).collect();
    place.write(name, &format!("{header}\n{}\n", rows.join("\n")))
}

#[test]
fn a_fully_anonymous_survey_is_set_up_and_tells_counts_only() {
    let place = Place::keyless();
    let folder = folder(&place, &nameless("fully-anonymous", &[]));
    let activate = format!("study activate {folder} --production --reason go");
    assert!(place.ends(1, &activate).err.contains("hagaki key make"));
    let made = place.ends(0, "key make keys");
    let name = made.out.split(' ').nth(1).unwrap().to_owned();
    let settings = std::fs::read_to_string(place.path("hagaki.toml")).unwrap();
    place.write("hagaki.toml", &format!("{settings}\n[keys]\nfile = \"keys\"\n"));
    place.ends(0, &activate);

    // A second key is put before the first; what is no key file is not written over.
    place.ends(0, "key make keys");
    let lines = std::fs::read_to_string(place.path("keys")).unwrap();
    assert!(lines.lines().count() == 4 && lines.lines().nth(2) == Some(&format!("# {name}")), "{lines}");
    place.ends(1, "key make hagaki.toml");

    let people = |number: usize| format!("p{number}@example.jp,Person {number}");
    let few = list(&place, "few.csv", "email,firstname", 9, people);
    assert!(place.ends(1, &format!("credentials issue wellbeing --csv {few}")).err.contains("10 or more together"));
    let all = list(&place, "all.csv", "email,firstname", 12, people);
    let refused = place.ends(1, &format!("credentials issue wellbeing --csv {all} --out secrets.csv")).err;
    assert!(refused.contains("would tell who answered"), "{refused}");
    let refused = place.ends(1, &format!("credentials issue wellbeing --csv {all} --sheet letters.html")).err;
    assert!(refused.contains("would tell who answered") && !place.path("letters.html").exists(), "{refused}");
    let refused = place.ends(1, &format!("credentials issue wellbeing --csv {all} --days 9 --from-sending")).err;
    assert!(refused.contains("which letter left when"), "{refused}");
    place.ends(0, "credentials issue wellbeing --count 12 --sheet cards.html --cards");
    let timed = list(&place, "timed.csv", "email,validuntil", 12, |number| {
        format!("q{number}@example.jp,2030-01-{:02} 10:00", number + 1)
    });
    assert!(place.ends(1, &format!("credentials issue wellbeing --csv {timed}")).err.contains("times of their own"));
    let issued = place.ends(0, &format!("credentials issue wellbeing --csv {all} --json")).json();
    assert_eq!((&issued["issued"], &issued["mailed"]), (&Value::from(12), &Value::from(12)));

    let shown = place.ends(0, "credentials list wellbeing --json").out;
    let counts: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        counts,
        [serde_json::json!({ "state": "active", "count": 24 }), serde_json::json!({ "state": "answered", "count": 0 })]
    );
    for act in ["revoke", "extend", "reissue"] {
        assert!(place.ends(1, &format!("credentials {act} wellbeing 1")).err.contains("nobody can tell whose"));
    }
    assert!(place.ends(0, "outbox show 1").out.contains("/a/*****"));
    let shown = place.ends(0, "study show wellbeing --json").json();
    assert_eq!((&shown["responses"], &shown["sealed"]), (&Value::from(0), &Value::from(0)));
    place.write("keys", "no key\n");
    assert!(place.ends(3, "study show wellbeing").err.contains("line 1 is no key"));
}

#[test]
fn members_are_put_on_a_roll_and_get_no_credentials() {
    let mut files = samples::members().files().clone();
    let text = files.get_mut("study.toml").unwrap();
    *text = text.replace("privacy = \"anonymous\"", "privacy = \"fully-anonymous\"");
    let told = told(&Bundle::from_files(files));
    assert!(told[0].contains("whoever signs in is known"), "{told:?}");

    let place = Place::keyless();
    let folder = folder(&place, &samples::members());
    place.ends(0, "key make keys");
    let settings = std::fs::read_to_string(place.path("hagaki.toml")).unwrap();
    place.write("hagaki.toml", &format!("{settings}\n[keys]\nfile = \"keys\"\n"));
    place.ends(0, &format!("study activate {folder} --production --reason go"));
    let bad = place.write("bad.csv", "email,firstname\na@example.jp,A\nA@example.jp,B\n");
    assert!(place.ends(1, &format!("members import members --csv {bad}")).err.contains("stands there twice"));
    let bare = place.write("bare.csv", "email,firstname\n,A\n");
    assert!(place.ends(1, &format!("members import members --csv {bare}")).err.contains("no address"));
    let all = list(&place, "all.csv", "email,firstname", 3, |number| format!("m{number}@example.jp,M {number}"));
    assert!(place.ends(0, &format!("members import members --csv {all} --dry-run")).out.contains("3 persons"));
    let done = place.ends(0, &format!("members import members --csv {all} --json")).json();
    assert_eq!((&done["admitted"], &done["mailed"], &done["known"]), (&3.into(), &3.into(), &0.into()));
    let done = place.ends(0, &format!("members import members --csv {all} --json")).json();
    assert_eq!((&done["admitted"], &done["known"]), (&0.into(), &3.into()));
    assert_eq!(place.ends(0, "members list members --json").out.lines().count(), 3);
    let letter = place.ends(0, "outbox show 1").out;
    assert!(letter.contains("/s/members") && letter.contains("/account"), "{letter}");
    for act in ["issue members --count 2 --out secrets.csv", "reissue members 1"] {
        assert!(place.ends(1, &format!("credentials {act}")).err.contains("sign in with their accounts"));
    }
    assert!(place.ends(0, "credentials revoke members 2").out.contains("called back"));
}

#[test]
fn who_answered_an_anonymous_survey_is_listed_by_day() {
    let place = Place::keyless();
    let folder = folder(&place, &nameless("anonymous", &[]));
    place.ends(0, "key make keys");
    let settings = std::fs::read_to_string(place.path("hagaki.toml")).unwrap();
    place.write("hagaki.toml", &format!("{settings}\n[keys]\nfile = \"keys\"\n"));
    place.ends(0, &format!("study activate {folder} --production --reason go"));
    place.ends(0, "credentials issue wellbeing --count 2 --out secrets.csv");
    let shown = place.ends(0, "credentials list wellbeing --json").out;
    let first: Value = serde_json::from_str(shown.lines().next().unwrap()).unwrap();
    assert_eq!((&first["number"], &first["answered"]), (&Value::from(1), &serde_json::json!([])));
    assert!(place.ends(0, "study show wellbeing").out.contains("responses 0 (anonymous), 0 of them sealed"));
}

#[test]
fn a_study_with_personal_items_needs_a_key() {
    let place = Place::keyless();
    let folder = folder(&place, &samples::borealis());
    let activate = format!("study activate {folder} --production --reason go");
    let refused = place.ends(1, &activate).err;
    assert!(refused.contains("items marked personal") && refused.contains("hagaki key make"), "{refused}");
    place.ends(0, "key make secrets/keys");
    let settings = std::fs::read_to_string(place.path("hagaki.toml")).unwrap();
    place.write("hagaki.toml", &format!("{settings}\n[keys]\nfile = \"secrets/keys\"\n"));
    place.ends(0, &activate);
    let told = |place: &Place| place.run("doctor --json").out;
    assert!(told(&place).contains("key of what is personal in borealis"), "{}", told(&place));
    // Another file with another key: nothing is decided, and the key is named.
    let name = std::fs::read_to_string(place.path("secrets/keys")).unwrap().lines().next().unwrap()[2..].to_owned();
    std::fs::rename(place.path("secrets/keys"), place.path("secrets/before")).unwrap();
    place.ends(0, "key make secrets/keys");
    let told = told(&place);
    assert!(told.contains(&name) && told.contains("not in the key file"), "{told}");

    // An allocation looks at nothing personal.
    let mut files = samples::borealis().files().clone();
    let form = files.get_mut("instruments/registration.toml").unwrap();
    *form = form.replace("id = \"severity\"", "id = \"severity\"\npersonal = true");
    let told = self::told(&Bundle::from_files(files));
    assert!(told.iter().any(|problem| problem.contains("`severity` is personal")), "{told:?}");
}
