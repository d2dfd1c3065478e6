//! Puts tokens, faces and distances into egui's style, so that its own widgets look like ours.

use egui::style::{Selection, WidgetVisuals, Widgets};
use egui::{Context, CornerRadius, Margin, Stroke, TextStyle, Theme, ThemePreference, vec2};

use super::{Tokens, Type, fonts, space};

/// Which theme the person wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preference {
    /// As the desktop says.
    System,
    /// Dark.
    #[default]
    Dark,
    /// Light.
    Light,
}

/// Sets faces and both themes' styles.
pub fn apply(ctx: &Context, preference: Preference) {
    ctx.set_fonts(fonts::definitions());
    ctx.set_font_providers(fonts::providers());
    for (theme, tokens) in [(Theme::Dark, Tokens::dark()), (Theme::Light, Tokens::light())] {
        ctx.style_mut_of(theme, |style| restyle(style, theme, tokens));
    }
    set_preference(ctx, preference);
}

/// Switches the theme.
pub fn set_preference(ctx: &Context, preference: Preference) {
    ctx.set_theme(match preference {
        Preference::System => ThemePreference::System,
        Preference::Dark => ThemePreference::Dark,
        Preference::Light => ThemePreference::Light,
    });
}

fn restyle(style: &mut egui::Style, theme: Theme, tokens: &Tokens) {
    style.text_styles = [
        (TextStyle::Body, Type::Body.font()),
        (TextStyle::Button, Type::Button.font()),
        (TextStyle::Heading, Type::Title.font()),
        (TextStyle::Monospace, Type::Mono.font()),
        (TextStyle::Small, Type::Small.font()),
    ]
    .into();
    style.spacing.item_spacing = vec2(0.0, 0.0);
    style.spacing.button_padding = vec2(space::BUTTON_X, 6.0);
    style.spacing.interact_size = vec2(0.0, 18.0);
    style.spacing.menu_margin = Margin::same(6);
    style.spacing.window_margin = Margin::same(0);
    // The bar lies over the margin: content keeps its width when it appears.
    style.spacing.scroll = egui::style::ScrollStyle { floating_allocated_width: 0.0, ..egui::style::ScrollStyle::thin() };
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.3;
    style.animation_time = 0.0;
    style.visuals = visuals(theme, tokens);
}

fn visuals(theme: Theme, tokens: &Tokens) -> egui::Visuals {
    let mut visuals = theme.default_visuals();
    visuals.widgets = widgets(tokens);
    visuals.selection = Selection { bg_fill: tokens.accent_bg, stroke: Stroke::new(1.0, tokens.accent) };
    visuals.hyperlink_color = tokens.accent;
    visuals.faint_bg_color = tokens.selected;
    visuals.extreme_bg_color = tokens.bg;
    visuals.text_edit_bg_color = Some(tokens.bg);
    visuals.code_bg_color = tokens.bg;
    visuals.warn_fg_color = tokens.warn;
    visuals.error_fg_color = tokens.bad;
    visuals.weak_text_color = Some(tokens.muted);
    visuals.window_fill = tokens.raised;
    visuals.window_stroke = Stroke::new(1.0, tokens.line2);
    visuals.window_corner_radius = CornerRadius::same(space::CARD_RADIUS);
    visuals.menu_corner_radius = CornerRadius::same(space::RADIUS);
    visuals.panel_fill = tokens.bg;
    let shadow = egui::Shadow { offset: [0, 8], blur: 24, spread: 0, color: tokens.shadow };
    visuals.window_shadow = shadow;
    visuals.popup_shadow = shadow;
    visuals.disabled_alpha = 0.45;
    if theme == Theme::Dark {
        // egui's own choice for dark themes makes Inter look a weight bolder than it is.
        visuals.text_options.color_transfer_function = egui::epaint::FontColorTransferFunction::Gamma(0.8);
    }
    visuals.text_cursor.stroke = Stroke::new(1.5, tokens.text);
    visuals.interact_cursor = Some(egui::CursorIcon::PointingHand);
    visuals
}

fn widgets(tokens: &Tokens) -> Widgets {
    let widget = |fill, border, text| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, border),
        corner_radius: CornerRadius::same(space::RADIUS),
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    Widgets {
        noninteractive: widget(tokens.panel, tokens.line, tokens.text),
        inactive: widget(tokens.raised, tokens.line2, tokens.text),
        hovered: widget(tokens.raised, tokens.faint, tokens.text),
        active: widget(tokens.raised, tokens.accent, tokens.text),
        open: widget(tokens.raised, tokens.accent, tokens.text),
    }
}
