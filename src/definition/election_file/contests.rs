//! Contests: how votes are given and counted.

use super::{Ground, candidates, shares};
use crate::definition::document::{Section, quoted};
use crate::definition::study_file::did_you_mean;
use crate::domain::election::{
    Confidence, Contest, Method, Naming, Over, Quota, Quoted, Ranking, Repeated, StvQuota, Style, TieRule, Uncontested,
    Under,
};

/// Keys that say how names are given.
const OF_NAMES: [&str; 5] = ["max", "min", "under", "over", "quotas"];

/// Which method a file names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Single,
    Plural,
    Approval,
    Confidence,
    Schulze,
    Stv,
}

const KINDS: [(&str, Kind); 6] = [
    ("single", Kind::Single),
    ("plural", Kind::Plural),
    ("approval", Kind::Approval),
    ("confidence", Kind::Confidence),
    ("schulze", Kind::Schulze),
    ("stv", Kind::Stv),
];

/// Reads a contest; where something is wrong, whatever keeps the other checks going.
pub(super) fn read(section: &Section, ground: &Ground<'_>) -> Contest {
    let id = section.need_code("id", "council");
    let title = section.need_wording("title", ground.languages);
    let (seats, reach) = candidates::seats(section, ground);
    let kind = section.need_word("method", &KINDS).unwrap_or(Kind::Single);
    let candidates = candidates::read(section, &seats, ground);
    let uncontested =
        [("vote", Uncontested::Vote), ("elected", Uncontested::Elected), ("confidence", Uncontested::Confidence)];
    Contest {
        id,
        title,
        seats,
        reach,
        method: method(section, kind),
        blank: section.flag("blank").unwrap_or(true),
        write_in: write_in(section),
        quorum: shares::quorum(section),
        least: shares::least(section),
        reelected: shares::reelected(section),
        tie: tie(section, kind),
        runner_up: shares::runners_up(section),
        uncontested: section.word("uncontested", &uncontested).unwrap_or(Uncontested::Vote),
        confidence: confidence(section),
        yields_to: section.texts("yields_to", "president"),
        candidates,
    }
}

fn method(section: &Section, kind: Kind) -> Method {
    let repeats = [("once", Repeated::Once), ("void", Repeated::Void), ("invalid", Repeated::Invalid)];
    let unders = [("valid", Under::Valid), ("invalid", Under::Invalid)];
    let least = section.count("min");
    let most = section.count("max");
    // Whoever says how many there must be means it.
    let strict = if least.is_some_and(|least| least > 1) { Under::Invalid } else { Under::Valid };
    let under = section.word("under", &unders).unwrap_or(strict);
    let over = section.word("over", &[("invalid", Over::Invalid), ("first", Over::First)]).unwrap_or(Over::Invalid);
    let repeated = section.word("repeated", &repeats);
    let equal = section.flag("equal_ranks");
    let quota = section.word("quota", &[("droop", StvQuota::Droop), ("hare", StvQuota::Hare)]);
    let quotas = quotas(section);
    let least = least.unwrap_or(1);
    strange_keys(section, kind);
    match kind {
        Kind::Single => Method::Single,
        Kind::Approval => Method::Approval,
        Kind::Confidence => Method::Confidence,
        Kind::Plural => {
            if !section.has("max") {
                section.wrong("max", "is missing", "write max = 3, the most names on a ballot");
            }
            Method::Plural(Naming { least, most, over, under, repeated: repeated.unwrap_or(Repeated::Once), quotas })
        }
        Kind::Schulze | Kind::Stv => {
            if repeated == Some(Repeated::Void) {
                let right = "write repeated = \"invalid\", or \"once\" for the first of its places";
                section.wrong("repeated", "a candidate who is ranked twice cannot be void alone", right);
            }
            let repeated = repeated.unwrap_or(Repeated::Invalid);
            let ranking = Ranking { least, under, equal: equal.unwrap_or(kind == Kind::Schulze), repeated };
            match kind {
                Kind::Schulze => Method::Schulze(ranking),
                _ => Method::Stv(ranking, quota.unwrap_or(StvQuota::Droop)),
            }
        }
    }
}

