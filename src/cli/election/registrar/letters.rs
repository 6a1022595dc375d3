//! The letters that bring credentials: mails to be sent by somebody else's program, or a table for it, and a sheet to check off.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use handlebars::{Handlebars, no_escape};
use secrecy::zeroize::Zeroizing;
use serde_json::json;

use super::super::papers::{self, For};
use super::kept::Kept;
use super::{kept_in, uuid_of};
use crate::cli::{End, Refused, counted};
use crate::daemon::machine::{SystemClock, SystemDice};
use crate::domain::language::Language;
use crate::domain::time::{Clock as _, Dice as _};
use crate::letters::outside::Outside;
use crate::letters::{clean, header};
use crate::limits;
use crate::workflow::export::delimited::{Charset, Delimited};

/// The sheet to check off.
const SHEET: &str = "check_sheet.csv";
/// The table of letters.
const TABLE: &str = "letters.csv";

/// The templates, by language: subject and text.
const TEMPLATES: [(Language, &str, &str); 2] = [
    (
        Language::Ja,
        include_str!("../../../../templates/election/ja/subject.hbs"),
        include_str!("../../../../templates/election/ja/text.hbs"),
    ),
    (
        Language::En,
        include_str!("../../../../templates/election/en/subject.hbs"),
        include_str!("../../../../templates/election/en/text.hbs"),
    ),
];

/// What the letters say, and where they are written.
#[derive(Debug, Args)]
pub struct LettersArgs {
    /// The folder that `registrar make` made.
    #[arg(long)]
    dir: PathBuf,
    /// Folder to make for the letters; must be absent or empty.
    #[arg(long)]
    out: PathBuf,
    /// What the election is called.
    #[arg(long)]
    title: String,
    /// The same in English, where it is another.
    #[arg(long)]
    title_en: Option<String>,
    /// Address that the letters come from: of who makes the credentials, not of who takes the votes.
    #[arg(long)]
    from: String,
    /// Name beside it.
    #[arg(long, default_value = "")]
    from_name: String,
    /// Whom to ask for help; the address that letters come from if left out.
    #[arg(long)]
    contact: Option<String>,
    /// Until when votes are taken, as the letters say it.
    #[arg(long)]
    closes: Option<String>,
    /// Address of the page on which ballots are made.
    #[arg(long)]
    url: Option<String>,
    /// The election's fingerprint, if it is known already.
    #[arg(long)]
    fingerprint: Option<String>,
    /// Language of letters to voters of whom none is said, ja or en.
    #[arg(long, default_value = "ja")]
    language: String,
    /// Only to these member numbers: for letters that were lost.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// One table (letters.csv) instead of a file for each mail: for another program that sends them, or to print.
    #[arg(long)]
    csv: bool,
}

/// A letter that is worded.
struct Worded {
    language: Language,
    subject: String,
    text: Zeroizing<String>,
}

pub(super) fn run(args: &LettersArgs) -> anyhow::Result<End> {
    let default = Language::find(&args.language)
        .ok_or_else(|| Refused(format!("no letter was written: --language {}: write ja or en", args.language)))?;
    if !header::is_address(&args.from) {
        return Err(Refused(format!("no letter was written: --from: \"{}\" is no mail address", args.from)).into());
    }
    let uuid = uuid_of(&args.dir)?;
    let kept = chosen(args, kept_in(&args.dir)?)?;
    if std::fs::read_dir(&args.out).is_ok_and(|mut inside| inside.next().is_some()) {
        let shown = args.out.display();
        return Err(Refused(format!("no letter was written: {shown} is not empty; name a new folder")).into());
    }
    let words = Words::load()?;
    papers::folder(&args.out)?;
    let (mut on_sheet, mut in_table) = (Vec::new(), Zeroizing::new(Vec::new()));
    let mut sheet = table(&mut on_sheet, &["number", "name", "email", "language", "letter", "sent"])?;
    let mut letters = table(&mut in_table, &["number", "name", "email", "language", "subject", "text", "credential"])?;
    let (mut mails, mut without) = (0_u64, 0_u64);
    for (at, own) in (1..).zip(&kept) {
        let worded = words.word(args, own, own.addressee.language.unwrap_or(default))?;
        let (number, name) = (own.addressee.number.as_str(), own.addressee.name.as_str());
        let address = own.addressee.address.as_str();
        let language = worded.language.code();
        let letter = if args.csv {
            let cells = [number, name, address, language, &worded.subject, &worded.text, own.credential.text()];
            letters.texts(cells.into_iter())?;
            TABLE.to_owned()
        } else if address.is_empty() {
            without += 1;
            String::new()
        } else {
            let file = format!("{at:06}.eml");
            mail(args, &args.out.join(&file), own, &worded)?;
            mails += 1;
            file
        };
        sheet.texts([number, name, address, language, letter.as_str(), ""].into_iter())?;
    }
    sheet.end()?;
    letters.end()?;
    papers::write(&args.out.join(SHEET), &on_sheet, For::Owner)?;
    let shown = args.out.display();
    println!("election {uuid}");
    if args.csv {
        papers::write(&args.out.join(TABLE), &in_table, For::Owner)?;
        println!(
            "  {}: {}; whoever reads it could vote for everybody",
            args.out.join(TABLE).display(),
            counted(kept.len() as u64, "letter")
        );
    } else {
        println!("  {shown}: {}, one file each; send them from {}, one by one", counted(mails, "mail"), args.from);
    }
    println!("  {}: to check off who got theirs; no credential is in it", args.out.join(SHEET).display());
    match without {
        0 => {}
        1 => println!("1 voter has no mail address: write that letter with --csv and --only, and print it."),
        many => {
            println!("{many} voters have no mail address: write their letters with --csv and --only, and print them.")
        }
    }
    println!("Destroy the letters once they are sent.");
    Ok(End::Done)
}

