//! Around the screens: navigation, header, footer, command palette.

pub mod data;
pub mod palette;
pub mod ui;
