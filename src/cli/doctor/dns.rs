//! What DNS says of the domains that letters come from, in the words of `hagaki doctor`.
//!
//! In charge of the words, of the record to publish, and of what is known of the machines that letters leave by. Judges no record: see
//! [`dns`](crate::domain::dns).

use std::fmt::Display;
use std::net::IpAddr;

use super::Finding;
use crate::domain::dns::dmarc::Policy;
use crate::domain::dns::spf::{Fault, Outcome, Qualifier};
use crate::domain::dns::{Answers, Judged, dmarc, exchange, is_public, reverse, signature, spf};
use crate::limits;
use crate::mail::names::{Names, own_addresses};
use crate::settings::{Delivery, Settings, SmtpSettings};

/// Asks DNS about each address of ours whose letters go out; one finding where nobody answers.
pub(super) async fn examine(settings: &Settings) -> Vec<Finding> {
    let senders = settings.mailboxes.iter().filter_map(|mailbox| match &mailbox.delivery {
        Delivery::Smtp(smtp) => Some((mailbox, smtp)),
        Delivery::Folder { .. } | Delivery::Memory => None,
    });
    let mut names = None;
    let mut findings = Vec::new();
    for (mailbox, smtp) in senders {
        if names.is_none() {
            names = match Names::open(settings.nameserver) {
                Ok(Some(opened)) => Some(opened),
                Ok(None) => {
                    return vec![Finding::new("DNS (nobody is asked, as [doctor] nameserver says)", None)];
                }
                Err(why) => return vec![unasked(&why)],
            };
        }
        let Some(names) = &mut names else { continue };
        names.begin();
        let domain = mailbox.address.rsplit_once('@').map_or(mailbox.address.as_str(), |(_, domain)| domain);
        let examination = Examination { names, mailbox: &mailbox.name, domain, smtp, findings: Vec::new() };
        let (found, silent) = examination.run().await;
        if let Some(why) = silent {
            return vec![unasked(&why)];
        }
        findings.extend(found);
    }
    findings
}

fn unasked(why: &str) -> Finding {
    let told = format!(
        "nobody answers ({}), so that SPF, DKIM, DMARC, MX and reverse names were not looked at; is there a network, or is another \
         name server to be asked ([doctor] nameserver)?",
        shown(why)
    );
    Finding::warned("DNS", told)
}

/// What strangers wrote, short, and without what could move a terminal's cursor.
fn shown(text: &str) -> String {
    let plain: String = text.chars().take(limits::VERDICT_CHARS).collect();
    plain.replace(char::is_control, "?")
}

/// The machines by which letters leave to the world.
enum Origin {
    /// The operator names them.
    Told(Vec<IpAddr>),
    /// The mail server is on this machine, and these are its addresses.
    Here(Vec<IpAddr>),
    /// The mail server has these addresses; it may send from others.
    Relay(Vec<IpAddr>),
    /// Not known, for a reason.
    Unknown(String),
}

/// One mailbox, and what was found.
struct Examination<'a> {
    names: &'a mut Names,
    mailbox: &'a str,
    domain: &'a str,
    smtp: &'a SmtpSettings,
    findings: Vec<Finding>,
}

