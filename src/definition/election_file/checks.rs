//! What must hold between the parts of an election.

use std::collections::{BTreeMap, BTreeSet};

use super::Ground;
use crate::definition::document::{Section, quoted};
use crate::definition::study_file::{Located, did_you_mean};
use crate::domain::election::{
    Base, Candidate, Contest, District, Holding, Least, Method, Naming, Quoted, Reach, Seats, Style, TieRule,
    Uncontested, Under,
};
use crate::limits;

/// Checks a contest by itself.
pub(super) fn check(section: &Section, contest: &Contest, ground: &Ground<'_>) {
    if contest.candidates.is_empty() && contest.write_in == 0 && !section.has("candidates") {
        section.wrong("candidates", "nobody stands", "write a section [[contests.candidates]] for each");
    }
    match &contest.method {
        Method::Plural(naming) => check_naming(section, contest, naming, ground),
        Method::Confidence => check_confidence(section, contest),
        Method::Schulze(ranking) | Method::Stv(ranking, _) => {
            let many = contest.candidates.len();
            if many > limits::RANKED_CANDIDATES {
                let wrong = format!("there are more than {} to put in order", limits::RANKED_CANDIDATES);
                section.wrong("candidates", wrong, "write another method, or hold a vote on fewer before");
            }
            check_least(section, ranking.least, ranking.under, many);
            check_ranked(section, contest);
        }
        Method::Single | Method::Approval => {}
    }
    check_tie(section, contest);
    check_bases(section, contest, ground);
    check_uncontested(section, contest, ground);
    check_write_in(section, contest);
    if contest.reelected.is_some() && !contest.candidates.iter().any(|own| own.incumbent) {
        let right = "write incumbent = true with those who hold the post";
        section.warn("reelected_at_most", "no candidate holds the post, so that nobody would be reelected", right);
    }
}

/// Sections of the districts, or one of all.
fn parts<'c>(contest: &'c Contest, ground: &'c Ground<'_>) -> Vec<Option<&'c str>> {
    match contest.seats {
        Seats::Whole(_) => vec![None],
        Seats::ByDistrict(_) => ground.districts.iter().map(|district| Some(district.id.as_str())).collect(),
    }
}

fn check_least(section: &Section, least: u32, under: Under, candidates: usize) {
    if least as usize > candidates {
        section.wrong("min", "is more than there are candidates", "write a smaller number");
    }
    if under == Under::Invalid && least == 1 {
        let right = "write min = the fewest names of a valid ballot, or remove under";
        section.wrong("under", "no ballot has less than one name but a blank one", right);
    }
}

fn check_naming(section: &Section, contest: &Contest, naming: &Naming, ground: &Ground<'_>) {
    let Some(most) = naming.most else { return };
    if naming.least > most {
        section.wrong("min", "is more than max", "write a smaller number");
        return;
    }
    let reach = if contest.is_by_district() { parts(contest, ground) } else { vec![None] };
    let standing = |district: Option<&str>| contest.standing(district).count() + contest.write_in as usize;
    check_least(section, naming.least, naming.under, reach.iter().map(|part| standing(*part)).max().unwrap_or(0));
    for part in reach {
        let many = standing(part);
        let place = part.map(|id| format!(" of \"{id}\"")).unwrap_or_default();
        if most as usize > many && part.is_none() {
            section.wrong("max", format!("is more than the {many} who stand"), "write a smaller number");
        }
        // Where there are no more candidates than seats nobody may have to be named.
        let votes = contest.holding_for(part) == Holding::Vote;
        let open = contest.standing(part).filter(|own| contest.is_voted_on(own)).count() + contest.write_in as usize;
        if (naming.least as usize) > open && votes && naming.under == Under::Invalid {
            let wrong = format!("only {open}{place} can be named, so that no ballot of there is valid");
            section.wrong("min", wrong, "write a smaller number, or under = \"valid\"");
        }
    }
    check_quotas(section, contest, naming, ground);
}

