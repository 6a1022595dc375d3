//! Records that strangers publish: whatever a name server says, every judgement comes to an end.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use hagaki::domain::dns::{Answer, Answers, Gap, Kind, Record, dmarc, signature, spf};
use libfuzzer_sys::fuzz_target;

/// Judges while every text is one of those given, one after another, and every other question is answered by an address.
fn judge<T>(texts: &[&str], judge: impl Fn(&Answers) -> Result<T, Gap>) {
    let mut answers = Answers::default();
    for number in 0..10_000 {
        let Err(Gap::Asks(question)) = judge(&answers) else { return };
        let records = match question.kind {
            Kind::Text => texts.get(number % texts.len().max(1)).map(|text| Record::Text((*text).to_owned())),
            Kind::Four => Some(Record::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)))),
            Kind::Exchange => Some(Record::Exchange { preference: 10, host: question.name.clone() }),
            Kind::Six | Kind::Pointer => None,
        };
        answers.put(question, Answer::Records(records.into_iter().collect()));
    }
    panic!("it asks without end");
}

fuzz_target!(|raw: &[u8]| {
    let Ok(text) = std::str::from_utf8(raw) else { return };
    let texts: Vec<&str> = text.lines().collect();
    judge(&texts, |answers| spf::judge(answers, "example.jp"));
    judge(&texts, |answers| spf::outcome(answers, "example.jp", IpAddr::V4(Ipv4Addr::LOCALHOST)));
    judge(&texts, |answers| dmarc::judge(answers, "reg.example.jp"));
    judge(&texts, |answers| signature::judge(answers, "hagaki._domainkey.example.jp", "v=DKIM1; k=ed25519; p=AAAA"));
});
