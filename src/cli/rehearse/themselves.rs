//! Rows of a study whose participants enroll themselves: each is a participant of its own with a credential, who sends the first form.

use anyhow::anyhow;

use super::walk::{Came, Step, Walk};
use crate::domain::answer::Form;
use crate::domain::language::Language;
use crate::domain::participant::Candidate;
use crate::domain::survey::{Access, Shut};
use crate::domain::time::Instant;
use crate::store::outbox::Which;
use crate::store::{credential, outbox, participant, subject};
use crate::workflow::credentials::{self, Terms};
use crate::workflow::life;
use crate::workflow::respond::Barred;
use crate::workflow::self_enrollment::{self, Outcome};
use crate::workflow::{Means, enroll};

impl Walk<'_> {
    /// Takes a participant in and has them enroll by that form, which they have seen once more.
    pub(super) async fn enroll_themself(&self, refused: Step, form: &Form, now: Instant) -> anyhow::Result<Step> {
        let means = Means { now, dice: self.dice, keys: self.keys, desk: self.desk };
        let store = self.shelf.store();
        let before = self.newest_letter().await?;
        let members = self.study.survey.as_ref().is_some_and(|survey| survey.access == Access::Members);
        let candidate = Candidate {
            address: format!("line-{}@rehearsal.invalid", refused.line),
            language: self.study.languages.first().copied().or(Some(Language::En)),
            ..Candidate::default()
        };
        let form_of_credential = if members { credentials::Form::Account } else { credentials::Form::Link };
        let terms = Terms {
            form: form_of_credential,
            from: now,
            until: None,
            days_from_sending: None,
            mailed: false,
            once: false,
            admits_unclear: false,
        };
        let act = life::Act { actor: "rehearsal", at: now, reason: "rehearsal" };
        let batch = credentials::issue(self.shelf, &self.shelved, means, act, &[candidate], terms).await?;
        let number = batch.issued.first().and_then(|issued| issued.number);
        let number = number.ok_or_else(|| anyhow!("nobody may know who answers, so nobody can enroll themself"))?;
        let whose = participant::find_by_number(store, self.shelved.id, number).await?;
        let whose = whose.ok_or_else(|| anyhow!("the participant was just taken in"))?;
        let own = credential::list_of(store, whose.id).await?;
        let own = own.first().ok_or_else(|| anyhow!("the credential was just issued"))?;
        if !form.faults.is_empty() {
            return Ok(Step { reason: enroll::refusal_keys(&[], form).join(" "), ..refused });
        }
        let outcome = self_enrollment::enroll(self.shelf, &self.shelved, means, &own.id, form).await?;
        let came = |came, reason: String| Step { came, reason, ..refused.clone() };
        let mut step = match outcome {
            Outcome::Now => came(Came::Enrolled, "enrolled".to_string()),
            Outcome::Before => came(Came::Duplicate, "duplicate".to_string()),
            Outcome::Refused(reasons, _) => came(Came::Refused, enroll::refusal_keys(&reasons, form).join(" ")),
            Outcome::Spent => came(Came::Refused, "refused-too-often".to_string()),
            Outcome::Barred(barred) => came(Came::Refused, in_words(barred)),
        };
        if let Some(own) = subject::find_by_participant(store, whose.id).await? {
            step.subject = Some(own.number);
            self.read_allocation(&mut step, own.id).await?;
        }
        step.letters = usize::try_from(self.newest_letter().await? - before).unwrap_or(0);
        Ok(step)
    }

    /// Number of the letter that was written last; letters of a scratch database are numbered one by one.
    async fn newest_letter(&self) -> anyhow::Result<i64> {
        let newest = outbox::list(self.shelf.store(), Which::All, None, 1).await?;
        Ok(newest.first().map_or(0, |letter| letter.id))
    }
}

/// Why nothing is taken, with what would change it.
fn in_words(barred: Barred) -> String {
    match barred {
        Barred::Shut(Shut::NotYet(day)) => format!("the survey opens on {day} ([survey] opens); rehearse with --now"),
        Barred::Shut(Shut::Over(day)) => format!("the survey closed on {day} ([survey] closes); rehearse with --now"),
        Barred::Full => "as many as wanted have answered ([survey] cap)".to_string(),
        Barred::Paused => "paused".to_string(),
        Barred::Closed => "closed".to_string(),
        Barred::Withdrawn => "withdrawn".to_string(),
        Barred::Soon(day) => format!("the next is taken from {day} on ([survey] interval_days)"),
        Barred::Revoked | Barred::Unfit(_) | Barred::TooLong => "not-taken".to_string(),
    }
}
