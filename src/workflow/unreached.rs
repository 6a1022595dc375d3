//! Those in charge hear that an address is stopped, which letters no longer reach: once a day, of all that were stopped since the last
//! time, whatever letter it was that failed.

use super::addresses::{self, Whose};
use super::compose::{self, Addressing, Outgoing};
use super::shelf::ShelvedStudy;
use super::{Failure, Means};
use crate::domain::study::{Person, Role, Study};
use crate::domain::time::Instant;
use crate::letters::Facts;
use crate::letters::facts::{AddressesStopped, StoppedAddress};
use crate::store::{Store, address};

/// The letters on addresses of a study that were stopped from one moment to before the other; none where there are none. Who is asked in a
/// survey without names is counted and not named: a mail lies in many places.
///
/// # Errors
/// The database; a template that cannot state the letter.
pub(super) async fn tell(
    store: &Store,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    (since, before): (Instant, Instant),
) -> Result<Vec<Outgoing>, Failure> {
    let study = &shelved.study;
    let mut fates = address::list(store, true).await?;
    fates.retain(|_, fate| fate.stopped_at.is_some_and(|at| since <= at && at < before));
    let found = addresses::of_study(store, shelved, &means.keys.address, &fates).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let names = study.survey.as_ref().is_none_or(|survey| survey.privacy.names());
    let letter = |person: &Person| {
        let to = Addressing::unasked(study, person);
        let (mut lines, mut unnamed) = (Vec::new(), 0);
        for (whose, _, fate) in &found {
            let day = fate.stopped_at.unwrap_or(since).day_in(study.zone);
            let name =
                |id: &str| study.people.iter().find(|one| one.id == id).map(|one| one.name.in_language(to.language));
            match whose {
                Whose::Participant(_) if !names => unnamed += 1,
                Whose::Participant(number) => lines.push(StoppedAddress::new(Ok(*number), day, &fate.status)),
                Whose::Person(id) => {
                    lines.push(StoppedAddress::new(Err(name(id).unwrap_or(id)), day, &fate.status));
                }
            }
        }
        compose::compose(shelved, means, to, Facts::AddressesStopped(AddressesStopped::new(lines, unnamed)))
    };
    readers(study).into_iter().map(letter).collect()
}

/// The managers; of a study that has none, the coordinators.
fn readers(study: &Study) -> Vec<&Person> {
    let of = |role: Role| study.people.iter().filter(|person| person.has(role)).collect::<Vec<&Person>>();
    match of(Role::Manager) {
        managers if !managers.is_empty() => managers,
        _ => of(Role::Coordinator),
    }
}
