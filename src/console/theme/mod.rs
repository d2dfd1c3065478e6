//! How everything looks: colours, type, spacing. The only place with such literals; everything else names a token.
//!
//! `apply` once at start; then [`of`] gives the colours of the theme in use, [`Type`] the type sizes and `space` the distances.

mod fonts;
pub mod space;
mod style;
mod tokens;
mod typography;

pub use style::{Preference, apply, set_preference};
pub use tokens::{Tokens, Tone, of};
pub use typography::Type;

#[cfg(test)]
pub use fonts::definitions as font_definitions;
