//! Credentials to print: what a phone reads from the sheet, what people type from it, and who may see it.

use std::os::unix::fs::PermissionsExt;

use html5gum::{Token, Tokenizer};

use crate::cli::{Place, copy};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/studies/wellbeing");

/// What each QR code of a page says: its path is drawn and read back.
fn read_codes(page: &str) -> Vec<String> {
    let drawn = page.split("<svg viewBox=\"0 0 ").skip(1);
    drawn
        .map(|svg| {
            let size: usize = svg.split(' ').next().unwrap().parse().unwrap();
            let path = svg.split("<path d=\"").nth(1).unwrap().split('"').next().unwrap();
            let mut dark = vec![false; size * size];
            for run in path.split('M').skip(1) {
                let (x, rest) = run.split_once(' ').unwrap();
                let (y, rest) = rest.split_once('h').unwrap();
                let long = rest.split('v').next().unwrap();
                let [x, y, long]: [usize; 3] = [x, y, long].map(|number| number.parse().unwrap());
                assert_eq!(rest, format!("{long}v1h-{long}z"));
                dark[y * size + x..][..long].fill(true);
            }
            const SCALE: usize = 4;
            let shade = |x: usize, y: usize| if dark[y / SCALE * size + x / SCALE] { 0 } else { 255 };
            let mut image = rqrr::PreparedImage::prepare_from_greyscale(size * SCALE, size * SCALE, shade);
            let grids = image.detect_grids();
            assert_eq!(grids.len(), 1);
            grids[0].decode().unwrap().1
        })
        .collect()
}

/// Names of the page's elements and attributes, and its text, as a browser's tokenizer finds them.
fn parse(page: &str) -> (Vec<String>, String) {
    let (mut names, mut text) = (Vec::new(), String::new());
    for token in Tokenizer::new(page) {
        match token.unwrap() {
            Token::StartTag(tag) => {
                names.push(String::from_utf8_lossy(&tag.name).into_owned());
                names.extend(tag.attributes.keys().map(|name| String::from_utf8_lossy(name).into_owned()));
            }
            Token::String(piece) => text.push_str(&String::from_utf8_lossy(&piece)),
            _ => {}
        }
    }
    (names, text)
}

fn place() -> Place {
    let place = Place::new();
    // Where no rule invites, whoever is taken in gets their letter by command or on paper.
    copy(std::path::Path::new(SAMPLE), &place.path("wellbeing"));
    std::fs::remove_file(place.path("wellbeing/schedule.toml")).unwrap();
    place.ends(0, "study activate wellbeing --production --reason go");
    place
}

/// What the list says of each credential: link, login, password.
fn listed(place: &Place, name: &str) -> Vec<[String; 3]> {
    let mut list = csv::Reader::from_path(place.path(name)).unwrap();
    list.records().map(|row| row.unwrap()).map(|row| [4, 5, 6].map(|at| row[at].to_owned())).collect()
}

#[test]
fn a_sheet_holds_what_the_list_holds_and_a_phone_reads_it() {
    let place = place();
    for (kind, cards) in [("both", ""), ("link", " --cards"), ("both", " --cards"), ("password", "")] {
        let line = format!(
            "credentials issue wellbeing --count 3 --kind {kind} --days 30 --out {kind}{0}.csv --sheet {kind}{0}.html{cards}",
            cards.len()
        );
        place.ends(0, &line);
        let name = format!("{kind}{}.html", cards.len());
        let page = std::fs::read_to_string(place.path(&name)).unwrap();
        let (names, text) = parse(&page);
        let rows = listed(&place, &name.replace("html", "csv"));
        let links = rows.iter().map(|[link, ..]| link.clone()).filter(|link| !link.is_empty());
        assert_eq!(read_codes(&page), links.collect::<Vec<_>>());
        for [link, login, password] in &rows {
            let secret = link.rsplit('/').next().unwrap();
            let typed = secret.as_bytes().chunks(5).map(|part| std::str::from_utf8(part).unwrap()).collect::<Vec<_>>();
            assert!(text.contains(&typed.join("-")), "{text}");
            assert!(text.contains(login.as_str()) && text.contains(password.as_str()), "{text}");
        }
        assert!(
            text.contains("くらしと体調の調査")
                && text.contains("有効期限")
                && text.contains("wellbeing-office@example.jp")
        );
        let rows = names.iter().filter(|name| *name == "section").count();
        assert_eq!((rows, page.matches("class=\"row\"").count()), (3, if cards.is_empty() { 0 } else { 2 }));
        // Nothing is asked of any server.
        for asks in ["src", "href", "link", "script", "img", "iframe", "form", "object", "url"] {
            assert!(!names.iter().any(|name| name == asks), "{asks}");
        }
        assert!(!page.contains("url(") && !page.contains("@import"));
        assert_eq!(page.matches("<div").count(), page.matches("</div>").count());
        let mode = std::fs::metadata(place.path(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn people_of_a_list_get_a_letter_in_their_language() {
    let place = place();
    let list = place.write(
        "people.csv",
        "firstname,lastname,email,language\n<script>alert(1)</script>,\"\"\"><img src=x onerror=y>\",,en\n花子,{{t.test}},,ja\n",
    );
    place.ends(0, &format!("credentials issue wellbeing --csv {list} --no-mail --sheet s.html"));
    let page = std::fs::read_to_string(place.path("s.html")).unwrap();
    let (names, text) = parse(&page);
    assert!(text.contains("Dear <script>alert(1)</script> \"><img src=x onerror=y>,"), "{text}");
    assert!(text.contains("{{t.test}}") && text.contains(" 様"), "{text}");
    assert!(text.contains("without your name") || text.contains("together with your name"), "{text}");
    assert!(!names.iter().any(|name| ["script", "img", "onerror"].contains(&name.as_str())), "{names:?}");
    assert!(page.contains("class=\"letter\" lang=\"en\"") && page.contains("class=\"letter\" lang=\"ja\""));
}

#[test]
fn a_sheet_is_written_once_and_only_where_it_may_be() {
    let place = place();
    place.write("there.html", "mine");
    place.ends(3, "credentials issue wellbeing --count 1 --sheet there.html");
    assert_eq!(std::fs::read_to_string(place.path("there.html")).unwrap(), "mine");
    place.ends(2, "credentials issue wellbeing --count 1 --out o.csv --cards");
    let refused = place.ends(1, "credentials issue wellbeing --count 1").err;
    assert!(refused.contains("--out or --sheet"), "{refused}");
    let list = place.write("people.csv", "email\np@example.jp\n");
    assert!(place.ends(1, &format!("credentials issue wellbeing --csv {list} --no-mail")).err.contains("go nowhere"));

    // What is not sent has no sending to count from, and a file would be read before.
    let refused = place.ends(1, "credentials issue wellbeing --count 1 --days 3 --from-sending").err;
    assert!(refused.contains("leave out --from-sending"), "{refused}");
    place.ends(2, "credentials issue wellbeing --count 1 --days 3 --from-sending --sheet s.html");
    place.ends(2, "credentials issue wellbeing --count 1 --from-sending");
    place.ends(0, "credentials issue wellbeing --count 1 --out o.csv");
    place.ends(0, "credentials reissue wellbeing 1 --sheet again.html");
    let page = std::fs::read_to_string(place.path("again.html")).unwrap();
    let [old, ..] = &listed(&place, "o.csv")[0];
    let codes = read_codes(&page);
    assert!(codes.len() == 1 && codes[0] != *old && codes[0].starts_with("http"), "{codes:?}");
}
