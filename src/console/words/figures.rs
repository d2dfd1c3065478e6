//! Bytes, rates, counts and durations.

const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

fn scaled(bytes: u64) -> (f64, usize) {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    (value, unit)
}

fn figure(value: f64, unit: usize) -> String {
    if unit == 0 || value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// `3.1 GiB`.
pub fn bytes(bytes: u64) -> String {
    let (value, unit) = scaled(bytes);
    format!("{} {}", figure(value, unit), UNITS[unit])
}

/// `1.9 of 3.1 GiB`.
pub fn bytes_of(done: u64, total: u64) -> String {
    let ((_, small), (value, unit)) = (scaled(done), scaled(total));
    if small == unit {
        let done = done as f64 / 1024f64.powi(i32::try_from(unit).unwrap_or(0));
        format!("{} of {} {}", figure(done, unit), figure(value, unit), UNITS[unit])
    } else {
        format!("{} of {}", bytes(done), bytes(total))
    }
}

/// `118 MiB/s`.
pub fn rate(bytes_per_sec: u64) -> String {
    format!("{}/s", bytes(bytes_per_sec))
}

/// `12 480`: groups of three from ten thousand on (1 245 too).
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `1 run`, `2 runs`.
pub fn plural(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {one}s", count(number)) }
}

/// `62 %`; never 100 before all is done.
pub fn percent(done: u64, total: u64) -> String {
    if total == 0 {
        return "0 %".to_owned();
    }
    let share = done as f64 * 100.0 / total as f64;
    format!("{:.0} %", if done < total { share.min(99.0).floor() } else { 100.0 })
}

/// Seconds as the two largest units: `44 s`, `5 min 48 s`, `12 h 5 min`, `3 d 2 h`.
pub fn duration(secs: u64) -> String {
    let two = |large: u64, unit: &str, small: u64, below: &str| {
        if small == 0 { format!("{large} {unit}") } else { format!("{large} {unit} {small} {below}") }
    };
    match secs {
        0..60 => format!("{secs} s"),
        60..3_600 => two(secs / 60, "min", secs % 60, "s"),
        // A day is read as 24 h; from two days on, days.
        3_600..172_800 => two(secs / 3_600, "h", secs % 3_600 / 60, "min"),
        _ => two(secs / 86_400, "d", secs % 86_400 / 3_600, "h"),
    }
}

/// `840 ms`, `6.2 s`, `2 min 4 s`.
pub fn millis(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1_000.0),
        _ => duration(ms / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_in_the_mockups() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(118 << 20), "118 MiB");
        assert_eq!(rate(118 << 20), "118 MiB/s");
        assert_eq!(bytes_of((1945 << 20) + 1, 3174 << 20), "1.9 of 3.1 GiB");
        assert_eq!(bytes_of(0, 38 << 20), "0 B of 38.0 MiB");
        assert_eq!(count(1_102_331), "1 102 331");
        assert_eq!(count(999), "999");
        assert_eq!(percent(1, 3), "33 %");
        assert_eq!(percent(999, 1000), "99 %");
        assert_eq!(duration(348), "5 min 48 s");
        assert_eq!(duration(43_500), "12 h 5 min");
        assert_eq!(duration(120), "2 min");
        assert_eq!(millis(840), "840 ms");
        assert_eq!(millis(6_200), "6.2 s");
    }
}
