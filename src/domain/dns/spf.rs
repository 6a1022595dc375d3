//! Sender Policy Framework (RFC 7208): which machines may send mails of a domain.
//!
//! Our letters' sender (MAIL FROM) is of the domain of our address, so that its record counts. What depends on more than the address
//! that sends (macros, the name of an address) is not followed; then it is said that it cannot be known.

use core::net::IpAddr;

use super::{Answers, Gap, Judged, Kind, is_name, plain};
use crate::limits;

/// What a record says of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qualifier {
    /// `+`: it may send.
    Pass,
    /// `-`: it may not.
    Fail,
    /// `~`: it most likely may not.
    SoftFail,
    /// `?`: nothing.
    Neutral,
}

/// A record that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its text.
    pub record: String,
    /// Lookups that it takes at most, with all records that it names.
    pub lookups: usize,
    /// What holds for all machines that it does not name; none where it does not say.
    pub rest: Option<Qualifier>,
}

/// What is wrong with a domain's record: nobody may send, or everybody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no record.
    #[error("there is no SPF record, so that our letters are taken for forged ones, or forged ones for ours")]
    Missing,
    /// There are several (section 4.5).
    #[error("there are {0} SPF records, and of several none counts")]
    Several(usize),
    /// A word of a record is none that SPF knows (section 4.6).
    #[error(
        "\"{term}\" in the SPF record of {domain} is nothing that SPF knows, so that the whole record does not count"
    )]
    Term {
        /// Whose record.
        domain: String,
        /// The word.
        term: String,
    },
    /// The record lets the whole world send.
    #[error("the SPF record lets everybody send in our name")]
    Everybody,
    /// It takes too many lookups (section 4.6.4).
    #[error("the SPF record takes more than {most} lookups, so that it does not count", most = limits::SPF_LOOKUPS)]
    Lookups,
    /// A domain that it names has no record, or several (section 5.2).
    #[error("the SPF record names {0}, which has no SPF record or more than one, so that it does not count")]
    Reference(String),
    /// A domain that it names has too many mail servers (section 4.6.4).
    #[error(
        "the SPF record names the mail servers of {0}, which are more than {most}, so that it does not count",
        most = limits::SPF_EXCHANGES
    )]
    Exchanges(String),
}

/// What a domain's record says of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What it says.
    Known(Qualifier),
    /// It depends on what cannot be known here: a macro, or the name of an address.
    Unknown,
}

/// Whether the record of a domain holds, whoever sends.
///
/// # Errors
/// An answer is lacking.
pub fn judge(answers: &Answers, domain: &str) -> Judged<Policy, Fault> {
    settled(policy(answers, domain))
}

/// What the record of a domain says of a machine that sends.
///
/// # Errors
/// An answer is lacking.
pub fn outcome(answers: &Answers, domain: &str, address: IpAddr) -> Judged<Outcome, Fault> {
    // A record that holds takes few lookups: no circle, and no tree of records that never ends.
    settled(policy(answers, domain).and_then(|policy| check(answers, domain, &policy.record, address.to_canonical())))
}

fn policy(answers: &Answers, domain: &str) -> Result<Policy, Stop> {
    let record = record(answers, domain)?;
    let mut lookups = 0;
    let rest = walk(answers, domain, record, &mut lookups)?;
    if rest == Some(Qualifier::Pass) {
        return Err(Fault::Everybody.into());
    }
    Ok(Policy { record: record.to_owned(), lookups, rest })
}

/// Why judging ended early.
enum Stop {
    Gap(Gap),
    Fault(Fault),
}

impl From<Gap> for Stop {
    fn from(gap: Gap) -> Stop {
        Stop::Gap(gap)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Fault(fault)
    }
}

fn settled<T>(judged: Result<T, Stop>) -> Judged<T, Fault> {
    match judged {
        Ok(judged) => Ok(Ok(judged)),
        Err(Stop::Fault(fault)) => Ok(Err(fault)),
        Err(Stop::Gap(gap)) => Err(gap),
    }
}

