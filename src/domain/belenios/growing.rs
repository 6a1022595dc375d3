//! An archive that was checked and grows: every step is checked as everybody else will check it, before anything is written.
//!
//! In charge of which step may be taken when, and of the bytes that are to be appended for it; whoever calls appends them, all or none.

use super::archive::{Archive, Tip};
use super::audit::{Audit, Setup, Stage};
use super::ballot::Numbers;
use super::element::Element;
use super::json::{self, base64_digest, hex_digest};
use super::problem::Code;
use super::tally::{self, Decryption, Owned, Votes};
use super::tar::Splitter;
use super::trustee_key::TrusteeKey;
use crate::domain::time::Dice;
use crate::limits;

/// An archive in which nothing is wrong.
pub struct Growing {
    audit: Audit,
}

/// Why a step cannot be taken. Nothing was changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepFault {
    /// Votes are taken still.
    #[error("votes are taken still, and nothing is added up before the archive is closed")]
    NotClosed,
    /// No votes are taken any more.
    #[error("the archive is closed: no votes are taken any more")]
    Closed,
    /// There is a result.
    #[error("the result is there already")]
    Finished,
    /// It is not a trustee's key.
    #[error("the key is of no trustee of this election")]
    NoTrustee,
    /// Their part is there.
    #[error("trustee {0} decrypted before, and the archive has that part")]
    There(u64),
    /// It is not right.
    #[error("{} [{}]", .0.text(), .0.name())]
    Wrong(Code),
}

/// A ballot that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cast {
    /// What is to be appended.
    pub bytes: Vec<u8>,
    /// By what its voter finds it.
    pub tracker: String,
    /// Whether an earlier ballot of the same credential counts no more.
    pub replaces: bool,
}

/// A trustee's part, on its way to the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Whose it is, counted from 1.
    pub owner: u64,
    /// Its file: the part, and below it how it is announced.
    pub file: Vec<u8>,
    /// Digest of the encrypted sum that it opens.
    pub sum: String,
}

/// A trustee's part that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decrypted {
    /// What is to be appended.
    pub bytes: Vec<u8>,
    /// Whose it is, counted from 1.
    pub owner: u64,
    /// Trustees whose parts are missing.
    pub missing: Vec<u64>,
    /// The result, if none is.
    pub votes: Option<Votes>,
}

impl Growing {
    /// Goes on from a check that read the whole archive.
    ///
    /// # Errors
    /// The check itself where something is wrong, missing or not looked at yet.
    pub fn of(audit: Audit) -> Result<Growing, Box<Audit>> {
        let whole = audit.problems().is_empty() && audit.setup().is_some() && audit.tip().is_some();
        if whole { Ok(Growing { audit }) } else { Err(Box::new(audit)) }
    }

    /// How far the election has come.
    pub fn stage(&self) -> Stage {
        self.audit.stage()
    }

    /// What ballots are checked against.
    pub fn setup(&self) -> &Setup {
        self.audit.setup().expect("looked at when it was made")
    }

    /// The ballots that count so far, and the weight of those who cast them.
    pub fn counted(&self) -> (u64, u64) {
        self.audit.counted().map_or((0, 0), |counted| (counted.ballots, counted.weight))
    }

    fn tip(&self) -> Tip {
        self.audit.tip().expect("every step is settled")
    }

    /// Goes through what a step appends, as everybody will.
    fn follow(&mut self, bytes: &[u8]) -> Result<(), StepFault> {
        let mut splitter = Splitter::default();
        splitter.push(bytes);
        while let Some(record) = splitter.next_record().map_err(StepFault::Wrong)? {
            self.audit.take(record);
        }
        match self.audit.problems().first() {
            None => Ok(()),
            Some(problem) => Err(StepFault::Wrong(problem.code)),
        }
    }

    /// Takes a ballot.
    ///
    /// # Errors
    /// Votes are taken no more, the ballot does not hold, or it was there before.
    pub fn add_ballot(&mut self, ballot: &[u8]) -> Result<Cast, StepFault> {
        if self.stage() != Stage::Voting {
            return Err(StepFault::Closed);
        }
        if ballot.len() > limits::BEL_BALLOT_BYTES {
            return Err(StepFault::Wrong(Code::TooLarge));
        }
        if self.audit.has(&hex_digest(ballot)) {
            return Err(StepFault::Wrong(Code::BallotTwice));
        }
        let outcome = self.setup().check_ballot(ballot);
        let own = outcome.ballot().map_err(StepFault::Wrong)?;
        let replaces = own.is_some_and(|own| self.audit.has_voted(own.credential));
        let mut archive = Archive::after(self.tip());
        archive.add_ballot(ballot);
        self.follow(archive.bytes())?;
        self.audit.settle(vec![outcome]);
        Ok(Cast { bytes: archive.bytes().to_vec(), tracker: base64_digest(ballot), replaces })
    }

