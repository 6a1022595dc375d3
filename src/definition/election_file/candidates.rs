//! Those who stand in a contest.

use super::Ground;
use crate::definition::document::{Section, quoted};
use crate::definition::study_file::{Codes, did_you_mean};
use crate::domain::election::{Candidate, Reach, Seats};
use crate::limits;

/// Reads the candidates of a contest.
pub(super) fn read(section: &Section, seats: &Seats, ground: &Ground<'_>) -> Vec<Candidate> {
    let mut ids = Codes::default();
    let mut candidates = Vec::new();
    for own in section.sections("candidates") {
        let id = own.need_code("id", "c01");
        ids.add_key(&own, "id", &id);
        let name = own.need_wording("name", ground.languages);
        let district = own.text("district", "east");
        check_district(&own, district.as_deref(), seats, ground);
        let candidate = Candidate {
            id,
            name,
            district,
            group: own.text("group", "clinical"),
            born: own.day("born"),
            incumbent: own.flag("incumbent").unwrap_or(false),
            statement: own.wording("statement", ground.languages),
            picture: own.text("picture", "c01.jpg"),
        };
        candidates.push(candidate);
        own.close();
    }
    if candidates.len() > limits::CANDIDATES {
        section.wrong("candidates", format!("there are more than {}", limits::CANDIDATES), "");
    }
    candidates
}

fn check_district(own: &Section, district: Option<&str>, seats: &Seats, ground: &Ground<'_>) {
    let known: Vec<&str> = ground.districts.iter().map(|district| district.id.as_str()).collect();
    match (district, seats) {
        (Some(_), _) if known.is_empty() => {
            own.wrong("district", "the election has no districts", "write [[districts]], or remove it");
        }
        (Some(id), _) if !known.contains(&id) => {
            own.wrong("district", format!("there is no district \"{id}\""), did_you_mean(id, &known));
        }
        (Some(id), Seats::ByDistrict(seats)) if !seats.contains_key(id) => {
            own.wrong("district", format!("\"{id}\" has no seat in this contest"), "give it one in seats");
        }
        (None, Seats::ByDistrict(seats)) => {
            let with_seats: Vec<&str> = seats.keys().map(String::as_str).collect();
            let right = format!("write district = one of {}", quoted(&with_seats));
            own.wrong("district", "does not say for whose seats the candidate stands", right);
        }
        _ => {}
    }
}

/// `seats = 3`, or `{ east = 2, west = 3 }`, and whom a voter may name.
pub(super) fn seats(section: &Section, ground: &Ground<'_>) -> (Seats, Reach) {
    let reaches = [("own", Reach::Own), ("all", Reach::All)];
    let reach = section.word("names", &reaches);
    if !section.is_section("seats") {
        let seats = if section.need("seats", "3") { section.count("seats") } else { None };
        if section.has("names") && seats.is_some() {
            let right = "write seats = { east = 2, … }, or remove names";
            section.wrong("names", "the seats are not by district, so everybody may be named", right);
        }
        check_number(section, seats.unwrap_or(1));
        return (Seats::Whole(seats.unwrap_or(1)), Reach::Own);
    }
    let known: Vec<&str> = ground.districts.iter().map(|district| district.id.as_str()).collect();
    let own = section.section("seats").map(|own| own.counts()).unwrap_or_default();
    for (id, _, _) in own.iter().filter(|(id, ..)| !known.contains(&id.as_str())) {
        let right = if known.is_empty() { "write [[districts]] first".to_string() } else { did_you_mean(id, &known) };
        section.wrong("seats", format!("there is no district \"{id}\""), right);
    }
    let missing: Vec<&str> = known.iter().filter(|id| !own.iter().any(|(own, ..)| own == *id)).copied().collect();
    if !missing.is_empty() {
        let wrong = format!("has no number for {}", quoted(&missing));
        section.wrong("seats", wrong, "give each district its seats");
    }
    let seats = Seats::ByDistrict(own.into_iter().map(|(id, seats, _)| (id, seats)).collect());
    check_number(section, seats.of(None));
    (seats, reach.unwrap_or(Reach::Own))
}

fn check_number(section: &Section, seats: u32) {
    if seats > limits::SEATS {
        section.wrong("seats", format!("are more than {}", limits::SEATS), "write fewer");
    }
}
