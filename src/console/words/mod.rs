//! Figures and times as people read them. Pure.

mod certificate;
mod fault;
mod figures;
mod names;
mod runbook;
mod stages;
mod time;

pub use certificate::{certificate_age, certificate_trouble, certificate_until};
pub use fault::{fault_advice, fault_can_be_decided, fault_chip, fault_title};
pub use figures::{bytes, bytes_of, count, duration, millis, percent, plural, rate};
pub use names::{
    catalogue_unit, check_sign, component, component_name, data_set, data_sets_by_component, grade, health, health_word, how_to_look,
    identity, short_key, short_word, stores, unit,
};
pub use runbook::{check_rows, reversed, runbook_steps};
pub use stages::{captured_later, stages, took};
pub use time::Zone;
