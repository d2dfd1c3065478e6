//! The console's own widgets: they draw [`Said`](super::said::Said) texts with the theme's tokens and tell assistive technology what they are.

mod bar;
mod button;
mod card;
mod checks;
mod chip;
mod columns;
mod dialog;
mod field;
mod table;
mod text;

pub use bar::progress;
pub use button::{Look, button, small_button};
pub use card::{Surface, card, columns, columns_or_rows};
pub use checks::checks;
pub use chip::{chip, width as chip_width};
pub use columns::{extra, points, share, text, whole};
pub use dialog::{Sheet, dialog, sheet_frame, toasts};
pub use field::{Field, check, choice, fold, menu_item, select, wide_item};
pub use table::{Cell, Table};
pub use text::{actions, heading, line, name_and_state, page_head, row, say, scrolled, wrapped};
