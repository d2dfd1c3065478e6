//! Type: which face, which size, which line height.

use egui::FontId;

use super::fonts::Face;

/// A kind of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Type {
    /// Ordinary text.
    #[default]
    Body,
    /// Ordinary text that stands out.
    Strong,
    /// A page's title.
    Title,
    /// The welcome screen's title.
    Hero,
    /// Its introduction.
    Lead,
    /// A card's heading.
    Heading,
    /// A large card's heading.
    Card,
    /// A large figure.
    Figure,
    /// The product's name.
    Brand,
    /// Buttons.
    Button,
    /// Labels of fields, heads of tables.
    Label,
    /// Chips.
    Chip,
    /// The footer.
    Small,
    /// Addresses, keys, logs.
    Mono,
    /// Axis labels.
    Axis,
}

impl Type {
    /// Face and size.
    pub fn font(self) -> FontId {
        let (size, face) = match self {
            Type::Body => (13.0, Face::Regular),
            Type::Strong | Type::Heading => (13.0, Face::Bold),
            Type::Title => (18.0, Face::Bold),
            Type::Hero => (24.0, Face::Bold),
            Type::Lead => (14.0, Face::Regular),
            Type::Card | Type::Brand => (15.0, Face::Bold),
            Type::Figure => (22.0, Face::Bold),
            Type::Button => (13.0, Face::Medium),
            Type::Label => (11.5, Face::Medium),
            Type::Chip => (11.5, Face::SemiBold),
            Type::Small => (11.0, Face::Regular),
            Type::Mono => (12.0, Face::Mono),
            Type::Axis => (12.0, Face::Regular),
        };
        FontId::new(size, face.family())
    }

    /// Line height in points.
    pub fn line_height(self) -> f32 {
        match self {
            Type::Title => 24.0,
            Type::Hero => 32.0,
            Type::Lead => 21.0,
            Type::Figure => 28.0,
            Type::Card | Type::Brand => 20.0,
            Type::Mono => 20.0,
            Type::Label | Type::Chip | Type::Small => 16.0,
            _ => 18.0,
        }
    }
}
