//! Colours by meaning, dark and light; the values are those of the mockups' style sheet.

use egui::Color32;

const fn hex(rgb: u32) -> Color32 {
    Color32::from_rgb((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8)
}

/// A theme's colours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Behind everything, and inside fields.
    pub bg: Color32,
    /// Navigation, header, footer, cards.
    pub panel: Color32,
    /// Buttons, dialogs.
    pub raised: Color32,
    /// Lines and borders.
    pub line: Color32,
    /// Stronger borders: buttons, fields.
    pub line2: Color32,
    /// Text.
    pub text: Color32,
    /// Text that matters less.
    pub muted: Color32,
    /// Hints in fields.
    pub faint: Color32,
    /// What can be clicked, what is in progress, the primary identity.
    pub accent: Color32,
    /// Behind it.
    pub accent_bg: Color32,
    /// All is well.
    pub ok: Color32,
    /// Behind it.
    pub ok_bg: Color32,
    /// Look at it.
    pub warn: Color32,
    /// Behind it.
    pub warn_bg: Color32,
    /// Act on it.
    pub bad: Color32,
    /// Behind it.
    pub bad_bg: Color32,
    /// The secondary identity; training.
    pub sec: Color32,
    /// Behind it.
    pub sec_bg: Color32,
    /// A selected row.
    pub selected: Color32,
    /// The card of the primary cluster, and of what matters.
    pub accent_line: Color32,
    /// The card of the secondary cluster.
    pub sec_line: Color32,
    /// A chosen card.
    pub chosen: Color32,
    /// On the navigation's chosen item.
    pub nav_on: Color32,
    /// On a primary button.
    pub on_accent: Color32,
    /// On a dangerous button.
    pub on_bad: Color32,
    /// Over the screen behind a prompt.
    pub scrim: Color32,
    /// Under popups.
    pub shadow: Color32,
}

const DARK: Tokens = Tokens {
    bg: hex(0x14171c),
    panel: hex(0x1a1e25),
    raised: hex(0x21262f),
    line: hex(0x2d343f),
    line2: hex(0x3a4350),
    text: hex(0xe6e9ee),
    muted: hex(0x98a2b0),
    faint: hex(0x6b7582),
    accent: hex(0x5b9dff),
    accent_bg: hex(0x1c3356),
    ok: hex(0x43c08a),
    ok_bg: hex(0x153328),
    warn: hex(0xe8b04b),
    warn_bg: hex(0x3a2e14),
    bad: hex(0xef6b6b),
    bad_bg: hex(0x3d1d20),
    sec: hex(0xb08cff),
    sec_bg: hex(0x2c2346),
    selected: hex(0x1d2633),
    accent_line: hex(0x2f4f80),
    sec_line: hex(0x4a3a78),
    chosen: hex(0x182233),
    nav_on: hex(0xffffff),
    on_accent: hex(0x08121f),
    on_bad: hex(0x230a0b),
    scrim: Color32::from_rgba_premultiplied(5, 7, 9, 168),
    shadow: Color32::from_black_alpha(90),
};

const LIGHT: Tokens = Tokens {
    bg: hex(0xf4f5f7),
    panel: hex(0xffffff),
    raised: hex(0xf0f2f5),
    line: hex(0xdfe3e8),
    line2: hex(0xc9d0d9),
    text: hex(0x1b2129),
    muted: hex(0x5b6675),
    faint: hex(0x8a94a1),
    accent: hex(0x1f6feb),
    accent_bg: hex(0xe1ecff),
    ok: hex(0x12784a),
    ok_bg: hex(0xdcf3e7),
    warn: hex(0x8f6200),
    warn_bg: hex(0xfcefcf),
    bad: hex(0xc4313a),
    bad_bg: hex(0xfde3e4),
    sec: hex(0x6d45c9),
    sec_bg: hex(0xece5fb),
    selected: hex(0xeef4ff),
    accent_line: hex(0x2f4f80),
    sec_line: hex(0x8f76cf),
    chosen: hex(0xeef4ff),
    nav_on: hex(0x1f6feb),
    on_accent: hex(0xffffff),
    on_bad: hex(0xffffff),
    scrim: Color32::from_rgba_premultiplied(14, 17, 22, 128),
    shadow: Color32::from_black_alpha(40),
};

impl Tokens {
    /// The dark theme's.
    pub fn dark() -> &'static Tokens {
        &DARK
    }

    /// The light theme's.
    pub fn light() -> &'static Tokens {
        &LIGHT
    }

    /// A tone's colour.
    pub fn colour(&self, tone: Tone) -> Color32 {
        match tone {
            Tone::Plain => self.text,
            Tone::Muted => self.muted,
            Tone::Faint => self.faint,
            Tone::Ok => self.ok,
            Tone::Warn => self.warn,
            Tone::Bad => self.bad,
            Tone::Accent => self.accent,
            Tone::Secondary => self.sec,
        }
    }

    /// What lies behind a chip of that tone.
    pub fn behind(&self, tone: Tone) -> Color32 {
        match tone {
            Tone::Plain | Tone::Muted | Tone::Faint => self.raised,
            Tone::Ok => self.ok_bg,
            Tone::Warn => self.warn_bg,
            Tone::Bad => self.bad_bg,
            Tone::Accent => self.accent_bg,
            Tone::Secondary => self.sec_bg,
        }
    }
}

/// What a text means; its colour follows. A tone never stands alone: the text or a sign in it says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// Matters less.
    Muted,
    /// Matters least.
    Faint,
    /// Well.
    Ok,
    /// Look at it.
    Warn,
    /// Act on it.
    Bad,
    /// In progress, chosen, primary.
    Accent,
    /// Secondary, training.
    Secondary,
}

/// The colours in use.
pub fn of(ui: &egui::Ui) -> &'static Tokens {
    if ui.visuals().dark_mode { &DARK } else { &LIGHT }
}