/// Which machines a term names.
enum Mechanism {
    All,
    Include(String),
    /// Those of a name's addresses; the domain's own where none is named.
    Address(Option<String>, Lengths),
    /// Those of a domain's mail servers.
    Exchanges(Option<String>, Lengths),
    Network(IpAddr, u8),
    Exists(String),
    /// Those whose name is in a domain; not to be used any more (section 5.5).
    Pointer,
}

/// How many leading bits of an IPv4 and of an IPv6 address count.
struct Lengths {
    four: u8,
    six: u8,
}

enum Term {
    Mechanism(Qualifier, Mechanism),
    Redirect(String),
    /// A modifier without weight here.
    Modifier,
}

/// The one record of a domain.
fn record<'a>(answers: &'a Answers, domain: &str) -> Result<&'a str, Stop> {
    let is_spf = |text: &&str| text.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case("v=spf1"));
    let records: Vec<&str> = answers.texts(domain)?.into_iter().filter(is_spf).collect();
    match records.as_slice() {
        [] => Err(Fault::Missing.into()),
        &[record] => Ok(record),
        several => Err(Fault::Several(several.len()).into()),
    }
}

/// The one record of a domain that another record names.
fn referenced<'a>(answers: &'a Answers, domain: &str) -> Result<&'a str, Stop> {
    record(answers, domain).map_err(|stop| match stop {
        Stop::Fault(_) => Fault::Reference(domain.to_owned()).into(),
        gap => gap,
    })
}

fn terms(domain: &str, record: &str) -> Result<Vec<Term>, Fault> {
    let fault = |word: &str| Fault::Term { domain: domain.to_owned(), term: word.to_owned() };
    let words = record.split(' ').skip(1).filter(|word| !word.is_empty());
    words.map(|word| term(word).ok_or_else(|| fault(word))).collect()
}

fn term(word: &str) -> Option<Term> {
    if let Some((name, value)) = word.split_once('=')
        && is_modifier(name)
    {
        return match name.to_ascii_lowercase().as_str() {
            "redirect" => is_target(value).then(|| Term::Redirect(value.to_owned())),
            _ => Some(Term::Modifier),
        };
    }
    let signs = [('+', Qualifier::Pass), ('-', Qualifier::Fail), ('~', Qualifier::SoftFail), ('?', Qualifier::Neutral)];
    let signed = signs.into_iter().find_map(|(sign, qualifier)| Some((qualifier, word.strip_prefix(sign)?)));
    let (qualifier, rest) = signed.unwrap_or((Qualifier::Pass, word));
    let (name, argument) = rest.split_at(rest.find([':', '/']).unwrap_or(rest.len()));
    let mechanism = match name.to_ascii_lowercase().as_str() {
        "all" if argument.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(target(argument)?),
        "a" => {
            let (name, lengths) = host(argument)?;
            Mechanism::Address(name, lengths)
        }
        "mx" => {
            let (name, lengths) = host(argument)?;
            Mechanism::Exchanges(name, lengths)
        }
        "ip4" => {
            let (address, length) = network(argument, 32)?;
            Mechanism::Network(IpAddr::V4(address.parse().ok()?), length)
        }
        "ip6" => {
            let (address, length) = network(argument, 128)?;
            Mechanism::Network(IpAddr::V6(address.parse().ok()?), length)
        }
        "exists" => Mechanism::Exists(target(argument)?),
        "ptr" if argument.is_empty() || target(argument).is_some() => Mechanism::Pointer,
        _ => return None,
    };
    Some(Term::Mechanism(qualifier, mechanism))
}

fn is_modifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// What follows the colon.
fn target(argument: &str) -> Option<String> {
    argument.strip_prefix(':').filter(|name| is_target(name)).map(str::to_owned)
}

fn is_target(name: &str) -> bool {
    is_name(&plain(name))
}

