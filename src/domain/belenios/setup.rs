//! What is fixed before the first ballot: election, trustees and credentials.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::base58;
use super::element::{Element, Squares};
use super::group::{Group, Version};
use super::json::{self, ProofText, element};
use super::problem::Code;
use super::proofs::{self, Proof};
use super::scalar::Scalar;
use crate::domain::time::Dice;
use crate::limits;

/// Shortest identifier of an election.
const UUID_CHARS: usize = 14;

/// Whether that can be the identifier of an election.
pub fn is_uuid(text: &str) -> bool {
    text.len() >= UUID_CHARS && text.chars().all(|c| base58::value(c).is_some())
}

/// A new identifier of an election.
pub fn draw_uuid(dice: &dyn Dice) -> String {
    base58::draw(UUID_CHARS, dice)
}

/// A question whose answers are added up while they are encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What may be chosen.
    pub answers: Vec<String>,
    /// Whether a ballot may be blank; it then has one more number, which stands first.
    #[serde(default, skip_serializing_if = "is_false")]
    pub blank: bool,
    /// Fewest answers of a ballot that is not blank.
    pub min: u64,
    /// Most answers.
    pub max: u64,
    /// What is asked.
    pub question: String,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Question {
    /// Encrypted numbers of its part of a ballot.
    pub fn numbers(&self) -> usize {
        self.answers.len() + usize::from(self.blank)
    }

    /// Branches of the proof of how many answers were chosen.
    pub(super) fn overall_branches(&self) -> usize {
        (self.max - self.min) as usize + 1 + usize::from(self.blank)
    }

    fn is_possible(&self) -> bool {
        let answers = self.answers.len();
        (1..=limits::BEL_ANSWERS).contains(&answers) && self.min <= self.max && self.max <= answers as u64
    }
}

/// The election's file.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ElectionText<'a> {
    version: u64,
    #[serde(borrow)]
    description: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    group: Cow<'a, str>,
    #[serde(borrow)]
    public_key: Cow<'a, str>,
    questions: Vec<Value>,
    #[serde(borrow)]
    uuid: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    administrator: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    credential_authority: Option<Cow<'a, str>>,
}

/// An election as its voters know it.
#[derive(Clone, Debug)]
pub struct Election {
    /// Digest of its file, which every proof names: so the wording of the questions is bound, too.
    pub fingerprint: String,
    /// Its identifier.
    pub uuid: String,
    /// What it is called.
    pub name: String,
    /// What is asked.
    pub questions: Vec<Question>,
    /// What ballots are encrypted to: the product of the trustees' keys.
    pub key: Element,
    /// Its group.
    pub group: Group,
}

/// What an election's file says besides the key.
pub struct ElectionPlan<'a> {
    /// What it is called.
    pub name: &'a str,
    /// What it is about.
    pub description: &'a str,
    /// Its identifier: 14 characters or more, without 0, O, I and l.
    pub uuid: &'a str,
    /// What is asked.
    pub questions: &'a [Question],
    /// Who runs it.
    pub administrator: Option<&'a str>,
    /// Who makes the credentials.
    pub credential_authority: Option<&'a str>,
}

impl ElectionPlan<'_> {
    /// The election's file, with the key that the trustees have together.
    pub fn file(&self, trustees: &[Trustee]) -> Vec<u8> {
        let text = ElectionText {
            version: Version::V1.number(),
            description: self.description.into(),
            name: self.name.into(),
            group: Group::Belenios2048.name().into(),
            public_key: product_of_keys(trustees).to_string().into(),
            questions: self.questions.iter().filter_map(|question| serde_json::to_value(question).ok()).collect(),
            uuid: self.uuid.into(),
            administrator: self.administrator.map(Cow::from),
            credential_authority: self.credential_authority.map(Cow::from),
        };
        json::write(&text)
    }
}

