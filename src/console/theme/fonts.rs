//! The bundled faces. Every family falls back to the signs and to the monospaced face, so that no sign used is missing; names in other
//! scripts bring their faces when the first such letter is drawn.

use std::ops::RangeInclusive;
use std::sync::Arc;

use egui::{FallbackRequest, FontData, FontDefinitions, FontFamily, FontInsert, FontProvider};

/// A face by its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Inter.
    Regular,
    /// Inter, medium.
    Medium,
    /// Inter, semi-bold.
    SemiBold,
    /// Inter, bold.
    Bold,
    /// JetBrains Mono.
    Mono,
}

impl Face {
    const ALL: [Face; 5] = [Face::Regular, Face::Medium, Face::SemiBold, Face::Bold, Face::Mono];

    fn name(self) -> &'static str {
        match self {
            Face::Regular => "Inter",
            Face::Medium => "Inter Medium",
            Face::SemiBold => "Inter SemiBold",
            Face::Bold => "Inter Bold",
            Face::Mono => "JetBrains Mono",
        }
    }

    fn bytes(self) -> &'static [u8] {
        match self {
            Face::Regular => include_bytes!("../../../assets/fonts/Inter-Regular.otf"),
            Face::Medium => include_bytes!("../../../assets/fonts/Inter-Medium.otf"),
            Face::SemiBold => include_bytes!("../../../assets/fonts/Inter-SemiBold.otf"),
            Face::Bold => include_bytes!("../../../assets/fonts/Inter-Bold.otf"),
            Face::Mono => include_bytes!("../../../assets/fonts/JetBrainsMono-Regular.ttf"),
        }
    }

    /// Its family in egui.
    pub fn family(self) -> FontFamily {
        match self {
            Face::Regular => FontFamily::Proportional,
            Face::Mono => FontFamily::Monospace,
            other => FontFamily::Name(other.name().into()),
        }
    }
}

const SIGNS: &str = "Signs";

/// All faces and their fallbacks.
pub fn definitions() -> FontDefinitions {
    let mut fonts = FontDefinitions::empty();
    for face in Face::ALL {
        fonts.font_data.insert(face.name().to_owned(), Arc::new(FontData::from_static(face.bytes())));
    }
    let signs = FontData::from_static(include_bytes!("../../../assets/fonts/Symbols.ttf"));
    fonts.font_data.insert(SIGNS.to_owned(), Arc::new(signs));
    for face in Face::ALL {
        let mut chain = vec![face.name().to_owned(), SIGNS.to_owned()];
        chain.extend([Face::Mono, Face::Regular].iter().filter(|other| **other != face).map(|other| other.name().to_owned()));
        fonts.families.insert(face.family(), chain);
    }
    fonts
}

/// A face for names in other scripts. It costs nothing until one of its letters is drawn.
struct Script {
    name: &'static str,
    bytes: &'static [u8],
    /// Where it is asked at all.
    holds: &'static [RangeInclusive<char>],
}

/// Han, kana, bopomofo and the full-width forms.
const HAN: Script = Script {
    name: "Han",
    bytes: include_bytes!("../../../assets/fonts/Han.ttf"),
    holds: &['\u{2e80}'..='\u{33ff}', '\u{3400}'..='\u{9fff}', '\u{f900}'..='\u{faff}', '\u{fe30}'..='\u{fe4f}', '\u{ff00}'..='\u{ffef}'],
};
/// Every other script of the basic plane: Hangul, Arabic, Hebrew, the scripts of India, Thai and more.
const SCRIPTS: Script = Script {
    name: "Scripts",
    bytes: include_bytes!("../../../assets/fonts/Scripts.otf"),
    holds: &['\u{0250}'..='\u{33ff}', '\u{a000}'..='\u{d7ff}', '\u{f900}'..='\u{ffff}'],
};
/// What lies above it: rarer scripts and pictures.
const UPPER: Script = Script {
    name: "Scripts above the basic plane",
    bytes: include_bytes!("../../../assets/fonts/ScriptsUpper.otf"),
    holds: &['\u{10000}'..='\u{1ffff}'],
};

impl FontProvider for Script {
    fn font_for(&self, request: &FallbackRequest<'_>) -> Option<FontInsert> {
        let first = request.cluster.chars().next()?;
        let held = self.holds.iter().any(|range| range.contains(&first));
        // The family that asked is added by egui itself.
        held.then(|| FontInsert::new(self.name, FontData::from_static(self.bytes), Vec::new()))
    }
}

/// Who is asked for a letter that no face above has, in this order.
pub fn providers() -> Vec<Arc<dyn FontProvider>> {
    vec![Arc::new(HAN), Arc::new(SCRIPTS), Arc::new(UPPER)]
}
