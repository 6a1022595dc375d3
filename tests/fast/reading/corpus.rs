//! The corpus of `tests/data/mail`, each mail against its expected reading, and beside it answers to a survey.

use super::*;

/// Compares everything an expectation names with the JSON of a reading; returns what differs.
fn differences(expected: &Value, got: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    let mut same = |what: &str, expected: &Value, got: &Value| {
        if expected != got {
            differences.push(format!("{what}: expected {expected}, got {got}"));
        }
    };
    same("disposition", &expected["disposition"], &got["disposition"]);
    for key in ["fields", "subject", "token", "charset_guess", "attachments", "duplicate_of"] {
        if expected.get(key).is_some() {
            same(key, &expected[key], &got[key]);
        }
    }
    if expected.get("charset_guess").is_none() {
        same("charset_guess", &Value::Null, &got["charset_guess"]);
    }
    if let Some(errors) = expected.get("errors") {
        let list = got["errors"].as_array().into_iter().flatten();
        let short: Vec<Value> = list
            .map(|error| {
                format!("{}:{}", error["code"].as_str().unwrap_or(""), error["item"].as_str().unwrap_or("")).into()
            })
            .collect();
        same("errors", errors, &Value::Array(short));
    }
    if let Some(reason) = expected.get("reason") {
        same("first reason", reason, &got["reasons"][0]);
    }
    if let Some(bounce) = expected.get("bounce").and_then(Value::as_object) {
        for (key, value) in bounce {
            same(&format!("bounce.{key}"), value, &got["bounce"][key]);
        }
        same("bounce.checked", &Value::Bool(false), &got["bounce"]["checked"]);
    }
    for forbidden in expected["must_not_appear_in_reply_headers"].as_array().into_iter().flatten() {
        let forbidden = forbidden.as_str().unwrap_or("?");
        let shown = format!("{} {}", got["subject"], got["message_id"]);
        same(forbidden, &Value::Bool(false), &Value::Bool(shown.contains(forbidden)));
    }
    let answered = ["register", "reply_error", "reply_duplicate"].contains(&got["disposition"].as_str().unwrap_or(""));
    same("reply", &expected["reply"], &Value::Bool(answered));
    differences
}

fn expectation(name: &str) -> Value {
    let path = data().join("mail").join(name.replace(".eml", ".expected.json"));
    serde_json::from_slice(&std::fs::read(path).expect("every mail has its expectation"))
        .expect("an expectation is JSON")
}