    /// Ends the voting, and adds up; what is to be appended.
    ///
    /// # Errors
    /// Voting ended before.
    pub fn close(&mut self) -> Result<Vec<u8>, StepFault> {
        let ends = match self.stage() {
            Stage::Voting => true,
            // Others may have ended it and stopped there.
            Stage::Ended => false,
            _ => return Err(StepFault::Closed),
        };
        let counted = self.audit.counted().expect("the election is set up");
        let mut archive = Archive::after(self.tip());
        if ends {
            archive.end_ballots();
        }
        archive.add_tally(&tally::sum_file(&counted.sum), counted.ballots, counted.weight);
        self.follow(archive.bytes())?;
        Ok(archive.bytes().to_vec())
    }

    /// Whether a sum waits to be opened.
    fn must_be_tallied(&self) -> Result<(), StepFault> {
        match self.stage() {
            Stage::Tallied => Ok(()),
            Stage::Finished => Err(StepFault::Finished),
            Stage::Nothing | Stage::Voting | Stage::Ended => Err(StepFault::NotClosed),
        }
    }

    /// Which trustee has that key, counted from 1.
    pub fn owner(&self, key: &Element) -> Option<u64> {
        (1..).zip(&self.setup().trustees).find(|(_, trustee)| trustee.key == *key).map(|(owner, _)| owner)
    }

    fn has_part(&self, owner: u64) -> bool {
        (1..).zip(self.audit.parts()).any(|(own, part)| own == owner && part.is_some())
    }

    /// Makes the part of a trustee: of the sum that was checked here, and of nothing else.
    ///
    /// # Errors
    /// There is no sum to open, or it is not that trustee's turn.
    pub fn decrypt(&self, key: &TrusteeKey, dice: &dyn Dice) -> Result<Part, StepFault> {
        self.must_be_tallied()?;
        let owner = self.owner(key.public()).ok_or(StepFault::NoTrustee)?;
        if self.has_part(owner) {
            return Err(StepFault::There(owner));
        }
        let counted = self.audit.counted().expect("the election is set up");
        let part = Decryption::of(&self.setup().election, &counted.sum, key.secret().exponent(), dice).file();
        let owned = Owned { owner, payload: hex_digest(&part).into() };
        let file = [&part[..], b"\n", &json::write(&owned), b"\n"].concat();
        Ok(Part { owner, file, sum: hex_digest(&tally::sum_file(&counted.sum)) })
    }

    /// Takes a trustee's part, whose it is being found out by its proofs, and with the last one the result.
    ///
    /// # Errors
    /// There is no sum to open, the part is there already or of nobody, or it does not hold.
    pub fn add_decryption(&mut self, file: &[u8]) -> Result<Decrypted, StepFault> {
        self.must_be_tallied()?;
        // How it is announced, below it, is written anew.
        let part = file.trim_ascii().split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
        let counted = self.audit.counted().expect("the election is set up");
        let owner = self.owner_of(part, &counted.sum).map_err(StepFault::Wrong)?;
        if self.has_part(owner) {
            return Err(StepFault::There(owner));
        }
        let mut archive = Archive::after(self.tip());
        archive.add_decryption(owner, part);
        let mut bytes = archive.bytes().to_vec();
        self.follow(&bytes)?;
        let parts: Option<Vec<Decryption>> = self.audit.parts().iter().cloned().collect();
        let Some(parts) = parts else {
            let missing = (1..).zip(self.audit.parts()).filter(|(_, part)| part.is_none()).map(|(owner, _)| owner);
            return Ok(Decrypted { bytes, owner, missing: missing.collect(), votes: None });
        };
        let votes = tally::count(&counted.sum, &parts, counted.weight).ok_or(StepFault::Wrong(Code::Result))?;
        let mut archive = Archive::after(self.tip());
        archive.add_result(&tally::result_file(&votes));
        self.follow(archive.bytes())?;
        bytes.extend(archive.bytes());
        Ok(Decrypted { bytes, owner, missing: Vec::new(), votes: Some(votes) })
    }

    /// Whose key a part was made with.
    fn owner_of(&self, part: &[u8], sum: &Numbers) -> Result<u64, Code> {
        let setup = self.setup();
        for (owner, trustee) in (1..).zip(&setup.trustees) {
            match Decryption::read(part, &setup.election, sum, &trustee.key) {
                Ok(_) => return Ok(owner),
                // Another trustee's, perhaps.
                Err(Code::DecryptionProof) => {}
                Err(code) => return Err(code),
            }
        }
        Err(Code::DecryptionProof)
    }
}
