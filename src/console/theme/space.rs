//! Distances in points, as in the mockups.

/// Navigation at the left.
pub const NAV_WIDTH: f32 = 196.0;
/// Header above.
pub const HEADER_HEIGHT: f32 = 48.0;
/// Footer below.
pub const FOOTER_HEIGHT: f32 = 26.0;
/// Left and right of the main part.
pub const MAIN_X: i8 = 20;
/// Above and below it.
pub const MAIN_Y: i8 = 16;
/// Between cards.
pub const GAP: f32 = 14.0;
/// Between things in a row.
pub const ROW: f32 = 12.0;
/// Between fields of a form.
pub const FIELD: f32 = 10.0;
/// Small distances.
pub const SMALL: f32 = 8.0;
/// The smallest.
pub const TINY: f32 = 4.0;
/// Inside a card.
pub const CARD: i8 = 14;
/// A card's corners.
pub const CARD_RADIUS: u8 = 8;
/// Corners of buttons, fields and the navigation's items.
pub const RADIUS: u8 = 6;
/// A chip's corners.
pub const CHIP_RADIUS: u8 = 10;
/// Left and right inside a chip.
pub const CHIP_X: f32 = 9.0;
/// A chip's height.
pub const CHIP_HEIGHT: f32 = 20.0;
/// A button's or field's height.
pub const CONTROL_HEIGHT: f32 = 32.0;
/// Left and right inside a button.
pub const BUTTON_X: f32 = 14.0;
/// Left and right inside a field.
pub const FIELD_X: i8 = 10;
/// Above and below the text inside a field.
pub const FIELD_Y: i8 = 7;
/// A table's row.
pub const TABLE_ROW: f32 = 35.0;
/// A table's head.
pub const TABLE_HEAD: f32 = 31.0;
/// Left and right inside a table's cell.
pub const CELL_X: f32 = 10.0;
/// A progress bar's height.
pub const BAR_HEIGHT: f32 = 6.0;
/// A sparkline.
pub const SPARK: egui::Vec2 = egui::vec2(120.0, 18.0);
/// One level of a tree.
pub const INDENT: f32 = 14.0;
/// A line of a tree.
pub const TREE_ROW: f32 = 27.0;
/// The fault prompt's width, where the window has it: nothing in it may be cut short.
pub const PROMPT_WIDTH: f32 = 980.0;
/// A dialog that is read rather than filled in.
pub const READ_WIDTH: f32 = 766.0;
/// A plain dialog's width.
pub const DIALOG_WIDTH: f32 = 520.0;
/// Two cards stand beside one another from this width of the main part on.
pub const TWO_CARDS: f32 = 700.0;
/// Two forms, or two cards with tables in them.
pub const TWO_FORMS: f32 = 960.0;
/// Between what is read in a dialog and its buttons.
pub const FOOT_GAP: f32 = 16.0;
/// A dialog shows at least so much of what is to be read.
pub const LEAST_BODY: f32 = 60.0;
/// The narrowest that a name or a piece of evidence becomes in a table.
pub const LEAST_TEXT: f32 = 48.0;
/// The command palette's width.
pub const PALETTE_WIDTH: f32 = 560.0;
/// The header's search field.
pub const SEARCH_WIDTH: f32 = 300.0;
/// The window as in the mockups.
pub const WINDOW: [f32; 2] = [1440.0, 900.0];
/// The smallest window: half of a small screen, as a display at 200 % has it. Everything is reachable in it.
pub const WINDOW_MIN: [f32; 2] = [700.0, 440.0];
