//! `hagaki doctor`: tries what `check` cannot — database, clock, disk, mailboxes, mail servers, a letter to itself, what DNS says.

mod dns;
mod openpgp;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::study::{CLEAR, NO_HTTPS};
use super::{End, Installation, Output, counted, installation};
use crate::daemon::machine::{SystemClock, SystemDice};
use crate::daemon::run::{files, open_store, ways};
use crate::domain::seal::NoKey;
use crate::domain::second_factor::Proof;
use crate::domain::study::Stage;
use crate::domain::survey::Mark;
use crate::domain::time::{Clock, Dice, Instant, Zone};
use crate::domain::urgency::Lane;
use crate::limits;
use crate::mail::dispatch::host_of;
use crate::mail::mailbox::{Mailbox, Position};
use crate::mail::transport::{Envelope, Transport, Verdict, for_mailings};
use crate::settings::{Delivery, Engine, MailboxSettings, Settings, SmtpSettings};
use crate::store::study::State;
use crate::store::{Store, host, inbox, outbox, planned_letter, study, urn};
use crate::web::account::Ways;
use crate::workflow::shelf::Shelf;
use crate::workflow::{binding, stock, urn as sealed_urn};

/// What one trial found.
struct Finding {
    what: String,
    trouble: Option<String>,
    /// What is no trouble of ours, or not for certain, and better known.
    warning: Option<String>,
}

impl Finding {
    fn new(what: impl Into<String>, trouble: Option<String>) -> Finding {
        Finding { what: what.into(), trouble, warning: None }
    }

    fn warned(what: impl Into<String>, warning: impl Into<String>) -> Finding {
        Finding { what: what.into(), trouble: None, warning: Some(warning.into()) }
    }
}

/// What trials work with; no store where it cannot be opened.
struct Surgery {
    settings: Settings,
    store: Option<Store>,
    clock: Arc<SystemClock>,
    dice: SystemDice,
}

impl Surgery {
    fn now(&self) -> Instant {
        self.clock.now()
    }
}

