//! People who share an address, as whoever issues credentials meets them: each is a person of their own, and nobody is guessed.

use serde_json::json;

use crate::cli::Place;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/studies/wellbeing");

fn place() -> Place {
    let place = Place::new();
    place.ends(0, &format!("study activate {SAMPLE} --production --reason go"));
    place
}

#[test]
fn who_is_passed_over_is_told_by_line_and_why() {
    let place = place();
    let list = place.write(
        "first.csv",
        "email,lastname,firstname,token\nhome@example.jp,山田,花,\nhome@example.jp,山田,太郎,\nkim@example.org,,,\nlee@example.org,Lee,,P9\n",
    );
    let issued = place.ends(0, &format!("credentials issue wellbeing --csv {list} --json")).json();
    assert_eq!((&issued["issued"], &issued["mailed"], &issued["known"]), (&json!(4), &json!(4), &json!(0)));
    let letters: Vec<String> = (1..=4).map(|number| place.ends(0, &format!("outbox show {number}")).out).collect();
    for name in ["山田 花 様", "山田 太郎 様"] {
        assert_eq!(letters.iter().filter(|letter| letter.contains(name)).count(), 1, "{name}");
    }

    // Width, case and blanks make no other person; another name does.
    let list = place.write(
        "second.csv",
        "email,lastname,firstname,token\nＨome@example.jp,山田　花,,\nhome@example.jp,山田,次郎,\nkim@example.org,,,\nother@example.org,LEE,,P9\nlee@example.org,ｌee,,\n",
    );
    let tried = place.ends(0, &format!("credentials issue wellbeing --csv {list} --dry-run --json")).json();
    assert_eq!((&tried["candidates"], &tried["with_address"]), (&json!(5), &json!(1)));
    let told = place.ends(0, &format!("credentials issue wellbeing --csv {list}")).out;
    for line in [
        "1 credential issued, 1 of them go out by mail",
        "4 persons on the list: known already, and got none",
        "  line 2: participant 1, by name and address\n",
        "  line 4: participant 3, by the address\n",
        "  line 5: participant 4, by the token\n",
        "  line 6: participant 4, by name and address\n",
        "`hagaki credentials reissue wellbeing NUMBER`",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let again = place.ends(0, &format!("credentials issue wellbeing --csv {list} --json")).json();
    assert_eq!((&again["issued"], again["passed_over"].as_array().unwrap().len()), (&json!(0), 5));
    assert_eq!(
        again["passed_over"][1],
        json!({ "line": 3, "participant": 5, "by": "name-and-address", "withdrew": false })
    );
}

#[test]
fn where_a_name_is_missing_nobody_is_guessed() {
    let place = place();
    let list = place.write("first.csv", "email,firstname\nhome@example.jp,Hana\nkim@example.org,\n");
    place.ends(0, &format!("credentials issue wellbeing --csv {list}"));
    let list =
        place.write("second.csv", "email,firstname\nhome@example.jp,\nkim@example.org,Kim\nnew@example.org,New\n");
    for dry in ["", " --dry-run"] {
        let refused = place.ends(1, &format!("credentials issue wellbeing --csv {list}{dry}")).err;
        assert!(refused.contains("nothing was issued: of 2 persons"), "{refused}");
        assert!(
            refused.contains("line 2: may be participant 1") && refused.contains("line 3: may be participant 2"),
            "{refused}"
        );
        assert!(refused.contains("--as-others"), "{refused}");
    }
    let listed = |place: &Place| place.ends(0, "credentials list wellbeing --json").out.lines().count();
    assert_eq!(listed(&place), 2);
    // Passed over, they are told of; as others they get their own.
    let told = place.ends(0, &format!("credentials issue wellbeing --csv {list} --skip")).out;
    assert!(told.contains("1 credential issued") && told.contains("line 2: may be participant 1"), "{told}");
    place.ends(2, &format!("credentials issue wellbeing --csv {list} --skip --as-others"));
    let told = place.ends(0, &format!("credentials issue wellbeing --csv {list} --as-others")).out;
    assert!(
        told.contains("2 credentials issued") && told.contains("line 4: participant 3, by name and address"),
        "{told}"
    );
    assert_eq!(listed(&place), 5);
    // On one list, too.
    let list = place.write("third.csv", "email,firstname\nx@example.jp,X\nx@example.jp,\n");
    let refused = place.ends(1, &format!("credentials issue wellbeing --csv {list}")).err;
    assert!(refused.contains("third.csv:3: may be the same person as line 2"), "{refused}");
}

#[test]
fn an_address_names_a_participant_where_it_is_one_persons() {
    let place = place();
    let list = place.write(
        "people.csv",
        "email,firstname,token\nhome@example.jp,Hana,P1\nhome@example.jp,Taro,P2\nkim@example.org,Kim,\n",
    );
    place.ends(0, &format!("credentials issue wellbeing --csv {list}"));
    let extended = place.ends(0, "credentials extend wellbeing KIM@example.org --until 2036-01-31 --json").json();
    assert_eq!(extended["participants"], json!([3]));
    for act in ["revoke", "extend", "reissue"] {
        let refused = place.ends(1, &format!("credentials {act} wellbeing home@example.jp")).err;
        assert!(refused.contains("several participants share home@example.jp"), "{refused}");
        assert!(refused.contains("1  P1           Hana") && refused.contains("2  P2           Taro"), "{refused}");
    }
    assert!(place.ends(0, "credentials reissue wellbeing kim@example.org").out.contains("participant 3 gets a fresh"));
    assert!(place.ends(0, "credentials revoke wellbeing P2").out.contains("participant 2 called back"));
    assert!(place.ends(1, "credentials revoke wellbeing nobody@example.org").err.contains("there is no participant"));
}
