//! `hagaki outbox resend ID`: a letter once more, as it was.

use clap::Args;

use crate::cli::installation::Opened;
use crate::cli::{End, Installation, Refused};
use crate::store::outbox::State;
use crate::workflow::life::Act;
use crate::workflow::resend::{self, NotResent};
use crate::workflow::shelf::Shelf;

/// Arguments of `hagaki outbox resend`.
#[derive(Debug, Args)]
pub struct ResendArgs {
    /// Its number.
    id: i64,
    /// Why; stands in the audit chain.
    #[arg(long)]
    reason: String,
    /// Which installation.
    #[command(flatten)]
    installation: Installation,
}

pub(super) fn run(args: &ResendArgs) -> anyhow::Result<End> {
    if args.reason.trim().is_empty() {
        return Err(Refused("say why with --reason; it stands in the audit chain".to_string()).into());
    }
    let opened = Opened::open(&args.installation)?;
    let pen = opened.pen()?;
    let shelf = Shelf::new(opened.store.clone());
    let act = Act { actor: &opened.actor, at: opened.now(), reason: &args.reason };
    match opened.runtime.block_on(resend::resend(&shelf, pen.means(&opened), args.id, act))? {
        Ok(again) => {
            println!("letter {} goes out once more, as letter {again}", args.id);
            Ok(End::Done)
        }
        Err(why) => Err(Refused(told(args.id, why)).into()),
    }
}

fn told(id: i64, why: NotResent) -> String {
    match why {
        NotResent::Unknown => format!("there is no letter {id}"),
        NotResent::Unsent(State::Dropped) => {
            format!("letter {id} was put aside, by a person or because it was not wanted any more")
        }
        NotResent::Unsent(state) => {
            format!("letter {id} is {} and was not sent: `hagaki outbox retry` or `release` lets it go", state.key())
        }
        NotResent::Secret => format!(
            "letter {id} let somebody in, and its secret was taken out when it had left; issue another with `hagaki credentials \
             reissue`"
        ),
        NotResent::Asks => format!(
            "letter {id} asks for a reply to an address that is good once; whoever wrote is asked anew when they send their mail again"
        ),
        NotResent::Reminds => format!(
            "letter {id} asks for an answer that may be there by now; `hagaki schedule send-now` sends what is still wanted, and \
             `hagaki credentials reissue` a fresh way in"
        ),
        NotResent::Nobody => {
            format!("letter {id} went to an address that is nobody's of its study any more; nothing is sent there")
        }
        NotResent::InTheClear => format!(
            "letter {id} was written in the clear, and letters with case data to its reader leave encrypted by now; have its reader ask again"
        ),
        NotResent::OtherKey => format!(
            "letter {id} was encrypted to a key that is not its reader's any more, or that ended; have its reader ask again"
        ),
        NotResent::MayNotKnow => format!(
            "whoever reads mail at the address of letter {id} may not have it any more, by their site, their role or the study's \
             blinding; they can ask with a mail `status`"
        ),
    }
}