pub(super) fn run(installation: &Installation, output: Output) -> anyhow::Result<End> {
    let settings = installation::settings(installation)?;
    let in_the_clear = settings.web.is_in_the_clear();
    let runtime = installation::runtime()?;
    let (findings, mut warnings) = runtime.block_on(async {
        let (store, database) = database(&settings).await;
        let surgery = Surgery { settings, store, clock: Arc::new(SystemClock::default()), dice: SystemDice };
        let mut findings = vec![database];
        findings.extend(examine(&surgery).await);
        let mut warnings = Vec::new();
        if let Some(store) = &surgery.store {
            let secret = |slug| (format!("secret of the draws of {slug}"), CLEAR.to_string());
            warnings.extend(foreseeable(store).await.into_iter().map(secret));
            warnings.extend(like_numbers(store).await);
            warnings.extend(unwritten(store, surgery.now()).await);
        }
        (findings, warnings)
    });
    if in_the_clear {
        warnings.push(("address of the pages".to_string(), NO_HTTPS.to_string()));
    }
    let well = findings.iter().all(|finding| finding.trouble.is_none());
    for Finding { what, trouble, warning } in &findings {
        match (trouble, warning) {
            (None, Some(warning)) if output.json => {
                println!("{}", json!({ "trial": what, "well": true, "warning": warning }));
            }
            _ if output.json => {
                println!("{}", json!({ "trial": what, "well": trouble.is_none(), "trouble": trouble }));
            }
            (None, None) => println!("well     {what}"),
            (None, Some(warning)) => println!("WARNING  {what}: {warning}"),
            (Some(trouble), _) => println!("TROUBLE  {what}: {trouble}"),
        }
    }
    for (what, warning) in &warnings {
        match output.json {
            true => println!("{}", json!({ "trial": what, "well": true, "warning": warning })),
            false => println!("WARNING  {what}: {warning}"),
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

async fn examine(surgery: &Surgery) -> Vec<Finding> {
    let mut findings = vec![clock(surgery).await];
    findings.extend(disk(&surgery.settings));
    findings.push(attachments(surgery).await);
    if let Some(store) = &surgery.store {
        findings.extend(studies(store, surgery.now()).await);
        findings.extend(sealed(store, &surgery.settings).await);
        findings.extend(references(store).await);
        findings.extend(openpgp::of_people(store, &surgery.settings, surgery.now()).await);
    }
    findings.extend(openpgp::own_keys(&surgery.settings, surgery.now()));
    findings.extend(provider(surgery).await);
    for mailbox in &surgery.settings.mailboxes {
        findings.extend(post(surgery, mailbox).await);
    }
    findings.extend(dns::examine(&surgery.settings).await);
    findings
}

/// Opens the database, reads, and writes what changes nothing. None is made: a mistyped path would look well for ever.
async fn database(settings: &Settings) -> (Option<Store>, Finding) {
    let finding = |trouble| Finding::new("database", trouble);
    if let Engine::Sqlite(path) = &settings.database.engine
        && !path.exists()
    {
        let trouble = format!(
            "there is no {} yet; `hagaki study activate BUNDLE` makes it with the first study, or correct [database] url",
            path.display()
        );
        return (None, finding(Some(trouble)));
    }
    let store = match open_store(settings).await {
        Ok(store) => store,
        Err(error) => return (None, finding(Some(error.to_string()))),
    };
    let tried = async {
        store.ping().await?;
        host::record_success(&store, "").await
    };
    let trouble = tried.await.err().map(|error| error.to_string());
    (Some(store), finding(trouble))
}

/// Asks the identity provider, where people sign in by one, what it tells of itself.
async fn provider(surgery: &Surgery) -> Option<Finding> {
    let own = surgery.settings.provider.as_ref()?;
    let tried = match ways(&surgery.settings) {
        Ok(Ways { provider: Some(provider), .. }) => {
            provider.try_out(surgery.now()).await.map_err(|error| error.to_string())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    Some(Finding::new(format!("identity provider {}", own.issuer), tried.err()))
}

/// A clock that stands before the latest mail on file has jumped back.
async fn clock(surgery: &Surgery) -> Finding {
    let now = surgery.now();
    let latest = match &surgery.store {
        Some(store) => inbox::list(store, inbox::Which::All, None, 1).await.ok(),
        None => None,
    };
    let latest = latest.and_then(|mails| mails.first().map(|mail| mail.received_at));
    let trouble = latest.filter(|latest| *latest > now.plus_seconds(60)).map(|latest| {
        format!(
            "it shows {}, but a mail was taken in at {}; set it by NTP before mails are dated wrongly",
            now.utc(),
            latest.utc()
        )
    });
    Finding::new(format!("clock ({})", now.utc()), trouble)
}

fn disk(settings: &Settings) -> Option<Finding> {
    let Engine::Sqlite(path) = &settings.database.engine else { return None };
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(path);
    // A folder to come lies where the nearest one above it lies.
    let folder = folder.ancestors().find(|above| above.exists()).unwrap_or_else(|| Path::new("."));
    let finding = |trouble| Some(Finding::new("disk under the database", trouble));
    match fs4::available_space(folder) {
        Err(error) => finding(Some(format!("its free space cannot be told ({error})"))),
        Ok(free) if free < limits::DISK_FREE_BYTES => {
            finding(Some(format!("only {} MB are free; make room before mails wait", free / 1_000_000)))
        }
        Ok(_) => finding(None),
    }
}

/// That a file can be stored where answers' files lie, and taken away again.
async fn attachments(surgery: &Surgery) -> Finding {
    let trouble = match files(&surgery.settings) {
        Ok(files) => files.probe(Mark::new(&surgery.dice)).await.err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    Finding::new("files of answers", trouble)
}

/// Items marked personal, surveys without names, elections and the secrets that draws are made from: that there is a key, and that it opens
/// what is sealed.
async fn sealed(store: &Store, settings: &Settings) -> Vec<Finding> {
    let rows = study::list(store).await.unwrap_or_default();
    let shelf = Shelf::new(store.clone());
    let mut findings = Vec::new();
    for row in rows {
        let Ok(shelved) = shelf.load(&row).await else { continue };
        if shelved.study.asks_personal() || shelved.locked.is_some() {
            let trouble = shelved.unlocked().err().map(|error| error.to_string());
            findings.push(Finding::new(format!("key of what is personal in {}", row.slug), trouble));
        }
        if shelved.study.step_up.is_some_and(|rule| rule.proof == Proof::SecondFactor) {
            let trouble = settings.keys.is_empty().then(|| NoKey.to_string());
            findings.push(Finding::new(format!("key of the second factors that {} demands", row.slug), trouble));
        }
        if let Err(error) = row.secret.bytes() {
            let what = format!("secret of the draws of {} ({})", row.slug, row.stage.key());
            findings.push(Finding::new(what, Some(error.to_string())));
        }
        let waiting = urn::count(store, row.id).await.unwrap_or_default();
        let nameless = shelved.study.survey.as_ref().is_some_and(|survey| !survey.privacy.names());
        let elects = shelved.study.election.is_some();
        if waiting == 0 && (!(nameless || elects) || row.state == State::Closed) {
            continue;
        }
        let trouble = sealed_urn::unopened(store, &shelved, &settings.keys).await;
        // How many have voted is told to nobody before the urn is opened.
        let what = match elects {
            true => format!("sealed ballots of {}", row.slug),
            false => format!("sealed answers of {} ({waiting})", row.slug),
        };
        findings.push(Finding::new(what, trouble));
    }
    findings
}

/// Studies in production whose draws whoever has a copy of the database can foresee.
async fn foreseeable(store: &Store) -> Vec<String> {
    let mut slugs = Vec::new();
    let shelf = Shelf::new(store.clone());
    for row in study::list(store).await.unwrap_or_default() {
        let goes_on = row.stage == Stage::Production && row.state != State::Closed;
        if goes_on && study::is_clear(store, row.id).await.unwrap_or_default() {
            let allocates = shelf.load(&row).await.is_ok_and(|shelved| shelved.study.scheme.is_some());
            slugs.extend(allocates.then_some(row.slug));
        }
    }
    slugs
}

/// Subjects of studies in production whose references read as numbers of other subjects; such are refused by now.
async fn like_numbers(store: &Store) -> Vec<(String, String)> {
    let shelf = Shelf::new(store.clone());
    let mut warnings = Vec::new();
    for row in study::list(store).await.unwrap_or_default() {
        if row.stage != Stage::Production {
            continue;
        }
        let Ok(shelved) = shelf.load(&row).await else { continue };
        // What cannot be read is told of elsewhere.
        let numbers = binding::like_numbers(store, &shelved).await.unwrap_or_default();
        if numbers.is_empty() {
            continue;
        }
        let numbers: Vec<String> = numbers.into_iter().map(|number| shelved.study.subject_number(number)).collect();
        let warning = format!(
            "those of {} read as the study's own numbers of other subjects, and whoever names one means the other; correct each to \
             another way of writing it (`hagaki subject note --kind corrected --set {}=VALUE`)",
            numbers.join(", "),
            shelved.study.registration.subject_item
        );
        warnings.push((format!("references of {}", row.slug), warning));
    }
    warnings
}

/// Letters of schedules that cannot be written; nobody else would hear of it, for they are tried again each hour.
async fn unwritten(store: &Store, now: Instant) -> Vec<(String, String)> {
    // Each of them is due before the next try is over.
    let until = now.plus_seconds(limits::SCHEDULE_RETRY_SECONDS);
    let mut warnings = Vec::new();
    for row in study::list(store).await.unwrap_or_default() {
        let many = planned_letter::count_unwritten(store, row.id, until).await.unwrap_or_default();
        if many > 0 {
            let warning = format!(
                "{} could not be written, which is tried again each hour; `hagaki schedule list {}` says whose and why",
                counted(many.unsigned_abs(), "letter"),
                row.slug
            );
            warnings.push((format!("schedule of {}", row.slug), warning));
        }
    }
    warnings
}

/// Subjects that have one reference by a correction of an earlier version, and are not known to be one person.
async fn references(store: &Store) -> Vec<Finding> {
    let shelf = Shelf::new(store.clone());
    let mut findings = Vec::new();
    for row in study::list(store).await.unwrap_or_default() {
        let Ok(shelved) = shelf.load(&row).await else { continue };
        let trouble = match binding::disputes(store, &shelved).await {
            Ok(disputes) if disputes.is_empty() => continue,
            Ok(disputes) => binding::in_words(&shelved.study, &disputes),
            Err(error) => error.to_string(),
        };
        findings.push(Finding::new(format!("references of {}", row.slug), Some(trouble)));
    }
    findings
}

/// Which studies there are, and those that hand out kits and want to know of shortages. What ran out by expiry alone shows here
/// before the next kit is handed out. The place is told, the arm is not: see [`stock`].
async fn studies(store: &Store, now: Instant) -> Vec<Finding> {
    let rows = match study::list(store).await {
        Ok(rows) => rows,
        Err(error) => return vec![Finding::new("studies", Some(error.to_string()))],
    };
    let what = match rows.len() {
        0 => "no study yet; `hagaki study activate BUNDLE` brings one in".to_string(),
        count => counted(count as u64, "study").replace("studys", "studies"),
    };
    let mut findings = vec![Finding::new(what, None)];
    let shelf = Shelf::new(store.clone());
    for row in rows.iter().filter(|row| row.state != State::Closed) {
        let Ok(shelved) = shelf.load(row).await else { continue };
        if !shelved.study.stock.tells() {
            continue;
        }
        let trouble = match stock::shortages(store, row.id, &shelved.study, now).await {
            Err(error) => Some(error.to_string()),
            Ok(short) => {
                let place =
                    |site: &str| if site.is_empty() { "the central stock".to_string() } else { format!("site {site}") };
                // Nobody has to send kits of a closed arm.
                let open = short.iter().filter(|stock| shelved.study.is_open_arm(&stock.arm));
                let places: BTreeSet<String> = open.map(|stock| place(&stock.site)).collect();
                let places: Vec<String> = places.into_iter().collect();
                (!places.is_empty()).then(|| {
                    format!(
                        "kits are short: {}; send some with `hagaki kit move` or `hagaki kit import`",
                        places.join(", ")
                    )
                })
            }
        };
        findings.push(Finding::new(format!("kits of {}", row.slug), trouble));
    }
    findings
}

/// Connects both ways, then sends a letter to a sub-address of our own and waits for it to come in.
async fn post(surgery: &Surgery, settings: &MailboxSettings) -> Vec<Finding> {
    let name = |what: &str| format!("mailbox {}: {what}", settings.name);
    let mut mailbox = Mailbox::open(&settings.source, &surgery.dice);
    let connected = mailbox.connect().await;
    let incoming = Finding::new(name("incoming"), connected.as_ref().err().map(ToString::to_string));
    let transport = match Transport::open(&settings.delivery, surgery.clock.clone()) {
        Ok(transport) => transport,
        Err(error) => return vec![incoming, Finding::new(name("outgoing"), Some(error.to_string()))],
    };
    let probe = transport.probe().await.err().map(|verdict| told(&verdict));
    let can_post = matches!(transport, Transport::Smtp(_)) && connected.is_ok() && probe.is_none();
    let outgoing = match &settings.delivery {
        Delivery::Folder { path } => format!("outgoing: letters are written into {}, none is sent", path.display()),
        Delivery::Smtp(_) => "outgoing".to_string(),
        Delivery::Memory => "outgoing: letters are forgotten, none is sent".to_string(),
    };
    let mut findings = vec![incoming, Finding::new(name(&outgoing), probe)];
    if let Delivery::Smtp(SmtpSettings { dkim: Some(signer), .. }) = &settings.delivery {
        let record = format!(
            "letters are signed; DNS has to say {} TXT \"{}\"",
            signer.identity().record_name(),
            signer.record()
        );
        findings.push(Finding::new(name(&record), None));
    }
    findings.extend(lanes(surgery, settings).await.into_iter().map(|(what, warning)| match warning {
        Some(warning) => Finding::warned(name(&what), warning),
        None => Finding::new(name(&what), None),
    }));
    findings.extend(bounds(surgery, settings).await.map(|what| Finding::new(name(&what), None)));
    if can_post {
        let trouble = letter_to_itself(surgery, settings, &mut mailbox, &transport).await.err();
        findings.push(Finding::new(name("a letter to itself"), trouble));
    }
    findings
}

/// How letters leave of the two sorts that do not wait for each other, and whether the daemon leaves the server alone for one of them.
async fn lanes(surgery: &Surgery, settings: &MailboxSettings) -> Vec<(String, Option<String>)> {
    let mut told = Vec::new();
    for lane in Lane::ALL {
        let letters = match lane {
            Lane::Awaited => "letters that somebody waits for",
            Lane::Mailings => "mailings",
        };
        let what = match &settings.delivery {
            Delivery::Smtp(smtp) if lane == Lane::Mailings => {
                format!("{letters} use at most {}", counted(for_mailings(smtp.connections) as u64, "connection"))
            }
            Delivery::Smtp(smtp) => {
                format!("{letters} use at most {}", counted(smtp.connections as u64, "connection"))
            }
            Delivery::Folder { .. } | Delivery::Memory => letters.to_owned(),
        };
        let away = match &surgery.store {
            Some(store) => host::find(store, &host_of(&settings.name, lane)).await.ok().flatten(),
            None => None,
        };
        let away = away.filter(|away| away.suspended_until > surgery.now());
        told.push((what, away.map(|away| {
            format!(
                "they wait: the daemon tried {} in vain and leaves the server alone until {}; its log and /readyz say why",
                counted(away.failures.unsigned_abs(), "time"),
                away.suspended_until.utc()
            )
        })));
    }
    told
}

/// How fast letters may leave, and how many of mailings wait; that they do is no trouble.
async fn bounds(surgery: &Surgery, settings: &MailboxSettings) -> Option<String> {
    let throttle = &settings.throttle;
    let all = throttle.per_minute.map(|bound| format!("{bound} a minute"));
    let each = throttle.per_domain_per_minute.map(|bound| format!("{bound} a minute to each domain"));
    let own = throttle.domains.iter().map(|(domain, bound)| format!("{bound} a minute to {domain}"));
    let bounds: Vec<String> = all.into_iter().chain(each).chain(own).collect();
    let waiting = match &surgery.store {
        Some(store) => outbox::waiting_mass(store, &settings.name, surgery.now()).await.unwrap_or_default(),
        None => outbox::WaitingMass::default(),
    };
    if throttle.is_none() && waiting.throttled == 0 {
        return None;
    }
    let bounds =
        if bounds.is_empty() { "as servers take them".to_owned() } else { format!("at most {}", bounds.join(", ")) };
    Some(format!(
        "throttle: letters {bounds}; of mailings {} wait, {} of them for the bound of their domain",
        waiting.all, waiting.throttled
    ))
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
    surgery: &Surgery,
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
    surgery.dice.fill(&mut bytes);
    let word = data_encoding::HEXLOWER.encode(&bytes);
    let (local, domain) = settings.address.rsplit_once('@').unwrap_or((&settings.address, ""));
    let to = format!("{local}+probe-{word}@{domain}");
    let raw = probe_mail(settings, &to, &word, surgery.now());
    let envelope = Envelope { from: Some(settings.address.clone()), to: to.clone() };
    match transport.send(&envelope, raw.as_bytes()).await {
        Verdict::Accepted(_) => {}
        other => return Err(format!("it was not taken: {}", told(&other))),
    }
    for _ in 0..limits::PROBE_SECONDS {
        let fetched = mailbox.fetch(position, limits::INTAKE_BATCH).await.map_err(|error| error.to_string())?;
        position = fetched.position;
        let came = fetched.items.iter().any(|item| String::from_utf8_lossy(&item.bytes).contains(&word));
        if came || taken_in(surgery, &word).await {
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
async fn taken_in(surgery: &Surgery, word: &str) -> bool {
    let Some(store) = &surgery.store else { return false };
    for mail in inbox::list(store, inbox::Which::All, None, 20).await.unwrap_or_default() {
        let raw = inbox::find_raw(store, mail.id).await.ok().flatten().unwrap_or_default();
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
