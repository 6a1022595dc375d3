//! `hagaki doctor`: tries what `check` cannot — database, clock, disk, mailboxes, mail servers, a letter to itself.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::installation::Opened;
use super::{End, Installation, Output};
use crate::domain::time::{Dice, Instant, Zone};
use crate::limits;
use crate::mail::mailbox::{Mailbox, Position};
use crate::mail::transport::{Envelope, Transport, Verdict};
use crate::settings::{Engine, MailboxSettings};
use crate::store::study::State;
use crate::store::{StoreError, host, inbox, study, urn};
use crate::workflow::shelf::Shelf;
use crate::workflow::{stock, urn as sealed_urn};

/// What one trial found.
struct Finding {
    what: String,
    trouble: Option<String>,
}

pub(super) fn run(installation: &Installation, output: Output) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let findings = opened.runtime.block_on(examine(&opened));
    let well = findings.iter().all(|finding| finding.trouble.is_none());
    for finding in &findings {
        if output.json {
            println!(
                "{}",
                json!({ "trial": finding.what, "well": finding.trouble.is_none(), "trouble": finding.trouble })
            );
        } else {
            match &finding.trouble {
                None => println!("well     {}", finding.what),
                Some(trouble) => println!("TROUBLE  {}: {trouble}", finding.what),
            }
        }
    }
    if !output.json {
        let troubles = findings.iter().filter(|finding| finding.trouble.is_some()).count();
        match troubles {
            0 => println!("All is well."),
            _ => println!("{troubles} to mend."),
        }
    }
    Ok(if well { End::Done } else { End::Refused })
}

async fn examine(opened: &Opened) -> Vec<Finding> {
    let mut findings = vec![
        Finding { what: "database".to_string(), trouble: database(opened).await.err().map(|error| error.to_string()) },
        clock(opened).await,
    ];
    findings.extend(disk(opened));
    findings.extend(stocks(opened, opened.now()).await);
    findings.extend(sealed(opened).await);
    for mailbox in &opened.settings.mailboxes {
        findings.extend(post(opened, mailbox).await);
    }
    findings
}

/// Reads, and writes what changes nothing.
async fn database(opened: &Opened) -> Result<(), StoreError> {
    opened.store.ping().await?;
    host::record_success(&opened.store, "").await
}

/// A clock that stands before the latest mail on file has jumped back.
async fn clock(opened: &Opened) -> Finding {
    let now = opened.now();
    let latest = inbox::list(&opened.store, inbox::Which::All, None, 1).await.ok();
    let latest = latest.and_then(|mails| mails.first().map(|mail| mail.received_at));
    let trouble = latest.filter(|latest| *latest > now.plus_seconds(60)).map(|latest| {
        format!(
            "it shows {}, but a mail was taken in at {}; set it by NTP before mails are dated wrongly",
            now.utc(),
            latest.utc()
        )
    });
    Finding { what: format!("clock ({})", now.utc()), trouble }
}

fn disk(opened: &Opened) -> Option<Finding> {
    let Engine::Sqlite(path) = &opened.settings.database.engine else { return None };
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(path);
    let finding = |trouble| Some(Finding { what: "disk under the database".to_string(), trouble });
    match fs4::available_space(folder) {
        Err(error) => finding(Some(format!("its free space cannot be told ({error})"))),
        Ok(free) if free < limits::DISK_FREE_BYTES => {
            finding(Some(format!("only {} MB are free; make room before mails wait", free / 1_000_000)))
        }
        Ok(_) => finding(None),
    }
}

/// Surveys without names: that there is a key, and that it opens what is sealed.
async fn sealed(opened: &Opened) -> Vec<Finding> {
    let rows = study::list(&opened.store).await.unwrap_or_default();
    let shelf = Shelf::new(opened.store.clone());
    let mut findings = Vec::new();
    for row in rows {
        let Ok(shelved) = shelf.load(&row).await else { continue };
        let waiting = urn::count(&opened.store, row.id).await.unwrap_or_default();
        let nameless = shelved.study.survey.as_ref().is_some_and(|survey| !survey.privacy.names());
        if waiting == 0 && (!nameless || row.state == State::Closed) {
            continue;
        }
        let trouble = sealed_urn::unopened(&opened.store, &shelved, &opened.settings.keys).await;
        let what = format!("sealed answers of {} ({waiting})", row.slug);
        findings.push(Finding { what, trouble });
    }
    findings
}

