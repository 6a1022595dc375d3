//! What an archive begins with: the election's file, from rules or made already, its trustees and its credentials.

use std::path::Path;

use super::archive::BeginArgs;
use super::papers;
use crate::cli::Refused;
use crate::daemon::machine::{SystemClock, SystemDice};
use crate::definition::election_file;
use crate::domain::belenios::archive::Archive;
use crate::domain::belenios::audit::{self, Expected};
use crate::domain::belenios::problem::Code;
use crate::domain::belenios::questions::{Phrases, questions};
use crate::domain::belenios::setup::{Credentials, Election, ElectionPlan, Question, Trustee, is_uuid};
use crate::domain::language::{Language, Text};
use crate::domain::time::{Clock as _, Dice as _};

/// The words of questions, by language.
const WORDS: [(Language, &str); 2] = [
    (Language::Ja, include_str!("../../../templates/election/ja/question.toml")),
    (Language::En, include_str!("../../../templates/election/en/question.toml")),
];

/// An archive that holds nothing but its set-up, which was checked.
pub(super) struct Begun {
    pub bytes: Vec<u8>,
    pub election: Election,
    /// Digest of the list of credentials.
    pub credentials: String,
    pub voters: u64,
}

pub(super) fn archive(args: &BeginArgs, trustees: &[Trustee]) -> anyhow::Result<Begun> {
    let refused = |path: &Path, code: Code| {
        Refused(format!("nothing was begun: {}: {} [{}]", path.display(), code.text(), code.name()))
    };
    let (keys, named) = Credentials::without_names(papers::read(&args.credentials)?.trim_ascii())
        .map_err(|code| refused(&args.credentials, code))?;
    if named {
        eprintln!(
            "warning: {} tells whose credential each is. The names are left out of the archive; but whoever has that file can tell who voted, \
             so whoever made it should have kept it",
            args.credentials.display()
        );
    }
    let given = papers::text(&args.election)?;
    let election = match given.trim_start().starts_with('{') {
        true => made(args, given.trim())?,
        false => from_rules(args, &given, trustees)?,
    };
    let now = SystemClock::default().now().0 / 1_000_000;
    let mut archive = Archive::begin(u64::try_from(now).unwrap_or_default());
    archive.set_up(&election, &Trustee::file(trustees), &Credentials::file(&keys));
    let bytes = archive.bytes().to_vec();
    let mut seed = [0; 32];
    SystemDice.fill(&mut seed);
    let report = audit::check(&bytes, Expected { open: true, ..Expected::default() }, seed);
    let lines: Vec<String> = report.problems.iter().map(super::audited::line).collect();
    match report.election.filter(|_| lines.is_empty()) {
        Some(election) => Ok(Begun { bytes, election, credentials: report.credentials, voters: report.voters }),
        None => Err(Refused(format!("nothing was begun: the election cannot be held so\n{}", lines.join("\n"))).into()),
    }
}

/// An election's file that is there already; nothing about it is chosen here.
fn made(args: &BeginArgs, election: &str) -> anyhow::Result<Vec<u8>> {
    let chosen = [
        ("--uuid", &args.uuid),
        ("--name", &args.name),
        ("--description", &args.description),
        ("--district", &args.district),
        ("--language", &args.language),
        ("--administrator", &args.administrator),
        ("--credential-authority", &args.credential_authority),
    ];
    match chosen.iter().find(|(_, value)| value.is_some()) {
        Some((option, _)) => {
            let shown = args.election.display();
            Err(Refused(format!("nothing was begun: {shown} says that itself — leave {option} out")).into())
        }
        None => Ok(election.as_bytes().to_vec()),
    }
}

/// The election's file by its rules.
fn from_rules(args: &BeginArgs, content: &str, trustees: &[Trustee]) -> anyhow::Result<Vec<u8>> {
    let shown = args.election.display().to_string();
    let (rules, warnings) = election_file::read(&shown, content).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Refused(format!("nothing was begun:\n{}", lines.join("\n")))
    })?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    let needed = |option: &str, value: &Option<String>| {
        let given = value.clone().filter(|value| !value.trim().is_empty());
        given.ok_or_else(|| Refused(format!("nothing was begun: rules do not say it — write {option}")))
    };
    let (uuid, name) = (needed("--uuid", &args.uuid)?, needed("--name", &args.name)?);
    if !is_uuid(&uuid) {
        return Err(Refused(format!("nothing was begun: --uuid: {}", Code::Uuid.text())).into());
    }
    if let Some(district) = args.district.as_ref().filter(|id| !rules.has_district(id)) {
        let known: Vec<&str> = rules.districts.iter().map(|own| own.id.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(
            Refused(format!("nothing was begun: there is no district \"{district}\"; there are: {known}")).into()
        );
    }
    // In which every contest is titled, if it is not said.
    let titled = |language: Language| {
        rules.contests.iter().all(|contest| contest.title.wordings().any(|(own, _)| own == language))
    };
    let languages: Vec<Language> = match &args.language {
        None => WORDS.iter().map(|(language, _)| *language).filter(|language| titled(*language)).collect(),
        Some(code) => vec![
            Language::find(code)
                .ok_or_else(|| Refused(format!("nothing was begun: --language {code}: write ja or en")))?,
        ],
    };
    if languages.is_empty() {
        let told = "nothing was begun: the contests are not all titled in one language — write --language";
        return Err(Refused(told.to_owned()).into());
    }
    let asked = questions(&rules, args.district.as_deref(), &phrases()?, &|text| spoken(text, &languages)).map_err(
        |obstacles| {
            let lines: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
            Refused(format!(
                "nothing was begun: {shown} cannot be held so that everybody can check it:\n{}",
                lines.join("\n")
            ))
        },
    )?;
    let questions: Vec<Question> = asked.into_iter().map(|asked| asked.question).collect();
    let plan = ElectionPlan {
        name: &name,
        description: args.description.as_deref().unwrap_or_default(),
        uuid: &uuid,
        questions: &questions,
        administrator: args.administrator.as_deref(),
        credential_authority: args.credential_authority.as_deref(),
    };
    Ok(plan.file(trustees))
}

/// The words that stand in questions.
fn phrases() -> anyhow::Result<Phrases> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Words {
        yes: String,
        no: String,
        reject: String,
    }
    let (mut yes, mut no, mut reject) = (Vec::new(), Vec::new(), Vec::new());
    for (language, file) in WORDS {
        let words: Words = toml::from_str(file)?;
        yes.push((language, words.yes));
        no.push((language, words.no));
        reject.push((language, words.reject));
    }
    Ok(Phrases { yes: Text::new(yes), no: Text::new(no), reject: Text::new(reject) })
}

/// A text in these languages, one beside the other: a question has one wording for everybody.
fn spoken(text: &Text, languages: &[Language]) -> String {
    let mut wordings: Vec<&str> = Vec::new();
    for own in languages {
        let found = text.wordings().find(|(language, _)| language == own).map(|(_, wording)| wording);
        wordings.extend(found.filter(|wording| !wordings.contains(wording)));
    }
    if wordings.is_empty() {
        wordings.extend(languages.first().map(|language| text.in_language(*language)));
    }
    wordings.join(" / ")
}