/// Whether a name is to be filled in for each mail (section 7).
fn is_variable(name: &str) -> bool {
    name.contains('%')
}

/// `[:name][/n][//m]`.
fn host(argument: &str) -> Option<(Option<String>, Lengths)> {
    let (name, lengths) = argument.split_at(argument.find('/').unwrap_or(argument.len()));
    let name = if name.is_empty() { None } else { Some(target(name)?) };
    let (four, six) = match lengths.split_once("//") {
        Some((four, six)) => (four, Some(six)),
        None => (lengths, None),
    };
    let four = match four.strip_prefix('/') {
        Some(four) => length(four, 32)?,
        None if four.is_empty() => 32,
        None => return None,
    };
    let six = match six {
        Some(six) => length(six, 128)?,
        None => 128,
    };
    Some((name, Lengths { four, six }))
}

/// `:address[/n]`.
fn network(argument: &str, most: u8) -> Option<(&str, u8)> {
    let network = argument.strip_prefix(':')?;
    match network.split_once('/') {
        Some((address, bits)) => Some((address, length(bits, most)?)),
        None => Some((network, most)),
    }
}

fn length(text: &str, most: u8) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<u8>().ok().filter(|length| digits && *length <= most)
}

/// Goes through a record and those that it names, counts the lookups, and gives what holds for the rest.
fn walk(answers: &Answers, domain: &str, record: &str, lookups: &mut usize) -> Result<Option<Qualifier>, Stop> {
    let count = |lookups: &mut usize| -> Result<(), Fault> {
        *lookups += 1;
        if *lookups > limits::SPF_LOOKUPS { Err(Fault::Lookups) } else { Ok(()) }
    };
    let mut redirect = None;
    for term in terms(domain, record)? {
        let (qualifier, mechanism) = match term {
            Term::Mechanism(qualifier, mechanism) => (qualifier, mechanism),
            Term::Redirect(name) => {
                redirect = Some(name);
                continue;
            }
            Term::Modifier => continue,
        };
        match mechanism {
            // What follows counts no more.
            Mechanism::All => return Ok(Some(qualifier)),
            Mechanism::Network(_, 0) if qualifier == Qualifier::Pass => return Err(Fault::Everybody.into()),
            Mechanism::Network(..) => {}
            Mechanism::Include(name) => {
                count(lookups)?;
                if !is_variable(&name) {
                    let rest = walk(answers, &name, referenced(answers, &name)?, lookups)?;
                    if (qualifier, rest) == (Qualifier::Pass, Some(Qualifier::Pass)) {
                        return Err(Fault::Everybody.into());
                    }
                }
            }
            Mechanism::Address(..) | Mechanism::Exchanges(..) | Mechanism::Exists(_) | Mechanism::Pointer => {
                count(lookups)?;
            }
        }
    }
    let Some(name) = redirect else { return Ok(None) };
    count(lookups)?;
    match is_variable(&name) {
        true => Ok(None),
        false => walk(answers, &name, referenced(answers, &name)?, lookups),
    }
}

/// `check_host()` (section 4) for a record that [`walk`] came to the end of.
fn check(answers: &Answers, domain: &str, record: &str, address: IpAddr) -> Result<Outcome, Stop> {
    let mut redirect = None;
    let mut unsure = false;
    for term in terms(domain, record)? {
        let (qualifier, mechanism) = match term {
            Term::Mechanism(qualifier, mechanism) => (qualifier, mechanism),
            Term::Redirect(name) => {
                redirect = Some(name);
                continue;
            }
            Term::Modifier => continue,
        };
        match named(answers, domain, mechanism, address)? {
            // What could not be known may have let it pass before.
            Some(true) if unsure && qualifier != Qualifier::Pass => return Ok(Outcome::Unknown),
            Some(true) => return Ok(Outcome::Known(qualifier)),
            Some(false) => {}
            None => unsure = true,
        }
    }
    match redirect {
        _ if unsure => Ok(Outcome::Unknown),
        None => Ok(Outcome::Known(Qualifier::Neutral)),
        Some(name) if is_variable(&name) => Ok(Outcome::Unknown),
        Some(name) => check(answers, &name, referenced(answers, &name)?, address),
    }
}

