//! Why a mail was not simply accepted: keys for `--json`, logs, metrics and templates, never sentences.

/// A reason; its disposition is decided in [`read()`](super::read()).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The whole mail exceeds `limits::MAIL_BYTES`.
    MailSize,
    /// The header block, or one field, is too large.
    HeaderSize,
    /// Too many header fields.
    HeaderCount,
    /// Too many `Received` fields: the mail loops.
    Hops,
    /// A body line is too long.
    LineSize,
    /// Too many MIME parts.
    MimeParts,
    /// MIME parts nested too deeply.
    MimeDepth,
    /// Two readers could disagree about the structure (doubled fields, boundary tricks, stray carriage returns).
    AmbiguousStructure,
    /// The alternatives of one mail say different things.
    TwinsDiffer,
    /// A fragment of a mail (RFC 2046 section 5.2.2).
    Partial,
    /// A body that lies elsewhere (RFC 2046 section 5.2.3).
    ExternalBody,
    /// A transfer encoding that does not decode.
    CteBroken,
    /// A transfer encoding nobody registered.
    CteUnknown,
    /// The mail ends with its header block.
    NoBody,
    /// More text than is read.
    TextSize,
    /// More `key: value` lines than are read.
    KeyCount,
    /// No `From` field.
    NoFrom,
    /// Two `From` fields or two mailboxes in one.
    MultipleFrom,
    /// A `From` field that is no address.
    FromSyntax,
    /// Our border said nothing of the sender.
    AuthNone,
    /// Our border could not confirm the sender.
    AuthFail,
    /// A `Date` so old that the mail is a replay.
    StaleDate,
    /// A `Date` in the future.
    FutureDate,
    /// No `Date`, or none that can be read.
    NoDate,
    /// The sender is authenticated but nobody of the study.
    UnknownSender,
    /// No study, or no single one, can be told from address and subject.
    UnknownStudy,
    /// Two studies are called so, and the address does not say which is meant.
    SharedName,
    /// The sender's own words speak of something else than enrolling, beside data that would enroll.
    OtherRequest,
    /// An earlier mail has the same Message-ID and other content.
    MessageIdReused,
    /// The reader itself failed on this mail.
    Panic,
    /// Our own mail came back.
    OwnMail,
    /// A read receipt (RFC 8098).
    Mdn,
    /// A complaint (RFC 5965).
    FeedbackReport,
    /// A report of another kind (RFC 6522).
    Report,
    /// `Auto-Submitted` (RFC 3834 section 5).
    AutoSubmitted,
    /// A mailing list (RFC 2919, RFC 2369).
    List,
    /// `Precedence: bulk`, `junk` and the like.
    Precedence,
    /// `X-Autoreply`, `X-Autoresponder` and their kin.
    AutoResponse,
    /// The envelope sender is null.
    NullSender,
    /// A sender that is a program: `mailer-daemon`, `noreply`.
    AutomaticSender,
    /// A subject that only programs write.
    AutomaticSubject,
    /// Only a `winmail.dat` (TNEF), which is never opened.
    Tnef,
    /// Encrypted content, which cannot be read.
    Encrypted,
}

impl Reason {
    /// Key in `--json`, logs and templates.
    pub const fn key(self) -> &'static str {
        match self {
            Reason::MailSize => "mail-size",
            Reason::HeaderSize => "header-size",
            Reason::HeaderCount => "header-count",
            Reason::Hops => "hops",
            Reason::LineSize => "line-size",
            Reason::MimeParts => "mime-parts",
            Reason::MimeDepth => "mime-depth",
            Reason::AmbiguousStructure => "ambiguous-structure",
            Reason::TwinsDiffer => "twins-differ",
            Reason::Partial => "partial",
            Reason::ExternalBody => "external-body",
            Reason::CteBroken => "cte-broken",
            Reason::CteUnknown => "cte-unknown",
            Reason::NoBody => "no-body",
            Reason::TextSize => "text-size",
            Reason::KeyCount => "key-count",
            Reason::NoFrom => "no-from",
            Reason::MultipleFrom => "multiple-from",
            Reason::FromSyntax => "from-syntax",
            Reason::AuthNone => "auth-none",
            Reason::AuthFail => "auth-fail",
            Reason::StaleDate => "stale-date",
            Reason::FutureDate => "future-date",
            Reason::NoDate => "no-date",
            Reason::UnknownSender => "unknown-sender",
            Reason::UnknownStudy => "unknown-study",
            Reason::SharedName => "shared-name",
            Reason::OtherRequest => "other-request",
            Reason::MessageIdReused => "message-id-reused",
            Reason::Panic => "panic",
            Reason::OwnMail => "own-mail",
            Reason::Mdn => "mdn",
            Reason::FeedbackReport => "feedback-report",
            Reason::Report => "report",
            Reason::AutoSubmitted => "auto-submitted",
            Reason::List => "list",
            Reason::Precedence => "precedence",
            Reason::AutoResponse => "auto-response",
            Reason::NullSender => "null-sender",
            Reason::AutomaticSender => "automatic-sender",
            Reason::AutomaticSubject => "automatic-subject",
            Reason::Tnef => "tnef",
            Reason::Encrypted => "encrypted",
        }
    }
}
