//! What an amendment changes of a study's conduct: whose mails it acts on, who is eligible, who works on it and where.

use std::collections::BTreeSet;

use super::told;
use crate::domain::instrument::{Item, ItemKind};
use crate::domain::openpgp::Certificate;
use crate::domain::second_factor::{Proof, StepUp};
use crate::domain::study::{Authentication, Criterion, Person, Role, Site, Study, Trust};
use crate::workflow::wording::text_changes;

/// One line for each change.
pub(super) fn changes(old: &Study, new: &Study, lines: &mut Vec<String>) {
    told(lines, "tag:", &old.tag, &new.tag);
    told(lines, "time_zone:", old.zone.name(), new.zone.name());
    trust_changes(old.trust, new.trust, lines);
    criteria_changes(&old.eligibility, &new.eligibility, lines);
    unblinding_changes(old, new, lines);
    pattern_changes(old, new, lines);
    site_changes(old, new, lines);
    told(lines, "pages: step_up", &step_up(old.step_up), &step_up(new.step_up));
    let notices = |study: &Study| roles(&study.notices.iter().map(|notice| notice.role).collect::<Vec<Role>>());
    told(lines, "notices of an enrollment: to", &notices(old), &notices(new));
    told(lines, "digest: to", &roles(&old.digest.roles), &roles(&new.digest.roles));
    let time = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
    told(lines, "digest: at", &time(old.digest.minute), &time(new.digest.minute));
}

fn step_up(rule: Option<StepUp>) -> String {
    let Some(StepUp { proof, seconds }) = rule else { return "none".to_string() };
    let proof = match proof {
        Proof::Password => "password",
        Proof::SecondFactor => "second-factor",
    };
    format!("{proof} for {} minutes", seconds / 60)
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn listed<'s>(words: impl Iterator<Item = &'s str>, none: &str) -> String {
    let words: Vec<&str> = words.collect();
    if words.is_empty() { none.to_string() } else { words.join(", ") }
}

fn roles(roles: &[Role]) -> String {
    listed(roles.iter().map(|role| role.key()), "none")
}

fn trust_changes(before: Trust, now: Trust, lines: &mut Vec<String>) {
    let word = |own: Trust| match own.authentication {
        Authentication::Dmarc => "dmarc",
        Authentication::Open => "open",
    };
    told(lines, "trust: authentication", word(before), word(now));
    told(lines, "trust: token", yes(before.token), yes(now.token));
    told(lines, "trust: confirm", yes(before.confirm), yes(now.confirm));
    told(lines, "trust: openpgp", before.openpgp.key(), now.openpgp.key());
    told(lines, "trust: encrypt_letters", yes(before.encrypt_letters), yes(now.encrypt_letters));
}

fn criteria_changes(before: &[Criterion], now: &[Criterion], lines: &mut Vec<String>) {
    for own in now {
        let known = before.iter().find(|known| known.id == own.id);
        criterion_change(&format!("eligibility {}", own.id), known, Some(own), lines);
    }
    for gone in before.iter().filter(|known| now.iter().all(|own| own.id != known.id)) {
        criterion_change(&format!("eligibility {}", gone.id), Some(gone), None, lines);
    }
}

/// What changed of one condition.
pub(super) fn criterion_change(
    what: &str,
    before: Option<&Criterion>,
    now: Option<&Criterion>,
    lines: &mut Vec<String>,
) {
    let rule = |own: Option<&Criterion>| own.map_or_else(|| "none".to_string(), |own| format!("`{}`", own.rule.source));
    told(lines, &format!("{what}: rule"), &rule(before), &rule(now));
    if let (Some(before), Some(now)) = (before, now) {
        text_changes(&format!("{what}: message"), &before.message, &now.message, lines);
    }
}

/// What texts must look like to be taken.
fn pattern_changes(old: &Study, new: &Study, lines: &mut Vec<String>) {
    for form in &new.instruments {
        let Some(known) = old.find_instrument(&form.id) else { continue };
        for item in &form.items {
            let Some(before) = known.find(&item.id) else { continue };
            told(lines, &format!("item {} of {}: pattern", item.id, form.id), &pattern(before), &pattern(item));
        }
    }
}

fn pattern(item: &Item) -> String {
    match &item.kind {
        ItemKind::Text { pattern: Some(pattern) } => format!("`{}`", pattern.source),
        _ => "none".to_string(),
    }
}

fn unblinding_changes(old: &Study, new: &Study, lines: &mut Vec<String>) {
    let (before, now) = (&old.unblinding, &new.unblinding);
    told(lines, "unblinding: may be asked for by", &roles(&before.roles), &roles(&now.roles));
    told(lines, "unblinding: told to", &roles(&before.tell), &roles(&now.tell));
    told(lines, "unblinding: confirm", yes(before.confirm), yes(now.confirm));
}

fn site_changes(old: &Study, new: &Study, lines: &mut Vec<String>) {
    for site in &new.sites {
        let code = &site.code;
        let Some(known) = old.find_site(code) else {
            lines.push(format!("site {code}: added"));
            continue;
        };
        text_changes(&format!("site {code}: called"), &known.name, &site.name, lines);
        let day = |of: fn(&Site) -> Option<chrono::NaiveDate>, site| {
            of(site).map_or_else(|| "none".to_string(), |day| day.to_string())
        };
        let (opens, closes) = (|site: &Site| site.opens, |site: &Site| site.closes);
        told(lines, &format!("site {code}: opens"), &day(opens, known), &day(opens, site));
        told(lines, &format!("site {code}: closes"), &day(closes, known), &day(closes, site));
    }
}

/// Who works on it.
pub(super) fn people_changes(before: &[Person], now: &[Person], lines: &mut Vec<String>) {
    for person in now {
        let id = &person.id;
        let addresses = |own: &Person| own.addresses.join(", ");
        let Some(known) = before.iter().find(|known| known.id == *id) else {
            lines.push(format!("person {id}: added ({}; {})", roles(&person.roles), addresses(person)));
            continue;
        };
        let sites = |own: &Person| listed(own.sites.iter().map(String::as_str), "all");
        let speaker = |own: &Person| own.representative.clone().unwrap_or_else(|| "none".to_string());
        told(lines, &format!("person {id}: roles"), &roles(&known.roles), &roles(&person.roles));
        told(lines, &format!("person {id}: addresses"), &addresses(known), &addresses(person));
        told(lines, &format!("person {id}: sites"), &sites(known), &sites(person));
        told(lines, &format!("person {id}: representative"), &speaker(known), &speaker(person));
    }
    let gone = before.iter().filter(|known| now.iter().all(|person| person.id != known.id));
    lines.extend(gone.map(|person| format!("person {}: removed", person.id)));
}

/// Whose OpenPGP key is another one from now on: by it their mails are signed and letters to them encrypted.
pub(super) fn key_changes(old: &Study, new: &Study, lines: &mut Vec<String>) {
    let people: BTreeSet<&String> = old.certificates.keys().chain(new.certificates.keys()).collect();
    for id in people {
        let (before, now) = (old.certificates.get(id), new.certificates.get(id));
        let print = |own: Option<&Certificate>| own.map_or_else(|| "none".to_string(), Certificate::fingerprint);
        let (was, is) = (print(before.map(|own| &**own)), print(now.map(|own| &**own)));
        told(lines, &format!("openpgp key of {id}:"), &was, &is);
        if was == is && before.map(|own| own.armored()) != now.map(|own| own.armored()) {
            lines.push(format!("openpgp key of {id}: {is} as before, with another end, revocation, name or subkey"));
        }
    }
}
