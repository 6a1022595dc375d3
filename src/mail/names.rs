//! Asks DNS, for `hagaki doctor`.
//!
//! In charge of one question at a time, of patience, and of not asking on where nobody answers. Judges nothing: see
//! [`dns`](crate::domain::dns).

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::time::{Instant, timeout_at};

use crate::domain::dns::{Answer, Answers, Gap, Kind, Question, Record, is_public, plain};
use crate::limits;
use crate::settings::NameServer;

/// DNS as this machine, or a name server of choice, sees it; what was told once is not asked again.
pub struct Names {
    resolver: TokioResolver,
    answers: Answers,
    /// Questions that may still be asked.
    left: usize,
    until: Instant,
    /// Whether anything was ever answered.
    heard: bool,
    /// Why nobody is asked any more.
    silent: Option<String>,
}

/// A question that had no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("DNS did not tell of {name} ({why})")]
pub struct Untold {
    /// The name.
    pub name: String,
    /// What happened.
    pub why: String,
}

impl Names {
    /// Makes ready to ask; nobody is asked yet. None where the operator wants nobody asked.
    ///
    /// # Errors
    /// This machine knows no name server.
    pub fn open(server: NameServer) -> Result<Option<Names>, String> {
        let mut builder = match server {
            NameServer::Nobody => return Ok(None),
            NameServer::System => TokioResolver::builder_tokio().map_err(|error| error.to_string())?,
            NameServer::At(address) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = address.port();
                    connection
                });
                let server = NameServerConfig::new(address.ip(), true, connections.to_vec());
                let config = ResolverConfig::from_name_servers(vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        options.timeout = Duration::from_secs(limits::DNS_SECONDS);
        options.attempts = 1;
        // What others see is asked for, and not what stands in a file of this machine.
        options.use_hosts_file = ResolveHosts::Never;
        let resolver = builder.build().map_err(|error| error.to_string())?;
        let answers = Answers::default();
        Ok(Some(Names { resolver, answers, left: 0, until: Instant::now(), heard: false, silent: None }))
    }

    /// Gives the questions about one mailbox their number and their time.
    pub fn begin(&mut self) {
        self.left = limits::DNS_QUESTIONS;
        self.until = Instant::now() + Duration::from_secs(limits::DNS_MAILBOX_SECONDS);
    }

    /// Why nobody is asked any more, where no name server has answered anything.
    pub fn silent(&self) -> Option<&str> {
        self.silent.as_deref()
    }

    /// Judges, asking for what the judgement lacks.
    ///
    /// # Errors
    /// A question had no answer.
    pub async fn judge<T>(&mut self, judge: impl Fn(&Answers) -> Result<T, Gap>) -> Result<T, Untold> {
        loop {
            match judge(&self.answers) {
                Ok(judged) => return Ok(judged),
                Err(Gap::Failed { name, why }) => return Err(Untold { name, why }),
                Err(Gap::Asks(question)) => {
                    let answer = self.ask(&question).await.map_or_else(Answer::Failed, Answer::Records);
                    self.answers.put(question, answer);
                }
            }
        }
    }

    async fn ask(&mut self, question: &Question) -> Result<Vec<Record>, String> {
        if let Some(why) = &self.silent {
            return Err(why.clone());
        }
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            format!("more than {} questions were needed; are there records without end?", limits::DNS_QUESTIONS)
        })?;
        let kind = match question.kind {
            Kind::Text => RecordType::TXT,
            Kind::Exchange => RecordType::MX,
            Kind::Four => RecordType::A,
            Kind::Six => RecordType::AAAA,
            Kind::Pointer => RecordType::PTR,
        };
        let mut name = Name::from_str_relaxed(&question.name).map_err(|error| error.to_string())?;
        // Never the name of a neighbour: no domain of this machine is put behind it.
        name.set_fqdn(true);
        let asked = timeout_at(self.until, self.resolver.lookup(name, kind)).await;
        let failed = match asked {
            Ok(Ok(lookup)) => {
                self.heard = true;
                return Ok(lookup.answers().iter().filter_map(|record| read(&record.data)).collect());
            }
            Ok(Err(NetError::Dns(DnsError::NoRecordsFound(_)))) => {
                self.heard = true;
                return Ok(Vec::new());
            }
            Ok(Err(NetError::Dns(error))) => {
                self.heard = true;
                return Err(error.to_string());
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("all questions took more than {} s", limits::DNS_MAILBOX_SECONDS),
        };
        if !self.heard {
            self.silent = Some(failed.clone());
        }
        Err(failed)
    }
}

fn read(data: &RData) -> Option<Record> {
    let name = |name: &Name| plain(&name.to_ascii());
    match data {
        RData::TXT(text) => {
            let bytes: Vec<u8> = text.txt_data.iter().flat_map(|part| part.iter().copied()).collect();
            Some(Record::Text(String::from_utf8_lossy(&bytes).into_owned()))
        }
        RData::MX(own) => Some(Record::Exchange { preference: own.preference, host: name(&own.exchange) }),
        RData::A(address) => Some(Record::Address(IpAddr::V4(address.0))),
        RData::AAAA(address) => Some(Record::Address(IpAddr::V6(address.0))),
        RData::PTR(own) => Some(Record::Pointer(name(&own.0))),
        _ => None,
    }
}

/// The addresses by which this machine reaches the world, where they are addresses of the world; sends nothing.
pub fn own_addresses() -> Vec<IpAddr> {
    // Addresses that nobody has (RFC 5737, RFC 3849): the way to them is that to any stranger.
    let ways = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    let own = ways.into_iter().filter_map(|(here, stranger)| {
        let socket = UdpSocket::bind(here).ok()?;
        socket.connect(stranger).ok()?;
        Some(socket.local_addr().ok()?.ip())
    });
    own.filter(|address| is_public(*address)).collect()
}
