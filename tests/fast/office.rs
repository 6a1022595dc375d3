//! What an office does about people on file: lists for mail merges, credentials of many at once, participants taken out and corrected.

use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use crate::cli::Place;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/studies/wellbeing");

/// WELLBEING with three participants, of whom the last has no address.
fn place() -> Place {
    let place = Place::new();
    place.ends(0, &format!("study activate {SAMPLE} --production --reason go"));
    let list = place.write(
        "people.csv",
        "email,firstname,lastname,token,attribute_1 <Ward>\nhana@example.jp,花,山田,P1,3F\nrobin@example.org,Robin,Park,P2,\n,=1+2,髙橋𠮷,P3,4F\n",
    );
    place.ends(0, &format!("credentials issue wellbeing --csv {list} --out first.csv"));
    place
}

/// What the audit chain says of an action, each time.
fn entries(place: &Place, action: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("sqlite:{}", place.path("hagaki.db").display());
        let mut database = SqliteConnection::connect(&url).await.unwrap();
        let bodies = sqlx::query_scalar("SELECT body FROM audit WHERE action = $1").bind(action);
        bodies.fetch_all(&mut database).await.unwrap()
    })
}

fn standing(place: &Place, number: usize) -> Value {
    let shown = place.ends(0, "credentials list wellbeing --json").out;
    serde_json::from_str(shown.lines().nth(number - 1).unwrap()).unwrap()
}

#[test]
fn the_list_of_credentials_opens_in_excel() {
    let place = place();
    let bytes = std::fs::read(place.path("first.csv")).unwrap();
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap()).unwrap();
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let columns: Vec<String> = rows.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(columns[..3], ["number", "reference", "name"]);
    assert_eq!(columns[9..], ["Ward"]);
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    assert_eq!([&rows[0][2], &rows[1][2], &rows[2][2]], ["山田 花", "Robin Park", "髙橋𠮷 =1+2"]);
    assert_eq!([&rows[0][9], &rows[1][9], &rows[2][9]], ["3F", "", "4F"]);
    // The study's clock, and it says so.
    assert!(rows[0][7].ends_with("+09:00"), "{:?}", rows[0]);
    assert!(rows[0][4].starts_with("http"));

    let list = place.write("more.csv", "email,lastname,attribute_1 <=x>\nnew@example.jp,=cmd|calc,@a\n");
    place.ends(0, &format!("credentials issue wellbeing --csv {list} --out second.csv --cp932"));
    let bytes = std::fs::read(place.path("second.csv")).unwrap();
    assert!(!bytes.starts_with(b"\xef\xbb\xbf"));
    let (text, _, broken) = encoding_rs::SHIFT_JIS.decode(&bytes);
    assert!(!broken && text.contains("'=cmd|calc") && text.contains("'@a") && text.contains("'=x"), "{text}");
    // What CP932 has no place for is told.
    let told = place.ends(0, "credentials reissue wellbeing P3 --out third.csv --cp932").err;
    assert!(told.contains("CP932 has no place for 1 character"), "{told}");
    let bytes = std::fs::read(place.path("third.csv")).unwrap();
    assert!(encoding_rs::SHIFT_JIS.decode(&bytes).0.contains("髙橋〓"));
}

#[test]
fn credentials_of_many_are_changed_at_once_and_not_by_mistake() {
    let place = place();
    let list = place.write("whose.txt", "# the ward\nP1\n3\n");
    let dry = place.ends(0, &format!("credentials extend wellbeing --list {list} --until 2036-01-31 --dry-run --json"));
    assert_eq!(dry.json(), json!({ "participants": [1, 3], "others": 0, "dry_run": true }));
    let refused = place.ends(1, &format!("credentials extend wellbeing --list {list} --until 2036-01-31")).err;
    assert!(refused.contains("2 participants good until 2036-02-01") && refused.contains("--yes"), "{refused}");
    assert_eq!(standing(&place, 1)["until"], Value::Null);
    place.ends(0, &format!("credentials extend wellbeing --list {list} --until 2036-01-31 --yes"));
    let until = [1, 2, 3].map(|number| standing(&place, number)["until"].is_string());
    assert_eq!(until, [true, false, true]);
    // Of a list with somebody unknown nobody is changed, and all of them are named.
    let bad = place.write("bad.txt", "P1\nP8\nP9\n");
    let refused = place.ends(1, &format!("credentials revoke wellbeing --list {bad} --yes")).err;
    assert!(refused.contains("participant P8") && refused.contains("participant P9"), "{refused}");
    assert_eq!(standing(&place, 1)["state"], "active");
    place.ends(2, "credentials revoke wellbeing");
    place.ends(2, "credentials revoke wellbeing P1 --all");

    // Anew for all: who has no address gets it on paper.
    assert!(place.ends(1, "credentials reissue wellbeing --all --yes").err.contains("some have no address"));
    let done = place.ends(0, "credentials reissue wellbeing --all --yes --out all.csv --reason lost --json").json();
    assert_eq!((&done["issued"], &done["mailed"]), (&json!(3), &json!(2)));
    assert_eq!(entries(&place, "renew-credential").len(), 3);
    let told = place.ends(0, "credentials revoke wellbeing P1 P2 --yes --reason mistake").out;
    assert!(told.contains("credentials of 2 participants called back"), "{told}");
    assert_eq!(standing(&place, 2)["state"], "revoked");

    // Called back by mistake: let in again by somebody's word alone.
    let refused = place.ends(1, "credentials reissue wellbeing P1").err;
    assert!(refused.contains("called back; --revoked"), "{refused}");
    let dry = place.ends(0, "credentials reissue wellbeing --all --revoked --out none.csv --dry-run --json").json();
    assert_eq!((&dry["issued"], place.path("none.csv").exists()), (&json!(3), false));
    let told = place.ends(0, "credentials reissue wellbeing P1 --revoked --reason mistake").out;
    assert!(told.contains("participant 1 gets a fresh credential by mail"), "{told}");
    let again = standing(&place, 1);
    assert!(again["state"] == "active" && again["until"].is_string(), "{again}");
}

