//! The `[[people]]` of `study.toml`.

use std::collections::BTreeMap;

use super::document::Section;
use super::study_file::{Codes, Located, did_you_mean, roles};
use crate::domain::language::Language;
use crate::domain::study::{Person, Role, Site};
use crate::domain::text;
use crate::limits;

/// Reads everybody, and checks that somebody may enroll where the staff registers subjects, and that a survey has a manager.
pub(super) fn read(
    root: &Section,
    languages: &[Language],
    sites: &[Located<Site>],
    registers: bool,
) -> Vec<Located<Person>> {
    let mut ids = Codes::default();
    let mut addresses = BTreeMap::new();
    let mut people = Vec::new();
    for section in root.sections("people") {
        let id = section.need_name("id", "yamada", '-');
        ids.add_key(&section, "id", &id);
        let person = Person {
            id,
            name: section.need_wording("name", languages),
            addresses: read_addresses(&section, &mut addresses),
            roles: read_roles(&section),
            sites: read_sites(&section, sites),
            language: read_language(&section, languages),
            representative: section.text("representative", "yamada"),
        };
        people.push(Located { value: person, line: section.line, key: section.key("") });
        section.close();
    }
    check_representatives(root, &people);
    if people.len() > limits::PEOPLE {
        root.wrong("people", format!("there are more than {} people", limits::PEOPLE), "");
    }
    if !registers {
        if !people.iter().any(|person| person.value.has(Role::Manager)) {
            root.wrong("people", "nobody looks after the survey", "give somebody the role \"manager\"");
        }
    } else if !people.iter().any(|person| person.value.roles.iter().any(|role| role.enrolls())) {
        root.wrong("people", "nobody may enroll", "give somebody the role \"investigator\" or \"coordinator\"");
    } else {
        warn_of_deserted_sites(root, &people, sites);
    }
    people
}

/// Whoever speaks for a group is a person of the study who speaks for themselves.
fn check_representatives(root: &Section, people: &[Located<Person>]) {
    for group in people {
        let Some(named) = &group.value.representative else { continue };
        let found = people.iter().find(|one| one.value.id == *named);
        let (wrong, right) = match found {
            Some(one) if one.value.id == group.value.id => {
                ("a group cannot speak for itself".to_string(), "name the person who answers for it".to_string())
            }
            Some(one) if one.value.representative.is_some() => (
                format!("\"{named}\" is a group, too"),
                "name a person who answers for it, with an address of their own".to_string(),
            ),
            Some(_) => continue,
            None => {
                let ids: Vec<&str> = people.iter().map(|one| one.value.id.as_str()).collect();
                (format!("nobody has the id \"{named}\""), did_you_mean(named, &ids))
            }
        };
        root.report.at(root.source.file, Some(group.line), format!("{}.representative", group.key), wrong, right);
    }
}

fn warn_of_deserted_sites(root: &Section, people: &[Located<Person>], sites: &[Located<Site>]) {
    for site in sites {
        let served = people.iter().any(|person| {
            person.value.acts_for(&site.value.code) && person.value.roles.iter().any(|role| role.enrolls())
        });
        if !served {
            root.report.warn(
                root.source.file,
                Some(site.line),
                site.key.clone(),
                format!("nobody may enroll at site \"{}\"", site.value.code),
                "name it in the sites of an investigator",
            );
        }
    }
}

fn read_addresses(section: &Section, taken: &mut BTreeMap<String, usize>) -> Vec<String> {
    if !section.need("addresses", "[\"yamada@example.jp\"]") {
        return Vec::new();
    }
    let written = section.texts("addresses", "yamada@example.jp");
    if written.is_empty() {
        section.wrong("addresses", "names no address", "write addresses = [\"yamada@example.jp\"]");
    }
    let mut addresses = Vec::new();
    for address in written {
        let Some(folded) = sound_address(section, "addresses", &address) else { continue };
        if let Some(line) = taken.insert(folded.clone(), section.line_of("addresses")) {
            section.wrong(
                "addresses",
                format!("{address} stands on line {line} already"),
                "give each person their own addresses",
            );
        }
        addresses.push(folded);
    }
    addresses
}

/// The folded address, or `None` after reporting what is wrong with it.
pub(super) fn sound_address(section: &Section, key: &str, address: &str) -> Option<String> {
    if address.is_empty() {
        return None;
    }
    let folded = text::fold_address(address);
    let sound = folded.rsplit_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && domain.contains('.')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
            && folded.chars().all(|c| !c.is_whitespace() && !matches!(c, '<' | '>' | ',' | ';' | '"' | '(' | ')'))
            && !local.contains('@')
            && folded.len() <= 254
    });
    if !sound {
        section.wrong(
            key,
            format!("\"{address}\" is no mail address"),
            "write the bare address, such as \"yamada@example.jp\"",
        );
    }
    sound.then_some(folded)
}

fn read_roles(section: &Section) -> Vec<Role> {
    if !section.need("roles", "[\"investigator\"]") {
        return Vec::new();
    }
    let known = roles();
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let mut found = Vec::new();
    for written in section.texts("roles", "investigator") {
        match known.iter().find(|(name, _)| *name == written) {
            Some((_, role)) if found.contains(role) => {}
            Some((_, role)) => found.push(*role),
            None => section.wrong("roles", format!("\"{written}\" is no role"), did_you_mean(&written, &names)),
        }
    }
    found
}

fn read_sites(section: &Section, sites: &[Located<Site>]) -> Vec<String> {
    let codes: Vec<&str> = sites.iter().map(|site| site.value.code.as_str()).collect();
    let named = section.texts("sites", "012");
    for code in &named {
        if !codes.contains(&code.as_str()) {
            section.wrong("sites", format!("there is no site \"{code}\""), did_you_mean(code, &codes));
        }
    }
    if section.has("sites") && named.is_empty() {
        section.warn("sites", "is empty, so this person acts for every site", "leave the key out if that is meant");
    }
    named
}

fn read_language(section: &Section, languages: &[Language]) -> Option<Language> {
    let words: Vec<(&str, Language)> = languages.iter().map(|language| (language.code(), *language)).collect();
    if words.is_empty() {
        section.skip("language");
        return None;
    }
    section.word("language", &words)
}
