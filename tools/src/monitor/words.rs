//! Words for what is in reports.

use std::time::Duration;

use rserpool::csp::{ComponentAssociation, ComponentId, Workload};

/// A text of somebody, without anything that a terminal takes for a command or that turns the order of characters about.
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(|character| if is_harmless(character) { character } else { '\u{fffd}' }).collect()
}

fn is_harmless(character: char) -> bool {
    // Marks of direction, joiners, separators of lines and paragraphs, byte order marks, tags.
    let is_invisible = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{61c}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !character.is_control() && !is_invisible
}

/// `1d 02:03:04`.
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let days = if days == 0 { String::new() } else { format!("{days}d ") };
    format!("{days}{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

pub(super) fn percent(workload: Workload) -> String {
    format!("{:.0} %", workload.fraction() * 100.0)
}

/// What the association carries.
pub(super) fn protocol(association: &ComponentAssociation) -> String {
    let name = match association.ppid {
        11 => "ASAP",
        12 => "ENRP",
        32 => "fractal",
        33 => "ping-pong",
        34 => "calcapp",
        35 => "scripting",
        other => return format!("PPID {other}"),
    };
    name.into()
}

/// Who is at the other end: a component may not know yet.
pub(super) fn receiver(id: ComponentId) -> String {
    let name = id.to_string();
    match (id.object(), name.split_once(' ')) {
        (0, Some((group, _))) => format!("{group} (unknown)"),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_commands_the_terminal() {
        assert_eq!(harmless("caf\u{e9} 1[1]"), "caf\u{e9} 1[1]");
        let hostile = "\u{1b}[2J\r\n\u{9b}31m\u{7f}\u{202e}x\u{2066}\u{200d}";
        assert_eq!(harmless(hostile).replace('\u{fffd}', "?"), "?[2J???31m??x??");
    }

    #[test]
    fn times_are_as_long_as_they_need() {
        assert_eq!(clock(Duration::from_secs(3_723)), "01:02:03");
        assert_eq!(clock(Duration::from_secs(86_400 + 1)), "1d 00:00:01");
        assert!(clock(Duration::from_micros(u64::MAX)).starts_with("213503982d"));
    }
}
