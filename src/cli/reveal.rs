//! `hagaki allocation reveal`: the secret of a closed study, and a package from which somebody else can recompute it all.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use handlebars::{Handlebars, no_escape};
use serde_json::{Value, json};

use super::export::StageName;
use super::installation::Opened;
use super::study::judged;
use super::{End, Installation, Output};
use crate::domain::language::Language;
use crate::domain::study::Stage;
use crate::store::study::StudyRow;
use crate::workflow::disclosure::{self, Revealed};
use crate::workflow::life::Act;
use crate::workflow::package::{self, Package};
use crate::workflow::shelf::Shelf;

/// The verifier as it was when this program was built.
const VERIFIER: &str = include_str!("../../deploy/verify/hagaki_verify.py");
/// What the package says of itself, by file name.
const READMES: [(&str, Language, &str); 2] = [
    ("README.md", Language::En, include_str!("../../templates/package/en/readme.hbs")),
    ("README.ja.md", Language::Ja, include_str!("../../templates/package/ja/readme.hbs")),
];

/// What `hagaki allocation reveal` takes.
#[derive(Debug, Args)]
pub struct RevealArgs {
    /// The study; it must be closed.
    slug: String,
    /// Folder to make for the package; must be absent or empty.
    #[arg(long)]
    out: PathBuf,
    /// Id of the person of the study who asked for it; stands in the audit chain.
    #[arg(long)]
    by: String,
    /// Why; stands in the audit chain. Needed in production.
    #[arg(long, default_value = "")]
    reason: String,
    /// Put the audit chain and the whole bundles in too, for an auditor: they hold what was answered about the subjects and the
    /// addresses of the staff.
    #[arg(long)]
    with_chain: bool,
    /// Of which stage; the current one if left out.
    #[arg(long, value_enum)]
    stage: Option<StageName>,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
    /// For people or for programs.
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: &RevealArgs) -> anyhow::Result<End> {
    let opened = Opened::open(&args.installation)?;
    let shelved = opened.study_at(&args.slug, args.stage.map(Stage::from))?;
    if fs::read_dir(&args.out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(super::Refused(format!("{} is not empty; name a new folder", args.out.display())).into());
    }
    let pen = opened.pen()?;
    let shelf = Shelf::new(opened.store.clone());
    let act = Act { actor: &opened.actor, at: opened.now(), reason: &args.reason };
    let revealing = disclosure::reveal(&shelf, &shelved, pen.means(&opened), &args.by, act);
    let Revealed { row, first } = judged(opened.runtime.block_on(revealing))?;
    let Package { manifest, mut files } =
        opened.runtime.block_on(package::pack(&opened.store, &shelved, &row, args.with_chain))?;
    for (name, language, template) in READMES {
        let title = shelved.study.title.in_language(language);
        files.insert(name.to_owned(), readme(template, title, &manifest, &row, args.with_chain)?);
    }
    files.insert("hagaki_verify.py".to_owned(), VERIFIER.to_owned());
    files.insert("package.json".to_owned(), format!("{manifest:#}\n"));
    write(&args.out, &files)?;
    let (secret, commitment) = (hex(row.secret.bytes()?), hex(&row.secret_digest));
    if row.stage == Stage::Development && shelved.study.hands_out_kits() {
        eprintln!(
            "warning: by this secret the rehearsal shuffled the arms of kits among their codes. Whoever has it and knows the codes of a place, a \
             day and a lot can tell from the journal which arms they hold in production; keep the package from everybody who is blinded"
        );
    }
    if args.output.json {
        let names: Vec<&String> = files.keys().collect();
        println!(
            "{}",
            json!({ "study": row.slug, "stage": row.stage.key(), "secret": secret, "secret_digest": commitment,
                    "allocations": row.allocations, "chain": { "length": row.chain.length, "head": hex(&row.chain.digest) },
                    "out": args.out.display().to_string(), "files": names })
        );
    } else {
        println!("{} ({}): the secret is revealed", row.slug, row.stage.key());
        println!("secret:               {secret}");
        println!("digest of the secret: {commitment}");
        if first {
            println!("The staff are told by letter that it was revealed.");
        } else {
            println!("It was revealed before, and the staff were told by letter then; this time none is written.");
        }
        println!("chain:                {} entries, head {}", row.chain.length, hex(&row.chain.digest));
        println!(
            "Recompute everything with the verifier of the release, deploy/verify/hagaki_verify.py in its source, and not with the copy in \
             the package: whoever could change the one could change the other.\n  python3 deploy/verify/hagaki_verify.py {}",
            args.out.display()
        );
        if !args.with_chain {
            println!(
                "The package is made without the audit chain: whoever has it can recompute each draw, but not check that journal, rules and \
                 recounts are those of then. The same again with --with-chain, for somebody who must."
            );
        }
    }
    Ok(End::Done)
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// A text of the package about itself.
fn readme(template: &str, title: &str, manifest: &Value, row: &StudyRow, with_chain: bool) -> anyhow::Result<String> {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.register_escape_fn(no_escape);
    let mut facts = manifest.clone();
    if let Some(facts) = facts.as_object_mut() {
        facts.insert("title".to_owned(), json!(title));
        facts.insert("production".to_owned(), json!(row.stage == Stage::Production));
        facts.insert("with_chain".to_owned(), json!(with_chain));
    }
    Ok(registry.render_template(template, &facts)?)
}

fn write(folder: &Path, files: &BTreeMap<String, String>) -> anyhow::Result<()> {
    for (name, text) in files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| format!("{} cannot be written; the secret is revealed all the same", path.display()))?;
    }
    Ok(())
}
