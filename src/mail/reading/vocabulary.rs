//! The words that requests, replies, automatic answers and delivery reports are recognized by: data in
//! `templates/words/<language>.toml`. To add a language, add its file and one line here.

use std::sync::LazyLock;

use regex::{RegexSet, RegexSetBuilder};
use serde::Deserialize;

use crate::domain::deed::Deed;
use crate::domain::text;

/// The files, one a language.
const FILES: [&str; 2] =
    [include_str!("../../../templates/words/en.toml"), include_str!("../../../templates/words/ja.toml")];

/// What a word in a subject asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// An act about one subject.
    Deed(Deed),
    /// A blank form.
    Form,
    /// What became of a subject.
    Status,
    /// How many subjects each arm has.
    Balance,
    /// How to write to us.
    Help,
    /// A link to a page.
    Link,
    /// No more invitations and reminders.
    Unsubscribe,
    /// Invitations and reminders again.
    Subscribe,
    /// To enroll a subject.
    Enroll,
    /// A form of an event of a subject's course.
    FollowUp,
    /// To randomize: a subject who is enrolled once more, where the study does that; else to enroll.
    Randomize,
}

/// What a word in a subject asks for where an election is held. In other studies such words mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voting {
    /// A link to vote.
    Credential,
    /// To vote, which is not done by mail.
    Vote,
}

