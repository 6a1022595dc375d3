//! Facts of letters to participants: how to get to the form.

use serde::{Deserialize, Serialize};

use super::short;
use crate::domain::credential::{Login, Validity};
use crate::domain::language::Language;
use crate::domain::study::Study;
use crate::domain::survey::{Privacy, Responses};
use crate::domain::time::Instant;

/// Somebody is asked to answer: their way in, until when, and what is kept of whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Heading of the form.
    pub form: String,
    /// Their own link; empty where they get none.
    pub link: String,
    /// What is typed beside the password; empty where they get none.
    pub login: String,
    /// The password, in groups of letters; empty where they get none.
    pub password: String,
    /// Page on which both are typed, or to which an account opens.
    pub sign_in: String,
    /// Page on which a password is chosen; empty where they answer without an account.
    pub account: String,
    /// Not before, in the study's zone; empty if it works already.
    pub from: String,
    /// Not from then on, in the study's zone; empty if it does not expire.
    pub until: String,
    /// For how many days from its sending it works; empty if it says until when, or does not expire.
    pub days: String,
    /// Last day on which answers are taken; empty if there is none.
    pub closes: String,
    /// Whether they may answer more than once.
    pub repeated: bool,
    /// Whether answers stand with the person.
    pub named: bool,
    /// Whether that they answered is known, and on which day, and nothing else.
    pub anonymous: bool,
    /// How many answers are opened together at least, where they stand without the person.
    #[serde(default)]
    pub batch: u32,
    /// Whether they are asked to take part in the study, and a form that comes first decides whether they can.
    #[serde(default)]
    pub joins: bool,
    /// Whether a draw decides then in which group they are.
    #[serde(default)]
    pub by_lot: bool,
    /// Whether they have answered, so that they can look at their answers and change them.
    #[serde(default)]
    pub answered: bool,
    /// Page on which they stop invitations and reminders; empty on paper.
    #[serde(default)]
    pub unsubscribe: String,
}

/// The way in.
#[derive(Clone, Copy, Debug)]
pub struct Invited<'a> {
    /// Their own link.
    pub link: Option<&'a str>,
    /// What is typed beside the password.
    pub login: Option<&'a Login>,
    /// The password, as it is printed.
    pub password: Option<&'a str>,
    /// Page on which both are typed, or to which an account opens.
    pub sign_in: &'a str,
    /// Page on which a password is chosen, for members.
    pub account: Option<&'a str>,
    /// When it is good.
    pub validity: Validity,
    /// For how many days from its sending, where that is to come.
    pub days: Option<u32>,
    /// Whether they are to enroll themself by it.
    pub joins: bool,
    /// Whether it is good for one response, however many the survey takes.
    pub once: bool,
    /// Whether they have answered already, in a survey whose answers can be changed.
    pub answered: bool,
    /// Page on which they stop invitations and reminders; none on paper.
    pub unsubscribe: Option<&'a str>,
    /// When the letter is written.
    pub now: Instant,
}

impl Invitation {
    /// Of a study's survey.
    pub fn new(study: &Study, invited: &Invited<'_>, language: Language) -> Invitation {
        let survey = study.survey.as_ref();
        let form = survey.and_then(|survey| study.find_instrument(&survey.instrument));
        let privacy = survey.map_or(Privacy::Named, |survey| survey.privacy);
        Invitation {
            form: form.map(|form| short(form.title.in_language(language))).unwrap_or_default(),
            link: invited.link.unwrap_or_default().to_string(),
            login: invited.login.map(Login::grouped).unwrap_or_default(),
            password: invited.password.unwrap_or_default().to_string(),
            sign_in: invited.sign_in.to_string(),
            account: invited.account.unwrap_or_default().to_string(),
            from: Some(invited.validity.from)
                .filter(|from| *from > invited.now)
                .map(|from| from.local(study.zone))
                .unwrap_or_default(),
            until: invited.validity.until.map(|until| until.local(study.zone)).unwrap_or_default(),
            days: invited.days.map(|days| days.to_string()).unwrap_or_default(),
            closes: survey.and_then(|survey| survey.closes).map(|day| day.to_string()).unwrap_or_default(),
            repeated: !invited.once && survey.is_some_and(|survey| survey.responses == Responses::Repeated),
            named: privacy == Privacy::Named,
            anonymous: privacy == Privacy::Anonymous,
            batch: survey.map(|survey| survey.batch).unwrap_or_default(),
            joins: invited.joins,
            by_lot: invited.joins && !study.arms.is_empty(),
            answered: invited.answered,
            unsubscribe: invited.unsubscribe.unwrap_or_default().to_string(),
        }
    }

    /// The same with nothing that lets somebody in, or tells whose credential is whose.
    pub fn masked(&self, public_url: &str) -> Invitation {
        let hide = |text: &str, mask: &str| if text.is_empty() { String::new() } else { mask.to_string() };
        Invitation {
            link: hide(&self.link, &format!("{}/a/{MASK}", public_url.trim_end_matches('/'))),
            login: hide(&self.login, MASK),
            password: hide(&self.password, MASK),
            ..self.clone()
        }
    }
}

/// Stands in place of a secret in letters that have left.
pub(super) const MASK: &str = "*****";

/// A fresh link was asked for. The same for everybody: whether the address is on file is not told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkAsked {
    /// Whether nobody may know whose link is whose, so that none can be sent again.
    pub anonymous: bool,
    /// Page that members sign in to, who need no link; empty where there are none.
    pub account: String,
    /// Who was asked to confirm first, where the sender is a group; else empty.
    #[serde(default)]
    pub representative: String,
    /// Whether the survey takes no answers any more, from anybody.
    #[serde(default)]
    pub closed: bool,
}

/// A link was asked for after its end, to the participant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessOver {
    /// Heading of the form.
    pub form: String,
    /// Until when it was good, in the study's zone.
    pub until: String,
}

impl AccessOver {
    /// Of a study's survey, good until then.
    pub fn new(study: &Study, until: Instant, language: Language) -> AccessOver {
        let form = study.survey.as_ref().and_then(|survey| study.find_instrument(&survey.instrument));
        AccessOver {
            form: form.map(|form| short(form.title.in_language(language))).unwrap_or_default(),
            until: until.local(study.zone),
        }
    }
}

/// The same, to those in charge, who can prolong it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessOverNotice {
    /// Number of the participant.
    pub participant: String,
    /// Until when it was good, in the study's zone.
    pub until: String,
    /// When they asked, in the study's zone.
    pub asked_at: String,
}