/// Studies that hand out kits and want to know of shortages. What ran out by expiry alone shows here before the next kit is
/// handed out. The place is told, the arm is not: see [`stock`].
async fn stocks(opened: &Opened, now: Instant) -> Vec<Finding> {
    let rows = study::list(&opened.store).await.unwrap_or_default();
    let shelf = Shelf::new(opened.store.clone());
    let mut findings = Vec::new();
    for row in rows.iter().filter(|row| row.state != State::Closed) {
        let Ok(shelved) = shelf.load(row).await else { continue };
        if !shelved.study.stock.tells() {
            continue;
        }
        let trouble = match stock::shortages(&opened.store, row.id, &shelved.study, now).await {
            Err(error) => Some(error.to_string()),
            Ok(short) => {
                let place =
                    |site: &str| if site.is_empty() { "the central stock".to_string() } else { format!("site {site}") };
                let places: BTreeSet<String> = short.iter().map(|stock| place(&stock.site)).collect();
                let places: Vec<String> = places.into_iter().collect();
                (!places.is_empty()).then(|| {
                    format!(
                        "kits are short: {}; send some with `hagaki kit move` or `hagaki kit import`",
                        places.join(", ")
                    )
                })
            }
        };
        findings.push(Finding { what: format!("kits of {}", row.slug), trouble });
    }
    findings
}

/// Connects both ways, then sends a letter to a sub-address of our own and waits for it to come in.
async fn post(opened: &Opened, settings: &MailboxSettings) -> Vec<Finding> {
    let name = |what: &str| format!("mailbox {}: {what}", settings.name);
    let mut mailbox = Mailbox::open(&settings.source, &*opened.dice);
    let connected = mailbox.connect().await;
    let incoming = Finding { what: name("incoming"), trouble: connected.as_ref().err().map(ToString::to_string) };
    let transport = match Transport::open(&settings.delivery, opened.clock.clone()) {
        Ok(transport) => transport,
        Err(error) => return vec![incoming, Finding { what: name("outgoing"), trouble: Some(error.to_string()) }],
    };
    let probe = transport.probe().await.err().map(|verdict| told(&verdict));
    let can_post = matches!(transport, Transport::Smtp(_)) && connected.is_ok() && probe.is_none();
    let mut findings = vec![incoming, Finding { what: name("outgoing"), trouble: probe }];
    if can_post {
        let trouble = letter_to_itself(opened, settings, &mut mailbox, &transport).await.err();
        findings.push(Finding { what: name("a letter to itself"), trouble });
    }
    findings
}

fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accepted(reply) | Verdict::Refused(reply) => reply.to_string(),
        Verdict::Deferred { reply: Some(reply), .. } => reply.to_string(),
        Verdict::Deferred { reply: None, .. } => "the connection was lost".to_string(),
        Verdict::Unreachable { text, .. } => text.clone(),
    }
}

async fn letter_to_itself(
    opened: &Opened,
    settings: &MailboxSettings,
    mailbox: &mut Mailbox,
    transport: &Transport,
) -> Result<(), String> {
    // Everything that lies there already is passed over.
    let mut position = Position::default();
    loop {
        let fetched = mailbox.fetch(position, limits::INTAKE_BATCH).await.map_err(|error| error.to_string())?;
        position = fetched.position;
        if !fetched.more {
            break;
        }
    }
    let mut bytes = [0; 10];
    opened.dice.fill(&mut bytes);
    let word = data_encoding::HEXLOWER.encode(&bytes);
    let (local, domain) = settings.address.rsplit_once('@').unwrap_or((&settings.address, ""));
    let to = format!("{local}+probe-{word}@{domain}");
    let raw = probe_mail(settings, &to, &word, opened.now());
    let envelope = Envelope { from: Some(settings.address.clone()), to: to.clone() };
    match transport.send(&envelope, raw.as_bytes()).await {
        Verdict::Accepted(_) => {}
        other => return Err(format!("it was not taken: {}", told(&other))),
    }
    for _ in 0..limits::PROBE_SECONDS {
        let fetched = mailbox.fetch(position, limits::INTAKE_BATCH).await.map_err(|error| error.to_string())?;
        position = fetched.position;
        let came = fetched.items.iter().any(|item| String::from_utf8_lossy(&item.bytes).contains(&word));
        if came || taken_in(opened, &word).await {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Err(format!(
        "{to} was accepted, but did not come into the mailbox within {} s; does the mail server keep sub-addresses (+)?",
        limits::PROBE_SECONDS
    ))
}

/// A running daemon may have been faster and moved it away.
async fn taken_in(opened: &Opened, word: &str) -> bool {
    for mail in inbox::list(&opened.store, inbox::Which::All, None, 20).await.unwrap_or_default() {
        let raw = inbox::find_raw(&opened.store, mail.id).await.ok().flatten().unwrap_or_default();
        if String::from_utf8_lossy(&raw).contains(word) {
            return true;
        }
    }
    false
}

fn probe_mail(settings: &MailboxSettings, to: &str, word: &str, now: Instant) -> String {
    format!(
        "Date: {}\r\nFrom: {}\r\nTo: {to}\r\nSubject: hagaki doctor {word}\r\nMessage-ID: <{word}@{}>\r\n\
         Auto-Submitted: auto-generated\r\nX-Loop: {}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n{word}\r\n",
        now.rfc5322(Zone::UTC),
        settings.address,
        settings.message_id_domain,
        settings.address,
    )
}