/// Keys that mean nothing for the method.
fn strange_keys(section: &Section, kind: Kind) {
    let ranked = matches!(kind, Kind::Schulze | Kind::Stv);
    for key in OF_NAMES {
        let fits = kind == Kind::Plural || ranked && matches!(key, "min" | "under");
        if section.has(key) && !fits {
            let right = format!("remove {key}, or write method = \"plural\"");
            section.wrong(key, "means nothing for this method", right);
        }
    }
    if section.has("repeated") && kind != Kind::Plural && !ranked {
        section.wrong("repeated", "means nothing for this method", "remove repeated");
    }
    if section.has("equal_ranks") && kind != Kind::Schulze {
        let wrong = "means nothing for this method: candidates share a place by \"schulze\" alone";
        section.wrong("equal_ranks", wrong, "remove equal_ranks");
    }
    if section.has("quota") && kind != Kind::Stv {
        section.wrong("quota", "means nothing for this method", "remove quota, or write method = \"stv\"");
    }
}

fn quotas(section: &Section) -> Vec<Quota> {
    let mut quotas = Vec::new();
    for own in section.sections("quotas") {
        let of = own.word("of", &[("own", false), ("other", true)]);
        let group = own.text("group", "clinical");
        let of = match (own.has("of"), group) {
            (true, None) => of.map(|other| if other { Quoted::Other } else { Quoted::Own }),
            (false, Some(group)) => Some(Quoted::Group(group)),
            _ => {
                let right = "write of = \"own\", of = \"other\", or group = \"clinical\"";
                own.wrong("of", "does not say in one way of whom", right);
                None
            }
        };
        let (least, most) = (own.count("min"), own.count("max"));
        if least.is_none() && most.is_none() && !own.has("min") && !own.has("max") {
            own.wrong("max", "does not say how many", "write max = 3, min = 1, or both");
        }
        if least.zip(most).is_some_and(|(least, most)| least > most) {
            own.wrong("min", "is more than max", "write a smaller number");
        }
        quotas.extend(of.map(|of| Quota { of, least: least.unwrap_or(0), most }));
        own.close();
    }
    quotas
}

fn write_in(section: &Section) -> u32 {
    let Some(number) = section.whole_number("write_in") else { return 0 };
    let sound = u32::try_from(number).ok().filter(|number| *number <= crate::limits::WRITE_INS);
    if sound.is_none() {
        let right = format!("write how many names may be written in, from 0 to {}", crate::limits::WRITE_INS);
        section.wrong("write_in", format!("{number} is too small or too large"), right);
    }
    sound.unwrap_or(0)
}

fn tie(section: &Section, kind: Kind) -> Vec<TieRule> {
    let words = TieRule::ALL.map(TieRule::key);
    let mut rules: Vec<TieRule> = Vec::new();
    if !section.has("tie") {
        if kind != Kind::Confidence {
            section.need("tie", "[\"lot\"]");
        }
        section.skip("tie");
        return rules;
    }
    for word in section.texts("tie", "lot") {
        match TieRule::ALL.into_iter().find(|rule| rule.key() == word) {
            Some(rule) if rules.contains(&rule) => {
                section.wrong("tie", format!("\"{word}\" stands in it twice"), "name each once");
            }
            Some(rule) => rules.push(rule),
            None => section.wrong("tie", format!("nothing is decided by \"{word}\""), did_you_mean(&word, &words)),
        }
    }
    if rules.is_empty() && section.peek_text("tie").is_none() {
        section.wrong("tie", "names nothing that decides", format!("write some of {}", quoted(&words)));
    }
    if rules.contains(&TieRule::Elder) && rules.contains(&TieRule::Younger) {
        section.wrong("tie", "puts the elder and the younger first", "keep one of the two");
    }
    let end = rules.iter().position(|rule| matches!(rule, TieRule::Lot | TieRule::Decision));
    if end.is_some_and(|end| end + 1 < rules.len()) {
        section.wrong("tie", "goes on behind what always decides", "\"lot\" or \"decision\" comes last");
    }
    rules
}

fn confidence(section: &Section) -> Confidence {
    let styles = [("informed", Style::Informed), ("reject", Style::Reject)];
    match section.section("confidence") {
        Some(own) => {
            let style = own.word("style", &styles).unwrap_or(Style::Informed);
            let pass = shares::pass(&own);
            own.close();
            Confidence { style, pass }
        }
        None => Confidence { style: Style::Informed, pass: shares::majority() },
    }
}
