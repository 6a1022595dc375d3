//! A small election, with dice that fall the same way every time.

use std::sync::Mutex;

use hagaki::domain::belenios::archive::Archive;
use hagaki::domain::belenios::audit::{Audit, Counted};
use hagaki::domain::belenios::ballot;
use hagaki::domain::belenios::element::Element;
use hagaki::domain::belenios::json::base64_digest;
use hagaki::domain::belenios::proofs::{self, Proof};
use hagaki::domain::belenios::scalar::Scalar;
use hagaki::domain::belenios::setup::{Credentials, Election, ElectionPlan, Question, Trustee};
use hagaki::domain::belenios::tally::{self, Decryption};
use hagaki::domain::belenios::tar::{Record, Splitter};
use hagaki::domain::time::Dice;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub(crate) const UUID: &str = "FbtkWh9badwNaY";
pub(crate) const TIME: u64 = 1_795_000_000;
pub(crate) const SEED: [u8; 32] = [42; 32];

pub(crate) struct Seeded(Mutex<ChaCha20Rng>);

impl Seeded {
    pub(crate) fn new(seed: u8) -> Seeded {
        Seeded(Mutex::new(ChaCha20Rng::from_seed([seed; 32])))
    }
}

impl Dice for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().unwrap().fill_bytes(buffer);
    }
}

pub(crate) fn question(answers: &[&str], blank: bool, min: u64, max: u64) -> Question {
    let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
    Question { answers, blank, min, max, question: "会長の信任投票 / \"Confidence\"".to_owned() }
}

/// Everything that an archive is made of, each of which can be exchanged before it is written.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) election: Vec<u8>,
    pub(crate) trustees: Vec<u8>,
    pub(crate) credentials: Vec<u8>,
    pub(crate) ballots: Vec<Vec<u8>>,
    pub(crate) sum: Vec<u8>,
    pub(crate) tallied: u64,
    pub(crate) weight: u64,
    pub(crate) decryptions: Vec<(u64, Vec<u8>)>,
    pub(crate) result: Option<Vec<u8>>,
}

impl Parts {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut archive = self.voting();
        archive.end_ballots();
        archive.add_tally(&self.sum, self.tallied, self.weight);
        for (owner, decryption) in &self.decryptions {
            archive.add_decryption(*owner, decryption);
        }
        if let Some(result) = &self.result {
            archive.add_result(result);
        }
        archive.bytes().to_vec()
    }

    pub(crate) fn voting(&self) -> Archive {
        let mut archive = Archive::begin(TIME);
        archive.set_up(&self.election, &self.trustees, &self.credentials);
        for ballot in &self.ballots {
            archive.add_ballot(ballot);
        }
        archive
    }
}

/// The people of an election, with their secrets.
pub(crate) struct World {
    pub(crate) dice: Seeded,
    pub(crate) trustees: Vec<Scalar>,
    pub(crate) voters: Vec<Scalar>,
    pub(crate) keys: Vec<(Element, u64)>,
    pub(crate) election: Election,
    pub(crate) parts: Parts,
}

impl World {
    /// Two trustees, and so many voters with weights, who have not voted.
    pub(crate) fn new(questions: &[Question], weights: &[u64]) -> World {
        let dice = Seeded::new(weights.len() as u8);
        let voters = weights.iter().map(|_| Scalar::draw(&dice)).collect();
        World::of(UUID, dice, questions, voters, weights)
    }

    /// One whose voters have credentials that can be typed, those of `primitives.json`; the world, and they.
    pub(crate) fn with_credentials(questions: &[Question]) -> (World, Vec<String>) {
        let cases: serde_json::Value =
            serde_json::from_str(include_str!("../../data/election/belenios/primitives.json")).unwrap();
        let cases = cases["credentials"].as_array().unwrap();
        let text = |case: &serde_json::Value, name: &str| case[name].as_str().unwrap().to_owned();
        let voters: Vec<Scalar> =
            cases.iter().map(|case| Scalar::parse(&text(case, "secret_exponent")).unwrap()).collect();
        let weights = vec![1; voters.len()];
        let world = World::of(&text(&cases[0], "uuid"), Seeded::new(7), questions, voters, &weights);
        (world, cases.iter().map(|case| text(case, "credential")).collect())
    }

    fn of(uuid: &str, dice: Seeded, questions: &[Question], voters: Vec<Scalar>, weights: &[u64]) -> World {
        let secrets: Vec<Scalar> = (0..2).map(|_| Scalar::draw(&dice)).collect();
        let trustees: Vec<Trustee> = secrets.iter().map(|secret| Trustee::of(secret, &dice)).collect();
        let key = |(voter, weight): (&Scalar, &u64)| (Element::generator().power(voter), *weight);
        let keys: Vec<(Element, u64)> = voters.iter().zip(weights).map(key).collect();
        let plan = ElectionPlan {
            name: "理事会選挙",
            description: "",
            uuid,
            questions,
            administrator: None,
            credential_authority: Some("登録係"),
        };
        let election = plan.file(&trustees);
        let parts = Parts {
            trustees: Trustee::file(&trustees),
            credentials: Credentials::file(&keys),
            ballots: Vec::new(),
            sum: Vec::new(),
            tallied: 0,
            weight: 0,
            decryptions: Vec::new(),
            result: None,
            election,
        };
        World { dice, trustees: secrets, voters, keys, election: Election::read(&parts.election).unwrap(), parts }
    }

    pub(crate) fn vote(&mut self, voter: usize, votes: &[Vec<u64>]) {
        let ballot = ballot::make(&self.election, &self.voters[voter], votes, &self.dice).unwrap();
        self.parts.ballots.push(ballot);
    }

    pub(crate) fn counted(&self) -> Counted {
        let mut audit = Audit::begin(hagaki::domain::belenios::audit::Expected::default());
        for record in records(self.parts.voting().bytes()) {
            audit.take(record);
        }
        audit.work_off(SEED);
        audit.counted().unwrap()
    }

    /// A ballot that was changed, signed by a voter as if it were their own.
    pub(crate) fn signed(&self, ballot: &[u8], voter: usize) -> Vec<u8> {
        let text = std::str::from_utf8(ballot).unwrap();
        let unsigned = format!("{}}}", &text[..text.find(",\"signature\":").unwrap()]);
        let hash = base64_digest(unsigned.as_bytes());
        let Proof { challenge, response } =
            proofs::prove_secret(&format!("sig|{hash}|"), &self.voters[voter], &self.dice);
        let proof = format!("{{\"challenge\":\"{challenge}\",\"response\":\"{response}\"}}");
        format!("{},\"signature\":{{\"hash\":\"{hash}\",\"proof\":{proof}}}}}", &unsigned[..unsigned.len() - 1])
            .into_bytes()
    }

    /// Counts what was cast.
    pub(crate) fn close(&mut self) {
        let counted = self.counted();
        let part = |secret| Decryption::of(&self.election, &counted.sum, secret, &self.dice);
        let parts: Vec<Decryption> = self.trustees.iter().map(part).collect();
        let votes = tally::count(&counted.sum, &parts, counted.weight).unwrap();
        self.parts.sum = tally::sum_file(&counted.sum);
        (self.parts.tallied, self.parts.weight) = (counted.ballots, counted.weight);
        self.parts.decryptions = (1..).zip(parts.iter().map(Decryption::file)).collect();
        self.parts.result = Some(tally::result_file(&votes));
    }
}

pub(crate) fn records(bytes: &[u8]) -> Vec<Record> {
    let mut splitter = Splitter::default();
    splitter.push(bytes);
    std::iter::from_fn(|| splitter.next_record().unwrap()).collect()
}
