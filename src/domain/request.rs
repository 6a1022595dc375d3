//! What a person can ask for, whichever way it came in (mail, page, command): a closed list.

use super::answer::{Form, Line};
use super::deed::Wanted;
use super::language::Language;
use super::openpgp::Fault;

/// One request of one person to one study.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Study's slug.
    pub study: String,
    /// Id of the person who asks; already authenticated as the study demands. Empty for whoever is none of the staff.
    pub person: String,
    /// Language to answer in.
    pub language: Language,
    /// What they ask for.
    pub act: Act,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Enroll a subject (and allocate, where the study randomizes). The form may still have faults: then it is refused.
    Enroll(Form),
    /// A blank registration form.
    BlankForm,
    /// What became of a subject, by the site's reference or our number; without one, of their latest.
    Status(Option<String>),
    /// How many subjects each arm has.
    Balance,
    /// How to write to us.
    Help,
    /// Randomize a subject who is enrolled once more. It may still lack something, or its form have faults.
    Randomize(Randomize),
    /// A form of an event of a subject's course, filled in or wished for. It may still lack something, or have faults.
    FollowUp(FollowUp),
    /// A participant asks for a fresh link; whether they are one is not known yet.
    Link,
    /// A voter asks for a link to vote; whether they are one is not known yet.
    Credential,
    /// A mail that brings a vote, which is not taken.
    VoteByMail,
    /// A participant asks to take part no more; whether they are one is not known yet.
    Leave,
    /// Somebody wants no more invitations and reminders, or wants them again; whether they are a participant is not known yet.
    Letters(Letters),
    /// The blank form of a survey.
    SurveyForm,
    /// Answers to a survey. They may still have faults: then they are refused.
    Respond(Form),
    /// An act about one subject. It may still lack something: then a form is sent.
    Deed(Wanted),
    /// The reply to a one-time token: go on with what was asked before.
    Confirm(String),
    /// A reply to a one-time token that says no plain yes: nothing is done, and the token stays good.
    Unconfirmed(String),
    /// Something that is not done, because the mail is not sealed as the study demands, or cannot be opened.
    Unsealed(Vec<Fault>),
}

/// Invitations and reminders that somebody wants no more, or wants again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    /// Whether they want them again.
    pub again: bool,
    /// Name of the page that does the same, as it stood in the address that was written to: its code is not checked yet.
    pub page: Option<String>,
    /// Key of why it is not believed who wrote, where it is not; then the page's name alone acts.
    pub doubt: Option<&'static str>,
    /// Whether a program wrote for them: then nobody is answered (RFC 3834).
    pub automatic: bool,
}

/// A request to randomize a subject who is enrolled once more: texts as typed, without control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Randomize {
    /// Id of the randomization; none where it cannot be told which of several is meant.
    pub randomization: Option<String>,
    /// Our subject number, or the site's own reference; empty where none was named.
    pub subject: String,
    /// The site that the reference belongs to, if it was named.
    pub site: Option<String>,
    /// The form as filled in; nothing is typed in it where it is only asked for.
    pub form: Form,
    /// Id of the randomization whose form that is, where it cannot be told which is meant: what was typed fits it best.
    pub fits: Option<String>,
}

/// A form of an event of a subject's course: texts as typed, without control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FollowUp {
    /// Id of the event; none where it cannot be told which of several is meant.
    pub event: Option<String>,
    /// Id of the form: the one that is meant, or where that cannot be told the one that what was typed fits best.
    pub instrument: Option<String>,
    /// Whether the form is only the one that fits best.
    pub fits: bool,
    /// Our subject number, or the site's own reference; empty where none was named.
    pub subject: String,
    /// The site that the reference belongs to, if it was named.
    pub site: Option<String>,
    /// The lines that are for the form; none where it is only asked for.
    pub lines: Vec<Line>,
    /// The form as those lines tell it by themselves: what goes with earlier events is not looked at yet.
    pub form: Form,
    /// Why what is on file is corrected; empty if nothing is.
    pub reason: String,
    /// What was named as the event, and is none of the study.
    pub which: String,
}

impl Act {
    /// Name in logs, audit entries and metrics.
    pub const fn key(&self) -> &'static str {
        match self {
            Act::Enroll(_) => "enroll",
            Act::BlankForm => "form",
            Act::Status(_) => "status",
            Act::Balance => "balance",
            Act::Help => "help",
            Act::Randomize(_) => "randomize",
            Act::FollowUp(_) => "follow-up",
            Act::Link => "link",
            Act::Credential => "credential",
            Act::VoteByMail => "vote-by-mail",
            Act::Leave => "leave",
            Act::Letters(Letters { again: false, .. }) => "unsubscribe",
            Act::Letters(Letters { again: true, .. }) => "subscribe",
            Act::SurveyForm => "survey-form",
            Act::Respond(_) => "respond",
            Act::Deed(wanted) => wanted.deed.key(),
            Act::Confirm(_) => "confirm",
            Act::Unconfirmed(_) => "unconfirmed",
            Act::Unsealed(_) => "unsealed",
        }
    }

    /// Whether it enrolls or acts, and not only asks to be told or sent something: then a study may demand that it comes signed or
    /// encrypted. What participants answer about themselves is theirs.
    pub const fn acts(&self) -> bool {
        match self {
            Act::Enroll(_) | Act::Randomize(_) | Act::FollowUp(_) | Act::Deed(_) => true,
            Act::Confirm(_) | Act::Unconfirmed(_) | Act::Unsealed(_) => true,
            Act::BlankForm | Act::Status(_) | Act::Balance | Act::Help | Act::Link | Act::Leave => false,
            Act::SurveyForm | Act::Respond(_) | Act::Letters(_) | Act::Credential | Act::VoteByMail => false,
        }
    }
}