fn check_quotas(section: &Section, contest: &Contest, naming: &Naming, ground: &Ground<'_>) {
    let most = naming.most.unwrap_or(u32::MAX);
    let least = naming.quotas.iter().fold(0u32, |sum, quota| sum.saturating_add(quota.least));
    if least > most {
        let wrong = format!("ask for {least} names together, and max is {most}");
        section.wrong("quotas", wrong, "write smaller numbers");
    }
    if least > 0 && naming.under == Under::Valid {
        let right = "write under = \"invalid\", or remove min from the quotas";
        section.wrong("quotas", "ask for names, and under = \"valid\" asks for none", right);
    }
    let groups: BTreeSet<&str> = contest.candidates.iter().filter_map(|own| own.group.as_deref()).collect();
    let groups: Vec<&str> = groups.into_iter().collect();
    for quota in &naming.quotas {
        match &quota.of {
            Quoted::Group(group) if !groups.contains(&group.as_str()) => {
                let right = match groups[..] {
                    [] => format!("write group = \"{group}\" with those who are"),
                    _ => did_you_mean(group, &groups),
                };
                section.wrong("quotas", format!("nobody is of the group \"{group}\""), right);
            }
            Quoted::Own | Quoted::Other if ground.districts.is_empty() => {
                let right = "write [[districts]], or group = \"…\"";
                section.wrong("quotas", "the election has no districts", right);
            }
            Quoted::Own | Quoted::Other if contest.is_by_district() => {
                let right = "write names = \"all\", or remove the quota";
                section.wrong("quotas", "voters name candidates of their own district alone", right);
            }
            _ => check_quota(section, contest, naming, (&quota.of, quota.least), ground),
        }
    }
}

/// Of so many a voter of each district must be able to name some: whoever is elected without a vote is named by nobody.
fn check_quota(
    section: &Section,
    contest: &Contest,
    naming: &Naming,
    (of, least): (&Quoted, u32),
    ground: &Ground<'_>,
) {
    let each: Vec<Option<&str>> = match ground.districts {
        [] => vec![None],
        districts => districts.iter().map(|district| Some(district.id.as_str())).collect(),
    };
    for voter in each.into_iter().filter(|voter| contest.holding_for(*voter) == Holding::Vote) {
        let own = voter.filter(|_| contest.is_by_district());
        let open = contest.standing(own).filter(|own| contest.is_voted_on(own));
        let many = open.filter(|own| of.holds(own, voter)).count();
        if (least as usize) > many && naming.under == Under::Invalid {
            let place = voter.map(|id| format!(" of \"{id}\"")).unwrap_or_default();
            let wrong = format!(
                "ask a voter{place} for {least} names where {many} can be named, so that no ballot of there is valid"
            );
            section.wrong("quotas", wrong, "write a smaller min, or uncontested = \"vote\"");
            return;
        }
    }
}

/// What means nothing where candidates are confirmed.
fn check_confidence(section: &Section, contest: &Contest) {
    for (key, wrong) in [
        ("tie", "nobody is weighed against another, so that there is no tie"),
        ("least", "what it takes is said by confidence"),
        ("reelected_at_most", "each candidate is confirmed alone"),
        ("runners_up", "nobody moves up: whoever is not confirmed is not elected"),
        ("uncontested", "this is how it is held already"),
    ] {
        if section.has(key) {
            section.wrong(key, wrong, format!("remove {key}"));
        }
    }
    if contest.confidence.style == Style::Reject && section.has("blank") && contest.blank {
        let right = "remove blank, or write style = \"informed\"";
        section.wrong("blank", "a ballot without a mark has confidence in everybody, and is not blank", right);
    }
}

fn check_ranked(section: &Section, contest: &Contest) {
    if contest.reach == Reach::All && matches!(contest.seats, Seats::ByDistrict(_)) {
        let right = "write names = \"own\", or a contest for each district";
        section.wrong("names", "an order of everybody does not tell who is first in a district", right);
    }
    if contest.least.is_some() {
        section.wrong("least", "an order gives no votes to count", "remove least");
    }
    if contest.runner_up.as_ref().is_some_and(|rule| rule.at_least.is_some()) {
        section.wrong("runners_up", "an order gives no votes to compare", "remove at_least from it");
    }
    if let Method::Stv(..) = contest.method {
        if contest.reelected.is_some() {
            let wrong = "votes are transferred to whom voters prefer, whoever held the post";
            section.wrong("reelected_at_most", wrong, "remove it, or write method = \"schulze\"");
        }
        let most = match &contest.seats {
            Seats::Whole(seats) => *seats,
            Seats::ByDistrict(seats) => seats.values().copied().max().unwrap_or(0),
        };
        if most > limits::TRANSFER_SEATS {
            let wrong = format!("are more than the {} that can be counted by exact transfer", limits::TRANSFER_SEATS);
            section.wrong("seats", wrong, "part them into districts, or write another method");
        }
    }
}