#[test]
fn a_participant_is_taken_out_let_in_again_and_corrected() {
    let place = place();
    place.ends(2, "participant withdraw wellbeing P1");
    let told = place.ends(0, "participant withdraw wellbeing P1 --reason called").out;
    assert!(told.contains("participant 1 takes part no more"), "{told}");
    assert_eq!(standing(&place, 1)["participant"], "withdrawn");
    assert!(place.ends(1, "participant withdraw wellbeing P1 --reason called").err.contains("is so already"));
    let refused = place.ends(1, "credentials reissue wellbeing P1").err;
    assert!(refused.contains("takes part no more") && refused.contains("participant readmit"), "{refused}");
    // Whoever withdrew is not among all.
    let all = place.ends(0, "credentials revoke wellbeing --all --dry-run --json").json();
    assert_eq!(all["participants"], json!([2, 3]));
    place.ends(0, "participant readmit wellbeing P1 --reason misheard --json");
    assert_eq!(standing(&place, 1)["participant"], "active");
    let [out] = entries(&place, "withdraw-participant").try_into().unwrap();
    assert!(out.contains("called"), "{out}");
    assert_eq!(entries(&place, "readmit-participant").len(), 1);

    place.ends(2, "participant correct wellbeing P2 --reason typo");
    assert!(
        place.ends(1, "participant correct wellbeing P2 --address robin --reason typo").err.contains("no mail address")
    );
    let told = place.ends(
        0,
        "participant correct wellbeing P2 --name Robyn --address ROBYN@example.org --language en --reason typo",
    );
    assert!(told.out.contains("participant 2 is corrected") && told.out.contains("credentials reissue wellbeing 2"));
    let row = standing(&place, 2);
    assert_eq!((&row["name"], &row["address"]), (&json!("Robyn"), &json!("robyn@example.org")));
    // The chain tells what changed, and not what it was or is.
    let [corrected] = entries(&place, "correct-participant").try_into().unwrap();
    assert!(
        corrected.contains("address") && corrected.contains("language") && corrected.contains("typo"),
        "{corrected}"
    );
    assert!(!corrected.to_lowercase().contains("robyn") && !corrected.contains("robin"), "{corrected}");
    assert!(place.ends(0, "credentials reissue wellbeing 2").out.contains("by mail"));
    let letters = place.ends(0, "outbox list --json").out;
    assert!(letters.contains("robyn@example.org"), "{letters}");
    // Two people do not become one.
    let list = place.write("more.csv", "email,firstname\nkim@example.org,Kim\nlee@example.org,Lee\n");
    place.ends(0, &format!("credentials issue wellbeing --csv {list}"));
    let refused =
        place.ends(1, "participant correct wellbeing 5 --name Kim --address kim@example.org --reason typo").err;
    assert!(refused.contains("participant 4 has this name and address already"), "{refused}");
    assert_eq!(standing(&place, 5)["name"], "Lee");
}

#[test]
fn nothing_goes_into_production_through_the_clear() {
    let place = Place::new();
    let settings = std::fs::read_to_string(place.path("hagaki.toml")).unwrap();
    let with = |url: &str| place.write("hagaki.toml", &settings.replace("http://127.0.0.1:8080", url));
    with("http://survey.example.jp");
    let refused = place.ends(1, &format!("study activate {SAMPLE} --production --reason go")).err;
    assert!(refused.contains("nothing was changed") && refused.contains("https://"), "{refused}");
    place.ends(0, &format!("study activate {SAMPLE} --reason rehearsal"));
    assert!(place.run("doctor").out.contains("WARNING  address of the pages"));
    with("https://survey.example.jp");
    assert!(!place.run("doctor").out.contains("WARNING  address of the pages"));
    place.ends(0, &format!("study activate {SAMPLE} --production --reason go"));
}
