//! Surveys: who answers, how often, and what nobody may find out.

use chrono::{Days, NaiveDate};

use super::instrument::{Choices, Instrument, ItemKind};
use super::time::Dice;
use crate::limits;

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
    /// Where one person answers repeatedly: how many days after a response the next is taken; 0 where any is.
    pub interval_days: u32,
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
    /// Where answers stand without the person: how many are opened together at least.
    pub batch: u32,
    /// Whether whoever answers enrolls themself first, by the form of the registration.
    pub enrolls: bool,
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

    /// The first day on which somebody may answer who answered last on that day; none if they may at once.
    pub fn next_after(&self, last: NaiveDate) -> Option<NaiveDate> {
        let apart = self.responses == Responses::Repeated && self.interval_days > 0;
        apart.then(|| last.checked_add_days(Days::new(self.interval_days.into()))).flatten()
    }

    /// How many of so many sealed responses are opened now. Never fewer than a batch; and unless the survey is `over`, a batch is left
    /// behind, so that the last of all is none of two or three. Of fewer than a batch in all none is ever opened.
    pub fn opens_now(&self, sealed: usize, over: bool) -> usize {
        let batch = usize::try_from(self.batch).unwrap_or(usize::MAX).max(1);
        let may = match over {
            true if sealed <= limits::URN_OPENED => sealed,
            _ => sealed.saturating_sub(batch).min(limits::URN_OPENED),
        };
        if may >= batch { may } else { 0 }
    }

    /// Room for the sealed answers to an instrument, in bytes: what the longest take, so that each takes the same; where free text may be
    /// longer than [`limits::SEALED_BYTES_MOST`] lets it, that.
    pub fn sealed_bytes(instrument: &Instrument) -> usize {
        let longest = |kind: &ItemKind| match kind {
            ItemKind::Text { .. } | ItemKind::Note | ItemKind::File(_) | ItemKind::Calculation(_) => {
                limits::SEALED_BYTES_MOST
            }
            ItemKind::Choices(Choices::Listed(listed)) => listed.iter().map(|one| one.code.len() * 6 + 1).sum(),
            ItemKind::Choices(Choices::Sites) => limits::SEALED_BYTES_MOST,
            ItemKind::Choice(Choices::Listed(listed)) => {
                listed.iter().map(|one| one.code.len() * 6).max().unwrap_or_default()
            }
            ItemKind::Choice(Choices::Sites) => limits::NAME_CHARS * 6,
            // Numbers and moments; see `limits::NUMBER_DIGITS`.
            _ => 2 * limits::NUMBER_CHARS,
        };
        // Quotes, colon and comma.
        let item = |item: &super::instrument::Item| item.id.len() + longest(&item.kind) + 6;
        let whole: usize = instrument.items.iter().map(item).fold(8, usize::saturating_add);
        whole.clamp(limits::SEALED_BYTES_LEAST, limits::SEALED_BYTES_MOST).next_power_of_two()
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

    fn survey() -> Survey {
        Survey {
            instrument: "weekly".into(),
            privacy: Privacy::Named,
            access: Access::Credentials,
            responses: Responses::Once,
            interval_days: 0,
            opens: None,
            closes: None,
            cap: None,
            review: false,
            edit: false,
            batch: limits::URN_BATCH,
            enrolls: false,
        }
    }

    #[test]
    fn marks_come_back() {
        let mark = Mark([7; 16]);
        assert_eq!(Mark::parse(&mark.text()), Some(mark));
        for wrong in ["", "07", &"07".repeat(17), &"zz".repeat(16)] {
            assert_eq!(Mark::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_batch_is_never_small_and_leaves_one_behind() {
        let survey = Survey { batch: 10, ..survey() };
        let steps = [9, 10, 19, 20, 21, 5_000].map(|sealed| survey.opens_now(sealed, false));
        assert_eq!(steps, [0, 0, 0, 10, 11, limits::URN_OPENED]);
        let steps = [0, 9, 10, 19, 1_000, 1_001].map(|sealed| survey.opens_now(sealed, true));
        assert_eq!(steps, [0, 0, 10, 19, 1_000, 991]);
        for batch in [limits::URN_BATCH_LEAST, 10, limits::URN_BATCH_MOST] {
            let survey = Survey { batch, ..survey.clone() };
            let batch = batch as usize;
            for start in 0..3_000 {
                let mut sealed = start;
                loop {
                    let opened = survey.opens_now(sealed, true);
                    assert!(opened == 0 || opened >= batch, "{opened} of {sealed}");
                    sealed -= opened;
                    if opened == 0 {
                        break;
                    }
                }
                assert!(sealed == 0 || start < batch, "{sealed} of {start} are left for ever");
                let opened = survey.opens_now(start, false);
                assert!(opened == 0 || (opened >= batch && start - opened >= batch), "{opened} of {start}");
            }
        }
    }

    #[test]
    fn a_survey_is_open_from_its_first_day_to_its_last() {
        let day = |day| NaiveDate::from_ymd_opt(2026, 12, day).unwrap();
        let survey = Survey { opens: Some(day(2)), closes: Some(day(4)), ..survey() };
        assert_eq!(survey.open_on(day(1)), Err(Shut::NotYet(day(2))));
        assert_eq!([2, 3, 4].map(|on| survey.open_on(day(on))), [Ok(()); 3]);
        assert_eq!(survey.open_on(day(5)), Err(Shut::Over(day(4))));
    }
}
