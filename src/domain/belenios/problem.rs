//! What may be wrong with an archive, and where.

use std::fmt;

use super::event::EventKind;

/// Where in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The archive as a whole.
    Archive,
    /// The record of that number, counted from 1.
    Record(u64),
    /// The event of that height and what it brings.
    Event(u64, EventKind),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Archive => f.write_str("archive"),
            Place::Record(number) => write!(f, "record {number}"),
            Place::Event(height, kind) => write!(f, "event {height} ({})", kind.name()),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What.
    pub code: Code,
}

/// Makes the codes with their names for programs and their sentences for people.
macro_rules! codes {
    ($($variant:ident $name:literal $text:literal)*) => {
        /// What is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $text] $variant,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            /// Its name, for programs.
            pub fn name(self) -> &'static str {
                match self {
                    $(Code::$variant => $name,)*
                }
            }

            /// What it means, for people.
            pub fn text(self) -> &'static str {
                match self {
                    $(Code::$variant => $text,)*
                }
            }
        }
    };
}

codes! {
    TarHeader "tar-header" "The head of this record is not as the format wants it (name, mode, time or checksum)."
    TarPadding "tar-padding" "There are bytes after this record that belong to nothing."
    TarCut "tar-cut" "The file ends in the middle of a record: it was cut off, or is still being copied."
    TooLarge "too-large" "This record is larger than any honest one."
    Header "header" "The file does not begin as an archive of Belenios does."
    UnknownVersion "unknown-version" "The archive is of a version of the format that is not known here; only version 1 is."
    RecordName "record-name" "This record is neither data nor an event by its name."
    Digest "digest" "The content of this record is not what its name says: it was changed."
    Unreadable "unreadable" "This cannot be read: a field is missing, unknown or of the wrong kind."
    OtherForm "other-form" "This says the right thing in the wrong form: spaces, order or spelling differ from the one form allowed."
    Parent "parent" "This event does not follow the one before it: something was taken out, put in or exchanged."
    Height "height" "This event does not have the number of its place."
    EventOrder "event-order" "An event of this kind cannot stand here."
    PayloadMissing "payload-missing" "The data that this event speaks of are not there."
    PayloadUnexpected "payload-unexpected" "This event brings data, but events of this kind have none."
    UnusedData "unused-data" "There are data that no event speaks of."
    DataTwice "data-twice" "The data of this event were there before."
    UnknownGroup "unknown-group" "The election uses a group that is not known here; only BELENIOS-2048 is."
    Mixnet "mixnet" "The election has a question whose ballots are shuffled and opened; only questions that are added up are checked here."
    Threshold "threshold" "Some trustees of several are enough in this election; only elections in which all trustees take part are checked here."
    Uuid "uuid" "The election's identifier is not one."
    Question "question" "A question is not possible: it has no answers, or asks for fewest more than most, or for more than there are."
    NotAnElement "not-an-element" "This number is not one of the group's."
    OutsideGroup "outside-group" "This number is not one of the group's, though it looks like one: proofs about it prove nothing."
    NotAnExponent "not-an-exponent" "A number in a proof is out of range."
    OpenKey "open-key" "A key is 1: everybody knows its secret."
    NoTrustees "no-trustees" "The election has no trustees."
    TrusteeTwice "trustee-twice" "Two trustees have the same key."
    TrusteeProof "trustee-proof" "A trustee's key is not proved: nobody showed that they have its secret."
    ElectionKey "election-key" "The election's key is not the product of the trustees' keys: somebody else could open the ballots."
    NoCredentials "no-credentials" "Nobody may vote: the list of credentials is empty."
    CredentialTwice "credential-twice" "A credential stands twice on the list."
    Weight "weight" "A credential's weight is not a number, or all together are too many."
    OtherFingerprint "other-fingerprint" "The election is not the one whose fingerprint was given."
    OtherCredentials "other-credentials" "The list of credentials is not the one whose digest was given."
    OtherVoters "other-voters" "The number of credentials is not the number of voters that was given."
    OtherElection "other-election" "The ballot is for another election."
    CredentialUnknown "credential-unknown" "The ballot's credential is not on the list."
    BallotShape "ballot-shape" "The ballot does not fit the questions: answers or proofs are missing, or are too many."
    IndividualProof "individual-proof" "The ballot does not prove that each answer counts once at most."
    OverallProof "overall-proof" "The ballot does not prove that as many answers are chosen as the question allows."
    BlankProof "blank-proof" "The ballot does not prove that it is either blank or has answers."
    SignatureHash "signature-hash" "The ballot was changed after it was signed."
    Signature "signature" "The ballot is not signed by its credential."
    BallotTwice "ballot-twice" "Exactly this ballot was there before: somebody put it in again."
    NumTallied "num-tallied" "The number of ballots counted is not the number of people who voted."
    TotalWeight "total-weight" "The weight counted is not that of the people who voted."
    Tally "tally" "The encrypted sum is not that of the ballots: some were left out, or others were counted."
    OwnerUnknown "owner-unknown" "This partial decryption is of no trustee."
    OwnerTwice "owner-twice" "This trustee decrypted before."
    DecryptionShape "decryption-shape" "The partial decryption does not fit the questions."
    DecryptionProof "decryption-proof" "The partial decryption is not proved to be done with the trustee's key."
    DecryptionMissing "decryption-missing" "There is a result, but not every trustee decrypted."
    ResultShape "result-shape" "The result does not fit the questions."
    Result "result" "The result is not what was decrypted."
    SetupMissing "setup-missing" "The election is not set up: there are no questions, trustees and credentials."
    ResultMissing "result-missing" "There is no result: the archive is not finished."
    NotAppended "not-appended" "The older copy is not the beginning of this archive: something that was published has been changed or taken away."
}

impl Code {
    /// Whether nothing is wrong with it but that this kind of election is not known here.
    pub fn is_not_known_here(self) -> bool {
        matches!(self, Code::UnknownVersion | Code::UnknownGroup | Code::Mixnet | Code::Threshold)
    }

    /// Whether nothing that follows can be made sense of.
    pub(super) fn ends_reading(self) -> bool {
        matches!(self, Code::TarCut | Code::TooLarge | Code::Header | Code::UnknownVersion)
    }
}
