//! An instrument on a page: what was posted, and the page or the review made from it. For participants and staff alike.

pub(in crate::web) mod body;
pub(in crate::web) mod filled;
pub(in crate::web) mod posted;
pub(in crate::web) mod walk;
pub(in crate::web) mod whose;

use crate::web::pages::Source;

/// The pieces of which a page of questions is made.
pub(in crate::web) const PIECES: [Source; 4] = [
    ("top", include_str!("../../../templates/pages/survey/top.hbs")),
    ("bottom", include_str!("../../../templates/pages/survey/bottom.hbs")),
    ("item", include_str!("../../../templates/pages/survey/item.hbs")),
    ("matrix", include_str!("../../../templates/pages/survey/matrix.hbs")),
];
