//! Credentials and keys as people handle them.

use std::collections::BTreeSet;

use hagaki::domain::belenios::base58::ALPHABET;
use hagaki::domain::belenios::credential::{Credential, CredentialFault};
use hagaki::domain::belenios::group::ORDER;
use hagaki::domain::belenios::problem::Code;
use hagaki::domain::belenios::setup::{Credentials, Trustee, draw_uuid, is_uuid};
use hagaki::domain::belenios::trustee_key::{self, TrusteeKey};
use num_bigint::BigUint;
use sha2::{Digest as _, Sha256};

use super::world::{Seeded, UUID};

#[test]
fn what_is_drawn_is_read_again_however_it_is_typed() {
    let dice = Seeded::new(1);
    let mut texts = BTreeSet::new();
    for _ in 0..50 {
        let drawn = Credential::draw(&dice);
        let text = drawn.text();
        let groups: Vec<&str> = text.split('-').collect();
        assert!(groups.len() == 5 && groups.iter().all(|group| group.len() == 3), "{text}");
        let wide: String = text.chars().map(|c| char::from_u32(c as u32 + 0xFEE0).unwrap()).collect();
        for typed in [text.to_owned(), text.replace('-', ""), format!("  {}\n", text.replace('-', " ")), wide] {
            assert_eq!(Credential::parse(&typed).map(|own| own.text().to_owned()), Ok(text.to_owned()), "{typed}");
        }
        assert!(texts.insert(text.to_owned()), "drawn twice");
    }
    // Every character is drawn; a byte modulo 58 alone would favor the first ones, which would not be seen here.
    let drawn: BTreeSet<char> = texts.iter().flat_map(|text| text.chars()).collect();
    assert_eq!(drawn.len(), ALPHABET.len() + 1);
}

#[test]
fn what_is_mistyped_is_told() {
    let text = "7sK-2mQ-9bV-tXr-4n2";
    assert!(Credential::parse(text).is_ok());
    for at in (0..text.len()).filter(|at| text.as_bytes()[*at] != b'-') {
        let mut missed = 0;
        for other in ALPHABET.chars().filter(|other| text.as_bytes()[at] != *other as u8) {
            let mistyped = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            missed += usize::from(Credential::parse(&mistyped) != Err(CredentialFault::Check));
        }
        assert!(missed <= 1, "{missed} others pass at {at}");
    }
    assert_eq!(Credential::parse("7sK-2mQ-9bV-tXr-4n"), Err(CredentialFault::Length(14)));
    assert_eq!(Credential::parse("7sK-2mQ-9bV-tXr-4n22"), Err(CredentialFault::Length(16)));
    assert_eq!(Credential::parse(""), Err(CredentialFault::Length(0)));
    for strange in ['0', 'O', 'I', 'l', '+', 'あ'] {
        let mistyped = format!("7sK-2mQ-9bV-tXr-4n{strange}");
        assert_eq!(Credential::parse(&mistyped), Err(CredentialFault::Character(strange)));
    }
    let other = Credential::parse(text).unwrap().secret("22222222222222");
    assert_ne!(other.public(), Credential::parse(text).unwrap().secret(UUID).public(), "another election, another key");
    assert_eq!(format!("{:?} {other:?}", Credential::parse(text).unwrap()), "Credential(..) Secret(..)");
}

#[test]
fn the_longer_form_of_later_tools_is_read_and_has_the_secret_that_they_derive() {
    let text = "abcde-FGHJKm-12345-zyxwvu";
    let read = Credential::parse(" ａbcdeFGHJKm 12345 zyxwvu").unwrap();
    assert_eq!(read.text(), text);
    let hash = |part: u8| Sha256::digest(format!("derive_credential|{UUID}|{part}|{text}")).to_vec();
    let number = BigUint::from_bytes_be(&[hash(0), hash(1)].concat()) % ORDER.parse::<BigUint>().unwrap();
    assert_eq!(*read.secret(UUID).digits(), number.to_string());
    assert_eq!(Credential::parse(&text[1..]), Err(CredentialFault::Length(21)));
    assert_eq!(Credential::parse(&text.replace('v', "l")), Err(CredentialFault::Character('l')));
}

#[test]
fn a_trustees_key_is_kept_and_proved() {
    let dice = Seeded::new(2);
    let key = TrusteeKey::draw(&dice);
    let again = TrusteeKey::read(&key.file()).unwrap();
    assert_eq!(again.public(), key.public());
    assert_eq!(trustee_key::name(key.public()).len(), 8);
    let proved = key.proved(&dice);
    let read = Trustee::read(&proved.own_file()).unwrap();
    assert!(read.is_proved() && read.key == *key.public());
    // As the tool writes a list, and with a proof of another key.
    let listed = Trustee::read_all(&Trustee::file(std::slice::from_ref(&read))).unwrap();
    assert_eq!(listed[0].key, read.key);
    let stranger = TrusteeKey::draw(&dice).proved(&dice);
    assert!(!Trustee { key: read.key, proof: stranger.proof }.is_proved());
    for (file, code) in [
        ("", Code::Unreadable),
        ("12", Code::Unreadable),
        ("\"twelve\"", Code::NotAnExponent),
        ("\"-1\"", Code::NotAnExponent),
        ("\"0\"", Code::OpenKey),
        ("\"1\"\n", Code::OpenKey),
    ] {
        assert_eq!(TrusteeKey::read(file).map(drop), Err(code), "{file}");
    }
}

#[test]
fn a_list_is_handed_over_without_names_and_sorted() {
    let dice = Seeded::new(3);
    let keys: Vec<String> = (0..3).map(|_| Credential::draw(&dice).secret(UUID).public().to_string()).collect();
    let list = serde_json::to_vec(&[format!("{},1,hana@example.jp", keys[0]), format!("{},3", keys[1])]).unwrap();
    let (read, named) = Credentials::without_names(&list).unwrap();
    assert!(named);
    let file = String::from_utf8(Credentials::file(&read)).unwrap();
    assert!(!file.contains("hana") && file.contains(&format!("{},3", keys[1])));
    assert!(Credentials::read(file.as_bytes()).unwrap().sorted);
    let plain = serde_json::to_vec(&keys).unwrap();
    let (read, named) = Credentials::without_names(&plain).unwrap();
    assert!(!named && !String::from_utf8(Credentials::file(&read)).unwrap().contains(",1\""));
    assert_eq!(Credentials::without_names(br#"["5,-1"]"#), Err(Code::Weight));
    assert_eq!(Credentials::without_names(br#"["five"]"#), Err(Code::NotAnElement));
    assert_eq!(Credentials::without_names(b"{}"), Err(Code::Unreadable));
}

#[test]
fn identifiers_of_elections() {
    let (one, two) = (draw_uuid(&Seeded::new(4)), draw_uuid(&Seeded::new(5)));
    assert!(is_uuid(&one) && is_uuid(&two) && one != two);
    for wrong in ["", "1111111111111", "1111111111111O", "11111111111111 ", "選挙選挙選挙選挙選挙選挙選挙"]
    {
        assert!(!is_uuid(wrong), "{wrong}");
    }
}