fn check_tie(section: &Section, contest: &Contest) {
    let Some(age) = contest.tie.iter().find(|rule| matches!(rule, TieRule::Elder | TieRule::Younger)) else { return };
    let unborn: Vec<&str> =
        contest.candidates.iter().filter(|own| own.born.is_none()).map(|own| own.id.as_str()).collect();
    if let [first, ..] = unborn[..] {
        let wrong = format!("\"{}\" needs the day of birth of everybody, and \"{first}\" has none", age.key());
        section.wrong("tie", wrong, "write born = 1960-05-01 with each candidate");
    }
    if contest.tie.len() == 1 {
        let wrong = format!("\"{}\" does not decide between two who were born on one day", age.key());
        section.wrong("tie", wrong, format!("write what decides then, such as tie = [\"{}\", \"lot\"]", age.key()));
    }
}

/// A share of the roll is one of heads, and votes may weigh more.
fn check_bases(section: &Section, contest: &Contest, ground: &Ground<'_>) {
    if !ground.has_classes {
        return;
    }
    let wrong = "the roll counts voters, and their votes weigh differently";
    if matches!(&contest.least, Some(Least::Share(share)) if share.of == Base::Roll) {
        section.wrong("least", wrong, "write of = \"valid\" or \"cast\"");
    }
    if contest.confidence.pass.of == Base::Roll {
        section.wrong("confidence", wrong, "write of = \"marks\", \"valid\" or \"cast\"");
    }
}

fn check_uncontested(section: &Section, contest: &Contest, ground: &Ground<'_>) {
    if contest.uncontested == Uncontested::Confidence
        && contest.reach == Reach::All
        && matches!(contest.seats, Seats::ByDistrict(_))
    {
        let wrong = "one ballot cannot name some candidates and confirm others";
        section.wrong("uncontested", wrong, "write names = \"own\", or uncontested = \"elected\"");
    }
    let confirms = contest.method == Method::Confidence || contest.uncontested == Uncontested::Confidence;
    if section.has("confidence") && !confirms {
        let right = "write method = \"confidence\", uncontested = \"confidence\", or remove it";
        section.wrong("confidence", "nobody is confirmed in this contest", right);
    }
    for part in parts(contest, ground) {
        let (many, seats) = (contest.standing(part).count(), contest.seats.of(part));
        let place = part.map(|id| format!(" in \"{id}\"")).unwrap_or_default();
        let few = u32::try_from(many).is_ok_and(|many| many <= seats);
        if contest.method == Method::Confidence && !few {
            let wrong = format!("{many} stand{place} for {seats}: confidence does not tell who of them is elected");
            section.wrong("seats", wrong, "write another method, such as \"plural\"");
        } else if few && contest.method != Method::Confidence && contest.write_in == 0 && !section.has("uncontested") {
            let wrong = format!("is missing, and there are no more candidates than seats{place}");
            section.warn("uncontested", wrong, "write \"vote\", \"elected\" or \"confidence\"");
        }
    }
}

fn check_write_in(section: &Section, contest: &Contest) {
    if contest.write_in == 0 {
        return;
    }
    if contest.naming().is_none() {
        section.wrong("write_in", "means nothing for this method", "remove write_in");
    } else if contest.reach == Reach::All && matches!(contest.seats, Seats::ByDistrict(_)) {
        let right = "write names = \"own\", or remove write_in";
        section.wrong("write_in", "of a name that is written in nobody knows for whose seats it is", right);
    }
}