impl Examination<'_> {
    /// What was found; and why nobody answers, where nobody does.
    async fn run(mut self) -> (Vec<Finding>, Option<String>) {
        let origin = self.origin().await;
        if self.policy_of_senders(&origin).await {
            self.permission(&origin).await;
        }
        self.key().await;
        self.policy().await;
        self.exchanges().await;
        self.reverse(&origin).await;
        let silent = self.names.silent().map(str::to_owned);
        (self.findings, silent)
    }

    async fn origin(&mut self) -> Origin {
        let smtp = self.smtp;
        if !smtp.outbound.is_empty() {
            return Origin::Told(smtp.outbound.clone());
        }
        if smtp.is_here() {
            let own = own_addresses();
            return match own.is_empty() {
                true => Origin::Unknown("this machine has no address of the world".to_owned()),
                false => Origin::Here(own),
            };
        }
        let found = match smtp.host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.names.judge(|answers| answers.addresses(&smtp.host)).await.unwrap_or_default(),
        };
        let public: Vec<IpAddr> = found.into_iter().filter(|address| is_public(*address)).collect();
        match public.is_empty() {
            true => Origin::Unknown(format!("{} has no address of the world in DNS", smtp.host)),
            false => Origin::Relay(public),
        }
    }

    /// The record that says who may send; whether it holds.
    async fn policy_of_senders(&mut self, origin: &Origin) -> bool {
        let domain = self.domain;
        let what = format!("SPF of {domain}");
        match self.ask(&what, |answers| spf::judge(answers, domain)).await {
            None => false,
            Some(Err(fault)) => {
                let mend = self.mended(&fault, origin);
                self.trouble(what, format!("{}; {mend}", shown(&fault.to_string())));
                false
            }
            Some(Ok(policy)) => {
                let record = shown(&policy.record);
                let what = format!("{what} (\"{record}\", {} of {} lookups)", policy.lookups, limits::SPF_LOOKUPS);
                match policy.rest {
                    Some(Qualifier::Fail | Qualifier::SoftFail) => self.well(what),
                    _ => self.warning(
                        what,
                        "it does not end in ~all or -all, so that it says nothing against forged mails; end it so",
                    ),
                }
                true
            }
        }
    }

    fn mended(&self, fault: &Fault, origin: &Origin) -> String {
        let domain = self.domain;
        match fault {
            Fault::Missing => {
                let terms = match origin {
                    Origin::Told(addresses) | Origin::Here(addresses) => {
                        addresses.iter().map(|address| term(*address)).collect::<Vec<String>>().join(" ")
                    }
                    _ if self.smtp.is_here() => "mx".to_owned(),
                    _ => format!("a:{}", self.smtp.host),
                };
                format!(
                    "publish {domain} TXT \"v=spf1 {terms} ~all\", with all else in it that sends mails of the domain"
                )
            }
            Fault::Several(_) => "put them into one".to_owned(),
            Fault::Everybody => "name who may send, and end it in ~all or -all".to_owned(),
            Fault::Lookups => {
                "take out what is not needed, or write networks (ip4:, ip6:) in place of names".to_owned()
            }
            Fault::Term { .. } | Fault::Reference(_) => "correct that, or take it out".to_owned(),
            Fault::Exchanges(_) => "write networks (ip4:, ip6:) in place of them".to_owned(),
        }
    }

    /// Whether the record names the machines that letters leave by.
    async fn permission(&mut self, origin: &Origin) {
        let domain = self.domain;
        let addresses = match origin {
            Origin::Told(addresses) | Origin::Here(addresses) | Origin::Relay(addresses) => addresses,
            Origin::Unknown(why) => {
                let why = format!("{why}; name those it sends from by [smtp] outbound");
                self.well(format!(
                    "SPF of {domain}: whether it names the machine that letters leave by is not known ({why})"
                ));
                return;
            }
        };
        for address in addresses.iter().copied() {
            let what = format!("SPF of {domain} for {address}");
            let add = format!("add {} to the record", term(address));
            match self.ask(&what, |answers| spf::outcome(answers, domain, address)).await {
                None => {}
                Some(Err(fault)) => {
                    let mend = self.mended(&fault, origin);
                    self.trouble(what, format!("{}; {mend}", shown(&fault.to_string())));
                }
                Some(Ok(Outcome::Known(Qualifier::Pass))) => self.well(what),
                Some(Ok(Outcome::Unknown)) => {
                    let told = "whether the record names it depends on each mail (macros, ptr) and is not known here";
                    self.warning(what, format!("{told}; to be sure, {add}"));
                }
                Some(Ok(Outcome::Known(_))) => match origin {
                    Origin::Told(_) => self.trouble(what, format!("letters that leave from it do not pass; {add}")),
                    Origin::Here(_) => self.warning(
                        what,
                        format!(
                            "the record does not name this machine; if the mail server on it sends to the world itself, {add}; if it \
                             hands letters on, name the addresses that send by [smtp] outbound"
                        ),
                    ),
                    _ => self.warning(
                        what,
                        format!(
                            "the record does not name {}; if letters leave for the world from there, {add}; if from elsewhere, name \
                             the addresses by [smtp] outbound, or ask who runs it what to include",
                            self.smtp.host
                        ),
                    ),
                },
            }
        }
    }

    /// The record of the key that signs, where letters are signed here.
    async fn key(&mut self) {
        let (domain, smtp) = (self.domain, self.smtp);
        let Some(signer) = &smtp.dkim else {
            self.well(format!(
                "DKIM of {domain}: letters are not signed here; whether the mail server signs them shows in one that arrived"
            ));
            return;
        };
        let (name, record) = (signer.identity().record_name(), signer.record());
        let what = format!("DKIM key {name}");
        match self.ask(&what, |answers| signature::judge(answers, &name, &record)).await {
            None => {}
            Some(Ok(key)) if key.tried_out => {
                self.warning(what, "t=y says that the key is only tried out; publish the record without it");
            }
            Some(Ok(_)) => self.well(what),
            Some(Err(fault)) => {
                self.trouble(what, format!("{}; publish {name} TXT \"{record}\"", shown(&fault.to_string())));
            }
        }
    }

    /// What becomes of letters that pass neither by SPF nor by a signature.
    async fn policy(&mut self) {
        let (domain, smtp) = (self.domain, self.smtp);
        let what = format!("DMARC of {domain}");
        let found = match self.ask(&what, |answers| dmarc::judge(answers, domain)).await {
            None => return,
            Some(Ok(found)) => found,
            Some(Err(fault)) => {
                let told = shown(&fault.to_string());
                let record = format!("v=DMARC1; p=none; rua=mailto:postmaster@{domain}");
                return match fault {
                    dmarc::Fault::Missing => {
                        let publish = format!("publish _dmarc.{domain} TXT \"{record}\"");
                        self.warning(what, format!("{told}; large providers ask for one: {publish}"));
                    }
                    dmarc::Fault::Several { .. } => self.trouble(what, format!("{told}; keep one")),
                    dmarc::Fault::Unreadable { .. } => self.trouble(what, format!("{told}; write it as \"{record}\"")),
                };
            }
        };
        let what = format!("{what} (p={}, by _dmarc.{})", found.policy, found.domain);
        let Some(signer) = &smtp.dkim else {
            self.well(format!(
                "{what}: letters pass by SPF, and forwarded ones only if the mail server signs them as {domain}"
            ));
            return;
        };
        let signing = &signer.identity().domain;
        if found.aligns(domain, signing) {
            return self.well(what);
        }
        let told = format!(
            "adkim=s wants a signature by {domain}, and ours is by {signing}; set [dkim] domain to {domain}, or publish the record \
             without adkim=s"
        );
        match found.policy {
            Policy::None => self.warning(what, told),
            Policy::Quarantine | Policy::Reject => self.trouble(what, told),
        }
    }

    /// Where replies and reports of failure go.
    async fn exchanges(&mut self) {
        let domain = self.domain;
        let what = format!("mail servers of {domain}");
        match self.ask(&what, |answers| exchange::judge(answers, domain)).await {
            None => {}
            Some(Err(fault)) => {
                let told = shown(&fault.to_string());
                let mend =
                    format!("publish {domain} MX 10 and the name of its mail server, and an address (A, AAAA) of that");
                self.trouble(what, format!("{told}, so that no reply and no report of failure arrives; {mend}"));
            }
            Some(Ok(found)) => {
                let what = format!("{what} ({})", shown(&found.hosts.join(", ")));
                if !found.named {
                    let told = "the domain names none (MX), and its own address is taken for one";
                    self.warning(what, format!("{told}; publish {domain} MX 10 and the name of its mail server"));
                } else if found.lost.is_empty() {
                    self.well(what);
                } else {
                    let lost = shown(&found.lost.join(", "));
                    self.warning(
                        what,
                        format!("no address leads to {lost}; publish one (A, AAAA), or take the record out"),
                    );
                }
            }
        }
    }

    /// How the machines are called that send to the world, where they are ours to name.
    async fn reverse(&mut self, origin: &Origin) {
        let addresses = match origin {
            Origin::Told(addresses) | Origin::Here(addresses) => addresses,
            // Whoever runs the mail server sees to its names.
            Origin::Relay(_) | Origin::Unknown(_) => return,
        };
        for address in addresses.iter().copied() {
            let what = format!("reverse name of {address}");
            match self.ask(&what, |answers| reverse::judge(answers, address)).await {
                None => {}
                Some(Ok(name)) => self.well(format!("{what} ({})", shown(&name))),
                Some(Err(fault)) => {
                    let told = format!(
                        "{}; have who gave you the address publish {} PTR with the name of the mail server, and an address of that name \
                         that is this one",
                        shown(&fault.to_string()),
                        reverse::name(address)
                    );
                    match origin {
                        Origin::Told(_) => self.trouble(what, told),
                        _ => self.warning(what, format!("if the mail server here sends to the world itself: {told}")),
                    }
                }
            }
        }
    }

    /// Judges; none where an answer is lacking, which is told.
    async fn ask<T, F>(&mut self, what: &str, judge: impl Fn(&Answers) -> Judged<T, F>) -> Option<Result<T, F>> {
        match self.names.judge(judge).await {
            Ok(judged) => Some(judged),
            Err(untold) => {
                let told = shown(&untold.to_string());
                self.warning(what, format!("{told}; try again later"));
                None
            }
        }
    }

    fn named(&self, what: impl Display) -> String {
        format!("mailbox {}: {what}", self.mailbox)
    }

    fn well(&mut self, what: impl Display) {
        let finding = Finding::new(self.named(what), None);
        self.findings.push(finding);
    }

    fn warning(&mut self, what: impl Display, warning: impl Into<String>) {
        let finding = Finding::warned(self.named(what), warning);
        self.findings.push(finding);
    }

    fn trouble(&mut self, what: impl Display, trouble: String) {
        let finding = Finding::new(self.named(what), Some(trouble));
        self.findings.push(finding);
    }
}

/// How a record names an address.
fn term(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(four) => format!("ip4:{four}"),
        IpAddr::V6(six) => format!("ip6:{six}"),
    }
}
