//! Who was asked and who has answered, for the managers of a survey; of what was answered there is nothing here.
//!
//! In a survey that is anonymous this is the list that its page tells participants of: that they answered and on which day. In one that is
//! fully anonymous there is no such list, and the page says so.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::entry::admitted;
use super::{CasePages, Room, Wish, put};
use crate::domain::door::Door;
use crate::domain::survey::Privacy;
use crate::limits;
use crate::store::participant;
use crate::store::roster::{self, RosterRow, Standing};
use crate::web::caller::Call;
use crate::workflow::addresses::Fates;
use crate::workflow::{Failure, opt_out};

/// Address of the page below the study's.
pub(super) const PLACE: &str = "/participants";

/// Key of the word for a standing.
fn word_of(standing: Standing) -> String {
    format!("standing_{}", standing.key().replace('-', "_"))
}

pub(super) async fn show(
    State(pages): State<CasePages>,
    Path(slug): Path<String>,
    Query(wish): Query<Wish>,
    call: Call,
) -> Response {
    let shown = async {
        let room = admitted!(pages.enter_by(Door::Participants, &slug, wish.lang.as_deref(), &call).await?);
        pages.participants(&room, wish.after).await
    };
    let shown = shown.await;
    pages.answer(shown, &call)
}

impl CasePages {
    async fn participants(&self, room: &Room, after: Option<i64>) -> Result<Response, Failure> {
        let privacy = room.study().survey.as_ref().map_or(Privacy::FullyAnonymous, |survey| survey.privacy);
        let mut facts = room.head(&room.word("participants", &[]), PLACE);
        put(&mut facts, "cases", json!(Door::Cases.opens(room.study(), &room.person).then(|| room.here(""))));
        put(&mut facts, "unlisted", json!(privacy == Privacy::FullyAnonymous));
        if privacy == Privacy::FullyAnonymous {
            return Ok(room.respond(StatusCode::OK, "participants", facts));
        }
        let (store, now) = (self.tools.shelf.store(), self.means().now);
        let mut rows =
            roster::list(store, room.shelved.id, now, after.unwrap_or(0), limits::PARTICIPANTS_SHOWN + 1).await?;
        let shown = usize::try_from(limits::PARTICIPANTS_SHOWN).unwrap_or(usize::MAX);
        let further = rows.len() > shown;
        rows.truncate(shown);
        let next = rows.last().filter(|_| further).map(|last| last.number);
        let people: Vec<(i64, &str)> = rows.iter().map(|row| (row.id, row.address.as_str())).collect();
        let unsubscribed = opt_out::among(store, &self.tools.keys.address, &people).await?;
        // On its first page alone: they are of all participants.
        let counts = match after {
            None => roster::count(store, room.shelved.id, now).await?,
            Some(_) => Vec::new(),
        };
        let here = room.here(PLACE);
        put(&mut facts, "counts", json!(told(room, &counts)));
        let addresses: Vec<&str> = rows.iter().map(|row| row.address.as_str()).collect();
        let fates = Fates::read(store, &self.tools.keys.address, &addresses).await?;
        let each = |row: &RosterRow| asked(room, row, unsubscribed.contains_key(&row.id), &fates);
        put(&mut facts, "asked", rows.iter().map(each).collect());
        put(&mut facts, "anonymous", json!(privacy == Privacy::Anonymous));
        put(&mut facts, "next", json!(next.map(|next| format!("{here}&after={next}"))));
        put(&mut facts, "first", json!(after.map(|_| here)));
        Ok(room.respond(StatusCode::OK, "participants", facts))
    }
}

/// All of them, and how many stand where; of what nobody is nothing is said, but of answers and of those to come.
fn told(room: &Room, counts: &[(Standing, i64)]) -> Vec<Value> {
    let all: i64 = counts.iter().map(|(_, count)| count).sum();
    if all == 0 {
        return Vec::new();
    }
    let of = |standing| counts.iter().filter(|(own, _)| *own == standing).map(|(_, count)| count).sum::<i64>();
    let mut told = vec![json!({ "word": room.word("invited_all", &[]), "count": all })];
    for standing in Standing::ALL.iter().copied() {
        let count = of(standing);
        if count > 0 || matches!(standing, Standing::Answered | Standing::Waiting) {
            told.push(json!({ "word": room.word(&word_of(standing), &[]), "count": count }));
        }
    }
    told
}

/// One who was asked, and may have unsubscribed.
fn asked(room: &Room, row: &RosterRow, unsubscribed: bool, fates: &Fates) -> Value {
    let zone = room.study().zone;
    let answered = match row.days.as_slice() {
        [] => None,
        [day] => Some(room.word("answered_on", &[("day", day)])),
        [.., last] => Some(room.word("answered_often", &[("times", &row.days.len().to_string()), ("day", last)])),
    };
    let open = row.active && row.standing != Standing::Answered;
    let invited = row.invited_at.map(|at| room.word("invited_on", &[("day", &at.day_in(zone).to_string())]));
    let from = row.from.filter(|_| row.standing == Standing::ToCome);
    let from = from.map(|from| room.word("good_from", &[("at", &from.local(zone))]));
    let until = row.until.filter(|_| open).map(|until| room.word("good_until", &[("at", &until.local(zone))]));
    let stopped = fates.find(&row.address).filter(|fate| fate.is_stopped());
    let returned = stopped.map(|fate| room.word("mail_returns", &[("status", fate.status.as_str())]));
    let out = unsubscribed.then(|| room.word("unsubscribed", &[]));
    let days: Vec<String> = [invited, answered, from, until, out].into_iter().flatten().collect();
    json!({
        "number": row.number, "reference": row.reference, "name": row.name, "address": row.address,
        "standing": room.word(&word_of(row.standing), &[]), "days": days,
        "waits": row.standing == Standing::Waiting, "returned": returned,
        "withdrew": row.state == participant::State::Withdrawn && row.standing == Standing::Answered,
    })
}