/// Reads every mail of the corpus, each behind the mail it is expected to repeat.
fn compare(change: impl Fn(&[u8]) -> Vec<u8>) {
    let study = study_a();
    let mails: BTreeMap<String, Vec<u8>> = mails().into_iter().collect();
    let mut wrong = Vec::new();
    for (name, raw) in &mails {
        let expected = expectation(name);
        let mut inbox = Inbox::default();
        if let Some(first) = expected["duplicate_of"].as_str() {
            inbox.take(first, reading(&study, &change(&mails[first])));
        }
        let (reading, duplicate_of) = inbox.take(name, reading(&study, &change(raw)));
        let got = command::to_json(name, &reading, duplicate_of.as_deref());
        for difference in differences(&expected, &got) {
            wrong.push(format!("{name}: {difference}\n    {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn as_it_stands() {
    compare(<[u8]>::to_vec);
}

#[test]
fn with_lf() {
    compare(to_lf);
}

#[test]
fn with_crlf() {
    compare(to_crlf);
}

/// Answers to a survey come from whoever takes part, and can be looked at once more, unlike an allocation.
#[test]
fn answers_to_a_survey() {
    let study = definition::load(&hagaki::definition::samples::wellbeing()).expect("a sample").0;
    let folder = data().join("mail-survey");
    let read = |file: &Path| std::fs::read(file).expect("a readable file");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder is there") {
        let file = entry.expect("an entry").path();
        if file.extension().is_none_or(|extension| extension != "eml") {
            continue;
        }
        seen += 1;
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let expected: Value = serde_json::from_slice(&read(&file.with_extension("expected.json"))).expect("JSON");
        for change in [to_lf, to_crlf] {
            let got = command::to_json(&name, &reading(&study, &change(&read(&file))), None);
            wrong.extend(
                differences(&expected, &got).iter().map(|difference| format!("{name}: {difference}\n    {got}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 6, "the folder is whole");
}

#[test]
fn as_one_inbox() {
    let study = study_a();
    let mut inbox = Inbox::default();
    for (name, raw) in mails() {
        let (reading, _) = inbox.take(&name, reading(&study, &raw));
        assert_eq!(expectation(&name)["disposition"], reading.disposition.key(), "{name}");
    }
}

#[test]
fn the_same_id_with_other_content_is_held() {
    let study = study_a();
    let raw = std::fs::read(data().join("mail/001-ascii-english.eml")).expect("case 001");
    let changed = String::from_utf8(raw.clone()).expect("ASCII").replace("Age: 65", "Age: 66");
    let mut inbox = Inbox::default();
    inbox.take("1", reading(&study, &raw));
    let (second, first) = inbox.take("2", reading(&study, changed.as_bytes()));
    assert_eq!(second.disposition.key(), "quarantine");
    assert_eq!(second.reasons[0].key(), "message-id-reused");
    assert_eq!(first.as_deref(), Some("1"));
}

#[test]
fn the_command_judges_the_days_of_an_event() {
    let study = definition::load(&hagaki::definition::samples::aurora()).expect("a sample").0;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("visit.eml");
    let mail = "Date: Fri, 20 Nov 2026 09:00:00 +0900\nFrom: miller@example.org\nTo: reg+aurora@example.jp\nMessage-ID: <1@example.org>\n\
        Authentication-Results: mx.example.jp; dmarc=pass header.from=example.org\nSubject: [AURORA] follow-up week 4 AURORA-0001\n\n\
        Date of visit: 2026-11-19\nWeight: 61\nECOG performance status: 1\nTreatment given as planned: yes\n";
    std::fs::write(&file, mail).expect("written");
    let files = [file];
    let report = |enrolled: Option<&str>, output: Output| {
        let day = enrolled.map(|day| day.parse().expect("a day"));
        let (mut out, mut troubles) = (Vec::new(), Vec::new());
        let code = command::run(&study, (now(), day), &files, output, &mut out, &mut troubles).expect("written");
        assert_eq!(code, 0, "{}", String::from_utf8_lossy(&troubles));
        String::from_utf8_lossy(&out).into_owned()
    };
    let object: Value = serde_json::from_str(&report(None, Output::Json)).expect("JSON");
    for (key, value) in [("request", "follow-up"), ("event", "week_4"), ("form", "visit"), ("disposition", "register")]
    {
        assert_eq!(object[key], value, "{object}");
    }
    assert_eq!((&object["subject_asked_for"], &object["fields"]["weight"]), (&"AURORA-0001".into(), &"61".into()));
    // Four weeks from the day of enrolling, three days before and seven behind.
    assert!(!report(Some("2026-10-22"), Output::Text).contains("unusual"));
    let early = report(Some("2026-11-01"), Output::Text);
    assert!(early.contains("  unusual ") && early.contains("2026-11-26"), "{early}");
    assert!(!report(None, Output::Text).contains("unusual"));
}

#[test]
fn the_command_reports_a_line_a_file_and_names_missing_ones() {
    let study = study_a();
    let folder = data().join("mail");
    let files = ["001-ascii-english.eml", "none.eml", "079-duplicate-same.eml"].map(|name| folder.join(name));
    let (mut out, mut troubles) = (Vec::new(), Vec::new());
    let code = command::run(&study, (now(), None), &files, Output::Json, &mut out, &mut troubles).expect("written");
    assert_eq!(code, 3);
    assert!(String::from_utf8_lossy(&troubles).contains("none.eml cannot be read"));
    let lines: Vec<Value> =
        String::from_utf8_lossy(&out).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["fields"]["age"], "65");
    assert_eq!(lines[1]["disposition"], "reply_duplicate");
    assert_eq!(lines[1]["duplicate_of"], "001-ascii-english.eml");

    let mut out = Vec::new();
    let code =
        command::run(&study, (now(), None), &files[..1], Output::Text, &mut out, &mut troubles).expect("written");
    assert_eq!(code, 0);
    let text = String::from_utf8_lossy(&out).into_owned();
    assert!(text.contains(": register\n") && text.contains("  age          65\n"), "{text}");
}
