//! QR codes as pictures that pages and printed sheets hold themselves.

use qrcode::types::QrError;
use qrcode::{Color, EcLevel, QrCode};
use serde_json::{Value, json};

/// Light modules around a QR code (ISO/IEC 18004 section 5.3.8).
const QUIET: usize = 4;

/// A QR code as the path of an SVG image with modules of size 1, a run of dark ones each a rectangle: `{size, path}`.
///
/// # Errors
/// The text is too long for one.
pub fn picture(text: &str) -> Result<Value, QrError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M)?;
    let (width, modules) = (code.width(), code.to_colors());
    let mut path = String::new();
    for (y, row) in modules.chunks(width).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run.first() == Some(&Color::Dark) {
                let long = run.len();
                path.push_str(&format!("M{} {}h{long}v1h-{long}z", x + QUIET, y + QUIET));
            }
            x += run.len();
        }
    }
    Ok(json!({ "size": width + 2 * QUIET, "path": path }))
}