/// Those to whom letters go.
fn chosen(args: &LettersArgs, kept: Vec<Kept>) -> anyhow::Result<Vec<Kept>> {
    if args.only.is_empty() {
        return Ok(kept);
    }
    let wanted: BTreeSet<&str> = args.only.iter().map(|number| number.trim()).collect();
    let known: BTreeSet<String> = kept.iter().map(|own| own.addressee.number.clone()).collect();
    let strangers: Vec<&str> = wanted.iter().copied().filter(|number| !known.contains(*number)).collect();
    if !strangers.is_empty() {
        return Err(Refused(format!("no letter was written: nobody has the number {}", strangers.join(", "))).into());
    }
    Ok(kept.into_iter().filter(|own| wanted.contains(own.addressee.number.as_str())).collect())
}

fn mail(args: &LettersArgs, path: &Path, own: &Kept, worded: &Worded) -> anyhow::Result<()> {
    let mut random = [0; 16];
    SystemDice.fill(&mut random);
    let domain = args.from.rsplit_once('@').map_or("", |(_, domain)| domain);
    let message_id = format!("<{}@{domain}>", data_encoding::HEXLOWER.encode(&random));
    let mail = Outside {
        from: (&args.from, &args.from_name),
        to: (&own.addressee.address, &own.addressee.name),
        subject: &worded.subject,
        text: &worded.text,
        language: worded.language,
        message_id: &message_id,
        at: SystemClock::default().now(),
    };
    let file = mail.file().map_err(|fault| Refused(format!("number {}: {fault}", own.addressee.number)))?;
    papers::write(path, &Zeroizing::new(file), For::Owner)
}

/// The templates.
struct Words(Handlebars<'static>);

impl Words {
    fn load() -> anyhow::Result<Words> {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(no_escape);
        for (language, subject, text) in TEMPLATES {
            registry.register_template_string(&format!("{language}/subject"), subject)?;
            registry.register_template_string(&format!("{language}/text"), text)?;
        }
        Ok(Words(registry))
    }

    fn word(&self, args: &LettersArgs, own: &Kept, language: Language) -> anyhow::Result<Worded> {
        let english = args.title_en.as_ref().filter(|_| language == Language::En);
        let facts = json!({
            "title": english.unwrap_or(&args.title),
            "name": own.addressee.name,
            "number": own.addressee.number,
            "credential": own.credential.text(),
            "weight": own.addressee.weight,
            "weighted": own.addressee.weight != 1,
            "closes": args.closes,
            "url": args.url,
            "fingerprint": args.fingerprint,
            "contact": args.contact.as_ref().unwrap_or(&args.from),
        });
        let subject = self.0.render(&format!("{language}/subject"), &facts)?;
        let text = Zeroizing::new(self.0.render(&format!("{language}/text"), &facts)?);
        Ok(Worded { language, subject: clean::line(&subject, limits::HEADER_VALUE_CHARS), text })
    }
}

/// A table for Excel and for mail merges.
fn table<'b>(bytes: &'b mut Vec<u8>, columns: &[&str]) -> std::io::Result<Delimited<&'b mut Vec<u8>>> {
    Delimited::headed(bytes, Charset::Utf8Marked, columns.iter().map(ToString::to_string))
}
