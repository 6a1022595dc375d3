//! Samples of the letters to voters.

use crate::domain::credential::Validity;
use crate::domain::election::roll::Entry;
use crate::domain::language::Language;
use crate::domain::study::Study;
use crate::domain::time::Instant;
use crate::letters::facts::{
    ElectionNoLink, ElectionNotice, ElectionPage, ElectionReceipt, ElectionResult, Facts, VotersEntry, VotersLink,
};
use crate::letters::kind::Kind;

/// Where the pages of samples are.
const PAGES: &str = "https://hagaki.example.jp";

/// What differs most from a sample; nothing of any other letter.
pub(super) fn variants(full: &Facts) -> Vec<Facts> {
    let bare = |own: &VotersLink| VotersLink { from: String::new(), renewed_until: String::new(), ..own.clone() };
    match full {
        Facts::ElectionNotice(facts) => {
            let entry =
                VotersEntry { district: String::new(), class: "full".into(), postal: true, ..facts.entry.clone() };
            let late = ElectionNotice { objections_until: String::new(), link_comes: false, ..facts.clone() };
            [ElectionNotice { entry, ..facts.clone() }, late].map(Facts::ElectionNotice).into()
        }
        Facts::ElectionCredential(facts) => vec![Facts::ElectionCredential(bare(facts))],
        Facts::ElectionRenewed(facts) => vec![Facts::ElectionRenewed(bare(facts))],
        Facts::ElectionReminder(facts) => vec![Facts::ElectionReminder(bare(facts))],
        Facts::ElectionNoLink(facts) => {
            let of = |reason: &str| ElectionNoLink { partial: format!("no-link-{reason}"), ..facts.clone() };
            ["voted", "postal", "not-yet", "cut-off", "frozen", "over"].map(of).map(Facts::ElectionNoLink).into()
        }
        Facts::ElectionAsked(facts) => vec![Facts::ElectionAsked(without_end(facts))],
        Facts::ElectionRefused(facts) => vec![Facts::ElectionRefused(without_end(facts))],
        Facts::ElectionHelp(facts) => vec![Facts::ElectionHelp(without_end(facts))],
        Facts::ElectionResult(facts) => {
            let mut few = facts.clone();
            for own in &mut few.counts {
                own.withheld = true;
                (own.roll, own.abstained) = (String::new(), String::new());
                for race in &mut own.races {
                    (race.quorum_missed, race.unopposed, race.vacant) = (true, true, 1);
                    race.elected.clear();
                    race.standings.clear();
                    race.runners_up.clear();
                }
            }
            let none = ElectionResult { counts: Vec::new(), ..facts.clone() };
            [few, none].map(Facts::ElectionResult).into()
        }
        _ => Vec::new(),
    }
}

fn without_end(facts: &ElectionPage) -> ElectionPage {
    ElectionPage { renewed_until: String::new(), ..facts.clone() }
}

/// The letters as an election of that kind would send them to somebody invented.
pub(super) fn of_study(kind: Kind, study: &Study, now: Instant, language: Language) -> Option<Facts> {
    let election = study.election.as_ref()?;
    let of = (election, study.slug.as_str(), study.zone);
    let entry = Entry {
        number: "M-0001".into(),
        name: study.title.in_language(language).to_string(),
        address: String::new(),
        language: Some(language),
        district: election.districts.first().map(|own| own.id.clone()),
        class: election.classes.first().map(|own| own.id.clone()),
        postal: false,
    };
    let validity = Validity { from: election.terms.opens.max(now), until: Some(election.terms.closes) };
    let link = || {
        let secret = format!("{PAGES}/v/abcdefghijklmnopqrstuvwxyz");
        VotersLink::new(of, (secret, validity), (PAGES, now), language)
    };
    let page = || ElectionPage::new(of, PAGES, now);
    Some(match kind {
        Kind::ElectionNotice => Facts::ElectionNotice(ElectionNotice::new(of, &entry, (PAGES, now), language)),
        Kind::ElectionCredential => Facts::ElectionCredential(link()),
        Kind::ElectionRenewed => Facts::ElectionRenewed(link()),
        Kind::ElectionReminder => Facts::ElectionReminder(link()),
        Kind::ElectionReceipt => Facts::ElectionReceipt(ElectionReceipt::new(of, "ABCD-EFGH-IJKL", PAGES)),
        Kind::ElectionNoLink => Facts::ElectionNoLink(ElectionNoLink::new(&study.slug, "voted", String::new(), PAGES)),
        Kind::ElectionAsked => Facts::ElectionAsked(page()),
        Kind::ElectionRefused => Facts::ElectionRefused(page()),
        Kind::ElectionHelp => Facts::ElectionHelp(page()),
        _ => return None,
    })
}
