//! What a dispatch records: verdicts with what follows from them, a few letters in one transaction.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Dispatch;
use crate::domain::retry::{self, NextTry};
use crate::domain::time::Instant;
use crate::limits;
use crate::mail::StepError;
use crate::mail::transport::{DISOWNED, Reply, Trouble, Verdict};
use crate::store::outbox::{self, OutboxItem};
use crate::store::{StoreError, Tx, credential_wait, host};
use crate::workflow::ledger::Ledger;
use crate::workflow::{Failure, Means, addresses, report};

impl Dispatch {
    /// Records what became of a few letters together; if that fails for one of them, each alone, because what is not
    /// recorded is sent again.
    pub(super) async fn record(&self, chunk: Vec<(OutboxItem, Verdict)>) -> Result<(), StepError> {
        if chunk.is_empty() {
            return Ok(());
        }
        let Err(error) = self.record_together(&chunk).await else { return Ok(()) };
        let passes = passes(&error);
        let taken = |(_, verdict): &(OutboxItem, Verdict)| matches!(verdict, Verdict::Accepted(_));
        let apart = chunk.len() > 1 && (is_of_one_letter(&error) || is_busy(&error));
        if !(apart || passes && chunk.iter().any(taken)) {
            return self.fail_unalerted_or(&chunk, error).await;
        }
        tracing::warn!(%error, letters = chunk.len(), "verdicts could not be recorded together; recording each alone");
        // What the server took needs no study, and it is a study that cannot be written to now, unless it is the whole database.
        let (taken, rest): (Vec<_>, Vec<_>) = chunk.into_iter().partition(|one| passes && taken(one));
        if !taken.is_empty() {
            self.record_taken(&taken).await?;
        }
        let mut failed = None;
        for one in &rest {
            let alone = std::slice::from_ref(one);
            if let Err(error) = self.record_together(alone).await
                && let Err(error) = self.fail_unalerted_or(alone, error).await
            {
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Letters that the server took would leave a second time if the database could not be written to for a while: what became of them is
    /// kept and tried again, for as long as a claim lasts.
    async fn record_taken(&self, taken: &[(OutboxItem, Verdict)]) -> Result<(), StepError> {
        let until = tokio::time::Instant::now() + Duration::from_secs(self.lease_seconds.unsigned_abs());
        loop {
            match self.record_together(taken).await {
                Err(error) if passes(&error) && tokio::time::Instant::now() < until => {
                    tracing::warn!(%error, letters = taken.len(), "letters left, and that could not be recorded; it is tried again");
                    tokio::time::sleep(Duration::from_millis(limits::RECORD_PAUSE_MILLISECONDS)).await;
                }
                recorded => return recorded,
            }
        }
    }

    /// A letter whose failure cannot be told (the records contradict each other) has failed all the same: trying it again
    /// would not mend them.
    async fn fail_unalerted_or(&self, chunk: &[(OutboxItem, Verdict)], error: StepError) -> Result<(), StepError> {
        let [(letter, verdict)] = chunk else { return Err(error) };
        if matches!(error, StepError::Store(_) | StepError::Workflow(Failure::Store(_))) {
            return Err(error);
        }
        tracing::error!(letter = letter.id, %error, "a letter failed, and nobody could be told; look at `hagaki outbox list`");
        let (code, text) = match verdict {
            Verdict::Refused(reply) | Verdict::Deferred { reply: Some(reply), .. } => said(reply),
            _ => (0, "it was given up".to_string()),
        };
        let mut ledger = Ledger::begin(&self.shelf).await?;
        let said = outbox::Verdict { code, text: &text };
        outbox::record_failed(&mut ledger.tx, letter.id, &self.owner, self.clock.now(), said).await?;
        mask(&mut ledger, [letter]).await?;
        Ok(ledger.commit().await?)
    }

    /// Records what became of a few letters in one transaction, with the alerts that follow from it.
    async fn record_together(&self, chunk: &[(OutboxItem, Verdict)]) -> Result<(), StepError> {
        let now = self.clock.now();
        let mut ledger = Ledger::begin(&self.shelf).await?;
        let mut accepted: Vec<(i64, i64, String)> = Vec::new();
        for (letter, verdict) in chunk {
            match verdict {
                Verdict::Accepted(reply) => accepted.push((letter.id, i64::from(reply.code), bounded(&reply.text))),
                Verdict::Deferred { reply, .. } => {
                    let lost = || (0, LOST.to_string());
                    let (code, text) = reply.as_ref().map_or_else(lost, said);
                    self.retry(&mut ledger, letter, code, &text, now).await?;
                }
                Verdict::Unreachable { trouble: Trouble::Sender, text } => {
                    self.disowned(&mut ledger, letter, &bounded(text), now).await?;
                }
                Verdict::Unreachable { text, .. } => {
                    // No try of the letter's: the server is left alone, and the letter is due as soon as that is over,
                    // however long it takes. No letter fails because a server was away.
                    let said = outbox::Verdict { code: 0, text: &bounded(text) };
                    outbox::record_retry(&mut ledger.tx, letter.id, &self.owner, now, now, said).await?;
                }
                Verdict::Refused(reply) => {
                    let (code, text) = said(reply);
                    self.fail(&mut ledger, letter, outbox::Verdict { code, text: &text }, now).await?;
                }
            }
        }
        let sent: Vec<(i64, outbox::Verdict<'_>)> =
            accepted.iter().map(|(id, code, text)| (*id, outbox::Verdict { code: *code, text })).collect();
        outbox::record_sent_many(&mut ledger.tx, now, &sent).await?;
        let left = chunk.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Accepted(_)));
        let ways_in = left.clone().filter(|(letter, _)| letter.secret).map(|(letter, _)| letter.message_id.as_str());
        credential_wait::begin(&mut ledger.tx, now, &ways_in.collect::<Vec<_>>()).await?;
        mask(&mut ledger, left.map(|(letter, _)| letter)).await?;
        ledger.commit().await?;
        if !sent.is_empty() {
            self.taken_at.store(now.0, Ordering::Relaxed);
        }
        if !sent.is_empty() && self.away.swap(false, Ordering::Relaxed) {
            host::record_success(&self.store, &self.host()).await?;
        }
        for (_, verdict) in chunk {
            metrics::counter!("hagaki_letters_total", "verdict" => word(verdict)).increment(1);
        }
        Ok(())
    }

    async fn retry(
        &self,
        ledger: &mut Ledger<'_>,
        letter: &OutboxItem,
        code: i64,
        text: &str,
        now: Instant,
    ) -> Result<(), StepError> {
        let tries = u32::try_from(letter.attempts).unwrap_or(u32::MAX);
        let said = outbox::Verdict { code, text };
        let begun = begun(&mut ledger.tx, letter, now).await?;
        match retry::letter(begun, tries, now, self.jitter()) {
            NextTry::At(at) => outbox::record_retry(&mut ledger.tx, letter.id, &self.owner, now, at, said).await?,
            NextTry::GiveUp => self.fail(ledger, letter, said, now).await?,
        }
        Ok(())
    }

    /// The server has something against our address. It may refuse every letter so, and then none fails. But if it took others meanwhile, it is
    /// this letter that it does not want: its reader's own server may say so, and would keep the rest waiting for good.
    async fn disowned(
        &self,
        ledger: &mut Ledger<'_>,
        letter: &OutboxItem,
        text: &str,
        now: Instant,
    ) -> Result<(), StepError> {
        let said = outbox::Verdict { code: 0, text };
        let (tries, since) = disowned_since(&mut ledger.tx, letter, now).await?;
        let takes_others = self.taken_at.load(Ordering::Relaxed) > since.0;
        if tries >= limits::DISOWNED_TRIES && takes_others {
            return self.fail(ledger, letter, said, now).await;
        }
        let later = now.plus_seconds(limits::DISOWNED_WAIT_SECONDS);
        Ok(outbox::record_retry(&mut ledger.tx, letter.id, &self.owner, now, later, said).await?)
    }

    /// There will be no other attempt; whoever must know is told in the same transaction.
    async fn fail(
        &self,
        ledger: &mut Ledger<'_>,
        letter: &OutboxItem,
        said: outbox::Verdict<'_>,
        now: Instant,
    ) -> Result<(), StepError> {
        tracing::warn!(letter = letter.id, kind = letter.kind, code = said.code, "a letter failed for good");
        outbox::record_failed(&mut ledger.tx, letter.id, &self.owner, now, said).await?;
        mask(ledger, [letter]).await?;
        let means = Means { now, dice: &*self.dice, keys: &self.keys, desk: &self.desk };
        let status = outbox::status_of(said.code, said.text);
        addresses::count_refusal(&mut ledger.tx, means, &letter.recipient, &status).await?;
        report::alert(ledger, means, letter.id, &status).await?;
        // The alert is a letter too.
        self.alert_bell.notify_one();
        Ok(())
    }
}

/// What is said of a letter whose connection broke; it may be the letter's own fault.
pub(super) const LOST: &str = "the connection was lost";

/// Whether somebody else holds what a record needs: it passes.
pub(super) fn is_busy(error: &StepError) -> bool {
    matches!(error, StepError::Store(StoreError::Busy(_)) | StepError::Workflow(Failure::Store(StoreError::Busy(_))))
}

/// Whether a record may succeed if it is tried again as it is.
fn passes(error: &StepError) -> bool {
    match error {
        StepError::Store(error) | StepError::Workflow(Failure::Store(error)) => {
            error.is_transient() && !matches!(error, StoreError::LostLease { .. })
        }
        _ => false,
    }
}

/// Since when a letter is tried: when it was written, unless it waited for days before a server said anything to it, or a person has it
/// tried anew. That a server was away, or a key missing, is no try of the letter's.
async fn begun(tx: &mut Tx, letter: &OutboxItem, now: Instant) -> Result<Instant, StoreError> {
    if now.seconds_since(letter.created_at) < limits::LETTER_AGE_SECONDS {
        return Ok(letter.created_at);
    }
    let (mut begun, mut later) = (now, letter.attempts);
    for attempt in outbox::list_attempts(tx, letter.id).await?.into_iter().rev() {
        // They are counted anew where a person has the letter tried again.
        if attempt.attempt >= later {
            break;
        }
        later = attempt.attempt;
        if attempt.code != 0 || attempt.text == LOST {
            begun = attempt.attempted_at;
        }
    }
    Ok(begun)
}

/// How many times running, this one among them, a server had something against our address over a letter, and since when. That it was away
/// in between says nothing.
async fn disowned_since(tx: &mut Tx, letter: &OutboxItem, now: Instant) -> Result<(u32, Instant), StoreError> {
    let (mut tries, mut since, mut later) = (1, now, letter.attempts);
    for attempt in outbox::list_attempts(tx, letter.id).await?.into_iter().rev() {
        if attempt.attempt >= later {
            break;
        }
        later = attempt.attempt;
        if attempt.text.starts_with(DISOWNED) {
            (tries, since) = (tries + 1, attempt.attempted_at);
        } else if attempt.code != 0 || attempt.text == LOST {
            break;
        }
    }
    Ok((tries, since))
}

/// Takes the secrets out of letters that are sent no more, in the transaction that says so.
async fn mask<'a>(
    ledger: &mut Ledger<'_>,
    letters: impl IntoIterator<Item = &'a OutboxItem>,
) -> Result<(), StoreError> {
    let ids: Vec<i64> = letters.into_iter().filter(|letter| letter.secret).map(|letter| letter.id).collect();
    if ids.is_empty() { Ok(()) } else { outbox::mask(&mut ledger.tx, &ids).await }
}

/// Whether an error concerns one letter of several, and not the database.
fn is_of_one_letter(error: &StepError) -> bool {
    match error {
        StepError::Store(error) | StepError::Workflow(Failure::Store(error)) => {
            matches!(error, StoreError::LostLease { .. }) || !error.is_transient()
        }
        _ => true,
    }
}

fn said(reply: &Reply) -> (i64, String) {
    (i64::from(reply.code), bounded(&reply.text))
}

pub(super) fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(limits::VERDICT_CHARS).collect()
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted(_) => "accepted",
        Verdict::Deferred { .. } => "deferred",
        Verdict::Refused(_) => "refused",
        Verdict::Unreachable { .. } => "unreachable",
    }
}
