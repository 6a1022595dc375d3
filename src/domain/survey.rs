//! Surveys: who answers, how often, and what nobody may find out.

use chrono::NaiveDate;

use super::time::Dice;

/// What a study asks its participants or members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Id of the instrument they fill in.
    pub instrument: String,
    /// What can be known of who answered what.
    pub privacy: Privacy,
    /// How somebody shows that they may answer.
    pub access: Access,
    /// How often one person may answer.
    pub responses: Responses,
    /// First day on which answers are taken, in the study's zone; from the beginning if none.
    pub opens: Option<NaiveDate>,
    /// Last day on which answers are taken; to the end if none.
    pub closes: Option<NaiveDate>,
    /// Most responses that count; no more are taken then.
    pub cap: Option<u32>,
    /// Whether all answers are shown once more before they are sent.
    pub review: bool,
    /// Whether an answer may be mended until the survey closes.
    pub edit: bool,
}

impl Survey {
    /// Whether it takes answers on that day, and if not, why.
    pub fn open_on(&self, day: NaiveDate) -> Result<(), Shut> {
        match (self.opens, self.closes) {
            (Some(opens), _) if day < opens => Err(Shut::NotYet(opens)),
            (_, Some(closes)) if day > closes => Err(Shut::Over(closes)),
            _ => Ok(()),
        }
    }
}

/// Why a survey takes no answers on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shut {
    /// Its first day is to come.
    NotYet(NaiveDate),
    /// Its last day is over.
    Over(NaiveDate),
}

/// What can be known of who answered what; the operator with all of the database in hand is meant, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Privacy {
    /// Answers stand with the person.
    Named,
    /// Answers stand without the person; that somebody answered is known.
    Anonymous,
    /// Answers stand without the person, and nobody knows who answered.
    FullyAnonymous,
}

impl Privacy {
    /// Every mode.
    pub const ALL: [Privacy; 3] = [Privacy::Named, Privacy::Anonymous, Privacy::FullyAnonymous];

    /// Name in bundles, pages and tables.
    pub const fn key(self) -> &'static str {
        match self {
            Privacy::Named => "named",
            Privacy::Anonymous => "anonymous",
            Privacy::FullyAnonymous => "fully-anonymous",
        }
    }

    /// Whether a response is kept with whoever gave it.
    pub const fn names(self) -> bool {
        matches!(self, Privacy::Named)
    }
}

/// How somebody shows that they may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// By a temporary credential: a link, or a login with a password.
    Credentials,
    /// By their own account.
    Members,
}

/// How often one person may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Responses {
    /// Once.
    Once,
    /// As often as they are asked or want to: diaries.
    Repeated,
}

/// Random, so that it tells neither order nor time: what rows are named by that must not be joined to persons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub [u8; 16]);

impl Mark {
    /// A new one.
    pub fn new(dice: &dyn Dice) -> Mark {
        let mut bytes = [0; 16];
        dice.fill(&mut bytes);
        Mark(bytes)
    }

    /// In lower-case hexadecimal digits, as pages and exports have it.
    pub fn text(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// The mark of such a text.
    pub fn parse(text: &str) -> Option<Mark> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
        Some(Mark(bytes.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back() {
        let mark = Mark([7; 16]);
        assert_eq!(Mark::parse(&mark.text()), Some(mark));
        for wrong in ["", "07", &"07".repeat(17), &"zz".repeat(16)] {
            assert_eq!(Mark::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_survey_is_open_from_its_first_day_to_its_last() {
        let day = |day| NaiveDate::from_ymd_opt(2026, 12, day).unwrap();
        let survey = Survey {
            instrument: "weekly".into(),
            privacy: Privacy::Named,
            access: Access::Credentials,
            responses: Responses::Once,
            opens: Some(day(2)),
            closes: Some(day(4)),
            cap: None,
            review: false,
            edit: false,
        };
        assert_eq!(survey.open_on(day(1)), Err(Shut::NotYet(day(2))));
        assert_eq!([2, 3, 4].map(|on| survey.open_on(day(on))), [Ok(()); 3]);
        assert_eq!(survey.open_on(day(5)), Err(Shut::Over(day(4))));
    }
}