/// Whether a term names a machine; none where that cannot be known.
fn named(answers: &Answers, domain: &str, mechanism: Mechanism, address: IpAddr) -> Result<Option<bool>, Stop> {
    match mechanism {
        Mechanism::All => Ok(Some(true)),
        Mechanism::Network(network, length) => Ok(Some(is_within(address, network, length))),
        Mechanism::Pointer => Ok(None),
        Mechanism::Include(name)
        | Mechanism::Exists(name)
        | Mechanism::Address(Some(name), _)
        | Mechanism::Exchanges(Some(name), _)
            if is_variable(&name) =>
        {
            Ok(None)
        }
        Mechanism::Include(name) => match check(answers, &name, referenced(answers, &name)?, address)? {
            Outcome::Known(qualifier) => Ok(Some(qualifier == Qualifier::Pass)),
            Outcome::Unknown => Ok(None),
        },
        // It is asked for by IPv4 whatever sends (section 5.7).
        Mechanism::Exists(name) => Ok(Some(!answers.of_kind(Kind::Four, &name)?.is_empty())),
        Mechanism::Address(name, lengths) => {
            let name = name.as_deref().unwrap_or(domain);
            Ok(Some(is_of(answers, name, &lengths, address)?))
        }
        Mechanism::Exchanges(name, lengths) => {
            let name = name.as_deref().unwrap_or(domain);
            let exchanges = answers.exchanges(name)?;
            if exchanges.len() > limits::SPF_EXCHANGES {
                return Err(Fault::Exchanges(name.to_owned()).into());
            }
            for exchange in exchanges {
                if is_of(answers, exchange, &lengths, address)? {
                    return Ok(Some(true));
                }
            }
            Ok(Some(false))
        }
    }
}

/// Whether an address is one of a name's, as far as its leading bits count.
fn is_of(answers: &Answers, name: &str, lengths: &Lengths, address: IpAddr) -> Result<bool, Gap> {
    let length = if address.is_ipv4() { lengths.four } else { lengths.six };
    Ok(answers.like(name, address)?.into_iter().any(|own| is_within(address, own, length)))
}

