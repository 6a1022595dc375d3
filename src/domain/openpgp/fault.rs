//! Why a mail is not taken as sealed by its sender: a closed list, worded by the templates.

/// Why a mail does not meet what its study demands, or cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It came in the clear.
    NotEncrypted,
    /// It bears no signature over the whole of its text.
    NotSigned,
    /// No key of the sender is on file.
    NoKey,
    /// Another key signed it than the sender's on file.
    OtherKey,
    /// What was signed is not what came, or the signature cannot be read.
    BrokenSignature,
    /// The sender's key on file has expired.
    ExpiredKey,
    /// The sender's key on file was revoked.
    RevokedKey,
    /// The signature is made by an algorithm that proves nothing any more.
    WeakSignature,
    /// It was signed so long ago, or so far ahead, that somebody may be sending it again.
    OldSignature,
    /// What is asked for is told by a subject line that nobody signed, and by nothing that was signed.
    SubjectUnsigned,
    /// It was encrypted, and not to our key.
    NotToUs,
    /// It is damaged or was changed on its way.
    Unreadable,
    /// What is in it is larger than a mail may be.
    TooLarge,
    /// It is packed into more layers, keys or signatures than are looked at.
    TooMuch,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Fault; 14] = [
        Fault::NotEncrypted,
        Fault::NotSigned,
        Fault::NoKey,
        Fault::OtherKey,
        Fault::BrokenSignature,
        Fault::ExpiredKey,
        Fault::RevokedKey,
        Fault::WeakSignature,
        Fault::OldSignature,
        Fault::SubjectUnsigned,
        Fault::NotToUs,
        Fault::Unreadable,
        Fault::TooLarge,
        Fault::TooMuch,
    ];

    /// Key in templates (`seal-<key>`), `--json` and metrics.
    pub const fn key(self) -> &'static str {
        match self {
            Fault::NotEncrypted => "not-encrypted",
            Fault::NotSigned => "not-signed",
            Fault::NoKey => "no-key",
            Fault::OtherKey => "other-key",
            Fault::BrokenSignature => "broken-signature",
            Fault::ExpiredKey => "expired-key",
            Fault::RevokedKey => "revoked-key",
            Fault::WeakSignature => "weak-signature",
            Fault::OldSignature => "old-signature",
            Fault::SubjectUnsigned => "subject-unsigned",
            Fault::NotToUs => "not-to-us",
            Fault::Unreadable => "unreadable",
            Fault::TooLarge => "too-large",
            Fault::TooMuch => "too-much",
        }
    }

    /// Whether the sender needs our own key to mend it.
    pub const fn needs_our_key(self) -> bool {
        matches!(self, Fault::NotEncrypted | Fault::NotToUs)
    }
}
