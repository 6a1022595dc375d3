//! Pictures in letters: drawn here, without a word in them, so that they need no font and are the same bytes wherever they are drawn.
//!
//! What a picture shows is told by the letter's HTML beside it and once more by its text. A picture is named by what is in it
//! (RFC 2392), so that no mail program takes the one of another letter for it.

use sha2::{Digest, Sha256};

use super::facts::{Facts, WeekEnrollment, WeekSurvey, WeeklyReport};

/// Points across; twice as many as a page shows, for fine screens.
const WIDTH: u32 = 1_160;
/// Points down of the course of an enrollment.
const CURVE_HEIGHT: u32 = 400;
/// Points down of the bar of who has answered.
const BAR_HEIGHT: u32 = 48;

/// A picture that goes with a letter's HTML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Name in templates, which write `cid:{{pictures.name}}`.
    pub name: &'static str,
    /// Its name in the mail, without brackets.
    pub cid: String,
    /// The picture as PNG.
    pub png: Vec<u8>,
}

/// The pictures of a letter; few letters have any.
pub(super) fn of(facts: &Facts) -> Vec<Picture> {
    let report: &WeeklyReport = match facts {
        Facts::WeeklyReport(report) => report,
        Facts::WeeklyReportUnblinded(whole) => &whole.report,
        _ => return Vec::new(),
    };
    let curve = report.enrollment.as_ref().map(|own| Picture::new("curve", &curve(own)));
    let answers = report.survey.as_ref().filter(|own| !own.unknown).map(|own| Picture::new("answers", &answers(own)));
    curve.into_iter().chain(answers).collect()
}

impl Picture {
    fn new(name: &'static str, canvas: &Canvas) -> Picture {
        let png = canvas.png();
        let digest = Sha256::digest(&png);
        let cid = format!("{}@hagaki", data_encoding::HEXLOWER.encode(digest.get(..12).unwrap_or_default()));
        Picture { name, cid, png }
    }
}

/// HTML in which a picture of that name stands itself, for pages that can ask for no part of a mail.
pub fn shown_in(html: &str, cid: &str, png: &[u8]) -> String {
    html.replace(&format!("cid:{cid}"), &format!("data:image/png;base64,{}", data_encoding::BASE64.encode(png)))
}

/// Colors of the palette; templates name the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ink {
    White = 0,
    Pale = 1,
    Gray = 2,
    Dark = 3,
    Blue = 4,
    Orange = 5,
    Light = 6,
}

/// The palette, in the order of [`Ink`].
const PALETTE: [[u8; 3]; 7] = [
    [0xff, 0xff, 0xff],
    [0xd6, 0xe4, 0xf5],
    [0xcc, 0xcc, 0xcc],
    [0x55, 0x55, 0x55],
    [0x0b, 0x57, 0xa4],
    [0xc7, 0x53, 0x00],
    [0x7b, 0xa7, 0xd9],
];

/// Points, each of one ink.
struct Canvas {
    height: u32,
    points: Vec<u8>,
}

impl Canvas {
    fn new(height: u32) -> Canvas {
        let many = usize::try_from(WIDTH * height).unwrap_or_default();
        Canvas { height, points: vec![Ink::White as u8; many] }
    }

    /// Fills from (left, top) to before (right, bottom).
    fn fill(&mut self, (left, top): (u32, u32), (right, bottom): (u32, u32), ink: Ink) {
        for y in top..bottom.min(self.height) {
            let place = |x: u32| usize::try_from(y * WIDTH + x.min(WIDTH)).unwrap_or_default();
            if let Some(line) = self.points.get_mut(place(left)..place(right.max(left))) {
                line.fill(ink as u8);
            }
        }
    }

    /// The picture as PNG.
    fn png(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, WIDTH, self.height);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette(PALETTE.concat());
        encoder.set_compression(png::Compression::High);
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&self.points));
        written.expect("a picture of the size it was made with is written to memory");
        bytes
    }
}

/// The course of an enrollment: so many subjects in all at the end of each week, a line for how many are planned.
fn curve(own: &WeekEnrollment) -> Canvas {
    let mut canvas = Canvas::new(CURVE_HEIGHT);
    let (floor, thick) = (CURVE_HEIGHT - 4, 6);
    let top = own.highest.max(1);
    // The highest stands a little below the edge.
    let height = |count: u64| {
        let up = u64::from(floor - 12) * count.min(top) / top;
        floor - u32::try_from(up).unwrap_or_default()
    };
    for quarter in 1..=4 {
        let y = floor - (floor - 12) * quarter / 4;
        canvas.fill((0, y), (WIDTH, y + 2), Ink::Gray);
    }
    let many = u32::try_from(own.course.len()).unwrap_or(1).max(1);
    let edge = |week: u32| WIDTH * week / many;
    let mut before = own.course.first().map_or(0, |first| first.total - first.count.min(first.total));
    for (week, one) in own.course.iter().enumerate() {
        let week = u32::try_from(week).unwrap_or_default();
        let (left, right, y) = (edge(week), edge(week + 1), height(one.total));
        canvas.fill((left, y), (right, floor), Ink::Pale);
        canvas.fill((left, y), (right, y + thick), Ink::Blue);
        canvas.fill((left, y), (left + thick, height(before) + thick), Ink::Blue);
        before = one.total;
    }
    if own.planned > 0 {
        let y = height(u64::from(own.planned));
        for dash in (0..WIDTH).step_by(32) {
            canvas.fill((dash, y), (dash + 18, y + 4), Ink::Orange);
        }
    }
    canvas.fill((0, floor), (WIDTH, CURVE_HEIGHT), Ink::Dark);
    canvas
}

/// A bar of everybody who was asked: answered, to come, over without an answer, no more taking part.
fn answers(own: &WeekSurvey) -> Canvas {
    let mut canvas = Canvas::new(BAR_HEIGHT);
    let parts = [
        (own.answered, Ink::Blue),
        (own.waiting + own.to_come, Ink::Light),
        (own.over, Ink::Orange),
        (own.left, Ink::Dark),
    ];
    let all: u64 = parts.iter().map(|(count, _)| count).sum::<u64>().max(1);
    canvas.fill((0, 0), (WIDTH, BAR_HEIGHT), Ink::Gray);
    let mut passed = 0;
    for (count, ink) in parts {
        let edge = |count: u64| u32::try_from(u64::from(WIDTH) * count / all).unwrap_or_default();
        canvas.fill((edge(passed), 0), (edge(passed + count), BAR_HEIGHT), ink);
        passed += count;
    }
    canvas
}