impl Wish {
    /// Whether data of a subject come with it.
    pub(super) fn brings_data(self) -> bool {
        matches!(self, Wish::Enroll | Wish::Randomize | Wish::FollowUp)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    request: Request,
    election: ElectionWords,
    deed: DeedWords,
    follow_up: FollowUpWords,
    registration: RegistrationWords,
    reply: Reply,
    veto: Veto,
    subject: Subject,
    bounce: Bounce,
    quote: Quote,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    form: Vec<String>,
    status: Vec<String>,
    balance: Vec<String>,
    help: Vec<String>,
    link: Vec<String>,
    unsubscribe: Vec<String>,
    subscribe: Vec<String>,
    enroll: Vec<String>,
    randomize: Vec<String>,
    follow_up: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ElectionWords {
    credential: Vec<String>,
    vote: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FollowUpWords {
    event: Vec<String>,
    form: Vec<String>,
    reason: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeedWords {
    unblind: Vec<String>,
    withdraw: Vec<String>,
    correct: Vec<String>,
    replace_kit: Vec<String>,
    quarantine_kit: Vec<String>,
    in_error: Vec<String>,
    ineligible: Vec<String>,
    randomization: Vec<String>,
    registration: Vec<String>,
    subject: Vec<String>,
    kit: Vec<String>,
    reason: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegistrationWords {
    rescreening: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    confirm: Vec<String>,
    but: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Veto {
    veto: Vec<String>,
    subject: Vec<String>,
    other_request: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    prefixes: Vec<String>,
    automatic: Vec<String>,
    bounce: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounce {
    delayed: Vec<String>,
    unknown: Vec<String>,
    full: Vec<String>,
    original: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quote {
    original: Vec<String>,
    attribution: Vec<String>,
    footers: Vec<String>,
    from: Vec<String>,
    others: Vec<String>,
}

/// Every language's words together, folded.
#[derive(Debug, Default)]
pub struct Vocabulary {
    /// Request words with what they ask for; more specific wishes first.
    pub wishes: Vec<(String, Wish)>,
    /// What voters ask for; what is more specific first.
    pub votings: Vec<(String, Voting)>,
    /// Keys of the subject that an act is about, without blanks.
    pub deed_subjects: Vec<String>,
    /// Keys of which of several randomizations is meant, without blanks.
    pub deed_randomizations: Vec<String>,
    /// What stands for the registration in place of a further randomization, without blanks.
    pub deed_registrations: Vec<String>,
    /// Keys of the kits that an act is about, without blanks.
    pub deed_kits: Vec<String>,
    /// Keys of the reason of such an act, without blanks.
    pub deed_reasons: Vec<String>,
    /// Keys of the event that a form is of, without blanks.
    pub events: Vec<String>,
    /// Keys of which of an event's forms is meant, without blanks.
    pub event_forms: Vec<String>,
    /// Keys of why a form of an event that is on file is corrected, without blanks.
    pub correction_reasons: Vec<String>,
    /// Keys of the earlier subject that is screened again, without blanks.
    pub rescreenings: Vec<String>,
    /// What a plain yes is.
    pub confirms: Vec<String>,
    /// What takes a yes back.
    pub buts: Vec<String>,
    /// What speaks against enrolling, wherever it stands.
    pub vetoes: Vec<String>,
    /// What speaks against enrolling in a subject.
    pub subject_vetoes: Vec<String>,
    /// What asks for something else in a subject that does not ask to enroll.
    pub other_requests: Vec<String>,
    /// `re`, `fw`, `返信` before a colon.
    pub prefixes: Vec<String>,
    /// How the subjects of automatic answers begin.
    pub automatic: Vec<String>,
    /// How the subjects of delivery reports begin.
    pub bounces: Vec<String>,
    /// What a report of a mere delay says.
    pub delayed: Vec<String>,
    /// What says that there is no such recipient.
    pub unknown_user: Vec<String>,
    /// What says that a mailbox is full.
    pub full_mailbox: Vec<String>,
    /// What stands before the copy of the mail that was not delivered.
    pub original_copy: Vec<String>,
    /// Lines below which another mail follows.
    pub originals: RegexSet,
    /// Lines that introduce a quotation.
    pub attributions: RegexSet,
    /// Lines that phones and programs add.
    pub footers: RegexSet,
    /// Key of the sender in a quoted header block.
    pub header_from: Vec<String>,
    /// The other keys of such a block.
    pub header_others: Vec<String>,
}

/// The words of all languages, read once.
pub fn vocabulary() -> &'static Vocabulary {
    static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
        let files = FILES.map(|file| toml::from_str(file).expect("a test reads every word file"));
        Vocabulary::new(&files)
    });
    &VOCABULARY
}

impl Vocabulary {
    fn new(files: &[File]) -> Vocabulary {
        let mut words = Vocabulary::default();
        for file in files {
            words.deed_subjects.extend(file.deed.subject.iter().map(|word| text::fold_tight(word)));
            let own = file.deed.randomization.iter().map(|word| text::fold_tight(word));
            words.deed_randomizations.extend(own);
            words.deed_registrations.extend(file.deed.registration.iter().map(|word| text::fold_tight(word)));
            words.deed_kits.extend(file.deed.kit.iter().map(|word| text::fold_tight(word)));
            words.deed_reasons.extend(file.deed.reason.iter().map(|word| text::fold_tight(word)));
            words.events.extend(file.follow_up.event.iter().map(|word| text::fold_tight(word)));
            words.event_forms.extend(file.follow_up.form.iter().map(|word| text::fold_tight(word)));
            words.correction_reasons.extend(file.follow_up.reason.iter().map(|word| text::fold_tight(word)));
            words.rescreenings.extend(file.registration.rescreening.iter().map(|word| text::fold_tight(word)));
            words.confirms.extend(folded(&file.reply.confirm));
            words.buts.extend(folded(&file.reply.but));
            words.vetoes.extend(folded(&file.veto.veto));
            words.subject_vetoes.extend(folded(&file.veto.subject));
            words.other_requests.extend(folded(&file.veto.other_request));
            words.prefixes.extend(folded(&file.subject.prefixes));
            words.automatic.extend(folded(&file.subject.automatic));
            words.bounces.extend(folded(&file.subject.bounce));
            words.delayed.extend(folded(&file.bounce.delayed));
            words.unknown_user.extend(folded(&file.bounce.unknown));
            words.full_mailbox.extend(folded(&file.bounce.full));
            words.original_copy.extend(folded(&file.bounce.original));
            words.header_from.extend(folded(&file.quote.from));
            words.header_others.extend(folded(&file.quote.others));
        }
        for voting in [Voting::Credential, Voting::Vote] {
            for file in files {
                let list = match voting {
                    Voting::Credential => &file.election.credential,
                    Voting::Vote => &file.election.vote,
                };
                words.votings.extend(folded(list).map(|word| (word, voting)));
            }
        }
        let quotes = |list: fn(&Quote) -> &[String]| patterns(files.iter().flat_map(move |file| list(&file.quote)));
        words.originals = quotes(|quote| &quote.original);
        words.attributions = quotes(|quote| &quote.attribution);
        words.footers = quotes(|quote| &quote.footers);
        let requests = [
            Wish::Unsubscribe,
            Wish::Subscribe,
            Wish::Balance,
            Wish::Form,
            Wish::Status,
            Wish::Help,
            Wish::Link,
            Wish::Enroll,
            Wish::Randomize,
            Wish::FollowUp,
        ];
        for wish in Deed::ALL.map(Wish::Deed).into_iter().chain(requests) {
            for file in files {
                let list = match wish {
                    Wish::Deed(Deed::Unblind) => &file.deed.unblind,
                    Wish::Deed(Deed::Withdraw) => &file.deed.withdraw,
                    Wish::Deed(Deed::Correct) => &file.deed.correct,
                    Wish::Deed(Deed::ReplaceKit) => &file.deed.replace_kit,
                    Wish::Deed(Deed::QuarantineKit) => &file.deed.quarantine_kit,
                    Wish::Deed(Deed::InError) => &file.deed.in_error,
                    Wish::Deed(Deed::Ineligible) => &file.deed.ineligible,
                    Wish::Form => &file.request.form,
                    Wish::Status => &file.request.status,
                    Wish::Balance => &file.request.balance,
                    Wish::Help => &file.request.help,
                    Wish::Link => &file.request.link,
                    Wish::Unsubscribe => &file.request.unsubscribe,
                    Wish::Subscribe => &file.request.subscribe,
                    Wish::Enroll => &file.request.enroll,
                    Wish::Randomize => &file.request.randomize,
                    Wish::FollowUp => &file.request.follow_up,
                };
                words.wishes.extend(folded(list).map(|word| (word, wish)));
            }
        }
        words
    }
}

fn folded(list: &[String]) -> impl Iterator<Item = String> {
    list.iter().map(|word| text::fold(word))
}

/// Patterns are matched against lines after [`text::fold_width`], whatever their case.
fn patterns<'a>(list: impl Iterator<Item = &'a String>) -> RegexSet {
    RegexSetBuilder::new(list.map(|pattern| format!("^(?:{pattern})$")))
        .case_insensitive(true)
        .build()
        .expect("a test compiles every pattern")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_read() {
        let words = vocabulary();
        assert!(words.wishes.contains(&(text::fold("用紙"), Wish::Form)));
        assert!(words.wishes.contains(&("randomize".into(), Wish::Randomize)));
        assert!(words.originals.is_match("----- 元のメッセージ -----"));
        assert!(words.footers.is_match("iPhoneから送信"));
        assert!(words.attributions.is_match("On Fri, 20 Nov 2026, X <x@y.org> wrote:"));
    }
}
