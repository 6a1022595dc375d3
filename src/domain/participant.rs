//! Participants as a list of them has them, before they are taken in; and who of them is whom.
//!
//! A reference (the list's token) is a person. Without one, name and address together are: a household may share an address. Where
//! a name is missing, whether two are one person is not guessed.

use std::collections::BTreeMap;

use super::language::Language;
use super::text;
use super::time::Instant;
use crate::limits;

/// The further column that names somebody's own time zone, of the IANA list: letters of a schedule can go by it.
pub const TIME_ZONE: &str = "timezone";

/// Somebody who is to answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// What the list calls them, or empty.
    pub reference: String,
    /// Name to greet, or empty.
    pub name: String,
    /// Folded address, or empty.
    pub address: String,
    /// Language of their letters, if the list says.
    pub language: Option<Language>,
    /// Further columns.
    pub attributes: BTreeMap<String, String>,
    /// Not before, where the list says.
    pub from: Option<Instant>,
    /// Not from then on, where the list says.
    pub until: Option<Instant>,
    /// Line of the list, counted from 1, if they stand on one.
    pub line: Option<usize>,
}

impl Candidate {
    /// What tells them from others.
    pub fn sign(&self) -> Sign {
        Sign::new(&self.reference, &self.name, &self.address)
    }
}

/// What tells one person from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    reference: String,
    /// Folded, without blanks: width, case and spaces make no other person.
    name: String,
    /// Of a name in letters its words by the alphabet: nor does which of its parts stands first.
    words: Vec<String>,
    address: String,
}

/// By what somebody is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trait {
    /// What the list calls them.
    Reference,
    /// Name and address together.
    NameAndAddress,
    /// The address alone: neither has a name.
    Address,
}

/// Whether two are one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// They are.
    Same(Trait),
    /// They are not.
    Other,
    /// They share an address, and too little else is known.
    Unclear,
}

impl Sign {
    /// Of somebody of that reference, name and folded address, each empty if there is none.
    pub fn new(reference: &str, name: &str, address: &str) -> Sign {
        let (tight, folded) = (text::fold_tight(name), text::fold(name));
        let mut words: Vec<String> = match text::is_eastern(name) {
            true => Vec::new(),
            false => folded.split(' ').map(str::to_string).collect(),
        };
        words.sort_unstable();
        Sign { reference: reference.to_string(), name: tight, words, address: address.to_string() }
    }

    /// Whether two are one person.
    pub fn compare(&self, other: &Sign) -> Likeness {
        if !self.reference.is_empty() && !other.reference.is_empty() {
            return if self.reference == other.reference { Likeness::Same(Trait::Reference) } else { Likeness::Other };
        }
        if self.address != other.address {
            return Likeness::Other;
        }
        let alike = self.name == other.name || (!self.words.is_empty() && self.words == other.words);
        match (alike, self.name.is_empty() || other.name.is_empty()) {
            (true, true) => Likeness::Same(Trait::Address),
            (true, false) => Likeness::Same(Trait::NameAndAddress),
            (false, true) if !self.address.is_empty() => Likeness::Unclear,
            (false, _) => Likeness::Other,
        }
    }

    /// What only people who may be one person have in common, where references say nothing.
    fn place(&self) -> String {
        if self.address.is_empty() { format!("\n{}", self.name) } else { self.address.clone() }
    }
}

/// The likeness that counts of several: whom somebody is, else whom they may be.
pub fn strongest<T>(found: impl IntoIterator<Item = (T, Likeness)>) -> Option<(T, Likeness)> {
    let mut unclear = None;
    for (whom, likeness) in found {
        match likeness {
            Likeness::Same(_) => return Some((whom, likeness)),
            Likeness::Unclear => unclear = unclear.or(Some((whom, likeness))),
            Likeness::Other => {}
        }
    }
    unclear
}

/// The people of a list so far, each with a number of its own, to tell whether somebody more is one of them.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    by_reference: BTreeMap<String, usize>,
    by_place: BTreeMap<String, Bucket>,
}

#[derive(Clone, Debug, Default)]
struct Bucket {
    /// With and without a reference: whoever has one is compared with the latter alone.
    with: Vec<(Sign, usize)>,
    without: Vec<(Sign, usize)>,
}

