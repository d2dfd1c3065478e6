//! The console's own widgets: they draw [`Said`](super::said::Said) texts with the theme's tokens and tell assistive technology what they are.

mod bar;
mod button;
mod card;
mod chip;
mod dialog;
mod field;
mod table;
mod text;

pub use bar::progress;
pub use button::{Look, button, small_button};
pub use card::{Surface, card, columns};
pub use chip::chip;
pub use dialog::{dialog, toasts};
pub use field::{Field, check, choice, fold, menu_item, select, wide_item};
pub use table::{Cell, Column, Table};
pub use text::{actions, heading, line, page_head, row, say, scrolled, wrapped};