fn is_within(address: IpAddr, network: IpAddr, length: u8) -> bool {
    // All bits shifted out are nothing on both sides: every address is within.
    let gone = |bits: u32| bits.saturating_sub(u32::from(length));
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            u32::from(address).checked_shr(gone(32)) == u32::from(network).checked_shr(gone(32))
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            u128::from(address).checked_shr(gone(128)) == u128::from(network).checked_shr(gone(128))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{World, addresses, exchanges, texts};
    use super::*;

    /// What large providers and universities publish.
    fn world() -> World {
        World::new(&[
            texts(
                "example.jp",
                &["site-verification=abc", "v=spf1 ip4:203.0.113.0/28 include:_spf.relay.example mx ~all"],
            ),
            exchanges("example.jp", &[(20, "mx2.example.jp"), (10, "mx1.example.jp")]),
            addresses("mx1.example.jp", &["198.51.100.1", "2001:db8::25"]),
            addresses("mx2.example.jp", &["198.51.100.2"]),
            texts("_spf.relay.example", &["v=spf1 ip4:192.0.2.128/25 ip6:2001:db8:1::/48 -all"]),
        ])
    }

    fn says(world: &World, address: &str) -> Outcome {
        let address = address.parse().unwrap();
        world.judge(|answers| outcome(answers, "example.jp", address)).unwrap().unwrap()
    }

    fn fault(record: &str) -> Option<String> {
        let world = world().with(texts("example.jp", &[record]));
        world.judge(|answers| judge(answers, "example.jp")).unwrap().err().map(|fault| fault.to_string())
    }

    #[test]
    fn a_machine_may_send_where_the_record_or_one_that_it_names_says_so() {
        let world = world();
        for address in
            ["203.0.113.15", "::ffff:203.0.113.1", "192.0.2.129", "2001:db8:1:2::3", "198.51.100.2", "2001:db8::25"]
        {
            assert_eq!(says(&world, address), Outcome::Known(Qualifier::Pass), "{address}");
        }
        // The -all of a record that is included is no word about ours.
        for address in ["203.0.113.16", "192.0.2.127", "2001:db8::26", "198.51.100.3"] {
            assert_eq!(says(&world, address), Outcome::Known(Qualifier::SoftFail), "{address}");
        }
        let policy = world.judge(|answers| judge(answers, "example.jp")).unwrap().unwrap();
        assert_eq!((policy.lookups, policy.rest), (2, Some(Qualifier::SoftFail)));
        assert!(policy.record.starts_with("v=spf1 ip4:"));
    }

    #[test]
    fn a_record_is_read_as_the_rfc_says() {
        let with = |record: &str| world().with(texts("example.jp", &[record]));
        let pass = Outcome::Known(Qualifier::Pass);
        for (record, address, outcome) in [
            ("V=SPF1 A:mx1.example.jp/24//64 -ALL", "198.51.100.200", pass),
            ("v=spf1 a:mx1.example.jp/24//64 -all", "2001:db8::ffff", pass),
            ("v=spf1 a:mx1.example.jp//64 -all", "198.51.100.200", Outcome::Known(Qualifier::Fail)),
            ("v=spf1  mx:example.jp.  ?all", "198.51.100.1", pass),
            ("v=spf1 redirect=_spf.relay.example", "192.0.2.200", pass),
            ("v=spf1 redirect=_spf.relay.example", "192.0.2.1", Outcome::Known(Qualifier::Fail)),
            ("v=spf1", "192.0.2.1", Outcome::Known(Qualifier::Neutral)),
            ("v=spf1 exists:mx1.example.jp -all", "192.0.2.1", pass),
            ("v=spf1 exists:mx9.example.jp -all", "192.0.2.1", Outcome::Known(Qualifier::Fail)),
            ("v=spf1 exists:%{i}._spf.%{d} -all", "192.0.2.1", Outcome::Unknown),
            ("v=spf1 ptr -all", "192.0.2.1", Outcome::Unknown),
            ("v=spf1 ptr ip4:192.0.2.1 -all", "192.0.2.1", pass),
            ("v=spf1 exp=why.example.jp unknown-modifier=%{d} -all", "192.0.2.1", Outcome::Known(Qualifier::Fail)),
        ] {
            assert_eq!(says(&with(record), address), outcome, "{record} of {address}");
        }
    }

    #[test]
    fn what_does_not_hold_is_named() {
        for (record, word) in [
            ("v=spf10 -all", "there is no SPF record"),
            ("hello", "there is no SPF record"),
            ("v=spf1 ipv4:192.0.2.1 -all", "\"ipv4:192.0.2.1\""),
            ("v=spf1 ip4:192.0.2.256 -all", "\"ip4:192.0.2.256\""),
            ("v=spf1 ip4:192.0.2.1/33 -all", "/33"),
            ("v=spf1 ip4:192.0.2.1/+8 -all", "/+8"),
            ("v=spf1 ip6:192.0.2.1 -all", "ip6"),
            ("v=spf1 include: -all", "\"include:\""),
            ("v=spf1 include:a..b -all", "a..b"),
            ("v=spf1 a/ -all", "\"a/\""),
            ("v=spf1 -all:example.jp", "-all:example.jp"),
            ("v=spf1 +all", "everybody"),
            ("v=spf1 all", "everybody"),
            ("v=spf1 ip4:0.0.0.0/0 -all", "everybody"),
            ("v=spf1 redirect=open.example", "everybody"),
            ("v=spf1 include:open.example -all", "everybody"),
            ("v=spf1 include:nothing.example -all", "names nothing.example"),
            ("v=spf1 include:example.jp -all", "more than 10 lookups"),
            ("v=spf1 redirect=example.jp", "more than 10 lookups"),
            ("v=spf1 a a a a a a a a a a a -all", "more than 10 lookups"),
        ] {
            let world = world().with(texts("open.example", &["v=spf1 ?ip4:192.0.2.1 +all"]));
            let world = world.with(texts("example.jp", &[record]));
            let judged = world.judge(|answers| judge(answers, "example.jp")).unwrap();
            let told = judged.expect_err(record).to_string();
            assert!(told.contains(word), "{record}: {told}");
        }
        assert_eq!(fault("v=spf1 a a a a a a a a a a -all"), None);
        // What stands after all is not looked at.
        assert_eq!(fault("v=spf1 -all a a a a a a a a a a a include:nothing.example"), None);
        let twice = world().with(texts("example.jp", &["v=spf1 -all", "v=spf1 mx -all"]));
        assert_eq!(twice.judge(|answers| judge(answers, "example.jp")).unwrap(), Err(Fault::Several(2)));
    }

    #[test]
    fn records_in_a_circle_and_too_many_servers_end() {
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let circle = world().with(texts("example.jp", &["v=spf1 include:example.jp -all"]));
        let judged = circle.judge(|answers| outcome(answers, "example.jp", address)).unwrap();
        assert_eq!(judged, Err(Fault::Lookups));
        let names: Vec<String> = (0..11).map(|number| format!("mx{number}.example.net")).collect();
        let servers: Vec<(u16, &str)> = names.iter().map(|name| (10, name.as_str())).collect();
        let many = world().with(texts("example.jp", &["v=spf1 mx:example.net -all"]));
        let many = many.with(exchanges("example.net", &servers));
        let judged = many.judge(|answers| outcome(answers, "example.jp", address)).unwrap();
        assert_eq!(judged, Err(Fault::Exchanges("example.net".to_owned())));
    }

    #[test]
    fn an_answer_that_does_not_come_is_told_and_nothing_is_judged() {
        let broken = world().failing("_spf.relay.example");
        let gap = broken.judge(|answers| judge(answers, "example.jp")).unwrap_err();
        assert_eq!(gap, Gap::Failed { name: "_spf.relay.example".to_owned(), why: "server failure".to_owned() });
    }

    proptest! {
        #[test]
        fn any_record_is_judged_without_a_panic(
            words in proptest::collection::vec(
                "[+~?-]?(all|include|a|mx|ptr|ip4|ip6|exists|redirect|x)?[:=/]{0,2}[0-9a-z.:%{}/é\u{0}-\u{20}-]{0,24}",
                0..12,
            ),
            any in "\\PC{0,60}",
            last: u8,
            six: bool,
        ) {
            let address = if six { "2001:db8::1".to_owned() } else { format!("192.0.2.{last}") };
            let address: IpAddr = address.parse().unwrap();
            for record in [format!("v=spf1 {}", words.join(" ")), format!("v=spf1 {any}"), any.clone()] {
                let world = world().with(texts("example.jp", &[&record]));
                let _ = world.judge(|answers| judge(answers, "example.jp"));
                let _ = world.judge(|answers| outcome(answers, "example.jp", address));
            }
        }

        #[test]
        fn networks_are_what_their_bits_say(address: u32, network: u32, length in 0u8..=32) {
            let (one, other) = (IpAddr::V4(address.into()), IpAddr::V4(network.into()));
            let bits = |number: u32| format!("{number:032b}").chars().take(length.into()).collect::<String>();
            prop_assert_eq!(is_within(one, other, length), bits(address) == bits(network));
        }
    }
}