impl Election {
    /// Reads an election's file.
    pub fn read(file: &[u8]) -> Result<Election, Code> {
        let text: ElectionText<'_> = json::read(file)?;
        Version::find(text.version).ok_or(Code::UnknownVersion)?;
        if !is_uuid(&text.uuid) {
            return Err(Code::Uuid);
        }
        let mut questions = Vec::new();
        for question in text.questions {
            if question.get("type").is_some() {
                return Err(Code::Mixnet);
            }
            let question: Question = serde_json::from_value(question).map_err(|_| Code::Unreadable)?;
            if !question.is_possible() {
                return Err(Code::Question);
            }
            questions.push(question);
        }
        if questions.is_empty() {
            return Err(Code::Question);
        }
        // After the questions: those that are shuffled need another group, which is not what is to be told of them.
        let group = Group::find(&text.group).ok_or(Code::UnknownGroup)?;
        let key = element(&text.public_key)?;
        Ok(Election {
            fingerprint: json::base64_digest(file),
            uuid: text.uuid.into_owned(),
            name: text.name.into_owned(),
            questions,
            key,
            group,
        })
    }
}

/// A trustee's key, whose secret opens ballots together with all others'.
#[derive(Clone, Debug)]
pub struct Trustee {
    /// The key.
    pub key: Element,
    /// That somebody has its secret.
    pub proof: Proof,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct TrusteeText<'a> {
    /// What people call them; it proves nothing.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pok: ProofText<'a>,
    #[serde(borrow)]
    public_key: Cow<'a, str>,
}

impl TrusteeText<'_> {
    fn of(trustee: &Trustee) -> TrusteeText<'static> {
        TrusteeText { name: None, pok: ProofText::from(&trustee.proof), public_key: trustee.key.to_string().into() }
    }
}

impl Trustee {
    /// The key of a secret, with its proof.
    pub fn of(secret: &Scalar, dice: &dyn Dice) -> Trustee {
        let key = Element::generator().power(secret);
        Trustee { proof: proofs::prove_secret(&proof_text(&key), secret, dice), key }
    }

    /// Whether somebody had its secret.
    pub fn is_proved(&self) -> bool {
        let power = Squares::of(self.key).power(&self.proof.challenge);
        let commitment = Element::generator().power(&self.proof.response).times(&power);
        self.key.belongs() && proofs::check_secret(&proof_text(&self.key), &commitment, &self.proof)
    }

    /// Reads the file of one trustee's public key.
    ///
    /// # Errors
    /// It is none.
    pub fn read(file: &[u8]) -> Result<Trustee, Code> {
        let text: TrusteeText<'_> = json::read(file)?;
        Ok(Trustee { key: element(&text.public_key)?, proof: text.pok.read()? })
    }

    /// The file of their public key.
    pub fn own_file(&self) -> Vec<u8> {
        json::write(&TrusteeText::of(self))
    }

    /// Reads the trustees' file.
    pub fn read_all(file: &[u8]) -> Result<Vec<Trustee>, Code> {
        let items: Vec<(String, Value)> = json::read(file)?;
        let mut trustees = Vec::new();
        for (kind, value) in items {
            match kind.as_str() {
                "Single" => {}
                "Pedersen" => return Err(Code::Threshold),
                _ => return Err(Code::Unreadable),
            }
            let text = value.to_string();
            trustees.push(Trustee::read(text.as_bytes())?);
        }
        Ok(trustees)
    }

    /// The trustees' file.
    pub fn file(trustees: &[Trustee]) -> Vec<u8> {
        json::write(&trustees.iter().map(|trustee| ("Single", TrusteeText::of(trustee))).collect::<Vec<_>>())
    }
}

fn proof_text(key: &Element) -> String {
    format!("pok|{}|{key}|", Group::Belenios2048.name())
}

/// What ballots are encrypted to.
pub(super) fn product_of_keys(trustees: &[Trustee]) -> Element {
    trustees.iter().fold(Element::ONE, |product, trustee| product.times(&trustee.key))
}

