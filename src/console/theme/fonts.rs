//! The bundled faces. Every family falls back to the signs and to the monospaced face, so that no sign used is missing.

use std::sync::Arc;

use egui::{FontData, FontDefinitions, FontFamily};

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