impl Seen {
    /// Who of them somebody is, or may be; nobody where they are another person. Of more than [`limits::PEOPLE_OF_AN_ADDRESS`] at one
    /// address whoever has no reference may be anybody.
    pub fn find(&self, sign: &Sign) -> Option<(usize, Likeness)> {
        if let Some(number) = self.by_reference.get(&sign.reference) {
            return Some((*number, Likeness::Same(Trait::Reference)));
        }
        let bucket = self.by_place.get(&sign.place())?;
        let more: &[(Sign, usize)] = if sign.reference.is_empty() { &bucket.with } else { &[] };
        if bucket.without.len() + more.len() > limits::PEOPLE_OF_AN_ADDRESS {
            let first = bucket.without.iter().chain(more).map(|(_, number)| *number).min();
            return first.map(|number| (number, Likeness::Unclear));
        }
        strongest(bucket.without.iter().chain(more).map(|(other, number)| (*number, sign.compare(other))))
    }

    /// One more.
    pub fn put(&mut self, sign: Sign, number: usize) {
        if !sign.reference.is_empty() {
            self.by_reference.entry(sign.reference.clone()).or_insert(number);
        }
        let bucket = self.by_place.entry(sign.place()).or_default();
        let own = if sign.reference.is_empty() { &mut bucket.without } else { &mut bucket.with };
        own.push((sign, number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(reference: &str, name: &str, address: &str) -> Sign {
        Sign::new(reference, name, address)
    }

    #[test]
    fn without_a_reference_name_and_address_together_are_a_person() {
        let hana = sign("", "山田 花", "home@example.jp");
        for (other, likeness) in [
            (sign("", "山田　花", "home@example.jp"), Likeness::Same(Trait::NameAndAddress)),
            (sign("", "山田花", "home@example.jp"), Likeness::Same(Trait::NameAndAddress)),
            (sign("", "山田 太郎", "home@example.jp"), Likeness::Other),
            (sign("", "山田 花", "other@example.jp"), Likeness::Other),
            (sign("", "", "home@example.jp"), Likeness::Unclear),
            (sign("P1", "山田 花", "home@example.jp"), Likeness::Same(Trait::NameAndAddress)),
        ] {
            assert_eq!((hana.compare(&other), other.compare(&hana)), (likeness, likeness), "{other:?}");
        }
        assert_eq!(
            sign("", "KIM Ｌarsen", "").compare(&sign("", "Kim Larsen", "")),
            Likeness::Same(Trait::NameAndAddress)
        );
        let robin = sign("", "Robin Park", "a@b.jp");
        assert_eq!(robin.compare(&sign("", "Park Robin", "a@b.jp")), Likeness::Same(Trait::NameAndAddress));
        assert_eq!(robin.compare(&sign("", "Robin Parker", "a@b.jp")), Likeness::Other);
        assert_eq!(sign("", "", "a@b.jp").compare(&sign("", "", "a@b.jp")), Likeness::Same(Trait::Address));
        assert_eq!(sign("", "", "").compare(&sign("", "Kim", "")), Likeness::Other);
        // A reference says it all.
        assert_eq!(sign("P1", "A", "a@b.jp").compare(&sign("P2", "A", "a@b.jp")), Likeness::Other);
        assert_eq!(sign("P1", "A", "a@b.jp").compare(&sign("P1", "B", "c@d.jp")), Likeness::Same(Trait::Reference));
    }

    #[test]
    fn whoever_was_seen_is_found_among_many() {
        let mut seen = Seen::default();
        seen.put(sign("", "A", "ward@example.jp"), 2);
        seen.put(sign("P3", "C", "ward@example.jp"), 3);
        let find = |seen: &Seen, reference, name| seen.find(&sign(reference, name, "ward@example.jp"));
        assert_eq!(find(&seen, "", "a"), Some((2, Likeness::Same(Trait::NameAndAddress))));
        assert_eq!(find(&seen, "", "c"), Some((3, Likeness::Same(Trait::NameAndAddress))));
        assert_eq!(find(&seen, "", "b"), None);
        assert_eq!(find(&seen, "", ""), Some((2, Likeness::Unclear)));
        assert_eq!(find(&seen, "P4", "C"), None);
        assert_eq!(find(&seen, "P4", "A"), Some((2, Likeness::Same(Trait::NameAndAddress))));
        for number in 0..limits::PEOPLE_OF_AN_ADDRESS {
            seen.put(sign(&format!("Q{number}"), "D", "ward@example.jp"), 10 + number);
        }
        assert_eq!(find(&seen, "", "b"), Some((2, Likeness::Unclear)));
        assert_eq!(find(&seen, "P5", "B"), None);
    }
}