/// Checks trustees and the election's key; what is wrong with them.
pub(super) fn check_trustees(election: &Election, trustees: &[Trustee]) -> Vec<Code> {
    let mut found = Vec::new();
    if trustees.is_empty() {
        found.push(Code::NoTrustees);
    }
    for (i, trustee) in trustees.iter().enumerate() {
        if trustees[..i].iter().any(|other| other.key == trustee.key) {
            found.push(Code::TrusteeTwice);
        }
        if !trustee.is_proved() {
            found.push(Code::TrusteeProof);
        }
        if trustee.key == Element::ONE {
            found.push(Code::OpenKey);
        }
    }
    if product_of_keys(trustees) != election.key {
        found.push(Code::ElectionKey);
    }
    if election.key == Element::ONE {
        found.push(Code::OpenKey);
    }
    found
}

/// Those who may vote, by the public keys of their credentials.
#[derive(Debug, Default)]
pub struct Credentials {
    /// Digest of the list.
    pub digest: String,
    /// The keys in the list's order.
    pub keys: Vec<Element>,
    /// Their weights.
    pub weights: Vec<u64>,
    /// Whether the order of the list can tell nothing of whose they are.
    pub sorted: bool,
    places: HashMap<String, usize>,
}

impl Credentials {
    /// Reads the list; that the keys belong to the group is checked apart.
    pub fn read(file: &[u8]) -> Result<Credentials, Code> {
        let texts: Vec<Cow<'_, str>> = json::read(file)?;
        let mut list = Credentials { digest: json::base64_digest(file), ..Credentials::default() };
        let mut total = 0_u64;
        for (place, text) in texts.iter().enumerate() {
            let (key, weight) = match text.split_once(',') {
                Some((key, weight)) => (key, json::parse_count(weight).ok_or(Code::Weight)?),
                None => (&**text, 1),
            };
            total = total.checked_add(weight).filter(|total| *total <= limits::BEL_WEIGHT).ok_or(Code::Weight)?;
            // Its secret is 0, with which everybody could sign.
            if key == "1" {
                return Err(Code::OpenKey);
            }
            list.keys.push(element(key)?);
            list.weights.push(weight);
            if list.places.insert(key.to_owned(), place).is_some() {
                return Err(Code::CredentialTwice);
            }
        }
        if list.keys.is_empty() {
            return Err(Code::NoCredentials);
        }
        list.sorted = texts.is_sorted();
        Ok(list)
    }

    /// Reads a list as those who make credentials may have written it, `KEY`, `KEY,WEIGHT` or `KEY,WEIGHT,NAME`: keys and weights, and
    /// whether there were names, which are left out.
    ///
    /// # Errors
    /// It is no such list.
    pub fn without_names(file: &[u8]) -> Result<(Vec<(Element, u64)>, bool), Code> {
        let texts: Vec<Cow<'_, str>> = json::read(file)?;
        let mut named = false;
        let mut keys = Vec::with_capacity(texts.len());
        for text in &texts {
            let mut parts = text.splitn(3, ',');
            let key = element(parts.next().unwrap_or_default())?;
            let weight = parts.next().map_or(Some(1), json::parse_count).ok_or(Code::Weight)?;
            named |= parts.next().is_some();
            keys.push((key, weight));
        }
        Ok((keys, named))
    }

    /// The list's file: sorted as texts, since the order they were made in is that of the voters. Weights are left out where all are 1.
    pub fn file(keys: &[(Element, u64)]) -> Vec<u8> {
        let plain = keys.iter().all(|(_, weight)| *weight == 1);
        let text = |(key, weight): &(Element, u64)| if plain { key.to_string() } else { format!("{key},{weight}") };
        let mut texts: Vec<String> = keys.iter().map(text).collect();
        texts.sort_unstable();
        json::write(&texts)
    }

    /// The keys with their weights.
    pub fn all(&self) -> Vec<(Element, u64)> {
        self.keys.iter().copied().zip(self.weights.iter().copied()).collect()
    }

    /// Whether that key is on the list.
    pub fn has(&self, key: &Element) -> bool {
        self.place(&key.to_string()).is_some()
    }

    /// Where on the list a credential stands.
    pub(super) fn place(&self, key: &str) -> Option<usize> {
        self.places.get(key).copied()
    }
}