/// Checks contests against each other.
pub(super) fn check_together(root: &Section, contests: &[Located<Contest>], districts: &[District], has_seed: bool) {
    let at = |own: &Located<Contest>, key: &str, wrong: String, right: String| {
        root.report.at(root.source.file, Some(own.line), format!("{}.{key}", own.key), wrong, right);
    };
    let ids: Vec<&str> = contests.iter().map(|own| own.value.id.as_str()).collect();
    for own in contests {
        for other in &own.value.yields_to {
            if *other == own.value.id {
                at(
                    own,
                    "yields_to",
                    "is the contest itself".into(),
                    "name the one whose winners are not counted here".into(),
                );
            } else if !ids.contains(&other.as_str()) {
                at(own, "yields_to", format!("there is no contest \"{other}\""), did_you_mean(other, &ids));
            } else if !shares_candidates(&own.value, contests, other) {
                let wrong = format!("nobody stands here and in \"{other}\"");
                let right = format!("give whoever does the same id in both, or remove \"{other}\"");
                at(own, "yields_to", wrong, right);
            }
        }
    }
    if let Some(first) = circle(contests) {
        at(first, "yields_to", "leads back to the contest itself".into(), "say which post comes first".into());
    }
    check_people(contests, &at);
    let draws = contests.iter().any(|own| own.value.tie.contains(&TieRule::Lot));
    if draws && !has_seed {
        let right = "write in [terms]: seed = { ja = \"…\", en = \"…\" }, a public value that nobody can know before the close, such as the \
                     numbers of a named lottery";
        root.wrong("terms", "does not say what lots are drawn from", right);
    } else if has_seed && !draws {
        root.warn("terms", "names a seed, and no contest draws lots", "remove seed, or write tie = [\"lot\"]");
    }
    let uses = |own: &Contest| {
        let quoted =
            own.naming().is_some_and(|naming| naming.quotas.iter().any(|quota| !matches!(quota.of, Quoted::Group(_))));
        matches!(own.seats, Seats::ByDistrict(_)) || quoted
    };
    if !districts.is_empty() && !contests.iter().any(|own| uses(&own.value)) {
        let right = "write seats = { … } by district, a quota of the own district, or remove [[districts]]";
        root.wrong(
            "districts",
            "no contest is by district, so that ballots would tell for nothing where a voter is",
            right,
        );
    }
}

/// Whether somebody stands in both.
fn shares_candidates(own: &Contest, contests: &[Located<Contest>], other: &str) -> bool {
    let other = contests.iter().find(|contest| contest.value.id == other);
    other.is_some_and(|other| own.candidates.iter().any(|one| other.value.find(&one.id).is_some()))
}

/// The first contest that yields to itself by way of others.
fn circle(contests: &[Located<Contest>]) -> Option<&Located<Contest>> {
    let yields: BTreeMap<&str, &[String]> =
        contests.iter().map(|own| (own.value.id.as_str(), own.value.yields_to.as_slice())).collect();
    contests.iter().find(|own| {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut next: Vec<&str> =
            own.value.yields_to.iter().map(String::as_str).filter(|id| *id != own.value.id).collect();
        while let Some(id) = next.pop() {
            if id == own.value.id {
                return true;
            }
            if seen.insert(id) {
                next.extend(yields.get(id).into_iter().flat_map(|ids| ids.iter()).map(String::as_str));
            }
        }
        false
    })
}

/// Tells what is wrong with a key of a contest, and what would be right.
type Teller<'a> = &'a dyn Fn(&Located<Contest>, &str, String, String);

/// The same id in two contests is the same person.
fn check_people(contests: &[Located<Contest>], at: Teller<'_>) {
    let mut known: BTreeMap<&str, (&Candidate, &str)> = BTreeMap::new();
    for own in contests {
        for candidate in &own.value.candidates {
            match known.get(candidate.id.as_str()) {
                Some((other, contest)) if other.name != candidate.name || other.born != candidate.born => {
                    let wrong = format!("\"{}\" is somebody else in \"{contest}\"", candidate.id);
                    let right = "the same id is the same person: write another id, or the same name and day of birth";
                    at(own, "candidates", wrong, right.into());
                }
                Some(_) => {}
                None => _ = known.insert(&candidate.id, (candidate, &own.value.id)),
            }
        }
        let mut names: BTreeMap<String, &str> = BTreeMap::new();
        for candidate in &own.value.candidates {
            for (_, name) in candidate.name.wordings() {
                let folded = crate::domain::text::fold_tight(name);
                match names.insert(folded, &candidate.id) {
                    Some(other) if other != candidate.id => {
                        let both = quoted(&[other, &candidate.id]);
                        let wrong = format!("{both} have one name, so that voters cannot tell them apart");
                        at(own, "candidates", wrong, "add to the name what tells them apart".into());
                    }
                    _ => {}
                }
            }
        }
    }
}
