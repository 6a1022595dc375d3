//! A file that came as an answer, for whoever may see it: to be saved, never to be shown in the browser.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;

use super::entry::admitted;
use super::{CasePages, Room};
use crate::domain::answer::{self, Value};
use crate::domain::file::FileAnswer;
use crate::domain::instrument::{Item, ItemKind};
use crate::domain::survey::Mark;
use crate::files::{FilesError, Reading};
use crate::web::caller::Call;

/// What a file may do that a browser shows all the same: nothing.
const FILE_POLICY: &str = "default-src 'none'; sandbox";

/// Whether somebody in the room may have the files of an item: personal ones are for whoever enters them.
pub(super) fn may_have(room: &Room, item: &Item) -> bool {
    room.may_enter() || !item.personal
}

pub(super) async fn download(
    State(pages): State<CasePages>,
    Path((slug, number, response, item)): Path<(String, String, String, String)>,
    call: Call,
) -> Response {
    let shown = async {
        let room = admitted!(pages.enter(&slug, None, &call).await?);
        let subject = admitted!(pages.subject(&room, &number).await?);
        let chart = pages.chart(&room, &subject).await?;
        let row = Mark::parse(&response).and_then(|id| chart.responses.iter().find(|row| row.id == id));
        let item = row
            .and_then(|row| room.study().find_instrument(&row.instrument))
            .and_then(|instrument| instrument.find(&item))
            .filter(|item| matches!(item.kind, ItemKind::File(_)) && may_have(&room, item));
        let (Some(row), Some(item)) = (row, item) else { return Ok(room.told(StatusCode::NOT_FOUND, "no_form")) };
        let answers: std::collections::BTreeMap<String, String> =
            serde_json::from_str(&row.answers).unwrap_or_default();
        let answer = answers.get(&item.id).and_then(|text| answer::of_canonical(&item.kind, text));
        let Some(Value::File(answer)) = answer else { return Ok(room.told(StatusCode::NOT_FOUND, "no_form")) };
        // What cannot be opened is found out before anything is sent of it.
        let mut reading = pages.tools.files.read(&answer).await?;
        let first = reading.next().await?.unwrap_or_default();
        Ok(attachment(&answer, first, reading))
    };
    let shown = shown.await;
    pages.answer(shown, &call)
}

/// Piece after piece; a file that turns out to be another than was sent ends before its end.
fn attachment(answer: &FileAnswer, first: Vec<u8>, reading: Reading) -> Response {
    let rest = stream::try_unfold(reading, |mut reading| async move {
        let next = reading.next().await.inspect_err(|error| tracing::error!(%error, "a file could not be sent whole"));
        Ok::<_, FilesError>(next?.map(|piece| (piece, reading)))
    });
    let pieces = futures::StreamExt::chain(stream::iter([Ok(first)]), rest);
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_DISPOSITION, disposition(&answer.name, &answer.file_name("file")));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(answer.bytes));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(FILE_POLICY));
    response
}

/// The name in both forms that browsers read (RFC 6266 section 4.3, RFC 8187 section 3.2); nothing of it can end the field.
fn disposition(name: &str, plain: &str) -> HeaderValue {
    let name = if name.is_empty() { plain } else { name };
    let encoded: String = name
        .bytes()
        .map(|byte| match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect();
    let field = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}");
    HeaderValue::from_str(&field).unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_field() {
        for (name, field) in [
            ("scan.pdf", "attachment; filename=\"file.pdf\"; filename*=UTF-8''scan.pdf"),
            ("", "attachment; filename=\"file.pdf\"; filename*=UTF-8''file.pdf"),
            (
                "a\"; x=\r\nSet-Cookie: y",
                "attachment; filename=\"file.pdf\"; filename*=UTF-8''a%22%3B%20x%3D%0D%0ASet-Cookie%3A%20y",
            ),
            ("\u{7d39}", "attachment; filename=\"file.pdf\"; filename*=UTF-8''%E7%B4%B9"),
        ] {
            assert_eq!(disposition(name, "file.pdf").to_str().unwrap(), field);
        }
    }
}
